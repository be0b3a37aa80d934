/* Checks for the programs for Windows. The first failing check ends the program. */
#ifndef MIDISOCK_TESTS_WINDOWS_CHECK_H
#define MIDISOCK_TESTS_WINDOWS_CHECK_H

#include <stdio.h>
#include <stdlib.h>

#define DEADLINE_MS 20000

#define CHECK(condition)                                                            \
    do {                                                                            \
        if (!(condition)) {                                                         \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition); \
            exit(1);                                                                \
        }                                                                           \
    } while (0)
#define GIVES(expected, call)                                                                \
    do {                                                                                     \
        const midisock_result result_ = (call);                                              \
        if (result_ != (expected)) {                                                         \
            fprintf(stderr, "%s:%d: %s gave %d, not " #expected "\n", __FILE__, __LINE__,    \
                    #call, (int)result_);                                                    \
            exit(1);                                                                         \
        }                                                                                    \
    } while (0)

#endif
