/* Reports what the bridge loses, on standard error, while it happens. */
#ifndef MIDISOCK_TOOLS_COUNTERS_H
#define MIDISOCK_TOOLS_COUNTERS_H

#include "../common/losses.h"
#include "bridge.h"

struct counters {
    uint32_t too_large, left_out, lost; /* as they were reported last */
    uint64_t last_ns;
    struct losses network;
};

/* Prints each counter that has grown: at once, and then once a second at most. */
void counters_report(struct counters *counters, struct bridge *bridge);

/* The same at the end, for whatever has not been reported yet. */
void counters_report_rest(struct counters *counters, struct bridge *bridge);

#endif
