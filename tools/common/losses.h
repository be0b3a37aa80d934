/* What a port has lost or refused, told on standard error while it happens. */
#ifndef MIDISOCK_TOOLS_LOSSES_H
#define MIDISOCK_TOOLS_LOSSES_H

#include <midisock/midisock.h>

/* How often losses_tell is to be called, and how often it tells of one kind. */
#define LOSSES_CHECK_MS 100
#define LOSSES_TELL_MS 1000

struct losses {
    midisock_stats told; /* up to where everything has been told */
    uint64_t last_ns;    /* when something was told */
    int only_too_long;   /* tell of nothing else */
};

/* Tells what has become more, with its number so far: at once, and then once a
 * second at most. */
void losses_tell(struct losses *losses, const midisock_port *port);

/* The same at the end of a port: whatever has not been told. */
void losses_tell_rest(struct losses *losses, const midisock_port *port);

#endif
