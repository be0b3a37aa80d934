/* Stream throughput: a process sends 3-byte messages as fast as it can, and this one receives them.
 *
 *   stream --target bare|connect|accepted|merged [--messages N] [--wake tick|signal] [--in-bytes N]
 *          [--pop spin|yield|wait] [--send-cpu N] [--net-cpu N] [--pop-cpu N]
 *
 * bare: recv(2) without use. Otherwise a port of the library that drops nothing; its messages are popped, and the sum of
 * their bytes is compared with what was sent.
 */
#define _POSIX_C_SOURCE 200809L
#include "bench.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define PIECE_MESSAGES 20000u /* sent by one call: 60,000 bytes */
#define RECEIVE_BYTES 65536u

static uint8_t piece[PIECE_MESSAGES * 3];

/* The sum of all bytes of the first `messages` messages. */
static uint64_t fill_piece(uint64_t messages)
{
    uint64_t i, whole = 0, rest = 0;
    for (i = 0; i < PIECE_MESSAGES; i++) {
        uint8_t *at = piece + 3 * i;
        at[0] = (uint8_t)(0x90 | (i & 15));
        at[1] = (uint8_t)(i & 127);
        at[2] = (uint8_t)((i >> 7) & 127);
        whole += (uint64_t)at[0] + at[1] + at[2];
        if (i < messages % PIECE_MESSAGES)
            rest += (uint64_t)at[0] + at[1] + at[2];
    }
    return messages / PIECE_MESSAGES * whole + rest;
}

static void sender(int socket, int go, uint64_t messages)
{
    uint8_t byte;
    if (read(go, &byte, 1) != 1)
        exit(1);
    for (; messages >= PIECE_MESSAGES; messages -= PIECE_MESSAGES)
        send_all(socket, piece, sizeof piece);
    send_all(socket, piece, (size_t)messages * 3);
    /* The receiver ends the connection, when it has all. */
    while (read(socket, &byte, 1) > 0)
        ;
    exit(0);
}

static uint64_t take_bare(int socket, uint64_t messages)
{
    static uint8_t buffer[RECEIVE_BYTES];
    uint64_t left = messages * 3;
    while (left > 0) {
        size_t want = left < sizeof buffer ? (size_t)left : sizeof buffer;
        ssize_t came = read(socket, buffer, want);
        if (came <= 0)
            fail("the sender has gone");
        left -= (uint64_t)came;
    }
    return 0;
}

enum pause { SPIN, YIELD, WAIT };

static uint64_t take_messages(midisock_port *port, uint64_t messages, enum pause pause, uint64_t *empty)
{
    uint64_t sum = 0, taken = 0;
    midisock_message message;
    while (taken < messages) {
        midisock_result result = midisock_pop(port, &message);
        if (result == MIDISOCK_OK) {
            if (message.size != 3)
                fail("a message of %lu bytes", (unsigned long)message.size);
            sum += (uint64_t)message.data[0] + message.data[1] + message.data[2];
            taken++;
        } else if (result == MIDISOCK_EMPTY) {
            ++*empty;
            if (pause == WAIT)
                must(midisock_wait(port, MIDISOCK_WAIT_MESSAGE, 30000), "wait");
            else if (pause == YIELD)
                sched_yield();
        } else {
            fail("pop: %s", midisock_strerror(result));
        }
    }
    return sum;
}

int main(int argc, char **argv)
{
    const char *target = option(argc, argv, "--target", "connect");
    const char *popping = option(argc, argv, "--pop", "spin");
    uint64_t messages = option_number(argc, argv, "--messages", 20000000);
    int send_cpu = atoi(option(argc, argv, "--send-cpu", "-1"));
    int net_cpu = atoi(option(argc, argv, "--net-cpu", "-1"));
    int pop_cpu = atoi(option(argc, argv, "--pop-cpu", "-1"));
    enum pause pause = strcmp(popping, "wait") == 0 ? WAIT : strcmp(popping, "yield") == 0 ? YIELD : SPIN;
    uint64_t expected = fill_piece(messages), sum, empty = 0, began, ended, cpu;
    int bare = strcmp(target, "bare") == 0, raw_listens = bare || strcmp(target, "connect") == 0;
    int go[2], told[2], listener = -1, socket = -1, status;
    uint16_t number = 0;
    midisock_port *server = NULL, *port = NULL;
    midisock_config config;
    pid_t child;

    if (pipe(go) != 0 || pipe(told) != 0)
        fail("no pipe");
    if (raw_listens)
        listener = tcp_listen(&number);
    fflush(stdout);
    child = fork();
    if (child < 0)
        fail("no process");
    if (child == 0) {
        pin(send_cpu);
        close(go[1]);
        if (!raw_listens && read(told[0], &number, sizeof number) != (ssize_t)sizeof number)
            exit(1);
        sender(raw_listens ? tcp_accept(listener) : tcp_connect(number), go[0], messages);
    }
    pin(net_cpu);
    configure(&config, option(argc, argv, "--wake", "tick"), option_number(argc, argv, "--in-bytes", 0));
    config.overflow = MIDISOCK_OVERFLOW_WAIT;
    if (bare) {
        socket = tcp_connect(number);
    } else if (raw_listens) {
        must(midisock_connect("127.0.0.1", number, &config, &port), "connect");
        must(midisock_wait_connected(port, 10000), "connect");
    } else {
        if (strcmp(target, "accepted") == 0)
            config.accept_mode = MIDISOCK_ACCEPT_MANUAL;
        else if (strcmp(target, "merged") != 0)
            fail("no such target: %s", target);
        must(midisock_listen("127.0.0.1", 0, &config, &server), "listen");
        number = midisock_local_port(server);
        if (write(told[1], &number, sizeof number) != (ssize_t)sizeof number)
            fail("no pipe");
        if (config.accept_mode == MIDISOCK_ACCEPT_MANUAL)
            must(midisock_accept(server, 10000, &port), "accept");
        else
            port = server;
    }
    pin(pop_cpu);

    cpu = cpu_ns();
    began = clock_ns();
    if (write(go[1], "", 1) != 1)
        fail("no pipe");
    sum = bare ? take_bare(socket, messages) : take_messages(port, messages, pause, &empty);
    ended = clock_ns();
    cpu = cpu_ns() - cpu;
    if (!bare && sum != expected)
        fail("the bytes that came are not those that were sent");

    if (port != server)
        midisock_close(port);
    midisock_close(server);
    if (bare)
        close(socket);
    if (waitpid(child, &status, 0) != child || status != 0)
        fail("the sender failed");
    printf("{\"messages\": %llu, \"seconds\": %.6f, \"million_per_second\": %.3f, \"receiver_cpu_ns_per_message\": %.3f, "
           "\"empty_pops\": %llu}\n",
           (unsigned long long)messages, (double)(ended - began) * 1e-9,
           (double)messages * 1e3 / (double)(ended - began), (double)cpu / (double)messages, (unsigned long long)empty);
    return 0;
}
