/*
 * Every realtime function as the first call: the process has called only
 * functions that make ports before.
 */
#ifndef MIDISOCK_TESTS_FIRST_H
#define MIDISOCK_TESTS_FIRST_H

#include <midisock/midisock.h>

typedef struct stage {
    midisock_port *client; /* connected, a message waits */
    midisock_port *server; /* nobody is there */
    midisock_port *a;      /* a pair; a message waits for b */
    midisock_port *b;
    int listener;
    int peer;
} stage;

void stage_open(stage *stage);
/* A pair only, which is all that reaches no network thread, and no message. */
void stage_open_pair(stage *stage);
void stage_close(stage *stage);

/* On a stage of its own, makes the call on a fresh thread, which does nothing
 * else between `begin` and `end`; fails unless it gave what it should. */
void first_on_thread(int (*first)(const stage *stage), void (*begin)(void), void (*end)(void));

#define FIRST_CALLS(X) \
    X(push) X(push_offline) X(push_pair) X(push_invalid) X(push_large) X(push_message) \
    X(push_message_timed) X(pop) X(pop_empty) X(pop_pair) X(skip) X(panic) X(reset) \
    X(begin_block) X(pop_block) X(push_frame) X(state) X(client_count) X(local_port) \
    X(get_stats) X(now_ns) X(strerror) X(version) X(version_string) X(cancel)

/* int first_call_NAME(const stage *): makes the call; whether it gave what it should. */
#define FIRST_DECLARE(name) int first_call_##name(const stage *stage);
FIRST_CALLS(FIRST_DECLARE)

/* The same on a pair, where there is something to call it on. */
#define FIRST_PAIR_CALLS(X) \
    X(pair_push) X(pair_push_large) X(pair_push_full) X(pair_push_message) X(pair_pop) \
    X(pair_skip) X(pair_panic) X(pair_reset) X(pair_block) X(pair_state) X(pair_stats) \
    X(pair_cancel) X(pair_repair) X(now_ns) X(strerror) X(version) X(version_string)
FIRST_PAIR_CALLS(FIRST_DECLARE)

#endif
