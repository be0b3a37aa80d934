/* Pairs with senders' times: a message carries the time of its push, and is placed by it to the frame. */
#include "check.h"

#include <string.h>

#define RATE 48000.0
#define FRAMES 480
#define MS UINT64_C(1000000)
#define BLOCK_NS (10 * MS)
#define START_NS UINT64_C(1000000000)
#define LATENCY_NS (20 * MS)

typedef struct ends {
    midisock_port *a, *b;
} ends;

static ends make_pair(uint32_t timing, uint64_t latency_ns)
{
    ends e = {NULL, NULL};
    midisock_config c = check_config();
    c.timing = timing;
    c.latency_ns = latency_ns;
    c.release_on_close = 1;
    CHECK_OK(midisock_pair(&c, &e.a, &e.b));
    return e;
}

static void close_pair(ends e)
{
    midisock_close(e.a);
    midisock_close(e.b);
}

/* Nothing here depends on a clock: the test says when blocks begin, and when messages were meant. */
static void begin(midisock_port *port, uint64_t number)
{
    midisock_block block = MIDISOCK_BLOCK_INIT;
    block.start_ns = START_NS + number * BLOCK_NS;
    block.sample_rate = RATE;
    block.frames = FRAMES;
    CHECK_OK(midisock_begin_block(port, &block));
}

static void push_at(midisock_port *port, uint64_t time_ns, const void *data, uint32_t size)
{
    midisock_message m;
    memset(&m, 0, sizeof m);
    m.time_ns = time_ns;
    m.data = data;
    m.size = size;
    CHECK_OK(midisock_push_message(port, &m));
}

/* A note that belongs at a frame, counted from the beginning of block 0. */
static void push_for(midisock_port *port, uint64_t frame)
{
    push_at(port, START_NS - LATENCY_NS + (frame * 1000000000 + 47999) / 48000, "\x90\x3c\x01", 3);
}

static midisock_message expect(midisock_port *port, uint32_t frame, uint32_t flags)
{
    midisock_message m;
    CHECK_OK(midisock_pop_block(port, &m));
    CHECK_INT(frame, m.frame);
    CHECK_INT(flags, m.flags);
    return m;
}

static void expect_none(midisock_port *port)
{
    midisock_message m;
    CHECK_RESULT(MIDISOCK_EMPTY, midisock_pop_block(port, &m));
}

static void each_message_is_at_its_frame(void)
{
    ends e = make_pair(MIDISOCK_TIMING_SENDER, LATENCY_NS);
    uint64_t frame = 0;
    uint64_t pushed = 0;
    for (uint64_t number = 0; number < 300; number++) {
        /* Two blocks early, at uneven distances. */
        while (pushed < (number + 2) * FRAMES) {
            push_for(e.a, pushed);
            pushed += 1 + pushed * 7 % 211;
        }
        begin(e.b, number);
        while (frame < (number + 1) * FRAMES) {
            expect(e.b, (uint32_t)(frame % FRAMES), MIDISOCK_FLAG_TIMED);
            frame += 1 + frame * 7 % 211;
        }
        expect_none(e.b);
    }
    midisock_stats stats = check_stats(e.b);
    CHECK(stats.timed_in > 100);
    CHECK_INT(0, stats.late_in);
    CHECK_INT(0, check_stats(e.a).timed_in);
    close_pair(e);
}

static void every_way_to_pop_gives_the_time(void)
{
    ends e = make_pair(MIDISOCK_TIMING_SENDER, LATENCY_NS);
    midisock_message m;
    static const struct {
        const char *data;
        uint32_t size;
    } messages[] = {{"\x90\x3c\x01", 3}, {"\xc0\x05", 2}, {"\xf8", 1}, {"\xf0\x01\x02\x03\xf7", 5}, {"\x80\x3c\x00", 3}};
    for (uint32_t i = 0; i < 5; i++) {
        push_at(e.a, START_NS + i, messages[i].data, messages[i].size);
        CHECK_OK(midisock_pop(e.b, &m));
        CHECK_INT(START_NS + i, m.time_ns);
        CHECK_INT(MIDISOCK_FLAG_TIMED, m.flags);
        CHECK_MEMORY(messages[i].data, messages[i].size, m.data, m.size);
    }
    /* Without a time it is that of the push. */
    uint64_t before = midisock_now_ns();
    CHECK_OK(midisock_push(e.a, (const uint8_t *)"\xb0\x07\x01", 3));
    uint64_t after = midisock_now_ns();
    CHECK_OK(midisock_pop(e.b, &m));
    CHECK_INT(MIDISOCK_FLAG_TIMED, m.flags);
    CHECK(before <= m.time_ns && m.time_ns <= after);
    CHECK_INT(6, check_stats(e.b).timed_in);
    CHECK_INT(0, check_stats(e.b).late_in);
    close_pair(e);
}

static void what_is_too_late_is_at_the_beginning_and_counted(void)
{
    ends e = make_pair(MIDISOCK_TIMING_SENDER, LATENCY_NS);
    push_for(e.a, 100);
    push_for(e.a, FRAMES - 2);
    /* One frame before the block is not late. */
    push_for(e.a, FRAMES - 1);
    push_for(e.a, FRAMES + 50);
    /* It only waits for the one before it. */
    push_for(e.a, FRAMES + 20);
    push_for(e.a, 2 * FRAMES + 7);
    begin(e.b, 1);
    expect(e.b, 0, MIDISOCK_FLAG_TIMED);
    expect(e.b, 0, MIDISOCK_FLAG_TIMED);
    expect(e.b, 0, MIDISOCK_FLAG_TIMED);
    expect(e.b, 50, MIDISOCK_FLAG_TIMED);
    expect(e.b, 50, MIDISOCK_FLAG_TIMED);
    expect_none(e.b);
    CHECK_INT(2, check_stats(e.b).late_in);
    begin(e.b, 2);
    expect(e.b, 7, MIDISOCK_FLAG_TIMED);
    CHECK_INT(2, check_stats(e.b).late_in);
    CHECK_INT(6, check_stats(e.b).timed_in);
    close_pair(e);
}

static void with_latency_0_times_do_not_place(void)
{
    ends e = make_pair(MIDISOCK_TIMING_SENDER, 0);
    push_for(e.a, 100000);
    push_for(e.a, 0);
    begin(e.b, 5);
    expect(e.b, 0, MIDISOCK_FLAG_TIMED);
    expect(e.b, 0, MIDISOCK_FLAG_TIMED);
    CHECK_INT(0, check_stats(e.b).late_in);
    CHECK_INT(2, check_stats(e.b).timed_in);
    close_pair(e);
}

static void what_the_library_makes_has_no_time(void)
{
    ends e = make_pair(MIDISOCK_TIMING_SENDER, LATENCY_NS);
    push_for(e.a, 10);
    begin(e.b, 0);
    expect(e.b, 10, MIDISOCK_FLAG_TIMED);
    CHECK_OK(midisock_panic(e.a));
    for (int channel = 0; channel < 16; channel++)
        expect(e.b, 10, 0);
    push_for(e.a, 20);
    expect(e.b, 20, MIDISOCK_FLAG_TIMED);
    midisock_shutdown(e.a);
    expect(e.b, 20, MIDISOCK_FLAG_SYNTHETIC);
    CHECK_INT(2, check_stats(e.b).timed_in);
    close_pair(e);
}

static void the_default_is_arrival(void)
{
    CHECK_INT(MIDISOCK_TIMING_ARRIVAL, check_config().timing);
    ends e = make_pair(MIDISOCK_TIMING_ARRIVAL, LATENCY_NS);
    push_for(e.a, 100);
    push_for(e.a, FRAMES + 30);
    begin(e.b, 1);
    expect(e.b, 0, 0);
    expect(e.b, 30, 0);
    CHECK_INT(0, check_stats(e.b).timed_in);
    CHECK_INT(0, check_stats(e.b).late_in);
    CHECK_INT(0, check_stats(e.b).transit_ns);
    CHECK_INT(0, check_stats(e.b).clock_error_ns);
    close_pair(e);
}

int main(int argc, char **argv)
{
    static const check_case cases[] = {
        CASE(each_message_is_at_its_frame),
        CASE(every_way_to_pop_gives_the_time),
        CASE(what_is_too_late_is_at_the_beginning_and_counted),
        CASE(with_latency_0_times_do_not_place),
        CASE(what_the_library_makes_has_no_time),
        CASE(the_default_is_arrival),
    };
    return check_main(argc, argv, CASES(cases));
}
