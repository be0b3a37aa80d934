/* midisock_set_allow: the list of those who may connect changes while they are in. */
#define _POSIX_C_SOURCE 200809L
#include "check.h"
#include "raw.h"
#include "sounding.h"

#include <string.h>

static const char *const NONSENSE[] = {
    "", ",", "localhost", "127.0.0.1,", "1.2.3.4/33", "::1/129", "1.2.3/8", "127.0.0.1 127.0.0.2", "\xff",
};
enum { NONSENSE_COUNT = sizeof NONSENSE / sizeof NONSENSE[0] };

static midisock_port *listen_with(const char *allow, uint32_t accept_mode)
{
    midisock_config c = sounding_config();
    c.allow = allow;
    c.accept_mode = accept_mode;
    return check_listen(&c);
}

/* A client from there, once it is known to be in. */
static int join(midisock_port *server, const char *from, uint32_t *client)
{
    int fd = raw_connect_from(from, midisock_local_port(server));
    RAW_SEND(fd, 0xf6);
    midisock_message m = EXPECT(server, 0xf6);
    *client = NOTIFIED(server, MIDISOCK_NOTIFY_CLIENT_JOINED).client;
    CHECK_INT(*client, m.client);
    return fd;
}

static void is_turned_away(midisock_port *server, const char *from)
{
    uint64_t rejected = check_stats(server).rejected;
    int fd = raw_connect_from(from, midisock_local_port(server));
    RAW_EXPECT_GONE(fd);
    CHECK_COUNT(server, rejected, rejected + 1);
    raw_close(fd);
}

static void left(midisock_port *server, uint32_t client, const char *address)
{
    midisock_notification n = NOTIFIED(server, MIDISOCK_NOTIFY_CLIENT_LEFT);
    CHECK_INT(client, n.client);
    CHECK_RESULT(MIDISOCK_ERR_PERMISSION, n.reason);
    CHECK_INT(0, n.os_error);
    CHECK(strncmp(address, n.address, strlen(address)) == 0);
}

static void refusals(void)
{
    midisock_port *server = check_listen(NULL);
    midisock_port *client = check_connect(server, NULL);
    midisock_port *manual = listen_with(NULL, MIDISOCK_ACCEPT_MANUAL);
    midisock_port *visitor = check_connect(manual, NULL);
    midisock_port *accepted = sounding_accept(manual), *a = NULL, *b = NULL;
    CHECK_OK(midisock_pair(NULL, &a, &b));
    midisock_port *const others[] = {client, visitor, accepted, a, b};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        CHECK_ROLE(midisock_set_allow(others[i], NULL));
        CHECK_ROLE(midisock_set_allow(others[i], "127.0.0.1"));
    }
    CHECK_INVALID(midisock_set_allow(NULL, NULL));
    CHECK_INVALID(midisock_set_allow(NULL, "127.0.0.1"));
    CHECK_INVALID(midisock_set_allow((midisock_port *)(void *)((char *)server + 1), NULL));
    for (int i = 0; i < NONSENSE_COUNT; i++) {
        CHECK_RESULT(MIDISOCK_ERR_ADDRESS, midisock_set_allow(server, NONSENSE[i]));
        CHECK_RESULT(MIDISOCK_ERR_ADDRESS, midisock_set_allow(manual, NONSENSE[i]));
    }
    /* Nothing has changed. */
    CHECK_OK(midisock_push(client, BYTES(0xf6)));
    EXPECT(server, 0xf6);
    CHECK_INT(1, midisock_client_count(server));
    CHECK_INT(MIDISOCK_STATE_CONNECTED, midisock_state(accepted));

    CHECK_OK(midisock_shutdown(server));
    CHECK_OK(midisock_shutdown(manual));
    CHECK_RESULT(MIDISOCK_ERR_CLOSED, midisock_set_allow(server, NULL));
    CHECK_RESULT(MIDISOCK_ERR_CLOSED, midisock_set_allow(manual, "127.0.0.1"));
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        midisock_close(others[i]);
    midisock_close(manual);
    midisock_close(server);
}

static void who_is_no_longer_allowed_leaves_with_all_notes_released(void)
{
    midisock_port *server = listen_with(NULL, MIDISOCK_ACCEPT_MERGED);
    uint32_t friend_id, stranger_id;
    int friend = join(server, "127.0.0.1", &friend_id);
    int stranger = join(server, "127.0.0.2", &stranger_id);
    /* The stranger holds notes, and the server holds some at both. */
    raw_send(stranger, sounding, sizeof sounding);
    CHECK_INT(stranger_id, sounding_pop(server));
    CHECK_OK(midisock_push(server, BYTES(0x95, 50, 1)));
    CHECK_OK(midisock_set_allow(server, " 127.0.0.1 , ::1"));
    CHECK_INT(1, midisock_client_count(server));
    uint32_t id = 0;
    size_t count = 0;
    CHECK_OK(midisock_clients(server, &id, 1, &count));
    CHECK_INT(1, count);
    CHECK_INT(friend_id, id);
    CHECK_RESULT(MIDISOCK_ERR_NO_SUCH_CLIENT, midisock_disconnect(server, stranger_id));

    RAW_EXPECT(stranger, 0x95, 50, 1, 0x85, 50, 64);
    RAW_EXPECT_END(stranger);
    sounding_released(server, stranger_id);
    left(server, stranger_id, "127.0.0.2:");

    /* The other one goes on, and nothing was released at it. */
    CHECK_OK(midisock_push(server, BYTES(0xf8)));
    RAW_EXPECT(friend, 0x95, 50, 1, 0xf8);
    RAW_SEND(friend, 0xfa);
    CHECK_INT(friend_id, EXPECT(server, 0xfa).client);
    is_turned_away(server, "127.0.0.2");
    midisock_notification n;
    CHECK_RESULT(MIDISOCK_EMPTY, midisock_poll_notification(server, &n));
    raw_close(stranger);
    raw_close(friend);
    midisock_close(server);
}

static void a_list_that_is_not_one_changes_nothing(void)
{
    midisock_port *server = listen_with("127.0.0.1", MIDISOCK_ACCEPT_MERGED);
    uint32_t id;
    int fd = join(server, "127.0.0.1", &id);
    for (int i = 0; i < NONSENSE_COUNT; i++)
        CHECK_RESULT(MIDISOCK_ERR_ADDRESS, midisock_set_allow(server, NONSENSE[i]));
    is_turned_away(server, "127.0.0.2");
    RAW_SEND(fd, 0xfa);
    CHECK_INT(id, EXPECT(server, 0xfa).client);
    raw_close(fd);
    midisock_close(server);
}

static void null_lets_everybody_in(void)
{
    midisock_port *server = listen_with("10.0.0.0/8", MIDISOCK_ACCEPT_MERGED);
    is_turned_away(server, "127.0.0.1");
    CHECK_OK(midisock_set_allow(server, NULL));
    uint32_t id;
    int fd = join(server, "127.0.0.3", &id);
    /* The same list, or a wider one, drops nobody. */
    CHECK_OK(midisock_set_allow(server, "127.0.0.3"));
    CHECK_OK(midisock_set_allow(server, "127.0.0.0/8"));
    CHECK_OK(midisock_set_allow(server, "127.0.0.0/8"));
    RAW_SEND(fd, 0xfa);
    CHECK_INT(id, EXPECT(server, 0xfa).client);
    CHECK_INT(0, check_stats(server).disconnections);
    raw_close(fd);
    midisock_close(server);
}

/* One that has said nothing is announced or not, by the clock. Either way it goes, and what is told is in order. */
static void a_silent_newcomer_goes_too(void)
{
    midisock_port *server = listen_with(NULL, MIDISOCK_ACCEPT_MERGED);
    int fd = raw_connect_from("127.0.0.2", midisock_local_port(server));
    CHECK_SOON(midisock_client_count(server) == 1);
    CHECK_OK(midisock_set_allow(server, "127.0.0.1"));
    CHECK_INT(0, midisock_client_count(server));
    RAW_EXPECT_GONE(fd);
    midisock_notification n;
    midisock_result result = midisock_poll_notification(server, &n);
    if (result == MIDISOCK_OK) {
        CHECK_INT(MIDISOCK_NOTIFY_CLIENT_JOINED, n.kind);
        left(server, n.client, "127.0.0.2:");
    }
    CHECK_INT(result == MIDISOCK_EMPTY, check_stats(server).rejected);
    CHECK_RESULT(MIDISOCK_EMPTY, midisock_poll_notification(server, &n));
    raw_close(fd);
    midisock_close(server);
}

/* An accepted port whose peer was sent away. */
static void was_sent_away(midisock_port *port)
{
    CHECK_SOON(midisock_state(port) == MIDISOCK_STATE_CLOSED);
    midisock_notification n = NOTIFIED(port, MIDISOCK_NOTIFY_DISCONNECTED);
    CHECK_RESULT(MIDISOCK_ERR_PERMISSION, n.reason);
    CHECK_INT(0, n.client);
    CHECK_RESULT(MIDISOCK_ERR_CLOSED, midisock_push(port, BYTES(0xf6)));
}

static void on_a_manual_server_accepted_ports_too(void)
{
    midisock_port *server = listen_with(NULL, MIDISOCK_ACCEPT_MANUAL);
    int fds[4]; /* accepted: a stranger, a friend; not yet: a stranger, a friend */
    midisock_port *ports[4];
    uint32_t ids[4];
    for (int i = 0; i < 4; i++) {
        fds[i] = raw_connect_from(i % 2 ? "127.0.0.1" : "127.0.0.2", midisock_local_port(server));
        raw_send(fds[i], sounding, sizeof sounding);
        ids[i] = NOTIFIED(server, MIDISOCK_NOTIFY_CLIENT_JOINED).client;
        if (i < 2) {
            ports[i] = sounding_accept(server);
            sounding_pop(ports[i]);
            sounding_push(ports[i]);
        }
    }
    CHECK_OK(midisock_set_allow(server, "127.0.0.1"));
    left(server, ids[0], "127.0.0.2:");
    left(server, ids[2], "127.0.0.2:");

    was_sent_away(ports[0]);
    sounding_released(ports[0], 0);
    midisock_message m;
    CHECK_RESULT(MIDISOCK_ERR_CLOSED, midisock_pop(ports[0], &m));
    raw_expect(fds[0], sounding, sizeof sounding, __FILE__, __LINE__);
    RAW_EXPECT(fds[0], 0x81, 60, 64, 0x81, 60, 64, 0x81, 61, 64, 0x83, 0, 64, 0x83, 127, 64, 0xb1, 64, 0, 0xb1, 66, 0,
               0xb1, 68, 0, 0xd1, 0, 0xe1, 0, 0x40, 0xb3, 64, 0, 0xe3, 0, 0x40, 0xfc);
    RAW_EXPECT_END(fds[0]);

    /* The one that waited is still handed over, with what it sent. */
    RAW_EXPECT_END(fds[2]);
    ports[2] = sounding_accept(server);
    was_sent_away(ports[2]);
    sounding_pop(ports[2]);
    sounding_released(ports[2], 0);
    CHECK_RESULT(MIDISOCK_ERR_CLOSED, midisock_pop(ports[2], &m));

    ports[3] = sounding_accept(server);
    sounding_pop(ports[3]);
    CHECK_INT(2, midisock_client_count(server));
    for (int i = 1; i < 4; i += 2) {
        CHECK_INT(MIDISOCK_STATE_CONNECTED, midisock_state(ports[i]));
        RAW_SEND(fds[i], 0xf8);
        EXPECT(ports[i], 0xf8);
    }
    is_turned_away(server, "127.0.0.2");
    for (int i = 0; i < 4; i++) {
        midisock_close(ports[i]);
        raw_close(fds[i]);
    }
    midisock_close(server);
}

/* A port that is closed leaves nothing for the list to do, and one that outlives its server is left alone. */
static void ports_that_are_closed_are_gone(void)
{
    midisock_port *server = listen_with(NULL, MIDISOCK_ACCEPT_MANUAL);
    midisock_port *clients[2], *ports[2];
    for (int i = 0; i < 2; i++) {
        clients[i] = check_connect(server, NULL);
        ports[i] = sounding_accept(server);
    }
    midisock_close(ports[0]);
    CHECK_OK(midisock_shutdown(ports[1]));
    CHECK_OK(midisock_set_allow(server, "10.0.0.1"));
    CHECK_INT(0, midisock_client_count(server));
    midisock_close(ports[1]);
    for (int i = 0; i < 2; i++)
        midisock_close(clients[i]);
    midisock_close(server);
}

static void while_the_server_waits_for_its_address(void)
{
    uint16_t number = 0;
    int holder = raw_listen(&number);
    midisock_config c = check_config();
    c.listen_retry_ms = UINT32_MAX;
    midisock_port *server = NULL;
    CHECK_OK(midisock_listen("127.0.0.1", number, &c, &server));
    CHECK_INT(MIDISOCK_STATE_BINDING, midisock_state(server));
    CHECK_RESULT(MIDISOCK_ERR_ADDRESS, midisock_set_allow(server, "nobody"));
    CHECK_OK(midisock_set_allow(server, "127.0.0.2"));
    CHECK_INT(MIDISOCK_STATE_BINDING, midisock_state(server));
    raw_close(holder);
    CHECK_SOON(midisock_state(server) == MIDISOCK_STATE_LISTENING);
    is_turned_away(server, "127.0.0.1");
    int fd = raw_connect_from("127.0.0.2", number);
    RAW_SEND(fd, 0xf6);
    EXPECT(server, 0xf6);
    raw_close(fd);
    midisock_close(server);
}

/* A queue that is full and a peer that does not read hold nobody in. */
static void one_that_does_not_read_goes_too(void)
{
    midisock_config c = check_config();
    c.overflow = MIDISOCK_OVERFLOW_WAIT;
    c.linger_ms = 100;
    midisock_port *server = check_listen(&c);
    int fd = raw_connect_small(midisock_local_port(server));
    CHECK_SOON(midisock_client_count(server) == 1);
    NOTIFIED(server, MIDISOCK_NOTIFY_CLIENT_JOINED);
    check_fill(server, 4096, 0, 200);
    CHECK_OK(midisock_set_allow(server, "10.0.0.1"));
    CHECK_INT(0, midisock_client_count(server));
    CHECK_RESULT(MIDISOCK_ERR_PERMISSION, NOTIFIED(server, MIDISOCK_NOTIFY_CLIENT_LEFT).reason);
    raw_close(fd);
    midisock_close(server);
}

typedef struct changer {
    midisock_port *server;
    int stop;
} changer;

static void *change_all_the_time(void *changer_)
{
    static const char *const LISTS[] = {NULL, "127.0.0.1", "127.0.0.2", "127.0.0.0/8", "nonsense"};
    changer *changer = changer_;
    for (unsigned i = 0; !__atomic_load_n(&changer->stop, __ATOMIC_RELAXED); i++) {
        const char *list = LISTS[i % 5];
        CHECK_RESULT(i % 5 == 4 ? MIDISOCK_ERR_ADDRESS : MIDISOCK_OK, midisock_set_allow(changer->server, list));
    }
    return NULL;
}

static void several_threads_while_clients_come(void)
{
    changer changer = {check_listen(NULL), 0};
    pthread_t threads[2];
    for (int i = 0; i < 2; i++)
        check_start(&threads[i], change_all_the_time, &changer);
    for (int i = 0; i < 200; i++) {
        int fd = raw_connect_from(i % 2 ? "127.0.0.1" : "127.0.0.2", midisock_local_port(changer.server));
        raw_try_send(fd, "\xf6", 1);
        raw_close(fd);
    }
    __atomic_store_n(&changer.stop, 1, __ATOMIC_RELAXED);
    for (int i = 0; i < 2; i++)
        check_join(threads[i]);
    CHECK_SOON(midisock_client_count(changer.server) == 0);
    midisock_stats s = check_stats(changer.server);
    CHECK_INT(s.connections, s.disconnections);
    midisock_close(changer.server);
}

int main(int argc, char **argv)
{
    static const check_case TABLE[] = {
        CASE(refusals),
        CASE(who_is_no_longer_allowed_leaves_with_all_notes_released),
        CASE(a_list_that_is_not_one_changes_nothing),
        CASE(null_lets_everybody_in),
        CASE(a_silent_newcomer_goes_too),
        CASE(on_a_manual_server_accepted_ports_too),
        CASE(ports_that_are_closed_are_gone),
        CASE(while_the_server_waits_for_its_address),
        CASE(one_that_does_not_read_goes_too),
        CASE(several_threads_while_clients_come),
    };
    return check_main(argc, argv, CASES(TABLE));
}
