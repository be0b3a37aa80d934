/* Names of peers: told with sender time, and what midisock_client_name and midisock_peer_name return. */
#define _POSIX_C_SOURCE 200809L
#include "frames.h"
#include "raw.h"

#include <string.h>

static midisock_config named(const char *name, uint32_t timing)
{
    midisock_config c = check_config();
    c.name = name;
    c.timing = timing;
    return c;
}

static uint32_t only_client(midisock_port *server)
{
    uint32_t client = 0;
    size_t count = 0;
    CHECK_SOON(midisock_client_count(server) == 1);
    CHECK_OK(midisock_clients(server, &client, 1, &count));
    CHECK_INT(1, count);
    return client;
}

static int client_is_named(midisock_port *server, uint32_t client, const char *name)
{
    char text[64];
    CHECK_OK(midisock_client_name(server, client, text, sizeof text));
    return strcmp(text, name) == 0;
}

static int peer_is_named(midisock_port *port, const char *name)
{
    char text[64];
    CHECK_OK(midisock_peer_name(port, text, sizeof text));
    return strcmp(text, name) == 0;
}

/* Takes all notifications: how many are CLIENT_NAMED. */
static unsigned namings(midisock_port *port)
{
    unsigned count = 0;
    midisock_notification notification;
    while (midisock_poll_notification(port, &notification) == MIDISOCK_OK)
        count += notification.kind == MIDISOCK_NOTIFY_CLIENT_NAMED;
    return count;
}

#define LONGEST "\xc3\xbc" "3456789012345678901234567890123456789012345678901234567890123" /* 63 bytes */

static void both_ends_are_told(void)
{
    midisock_config c = named("stage", MIDISOCK_TIMING_ARRIVAL);
    midisock_port *server = check_listen(&c);
    c = named(LONGEST, MIDISOCK_TIMING_SENDER);
    midisock_port *client = check_connect(server, &c);
    midisock_notification there = NOTIFIED_AT_LAST(server, MIDISOCK_NOTIFY_CLIENT_NAMED);
    midisock_notification back = NOTIFIED_AT_LAST(client, MIDISOCK_NOTIFY_CLIENT_NAMED);
    CHECK_INT(only_client(server), there.client);
    CHECK_INT(0, back.client);
    CHECK_INT(MIDISOCK_OK, there.reason);
    char address[64];
    CHECK_OK(midisock_client_address(server, there.client, address, sizeof address));
    CHECK_TEXT(address, there.address);
    CHECK_OK(midisock_peer_address(client, address, sizeof address));
    CHECK_TEXT(address, back.address);
    CHECK(client_is_named(server, there.client, LONGEST));
    CHECK(peer_is_named(client, "stage"));
    /* Live, and both ways. */
    CHECK_OK(midisock_set_name(client, "organ"));
    NOTIFIED_AT_LAST(server, MIDISOCK_NOTIFY_CLIENT_NAMED);
    CHECK(client_is_named(server, there.client, "organ"));
    CHECK_OK(midisock_set_name(server, "hall"));
    NOTIFIED_AT_LAST(client, MIDISOCK_NOTIFY_CLIENT_NAMED);
    CHECK(peer_is_named(client, "hall"));
    CHECK_OK(midisock_set_name(client, NULL));
    NOTIFIED_AT_LAST(server, MIDISOCK_NOTIFY_CLIENT_NAMED);
    CHECK(client_is_named(server, there.client, ""));
    CHECK_INT(0, namings(server) + namings(client));
    midisock_close(client);
    CHECK_SOON(midisock_client_count(server) == 0);
    char text[64];
    CHECK_RESULT(MIDISOCK_ERR_NO_SUCH_CLIENT, midisock_client_name(server, there.client, text, sizeof text));
    midisock_close(server);
}

static void at_most_one_notification_waits(void)
{
    midisock_port *server = check_listen(NULL);
    midisock_config c = named("1", MIDISOCK_TIMING_SENDER);
    midisock_port *client = check_connect(server, &c);
    uint32_t id = only_client(server);
    static const char *const names[] = {"1", "2", "3"};
    for (int i = 0; i < 3; i++) {
        CHECK_OK(midisock_set_name(client, names[i]));
        CHECK_SOON(client_is_named(server, id, names[i]));
    }
    CHECK_INT(1, namings(server));
    CHECK_OK(midisock_set_name(client, "4"));
    CHECK_SOON(client_is_named(server, id, "4"));
    CHECK_SOON(namings(server) == 1);
    /* The same name is no news; the messages behind it are there, so it has come. */
    CHECK_OK(midisock_set_name(client, "4"));
    CHECK_OK(midisock_push(client, BYTES(0xc0, 1)));
    EXPECT(server, 0xc0, 1);
    CHECK_INT(0, namings(server));
    midisock_close(client);
    midisock_close(server);
}

static void without_sender_time_there_are_none(void)
{
    midisock_config c = named("stage", MIDISOCK_TIMING_SENDER);
    midisock_port *server = check_listen(&c);
    c = named("keys", MIDISOCK_TIMING_ARRIVAL);
    midisock_port *client = check_connect(server, &c);
    CHECK_OK(midisock_set_name(client, "organ"));
    CHECK_OK(midisock_push(client, BYTES(0xc0, 1)));
    EXPECT(server, 0xc0, 1);
    CHECK(client_is_named(server, only_client(server), ""));
    CHECK(peer_is_named(client, ""));
    CHECK_INT(0, namings(server) + namings(client));
    midisock_close(client);
    midisock_close(server);
}

/* A peer that has no name is asked for none; a port that has lost its peer has none of it. */
static void a_nameless_peer_and_a_lost_one(void)
{
    midisock_port *server = check_listen(NULL);
    midisock_config c = named(NULL, MIDISOCK_TIMING_SENDER);
    midisock_port *client = check_connect(server, &c);
    NOTIFIED_AT_LAST(server, MIDISOCK_NOTIFY_CLOCK_LOCKED);
    CHECK(client_is_named(server, only_client(server), ""));
    CHECK_INT(0, namings(server));
    CHECK_OK(midisock_set_name(server, "stage"));
    CHECK_SOON(peer_is_named(client, "stage"));
    midisock_close(server);
    NOTIFIED_AT_LAST(client, MIDISOCK_NOTIFY_DISCONNECTED);
    CHECK_SOON(peer_is_named(client, ""));
    midisock_close(client);
}

/* What a peer tells is text in the end. */
static void bad_names_of_raw_peers(void)
{
    static const struct {
        const char *told, *name;
    } names[] = {
        {"a\xff\x1b" "b", "a\xef\xbf\xbd\xef\xbf\xbd" "b"},
        {"x\xe2\x80\xaey", "x\xef\xbf\xbdy"}, /* right to left */
        {"B\xc3\xbchne", "B\xc3\xbchne"},
    };
    midisock_port *server = check_listen(NULL);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        int fd = raw_connect(midisock_local_port(server));
        frame_send(fd, frame_hello(0, i, names[i].told));
        midisock_notification told = NOTIFIED_AT_LAST(server, MIDISOCK_NOTIFY_CLIENT_NAMED);
        CHECK(client_is_named(server, told.client, names[i].name));
        raw_close(fd);
    }
    /* As many bad bytes as fit: each would become three. */
    char text[64];
    memset(text, 0xff, 63);
    text[63] = 0;
    int fd = raw_connect(midisock_local_port(server));
    frame_send(fd, frame_hello(0, 9, text));
    midisock_notification told = NOTIFIED_AT_LAST(server, MIDISOCK_NOTIFY_CLIENT_NAMED);
    CHECK_OK(midisock_client_name(server, told.client, text, sizeof text));
    CHECK(strlen(text) <= 63);
    /* A flood of names: the last one counts in the end, and few are told. */
    for (int i = 0; i < 1000; i++)
        frame_send(fd, frame_name(i % 2 ? "odd" : "even"));
    frame_send(fd, frame_name("last"));
    CHECK_SOON(client_is_named(server, told.client, "last"));
    CHECK(namings(server) <= 1);
    raw_close(fd);
    midisock_close(server);
}

static void results(void)
{
    char text[64] = "untouched";
    midisock_config c = named("stage", MIDISOCK_TIMING_ARRIVAL);
    midisock_port *server = check_listen(&c);
    c = named("keys", MIDISOCK_TIMING_SENDER);
    midisock_port *client = check_connect(server, &c);
    c.accept_mode = MIDISOCK_ACCEPT_MANUAL;
    midisock_port *manual = check_listen(&c);
    midisock_port *visitor = check_connect(manual, NULL);
    midisock_port *accepted = NULL, *a = NULL, *b = NULL;
    CHECK_OK(midisock_accept(manual, DEADLINE_MS, &accepted));
    CHECK_OK(midisock_pair(NULL, &a, &b));
    uint32_t id = only_client(server);
    CHECK_SOON(client_is_named(server, id, "keys"));
    CHECK_SOON(peer_is_named(client, "stage"));

    CHECK_INVALID(midisock_client_name(NULL, id, text, sizeof text));
    CHECK_INVALID(midisock_client_name(server, id, NULL, sizeof text));
    CHECK_INVALID(midisock_client_name(server, id, text, 0));
    CHECK_INVALID(midisock_client_name(server, id, text, 4));
    CHECK_INVALID(midisock_peer_name(NULL, text, sizeof text));
    CHECK_INVALID(midisock_peer_name(client, NULL, sizeof text));
    CHECK_INVALID(midisock_peer_name(client, text, 0));
    CHECK_INVALID(midisock_peer_name(client, text, 5));
    CHECK_RESULT(MIDISOCK_ERR_NO_SUCH_CLIENT, midisock_client_name(server, 0, text, sizeof text));
    CHECK_RESULT(MIDISOCK_ERR_NO_SUCH_CLIENT, midisock_client_name(server, id + 1, text, sizeof text));
    midisock_port *const no_merged[] = {client, manual, visitor, accepted, a, b};
    for (size_t i = 0; i < sizeof no_merged / sizeof no_merged[0]; i++)
        CHECK_ROLE(midisock_client_name(no_merged[i], id, text, sizeof text));
    midisock_port *const no_peer[] = {server, manual, a, b};
    for (size_t i = 0; i < sizeof no_peer / sizeof no_peer[0]; i++)
        CHECK_ROLE(midisock_peer_name(no_peer[i], text, sizeof text));
    CHECK_TEXT("untouched", text);
    /* Exactly enough. */
    CHECK_OK(midisock_client_name(server, id, text, 5));
    CHECK_TEXT("keys", text);
    CHECK_OK(midisock_peer_name(client, text, 6));
    CHECK_TEXT("stage", text);
    CHECK_OK(midisock_peer_name(accepted, text, 1));
    CHECK_TEXT("", text);
    CHECK_OK(midisock_disconnect(server, id));
    CHECK_RESULT(MIDISOCK_ERR_NO_SUCH_CLIENT, midisock_client_name(server, id, text, sizeof text));
    midisock_port *const all[] = {server, client, visitor, accepted, manual, a, b};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        midisock_close(all[i]);
}

int main(int argc, char **argv)
{
    static const check_case cases[] = {
        CASE(both_ends_are_told),
        CASE(at_most_one_notification_waits),
        CASE(without_sender_time_there_are_none),
        CASE(a_nameless_peer_and_a_lost_one),
        CASE(bad_names_of_raw_peers),
        CASE(results),
    };
    return check_main(argc, argv, CASES(cases));
}
