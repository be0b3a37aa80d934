/* panic and reset: their bytes, and what becomes of what waits. */
#include "check.h"
#include "raw.h"

#include <string.h>

/* All Sound Off on each channel. */
static void panic_bytes(uint8_t out[48])
{
    for (int i = 0; i < 16; i++) {
        out[3 * i] = (uint8_t)(0xb0 | i);
        out[3 * i + 1] = 120;
        out[3 * i + 2] = 0;
    }
}

/* All Notes Off and Reset All Controllers on each channel. */
static void reset_bytes(uint8_t out[96])
{
    for (int i = 0; i < 16; i++) {
        const uint8_t both[] = {(uint8_t)(0xb0 | i), 123, 0, (uint8_t)(0xb0 | i), 121, 0};
        memcpy(out + 6 * i, both, 6);
    }
}

static void bytes_from_a_client(void)
{
    uint8_t panic[48];
    uint8_t reset[96];
    panic_bytes(panic);
    reset_bytes(reset);
    uint16_t port = 0;
    int listener = raw_listen(&port);
    midisock_config c = check_config();
    midisock_port *client = NULL;
    CHECK_OK(midisock_connect("127.0.0.1", port, &c, &client));
    int fd = raw_accept(listener);
    CHECK_OK(midisock_wait_connected(client, DEADLINE_MS));
    for (int i = 0; i < 20; i++) {
        CHECK_OK(midisock_panic(client));
        raw_expect(fd, panic, sizeof panic, __FILE__, __LINE__);
        CHECK_OK(midisock_reset(client));
        raw_expect(fd, reset, sizeof reset, __FILE__, __LINE__);
        CHECK_OK(midisock_push(client, BYTES(0xf6)));
        RAW_EXPECT(fd, 0xf6);
    }
    raw_close(fd);
    raw_close(listener);
    midisock_close(client);
}

static void bytes_to_every_client(void)
{
    enum { N = 5 };
    uint8_t panic[48];
    uint8_t reset[96];
    panic_bytes(panic);
    reset_bytes(reset);
    midisock_port *server = check_listen(NULL);
    int fds[N];
    for (int i = 0; i < N; i++) {
        fds[i] = raw_connect(midisock_local_port(server));
        NOTIFIED(server, MIDISOCK_CLIENT_JOINED);
    }
    CHECK_OK(midisock_panic(server));
    for (int i = 0; i < N; i++)
        raw_expect(fds[i], panic, sizeof panic, __FILE__, __LINE__);
    CHECK_OK(midisock_reset(server));
    for (int i = 0; i < N; i++)
        raw_expect(fds[i], reset, sizeof reset, __FILE__, __LINE__);
    for (int i = 0; i < N; i++)
        raw_close(fds[i]);
    midisock_close(server);
}

static void nobody_to_tell(void)
{
    uint16_t port;
    int holder = raw_refusing(&port);
    midisock_port *client = NULL;
    CHECK_OK(midisock_connect("127.0.0.1", port, NULL, &client));
    CHECK_RESULT(MIDISOCK_OFFLINE, midisock_panic(client));
    CHECK_RESULT(MIDISOCK_OFFLINE, midisock_reset(client));
    midisock_close(client);
    raw_close(holder);
    midisock_port *server = check_listen(NULL);
    CHECK_RESULT(MIDISOCK_OFFLINE, midisock_panic(server));
    CHECK_RESULT(MIDISOCK_OFFLINE, midisock_reset(server));
    midisock_close(server);
}

enum { SIZE = 3000 };

static void panic_drops_what_waits(void)
{
    uint16_t port = 0;
    int listener = raw_listen_small(&port);
    midisock_config c = check_config();
    c.overflow = MIDISOCK_OVERFLOW_WAIT;
    midisock_port *client = NULL;
    CHECK_OK(midisock_connect("127.0.0.1", port, &c, &client));
    int fd = raw_accept(listener);
    CHECK_OK(midisock_wait_connected(client, DEADLINE_MS));
    uint32_t pushed = check_fill(client, SIZE, 0, 100);
    CHECK_OK(midisock_panic(client)); /* never full */
    /* Wait until it has taken effect: the queue is free again. */
    CHECK_OK(midisock_wait(client, MIDISOCK_WAIT_ROOM, DEADLINE_MS));
    CHECK_OK(midisock_push(client, BYTES(0xf6)));
    /* Whole messages in order as far as they were written, then the panic,
     * then what was pushed after it. */
    uint8_t data[SIZE];
    uint32_t got = 0;
    for (;;) {
        raw_read(fd, data, 1);
        if (data[0] != 0xf0)
            break;
        raw_read(fd, data + 1, SIZE - 1);
        CHECK_INT(got, check_number(data, SIZE));
        got++;
    }
    CHECK(got < pushed);
    uint8_t panic[48];
    panic_bytes(panic);
    CHECK_INT(panic[0], data[0]);
    raw_expect(fd, panic + 1, sizeof panic - 1, __FILE__, __LINE__);
    RAW_EXPECT(fd, 0xf6);
    raw_close(fd);
    raw_close(listener);
    midisock_close(client);
}

static void reset_drops_nothing(void)
{
    uint16_t port = 0;
    int listener = raw_listen_small(&port);
    midisock_config c = check_config();
    c.overflow = MIDISOCK_OVERFLOW_WAIT;
    midisock_port *client = NULL;
    CHECK_OK(midisock_connect("127.0.0.1", port, &c, &client));
    int fd = raw_accept(listener);
    CHECK_OK(midisock_wait_connected(client, DEADLINE_MS));
    uint32_t pushed = check_fill(client, SIZE, 0, 100);
    CHECK_OK(midisock_reset(client)); /* never full */
    /* Where among them it goes is open; it goes whole, and they are all there. */
    uint8_t data[SIZE];
    uint8_t reset[96];
    reset_bytes(reset);
    uint32_t got = 0;
    int resets = 0;
    while (got < pushed || resets < 1) {
        raw_read(fd, data, 1);
        if (data[0] == 0xf0) {
            raw_read(fd, data + 1, SIZE - 1);
            CHECK_INT(got, check_number(data, SIZE));
            got++;
        } else {
            CHECK_INT(reset[0], data[0]);
            raw_expect(fd, reset + 1, sizeof reset - 1, __FILE__, __LINE__);
            resets++;
        }
    }
    raw_close(fd);
    raw_close(listener);
    midisock_close(client);
}

typedef struct hammer {
    midisock_port *port;
    int panics;
} hammer;
enum { HAMMERED = 300 };

static void *panic_often(void *argument)
{
    hammer *h = argument;
    for (int i = 0; i < HAMMERED; i++) {
        CHECK_OK(h->panics ? midisock_panic(h->port) : midisock_reset(h->port));
        check_pause();
    }
    return NULL;
}

static void from_any_thread_while_another_pushes(void)
{
    midisock_port *server = check_listen(NULL);
    midisock_config c = check_config();
    c.overflow = MIDISOCK_OVERFLOW_WAIT;
    midisock_port *client = check_connect(server, &c);
    hammer hammers[] = {{client, 1}, {client, 0}};
    pthread_t threads[2];
    check_start(&threads[0], panic_often, &hammers[0]);
    check_start(&threads[1], panic_often, &hammers[1]);
    uint8_t data[100];
    for (uint32_t i = 0; i < 20000; i++) {
        check_numbered(data, sizeof data, i);
        check_push(client, data, sizeof data);
        midisock_message m;
        while (midisock_pop(server, &m) == MIDISOCK_OK)
            if (m.data[0] == 0xf0)
                check_number(m.data, m.size); /* nothing is torn */
    }
    check_join(threads[0]);
    check_join(threads[1]);
    /* A last one, after everything: it comes complete. */
    CHECK_OK(midisock_flush(client, DEADLINE_MS));
    CHECK_OK(midisock_push(client, BYTES(0xf3, 0x55)));
    midisock_message m;
    do
        m = POP(server);
    while (m.data[0] != 0xf3);
    CHECK_INT(0, check_stats(server).invalid_bytes);
    midisock_close(client);
    midisock_close(server);
}

int main(int argc, char **argv)
{
    static const check_case cases[] = {
        CASE(bytes_from_a_client),    CASE(bytes_to_every_client),
        CASE(nobody_to_tell),         CASE(panic_drops_what_waits),
        CASE(reset_drops_nothing),    CASE(from_any_thread_while_another_pushes),
    };
    return check_main(argc, argv, CASES(cases));
}
