/* Text of unknown origin, such as file names and titles of songs, made fit for
 * a terminal: UTF-8 without anything that a terminal obeys. */
#ifndef MIDISOCK_TOOLS_TEXT_H
#define MIDISOCK_TOOLS_TEXT_H

#include <stddef.h>
#include <stdint.h>

/* The first character of `text`: its length in bytes, and its code. 0 if these
 * bytes are not UTF-8. */
size_t text_character(const char *text, size_t size, uint32_t *code);

/* Copies `text`, with a '?' for each control character and each byte that is not
 * UTF-8. The copy is cut at a character and ends with a NUL; returns its size. */
size_t text_printable(const char *text, size_t size, char *copy, size_t capacity);

/* Whether all of `text` is UTF-8 and some of it can be seen. */
int text_is_readable(const char *text, size_t size);

/* The bytes of `text` (as text_printable writes it) that fit into so many
 * columns of a terminal; *used: how many columns they take. */
size_t text_fit(const char *text, int columns, int *used);

#endif
