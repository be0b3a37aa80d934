/* The time that a push takes on its thread, and the time until a peer has the message.
 *
 *   push --sender tick|signal|send|liblo|other [--period-us N] [--count N] [--burst N] [--fifo 0|1]
 *
 * Each period the sending thread wakes, as an audio callback does, and sends a burst of 3-byte messages. The peer is a
 * thread that blocks in recv(2). tick, signal: midisock_push with that wake mode. send: send(2) on the sending thread.
 * liblo: lo_send over TCP, a MIDI argument to "/m". other: another process sends; this one prints its port, and
 * then only the time when each message was received. With --fifo the sending thread runs at SCHED_FIFO, if the system
 * permits it. Otherwise the thread that a message wakes may run before the call returns.
 *
 * No coordinated omission: a message is due when its period begins, or, if the thread was idle, when the timer woke it.
 * So the delay of a slow call counts for all messages that it delays. Prints the distributions of a call's duration and
 * of the time from due to received, with histograms.
 */
#define _POSIX_C_SOURCE 200809L
#include "bench.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#ifdef HAVE_LIBLO
#include <lo/lo.h>
#endif

static uint64_t *due, *arrived;
static size_t messages, message_bytes = 3;
static int receiving;

static void *receive(void *unused)
{
    size_t i = 0, have = 0;
    static uint8_t buffer[65536];
    (void)unused;
    while (i < messages) {
        ssize_t came = read(receiving, buffer, sizeof buffer);
        uint64_t now = clock_ns();
        if (came <= 0)
            fail("the sender has gone");
        for (have += (size_t)came; have >= message_bytes && i < messages; have -= message_bytes)
            arrived[i++] = now;
    }
    return NULL;
}

int main(int argc, char **argv)
{
    const char *sender = option(argc, argv, "--sender", "tick");
    uint64_t period = option_number(argc, argv, "--period-us", 2667) * 1000, begin, next;
    size_t count = (size_t)option_number(argc, argv, "--count", 1000), burst = (size_t)option_number(argc, argv, "--burst", 1);
    uint64_t *calls;
    size_t i, k, at = 0;
    uint16_t number;
    int listener = tcp_listen(&number), socket = -1;
    midisock_port *port = NULL;
    pthread_t receiver;
#ifdef HAVE_LIBLO
    lo_address address = NULL;
#endif

    messages = count * burst;
    due = calloc(messages, sizeof *due);
    arrived = calloc(messages, sizeof *arrived);
    calls = calloc(messages, sizeof *calls);
    if (due == NULL || arrived == NULL || calls == NULL || messages == 0)
        fail("nothing to measure");
    if (strcmp(sender, "other") == 0) {
        printf("%u\n", (unsigned)number);
        fflush(stdout);
        receiving = tcp_accept(listener);
        receive(NULL);
        printf("{\"arrived\": [");
        for (i = 0; i < messages; i++)
            printf("%s%llu", i > 0 ? ", " : "", (unsigned long long)arrived[i]);
        printf("]}\n");
        return 0;
    }
    if (strcmp(sender, "send") == 0) {
        socket = tcp_connect(number);
#ifdef HAVE_LIBLO
    } else if (strcmp(sender, "liblo") == 0) {
        char text[8];
        snprintf(text, sizeof text, "%u", (unsigned)number);
        address = lo_address_new_with_proto(LO_TCP, "127.0.0.1", text);
        lo_address_set_tcp_nodelay(address, 1);
        message_bytes = 4 + 12; /* length; "/m", ",m", the MIDI bytes */
        lo_send(address, "/m", "m", (uint8_t[4]){0, 0x90, 60, 64}); /* connects */
        messages++;
#endif
    } else {
        midisock_config config;
        if (strcmp(sender, "tick") != 0 && strcmp(sender, "signal") != 0)
            fail("no such sender: %s", sender);
        configure(&config, sender, 0);
        must(midisock_connect("127.0.0.1", number, &config, &port), "connect");
        must(midisock_wait_connected(port, 10000), "connect");
    }
    receiving = tcp_accept(listener);
#ifdef HAVE_LIBLO
    if (address != NULL) {
        uint8_t first[16];
        receive_all(receiving, first, sizeof first);
        messages--;
    }
#endif
    if (pthread_create(&receiver, NULL, receive, NULL) != 0)
        fail("no thread");
    pause_ns(20000000);
    if (option_number(argc, argv, "--fifo", 0) != 0)
        schedule_fifo();
    begin = clock_ns();
    for (i = 0; i < count; i++) {
        uint64_t now = clock_ns();
        next = begin + (i + 1) * period;
        if (now < next) {
            sleep_until(next);
            next = clock_ns();
        }
        for (k = 0; k < burst; k++, at++) {
            uint8_t data[4] = {0, 0x90, 0, 64};
            uint64_t before = clock_ns();
            data[2] = (uint8_t)(at & 127);
            due[at] = next;
            if (port != NULL)
                must(midisock_push(port, data + 1, 3), "push");
            else if (socket >= 0)
                send_all(socket, data + 1, 3);
#ifdef HAVE_LIBLO
            else if (lo_send(address, "/m", "m", data) < 0)
                fail("liblo: %s", lo_address_errstr(address));
#endif
            calls[at] = clock_ns() - before;
        }
    }
    pthread_join(receiver, NULL);
    for (i = 0; i < messages; i++)
        arrived[i] -= due[i];
    printf("{");
    print_distribution("call", calls, messages);
    printf(",\n ");
    print_distribution("to peer", arrived, messages);
    printf(",\n ");
    print_histogram("call histogram", calls, messages);
    printf(",\n ");
    print_histogram("to peer histogram", arrived, messages);
    printf("}\n");
    midisock_close(port);
    return 0;
}
