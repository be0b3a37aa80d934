#include "smf_time.h"

#include "../common/count.h"
#include "../common/duration.h"

#include <stdlib.h>

#define DEFAULT_TEMPO 500000u /* 120 quarter notes a minute */
#define DEFAULT_DIVISION 96u
#define MAX_NS UINT64_C(100000000000000000) /* three years: no sum overflows, nor what a player makes of it */

/* Ticks to time: nanoseconds = ticks * numerator / denominator. */
struct rate {
    uint64_t numerator, denominator;
    int smpte; /* a fixed rate: tempo has no effect */
};

static int earlier(const void *left_event, const void *right_event)
{
    const struct list_event *a = left_event, *b = right_event;
    if (a->tick != b->tick)
        return a->tick < b->tick ? -1 : 1;
    /* A tempo holds for whatever begins at its tick. */
    if ((a->size == 0) != (b->size == 0))
        return a->size == 0 ? -1 : 1;
    return a->order < b->order ? -1 : a->order > b->order;
}

/* The time of so many ticks, MAX_NS at most. */
static uint64_t time_of(uint64_t ticks, const struct rate *rate)
{
    if ((double)ticks * (double)rate->numerator / (double)rate->denominator > (double)MAX_NS)
        return MAX_NS;
    return ticks / rate->denominator * rate->numerator +
           ticks % rate->denominator * rate->numerator / rate->denominator;
}

static struct rate first_rate(unsigned division, struct warnings *warnings)
{
    struct rate rate = {(uint64_t)DEFAULT_TEMPO * 1000, division, 0};
    unsigned frames = 256 - (division >> 8), ticks = division & 0xff;
    if ((division & 0x8000) != 0 && ticks > 0) {
        if (frames != 24 && frames != 25 && frames != 29 && frames != 30)
            warn(warnings, "byte 12: %u frames a second is no SMPTE rate", frames);
        rate.smpte = 1;
        /* 29 stands for 30000/1001 frames a second, as in NTSC video. */
        rate.numerator = frames == 29 ? UINT64_C(1001000000) : UINT64_C(1000000000);
        rate.denominator = (uint64_t)(frames == 29 ? 30 : frames) * ticks;
    } else if (division == 0 || (division & 0x8000) != 0) {
        warn(warnings, "byte 12: an impossible time division (%04x): played with %u ticks in a quarter note", division,
             DEFAULT_DIVISION);
        rate.denominator = DEFAULT_DIVISION;
    }
    return rate;
}

/* Gives the events their times; returns how many messages lie too far ahead, and
 * are left out. */
static size_t set_times(struct smf_song *song, struct rate rate, uint64_t last_tick)
{
    struct message_list *list = &song->list;
    uint64_t base_tick = 0, base_ns = 0;
    size_t i, kept = 0, too_far = 0;
    for (i = 0; i < list->count; i++) {
        struct list_event *event = &list->events[i];
        uint64_t ns = base_ns + time_of(event->tick - base_tick, &rate);
        if (event->size > 0 && ns >= MAX_NS) {
            too_far++;
        } else if (event->size > 0) {
            event->time_ns = ns;
            list->events[kept++] = *event;
        } else if (!rate.smpte) {
            base_tick = event->tick;
            base_ns = ns < MAX_NS ? ns : MAX_NS;
            rate.numerator = (uint64_t)event->tempo * 1000;
        }
    }
    list->count = kept;
    song->duration_ns = base_ns + time_of(last_tick - base_tick, &rate);
    return too_far;
}

void smf_set_times(struct smf_song *song, uint64_t last_tick, struct warnings *warnings)
{
    struct message_list *list = &song->list;
    struct rate rate = first_rate(song->division, warnings);
    uint64_t last_ns;
    size_t too_far;
    if (list->count > 0)
        qsort(list->events, list->count, sizeof *list->events, earlier);
    too_far = set_times(song, rate, last_tick);
    if (too_far > 0)
        warn(warnings, "left out: %lu message%s more than three years ahead", (unsigned long)too_far, plural(too_far));
    last_ns = list->count > 0 ? list->events[list->count - 1].time_ns : 0;
    if (song->duration_ns - last_ns > MAX_SILENCE_NS) {
        char text[DURATION_TEXT];
        duration_text(song->duration_ns - last_ns, text);
        warn(warnings, "its end is %s after the last message, and is not waited for", text);
        song->duration_ns = last_ns;
    }
}
