/* The time from push to wire, and the wake-ups of the network thread, with simulated audio callbacks that push one
 * message a block, anywhere in the callback.
 *
 *   tick [--wake tick|signal] [--tick-us N] [--ports N] [--frames N] [--load-percent N] [--milliseconds N]
 *        [--rhythm 0|1] [--learn-ms N]
 *
 * With several ports their blocks have 64, 128, 256, 512 frames in turn. --rhythm 0: the callbacks do not call
 * midisock_begin_block or pop: the thread ticks. */
#define _GNU_SOURCE
#include "bench.h"

#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define MOST 200000
#define MOST_PORTS 64

typedef struct callback {
    midisock_port *port;
    uint64_t period_ns;
    double load;
    uint32_t frames;
    int rhythm;
    uint64_t blocks;
    uint64_t pushed_ns[1 << 14]; /* by number */
    unsigned next;
} callback;

static volatile int over;
static uint64_t began_ns, waits[MOST];
static size_t wait_count;
static callback callbacks[MOST_PORTS];
static int sockets[MOST_PORTS];

static void *run_callbacks(void *argument)
{
    callback *c = argument;
    uint64_t due = clock_ns(), random = 88172645463325252u + (uintptr_t)c;
    prctl(PR_SET_TIMERSLACK, 1000);
    while (!over) {
        midisock_block block = MIDISOCK_BLOCK_INIT;
        midisock_message message;
        due += c->period_ns;
        sleep_until(due);
        block.sample_rate = 48000.0;
        block.frames = c->frames;
        if (c->rhythm) {
            must(midisock_begin_block(c->port, &block), "begin_block");
            while (midisock_pop_block(c->port, &message) == MIDISOCK_OK)
                continue;
        }
        random ^= random << 13, random ^= random >> 7, random ^= random << 17;
        sleep_until(due + (uint64_t)(c->load * (double)c->period_ns * (double)(random >> 11) / 9007199254740992.0));
        {
            const uint8_t data[] = {0xf2, c->next & 127, c->next >> 7 & 127};
            c->pushed_ns[c->next & 16383] = clock_ns();
            must(midisock_push(c->port, data, sizeof data), "push");
            c->next++;
            c->blocks++;
        }
    }
    return NULL;
}

static void *receive(void *argument)
{
    struct pollfd fds[MOST_PORTS];
    size_t count = *(size_t *)argument, i;
    for (i = 0; i < count; i++)
        fds[i].fd = sockets[i], fds[i].events = POLLIN;
    while (!over && poll(fds, count, 100) >= 0) {
        for (i = 0; i < count; i++) {
            uint8_t data[300];
            ssize_t size, at;
            uint64_t now;
            if ((fds[i].revents & POLLIN) == 0 || (size = recv(fds[i].fd, data, sizeof data, 0)) <= 0)
                continue;
            now = clock_ns();
            /* Whole messages: so few bytes are not split on the loopback. */
            for (at = 0; at + 3 <= size; at += 3) {
                uint64_t pushed = callbacks[i].pushed_ns[data[at + 1] | data[at + 2] << 7];
                if (pushed > began_ns && wait_count < MOST)
                    waits[wait_count++] = now - pushed;
            }
        }
    }
    return NULL;
}

int main(int argc, char **argv)
{
    size_t ports = (size_t)option_number(argc, argv, "--ports", 1), i;
    uint64_t ms = option_number(argc, argv, "--milliseconds", 3000), cpu, blocks = 0;
    midisock_config config;
    midisock_stats before, after;
    pthread_t threads[MOST_PORTS], receiver;
    uint16_t number;
    int listener = tcp_listen(&number);

    configure(&config, option(argc, argv, "--wake", "tick"), 0);
    config.tick_us = (uint32_t)option_number(argc, argv, "--tick-us", 500);
    if (ports > MOST_PORTS)
        fail("too many ports");
    for (i = 0; i < ports; i++) {
        callback *c = &callbacks[i];
        c->frames = ports == 1 ? (uint32_t)option_number(argc, argv, "--frames", 128) : 64u << i % 4;
        c->period_ns = (uint64_t)(c->frames * 1e9 / 48000.0);
        c->load = (double)option_number(argc, argv, "--load-percent", 50) / 100.0;
        c->rhythm = option_number(argc, argv, "--rhythm", 1) != 0;
        must(midisock_connect("127.0.0.1", number, &config, &c->port), "connect");
        sockets[i] = tcp_accept(listener);
        must(midisock_wait_connected(c->port, 10000), "connect");
    }
    began_ns = UINT64_MAX;
    if (pthread_create(&receiver, NULL, receive, &ports) != 0)
        fail("no thread");
    for (i = 0; i < ports; i++)
        if (pthread_create(&threads[i], NULL, run_callbacks, &callbacks[i]) != 0)
            fail("no thread");
    pause_ns(option_number(argc, argv, "--learn-ms", 1000) * 1000000);
    for (i = 0; i < ports; i++)
        blocks -= callbacks[i].blocks;
    must(midisock_get_stats(callbacks[0].port, &before, sizeof before), "get_stats");
    cpu = cpu_ns();
    began_ns = clock_ns();
    pause_ns(ms * 1000000);
    must(midisock_get_stats(callbacks[0].port, &after, sizeof after), "get_stats");
    cpu = cpu_ns() - cpu;
    for (i = 0; i < ports; i++)
        blocks += callbacks[i].blocks;
    over = 1;
    for (i = 0; i < ports; i++)
        pthread_join(threads[i], NULL);
    pthread_join(receiver, NULL);
    if (wait_count == 0)
        fail("nothing came");
    printf("{\"blocks\": %llu, \"wakes_per_block\": %.3f, \"cpu_percent\": %.2f, \"late_ns\": %llu, ",
           (unsigned long long)blocks, (double)(after.network_wakes - before.network_wakes) / (double)blocks,
           (double)cpu / (double)ms / 1e4, (unsigned long long)after.network_late_ns);
    print_distribution("push_to_wire_ns", waits, wait_count);
    printf("}\n");
    for (i = 0; i < ports; i++) {
        midisock_close(callbacks[i].port);
        close(sockets[i]);
    }
    close(listener);
    return 0;
}
