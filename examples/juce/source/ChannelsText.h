#pragma once

#include <juce_core/juce_core.h>
#include <midisock/midisock.h>

#include <optional>

/** Channels, as the bits of midisock_config::channels, in the user's words: "All channels", "Channel 10",
    "Channels 1-4, 10, system". */
juce::String channelsText (std::uint32_t channels);

/** Reads such a text, also without its first word. Nothing where it is none. */
std::optional<std::uint32_t> channelsFromText (const juce::String&);
