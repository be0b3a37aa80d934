/* Reports what a port has lost or refused, on standard error, while it happens. */
#ifndef MIDISOCK_TOOLS_LOSSES_H
#define MIDISOCK_TOOLS_LOSSES_H

#include <midisock/midisock.h>

/* How often losses_report should be called, and how often it prints at most. */
#define LOSSES_CHECK_MS 100
#define LOSSES_REPORT_MS 1000

struct losses {
    midisock_stats reported; /* the counters when they were reported last */
    uint64_t last_ns;        /* when that was */
    int only_too_long;       /* report nothing but messages that are too long */
};

/* Prints each counter that has grown: at once, and then once a second at most. */
void losses_report(struct losses *losses, const midisock_port *port);

/* The same at the end of a port, for whatever has not been reported yet. */
void losses_report_rest(struct losses *losses, const midisock_port *port);

#endif
