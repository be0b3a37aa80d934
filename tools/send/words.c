#include "words.h"

#include "../common/cli.h"
#include "../common/message.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_SLEEP_MS 86400000L

struct reader {
    struct script *script;
    char *const *words;
    size_t count, at;
};

void script_init(struct script *script)
{
    memset(script, 0, sizeof *script);
}

void script_free(struct script *script)
{
    free(script->actions);
    free(script->bytes);
    script_init(script);
}

void script_clear(struct script *script)
{
    script->count = 0;
    script->used = 0;
}

#if defined(__GNUC__)
__attribute__((format(printf, 2, 3)))
#endif
static int fail(struct script *script, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(script->error, sizeof script->error, format, arguments);
    va_end(arguments);
    return -1;
}

static struct action *add_action(struct script *script, enum action_kind kind)
{
    struct action *action;
    if (script->count == script->capacity) {
        size_t capacity = script->capacity > 0 ? script->capacity * 2 : 16;
        struct action *grown = realloc(script->actions, capacity * sizeof *grown);
        if (grown == NULL) {
            fail(script, "out of memory");
            return NULL;
        }
        script->actions = grown;
        script->capacity = capacity;
    }
    action = &script->actions[script->count++];
    memset(action, 0, sizeof *action);
    action->kind = kind;
    return action;
}

static int add_byte(struct script *script, uint8_t byte)
{
    if (script->used == script->room) {
        size_t room = script->room > 0 ? script->room * 2 : 64;
        uint8_t *grown = realloc(script->bytes, room);
        if (grown == NULL)
            return fail(script, "out of memory");
        script->bytes = grown;
        script->room = room;
    }
    script->bytes[script->used++] = byte;
    return 0;
}

static int add_message(struct script *script, size_t offset, size_t size)
{
    struct action *action = add_action(script, ACTION_MESSAGE);
    if (action == NULL)
        return -1;
    action->offset = offset;
    action->size = size;
    return 0;
}

static const char *next(struct reader *reader)
{
    return reader->at < reader->count ? reader->words[reader->at] : NULL;
}

/* Does the word name an action rather than give a value? */
static int is_name(const char *word)
{
    return message_kind_named(word) != NULL || strcmp(word, "hex") == 0 || strcmp(word, "panic") == 0 ||
           strcmp(word, "sleep") == 0;
}

static int is_file(const char *word)
{
    return strchr(word, '/') != NULL || strchr(word, '.') != NULL || strchr(word, '\\') != NULL;
}

/* 1: a value was taken; 0: there is none (the next action begins, or the words
 * end); -1: it is none or out of range. */
static int take_value(struct reader *reader, const char *action, const char *value_name, long min, long max,
                      long *value)
{
    const char *word = next(reader);
    int note;
    if (word == NULL || is_name(word) || strcmp(word, "-") == 0)
        return 0;
    if (strcmp(value_name, "note") == 0 && (note = note_from_name(word)) >= 0) {
        *value = note;
    } else if (!cli_integer(word, min, max, value)) {
        if (is_file(word))
            return 0;
        return fail(reader->script, "%s: '%s' is not a %s (%ld to %ld)", action, word, value_name, min, max);
    }
    reader->at++;
    return 1;
}

static int need_value(struct reader *reader, const char *action, const char *value_name, long min, long max,
                      long *value)
{
    int taken = take_value(reader, action, value_name, min, max, value);
    if (taken == 0)
        return fail(reader->script, "%s: the %s is missing (%ld to %ld)", action, value_name, min, max);
    return taken > 0 ? 0 : -1;
}

static int add_kind(struct reader *reader, const struct message_kind *kind)
{
    struct script *script = reader->script;
    size_t offset = script->used, size, i;
    uint8_t data[3];
    long values[2] = {0, 0}, channel = 0, min, max;
    int index;

    if (message_has_channel(kind) && need_value(reader, kind->name, "channel", 0, 15, &channel) != 0)
        return -1;
    for (index = 0; index < kind->values; index++) {
        message_value_range(kind, index, &min, &max);
        if (strcmp(kind->value[index], "velocity") == 0) {
            values[index] = 64; /* what the standard has for want of a velocity */
            if (take_value(reader, kind->name, "velocity", min, max, &values[index]) < 0)
                return -1;
        } else if (need_value(reader, kind->name, kind->value[index], min, max, &values[index]) != 0) {
            return -1;
        }
    }
    size = message_put_values(kind, (int)channel, values, data);
    for (i = 0; i < size; i++)
        if (add_byte(script, data[i]) != 0)
            return -1;
    return add_message(script, offset, size);
}

static int hex_digit(char c)
{
    return c <= '9' ? c - '0' : tolower((unsigned char)c) - 'a' + 10;
}

/* Takes bytes in hexadecimal, "7d", "0x7d" or "7d0102", as long as they last.
 * `limit`: bytes from there on are not among them, so that "cc" is a name
 * after the data of a SysEx. */
static int take_hex(struct reader *reader, const char *action, uint8_t limit)
{
    struct script *script = reader->script;
    const char *word;
    while ((word = next(reader)) != NULL) {
        const char *digits = word[0] == '0' && (word[1] == 'x' || word[1] == 'X') ? word + 2 : word;
        size_t length = strlen(digits);
        if (length == 0 || strspn(digits, "0123456789abcdefABCDEF") != length)
            return 0;
        if (length > 2 && length % 2 != 0)
            return fail(script, "%s: '%s' has an odd number of hexadecimal digits", action, word);
        if (limit < 0xff && is_name(word))
            return 0;
        for (; length > 0; length -= length == 1 ? 1 : 2) {
            int byte = length == 1 ? hex_digit(*digits) : hex_digit(digits[0]) * 16 + hex_digit(digits[1]);
            if (byte > limit)
                return fail(script, "%s: %02x is not a data byte (00 to 7f)", action, (unsigned)byte);
            if (add_byte(script, (uint8_t)byte) != 0)
                return -1;
            digits += length == 1 ? 1 : 2;
        }
        reader->at++;
    }
    return 0;
}

/* "sysex 7d 01" and "sysex f0 7d 01 f7" are the same. */
static int add_sysex(struct reader *reader)
{
    struct script *script = reader->script;
    size_t offset = script->used;
    const char *word = next(reader);
    if (add_byte(script, 0xf0) != 0)
        return -1;
    if (word != NULL && (strcmp(word, "f0") == 0 || strcmp(word, "F0") == 0))
        reader->at++;
    for (;;) {
        size_t before = reader->at;
        word = next(reader);
        if (word != NULL && (strcmp(word, "f7") == 0 || strcmp(word, "F7") == 0)) {
            reader->at++;
            break;
        }
        /* One word at a time, for the f7 may stand among them. */
        if (word != NULL) {
            struct reader one = {script, reader->words, reader->at + 1, reader->at};
            if (take_hex(&one, "sysex", 0x7f) != 0)
                return -1;
            reader->at = one.at;
        }
        if (reader->at == before)
            break;
    }
    if (add_byte(script, 0xf7) != 0)
        return -1;
    return add_message(script, offset, script->used - offset);
}

static int add_hex(struct reader *reader)
{
    struct script *script = reader->script;
    size_t offset = script->used;
    const char *why;
    if (take_hex(reader, "hex", 0xff) != 0)
        return -1;
    if (offset == script->used)
        return fail(script, "hex: no bytes follow");
    while (offset < script->used) {
        size_t size = message_first(script->bytes + offset, script->used - offset, &why);
        if (size == 0)
            return fail(script, "hex: %s, at byte %02x", why, (unsigned)script->bytes[offset]);
        if (add_message(script, offset, size) != 0)
            return -1;
        offset += size;
    }
    return 0;
}

static int add_next(struct reader *reader)
{
    const char *word = reader->words[reader->at++];
    const struct message_kind *kind = message_kind_named(word);
    struct action *action;
    long milliseconds;

    if (kind != NULL)
        return kind->layout == LAYOUT_SYSEX ? add_sysex(reader) : add_kind(reader, kind);
    if (strcmp(word, "hex") == 0)
        return add_hex(reader);
    if (strcmp(word, "panic") == 0)
        return add_action(reader->script, ACTION_PANIC) != NULL ? 0 : -1;
    if (strcmp(word, "sleep") == 0) {
        if (need_value(reader, "sleep", "number of milliseconds", 0, MAX_SLEEP_MS, &milliseconds) != 0)
            return -1;
        action = add_action(reader->script, ACTION_SLEEP);
        if (action != NULL)
            action->sleep_ms = (uint32_t)milliseconds;
        return action != NULL ? 0 : -1;
    }
    if (strcmp(word, "-") == 0 || is_file(word)) {
        action = add_action(reader->script, word[0] == '-' && word[1] == '\0' ? ACTION_INPUT : ACTION_FILE);
        if (action != NULL)
            action->path = word;
        return action != NULL ? 0 : -1;
    }
    if (cli_integer(word, -2147483647L, 2147483647L, &milliseconds))
        return fail(reader->script, "'%s': a number, where a message must begin", word);
    return fail(reader->script, "'%s' is neither a message nor a file (a file's name has a '.' or a '/')", word);
}

/* The words up to the first with a comma at its end, which is taken off it. */
static size_t count_to_comma(char **words, size_t count, size_t *with_comma)
{
    size_t i;
    for (i = 0; i < count; i++) {
        size_t length = strlen(words[i]);
        if (length > 0 && words[i][length - 1] == ',') {
            words[i][length - 1] = '\0';
            *with_comma = i + 1;
            return length > 1 ? i + 1 : i;
        }
    }
    *with_comma = count;
    return count;
}

int script_add_words(struct script *script, char **words, size_t count)
{
    while (count > 0) {
        struct reader reader;
        size_t taken;
        reader.script = script;
        reader.words = words;
        reader.count = count_to_comma(words, count, &taken);
        reader.at = 0;
        while (reader.at < reader.count)
            if (add_next(&reader) != 0)
                return -1;
        words += taken;
        count -= taken;
    }
    return 0;
}
