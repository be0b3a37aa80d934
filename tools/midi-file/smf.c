#include "smf.h"

#include "../common/address.h"
#include "../common/count.h"
#include "smf_time.h"
#include "smf_track.h"

#include <stdlib.h>
#include <string.h>

struct file_reader {
    struct smf_song *song;
    struct warnings *warnings;
    const uint8_t *file; /* to name offsets in warnings */
    const uint8_t *at, *end;
    uint8_t *sysex; /* room for the longest SysEx there can be */
    size_t room;
    unsigned announced; /* how many tracks there are, by the header */
    uint64_t last_tick;
};

static uint32_t big_endian(const uint8_t *data, int size)
{
    uint32_t value = 0;
    while (size-- > 0)
        value = value << 8 | *data++;
    return value;
}

static unsigned long offset_of(const struct file_reader *reader, const uint8_t *at)
{
    return (unsigned long)(at - reader->file);
}

/* Is there a chunk, of whatever type, with all of its bytes? */
static int chunk_at(const uint8_t *at, const uint8_t *end)
{
    int i;
    if (end - at < 8)
        return 0;
    for (i = 0; i < 4; i++)
        if (at[i] < 0x20 || at[i] > 0x7e)
            return 0;
    return memcmp(at, "MTrk", 4) == 0 || big_endian(at + 4, 4) <= (size_t)(end - at) - 8;
}

/* A track begins at `at`. */
static int read_track(struct file_reader *reader)
{
    struct track_reader track;
    uint32_t length = big_endian(reader->at + 4, 4);
    const uint8_t *start = reader->at + 8;
    int beyond = length > (size_t)(reader->end - start);
    memset(&track, 0, sizeof track);
    track.song = reader->song;
    track.warnings = reader->warnings;
    track.file = reader->file;
    track.at = start;
    track.stated = beyond ? reader->end : start + length;
    track.certain = !beyond && (track.stated == reader->end || chunk_at(track.stated, reader->end));
    track.end = track.certain ? track.stated : reader->end;
    track.number = ++reader->song->tracks;
    parser_init(&track.parser, reader->sysex, reader->room);
    if (track_read(&track) != 0)
        return -1;
    if (track.tick > reader->last_tick)
        reader->last_tick = track.tick;
    reader->at = track.at;
    if (track.at == track.stated && !beyond)
        return 0;
    if (track.certain && !track_begins(track.at, reader->end)) {
        warn(reader->warnings, "byte %lu, track %u: left out: %lu byte%s behind the End of Track",
             offset_of(reader, track.at), track.number, (unsigned long)(track.stated - track.at),
             plural((unsigned long)(track.stated - track.at)));
        reader->at = track.stated;
        return 0;
    }
    warn(reader->warnings, "byte %lu, track %u: its length is wrong (%lu bytes; it has %lu)",
         offset_of(reader, start - 4), track.number, (unsigned long)length, (unsigned long)(track.at - start));
    return 0;
}

/* Moves to the next track, over other chunks and whatever else there is. */
static int find_track(struct file_reader *reader)
{
    const uint8_t *at = reader->at, *end = reader->end, *junk;
    while (!track_begins(at, end) && chunk_at(at, end))
        at += 8 + big_endian(at + 4, 4);
    for (junk = at; at < end && !track_begins(at, end); at++)
        ;
    if (at == end) {
        if (junk < end)
            warn(reader->warnings, "byte %lu: left out: %lu byte%s behind the last track", offset_of(reader, junk),
                 (unsigned long)(end - junk), plural((unsigned long)(end - junk)));
        reader->at = end;
        return 0;
    }
    if (junk < at)
        warn(reader->warnings, "byte %lu: left out: %lu byte%s between two tracks", offset_of(reader, junk),
             (unsigned long)(at - junk), plural((unsigned long)(at - junk)));
    reader->at = at;
    return 1;
}

static int read_tracks(struct file_reader *reader)
{
    while (find_track(reader))
        if (read_track(reader) != 0)
            return -1;
    if (reader->song->tracks != reader->announced)
        warn(reader->warnings, "byte 10: the header announces %u track%s, and there %s %u", reader->announced,
             plural(reader->announced), reader->song->tracks == 1 ? "is" : "are", reader->song->tracks);
    return 0;
}

static void read_header(struct file_reader *reader)
{
    uint32_t length = big_endian(reader->at + 4, 4);
    reader->song->format = big_endian(reader->at + 8, 2);
    reader->announced = big_endian(reader->at + 10, 2);
    reader->song->division = big_endian(reader->at + 12, 2);
    reader->at += 8;
    if (length >= 6 && length <= (size_t)(reader->end - reader->at) &&
        (length == 6 || !track_begins(reader->at + 6, reader->end))) {
        reader->at += length;
        return;
    }
    warn(reader->warnings, "byte %lu: the length of the header is wrong", offset_of(reader, reader->at - 4));
    reader->at += 6;
}

/* The standard MIDI file inside a RIFF "RMID" file; 0 if there is none. */
static size_t find_in_riff(const uint8_t *data, size_t size, size_t *length_of_file)
{
    size_t at = 12;
    while (at < size && size - at >= 8) {
        const uint8_t *chunk = data + at;
        size_t length = chunk[4] | (size_t)chunk[5] << 8 | (size_t)chunk[6] << 16 | (size_t)chunk[7] << 24;
        if (memcmp(chunk, "data", 4) == 0) {
            /* A length of 0 or beyond the end was never filled in. */
            *length_of_file = length > 0 && length <= size - at - 8 ? length : size - at - 8;
            return at + 8;
        }
        if (length > size - at - 8)
            return 0;
        at += 8 + length + length % 2;
    }
    return 0;
}

int smf_find(const uint8_t *data, size_t size, size_t *offset, size_t *length)
{
    static const uint8_t header[] = {'M', 'T', 'h', 'd', 0, 0, 0, 6};
    size_t at;
    *offset = 0;
    *length = size;
    if (size >= 4 && memcmp(data, "MThd", 4) == 0)
        return 1;
    if (size >= 12 && memcmp(data, "RIFF", 4) == 0 && memcmp(data + 8, "RMID", 4) == 0) {
        *offset = find_in_riff(data, size, length);
        if (*offset > 0)
            return 1;
    }
    /* Some systems put a header of their own before it. */
    for (at = 0; size - at >= sizeof header && data[0] != 0xf0; at++) {
        if (memcmp(data + at, header, sizeof header) == 0) {
            *offset = at;
            *length = size - at;
            return 1;
        }
    }
    return 0;
}

/* Reads header and tracks; NULL, or why that is not possible. */
static const char *read_file(struct file_reader *reader)
{
    struct smf_song *song = reader->song;
    if (reader->end - reader->at < 14 || memcmp(reader->at, "MThd", 4) != 0)
        return "the header of the MIDI file is incomplete";
    read_header(reader);
    if (song->format == 2 && reader->announced > 1)
        return "a MIDI file of format 2 holds several songs, and these are not played";
    if (song->format > 2)
        warn(reader->warnings, "byte 8: format %u is unknown; it is played like format 1", song->format);
    if (read_tracks(reader) != 0)
        return "out of memory";
    if (song->tracks == 0)
        return "there is no track in it";
    if (song->ports > 1)
        warn(reader->warnings, "it is written for several MIDI ports: all of them are played into this one");
    smf_set_times(song, reader->last_tick, reader->warnings);
    return NULL;
}

int smf_read(struct smf_song *song, const uint8_t *data, size_t size, struct warnings *warnings, const char **error)
{
    struct file_reader reader;
    size_t offset, length;
    memset(song, 0, sizeof *song);
    song->last_port = -1;
    if (!smf_find(data, size, &offset, &length)) {
        *error = "it is no MIDI file";
        return -1;
    }
    if (offset > 0 && memcmp(data, "RIFF", 4) != 0)
        warn(warnings, "byte 0: left out: %lu byte%s before the MIDI file", (unsigned long)offset, plural(offset));
    memset(&reader, 0, sizeof reader);
    reader.song = song;
    reader.warnings = warnings;
    reader.file = data;
    reader.at = data + offset;
    reader.end = reader.at + length;
    /* No SysEx has more bytes than the file. */
    reader.room = size < MAX_MESSAGE_BYTES ? size : MAX_MESSAGE_BYTES;
    reader.sysex = malloc(reader.room);
    *error = reader.sysex != NULL ? read_file(&reader) : "out of memory";
    free(reader.sysex);
    return *error == NULL ? 0 : -1;
}

void smf_free(struct smf_song *song)
{
    list_free(&song->list);
    memset(song, 0, sizeof *song);
}
