/* Manual servers: each client a port of its own. */
#include "check.h"
#include "raw.h"

#include <string.h>

/* Windows hands out no connection that was reset before it was accepted. */
#if defined(_WIN32)
#define RESETS_ARE_ACCEPTED 0
#else
#define RESETS_ARE_ACCEPTED 1
#endif

static midisock_port *manual(uint32_t max_clients)
{
    midisock_config c = check_config();
    c.accept_mode = MIDISOCK_ACCEPT_MANUAL;
    c.max_clients = max_clients;
    return check_listen(&c);
}

static midisock_port *accept_one(midisock_port *server)
{
    midisock_port *port = NULL;
    CHECK_OK(midisock_accept(server, DEADLINE_MS, &port));
    CHECK(port != NULL);
    return port;
}

static void timeouts(void)
{
    midisock_port *server = manual(4);
    midisock_port *out = (midisock_port *)(void *)&out;
    midisock_port *const before = out;
    uint64_t begin = check_now_ms();
    CHECK_RESULT(MIDISOCK_EMPTY, midisock_accept(server, 0, &out));
    CHECK(check_now_ms() - begin < DEADLINE_MS / 2);
    begin = check_now_ms();
    CHECK_RESULT(MIDISOCK_ERR_TIMEOUT, midisock_accept(server, 100, &out));
    uint64_t took = check_now_ms() - begin;
    CHECK(took >= 99 && took < DEADLINE_MS / 2);
    CHECK_RESULT(MIDISOCK_ERR_TIMEOUT, midisock_wait(server, MIDISOCK_WAIT_CLIENT, 0));
    CHECK(out == before);
    midisock_close(server);
}

static void *accept_for_ever(void *argument)
{
    midisock_port *port = NULL;
    CHECK_OK(midisock_accept(argument, -1, &port));
    return port;
}

static void waiting_for_ever_ends_by_a_client(void)
{
    midisock_port *server = manual(4);
    pthread_t thread;
    check_start(&thread, accept_for_ever, server);
    midisock_port *client = check_connect(server, NULL);
    void *accepted = NULL;
    CHECK_INT(0, pthread_join(thread, &accepted));
    CHECK_INT(MIDISOCK_STATE_CONNECTED, midisock_state(accepted));
    midisock_close(accepted);
    midisock_close(client);
    midisock_close(server);
}

static void clients_are_accepted_in_order_and_kept_apart(void)
{
    enum { N = 10 };
    midisock_port *server = manual(64);
    midisock_port *clients[N];
    midisock_port *accepted[N];
    for (int i = 0; i < N; i++) {
        clients[i] = check_connect(server, NULL);
        accepted[i] = accept_one(server);
    }
    CHECK_INT(N, midisock_client_count(server));
    for (int i = 0; i < N; i++) {
        CHECK_OK(midisock_push(clients[i], BYTES(0xc0, (uint8_t)i)));
        CHECK_OK(midisock_push(accepted[i], BYTES(0xc1, (uint8_t)i)));
    }
    for (int i = 0; i < N; i++) {
        midisock_message m = EXPECT(accepted[i], 0xc0, (uint8_t)i);
        CHECK_INT(0, m.client); /* only merged servers tell clients apart so */
        CHECK_INT(0, m.flags);
        EXPECT(clients[i], 0xc1, (uint8_t)i);
    }
    for (int i = 0; i < N; i++) {
        midisock_close(clients[i]);
        midisock_close(accepted[i]);
    }
    CHECK_SOON(midisock_client_count(server) == 0);
    midisock_close(server);
}

static void a_client_that_left_is_still_accepted(void)
{
    midisock_port *server = manual(4);
    int fd = raw_connect(midisock_local_port(server));
    RAW_SEND(fd, 0x90, 60, 100, 62, 100, 0xf0, 1, 2, 0xf7);
    raw_half_close(fd);
    RAW_EXPECT_END(fd); /* the library has seen the end and closed */
    raw_close(fd);
    midisock_port *accepted = accept_one(server);
    EXPECT(accepted, 0x90, 60, 100);
    EXPECT(accepted, 0x90, 62, 100);
    EXPECT(accepted, 0xf0, 1, 2, 0xf7);
    midisock_message m;
    CHECK_SOON(midisock_pop(accepted, &m) == MIDISOCK_ERR_CLOSED);
    CHECK_INT(MIDISOCK_STATE_CLOSED, midisock_state(accepted));
    CHECK_RESULT(MIDISOCK_ERR_CLOSED, midisock_push(accepted, BYTES(0xf6)));
    midisock_close(accepted);
    midisock_close(server);
}

static void a_client_that_reset_is_still_accepted(void)
{
    midisock_port *server = manual(4);
    int fd = raw_connect(midisock_local_port(server));
    RAW_SEND(fd, 0xf6);
    CHECK_OK(midisock_wait(server, MIDISOCK_WAIT_CLIENT, DEADLINE_MS));
    raw_reset(fd);
    midisock_port *accepted = accept_one(server);
    /* A reset may throw away what was sent before it; never more than that. */
    CHECK_SOON(midisock_state(accepted) == MIDISOCK_STATE_CLOSED);
    midisock_message m;
    midisock_result result;
    CHECK_SOON((result = midisock_pop(accepted, &m)) != MIDISOCK_EMPTY);
    if (result == MIDISOCK_OK) {
        CHECK_MEMORY("\xf6", 1, m.data, m.size);
        CHECK_SOON((result = midisock_pop(accepted, &m)) != MIDISOCK_EMPTY);
    }
    CHECK_RESULT(MIDISOCK_ERR_CLOSED, result);
    CHECK(NOTIFIED(accepted, MIDISOCK_NOTIFY_DISCONNECTED).reason != MIDISOCK_OK);
    midisock_close(accepted);
    midisock_close(server);
}

static void clients_beyond_the_limit_are_refused(void)
{
    enum { MOST = 3 };
    midisock_port *server = manual(MOST);
    int fds[MOST];
    for (int i = 0; i < MOST; i++)
        fds[i] = raw_connect(midisock_local_port(server));
    /* Not yet accepted, but they count. */
    CHECK_SOON(midisock_client_count(server) == MOST);
    for (unsigned i = 1; i <= 5; i++) {
        int fd = raw_connect(midisock_local_port(server));
        RAW_EXPECT_GONE(fd);
        raw_close(fd);
        CHECK_SOON(check_stats(server).rejected == i);
    }
    midisock_port *accepted[MOST];
    for (int i = 0; i < MOST; i++)
        accepted[i] = accept_one(server);
    midisock_port *none = NULL;
    CHECK_RESULT(MIDISOCK_EMPTY, midisock_accept(server, 0, &none));
    /* Accepting makes no room, leaving does. */
    int fd = raw_connect(midisock_local_port(server));
    RAW_EXPECT_GONE(fd);
    raw_close(fd);
    raw_close(fds[0]);
    CHECK_SOON(midisock_client_count(server) == MOST - 1);
    fds[0] = raw_connect(midisock_local_port(server));
    RAW_SEND(fds[0], 0xf6);
    midisock_port *late = accept_one(server);
    EXPECT(late, 0xf6);
    CHECK_COUNT(server, rejected, 6);
    CHECK_COUNT(server, connections, MOST + 1);
    midisock_close(late);
    for (int i = 0; i < MOST; i++) {
        midisock_close(accepted[i]);
        raw_close(fds[i]);
    }
    midisock_close(server);
}

static void closing_the_server_leaves_accepted_ports(void)
{
    midisock_port *server = manual(8);
    midisock_port *client = check_connect(server, NULL);
    midisock_port *accepted = accept_one(server);
    int waiting = raw_connect(midisock_local_port(server)); /* never accepted */
    CHECK_OK(midisock_wait(server, MIDISOCK_WAIT_CLIENT, DEADLINE_MS));
    midisock_close(server);
    RAW_EXPECT_GONE(waiting);
    raw_close(waiting);
    for (uint8_t i = 0; i < 100; i++) {
        CHECK_OK(midisock_push(client, BYTES(0xc0, i)));
        EXPECT(accepted, 0xc0, i);
        CHECK_OK(midisock_push(accepted, BYTES(0xc1, i)));
        EXPECT(client, 0xc1, i);
    }
    CHECK_INT(MIDISOCK_STATE_CONNECTED, midisock_state(accepted));
    CHECK_COUNT(client, connections, 1);
    midisock_close(accepted);
    midisock_close(client);
}

static void shutting_the_server_down_leaves_accepted_ports(void)
{
    midisock_port *server = manual(8);
    midisock_port *client = check_connect(server, NULL);
    midisock_port *accepted = accept_one(server);
    CHECK_OK(midisock_shutdown(server));
    midisock_port *none = NULL;
    CHECK_RESULT(MIDISOCK_ERR_CLOSED, midisock_accept(server, -1, &none));
    CHECK(none == NULL);
    CHECK_OK(midisock_push(client, BYTES(0xf6)));
    EXPECT(accepted, 0xf6);
    midisock_close(server);
    CHECK_OK(midisock_push(accepted, BYTES(0xf6)));
    EXPECT(client, 0xf6);
    midisock_close(accepted);
    midisock_close(client);
}

static void accepted_ports_never_connect_again(void)
{
    midisock_port *server = manual(8);
    midisock_port *client = check_connect(server, NULL);
    midisock_port *accepted = accept_one(server);
    midisock_close(client);
    CHECK_SOON(midisock_state(accepted) == MIDISOCK_STATE_CLOSED);
    CHECK_RESULT(MIDISOCK_OK, NOTIFIED(accepted, MIDISOCK_NOTIFY_DISCONNECTED).reason);
    CHECK_RESULT(MIDISOCK_ERR_CLOSED, midisock_wait_connected(accepted, -1));
    midisock_close(accepted);
    midisock_close(server);
}

static void closing_an_accepted_port_ends_its_link_only(void)
{
    midisock_port *server = manual(8);
    int one = raw_connect(midisock_local_port(server));
    midisock_port *first = accept_one(server);
    int two = raw_connect(midisock_local_port(server));
    midisock_port *second = accept_one(server);
    midisock_close(first);
    RAW_EXPECT_END(one);
    raw_close(one);
    RAW_SEND(two, 0xf6);
    EXPECT(second, 0xf6);
    CHECK_SOON(midisock_client_count(server) == 1);
    CHECK_INT(MIDISOCK_STATE_LISTENING, midisock_state(server));
    midisock_close(second);
    raw_close(two);
    midisock_close(server);
}

static void accepted_ports_inherit_the_servers_config(void)
{
    midisock_config c = check_config();
    c.accept_mode = MIDISOCK_ACCEPT_MANUAL;
    c.max_message_bytes = 20;
    midisock_port *server = check_listen(&c);
    int fd = raw_connect(midisock_local_port(server));
    midisock_port *accepted = accept_one(server);
    uint8_t data[21];
    check_numbered(data, 21, 1);
    CHECK_RESULT(MIDISOCK_ERR_TOO_LARGE, midisock_push(accepted, data, 21));
    raw_send(fd, data, 21);
    check_numbered(data, 20, 2);
    raw_send(fd, data, 20);
    midisock_message m = POP(accepted);
    CHECK_MEMORY(data, 20, m.data, m.size);
    CHECK_COUNT(accepted, oversize_in, 1);
    midisock_close(accepted);
    raw_close(fd);
    midisock_close(server);
}

static void a_silent_client_that_left_is_still_accepted(void)
{
    /* Even if it was gone before it could be told from a browser. */
    midisock_port *server = manual(4);
    for (unsigned i = 1; i <= 10; i++) {
        int fd = raw_connect(midisock_local_port(server));
        if (i % 2 && RESETS_ARE_ACCEPTED)
            raw_reset(fd);
        else
            raw_close(fd);
        midisock_port *accepted = accept_one(server);
        CHECK_SOON(midisock_state(accepted) == MIDISOCK_STATE_CLOSED);
        midisock_message m;
        CHECK_SOON(midisock_pop(accepted, &m) == MIDISOCK_ERR_CLOSED);
        midisock_result reason = NOTIFIED(accepted, MIDISOCK_NOTIFY_DISCONNECTED).reason;
        CHECK((reason != MIDISOCK_OK) == (i % 2 && RESETS_ARE_ACCEPTED));
        midisock_close(accepted);
        uint32_t id = NOTIFIED(server, MIDISOCK_NOTIFY_CLIENT_JOINED).client;
        CHECK_INT(id, NOTIFIED(server, MIDISOCK_NOTIFY_CLIENT_LEFT).client);
        CHECK_COUNT(server, connections, i);
        CHECK_COUNT(server, disconnections, i);
    }
    CHECK_INT(0, check_stats(server).rejected);
    midisock_close(server);
}

static void unaccepted_clients_that_left_are_bounded(void)
{
    /* A port that waits to be accepted has its queues, whether or not its
     * client is still there: max_clients bounds these too. But clients that
     * have gone keep nobody out: the oldest of their ports gives way. */
    enum { MOST = 2, CAME = 40 };
    midisock_port *server = manual(MOST);
    for (unsigned i = 1; i <= CAME; i++) {
        int fd = raw_connect(midisock_local_port(server));
        RAW_SEND(fd, 0xf3, (uint8_t)i);
        CHECK_COUNT(server, connections, i);
        raw_half_close(fd);
        RAW_EXPECT_END(fd);
        raw_close(fd);
        CHECK_SOON(midisock_client_count(server) == 0);
    }
    CHECK_COUNT(server, disconnections, CAME);
    CHECK_COUNT(server, rejected, CAME - MOST);
    midisock_port *gone[MOST];
    for (unsigned i = 0; i < MOST; i++) {
        gone[i] = accept_one(server);
        EXPECT(gone[i], 0xf3, (uint8_t)(CAME - MOST + 1 + i));
    }
    midisock_port *none = NULL;
    CHECK_RESULT(MIDISOCK_EMPTY, midisock_accept(server, 0, &none));
    /* Accepted, they leave their places to others, and only once. */
    int fds[MOST];
    midisock_port *accepted[MOST];
    for (int i = 0; i < MOST; i++) {
        fds[i] = raw_connect(midisock_local_port(server));
        RAW_SEND(fds[i], 0xf3, (uint8_t)i);
        accepted[i] = accept_one(server);
        EXPECT(accepted[i], 0xf3, (uint8_t)i);
    }
    int fd = raw_connect(midisock_local_port(server));
    RAW_EXPECT_GONE(fd);
    raw_close(fd);
    CHECK_COUNT(server, rejected, CAME - MOST + 1);
    /* So do those that were accepted before they left. */
    for (int i = 0; i < MOST; i++) {
        midisock_close(gone[i]);
        raw_close(fds[i]);
    }
    CHECK_SOON(midisock_client_count(server) == 0);
    for (int i = 0; i < MOST; i++) {
        fds[i] = raw_connect(midisock_local_port(server));
        midisock_port *next = accept_one(server);
        midisock_close(next);
        raw_close(fds[i]);
        midisock_close(accepted[i]);
    }
    midisock_close(server);
}

static void shutting_the_server_down_ends_the_unaccepted(void)
{
    midisock_port *server = manual(8);
    int taken = raw_connect(midisock_local_port(server));
    midisock_port *accepted = accept_one(server);
    /* One that has spoken, one that is known though it was silent, and one of
     * which nothing is known yet, most likely. */
    int fds[3];
    fds[0] = raw_connect(midisock_local_port(server));
    RAW_SEND(fds[0], 0xf6);
    fds[1] = raw_connect(midisock_local_port(server));
    CHECK_COUNT(server, connections, 3);
    fds[2] = raw_connect(midisock_local_port(server));
    CHECK_SOON(midisock_client_count(server) == 4);
    CHECK_OK(midisock_shutdown(server));
    for (int i = 0; i < 3; i++) {
        RAW_EXPECT_END(fds[i]);
        raw_close(fds[i]);
    }
    midisock_port *none = NULL;
    CHECK_RESULT(MIDISOCK_ERR_CLOSED, midisock_accept(server, 0, &none));
    /* The accepted one does not notice. */
    RAW_SEND(taken, 0xf6);
    EXPECT(accepted, 0xf6);
    CHECK_OK(midisock_push(accepted, BYTES(0xf3, 1)));
    RAW_EXPECT(taken, 0xf3, 1);
    midisock_close(server);
    raw_close(taken);
    midisock_close(accepted);
}

int main(int argc, char **argv)
{
    static const check_case cases[] = {
        CASE(timeouts),
        CASE(waiting_for_ever_ends_by_a_client),
        CASE(clients_are_accepted_in_order_and_kept_apart),
        CASE(a_client_that_left_is_still_accepted),
        CASE(a_client_that_reset_is_still_accepted),
        CASE(a_silent_client_that_left_is_still_accepted),
        CASE(clients_beyond_the_limit_are_refused),
        CASE(unaccepted_clients_that_left_are_bounded),
        CASE(closing_the_server_leaves_accepted_ports),
        CASE(shutting_the_server_down_leaves_accepted_ports),
        CASE(shutting_the_server_down_ends_the_unaccepted),
        CASE(accepted_ports_never_connect_again),
        CASE(closing_an_accepted_port_ends_its_link_only),
        CASE(accepted_ports_inherit_the_servers_config),
    };
    return check_main(argc, argv, CASES(cases));
}
