/* A server that prints what comes, as short as can be. */
#include <midisock/midisock.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
    uint16_t port = (uint16_t)(argc > 1 ? atoi(argv[1]) : 8080);
    midisock_port *server;
    midisock_message message;
    midisock_result result = midisock_listen("localhost", port, NULL, &server);
    if (result != MIDISOCK_OK)
        return fprintf(stderr, "localhost:%d: %s\n", port, midisock_strerror(result)), 1;
    while (midisock_wait(server, MIDISOCK_WAIT_MESSAGE, -1) == MIDISOCK_OK) {
        while (midisock_pop(server, &message) == MIDISOCK_OK) {
            for (uint32_t i = 0; i < message.size; i++)
                printf("%02x ", message.data[i]);
            printf("from client %u\n", (unsigned)message.client);
        }
        fflush(stdout);
    }
    midisock_close(server);
    return 0;
}
