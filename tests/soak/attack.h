/* What a network can throw at a server, for so long, from threads of its own. */
#ifndef MIDISOCK_SOAK_ATTACK_H
#define MIDISOCK_SOAK_ATTACK_H

#include <stdint.h>

/* On both servers at these ports of the loopback. Returns when all is over and
 * every connection is closed. */
void attack(const uint16_t numbers[2], unsigned seconds);

#endif
