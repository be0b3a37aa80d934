/*
 * Calls every realtime function with all its outcomes on a cast of ports. A
 * probe around each call detects what the call must not do. The driver itself
 * makes no system call and allocates nothing.
 */
#ifndef MIDISOCK_TESTS_DRIVER_H
#define MIDISOCK_TESTS_DRIVER_H

#include "cast.h"
#include "functions.h"

/* Results from ERR_UNSUPPORTED (-18) to OFFLINE (2). */
enum { LEAST_RESULT = -18, RESULTS = 21 };

/* How much of what is forbidden has been done so far. */
typedef unsigned long (*probe)(void);

typedef struct tally {
    uint64_t calls;
    uint64_t of[FUNCTIONS];
    /* How often a function gave a result on a port of some role. */
    uint64_t seen[FUNCTIONS][ROLES][RESULTS];
    uint64_t large;      /* 16 KB SysEx pushed */
    uint64_t large_late; /* and scheduled */
    uint64_t large_in;   /* and popped, not from a pair */
    uint64_t strangers;  /* times that more clients were refused by name than are told apart */
    uint64_t synthetic;  /* messages popped that the library made */
    uint64_t damaged;    /* messages popped that are no whole message */
    /* What the probe counted: in all, and the most in one call. */
    uint64_t violations[FUNCTIONS];
    unsigned long worst[FUNCTIONS];
    /* How long the longest call took, where a clock was given. */
    uint64_t longest_ns[FUNCTIONS];
    int out_of_time;
} tally;

typedef struct plan {
    uint64_t calls;             /* of each function, at least */
    uint64_t ms;                /* and this long at most */
    probe probe;                /* NULL: none */
    uint64_t (*clock)(void);    /* NULL: no call is timed */
    void (*pause)(void);        /* between calls, every now and then; NULL: no pause */
} plan;

/* Runs until each function was called so often and has given every outcome. */
void driver_run(const cast *cast, tally *tally, const plan *plan);

/* Prints the figures, and fails the case where an outcome was not seen, a
 * message was damaged, or traffic did not flow both ways. */
void driver_check(const cast *cast, const tally *tally, const char *what);

const char *driver_name(function function);

#endif
