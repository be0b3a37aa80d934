/* Attacks servers for a given time, from its own threads. */
#ifndef MIDISOCK_SOAK_ATTACK_H
#define MIDISOCK_SOAK_ATTACK_H

#include <stdint.h>

/* Attacks both servers at these ports of the loopback. Returns when every
 * connection is closed. */
void attack(const uint16_t numbers[2], unsigned seconds);

#endif
