/*
 * The frames of sender time, made and read without any code of the library, and
 * a partner: a raw peer that uses them as a port would, with a clock of its own.
 */
#ifndef MIDISOCK_TESTS_FRAMES_H
#define MIDISOCK_TESTS_FRAMES_H

#include "check.h"

enum { FRAME_BYTES = 137, HELLO = 0x6d, STAMP = 1, PING = 2, PONG = 3, NAME = 4 };

/* Bytes of a frame or a message. */
typedef struct piece {
    uint8_t data[FRAME_BYTES];
    size_t size;
} piece;

piece frame_hello(int answers, uint64_t token, const char *name);
piece frame_stamp(uint64_t us);
piece frame_ping(uint8_t sequence, uint64_t us);
piece frame_pong(uint8_t sequence, uint64_t received_us, uint64_t answered_us);
piece frame_name(const char *name);
void frame_send(int fd, piece frame);

/* Reads the next frame or channel message. Any other byte fails the case. */
piece frame_read(int fd);
/* HELLO to NAME, or 0 for a message. */
int frame_kind(const piece *p);
/* The number in `count` septets of a frame from `at` on. */
uint64_t frame_number(const piece *p, size_t at, int count);
uint64_t hello_token(const piece *hello);
/* This is a hello with these contents. */
void hello_check(const piece *hello, int answers, uint64_t token, const char *name, int line);
#define HELLO_CHECK(hello, answers, token, name) hello_check(hello, answers, token, name, __LINE__)

typedef struct partner {
    int fd;
    uint64_t offset_us; /* how far its clock is ahead of this machine's */
    unsigned pings;     /* that it has answered */
} partner;

uint64_t partner_us(const partner *p);
/* Answers the pings that have come, and ignores the other frames. Messages fail the case. */
void partner_answer(partner *p);
/* Answers pings until the port has locked its clock. Other notifications are taken, too. */
void partner_lock(partner *p, midisock_port *port);
/* Reads up to the next message; answers pings meanwhile. The last stamp before it goes to *us, -1 for none. */
piece partner_message(partner *p, int64_t *us);

/* Takes notifications up to one of this kind. */
midisock_notification notified_at_last(midisock_port *port, int32_t kind, int line);
#define NOTIFIED_AT_LAST(port, kind) notified_at_last(port, kind, __LINE__)

#endif
