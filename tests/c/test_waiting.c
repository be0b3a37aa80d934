/* wait, wait_any, wait_connected, flush. */
#include "check.h"
#include "raw.h"

#include <string.h>

static midisock_config manual_config(void)
{
    midisock_config c = check_config();
    c.accept_mode = MIDISOCK_ACCEPT_MANUAL;
    return c;
}

static void timeouts_end_waits(void)
{
    midisock_port *server = check_listen(NULL);
    midisock_port *client = check_connect(server, NULL);
    NOTIFIED(client, MIDISOCK_NOTIFY_CONNECTED);
    midisock_port *a = NULL;
    midisock_port *b = NULL;
    CHECK_OK(midisock_pair(NULL, &a, &b));
    midisock_port *ports[] = {client, a, b};
    const uint32_t what = MIDISOCK_WAIT_MESSAGE | MIDISOCK_WAIT_NOTIFICATION;
    for (int i = 0; i < 3; i++) {
        uint64_t begin = check_now_ms();
        CHECK_RESULT(MIDISOCK_ERR_TIMEOUT, midisock_wait(ports[i], what, 0));
        CHECK(check_now_ms() - begin < DEADLINE_MS / 4);
        begin = check_now_ms();
        CHECK_RESULT(MIDISOCK_ERR_TIMEOUT, midisock_wait(ports[i], what, 80));
        uint64_t took = check_now_ms() - begin;
        CHECK(took >= 79 && took < DEADLINE_MS / 4);
    }
    uint64_t begin = check_now_ms();
    size_t index = 7;
    CHECK_RESULT(MIDISOCK_ERR_TIMEOUT, midisock_wait_any(ports, 3, what, 80, &index));
    CHECK(check_now_ms() - begin >= 79);
    CHECK_INT(7, index);
    midisock_close(a);
    midisock_close(b);
    midisock_close(client);
    midisock_close(server);
}

static void a_timeout_of_0_checks_once(void)
{
    midisock_port *a = NULL;
    midisock_port *b = NULL;
    CHECK_OK(midisock_pair(NULL, &a, &b));
    for (int i = 0; i < 1000; i++) {
        CHECK_OK(midisock_push(a, BYTES(0xf6)));
        CHECK_OK(midisock_wait(b, MIDISOCK_WAIT_MESSAGE, 0));
        midisock_message m;
        CHECK_OK(midisock_pop(b, &m));
        /* Though its record still lies in the queue, it has been taken. */
        CHECK_RESULT(MIDISOCK_ERR_TIMEOUT, midisock_wait(b, MIDISOCK_WAIT_MESSAGE, 0));
    }
    midisock_close(a);
    midisock_close(b);
}

typedef struct waiter {
    midisock_port *port;
    uint32_t what;
    midisock_result result;
} waiter;

static void *wait_for_ever(void *argument)
{
    waiter *w = argument;
    w->result = midisock_wait(w->port, w->what, -1);
    return NULL;
}

static void an_endless_wait_ends_by_a_message(void)
{
    midisock_port *server = check_listen(NULL);
    midisock_port *client = check_connect(server, NULL);
    NOTIFIED(server, MIDISOCK_NOTIFY_CLIENT_JOINED);
    for (int i = 0; i < 50; i++) {
        waiter w = {server, MIDISOCK_WAIT_MESSAGE, MIDISOCK_ERR_INTERNAL};
        pthread_t thread;
        check_start(&thread, wait_for_ever, &w);
        CHECK_OK(midisock_push(client, BYTES(0xf3, (uint8_t)i)));
        check_join(thread);
        CHECK_OK(w.result);
        midisock_message m;
        CHECK_OK(midisock_pop(server, &m)); /* it is there, not merely soon */
        CHECK_INT(i, m.data[1]);
    }
    midisock_close(client);
    midisock_close(server);
}

static void an_endless_wait_on_a_pair_ends_by_a_message(void)
{
    midisock_port *a = NULL;
    midisock_port *b = NULL;
    CHECK_OK(midisock_pair(NULL, &a, &b));
    for (int i = 0; i < 50; i++) {
        waiter w = {b, MIDISOCK_WAIT_MESSAGE, MIDISOCK_ERR_INTERNAL};
        pthread_t thread;
        check_start(&thread, wait_for_ever, &w);
        CHECK_OK(midisock_push(a, BYTES(0xf3, (uint8_t)i)));
        check_join(thread);
        CHECK_OK(w.result);
        EXPECT(b, 0xf3, (uint8_t)i);
    }
    midisock_close(a);
    midisock_close(b);
}

static void an_endless_wait_ends_by_a_notification(void)
{
    midisock_port *server = check_listen(NULL);
    for (int i = 0; i < 20; i++) {
        waiter w = {server, MIDISOCK_WAIT_NOTIFICATION, MIDISOCK_ERR_INTERNAL};
        pthread_t thread;
        check_start(&thread, wait_for_ever, &w);
        int fd = raw_connect(midisock_local_port(server));
        check_join(thread);
        CHECK_OK(w.result);
        midisock_notification n;
        CHECK_OK(midisock_poll_notification(server, &n));
        CHECK_INT(MIDISOCK_NOTIFY_CLIENT_JOINED, n.kind);
        raw_close(fd);
        NOTIFIED(server, MIDISOCK_NOTIFY_CLIENT_LEFT);
    }
    midisock_close(server);
}

static void an_endless_wait_ends_by_a_client(void)
{
    midisock_config c = manual_config();
    midisock_port *server = check_listen(&c);
    waiter w = {server, MIDISOCK_WAIT_CLIENT, MIDISOCK_ERR_INTERNAL};
    pthread_t thread;
    check_start(&thread, wait_for_ever, &w);
    int fd = raw_connect(midisock_local_port(server));
    check_join(thread);
    CHECK_OK(w.result);
    midisock_port *accepted = NULL;
    CHECK_OK(midisock_accept(server, 0, &accepted));
    midisock_close(accepted);
    raw_close(fd);
    midisock_close(server);
}

static void an_endless_wait_ends_by_room(void)
{
    midisock_config c = check_config();
    c.in_queue_bytes = 4096;
    c.out_queue_bytes = 4096;
    c.overflow = MIDISOCK_OVERFLOW_WAIT;
    midisock_port *a = NULL;
    midisock_port *b = NULL;
    CHECK_OK(midisock_pair(&c, &a, &b));
    CHECK_OK(midisock_wait(a, MIDISOCK_WAIT_ROOM, 0)); /* there is room */
    unsigned pushed = 0;
    while (midisock_push(a, BYTES(0xf6)) == MIDISOCK_OK)
        pushed++;
    CHECK_RESULT(MIDISOCK_ERR_TIMEOUT, midisock_wait(a, MIDISOCK_WAIT_ROOM, 0));
    waiter w = {a, MIDISOCK_WAIT_ROOM, MIDISOCK_ERR_INTERNAL};
    pthread_t thread;
    check_start(&thread, wait_for_ever, &w);
    for (unsigned i = 0; i < pushed; i++)
        EXPECT(b, 0xf6);
    check_join(thread);
    CHECK_OK(w.result);
    CHECK_OK(midisock_push(a, BYTES(0xf6)));
    midisock_close(a);
    midisock_close(b);
}

static void a_closed_port_ends_the_wait(void)
{
    midisock_port *a = NULL;
    midisock_port *b = NULL;
    CHECK_OK(midisock_pair(NULL, &a, &b));
    CHECK_OK(midisock_push(a, BYTES(0xf6)));
    CHECK_OK(midisock_push(a, BYTES(0xf8)));
    CHECK_OK(midisock_shutdown(b));
    /* OK while pop still has something, then closed. */
    CHECK_OK(midisock_wait(b, MIDISOCK_WAIT_MESSAGE, -1));
    EXPECT(b, 0xf6);
    CHECK_OK(midisock_wait(b, MIDISOCK_WAIT_MESSAGE, -1));
    EXPECT(b, 0xf8);
    CHECK_RESULT(MIDISOCK_ERR_CLOSED, midisock_wait(b, MIDISOCK_WAIT_MESSAGE, -1));
    midisock_message m;
    CHECK_RESULT(MIDISOCK_ERR_CLOSED, midisock_pop(b, &m));
    midisock_close(a);
    midisock_close(b);
}

static void any_of_several(void)
{
    midisock_port *server = check_listen(NULL);
    midisock_port *client = check_connect(server, NULL);
    midisock_port *a = NULL;
    midisock_port *b = NULL;
    CHECK_OK(midisock_pair(NULL, &a, &b));
    midisock_port *const ports[] = {server, client, a, b};
    for (uint8_t round = 0; round < 20; round++) {
        size_t index = 99;
        CHECK_RESULT(MIDISOCK_ERR_TIMEOUT,
                     midisock_wait_any(ports, 4, MIDISOCK_WAIT_MESSAGE, 0, &index));
        midisock_port *const from[] = {client, server, b, a};
        for (size_t i = 0; i < 4; i++) {
            CHECK_OK(midisock_push(from[i], BYTES(0xf3, round)));
            CHECK_OK(midisock_wait_any(ports, 4, MIDISOCK_WAIT_MESSAGE,
                                       round % 2 ? -1 : DEADLINE_MS, &index));
            CHECK_INT(i, index);
            midisock_message m;
            CHECK_OK(midisock_pop(ports[index], &m));
            CHECK_MEMORY("\xf3", 1, m.data, 1);
        }
    }
    /* Of a single port, and of the same port twice. */
    size_t index = 99;
    CHECK_OK(midisock_push(a, BYTES(0xf6)));
    CHECK_OK(midisock_wait_any(&b, 1, MIDISOCK_WAIT_MESSAGE, -1, &index));
    CHECK_INT(0, index);
    midisock_port *const twice[] = {b, b};
    CHECK_OK(midisock_wait_any(twice, 2, MIDISOCK_WAIT_MESSAGE, -1, &index));
    CHECK(index < 2);
    midisock_close(a);
    midisock_close(b);
    midisock_close(client);
    midisock_close(server);
}

static void *push_later(void *argument)
{
    /* Not before somebody waits, as far as one can tell from here. */
    for (int i = 0; i < 20; i++)
        check_pause();
    CHECK_OK(midisock_push(argument, BYTES(0xf6)));
    return NULL;
}

static void any_wakes_while_it_waits(void)
{
    midisock_port *server = check_listen(NULL);
    midisock_port *client = check_connect(server, NULL);
    midisock_port *a = NULL;
    midisock_port *b = NULL;
    CHECK_OK(midisock_pair(NULL, &a, &b));
    midisock_port *const ports[] = {b, server};
    midisock_port *const from[] = {a, client};
    for (size_t i = 0; i < 10; i++) {
        pthread_t thread;
        check_start(&thread, push_later, from[i % 2]);
        size_t index = 99;
        CHECK_OK(midisock_wait_any(ports, 2, MIDISOCK_WAIT_MESSAGE, -1, &index));
        CHECK_INT(i % 2, index);
        midisock_message m;
        CHECK_OK(midisock_pop(ports[index], &m));
        check_join(thread);
    }
    midisock_close(a);
    midisock_close(b);
    midisock_close(client);
    midisock_close(server);
}

static void any_of_many_ports(void)
{
    enum { N = 100 };
    midisock_port *ports[N];
    midisock_port *others[N];
    for (int i = 0; i < N; i++)
        CHECK_OK(midisock_pair(NULL, &ports[i], &others[i]));
    for (size_t i = 0; i < N; i++) {
        size_t index = 999;
        CHECK_OK(midisock_push(others[(i * 37) % N], BYTES(0xf6)));
        CHECK_OK(midisock_wait_any(ports, N, MIDISOCK_WAIT_MESSAGE, -1, &index));
        CHECK_INT((i * 37) % N, index);
        EXPECT(ports[index], 0xf6);
    }
    for (int i = 0; i < N; i++) {
        midisock_close(ports[i]);
        midisock_close(others[i]);
    }
}

static void any_ends_by_a_closed_port(void)
{
    midisock_port *server = check_listen(NULL);
    midisock_port *a = NULL;
    midisock_port *b = NULL;
    CHECK_OK(midisock_pair(NULL, &a, &b));
    midisock_port *const ports[] = {server, b};
    CHECK_OK(midisock_shutdown(b));
    size_t index = 99;
    midisock_result result = midisock_wait_any(ports, 2, MIDISOCK_WAIT_MESSAGE, -1, &index);
    CHECK_RESULT(MIDISOCK_ERR_CLOSED, result);
    midisock_close(a);
    midisock_close(b);
    midisock_close(server);
}

static void two_threads_wait_on_one_port(void)
{
    midisock_port *server = check_listen(NULL);
    midisock_port *client = check_connect(server, NULL);
    NOTIFIED(server, MIDISOCK_NOTIFY_CLIENT_JOINED);
    waiter w[4];
    pthread_t threads[4];
    for (int i = 0; i < 4; i++) {
        w[i].port = server;
        w[i].what = MIDISOCK_WAIT_MESSAGE;
        w[i].result = MIDISOCK_ERR_INTERNAL;
        check_start(&threads[i], wait_for_ever, &w[i]);
    }
    CHECK_OK(midisock_push(client, BYTES(0xf6)));
    for (int i = 0; i < 4; i++) { /* nobody takes it: all of them see it */
        check_join(threads[i]);
        CHECK_OK(w[i].result);
    }
    EXPECT(server, 0xf6);
    midisock_close(client);
    midisock_close(server);
}

static void waiting_to_be_connected(void)
{
    midisock_config c = manual_config();
    midisock_port *server = check_listen(&c);
    midisock_port *client = NULL;
    CHECK_OK(midisock_connect("localhost", midisock_local_port(server), NULL, &client));
    CHECK_OK(midisock_wait_connected(client, -1));
    CHECK_OK(midisock_wait_connected(client, 0));
    midisock_port *accepted = NULL;
    CHECK_OK(midisock_accept(server, DEADLINE_MS, &accepted));
    CHECK_OK(midisock_wait_connected(accepted, 0));
    midisock_port *a = NULL;
    midisock_port *b = NULL;
    CHECK_OK(midisock_pair(NULL, &a, &b));
    CHECK_OK(midisock_wait_connected(a, 0));
    CHECK_OK(midisock_wait_connected(b, -1));
    CHECK_OK(midisock_shutdown(a));
    CHECK_RESULT(MIDISOCK_ERR_CLOSED, midisock_wait_connected(a, -1));
    midisock_close(a);
    midisock_close(b);
    midisock_close(accepted);
    midisock_close(client);
    midisock_close(server);
}

static void connected_after_refused_attempts(void)
{
    uint16_t port;
    int holder = raw_refusing(&port);
    midisock_config c = check_config();
    c.reconnect_min_ms = 1;
    c.reconnect_max_ms = 10;
    midisock_port *client = NULL;
    CHECK_OK(midisock_connect("127.0.0.1", port, &c, &client));
    NOTIFIED(client, MIDISOCK_NOTIFY_CONNECT_FAILED);
    uint64_t begin = check_now_ms();
    CHECK_RESULT(MIDISOCK_ERR_REFUSED, midisock_wait_connected(client, 60));
    CHECK(check_now_ms() - begin >= 59); /* it waited: it might have come right */
    midisock_port *server = NULL;
#if defined(_WIN32) /* there an address is used by one socket only */
    raw_close(holder);
#endif
    CHECK_OK(midisock_listen("127.0.0.1", port, NULL, &server));
    CHECK_OK(midisock_wait_connected(client, -1));
    midisock_close(client);
    midisock_close(server);
#if !defined(_WIN32)
    raw_close(holder);
#endif
}

static void flushing(void)
{
    midisock_config c = check_config();
    c.tick_us = 1000000; /* only flush makes it quick */
    midisock_port *server = check_listen(NULL);
    midisock_port *client = check_connect(server, &c);
    CHECK_OK(midisock_flush(client, 0)); /* nothing waits */
    CHECK_OK(midisock_flush(client, -1));
    for (int i = 0; i < 100; i++) {
        for (uint8_t j = 0; j < 10; j++)
            CHECK_OK(midisock_push(client, BYTES(0xf3, j)));
        CHECK_OK(midisock_flush(client, -1));
        CHECK_COUNT(client, bytes_out, 20 * (i + 1));
        for (uint8_t j = 0; j < 10; j++)
            EXPECT(server, 0xf3, j);
    }
    midisock_close(client);
    midisock_close(server);
}

static void flushing_to_a_peer_that_does_not_read(void)
{
    midisock_config c = check_config();
    c.overflow = MIDISOCK_OVERFLOW_WAIT;
    c.linger_ms = 0;
    uint16_t port = 0;
    int listener = raw_listen_small(&port);
    midisock_port *client = NULL;
    CHECK_OK(midisock_connect("127.0.0.1", port, &c, &client));
    int fd = raw_accept(listener);
    CHECK_OK(midisock_wait_connected(client, DEADLINE_MS));
    static uint8_t data[4000];
    uint32_t pushed = check_fill(client, sizeof data, 0, 50);
    CHECK_RESULT(MIDISOCK_ERR_TIMEOUT, midisock_flush(client, 0));
    uint64_t begin = check_now_ms();
    CHECK_RESULT(MIDISOCK_ERR_TIMEOUT, midisock_flush(client, 80));
    CHECK(check_now_ms() - begin >= 79);
    for (uint32_t i = 0; i < pushed; i++)
        raw_read(fd, data, sizeof data);
    CHECK_OK(midisock_flush(client, DEADLINE_MS));
    raw_close(fd);
    raw_close(listener);
    midisock_close(client);
}

static void flushing_does_not_wait_for_the_congested(void)
{
    midisock_config c = check_config(); /* merged: repairing */
    c.max_delay_ms = 50;
    c.client_buffer_bytes = 8192;
    midisock_port *server = check_listen(&c);
    int slow = raw_connect_small(midisock_local_port(server));
    NOTIFIED(server, MIDISOCK_NOTIFY_CLIENT_JOINED);
    static uint8_t data[4000];
    check_numbered(data, sizeof data, 1);
    uint64_t until = check_now_ms() + DEADLINE_MS;
    midisock_notification n;
    while (midisock_poll_notification(server, &n) == MIDISOCK_EMPTY) {
        midisock_push(server, data, sizeof data);
        CHECK(check_now_ms() < until);
    }
    CHECK_INT(MIDISOCK_NOTIFY_CONGESTED, n.kind);
    CHECK_OK(midisock_flush(server, DEADLINE_MS));
    raw_close(slow);
    midisock_close(server);
}

static void flushing_without_a_peer(void)
{
    midisock_port *server = check_listen(NULL);
    CHECK_OK(midisock_flush(server, -1)); /* nothing is due to anybody */
    midisock_port *a = NULL;
    midisock_port *b = NULL;
    CHECK_OK(midisock_pair(NULL, &a, &b));
    CHECK_OK(midisock_push(a, BYTES(0xf6)));
    CHECK_OK(midisock_flush(a, -1)); /* it is the other's already */
    EXPECT(b, 0xf6);
    midisock_close(a);
    midisock_close(b);
    midisock_close(server);
}

static void any_returns_the_ready_port_beside_a_closed_one(void)
{
    midisock_port *server = check_listen(NULL);
    midisock_port *client = check_connect(server, NULL);
    midisock_port *a = NULL;
    midisock_port *b = NULL;
    CHECK_OK(midisock_pair(NULL, &a, &b));
    CHECK_OK(midisock_shutdown(b));
    CHECK_OK(midisock_push(client, BYTES(0xf3, 1)));
    CHECK_OK(midisock_wait(server, MIDISOCK_WAIT_MESSAGE, DEADLINE_MS));
    midisock_port *const ports[][2] = {{server, b}, {b, server}, {a, server}};
    static const size_t ready[] = {0, 1, 1};
    static const int32_t timeouts[] = {0, DEADLINE_MS, -1};
    for (int i = 0; i < 3; i++)
        for (int j = 0; j < 3; j++) {
            size_t index = 99;
            CHECK_OK(midisock_wait_any(ports[i], 2, MIDISOCK_WAIT_MESSAGE, timeouts[j], &index));
            CHECK_INT(ready[i], index);
        }
    EXPECT(server, 0xf3, 1);
    /* None is ready: that one is closed is what there is to tell. */
    for (int i = 0; i < 3; i++)
        for (int j = 0; j < 3; j++) {
            size_t index = 99;
            CHECK_RESULT(MIDISOCK_ERR_CLOSED,
                         midisock_wait_any(ports[i], 2, MIDISOCK_WAIT_MESSAGE, timeouts[j], &index));
            CHECK_INT(1 - ready[i], index);
        }
    midisock_close(a);
    midisock_close(b);
    midisock_close(client);
    midisock_close(server);
}

int main(int argc, char **argv)
{
    static const check_case cases[] = {
        CASE(timeouts_end_waits),
        CASE(a_timeout_of_0_checks_once),
        CASE(an_endless_wait_ends_by_a_message),
        CASE(an_endless_wait_on_a_pair_ends_by_a_message),
        CASE(an_endless_wait_ends_by_a_notification),
        CASE(an_endless_wait_ends_by_a_client),
        CASE(an_endless_wait_ends_by_room),
        CASE(a_closed_port_ends_the_wait),
        CASE(any_of_several),
        CASE(any_wakes_while_it_waits),
        CASE(any_of_many_ports),
        CASE(any_ends_by_a_closed_port),
        CASE(two_threads_wait_on_one_port),
        CASE(waiting_to_be_connected),
        CASE(connected_after_refused_attempts),
        CASE(flushing),
        CASE(flushing_to_a_peer_that_does_not_read),
        CASE(flushing_does_not_wait_for_the_congested),
        CASE(flushing_without_a_peer),
        CASE(any_returns_the_ready_port_beside_a_closed_one),
    };
    return check_main(argc, argv, CASES(cases));
}
