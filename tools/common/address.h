/* Addresses as people type them, and ports opened at them. */
#ifndef MIDISOCK_TOOLS_ADDRESS_H
#define MIDISOCK_TOOLS_ADDRESS_H

#include <midisock/midisock.h>

#define DEFAULT_PORT 9080

struct address {
    char host[256];
    int loopback; /* listen: no host was named at all */
    uint16_t port;
    char text[280]; /* for messages */
};

/* Takes "host:port", "host", "port", ":port", an IPv6 address with or without
 * brackets, or NULL. What is left out: the port is 9080; the host is this
 * machine alone, but to listen on ":port" means every interface. Ends the
 * program with a message if `text` is none of these. */
void address_parse(const char *text, int listening, struct address *address);

/* Opens a port, or says on standard error why it cannot be and returns NULL. */
midisock_port *address_listen(struct address *address, const midisock_config *config);
midisock_port *address_connect(const struct address *address, const midisock_config *config);

/* Lets only those connect who are in the list (NULL: everybody). Ends the
 * program with a message if it is none. */
void config_allow_clients(midisock_config *config, const char *list);

/* Lets messages of `bytes` bytes through, in both directions; 0 if that is
 * more than a port can take. */
int config_allow_message(midisock_config *config, size_t bytes);

/* midisock_wait that a request to stop ends as well, then with
 * MIDISOCK_ERR_TIMEOUT. A timeout of -1 is for ever. */
midisock_result wait_or_stop(midisock_port *port, uint32_t what, int32_t timeout_ms);

#endif
