// The cases of midisock/juce.hpp, and what they share: a link on one end of a pair, whose blocks have times of our choice.
#pragma once

#include <midisock_juce/midisock_juce.h>

#include "check.hpp"

#include <string>
#include <vector>

struct named_case {
    const char *name;
    void (*run)();
};
extern const std::vector<named_case> held_cases, settings_cases, block_cases, pause_cases, port_cases, sender_time_cases;

using midisock::outcome;
using midisock::plugin::held;
using midisock::plugin::midi_link;
using midisock::plugin::moment;
using midisock::plugin::role;
using midisock::plugin::settings;

inline constexpr std::uint64_t ms = 1000000;

// A message of a MidiBuffer: "12: 90 3c 64" is a Note On at frame 12.
inline std::string written(const juce::MidiMessageMetadata &event)
{
    std::string text = std::to_string(event.samplePosition) + ":";
    for (int i = 0; i < event.numBytes; i++) {
        char byte[4];
        std::snprintf(byte, sizeof byte, " %02x", event.data[i]);
        text += byte;
    }
    return text;
}

inline std::vector<std::string> written(const juce::MidiBuffer &midi)
{
    std::vector<std::string> all;
    for (const auto event : midi) {
        all.push_back(written(event));
    }
    return all;
}

using texts = std::vector<std::string>;

#define CHECK_TEXTS(expected, actual)                                                        \
    do {                                                                                     \
        const texts want_ = expected, got_ = actual;                                         \
        if (want_ != got_) {                                                                 \
            std::fprintf(stderr, "%s:%d: %s is\n", __FILE__, __LINE__, #actual);             \
            for (const auto &line : got_) {                                                  \
                std::fprintf(stderr, "    %s\n", line.c_str());                              \
            }                                                                                \
            std::fprintf(stderr, "and not\n");                                               \
            for (const auto &line : want_) {                                                 \
                std::fprintf(stderr, "    %s\n", line.c_str());                              \
            }                                                                                \
            std::exit(1);                                                                    \
        }                                                                                    \
    } while (false)

// A link with a peer in memory. Blocks are of 480 frames at 48 kHz, 10 ms, one after the other unless told; latency 10 ms.
struct studio {
    midisock::port peer;
    midi_link plugin;
    juce::MidiBuffer midi;
    moment next;

    explicit studio(std::uint64_t latency_ns = 10 * ms)
    {
        plugin.adopt(other_end(latency_ns));
        next.frames = 480;
        next.sample_rate = 48000.0;
        // In the future: what is sent now is due in any block, however slowly the machine gets on.
        next.start_ns = midisock_now_ns() + 5000 * ms;
        plugin.prepare();
        block(); // the first comes after an interruption
    }

    // A new pair: its one end for the plugin, the other one is the peer from now on.
    midisock::port other_end(std::uint64_t latency_ns = 10 * ms)
    {
        midisock::config how;
        how.set(midisock::overflow::repair);
        how.latency_ns = latency_ns;
        auto made = midisock::pair::make(how);
        CHECK(made);
        peer = std::move(made->b);
        return std::move(made->a);
    }

    // At so many ns after the start of the next block, in the middle of that frame: no rounding moves it to another.
    void arrives(std::uint64_t after_ns, midisock::bytes message)
    {
        CHECK(peer.push_at(next.start_ns + after_ns + 10000, message));
    }

    // Processes what is in `midi`; what then is in it.
    texts block(bool thru = false)
    {
        plugin.process(midi, next, thru);
        next.start_ns += static_cast<std::uint64_t>(next.frames) * 1000000000u / 48000u;
        const texts out = written(midi);
        midi.clear();
        return out;
    }

    // What the peer gets, as "3c0000: 90 3c 64": how many ns after `since`.
    texts sent(std::uint64_t since = 0)
    {
        texts all;
        midisock::message m;
        while (peer.pop(m)) {
            const long long at = since == 0 ? 0 : static_cast<long long>(m.time_ns - since);
            const juce::MidiMessageMetadata event(m.data, static_cast<int>(m.size), static_cast<int>(at));
            all.push_back(written(event));
        }
        return all;
    }
};
