#include "ChannelsText.h"

namespace
{
    constexpr std::uint32_t systemBit = 1u << 16;

    /** The last of the channels from `first` on that are chosen without a gap. */
    int endOfRange (std::uint32_t channels, int first)
    {
        while (first < 16 && (channels >> first & 1) != 0) // the bit of the channel after it
            ++first;

        return first;
    }

    /** A channel's number, or 0. */
    int number (const juce::String& text)
    {
        const auto trimmed = text.trim();
        const auto is = trimmed.isNotEmpty() && trimmed.length() < 3 && trimmed.containsOnly ("0123456789");
        return is && trimmed.getIntValue() <= 16 ? trimmed.getIntValue() : 0;
    }

    /** "10" or "1-4"; 0: it is neither. */
    std::uint32_t range (const juce::String& text)
    {
        const auto first = number (text.upToFirstOccurrenceOf ("-", false, false));
        const auto last = text.containsChar ('-') ? number (text.fromFirstOccurrenceOf ("-", false, false)) : first;
        std::uint32_t bits = 0;

        for (int channel = first; first > 0 && channel <= last; ++channel)
            bits |= 1u << (channel - 1);

        return bits;
    }
}

juce::String channelsText (std::uint32_t channels)
{
    if ((channels & MIDISOCK_ALL_CHANNELS) == MIDISOCK_ALL_CHANNELS)
        return "All channels";

    juce::StringArray parts;
    int count = 0;

    for (int first = 1; first <= 16; ++first)
    {
        if ((channels >> (first - 1) & 1) == 0)
            continue;

        const auto last = endOfRange (channels, first);
        parts.add (last > first ? juce::String (first) + "-" + juce::String (last) : juce::String (first));
        count += last - first + 1;
        first = last;
    }

    if ((channels & systemBit) != 0)
        parts.add ("system");

    const auto list = parts.joinIntoString (", ");
    return parts.isEmpty() ? "No channels" : count == 0 ? "System only" : (count > 1 ? "Channels " : "Channel ") + list;
}

std::optional<std::uint32_t> channelsFromText (const juce::String& text)
{
    auto rest = text.toLowerCase().replace (juce::String (juce::CharPointer_UTF8 ("\xe2\x80\x93")), "-");
    rest = rest.replace ("channels", " ").replace ("channel", " ").replace (" only", " ").trim();

    if (rest == "all")
        return MIDISOCK_ALL_CHANNELS;

    if (rest == "no" || rest == "none")
        return 0;

    juce::StringArray parts;
    parts.addTokens (rest, ",;", "");
    std::uint32_t channels = 0;

    for (const auto& part : parts)
    {
        const auto bits = part.trim() == "system" ? systemBit : range (part);

        if (bits == 0)
            return {};

        channels |= bits;
    }

    return channels != 0 ? std::optional<std::uint32_t> (channels) : std::nullopt;
}
