/*
 * Wait-freedom: no realtime function ever waits for another thread.
 *
 * On one processor a thread at SCHED_FIFO makes the calls, and the network
 * thread runs at normal priority. So the network thread cannot run during a
 * call. A call that needed it would hang, or wait until the kernel lets other
 * threads run for a moment, after most of a second. The network thread's
 * processor time before and after each call shows whether it ran. That does
 * not depend on the speed or load of the machine. The times of the calls are
 * printed, but not checked.
 */
#define _GNU_SOURCE /* CPU affinity */
#include "../c/check.h"
#include "../c/raw.h"
#include "driver.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { CALLS = 20000, RUN_MS = 40000, AUDIO_PRIORITY = 50, LOAD_PRIORITY = 40 };

/* bench/peers: crossbeam's ArrayQueue. */
typedef struct slot {
    uint64_t time_ns;
    uint32_t client;
    uint32_t size;
    uint8_t bytes[8];
} slot;
void *array_queue_8_new(size_t slots);
int array_queue_8_push(const void *queue, uint64_t time_ns, uint32_t client, const uint8_t *data,
                     size_t size);
int array_queue_8_pop(const void *queue, slot *out);

static cpu_set_t everywhere;
static int the_cpu;

static uint64_t now_ns(void)
{
    return midisock_now_ns();
}

static void sleep_ns(long ns)
{
    const struct timespec time = {0, ns};
    nanosleep(&time, NULL);
}

/* Where the audio thread and what must not hold it up run. */
static void choose_cpu(void)
{
    if (sched_getaffinity(0, sizeof everywhere, &everywhere) != 0)
        check_fail(__FILE__, __LINE__, "sched_getaffinity: %s", strerror(errno));
    for (the_cpu = 0; !CPU_ISSET(the_cpu, &everywhere); the_cpu++)
        continue;
}

static void run_there(void)
{
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(the_cpu, &one);
    if (sched_setaffinity(0, sizeof one, &one) != 0)
        check_fail(__FILE__, __LINE__, "sched_setaffinity: %s", strerror(errno));
}

static void run_everywhere(void)
{
    CHECK_INT(0, sched_setaffinity(0, sizeof everywhere, &everywhere));
}

static int be_fifo(int priority)
{
    struct sched_param parameters;
    memset(&parameters, 0, sizeof parameters);
    parameters.sched_priority = priority;
    return pthread_setschedparam(pthread_self(), SCHED_FIFO, &parameters);
}

static void *try_fifo(void *result)
{
    *(int *)result = be_fifo(AUDIO_PRIORITY);
    return NULL;
}

static void need_fifo(void)
{
    pthread_t thread;
    int result = 0;
    check_start(&thread, try_fifo, &result);
    check_join(thread);
    if (result != 0)
        check_skip("this user may not use SCHED_FIFO (as root it may)");
    choose_cpu();
}

/* The processor time of a thread of this process. */
static clockid_t clock_of(pid_t thread)
{
    return (clockid_t)(~(unsigned)thread << 3 | 6);
}

static clockid_t watched;

static unsigned long watched_ns(void)
{
    struct timespec time;
    if (clock_gettime(watched, &time) != 0)
        check_fail(__FILE__, __LINE__, "the clock of the thread cannot be read");
    return (unsigned long)time.tv_sec * 1000000000u + (unsigned long)time.tv_nsec;
}

/* Starts the network thread where the audio thread will be, and watches it. */
static midisock_port *start_network_thread(void)
{
    run_there();
    midisock_port *port = check_listen(NULL);
    run_everywhere();
    watched = clock_of(check_network_thread());
    return port;
}

static void check_where(pid_t thread)
{
    cpu_set_t where;
    CHECK_INT(0, sched_getaffinity(thread, sizeof where, &where));
    CHECK_INT(1, CPU_COUNT(&where));
    CHECK(CPU_ISSET(the_cpu, &where));
}

/* Peers that send as much as is taken, for ever or for a while at a time. */
typedef struct flood {
    pthread_t thread;
    uint16_t port;
    uint64_t life_ms; /* 0: as long as the test */
    int stop;
} flood;

static int flood_stopped(const flood *flood)
{
    return __atomic_load_n(&flood->stop, __ATOMIC_ACQUIRE);
}

static void *pour(void *flood_)
{
    flood *flood = flood_;
    uint8_t data[49152];
    for (size_t i = 0; i < sizeof data; i += 3)
        memcpy(data + i, (const uint8_t[]){0xb0, 7, 7}, 3);
    while (!flood_stopped(flood)) {
        int fd = raw_connect(flood->port);
        const struct timeval soon = {0, 50000};
        CHECK_INT(0, setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &soon, sizeof soon));
        uint64_t until = flood->life_ms == 0 ? UINT64_MAX : check_now_ms() + flood->life_ms;
        size_t at = 0;
        while (!flood_stopped(flood) && check_now_ms() < until) {
            ssize_t sent = send(fd, data + at, sizeof data - at, MSG_NOSIGNAL);
            if (sent > 0)
                at = (at + (size_t)sent) % sizeof data;
        }
        raw_close(fd);
        for (int i = 0; i < 30; i++)
            check_pause();
    }
    return NULL;
}

static cast the_cast;
static tally the_tally;

/* Of any length: the network thread is stopped at any point of what it does. */
static void let_others_run(void)
{
    static uint32_t random = 99;
    static uint64_t since;
    uint64_t now = now_ns();
    /* At least half of the time, or the kernel would stop this thread. */
    uint64_t worked = since == 0 ? 0 : now - since;
    sleep_ns((long)(50000 + check_random(&random) % 100000 + (worked < 900000000 ? worked : 0)));
    since = now_ns();
}

static void *drive(void *unused)
{
    const plan plan = {CALLS, RUN_MS, watched_ns, now_ns, let_others_run};
    run_there();
    CHECK_INT(0, be_fifo(AUDIO_PRIORITY));
    driver_run(&the_cast, &the_tally, &plan);
    return unused;
}

static void saturated(uint32_t wake)
{
    enum { FLOODS = 2 };
    flood floods[FLOODS];
    pthread_t audio;
    need_fifo();
    midisock_port *first = start_network_thread();
    cast_open(&the_cast, wake);
    /* One for a port that nobody pops from, so that there is never a moment
     * without work, and one for a port that the audio thread uses. */
    memset(floods, 0, sizeof floods);
    floods[0].port = midisock_local_port(first);
    floods[1].port = midisock_local_port(the_cast.ports[SERVER]);
    floods[1].life_ms = 200;
    for (int i = 0; i < FLOODS; i++)
        check_start(&floods[i].thread, pour, &floods[i]);
    uint64_t began = now_ns();
    unsigned long before = watched_ns();
    check_start(&audio, drive, NULL);
    check_join(audio);
    /* Or nothing was shown: it did run, and only where the audio thread does. */
    CHECK(watched_ns() > before);
    check_where(check_network_thread());
    printf("# the network thread had %.0f %% of the processor\n",
           100.0 * (double)(watched_ns() - before) / (double)(now_ns() - began));
    driver_check(&the_cast, &the_tally, "ns of the network thread's");
    for (int i = 0; i < FLOODS; i++) {
        __atomic_store_n(&floods[i].stop, 1, __ATOMIC_RELEASE);
        check_join(floods[i].thread);
    }
    cast_close(&the_cast);
    midisock_close(first);
    for (int f = 0; f < FUNCTIONS; f++)
        if (the_tally.violations[f] != 0)
            check_fail(__FILE__, __LINE__, "%s waited: the network thread ran for %lu ns in one call",
                       driver_name((function)f), the_tally.worst[f]);
}

static void nothing_waits_for_a_saturated_network_thread(void)
{
    saturated(MIDISOCK_WAKE_TICK);
}

/* Signalling is a write to the network thread, which must not wait for it. */
static void nothing_waits_for_a_saturated_network_thread_with_signals(void)
{
    saturated(MIDISOCK_WAKE_SIGNAL);
}

/* A load that lets nobody of a lower priority run, in spells that are shorter
 * than what the kernel allows. */
typedef struct load {
    int spell; /* wanted; atomic */
    int running;
    int stop;
} load;

static void *weigh(void *load_)
{
    load *load = load_;
    run_there();
    CHECK_INT(0, be_fifo(LOAD_PRIORITY));
    while (!__atomic_load_n(&load->stop, __ATOMIC_ACQUIRE)) {
        if (!__atomic_load_n(&load->spell, __ATOMIC_ACQUIRE)) {
            sleep_ns(1000000);
            continue;
        }
        __atomic_store_n(&load->running, 1, __ATOMIC_RELEASE);
        uint64_t until = now_ns() + 400000000;
        while (__atomic_load_n(&load->spell, __ATOMIC_ACQUIRE) && now_ns() < until)
            continue;
        __atomic_store_n(&load->spell, 0, __ATOMIC_RELEASE);
        __atomic_store_n(&load->running, 0, __ATOMIC_RELEASE);
    }
    return NULL;
}

typedef struct starving {
    load load;
    uint64_t calls;
    unsigned spells;
    unsigned not_starved;
    unsigned waited; /* calls, all of a port taken together, in which the network thread ran */
    midisock_result flushed;
} starving;

/* All functions, from a fixed script: the driver would wait for outcomes that
 * only the network thread brings. */
static uint64_t call_all(midisock_port *port)
{
    static uint8_t large[16384];
    midisock_message message;
    midisock_stats stats;
    midisock_block block;
    uint64_t calls = 0;
    memset(large, 1, sizeof large);
    large[0] = 0xf0;
    large[sizeof large - 1] = 0xf7;
    memset(&block, 0, sizeof block);
    block.struct_size = sizeof block;
    block.sample_rate = 48000;
    block.frames = 64;
    midisock_begin_block(port, &block);
    for (int i = 0; i < 100; i++) {
        midisock_push(port, BYTES(0x90, 60, 64));
        midisock_push_frame(port, 3, BYTES(0x80, 60, 64));
        midisock_pop(port, &message);
        midisock_pop_block(port, &message);
        calls += 4;
    }
    memset(&message, 0, sizeof message);
    message.data = large;
    message.size = sizeof large;
    midisock_push_message(port, &message);
    midisock_skip(port);
    midisock_panic(port);
    midisock_reset(port);
    midisock_cancel(port);
    (void)midisock_state(port);
    (void)midisock_client_count(port);
    (void)midisock_local_port(port);
    midisock_get_stats(port, &stats, sizeof stats);
    (void)midisock_strerror(MIDISOCK_OK);
    (void)midisock_version();
    (void)midisock_version_string();
    (void)midisock_now_ns();
    return calls + 14;
}

/* Makes 40,000 calls in each of so many spells in which the network thread
 * gets no time: they come back all the same. */
static void *call_while_starved(void *starving_)
{
    enum { SPELLS = 5, CALLS_OF_A_SPELL = 40000 };
    starving *s = starving_;
    run_there();
    CHECK_INT(0, be_fifo(AUDIO_PRIORITY));
    while (s->spells < SPELLS && s->not_starved < 50) {
        __atomic_store_n(&s->load.spell, 1, __ATOMIC_RELEASE);
        while (!__atomic_load_n(&s->load.running, __ATOMIC_ACQUIRE))
            sleep_ns(500000);
        unsigned long before = watched_ns();
        uint64_t until = s->calls + CALLS_OF_A_SPELL;
        while (s->calls < until) {
            for (role role = 0; role < ROLES; role++) {
                /* A spell that is over lets it run; one that ends while a
                 * call waits does not excuse it. */
                int in_spell = __atomic_load_n(&s->load.running, __ATOMIC_ACQUIRE);
                unsigned long ran = watched_ns();
                s->calls += call_all(the_cast.ports[role]);
                s->waited += in_spell && watched_ns() != ran;
            }
            /* In its sleep it is the load that runs. */
            sleep_ns(20000);
        }
        /* What does need the network thread gets nothing from it. */
        midisock_push(the_cast.ports[STEADY], BYTES(0xf8));
        s->flushed = midisock_flush(the_cast.ports[STEADY], 5);
        if (__atomic_load_n(&s->load.running, __ATOMIC_ACQUIRE) && watched_ns() == before)
            s->spells++;
        else
            s->not_starved++; /* a slow machine: the spell was over too soon */
        __atomic_store_n(&s->load.spell, 0, __ATOMIC_RELEASE);
        sleep_ns(300000000);
    }
    return NULL;
}

static void starved(uint32_t wake)
{
    starving starving;
    pthread_t audio;
    pthread_t weighing;
    need_fifo();
    memset(&starving, 0, sizeof starving);
    midisock_port *first = start_network_thread();
    cast_open(&the_cast, wake);
    check_start(&weighing, weigh, &starving.load);
    check_start(&audio, call_while_starved, &starving);
    check_join(audio);
    __atomic_store_n(&starving.load.stop, 1, __ATOMIC_RELEASE);
    check_join(weighing);
    printf("# %llu calls; %u spells in which the network thread had no time at all, %u others\n",
           (unsigned long long)starving.calls, starving.spells, starving.not_starved);
    fflush(stdout);
    cast_close(&the_cast);
    midisock_close(first);
    CHECK(starving.spells > 0);
    CHECK_INT(0, starving.waited);
    CHECK_RESULT(MIDISOCK_ERR_TIMEOUT, starving.flushed);
}

static void nothing_waits_for_a_starved_network_thread(void)
{
    starved(MIDISOCK_WAKE_TICK);
}

static void nothing_waits_for_a_starved_network_thread_with_signals(void)
{
    starved(MIDISOCK_WAKE_SIGNAL);
}

/* The same with a queue alone: one thread at normal priority puts in as fast
 * as it can, the audio thread takes out every now and then. */
typedef struct contest {
    int (*push)(void *queue, const uint8_t *data, size_t size);
    int (*pop)(void *queue);
    void *in;
    void *out;
    int until_stalled;
    int stop;
    pid_t pusher;
    uint64_t turns;
    uint64_t pops;
    uint64_t stalls;
    uint64_t longest_ns;
} contest;

static void *keep_pushing(void *contest_)
{
    contest *c = contest_;
    static const uint8_t NOTE[] = {0x90, 60, 64};
    run_there();
    __atomic_store_n(&c->pusher, (pid_t)syscall(SYS_gettid), __ATOMIC_RELEASE);
    while (!__atomic_load_n(&c->stop, __ATOMIC_RELAXED))
        c->push(c->in, NOTE, sizeof NOTE);
    return NULL;
}

static void *pop_now_and_then(void *contest_)
{
    enum { TURNS = 5000 };
    contest *c = contest_;
    uint32_t random = 7;
    uint64_t deadline = now_ns() + 25ull * 1000000000;
    run_there();
    CHECK_INT(0, be_fifo(AUDIO_PRIORITY));
    while (c->until_stalled ? c->stalls == 0 && now_ns() < deadline : c->turns < TURNS) {
        int found = 1;
        for (int i = 0; i < 100000 && found; i++) {
            unsigned long before = watched_ns();
            uint64_t began = now_ns();
            found = c->pop(c->out);
            uint64_t ns = now_ns() - began;
            c->stalls += watched_ns() != before;
            c->pops += (uint64_t)found;
            if (ns > c->longest_ns)
                c->longest_ns = ns;
        }
        c->turns++;
        /* So short that the queue is never full: whoever pushes is in the midst of it. */
        sleep_ns(1000 + check_random(&random) % 8000);
    }
    __atomic_store_n(&c->stop, 1, __ATOMIC_RELEASE);
    return NULL;
}

static void hold(contest *c, const char *name)
{
    pthread_t pushing;
    pthread_t audio;
    check_start(&pushing, keep_pushing, c);
    CHECK_SOON(__atomic_load_n(&c->pusher, __ATOMIC_ACQUIRE) != 0);
    watched = clock_of(c->pusher);
    check_start(&audio, pop_now_and_then, c);
    check_join(audio);
    check_join(pushing);
    printf("# %s: %llu pops in %llu turns, of which %llu waited for the pushing thread; "
           "the longest took %.1f us\n",
           name, (unsigned long long)c->pops, (unsigned long long)c->turns,
           (unsigned long long)c->stalls, (double)c->longest_ns / 1000);
    fflush(stdout);
    CHECK(c->pops > 1000);
}

static int push_port(void *port, const uint8_t *data, size_t size)
{
    return midisock_push(port, data, size) == MIDISOCK_OK;
}

static int pop_port(void *port)
{
    midisock_message message;
    return midisock_pop(port, &message) == MIDISOCK_OK;
}

static int push_array_queue(void *queue, const uint8_t *data, size_t size)
{
    return array_queue_8_push(queue, 0, 0, data, size) == 0;
}

static int pop_array_queue(void *queue)
{
    slot out;
    return array_queue_8_pop(queue, &out) == 0;
}

static void pop_never_waits_for_push(void)
{
    contest c;
    midisock_port *a;
    midisock_port *b;
    midisock_config config = check_config();
    need_fifo();
    config.in_queue_bytes = config.out_queue_bytes = 65536;
    CHECK_OK(midisock_pair(&config, &a, &b));
    memset(&c, 0, sizeof c);
    c.push = push_port;
    c.pop = pop_port;
    c.in = a;
    c.out = b;
    hold(&c, "midisock");
    midisock_close(a);
    midisock_close(b);
    CHECK_INT(0, c.stalls);
}

static void control_array_queue_waits(void)
{
    contest c;
    need_fifo();
    memset(&c, 0, sizeof c);
    c.push = push_array_queue;
    c.pop = pop_array_queue;
    c.in = c.out = array_queue_8_new(4096); /* as many messages as 65536 bytes take */
    c.until_stalled = 1;
    hold(&c, "ArrayQueue");
    CHECK(c.stalls > 0);
}

int main(int argc, char **argv)
{
    static const check_case TABLE[] = {
        CASE(nothing_waits_for_a_saturated_network_thread),
        CASE(nothing_waits_for_a_saturated_network_thread_with_signals),
        CASE(nothing_waits_for_a_starved_network_thread),
        CASE(nothing_waits_for_a_starved_network_thread_with_signals),
        CASE(pop_never_waits_for_push),
        CASE(control_array_queue_waits),
    };
    return check_main(argc, argv, CASES(TABLE));
}
