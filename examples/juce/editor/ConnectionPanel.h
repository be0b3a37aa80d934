#pragma once

#include "BridgeSettings.h"
#include "NetworkPanel.h"
#include "Theme.h"

/** Role, address, and what else is chosen. */
class ConnectionPanel final : public juce::Component
{
public:
    ConnectionPanel();

    /** With each change that is whole: not with each key. */
    std::function<void (const BridgeSettings&)> onChange;
    void show (const BridgeSettings&);
    /** The name of the track, which is the plugin's where it has none of its own. */
    void showTrack (const juce::String& name);
    void paint (juce::Graphics&) override;
    void resized() override;

private:
    struct Row
    {
        juce::Label label;
        juce::Component* control = nullptr;
    };

    void add (Row&, const juce::String& name, juce::Component&);
    void makeFields();
    void makeSwitches();
    void makeLists();
    void makeNetwork();
    void choose (BridgeSettings::Role);
    void take (const NetworkPanel::Server&);
    void openNetwork (bool open);
    void changed();
    void showRole();
    void showListenOn (const juce::String& host);
    juce::String listenOn() const;
    bool takePort();
    bool takeChannels();

    BridgeSettings settings;
    bool showing = false;

    juce::TextButton serverButton { "Server" }, clientButton { "Client" };
    juce::ComboBox listenBox, channelBox, latencyBox;
    Field nameField { "Name" }, hostField { "Host" }, portField { "Port" }, allowField { "Allow" };
    juce::ToggleButton thruSwitch { "MIDI thru" }, monitorSwitch { "Monitor tone" };
    juce::ToggleButton senderTimeSwitch { "Use the sender's time" };
    juce::ToggleButton foundSwitch { "Announce" };
    juce::TextButton networkButton { "On the network" };
    NetworkPanel network;
    Row name, host, port, allow, channels, latency;
};
