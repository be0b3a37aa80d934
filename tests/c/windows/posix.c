#define MIDISOCK_TESTS_POSIX_OWN
#include "posix.h"

#include <io.h>
#include <stdarg.h>
#include <string.h>

void posix_begin(void)
{
    WSADATA data;
    WSAStartup(MAKEWORD(2, 2), &data);
}

/* Winsock's last error as a number of errno. */
static int failed(void)
{
    static const struct {
        int of_winsock, number;
    } numbers[] = {
        {WSAEWOULDBLOCK, EAGAIN}, {WSAECONNRESET, ECONNRESET}, {WSAECONNABORTED, ECONNRESET},
        {WSAECONNREFUSED, ECONNREFUSED}, {WSAESHUTDOWN, EPIPE}, {WSAENOTCONN, ENOTCONN},
        {WSAEADDRINUSE, EADDRINUSE}, {WSAEACCES, EACCES}, {WSAEADDRNOTAVAIL, EADDRNOTAVAIL},
        {WSAEAFNOSUPPORT, EAFNOSUPPORT}, {WSAENOTSOCK, ENOTSOCK}, {WSAEINTR, EINTR},
    };
    int last = WSAGetLastError();
    errno = EIO;
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        if (numbers[i].of_winsock == last)
            errno = numbers[i].number;
    return -1;
}

static int outcome(int result)
{
    return result == SOCKET_ERROR ? failed() : result;
}

int posix_socket(int family, int type, int protocol)
{
    SOCKET made = socket(family, type, protocol);
    return made == INVALID_SOCKET ? failed() : (int)made;
}

int posix_socketpair(int family, int type, int protocol, int fds[2])
{
    struct sockaddr_in address;
    socklen_t size = sizeof address;
    (void)family;
    memset(&address, 0, sizeof address);
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int listener = posix_socket(AF_INET, type, protocol);
    if (listener < 0 || posix_bind(listener, (struct sockaddr *)&address, size) < 0 ||
        posix_listen(listener, 1) < 0 || posix_getsockname(listener, (struct sockaddr *)&address, &size) < 0)
        return -1;
    fds[0] = posix_socket(AF_INET, type, protocol);
    if (fds[0] < 0 || posix_connect(fds[0], (struct sockaddr *)&address, size) < 0)
        return -1;
    fds[1] = posix_accept(listener, NULL, NULL);
    posix_close(listener);
    return fds[1] < 0 ? -1 : 0;
}

int posix_connect(int fd, const struct sockaddr *address, socklen_t size)
{
    int result = outcome(connect((SOCKET)fd, address, size));
    if (result < 0 && errno == EAGAIN)
        errno = EINPROGRESS;
    return result;
}

int posix_bind(int fd, const struct sockaddr *address, socklen_t size)
{
    return outcome(bind((SOCKET)fd, address, size));
}

int posix_listen(int fd, int backlog)
{
    return outcome(listen((SOCKET)fd, backlog));
}

int posix_accept(int fd, struct sockaddr *address, socklen_t *size)
{
    SOCKET made = accept((SOCKET)fd, address, size);
    return made == INVALID_SOCKET ? failed() : (int)made;
}

int posix_getsockname(int fd, struct sockaddr *address, socklen_t *size)
{
    return outcome(getsockname((SOCKET)fd, address, size));
}

int posix_setsockopt(int fd, int level, int option, const void *value, socklen_t size)
{
    struct linger linger;
    /* A free port is free there without it; with it, even one in use would be. */
    if (level == SOL_SOCKET && option == SO_REUSEADDR)
        option = SO_EXCLUSIVEADDRUSE;
    if (level == SOL_SOCKET && option == SO_LINGER && size == sizeof(int[2])) {
        linger.l_onoff = (u_short)((const int *)value)[0];
        linger.l_linger = (u_short)((const int *)value)[1];
        value = &linger;
        size = sizeof linger;
    }
    return outcome(setsockopt((SOCKET)fd, level, option, value, size));
}

int posix_getsockopt(int fd, int level, int option, void *value, socklen_t *size)
{
    return outcome(getsockopt((SOCKET)fd, level, option, value, size));
}

ssize_t posix_send(int fd, const void *data, size_t size, int flags)
{
    if (flags & MSG_DONTWAIT) {
        /* No such flag there: the socket does not block for one call. */
        posix_fcntl(fd, F_SETFL, O_NONBLOCK);
        ssize_t sent = posix_send(fd, data, size, flags & ~MSG_DONTWAIT);
        int error = errno;
        posix_fcntl(fd, F_SETFL, 0);
        errno = error;
        return sent;
    }
    return outcome(send((SOCKET)fd, data, (int)size, flags));
}

static int is_socket(int fd)
{
    int type;
    socklen_t size = sizeof type;
    return getsockopt((SOCKET)fd, SOL_SOCKET, SO_TYPE, (char *)&type, &size) == 0;
}

/* Which are ready now. */
static int poll_now(struct pollfd *fds, nfds_t count)
{
    int ready = 0;
    for (nfds_t i = 0; i < count; i++) {
        fds[i].revents = 0;
        if ((int)fds[i].fd < 0)
            continue;
        if (is_socket((int)fds[i].fd)) {
            if (WSAPoll(&fds[i], 1, 0) < 0)
                return failed();
        } else {
            DWORD state = WaitForSingleObject((HANDLE)(intptr_t)fds[i].fd, 0);
            if (state == WAIT_OBJECT_0)
                fds[i].revents = fds[i].events & POLLIN;
            else if (state == WAIT_FAILED)
                fds[i].revents = POLLNVAL;
        }
        ready += fds[i].revents != 0;
    }
    return ready;
}

ssize_t posix_recv(int fd, void *data, size_t size, int flags)
{
    struct pollfd one = {(SOCKET)fd, POLLIN, 0};
    if ((flags & MSG_DONTWAIT) != 0 && poll_now(&one, 1) == 0) {
        errno = EAGAIN;
        return -1;
    }
    return outcome(recv((SOCKET)fd, data, (int)size, flags & ~MSG_DONTWAIT));
}

int posix_shutdown(int fd, int how)
{
    return outcome(shutdown((SOCKET)fd, how));
}

int posix_close(int fd)
{
    return outcome(closesocket((SOCKET)fd));
}

int posix_poll(struct pollfd *fds, nfds_t count, int timeout_ms)
{
    ULONGLONG until = GetTickCount64() + (ULONGLONG)(timeout_ms < 0 ? 0 : timeout_ms);
    for (;;) {
        int ready = poll_now(fds, count);
        if (ready != 0 || (timeout_ms >= 0 && GetTickCount64() >= until))
            return ready;
        Sleep(1);
    }
}

int posix_fcntl(int fd, int command, ...)
{
    va_list arguments;
    u_long on;
    DWORD flags;
    if (command == F_GETFD) {
        if (GetHandleInformation((HANDLE)(intptr_t)fd, &flags))
            return flags & HANDLE_FLAG_INHERIT ? 0 : FD_CLOEXEC;
        errno = EBADF;
        return -1;
    }
    va_start(arguments, command);
    on = (va_arg(arguments, int) & O_NONBLOCK) != 0;
    va_end(arguments);
    if (command == F_SETFL)
        return outcome(ioctlsocket((SOCKET)fd, (long)FIONBIO, &on));
    errno = EINVAL;
    return -1;
}
