/* Contexts: a thread for some of the ports, or none.
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#ifndef MIDISOCK_CPP_CONTEXT_HPP
#define MIDISOCK_CPP_CONTEXT_HPP

#include <midisock/cpp/config.hpp>

namespace midisock {
inline namespace MIDISOCK_CPP_ABI {

/** midisock_context_config::mode by name. */
enum class runs : std::uint32_t {
    thread = MIDISOCK_CONTEXT_THREAD, /**< a thread runs the ports */
    host = MIDISOCK_CONTEXT_HOST      /**< the calls of the program run them, above all context::poll */
};

/** Levels of a line of midisock_context_config::log. */
enum class log_level : std::int32_t {
    error = MIDISOCK_LOG_ERROR,     /**< a port or a call does not do what it was made for */
    warning = MIDISOCK_LOG_WARNING, /**< something was lost, refused, or is tried again */
    info = MIDISOCK_LOG_INFO        /**< what happens in good order */
};

/** midisock_context_config, filled with the defaults. */
struct context_config : midisock_context_config {
    /** The defaults. */
    context_config() noexcept { midisock_context_config_init(this, sizeof(midisock_context_config)); }
    /** The defaults, and what runs the ports. */
    explicit context_config(runs value) noexcept : context_config() { mode = static_cast<std::uint32_t>(value); }
};

/** Runs ports. A port belongs to it if its config's `context` is get(). It owns a context of the C API, and destroys it
 * in its destructor, which is therefore [control]. Its ports must be closed before: declare it before them. A context
 * that still has one is not destroyed, but left to the process. */
class context {
public:
    /** No context. As a port's context it is the default one. */
    constexpr context() noexcept = default;
    /** Takes the other's context. */
    context(context &&other) noexcept : context_(other.release()) {}
    /** Destroys this one's context, and takes the other's. */
    context &operator=(context &&other) noexcept
    {
        if (this != &other) {
            (void)destroy();
            context_ = other.release();
        }
        return *this;
    }
    /** Destroys it. */
    ~context() { (void)destroy(); }

    /** [control] Makes a context. See midisock_context_create(). */
    static result<context> create(const context_config &how = {}) noexcept
    {
        return result<context>::of([&](context &made) { return midisock_context_create(&how, &made.context_); });
    }

    /** Whether there is a context. */
    explicit operator bool() const noexcept { return context_ != nullptr; }
    /** The context, for midisock_config::context and calls of the C API. */
    midisock_context *get() const noexcept { return context_; }
    /** Gives up the ownership. The caller must destroy it. */
    [[nodiscard]] midisock_context *release() noexcept { return std::exchange(context_, nullptr); }

    /** [control] Runs it once. outcome::empty if there was nothing to do. See midisock_context_poll(). */
    status poll(timeout limit = for_ever) noexcept { return status(midisock_context_poll(context_, limit.ms)); }
    /** [control] The descriptor for other loops. See midisock_context_handle(). */
    result<std::intptr_t> handle() noexcept
    {
        return result<std::intptr_t>::of(
            [this](std::intptr_t &descriptor) { return midisock_context_handle(context_, &descriptor); });
    }
    /** [control] Destroys it now rather than in the destructor. With outcome::busy nothing has happened. */
    status destroy() noexcept
    {
        const status outcome(midisock_context_destroy(context_));
        if (outcome) {
            context_ = nullptr;
        }
        return outcome;
    }

private:
    midisock_context *context_ = nullptr;
};

} // namespace MIDISOCK_CPP_ABI
} // namespace midisock

#endif
