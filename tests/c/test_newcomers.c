/* Newcomers that are silent, and what they are told of: nothing is lost by the wait, and it is short on loopback. */
#include "check.h"
#include "raw.h"

static void pushed_before_it_spoke(void)
{
    /* Counted at once, and given all that was pushed from then on, in order. */
    for (uint32_t overflow = MIDISOCK_OVERFLOW_WAIT; overflow <= MIDISOCK_OVERFLOW_REPAIR; overflow++)
        for (int speaks = 0; speaks < 2; speaks++) {
            midisock_config c = check_config();
            c.overflow = overflow;
            midisock_port *server = check_listen(&c);
            int fd = raw_connect(midisock_local_port(server));
            CHECK_SOON(midisock_client_count(server) == 1);
            for (uint8_t i = 0; i < 100; i++)
                CHECK_OK(midisock_push(server, BYTES(0xb0, i, 1)));
            if (speaks)
                RAW_SEND(fd, 0xf8);
            for (uint8_t i = 0; i < 100; i++)
                RAW_EXPECT(fd, 0xb0, i, 1);
            NOTIFIED(server, MIDISOCK_NOTIFY_CLIENT_JOINED);
            CHECK_COUNT(server, messages_out, 100);
            CHECK_INT(0, check_stats(server).dropped_out);
            raw_close(fd);
            midisock_close(server);
        }
}

/* The best of some tries, so that a busy machine does not matter. */
static void a_silent_one_on_loopback_waits_less_than_fifty_ms(void)
{
    double best = 1e9;
    midisock_config c = check_config();
    c.wake = MIDISOCK_WAKE_SIGNAL;
    for (int i = 0; i < 20; i++) {
        midisock_port *server = check_listen(&c);
        uint64_t began = midisock_now_ns();
        int fd = raw_connect(midisock_local_port(server));
        while (midisock_client_count(server) == 0)
            ;
        CHECK_OK(midisock_push(server, BYTES(0xf6)));
        RAW_EXPECT(fd, 0xf6);
        double took = (double)(midisock_now_ns() - began) * 1e-6;
        if (took < best)
            best = took;
        raw_close(fd);
        midisock_close(server);
    }
    if (best >= 45)
        check_fail(__FILE__, __LINE__, "never sooner than after %.1f ms", best);
}

/* A waiting server tells newcomers of what was pushed while nobody was there. */
static void greeted_with_what_was_pushed_to_nobody(void)
{
    for (uint32_t overflow = MIDISOCK_OVERFLOW_WAIT; overflow <= MIDISOCK_OVERFLOW_REPAIR; overflow++) {
        midisock_config c = check_config();
        c.overflow = overflow;
        c.greet = 1;
        midisock_port *server = check_listen(&c);
        unsigned offline = 0;
        for (uint8_t round = 0; round < 3; round++) {
            int fd = raw_connect(midisock_local_port(server));
            RAW_SEND(fd, 0xf8);
            EXPECT(server, 0xf8);
            if (round != 0) {
                uint8_t b[5]; /* in any order */
                raw_read(fd, b, sizeof b);
                const uint8_t *volume = b + (b[0] == 0xc1 ? 2 : 0), *program = b + (b[0] == 0xc1 ? 0 : 3);
                CHECK_MEMORY(((const uint8_t[]){0xb0, 7, (uint8_t)(100 + round - 1)}), 3, volume, 3);
                CHECK_MEMORY(((const uint8_t[]){0xc1, (uint8_t)(round - 1)}), 2, program, 2);
            }
            CHECK_OK(midisock_push(server, BYTES(0xb0, 7, round)));
            RAW_EXPECT(fd, 0xb0, 7, round);
            raw_close(fd);
            CHECK_SOON(midisock_client_count(server) == 0);
            CHECK_RESULT(MIDISOCK_OFFLINE, midisock_push(server, BYTES(0xb0, 7, (uint8_t)(100 + round))));
            CHECK_RESULT(MIDISOCK_OFFLINE, midisock_push(server, BYTES(0xc1, round)));
            offline += 2;
            if (round % 2)
                CHECK_COUNT(server, dropped_out, offline); /* seen by now */
        }
        CHECK_COUNT(server, dropped_out, offline);
        CHECK_INT(3, check_stats(server).messages_out - check_stats(server).synthesized);
        midisock_close(server);
    }
}

/* Each reset that waits has its place among what was pushed. */
static void two_resets_that_wait(void)
{
    midisock_port *a, *b;
    CHECK_OK(midisock_pair(NULL, &a, &b));
    for (uint8_t between = 0; between < 3; between++) {
        CHECK_OK(midisock_reset(a));
        for (uint8_t i = 0; i < between; i++)
            CHECK_OK(midisock_push(a, BYTES(0x90, (uint8_t)(60 + i), 64)));
        CHECK_OK(midisock_reset(a));
        CHECK_OK(midisock_push(a, BYTES(0x90, 80, 64)));
        /* Two in succession are one. */
        for (int reset = between == 0; reset < 2; reset++) {
            for (uint8_t channel = 0; channel < 16; channel++) {
                EXPECT(b, (uint8_t)(0xb0 | channel), 123, 0);
                EXPECT(b, (uint8_t)(0xb0 | channel), 121, 0);
            }
            if (reset == 0)
                for (uint8_t i = 0; i < between; i++)
                    EXPECT(b, 0x90, (uint8_t)(60 + i), 64);
        }
        EXPECT(b, 0x90, 80, 64);
    }
    midisock_close(a);
    midisock_close(b);
}

/* The same on a connection: the network thread looks seldom. */
static void two_resets_that_wait_on_a_connection(void)
{
    midisock_config c = check_config();
    c.tick_us = 20000;
    midisock_port *server = check_listen(&c);
    int fd = raw_connect(midisock_local_port(server));
    RAW_SEND(fd, 0xf8);
    EXPECT(server, 0xf8);
    for (int round = 0; round < 5; round++) {
        CHECK_OK(midisock_push(server, BYTES(0x90, 59, 64)));
        CHECK_OK(midisock_reset(server));
        CHECK_OK(midisock_push(server, BYTES(0x90, 60, 64)));
        CHECK_OK(midisock_reset(server));
        CHECK_OK(midisock_push(server, BYTES(0x90, 61, 64)));
        RAW_EXPECT(fd, 0x90, 59, 64);
        for (uint8_t reset = 0; reset < 2; reset++) {
            for (uint8_t channel = 0; channel < 16; channel++)
                RAW_EXPECT(fd, (uint8_t)(0xb0 | channel), 123, 0, (uint8_t)(0xb0 | channel), 121, 0);
            RAW_EXPECT(fd, 0x90, (uint8_t)(60 + reset), 64);
        }
    }
    raw_close(fd);
    midisock_close(server);
}

int main(int argc, char **argv)
{
    static const check_case cases[] = {
        CASE(pushed_before_it_spoke),
        CASE(a_silent_one_on_loopback_waits_less_than_fifty_ms),
        CASE(greeted_with_what_was_pushed_to_nobody),
        CASE(two_resets_that_wait),
        CASE(two_resets_that_wait_on_a_connection),
    };
    return check_main(argc, argv, CASES(cases));
}
