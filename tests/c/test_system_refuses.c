/* The system refuses or plays tricks: a poller that does not watch, and a client that meets itself. */
#define _GNU_SOURCE
#include "check.h"
#include "raw.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/* How many times the poller refuses sockets from now on, and to do what. */
static int refusals, refused, refused_operation;

/* In place of the system's: the library calls this one. */
int epoll_ctl(int epoll, int operation, int fd, struct epoll_event *event)
{
    int is_refused = operation == __atomic_load_n(&refused_operation, __ATOMIC_RELAXED);
    if (is_refused && __atomic_load_n(&refusals, __ATOMIC_RELAXED) > 0) {
        __atomic_sub_fetch(&refusals, 1, __ATOMIC_RELAXED);
        __atomic_add_fetch(&refused, 1, __ATOMIC_RELAXED);
        errno = ENOMEM;
        return -1;
    }
    return (int)syscall(SYS_epoll_ctl, epoll, operation, fd, event);
}

static midisock_config without_keepalive(void)
{
    midisock_config c = check_config();
    c.keepalive_ms = 0;
    c.reconnect_min_ms = 600000;
    c.reconnect_max_ms = 600000;
    return c;
}

static void starts(int times, int operation)
{
    __atomic_store_n(&refused, 0, __ATOMIC_RELAXED);
    __atomic_store_n(&refused_operation, operation, __ATOMIC_RELAXED);
    __atomic_store_n(&refusals, times, __ATOMIC_RELAXED);
}

static void a_client_whose_socket_is_not_watched_at_first(void)
{
    for (int times = 1; times < 8; times++) {
        uint16_t number = 0;
        int listener = raw_listen(&number);
        midisock_config c = without_keepalive();
        /* So that the poller is there. */
        midisock_port *other = check_listen(&c), *client;
        starts(times, EPOLL_CTL_ADD);
        CHECK_OK(midisock_connect("127.0.0.1", number, &c, &client));
        CHECK_OK(midisock_wait_connected(client, DEADLINE_MS));
        /* The first connection is the one that lives. */
        int fd = raw_accept(listener);
        RAW_SEND(fd, 0x90, 60, 64);
        EXPECT(client, 0x90, 60, 64);
        CHECK_INT(times, __atomic_load_n(&refused, __ATOMIC_RELAXED));
        CHECK_OK(midisock_push(client, BYTES(0x80, 60, 64)));
        RAW_EXPECT(fd, 0x80, 60, 64);
        CHECK(!raw_readable(listener, 0));
        raw_close(fd);
        raw_close(listener);
        midisock_close(client);
        midisock_close(other);
    }
}

static void a_servers_client_that_is_not_watched_at_first(void)
{
    for (int operation = 0; operation < 2; operation++)
        for (int times = 1; times < 8; times++) {
            midisock_config c = without_keepalive();
            midisock_port *server = check_listen(&c);
            /* The listener is watched. */
            int first = raw_connect(midisock_local_port(server));
            RAW_SEND(first, 0xf8);
            EXPECT(server, 0xf8);
            starts(times, operation ? EPOLL_CTL_MOD : EPOLL_CTL_ADD);
            int fd = raw_connect(midisock_local_port(server));
            NOTIFIED(server, MIDISOCK_NOTIFY_CLIENT_JOINED);
            NOTIFIED(server, MIDISOCK_NOTIFY_CLIENT_JOINED);
            for (uint8_t i = 0; i < 20; i++) {
                RAW_SEND(fd, 0xf3, i);
                EXPECT(server, 0xf3, i);
                CHECK_OK(midisock_push(server, BYTES(0xf3, i)));
                RAW_EXPECT(fd, 0xf3, i);
            }
            __atomic_store_n(&refusals, 0, __ATOMIC_RELAXED);
            raw_close(fd);
            NOTIFIED(server, MIDISOCK_NOTIFY_CLIENT_LEFT);
            raw_close(first);
            midisock_close(server);
        }
}

static void a_listener_that_is_not_watched_at_first(void)
{
    midisock_config c = without_keepalive();
    midisock_port *other = check_listen(&c);
    starts(3, EPOLL_CTL_ADD);
    midisock_port *server = check_listen(&c);
    int fd = raw_connect(midisock_local_port(server));
    RAW_SEND(fd, 0xf3, 1);
    EXPECT(server, 0xf3, 1);
    CHECK_INT(3, __atomic_load_n(&refused, __ATOMIC_RELAXED));
    raw_close(fd);
    midisock_close(server);
    midisock_close(other);
}

static int write_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY);
    if (fd < 0)
        return 0;
    ssize_t written = write(fd, text, strlen(text));
    close(fd);
    return written == (ssize_t)strlen(text);
}

/* A network of its own, in which the system gives clients one of two ports. */
static int small_network(void)
{
    if (unshare(CLONE_NEWNET) != 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0)
        return 0;
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    struct ifreq up;
    memset(&up, 0, sizeof up);
    strcpy(up.ifr_name, "lo");
    up.ifr_flags = IFF_UP;
    int outcome = ioctl(fd, SIOCSIFFLAGS, &up);
    close(fd);
    return outcome == 0 && write_file("/proc/sys/net/ipv4/ip_local_port_range", "40000 40001");
}

/* A client whose server is not there is given the very port that it connects to. The server finds its address free. */
static void a_client_that_meets_itself(void)
{
    if (!small_network())
        check_skip("no network of its own to be had");
    for (int round = 0; round < 20; round++) {
        uint16_t number = (uint16_t)(40000 + round % 2);
        midisock_config c = check_config();
        c.reconnect_min_ms = 1;
        c.reconnect_max_ms = 1;
        midisock_port *client;
        CHECK_OK(midisock_connect("127.0.0.1", number, &c, &client));
        NOTIFIED(client, MIDISOCK_NOTIFY_CONNECT_FAILED);
        /* Some attempts, of which every other one meets itself. */
        uint64_t until = check_now_ms() + 30;
        while (check_now_ms() < until)
            CHECK(midisock_state(client) == MIDISOCK_STATE_CONNECTING);
        midisock_close(client);
        /* Without SO_REUSEADDR, as servers of others do it: nothing is left of it. */
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        struct sockaddr_in address;
        memset(&address, 0, sizeof address);
        address.sin_family = AF_INET;
        address.sin_port = htons(number);
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        if (bind(fd, (struct sockaddr *)&address, sizeof address) != 0)
            check_fail(__FILE__, __LINE__, "round %d: %s", round, strerror(errno));
        close(fd);
    }
}

int main(int argc, char **argv)
{
    static const check_case cases[] = {
        CASE(a_client_whose_socket_is_not_watched_at_first),
        CASE(a_servers_client_that_is_not_watched_at_first),
        CASE(a_listener_that_is_not_watched_at_first),
        CASE(a_client_that_meets_itself),
    };
    return check_main(argc, argv, CASES(cases));
}
