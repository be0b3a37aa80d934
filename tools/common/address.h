/* Addresses as people type them, and ports opened at them. */
#ifndef MIDISOCK_TOOLS_ADDRESS_H
#define MIDISOCK_TOOLS_ADDRESS_H

#include <midisock/midisock.h>

#define DEFAULT_PORT 9080
/* Expedited forwarding, as live audio has it. */
#define LIVE_TRAFFIC_CLASS 46
/* The longest message that a port can take. */
#define MAX_MESSAGE_BYTES (((size_t)1 << 28) - 1)

struct address {
    char host[256];
    int listening;
    int loopback; /* listen: no host was named at all */
    uint16_t port;
    char text[280]; /* for messages */
    char name[64];  /* connect: of a server that is looked for on the network; else empty */
};

/* Takes "host:port", "host", "port", ":port" or "*:port", an IPv6 address with or
 * without brackets, "unix:/path", or NULL; to connect, also "@NAME", a server that
 * others on the network can find. The default port is 9080. The default host is this
 * machine alone; to listen on ":port" or "*:port" means every interface. Ends
 * the program with a message if `text` is none of these. */
void address_parse(const char *text, int listening, struct address *address);

/* When the look-up of a host name ends the program, and with which status. */
struct limits {
    int stop_status;    /* -1: 128 + the signal's number */
    int32_t timeout_ms; /* -1: never */
    int timeout_status;
};

/* Opens a port, or says on standard error why it cannot be and returns NULL. */
midisock_port *address_listen(struct address *address, const midisock_config *config, const struct limits *limits);
/* A server that is given by its name is looked for first, and asked for sender time. */
midisock_port *address_connect(struct address *address, const midisock_config *config);

/* Others on the network can find the server under this name (NULL: they cannot). Ends the
 * program with a message if it is no name, or if `address` is none that others reach. */
void config_advertise(midisock_config *config, const char *name, const struct address *address);

/* Only the addresses in the list may connect (NULL: any). Ends the program with a
 * message if it is not such a list. */
void config_allow_clients(midisock_config *config, const char *list);

/* Lets messages of `bytes` bytes through, in both directions; 0 if that is
 * more than a port can take. */
int config_allow_message(midisock_config *config, size_t bytes);

#endif
