/* midisock for JUCE 7 and later, C++17: MIDI over TCP in an AudioProcessor.
 * SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * Header only, over midisock.hpp. What a plugin needs:
 *
 *   struct MyPlugin : juce::AudioProcessor, juce::Timer {
 *       midisock::plugin::midi_link link;
 *
 *       MyPlugin() { startTimerHz(20); link.apply({true, midisock::plugin::role::server, "localhost", 9080}); }
 *       void prepareToPlay(double, int) override { link.prepare(); }
 *       void releaseResources() override { link.suspend(); }
 *       void reset() override { link.suspend(); }
 *       void processBlock(juce::AudioBuffer<float> &a, juce::MidiBuffer &m) override { a.clear(); link.process(*this, a, m); }
 *       void processBlockBypassed(juce::AudioBuffer<float> &a, juce::MidiBuffer &m) override { a.clear(); link.bypass(m); }
 *       void getStateInformation(juce::MemoryBlock &out) override { link.save(out); }
 *       void setStateInformation(const void *data, int size) override { link.load(data, size); }
 *       void timerCallback() override { show(link.poll(*this)); } // state, peers, counters, in the editor
 *       ...
 *   };
 *
 * (A plugin without an audio input must clear the audio: the buffer does not contain silence.)
 *
 *   settings   the user's choices: role, host, port, allowed addresses, latency; saved with the plugin's state
 *   midi_link  the connection: process() on the audio thread; apply(), poll(), panic() on the message thread
 *   audio_side what the audio thread uses of it
 *   status     the result of poll(): state, problem, connected peers, counters
 *   service_list  the servers on the network, for a list to choose from
 *   held       the notes and pedals that a receiver holds, to release them when a link is bypassed or replaced
 */
#ifndef MIDISOCK_JUCE_HPP
#define MIDISOCK_JUCE_HPP

#include <midisock/juce/audio_side.hpp>
#include <midisock/juce/held.hpp>
#include <midisock/juce/link.hpp>
#include <midisock/juce/services.hpp>
#include <midisock/juce/settings.hpp>
#include <midisock/juce/status.hpp>

#endif
