/* Names with several addresses, of which some are silent; and servers and
 * look-ups while descriptors or threads have run out. This program's own
 * getaddrinfo stands in front of the system's. */
#define _GNU_SOURCE
#include "check.h"
#include "raw.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#if !defined(_WIN32)
#include <sys/resource.h>
#endif

/* On Windows a program cannot stand in front of the system's getaddrinfo. */
#if !defined(_WIN32)
#define MOST_ADDRESSES 4

/* What every name resolves to. */
static struct {
    const char *ips[MOST_ADDRESSES];
    int count;
} found;

struct answer {
    struct addrinfo info[MOST_ADDRESSES];
    struct sockaddr_in address[MOST_ADDRESSES];
};

int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
                struct addrinfo **result)
{
    (void)node;
    (void)service;
    (void)hints;
    *result = NULL;
    if (found.count == 0)
        return EAI_NONAME;
    struct answer *answer = calloc(1, sizeof *answer);
    if (answer == NULL)
        return EAI_MEMORY;
    for (int i = 0; i < found.count; i++) {
        struct addrinfo *info = &answer->info[i];
        answer->address[i].sin_family = AF_INET;
        inet_pton(AF_INET, found.ips[i], &answer->address[i].sin_addr);
        info->ai_family = AF_INET;
        info->ai_socktype = SOCK_STREAM;
        info->ai_addr = (struct sockaddr *)&answer->address[i];
        info->ai_addrlen = sizeof answer->address[i];
        info->ai_next = i + 1 < found.count ? info + 1 : NULL;
    }
    *result = answer->info;
    return 0;
}

void freeaddrinfo(struct addrinfo *result)
{
    free(result);
}

/* A listener on an address whose backlog is full: it answers no SYN. */
static int silent(const char *ip, uint16_t port, int fillers[4])
{
    struct sockaddr_in address;
    memset(&address, 0, sizeof address);
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    inet_pton(AF_INET, ip, &address.sin_addr);
    int full = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(bind(full, (struct sockaddr *)&address, sizeof address) == 0);
    CHECK(listen(full, 0) == 0);
    for (int i = 0; i < 4; i++) {
        fillers[i] = socket(AF_INET, SOCK_STREAM, 0);
        fcntl(fillers[i], F_SETFL, O_NONBLOCK);
        connect(fillers[i], (struct sockaddr *)&address, sizeof address);
    }
    usleep(50000);
    return full;
}

static void a_silent_first_address_costs_less_than_two_seconds(void)
{
    midisock_config config = check_config();
    midisock_port *server = check_listen(&config);
    uint16_t port = midisock_local_port(server);
    int fillers[4];
    int full = silent("127.0.0.2", port, fillers);
    found.ips[0] = "127.0.0.2";
    found.ips[1] = "127.0.0.1";
    found.count = 2;
    midisock_port *client;
    uint64_t began = check_now_ms();
    CHECK_OK(midisock_connect("name.test", port, &config, &client));
    CHECK_OK(midisock_wait_connected(client, DEADLINE_MS));
    CHECK(check_now_ms() - began < 2000);
    CHECK_SOON(midisock_client_count(server) == 1);
    unsigned descriptors = check_descriptors();
    /* And each time it connects again. */
    for (int round = 2; round < 5; round++) {
        midisock_notification joined = NOTIFIED(server, MIDISOCK_NOTIFY_CLIENT_JOINED);
        NOTIFIED(client, MIDISOCK_NOTIFY_CONNECTED);
        CHECK_OK(midisock_disconnect(server, joined.client));
        began = check_now_ms();
        NOTIFIED(client, MIDISOCK_NOTIFY_DISCONNECTED);
        CHECK_OK(midisock_wait_connected(client, DEADLINE_MS));
        CHECK(check_now_ms() - began < 2000);
        CHECK_COUNT(client, connections, round);
        NOTIFIED(server, MIDISOCK_NOTIFY_CLIENT_LEFT);
    }
    CHECK_SOON(midisock_client_count(server) == 1);
    CHECK_SOON(check_descriptors() == descriptors);
    midisock_close(client);
    midisock_close(server);
    for (int i = 0; i < 4; i++)
        close(fillers[i]);
    close(full);
}

static void a_restart_beside_a_silent_address_is_found_soon(void)
{
    midisock_config config = check_config();
    uint16_t port;
    int holder = raw_refusing(&port);
    int fillers[4];
    int full = silent("127.0.0.2", port, fillers);
    found.ips[0] = "127.0.0.2";
    found.ips[1] = "127.0.0.1";
    found.count = 2;
    midisock_port *client, *server;
    config.reconnect_max_ms = 100;
    CHECK_OK(midisock_connect("name.test", port, &config, &client));
    CHECK_INT(MIDISOCK_ERR_REFUSED, NOTIFIED(client, MIDISOCK_NOTIFY_CONNECT_FAILED).reason);
    raw_close(holder);
    CHECK_OK(midisock_listen("127.0.0.1", port, &config, &server));
    uint64_t began = check_now_ms();
    CHECK_OK(midisock_wait_connected(client, DEADLINE_MS));
    CHECK(check_now_ms() - began < 2000);
    midisock_close(client);
    midisock_close(server);
    for (int i = 0; i < 4; i++)
        close(fillers[i]);
    close(full);
}

static void a_server_that_is_binding_survives_a_lack_of_descriptors(void)
{
    uint16_t port = 0;
    int taken = raw_listen(&port);
    midisock_config config = check_config();
    config.listen_retry_ms = UINT32_MAX;
    midisock_port *server;
    CHECK_OK(midisock_listen("127.0.0.1", port, &config, &server));
    CHECK_INT(MIDISOCK_STATE_BINDING, midisock_state(server));
    struct rlimit before, none;
    CHECK(getrlimit(RLIMIT_NOFILE, &before) == 0);
    none = before;
    none.rlim_cur = 0;
    CHECK(setrlimit(RLIMIT_NOFILE, &none) == 0);
    midisock_notification failed;
    do
        failed = NOTIFIED(server, MIDISOCK_NOTIFY_CONNECT_FAILED);
    while (failed.reason != MIDISOCK_ERR_NO_RESOURCES);
    CHECK(setrlimit(RLIMIT_NOFILE, &before) == 0);
    CHECK_INT(MIDISOCK_STATE_BINDING, midisock_state(server));
    raw_close(taken);
    CHECK_SOON(midisock_state(server) == MIDISOCK_STATE_LISTENING);
    midisock_close(server);
}

static void names_without_a_thread_to_look_them_up(void)
{
    if (check_sanitized())
        check_skip("a sanitizer needs address space");
    midisock_port *server = NULL;
    struct rlimit before, none;
    CHECK(getrlimit(RLIMIT_AS, &before) == 0);
    none = before;
    /* Enough for small things, which musl takes from the system too, but not for a thread's stack. */
    none.rlim_cur = (rlim_t)check_address_space_kb() * 1024 + (128 << 10);
    CHECK(setrlimit(RLIMIT_AS, &none) == 0);
    midisock_result named = midisock_listen("some.name", 0, NULL, &server);
    CHECK(setrlimit(RLIMIT_AS, &before) == 0);
    CHECK_RESULT(MIDISOCK_ERR_NO_RESOURCES, named);
    CHECK_RESULT(MIDISOCK_ERR_ADDRESS, midisock_listen("some.name", 0, NULL, &server));
    /* This one needs no look-up. */
    CHECK_OK(midisock_listen("localhost", 0, NULL, &server));
    midisock_close(server);
}
#endif

static void addresses_that_say_what_is_wrong(void)
{
    midisock_port *port = NULL;
    CHECK_OK(midisock_listen("::ffff:127.0.0.1", 0, NULL, &port));
    midisock_close(port);
    CHECK_RESULT(MIDISOCK_ERR_ADDRESS, midisock_listen("fe80::1", 0, NULL, &port));
    CHECK_RESULT(MIDISOCK_ERR_ADDRESS, midisock_listen("fe80::1%no-such-if", 0, NULL, &port));
    midisock_config config = check_config();
    config.reconnect_max_ms = 0;
    CHECK_OK(midisock_connect("fe80::1", 9, &config, &port));
    CHECK_RESULT(MIDISOCK_ERR_ADDRESS, midisock_wait_connected(port, DEADLINE_MS));
    midisock_close(port);
}

/* CONNECTED comes when the port can push, not before. */
static void a_push_after_connected_is_taken(void)
{
    uint16_t number = 0;
    int listener = raw_listen(&number);
    for (int i = 0; i < 500; i++) {
        midisock_port *port = NULL;
        midisock_notification n;
        CHECK_OK(midisock_connect("127.0.0.1", number, NULL, &port));
        int fd = raw_accept(listener);
        /* Without a pause: at the very moment. */
        uint64_t until = check_now_ms() + DEADLINE_MS;
        while (midisock_poll_notification(port, &n) != MIDISOCK_OK)
            CHECK(check_now_ms() < until);
        CHECK_INT(MIDISOCK_NOTIFY_CONNECTED, n.kind);
        CHECK_OK(midisock_push(port, BYTES(0xf6)));
        raw_close(fd);
        midisock_close(port);
    }
    raw_close(listener);
}

int main(int argc, char **argv)
{
    static const check_case cases[] = {
        CASE(a_push_after_connected_is_taken),
        UNIX_CASE(a_silent_first_address_costs_less_than_two_seconds)
        UNIX_CASE(a_restart_beside_a_silent_address_is_found_soon)
        UNIX_CASE(a_server_that_is_binding_survives_a_lack_of_descriptors)
        UNIX_CASE(names_without_a_thread_to_look_them_up)
        CASE(addresses_that_say_what_is_wrong),
    };
    return check_main(argc, argv, CASES(cases));
}
