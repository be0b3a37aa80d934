#pragma once

#include "BridgeSettings.h"
#include "MonitorTone.h"
#include "Neighbours.h"

/** Carries MIDI between the host and a socket. */
class BridgeProcessor final : public juce::AudioProcessor,
                              private juce::Timer,
                              private juce::AsyncUpdater
{
public:
    BridgeProcessor();
    ~BridgeProcessor() override;

    // The message thread, for the editor.
    BridgeSettings settings() const;
    /** By the user: tells the host that there is something to save, where there is. */
    void change (const BridgeSettings&);
    /** The name of the track, where the host tells it. */
    juce::String trackName() const;
    /** How many instances in this program listen where this one does, itself included. */
    int sharing() const                 { return neighbours->at (this); }
    /** The editor's size. */
    void rememberSize (int width, int height);
    /** Tells that another project was loaded. */
    std::function<void()> onSettingsReplaced;
    /** Also tells the host the latency when it has changed. */
    midisock::plugin::status poll()     { return link.poll (*this); }
    /** Whether the host has processed a block lately: without, no MIDI passes. */
    bool isProcessing() const;
    void panic()                        { link.panic(); }
    void retry()                        { (void) link.retry(); }

    // What the host sees.
    const juce::String getName() const override         { return JucePlugin_Name; }
    bool acceptsMidi() const override                   { return true; }
    bool producesMidi() const override                  { return true; }
    /** What comes from a socket needs no audio before it: a host that stops processing in silence would cut it off. */
    double getTailLengthSeconds() const override        { return std::numeric_limits<double>::infinity(); }
    int getNumPrograms() override                       { return 1; }
    int getCurrentProgram() override                    { return 0; }
    void setCurrentProgram (int) override               {}
    const juce::String getProgramName (int) override    { return {}; }
    void changeProgramName (int, const juce::String&) override {}
    bool hasEditor() const override                     { return true; }
    juce::AudioProcessorEditor* createEditor() override;
    bool isBusesLayoutSupported (const BusesLayout&) const override;

    void prepareToPlay (double sampleRate, int blockSize) override;
    void releaseResources() override                    { link.suspend(); }
    void reset() override                               { link.suspend(); }
    void processBlock (juce::AudioBuffer<float>&, juce::MidiBuffer&) override;
    void processBlockBypassed (juce::AudioBuffer<float>&, juce::MidiBuffer&) override;

    void updateTrackProperties (const TrackProperties&) override;
    void getStateInformation (juce::MemoryBlock&) override;
    void setStateInformation (const void*, int) override;

private:
    void timerCallback() override;
    void handleAsyncUpdate() override;
    void take (const BridgeSettings&);

    midisock::plugin::midi_link link;
    MonitorTone tone;
    juce::SharedResourcePointer<Neighbours> neighbours;

    // Neither is ever taken on the audio thread. Settings are applied in the order in which they are chosen, which may
    // take its time; who only looks at them does not wait for that.
    juce::CriticalSection changing;
    mutable juce::CriticalSection lock;
    BridgeSettings chosen;
    juce::String track;
    std::atomic<bool> thru { false }, monitor { false };
    std::atomic<std::uint64_t> lastBlock { 0 };
    bool monitored = false; // the audio thread

    JUCE_DECLARE_NON_COPYABLE_WITH_LEAK_DETECTOR (BridgeProcessor)
};
