/* Many clients on one server.
 *
 *   fan --mode in|out [--clients N] [--active N] [--rate N] [--milliseconds N]
 *
 * in: the active clients take turns to send 3-byte messages, at a total rate per second (0: as fast as possible). A
 * thread pops them and waits with midisock_wait. out: messages are pushed to every client at a rate per second (0: each
 * one when all clients have the previous one). The clients are bare sockets in a separate process. Prints the messages
 * that arrived per second, their cost in processor time of this process, and the share of a core used by the network
 * thread, the popping or pushing thread, and the clients: a full core is the limit.
 */
#define _POSIX_C_SOURCE 200809L
#include "bench.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#define STEP_NS 1000000u /* a rate is kept to in steps of so long */
#define MOST_PIECE 300u  /* bytes that a client sends at once */

static size_t clients, active;
static uint64_t rate, total;
static int *sockets;

static uint8_t *piece(void)
{
    static uint8_t bytes[MOST_PIECE];
    size_t i;
    for (i = 0; i < sizeof bytes; i += 3) {
        bytes[i] = 0x90;
        bytes[i + 1] = (uint8_t)(i / 3);
        bytes[i + 2] = 64;
    }
    return bytes;
}

/* How many are due by now. */
static uint64_t due(uint64_t begin)
{
    uint64_t passed = clock_ns() - begin, all = rate == 0 ? total : passed * rate / 1000000000u;
    return all < total ? all : total;
}

static void send_in(void)
{
    uint64_t sent = 0, begin = clock_ns();
    size_t client = 0;
    const uint8_t *bytes = piece();
    while (sent < total) {
        uint64_t until = due(begin);
        while (sent < until) {
            /* When there is much to send each client sends several at once; when there is little, one. */
            uint64_t share = (until - sent + active - 1) / active;
            uint64_t now = share < MOST_PIECE / 3 ? share : MOST_PIECE / 3;
            if (now > until - sent)
                now = until - sent;
            send_all(sockets[client], bytes, (size_t)now * 3);
            client = (client + 1) % active;
            sent += now;
        }
        if (sent < total)
            pause_ns(STEP_NS);
    }
}

static void read_all(void)
{
    static uint8_t buffer[65536];
    struct pollfd *set = calloc(clients, sizeof *set);
    uint64_t left = total * clients * 3;
    size_t i;
    if (set == NULL)
        fail("no memory");
    for (i = 0; i < clients; i++) {
        set[i].fd = sockets[i];
        set[i].events = POLLIN;
    }
    while (left > 0) {
        if (poll(set, (nfds_t)clients, 30000) <= 0)
            fail("nothing more comes: %llu bytes are missing", (unsigned long long)left);
        for (i = 0; i < clients; i++) {
            ssize_t came;
            if (set[i].revents == 0)
                continue;
            came = read(sockets[i], buffer, sizeof buffer);
            if (came <= 0)
                fail("the server has gone");
            left -= (uint64_t)came;
        }
    }
}

static void be_clients(uint16_t number, int go, int out)
{
    uint8_t byte;
    size_t i;
    for (i = 0; i < clients; i++)
        sockets[i] = tcp_connect(number);
    if (read(go, &byte, 1) != 1)
        _exit(1);
    if (out)
        read_all();
    else
        send_in();
    if (out && write(go, "", 1) != 1)
        _exit(1);
    while (read(go, &byte, 1) > 0) /* until the server has ended */
        ;
    _exit(0);
}

int main(int argc, char **argv)
{
    int out = strcmp(option(argc, argv, "--mode", "in"), "out") == 0, go[2], status;
    uint64_t ms = option_number(argc, argv, "--milliseconds", 1000), done = 0, began, cpu, own, theirs, passed;
    clockid_t clients_clock;
    midisock_config config;
    midisock_port *server;
    midisock_message message;
    struct rlimit files;
    uint8_t byte;
    pid_t child;

    clients = (size_t)option_number(argc, argv, "--clients", 10);
    active = (size_t)option_number(argc, argv, "--active", clients);
    rate = option_number(argc, argv, "--rate", 1000);
    /* At full speed a fixed number: about as long. */
    total = rate != 0 ? rate * ms / 1000 : ms * (out ? 20000 / clients + 1 : 10000);
    sockets = calloc(clients, sizeof *sockets);
    if (sockets == NULL || active == 0 || active > clients || total == 0)
        fail("nothing to measure");
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    configure(&config, "tick", 0);
    config.max_clients = (uint32_t)clients;
    config.overflow = MIDISOCK_OVERFLOW_WAIT;
    must(midisock_listen("127.0.0.1", 0, &config, &server), "listen");
    if (socket_pair(go) != 0)
        fail("no pair of sockets");
    fflush(stdout);
    child = fork();
    if (child == 0) {
        close(go[0]);
        be_clients(midisock_local_port(server), go[1], out);
    }
    close(go[1]);
    for (began = clock_ns(); midisock_client_count(server) != clients; pause_ns(1000000))
        if (clock_ns() - began > 30000000000u)
            fail("not all clients came");
    pause_ns(50000000); /* the connecting is over */
    if (clock_getcpuclockid(child, &clients_clock) != 0)
        fail("the clients' clock cannot be had");
    theirs = time_ns(clients_clock);
    own = time_ns(CLOCK_THREAD_CPUTIME_ID);
    cpu = cpu_ns();
    began = clock_ns();
    if (write(go[0], "", 1) != 1)
        fail("the clients have gone");
    while (done < total) {
        if (!out) {
            while (midisock_pop(server, &message) == MIDISOCK_OK)
                done++;
            if (done < total)
                must(midisock_wait(server, MIDISOCK_WAIT_MESSAGE, 30000), "wait");
            continue;
        }
        for (; done < due(began); done++) {
            const uint8_t note[3] = {0x90, 60, 64};
            midisock_result result;
            while ((result = midisock_push(server, note, sizeof note)) == MIDISOCK_ERR_FULL)
                must(midisock_wait(server, MIDISOCK_WAIT_ROOM, 30000), "wait");
            must(result, "push");
        }
        if (done < total)
            pause_ns(STEP_NS);
    }
    if (out && read(go[0], &byte, 1) != 1)
        fail("the clients have gone");
    passed = clock_ns() - began;
    cpu = cpu_ns() - cpu;
    own = time_ns(CLOCK_THREAD_CPUTIME_ID) - own;
    theirs = time_ns(clients_clock) - theirs;
    if (out)
        total *= clients;
    printf("{\"messages\": %llu, \"per_second\": %.1f, \"cpu_ns_per_message\": %.1f, \"network_percent\": %.2f, "
           "\"own_percent\": %.2f, \"clients_percent\": %.2f}\n",
           (unsigned long long)total, (double)total * 1e9 / (double)passed, (double)cpu / (double)total,
           100.0 * (double)(cpu - own) / (double)passed, 100.0 * (double)own / (double)passed,
           100.0 * (double)theirs / (double)passed);
    midisock_close(server);
    close(go[0]);
    if (waitpid(child, &status, 0) != child || status != 0)
        fail("the clients failed");
    return 0;
}
