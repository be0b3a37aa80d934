/* An echo server with liblo over TCP: prints its port, then returns each OSC message to its sender. */
#define _POSIX_C_SOURCE 200809L
#include "bench.h"

#include <lo/lo.h>
#include <stdio.h>

static int echo(const char *path, const char *types, lo_arg **arguments, int count, lo_message message, void *server)
{
    lo_address source = lo_message_get_source(message);
    (void)types;
    (void)arguments;
    (void)count;
    if (lo_send_message_from(source, *(lo_server *)server, path, message) < 0)
        fail("liblo: %s", lo_address_errstr(source));
    return 0;
}

int main(void)
{
    lo_server server = lo_server_new_with_proto(NULL, LO_TCP, NULL);
    if (server == NULL)
        fail("liblo: no server");
    lo_server_add_method(server, "/m", "m", echo, &server);
    printf("%d\n", lo_server_get_port(server));
    fflush(stdout);
    for (;;)
        lo_server_recv(server);
}
