/* Messages in audio blocks: in range, in order, each exactly once. */
#include "check.h"
#include "raw.h"

#include <math.h>
#include <string.h>

#define RATE 48000.0

static void begin(midisock_port *port, uint64_t start_ns, uint32_t frames, uint32_t flags)
{
    const midisock_block block = {sizeof block, flags, start_ns, RATE, frames, 0, 0};
    CHECK_OK(midisock_begin_block(port, &block));
}

/* Time as an audio device would have it: the next block begins when the one
 * before has been played. */
static uint64_t until_ns(uint64_t time_ns)
{
    uint64_t now;
    CHECK_SOON((now = midisock_now_ns()) >= time_ns);
    return now;
}

static void through_blocks(uint64_t latency_ns, uint32_t frames)
{
    midisock_config c = check_config();
    c.latency_ns = latency_ns;
    midisock_port *server = check_listen(&c);
    int fd = raw_connect(midisock_local_port(server));
    NOTIFIED(server, MIDISOCK_NOTIFY_CLIENT_JOINED);
    uint64_t start = midisock_now_ns();
    uint32_t sent = 0;
    uint32_t got = 0;
    uint32_t random = 23;
    uint64_t until = check_now_ms() + DEADLINE_MS;
    uint32_t blocks = 0;
    while (got < 500) {
        uint64_t now = until_ns(start);
        /* A device that fell behind drops out and goes on from now. */
        if (now > start + 100000000)
            start = now;
        begin(server, now, frames, 0);
        uint32_t last = 0;
        midisock_message m;
        midisock_result result;
        while ((result = midisock_pop_block(server, &m)) == MIDISOCK_OK) {
            CHECK(m.frame < frames);
            CHECK(m.frame >= last);
            last = m.frame;
            CHECK_INT(got, check_number(m.data, m.size));
            got++;
        }
        CHECK_RESULT(MIDISOCK_EMPTY, result);
        CHECK_RESULT(MIDISOCK_EMPTY, midisock_pop_block(server, &m));
        for (uint32_t i = check_random(&random) % 8; i > 0 && sent < 500; i--) {
            uint8_t data[10];
            check_numbered(data, sizeof data, sent++);
            raw_send(fd, data, sizeof data);
        }
        start += (uint64_t)(frames * 1e9 / RATE);
        blocks++;
        CHECK(check_now_ms() < until);
    }
    CHECK(blocks > 1);
    if (latency_ns != MIDISOCK_LATENCY_AUTO)
        CHECK_COUNT(server, latency_ns, latency_ns);
    else
        CHECK(check_stats(server).latency_ns >= (uint64_t)(frames * 1e9 / RATE) * 9 / 10);
    raw_close(fd);
    midisock_close(server);
}

static void as_soon_as_possible(void)
{
    through_blocks(0, 64);
    through_blocks(0, 1024);
}

static void spacing_is_kept(void)
{
    through_blocks(MIDISOCK_LATENCY_AUTO, 64);
    through_blocks(MIDISOCK_LATENCY_AUTO, 480);
}

static void with_a_fixed_delay(void)
{
    through_blocks(5000000, 128);
}

static void one_period_cut_into_many(void)
{
    /* Any cut: of one frame, of none, of thousands. */
    static const uint32_t cuts[] = {1, 0, 17, 0, 0, 512, 3, 4096, 64, 1, 1, 0, 100};
    midisock_config c = check_config();
    c.latency_ns = MIDISOCK_LATENCY_AUTO;
    midisock_port *a = NULL;
    midisock_port *b = NULL;
    CHECK_OK(midisock_pair(&c, &a, &b));
    uint32_t sent = 0;
    uint32_t got = 0;
    uint64_t start = midisock_now_ns();
    uint64_t until = check_now_ms() + DEADLINE_MS;
    for (uint32_t round = 0; got < 300; round++) {
        uint32_t frames = cuts[round % (sizeof cuts / sizeof cuts[0])];
        until_ns(start);
        begin(b, start, frames, 0);
        uint32_t last = 0;
        midisock_message m;
        while (midisock_pop_block(b, &m) == MIDISOCK_OK) {
            CHECK(m.frame < frames); /* none at all in an empty block */
            CHECK(m.frame >= last);
            last = m.frame;
            CHECK_INT(got, check_number(m.data, m.size));
            got++;
        }
        if (sent < 300) {
            uint8_t data[8];
            check_numbered(data, sizeof data, sent++);
            CHECK_OK(midisock_push(a, data, sizeof data));
        }
        start += (uint64_t)(frames * 1e9 / RATE);
        CHECK(check_now_ms() < until);
    }
    midisock_close(a);
    midisock_close(b);
}

static void start_read_by_the_library(void)
{
    midisock_config c = check_config();
    c.latency_ns = 0;
    midisock_port *a = NULL;
    midisock_port *b = NULL;
    CHECK_OK(midisock_pair(&c, &a, &b));
    uint32_t got = 0;
    uint64_t until = check_now_ms() + DEADLINE_MS;
    while (got < 100) {
        CHECK_OK(midisock_push(a, BYTES(0xf6)));
        uint64_t next = midisock_now_ns() + 1333333;
        begin(b, 0, 64, 0);
        midisock_message m;
        while (midisock_pop_block(b, &m) == MIDISOCK_OK) {
            CHECK(m.frame < 64);
            got++;
        }
        until_ns(next);
        CHECK(check_now_ms() < until);
    }
    midisock_close(a);
    midisock_close(b);
}

static void offline_is_all_at_frame_0(void)
{
    midisock_port *a = NULL;
    midisock_port *b = NULL;
    CHECK_OK(midisock_pair(NULL, &a, &b));
    for (int round = 0; round < 50; round++) {
        for (uint8_t i = 0; i < 10; i++)
            CHECK_OK(midisock_push(a, BYTES(0xf3, i)));
        begin(b, midisock_now_ns(), 256, MIDISOCK_BLOCK_FREEWHEEL);
        midisock_message m;
        for (uint8_t i = 0; i < 10; i++) {
            CHECK_OK(midisock_pop_block(b, &m));
            CHECK_INT(0, m.frame);
            CHECK_INT(i, m.data[1]);
        }
        CHECK_RESULT(MIDISOCK_EMPTY, midisock_pop_block(b, &m));
    }
    midisock_close(a);
    midisock_close(b);
}

static void strange_times_and_rates(void)
{
    /* Whatever a host says, nothing is lost for good and no frame is wrong. */
    midisock_config c = check_config();
    c.latency_ns = MIDISOCK_LATENCY_AUTO;
    midisock_port *a = NULL;
    midisock_port *b = NULL;
    CHECK_OK(midisock_pair(&c, &a, &b));
    const double rates[] = {1.0, 0.001, 8000.0, 192000.0, 10e6, 44100.0};
    const uint32_t frames[] = {0, 1, 64, 1u << 24};
    uint64_t now = midisock_now_ns();
    const uint64_t starts[] = {0, 1, now, now - 5000000000u, now + 5000000000u, UINT64_MAX};
    const uint32_t flags[] = {0, MIDISOCK_BLOCK_DISCONTINUITY, MIDISOCK_BLOCK_FREEWHEEL,
                              MIDISOCK_BLOCK_FREEWHEEL | MIDISOCK_BLOCK_DISCONTINUITY};
    uint32_t sent = 0;
    uint32_t got = 0;
    midisock_message m;
    for (int r = 0; r < 6; r++)
        for (int f = 0; f < 4; f++)
            for (int s = 0; s < 6; s++)
                for (int g = 0; g < 4; g++) {
                    uint8_t data[8];
                    check_numbered(data, sizeof data, sent++);
                    CHECK_OK(midisock_push(a, data, sizeof data));
                    midisock_block block = {sizeof block, flags[g], starts[s], rates[r], frames[f],
                                            0, 0};
                    midisock_result result = midisock_begin_block(b, &block);
                    CHECK(result == MIDISOCK_OK || result == MIDISOCK_ERR_INVALID_ARGUMENT);
                    while (midisock_pop_block(b, &m) == MIDISOCK_OK) {
                        CHECK(m.frame == 0 || m.frame < frames[f]);
                        CHECK_INT(got, check_number(m.data, m.size));
                        got++;
                    }
                }
    while (midisock_pop(b, &m) == MIDISOCK_OK) {
        CHECK_INT(got, check_number(m.data, m.size));
        got++;
    }
    CHECK_INT(sent, got);
    midisock_close(a);
    midisock_close(b);
}

static void pushing_by_frame(void)
{
    /* So far ahead that a thread which does not run for a while has pushed all
     * of them before the first is due. */
    enum { ROUNDS = 2, AHEAD = 96000, FRAMES = AHEAD + 2400 };
    midisock_port *server = check_listen(NULL);
    int fd = raw_connect(midisock_local_port(server));
    NOTIFIED(server, MIDISOCK_NOTIFY_CLIENT_JOINED);
    for (int round = 0; round < ROUNDS; round++) {
        uint64_t start = midisock_now_ns();
        begin(server, start, FRAMES, MIDISOCK_BLOCK_DISCONTINUITY);
        CHECK_OK(midisock_push_frame(server, FRAMES - 1, BYTES(0xf3, 3)));
        CHECK_OK(midisock_push_frame(server, AHEAD, BYTES(0xf3, 1)));
        CHECK_OK(midisock_push_frame(server, AHEAD, BYTES(0xf3, 2)));
        CHECK_OK(midisock_push_frame(server, 0, BYTES(0xf3, 0)));
        CHECK_INVALID(midisock_push_frame(server, FRAMES, BYTES(0xf3, 9)));
        RAW_EXPECT(fd, 0xf3, 0, 0xf3, 1, 0xf3, 2, 0xf3, 3);
        CHECK(midisock_now_ns() >= start + (uint64_t)(AHEAD * 1e9 / RATE) / 2);
    }
    begin(server, 0, 0, 0);
    CHECK_OK(midisock_push_frame(server, 0, BYTES(0xf6)));
    CHECK_INVALID(midisock_push_frame(server, 1, BYTES(0xf6)));
    RAW_EXPECT(fd, 0xf6);
    raw_close(fd);
    midisock_close(server);
}

static void popping_either_way(void)
{
    /* pop takes what pop_block left, whatever its time. */
    midisock_config c = check_config();
    c.latency_ns = 1000000000; /* far off */
    midisock_port *a = NULL;
    midisock_port *b = NULL;
    CHECK_OK(midisock_pair(&c, &a, &b));
    for (uint8_t i = 0; i < 10; i++)
        CHECK_OK(midisock_push(a, BYTES(0xf3, i)));
    begin(b, midisock_now_ns(), 64, 0);
    midisock_message m;
    CHECK_RESULT(MIDISOCK_EMPTY, midisock_pop_block(b, &m)); /* later ones stay */
    for (uint8_t i = 0; i < 10; i++)
        EXPECT(b, 0xf3, i);
    midisock_close(a);
    midisock_close(b);
}

static void a_closed_port_delivers_its_remaining_messages(void)
{
    midisock_config c = check_config();
    c.latency_ns = 0;
    midisock_port *a = NULL;
    midisock_port *b = NULL;
    CHECK_OK(midisock_pair(&c, &a, &b));
    CHECK_OK(midisock_push(a, BYTES(0xf6)));
    midisock_close(a);
    midisock_message m;
    midisock_result result;
    uint32_t got = 0;
    uint64_t until = check_now_ms() + DEADLINE_MS;
    do {
        uint64_t next = midisock_now_ns() + 1333333;
        begin(b, midisock_now_ns(), 64, 0);
        while ((result = midisock_pop_block(b, &m)) == MIDISOCK_OK)
            got++;
        until_ns(next);
        CHECK(check_now_ms() < until);
    } while (result != MIDISOCK_ERR_CLOSED);
    CHECK_INT(1, got);
    midisock_close(b);
}

static void invalid_blocks_are_refused(void)
{
    /* A header of a later version may know of more: what this library does not
     * know has to be zero. */
    enum { LARGER = 16, LARGEST = 4096 };
    static union {
        midisock_block block;
        uint8_t bytes[LARGEST];
    } larger;
    const midisock_block good = {sizeof good, 0, 0, RATE, 64, 0, 0};
    midisock_port *a = NULL;
    midisock_port *b = NULL;
    CHECK_OK(midisock_pair(NULL, &a, &b));
    for (size_t at = sizeof good; at < sizeof good + LARGER; at++) {
        memset(&larger, 0, sizeof larger);
        larger.block = good;
        larger.block.struct_size = sizeof good + LARGER;
        larger.bytes[at] = 1;
        CHECK_INVALID(midisock_begin_block(b, &larger.block));
    }
    for (int bit = 0; bit < 32; bit++) {
        midisock_block bad = good;
        bad.reserved = UINT32_C(1) << bit;
        CHECK_INVALID(midisock_begin_block(b, &bad));
    }
    const double rates[] = {0.0, 1e-300, 0.001, 0.999, -48000.0, 10000001.0,
                            (double)NAN, (double)INFINITY};
    for (size_t i = 0; i < sizeof rates / sizeof rates[0]; i++) {
        midisock_block bad = good;
        bad.sample_rate = rates[i];
        CHECK_INVALID(midisock_begin_block(b, &bad));
    }
    /* None of these began a block, and these do. */
    CHECK_INVALID(midisock_push_frame(b, 0, BYTES(0xf6)));
    const uint32_t sizes[] = {sizeof good + 1, sizeof good + LARGER, LARGEST};
    for (int i = 0; i < 3; i++) {
        memset(&larger, 0, sizeof larger);
        larger.block = good;
        larger.block.struct_size = sizes[i];
        if (sizes[i] < LARGEST)
            larger.bytes[sizes[i]] = 1; /* not of the struct any more */
        CHECK_OK(midisock_begin_block(b, &larger.block));
    }
    const double limits[] = {1.0, 10e6};
    for (int i = 0; i < 2; i++) {
        midisock_block block = good;
        block.sample_rate = limits[i];
        CHECK_OK(midisock_begin_block(b, &block));
    }
    midisock_close(a);
    midisock_close(b);
}

int main(int argc, char **argv)
{
    static const check_case cases[] = {
        CASE(as_soon_as_possible),
        CASE(spacing_is_kept),
        CASE(with_a_fixed_delay),
        CASE(one_period_cut_into_many),
        CASE(start_read_by_the_library),
        CASE(offline_is_all_at_frame_0),
        CASE(strange_times_and_rates),
        CASE(pushing_by_frame),
        CASE(popping_either_way),
        CASE(a_closed_port_delivers_its_remaining_messages),
        CASE(invalid_blocks_are_refused),
    };
    return check_main(argc, argv, CASES(cases));
}
