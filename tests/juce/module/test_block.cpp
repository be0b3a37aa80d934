// What goes through a block: positions, order, bounds, and that MidiBuffer's storage is what prepare() has made.
#include "cases.hpp"

namespace {

using midisock::note_off;
using midisock::note_on;

void at_their_frames()
{
    studio s;
    s.arrives(0, note_on(0, 60, 100));             // 10 ms later: in the next block
    s.arrives(5 * ms, note_on(1, 61, 100));
    s.arrives(9980000, note_off(0, 60));
    s.arrives(10 * ms, note_off(1, 61));           // in the one after
    CHECK_TEXTS((texts{}), s.block());
    CHECK_TEXTS((texts{"0: 90 3c 64", "240: 91 3d 64", "479: 80 3c 40"}), s.block());
    CHECK_TEXTS((texts{"0: 81 3d 40"}), s.block());
}

void sent_at_their_frames()
{
    studio s;
    const auto start = s.next.start_ns;
    const std::uint8_t sysex[] = {0xF0, 1, 2, 3, 0xF7};
    s.midi.addEvent(juce::MidiMessage(0x90, 60, 100), 0);
    s.midi.addEvent(juce::MidiMessage(0xF8), 48);
    s.midi.addEvent(sysex, sizeof sysex, 240);
    s.midi.addEvent(juce::MidiMessage(0x80, 60, 0), 479);
    CHECK_TEXTS((texts{}), s.block());
    CHECK_TEXTS((texts{"0: 90 3c 64", "1000000: f8", "5000000: f0 01 02 03 f7", "9979167: 80 3c 00"}), s.sent(start));
}

void thru_keeps_what_was_there()
{
    studio s;
    s.arrives(5 * ms, note_on(1, 61, 100));
    CHECK_TEXTS((texts{}), s.block(true));
    s.midi.addEvent(juce::MidiMessage(0x90, 60, 100), 10);
    s.midi.addEvent(juce::MidiMessage(0x80, 60, 0), 400);
    CHECK_TEXTS((texts{"10: 90 3c 64", "240: 91 3d 64", "400: 80 3c 00"}), s.block(true));
    CHECK_TEXTS((texts{"0: 90 3c 64", "0: 80 3c 00"}), s.sent());
}

// Also in the block in which storage changes hands.
void thru_in_the_first_block()
{
    studio s;
    s.plugin.prepare();
    s.midi.addEvent(juce::MidiMessage(0x90, 60, 100), 10);
    CHECK_TEXTS((texts{"10: 90 3c 64"}), s.block(true));
}

void odd_blocks()
{
    studio s;
    s.arrives(0, note_on(0, 60, 100));
    s.next.frames = 0;
    s.midi.addEvent(juce::MidiMessage(0x90, 1, 2), 0);
    s.midi.addEvent(juce::MidiMessage(0x90, 2, 2), 99); // there is no such frame
    CHECK_TEXTS((texts{}), s.block());
    s.next.frames = 1;
    s.midi.addEvent(juce::MidiMessage(0x90, 3, 2), -5);
    CHECK_TEXTS((texts{}), s.block());
    CHECK_TEXTS((texts{"0: 90 01 02", "0: 90 02 02", "0: 90 03 02"}), s.sent());
    s.next.frames = 480;
    s.next.sample_rate = 0.0; // no prepareToPlay
    CHECK_TEXTS((texts{"479: 90 3c 64"}), s.block());
    // No port, then one that is closed.
    midi_link bare;
    juce::MidiBuffer midi;
    midi.addEvent(juce::MidiMessage(0x90, 1, 2), 0);
    bare.process(midi, {64, 48000.0, false, false, 0});
    CHECK(midi.isEmpty());
    s.peer.close();
    s.midi.addEvent(juce::MidiMessage(0x90, 1, 2), 0);
    for (int i = 0; i < 4; i++) {
        (void)s.block();
    }
}

// What is no MIDI message: an event of a MIDI file, running status, half a SysEx.
void what_is_no_message_is_not_sent()
{
    studio s;
    s.midi.addEvent(juce::MidiMessage::tempoMetaEvent(500000), 0);
    const std::uint8_t half[] = {0xF0, 1, 2};
    s.midi.addEvent(half, sizeof half, 0);
    s.midi.addEvent(juce::MidiMessage(0xC0, 5), 1);
    (void)s.block();
    CHECK_TEXTS((texts{"0: c0 05"}), s.sent());
}

void offline_is_at_frame_0()
{
    studio s;
    s.next.offline = true;
    s.arrives(0, note_on(0, 60, 100));
    s.arrives(9 * ms, note_off(0, 60));
    s.midi.addEvent(juce::MidiMessage(0x91, 1, 2), 200);
    CHECK_TEXTS((texts{"0: 90 3c 64", "0: 80 3c 40"}), s.block());
    CHECK_TEXTS((texts{"0: 91 01 02"}), s.sent());
    s.next.start_ns += 1000 * ms; // real time goes as it likes
    s.arrives(0, note_on(0, 62, 100));
    CHECK_TEXTS((texts{"0: 90 3e 64"}), s.block());
}

void as_soon_as_possible()
{
    studio s(0);
    s.arrives(0, note_on(0, 60, 100));
    CHECK_TEXTS((texts{"0: 90 3c 64"}), s.block());
}

// Without a loss, in order, and no more for a block than it can take.
void a_flood_is_spread()
{
    studio s;
    constexpr int count = 2000;
    for (int i = 0; i < count; i++) {
        CHECK(s.peer.push(midisock::pitch_bend(i & 15, i)));
    }
    int got = 0;
    for (int blocks = 0; got < count; blocks++) {
        CHECK(blocks < 20);
        const texts all = s.block();
        CHECK(static_cast<int>(all.size()) <= midi_link::most_messages);
        for (const auto &one : all) {
            char want[32];
            const int bend = got + 8192;
            std::snprintf(want, sizeof want, "0: e%x %02x %02x", static_cast<unsigned>(got & 15),
                          static_cast<unsigned>(bend & 127), static_cast<unsigned>(bend >> 7));
            CHECK(one == want);
            got++;
        }
    }
}

void large_sysex_is_spread()
{
    studio s;
    std::vector<std::uint8_t> sysex(16384, 0x11);
    sysex.front() = 0xF0;
    sysex.back() = 0xF7;
    for (int i = 0; i < 3; i++) {
        CHECK(s.peer.push(sysex));
    }
    const std::uint8_t *storage = nullptr;
    int got = 0;
    for (int blocks = 0; got < 3; blocks++) {
        CHECK(blocks < 20);
        s.plugin.process(s.midi, s.next);
        CHECK(storage == nullptr || storage == s.midi.data.begin());
        storage = s.midi.data.begin();
        for (const auto event : s.midi) {
            CHECK(event.numBytes == 16384);
            got++;
        }
        s.next.start_ns += 10 * ms;
    }
}

// prepare() makes the storage, the first block hands it over, and it stays: nothing is allocated later.
void storage_is_made_ahead()
{
    studio s;
    const std::uint8_t *storage = s.midi.data.begin();
    CHECK(storage != nullptr);
    for (int i = 0; i < 100; i++) {
        for (int k = 0; k < 400; k++) {
            CHECK(s.peer.push(note_on(k & 15, i, 1 + (k & 63))));
        }
        s.plugin.process(s.midi, s.next);
        s.next.start_ns += 10 * ms;
        CHECK(s.midi.getNumEvents() == 400);
        CHECK(s.midi.data.begin() == storage);
    }
}

// What the host's own messages take is not there for others.
void thru_leaves_less_room()
{
    studio s;
    (void)s.block(true);
    std::vector<std::uint8_t> sysex(20000, 0x11);
    sysex.front() = 0xF0;
    sysex.back() = 0xF7;
    const std::uint8_t *storage = s.midi.data.begin();
    int got = 0;
    for (int i = 0; i < 3; i++) {
        std::vector<std::uint8_t> other(16000, 0x22);
        other.front() = 0xF0;
        other.back() = 0xF7;
        CHECK(s.peer.push(other));
    }
    for (int blocks = 0; got < 3; blocks++) {
        CHECK(blocks < 20);
        for (int k = 0; k < 3 && blocks == 0; k++) {
            s.midi.addEvent(sysex.data(), 20000, 0);
        }
        s.plugin.process(s.midi, s.next, true);
        CHECK(storage == s.midi.data.begin());
        for (const auto event : s.midi) {
            got += event.numBytes == 16000;
        }
        s.midi.clear();
        s.next.start_ns += 10 * ms;
    }
}

// A host's sequence of 8 KB holds some 340 messages: no block gives more, and none is lost.
void lv2_takes_what_has_room()
{
    studio s;
    s.next.lv2_bytes = 8192;
    int got = 0, blocks = 0;
    for (int i = 0; i < 2000; i++) {
        CHECK(s.peer.push(midisock::pitch_bend(i & 15, i)));
    }
    std::vector<std::uint8_t> sysex(3000, 0x11);
    sysex.front() = 0xF0;
    sysex.back() = 0xF7;
    CHECK(s.peer.push(sysex));
    for (; got < 2001; blocks++) {
        CHECK(blocks < 40);
        s.plugin.process(s.midi, s.next);
        s.next.start_ns += 10 * ms;
        int size = 16;
        for (const auto event : s.midi) {
            size += 16 + (event.numBytes + 7) / 8 * 8;
            got++;
        }
        CHECK(size <= 8192);
        s.midi.clear();
    }
    s.next.lv2_bytes = 65536;
    for (int i = 0; i < 600; i++) {
        CHECK(s.peer.push(midisock::pitch_bend(i & 15, i)));
    }
    CHECK(static_cast<int>(s.block().size()) == midi_link::most_messages);
}

void activity_is_told_once()
{
    studio s;
    (void)s.plugin.poll();
    s.arrives(0, note_on(3, 60, 100));
    s.arrives(0, midisock::clock());
    s.midi.addEvent(juce::MidiMessage(0x9F, 1, 2), 0);
    (void)s.block();
    (void)s.block();
    auto status = s.plugin.poll();
    CHECK(status.activity_in == (1u << 3 | 1u << 16));
    CHECK(status.activity_out == 1u << 15);
    CHECK(status.counters.messages_in == 2);
    status = s.plugin.poll();
    CHECK(status.activity_in == 0 && status.activity_out == 0);
}

} // namespace

const std::vector<named_case> block_cases = {
    {"block: at their frames", at_their_frames},
    {"block: sent at their frames", sent_at_their_frames},
    {"block: thru keeps what was there", thru_keeps_what_was_there},
    {"block: thru in the first block", thru_in_the_first_block},
    {"block: odd blocks", odd_blocks},
    {"block: what is no message is not sent", what_is_no_message_is_not_sent},
    {"block: offline is at frame 0", offline_is_at_frame_0},
    {"block: as soon as possible", as_soon_as_possible},
    {"block: a flood is spread", a_flood_is_spread},
    {"block: large SysEx is spread", large_sysex_is_spread},
    {"block: storage is made ahead", storage_is_made_ahead},
    {"block: thru leaves less room", thru_leaves_less_room},
    {"block: LV2 takes what has room", lv2_takes_what_has_room},
    {"block: activity is told once", activity_is_told_once},
};
