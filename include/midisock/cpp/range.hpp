/* Ranges over received messages, and over those of an audio block.
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#ifndef MIDISOCK_CPP_RANGE_HPP
#define MIDISOCK_CPP_RANGE_HPP

#include <midisock/cpp/message.hpp>

#include <iterator>
#include <optional>

namespace midisock {
inline namespace MIDISOCK_CPP_ABI {
/** @cond internal */
namespace detail {

/** A single-pass range that pops messages with a C function. Each step invalidates the message before.
 *
 * The iterator has the state that changes with each step. In the range, beside the message whose address the C function
 * receives, compilers would write it to memory and read it back for each message. */
template <midisock_result (*Next)(midisock_port *, midisock_message *)> class popping {
public:
    struct sentinel {};

    class iterator {
    public:
        using iterator_concept = std::input_iterator_tag;
        using iterator_category = std::input_iterator_tag;
        using value_type = message;
        using difference_type = std::ptrdiff_t;
        using pointer = const message *;
        using reference = const message &;

        constexpr iterator() noexcept = default;

        reference operator*() const MIDISOCK_REALTIME { return *current_; }
        pointer operator->() const MIDISOCK_REALTIME { return current_; }
        iterator &operator++() MIDISOCK_REALTIME
        {
            last_ = Next(port_, current_);
            return *this;
        }
        void operator++(int) MIDISOCK_REALTIME { ++*this; }

        friend bool operator==(const iterator &i, sentinel) MIDISOCK_REALTIME { return i.last_ != MIDISOCK_OK; }
        friend bool operator!=(const iterator &i, sentinel) MIDISOCK_REALTIME { return i.last_ == MIDISOCK_OK; }
#if !(defined(__cpp_impl_three_way_comparison) || (defined(_MSVC_LANG) && _MSVC_LANG >= 202002L))
        friend bool operator==(sentinel, const iterator &i) MIDISOCK_REALTIME { return i.last_ != MIDISOCK_OK; }
        friend bool operator!=(sentinel, const iterator &i) MIDISOCK_REALTIME { return i.last_ == MIDISOCK_OK; }
#endif

    private:
        friend class popping;
        iterator(popping *range, midisock_result last) MIDISOCK_REALTIME : port_(range->port_),
                                                                         current_(&range->current_),
                                                                         last_(last)
        {
            if (last == MIDISOCK_OK) {
                ++*this;
            }
        }

        midisock_port *port_ = nullptr;
        message *current_ = nullptr;
        midisock_result last_ = MIDISOCK_EMPTY;
    };

    /** Takes the first message. */
    iterator begin() MIDISOCK_REALTIME { return begin_after(MIDISOCK_OK); }
    sentinel end() const MIDISOCK_REALTIME { return {}; }

protected:
    explicit popping(midisock_port *port) MIDISOCK_REALTIME : port_(port), current_(unset{}) {}

    /* Empty if the call before failed. */
    iterator begin_after(midisock_result before) MIDISOCK_REALTIME { return iterator(this, before); }

    midisock_port *port_;

private:
    message current_;
};

} // namespace detail
/** @endcond */

/** The messages that have arrived. See message_port::messages. It ends when pop returns anything but outcome::ok. */
class message_range : public detail::popping<midisock_pop> {
    friend class message_port;
    explicit message_range(midisock_port *port) MIDISOCK_REALTIME : popping(port) {}
};

/** One call of an audio callback. */
struct block_info {
    /** Frames of the block. */
    std::uint32_t frames = 0;
    /** Frames per second. */
    double sample_rate = 0.0;
    std::uint64_t start_ns = 0; /**< midisock_now_ns at the start of the callback; 0: the library reads the clock */
    bool freewheel = false;     /**< the host does not render in real time */
    bool discontinuity = false; /**< the transport or the graph was stopped before */
    bool device_time = false;   /**< start_ns, not 0, is the device's own time for the first frame, and smooth */
    /** The host's own frame counter at the first frame, if there is one: 0 or more. Never a song position. */
    std::optional<std::int64_t> position = std::nullopt;
};

/** An audio block: a range over its messages, each with its frame. It also sends messages at a frame. */
class block : public detail::popping<midisock_pop_block> {
public:
    /** The result of begin_block. If it failed, the range is empty. */
    status begun() const MIDISOCK_REALTIME { return status(begun_); }
    /** Takes the first message of the block. */
    iterator begin() MIDISOCK_REALTIME { return begin_after(begun_); }
    /** Sends a message at the time of a frame of this block. This thread must be the pushing thread. */
    status push(std::uint32_t frame, bytes message) MIDISOCK_REALTIME
    {
        return status(midisock_push_frame(port_, frame, message.data(), message.size()));
    }

private:
    friend class message_port;
    // The call comes before the members: otherwise compilers add a jump to the loop.
    block(midisock_port *port, const block_info &info) MIDISOCK_REALTIME : block(port, call(port, info)) {}
    block(midisock_port *port, midisock_result begun) MIDISOCK_REALTIME : popping(port), begun_(begun) {}

    static midisock_result call(midisock_port *port, const block_info &info) MIDISOCK_REALTIME
    {
        midisock_block raw = {};
        raw.struct_size = sizeof raw;
        raw.flags = (info.freewheel ? std::uint32_t{MIDISOCK_BLOCK_FREEWHEEL} : 0u) |
                    (info.discontinuity ? std::uint32_t{MIDISOCK_BLOCK_DISCONTINUITY} : 0u) |
                    (info.device_time ? std::uint32_t{MIDISOCK_BLOCK_DEVICE_TIME} : 0u) |
                    (info.position ? std::uint32_t{MIDISOCK_BLOCK_HAS_POSITION} : 0u);
        raw.start_ns = info.start_ns;
        raw.sample_rate = info.sample_rate;
        raw.frames = info.frames;
        raw.position = info.position.value_or(0);
        return midisock_begin_block(port, &raw);
    }

    midisock_result begun_;
};

} // namespace MIDISOCK_CPP_ABI
} // namespace midisock

#endif
