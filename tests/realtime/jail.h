/*
 * A seccomp jail for one thread. It traps, counts and names every system call of
 * the thread but exit and rt_sigreturn. Other threads are not affected.
 */
#ifndef MIDISOCK_TESTS_JAIL_H
#define MIDISOCK_TESTS_JAIL_H

#include <pthread.h>

typedef enum jail_kind {
    JAIL_TRAP,        /* what is trapped fails with ENOSYS */
    JAIL_PASS_WRITES, /* write() is counted and then done: what wakes another thread still does */
    JAIL_PASS_READS   /* the same for read() */
} jail_kind;

/* Starts a thread, locks it in before anything else runs on it, and runs the
 * function there. Such a thread must be ended by jail_join, and is when the
 * function has returned. */
typedef struct jail {
    pthread_t thread;
    jail_kind kind;
    void (*run)(void *);
    void *argument;
} jail;

void jail_start(jail *jail, jail_kind kind, void (*run)(void *), void *argument);
void jail_join(jail *jail);

/* How many system calls were trapped so far; those of write() and read() are
 * among them. Makes none itself. */
unsigned long jail_trapped(void);
unsigned long jail_trapped_writes(void);
unsigned long jail_trapped_reads(void);

/* The name of the first that was trapped and was not passed on; NULL: none. */
const char *jail_first(void);

#endif
