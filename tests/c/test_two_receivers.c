/* Two receivers of one sender with one fixed latency play together. The monotonic clock of one is a day ahead, so that
 * nothing rests on a common clock. All three are processes of their own. */
#define _GNU_SOURCE
#include "clock.h"
#include "frames.h"
#include "relay.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MS UINT64_C(1000000)
#define SECOND (1000 * MS)
#define DAY_S 86400u
#define RATE 48000.0
#define FRAME_NS (1e9 / RATE)
#define LATENCY_NS (60 * MS)
enum { FRAMES = 128, NOTES = 200, RECEIVERS = 2 };

/* What a receiver heard, by its own clock less what that is ahead. */
typedef struct heard {
    uint64_t ahead_ns;
    uint64_t now_ns; /* what its own clock showed, all of it */
    double at_ns[NOTES];
    uint64_t time_ns[NOTES];
    uint32_t flags[NOTES];
    uint64_t bound_ns[NOTES];
    uint64_t late;
    unsigned got;
} heard;

/* What the processes share. */
typedef struct stage {
    heard heard[RECEIVERS];
    uint64_t before_ns[NOTES]; /* the sender pushed each note between these times */
    uint64_t after_ns[NOTES];
} stage;

static void play_blocks(midisock_port *port, heard *h)
{
    /* Blocks begin at the same times on both clocks: a day has a whole number of them. */
    uint64_t block = (uint64_t)((double)midisock_now_ns() / (FRAMES * FRAME_NS)) + 1;
    uint64_t until = midisock_now_ns() + 40 * SECOND;
    double bound_ns = 0;
    for (; h->got < NOTES; block++) {
        midisock_block b = MIDISOCK_BLOCK_INIT;
        b.sample_rate = RATE;
        b.frames = FRAMES;
        b.flags = MIDISOCK_BLOCK_DEVICE_TIME;
        b.start_ns = block * FRAMES * (SECOND / 1000) / 48;
        CHECK(b.start_ns < until);
        check_sleep_until(b.start_ns);
        CHECK_OK(midisock_begin_block(port, &b));
        /* The bound when a note came: it becomes smaller in the end. */
        double error_ns = (double)check_stats(port).clock_error_ns;
        bound_ns = error_ns > bound_ns ? error_ns : bound_ns * 0.999;
        midisock_message m;
        while (midisock_pop_block(port, &m) == MIDISOCK_OK) {
            CHECK_INT(h->got, m.data[1] | m.data[2] << 7);
            h->at_ns[h->got] = (double)(b.start_ns - h->ahead_ns) + m.frame * FRAME_NS;
            h->time_ns[h->got] = m.time_ns - h->ahead_ns;
            h->flags[h->got] = m.flags;
            h->bound_ns[h->got] = (uint64_t)bound_ns;
            h->got++;
        }
    }
    h->late = check_stats(port).late_in;
}

/* A receiver's process: takes its port from a pipe, tells when it is ready, and ends when it has heard all. */
static void receive(heard *h, int numbers, int ready)
{
    uint16_t number;
    CHECK(read(numbers, &number, sizeof number) == (ssize_t)sizeof number);
    h->now_ns = midisock_now_ns();
    midisock_config c = check_config();
    c.timing = MIDISOCK_TIMING_SENDER;
    c.latency_ns = LATENCY_NS;
    midisock_port *port = NULL;
    prctl(PR_SET_TIMERSLACK, 1000);
    CHECK_OK(midisock_connect("127.0.0.1", number, &c, &port));
    NOTIFIED_AT_LAST(port, MIDISOCK_NOTIFY_CLOCK_LOCKED);
    CHECK(write(ready, "r", 1) == 1);
    play_blocks(port, h);
    midisock_close(port);
    _exit(0);
}

static void send_notes(midisock_port *server, stage *s)
{
    for (unsigned i = 0; i < NOTES; i++) {
        /* In every part of a block. */
        check_sleep_until(midisock_now_ns() + 10 * MS + i * 7919 % 2667 * 1000);
        const uint8_t data[] = {0xf2, (uint8_t)(i & 127), (uint8_t)(i >> 7)};
        s->before_ns[i] = midisock_now_ns();
        CHECK_OK(midisock_push(server, data, sizeof data));
        s->after_ns[i] = midisock_now_ns();
    }
}

/* The time that a note came with is the true one, by the receiver's bound. */
static void check_times(const stage *s, const heard *h)
{
    for (unsigned i = 0; i < NOTES; i++) {
        if (h->flags[i] != MIDISOCK_FLAG_TIMED) {
            /* It was on its way for too long, because everything stood still. */
            CHECK(h->time_ns[i] > s->before_ns[i] + 1900 * MS);
            continue;
        }
        CHECK(h->time_ns[i] + h->bound_ns[i] + 1000 >= s->before_ns[i]);
        CHECK(h->time_ns[i] <= s->after_ns[i] + h->bound_ns[i] + 1000);
    }
}

static void compare(const stage *s)
{
    const heard *a = &s->heard[0], *b = &s->heard[1];
    uint64_t late = a->late + b->late;
    unsigned apart = 0;
    double worst_ns = 0, bound_ns = 0;
    for (unsigned i = 0; i < NOTES; i++) {
        double off_ns = a->at_ns[i] > b->at_ns[i] ? a->at_ns[i] - b->at_ns[i] : b->at_ns[i] - a->at_ns[i];
        double most_ns = (double)(a->bound_ns[i] + b->bound_ns[i]);
        if (a->flags[i] != MIDISOCK_FLAG_TIMED || b->flags[i] != MIDISOCK_FLAG_TIMED) {
            late++;
            apart++;
        } else if (off_ns > most_ns + FRAME_NS) { /* places are whole frames */
            apart++;
        } else {
            worst_ns = off_ns > worst_ns ? off_ns : worst_ns;
        }
        bound_ns = most_ns > bound_ns ? most_ns : bound_ns;
    }
    printf("# notes that were not late are %.1f frames apart at most; the bounds add up to %.1f; %u late\n",
           worst_ns / FRAME_NS, bound_ns / FRAME_NS, (unsigned)late);
    CHECK(apart <= late);
    CHECK(late < NOTES);
}

static void play(unsigned jitter_us)
{
    need_own_clock();
    stage *s = mmap(NULL, sizeof *s, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(s != MAP_FAILED);
    int numbers[RECEIVERS][2], ready[2];
    pid_t processes[RECEIVERS];
    relay *networks[RECEIVERS];
    CHECK(pipe(ready) == 0);
    for (unsigned i = 0; i < RECEIVERS; i++) {
        CHECK(pipe(numbers[i]) == 0);
        s->heard[i].ahead_ns = i * DAY_S * SECOND;
        fflush(stdout);
        processes[i] = fork_with_clock(i * DAY_S);
        if (processes[i] == 0)
            receive(&s->heard[i], numbers[i][0], ready[1]);
    }
    midisock_config c = check_config();
    c.wake = MIDISOCK_WAKE_SIGNAL;
    midisock_port *server = check_listen(&c);
    for (unsigned i = 0; i < RECEIVERS; i++) {
        relay_config bad = {0};
        bad.seed = 7 + i;
        bad.jitter_us = jitter_us;
        uint16_t number = 0;
        networks[i] = relay_start(midisock_local_port(server), &bad, &number);
        CHECK(write(numbers[i][1], &number, sizeof number) == (ssize_t)sizeof number);
    }
    close(ready[1]); /* so that a receiver that fails ends the wait */
    char byte;
    for (unsigned i = 0; i < RECEIVERS; i++)
        CHECK(read(ready[0], &byte, 1) == 1);
    uint64_t now_ns = midisock_now_ns();
    CHECK(s->heard[0].now_ns < now_ns && s->heard[1].now_ns > now_ns + (DAY_S - 100) * SECOND);
    send_notes(server, s);
    for (unsigned i = 0; i < RECEIVERS; i++) {
        int status = 0;
        CHECK(waitpid(processes[i], &status, 0) == processes[i]);
        CHECK_INT(0, status);
        check_times(s, &s->heard[i]);
    }
    compare(s);
    midisock_close(server);
    for (unsigned i = 0; i < RECEIVERS; i++) {
        relay_stop(networks[i]);
        close(numbers[i][0]);
        close(numbers[i][1]);
    }
    close(ready[0]);
    munmap(s, sizeof *s);
}

static void they_play_together(void)
{
    play(0);
}

static void they_play_together_through_a_network_that_jitters(void)
{
    play(20000);
}

int main(int argc, char **argv)
{
    static const check_case cases[] = {
        CASE(they_play_together),
        CASE(they_play_together_through_a_network_that_jitters),
    };
    return check_main(argc, argv, CASES(cases));
}
