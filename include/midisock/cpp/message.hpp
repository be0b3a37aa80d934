/* Popped MIDI messages, and builders of messages to push.
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#ifndef MIDISOCK_CPP_MESSAGE_HPP
#define MIDISOCK_CPP_MESSAGE_HPP

#include <midisock/cpp/base.hpp>

namespace midisock {
inline namespace MIDISOCK_CPP_ABI {

/** @cond internal */
namespace detail {
/** Makes a message that is uninitialised until it is popped. */
struct unset {};
} // namespace detail
/** @endcond */

/** A popped message. Its bytes belong to the port, and are valid until the next pop, pop_block or skip on it, or its
 * close. */
struct message : midisock_message {
    /** No message. */
    constexpr message() noexcept : midisock_message{} {}
    /** @cond internal */
    explicit message(detail::unset) MIDISOCK_REALTIME {}
    /** @endcond */

    /** All of its bytes, status byte first. */
    constexpr bytes data_bytes() const noexcept { return bytes(data, size); }
    /** The upper four bits of a channel message's status (0x80 to 0xE0), or the whole status of a system message. */
    constexpr std::uint8_t kind() const noexcept
    {
        return data[0] < 0xF0 ? static_cast<std::uint8_t>(data[0] & 0xF0) : data[0];
    }
    /** Whether it is a channel message, not a system message. */
    constexpr bool is_channel_message() const noexcept { return data[0] < 0xF0; }
    /** The channel of a channel message, 0 to 15. */
    constexpr int channel() const noexcept { return data[0] & 0x0F; }
    /** A Note On with a velocity above 0. */
    constexpr bool is_note_on() const noexcept { return is(0x90) && data[2] != 0; }
    /** A Note Off, or a Note On with velocity 0. */
    constexpr bool is_note_off() const noexcept { return is(0x80) || (is(0x90) && data[2] == 0); }
    /** Status An. */
    constexpr bool is_poly_pressure() const noexcept { return is(0xA0); }
    /** Status Bn: controllers, and the mode messages among them. */
    constexpr bool is_control_change() const noexcept { return is(0xB0); }
    /** Status Cn. */
    constexpr bool is_program_change() const noexcept { return is(0xC0); }
    /** Status Dn. */
    constexpr bool is_channel_pressure() const noexcept { return is(0xD0); }
    /** Status En. */
    constexpr bool is_pitch_bend() const noexcept { return is(0xE0); }
    /** Status F0. */
    constexpr bool is_sysex() const noexcept { return data[0] == 0xF0; }
    /** The note of a Note On, Note Off or poly pressure. */
    constexpr int note() const noexcept { return data[1]; }
    /** The velocity of a Note On or Note Off. */
    constexpr int velocity() const noexcept { return data[2]; }
    /** The number of a control change. */
    constexpr int controller() const noexcept { return data[1]; }
    /** The value of a control change. */
    constexpr int controller_value() const noexcept { return data[2]; }
    /** The number of a program change. */
    constexpr int program() const noexcept { return data[1]; }
    /** The value of channel pressure or poly pressure. */
    constexpr int pressure() const noexcept { return is(0xA0) ? data[2] : data[1]; }
    /** The value of a pitch bend, -8192 to 8191. */
    constexpr int bend() const noexcept { return (data[1] | data[2] << 7) - 8192; }

    /** The library made it; the peer did not send it. */
    constexpr bool is_synthetic() const noexcept { return (flags & MIDISOCK_FLAG_SYNTHETIC) != 0; }
    /** Another client of this server still holds this note or pedal. Ignore the message if you ignore `client`. */
    constexpr bool is_still_held() const noexcept { return (flags & MIDISOCK_FLAG_STILL_HELD) != 0; }
    /** `time_ns` is when the sender meant it, not when it arrived. */
    constexpr bool is_timed() const noexcept { return (flags & MIDISOCK_FLAG_TIMED) != 0; }

private:
    constexpr bool is(int kind) const noexcept { return (data[0] & 0xF0) == kind; }
};

/** A whole message of one to three bytes, by value: `short_message(0x90, 60, 100)`, or from a builder. */
template <std::size_t Size> class short_message {
    static_assert(Size >= 1 && Size <= 3, "one to three bytes");

public:
    /** No message. push refuses it. */
    constexpr short_message() noexcept = default;
    /** From a status byte. */
    constexpr explicit short_message(int status) noexcept : bytes_{byte(status)} {}
    /** From a status byte and one data byte, without a check. */
    constexpr short_message(int status, int first) noexcept : bytes_{byte(status), byte(first)} {}
    /** From a status byte and two data bytes, without a check. */
    constexpr short_message(int status, int first, int second) noexcept
        : bytes_{byte(status), byte(first), byte(second)}
    {
    }

    /** Whether it is a message. A builder returns none if an argument is out of range. */
    constexpr explicit operator bool() const noexcept { return bytes_[0] >= 0x80; }
    /** The first byte. */
    constexpr const std::uint8_t *data() const noexcept { return bytes_; }
    /** The number of bytes. */
    static constexpr std::size_t size() noexcept { return Size; }
    /** Its bytes, for push. */
    constexpr operator bytes() const noexcept { return bytes(bytes_, Size); }

private:
    static constexpr std::uint8_t byte(int value) noexcept { return static_cast<std::uint8_t>(value); }

    std::uint8_t bytes_[Size] = {};
};

/** @cond internal */
short_message(int) -> short_message<1>;
short_message(int, int) -> short_message<2>;
short_message(int, int, int) -> short_message<3>;

namespace detail {

/* Not constexpr, so that an argument out of range does not compile in a constant expression. Otherwise the message has no
 * status byte, and push refuses it. */
inline int out_of_range() noexcept { return 0; }

constexpr bool below(int value, int limit) noexcept { return value >= 0 && value < limit; }

constexpr int channel_status(int status, int channel, bool data_in_range) noexcept
{
    return below(channel, 16) && data_in_range ? status | channel : out_of_range();
}

constexpr short_message<2> channel_message(int status, int channel, int first) noexcept
{
    return {channel_status(status, channel, below(first, 128)), first};
}

constexpr short_message<3> channel_message(int status, int channel, int first, int second) noexcept
{
    return {channel_status(status, channel, below(first, 128) && below(second, 128)), first, second};
}

} // namespace detail
/** @endcond */

/* Builders. Channels are 0 to 15, data 0 to 127. An argument out of range does not compile in a constant expression;
 * otherwise push refuses the message (outcome::invalid_message). */

/** Note Off. */
constexpr short_message<3> note_off(int channel, int note, int velocity = 64) noexcept
{
    return detail::channel_message(0x80, channel, note, velocity);
}
/** Note On. Velocity 0 is a Note Off by the MIDI standard. */
constexpr short_message<3> note_on(int channel, int note, int velocity) noexcept
{
    return detail::channel_message(0x90, channel, note, velocity);
}
/** Pressure on one note. */
constexpr short_message<3> poly_pressure(int channel, int note, int pressure) noexcept
{
    return detail::channel_message(0xA0, channel, note, pressure);
}
/** A controller, or from 120 on a mode message. */
constexpr short_message<3> control_change(int channel, int controller, int value) noexcept
{
    return detail::channel_message(0xB0, channel, controller, value);
}
/** Program Change. */
constexpr short_message<2> program_change(int channel, int program) noexcept
{
    return detail::channel_message(0xC0, channel, program);
}
/** Pressure on a channel. */
constexpr short_message<2> channel_pressure(int channel, int pressure) noexcept
{
    return detail::channel_message(0xD0, channel, pressure);
}
/** Pitch bend, -8192 to 8191. 0 is the centre. */
constexpr short_message<3> pitch_bend(int channel, int bend) noexcept
{
    // Out of range, in both directions, the upper part is above 127. Unsigned, since the sum must not overflow.
    const unsigned value = static_cast<unsigned>(bend) + 8192u;
    return detail::channel_message(0xE0, channel, static_cast<int>(value & 0x7Fu), static_cast<int>(value >> 7));
}
/** Mode message 120. */
constexpr short_message<3> all_sound_off(int channel) noexcept { return control_change(channel, 120, 0); }
/** Mode message 121. */
constexpr short_message<3> reset_all_controllers(int channel) noexcept { return control_change(channel, 121, 0); }
/** Mode message 123. */
constexpr short_message<3> all_notes_off(int channel) noexcept { return control_change(channel, 123, 0); }

/** MIDI Time Code Quarter Frame. */
constexpr short_message<2> quarter_frame(int data) noexcept
{
    return {detail::below(data, 128) ? 0xF1 : detail::out_of_range(), data};
}
/** Song position, in MIDI beats of six clocks: 0 to 16383. */
constexpr short_message<3> song_position(int beats) noexcept
{
    return {detail::below(beats, 16384) ? 0xF2 : detail::out_of_range(), beats & 0x7F, beats >> 7};
}
/** Song Select. */
constexpr short_message<2> song_select(int song) noexcept
{
    return {detail::below(song, 128) ? 0xF3 : detail::out_of_range(), song};
}
/** Tune Request. */
constexpr short_message<1> tune_request() noexcept { return short_message(0xF6); }
/** Timing Clock, 24 per quarter note. */
constexpr short_message<1> clock() noexcept { return short_message(0xF8); }
/** Start from the beginning. */
constexpr short_message<1> start() noexcept { return short_message(0xFA); }
/** Continue, which is a keyword of C++. */
constexpr short_message<1> resume() noexcept { return short_message(0xFB); }
/** Stop. */
constexpr short_message<1> stop() noexcept { return short_message(0xFC); }
/** Active Sensing. */
constexpr short_message<1> active_sensing() noexcept { return short_message(0xFE); }
/** System Reset. */
constexpr short_message<1> system_reset() noexcept { return short_message(0xFF); }

} // namespace MIDISOCK_CPP_ABI
} // namespace midisock

#endif
