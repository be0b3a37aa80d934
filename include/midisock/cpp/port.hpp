/* Ports that own themselves: what every port can do, and what a port that carries messages can.
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
    none = 0, /**< of an object without a port */
    binding = MIDISOCK_STATE_BINDING,
    listening = MIDISOCK_STATE_LISTENING,
    connecting = MIDISOCK_STATE_CONNECTING,
    connected = MIDISOCK_STATE_CONNECTED,
    closed = MIDISOCK_STATE_CLOSED
};

/** What to wait for at a port that carries messages; `a | b` is either. */
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

/** What to wait for at a listener. */
enum class listener_event : std::uint32_t {
    client = MIDISOCK_WAIT_CLIENT,            /**< accept has one */
    notification = MIDISOCK_WAIT_NOTIFICATION /**< poll_notification has something */
};
/** Either of the two. */
constexpr listener_event operator|(listener_event a, listener_event b) noexcept
{
    return static_cast<listener_event>(static_cast<std::uint32_t>(a) | static_cast<std::uint32_t>(b));
}

/** Something that happened to a port's connections. */
using notification = midisock_notification;
/** Counters since the port was made. */
using stats = midisock_stats;

/** What every port can do: it owns one of the C API, which is closed with the object. That is control, never in an audio
 * callback. Ports are moved, not copied, and by their own type only: one of another role is never put into their place. */
class handle {
public:
    /** A port has one owner. */
    handle(const handle &) = delete;
    /** A port has one owner. */
    handle &operator=(const handle &) = delete;

    /** Whether there is a port. */
    explicit operator bool() const noexcept { return port_ != nullptr; }
    /** For calls of the C API. */
    midisock_port *get() const noexcept { return port_; }
    /** Gives the port away: whoever takes it closes it. */
    [[nodiscard]] midisock_port *release() noexcept { return std::exchange(port_, nullptr); }

    /** Any thread, does not block: later calls and those waiting now give outcome::closed. */
    status shutdown() noexcept { return status(midisock_shutdown(port_)); }
    /** Control: see midisock_set_realtime_priority(). */
    status set_realtime_priority(std::uint32_t priority) noexcept
    {
        return status(midisock_set_realtime_priority(port_, priority));
    }
    /** Control: ends the port now, not with the object. */
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

    /* Each role is made by one of the C functions: `call(&raw)`. */
    template <class Role, class Call> static result<Role> make(Call call) noexcept
    {
        return result<Role>::of([&call](Role &made) { return call(&made.port_); });
    }

    midisock_port *port_ = nullptr;
    /** @endcond */

    template <class Role> friend Role adopt(midisock_port *raw) noexcept;
};

/** Takes over a port of the C API, which is of that role: `auto mine = midisock::adopt<midisock::server>(raw)`. */
template <class Role> Role adopt(midisock_port *raw) noexcept
{
    Role made;
    static_cast<handle &>(made).port_ = raw;
    return made;
}

/** A port that carries messages, of whatever role: what client, server and port have in common. At any moment at most one
 * thread pushes and at most one pops; they may differ. */
class message_port : public handle {
public:
    /** Sends one whole message, now, whole or not at all. */
    status push(bytes message) MIDISOCK_REALTIME
    {
        return status(midisock_push(port_, message.data(), message.size()));
    }
    /** The same at a time of midisock_now_ns, at most 10 s ahead. */
    status push_at(std::uint64_t time_ns, bytes message) MIDISOCK_REALTIME { return push_to(0, message, time_ns); }
    /** Forgets what was pushed with a time ahead, but not what ends something at the peer. */
    status cancel() MIDISOCK_REALTIME { return status(midisock_cancel(port_)); }
    /** The next message, in order of arrival, or outcome::empty. It lies in `out` on success only. */
    status pop(message &out) MIDISOCK_REALTIME { return status(midisock_pop(port_, &out)); }
    /** `for (const midisock::message &m : port.messages())`: takes what has arrived until nothing is left. */
    message_range messages() & MIDISOCK_REALTIME { return message_range(port_); }
    /** The port would be gone before its messages are looked at. */
    void messages() && = delete;
    /** Throws away what waits to be popped. */
    status skip() MIDISOCK_REALTIME { return status(midisock_skip(port_)); }
    /** Any thread, never full: silence, now. */
    status panic() MIDISOCK_REALTIME { return status(midisock_panic(port_)); }
    /** Any thread, never full: all notes off, controllers reset. */
    status reset() MIDISOCK_REALTIME { return status(midisock_reset(port_)); }

    /** Once for each audio callback, on the thread that pops. */
    block begin_block(const block_info &info) & MIDISOCK_REALTIME { return block(port_, info); }
    /** The port would be gone before its messages are looked at. */
    void begin_block(const block_info &info) && = delete;

    /** Control. */
    status wait(event what, timeout limit = for_ever) noexcept
    {
        return status(midisock_wait(port_, static_cast<std::uint32_t>(what), limit.ms));
    }
    /** Control: until all that is due has been handed to the system. */
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
