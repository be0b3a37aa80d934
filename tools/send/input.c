#include "input.h"

#include "../common/platform.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define IDLE_MS 20

static const char no_memory[] = "out of memory";

static enum input_result fail(struct input *input, const char *text)
{
    snprintf(input->error, sizeof input->error, "%s", text);
    return INPUT_FAILED;
}

/* Gets more bytes. INPUT_LINE: there are some. */
static enum input_result fill(struct input *input)
{
    int error = 0, result = 1;
    input->at = input->size = 0;
    while (result == 1 && input->size == 0) {
        if (platform_stopped() || (input->idle != NULL && input->idle(input->context) != 0))
            return INPUT_STOPPED;
        result = platform_read(input->chunk, sizeof input->chunk, IDLE_MS, &input->size, &error);
    }
    if (result < 0)
        return fail(input, strerror(error));
    return result == 1 ? INPUT_LINE : INPUT_END;
}

static int add(struct input *input, char c)
{
    if (input->used + 1 >= input->room) {
        size_t room = input->room > 0 ? input->room * 2 : 256;
        char *grown = realloc(input->line, room);
        if (grown == NULL)
            return -1;
        input->line = grown;
        input->room = room;
    }
    input->line[input->used++] = c;
    input->line[input->used] = '\0';
    return 0;
}

/* The next line, without its end, in input->line. */
static enum input_result read_line(struct input *input)
{
    enum input_result result = INPUT_LINE;
    input->used = 0;
    while (!input->at_end) {
        char c;
        if (input->at == input->size && (result = fill(input)) != INPUT_LINE) {
            input->at_end = result == INPUT_END;
            if (result != INPUT_END)
                return result;
            break;
        }
        c = input->chunk[input->at++];
        if (c == '\n' && input->after_cr) {
            input->after_cr = 0;
            continue;
        }
        input->after_cr = c == '\r';
        if (c == '\n' || c == '\r')
            return add(input, '\0') == 0 ? (input->used--, INPUT_LINE) : fail(input, no_memory);
        if (add(input, c) != 0)
            return fail(input, no_memory);
    }
    return input->used > 0 ? INPUT_LINE : INPUT_END;
}

static size_t count_digits(const char *text)
{
    return strspn(text, "0123456789");
}

/* Behind the second time, "    -0.345678  " or "          -  ", that begins here; 0: none does. */
static size_t sent_column(const char *text)
{
    size_t at = text[0] == '-', digits = count_digits(text + at);
    if (digits > 0) {
        if (text[at + digits] != '.' || count_digits(text + at + digits + 1) != 6)
            return 0;
        at += digits + 7;
    }
    return at > 0 && text[at] == ' ' && text[at + 1] == ' ' ? at + strspn(text + at, " ") : 0;
}

/* The columns "    12.345678  #3   " or "13:05:59.123456  #3   ", as midisock-monitor
 * prints them before a message, perhaps with a second time; 0: there are none. */
static size_t columns(const char *line)
{
    size_t at = strspn(line, " "), digits = count_digits(line + at), more;
    while (digits == 2 && line[at + digits] == ':') {
        at += 3;
        digits = count_digits(line + at);
    }
    if (digits == 0 || line[at + digits] != '.' || count_digits(line + at + digits + 1) != 6)
        return 0;
    at += digits + 7;
    if (line[at] != ' ' || line[at + 1] != ' ')
        return 0;
    at += strspn(line + at, " ");
    at += sent_column(line + at);
    more = line[at] == '#' ? count_digits(line + at + 1) : 0;
    return more > 0 && line[at + 1 + more] == ' ' ? at + 1 + more : at;
}

/* Behind a remark, "(C4)" or "[released by midisock]", that begins here; NULL:
 * none does. */
static char *behind_remark(char *word)
{
    char *end = *word == '(' ? strchr(word, ')') : *word == '[' ? strchr(word, ']') : NULL;
    return end != NULL ? end + 1 : NULL;
}

static int add_word(struct input *input, size_t *count, char *word)
{
    if (*count == input->word_room) {
        size_t room = input->word_room > 0 ? input->word_room * 2 : 64;
        char **grown = realloc(input->words, room * sizeof *grown);
        if (grown == NULL)
            return -1;
        input->words = grown;
        input->word_room = room;
    }
    input->words[(*count)++] = word;
    return 0;
}

const char *input_split(struct input *input, char *line, size_t *count)
{
    static const char space[] = " \t\v\f";
    *count = 0;
    if (strncmp(line, "listening on ", 13) == 0)
        return NULL;
    line += columns(line);
    for (line += strspn(line, space); *line != '\0' && *line != '#'; line += strspn(line, space)) {
        size_t length = strcspn(line, space);
        char *behind = behind_remark(line), *word = line;
        if (behind != NULL) {
            line = behind;
            continue;
        }
        line += length;
        if (*line != '\0')
            *line++ = '\0';
        if (strcmp(word, "...") == 0)
            return "a SysEx that is not shown in full (midisock-monitor --full does)";
        if (add_word(input, count, word) != 0)
            return no_memory;
    }
    return NULL;
}

enum input_result input_next(struct input *input, char ***words, size_t *count)
{
    enum input_result result = read_line(input);
    const char *error;
    char *line = input->line;
    if (result != INPUT_LINE)
        return result;
    input->number++;
    if (strlen(line) != input->used) {
        fail(input, "a NUL byte: this is no text, or UTF-16");
        return INPUT_BAD_LINE;
    }
    if (input->number == 1 && strncmp(line, "\xef\xbb\xbf", 3) == 0)
        line += 3; /* the mark of UTF-8 */
    error = input_split(input, line, count);
    *words = input->words;
    if (error == NULL)
        return INPUT_LINE;
    fail(input, error);
    return INPUT_BAD_LINE;
}

void input_free(struct input *input)
{
    free(input->line);
    free(input->words);
    memset(input, 0, sizeof *input);
}
