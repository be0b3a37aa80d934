/*
 * Ports of every kind and state for the calls of realtime functions, and their
 * peers.
 */
#ifndef MIDISOCK_TESTS_CAST_H
#define MIDISOCK_TESTS_CAST_H

#include "peers.h"

#include <midisock/midisock.h>

typedef enum role {
    STEADY,        /* a client with a peer that talks and reads */
    FLAKY,         /* its peer goes and comes back all the time */
    SERVER,        /* merged, one client stays away for moments, one stays */
    ACCEPTED,      /* from a manual server */
    PAIR_A,        /* two that wait */
    PAIR_B,
    PAIR_SMALL_A,  /* two that repair, with the smallest queues */
    PAIR_SMALL_B,
    SMALL,         /* a client that repairs, with the smallest queues */
    STUCK,         /* its peer does not read; it waits */
    CONGESTED,     /* its peer does not read; it repairs */
    LATE,          /* small queues; for scheduled messages */
    OFFLINE,       /* never connected; waits */
    OFFLINE_REPAIR,
    CROWDED,       /* merged, small queues; more clients than a refused push tells apart */
    GONE,          /* its peer leaves while the test runs, and it stays alone */
    CLOSED,        /* shut down before */
    MANUAL,        /* a manual server: no messages */
    ROLES
} role;

enum { PEERS = 9, CROWD = 6 };

typedef struct cast {
    midisock_port *ports[ROLES];
    peer peers[PEERS];
    int peer_count;
    int refusing[2];
    int crowd[CROWD];
} cast;

/* `wake` is MIDISOCK_WAKE_TICK or _SIGNAL. */
void cast_open(cast *cast, uint32_t wake);
void cast_close(cast *cast);
const char *cast_name(role role);

/* How often a peer has gone away. */
unsigned cast_lives(const cast *cast);

#endif
