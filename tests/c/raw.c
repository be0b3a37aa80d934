#define _POSIX_C_SOURCE 200809L
#include "raw.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define SYSTEM(expression) raw_system((long)(expression), #expression, __LINE__)

static long raw_system(long result, const char *text, int line)
{
    if (result < 0)
        check_fail(__FILE__, line, "%s: %s", text, strerror(errno));
    return result;
}

static struct sockaddr_in loopback(const char *host, uint16_t port)
{
    struct sockaddr_in address;
    memset(&address, 0, sizeof address);
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    CHECK_INT(1, inet_pton(AF_INET, host, &address.sin_addr));
    return address;
}

static int open_socket(int family)
{
    int fd = (int)SYSTEM(socket(family, SOCK_STREAM, 0));
    int on = 1;
    SYSTEM(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on));
    return fd;
}

static void set_small(int fd)
{
    /* Only on Linux does the library limit what the system holds unsent. Elsewhere that may be 100 KB. The smallest buffer passes
     * 2 KB each fifth of a second, so that a case would wait 10 s for it. */
#if defined(__linux__)
    int size = 1;
#else
    int size = 16384;
#endif
    SYSTEM(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size));
}

static uint16_t port_of(int fd)
{
    struct sockaddr_in address;
    socklen_t size = sizeof address;
    SYSTEM(getsockname(fd, (struct sockaddr *)&address, &size));
    return ntohs(address.sin_port);
}

static void connect_fd(int fd, uint16_t port)
{
    struct sockaddr_in address = loopback("127.0.0.1", port);
    SYSTEM(connect(fd, (struct sockaddr *)&address, sizeof address));
}

int raw_connect(uint16_t port)
{
    int fd = open_socket(AF_INET);
    connect_fd(fd, port);
    return fd;
}

int raw_connect_small(uint16_t port)
{
    int fd = open_socket(AF_INET);
    set_small(fd);
    connect_fd(fd, port);
    return fd;
}

int raw_connect_from(const char *local, uint16_t port)
{
    int fd = open_socket(AF_INET);
    struct sockaddr_in address = loopback(local, 0);
    SYSTEM(bind(fd, (struct sockaddr *)&address, sizeof address));
    connect_fd(fd, port);
    return fd;
}

int raw_connect6(uint16_t port)
{
    int fd = open_socket(AF_INET6);
    struct sockaddr_in6 address;
    memset(&address, 0, sizeof address);
    address.sin6_family = AF_INET6;
    address.sin6_port = htons(port);
    address.sin6_addr = in6addr_loopback;
    SYSTEM(connect(fd, (struct sockaddr *)&address, sizeof address));
    return fd;
}

static int bound(uint16_t *port)
{
    int fd = open_socket(AF_INET);
    int on = 1;
    SYSTEM(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on));
    struct sockaddr_in address = loopback("127.0.0.1", *port);
    SYSTEM(bind(fd, (struct sockaddr *)&address, sizeof address));
    *port = port_of(fd);
    return fd;
}

int raw_listen(uint16_t *port)
{
    int fd = bound(port);
    SYSTEM(listen(fd, 128));
    return fd;
}

int raw_listen_small(uint16_t *port)
{
    int fd = bound(port);
    set_small(fd); /* accepted sockets inherit it */
    SYSTEM(listen(fd, 128));
    return fd;
}

int raw_refusing(uint16_t *port)
{
    *port = 0;
    return bound(port);
}

int raw_silent(uint16_t *port, int fillers[3])
{
    *port = 0;
    int listener = bound(port);
    SYSTEM(listen(listener, 0));
    struct sockaddr_in address = loopback("127.0.0.1", *port);
    for (int i = 0; i < 3; i++) {
        fillers[i] = open_socket(AF_INET);
        SYSTEM(fcntl(fillers[i], F_SETFL, O_NONBLOCK));
        if (connect(fillers[i], (struct sockaddr *)&address, sizeof address) < 0)
            CHECK_INT(EINPROGRESS, errno);
    }
    return listener;
}

/* Waits for poll's `events` until the deadline; fails when it passes. */
static void await(int fd, short events, const char *what)
{
    struct pollfd one = {fd, events, 0};
    int result;
    do
        result = poll(&one, 1, DEADLINE_MS);
    while (result < 0 && errno == EINTR);
    SYSTEM(result);
    if (result == 0)
        check_fail(__FILE__, __LINE__, "nothing to %s within %d s", what, DEADLINE_MS / 1000);
}

int raw_readable(int fd, int timeout_ms)
{
    struct pollfd one = {fd, POLLIN, 0};
    return SYSTEM(poll(&one, 1, timeout_ms)) > 0;
}

int raw_accept(int listener)
{
    await(listener, POLLIN, "accept");
    int fd = (int)SYSTEM(accept(listener, NULL, NULL));
    int on = 1;
    SYSTEM(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on));
    return fd;
}

size_t raw_try_send(int fd, const void *data, size_t size)
{
    ssize_t sent = send(fd, data, size, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        return 0;
    return (size_t)SYSTEM(sent);
}

void raw_send(int fd, const void *data, size_t size)
{
    const uint8_t *rest = data;
    while (size > 0) {
        size_t sent = raw_try_send(fd, rest, size);
        rest += sent;
        size -= sent;
        if (sent == 0)
            await(fd, POLLOUT, "send");
    }
}

long raw_read_some(int fd, void *data, size_t size)
{
    await(fd, POLLIN, "read");
    ssize_t got = recv(fd, data, size, 0);
    if (got < 0 && errno == ECONNRESET)
        return -1;
    return SYSTEM(got);
}

void raw_read(int fd, void *data, size_t size)
{
    uint8_t *rest = data;
    while (size > 0) {
        long got = raw_read_some(fd, rest, size);
        if (got <= 0)
            check_fail(__FILE__, __LINE__, "%s with %zu bytes missing",
                       got == 0 ? "the end came" : "reset", size);
        rest += got;
        size -= (size_t)got;
    }
}

void raw_expect(int fd, const uint8_t *data, size_t size, const char *file, int line)
{
    uint8_t piece[512];
    size_t at = 0;
    while (at < size) {
        size_t want = size - at < sizeof piece ? size - at : sizeof piece;
        long got = raw_read_some(fd, piece, want);
        if (got <= 0)
            check_fail(file, line, "%s after %zu of %zu bytes",
                       got == 0 ? "the end came" : "reset", at, size);
        check_memory(data + at, (size_t)got, piece, (size_t)got, "what came", file, line);
        at += (size_t)got;
    }
}

void raw_expect_end(int fd, const char *file, int line)
{
    uint8_t piece[64];
    long got = raw_read_some(fd, piece, sizeof piece);
    if (got < 0)
        check_fail(file, line, "reset in place of the end");
    check_memory("", 0, piece, (size_t)got, "what came before the end", file, line);
}

void raw_expect_gone(int fd, const char *file, int line)
{
    uint8_t piece[64];
    long got = raw_read_some(fd, piece, sizeof piece);
    if (got > 0)
        check_memory("", 0, piece, (size_t)got, "what came before the end", file, line);
}

void raw_half_close(int fd)
{
    SYSTEM(shutdown(fd, SHUT_WR));
}

void raw_reset(int fd)
{
    struct linger at_once = {1, 0};
    SYSTEM(setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once));
    SYSTEM(close(fd));
}

void raw_close(int fd)
{
    SYSTEM(close(fd));
}
