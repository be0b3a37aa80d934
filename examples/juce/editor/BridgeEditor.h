#pragma once

#include "ActivityPanel.h"
#include "BridgeProcessor.h"
#include "ConnectionPanel.h"
#include "Header.h"
#include "LateWatch.h"
#include "PeersPanel.h"

/** Shows what the processor has, and tells it what the user wants. */
class BridgeEditor final : public juce::AudioProcessorEditor,
                           private juce::Timer
{
public:
    explicit BridgeEditor (BridgeProcessor&);
    ~BridgeEditor() override;

    void paint (juce::Graphics& g) override { g.fillAll (Theme::background); }
    void resized() override;
    bool keyPressed (const juce::KeyPress&) override;

private:
    void timerCallback() override;
    void change (const BridgeSettings&);
    void reload();
    Surroundings surroundings (const midisock::plugin::status&);

    /** The theme is also that of the Standalone's window, which is there before the editor. */
    struct Everywhere
    {
        explicit Everywhere (Theme&);
        ~Everywhere();
        const bool isStandalone = juce::JUCEApplicationBase::isStandaloneApp();
    };

    BridgeProcessor& bridge;
    Theme theme;
    Everywhere everywhere { theme };
    juce::TooltipWindow tooltips { this, 600 };
    Header header;
    NowLine now;
    Banner banner;
    ConnectionPanel connection;
    PeersPanel peers;
    ActivityPanel activity;
    bool hadFocus = false;
    Surroundings around;
    LateWatch lateness;
    std::uint64_t looked = 0;

    JUCE_DECLARE_NON_COPYABLE_WITH_LEAK_DETECTOR (BridgeEditor)
};
