#include "syx.h"

#include "../common/address.h"
#include "../common/count.h"
#include "../common/parser.h"

#include <stdlib.h>
#include <string.h>

static void warn_left_out(struct warnings *warnings, const struct parser_item *item)
{
    char text[FAULT_TEXT];
    parser_describe(item, text);
    warn(warnings, "byte %lu: left out: %s", (unsigned long)item->offset, text);
}

static const char *read_messages(struct message_list *list, struct parser *parser, const uint8_t *data, size_t size,
                                 struct warnings *warnings)
{
    struct parser_item item;
    enum parser_result result;
    while ((result = parser_next(parser, &data, &size, &item)) != PARSER_EMPTY) {
        if (result == PARSER_LEFT_OUT)
            warn_left_out(warnings, &item);
        else if (item.data[0] == 0xff) /* bytes that fill up a block, rather than a reset */
            warn(warnings, "byte %lu: left out: ff", (unsigned long)item.offset);
        else if (list_add_message(list, 0, item.data, item.size) != 0)
            return "out of memory";
    }
    if (parser_finish(parser, &item) == PARSER_LEFT_OUT)
        warn_left_out(warnings, &item);
    return NULL;
}

int syx_read(struct message_list *list, const uint8_t *data, size_t size, struct warnings *warnings,
             const char **error)
{
    size_t room = size < MAX_MESSAGE_BYTES ? size : MAX_MESSAGE_BYTES, others = 0;
    uint8_t *sysex = malloc(room > 0 ? room : 1);
    unsigned long before = warnings->count;
    struct parser parser;
    memset(list, 0, sizeof *list);
    parser_init(&parser, sysex, room);
    *error = sysex != NULL ? read_messages(list, &parser, data, size, warnings) : "out of memory";
    free(sysex);
    if (*error == NULL && warnings->count > before)
        others = list_keep_sysex(list);
    if (*error == NULL && list->count == 0)
        *error = size == 0 ? "it is empty" : "it is neither a MIDI file nor a .syx file: there is no whole SysEx in it";
    else if (others > 0)
        warn(warnings, "left out: %lu message%s other than SysEx, since the file is damaged", (unsigned long)others,
             plural(others));
    return *error == NULL ? 0 : -1;
}
