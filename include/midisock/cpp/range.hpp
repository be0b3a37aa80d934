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

        reference operator*() const MIDISOCK_REALTIME { return range_->current_; }
        pointer operator->() const MIDISOCK_REALTIME { return &range_->current_; }
        iterator &operator++() MIDISOCK_REALTIME
        {
            step();
            return *this;
        }
        void operator++(int) MIDISOCK_REALTIME { step(); }

        friend bool operator==(const iterator &i, sentinel) MIDISOCK_REALTIME { return i.range_ == nullptr; }
        friend bool operator!=(const iterator &i, sentinel) MIDISOCK_REALTIME { return i.range_ != nullptr; }
#if !(defined(__cpp_impl_three_way_comparison) || (defined(_MSVC_LANG) && _MSVC_LANG >= 202002L))
        friend bool operator==(sentinel, const iterator &i) MIDISOCK_REALTIME { return i.range_ == nullptr; }
        friend bool operator!=(sentinel, const iterator &i) MIDISOCK_REALTIME { return i.range_ != nullptr; }
#endif

    private:
        friend class popping;
        explicit iterator(popping *range) MIDISOCK_REALTIME : range_(range), port_(range->port_) { step(); }

        void step() MIDISOCK_REALTIME
        {
            const midisock_result code = Next(port_, &range_->current_);
            if (code != MIDISOCK_OK) {
                range_->last_ = status(code);
                range_ = nullptr;
            }
        }

        popping *range_ = nullptr; /**< null at the end */
        midisock_port *port_ = nullptr;
    };

    /** Takes the first message. */
    iterator begin() MIDISOCK_REALTIME { return iterator(this); }
    sentinel end() const MIDISOCK_REALTIME { return {}; }

    /** After the end, why there is nothing more: outcome::empty, or what went wrong. */
    status last() const MIDISOCK_REALTIME { return last_; }

protected:
    explicit popping(midisock_port *port) MIDISOCK_REALTIME : port_(port), current_(unset{}) {}

    midisock_port *port_;
    message current_;
    status last_;
};

} // namespace detail
/** @endcond */

/** What has arrived; see port::messages. */
class message_range : public detail::popping<midisock_pop> {
    friend class port;
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
    /** How begin_block went; where it failed, the range is empty. */
    status begun() const MIDISOCK_REALTIME { return begun_; }
    /** Sends at the time of a frame of this block; the pushing thread must be this one. */
    status push(std::uint32_t frame, bytes message) MIDISOCK_REALTIME
    {
        return status(midisock_push_frame(port_, frame, message.data(), message.size()));
    }
    /** Takes the first message of the block. */
    iterator begin() MIDISOCK_REALTIME
    {
        if (!begun_) {
            last_ = begun_;
            return iterator();
        }
        return popping::begin();
    }

private:
    friend class port;
    block(midisock_port *port, const block_info &info) MIDISOCK_REALTIME : popping(port), begun_(begin(port, info)) {}

    static status begin(midisock_port *port, const block_info &info) MIDISOCK_REALTIME
    {
        midisock_block raw = {};
        raw.struct_size = sizeof raw;
        raw.flags = (info.offline ? std::uint32_t{MIDISOCK_BLOCK_OFFLINE} : 0u) |
                    (info.discontinuity ? std::uint32_t{MIDISOCK_BLOCK_DISCONTINUITY} : 0u);
        raw.start_ns = info.start_ns;
        raw.sample_rate = info.sample_rate;
        raw.frames = info.frames;
        return status(midisock_begin_block(port, &raw));
    }

    status begun_;
};

} // namespace MIDISOCK_CPP_ABI
} // namespace midisock

#endif
