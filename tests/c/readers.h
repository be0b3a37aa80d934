/*
 * Who hears: threads that pop from a port and peers that read from a socket,
 * each with the independent receiver of receiver.h behind it; and songs sent
 * to them. A mark is pushed or sent behind a song: when it comes live, all that
 * was before it has been delivered or made good.
 */
#ifndef MIDISOCK_TESTS_READERS_H
#define MIDISOCK_TESTS_READERS_H

#include "check.h"
#include "raw.h"
#include "receiver.h"

/* Repairing, with the smallest queues there are. */
midisock_config repairing_config(void);

/* No state, and in no song. */
extern const uint8_t song_mark[7];
int is_song_mark(const uint8_t *data, size_t size);

/* Sends so many messages of a song, in pieces that split them anywhere. */
void song_send(int fd, song *s, unsigned messages);
/* Pushes so many; how many were refused, which is all that may go wrong. */
unsigned song_push(midisock_port *port, song *s, unsigned messages);

/* What was popped. */
typedef struct popper {
    receiver received;
    uint64_t live;
    uint64_t made;
    int marked; /* a mark came, live */
} popper;

void popper_init(popper *p, const song *s);
void popper_take(popper *p, const midisock_message *m);
/* Pops so many messages at most; how many there were. */
unsigned popper_pop(midisock_port *port, popper *p, unsigned most);
void popper_pop_all(midisock_port *port, popper *p);
/* Pops until all that a raw peer sent has been delivered, made good or counted
 * as lost. */
void popper_drain(midisock_port *port, int fd, popper *p, song *s);

/* What one peer reads. */
typedef struct peer_reader {
    wire w;
    receiver received;
    int marked;
} peer_reader;

void peer_reader_init(peer_reader *e, const song *s);
/* Reads so many bytes at most of what there is, and hears it; 0: the end. */
int peer_read(peer_reader *e, int fd, size_t most);
/* Pushes marks until one came to each, and what was before it was received or made
 * good: a mark that was refused or dropped is pushed again. */
void peers_read_to_mark(midisock_port *port, song *s, peer_reader *readers, const int *fds, int count);

/* The next message is this one, and the library made it. */
void expect_synthetic(midisock_port *port, uint32_t client, const uint8_t *data, size_t size, int line);
#define EXPECT_SYNTHETIC(port, client, ...) expect_synthetic(port, client, BYTES(__VA_ARGS__), __LINE__)
void expect_nothing(midisock_port *port, int line);
#define POPS_NOTHING(port) expect_nothing(port, __LINE__)

#endif
