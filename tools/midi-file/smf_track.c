#include "smf_track.h"

#include "../common/count.h"
#include "../common/text.h"

#include <string.h>

/* How far a track whose header is wrong is searched for its end. */
#define LOOK_BYTES 65536

/* The results of reading an event. */
enum { NO_MEMORY = -1, GO_ON, TRACK_ENDS };

int track_begins(const uint8_t *at, const uint8_t *end)
{
    return end - at >= 8 && memcmp(at, "MTrk", 4) == 0;
}

static size_t left(const struct track_reader *reader)
{
    return (size_t)(reader->end - reader->at);
}

static unsigned long offset_of(const struct track_reader *reader, const uint8_t *at)
{
    return (unsigned long)(at - reader->file);
}

static void warn_at(struct track_reader *reader, const uint8_t *at, const char *what)
{
    warn(reader->warnings, "byte %lu, track %u: %s", offset_of(reader, at), reader->number, what);
}

static int cut_off(struct track_reader *reader)
{
    warn_at(reader, reader->end, "the track ends inside an event, which is left out");
    reader->at = reader->end;
    return TRACK_ENDS;
}

/* A number of one to four bytes; 0 where the track ends inside it. */
static int take_number(struct track_reader *reader, uint32_t *value)
{
    const uint8_t *start = reader->at;
    *value = 0;
    while (left(reader) > 0) {
        *value = (*value << 7 | (*reader->at & 0x7fu)) & 0x0fffffff;
        if (*reader->at++ < 0x80) {
            if (reader->at - start > 4)
                warn_at(reader, start, "a number of more than four bytes");
            return 1;
        }
    }
    return 0;
}

/* A length and that many bytes; 0 where the track ends inside them. */
static int take_block(struct track_reader *reader, const uint8_t **data, size_t *size)
{
    uint32_t length;
    if (!take_number(reader, &length) || length > left(reader))
        return 0;
    *data = reader->at;
    *size = length;
    reader->at += length;
    return 1;
}

static void warn_left_out(struct track_reader *reader, const struct parser_item *item)
{
    char text[FAULT_TEXT];
    parser_describe(item, text);
    warn(reader->warnings, "byte %lu, track %u: left out: %s", (unsigned long)item->offset, reader->number, text);
}

/* Gives bytes of the track to the parser, and its messages to the song. */
static int feed(struct track_reader *reader, const uint8_t *data, size_t size, const uint8_t *at)
{
    struct parser_item item;
    enum parser_result result;
    reader->parser.offset = offset_of(reader, at);
    while ((result = parser_next(&reader->parser, &data, &size, &item)) != PARSER_EMPTY) {
        if (result == PARSER_LEFT_OUT)
            warn_left_out(reader, &item);
        else if (list_add_message(&reader->song->list, reader->tick, item.data, item.size) != 0)
            return NO_MEMORY;
    }
    return GO_ON;
}

/* A message as an event: a channel message, or one that only a stream may hold. */
static int read_message(struct track_reader *reader, const uint8_t *start, uint8_t status, size_t need)
{
    uint8_t message[3];
    size_t i;
    if (left(reader) < need)
        return cut_off(reader);
    message[0] = status;
    memcpy(message + 1, reader->at, need);
    reader->at += need;
    for (i = 1; i <= need; i++) {
        if (message[i] >= 0x80) {
            warn(reader->warnings, "byte %lu, track %u: left out: %02x %02x..., whose data byte %02x is above 7f",
                 offset_of(reader, start), reader->number, status, message[1], message[i]);
            return GO_ON;
        }
    }
    return feed(reader, message, need + 1, start);
}

static int read_system_event(struct track_reader *reader, const uint8_t *start, uint8_t status)
{
    size_t need = status == 0xf1 || status == 0xf3 ? 1 : status == 0xf2 ? 2 : 0;
    if (status != 0xf4 && status != 0xf5 && status != 0xf9 && status != 0xfd)
        warn(reader->warnings, "byte %lu, track %u: %02x, which a MIDI file may not hold; it is sent all the same",
             offset_of(reader, start), reader->number, status);
    return read_message(reader, start, status, need);
}

/* F0: a SysEx, or its first part. F7: its next part, or any bytes to be sent. */
static int read_packet(struct track_reader *reader, const uint8_t *start, uint8_t status)
{
    const uint8_t *data = NULL;
    size_t size = 0;
    int result = GO_ON;
    if (!take_block(reader, &data, &size))
        return cut_off(reader);
    parser_forget_status(&reader->parser);
    if (status == 0xf0)
        result = feed(reader, &status, 1, start);
    return result == GO_ON ? feed(reader, data, size, data) : result;
}

static void set_title(struct smf_song *song, const uint8_t *text, size_t size)
{
    while (size > 0 && text[size - 1] <= ' ')
        size--;
    while (size > 0 && *text == ' ') {
        text++;
        size--;
    }
    if (text_is_readable((const char *)text, size))
        text_printable((const char *)text, size, song->title, sizeof song->title);
}

static int read_tempo(struct track_reader *reader, const uint8_t *start, const uint8_t *data, size_t size)
{
    uint32_t tempo = size >= 3 ? (uint32_t)data[0] << 16 | (uint32_t)data[1] << 8 | data[2] : 0;
    if (size > 3)
        warn_at(reader, start, "a tempo of more than three bytes: the first three are used");
    if (tempo > 0)
        return list_add_tempo(&reader->song->list, reader->tick, tempo) == 0 ? GO_ON : NO_MEMORY;
    warn_at(reader, start, size < 3 ? "left out: a tempo of less than three bytes" : "left out: a tempo of 0");
    return GO_ON;
}

static int read_meta_event(struct track_reader *reader, const uint8_t *start)
{
    struct smf_song *song = reader->song;
    const uint8_t *data = NULL;
    size_t size = 0;
    uint8_t type;
    if (left(reader) == 0)
        return cut_off(reader);
    type = *reader->at++;
    if (!take_block(reader, &data, &size)) {
        reader->ended = type == 0x2f;
        if (!reader->ended)
            return cut_off(reader);
        warn_at(reader, start, "the End of Track is cut off");
        reader->at = reader->end;
        return TRACK_ENDS;
    }
    reader->ended = type == 0x2f;
    if (type == 0x03 && reader->number == 1 && song->title[0] == '\0')
        set_title(song, data, size);
    if (type == 0x21 && size == 1 && data[0] != song->last_port) {
        song->ports++;
        song->last_port = data[0];
    }
    if (type == 0x51)
        return read_tempo(reader, start, data, size);
    return reader->ended ? TRACK_ENDS : GO_ON;
}

/* Bytes where an event must begin, without a status byte before them. */
static int skip_data(struct track_reader *reader)
{
    const uint8_t *start = reader->at;
    while (left(reader) > 0 && *reader->at < 0x80)
        reader->at++;
    warn(reader->warnings, "byte %lu, track %u: left out: %lu byte%s without a status byte", offset_of(reader, start),
         reader->number, (unsigned long)(reader->at - start), plural((unsigned long)(reader->at - start)));
    return left(reader) > 0 ? GO_ON : TRACK_ENDS;
}

static int read_event(struct track_reader *reader)
{
    const uint8_t *start;
    uint32_t delta;
    uint8_t status;
    if (!take_number(reader, &delta) || left(reader) == 0)
        return cut_off(reader);
    reader->tick += delta; /* 28 bits each, no more of them than bytes: no overflow */
    if (*reader->at < 0x80 && reader->running == 0 && skip_data(reader) == TRACK_ENDS)
        return TRACK_ENDS;
    start = reader->at;
    /* Some programs let a status run on across meta events; there is no harm in it. */
    status = *start >= 0x80 ? *reader->at++ : reader->running;
    if (status < 0xf0) {
        reader->running = status;
        return read_message(reader, start, status, (status & 0xe0) == 0xc0 ? 1 : 2);
    }
    if (status == 0xff)
        return read_meta_event(reader, start);
    if (status == 0xf0 || status == 0xf7)
        return read_packet(reader, start, status);
    return read_system_event(reader, start, status);
}

static void ignore(void *context, const char *text)
{
    (void)context;
    (void)text;
}

/* Whether sound events lead from here to an End of Track. They are not read. */
static int leads_to_end(const struct track_reader *reader)
{
    struct track_reader look = *reader;
    uint8_t running = reader->running;
    struct warnings none = {0};
    none.take = ignore;
    look.warnings = &none;
    if (left(&look) > LOOK_BYTES)
        look.end = look.at + LOOK_BYTES;
    while (left(&look) > 0 && !track_begins(look.at, look.end)) {
        const uint8_t *data;
        uint32_t delta;
        size_t size, need, i;
        uint8_t status;
        if (!take_number(&look, &delta) || left(&look) == 0)
            return 0;
        status = *look.at >= 0x80 ? *look.at++ : running;
        if (status == 0xff && left(&look) > 1 && look.at[0] == 0x2f && look.at[1] == 0)
            return 1;
        if (status == 0xff && left(&look) > 0)
            look.at++;
        if (status == 0xff || status == 0xf0 || status == 0xf7) {
            if (!take_block(&look, &data, &size))
                return 0;
            continue;
        }
        need = (status & 0xe0) == 0xc0 ? 1 : 2;
        if (status < 0x80 || status > 0xf0 || left(&look) < need)
            return 0;
        for (i = 0; i < need; i++)
            if (*look.at++ >= 0x80)
                return 0;
        running = status;
    }
    return 0;
}

/* Between two events: does the track end here without an End of Track? */
static int ends_here(struct track_reader *reader)
{
    if (left(reader) == 0)
        return 1;
    if (reader->certain)
        return 0;
    return track_begins(reader->at, reader->end) || (reader->at == reader->stated && !leads_to_end(reader));
}

int track_read(struct track_reader *reader)
{
    struct parser_item item;
    int result = GO_ON;
    while (result == GO_ON && !ends_here(reader))
        result = read_event(reader);
    if (parser_finish(&reader->parser, &item) == PARSER_LEFT_OUT)
        warn_left_out(reader, &item);
    if (result == GO_ON && !reader->ended)
        warn_at(reader, reader->at, "the track has no End of Track");
    return result == NO_MEMORY ? -1 : 0;
}
