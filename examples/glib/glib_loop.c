/* A server in GLib's main loop, as in a program with GTK: callbacks on the main thread, and no other thread of its own.
 *
 *   glib_loop [PORT]      0, the default, takes a free port and prints it; the end of standard input ends it
 *
 *   cc glib_loop.c $(pkg-config --cflags --libs glib-2.0) -lmidisock
 */
#include <glib-unix.h>
#include <midisock/midisock.h>
#include <stdlib.h>
#include <unistd.h>

typedef struct program {
    midisock_port *server;
    GMainLoop *loop;
    guint messages; /* the sources; 0: removed */
    guint notifications;
} program;

/* Takes all messages: the handle stays readable until a pop has found none. */
static gboolean on_messages(gint handle, GIOCondition condition, gpointer user_data)
{
    program *p = user_data;
    midisock_message message;
    midisock_result result;
    (void)handle;
    (void)condition;
    while ((result = midisock_pop(p->server, &message)) == MIDISOCK_OK) {
        for (uint32_t i = 0; i < message.size; i++)
            g_print("%02x ", message.data[i]);
        g_print("from client %u\n", (unsigned)message.client);
    }
    /* A closed port's handle stays readable for good, so the source is removed. */
    if (result != MIDISOCK_ERR_CLOSED)
        return G_SOURCE_CONTINUE;
    p->messages = 0;
    return G_SOURCE_REMOVE;
}

static gboolean on_notifications(gint handle, GIOCondition condition, gpointer user_data)
{
    program *p = user_data;
    midisock_notification notification;
    (void)handle;
    (void)condition;
    while (midisock_poll_notification(p->server, &notification) == MIDISOCK_OK) {
        if (notification.kind == MIDISOCK_NOTIFY_CLIENT_JOINED)
            g_print("client %u joined from %s\n", (unsigned)notification.client, notification.address);
        else if (notification.kind == MIDISOCK_NOTIFY_CLIENT_LEFT)
            g_print("client %u left\n", (unsigned)notification.client);
    }
    if (midisock_state(p->server) != MIDISOCK_STATE_CLOSED)
        return G_SOURCE_CONTINUE;
    p->notifications = 0;
    return G_SOURCE_REMOVE;
}

static gboolean on_input(gint handle, GIOCondition condition, gpointer user_data)
{
    program *p = user_data;
    char input[256];
    (void)condition;
    if (read(handle, input, sizeof input) > 0)
        return G_SOURCE_CONTINUE;
    g_main_loop_quit(p->loop);
    return G_SOURCE_REMOVE;
}

int main(int argc, char **argv)
{
    program p = {NULL, g_main_loop_new(NULL, FALSE), 0, 0};
    intptr_t messages = -1, notifications = -1;
    midisock_result result = midisock_listen("localhost", (uint16_t)(argc > 1 ? atoi(argv[1]) : 0), NULL, &p.server);
    if (result == MIDISOCK_OK)
        result = midisock_wait_handle(p.server, MIDISOCK_WAIT_MESSAGE, &messages);
    if (result == MIDISOCK_OK)
        result = midisock_wait_handle(p.server, MIDISOCK_WAIT_NOTIFICATION, &notifications);
    if (result == MIDISOCK_OK) {
        p.messages = g_unix_fd_add((gint)messages, G_IO_IN, on_messages, &p);
        p.notifications = g_unix_fd_add((gint)notifications, G_IO_IN, on_notifications, &p);
        g_unix_fd_add(STDIN_FILENO, G_IO_IN | G_IO_HUP, on_input, &p);
        g_print("localhost:%u\n", (unsigned)midisock_local_port(p.server));
        g_main_loop_run(p.loop);
        /* Before the port, which closes the handles. */
        g_clear_handle_id(&p.messages, g_source_remove);
        g_clear_handle_id(&p.notifications, g_source_remove);
    } else {
        g_printerr("%s\n", midisock_strerror(result));
    }
    midisock_close(p.server);
    g_main_loop_unref(p.loop);
    return result != MIDISOCK_OK;
}
