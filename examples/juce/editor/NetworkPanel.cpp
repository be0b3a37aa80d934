#include "NetworkPanel.h"

namespace
{
    constexpr int hintHeight = 34;
}

NetworkPanel::NetworkPanel()
{
    setFocusContainerType (FocusContainerType::focusContainer);
    setTitle ("Servers on the network");
    setDescription ("Choose a server, then switch on.");
    list.setRowHeight (42);
    list.setTitle ("On the network");
    addAndMakeVisible (list);
    addAndMakeVisible (closeButton);
    closeButton.setTooltip ("Back to the connection (Escape)");
    closeButton.onClick = [this] { if (onClose != nullptr) onClose(); };
}

void NetworkPanel::visibilityChanged()
{
    if (! isVisible())
    {
        stopTimer();
        network.stop();
        return;
    }

    const auto started = network.start();
    nothing = started ? "Looking for servers..." : juce::String (started.message());
    show (network.servers());
    startTimerHz (4);

    if (isShowing())
        list.grabKeyboardFocus();
}

void NetworkPanel::timerCallback()
{
    if (network.poll())
        show (network.servers());
}

void NetworkPanel::show (const std::vector<Server>& found)
{
    const auto row = list.getSelectedRow();
    const auto selected = juce::isPositiveAndBelow (row, (int) servers.size()) ? servers[(size_t) row].name : juce::String();
    servers = found;
    list.updateContent();
    list.deselectAllRows();

    for (int next = 0; next < getNumRows(); ++next)
        if (servers[(size_t) next].name == selected)
            list.selectRow (next);

    if (list.getNumSelectedRows() == 0 && ! servers.empty())
        list.selectRow (0);

    repaint();
}

void NetworkPanel::choose (int row)
{
    if (! juce::isPositiveAndBelow (row, (int) servers.size()))
        return;

    const auto server = servers[(size_t) row]; // the list may go meanwhile

    if (onChoose != nullptr)
        onChoose (server);
}

bool NetworkPanel::keyPressed (const juce::KeyPress& key)
{
    if (key != juce::KeyPress (juce::KeyPress::escapeKey) || onClose == nullptr)
        return false;

    onClose();
    return true;
}

void NetworkPanel::paint (juce::Graphics& g)
{
    Theme::drawPanel (g, getLocalBounds());
    Theme::drawHeading (g, getLocalBounds().reduced (14, 0).withHeight (36), "On the network");

    g.setColour (Theme::dim);
    g.setFont (Theme::font (13.0f));
    g.drawText ("Choose a server, then switch on.", getLocalBounds().reduced (14, 0).removeFromBottom (hintHeight),
                juce::Justification::centredLeft);

    if (! servers.empty())
        return;

    g.setColour (Theme::faint);
    g.setFont (Theme::font (14.0f));
    g.drawText (nothing, list.getBounds(), juce::Justification::centred);
}

void NetworkPanel::paintListBoxItem (int row, juce::Graphics& g, int width, int height, bool selected)
{
    if (! juce::isPositiveAndBelow (row, (int) servers.size()))
        return;

    const auto& server = servers[(size_t) row];
    auto area = juce::Rectangle<int> (width, height).reduced (0, 3);
    g.setColour (selected && list.hasKeyboardFocus (true) ? Theme::raised.brighter (0.12f) : Theme::raised.withAlpha (0.55f));
    g.fillRoundedRectangle (area.toFloat(), Theme::smallCorner);
    area.reduce (10, 2);
    g.setColour (Theme::text);
    g.setFont (Theme::font (14.0f));
    g.drawText (server.name, area.removeFromTop (area.getHeight() / 2), juce::Justification::centredLeft);
    g.setColour (Theme::dim);
    g.setFont (Theme::font (12.0f));
    g.drawText (server.address + ", port " + juce::String (server.port), area, juce::Justification::centredLeft);
}

juce::String NetworkPanel::getNameForRow (int row)
{
    if (! juce::isPositiveAndBelow (row, (int) servers.size()))
        return {};

    const auto& server = servers[(size_t) row];
    return server.name + ", " + server.address + ", port " + juce::String (server.port);
}

void NetworkPanel::resized()
{
    auto area = getLocalBounds().reduced (12, 0);
    closeButton.setBounds (area.removeFromTop (36).reduced (0, 5).removeFromRight (70));
    list.setBounds (area.withTrimmedBottom (hintHeight));
}
