/*
 * RealtimeSanitizer over every realtime function. It sees the library's calls of
 * the C library (allocations, locks, system calls, sleeping, files).
 * The runtime is the Rust toolchain's own, linked whole, or clang's. No
 * compiler support is needed; where clang compiles this with
 * -fsanitize=realtime, its attribute is tried too. It ends the process at the
 * first violation (exit status 43).
 * It does not see direct system calls; test_syscalls does.
 */
#define _POSIX_C_SOURCE 200809L
#include "../c/check.h"
#include "../c/raw.h"
#include "driver.h"
#include "first.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

/* The runtime's: what lies between is on the audio thread. */
void __rtsan_realtime_enter(void);
void __rtsan_realtime_exit(void);

/* Of each function; and the exit status of a process that is ended. */
enum { CALLS = 1000000, RUN_MS = 40000, VIOLATED = 43 };

static cast the_cast;
static tally the_tally;

static void *run_million(void *unused)
{
    const plan plan = {CALLS, RUN_MS, NULL, NULL, NULL};
    __rtsan_realtime_enter();
    driver_run(&the_cast, &the_tally, &plan);
    __rtsan_realtime_exit();
    return unused;
}

static void no_violation(void)
{
    pthread_t thread;
    cast_open(&the_cast, MIDISOCK_WAKE_TICK);
    check_start(&thread, run_million, NULL);
    check_join(thread);
    driver_check(&the_cast, &the_tally, "counted");
    cast_close(&the_cast);
}

/* Each function as the first call of a fresh thread, as of the process. */
#define FIRST(name)                                                                           \
    static void first_##name(void)                                                            \
    {                                                                                         \
        first_on_thread(first_call_##name, __rtsan_realtime_enter, __rtsan_realtime_exit);    \
    }
FIRST_CALLS(FIRST)

/* Runs what is not realtime in a process of its own, which must be ended. */
static void caught(void (*violate)(void))
{
    int status;
    fflush(stdout);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        violate();
        _exit(0);
    }
    CHECK_INT(child, waitpid(child, &status, 0));
    CHECK(WIFEXITED(status));
    CHECK_INT(VIOLATED, WEXITSTATUS(status));
    printf("# caught\n");
}

static void wait_in_realtime(void)
{
    midisock_port *port = check_listen(NULL);
    __rtsan_realtime_enter();
    midisock_wait(port, MIDISOCK_WAIT_MESSAGE, 1);
    __rtsan_realtime_exit();
}

static void make_pair_in_realtime(void)
{
    midisock_port *a;
    midisock_port *b;
    __rtsan_realtime_enter();
    midisock_pair(NULL, &a, &b);
    __rtsan_realtime_exit();
}

static void control_wait_is_caught(void)
{
    caught(wait_in_realtime);
}

static void control_pair_is_caught(void)
{
    caught(make_pair_in_realtime);
}

int main(int argc, char **argv)
{
    static const check_case TABLE[] = {
        CASE(no_violation),
#define FIRST_CASE(name) CASE(first_##name),
        FIRST_CALLS(FIRST_CASE)
        CASE(control_wait_is_caught),
        CASE(control_pair_is_caught),
    };
    return check_main(argc, argv, CASES(TABLE));
}
