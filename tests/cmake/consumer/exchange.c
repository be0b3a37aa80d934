/* A server and a client in one program, and a message there and back. Plain C, and C++ too: exchange_c_header.cpp. */
#include <midisock/midisock.h>
#include <stdio.h>
#include <string.h>

#define DEADLINE_MS 20000

static int failed(const char *what, midisock_result result)
{
    fprintf(stderr, "%s: %s\n", what, midisock_strerror(result));
    return 1;
}

int main(void)
{
    static const uint8_t note_on[] = {0x90, 60, 100}, sysex[] = {0xf0, 1, 2, 3, 0xf7};
    midisock_port *server = NULL, *client = NULL;
    midisock_message message;
    midisock_result r;
    const uint32_t header = (uint32_t)MIDISOCK_VERSION_MAJOR << 16 | (uint32_t)MIDISOCK_VERSION_MINOR << 8 |
                            (uint32_t)MIDISOCK_VERSION_PATCH;

    if (midisock_version() != header)
        return fprintf(stderr, "the library is %s, the header another\n", midisock_version_string()), 1;
    if ((r = midisock_listen("127.0.0.1", 0, NULL, &server)) != MIDISOCK_OK)
        return failed("listen", r);
    if ((r = midisock_connect("127.0.0.1", midisock_local_port(server), NULL, &client)) != MIDISOCK_OK)
        return failed("connect", r);
    if ((r = midisock_wait_connected(client, DEADLINE_MS)) != MIDISOCK_OK)
        return failed("wait_connected", r);

    if ((r = midisock_push(client, note_on, sizeof note_on)) != MIDISOCK_OK)
        return failed("push", r);
    if ((r = midisock_wait(server, MIDISOCK_WAIT_MESSAGE, DEADLINE_MS)) != MIDISOCK_OK)
        return failed("wait", r);
    if ((r = midisock_pop(server, &message)) != MIDISOCK_OK)
        return failed("pop", r);
    if (message.size != sizeof note_on || memcmp(message.data, note_on, sizeof note_on) != 0 || message.client == 0)
        return fprintf(stderr, "another message came\n"), 1;

    if ((r = midisock_push(server, sysex, sizeof sysex)) != MIDISOCK_OK)
        return failed("push back", r);
    if ((r = midisock_wait(client, MIDISOCK_WAIT_MESSAGE, DEADLINE_MS)) != MIDISOCK_OK)
        return failed("wait back", r);
    if ((r = midisock_pop(client, &message)) != MIDISOCK_OK)
        return failed("pop back", r);
    if (message.size != sizeof sysex || memcmp(message.data, sysex, sizeof sysex) != 0)
        return fprintf(stderr, "another message came back\n"), 1;

    midisock_close(client);
    midisock_close(server);
    return puts(midisock_version_string()) < 0;
}
