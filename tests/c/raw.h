/*
 * Peers without midisock: plain sockets on the loopback that send any bytes in
 * any pieces and see exactly what arrives. Every call that may wait has the
 * deadline of check.h, and fails the case when it expires.
 */
#ifndef MIDISOCK_TESTS_RAW_H
#define MIDISOCK_TESTS_RAW_H

#include "check.h"

/* A connection to 127.0.0.1, or to ::1. */
int raw_connect(uint16_t port);
int raw_connect6(uint16_t port);
/* The same with a small receive buffer. If the test does not read it, the
 * sender is soon blocked. */
int raw_connect_small(uint16_t port);
/* A connection from a given local address of 127.0.0.0/8. */
int raw_connect_from(const char *local, uint16_t port);

/* A listening socket on 127.0.0.1 (port 0: a free one, returned in *port). */
int raw_listen(uint16_t *port);
int raw_accept(int listener);
/* The same with a small receive buffer. */
int raw_listen_small(uint16_t *port);

/* A port of 127.0.0.1 that refuses connections, and that no program can listen
 * on as long as the descriptor is open. */
int raw_refusing(uint16_t *port);

/* A listener that does not answer connects, because its backlog is full.
 * `fillers` gets the descriptors that fill it. */
int raw_silent(uint16_t *port, int fillers[3]);

void raw_send(int fd, const void *data, size_t size);
#define RAW_SEND(fd, ...) raw_send(fd, BYTES(__VA_ARGS__))
/* Sends without waiting. Returns how many bytes the kernel accepted. */
size_t raw_try_send(int fd, const void *data, size_t size);

/* Reads exactly `size` bytes. */
void raw_read(int fd, void *data, size_t size);
/* Reads at least one byte. Returns 0 at the end, -1 after a reset. */
long raw_read_some(int fd, void *data, size_t size);
/* The next bytes are these. */
void raw_expect(int fd, const uint8_t *data, size_t size, const char *file, int line);
#define RAW_EXPECT(fd, ...) raw_expect(fd, BYTES(__VA_ARGS__), __FILE__, __LINE__)
/* The next thing is the orderly end. */
void raw_expect_end(int fd, const char *file, int line);
#define RAW_EXPECT_END(fd) raw_expect_end(fd, __FILE__, __LINE__)
/* The connection ends, in order or by a reset, before a byte arrives. */
void raw_expect_gone(int fd, const char *file, int line);
#define RAW_EXPECT_GONE(fd) raw_expect_gone(fd, __FILE__, __LINE__)

/* Whether data or the end can be read within the timeout. */
int raw_readable(int fd, int timeout_ms);

void raw_half_close(int fd); /* shuts down sending, goes on reading */
void raw_reset(int fd);      /* closes with a reset */
void raw_close(int fd);

#endif
