/* Standard MIDI files, format 0 and 1: all tracks merged, in order of time. */
#ifndef MIDISOCK_TOOLS_SMF_H
#define MIDISOCK_TOOLS_SMF_H

#include <stddef.h>
#include <stdint.h>

struct smf_event {
    uint64_t tick;
    uint64_t time_ns; /* from the start of the piece */
    size_t order;     /* where it stood in the file: keeps sorting stable */
    size_t offset;    /* its bytes, in the song's: one whole MIDI message */
    size_t size;      /* 0: a change of tempo, which is not in the result */
    uint32_t tempo;   /* of such a change: microseconds in a quarter note */
};

struct smf_song {
    struct smf_event *events;
    size_t count, capacity;
    uint8_t *bytes;
    size_t used, room;
    uint64_t duration_ns;
    unsigned format, tracks, division;
    size_t skipped; /* F7 events that hold no whole MIDI message */
    size_t longest; /* the size of the longest message */
    char title[64]; /* the name of the first track, printable, or "" */
    char error[160];
};

/* Does the data begin like a standard MIDI file (or one in RIFF)? */
int smf_recognize(const uint8_t *data, size_t size);

/* 0, or -1 with `error` set. Either way smf_free is due. */
int smf_read(struct smf_song *song, const uint8_t *data, size_t size);
void smf_free(struct smf_song *song);

#endif
