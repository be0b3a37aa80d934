#pragma once

#include "BridgeSettings.h"
#include "Theme.h"

/** Who is connected, and for how long. */
class PeersPanel final : public juce::Component,
                         private juce::ListBoxModel
{
public:
    PeersPanel();

    void show (const midisock::plugin::status&, bool isServer, bool connect);
    void paint (juce::Graphics&) override;
    void resized() override;

private:
    int getNumRows() override { return (int) peers.size(); }
    void paintListBoxItem (int row, juce::Graphics&, int width, int height, bool selected) override;
    juce::String getNameForRow (int row) override;

    juce::ListBox list { "Connected", this };
    std::vector<midisock::plugin::peer> peers;
    juce::String nobody;
    std::uint64_t second = 0;
};
