#include "PeersPanel.h"

namespace
{
    juce::String duration (std::uint64_t since)
    {
        const auto now = midisock_now_ns();
        const auto seconds = (int) ((now > since ? now - since : 0) / 1000000000);
        const auto two = [] (int n) { return juce::String (n).paddedLeft ('0', 2); };
        const auto hours = seconds / 3600;
        return (hours > 0 ? juce::String (hours) + ":" : juce::String()) + two (seconds / 60 % 60) + ":" + two (seconds % 60);
    }
}

PeersPanel::PeersPanel()
{
    list.setRowHeight (42);
    list.setTitle ("Connected");
    addAndMakeVisible (list);
}

void PeersPanel::show (const midisock::plugin::status& status, bool isServer, bool connect)
{
    const auto listens = status.state == midisock::state::listening;
    const auto says = ! connect || (isServer && ! listens) ? "Nobody yet"
                    : isServer ? "Waiting for others to connect" : "Looking for the server";
    const auto now = midisock_now_ns() / 1000000000;
    const auto same = [] (const auto& a, const auto& b)
    {
        return a.id == b.id && a.since_ns == b.since_ns && a.congested == b.congested && a.name == b.name;
    };
    const auto unchanged = std::equal (peers.begin(), peers.end(), status.peers.begin(), status.peers.end(), same);

    if (unchanged && nobody == says && (peers.empty() || second == now))
        return;

    second = now;
    nobody = says;
    peers = status.peers;

    if (! unchanged)
        list.updateContent();

    list.setVisible (! peers.empty());
    repaint();
}

void PeersPanel::paint (juce::Graphics& g)
{
    Theme::drawPanel (g, getLocalBounds());
    const auto top = getLocalBounds().reduced (14, 0).withHeight (36);
    Theme::drawHeading (g, top, "Connected");

    if (! peers.empty())
    {
        g.setColour (Theme::dim);
        g.setFont (Theme::font (13.0f, true));
        g.drawText (juce::String (peers.size()), top, juce::Justification::centredRight);
        return;
    }

    g.setColour (Theme::faint);
    g.setFont (Theme::font (14.0f));
    g.drawText (nobody, getLocalBounds().withTrimmedTop (20), juce::Justification::centred);
}

void PeersPanel::paintListBoxItem (int row, juce::Graphics& g, int width, int height, bool selected)
{
    if (! juce::isPositiveAndBelow (row, (int) peers.size()))
        return;

    const auto& peer = peers[(size_t) row];
    auto area = juce::Rectangle<int> (width, height).reduced (0, 3);
    g.setColour (selected && list.hasKeyboardFocus (true) ? Theme::raised.brighter (0.12f) : Theme::raised.withAlpha (0.55f));
    g.fillRoundedRectangle (area.toFloat(), Theme::smallCorner);

    const auto lamp = area.removeFromLeft (30).toFloat().withSizeKeepingCentre (8.0f, 8.0f);
    g.setColour (peer.congested ? Theme::waiting : Theme::good);
    g.fillEllipse (lamp);

    g.setFont (Theme::font (13.0f));
    g.setColour (Theme::dim);
    g.drawText (peer.congested ? "too slow" : duration (peer.since_ns), area.removeFromRight (70).withTrimmedRight (12),
                juce::Justification::centredRight);
    g.setColour (Theme::text);
    g.setFont (Theme::font (14.0f));

    if (peer.name.isNotEmpty())
    {
        area.reduce (0, 2);
        g.drawText (peer.name, area.removeFromTop (area.getHeight() / 2), juce::Justification::centredLeft);
        g.setColour (Theme::dim);
        g.setFont (Theme::font (12.0f));
    }

    g.drawText (peer.address, area, juce::Justification::centredLeft);
}

juce::String PeersPanel::getNameForRow (int row)
{
    if (! juce::isPositiveAndBelow (row, (int) peers.size()))
        return {};

    const auto& peer = peers[(size_t) row];
    return peer.name.isNotEmpty() ? peer.name + ", " + peer.address : peer.address;
}

void PeersPanel::resized()
{
    list.setBounds (getLocalBounds().reduced (12, 0).withTrimmedTop (36).withTrimmedBottom (10));
}
