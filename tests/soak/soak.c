/* The soak test: servers under attack, while one well-behaved client makes round
 * trips. `soak SECONDS`; scripts/soak builds and runs it.
 *
 * The attackers are a separate process, so that descriptors, threads and memory
 * of this process are the servers'. Both servers get the same attack: a manual
 * one with the well-behaved client, and a merged one that sends a song to all
 * clients. Prints figures, and fails if a message of the well-behaved client is
 * lost, memory grows, or a descriptor or thread is left. */
#define _POSIX_C_SOURCE 200809L
#include "attack.h"
#include "check.h"

#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MOST_CLIENTS = 120, MOST_PORTS = 2 * MOST_CLIENTS, ROUND_TRIPS = 1 << 20 };

/* What may be used, by SECURITY.md: each client's buffers and states, on both
 * servers; two queues for each client of the manual one that is accepted or
 * waits for that. In KB, with as much again for the allocator's own holes. */
enum { BOUND_KB = 2 * (2 * MOST_CLIENTS * (32 + 128 + 64) + MOST_PORTS * 128) };

/* What malloc has given out and not got back. The resident size does not tell:
 * it is as large as the largest crowd was. */
static long in_use_kb(void)
{
    struct mallinfo2 info = mallinfo2();
    return (long)((info.uordblks + info.hblkhd) / 1024);
}

static unsigned seconds = 300;
static volatile int over;

/* Takes the manual server's clients: the good one's messages go back to it, the
 * others' are popped and that is all. */
static void *serve(void *argument)
{
    midisock_port *server = argument;
    midisock_port *ports[MOST_PORTS] = {NULL};
    size_t count = 0;
    midisock_message m;
    while (!over || count > 0) {
        midisock_port *port;
        while (count < MOST_PORTS && midisock_accept(server, 0, &port) == MIDISOCK_OK)
            ports[count++] = port;
        for (size_t i = 0; i < count; i++) {
            midisock_result result = MIDISOCK_OK;
            for (int k = 0; k < 64 && (result = midisock_pop(ports[i], &m)) == MIDISOCK_OK; k++)
                if (m.size > 5 && m.data[0] == 0xf0 && m.data[1] == 0x7d && m.data[2] == 0x55)
                    (void)midisock_push(ports[i], m.data, m.size);
            if (result == MIDISOCK_ERR_CLOSED || over) {
                midisock_close(ports[i]);
                ports[i--] = ports[--count];
            }
        }
        check_pause();
    }
    return NULL;
}

/* The merged server's audio thread: pops, and pushes a song to all. */
static void *play(void *argument)
{
    midisock_port *server = argument;
    midisock_message m;
    for (uint32_t i = 0; !over; i++) {
        while (midisock_pop(server, &m) == MIDISOCK_OK)
            ;
        for (uint32_t k = 0; k < 40; k++) {
            uint8_t data[] = {(uint8_t)(0xb0 | (k & 15)), (uint8_t)(k + 1), (uint8_t)(i & 127)};
            midisock_push(server, data, sizeof data);
        }
        midisock_notification n;
        while (midisock_poll_notification(server, &n) == MIDISOCK_OK)
            ;
        check_pause();
    }
    return NULL;
}

/* What the attackers are told. */
typedef struct order {
    uint16_t numbers[2];
    unsigned seconds;
} order;

static int by_size(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a;
    uint32_t y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static double share(const uint32_t *sorted, size_t count, double which)
{
    return count ? sorted[(size_t)((double)(count - 1) * which)] / 1000.0 : 0;
}

int main(int argc, char **argv)
{
    if (argc > 1)
        seconds = (unsigned)strtoul(argv[1], NULL, 10);
    signal(SIGPIPE, SIG_IGN);
    /* The attackers are told where, when there is something, and for how long;
     * and tell when they have done. */
    int tell[2];
    int told[2];
    CHECK_INT(0, pipe(tell));
    CHECK_INT(0, pipe(told));
    pid_t attackers = fork();
    CHECK(attackers >= 0);
    if (attackers == 0) {
        order what;
        close(tell[1]);
        while (read(tell[0], &what, sizeof what) == (ssize_t)sizeof what) {
            attack(what.numbers, what.seconds);
            if (write(told[1], "d", 1) != 1)
                break;
        }
        _exit(0);
    }
    close(tell[0]);
    CHECK_INT(0, fcntl(told[0], F_SETFL, O_NONBLOCK));

    midisock_config c;
    midisock_config_init(&c, sizeof c);
    c.max_clients = MOST_CLIENTS;
    c.accept_mode = MIDISOCK_ACCEPT_MANUAL;
    midisock_port *manual = check_listen(&c);
    c.accept_mode = MIDISOCK_ACCEPT_MERGED;
    midisock_port *merged = check_listen(&c);
    midisock_port *good = NULL;
    CHECK_OK(midisock_connect("127.0.0.1", midisock_local_port(manual), NULL, &good));
    CHECK_OK(midisock_wait_connected(good, DEADLINE_MS));
    pthread_t threads[2];
    check_start(&threads[0], serve, manual);
    check_start(&threads[1], play, merged);
    static uint32_t trips[ROUND_TRIPS]; /* in microseconds */
    memset(trips, 1, sizeof trips);     /* its pages are there from the start */
    unsigned descriptors = check_descriptors();
    unsigned thread_count = check_threads();
    unsigned long most = check_resident_kb();
    size_t count = 0;
    uint32_t number = 0;
    long used[2];
    /* Twice: what the first time left behind is what there is room for; what the
     * second, longer time adds would be a leak. */
    for (unsigned round = 0; round < 2; round++) {
        order what = {{midisock_local_port(manual), midisock_local_port(merged)},
                      round == 0 ? seconds / 3 : seconds - seconds / 3};
        CHECK_INT(sizeof what, write(tell[1], &what, sizeof what));
        uint64_t until = UINT64_MAX;
        while (check_now_ms() < until) {
            uint8_t data[] = {0xf0, 0x7d, 0x55, (uint8_t)(number >> 14 & 127),
                              (uint8_t)(number >> 7 & 127), (uint8_t)(number & 127), 0xf7};
            uint64_t sent = midisock_now_ns();
            CHECK_OK(midisock_push(good, data, sizeof data));
            /* The next one to come back is this one: none is lost. */
            check_expect(good, data, sizeof data, __FILE__, __LINE__);
            if (count < ROUND_TRIPS)
                trips[count++] = (uint32_t)((midisock_now_ns() - sent) / 1000);
            if (++number % 64 == 0) {
                unsigned long resident = check_resident_kb();
                most = resident > most ? resident : most;
            }
            char done;
            /* Then until the last deadline of the connections there were. */
            if (until == UINT64_MAX && read(told[0], &done, 1) == 1)
                until = check_now_ms() + 6000;
        }
        CHECK_SOON(midisock_client_count(manual) == 1 && midisock_client_count(merged) == 0);
        CHECK_SOON(check_descriptors() == descriptors);
        used[round] = in_use_kb();
    }
    unsigned left_descriptors = check_descriptors();
    unsigned left_threads = check_threads();
    close(tell[1]);
    int status = 0;
    CHECK_INT(attackers, waitpid(attackers, &status, 0));
    CHECK_INT(0, status);
    midisock_stats there = check_stats(manual);
    midisock_stats all = check_stats(merged);
    midisock_stats mine = check_stats(good);
    qsort(trips, count, sizeof trips[0], by_size);
    printf("seconds                     %u\n", seconds);
    printf("connections                 %llu, and %llu turned away\n",
           (unsigned long long)(there.connections + all.connections),
           (unsigned long long)(there.rejected + all.rejected));
    printf("messages in, merged         %llu, of which dropped %llu\n",
           (unsigned long long)all.messages_in, (unsigned long long)all.dropped_in);
    printf("bytes in, merged            %llu, of no message %llu; %llu messages too long\n",
           (unsigned long long)all.bytes_in, (unsigned long long)all.invalid_bytes,
           (unsigned long long)all.oversize_in);
    printf("messages out, merged        %llu, dropped for slow readers %llu\n",
           (unsigned long long)all.messages_out, (unsigned long long)all.dropped_out);
    /* Each was waited for; what its port counts has to agree. */
    printf("the good client             %u round trips, lost %llu, reconnected %llu times\n", number,
           (unsigned long long)(mine.messages_out - mine.messages_in),
           (unsigned long long)(mine.connections - 1));
    printf("its round trip, ms          median %.2f, 99 %% %.2f, worst %.2f\n",
           share(trips, count, 0.5), share(trips, count, 0.99), share(trips, count, 1));
    printf("memory, KB                  in use %ld after the first third, %ld at the end; resident at "
           "most %lu\n",
           used[0], used[1], most);
    printf("descriptors, threads        %u and %u before, %u and %u at the end\n", descriptors,
           thread_count, left_descriptors, left_threads);
    fflush(stdout);
    CHECK_INT(1, mine.connections);
    CHECK_INT(number, mine.messages_out);
    CHECK_INT(number, mine.messages_in);
    CHECK_INT(0, mine.dropped_in + mine.dropped_out + mine.synthesized);
    CHECK_INT(descriptors, left_descriptors);
    CHECK_INT(thread_count, left_threads);
    if (!check_sanitized()) {
        CHECK(used[1] <= used[0] + 512);
        CHECK(most <= BOUND_KB);
    }
    over = 1;
    check_join(threads[0]);
    check_join(threads[1]);
    midisock_close(good);
    midisock_close(manual);
    midisock_close(merged);
    close(told[0]);
    close(told[1]);
    CHECK_SOON(check_threads() == 1);
    printf("ok\n");
    return 0;
}
