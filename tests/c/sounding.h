/*
 * Messages that leave notes, pedals, bends and the like on, and their releases:
 * for the tests of releases when a peer leaves and when a port is closed.
 */
#ifndef MIDISOCK_TESTS_SOUNDING_H
#define MIDISOCK_TESTS_SOUNDING_H

#include "check.h"

/* The library's defaults, which release. */
midisock_config sounding_config(void);
midisock_port *sounding_listen_manual(midisock_config c);
midisock_port *sounding_accept(midisock_port *server);

/* The next message is a release that the library made in this client's name. */
void expect_release(midisock_port *port, uint32_t client, uint32_t flags, const uint8_t *data, size_t size, int line);
#define EXPECT_SYNTHETIC(port, client, ...) \
    expect_release(port, client, MIDISOCK_FLAG_SYNTHETIC, BYTES(__VA_ARGS__), __LINE__)
#define EXPECT_STILL_HELD(port, client, ...)                                                          \
    expect_release(port, client, MIDISOCK_FLAG_SYNTHETIC | MIDISOCK_FLAG_STILL_HELD, BYTES(__VA_ARGS__), \
                  __LINE__)

/* The messages, of which some need no release: key 62 was released already,
 * pedal 67 and controller 7 are never released, channel 5 was reset. */
enum { SOUNDING = 28, SOUNDING_BYTES = 79, RELEASES = 13 };
extern const uint8_t sounding[SOUNDING_BYTES];

/* Pops these messages and returns the client they came from. */
uint32_t sounding_pop(midisock_port *port);
void sounding_push(midisock_port *port);
/* Pops exactly their releases. */
void sounding_released(midisock_port *port, uint32_t client);

#endif
