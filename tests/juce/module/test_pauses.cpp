// Bypass, suspend, transport, panic: nothing hangs and nothing old plays.
#include "cases.hpp"

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
    {"pauses: a gap is skipped", a_gap_is_skipped},
    {"pauses: an interruption is skipped", an_interruption_is_skipped},
    {"pauses: prepared again", prepared_again},
    {"pauses: a late block is not skipped", a_late_block_is_not_skipped},
    {"pauses: transport stop releases peers", transport_stop_releases_peers},
    {"pauses: panic silences both ends", panic_silences_both_ends},
    {"pauses: panic while bypassed", panic_while_bypassed},
};
