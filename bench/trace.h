/* A simulated audio device for programs that place messages in blocks. Its callbacks have jitter, and messages arrive at
 * random. Its parameters determine everything, so that every run is the same. Times are in ns. */
#ifndef TRACE_H
#define TRACE_H

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TRACE_ORIGIN 1000000000.0

typedef struct trace {
    const char *kind; /* none, uniform, exponential, or a file of lateness in ns, one a line */
    uint32_t frames;
    double rate, jitter, drift; /* jitter: of a block, at most (exponential: on average) */
    uint64_t random;
    double due, next_arrival, walk; /* walk: how late the network is now */
    double *recorded, *network;
    size_t recorded_count, network_count, block, message;
    double begun, sent; /* the last callback, the last message */
    int64_t position;   /* the device's count of frames at the next block */
} trace;

typedef struct placed {
    double sum, squares, least, most;
    uint64_t count;
} placed;

static double trace_random(trace *t)
{
    t->random ^= t->random << 13;
    t->random ^= t->random >> 7;
    t->random ^= t->random << 17;
    return (double)(t->random >> 11) / 9007199254740992.0;
}

static double trace_block_ns(const trace *t)
{
    return t->frames * 1e9 / t->rate * (1.0 + t->drift);
}

static double *trace_read(const char *name, size_t *count)
{
    FILE *file = fopen(name, "r");
    double value, *values = (double *)malloc(1000000 * sizeof *values);
    *count = 0;
    if (file == NULL || values == NULL) {
        fprintf(stderr, "cannot read %s\n", name);
        exit(1);
    }
    while (*count < 1000000 && fscanf(file, "%lf", &value) == 1)
        values[(*count)++] = value;
    fclose(file);
    if (*count == 0)
        exit(1);
    return values;
}

static void trace_open(trace *t, const char *kind, uint32_t frames, double jitter, double drift)
{
    memset(t, 0, sizeof *t);
    t->kind = kind;
    t->frames = frames;
    t->rate = 48000.0;
    t->jitter = jitter;
    t->drift = drift;
    t->random = UINT64_C(88172645463325252);
    t->due = TRACE_ORIGIN;
    t->next_arrival = TRACE_ORIGIN;
    if (strcmp(kind, "none") != 0 && strcmp(kind, "uniform") != 0 && strcmp(kind, "exponential") != 0)
        t->recorded = trace_read(kind, &t->recorded_count);
}

/* Messages arrive as late as the file says, rather than by a random walk. */
static void trace_network(trace *t, const char *name)
{
    t->network = trace_read(name, &t->network_count);
    t->sent = TRACE_ORIGIN;
    t->next_arrival = t->sent + t->network[0];
}

/* The next block: when it was due, when its callback begins. */
static double trace_block(trace *t, double *due)
{
    double late = 0.0, block = trace_block_ns(t);
    if (t->recorded != NULL)
        late = t->recorded[t->block % t->recorded_count];
    else if (strcmp(t->kind, "uniform") == 0)
        late = t->jitter * block * trace_random(t);
    else if (strcmp(t->kind, "exponential") == 0)
        late = fmin(-log(1.0 - trace_random(t)) * t->jitter * block, 0.9 * block);
    *due = t->due;
    t->due += block;
    t->position += t->frames;
    t->block++;
    /* One that is later than a block has the next come right behind it. */
    t->begun = fmax(t->begun, *due + late);
    return t->begun;
}

/* The device plays so many frames that nobody has rendered. */
static void trace_drop_out(trace *t, uint32_t frames)
{
    t->due += trace_block_ns(t) * frames / t->frames;
    t->position += frames;
}

/* The next message that has arrived before `until`; 0: there is none. A message every half block or so, with the
 * network's own jitter, a random walk of up to 2 ms: what arrived late has arrived late, and the truth is its arrival. */
static double trace_arrival(trace *t, double until)
{
    double arrival = t->next_arrival;
    if (arrival >= until)
        return 0.0;
    if (t->network != NULL) {
        t->message++;
        t->sent += trace_block_ns(t) * trace_random(t);
        /* What was sent later does not arrive sooner. */
        t->next_arrival = fmax(arrival, t->sent + t->network[t->message % t->network_count]);
        return arrival;
    }
    t->walk = fmin(fmax(t->walk + (trace_random(t) - 0.5) * 400000.0, 0.0), 2000000.0);
    t->next_arrival += trace_block_ns(t) * trace_random(t) + 0.05 * t->walk;
    return arrival;
}

/* A message that arrived then was put at this frame of the block that was due then. */
static void placed_add(placed *p, const trace *t, double due, uint32_t frame, double arrival)
{
    double frame_ns = trace_block_ns(t) / t->frames;
    double error = (due - arrival) / frame_ns + frame;
    if (p->count == 0)
        p->least = p->most = error;
    p->least = fmin(p->least, error);
    p->most = fmax(p->most, error);
    p->sum += error;
    p->squares += error * error;
    p->count++;
}

/* In frames; the mean is the delay. */
static double placed_mean(const placed *p)
{
    return p->sum / (double)p->count;
}

static double placed_deviation(const placed *p)
{
    double mean = placed_mean(p);
    return sqrt(fmax(p->squares / (double)p->count - mean * mean, 0.0));
}

static double placed_worst(const placed *p)
{
    return fmax(p->most - placed_mean(p), placed_mean(p) - p->least);
}

static void placed_print(const char *name, const placed *p)
{
    printf("\"%s\": {\"messages\": %llu, \"delay\": %.2f, \"deviation\": %.3f, \"worst\": %.2f}", name,
           (unsigned long long)p->count, placed_mean(p), placed_deviation(p), placed_worst(p));
}

#endif
