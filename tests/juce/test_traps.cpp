// What processBlock does that an audio thread must not: system calls, allocation. The plugin's own, on a thread in a
// seccomp jail, from the first block on; and what JUCE would do if nobody sized its buffers, told apart.
#include "BridgeProcessor.h"

extern "C" {
#include "allocation.h"
#include "check.h"
#include "jail.h"
}

#include <atomic>
#include <thread>

#include <unistd.h>

namespace {

constexpr int frames = 256;
constexpr int wanted = 5000;

// What a jailed thread has seen and done.
struct tally {
    unsigned long blocks = 0, in = 0, out = 0;
    unsigned long allocations = 0, calls = 0;
    bool late = false;
};

// A host whose transport starts and stops again and again.
struct restless final : juce::AudioPlayHead {
    bool playing = false;

    juce::Optional<PositionInfo> getPosition() const override
    {
        PositionInfo position;
        position.setIsPlaying(playing);
        return position;
    }
};

// A processor with its port open and a client that plays without pause.
// A processor with its port open and a client that plays without pause.
struct stage {
    juce::ScopedJuceInitialiser_GUI juce;
    std::unique_ptr<juce::AudioProcessor> owner{createPluginFilter()};
    BridgeProcessor &bridge = dynamic_cast<BridgeProcessor &>(*owner);
    midisock::client client;
    std::atomic<bool> end{false};
    std::thread player;
    restless transport;
    // Sized ahead by nobody, as the wrappers' are; but with room for the host's own.
    juce::AudioBuffer<float> audio{2, frames};
    juce::MidiBuffer midi;
    tally seen;

    explicit stage(bool monitor)
    {
        BridgeSettings settings;
        settings.connect = true;
        settings.monitor = monitor;
        settings.server.host = "127.0.0.1";
        settings.server.port = 0;
        settings.server.latency_ms = 0; // blocks come faster than their time here: nothing would ever be due
        bridge.change(settings);
        bridge.setRateAndBufferSizeDetails(48000.0, frames);
        bridge.prepareToPlay(48000.0, frames);
        bridge.setPlayHead(&transport);
        const auto status = bridge.poll();
        CHECK(status.state == midisock::state::listening);
        client = midisock::client::connect("127.0.0.1", static_cast<std::uint16_t>(status.local_port)).or_throw();
        client.wait_connected(std::chrono::milliseconds(DEADLINE_MS)).or_throw();
        CHECK_SOON(bridge.poll().peers.size() == 1);
        midi.ensureSize(2048); // the VST3 wrapper's
        player = std::thread([this] { play(); });
    }
    ~stage()
    {
        end = true;
        client.shutdown().or_throw();
        player.join();
    }

    void play()
    {
        midisock::message echoed;
        for (int i = 0; !end; i++) {
            const int note = i & 127;
            while (!end && client.push(midisock::note_on(i & 15, note, 100)).code() == midisock::outcome::full) {
                (void)client.wait(midisock::event::room, std::chrono::milliseconds(10));
            }
            (void)client.push(midisock::note_off(i & 15, note));
            while (client.pop(echoed)) {
            }
        }
    }

    // In the jail: no system call is possible, so nothing that waits.
    void perform()
    {
        static const std::uint8_t sysex[] = {0xF0, 1, 2, 3, 0xF7};
        const std::uint64_t until = midisock_now_ns() + std::uint64_t{DEADLINE_MS} * 1000000u;
        const unsigned long calls = jail_trapped(), allocations = allocation_calls();
        allocation_count(1);
        while ((seen.in < wanted || seen.out < wanted) && !seen.late) {
            midi.addEvent(sysex, sizeof sysex, 0);
            for (int i = 0; i < 16; i++) {
                const std::uint8_t note[] = {static_cast<std::uint8_t>(0x90 | i), 60, static_cast<std::uint8_t>(i)};
                midi.addEvent(note, sizeof note, i * 10);
            }
            bridge.processBlock(audio, midi);
            for (const auto event : midi) {
                seen.in += event.numBytes > 0;
            }
            midi.clear();
            seen.out += 17;
            seen.blocks++;
            if (seen.blocks % 1024 == 0) {
                bridge.processBlockBypassed(audio, midi);
                midi.clear();
            }
            if (seen.blocks % 1024 == 512) {
                bridge.reset(); // hosts suspend on the audio thread, too
            }
            transport.playing = seen.blocks / 100 % 2 == 1;
            seen.late = midisock_now_ns() > until;
        }
        allocation_count(0);
        seen.allocations = allocation_calls() - allocations;
        seen.calls = jail_trapped() - calls;
    }
};

void perform(void *at)
{
    static_cast<stage *>(at)->perform();
}

void check_jailed(bool monitor)
{
    stage s(monitor);
    jail thread;
    jail_start(&thread, JAIL_TRAP, perform, &s);
    jail_join(&thread);
    std::printf("# %lu blocks, %lu messages in, %lu out: %lu system calls, %lu allocations\n", s.seen.blocks, s.seen.in,
                s.seen.out, s.seen.calls, s.seen.allocations);
    if (jail_first() != nullptr) {
        check_fail(__FILE__, __LINE__, "processBlock made a system call: %s", jail_first());
    }
    CHECK(!s.seen.late);
    CHECK_INT(0, s.seen.calls);
    CHECK_INT(0, s.seen.allocations);
}

void process_block()
{
    check_jailed(false);
}

void process_block_with_monitor()
{
    check_jailed(true);
}

// Control: what JUCE does by itself is seen.
void juce_alone(void *)
{
    juce::MidiBuffer unsized;
    allocation_count(1);
    for (int i = 0; i < 2000; i++) {
        const std::uint8_t note[] = {0x90, 60, 1};
        unsized.addEvent(note, sizeof note, 0);
    }
    allocation_count(0);
}

void control_an_unsized_midi_buffer_allocates()
{
    const unsigned long before = allocation_calls();
    std::thread([] { juce_alone(nullptr); }).join();
    CHECK(allocation_calls() > before);
    std::printf("# %lu allocations of a MidiBuffer that nobody sized\n", allocation_calls() - before);
}

// A host that brings a new buffer for each block: what is allocated then is MidiBuffer's storage, and nothing else.
void a_new_buffer_for_each_block()
{
    constexpr unsigned long blocks = 200;
    unsigned long here = 0, juces = 0, in = 0;
    stage s(false);
    std::thread([&] {
        s.bridge.processBlock(s.audio, s.midi); // takes what prepareToPlay has made
        for (unsigned long i = 0; i < blocks; i++) {
            juce::MidiBuffer ours, alone;
            unsigned long before = allocation_calls();
            allocation_count(1);
            s.bridge.processBlock(s.audio, ours);
            allocation_count(0);
            here += allocation_calls() - before;
            for (const auto event : ours) {
                in += event.numBytes > 0;
            }
            before = allocation_calls();
            allocation_count(1);
            alone.ensureSize(midisock::plugin::midi_link::buffer_bytes);
            allocation_count(0);
            juces += allocation_calls() - before;
        }
    }).join();
    std::printf("# %lu blocks with buffers that nobody sized, %lu messages: %lu allocations; JUCE alone: %lu\n", blocks,
                in, here, juces);
    CHECK(juces > 0);
    CHECK_INT(juces, here);
}

void in_jail(void *)
{
    (void)getppid();
}

void control_a_system_call_is_trapped()
{
    jail thread;
    jail_start(&thread, JAIL_TRAP, in_jail, nullptr);
    jail_join(&thread);
    CHECK(jail_first() != nullptr);
    std::printf("# trapped: %s\n", jail_first());
}

} // namespace

int main(int argc, char **argv)
{
    static const check_case cases[] = {
        CASE(process_block),
        CASE(process_block_with_monitor),
        CASE(a_new_buffer_for_each_block),
        CASE(control_an_unsized_midi_buffer_allocates),
        CASE(control_a_system_call_is_trapped),
    };
    return check_main(argc, argv, CASES(cases));
}
