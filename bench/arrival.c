/* From arrival to pop, with every processor busy: what an audio thread at SCHED_FIFO sees.
 *
 *   arrival [--busy 0|1] [--fifo 0|1] [--period-us N] [--count N] [--raw callback|network]
 *
 * A process sends a 3-byte message each half period. The audio thread wakes each period, as a callback does, and pops
 * all messages. busy: one counting thread per processor, at normal priority. Prints the times from send to arrival at
 * the network thread (message.time_ns), from arrival to pop (which includes the wait for the callback, up to a period),
 * and how late the audio thread woke. --raw: the latter of every callback, or the first of every message, one a line,
 * for bench/traces.
 */
#define _DEFAULT_SOURCE /* MAP_ANONYMOUS */
#include "bench.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static struct {
    midisock_port *port;
    uint64_t period;
    size_t count, wakes;
    int fifo, is_fifo;
    uint64_t *taken, *popped, *late;
} audio;

static void *callback(void *unused)
{
    size_t have = 0;
    uint64_t next;
    (void)unused;
    audio.is_fifo = audio.fifo && schedule_fifo();
    for (next = clock_ns() + audio.period; have < audio.count; next += audio.period) {
        midisock_message message;
        uint64_t now;
        sleep_until(next);
        now = clock_ns();
        if (audio.wakes < audio.count * 4)
            audio.late[audio.wakes++] = now - next;
        while (have < audio.count && midisock_pop(audio.port, &message) == MIDISOCK_OK) {
            audio.taken[have] = message.time_ns;
            audio.popped[have++] = clock_ns();
        }
    }
    return NULL;
}

int main(int argc, char **argv)
{
    uint64_t *sent, begin;
    size_t i;
    long processors = option_number(argc, argv, "--busy", 1) ? sysconf(_SC_NPROCESSORS_ONLN) : 0;
    pid_t busy[64], sender;
    midisock_config config;
    pthread_t thread;
    uint16_t number;
    int listener = tcp_listen(&number), status;
    const char *raw = option(argc, argv, "--raw", "");

    audio.count = (size_t)option_number(argc, argv, "--count", 2000);
    audio.period = option_number(argc, argv, "--period-us", 1333) * 1000;
    audio.fifo = (int)option_number(argc, argv, "--fifo", 1);
    audio.taken = calloc(audio.count, sizeof(uint64_t));
    audio.popped = calloc(audio.count, sizeof(uint64_t));
    audio.late = calloc(audio.count * 4, sizeof(uint64_t));
    sent = mmap(NULL, (audio.count + 1) * sizeof *sent, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (audio.taken == NULL || audio.popped == NULL || audio.late == NULL || sent == MAP_FAILED || audio.count == 0)
        fail("nothing to measure");
    fflush(stdout);
    sender = fork();
    if (sender == 0) {
        int socket = tcp_accept(listener);
        begin = clock_ns() + 50000000;
        for (i = 0; i < audio.count; i++) {
            uint8_t data[3] = {0x90, 0, 64};
            data[1] = (uint8_t)(i & 127);
            sleep_until(begin + i * audio.period / 2);
            sent[i] = clock_ns();
            send_all(socket, data, sizeof data);
        }
        receive_all(socket, (uint8_t *)&begin, 1); /* until the other side has gone */
        _exit(0);
    }
    if (processors > 64)
        processors = 64;
    for (i = 0; i < (size_t)processors; i++) {
        busy[i] = fork();
        if (busy[i] == 0)
            for (;;)
                ((volatile uint64_t *)sent)[audio.count]++;
    }
    configure(&config, "tick", 0);
    must(midisock_connect("127.0.0.1", number, &config, &audio.port), "connect");
    must(midisock_wait_connected(audio.port, 10000), "connect");
    if (pthread_create(&thread, NULL, callback, NULL) != 0)
        fail("no thread");
    pthread_join(thread, NULL);
    for (i = 0; i < (size_t)processors; i++)
        kill(busy[i], SIGKILL);
    must(midisock_push(audio.port, (const uint8_t *)"\xF8", 1), "push");
    must(midisock_flush(audio.port, 10000), "flush");
    midisock_close(audio.port);
    while (wait(&status) > 0)
        ;
    for (i = 0; i < audio.count; i++) {
        audio.popped[i] -= audio.taken[i];
        audio.taken[i] -= sent[i];
    }
    if (strcmp(raw, "") != 0) {
        const uint64_t *values = strcmp(raw, "network") == 0 ? audio.taken : audio.late;
        for (i = 0; i < audio.count; i++)
            printf("%llu\n", (unsigned long long)values[i]);
        return 0;
    }
    printf("{\"scheduled_fifo\": %s,\n ", audio.is_fifo ? "true" : "false");
    print_distribution("sent to taken", audio.taken, audio.count);
    printf(",\n ");
    print_distribution("taken to popped", audio.popped, audio.count);
    printf(",\n ");
    print_distribution("callback late", audio.late, audio.wakes);
    printf("}\n");
    return 0;
}
