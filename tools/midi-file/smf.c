#include "smf.h"

#include "../common/message.h"
#include "smf_time.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A window on the file. Nothing reads it but through take_*, which check. */
struct reader {
    struct smf_song *song;
    const uint8_t *file; /* to name offsets in messages */
    const uint8_t *at, *end;
    unsigned track;
};

/* A SysEx may come in several packets with time between them. */
struct packets {
    int open;
    size_t offset;
};

#if defined(__GNUC__)
__attribute__((format(printf, 2, 3)))
#endif
static int fail(struct smf_song *song, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(song->error, sizeof song->error, format, arguments);
    va_end(arguments);
    return -1;
}

static int fail_at(const struct reader *reader, const char *what)
{
    return fail(reader->song, "%s (track %u, byte %lu)", what, reader->track + 1,
                (unsigned long)(reader->at - reader->file));
}

static size_t left(const struct reader *reader)
{
    return (size_t)(reader->end - reader->at);
}

static uint32_t big_endian(const uint8_t *data, int size)
{
    uint32_t value = 0;
    while (size-- > 0)
        value = value << 8 | *data++;
    return value;
}

static int take_length(struct reader *reader, uint32_t *value)
{
    int i;
    *value = 0;
    for (i = 0; i < 4; i++) {
        if (left(reader) == 0)
            return fail_at(reader, "the track ends inside a number");
        *value = *value << 7 | (*reader->at & 0x7fu);
        if (*reader->at++ < 0x80)
            return 0;
    }
    return fail_at(reader, "a number of more than four bytes");
}

/* A length and that many bytes, which are surely there. */
static int take_block(struct reader *reader, const uint8_t **data, size_t *size)
{
    uint32_t length;
    if (take_length(reader, &length) != 0)
        return -1;
    if (length > left(reader))
        return fail_at(reader, "an event reaches beyond the end of its track");
    *data = reader->at;
    *size = length;
    reader->at += length;
    return 0;
}

static struct smf_event *add_event(struct smf_song *song, uint64_t tick)
{
    struct smf_event *event;
    if (song->count == song->capacity) {
        size_t capacity = song->capacity > 0 ? song->capacity * 2 : 256;
        struct smf_event *grown =
            capacity > (size_t)-1 / sizeof *grown ? NULL : realloc(song->events, capacity * sizeof *grown);
        if (grown == NULL) {
            fail(song, "out of memory");
            return NULL;
        }
        song->events = grown;
        song->capacity = capacity;
    }
    event = &song->events[song->count];
    memset(event, 0, sizeof *event);
    event->tick = tick;
    event->order = song->count++;
    return event;
}

static int add_bytes(struct smf_song *song, const uint8_t *data, size_t size)
{
    if (song->room - song->used < size) {
        size_t room = song->room * 2 > song->used + size ? song->room * 2 : song->used + size + 1024;
        uint8_t *grown = realloc(song->bytes, room);
        if (grown == NULL)
            return fail(song, "out of memory");
        song->bytes = grown;
        song->room = room;
    }
    if (size > 0)
        memcpy(song->bytes + song->used, data, size);
    song->used += size;
    return 0;
}

static int add_message(struct smf_song *song, uint64_t tick, size_t offset, size_t size)
{
    struct smf_event *event = add_event(song, tick);
    if (event == NULL)
        return -1;
    event->offset = offset;
    event->size = size;
    if (size > song->longest)
        song->longest = size;
    return 0;
}

static int read_channel_event(struct reader *reader, uint64_t tick, uint8_t status)
{
    struct smf_song *song = reader->song;
    size_t need = (status & 0xe0) == 0xc0 ? 1 : 2, i, offset = song->used;
    if (left(reader) < need)
        return fail_at(reader, "the track ends inside a message");
    for (i = 0; i < need; i++)
        if (reader->at[i] >= 0x80)
            return fail_at(reader, "a message lacks data bytes");
    if (add_bytes(song, &status, 1) != 0 || add_bytes(song, reader->at, need) != 0)
        return -1;
    reader->at += need;
    return add_message(song, tick, offset, need + 1);
}

/* The end of what was collected: a message if it is a whole SysEx. */
static int finish_packets(struct smf_song *song, uint64_t tick, struct packets *packets)
{
    const char *why;
    size_t size = song->used - packets->offset;
    packets->open = 0;
    if (message_first(song->bytes + packets->offset, size, &why) == size)
        return add_message(song, tick, packets->offset, size);
    song->used = packets->offset;
    song->skipped++;
    return 0;
}

/* An F7 event that continues no SysEx: any bytes, to be sent as they are. */
static int read_escape(struct smf_song *song, uint64_t tick, const uint8_t *data, size_t size)
{
    const char *why;
    while (size > 0) {
        size_t length = message_first(data, size, &why), offset = song->used;
        if (length == 0) {
            song->skipped++;
            return 0;
        }
        if (add_bytes(song, data, length) != 0 || add_message(song, tick, offset, length) != 0)
            return -1;
        data += length;
        size -= length;
    }
    return 0;
}

static int read_sysex_event(struct reader *reader, uint64_t tick, uint8_t status, struct packets *packets)
{
    static const uint8_t start = 0xf0;
    struct smf_song *song = reader->song;
    const uint8_t *data = NULL;
    size_t size = 0;
    if (take_block(reader, &data, &size) != 0)
        return -1;
    if (status == 0xf0) {
        if (packets->open && finish_packets(song, tick, packets) != 0) /* the last one was never ended */
            return -1;
        packets->open = 1;
        packets->offset = song->used;
        if (add_bytes(song, &start, 1) != 0)
            return -1;
    } else if (!packets->open) {
        return read_escape(song, tick, data, size);
    }
    if (add_bytes(song, data, size) != 0)
        return -1;
    if (size > 0 && data[size - 1] == 0xf7)
        return finish_packets(song, tick, packets);
    return 0;
}

static void set_title(struct smf_song *song, const uint8_t *text, size_t size)
{
    size_t i, wrote = 0;
    for (i = 0; i < size && wrote + 1 < sizeof song->title; i++)
        if (text[i] >= 0x20 && text[i] < 0x7f) /* nothing a terminal would obey */
            song->title[wrote++] = (char)text[i];
    song->title[wrote] = '\0';
}

/* 1 at the end of the track. */
static int read_meta_event(struct reader *reader, uint64_t tick)
{
    struct smf_song *song = reader->song;
    const uint8_t *data = NULL;
    size_t size = 0;
    uint8_t type;
    if (left(reader) == 0)
        return fail_at(reader, "the track ends inside a meta event");
    type = *reader->at++;
    if (take_block(reader, &data, &size) != 0)
        return -1;
    if (type == 0x2f)
        return 1;
    if (type == 0x03 && reader->track == 0 && song->title[0] == '\0')
        set_title(song, data, size);
    if (type == 0x51) {
        struct smf_event *event;
        if (size != 3 || big_endian(data, 3) == 0)
            return fail_at(reader, "an impossible tempo");
        event = add_event(song, tick);
        if (event == NULL)
            return -1;
        event->tempo = big_endian(data, 3);
    }
    return 0;
}

static int read_track(struct reader *reader, uint64_t *last_tick)
{
    struct packets packets = {0, 0};
    uint64_t tick = 0;
    uint8_t running = 0;
    while (left(reader) > 0) {
        uint32_t delta;
        uint8_t status;
        int result;
        if (take_length(reader, &delta) != 0)
            return -1;
        tick += delta; /* 28 bits each, no more of them than bytes: no overflow */
        if (left(reader) == 0)
            return fail_at(reader, "the track ends where an event should begin");
        status = *reader->at;
        if (status >= 0x80)
            reader->at++;
        else
            status = running; /* some writers keep it across meta events; it is harmless */
        if (status == 0)
            return fail_at(reader, "data bytes without a status byte");
        if (status < 0xf0) {
            /* A channel message inside the packets of a SysEx ends it. */
            if (packets.open && finish_packets(reader->song, tick, &packets) != 0)
                return -1;
            running = status;
            result = read_channel_event(reader, tick, status);
        } else if (status == 0xf0 || status == 0xf7) {
            result = read_sysex_event(reader, tick, status, &packets);
        } else if (status == 0xff) {
            result = read_meta_event(reader, tick);
        } else {
            reader->at--;
            result = fail_at(reader, "a status byte that a MIDI file may not hold");
        }
        if (result < 0)
            return -1;
        if (result > 0)
            break;
    }
    if (packets.open && finish_packets(reader->song, tick, &packets) != 0)
        return -1;
    if (tick > *last_tick)
        *last_tick = tick;
    return 0;
}

/* The standard MIDI file inside a RIFF "RMID" file. */
static void unwrap_riff(const uint8_t **data, size_t *size)
{
    size_t at = 12;
    if (*size < 20 || memcmp(*data, "RIFF", 4) != 0 || memcmp(*data + 8, "RMID", 4) != 0)
        return;
    while (*size - at >= 8) {
        const uint8_t *chunk = *data + at;
        size_t length = chunk[4] | (size_t)chunk[5] << 8 | (size_t)chunk[6] << 16 | (size_t)chunk[7] << 24;
        if (length > *size - at - 8)
            length = *size - at - 8;
        if (memcmp(chunk, "data", 4) == 0) {
            *data = chunk + 8;
            *size = length;
            return;
        }
        at += 8 + length;
        if (length % 2 != 0 && at < *size)
            at++;
    }
}

int smf_recognize(const uint8_t *data, size_t size)
{
    return size >= 4 && (memcmp(data, "MThd", 4) == 0 ||
                         (size >= 12 && memcmp(data, "RIFF", 4) == 0 && memcmp(data + 8, "RMID", 4) == 0));
}

int smf_read(struct smf_song *song, const uint8_t *data, size_t size)
{
    struct reader reader;
    const uint8_t *at, *end;
    const char *why;
    uint64_t last_tick = 0;
    uint32_t length;
    memset(song, 0, sizeof *song);
    unwrap_riff(&data, &size);
    if (size < 14 || memcmp(data, "MThd", 4) != 0 || (length = big_endian(data + 4, 4)) < 6 || length > size - 8)
        return fail(song, "not a standard MIDI file");
    song->format = big_endian(data + 8, 2);
    song->division = big_endian(data + 12, 2);
    if (song->format > 1)
        return fail(song, "format %u is not played (only 0 and 1 are)", song->format);
    end = data + size;
    for (at = data + 8 + length; (size_t)(end - at) >= 8; at += length) {
        int track = memcmp(at, "MTrk", 4) == 0;
        length = big_endian(at + 4, 4);
        at += 8;
        if (length > (size_t)(end - at))
            return fail(song, "the file is cut short (a chunk of %lu bytes at byte %lu)", (unsigned long)length,
                        (unsigned long)(at - data));
        if (!track)
            continue;
        reader.song = song;
        reader.file = data;
        reader.at = at;
        reader.end = at + length;
        reader.track = song->tracks++;
        if (read_track(&reader, &last_tick) != 0)
            return -1;
    }
    if (song->tracks == 0)
        return fail(song, "there is no track in it");
    why = smf_set_times(song, last_tick);
    return why != NULL ? fail(song, "%s", why) : 0;
}

void smf_free(struct smf_song *song)
{
    free(song->events);
    free(song->bytes);
    memset(song, 0, sizeof *song);
}
