/* An echo on a context without a thread: prints its port, then echoes what its clients send, in a loop that sleeps in
 * midisock_context_poll, or with "handle" in poll(2) for the context's handle.
 *   host_echo [handle] [--busy-poll US] */
#define _POSIX_C_SOURCE 200809L
#include "bench.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>

int main(int argc, char **argv)
{
    midisock_context_config how = MIDISOCK_CONTEXT_CONFIG_INIT;
    midisock_context *context;
    midisock_config config;
    midisock_port *server;
    midisock_message message;
    intptr_t handle = -1;
    how.mode = MIDISOCK_CONTEXT_HOST;
    how.busy_poll_us = (uint32_t)option_number(argc, argv, "--busy-poll", 0);
    must(midisock_context_create(&how, &context), "context");
    configure(&config, "signal", 0);
    config.context = context;
    must(midisock_listen("127.0.0.1", 0, &config, &server), "listen");
    if (argc > 1 && strcmp(argv[1], "handle") == 0)
        must(midisock_context_handle(context, &handle), "handle");
    printf("%u\n", (unsigned)midisock_local_port(server));
    fflush(stdout);
    for (;;) {
        if (handle >= 0) {
            struct pollfd ready = {(int)handle, POLLIN, 0};
            poll(&ready, 1, -1);
        }
        if (midisock_context_poll(context, handle >= 0 ? 0 : -1) < 0)
            fail("poll");
        while (midisock_pop(server, &message) == MIDISOCK_OK)
            /* The releases of a client that has left are not for the next one. */
            if (!(message.flags & MIDISOCK_FLAG_SYNTHETIC))
                must(midisock_push(server, message.data, message.size), "push");
    }
}
