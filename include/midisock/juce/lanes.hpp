/* How ports reach the audio thread, and come back to be closed.
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#ifndef MIDISOCK_JUCE_LANES_HPP
#define MIDISOCK_JUCE_LANES_HPP

#include <midisock/midisock.hpp>

#include <atomic>
#include <utility>

namespace midisock {
inline namespace MIDISOCK_CPP_ABI {
namespace plugin {

/** Hands ports from the message thread to the audio thread and back. Neither waits for the other: the audio thread takes
 * the newest port at its next block, and gives back the port before, which the message thread closes. */
class lanes {
public:
    /** No port. It allocates nothing. */
    lanes() = default;
    /** Lanes can be neither copied nor moved. */
    lanes(const lanes &) = delete;
    /** Lanes can be neither copied nor moved. */
    lanes &operator=(const lanes &) = delete;
    /** Closes all ports. Neither thread may use them any more. */
    ~lanes()
    {
        collect();
        delete pending_.load();
        delete playing_;
    }

    /* ---- The message thread ---- */

    /** The newest port, or a null pointer before the first. */
    midisock::port *newest() noexcept { return newest_ != nullptr ? &newest_->port : nullptr; }

    /** Shuts the newest port down and puts another in its place. */
    void replace(midisock::port &&made)
    {
        collect();
        if (newest_ != nullptr) {
            (void)newest_->port.shutdown();
        }
        newest_ = new lane{std::move(made), nullptr};
        // If the audio thread has not taken the pending one, it never will.
        delete pending_.exchange(newest_, std::memory_order_acq_rel);
    }

    /** Closes the ports that the audio thread has given back. */
    void collect()
    {
        lane *old = retired_.exchange(nullptr, std::memory_order_acquire);
        while (old != nullptr) {
            delete std::exchange(old, old->older);
        }
    }

    /* ---- The audio thread ---- */

    /** The port to use, or a null pointer before the first. */
    midisock::port *playing() noexcept { return playing_ != nullptr ? &playing_->port : nullptr; }

    /** Takes the newest port. Returns whether there was another one. */
    bool advance() noexcept
    {
        if (pending_.load(std::memory_order_relaxed) == nullptr) {
            return false;
        }
        lane *next = pending_.exchange(nullptr, std::memory_order_acq_rel);
        if (next == nullptr) {
            return false;
        }
        retire(std::exchange(playing_, next));
        return true;
    }

private:
    /** A port on its way between the threads. */
    struct lane {
        midisock::port port;
        lane *older; /**< the next in the list of retired lanes */
    };

    /** Only collect() takes from the list, all at once: the exchange fails once for each time it does. */
    void retire(lane *old) noexcept
    {
        if (old != nullptr) {
            old->older = retired_.load(std::memory_order_relaxed);
            while (!retired_.compare_exchange_strong(old->older, old, std::memory_order_release,
                                                     std::memory_order_relaxed)) {
            }
        }
    }

    // A lane belongs to the thread that can reach it.
    std::atomic<lane *> pending_{nullptr}; /**< not yet taken by the audio thread */
    std::atomic<lane *> retired_{nullptr}; /**< given back by the audio thread, to be closed */
    lane *newest_ = nullptr;               /**< message thread: pending_ or playing_, never one that is retired */
    lane *playing_ = nullptr;              /**< audio thread */
};

} // namespace plugin
} // namespace MIDISOCK_CPP_ABI
} // namespace midisock

#endif
