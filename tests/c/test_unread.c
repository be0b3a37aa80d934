/* A connection breaks before the peer has read everything. The client's port
 * repeats the releases among the unread messages on the next connection. The
 * peer is a synthesizer whose notes outlive its connections. */
#define _POSIX_C_SOURCE 200809L
#include "readers.h"

#include <stdlib.h>
#include <string.h>

enum { REPAIRS = 1, TICKS = 2, KINDS = 4 };

/* Each overflow policy with each way of waking the network thread. */
static midisock_config config_of(int kind)
{
    midisock_config c;
    midisock_config_init(&c, sizeof c);
    c.overflow = kind & REPAIRS ? MIDISOCK_OVERFLOW_REPAIR : MIDISOCK_OVERFLOW_WAIT;
    c.wake = kind & TICKS ? MIDISOCK_WAKE_TICK : MIDISOCK_WAKE_SIGNAL;
    c.release_on_close = 0;
    c.reconnect_min_ms = 5;
    c.reconnect_max_ms = 20;
    c.max_delay_ms = 60000;
    return c;
}

typedef struct rig {
    midisock_port *port;
    int listener;
    int fd;
} rig;

static void open_rig(rig *r, midisock_config c, int small)
{
    uint16_t number = 0;
    r->listener = small ? raw_listen_small(&number) : raw_listen(&number);
    CHECK_OK(midisock_connect("127.0.0.1", number, &c, &r->port));
    r->fd = raw_accept(r->listener);
    NOTIFIED(r->port, MIDISOCK_NOTIFY_CONNECTED);
    CHECK_OK(midisock_wait_connected(r->port, DEADLINE_MS));
}

/* The end of one connection, and the next. */
static void next_link(rig *r, void (*end)(int))
{
    end(r->fd);
    NOTIFIED(r->port, MIDISOCK_NOTIFY_DISCONNECTED);
    if (end == raw_half_close)
        raw_close(r->fd);
    r->fd = raw_accept(r->listener);
    NOTIFIED(r->port, MIDISOCK_NOTIFY_CONNECTED);
    CHECK_OK(midisock_wait_connected(r->port, DEADLINE_MS));
}

static void close_rig(rig *r)
{
    raw_close(r->fd);
    raw_close(r->listener);
    midisock_close(r->port);
}

#define SEND(r, ...) CHECK_OK(midisock_push((r)->port, BYTES(__VA_ARGS__)))

/* Nothing comes before what is pushed now. */
static void expect_no_more(rig *r)
{
    SEND(r, 0xf6);
    RAW_EXPECT(r->fd, 0xf6);
}

static void hold(rig *r)
{
    SEND(r, 0x90, 60, 1);
    SEND(r, 0x90, 60, 2);
    SEND(r, 0xb0, 64, 127);
    SEND(r, 0xd1, 5);
    SEND(r, 0xe1, 1, 2);
    SEND(r, 0xfa);
    RAW_EXPECT(r->fd, 0x90, 60, 1, 0x90, 60, 2, 0xb0, 64, 127, 0xd1, 5, 0xe1, 1, 2, 0xfa);
}

static void let_go(rig *r)
{
    SEND(r, 0x80, 60, 1);
    SEND(r, 0x90, 60, 0);
    SEND(r, 0xb0, 64, 0);
    SEND(r, 0xd1, 0);
    SEND(r, 0xe1, 0, 64);
    SEND(r, 0xfc);
    CHECK_OK(midisock_flush(r->port, DEADLINE_MS));
}

#define RELEASED 0x80, 60, 64, 0x80, 60, 64, 0xb0, 64, 0, 0xd1, 0, 0xe1, 0, 64, 0xfc

/* What a repairing port tells after it. */
static void expect_released(rig *r, int kind)
{
    RAW_EXPECT(r->fd, RELEASED);
    if (kind & REPAIRS)
        RAW_EXPECT(r->fd, 0xb0, 64, 0, 0xd1, 0, 0xe1, 0, 64);
}

static void acknowledged_and_not_read(void)
{
    for (int kind = 0; kind < KINDS; kind++) {
        rig r;
        open_rig(&r, config_of(kind), 0);
        hold(&r);
        let_go(&r);
        next_link(&r, raw_reset);
        expect_released(&r, kind);
        expect_no_more(&r);
        close_rig(&r);
    }
}

static void not_acknowledged(void)
{
    for (int kind = 0; kind < KINDS; kind++) {
        rig r;
        open_rig(&r, config_of(kind), 1);
        hold(&r);
        /* More than its window, less than what the system takes. */
        for (int i = 0; i < 3000; i++)
            check_push(r.port, BYTES(0xb5, 7, 1));
        let_go(&r);
        next_link(&r, raw_reset);
        RAW_EXPECT(r.fd, RELEASED);
        if (kind & REPAIRS)
            RAW_EXPECT(r.fd, 0xb0, 64, 0, 0xb5, 7, 1, 0xd1, 0, 0xe1, 0, 64);
        expect_no_more(&r);
        close_rig(&r);
    }
}

/* Closed without a reset of its own: the system resets what was not read. */
static void closed_without_reading(void)
{
    for (int kind = 0; kind < KINDS; kind++) {
        rig r;
        open_rig(&r, config_of(kind), 0);
        hold(&r);
        let_go(&r);
        CHECK(raw_readable(r.fd, DEADLINE_MS));
        next_link(&r, raw_close);
        expect_released(&r, kind);
        expect_no_more(&r);
        close_rig(&r);
    }
}

static void released_by_mode_messages_and_by_requests(void)
{
    for (int kind = 0; kind < KINDS; kind++)
        for (int how = 0; how < 4; how++) {
            rig r;
            open_rig(&r, config_of(kind), 0);
            hold(&r);
            if (how == 0) {
                SEND(&r, 0xb0, 123, 0);
            } else if (how == 1) {
                CHECK_OK(midisock_panic(r.port));
            } else if (how == 2) {
                CHECK_OK(midisock_reset(r.port));
            } else {
                SEND(&r, 0xff);
            }
            CHECK_OK(midisock_flush(r.port, DEADLINE_MS));
            CHECK(raw_readable(r.fd, DEADLINE_MS));
            next_link(&r, raw_reset);
            RAW_EXPECT(r.fd, RELEASED);
            close_rig(&r);
        }
}

/* Released, struck again and held when it broke; struck while there was none. */
static void notes_that_were_repeated(void)
{
    for (int kind = 0; kind < KINDS; kind++) {
        rig r;
        open_rig(&r, config_of(kind), 0);
        SEND(&r, 0x90, 60, 1);
        SEND(&r, 0x80, 60, 1);
        SEND(&r, 0x90, 60, 2);
        SEND(&r, 0x90, 61, 1);
        SEND(&r, 0x80, 61, 1);
        CHECK_OK(midisock_flush(r.port, DEADLINE_MS));
        next_link(&r, raw_reset);
        RAW_EXPECT(r.fd, 0x80, 60, 64, 0x80, 61, 64);
        /* What is struck now sounds on. */
        SEND(&r, 0x90, 61, 3);
        RAW_EXPECT(r.fd, 0x90, 61, 3);
        expect_no_more(&r);
        close_rig(&r);
    }
}

/* A peer that has read all ends in order: it is told nothing twice. */
static void all_read(void)
{
    for (int kind = 0; kind < KINDS; kind++)
        for (int says = 0; says < 2; says++) {
            rig r;
            open_rig(&r, config_of(kind), 0);
            hold(&r);
            let_go(&r);
            RAW_EXPECT(r.fd, 0x80, 60, 1, 0x90, 60, 0, 0xb0, 64, 0, 0xd1, 0, 0xe1, 0, 64, 0xfc);
            SEND(&r, 0x91, 1, 1);
            RAW_EXPECT(r.fd, 0x91, 1, 1);
            next_link(&r, says ? raw_close : raw_half_close);
            RAW_EXPECT(r.fd, 0x81, 1, 64);
            if (kind & REPAIRS)
                RAW_EXPECT(r.fd, 0xb0, 64, 0, 0xd1, 0, 0xe1, 0, 64);
            expect_no_more(&r);
            close_rig(&r);
        }
}

/* One that has read all and resets cannot be told from one that has not. What
 * it is told again changes nothing, and what it holds since is not touched. */
static void all_read_and_reset(void)
{
    for (int kind = 0; kind < KINDS; kind++) {
        rig r;
        open_rig(&r, config_of(kind), 0);
        hold(&r);
        let_go(&r);
        RAW_EXPECT(r.fd, 0x80, 60, 1, 0x90, 60, 0, 0xb0, 64, 0, 0xd1, 0, 0xe1, 0, 64, 0xfc);
        next_link(&r, raw_reset);
        expect_released(&r, kind);
        SEND(&r, 0x90, 60, 1);
        RAW_EXPECT(r.fd, 0x90, 60, 1);
        expect_no_more(&r);
        close_rig(&r);
    }
}

/* A tunnel whose far end is down accepts and closes at once, and may have read:
 * the peer behind it hears nothing until it is back. */
static void behind_a_tunnel(void)
{
    for (int kind = 0; kind < KINDS; kind++)
        for (int how = 0; how < 3; how++) {
            midisock_config c = config_of(kind);
            /* So that no connection here has lasted. */
            c.reconnect_max_ms = 10 * DEADLINE_MS;
            rig r;
            open_rig(&r, c, 0);
            SEND(&r, 0x90, 60, 1);
            SEND(&r, 0xb0, 64, 1);
            RAW_EXPECT(r.fd, 0x90, 60, 1, 0xb0, 64, 1);
            next_link(&r, raw_close);
            for (int i = 0; i < 3; i++) {
                if (how == 2) {
                    RAW_EXPECT(r.fd, 0x80, 60, 64, 0xb0, 64, 0);
                    if (kind & REPAIRS)
                        RAW_EXPECT(r.fd, 0xb0, 64, 1);
                }
                next_link(&r, how == 0 ? raw_reset : raw_close);
            }
            RAW_EXPECT(r.fd, 0x80, 60, 64, 0xb0, 64, 0);
            if (kind & REPAIRS)
                RAW_EXPECT(r.fd, 0xb0, 64, 1);
            /* The far end is back, and says something: it has received. */
            RAW_SEND(r.fd, 0xf6);
            EXPECT(r.port, 0xf6);
            next_link(&r, raw_close);
            if (kind & REPAIRS)
                RAW_EXPECT(r.fd, 0xb0, 64, 0, 0xb0, 64, 1);
            expect_no_more(&r);
            close_rig(&r);
        }
}

/* Random songs of which the peer reads a part when the connection is reset; in
 * the end it stands where the sender stands, and holds what that holds. */
static void random_songs(void)
{
    uint32_t seed = song_seed();
    int rounds = check_sanitized() ? 4 : 16;
    for (int round = 0; round < rounds; round++) {
        song s;
        song_init(&s, seed + (uint32_t)round, 16);
        uint32_t random = seed ^ (uint32_t)round;
        midisock_config c = config_of(REPAIRS | (round & 1 ? TICKS : 0));
        c.client_buffer_bytes = 1 << 20;
        rig r;
        open_rig(&r, c, round & 2);
        receiver received;
        receiver_init(&received, s.sender.zeroes_lsb);
        for (int link = 0; link < 6; link++) {
            wire w;
            memset(&w, 0, sizeof w);
            size_t stop = link == 5 ? SIZE_MAX : check_random(&random) % 1000;
            /* Less than what the system takes of a peer that reads nothing. */
            for (unsigned i = 100 + check_random(&random) % 400; i > 0; i--) {
                const uint8_t *data;
                size_t size = song_next(&s, &data);
                check_push(r.port, data, size);
                /* A System Reset that was not read is not sent again. */
                if (data[0] == 0xff)
                    stop = SIZE_MAX;
            }
            check_push(r.port, song_mark, sizeof song_mark);
            for (int marked = 0; !marked && stop > 0;) {
                uint8_t piece[4096];
                long got = raw_read_some(r.fd, piece, stop < sizeof piece ? stop : sizeof piece);
                CHECK(got > 0);
                stop -= (size_t)got;
                for (long i = 0; i < got; i++) {
                    if (!wire_take(&w, piece[i]))
                        continue;
                    CHECK(!marked); /* nothing follows */
                    marked = is_song_mark(w.data, w.size);
                    if (!marked)
                        receiver_hear(&received, w.data, w.size);
                }
            }
            if (link < 5)
                next_link(&r, raw_reset);
        }
        /* Where a sequencer was told to be that did not hear it is not told again. */
        received.position = s.sender.position;
        received.song = s.sender.song;
        receiver_rest(&received, &s.sender);
        RECEIVER_CHECK(&s.sender, &received, "a receiver that read a part", s.seed);
        close_rig(&r);
    }
}

int main(int argc, char **argv)
{
    static const check_case cases[] = {
        CASE(acknowledged_and_not_read),
        CASE(not_acknowledged),
        CASE(closed_without_reading),
        CASE(released_by_mode_messages_and_by_requests),
        CASE(notes_that_were_repeated),
        CASE(all_read),
        CASE(all_read_and_reset),
        CASE(behind_a_tunnel),
        CASE(random_songs),
    };
    return check_main(argc, argv, CASES(cases));
}
