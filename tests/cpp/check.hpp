// Checks for the C++ tests. The first failing check ends the program.
#ifndef MIDISOCK_TESTS_CHECK_HPP
#define MIDISOCK_TESTS_CHECK_HPP

#include <midisock/midisock.hpp>

#include <cstdio>
#include <cstdlib>
#include <cstring>

#define CHECK(condition)                                                                     \
    do {                                                                                     \
        if (!(condition)) {                                                                  \
            std::fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);     \
            std::exit(1);                                                                    \
        }                                                                                    \
    } while (false)

#define CHECK_OUTCOME(expected, actual)                                                              \
    do {                                                                                             \
        const midisock::outcome got_ = midisock::status(actual).code();                              \
        if (got_ != midisock::outcome::expected) {                                                   \
            std::fprintf(stderr, "%s:%d: %s gave \"%s\", not " #expected "\n", __FILE__, __LINE__,   \
                         #actual, midisock_strerror(static_cast<midisock_result>(got_)));            \
            std::exit(1);                                                                            \
        }                                                                                            \
    } while (false)

// What has to happen happens within this: far more than it needs.
inline constexpr midisock::timeout deadline{20000};

inline bool same(midisock::bytes a, std::initializer_list<int> b)
{
    if (a.size() != b.size()) {
        return false;
    }
    std::size_t i = 0;
    for (const int byte : b) {
        if (a[i++] != byte) {
            return false;
        }
    }
    return true;
}

#endif
