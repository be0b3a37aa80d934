/* A minimal TCP echo server: prints its port, then echoes to each client from a thread that blocks in recv. */
#define _POSIX_C_SOURCE 200809L
#include "bench.h"

#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
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

int main(void)
{
    uint16_t port;
    int listener = tcp_listen(&port);
    printf("%u\n", (unsigned)port);
    fflush(stdout);
    for (;;) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, serve, (void *)(intptr_t)tcp_accept(listener)) != 0)
            fail("no thread");
        pthread_detach(thread);
    }
}
