/* The status of a link.
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#ifndef MIDISOCK_JUCE_STATUS_HPP
#define MIDISOCK_JUCE_STATUS_HPP

#include <midisock/midisock.hpp>

#include <juce_core/juce_core.h>

#include <vector>

namespace midisock {
inline namespace MIDISOCK_CPP_ABI {
namespace plugin {

/** A connected peer. */
struct peer {
    /** A client's id; 0 for the server that a client is connected to. */
    std::uint32_t id = 0;
    /** "192.168.1.7:5000" */
    juce::String address = {};
    /** When it connected, in the time of midisock_now_ns(). */
    std::uint64_t since_ns = 0;
    /** It does not read fast enough, so messages are dropped and its channel state is restored. */
    bool congested = false;
    /** The name that it told, which only a peer with sender time does. Empty: none. */
    juce::String name = {};
    /** Its clock is known, so its messages are placed by its times. */
    bool has_clock = false;
};

/** The status of a link at the time of midi_link::poll(). */
struct status {
    /** The state of the port. state::none: there is no port, because the link is not enabled or because of
     * `problem`. */
    midisock::state state = midisock::state::none;
    /** Why there is no port or no connection: the reason of the last failed attempt, or of the end of the last
     * connection. outcome::ok: there is no problem. */
    outcome problem = outcome::ok;
    /** A connection has ended. `problem` says why; it is outcome::ok if the peer closed the connection. */
    bool lost = false;
    /** The TCP port that a server is bound to. */
    int local_port = 0;
    /** The connected peers. */
    std::vector<peer> peers = {};
    /** Peers send more than processBlock takes, so messages are dropped and the channel state is restored. */
    bool congested = false;
    /** Counters since the settings were last applied. */
    midisock::stats counters = {};
    /** Received since the last poll: bits 0 to 15 are channels 1 to 16, bit 16 is system messages. */
    std::uint32_t activity_in = 0;
    /** Sent since the last poll, with the same bits. */
    std::uint32_t activity_out = 0;
    /** What a host should be told as the plugin's latency, in ns: the delay of messages once they have their sender's
     * time, else 0. A change of the automatic latency changes it. */
    std::uint64_t host_latency_ns = 0;
};

} // namespace plugin
} // namespace MIDISOCK_CPP_ABI
} // namespace midisock

#endif
