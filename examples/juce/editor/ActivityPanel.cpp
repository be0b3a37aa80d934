#include "ActivityPanel.h"

namespace
{
    constexpr int nameWidth = 34;

    juce::String grouped (std::uint64_t n)
    {
        auto digits = juce::String ((juce::int64) n);

        for (int i = digits.length() - 3; i > 0; i -= 3)
            digits = digits.substring (0, i) + juce::String (juce::CharPointer_UTF8 ("\xe2\x80\x89")) + digits.substring (i);

        return digits;
    }
}

bool ActivityPanel::Lamps::take (std::uint32_t bits)
{
    auto changed = false;

    for (int i = 0; i < columns; ++i)
    {
        auto& level = levels[(size_t) i];
        const auto next = (bits >> i & 1) != 0 ? 1.0f : level < 0.05f ? 0.0f : level * 0.82f;
        changed = changed || next != level;
        level = next;
    }

    return changed;
}

ActivityPanel::ActivityPanel()
{
    setTitle ("Activity");
    panicButton.setColour (juce::TextButton::buttonColourId, Theme::bad.withAlpha (0.16f));
    panicButton.setColour (juce::TextButton::textColourOffId, Theme::bad);
    panicButton.setTooltip ("All sound off, here and at the other end (Ctrl+.)");
    panicButton.onClick = [this] { if (onPanic != nullptr) onPanic(); };
    addAndMakeVisible (panicButton);
}

void ActivityPanel::show (const midisock::plugin::status& status, bool connect, std::uint32_t channels)
{
    if (std::exchange (chosen, channels) != channels)
        repaint (lampArea);

    // Not short of the circuit: both rows have to move on.
    const auto lampsIn = in.take (status.activity_in), lampsOut = out.take (status.activity_out);

    if (lampsIn || lampsOut)
        repaint (lampArea);

    auto next = count (status, connect);
    const auto same = [] (const Counter& a, const Counter& b) { return a.name == b.name && a.value == b.value; };

    if (! std::equal (next.begin(), next.end(), counters.begin(), counters.end(), same))
    {
        counters = std::move (next);
        setDescription (inWords());
        repaint (counterArea);
    }
}

std::vector<ActivityPanel::Counter> ActivityPanel::count (const midisock::plugin::status& status, bool connect) const
{
    const auto& c = status.counters;
    const auto lost = c.dropped_in + c.dropped_out + c.invalid_bytes + c.oversize_in;
    const auto latency = connect ? juce::String ((double) c.latency_ns / 1e6, 1) + " ms" : juce::String ("-");
    return { { "received", grouped (c.messages_in), Theme::incoming },
             { "sent", grouped (c.messages_out), Theme::outgoing },
             { "not delivered", grouped (lost), lost > 0 ? Theme::waiting : Theme::text },
             { "turned away", grouped (c.rejected), c.rejected > 0 ? Theme::waiting : Theme::text },
             { "latency", latency, Theme::text } };
}

/* For who does not see them. */
juce::String ActivityPanel::inWords() const
{
    juce::StringArray words;

    for (const auto& counter : counters)
        words.add (counter.name + " " + counter.value);

    return words.joinIntoString (", ");
}

void ActivityPanel::paint (juce::Graphics& g)
{
    Theme::drawPanel (g, getLocalBounds());
    Theme::drawHeading (g, getLocalBounds().reduced (14, 0).withHeight (36), "Activity");

    auto area = lampArea;
    auto numbers = area.removeFromTop (16).withTrimmedLeft (nameWidth);
    g.setFont (Theme::font (11.0f));

    for (int i = 0; i < columns; ++i)
    {
        g.setColour ((chosen >> i & 1) != 0 ? Theme::dim : Theme::faint.withAlpha (0.6f));
        g.drawText (i < 16 ? juce::String (i + 1) : "sys", numbers.removeFromLeft (numbers.getWidth() / (columns - i)),
                    juce::Justification::centred);
    }

    area.removeFromTop (3);
    const auto height = (area.getHeight() - 5) / 2;
    paintLamps (g, area.removeFromTop (height), "IN", Theme::incoming, in);
    area.removeFromTop (5);
    paintLamps (g, area.removeFromTop (height), "OUT", Theme::outgoing, out);
    paintCounters (g, counterArea);
}

void ActivityPanel::paintLamps (juce::Graphics& g, juce::Rectangle<int> area, const juce::String& name, juce::Colour colour,
                                const Lamps& lamps) const
{
    g.setColour (colour);
    g.setFont (Theme::font (11.0f, true));
    g.drawText (name, area.removeFromLeft (nameWidth), juce::Justification::centredLeft);

    for (int i = 0; i < columns; ++i)
    {
        const auto cell = area.removeFromLeft (area.getWidth() / (columns - i)).toFloat().reduced (2.0f, 0.0f);
        const auto level = lamps.levels[(size_t) i];
        g.setColour (Theme::raised.interpolatedWith (colour, level));

        if ((chosen >> i & 1) != 0 || level > 0.0f)
            g.fillRoundedRectangle (cell, 3.0f);
        else
            g.drawRoundedRectangle (cell.reduced (0.5f), 3.0f, 1.0f);
    }
}

void ActivityPanel::paintCounters (juce::Graphics& g, juce::Rectangle<int> area) const
{
    const auto width = area.getWidth() / juce::jmax (1, (int) counters.size());

    for (const auto& counter : counters)
    {
        auto cell = area.removeFromLeft (width);
        g.setColour (counter.colour);
        g.setFont (Theme::font (17.0f, true));
        g.drawText (counter.value, cell.removeFromTop (20), juce::Justification::centredLeft);
        g.setColour (Theme::faint);
        g.setFont (Theme::font (12.0f));
        g.drawText (counter.name, cell.removeFromTop (15), juce::Justification::centredLeft);
    }
}

void ActivityPanel::resized()
{
    auto area = getLocalBounds().reduced (14, 0).withTrimmedTop (34).withTrimmedBottom (12);
    auto bottom = area.removeFromBottom (38);
    panicButton.setBounds (bottom.removeFromRight (96).withSizeKeepingCentre (96, 34));
    counterArea = bottom.withTrimmedRight (10);
    area.removeFromBottom (10);
    lampArea = area;
}
