/*
 * Who hears: threads that pop from a port and peers that read from a socket,
 * each with the independent receiver of receiver.h behind it; and songs sent
 * to them. A mark is pushed or sent behind a song: when it comes live, all that
 * was before it has been delivered or made good.
 */
#ifndef MIDISOCK_TESTS_HEARING_H
#define MIDISOCK_TESTS_HEARING_H

#include "check.h"
#include "raw.h"
#include "receiver.h"

/* Repairing, with the smallest queues there are. */
midisock_config hearing_config(void);

/* No state, and in no song. */
extern const uint8_t hearing_mark[7];
int hearing_is_mark(const uint8_t *data, size_t size);

/* Sends so many messages of a song, in pieces that split them anywhere. */
void song_send(int fd, song *s, unsigned messages);
/* Pushes so many; how many were refused, which is all that may go wrong. */
unsigned song_push(midisock_port *port, song *s, unsigned messages);

/* What was popped. */
typedef struct popper {
    receiver heard;
    uint64_t live;
    uint64_t made;
    int marked; /* a mark came, live */
} popper;

void popper_init(popper *p, const song *s);
void popper_hear(popper *p, const midisock_message *m);
/* Pops so many messages at most; how many there were. */
unsigned popper_pop(midisock_port *port, popper *p, unsigned most);
void popper_pop_all(midisock_port *port, popper *p);
/* Pops until all that a raw peer sent has been delivered, made good or counted
 * as lost. */
void popper_settle(midisock_port *port, int fd, popper *p, song *s);

/* What one peer reads. */
typedef struct ear {
    wire w;
    receiver heard;
    int marked;
} ear;

void ear_init(ear *e, const song *s);
/* Reads so many bytes at most of what there is, and hears it; 0: the end. */
int ear_hear(ear *e, int fd, size_t most);
/* Pushes marks until one came to each, and what was before it was heard or made
 * good: a mark that was refused or dropped is pushed again. */
void ear_hear_all(midisock_port *port, song *s, ear *ears, const int *fds, int count);

/* The next message is this one, and the library made it. */
void hearing_made(midisock_port *port, uint32_t client, const uint8_t *data, size_t size, int line);
#define MADE(port, client, ...) hearing_made(port, client, BYTES(__VA_ARGS__), __LINE__)
void hearing_nothing(midisock_port *port, int line);
#define POPS_NOTHING(port) hearing_nothing(port, __LINE__)

#endif
