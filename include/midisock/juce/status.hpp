/* What a link is doing, for those who look at it.
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

/** Somebody at the other end. */
struct peer {
    /** A client's id; 0 for the server that a client is connected to. */
    std::uint32_t id = 0;
    /** "192.168.1.7:5000" */
    juce::String address = {};
    /** When it came: midisock_now_ns(). */
    std::uint64_t since_ns = 0;
    /** It does not read fast enough: what it gets has gaps, with its channel state put right. */
    bool congested = false;
};

/** A link at the time of midi_link::poll(). */
struct status {
    /** What the port is doing; state::none where there is none: not enabled, or `problem` says why. */
    midisock::state state = midisock::state::none;
    /** Why there is no port or no connection: of the last attempt, or of the end of the connection before; outcome::ok:
     * nothing is wrong. */
    outcome problem = outcome::ok;
    /** A connection was there and has ended: `problem` says why, outcome::ok when the other end closed it. */
    bool lost = false;
    /** The TCP port that a server is bound to. */
    int local_port = 0;
    /** Who is connected. */
    std::vector<peer> peers = {};
    /** More comes from peers than processBlock takes: there are gaps, with channel state put right. */
    bool congested = false;
    /** Counters since settings were last applied. */
    midisock::stats counters = {};
    /** Bits 0 to 15: channels on which something came since the last poll; bit 16: system messages. */
    std::uint32_t activity_in = 0;
    /** The same, for what was sent. */
    std::uint32_t activity_out = 0;
};

} // namespace plugin
} // namespace MIDISOCK_CPP_ABI
} // namespace midisock

#endif
