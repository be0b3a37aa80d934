/* Latencies that change in the middle of a stream: the order stays, and nothing is lost. */
#include "check.h"
#include "raw.h"

#include <string.h>

#define RATE 48000.0

static void begin(midisock_port *port, uint64_t start_ns, uint32_t frames)
{
    midisock_block block;
    memset(&block, 0, sizeof block);
    block.struct_size = sizeof block;
    block.start_ns = start_ns;
    block.sample_rate = RATE;
    block.frames = frames;
    CHECK_OK(midisock_begin_block(port, &block));
}

static void all_errors(void)
{
    CHECK_INVALID(midisock_set_latency(NULL, 0, 0));
    midisock_port *port = check_listen(NULL);
    CHECK_INVALID(midisock_set_latency((midisock_port *)((char *)port + 1), 0, 0));
    const uint64_t latencies[] = {0, 1, MIDISOCK_LATENCY_AUTO - 1, MIDISOCK_LATENCY_AUTO};
    for (int i = 0; i < 4; i++)
        for (int j = 0; j < 4; j++)
            CHECK_OK(midisock_set_latency(port, latencies[i], latencies[j]));
    midisock_shutdown(port);
    CHECK_RESULT(MIDISOCK_ERR_CLOSED, midisock_set_latency(port, 0, 0));
    midisock_close(port);
}

/* It is the latency of the block that begins next, not of the present one. */
static void from_the_next_block_on(void)
{
    midisock_port *a;
    midisock_port *b;
    midisock_config c = check_config();
    c.latency_ns = 0;
    CHECK_OK(midisock_pair(&c, &a, &b));
    uint64_t start = midisock_now_ns();
    begin(b, start, 480);
    CHECK_INT(0, check_stats(b).latency_ns);
    CHECK_OK(midisock_set_latency(b, 5000000, 0));
    CHECK_INT(0, check_stats(b).latency_ns);
    begin(b, start + 10000000, 480);
    CHECK_INT(5000000, check_stats(b).latency_ns);
    CHECK_OK(midisock_set_latency(b, MIDISOCK_LATENCY_AUTO, 0));
    begin(b, start + 20000000, 480);
    CHECK_INT(10000000, check_stats(b).latency_ns);
    midisock_close(a);
    midisock_close(b);
}

/* Blocks in the time of a device that the test moves. Messages arrive and leave through a peer of plain sockets. */
static void in_the_middle_of_a_stream(void)
{
    midisock_config c = check_config();
    midisock_port *server = check_listen(&c);
    int fd = raw_connect(midisock_local_port(server));
    NOTIFIED(server, MIDISOCK_NOTIFY_CLIENT_JOINED);
    static const uint64_t latencies[] = {0, 30000000, 3000000, MIDISOCK_LATENCY_AUTO, 12000000};
    enum { COUNT = 200, SIZE = 10 };
    uint32_t sent = 0;
    uint32_t got = 0;
    uint32_t pushed = 0;
    uint64_t start = midisock_now_ns();
    for (uint32_t blocks = 0; got < COUNT || pushed < COUNT; blocks++) {
        CHECK_SOON(midisock_now_ns() >= start);
        if (blocks % 7 == 3)
            CHECK_OK(midisock_set_latency(server, latencies[blocks % 5], latencies[(blocks / 5) % 5]));
        begin(server, start, 128);
        midisock_message m;
        uint32_t last = 0;
        while (midisock_pop_block(server, &m) == MIDISOCK_OK) {
            CHECK(m.frame >= last && m.frame < 128);
            last = m.frame;
            CHECK_INT(got, check_number(m.data, m.size));
            got++;
        }
        for (uint32_t frame = 0; frame < 128 && pushed < COUNT; frame += 50) {
            uint8_t data[SIZE];
            check_numbered(data, sizeof data, pushed);
            CHECK_OK(midisock_push_frame(server, frame, data, sizeof data));
            pushed++;
        }
        for (int i = 0; i < 2 && sent < COUNT; i++) {
            uint8_t data[SIZE];
            check_numbered(data, sizeof data, sent++);
            raw_send(fd, data, sizeof data);
        }
        start += UINT64_C(128) * 1000000000 / 48000;
    }
    for (uint32_t i = 0; i < COUNT; i++) {
        uint8_t data[SIZE];
        raw_read(fd, data, sizeof data);
        CHECK_INT(i, check_number(data, sizeof data));
    }
    raw_close(fd);
    midisock_close(server);
}

/* A latency with which nothing can be scheduled is refused with each push, and has no effect afterwards. */
static void a_huge_latency_is_over_with_the_next(void)
{
    midisock_port *server = check_listen(NULL);
    int fd = raw_connect(midisock_local_port(server));
    NOTIFIED(server, MIDISOCK_NOTIFY_CLIENT_JOINED);
    CHECK_OK(midisock_set_latency(server, MIDISOCK_LATENCY_AUTO - 1, MIDISOCK_LATENCY_AUTO - 1));
    uint64_t start = midisock_now_ns();
    begin(server, start, 128);
    CHECK_INVALID(midisock_push_frame(server, 0, BYTES(0x90, 60, 1)));
    CHECK_OK(midisock_set_latency(server, 0, 0));
    begin(server, start + 2666667, 128);
    CHECK_OK(midisock_push_frame(server, 0, BYTES(0x90, 61, 1)));
    RAW_EXPECT(fd, 0x90, 61, 1);
    raw_close(fd);
    midisock_close(server);
}

static void accepted_ports_have_those_of_the_server(void)
{
    midisock_config c = check_config();
    c.accept_mode = MIDISOCK_ACCEPT_MANUAL;
    midisock_port *server = check_listen(&c);
    int fd = raw_connect(midisock_local_port(server));
    CHECK_OK(midisock_wait(server, MIDISOCK_WAIT_CLIENT, DEADLINE_MS));
    CHECK_OK(midisock_set_latency(server, 7000000, 0));
    midisock_port *port;
    CHECK_OK(midisock_accept(server, 0, &port));
    begin(port, midisock_now_ns(), 128);
    CHECK_INT(7000000, check_stats(port).latency_ns);
    midisock_close(port);
    midisock_close(server);
    raw_close(fd);
}

static const check_case cases[] = {
    CASE(all_errors),
    CASE(from_the_next_block_on),
    CASE(in_the_middle_of_a_stream),
    CASE(a_huge_latency_is_over_with_the_next),
    CASE(accepted_ports_have_those_of_the_server),
};

int main(int argc, char **argv)
{
    return check_main(argc, argv, CASES(cases));
}
