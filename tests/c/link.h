/*
 * A port of any role with a raw peer.
 */
#ifndef MIDISOCK_TESTS_LINK_H
#define MIDISOCK_TESTS_LINK_H

#include "check.h"

enum { ROLE_MERGED, ROLE_ACCEPTED, ROLE_CLIENT, ROLES };

typedef struct link {
    /* The server, if the port is one or was accepted from one. */
    midisock_port *server, *port;
    /* The peer's socket, and for a client the listener. -1: closed, or there is none. */
    int fd, listener;
} link;

/* The port is connected, and nothing waits in it. `small`: the peer's receive
 * buffer is as small as the system makes it. */
link make_link(int role, midisock_config c, int small);
/* Closes everything but what the case has closed and set to -1 or NULL. */
void end_link(link l);

#endif
