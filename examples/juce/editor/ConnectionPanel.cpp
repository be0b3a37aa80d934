#include "ConnectionPanel.h"
#include "ChannelsText.h"

namespace
{
    enum ListenOn { thisComputer = 1, everyNetwork };

    constexpr int allChannels = 1; // the first in the list of channels

    constexpr int latencies[] = { -1, 0, 2, 5, 10, 20, 50, 100 };

    juce::String latencyText (int ms)
    {
        return ms < 0 ? "Automatic" : ms == 0 ? "As soon as possible" : juce::String (ms) + " ms";
    }

    constexpr int labelWidth = 82;

    constexpr auto serverHelp = "Others connect to this plugin";
    constexpr auto clientHelp = "This plugin connects to another program";
}

ConnectionPanel::ConnectionPanel()
{
    setFocusContainerType (FocusContainerType::focusContainer);

    for (auto* button : { &serverButton, &clientButton })
    {
        button->setClickingTogglesState (true);
        button->setRadioGroupId (1);
        addAndMakeVisible (*button);
    }

    serverButton.setConnectedEdges (juce::Button::ConnectedOnRight);
    clientButton.setConnectedEdges (juce::Button::ConnectedOnLeft);
    serverButton.setTooltip (serverHelp);
    clientButton.setTooltip (clientHelp);
    serverButton.onClick = [this] { if (serverButton.getToggleState()) choose (BridgeSettings::Role::server); };
    clientButton.onClick = [this] { if (clientButton.getToggleState()) choose (BridgeSettings::Role::client); };

    add (name, "Name", nameField);
    add (host, "Listen on", listenBox);
    addAndMakeVisible (hostField);
    add (port, "Port", portField);
    add (allow, "Allow", allowField);
    add (channels, "Channels", channelBox);
    add (latency, "Latency", latencyBox);
    makeLists();
    makeFields();
    makeSwitches();
    makeNetwork();
    showTrack ({});
    showRole();
}

void ConnectionPanel::makeLists()
{
    listenBox.setTitle ("Listen on");
    listenBox.setEditableText (true);
    listenBox.addItem ("This computer only", thisComputer);
    listenBox.addItem ("Every network", everyNetwork);
    listenBox.setTooltip ("From where others may reach this plugin; an address of this computer may be typed in");

    channelBox.setTitle ("Channels");
    channelBox.setEditableText (true);
    channelBox.addItem (channelsText (MIDISOCK_ALL_CHANNELS), allChannels);
    channelBox.addSeparator();

    for (int channel = 0; channel < 16; ++channel)
        channelBox.addItem (channelsText (1u << channel), allChannels + 1 + channel);

    channelBox.setTooltip ("The channels that pass, in and out. A list may be typed in, such as 1-4, 10, system; system stands "
                           "for clock, start, stop and SysEx");

    latencyBox.setTitle ("Latency");
    latencyBox.setTooltip ("From the arrival of a message to its sound. Automatic is the least that keeps the rhythm");

    for (const auto ms : latencies)
        latencyBox.addItem (latencyText (ms), ms + 2);

    for (auto* box : { &listenBox, &channelBox, &latencyBox })
        box->onChange = [this] { changed(); };
}

void ConnectionPanel::makeFields()
{
    nameField.setTooltip ("What others see. Empty: the name of the track, where the host tells it");
    hostField.setTooltip ("Name or address of the server");
    portField.setInputRestrictions (5, "0123456789");
    portField.setTooltip ("1 to 65535. Instances of this plugin in one host may have the same");
    allowField.setTextToShowWhenEmpty ("anyone who reaches it", Theme::faint);
    allowField.setTooltip ("Addresses and ranges that may connect, such as 192.168.1.0/24, ::1");

    for (auto* field : { &nameField, &hostField, &portField, &allowField })
    {
        field->onReturnKey = field->onFocusLost = [this] { changed(); };
        field->onEscapeKey = [this] { show (settings); };
    }
}

void ConnectionPanel::makeSwitches()
{
    for (auto* button : { &senderTimeSwitch, &thruSwitch, &monitorSwitch, &foundSwitch })
    {
        addAndMakeVisible (*button);
        button->onClick = [this] { changed(); };
    }

    senderTimeSwitch.setTooltip ("Asks the server when each message was meant, so that the network does not change the rhythm");
    thruSwitch.setTooltip ("What the host sends to this plugin also comes out of it");
    monitorSwitch.setTooltip ("To hear that something comes in without an instrument");
    foundSwitch.setTooltip ("Others on the network find this plugin by its name, and need not type its address");
}

void ConnectionPanel::makeNetwork()
{
    addAndMakeVisible (networkButton);
    networkButton.setTooltip ("Lists the servers on the network, to choose one");
    networkButton.onClick = [this] { openNetwork (true); };
    addChildComponent (network);
    network.onClose = [this] { openNetwork (false); };
    network.onChoose = [this] (const NetworkPanel::Server& server) { take (server); };
}

void ConnectionPanel::openNetwork (bool open)
{
    network.setVisible (open);

    if (! open && isShowing())
        networkButton.grabKeyboardFocus();
}

void ConnectionPanel::take (const NetworkPanel::Server& server)
{
    openNetwork (false);
    settings.connect = settings.connect && settings.role == BridgeSettings::Role::client;
    settings.role = BridgeSettings::Role::client;
    settings.client = server.chosen (settings.client);
    show (settings);

    if (onChange != nullptr)
        onChange (settings);
}

void ConnectionPanel::add (Row& row, const juce::String& name, juce::Component& control)
{
    row.control = &control;
    row.label.setText (name, juce::dontSendNotification);
    row.label.setBorderSize ({ 0, 0, 0, 0 });
    addAndMakeVisible (row.label);
    addAndMakeVisible (control);
}

void ConnectionPanel::show (const BridgeSettings& wanted)
{
    const juce::ScopedValueSetter<bool> quietly (showing, true);
    settings = wanted;
    const auto& link = settings.chosen();
    const auto isServer = settings.role == BridgeSettings::Role::server;
    (isServer ? serverButton : clientButton).setToggleState (true, juce::dontSendNotification);
    showListenOn (settings.server.host);
    nameField.setText (settings.name, false);
    hostField.setText (settings.client.host, false);
    portField.setText (juce::String (link.port), false);
    allowField.setText (settings.server.allow, false);
    thruSwitch.setToggleState (settings.thru, juce::dontSendNotification);
    monitorSwitch.setToggleState (settings.monitor, juce::dontSendNotification);
    foundSwitch.setToggleState (settings.server.advertise, juce::dontSendNotification);
    senderTimeSwitch.setToggleState (settings.client.sender_time, juce::dontSendNotification);

    if (latencyBox.indexOfItemId (link.latency_ms + 2) < 0)
        latencyBox.addItem (latencyText (link.latency_ms), link.latency_ms + 2);

    latencyBox.setSelectedId (link.latency_ms + 2, juce::dontSendNotification);
    channelBox.setText (channelsText (settings.channels), juce::dontSendNotification);
    hostField.setWrong (false);
    portField.setWrong (false);
    Theme::setWrong (channelBox, false);
    showRole();
}

void ConnectionPanel::showTrack (const juce::String& track)
{
    const auto shown = track.isNotEmpty() ? track : juce::String ("the track's, if the host tells it");

    if (nameField.getTextToShowWhenEmpty() == shown)
        return;

    nameField.setTextToShowWhenEmpty (shown, Theme::faint);
    nameField.setDescription ("Empty: " + shown);
    nameField.repaint();
}

void ConnectionPanel::showRole()
{
    const auto isServer = settings.role == BridgeSettings::Role::server;
    host.label.setText (isServer ? "Listen on" : "Connect to", juce::dontSendNotification);
    listenBox.setVisible (isServer);
    hostField.setVisible (! isServer);
    allow.label.setVisible (isServer);
    allowField.setVisible (isServer);
    foundSwitch.setVisible (isServer);
    senderTimeSwitch.setVisible (! isServer);
    resized();
    repaint();
}

void ConnectionPanel::showListenOn (const juce::String& name)
{
    const auto trimmed = name.trim();

    if (trimmed == "localhost")
        listenBox.setSelectedId (thisComputer, juce::dontSendNotification);
    else if (trimmed.isEmpty())
        listenBox.setSelectedId (everyNetwork, juce::dontSendNotification);
    else
        listenBox.setText (trimmed, juce::dontSendNotification);
}

juce::String ConnectionPanel::listenOn() const
{
    const auto id = listenBox.getSelectedId();
    return id == thisComputer ? "localhost" : id == everyNetwork ? "" : listenBox.getText().trim();
}

void ConnectionPanel::choose (BridgeSettings::Role role)
{
    if (showing || role == settings.role)
        return;

    settings.role = role;
    settings.connect = false; // the other address is to be looked at first
    show (settings);

    if (onChange != nullptr)
        onChange (settings);
}

bool ConnectionPanel::takePort()
{
    const auto number = portField.getText().getIntValue();
    portField.setWrong (number < 1 || number > 65535);

    if (! portField.isWrong)
        settings.chosen().port = number;

    return ! portField.isWrong;
}

bool ConnectionPanel::takeChannels()
{
    const auto read = channelsFromText (channelBox.getText());
    Theme::setWrong (channelBox, ! read.has_value());

    if (read.has_value())
        settings.channels = *read;

    return read.has_value();
}

void ConnectionPanel::changed()
{
    if (showing)
        return;

    const auto isServer = settings.role == BridgeSettings::Role::server;
    hostField.setWrong (! isServer && hostField.getText().trim().isEmpty());

    if (! takePort() || ! takeChannels() || hostField.isWrong)
        return;

    settings.name = BridgeSettings::Link::valid_name (nameField.getText().trim());
    settings.server.host = listenOn();
    settings.server.allow = allowField.getText().trim();
    settings.client.host = hostField.getText().trim();
    settings.chosen().latency_ms = juce::jmax (-1, latencyBox.getSelectedId() - 2);
    settings.thru = thruSwitch.getToggleState();
    settings.monitor = monitorSwitch.getToggleState();
    settings.server.advertise = foundSwitch.getToggleState();
    settings.client.sender_time = senderTimeSwitch.getToggleState();

    if (onChange != nullptr)
        onChange (settings);
}

void ConnectionPanel::paint (juce::Graphics& g)
{
    Theme::drawPanel (g, getLocalBounds());
    Theme::drawHeading (g, getLocalBounds().reduced (14, 0).withHeight (36), "Connection");
}

void ConnectionPanel::resized()
{
    network.setBounds (getLocalBounds());
    networkButton.setBounds (getLocalBounds().reduced (14, 5).removeFromTop (26).removeFromRight (124));
    auto area = getLocalBounds().reduced (14, 0).withTrimmedTop (36).withTrimmedBottom (12);
    const auto rows = 8;
    const auto spacing = juce::jlimit (2, 12, (area.getHeight() - rows * Theme::rowHeight) / (rows - 1));
    const auto next = [&] { auto row = area.removeFromTop (Theme::rowHeight); area.removeFromTop (spacing); return row; };

    auto roles = next();
    serverButton.setBounds (roles.removeFromLeft (roles.getWidth() / 2));
    clientButton.setBounds (roles);

    for (auto* row : { &name, &host, &port, &allow, &channels, &latency })
    {
        if (row == &allow && ! allowField.isVisible())
            continue;

        auto line = next();
        row->label.setBounds (line.removeFromLeft (labelWidth));
        row->control->setBounds (row == &port ? line.withWidth (juce::jmin (70, line.getWidth())) : line);

        if (row == &port)
            foundSwitch.setBounds (line.withTrimmedLeft (juce::jmin (76, line.getWidth())));
    }

    hostField.setBounds (listenBox.getBounds());

    if (senderTimeSwitch.isVisible()) // where a server has Allow, one row lower
    {
        auto line = next();
        line.removeFromLeft (line.getWidth() >= labelWidth + 170 ? labelWidth : 0);
        senderTimeSwitch.setBounds (line);
    }

    // Below the fields, or, where that is too narrow for their texts, as wide as the panel.
    auto switches = next();

    if (switches.getWidth() >= labelWidth + 250)
        switches.removeFromLeft (labelWidth);

    thruSwitch.setBounds (switches.removeFromLeft (switches.getWidth() * 46 / 100));
    monitorSwitch.setBounds (switches);
}
