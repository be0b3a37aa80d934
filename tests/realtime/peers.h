/*
 * Peers on plain sockets, each on its own thread. They send and read, or do not,
 * and some leave and return all the time.
 */
#ifndef MIDISOCK_TESTS_PEERS_H
#define MIDISOCK_TESTS_PEERS_H

#include <pthread.h>
#include <stdint.h>

typedef struct peer {
    int listener;      /* where it is connected to, or -1: */
    uint16_t port;     /* where it connects to */
    int life_ms;       /* how long one connection lives; 0: as long as the test */
    int reads;         /* whether it reads what comes */
    int sends;         /* whether it sends */
    pthread_t thread;
    int stop;
    unsigned lives;    /* connections that have ended: read with peer_lives */
} peer;

/* A peer that is connected to, and where. */
void peer_listen(peer *peer, uint16_t *port);
/* The others fields are set before. */
void peer_start(peer *peer);
void peer_stop(peer *peer);
unsigned peer_lives(const peer *peer);

#endif
