/* A network namespace of a case's own, set up with the ip command. For Linux. */
#ifndef MIDISOCK_TESTS_NETWORK_H
#define MIDISOCK_TESTS_NETWORK_H

/* Moves this process into a network of its own, with a loopback and nothing else. Skips the case where the system does
 * not allow it. */
void own_network(void);

/* Runs ip with these arguments; whether it did. */
int ip(const char *arguments);

#endif
