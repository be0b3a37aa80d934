/*
 * Contexts in the tests: one without a thread, in a poll(2) loop, and a log that
 * keeps its lines.
 */
#ifndef MIDISOCK_TESTS_CONTEXTS_H
#define MIDISOCK_TESTS_CONTEXTS_H

#include "check.h"

midisock_context *context_without_thread(void);
/* The config of check_config(), for a port of this context. */
midisock_config context_config(midisock_context *context);
void context_destroy(midisock_context *context);

midisock_port *context_listen(const midisock_config *config);
/* The client has its server when this returns. */
midisock_port *context_connect(const midisock_port *server, const midisock_config *config);

/* Waits in poll(2) for the handle of a context, as an event loop does, and lets
 * the context work once. Fails if the handle is not readable in time. Where
 * contexts have no handle, the context itself waits. */
void context_turn(midisock_context *context);

/* The condition becomes true, and nothing but the handle says when to look. */
#define TURN_UNTIL(context, condition)                                             \
    do {                                                                           \
        uint64_t turn_until_ = check_now_ms() + DEADLINE_MS;                       \
        while (!(condition)) {                                                     \
            if (check_now_ms() > turn_until_)                                      \
                check_fail(__FILE__, __LINE__, "never came true: %s", #condition); \
            context_turn(context);                                                 \
        }                                                                          \
    } while (0)

/* Keeps the lines. It fails if it is called twice at once, or with a level or a
 * text that cannot be. */
typedef struct log_lines {
    pthread_mutex_t lock;
    int busy;
    unsigned count;
    /* What a control call must be running on, if this is not 0. */
    int only_in_calls;
    int in_call;
    struct {
        int32_t level;
        char text[200];
        uint64_t at_ms;
        pthread_t thread;
    } lines[400];
} log_lines;

void log_begin(log_lines *log);
void log_take(void *log, int32_t level, const char *text);
/* Whether there is a line of this level with this text in it. */
int log_has(log_lines *log, int32_t level, const char *text);
unsigned log_count(log_lines *log, const char *text);

#endif
