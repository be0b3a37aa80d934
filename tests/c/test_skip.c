/* midisock_skip drops waiting messages, and the difference in channel state comes
 * next. */
#define _POSIX_C_SOURCE 200809L
#include "readers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void skipped_messages_become_a_difference(void)
{
    midisock_port *a = NULL;
    midisock_port *b = NULL;
    midisock_config c = check_config();
    CHECK_OK(midisock_pair(&c, &a, &b));
    static const uint8_t row[][3] = {
        {0x90, 60, 1},  {0x80, 61, 1}, {0xb0, 7, 1},    {0xb0, 7, 2},   {0xe0, 1, 2},
        {0xb0, 101, 0}, {0xb0, 100, 0}, {0xb0, 6, 12},  {0xb0, 38, 3},  {0xb0, 101, 127},
        {0xb0, 100, 127}, {0xb0, 0, 1}, {0xb0, 32, 2},  {0xb0, 7, 3},   {0x90, 62, 1},
        {0x80, 62, 1},  {0xf2, 1, 1},
    };
    CHECK_OK(midisock_push(a, BYTES(0x90, 61, 1)));
    EXPECT(b, 0x90, 61, 1);
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++)
        CHECK_OK(midisock_push(a, row[i], 3));
    CHECK_OK(midisock_push(a, BYTES(0xc0, 5)));
    CHECK_OK(midisock_push(a, BYTES(0xb0, 0, 9)));
    CHECK_OK(midisock_skip(b));
    EXPECT_SYNTHETIC(b, 0, 0x80, 61, 64);
    EXPECT_SYNTHETIC(b, 0, 0xb0, 0, 1); /* the bank that the program is from */
    EXPECT_SYNTHETIC(b, 0, 0xb0, 32, 2);
    EXPECT_SYNTHETIC(b, 0, 0xc0, 5);
    EXPECT_SYNTHETIC(b, 0, 0xb0, 0, 9); /* and the one selected since */
    midisock_message m = POP(b);
    if (m.data[1] == 32) { /* its LSB may be told again */
        CHECK_INT(MIDISOCK_FLAG_SYNTHETIC, m.flags);
        m = POP(b);
    }
    CHECK_MEMORY(((const uint8_t[]){0xb0, 101, 0}), 3, m.data, m.size);
    EXPECT_SYNTHETIC(b, 0, 0xb0, 100, 0);
    EXPECT_SYNTHETIC(b, 0, 0xb0, 6, 12);
    EXPECT_SYNTHETIC(b, 0, 0xb0, 38, 3);
    EXPECT_SYNTHETIC(b, 0, 0xb0, 101, 127);
    EXPECT_SYNTHETIC(b, 0, 0xb0, 100, 127);
    EXPECT_SYNTHETIC(b, 0, 0xb0, 7, 3);
    EXPECT_SYNTHETIC(b, 0, 0xe0, 1, 2);
    EXPECT_SYNTHETIC(b, 0, 0xf2, 1, 1);
    POPS_NOTHING(b);
    /* The live stream goes on. */
    CHECK_OK(midisock_push(a, BYTES(0x90, 63, 1)));
    CHECK_INT(0, EXPECT(b, 0x90, 63, 1).flags);
    midisock_close(a);
    midisock_close(b);
}

static void the_difference_comes_before_what_was_sent_after(void)
{
    midisock_config c = check_config();
    midisock_port *server = check_listen(&c);
    int fd = raw_connect(midisock_local_port(server));
    RAW_SEND(fd, 0x90, 60, 1);
    uint32_t id = EXPECT(server, 0x90, 60, 1).client;
    RAW_SEND(fd, 0x80, 60, 1, 0xb0, 7, 1, 0xf8, 0xf0, 1, 0xf7);
    CHECK_COUNT(server, messages_in, 5);
    CHECK_OK(midisock_skip(server));
    RAW_SEND(fd, 0x90, 61, 1);
    CHECK_COUNT(server, messages_in, 6);
    CHECK_OK(midisock_wait(server, MIDISOCK_WAIT_MESSAGE, DEADLINE_MS));
    EXPECT_SYNTHETIC(server, id, 0x80, 60, 64);
    EXPECT_SYNTHETIC(server, id, 0xb0, 7, 1);
    CHECK_INT(0, EXPECT(server, 0x90, 61, 1).flags);
    POPS_NOTHING(server);
    CHECK_COUNT(server, synthesized, 2);
    CHECK_INT(2, check_stats(server).unrepaired); /* the clock, the SysEx */
    raw_close(fd);
    midisock_close(server);
}

static void skipping_within_a_difference(void)
{
    /* What of the first one was not given yet is in the second one. */
    midisock_config c = check_config();
    midisock_port *a = NULL;
    midisock_port *b = NULL;
    CHECK_OK(midisock_pair(&c, &a, &b));
    CHECK_OK(midisock_push(a, BYTES(0xb0, 7, 1)));
    CHECK_OK(midisock_push(a, BYTES(0xb0, 10, 1)));
    CHECK_OK(midisock_push(a, BYTES(0xd0, 5)));
    CHECK_OK(midisock_skip(b));
    EXPECT_SYNTHETIC(b, 0, 0xb0, 7, 1);
    CHECK_OK(midisock_push(a, BYTES(0xb0, 10, 2)));
    CHECK_OK(midisock_push(a, BYTES(0xe0, 1, 1)));
    CHECK_OK(midisock_skip(b));
    CHECK_OK(midisock_skip(b));
    receiver r;
    receiver_init(&r, 1);
    midisock_message m;
    while (midisock_pop(b, &m) == MIDISOCK_OK) {
        CHECK_INT(MIDISOCK_FLAG_SYNTHETIC, m.flags);
        CHECK(m.data[0] != 0xb0 || m.data[1] != 10 || m.data[2] == 2); /* not the old value */
        receiver_hear(&r, m.data, m.size);
    }
    CHECK_INT(2, r.channels[0].control[10]);
    CHECK_INT(5, r.channels[0].pressure);
    CHECK_INT(1 | 1 << 7, r.channels[0].bend);
    midisock_close(a);
    midisock_close(b);
}

static void skipping_again_repeats_nothing(void)
{
    /* What was given of the first difference has been received. */
    midisock_config c = check_config();
    midisock_port *a = NULL;
    midisock_port *b = NULL;
    CHECK_OK(midisock_pair(&c, &a, &b));
    /* Two strikes, one of them released. */
    for (int i = 0; i < 2; i++) {
        CHECK_OK(midisock_push(a, BYTES(0x90, 60, 1)));
        EXPECT(b, 0x90, 60, 1);
    }
    CHECK_OK(midisock_push(a, BYTES(0x80, 60, 1)));
    CHECK_OK(midisock_push(a, BYTES(0xb0, 7, 1)));
    CHECK_OK(midisock_skip(b));
    EXPECT_SYNTHETIC(b, 0, 0x80, 60, 64);
    CHECK_OK(midisock_skip(b));
    EXPECT_SYNTHETIC(b, 0, 0xb0, 7, 1); /* the other one sounds on */
    POPS_NOTHING(b);
    /* A program of the bank selected before, and another bank since. */
    CHECK_OK(midisock_push(a, BYTES(0xb0, 0, 1)));
    CHECK_OK(midisock_push(a, BYTES(0xb0, 32, 1)));
    EXPECT(b, 0xb0, 0, 1);
    EXPECT(b, 0xb0, 32, 1);
    CHECK_OK(midisock_push(a, BYTES(0xc0, 5)));
    CHECK_OK(midisock_push(a, BYTES(0xb0, 0, 9)));
    CHECK_OK(midisock_push(a, BYTES(0xb0, 32, 9)));
    CHECK_OK(midisock_push(a, BYTES(0xb0, 7, 2)));
    CHECK_OK(midisock_skip(b));
    EXPECT_SYNTHETIC(b, 0, 0xc0, 5);
    EXPECT_SYNTHETIC(b, 0, 0xb0, 0, 9);
    CHECK_OK(midisock_skip(b));
    midisock_message m;
    while (midisock_pop(b, &m) == MIDISOCK_OK)
        CHECK(m.data[0] != 0xc0); /* it would be of bank 9 */
    midisock_close(a);
    midisock_close(b);
}

static void each_client_its_own_difference(void)
{
    midisock_config c = check_config();
    c.release_on_disconnect = 1;
    midisock_port *server = check_listen(&c);
    int fds[3];
    uint32_t ids[3];
    for (int i = 0; i < 3; i++) {
        fds[i] = raw_connect(midisock_local_port(server));
        RAW_SEND(fds[i], 0x90, 60, 1);
        ids[i] = EXPECT(server, 0x90, 60, 1).client;
    }
    /* The second one leaves: its release is among what is skipped. */
    RAW_SEND(fds[0], 0xb0, 7, 1);
    CHECK_COUNT(server, messages_in, 4);
    RAW_SEND(fds[2], 0x80, 60, 1, 0xb0, 7, 3);
    CHECK_COUNT(server, messages_in, 6);
    raw_close(fds[1]);
    CHECK_COUNT(server, synthesized, 1);
    CHECK_OK(midisock_skip(server));
    receiver received[3];
    for (int i = 0; i < 3; i++)
        receiver_init(&received[i], 1);
    int count[3] = {0, 0, 0};
    midisock_message m;
    while (midisock_pop(server, &m) == MIDISOCK_OK) {
        CHECK(m.flags & MIDISOCK_FLAG_SYNTHETIC);
        int who = m.client == ids[0] ? 0 : m.client == ids[1] ? 1 : 2;
        CHECK_INT(ids[who], m.client);
        if (m.data[0] == 0x80)
            CHECK_INT(60, m.data[1]);
        receiver_hear(&received[who], m.data, m.size);
        count[who]++;
    }
    CHECK_INT(1, count[0]);
    CHECK_INT(1, received[0].channels[0].control[7]);
    CHECK_INT(1, count[1]);
    CHECK_INT(2, count[2]);
    CHECK_INT(3, received[2].channels[0].control[7]);
    raw_close(fds[0]);
    EXPECT_SYNTHETIC(server, ids[0], 0x80, 60, 64);
    raw_close(fds[2]);
    /* It holds nothing. */
    int fd = raw_connect(midisock_local_port(server));
    RAW_SEND(fd, 0xf6);
    EXPECT(server, 0xf6);
    raw_close(fd);
    midisock_close(server);
}

static void skipping_at_the_end(void)
{
    /* A port that was closed: the difference, its releases, and the end. */
    midisock_config c = check_config();
    c.release_on_disconnect = 1;
    c.accept_mode = MIDISOCK_ACCEPT_MANUAL;
    midisock_port *server = check_listen(&c);
    int fd = raw_connect(midisock_local_port(server));
    RAW_SEND(fd, 0x90, 60, 1, 0x90, 61, 1);
    midisock_port *port = NULL;
    CHECK_OK(midisock_accept(server, DEADLINE_MS, &port));
    EXPECT(port, 0x90, 60, 1);
    EXPECT(port, 0x90, 61, 1);
    RAW_SEND(fd, 0x80, 60, 1, 0xb0, 7, 9);
    raw_close(fd);
    CHECK_SOON(midisock_state(port) == MIDISOCK_STATE_CLOSED);
    CHECK_COUNT(port, synthesized, 1); /* the release of 61 waits */
    CHECK_OK(midisock_skip(port));
    receiver r;
    receiver_init(&r, 1);
    r.channels[0].held[60] = r.channels[0].held[61] = 1;
    midisock_message m;
    midisock_result result;
    while ((result = midisock_pop(port, &m)) == MIDISOCK_OK)
        receiver_hear(&r, m.data, m.size);
    CHECK_RESULT(MIDISOCK_ERR_CLOSED, result);
    CHECK_INT(0, receiver_held(&r));
    CHECK_INT(9, r.channels[0].control[7]);
    CHECK_RESULT(MIDISOCK_ERR_CLOSED, midisock_skip(port));
    midisock_close(port);
    midisock_close(server);
}

static void nothing_waits(void)
{
    midisock_config c = check_config();
    midisock_port *a = NULL;
    midisock_port *b = NULL;
    CHECK_OK(midisock_pair(&c, &a, &b));
    CHECK_OK(midisock_push(a, BYTES(0xb0, 7, 1)));
    EXPECT(b, 0xb0, 7, 1);
    CHECK_OK(midisock_skip(b));
    POPS_NOTHING(b);
    CHECK_INT(0, check_stats(b).synthesized);
    midisock_close(a);
    midisock_close(b);
}

static void on_a_pair_exactly_the_difference_follows(void)
{
    /* The popping side knows what it popped: it follows that where it releases. */
    midisock_config c;
    midisock_config_init(&c, sizeof c);
    midisock_port *a = NULL;
    midisock_port *b = NULL;
    CHECK_OK(midisock_pair(&c, &a, &b));
    CHECK_OK(midisock_push(a, BYTES(0xb0, 7, 1)));
    EXPECT(b, 0xb0, 7, 1);
    static const uint8_t forth_and_back[][3] = {
        {0xb0, 7, 2}, {0xe0, 1, 1}, {0x90, 60, 1}, {0x80, 61, 1},
        {0xb0, 7, 1}, {0xe0, 0, 0x40}, {0x80, 60, 1}, {0xb0, 64, 127},
    };
    for (size_t i = 0; i < 8; i++)
        CHECK_OK(midisock_push(a, forth_and_back[i], 3));
    CHECK_OK(midisock_skip(b));
    EXPECT_SYNTHETIC(b, 0, 0xb0, 64, 127);
    EXPECT_SYNTHETIC(b, 0, 0xe0, 0, 0x40); /* it was never told of one */
    POPS_NOTHING(b);
    CHECK_INT(1, check_stats(b).unrepaired); /* the note on */
    midisock_close(a);
    midisock_close(b);
}

static void a_panic_within_a_difference(void)
{
    /* What it dropped does not come, what had come stays right, and nothing of
     * the queue comes twice. */
    for (int repairs = 0; repairs < 2; repairs++)
        for (int again = 0; again < 2; again++) {
            midisock_config c = check_config();
            c.in_queue_bytes = c.out_queue_bytes = 4096;
            c.overflow = repairs ? MIDISOCK_OVERFLOW_REPAIR : MIDISOCK_OVERFLOW_WAIT;
            midisock_port *a = NULL;
            midisock_port *b = NULL;
            CHECK_OK(midisock_pair(&c, &a, &b));
            receiver sent;
            receiver received;
            receiver_init(&sent, 1);
            receiver_init(&received, 1);
            const uint8_t row[][3] = {{0xb0, 7, 1}, {0xb0, 10, 2}, {0xd0, 3, 0}, {0x90, 60, 1},
                                      {0xb0, 11, 4}};
            const size_t sizes[] = {3, 3, 2, 3, 3};
            for (int i = 0; i < 3; i++)
                CHECK_OK(midisock_push(a, row[i], sizes[i]));
            CHECK_OK(midisock_skip(b));
            EXPECT_SYNTHETIC(b, 0, 0xb0, 7, 1);
            receiver_hear(&received, row[0], 3);
            for (int i = 3; i < 5; i++)
                CHECK_OK(midisock_push(a, row[i], sizes[i]));
            CHECK_OK(midisock_panic(a));
            for (int i = 0; i < 5; i++)
                receiver_hear(&sent, row[i], sizes[i]);
            midisock_message m;
            if (again) { /* the panic was seen, but not all of it given */
                m = POP(b);
                receiver_hear(&received, m.data, m.size);
                CHECK_OK(midisock_skip(b));
            }
            /* Far more than the queue holds: a position gone back would show. */
            for (int i = 0; i < 20; i++) {
                uint8_t last[] = {0xb0, 12, (uint8_t)i};
                CHECK_OK(midisock_push(a, last, 3));
                receiver_hear(&sent, last, 3);
            }
            int silent = 0;
            while (midisock_pop(b, &m) == MIDISOCK_OK) {
                CHECK(m.data[0] >> 4 != 9); /* the note on was dropped */
                silent |= 1 << (m.data[1] == 120 && m.data[0] >> 4 == 0xb ? m.data[0] & 15 : 16);
                receiver_hear(&received, m.data, m.size);
            }
            CHECK(again || (silent & 0xffff) == 0xffff);
            receiver_silence(&sent);
            RECEIVER_CHECK(&sent, &received, "panic after a skip", 0);
            midisock_close(a);
            midisock_close(b);
        }
}

static void a_reset_keeps_its_place_among_skipped_messages(void)
{
    midisock_config c = check_config();
    midisock_port *a = NULL;
    midisock_port *b = NULL;
    CHECK_OK(midisock_pair(&c, &a, &b));
    CHECK_OK(midisock_push(a, BYTES(0xb0, 1, 1)));
    CHECK_OK(midisock_push(a, BYTES(0xe0, 1, 1)));
    CHECK_OK(midisock_reset(a));
    CHECK_OK(midisock_push(a, BYTES(0xb0, 1, 5)));
    CHECK_OK(midisock_skip(b));
    receiver received;
    receiver_init(&received, 1);
    midisock_message m;
    while (midisock_pop(b, &m) == MIDISOCK_OK)
        receiver_hear(&received, m.data, m.size);
    CHECK_INT(5, received.channels[0].control[1]);
    CHECK_INT(0x2000, received.channels[0].bend);
    CHECK_INT(127, received.channels[15].control[11]);
    midisock_close(a);
    midisock_close(b);
}

static void data_entry_for_a_partly_selected_parameter(void)
{
    /* The popping side does not know the other half of the number. The receiver
     * does. */
    midisock_config c = check_config();
    midisock_port *server = check_listen(&c);
    int fd = raw_connect(midisock_local_port(server));
    static const uint8_t row[][3] = {{0xb0, 101, 0}, {0xb0, 100, 1}, {0xb0, 6, 5},  {0xb0, 6, 6},
                                     {0xb0, 100, 2}, {0xb0, 6, 7},   {0xb0, 38, 8}, {0xb0, 121, 0}};
    receiver sent;
    receiver received;
    receiver_init(&sent, 1);
    receiver_init(&received, 1);
    for (int i = 0; i < 8; i++) {
        raw_send(fd, row[i], 3);
        receiver_hear(&sent, row[i], 3);
        midisock_message m;
        if (i < 3) {
            m = POP(server);
            receiver_hear(&received, m.data, m.size);
        }
    }
    CHECK_COUNT(server, messages_in, 8);
    CHECK_OK(midisock_skip(server));
    midisock_message m;
    while (midisock_pop(server, &m) == MIDISOCK_OK)
        receiver_hear(&received, m.data, m.size);
    RECEIVER_CHECK(&sent, &received, "data entry", 0);
    CHECK_INT(0, check_stats(server).unrepaired);
    raw_close(fd);
    midisock_close(server);
}

static void a_long_skip_takes_several_calls(void)
{
    /* No call takes long: what was skipped is gone through bit by bit. All the
     * while there is something to wait for. */
    enum { WAITING = 30000, MOST_CALLS = 100 };
    midisock_config c = check_config();
    c.in_queue_bytes = c.out_queue_bytes = 1 << 20;
    midisock_port *a = NULL;
    midisock_port *b = NULL;
    CHECK_OK(midisock_pair(&c, &a, &b));
    for (int i = 0; i < WAITING; i++)
        CHECK_OK(midisock_push(a, BYTES(0xb0, 7, (uint8_t)(i & 0x7f))));
    CHECK_OK(midisock_push(a, BYTES(0xb0, 7, 99)));
    CHECK_OK(midisock_skip(b));
    CHECK_OK(midisock_push(a, BYTES(0x90, 60, 1)));
    midisock_message m;
    int calls = 1;
    for (; midisock_pop(b, &m) == MIDISOCK_EMPTY; calls++) {
        CHECK(calls < MOST_CALLS);
        CHECK_OK(midisock_wait(b, MIDISOCK_WAIT_MESSAGE, 0));
    }
    CHECK_MEMORY(((const uint8_t[]){0xb0, 7, 99}), 3, m.data, m.size);
    CHECK_INT(MIDISOCK_FLAG_SYNTHETIC, m.flags);
    CHECK(calls > 10);
    printf("# %d messages in %d calls\n", WAITING, calls);
    CHECK_INT(0, EXPECT(b, 0x90, 60, 1).flags);
    POPS_NOTHING(b);
    midisock_close(a);
    midisock_close(b);
}

static void a_few_hundred_take_one_call(void)
{
    midisock_config c = check_config();
    midisock_port *a = NULL;
    midisock_port *b = NULL;
    CHECK_OK(midisock_pair(&c, &a, &b));
    for (int i = 0; i < 1000; i++)
        CHECK_OK(midisock_push(a, BYTES(0xb0, 7, (uint8_t)(i & 0x7f))));
    CHECK_OK(midisock_skip(b));
    midisock_message m;
    CHECK_OK(midisock_pop(b, &m));
    CHECK_MEMORY(((const uint8_t[]){0xb0, 7, 999 & 0x7f}), 3, m.data, m.size);
    POPS_NOTHING(b);
    midisock_close(a);
    midisock_close(b);
}

/* The next message, through the calls that a long skip takes; 0: none. */
static int next(midisock_port *port, midisock_message *m)
{
    midisock_result result;
    do
        result = midisock_pop(port, m);
    while (result == MIDISOCK_EMPTY && midisock_wait(port, MIDISOCK_WAIT_MESSAGE, 0) == MIDISOCK_OK);
    return result == MIDISOCK_OK;
}

static void random_songs_on_a_pair(void)
{
    uint32_t seed = song_seed();
    int rounds = check_sanitized() ? 100 : 1000;
    uint64_t skipped = 0;
    for (int round = 0; round < rounds; round++) {
        midisock_config c = check_config();
        c.overflow = round % 2 ? MIDISOCK_OVERFLOW_REPAIR : MIDISOCK_OVERFLOW_WAIT;
        midisock_port *a = NULL;
        midisock_port *b = NULL;
        CHECK_OK(midisock_pair(&c, &a, &b));
        song s;
        song_init(&s, seed + (uint32_t)round, 1 + round % 16);
        receiver received;
        receiver_init(&received, s.sender.zeroes_lsb);
        uint32_t random = seed ^ (uint32_t)round;
        uint64_t live = 0;
        for (int burst = 0; burst < 30; burst++) {
            for (unsigned i = check_random(&random) % 200; i > 0; i--) {
                const uint8_t *data;
                size_t size = song_next(&s, &data);
                CHECK_OK(midisock_push(a, data, size));
            }
            unsigned most = check_random(&random) % 3 ? check_random(&random) % 100 : UINT32_MAX;
            midisock_message m;
            int all = 0;
            if (check_random(&random) % 3)
                CHECK_OK(midisock_skip(b));
            while (most-- > 0 && !(all = !next(b, &m))) {
                receiver_hear(&received, m.data, m.size);
                live += !(m.flags & MIDISOCK_FLAG_SYNTHETIC);
            }
            if (all) {
                RECEIVER_CHECK(&s.sender, &received, "after a skip", s.seed);
            } else if (check_random(&random) % 2) {
                CHECK_OK(midisock_skip(b));
                while (next(b, &m)) {
                    CHECK_INT(MIDISOCK_FLAG_SYNTHETIC, m.flags);
                    receiver_hear(&received, m.data, m.size);
                }
                RECEIVER_CHECK(&s.sender, &received, "after two skips", s.seed);
            } else {
                while (next(b, &m)) {
                    receiver_hear(&received, m.data, m.size);
                    live += !(m.flags & MIDISOCK_FLAG_SYNTHETIC);
                }
                RECEIVER_CHECK(&s.sender, &received, "after some", s.seed);
            }
        }
        skipped += s.messages - live;
        midisock_close(a);
        midisock_close(b);
    }
    CHECK(skipped > 0);
    printf("# %d songs, %llu messages skipped, all as it was pushed\n", rounds,
           (unsigned long long)skipped);
}

static void random_songs_from_peers(void)
{
    /* Several clients of a merged port, which is lossy besides. */
    enum { CLIENTS = 3 };
    uint32_t seed = song_seed();
    for (int round = 0; round < 6; round++) {
        midisock_config c = check_config();
        c.in_queue_bytes = round % 2 ? 4096 : 65536;
        midisock_port *server = check_listen(&c);
        static song songs[CLIENTS];
        static receiver received[CLIENTS];
        int fds[CLIENTS];
        uint32_t ids[CLIENTS];
        for (int i = 0; i < CLIENTS; i++) {
            fds[i] = raw_connect(midisock_local_port(server));
            RAW_SEND(fds[i], 0xf6);
            ids[i] = EXPECT(server, 0xf6).client;
            song_init(&songs[i], seed + (uint32_t)(round * CLIENTS + i), 4);
            receiver_init(&received[i], songs[i].sender.zeroes_lsb);
        }
        uint32_t random = seed ^ (uint32_t)round;
        uint64_t sent = CLIENTS;
        for (int burst = 0; burst < 12; burst++) {
            for (int i = 0; i < CLIENTS; i++)
                for (unsigned k = check_random(&random) % 300; k > 0; k--) {
                    const uint8_t *data;
                    size_t size = song_next(&songs[i], &data);
                    raw_send(fds[i], data, size);
                    sent++;
                }
            if (check_random(&random) % 3)
                CHECK_COUNT(server, messages_in, sent);
            CHECK_OK(midisock_skip(server));
            /* A mark of each, that no song sends, comes live: nothing is owed
             * any more. */
            unsigned marked = 0;
            uint64_t until = check_now_ms() + DEADLINE_MS;
            while (marked != (1u << CLIENTS) - 1) {
                for (int i = 0; i < CLIENTS; i++)
                    if (!(marked >> i & 1)) {
                        raw_send(fds[i], song_mark, sizeof song_mark);
                        sent++;
                    }
                CHECK_COUNT(server, messages_in, sent);
                check_pause();
                midisock_message m;
                while (midisock_pop(server, &m) == MIDISOCK_OK) {
                    int who = m.client == ids[0] ? 0 : m.client == ids[1] ? 1 : 2;
                    CHECK_INT(ids[who], m.client);
                    receiver_hear(&received[who], m.data, m.size);
                    if (is_song_mark(m.data, m.size))
                        marked |= 1u << who;
                }
                CHECK(check_now_ms() < until);
            }
            for (int i = 0; i < CLIENTS; i++)
                RECEIVER_CHECK(&songs[i].sender, &received[i], "skipped", songs[i].seed);
        }
        for (int i = 0; i < CLIENTS; i++)
            raw_close(fds[i]);
        midisock_close(server);
    }
}

int main(int argc, char **argv)
{
    static const check_case cases[] = {
        CASE(skipped_messages_become_a_difference),
        CASE(the_difference_comes_before_what_was_sent_after),
        CASE(skipping_within_a_difference),
        CASE(skipping_again_repeats_nothing),
        CASE(each_client_its_own_difference),
        CASE(skipping_at_the_end),
        CASE(nothing_waits),
        CASE(on_a_pair_exactly_the_difference_follows),
        CASE(a_panic_within_a_difference),
        CASE(a_reset_keeps_its_place_among_skipped_messages),
        CASE(data_entry_for_a_partly_selected_parameter),
        CASE(a_long_skip_takes_several_calls),
        CASE(a_few_hundred_take_one_call),
        CASE(random_songs_on_a_pair),
        CASE(random_songs_from_peers),
    };
    return check_main(argc, argv, CASES(cases));
}
