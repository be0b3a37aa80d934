#pragma once

#include "BridgeSettings.h"
#include "Theme.h"

/** The servers on the network, to choose one. It looks for them only while it is visible. */
class NetworkPanel final : public juce::Component,
                           private juce::ListBoxModel,
                           private juce::Timer
{
public:
    using Server = midisock::plugin::found_server;

    NetworkPanel();

    std::function<void (const Server&)> onChoose;
    std::function<void()> onClose;
    /** What its list shows. It is called as servers come and go. */
    void show (const std::vector<Server>&);
    void paint (juce::Graphics&) override;
    void resized() override;
    void visibilityChanged() override;
    bool keyPressed (const juce::KeyPress&) override;

private:
    void timerCallback() override;
    void choose (int row);
    int getNumRows() override { return (int) servers.size(); }
    void paintListBoxItem (int row, juce::Graphics&, int width, int height, bool selected) override;
    juce::String getNameForRow (int row) override;
    void listBoxItemClicked (int row, const juce::MouseEvent&) override { choose (row); }
    void returnKeyPressed (int row) override { choose (row); }

    midisock::plugin::service_list network;
    std::vector<Server> servers;
    juce::String nothing;
    juce::ListBox list { "On the network", this };
    juce::TextButton closeButton { "Back" };
};
