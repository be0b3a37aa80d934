/*
 * One realtime function, so many times, in a stated situation: for callgrind,
 * which counts the instructions inside it.
 *
 *   count FUNCTION SIZE FULLNESS CLIENTS CALLS
 *
 * FUNCTION: push, pop, push_pair, pop_pair; or drain, the control: all that the
 * queue of a pair holds, as one. SIZE: bytes of a message.
 * FULLNESS: what the queue holds at the first call, in percent of what it
 * takes. CLIENTS: how many a merged server has; push and pop are its. Prints
 * how many calls were made; each gave MIDISOCK_OK.
 */
#define _POSIX_C_SOURCE 200809L
#include "../c/check.h"
#include "../c/raw.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { QUEUE = 1 << 20, MOST_CLIENTS = 256, RECORD = 16 };

typedef struct job {
    const char *function;
    size_t size;
    unsigned percent;
    unsigned clients;
    unsigned calls;
    uint8_t data[16384];
} job;

static job the_job;

/* How many messages make up the fullness. */
static unsigned messages_before(void)
{
    size_t record = RECORD + (the_job.size > 3 ? (the_job.size + RECORD - 1) / RECORD * RECORD : 0);
    return (unsigned)(QUEUE / record * the_job.percent / 100);
}

static void make_message(void)
{
    uint8_t *data = the_job.data;
    if (the_job.size == 3) {
        data[0] = 0x90;
        data[1] = data[2] = 64;
        return;
    }
    memset(data, 1, the_job.size);
    data[0] = 0xf0;
    data[the_job.size - 1] = 0xf7;
}

/* By the other function: callgrind counts midisock_push, and these are not to
 * be in it. */
static void fill(midisock_port *port, unsigned messages)
{
    midisock_message message = {0};
    message.data = the_job.data;
    message.size = (uint32_t)the_job.size;
    for (unsigned i = 0; i < messages; i++)
        CHECK_OK(midisock_push_message(port, &message));
}

static void push(midisock_port *port)
{
    CHECK_OK(midisock_push(port, the_job.data, the_job.size));
}

static void pop(midisock_port *port)
{
    midisock_message message;
    CHECK_OK(midisock_pop(port, &message));
    CHECK_INT(the_job.size, message.size);
}

static midisock_config config_for(void)
{
    midisock_config config = check_config();
    config.in_queue_bytes = config.out_queue_bytes = QUEUE;
    config.max_clients = MOST_CLIENTS;
    config.overflow = MIDISOCK_OVERFLOW_WAIT;
    /* The network thread shall not empty the queue between the calls. */
    config.tick_us = 1000000;
    return config;
}

static void on_server(int pushes)
{
    static int peers[MOST_CLIENTS];
    midisock_config config = config_for();
    midisock_port *server = check_listen(&config);
    for (unsigned i = 0; i < the_job.clients; i++)
        peers[i] = raw_connect(midisock_local_port(server));
    CHECK_SOON(midisock_client_count(server) == the_job.clients);
    unsigned before = messages_before();
    if (pushes) {
        fill(server, before);
        for (unsigned i = 0; i < the_job.calls; i++)
            push(server);
    } else {
        for (unsigned i = 0; i < before + the_job.calls; i++)
            raw_send(peers[i % the_job.clients], the_job.data, the_job.size);
        CHECK_COUNT(server, messages_in, before + the_job.calls);
        for (unsigned i = 0; i < the_job.calls; i++)
            pop(server);
    }
    for (unsigned i = 0; i < the_job.clients; i++)
        raw_reset(peers[i]);
    midisock_close(server);
}

static void on_pair(int pushes)
{
    midisock_port *a;
    midisock_port *b;
    midisock_config config = config_for();
    CHECK_OK(midisock_pair(&config, &a, &b));
    unsigned before = messages_before();
    fill(a, before + (pushes ? 0 : the_job.calls));
    for (unsigned i = 0; i < the_job.calls; i++) {
        if (pushes)
            push(a);
        else
            pop(b);
    }
    midisock_close(a);
    midisock_close(b);
}

/* Not to be inlined: callgrind counts from where it is entered. */
static void __attribute__((noinline)) counted_drain(midisock_port *port)
{
    midisock_message message;
    while (midisock_pop(port, &message) == MIDISOCK_OK)
        continue;
}

static void drain(void)
{
    midisock_port *a;
    midisock_port *b;
    midisock_config config = config_for();
    CHECK_OK(midisock_pair(&config, &a, &b));
    fill(a, messages_before() + 1);
    the_job.calls = 1;
    counted_drain(b);
    midisock_close(a);
    midisock_close(b);
}

int main(int argc, char **argv)
{
    if (argc != 6)
        return 2;
    the_job.function = argv[1];
    the_job.size = (size_t)atoi(argv[2]);
    the_job.percent = (unsigned)atoi(argv[3]);
    the_job.clients = (unsigned)atoi(argv[4]);
    the_job.calls = (unsigned)atoi(argv[5]);
    CHECK(the_job.size == 3 || (the_job.size >= 8 && the_job.size <= sizeof the_job.data));
    CHECK(the_job.clients <= MOST_CLIENTS);
    make_message();
    int pushes = strncmp(the_job.function, "push", 4) == 0;
    if (strcmp(the_job.function, "drain") == 0)
        drain();
    else if (strstr(the_job.function, "pair") != NULL)
        on_pair(pushes);
    else
        on_server(pushes);
    printf("%u\n", the_job.calls);
    return 0;
}
