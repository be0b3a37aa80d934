/* How much clients cost one another: one that stops reading for seconds among a
 * hundred that read, refused ones, clients without memory for their queues, and
 * clients with very large ones. Prints figures. */
#define _POSIX_C_SOURCE 200809L
#include "check.h"
#include "raw.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#if !defined(_WIN32)
#include <sys/resource.h>
#endif

/* Wine needs 50 ms for one message to all: few large ones fill the buffers sooner. */
#if defined(_WIN32)
enum { CLIENTS = 100, MESSAGE_SIZE = 4000 };
#else
enum { CLIENTS = 100, MESSAGE_SIZE = 40 };
#endif


/* Of each client: what it read, as bytes of numbered messages. */
typedef struct reader {
    int fd;
    uint8_t data[MESSAGE_SIZE];
    size_t size;
    uint32_t next; /* the number it has to read next */
} reader;

static int by_size(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* Reads what there is, which is every message in its turn. */
static void read_some(reader *r)
{
    for (;;) {
        ssize_t got = recv(r->fd, r->data + r->size, MESSAGE_SIZE - r->size, MSG_DONTWAIT);
        if (got <= 0)
            return;
        r->size += (size_t)got;
        if (r->size == MESSAGE_SIZE) {
            CHECK_INT(r->next, check_number(r->data, MESSAGE_SIZE));
            r->next++;
            r->size = 0;
        }
    }
}

/* Pushes messages to all, one after the other; each is waited for at the
 * hundred. Times from push to the last of them go to `times`. */
static void push_to_all(midisock_port *server, reader *readers, unsigned count, uint64_t *times)
{
    uint8_t data[MESSAGE_SIZE];
    struct pollfd fds[CLIENTS];
    for (int i = 0; i < CLIENTS; i++)
        fds[i] = (struct pollfd){readers[i].fd, POLLIN, 0};
    for (unsigned k = 0; k < count; k++) {
        uint32_t number = readers[0].next;
        check_numbered(data, MESSAGE_SIZE, number);
        uint64_t until = check_now_ms() + DEADLINE_MS;
        uint64_t start = midisock_now_ns();
        CHECK_OK(midisock_push(server, data, MESSAGE_SIZE));
        int waiting = 1;
        while (waiting) {
            CHECK(poll(fds, CLIENTS, 100) >= 0);
            waiting = 0;
            for (int i = 0; i < CLIENTS; i++) {
                read_some(&readers[i]);
                waiting += readers[i].next == number;
            }
            CHECK(check_now_ms() < until);
        }
        times[k] = midisock_now_ns() - start;
    }
    qsort(times, count, sizeof times[0], by_size);
}

static void one_stalled_client_among_a_hundred(void)
{
    midisock_config c = check_config();
    c.max_clients = CLIENTS + 1;
    c.max_delay_ms = 100;
    c.client_buffer_bytes = 16384;
    midisock_port *server = check_listen(&c);
    static reader readers[CLIENTS];
    for (int i = 0; i < CLIENTS; i++) {
        readers[i].fd = raw_connect(midisock_local_port(server));
        CHECK_INT(i + 1, NOTIFIED(server, MIDISOCK_NOTIFY_CLIENT_JOINED).client);
    }
    enum { MOST = 4000 };
    static uint64_t alone[MOST];
    static uint64_t beside[MOST];
    unsigned count = MESSAGE_SIZE > 40 ? 20 : check_sanitized() ? 300 : 1500;
    push_to_all(server, readers, count, alone);
    /* Now one more, which reads nothing. */
    int slow = raw_connect_small(midisock_local_port(server));
    uint32_t id = NOTIFIED(server, MIDISOCK_NOTIFY_CLIENT_JOINED).client;
    unsigned long memory = check_resident_kb();
    uint64_t since = check_now_ms();
    do {
        push_to_all(server, readers, count, beside);
    } while (check_stats(server).dropped_out == 0 || check_now_ms() - since < 2000);
    CHECK_INT(id, NOTIFIED(server, MIDISOCK_NOTIFY_CONGESTED).client);
    CHECK(check_sanitized() || check_resident_kb() < memory + 1024);
    midisock_stats stats = check_stats(server);
    CHECK_INT(CLIENTS + 1, midisock_client_count(server));
    printf("# to 100 clients, ms from push to the last: median %.2f, worst %.2f; beside one that "
           "read nothing for %.1f s: median %.2f, worst %.2f; %llu messages dropped for it, memory "
           "grew by %ld KB\n",
           (double)alone[count / 2] / 1e6, (double)alone[count - 1] / 1e6,
           (double)(check_now_ms() - since) / 1e3, (double)beside[count / 2] / 1e6,
           (double)beside[count - 1] / 1e6, (unsigned long long)stats.dropped_out,
           (long)check_resident_kb() - (long)memory);
    /* It reads again: whole messages, and a live one in the end. */
    reader late = {slow, {0}, 0, 0};
    uint8_t data[MESSAGE_SIZE];
    uint64_t until = check_now_ms() + DEADLINE_MS;
    for (uint32_t last = readers[0].next;; last++) {
        check_numbered(data, MESSAGE_SIZE, last);
        check_push(server, data, MESSAGE_SIZE);
        ssize_t got;
        uint32_t number = 0;
        while ((got = recv(slow, late.data + late.size, MESSAGE_SIZE - late.size, MSG_DONTWAIT)) > 0) {
            late.size += (size_t)got;
            if (late.size == MESSAGE_SIZE) {
                number = check_number(late.data, MESSAGE_SIZE);
                CHECK(number >= late.next); /* some were dropped */
                late.next = number + 1;
                late.size = 0;
            }
        }
        if (number >= readers[0].next)
            break;
        CHECK(check_now_ms() < until);
        check_pause();
    }
    for (int i = 0; i < CLIENTS; i++)
        raw_close(readers[i].fd);
    raw_close(slow);
    midisock_close(server);
}

static void refusing_connections_is_cheap(void)
{
    enum { WARM_UP = 200, TURNED_AWAY = 2000 };
    midisock_config c = check_config();
    c.allow = "127.0.0.1";
    c.wake = MIDISOCK_WAKE_SIGNAL;
    midisock_port *server = check_listen(&c);
    midisock_port *good = check_connect(server, &c);
    NOTIFIED(server, MIDISOCK_NOTIFY_CLIENT_JOINED);
    for (int i = 0; i < WARM_UP; i++)
        raw_close(raw_connect_from("127.0.0.9", midisock_local_port(server)));
    CHECK_COUNT(server, rejected, WARM_UP);
    unsigned long memory = check_resident_kb();
    uint64_t before = check_network_thread_ns();
    for (int i = 0; i < TURNED_AWAY; i++)
        raw_close(raw_connect_from("127.0.0.9", midisock_local_port(server)));
    CHECK_COUNT(server, rejected, WARM_UP + TURNED_AWAY);
    uint64_t spent = check_network_thread_ns() - before;
    /* Less than a KB each would be seen. */
    CHECK(check_sanitized() || check_resident_kb() < memory + 1024);
    printf("# %d connections turned away: %.1f us of the network thread each, memory grew by %ld KB\n",
           TURNED_AWAY, (double)spent / 1e3 / TURNED_AWAY, (long)check_resident_kb() - (long)memory);
    /* They are in no other count, and in no notification. */
    CHECK_INT(1, check_stats(server).connections);
    CHECK_INT(0, check_stats(server).bytes_in);
    midisock_notification n;
    CHECK_RESULT(MIDISOCK_EMPTY, midisock_poll_notification(server, &n));
    CHECK_OK(midisock_push(good, BYTES(0xf6)));
    EXPECT(server, 0xf6);
    midisock_close(good);
    midisock_close(server);
}

static void silent_new_clients_are_cheap(void)
{
    /* Whether a silent newcomer is a browser is seen after 50 ms: until then it
     * is waited for, not looked at again and again. */
    enum { SILENT = 20 };
    midisock_config c = check_config();
    c.keepalive_ms = 10000; /* the default, and so it is looked after */
    c.wake = MIDISOCK_WAKE_SIGNAL;
    midisock_port *server = check_listen(&c);
    int fds[SILENT];
    uint64_t before = check_network_thread_ns();
    for (int i = 0; i < SILENT; i++) {
        fds[i] = raw_connect(midisock_local_port(server));
        NOTIFIED(server, MIDISOCK_NOTIFY_CLIENT_JOINED);
    }
    uint64_t spent = check_network_thread_ns() - before;
    printf("# %d silent newcomers, one after the other: %.2f ms of the network thread each\n", SILENT,
           (double)spent / 1e6 / SILENT);
    CHECK(check_sanitized() || spent < SILENT * UINT64_C(5000000));
    for (int i = 0; i < SILENT; i++)
        raw_close(fds[i]);
    CHECK_SOON(midisock_client_count(server) == 0);
    midisock_close(server);
}

#if !defined(_WIN32)
static void no_memory_for_a_client(void)
{
    if (check_sanitized())
        check_skip("the sanitizer needs all the address space there is");
    midisock_config c = check_config();
    c.accept_mode = MIDISOCK_ACCEPT_MANUAL;
    c.in_queue_bytes = c.out_queue_bytes = 64 << 20;
    midisock_port *server = check_listen(&c);
    int first = raw_connect(midisock_local_port(server));
    midisock_port *port = NULL;
    CHECK_OK(midisock_accept(server, DEADLINE_MS, &port));
    struct rlimit all;
    CHECK_INT(0, getrlimit(RLIMIT_AS, &all));
    struct rlimit little = {(rlim_t)check_address_space_kb() * 1024 + (32 << 20), all.rlim_max};
    CHECK_INT(0, setrlimit(RLIMIT_AS, &little));
    for (unsigned i = 1; i <= 5; i++) {
        int refused = raw_connect(midisock_local_port(server));
        raw_send(refused, (const uint8_t[]){0xf6}, 1);
        RAW_EXPECT_GONE(refused);
        raw_close(refused);
        CHECK_COUNT(server, rejected, i);
        RAW_SEND(first, 0xf3, (uint8_t)i); /* who is in is served */
        EXPECT(port, 0xf3, (uint8_t)i);
    }
    CHECK_INT(0, setrlimit(RLIMIT_AS, &all));
    int second = raw_connect(midisock_local_port(server)); /* and again there is room */
    midisock_port *other = NULL;
    CHECK_OK(midisock_accept(server, DEADLINE_MS, &other));
    RAW_SEND(second, 0xf6);
    EXPECT(other, 0xf6);
    raw_close(first);
    raw_close(second);
    midisock_close(port);
    midisock_close(other);
    midisock_close(server);
}
#endif

static void large_queues_of_one_delay_nobody_else(void)
{
    /* 256 MB for each client that is accepted, while another port's round trips
     * go on. */
    midisock_config c = check_config();
    midisock_port *quick = check_listen(&c);
    int fd = raw_connect(midisock_local_port(quick));
    c.accept_mode = MIDISOCK_ACCEPT_MANUAL;
    c.in_queue_bytes = c.out_queue_bytes = 128 << 20;
    midisock_port *server = check_listen(&c);
    uint64_t worst = 0;
    uint64_t spent = check_network_thread_ns();
    for (int round = 0; round < 4; round++) {
        int large = raw_connect(midisock_local_port(server));
        RAW_SEND(large, 0xf6);
        uint64_t until = check_now_ms() + 100;
        while (check_now_ms() < until) {
            uint64_t start = midisock_now_ns();
            RAW_SEND(fd, 0xf3, (uint8_t)round);
            EXPECT(quick, 0xf3, (uint8_t)round);
            uint64_t took = midisock_now_ns() - start;
            worst = took > worst ? took : worst;
        }
        midisock_port *port = NULL;
        CHECK_OK(midisock_accept(server, DEADLINE_MS, &port));
        EXPECT(port, 0xf6);
        CHECK_OK(midisock_push(port, BYTES(0xf6)));
        RAW_EXPECT(large, 0xf6);
        raw_close(large);
        midisock_close(port);
    }
    printf("# four clients with queues of 256 MB accepted: %.1f ms of the network thread in all, the "
           "worst round trip of another client %.1f ms\n",
           (double)(check_network_thread_ns() - spent) / 1e6, (double)worst / 1e6);
    raw_close(fd);
    midisock_close(quick);
    midisock_close(server);
}

int main(int argc, char **argv)
{
    static const check_case cases[] = {
        CASE(one_stalled_client_among_a_hundred),
        CASE(refusing_connections_is_cheap),
        CASE(silent_new_clients_are_cheap),
        UNIX_CASE(no_memory_for_a_client)
        CASE(large_queues_of_one_delay_nobody_else),
    };
    return check_main(argc, argv, CASES(cases));
}
