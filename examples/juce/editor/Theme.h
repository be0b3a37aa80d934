#pragma once

#include <juce_gui_basics/juce_gui_basics.h>

/** How everything looks: colours, type, and the controls drawn with them. */
class Theme final : public juce::LookAndFeel_V4
{
public:
    Theme();

    // One hue for each meaning.
    static inline const juce::Colour background { 0xff12141a }, panel { 0xff1a1d25 }, field { 0xff12141a },
                                     raised { 0xff272b36 }, line { 0xff2e3340 },
                                     text { 0xffeceef4 }, dim { 0xff98a0b3 }, faint { 0xff626a7d },
                                     accent { 0xff6f8cff }, good { 0xff3ddc97 }, waiting { 0xfff2b84b },
                                     bad { 0xffff6b6b }, incoming { 0xff4cc9f0 }, outgoing { 0xffb794ff };

    static constexpr float corner = 8.0f, smallCorner = 5.0f;
    static constexpr int gap = 12, rowHeight = 30;

    static juce::Font font (float height, bool strong = false);
    /** For the name of a panel: small capitals, spaced. */
    static juce::Font heading();
    static void drawHeading (juce::Graphics&, juce::Rectangle<int>, const juce::String&);
    static void drawPanel (juce::Graphics&, juce::Rectangle<int>);
    /** Marks a list whose text is wrong. */
    static void setWrong (juce::ComboBox&, bool);
    /** Around what has the keyboard. */
    static void drawFocus (juce::Graphics&, juce::Rectangle<float>, float radius);

    juce::Font getTextButtonFont (juce::TextButton&, int) override;
    juce::Font getComboBoxFont (juce::ComboBox&) override     { return font (14.0f); }
    juce::Font getPopupMenuFont() override                     { return font (14.0f); }
    juce::Font getLabelFont (juce::Label&) override            { return font (14.0f); }
    void drawButtonBackground (juce::Graphics&, juce::Button&, const juce::Colour&, bool, bool) override;
    void drawButtonText (juce::Graphics&, juce::TextButton&, bool, bool) override;
    void drawToggleButton (juce::Graphics&, juce::ToggleButton&, bool, bool) override;
    void drawComboBox (juce::Graphics&, int, int, bool, int, int, int, int, juce::ComboBox&) override;
    juce::Label* createComboBoxTextBox (juce::ComboBox&) override;
    void positionComboBoxText (juce::ComboBox&, juce::Label&) override;
    void fillTextEditorBackground (juce::Graphics&, int, int, juce::TextEditor&) override;
    void drawTextEditorOutline (juce::Graphics&, int, int, juce::TextEditor&) override;
    void drawPopupMenuBackground (juce::Graphics&, int, int) override;
    juce::Rectangle<int> getTooltipBounds (const juce::String&, juce::Point<int>, juce::Rectangle<int>) override;
    void drawTooltip (juce::Graphics&, const juce::String&, int, int) override;
    // The Standalone's window.
    void drawDocumentWindowTitleBar (juce::DocumentWindow&, juce::Graphics&, int, int, int, int, const juce::Image*,
                                     bool) override;
    void drawResizableWindowBorder (juce::Graphics&, int, int, const juce::BorderSize<int>&,
                                    juce::ResizableWindow&) override;
    juce::Button* createDocumentWindowButton (int) override;
    void drawCornerResizer (juce::Graphics&, int, int, bool, bool) override;
    std::unique_ptr<juce::FocusOutline> createFocusOutlineForComponent (juce::Component&) override { return {}; }
};

/** A text box whose text may be wrong: then its outline says so. */
struct Field final : juce::TextEditor
{
    explicit Field (const juce::String& title);
    void setWrong (bool);
    /** Without the keyboard nothing is selected. */
    void focusLost (FocusChangeType) override;
    bool isWrong = false;
};
