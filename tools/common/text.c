#include "text.h"

#include <string.h>

size_t text_character(const char *text, size_t size, uint32_t *code)
{
    const uint8_t *bytes = (const uint8_t *)text;
    static const uint32_t least[5] = {0, 0, 0x80, 0x800, 0x10000};
    size_t length, i;
    if (size == 0)
        return 0;
    length = bytes[0] < 0x80 ? 1 : bytes[0] < 0xc2 ? 0 : bytes[0] < 0xe0 ? 2 : bytes[0] < 0xf0 ? 3 : bytes[0] < 0xf5 ? 4 : 0;
    if (length == 0 || length > size)
        return 0;
    *code = length == 1 ? bytes[0] : bytes[0] & (0x7fu >> length);
    for (i = 1; i < length; i++) {
        if ((bytes[i] & 0xc0) != 0x80)
            return 0;
        *code = *code << 6 | (bytes[i] & 0x3fu);
    }
    if (*code < least[length] || *code > 0x10ffff || (*code >= 0xd800 && *code < 0xe000))
        return 0;
    return length;
}

/* Control characters, and those that change the direction or the lines of text. */
static int is_control(uint32_t code)
{
    return code < 0x20 || (code >= 0x7f && code < 0xa0) || code == 0x061c || code == 0x200e || code == 0x200f ||
           (code >= 0x2028 && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069) || code == 0xfeff ||
           (code >= 0xe0000 && code < 0xe0080);
}

size_t text_printable(const char *text, size_t size, char *copy, size_t capacity)
{
    size_t at = 0, wrote = 0;
    while (at < size) {
        uint32_t code;
        size_t length = text_character(text + at, size - at, &code);
        int shown = length > 0 && !is_control(code);
        if (wrote + (shown ? length : 1) >= capacity)
            break;
        if (shown)
            memcpy(copy + wrote, text + at, length);
        else
            copy[wrote] = '?';
        wrote += shown ? length : 1;
        at += length > 0 ? length : 1;
    }
    if (capacity > 0)
        copy[wrote] = '\0';
    return wrote;
}

int text_is_readable(const char *text, size_t size)
{
    int seen = 0;
    while (size > 0) {
        uint32_t code;
        size_t length = text_character(text, size, &code);
        if (length == 0)
            return 0;
        /* U+3000 is the space of East Asian text. */
        if (!is_control(code) && code != ' ' && code != 0xa0 && code != 0x3000)
            seen = 1;
        text += length;
        size -= length;
    }
    return seen;
}

/* The columns that a character takes: accents none, East Asian ones two. */
static int width(uint32_t code)
{
    static const struct {
        uint32_t first, last;
        int columns;
    } ranges[] = {
        {0x0300, 0x036f, 0},   {0x1100, 0x115f, 2}, {0x200b, 0x200d, 0},   {0x20d0, 0x20ff, 0},   {0x2e80, 0xa4cf, 2},
        {0xac00, 0xd7a3, 2},   {0xf900, 0xfaff, 2}, {0xfe00, 0xfe0f, 0},   {0xfe30, 0xfe6f, 2},   {0xff00, 0xff60, 2},
        {0xffe0, 0xffe6, 2},   {0x1f300, 0x1faff, 2}, {0x20000, 0x3fffd, 2},
    };
    size_t i;
    for (i = 0; i < sizeof ranges / sizeof ranges[0]; i++)
        if (code >= ranges[i].first && code <= ranges[i].last)
            return ranges[i].columns;
    return 1;
}

size_t text_fit(const char *text, int columns, int *used)
{
    size_t size = strlen(text), at = 0;
    *used = 0;
    while (at < size) {
        uint32_t code = 0;
        size_t length = text_character(text + at, size - at, &code);
        int wide = length > 0 ? width(code) : 1;
        if (*used + wide > columns)
            break;
        *used += wide;
        at += length > 0 ? length : 1;
    }
    return at;
}
