/* The parser of MIDI bytes: the rules of docs/wire.md, however the stream is cut. */
#include "check.h"

#include "../../tools/common/parser.h"

#include <stdio.h>
#include <string.h>

/* Bytes, and what has to come of them: messages in hexadecimal, and "-N@OFFSET"
 * for N bytes that are left out. */
static const struct {
    const char *bytes, *expected;
} rules[] = {
    {"", ""},
    {"90 3c 40 3c 00", "903c40 903c00"},
    {"90 3c f8 40", "f8 903c40"},
    {"f0 01 f8 02 f7", "f8 f00102f7"},
    {"f0 7d f8 01 fe f7 f0 7d 02 f7", "f8 fe f07d01f7 f07d02f7"},
    {"f0 01 90 3c 40", "-2@0 903c40"},
    {"f0 01 02 f0 03 f7", "-3@0 f003f7"},
    {"f7", "-1@0"},
    {"01 02", "-2@0"},
    {"f0 01 f4 02 f7", "-2@0 -1@2 -1@3 -1@4"},
    {"90 3c 80 3c 40", "-2@0 803c40"},
    {"90 3c 40 f0 01 f7 3c 40", "903c40 f001f7 -2@6"},
    {"f6 f1 12 f2 01 02 f3 03", "f6 f112 f20102 f303"},
    {"90 3c 40 f6 3c 40", "903c40 f6 -2@4"},
    {"90 3c 40 f4 3c 40", "903c40 -1@3 -2@4"},
    {"90 3c 40 f9 3c 40 fd", "903c40 -1@3 903c40 -1@6"},
    {"c0 05 06", "c005 c006"},
    {"90 3c", "-2@0"},
    {"90 3c 40 3c", "903c40 -1@3"},
    {"f0 01", "-2@0"},
    {"f0 f7", "f0f7"},
    {"f0 f0 01 f7", "-1@0 f001f7"},
    {"f0 01 02 03 04 05 06 f7", "f0010203040506f7"},
    {"f0 01 02 03 04 05 06 07 f7 f8", "-9@0 f8"},
    {"f0 01 02 03 04 05 06 07 90 3c 40", "-8@0 903c40"},
};

static size_t from_hex(const char *text, uint8_t *bytes)
{
    size_t count = 0;
    unsigned byte;
    int used;
    while (sscanf(text, "%2x%n", &byte, &used) == 1) {
        bytes[count++] = (uint8_t)byte;
        text += used;
        text += strspn(text, " ");
    }
    return count;
}

static void write_item(char *text, enum parser_result result, const struct parser_item *item)
{
    size_t i;
    if (*text != '\0')
        strcat(text, " ");
    text += strlen(text);
    if (result == PARSER_LEFT_OUT)
        sprintf(text, "-%lu@%lu", (unsigned long)item->size, (unsigned long)item->offset);
    for (i = 0; result == PARSER_MESSAGE && i < item->size; i++)
        sprintf(text + 2 * i, "%02x", item->data[i]);
}

static void feed(struct parser *parser, const uint8_t *data, size_t size, char *text)
{
    struct parser_item item;
    enum parser_result result;
    while ((result = parser_next(parser, &data, &size, &item)) != PARSER_EMPTY)
        write_item(text, result, &item);
    CHECK_INT(0, size);
}

static void follows_the_rules(void)
{
    size_t i, cut;
    for (i = 0; i < sizeof rules / sizeof rules[0]; i++) {
        uint8_t bytes[64], sysex[8];
        size_t size = from_hex(rules[i].bytes, bytes);
        for (cut = 0; cut <= size; cut++) {
            struct parser parser;
            struct parser_item item;
            char text[256] = "";
            parser_init(&parser, sysex, sizeof sysex);
            feed(&parser, bytes, cut, text);
            /* A run of stray data bytes is reported in the pieces in which it comes. */
            if (cut > 0 && cut < size && strchr(rules[i].expected, '-') != NULL && bytes[cut] < 0x80 &&
                bytes[cut - 1] < 0x80 && parser.mode == 0 && parser.running == 0)
                continue;
            feed(&parser, bytes + cut, size - cut, text);
            if (parser_finish(&parser, &item) == PARSER_LEFT_OUT)
                write_item(text, PARSER_LEFT_OUT, &item);
            CHECK_TEXT(rules[i].expected, text);
        }
    }
}

static void describes_what_is_left_out(void)
{
    struct parser_item item = {NULL, 1, 0, FAULT_DATA};
    char text[FAULT_TEXT];
    parser_describe(&item, text);
    CHECK_TEXT("1 data byte without a status byte", text);
    item.size = 3;
    item.fault = FAULT_NO_END;
    parser_describe(&item, text);
    CHECK_TEXT("a SysEx without its F7 (3 bytes)", text);
}

int main(int argc, char **argv)
{
    static const check_case cases[] = {CASE(follows_the_rules), CASE(describes_what_is_left_out)};
    return check_main(argc, argv, CASES(cases));
}
