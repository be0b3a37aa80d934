/* Warnings about a damaged file that is played all the same. */
#ifndef MIDISOCK_TOOLS_WARNINGS_H
#define MIDISOCK_TOOLS_WARNINGS_H

#include <stddef.h>

/* A badly damaged file gets no more lines than this. */
#define WARNINGS_SHOWN 10

struct warnings {
    const char *path;
    unsigned long count;
    /* Takes each warning instead of standard error, for tests. */
    void (*take)(void *context, const char *text);
    void *context;
};

#if defined(__GNUC__)
__attribute__((format(printf, 2, 3)))
#endif
void warn(struct warnings *warnings, const char *format, ...);

/* Says how many warnings were not shown. */
void warnings_end(struct warnings *warnings);

#endif
