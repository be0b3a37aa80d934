/* Everything that depends on the operating system: signals, the three standard
 * descriptors, text in UTF-8, the terminal, sleeping and the time of day. */
#ifndef MIDISOCK_TOOLS_PLATFORM_H
#define MIDISOCK_TOOLS_PLATFORM_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum platform_stream { PLATFORM_INPUT = 0, PLATFORM_OUTPUT = 1, PLATFORM_ERROR = 2 };

/* Before anything else is opened. A standard descriptor that is closed gets
 * /dev/null: otherwise a socket takes its number, and text is written to it.
 * A pipe whose reader has ended gives an error, not a signal. From then on the
 * arguments are UTF-8. */
void platform_begin(int argc, char **argv);

/* fopen, with a path in UTF-8. */
FILE *platform_open(const char *path, const char *mode);

/* From now on Ctrl-C, a hang-up and a polite kill only set a flag, once: a
 * second Ctrl-C ends the program at any point. */
void platform_catch_stop(void);

/* 0, or the number of the signal that asked the program to stop. */
int platform_stopped(void);

/* For a call that blocks and that nothing can interrupt, such as the look-up of
 * a name: until platform_end_call a request to stop ends the program at once
 * with `stop_status` (-1: 128 + the signal's number), and so does the passing of
 * `timeout_ms` (-1: never) with `timeout_status`. */
void platform_begin_call(int stop_status, int32_t timeout_ms, int timeout_status);
void platform_end_call(void);

/* Sleeps; returns early, with nonzero, when the program is to stop. */
int platform_sleep_ms(uint32_t milliseconds);

/* Sleeps a millisecond: for a loop that checks whether something is done. */
void platform_nap(void);

/* Writes all of it; 0, or the system's error number. Waits where a descriptor
 * is non-blocking and not ready. EINTR: the program is to stop. */
int platform_write(enum platform_stream stream, const char *data, size_t size);

/* Reads the bytes that standard input has now, and waits for some up to `wait_ms`.
 * `*size`: how much was read, 0: nothing yet. Returns 1, or 0 at the end of the
 * input, or -1 on an error, whose number is in *error. */
int platform_read(char *buffer, size_t capacity, int32_t wait_ms, size_t *size, int *error);

/* Is it a terminal, and how wide? 0 columns where it is none. */
int platform_terminal_columns(enum platform_stream stream);

/* The number in errno.h of an error of the system, such as midisock_notification has.
 * EPIPE: a connection that ended before this side wrote. */
int platform_errno(int os_error);

/* The local time of day, as "13:05:59.123456", of a moment `ago_ns` back. */
void platform_time_of_day(uint64_t ago_ns, char *text, size_t capacity);

#endif
