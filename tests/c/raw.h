/*
 * Peers that are not midisock: plain sockets on the loopback, to send any
 * bytes in any pieces and to see exactly what comes. Every call that may wait
 * has the deadline of check.h and fails the case when it passes.
 */
#ifndef MIDISOCK_TESTS_RAW_H
#define MIDISOCK_TESTS_RAW_H

#include "check.h"

/* A connection to 127.0.0.1, or to ::1. */
int raw_connect(uint16_t port);
int raw_connect6(uint16_t port);
/* The same with the smallest receive buffer there is: who does not read it
 * soon holds the sender up. */
int raw_connect_small(uint16_t port);
/* A connection from a given local address of 127.0.0.0/8. */
int raw_connect_from(const char *local, uint16_t port);

/* A listening socket on 127.0.0.1 (port 0: a free one, told in *port). */
int raw_listen(uint16_t *port);
int raw_accept(int listener);
/* The same with the smallest receive buffer there is. */
int raw_listen_small(uint16_t *port);

/* A port of 127.0.0.1 on which nobody listens and nobody will as long as the
 * descriptor is open: connecting to it is refused. */
int raw_refusing(uint16_t *port);

/* A listener of which connects get no answer: its backlog is full. Fills
 * `fillers` with the descriptors that do it; returns the listener. */
int raw_silent(uint16_t *port, int fillers[3]);

void raw_send(int fd, const void *data, size_t size);
#define RAW_SEND(fd, ...) raw_send(fd, BYTES(__VA_ARGS__))
/* Sends without waiting; how many bytes the kernel took. */
size_t raw_try_send(int fd, const void *data, size_t size);

/* Reads exactly so much. */
void raw_read(int fd, void *data, size_t size);
/* Reads what there is, at least a byte; 0: the end; -1: the peer reset. */
long raw_read_some(int fd, void *data, size_t size);
/* The next bytes are these. */
void raw_expect(int fd, const uint8_t *data, size_t size, const char *file, int line);
#define RAW_EXPECT(fd, ...) raw_expect(fd, BYTES(__VA_ARGS__), __FILE__, __LINE__)
/* Nothing but the orderly end is left. */
void raw_expect_end(int fd, const char *file, int line);
#define RAW_EXPECT_END(fd) raw_expect_end(fd, __FILE__, __LINE__)
/* The connection ends, orderly or not, before a byte comes. */
void raw_expect_gone(int fd, const char *file, int line);
#define RAW_EXPECT_GONE(fd) raw_expect_gone(fd, __FILE__, __LINE__)

/* Whether something, the end included, can be read within so long. */
int raw_readable(int fd, int timeout_ms);

void raw_half_close(int fd); /* sends the end, goes on reading */
void raw_reset(int fd);      /* closes by a reset */
void raw_close(int fd);

#endif
