/* Hosts and ports: as text, as names, in both families. */
#define _POSIX_C_SOURCE 200809L
#include "check.h"
#include "raw.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int have_ipv6(void)
{
    int fd = socket(AF_INET6, SOCK_STREAM, 0);
    if (fd < 0)
        return 0;
    struct sockaddr_in6 address;
    memset(&address, 0, sizeof address);
    address.sin6_family = AF_INET6;
    address.sin6_addr = in6addr_loopback;
    int result = bind(fd, (struct sockaddr *)&address, sizeof address);
    close(fd);
    return result == 0;
}

static void need_ipv6(void)
{
    if (!have_ipv6())
        check_skip("no IPv6 loopback here");
}

static void valid_addresses_are_parsed(void)
{
    static const struct {
        const char *text;
        const char *host;
        uint16_t port;
    } table[] = {
        {"localhost:8080", "localhost", 8080},
        {"127.0.0.1:1", "127.0.0.1", 1},
        {"127.0.0.1:65535", "127.0.0.1", 65535},
        {"127.0.0.1:0", "127.0.0.1", 0},
        {":9080", "", 9080},
        {"[::1]:9080", "::1", 9080},
        {"[fe80::1]:5", "fe80::1", 5},
        {"[fe80::1%eth0]:5", "fe80::1%eth0", 5},
        {"[fe80::1%eth0.100]:5", "fe80::1%eth0.100", 5},
        {"[fe80::1%2]:5", "fe80::1%2", 5},
        {"unix:/run/midi.sock", "unix:/run/midi.sock", 0},
        {"unix:/run/a b:80", "unix:/run/a b:80", 0},
        {"unix:80", "unix", 80},
        {"my-studio.example.org:5004", "my-studio.example.org", 5004},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        char host[64];
        memset(host, 0x7e, sizeof host);
        uint16_t port = 4711;
        midisock_result result = midisock_parse_address(table[i].text, host, sizeof host, &port);
        if (result != MIDISOCK_OK)
            check_fail(__FILE__, __LINE__, "\"%s\" gave %s", table[i].text,
                       midisock_strerror(result));
        /* With or without its brackets: both are a host to listen and connect. */
        if (!(table[i].text[0] == '[' && host[0] == '['))
            CHECK_TEXT(table[i].host, host);
        CHECK_INT(table[i].port, port);
    }
}

static void invalid_addresses_are_refused(void)
{
    static const char *const table[] = {
        "",           ":",          "localhost",     "localhost:",     "127.0.0.1",
        "::1",        "::1:8080",   "[::1]",         "[::1]:",         "[::1]8080",
        "[::1:8080",  "::1]:8080",  "[]:80",         "host:65536",     "host:99999999999999999999",
        "host:-1",    "host:+1",    "host: 1",       "host:1 ",        "host:0x10",
        "host:1:2",   "host:eighty", "a:b:1",        "[localhost:1",   "host:1.5",
        "[::1]:1:1",  "[1::2::3]:1", "unix:",        "unix:midi.sock", "unix:./midi.sock",
        "[fe80::1%]:5", "[fe80::1%a b]:5", "[127.0.0.1%lo]:5", "fe80::1%lo:5",
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        char host[64];
        memset(host, 0x7e, sizeof host);
        uint16_t port = 4711;
        midisock_result result = midisock_parse_address(table[i], host, sizeof host, &port);
        if (result != MIDISOCK_ERR_ADDRESS)
            check_fail(__FILE__, __LINE__, "\"%s\" gave %d (%s)", table[i], (int)result,
                       midisock_strerror(result));
        for (size_t j = 0; j < sizeof host; j++)
            CHECK_INT(0x7e, host[j]);
        CHECK_INT(4711, port);
    }
}

static void parsing_into_a_small_buffer(void)
{
    for (size_t capacity = 0; capacity <= 16; capacity++) {
        char *host = malloc(capacity + 1); /* a sanitizer sees a write beyond */
        CHECK(host != NULL);
        memset(host, 0x7e, capacity + 1);
        uint16_t port = 4711;
        midisock_result result = midisock_parse_address("localhost:80", host, capacity, &port);
        if (capacity < sizeof "localhost") {
            CHECK_INVALID(result);
            for (size_t i = 0; i <= capacity; i++)
                CHECK_INT(0x7e, host[i]);
            CHECK_INT(4711, port);
        } else {
            CHECK_OK(result);
            CHECK_TEXT("localhost", host);
            CHECK_INT(80, port);
            CHECK_INT(0x7e, host[capacity]);
        }
        free(host);
    }
}

static void parsing_null(void)
{
    char host[64] = "as it was";
    uint16_t port = 4711;
    CHECK_INVALID(midisock_parse_address(NULL, host, sizeof host, &port));
    CHECK_INVALID(midisock_parse_address("localhost:80", NULL, sizeof host, &port));
    CHECK_INVALID(midisock_parse_address("localhost:80", host, sizeof host, NULL));
    CHECK_TEXT("as it was", host);
    CHECK_INT(4711, port);
}

static void parsing_very_long_text(void)
{
    enum { LONG = 1000000 };
    char *text = malloc(LONG + 8);
    char host[64] = "as it was";
    uint16_t port = 4711;
    CHECK(text != NULL);
    memset(text, 'a', LONG);
    strcpy(text + LONG, ":80");
    midisock_result result = midisock_parse_address(text, host, sizeof host, &port);
    CHECK(result == MIDISOCK_ERR_ADDRESS || result == MIDISOCK_ERR_INVALID_ARGUMENT);
    midisock_port *out = NULL;
    CHECK(midisock_listen(text, 0, NULL, &out) < 0);
    CHECK(out == NULL);
    CHECK_TEXT("as it was", host);
    CHECK_INT(4711, port);
    free(text);
}

/* A server on `listen_at` and a client to `connect_to` exchange a message. */
static void exchange(const char *listen_at, const char *connect_to)
{
    midisock_port *server = NULL;
    midisock_port *client = NULL;
    midisock_result result = midisock_listen(listen_at, 0, NULL, &server);
    if (result != MIDISOCK_OK)
        check_fail(__FILE__, __LINE__, "listen at \"%s\": %s", listen_at ? listen_at : "NULL",
                   midisock_strerror(result));
    CHECK_OK(midisock_connect(connect_to, midisock_local_port(server), NULL, &client));
    result = midisock_wait_connected(client, DEADLINE_MS);
    if (result != MIDISOCK_OK)
        check_fail(__FILE__, __LINE__, "from \"%s\" to \"%s\": %s", connect_to,
                   listen_at ? listen_at : "NULL", midisock_strerror(result));
    CHECK_OK(midisock_push(client, BYTES(0xc1, 1)));
    EXPECT(server, 0xc1, 1);
    CHECK_OK(midisock_push(server, BYTES(0xc2, 2)));
    EXPECT(client, 0xc2, 2);
    midisock_close(client);
    midisock_close(server);
}

static void ipv4(void)
{
    exchange("127.0.0.1", "127.0.0.1");
    exchange(NULL, "127.0.0.1");
    exchange("", "127.0.0.1");
    exchange("0.0.0.0", "127.0.0.1");
    exchange("127.0.0.5", "127.0.0.5");
}

static void ipv6(void)
{
    need_ipv6();
    exchange("::1", "::1");
    exchange("[::1]", "[::1]");
    exchange("::1", "[::1]");
    exchange(NULL, "::1");
    exchange("", "::1");
    exchange("::", "::1");
}

static void names(void)
{
    exchange("localhost", "localhost");
    exchange(NULL, "localhost");
    exchange("", "localhost");
    exchange("127.0.0.1", "localhost"); /* each address is tried in turn */
}

static void loopback_is_not_every_interface(void)
{
    /* 127.0.0.9 is this machine as well, but not what NULL binds. */
    midisock_port *server = check_listen(NULL);
    midisock_config c = check_config();
    c.reconnect_max_ms = 0;
    midisock_port *client = NULL;
    CHECK_OK(midisock_connect("127.0.0.9", midisock_local_port(server), &c, &client));
    CHECK(midisock_wait_connected(client, DEADLINE_MS) != MIDISOCK_OK);
    midisock_close(client);
    midisock_close(server);

    CHECK_OK(midisock_listen("", 0, NULL, &server));
    CHECK_OK(midisock_connect("127.0.0.9", midisock_local_port(server), NULL, &client));
    CHECK_OK(midisock_wait_connected(client, DEADLINE_MS));
    midisock_close(client);
    midisock_close(server);
}

static void both_families_share_a_port(void)
{
    need_ipv6();
    const char *const hosts[] = {NULL, ""};
    for (int i = 0; i < 2; i++) {
        midisock_port *server = NULL;
        CHECK_OK(midisock_listen(hosts[i], 0, NULL, &server));
        int four = raw_connect(midisock_local_port(server));
        int six = raw_connect6(midisock_local_port(server));
        RAW_SEND(four, 0xc0, 4);
        uint32_t one = EXPECT(server, 0xc0, 4).client;
        RAW_SEND(six, 0xc0, 6);
        uint32_t other = EXPECT(server, 0xc0, 6).client;
        CHECK(one != other);
        char text[64];
        CHECK_OK(midisock_client_address(server, one, text, sizeof text));
        CHECK(strncmp(text, "127.0.0.1:", 10) == 0);
        CHECK_OK(midisock_client_address(server, other, text, sizeof text));
        CHECK(strncmp(text, "[::1]:", 6) == 0);
        raw_close(four);
        raw_close(six);
        midisock_close(server);
    }
}

/* Connecting there fails, and for this reason. */
static void fails(const char *host, uint16_t port, midisock_result reason)
{
    midisock_config c = check_config();
    c.connect_timeout_ms = 200;
    midisock_port *client = NULL;
    CHECK_OK(midisock_connect(host, port, &c, &client));
    midisock_notification n = NOTIFIED(client, MIDISOCK_NOTIFY_CONNECT_FAILED);
    if (n.reason != reason)
        check_fail(__FILE__, __LINE__, "connecting to \"%s\" failed by %s, not %s", host,
                   midisock_strerror(n.reason), midisock_strerror(reason));
    /* It goes on trying; out of time tells why it failed. */
    CHECK_INT(MIDISOCK_STATE_CONNECTING, midisock_state(client));
    CHECK_RESULT(reason, midisock_wait_connected(client, 0));
    CHECK_RESULT(reason, midisock_wait_connected(client, 20));
    midisock_close(client);
}

static void reasons_of_failed_connects(void)
{
    uint16_t port;
    int holder = raw_refusing(&port);
    fails("127.0.0.1", port, MIDISOCK_ERR_REFUSED);
    fails("localhost", port, MIDISOCK_ERR_REFUSED);
    raw_close(holder);
    fails("no-such-host.invalid", 9, MIDISOCK_ERR_ADDRESS);

    int fillers[3];
    holder = raw_silent(&port, fillers);
    fails("127.0.0.1", port, MIDISOCK_ERR_TIMEOUT);
    for (int i = 0; i < 3; i++)
        raw_close(fillers[i]);
    raw_close(holder);
}

static void listening_on_unusable_hosts(void)
{
    midisock_port *out = NULL;
    CHECK_RESULT(MIDISOCK_ERR_ADDRESS, midisock_listen("no-such-host.invalid", 0, NULL, &out));
    CHECK_RESULT(MIDISOCK_ERR_ADDRESS, midisock_listen("256.1.1.1", 0, NULL, &out));
    CHECK_RESULT(MIDISOCK_ERR_ADDRESS, midisock_listen("not a host", 0, NULL, &out));
    CHECK_RESULT(MIDISOCK_ERR_ADDRESS, midisock_listen("[::1", 0, NULL, &out));
    CHECK_RESULT(MIDISOCK_ERR_ADDRESS, midisock_listen("\xff\xfe", 0, NULL, &out));
    /* Another machine's address (a block for documentation): some error. */
    CHECK(midisock_listen("203.0.113.7", 0, NULL, &out) < 0);
    CHECK(out == NULL);
}

static void hosts_of_any_bytes(void)
{
    /* Any bytes are a host that does not resolve, never a crash. */
    midisock_port *out = NULL;
    midisock_result result = midisock_connect("\xff\xfe\x80", 9, NULL, &out);
    CHECK(result == MIDISOCK_OK || result == MIDISOCK_ERR_ADDRESS);
    if (result == MIDISOCK_OK) {
        CHECK_RESULT(MIDISOCK_ERR_ADDRESS, NOTIFIED(out, MIDISOCK_NOTIFY_CONNECT_FAILED).reason);
        midisock_close(out);
    }
}

static void local_port_of_each_role(void)
{
    midisock_config c = check_config();
    c.accept_mode = MIDISOCK_ACCEPT_MANUAL;
    midisock_port *server = check_listen(&c);
    midisock_port *client = check_connect(server, NULL);
    midisock_port *accepted = NULL;
    CHECK_OK(midisock_accept(server, DEADLINE_MS, &accepted));
    midisock_port *a = NULL;
    midisock_port *b = NULL;
    CHECK_OK(midisock_pair(NULL, &a, &b));
    CHECK(midisock_local_port(client) != 0);
    CHECK(midisock_local_port(client) != midisock_local_port(server));
    CHECK_INT(midisock_local_port(server), midisock_local_port(accepted));
    CHECK_INT(0, midisock_local_port(a));
    CHECK_INT(0, midisock_local_port(b));
    midisock_close(a);
    midisock_close(b);
    midisock_close(accepted);
    midisock_close(client);
    midisock_close(server);
    uint16_t port;
    int holder = raw_refusing(&port);
    CHECK_OK(midisock_connect("127.0.0.1", port, NULL, &client));
    CHECK_INT(0, midisock_local_port(client)); /* not connected */
    midisock_close(client);
    raw_close(holder);
}

int main(int argc, char **argv)
{
    static const check_case cases[] = {
        CASE(valid_addresses_are_parsed),
        CASE(invalid_addresses_are_refused),
        CASE(parsing_into_a_small_buffer),
        CASE(parsing_null),
        CASE(parsing_very_long_text),
        CASE(ipv4),
        CASE(ipv6),
        CASE(names),
        CASE(loopback_is_not_every_interface),
        CASE(both_families_share_a_port),
        CASE(reasons_of_failed_connects),
        CASE(listening_on_unusable_hosts),
        CASE(hosts_of_any_bytes),
        CASE(local_port_of_each_role),
    };
    return check_main(argc, argv, CASES(cases));
}
