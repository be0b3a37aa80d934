/* Sends files: a song in time, a .syx file as fast as the peer takes it. */
#ifndef MIDISOCK_TOOLS_PLAYER_H
#define MIDISOCK_TOOLS_PLAYER_H

#include "../midi-file/midi_file.h"
#include "sender.h"

struct player_options {
    uint32_t speed_percent;
    uint32_t sysex_interval_ms; /* a pause after every SysEx of a .syx file */
    int quiet;                  /* no progress bar */
};

/* Returns as sender_push does. */
int player_send_file(struct sender *sender, const struct midi_file *file, const struct player_options *options);

#endif
