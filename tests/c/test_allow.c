/* Who may connect: addresses and ranges. */
#define _POSIX_C_SOURCE 200809L
#include "check.h"
#include "raw.h"

#include <netinet/in.h>
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

static midisock_port *listen_allowing(const char *allow)
{
    midisock_config c = check_config();
    c.allow = allow;
    midisock_port *server = NULL;
    midisock_result result = midisock_listen("", 0, &c, &server);
    if (result != MIDISOCK_OK)
        check_fail(__FILE__, __LINE__, "allow \"%s\" gave %s", allow, midisock_strerror(result));
    return server;
}

/* A client from this address ("::1" or one of 127.0.0.0/8) is let in or not. */
static void from(const char *allow, const char *address, int welcome)
{
    if (strcmp(address, "::1") == 0 && !have_ipv6())
        return;
    midisock_port *server = listen_allowing(allow);
    uint16_t port = midisock_local_port(server);
    int fd = strcmp(address, "::1") == 0 ? raw_connect6(port) : raw_connect_from(address, port);
    if (welcome) {
        RAW_SEND(fd, 0xf6);
        EXPECT(server, 0xf6);
        CHECK_INT(0, check_stats(server).rejected);
    } else {
        char piece;
        if (raw_read_some(fd, &piece, 1) > 0)
            check_fail(__FILE__, __LINE__, "%s got a byte of one that allows %s", address, allow);
        CHECK_SOON(check_stats(server).rejected == 1);
        midisock_stats s = check_stats(server);
        CHECK_INT(0, s.connections);
        CHECK_INT(0, s.disconnections);
        CHECK_INT(0, s.bytes_in);
        CHECK_INT(0, midisock_client_count(server));
        midisock_notification n;
        CHECK_RESULT(MIDISOCK_EMPTY, midisock_poll_notification(server, &n));
    }
    raw_close(fd);
    midisock_close(server);
}

static void everyone_is_allowed_by_default(void)
{
    from(NULL, "127.0.0.1", 1);
    from(NULL, "127.5.6.7", 1);
    from(NULL, "::1", 1);
}

static void single_addresses(void)
{
    from("127.0.0.1", "127.0.0.1", 1);
    from("127.0.0.1", "127.0.0.2", 0);
    from("127.0.0.1", "::1", 0);
    from("::1", "::1", 1);
    from("::1", "127.0.0.1", 0);
    from("10.1.2.3", "127.0.0.1", 0);
}

static void ranges(void)
{
    from("127.0.0.0/8", "127.200.3.4", 1);
    from("127.0.0.0/30", "127.0.0.3", 1);
    from("127.0.0.0/30", "127.0.0.4", 0);
    from("127.0.0.128/25", "127.0.0.129", 1);
    from("127.0.0.128/25", "127.0.0.127", 0);
    from("127.0.0.7/32", "127.0.0.7", 1);
    from("127.0.0.7/32", "127.0.0.6", 0);
    from("0.0.0.0/0", "127.0.0.1", 1);
    from("::1/128", "::1", 1);
    from("::/0", "::1", 1);
    from("fe80::/10", "::1", 0);
    from("10.0.0.0/8", "127.0.0.1", 0);
    from("0.0.0.0/0", "::1", 0);
}

static void lists(void)
{
    from("10.0.0.0/8,127.0.0.0/24,::1", "127.0.0.9", 1);
    from("10.0.0.0/8,127.0.0.0/24,::1", "::1", 1);
    from("10.0.0.0/8,127.0.0.0/24,::1", "127.0.1.9", 0);
    from("10.0.0.1,10.0.0.2,10.0.0.3,127.0.0.1", "127.0.0.1", 1);
}

static void mapped_addresses(void)
{
    /* An IPv4 client is one however the system presents it. */
    from("::ffff:127.0.0.1", "127.0.0.1", 1);
    from("::ffff:127.0.0.1", "127.0.0.2", 0);
    from("::ffff:127.0.0.0/104", "127.9.9.9", 1);
    from("127.0.0.1", "127.0.0.1", 1);
}

static void invalid_lists_are_refused(void)
{
    static const char *const wrong[] = {
        "localhost",  "127.0.0.1/33", "::1/129",      "127.0.0.1/", "127.0.0.1/-1",
        "/8",         "127.0.0",      "127.0.0.1/8/8", "127.0.0.1,x", "1.2.3.4/a",
        "::1::",      "127.0.0.1 ::1", "300.1.1.1",   "127.0.0.1:80",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        midisock_config c = check_config();
        c.allow = wrong[i];
        midisock_port *server = NULL;
        midisock_result result = midisock_listen(NULL, 0, &c, &server);
        if (result != MIDISOCK_ERR_ADDRESS && result != MIDISOCK_ERR_INVALID_ARGUMENT)
            check_fail(__FILE__, __LINE__, "allow \"%s\" gave %d (%s)", wrong[i], (int)result,
                       midisock_strerror(result));
        CHECK(server == NULL);
    }
}

static void on_a_manual_server(void)
{
    midisock_config c = check_config();
    c.accept_mode = MIDISOCK_ACCEPT_MANUAL;
    c.allow = "127.0.0.2";
    midisock_port *server = check_listen(&c);
    int bad = raw_connect(midisock_local_port(server));
    RAW_EXPECT_GONE(bad);
    raw_close(bad);
    int good = raw_connect_from("127.0.0.2", midisock_local_port(server));
    midisock_port *accepted = NULL;
    CHECK_OK(midisock_accept(server, DEADLINE_MS, &accepted));
    midisock_port *none = NULL;
    CHECK_RESULT(MIDISOCK_EMPTY, midisock_accept(server, 0, &none));
    CHECK_COUNT(server, rejected, 1);
    midisock_close(accepted);
    raw_close(good);
    midisock_close(server);
}

int main(int argc, char **argv)
{
    static const check_case cases[] = {
        CASE(everyone_is_allowed_by_default), CASE(single_addresses),
        CASE(ranges),               CASE(lists),
        CASE(mapped_addresses),     CASE(invalid_lists_are_refused),
        CASE(on_a_manual_server),
    };
    return check_main(argc, argv, CASES(cases));
}
