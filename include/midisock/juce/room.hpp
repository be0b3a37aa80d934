/* How much a host takes from a block.
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#ifndef MIDISOCK_JUCE_ROOM_HPP
#define MIDISOCK_JUCE_ROOM_HPP

#include <midisock/midisock.hpp>

#include <juce_audio_basics/juce_audio_basics.h>

#include <algorithm>
#include <cstddef>

namespace midisock {
inline namespace MIDISOCK_CPP_ABI {
namespace plugin {

/** Bytes that may still be added to a block for the host. */
struct room {
    /** How many are left. */
    std::size_t left;
    /** The host takes an atom sequence of a fixed size. */
    bool is_lv2;

    /** The memory that a MidiBuffer is given: enough for most_messages, or for the longest SysEx. */
    static constexpr std::size_t buffer_bytes = 65536;

    /** An empty block. `lv2_bytes`: see moment. */
    static room whole(std::size_t lv2_bytes) noexcept
    {
        constexpr std::size_t head = 64; // of the sequence, and what JUCE may say of itself
        return {lv2_bytes > 0 ? lv2_bytes - std::min(lv2_bytes, head) : buffer_bytes, lv2_bytes > 0};
    }

    /** The same beside the messages in `midi`. */
    static room beside(const juce::MidiBuffer &midi, std::size_t lv2_bytes) noexcept
    {
        room free = whole(lv2_bytes);
        if (free.is_lv2) {
            for (const juce::MidiMessageMetadata event : midi) {
                free.take(static_cast<std::size_t>(event.numBytes));
            }
        } else {
            free.left -= std::min(free.left, static_cast<std::size_t>(midi.data.size()));
        }
        return free;
    }

    /** What a message of `size` bytes takes. */
    std::size_t cost(std::size_t size) const noexcept
    {
        // LV2: time, size and type, and the message in steps of 8; JUCE: time and size.
        constexpr std::size_t event_bytes = sizeof(std::int32_t) + sizeof(std::uint16_t);
        return is_lv2 ? 16 + (size + 7) / 8 * 8 : event_bytes + size;
    }

    /** A message of `size` bytes was added. */
    void take(std::size_t size) noexcept { left -= std::min(left, cost(size)); }
};

} // namespace plugin
} // namespace MIDISOCK_CPP_ABI
} // namespace midisock

#endif
