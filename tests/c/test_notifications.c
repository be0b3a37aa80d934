/* Notifications: each kind, its fields, and the bound of their queue. */
#include "check.h"
#include "raw.h"

#include <stdio.h>
#include <string.h>

static void address_is(const midisock_notification *n, uint16_t port)
{
    char expected[64];
    snprintf(expected, sizeof expected, "127.0.0.1:%u", (unsigned)port);
    CHECK_TEXT(expected, n->address);
}

static void a_client_connects_and_loses_its_server(void)
{
    midisock_config c = check_config();
    c.reconnect_min_ms = 1;
    c.reconnect_max_ms = 10;
    midisock_port *server = check_listen(NULL);
    uint16_t port = midisock_local_port(server);
    midisock_port *client = check_connect(server, &c);
    midisock_notification n = NOTIFIED(client, MIDISOCK_NOTIFY_CONNECTED);
    address_is(&n, port);
    CHECK_INT(0, n.client);
    CHECK_RESULT(MIDISOCK_OK, n.reason);
    CHECK_INT(0, n.os_error);
    CHECK(n.time_ns > 0 && n.time_ns <= midisock_now_ns());
    CHECK_INT(0, n.reserved[0]);
    CHECK_INT(0, n.reserved[1]);
    midisock_close(server);
    midisock_notification gone = NOTIFIED(client, MIDISOCK_NOTIFY_DISCONNECTED);
    CHECK_RESULT(MIDISOCK_OK, gone.reason); /* orderly */
    address_is(&gone, port);
    CHECK(gone.time_ns >= n.time_ns);
    /* Attempts go on; the reason stays the same: told once. */
    CHECK_RESULT(MIDISOCK_ERR_REFUSED, NOTIFIED(client, MIDISOCK_NOTIFY_CONNECT_FAILED).reason);
    CHECK_RESULT(MIDISOCK_ERR_TIMEOUT, midisock_wait(client, MIDISOCK_WAIT_NOTIFICATION, 200));
    CHECK_OK(midisock_listen("127.0.0.1", port, NULL, &server));
    NOTIFIED(client, MIDISOCK_NOTIFY_CONNECTED);
    CHECK_COUNT(client, connections, 2);
    CHECK_COUNT(client, disconnections, 1);
    midisock_close(client);
    midisock_close(server);
}

static void a_link_that_is_reset(void)
{
    uint16_t port = 0;
    int listener = raw_listen(&port);
    midisock_config c = check_config();
    c.reconnect_min_ms = 1;
    c.reconnect_max_ms = 10;
    midisock_port *client = NULL;
    CHECK_OK(midisock_connect("127.0.0.1", port, &c, &client));
    for (int i = 0; i < 5; i++) {
        int fd = raw_accept(listener);
        NOTIFIED(client, MIDISOCK_NOTIFY_CONNECTED);
        raw_reset(fd);
        midisock_notification n = NOTIFIED(client, MIDISOCK_NOTIFY_DISCONNECTED);
        CHECK(n.reason < 0);
        CHECK(n.os_error != 0);
    }
    raw_close(raw_accept(listener));
    midisock_close(client);
    raw_close(listener);
}

static void the_reason_changes(void)
{
    /* Refused first, then no answer: told again because it is another reason. */
    uint16_t port;
    int holder = raw_refusing(&port);
    midisock_config c = check_config();
    c.reconnect_min_ms = 1;
    c.reconnect_max_ms = 10;
    c.connect_timeout_ms = 100;
    midisock_port *client = NULL;
    CHECK_OK(midisock_connect("127.0.0.1", port, &c, &client));
    midisock_notification n = NOTIFIED(client, MIDISOCK_NOTIFY_CONNECT_FAILED);
    CHECK_RESULT(MIDISOCK_ERR_REFUSED, n.reason);
    address_is(&n, port);
    CHECK(n.os_error != 0);
    CHECK_RESULT(MIDISOCK_ERR_TIMEOUT, midisock_wait(client, MIDISOCK_WAIT_NOTIFICATION, 100));
    midisock_close(client);
    raw_close(holder);
}

static void pairs_and_accepted_ports_are_born_connected(void)
{
    midisock_port *a = NULL;
    midisock_port *b = NULL;
    midisock_notification n;
    CHECK_OK(midisock_pair(NULL, &a, &b));
    CHECK_RESULT(MIDISOCK_EMPTY, midisock_poll_notification(a, &n));
    midisock_close(b);
    n = NOTIFIED(a, MIDISOCK_NOTIFY_DISCONNECTED);
    CHECK_RESULT(MIDISOCK_OK, n.reason);
    midisock_close(a);

    midisock_config c = check_config();
    c.accept_mode = MIDISOCK_ACCEPT_MANUAL;
    midisock_port *server = check_listen(&c);
    int fd = raw_connect(midisock_local_port(server));
    midisock_port *accepted = NULL;
    CHECK_OK(midisock_accept(server, DEADLINE_MS, &accepted));
    CHECK_RESULT(MIDISOCK_EMPTY, midisock_poll_notification(accepted, &n));
    raw_close(fd);
    n = NOTIFIED(accepted, MIDISOCK_NOTIFY_DISCONNECTED);
    CHECK_RESULT(MIDISOCK_OK, n.reason);
    CHECK(strncmp(n.address, "127.0.0.1:", 10) == 0);
    midisock_close(accepted);
    midisock_close(server);
}

static void a_client_that_resets(void)
{
    midisock_port *server = check_listen(NULL);
    int fd = raw_connect(midisock_local_port(server));
    midisock_notification joined = NOTIFIED(server, MIDISOCK_NOTIFY_CLIENT_JOINED);
    raw_reset(fd);
    midisock_notification left = NOTIFIED(server, MIDISOCK_NOTIFY_CLIENT_LEFT);
    CHECK_INT(joined.client, left.client);
    CHECK(left.reason < 0);
    CHECK_TEXT(joined.address, left.address);
    midisock_close(server);
}

static void disconnecting_a_client(void)
{
    midisock_port *server = check_listen(NULL);
    midisock_config c = check_config();
    c.reconnect_max_ms = 0;
    midisock_port *client = check_connect(server, &c);
    NOTIFIED(client, MIDISOCK_NOTIFY_CONNECTED);
    midisock_notification joined = NOTIFIED(server, MIDISOCK_NOTIFY_CLIENT_JOINED);
    CHECK_OK(midisock_disconnect(server, joined.client));
    CHECK_INT(joined.client, NOTIFIED(server, MIDISOCK_NOTIFY_CLIENT_LEFT).client);
    CHECK_RESULT(MIDISOCK_OK, NOTIFIED(client, MIDISOCK_NOTIFY_DISCONNECTED).reason);
    midisock_close(client);
    midisock_close(server);
}

static void the_queue_is_bounded_and_stays_paired(void)
{
    /* Far more comings and goings than any sensible queue holds, unread. */
    enum { ROUNDS = 1500 };
    midisock_port *server = check_listen(NULL);
    for (int i = 0; i < ROUNDS; i++) {
        int fd = raw_connect(midisock_local_port(server));
        RAW_SEND(fd, 0xf6);
        EXPECT(server, 0xf6);
        if (i % 20)
            raw_reset(fd);
        else
            raw_close(fd);
        CHECK_SOON(midisock_client_count(server) == 0);
    }
    CHECK_SOON(check_stats(server).disconnections == ROUNDS);
    int fd = raw_connect(midisock_local_port(server));
    RAW_SEND(fd, 0xf6);
    uint32_t present = EXPECT(server, 0xf6).client;
    midisock_notification n;
    unsigned joins = 0;
    unsigned leaves = 0;
    uint32_t inside = 0;
    while (midisock_poll_notification(server, &n) == MIDISOCK_OK) {
        if (n.kind == MIDISOCK_NOTIFY_CLIENT_JOINED) {
            CHECK_INT(0, inside); /* the one before had left */
            inside = n.client;
            joins++;
        } else {
            CHECK_INT(MIDISOCK_NOTIFY_CLIENT_LEFT, n.kind);
            CHECK_INT(inside, n.client); /* nobody leaves who had not joined */
            inside = 0;
            leaves++;
        }
    }
    if (inside != 0)
        CHECK_INT(present, inside);
    CHECK(joins == leaves || joins == leaves + 1);
    CHECK(joins > 0);
    CHECK(joins < ROUNDS); /* bounded */
    /* There is room again: what happens now is told. */
    raw_close(fd);
    CHECK_SOON(midisock_client_count(server) == 0);
    if (inside != 0)
        CHECK_INT(present, NOTIFIED(server, MIDISOCK_NOTIFY_CLIENT_LEFT).client);
    fd = raw_connect(midisock_local_port(server));
    uint32_t id = NOTIFIED(server, MIDISOCK_NOTIFY_CLIENT_JOINED).client;
    raw_close(fd);
    CHECK_INT(id, NOTIFIED(server, MIDISOCK_NOTIFY_CLIENT_LEFT).client);
    midisock_close(server);
}

static void kept_after_shutdown(void)
{
    midisock_port *server = check_listen(NULL);
    midisock_port *client = check_connect(server, NULL);
    CHECK_OK(midisock_shutdown(client));
    /* It was connected, and is no more: both can still be read. */
    NOTIFIED(client, MIDISOCK_NOTIFY_CONNECTED);
    midisock_close(client);
    NOTIFIED(server, MIDISOCK_NOTIFY_CLIENT_JOINED);
    NOTIFIED(server, MIDISOCK_NOTIFY_CLIENT_LEFT);
    midisock_close(server);
}

int main(int argc, char **argv)
{
    static const check_case cases[] = {
        CASE(a_client_connects_and_loses_its_server),
        CASE(a_link_that_is_reset),
        CASE(the_reason_changes),
        CASE(pairs_and_accepted_ports_are_born_connected),
        CASE(a_client_that_resets),
        CASE(disconnecting_a_client),
        CASE(the_queue_is_bounded_and_stays_paired),
        CASE(kept_after_shutdown),
    };
    return check_main(argc, argv, CASES(cases));
}
