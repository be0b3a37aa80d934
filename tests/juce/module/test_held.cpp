// What a receiver holds, judged by a receiver that is told the same and then the releases.
#include "cases.hpp"

#include <map>
#include <random>

namespace {

texts released(held &h)
{
    texts all;
    h.release([&](midisock::bytes m) {
        all.push_back(written(juce::MidiMessageMetadata(m.data(), static_cast<int>(m.size()), 0)));
    });
    return all;
}

void see(held &h, std::initializer_list<int> bytes)
{
    std::vector<std::uint8_t> data;
    for (const int b : bytes) {
        data.push_back(static_cast<std::uint8_t>(b));
    }
    h.see(data.data(), data.size());
}

void releases_what_is_held()
{
    held h;
    CHECK_TEXTS((texts{}), released(h));
    see(h, {0x90, 60, 1});
    see(h, {0x90, 60, 1}); // two take two
    see(h, {0x93, 0, 127});
    see(h, {0x93, 127, 127});
    see(h, {0x93, 127, 0}); // off
    see(h, {0x80, 61, 0});  // never was on
    see(h, {0xB0, 64, 64});
    see(h, {0xB0, 66, 127});
    see(h, {0xB0, 66, 0});
    see(h, {0xD2, 5});
    see(h, {0xE2, 0, 0});
    see(h, {0xE4, 0, 64});
    CHECK(h.notes() == 3 && h.has(0, 60) && !h.has(0, 61));
    CHECK_TEXTS((texts{"0: 80 3c 40", "0: 80 3c 40", "0: b0 40 00", "0: d2 00", "0: e2 00 40", "0: 83 00 40"}), released(h));
    CHECK_TEXTS((texts{}), released(h));
}

// A pedal may be half-way: receivers that know half-pedalling use every value, so each is kept, and any but 0 is let go of.
void half_pedals()
{
    held h;
    see(h, {0xB0, 64, 90});
    see(h, {0xB0, 66, 63});
    see(h, {0xB5, 69, 1});
    see(h, {0xB5, 68, 127});
    see(h, {0xB5, 68, 0});
    texts stated;
    h.restate([&](midisock::bytes m) {
        stated.push_back(written(juce::MidiMessageMetadata(m.data(), static_cast<int>(m.size()), 0)));
    });
    CHECK_TEXTS((texts{"0: b0 40 5a", "0: b0 42 3f", "0: b5 45 01"}), stated);
    CHECK_TEXTS((texts{"0: b0 40 00", "0: b0 42 00", "0: b5 45 00"}), released(h));
    CHECK_TEXTS((texts{}), released(h));
}

void modes_and_reset()
{
    for (const int mode : {120, 123, 124, 125, 126, 127}) {
        held h;
        see(h, {0x90, 60, 1});
        see(h, {0x91, 60, 1});
        see(h, {0xB0, mode, 0});
        CHECK_TEXTS((texts{"0: 81 3c 40"}), released(h));
    }
    held h;
    see(h, {0xB0, 64, 127});
    see(h, {0xB0, 66, 50});
    see(h, {0xD0, 1});
    see(h, {0xE0, 1, 2});
    see(h, {0xB0, 121, 0});
    CHECK_TEXTS((texts{}), released(h));
    // Reset All Controllers leaves legato and hold 2 as they are.
    see(h, {0xB0, 69, 127});
    see(h, {0xB0, 121, 0});
    CHECK_TEXTS((texts{"0: b0 45 00"}), released(h));
    see(h, {0x9F, 1, 1});
    see(h, {0xFF});
    CHECK_TEXTS((texts{}), released(h));
}

void anything_is_safe()
{
    held h;
    std::mt19937 random(1);
    for (int i = 0; i < 200000; i++) {
        std::uint8_t data[4];
        for (auto &byte : data) {
            byte = static_cast<std::uint8_t>(random());
        }
        h.see(data, random() % 4);
    }
    const texts all = released(h);
    for (const auto &one : all) {
        CHECK(one.size() == 8 + 3 || one.size() == 8);
    }
    CHECK(h.notes() == 0);
    CHECK_TEXTS((texts{}), released(h));
}

// Random playing; then the releases leave every note off, pedal up, and the rest at rest, by an account of our own.
void random_songs()
{
    std::mt19937 random(7);
    for (int song = 0; song < 200; song++) {
        held h;
        std::map<int, int> notes, values; // by channel * 128 + note, by channel * 256 + controller (or 200: pressure, 201: bend)
        const auto play = [&](const std::uint8_t *m) {
            const int channel = m[0] & 15, kind = m[0] & 0xF0;
            int &count = notes[channel * 128 + m[1]];
            if (kind == 0x90 && m[2] > 0) {
                count++;
            } else if (kind == 0x80 || kind == 0x90) {
                count -= count > 0;
            } else if (kind == 0xB0) {
                values[channel * 256 + m[1]] = m[2];
            } else if (kind == 0xD0) {
                values[channel * 256 + 200] = m[1];
            } else if (kind == 0xE0) {
                values[channel * 256 + 201] = (m[1] | m[2] << 7) - 8192;
            }
        };
        const int kinds[] = {0x80, 0x90, 0x90, 0xB0, 0xD0, 0xE0};
        const int controllers[] = {64, 66, 68, 69};
        for (int i = 0; i < 300; i++) {
            const int kind = kinds[random() % 6];
            std::uint8_t m[3] = {static_cast<std::uint8_t>(kind | static_cast<int>(random() % 16)),
                                 static_cast<std::uint8_t>(random() % 128), static_cast<std::uint8_t>(random() % 128)};
            if (kind == 0xB0) {
                m[1] = static_cast<std::uint8_t>(controllers[random() % 4]);
            }
            h.see(m, kind == 0xD0 ? 2 : 3);
            play(m);
        }
        int sounding = 0;
        for (const auto &[key, count] : notes) {
            sounding += count;
        }
        CHECK(h.notes() == sounding);
        h.release([&](midisock::bytes m) { play(m.data()); });
        for (const auto &[key, count] : notes) {
            CHECK(count == 0);
        }
        for (const auto &[key, value] : values) {
            CHECK(value == 0);
        }
    }
}

} // namespace

const std::vector<named_case> held_cases = {
    {"held: releases what is held", releases_what_is_held},
    {"held: half pedals", half_pedals},
    {"held: modes and reset", modes_and_reset},
    {"held: anything is safe", anything_is_safe},
    {"held: random songs", random_songs},
};
