/* The servers on the network, for a list to choose from.
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#ifndef MIDISOCK_JUCE_SERVICES_HPP
#define MIDISOCK_JUCE_SERVICES_HPP

#include <midisock/juce/settings.hpp>

#include <algorithm>
#include <vector>

namespace midisock {
inline namespace MIDISOCK_CPP_ABI {
namespace plugin {

/** A server on the network. */
struct found_server {
    /** Its name, which no other one has. */
    juce::String name = {};
    /** The name of its machine. */
    juce::String host = {};
    /** Where midi_link connects to it. */
    juce::String address = {};
    /** Its port number. */
    int port = 0;

    /** The settings of a client of this server, with sender time. The others stay as they are. */
    settings chosen(settings from) const
    {
        from.role = role::client;
        from.host = address;
        from.port = port;
        from.sender_time = true;
        return from;
    }
};

/** The servers on the network with settings::advertise, as they come and go. It sends nothing to the network before start().
 * For the message thread, or any other thread that is not an audio thread; one at a time. */
class service_list {
public:
    /** Starts to look. Returns outcome::unsupported in a build without discovery. */
    midisock::status start()
    {
        if (browser_) {
            return {};
        }
        result<browser> made = browser::browse();
        if (made) {
            browser_ = std::move(*made);
        }
        return made.error();
    }

    /** Looks no more, and forgets what was found. */
    void stop()
    {
        browser_.close();
        servers_.clear();
    }

    /** Whether it looks. */
    bool is_running() const { return static_cast<bool>(browser_); }

    /** Brings the list up to date. Call it from a timer. Returns whether the list has changed. */
    bool poll()
    {
        bool changed = false;
        while (browser_) {
            const result<service> next = browser_.next();
            if (!next) {
                break;
            }
            take(*next);
            changed = true;
        }
        return changed;
    }

    /** The servers, in the order of their names. */
    const std::vector<found_server> &servers() const { return servers_; }

    /** Takes a change, as poll() does. */
    void take(const service &change)
    {
        const juce::String name = text(change.name);
        const auto is = [&](const found_server &server) { return server.name == name; };
        servers_.erase(std::remove_if(servers_.begin(), servers_.end(), is), servers_.end());
        if (change.what() == service_kind::lost) {
            return;
        }
        found_server server;
        server.name = name;
        server.host = text(change.host);
        server.address = text(change.address);
        server.port = change.port;
        const auto before = [](const found_server &a, const found_server &b) {
            return a.name.compareNatural(b.name) < 0;
        };
        servers_.insert(std::upper_bound(servers_.begin(), servers_.end(), server, before), server);
    }

private:
    static juce::String text(const char *utf8) { return juce::String(juce::CharPointer_UTF8(utf8)); }

    browser browser_;
    std::vector<found_server> servers_;
};

} // namespace plugin
} // namespace MIDISOCK_CPP_ABI
} // namespace midisock

#endif
