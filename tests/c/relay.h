/*
 * A bad network: a relay on the loopback between a client and a server. It
 * delays and stalls data, splits it into small segments, and cuts the
 * connection after any byte. It changes neither bytes nor their order.
 */
#ifndef MIDISOCK_TESTS_RELAY_H
#define MIDISOCK_TESTS_RELAY_H

#include "check.h"

typedef struct relay_config {
    uint32_t seed;
    unsigned delay_us;
    unsigned jitter_us; /* a random addition to each piece's delay, at most */
    unsigned segment;   /* the largest piece in bytes; 0: not split */
    unsigned stall_one_in; /* one piece in this many stalls; 0: none */
    unsigned stall_us;
} relay_config;

typedef struct relay relay;

/* Relays up to 64 connections at a time to port `number`. *own gets the relay's
 * own port. */
relay *relay_start(uint16_t number, const relay_config *config, uint16_t *own);
void relay_stop(relay *r);

/* How a cut ends both sides of a connection. */
enum { RELAY_END, RELAY_RESET };
/* Cuts after so many further bytes to the server, counted over all connections:
 * right after that byte, the connection that carried it. 0: never. */
void relay_cut_after(relay *r, uint64_t bytes, int how);

/* Bytes delivered to servers on all connections; the number of cuts. */
uint64_t relay_to_server(relay *r);
unsigned relay_cuts(relay *r);

#endif
