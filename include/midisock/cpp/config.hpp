/* The configuration of a port, and time limits.
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#ifndef MIDISOCK_CPP_CONFIG_HPP
#define MIDISOCK_CPP_CONFIG_HPP

#include <midisock/cpp/base.hpp>

namespace midisock {
inline namespace MIDISOCK_CPP_ABI {

/** midisock_config::overflow by name. */
enum class overflow : std::uint32_t {
    automatic = MIDISOCK_OVERFLOW_AUTO, /**< repair for servers, wait for all other ports */
    wait = MIDISOCK_OVERFLOW_WAIT,      /**< nothing is dropped for want of room */
    repair = MIDISOCK_OVERFLOW_REPAIR   /**< late is worse than lost; the channel state is restored */
};

/** midisock_config::wake by name. */
enum class wake : std::uint32_t {
    tick = MIDISOCK_WAKE_TICK,    /**< a push makes no system call; the network thread polls */
    signal = MIDISOCK_WAKE_SIGNAL /**< a push makes at most one, while the network thread sleeps */
};

/** midisock_config::timing by name. */
enum class timing : std::uint32_t {
    arrival = MIDISOCK_TIMING_ARRIVAL, /**< messages have the time at which they arrived */
    sender = MIDISOCK_TIMING_SENDER    /**< messages have the time at which the sender meant them, if the peer tells it */
};

/** midisock_config, filled with the defaults. Set its fields, or use the functions for values with names. accept_mode
 * has no effect: the classes server and listener set it. */
struct config : midisock_config {
    /** The defaults. */
    config() noexcept { midisock_config_init(this, sizeof(midisock_config)); }

    /** Sets midisock_config::overflow. */
    config &set(midisock::overflow value) noexcept
    {
        midisock_config::overflow = static_cast<std::uint32_t>(value);
        return *this;
    }
    /** Sets midisock_config::wake. */
    config &set(midisock::wake value) noexcept
    {
        midisock_config::wake = static_cast<std::uint32_t>(value);
        return *this;
    }
    /** Sets midisock_config::timing. */
    config &set(midisock::timing value) noexcept
    {
        midisock_config::timing = static_cast<std::uint32_t>(value);
        return *this;
    }
};

/** A time limit, in milliseconds. */
struct timeout {
    /** 0 checks once, -1 waits without limit. */
    constexpr explicit timeout(std::int32_t milliseconds) noexcept : ms(milliseconds) {}
    /** From a duration of std::chrono, rounded up. A negative duration checks once. A duration of more than 24 days
     * waits without limit. */
    template <class Duration, class = typename Duration::period>
    constexpr timeout(Duration duration) noexcept : ms(from(duration))
    {
    }
    /** The value for the C API. */
    std::int32_t ms;

private:
    template <class Duration> static constexpr std::int32_t from(Duration duration) noexcept
    {
        using period = typename Duration::period;
        const double value = static_cast<double>(duration.count()) * 1000.0 * static_cast<double>(period::num) /
                             static_cast<double>(period::den);
        if (!(value > 0.0)) { // and NaN
            return 0;
        }
        if (value >= 2147483647.0) {
            return -1;
        }
        const auto whole = static_cast<std::int32_t>(value);
        return static_cast<double>(whole) < value ? whole + 1 : whole;
    }
};

/** Does not wait. */
inline constexpr timeout at_once{0};
/** Waits without limit. */
inline constexpr timeout for_ever{-1};

/** As the host of a server: this machine only. */
inline constexpr const char *loopback = nullptr;
/** As the host of a server: every interface. */
inline constexpr const char *every_interface = "";

/** A host and a port number. */
struct address {
    /** A name or an IP address; empty for every interface. */
    char host[256];
    /** The number of the port. */
    std::uint16_t port;
};
/** Splits "host:port"; see midisock_parse_address(). */
inline result<address> parse_address(const char *text) noexcept
{
    return result<address>::of([text](address &parsed) {
        return midisock_parse_address(text, parsed.host, sizeof parsed.host, &parsed.port);
    });
}

} // namespace MIDISOCK_CPP_ABI
} // namespace midisock

#endif
