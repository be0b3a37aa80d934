/* MIDISOCK_OVERFLOW_REPAIR on pairs, and with two threads: as test_repair.c. */
#define _POSIX_C_SOURCE 200809L
#include "readers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void fill_pair(midisock_port *a)
{
    midisock_result result;
    while ((result = midisock_push(a, BYTES(0xf6))) == MIDISOCK_OK)
        ;
    CHECK_RESULT(MIDISOCK_ERR_FULL, result);
}

static void skip_tune_requests(midisock_port *b, midisock_message *m)
{
    do
        *m = POP(b);
    while (m->data[0] == 0xf6);
}

static void refused_data_entry_reaches_its_parameter(void)
{
    /* The parameter was selected before; its value and the next parameter's
     * are refused. */
    midisock_config c = repairing_config();
    midisock_port *a = NULL;
    midisock_port *b = NULL;
    CHECK_OK(midisock_pair(&c, &a, &b));
    receiver sent;
    receiver received;
    receiver_init(&sent, 1);
    receiver_init(&received, 1);
    static const uint8_t row[][3] = {{0xb0, 101, 0}, {0xb0, 100, 1}, {0xb0, 6, 5},   {0xb0, 6, 50},
                                     {0xb0, 101, 0}, {0xb0, 100, 2}, {0xb0, 6, 7}};
    for (int i = 0; i < 3; i++)
        CHECK_OK(midisock_push(a, row[i], 3));
    fill_pair(a);
    for (int i = 3; i < 7; i++)
        CHECK_RESULT(MIDISOCK_ERR_FULL, midisock_push(a, row[i], 3));
    for (int i = 0; i < 7; i++)
        receiver_hear(&sent, row[i], 3);
    midisock_message m;
    while (midisock_pop(b, &m) == MIDISOCK_OK)
        receiver_hear(&received, m.data, m.size);
    RECEIVER_CHECK(&sent, &received, "data entry", 0);
    CHECK_INT(1, check_stats(a).unrepaired); /* the tune request */
    midisock_close(a);
    midisock_close(b);
}

static void every_refused_note_off_comes(void)
{
    /* However often a key was struck: each strike takes one. */
    for (int strikes = 1; strikes <= 12; strikes++) {
        midisock_config c = repairing_config();
        midisock_port *a = NULL;
        midisock_port *b = NULL;
        CHECK_OK(midisock_pair(&c, &a, &b));
        for (int i = 0; i < strikes; i++)
            CHECK_OK(midisock_push(a, BYTES(0x90, 60, 1)));
        fill_pair(a);
        for (int i = 0; i < strikes; i++)
            CHECK_RESULT(MIDISOCK_ERR_FULL, midisock_push(a, BYTES(0x80, 60, 1)));
        for (int i = 0; i < strikes; i++)
            EXPECT(b, 0x90, 60, 1);
        midisock_message m;
        skip_tune_requests(b, &m);
        for (int i = 0;; i++) {
            CHECK_MEMORY(((const uint8_t[]){0x80, 60, 64}), 3, m.data, m.size);
            CHECK_INT(MIDISOCK_FLAG_SYNTHETIC, m.flags);
            if (i + 1 == strikes)
                break;
            midisock_result result = midisock_pop(b, &m);
            if (result != MIDISOCK_OK)
                check_fail(__FILE__, __LINE__, "of %d strikes %d sound on", strikes,
                           strikes - i - 1);
        }
        CHECK_RESULT(MIDISOCK_EMPTY, midisock_pop(b, &m));
        midisock_close(a);
        midisock_close(b);
    }
}

static void a_pair_in_memory(void)
{
    /* Nothing but these calls decides what happens: the same in every run. */
    uint32_t seed = song_seed();
    int rounds = check_sanitized() ? 60 : 600;
    uint64_t refused = 0;
    for (int round = 0; round < rounds; round++) {
        song s;
        song_init(&s, seed + (uint32_t)round, 1 + round % 16);
                midisock_config c = repairing_config();
        midisock_port *a = NULL;
        midisock_port *b = NULL;
        CHECK_OK(midisock_pair(&c, &a, &b));
        popper p;
        popper_init(&p, &s);
        uint32_t random = seed ^ (uint32_t)round;
        uint64_t full = 0;
        for (int burst = 0; burst < 40; burst++) {
            for (unsigned i = check_random(&random) % 300; i > 0; i--) {
                const uint8_t *data;
                size_t size = song_next(&s, &data);
                midisock_result result = midisock_push(a, data, size);
                if (result != MIDISOCK_OK) {
                    CHECK_RESULT(MIDISOCK_ERR_FULL, result);
                    full++;
                }
            }
            if (check_random(&random) % 4 == 0) {
                popper_pop_all(b, &p);
                RECEIVER_CHECK(&s.sender, &p.received, "a pair, after a burst", s.seed);
            } else {
                popper_pop(b, &p, check_random(&random) % 200);
            }
        }
        popper_pop_all(b, &p);
        RECEIVER_CHECK(&s.sender, &p.received, "a pair", s.seed);
        CHECK_INT(full, check_stats(a).dropped_out);
        CHECK_INT(s.messages, p.live + full);
        CHECK_INT(p.live, check_stats(b).messages_in);
        CHECK_INT(p.made, check_stats(b).synthesized);
        refused += full;
        midisock_close(a);
        midisock_close(b);
    }
    CHECK(refused > 0);
    printf("# %d songs, %llu pushes refused, all as it was pushed\n", rounds,
           (unsigned long long)refused);
}

typedef struct pusher {
    midisock_port *port;
    song song;
    unsigned count;
} pusher;

static void *push_song(void *argument)
{
    pusher *p = argument;
    for (unsigned i = 0; i < p->count; i++) {
        const uint8_t *data;
        size_t size = song_next(&p->song, &data);
        midisock_result result = midisock_push(p->port, data, size);
        if (result != MIDISOCK_OK)
            CHECK_RESULT(MIDISOCK_ERR_FULL, result);
    }
    return NULL;
}

static void two_threads_on_a_pair(void)
{
    uint32_t seed = song_seed();
    int rounds = check_sanitized() ? 4 : 20;
    for (int round = 0; round < rounds; round++) {
        midisock_config c = repairing_config();
        static pusher pushing;
        midisock_port *b = NULL;
        CHECK_OK(midisock_pair(&c, &pushing.port, &b));
        song_init(&pushing.song, seed + (uint32_t)round, 16);
        pushing.count = check_sanitized() ? 20000 : 60000;
        popper p;
        popper_init(&p, &pushing.song);
        pthread_t thread;
        check_start(&thread, push_song, &pushing);
        uint64_t until = check_now_ms() + DEADLINE_MS;
        while (check_stats(pushing.port).messages_out + check_stats(pushing.port).dropped_out <
               pushing.count) {
            popper_pop(b, &p, 500);
            CHECK(check_now_ms() < until);
        }
        check_join(thread);
        popper_pop_all(b, &p);
        RECEIVER_CHECK(&pushing.song.sender, &p.received, "two threads", pushing.song.seed);
        CHECK_INT(pushing.count, p.live + check_stats(pushing.port).dropped_out);
        midisock_close(pushing.port);
        midisock_close(b);
    }
}

static void two_threads_on_a_link(void)
{
    /* Both ends the library's, both repairing, the popper slower than the
     * pusher: losses at the push, at the link and at the in queue in one. */
    uint32_t seed = song_seed();
    int rounds = check_sanitized() ? 2 : 6;
    for (int round = 0; round < rounds; round++) {
        midisock_config c = repairing_config();
        c.accept_mode = MIDISOCK_ACCEPT_MANUAL;
        c.client_buffer_bytes = 8192;
        midisock_port *server = check_listen(&c);
        static pusher pushing;
        pushing.port = check_connect(server, &c);
        midisock_port *b = NULL;
        CHECK_OK(midisock_accept(server, DEADLINE_MS, &b));
        song_init(&pushing.song, seed + (uint32_t)round, 16);
        pushing.count = 60000;
        popper p;
        popper_init(&p, &pushing.song);
        pthread_t thread;
        check_start(&thread, push_song, &pushing);
        uint64_t until = check_now_ms() + 2 * DEADLINE_MS;
        midisock_stats out = check_stats(pushing.port);
        while (out.messages_out + out.dropped_out - out.synthesized < pushing.count) {
            popper_pop(b, &p, 50);
            check_pause();
            out = check_stats(pushing.port);
            CHECK(check_now_ms() < until);
        }
        check_join(thread);
        p.marked = 0;
        for (uint64_t next = 0; !p.marked;) {
            if (check_now_ms() >= next) {
                midisock_result result = midisock_push(pushing.port, song_mark, sizeof song_mark);
                if (result != MIDISOCK_ERR_FULL)
                    CHECK_OK(result);
                pushing.count++;
                next = check_now_ms() + 50;
            }
            popper_pop(b, &p, UINT32_MAX);
            check_pause();
            CHECK(check_now_ms() < until);
        }
        CHECK_SOON((out = check_stats(pushing.port),
                    out.messages_out + out.dropped_out - out.synthesized == pushing.count));
        midisock_stats in;
        CHECK_SOON((popper_pop(b, &p, UINT32_MAX), in = check_stats(b),
                    in.messages_in == out.messages_out &&
                        p.live + in.dropped_in == in.messages_in && p.made == in.synthesized));
        CHECK(out.dropped_out > 0);
        RECEIVER_CHECK(&pushing.song.sender, &p.received, "two threads", pushing.song.seed);
        midisock_close(pushing.port);
        midisock_close(b);
        midisock_close(server);
    }
}

int main(int argc, char **argv)
{
    static const check_case cases[] = {
        CASE(refused_data_entry_reaches_its_parameter),
        CASE(every_refused_note_off_comes),
        CASE(a_pair_in_memory),
        CASE(two_threads_on_a_pair),
        CASE(two_threads_on_a_link),
    };
    return check_main(argc, argv, CASES(cases));
}
