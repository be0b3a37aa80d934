/* Two processes exchange random messages in both directions; a checksum shows
 * whether every byte arrived in order. Also a peer that splits its bytes anywhere. */
#define _POSIX_C_SOURCE 200809L
#include "check.h"
#include "raw.h"

#include <string.h>
#include <unistd.h>
#if !defined(_WIN32)
#include <sys/wait.h>
#endif

static uint64_t sum_up(uint64_t sum, const uint8_t *data, size_t size)
{
    for (size_t i = 0; i < size; i++)
        sum = (sum ^ data[i]) * UINT64_C(1099511628211);
    return (sum ^ size) * UINT64_C(1099511628211);
}

/* Any message: mostly channel messages, some system ones, some SysEx. The
 * checksum's own SysEx has another id. */
static size_t random_message(uint32_t *random, uint8_t *data, size_t most)
{
    static const uint8_t singles[] = {0xf6, 0xf8, 0xfa, 0xfb, 0xfc, 0xfe, 0xff};
    uint32_t kind = check_random(random) % 100;
    data[1] = (uint8_t)(check_random(random) & 0x7f);
    data[2] = (uint8_t)(check_random(random) & 0x7f);
    if (kind < 70) {
        data[0] = (uint8_t)(0x80 + check_random(random) % 0x70);
        return data[0] >> 4 == 0xc || data[0] >> 4 == 0xd ? 2 : 3;
    }
    if (kind < 85) {
        data[0] = singles[check_random(random) % sizeof singles];
        return 1;
    }
    if (kind < 95) {
        data[0] = (uint8_t)(0xf1 + check_random(random) % 3);
        return data[0] == 0xf2 ? 3 : 2;
    }
    size_t size = 3 + check_random(random) % (check_random(random) % 100 == 0 ? most - 3 : 40);
    data[0] = 0xf0;
    data[1] = 0x7d;
    for (size_t i = 2; i + 1 < size; i++)
        data[i] = (uint8_t)(check_random(random) & 0x7f);
    data[size - 1] = 0xf7;
    return size;
}

static midisock_config waiting_config(uint32_t wake)
{
    midisock_config c = check_config();
    c.overflow = MIDISOCK_OVERFLOW_WAIT;
    c.in_queue_bytes = 16384;
    c.out_queue_bytes = 16384;
    c.wake = wake;
    c.linger_ms = DEADLINE_MS;
    c.reconnect_max_ms = 0;
    return c;
}

#if !defined(_WIN32)
static unsigned exchanged(void)
{
    return check_sanitized() ? 60000 : 400000;
}

/* The checksum as a SysEx of its own: ten groups of seven bits. */
static void checksum_message(uint64_t sum, uint8_t data[13])
{
    data[0] = 0xf0;
    data[1] = 0x7e;
    for (int i = 0; i < 10; i++)
        data[2 + i] = (uint8_t)(sum >> (7 * i) & 0x7f);
    data[12] = 0xf7;
}

typedef struct side {
    midisock_port *port;
    uint32_t seed;
} side;

static void *send_side(void *argument)
{
    const side *s = argument;
    uint8_t data[4096];
    uint32_t random = s->seed;
    uint64_t sum = 7;
    unsigned count = exchanged();
    for (unsigned i = 0; i < count; i++) {
        size_t size = random_message(&random, data, sizeof data);
        check_push(s->port, data, size);
        sum = sum_up(sum, data, size);
    }
    checksum_message(sum, data);
    check_push(s->port, data, 13);
    return NULL;
}

static void receive_side(midisock_port *port)
{
    uint64_t sum = 7;
    unsigned count = exchanged();
    for (unsigned i = 0; i < count; i++) {
        midisock_message m = POP(port);
        sum = sum_up(sum, m.data, m.size);
    }
    uint8_t expected[13];
    checksum_message(sum, expected);
    midisock_message m = POP(port);
    CHECK_MEMORY(expected, 13, m.data, m.size);
    CHECK_COUNT(port, messages_in, count + 1);
    midisock_stats s = check_stats(port);
    CHECK_INT(0, s.invalid_bytes);
    CHECK_INT(0, s.dropped_in);
    CHECK_INT(0, s.dropped_out);
}

/* One process's part: sends and receives at once, and leaves when the other
 * has had everything (its last byte was sent after our last had come). */
static void take_part(midisock_port *port, uint32_t seed)
{
    side s = {port, seed};
    pthread_t thread;
    check_start(&thread, send_side, &s);
    receive_side(port);
    check_join(thread);
    CHECK_OK(midisock_flush(port, DEADLINE_MS));
}

static void between_processes(uint32_t wake)
{
    int pipe_fds[2];
    CHECK_INT(0, pipe(pipe_fds));
    pid_t other = fork(); /* before there is a port: a child must not have one */
    CHECK(other >= 0);
    midisock_config c = waiting_config(wake);
    uint16_t port = 0;
    if (other == 0) {
        close(pipe_fds[1]);
        CHECK_INT(sizeof port, read(pipe_fds[0], &port, sizeof port));
        close(pipe_fds[0]);
        midisock_port *client = NULL;
        CHECK_OK(midisock_connect("127.0.0.1", port, &c, &client));
        CHECK_OK(midisock_wait_connected(client, DEADLINE_MS));
        take_part(client, 1001);
        midisock_close(client);
        _exit(0);
    }
    close(pipe_fds[0]);
    midisock_port *server = check_listen(&c);
    port = midisock_local_port(server);
    CHECK_INT(sizeof port, write(pipe_fds[1], &port, sizeof port));
    close(pipe_fds[1]);
    NOTIFIED(server, MIDISOCK_NOTIFY_CLIENT_JOINED);
    take_part(server, 2002);
    midisock_close(server);
    int status = 0;
    CHECK_INT(other, waitpid(other, &status, 0));
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void two_processes_ticking(void)
{
    between_processes(MIDISOCK_WAKE_TICK);
}

static void two_processes_signalling(void)
{
    between_processes(MIDISOCK_WAKE_SIGNAL);
}
#endif

typedef struct sender {
    int fd;
    uint64_t sum;
} sender;
enum { CUT_MESSAGES = 100000 };

/* Random messages as the wire allows them, with running status where it is
 * possible and clocks in between, in pieces of any size. The sum is that of
 * the messages without the clocks. */
static void *send_in_pieces(void *argument)
{
    sender *s = argument;
    uint32_t random = 77;
    uint8_t data[4096];
    uint8_t wire[16384];
    size_t filled = 0;
    uint8_t running = 0;
    s->sum = 7;
    for (unsigned i = 0; i < CUT_MESSAGES; i++) {
        size_t size = random_message(&random, data, sizeof data);
        if (data[0] >= 0xf8)
            data[0] = 0xf6; /* realtime goes its own way */
        if (data[0] == 0xf6)
            size = 1;
        s->sum = sum_up(s->sum, data, size);
        size_t from = data[0] < 0xf0 && data[0] == running && check_random(&random) % 2;
        for (size_t j = from; j < size; j++) {
            if (check_random(&random) % 16 == 0)
                wire[filled++] = 0xf8;
            wire[filled++] = data[j];
        }
        running = data[0] < 0xf0 ? data[0] : 0;
        if (filled > sizeof wire - 2 * sizeof data || i + 1 == CUT_MESSAGES) {
            for (size_t at = 0; at < filled;) {
                size_t piece = 1 + check_random(&random) % (check_random(&random) % 4 ? 10 : 3000);
                if (piece > filled - at)
                    piece = filled - at;
                raw_send(s->fd, wire + at, piece);
                at += piece;
            }
            filled = 0;
        }
    }
    return NULL;
}

static void a_peer_that_cuts_anywhere(void)
{
    midisock_config c = waiting_config(MIDISOCK_WAKE_TICK);
    midisock_port *server = check_listen(&c);
    sender s = {raw_connect(midisock_local_port(server)), 0};
    pthread_t thread;
    check_start(&thread, send_in_pieces, &s);
    uint64_t sum = 7;
    for (unsigned i = 0; i < CUT_MESSAGES;) {
        midisock_message m = POP(server);
        if (m.data[0] == 0xf8) {
            CHECK_INT(1, m.size);
            continue;
        }
        sum = sum_up(sum, m.data, m.size);
        i++;
    }
    check_join(thread);
    CHECK(sum == s.sum);
    CHECK_INT(0, check_stats(server).invalid_bytes);
    raw_close(s.fd);
    midisock_close(server);
}

static void many_at_once(void)
{
    /* Eight clients of one merged server send and are answered at once. */
    enum { CLIENTS = 8, EACH = 5000 };
    midisock_config c = waiting_config(MIDISOCK_WAKE_TICK);
    midisock_port *server = check_listen(&c);
    midisock_port *clients[CLIENTS];
    for (int i = 0; i < CLIENTS; i++)
        clients[i] = check_connect(server, &c);
    uint32_t ids[CLIENTS] = {0};
    uint32_t next[CLIENTS] = {0};
    uint32_t sent[CLIENTS] = {0};
    uint32_t answered[CLIENTS] = {0};
    uint64_t until = check_now_ms() + 2 * DEADLINE_MS;
    unsigned done = 0;
    while (done < CLIENTS) {
        done = 0;
        for (uint32_t i = 0; i < CLIENTS; i++) {
            uint8_t data[16];
            for (int n = 0; n < 20 && sent[i] < EACH; n++) {
                check_numbered(data, sizeof data, sent[i] * CLIENTS + i);
                if (midisock_push(clients[i], data, sizeof data) != MIDISOCK_OK)
                    break;
                sent[i]++;
            }
            midisock_message m;
            while (midisock_pop(clients[i], &m) == MIDISOCK_OK)
                CHECK_INT(answered[i]++ * CLIENTS + i, check_number(m.data, m.size));
            done += answered[i] == EACH;
        }
        midisock_message m;
        for (int n = 0; n < 100 && midisock_pop(server, &m) == MIDISOCK_OK; n++) {
            uint32_t number = check_number(m.data, m.size);
            uint32_t i = number % CLIENTS;
            CHECK_INT(next[i]++, number / CLIENTS); /* each client's in order */
            if (ids[i] == 0)
                ids[i] = m.client;
            CHECK_INT(ids[i], m.client);
            uint8_t back[16];
            memcpy(back, m.data, sizeof back);
            midisock_message answer = {0, back, sizeof back, m.client, 0, 0, {0, 0}};
            midisock_result result;
            while ((result = midisock_push_message(server, &answer)) == MIDISOCK_ERR_FULL)
                /* The one it waits for may be one whose turn to pop is next. */
                for (uint32_t j = 0; j < CLIENTS; j++) {
                    midisock_message o;
                    while (midisock_pop(clients[j], &o) == MIDISOCK_OK)
                        CHECK_INT(answered[j]++ * CLIENTS + j, check_number(o.data, o.size));
                    CHECK(check_now_ms() < until);
                }
            CHECK_OK(result);
        }
        CHECK(check_now_ms() < until);
    }
    for (int i = 0; i < CLIENTS; i++)
        midisock_close(clients[i]);
    midisock_close(server);
}

int main(int argc, char **argv)
{
    static const check_case cases[] = {
        UNIX_CASE(two_processes_ticking)
        UNIX_CASE(two_processes_signalling)
        CASE(a_peer_that_cuts_anywhere),
        CASE(many_at_once),
    };
    return check_main(argc, argv, CASES(cases));
}
