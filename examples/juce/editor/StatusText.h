#pragma once

#include "BridgeSettings.h"

/** What the words depend on beside the settings and the status. */
struct Surroundings
{
    /** Whether the host processes audio. */
    bool isProcessing = true;
    /** Whether messages came too late for the latency within the last seconds. */
    bool isLate = false;
    /** How many instances in this program listen at the same place, this one included. */
    int sharing = 1;
    /** Where others on the network reach this computer; empty: unknown. */
    juce::String address;
};

/** A link's state in the user's words. */
struct StatusText
{
    enum class Tone { off, waiting, good, bad };

    Tone tone = Tone::off;
    juce::String headline;
    juce::String detail;
    /** One line: what the connection does now. */
    juce::String now;
    /** One more: what is wrong, and what to do. Empty: nothing is wrong. */
    juce::String problem;

    StatusText (const BridgeSettings&, const midisock::plugin::status&, const Surroundings&);

    juce::Colour colour() const;

private:
    using Link = midisock::plugin::settings;
    using Status = midisock::plugin::status;

    void ofServer (const Link&, const Status&, const Surroundings&);
    void cannotListen (const Link&, midisock::outcome why);
    void ofClient (const Link&, const Status&);
    void noConnection (const juce::String& where, midisock::outcome why);
    void flow (const Link&, const Status&, const Surroundings&);
};
