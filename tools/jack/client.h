/* The life of the JACK client: it is opened, opened again when the server has been
 * restarted, and closed. */
#ifndef MIDISOCK_TOOLS_CLIENT_H
#define MIDISOCK_TOOLS_CLIENT_H

#include "bridge.h"

/* From now on libjack's own messages are kept for client_error, not printed. */
void client_quiet(void);

/* The last error message of libjack, or "". */
const char *client_error(void);

/* Makes a client of this name, or one like it where the name is taken, at the
 * named server (NULL: the default one), with its ports, and activates it.
 * Nothing flows before bridge->flowing is set. 0 if there is no server. */
int client_open(struct bridge *bridge, const char *name, const char *server);

/* Ends the client; no callback runs when it returns. Notes that JACK's side of the
 * bridge still holds are released on the network. */
void client_close(struct bridge *bridge);

/* Why JACK has shut the client down, in its words, or "". */
const char *client_gone_reason(void);

#endif
