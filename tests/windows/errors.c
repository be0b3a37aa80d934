/* Windows' errors are returned as the matching results of the API, and end nothing. */
#include <midisock/midisock.h>

#include "check.h"

#include <string.h>

static void wrong_arguments(void)
{
    static const uint8_t half[] = {0x90, 60}, none[] = {60};
    midisock_port *a = NULL, *b = NULL;
    midisock_message message;
    GIVES(MIDISOCK_ERR_INVALID_ARGUMENT, midisock_push(NULL, half, sizeof half));
    GIVES(MIDISOCK_ERR_INVALID_ARGUMENT, midisock_pop(NULL, &message));
    GIVES(MIDISOCK_ERR_INVALID_ARGUMENT, midisock_listen("127.0.0.1", 0, NULL, NULL));
    GIVES(MIDISOCK_ERR_INVALID_ARGUMENT, midisock_connect("127.0.0.1", 0, NULL, &a));
    GIVES(MIDISOCK_OK, midisock_pair(NULL, &a, &b));
    GIVES(MIDISOCK_ERR_INVALID_MESSAGE, midisock_push(a, half, sizeof half));
    GIVES(MIDISOCK_ERR_INVALID_MESSAGE, midisock_push(a, none, sizeof none));
    GIVES(MIDISOCK_EMPTY, midisock_pop(b, &message));
    GIVES(MIDISOCK_ERR_TIMEOUT, midisock_wait(b, MIDISOCK_WAIT_MESSAGE, 1));
    GIVES(MIDISOCK_OK, midisock_shutdown(b));
    GIVES(MIDISOCK_ERR_CLOSED, midisock_wait(b, MIDISOCK_WAIT_MESSAGE, -1));
    midisock_close(a);
    midisock_close(b);
    midisock_close(NULL);
}

static void addresses(void)
{
    midisock_port *server = NULL, *second = NULL, *client = NULL;
    midisock_config once;
    uint16_t number;
    GIVES(MIDISOCK_ERR_ADDRESS, midisock_listen("not a name", 0, NULL, &server));
    GIVES(MIDISOCK_OK, midisock_listen("127.0.0.1", 0, NULL, &server));
    number = midisock_local_port(server);
    CHECK(number != 0 && midisock_state(server) == MIDISOCK_STATE_LISTENING);
    GIVES(MIDISOCK_ERR_ADDRESS_IN_USE, midisock_listen("127.0.0.1", number, NULL, &second));
    CHECK(second == NULL);
    GIVES(MIDISOCK_ERR_WRONG_ROLE, midisock_accept(server, 0, &second));
    GIVES(MIDISOCK_ERR_NO_SUCH_CLIENT, midisock_disconnect(server, 7));
    midisock_close(server); /* its address is free again, and nobody is there */
    midisock_config_init(&once, sizeof once);
    once.reconnect_max_ms = 0;
    GIVES(MIDISOCK_OK, midisock_connect("127.0.0.1", number, &once, &client));
    GIVES(MIDISOCK_ERR_REFUSED, midisock_wait_connected(client, DEADLINE_MS));
    midisock_close(client);
}

/* Windows has Unix sockets from 10 1803 on, and wine from version 9 on. An older one says so at both ends. */
static void unix_sockets(void)
{
    static const uint8_t note_on[] = {0x90, 60, 100};
    const char *folder = getenv("TEMP");
    midisock_port *server = NULL, *second = NULL, *client = NULL;
    midisock_message message;
    midisock_result result;
    char address[108];
    CHECK(folder != NULL);
    snprintf(address, sizeof address, "unix:%s/midisock-%u", folder, (unsigned)midisock_now_ns());
    result = midisock_listen(address, 0, NULL, &server);
    if (result == MIDISOCK_ERR_UNSUPPORTED) {
        GIVES(MIDISOCK_ERR_UNSUPPORTED, midisock_connect(address, 0, NULL, &client));
        puts("this system has no Unix sockets");
        return;
    }
    CHECK(result == MIDISOCK_OK);
    GIVES(MIDISOCK_ERR_ADDRESS_IN_USE, midisock_listen(address, 0, NULL, &second));
    GIVES(MIDISOCK_OK, midisock_connect(address, 0, NULL, &client));
    GIVES(MIDISOCK_OK, midisock_wait_connected(client, DEADLINE_MS));
    GIVES(MIDISOCK_OK, midisock_push(client, note_on, sizeof note_on));
    GIVES(MIDISOCK_OK, midisock_wait(server, MIDISOCK_WAIT_MESSAGE, DEADLINE_MS));
    GIVES(MIDISOCK_OK, midisock_pop(server, &message));
    CHECK(message.size == 3 && message.data[1] == 60);
    midisock_close(client);
    midisock_close(server);
    CHECK(remove(address + strlen("unix:")) != 0); /* the file is gone */
}

/* A name is looked up; the server goes, and the client learns of it. */
static void a_peer_that_goes(void)
{
    static const uint8_t note_on[] = {0x90, 60, 100};
    midisock_port *server = NULL, *client = NULL;
    midisock_message message;
    midisock_config once;
    midisock_config_init(&once, sizeof once);
    once.reconnect_max_ms = 0;
    GIVES(MIDISOCK_OK, midisock_listen("localhost", 0, NULL, &server));
    GIVES(MIDISOCK_OK, midisock_connect("localhost", midisock_local_port(server), &once, &client));
    GIVES(MIDISOCK_OK, midisock_wait_connected(client, DEADLINE_MS));
    GIVES(MIDISOCK_OK, midisock_push(server, note_on, sizeof note_on));
    midisock_close(server); /* writes it, and the Note Off that it owes */
    GIVES(MIDISOCK_OK, midisock_wait(client, MIDISOCK_WAIT_MESSAGE, DEADLINE_MS));
    GIVES(MIDISOCK_OK, midisock_pop(client, &message));
    CHECK(message.size == 3 && memcmp(message.data, note_on, 3) == 0);
    GIVES(MIDISOCK_OK, midisock_wait(client, MIDISOCK_WAIT_MESSAGE, DEADLINE_MS));
    GIVES(MIDISOCK_OK, midisock_pop(client, &message));
    CHECK(message.size == 3 && message.data[0] == 0x80 && message.data[1] == 60);
    GIVES(MIDISOCK_ERR_CLOSED, midisock_wait(client, MIDISOCK_WAIT_MESSAGE, DEADLINE_MS));
    CHECK(midisock_state(client) == MIDISOCK_STATE_CLOSED);
    midisock_close(client);
}

int main(void)
{
    wrong_arguments();
    addresses();
    unix_sockets();
    a_peer_that_goes();
    return puts("ok") < 0;
}
