/* Full queues and slow peers: waiting loses nothing, repairing loses whole
 * messages, counts them, and delays nobody else. */
#include "check.h"
#include "raw.h"

#include <stdlib.h>
#include <string.h>

enum { MILLION = 1000000 };

static midisock_config tiny_waiting(void)
{
    midisock_config c = check_config();
    c.in_queue_bytes = 4096;
    c.out_queue_bytes = 4096;
    c.overflow = MIDISOCK_OVERFLOW_WAIT;
    return c;
}

/* Three bytes that say which of many messages this is: 18 bits. */
static void mark(uint8_t data[3], uint32_t number)
{
    data[0] = (uint8_t)(0x80 | (number >> 14 & 0xf));
    data[1] = (uint8_t)(number >> 7 & 0x7f);
    data[2] = (uint8_t)(number & 0x7f);
}

static void check_marked(midisock_message m, uint32_t number)
{
    uint8_t data[3];
    mark(data, number);
    if (m.size != 3 || memcmp(m.data, data, 3) != 0)
        check_memory(data, 3, m.data, m.size, "the next message in order", __FILE__,
                     (int)(number & 0xfffffff));
}

static unsigned streamed(void)
{
    return check_sanitized() ? MILLION / 4 : 2 * MILLION;
}

static void *push_stream(void *argument)
{
    midisock_port *port = argument;
    unsigned count = streamed();
    uint8_t data[3];
    for (uint32_t i = 0; i < count; i++) {
        mark(data, i);
        check_push(port, data, 3);
    }
    return NULL;
}

static void pop_stream(midisock_port *port)
{
    unsigned count = streamed();
    for (uint32_t i = 0; i < count; i++)
        check_marked(POP(port), i);
    midisock_message m;
    CHECK_RESULT(MIDISOCK_EMPTY, midisock_pop(port, &m));
}

static void *pop_stream_of(void *port)
{
    pop_stream(port);
    return NULL;
}

static void waiting_loses_nothing_either_way(void)
{
    midisock_config c = tiny_waiting();
    midisock_port *server = check_listen(&c);
    midisock_port *client = check_connect(server, &c);
    NOTIFIED(server, MIDISOCK_NOTIFY_CLIENT_JOINED);
    pthread_t threads[3];
    check_start(&threads[0], push_stream, client);
    check_start(&threads[1], push_stream, server);
    check_start(&threads[2], pop_stream_of, client);
    pop_stream(server);
    for (int i = 0; i < 3; i++)
        check_join(threads[i]);
    CHECK_COUNT(server, messages_in, streamed());
    CHECK_COUNT(server, bytes_in, 3 * (uint64_t)streamed());
    midisock_stats in = check_stats(server);
    CHECK_INT(0, in.dropped_in);
    CHECK_INT(0, in.dropped_out);
    CHECK_INT(0, check_stats(client).dropped_in);
    CHECK_INT(0, check_stats(client).dropped_out);
    midisock_close(client);
    midisock_close(server);
}

static void waiting_stops_reading(void)
{
    /* Nobody pops: the peer's send must come to a stop, and not far beyond the
     * kernel's buffers; when somebody pops, all of it is there. */
    midisock_config c = tiny_waiting();
    midisock_port *server = check_listen(&c);
    int fd = raw_connect(midisock_local_port(server));
    uint8_t data[3 * 1024];
    uint32_t sent = 0; /* messages */
    size_t part = 0;   /* bytes of the piece under way */
    uint64_t idle_since = check_now_ms();
    while (check_now_ms() - idle_since < 300) {
        if (part == 0)
            for (uint32_t i = 0; i < 1024; i++)
                mark(data + 3 * i, sent + i);
        size_t took = raw_try_send(fd, data + part, sizeof data - part);
        if (took > 0)
            idle_since = check_now_ms();
        else
            check_pause();
        part += took;
        if (part == sizeof data) {
            part = 0;
            sent += 1024;
        }
        CHECK(sent < 100 * MILLION); /* it swallows without end */
    }
    CHECK(check_stats(server).messages_in < sent); /* it is in the kernel */
    uint32_t whole = sent + (uint32_t)(part / 3);
    for (uint32_t i = 0; i < whole; i++)
        check_marked(POP(server), i);
    CHECK_INT(0, check_stats(server).dropped_in);
    raw_close(fd);
    midisock_close(server);
}

static void a_waiting_port_is_full_and_then_has_room(void)
{
    midisock_config c = tiny_waiting();
    uint16_t port = 0;
    int listener = raw_listen_small(&port);
    midisock_port *client = NULL;
    CHECK_OK(midisock_connect("127.0.0.1", port, &c, &client));
    int fd = raw_accept(listener);
    CHECK_OK(midisock_wait_connected(client, DEADLINE_MS));
    uint8_t data[100];
    uint32_t pushed = 0;
    uint32_t got = 0;
    for (uint32_t round = 0; round < 10; round++) {
        /* Until it is full and stays full: everything on the way is full. */
        midisock_result room;
        do {
            pushed = check_fill(client, sizeof data, pushed, 100);
            room = midisock_wait(client, MIDISOCK_WAIT_ROOM, 0);
        } while (room == MIDISOCK_OK);
        CHECK_RESULT(MIDISOCK_ERR_TIMEOUT, room);
        CHECK_INT(MIDISOCK_STATE_CONNECTED, midisock_state(client));
        /* The peer reads: there is room, half the queue of it. */
        uint32_t until = pushed - 5;
        uint8_t in[100];
        while (got < until) {
            raw_read(fd, in, sizeof in);
            CHECK_INT(got, check_number(in, sizeof in));
            got++;
        }
        CHECK_OK(midisock_wait(client, MIDISOCK_WAIT_ROOM, DEADLINE_MS));
        for (int i = 0; i < 4096 / 2 / (100 + 64); i++) {
            check_numbered(data, sizeof data, pushed);
            CHECK_OK(midisock_push(client, data, sizeof data));
            pushed++;
        }
        if (round == 9)
            while (got < pushed) {
                raw_read(fd, in, sizeof in);
                CHECK_INT(got, check_number(in, sizeof in));
                got++;
            }
    }
    CHECK_INT(0, check_stats(client).dropped_out);
    CHECK_COUNT(client, messages_out, pushed);
    raw_close(fd);
    raw_close(listener);
    midisock_close(client);
}

static void a_refused_push_queues_nothing(void)
{
    /* Not even the part that would have fitted. */
    midisock_config c = tiny_waiting();
    midisock_port *a = NULL;
    midisock_port *b = NULL;
    CHECK_OK(midisock_pair(&c, &a, &b));
    uint8_t data[1024];
    uint32_t pushed = 0;
    uint32_t random = 11;
    uint32_t popped = 0;
    for (int round = 0; round < 1000; round++) {
        for (int i = 0; i < 10; i++) {
            size_t size = 8 + check_random(&random) % 1017;
            check_numbered(data, size, pushed);
            midisock_result result = midisock_push(a, data, size);
            if (result == MIDISOCK_OK)
                pushed++;
            else
                CHECK_RESULT(MIDISOCK_ERR_FULL, result);
        }
        for (uint32_t i = check_random(&random) % 8; i > 0 && popped < pushed; i--) {
            midisock_message m = POP(b);
            CHECK_INT(popped, check_number(m.data, m.size));
            popped++;
        }
    }
    CHECK(pushed > 1000);
    while (popped < pushed) {
        midisock_message m = POP(b);
        CHECK_INT(popped, check_number(m.data, m.size));
        popped++;
    }
    midisock_close(a);
    midisock_close(b);
}

static void repairing_counts_what_it_drops_coming_in(void)
{
    enum { SENT = 60000 };
    midisock_config c = check_config();
    c.in_queue_bytes = 4096;
    c.overflow = MIDISOCK_OVERFLOW_REPAIR;
    midisock_port *server = check_listen(&c);
    int fd = raw_connect(midisock_local_port(server));
    uint8_t data[20];
    for (uint32_t i = 0; i < SENT; i++) { /* nobody pops, and yet it is taken */
        check_numbered(data, sizeof data, i);
        raw_send(fd, data, sizeof data);
    }
    CHECK_SOON(check_stats(server).messages_in == SENT);
    midisock_stats s = check_stats(server);
    CHECK(s.dropped_in > 0 && s.dropped_in < SENT);
    CHECK_INT(s.dropped_in, s.unrepaired); /* SysEx: lost for good */
    uint64_t received = 0;
    uint32_t last = 0;
    midisock_message m;
    while (midisock_pop(server, &m) == MIDISOCK_OK) {
        CHECK_INT(sizeof data, m.size);
        uint32_t number = check_number(m.data, m.size);
        CHECK(received == 0 || number > last); /* whole, in order, once */
        last = number;
        received++;
    }
    CHECK_COUNT(server, dropped_in, SENT - received);
    /* And then it goes on. */
    check_numbered(data, sizeof data, SENT + 1);
    raw_send(fd, data, sizeof data);
    m = POP(server);
    CHECK_INT(SENT + 1, check_number(m.data, m.size));
    CHECK_INT(0, check_stats(server).invalid_bytes);
    /* The in queue's congestion was told, and its end. */
    CHECK(NOTIFIED(server, MIDISOCK_NOTIFY_CLIENT_JOINED).client != 0);
    CHECK_INT(0, NOTIFIED(server, MIDISOCK_NOTIFY_CONGESTED).client);
    CHECK_INT(0, NOTIFIED(server, MIDISOCK_NOTIFY_RECOVERED).client);
    raw_close(fd);
    midisock_close(server);
}

static void repairing_counts_what_it_drops_going_out(void)
{
    /* pushed = received + dropped, at a peer that stops for a while. */
    midisock_config c = check_config();
    c.out_queue_bytes = 8192;
    c.overflow = MIDISOCK_OVERFLOW_REPAIR;
    c.max_delay_ms = 100;
    c.client_buffer_bytes = 8192;
    uint16_t port = 0;
    int listener = raw_listen_small(&port);
    midisock_port *client = NULL;
    CHECK_OK(midisock_connect("127.0.0.1", port, &c, &client));
    int fd = raw_accept(listener);
    CHECK_OK(midisock_wait_connected(client, DEADLINE_MS));
    NOTIFIED(client, MIDISOCK_NOTIFY_CONNECTED);
    uint8_t data[200];
    uint32_t pushed = 0;
    uint64_t until = check_now_ms() + DEADLINE_MS;
    while (check_stats(client).dropped_out < 500) {
        check_numbered(data, sizeof data, pushed++);
        midisock_result result = midisock_push(client, data, sizeof data);
        if (result == MIDISOCK_ERR_FULL)
            check_pause();
        else
            CHECK_OK(result);
        CHECK(check_now_ms() < until);
    }
    NOTIFIED(client, MIDISOCK_NOTIFY_CONGESTED);
    /* It reads again: the last message comes some time, all before it in
     * order, and the counts agree. */
    uint32_t last = 0;
    uint64_t received = 0;
    int recovered = 0;
    while (!recovered || raw_readable(fd, 200)) {
        if (raw_readable(fd, 10)) {
            raw_read(fd, data, sizeof data);
            uint32_t number = check_number(data, sizeof data);
            CHECK(received == 0 || number > last);
            last = number;
            received++;
        }
        midisock_notification recovery;
        if (midisock_poll_notification(client, &recovery) == MIDISOCK_OK) {
            CHECK_INT(MIDISOCK_NOTIFY_RECOVERED, recovery.kind);
            recovered = 1;
        }
        CHECK(check_now_ms() < until + DEADLINE_MS);
    }
    CHECK_SOON(received + check_stats(client).dropped_out == pushed);
    CHECK_COUNT(client, messages_out, received);
    check_numbered(data, sizeof data, pushed);
    CHECK_OK(midisock_push(client, data, sizeof data));
    raw_read(fd, data, sizeof data);
    CHECK_INT(pushed, check_number(data, sizeof data));
    raw_close(fd);
    raw_close(listener);
    midisock_close(client);
}

static void a_slow_peer_delays_no_other(void)
{
    enum { GOOD = 4, ROUNDS = 300 };
    midisock_config c = check_config(); /* merged: repairing */
    c.max_delay_ms = 100;
    c.client_buffer_bytes = 16384;
    midisock_port *server = check_listen(&c);
    int slow = raw_connect_small(midisock_local_port(server));
    RAW_SEND(slow, 0xf6);
    uint32_t slow_id = EXPECT(server, 0xf6).client;
    NOTIFIED(server, MIDISOCK_NOTIFY_CLIENT_JOINED);
    int good[GOOD];
    for (int i = 0; i < GOOD; i++) {
        good[i] = raw_connect(midisock_local_port(server));
        NOTIFIED(server, MIDISOCK_NOTIFY_CLIENT_JOINED);
    }
    static uint8_t data[4000];
    uint64_t worst = 0;
    for (uint32_t i = 0; i < ROUNDS; i++) {
        check_numbered(data, sizeof data, i);
        uint64_t begin = check_now_ms();
        CHECK_OK(midisock_push(server, data, sizeof data));
        for (int j = 0; j < GOOD; j++) {
            raw_read(good[j], data, sizeof data);
            CHECK_INT(i, check_number(data, sizeof data));
        }
        uint64_t took = check_now_ms() - begin;
        if (took > worst)
            worst = took;
    }
    if (worst > 2000)
        check_fail(__FILE__, __LINE__, "a reading client waited %llu ms",
                   (unsigned long long)worst);
    CHECK_SOON(check_stats(server).dropped_out > 0);
    CHECK_INT(slow_id, NOTIFIED(server, MIDISOCK_NOTIFY_CONGESTED).client);
    CHECK_INT(GOOD + 1, midisock_client_count(server)); /* it is not thrown out */
    /* It reads again: whole messages, in order, and it is told. */
    uint64_t received = 0;
    uint32_t last = 0;
    while (raw_readable(slow, 300)) {
        raw_read(slow, data, sizeof data);
        uint32_t number = check_number(data, sizeof data);
        CHECK(received == 0 || number > last);
        last = number;
        received++;
    }
    CHECK_INT(slow_id, NOTIFIED(server, MIDISOCK_NOTIFY_RECOVERED).client);
    CHECK_COUNT(server, dropped_out, ROUNDS - received);
    check_numbered(data, sizeof data, ROUNDS + 5);
    CHECK_OK(midisock_push(server, data, sizeof data));
    raw_read(slow, data, sizeof data);
    CHECK_INT(ROUNDS + 5, check_number(data, sizeof data));
    raw_close(slow);
    for (int i = 0; i < GOOD; i++)
        raw_close(good[i]);
    midisock_close(server);
}

static void one_stalled_client_delays_all_on_a_waiting_server(void)
{
    midisock_config c = tiny_waiting();
    midisock_port *server = check_listen(&c);
    int slow = raw_connect_small(midisock_local_port(server));
    NOTIFIED(server, MIDISOCK_NOTIFY_CLIENT_JOINED);
    int good = raw_connect(midisock_local_port(server));
    NOTIFIED(server, MIDISOCK_NOTIFY_CLIENT_JOINED);
    uint8_t data[500];
    uint32_t pushed = check_fill(server, sizeof data, 0, 200);
    CHECK_INT(0, check_stats(server).dropped_out);
    for (uint32_t i = 0; i < pushed; i++) {
        raw_read(slow, data, sizeof data);
        CHECK_INT(i, check_number(data, sizeof data));
        raw_read(good, data, sizeof data);
        CHECK_INT(i, check_number(data, sizeof data));
    }
    CHECK_INT(0, check_stats(server).dropped_out);
    raw_close(slow);
    raw_close(good);
    midisock_close(server);
}

static void a_stalled_peer_is_dropped_in_time(void)
{
    midisock_config c = check_config();
    c.stall_timeout_ms = 300;
    c.overflow = MIDISOCK_OVERFLOW_WAIT;
    midisock_port *server = check_listen(&c);
    int slow = raw_connect_small(midisock_local_port(server));
    uint32_t id = NOTIFIED(server, MIDISOCK_NOTIFY_CLIENT_JOINED).client;
    int good = raw_connect(midisock_local_port(server));
    NOTIFIED(server, MIDISOCK_NOTIFY_CLIENT_JOINED);
    static uint8_t data[4000];
    uint32_t pushed = 0;
    uint32_t got = 0;
    uint64_t until = check_now_ms() + DEADLINE_MS;
    while (midisock_client_count(server) == 2) {
        check_numbered(data, sizeof data, pushed);
        pushed += midisock_push(server, data, sizeof data) == MIDISOCK_OK;
        while (got < pushed && raw_readable(good, 1)) {
            raw_read(good, data, sizeof data);
            CHECK_INT(got, check_number(data, sizeof data));
            got++;
        }
        CHECK(check_now_ms() < until);
    }
    midisock_notification n;
    do
        CHECK_SOON(midisock_poll_notification(server, &n) == MIDISOCK_OK);
    while (n.kind != MIDISOCK_NOTIFY_CLIENT_LEFT);
    CHECK_INT(id, n.client);
    CHECK_RESULT(MIDISOCK_ERR_TIMEOUT, n.reason);
    /* One that reads stays, and one to whom nothing is sent as well. */
    for (; got < pushed; got++) {
        raw_read(good, data, sizeof data);
        CHECK_INT(got, check_number(data, sizeof data));
    }
    uint64_t quiet = check_now_ms() + 700;
    CHECK_SOON(check_now_ms() > quiet);
    CHECK_INT(1, midisock_client_count(server));
    raw_close(slow);
    raw_close(good);
    midisock_close(server);
}

static void a_stalled_peer_is_kept_by_default(void)
{
    midisock_config c = tiny_waiting();
    c.keepalive_ms = 300; /* it is alive: its system answers */
    midisock_port *server = check_listen(&c);
    int slow = raw_connect_small(midisock_local_port(server));
    NOTIFIED(server, MIDISOCK_NOTIFY_CLIENT_JOINED);
    uint8_t data[1000];
    uint32_t pushed = check_fill(server, sizeof data, 0, 1500);
    CHECK_INT(1, midisock_client_count(server));
    for (uint32_t i = 0; i < pushed; i++) {
        raw_read(slow, data, sizeof data);
        CHECK_INT(i, check_number(data, sizeof data));
    }
    raw_close(slow);
    midisock_close(server);
}

static void messages_that_waited_keep_their_arrival_time(void)
{
    /* What comes while the queue is full is not younger for having waited. */
    enum { MESSAGES = 300 };
    static const int silent_first[] = {0, 1};
    for (int way = 0; way < 2; way++) {
        midisock_config c = tiny_waiting();
        midisock_port *server = check_listen(&c);
        int fd = raw_connect(midisock_local_port(server));
        if (silent_first[way])
            NOTIFIED(server, MIDISOCK_NOTIFY_CLIENT_JOINED);
        for (uint32_t round = 0; round < 5; round++) {
            uint8_t data[3 * MESSAGES];
            for (uint32_t i = 0; i < MESSAGES; i++)
                mark(data + 3 * i, i);
            uint64_t sent_ns = midisock_now_ns();
            raw_send(fd, data, sizeof data);
            CHECK_SOON(check_stats(server).bytes_in == (round + 1) * sizeof data);
            uint64_t arrived_ns = midisock_now_ns();
            uint64_t last_ns = sent_ns;
            for (uint32_t i = 0; i < MESSAGES; i++) {
                midisock_message m = POP(server);
                check_marked(m, i);
                CHECK(m.time_ns >= last_ns);
                CHECK(m.time_ns <= arrived_ns);
                last_ns = m.time_ns;
            }
        }
        raw_close(fd);
        midisock_close(server);
    }
}

/* However a client goes that reads nothing: each message that it was sent is
 * with the system, or counted as dropped, the one that was cut too. */
static void undelivered_messages_of_a_leaving_peer_are_counted(void)
{
    enum { MESSAGES = 60, SIZE = 8000 };
    enum { DISCONNECTED, RESET, SHUT_DOWN, STALLED, WAYS };
    static uint8_t sysex[SIZE];
    memset(sysex, 1, SIZE);
    sysex[0] = 0xf0;
    sysex[SIZE - 1] = 0xf7;
    for (int way = 0; way < WAYS; way++) {
        midisock_config c = check_config();
        c.overflow = MIDISOCK_OVERFLOW_REPAIR;
        c.out_queue_bytes = c.client_buffer_bytes = 1 << 20;
        c.max_delay_ms = 4 * DEADLINE_MS;
        c.linger_ms = 100;
        c.stall_timeout_ms = way == STALLED ? 200 : 0;
        midisock_port *server = check_listen(&c);
        int fd = raw_connect_small(midisock_local_port(server));
        RAW_SEND(fd, 0xfe);
        uint32_t client = EXPECT(server, 0xfe).client;
        for (int i = 0; i < MESSAGES; i++)
            CHECK_OK(midisock_push(server, sysex, SIZE));
        CHECK_SOON(check_stats(server).messages_out > 0);
        if (way == DISCONNECTED)
            CHECK_OK(midisock_disconnect(server, client));
        if (way == SHUT_DOWN)
            CHECK_OK(midisock_shutdown(server));
        if (way == RESET)
            raw_reset(fd);
        CHECK_SOON(check_stats(server).messages_out + check_stats(server).dropped_out >= MESSAGES);
        midisock_stats s = check_stats(server);
        CHECK_INT(MESSAGES, s.messages_out + s.dropped_out);
        CHECK(s.dropped_out > 0);
        CHECK_INT(s.dropped_out, s.unrepaired); /* nothing brings SysEx back */
        if (way != RESET)
            raw_close(fd);
        midisock_close(server);
    }
}

int main(int argc, char **argv)
{
    static const check_case cases[] = {
        CASE(waiting_loses_nothing_either_way),
        CASE(waiting_stops_reading),
        CASE(a_waiting_port_is_full_and_then_has_room),
        CASE(a_refused_push_queues_nothing),
        CASE(repairing_counts_what_it_drops_coming_in),
        CASE(repairing_counts_what_it_drops_going_out),
        CASE(a_slow_peer_delays_no_other),
        CASE(one_stalled_client_delays_all_on_a_waiting_server),
        CASE(a_stalled_peer_is_dropped_in_time),
        CASE(a_stalled_peer_is_kept_by_default),
        CASE(messages_that_waited_keep_their_arrival_time),
        CASE(undelivered_messages_of_a_leaving_peer_are_counted),
    };
    return check_main(argc, argv, CASES(cases));
}
