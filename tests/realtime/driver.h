/*
 * Calls every realtime function of the API through all its outcomes, on a
 * cast of ports, and asks a probe around each call what the call has done
 * that it must not. Makes no system call and allocates nothing itself.
 */
#ifndef MIDISOCK_TESTS_DRIVER_H
#define MIDISOCK_TESTS_DRIVER_H

#include "cast.h"

typedef enum function {
    PUSH, PUSH_MESSAGE, POP, SKIP, PANIC, RESET, BEGIN_BLOCK, POP_BLOCK, PUSH_FRAME,
    STATE, CLIENT_COUNT, LOCAL_PORT, GET_STATS, NOW_NS, STRERROR, VERSION, VERSION_STRING, CANCEL,
    FUNCTIONS
} function;

/* Results from ERR_INTERNAL (-17) to OFFLINE (2). */
enum { LEAST_RESULT = -17, RESULTS = 20 };

/* How much of what is forbidden has been done so far. */
typedef unsigned long (*probe)(void);

typedef struct tally {
    uint64_t calls;
    /* How often a function gave a result on a port of some role. */
    uint64_t seen[FUNCTIONS][ROLES][RESULTS];
    uint64_t large;      /* 16 KB SysEx pushed */
    uint64_t large_in;   /* and popped */
    uint64_t synthetic;  /* messages popped that the library made */
    uint64_t damaged;    /* messages popped that are no whole message */
    /* What the probe counted: in all, and the most in one call. */
    uint64_t violations[FUNCTIONS];
    unsigned long worst[FUNCTIONS];
    int out_of_time;
} tally;

/* Runs until so many calls are made and every outcome was seen, `ms` at most. */
void driver_run(const cast *cast, tally *tally, probe probe, uint64_t calls, uint64_t ms);

/* Prints the figures, and fails the case where an outcome was not seen, a
 * message was damaged, or traffic did not flow both ways. */
void driver_check(const cast *cast, const tally *tally, const char *what);

const char *driver_name(function function);

#endif
