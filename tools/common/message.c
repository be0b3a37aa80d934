#include "message.h"

#include <stdio.h>
#include <string.h>

const struct message_kind message_kinds[MESSAGE_KINDS] = {
    {"note-off", NULL, 0x80, LAYOUT_TWO, 2, {"note", "velocity"}},
    {"note-on", NULL, 0x90, LAYOUT_TWO, 2, {"note", "velocity"}},
    {"poly-pressure", "polytouch", 0xa0, LAYOUT_TWO, 2, {"note", "value"}},
    {"cc", "control-change", 0xb0, LAYOUT_TWO, 2, {"control", "value"}},
    {"program", "program-change", 0xc0, LAYOUT_ONE, 1, {"program", NULL}},
    {"pressure", "aftertouch", 0xd0, LAYOUT_ONE, 1, {"value", NULL}},
    {"bend", "pitch-bend", 0xe0, LAYOUT_BEND, 1, {"pitch", NULL}},
    {"sysex", NULL, 0xf0, LAYOUT_SYSEX, 0, {NULL, NULL}},
    {"quarter-frame", "time-code", 0xf1, LAYOUT_NIBBLES, 2, {"frame_type", "frame_value"}},
    {"song-position", NULL, 0xf2, LAYOUT_WIDE, 1, {"pos", NULL}},
    {"song-select", NULL, 0xf3, LAYOUT_ONE, 1, {"song", NULL}},
    {"tune-request", NULL, 0xf6, LAYOUT_NONE, 0, {NULL, NULL}},
    {"clock", NULL, 0xf8, LAYOUT_NONE, 0, {NULL, NULL}},
    {"start", NULL, 0xfa, LAYOUT_NONE, 0, {NULL, NULL}},
    {"continue", NULL, 0xfb, LAYOUT_NONE, 0, {NULL, NULL}},
    {"stop", NULL, 0xfc, LAYOUT_NONE, 0, {NULL, NULL}},
    {"active-sensing", NULL, 0xfe, LAYOUT_NONE, 0, {NULL, NULL}},
    {"reset", "system-reset", 0xff, LAYOUT_NONE, 0, {NULL, NULL}},
};

int message_has_channel(const struct message_kind *kind)
{
    return kind->status < 0xf0;
}

const struct message_kind *message_kind_of(uint8_t status)
{
    uint8_t wanted = status < 0xf0 ? (uint8_t)(status & 0xf0) : status;
    size_t i;
    for (i = 0; i < MESSAGE_KINDS; i++)
        if (message_kinds[i].status == wanted)
            return &message_kinds[i];
    return NULL;
}

const struct message_kind *message_kind_named(const char *name)
{
    size_t i;
    for (i = 0; i < MESSAGE_KINDS; i++)
        if (strcmp(message_kinds[i].name, name) == 0 ||
            (message_kinds[i].alias != NULL && strcmp(message_kinds[i].alias, name) == 0))
            return &message_kinds[i];
    return NULL;
}

void message_value_range(const struct message_kind *kind, int index, long *min, long *max)
{
    *min = 0;
    *max = 127;
    if (kind->layout == LAYOUT_WIDE) {
        *max = 16383;
    } else if (kind->layout == LAYOUT_BEND) {
        *min = -8192;
        *max = 8191;
    } else if (kind->layout == LAYOUT_NIBBLES) {
        *max = index == 0 ? 7 : 15;
    }
}

void message_get_values(const struct message_kind *kind, const uint8_t *data, long values[2])
{
    values[0] = values[1] = 0;
    switch (kind->layout) {
    case LAYOUT_TWO:
        values[1] = data[2];
        values[0] = data[1];
        break;
    case LAYOUT_ONE: values[0] = data[1]; break;
    case LAYOUT_WIDE:
    case LAYOUT_BEND:
        values[0] = data[1] | (long)data[2] << 7;
        if (kind->layout == LAYOUT_BEND)
            values[0] -= 8192;
        break;
    case LAYOUT_NIBBLES:
        values[0] = data[1] >> 4;
        values[1] = data[1] & 15;
        break;
    default: break;
    }
}

size_t message_put_values(const struct message_kind *kind, int channel, const long values[2], uint8_t data[3])
{
    long wide = values[0];
    data[0] = (uint8_t)(message_has_channel(kind) ? kind->status | channel : kind->status);
    switch (kind->layout) {
    case LAYOUT_ONE: data[1] = (uint8_t)values[0]; return 2;
    case LAYOUT_TWO:
        data[1] = (uint8_t)values[0];
        data[2] = (uint8_t)values[1];
        return 3;
    case LAYOUT_BEND:
    case LAYOUT_WIDE:
        if (kind->layout == LAYOUT_BEND)
            wide += 8192;
        data[1] = (uint8_t)(wide & 127);
        data[2] = (uint8_t)(wide >> 7 & 127);
        return 3;
    case LAYOUT_NIBBLES: data[1] = (uint8_t)(values[0] << 4 | values[1]); return 2;
    default: return 1;
    }
}

size_t message_size(const struct message_kind *kind)
{
    switch (kind->layout) {
    case LAYOUT_SYSEX: return 0;
    case LAYOUT_NONE: return 1;
    case LAYOUT_ONE:
    case LAYOUT_NIBBLES: return 2;
    default: return 3;
    }
}

static const char *const pitch_names[12] = {"C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B"};

void note_name(int note, char name[NOTE_NAME_SIZE])
{
    note &= 127;
    snprintf(name, NOTE_NAME_SIZE, "%s%d", pitch_names[note % 12], note / 12 - 1);
}

int note_from_name(const char *name)
{
    static const int pitch_of_letter[7] = {9, 11, 0, 2, 4, 5, 7}; /* A B C D E F G */
    int letter = name[0] >= 'a' && name[0] <= 'g'   ? name[0] - 'a'
                 : name[0] >= 'A' && name[0] <= 'G' ? name[0] - 'A'
                                                    : -1;
    int note, octave, sign = 1;
    if (letter < 0)
        return -1;
    note = pitch_of_letter[letter];
    for (name++; *name == '#' || *name == 'b'; name++)
        note += *name == '#' ? 1 : -1;
    if (*name == '-') {
        sign = -1;
        name++;
    }
    if (*name < '0' || *name > '9' || name[1] != '\0')
        return -1;
    octave = sign * (*name - '0');
    note += (octave + 1) * 12;
    return note >= 0 && note <= 127 ? note : -1;
}
