/*
 * What sounds at somebody, all kinds of it, and what releases it: for the tests
 * of what a port releases when a peer goes, and when it goes itself.
 */
#ifndef MIDISOCK_TESTS_SOUNDING_H
#define MIDISOCK_TESTS_SOUNDING_H

#include "check.h"

/* The library's own defaults: it releases. */
midisock_config sounding_config(void);
midisock_port *sounding_listen_manual(midisock_config c);
midisock_port *sounding_accept(midisock_port *server);

/* The next message is made by the library, in this client's name. */
void expect_release(midisock_port *port, uint32_t client, uint32_t flags, const uint8_t *data, size_t size, int line);
#define EXPECT_SYNTHETIC(port, client, ...) \
    expect_release(port, client, MIDISOCK_SYNTHETIC, BYTES(__VA_ARGS__), __LINE__)
#define EXPECT_STILL_HELD(port, client, ...)                                                          \
    expect_release(port, client, MIDISOCK_SYNTHETIC | MIDISOCK_STILL_HELD, BYTES(__VA_ARGS__), \
                  __LINE__)

/* All that is released, and what is not: key 62 was released, pedal 67 and
 * controller 7 are not to be, channel 5 is at rest again. */
enum { SOUNDING = 28, SOUNDING_BYTES = 79, RELEASES = 13 };
extern const uint8_t sounding[SOUNDING_BYTES];

/* Pops what was sent; the client it came from. */
uint32_t sounding_pop(midisock_port *port);
void sounding_push(midisock_port *port);
/* Pops exactly what releases it. */
void sounding_released(midisock_port *port, uint32_t client);

#endif
