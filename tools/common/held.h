/* The notes, pedals and bends that a stream of messages has left on, and the
 * messages that release them. */
#ifndef MIDISOCK_TOOLS_HELD_H
#define MIDISOCK_TOOLS_HELD_H

#include <stddef.h>
#include <stdint.h>

struct held {
    uint16_t notes[16][128]; /* note ons without their note off */
    uint8_t pedals[16];      /* bit 0 sustain, 1 sostenuto, 2 legato, 3 hold 2 */
    uint8_t bent[16], pressed[16]; /* pitch bend and channel pressure that are not at rest */
};

void held_clear(struct held *held);
void held_follow(struct held *held, const uint8_t *data, size_t size);

/* Writes the next message that releases something, and forgets that; returns
 * its size, 0 when nothing is held any more. */
size_t held_release(struct held *held, uint8_t data[3]);

/* The message that held_release gave was not sent: undoes the call. */
void held_again(struct held *held, const uint8_t data[3], size_t size);

/* Moves what `before` holds and `after` does not from `before` to `to`. */
void held_move_ended(struct held *before, const struct held *after, struct held *to);

#endif
