#include "words.h"

#include "../common/cli.h"
#include "../common/message.h"
#include "hex.h"

#include <stdlib.h>
#include <string.h>

#define MAX_SLEEP_MS 86400000L

struct reader {
    struct script *script;
    char *const *words;
    size_t count, at;
};

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

static int is_number(const char *word)
{
    char *end;
    if (strpbrk(word, "0123456789") == NULL)
        return 0;
    strtod(word, &end);
    return *end == '\0' || strspn(word, "0123456789.,:/+-%") == strlen(word);
}

/* A file's name has a '.' or a '/' in it. */
static int is_file(const char *word)
{
    return strpbrk(word, "./\\") != NULL && !is_number(word);
}

/* Does the word begin the next action? Where a value is required, a file's name
 * is a wrong value. */
static int begins_action(const char *word, int required)
{
    return word == NULL || is_name(word) || strcmp(word, "-") == 0 || (!required && is_file(word));
}

/* 1: a value was taken; 0: there is none; -1: it is wrong. */
static int take_value(struct reader *reader, const char *action, const char *value_name, int required, long min,
                      long max, long *value)
{
    const char *word = next(reader);
    int note = -1;
    if (begins_action(word, required))
        return 0;
    if (strcmp(value_name, "note") == 0)
        note = note_from_name(word);
    if (note >= 0)
        *value = note;
    else if (!cli_integer(word, min, max, value))
        return script_fail(reader->script, "%s: '%s' is not a %s (%ld to %ld)", action, word, value_name, min, max);
    reader->at++;
    return 1;
}

static int need_value(struct reader *reader, const char *action, const char *value_name, long min, long max,
                      long *value)
{
    int taken = take_value(reader, action, value_name, 1, min, max, value);
    if (taken == 0)
        return script_fail(reader->script, "%s: the %s is missing (%ld to %ld)", action, value_name, min, max);
    return taken > 0 ? 0 : -1;
}

static int add_kind(struct reader *reader, const struct message_kind *kind)
{
    uint8_t data[3];
    long values[2] = {0, 0}, channel = 0, min, max;
    int index;
    if (message_has_channel(kind) && need_value(reader, kind->name, "channel", 0, 15, &channel) != 0)
        return -1;
    for (index = 0; index < kind->values; index++) {
        message_value_range(kind, index, &min, &max);
        if (strcmp(kind->value[index], "velocity") == 0) {
            values[index] = 64; /* the standard's value where there is no velocity */
            if (take_value(reader, kind->name, "velocity", 0, min, max, &values[index]) < 0)
                return -1;
        } else if (need_value(reader, kind->name, kind->value[index], min, max, &values[index]) != 0) {
            return -1;
        }
    }
    return script_add_message(reader->script, data, message_put_values(kind, (int)channel, values, data));
}

/* Collects bytes as long as the words are hexadecimal. */
static int take_hex(struct reader *reader, const char *action, struct hex *hex, int names_end_it)
{
    const char *word;
    while ((word = next(reader)) != NULL) {
        enum hex_result result;
        if (names_end_it && is_name(word))
            break;
        result = hex_add_word(hex, word);
        if (result == HEX_NO_MEMORY)
            return script_fail(reader->script, "out of memory");
        if (result == HEX_ODD)
            return script_fail(reader->script, "%s: '%s' has an odd number of hexadecimal digits", action, word);
        if (result == HEX_OTHER && !begins_action(word, 0))
            return script_fail(reader->script, "%s: '%s' is not a byte in hexadecimal", action, word);
        if (result == HEX_OTHER)
            break;
        reader->at++;
    }
    return 0;
}

static int add_hex(struct reader *reader)
{
    struct hex hex = {0};
    int result = take_hex(reader, "hex", &hex, 0);
    if (result == 0 && hex.size == 0)
        result = script_fail(reader->script, "hex: no bytes follow");
    if (result == 0)
        result = hex_add_messages(&hex, "hex", reader->script);
    hex_free(&hex);
    return result;
}

/* "sysex 7d 01" and "sysex f0 7d 01 f7" are the same. */
static int add_sysex(struct reader *reader)
{
    struct hex hex = {0};
    const char *word = next(reader);
    int result = 0;
    if (word == NULL || (strcmp(word, "f0") != 0 && strcmp(word, "F0") != 0))
        result = hex_add_word(&hex, "f0") == HEX_ADDED ? 0 : script_fail(reader->script, "out of memory");
    if (result == 0)
        result = take_hex(reader, "sysex", &hex, 1);
    if (result == 0 && hex.data[hex.size - 1] != 0xf7)
        result = hex_add_word(&hex, "f7") == HEX_ADDED ? 0 : script_fail(reader->script, "out of memory");
    if (result == 0)
        result = hex_add_messages(&hex, "sysex", reader->script);
    hex_free(&hex);
    return result;
}

static int add_sleep(struct reader *reader)
{
    long milliseconds;
    if (need_value(reader, "sleep", "number of milliseconds", 0, MAX_SLEEP_MS, &milliseconds) != 0)
        return -1;
    return script_add_action(reader->script, ACTION_SLEEP, (uint32_t)milliseconds, NULL);
}

static int add_next(struct reader *reader)
{
    const char *word = reader->words[reader->at++];
    const struct message_kind *kind = message_kind_named(word);
    if (kind != NULL)
        return kind->layout == LAYOUT_SYSEX ? add_sysex(reader) : add_kind(reader, kind);
    if (strcmp(word, "hex") == 0)
        return add_hex(reader);
    if (strcmp(word, "panic") == 0)
        return script_add_action(reader->script, ACTION_PANIC, 0, NULL);
    if (strcmp(word, "sleep") == 0)
        return add_sleep(reader);
    if (strcmp(word, "-") == 0)
        return script_add_action(reader->script, ACTION_INPUT, 0, word);
    if (is_file(word))
        return script_add_action(reader->script, ACTION_FILE, 0, word);
    if (is_number(word))
        return script_fail(reader->script, "'%s': a number, where a message must begin", word);
    return script_fail(reader->script, "'%s' is neither a message nor a file (a file's name has a '.' or a '/')", word);
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

int words_add(struct script *script, char **words, size_t count)
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
