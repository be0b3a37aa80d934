/*
 * No realtime function makes a system call; with WAKE_SIGNAL a push makes at most
 * one write, and with a wait handle for messages a pop that finds the queue empty
 * one read. A seccomp jail checks it.
 */
#define _POSIX_C_SOURCE 200809L
#include "../c/check.h"
#include "../c/raw.h"
#include "driver.h"
#include "first.h"
#include "jail.h"

#include <malloc.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* Of each function. */
enum { CALLS = 1000000, RUN_MS = 40000 };

static cast the_cast;
static tally the_tally;

static void run_million(void *unused)
{
    const plan plan = {CALLS, RUN_MS, jail_trapped, NULL, NULL};
    (void)unused;
    driver_run(&the_cast, &the_tally, &plan);
}

static void run_driver(jail_kind kind, uint32_t wake)
{
    jail jail;
    cast_open(&the_cast, wake);
    jail_start(&jail, kind, run_million, NULL);
    jail_join(&jail);
    driver_check(&the_cast, &the_tally, "system calls");
    cast_close(&the_cast);
}

static void none_with_ticks(void)
{
    run_driver(JAIL_TRAP, MIDISOCK_WAKE_TICK);
    if (jail_first() != NULL)
        check_fail(__FILE__, __LINE__, "%s was called %lu times", jail_first(), jail_trapped());
    CHECK_INT(0, jail_trapped());
}

/* The other functions that leave something for the network thread. */
static int may_wake(function function)
{
    return function == PUSH || function == PUSH_MESSAGE || function == PUSH_FRAME ||
           function == PANIC || function == RESET || function == CANCEL;
}

static void one_write_a_push_with_signals(void)
{
    run_driver(JAIL_PASS_WRITES, MIDISOCK_WAKE_SIGNAL);
    if (jail_first() != NULL)
        check_fail(__FILE__, __LINE__, "%s was called", jail_first());
    CHECK_INT(jail_trapped(), jail_trapped_writes());
    CHECK(jail_trapped_writes() > 0);
    for (int f = 0; f < FUNCTIONS; f++)
        if (the_tally.worst[f] > (may_wake((function)f) ? 1u : 0u))
            check_fail(__FILE__, __LINE__, "%s made %lu system calls in one call",
                       driver_name((function)f), the_tally.worst[f]);
}

/* A wait handle for messages: in each round some are taken, and then the queue is found empty. */
enum { ROUNDS = 300, TAKEN = 3 };

typedef struct emptier {
    midisock_port *port;
    unsigned round;      /* the number of rounds that have begun */
    unsigned done;       /* and of those that are over */
    unsigned wrong;      /* calls with another outcome than they should have */
    unsigned others;     /* system calls of calls that may make none */
    unsigned worst;      /* the most that one call made */
    unsigned at_empty;   /* calls that found the queue empty for the first time and made one */
} emptier;

/* One call; how many system calls it made. */
static unsigned calls_of(emptier *e, midisock_result wanted, midisock_result (*call)(midisock_port *))
{
    unsigned long before = jail_trapped();
    e->wrong += call(e->port) != wanted;
    unsigned made = (unsigned)(jail_trapped() - before);
    if (made > e->worst)
        e->worst = made;
    return made;
}

static midisock_result pop_one(midisock_port *port)
{
    midisock_message message;
    return midisock_pop(port, &message);
}

static midisock_result pop_one_of_block(midisock_port *port)
{
    midisock_message message;
    return midisock_pop_block(port, &message);
}

static midisock_result begin_a_block(midisock_port *port)
{
    midisock_block block = {0};
    block.struct_size = sizeof block;
    block.sample_rate = 48000;
    block.frames = 64;
    return midisock_begin_block(port, &block);
}

static void empty_it(void *emptier_)
{
    emptier *e = emptier_;
    for (unsigned round = 1; round <= ROUNDS; round++) {
        while (__atomic_load_n(&e->round, __ATOMIC_ACQUIRE) != round)
            continue;
        e->others += calls_of(e, MIDISOCK_OK, begin_a_block);
        for (int i = 0; i < TAKEN; i++)
            e->others += calls_of(e, MIDISOCK_OK, i == 1 ? pop_one_of_block : pop_one);
        switch (round % 3) {
        case 0:
            e->at_empty += calls_of(e, MIDISOCK_EMPTY, pop_one);
            break;
        case 1:
            e->at_empty += calls_of(e, MIDISOCK_EMPTY, pop_one_of_block);
            break;
        default:
            e->at_empty += calls_of(e, MIDISOCK_OK, midisock_skip);
        }
        for (int i = 0; i < 100; i++) {
            e->others += calls_of(e, MIDISOCK_EMPTY, pop_one);
            e->others += calls_of(e, MIDISOCK_EMPTY, pop_one_of_block);
            e->others += calls_of(e, MIDISOCK_OK, midisock_skip);
        }
        __atomic_store_n(&e->done, round, __ATOMIC_RELEASE);
    }
}

static emptier empty_a_server(int with_handle)
{
    static emptier e;
    midisock_config config = check_config();
    jail jail;
    intptr_t handle = -1;
    config.latency_ns = 0;
    e.port = check_listen(&config);
    int peer = raw_connect(midisock_local_port(e.port));
    if (with_handle)
        CHECK_OK(midisock_wait_handle(e.port, MIDISOCK_WAIT_MESSAGE, &handle));
    jail_start(&jail, JAIL_PASS_READS, empty_it, &e);
    for (unsigned round = 1; round <= ROUNDS; round++) {
        for (int i = 0; i < TAKEN; i++)
            raw_send(peer, "\xf6", 1);
        CHECK_COUNT(e.port, messages_in, round * TAKEN);
        if (with_handle)
            CHECK(raw_readable((int)handle, DEADLINE_MS));
        __atomic_store_n(&e.round, round, __ATOMIC_RELEASE);
        CHECK_SOON(__atomic_load_n(&e.done, __ATOMIC_ACQUIRE) == round);
        if (with_handle)
            CHECK_SOON(!raw_readable((int)handle, 0));
    }
    jail_join(&jail);
    if (jail_first() != NULL)
        check_fail(__FILE__, __LINE__, "%s was called", jail_first());
    CHECK_INT(0, e.wrong);
    CHECK_INT(0, e.others);
    CHECK_INT(jail_trapped(), jail_trapped_reads());
    CHECK_INT(jail_trapped(), e.at_empty);
    raw_close(peer);
    midisock_close(e.port);
    return e;
}

static void one_read_when_empty_with_a_wait_handle(void)
{
    emptier e = empty_a_server(1);
    printf("# %u reads in %d rounds\n", e.at_empty, ROUNDS);
    CHECK_INT(1, e.worst);
    /* In a few rounds the network thread, which looks at the same moment, has made the call. */
    CHECK(e.at_empty <= ROUNDS && e.at_empty >= ROUNDS * 8 / 10);
}

static void no_read_without_a_wait_handle(void)
{
    CHECK_INT(0, empty_a_server(0).worst);
}

/* The first call of a fresh thread, in a fresh process, of a program that is
 * linked for lazy binding; nothing realtime was called before. */
typedef struct act {
    int (*first)(const stage *stage);
    stage stage;
    int held;
} act;

static void do_act(void *act_)
{
    act *act = act_;
    act->held = act->first(&act->stage);
}

static void on_stage(int (*first)(const stage *stage))
{
    act act;
    jail jail;
    memset(&act, 0, sizeof act);
    act.first = first;
    stage_open(&act.stage);
    jail_start(&jail, JAIL_TRAP, do_act, &act);
    jail_join(&jail);
    printf("# %lu system calls\n", jail_trapped());
    if (jail_first() != NULL)
        check_fail(__FILE__, __LINE__, "%s was called", jail_first());
    CHECK(act.held);
    stage_close(&act.stage);
}

#define FIRST(name)                 \
    static void first_##name(void)  \
    {                               \
        on_stage(first_call_##name); \
    }
FIRST_CALLS(FIRST)

static const uint8_t NOTE[] = {0x90, 60, 64};
static midisock_result first_result;

/* Controls: the jail must see what is not realtime. */
static void wait_a_moment(void *port)
{
    first_result = midisock_wait(port, MIDISOCK_WAIT_MESSAGE, 5);
}

static void push_and_flush(void *port)
{
    midisock_push(port, NOTE, sizeof NOTE);
    first_result = midisock_flush(port, 5);
}

static void push_with_signal(void *port)
{
    /* Once the network thread sleeps, which it does all the time. */
    for (int i = 0; i < 1000000 && jail_trapped() == 0; i++)
        midisock_push(port, NOTE, sizeof NOTE);
}

static void sleep_a_moment(void *unused)
{
    const struct timespec ns = {0, 1};
    (void)unused;
    nanosleep(&ns, NULL);
}

static void caught(void (*run)(void *), const char *name, uint32_t wake)
{
    jail jail;
    uint16_t number;
    midisock_port *port;
    midisock_config config = check_config();
    config.wake = wake;
    /* What allocates in the jail shall find memory there, and go on to what it
     * is here for. */
    CHECK(mallopt(M_ARENA_MAX, 1));
    int listener = raw_listen(&number);
    CHECK_OK(midisock_connect("127.0.0.1", number, &config, &port));
    CHECK_OK(midisock_wait_connected(port, DEADLINE_MS));
    int peer = raw_accept(listener);
    jail_start(&jail, JAIL_TRAP, run, port);
    jail_join(&jail);
    CHECK(jail_trapped() > 0);
    printf("# caught: %lu, the first: %s\n", jail_trapped(), jail_first());
    CHECK_TEXT(name, jail_first());
    midisock_close(port);
    raw_close(peer);
    raw_close(listener);
}

static void control_wait_is_caught(void)
{
    caught(wait_a_moment, "futex", MIDISOCK_WAKE_TICK);
}

static void control_flush_is_caught(void)
{
    caught(push_and_flush, "write", MIDISOCK_WAKE_TICK);
}

static void control_signal_is_caught(void)
{
    caught(push_with_signal, "write", MIDISOCK_WAKE_SIGNAL);
}

static void control_sleep_is_caught(void)
{
    caught(sleep_a_moment, "clock_nanosleep", MIDISOCK_WAKE_TICK);
}

int main(int argc, char **argv)
{
    static const check_case TABLE[] = {
        CASE(none_with_ticks),
        CASE(one_write_a_push_with_signals),
        CASE(one_read_when_empty_with_a_wait_handle),
        CASE(no_read_without_a_wait_handle),
#define FIRST_CASE(name) CASE(first_##name),
        FIRST_CALLS(FIRST_CASE)
        CASE(control_wait_is_caught),
        CASE(control_flush_is_caught),
        CASE(control_signal_is_caught),
        CASE(control_sleep_is_caught),
    };
    return check_main(argc, argv, CASES(TABLE));
}
