#pragma once

#include "BridgeSettings.h"
#include "Theme.h"

/** What comes and goes, channel by channel; counters; the panic button. */
class ActivityPanel final : public juce::Component
{
public:
    ActivityPanel();

    std::function<void()> onPanic;
    void show (const midisock::plugin::status&, bool connect, std::uint32_t channels);
    void panic()        { panicButton.triggerClick(); }
    void paint (juce::Graphics&) override;
    void resized() override;

private:
    static constexpr int columns = 17; // the channels, and system messages

    /** A row of lamps, which go on with a message and fade. */
    struct Lamps
    {
        bool take (std::uint32_t bits);
        std::array<float, columns> levels {};
    };

    struct Counter
    {
        juce::String name, value;
        juce::Colour colour;
    };

    void paintLamps (juce::Graphics&, juce::Rectangle<int>, const juce::String&, juce::Colour, const Lamps&) const;
    void paintCounters (juce::Graphics&, juce::Rectangle<int>) const;
    juce::String inWords() const;
    std::vector<Counter> count (const midisock::plugin::status&, bool connect) const;

    Lamps in, out;
    std::vector<Counter> counters;
    std::uint32_t chosen = MIDISOCK_ALL_CHANNELS;
    juce::TextButton panicButton { "Panic" };
    juce::Rectangle<int> lampArea, counterArea;
};
