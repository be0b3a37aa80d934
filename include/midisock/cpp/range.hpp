/* Ranges over what a port has received, and over an audio block's part of it.
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#ifndef MIDISOCK_CPP_RANGE_HPP
#define MIDISOCK_CPP_RANGE_HPP

#include <midisock/cpp/message.hpp>

#include <iterator>

namespace midisock {
inline namespace MIDISOCK_CPP_ABI {
/** @cond internal */
namespace detail {

/** Pops its way through a port with one of the C functions. A single pass: each message ends with the next step.
 *
 * What changes with each step is the iterator's, not the range's: the C function is given the address of the message in
 * the range, and whatever lay beside it would be written to memory and read again for each message. */
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

    /* Where what came before went wrong, there is nothing. */
    iterator begin_after(midisock_result before) MIDISOCK_REALTIME { return iterator(this, before); }

    midisock_port *port_;

private:
    message current_;
};

} // namespace detail
/** @endcond */

/** What has arrived, see message_port::messages. It ends where nothing is left, or where pop says why nothing will come. */
class message_range : public detail::popping<midisock_pop> {
    friend class message_port;
    explicit message_range(midisock_port *port) MIDISOCK_REALTIME : popping(port) {}
};

/** One call of an audio callback. */
struct block_info {
    /** Frames of the block. */
    std::uint32_t frames = 0;
    /** Frames a second. */
    double sample_rate = 0.0;
    std::uint64_t start_ns = 0; /**< midisock_now_ns at the start of the callback; 0: the library reads it */
    bool offline = false;       /**< rendering is not in real time */
    bool discontinuity = false; /**< transport or graph was stopped before */
};

/** An audio block: a range over the messages that belong into it, each with its frame, and the way to send at one. */
class block : public detail::popping<midisock_pop_block> {
public:
    /** How begin_block went; where it failed the range is empty. */
    status begun() const MIDISOCK_REALTIME { return status(begun_); }
    /** Takes the first message of the block. */
    iterator begin() MIDISOCK_REALTIME { return begin_after(begun_); }
    /** Sends at the time of a frame of this block; the pushing thread must be this one. */
    status push(std::uint32_t frame, bytes message) MIDISOCK_REALTIME
    {
        return status(midisock_push_frame(port_, frame, message.data(), message.size()));
    }

private:
    friend class message_port;
    // First the call, then the members, or compilers lay out the loop with a jump more for each message.
    block(midisock_port *port, const block_info &info) MIDISOCK_REALTIME : block(port, call(port, info)) {}
    block(midisock_port *port, midisock_result begun) MIDISOCK_REALTIME : popping(port), begun_(begun) {}

    static midisock_result call(midisock_port *port, const block_info &info) MIDISOCK_REALTIME
    {
        midisock_block raw = {};
        raw.struct_size = sizeof raw;
        raw.flags = (info.offline ? std::uint32_t{MIDISOCK_BLOCK_OFFLINE} : 0u) |
                    (info.discontinuity ? std::uint32_t{MIDISOCK_BLOCK_DISCONTINUITY} : 0u);
        raw.start_ns = info.start_ns;
        raw.sample_rate = info.sample_rate;
        raw.frames = info.frames;
        return midisock_begin_block(port, &raw);
    }

    midisock_result begun_;
};

} // namespace MIDISOCK_CPP_ABI
} // namespace midisock

#endif
