#include "driver.h"

#include "../c/check.h"

#include <stdio.h>
#include <string.h>

#define FUNCTION_NAME(upper, lower) #lower,
static const char *const NAMES[FUNCTIONS] = {REALTIME_FUNCTIONS(FUNCTION_NAME)};

/* Every possible outcome, and the port where it must occur. MANUAL means no port,
 * for results that need none. */
static const struct {
    function function;
    role role;
    midisock_result result;
} WANTED[] = {
    {PUSH, STEADY, MIDISOCK_OK},
    {PUSH, STEADY, MIDISOCK_ERR_INVALID_ARGUMENT},
    {PUSH, STEADY, MIDISOCK_ERR_INVALID_MESSAGE},
    {PUSH, STEADY, MIDISOCK_ERR_TOO_LARGE},
    {PUSH, STUCK, MIDISOCK_ERR_FULL},
    {PUSH, SMALL, MIDISOCK_ERR_FULL},
    {PUSH, PAIR_A, MIDISOCK_ERR_FULL},
    {PUSH, PAIR_SMALL_A, MIDISOCK_ERR_FULL},
    {PUSH, SMALL, MIDISOCK_OK},
    {PUSH, CONGESTED, MIDISOCK_OK},
    {PUSH, ACCEPTED, MIDISOCK_OK},
    {PUSH, PAIR_A, MIDISOCK_OK},
    {PUSH, SERVER, MIDISOCK_OK},
    {PUSH, SERVER, MIDISOCK_OFFLINE},
    {PUSH, FLAKY, MIDISOCK_OK},
    {PUSH, FLAKY, MIDISOCK_OFFLINE},
    {PUSH, OFFLINE, MIDISOCK_OFFLINE},
    {PUSH, OFFLINE_REPAIR, MIDISOCK_OFFLINE},
    {PUSH, GONE, MIDISOCK_OK},
    {PUSH, GONE, MIDISOCK_ERR_CLOSED},
    {PUSH, CLOSED, MIDISOCK_ERR_CLOSED},
    {PUSH, MANUAL, MIDISOCK_ERR_WRONG_ROLE},
    {PUSH_MESSAGE, STEADY, MIDISOCK_OK},
    {PUSH_MESSAGE, STEADY, MIDISOCK_ERR_INVALID_ARGUMENT},
    {PUSH_MESSAGE, STEADY, MIDISOCK_ERR_INVALID_MESSAGE},
    {PUSH_MESSAGE, STEADY, MIDISOCK_ERR_TOO_LARGE},
    {PUSH_MESSAGE, STEADY, MIDISOCK_ERR_NO_SUCH_CLIENT},
    {PUSH_MESSAGE, SERVER, MIDISOCK_OK},
    {PUSH_MESSAGE, SERVER, MIDISOCK_ERR_NO_SUCH_CLIENT},
    {PUSH_MESSAGE, LATE, MIDISOCK_OK},
    {PUSH_MESSAGE, LATE, MIDISOCK_ERR_FULL},
    {PUSH_MESSAGE, CROWDED, MIDISOCK_OK},
    {PUSH_MESSAGE, CROWDED, MIDISOCK_ERR_FULL},
    {PUSH_MESSAGE, PAIR_A, MIDISOCK_OK},
    {PUSH_MESSAGE, FLAKY, MIDISOCK_OFFLINE},
    {PUSH_MESSAGE, GONE, MIDISOCK_ERR_CLOSED},
    {PUSH_MESSAGE, CLOSED, MIDISOCK_ERR_CLOSED},
    {PUSH_MESSAGE, MANUAL, MIDISOCK_ERR_WRONG_ROLE},
    {PUSH_MESSAGE, OFFLINE, MIDISOCK_OFFLINE},
    {POP, STEADY, MIDISOCK_OK},
    {POP, STEADY, MIDISOCK_EMPTY},
    {POP, STEADY, MIDISOCK_ERR_INVALID_ARGUMENT},
    {POP, FLAKY, MIDISOCK_OK},
    {POP, SERVER, MIDISOCK_OK},
    {POP, ACCEPTED, MIDISOCK_OK},
    {POP, PAIR_B, MIDISOCK_OK},
    {POP, PAIR_B, MIDISOCK_EMPTY},
    {POP, PAIR_SMALL_B, MIDISOCK_OK},
    {POP, GONE, MIDISOCK_OK},
    {POP, GONE, MIDISOCK_ERR_CLOSED},
    {POP, CLOSED, MIDISOCK_ERR_CLOSED},
    {POP, MANUAL, MIDISOCK_ERR_WRONG_ROLE},
    {SKIP, STEADY, MIDISOCK_OK},
    {SKIP, SERVER, MIDISOCK_OK},
    {SKIP, PAIR_B, MIDISOCK_OK},
    {SKIP, FLAKY, MIDISOCK_OK},
    {SKIP, GONE, MIDISOCK_ERR_CLOSED},
    {SKIP, CLOSED, MIDISOCK_ERR_CLOSED},
    {SKIP, MANUAL, MIDISOCK_ERR_WRONG_ROLE},
    {SKIP, STEADY, MIDISOCK_ERR_INVALID_ARGUMENT},
    {PANIC, STEADY, MIDISOCK_OK},
    {PANIC, STEADY, MIDISOCK_ERR_INVALID_ARGUMENT},
    {PANIC, PAIR_A, MIDISOCK_OK},
    {PANIC, SERVER, MIDISOCK_OK},
    {PANIC, FLAKY, MIDISOCK_OK},
    {PANIC, FLAKY, MIDISOCK_OFFLINE},
    {PANIC, GONE, MIDISOCK_ERR_CLOSED},
    {PANIC, OFFLINE, MIDISOCK_OFFLINE},
    {PANIC, CLOSED, MIDISOCK_ERR_CLOSED},
    {PANIC, MANUAL, MIDISOCK_ERR_WRONG_ROLE},
    {RESET, STEADY, MIDISOCK_OK},
    {RESET, STEADY, MIDISOCK_ERR_INVALID_ARGUMENT},
    {RESET, PAIR_A, MIDISOCK_OK},
    {RESET, SERVER, MIDISOCK_OK},
    {RESET, FLAKY, MIDISOCK_OK},
    {RESET, FLAKY, MIDISOCK_OFFLINE},
    {RESET, GONE, MIDISOCK_ERR_CLOSED},
    {RESET, OFFLINE, MIDISOCK_OFFLINE},
    {RESET, CLOSED, MIDISOCK_ERR_CLOSED},
    {RESET, MANUAL, MIDISOCK_ERR_WRONG_ROLE},
    {CANCEL, STEADY, MIDISOCK_OK},
    {CANCEL, STEADY, MIDISOCK_ERR_INVALID_ARGUMENT},
    {CANCEL, LATE, MIDISOCK_OK},
    {CANCEL, PAIR_A, MIDISOCK_OK},
    {CANCEL, OFFLINE, MIDISOCK_OK},
    {CANCEL, GONE, MIDISOCK_ERR_CLOSED},
    {CANCEL, CLOSED, MIDISOCK_ERR_CLOSED},
    {CANCEL, MANUAL, MIDISOCK_ERR_WRONG_ROLE},
    {BEGIN_BLOCK, STEADY, MIDISOCK_OK},
    {BEGIN_BLOCK, STEADY, MIDISOCK_ERR_INVALID_ARGUMENT},
    {BEGIN_BLOCK, MANUAL, MIDISOCK_ERR_WRONG_ROLE},
    {POP_BLOCK, STEADY, MIDISOCK_OK},
    {POP_BLOCK, STEADY, MIDISOCK_EMPTY},
    {POP_BLOCK, STEADY, MIDISOCK_ERR_INVALID_ARGUMENT},
    {POP_BLOCK, SERVER, MIDISOCK_OK},
    {POP_BLOCK, PAIR_B, MIDISOCK_OK},
    {POP_BLOCK, GONE, MIDISOCK_ERR_CLOSED},
    {POP_BLOCK, CLOSED, MIDISOCK_ERR_INVALID_ARGUMENT}, /* no block was begun there */
    {POP_BLOCK, MANUAL, MIDISOCK_ERR_WRONG_ROLE},
    {PUSH_FRAME, STEADY, MIDISOCK_OK},
    {PUSH_FRAME, STEADY, MIDISOCK_ERR_INVALID_ARGUMENT},
    {PUSH_FRAME, STEADY, MIDISOCK_ERR_INVALID_MESSAGE},
    {PUSH_FRAME, STEADY, MIDISOCK_ERR_TOO_LARGE},
    {PUSH_FRAME, SERVER, MIDISOCK_OK},
    {PUSH_FRAME, PAIR_A, MIDISOCK_OK},
    {PUSH_FRAME, STUCK, MIDISOCK_ERR_FULL},
    {PUSH_FRAME, FLAKY, MIDISOCK_OFFLINE},
    {PUSH_FRAME, GONE, MIDISOCK_ERR_CLOSED},
    {PUSH_FRAME, CLOSED, MIDISOCK_ERR_INVALID_ARGUMENT},
    {PUSH_FRAME, MANUAL, MIDISOCK_ERR_WRONG_ROLE},
    {STATE, STEADY, MIDISOCK_OK},
    {CLIENT_COUNT, SERVER, MIDISOCK_OK},
    {LOCAL_PORT, STEADY, MIDISOCK_OK},
    {GET_STATS, STEADY, MIDISOCK_OK},
    {GET_STATS, STEADY, MIDISOCK_ERR_INVALID_ARGUMENT},
    {NOW_NS, STEADY, MIDISOCK_OK},
    {STRERROR, STEADY, MIDISOCK_OK},
    {VERSION, STEADY, MIDISOCK_OK},
    {VERSION_STRING, STEADY, MIDISOCK_OK},
};
enum { WANTED_COUNT = sizeof WANTED / sizeof WANTED[0] };

enum { LARGE = 16384 };

/* The state of one run; on the caller's stack would be too much for some. */
typedef struct driver {
    const cast *cast;
    tally *tally;
    probe probe;
    uint64_t (*clock)(void);
    uint64_t before_ns;
    uint32_t random;
    int64_t position; /* of the host that calls */
    uint8_t large[LARGE + 1];
    uint8_t medium[1024];
} driver;

static unsigned long no_probe(void)
{
    return 0;
}

static uint64_t no_clock(void)
{
    return 0;
}

/* What the probe says before a call. */
static unsigned long start(driver *d)
{
    unsigned long before = d->probe();
    d->before_ns = d->clock();
    return before;
}

static midisock_result note(driver *d, function function, role role, midisock_result result,
                            unsigned long before)
{
    uint64_t ns = d->clock() - d->before_ns;
    unsigned long done = d->probe() - before;
    tally *t = d->tally;
    t->calls++;
    t->of[function]++;
    if (ns > t->longest_ns[function])
        t->longest_ns[function] = ns;
    if (result >= LEAST_RESULT && result < LEAST_RESULT + RESULTS)
        t->seen[function][role][result - LEAST_RESULT]++;
    t->violations[function] += done;
    if (done > t->worst[function])
        t->worst[function] = done;
    return result;
}

/* A call that gives a result, and one that gives something else. */
#define CALL(function, role, call) (before = start(d), note(d, function, role, (call), before))
#define GIVE(function, role, call)                       \
    do {                                                 \
        before = start(d);                               \
        (void)(call);                                    \
        note(d, function, role, MIDISOCK_OK, before);    \
    } while (0)

/* Looks at a popped message as a program would. */
static void look(driver *d, role role, const midisock_message *message)
{
    uint8_t status = message->size > 0 ? message->data[0] : 0;
    uint8_t last = message->size > 0 ? message->data[message->size - 1] : 0x80;
    if (status < 0x80 || (status == 0xf0 ? last != 0xf7 : message->size > 1 && last > 0x7f))
        d->tally->damaged++;
    if (role != PAIR_A && role != PAIR_B)
        d->tally->large_in += message->size == LARGE;
    d->tally->synthetic += (message->flags & MIDISOCK_FLAG_SYNTHETIC) != 0;
}

/* A channel message of any kind. */
static size_t any_message(driver *d, uint8_t out[3])
{
    static const uint8_t STATUS[] = {0x80, 0x90, 0x90, 0xb0, 0xc0, 0xd0, 0xe0, 0xa0};
    uint32_t r = check_random(&d->random);
    out[0] = (uint8_t)(STATUS[r & 7] | (r >> 3 & 15));
    out[1] = r >> 7 & 127;
    out[2] = r >> 14 & 127;
    return out[0] >= 0xc0 && out[0] < 0xe0 ? 2 : 3;
}

/* The peer has just gone: the moment would seldom be met by chance, where this
 * thread leaves others little time. */
static void call_while_offline(driver *d, role role, midisock_port *port)
{
    unsigned long before;
    midisock_message message;
    memset(&message, 0, sizeof message);
    message.data = d->medium;
    message.size = sizeof d->medium;
    CALL(PANIC, role, midisock_panic(port));
    CALL(RESET, role, midisock_reset(port));
    CALL(PUSH_MESSAGE, role, midisock_push_message(port, &message));
    CALL(PUSH_FRAME, role, midisock_push_frame(port, 0, d->medium, sizeof d->medium));
}

static void push_some(driver *d, role role, midisock_port *port)
{
    unsigned long before;
    uint8_t bytes[3];
    int offline = 0;
    /* More than the smallest queue takes. */
    int count = check_random(&d->random) % 8 == 0 ? 250 : 8;
    for (int i = 0; i < count; i++) {
        size_t size = any_message(d, bytes);
        if (CALL(PUSH, role, midisock_push(port, bytes, size)) == MIDISOCK_OFFLINE && offline++ == 0)
            call_while_offline(d, role, port);
    }
    CALL(PUSH, role, midisock_push(port, d->medium, sizeof d->medium));
}

static void push_large(driver *d, role role, midisock_port *port)
{
    unsigned long before;
    if (CALL(PUSH, role, midisock_push(port, d->large, LARGE)) == MIDISOCK_OK)
        d->tally->large++;
    CALL(PUSH_FRAME, role, midisock_push_frame(port, 0, d->large, LARGE));
    midisock_message message;
    memset(&message, 0, sizeof message);
    message.data = d->large;
    message.size = LARGE;
    message.time_ns = midisock_now_ns() + 1000000;
    if (CALL(PUSH_MESSAGE, role, midisock_push_message(port, &message)) == MIDISOCK_OK &&
        role != PAIR_A && role != PAIR_B)
        d->tally->large_late++;
    d->large[LARGE - 1] = 0x11;
    message.size++;
    CALL(PUSH_MESSAGE, role, midisock_push_message(port, &message));
    CALL(PUSH, role, midisock_push(port, d->large, LARGE + 1));
    CALL(PUSH_FRAME, role, midisock_push_frame(port, 0, d->large, LARGE + 1));
    d->large[LARGE - 1] = 0xf7;
}

static void push_nonsense(driver *d, role role, midisock_port *port)
{
    static const uint8_t HALF[] = {0x90, 60};
    unsigned long before;
    CALL(PUSH, role, midisock_push(port, HALF, sizeof HALF));
    CALL(PUSH, role, midisock_push(port, HALF, 0));
    CALL(PUSH, role, midisock_push(port, NULL, 3));
    CALL(PUSH, role, midisock_push(NULL, HALF, 2));
    CALL(PUSH_MESSAGE, role, midisock_push_message(port, NULL));
    midisock_message half;
    memset(&half, 0, sizeof half);
    half.data = HALF;
    half.size = sizeof HALF;
    CALL(PUSH_MESSAGE, role, midisock_push_message(port, &half));
    CALL(PUSH_FRAME, role, midisock_push_frame(port, 0, HALF, sizeof HALF));
    CALL(PUSH_FRAME, role, midisock_push_frame(port, UINT32_MAX, HALF, sizeof HALF));
    CALL(POP, role, midisock_pop(port, NULL));
    CALL(POP_BLOCK, role, midisock_pop_block(port, NULL));
    CALL(SKIP, role, midisock_skip(NULL));
    CALL(PANIC, role, midisock_panic(NULL));
    CALL(RESET, role, midisock_reset(NULL));
    CALL(CANCEL, role, midisock_cancel(NULL));
}

static void push_messages(driver *d, role role, midisock_port *port)
{
    unsigned long before;
    uint8_t bytes[3];
    midisock_message message;
    memset(&message, 0, sizeof message);
    message.data = bytes;
    for (int i = 0; i < 8; i++) {
        uint32_t r = check_random(&d->random);
        message.size = (uint32_t)any_message(d, bytes);
        message.client = 0;
        message.time_ns = 0;
        switch (r & 3) {
        case 0: /* a client that may be there: ids count up from 1 */
            message.client = 1 + (r >> 8 & 63);
            break;
        case 1: /* soon */
            message.time_ns = midisock_now_ns() + (r >> 8) % 2000000;
            break;
        case 2: /* beyond the horizon */
            if ((r >> 8) % 8 == 0)
                message.time_ns = midisock_now_ns() + 11000000000u;
            break;
        default:
            break;
        }
        CALL(PUSH_MESSAGE, role, midisock_push_message(port, &message));
    }
    if (role == LATE) {
        message.data = d->medium;
        message.size = sizeof d->medium;
        message.client = 0;
        message.time_ns = midisock_now_ns() + 20000000;
        for (int i = 0; i < 4; i++)
            CALL(PUSH_MESSAGE, role, midisock_push_message(port, &message));
    }
}

/* To one client after the other while the queue is full: what is refused is told apart for a few. */
static void push_to_many(driver *d, role role, midisock_port *port)
{
    enum { TOLD_APART = 3 };
    unsigned long before;
    uint8_t bytes[3];
    midisock_message message;
    uint32_t refused = 0;
    unsigned clients = 0;
    while (CALL(PUSH, role, midisock_push(port, (const uint8_t[]){0xb0, 7, 7}, 3)) == MIDISOCK_OK)
        continue;
    memset(&message, 0, sizeof message);
    message.data = bytes;
    for (int i = 0; i < 40; i++) {
        message.client = 1 + check_random(&d->random) % CROWD;
        message.size = (uint32_t)any_message(d, bytes);
        midisock_result result = CALL(PUSH_MESSAGE, role, midisock_push_message(port, &message));
        if (result != MIDISOCK_ERR_FULL)
            refused = 0; /* the network thread has taken what was refused before */
        else
            refused |= 1u << message.client;
    }
    for (; refused != 0; refused &= refused - 1)
        clients++;
    d->tally->strangers += clients > TOLD_APART;
}

static void pop_some(driver *d, role role, midisock_port *port)
{
    unsigned long before;
    midisock_message message;
    for (int i = 0; i < 300; i++) {
        if (CALL(POP, role, midisock_pop(port, &message)) != MIDISOCK_OK)
            return;
        look(d, role, &message);
    }
}

static void do_block(driver *d, role role, midisock_port *port)
{
    unsigned long before;
    uint8_t bytes[3];
    midisock_message message;
    uint32_t r = check_random(&d->random);
    midisock_block block;
    memset(&block, 0, sizeof block);
    block.struct_size = sizeof block;
    block.sample_rate = 48000;
    block.frames = r % 300;
    block.flags = r >> 9 & 15; /* every combination */
    block.start_ns = r & 0x2000 || block.flags & MIDISOCK_BLOCK_DEVICE_TIME ? midisock_now_ns() : 0;
    /* It mostly counts on; now and then it skips, stands still or goes back. */
    d->position += r >> 14 & 7 ? block.frames : r >> 17 & 0xfff;
    if ((r >> 20 & 15) == 0)
        d->position /= 2;
    block.position = d->position;
    if (role != CLOSED)
        CALL(BEGIN_BLOCK, role, midisock_begin_block(port, &block));
    block.sample_rate = -1;
    CALL(BEGIN_BLOCK, role, midisock_begin_block(port, &block));
    for (int i = 0; i < 300; i++) {
        if (CALL(POP_BLOCK, role, midisock_pop_block(port, &message)) != MIDISOCK_OK)
            break;
        look(d, role, &message);
    }
    for (uint32_t frame = 0; frame < 300; frame += 37) {
        size_t size = any_message(d, bytes);
        CALL(PUSH_FRAME, role, midisock_push_frame(port, frame, bytes, size));
    }
}

static void ask(driver *d, role role, midisock_port *port)
{
    unsigned long before;
    midisock_stats stats;
    GIVE(STATE, role, midisock_state(port));
    GIVE(CLIENT_COUNT, role, midisock_client_count(port));
    GIVE(LOCAL_PORT, role, midisock_local_port(port));
    CALL(GET_STATS, role, midisock_get_stats(port, &stats, sizeof stats));
    CALL(GET_STATS, role, midisock_get_stats(port, &stats, 0));
    GIVE(NOW_NS, role, midisock_now_ns());
    GIVE(STRERROR, role, midisock_strerror((midisock_result)(check_random(&d->random) % 30) - 20));
    GIVE(VERSION, role, midisock_version());
    GIVE(VERSION_STRING, role, midisock_version_string());
}

/* One ordinary call of a function, for those that the scenes above call too
 * seldom. */
#define ONE(name)                                                       \
    static void one_##name(driver *d, role role, midisock_port *port)
ONE(push)
{
    unsigned long before;
    uint8_t bytes[3];
    size_t size = any_message(d, bytes);
    CALL(PUSH, role, midisock_push(port, bytes, size));
}
ONE(push_message)
{
    unsigned long before;
    uint8_t bytes[3];
    midisock_message message;
    memset(&message, 0, sizeof message);
    message.data = bytes;
    message.size = (uint32_t)any_message(d, bytes);
    CALL(PUSH_MESSAGE, role, midisock_push_message(port, &message));
}
ONE(pop)
{
    unsigned long before;
    midisock_message message;
    if (CALL(POP, role, midisock_pop(port, &message)) == MIDISOCK_OK)
        look(d, role, &message);
}
ONE(skip)
{
    unsigned long before;
    CALL(SKIP, role, midisock_skip(port));
}
ONE(panic)
{
    unsigned long before;
    CALL(PANIC, role, midisock_panic(port));
}
ONE(reset)
{
    unsigned long before;
    CALL(RESET, role, midisock_reset(port));
}
ONE(begin_block)
{
    unsigned long before;
    midisock_block block;
    memset(&block, 0, sizeof block);
    block.struct_size = sizeof block;
    block.sample_rate = 44100;
    block.frames = 64;
    /* None is ever begun on that port: see WANTED. */
    if (role != CLOSED)
        CALL(BEGIN_BLOCK, role, midisock_begin_block(port, &block));
}
ONE(pop_block)
{
    unsigned long before;
    midisock_message message;
    if (CALL(POP_BLOCK, role, midisock_pop_block(port, &message)) == MIDISOCK_OK)
        look(d, role, &message);
}
ONE(push_frame)
{
    unsigned long before;
    uint8_t bytes[3];
    size_t size = any_message(d, bytes);
    CALL(PUSH_FRAME, role, midisock_push_frame(port, 0, bytes, size));
}
ONE(state)
{
    unsigned long before;
    GIVE(STATE, role, midisock_state(port));
}
ONE(client_count)
{
    unsigned long before;
    GIVE(CLIENT_COUNT, role, midisock_client_count(port));
}
ONE(local_port)
{
    unsigned long before;
    GIVE(LOCAL_PORT, role, midisock_local_port(port));
}
ONE(get_stats)
{
    unsigned long before;
    midisock_stats stats;
    CALL(GET_STATS, role, midisock_get_stats(port, &stats, sizeof stats));
}
ONE(now_ns)
{
    unsigned long before;
    (void)port;
    GIVE(NOW_NS, role, midisock_now_ns());
}
ONE(strerror)
{
    unsigned long before;
    (void)port;
    GIVE(STRERROR, role, midisock_strerror((midisock_result)(check_random(&d->random) % 30) - 20));
}
ONE(version)
{
    unsigned long before;
    (void)port;
    GIVE(VERSION, role, midisock_version());
}
ONE(version_string)
{
    unsigned long before;
    (void)port;
    GIVE(VERSION_STRING, role, midisock_version_string());
}

ONE(cancel)
{
    unsigned long before;
    CALL(CANCEL, role, midisock_cancel(port));
}

#define FUNCTION_CALL(upper, lower) one_##lower,
static void (*const CALLS[FUNCTIONS])(driver *, role, midisock_port *) = {
    REALTIME_FUNCTIONS(FUNCTION_CALL)};

static void do_something(driver *d, role role)
{
    unsigned long before;
    midisock_port *port = d->cast->ports[role];
    uint32_t r = check_random(&d->random) % 64;
    if (r < 16 && role == CROWDED)
        push_to_many(d, role, port);
    else if (r < 16)
        push_some(d, role, port);
    else if (r < 34)
        pop_some(d, role, port);
    else if (r < 44)
        do_block(d, role, port);
    else if (r < 50)
        push_messages(d, role, port);
    else if (r < 54)
        ask(d, role, port);
    else if (r < 57)
        push_nonsense(d, role, port);
    else if (r < 60)
        push_large(d, role, port);
    else if (r < 61)
        CALL(CANCEL, role, midisock_cancel(port));
    else if (r < 62)
        CALL(SKIP, role, midisock_skip(port));
    else if (r < 63)
        CALL(PANIC, role, midisock_panic(port));
    else
        CALL(RESET, role, midisock_reset(port));
}

static uint64_t seen(const tally *tally, size_t wanted)
{
    return tally->seen[WANTED[wanted].function][WANTED[wanted].role]
                      [WANTED[wanted].result - LEAST_RESULT];
}

/* What no single result tells. */
static int has_the_rest(const tally *tally)
{
    return tally->large > 0 && tally->large_late > 0 && tally->large_in > 0 &&
           tally->synthetic > 0 && tally->strangers > 0;
}

static int has_all(const tally *tally)
{
    for (size_t i = 0; i < WANTED_COUNT; i++)
        if (seen(tally, i) == 0)
            return 0;
    return has_the_rest(tally);
}

/* Not on the stack: pages of it would be touched for the first time. */
static driver the_driver;

/* A function that was called too seldom: on any port, in a row. */
static void call_more(driver *d, function function)
{
    enum { IN_A_ROW = 500 };
    role role = (enum role)(check_random(&d->random) % ROLES);
    for (int i = 0; i < IN_A_ROW; i++)
        CALLS[function](d, role, d->cast->ports[role]);
}

static int has_called(const tally *tally, uint64_t calls)
{
    for (int f = 0; f < FUNCTIONS; f++)
        if (tally->of[f] < calls)
            return 0;
    return 1;
}

void driver_run(const cast *cast, tally *tally, const plan *plan)
{
    driver *d = &the_driver;
    memset(d, 0x11, sizeof *d);
    d->cast = cast;
    d->tally = tally;
    d->probe = plan->probe ? plan->probe : no_probe;
    d->clock = plan->clock ? plan->clock : no_clock;
    d->random = 12345;
    d->large[0] = d->medium[0] = 0xf0;
    d->large[LARGE - 1] = d->large[LARGE] = 0xf7;
    d->medium[sizeof d->medium - 1] = 0xf7;
    uint64_t until = midisock_now_ns() + plan->ms * 1000000;
    while (!has_called(tally, plan->calls) || !has_all(tally)) {
        for (int i = 0; i < 300; i++) {
            do_something(d, (role)(check_random(&d->random) % ROLES));
            if (plan->pause != NULL && i % 10 == 0)
                plan->pause();
        }
        for (int i = 0; i < FUNCTIONS; i++) {
            if (tally->of[i] >= plan->calls)
                continue;
            call_more(d, (function)i);
            if (plan->pause != NULL)
                plan->pause();
        }
        if (midisock_now_ns() > until) {
            tally->out_of_time = 1;
            return;
        }
    }
}

void driver_check(const cast *cast, const tally *tally, const char *what)
{
    for (int f = 0; f < FUNCTIONS; f++) {
        printf("# %-14s %9llu calls, %llu %s, at most %lu in one", NAMES[f],
               (unsigned long long)tally->of[f], (unsigned long long)tally->violations[f], what,
               tally->worst[f]);
        if (tally->longest_ns[f] != 0)
            printf(", %.1f us at most", (double)tally->longest_ns[f] / 1000);
        printf("\n");
    }
    printf("# in all %llu calls, %zu outcomes; %llu SysEx of 16 KB out, %llu later, %llu in; "
           "%llu synthetic; %llu times many were refused by name; peers went %u times\n",
           (unsigned long long)tally->calls, (size_t)WANTED_COUNT,
           (unsigned long long)tally->large, (unsigned long long)tally->large_late,
           (unsigned long long)tally->large_in, (unsigned long long)tally->synthetic,
           (unsigned long long)tally->strangers, cast_lives(cast));
    fflush(stdout);
    for (size_t i = 0; i < WANTED_COUNT; i++)
        if (seen(tally, i) == 0)
            check_fail(__FILE__, __LINE__, "%s never gave %d (%s) on the port \"%s\"",
                       NAMES[WANTED[i].function], (int)WANTED[i].result,
                       midisock_strerror(WANTED[i].result), cast_name(WANTED[i].role));
    CHECK_INT(0, tally->out_of_time);
    CHECK_INT(0, tally->damaged);
    CHECK(has_the_rest(tally));
    for (int f = 0; f < FUNCTIONS; f++)
        for (int r = 0; r < ROLES; r++)
            CHECK_INT(0, tally->seen[f][r][MIDISOCK_ERR_INTERNAL - LEAST_RESULT]);
    static const role TALKING[] = {STEADY, FLAKY, SERVER, ACCEPTED, SMALL};
    for (size_t i = 0; i < sizeof TALKING / sizeof TALKING[0]; i++) {
        midisock_stats stats = check_stats(cast->ports[TALKING[i]]);
        CHECK(stats.bytes_in > 10000 && stats.bytes_out > 10000);
    }
}

const char *driver_name(function function)
{
    return NAMES[function];
}
