/* Ports that share an address: what a message and a port cost.
 *
 *   share [--ports N] [--rounds N] [--alone 1]
 *
 * In: a client sends 3-byte messages, 100 at once, and every port pops all of them. Out: the ports take turns to push 100
 * messages and flush, and the client reads what comes. Prints the processor time for each message of the client, without
 * what sending and reading cost the client, and the bytes of each port but the first, without its in queue. --alone: one
 * server that does not share.
 */
#define _POSIX_C_SOURCE 200809L
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PIECE 100   /* messages that are sent at once */
#define ROUND 10000 /* messages that come in before all are popped */

static midisock_port **port;
static size_t ports;
static int client;

static void pop_round(void)
{
    uint64_t left = ROUND * ports;
    while (left > 0) {
        midisock_message message;
        size_t i;
        must(midisock_wait_any(port, ports, MIDISOCK_WAIT_MESSAGE, 30000, &i), "wait");
        for (i = 0; i < ports; i++)
            while (midisock_pop(port[i], &message) == MIDISOCK_OK)
                left--;
    }
}

/* Processor time of the library's threads and of popping, in ns for each message. */
static double cost_in(uint64_t rounds)
{
    uint64_t began = cpu_ns(), clients = 0, i, k;
    uint8_t piece[PIECE * 3];
    for (i = 0; i < PIECE; i++)
        memcpy(piece + 3 * i, "\xb0\x07\x40", 3);
    for (i = 0; i < rounds; i++) {
        uint64_t sending = time_ns(CLOCK_THREAD_CPUTIME_ID);
        for (k = 0; k < ROUND; k += PIECE)
            send_all(client, piece, sizeof piece);
        clients += time_ns(CLOCK_THREAD_CPUTIME_ID) - sending;
        pop_round();
    }
    return (double)(cpu_ns() - began - clients) / (double)(rounds * ROUND);
}

static double cost_out(uint64_t rounds)
{
    uint64_t began = cpu_ns(), clients = 0, i, k;
    uint8_t piece[PIECE * 3];
    for (i = 0; i < rounds * ROUND / PIECE; i++) {
        uint64_t reading;
        for (k = 0; k < PIECE; k++)
            must(midisock_push(port[i % ports], (const uint8_t *)"\xb0\x07\x40", 3), "push");
        must(midisock_flush(port[i % ports], 30000), "flush");
        reading = time_ns(CLOCK_THREAD_CPUTIME_ID);
        receive_all(client, piece, sizeof piece);
        clients += time_ns(CLOCK_THREAD_CPUTIME_ID) - reading;
    }
    return (double)(cpu_ns() - began - clients) / (double)(rounds * ROUND);
}

int main(int argc, char **argv)
{
    int alone = option_number(argc, argv, "--alone", 0) != 0, unused;
    uint64_t rounds = option_number(argc, argv, "--rounds", 100);
    midisock_config config;
    uint16_t number;
    double first = 0, bytes, in, out;
    size_t i;

    ports = (size_t)option_number(argc, argv, "--ports", 16);
    port = calloc(ports, sizeof(midisock_port *));
    if (port == NULL || ports == 0 || rounds == 0 || (alone && ports > 1))
        fail("nothing to measure");
    /* A number to share cannot be 0: one that was free just now. */
    unused = tcp_listen(&number);
    close(unused);
    configure(&config, "tick", 1u << 20);
    config.share = !alone;
    for (i = 0; i < ports; i++) {
        must(midisock_listen("127.0.0.1", number, &config, &port[i]), "listen");
        if (i == 0)
            first = own_bytes();
    }
    bytes = ports == 1 ? 0 : (own_bytes() - first) / (double)(ports - 1) - (double)config.in_queue_bytes;
    client = tcp_connect(number);
    for (i = 0; i < ports; i++)
        while (midisock_client_count(port[i]) != 1)
            pause_ns(1000000);
    in = cost_in(rounds);
    out = cost_out(rounds);
    printf("{\"ports\": %zu, \"in_ns\": %.1f, \"out_ns\": %.1f, \"bytes\": %.0f}\n", ports, in, out, bytes);
    for (i = 0; i < ports; i++)
        midisock_close(port[i]);
    free(port);
    return 0;
}
