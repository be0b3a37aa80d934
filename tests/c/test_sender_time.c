/* Sender time between two ports, through real sockets: clocks lock, and each message carries the time that it was
 * meant for. Both ports are on one machine, so the true time is known. */
#define _POSIX_C_SOURCE 200809L
#include "frames.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#define MS UINT64_C(1000000)

static midisock_config asking(void)
{
    midisock_config c = check_config();
    c.timing = MIDISOCK_TIMING_SENDER;
    return c;
}

static void await_lock(midisock_port *port)
{
    NOTIFIED_AT_LAST(port, MIDISOCK_NOTIFY_CLOCK_LOCKED);
    CHECK(check_stats(port).clock_error_ns > 0);
}

/* A message with this time has been popped: it was meant between two times, as far as the clock is known. One that
 * was on its way for more than two seconds is not believed, and has none. Whether it has one. */
static int check_time(midisock_port *port, const midisock_message *m, uint64_t first, uint64_t last, uint64_t error_ns)
{
    if (m->flags == 0) {
        CHECK(m->time_ns > first + 1900 * MS);
        return 0;
    }
    CHECK_INT(MIDISOCK_FLAG_TIMED, m->flags);
    uint64_t now_ns = check_stats(port).clock_error_ns;
    uint64_t bound_ns = (now_ns > error_ns ? now_ns : error_ns) + 1000;
    if (m->time_ns + bound_ns < first || m->time_ns > last + bound_ns)
        check_fail(__FILE__, __LINE__, "meant from %llu to %llu, not at %llu, give or take %llu",
                   (unsigned long long)first, (unsigned long long)last, (unsigned long long)m->time_ns,
                   (unsigned long long)bound_ns);
    return 1;
}

/* Messages from one port to the other have their times. */
static void check_way(midisock_port *from, midisock_port *to)
{
    uint64_t timed = check_stats(to).timed_in;
    uint64_t worst = 0;
    for (uint8_t i = 0; i < 100; i++) {
        uint8_t data[] = {0xb0, 7, i};
        uint64_t error_ns = check_stats(to).clock_error_ns;
        uint64_t first = midisock_now_ns();
        uint64_t last = first;
        if (i % 2 == 0) {
            CHECK_OK(midisock_push(from, data, sizeof data));
            last = midisock_now_ns();
        } else {
            midisock_message m;
            memset(&m, 0, sizeof m);
            /* Far enough ahead that it has not passed when it is pushed, unless this thread is held up. */
            m.time_ns = first = first + (i % 7 + 1) * MS;
            m.data = data;
            m.size = sizeof data;
            CHECK_OK(midisock_push_message(from, &m));
            last = midisock_now_ns() > first ? midisock_now_ns() : first;
        }
        midisock_message got = EXPECT(to, 0xb0, 7, i);
        timed += (uint64_t)check_time(to, &got, first, last, error_ns);
        if (got.flags && last == first) {
            uint64_t off = got.time_ns > first ? got.time_ns - first : first - got.time_ns;
            worst = off > worst ? off : worst;
        }
    }
    midisock_stats stats = check_stats(to);
    CHECK_INT(timed, stats.timed_in);
    CHECK_INT(0, stats.invalid_bytes + stats.late_in);
    CHECK_SOON(check_stats(to).transit_ns > 0);
    printf("# bound %llu ns, off by %llu ns at most, transit %llu ns\n", (unsigned long long)stats.clock_error_ns,
           (unsigned long long)worst, (unsigned long long)check_stats(to).transit_ns);
}

static void check_both_ways(midisock_port *a, midisock_port *b)
{
    await_lock(a);
    await_lock(b);
    check_way(a, b);
    check_way(b, a);
    /* Nothing but messages is counted as such. */
    CHECK_INT(100, check_stats(a).messages_in);
    CHECK_INT(100, check_stats(b).messages_in);
    CHECK_COUNT(a, messages_out, 100);
    CHECK_COUNT(b, messages_out, 100);
    CHECK(check_stats(a).bytes_out > 300);
}

static void between_a_client_and_a_merged_server(void)
{
    midisock_port *server = check_listen(NULL);
    CHECK_INT(0, check_stats(server).clock_error_ns + check_stats(server).transit_ns);
    midisock_config c = asking();
    midisock_port *client = check_connect(server, &c);
    check_both_ways(client, server);
    midisock_close(client);
    NOTIFIED_AT_LAST(server, MIDISOCK_NOTIFY_CLIENT_LEFT);
    CHECK_SOON(check_stats(server).clock_error_ns == 0);
    CHECK_SOON(check_stats(server).transit_ns == 0);
    midisock_close(server);
}

static void between_a_client_and_an_accepted_port(void)
{
    midisock_config c = asking();
    c.accept_mode = MIDISOCK_ACCEPT_MANUAL;
    c.wake = MIDISOCK_WAKE_SIGNAL;
    midisock_port *server = check_listen(&c);
    midisock_port *client = check_connect(server, &c);
    midisock_port *accepted = NULL;
    CHECK_OK(midisock_accept(server, DEADLINE_MS, &accepted));
    check_both_ways(client, accepted);
    midisock_close(client);
    midisock_close(accepted);
    midisock_close(server);
}

/* One end asks, or both do. */
static void between_adopted_ports(void)
{
    for (int both = 0; both < 2; both++) {
        int fds[2];
        CHECK_INT(0, socketpair(AF_UNIX, SOCK_STREAM, 0, fds));
        midisock_config c = asking();
        midisock_port *a = NULL, *b = NULL;
        CHECK_OK(midisock_adopt(fds[0], &c, &a));
        c.timing = both ? MIDISOCK_TIMING_SENDER : MIDISOCK_TIMING_ARRIVAL;
        CHECK_OK(midisock_adopt(fds[1], &c, &b));
        check_both_ways(a, b);
        midisock_close(a);
        midisock_close(b);
    }
}

static void each_client_of_a_merged_server_has_its_own_clock(void)
{
    midisock_port *server = check_listen(NULL);
    midisock_config c = asking();
    midisock_port *clients[] = {check_connect(server, &c), check_connect(server, &c), check_connect(server, NULL)};
    uint32_t first = NOTIFIED_AT_LAST(server, MIDISOCK_NOTIFY_CLOCK_LOCKED).client;
    uint32_t second = NOTIFIED_AT_LAST(server, MIDISOCK_NOTIFY_CLOCK_LOCKED).client;
    CHECK(first != 0 && second != 0 && first != second);
    for (int round = 0; round < 50; round++)
        for (uint8_t i = 0; i < 3; i++) {
            uint64_t error_ns = check_stats(server).clock_error_ns;
            uint64_t before = midisock_now_ns();
            CHECK_OK(midisock_push(clients[i], BYTES(0xb0, 7, 1)));
            uint64_t after = midisock_now_ns();
            midisock_message m = EXPECT(server, 0xb0, 7, 1);
            if (i < 2) {
                CHECK(m.client == first || m.client == second);
                check_time(server, &m, before, after, error_ns);
            } else {
                CHECK(m.client != first && m.client != second);
                CHECK_INT(0, m.flags);
                CHECK(m.time_ns >= before);
            }
        }
    for (int i = 0; i < 3; i++)
        midisock_close(clients[i]);
    midisock_close(server);
}

static void without_asking_no_time_is_told(void)
{
    midisock_config c = asking();
    midisock_port *server = check_listen(&c); /* which never asks */
    midisock_port *client = check_connect(server, NULL);
    for (int i = 0; i < 20; i++) {
        CHECK_OK(midisock_push(client, BYTES(0xb0, 7, 1)));
        CHECK_INT(0, EXPECT(server, 0xb0, 7, 1).flags);
        CHECK_OK(midisock_push(server, BYTES(0xc0, 7)));
        CHECK_INT(0, EXPECT(client, 0xc0, 7).flags);
    }
    midisock_stats of_server = check_stats(server), of_client = check_stats(client);
    CHECK_INT(60, of_server.bytes_in);
    CHECK_INT(40, of_client.bytes_in);
    CHECK_INT(0, of_server.timed_in + of_client.timed_in + of_server.clock_error_ns + of_client.clock_error_ns);
    CHECK_INT(0, of_server.transit_ns + of_client.transit_ns);
    midisock_close(client);
    midisock_close(server);
}

static void a_new_connection_measures_anew(void)
{
    midisock_port *server = check_listen(NULL);
    uint16_t number = midisock_local_port(server);
    midisock_config c = asking();
    c.reconnect_min_ms = 1;
    c.reconnect_max_ms = 20;
    midisock_port *client = check_connect(server, &c);
    for (int round = 0; round < 3; round++) {
        await_lock(client);
        await_lock(server);
        CHECK_OK(midisock_push(client, BYTES(0x90, 60, 1)));
        EXPECT(server, 0x90, 60, 1);
        midisock_close(server);
        NOTIFIED_AT_LAST(client, MIDISOCK_NOTIFY_DISCONNECTED);
        CHECK_SOON(check_stats(client).clock_error_ns == 0);
        midisock_result result;
        CHECK_SOON((result = midisock_listen("127.0.0.1", number, NULL, &server)) != MIDISOCK_ERR_ADDRESS_IN_USE);
        CHECK_OK(result);
    }
    midisock_close(client);
    midisock_close(server);
}

/* The library's own messages come as ever. */
static void panic_and_releases_end_notes(void)
{
    midisock_config c;
    midisock_config_init(&c, sizeof c);
    midisock_port *server = check_listen(&c);
    c.timing = MIDISOCK_TIMING_SENDER;
    midisock_port *client = check_connect(server, &c);
    await_lock(server);
    CHECK_OK(midisock_push(client, BYTES(0x90, 60, 1)));
    EXPECT(server, 0x90, 60, 1);
    CHECK_OK(midisock_panic(client));
    for (uint8_t i = 0; i < 16; i++)
        EXPECT(server, 0xb0 | i, 120, 0);
    CHECK_OK(midisock_push(client, BYTES(0x91, 61, 1)));
    EXPECT(server, 0x91, 61, 1);
    CHECK_OK(midisock_push(client, BYTES(0x92, 62, 1)));
    CHECK_OK(midisock_flush(client, DEADLINE_MS));
    CHECK_COUNT(server, messages_in, 19);
    CHECK_OK(midisock_skip(server));
    CHECK_OK(midisock_push(client, BYTES(0x93, 63, 1)));
    EXPECT(server, 0x93, 63, 1);
    midisock_close(client); /* the client releases them itself */
    midisock_message m;
    do
        m = POP(server);
    while (m.data[0] != 0x83);
    CHECK_INT(63, m.data[1]);
    midisock_close(server);
}

int main(int argc, char **argv)
{
    static const check_case cases[] = {
        CASE(between_a_client_and_a_merged_server),
        CASE(between_a_client_and_an_accepted_port),
        CASE(between_adopted_ports),
        CASE(each_client_of_a_merged_server_has_its_own_clock),
        CASE(without_asking_no_time_is_told),
        CASE(a_new_connection_measures_anew),
        CASE(panic_and_releases_end_notes),
    };
    return check_main(argc, argv, CASES(cases));
}
