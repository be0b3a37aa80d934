/* One call of a plugin's processBlock.
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#ifndef MIDISOCK_JUCE_MOMENT_HPP
#define MIDISOCK_JUCE_MOMENT_HPP

#include <midisock/midisock.hpp>

#include <cstddef>
#include <cstdint>

#ifndef MIDISOCK_JUCE_LV2_BYTES
/** The rsz:minimumSize of an LV2 plugin's event output. The default is the size that JUCE requests from the host.
 * Define it if your bundle has a greater one. */
#define MIDISOCK_JUCE_LV2_BYTES 8192
#endif

namespace midisock {
inline namespace MIDISOCK_CPP_ABI {
namespace plugin {

/** One call of processBlock. */
struct moment {
    /** Frames of the block; 0 is allowed. */
    int frames = 0;
    /** Frames per second. */
    double sample_rate = 0.0;
    /** The host does not render in real time. */
    bool offline = false;
    /** The host's transport is running. */
    bool playing = false;
    /** midisock_now_ns() at the start. 0: the library reads the clock. */
    std::uint64_t start_ns = 0;
    /** Bytes of the atom sequence that an LV2 host takes from a block. 0: it is not an LV2 host. Messages beyond them
     * would be lost, and JUCE 7.0.5 would leave the sequence broken. */
    std::size_t lv2_bytes = 0;
};

} // namespace plugin
} // namespace MIDISOCK_CPP_ABI
} // namespace midisock

#endif
