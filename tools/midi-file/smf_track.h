/* One track of a standard MIDI file. */
#ifndef MIDISOCK_TOOLS_SMF_TRACK_H
#define MIDISOCK_TOOLS_SMF_TRACK_H

#include "../common/parser.h"
#include "smf.h"

/* A window on the file. */
struct track_reader {
    struct smf_song *song;
    struct warnings *warnings;
    struct parser parser;  /* for the messages of this track */
    const uint8_t *file;   /* to name offsets in warnings */
    const uint8_t *at;     /* the next byte */
    const uint8_t *end;    /* no byte from here on belongs to the track... */
    const uint8_t *stated; /* ...and here it ends by its header */
    int certain;           /* a chunk or nothing follows there, so the header is right */
    unsigned number;       /* of the track, from 1 */
    uint64_t tick;
    uint8_t running;
    int ended; /* its End of Track has been read */
};

/* Reads the events from `at` on, to the End of Track or as far as there is any;
 * `at` is behind the last one then. -1 where there is no memory. */
int track_read(struct track_reader *reader);

/* Does a track begin here? */
int track_begins(const uint8_t *at, const uint8_t *end);

#endif
