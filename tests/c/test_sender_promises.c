/* The musical promises with sender time, through a network that delays: repair, skip, release, reconnect, panic. The
 * receiver is an audio thread that pops block after block. */
#define _GNU_SOURCE
#include "frames.h"
#include "readers.h"
#include "relay.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define MS UINT64_C(1000000)
#define RATE 48000.0
enum { FRAMES = 128 };

/* A client, a bad network, and a server's audio thread. */
typedef struct stage {
    midisock_port *client, *server;
    relay *network;
    uint64_t next_ns; /* when the next block begins */
    uint64_t timed;   /* messages that came with a time */
    uint64_t panics;  /* All Sound Offs */
    uint32_t from;    /* the client of the present connection */
    unsigned connections;
    uint8_t round; /* of marks: those of the one before may still be under way */
    int marked;
    popper heard; /* of the present connection */
} stage;

static relay_config late_network(uint32_t seed)
{
    relay_config c = {0};
    c.seed = seed;
    c.delay_us = 100;
    c.jitter_us = 3000;
    c.segment = 40;
    return c;
}

static void open_stage(stage *st, const song *s, midisock_config c, uint64_t latency_ns)
{
    memset(st, 0, sizeof *st);
    popper_init(&st->heard, s);
    c.latency_ns = latency_ns;
    st->server = check_listen(&c);
    relay_config bad = late_network(s->seed);
    uint16_t number = 0;
    st->network = relay_start(midisock_local_port(st->server), &bad, &number);
    c.timing = MIDISOCK_TIMING_SENDER;
    c.out_queue_bytes = 1 << 20;
    c.client_buffer_bytes = 1 << 20;
    c.max_delay_ms = 60000;
    c.reconnect_min_ms = 1;
    c.reconnect_max_ms = 5;
    CHECK_OK(midisock_connect("127.0.0.1", number, &c, &st->client));
    CHECK_OK(midisock_wait_connected(st->client, DEADLINE_MS));
    NOTIFIED_AT_LAST(st->server, MIDISOCK_NOTIFY_CLOCK_LOCKED);
    st->next_ns = midisock_now_ns();
}

static void close_stage(stage *st)
{
    midisock_close(st->client);
    midisock_close(st->server);
    relay_stop(st->network);
}

static void hear(stage *st, const midisock_message *m)
{
    if (m->client != st->from) {
        /* What the connection before left sounding was released in its name. */
        CHECK_INT(0, receiver_held(&st->heard.received));
        CHECK(m->client > st->from);
        st->from = m->client;
        st->connections++;
        receiver_init(&st->heard.received, st->heard.received.zeroes_lsb);
    }
    st->timed += (m->flags & MIDISOCK_FLAG_TIMED) != 0;
    st->panics += (m->data[0] & 0xf0) == 0xb0 && m->data[1] == 120;
    st->marked |= m->size == 6 && m->data[0] == 0xf0 && m->data[1] == 0x7d && m->data[4] == st->round;
    popper_take(&st->heard, m);
}

/* The next block of the audio thread, when it is time. */
static void play_block(stage *st)
{
    check_sleep_until(st->next_ns);
    midisock_block b = MIDISOCK_BLOCK_INIT;
    b.sample_rate = RATE;
    b.frames = FRAMES;
    b.flags = MIDISOCK_BLOCK_DEVICE_TIME;
    b.start_ns = st->next_ns;
    CHECK_OK(midisock_begin_block(st->server, &b));
    st->next_ns += (uint64_t)(FRAMES * 1e9 / RATE);
    midisock_message m;
    uint32_t frame = 0;
    while (midisock_pop_block(st->server, &m) == MIDISOCK_OK) {
        CHECK(m.frame < FRAMES && m.frame >= frame);
        frame = m.frame;
        hear(st, &m);
    }
}

/* Blocks until this becomes true. */
#define PLAY_UNTIL(st, condition)                         \
    do {                                                  \
        uint64_t until_ = check_now_ms() + DEADLINE_MS;   \
        while (!(condition)) {                            \
            play_block(st);                               \
            CHECK(check_now_ms() < until_);               \
        }                                                 \
    } while (0)

/* Everything that was pushed before this has been delivered or repaired. */
static void play_to_mark(stage *st)
{
    uint64_t until = check_now_ms() + DEADLINE_MS;
    const uint8_t mark[] = {0xf0, 0x7d, 0x7f, 0x7f, ++st->round, 0xf7};
    for (st->marked = 0; !st->marked;) {
        midisock_push(st->client, mark, sizeof mark);
        play_block(st);
        CHECK(check_now_ms() < until);
    }
}

static void push_some(stage *st, song *s, unsigned messages)
{
    for (unsigned i = 0; i < messages; i++) {
        const uint8_t *data;
        size_t size = song_next(s, &data);
        midisock_result result = midisock_push(st->client, data, size);
        CHECK(result == MIDISOCK_OK || result == MIDISOCK_OFFLINE || result == MIDISOCK_ERR_FULL);
    }
}

static void what_was_lost_is_repaired(void)
{
    song s;
    song_init(&s, song_seed(), 16);
    stage st;
    open_stage(&st, &s, repairing_config(), 10 * MS);
    for (int round = 0; round < 3; round++) {
        /* The audio thread stops meanwhile. */
        uint64_t dropped = check_stats(st.server).dropped_in + 1000;
        uint64_t until = check_now_ms() + DEADLINE_MS;
        while (check_stats(st.server).dropped_in < dropped) {
            push_some(&st, &s, 200);
            CHECK_OK(midisock_flush(st.client, DEADLINE_MS));
            CHECK(check_now_ms() < until);
        }
        play_to_mark(&st);
        RECEIVER_CHECK(&s.sender, &st.heard.received, "repaired", s.seed);
        CHECK(st.timed > 0 && st.heard.made > 0);
    }
    close_stage(&st);
}

static void what_was_skipped_becomes_a_difference(void)
{
    song s;
    song_init(&s, song_seed(), 16);
    stage st;
    midisock_config c = check_config();
    c.in_queue_bytes = 1 << 20;
    c.overflow = MIDISOCK_OVERFLOW_REPAIR;
    open_stage(&st, &s, c, 10 * MS);
    uint32_t random = s.seed | 1;
    uint64_t until = check_now_ms() + DEADLINE_MS;
    for (int round = 0; round < 20 || st.timed == 0 || st.heard.made == 0; round++) {
        push_some(&st, &s, 1 + check_random(&random) % 200);
        for (unsigned blocks = check_random(&random) % 16; blocks > 0; blocks--)
            play_block(&st);
        /* The audio thread pauses for some blocks: what came is in the in queue then. */
        if (check_random(&random) % 2)
            for (int pause = 0; pause < 12; pause++)
                check_pause();
        CHECK_OK(midisock_skip(st.server));
        CHECK(check_now_ms() < until);
    }
    play_to_mark(&st);
    RECEIVER_CHECK(&s.sender, &st.heard.received, "after skips", s.seed);
    CHECK(st.timed > 0 && st.heard.made > 0);
    CHECK_INT(0, check_stats(st.server).dropped_in);
    close_stage(&st);
}

static void cut_connections_are_released_and_continued(void)
{
    song s;
    song_init(&s, song_seed(), 16);
    stage st;
    midisock_config c;
    midisock_config_init(&c, sizeof c);
    c.in_queue_bytes = 1 << 20;
    c.overflow = MIDISOCK_OVERFLOW_REPAIR;
    open_stage(&st, &s, c, 10 * MS);
    uint32_t random = s.seed | 1;
    unsigned cuts = check_sanitized() ? 10 : 25;
    for (unsigned cut = 0; cut < cuts; cut++) {
        CHECK_OK(midisock_wait_connected(st.client, DEADLINE_MS));
        /* Every other connection lasts until its clock is known. */
        uint64_t timed = st.timed + 20;
        if (cut % 2 == 0)
            PLAY_UNTIL(&st, (push_some(&st, &s, 2), st.timed >= timed));
        relay_cut_after(st.network, 1 + check_random(&random) % 700, (int)(check_random(&random) % 2));
        PLAY_UNTIL(&st, (push_some(&st, &s, 20), relay_cuts(st.network) > cut));
    }
    play_to_mark(&st);
    /* A newcomer is told nothing of the sequencer but what is new. */
    st.heard.received.runs = s.sender.runs;
    st.heard.received.position = s.sender.position;
    st.heard.received.song = s.sender.song;
    receiver_rest(&st.heard.received, &s.sender);
    RECEIVER_CHECK(&s.sender, &st.heard.received, "after the last cut", s.seed);
    /* The last connection ends, and so does what it holds. */
    CHECK_OK(midisock_shutdown(st.client));
    PLAY_UNTIL(&st, receiver_held(&st.heard.received) == 0);
    printf("# %u connections, %llu messages with times, %llu too late for the latency\n", st.connections,
           (unsigned long long)st.timed, (unsigned long long)check_stats(st.server).late_in);
    close_stage(&st);
}

static void a_panic_overtakes_what_waits_for_its_time(void)
{
    song s;
    song_init(&s, 1, 16);
    stage st;
    /* Nothing is due before this case would be over. */
    open_stage(&st, &s, check_config(), 100000 * MS);
    enum { HELD = 20 };
    for (uint8_t i = 0; i < HELD; i++)
        CHECK_OK(midisock_push(st.client, BYTES(0x90 | (i & 15), i, 1)));
    CHECK_COUNT(st.server, timed_in, HELD);
    for (int block = 0; block < 5; block++)
        play_block(&st);
    CHECK_INT(0, st.heard.live);
    CHECK_OK(midisock_panic(st.client));
    PLAY_UNTIL(&st, st.panics == 16);
    /* The notes came before it, in order. */
    CHECK_INT(HELD + 16, st.heard.live);
    CHECK_INT(HELD + 16, st.timed);
    close_stage(&st);
}

int main(int argc, char **argv)
{
    static const check_case cases[] = {
        CASE(what_was_lost_is_repaired),
        CASE(what_was_skipped_becomes_a_difference),
        CASE(cut_connections_are_released_and_continued),
        CASE(a_panic_overtakes_what_waits_for_its_time),
    };
    return check_main(argc, argv, CASES(cases));
}
