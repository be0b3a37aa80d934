/* A minimal TCP echo server: prints its port, then echoes to each client from a thread that blocks in recv; with "epoll"
 * from one loop, as a program with several sockets has it. */
#define _GNU_SOURCE
#include "bench.h"

#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

static void *serve(void *argument)
{
    int client = (int)(intptr_t)argument;
    uint8_t buffer[4096];
    ssize_t came;
    while ((came = recv(client, buffer, sizeof buffer, 0)) > 0)
        send_all(client, buffer, (size_t)came);
    close(client);
    return NULL;
}

static void watch(int epoll, int socket)
{
    struct epoll_event event = {EPOLLIN, {0}};
    event.data.fd = socket;
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, socket, &event) != 0)
        fail("epoll_ctl");
}

static void loop(int listener)
{
    int epoll = epoll_create1(0);
    watch(epoll, listener);
    for (;;) {
        struct epoll_event events[64];
        int count = epoll_wait(epoll, events, 64, -1), i;
        for (i = 0; i < count; i++) {
            uint8_t buffer[4096];
            int client = events[i].data.fd;
            ssize_t came;
            if (client == listener) {
                watch(epoll, tcp_accept(listener));
                continue;
            }
            came = recv(client, buffer, sizeof buffer, 0);
            if (came > 0)
                send_all(client, buffer, (size_t)came);
            else
                close(client);
        }
    }
}

int main(int argc, char **argv)
{
    uint16_t port;
    int listener = tcp_listen(&port);
    printf("%u\n", (unsigned)port);
    fflush(stdout);
    if (argc > 1 && strcmp(argv[1], "epoll") == 0)
        loop(listener);
    for (;;) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, serve, (void *)(intptr_t)tcp_accept(listener)) != 0)
            fail("no thread");
        pthread_detach(thread);
    }
}
