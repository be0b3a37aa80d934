/* Which messages a port takes: those of some channels, and those without one. */
#ifndef MIDISOCK_TOOLS_CHANNELS_H
#define MIDISOCK_TOOLS_CHANNELS_H

#include <stdint.h>

struct channels {
    uint16_t mask; /* bit 0 is channel 0 */
    int system;    /* messages without a channel: SysEx, clock, start and stop... */
};

/* Takes everything. */
void channels_all(struct channels *channels);

/* Reads "0-3,9", "9,no-system" or "system"; messages without a channel are
 * taken unless it says "no-system", and "system" alone takes nothing else.
 * 0 if `text` is not such a list. */
int channels_parse(const char *text, struct channels *channels);

/* Whether a message with this status byte is taken. */
int channels_take(const struct channels *channels, uint8_t status);

#endif
