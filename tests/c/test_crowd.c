/* Many clients at once: one that stops reading for seconds among a hundred that
 * read, with figures. */
#define _POSIX_C_SOURCE 200809L
#include "check.h"
#include "raw.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { CLIENTS = 100, SIZE = 40 };

/* Of each client: what it read, as bytes of numbered messages. */
typedef struct reader {
    int fd;
    uint8_t data[SIZE];
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
        ssize_t got = recv(r->fd, r->data + r->size, SIZE - r->size, MSG_DONTWAIT);
        if (got <= 0)
            return;
        r->size += (size_t)got;
        if (r->size == SIZE) {
            CHECK_INT(r->next, check_number(r->data, SIZE));
            r->next++;
            r->size = 0;
        }
    }
}

/* Pushes messages to all, one after the other; each is waited for at the
 * hundred. Times from push to the last of them go to `times`. */
static void push_to_all(midisock_port *server, reader *readers, unsigned count, uint64_t *times)
{
    uint8_t data[SIZE];
    struct pollfd fds[CLIENTS];
    for (int i = 0; i < CLIENTS; i++)
        fds[i] = (struct pollfd){readers[i].fd, POLLIN, 0};
    for (unsigned k = 0; k < count; k++) {
        uint32_t number = readers[0].next;
        check_numbered(data, SIZE, number);
        uint64_t until = check_now_ms() + DEADLINE_MS;
        uint64_t start = midisock_now_ns();
        CHECK_OK(midisock_push(server, data, SIZE));
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

static void one_that_stops_reading_among_a_hundred(void)
{
    midisock_config c = check_config();
    c.max_clients = CLIENTS + 1;
    c.max_delay_ms = 100;
    c.client_buffer_bytes = 16384;
    midisock_port *server = check_listen(&c);
    static reader readers[CLIENTS];
    for (int i = 0; i < CLIENTS; i++) {
        readers[i].fd = raw_connect(midisock_local_port(server));
        CHECK_INT(i + 1, NOTIFIED(server, MIDISOCK_CLIENT_JOINED).client);
    }
    enum { MOST = 4000 };
    static uint64_t alone[MOST];
    static uint64_t beside[MOST];
    unsigned count = check_sanitized() ? 300 : 1500;
    push_to_all(server, readers, count, alone);
    /* Now one more, which reads nothing. */
    int slow = raw_connect_small(midisock_local_port(server));
    uint32_t id = NOTIFIED(server, MIDISOCK_CLIENT_JOINED).client;
    unsigned long memory = check_resident_kb();
    uint64_t since = check_now_ms();
    unsigned rounds = 0;
    do {
        push_to_all(server, readers, count, beside);
        rounds++;
    } while (check_stats(server).dropped_out == 0 || check_now_ms() - since < 2000);
    CHECK_INT(id, NOTIFIED(server, MIDISOCK_CONGESTED).client);
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
    uint8_t data[SIZE];
    uint64_t until = check_now_ms() + DEADLINE_MS;
    for (uint32_t last = readers[0].next;; last++) {
        check_numbered(data, SIZE, last);
        CHECK_OK(midisock_push(server, data, SIZE));
        ssize_t got;
        uint32_t number = 0;
        while ((got = recv(slow, late.data + late.size, SIZE - late.size, MSG_DONTWAIT)) > 0) {
            late.size += (size_t)got;
            if (late.size == SIZE) {
                number = check_number(late.data, SIZE);
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

int main(int argc, char **argv)
{
    static const check_case cases[] = {
        CASE(one_that_stops_reading_among_a_hundred),
    };
    return check_main(argc, argv, CASES(cases));
}
