#pragma once

#include "BridgeSettings.h"
#include "MonitorTone.h"

/** Carries MIDI between the host and a socket. */
class BridgeProcessor final : public juce::AudioProcessor,
                              private juce::Timer
{
public:
    BridgeProcessor();
    ~BridgeProcessor() override;

    // The message thread, for the editor.
    BridgeSettings settings() const;
    void change (const BridgeSettings&);
    /** The editor's size. */
    void rememberSize (int width, int height);
    /** Tells that another project was loaded. */
    std::function<void()> onSettingsReplaced;
    midisock::plugin::status poll()     { return link.poll(); }
    /** Whether the host has processed a block lately: without, no MIDI passes. */
    bool isProcessing() const;
    void panic()                        { link.panic(); }
    void retry()                        { (void) link.retry(); }

    // What the host sees.
    const juce::String getName() const override         { return JucePlugin_Name; }
    bool acceptsMidi() const override                   { return true; }
    bool producesMidi() const override                  { return true; }
    double getTailLengthSeconds() const override        { return 0.0; }
    int getNumPrograms() override                       { return 1; }
    int getCurrentProgram() override                    { return 0; }
    void setCurrentProgram (int) override               {}
    const juce::String getProgramName (int) override    { return {}; }
    void changeProgramName (int, const juce::String&) override {}
    bool hasEditor() const override                     { return true; }
    juce::AudioProcessorEditor* createEditor() override;
    bool isBusesLayoutSupported (const BusesLayout&) const override;

    void prepareToPlay (double sampleRate, int blockSize) override;
    void releaseResources() override                    { link.interrupt(); }
    void reset() override                               { link.interrupt(); }
    void processBlock (juce::AudioBuffer<float>&, juce::MidiBuffer&) override;
    void processBlockBypassed (juce::AudioBuffer<float>&, juce::MidiBuffer&) override;

    void getStateInformation (juce::MemoryBlock&) override;
    void setStateInformation (const void*, int) override;

private:
    void timerCallback() override;

    midisock::plugin::midi_link link;
    MonitorTone tone;

    mutable juce::CriticalSection lock; // never taken on the audio thread
    BridgeSettings chosen;
    std::atomic<bool> thru { false }, monitor { false };
    std::atomic<std::uint64_t> lastBlock { 0 };
    bool monitored = false; // the audio thread

    JUCE_DECLARE_WEAK_REFERENCEABLE (BridgeProcessor)
    JUCE_DECLARE_NON_COPYABLE_WITH_LEAK_DETECTOR (BridgeProcessor)
};
