/* Round trips: sends one 3-byte message, waits for it to come back, sends the next.
 *
 *   roundtrip [--rounds N] [--batch N] [--pause-us N] [--cpu N] NAME=KIND:PORT[:PID] ...
 *
 * KIND is one of raw, midisock, osc. A server whose PID is given is stopped during the turns of others, so that its
 * idle work does not disturb them.
 *
 * raw: this side is a bare socket. midisock: it is a port of the library with MIDISOCK_WAKE_SIGNAL. osc: a bare socket
 * again, and the message is OSC's, a MIDI argument to "/m", for liblo. In each round every
 * target has a turn of one batch, so that a disturbance affects all. With a pause, each round trip begins that long
 * after the previous one has ended, on a machine that has gone idle.
 */
#define _POSIX_C_SOURCE 200809L
#include "bench.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#define MOST_TARGETS 16
#define WARM_UP 200                  /* round trips of each target that are not counted */
#define LONGEST_BATCH_NS 500000000u /* a batch ends after so long ... */
#define FEWEST 5                    /* ... and so many round trips */

struct target {
    char name[64];
    int socket;
    midisock_port *port; /* NULL: the bare socket */
    int osc;
    pid_t server;        /* 0: not told */
    uint64_t *times;     /* all of them */
    uint64_t *batch;     /* of the last batch */
    uint64_t *medians;   /* one for each batch */
    size_t count;
};

/* A target's server, if it is known, goes on or is stopped. */
static void let_run(const struct target *target, int run)
{
    if (target->server != 0 && kill(target->server, run ? SIGCONT : SIGSTOP) != 0)
        fail("%s: no process %ld", target->name, (long)target->server);
}

static void open_target(struct target *target, const char *text)
{
    const char *equals = strchr(text, '='), *colon = equals != NULL ? strchr(equals, ':') : NULL;
    char *end;
    uint16_t number;
    memset(target, 0, sizeof *target);
    if (colon == NULL || (size_t)(equals - text) >= sizeof target->name)
        fail("not NAME=KIND:PORT: %s", text);
    memcpy(target->name, text, (size_t)(equals - text));
    number = (uint16_t)strtoul(colon + 1, &end, 10);
    target->server = *end == ':' ? (pid_t)strtol(end + 1, NULL, 10) : 0;
    let_run(target, 1);
    if (strncmp(equals + 1, "midisock:", 9) == 0) {
        midisock_config config;
        configure(&config, "signal", 0);
        must(midisock_connect("127.0.0.1", number, &config, &target->port), "connect");
        must(midisock_wait_connected(target->port, 10000), "connect");
    } else {
        target->osc = strncmp(equals + 1, "osc:", 4) == 0;
        target->socket = tcp_connect(number);
    }
}

static void round_trip_osc(struct target *target, uint8_t note)
{
    uint8_t sent[16] = "\0\0\0\14/m\0\0,m\0\0", back[16];
    sent[13] = 0x90;
    sent[14] = note;
    sent[15] = 64;
    send_all(target->socket, sent, sizeof sent);
    receive_all(target->socket, back, sizeof back);
    if (memcmp(sent, back, sizeof sent) != 0)
        fail("%s: another message came back", target->name);
}

static void round_trip(struct target *target, uint8_t note)
{
    uint8_t sent[3] = {0x90, 0, 64}, back[3];
    sent[1] = note;
    if (target->osc) {
        round_trip_osc(target, note);
        return;
    }
    if (target->port == NULL) {
        send_all(target->socket, sent, sizeof sent);
        receive_all(target->socket, back, sizeof back);
    } else {
        midisock_message message;
        midisock_result result;
        must(midisock_push(target->port, sent, sizeof sent), "push");
        while ((result = midisock_pop(target->port, &message)) == MIDISOCK_EMPTY)
            must(midisock_wait(target->port, MIDISOCK_WAIT_MESSAGE, 10000), "wait");
        must(result, "pop");
        memcpy(back, message.data, sizeof back);
    }
    if (memcmp(sent, back, sizeof sent) != 0)
        fail("%s: another message came back", target->name);
}

/* A batch that takes too long ends early: a peer that waits 40 ms for each would have the others wait for minutes.
 * How many it had. */
static size_t run_batch(struct target *target, size_t batch, uint64_t pause)
{
    uint64_t until;
    size_t i;
    let_run(target, 1);
    until = clock_ns() + LONGEST_BATCH_NS;
    for (i = 0; i < batch && (i < FEWEST || clock_ns() < until); i++) {
        uint64_t began;
        if (pause != 0)
            pause_ns(pause);
        began = clock_ns();
        round_trip(target, (uint8_t)(i & 127));
        target->batch[i] = clock_ns() - began;
    }
    let_run(target, 0);
    memcpy(target->times + target->count, target->batch, i * sizeof *target->batch);
    target->count += i;
    return i;
}

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
    size_t rounds = (size_t)option_number(argc, argv, "--rounds", 20), batch = (size_t)option_number(argc, argv, "--batch", 500);
    uint64_t pause = option_number(argc, argv, "--pause-us", 0) * 1000, until;
    struct target targets[MOST_TARGETS];
    size_t count = 0, i, k, j;
    int at;
    if (option(argc, argv, "--cpu", NULL) != NULL)
        pin((int)option_number(argc, argv, "--cpu", 0));
    for (at = 1; at < argc; at++) {
        if (strncmp(argv[at], "--", 2) == 0) {
            at++;
            continue;
        }
        if (count == MOST_TARGETS)
            fail("too many targets");
        open_target(&targets[count], argv[at]);
        targets[count].times = malloc(rounds * batch * sizeof(uint64_t));
        targets[count].batch = malloc(batch * sizeof(uint64_t));
        targets[count].medians = malloc(rounds * sizeof(uint64_t));
        if (targets[count].times == NULL || targets[count].batch == NULL || targets[count].medians == NULL)
            fail("no memory");
        until = clock_ns() + LONGEST_BATCH_NS;
        for (j = 0; j < WARM_UP && clock_ns() < until; j++)
            round_trip(&targets[count], (uint8_t)(j & 127));
        let_run(&targets[count], 0);
        count++;
    }
    if (count == 0 || rounds == 0 || batch == 0)
        fail("nothing to measure");
    for (i = 0; i < rounds; i++) {
        for (k = 0; k < count; k++) {
            /* Every other round the other way round: nobody always follows the same one. */
            struct target *target = &targets[i % 2 == 0 ? k : count - 1 - k];
            size_t had = run_batch(target, batch, pause);
            qsort(target->batch, had, sizeof *target->batch, compare);
            target->medians[i] = target->batch[had / 2];
        }
    }
    printf("{");
    for (k = 0; k < count; k++) {
        char histogram[96];
        snprintf(histogram, sizeof histogram, "%.63s histogram", targets[k].name);
        print_distribution(targets[k].name, targets[k].times, targets[k].count);
        printf(",\n ");
        print_histogram(histogram, targets[k].times, targets[k].count);
        printf(", \"%s round medians\": [", targets[k].name);
        for (i = 0; i < rounds; i++)
            printf("%s%llu", i > 0 ? ", " : "", (unsigned long long)targets[k].medians[i]);
        printf("]%s", k + 1 < count ? ",\n " : "}\n");
        midisock_close(targets[k].port);
    }
    return 0;
}
