/* The table of MIDI 1.0 messages, for both directions: bytes to words and words
 * to bytes. */
#ifndef MIDISOCK_TOOLS_MESSAGE_H
#define MIDISOCK_TOOLS_MESSAGE_H

#include <stddef.h>
#include <stdint.h>

/* How the data bytes of a kind hold its values. */
enum message_layout {
    LAYOUT_NONE,    /* no data */
    LAYOUT_ONE,     /* one 7-bit value */
    LAYOUT_TWO,     /* two 7-bit values */
    LAYOUT_WIDE,    /* one 14-bit value, low half first */
    LAYOUT_BEND,    /* the same, counted from the centre: -8192..8191 */
    LAYOUT_NIBBLES, /* one byte: a 3-bit and a 4-bit value */
    LAYOUT_SYSEX    /* any number of 7-bit bytes up to an F7 */
};

struct message_kind {
    const char *name;  /* the word on the command line and in the output */
    const char *alias; /* a second word for the command line, or NULL */
    uint8_t status;    /* channel 0 where there are channels */
    uint8_t layout;
    uint8_t values;       /* how many values, the channel not counted */
    const char *value[2]; /* their names, those of mido */
};

#define MESSAGE_KINDS 18
extern const struct message_kind message_kinds[MESSAGE_KINDS];

/* The kind a status byte begins, or NULL where MIDI 1.0 defines none. */
const struct message_kind *message_kind_of(uint8_t status);
const struct message_kind *message_kind_named(const char *name);

int message_has_channel(const struct message_kind *kind);

/* The range of a kind's value `index` (0 or 1). */
void message_value_range(const struct message_kind *kind, int index, long *min, long *max);

/* Reads the values out of a message of that kind; the message is whole. */
void message_get_values(const struct message_kind *kind, const uint8_t *data, long values[2]);

/* Writes a message (never a SysEx) into `data`; returns its size, 1 to 3. */
size_t message_put_values(const struct message_kind *kind, int channel, const long values[2], uint8_t data[3]);

/* How many bytes a message of that kind has; 0: a SysEx has any number. */
size_t message_size(const struct message_kind *kind);

/* "C4" for 60. */
#define NOTE_NAME_SIZE 8
void note_name(int note, char name[NOTE_NAME_SIZE]);
/* 60 for "C4", "c4", "B#3" or "Dbb4"; -1 if it is no note. */
int note_from_name(const char *name);

#endif
