// The same work in C and in C++, to compare their instructions: overhead_c.c has c_<kind>, overhead_cpp.cpp cpp_<kind>.
#ifndef MIDISOCK_TESTS_OVERHEAD_HPP
#define MIDISOCK_TESTS_OVERHEAD_HPP

#include <midisock/midisock.h>

#define ROUNDS 1000
#define MESSAGES 8

/* Each gets a pair of ports, a merged server without clients and one with a client, and gives a sum of what it saw. */
#define KINDS(X)                                                                        \
    X(push)     /* a message whose bytes are known to be in range */                    \
    X(built)    /* one whose bytes are not: checked, in C by hand */                    \
    X(push_at)  /* at a time */                                                         \
    X(push_to)  /* to one client, in C too only if it is one */                         \
    X(pop)      /* a thousand that are there, and what they say */                      \
    X(messages) /* as they come, eight at a time: a range, in C a loop */               \
    X(block)    /* audio callbacks, of which each message is sent on at its frame */    \
    X(look)     /* state, number, counters */                                           \
    X(address)  /* where a client is */                                                 \
    X(skip)

struct ports {
    midisock_port *a, *b, *server, *visited;
    uint32_t visitor;
    const int (*values)[3];
};

#ifdef __cplusplus
extern "C" {
#endif
#define DECLARE(kind)                              \
    uint64_t c_##kind(const struct ports *p);      \
    uint64_t cpp_##kind(const struct ports *p);
KINDS(DECLARE)
#undef DECLARE
/* What both are given to work on. */
void fill(midisock_port *a, unsigned count);
#ifdef __cplusplus
}
#endif

#endif
