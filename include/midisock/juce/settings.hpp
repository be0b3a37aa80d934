/* The settings of a plugin's link.
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#ifndef MIDISOCK_JUCE_SETTINGS_HPP
#define MIDISOCK_JUCE_SETTINGS_HPP

#include <midisock/midisock.hpp>

#include <juce_data_structures/juce_data_structures.h>

namespace midisock {
inline namespace MIDISOCK_CPP_ABI {
namespace plugin {

/** The role of a plugin. */
enum class role {
    server, /**< accepts clients, merges their messages, and sends to all of them */
    client  /**< connects to a server, and connects again when the connection is lost */
};

/** The settings of a link. */
struct settings {
    /** Whether the link is on. */
    bool enabled = false;
    /** Server or client. */
    plugin::role role = plugin::role::server;
    /** Where a client connects, or where a server listens: "localhost" for this machine only, empty for every
     * interface. midi_link::apply() waits for the look-up of a server's name; an address needs none. */
    juce::String host = "localhost";
    /** The port number, 0 to 65535. 0 lets a server take a free one. */
    int port = 9080;
    /** The addresses that may connect to a server, as in midisock_config::allow. Empty: any. */
    juce::String allow = {};
    /** Milliseconds from the arrival of a message to its place in the audio, at most 1000. 0: as soon as possible.
     * Negative: automatic, the least delay that keeps the spacing of messages. */
    int latency_ms = -1;
    /** Whether a client asks its server for the time of each message (midisock_config::timing). A server needs no
     * setting: it answers a client that asks. */
    bool sender_time = false;
    /** The name of the plugin for the people at the other end (midisock_config::name). Empty: none. Control characters,
     * and what is beyond 63 bytes, are left out. */
    juce::String name = {};
    /** Whether others on the network can find a server by its name (midisock_config::advertise). */
    bool advertise = false;
    /** Whether a server shares its address with the other links of the program that set this (midisock_config::share), as
     * the instances of a plugin do. It is left out where the port is 0 or the host a Unix socket. */
    bool share = false;
    /** The channels that pass in both directions, and system messages: the bits of midisock_config::channels. */
    std::uint32_t channels = MIDISOCK_ALL_CHANNELS;

    /** Whether all settings are equal. */
    friend bool operator==(const settings &a, const settings &b)
    {
        return a.enabled == b.enabled && a.role == b.role && a.host == b.host && a.port == b.port &&
               a.allow == b.allow && a.latency_ms == b.latency_ms && a.sender_time == b.sender_time && a.name == b.name &&
               a.advertise == b.advertise && a.share == b.share && a.channels == b.channels;
    }
    /** Whether any setting differs. */
    friend bool operator!=(const settings &a, const settings &b) { return !(a == b); }

    /** Whether a port with the settings `other` can be changed to these without closing it. */
    bool has_same_connection(const settings &other) const
    {
        return enabled == other.enabled && role == other.role && host == other.host && port == other.port &&
               (role == plugin::role::server ? advertise == other.advertise && share == other.share
                                             : sender_time == other.sender_time);
    }

    /** The type of to_tree(). */
    static juce::Identifier tree_type() { return "midisock"; }

    /** The settings as a tree, to be saved alone or in a plugin's own tree. */
    juce::ValueTree to_tree() const
    {
        return juce::ValueTree(tree_type(), {{"enabled", enabled},
                                             {"role", role == plugin::role::client ? "client" : "server"},
                                             {"host", host},
                                             {"port", port},
                                             {"allow", allow},
                                             {"latency_ms", latency_ms},
                                             {"sender_time", sender_time},
                                             {"name", name},
                                             {"advertise", advertise},
                                             {"share", share},
                                             {"channels", static_cast<int>(channels)}});
    }

    /** Reads saved settings. A setting that is missing or out of range has its default, since a tree may be of unknown
     * origin. */
    static settings from_tree(const juce::ValueTree &tree)
    {
        settings read;
        if (!tree.hasType(tree_type())) {
            return read;
        }
        const int port = tree.getProperty("port", read.port);
        const int latency = tree.getProperty("latency_ms", read.latency_ms);
        read.enabled = tree.getProperty("enabled", read.enabled);
        read.role = tree.getProperty("role").toString() == "client" ? plugin::role::client : plugin::role::server;
        read.host = tree.getProperty("host", read.host).toString();
        read.port = port >= 0 && port <= 65535 ? port : read.port;
        read.allow = tree.getProperty("allow", read.allow).toString();
        read.latency_ms = latency <= most_latency_ms ? juce::jmax(-1, latency) : read.latency_ms;
        read.sender_time = tree.getProperty("sender_time", read.sender_time);
        read.name = valid_name(tree.getProperty("name", read.name).toString());
        read.advertise = tree.getProperty("advertise", read.advertise);
        read.share = tree.getProperty("share", read.share);
        read.channels = valid_channels(tree["channels"]);
        return read;
    }

    /** Whether XML of unknown origin may be given to JUCE's parser. The parser follows recursive entities and nested
     * elements until its stack overflows. The XML of to_tree() has no document type and few elements. */
    static bool is_harmless(const void *data, std::size_t size) noexcept
    {
        const auto *text = static_cast<const char *>(data);
        int elements = 0;
        for (std::size_t i = 0; i < size; i++) {
            if (text[i] == '<' && (++elements > most_elements || (i + 1 < size && text[i + 1] == '!'))) {
                return false;
            }
        }
        return true;
    }

    /** The configuration of the link's port. It repairs, because late is worse than lost in live playing. It keeps
     * trying to bind, because a project that is loaded again needs the address of the instance before. The result
     * points into `allow` and `name`, which must be a valid_name(). */
    config to_config() const
    {
        config how;
        how.set(overflow::repair);
        how.listen_retry_ms = UINT32_MAX;
        how.reconnect_max_ms = 2000;
        how.linger_ms = 250;
        how.greet = 1;
        how.traffic_class = expedited_forwarding;
        how.allow = allow_list();
        how.latency_ns = latency_ns();
        how.set(sender_time ? timing::sender : timing::arrival);
        how.name = name.isEmpty() ? nullptr : name.toRawUTF8();
        how.advertise = advertise && role == plugin::role::server ? 1 : 0;
        how.channels = channels & MIDISOCK_ALL_CHANNELS;
        how.share = share && role == plugin::role::server && port != 0 && !host.trim().startsWith("unix:") ? 1 : 0;
        return how;
    }

    /** A name without control characters, cut to 63 bytes of UTF-8: what midisock_config::name takes. */
    static juce::String valid_name(const juce::String &text)
    {
        juce::String valid;
        std::size_t bytes = 0;
        for (auto at = text.getCharPointer(); !at.isEmpty();) {
            const juce::juce_wchar character = at.getAndAdvance();
            const std::size_t size = juce::CharPointer_UTF8::getBytesRequiredFor(character);
            if (character < 0x20 || (character >= 0x7F && character < 0xA0)) {
                continue;
            }
            bytes += size;
            if (bytes > most_name_bytes) {
                break;
            }
            valid += character;
        }
        return valid;
    }

    /** Saved channels, or all where there are none or they are no valid number. */
    static std::uint32_t valid_channels(const juce::var &saved)
    {
        const juce::String text = saved.toString();
        const bool is_number = text.isNotEmpty() && text.length() < 8 && text.containsOnly("0123456789");
        const auto bits = static_cast<std::uint32_t>(is_number ? text.getIntValue() : -1);
        return bits <= MIDISOCK_ALL_CHANNELS ? bits : MIDISOCK_ALL_CHANNELS;
    }

    /** midisock_config::allow. It points into `allow`. */
    const char *allow_list() const { return allow.trim().isEmpty() ? nullptr : allow.toRawUTF8(); }

    /** midisock_config::latency_ns. */
    std::uint64_t latency_ns() const
    {
        return latency_ms < 0 ? std::uint64_t{MIDISOCK_LATENCY_AUTO}
                              : static_cast<std::uint64_t>(juce::jmin(latency_ms, most_latency_ms)) * 1000000u;
    }

    /** The most tags of a harmless text. */
    static constexpr int most_elements = 64;
    /** The traffic class (DSCP) of live audio, see midisock_config::traffic_class. */
    static constexpr std::uint32_t expedited_forwarding = 46;
    /** The longest name, in bytes. */
    static constexpr std::size_t most_name_bytes = 63;
    /** The most that latency_ms may be. */
    static constexpr int most_latency_ms = 1000;
};

} // namespace plugin
} // namespace MIDISOCK_CPP_ABI
} // namespace midisock

#endif
