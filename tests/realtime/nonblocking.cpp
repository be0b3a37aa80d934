// An audio callback that promises not to block. Clang checks at compile time that it calls only
// functions with the same promise. With -DVIOLATE it must not compile.
#include <midisock/midisock.h>

extern "C" void callback(midisock_port *port, const midisock_block *block) noexcept
    [[clang::nonblocking]]
{
    const uint8_t note[] = {0x90, 60, 64};
    midisock_message message;
    midisock_stats stats;
    if (midisock_begin_block(port, block) != MIDISOCK_OK)
        return;
    while (midisock_pop_block(port, &message) == MIDISOCK_OK)
        midisock_push_frame(port, message.frame, message.data, message.size);
    while (midisock_pop(port, &message) == MIDISOCK_OK)
        midisock_push_message(port, &message);
    midisock_push(port, note, sizeof note);
    if (midisock_state(port) != MIDISOCK_STATE_CONNECTED || midisock_client_count(port) == 0 ||
        midisock_local_port(port) == 0)
        midisock_panic(port);
    if (midisock_get_stats(port, &stats, sizeof stats) != MIDISOCK_OK)
        midisock_reset(port);
    midisock_skip(port);
    midisock_cancel(port);
    (void)midisock_now_ns();
    (void)midisock_version();
    (void)midisock_version_string();
    (void)midisock_strerror(MIDISOCK_OK);
#ifdef VIOLATE
    midisock_flush(port, 0);
#endif
}
