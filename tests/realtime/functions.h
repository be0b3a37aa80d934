/*
 * The realtime functions of the API, one row each: its name here, and its name
 * after midisock_. The suite "rows" fails where a function that the header
 * declares with MIDISOCK_REALTIME is missing here, or has no row in one of the
 * tables of driver.c (CALLS, WANTED), first.h, count.c or nonblocking.cpp, or is
 * not in call_all of test_waitfree.c.
 */
#ifndef MIDISOCK_TESTS_FUNCTIONS_H
#define MIDISOCK_TESTS_FUNCTIONS_H

#define REALTIME_FUNCTIONS(X)       \
    X(PUSH, push)                   \
    X(PUSH_MESSAGE, push_message)   \
    X(POP, pop)                     \
    X(SKIP, skip)                   \
    X(PANIC, panic)                 \
    X(RESET, reset)                 \
    X(BEGIN_BLOCK, begin_block)     \
    X(POP_BLOCK, pop_block)         \
    X(PUSH_FRAME, push_frame)       \
    X(STATE, state)                 \
    X(CLIENT_COUNT, client_count)   \
    X(LOCAL_PORT, local_port)       \
    X(GET_STATS, get_stats)         \
    X(NOW_NS, now_ns)               \
    X(STRERROR, strerror)           \
    X(VERSION, version)             \
    X(VERSION_STRING, version_string) \
    X(CANCEL, cancel)

#define FUNCTION_ENUMERATOR(upper, lower) upper,
typedef enum function { REALTIME_FUNCTIONS(FUNCTION_ENUMERATOR) FUNCTIONS } function;

#endif
