/* A network that is late: passes one connection on to a port of this machine, and holds each piece up for a random time,
 * in order, both ways.
 *
 *   jitter --to PORT [--jitter-us N] [--stall-one-in N] [--stall-us N]
 *
 * Prints its own port. Ends with the connection. */
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
    int from, to;
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

int main(int argc, char **argv)
{
    uint16_t own = 0;
    int listener = tcp_listen(&own), i;
    prctl(PR_SET_TIMERSLACK, 1000);
    prctl(PR_SET_PDEATHSIG, 15);
    jitter_ns = option_number(argc, argv, "--jitter-us", 0) * 1000;
    stall_one_in = option_number(argc, argv, "--stall-one-in", 0);
    stall_ns = option_number(argc, argv, "--stall-us", 0) * 1000;
    printf("%u\n", (unsigned)own);
    fflush(stdout);
    flows[0].from = flows[1].to = tcp_accept(listener);
    flows[0].to = flows[1].from = tcp_connect((uint16_t)option_number(argc, argv, "--to", 0));
    for (;;) {
        struct pollfd sources[2];
        struct timespec wait = {1, 0};
        uint64_t now = clock_ns();
        for (i = 0; i < 2; i++) {
            struct flow *flow = &flows[i];
            while (flow->count > 0 && flow->pieces[flow->first].due <= now) {
                struct piece *piece = &flow->pieces[flow->first];
                /* The peer may have gone. */
                if (send(flow->to, piece->data, piece->size, MSG_NOSIGNAL) != (ssize_t)piece->size)
                    return 0;
                flow->first = (flow->first + 1) % PIECES;
                flow->count--;
            }
            if (flow->count > 0 && wait.tv_sec != 0)
                wait = (struct timespec){0, (long)(flow->pieces[flow->first].due - now)};
            else if (flow->count > 0 && (uint64_t)wait.tv_nsec > flow->pieces[flow->first].due - now)
                wait.tv_nsec = (long)(flow->pieces[flow->first].due - now);
            sources[i] = (struct pollfd){flow->from, flow->count < PIECES ? POLLIN : 0, 0};
        }
        if (wait.tv_nsec > 999999999)
            wait.tv_nsec = 999999999;
        ppoll(sources, 2, &wait, NULL);
        for (i = 0; i < 2; i++)
            if (sources[i].revents != 0 && !take(&flows[i])) {
                /* Messages that are under way still arrive. */
                while (flows[i].count > 0) {
                    struct piece *piece = &flows[i].pieces[flows[i].first];
                    sleep_until(piece->due);
                    send(flows[i].to, piece->data, piece->size, MSG_NOSIGNAL);
                    flows[i].first = (flows[i].first + 1) % PIECES;
                    flows[i].count--;
                }
                return 0;
            }
    }
}
