/* The jitter of note spacing from one program's frame to another's, through real sockets, with simulated 48 kHz audio
 * callbacks of 128 frames in both processes.
 *
 *   spacing [--way frames|immediate] [--wake tick|signal] [--frames N] [--late-percent N] [--notes N]
 *           [--settle-blocks N] [--settle-notes N] [--timing arrival|sender] [--latency-us N]
 *           [--device-time 1] [--network PROGRAM --jitter-us N [--stall-one-in N --stall-us N]] [--fifo 1]
 *
 * The sender's callback plays notes at known frames. The receiver's callback reports the frame at which each arrived. A
 * callback begins late by up to late-percent of a block, evenly distributed.
 *   frames:    midisock_push_frame at the note's frame, midisock_pop_block at the frame it gives.
 *   immediate: midisock_push in the callback of the note's block, and at the beginning of the block that pops it.
 * With --network the messages go through that program, bench/jitter.c, which tells when each note arrived. The first notes
 * only let the latency settle, and are not measured.
 * With --fifo all threads run at SCHED_FIFO, where the system allows it, so that other programs disturb little.
 * Prints the distance of each note from the even line in frames: (receiver's frame - sender's frame), less the mean. */
#define _GNU_SOURCE
#include "bench.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define RATE 48000.0
#define MOST 16384
#define MOST_BLOCKS 131072
static uint32_t frames, settle_notes;
/* When each callback of the receiver began. */
static uint64_t called[MOST_BLOCKS], calls;
/* How many notes were late up to each one, and when each was popped. */
static uint64_t late[MOST], popped_ns[MOST];
static uint64_t late_percent, settle_blocks;
static int by_frame, tells_device_time;

static double block_ns(void)
{
    return frames * 1e9 / RATE;
}

/* Waits for the callback of a block; when it was due. */
static uint64_t next_callback(uint64_t begin, uint64_t block, uint64_t *random)
{
    uint64_t due = begin + (uint64_t)((double)block * block_ns());
    *random ^= *random << 13, *random ^= *random >> 7, *random ^= *random << 17;
    sleep_until(due + (uint64_t)(block_ns() * (double)(*random % 1000) / 1000.0 * (double)late_percent / 100.0));
    return due;
}

static void begin_block(midisock_port *port, uint64_t due)
{
    midisock_block block = MIDISOCK_BLOCK_INIT;
    if (tells_device_time) {
        block.flags = MIDISOCK_BLOCK_DEVICE_TIME;
        block.start_ns = due;
    }
    block.sample_rate = RATE;
    block.frames = frames;
    must(midisock_begin_block(port, &block), "begin_block");
}

/* The frame of a note, counted from the beginning: they come unevenly, in every part of a block. */
static uint64_t note_frame(uint32_t number)
{
    return settle_blocks * frames + (uint64_t)number * 611 + number * 7919 % 256;
}

static void send_notes(uint16_t number, midisock_config *config, uint64_t begin, uint32_t notes)
{
    midisock_port *port;
    uint64_t random = 88172645463325252u, block;
    uint32_t next = 0;
    config->push_latency_ns = by_frame ? MIDISOCK_LATENCY_AUTO : 0;
    must(midisock_connect("127.0.0.1", number, config, &port), "connect");
    must(midisock_wait_connected(port, 10000), "connect");
    for (block = 0; next < notes; block++) {
        begin_block(port, next_callback(begin, block, &random));
        /* As an instrument that sends Active Sensing: after a second without a push a port is idle, and its next one is late. */
        if (by_frame && block < settle_blocks && block % 100 == 0) {
            const uint8_t sensing = 0xfe;
            must(midisock_push_frame(port, 0, &sensing, 1), "push_frame");
        }
        for (; next < notes && note_frame(next) < (block + 1) * frames; next++) {
            const uint8_t data[] = {0xf2, (uint8_t)(next & 127), (uint8_t)(next >> 7 & 127)};
            if (by_frame)
                must(midisock_push_frame(port, (uint32_t)(note_frame(next) - block * frames), data, 3), "push_frame");
            else
                must(midisock_push(port, data, 3), "push");
        }
        /* As a callback does, it also looks for what came. */
        {
            midisock_message message;
            while (midisock_pop(port, &message) == MIDISOCK_OK)
                continue;
        }
    }
    must(midisock_flush(port, 10000), "flush");
    pause_ns(50000000); /* what is scheduled */
    midisock_close(port);
}

static uint64_t late_so_far(const midisock_port *port)
{
    midisock_stats stats;
    must(midisock_get_stats(port, &stats, sizeof stats), "stats");
    return stats.late_in;
}

static void receive_notes(midisock_port *port, uint64_t begin, uint32_t notes, double *there)
{
    uint64_t random = 1181783497276652981u, block;
    uint32_t have = 0;
    uint64_t deadline = clock_ns() + 120000000000u;
    for (block = 0; have < notes; block++) {
        midisock_message message;
        uint64_t due = next_callback(begin, block, &random);
        if (block == MOST_BLOCKS)
            fail("it takes too long");
        called[calls++] = clock_ns();
        begin_block(port, due);
        while ((by_frame ? midisock_pop_block(port, &message) : midisock_pop(port, &message)) == MIDISOCK_OK) {
            uint32_t number;
            if (message.size == 1)
                continue; /* Active Sensing */
            number = message.data[1] | (uint32_t)message.data[2] << 7;
            if (number != have)
                fail("note %u instead of %u", (unsigned)number, (unsigned)have);
            popped_ns[have] = clock_ns();
            late[have] = late_so_far(port);
            there[have++] = (double)(block * frames) + (by_frame ? message.frame : 0);
        }
        if (clock_ns() > deadline)
            fail("%u notes of %u", (unsigned)have, (unsigned)notes);
    }
}

/* Starts a network on the way to a port, and puts its own port in that one's place. */
static FILE *through(int argc, char **argv, const char *program, uint16_t *number)
{
    char command[1024];
    unsigned own;
    FILE *relay;
    snprintf(command, sizeof command, "exec '%s' --to %u --jitter-us %s --stall-one-in %s --stall-us %s --log 1", program,
             (unsigned)*number, option(argc, argv, "--jitter-us", "0"), option(argc, argv, "--stall-one-in", "0"),
             option(argc, argv, "--stall-us", "0"));
    relay = popen(command, "r");
    if (relay == NULL || fscanf(relay, "%u", &own) != 1)
        fail("no network");
    *number = (uint16_t)own;
    return relay;
}

/* The least fixed latency with which no note would have been late, also before the measurement, in ms. The network tells when each
 * arrived. A note is in time if the callback of the block that it belongs to begins after its arrival. */
static double least_latency_ms(FILE *relay, uint64_t begin)
{
    double least = 0.0, push_latency = block_ns();
    unsigned long number, at;
    uint64_t block = 0;
    while (fscanf(relay, "%lu %lu", &number, &at) == 2) {
        double meant = (double)begin + (double)note_frame((uint32_t)number) * 1e9 / RATE + push_latency;
        while (block < calls && called[block] < at)
            block++;
        least = fmax(least, (double)begin + (double)block * block_ns() - meant);
    }
    return least / 1e6;
}

/* What is measured of how far notes are off, in frames. */
static void print_offs(const double *off, uint32_t count)
{
    double mean = 0.0, squares = 0.0, worst = 0.0, spacing = 0.0, low = off[0], high = off[0];
    uint32_t i;
    for (i = 0; i < count; i++)
        mean += off[i] / count;
    for (i = 0; i < count; i++) {
        squares += (off[i] - mean) * (off[i] - mean);
        worst = fmax(worst, fabs(off[i] - mean));
        low = fmin(low, off[i]);
        high = fmax(high, off[i]);
        if (i > 0)
            spacing += (off[i] - off[i - 1]) * (off[i] - off[i - 1]);
    }
    printf("\"delay\": %.1f, \"deviation\": %.3f, \"spacing\": %.3f, \"spread\": %.0f, \"worst\": %.1f, \"off\": [", mean,
           sqrt(squares / count), sqrt(spacing / (count - 1)), high - low, worst);
    for (i = 0; i < count; i++)
        printf("%s%.0f", i ? ", " : "", off[i] - floor(mean));
    printf("]");
}

/* Prints when each note was pushed and popped, in µs since the beginning, and which notes were late. */
static void print_ways(uint64_t begin, uint32_t notes)
{
    const char *separator = "";
    uint32_t i;
    printf(", \"under_way_us\": [");
    for (i = settle_notes; i < notes; i++, separator = ", ")
        printf("%s[%.0f, %.0f]", separator, (double)(note_frame(i) / frames) * block_ns() / 1e3,
               (double)(popped_ns[i] - begin) / 1e3);
    printf("], \"late_notes\": [");
    for (i = settle_notes, separator = ""; i < notes; i++) {
        if (late[i] == (i > 0 ? late[i - 1] : 0))
            continue;
        printf("%s%u", separator, (unsigned)(i - settle_notes));
        separator = ", ";
    }
    printf("], \"begin_ns\": %llu", (unsigned long long)begin);
}

int main(int argc, char **argv)
{
    static double there[MOST], off[MOST];
    uint32_t notes = (uint32_t)option_number(argc, argv, "--notes", 1000), i;
    uint64_t latency_us = option_number(argc, argv, "--latency-us", 0);
    const char *network = option(argc, argv, "--network", NULL);
    FILE *relay = NULL;
    midisock_stats stats;
    const char *way = option(argc, argv, "--way", "frames");
    midisock_config config;
    midisock_port *port;
    struct {
        uint64_t begin;
        uint16_t number;
    } start;
    pid_t sender;
    int status, told[2];

    memset(&start, 0, sizeof start);
    frames = (uint32_t)option_number(argc, argv, "--frames", 128);
    late_percent = option_number(argc, argv, "--late-percent", 50);
    by_frame = strcmp(way, "frames") == 0;
    tells_device_time = option_number(argc, argv, "--device-time", 0) != 0;
    settle_notes = (uint32_t)option_number(argc, argv, "--settle-notes", 0);
    notes += settle_notes;
    if (notes > MOST)
        fail("too many notes");
    prctl(PR_SET_TIMERSLACK, 1000);
    if (option_number(argc, argv, "--fifo", 0))
        (void)schedule_fifo(); /* the other threads and processes inherit it */
    settle_blocks = option_number(argc, argv, "--settle-blocks", 2000);
    configure(&config, option(argc, argv, "--wake", "tick"), 0);
    if (option_number(argc, argv, "--fifo", 0))
        config.realtime_priority = 40; /* below the callbacks */
    if (strcmp(option(argc, argv, "--timing", "arrival"), "sender") == 0)
        config.timing = MIDISOCK_TIMING_SENDER;
    /* Before the library has a thread in this process. */
    if (pipe(told) != 0)
        fail("no pipe");
    sender = fork();
    if (sender < 0)
        fail("no process");
    if (sender == 0) {
        if (read(told[0], &start, sizeof start) != (ssize_t)sizeof start)
            fail("told nothing");
        send_notes(start.number, &config, start.begin, notes);
        return 0;
    }
    config.latency_ns = latency_us != 0 ? latency_us * 1000 : by_frame ? MIDISOCK_LATENCY_AUTO : 0;
    must(midisock_listen("127.0.0.1", 0, &config, &port), "listen");
    start.number = midisock_local_port(port);
    if (network != NULL)
        relay = through(argc, argv, network, &start.number);
    start.begin = clock_ns() + 100000000;
    if (write(told[1], &start, sizeof start) != (ssize_t)sizeof start)
        fail("cannot tell");
    receive_notes(port, start.begin, notes, there);
    if (waitpid(sender, &status, 0) != sender || status != 0)
        fail("the sender failed");
    for (i = settle_notes; i < notes; i++)
        off[i] = there[i] - (double)note_frame(i);
    must(midisock_get_stats(port, &stats, sizeof stats), "stats");
    printf("{");
    print_offs(off + settle_notes, notes - settle_notes);
    print_ways(start.begin, notes);
    printf(", \"late\": %u, \"timed\": %u, \"latency_ms\": %.2f, \"bound_us\": %.1f, \"least_ms\": %.2f}\n",
           (unsigned)(late[notes - 1] - (settle_notes > 0 ? late[settle_notes - 1] : 0)), (unsigned)stats.timed_in,
           (double)stats.latency_ns / 1e6, (double)stats.clock_error_ns / 1e3, relay != NULL ? least_latency_ms(relay, start.begin) : 0.0);
    midisock_close(port);
    if (relay != NULL)
        pclose(relay);
    return 0;
}
