/* MIDISOCK_OVERFLOW_REPAIR, receiving: after any loss the receiver ends with the
 * sender's state, holds no released note, and every message is delivered or
 * counted. Random songs, judged by the independent receiver. */
#define _POSIX_C_SOURCE 200809L
#include "readers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void the_audio_thread_sleeps(void)
{
    enum { SENT = 60000 };
    uint32_t seed = song_seed();
    song s;
    song_init(&s, seed, 16);
    midisock_config c = repairing_config();
    midisock_port *server = check_listen(&c);
    int fd = raw_connect(midisock_local_port(server));
    song_send(fd, &s, SENT);
    CHECK_COUNT(server, messages_in, SENT);
    midisock_stats asleep = check_stats(server);
    CHECK(asleep.dropped_in > SENT / 2);
    NOTIFIED(server, MIDISOCK_NOTIFY_CLIENT_JOINED);
    CHECK_INT(0, NOTIFIED(server, MIDISOCK_NOTIFY_CONGESTED).client);
    popper p;
    popper_init(&p, &s);
    CHECK(popper_pop(server, &p, UINT32_MAX) > 0);
    uint64_t until = check_now_ms() + DEADLINE_MS;
    midisock_notification n;
    while (midisock_poll_notification(server, &n) != MIDISOCK_OK) {
        popper_pop(server, &p, UINT32_MAX);
        CHECK(check_now_ms() < until);
    }
    CHECK_INT(MIDISOCK_NOTIFY_RECOVERED, n.kind);
    CHECK_INT(0, n.client);
    popper_drain(server, fd, &p, &s);
    RECEIVER_CHECK(&s.sender, &p.received, "after sleeping", seed);
    midisock_stats awake = check_stats(server);
    /* Events among what was dropped are lost for good, and some note ons. */
    CHECK(awake.unrepaired > 0 && awake.unrepaired <= awake.dropped_in);
    /* And then the live stream goes on as it comes. */
    song_send(fd, &s, 50);
    popper_drain(server, fd, &p, &s);
    CHECK_INT(awake.synthesized, check_stats(server).synthesized);
    RECEIVER_CHECK(&s.sender, &p.received, "live again", seed);
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
        if (n.kind != MIDISOCK_NOTIFY_CONGESTED && n.kind != MIDISOCK_NOTIFY_RECOVERED)
            continue;
        CHECK_INT(0, n.client);
        CHECK_INT(open ? MIDISOCK_NOTIFY_RECOVERED : MIDISOCK_NOTIFY_CONGESTED, n.kind);
        open = !open;
        count += (uint64_t)open;
    }
    CHECK_INT(0, open);
    return count;
}

static void the_audio_thread_sleeps_now_and_then(void)
{
    uint32_t seed = song_seed();
    int rounds = check_sanitized() ? 8 : 30;
    uint64_t dropped = 0;
    uint64_t congested = 0;
    for (int round = 0; round < rounds; round++) {
        song s;
        song_init(&s, seed + (uint32_t)round, 16);
        midisock_config c = repairing_config();
        midisock_port *server = check_listen(&c);
        int fd = raw_connect(midisock_local_port(server));
        popper p;
        popper_init(&p, &s);
        uint32_t random = seed + 17u * (uint32_t)round;
        for (int nap = 0; nap < 12; nap++) {
            song_send(fd, &s, check_random(&random) % 1500);
            if (check_random(&random) % 2)
                CHECK_COUNT(server, messages_in, s.messages);
            popper_pop(server, &p, check_random(&random) % 400);
            if (check_random(&random) % 3 == 0) {
                popper_drain(server, fd, &p, &s);
                RECEIVER_CHECK(&s.sender, &p.received, "between naps", s.seed);
            }
        }
        popper_drain(server, fd, &p, &s);
        RECEIVER_CHECK(&s.sender, &p.received, "after naps", s.seed);
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
        midisock_config c = repairing_config();
        c.release_on_disconnect = 1;
        c.accept_mode = MIDISOCK_ACCEPT_MANUAL;
        midisock_port *server = check_listen(&c);
        int fd = raw_connect(midisock_local_port(server));
        midisock_port *port = NULL;
        CHECK_OK(midisock_accept(server, DEADLINE_MS, &port));
        popper p;
        popper_init(&p, &s);
        song_send(fd, &s, 3000);
        CHECK_COUNT(port, messages_in, 3000);
        if (round % 2)
            popper_pop(port, &p, 100);
        round % 3 ? raw_close(fd) : raw_reset(fd);
        uint64_t until = check_now_ms() + DEADLINE_MS;
        midisock_message m;
        midisock_result result;
        while ((result = midisock_pop(port, &m)) != MIDISOCK_ERR_CLOSED) {
            if (result == MIDISOCK_OK)
                popper_take(&p, &m);
            else
                CHECK_RESULT(MIDISOCK_EMPTY, result);
            CHECK(check_now_ms() < until);
        }
        CHECK_INT(0, receiver_held(&p.received));
        CHECK_INT(0, p.received.runs);
        for (int i = 0; i < 16; i++) {
            CHECK(p.received.channels[i].control[64] <= 0 && p.received.channels[i].control[66] <= 0);
            CHECK_INT(0, p.received.channels[i].pressure);
            CHECK_INT(0x2000, p.received.channels[i].bend);
        }
        midisock_close(port);
        midisock_close(server);
    }
}

static void clients_of_one_port_are_repaired_separately(void)
{
    /* They share the in queue, and nothing else. */
    enum { CLIENTS = 5 };
    uint32_t seed = song_seed();
    midisock_config c = repairing_config();
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
            song_send(fds[i], &songs[i], 300);
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
                    raw_send(fds[i], song_mark, sizeof song_mark);
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
                    popper_take(&poppers[who], &m);
                    popped += !(m.flags & MIDISOCK_FLAG_SYNTHETIC);
                    made += (m.flags & MIDISOCK_FLAG_SYNTHETIC) != 0;
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
            RECEIVER_CHECK(&songs[i].sender, &poppers[i].received, "one of five", songs[i].seed);
    }
    CHECK(check_stats(server).dropped_in > 0);
    for (int i = 0; i < CLIENTS; i++)
        raw_close(fds[i]);
    midisock_close(server);
}

int main(int argc, char **argv)
{
    static const check_case cases[] = {
        CASE(the_audio_thread_sleeps),
        CASE(the_audio_thread_sleeps_now_and_then),
        CASE(a_lossy_peer_that_leaves_holds_nothing),
        CASE(clients_of_one_port_are_repaired_separately),
    };
    return check_main(argc, argv, CASES(cases));
}
