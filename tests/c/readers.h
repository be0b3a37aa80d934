/*
 * Receivers of songs: a popper pops from a port, a peer_reader reads from a
 * socket. Each passes what it gets to the independent receiver of receiver.h.
 * A mark follows each song. When a receiver gets the mark itself, everything
 * before it was delivered or repaired.
 */
#ifndef MIDISOCK_TESTS_READERS_H
#define MIDISOCK_TESTS_READERS_H

#include "check.h"
#include "raw.h"
#include "receiver.h"

/* A repairing port with the smallest queues. */
midisock_config repairing_config(void);

/* An event that is part of no song. */
extern const uint8_t song_mark[7];
int is_song_mark(const uint8_t *data, size_t size);

/* Sends the next messages of a song, in random pieces. */
void song_send(int fd, song *s, unsigned messages);
/* Pushes the next messages of a song and returns how many were refused. Any
 * other error fails the case. */
unsigned song_push(midisock_port *port, song *s, unsigned messages);

/* Receives what is popped. */
typedef struct popper {
    receiver received;
    uint64_t live;
    uint64_t made;
    int marked; /* the mark came from the peer */
} popper;

void popper_init(popper *p, const song *s);
void popper_take(popper *p, const midisock_message *m);
/* Pops up to `most` messages and returns how many there were. */
unsigned popper_pop(midisock_port *port, popper *p, unsigned most);
void popper_pop_all(midisock_port *port, popper *p);
/* Pops until everything that a raw peer sent was delivered, repaired or counted
 * as lost. */
void popper_drain(midisock_port *port, int fd, popper *p, song *s);

/* Receives what a raw peer reads. */
typedef struct peer_reader {
    wire w;
    receiver received;
    int marked;
} peer_reader;

void peer_reader_init(peer_reader *e, const song *s);
/* Reads up to `most` bytes that are available. Returns 0 at the end. */
int peer_read(peer_reader *e, int fd, size_t most);
/* Pushes marks until each reader has received one, and so everything before it
 * was delivered or repaired. A mark that is refused or dropped is pushed again. */
void peers_read_to_mark(midisock_port *port, song *s, peer_reader *readers, const int *fds, int count);

/* The next message is this one, and it is marked SYNTHETIC. */
void expect_synthetic(midisock_port *port, uint32_t client, const uint8_t *data, size_t size, int line);
#define EXPECT_SYNTHETIC(port, client, ...) expect_synthetic(port, client, BYTES(__VA_ARGS__), __LINE__)
void expect_nothing(midisock_port *port, int line);
#define POPS_NOTHING(port) expect_nothing(port, __LINE__)

#endif
