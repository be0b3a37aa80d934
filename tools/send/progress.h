/* A progress bar on a terminal; nothing at all where there is none. */
#ifndef MIDISOCK_TOOLS_PROGRESS_H
#define MIDISOCK_TOOLS_PROGRESS_H

#include <stdint.h>

struct progress {
    int shown;          /* there is a terminal, and a bar is wanted */
    int drawn;          /* there is a bar on the line now */
    uint64_t last_draw; /* midisock_now_ns */
    char label[160];    /* cut at a character where it is longer */
};

/* The label may be any text. */
void progress_begin(struct progress *progress, const char *label, int wanted);

/* Draws at most every tenth of a second, `right` ("0:12 / 3:45") at its end. */
void progress_draw(struct progress *progress, uint64_t done, uint64_t total, const char *right);

/* Draws it full or leaves it as it is, and goes to the next line. */
void progress_end(struct progress *progress, int complete, const char *right);

#endif
