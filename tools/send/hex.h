/* Bytes in hexadecimal, and the messages in them. */
#ifndef MIDISOCK_TOOLS_HEX_H
#define MIDISOCK_TOOLS_HEX_H

#include "script.h"

struct hex {
    uint8_t *data;
    size_t size, room;
};

enum hex_result {
    HEX_ADDED,
    HEX_OTHER, /* the word is not hexadecimal */
    HEX_ODD,   /* it is, but has half a byte */
    HEX_NO_MEMORY
};

/* Takes "7d", "0x7d", "7" or "7d0102". */
enum hex_result hex_add_word(struct hex *hex, const char *word);

/* Adds the messages to the script. All bytes must belong to whole messages: what
 * is typed is not guessed at. 0, or -1 with script->error set. */
int hex_add_messages(const struct hex *hex, const char *action, struct script *script);

void hex_free(struct hex *hex);

#endif
