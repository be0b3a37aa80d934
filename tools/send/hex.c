#include "hex.h"

#include "../common/parser.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static int digit(char c)
{
    return c <= '9' ? c - '0' : tolower((unsigned char)c) - 'a' + 10;
}

static int add_byte(struct hex *hex, int byte)
{
    if (hex->size == hex->room) {
        size_t room = hex->room > 0 ? hex->room * 2 : 64;
        uint8_t *grown = realloc(hex->data, room);
        if (grown == NULL)
            return -1;
        hex->data = grown;
        hex->room = room;
    }
    hex->data[hex->size++] = (uint8_t)byte;
    return 0;
}

enum hex_result hex_add_word(struct hex *hex, const char *word)
{
    const char *digits = word[0] == '0' && (word[1] == 'x' || word[1] == 'X') ? word + 2 : word;
    size_t length = strlen(digits);
    if (length == 0 || strspn(digits, "0123456789abcdefABCDEF") != length)
        return HEX_OTHER;
    if (length == 1)
        return add_byte(hex, digit(*digits)) == 0 ? HEX_ADDED : HEX_NO_MEMORY;
    if (length % 2 != 0)
        return HEX_ODD;
    for (; *digits != '\0'; digits += 2)
        if (add_byte(hex, digit(digits[0]) * 16 + digit(digits[1])) != 0)
            return HEX_NO_MEMORY;
    return HEX_ADDED;
}

static int fail(struct script *script, const char *action, const struct parser_item *item)
{
    char text[FAULT_TEXT];
    parser_describe(item, text);
    return script_fail(script, "%s: %s, at byte %lu", action, text, (unsigned long)item->offset + 1);
}

int hex_add_messages(const struct hex *hex, const char *action, struct script *script)
{
    const uint8_t *data = hex->data;
    size_t size = hex->size;
    uint8_t *sysex = malloc(size > 0 ? size : 1);
    struct parser parser;
    struct parser_item item;
    enum parser_result result;
    int status = sysex != NULL ? 0 : script_fail(script, "out of memory");
    parser_init(&parser, sysex, size);
    while (status == 0 && (result = parser_next(&parser, &data, &size, &item)) != PARSER_EMPTY)
        status = result == PARSER_MESSAGE ? script_add_message(script, item.data, item.size)
                                          : fail(script, action, &item);
    if (status == 0 && parser_finish(&parser, &item) == PARSER_LEFT_OUT)
        status = fail(script, action, &item);
    free(sysex);
    return status;
}

void hex_free(struct hex *hex)
{
    free(hex->data);
    memset(hex, 0, sizeof *hex);
}
