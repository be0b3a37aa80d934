/* From the ticks of a standard MIDI file to time. */
#ifndef MIDISOCK_TOOLS_SMF_TIME_H
#define MIDISOCK_TOOLS_SMF_TIME_H

#include "smf.h"

/* No song waits longer than this for an End of Track behind its last message. */
#define MAX_SILENCE_NS UINT64_C(30000000000)

/* Sorts the events, gives each its time by the tempo map or the SMPTE rate,
 * and takes the changes of tempo out. */
void smf_set_times(struct smf_song *song, uint64_t last_tick, struct warnings *warnings);

#endif
