// JUCE: the class with which its MIDI inputs make messages of bytes, and, with the argument "message", the constructor of
// MidiMessage that takes one message after the other from a buffer.
#include "streams.h"

#include <juce_audio_basics/juce_audio_basics.h>
#include <juce_audio_basics/midi/juce_MidiDataConcatenator.h>

namespace {

struct Printer {
    int printed = 0;

    void handleIncomingMidiMessage(void*, const juce::MidiMessage& message)
    {
        print_message(message.getRawData(), message.getRawDataSize(), &printed);
    }

    void handlePartialSysexMessage(void*, const unsigned char*, int, double) {}
};

void concatenate(const unsigned char* bytes, int length)
{
    juce::MidiDataConcatenator concatenator{MOST_BYTES};
    Printer printer;
    concatenator.pushMidiData(bytes, length, 0.0, static_cast<void*>(nullptr), printer);
}

void take_apart(const unsigned char* bytes, int length)
{
    Printer printer;
    unsigned char running = 0;
    for (int at = 0; at < length;) {
        int used = 0;
        const juce::MidiMessage message{bytes + at, length - at, used, running, 0.0, false};
        if (message.getRawDataSize() > 0) {
            printer.handleIncomingMidiMessage(nullptr, message);
            running = message.getRawData()[0];
        }
        at += juce::jmax(1, used);
    }
}

} // namespace

int main(int count, char**)
{
    unsigned char bytes[MOST_BYTES];
    for (int length = next_stream(bytes); length >= 0; length = next_stream(bytes)) {
        if (count > 1)
            take_apart(bytes, length);
        else
            concatenate(bytes, length);
        std::printf("\n");
    }
    return 0;
}
