/* MIDISOCK_OVERFLOW_REPAIR, sending: after any loss the receiver ends with the
 * sender's state, holds no released note, and every message is delivered or
 * counted. Random songs, judged by the independent receiver. */
#define _POSIX_C_SOURCE 200809L
#include "readers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void refused_pushes(void)
{
    /* Bursts larger than the queue, faster than the network thread looks, at a
     * peer that reads. */
    uint32_t seed = song_seed();
    int rounds = check_sanitized() ? 6 : 24;
    uint64_t refused = 0;
    for (int round = 0; round < rounds; round++) {
        song s;
        song_init(&s, seed + (uint32_t)round, 16);
                midisock_config c = repairing_config();
        c.wake = round % 3 == 2 ? MIDISOCK_WAKE_SIGNAL : MIDISOCK_WAKE_TICK;
        c.tick_us = round % 2 ? 500 : 3000;
        c.client_buffer_bytes = 1 << 20;
        c.max_delay_ms = 60000;
        uint16_t number = 0;
        int listener = raw_listen(&number);
        midisock_port *port = NULL;
        CHECK_OK(midisock_connect("127.0.0.1", number, &c, &port));
        int fd = raw_accept(listener);
        CHECK_OK(midisock_wait_connected(port, DEADLINE_MS));
        peer_reader e;
        peer_reader_init(&e, &s);
        uint32_t random = seed ^ (uint32_t)round;
        for (int burst = 0; burst < 40; burst++) {
            song_push(port, &s, check_random(&random) % 600);
            if (check_random(&random) % 3 == 0) {
                peers_read_to_mark(port, &s, &e, &fd, 1);
                RECEIVER_CHECK(&s.sender, &e.received, "after a burst", s.seed);
            } else if (check_random(&random) % 3 == 0) {
                /* What was refused is flushed as well. */
                CHECK_OK(midisock_flush(port, DEADLINE_MS));
                while (e.w.messages < check_stats(port).messages_out)
                    CHECK(peer_read(&e, fd, SIZE_MAX));
                RECEIVER_CHECK(&s.sender, &e.received, "after a flush", s.seed);
            }
        }
        peers_read_to_mark(port, &s, &e, &fd, 1);
        RECEIVER_CHECK(&s.sender, &e.received, "after bursts", s.seed);
        midisock_stats stats = check_stats(port);
        CHECK_INT(s.messages, e.w.messages - stats.synthesized + stats.dropped_out);
        refused += stats.dropped_out;
        raw_close(fd);
        raw_close(listener);
        midisock_close(port);
    }
    CHECK(refused > 0);
    printf("# %d songs, %llu pushes refused, all as it was pushed\n", rounds,
           (unsigned long long)refused);
}

static void refused_pushes_to_clients_by_name(void)
{
    /* Each client has its own song, and there is one for all: nothing of one's
     * reaches another, and each is put right by itself. */
    enum { CLIENTS = 3 };
    uint32_t seed = song_seed();
    uint64_t refused = 0;
    for (int round = 0; round < 8; round++) {
        midisock_config c = repairing_config();
        c.client_buffer_bytes = 1 << 20;
        c.max_delay_ms = 60000;
        c.tick_us = 2000;
        midisock_port *server = check_listen(&c);
        int fds[CLIENTS];
        uint32_t ids[CLIENTS];
        static song songs[CLIENTS + 1];
        static peer_reader readers[CLIENTS];
        static receiver sent[CLIENTS];
        for (int i = 0; i <= CLIENTS; i++)
            song_init(&songs[i], 4 * seed + (uint32_t)(round * 4 + i), 16);
        for (int i = 0; i < CLIENTS; i++) {
            fds[i] = raw_connect(midisock_local_port(server));
            ids[i] = NOTIFIED(server, MIDISOCK_NOTIFY_CLIENT_JOINED).client;
            peer_reader_init(&readers[i], &songs[i]);
            readers[i].received.zeroes_lsb = 1;
            sent[i] = readers[i].received;
        }
        uint32_t random = seed ^ (uint32_t)round;
        for (int burst = 0; burst < 30; burst++) {
            unsigned count = check_random(&random) % 600;
            for (unsigned i = 0; i < count; i++) {
                unsigned to = check_random(&random) % (CLIENTS + 1);
                const uint8_t *data;
                size_t size = song_next(&songs[to], &data);
                for (unsigned k = 0; k < CLIENTS; k++)
                    if (to == CLIENTS || to == k)
                        receiver_hear(&sent[k], data, size);
                midisock_message m = {0};
                m.data = data;
                m.size = (uint32_t)size;
                m.client = to < CLIENTS ? ids[to] : 0;
                midisock_result result = midisock_push_message(server, &m);
                if (result != MIDISOCK_ERR_FULL)
                    CHECK_OK(result);
                refused += result == MIDISOCK_ERR_FULL;
            }
            if (check_random(&random) % 3 == 0 || burst == 29) {
                peers_read_to_mark(server, &songs[CLIENTS], readers, fds, CLIENTS);
                for (int k = 0; k < CLIENTS; k++) {
                    /* By number, not by the strike: two songs share the keys. */
                    for (int channel = 0; channel < SONG_SINGLE; channel++)
                        memcpy(readers[k].received.channels[channel].strike,
                               sent[k].channels[channel].strike,
                               sizeof sent[k].channels[channel].strike);
                    RECEIVER_CHECK(&sent[k], &readers[k].received, "one of three", songs[k].seed);
                }
            }
        }
        for (int i = 0; i < CLIENTS; i++)
            raw_close(fds[i]);
        midisock_close(server);
    }
    CHECK(refused > 0);
    printf("# %llu pushes refused, to clients by name and to all: each stands where it should\n",
           (unsigned long long)refused);
}

static void a_note_off_refused_to_one_of_many(void)
{
    /* More clients than are told apart: what lets go gets through in any case. */
    enum { CLIENTS = 12 };
    midisock_config c = repairing_config();
    c.tick_us = 50000;
    midisock_port *server = check_listen(&c);
    int fds[CLIENTS];
    uint32_t ids[CLIENTS];
    for (int i = 0; i < CLIENTS; i++) {
        fds[i] = raw_connect(midisock_local_port(server));
        ids[i] = NOTIFIED(server, MIDISOCK_NOTIFY_CLIENT_JOINED).client;
        CHECK_OK(midisock_push_message(server, &(midisock_message){.data = (const uint8_t[]){0x90, (uint8_t)i, 1}, .size = 3, .client = ids[i]}));
        RAW_EXPECT(fds[i], 0x90, (uint8_t)i, 1);
    }
    /* From its own side alone it cannot be seen whether a push found the queue
     * full or the network thread was just in time: until one of each was. */
    unsigned count = 0;
    while (count < CLIENTS) {
        while (midisock_push(server, BYTES(0xf6)) == MIDISOCK_OK)
            ;
        for (count = 0; count < CLIENTS; count++) {
            midisock_message off = {0};
            off.data = (const uint8_t[]){0x80, (uint8_t)count, 1};
            off.size = 3;
            off.client = ids[count];
            if (midisock_push_message(server, &off) != MIDISOCK_ERR_FULL)
                break;
        }
    }
    for (int i = 0; i < CLIENTS; i++) {
        peer_reader e;
        memset(&e, 0, sizeof e);
        receiver_init(&e.received, 1);
        e.received.channels[0].held[i] = 1;
        while (receiver_held(&e.received) > 0)
            CHECK(peer_read(&e, fds[i], SIZE_MAX));
        raw_close(fds[i]);
    }
    midisock_close(server);
}

static void what_is_pushed_after_a_refusal_comes_after_its_repair(void)
{
    midisock_config c = repairing_config();
    c.tick_us = 20000;
    uint16_t number = 0;
    int listener = raw_listen(&number);
    midisock_port *port = NULL;
    CHECK_OK(midisock_connect("127.0.0.1", number, &c, &port));
    int fd = raw_accept(listener);
    CHECK_OK(midisock_wait_connected(port, DEADLINE_MS));
    CHECK_OK(midisock_flush(port, DEADLINE_MS));
    unsigned queued = 0;
    CHECK_OK(midisock_push(port, BYTES(0x90, 60, 1)));
    while (midisock_push(port, BYTES(0xf6)) == MIDISOCK_OK)
        queued++;
    CHECK(queued < 4096);
    /* All of these are refused, whether there is room again or not. */
    CHECK_RESULT(MIDISOCK_ERR_FULL, midisock_push(port, BYTES(0x80, 60, 1)));
    CHECK_RESULT(MIDISOCK_ERR_FULL, midisock_push(port, BYTES(0xb0, 7, 1)));
    CHECK_RESULT(MIDISOCK_ERR_FULL, midisock_push(port, BYTES(0x90, 61, 1)));
    CHECK_RESULT(MIDISOCK_ERR_FULL, midisock_push(port, BYTES(0xb0, 7, 2)));
    CHECK_OK(midisock_wait(port, MIDISOCK_WAIT_ROOM, DEADLINE_MS));
    CHECK_OK(midisock_push(port, BYTES(0xb0, 7, 3)));
    RAW_EXPECT(fd, 0x90, 60, 1);
    for (unsigned i = 0; i < queued; i++)
        RAW_EXPECT(fd, 0xf6);
    RAW_EXPECT(fd, 0x80, 60, 64, 0xb0, 7, 2, 0xb0, 7, 3);
    CHECK_COUNT(port, dropped_out, 5);
    CHECK_INT(2, check_stats(port).unrepaired); /* the tune request, the note on */
    CHECK_INT(2, check_stats(port).synthesized);
    raw_close(fd);
    raw_close(listener);
    midisock_close(port);
}

/* Which of the requests comes in the middle of a congestion. */
enum { NOTHING, PANIC, RESET, REQUESTS };

static void request(midisock_port *port, int which, receiver *sender)
{
    if (which == NOTHING)
        return;
    CHECK_OK(which == PANIC ? midisock_panic(port) : midisock_reset(port));
    for (int i = 0; i < 16; i++) {
        uint8_t message[] = {(uint8_t)(0xb0 | i), which == PANIC ? 120 : 123, 0};
        receiver_hear(sender, message, 3);
        message[1] = 121;
        if (which == RESET)
            receiver_hear(sender, message, 3);
    }
}

static void a_congested_peer(void)
{
    /* One that does not read, with one that does: this one gets every byte as
     * it was pushed, the other one is put right. */
    uint32_t seed = song_seed();
    int rounds = check_sanitized() ? 3 : 9;
    for (int round = 0; round < rounds; round++) {
        song s;
        song_init(&s, seed + (uint32_t)round, 16);
        midisock_config c = repairing_config();
        c.out_queue_bytes = 1 << 20;
        c.max_delay_ms = round % 2 ? 100 : 20;
        c.client_buffer_bytes = 8192;
        midisock_port *server = check_listen(&c);
        int slow = raw_connect_small(midisock_local_port(server));
        uint32_t slow_id = NOTIFIED(server, MIDISOCK_NOTIFY_CLIENT_JOINED).client;
        int fast = raw_connect(midisock_local_port(server));
        NOTIFIED(server, MIDISOCK_NOTIFY_CLIENT_JOINED);
        int fds[] = {slow, fast};
        peer_reader readers[2];
        peer_reader_init(&readers[0], &s);
        peer_reader_init(&readers[1], &s);
        uint32_t random = seed ^ (uint32_t)round;
        /* Several times: it stops, and reads again. */
        for (int stop = 0; stop < 3; stop++) {
            uint64_t before = check_stats(server).dropped_out;
            uint64_t until = check_now_ms() + DEADLINE_MS;
            uint64_t more = 1000 + check_random(&random) % 3000;
            while (check_stats(server).dropped_out < before + more) {
                for (int i = 0; i < 200; i++) {
                    const uint8_t *data;
                    size_t size = song_next(&s, &data);
                    CHECK_OK(midisock_push(server, data, size));
                }
                if (check_random(&random) % 40 == 0)
                    request(server, round % REQUESTS, &s.sender);
                CHECK_OK(midisock_flush(server, DEADLINE_MS));
                while (raw_readable(fast, 0))
                    CHECK(peer_read(&readers[1], fast, SIZE_MAX));
                /* A trickle, so that messages are cut where they may be. */
                if (check_random(&random) % 4 == 0 && raw_readable(slow, 0))
                    CHECK(peer_read(&readers[0], slow, 1 + check_random(&random) % 37));
                CHECK(check_now_ms() < until);
            }
            request(server, round % REQUESTS, &s.sender);
            CHECK_INT(2, midisock_client_count(server));
            peers_read_to_mark(server, &s, readers, fds, 2);
            RECEIVER_CHECK(&s.sender, &readers[0].received, "the slow one", s.seed);
            RECEIVER_CHECK(&s.sender, &readers[1].received, "the fast one", s.seed);
            midisock_notification n;
            int open = 0;
            int told = 0;
            /* On a busy machine it may have been congested again just now: it recovers when it has read. Where a panic or
             * a reset has dropped what waited, it may not have been congested at all. */
            until = check_now_ms() + DEADLINE_MS;
            for (;;) {
                for (int i = 0; i < 2; i++)
                    while (raw_readable(fds[i], 0))
                        CHECK(peer_read(&readers[i], fds[i], SIZE_MAX));
                while (midisock_poll_notification(server, &n) == MIDISOCK_OK) {
                    CHECK_INT(slow_id, n.client);
                    CHECK_INT(open ? MIDISOCK_NOTIFY_RECOVERED : MIDISOCK_NOTIFY_CONGESTED, n.kind);
                    open = !open;
                    told++;
                }
                if (!open && (told > 0 || round % REQUESTS != NOTHING))
                    break;
                CHECK(check_now_ms() < until);
                check_pause();
            }
        }
        if (round % REQUESTS == NOTHING) {
            midisock_stats stats = check_stats(server);
            CHECK_INT(s.messages, readers[1].w.messages);
            CHECK_INT(s.messages, readers[0].w.messages + stats.dropped_out - stats.synthesized);
        }
        raw_close(slow);
        raw_close(fast);
        midisock_close(server);
    }
}

static void a_congested_peer_is_released_at_close(void)
{
    /* What it received before it stopped sounds: when it reads on within
     * linger_ms it is let go of. */
    uint32_t seed = song_seed();
    song s;
    song_init(&s, seed, 16);
    midisock_config c = repairing_config();
    c.out_queue_bytes = 1 << 20;
    c.max_delay_ms = 50;
    c.client_buffer_bytes = 8192;
    c.release_on_close = 1;
    c.linger_ms = DEADLINE_MS;
    midisock_port *server = check_listen(&c);
    int slow = raw_connect_small(midisock_local_port(server));
    NOTIFIED(server, MIDISOCK_NOTIFY_CLIENT_JOINED);
    while (check_stats(server).dropped_out < 1000) {
        for (int i = 0; i < 100; i++) {
            const uint8_t *data;
            size_t size = song_next(&s, &data);
            CHECK_OK(midisock_push(server, data, size));
        }
        CHECK_OK(midisock_flush(server, DEADLINE_MS));
    }
    CHECK_OK(midisock_shutdown(server));
    peer_reader e;
    peer_reader_init(&e, &s);
    while (peer_read(&e, slow, SIZE_MAX))
        ;
    CHECK_INT(e.w.whole, e.w.size); /* the end came between two messages */
    CHECK_INT(0, receiver_held(&e.received));
    CHECK_INT(0, e.received.runs);
    for (int i = 0; i < 16; i++) {
        CHECK(e.received.channels[i].control[64] <= 0 && e.received.channels[i].control[66] <= 0);
        CHECK_INT(0x2000, e.received.channels[i].bend);
    }
    raw_close(slow);
    midisock_close(server);
}

static void panic_and_reset_while_a_peer_is_congested(void)
{
    /* What was lost before does not come after them, nor what they undid. */
    for (int which = PANIC; which <= RESET; which++) {
        midisock_config c = repairing_config();
        c.max_delay_ms = 20;
        c.client_buffer_bytes = 4096;
        uint16_t number = 0;
        int listener = raw_listen_small(&number);
        midisock_port *port = NULL;
        CHECK_OK(midisock_connect("127.0.0.1", number, &c, &port));
        int fd = raw_accept(listener);
        CHECK_OK(midisock_wait_connected(port, DEADLINE_MS));
        NOTIFIED(port, MIDISOCK_NOTIFY_CONNECTED);
        song s;
        song_init(&s, 1, 1);
        peer_reader e;
        peer_reader_init(&e, &s);
        receiver sender = e.received;
        const uint8_t before[] = {0x90, 60, 1};
        CHECK_OK(midisock_push(port, before, sizeof before));
        receiver_hear(&sender, before, sizeof before);
        /* Until these are lost, all of them: where the last message before
         * was cut, it is in the way. */
        const uint8_t lost[][3] = {{0xb0, 1, 43}, {0xb0, 7, 44}, {0xe0, 1, 1}, {0x90, 61, 1}};
        /* Not the mark that ends the reading. */
        static const uint8_t filler[] = {0xf0, 0x7d, 1, 2, 3, 4, 0xf7};
        uint64_t until = check_now_ms() + DEADLINE_MS;
        uint64_t before_them;
        do {
            CHECK(check_now_ms() < until);
            for (int i = 0; i < 100; i++)
                midisock_push(port, filler, sizeof filler);
            CHECK_OK(midisock_flush(port, DEADLINE_MS));
            before_them = check_stats(port).dropped_out;
            for (int i = 0; i < 4; i++) {
                CHECK_OK(midisock_push(port, lost[i], 3));
                receiver_hear(&sender, lost[i], 3);
            }
            CHECK_OK(midisock_flush(port, DEADLINE_MS));
        } while (check_stats(port).dropped_out != before_them + 4);
        request(port, which, &sender);
        CHECK_OK(midisock_flush(port, DEADLINE_MS));
        peers_read_to_mark(port, &s, &e, &fd, 1);
        RECEIVER_CHECK(&sender, &e.received, which == PANIC ? "panic" : "reset", 0);
        raw_close(fd);
        raw_close(listener);
        midisock_close(port);
    }
}

static void fill(midisock_port *port)
{
    midisock_result result;
    while ((result = midisock_push(port, BYTES(0xf6))) == MIDISOCK_OK)
        ;
    CHECK_RESULT(MIDISOCK_ERR_FULL, result);
}

static void a_push_succeeds_when_there_is_room(void)
{
    /* After WAIT_ROOM said so, a push by the same thread is not refused. */
    midisock_config c = repairing_config();
    uint16_t number = 0;
    int listener = raw_listen(&number);
    midisock_port *port = NULL;
    CHECK_OK(midisock_connect("127.0.0.1", number, &c, &port));
    int fd = raw_accept(listener);
    CHECK_OK(midisock_wait_connected(port, DEADLINE_MS));
    song s;
    song_init(&s, 1, 1);
    peer_reader e;
    peer_reader_init(&e, &s);
    for (int round = 0; round < 1000; round++) {
        fill(port);
        CHECK_OK(midisock_wait(port, MIDISOCK_WAIT_ROOM, DEADLINE_MS));
        CHECK_OK(midisock_push(port, BYTES(0xf6)));
        while (raw_readable(fd, 0))
            CHECK(peer_read(&e, fd, SIZE_MAX));
    }
    raw_close(fd);
    raw_close(listener);
    midisock_close(port);
}

static void flush_may_be_polled(void)
{
    midisock_config c = repairing_config();
    uint16_t number = 0;
    int listener = raw_listen(&number);
    midisock_port *port = NULL;
    CHECK_OK(midisock_connect("127.0.0.1", number, &c, &port));
    int fd = raw_accept(listener);
    CHECK_OK(midisock_wait_connected(port, DEADLINE_MS));
    CHECK_OK(midisock_push(port, BYTES(0xf6)));
    RAW_EXPECT(fd, 0xf6);
    CHECK_SOON(midisock_flush(port, 0) == MIDISOCK_OK);
    raw_close(fd);
    raw_close(listener);
    midisock_close(port);
}

int main(int argc, char **argv)
{
    static const check_case cases[] = {
        CASE(refused_pushes),
        CASE(refused_pushes_to_clients_by_name),
        CASE(a_note_off_refused_to_one_of_many),
        CASE(what_is_pushed_after_a_refusal_comes_after_its_repair),
        CASE(a_congested_peer),
        CASE(a_congested_peer_is_released_at_close),
        CASE(panic_and_reset_while_a_peer_is_congested),
        CASE(a_push_succeeds_when_there_is_room),
        CASE(flush_may_be_polled),
    };
    return check_main(argc, argv, CASES(cases));
}
