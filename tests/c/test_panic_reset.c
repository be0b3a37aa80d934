/* panic and reset: their bytes, and their effect on waiting messages. */
#include "check.h"
#include "raw.h"
#include "receiver.h"

#include <stdbool.h>
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
        NOTIFIED(server, MIDISOCK_NOTIFY_CLIENT_JOINED);
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

static void without_a_peer(void)
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

static void later_pushes_come_after_panic_and_reset(void)
{
    /* The network thread goes round and round meanwhile, and has something to
     * do: at some time it looks between the two calls. */
    uint8_t panic[48];
    uint8_t reset[96];
    panic_bytes(panic);
    reset_bytes(reset);
    uint16_t number = 0;
    int listener = raw_listen(&number);
    midisock_config c = check_config();
    c.busy_poll_us = 1000000;
    midisock_port *client = NULL;
    CHECK_OK(midisock_connect("127.0.0.1", number, &c, &client));
    int fd = raw_accept(listener);
    CHECK_OK(midisock_wait_connected(client, DEADLINE_MS));
    for (int i = 0; i < 1500; i++) {
        const uint8_t note[] = {0x90, (uint8_t)(i & 127), 64};
        const uint8_t *request = i % 3 == 0 ? panic : reset;
        const size_t size = i % 3 == 0 ? sizeof panic : i % 3 == 1 ? sizeof reset : 0;
        int before = 1 + i % 64;
        uint8_t got = 0xf3;
        for (int k = 0; k < before; k++)
            CHECK_OK(midisock_push(client, BYTES(0xf3, 0x55)));
        if (i % 3 == 0) {
            CHECK_OK(midisock_panic(client));
            CHECK_OK(midisock_push(client, note, 3));
        } else if (i % 3 == 1) {
            CHECK_OK(midisock_reset(client));
            CHECK_OK(midisock_push(client, note, 3));
        } else {
            midisock_message m = {0};
            m.data = note;
            m.size = 3;
            m.time_ns = midisock_now_ns() + 100000;
            CHECK_OK(midisock_cancel(client));
            CHECK_OK(midisock_push_message(client, &m));
        }
        /* A panic drops what waits, the others nothing. */
        for (raw_read(fd, &got, 1); got == 0xf3; raw_read(fd, &got, 1)) {
            RAW_EXPECT(fd, 0x55);
            before--;
        }
        CHECK(i % 3 == 0 ? before >= 0 : before == 0);
        if (size != 0) {
            CHECK_INT(request[0], got);
            raw_expect(fd, request + 1, size - 1, __FILE__, __LINE__);
            raw_read(fd, &got, 1);
        }
        CHECK_INT(note[0], got);
        raw_expect(fd, note + 1, sizeof note - 1, __FILE__, __LINE__);
    }
    raw_close(fd);
    raw_close(listener);
    midisock_close(client);
}

enum { PAIR, CLIENT, SERVER, ROLES };

/* Whether a pedal, pressed before a reset and after it, is where it belongs at
 * the peer though every push was refused. */
static void reset_among_refused(int role)
{
    midisock_config c = check_config();
    c.overflow = MIDISOCK_OVERFLOW_REPAIR;
    c.in_queue_bytes = c.out_queue_bytes = 4096;
    c.tick_us = 100000; /* so that pushes find the queue full */
    midisock_port *port = NULL, *other = NULL;
    uint16_t number = 0;
    int listener = -1, fd = -1;
    if (role == PAIR) {
        CHECK_OK(midisock_pair(&c, &port, &other));
    } else if (role == CLIENT) {
        listener = raw_listen(&number);
        CHECK_OK(midisock_connect("127.0.0.1", number, &c, &port));
        fd = raw_accept(listener);
        CHECK_OK(midisock_wait_connected(port, DEADLINE_MS));
    } else {
        port = check_listen(&c);
        fd = raw_connect(midisock_local_port(port));
        NOTIFIED(port, MIDISOCK_NOTIFY_CLIENT_JOINED);
    }
    while (midisock_push(port, BYTES(0xb0, 64, 127)) != MIDISOCK_ERR_FULL)
        continue;
    midisock_push(port, BYTES(0xe1, 127, 127));
    midisock_push(port, BYTES(0xb2, 11, 3));
    CHECK_OK(midisock_reset(port));
    midisock_push(port, BYTES(0xb3, 64, 127));
    midisock_push(port, BYTES(0xb2, 1, 5));
    CHECK_OK(midisock_reset(port));
    midisock_push(port, BYTES(0xb4, 64, 127));
    midisock_push(port, BYTES(0xb2, 11, 9));
    /* What comes when there is room again is the last. */
    receiver r;
    receiver_init(&r, 0);
    uint64_t until = check_now_ms() + DEADLINE_MS;
    bool marked = false, end = false;
    while (!end) {
        CHECK(check_now_ms() < until);
        midisock_message m;
        uint8_t data[3];
        if (fd >= 0 && !marked)
            CHECK_OK(midisock_flush(port, DEADLINE_MS));
        if (!marked)
            marked = midisock_push(port, BYTES(0xb5, 20, 77)) == MIDISOCK_OK;
        if (fd >= 0) {
            raw_read(fd, data, 3); /* no other size was sent */
            receiver_hear(&r, data, 3);
        } else if (midisock_pop(other, &m) == MIDISOCK_OK) {
            receiver_hear(&r, m.data, m.size);
        }
        end = r.channels[5].control[20] == 77;
    }
    CHECK_INT(0, r.channels[0].control[64]);
    CHECK_INT(0x2000, r.channels[1].bend);
    CHECK_INT(9, r.channels[2].control[11]);
    CHECK_INT(0, r.channels[2].control[1]);
    CHECK_INT(0, r.channels[3].control[64]);
    CHECK_INT(127, r.channels[4].control[64]);
    midisock_close(port);
    midisock_close(other);
    if (fd >= 0)
        raw_close(fd);
    if (listener >= 0)
        raw_close(listener);
}

static void reset_has_its_place_among_refused_pushes(void)
{
    for (int role = 0; role < ROLES; role++)
        reset_among_refused(role);
}

static void refused_after_a_reset_of_a_skipped_queue(void)
{
    /* All that the reset came after is skipped; the pedal was pressed later. */
    midisock_config c = check_config();
    c.overflow = MIDISOCK_OVERFLOW_REPAIR;
    c.in_queue_bytes = c.out_queue_bytes = 4096;
    midisock_port *a = NULL, *b = NULL;
    CHECK_OK(midisock_pair(&c, &a, &b));
    unsigned room = 0;
    while (midisock_push(a, BYTES(0xb5, 20, 1)) == MIDISOCK_OK)
        room++;
    midisock_message m;
    while (midisock_pop(b, &m) == MIDISOCK_OK)
        continue;
    for (unsigned i = 0; i < room; i++)
        CHECK_OK(midisock_push(a, BYTES(0xb5, 20, 1)));
    CHECK_OK(midisock_reset(a));
    CHECK_RESULT(MIDISOCK_ERR_FULL, midisock_push(a, BYTES(0xb0, 64, 127)));
    CHECK_OK(midisock_skip(b));
    receiver r;
    receiver_init(&r, 0);
    while (midisock_pop(b, &m) == MIDISOCK_OK)
        receiver_hear(&r, m.data, m.size);
    CHECK_INT(127, r.channels[0].control[64]);
    midisock_close(a);
    midisock_close(b);
}

static void reset_after_undelivered_messages(void)
{
    /* The connection breaks while a pedal, pressed before a reset, still waits
     * in the queue. */
    midisock_config c = check_config();
    c.overflow = MIDISOCK_OVERFLOW_REPAIR;
    c.tick_us = 100000;
    c.reconnect_min_ms = c.reconnect_max_ms = 10;
    uint16_t number = 0;
    int listener = raw_listen(&number);
    midisock_port *port = NULL;
    CHECK_OK(midisock_connect("127.0.0.1", number, &c, &port));
    int fd = raw_accept(listener);
    for (int i = 0; i < 10; i++) {
        CHECK_OK(midisock_wait_connected(port, DEADLINE_MS));
        midisock_push(port, BYTES(0xb0, 64, 127));
        midisock_push(port, BYTES(0xb1, 20, 1));
        midisock_reset(port);
        raw_reset(fd);
        fd = raw_accept(listener);
        CHECK_SOON(midisock_push(port, BYTES(0xb5, 20, 77)) == MIDISOCK_OK);
        receiver r;
        receiver_init(&r, 0);
        while (r.channels[5].control[20] != 77) {
            uint8_t data[3];
            raw_read(fd, data, 3); /* no other size was sent */
            receiver_hear(&r, data, 3);
        }
        CHECK(r.channels[0].control[64] <= 0);
        CHECK_OK(midisock_push(port, BYTES(0xb5, 20, 0)));
        CHECK_OK(midisock_flush(port, DEADLINE_MS));
    }
    midisock_close(port);
    raw_close(fd);
    raw_close(listener);
}

static void each_reset_has_its_place(void)
{
    uint8_t reset[96];
    reset_bytes(reset);
    uint16_t port = 0;
    int listener = raw_listen(&port);
    midisock_config c = check_config();
    midisock_port *client = NULL;
    CHECK_OK(midisock_connect("127.0.0.1", port, &c, &client));
    int fd = raw_accept(listener);
    CHECK_OK(midisock_wait_connected(client, DEADLINE_MS));
    for (uint8_t i = 0; i < 20; i++) {
        CHECK_OK(midisock_reset(client));
        CHECK_OK(midisock_push(client, BYTES(0xb0, 7, i)));
        CHECK_OK(midisock_reset(client));
        CHECK_OK(midisock_push(client, BYTES(0xf6)));
        raw_expect(fd, reset, sizeof reset, __FILE__, __LINE__);
        RAW_EXPECT(fd, 0xb0, 7, i);
        raw_expect(fd, reset, sizeof reset, __FILE__, __LINE__);
        RAW_EXPECT(fd, 0xf6);
    }
    raw_close(fd);
    raw_close(listener);
    midisock_close(client);
}

int main(int argc, char **argv)
{
    static const check_case cases[] = {
        CASE(bytes_from_a_client),    CASE(bytes_to_every_client),
        CASE(without_a_peer),         CASE(panic_drops_what_waits),
        CASE(reset_has_its_place_among_refused_pushes),
        CASE(refused_after_a_reset_of_a_skipped_queue),
        CASE(reset_after_undelivered_messages),
        CASE(reset_drops_nothing),    CASE(from_any_thread_while_another_pushes),
        CASE(later_pushes_come_after_panic_and_reset),
        CASE(each_reset_has_its_place),
    };
    return check_main(argc, argv, CASES(cases));
}
