/*
 * No realtime function allocates or frees.
 */
#define _POSIX_C_SOURCE 200809L
#include "../c/check.h"
#include "../c/raw.h"
#include "allocation.h"
#include "driver.h"
#include "first.h"

#include <stdio.h>

/* Of each function. */
enum { CALLS = 1000000, RUN_MS = 40000 };

static cast the_cast;
static tally the_tally;

static void *run_million(void *unused)
{
    const plan plan = {CALLS, RUN_MS, allocation_calls, NULL, NULL};
    allocation_count(1);
    driver_run(&the_cast, &the_tally, &plan);
    allocation_count(0);
    return unused;
}

static void run_driver(uint32_t wake)
{
    pthread_t thread;
    cast_open(&the_cast, wake);
    check_start(&thread, run_million, NULL);
    check_join(thread);
    driver_check(&the_cast, &the_tally, "allocations");
    cast_close(&the_cast);
    CHECK_INT(0, allocation_calls());
}

static void none_with_ticks(void)
{
    run_driver(MIDISOCK_WAKE_TICK);
}

static void none_with_signals(void)
{
    run_driver(MIDISOCK_WAKE_SIGNAL);
}

/* Each function as the first call of a fresh thread, as of the process. */
static void count_on(void)
{
    allocation_count(1);
}

static void count_off(void)
{
    allocation_count(0);
}

#define FIRST(name)                                                    \
    static void first_##name(void)                                     \
    {                                                                  \
        first_on_thread(first_call_##name, count_on, count_off);       \
        CHECK_INT(0, allocation_calls());                              \
    }
FIRST_CALLS(FIRST)

/* Controls: what is not realtime is seen to allocate, inside the library. */
static void control_pair_is_caught(void)
{
    midisock_port *a;
    midisock_port *b;
    allocation_count(1);
    CHECK_OK(midisock_pair(NULL, &a, &b));
    midisock_close(a);
    midisock_close(b);
    allocation_count(0);
    printf("# caught: %lu\n", allocation_calls());
    CHECK(allocation_calls() >= 10);
}

static void control_wait_is_caught(void)
{
    midisock_port *port = check_listen(NULL);
    allocation_count(1);
    CHECK_RESULT(MIDISOCK_ERR_TIMEOUT, midisock_wait(port, MIDISOCK_WAIT_MESSAGE, 1));
    allocation_count(0);
    printf("# caught: %lu\n", allocation_calls());
    CHECK(allocation_calls() > 0);
    midisock_close(port);
}

int main(int argc, char **argv)
{
    static const check_case TABLE[] = {
        CASE(none_with_ticks),
        CASE(none_with_signals),
#define FIRST_CASE(name) CASE(first_##name),
        FIRST_CALLS(FIRST_CASE)
        CASE(control_pair_is_caught),
        CASE(control_wait_is_caught),
    };
    return check_main(argc, argv, CASES(TABLE));
}
