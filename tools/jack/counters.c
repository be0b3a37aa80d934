#include "counters.h"

#include "../common/cli.h"

static int tell(uint32_t now, uint32_t *told, const char *what)
{
    if (now == *told)
        return 0;
    *told = now;
    cli_message("%s: %lu", what, (unsigned long)now);
    return 1;
}

static int tell_all(struct counters *counters, struct bridge *bridge)
{
    int any = tell(bridge_get(bridge, too_large), &counters->too_large,
                   "messages that do not fit into a buffer of JACK's, left out");
    any |= tell(bridge_get(bridge, left_out), &counters->left_out,
                "events from JACK that are no whole message, or too long");
    any |= tell(bridge_get(bridge, lost), &counters->lost, "events from JACK that the network left no room for");
    return any;
}

void counters_tell(struct counters *counters, struct bridge *bridge)
{
    uint64_t now = midisock_now_ns();
    losses_tell(&counters->network, bridge->port);
    if (counters->last_ns != 0 && now - counters->last_ns < LOSSES_TELL_MS * UINT64_C(1000000))
        return;
    if (tell_all(counters, bridge))
        counters->last_ns = now;
}

void counters_tell_rest(struct counters *counters, struct bridge *bridge)
{
    losses_tell_rest(&counters->network, bridge->port);
    tell_all(counters, bridge);
}
