/* Files to send: standard MIDI files, and .syx files, which are nothing but
 * MIDI messages one after the other. What a file holds decides, not its name. */
#ifndef MIDISOCK_TOOLS_MIDI_FILE_H
#define MIDISOCK_TOOLS_MIDI_FILE_H

#include "smf.h"

#include <stddef.h>
#include <stdint.h>

struct midi_file {
    const char *path;
    uint8_t *data; /* the messages of a .syx file; NULL for a song */
    size_t size;
    struct smf_song song;
    int is_song;
    size_t longest; /* the size of the longest message */
};

/* Reads and checks a whole file, path "-" excluded; 0, or -1 with a message on
 * standard error. Either way midi_file_free is due. */
int midi_file_load(struct midi_file *file, const char *path);
void midi_file_free(struct midi_file *file);

#endif
