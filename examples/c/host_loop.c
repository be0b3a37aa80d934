/* A server without any thread, in an event loop with poll(2): it sends back what its clients send, and a note for each
 * line of its input. It ends when its input ends.
 *
 *     host_loop 9080
 */
#define _POSIX_C_SOURCE 200809L
#include <midisock/midisock.h>

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void tell(void *user, int32_t level, const char *text)
{
    (void)user;
    fprintf(stderr, "%s%s\n", level == MIDISOCK_LOG_INFO ? "" : "! ", text);
}

/* Runs until the input ends. */
static void run(midisock_context *context, midisock_port *server, int handle)
{
    static const uint8_t note_on[] = {0x90, 60, 64}, note_off[] = {0x80, 60, 64};
    struct pollfd ready[2] = {{handle, POLLIN, 0}, {STDIN_FILENO, POLLIN, 0}};
    char line[256];
    while (poll(ready, 2, -1) >= 0) {
        if (ready[1].revents != 0) {
            if (read(STDIN_FILENO, line, sizeof line) <= 0)
                return;
            midisock_push(server, note_on, sizeof note_on);
            midisock_push(server, note_off, sizeof note_off);
        }
        if (midisock_context_poll(context, 0) < 0)
            return;
        midisock_message message;
        while (midisock_pop(server, &message) == MIDISOCK_OK)
            midisock_push(server, message.data, message.size);
    }
}

int main(int argc, char **argv)
{
    midisock_context_config how = MIDISOCK_CONTEXT_CONFIG_INIT;
    how.mode = MIDISOCK_CONTEXT_HOST;
    how.log = tell;
    midisock_context *context;
    midisock_result result = midisock_context_create(&how, &context);
    if (result != MIDISOCK_OK)
        return fprintf(stderr, "no context: %s\n", midisock_strerror(result)), 1;

    midisock_config config = MIDISOCK_CONFIG_INIT;
    config.context = context;
    config.wake = MIDISOCK_WAKE_SIGNAL;
    midisock_port *server = NULL;
    intptr_t handle;
    result = midisock_listen("localhost", (uint16_t)(argc > 1 ? atoi(argv[1]) : 9080), &config, &server);
    if (result == MIDISOCK_OK)
        result = midisock_context_handle(context, &handle);
    if (result == MIDISOCK_OK)
        run(context, server, (int)handle);
    else
        fprintf(stderr, "%s\n", midisock_strerror(result));
    midisock_close(server);
    midisock_context_destroy(context);
    return result != MIDISOCK_OK;
}
