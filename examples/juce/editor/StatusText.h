#pragma once

#include "BridgeSettings.h"

/** A link's state in the user's words. */
struct StatusText
{
    enum class Tone { off, waiting, good, bad };

    Tone tone = Tone::off;
    juce::String headline;
    juce::String detail;
    /** What is wrong and what can be done about it; empty: nothing is. */
    juce::String problem;

    StatusText (const BridgeSettings&, const midisock::plugin::status&, bool isProcessing);

    juce::Colour colour() const;

private:
    void ofServer (const midisock::plugin::settings&, const midisock::plugin::status&);
    void ofClient (const midisock::plugin::settings&, const midisock::plugin::status&);
    void noConnection (const juce::String& where, midisock::outcome why);
};
