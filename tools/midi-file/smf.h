/* Standard MIDI files: all tracks merged, in order of time.
 *
 * The reader is lenient. It takes every whole event, and warns of each part that it
 * leaves out or has to guess, with its offset in the file. */
#ifndef MIDISOCK_TOOLS_SMF_H
#define MIDISOCK_TOOLS_SMF_H

#include "message_list.h"
#include "warnings.h"

struct smf_song {
    struct message_list list;
    uint64_t duration_ns;
    unsigned format, tracks, division;
    char title[128]; /* the name of the first track in readable UTF-8, or "" */

    /* The MIDI ports that the file is written for: so many different ones. */
    unsigned ports;
    int last_port;
};

/* Where a standard MIDI file is in the data, perhaps in RIFF or behind something
 * else; 0: there is none. */
int smf_find(const uint8_t *data, size_t size, size_t *offset, size_t *length);

/* 0, or -1 where nothing can be played; then *error says why. Either way
 * smf_free is due. */
int smf_read(struct smf_song *song, const uint8_t *data, size_t size, struct warnings *warnings, const char **error);
void smf_free(struct smf_song *song);

#endif
