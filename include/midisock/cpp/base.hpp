/* The basis of the C++ headers: the language version, spans of bytes, results.
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#ifndef MIDISOCK_CPP_BASE_HPP
#define MIDISOCK_CPP_BASE_HPP

#include <midisock/midisock.h>

#if !(__cplusplus >= 201703L || (defined(_MSVC_LANG) && _MSVC_LANG >= 201703L))
#  error "midisock.hpp needs C++17; midisock.h is for C99 and C++11"
#endif

#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>

#if defined(__has_include)
#  if __has_include(<version>)
#    include <version>
#  endif
#endif
#if defined(__cpp_lib_span)
#  include <span>
#endif

/** Whether the program is compiled with exceptions. The functions named or_throw exist only then. Nothing else
 * throws. */
#if !defined(MIDISOCK_EXCEPTIONS)
#  if defined(__cpp_exceptions) || defined(_CPPUNWIND)
#    define MIDISOCK_EXCEPTIONS 1
#  else
#    define MIDISOCK_EXCEPTIONS 0
#  endif
#endif
#if MIDISOCK_EXCEPTIONS
#  include <exception>
#endif

/** @cond internal */
/* A program may have translation units with std::span and others without. Types that differ between them have different
 * names for the linker. */
#if defined(__cpp_lib_span)
#  define MIDISOCK_CPP_ABI with_span
#else
#  define MIDISOCK_CPP_ABI without_span
#endif
/** @endcond */

namespace midisock {
inline namespace MIDISOCK_CPP_ABI {

#if defined(__cpp_lib_span)
/** A view of bytes. It is std::span if the compiler has it, otherwise a class with the members that are needed. */
using bytes = std::span<const std::uint8_t>;
#else
class bytes {
public:
    using element_type = const std::uint8_t;
    using value_type = std::uint8_t;

    constexpr bytes() noexcept = default;
    constexpr bytes(const std::uint8_t *first, std::size_t count) noexcept : data_(first), size_(count) {}
    template <std::size_t N>
    constexpr bytes(const std::uint8_t (&array)[N]) noexcept : data_(array), size_(N)
    {
    }
    /** From std::array, std::vector and similar containers. */
    template <class Container,
              class = std::enable_if_t<
                  !std::is_same_v<std::decay_t<Container>, bytes> && !std::is_array_v<Container> &&
                  std::is_convertible_v<decltype(std::declval<const Container &>().data()), const std::uint8_t *>>>
    constexpr bytes(const Container &container) noexcept : data_(container.data()), size_(container.size())
    {
    }

    constexpr const std::uint8_t *data() const noexcept { return data_; }
    constexpr std::size_t size() const noexcept { return size_; }
    constexpr bool empty() const noexcept { return size_ == 0; }
    constexpr const std::uint8_t *begin() const noexcept { return data_; }
    constexpr const std::uint8_t *end() const noexcept { return data_ + size_; }
    constexpr const std::uint8_t &operator[](std::size_t index) const noexcept { return data_[index]; }

private:
    const std::uint8_t *data_ = nullptr;
    std::size_t size_ = 0;
};
#endif

/** The values of midisock_result by name. */
enum class outcome : midisock_result {
    ok = MIDISOCK_OK,
    empty = MIDISOCK_EMPTY,
    offline = MIDISOCK_OFFLINE,
    invalid_argument = MIDISOCK_ERR_INVALID_ARGUMENT,
    invalid_message = MIDISOCK_ERR_INVALID_MESSAGE,
    too_large = MIDISOCK_ERR_TOO_LARGE,
    full = MIDISOCK_ERR_FULL,
    closed = MIDISOCK_ERR_CLOSED,
    timeout = MIDISOCK_ERR_TIMEOUT,
    busy = MIDISOCK_ERR_BUSY,
    wrong_role = MIDISOCK_ERR_WRONG_ROLE,
    no_such_client = MIDISOCK_ERR_NO_SUCH_CLIENT,
    address = MIDISOCK_ERR_ADDRESS,
    address_in_use = MIDISOCK_ERR_ADDRESS_IN_USE,
    permission = MIDISOCK_ERR_PERMISSION,
    refused = MIDISOCK_ERR_REFUSED,
    unreachable = MIDISOCK_ERR_UNREACHABLE,
    io = MIDISOCK_ERR_IO,
    no_resources = MIDISOCK_ERR_NO_RESOURCES,
    internal = MIDISOCK_ERR_INTERNAL,
    unsupported = MIDISOCK_ERR_UNSUPPORTED
};

#if MIDISOCK_EXCEPTIONS
/** The exception that or_throw throws. */
class error : public std::exception {
public:
    /** An error with this outcome. */
    explicit error(outcome what) noexcept : outcome_(what) {}
    /** The outcome. */
    outcome code() const noexcept { return outcome_; }
    /** The text of midisock_strerror(). */
    const char *what() const noexcept override { return midisock_strerror(static_cast<midisock_result>(outcome_)); }

private:
    outcome outcome_;
};
#endif

/** The result of a call. It converts to true on success only. outcome::empty and outcome::offline are neither errors
 * nor success. */
class [[nodiscard]] status {
public:
    /** Success. */
    constexpr status() noexcept = default;
    /** From an outcome. */
    constexpr status(outcome code) noexcept : code_(code) {}
    /** From the result of a C function. */
    constexpr explicit status(midisock_result result) noexcept : code_(static_cast<outcome>(result)) {}

    /** Whether the call succeeded. */
    constexpr explicit operator bool() const noexcept { return code_ == outcome::ok; }
    /** The outcome. */
    constexpr outcome code() const noexcept { return code_; }
    /** Whether it is an error. */
    constexpr bool failed() const noexcept { return static_cast<midisock_result>(code_) < 0; }
    /** A description. The text is static and is never null. */
    const char *message() const MIDISOCK_REALTIME { return midisock_strerror(static_cast<midisock_result>(code_)); }

#if MIDISOCK_EXCEPTIONS
    /** Throws midisock::error for an error, and returns any other outcome. */
    outcome or_throw() const
    {
        if (failed()) {
            throw error(code_);
        }
        return code_;
    }
#endif

    /** Whether both outcomes are equal. */
    friend constexpr bool operator==(status a, status b) noexcept { return a.code_ == b.code_; }
    /** Whether the outcomes differ. */
    friend constexpr bool operator!=(status a, status b) noexcept { return a.code_ != b.code_; }

private:
    outcome code_ = outcome::ok;
};

/** A value, or the reason why there is none. Access never throws: without a value it yields an empty one. */
template <class T> class [[nodiscard]] result {
public:
    /** The type of the value. */
    using value_type = T;

    /** No value. */
    constexpr result(outcome why) noexcept : value_(), status_(why) {}
    /** No value. */
    constexpr result(status why) noexcept : value_(), status_(why) {}
    /** A value. */
    constexpr result(T &&value) noexcept : value_(std::move(value)) {}

    /** Calls a C function that writes the value in place: `call(value)` calls it and returns its result. */
    template <class Call> static result of(Call call) noexcept { return result(call, 0); }

    /** Whether there is a value. */
    constexpr explicit operator bool() const noexcept { return static_cast<bool>(status_); }
    /** Whether there is a value. */
    constexpr bool has_value() const noexcept { return static_cast<bool>(status_); }
    /** Why there is no value, or outcome::ok. */
    constexpr status error() const noexcept { return status_; }

    /** The value. */
    constexpr T &operator*() & noexcept { return value_; }
    /** The value. */
    constexpr const T &operator*() const & noexcept { return value_; }
    /** The value, to be moved from. */
    constexpr T &&operator*() && noexcept { return std::move(value_); }
    /** The value's members. */
    constexpr T *operator->() & noexcept { return &value_; }
    /** The value's members. They are const if the result is a temporary. */
    constexpr const T *operator->() const & noexcept { return &value_; }

#if MIDISOCK_EXCEPTIONS
    /** Returns the value, or throws midisock::error if there is none. */
    T or_throw() &&
    {
        if (!status_) {
            throw midisock::error(status_.code());
        }
        return std::move(value_);
    }
#endif

private:
    static_assert(std::is_nothrow_default_constructible_v<T> && std::is_nothrow_move_constructible_v<T>);

    /* A plain struct is not cleared before the call, since the call writes it. It is cleared if the call fails. */
    template <class Call, class U = T, std::enable_if_t<std::is_class_v<U>, int> = 0>
    result(Call &call, int) noexcept : status_(static_cast<midisock_result>(call(value_)))
    {
        if (!status_) {
            value_ = T();
        }
    }

    /* A number is cleared before the call: compilers would warn of it. */
    template <class Call, class U = T, std::enable_if_t<!std::is_class_v<U>, int> = 0>
    result(Call &call, int) noexcept : value_(), status_(static_cast<midisock_result>(call(value_)))
    {
    }

    T value_;
    status status_;
};

} // namespace MIDISOCK_CPP_ABI
} // namespace midisock

#endif
