/* What belongs to the operating system, all of it in one place: the requests
 * to stop, the terminal, sleeping and the calendar clock. */
#ifndef MIDISOCK_TOOLS_PLATFORM_H
#define MIDISOCK_TOOLS_PLATFORM_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* From now on Ctrl-C, a hang-up and a polite kill only set a flag, once: a
 * second Ctrl-C ends the program whatever it does. */
void platform_catch_stop(void);

/* 0, or the number of the signal that asked the program to stop. */
int platform_stopped(void);

/* Sleeps; returns early, with nonzero, when the program is to stop. */
int platform_sleep_ms(uint32_t milliseconds);

/* Sleeps a millisecond: for a loop that looks whether something is done. */
void platform_nap(void);

/* Is it a terminal, and how wide? 0 columns where it is none. */
int platform_terminal_columns(FILE *stream);

/* The local time of day, as "13:05:59.123456", of a moment `ago_ns` back. */
void platform_time_of_day(uint64_t ago_ns, char *text, size_t capacity);

#endif
