/* A network that is late: passes one connection on to a port of this machine, and holds each piece up for a random time,
 * in order, both ways.
 *
 *   jitter --to PORT [--jitter-us N] [--stall-one-in N] [--stall-us N] [--log 1]
 *
 * Prints its own port. Ends with the connection. With --log it prints then, for each Song Position that it passed on, the
 * position and the time: spacing.c numbers its notes like that. */
#define _GNU_SOURCE
#include "bench.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PIECES = 8192, BYTES = 256 };

struct piece {
    uint64_t due;
    size_t size;
    uint8_t data[BYTES];
};

struct flow {
    int from, to, is_over;
    uint64_t last;
    size_t first, count;
    struct piece pieces[PIECES];
};

static struct flow flows[2];
static uint64_t jitter_ns, stall_one_in, stall_ns, random_state = 88172645463325252u;

static uint64_t below(uint64_t bound)
{
    random_state ^= random_state << 13, random_state ^= random_state >> 7, random_state ^= random_state << 17;
    return bound == 0 ? 0 : random_state % bound;
}

/* What was passed on to the server, and when. */
static uint64_t passed_at[16384];
static uint32_t passed[16384], passed_count;

static void note_passed(const struct piece *piece)
{
    /* A Song Position may be in two pieces. */
    static uint8_t message[3];
    static size_t have;
    size_t i;
    for (i = 0; i < piece->size; i++) {
        if (piece->data[i] == 0xf2)
            have = 0;
        else if (have == 0 || piece->data[i] > 127)
            continue;
        message[have++] = piece->data[i];
        if (have == 3 && passed_count < 16384) {
            passed_at[passed_count] = clock_ns();
            passed[passed_count++] = message[1] | (uint32_t)message[2] << 7;
        }
        have %= 3;
    }
}

static void pass(struct flow *flow)
{
    struct piece *piece = &flow->pieces[flow->first];
    if (flow == &flows[0])
        note_passed(piece);
    /* The peer may have gone. */
    if (send(flow->to, piece->data, piece->size, MSG_NOSIGNAL) != (ssize_t)piece->size)
        flow->is_over = 1;
    flow->first = (flow->first + 1) % PIECES;
    flow->count--;
}

/* Messages that are under way still arrive. */
static void finish(struct flow *flow)
{
    while (flow->count > 0 && !flow->is_over) {
        sleep_until(flow->pieces[flow->first].due);
        pass(flow);
    }
}

/* Whether the connection goes on. */
static int take(struct flow *flow)
{
    struct piece *piece = &flow->pieces[(flow->first + flow->count) % PIECES];
    ssize_t size = recv(flow->from, piece->data, BYTES, 0);
    if (size <= 0)
        return 0;
    piece->size = (size_t)size;
    piece->due = clock_ns() + below(jitter_ns + 1);
    if (piece->due < flow->last)
        piece->due = flow->last;
    if (stall_one_in != 0 && below(stall_one_in) == 0)
        piece->due += stall_ns;
    flow->last = piece->due;
    flow->count++;
    return 1;
}

/* Passes on what is due, and waits for more. Whether the connection goes on. */
static int relay(void)
{
    struct pollfd sources[2];
    uint64_t now = clock_ns(), wake = now + 1000000000u;
    struct timespec wait = {0, 999999999};
    int i;
    for (i = 0; i < 2; i++) {
        struct flow *flow = &flows[i];
        while (flow->count > 0 && flow->pieces[flow->first].due <= now)
            pass(flow);
        if (flow->is_over)
            return 0;
        if (flow->count > 0 && flow->pieces[flow->first].due < wake)
            wake = flow->pieces[flow->first].due;
        sources[i] = (struct pollfd){flow->from, flow->count < PIECES ? POLLIN : 0, 0};
    }
    if (wake - now < 999999999)
        wait.tv_nsec = (long)(wake - now);
    ppoll(sources, 2, &wait, NULL);
    for (i = 0; i < 2; i++)
        if (sources[i].revents != 0 && !take(&flows[i]))
            return 0;
    return 1;
}

int main(int argc, char **argv)
{
    uint16_t own = 0;
    uint32_t i;
    int listener = tcp_listen(&own), logs = option_number(argc, argv, "--log", 0) != 0;
    prctl(PR_SET_TIMERSLACK, 1000);
    prctl(PR_SET_PDEATHSIG, 15);
    jitter_ns = option_number(argc, argv, "--jitter-us", 0) * 1000;
    stall_one_in = option_number(argc, argv, "--stall-one-in", 0);
    stall_ns = option_number(argc, argv, "--stall-us", 0) * 1000;
    printf("%u\n", (unsigned)own);
    fflush(stdout);
    flows[0].from = flows[1].to = tcp_accept(listener);
    flows[0].to = flows[1].from = tcp_connect((uint16_t)option_number(argc, argv, "--to", 0));
    while (relay())
        continue;
    finish(&flows[0]);
    finish(&flows[1]);
    shutdown(flows[0].to, SHUT_RDWR);
    shutdown(flows[1].to, SHUT_RDWR);
    for (i = 0; logs && i < passed_count; i++)
        printf("%u %llu\n", (unsigned)passed[i], (unsigned long long)passed_at[i]);
    return 0;
}
