// The lines that midisock/juce.hpp says a plugin needs, and what JUCE wants of every plugin. A Note On is heard as a click.
#include <juce_audio_processors/juce_audio_processors.h>
#include <midisock/juce.hpp>

struct SmallPlugin final : juce::AudioProcessor {
    midisock::plugin::midi_link link;

    SmallPlugin() : AudioProcessor(BusesProperties().withOutput("Out", juce::AudioChannelSet::stereo())) {}

    void prepareToPlay(double, int) override { link.prepare(); }
    void releaseResources() override { link.suspend(); }
    void reset() override { link.suspend(); }
    void processBlock(juce::AudioBuffer<float> &audio, juce::MidiBuffer &midi) override
    {
        link.process(*this, audio, midi);
        audio.clear();
        for (const auto event : midi)
            if (event.getMessage().isNoteOn())
                audio.setSample(0, event.samplePosition, 1.0f);
    }
    void processBlockBypassed(juce::AudioBuffer<float> &audio, juce::MidiBuffer &midi) override
    {
        audio.clear();
        link.bypass(midi);
    }
    void getStateInformation(juce::MemoryBlock &out) override { link.save(out); }
    void setStateInformation(const void *data, int size) override { link.load(data, size); }

    const juce::String getName() const override { return "SmallPlugin"; }
    bool acceptsMidi() const override { return true; }
    bool producesMidi() const override { return true; }
    double getTailLengthSeconds() const override { return 0.0; }
    int getNumPrograms() override { return 1; }
    int getCurrentProgram() override { return 0; }
    void setCurrentProgram(int) override {}
    const juce::String getProgramName(int) override { return {}; }
    void changeProgramName(int, const juce::String &) override {}
    bool hasEditor() const override { return false; }
    juce::AudioProcessorEditor *createEditor() override { return nullptr; }
};

juce::AudioProcessor *JUCE_CALLTYPE createPluginFilter()
{
    return new SmallPlugin();
}
