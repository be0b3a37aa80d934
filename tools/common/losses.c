#include "losses.h"

#include "cli.h"

static int tell(uint64_t now, uint64_t *told, const char *what)
{
    if (now == *told)
        return 0;
    *told = now;
    cli_message("%s: %llu", what, (unsigned long long)now);
    return 1;
}

static int tell_all(struct losses *losses, const midisock_port *port)
{
    midisock_stats now, *told = &losses->told;
    int any = 0;
    if (midisock_get_stats(port, &now, sizeof now) != MIDISOCK_OK)
        return 0;
    if (!losses->only_too_long) {
        any |= tell(now.dropped_in, &told->dropped_in,
                    "messages dropped on arrival, because they came faster than they could be handled");
        any |= tell(now.dropped_out, &told->dropped_out, "messages dropped, because a peer did not take them in time");
        any |= tell(now.invalid_bytes, &told->invalid_bytes, "bytes received that belong to no MIDI message");
        any |= tell(now.rejected, &told->rejected,
                    "connections rejected (by --allow or --max-clients, or because they are not MIDI)");
    }
    any |= tell(now.oversize_in, &told->oversize_in, "SysEx messages left out that were too long (see --max-message)");
    return any;
}

void losses_tell(struct losses *losses, const midisock_port *port)
{
    uint64_t now = midisock_now_ns();
    if (losses->last_ns != 0 && now - losses->last_ns < LOSSES_TELL_MS * UINT64_C(1000000))
        return;
    if (tell_all(losses, port))
        losses->last_ns = now;
}

void losses_tell_rest(struct losses *losses, const midisock_port *port)
{
    tell_all(losses, port);
}
