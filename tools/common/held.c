#include "held.h"

#include <string.h>

enum { PEDALS = 4 };

static const uint8_t pedal_controller[PEDALS] = {64, 66, 68, 69};

void held_clear(struct held *held)
{
    memset(held, 0, sizeof *held);
}

static void follow_controller(struct held *held, unsigned channel, uint8_t control, uint8_t value)
{
    int i;
    for (i = 0; i < PEDALS; i++) {
        if (control == pedal_controller[i] && value >= 64)
            held->pedals[channel] |= (uint8_t)(1u << i);
        else if (control == pedal_controller[i])
            held->pedals[channel] &= (uint8_t)~(1u << i);
    }
    if (control == 121) { /* reset all controllers */
        held->pedals[channel] = 0;
        held->bent[channel] = 0;
        held->pressed[channel] = 0;
    }
    if (control == 120 || control >= 123) /* all of these end the notes */
        memset(held->notes[channel], 0, sizeof held->notes[channel]);
}

void held_follow(struct held *held, const uint8_t *data, size_t size)
{
    unsigned channel = size > 0 ? data[0] & 15u : 0;
    uint16_t *count;
    if (size == 1 && data[0] == 0xff)
        held_clear(held);
    if (size == 2 && (data[0] & 0xf0) == 0xd0)
        held->pressed[channel] = data[1] != 0;
    if (size != 3)
        return;
    count = &held->notes[channel][data[1] & 127];
    switch (data[0] & 0xf0) {
    case 0x90:
        if (data[2] > 0) {
            if (*count < UINT16_MAX)
                ++*count;
            break;
        }
        /* A note on of velocity 0 is a note off. */ /* fall through */
    case 0x80:
        if (*count > 0)
            --*count;
        break;
    case 0xb0: follow_controller(held, channel, data[1], data[2]); break;
    case 0xe0: held->bent[channel] = data[1] != 0 || data[2] != 64; break;
    default: break;
    }
}

static size_t put(uint8_t data[3], unsigned status, uint8_t first, uint8_t second)
{
    data[0] = (uint8_t)status;
    data[1] = first;
    data[2] = second;
    return 3;
}

size_t held_release(struct held *held, uint8_t data[3])
{
    unsigned channel, i;
    for (channel = 0; channel < 16; channel++) {
        for (i = 0; i < 128; i++) {
            if (held->notes[channel][i] > 0) {
                held->notes[channel][i]--;
                return put(data, 0x80 | channel, (uint8_t)i, 64);
            }
        }
        for (i = 0; i < PEDALS; i++) {
            if (held->pedals[channel] & 1u << i) {
                held->pedals[channel] &= (uint8_t)~(1u << i);
                return put(data, 0xb0 | channel, pedal_controller[i], 0);
            }
        }
        if (held->bent[channel]) {
            held->bent[channel] = 0;
            return put(data, 0xe0 | channel, 0, 64);
        }
        if (held->pressed[channel]) {
            held->pressed[channel] = 0;
            put(data, 0xd0 | channel, 0, 0);
            return 2;
        }
    }
    return 0;
}

void held_again(struct held *held, const uint8_t data[3], size_t size)
{
    unsigned channel = data[0] & 15u;
    int i;
    switch (data[0] & 0xf0) {
    case 0x80: held->notes[channel][data[1]]++; break;
    case 0xb0:
        for (i = 0; i < PEDALS; i++)
            if (data[1] == pedal_controller[i])
                held->pedals[channel] |= (uint8_t)(1u << i);
        break;
    case 0xe0: held->bent[channel] = 1; break;
    default: held->pressed[channel] = size == 2; break;
    }
}

void held_move_ended(struct held *before, const struct held *after, struct held *to)
{
    unsigned channel, note;
    for (channel = 0; channel < 16; channel++) {
        for (note = 0; note < 128; note++) {
            uint16_t *count = &before->notes[channel][note];
            if (*count > after->notes[channel][note]) {
                to->notes[channel][note] = (uint16_t)(to->notes[channel][note] + *count - after->notes[channel][note]);
                *count = after->notes[channel][note];
            }
        }
        to->pedals[channel] |= (uint8_t)(before->pedals[channel] & ~after->pedals[channel]);
        before->pedals[channel] &= after->pedals[channel];
        to->bent[channel] |= before->bent[channel] && !after->bent[channel];
        before->bent[channel] &= after->bent[channel];
        to->pressed[channel] |= before->pressed[channel] && !after->pressed[channel];
        before->pressed[channel] &= after->pressed[channel];
    }
}
