#define _POSIX_C_SOURCE 200809L
#include "attack.h"
#include "check.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static const uint16_t *servers;
static uint64_t until_ms;

static int goes_on(void)
{
    return check_now_ms() < until_ms;
}

static void rest(unsigned ms)
{
    struct timespec time = {0, (long)ms * 1000000};
    nanosleep(&time, NULL);
}

/* A connection that never waits; -1 where there is none to be had. */
static int reach(unsigned which, int receive_buffer)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0)
        return -1;
    if (receive_buffer > 0)
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
    struct sockaddr_in address;
    memset(&address, 0, sizeof address);
    address.sin_family = AF_INET;
    address.sin_port = htons(servers[which % 2]);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (connect(fd, (const struct sockaddr *)&address, sizeof address) != 0) {
        close(fd);
        return -1;
    }
    fcntl(fd, F_SETFL, O_NONBLOCK);
    return fd;
}

static void leave(int fd, int reset)
{
    if (reset) {
        struct linger now = {1, 0};
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    }
    close(fd);
}

static void say(int fd, const void *data, size_t size)
{
    (void)!send(fd, data, size, MSG_NOSIGNAL);
}

/* Many connect at once, say a little or nothing, and go, one way or another. */
static void *storm(void *argument)
{
    uint32_t random = 7;
    (void)argument;
    while (goes_on()) {
        int fds[40];
        for (unsigned i = 0; i < 40; i++)
            fds[i] = reach(i, 0);
        for (unsigned i = 0; i < 40; i++) {
            if (fds[i] < 0)
                continue;
            unsigned what = check_random(&random) % 5;
            if (what == 0)
                say(fds[i], "\x90\x3c\x40", 3);
            if (what == 1)
                say(fds[i], "GET / HTTP/1.1\r\n\r\n", 18);
            if (what == 2)
                shutdown(fds[i], SHUT_WR);
            leave(fds[i], what == 3);
        }
        rest(20);
    }
    return NULL;
}

static void *random_bytes(void *argument)
{
    uint32_t random = 11;
    (void)argument;
    for (unsigned i = 0; goes_on(); i++) {
        int fd = reach(i, 0);
        for (unsigned k = check_random(&random) % 40; fd >= 0 && k > 0; k--) {
            uint8_t noise[1024];
            for (size_t at = 0; at < sizeof noise; at++)
                noise[at] = (uint8_t)check_random(&random);
            say(fd, noise, sizeof noise);
        }
        if (fd >= 0)
            leave(fd, check_random(&random) % 2 == 0);
        rest(5);
    }
    return NULL;
}

/* Fifty that begin a System Exclusive message and never end it. */
static void *endless_sysex(void *argument)
{
    enum { CLIENTS = 50 };
    int fds[CLIENTS];
    uint8_t data[8192];
    (void)argument;
    memset(data, 0x11, sizeof data);
    for (unsigned i = 0; i < CLIENTS; i++) {
        fds[i] = reach(i, 0);
        if (fds[i] >= 0)
            say(fds[i], "\xf0", 1);
    }
    while (goes_on()) {
        for (unsigned i = 0; i < CLIENTS; i++)
            if (fds[i] >= 0)
                say(fds[i], data, sizeof data);
        rest(20);
    }
    for (unsigned i = 0; i < CLIENTS; i++)
        if (fds[i] >= 0)
            leave(fds[i], i % 2 == 0);
    return NULL;
}

/* Twenty that read next to nothing of what they are sent. */
static void *slow_readers(void *argument)
{
    enum { CLIENTS = 20 };
    int fds[CLIENTS];
    (void)argument;
    for (unsigned i = 0; i < CLIENTS; i++)
        fds[i] = reach(1, 1);
    while (goes_on()) {
        uint8_t byte;
        for (unsigned i = 0; i < CLIENTS; i++)
            if (fds[i] >= 0 && i % 2 == 0)
                (void)!recv(fds[i], &byte, 1, 0);
        rest(50);
    }
    for (unsigned i = 0; i < CLIENTS; i++)
        if (fds[i] >= 0)
            leave(fds[i], i % 3 == 0);
    return NULL;
}

void attack(const uint16_t numbers[2], unsigned seconds)
{
    static void *(*const ways[])(void *) = {storm, random_bytes, endless_sysex, slow_readers};
    enum { WAYS = sizeof ways / sizeof ways[0] };
    pthread_t threads[WAYS];
    servers = numbers;
    until_ms = check_now_ms() + 1000 * (uint64_t)seconds;
    for (int i = 0; i < WAYS; i++)
        check_start(&threads[i], ways[i], NULL);
    for (int i = 0; i < WAYS; i++)
        check_join(threads[i]);
}
