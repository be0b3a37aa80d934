/* Messages in and out: which are valid, and how they are transferred. */
#include "check.h"
#include "raw.h"

#include <stdlib.h>
#include <string.h>

/* One connection seen from both ends: a port and a plain socket. */
typedef struct link {
    midisock_port *server;
    int fd;
} link;

static link make_link(const midisock_config *config)
{
    link l;
    l.server = check_listen(config);
    l.fd = raw_connect(midisock_local_port(l.server));
    NOTIFIED(l.server, MIDISOCK_NOTIFY_CLIENT_JOINED);
    return l;
}

static void end_link(link l)
{
    raw_close(l.fd);
    midisock_close(l.server);
}

/* How many bytes a message with this status has; 0: not of fixed size. */
static size_t length_of(unsigned status)
{
    if (status < 0x80)
        return 0;
    if (status < 0xf0)
        return status >> 4 == 0xc || status >> 4 == 0xd ? 2 : 3;
    switch (status) {
    case 0xf1:
    case 0xf3:
        return 2;
    case 0xf2:
        return 3;
    case 0xf6:
    case 0xf8:
    case 0xfa:
    case 0xfb:
    case 0xfc:
    case 0xfe:
    case 0xff:
        return 1;
    default: /* F0 and the undefined ones */
        return 0;
    }
}

static void every_kind_of_message(void)
{
    link l = make_link(NULL);
    midisock_port *client = check_connect(l.server, NULL);
    for (unsigned status = 0x80; status <= 0xff; status++) {
        size_t size = length_of(status);
        if (size == 0)
            continue;
        for (int extreme = 0; extreme < 3; extreme++) {
            uint8_t value = extreme == 0 ? 0 : extreme == 1 ? 0x7f : 0x40;
            const uint8_t data[] = {(uint8_t)status, value, (uint8_t)(value ^ 1)};
            CHECK_OK(midisock_push(client, data, size));
            midisock_message m = POP(l.server);
            CHECK_MEMORY(data, size, m.data, m.size);
            CHECK_OK(midisock_push(l.server, data, size));
            raw_expect(l.fd, data, size, __FILE__, __LINE__);
            raw_send(l.fd, data, size);
            m = POP(l.server);
            CHECK_MEMORY(data, size, m.data, m.size);
            m = POP(client);
            CHECK_MEMORY(data, size, m.data, m.size);
        }
    }
    CHECK_INT(0, check_stats(l.server).invalid_bytes);
    midisock_close(client);
    end_link(l);
}

/* Whether these bytes are exactly one whole message, by the specification. */
static int is_message(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    size_t fixed = length_of(data[0]);
    if (data[0] == 0xf0) {
        if (size < 2 || data[size - 1] != 0xf7)
            return 0;
        fixed = size - 1; /* what is between must be data */
    } else if (fixed == 0 || fixed != size) {
        return 0;
    }
    for (size_t i = 1; i < fixed; i++)
        if (data[i] >= 0x80)
            return 0;
    return 1;
}

static void only_whole_messages_are_taken(void)
{
    midisock_port *a = NULL;
    midisock_port *b = NULL;
    CHECK_OK(midisock_pair(NULL, &a, &b));
    /* Every status with every shape of what follows, up to five bytes. */
    static const uint8_t values[] = {0x00, 0x7f, 0x80, 0xf7, 0xf8, 0xff};
    enum { VALUES = sizeof values };
    unsigned taken = 0;
    for (unsigned status = 0; status <= 0xff; status++)
        for (size_t size = 1; size <= 5; size++) {
            unsigned shapes = 1;
            for (size_t i = 1; i < size; i++)
                shapes *= VALUES;
            for (unsigned shape = 0; shape < shapes; shape++) {
                uint8_t data[5] = {(uint8_t)status};
                unsigned rest = shape;
                for (size_t i = 1; i < size; i++, rest /= VALUES)
                    data[i] = values[rest % VALUES];
                midisock_result result = midisock_push(a, data, size);
                midisock_message m;
                if (is_message(data, size)) {
                    CHECK_OK(result);
                    CHECK_OK(midisock_pop(b, &m));
                    CHECK_MEMORY(data, size, m.data, m.size);
                    taken++;
                } else if (result != MIDISOCK_ERR_INVALID_MESSAGE) {
                    check_memory("", 0, data, size, "this was not refused: it", __FILE__,
                                 __LINE__);
                } else {
                    CHECK_RESULT(MIDISOCK_EMPTY, midisock_pop(b, &m));
                }
            }
        }
    CHECK(taken > 400);
    midisock_close(a);
    midisock_close(b);
}

static void an_empty_sysex_is_a_message(void)
{
    link l = make_link(NULL);
    CHECK_OK(midisock_push(l.server, BYTES(0xf0, 0xf7)));
    RAW_EXPECT(l.fd, 0xf0, 0xf7);
    RAW_SEND(l.fd, 0xf0, 0xf7);
    EXPECT(l.server, 0xf0, 0xf7);
    end_link(l);
}

static void times_of_arrival(void)
{
    link l = make_link(NULL);
    uint64_t last = midisock_now_ns();
    for (int i = 0; i < 50; i++) {
        RAW_SEND(l.fd, 0xf6);
        midisock_message m = EXPECT(l.server, 0xf6);
        CHECK(m.time_ns >= last);
        CHECK(m.time_ns <= midisock_now_ns());
        CHECK_INT(0, m.flags);
        CHECK_INT(0, m.reserved[0]);
        CHECK_INT(0, m.reserved[1]);
        last = m.time_ns;
    }
    end_link(l);
}

enum { STREAMED = 60000 };

static void *stream_numbers(void *argument)
{
    int fd = *(int *)argument;
    uint32_t random = 3;
    uint8_t data[200];
    for (uint32_t i = 0; i < STREAMED; i++) {
        size_t size = 8 + check_random(&random) % 193;
        check_numbered(data, size, i);
        raw_send(fd, data, size);
    }
    return NULL;
}

static void data_stays_until_the_next_pop(void)
{
    midisock_config c = check_config();
    c.in_queue_bytes = 4096;
    c.overflow = MIDISOCK_OVERFLOW_WAIT;
    link l = make_link(&c);
    pthread_t thread;
    check_start(&thread, stream_numbers, &l.fd);
    for (uint32_t i = 0; i < STREAMED; i++) {
        midisock_message m = POP(l.server);
        /* Now and then, while more arrives all round it: ten of the longest
         * always fit behind. */
        if (i % 100 == 0 && i + 11 < STREAMED)
            CHECK_SOON(check_stats(l.server).messages_in >= i + 11);
        CHECK_INT(i, check_number(m.data, m.size));
    }
    check_join(thread);
    end_link(l);
}

static void every_size_up_to_the_largest(void)
{
    link l = make_link(NULL);
    midisock_port *client = check_connect(l.server, NULL);
    static uint8_t data[16385];
    uint32_t number = 0;
    for (size_t size = 8; size <= 16384; size += size < 600 ? 1 : 977) {
        check_numbered(data, size, ++number);
        check_push(client, data, size);
        midisock_message m = POP(l.server);
        CHECK_MEMORY(data, size, m.data, m.size);
        raw_send(l.fd, data, size);
        m = POP(l.server);
        CHECK_MEMORY(data, size, m.data, m.size);
        check_push(l.server, data, size);
        raw_expect(l.fd, data, size, __FILE__, __LINE__);
        m = POP(client);
        CHECK_MEMORY(data, size, m.data, m.size);
    }
    check_numbered(data, 16384, 1);
    check_push(client, data, 16384);
    midisock_message m = POP(l.server);
    CHECK_MEMORY(data, 16384, m.data, m.size);
    check_numbered(data, 16385, 1);
    CHECK_RESULT(MIDISOCK_ERR_TOO_LARGE, midisock_push(client, data, 16385));
    midisock_close(client);
    end_link(l);
}

static void too_large_ones_from_a_peer(void)
{
    midisock_config c = check_config();
    c.max_message_bytes = 64;
    link l = make_link(&c);
    static uint8_t data[100000];
    static const size_t sizes[] = {65, 66, 1000, sizeof data};
    for (unsigned i = 0; i < 4; i++) {
        check_numbered(data, sizes[i], 1);
        raw_send(l.fd, data, sizes[i]);
        RAW_SEND(l.fd, 0x90, (uint8_t)i, 1);
        EXPECT(l.server, 0x90, (uint8_t)i, 1); /* in step */
        CHECK_COUNT(l.server, oversize_in, i + 1);
        check_numbered(data, 64, 1);
        raw_send(l.fd, data, 64);
        midisock_message m = POP(l.server);
        CHECK_MEMORY(data, 64, m.data, m.size);
    }
    /* Clock goes on through it. */
    uint8_t start[] = {0xf0};
    raw_send(l.fd, start, 1);
    memset(data, 0x11, 1000);
    raw_send(l.fd, data, 1000);
    RAW_SEND(l.fd, 0xf8);
    EXPECT(l.server, 0xf8);
    RAW_SEND(l.fd, 0xf7, 0xf6);
    EXPECT(l.server, 0xf6);
    CHECK_COUNT(l.server, oversize_in, 5);
    end_link(l);
}

static void half_closed_like_printf_to_nc(void)
{
    midisock_port *server = check_listen(NULL);
    int fd = raw_connect(midisock_local_port(server));
    RAW_SEND(fd, 0xc0, 0x11, 0xf6);
    raw_half_close(fd);
    EXPECT(server, 0xc0, 0x11);
    EXPECT(server, 0xf6);
    RAW_EXPECT_END(fd);
    CHECK_RESULT(MIDISOCK_OK, (NOTIFIED(server, MIDISOCK_NOTIFY_CLIENT_JOINED),
                               NOTIFIED(server, MIDISOCK_NOTIFY_CLIENT_LEFT).reason));
    raw_close(fd);
    midisock_close(server);
}

static void what_waits_is_written_after_a_half_close(void)
{
    midisock_config c = check_config();
    c.out_queue_bytes = 1 << 20;
    c.client_buffer_bytes = 1 << 20;
    c.max_delay_ms = DEADLINE_MS;
    c.linger_ms = DEADLINE_MS;
    midisock_port *server = check_listen(&c);
    int fd = raw_connect_small(midisock_local_port(server));
    NOTIFIED(server, MIDISOCK_NOTIFY_CLIENT_JOINED);
    static uint8_t data[10000];
    for (uint32_t i = 0; i < 50; i++) {
        check_numbered(data, sizeof data, i);
        CHECK_OK(midisock_push(server, data, sizeof data));
    }
    RAW_SEND(fd, 0xf6);
    raw_half_close(fd);
    EXPECT(server, 0xf6);
    for (uint32_t i = 0; i < 50; i++) {
        raw_read(fd, data, sizeof data);
        CHECK_INT(i, check_number(data, sizeof data));
    }
    RAW_EXPECT_END(fd);
    raw_close(fd);
    midisock_close(server);
}

static void outgoing_bytes_are_the_pushed_ones(void)
{
    /* Byte for byte: no running status, nothing between, nothing merged. */
    link l = make_link(NULL);
    static uint8_t expected[300000];
    size_t at = 0;
    uint32_t random = 7;
    static uint8_t data[2000];
    for (int i = 0; i < 3000; i++) {
        size_t size;
        uint32_t kind = check_random(&random) % 10;
        if (kind < 6) {
            data[0] = 0x90; /* always the same status: it tempts */
            data[1] = (uint8_t)(check_random(&random) & 0x7f);
            data[2] = (uint8_t)(check_random(&random) & 0x7f);
            size = 3;
        } else if (kind < 9) {
            data[0] = (uint8_t)(0xf8 + (check_random(&random) & 2));
            size = 1;
        } else {
            size = 8 + check_random(&random) % 500;
            check_numbered(data, size, (uint32_t)i);
        }
        CHECK(at + size <= sizeof expected);
        check_push(l.server, data, size);
        memcpy(expected + at, data, size);
        at += size;
        if (at > 20000 || i == 2999) {
            raw_expect(l.fd, expected, at, __FILE__, __LINE__);
            at = 0;
        }
    }
    CHECK_COUNT(l.server, messages_out, 3000);
    CHECK_INT(0, check_stats(l.server).dropped_out);
    end_link(l);
}

static void counts_of_what_passed(void)
{
    midisock_port *server = check_listen(NULL);
    midisock_port *client = check_connect(server, NULL);
    for (int i = 0; i < 100; i++)
        check_push(client, BYTES(0xb1, 80, (uint8_t)i));
    for (int i = 0; i < 100; i++)
        EXPECT(server, 0xb1, 80, (uint8_t)i);
    CHECK_OK(midisock_flush(client, DEADLINE_MS));
    CHECK_COUNT(server, messages_in, 100);
    CHECK_COUNT(server, bytes_in, 300);
    CHECK_COUNT(client, messages_out, 100);
    CHECK_COUNT(client, bytes_out, 300);
    midisock_stats in = check_stats(server);
    midisock_stats out = check_stats(client);
    CHECK_INT(0, in.messages_out);
    CHECK_INT(0, out.messages_in);
    CHECK_INT(1, in.connections);
    CHECK_INT(1, out.connections);
    CHECK_INT(0, in.dropped_in);
    CHECK_INT(0, out.dropped_out);
    CHECK_INT(0, in.invalid_bytes);
    CHECK_INT(0, in.unrepaired);
    CHECK_INT(0, in.synthesized);
    midisock_close(client);
    midisock_close(server);
}

static void skipping_what_waits(void)
{
    link l = make_link(NULL);
    for (uint8_t i = 0; i < 50; i++)
        RAW_SEND(l.fd, 0xf3, i);
    CHECK_SOON(check_stats(l.server).messages_in == 50);
    CHECK_OK(midisock_skip(l.server));
    RAW_SEND(l.fd, 0xf6);
    /* What was skipped comes to the last song selected. */
    CHECK_INT(MIDISOCK_FLAG_SYNTHETIC, EXPECT(l.server, 0xf3, 49).flags);
    CHECK_INT(0, EXPECT(l.server, 0xf6).flags);
    CHECK_OK(midisock_skip(l.server));
    midisock_message m;
    CHECK_RESULT(MIDISOCK_EMPTY, midisock_pop(l.server, &m));
    end_link(l);
}

int main(int argc, char **argv)
{
    static const check_case cases[] = {
        CASE(every_kind_of_message),
        CASE(only_whole_messages_are_taken),
        CASE(an_empty_sysex_is_a_message),
        CASE(times_of_arrival),
        CASE(data_stays_until_the_next_pop),
        CASE(every_size_up_to_the_largest),
        CASE(too_large_ones_from_a_peer),
        CASE(half_closed_like_printf_to_nc),
        CASE(what_waits_is_written_after_a_half_close),
        CASE(outgoing_bytes_are_the_pushed_ones),
        CASE(counts_of_what_passed),
        CASE(skipping_what_waits),
    };
    return check_main(argc, argv, CASES(cases));
}
