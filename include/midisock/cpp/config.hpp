/* How a port is to behave.
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#ifndef MIDISOCK_CPP_CONFIG_HPP
#define MIDISOCK_CPP_CONFIG_HPP

#include <midisock/cpp/base.hpp>

namespace midisock {
inline namespace MIDISOCK_CPP_ABI {

/** midisock_config::overflow by name. */
enum class overflow : std::uint32_t {
    automatic = MIDISOCK_OVERFLOW_AUTO, /**< repair for servers, wait for all others */
    wait = MIDISOCK_OVERFLOW_WAIT,      /**< nothing is ever dropped */
    repair = MIDISOCK_OVERFLOW_REPAIR   /**< late is worse than lost; channel state is put right */
};

/** midisock_config::wake by name. */
enum class wake : std::uint32_t {
    tick = MIDISOCK_WAKE_TICK,    /**< push makes no system call; the network thread looks every tick_us */
    signal = MIDISOCK_WAKE_SIGNAL /**< push makes at most one, when the network thread sleeps */
};

/** midisock_config with its defaults: set its fields, or by name what has one. Whether clients are merged or accepted
 * is not set here: it is server or listener. */
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
};

/** Times to wait, in milliseconds. */
struct timeout {
    /** 0 looks once, -1 waits for ever. */
    constexpr explicit timeout(std::int32_t milliseconds) noexcept : ms(milliseconds) {}
    /** From std::chrono's durations, rounded up. What has passed already, such as a deadline less now, looks once; what is
     * longer than 24 days waits for ever. */
    template <class Duration, class = typename Duration::period>
    constexpr timeout(Duration duration) noexcept : ms(from(duration))
    {
    }
    /** As the C API takes it. */
    std::int32_t ms;

private:
    template <class Duration> static constexpr std::int32_t from(Duration duration) noexcept
    {
        using period = typename Duration::period;
        const double value = static_cast<double>(duration.count()) * 1000.0 * static_cast<double>(period::num) /
                             static_cast<double>(period::den);
        if (!(value > 0.0)) { // and what is no number
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

/** Hosts to listen at, beside names and addresses. */
inline constexpr const char *loopback = nullptr;
/** All that reaches this machine. */
inline constexpr const char *every_interface = "";

/** What connect and listen take. */
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
