/*
 * Replacements for glibc's malloc and its relatives, which count calls on threads
 * that have switched counting on. The library's allocations use them too.
 */
#ifndef MIDISOCK_TESTS_ALLOCATION_H
#define MIDISOCK_TESTS_ALLOCATION_H

/* For the thread that calls. */
void allocation_count(int on);
/* Calls of malloc, calloc, realloc, memalign and free on counting threads. */
unsigned long allocation_calls(void);

#endif
