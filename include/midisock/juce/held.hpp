/* The notes, pedals, pressure and bends that a receiver of MIDI holds.
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#ifndef MIDISOCK_JUCE_HELD_HPP
#define MIDISOCK_JUCE_HELD_HPP

#include <midisock/midisock.hpp>

#include <array>

namespace midisock {
inline namespace MIDISOCK_CPP_ABI {
namespace plugin {

/** Tracks what one receiver of messages holds: notes, pedals, pressure and bends, which are what midisock releases when
 * a peer leaves. It allocates nothing. Only one thread may use it. */
class held {
public:
    /** The receiver receives a message. A message that is not a whole channel message or System Reset has no effect. */
    void see(const std::uint8_t *data, std::size_t size) noexcept
    {
        if (size == 1 && data[0] == 0xFF) { // System Reset
            forget();
        } else if (size >= 2 && data[0] >= 0x80 && data[0] < 0xF0) {
            channels_[data[0] & 0x0Fu].see(data, size);
        }
    }

    /** The most Note Offs of one release. */
    static constexpr int most_note_offs = 128;
    /** The most messages of one release: those, and for each channel four pedals, pressure and bend. */
    static constexpr int most_released = most_note_offs + 16 * 6;

    /** Calls `give(bytes)` for each message that releases something, notes first. Nothing is held afterwards. If more
     * than most_note_offs notes sound, each channel with notes receives All Sound Off and All Notes Off instead, so
     * that the number of messages is bounded. */
    template <class Give> void release(Give &&give)
    {
        const bool too_many = notes() > most_note_offs;
        for (int i = 0; i < 16; i++) {
            channel &c = channels_[static_cast<std::size_t>(i)];
            if (too_many && c.sounding > 0) {
                give(all_sound_off(i));
                give(all_notes_off(i));
                c.forget_notes();
            }
            for (int note = 0; c.sounding > 0 && note < 128; note++) {
                for (std::uint8_t &count = c.notes[static_cast<std::size_t>(note)]; count > 0; count--, c.sounding--) {
                    give(note_off(i, note));
                }
            }
            c.each_pedal([&](int controller, int) { give(control_change(i, controller, 0)); });
            if (c.pressure != 0) {
                give(channel_pressure(i, 0));
            }
            if (c.bend != centre) {
                give(pitch_bend(i, 0));
            }
        }
        forget();
    }

    /** Calls `give(bytes)` for each pedal, pressure and bend that is not at rest, with its value, since a pedal may be
     * half-way down. */
    template <class Give> void restate(Give &&give) const
    {
        for (int i = 0; i < 16; i++) {
            const channel &c = channels_[static_cast<std::size_t>(i)];
            c.each_pedal([&](int controller, int value) { give(control_change(i, controller, value)); });
            if (c.pressure != 0) {
                give(channel_pressure(i, c.pressure));
            }
            if (c.bend != centre) {
                give(pitch_bend(i, c.bend - centre));
            }
        }
    }

    /** Sets the state to: nothing is held. */
    void forget() noexcept { channels_ = {}; }

    /** Sets the state to: no note is held. Pedals, pressure and bends stay. */
    void forget_notes() noexcept
    {
        for (channel &c : channels_) {
            c.forget_notes();
        }
    }

    /** How many notes sound. */
    int notes() const noexcept
    {
        int sum = 0;
        for (const channel &c : channels_) {
            sum += c.sounding;
        }
        return sum;
    }

    /** Whether the note sounds on that channel, 0 to 15. */
    bool has(int number, int note) const noexcept
    {
        return channels_[static_cast<std::size_t>(number & 15)].notes[static_cast<std::size_t>(note & 127)] > 0;
    }

private:
    static constexpr int centre = 8192;
    /* Sustain, sostenuto, legato, hold 2. */
    static constexpr std::array<std::uint8_t, 4> pedal_controllers = {64, 66, 68, 69};

    struct channel {
        std::array<std::uint8_t, 128> notes = {}; /**< Note Ons without their Note Off */
        int sounding = 0;                         /**< the sum of them */
        std::array<std::uint8_t, 4> pedals = {};  /**< how far each is down; 0: it is up */
        int pressure = 0;
        int bend = centre;

        void forget_notes() noexcept
        {
            notes = {};
            sounding = 0;
        }

        template <class Call> void each_pedal(Call &&call) const
        {
            for (std::size_t i = 0; i < pedals.size(); i++) {
                if (pedals[i] != 0) {
                    call(static_cast<int>(pedal_controllers[i]), static_cast<int>(pedals[i]));
                }
            }
        }

        void see(const std::uint8_t *data, std::size_t size) noexcept
        {
            const int kind = data[0] & 0xF0;
            if (size == 2) {
                pressure = kind == 0xD0 ? data[1] & 127 : pressure;
            } else if (kind == 0x80 || (kind == 0x90 && data[2] == 0)) {
                change_note(data[1], -1);
            } else if (kind == 0x90) {
                change_note(data[1], 1);
            } else if (kind == 0xB0) {
                control(data[1], data[2]);
            } else if (kind == 0xE0) {
                bend = (data[1] & 127) | (data[2] & 127) << 7;
            }
        }

        void change_note(std::uint8_t number, int by) noexcept
        {
            std::uint8_t &count = notes[number & 127u];
            if (by > 0 ? count < 255 : count > 0) {
                count = static_cast<std::uint8_t>(count + by);
                sounding += by;
            }
        }

        void control(std::uint8_t controller, std::uint8_t value) noexcept
        {
            if (controller == 120 || controller >= 123) { // silence, and the modes that imply it
                forget_notes();
            } else if (controller == 121) { // MIDI RP-015: sustain and sostenuto go up, legato and hold 2 stay
                pedals[0] = pedals[1] = 0;
                pressure = 0;
                bend = centre;
            }
            for (std::size_t i = 0; i < pedals.size(); i++) {
                if (pedal_controllers[i] == controller) {
                    pedals[i] = value & 127u;
                }
            }
        }
    };

    std::array<channel, 16> channels_ = {};
};

} // namespace plugin
} // namespace MIDISOCK_CPP_ABI
} // namespace midisock

#endif
