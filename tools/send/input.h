/* Lines of words from standard input. */
#ifndef MIDISOCK_TOOLS_INPUT_H
#define MIDISOCK_TOOLS_INPUT_H

#include <stddef.h>

struct input {
    char chunk[4096];
    size_t at, size; /* what has been read and not looked at yet */
    char *line;
    size_t used, room;
    char **words;
    size_t word_room;
    unsigned long number; /* of the line, from 1 */
    int after_cr, at_end;

    /* Called often while there is nothing to read; nonzero ends the input. */
    int (*idle)(void *context);
    void *context;
    char error[160];
};

enum input_result { INPUT_LINE, INPUT_END, INPUT_STOPPED, INPUT_FAILED, INPUT_BAD_LINE };

/* The words of the next line, valid until the next call. A line ends with LF, CR
 * or both; '#' at the beginning of a word begins a comment. INPUT_FAILED: it
 * cannot be read; INPUT_BAD_LINE: it can, but makes no sense; both with `error`. */
enum input_result input_next(struct input *input, char ***words, size_t *count);
void input_free(struct input *input);

/* Cuts a line into words, in place. What midisock-monitor prints around a message
 * is left out: time and client before it, remarks in brackets behind it. NULL, or
 * what is wrong with the line. */
const char *input_split(struct input *input, char *line, size_t *count);

#endif
