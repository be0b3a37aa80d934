/* Configuration: its size on both sides, its defaults, its limits. */
#include "check.h"
#include "raw.h"

#include <stdlib.h>
#include <string.h>

static void defaults(void)
{
    midisock_config c;
    memset(&c, 0xa5, sizeof c);
    midisock_config_init(&c, sizeof c);
    CHECK_INT(sizeof c, c.struct_size);
    CHECK_INT(65536, c.in_queue_bytes);
    CHECK_INT(65536, c.out_queue_bytes);
    CHECK_INT(16384, c.max_message_bytes);
    CHECK_INT(MIDISOCK_ACCEPT_MERGED, c.accept_mode);
    CHECK_INT(64, c.max_clients);
    CHECK(c.allow == NULL);
    CHECK_INT(MIDISOCK_OVERFLOW_AUTO, c.overflow);
    CHECK_INT(500, c.max_delay_ms);
    CHECK_INT(65536, c.client_buffer_bytes);
    CHECK_INT(5000, c.connect_timeout_ms);
    CHECK_INT(100, c.reconnect_min_ms);
    CHECK_INT(5000, c.reconnect_max_ms);
    CHECK_INT(0, c.listen_retry_ms);
    CHECK_INT(10000, c.keepalive_ms);
    CHECK_INT(0, c.stall_timeout_ms);
    CHECK_INT(1000, c.linger_ms);
    CHECK_INT(1, c.release_on_disconnect);
    CHECK_INT(1, c.release_on_close);
    CHECK_INT(0, c.greet);
    CHECK_INT(MIDISOCK_WAKE_TICK, c.wake);
    CHECK_INT(500, c.tick_us);
    CHECK_INT(0, c.busy_poll_us);
    CHECK(c.latency_ns == MIDISOCK_LATENCY_AUTO);
    CHECK(c.push_latency_ns == 0);
    CHECK_INT(0, c.realtime_priority);
    CHECK_INT(0, c.traffic_class);
    CHECK_INT(MIDISOCK_ALL_CHANNELS, c.channels);
}

static const midisock_config constant = MIDISOCK_CONFIG_INIT;

static void the_initializer_has_the_defaults(void)
{
    /* Byte by byte: no byte is between the fields. */
    midisock_config c;
    memset(&c, 0xa5, sizeof c);
    midisock_config_init(&c, sizeof c);
    CHECK_MEMORY(&c, sizeof c, &constant, sizeof constant);
    const midisock_config here = MIDISOCK_CONFIG_INIT;
    CHECK_MEMORY(&c, sizeof c, &here, sizeof here);
    midisock_port *a = NULL;
    midisock_port *b = NULL;
    CHECK_OK(midisock_pair(&constant, &a, &b));
    midisock_close(a);
    midisock_close(b);
}

static void init_of_null_does_nothing(void)
{
    midisock_config_init(NULL, 0);
    midisock_config_init(NULL, sizeof(midisock_config));
    midisock_config_init(NULL, SIZE_MAX);
}

static void init_writes_within_its_size(void)
{
    /* On the heap and of exactly that size, so that a sanitizer sees a write
     * beyond; and with a margin, so that anybody does. */
    midisock_config whole;
    midisock_config_init(&whole, sizeof whole);
    for (size_t size = 0; size <= sizeof whole; size++) {
        unsigned char *exact = malloc(size + 1);
        unsigned char *wide = malloc(sizeof whole + 64);
        CHECK(exact != NULL && wide != NULL);
        memset(wide, 0xa5, sizeof whole + 64);
        midisock_config_init((midisock_config *)(void *)exact, size);
        midisock_config_init((midisock_config *)(void *)wide, size);
        for (size_t i = size; i < sizeof whole + 64; i++)
            CHECK_INT(0xa5, wide[i]);
        if (size >= 4) {
            uint32_t said;
            memcpy(&said, wide, 4);
            CHECK_INT(size, said);
            CHECK_MEMORY((unsigned char *)&whole + 4, size - 4, wide + 4, size - 4);
        }
        free(exact);
        free(wide);
    }
}

/* A struct of a newer header: more fields than this library knows. */
typedef struct newer {
    midisock_config known;
    unsigned char beyond[128];
} newer;

static void a_newer_caller_gets_zeros_beyond(void)
{
    newer c;
    memset(&c, 0xa5, sizeof c);
    midisock_config_init(&c.known, sizeof c);
    CHECK_INT(sizeof c, c.known.struct_size);
    CHECK_INT(65536, c.known.in_queue_bytes);
    for (size_t i = 0; i < sizeof c.beyond; i++)
        CHECK_INT(0, c.beyond[i]);
    midisock_port *port = NULL;
    CHECK_OK(midisock_listen(NULL, 0, &c.known, &port));
    midisock_close(port);
}

static void unknown_fields_must_be_zero(void)
{
    for (size_t i = 0; i < sizeof((newer *)0)->beyond; i += 13) {
        newer c;
        midisock_config_init(&c.known, sizeof c);
        c.beyond[i] = 1;
        midisock_port *a = NULL;
        midisock_port *b = NULL;
        CHECK_INVALID(midisock_listen(NULL, 0, &c.known, &a));
        CHECK_INVALID(midisock_connect("127.0.0.1", 9, &c.known, &a));
        CHECK_INVALID(midisock_pair(&c.known, &a, &b));
        CHECK(a == NULL && b == NULL);
    }
}

static void an_older_caller_gets_defaults(void)
{
    /* Every prefix there could have been, unaligned ends included; what lies
     * beyond it is not the library's to read: on the heap a sanitizer sees. */
    for (uint32_t size = 4; size <= sizeof(midisock_config); size += 4) {
        midisock_config *c = malloc(size);
        CHECK(c != NULL);
        midisock_config_init(c, size);
        midisock_port *a = NULL;
        midisock_port *b = NULL;
        CHECK_OK(midisock_pair(c, &a, &b));
        free(c);
        midisock_push(a, BYTES(0xf8));
        EXPECT(b, 0xf8);
        midisock_close(a);
        midisock_close(b);
    }
}

static void the_fields_an_older_caller_knows_count(void)
{
    /* Up to accept_mode: an older header's struct ends behind it. */
    midisock_config c;
    midisock_config_init(&c, sizeof c);
    uint32_t size = (uint32_t)(offsetof(midisock_config, accept_mode) + 4);
    unsigned char *old = malloc(size);
    CHECK(old != NULL);
    memcpy(old, &c, size);
    memcpy(old, &size, 4);
    uint32_t manual = MIDISOCK_ACCEPT_MANUAL;
    memcpy(old + offsetof(midisock_config, accept_mode), &manual, 4);
    midisock_port *port = NULL;
    CHECK_OK(midisock_listen(NULL, 0, (midisock_config *)(void *)old, &port));
    free(old);
    CHECK_ROLE(midisock_push(port, BYTES(0xf8)));
    midisock_close(port);
}

static void impossible_sizes_are_refused(void)
{
    const uint32_t sizes[] = {0, 1, 2, 3, 4097, 1u << 20, UINT32_MAX};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        midisock_config c = check_config();
        c.struct_size = sizes[i];
        midisock_port *a = NULL;
        midisock_port *b = NULL;
        CHECK_INVALID(midisock_listen(NULL, 0, &c, &a));
        CHECK_INVALID(midisock_connect("127.0.0.1", 9, &c, &a));
        CHECK_INVALID(midisock_pair(&c, &a, &b));
        CHECK(a == NULL && b == NULL);
    }
}

static void refused_everywhere(const midisock_config *c)
{
    midisock_port *a = NULL;
    midisock_port *b = NULL;
    CHECK_INVALID(midisock_listen(NULL, 0, c, &a));
    CHECK_INVALID(midisock_connect("127.0.0.1", 9, c, &a));
    CHECK_INVALID(midisock_pair(c, &a, &b));
    CHECK(a == NULL && b == NULL);
}

static void unknown_enumerated_values_are_refused(void)
{
    const uint32_t bad[] = {17, 1000, 0x80000000u, UINT32_MAX};
    for (size_t i = 0; i < 4; i++) {
        midisock_config c = check_config();
        c.accept_mode = bad[i];
        refused_everywhere(&c);
        c = check_config();
        c.overflow = bad[i];
        refused_everywhere(&c);
        c = check_config();
        c.wake = bad[i];
        refused_everywhere(&c);
        c = check_config();
        c.timing = bad[i];
        refused_everywhere(&c);
    }
}

static void too_large_queues_are_refused(void)
{
    const uint32_t bad[] = {(1u << 30) + 1, 1u << 31, UINT32_MAX};
    for (size_t i = 0; i < 3; i++) {
        midisock_config c = check_config();
        c.in_queue_bytes = bad[i];
        refused_everywhere(&c);
        c = check_config();
        c.out_queue_bytes = bad[i];
        refused_everywhere(&c);
    }
}

static void config_is_not_written_nor_kept(void)
{
    midisock_config *c = malloc(sizeof *c);
    char *allow = malloc(32);
    CHECK(c != NULL && allow != NULL);
    *c = check_config();
    strcpy(allow, "127.0.0.1,::1");
    c->allow = allow;
    midisock_config before = *c;
    midisock_port *port = NULL;
    CHECK_OK(midisock_listen(NULL, 0, c, &port));
    CHECK_MEMORY(&before, sizeof before, c, sizeof *c);
    /* Neither is read after the call: a sanitizer sees it if they are. */
    memset(allow, 'x', 32);
    free(allow);
    memset(c, 0xff, sizeof *c);
    free(c);
    int fd = raw_connect(midisock_local_port(port));
    RAW_SEND(fd, 0xf6);
    EXPECT(port, 0xf6);
    raw_close(fd);
    midisock_close(port);
}

/* How many messages of `size` bytes a pair of that queue takes unread. */
static uint32_t capacity(uint32_t queue_bytes, size_t size)
{
    midisock_config c = check_config();
    c.in_queue_bytes = queue_bytes;
    c.out_queue_bytes = queue_bytes;
    c.overflow = MIDISOCK_OVERFLOW_WAIT;
    midisock_port *a = NULL;
    midisock_port *b = NULL;
    CHECK_OK(midisock_pair(&c, &a, &b));
    uint8_t data[256];
    uint32_t count = 0;
    midisock_result result;
    do {
        check_numbered(data, size, count);
        result = midisock_push(a, data, size);
        count += result == MIDISOCK_OK;
        CHECK(count < 10000000);
    } while (result == MIDISOCK_OK);
    CHECK_RESULT(MIDISOCK_ERR_FULL, result);
    for (uint32_t i = 0; i < count; i++) {
        midisock_message m = POP(b);
        CHECK_INT(i, check_number(m.data, m.size));
    }
    midisock_close(a);
    midisock_close(b);
    return count;
}

static void queues_are_rounded_up(void)
{
    uint32_t least = capacity(4096, 100);
    CHECK(least >= 4096 / 2 / 100);
    CHECK(least <= 2 * 4096 / 100); /* a bound, whatever a pair does with two queues */
    CHECK_INT(least, capacity(0, 100));
    CHECK_INT(least, capacity(1, 100));
    CHECK_INT(least, capacity(4095, 100));
    uint32_t next = capacity(8192, 100);
    CHECK(next > least);
    CHECK_INT(next, capacity(4097, 100));
    CHECK_INT(next, capacity(8191, 100));
}

static void limit_of(uint32_t in, uint32_t out, uint32_t wanted, uint32_t limit)
{
    midisock_config c = check_config();
    c.in_queue_bytes = in;
    c.out_queue_bytes = out;
    c.max_message_bytes = wanted;
    midisock_port *a = NULL;
    midisock_port *b = NULL;
    CHECK_OK(midisock_pair(&c, &a, &b));
    uint8_t *data = calloc(1, (size_t)limit + 1);
    CHECK(data != NULL);
    check_numbered(data, limit, 5);
    CHECK_OK(midisock_push(a, data, limit));
    midisock_message m = POP(b);
    CHECK_MEMORY(data, limit, m.data, m.size);
    check_numbered(data, (size_t)limit + 1, 5);
    CHECK_RESULT(MIDISOCK_ERR_TOO_LARGE, midisock_push(a, data, (size_t)limit + 1));
    free(data);
    midisock_close(a);
    midisock_close(b);
}

static void largest_message_is_clamped(void)
{
    limit_of(65536, 65536, 16384, 16384);
    limit_of(65536, 65536, 16385, 16384);
    limit_of(65536, 65536, UINT32_MAX, 16384);
    limit_of(65536, 4096, 16384, 1024);
    limit_of(4096, 65536, 16384, 1024);
    limit_of(1 << 20, 1 << 20, 100, 100);
    limit_of(1 << 20, 1 << 20, UINT32_MAX, 1 << 18);
}

static void extreme_numbers_are_taken(void)
{
    midisock_config c = check_config();
    c.max_clients = UINT32_MAX;
    c.max_delay_ms = UINT32_MAX;
    c.client_buffer_bytes = UINT32_MAX;
    c.connect_timeout_ms = UINT32_MAX;
    c.reconnect_min_ms = UINT32_MAX;
    c.reconnect_max_ms = UINT32_MAX;
    c.keepalive_ms = UINT32_MAX;
    c.stall_timeout_ms = UINT32_MAX;
    c.tick_us = UINT32_MAX;
    c.busy_poll_us = UINT32_MAX;
    c.latency_ns = UINT64_MAX - 1;
    c.push_latency_ns = UINT64_MAX - 1;
    midisock_port *server = check_listen(&c);
    midisock_port *client = check_connect(server, &c);
    CHECK_OK(midisock_push(client, BYTES(0x90, 1, 2)));
    CHECK_OK(midisock_flush(client, DEADLINE_MS));
    EXPECT(server, 0x90, 1, 2);
    midisock_close(client);
    midisock_close(server);

    c = check_config();
    c.max_delay_ms = 0;
    c.client_buffer_bytes = 0;
    c.reconnect_min_ms = 0;
    c.keepalive_ms = 0;
    c.stall_timeout_ms = 0;
    c.linger_ms = 0;
    c.tick_us = 0;
    c.latency_ns = 0;
    server = check_listen(&c);
    client = check_connect(server, &c);
    CHECK_OK(midisock_push(client, BYTES(0x90, 1, 2)));
    EXPECT(server, 0x90, 1, 2);
    midisock_close(client);
    midisock_close(server);
}

static void null_config_means_defaults(void)
{
    midisock_port *server = NULL;
    midisock_port *client = NULL;
    CHECK_OK(midisock_listen(NULL, 0, NULL, &server));
    CHECK_OK(midisock_connect("127.0.0.1", midisock_local_port(server), NULL, &client));
    CHECK_OK(midisock_wait_connected(client, DEADLINE_MS));
    CHECK_OK(midisock_push(client, BYTES(0xc0, 7)));
    EXPECT(server, 0xc0, 7);
    midisock_close(client);
    midisock_close(server);
}

static void stats_are_written_within_their_size(void)
{
    midisock_port *server = check_listen(NULL);
    for (size_t size = 0; size <= sizeof(midisock_stats) + 64; size++) {
        midisock_stats room[2]; /* aligned, as the function asks for */
        unsigned char *wide = (unsigned char *)room;
        CHECK(sizeof room >= sizeof(midisock_stats) + 128);
        memset(wide, 0xa5, sizeof room);
        midisock_result result = midisock_get_stats(server, room, size);
        if (size >= sizeof(midisock_stats))
            CHECK_OK(result);
        for (size_t i = size; i < sizeof room; i++)
            CHECK_INT(0xa5, wide[i]);
        for (size_t i = 0; i < size && result == MIDISOCK_OK; i++)
            CHECK_INT(0, wide[i] * (i < offsetof(midisock_stats, latency_ns) ||
                                    i >= sizeof(midisock_stats)));
    }
    midisock_close(server);
}

int main(int argc, char **argv)
{
    static const check_case cases[] = {
        CASE(defaults),
        CASE(the_initializer_has_the_defaults),
        CASE(init_of_null_does_nothing),
        CASE(init_writes_within_its_size),
        CASE(a_newer_caller_gets_zeros_beyond),
        CASE(unknown_fields_must_be_zero),
        CASE(an_older_caller_gets_defaults),
        CASE(the_fields_an_older_caller_knows_count),
        CASE(impossible_sizes_are_refused),
        CASE(unknown_enumerated_values_are_refused),
        CASE(too_large_queues_are_refused),
        CASE(config_is_not_written_nor_kept),
        CASE(queues_are_rounded_up),
        CASE(largest_message_is_clamped),
        CASE(extreme_numbers_are_taken),
        CASE(null_config_means_defaults),
        CASE(stats_are_written_within_their_size),
    };
    return check_main(argc, argv, CASES(cases));
}
