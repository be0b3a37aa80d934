/* An echo on a server with the library's own thread: prints its port, then returns to each client what it sent.
 *   port_echo [--wake tick|signal] [--busy-poll US] */
#define _POSIX_C_SOURCE 200809L
#include "bench.h"

#include <stdio.h>

int main(int argc, char **argv)
{
    midisock_config config;
    midisock_port *server;
    midisock_message message;
    configure(&config, option(argc, argv, "--wake", "signal"), 0);
    config.busy_poll_us = (uint32_t)option_number(argc, argv, "--busy-poll", 0);
    config.overflow = MIDISOCK_OVERFLOW_WAIT;
    must(midisock_listen("127.0.0.1", 0, &config, &server), "listen");
    printf("%u\n", (unsigned)midisock_local_port(server));
    fflush(stdout);
    for (;;) {
        midisock_result result;
        while ((result = midisock_pop(server, &message)) == MIDISOCK_OK) {
            midisock_message back = {0};
            back.data = message.data;
            back.size = message.size;
            back.client = message.client;
            while ((result = midisock_push_message(server, &back)) == MIDISOCK_ERR_FULL)
                must(midisock_wait(server, MIDISOCK_WAIT_ROOM, -1), "wait");
            /* The releases of a client that has left find no receiver. */
            if (result != MIDISOCK_OFFLINE && result != MIDISOCK_ERR_NO_SUCH_CLIENT)
                must(result, "push");
        }
        if (result != MIDISOCK_EMPTY)
            must(result, "pop");
        must(midisock_wait(server, MIDISOCK_WAIT_MESSAGE, -1), "wait");
    }
}
