/* The cost of idle connections: processor time of this process while nothing is sent.
 *
 *   idle --wake tick|signal [--links N] [--milliseconds N]
 */
#define _POSIX_C_SOURCE 200809L
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

static long switches(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_nvcsw;
}

int main(int argc, char **argv)
{
    const char *wake = option(argc, argv, "--wake", "tick");
    size_t links = (size_t)option_number(argc, argv, "--links", 1), i;
    uint64_t ms = option_number(argc, argv, "--milliseconds", 3000), began, cpu, passed;
    midisock_port **ports = calloc(links + 1, sizeof *ports);
    midisock_config config;
    uint16_t number;
    int listener = tcp_listen(&number), end[2];
    long turns;
    pid_t child;

    if (ports == NULL || pipe(end) != 0)
        fail("no memory or no pipe");
    child = fork();
    if (child < 0)
        fail("no process");
    if (child == 0) { /* the peer of all of them, until this process closes the pipe */
        char byte;
        close(end[1]);
        for (i = 0; i < links; i++)
            tcp_accept(listener);
        exit(read(end[0], &byte, 1) == 0 ? 0 : 1);
    }
    configure(&config, wake, 4096);
    config.out_queue_bytes = 4096;
    for (i = 0; i < links; i++)
        must(midisock_connect("127.0.0.1", number, &config, &ports[i]), "connect");
    for (i = 0; i < links; i++)
        must(midisock_wait_connected(ports[i], 10000), "connect");
    /* The connecting is over, and the network thread has backed off, as it does after a second without a push. */
    pause_ns(1500000000);
    cpu = cpu_ns();
    turns = switches();
    began = clock_ns();
    pause_ns(ms * 1000000);
    passed = clock_ns() - began;
    cpu = cpu_ns() - cpu;
    turns = switches() - turns;
    printf("{\"seconds\": %.3f, \"cpu_percent\": %.4f, \"wakes_per_second\": %.1f}\n", (double)passed * 1e-9,
           100.0 * (double)cpu / (double)passed, (double)(turns - 1) * 1e9 / (double)passed);
    for (i = 0; i < links; i++)
        midisock_close(ports[i]);
    close(end[1]);
    waitpid(child, NULL, 0);
    free(ports);
    return 0;
}
