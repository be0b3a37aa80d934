/* A server that another program starts for each connection, with the connection as a descriptor. It echoes every message.
 *
 *     systemd-socket-activate --accept --listen=127.0.0.1:9080 ./inherited-server
 *     systemd-socket-activate --accept --inetd --listen=/run/user/1000/midi.sock ./inherited-server
 */
#include <midisock/midisock.h>
#include <stdio.h>
#include <stdlib.h>

/* systemd passes sockets from descriptor 3 on, and says how many; inetd passes the standard input. */
static int inherited_socket(void)
{
    return getenv("LISTEN_FDS") != NULL ? 3 : 0;
}

int main(void)
{
    midisock_port *port;
    midisock_message message;
    midisock_result result = midisock_adopt(inherited_socket(), NULL, &port);
    if (result != MIDISOCK_OK)
        return fprintf(stderr, "descriptor %d: %s\n", inherited_socket(), midisock_strerror(result)), 1;
    /* Runs until the peer has gone and all its messages are taken. */
    while (midisock_wait(port, MIDISOCK_WAIT_MESSAGE, -1) == MIDISOCK_OK)
        while (midisock_pop(port, &message) == MIDISOCK_OK)
            while (midisock_push(port, message.data, message.size) == MIDISOCK_ERR_FULL)
                midisock_wait(port, MIDISOCK_WAIT_ROOM, -1);
    midisock_close(port);
    return 0;
}
