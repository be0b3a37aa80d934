/* The roles of a port: client, server, listener, pair. What one does not have does not compile.
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#ifndef MIDISOCK_CPP_ROLES_HPP
#define MIDISOCK_CPP_ROLES_HPP

#include <midisock/cpp/port.hpp>

namespace midisock {
inline namespace MIDISOCK_CPP_ABI {

/** Connects to a server, in the background, and again when the connection is lost. */
class client : public port {
public:
    /** No port. */
    constexpr client() noexcept = default;

    /** Returns at once; wait_connected waits. */
    static result<client> connect(const char *host, std::uint16_t number, const config &how = {}) noexcept
    {
        midisock_port *raw = nullptr;
        const midisock_result code = midisock_connect(host, number, &how, &raw);
        return {code, client(raw)};
    }
    /** Control: until connected; out of time, why the last attempt failed. */
    status wait_connected(timeout limit = for_ever) noexcept
    {
        return status(midisock_wait_connected(port_, limit.ms));
    }

private:
    constexpr explicit client(midisock_port *raw) noexcept : port(raw) {}
};

/** The address of a client, as text. */
struct peer_address {
    /** As midisock_parse_address() takes it. */
    char text[64] = {};
};

/** Takes clients; what they send comes out merged, each message with its client's id; what is pushed goes to all. */
class server : public port {
public:
    /** No port. */
    constexpr server() noexcept = default;

    /** Control: bound and listening when it returns. See midisock_listen() for `host`; 0 takes a free port. */
    static result<server> listen(const char *host, std::uint16_t number, config how = {}) noexcept
    {
        midisock_port *raw = nullptr;
        how.accept_mode = MIDISOCK_ACCEPT_MERGED;
        const midisock_result code = midisock_listen(host, number, &how, &raw);
        return {code, server(raw)};
    }
    /** Sends to one client only. */
    status push_to(std::uint32_t client, bytes message, std::uint64_t time_ns = 0) MIDISOCK_REALTIME
    {
        // The C API takes 0 for all of them: who names a client means that one.
        return client == 0 ? status(outcome::no_such_client) : port::push_to(client, message, time_ns);
    }
    /** See midisock_client_count(). */
    std::uint32_t client_count() const MIDISOCK_REALTIME { return midisock_client_count(port_); }
    /** Control. */
    result<peer_address> client_address(std::uint32_t client) const noexcept
    {
        peer_address address;
        const midisock_result code = midisock_client_address(port_, client, address.text, sizeof address.text);
        return {code, std::move(address)};
    }
    /** Control: ends a client's connection in good order. */
    status disconnect(std::uint32_t client) noexcept { return status(midisock_disconnect(port_, client)); }

private:
    constexpr explicit server(midisock_port *raw) noexcept : port(raw) {}
};

/** Takes clients and hands each over as a port of its own. */
class listener : public handle {
public:
    /** No port. */
    constexpr listener() noexcept = default;

    /** Control: bound and listening when it returns. See midisock_listen() for `host`; 0 takes a free port. */
    static result<listener> listen(const char *host, std::uint16_t number, config how = {}) noexcept
    {
        midisock_port *raw = nullptr;
        how.accept_mode = MIDISOCK_ACCEPT_MANUAL;
        const midisock_result code = midisock_listen(host, number, &how, &raw);
        return {code, listener(raw)};
    }
    /** Control: the next client; with at_once, outcome::empty where there is none. */
    result<port> accept(timeout limit = for_ever) noexcept
    {
        midisock_port *raw = nullptr;
        const midisock_result code = midisock_accept(port_, limit.ms, &raw);
        return {code, port::adopt(raw)};
    }
    /** See midisock_client_count(). */
    std::uint32_t client_count() const MIDISOCK_REALTIME { return midisock_client_count(port_); }
    /** Control. */
    status wait(listener_event what, timeout limit = for_ever) noexcept
    {
        return status(midisock_wait(port_, static_cast<std::uint32_t>(what), limit.ms));
    }

private:
    constexpr explicit listener(midisock_port *raw) noexcept : handle(raw) {}
};

/** Two ports joined in memory: what is pushed into one is popped from the other. */
struct pair {
    /** One end. */
    port a;
    /** The other. */
    port b;

    /** Control. */
    static result<pair> make(const config &how = {}) noexcept
    {
        midisock_port *first = nullptr;
        midisock_port *second = nullptr;
        const midisock_result code = midisock_pair(&how, &first, &second);
        return {code, pair{port::adopt(first), port::adopt(second)}};
    }
};

} // namespace MIDISOCK_CPP_ABI
} // namespace midisock

#endif
