/* Unix sockets: "unix:/path" to listen and to connect. */
#define _DEFAULT_SOURCE
#include "check.h"
#include "raw.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* The folder of this case, a path in it, and its address. */
static char folder[64], path[128], address[136];

static void use_path(const char *name)
{
    snprintf(path, sizeof path, "%s/%s", folder, name);
    snprintf(address, sizeof address, "unix:%s", path);
}

static void begin(void)
{
    strcpy(folder, "/tmp/midisock-XXXXXX");
    CHECK(mkdtemp(folder) != NULL);
    use_path("midi");
}

/* Nothing is left behind. */
static void end(void)
{
    if (rmdir(folder) != 0)
        check_fail(__FILE__, __LINE__, "%s: %s", folder, strerror(errno));
}

static struct sockaddr_un unix_address(void)
{
    struct sockaddr_un at;
    memset(&at, 0, sizeof at);
    at.sun_family = AF_UNIX;
    strcpy(at.sun_path, path);
    return at;
}

static int raw_unix_bind(int type)
{
    struct sockaddr_un at = unix_address();
    int fd = socket(AF_UNIX, type, 0);
    CHECK(fd >= 0);
    CHECK(bind(fd, (struct sockaddr *)&at, sizeof at) == 0);
    return fd;
}

static int raw_unix_listen(int backlog)
{
    int fd = raw_unix_bind(SOCK_STREAM);
    CHECK(listen(fd, backlog) == 0);
    return fd;
}

static int raw_unix_connect(void)
{
    struct sockaddr_un at = unix_address();
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    CHECK(fd >= 0);
    CHECK(connect(fd, (struct sockaddr *)&at, sizeof at) == 0);
    return fd;
}

static midisock_port *serve(const midisock_config *config)
{
    midisock_port *server = NULL;
    CHECK_OK(midisock_listen(address, 0, config, &server));
    return server;
}

static midisock_result tries_to_listen(const midisock_config *config)
{
    midisock_port *server = NULL;
    midisock_result result = midisock_listen(address, 0, config, &server);
    if (result != MIDISOCK_OK)
        CHECK(server == NULL);
    midisock_close(server);
    return result;
}

static int exists(void)
{
    struct stat file;
    return lstat(path, &file) == 0;
}

static void messages_go_both_ways(void)
{
    begin();
    midisock_port *server = serve(NULL), *client = NULL;
    CHECK_OK(midisock_connect(address, 0, NULL, &client));
    CHECK_OK(midisock_wait_connected(client, DEADLINE_MS));
    CHECK_OK(midisock_push(client, BYTES(0xc1, 1)));
    uint32_t id = EXPECT(server, 0xc1, 1).client;
    CHECK_OK(midisock_push(server, BYTES(0xf0, 1, 2, 3, 0xf7)));
    EXPECT(client, 0xf0, 1, 2, 3, 0xf7);
    CHECK_INT(0, midisock_local_port(server));
    CHECK_INT(0, midisock_local_port(client));

    char text[64];
    CHECK_TEXT(address, NOTIFIED(client, MIDISOCK_NOTIFY_CONNECTED).address);
    CHECK_OK(midisock_peer_address(client, text, sizeof text));
    CHECK_TEXT(address, text);
    CHECK_TEXT("unix:", NOTIFIED(server, MIDISOCK_NOTIFY_CLIENT_JOINED).address);
    CHECK_OK(midisock_client_address(server, id, text, sizeof text));
    CHECK_TEXT("unix:", text);
    CHECK_OK(midisock_flush(client, DEADLINE_MS));
    midisock_close(client);
    CHECK_INT(MIDISOCK_OK, NOTIFIED(server, MIDISOCK_NOTIFY_CLIENT_LEFT).reason);
    midisock_close(server);
    end();
}

static void a_hundred_clients(void)
{
    enum { CLIENTS = 100 };
    begin();
    midisock_config c = check_config();
    c.max_clients = CLIENTS;
    midisock_port *server = serve(&c), *clients[CLIENTS];
    for (int i = 0; i < CLIENTS; i++)
        CHECK_OK(midisock_connect(address, 0, &c, &clients[i]));
    for (int i = 0; i < CLIENTS; i++) {
        CHECK_OK(midisock_wait_connected(clients[i], DEADLINE_MS));
        CHECK_OK(midisock_push(clients[i], BYTES(0xf2, (uint8_t)i, 1)));
    }
    char seen[CLIENTS] = {0};
    for (int i = 0; i < CLIENTS; i++) {
        midisock_message m = POP(server);
        CHECK_INT(3, m.size);
        CHECK(m.data[0] == 0xf2 && m.data[1] < CLIENTS && !seen[m.data[1]]);
        seen[m.data[1]] = 1;
    }
    CHECK_INT(CLIENTS, midisock_client_count(server));
    CHECK_OK(midisock_push(server, BYTES(0xf3, 7)));
    for (int i = 0; i < CLIENTS; i++) {
        EXPECT(clients[i], 0xf3, 7);
        midisock_close(clients[i]);
    }
    CHECK_SOON(midisock_client_count(server) == 0);
    midisock_close(server);
    end();
}

static void only_its_user_may_connect(void)
{
    const mode_t masks[] = {0, 022, 0777};
    begin();
    for (int i = 0; i < 3; i++) {
        mode_t before = umask(masks[i]);
        midisock_port *server = serve(NULL);
        struct stat file;
        CHECK(lstat(path, &file) == 0);
        CHECK(S_ISSOCK(file.st_mode));
        CHECK_INT(0600, file.st_mode & 07777);
        CHECK_INT(masks[i], umask(before));
        raw_close(raw_unix_connect());
        midisock_close(server);
        CHECK(!exists());
    }
    end();
}

static void a_socket_that_was_left_behind_is_replaced(void)
{
    begin();
    const int types[] = {SOCK_STREAM, SOCK_DGRAM};
    for (int i = 0; i < 2; i++) {
        raw_close(raw_unix_bind(types[i]));
        CHECK(exists());
        midisock_port *server = serve(NULL);
        int fd = raw_unix_connect();
        RAW_SEND(fd, 0xf3, 1);
        EXPECT(server, 0xf3, 1);
        raw_close(fd);
        midisock_close(server);
        CHECK(!exists());
    }
    end();
}

static void a_socket_that_listens_is_not(void)
{
    begin();
    midisock_port *server = serve(NULL);
    CHECK_RESULT(MIDISOCK_ERR_ADDRESS_IN_USE, tries_to_listen(NULL));
    int fd = raw_unix_connect();
    RAW_SEND(fd, 0xf3, 1);
    EXPECT(server, 0xf3, 1);
    raw_close(fd);
    midisock_close(server);

    /* One that has no room for another connection. */
    int holder = raw_unix_listen(0), filler = raw_unix_connect();
    CHECK_RESULT(MIDISOCK_ERR_ADDRESS_IN_USE, tries_to_listen(NULL));
    CHECK(exists());
    raw_close(filler);
    raw_close(holder);
    CHECK(unlink(path) == 0);
    end();
}

static void anything_else_is_not(void)
{
    begin();
    int fd = open(path, O_CREAT | O_WRONLY, 0600);
    CHECK(fd >= 0 && write(fd, "text", 4) == 4);
    close(fd);
    CHECK_RESULT(MIDISOCK_ERR_ADDRESS_IN_USE, tries_to_listen(NULL));
    struct stat file;
    CHECK(lstat(path, &file) == 0 && S_ISREG(file.st_mode) && file.st_size == 4);
    CHECK(unlink(path) == 0);

    CHECK(mkdir(path, 0700) == 0);
    CHECK_RESULT(MIDISOCK_ERR_ADDRESS_IN_USE, tries_to_listen(NULL));
    CHECK(rmdir(path) == 0);

    CHECK(mkfifo(path, 0600) == 0);
    CHECK_RESULT(MIDISOCK_ERR_ADDRESS_IN_USE, tries_to_listen(NULL));
    CHECK(unlink(path) == 0);

    /* A link to a socket that was left behind. */
    char target[sizeof path];
    use_path("old");
    raw_close(raw_unix_bind(SOCK_STREAM));
    strcpy(target, path);
    use_path("midi");
    CHECK(symlink(target, path) == 0);
    CHECK_RESULT(MIDISOCK_ERR_ADDRESS_IN_USE, tries_to_listen(NULL));
    CHECK(lstat(path, &file) == 0 && S_ISLNK(file.st_mode));
    CHECK(unlink(path) == 0 && unlink(target) == 0);
    end();
}

static void another_users_socket_is_not(void)
{
    if (geteuid() != 0)
        check_skip("only root can make a file of another user");
    begin();
    raw_close(raw_unix_bind(SOCK_STREAM));
    CHECK(chown(path, 12345, (gid_t)-1) == 0);
    CHECK_RESULT(MIDISOCK_ERR_ADDRESS_IN_USE, tries_to_listen(NULL));
    CHECK(exists());
    CHECK(unlink(path) == 0);
    end();
}

static void the_file_goes_with_the_port(void)
{
    begin();
    midisock_port *server = serve(NULL);
    CHECK_OK(midisock_shutdown(server));
    CHECK_SOON(!exists());
    midisock_close(server);

    /* Unless another has taken its place. */
    server = serve(NULL);
    CHECK(unlink(path) == 0);
    int fd = raw_unix_listen(4);
    midisock_close(server);
    CHECK(exists());
    raw_close(raw_unix_connect());
    raw_close(fd);
    CHECK(unlink(path) == 0);

    /* A port closes also where its file is gone. */
    server = serve(NULL);
    CHECK(unlink(path) == 0);
    midisock_close(server);
    end();
}

static void paths_that_are_too_long(void)
{
    begin();
    char host[256], long_path[200];
    uint16_t port = 1;
    midisock_port *out = NULL;
    size_t most = sizeof unix_address().sun_path - 1;
    for (size_t length = most; length <= most + 1; length++) {
        memset(long_path, 'x', sizeof long_path);
        memcpy(long_path, "unix:", 5);
        memcpy(long_path + 5, folder, strlen(folder));
        long_path[5 + strlen(folder)] = '/';
        long_path[5 + length] = '\0';
        if (length == most) {
            CHECK_OK(midisock_parse_address(long_path, host, sizeof host, &port));
            CHECK_TEXT(long_path, host);
            CHECK_INT(0, port);
            midisock_port *server = NULL;
            CHECK_OK(midisock_listen(long_path, 0, NULL, &server));
            CHECK_OK(midisock_connect(long_path, 0, NULL, &out));
            CHECK_OK(midisock_wait_connected(out, DEADLINE_MS));
            /* It does not fit. */
            CHECK_TEXT("unix:", NOTIFIED(out, MIDISOCK_NOTIFY_CONNECTED).address);
            CHECK_OK(midisock_peer_address(out, host, 64));
            CHECK_TEXT("unix:", host);
            midisock_close(out);
            midisock_close(server);
            out = NULL;
        } else {
            CHECK_RESULT(MIDISOCK_ERR_ADDRESS, midisock_parse_address(long_path, host, sizeof host, &port));
            CHECK_RESULT(MIDISOCK_ERR_ADDRESS, midisock_listen(long_path, 0, NULL, &out));
            CHECK_RESULT(MIDISOCK_ERR_ADDRESS, midisock_connect(long_path, 0, NULL, &out));
            CHECK(out == NULL);
        }
    }
    end();
}

static void a_text_of_63_bytes_fits(void)
{
    begin();
    char name[64];
    memset(name, 'x', sizeof name);
    name[63 - strlen("unix:") - strlen(folder) - 1] = '\0';
    use_path(name);
    CHECK_INT(63, strlen(address));
    midisock_port *server = serve(NULL), *client;
    CHECK_OK(midisock_connect(address, 0, NULL, &client));
    CHECK_OK(midisock_wait_connected(client, DEADLINE_MS));
    CHECK_TEXT(address, NOTIFIED(client, MIDISOCK_NOTIFY_CONNECTED).address);
    midisock_close(client);
    midisock_close(server);
    end();
}

static void unusable_arguments(void)
{
    begin();
    midisock_port *out = NULL;
    midisock_config c = check_config();
    CHECK_INVALID(midisock_listen(address, 1, NULL, &out));
    CHECK_INVALID(midisock_connect(address, 65535, NULL, &out));
    CHECK_INVALID(midisock_listen(address, 0, NULL, NULL));
    c.allow = "127.0.0.1";
    CHECK_INVALID(midisock_listen(address, 0, &c, &out));
    CHECK_INVALID(midisock_connect(address, 0, &c, &out));
    /* A list that cannot be parsed is as wrong here as any other. */
    c.allow = "nonsense";
    CHECK_INVALID(midisock_listen(address, 0, &c, &out));
    CHECK_INVALID(midisock_connect(address, 0, &c, &out));
    const char *const none[] = {"unix:", "unix:midi", "unix:./midi", "unix:@midi"};
    for (int i = 0; i < 4; i++) {
        CHECK_RESULT(MIDISOCK_ERR_ADDRESS, midisock_listen(none[i], 0, NULL, &out));
        CHECK_RESULT(MIDISOCK_ERR_ADDRESS, midisock_connect(none[i], 0, NULL, &out));
    }
    use_path("none/midi");
    CHECK_RESULT(MIDISOCK_ERR_ADDRESS, midisock_listen(address, 0, NULL, &out));
    CHECK(out == NULL);
    if (geteuid() != 0) {
        CHECK(chmod(folder, 0500) == 0);
        use_path("midi");
        CHECK_RESULT(MIDISOCK_ERR_PERMISSION, midisock_listen(address, 0, NULL, &out));
        CHECK(chmod(folder, 0700) == 0);
    }
    end();
}

static void its_clients_have_no_addresses_to_allow(void)
{
    midisock_port *server = NULL, *client = NULL;
    begin();
    CHECK_OK(midisock_listen(address, 0, NULL, &server));
    CHECK_OK(midisock_connect(address, 0, NULL, &client));
    CHECK_OK(midisock_wait_connected(client, DEADLINE_MS));
    CHECK_INVALID(midisock_set_allow(server, "127.0.0.1"));
    CHECK_OK(midisock_set_allow(server, NULL));
    CHECK_OK(midisock_push(client, BYTES(0xf6)));
    EXPECT(server, 0xf6);
    midisock_close(client);
    midisock_close(server);
    end();
}

static void a_server_waits_for_its_path(void)
{
    begin();
    int holder = raw_unix_listen(128);
    midisock_config c = check_config();
    c.listen_retry_ms = UINT32_MAX;
    midisock_port *server = serve(&c);
    CHECK_INT(MIDISOCK_STATE_BINDING, midisock_state(server));
    midisock_notification n = NOTIFIED(server, MIDISOCK_NOTIFY_CONNECT_FAILED);
    CHECK_RESULT(MIDISOCK_ERR_ADDRESS_IN_USE, n.reason);
    CHECK_TEXT(address, n.address);
    raw_close(holder);
    CHECK_SOON(midisock_state(server) == MIDISOCK_STATE_LISTENING);
    int fd = raw_unix_connect();
    RAW_SEND(fd, 0xf3, 1);
    EXPECT(server, 0xf3, 1);
    raw_close(fd);
    midisock_close(server);
    end();
}

static void a_client_waits_for_its_server_and_connects_again(void)
{
    begin();
    midisock_config c = check_config();
    c.reconnect_max_ms = 100;
    midisock_port *client;
    CHECK_OK(midisock_connect(address, 0, &c, &client));
    midisock_notification n = NOTIFIED(client, MIDISOCK_NOTIFY_CONNECT_FAILED);
    CHECK_RESULT(MIDISOCK_ERR_REFUSED, n.reason);
    CHECK_INT(ENOENT, n.os_error);
    CHECK_TEXT(address, n.address);
    char text[64] = "x";
    CHECK_OK(midisock_peer_address(client, text, sizeof text));
    CHECK_TEXT("", text);
    for (int i = 0; i < 3; i++) {
        midisock_port *server = serve(NULL);
        CHECK_OK(midisock_wait_connected(client, DEADLINE_MS));
        NOTIFIED(client, MIDISOCK_NOTIFY_CONNECTED);
        CHECK_OK(midisock_push(client, BYTES(0xf3, (uint8_t)i)));
        EXPECT(server, 0xf3, (uint8_t)i);
        midisock_close(server);
        n = NOTIFIED(client, MIDISOCK_NOTIFY_DISCONNECTED);
        CHECK_OK(n.reason);
        CHECK_TEXT(address, n.address);
        CHECK_RESULT(MIDISOCK_ERR_REFUSED, NOTIFIED(client, MIDISOCK_NOTIFY_CONNECT_FAILED).reason);
    }
    midisock_close(client);
    end();
}

static void a_silent_newcomer_is_there_at_once(void)
{
    begin();
    midisock_config c = check_config();
    c.accept_mode = MIDISOCK_ACCEPT_MANUAL;
    midisock_port *server = serve(&c), *accepted;
    int fd = raw_unix_connect();
    CHECK_OK(midisock_accept(server, DEADLINE_MS, &accepted));
    char text[64];
    CHECK_OK(midisock_peer_address(accepted, text, sizeof text));
    CHECK_TEXT("unix:", text);
    CHECK_OK(midisock_push(accepted, BYTES(0x90, 60, 64)));
    RAW_EXPECT(fd, 0x90, 60, 64);
    RAW_SEND(fd, 0x91, 60, 64);
    EXPECT(accepted, 0x91, 60, 64);
    raw_close(fd);
    midisock_close(accepted);
    midisock_close(server);
    end();
}

static void what_is_no_midi_is_turned_away(void)
{
    begin();
    for (uint32_t mode = MIDISOCK_ACCEPT_MERGED; mode <= MIDISOCK_ACCEPT_MANUAL; mode++)
        for (int silent = 0; silent < 2; silent++) {
            midisock_config c = check_config();
            c.accept_mode = mode;
            midisock_port *server = serve(&c), *accepted = NULL;
            int fd = raw_unix_connect();
            if (silent && mode == MIDISOCK_ACCEPT_MANUAL)
                CHECK_OK(midisock_accept(server, DEADLINE_MS, &accepted));
            else if (silent)
                NOTIFIED(server, MIDISOCK_NOTIFY_CLIENT_JOINED);
            raw_send(fd, "GET / HTTP/1.1\r\n", 16);
            RAW_EXPECT_GONE(fd);
            CHECK_COUNT(server, rejected, 1);
            raw_close(fd);
            midisock_close(accepted);
            midisock_close(server);
        }
    end();
}

/* What a peer sent before it went is not lost, however full the queues are; then come its releases. */
static void all_that_was_sent_arrives(void)
{
    enum { MESSAGES = 3000 };
    begin();
    midisock_config c = check_config();
    c.in_queue_bytes = 4096;
    c.overflow = MIDISOCK_OVERFLOW_WAIT;
    c.release_on_disconnect = 1;
    midisock_port *server = serve(&c), *client;
    CHECK_OK(midisock_connect(address, 0, &c, &client));
    CHECK_OK(midisock_wait_connected(client, DEADLINE_MS));
    CHECK_OK(midisock_push(client, BYTES(0x90, 60, 64)));
    EXPECT(server, 0x90, 60, 64);
    for (uint32_t i = 0, next = 0; i < MESSAGES || next < MESSAGES;) {
        uint8_t data[64];
        if (i < MESSAGES) {
            check_numbered(data, sizeof data, i);
            midisock_result result = midisock_push(client, data, sizeof data);
            if (result == MIDISOCK_OK && ++i == MESSAGES) {
                CHECK(midisock_flush(client, 0) != MIDISOCK_ERR_CLOSED);
                continue;
            }
            CHECK(result == MIDISOCK_OK || result == MIDISOCK_ERR_FULL);
            if (result == MIDISOCK_OK)
                continue;
        }
        midisock_message m = POP(server);
        CHECK_INT(next, check_number(m.data, m.size));
        next++;
    }
    midisock_close(client);
    midisock_message m = EXPECT(server, 0x80, 60, 64);
    CHECK(m.flags & MIDISOCK_FLAG_SYNTHETIC);
    midisock_close(server);
    end();
}

int main(int argc, char **argv)
{
    static const check_case cases[] = {
        CASE(messages_go_both_ways),
        CASE(a_hundred_clients),
        CASE(only_its_user_may_connect),
        CASE(a_socket_that_was_left_behind_is_replaced),
        CASE(a_socket_that_listens_is_not),
        CASE(anything_else_is_not),
        CASE(another_users_socket_is_not),
        CASE(the_file_goes_with_the_port),
        CASE(paths_that_are_too_long),
        CASE(a_text_of_63_bytes_fits),
        CASE(unusable_arguments),
        CASE(its_clients_have_no_addresses_to_allow),
        CASE(a_server_waits_for_its_path),
        CASE(a_client_waits_for_its_server_and_connects_again),
        CASE(a_silent_newcomer_is_there_at_once),
        CASE(what_is_no_midi_is_turned_away),
        CASE(all_that_was_sent_arrives),
    };
    return check_main(argc, argv, CASES(cases));
}
