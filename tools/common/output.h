/* Standard output, buffered. It waits where the other end is slow, also where
 * the descriptor is non-blocking. Once writing has failed nothing more is
 * written. */
#ifndef MIDISOCK_TOOLS_OUTPUT_H
#define MIDISOCK_TOOLS_OUTPUT_H

#include <stddef.h>

void output_write(const char *data, size_t size);
void output_text(const char *text);

/* At most 1023 bytes. */
#if defined(__GNUC__)
__attribute__((format(printf, 1, 2)))
#endif
void output_printf(const char *format, ...);

/* Writes what is in the buffer; 0, or -1 where writing has failed. */
int output_flush(void);

/* The same, and says on standard error that writing has failed, once. */
int output_check(void);

#endif
