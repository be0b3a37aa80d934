/* Messages in readable form on standard output: as the words that midisock-send
 * takes, or as JSON. */
#ifndef MIDISOCK_TOOLS_DECODE_H
#define MIDISOCK_TOOLS_DECODE_H

#include <stddef.h>
#include <stdint.h>

/* "note-on 0 60 100  (C4)". Of a SysEx at most `max_bytes` bytes are shown,
 * followed by its whole size where that is more; 0: all of them. */
void decode_words(const uint8_t *data, size_t size, size_t max_bytes);

/* "type":"note-on","channel":0,"note":60,"name":"C4","velocity":100,"hex":"90 3c 64":
 * members of an object, without its braces. */
void decode_json(const uint8_t *data, size_t size);

/* A string of JSON, quoted and escaped. */
void json_string(const char *text);

#endif
