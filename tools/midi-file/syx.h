/* .syx files: nothing but MIDI messages, one after the other. */
#ifndef MIDISOCK_TOOLS_SYX_H
#define MIDISOCK_TOOLS_SYX_H

#include "message_list.h"
#include "warnings.h"

/* Reads the messages. Where some bytes belong to none, only whole SysEx messages
 * are taken: they alone cannot be mistaken for something else. 0, or -1 where
 * there is nothing to send; then *error says why. Either way list_free is due. */
int syx_read(struct message_list *list, const uint8_t *data, size_t size, struct warnings *warnings,
             const char **error);

#endif
