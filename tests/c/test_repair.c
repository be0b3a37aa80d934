/* MIDISOCK_OVERFLOW_REPAIR: whatever is lost where, in the end the receiver
 * stands where the sender stands, holds no note that was released, and every
 * message is accounted for. Random songs; the receiver is the tests' own. */
#define _POSIX_C_SOURCE 200809L
#include "check.h"
#include "raw.h"
#include "receiver.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static midisock_config repairing(void)
{
    midisock_config c = check_config();
    c.in_queue_bytes = 4096;
    c.out_queue_bytes = 4096;
    c.overflow = MIDISOCK_OVERFLOW_REPAIR;
    return c;
}

/* Sends so many messages of a song, in pieces that split them anywhere. */
static void send_song(int fd, song *s, unsigned messages)
{
    uint8_t piece[8192];
    size_t size = 0;
    for (unsigned i = 0; i < messages; i++) {
        const uint8_t *data;
        size_t length = song_next(s, &data);
        memcpy(piece + size, data, length);
        size += length;
        if (size > sizeof piece - 64 || i + 1 == messages) {
            raw_send(fd, piece, size);
            size = 0;
        }
    }
}

/* What was popped. */
typedef struct popper {
    receiver heard;
    uint64_t live;
    uint64_t made;
    int marked; /* a mark came, live */
} popper;

static void popper_init(popper *p, const song *s)
{
    memset(p, 0, sizeof *p);
    receiver_init(&p->heard, s->sender.zeroes_lsb);
}

/* A mark is live only when nothing is owed any more: all that was sent before
 * it has been delivered or made good. It is no state. */
static const uint8_t mark[] = {0xf0, 0x7d, 0x7f, 0x7f, 0x7f, 0x7f, 0xf7};

static int is_mark(const uint8_t *data, size_t size)
{
    return size == sizeof mark && memcmp(data, mark, size) == 0;
}

static void popper_hear(popper *p, const midisock_message *m)
{
    receiver_hear(&p->heard, m->data, m->size);
    if (m->flags & MIDISOCK_SYNTHETIC) {
        p->made++;
    } else {
        p->live++;
        p->marked |= is_mark(m->data, m->size);
    }
}

/* Pops so many messages at most; how many there were. */
static unsigned pop_some(midisock_port *port, popper *p, unsigned most)
{
    midisock_message m;
    unsigned count = 0;
    for (; count < most && midisock_pop(port, &m) == MIDISOCK_OK; count++)
        popper_hear(p, &m);
    return count;
}

/* Until all that was sent has been delivered, made good or counted as lost. */
static void settle(midisock_port *port, int fd, popper *p, song *s)
{
    uint64_t until = check_now_ms() + DEADLINE_MS;
    p->marked = 0;
    while (!p->marked) {
        raw_send(fd, mark, sizeof mark);
        s->messages++;
        midisock_stats stats;
        do {
            pop_some(port, p, UINT32_MAX);
            stats = check_stats(port);
            if (check_now_ms() > until)
                check_fail(__FILE__, __LINE__,
                           "seed %u: of %llu messages %llu came in, %llu were dropped, %llu popped",
                           (unsigned)s->seed, (unsigned long long)s->messages,
                           (unsigned long long)stats.messages_in,
                           (unsigned long long)stats.dropped_in, (unsigned long long)p->live);
        } while (stats.messages_in != s->messages ||
                 stats.messages_in != p->live + stats.dropped_in);
        check_pause();
    }
    midisock_message m;
    CHECK_RESULT(MIDISOCK_EMPTY, midisock_pop(port, &m));
    CHECK_INT(p->made, check_stats(port).synthesized);
}

static void the_audio_side_sleeps(void)
{
    enum { SENT = 60000 };
    uint32_t seed = song_seed();
    song s;
    song_init(&s, seed, 16);
    midisock_config c = repairing();
    midisock_port *server = check_listen(&c);
    int fd = raw_connect(midisock_local_port(server));
    send_song(fd, &s, SENT);
    CHECK_COUNT(server, messages_in, SENT);
    midisock_stats asleep = check_stats(server);
    CHECK(asleep.dropped_in > SENT / 2);
    NOTIFIED(server, MIDISOCK_CLIENT_JOINED);
    CHECK_INT(0, NOTIFIED(server, MIDISOCK_CONGESTED).client);
    popper p;
    popper_init(&p, &s);
    CHECK(pop_some(server, &p, UINT32_MAX) > 0);
    uint64_t until = check_now_ms() + DEADLINE_MS;
    midisock_notification n;
    while (midisock_poll_notification(server, &n) != MIDISOCK_OK) {
        pop_some(server, &p, UINT32_MAX);
        CHECK(check_now_ms() < until);
    }
    CHECK_INT(MIDISOCK_RECOVERED, n.kind);
    CHECK_INT(0, n.client);
    settle(server, fd, &p, &s);
    RECEIVER_CHECK(&s.sender, &p.heard, "after sleeping", seed);
    midisock_stats awake = check_stats(server);
    /* Events among what was dropped are lost for good, and some note ons. */
    CHECK(awake.unrepaired > 0 && awake.unrepaired <= awake.dropped_in);
    /* And then the live stream goes on as it comes. */
    send_song(fd, &s, 50);
    settle(server, fd, &p, &s);
    CHECK_INT(awake.synthesized, check_stats(server).synthesized);
    RECEIVER_CHECK(&s.sender, &p.heard, "live again", seed);
    raw_close(fd);
    midisock_close(server);
}

/* Each congestion of the in queue has an end. */
static uint64_t count_congestions(midisock_port *port)
{
    uint64_t count = 0;
    int open = 0;
    midisock_notification n;
    while (midisock_poll_notification(port, &n) == MIDISOCK_OK) {
        if (n.kind != MIDISOCK_CONGESTED && n.kind != MIDISOCK_RECOVERED)
            continue;
        CHECK_INT(0, n.client);
        CHECK_INT(open ? MIDISOCK_RECOVERED : MIDISOCK_CONGESTED, n.kind);
        open = !open;
        count += (uint64_t)open;
    }
    CHECK_INT(0, open);
    return count;
}

static void the_audio_side_sleeps_now_and_then(void)
{
    uint32_t seed = song_seed();
    int rounds = check_sanitized() ? 8 : 30;
    uint64_t dropped = 0;
    uint64_t congested = 0;
    for (int round = 0; round < rounds; round++) {
        song s;
        song_init(&s, seed + (uint32_t)round, 16);
        midisock_config c = repairing();
        midisock_port *server = check_listen(&c);
        int fd = raw_connect(midisock_local_port(server));
        popper p;
        popper_init(&p, &s);
        uint32_t random = seed + 17u * (uint32_t)round;
        for (int nap = 0; nap < 12; nap++) {
            send_song(fd, &s, check_random(&random) % 1500);
            if (check_random(&random) % 2)
                CHECK_COUNT(server, messages_in, s.messages);
            pop_some(server, &p, check_random(&random) % 400);
            if (check_random(&random) % 3 == 0) {
                settle(server, fd, &p, &s);
                RECEIVER_CHECK(&s.sender, &p.heard, "between naps", s.seed);
            }
        }
        settle(server, fd, &p, &s);
        RECEIVER_CHECK(&s.sender, &p.heard, "after naps", s.seed);
        dropped += check_stats(server).dropped_in;
        congested += count_congestions(server);
        raw_close(fd);
        midisock_close(server);
    }
    CHECK(dropped > 0 && congested > 0);
    printf("# %d songs, %llu messages dropped in %llu congestions, all as it was sent\n", rounds,
           (unsigned long long)dropped, (unsigned long long)congested);
}

static void a_lossy_peer_that_leaves_holds_nothing(void)
{
    uint32_t seed = song_seed();
    for (int round = 0; round < 12; round++) {
        song s;
        song_init(&s, seed + (uint32_t)round, 16);
        midisock_config c = repairing();
        c.release_on_disconnect = 1;
        c.accept_mode = MIDISOCK_ACCEPT_MANUAL;
        midisock_port *server = check_listen(&c);
        int fd = raw_connect(midisock_local_port(server));
        midisock_port *port = NULL;
        CHECK_OK(midisock_accept(server, DEADLINE_MS, &port));
        popper p;
        popper_init(&p, &s);
        send_song(fd, &s, 3000);
        CHECK_COUNT(port, messages_in, 3000);
        if (round % 2)
            pop_some(port, &p, 100);
        round % 3 ? raw_close(fd) : raw_reset(fd);
        uint64_t until = check_now_ms() + DEADLINE_MS;
        midisock_message m;
        midisock_result result;
        while ((result = midisock_pop(port, &m)) != MIDISOCK_ERR_CLOSED) {
            if (result == MIDISOCK_OK)
                popper_hear(&p, &m);
            else
                CHECK_RESULT(MIDISOCK_EMPTY, result);
            CHECK(check_now_ms() < until);
        }
        CHECK_INT(0, receiver_held(&p.heard));
        CHECK_INT(0, p.heard.runs);
        for (int i = 0; i < 16; i++) {
            CHECK(p.heard.channels[i].control[64] <= 0 && p.heard.channels[i].control[66] <= 0);
            CHECK_INT(0, p.heard.channels[i].pressure);
            CHECK_INT(0x2000, p.heard.channels[i].bend);
        }
        midisock_close(port);
        midisock_close(server);
    }
}

static void clients_of_one_port_are_repaired_apart(void)
{
    /* They share the in queue, and nothing else. */
    enum { CLIENTS = 5 };
    uint32_t seed = song_seed();
    midisock_config c = repairing();
    midisock_port *server = check_listen(&c);
    static song songs[CLIENTS];
    static popper poppers[CLIENTS];
    int fds[CLIENTS];
    uint32_t ids[CLIENTS];
    for (int i = 0; i < CLIENTS; i++) {
        fds[i] = raw_connect(midisock_local_port(server));
        RAW_SEND(fds[i], 0xf6);
        ids[i] = EXPECT(server, 0xf6).client;
        song_init(&songs[i], seed + (uint32_t)i, 3);
        popper_init(&poppers[i], &songs[i]);
    }
    uint64_t sent = CLIENTS;
    uint64_t popped = CLIENTS;
    uint64_t made = 0;
    for (int round = 0; round < 10; round++) {
        for (int i = 0; i < CLIENTS; i++) {
            send_song(fds[i], &songs[i], 300);
            sent += 300;
        }
        if (round % 3 == 0)
            continue; /* asleep */
        uint64_t until = check_now_ms() + DEADLINE_MS;
        int marked = 0;
        for (int i = 0; i < CLIENTS; i++)
            poppers[i].marked = 0;
        while (marked < CLIENTS) {
            for (int i = 0; i < CLIENTS; i++)
                if (!poppers[i].marked) {
                    raw_send(fds[i], mark, sizeof mark);
                    sent++;
                }
            midisock_stats stats;
            do {
                midisock_message m;
                while (midisock_pop(server, &m) == MIDISOCK_OK) {
                    int who = 0;
                    while (who < CLIENTS && ids[who] != m.client)
                        who++;
                    CHECK(who < CLIENTS);
                    popper_hear(&poppers[who], &m);
                    popped += !(m.flags & MIDISOCK_SYNTHETIC);
                    made += m.flags == MIDISOCK_SYNTHETIC;
                }
                stats = check_stats(server);
                CHECK(check_now_ms() < until);
            } while (stats.messages_in != sent || popped + stats.dropped_in != sent);
            marked = 0;
            for (int i = 0; i < CLIENTS; i++)
                marked += poppers[i].marked;
            check_pause();
        }
        CHECK_INT(made, check_stats(server).synthesized);
        for (int i = 0; i < CLIENTS; i++)
            RECEIVER_CHECK(&songs[i].sender, &poppers[i].heard, "one of five", songs[i].seed);
    }
    CHECK(check_stats(server).dropped_in > 0);
    for (int i = 0; i < CLIENTS; i++)
        raw_close(fds[i]);
    midisock_close(server);
}

/* Going out */

/* What one peer hears. */
typedef struct ear {
    wire w;
    receiver heard;
    int marked;
} ear;

static void ear_init(ear *e, const song *s)
{
    memset(e, 0, sizeof *e);
    receiver_init(&e->heard, s->sender.zeroes_lsb);
}

/* Reads so many bytes at most of what there is, and hears it; 0: the end. */
static int ear_hear(ear *e, int fd, size_t most)
{
    uint8_t piece[4096];
    long got = raw_read_some(fd, piece, most < sizeof piece ? most : sizeof piece);
    for (long i = 0; i < got; i++)
        if (wire_take(&e->w, piece[i])) {
            receiver_hear(&e->heard, e->w.data, e->w.size);
            e->marked |= is_mark(e->w.data, e->w.size);
        }
    return got > 0;
}

/* Pushes marks until one came, and what was before it was heard or made good:
 * a mark that was refused or dropped is pushed again. */
static void hear_all(midisock_port *port, song *s, ear *ears, const int *fds, int count)
{
    uint64_t until = check_now_ms() + DEADLINE_MS;
    uint64_t next = 0;
    int marked = 0;
    for (int i = 0; i < count; i++)
        ears[i].marked = 0;
    while (marked < count) {
        if (check_now_ms() >= next) {
            midisock_result result = midisock_push(port, mark, sizeof mark);
            if (result != MIDISOCK_ERR_FULL)
                CHECK_OK(result);
            s->messages++;
            next = check_now_ms() + 50;
        }
        marked = 0;
        for (int i = 0; i < count; i++) {
            while (raw_readable(fds[i], 0))
                CHECK(ear_hear(&ears[i], fds[i], SIZE_MAX));
            marked += ears[i].marked;
        }
        if (check_now_ms() > until)
            check_fail(__FILE__, __LINE__, "seed %u: nothing comes through", (unsigned)s->seed);
        check_pause();
    }
    /* The rest of the marks. */
    CHECK_OK(midisock_flush(port, DEADLINE_MS));
    uint64_t received;
    do {
        received = 0;
        for (int i = 0; i < count; i++) {
            while (raw_readable(fds[i], 0))
                CHECK(ear_hear(&ears[i], fds[i], SIZE_MAX));
            received += ears[i].w.messages;
        }
        CHECK(check_now_ms() < until);
        check_pause();
    } while (received != check_stats(port).messages_out);
}

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
        s.without_parameters = 1;
        midisock_config c = repairing();
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
        ear e;
        ear_init(&e, &s);
        uint32_t random = seed ^ (uint32_t)round;
        for (int burst = 0; burst < 40; burst++) {
            for (unsigned i = check_random(&random) % 600; i > 0; i--) {
                const uint8_t *data;
                size_t size = song_next(&s, &data);
                midisock_result result = midisock_push(port, data, size);
                if (result != MIDISOCK_OK)
                    CHECK_RESULT(MIDISOCK_ERR_FULL, result);
            }
            if (check_random(&random) % 3 == 0) {
                hear_all(port, &s, &e, &fd, 1);
                RECEIVER_CHECK(&s.sender, &e.heard, "after a burst", s.seed);
            } else if (check_random(&random) % 3 == 0) {
                /* What was refused is flushed as well. */
                CHECK_OK(midisock_flush(port, DEADLINE_MS));
                while (e.w.messages < check_stats(port).messages_out)
                    CHECK(ear_hear(&e, fd, SIZE_MAX));
                RECEIVER_CHECK(&s.sender, &e.heard, "after a flush", s.seed);
            }
        }
        hear_all(port, &s, &e, &fd, 1);
        RECEIVER_CHECK(&s.sender, &e.heard, "after bursts", s.seed);
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

static void what_is_pushed_after_a_refusal_comes_after_its_repair(void)
{
    midisock_config c = repairing();
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
        midisock_config c = repairing();
        c.out_queue_bytes = 1 << 20;
        c.max_delay_ms = round % 2 ? 100 : 20;
        c.client_buffer_bytes = 8192;
        midisock_port *server = check_listen(&c);
        int slow = raw_connect_small(midisock_local_port(server));
        uint32_t slow_id = NOTIFIED(server, MIDISOCK_CLIENT_JOINED).client;
        int fast = raw_connect(midisock_local_port(server));
        NOTIFIED(server, MIDISOCK_CLIENT_JOINED);
        int fds[] = {slow, fast};
        ear ears[2];
        ear_init(&ears[0], &s);
        ear_init(&ears[1], &s);
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
                    CHECK(ear_hear(&ears[1], fast, SIZE_MAX));
                /* A trickle, so that messages are cut where they may be. */
                if (check_random(&random) % 4 == 0 && raw_readable(slow, 0))
                    CHECK(ear_hear(&ears[0], slow, 1 + check_random(&random) % 37));
                CHECK(check_now_ms() < until);
            }
            request(server, round % REQUESTS, &s.sender);
            CHECK_INT(2, midisock_client_count(server));
            hear_all(server, &s, ears, fds, 2);
            RECEIVER_CHECK(&s.sender, &ears[0].heard, "the slow one", s.seed);
            RECEIVER_CHECK(&s.sender, &ears[1].heard, "the fast one", s.seed);
            midisock_notification n;
            int open = 0;
            int told = 0;
            /* On a busy machine it may have been congested again just now. */
            while (told == 0 || open) {
                CHECK_OK(midisock_wait(server, MIDISOCK_WAIT_NOTIFICATION, DEADLINE_MS));
                while (midisock_poll_notification(server, &n) == MIDISOCK_OK) {
                    CHECK_INT(slow_id, n.client);
                    CHECK_INT(open ? MIDISOCK_RECOVERED : MIDISOCK_CONGESTED, n.kind);
                    open = !open;
                    told++;
                }
            }
        }
        if (round % REQUESTS == NOTHING) {
            midisock_stats stats = check_stats(server);
            CHECK_INT(s.messages, ears[1].w.messages);
            CHECK_INT(s.messages, ears[0].w.messages + stats.dropped_out - stats.synthesized);
        }
        raw_close(slow);
        raw_close(fast);
        midisock_close(server);
    }
}

static void a_congested_peer_is_released_at_close(void)
{
    /* What it heard before it stopped sounds: when it reads on within
     * linger_ms it is let go of. */
    uint32_t seed = song_seed();
    song s;
    song_init(&s, seed, 16);
    midisock_config c = repairing();
    c.out_queue_bytes = 1 << 20;
    c.max_delay_ms = 50;
    c.client_buffer_bytes = 8192;
    c.release_on_close = 1;
    c.linger_ms = DEADLINE_MS;
    midisock_port *server = check_listen(&c);
    int slow = raw_connect_small(midisock_local_port(server));
    NOTIFIED(server, MIDISOCK_CLIENT_JOINED);
    while (check_stats(server).dropped_out < 1000) {
        for (int i = 0; i < 100; i++) {
            const uint8_t *data;
            size_t size = song_next(&s, &data);
            CHECK_OK(midisock_push(server, data, size));
        }
        CHECK_OK(midisock_flush(server, DEADLINE_MS));
    }
    CHECK_OK(midisock_shutdown(server));
    ear e;
    ear_init(&e, &s);
    while (ear_hear(&e, slow, SIZE_MAX))
        ;
    CHECK_INT(e.w.whole, e.w.size); /* the end came between two messages */
    CHECK_INT(0, receiver_held(&e.heard));
    CHECK_INT(0, e.heard.runs);
    for (int i = 0; i < 16; i++) {
        CHECK(e.heard.channels[i].control[64] <= 0 && e.heard.channels[i].control[66] <= 0);
        CHECK_INT(0x2000, e.heard.channels[i].bend);
    }
    raw_close(slow);
    midisock_close(server);
}

static void panic_and_reset_while_a_peer_is_congested(void)
{
    /* What was lost before does not come after them, nor what they undid. */
    for (int which = PANIC; which <= RESET; which++) {
        midisock_config c = repairing();
        c.max_delay_ms = 20;
        c.client_buffer_bytes = 4096;
        uint16_t number = 0;
        int listener = raw_listen_small(&number);
        midisock_port *port = NULL;
        CHECK_OK(midisock_connect("127.0.0.1", number, &c, &port));
        int fd = raw_accept(listener);
        CHECK_OK(midisock_wait_connected(port, DEADLINE_MS));
        NOTIFIED(port, MIDISOCK_CONNECTED);
        song s;
        song_init(&s, 1, 1);
        ear e;
        ear_init(&e, &s);
        receiver sender = e.heard;
        const uint8_t before[] = {0x90, 60, 1};
        CHECK_OK(midisock_push(port, before, sizeof before));
        receiver_hear(&sender, before, sizeof before);
        /* Until these are lost, all of them: where the last message before
         * was cut, it is in the way. */
        const uint8_t lost[][3] = {{0xb0, 1, 43}, {0xb0, 7, 44}, {0xe0, 1, 1}, {0x90, 61, 1}};
        uint64_t until = check_now_ms() + DEADLINE_MS;
        uint64_t before_them;
        do {
            CHECK(check_now_ms() < until);
            for (int i = 0; i < 100; i++)
                midisock_push(port, mark, sizeof mark);
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
        hear_all(port, &s, &e, &fd, 1);
        RECEIVER_CHECK(&sender, &e.heard, which == PANIC ? "panic" : "reset", 0);
        raw_close(fd);
        raw_close(listener);
        midisock_close(port);
    }
}

static void fill_pair(midisock_port *a)
{
    midisock_result result;
    while ((result = midisock_push(a, BYTES(0xf6))) == MIDISOCK_OK)
        ;
    CHECK_RESULT(MIDISOCK_ERR_FULL, result);
}

static void skip_tune_requests(midisock_port *b, midisock_message *m)
{
    do
        *m = POP(b);
    while (m->data[0] == 0xf6);
}

static void refused_data_entry_reaches_its_parameter(void)
{
    /* The parameter was selected before; its value and the next parameter's
     * are refused. */
    midisock_config c = repairing();
    midisock_port *a = NULL;
    midisock_port *b = NULL;
    CHECK_OK(midisock_pair(&c, &a, &b));
    receiver sent;
    receiver heard;
    receiver_init(&sent, 1);
    receiver_init(&heard, 1);
    static const uint8_t row[][3] = {{0xb0, 101, 0}, {0xb0, 100, 1}, {0xb0, 6, 5},   {0xb0, 6, 50},
                                     {0xb0, 101, 0}, {0xb0, 100, 2}, {0xb0, 6, 7}};
    for (int i = 0; i < 3; i++)
        CHECK_OK(midisock_push(a, row[i], 3));
    fill_pair(a);
    for (int i = 3; i < 7; i++)
        CHECK_RESULT(MIDISOCK_ERR_FULL, midisock_push(a, row[i], 3));
    for (int i = 0; i < 7; i++)
        receiver_hear(&sent, row[i], 3);
    midisock_message m;
    while (midisock_pop(b, &m) == MIDISOCK_OK)
        receiver_hear(&heard, m.data, m.size);
    RECEIVER_CHECK(&sent, &heard, "data entry", 0);
    CHECK_INT(1, check_stats(a).unrepaired); /* the tune request */
    midisock_close(a);
    midisock_close(b);
}

static void every_refused_note_off_comes(void)
{
    /* However often a key was struck: each strike takes one. */
    for (int strikes = 1; strikes <= 12; strikes++) {
        midisock_config c = repairing();
        midisock_port *a = NULL;
        midisock_port *b = NULL;
        CHECK_OK(midisock_pair(&c, &a, &b));
        for (int i = 0; i < strikes; i++)
            CHECK_OK(midisock_push(a, BYTES(0x90, 60, 1)));
        fill_pair(a);
        for (int i = 0; i < strikes; i++)
            CHECK_RESULT(MIDISOCK_ERR_FULL, midisock_push(a, BYTES(0x80, 60, 1)));
        for (int i = 0; i < strikes; i++)
            EXPECT(b, 0x90, 60, 1);
        midisock_message m;
        skip_tune_requests(b, &m);
        for (int i = 0;; i++) {
            CHECK_MEMORY(((const uint8_t[]){0x80, 60, 64}), 3, m.data, m.size);
            CHECK_INT(MIDISOCK_SYNTHETIC, m.flags);
            if (i + 1 == strikes)
                break;
            midisock_result result = midisock_pop(b, &m);
            if (result != MIDISOCK_OK)
                check_fail(__FILE__, __LINE__, "of %d strikes %d sound on", strikes,
                           strikes - i - 1);
        }
        CHECK_RESULT(MIDISOCK_EMPTY, midisock_pop(b, &m));
        midisock_close(a);
        midisock_close(b);
    }
}

static void when_there_is_room_a_push_is_taken(void)
{
    /* After WAIT_ROOM said so, a push by the same thread is not refused. */
    midisock_config c = repairing();
    uint16_t number = 0;
    int listener = raw_listen(&number);
    midisock_port *port = NULL;
    CHECK_OK(midisock_connect("127.0.0.1", number, &c, &port));
    int fd = raw_accept(listener);
    CHECK_OK(midisock_wait_connected(port, DEADLINE_MS));
    song s;
    song_init(&s, 1, 1);
    ear e;
    ear_init(&e, &s);
    for (int round = 0; round < 1000; round++) {
        fill_pair(port);
        CHECK_OK(midisock_wait(port, MIDISOCK_WAIT_ROOM, DEADLINE_MS));
        CHECK_OK(midisock_push(port, BYTES(0xf6)));
        while (raw_readable(fd, 0))
            CHECK(ear_hear(&e, fd, SIZE_MAX));
    }
    raw_close(fd);
    raw_close(listener);
    midisock_close(port);
}

static void flush_may_be_polled(void)
{
    midisock_config c = repairing();
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

static void a_pair_in_memory(void)
{
    /* Nothing but these calls decides what happens: the same in every run. */
    uint32_t seed = song_seed();
    int rounds = check_sanitized() ? 60 : 600;
    uint64_t refused = 0;
    for (int round = 0; round < rounds; round++) {
        song s;
        song_init(&s, seed + (uint32_t)round, 1 + round % 16);
        s.without_parameters = 1;
        midisock_config c = repairing();
        midisock_port *a = NULL;
        midisock_port *b = NULL;
        CHECK_OK(midisock_pair(&c, &a, &b));
        popper p;
        popper_init(&p, &s);
        uint32_t random = seed ^ (uint32_t)round;
        uint64_t full = 0;
        for (int burst = 0; burst < 40; burst++) {
            for (unsigned i = check_random(&random) % 300; i > 0; i--) {
                const uint8_t *data;
                size_t size = song_next(&s, &data);
                midisock_result result = midisock_push(a, data, size);
                if (result != MIDISOCK_OK) {
                    CHECK_RESULT(MIDISOCK_ERR_FULL, result);
                    full++;
                }
            }
            if (check_random(&random) % 4 == 0) {
                while (pop_some(b, &p, UINT32_MAX) > 0)
                    ;
                RECEIVER_CHECK(&s.sender, &p.heard, "a pair, after a burst", s.seed);
            } else {
                pop_some(b, &p, check_random(&random) % 200);
            }
        }
        while (pop_some(b, &p, UINT32_MAX) > 0)
            ;
        RECEIVER_CHECK(&s.sender, &p.heard, "a pair", s.seed);
        CHECK_INT(full, check_stats(a).dropped_out);
        CHECK_INT(s.messages, p.live + full);
        CHECK_INT(p.live, check_stats(b).messages_in);
        CHECK_INT(p.made, check_stats(b).synthesized);
        refused += full;
        midisock_close(a);
        midisock_close(b);
    }
    CHECK(refused > 0);
    printf("# %d songs, %llu pushes refused, all as it was pushed\n", rounds,
           (unsigned long long)refused);
}

typedef struct pusher {
    midisock_port *port;
    song song;
    unsigned count;
} pusher;

static void *push_song(void *argument)
{
    pusher *p = argument;
    for (unsigned i = 0; i < p->count; i++) {
        const uint8_t *data;
        size_t size = song_next(&p->song, &data);
        midisock_result result = midisock_push(p->port, data, size);
        if (result != MIDISOCK_OK)
            CHECK_RESULT(MIDISOCK_ERR_FULL, result);
    }
    return NULL;
}

static void two_threads_on_a_pair(void)
{
    uint32_t seed = song_seed();
    int rounds = check_sanitized() ? 4 : 20;
    for (int round = 0; round < rounds; round++) {
        midisock_config c = repairing();
        static pusher pushing;
        midisock_port *b = NULL;
        CHECK_OK(midisock_pair(&c, &pushing.port, &b));
        song_init(&pushing.song, seed + (uint32_t)round, 16);
        pushing.song.without_parameters = 1;
        pushing.count = check_sanitized() ? 20000 : 60000;
        popper p;
        popper_init(&p, &pushing.song);
        pthread_t thread;
        check_start(&thread, push_song, &pushing);
        uint64_t until = check_now_ms() + DEADLINE_MS;
        while (check_stats(pushing.port).messages_out + check_stats(pushing.port).dropped_out <
               pushing.count) {
            pop_some(b, &p, 500);
            CHECK(check_now_ms() < until);
        }
        check_join(thread);
        while (pop_some(b, &p, UINT32_MAX) > 0)
            ;
        RECEIVER_CHECK(&pushing.song.sender, &p.heard, "two threads", pushing.song.seed);
        CHECK_INT(pushing.count, p.live + check_stats(pushing.port).dropped_out);
        midisock_close(pushing.port);
        midisock_close(b);
    }
}

static void two_threads_on_a_link(void)
{
    /* Both ends the library's, both repairing, the popper slower than the
     * pusher: losses at the push, at the link and at the in queue in one. */
    uint32_t seed = song_seed();
    int rounds = check_sanitized() ? 2 : 6;
    for (int round = 0; round < rounds; round++) {
        midisock_config c = repairing();
        c.accept_mode = MIDISOCK_ACCEPT_MANUAL;
        c.client_buffer_bytes = 8192;
        midisock_port *server = check_listen(&c);
        static pusher pushing;
        pushing.port = check_connect(server, &c);
        midisock_port *b = NULL;
        CHECK_OK(midisock_accept(server, DEADLINE_MS, &b));
        song_init(&pushing.song, seed + (uint32_t)round, 16);
        pushing.song.without_parameters = 1;
        pushing.count = 60000;
        popper p;
        popper_init(&p, &pushing.song);
        pthread_t thread;
        check_start(&thread, push_song, &pushing);
        uint64_t until = check_now_ms() + 2 * DEADLINE_MS;
        midisock_stats out = check_stats(pushing.port);
        while (out.messages_out + out.dropped_out - out.synthesized < pushing.count) {
            pop_some(b, &p, 50);
            check_pause();
            out = check_stats(pushing.port);
            CHECK(check_now_ms() < until);
        }
        check_join(thread);
        p.marked = 0;
        for (uint64_t next = 0; !p.marked;) {
            if (check_now_ms() >= next) {
                midisock_result result = midisock_push(pushing.port, mark, sizeof mark);
                if (result != MIDISOCK_ERR_FULL)
                    CHECK_OK(result);
                pushing.count++;
                next = check_now_ms() + 50;
            }
            pop_some(b, &p, UINT32_MAX);
            check_pause();
            CHECK(check_now_ms() < until);
        }
        CHECK_SOON((out = check_stats(pushing.port),
                    out.messages_out + out.dropped_out - out.synthesized == pushing.count));
        midisock_stats in;
        CHECK_SOON((pop_some(b, &p, UINT32_MAX), in = check_stats(b),
                    in.messages_in == out.messages_out &&
                        p.live + in.dropped_in == in.messages_in && p.made == in.synthesized));
        CHECK(out.dropped_out > 0);
        RECEIVER_CHECK(&pushing.song.sender, &p.heard, "two threads", pushing.song.seed);
        midisock_close(pushing.port);
        midisock_close(b);
        midisock_close(server);
    }
}

int main(int argc, char **argv)
{
    static const check_case cases[] = {
        CASE(the_audio_side_sleeps),
        CASE(the_audio_side_sleeps_now_and_then),
        CASE(a_lossy_peer_that_leaves_holds_nothing),
        CASE(clients_of_one_port_are_repaired_apart),
        CASE(refused_pushes),
        CASE(what_is_pushed_after_a_refusal_comes_after_its_repair),
        CASE(a_congested_peer),
        CASE(a_congested_peer_is_released_at_close),
        CASE(panic_and_reset_while_a_peer_is_congested),
        CASE(refused_data_entry_reaches_its_parameter),
        CASE(every_refused_note_off_comes),
        CASE(when_there_is_room_a_push_is_taken),
        CASE(flush_may_be_polled),
        CASE(a_pair_in_memory),
        CASE(two_threads_on_a_pair),
        CASE(two_threads_on_a_link),
    };
    return check_main(argc, argv, CASES(cases));
}
