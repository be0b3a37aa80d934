/* A progress bar on a terminal; nothing at all where there is none. */
#ifndef MIDISOCK_TOOLS_PROGRESS_H
#define MIDISOCK_TOOLS_PROGRESS_H

#include <stdint.h>

struct progress {
    int shown;          /* is there a terminal, and is it wanted? */
    int drawn;          /* is there a bar on the line now? */
    uint64_t last_draw; /* midisock_now_ns */
    const char *label;
};

/* The label must outlive the bar. */
void progress_begin(struct progress *progress, const char *label, int wanted);

/* Draws at most every tenth of a second, `right` ("0:12 / 3:45") at its end. */
void progress_draw(struct progress *progress, uint64_t done, uint64_t total, const char *right);

/* Draws it full or leaves it as it is, and goes to the next line. */
void progress_end(struct progress *progress, int complete, const char *right);

/* "1:02:03" or "0:12". */
#define DURATION_TEXT 32
void duration_text(uint64_t ns, char text[DURATION_TEXT]);

#endif
