/* The roles of a port: client, server, listener, port, pair. What one does not have does not compile.
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#ifndef MIDISOCK_CPP_ROLES_HPP
#define MIDISOCK_CPP_ROLES_HPP

#include <midisock/cpp/port.hpp>

namespace midisock {
inline namespace MIDISOCK_CPP_ABI {

/** An accepted client, or one of a pair; and what a client or a server may be kept as, where its role does not matter. */
class port final : public message_port {
public:
    /** No port. */
    constexpr port() noexcept = default;
    /** Takes over what carries messages, of whatever role. */
    port(message_port &&other) noexcept : message_port(std::move(other)) {}
};

/** Connects to a server, in the background, and again when the connection is lost. */
class client final : public message_port {
public:
    /** Returns at once; wait_connected waits. */
    static result<client> connect(const char *host, std::uint16_t number, const config &how = {}) noexcept
    {
        return make<client>([&](midisock_port **raw) { return midisock_connect(host, number, &how, raw); });
    }
    /** Control: until connected; out of time, why the last attempt failed. */
    status wait_connected(timeout limit = for_ever) noexcept
    {
        return status(midisock_wait_connected(port_, limit.ms));
    }
};

/** The address of a client, as text. */
struct peer_address {
    /** As midisock_parse_address() takes it. */
    char text[64];
};

/** Takes clients; what they send comes out merged, each message with its client's id; what is pushed goes to all. */
class server final : public message_port {
public:
    /** Control: bound and listening when it returns. See midisock_listen() for `host`; 0 takes a free port. */
    static result<server> listen(const char *host, std::uint16_t number, config how = {}) noexcept
    {
        how.accept_mode = MIDISOCK_ACCEPT_MERGED;
        return make<server>([&](midisock_port **raw) { return midisock_listen(host, number, &how, raw); });
    }
    /** Sends to one client only. */
    status push_to(std::uint32_t client, bytes message, std::uint64_t time_ns = 0) MIDISOCK_REALTIME
    {
        // The C API takes 0 for all of them: who names a client means that one.
        return client == 0 ? status(outcome::no_such_client) : message_port::push_to(client, message, time_ns);
    }
    /** See midisock_client_count(). */
    std::uint32_t client_count() const MIDISOCK_REALTIME { return midisock_client_count(port_); }
    /** Control. */
    result<peer_address> client_address(std::uint32_t client) const noexcept
    {
        return result<peer_address>::of([&](peer_address &address) {
            return midisock_client_address(port_, client, address.text, sizeof address.text);
        });
    }
    /** Control: ends a client's connection in good order. */
    status disconnect(std::uint32_t client) noexcept { return status(midisock_disconnect(port_, client)); }
};

/** Takes clients and hands each over as a port of its own. */
class listener final : public handle {
public:
    /** Control: bound and listening when it returns. See midisock_listen() for `host`; 0 takes a free port. */
    static result<listener> listen(const char *host, std::uint16_t number, config how = {}) noexcept
    {
        how.accept_mode = MIDISOCK_ACCEPT_MANUAL;
        return make<listener>([&](midisock_port **raw) { return midisock_listen(host, number, &how, raw); });
    }
    /** Control: the next client; with at_once, outcome::empty where there is none. */
    result<port> accept(timeout limit = for_ever) noexcept
    {
        return make<port>([&](midisock_port **raw) { return midisock_accept(port_, limit.ms, raw); });
    }
    /** See midisock_client_count(). */
    std::uint32_t client_count() const MIDISOCK_REALTIME { return midisock_client_count(port_); }
    /** Control. */
    status wait(listener_event what, timeout limit = for_ever) noexcept
    {
        return status(midisock_wait(port_, static_cast<std::uint32_t>(what), limit.ms));
    }
};

/** Control: until one of the ports has what is waited for, or has ended (outcome::closed); `index` tells which, counted
 * from 0. */
template <class... Ports>
status wait_any(std::size_t &index, event what, timeout limit, const Ports &...ports) noexcept
{
    static_assert((std::is_base_of_v<message_port, Ports> && ...), "ports that carry messages");
    midisock_port *const raw[] = {ports.get()...};
    return status(midisock_wait_any(raw, sizeof...(ports), static_cast<std::uint32_t>(what), limit.ms, &index));
}

/** Two ports joined in memory: what is pushed into one is popped from the other. */
struct pair {
    /** One end. */
    port a;
    /** The other. */
    port b;

    /** Control. */
    static result<pair> make(const config &how = {}) noexcept
    {
        return result<pair>::of([&](pair &made) {
            midisock_port *first = nullptr;
            midisock_port *second = nullptr;
            const midisock_result code = midisock_pair(&how, &first, &second);
            made.a = adopt<port>(first);
            made.b = adopt<port>(second);
            return code;
        });
    }
};

} // namespace MIDISOCK_CPP_ABI
} // namespace midisock

#endif
