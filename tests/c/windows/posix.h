/*
 * The part of POSIX that the tests use, over Winsock: sockets are ints, errors are in
 * errno, and poll() also takes event objects. The headers in `include` lead here.
 */
#ifndef MIDISOCK_TESTS_POSIX_H
#define MIDISOCK_TESTS_POSIX_H

#include <winsock2.h>
#include <ws2tcpip.h>

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Winsock has neither; these are taken by send(). */
#define MSG_NOSIGNAL 0
#define MSG_DONTWAIT 0x4000

#define SHUT_RD SD_RECEIVE
#define SHUT_WR SD_SEND
#define SHUT_RDWR SD_BOTH

#define F_GETFD 1
#define FD_CLOEXEC 1
#define F_GETFL 3
#define F_SETFL 4
#define O_NONBLOCK 0x4000

typedef unsigned long nfds_t;

/* Once, before any other call. */
void posix_begin(void);

int posix_socket(int family, int type, int protocol);
/* A connected pair over the loopback, whatever the family. */
int posix_socketpair(int family, int type, int protocol, int fds[2]);
int posix_connect(int fd, const struct sockaddr *address, socklen_t size);
int posix_bind(int fd, const struct sockaddr *address, socklen_t size);
int posix_listen(int fd, int backlog);
int posix_accept(int fd, struct sockaddr *address, socklen_t *size);
int posix_getsockname(int fd, struct sockaddr *address, socklen_t *size);
int posix_setsockopt(int fd, int level, int option, const void *value, socklen_t size);
int posix_getsockopt(int fd, int level, int option, void *value, socklen_t *size);
ssize_t posix_send(int fd, const void *data, size_t size, int flags);
ssize_t posix_recv(int fd, void *data, size_t size, int flags);
int posix_shutdown(int fd, int how);
int posix_close(int fd);
int posix_poll(struct pollfd *fds, nfds_t count, int timeout_ms);
/* F_SETFL with O_NONBLOCK or 0, which Winsock does not tell; F_GETFD of any handle: FD_CLOEXEC unless it is inherited. */
int posix_fcntl(int fd, int command, ...);

#if !defined(MIDISOCK_TESTS_POSIX_OWN)
#define socket posix_socket
#define socketpair posix_socketpair
#define connect posix_connect
#define bind posix_bind
#define listen posix_listen
#define accept posix_accept
#define getsockname posix_getsockname
#define setsockopt posix_setsockopt
#define getsockopt posix_getsockopt
#define send posix_send
#define recv posix_recv
#define shutdown posix_shutdown
#define close posix_close
#define poll posix_poll
#define fcntl posix_fcntl
#endif

#endif
