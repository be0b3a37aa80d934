/* The parser of MIDI bytes. All tools read bytes with it, wherever they come
 * from: words in hexadecimal, .syx files, events of MIDI files and of JACK. Its
 * rules are those of the library's own parser (docs/wire.md): realtime messages
 * may come between any two bytes, a channel status runs on, a SysEx needs its
 * F7. It reports every byte once: in a message, or as left out. */
#ifndef MIDISOCK_TOOLS_PARSER_H
#define MIDISOCK_TOOLS_PARSER_H

#include <stddef.h>
#include <stdint.h>

enum parser_result {
    PARSER_EMPTY,    /* all bytes are read */
    PARSER_MESSAGE,  /* one whole message with its status byte */
    PARSER_LEFT_OUT  /* bytes that belong to no message */
};

enum parser_fault {
    FAULT_DATA,       /* data bytes without a status byte */
    FAULT_UNFINISHED, /* a message without all of its data bytes */
    FAULT_NO_END,     /* a SysEx without its F7 */
    FAULT_NO_START,   /* an F7 without its F0 */
    FAULT_UNDEFINED,  /* F4, F5, F9 or FD */
    FAULT_TOO_LONG    /* a SysEx that is longer than the buffer */
};

struct parser_item {
    const uint8_t *data; /* a message; valid until the next call */
    size_t size;         /* bytes of the message, or how many bytes are left out */
    uint64_t offset;     /* where it begins in the stream */
    enum parser_fault fault;
};

struct parser {
    uint64_t offset; /* of the next byte; the caller may set it between calls */

    uint8_t *sysex;
    size_t capacity;
    uint8_t message[3], realtime, running;
    int mode;
    size_t have, need; /* bytes of the unfinished message */
    size_t taken;      /* how many of the stream's bytes are in it */
    uint64_t start;    /* where it begins */
};

/* A SysEx is collected in `buffer`, F0 and F7 included; a longer one is left
 * out. The parser allocates nothing. */
void parser_init(struct parser *parser, uint8_t *buffer, size_t capacity);

/* Reads on, up to the next message or fault; moves `*data` and `*size` past
 * what it has read. */
enum parser_result parser_next(struct parser *parser, const uint8_t **data, size_t *size, struct parser_item *item);

/* Data bytes that follow do not belong to the status byte before them. A message
 * that has begun goes on. */
void parser_forget_status(struct parser *parser);

/* The stream has ended: PARSER_LEFT_OUT if a message was unfinished. The parser
 * is as new then. */
enum parser_result parser_finish(struct parser *parser, struct parser_item *item);

/* "2 data bytes without a status byte": what is left out, and why. */
#define FAULT_TEXT 80
void parser_describe(const struct parser_item *item, char text[FAULT_TEXT]);

#endif
