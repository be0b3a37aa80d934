/* Several ports on one address: `share`. */
#include "check.h"
#include "contexts.h"
#include "raw.h"
#include "readers.h"

#include <string.h>

static midisock_config sharing(void)
{
    midisock_config c = check_config();
    c.share = 1;
    return c;
}

/* A port number that is free, below those that the system gives to sockets of other programs. */
static uint16_t free_port(void)
{
    midisock_config alone = check_config();
    for (uint64_t i = midisock_now_ns() / 1000;; i += 7919) {
        uint16_t number = (uint16_t)(10000 + i % 20000);
        midisock_port *port = NULL;
        midisock_result result = midisock_listen("127.0.0.1", number, &alone, &port);
        midisock_close(port);
        if (result == MIDISOCK_OK)
            return number;
        CHECK_RESULT(MIDISOCK_ERR_ADDRESS_IN_USE, result);
    }
}

static midisock_port *share(uint16_t number, const midisock_config *config)
{
    midisock_port *port = NULL;
    CHECK_OK(midisock_listen("127.0.0.1", number, config, &port));
    CHECK_INT(number, midisock_local_port(port));
    CHECK_INT(MIDISOCK_STATE_LISTENING, midisock_state(port));
    return port;
}

static void refusals(void)
{
    midisock_port *port = NULL;
    midisock_config c = sharing();
    uint16_t number = free_port();
    CHECK_INVALID(midisock_listen("127.0.0.1", 0, &c, &port));
    CHECK_INVALID(midisock_listen("unix:/tmp/midisock-no-such-socket", 0, &c, &port));
    c.accept_mode = MIDISOCK_ACCEPT_MANUAL;
    CHECK_INVALID(midisock_listen("127.0.0.1", number, &c, &port));
    c = sharing();
    c.overflow = MIDISOCK_OVERFLOW_WAIT;
    CHECK_INVALID(midisock_listen("127.0.0.1", number, &c, &port));
    CHECK(port == NULL);

    c = sharing();
    midisock_port *first = share(number, &c);
    /* One that does not share, and the same address in other words. */
    midisock_config alone = check_config();
    CHECK_RESULT(MIDISOCK_ERR_ADDRESS_IN_USE, midisock_listen("127.0.0.1", number, &alone, &port));
    CHECK_RESULT(MIDISOCK_ERR_ADDRESS_IN_USE, midisock_listen("localhost", number, &c, &port));
    /* Another context is another holder. */
    midisock_context *context = NULL;
    CHECK_OK(midisock_context_create(NULL, &context));
    c.context = context;
    CHECK_RESULT(MIDISOCK_ERR_ADDRESS_IN_USE, midisock_listen("127.0.0.1", number, &c, &port));
    midisock_close(first);
    midisock_port *second = share(number, &c);
    midisock_close(second);
    CHECK_OK(midisock_context_destroy(context));
    CHECK(port == NULL);
}

/* A port that waits for the address begins to listen with all that share it, and not while one of them has it. */
static void ports_that_wait_for_the_address(void)
{
    uint16_t number = free_port();
    midisock_config alone = check_config();
    midisock_port *holder = NULL;
    CHECK_OK(midisock_listen("127.0.0.1", number, &alone, &holder));
    midisock_config c = sharing();
    c.listen_retry_ms = UINT32_MAX;
    midisock_port *ports[3];
    for (int i = 0; i < 3; i++) {
        CHECK_OK(midisock_listen("127.0.0.1", number, &c, &ports[i]));
        CHECK_INT(MIDISOCK_STATE_BINDING, midisock_state(ports[i]));
    }
    midisock_close(holder);
    for (int i = 0; i < 3; i++)
        CHECK_SOON(midisock_state(ports[i]) == MIDISOCK_STATE_LISTENING);
    int fd = raw_connect(number);
    RAW_SEND(fd, 0x90, 60, 1);
    for (int i = 0; i < 3; i++)
        EXPECT(ports[i], 0x90, 60, 1);
    raw_close(fd);
    for (int i = 0; i < 3; i++)
        midisock_close(ports[i]);
}

static void every_port_gets_what_every_client_sends(void)
{
    enum { PORTS = 16 };
    midisock_config c = sharing();
    uint16_t number = free_port();
    midisock_port *ports[PORTS];
    for (int i = 0; i < PORTS; i++) {
        c.channels = i == 0 ? MIDISOCK_ALL_CHANNELS : 1u << (i - 1);
        ports[i] = share(number, &c);
    }
    int one = raw_connect(number), two = raw_connect(number);
    RAW_SEND(one, 0x90, 60, 1, 0xf8);
    uint32_t first = EXPECT(ports[0], 0x90, 60, 1).client;
    EXPECT(ports[0], 0xf8);
    RAW_SEND(two, 0x91, 61, 1, 0xe, 2);
    uint32_t second = EXPECT(ports[0], 0x91, 61, 1).client;
    EXPECT(ports[0], 0x91, 0xe, 2);
    CHECK(first != second);
    CHECK_INT(first, EXPECT(ports[1], 0x90, 60, 1).client);
    CHECK_INT(second, EXPECT(ports[2], 0x91, 61, 1).client);
    EXPECT(ports[2], 0x91, 0xe, 2);
    for (int i = 0; i < PORTS; i++) {
        CHECK_INT(2, midisock_client_count(ports[i]));
        uint32_t ids[2];
        size_t count = 0;
        CHECK_OK(midisock_clients(ports[i], ids, 2, &count));
        CHECK_INT(2, count);
        CHECK(midisock_client_address(ports[i], first, (char[64]){0}, 64) == MIDISOCK_OK);
        POPS_NOTHING(ports[i]);
    }
    CHECK_COUNT(ports[5], filtered, 4);
    CHECK_COUNT(ports[5], messages_in, 4);

    /* What any of them pushes reaches every client, or the one that is named. */
    check_push(ports[4], BYTES(0x93, 1, 1));
    RAW_EXPECT(one, 0x93, 1, 1);
    RAW_EXPECT(two, 0x93, 1, 1);
    midisock_message named = {0};
    const uint8_t note[] = {0x94, 2, 2};
    named.data = note;
    named.size = sizeof note;
    named.client = second;
    CHECK_OK(midisock_push_message(ports[5], &named));
    RAW_EXPECT(two, 0x94, 2, 2);
    check_push(ports[15], BYTES(0x9e, 3, 3));
    RAW_EXPECT(one, 0x9e, 3, 3);
    RAW_EXPECT(two, 0x9e, 3, 3);

    /* One port disconnects a client for all. */
    CHECK_OK(midisock_disconnect(ports[7], first));
    RAW_EXPECT_END(one);
    for (int i = 0; i < PORTS; i++)
        CHECK_SOON(midisock_client_count(ports[i]) == 1);
    CHECK_RESULT(MIDISOCK_ERR_NO_SUCH_CLIENT, midisock_disconnect(ports[3], first));
    raw_close(one);
    raw_close(two);
    for (int i = 0; i < PORTS; i++)
        midisock_close(ports[i]);
}

static void ports_come_and_go_and_no_connection_ends(void)
{
    midisock_config c = sharing();
    c.release_on_close = 1;
    uint16_t number = free_port();
    midisock_port *first = share(number, &c);
    int fd = raw_connect(number);
    RAW_SEND(fd, 0x90, 60, 1);
    uint32_t client = EXPECT(first, 0x90, 60, 1).client;
    NOTIFIED(first, MIDISOCK_NOTIFY_CLIENT_JOINED);
    midisock_port *second = share(number, &c);
    CHECK_INT(client, NOTIFIED(second, MIDISOCK_NOTIFY_CLIENT_JOINED).client);
    /* In the middle of a message, with running status. */
    RAW_SEND(fd, 61);
    CHECK_SOON(check_stats(first).bytes_in == 4);
    midisock_port *third = share(number, &c);
    CHECK_INT(client, NOTIFIED(third, MIDISOCK_NOTIFY_CLIENT_JOINED).client);
    RAW_SEND(fd, 2);
    EXPECT(first, 0x90, 61, 2);
    EXPECT(second, 0x90, 61, 2);
    EXPECT(third, 0x90, 61, 2);

    /* The first that was there goes, and its notes end, but not what another holds. */
    check_push(first, BYTES(0x90, 1, 1));
    check_push(first, BYTES(0x90, 2, 1));
    check_push(first, BYTES(0xb0, 64, 127));
    check_push(first, BYTES(0xb1, 64, 127));
    uint8_t bytes[12];
    raw_read(fd, bytes, 12);
    check_push(second, BYTES(0x90, 2, 2));
    RAW_EXPECT(fd, 0x90, 2, 2);
    check_push(second, BYTES(0xb0, 64, 100));
    RAW_EXPECT(fd, 0xb0, 64, 100);
    midisock_close(first);
    RAW_EXPECT(fd, 0x80, 1, 64, 0xb1, 64, 0);
    check_push(third, BYTES(0x80, 2, 5)); /* withheld: the second holds it */
    check_push(third, BYTES(0x97, 7, 7));
    RAW_EXPECT(fd, 0x97, 7, 7);
    check_push(second, BYTES(0x80, 2, 6));
    RAW_EXPECT(fd, 0x80, 2, 6);
    midisock_close(second);
    RAW_EXPECT(fd, 0xb0, 64, 0);
    RAW_SEND(fd, 62, 3);
    EXPECT(third, 0x90, 62, 3);
    midisock_close(third);
    RAW_EXPECT(fd, 0x87, 7, 64);
    RAW_EXPECT_END(fd);
    raw_close(fd);
    /* The address is free. */
    midisock_config alone = check_config();
    midisock_port *other = NULL;
    CHECK_OK(midisock_listen("127.0.0.1", number, &alone, &other));
    midisock_close(other);
}

static void a_panic_ends_what_all_hold(void)
{
    midisock_config c = sharing();
    uint16_t number = free_port();
    c.channels = 1;
    midisock_port *one = share(number, &c);
    c.channels = 3;
    midisock_port *two = share(number, &c);
    int fd = raw_connect(number);
    RAW_SEND(fd, 0x90, 1, 1);
    EXPECT(one, 0x90, 1, 1);
    EXPECT(two, 0x90, 1, 1);
    check_push(two, BYTES(0x90, 5, 5));
    RAW_EXPECT(fd, 0x90, 5, 5);
    /* Only on its own channel. */
    midisock_panic(one);
    RAW_EXPECT(fd, 0xb0, 120, 0);
    check_push(one, BYTES(0x90, 5, 6));
    RAW_EXPECT(fd, 0x90, 5, 6);
    /* The other holds nothing any more. */
    check_push(one, BYTES(0x80, 5, 7));
    RAW_EXPECT(fd, 0x80, 5, 7);
    midisock_reset(two);
    RAW_EXPECT(fd, 0xb0, 123, 0, 0xb0, 121, 0, 0xb1, 123, 0, 0xb1, 121, 0);
    raw_close(fd);
    midisock_close(one);
    midisock_close(two);
}

static void each_port_has_an_allow_list_of_its_own(void)
{
    midisock_config c = sharing();
    uint16_t number = free_port();
    c.allow = "127.0.0.2";
    midisock_port *two = share(number, &c);
    c.allow = "127.0.0.3, 127.0.0.2";
    midisock_port *both = share(number, &c);
    /* None has it. */
    int stranger = raw_connect_from("127.0.0.1", number);
    RAW_EXPECT_GONE(stranger);
    CHECK_COUNT(two, rejected, 1);
    CHECK_COUNT(both, rejected, 1);
    raw_close(stranger);

    int a = raw_connect_from("127.0.0.2", number), b = raw_connect_from("127.0.0.3", number);
    RAW_SEND(b, 0x90, 3, 3);
    uint32_t id_b = EXPECT(both, 0x90, 3, 3).client;
    RAW_SEND(a, 0x90, 2, 2);
    uint32_t id_a = EXPECT(both, 0x90, 2, 2).client;
    CHECK_INT(id_a, EXPECT(two, 0x90, 2, 2).client);
    POPS_NOTHING(two);
    /* Every function: the port knows nothing of the other client. */
    char text[64];
    uint32_t ids[4];
    size_t count = 0;
    CHECK_OK(midisock_clients(two, ids, 4, &count));
    CHECK_INT(1, count);
    CHECK_INT(id_a, ids[0]);
    CHECK_INT(1, midisock_client_count(two));
    CHECK_RESULT(MIDISOCK_ERR_NO_SUCH_CLIENT, midisock_client_address(two, id_b, text, sizeof text));
    CHECK_RESULT(MIDISOCK_ERR_NO_SUCH_CLIENT, midisock_client_name(two, id_b, text, sizeof text));
    CHECK_RESULT(MIDISOCK_ERR_NO_SUCH_CLIENT, midisock_disconnect(two, id_b));
    midisock_message m = {0};
    const uint8_t note[] = {0x91, 1, 1};
    m.data = note;
    m.size = sizeof note;
    m.client = id_b;
    CHECK_RESULT(MIDISOCK_ERR_NO_SUCH_CLIENT, midisock_push_message(two, &m));
    check_push(two, BYTES(0x92, 1, 1));
    midisock_panic(two);
    midisock_reset(two);
    CHECK_OK(midisock_flush(two, DEADLINE_MS));
    check_push(both, BYTES(0x93, 1, 1));
    RAW_EXPECT(b, 0x93, 1, 1);
    CHECK_INT(0, check_stats(two).rejected - 1);
    CHECK_INT(1, check_stats(two).connections);
    CHECK_INT(2, check_stats(both).connections);
    CHECK_INT(id_a, NOTIFIED(two, MIDISOCK_NOTIFY_CLIENT_JOINED).client);
    midisock_notification n;
    CHECK_RESULT(MIDISOCK_EMPTY, midisock_poll_notification(two, &n));

    /* The list changes: a client that is no longer allowed leaves this port only, one that is allowed comes. */
    CHECK_OK(midisock_set_allow(two, "127.0.0.3"));
    midisock_notification left = NOTIFIED(two, MIDISOCK_NOTIFY_CLIENT_LEFT);
    CHECK_INT(id_a, left.client);
    CHECK_INT(MIDISOCK_ERR_PERMISSION, left.reason);
    CHECK_INT(id_b, NOTIFIED(two, MIDISOCK_NOTIFY_CLIENT_JOINED).client);
    RAW_SEND(a, 0x90, 4, 4);
    EXPECT(both, 0x90, 4, 4);
    RAW_SEND(b, 0x90, 5, 5);
    CHECK_INT(id_b, EXPECT(two, 0x90, 5, 5).client);
    EXPECT(both, 0x90, 5, 5);
    CHECK_INT(2, midisock_client_count(both));
    /* One that was excluded is allowed again at once. */
    CHECK_OK(midisock_set_allow(two, "10.0.0.1"));
    CHECK_OK(midisock_set_allow(two, NULL));
    CHECK_SOON(midisock_client_count(two) == 2);
    check_push(two, BYTES(0x94, 6, 6));
    RAW_EXPECT(b, 0x94, 6, 6);
    raw_close(a);
    raw_close(b);
    midisock_close(two);
    midisock_close(both);
}

static void the_largest_number_of_clients_counts(void)
{
    midisock_config c = sharing();
    uint16_t number = free_port();
    c.max_clients = 1;
    midisock_port *one = share(number, &c);
    c.max_clients = 5;
    midisock_port *five = share(number, &c);
    int fds[6];
    uint32_t ids[5];
    for (int i = 0; i < 5; i++) {
        fds[i] = raw_connect(number);
        RAW_SEND(fds[i], 0x90, (uint8_t)i, 1);
        ids[i] = EXPECT(one, 0x90, (uint8_t)i, 1).client;
        CHECK_INT(ids[i], EXPECT(five, 0x90, (uint8_t)i, 1).client);
    }
    fds[5] = raw_connect(number);
    RAW_EXPECT_GONE(fds[5]);
    CHECK_COUNT(one, rejected, 1);
    CHECK_COUNT(five, rejected, 1);
    midisock_close(five);
    CHECK_INT(5, midisock_client_count(one));
    for (int i = 0; i < 6; i++)
        raw_close(fds[i]);
    CHECK_SOON(midisock_client_count(one) == 0);
    /* Now it alone counts. */
    fds[0] = raw_connect(number);
    RAW_SEND(fds[0], 0xf6);
    fds[1] = raw_connect(number);
    RAW_EXPECT_GONE(fds[1]);
    raw_close(fds[0]);
    raw_close(fds[1]);
    midisock_close(one);
}

/* Each loses for itself: one port whose queue is small and that nobody pops changes nothing for the other. */
static void a_port_that_sleeps_delays_no_other(void)
{
    midisock_config c = sharing();
    uint16_t number = free_port();
    c.in_queue_bytes = 4096;
    midisock_port *sleeper = share(number, &c);
    c.in_queue_bytes = 1 << 20;
    midisock_port *awake = share(number, &c);
    int fd = raw_connect(number);
    enum { N = 5000 };
    for (int i = 0; i < N; i++)
        RAW_SEND(fd, 0x90, (uint8_t)(i % 128), 1, 0x80, (uint8_t)(i % 128), 1);
    for (int i = 0; i < N; i++) {
        EXPECT(awake, 0x90, (uint8_t)(i % 128), 1);
        EXPECT(awake, 0x80, (uint8_t)(i % 128), 1);
    }
    CHECK_INT(0, check_stats(awake).dropped_in);
    CHECK(check_stats(sleeper).dropped_in > 0);
    CHECK_INT(1, midisock_client_count(sleeper));
    raw_close(fd);
    CHECK_SOON(midisock_client_count(awake) == 0 && midisock_client_count(sleeper) == 0);
    midisock_close(sleeper);
    midisock_close(awake);
}

/* What the last port left on is released, also at a client that has shut down its sending side, and without any time to
   linger. */
static void the_last_port_releases(void)
{
    midisock_config c = sharing();
    uint16_t number = free_port();
    c.release_on_close = 1;
    c.release_on_disconnect = 1;
    midisock_port *port = share(number, &c);
    int fd = raw_connect(number);
    RAW_SEND(fd, 0xf6);
    EXPECT(port, 0xf6);
    check_push(port, BYTES(0x90, 60, 1));
    RAW_EXPECT(fd, 0x90, 60, 1);
    raw_half_close(fd);
    RAW_EXPECT(fd, 0x80, 60, 64);
    RAW_EXPECT_END(fd);
    raw_close(fd);
    midisock_close(port);

    c.linger_ms = 0;
    port = share(number, &c);
    fd = raw_connect(number);
    RAW_SEND(fd, 0xf6);
    EXPECT(port, 0xf6);
    check_push(port, BYTES(0x90, 61, 1));
    RAW_EXPECT(fd, 0x90, 61, 1);
    midisock_close(port);
    RAW_EXPECT(fd, 0x80, 61, 64);
    RAW_EXPECT_END(fd);
    raw_close(fd);
}

/* An address that cannot be had within the time of all is not waited for by those that come later. */
static void ports_that_wait_for_different_times(void)
{
    uint16_t number = free_port();
    midisock_config alone = check_config();
    midisock_port *holder = NULL, *port = NULL;
    CHECK_OK(midisock_listen("127.0.0.1", number, &alone, &holder));
    midisock_config c = sharing();
    c.listen_retry_ms = 1;
    midisock_port *first = NULL;
    CHECK_OK(midisock_listen("127.0.0.1", number, &c, &first));
    c.listen_retry_ms = 0;
    CHECK_RESULT(MIDISOCK_ERR_ADDRESS_IN_USE, midisock_listen("127.0.0.1", number, &c, &port));
    CHECK_SOON(midisock_state(first) == MIDISOCK_STATE_CLOSED);
    c.listen_retry_ms = UINT32_MAX;
    CHECK_OK(midisock_listen("127.0.0.1", number, &c, &port));
    midisock_close(holder);
    CHECK_SOON(midisock_state(port) == MIDISOCK_STATE_LISTENING);
    midisock_close(first);
    midisock_close(port);
}

/* Clients with sender time are told the name of the oldest port. */
static void the_name_of_the_oldest_port(void)
{
    midisock_config c = sharing();
    uint16_t number = free_port();
    c.name = "oldest";
    midisock_port *oldest = share(number, &c);
    c.name = "second";
    midisock_port *second = share(number, &c);
    midisock_config asks = check_config();
    asks.timing = MIDISOCK_TIMING_SENDER;
    asks.name = "guest";
    midisock_port *client = check_connect(oldest, &asks);
    char text[64] = "";
    CHECK_SOON(midisock_peer_name(client, text, sizeof text) == MIDISOCK_OK && strcmp(text, "oldest") == 0);
    uint32_t id = 0;
    size_t count = 0;
    midisock_port *ports[2] = {oldest, second};
    for (int i = 0; i < 2; i++) {
        CHECK_SOON(midisock_clients(ports[i], &id, 1, &count) == MIDISOCK_OK && count == 1 &&
                   midisock_client_name(ports[i], id, text, sizeof text) == MIDISOCK_OK &&
                   strcmp(text, "guest") == 0);
        NOTIFIED(ports[i], MIDISOCK_NOTIFY_CLIENT_JOINED);
        NOTIFIED(ports[i], MIDISOCK_NOTIFY_CLIENT_NAMED);
        NOTIFIED(ports[i], MIDISOCK_NOTIFY_CLOCK_LOCKED);
    }
    /* Both tell times, and both get them. */
    CHECK_SOON(check_stats(client).clock_error_ns != 0);
    check_push(second, BYTES(0x90, 1, 1));
    CHECK(EXPECT(client, 0x90, 1, 1).flags == MIDISOCK_FLAG_TIMED);
    check_push(oldest, BYTES(0x90, 2, 1));
    CHECK(EXPECT(client, 0x90, 2, 1).flags == MIDISOCK_FLAG_TIMED);
    check_push(client, BYTES(0x90, 3, 1));
    CHECK(EXPECT(oldest, 0x90, 3, 1).flags == MIDISOCK_FLAG_TIMED);
    CHECK(EXPECT(second, 0x90, 3, 1).flags == MIDISOCK_FLAG_TIMED);
    /* A port that comes later gets the times too. */
    c.name = "third";
    midisock_port *third = share(number, &c);
    NOTIFIED(third, MIDISOCK_NOTIFY_CLIENT_JOINED);
    NOTIFIED(third, MIDISOCK_NOTIFY_CLIENT_NAMED);
    NOTIFIED(third, MIDISOCK_NOTIFY_CLOCK_LOCKED);
    check_push(client, BYTES(0x90, 4, 1));
    CHECK(EXPECT(third, 0x90, 4, 1).flags == MIDISOCK_FLAG_TIMED);
    CHECK_OK(midisock_set_name(second, "other"));
    midisock_close(oldest);
    CHECK_SOON(midisock_peer_name(client, text, sizeof text) == MIDISOCK_OK && strcmp(text, "other") == 0);
    CHECK_INT(MIDISOCK_STATE_CONNECTED, midisock_state(client));
    midisock_close(client);
    midisock_close(second);
    midisock_close(third);
}

/* In HOST mode too. */
static void in_a_context_without_a_thread(void)
{
    midisock_context_config cc = MIDISOCK_CONTEXT_CONFIG_INIT;
    cc.mode = MIDISOCK_CONTEXT_HOST;
    midisock_context *context = NULL;
    CHECK_OK(midisock_context_create(&cc, &context));
    midisock_config c = sharing();
    c.context = context;
    uint16_t number = free_port();
    midisock_port *ports[3];
    for (int i = 0; i < 3; i++)
        ports[i] = share(number, &c);
    int fd = raw_connect(number);
    RAW_SEND(fd, 0x90, 1, 1);
    for (int i = 0; i < 3; i++) {
        CHECK_OK(midisock_wait(ports[i], MIDISOCK_WAIT_MESSAGE, DEADLINE_MS));
        midisock_message m;
        CHECK_OK(midisock_pop(ports[i], &m));
    }
    for (int i = 0; i < 3; i++)
        midisock_close(ports[i]);
    raw_close(fd);
    CHECK_OK(midisock_context_destroy(context));
}

/* Threads that make and close sharing ports at the same time always find an address to share. */
static void *comes_and_goes(void *argument)
{
    uint16_t number = *(const uint16_t *)argument;
    midisock_config c = sharing();
    for (int i = 0; i < 50; i++)
        midisock_close(share(number, &c));
    return NULL;
}

static void from_many_threads(void)
{
    enum { THREADS = 6 };
    uint16_t number = free_port();
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        check_start(&threads[i], comes_and_goes, &number);
    for (int i = 0; i < THREADS; i++)
        check_join(threads[i]);
}

/* What another port holds there stays. */
static void a_channel_that_one_port_gives_up(void)
{
    midisock_config c = sharing();
    uint16_t number = free_port();
    midisock_port *port[2] = {share(number, &c), share(number, &c)};
    int fd = raw_connect(number);
    for (int i = 0; i < 2; i++) {
        CHECK_SOON(midisock_client_count(port[i]) == 1);
        check_push(port[i], BYTES(0xb0, 64, 127));
        check_push(port[i], BYTES(0xe0, 1, 80));
        check_push(port[i], BYTES(0x90, 60, 1));
        RAW_EXPECT(fd, 0xb0, 64, 127, 0xe0, 1, 80, 0x90, 60, 1);
    }
    CHECK_OK(midisock_set_channels(port[0], MIDISOCK_ALL_CHANNELS & ~UINT32_C(1)));
    CHECK_OK(midisock_flush(port[0], DEADLINE_MS));
    check_push(port[1], BYTES(0xf6));
    RAW_EXPECT(fd, 0xf6);
    CHECK_OK(midisock_set_channels(port[1], MIDISOCK_ALL_CHANNELS & ~UINT32_C(1)));
    uint8_t released[9];
    raw_read(fd, released, sizeof released);
    CHECK(released[0] == 0x80 || released[3] == 0x80 || released[6] == 0x80);
    raw_close(fd);
    midisock_close(port[0]);
    midisock_close(port[1]);
}

int main(int argc, char **argv)
{
    static const check_case cases[] = {
        CASE(refusals),
        CASE(ports_that_wait_for_the_address),
        CASE(every_port_gets_what_every_client_sends),
        CASE(ports_come_and_go_and_no_connection_ends),
        CASE(a_panic_ends_what_all_hold),
        CASE(each_port_has_an_allow_list_of_its_own),
        CASE(the_largest_number_of_clients_counts),
        CASE(a_port_that_sleeps_delays_no_other),
        CASE(the_last_port_releases),
        CASE(ports_that_wait_for_different_times),
        CASE(the_name_of_the_oldest_port),
        CASE(in_a_context_without_a_thread),
        CASE(from_many_threads),
        CASE(a_channel_that_one_port_gives_up),
    };
    return check_main(argc, argv, CASES(cases));
}
