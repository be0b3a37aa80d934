#pragma once

#include "StatusText.h"
#include "Theme.h"

/** The name, how things stand, and the switch. */
class Header final : public juce::Component
{
public:
    Header();

    std::function<void (bool)> onSwitch;
    void show (const StatusText&, bool connect);
    void flip()                         { power.triggerClick(); }
    void paint (juce::Graphics&) override;
    void resized() override;

private:
    /** The big switch. */
    struct Power final : juce::Button
    {
        Power();
        void paintButton (juce::Graphics&, bool over, bool down) override;
        juce::Colour colour { Theme::faint };
    };

    Power power;
    juce::Colour colour { Theme::faint };
    juce::String headline, detail;
};

/** Below it: what the connection does now. */
class NowLine final : public juce::Component,
                      public juce::SettableTooltipClient
{
public:
    NowLine();

    void show (const juce::String&);
    void paint (juce::Graphics&) override;
    std::unique_ptr<juce::AccessibilityHandler> createAccessibilityHandler() override;

private:
    juce::String text;
};

/** Below that, when something is wrong: what, and what to do. */
class Banner final : public juce::Component
{
public:
    Banner();

    std::function<void()> onRetry;
    /** Whether there is something to show. */
    bool show (const StatusText&);
    void paint (juce::Graphics&) override;
    void resized() override;
    std::unique_ptr<juce::AccessibilityHandler> createAccessibilityHandler() override;

private:
    juce::TextButton retry { "Try again" };
    juce::Colour colour { Theme::bad };
    juce::String problem;
};
