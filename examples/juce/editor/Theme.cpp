#include "Theme.h"

namespace
{
    /** The first of these that is installed: each system's own, or close to it. */
    const juce::String& typeface()
    {
        static const auto chosen = []
        {
            const auto installed = juce::Font::findAllTypefaceNames();

            for (const auto* name : { "Inter", "SF Pro Text", "Segoe UI", "Helvetica Neue", "Noto Sans", "Roboto",
                                      "Liberation Sans", "DejaVu Sans" })
                if (installed.contains (name))
                    return juce::String (name);

            return juce::Font::getDefaultSansSerifFontName();
        }();

        return chosen;
    }

    const juce::Identifier wrong { "wrong" };

    juce::Colour litBy (juce::Colour c, bool over, bool down)
    {
        return down ? c.darker (0.15f) : over ? c.brighter (0.12f) : c;
    }
}

Theme::Theme()
{
    setColour (juce::ResizableWindow::backgroundColourId, background);
    setColour (juce::DocumentWindow::textColourId, text);
    setColour (juce::TextEditor::textColourId, text);
    setColour (juce::TextEditor::highlightColourId, accent.withAlpha (0.4f));
    setColour (juce::TextEditor::highlightedTextColourId, text);
    setColour (juce::TextEditor::backgroundColourId, field);
    setColour (juce::TextEditor::outlineColourId, line);
    setColour (juce::TextEditor::focusedOutlineColourId, accent);
    setColour (juce::CaretComponent::caretColourId, accent);
    setColour (juce::Label::textColourId, dim);
    setColour (juce::Label::textWhenEditingColourId, text);
    setColour (juce::Label::outlineWhenEditingColourId, juce::Colours::transparentBlack);
    setColour (juce::ComboBox::textColourId, text);
    setColour (juce::PopupMenu::backgroundColourId, raised);
    setColour (juce::PopupMenu::textColourId, text);
    setColour (juce::PopupMenu::highlightedBackgroundColourId, accent);
    setColour (juce::PopupMenu::highlightedTextColourId, background);
    setColour (juce::TextButton::buttonColourId, raised);
    setColour (juce::TextButton::buttonOnColourId, accent);
    setColour (juce::TextButton::textColourOffId, text);
    setColour (juce::TextButton::textColourOnId, background);
    setColour (juce::ListBox::backgroundColourId, juce::Colours::transparentBlack);
    setColour (juce::ScrollBar::thumbColourId, line.brighter (0.3f));
    setColour (juce::TooltipWindow::backgroundColourId, raised);
    setColour (juce::TooltipWindow::textColourId, text);
    setColour (juce::TooltipWindow::outlineColourId, line);
}

juce::Font Theme::font (float height, bool strong)
{
    return { typeface(), height, strong ? juce::Font::bold : juce::Font::plain };
}

juce::Font Theme::heading()
{
    return font (11.0f, true).withExtraKerningFactor (0.12f);
}

void Theme::drawHeading (juce::Graphics& g, juce::Rectangle<int> area, const juce::String& name)
{
    g.setColour (faint);
    g.setFont (heading());
    g.drawText (name.toUpperCase(), area, juce::Justification::centredLeft);
}

void Theme::drawPanel (juce::Graphics& g, juce::Rectangle<int> area)
{
    const auto r = area.toFloat().reduced (0.5f);
    g.setColour (panel);
    g.fillRoundedRectangle (r, corner);
    g.setColour (line.withAlpha (0.6f));
    g.drawRoundedRectangle (r, corner, 1.0f);
}

void Theme::drawFocus (juce::Graphics& g, juce::Rectangle<float> area, float radius)
{
    g.setColour (accent);
    g.drawRoundedRectangle (area.reduced (1.0f), radius, 2.0f);
}

juce::Font Theme::getTextButtonFont (juce::TextButton&, int)
{
    return font (14.0f, true);
}

void Theme::drawButtonBackground (juce::Graphics& g, juce::Button& button, const juce::Colour& colour, bool over, bool down)
{
    const auto area = button.getLocalBounds().toFloat().reduced (1.0f);
    juce::Path shape;
    const auto left = ! button.isConnectedOnLeft(), right = ! button.isConnectedOnRight();
    shape.addRoundedRectangle (area.getX(), area.getY(), area.getWidth(), area.getHeight(), smallCorner, smallCorner,
                               left, right, left, right);
    g.setColour (litBy (colour, over, down).withMultipliedAlpha (button.isEnabled() ? 1.0f : 0.4f));
    g.fillPath (shape);
    g.setColour (button.hasKeyboardFocus (true) ? accent.brighter (0.4f) : line);
    g.strokePath (shape, juce::PathStrokeType (button.hasKeyboardFocus (true) ? 2.0f : 1.0f));
}

void Theme::drawButtonText (juce::Graphics& g, juce::TextButton& button, bool, bool)
{
    g.setFont (getTextButtonFont (button, button.getHeight()));
    g.setColour (button.findColour (button.getToggleState() ? juce::TextButton::textColourOnId
                                                            : juce::TextButton::textColourOffId)
                     .withMultipliedAlpha (button.isEnabled() ? 1.0f : 0.5f));
    g.drawText (button.getButtonText(), button.getLocalBounds().reduced (6, 0), juce::Justification::centred);
}

/* A switch, with its text to the right. */
void Theme::drawToggleButton (juce::Graphics& g, juce::ToggleButton& button, bool over, bool down)
{
    auto area = button.getLocalBounds().toFloat();
    const auto height = juce::jmin (20.0f, area.getHeight() - 4.0f);
    const auto track = area.removeFromLeft (height * 1.8f + 4.0f).withSizeKeepingCentre (height * 1.8f, height);
    const auto on = button.getToggleState();
    const auto fade = button.isEnabled() ? 1.0f : 0.4f;

    g.setColour (litBy (on ? accent : raised, over, down).withMultipliedAlpha (fade));
    g.fillRoundedRectangle (track, height / 2.0f);

    if (! on)
    {
        g.setColour (line.brighter (0.25f).withMultipliedAlpha (fade));
        g.drawRoundedRectangle (track.reduced (0.5f), height / 2.0f, 1.0f);
    }

    auto knob = track.reduced (3.0f);
    knob = on ? knob.removeFromRight (knob.getHeight()) : knob.removeFromLeft (knob.getHeight());
    g.setColour ((on ? juce::Colours::white : dim).withMultipliedAlpha (fade));
    g.fillEllipse (knob);

    if (button.hasKeyboardFocus (true))
        drawFocus (g, track.expanded (2.0f), height / 2.0f + 2.0f);

    g.setColour ((over ? text : dim).withMultipliedAlpha (fade));
    g.setFont (font (14.0f));
    g.drawText (button.getButtonText(), area.withTrimmedLeft (8.0f), juce::Justification::centredLeft);
}

void Theme::setWrong (juce::ComboBox& box, bool is)
{
    if (box.getProperties().contains (wrong) == is)
        return;

    if (is)
        box.getProperties().set (wrong, true);
    else
        box.getProperties().remove (wrong);

    box.repaint();
}

void Theme::drawComboBox (juce::Graphics& g, int width, int height, bool, int, int, int, int, juce::ComboBox& box)
{
    const auto area = juce::Rectangle<int> (width, height).toFloat();
    g.setColour (field);
    g.fillRoundedRectangle (area.reduced (0.5f), smallCorner);

    if (box.getProperties().contains (wrong))
    {
        g.setColour (bad);
        g.drawRoundedRectangle (area.reduced (1.0f), smallCorner, 2.0f);
    }
    else if (box.hasKeyboardFocus (true))
        drawFocus (g, area, smallCorner);
    else
    {
        g.setColour (line);
        g.drawRoundedRectangle (area.reduced (0.5f), smallCorner, 1.0f);
    }

    juce::Path arrow;
    const auto centre = juce::Point<float> (area.getRight() - 15.0f, area.getCentreY());
    arrow.startNewSubPath (centre.translated (-4.0f, -2.0f));
    arrow.lineTo (centre.translated (0.0f, 2.0f));
    arrow.lineTo (centre.translated (4.0f, -2.0f));
    g.setColour (dim);
    g.strokePath (arrow, juce::PathStrokeType (1.6f, juce::PathStrokeType::curved, juce::PathStrokeType::rounded));
}

namespace
{
    /** The text in a combo box. While it is typed in, the down key still opens the list. */
    struct ListText final : juce::Label,
                            private juce::KeyListener
    {
        juce::TextEditor* createEditorComponent() override
        {
            auto* editor = Label::createEditorComponent();
            editor->addKeyListener (this);
            return editor;
        }

        bool keyPressed (const juce::KeyPress& key, juce::Component*) override
        {
            auto* box = findParentComponentOfClass<juce::ComboBox>();

            if (key.getKeyCode() != juce::KeyPress::downKey || box == nullptr)
                return false;

            hideEditor (true);
            box->showPopup();
            return true;
        }

        using Label::keyPressed;
    };
}

juce::Label* Theme::createComboBoxTextBox (juce::ComboBox&)
{
    return new ListText();
}

void Theme::positionComboBoxText (juce::ComboBox& box, juce::Label& label)
{
    label.setBounds (box.getLocalBounds().reduced (5, 4).withTrimmedRight (20));
    label.setFont (getComboBoxFont (box));
}

void Theme::fillTextEditorBackground (juce::Graphics& g, int width, int height, juce::TextEditor& editor)
{
    if (dynamic_cast<juce::Label*> (editor.getParentComponent()) != nullptr)
        return; // inside a combo box, which has drawn its own

    g.setColour (field);
    g.fillRoundedRectangle (juce::Rectangle<int> (width, height).toFloat().reduced (0.5f), smallCorner);
}

void Theme::drawTextEditorOutline (juce::Graphics& g, int width, int height, juce::TextEditor& editor)
{
    if (dynamic_cast<juce::Label*> (editor.getParentComponent()) != nullptr)
        return;

    const auto area = juce::Rectangle<int> (width, height).toFloat();
    const auto* field_ = dynamic_cast<Field*> (&editor);

    if (field_ != nullptr && field_->isWrong)
    {
        g.setColour (bad);
        g.drawRoundedRectangle (area.reduced (1.0f), smallCorner, 2.0f);
    }
    else if (editor.hasKeyboardFocus (true))
        drawFocus (g, area, smallCorner);
    else
    {
        g.setColour (line);
        g.drawRoundedRectangle (area.reduced (0.5f), smallCorner, 1.0f);
    }
}

void Theme::drawPopupMenuBackground (juce::Graphics& g, int width, int height)
{
    g.fillAll (raised);
    g.setColour (line.brighter (0.2f));
    g.drawRect (0, 0, width, height);
}

namespace
{
    juce::TextLayout layOut (const juce::String& tip)
    {
        juce::AttributedString text;
        text.setJustification (juce::Justification::centredLeft);
        text.append (tip, Theme::font (13.0f), Theme::text);
        juce::TextLayout layout;
        layout.createLayoutWithBalancedLineLengths (text, 260.0f);
        return layout;
    }
}

juce::Rectangle<int> Theme::getTooltipBounds (const juce::String& tip, juce::Point<int> at, juce::Rectangle<int> within)
{
    const auto layout = layOut (tip);
    const auto width = (int) std::ceil (layout.getWidth()) + 20, height = (int) std::ceil (layout.getHeight()) + 14;
    return juce::Rectangle<int> (at.x > within.getCentreX() ? at.x - width - 8 : at.x + 16,
                                 at.y > within.getCentreY() ? at.y - height - 8 : at.y + 16, width, height)
        .constrainedWithin (within);
}

void Theme::drawTooltip (juce::Graphics& g, const juce::String& tip, int width, int height)
{
    const auto area = juce::Rectangle<int> (width, height).toFloat();
    g.fillAll (raised);
    g.setColour (line.brighter (0.2f));
    g.drawRect (area);
    layOut (tip).draw (g, area.reduced (10.0f, 7.0f));
}

void Theme::drawDocumentWindowTitleBar (juce::DocumentWindow& window, juce::Graphics& g, int width, int height, int, int,
                                        const juce::Image*, bool)
{
    g.fillAll (background);
    g.setColour (window.isActiveWindow() ? dim : faint);
    g.setFont (font (13.0f, true));
    g.drawText (window.getName(), 0, 0, width, height, juce::Justification::centred);
}

void Theme::drawResizableWindowBorder (juce::Graphics& g, int width, int height, const juce::BorderSize<int>& border,
                                       juce::ResizableWindow&)
{
    g.setColour (background);
    const juce::Rectangle<int> whole (width, height);
    juce::RectangleList<int> frame (whole);
    frame.subtract (border.subtractedFrom (whole));
    g.fillRectList (frame);
    g.setColour (line);
    g.drawRect (whole);
}

juce::Button* Theme::createDocumentWindowButton (int kind)
{
    juce::Path shape;

    if (kind == juce::DocumentWindow::closeButton)
    {
        shape.addLineSegment ({ 0.0f, 0.0f, 1.0f, 1.0f }, 0.1f);
        shape.addLineSegment ({ 1.0f, 0.0f, 0.0f, 1.0f }, 0.1f);
    }
    else
    {
        shape.addLineSegment ({ 0.0f, 0.5f, 1.0f, 0.5f }, 0.1f);
        shape.addRectangle (0.0f, 0.0f, 0.0f, 0.0f);
        shape.addRectangle (1.0f, 1.0f, 0.0f, 0.0f);
    }

    auto* button = new juce::ShapeButton (kind == juce::DocumentWindow::closeButton ? "Close" : "Minimise",
                                          dim, text, text);
    button->setShape (shape, false, true, false);
    button->setBorderSize (juce::BorderSize<int> (8));
    return button;
}

void Theme::drawCornerResizer (juce::Graphics& g, int width, int height, bool over, bool dragging)
{
    g.setColour (over || dragging ? dim : line.brighter (0.2f));

    for (const auto part : { 0.35f, 0.65f })
        g.drawLine ((float) width * part, (float) height - 3.0f, (float) width - 3.0f, (float) height * part, 1.5f);
}

Field::Field (const juce::String& title)
{
    setTitle (title);
    setFont (Theme::font (14.0f));
    setIndents (9, 0);
    setJustification (juce::Justification::centredLeft);
    setSelectAllWhenFocused (true);
}

void Field::setWrong (bool wrong)
{
    if (std::exchange (isWrong, wrong) != wrong)
        repaint();
}

void Field::focusLost (FocusChangeType cause)
{
    TextEditor::focusLost (cause);
    setHighlightedRegion ({});
}
