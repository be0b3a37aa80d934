/* A bad network between two ports of the library: no message is torn, messages
 * are lost only by policy, and all are counted. */
#define _POSIX_C_SOURCE 200809L
#include "readers.h"
#include "relay.h"

#include <stdio.h>
#include <string.h>

static relay_config bad_network(uint32_t seed)
{
    relay_config c = {0};
    c.seed = seed;
    c.delay_us = 1000;
    c.jitter_us = 4000;
    c.segment = 5;
    c.stall_one_in = 400;
    c.stall_us = 30000;
    return c;
}

/* One side of a waiting link: pushes numbered messages and pops the other's. */
typedef struct side {
    midisock_port *port;
    unsigned count;
} side;

static unsigned length_of(unsigned number)
{
    return 8 + number * 7 % 90;
}

static void *push_numbers(void *argument)
{
    const side *s = argument;
    uint8_t data[128];
    for (unsigned i = 0; i < s->count; i++) {
        check_numbered(data, length_of(i), i);
        check_push(s->port, data, length_of(i));
    }
    return NULL;
}

static void *pop_numbers(void *argument)
{
    const side *s = argument;
    for (unsigned i = 0; i < s->count; i++) {
        midisock_message m = POP(s->port);
        CHECK_INT(i, check_number(m.data, m.size));
        CHECK_INT(0, m.flags);
    }
    return NULL;
}

static void waiting_ports_lose_nothing(void)
{
    uint32_t seed = song_seed();
    midisock_config c = check_config();
    c.in_queue_bytes = c.out_queue_bytes = 4096;
    c.max_message_bytes = 1024;
    c.accept_mode = MIDISOCK_ACCEPT_MANUAL;
    midisock_port *server = check_listen(&c);
    relay_config bad = bad_network(seed);
    uint16_t number = 0;
    relay *r = relay_start(midisock_local_port(server), &bad, &number);
    side there = {NULL, check_sanitized() ? 1500 : 3000};
    side back = there;
    CHECK_OK(midisock_connect("127.0.0.1", number, &c, &there.port));
    CHECK_OK(midisock_wait_connected(there.port, DEADLINE_MS));
    CHECK_OK(midisock_accept(server, DEADLINE_MS, &back.port));
    pthread_t threads[4];
    check_start(&threads[0], push_numbers, &there);
    check_start(&threads[1], push_numbers, &back);
    check_start(&threads[2], pop_numbers, &there);
    check_start(&threads[3], pop_numbers, &back);
    for (int i = 0; i < 4; i++)
        check_join(threads[i]);
    midisock_port *ports[] = {there.port, back.port};
    for (int i = 0; i < 2; i++) {
        midisock_stats stats = check_stats(ports[i]);
        CHECK_INT(there.count, stats.messages_in);
        CHECK_COUNT(ports[i], messages_out, there.count);
        CHECK_INT(0, stats.dropped_in + stats.dropped_out + stats.unrepaired);
        CHECK_INT(0, stats.invalid_bytes + stats.oversize_in + stats.synthesized);
        CHECK_INT(check_stats(ports[1 - i]).bytes_out, stats.bytes_in);
    }
    printf("# %u messages each way, in pieces of 1 to 5 bytes, 1 to 5 ms late: all came, in order\n",
           there.count);
    midisock_close(there.port);
    midisock_close(back.port);
    midisock_close(server);
    relay_stop(r);
}

static void a_congested_peer_behind_it_is_put_right(void)
{
    /* It stops for longer than max_delay_ms, again and again. */
    uint32_t seed = song_seed();
    uint64_t dropped = 0;
    for (int round = 0; round < 3; round++) {
        song s;
        song_init(&s, seed + (uint32_t)round, 16);
        midisock_config c = repairing_config();
        c.out_queue_bytes = 1 << 20;
        c.max_delay_ms = 30;
        c.client_buffer_bytes = 4096;
        midisock_port *server = check_listen(&c);
        relay_config bad = bad_network(s.seed);
        bad.segment = 300;
        bad.stall_one_in = 20;
        uint16_t number = 0;
        relay *r = relay_start(midisock_local_port(server), &bad, &number);
        int fd = raw_connect(number);
        NOTIFIED(server, MIDISOCK_NOTIFY_CLIENT_JOINED);
        peer_reader e;
        peer_reader_init(&e, &s);
        uint64_t until = check_now_ms() + 2 * DEADLINE_MS;
        while (check_stats(server).dropped_out < 3000) {
            CHECK_INT(0, song_push(server, &s, 500));
            CHECK_OK(midisock_flush(server, DEADLINE_MS));
            if (raw_readable(fd, 0))
                CHECK(peer_read(&e, fd, 1000));
            CHECK(check_now_ms() < until);
        }
        peers_read_to_mark(server, &s, &e, &fd, 1);
        RECEIVER_CHECK(&s.sender, &e.received, "behind a bad network", s.seed);
        CHECK_INT(1, midisock_client_count(server));
        midisock_stats stats = check_stats(server);
        CHECK_INT(s.messages, e.w.messages + stats.dropped_out - stats.synthesized);
        dropped += stats.dropped_out;
        raw_close(fd);
        midisock_close(server);
        relay_stop(r);
    }
    printf("# %llu messages dropped by policy, all of them counted, the receiver put right\n",
           (unsigned long long)dropped);
}

/* What a server hears of one connection after the other. */
typedef struct listener {
    midisock_port *server;
    uint32_t client; /* of the connection now */
    receiver received;  /* of this connection alone */
    int zeroes_lsb;
    uint64_t bytes; /* of whole messages */
    int marked;
    unsigned connections;
} listener;

static void hear_connections(listener *l)
{
    midisock_message m;
    while (midisock_pop(l->server, &m) == MIDISOCK_OK) {
        if (m.client != l->client) {
            /* What the one before left sounding was let go of in its name. */
            CHECK_INT(0, receiver_held(&l->received));
            CHECK(m.client > l->client);
            l->client = m.client;
            l->connections++;
            receiver_init(&l->received, l->zeroes_lsb);
        }
        receiver_hear(&l->received, m.data, m.size);
        if (!(m.flags & MIDISOCK_FLAG_SYNTHETIC)) {
            l->bytes += m.size;
            l->marked |= is_song_mark(m.data, m.size);
        }
    }
}

static void cut_after_any_byte(void)
{
    /* A client whose connection is cut, again and again, wherever it hurts: the
     * server holds nothing of the old one, and is told where the new one
     * stands. */
    uint32_t seed = song_seed();
    song s;
    song_init(&s, seed, 16);
    midisock_config c;
    midisock_config_init(&c, sizeof c);
    c.in_queue_bytes = 1 << 20;
    c.max_clients = 4096;
    midisock_port *server = check_listen(&c);
    relay_config bad = bad_network(seed);
    bad.delay_us = 100;
    bad.jitter_us = 300;
    bad.segment = 40;
    bad.stall_one_in = 0;
    uint16_t number = 0;
    relay *r = relay_start(midisock_local_port(server), &bad, &number);
    c.overflow = MIDISOCK_OVERFLOW_REPAIR;
    c.client_buffer_bytes = 1 << 20;
    c.max_delay_ms = 60000;
    c.reconnect_min_ms = 1;
    c.reconnect_max_ms = 5;
    midisock_port *client = NULL;
    CHECK_OK(midisock_connect("127.0.0.1", number, &c, &client));
    listener l = {server, 0, s.sender, s.sender.zeroes_lsb, 0, 0, 0};
    unsigned cuts = check_sanitized() ? 40 : 150;
    uint32_t random = seed;
    for (unsigned cut = 0; cut < cuts; cut++) {
        CHECK_OK(midisock_wait_connected(client, DEADLINE_MS));
        relay_cut_after(r, 1 + check_random(&random) % 700, (int)(check_random(&random) % 2));
        uint64_t until = check_now_ms() + DEADLINE_MS;
        while (relay_cuts(r) == cut) {
            for (int i = 0; i < 30; i++) {
                const uint8_t *data;
                size_t size = song_next(&s, &data);
                midisock_result result = midisock_push(client, data, size);
                CHECK(result == MIDISOCK_OK || result == MIDISOCK_OFFLINE ||
                      result == MIDISOCK_ERR_FULL);
            }
            hear_connections(&l);
            check_pause();
            CHECK(check_now_ms() < until);
        }
    }
    /* And in the end all is right. */
    uint64_t until = check_now_ms() + DEADLINE_MS;
    for (l.marked = 0; !l.marked;) {
        midisock_push(client, song_mark, sizeof song_mark);
        hear_connections(&l);
        check_pause();
        CHECK(check_now_ms() < until);
    }
    /* A newcomer is told nothing of the sequencer but what is new. */
    l.received.runs = s.sender.runs;
    l.received.position = s.sender.position;
    l.received.song = s.sender.song;
    receiver_rest(&l.received, &s.sender);
    RECEIVER_CHECK(&s.sender, &l.received, "after the last cut", seed);
    CHECK_SOON(midisock_client_count(server) == 1); /* those cut off are kept for answers */
    CHECK_INT(cuts, relay_cuts(r));
    midisock_close(client);
    CHECK_SOON(midisock_client_count(server) == 0);
    /* Every byte that came is in a message that was handed over, or counted. */
    midisock_stats stats;
    CHECK_SOON((hear_connections(&l), stats = check_stats(server),
                stats.bytes_in == l.bytes + stats.invalid_bytes));
    CHECK_SOON((hear_connections(&l), receiver_held(&l.received) == 0));
    CHECK_INT(0, stats.dropped_in);
    /* A reset takes what was still under way with it. */
    CHECK(stats.bytes_in <= relay_to_server(r));
    printf("# cut %u times after any byte, %llu bytes of half messages counted, right in the end\n",
           cuts, (unsigned long long)stats.invalid_bytes);
    midisock_close(server);
    relay_stop(r);
}

int main(int argc, char **argv)
{
    static const check_case cases[] = {
        CASE(waiting_ports_lose_nothing),
        CASE(a_congested_peer_behind_it_is_put_right),
        CASE(cut_after_any_byte),
    };
    return check_main(argc, argv, CASES(cases));
}
