/* The connections of our ports in JACK, remembered: those of a server that was
 * restarted, and those with a client that went and came back, are made again. */
#ifndef MIDISOCK_TOOLS_WIRING_H
#define MIDISOCK_TOOLS_WIRING_H

#include "../common/report.h"
#include "bridge.h"

struct wire {
    int side;
    int missing; /* to be made as soon as the other port is there */
    int doubts;  /* how often it was found gone, although the other port is there */
    char other[BRIDGE_NAME];
};

struct wiring {
    struct wire *wires;
    size_t count, capacity;
    struct report *report; /* for lines about connections; NULL: none */
};

/* A connection to be made as soon as the other port is there. 0: no memory. */
int wiring_want(struct wiring *wiring, int side, const char *other);

/* Compares what is remembered with what there is, and sees to it. */
void wiring_look_after(struct wiring *wiring, struct bridge *bridge);

/* The server has gone: all of them are to be made again. */
void wiring_lost(struct wiring *wiring);

void wiring_free(struct wiring *wiring);

#endif
