/* Two ports joined in memory. */
#include "check.h"

#include <string.h>

typedef struct pair {
    midisock_port *a;
    midisock_port *b;
} pair;

static pair make_pair(const midisock_config *config)
{
    midisock_config plain = check_config();
    pair p = {NULL, NULL};
    CHECK_OK(midisock_pair(config ? config : &plain, &p.a, &p.b));
    CHECK(p.a != NULL && p.b != NULL && p.a != p.b);
    return p;
}

static void end_pair(pair p)
{
    midisock_close(p.a);
    midisock_close(p.b);
}

static void at_once_in_both_directions(void)
{
    unsigned threads = check_threads();
    unsigned descriptors = check_descriptors();
    pair p = make_pair(NULL);
    CHECK_INT(threads, check_threads());
    CHECK_INT(descriptors, check_descriptors());
    CHECK_INT(MIDISOCK_STATE_CONNECTED, midisock_state(p.a));
    CHECK_INT(MIDISOCK_STATE_CONNECTED, midisock_state(p.b));
    midisock_message m;
    for (uint32_t i = 0; i < 5000; i++) {
        const uint8_t data[] = {0xe0, (uint8_t)(i & 0x7f), (uint8_t)(i >> 7 & 0x7f)};
        CHECK_OK(midisock_push(p.a, data, 3));
        CHECK_OK(midisock_pop(p.b, &m)); /* no waiting */
        CHECK_MEMORY(data, 3, m.data, m.size);
        CHECK_OK(midisock_push(p.b, data, 3));
        CHECK_OK(midisock_pop(p.a, &m));
        CHECK_MEMORY(data, 3, m.data, m.size);
        CHECK_RESULT(MIDISOCK_EMPTY, midisock_pop(p.a, &m));
        CHECK_RESULT(MIDISOCK_EMPTY, midisock_pop(p.b, &m));
    }
    end_pair(p);
}

static void times_pass_through(void)
{
    pair p = make_pair(NULL);
    uint64_t now = midisock_now_ns();
    const uint64_t times[] = {1, now - 1000000, now, now + 1000000, now + UINT64_C(5000000000)};
    for (int i = 0; i < 5; i++) {
        midisock_message m = {times[i], (const uint8_t *)"\xf6", 1, 0, 0, 0, {0, 0}};
        CHECK_OK(midisock_push_message(p.a, &m));
        midisock_message got;
        CHECK_OK(midisock_pop(p.b, &got)); /* one that is ahead as well */
        CHECK(got.time_ns == times[i]);
        CHECK_INT(0, got.client);
        CHECK_INT(0, got.flags);
    }
    /* 0 is stamped. */
    uint64_t before = midisock_now_ns();
    CHECK_OK(midisock_push(p.a, BYTES(0xf6)));
    midisock_message m = {0, (const uint8_t *)"\xf8", 1, 0, 0, 0, {0, 0}};
    CHECK_OK(midisock_push_message(p.a, &m));
    uint64_t after = midisock_now_ns();
    for (int i = 0; i < 2; i++) {
        midisock_message got;
        CHECK_OK(midisock_pop(p.b, &got));
        CHECK(got.time_ns >= before && got.time_ns <= after);
    }
    end_pair(p);
}

static void messages_keep_the_order_of_pushes(void)
{
    pair p = make_pair(NULL);
    uint64_t now = midisock_now_ns();
    for (uint8_t i = 0; i < 50; i++) {
        const uint8_t data[] = {0xf3, i};
        midisock_message m = {now + (50u - i) * UINT64_C(1000000), data, 2, 0, 0, 0, {0, 0}};
        CHECK_OK(midisock_push_message(p.a, &m));
    }
    for (uint8_t i = 0; i < 50; i++)
        EXPECT(p.b, 0xf3, i);
    end_pair(p);
}

static void closing_one_ends_the_other(void)
{
    for (int which = 0; which < 2; which++) {
        pair p = make_pair(NULL);
        midisock_port *gone = which ? p.a : p.b;
        midisock_port *left = which ? p.b : p.a;
        CHECK_OK(midisock_push(gone, BYTES(0xf6)));
        CHECK_OK(midisock_push(left, BYTES(0xf6))); /* nobody will pop it */
        midisock_close(gone);
        CHECK_INT(MIDISOCK_STATE_CLOSED, midisock_state(left));
        EXPECT(left, 0xf6); /* what was pushed before is given */
        midisock_message m;
        CHECK_SOON(midisock_pop(left, &m) == MIDISOCK_ERR_CLOSED);
        CHECK_RESULT(MIDISOCK_ERR_CLOSED, midisock_push(left, BYTES(0xf6)));
        CHECK_RESULT(MIDISOCK_ERR_CLOSED, midisock_wait(left, MIDISOCK_WAIT_MESSAGE, -1));
        CHECK_RESULT(MIDISOCK_ERR_CLOSED, midisock_wait_connected(left, -1));
        midisock_close(left);
    }
}

static void counts(void)
{
    pair p = make_pair(NULL);
    for (int i = 0; i < 10; i++)
        CHECK_OK(midisock_push(p.a, BYTES(0xf2, 1, 2)));
    CHECK_OK(midisock_push(p.b, BYTES(0xf6)));
    for (int i = 0; i < 10; i++)
        EXPECT(p.b, 0xf2, 1, 2);
    EXPECT(p.a, 0xf6);
    midisock_stats a = check_stats(p.a);
    midisock_stats b = check_stats(p.b);
    CHECK_INT(10, a.messages_out);
    CHECK_INT(30, a.bytes_out);
    CHECK_INT(1, a.messages_in);
    CHECK_INT(1, a.bytes_in);
    CHECK_INT(10, b.messages_in);
    CHECK_INT(30, b.bytes_in);
    CHECK_INT(1, b.messages_out);
    CHECK_INT(0, a.dropped_out + a.dropped_in + b.dropped_out + b.dropped_in);
    end_pair(p);
}

enum { STREAM = 1000000 };

static unsigned streamed(void)
{
    return check_sanitized() ? STREAM / 4 : STREAM;
}

static void *push_stream(void *argument)
{
    uint32_t random = 5;
    uint8_t data[300];
    unsigned count = streamed();
    for (uint32_t i = 0; i < count; i++) {
        size_t size = 8 + (check_random(&random) % 64 == 0 ? check_random(&random) % 292 : 0);
        check_numbered(data, size, i);
        midisock_result result;
        while ((result = midisock_push(argument, data, size)) == MIDISOCK_ERR_FULL)
            if (midisock_wait(argument, MIDISOCK_WAIT_ROOM, DEADLINE_MS) != MIDISOCK_OK)
                check_fail(__FILE__, __LINE__, "no room came");
        CHECK_OK(result);
    }
    return NULL;
}

static void *pop_stream(void *argument)
{
    unsigned count = streamed();
    for (uint32_t i = 0; i < count; i++) {
        midisock_message m = POP(argument);
        if (check_number(m.data, m.size) != i)
            check_fail(__FILE__, __LINE__, "message %u is %u", (unsigned)i,
                       (unsigned)check_number(m.data, m.size));
    }
    return NULL;
}

static void from_thread_to_thread_both_ways(void)
{
    midisock_config c = check_config();
    c.in_queue_bytes = 4096;
    c.out_queue_bytes = 4096;
    c.overflow = MIDISOCK_OVERFLOW_WAIT;
    pair p = make_pair(&c);
    pthread_t threads[4];
    check_start(&threads[0], push_stream, p.a);
    check_start(&threads[1], push_stream, p.b);
    check_start(&threads[2], pop_stream, p.a);
    check_start(&threads[3], pop_stream, p.b);
    for (int i = 0; i < 4; i++)
        check_join(threads[i]);
    end_pair(p);
}

static void skipping(void)
{
    pair p = make_pair(NULL);
    for (uint8_t i = 0; i < 20; i++)
        CHECK_OK(midisock_push(p.a, BYTES(0xf3, i)));
    EXPECT(p.b, 0xf3, 0);
    CHECK_OK(midisock_skip(p.b));
    CHECK_OK(midisock_push(p.a, BYTES(0xf6)));
    /* What was skipped comes to the last song selected. */
    CHECK_INT(MIDISOCK_FLAG_SYNTHETIC, EXPECT(p.b, 0xf3, 19).flags);
    CHECK_INT(0, EXPECT(p.b, 0xf6).flags);
    midisock_message m;
    CHECK_RESULT(MIDISOCK_EMPTY, midisock_pop(p.b, &m));
    end_pair(p);
}

static void panic_and_reset(void)
{
    pair p = make_pair(NULL);
    CHECK_OK(midisock_panic(p.a));
    for (uint8_t i = 0; i < 16; i++)
        EXPECT(p.b, (uint8_t)(0xb0 | i), 120, 0);
    CHECK_OK(midisock_reset(p.a));
    for (uint8_t i = 0; i < 16; i++) {
        EXPECT(p.b, (uint8_t)(0xb0 | i), 123, 0);
        EXPECT(p.b, (uint8_t)(0xb0 | i), 121, 0);
    }
    midisock_message m;
    CHECK_RESULT(MIDISOCK_EMPTY, midisock_pop(p.b, &m));
    end_pair(p);
}

static void expect_reset(midisock_port *port)
{
    for (uint8_t i = 0; i < 16; i++) {
        EXPECT(port, (uint8_t)(0xb0 | i), 123, 0);
        EXPECT(port, (uint8_t)(0xb0 | i), 121, 0);
    }
}

static void each_reset_has_its_place(void)
{
    pair p = make_pair(NULL);
    CHECK_OK(midisock_reset(p.a));
    CHECK_OK(midisock_push(p.a, BYTES(0x90, 60, 64)));
    CHECK_OK(midisock_reset(p.a));
    CHECK_OK(midisock_push(p.a, BYTES(0x90, 61, 64)));
    expect_reset(p.b);
    EXPECT(p.b, 0x90, 60, 64);
    expect_reset(p.b);
    EXPECT(p.b, 0x90, 61, 64);
    midisock_message m;
    CHECK_RESULT(MIDISOCK_EMPTY, midisock_pop(p.b, &m));
    end_pair(p);
}

int main(int argc, char **argv)
{
    static const check_case cases[] = {
        CASE(at_once_in_both_directions), CASE(times_pass_through),
        CASE(messages_keep_the_order_of_pushes),   CASE(closing_one_ends_the_other),
        CASE(counts),                     CASE(from_thread_to_thread_both_ways),
        CASE(skipping),                   CASE(panic_and_reset),
        CASE(each_reset_has_its_place),
    };
    return check_main(argc, argv, CASES(cases));
}
