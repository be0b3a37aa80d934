#include "losses.h"

#include "cli.h"

static int report_one(uint64_t now, uint64_t *reported, const char *what)
{
    if (now == *reported)
        return 0;
    *reported = now;
    cli_message("%s: %llu", what, (unsigned long long)now);
    return 1;
}

static int report_all(struct losses *losses, const midisock_port *port)
{
    midisock_stats now, *reported = &losses->reported;
    int any = 0;
    if (midisock_get_stats(port, &now, sizeof now) != MIDISOCK_OK)
        return 0;
    if (!losses->only_too_long) {
        any |= report_one(now.dropped_in, &reported->dropped_in,
                    "messages dropped on arrival, because they came faster than they could be handled");
        any |= report_one(now.dropped_out, &reported->dropped_out, "messages dropped, because a peer did not take them in time");
        any |= report_one(now.invalid_bytes, &reported->invalid_bytes, "bytes received that belong to no MIDI message");
        any |= report_one(now.rejected, &reported->rejected,
                    "connections rejected (by --allow or --max-clients, or because they are not MIDI)");
    }
    any |= report_one(now.oversize_in, &reported->oversize_in, "SysEx messages left out that were too long (see --max-message)");
    return any;
}

void losses_report(struct losses *losses, const midisock_port *port)
{
    uint64_t now = midisock_now_ns();
    if (losses->last_ns != 0 && now - losses->last_ns < LOSSES_REPORT_MS * UINT64_C(1000000))
        return;
    if (report_all(losses, port))
        losses->last_ns = now;
}

void losses_report_rest(struct losses *losses, const midisock_port *port)
{
    report_all(losses, port);
}
