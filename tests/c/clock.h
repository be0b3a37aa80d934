/* A process with a monotonic clock of its own, in a time namespace. For Linux. */
#ifndef MIDISOCK_TESTS_CLOCK_H
#define MIDISOCK_TESTS_CLOCK_H

#include "check.h"

#include <sys/types.h>

/* Skips the case where the system has no time namespaces, or does not allow them. */
void need_own_clock(void);

/* Forks. The child returns from this call; its monotonic clock is ahead by so many seconds. It is killed with its parent.
 * Gives the child's process in the parent, and 0 in the child. Call it before the library has threads. */
pid_t fork_with_clock(unsigned ahead_s);

#endif
