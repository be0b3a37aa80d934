/* The roles of a port: client, server, listener, port, pair. A call that a role does not have does not compile.
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#ifndef MIDISOCK_CPP_ROLES_HPP
#define MIDISOCK_CPP_ROLES_HPP

#include <midisock/cpp/clients.hpp>
#include <midisock/cpp/port.hpp>

namespace midisock {
inline namespace MIDISOCK_CPP_ABI {

/** The address of a peer or a client, as text. */
struct peer_address {
    /** As midisock_parse_address() takes it. */
    char text[64];
};

/** The name that a peer or a client told, as text. */
struct peer_name {
    /** UTF-8; empty if it told none. */
    char text[64];
};

/** An accepted client, an adopted socket or one of a pair; also any other port that carries messages, if its role does not
 * matter. */
class port final : public message_port {
public:
    /** No port. */
    constexpr port() noexcept = default;
    /** From any port that carries messages. */
    port(message_port &&other) noexcept : message_port(std::move(other)) {}
    /** [control] Makes a port of a connected stream socket. On an error the socket stays the caller's. See
     * midisock_adopt(). */
    static result<port> adopt_socket(std::intptr_t socket, const config &how = {}) noexcept
    {
        return make<port>([&](midisock_port **raw) { return midisock_adopt(socket, &how, raw); });
    }
    /** [control] Returns the address of the peer; empty without one. On a pair, and on a server, outcome::wrong_role. */
    result<midisock::peer_address> peer_address() const noexcept
    {
        return result<midisock::peer_address>::of([&](midisock::peer_address &address) {
            return midisock_peer_address(port_, address.text, sizeof address.text);
        });
    }
    /** [control] Returns the name that the peer told. See midisock_peer_name(). */
    result<midisock::peer_name> peer_name() const noexcept
    {
        return result<midisock::peer_name>::of([&](midisock::peer_name &name) {
            return midisock_peer_name(port_, name.text, sizeof name.text);
        });
    }
};

/** Connects to a server, in the background, and again when the connection is lost. */
class client final : public message_port {
public:
    /** Returns at once; wait_connected waits. */
    static result<client> connect(const char *host, std::uint16_t number, const config &how = {}) noexcept
    {
        return make<client>([&](midisock_port **raw) { return midisock_connect(host, number, &how, raw); });
    }
    /** [control] Waits until connected. If the time limit passes, it returns why the last attempt failed. */
    status wait_connected(timeout limit = for_ever) noexcept
    {
        return status(midisock_wait_connected(port_, limit.ms));
    }
    /** [control] Returns the address of the server; empty without a connection. */
    result<midisock::peer_address> peer_address() const noexcept
    {
        return result<midisock::peer_address>::of([&](midisock::peer_address &address) {
            return midisock_peer_address(port_, address.text, sizeof address.text);
        });
    }
    /** [control] Returns the name that the server told. See midisock_peer_name(). */
    result<midisock::peer_name> peer_name() const noexcept
    {
        return result<midisock::peer_name>::of([&](midisock::peer_name &name) {
            return midisock_peer_name(port_, name.text, sizeof name.text);
        });
    }
};

/** Accepts clients. Their messages come out merged, each with its client's id. Pushed messages go to all clients. */
class server final : public message_port {
public:
    /** [control] Binds and listens. See midisock_listen(). */
    static result<server> listen(const char *host, std::uint16_t number, config how = {}) noexcept
    {
        how.accept_mode = MIDISOCK_ACCEPT_MERGED;
        return make<server>([&](midisock_port **raw) { return midisock_listen(host, number, &how, raw); });
    }
    /** Sends a message to one client. */
    status push_to(std::uint32_t client, bytes message, std::uint64_t time_ns = 0) MIDISOCK_REALTIME
    {
        // In the C API 0 means all clients, which is not what a caller who names one wants.
        return client == 0 ? status(outcome::no_such_client) : message_port::push_to(client, message, time_ns);
    }
    /** See midisock_client_count(). */
    std::uint32_t client_count() const MIDISOCK_REALTIME { return midisock_client_count(port_); }
    /** [control] Returns the address of a client. */
    result<peer_address> client_address(std::uint32_t client) const noexcept
    {
        return result<peer_address>::of([&](peer_address &address) {
            return midisock_client_address(port_, client, address.text, sizeof address.text);
        });
    }
    /** [control] Returns the name that a client told. See midisock_client_name(). */
    result<peer_name> client_name(std::uint32_t client) const noexcept
    {
        return result<peer_name>::of([&](peer_name &name) {
            return midisock_client_name(port_, client, name.text, sizeof name.text);
        });
    }
    /** [control] `for (std::uint32_t client : server.clients())`: the ids, in the order in which the clients connected. */
    client_list clients() const noexcept { return client_list(port_); }
    /** [control] Changes who may connect; nullptr: everybody. See midisock_set_allow(). */
    status set_allow(const char *allow) noexcept { return status(midisock_set_allow(port_, allow)); }
    /** [control] Disconnects a client in good order. */
    status disconnect(std::uint32_t client) noexcept { return status(midisock_disconnect(port_, client)); }
};

/** Accepts clients, and returns each as a port of its own. */
class listener final : public handle {
public:
    /** [control] Binds and listens. See midisock_listen(). */
    static result<listener> listen(const char *host, std::uint16_t number, config how = {}) noexcept
    {
        how.accept_mode = MIDISOCK_ACCEPT_MANUAL;
        return make<listener>([&](midisock_port **raw) { return midisock_listen(host, number, &how, raw); });
    }
    /** [control] Returns the next client. With at_once it returns outcome::empty if none waits. */
    result<port> accept(timeout limit = for_ever) noexcept
    {
        return make<port>([&](midisock_port **raw) { return midisock_accept(port_, limit.ms, raw); });
    }
    /** See midisock_client_count(). */
    std::uint32_t client_count() const MIDISOCK_REALTIME { return midisock_client_count(port_); }
    /** [control] Waits for an event. */
    status wait(listener_event what, timeout limit = for_ever) noexcept
    {
        return status(midisock_wait(port_, static_cast<std::uint32_t>(what), limit.ms));
    }
    /** [control] Changes who may connect, accepted ports included; nullptr: everybody. See midisock_set_allow(). */
    status set_allow(const char *allow) noexcept { return status(midisock_set_allow(port_, allow)); }
    /** [control] A descriptor, or on Windows an event object, for another event loop. See midisock_wait_handle(). */
    result<std::intptr_t> wait_handle(listener_event what) noexcept
    {
        return result<std::intptr_t>::of([&](std::intptr_t &out) {
            return midisock_wait_handle(port_, static_cast<std::uint32_t>(what), &out);
        });
    }
};

/** [control] Waits until an event has come on one of the ports, or one is closed (outcome::closed). `index` is the
 * index of that port. */
template <class... Ports>
status wait_any(std::size_t &index, event what, timeout limit, const Ports &...ports) noexcept
{
    static_assert((std::is_base_of_v<message_port, Ports> && ...), "ports that carry messages");
    midisock_port *const raw[] = {ports.get()...};
    return status(midisock_wait_any(raw, sizeof...(ports), static_cast<std::uint32_t>(what), limit.ms, &index));
}

/** Two ports joined in memory: a message that is pushed into one is popped from the other. */
struct pair {
    /** One end. */
    port a;
    /** The other. */
    port b;

    /** [control] Makes a pair. */
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
