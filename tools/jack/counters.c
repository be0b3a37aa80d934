#include "counters.h"

#include "../common/cli.h"

static int report_one(uint32_t now, uint32_t *reported, const char *what)
{
    if (now == *reported)
        return 0;
    *reported = now;
    cli_message("%s: %lu", what, (unsigned long)now);
    return 1;
}

static int report_all(struct counters *counters, struct bridge *bridge)
{
    int any = report_one(bridge_get(bridge, too_large), &counters->too_large,
                   "messages that do not fit into a buffer of JACK's, left out");
    any |= report_one(bridge_get(bridge, left_out), &counters->left_out,
                "events from JACK that are no whole message, or too long");
    any |= report_one(bridge_get(bridge, lost), &counters->lost, "events from JACK that the network left no room for");
    return any;
}

void counters_report(struct counters *counters, struct bridge *bridge)
{
    uint64_t now = midisock_now_ns();
    losses_report(&counters->network, bridge->port);
    if (counters->last_ns != 0 && now - counters->last_ns < LOSSES_REPORT_MS * UINT64_C(1000000))
        return;
    if (report_all(counters, bridge))
        counters->last_ns = now;
}

void counters_report_rest(struct counters *counters, struct bridge *bridge)
{
    losses_report_rest(&counters->network, bridge->port);
    report_all(counters, bridge);
}
