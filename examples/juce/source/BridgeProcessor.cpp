#include "BridgeProcessor.h"
#include "BridgeEditor.h"

#include <type_traits>

namespace
{
    /** JUCE 7 has a text, JUCE 8 a text or nothing. */
    template <class Name> juce::String orEmpty (const Name& name)
    {
        if constexpr (std::is_same_v<Name, juce::String>)
            return name;
        else
            return name.value_or (juce::String());
    }
}

BridgeProcessor::BridgeProcessor()
    : AudioProcessor (BusesProperties().withOutput ("Monitor", juce::AudioChannelSet::stereo()))
{
    startTimer (1000);
}

BridgeProcessor::~BridgeProcessor()
{
    stopTimer();
    cancelPendingUpdate();
    neighbours->set (this, {});
}

BridgeSettings BridgeProcessor::settings() const
{
    const juce::ScopedLock hold (lock);
    return chosen;
}

void BridgeProcessor::change (const BridgeSettings& wanted)
{
    if (wanted == settings())
        return;

    take (wanted);
    updateHostDisplay (ChangeDetails().withNonParameterStateChanged (true));
}

void BridgeProcessor::take (const BridgeSettings& wanted)
{
    const juce::ScopedLock inOrder (changing);

    {
        const juce::ScopedLock hold (lock);
        chosen = wanted;
    }

    const auto listens = wanted.connect && wanted.role == BridgeSettings::Role::server && wanted.server.port != 0;
    neighbours->set (this, listens ? wanted.server.host.trim() + " " + juce::String (wanted.server.port) : juce::String());
    thru = wanted.thru;
    monitor = wanted.monitor;
    (void) link.apply (wanted.link (trackName()));
}

juce::String BridgeProcessor::trackName() const
{
    const juce::ScopedLock hold (lock);
    return track;
}

void BridgeProcessor::updateTrackProperties (const TrackProperties& properties)
{
    const juce::ScopedLock inOrder (changing);

    {
        const juce::ScopedLock hold (lock);
        track = orEmpty (properties.name);
    }

    (void) link.apply (settings().link (trackName())); // the connection is kept
}

void BridgeProcessor::rememberSize (int width, int height)
{
    const juce::ScopedLock hold (lock);
    chosen.width = width;
    chosen.height = height;
}

bool BridgeProcessor::isProcessing() const
{
    const auto last = lastBlock.load();
    return last != 0 && midisock_now_ns() < last + 1000000000;
}

void BridgeProcessor::timerCallback()
{
    if (getActiveEditor() == nullptr) // it polls more often
        (void) poll();
}

bool BridgeProcessor::isBusesLayoutSupported (const BusesLayout& layout) const
{
    const auto out = layout.getMainOutputChannelSet();
    return layout.inputBuses.isEmpty() && (out == juce::AudioChannelSet::mono() || out == juce::AudioChannelSet::stereo());
}

void BridgeProcessor::prepareToPlay (double sampleRate, int)
{
    link.prepare();
    tone.prepare (sampleRate);
}

void BridgeProcessor::processBlock (juce::AudioBuffer<float>& audio, juce::MidiBuffer& midi)
{
    const juce::ScopedNoDenormals noDenormals;
    lastBlock = midisock_now_ns();
    audio.clear();
    link.process (*this, audio, midi, thru);

    if (monitored != monitor)
    {
        monitored = monitor;
        tone.silence();
    }

    if (monitored)
        tone.render (audio, midi);
}

void BridgeProcessor::processBlockBypassed (juce::AudioBuffer<float>& audio, juce::MidiBuffer& midi)
{
    lastBlock = midisock_now_ns();
    audio.clear();
    link.bypass (midi);
    tone.silence();
}

void BridgeProcessor::getStateInformation (juce::MemoryBlock& out)
{
    settings().write (out);
}

void BridgeProcessor::setStateInformation (const void* data, int size)
{
    auto wanted = settings();

    if (! wanted.read (data, size))
        return;

    take (wanted);

    // Hosts call this on any thread.
    triggerAsyncUpdate();
}

void BridgeProcessor::handleAsyncUpdate()
{
    if (onSettingsReplaced != nullptr)
        onSettingsReplaced();
}

juce::AudioProcessorEditor* BridgeProcessor::createEditor()
{
    return new BridgeEditor (*this);
}

juce::AudioProcessor* JUCE_CALLTYPE createPluginFilter()
{
    return new BridgeProcessor();
}
