#include "smf_time.h"

#include <stdlib.h>

#define DEFAULT_TEMPO 500000u /* 120 quarter notes a minute */
#define MAX_NS 1.0e17         /* three years: no sum overflows, nor what a player makes of it */

static int earlier(const void *left_event, const void *right_event)
{
    const struct smf_event *a = left_event, *b = right_event;
    if (a->tick != b->tick)
        return a->tick < b->tick ? -1 : 1;
    /* A tempo holds for whatever begins at its tick. */
    if ((a->size == 0) != (b->size == 0))
        return a->size == 0 ? -1 : 1;
    return a->order < b->order ? -1 : a->order > b->order;
}

/* ticks * numerator / denominator, exactly where the result fits. */
static int scale(uint64_t ticks, uint64_t numerator, uint64_t denominator, uint64_t *result)
{
    if ((double)ticks * (double)numerator / (double)denominator > MAX_NS)
        return -1;
    *result = ticks / denominator * numerator + ticks % denominator * numerator / denominator;
    return 0;
}

const char *smf_set_times(struct smf_song *song, uint64_t last_tick)
{
    uint64_t base_tick = 0, base_ns = 0, span, numerator, denominator;
    size_t i, kept = 0;
    int smpte = (song->division & 0x8000) != 0;
    if (smpte) {
        unsigned frames = 256 - (song->division >> 8), ticks = song->division & 0xff;
        if ((frames != 24 && frames != 25 && frames != 29 && frames != 30) || ticks == 0)
            return "an impossible SMPTE time division";
        /* 29 stands for 30000/1001 frames a second, as in NTSC video. */
        numerator = frames == 29 ? UINT64_C(1001000000) : UINT64_C(1000000000);
        denominator = (uint64_t)(frames == 29 ? 30 : frames) * ticks;
    } else {
        if (song->division == 0)
            return "a time division of 0";
        numerator = (uint64_t)DEFAULT_TEMPO * 1000;
        denominator = song->division;
    }
    if (song->count > 0)
        qsort(song->events, song->count, sizeof *song->events, earlier);
    for (i = 0; i <= song->count; i++) {
        uint64_t tick = i < song->count ? song->events[i].tick : last_tick;
        if (scale(tick - base_tick, numerator, denominator, &span) != 0 || (double)base_ns + (double)span > MAX_NS)
            return "it would play for more than three years";
        if (i == song->count) {
            song->duration_ns = base_ns + span;
        } else if (song->events[i].size > 0) {
            song->events[i].time_ns = base_ns + span;
            song->events[kept++] = song->events[i];
        } else if (!smpte) {
            base_tick = tick;
            base_ns += span;
            numerator = (uint64_t)song->events[i].tempo * 1000;
        }
    }
    song->count = kept;
    return NULL;
}
