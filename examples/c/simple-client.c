/* A client that sends one note, as short as can be. */
#include <midisock/midisock.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
    uint16_t port = (uint16_t)(argc > 1 ? atoi(argv[1]) : 8080);
    static const uint8_t note_on[] = {0x90, 60, 100};
    midisock_port *output = NULL;
    midisock_result result = midisock_connect("localhost", port, NULL, &output);
    if (result == MIDISOCK_OK && (result = midisock_wait_connected(output, 2000)) == MIDISOCK_OK)
        result = midisock_push(output, note_on, sizeof note_on);
    if (result != MIDISOCK_OK)
        fprintf(stderr, "localhost:%d: %s\n", port, midisock_strerror(result));
    midisock_close(output); /* what was pushed is still written */
    return result != MIDISOCK_OK;
}
