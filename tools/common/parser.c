#include "parser.h"

#include "count.h"

#include <stdio.h>
#include <string.h>

enum { BETWEEN, SHORT, SYSEX, TOO_LONG };

void parser_init(struct parser *parser, uint8_t *buffer, size_t capacity)
{
    memset(parser, 0, sizeof *parser);
    parser->sysex = buffer;
    parser->capacity = capacity;
}

static enum parser_result leave_out(struct parser_item *item, enum parser_fault fault, uint64_t offset, size_t size)
{
    item->data = NULL;
    item->size = size;
    item->offset = offset;
    item->fault = fault;
    return PARSER_LEFT_OUT;
}

static enum parser_result give(struct parser_item *item, const uint8_t *data, size_t size, uint64_t offset)
{
    item->data = data;
    item->size = size;
    item->offset = offset;
    return PARSER_MESSAGE;
}

static enum parser_result abandon(struct parser *parser, struct parser_item *item)
{
    enum parser_fault fault = parser->mode == SYSEX      ? FAULT_NO_END
                              : parser->mode == TOO_LONG ? FAULT_TOO_LONG
                                                         : FAULT_UNFINISHED;
    parser->mode = BETWEEN;
    return leave_out(item, fault, parser->start, parser->taken);
}

static void begin(struct parser *parser, int mode, uint8_t status, size_t taken)
{
    parser->mode = mode;
    parser->message[0] = status;
    parser->have = 1;
    parser->taken = taken;
    parser->start = parser->offset;
    parser->need = (status >= 0xc0 && status < 0xe0) || status == 0xf1 || status == 0xf3 ? 2 : 3;
}

/* An F7, which has been read already. */
static enum parser_result end_sysex(struct parser *parser, struct parser_item *item)
{
    int mode = parser->mode;
    parser->mode = BETWEEN;
    parser->running = 0;
    if (mode == BETWEEN)
        return leave_out(item, FAULT_NO_START, parser->offset - 1, 1);
    if (mode == TOO_LONG || parser->have == parser->capacity)
        return leave_out(item, FAULT_TOO_LONG, parser->start, parser->taken + 1);
    parser->sysex[parser->have++] = 0xf7;
    return give(item, parser->sysex, parser->have, parser->start);
}

/* A status byte. Where it cuts off an unfinished message, only that is reported,
 * and the byte is read by the next call. */
static enum parser_result read_status(struct parser *parser, const uint8_t **data, size_t *size,
                                      struct parser_item *item)
{
    uint8_t status = **data;
    int ends = status == 0xf7 && (parser->mode == SYSEX || parser->mode == TOO_LONG);
    if (status < 0xf8 && parser->mode != BETWEEN && !ends)
        return abandon(parser, item);
    ++*data;
    --*size;
    if (status == 0xf7) {
        parser->offset++;
        return end_sysex(parser, item);
    }
    if (status < 0xf8)
        parser->running = status < 0xf0 ? status : 0;
    if (status == 0xf0) {
        begin(parser, parser->capacity > 0 ? SYSEX : TOO_LONG, status, 1);
        if (parser->capacity > 0)
            parser->sysex[0] = status;
    } else if (status < 0xf4) {
        begin(parser, SHORT, status, 1);
    }
    parser->offset++;
    if (status < 0xf4)
        return PARSER_EMPTY;
    if (status == 0xf4 || status == 0xf5 || status == 0xf9 || status == 0xfd)
        return leave_out(item, FAULT_UNDEFINED, parser->offset - 1, 1);
    parser->realtime = status;
    return give(item, &parser->realtime, 1, parser->offset - 1);
}

/* `count` data bytes, which have been read already. */
static enum parser_result read_run(struct parser *parser, const uint8_t *data, size_t count, struct parser_item *item)
{
    if (parser->mode == BETWEEN)
        return leave_out(item, FAULT_DATA, parser->offset - count, count);
    parser->taken += count;
    if (parser->mode == SYSEX && count > parser->capacity - parser->have)
        parser->mode = TOO_LONG;
    if (parser->mode == SYSEX) {
        memcpy(parser->sysex + parser->have, data, count);
        parser->have += count;
    }
    return PARSER_EMPTY;
}

/* One data byte of a short message. */
static enum parser_result read_data(struct parser *parser, uint8_t byte, struct parser_item *item)
{
    if (parser->mode == BETWEEN)
        begin(parser, SHORT, parser->running, 0);
    parser->message[parser->have++] = byte;
    parser->taken++;
    parser->offset++;
    if (parser->have < parser->need)
        return PARSER_EMPTY;
    parser->mode = BETWEEN;
    return give(item, parser->message, parser->have, parser->start);
}

enum parser_result parser_next(struct parser *parser, const uint8_t **data, size_t *size, struct parser_item *item)
{
    enum parser_result result = PARSER_EMPTY;
    while (result == PARSER_EMPTY && *size > 0) {
        size_t run = 0;
        if (**data >= 0x80) {
            result = read_status(parser, data, size, item);
            continue;
        }
        if (parser->mode == SHORT || (parser->mode == BETWEEN && parser->running != 0)) {
            result = read_data(parser, **data, item);
            ++*data;
            --*size;
            continue;
        }
        while (run < *size && (*data)[run] < 0x80)
            run++;
        *data += run;
        *size -= run;
        parser->offset += run;
        result = read_run(parser, *data - run, run, item);
    }
    return result;
}

void parser_forget_status(struct parser *parser)
{
    parser->running = 0;
}

enum parser_result parser_finish(struct parser *parser, struct parser_item *item)
{
    parser->running = 0;
    return parser->mode == BETWEEN ? PARSER_EMPTY : abandon(parser, item);
}

void parser_describe(const struct parser_item *item, char text[FAULT_TEXT])
{
    unsigned long size = (unsigned long)item->size;
    switch (item->fault) {
    case FAULT_DATA: snprintf(text, FAULT_TEXT, "%lu data byte%s without a status byte", size, plural(size)); break;
    case FAULT_UNFINISHED: snprintf(text, FAULT_TEXT, "a message that lacks data bytes"); break;
    case FAULT_NO_END: snprintf(text, FAULT_TEXT, "a SysEx without its F7 (%lu byte%s)", size, plural(size)); break;
    case FAULT_NO_START: snprintf(text, FAULT_TEXT, "an F7 without its F0"); break;
    case FAULT_UNDEFINED: snprintf(text, FAULT_TEXT, "a status byte that MIDI 1.0 does not define"); break;
    case FAULT_TOO_LONG: snprintf(text, FAULT_TEXT, "a SysEx of %lu bytes, which is too long", size); break;
    }
}
