/* What one port asks for costs the others nothing that grows without bound: cancel and shutdown with peers that do not
 * read, floods of Note Offs and of control calls; and the longest message there can be. On 0.1 each of the first three
 * took longer than the deadline. */
#include "check.h"
#include "raw.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MS UINT64_C(1000000)

/* A message goes from one port of the library to another, through the network thread. */
typedef struct probe {
    midisock_port *server, *client;
} probe;

static probe make_probe(void)
{
    midisock_config c = check_config();
    c.wake = MIDISOCK_WAKE_SIGNAL;
    probe p;
    p.server = check_listen(&c);
    p.client = check_connect(p.server, &c);
    return p;
}

static void comes_through(probe p, uint8_t number)
{
    CHECK_OK(midisock_push(p.client, BYTES(0xf3, number)));
    EXPECT(p.server, 0xf3, number);
}

static void end_probe(probe p)
{
    midisock_close(p.client);
    midisock_close(p.server);
}

static midisock_result push_at(midisock_port *port, uint64_t time_ns, const uint8_t *data, size_t size)
{
    midisock_message m = {time_ns, data, (uint32_t)size, 0, 0, 0, {0, 0}};
    return midisock_push_message(port, &m);
}

/* Much waits for each of many peers that do not read, and much is scheduled. */
static void much_is_scheduled(int ends)
{
    enum { PEERS = 32 };
    probe p = make_probe();
    midisock_config c = check_config();
    c.overflow = MIDISOCK_OVERFLOW_REPAIR;
    c.out_queue_bytes = 4 << 20;
    c.client_buffer_bytes = 1 << 20;
    c.max_delay_ms = 600000;
    c.linger_ms = ends ? 600000 : 0;
    midisock_port *server = check_listen(&c);
    int fds[PEERS];
    for (int i = 0; i < PEERS; i++) {
        fds[i] = raw_connect_small(midisock_local_port(server));
        RAW_SEND(fds[i], 0xf8);
    }
    CHECK_COUNT(server, connections, PEERS);
    for (unsigned i = 0; i < 100000; i++)
        check_push(server, BYTES(0xb0, 7, (uint8_t)(i & 127)));
    CHECK_OK(midisock_push(server, BYTES(0x90, 60, 1)));
    uint64_t due = midisock_now_ns() + 9500 * MS;
    unsigned count = 0;
    for (; count < 100000; count++) {
        /* None of them ends what sounds, and each has to be looked at. */
        midisock_result r = push_at(server, due, BYTES((uint8_t)(0xd0 | (count & 15)), 0));
        if (r == MIDISOCK_ERR_FULL)
            break;
        CHECK_OK(r);
    }
    CHECK(count > 10000);
    if (ends)
        CHECK_OK(midisock_shutdown(server));
    else
        CHECK_OK(midisock_cancel(server));
    for (uint8_t i = 0; i < 100; i++)
        comes_through(p, i);
    if (!ends) {
        /* Done, and not put off. */
        midisock_result r;
        CHECK_SOON((r = push_at(server, 0, BYTES(0xf6))) == MIDISOCK_OK || r == MIDISOCK_ERR_FULL);
        comes_through(p, 100);
    }
    for (int i = 0; i < PEERS; i++)
        raw_close(fds[i]);
    midisock_close(server);
    end_probe(p);
}

static void a_cancel_beside_peers_that_do_not_read(void)
{
    much_is_scheduled(0);
}

static void a_shutdown_beside_peers_that_do_not_read(void)
{
    much_is_scheduled(1);
}

static void a_flood_of_note_offs_before_a_strike(void)
{
    enum { OFFS = 400000 };
    probe p = make_probe();
    midisock_config c = check_config();
    /* Each of them arrives, however late this thread reads. */
    c.overflow = MIDISOCK_OVERFLOW_WAIT;
    c.out_queue_bytes = 16 << 20;
    midisock_port *server = check_listen(&c);
    int fd = raw_connect(midisock_local_port(server));
    RAW_SEND(fd, 0xf8);
    EXPECT(server, 0xf8);
    CHECK_OK(push_at(server, midisock_now_ns() + 9500 * MS, BYTES(0x90, 60, 1)));
    CHECK_OK(midisock_flush(server, DEADLINE_MS));
    static uint8_t bytes[3 * 4096];
    unsigned read = 0, pushed = 0;
    uint64_t until = check_now_ms() + DEADLINE_MS;
    while (pushed < OFFS && check_now_ms() < until) {
        midisock_result r = midisock_push(server, BYTES(0x80, 60, 0));
        pushed += r == MIDISOCK_OK;
        if ((r != MIDISOCK_OK || pushed % 16 == 0) && raw_readable(fd, 0))
            read += (unsigned)raw_read_some(fd, bytes, sizeof bytes);
    }
    CHECK_INT(OFFS, pushed);
    comes_through(p, 1);
    /* All but the one that has its strike ahead. */
    while (read < 3 * (OFFS - 1))
        read += (unsigned)raw_read_some(fd, bytes, sizeof bytes);
    comes_through(p, 2);
    CHECK_OK(midisock_cancel(server));
    raw_close(fd);
    midisock_close(server);
    end_probe(p);
}

static int flooding;

static void *flood(void *argument)
{
    unsigned calls = 0;
    while (__atomic_load_n(&flooding, __ATOMIC_RELAXED) || calls < 1000000) {
        midisock_set_realtime_priority(argument, 0);
        calls++;
    }
    return NULL;
}

static void a_loop_of_control_calls(void)
{
    probe p = make_probe();
    midisock_port *other = check_listen(NULL);
    comes_through(p, 0);
    unsigned long before = check_resident_kb();
    __atomic_store_n(&flooding, 1, __ATOMIC_RELAXED);
    pthread_t threads[2];
    for (int i = 0; i < 2; i++)
        check_start(&threads[i], flood, other);
    for (unsigned i = 0; i < 300; i++)
        comes_through(p, (uint8_t)(i & 127));
    __atomic_store_n(&flooding, 0, __ATOMIC_RELAXED);
    for (int i = 0; i < 2; i++)
        check_join(threads[i]);
    comes_through(p, 1);
    if (!check_sanitized())
        CHECK(check_resident_kb() < before + 16 * 1024);
    midisock_close(other);
    end_probe(p);
}

static unsigned long available_kb(void)
{
    char line[200];
    unsigned long kb = 0;
    FILE *file = fopen("/proc/meminfo", "r");
    while (file != NULL && fgets(line, sizeof line, file) != NULL)
        if (sscanf(line, "MemAvailable: %lu", &kb) == 1)
            break;
    if (file != NULL)
        fclose(file);
    return kb;
}

/* The size of a record has 28 bits. */
static void the_longest_message_there_can_be(void)
{
    const size_t most = ((size_t)1 << 28) - 1;
    if (check_sanitized() || available_kb() < 5000000)
        check_skip("it needs 5 GB of memory");
    midisock_config c = check_config();
    c.in_queue_bytes = c.out_queue_bytes = 1u << 30;
    c.max_message_bytes = UINT32_MAX;
    midisock_port *a, *b;
    CHECK_OK(midisock_pair(&c, &a, &b));
    uint8_t *data = malloc(most + 1);
    CHECK(data != NULL);
    memset(data, 0x11, most + 1);
    data[0] = 0xf0;
    data[most] = 0xf7;
    CHECK_RESULT(MIDISOCK_ERR_TOO_LARGE, midisock_push(a, data, most + 1));
    CHECK_OK(midisock_push(a, BYTES(0x90, 60, 100)));
    EXPECT(b, 0x90, 60, 100);
    midisock_message m;
    CHECK_RESULT(MIDISOCK_EMPTY, midisock_pop(b, &m));
    free(data);
    midisock_close(a);
    midisock_close(b);
}

int main(int argc, char **argv)
{
    static const check_case cases[] = {
        CASE(a_cancel_beside_peers_that_do_not_read),
        CASE(a_shutdown_beside_peers_that_do_not_read),
        CASE(a_flood_of_note_offs_before_a_strike),
        CASE(a_loop_of_control_calls),
        CASE(the_longest_message_there_can_be),
    };
    return check_main(argc, argv, CASES(cases));
}
