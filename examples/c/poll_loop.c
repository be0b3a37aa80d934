/* A server in a loop of its own: poll(2) waits for messages, notifications and the end of the input at once.
 *
 *   poll_loop [PORT]      0, the default, takes a free port and prints it
 */
#define _POSIX_C_SOURCE 200809L
#include <midisock/midisock.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Takes all messages: the handle stays readable until a pop has found none. */
static midisock_result take_messages(midisock_port *server)
{
    midisock_message message;
    midisock_result result;
    while ((result = midisock_pop(server, &message)) == MIDISOCK_OK) {
        for (uint32_t i = 0; i < message.size; i++)
            printf("%02x ", message.data[i]);
        printf("from client %u\n", (unsigned)message.client);
    }
    return result; /* MIDISOCK_ERR_CLOSED: no more will come */
}

static void take_notifications(midisock_port *server)
{
    midisock_notification notification;
    while (midisock_poll_notification(server, &notification) == MIDISOCK_OK) {
        if (notification.kind == MIDISOCK_NOTIFY_CLIENT_JOINED)
            printf("client %u joined from %s\n", (unsigned)notification.client, notification.address);
        else if (notification.kind == MIDISOCK_NOTIFY_CLIENT_LEFT)
            printf("client %u left\n", (unsigned)notification.client);
    }
}

/* Runs until standard input ends. */
static midisock_result run(midisock_port *server, struct pollfd loop[3])
{
    char input[256];
    for (;;) {
        if (poll(loop, 3, -1) < 0)
            continue; /* a signal */
        if (loop[0].revents && take_messages(server) == MIDISOCK_ERR_CLOSED)
            return MIDISOCK_ERR_CLOSED;
        if (loop[1].revents)
            take_notifications(server);
        fflush(stdout);
        if (loop[2].revents && read(STDIN_FILENO, input, sizeof input) <= 0)
            return MIDISOCK_OK;
    }
}

int main(int argc, char **argv)
{
    midisock_port *server = NULL;
    intptr_t messages = -1, notifications = -1;
    midisock_result result = midisock_listen("localhost", (uint16_t)(argc > 1 ? atoi(argv[1]) : 0), NULL, &server);
    if (result == MIDISOCK_OK)
        result = midisock_wait_handle(server, MIDISOCK_WAIT_MESSAGE, &messages);
    if (result == MIDISOCK_OK)
        result = midisock_wait_handle(server, MIDISOCK_WAIT_NOTIFICATION, &notifications);
    if (result == MIDISOCK_OK) {
        struct pollfd loop[3] = {{(int)messages, POLLIN, 0}, {(int)notifications, POLLIN, 0}, {STDIN_FILENO, POLLIN, 0}};
        printf("localhost:%u\n", (unsigned)midisock_local_port(server));
        fflush(stdout);
        result = run(server, loop);
    }
    if (result != MIDISOCK_OK)
        fprintf(stderr, "%s\n", midisock_strerror(result));
    midisock_close(server); /* and the handles with it */
    return result != MIDISOCK_OK;
}
