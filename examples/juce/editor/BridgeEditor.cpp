#include "BridgeEditor.h"

namespace
{
    constexpr int firstWidth = 740, firstHeight = 690, leastWidth = 600, leastHeight = 650;

    constexpr std::uint64_t second = 1000000000;
}

BridgeEditor::Everywhere::Everywhere (Theme& theme)
{
    if (isStandalone)
        juce::LookAndFeel::setDefaultLookAndFeel (&theme);
}

BridgeEditor::Everywhere::~Everywhere()
{
    if (isStandalone)
        juce::LookAndFeel::setDefaultLookAndFeel (nullptr);
}

BridgeEditor::BridgeEditor (BridgeProcessor& processor_)
    : AudioProcessorEditor (processor_), bridge (processor_)
{
    setLookAndFeel (&theme);
    setWantsKeyboardFocus (true);

    for (auto* part : std::initializer_list<juce::Component*> { &header, &now, &connection, &peers, &activity })
        addAndMakeVisible (part);

    addChildComponent (banner);

    header.onSwitch = [this] (bool on)
    {
        auto wanted = bridge.settings();
        wanted.connect = on;
        change (wanted);
    };
    banner.onRetry = [this] { bridge.retry(); };
    activity.onPanic = [this] { bridge.panic(); };
    connection.onChange = [this] (const BridgeSettings& wanted)
    {
        auto next = wanted;
        // The switch is the header's, but another role switches off.
        const auto now = bridge.settings();
        next.connect = now.connect && wanted.role == now.role;
        next.width = now.width;
        next.height = now.height;
        change (next);
    };
    bridge.onSettingsReplaced = [this] { reload(); };

    const auto settings = bridge.settings();
    setResizable (true, true);
    setResizeLimits (leastWidth, leastHeight, BridgeSettings::mostWidth, BridgeSettings::mostHeight);
    setSize (juce::jmax (leastWidth, settings.width > 0 ? settings.width : firstWidth),
             juce::jmax (leastHeight, settings.height > 0 ? settings.height : firstHeight));
    reload();
    startTimerHz (24);
}

BridgeEditor::~BridgeEditor()
{
    bridge.onSettingsReplaced = nullptr;
    setLookAndFeel (nullptr);
}

void BridgeEditor::change (const BridgeSettings& wanted)
{
    bridge.change (wanted);
    reload();
}

void BridgeEditor::reload()
{
    connection.show (bridge.settings());
    looked = 0;
    timerCallback();
}

Surroundings BridgeEditor::surroundings (const midisock::plugin::status& status)
{
    const auto at = midisock_now_ns();

    if (looked == 0 || at > looked + 5 * second) // a cable may have been plugged in
    {
        looked = at;
        const auto own = juce::IPAddress::getLocalAddress();
        around.address = own.isNull() || own == juce::IPAddress::local() ? juce::String() : own.toString();
    }

    around.isLate = lateness.isLate (status.counters.timed_in, status.counters.late_in, at);
    around.sharing = bridge.sharing();
    around.isProcessing = bridge.isProcessing();
    return around;
}

void BridgeEditor::timerCallback()
{
    // Keys go to the editor of a program from the start; a host's own keys are not to be taken from it.
    if (auto* peer = getPeer(); everywhere.isStandalone && ! hadFocus && peer != nullptr && peer->isFocused())
    {
        hadFocus = true;
        grabKeyboardFocus();
    }

    const auto settings = bridge.settings();
    const auto status = bridge.poll();
    const StatusText words (settings, status, surroundings (status));
    connection.showTrack (bridge.trackName());
    header.show (words, settings.connect);
    now.show (words.now);
    peers.show (status, settings.role == BridgeSettings::Role::server, settings.connect);
    activity.show (status, settings.connect, settings.channels);

    if (banner.show (words) != banner.isVisible())
    {
        banner.setVisible (! banner.isVisible());
        resized();
    }
}

bool BridgeEditor::keyPressed (const juce::KeyPress& key)
{
    using juce::KeyPress;

    if (key == KeyPress (KeyPress::returnKey, juce::ModifierKeys::commandModifier, 0))
        header.flip();
    else if (key == KeyPress ('.', juce::ModifierKeys::commandModifier, 0))
        activity.panic();
    else
        return false;

    return true;
}

void BridgeEditor::resized()
{
    auto area = getLocalBounds().reduced (16, 10);
    header.setBounds (area.removeFromTop (56));
    now.setBounds (area.removeFromTop (24));
    area.removeFromTop (6);

    if (banner.isVisible())
    {
        banner.setBounds (area.removeFromTop (62));
        area.removeFromTop (Theme::gap);
    }

    activity.setBounds (area.removeFromBottom (juce::jlimit (150, 240, getHeight() * 24 / 100)));
    area.removeFromBottom (Theme::gap);
    connection.setBounds (area.removeFromLeft (juce::jmin (380, area.getWidth() * 11 / 20)));
    area.removeFromLeft (Theme::gap);
    peers.setBounds (area);
    bridge.rememberSize (getWidth(), getHeight());
}
