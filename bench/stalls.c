/* When the machine stands still: a thread on each processor, at the highest realtime priority, wakes every half millisecond.
 *
 *   stalls [--least-us N]
 *
 * Prints each wake that was late by least-us or more: when it was due and when it came, in ns of clock_ns(). Ends with its
 * standard input. Only an interrupt or the host of a virtual machine can delay such a thread. */
#define _GNU_SOURCE
#include "bench.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#define EVERY_NS 500000u
static uint64_t least_ns;

static void *watch(void *processor)
{
    struct sched_param highest = {0};
    uint64_t due = clock_ns();
    pin((int)(intptr_t)processor);
    highest.sched_priority = sched_get_priority_max(SCHED_FIFO);
    if (pthread_setschedparam(pthread_self(), SCHED_FIFO, &highest) != 0)
        fail("no realtime priority");
    prctl(PR_SET_TIMERSLACK, 1000);
    for (;;) {
        uint64_t came;
        due += EVERY_NS;
        sleep_until(due);
        came = clock_ns();
        if (came - due < least_ns)
            continue;
        printf("%llu %llu\n", (unsigned long long)due, (unsigned long long)came);
        fflush(stdout);
        due = came;
    }
    return NULL;
}

int main(int argc, char **argv)
{
    long processors = sysconf(_SC_NPROCESSORS_ONLN), i;
    char byte;
    least_ns = option_number(argc, argv, "--least-us", 1000) * 1000;
    (void)mlockall(MCL_CURRENT);
    for (i = 0; i < processors; i++) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, watch, (void *)(intptr_t)i) != 0)
            fail("no thread");
    }
    while (read(0, &byte, 1) > 0)
        continue;
    return 0;
}
