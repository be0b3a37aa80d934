/* For any blocks, times and delays every message comes out exactly once, in
 * order, at a frame of its block. */
#include "check.h"

#include <string.h>

#define MESSAGES 400

static uint32_t below(uint32_t *random, uint32_t limit)
{
    return check_random(random) % limit;
}

static uint64_t any_latency(uint32_t *random)
{
    switch (below(random, 4)) {
    case 0:
        return 0;
    case 1:
        return MIDISOCK_LATENCY_AUTO;
    case 2:
        return below(random, 30000000);
    default:
        return UINT64_C(1000000000) + below(random, 1000000000);
    }
}

/* A host, as wild as they come: its clock, and what it does next. */
typedef struct host {
    uint32_t random;
    uint32_t first; /* the number of its first message, which tells the song where a check fails */
    uint64_t now;
    double rate;
    uint32_t frames, left; /* of a period, and of it what slices have not yet asked for */
} host;

static midisock_block next_block(host *h)
{
    midisock_block block = MIDISOCK_BLOCK_INIT;
    if (h->left > 0) {
        /* A slice more, at about the same instant. */
        block.frames = 1 + below(&h->random, h->left);
        h->left -= block.frames;
    } else {
        static const double rates[] = {44100.0, 48000.0, 96000.0};
        uint64_t period_ns = (uint64_t)(h->frames * 1e9 / h->rate);
        h->now += period_ns;
        switch (below(&h->random, 24)) {
        case 0: /* it stops for up to a minute */
            h->now += UINT64_C(1000000) * below(&h->random, 60000);
            block.flags = below(&h->random, 2) ? MIDISOCK_BLOCK_DISCONTINUITY : 0;
            break;
        case 1:
            h->frames = 1 + below(&h->random, 2048);
            break;
        case 2:
            h->rate = rates[below(&h->random, 3)];
            block.flags = MIDISOCK_BLOCK_DISCONTINUITY;
            break;
        case 3:
            h->left = h->frames;
            break;
        case 4: /* a dropout */
            h->now += period_ns * (1 + below(&h->random, 6));
            break;
        default:
            break;
        }
        block.flags |= below(&h->random, 40) == 0 ? MIDISOCK_BLOCK_FREEWHEEL : 0;
        block.frames = h->frames;
    }
    block.sample_rate = h->rate;
    /* Late by up to half a block. */
    block.start_ns = h->now + (uint64_t)(h->frames * 0.5e9 / h->rate * below(&h->random, 1000) / 1000.0);
    return block;
}

/* Pops what the block has, or some of it; how many messages have come so far. */
static uint32_t pop_some(midisock_port *port, host *h, uint32_t frames, uint32_t got)
{
    uint32_t most = below(&h->random, 4) == 0 ? below(&h->random, 4) : MESSAGES, last = 0;
    midisock_message m;
    for (; most > 0; most--) {
        midisock_result result = midisock_pop_block(port, &m);
        if (result == MIDISOCK_EMPTY)
            break;
        CHECK_OK(result);
        CHECK(m.frame < frames);
        CHECK(m.frame >= last);
        last = m.frame;
        CHECK_INT(h->first + got, check_number(m.data, m.size));
        got++;
    }
    return got;
}

static void one_song(uint32_t seed)
{
    host h = {seed, seed * MESSAGES, UINT64_C(5000000000), 48000.0, 128, 0};
    midisock_config c = check_config();
    midisock_port *from, *to;
    c.latency_ns = any_latency(&h.random);
    CHECK_OK(midisock_pair(&c, &from, &to));
    uint32_t sent = 0, got = 0;
    /* The longest delay is two seconds, the shortest block a frame; at the end the blocks are of an ordinary size. */
    for (uint32_t blocks = 0; got < MESSAGES; blocks++) {
        midisock_block block = next_block(&h);
        CHECK_OK(midisock_begin_block(to, &block));
        got = pop_some(to, &h, block.frames, got);
        for (uint32_t n = below(&h.random, 5); n > 0 && sent < MESSAGES; n--) {
            uint8_t data[12];
            midisock_message m;
            memset(&m, 0, sizeof m);
            check_numbered(data, sizeof data, h.first + sent);
            m.data = data;
            m.size = sizeof data;
            /* It arrives in this block, or has a time up to 30 ms from it, in whatever order. */
            m.time_ns = h.now + below(&h.random, 33000000);
            m.time_ns -= below(&h.random, 3000000);
            CHECK_OK(midisock_push_message(from, &m));
            sent++;
        }
        if (sent == MESSAGES && blocks % 64 == 0 && h.frames < 64)
            h.frames = 512;
        CHECK(blocks < 200000);
    }
    midisock_message m;
    midisock_block block = next_block(&h);
    block.start_ns += UINT64_C(10000000000);
    CHECK_OK(midisock_begin_block(to, &block));
    CHECK_RESULT(MIDISOCK_EMPTY, midisock_pop_block(to, &m));
    CHECK_RESULT(MIDISOCK_EMPTY, midisock_pop(to, &m));
    midisock_close(from);
    midisock_close(to);
}

static void of_random_songs(void)
{
    uint32_t songs = check_sanitized() ? 500 : 10000;
    for (uint32_t seed = 1; seed <= songs; seed++) {
        one_song(seed);
    }
}

static void scheduled_in_any_order(void)
{
    enum { COUNT = 600 };
    static uint64_t times[COUNT];
    static uint32_t place[COUNT];
    midisock_config c = check_config();
    midisock_port *server = check_listen(&c);
    midisock_port *client = check_connect(server, &c);
    uint32_t random = 77;
    midisock_message m;
    memset(place, 0xff, sizeof place);
    for (uint32_t i = 0; i < COUNT; i++) {
        uint8_t data[12];
        check_numbered(data, sizeof data, i);
        memset(&m, 0, sizeof m);
        m.data = data;
        m.size = sizeof data;
        /* Some have no time, some one that has passed, most one that comes within 50 ms. */
        times[i] = below(&random, 8) == 0 ? 0 : midisock_now_ns() - 5000000 + below(&random, 55000000);
        m.time_ns = times[i];
        midisock_result result;
        CHECK_SOON((result = midisock_push_message(client, &m)) != MIDISOCK_ERR_FULL);
        CHECK_OK(result);
    }
    uint64_t all_pushed = midisock_now_ns();
    for (uint32_t got = 0; got < COUNT; got++) {
        m = POP(server);
        uint32_t number = check_number(m.data, m.size);
        CHECK(number < COUNT);
        CHECK_INT(UINT32_MAX, place[number]);
        place[number] = got;
    }
    CHECK_RESULT(MIDISOCK_EMPTY, midisock_pop(server, &m));
    /* What was pushed first and for no later time never comes after: 0 is at once. Of the later only those that were ahead
     * when they were pushed: what is for at once is sent at once, though something may be due in this very moment. */
    for (uint32_t i = 0; i < COUNT; i++)
        for (uint32_t later = i + 1; later < COUNT; later++)
            if (times[i] <= times[later] && (times[i] == 0 || times[later] > all_pushed))
                CHECK(place[i] < place[later]);
    midisock_close(client);
    midisock_close(server);
}

int main(int argc, char **argv)
{
    static const check_case cases[] = {
        CASE(of_random_songs),
        CASE(scheduled_in_any_order),
    };
    return check_main(argc, argv, CASES(cases));
}
