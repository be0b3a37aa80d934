/* Any bytes for the tools' readers: MIDI files, .syx files, streams, words and
 * lines. What they read is random, mostly something whole that was damaged. What
 * they give is judged by rules that hold for any input.
 *
 *   fuzz_readers COUNT [SEED]    so many inputs for each reader
 *
 * It ends at the first input that is read wrongly, and prints it. */
#include "../../tools/common/parser.h"
#include "../../tools/common/text.h"
#include "../../tools/midi-file/smf.h"
#include "../../tools/midi-file/syx.h"
#include "../../tools/send/input.h"
#include "../../tools/send/words.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST_BYTES 512

static uint64_t state;
static const char *reader;
static uint8_t data[MOST_BYTES];
static size_t size;
static unsigned long messages, warned, refused;

/* xorshift64*, Vigna 2016. */
static unsigned random_below(unsigned limit)
{
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return (unsigned)((state * UINT64_C(2685821657736338717)) >> 33) % limit;
}

static void fail(const char *why)
{
    size_t i;
    printf("not ok %s: %s, of the input", reader, why);
    for (i = 0; i < size; i++)
        printf(" %02x", data[i]);
    printf("\n");
    exit(1);
}

static void check(int holds, const char *why)
{
    if (!holds)
        fail(why);
}

/* Exactly one whole message with its status byte? Written from the MIDI 1.0
 * specification, and not with the parts that are tested. */
static int is_message(const uint8_t *bytes, size_t count)
{
    static const uint8_t channel_sizes[7] = {3, 3, 3, 3, 2, 2, 3}, system_sizes[16] = {0, 2, 3, 2, 0, 0, 1, 0,
                                                                                     1, 0, 1, 1, 1, 0, 1, 1};
    size_t i, wanted;
    if (count == 0 || bytes[0] < 0x80)
        return 0;
    for (i = 1; i + 1 < count; i++)
        if (bytes[i] >= 0x80)
            return 0;
    if (bytes[0] == 0xf0)
        return count >= 2 && bytes[count - 1] == 0xf7;
    wanted = bytes[0] < 0xf0 ? channel_sizes[(bytes[0] >> 4) - 8] : system_sizes[bytes[0] & 15];
    return count == wanted && (count == 1 || bytes[count - 1] < 0x80);
}

static void put(uint8_t byte)
{
    if (size < MOST_BYTES)
        data[size++] = byte;
}

static void put_text(const char *text, size_t count)
{
    while (count-- > 0)
        put((uint8_t)*text++);
}

static void put_number(unsigned value)
{
    if (value >= 128)
        put((uint8_t)(0x80 | (value >> 7 & 0x7f)));
    put((uint8_t)(value & 0x7f));
}

static void put_data(unsigned count)
{
    while (count-- > 0)
        put((uint8_t)random_below(128));
}

/* A message as it stands in a stream. */
static void put_message(void)
{
    static const uint8_t statuses[] = {0x90, 0x80, 0xb0, 0xe0, 0xa0, 0xc0, 0xd0, 0xf0, 0xf1, 0xf2, 0xf6, 0xf8, 0xfe};
    uint8_t status = statuses[random_below(sizeof statuses)];
    if (status < 0xf0)
        status = (uint8_t)(status | random_below(16));
    put(status);
    if (status == 0xf0) {
        put_data(random_below(12));
        put(0xf7);
    } else if (status < 0xf6) {
        put_data((status & 0xe0) == 0xc0 || status == 0xf1 ? 1 : 2);
    }
}

static void put_event(int *running)
{
    unsigned kind = random_below(10), count = random_below(6);
    put_number(random_below(4) > 0 ? random_below(100) : random_below(16384));
    if (kind < 6) {
        int status = 0x80 | (int)random_below(0x70);
        if (kind > 0 || *running == 0)
            put((uint8_t)(*running = status));
        put_data((*running & 0xe0) == 0xc0 ? 1 : 2);
    } else if (kind < 8) {
        static const uint8_t types[] = {0x01, 0x03, 0x20, 0x21, 0x51, 0x58, 0x7f};
        uint8_t type = types[random_below(sizeof types)];
        count = type == 0x51 ? 3 : count;
        put(0xff);
        put(type);
        put_number(count);
        if (type == 0x51)
            put(1), count--;
        put_data(count);
    } else {
        put(0xf0);
        put_number(count + 1);
        put_data(count);
        put(0xf7);
    }
}

static void put_track(void)
{
    unsigned events = random_below(12);
    int running = 0;
    size_t length;
    put_text("MTrk\0\0\0\0", 8);
    length = size;
    while (events-- > 0)
        put_event(&running);
    put_text("\0\xff\x2f\0", 4);
    data[length - 2] = (uint8_t)((size - length) >> 8);
    data[length - 1] = (uint8_t)(size - length);
}

static void make_song(void)
{
    unsigned tracks = 1 + random_below(3), i;
    size = 0;
    put_text("MThd\0\0\0\6\0\1\0", 11);
    put((uint8_t)tracks);
    put((uint8_t)random_below(8));
    put((uint8_t)(1 + random_below(255)));
    for (i = 0; i < tracks; i++)
        put_track();
}

/* Some bytes changed, taken out, doubled, or cut off at the end. */
static void damage(void)
{
    unsigned times = 1 + random_below(4);
    while (times-- > 0 && size > 0) {
        size_t at = random_below((unsigned)size), count = 1 + random_below(8);
        count = count < size - at ? count : size - at;
        switch (random_below(5)) {
        case 0: data[at] = (uint8_t)random_below(256); break;
        case 1: data[at] = (uint8_t)(data[at] ^ (1u << random_below(8))); break;
        case 2:
            memmove(data + at, data + at + count, size - at - count);
            size -= count;
            break;
        case 3:
            if (size + count <= MOST_BYTES) {
                memmove(data + at + count, data + at, size - at);
                size += count;
            }
            break;
        default: size = random_below(4) == 0 ? at : size; break;
        }
    }
}

static void count_warning(void *context, const char *text)
{
    ++*(unsigned long *)context;
    if (text_printable(text, strlen(text), (char[8]){0}, 8) == 0)
        fail("an empty warning");
}

static void check_list(const struct message_list *list)
{
    size_t i;
    for (i = 0; i < list->count; i++) {
        const struct list_event *event = &list->events[i];
        check(event->offset <= list->used && event->size <= list->used - event->offset, "a message beyond the bytes");
        check(is_message(list->bytes + event->offset, event->size), "no message");
        check(i == 0 || event->time_ns >= event[-1].time_ns, "a time that goes back");
        check(event->size <= list->longest, "a message longer than the longest");
    }
    messages += (unsigned long)list->count;
}

/* The bytes in a block of their own, so that a sanitizer sees reads beyond them. */
static uint8_t *exact_copy(void)
{
    uint8_t *copy = malloc(size > 0 ? size : 1);
    if (copy == NULL)
        fail("no memory");
    memcpy(copy, data, size);
    return copy;
}

static void read_song(void)
{
    struct smf_song song;
    struct warnings warnings = {0};
    unsigned long count = 0;
    const char *error = NULL;
    int damaged = random_below(4) > 0, result;
    uint8_t *copy;
    make_song();
    if (damaged)
        damage();
    copy = exact_copy();
    warnings.take = count_warning;
    warnings.context = &count;
    result = smf_read(&song, copy, size, &warnings, &error);
    check((result == 0) == (error == NULL), "an error without a text");
    if (result == 0) {
        check_list(&song.list);
        check(song.list.count == 0 || song.duration_ns >= song.list.events[song.list.count - 1].time_ns, "too short");
        /* FF 21 may name several ports, and the last End of Track be far away. */
        check(damaged || size == MOST_BYTES || count <= 2, "warnings of a sound file");
    }
    check(damaged || size == MOST_BYTES || result == 0, "a sound file is refused");
    refused += result != 0;
    warned += count;
    smf_free(&song);
    free(copy);
}

static void make_stream(void)
{
    unsigned count = random_below(20);
    size = 0;
    while (count-- > 0) {
        if (random_below(8) == 0)
            put((uint8_t)random_below(256));
        put_message();
    }
    if (random_below(2) == 0)
        damage();
}

static void read_dump(void)
{
    struct message_list list;
    struct warnings warnings = {0};
    unsigned long count = 0;
    const char *error;
    uint8_t *copy;
    make_stream();
    copy = exact_copy();
    warnings.take = count_warning;
    warnings.context = &count;
    refused += syx_read(&list, copy, size, &warnings, &error) != 0;
    check_list(&list);
    warned += count;
    list_free(&list);
    free(copy);
}

/* What a stream gave: a number for its messages, and how many bytes it was. */
struct sum {
    uint64_t hash, bytes, left_out;
};

static void feed(struct parser *parser, const uint8_t *bytes, size_t count, struct sum *sum)
{
    struct parser_item item;
    enum parser_result result;
    size_t i;
    while ((result = parser_next(parser, &bytes, &count, &item)) != PARSER_EMPTY) {
        check(item.offset < size && item.size > 0, "an item that is nowhere");
        if (result == PARSER_LEFT_OUT) {
            sum->left_out += item.size;
            continue;
        }
        check(is_message(item.data, item.size), "no message");
        messages++;
        /* A status byte that has run on is not in the stream. */
        sum->bytes += item.size - (data[item.offset] < 0x80);
        for (i = 0; i < item.size; i++)
            sum->hash = (sum->hash ^ item.data[i]) * UINT64_C(1099511628211);
    }
}

static void read_stream(void)
{
    uint8_t sysex[MOST_BYTES];
    size_t capacity = random_below(4) == 0 ? random_below(10) : MOST_BYTES, at = 0;
    struct sum whole = {0, 0, 0}, pieces = {0, 0, 0};
    struct parser parser;
    struct parser_item item;
    uint8_t *copy;
    make_stream();
    copy = exact_copy();
    parser_init(&parser, sysex, capacity);
    feed(&parser, copy, size, &whole);
    if (parser_finish(&parser, &item) == PARSER_LEFT_OUT)
        whole.left_out += item.size;
    parser_init(&parser, sysex, capacity);
    while (at < size) {
        size_t piece = 1 + random_below(7);
        piece = piece < size - at ? piece : size - at;
        feed(&parser, copy + at, piece, &pieces);
        at += piece;
    }
    if (parser_finish(&parser, &item) == PARSER_LEFT_OUT)
        pieces.left_out += item.size;
    check(whole.bytes + whole.left_out == size, "a byte that is in no message, and not left out");
    check(memcmp(&whole, &pieces, sizeof whole) == 0, "another result in pieces");
    warned += whole.left_out > 0;
    free(copy);
}

static const char *const vocabulary[] = {
    "note-on", "note-off", "cc", "bend", "program", "sysex", "hex", "panic", "sleep", "clock", "song-position",
    "quarter-frame", "0", "1", "15", "16", "60", "127", "128", "-8192", "8191", "-", "f0", "f7", "7d", "90", "f8", "0x7f",
    "C4", "Bb2", "F#3", "1.5", "0.5,", "song.mid", "./a", ",", "", "polytouch", "-1", "99999999999", "zz", "(C4)", "...",
    "[x]", "listening", "on", "#1", "0.123456", "7d0102", "abc",
};

static void make_line(void)
{
    unsigned count = random_below(12);
    size = 0;
    while (count-- > 0) {
        const char *word = vocabulary[random_below(sizeof vocabulary / sizeof vocabulary[0])];
        put_text(word, strlen(word));
        put(' ');
    }
    if (random_below(3) == 0)
        damage();
}

static void read_words(void)
{
    struct input input;
    struct script script;
    const char *error;
    char *line;
    size_t count = 0, i;
    memset(&input, 0, sizeof input);
    script_init(&script);
    make_line();
    line = malloc(size + 1);
    if (line == NULL)
        fail("no memory");
    memcpy(line, data, size);
    line[size] = '\0';
    error = input_split(&input, line, &count);
    check(error == NULL || *error != '\0', "an error without a text");
    if (error == NULL && words_add(&script, input.words, count) != 0) {
        check(script.error[0] != '\0', "an error without a text");
        refused++;
    }
    for (i = 0; i < script.count; i++) {
        const struct action *action = &script.actions[i];
        check(action->kind != ACTION_MESSAGE || is_message(script.bytes + action->offset, action->size), "no message");
        messages += action->kind == ACTION_MESSAGE;
    }
    script_free(&script);
    input_free(&input);
    free(line);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*read)(void);
    } readers[] = {{"midi-files", read_song}, {"syx-files", read_dump}, {"streams", read_stream}, {"words", read_words}};
    unsigned long count = argc > 1 ? strtoul(argv[1], NULL, 10) : 100000, i;
    size_t at;
    state = argc > 2 ? strtoul(argv[2], NULL, 10) : 1;
    state = state * UINT64_C(0x9e3779b97f4a7c15) + 1;
    for (at = 0; at < sizeof readers / sizeof readers[0]; at++) {
        reader = readers[at].name;
        messages = warned = refused = 0;
        for (i = 0; i < count; i++)
            readers[at].read();
        printf("%s: %lu inputs, %lu messages, %lu warnings, %lu refused\n", reader, count, messages, warned, refused);
        printf("ok %s\n", reader);
        fflush(stdout);
    }
    return 0;
}
