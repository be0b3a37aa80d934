#pragma once

#include <juce_audio_processors/juce_audio_processors.h>
#include <midisock/juce.hpp>

/** All that a user chooses, and that is saved with a project. Each role has its own address: who looks at the other one
    for a moment does not lose it. */
struct BridgeSettings
{
    using Link = midisock::plugin::settings;
    using Role = midisock::plugin::role;

    BridgeSettings();

    Link server, client;
    Role role = Role::server;
    bool connect = false;
    juce::String name;    /**< of this plugin, for others; empty: the track's, where the host tells it */
    std::uint32_t channels = MIDISOCK_ALL_CHANNELS; /**< what passes, in both directions */
    bool thru = false;    /**< keep the host's own MIDI beside what comes from the socket */
    bool monitor = false; /**< make what comes audible */
    int width = 0, height = 0; /**< of the editor; 0: its own */
    static constexpr int mostWidth = 1600, mostHeight = 1200;

    /** What the link is to be now, on a track of this name. */
    Link link (const juce::String& track) const;
    /** Of the role that is chosen. */
    Link& chosen()              { return role == Role::client ? client : server; }
    const Link& chosen() const  { return role == Role::client ? client : server; }

    /** Whether it is all the same. */
    bool operator== (const BridgeSettings&) const;

    void write (juce::MemoryBlock&) const;
    /** Leaves everything as it is where this is not what write() wrote. */
    bool read (const void* data, int size);
};
