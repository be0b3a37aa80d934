/* Closing a port with pending messages: they arrive, and a peer that does not
 * read delays nobody. */
#include "check.h"
#include "raw.h"

#include <string.h>

static void stuck_peers_do_not_freeze_close(void)
{
    enum { STUCK = 20 };
    uint16_t port = 0;
    int listener = raw_listen_small(&port);
    midisock_config c = check_config();
    c.linger_ms = 3000;
    c.overflow = MIDISOCK_OVERFLOW_WAIT;
    midisock_port *clients[STUCK];
    int fds[STUCK];
    for (int i = 0; i < STUCK; i++) {
        CHECK_OK(midisock_connect("127.0.0.1", port, &c, &clients[i]));
        fds[i] = raw_accept(listener);
        CHECK_OK(midisock_wait_connected(clients[i], DEADLINE_MS));
        check_fill(clients[i], 4096, 0, 50);
    }
    c = check_config();
    midisock_port *last = check_listen(&c);
    uint64_t begin = check_now_ms();
    for (int i = 0; i < STUCK; i++)
        midisock_close(clients[i]);
    uint64_t took = check_now_ms() - begin;
    if (took > 1500)
        check_fail(__FILE__, __LINE__, "closing %d stuck ports took %llu ms", (int)STUCK,
                   (unsigned long long)took);
    midisock_close(last);
    took = check_now_ms() - begin;
    /* The last waits for the others' linger, not for the peers. */
    if (took > 3000 + 4000)
        check_fail(__FILE__, __LINE__, "closing the last took %llu ms", (unsigned long long)took);
    for (int i = 0; i < STUCK; i++)
        raw_close(fds[i]);
    raw_close(listener);
}

static void without_linger_close_does_not_wait(void)
{
    uint16_t port = 0;
    int listener = raw_listen_small(&port);
    midisock_config c = check_config();
    c.linger_ms = 0;
    midisock_port *client = NULL;
    CHECK_OK(midisock_connect("127.0.0.1", port, &c, &client));
    int fd = raw_accept(listener);
    CHECK_OK(midisock_wait_connected(client, DEADLINE_MS));
    check_fill(client, 4096, 0, 50);
    uint64_t begin = check_now_ms();
    midisock_close(client);
    CHECK(check_now_ms() - begin < 2000);
    raw_close(fd);
    raw_close(listener);
}

/* A peer that begins to read when told, and then reads to the end. */
typedef struct reader {
    int fd;
    unsigned messages; /* of 8000 bytes each, numbered from 0 */
} reader;
enum { PIECE = 8000 };

static void *read_to_the_end(void *argument)
{
    const reader *r = argument;
    uint8_t data[PIECE];
    for (unsigned i = 0; i < r->messages; i++) {
        raw_read(r->fd, data, sizeof data);
        CHECK_INT(i, check_number(data, sizeof data));
    }
    RAW_EXPECT_END(r->fd);
    raw_close(r->fd);
    return NULL;
}

/* What was pushed before close arrives, then the end; with `unread` the peer
 * has sent what the port never takes, and with `other` the closed port is not
 * the process's last. */
static void close_delivers(int unread, int other)
{
    uint16_t port = 0;
    int listener = raw_listen_small(&port);
    midisock_config c = check_config();
    c.out_queue_bytes = 1 << 20;
    c.in_queue_bytes = 4096 * 16;
    c.linger_ms = DEADLINE_MS;
    midisock_port *keeper = other ? check_listen(NULL) : NULL;
    midisock_port *client = NULL;
    CHECK_OK(midisock_connect("127.0.0.1", port, &c, &client));
    reader r = {raw_accept(listener), 60};
    CHECK_OK(midisock_wait_connected(client, DEADLINE_MS));
    if (unread) {
        /* More than the in queue holds: some of it waits in the kernel. */
        static uint8_t notes[3 * 100000];
        for (size_t i = 0; i < sizeof notes; i += 3)
            memcpy(notes + i, "\x80\x3c\x40", 3);
        CHECK(raw_try_send(r.fd, notes, sizeof notes) > 0);
        CHECK_OK(midisock_wait(client, MIDISOCK_WAIT_MESSAGE, DEADLINE_MS));
    }
    uint8_t data[PIECE];
    for (unsigned i = 0; i < r.messages; i++) {
        check_numbered(data, sizeof data, i);
        CHECK_OK(midisock_push(client, data, sizeof data));
    }
    pthread_t thread;
    check_start(&thread, read_to_the_end, &r);
    midisock_close(client);
    check_join(thread);
    midisock_close(keeper);
    raw_close(listener);
}

static void what_was_pushed_before_close_arrives(void)
{
    close_delivers(0, 0);
    close_delivers(0, 1);
}

static void unread_input_does_not_reset(void)
{
    close_delivers(1, 0);
    close_delivers(1, 1);
}

static void last_close_waits_no_longer_than_it_must(void)
{
    uint16_t port = 0;
    int listener = raw_listen(&port);
    midisock_config c = check_config();
    c.linger_ms = DEADLINE_MS;
    midisock_port *client = NULL;
    CHECK_OK(midisock_connect("127.0.0.1", port, &c, &client));
    reader r = {raw_accept(listener), 0};
    CHECK_OK(midisock_wait_connected(client, DEADLINE_MS));
    pthread_t thread;
    check_start(&thread, read_to_the_end, &r);
    uint64_t begin = check_now_ms();
    midisock_close(client);
    CHECK(check_now_ms() - begin < DEADLINE_MS / 4);
    check_join(thread);
    raw_close(listener);
}

int main(int argc, char **argv)
{
    static const check_case cases[] = {
        CASE(stuck_peers_do_not_freeze_close),
        CASE(without_linger_close_does_not_wait),
        CASE(what_was_pushed_before_close_arrives),
        CASE(unread_input_does_not_reset),
        CASE(last_close_waits_no_longer_than_it_must),
    };
    return check_main(argc, argv, CASES(cases));
}
