/*
 * A bad network: a relay on the loopback between a client and a server. It
 * delays what passes, holds it up, cuts it into small segments, and cuts the
 * connection after any byte. It changes no byte and no order.
 */
#ifndef MIDISOCK_TESTS_RELAY_H
#define MIDISOCK_TESTS_RELAY_H

#include "check.h"

typedef struct relay_config {
    uint32_t seed;
    unsigned delay_us;
    unsigned jitter_us; /* at most so much more, each piece by itself */
    unsigned segment;   /* pieces of 1 to so many bytes; 0: as they come */
    unsigned stall_one_in; /* one piece in so many is held up; 0: none */
    unsigned stall_us;
} relay_config;

typedef struct relay relay;

/* Relays every connection to `number` (the relay's own port is told in *own),
 * with up to 64 at a time. */
relay *relay_start(uint16_t number, const relay_config *config, uint16_t *own);
void relay_stop(relay *r);

/* How connections are cut: both sides by an end, or both by a reset. */
enum { RELAY_END, RELAY_RESET };
/* Cuts the connection that brings the server so many bytes from now on, counted
 * over all of them, right after that byte; 0: none. */
void relay_cut_after(relay *r, uint64_t bytes, int how);

/* Bytes that the servers have been given, all in all; how many were cut. */
uint64_t relay_to_server(relay *r);
unsigned relay_cuts(relay *r);

#endif
