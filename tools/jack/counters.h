/* What the bridge loses, told on standard error while it happens. */
#ifndef MIDISOCK_TOOLS_COUNTERS_H
#define MIDISOCK_TOOLS_COUNTERS_H

#include "../common/losses.h"
#include "bridge.h"

struct counters {
    uint32_t too_large, left_out, lost; /* up to where they have been told */
    uint64_t last_ns;
    struct losses network;
};

/* Tells what has become more: at once, and then once a second at most. */
void counters_tell(struct counters *counters, struct bridge *bridge);

/* The same at the end: whatever has not been told. */
void counters_tell_rest(struct counters *counters, struct bridge *bridge);

#endif
