#include "Header.h"

namespace
{
    /** A DIN socket, seen from the front. */
    void drawLogo (juce::Graphics& g, juce::Rectangle<float> area, juce::Colour colour)
    {
        const auto centre = area.getCentre();
        const auto radius = area.getWidth() / 2.0f - 1.5f;
        g.setColour (Theme::text);
        g.drawEllipse (area.reduced (1.5f), 2.2f);
        g.fillRoundedRectangle (juce::Rectangle<float> (radius * 0.5f, radius * 0.3f)
                                    .withCentre (centre.translated (0.0f, radius * 0.86f)), 1.0f);

        for (int pin = 0; pin < 5; ++pin)
        {
            const auto angle = juce::MathConstants<float>::halfPi * 0.5f * (float) (pin - 2);
            const auto at = centre.getPointOnCircumference (radius * 0.56f, angle);
            g.setColour (pin == 2 ? colour : Theme::text);
            g.fillEllipse (juce::Rectangle<float> (radius * 0.3f, radius * 0.3f).withCentre (at));
        }
    }
}

Header::Power::Power() : Button ("Connect")
{
    setClickingTogglesState (true);
    setTitle ("Connect");
    setTooltip ("Connect or disconnect (Ctrl+Return)");
    setWantsKeyboardFocus (true);
}

void Header::Power::paintButton (juce::Graphics& g, bool over, bool down)
{
    const auto area = getLocalBounds().toFloat().reduced (3.0f);
    const auto on = getToggleState();
    const auto radius = area.getHeight() / 2.0f;

    g.setColour (on ? colour.withAlpha (down ? 0.45f : over ? 0.40f : 0.30f) : Theme::raised.brighter (over ? 0.1f : 0.0f));
    g.fillRoundedRectangle (area, radius);
    g.setColour (on ? colour : Theme::line.brighter (0.25f));
    g.drawRoundedRectangle (area.reduced (0.75f), radius, 1.5f);

    auto inner = area.reduced (5.0f);
    const auto knob = on ? inner.removeFromRight (inner.getHeight()) : inner.removeFromLeft (inner.getHeight());
    g.setColour (on ? colour : Theme::dim);
    g.fillEllipse (knob);

    // The sign for power, cut out of the knob.
    const auto c = knob.getCentre();
    const auto r = knob.getWidth() * 0.24f;
    juce::Path sign;
    sign.addCentredArc (c.x, c.y + 0.5f, r, r, 0.0f, 0.6f, juce::MathConstants<float>::twoPi - 0.6f, true);
    sign.startNewSubPath (c.x, c.y - r - 1.5f);
    sign.lineTo (c.x, c.y - 0.5f);
    g.setColour (Theme::background);
    g.strokePath (sign, juce::PathStrokeType (1.8f, juce::PathStrokeType::curved, juce::PathStrokeType::rounded));

    g.setColour (on ? Theme::text : Theme::dim);
    g.setFont (Theme::font (13.0f, true));
    g.drawText (on ? "ON" : "OFF", inner, juce::Justification::centred);

    if (hasKeyboardFocus (true))
        Theme::drawFocus (g, getLocalBounds().toFloat(), radius + 3.0f);
}

Header::Header()
{
    addAndMakeVisible (power);
    power.onClick = [this] { if (onSwitch != nullptr) onSwitch (power.getToggleState()); };
}

void Header::show (const StatusText& status, bool connect)
{
    power.setToggleState (connect, juce::dontSendNotification);

    if (headline == status.headline && detail == status.detail && colour == status.colour())
        return;

    if (headline != status.headline && headline.isNotEmpty())
        juce::AccessibilityHandler::postAnnouncement (status.headline,
                                                      juce::AccessibilityHandler::AnnouncementPriority::medium);

    headline = status.headline;
    detail = status.detail;
    colour = status.colour();
    power.colour = colour;
    power.setDescription (headline + ", " + detail);
    repaint();
}

void Header::paint (juce::Graphics& g)
{
    auto area = getLocalBounds();
    auto name = area.removeFromLeft (150);
    drawLogo (g, name.removeFromLeft (38).toFloat().withSizeKeepingCentre (34.0f, 34.0f), colour);
    name.removeFromLeft (10);
    const auto lines = name.withSizeKeepingCentre (name.getWidth(), 38);
    g.setColour (Theme::text);
    g.setFont (Theme::font (20.0f, true));
    g.drawText ("midisock", lines.withHeight (22), juce::Justification::centredLeft);
    g.setColour (Theme::dim);
    g.setFont (Theme::font (13.0f).withExtraKerningFactor (0.05f));
    g.drawText ("Bridge", lines.withTrimmedTop (22), juce::Justification::centredLeft);

    area.removeFromRight (power.getWidth() + 14);
    auto said = area.withSizeKeepingCentre (area.getWidth(), 40);
    const auto lamp = said.removeFromRight (18).toFloat().withSizeKeepingCentre (10.0f, 10.0f);
    g.setGradientFill ({ colour.withAlpha (0.45f), lamp.getCentre(), colour.withAlpha (0.0f),
                         lamp.getCentre().translated (11.0f, 0.0f), true });
    g.fillEllipse (lamp.expanded (6.0f));
    g.setColour (colour);
    g.fillEllipse (lamp);
    said.removeFromRight (8);
    g.setColour (Theme::text);
    g.setFont (Theme::font (16.0f, true));
    g.drawText (headline, said.removeFromTop (21), juce::Justification::centredRight);
    g.setColour (Theme::dim);
    g.setFont (Theme::font (13.0f));
    g.drawFittedText (detail, said, juce::Justification::centredRight, 1, 0.8f);
}

void Header::resized()
{
    power.setBounds (getLocalBounds().removeFromRight (84).withSizeKeepingCentre (84, 40));
}

NowLine::NowLine()
{
    setTitle ("Now");
}

void NowLine::show (const juce::String& next)
{
    if (text == next)
        return;

    text = next;
    setDescription (text);
    setTooltip (text); // where it is too long for a narrow window
    repaint();
}

void NowLine::paint (juce::Graphics& g)
{
    g.setColour (Theme::text);
    g.setFont (Theme::font (13.5f));
    g.drawFittedText (text, getLocalBounds(), juce::Justification::centredLeft, 1, 0.8f);
}

std::unique_ptr<juce::AccessibilityHandler> NowLine::createAccessibilityHandler()
{
    return std::make_unique<juce::AccessibilityHandler> (*this, juce::AccessibilityRole::staticText);
}

Banner::Banner()
{
    addAndMakeVisible (retry);
    retry.setTooltip ("Do not wait for the next attempt");
    retry.onClick = [this] { if (onRetry != nullptr) onRetry(); };
    setAccessible (true);
}

bool Banner::show (const StatusText& status)
{
    const auto next = status.tone == StatusText::Tone::bad ? Theme::bad : Theme::waiting;

    if (problem != status.problem || colour != next)
    {
        problem = status.problem;
        colour = next;
        setTitle (problem);

        if (problem.isNotEmpty())
            juce::AccessibilityHandler::postAnnouncement (problem, juce::AccessibilityHandler::AnnouncementPriority::medium);

        retry.setVisible (status.tone == StatusText::Tone::bad);
        resized();
        repaint();
    }

    return problem.isNotEmpty();
}

void Banner::paint (juce::Graphics& g)
{
    auto area = getLocalBounds();
    g.setColour (colour.withAlpha (0.12f));
    g.fillRoundedRectangle (area.toFloat(), Theme::corner);
    g.setColour (colour.withAlpha (0.5f));
    g.drawRoundedRectangle (area.toFloat().reduced (0.5f), Theme::corner, 1.0f);

    const auto sign = area.removeFromLeft (40).toFloat().withSizeKeepingCentre (18.0f, 18.0f);
    g.setColour (colour);
    g.fillEllipse (sign);
    g.setColour (Theme::background);
    g.setFont (Theme::font (14.0f, true));
    g.drawText ("!", sign, juce::Justification::centred);

    g.setColour (Theme::text);
    g.setFont (Theme::font (13.5f));
    g.drawFittedText (problem, area.withTrimmedRight (retry.isVisible() ? retry.getWidth() + 16 : 12),
                      juce::Justification::centredLeft, 3, 0.9f);
}

void Banner::resized()
{
    retry.setBounds (getLocalBounds().removeFromRight (100).withSizeKeepingCentre (84, 32));
}

std::unique_ptr<juce::AccessibilityHandler> Banner::createAccessibilityHandler()
{
    return std::make_unique<juce::AccessibilityHandler> (*this, juce::AccessibilityRole::group);
}
