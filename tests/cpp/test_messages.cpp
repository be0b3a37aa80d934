// Builders make the bytes of the MIDI 1.0 specification, at compile time if possible; readers return the values.
#include "check.hpp"

#include <array>
#include <vector>

using namespace midisock;

template <int... Expected> constexpr bool is(short_message<sizeof...(Expected)> message)
{
    constexpr int expected[] = {Expected...};
    if (!message || sizeof message != sizeof...(Expected)) {
        return false;
    }
    for (std::size_t i = 0; i < message.size(); i++) {
        if (message.data()[i] != expected[i]) {
            return false;
        }
    }
    return true;
}

static_assert(is<0x80, 60, 64>(note_off(0, 60)));
static_assert(is<0x8F, 127, 0>(note_off(15, 127, 0)));
static_assert(is<0x92, 61, 100>(note_on(2, 61, 100)));
static_assert(is<0xA3, 1, 2>(poly_pressure(3, 1, 2)));
static_assert(is<0xB4, 7, 127>(control_change(4, 7, 127)));
static_assert(is<0xC5, 19>(program_change(5, 19)));
static_assert(is<0xD6, 99>(channel_pressure(6, 99)));
static_assert(is<0xE7, 0, 0>(pitch_bend(7, -8192)));
static_assert(is<0xE7, 0, 0x40>(pitch_bend(7, 0)));
static_assert(is<0xE7, 0x7F, 0x7F>(pitch_bend(7, 8191)));
static_assert(is<0xE7, 0x7F, 0x3F>(pitch_bend(7, -1)));
static_assert(is<0xB8, 120, 0>(all_sound_off(8)));
static_assert(is<0xB8, 121, 0>(reset_all_controllers(8)));
static_assert(is<0xB8, 123, 0>(all_notes_off(8)));
static_assert(is<0xF1, 0x35>(quarter_frame(0x35)));
static_assert(is<0xF2, 0x01, 0x02>(song_position(257)));
static_assert(is<0xF2, 0x7F, 0x7F>(song_position(16383)));
static_assert(is<0xF3, 5>(song_select(5)));
static_assert(is<0xF6>(tune_request()));
static_assert(is<0xF8>(midisock::clock()));
static_assert(is<0xFA>(start()));
static_assert(is<0xFB>(resume()));
static_assert(is<0xFC>(stop()));
static_assert(is<0xFE>(active_sensing()));
static_assert(is<0xFF>(system_reset()));

static void out_of_range_is_refused(port &p)
{
    // Volatile: in a constant expression these would not compile, which tests/cpp/refused has.
    volatile int sixteen = 16, minus = -1, high = 128;
    const auto refused = [&p](auto... messages) {
        const bool none[] = {!messages...};
        for (const bool is_none : none) {
            CHECK(is_none);
        }
        const outcome outcomes[] = {p.push(messages).code()...};
        for (const outcome code : outcomes) {
            CHECK(code == outcome::invalid_message);
        }
    };
    refused(
        note_on(sixteen, 60, 100), note_on(minus, 60, 100),       note_on(0, high, 100),
        note_on(0, minus, 100),    note_on(0, 60, high),          note_off(0, 60, minus),
        poly_pressure(0, high, 0), control_change(0, 0, high),    program_change(0, high),
        program_change(sixteen, 0), channel_pressure(0, minus),   pitch_bend(0, high * 64),
        pitch_bend(0, minus * 8193), pitch_bend(sixteen, 0),      quarter_frame(high),
        song_position(high * high), song_position(minus),         song_select(high), short_message<1>());
}

static void what_is_read_is_what_was_built(port &from, port &to)
{
    message m;
    CHECK_OUTCOME(empty, to.pop(m));
    const auto pass = [&](bytes sent) {
        CHECK_OUTCOME(ok, from.push(sent));
        CHECK_OUTCOME(ok, to.pop(m));
        CHECK(m.data_bytes().size() == sent.size());
        CHECK(std::memcmp(m.data, sent.data(), sent.size()) == 0);
        CHECK(!m.is_synthetic() && !m.is_still_held());
    };
    pass(note_on(9, 36, 127));
    CHECK(m.is_note_on() && !m.is_note_off() && m.is_channel_message());
    CHECK(m.channel() == 9 && m.note() == 36 && m.velocity() == 127 && m.kind() == 0x90);
    pass(note_on(9, 36, 0));
    CHECK(!m.is_note_on() && m.is_note_off());
    pass(note_off(1, 2, 3));
    CHECK(m.is_note_off() && m.note() == 2 && m.velocity() == 3);
    pass(poly_pressure(4, 5, 6));
    CHECK(m.is_poly_pressure() && m.note() == 5 && m.pressure() == 6);
    pass(control_change(15, 64, 127));
    CHECK(m.is_control_change() && m.controller() == 64 && m.controller_value() == 127);
    pass(program_change(0, 42));
    CHECK(m.is_program_change() && m.program() == 42);
    pass(channel_pressure(0, 43));
    CHECK(m.is_channel_pressure() && m.pressure() == 43);
    for (int bend = -8192; bend <= 8191; bend++) {
        pass(pitch_bend(3, bend));
        CHECK(m.is_pitch_bend() && m.bend() == bend && m.channel() == 3);
    }
    pass(midisock::clock());
    CHECK(!m.is_channel_message() && m.kind() == 0xF8);

    // SysEx from whatever holds bytes.
    const std::uint8_t array[] = {0xF0, 1, 2, 3, 0xF7};
    const std::array<std::uint8_t, 3> standard = {0xF0, 4, 0xF7};
    const std::vector<std::uint8_t> vector = {0xF0, 5, 6, 0xF7};
    pass(array);
    CHECK(m.is_sysex() && !m.is_channel_message() && same(m.data_bytes(), {0xF0, 1, 2, 3, 0xF7}));
    pass(standard);
    pass(vector);
    pass(bytes(vector.data(), vector.size()));
    CHECK(same(m.data_bytes(), {0xF0, 5, 6, 0xF7}));
}

int main()
{
    result<midisock::pair> made = midisock::pair::make();
    CHECK(made);
    out_of_range_is_refused(made->a);
    what_is_read_is_what_was_built(made->a, made->b);
    std::puts("ok");
}
