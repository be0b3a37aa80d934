/* Remembers the connections of the client's ports in JACK, and restores them when
 * the server, or the client at the other end, has been restarted. */
#ifndef MIDISOCK_TOOLS_CONNECTIONS_H
#define MIDISOCK_TOOLS_CONNECTIONS_H

#include "../common/report.h"
#include "bridge.h"

struct connection {
    int side;
    int missing;      /* to be made as soon as the other port is there */
    int times_missed; /* how often it was not there, although the other port was */
    char other[BRIDGE_NAME];
};

struct connections {
    struct connection *list;
    size_t count, capacity;
    struct report *output; /* for lines about connections; NULL: none */
};

/* A connection to be made as soon as the other port is there. 0: no memory. */
int connections_add(struct connections *connections, int side, const char *other);

/* Compares the remembered connections with those in JACK. Restores missing ones,
 * and forgets those that were removed on purpose. */
void connections_update(struct connections *connections, struct bridge *bridge);

/* The server has gone: all of them are to be made again. */
void connections_lost(struct connections *connections);

void connections_free(struct connections *connections);

#endif
