/* Sender time from one audio thread to another through a network that delays: each note is at its frame, or counted
 * as late. All links are played by the same two threads, side by side. */
#define _GNU_SOURCE
#include "frames.h"
#include "relay.h"

#include <sched.h>
#include <stdio.h>
#include <string.h>
#if defined(__linux__)
#include <sys/prctl.h>
#endif

#define MS UINT64_C(1000000)
#define RATE 48000.0
#define LATENCY_NS (30 * MS)
/* The library's estimate of the callbacks' times takes this many blocks to forget one that was later than this. */
#define CALM_NS (MS / 5)
#define CALM_BLOCKS 300
enum { FRAMES = 128, EVERY = 1000, NOTES = 280, LATENCY_FRAMES = 1440, LINKS = 7 };

/* What a link shows. */
enum {
    MEASURED, /* as most hosts do: the library estimates the times of the callbacks */
    DEVICE,   /* the device tells the times of the blocks, so that late threads move nothing */
};

typedef struct way {
    const char *name;
    int times;
    uint32_t timing;
    unsigned jitter_us;
    unsigned stall_one_in;
} way;

static const way WAYS[LINKS] = {
    {"0 ms", DEVICE, MIDISOCK_TIMING_SENDER, 0, 0},
    {"0 to 5 ms", DEVICE, MIDISOCK_TIMING_SENDER, 5000, 0},
    {"0 to 20 ms", DEVICE, MIDISOCK_TIMING_SENDER, 20000, 0},
    {"0 to 2 ms, stalls of 100 ms", DEVICE, MIDISOCK_TIMING_SENDER, 2000, 40},
    {"0 to 2 ms, measured callbacks", MEASURED, MIDISOCK_TIMING_SENDER, 2000, 0},
    {"0 to 20 ms, measured callbacks", MEASURED, MIDISOCK_TIMING_SENDER, 20000, 0},
    {"0 to 20 ms, by arrival", MEASURED, MIDISOCK_TIMING_ARRIVAL, 20000, 0},
};

typedef struct bond {
    midisock_port *client, *server;
    relay *network;
    unsigned got;
    double bound; /* the present one, which the latest messages may have had before it was better */
    double frame[NOTES];
    uint32_t flags[NOTES];
    double within[NOTES]; /* how far the time may be off, in frames, by the bound at that time */
    uint8_t at_start[NOTES]; /* at the beginning of a block: perhaps late */
} bond;

typedef struct run {
    bond bonds[LINKS];
    uint64_t begin_ns;
    uint64_t settle; /* blocks before the first note */
    uint64_t blocks;
    uint64_t late_ns[2];        /* how late the two threads woke at most */
    unsigned calm[2];           /* blocks since one woke too late for an estimate that is exact */
    uint8_t was_calm[2][NOTES]; /* when the note was pushed, and popped */
} run;

static uint64_t block_ns(uint64_t block)
{
    return (uint64_t)((double)block * FRAMES * 1e9 / RATE);
}

/* Waits for the callback of a block, and begins it on a port of each link. */
static void begin_blocks(run *r, uint64_t block, int receives)
{
    uint64_t due = r->begin_ns + block_ns(block);
    check_sleep_until(due);
    uint64_t late = midisock_now_ns() - due;
    if (late > r->late_ns[receives])
        r->late_ns[receives] = late;
    r->calm[receives] = late < CALM_NS ? r->calm[receives] + 1 : 0;
    for (int i = 0; i < LINKS; i++) {
        midisock_block b = MIDISOCK_BLOCK_INIT;
        b.sample_rate = RATE;
        b.frames = FRAMES;
        if (WAYS[i].times == DEVICE) {
            b.flags = MIDISOCK_BLOCK_DEVICE_TIME;
            b.start_ns = due;
        }
        CHECK_OK(midisock_begin_block(receives ? r->bonds[i].server : r->bonds[i].client, &b));
    }
}

/* By default Linux may wake a thread 50 us late. */
static void sharpen_timers(void)
{
#if defined(__linux__)
    prctl(PR_SET_TIMERSLACK, 1000);
#endif
}

static void *send_notes(void *argument)
{
    run *r = argument;
    uint64_t next = 0;
    sharpen_timers();
    for (uint64_t block = 0; block < r->blocks; block++) {
        begin_blocks(r, block, 0);
        for (; next < NOTES && (r->settle * FRAMES + next * EVERY) / FRAMES <= block; next++) {
            uint32_t frame = (uint32_t)((r->settle * FRAMES + next * EVERY) % FRAMES);
            const uint8_t data[] = {0xf2, (uint8_t)(next & 127), (uint8_t)(next >> 7)};
            r->was_calm[0][next] = r->calm[0] >= CALM_BLOCKS;
            for (int i = 0; i < LINKS; i++)
                CHECK_OK(midisock_push_frame(r->bonds[i].client, frame, data, sizeof data));
        }
    }
    return NULL;
}

static void *receive_notes(void *argument)
{
    run *r = argument;
    sharpen_timers();
    unsigned all = 0;
    for (uint64_t block = 0; block < r->blocks || all < LINKS * NOTES; block++) {
        begin_blocks(r, block, 1);
        /* Far beyond the last note. */
        CHECK(block < r->blocks + 10000);
        for (int i = 0; i < LINKS; i++) {
            bond *b = &r->bonds[i];
            midisock_message m;
            /* The bound when the note came: it becomes smaller in the end. */
            double error = (double)check_stats(b->server).clock_error_ns * RATE / 1e9;
            b->bound = error > b->bound ? error : b->bound * 0.999;
            while (midisock_pop_block(b->server, &m) == MIDISOCK_OK) {
                unsigned note = (unsigned)(m.data[1] | m.data[2] << 7);
                /* Callbacks that catch up after a long pause have estimates that go back, and so do their notes. */
                if (WAYS[i].times == DEVICE)
                    CHECK_INT(b->got, note);
                CHECK(note < NOTES);
                b->flags[note] = m.flags;
                b->within[note] = b->bound + 1;
                b->at_start[note] = m.frame == 0;
                r->was_calm[1][note] = r->calm[1] >= CALM_BLOCKS;
                /* Where it should be is 0. */
                b->frame[note] = (double)block * FRAMES + m.frame - (double)r->settle * FRAMES - note * (double)EVERY;
                b->got++;
                all++;
            }
        }
    }
    return NULL;
}

typedef struct figures {
    double mean, least, most;
    double all;    /* the standard deviation of the distances between notes */
    double judged; /* the same of those that neither a late note nor a late thread changes */
    double worst;  /* and how far one of these is off */
    unsigned steps;
    unsigned timed;
    unsigned off; /* notes that are off their place */
} figures;

static double root(double square)
{
    double x = square > 1 ? square : 1;
    for (int i = 0; i < 60; i++)
        x = (x + square / x) / 2;
    return x;
}

static figures figures_of(const run *r, int link)
{
    const bond *b = &r->bonds[link];
    figures f = {0, 1e9, -1e9, 0, 0, 0, 0, 0, 0};
    int last = 0;
    for (unsigned i = 0; i < NOTES; i++) {
        f.mean += b->frame[i] / NOTES;
        f.least = b->frame[i] < f.least ? b->frame[i] : f.least;
        f.most = b->frame[i] > f.most ? b->frame[i] : f.most;
        f.timed += b->flags[i] == MIDISOCK_FLAG_TIMED;
        double off = b->frame[i] - LATENCY_FRAMES;
        if (b->flags[i] == MIDISOCK_FLAG_TIMED)
            f.off += off > b->within[i] || off < -b->within[i];
        int is_calm = WAYS[link].times == DEVICE || (r->was_calm[0][i] && r->was_calm[1][i]);
        int now = is_calm && !b->at_start[i] && b->flags[i] == b->flags[0];
        if (i > 0) {
            double step = b->frame[i] - b->frame[i - 1];
            f.all += step * step;
            if (last && now) {
                f.judged += step * step;
                f.steps++;
                step = step < 0 ? -step : step;
                f.worst = step > f.worst ? step : f.worst;
            }
        }
        last = now;
    }
    f.all = root(f.all / (NOTES - 1));
    f.judged = f.steps ? root(f.judged / f.steps) : 0;
    return f;
}

static void open_links(run *r)
{
    for (int i = 0; i < LINKS; i++) {
        bond *b = &r->bonds[i];
        midisock_config c = check_config();
        c.latency_ns = LATENCY_NS;
        c.wake = MIDISOCK_WAKE_SIGNAL;
        b->server = check_listen(&c);
        relay_config bad = {0};
        bad.seed = 100u + (unsigned)i;
        bad.jitter_us = WAYS[i].jitter_us;
        bad.stall_one_in = WAYS[i].stall_one_in;
        bad.stall_us = 100000;
        uint16_t number = 0;
        b->network = relay_start(midisock_local_port(b->server), &bad, &number);
        c.timing = WAYS[i].timing;
        CHECK_OK(midisock_connect("127.0.0.1", number, &c, &b->client));
    }
    for (int i = 0; i < LINKS; i++) {
        CHECK_OK(midisock_wait_connected(r->bonds[i].client, DEADLINE_MS));
        if (WAYS[i].timing == MIDISOCK_TIMING_SENDER)
            NOTIFIED_AT_LAST(r->bonds[i].server, MIDISOCK_NOTIFY_CLOCK_LOCKED);
        else
            NOTIFIED_AT_LAST(r->bonds[i].server, MIDISOCK_NOTIFY_CLIENT_JOINED);
    }
}

/* Real audio threads have such a priority. All threads that this one starts inherit it, if the system allows it. */
static void ask_for_priority(void)
{
    struct sched_param priority;
    memset(&priority, 0, sizeof priority);
    priority.sched_priority = 5;
    if (sched_setscheduler(0, SCHED_FIFO, &priority) != 0)
        printf("# without realtime priority\n");
}

static int has_lost_clock(midisock_port *port)
{
    int has = 0;
    midisock_notification notification;
    while (midisock_poll_notification(port, &notification) == MIDISOCK_OK)
        has |= notification.kind == MIDISOCK_NOTIFY_CLOCK_LOST;
    return has;
}

/* Checks what a link shows. Whether nothing was late. */
static int check_link(const run *r, int link)
{
    const way *w = &WAYS[link];
    midisock_stats stats = check_stats(r->bonds[link].server);
    figures f = figures_of(r, link);
    printf("# %-30s spacing %6.2f frames, judged %5.2f of %3u, worst %2.0f; mean %7.1f, %5.0f to %5.0f; %3u off, "
           "%3u late; bound %4.0f us, transit %5.1f ms\n",
           w->name, f.all, f.judged, f.steps, f.worst, f.mean, f.least, f.most, f.off, (unsigned)stats.late_in,
           (double)stats.clock_error_ns / 1e3, (double)stats.transit_ns / 1e6);
    fflush(stdout); /* a check that fails does not */
    CHECK_INT(f.timed, stats.timed_in);
    if (w->timing == MIDISOCK_TIMING_ARRIVAL) {
        CHECK_INT(0, f.timed + stats.late_in);
        /* So the others are no proof of an even network. */
        CHECK(f.all > 50);
        return 1;
    }
    uint64_t most_ns = stats.network_late_max_ns;
    for (int i = 0; i < 2; i++)
        most_ns = r->late_ns[i] > most_ns ? r->late_ns[i] : most_ns;
    if (has_lost_clock(r->bonds[link].server)) {
        /* Ten messages were on their way for two seconds, or no ping was answered: only if everything stood still. */
        CHECK(most_ns > 500 * MS);
        return 0;
    }
    /* Times may not have been believed, and what follows waits behind such a message. */
    if (most_ns > 500 * MS)
        return 0;
    for (unsigned i = 0; i < NOTES; i++)
        CHECK(r->bonds[link].flags[i] == MIDISOCK_FLAG_TIMED || r->bonds[link].frame[i] > 1.9 * RATE);
    if (w->times == DEVICE) {
        /* Whatever the machine does: what is off its place was late, and is counted. */
        CHECK(f.off <= stats.late_in);
        CHECK(f.steps > 0 || stats.late_in > 0);
        /* While everything stands still the clock is corrected, by half a frame in the time between two notes. */
        if (most_ns < 20 * MS) {
            CHECK(f.judged <= 1.0);
            CHECK(f.worst <= 2.0);
        }
    } else if (f.steps >= 50) {
        CHECK(f.judged <= 1.0);
    }
    if (w->stall_one_in > 0) {
        CHECK(stats.late_in > 0);
        return 1;
    }
    return stats.late_in == 0;
}

/* Plays once. Whether nothing was late that the network did not make late. */
static int play(void)
{
    static run r;
    memset(&r, 0, sizeof r);
    open_links(&r);
    r.settle = 200;
    r.blocks = r.settle + NOTES * EVERY / FRAMES + 40;
    r.begin_ns = midisock_now_ns() + 20 * MS;
    pthread_t threads[2];
    check_start(&threads[0], send_notes, &r);
    check_start(&threads[1], receive_notes, &r);
    check_join(threads[0]);
    check_join(threads[1]);
    printf("# threads woke up to %.2f and %.2f ms late\n", (double)r.late_ns[0] / 1e6, (double)r.late_ns[1] / 1e6);
    int in_time = 1;
    for (int i = 0; i < LINKS; i++)
        in_time = check_link(&r, i) && in_time;
    for (int i = 0; i < LINKS; i++) {
        midisock_close(r.bonds[i].client);
        midisock_close(r.bonds[i].server);
        relay_stop(r.bonds[i].network);
    }
    return in_time;
}

static void notes_are_at_their_frames(void)
{
    ask_for_priority();
    if (play())
        return;
    printf("# once more: something was late\n");
    /* Its own threads, the relay's and the library's can all be held up: no failure can be made of that. */
    if (!play())
        printf("# late again: this machine is too busy to show that nothing is late\n");
}

int main(int argc, char **argv)
{
    static const check_case cases[] = {CASE(notes_are_at_their_frames)};
    return check_main(argc, argv, CASES(cases));
}
