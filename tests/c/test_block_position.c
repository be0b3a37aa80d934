/* Audio blocks of hosts that count frames, or know the device's own times. */
#include "check.h"

#include <string.h>

#define RATE 48000.0
#define FRAMES 480
#define PERIOD_NS UINT64_C(10000000)
#define START_NS UINT64_C(1000000000)

typedef struct ends {
    midisock_port *a, *b;
} ends;

/* A pair keeps the time that a message was pushed with, so that nothing here depends on a clock. */
static ends make_pair(void)
{
    ends e = {NULL, NULL};
    CHECK_OK(midisock_pair(NULL, &e.a, &e.b));
    return e;
}

static void close_pair(ends e)
{
    midisock_close(e.a);
    midisock_close(e.b);
}

static midisock_block block_at(uint64_t start_ns, int64_t position)
{
    midisock_block block = MIDISOCK_BLOCK_INIT;
    block.flags = MIDISOCK_BLOCK_HAS_POSITION;
    block.start_ns = start_ns;
    block.sample_rate = RATE;
    block.frames = FRAMES;
    block.position = position;
    return block;
}

static void arrive(ends e, uint64_t time_ns)
{
    midisock_message message;
    memset(&message, 0, sizeof message);
    message.time_ns = time_ns;
    message.data = (const uint8_t *)"\xf6";
    message.size = 1;
    CHECK_OK(midisock_push_message(e.a, &message));
}

/* A message that came half a period before this block is due is in the middle of it, give or take a frame. */
static void check_line(ends e, const midisock_block *block, uint64_t due_ns)
{
    midisock_message message;
    arrive(e, due_ns - PERIOD_NS / 2);
    CHECK_OK(midisock_begin_block(e.b, block));
    CHECK_OK(midisock_pop_block(e.b, &message));
    CHECK(message.frame >= FRAMES / 2 - 1 && message.frame <= FRAMES / 2 + 1);
    CHECK_RESULT(MIDISOCK_EMPTY, midisock_pop_block(e.b, &message));
}

static void periods(ends e, uint64_t *due_ns, int64_t *position, int count)
{
    for (int i = 0; i < count; i++) {
        midisock_block block = block_at(*due_ns, *position);
        check_line(e, &block, *due_ns);
        *due_ns += PERIOD_NS;
        *position += FRAMES;
    }
}

static void a_dropout_is_known(void)
{
    /* Less than a period: without the counter that is a late callback at first. */
    static const int lost[] = {100, 240, 432, 480, 960, 4800};
    for (size_t i = 0; i < sizeof lost / sizeof lost[0]; i++) {
        ends e = make_pair();
        uint64_t due_ns = START_NS;
        int64_t position = INT64_C(1) << 40;
        periods(e, &due_ns, &position, 100);
        due_ns += (uint64_t)lost[i] * PERIOD_NS / FRAMES;
        position += lost[i];
        /* And this callback is late, by a third of a period. */
        midisock_block block = block_at(due_ns + PERIOD_NS / 3, position);
        midisock_message message;
        arrive(e, due_ns - PERIOD_NS / 2);
        CHECK_OK(midisock_begin_block(e.b, &block));
        CHECK_OK(midisock_pop_block(e.b, &message));
        CHECK(message.frame >= FRAMES / 2 - 8 && message.frame <= FRAMES / 2 + 8);
        due_ns += PERIOD_NS;
        position += FRAMES;
        for (int later = 0; later < 3; later++) {
            block = block_at(due_ns, position);
            arrive(e, due_ns - PERIOD_NS / 2);
            CHECK_OK(midisock_begin_block(e.b, &block));
            CHECK_OK(midisock_pop_block(e.b, &message));
            CHECK(message.frame >= FRAMES / 2 - 8 && message.frame <= FRAMES / 2 + 8);
            due_ns += PERIOD_NS;
            position += FRAMES;
        }
        close_pair(e);
    }
}

static void a_stop_is_known(void)
{
    ends e = make_pair();
    uint64_t due_ns = START_NS;
    int64_t position = 0;
    for (int i = 0; i < 5; i++) {
        periods(e, &due_ns, &position, 50);
        due_ns += PERIOD_NS * 7 / 2 + 12345; /* nothing was played */
    }
    close_pair(e);
}

static void slices_with_one_count_are_one_period(void)
{
    ends e = make_pair();
    midisock_message message;
    for (uint32_t period = 0; period < 50; period++) {
        uint64_t due_ns = START_NS + period * PERIOD_NS;
        /* One message for the middle of each of four slices, which take most of the period to render. */
        for (uint32_t slice = 0; slice < 4; slice++)
            arrive(e, due_ns - PERIOD_NS + PERIOD_NS / 8 + slice * PERIOD_NS / 4);
        for (uint32_t slice = 0; slice < 4; slice++) {
            midisock_block block = block_at(due_ns + slice * PERIOD_NS / 5, (int64_t)period * FRAMES);
            block.frames = FRAMES / 4;
            CHECK_OK(midisock_begin_block(e.b, &block));
            if (period > 4) {
                CHECK_OK(midisock_pop_block(e.b, &message));
                CHECK(message.frame >= FRAMES / 8 - 1 && message.frame <= FRAMES / 8 + 1);
                CHECK_RESULT(MIDISOCK_EMPTY, midisock_pop_block(e.b, &message));
            } else {
                while (midisock_pop_block(e.b, &message) == MIDISOCK_OK)
                    continue;
            }
        }
    }
    close_pair(e);
}

static void a_counter_that_goes_back_is_a_discontinuity(void)
{
    ends e = make_pair();
    uint64_t due_ns = START_NS;
    int64_t position = INT64_MAX - 100 * FRAMES;
    periods(e, &due_ns, &position, 50);
    due_ns += PERIOD_NS * 3 / 4; /* would be a late callback */
    position = 0;
    periods(e, &due_ns, &position, 50);
    close_pair(e);
}

static void counters_of_any_size(void)
{
    static const int64_t positions[] = {0, INT64_MAX, 1, INT64_MAX, INT64_MAX, INT64_MAX - 1, 0, 0, INT64_C(1) << 32};
    ends e = make_pair();
    uint64_t due_ns = START_NS;
    uint32_t got = 0;
    for (int i = 0; i < 300; i++) {
        midisock_block block = block_at(due_ns, positions[i % 9]);
        midisock_message message;
        block.frames = i % 7 == 0 ? 1u << 24 : i % 5 == 0 ? 0 : FRAMES;
        block.flags |= i % 11 == 0 ? (uint32_t)MIDISOCK_BLOCK_DEVICE_TIME : 0;
        block.flags |= i % 13 == 0 ? (uint32_t)MIDISOCK_BLOCK_FREEWHEEL : 0;
        arrive(e, due_ns - PERIOD_NS);
        CHECK_OK(midisock_begin_block(e.b, &block));
        while (midisock_pop_block(e.b, &message) == MIDISOCK_OK) {
            CHECK(message.frame < block.frames);
            got++;
        }
        due_ns += PERIOD_NS;
    }
    int64_t position = 0;
    midisock_message message;
    for (int i = 0; i < 400 && (got < 300 || i < 10); i++) {
        midisock_block block = block_at(due_ns, position);
        if (i == 0)
            block.flags |= MIDISOCK_BLOCK_DISCONTINUITY; /* the delay is for shorter blocks again */
        CHECK_OK(midisock_begin_block(e.b, &block));
        while (midisock_pop_block(e.b, &message) == MIDISOCK_OK)
            got++;
        due_ns += PERIOD_NS;
        position += FRAMES;
    }
    CHECK_INT(300, got);
    periods(e, &due_ns, &position, 50);
    close_pair(e);
}

static void the_devices_time_is_taken_as_it_is(void)
{
    /* Uneven, as no device is: nothing is smoothed, and each block is at its own time. */
    ends e = make_pair();
    uint32_t random = 5;
    uint64_t start_ns = START_NS;
    for (int i = 0; i < 200; i++) {
        midisock_block block = block_at(start_ns, 0);
        block.flags = MIDISOCK_BLOCK_DEVICE_TIME;
        check_line(e, &block, start_ns);
        CHECK_OK(midisock_push_frame(e.b, 0, BYTES(0xf6)));
        CHECK_OK(midisock_push_frame(e.b, FRAMES / 2, BYTES(0xf6)));
        CHECK(POP(e.a).time_ns == start_ns);
        CHECK(POP(e.a).time_ns == start_ns + PERIOD_NS / 2);
        start_ns += PERIOD_NS + check_random(&random) % 3000000;
    }
    close_pair(e);
}

static void times_of_the_device_that_go_back_send_in_order(void)
{
    ends e = make_pair();
    uint32_t random = 7;
    uint64_t last_ns = 0;
    for (int i = 0; i < 500; i++) {
        /* Some of them nonsense, which holds up nothing. */
        uint64_t start_ns = START_NS + (uint64_t)(check_random(&random) % 1000) * UINT64_C(3000000);
        midisock_block block = block_at(start_ns, 0);
        block.flags = MIDISOCK_BLOCK_DEVICE_TIME;
        CHECK_OK(midisock_begin_block(e.b, &block));
        CHECK_OK(midisock_push_frame(e.b, FRAMES - 1, BYTES(0xf6)));
        midisock_message message = POP(e.a);
        CHECK(message.time_ns >= last_ns && message.time_ns >= start_ns);
        last_ns = message.time_ns;
    }
    midisock_block block = block_at(UINT64_MAX, 0);
    block.flags = MIDISOCK_BLOCK_DEVICE_TIME;
    CHECK_OK(midisock_begin_block(e.b, &block));
    midisock_push_frame(e.b, 0, BYTES(0xf6)); /* whatever it says */
    block.start_ns = midisock_now_ns();
    CHECK_OK(midisock_begin_block(e.b, &block));
    CHECK_OK(midisock_push_frame(e.b, 0, BYTES(0xf8)));
    close_pair(e);
}

static void errors(void)
{
    ends e = make_pair();
    const midisock_block good = block_at(START_NS, 0);
    const int64_t negative[] = {-1, -1000, INT64_MIN, INT64_MIN + 1};
    for (size_t i = 0; i < sizeof negative / sizeof negative[0]; i++) {
        midisock_block bad = good;
        bad.position = negative[i];
        CHECK_INVALID(midisock_begin_block(e.b, &bad));
        bad.flags |= MIDISOCK_BLOCK_FREEWHEEL;
        CHECK_INVALID(midisock_begin_block(e.b, &bad));
    }
    /* A struct that ends before the position, or in it, has none. */
    for (uint32_t size = 0; size < sizeof good; size++) {
        midisock_block bad = good;
        bad.struct_size = size;
        CHECK_INVALID(midisock_begin_block(e.b, &bad));
    }
    midisock_block bad = good;
    bad.flags = MIDISOCK_BLOCK_DEVICE_TIME;
    bad.start_ns = 0;
    CHECK_INVALID(midisock_begin_block(e.b, &bad));
    bad.flags = MIDISOCK_BLOCK_DEVICE_TIME | MIDISOCK_BLOCK_HAS_POSITION | MIDISOCK_BLOCK_FREEWHEEL;
    CHECK_INVALID(midisock_begin_block(e.b, &bad));
    for (uint32_t flag = 16; flag != 0; flag <<= 1) {
        bad = good;
        bad.flags |= flag;
        CHECK_INVALID(midisock_begin_block(e.b, &bad));
    }
    bad = good;
    bad.reserved = 1;
    CHECK_INVALID(midisock_begin_block(e.b, &bad));
    CHECK_INVALID(midisock_begin_block(NULL, &good));
    CHECK_INVALID(midisock_begin_block(e.b, NULL));
    /* None of these began a block. */
    CHECK_INVALID(midisock_push_frame(e.b, 0, BYTES(0xf6)));

    /* Without its flag the field has no meaning. */
    midisock_block none = good;
    none.flags = 0;
    none.position = INT64_MIN;
    CHECK_OK(midisock_begin_block(e.b, &none));
    /* The block of version 0.1, and what lies after it. */
    for (uint32_t size = 32; size < sizeof good; size++) {
        none.struct_size = size;
        CHECK_OK(midisock_begin_block(e.b, &none));
        none.flags = MIDISOCK_BLOCK_DEVICE_TIME;
        CHECK_OK(midisock_begin_block(e.b, &none));
        none.flags = 0;
    }
    const uint32_t all = MIDISOCK_BLOCK_FREEWHEEL | MIDISOCK_BLOCK_DISCONTINUITY | MIDISOCK_BLOCK_HAS_POSITION |
                         MIDISOCK_BLOCK_DEVICE_TIME;
    for (uint32_t flags = 0; flags <= all; flags++) {
        midisock_block every = good;
        every.flags = flags;
        CHECK_OK(midisock_begin_block(e.b, &every));
    }
    CHECK_INT(15, all);
    close_pair(e);
}

static const midisock_block constant = MIDISOCK_BLOCK_INIT;

static void the_initializer_says_nothing(void)
{
    midisock_block zero;
    memset(&zero, 0, sizeof zero);
    zero.struct_size = sizeof zero;
    CHECK_MEMORY(&zero, sizeof zero, &constant, sizeof constant);
    ends e = make_pair();
    CHECK_INVALID(midisock_begin_block(e.b, &constant)); /* no sample rate yet */
    midisock_block block = MIDISOCK_BLOCK_INIT;
    block.sample_rate = RATE;
    CHECK_OK(midisock_begin_block(e.b, &block));
    close_pair(e);
}

int main(int argc, char **argv)
{
    static const check_case cases[] = {
        CASE(a_dropout_is_known),
        CASE(a_stop_is_known),
        CASE(slices_with_one_count_are_one_period),
        CASE(a_counter_that_goes_back_is_a_discontinuity),
        CASE(counters_of_any_size),
        CASE(the_devices_time_is_taken_as_it_is),
        CASE(times_of_the_device_that_go_back_send_in_order),
        CASE(errors),
        CASE(the_initializer_says_nothing),
    };
    return check_main(argc, argv, CASES(cases));
}
