/*
 * No realtime function causes a page fault from the first call on: in the
 * queues, in other memory of a port, or in the library's code.
 *
 * The program is linked for immediate binding, because symbol look-up touches
 * pages of the dynamic linker. It touches its own pages and its stack before it
 * starts.
 */
#define _GNU_SOURCE /* RUSAGE_THREAD */
#include "../c/check.h"
#include "../c/raw.h"
#include "driver.h"
#include "first.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

static unsigned long faults(void)
{
    struct rusage usage;
    if (getrusage(RUSAGE_THREAD, &usage) != 0)
        check_fail(__FILE__, __LINE__, "getrusage failed");
    return (unsigned long)(usage.ru_minflt + usage.ru_majflt);
}

/* Touches the thread's stack as deep as any call may go, and the program's
 * own code and data. */
static void touch(void)
{
    extern char __executable_start[];
    extern char end[];
    volatile char stack[64 * 1024];
    long page = sysconf(_SC_PAGESIZE);
    for (size_t i = 0; i < sizeof stack; i += (size_t)page)
        stack[i] = 1;
    for (volatile char *at = __executable_start; at < end; at += page)
        (void)*at;
    /* Written once, or it would be copied at the first write. */
    extern char __data_start[];
    for (volatile char *at = __data_start; at < end; at += page)
        *at = *at;
}

enum { RUN_MS = 22000, QUEUE = 1 << 20, ROUNDS = 3 };

typedef struct test {
    void (*run)(struct test *test);
    midisock_port *port;
    midisock_port *other;
    unsigned long faults;
    uint64_t calls;
    uint64_t bytes;
} test;

static void *live(void *test_)
{
    test *test = test_;
    touch();
    (void)faults();
    test->run(test);
    return NULL;
}

static void run(test *test)
{
    pthread_t thread;
    check_start(&thread, live, test);
    check_join(thread);
    printf("# %lu faults in %llu calls, %llu bytes\n", test->faults,
           (unsigned long long)test->calls, (unsigned long long)test->bytes);
    fflush(stdout);
}

/* What goes out of one port and into the other, some times through the whole of its rings. */
static void go_one_way(test *test, midisock_port *from, midisock_port *to)
{
    uint8_t data[512];
    midisock_message message;
    memset(data, 1, sizeof data);
    data[0] = 0xf0;
    data[sizeof data - 1] = 0xf7;
    for (uint64_t bytes = 0; bytes < (uint64_t)ROUNDS * QUEUE;) {
        test->calls++;
        if (midisock_push(from, data, sizeof data) == MIDISOCK_OK) {
            bytes += sizeof data;
            test->bytes += sizeof data;
            continue;
        }
        while (midisock_pop(to, &message) == MIDISOCK_OK)
            test->calls++;
    }
}

/* Both ways, from the first call on. */
static void go_round(test *test)
{
    unsigned long before = faults();
    go_one_way(test, test->port, test->other);
    go_one_way(test, test->other, test->port);
    test->faults = faults() - before;
}

static midisock_config with_large_rings(void)
{
    midisock_config config;
    midisock_config_init(&config, sizeof config);
    config.in_queue_bytes = config.out_queue_bytes = QUEUE;
    return config;
}

static void whole_rings_of_a_pair(void)
{
    test test = {go_round, NULL, NULL, 0, 0, 0};
    midisock_config config = with_large_rings();
    CHECK_OK(midisock_pair(&config, &test.port, &test.other));
    run(&test);
    midisock_close(test.port);
    midisock_close(test.other);
    CHECK_INT(0, test.faults);
}

static void whole_rings_of_a_connection(void)
{
    test test = {go_round, NULL, NULL, 0, 0, 0};
    midisock_config config = with_large_rings();
    config.overflow = MIDISOCK_OVERFLOW_WAIT;
    midisock_port *server = check_listen(&config);
    test.other = server;
    test.port = check_connect(server, &config);
    run(&test);
    midisock_close(test.port);
    midisock_close(server);
    CHECK_INT(0, test.faults);
}

/* One whose queues the network thread made, and `midisock_accept` touched. */
static void whole_rings_of_an_accepted_port(void)
{
    test test = {go_round, NULL, NULL, 0, 0, 0};
    midisock_config config = with_large_rings();
    config.overflow = MIDISOCK_OVERFLOW_WAIT;
    config.accept_mode = MIDISOCK_ACCEPT_MANUAL;
    midisock_port *server = check_listen(&config);
    test.other = check_connect(server, &config);
    CHECK_OK(midisock_accept(server, DEADLINE_MS, &test.port));
    run(&test);
    midisock_close(test.port);
    midisock_close(test.other);
    midisock_close(server);
    CHECK_INT(0, test.faults);
}

/* Every function through every outcome. */
static cast the_cast;
static tally the_tally;

static void drive(test *test)
{
    /* The probe is a system call, and slow. */
    const plan each = {100000, RUN_MS, faults, NULL, NULL};
    const plan all = {1000000, RUN_MS, NULL, NULL, NULL};
    memset(&the_tally, 0, sizeof the_tally);
    driver_run(&the_cast, &the_tally, &each);
    unsigned long before = faults();
    driver_run(&the_cast, &the_tally, &all);
    test->faults = faults() - before;
    test->calls = the_tally.calls;
    for (int f = 0; f < FUNCTIONS; f++)
        test->faults += the_tally.violations[f];
}

static void none_in_any_function(void)
{
    test test = {drive, NULL, NULL, 0, 0, 0};
    cast_open(&the_cast, MIDISOCK_WAKE_TICK);
    run(&test);
    driver_check(&the_cast, &the_tally, "page faults");
    cast_close(&the_cast);
    CHECK_INT(0, test.faults);
}

/* Each function as the first call of a process: of one that has nothing but a
 * pair, so that no network thread has been there before to touch anything, and
 * of one that has connections. */
typedef struct act {
    int (*first)(const stage *stage);
    stage stage;
    int held;
    unsigned long faults;
} act;

static void *do_act(void *act_)
{
    act *act = act_;
    touch();
    unsigned long before = faults();
    before = faults();
    act->held = act->first(&act->stage);
    act->faults = faults() - before;
    return NULL;
}

static void on_stage(void (*open)(stage *stage), int (*first)(const stage *stage))
{
    act act;
    pthread_t thread;
    memset(&act, 0, sizeof act);
    act.first = first;
    open(&act.stage);
    check_start(&thread, do_act, &act);
    check_join(thread);
    printf("# %lu faults\n", act.faults);
    fflush(stdout);
    CHECK(act.held);
    CHECK_INT(0, act.faults);
    stage_close(&act.stage);
}

#define FIRST_OF_PAIR(name)                           \
    static void first_of_pair_##name(void)            \
    {                                                 \
        on_stage(stage_open_pair, first_call_##name); \
    }
FIRST_PAIR_CALLS(FIRST_OF_PAIR)

#define FIRST(name)                              \
    static void first_##name(void)               \
    {                                            \
        on_stage(stage_open, first_call_##name); \
    }
FIRST_CALLS(FIRST)

/* Control: pages that were only promised are seen. */
static void touch_new_pages(test *test)
{
    size_t size = 64 * 4096;
    volatile char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
                                 -1, 0);
    CHECK(memory != MAP_FAILED);
    unsigned long before = faults();
    for (size_t i = 0; i < size; i += 4096)
        memory[i] = 1;
    test->faults = faults() - before;
    munmap((void *)memory, size);
}

static void control_new_pages_are_caught(void)
{
    test test = {touch_new_pages, NULL, NULL, 0, 0, 0};
    run(&test);
    CHECK(test.faults > 0);
}

int main(int argc, char **argv)
{
    static const check_case TABLE[] = {
        CASE(whole_rings_of_a_pair),
        CASE(whole_rings_of_a_connection),
        CASE(whole_rings_of_an_accepted_port),
        CASE(none_in_any_function),
#define FIRST_OF_PAIR_CASE(name) CASE(first_of_pair_##name),
        FIRST_PAIR_CALLS(FIRST_OF_PAIR_CASE)
#define FIRST_CASE(name) CASE(first_##name),
        FIRST_CALLS(FIRST_CASE)
        CASE(control_new_pages_are_caught),
    };
    /* A page is a page: of a huge one a single touch would bring hundreds. */
    if (prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0) != 0)
        printf("# transparent huge pages cannot be turned off\n");
    return check_main(argc, argv, CASES(TABLE));
}
