/* A client's port whose server leaves and returns: the peer's state is restored
 * first. */
#define _POSIX_C_SOURCE 200809L
#include "readers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A client of a raw server that may be restarted. */
typedef struct rig {
    uint16_t number;
    int listener;
    int fd;
    midisock_port *port;
} rig;

static void open_rig(rig *r, midisock_config c)
{
    c.reconnect_min_ms = 5;
    c.reconnect_max_ms = 20;
    r->number = 0;
    r->listener = raw_listen(&r->number);
    CHECK_OK(midisock_connect("127.0.0.1", r->number, &c, &r->port));
    r->fd = raw_accept(r->listener);
    CHECK_OK(midisock_wait_connected(r->port, DEADLINE_MS));
    NOTIFIED(r->port, MIDISOCK_NOTIFY_CONNECTED);
}

/* The server is gone, and nobody listens in its place. */
static void kill_server(rig *r, int reset)
{
    raw_close(r->listener);
    if (reset)
        raw_reset(r->fd);
    else
        raw_close(r->fd);
    midisock_notification n;
    do
        CHECK_SOON(midisock_poll_notification(r->port, &n) == MIDISOCK_OK);
    while (n.kind != MIDISOCK_NOTIFY_DISCONNECTED);
    CHECK_SOON(midisock_state(r->port) == MIDISOCK_STATE_CONNECTING);
}

static void restart_server(rig *r)
{
    r->listener = raw_listen(&r->number);
    r->fd = raw_accept(r->listener);
    CHECK_OK(midisock_wait_connected(r->port, DEADLINE_MS));
}

static void close_rig(rig *r)
{
    raw_close(r->fd);
    raw_close(r->listener);
    midisock_close(r->port);
}

static const uint8_t before[][3] = {
    {0x90, 60, 1},  {0x90, 60, 1}, {0x91, 61, 1}, {0x90, 62, 1},   {0x80, 62, 1},
    {0xb0, 64, 127}, {0xb0, 7, 1},  {0xb0, 10, 2}, {0xe0, 1, 2},    {0xb1, 0, 3},
    {0xb1, 32, 4},  {0xb2, 101, 0}, {0xb2, 100, 1}, {0xb2, 6, 5},
};
enum { BEFORE = sizeof before / sizeof before[0] };

static void push_before(rig *r)
{
    for (int i = 0; i < BEFORE; i++)
        CHECK_OK(midisock_push(r->port, before[i], 3));
    CHECK_OK(midisock_push(r->port, BYTES(0xc1, 6)));
    for (int i = 0; i < BEFORE; i++)
        raw_expect(r->fd, before[i], 3, __FILE__, __LINE__);
    RAW_EXPECT(r->fd, 0xc1, 6);
}

static void push_offline(rig *r)
{
    CHECK_RESULT(MIDISOCK_OFFLINE, midisock_push(r->port, BYTES(0xb0, 7, 9)));
    CHECK_RESULT(MIDISOCK_OFFLINE, midisock_push(r->port, BYTES(0x80, 60, 1)));
    CHECK_RESULT(MIDISOCK_OFFLINE, midisock_push(r->port, BYTES(0x90, 63, 1)));
    CHECK_RESULT(MIDISOCK_OFFLINE, midisock_push(r->port, BYTES(0xd3, 8)));
    CHECK_RESULT(MIDISOCK_OFFLINE, midisock_push(r->port, BYTES(0xf0, 1, 0xf7)));
}

/* After a reset it is not known whether the last of it was read: key 62 is
 * released again. */
static void expect_released(rig *r, int reset)
{
    RAW_EXPECT(r->fd, 0x80, 60, 64, 0x80, 60, 64);
    if (reset)
        RAW_EXPECT(r->fd, 0x80, 62, 64);
    RAW_EXPECT(r->fd, 0x81, 61, 64, 0xb0, 64, 0, 0xe0, 0, 0x40);
}

static void repairing_restores_the_channel_state(void)
{
    for (int offline = 0; offline < 2; offline++)
        for (int reset = 0; reset < 2; reset++) {
            midisock_config c;
            midisock_config_init(&c, sizeof c);
            c.release_on_close = 0;
            c.overflow = MIDISOCK_OVERFLOW_REPAIR;
            rig r;
            open_rig(&r, c);
            push_before(&r);
            kill_server(&r, reset);
            if (offline) {
                push_offline(&r);
                CHECK_COUNT(r.port, dropped_out, 5);
                CHECK_INT(2, check_stats(r.port).unrepaired);
            }
            restart_server(&r);
            expect_released(&r, reset);
            RAW_EXPECT(r.fd, 0xb1, 0, 3, 0xb1, 32, 4, 0xc1, 6, 0xb2, 101, 0, 0xb2, 100, 1, 0xb2, 6,
                       5);
            if (offline)
                RAW_EXPECT(r.fd, 0xb0, 7, 9, 0xb0, 10, 2, 0xb0, 64, 127, 0xd3, 8, 0xe0, 1, 2);
            else
                RAW_EXPECT(r.fd, 0xb0, 7, 1, 0xb0, 10, 2, 0xb0, 64, 127, 0xe0, 1, 2);
            CHECK_OK(midisock_push(r.port, BYTES(0x90, 64, 1)));
            RAW_EXPECT(r.fd, 0x90, 64, 1);
            close_rig(&r);
        }
}

/* What was sent before is not sent again; what was pushed without a peer is
 * made good as far as it is state. */
static void a_port_that_waits_releases_and_tells_what_changed(void)
{
    for (int release = 0; release < 2; release++) {
        midisock_config c;
        midisock_config_init(&c, sizeof c); /* clients wait */
        c.release_on_close = 0;
        c.release_on_disconnect = (uint32_t)release;
        rig r;
        open_rig(&r, c);
        push_before(&r);
        kill_server(&r, 0);
        push_offline(&r);
        restart_server(&r);
        CHECK_OK(midisock_push(r.port, BYTES(0xf6)));
        if (release)
            expect_released(&r, 0);
        else
            RAW_EXPECT(r.fd, 0x80, 60, 64);
        RAW_EXPECT(r.fd, 0xb0, 7, 9, 0xd3, 8, 0xf6);
        CHECK_INT(5, check_stats(r.port).dropped_out);
        CHECK_COUNT(r.port, synthesized, release ? 7 : 3);
        close_rig(&r);
    }
}

static void repairing_without_releases(void)
{
    midisock_config c = check_config();
    c.overflow = MIDISOCK_OVERFLOW_REPAIR;
    rig r;
    open_rig(&r, c);
    CHECK_OK(midisock_push(r.port, BYTES(0x90, 60, 1)));
    CHECK_OK(midisock_push(r.port, BYTES(0xb0, 7, 1)));
    RAW_EXPECT(r.fd, 0x90, 60, 1, 0xb0, 7, 1);
    kill_server(&r, 0);
    restart_server(&r);
    RAW_EXPECT(r.fd, 0xb0, 7, 1);
    CHECK_OK(midisock_push(r.port, BYTES(0xf6)));
    RAW_EXPECT(r.fd, 0xf6);
    close_rig(&r);
}

static void two_lost_connections_are_released_once(void)
{
    midisock_config c;
    midisock_config_init(&c, sizeof c);
    c.release_on_close = 0;
    rig r;
    open_rig(&r, c);
    CHECK_OK(midisock_push(r.port, BYTES(0x90, 60, 1)));
    RAW_EXPECT(r.fd, 0x90, 60, 1);
    kill_server(&r, 0);
    restart_server(&r);
    RAW_EXPECT(r.fd, 0x80, 60, 64);
    /* It has received it, as it says something and ends in order. */
    RAW_SEND(r.fd, 0xf6);
    EXPECT(r.port, 0xf6);
    kill_server(&r, 0);
    restart_server(&r);
    CHECK_OK(midisock_push(r.port, BYTES(0x90, 61, 1)));
    RAW_EXPECT(r.fd, 0x90, 61, 1);
    kill_server(&r, 1);
    restart_server(&r);
    RAW_EXPECT(r.fd, 0x80, 61, 64);
    close_rig(&r);
}

static void before_the_first_link(void)
{
    /* What is pushed before there ever was a peer is told to the first one. */
    midisock_config c = check_config();
    c.overflow = MIDISOCK_OVERFLOW_REPAIR;
    c.reconnect_min_ms = 5;
    c.reconnect_max_ms = 20;
    rig r;
    r.number = 0;
    int refusing = raw_refusing(&r.number);
    CHECK_OK(midisock_connect("127.0.0.1", r.number, &c, &r.port));
    NOTIFIED(r.port, MIDISOCK_NOTIFY_CONNECT_FAILED);
    CHECK_RESULT(MIDISOCK_OFFLINE, midisock_push(r.port, BYTES(0xb0, 7, 1)));
    CHECK_RESULT(MIDISOCK_OFFLINE, midisock_push(r.port, BYTES(0x90, 60, 1)));
    CHECK_RESULT(MIDISOCK_OFFLINE, midisock_push(r.port, BYTES(0xb0, 7, 2)));
    CHECK_COUNT(r.port, dropped_out, 3);
    raw_close(refusing);
    restart_server(&r);
    RAW_EXPECT(r.fd, 0xb0, 7, 2);
    CHECK_OK(midisock_push(r.port, BYTES(0xf6)));
    RAW_EXPECT(r.fd, 0xf6);
    close_rig(&r);
}

static void panic_and_reset_without_a_peer(void)
{
    midisock_config c = check_config();
    c.overflow = MIDISOCK_OVERFLOW_REPAIR;
    rig r;
    open_rig(&r, c);
    CHECK_OK(midisock_push(r.port, BYTES(0xb0, 1, 9)));
    CHECK_OK(midisock_push(r.port, BYTES(0xb0, 7, 9)));
    RAW_EXPECT(r.fd, 0xb0, 1, 9, 0xb0, 7, 9);
    kill_server(&r, 0);
    /* Panic drops what waits to be sent; where that stood is remembered. */
    CHECK_RESULT(MIDISOCK_OFFLINE, midisock_push(r.port, BYTES(0xb2, 7, 7)));
    CHECK_RESULT(MIDISOCK_OFFLINE, midisock_panic(r.port));
    CHECK_RESULT(MIDISOCK_OFFLINE, midisock_reset(r.port));
    CHECK_RESULT(MIDISOCK_OFFLINE, midisock_push(r.port, BYTES(0xb1, 1, 8)));
    CHECK_COUNT(r.port, dropped_out, 2);
    restart_server(&r);
    CHECK_OK(midisock_push(r.port, BYTES(0xf3, 99)));
    receiver received;
    receiver_init(&received, 1);
    wire w;
    memset(&w, 0, sizeof w);
    while (received.song != 99) {
        uint8_t byte;
        raw_read(r.fd, &byte, 1);
        if (wire_take(&w, byte))
            receiver_hear(&received, w.data, w.size);
    }
    CHECK(received.channels[0].control[1] <= 0);
    CHECK_INT(9, received.channels[0].control[7]);
    CHECK_INT(8, received.channels[1].control[1]);
    CHECK_INT(7, received.channels[2].control[7]);
    close_rig(&r);
}

/* Random songs: the link breaks now and then, and what is pushed meanwhile is
 * pushed to nobody. Two receivers: a synthesizer that sounds on behind a
 * restarted server, and one that is new with each link. */
static void random_songs(void)
{
    uint32_t seed = song_seed();
    int rounds = check_sanitized() ? 4 : 12;
    for (int round = 0; round < rounds; round++) {
        song s;
        song_init(&s, seed + (uint32_t)round, 16);
        midisock_config c = check_config();
        c.overflow = MIDISOCK_OVERFLOW_REPAIR;
        c.release_on_disconnect = 1;
        c.out_queue_bytes = 4096;
        c.client_buffer_bytes = 1 << 20;
        c.max_delay_ms = 60000;
        rig r;
        open_rig(&r, c);
        receiver lasting;
        receiver_init(&lasting, s.sender.zeroes_lsb);
        uint32_t random = seed ^ (uint32_t)round;
        for (int link = 0; link < 6; link++) {
            receiver fresh;
            receiver_init(&fresh, s.sender.zeroes_lsb);
            wire w;
            memset(&w, 0, sizeof w);
            for (int burst = 0; burst < 5; burst++) {
                for (unsigned i = check_random(&random) % 500; i > 0; i--) {
                    const uint8_t *data;
                    size_t size = song_next(&s, &data);
                    midisock_result result = midisock_push(r.port, data, size);
                    if (result != MIDISOCK_ERR_FULL)
                        CHECK_OK(result);
                }
                CHECK_OK(midisock_flush(r.port, DEADLINE_MS));
            }
            /* The end of this link's song, live: it is told in no repair. */
            uint64_t until = check_now_ms() + DEADLINE_MS;
            while (midisock_push(r.port, song_mark, sizeof song_mark) != MIDISOCK_OK) {
                CHECK(check_now_ms() < until);
                check_pause();
            }
            int marked = 0;
            while (!marked) {
                uint8_t piece[4096];
                long got = raw_read_some(r.fd, piece, sizeof piece);
                CHECK(got > 0);
                for (long i = 0; i < got; i++) {
                    if (!wire_take(&w, piece[i]))
                        continue;
                    CHECK(!marked); /* nothing follows */
                    receiver_hear(&lasting, w.data, w.size);
                    receiver_hear(&fresh, w.data, w.size);
                    marked = is_song_mark(w.data, w.size);
                }
            }
            receiver_rest(&lasting, &s.sender);
            receiver_rest(&fresh, &s.sender);
            RECEIVER_CHECK(&s.sender, &lasting, "a receiver that stayed", s.seed);
            /* A new one is told nothing of the sequencer but what is new. */
            fresh.runs = s.sender.runs;
            fresh.position = s.sender.position;
            fresh.song = s.sender.song;
            RECEIVER_CHECK(&s.sender, &fresh, "a new receiver", s.seed);
            if (link == 5)
                break;
            kill_server(&r, (int)(check_random(&random) % 2));
            for (unsigned i = check_random(&random) % 300; i > 0; i--) {
                const uint8_t *data;
                size_t size = song_next(&s, &data);
                CHECK_RESULT(MIDISOCK_OFFLINE, midisock_push(r.port, data, size));
            }
            restart_server(&r);
        }
        close_rig(&r);
    }
}

static void a_server_of_the_library_restarted_under_its_clients(void)
{
    enum { CLIENTS = 50 };
    midisock_config c;
    midisock_config_init(&c, sizeof c);
    c.overflow = MIDISOCK_OVERFLOW_REPAIR;
    midisock_port *server = check_listen(&c);
    uint16_t number = midisock_local_port(server);
    c.reconnect_min_ms = 5;
    c.reconnect_max_ms = 50;
    midisock_port *clients[CLIENTS];
    for (uint8_t i = 0; i < CLIENTS; i++) {
        clients[i] = check_connect(server, &c);
        CHECK_OK(midisock_push(clients[i], BYTES(0x90, 60, 1)));
        CHECK_OK(midisock_push(clients[i], BYTES(0xc0, i)));
    }
    CHECK_COUNT(server, messages_in, 2 * CLIENTS);
    midisock_close(server);
    for (int i = 0; i < CLIENTS; i++)
        CHECK_SOON(midisock_state(clients[i]) == MIDISOCK_STATE_CONNECTING);
    c.listen_retry_ms = DEADLINE_MS;
    CHECK_OK(midisock_listen("127.0.0.1", number, &c, &server));
    uint64_t back = check_now_ms();
    /* Each tells what it is, once. */
    int seen[CLIENTS] = {0};
    for (int i = 0; i < 2 * CLIENTS; i++) {
        midisock_message m = POP(server);
        CHECK_INT(0, m.flags);
        if (m.data[0] == 0xc0) {
            CHECK_INT(0, seen[m.data[1]]);
            seen[m.data[1]] = 1;
        } else {
            CHECK_MEMORY(((const uint8_t[]){0x80, 60, 64}), 3, m.data, m.size);
        }
    }
    for (int i = 0; i < CLIENTS; i++)
        CHECK_INT(1, seen[i]);
    CHECK_SOON(midisock_client_count(server) == CLIENTS);
    CHECK_COUNT(server, connections, CLIENTS);
    printf("# %d clients of a server that was restarted: all back within %u ms, none double\n", CLIENTS,
           (unsigned)(check_now_ms() - back));
    for (int i = 0; i < CLIENTS; i++)
        midisock_close(clients[i]);
    midisock_close(server);
}

int main(int argc, char **argv)
{
    static const check_case cases[] = {
        CASE(repairing_restores_the_channel_state),
        CASE(a_port_that_waits_releases_and_tells_what_changed),
        CASE(repairing_without_releases),
        CASE(two_lost_connections_are_released_once),
        CASE(before_the_first_link),
        CASE(panic_and_reset_without_a_peer),
        CASE(random_songs),
        CASE(a_server_of_the_library_restarted_under_its_clients),
    };
    return check_main(argc, argv, CASES(cases));
}
