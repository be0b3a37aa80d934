/* Servers on the network: a browser, and what it finds.
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#ifndef MIDISOCK_CPP_BROWSER_HPP
#define MIDISOCK_CPP_BROWSER_HPP

#include <midisock/cpp/config.hpp>

namespace midisock {
inline namespace MIDISOCK_CPP_ABI {

/** midisock_service::kind by name. */
enum class service_kind : std::int32_t {
    none = 0,                            /**< nothing yet */
    found = MIDISOCK_SERVICE_FOUND,      /**< a server has come */
    changed = MIDISOCK_SERVICE_CHANGED,  /**< it has another address or port */
    lost = MIDISOCK_SERVICE_LOST         /**< it has gone */
};

/** A server on the network: its name, host and address are text that ends with NUL. */
struct service : midisock_service {
    /** Nothing yet. */
    constexpr service() noexcept : midisock_service() {}
    /** What has happened. */
    service_kind what() const noexcept { return static_cast<service_kind>(kind); }
};

/** Looks for servers with midisock_config::advertise on the network, until it is destroyed. All its functions are
 * [control]. */
class browser final {
public:
    /** No browser. */
    constexpr browser() noexcept = default;
    /** A browser has one owner. */
    browser(browser &&other) noexcept : browser_(std::exchange(other.browser_, nullptr)) {}
    /** A browser has one owner. */
    browser &operator=(browser &&other) noexcept
    {
        if (this != &other) {
            midisock_browser_close(std::exchange(browser_, std::exchange(other.browser_, nullptr)));
        }
        return *this;
    }
    ~browser() { midisock_browser_close(browser_); }

    /** Starts to look. See midisock_browse(). */
    static result<browser> browse() noexcept
    {
        return result<browser>::of([](browser &made) { return midisock_browse(&made.browser_); });
    }

    /** Whether there is a browser. */
    explicit operator bool() const noexcept { return browser_ != nullptr; }
    /** The browser, for calls of the C API. */
    midisock_browser *get() const noexcept { return browser_; }
    /** The next change, or outcome::empty. */
    result<service> next() noexcept
    {
        return result<service>::of([this](service &change) {
            return midisock_browser_next(browser_, &change, sizeof(midisock_service));
        });
    }
    /** Waits for a change. */
    status wait(timeout limit = for_ever) noexcept { return status(midisock_browser_wait(browser_, limit.ms)); }
    /** Closes it now rather than in the destructor. */
    void close() noexcept { midisock_browser_close(std::exchange(browser_, nullptr)); }

private:
    midisock_browser *browser_ = nullptr;
};

} // namespace MIDISOCK_CPP_ABI
} // namespace midisock

#endif
