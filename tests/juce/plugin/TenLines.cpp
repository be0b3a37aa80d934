// The lines that midisock/juce.hpp and docs/juce.md say a plugin needs, as they stand there, with what JUCE wants of every
// plugin in place of the dots: scripts/lib/suites_juce.py takes them out.
#include <juce_audio_processors/juce_audio_processors.h>
#include <midisock/juce.hpp>

#include <type_traits>

struct Rest : juce::AudioProcessor {
    const juce::String getName() const override { return "TenLines"; }
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
    static void show(const midisock::plugin::status &) {}
};

namespace header {
#include "header.inc"
}
namespace guide {
#include "guide.inc"
}

static_assert(!std::is_abstract_v<header::MyPlugin> && !std::is_abstract_v<guide::MyPlugin>);

// Compiled, constructors and all; nobody calls it: it would listen where the lines say.
std::vector<std::unique_ptr<juce::AudioProcessor>> made_of_ten_lines();
std::vector<std::unique_ptr<juce::AudioProcessor>> made_of_ten_lines()
{
    std::vector<std::unique_ptr<juce::AudioProcessor>> all;
    all.push_back(std::make_unique<header::MyPlugin>());
    all.push_back(std::make_unique<guide::MyPlugin>());
    return all;
}
