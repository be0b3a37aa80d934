// The same work in C and in C++, for instructions to be counted: see overhead_c.c and overhead_cpp.cpp.
#ifndef MIDISOCK_TESTS_OVERHEAD_HPP
#define MIDISOCK_TESTS_OVERHEAD_HPP

#include <midisock/midisock.h>

#define ROUNDS 1000
#define MESSAGES 8

#ifdef __cplusplus
extern "C" {
#endif
/* Pushes into a, pops from b, in a loop and in a block; the sum of what was popped. */
unsigned exchange_c(midisock_port *a, midisock_port *b);
unsigned exchange_cpp(midisock_port *a, midisock_port *b);
#ifdef __cplusplus
}
#endif

#endif
