/*
 * malloc and its like, defined over glibc's own: they count what is asked of
 * them on threads that have switched counting on. The library's allocations
 * come here too.
 */
#ifndef MIDISOCK_TESTS_ALLOCATION_H
#define MIDISOCK_TESTS_ALLOCATION_H

/* For the thread that calls. */
void allocation_count(int on);
/* Calls of malloc, calloc, realloc, memalign and free on counting threads. */
unsigned long allocation_calls(void);

#endif
