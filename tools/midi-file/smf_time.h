/* From the ticks of a standard MIDI file to time. */
#ifndef MIDISOCK_TOOLS_SMF_TIME_H
#define MIDISOCK_TOOLS_SMF_TIME_H

#include "smf.h"

/* Sorts the events, gives each its time by the tempo map or the SMPTE rate,
 * and takes the changes of tempo out. NULL, or why it cannot be done. */
const char *smf_set_times(struct smf_song *song, uint64_t last_tick);

#endif
