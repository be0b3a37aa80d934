#pragma once

#include <juce_audio_basics/juce_audio_basics.h>

#include <array>

/** A plain tone for each note, so that what comes from a socket can be heard without an instrument. It begins with the
    frame of its Note On. */
class MonitorTone
{
public:
    void prepare (double sampleRate);
    /** At once. */
    void silence();
    /** Adds to the audio what the messages ask for. */
    void render (juce::AudioBuffer<float>&, const juce::MidiBuffer&);

private:
    struct Voice
    {
        int channel = 0, note = 0;
        bool held = false, pedalled = false;
        float level = 0.0f;
        double phase = 0.0, step = 0.0;
        float gain = 0.0f;

        bool isFree() const { return ! held && ! pedalled && level <= 0.0f; }
    };

    void handle (const juce::MidiMessageMetadata&);
    void start (int channel, int note, int velocity);
    void render (juce::AudioBuffer<float>&, int from, int to);

    std::array<Voice, 32> voices;
    std::array<bool, 16> pedals {};
    double rate = 48000.0;
    float rise = 0.0f, fall = 0.0f;
};
