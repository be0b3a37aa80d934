/* Files to send: standard MIDI files and .syx files. What a file holds decides,
 * not its name. */
#ifndef MIDISOCK_TOOLS_MIDI_FILE_H
#define MIDISOCK_TOOLS_MIDI_FILE_H

#include "smf.h"

struct midi_file {
    const char *path;
    int is_song;          /* a MIDI file: `song`; otherwise a .syx file: `dump` */
    struct smf_song song;
    struct message_list dump;
    size_t longest; /* the size of the longest message */
};

/* Reads a whole file; 0, or -1 with a message on standard error where there is
 * nothing to send. Either way midi_file_free is due. */
int midi_file_load(struct midi_file *file, const char *path);
void midi_file_free(struct midi_file *file);

#endif
