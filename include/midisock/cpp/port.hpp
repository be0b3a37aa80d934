/* The functions of every port, and those of a port that carries messages.
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#ifndef MIDISOCK_CPP_PORT_HPP
#define MIDISOCK_CPP_PORT_HPP

#include <midisock/cpp/config.hpp>
#include <midisock/cpp/message.hpp>
#include <midisock/cpp/range.hpp>

namespace midisock {
inline namespace MIDISOCK_CPP_ABI {

/** What a port is doing. */
enum class state : std::int32_t {
    none = 0, /**< the object has no port */
    binding = MIDISOCK_STATE_BINDING,
    listening = MIDISOCK_STATE_LISTENING,
    connecting = MIDISOCK_STATE_CONNECTING,
    connected = MIDISOCK_STATE_CONNECTED,
    closed = MIDISOCK_STATE_CLOSED
};

/** Events of a port that carries messages, to wait for. `a | b` means either. */
enum class event : std::uint32_t {
    message = MIDISOCK_WAIT_MESSAGE,          /**< pop has something */
    room = MIDISOCK_WAIT_ROOM,                /**< after outcome::full: half the out queue is free */
    notification = MIDISOCK_WAIT_NOTIFICATION /**< poll_notification has something */
};
/** Either of the two. */
constexpr event operator|(event a, event b) noexcept
{
    return static_cast<event>(static_cast<std::uint32_t>(a) | static_cast<std::uint32_t>(b));
}

/** Events of a listener, to wait for. */
enum class listener_event : std::uint32_t {
    client = MIDISOCK_WAIT_CLIENT,            /**< accept has one */
    notification = MIDISOCK_WAIT_NOTIFICATION /**< poll_notification has something */
};
/** Either of the two. */
constexpr listener_event operator|(listener_event a, listener_event b) noexcept
{
    return static_cast<listener_event>(static_cast<std::uint32_t>(a) | static_cast<std::uint32_t>(b));
}

/** An event in the life of a port's connections. */
using notification = midisock_notification;
/** Counters since the port was made. */
using stats = midisock_stats;

/** The base of all roles. It owns a port of the C API, and closes it in its destructor, which is therefore [control]:
 * never destroy it in an audio callback. Ports can be moved within one role, and not copied. */
class handle {
public:
    /** A port has one owner. */
    handle(const handle &) = delete;
    /** A port has one owner. */
    handle &operator=(const handle &) = delete;

    /** Whether there is a port. */
    explicit operator bool() const noexcept { return port_ != nullptr; }
    /** The port, for calls of the C API. */
    midisock_port *get() const noexcept { return port_; }
    /** Gives up the ownership of the port. The caller must close it. */
    [[nodiscard]] midisock_port *release() noexcept { return std::exchange(port_, nullptr); }

    /** [control] Any thread. See midisock_shutdown(). */
    status shutdown() noexcept { return status(midisock_shutdown(port_)); }
    /** [control] See midisock_set_realtime_priority(). */
    status set_realtime_priority(std::uint32_t priority) noexcept
    {
        return status(midisock_set_realtime_priority(port_, priority));
    }
    /** [control] See midisock_set_name(). */
    status set_name(const char *name) noexcept { return status(midisock_set_name(port_, name)); }
    /** [control] Any thread. Durations in ns, or MIDISOCK_LATENCY_AUTO. See midisock_set_latency(). */
    status set_latency(std::uint64_t latency_ns, std::uint64_t push_latency_ns = 0) noexcept
    {
        return status(midisock_set_latency(port_, latency_ns, push_latency_ns));
    }
    /** [control] Any thread. See midisock_set_channels(). */
    status set_channels(std::uint32_t channels) noexcept { return status(midisock_set_channels(port_, channels)); }
    /** [control] Closes the port now rather than in the destructor. */
    void close() noexcept { midisock_close(std::exchange(port_, nullptr)); }

    /** See midisock_state(). */
    midisock::state state() const MIDISOCK_REALTIME { return static_cast<midisock::state>(midisock_state(port_)); }
    /** See midisock_local_port(). */
    std::uint16_t local_port() const MIDISOCK_REALTIME { return midisock_local_port(port_); }
    /** See midisock_get_stats(). */
    result<midisock::stats> stats() const MIDISOCK_REALTIME
    {
        return result<midisock::stats>::of([port = port_](midisock::stats &counters) {
            return midisock_get_stats(port, &counters, sizeof counters);
        });
    }
    /** Control: the next notification, or outcome::empty. */
    result<notification> poll_notification() noexcept
    {
        return result<notification>::of(
            [this](notification &next) { return midisock_poll_notification(port_, &next); });
    }

    /** @cond internal */
protected:
    constexpr handle() noexcept = default;
    handle(handle &&other) noexcept : port_(std::exchange(other.port_, nullptr)) {}
    handle &operator=(handle &&other) noexcept
    {
        if (this != &other) {
            midisock_close(std::exchange(port_, std::exchange(other.port_, nullptr)));
        }
        return *this;
    }
    ~handle() { midisock_close(port_); }

    /* Makes a port of a role by a C function: `call(&raw)`. */
    template <class Role, class Call> static result<Role> make(Call call) noexcept
    {
        return result<Role>::of([&call](Role &made) { return call(&made.port_); });
    }

    midisock_port *port_ = nullptr;
    /** @endcond */

    template <class Role> friend Role adopt(midisock_port *raw) noexcept;
};

/** Takes the ownership of a port of the C API, which must have that role:
 * `auto mine = midisock::adopt<midisock::server>(raw)`. */
template <class Role> Role adopt(midisock_port *raw) noexcept
{
    Role made;
    static_cast<handle &>(made).port_ = raw;
    return made;
}

/** A port that carries messages: the base of client, server and port. At any moment at most one thread pushes and at
 * most one pops. They may differ. */
class message_port : public handle {
public:
    /** Sends one whole message now. See midisock_push(). */
    status push(bytes message) MIDISOCK_REALTIME
    {
        return status(midisock_push(port_, message.data(), message.size()));
    }
    /** Sends one whole message at a time of midisock_now_ns, at most 10 s ahead. */
    status push_at(std::uint64_t time_ns, bytes message) MIDISOCK_REALTIME { return push_to(0, message, time_ns); }
    /** Drops scheduled messages, except those that end something at the peer. See midisock_cancel(). */
    status cancel() MIDISOCK_REALTIME { return status(midisock_cancel(port_)); }
    /** Takes the next message, in order of arrival. Returns outcome::empty if none waits. `out` is set on success
     * only. */
    status pop(message &out) MIDISOCK_REALTIME { return status(midisock_pop(port_, &out)); }
    /** `for (const midisock::message &m : port.messages())` takes messages until none is left. */
    message_range messages() & MIDISOCK_REALTIME { return message_range(port_); }
    /** Not for a temporary port: it would be closed before its messages are read. */
    void messages() && = delete;
    /** Throws away the messages that wait to be popped. See midisock_skip(). */
    status skip() MIDISOCK_REALTIME { return status(midisock_skip(port_)); }
    /** Any thread, always has room. Silences all peers now. */
    status panic() MIDISOCK_REALTIME { return status(midisock_panic(port_)); }
    /** Any thread, always has room. Sends All Notes Off and Reset All Controllers. */
    status reset() MIDISOCK_REALTIME { return status(midisock_reset(port_)); }

    /** Begins an audio block. Call it once per audio callback, on the popping thread. */
    block begin_block(const block_info &info) & MIDISOCK_REALTIME { return block(port_, info); }
    /** Not for a temporary port: it would be closed before its messages are read. */
    void begin_block(const block_info &info) && = delete;

    /** [control] Waits for an event. */
    status wait(event what, timeout limit = for_ever) noexcept
    {
        return status(midisock_wait(port_, static_cast<std::uint32_t>(what), limit.ms));
    }
    /** [control] A descriptor, or on Windows an event object, for another event loop. Not for event::room. See
     * midisock_wait_handle(). */
    result<std::intptr_t> wait_handle(event what) noexcept
    {
        return result<std::intptr_t>::of([&](std::intptr_t &out) {
            return midisock_wait_handle(port_, static_cast<std::uint32_t>(what), &out);
        });
    }
    /** [control] Waits until all messages that are due were handed to the system. */
    status flush(timeout limit = for_ever) noexcept { return status(midisock_flush(port_, limit.ms)); }

    /** @cond internal */
protected:
    constexpr message_port() noexcept = default;
    message_port(message_port &&) noexcept = default;
    message_port &operator=(message_port &&) noexcept = default;
    ~message_port() = default;

    status push_to(std::uint32_t client, bytes data, std::uint64_t time_ns) MIDISOCK_REALTIME
    {
        midisock_message message = {};
        message.time_ns = time_ns;
        message.data = data.data();
        message.size = data.size() > UINT32_MAX ? UINT32_MAX : static_cast<std::uint32_t>(data.size());
        message.client = client;
        return status(midisock_push_message(port_, &message));
    }
    /** @endcond */
};

} // namespace MIDISOCK_CPP_ABI
} // namespace midisock

#endif
