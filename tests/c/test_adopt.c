/* Sockets that the caller made. */
#define _GNU_SOURCE
#include "check.h"
#include "contexts.h"
#include "raw.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#if !defined(_WIN32)
#include <sys/un.h>
#include <sys/wait.h>
#endif
#if defined(__linux__)
#include <sys/eventfd.h>
#endif

static midisock_port *adopt(int fd, const midisock_config *config)
{
    midisock_port *port = NULL;
    CHECK_OK(midisock_adopt(fd, config, &port));
    return port;
}

static void make_pair(int fds[2])
{
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
}

/* Winsock does not tell whether a socket blocks. */
static int status_of(int fd)
{
#if defined(_WIN32)
    (void)fd;
    return 0;
#else
    return fcntl(fd, F_GETFL);
#endif
}

/* It is refused, and as it was before. */
static void refuses(int fd, const char *what)
{
    midisock_port *out = NULL;
    int status = status_of(fd), flags = fcntl(fd, F_GETFD);
    CHECK(status >= 0 && flags >= 0);
    midisock_result result = midisock_adopt(fd, NULL, &out);
    if (result != MIDISOCK_ERR_INVALID_ARGUMENT)
        check_fail(__FILE__, __LINE__, "%s: %s", what, midisock_strerror(result));
    CHECK(out == NULL);
    CHECK_INT(status, status_of(fd));
    CHECK_INT(flags, fcntl(fd, F_GETFD));
}

static void refuses_and_closes(int fd, const char *what)
{
    CHECK(fd >= 0);
    refuses(fd, what);
    CHECK(close(fd) == 0);
}

static void what_is_no_connected_stream_is_refused(void)
{
    midisock_port *out = NULL;
    int fds[2];
    uint16_t port;
    const intptr_t none[] = {-1, -2, 1000000, INT32_MAX, INT32_MIN, INTPTR_MAX, INTPTR_MIN};
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++)
        CHECK_INVALID(midisock_adopt(none[i], NULL, &out));
    make_pair(fds);
#if INTPTR_MAX > INT32_MAX
    /* Not cut to a descriptor. */
    CHECK_INVALID(midisock_adopt(((intptr_t)1 << 32) + fds[0], NULL, &out));
#endif
    close(fds[0]);
    CHECK_INVALID(midisock_adopt(fds[0], NULL, &out));
    close(fds[1]);
    CHECK(out == NULL);

    refuses_and_closes(raw_listen(&port), "a listening socket");
    refuses_and_closes(socket(AF_INET, SOCK_STREAM, 0), "an unconnected socket");
    refuses_and_closes(socket(AF_INET6, SOCK_STREAM, 0), "an unconnected socket");
    int udp = socket(AF_INET, SOCK_DGRAM, 0);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(9), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    CHECK(connect(udp, (struct sockaddr *)&at, sizeof at) == 0);
    refuses_and_closes(udp, "a datagram socket");
#if !defined(_WIN32)
    refuses_and_closes(socket(AF_UNIX, SOCK_STREAM, 0), "an unconnected Unix socket");
    const int types[] = {SOCK_DGRAM, SOCK_SEQPACKET};
    for (int i = 0; i < 2; i++) {
        CHECK(socketpair(AF_UNIX, types[i], 0, fds) == 0);
        refuses_and_closes(fds[0], "a Unix socket that is no stream");
        close(fds[1]);
    }
    int listening = socket(AF_UNIX, SOCK_STREAM, 0);
    struct sockaddr_un abstract = {.sun_family = AF_UNIX};
    CHECK(bind(listening, (struct sockaddr *)&abstract, sizeof abstract.sun_family) == 0);
    CHECK(listen(listening, 1) == 0);
    refuses_and_closes(listening, "a listening Unix socket");
    refuses_and_closes(open("/dev/null", O_RDWR), "a file");
    refuses_and_closes(open("/tmp", O_RDONLY), "a folder");
#if defined(__linux__)
    refuses_and_closes(eventfd(0, 0), "an eventfd");
#endif
    CHECK(pipe(fds) == 0);
    refuses_and_closes(fds[0], "a pipe");
    refuses_and_closes(fds[1], "a pipe");
#endif

    /* One that is still connecting. */
    int fillers[3], silent = raw_silent(&port, fillers);
    int connecting = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(fcntl(connecting, F_SETFL, O_NONBLOCK) == 0);
    at.sin_port = htons(port);
    CHECK(connect(connecting, (struct sockaddr *)&at, sizeof at) < 0 && errno == EINPROGRESS);
    refuses_and_closes(connecting, "a connecting socket");
    for (int i = 0; i < 3; i++)
        raw_close(fillers[i]);
    raw_close(silent);
}

static void other_arguments(void)
{
    int fds[2];
    midisock_port *out = NULL;
    make_pair(fds);
    int status = status_of(fds[0]), flags = fcntl(fds[0], F_GETFD);
    midisock_config c = check_config();
    CHECK_INVALID(midisock_adopt(fds[0], NULL, NULL));
    c.traffic_class = 64;
    CHECK_INVALID(midisock_adopt(fds[0], &c, &out));
    c = check_config();
    c.in_queue_bytes = UINT32_MAX;
    CHECK_INVALID(midisock_adopt(fds[0], &c, &out));
    c = check_config();
    CHECK_INVALID(midisock_adopt(fds[0], (const midisock_config *)(const void *)((const char *)&c + 1), &out));
    midisock_port *places[2];
    CHECK_INVALID(midisock_adopt(fds[0], NULL, (midisock_port **)(void *)((char *)places + 1)));
    CHECK(out == NULL);
    CHECK_INT(status, status_of(fds[0]));
    CHECK_INT(flags, fcntl(fds[0], F_GETFD));
    /* It is still the caller's, and works. */
    RAW_SEND(fds[0], 1, 2);
    RAW_EXPECT(fds[1], 1, 2);
    raw_close(fds[0]);
    raw_close(fds[1]);
}

static void both_ends_of_a_pair(void)
{
    int fds[2];
    make_pair(fds);
    midisock_config c = check_config();
    c.release_on_disconnect = 1;
    midisock_port *a = adopt(fds[0], &c), *b = adopt(fds[1], &c);
    uint8_t sysex[4000];
    for (uint32_t i = 0; i < 200; i++) {
        check_numbered(sysex, sizeof sysex, i);
        check_push(a, sysex, sizeof sysex);
        check_push(b, BYTES(0xf2, (uint8_t)(i & 0x7f), 1));
        midisock_message m = POP(b);
        CHECK_INT(i, check_number(m.data, m.size));
        EXPECT(a, 0xf2, (uint8_t)(i & 0x7f), 1);
    }
    CHECK_OK(midisock_push(a, BYTES(0x92, 60, 64)));
    CHECK_OK(midisock_push(a, BYTES(0xb2, 64, 127)));
    EXPECT(b, 0x92, 60, 64);
    EXPECT(b, 0xb2, 64, 127);
    midisock_close(a);
    /* What it held is released, and it is over for good. */
    int note_off = 0, pedal_up = 0;
    while (!note_off || !pedal_up) {
        midisock_message m = POP(b);
        CHECK(m.flags & MIDISOCK_FLAG_SYNTHETIC);
        note_off |= m.data[0] == 0x82 && m.data[1] == 60;
        pedal_up |= m.data[0] == 0xb2 && m.data[1] == 64 && m.data[2] == 0;
    }
    CHECK_SOON(midisock_state(b) == MIDISOCK_STATE_CLOSED);
    NOTIFIED(b, MIDISOCK_NOTIFY_CONNECTED);
    midisock_notification n = NOTIFIED(b, MIDISOCK_NOTIFY_DISCONNECTED);
    CHECK_OK(n.reason);
#if !defined(_WIN32) /* there a pair is one of TCP */
    CHECK_TEXT("unix:", n.address);
#endif
    CHECK_RESULT(MIDISOCK_EMPTY, midisock_poll_notification(b, &n));
    CHECK_RESULT(MIDISOCK_ERR_CLOSED, midisock_push(b, BYTES(0xfe)));
    CHECK_RESULT(MIDISOCK_ERR_CLOSED, midisock_pop(b, &(midisock_message){0}));
    char text[64] = "x";
    CHECK_OK(midisock_peer_address(b, text, sizeof text));
    CHECK_TEXT("", text);
    midisock_close(b);
}

static int number_option(int fd, int level, int name)
{
    int value = -1;
    socklen_t size = sizeof value;
    CHECK(getsockopt(fd, level, name, &value, &size) == 0);
    return value;
}

/* A TCP connection that the test made: both its ends. */
static void make_tcp(int fds[2], uint16_t *port)
{
    *port = 0;
    int listener = raw_listen(port);
    fds[1] = raw_connect(*port);
    fds[0] = raw_accept(listener);
    raw_close(listener);
}

static void a_tcp_connection(void)
{
    int fds[2];
    uint16_t number;
    make_tcp(fds, &number);
    CHECK_INT(0, status_of(fds[0]) & O_NONBLOCK);
    /* What has come already is the port's. */
    RAW_SEND(fds[1], 0xf3, 1);
    midisock_config c = check_config();
    c.release_on_close = 1;
    midisock_port *port = adopt(fds[0], &c);
    /* At once. */
    CHECK_INT(MIDISOCK_STATE_CONNECTED, midisock_state(port));
    CHECK_OK(midisock_wait_connected(port, 0));
    midisock_notification n;
    CHECK_OK(midisock_poll_notification(port, &n));
    CHECK_INT(MIDISOCK_NOTIFY_CONNECTED, n.kind);
    CHECK_INT(0, n.client);
    CHECK_OK(n.reason);
    struct sockaddr_in local;
    socklen_t size = sizeof local;
    CHECK(getsockname(fds[1], (struct sockaddr *)&local, &size) == 0);
    char want[64], text[64];
    snprintf(want, sizeof want, "127.0.0.1:%u", (unsigned)ntohs(local.sin_port));
    CHECK_TEXT(want, n.address);
    CHECK_OK(midisock_peer_address(port, text, sizeof text));
    CHECK_TEXT(want, text);
    CHECK_INT(number, midisock_local_port(port));
    /* What is pushed at once is for the peer. */
    CHECK_OK(midisock_push(port, BYTES(0x90, 60, 64)));
    EXPECT(port, 0xf3, 1);
    RAW_EXPECT(fds[1], 0x90, 60, 64);
    CHECK_RESULT(MIDISOCK_EMPTY, midisock_poll_notification(port, &n));
    /* It has what every connection gets. */
#if !defined(_WIN32)
    CHECK(status_of(fds[0]) & O_NONBLOCK);
#endif
    CHECK_INT(FD_CLOEXEC, fcntl(fds[0], F_GETFD));
    CHECK(number_option(fds[0], IPPROTO_TCP, TCP_NODELAY) != 0);
    CHECK(number_option(fds[0], SOL_SOCKET, SO_KEEPALIVE) != 0);
    CHECK_COUNT(port, connections, 1);
    midisock_close(port);
    RAW_EXPECT(fds[1], 0x80, 60, 64);
    RAW_EXPECT_END(fds[1]);
    CHECK(fcntl(fds[0], F_GETFD) == -1 && errno == EBADF);
    raw_close(fds[1]);
}

/* Without a thread of the library nothing but the call itself can have done it. */
static void a_socket_is_prepared_by_the_call(void)
{
    int fds[2];
    uint16_t number;
    make_tcp(fds, &number);
    midisock_context *context = context_without_thread();
    midisock_config c = context_config(context);
    c.traffic_class = 46;
    midisock_port *port = adopt(fds[0], &c);
    CHECK(number_option(fds[0], IPPROTO_TCP, TCP_NODELAY) != 0);
    CHECK(number_option(fds[0], SOL_SOCKET, SO_KEEPALIVE) != 0);
    CHECK_INT(46 << 2, number_option(fds[0], IPPROTO_IP, IP_TOS));
    raw_close(fds[1]);
    midisock_close(port);
    context_destroy(context);
}

static void a_connection_that_breaks(void)
{
    int fds[2];
    uint16_t number;
    make_tcp(fds, &number);
    midisock_config c = check_config();
    c.release_on_disconnect = 1;
    midisock_port *port = adopt(fds[0], &c);
    RAW_SEND(fds[1], 0x90, 60, 64);
    EXPECT(port, 0x90, 60, 64);
    raw_reset(fds[1]);
    EXPECT(port, 0x80, 60, 64);
    NOTIFIED(port, MIDISOCK_NOTIFY_CONNECTED);
    CHECK_RESULT(MIDISOCK_ERR_IO, NOTIFIED(port, MIDISOCK_NOTIFY_DISCONNECTED).reason);
    CHECK_SOON(midisock_state(port) == MIDISOCK_STATE_CLOSED);
    midisock_close(port);
}

static void a_peer_that_only_stops_sending_gets_answers(void)
{
    for (int tcp = 0; tcp < 2; tcp++) {
        int fds[2];
        uint16_t number;
        tcp ? make_tcp(fds, &number) : make_pair(fds);
        midisock_config c = check_config();
        c.linger_ms = 600000;
        midisock_port *port = adopt(fds[0], &c);
        RAW_SEND(fds[1], 0xf3, 1);
        raw_half_close(fds[1]);
        CHECK_SOON(midisock_wait(port, MIDISOCK_WAIT_MESSAGE, 0) == MIDISOCK_OK);
        CHECK_OK(midisock_push(port, BYTES(0xf3, 2)));
        RAW_EXPECT(fds[1], 0xf3, 2);
        EXPECT(port, 0xf3, 1);
        RAW_EXPECT_END(fds[1]);
        CHECK_SOON(midisock_state(port) == MIDISOCK_STATE_CLOSED);
        raw_close(fds[1]);
        midisock_close(port);
    }
}

static void what_concerns_making_connections_is_ignored(void)
{
    int fds[2];
    make_pair(fds);
    midisock_config c = check_config();
    /* Not even checked. */
    c.allow = "nonsense";
    c.max_clients = UINT32_MAX;
    c.accept_mode = 77;
    c.listen_retry_ms = 1000;
    c.reconnect_min_ms = c.reconnect_max_ms = 1;
    c.traffic_class = 46;
    midisock_port *port = adopt(fds[0], &c);
    CHECK_OK(midisock_push(port, BYTES(0xf3, 2)));
    RAW_EXPECT(fds[1], 0xf3, 2);
    raw_close(fds[1]);
    CHECK_SOON(midisock_state(port) == MIDISOCK_STATE_CLOSED);
    CHECK_RESULT(MIDISOCK_ERR_CLOSED, midisock_wait_connected(port, 0));
    midisock_close(port);
}

static void calls_of_other_ports(void)
{
    int fds[2];
    make_pair(fds);
    midisock_port *port = adopt(fds[0], NULL), *out = NULL;
    char text[64];
    CHECK_ROLE(midisock_accept(port, 0, &out));
    CHECK_ROLE(midisock_client_address(port, 1, text, sizeof text));
    CHECK_ROLE(midisock_disconnect(port, 1));
    CHECK_INT(0, midisock_client_count(port));
#if !defined(_WIN32)
    CHECK_INT(0, midisock_local_port(port));
#endif
    midisock_message m = {0};
    m.data = (const uint8_t *)"\xf8";
    m.size = 1;
    m.client = 1;
    CHECK_RESULT(MIDISOCK_ERR_NO_SUCH_CLIENT, midisock_push_message(port, &m));
    CHECK_OK(midisock_flush(port, DEADLINE_MS));
    CHECK_OK(midisock_shutdown(port));
    RAW_EXPECT_END(fds[1]);
    midisock_close(port);
    raw_close(fds[1]);
}

struct sender {
    int fd;
    uint32_t count;
};

static void *sends(void *argument)
{
    struct sender *sender = argument;
    uint8_t data[100];
    for (uint32_t i = 0; i < sender->count; i++) {
        check_numbered(data, sizeof data, i);
        raw_send(sender->fd, data, sizeof data);
    }
    raw_close(sender->fd);
    return NULL;
}

/* What a peer sent before it went is not lost, however full the queue was. */
static void all_that_was_sent_arrives(void)
{
    for (int tcp = 0; tcp < 2; tcp++) {
        int fds[2];
        uint16_t number;
        tcp ? make_tcp(fds, &number) : make_pair(fds);
        midisock_config c = check_config();
        c.in_queue_bytes = 4096;
        struct sender sender = {fds[1], 5000};
        midisock_port *port = adopt(fds[0], &c);
        pthread_t thread;
        check_start(&thread, sends, &sender);
        /* The queue is full before anything is taken. */
        CHECK_SOON(check_stats(port).messages_in > 20);
        for (uint32_t i = 0; i < sender.count; i++) {
            midisock_message m = POP(port);
            CHECK_INT(i, check_number(m.data, m.size));
        }
        check_join(thread);
        CHECK_SOON(midisock_state(port) == MIDISOCK_STATE_CLOSED);
        midisock_close(port);
    }
}

static void a_peer_that_does_not_read_holds_up_nobody(void)
{
    int fds[2], other[2];
    make_pair(fds);
    make_pair(other);
    midisock_config c = check_config();
    c.linger_ms = 0;
    midisock_port *port = adopt(fds[0], &c), *quick = adopt(other[0], &c);
    uint32_t sent = check_fill(port, 1000, 0, 200);
    CHECK(sent > 20);
    CHECK_OK(midisock_push(quick, BYTES(0xf3, 1)));
    RAW_EXPECT(other[1], 0xf3, 1);
    uint8_t data[1000];
    for (uint32_t i = 0; i < sent; i++) {
        raw_read(fds[1], data, sizeof data);
        CHECK_INT(i, check_number(data, sizeof data));
    }
    midisock_close(port);
    midisock_close(quick);
    raw_close(fds[1]);
    raw_close(other[1]);
}

#if !defined(_WIN32)
static void a_program_that_is_executed_does_not_inherit_it(void)
{
    int fds[2];
    make_pair(fds);
    CHECK_INT(0, fcntl(fds[0], F_GETFD));
    midisock_port *port = adopt(fds[0], NULL);
    char test[64];
    snprintf(test, sizeof test, "test -e /proc/self/fd/%d && ! test -e /proc/self/fd/%d", fds[1], fds[0]);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        execl("/bin/sh", "sh", "-c", test, (char *)NULL);
        _exit(127);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    midisock_close(port);
    raw_close(fds[1]);
}
#endif

static void peer_address_of_each_port(void)
{
    char text[64];
    midisock_config c = check_config();
    midisock_port *server = check_listen(&c), *client = check_connect(server, &c);
    CHECK_ROLE(midisock_peer_address(server, text, sizeof text));
    char want[64];
    snprintf(want, sizeof want, "127.0.0.1:%u", (unsigned)midisock_local_port(server));
    for (size_t capacity = 0; capacity <= sizeof text; capacity++) {
        memset(text, 0x7e, sizeof text);
        midisock_result result = midisock_peer_address(client, text, capacity);
        if (capacity <= strlen(want)) {
            CHECK_INVALID(result);
            CHECK_INT(0x7e, text[0]);
        } else {
            CHECK_OK(result);
            CHECK_TEXT(want, text);
        }
    }
    CHECK_INVALID(midisock_peer_address(NULL, text, sizeof text));
    CHECK_INVALID(midisock_peer_address(client, NULL, sizeof text));
    CHECK_INVALID(midisock_peer_address((midisock_port *)(void *)((char *)client + 1), text, sizeof text));
    CHECK_OK(midisock_peer_address(client, text, SIZE_MAX));
    midisock_close(server);
    NOTIFIED(client, MIDISOCK_NOTIFY_CONNECTED);
    NOTIFIED(client, MIDISOCK_NOTIFY_DISCONNECTED);
    CHECK_OK(midisock_peer_address(client, text, sizeof text));
    CHECK_TEXT("", text);
    CHECK_INVALID(midisock_peer_address(client, text, 0));
    midisock_close(client);

    c.accept_mode = MIDISOCK_ACCEPT_MANUAL;
    server = check_listen(&c);
    client = check_connect(server, &c);
    midisock_port *accepted, *a, *b;
    CHECK_OK(midisock_accept(server, DEADLINE_MS, &accepted));
    snprintf(want, sizeof want, "127.0.0.1:%u", (unsigned)midisock_local_port(client));
    CHECK_OK(midisock_peer_address(accepted, text, sizeof text));
    CHECK_TEXT(want, text);
    CHECK_ROLE(midisock_peer_address(server, text, sizeof text));
    CHECK_OK(midisock_pair(NULL, &a, &b));
    CHECK_ROLE(midisock_peer_address(a, text, sizeof text));
    midisock_close(client);
    CHECK_SOON(midisock_peer_address(accepted, text, sizeof text) == MIDISOCK_OK && text[0] == '\0');
    midisock_close(a);
    midisock_close(b);
    midisock_close(accepted);
    midisock_close(server);
}

static void descriptors_stay_the_same(void)
{
    int fds[2];
    make_pair(fds);
    midisock_port *keep = adopt(fds[0], NULL);
    unsigned before = check_descriptors();
    for (int i = 0; i < 200; i++) {
        int others[2];
        make_pair(others);
        midisock_port *a = adopt(others[0], NULL), *b = adopt(others[1], NULL);
        CHECK_OK(midisock_push(a, BYTES(0xf3, 1)));
        EXPECT(b, 0xf3, 1);
        midisock_close(a);
        midisock_close(b);
    }
    CHECK_SOON(check_descriptors() == before);
    midisock_close(keep);
    raw_close(fds[1]);
}

int main(int argc, char **argv)
{
    static const check_case cases[] = {
        CASE(what_is_no_connected_stream_is_refused),
        CASE(other_arguments),
        CASE(both_ends_of_a_pair),
        CASE(a_tcp_connection),
        CASE(a_socket_is_prepared_by_the_call),
        CASE(a_connection_that_breaks),
        CASE(a_peer_that_only_stops_sending_gets_answers),
        CASE(what_concerns_making_connections_is_ignored),
        CASE(calls_of_other_ports),
        CASE(all_that_was_sent_arrives),
        CASE(a_peer_that_does_not_read_holds_up_nobody),
        UNIX_CASE(a_program_that_is_executed_does_not_inherit_it)
        CASE(peer_address_of_each_port),
        CASE(descriptors_stay_the_same),
    };
    return check_main(argc, argv, CASES(cases));
}
