#include "MonitorTone.h"

void MonitorTone::prepare (double sampleRate)
{
    rate = sampleRate > 0.0 ? sampleRate : 48000.0;
    rise = (float) (1.0 / (0.002 * rate));
    fall = (float) (1.0 / (0.080 * rate));
    silence();
}

void MonitorTone::silence()
{
    voices = {};
    pedals = {};
}

void MonitorTone::render (juce::AudioBuffer<float>& audio, const juce::MidiBuffer& midi)
{
    int done = 0;

    for (const auto event : midi)
    {
        const auto at = juce::jlimit (done, audio.getNumSamples(), event.samplePosition);
        render (audio, done, at);
        handle (event);
        done = at;
    }

    render (audio, done, audio.getNumSamples());
}

void MonitorTone::handle (const juce::MidiMessageMetadata& event)
{
    if (event.numBytes == 1 && event.data[0] == 0xff) // System Reset
        silence();

    if (event.numBytes != 3)
        return;

    const auto kind = event.data[0] & 0xf0;
    const auto channel = event.data[0] & 0x0f;
    const auto first = event.data[1], second = event.data[2];
    auto& pedal = pedals[(size_t) channel];

    if (kind == 0x90 && second > 0)
    {
        start (channel, first, second);
        return;
    }

    if (kind == 0xb0 && (first == 64 || first == 121)) // the pedal, and Reset All Controllers: MIDI RP-015
        pedal = first == 64 && second >= 64;

    for (auto& voice : voices)
    {
        if (voice.channel != channel)
            continue;

        if ((kind == 0x80 || kind == 0x90) && voice.note == first && voice.held)
        {
            voice.held = false;
            voice.pedalled = pedal;
            break; // the oldest of those with this note
        }

        if (kind == 0xb0 && (first == 120 || first >= 123))
            voice.held = voice.pedalled = false;

        if (kind == 0xb0 && ! pedal)
            voice.pedalled = false;
    }
}

void MonitorTone::start (int channel, int note, int velocity)
{
    auto free = std::find_if (voices.begin(), voices.end(), [] (const Voice& v) { return v.isFree(); });

    if (free == voices.end())
        free = std::min_element (voices.begin(), voices.end(),
                                 [] (const Voice& a, const Voice& b) { return a.level < b.level; });

    *free = {};
    free->channel = channel;
    free->note = note;
    free->held = true;
    free->step = juce::MathConstants<double>::twoPi * juce::MidiMessage::getMidiNoteInHertz (note) / rate;
    free->phase = free->step;
    free->gain = 0.15f * (float) velocity / 127.0f;
}

void MonitorTone::render (juce::AudioBuffer<float>& audio, int from, int to)
{
    for (auto& voice : voices)
    {
        if (voice.isFree())
            continue;

        const auto sounds = voice.held || voice.pedalled;

        for (int i = from; i < to; ++i)
        {
            voice.level = sounds ? juce::jmin (1.0f, voice.level + rise) : juce::jmax (0.0f, voice.level - fall);
            const auto value = voice.gain * voice.level * (float) std::sin (voice.phase);
            voice.phase += voice.step;

            for (int channel = 0; channel < audio.getNumChannels(); ++channel)
                audio.addSample (channel, i, value);
        }

        voice.phase = std::fmod (voice.phase, juce::MathConstants<double>::twoPi);
    }
}
