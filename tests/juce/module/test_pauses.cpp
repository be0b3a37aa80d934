// Bypass, suspend, transport, panic: nothing hangs and nothing old plays.
#include "cases.hpp"

#include <atomic>
#include <chrono>
#include <map>
#include <thread>

namespace {

using midisock::control_change;
using midisock::note_off;
using midisock::note_on;

// A note from each end sounds.
void both_hold(studio &s)
{
    s.arrives(0, note_on(0, 60, 100));
    s.midi.addEvent(juce::MidiMessage(0x91, 70, 100), 0);
    (void)s.block();
    CHECK_TEXTS((texts{"0: 90 3c 64"}), s.block());
    CHECK_TEXTS((texts{"0: 91 46 64"}), s.sent());
}

texts bypassed(studio &s)
{
    s.plugin.bypass(s.midi);
    s.next.start_ns += 10 * ms;
    const texts out = written(s.midi);
    s.midi.clear();
    return out;
}

void bypass_releases_and_passes_nothing()
{
    studio s;
    both_hold(s);
    s.arrives(0, control_change(0, 64, 127));
    (void)s.block();
    CHECK_TEXTS((texts{"0: b0 40 7f"}), s.block());
    CHECK_TEXTS((texts{"0: 80 3c 40", "0: b0 40 00"}), bypassed(s));
    CHECK_TEXTS((texts{"0: 81 46 40"}), s.sent());

    s.arrives(0, note_on(2, 62, 100));
    s.midi.addEvent(juce::MidiMessage(0x92, 71, 100), 5);
    CHECK_TEXTS((texts{"5: 92 47 64"}), bypassed(s)); // the host's own stays
    CHECK_TEXTS((texts{}), bypassed(s));
    CHECK_TEXTS((texts{}), s.sent());

    // The pedal is still down at the other end, the note of the pause is not struck late.
    CHECK_TEXTS((texts{"0: b0 40 7f"}), s.block());
    s.arrives(0, note_on(0, 65, 100));
    (void)s.block();
    CHECK_TEXTS((texts{"0: 90 41 64"}), s.block());
}

void bypass_pedal_let_go_meanwhile()
{
    studio s;
    s.arrives(0, control_change(0, 64, 127));
    (void)s.block();
    CHECK_TEXTS((texts{"0: b0 40 7f"}), s.block());
    CHECK_TEXTS((texts{"0: b0 40 00"}), bypassed(s));
    s.arrives(0, control_change(0, 64, 0));
    (void)bypassed(s);
    texts all = s.block();
    const texts more = s.block();
    all.insert(all.end(), more.begin(), more.end());
    CHECK(!all.empty() && all.back() == "0: b0 40 00");
}

// What the host lifts meanwhile nobody would lift afterwards.
void bypass_follows_the_host()
{
    studio s;
    s.midi.addEvent(juce::MidiMessage(0xB0, 64, 127), 0);
    s.midi.addEvent(juce::MidiMessage(0xB1, 64, 127), 0);
    (void)s.block();
    (void)bypassed(s);
    s.midi.addEvent(juce::MidiMessage(0xB0, 64, 0), 0);
    s.midi.addEvent(juce::MidiMessage(0xE2, 0, 0), 0);
    (void)bypassed(s);
    (void)s.sent();
    (void)s.block();
    CHECK_TEXTS((texts{"0: b1 40 7f", "0: e2 00 00"}), s.sent());
}

// What the host is told, it is told once, also when it takes a while until there is a port again.
void bypass_without_a_port()
{
    studio s;
    both_hold(s);
    (void)bypassed(s);
    s.plugin.adopt(midisock::port());
    (void)s.block();
    s.plugin.adopt(s.other_end());
    (void)s.block();
    s.midi.addEvent(juce::MidiMessage(0x91, 70, 100), 0);
    (void)s.block();
    CHECK_TEXTS((texts{"0: 91 46 64"}), s.sent());
    (void)bypassed(s);
    CHECK_TEXTS((texts{"0: 81 46 40"}), s.sent());
}

void suspend_releases_at_peers()
{
    studio s;
    both_hold(s);
    s.midi.addEvent(juce::MidiMessage(0xB1, 64, 127), 0);
    (void)s.block();
    CHECK_TEXTS((texts{"0: b1 40 7f"}), s.sent());
    s.plugin.suspend(); // no block comes
    CHECK_TEXTS((texts{"0: 81 46 40", "0: b1 40 00"}), s.sent());
    s.plugin.suspend();
    (void)s.block();
    CHECK_TEXTS((texts{}), s.sent());
}

void suspended_while_bypassed()
{
    studio s;
    s.midi.addEvent(juce::MidiMessage(0xB0, 64, 127), 0);
    (void)s.block();
    (void)bypassed(s);
    CHECK_TEXTS((texts{"0: b0 40 7f", "0: b0 40 00"}), s.sent());
    s.plugin.suspend(); // nobody tells what the host lifts now
    (void)s.block();
    CHECK_TEXTS((texts{}), s.sent());
}

// Whatever the host does: no block and no suspension waits, and none is in the other's way.
void suspended_from_another_thread()
{
    studio s;
    std::atomic<bool> end{false};
    std::thread other([&] {
        while (!end) {
            s.plugin.suspend();
        }
    });
    std::map<std::string, int> held;
    const auto hear = [&] {
        for (const auto &one : s.sent()) {
            if (one[3] == 'b') { // where more sound than are released one by one: all of a channel
                for (auto &[note, count] : held) {
                    count = note[0] == one[4] ? 0 : count;
                }
            } else {
                held[one.substr(4, 4)] += one[3] == '9' ? 1 : -1;
            }
        }
    };
    // Until some got through: the other thread may be stopped in its midst for long.
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    for (int i = 0; i < 20000 || (held.empty() && std::chrono::steady_clock::now() < until); i++) {
        s.midi.addEvent(juce::MidiMessage(0x90 | (i & 15), i & 127, 100), 0);
        (void)s.block();
        hear();
    }
    end = true;
    other.join();
    s.plugin.suspend();
    hear();
    for (const auto &[note, count] : held) {
        CHECK(count == 0);
    }
    CHECK(!held.empty());
}

void released_meanwhile(studio &s, void (*pause)(studio &))
{
    both_hold(s);
    s.arrives(0, note_on(3, 1, 1)); // old when the pause is over
    s.arrives(1 * ms, note_off(0, 60));
    s.arrives(1 * ms, control_change(0, 7, 99));
    pause(s);
    texts all;
    for (int i = 0; i < 3; i++) {
        const texts one = s.block();
        all.insert(all.end(), one.begin(), one.end());
    }
    CHECK_TEXTS((texts{"0: 80 3c 40", "0: b0 07 63"}), all);
    CHECK(s.plugin.sounding() == 0);
}

void a_gap_is_skipped()
{
    studio s;
    released_meanwhile(s, [](studio &t) { t.next.start_ns += 600 * ms; });
}

void an_interruption_is_skipped()
{
    studio s;
    released_meanwhile(s, [](studio &t) { t.plugin.interrupt(); });
}

void prepared_again()
{
    studio s;
    released_meanwhile(s, [](studio &t) {
        t.plugin.prepare();
        t.plugin.prepare();
    });
}

// A dropout is no pause.
void a_late_block_is_not_skipped()
{
    studio s;
    s.arrives(0, note_on(0, 60, 100));
    s.next.start_ns += 400 * ms;
    CHECK_TEXTS((texts{"0: 90 3c 64"}), s.block());
}

void transport_stop_releases_peers()
{
    studio s;
    s.next.playing = true;
    both_hold(s);
    s.next.playing = false;
    CHECK_TEXTS((texts{}), s.block()); // what is played live goes on sounding here
    CHECK_TEXTS((texts{"0: 81 46 40"}), s.sent());
    (void)s.block();
    CHECK_TEXTS((texts{}), s.sent());
    CHECK(s.plugin.sounding() == 1);
}

// What process() asks of a processor. In LV2 there is a position only in blocks in which the host tells another one than
// was to be expected: at the start, at a jump, at the end.
struct told_position {
    juce::Optional<juce::AudioPlayHead::PositionInfo> position;
    enum { wrapperType_LV2 = 1 };
    int wrapperType = wrapperType_LV2;

    double getSampleRate() const { return 48000.0; }
    bool isNonRealtime() const { return false; }
    const told_position *getPlayHead() const { return this; }
    const juce::Optional<juce::AudioPlayHead::PositionInfo> &getPosition() const { return position; }

    void says(bool playing)
    {
        position.emplace();
        position->setIsPlaying(playing);
    }
};

void transport_told_once()
{
    studio s;
    told_position host;
    const juce::AudioBuffer<float> audio(2, 480);
    const auto block = [&] {
        s.plugin.process(host, audio, s.midi);
        s.midi.clear();
        host.position.reset();
        return s.sent();
    };
    CHECK_TEXTS((texts{}), block()); // nothing is known
    host.says(true);
    s.midi.addEvent(juce::MidiMessage(0x91, 70, 100), 0);
    CHECK_TEXTS((texts{"0: 91 46 64"}), block());
    for (int i = 0; i < 5; i++) {
        CHECK_TEXTS((texts{}), block()); // it goes on
    }
    host.says(true); // a jump
    CHECK_TEXTS((texts{}), block());
    host.says(false);
    CHECK_TEXTS((texts{"0: 81 46 40"}), block());
    s.midi.addEvent(juce::MidiMessage(0x92, 70, 100), 0);
    CHECK_TEXTS((texts{"0: 92 46 64"}), block());
    CHECK_TEXTS((texts{}), block());
}

void panic_silences_both_ends()
{
    studio s;
    both_hold(s);
    s.plugin.panic();
    const texts out = s.block();
    CHECK(out.size() == 1 + 32 && out[0] == "0: 80 3c 40" && out[1] == "0: b0 78 00" && out[32] == "0: bf 7b 00");
    const texts there = s.sent();
    CHECK(there.size() == 16 && there[0] == "0: b0 78 00" && there[15] == "0: bf 78 00");
    CHECK_TEXTS((texts{}), s.block());
}

// However much sounds: a block has room for all of it.
void a_release_is_bounded()
{
    studio s;
    for (int i = 0; i < 4; i++) {
        for (int k = 0; k < 400; k++) {
            CHECK(s.peer.push(note_on(k & 15, i, 1 + (k & 63))));
            s.midi.addEvent(juce::MidiMessage(0x90 | (k & 15), i, 1), 0);
        }
        s.plugin.process(s.midi, s.next);
        s.next.start_ns += 10 * ms;
        CHECK(s.midi.getNumEvents() == 400);
        s.midi.clear();
        CHECK(s.sent().size() == 400);
    }
    s.plugin.bypass(s.midi);
    CHECK(s.midi.getNumEvents() == 32);
    const texts there = s.sent();
    CHECK(there.size() == 32 && there[0] == "0: b0 78 00" && there[1] == "0: b0 7b 00" && there[31] == "0: bf 7b 00");
    CHECK(s.plugin.sounding() == 0);
}

void panic_while_bypassed()
{
    studio s;
    (void)bypassed(s);
    s.plugin.panic();
    CHECK(bypassed(s).size() == 32);
}

} // namespace

const std::vector<named_case> pause_cases = {
    {"pauses: bypass releases and passes nothing", bypass_releases_and_passes_nothing},
    {"pauses: a pedal let go while bypassed", bypass_pedal_let_go_meanwhile},
    {"pauses: bypass follows the host", bypass_follows_the_host},
    {"pauses: bypass without a port", bypass_without_a_port},
    {"pauses: suspend releases at peers", suspend_releases_at_peers},
    {"pauses: suspended while bypassed", suspended_while_bypassed},
    {"pauses: suspended from another thread", suspended_from_another_thread},
    {"pauses: a release is bounded", a_release_is_bounded},
    {"pauses: a gap is skipped", a_gap_is_skipped},
    {"pauses: an interruption is skipped", an_interruption_is_skipped},
    {"pauses: prepared again", prepared_again},
    {"pauses: a late block is not skipped", a_late_block_is_not_skipped},
    {"pauses: transport stop releases peers", transport_stop_releases_peers},
    {"pauses: transport told once", transport_told_once},
    {"pauses: panic silences both ends", panic_silences_both_ends},
    {"pauses: panic while bypassed", panic_while_bypassed},
};
