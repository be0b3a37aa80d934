/* What the user of a plugin chooses.
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#ifndef MIDISOCK_JUCE_SETTINGS_HPP
#define MIDISOCK_JUCE_SETTINGS_HPP

#include <midisock/midisock.hpp>

#include <juce_data_structures/juce_data_structures.h>

namespace midisock {
inline namespace MIDISOCK_CPP_ABI {
namespace plugin {

/** Which end of the connection a plugin is. */
enum class role {
    server, /**< takes clients: what they send comes out merged, what is sent goes to all of them */
    client  /**< connects to a server, and again when the connection is lost */
};

/** How a link is to be. */
struct settings {
    /** Whether there is to be a link at all. */
    bool enabled = false;
    /** Server or client. */
    plugin::role role = plugin::role::server;
    /** Of a client: where to connect. Of a server: where to listen; "localhost": for this machine only; empty: every
     * interface. midi_link::apply() looks up a server's name, which may take its time; it does not with an address. */
    juce::String host = "localhost";
    /** 0 to 65535; 0 lets a server take a free one. */
    int port = 9080;
    /** Who may connect to a server: as midisock_config::allow; empty: whoever reaches it. */
    juce::String allow = {};
    /** Milliseconds from the arrival of a message to its place in the audio, at most 1000; 0: as soon as possible;
     * negative: automatic, as little as keeps the spacing of messages. */
    int latency_ms = -1;

    /** Whether the two are the same. */
    friend bool operator==(const settings &a, const settings &b)
    {
        return a.enabled == b.enabled && a.role == b.role && a.host == b.host && a.port == b.port &&
               a.allow == b.allow && a.latency_ms == b.latency_ms;
    }
    /** Whether they differ. */
    friend bool operator!=(const settings &a, const settings &b) { return !(a == b); }

    /** The type of to_tree(). */
    static juce::Identifier tree_type() { return "midisock"; }

    /** To be saved, on its own or in a plugin's own tree. */
    juce::ValueTree to_tree() const
    {
        return juce::ValueTree(tree_type(), {{"enabled", enabled},
                                             {"role", role == plugin::role::client ? "client" : "server"},
                                             {"host", host},
                                             {"port", port},
                                             {"allow", allow},
                                             {"latency_ms", latency_ms}});
    }

    /** What was saved. What is missing, or out of range, gets its default: a tree may come from anywhere. */
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
        return read;
    }

    /** Whether XML that comes from anywhere may be given to JUCE's parser: what to_tree() makes has no document type and a
     * few elements. The parser follows entities that stand for themselves, and elements in one another, until its stack
     * ends. */
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

    /** How a link makes its port: it plays live, so late is worse than lost; and a project that is loaded again waits
     * for its address until the instance before it has let it go. The result points into `allow`. */
    config to_config() const
    {
        config how;
        how.set(overflow::repair);
        how.listen_retry_ms = UINT32_MAX;
        how.reconnect_max_ms = 2000;
        how.linger_ms = 250;
        how.greet = 1;
        how.allow = allow.trim().isEmpty() ? nullptr : allow.toRawUTF8();
        how.latency_ns = latency_ms < 0 ? std::uint64_t{MIDISOCK_LATENCY_AUTO}
                                        : static_cast<std::uint64_t>(juce::jmin(latency_ms, most_latency_ms)) * 1000000u;
        return how;
    }

    /** Tags of a harmless text at most. */
    static constexpr int most_elements = 64;
    /** The most that latency_ms may be. */
    static constexpr int most_latency_ms = 1000;
};

} // namespace plugin
} // namespace MIDISOCK_CPP_ABI
} // namespace midisock

#endif
