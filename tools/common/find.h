/* Servers found on the network, by their names. */
#ifndef MIDISOCK_TOOLS_FIND_H
#define MIDISOCK_TOOLS_FIND_H

#include <midisock/midisock.h>

/* How long a name is looked for. */
#define FIND_MS 5000

/* Looks for the server of this name. 0 if it is there; otherwise says on standard error why it
 * is not found, and which ones are. Returns early when the program is to stop. */
int find_service(const char *name, midisock_service *service);

/* The address of a server: "10.0.0.1:9080". */
#define FIND_ADDRESS 80
void find_address(const midisock_service *service, char text[FIND_ADDRESS]);

#endif
