/* Memory of ports and clients: the growth of this process, without the kernel's memory for the sockets.
 *
 *   memory [--ports N] [--clients N]
 *
 * Prints bytes for the first port (with the network thread), each further connected port, each idle client of a merged
 * server, and each client that has sent a message. Queues have their default sizes.
 */
#define _POSIX_C_SOURCE 200809L
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static void until(midisock_port *server, size_t clients, uint64_t messages)
{
    uint64_t began = clock_ns();
    for (;;) {
        midisock_stats stats;
        midisock_message message;
        while (midisock_pop(server, &message) == MIDISOCK_OK)
            ;
        must(midisock_get_stats(server, &stats, sizeof stats), "stats");
        if (midisock_client_count(server) == clients && stats.messages_in == messages)
            return;
        if (clock_ns() - began > 30000000000u)
            fail("the clients never came");
        pause_ns(1000000);
    }
}

int main(int argc, char **argv)
{
    size_t ports = (size_t)option_number(argc, argv, "--ports", 50), i;
    size_t clients = (size_t)option_number(argc, argv, "--clients", 500);
    midisock_port **port = calloc(ports + 1, sizeof(midisock_port *)), *server;
    int *sockets = calloc(ports + 1 + clients, sizeof *sockets), listener;
    midisock_config config;
    struct rlimit files;
    uint16_t number;
    double before, first, each, idle, sent;

    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    if (port == NULL || sockets == NULL || ports == 0 || clients == 0)
        fail("nothing to measure");
    listener = tcp_listen(&number);
    configure(&config, "tick", 0);
    before = own_bytes();
    for (i = 0; i <= ports; i++) {
        must(midisock_connect("127.0.0.1", number, &config, &port[i]), "connect");
        sockets[i] = tcp_accept(listener);
        must(midisock_wait_connected(port[i], 10000), "connect");
        if (i == 0)
            first = own_bytes() - before;
    }
    each = (own_bytes() - before - first) / (double)ports;
    config.max_clients = (uint32_t)clients;
    must(midisock_listen("127.0.0.1", 0, &config, &server), "listen");
    number = midisock_local_port(server);
    sockets[ports + 1] = tcp_connect(number);
    until(server, 1, 0);
    before = own_bytes();
    for (i = 1; i < clients; i++)
        sockets[ports + 1 + i] = tcp_connect(number);
    until(server, clients, 0);
    idle = (own_bytes() - before) / (double)(clients - 1);
    for (i = 0; i < clients; i++)
        send_all(sockets[ports + 1 + i], (const uint8_t *)"\x90\x3c\x40", 3);
    until(server, clients, clients);
    sent = (own_bytes() - before) / (double)(clients - 1);
    printf("{\"first port\": %.0f, \"each further port\": %.0f, \"each idle client\": %.0f, "
           "\"each client that has sent\": %.0f}\n", first, each, idle, sent);
    for (i = 0; i <= ports; i++)
        midisock_close(port[i]);
    midisock_close(server);
    return 0;
}
