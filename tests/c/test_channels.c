/* The channels of a port: what is filtered, and changes of a live port, after which nothing hangs at either side. */
#include "check.h"
#include "raw.h"

#include <string.h>

#define SYSTEM (UINT32_C(1) << 16)
#define ONLY(channel) (UINT32_C(1) << ((channel)-1))
#define BUT(channel) (MIDISOCK_ALL_CHANNELS & ~ONLY(channel))

static midisock_config with_channels(uint32_t channels)
{
    midisock_config c = check_config();
    c.channels = channels;
    return c;
}

/* The next message is this one, which the library made. */
#define EXPECT_MADE(port, ...) \
    CHECK_INT(MIDISOCK_FLAG_SYNTHETIC, EXPECT(port, __VA_ARGS__).flags)

static void push(midisock_port *port, const uint8_t *data, size_t size)
{
    CHECK_OK(midisock_push(port, data, size));
}
#define PUSH(port, ...) push(port, BYTES(__VA_ARGS__))

static void all_errors(void)
{
    midisock_config c;
    midisock_config_init(&c, sizeof c);
    CHECK_INT(MIDISOCK_ALL_CHANNELS, c.channels);
    CHECK_INT(0x1FFFF, MIDISOCK_ALL_CHANNELS);
    midisock_port *port;
    midisock_port *other;
    for (int bit = 17; bit < 32; bit++) {
        c.channels = UINT32_C(1) << bit;
        CHECK_INVALID(midisock_listen("127.0.0.1", 0, &c, &port));
        CHECK_INVALID(midisock_connect("127.0.0.1", 1, &c, &port));
        CHECK_INVALID(midisock_pair(&c, &port, &other));
    }
    CHECK_INVALID(midisock_set_channels(NULL, 0));
    port = check_listen(NULL);
    CHECK_INVALID(midisock_set_channels((midisock_port *)((char *)port + 1), 0));
    CHECK_INVALID(midisock_set_channels(port, UINT32_MAX));
    CHECK_INVALID(midisock_set_channels(port, MIDISOCK_ALL_CHANNELS + 1));
    CHECK_OK(midisock_set_channels(port, 0));
    CHECK_OK(midisock_set_channels(port, MIDISOCK_ALL_CHANNELS));
    midisock_shutdown(port);
    CHECK_RESULT(MIDISOCK_ERR_CLOSED, midisock_set_channels(port, 0));
    CHECK_INVALID(midisock_set_channels(port, UINT32_MAX));
    midisock_close(port);
}

static void what_is_pushed_on_other_channels_is_filtered(void)
{
    const midisock_config c = with_channels(ONLY(2));
    midisock_port *server = check_listen(&c);
    int fd = raw_connect(midisock_local_port(server));
    NOTIFIED(server, MIDISOCK_NOTIFY_CLIENT_JOINED);
    PUSH(server, 0x90, 60, 1);
    PUSH(server, 0xC0, 1);
    PUSH(server, 0xF8);
    PUSH(server, 0xF0, 1, 2, 0xF7);
    PUSH(server, 0x91, 60, 1);
    midisock_message m;
    memset(&m, 0, sizeof m);
    static const uint8_t note[] = {0x92, 60, 1};
    m.data = note;
    m.size = sizeof note;
    m.time_ns = midisock_now_ns() + 1000000000;
    CHECK_OK(midisock_push_message(server, &m));
    m.time_ns = midisock_now_ns() + UINT64_C(60000000000);
    CHECK_INVALID(midisock_push_message(server, &m));
    CHECK_RESULT(MIDISOCK_ERR_INVALID_MESSAGE, midisock_push(server, BYTES(0x92, 60)));
    RAW_EXPECT(fd, 0x91, 60, 1);
    CHECK_COUNT(server, filtered, 5);
    CHECK_COUNT(server, messages_out, 1);
    CHECK_COUNT(server, dropped_out, 0);
    raw_close(fd);
    midisock_close(server);
}

static void what_comes_on_other_channels_is_filtered(void)
{
    const midisock_config c = with_channels(ONLY(2) | SYSTEM);
    midisock_port *server = check_listen(&c);
    int fd = raw_connect(midisock_local_port(server));
    RAW_SEND(fd, 0x90, 60, 1, 0xB2, 7, 1, 0xF8, 0x91, 60, 1);
    EXPECT(server, 0xF8);
    EXPECT(server, 0x91, 60, 1);
    CHECK_COUNT(server, messages_in, 4);
    CHECK_COUNT(server, filtered, 2);
    CHECK_COUNT(server, dropped_in, 0);
    raw_close(fd);
    midisock_close(server);
}

static void no_channels_at_all(void)
{
    const midisock_config c = with_channels(0);
    midisock_port *server = check_listen(&c);
    midisock_port *client = check_connect(server, NULL);
    PUSH(client, 0x90, 60, 1);
    PUSH(client, 0xF8);
    CHECK_COUNT(server, filtered, 2);
    midisock_message m;
    CHECK_RESULT(MIDISOCK_EMPTY, midisock_pop(server, &m));
    PUSH(server, 0x90, 60, 1);
    CHECK_COUNT(server, filtered, 3);
    midisock_close(client);
    midisock_close(server);
}

static void filtered_without_a_peer_too(void)
{
    uint16_t number;
    int fd = raw_refusing(&number);
    const midisock_config c = with_channels(ONLY(1));
    midisock_port *client;
    CHECK_OK(midisock_connect("127.0.0.1", number, &c, &client));
    CHECK_OK(midisock_push(client, BYTES(0x91, 60, 1)));
    CHECK_RESULT(MIDISOCK_OFFLINE, midisock_push(client, BYTES(0x90, 60, 1)));
    CHECK_COUNT(client, filtered, 1);
    midisock_close(client);
    raw_close(fd);
}

/* In the middle of held notes: nothing hangs at either side, and no connection is dropped. */
static void narrower_releases_both_sides(void)
{
    midisock_port *server = check_listen(NULL);
    int fd = raw_connect(midisock_local_port(server));
    NOTIFIED(server, MIDISOCK_NOTIFY_CLIENT_JOINED);
    RAW_SEND(fd, 0x91, 60, 1, 0xB1, 64, 127, 0x90, 61, 1);
    EXPECT(server, 0x91, 60, 1);
    EXPECT(server, 0xB1, 64, 127);
    EXPECT(server, 0x90, 61, 1);
    PUSH(server, 0x91, 70, 1);
    PUSH(server, 0xD1, 9);
    PUSH(server, 0x90, 71, 1);
    uint8_t bytes[8];
    raw_read(fd, bytes, sizeof bytes);
    CHECK_OK(midisock_set_channels(server, BUT(2)));
    RAW_EXPECT(fd, 0x81, 70, 64, 0xD1, 0);
    EXPECT_MADE(server, 0xB1, 64, 0);
    EXPECT_MADE(server, 0x81, 60, 64);
    RAW_SEND(fd, 0x81, 60, 1, 0x91, 62, 1, 0x80, 61, 64);
    EXPECT(server, 0x80, 61, 64);
    PUSH(server, 0x91, 72, 1);
    PUSH(server, 0x80, 71, 64);
    RAW_EXPECT(fd, 0x80, 71, 64);
    CHECK_COUNT(server, filtered, 3);
    CHECK_COUNT(server, synthesized, 4);
    CHECK_COUNT(server, disconnections, 0);
    raw_close(fd);
    midisock_close(server);
}

/* After the call pop gives nothing of the channel but releases, although it had come before. */
static void what_waits_to_be_popped_is_filtered(void)
{
    midisock_port *server = check_listen(NULL);
    int fd = raw_connect(midisock_local_port(server));
    RAW_SEND(fd, 0x91, 60, 1, 0xB1, 7, 5, 0x90, 61, 1);
    CHECK_COUNT(server, messages_in, 3);
    CHECK_OK(midisock_set_channels(server, BUT(2)));
    EXPECT(server, 0x90, 61, 1);
    EXPECT_MADE(server, 0x81, 60, 64);
    CHECK_COUNT(server, filtered, 2);
    CHECK_OK(midisock_set_channels(server, MIDISOCK_ALL_CHANNELS));
    EXPECT_MADE(server, 0xB1, 7, 5);
    raw_close(fd);
    midisock_close(server);
}

static void what_is_scheduled_is_dropped(void)
{
    midisock_port *server = check_listen(NULL);
    int fd = raw_connect(midisock_local_port(server));
    NOTIFIED(server, MIDISOCK_NOTIFY_CLIENT_JOINED);
    static const uint8_t notes[2][3] = {{0x90, 60, 1}, {0x91, 60, 1}};
    midisock_message m;
    memset(&m, 0, sizeof m);
    m.size = 3;
    m.time_ns = midisock_now_ns() + 500000000;
    for (int i = 0; i < 2; i++) {
        m.data = notes[i];
        CHECK_OK(midisock_push_message(server, &m));
    }
    CHECK_OK(midisock_set_channels(server, BUT(1)));
    CHECK_COUNT(server, dropped_out, 1);
    RAW_EXPECT(fd, 0x91, 60, 1);
    /* Nothing comes back. */
    CHECK_OK(midisock_set_channels(server, MIDISOCK_ALL_CHANNELS));
    PUSH(server, 0x80, 60, 64);
    RAW_EXPECT(fd, 0x80, 60, 64);
    CHECK_COUNT(server, filtered, 0);
    raw_close(fd);
    midisock_close(server);
}

static void wider_tells_where_the_channels_stand(void)
{
    const midisock_config c = with_channels(ONLY(1));
    midisock_port *server = check_listen(&c);
    int fd = raw_connect(midisock_local_port(server));
    RAW_SEND(fd, 0x91, 60, 1, 0xB1, 7, 5, 0xB1, 7, 6, 0xC1, 9, 0x90, 61, 1);
    EXPECT(server, 0x90, 61, 1);
    CHECK_OK(midisock_set_channels(server, ONLY(1) | ONLY(2)));
    EXPECT_MADE(server, 0xC1, 9);
    EXPECT_MADE(server, 0xB1, 7, 6);
    RAW_SEND(fd, 0xB1, 7, 7);
    CHECK_INT(0, EXPECT(server, 0xB1, 7, 7).flags);
    /* Towards the peer nothing is told again. */
    PUSH(server, 0xF8);
    PUSH(server, 0x91, 60, 1);
    RAW_EXPECT(fd, 0x91, 60, 1);
    raw_close(fd);
    midisock_close(server);
}

static void panic_and_reset_keep_to_the_channels(void)
{
    const midisock_config c = with_channels(ONLY(3));
    midisock_port *server = check_listen(&c);
    int fd = raw_connect(midisock_local_port(server));
    NOTIFIED(server, MIDISOCK_NOTIFY_CLIENT_JOINED);
    CHECK_OK(midisock_panic(server));
    RAW_EXPECT(fd, 0xB2, 120, 0);
    CHECK_OK(midisock_reset(server));
    RAW_EXPECT(fd, 0xB2, 123, 0, 0xB2, 121, 0);
    PUSH(server, 0x92, 60, 1);
    RAW_EXPECT(fd, 0x92, 60, 1);
    raw_close(fd);
    midisock_close(server);
}

static void pairs(void)
{
    midisock_port *a;
    midisock_port *b;
    CHECK_OK(midisock_pair(NULL, &a, &b));
    PUSH(a, 0x91, 60, 1);
    PUSH(a, 0xB1, 7, 1);
    PUSH(a, 0x90, 61, 1);
    EXPECT(b, 0x91, 60, 1);
    EXPECT(b, 0xB1, 7, 1);
    EXPECT(b, 0x90, 61, 1);
    /* The popping side closes a channel. */
    CHECK_OK(midisock_set_channels(b, BUT(2)));
    EXPECT_MADE(b, 0x81, 60, 64);
    PUSH(a, 0xB1, 7, 2);
    PUSH(a, 0x80, 61, 64);
    EXPECT(b, 0x80, 61, 64);
    CHECK_COUNT(b, filtered, 1);
    CHECK_COUNT(b, messages_in, 5);
    CHECK_OK(midisock_set_channels(b, MIDISOCK_ALL_CHANNELS));
    EXPECT_MADE(b, 0xB1, 7, 2);
    /* The pushing side does. */
    PUSH(a, 0x91, 62, 1);
    EXPECT(b, 0x91, 62, 1);
    PUSH(a, 0x91, 63, 1);
    CHECK_OK(midisock_set_channels(a, BUT(2)));
    PUSH(a, 0x91, 64, 1);
    EXPECT_MADE(b, 0x81, 62, 64);
    PUSH(a, 0xF8);
    EXPECT(b, 0xF8);
    CHECK_COUNT(a, filtered, 1);
    CHECK_COUNT(a, dropped_out, 1);
    CHECK_OK(midisock_set_channels(a, MIDISOCK_ALL_CHANNELS));
    PUSH(a, 0x91, 65, 1);
    CHECK_INT(0, EXPECT(b, 0x91, 65, 1).flags);
    midisock_close(a);
    EXPECT_MADE(b, 0x81, 65, 64);
    midisock_close(b);
}

/* A thread that waits is told that there is something to pop. */
static void a_waiting_thread_learns_of_releases(void)
{
    midisock_port *a;
    midisock_port *b;
    CHECK_OK(midisock_pair(NULL, &a, &b));
    PUSH(a, 0x91, 60, 1);
    EXPECT(b, 0x91, 60, 1);
    CHECK_RESULT(MIDISOCK_ERR_TIMEOUT, midisock_wait(b, MIDISOCK_WAIT_MESSAGE, 0));
    CHECK_OK(midisock_set_channels(a, 0));
    CHECK_OK(midisock_wait(b, MIDISOCK_WAIT_MESSAGE, DEADLINE_MS));
    EXPECT_MADE(b, 0x81, 60, 64);
    midisock_message m;
    CHECK_RESULT(MIDISOCK_EMPTY, midisock_pop(b, &m));
    CHECK_RESULT(MIDISOCK_ERR_TIMEOUT, midisock_wait(b, MIDISOCK_WAIT_MESSAGE, 0));
    midisock_close(a);
    midisock_close(b);
}

static void accepted_ports_have_those_of_the_server(void)
{
    midisock_config c = with_channels(ONLY(1));
    c.accept_mode = MIDISOCK_ACCEPT_MANUAL;
    midisock_port *server = check_listen(&c);
    int fd = raw_connect(midisock_local_port(server));
    midisock_port *first;
    CHECK_OK(midisock_accept(server, DEADLINE_MS, &first));
    CHECK_OK(midisock_set_channels(server, ONLY(2)));
    int other = raw_connect(midisock_local_port(server));
    midisock_port *second;
    CHECK_OK(midisock_accept(server, DEADLINE_MS, &second));
    RAW_SEND(fd, 0x91, 60, 1, 0x90, 61, 1);
    RAW_SEND(other, 0x90, 61, 1, 0x91, 60, 1);
    EXPECT(first, 0x90, 61, 1);
    EXPECT(second, 0x91, 60, 1);
    midisock_close(second);
    midisock_close(first);
    midisock_close(server);
    raw_close(other);
    raw_close(fd);
}

/* What the peer of a client holds on channels that were closed without a connection is released on the next one, and
 * nothing of them is restored. */
static void closed_without_a_connection(void)
{
    uint16_t number = 0;
    int listener = raw_listen(&number);
    midisock_config c;
    midisock_config_init(&c, sizeof c);
    c.overflow = MIDISOCK_OVERFLOW_REPAIR;
    c.reconnect_min_ms = 1;
    c.reconnect_max_ms = 20;
    midisock_port *client;
    CHECK_OK(midisock_connect("127.0.0.1", number, &c, &client));
    int fd = raw_accept(listener);
    NOTIFIED(client, MIDISOCK_NOTIFY_CONNECTED);
    PUSH(client, 0x91, 60, 1);
    PUSH(client, 0xB1, 7, 5);
    PUSH(client, 0xB0, 7, 6);
    RAW_EXPECT(fd, 0x91, 60, 1, 0xB1, 7, 5, 0xB0, 7, 6);
    CHECK_OK(midisock_set_channels(client, BUT(2)));
    RAW_EXPECT(fd, 0x81, 60, 64);
    raw_reset(fd);
    NOTIFIED(client, MIDISOCK_NOTIFY_DISCONNECTED);
    fd = raw_accept(listener);
    /* It may not have read the last Note Off. */
    RAW_EXPECT(fd, 0x81, 60, 64, 0xB0, 7, 6);
    raw_close(fd);
    midisock_close(client);
    raw_close(listener);
}

typedef struct pusher {
    midisock_port *port;
    int done;
    uint32_t pushed;
} pusher;

static void *push_notes(void *argument)
{
    pusher *p = argument;
    while (!__atomic_load_n(&p->done, __ATOMIC_ACQUIRE)) {
        const uint8_t on[] = {(uint8_t)(0x90 | (p->pushed & 15)), 60, 1};
        const uint8_t off[] = {(uint8_t)(0x80 | (p->pushed & 15)), 60, 64};
        if (midisock_push(p->port, on, 3) == MIDISOCK_OK)
            while (midisock_push(p->port, off, 3) == MIDISOCK_ERR_FULL)
                check_pause();
        p->pushed++;
    }
    return NULL;
}

/* A thread pushes while others change the channels: whatever happens at the same moment, no note hangs. */
static void changes_while_another_thread_pushes(void)
{
    midisock_config c = check_config();
    c.overflow = MIDISOCK_OVERFLOW_WAIT;
    midisock_port *server = check_listen(&c);
    midisock_port *client = check_connect(server, &c);
    pusher p = {client, 0, 0};
    pthread_t thread;
    check_start(&thread, push_notes, &p);
    int held[16][128];
    memset(held, 0, sizeof held);
    uint32_t random = 7;
    uint64_t until = check_now_ms() + 300;
    midisock_message m;
    int drained = 0;
    while (!drained) {
        int ends = check_now_ms() > until;
        if (ends && !__atomic_load_n(&p.done, __ATOMIC_ACQUIRE)) {
            __atomic_store_n(&p.done, 1, __ATOMIC_RELEASE);
            check_join(thread);
            CHECK_OK(midisock_flush(client, DEADLINE_MS));
            PUSH(client, 0xF8);
        } else if (!ends) {
            CHECK_OK(midisock_set_channels(client, (check_random(&random) & 0xFFFF) | SYSTEM));
        }
        while (midisock_pop(server, &m) == MIDISOCK_OK) {
            int *count = m.size == 3 ? &held[m.data[0] & 15][m.data[1] & 127] : NULL;
            if (m.data[0] == 0xF8)
                drained = 1;
            else if (count && (m.data[0] & 0xF0) == 0x90)
                ++*count;
            else if (count && (m.data[0] & 0xF0) == 0x80 && *count > 0)
                --*count;
        }
    }
    for (int channel = 0; channel < 16; channel++)
        CHECK_INT(0, held[channel][60]);
    CHECK(p.pushed > 0);
    midisock_close(client);
    midisock_close(server);
}

static const check_case cases[] = {
    CASE(all_errors),
    CASE(what_is_pushed_on_other_channels_is_filtered),
    CASE(what_comes_on_other_channels_is_filtered),
    CASE(no_channels_at_all),
    CASE(filtered_without_a_peer_too),
    CASE(narrower_releases_both_sides),
    CASE(what_waits_to_be_popped_is_filtered),
    CASE(what_is_scheduled_is_dropped),
    CASE(wider_tells_where_the_channels_stand),
    CASE(panic_and_reset_keep_to_the_channels),
    CASE(pairs),
    CASE(a_waiting_thread_learns_of_releases),
    CASE(accepted_ports_have_those_of_the_server),
    CASE(closed_without_a_connection),
    CASE(changes_while_another_thread_pushes),
};

int main(int argc, char **argv)
{
    return check_main(argc, argv, CASES(cases));
}
