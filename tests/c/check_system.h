/*
 * What the harness needs from the system: processes, and counts of what a process
 * has. check_unix.c and windows/check_windows.c have it.
 */
#ifndef MIDISOCK_TESTS_CHECK_SYSTEM_H
#define MIDISOCK_TESTS_CHECK_SYSTEM_H

#include "check.h"

/* The exit statuses of a case's process. It has reported its result itself. */
enum { CASE_PASSED = 0, CASE_FAILED = 97, CASE_SKIPPED = 98 };

/* One case may take this many seconds, all its deadlines included: 50, or what MIDISOCK_CASE_SECONDS says, for an emulator. */
unsigned check_case_seconds(void);

/* The argument before the name of the one case that this process is for. */
#define CHECK_CASE "--case"

/* Once, before anything else. */
void check_begin_system(void);

/* Runs a case in this process, which it ends. */
void check_run_case(const check_case *one);

/* Runs a case in a process of its own; whether it passed. */
int check_run_process(const check_case *one);

/* Starts and joins a thread. ThreadSanitizer starts one of its own with the first. */
void check_have_had_a_thread(void);

#endif
