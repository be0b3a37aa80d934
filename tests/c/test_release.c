/* When a peer leaves, its notes are released in its name. */
#define _POSIX_C_SOURCE 200809L
#include "check.h"
#include "raw.h"
#include "receiver.h"
#include "sounding.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#if !defined(_WIN32)
#include <signal.h>
#include <sys/types.h>
#include <sys/wait.h>
#endif

static void go_orderly(int fd)
{
    raw_close(fd);
}

static void go_by_half(int fd)
{
    raw_half_close(fd);
    raw_expect_gone(fd, __FILE__, __LINE__);
    raw_close(fd);
}

static void go_inside_a_message(int fd)
{
    RAW_SEND(fd, 0x91, 10);
    raw_close(fd);
}

static void go_inside_a_sysex(int fd)
{
    RAW_SEND(fd, 0xf0, 1, 2, 3);
    raw_close(fd);
}

static void go_unread(int fd)
{
    /* Closing with input unread resets the connection. */
    raw_reset(fd);
}

typedef void (*go_function)(int fd);
static const go_function ways[] = {go_orderly, go_by_half, go_inside_a_message, go_inside_a_sysex,
                                   go_unread};
enum { WAYS = sizeof ways / sizeof ways[0] };

static void check_closed(midisock_port *port)
{
    midisock_message m;
    CHECK_SOON(midisock_pop(port, &m) == MIDISOCK_ERR_CLOSED);
    CHECK_RESULT(MIDISOCK_ERR_CLOSED, midisock_wait(port, MIDISOCK_WAIT_MESSAGE, -1));
    CHECK_INT(MIDISOCK_STATE_CLOSED, midisock_state(port));
}

static void of_a_merged_servers_client(void)
{
    midisock_config c = sounding_config();
    midisock_port *server = check_listen(&c);
    for (int way = 0; way < WAYS; way++) {
        int fd = raw_connect(midisock_local_port(server));
        raw_send(fd, sounding, sizeof sounding);
        uint32_t client = sounding_pop(server);
        CHECK(client != 0);
        ways[way](fd);
        sounding_released(server, client);
    }
    /* Nothing more, and the next one comes through. */
    int fd = raw_connect(midisock_local_port(server));
    RAW_SEND(fd, 0xf6);
    CHECK_INT(0, EXPECT(server, 0xf6).flags);
    raw_close(fd);
    CHECK_COUNT(server, synthesized, WAYS * RELEASES);
    CHECK_COUNT(server, messages_in, WAYS * SOUNDING + 1);
    CHECK_COUNT(server, disconnections, WAYS + 1);
    CHECK_INT(0, check_stats(server).unrepaired);
    CHECK_INT(0, check_stats(server).dropped_in);
    midisock_close(server);
}

static void of_an_accepted_ports_peer(void)
{
    midisock_port *server = sounding_listen_manual(sounding_config());
    for (int way = 0; way < WAYS; way++) {
        int fd = raw_connect(midisock_local_port(server));
        raw_send(fd, sounding, sizeof sounding);
        midisock_port *port = sounding_accept(server);
        CHECK_INT(0, sounding_pop(port));
        ways[way](fd);
        sounding_released(port, 0);
        check_closed(port);
        CHECK_INT(RELEASES, check_stats(port).synthesized);
        midisock_close(port);
    }
    midisock_close(server);
}

static void of_one_that_left_before_it_was_accepted(void)
{
    midisock_port *server = sounding_listen_manual(sounding_config());
    int fd = raw_connect(midisock_local_port(server));
    raw_send(fd, sounding, sizeof sounding);
    raw_close(fd);
    CHECK_COUNT(server, disconnections, 1);
    midisock_port *port = sounding_accept(server);
    sounding_pop(port);
    sounding_released(port, 0);
    check_closed(port);
    midisock_close(port);
    midisock_close(server);
}

static void of_a_clients_server(void)
{
    /* And then what the next link brings. */
    midisock_config c = sounding_config();
    c.reconnect_min_ms = 5;
    c.reconnect_max_ms = 50;
    uint16_t number = 0;
    int listener = raw_listen(&number);
    midisock_port *port = NULL;
    CHECK_OK(midisock_connect("127.0.0.1", number, &c, &port));
    for (int way = 0; way < WAYS; way++) {
        int fd = raw_accept(listener);
        raw_send(fd, sounding, sizeof sounding);
        sounding_pop(port);
        ways[way](fd);
        sounding_released(port, 0);
    }
    int fd = raw_accept(listener);
    RAW_SEND(fd, 0xf6);
    CHECK_INT(0, EXPECT(port, 0xf6).flags);
    raw_close(fd);
    raw_close(listener);
    midisock_close(port);
}

static void then_a_client_that_does_not_return_is_closed(void)
{
    midisock_config c = sounding_config();
    c.reconnect_max_ms = 0;
    uint16_t number = 0;
    int listener = raw_listen(&number);
    for (int way = 0; way < WAYS; way++) {
        midisock_port *port = NULL;
        CHECK_OK(midisock_connect("127.0.0.1", number, &c, &port));
        int fd = raw_accept(listener);
        raw_send(fd, sounding, sizeof sounding);
        sounding_pop(port);
        ways[way](fd);
        sounding_released(port, 0);
        check_closed(port);
        midisock_close(port);
    }
    raw_close(listener);
}

#if !defined(_WIN32)
static void of_a_process_that_was_killed(void)
{
    midisock_config c = sounding_config();
    midisock_port *server = check_listen(&c);
    uint16_t number = midisock_local_port(server);
    pid_t peer = fork();
    CHECK(peer >= 0);
    if (peer == 0) {
        int fd = raw_connect(number);
        raw_send(fd, sounding, sizeof sounding);
        for (;;)
            pause();
    }
    uint32_t client = sounding_pop(server);
    CHECK(kill(peer, SIGKILL) == 0);
    CHECK(waitpid(peer, NULL, 0) == peer);
    sounding_released(server, client);
    NOTIFIED(server, MIDISOCK_NOTIFY_CLIENT_JOINED);
    CHECK_INT(client, NOTIFIED(server, MIDISOCK_NOTIFY_CLIENT_LEFT).client);
    midisock_close(server);
}
#endif

static void of_a_disconnected_client(void)
{
    midisock_config c = sounding_config();
    midisock_port *server = check_listen(&c);
    int fd = raw_connect(midisock_local_port(server));
    raw_send(fd, sounding, sizeof sounding);
    uint32_t client = sounding_pop(server);
    CHECK_OK(midisock_disconnect(server, client));
    sounding_released(server, client);
    RAW_EXPECT_END(fd);
    raw_close(fd);
    midisock_message m;
    CHECK_RESULT(MIDISOCK_EMPTY, midisock_pop(server, &m));
    midisock_close(server);
}

static void notes_that_the_peer_ended_are_not_released(void)
{
    /* Each of these ends at rest: nothing is released. */
    static const uint8_t all_notes_off[] = {0x90, 60, 1, 0x90, 61, 1, 0xb0, 123, 0};
    static const uint8_t all_sound_off[] = {0x90, 60, 1, 0x90, 60, 1, 0xb0, 120, 0};
    static const uint8_t mono[] = {0x90, 60, 1, 0xb0, 126, 1};
    static const uint8_t reset_all[] = {0xb0, 64, 127, 0xb0, 66, 127, 0xd0, 3, 0xe0, 1, 1,
                                        0xb0, 121, 0};
    static const uint8_t stop[] = {0xfa, 0xfc};
    static const uint8_t system_reset[] = {0x90, 60, 1, 0xb0, 64, 127, 0xfb, 0xff};
    static const uint8_t running_status[] = {0x90, 60, 1, 61, 1, 60, 0, 61, 0};
    static const uint8_t off_too_often[] = {0x90, 60, 1, 0x80, 60, 1, 0x80, 60, 1, 0x90, 61, 0};
#define ROW(of) {of, sizeof of}
    static const struct {
        const uint8_t *data;
        size_t size;
    } rows[] = {ROW(all_notes_off), ROW(all_sound_off),  ROW(mono),           ROW(reset_all),
                ROW(stop),          ROW(system_reset),   ROW(running_status), ROW(off_too_often)};
#undef ROW
    enum { ROWS = sizeof rows / sizeof rows[0] };
    midisock_config c = sounding_config();
    midisock_port *server = check_listen(&c);
    for (size_t i = 0; i <= ROWS; i++) {
        /* What the one before left comes before what this one says. */
        int fd = raw_connect(midisock_local_port(server));
        if (i < ROWS)
            raw_send(fd, rows[i].data, rows[i].size);
        RAW_SEND(fd, 0xf3, (uint8_t)i);
        midisock_message m;
        do {
            m = POP(server);
            if (m.flags != 0)
                check_fail(__FILE__, __LINE__, "row %zu was released by %02x %02x", i - 1,
                           m.data[0], m.data[1]);
        } while (m.data[0] != 0xf3);
        raw_close(fd);
        CHECK_COUNT(server, disconnections, i + 1);
    }
    CHECK_INT(0, check_stats(server).synthesized);
    midisock_close(server);
}

static void no_releases_when_turned_off(void)
{
    midisock_config c = sounding_config();
    c.release_on_disconnect = 0;
    midisock_port *server = sounding_listen_manual(c);
    for (int way = 0; way < WAYS; way++) {
        int fd = raw_connect(midisock_local_port(server));
        raw_send(fd, sounding, sizeof sounding);
        midisock_port *port = sounding_accept(server);
        sounding_pop(port);
        ways[way](fd);
        check_closed(port);
        CHECK_INT(0, check_stats(port).synthesized);
        midisock_close(port);
    }
    midisock_close(server);
    c.accept_mode = MIDISOCK_ACCEPT_MERGED;
    server = check_listen(&c);
    int fd = raw_connect(midisock_local_port(server));
    raw_send(fd, sounding, sizeof sounding);
    sounding_pop(server);
    raw_close(fd);
    CHECK_COUNT(server, disconnections, 1);
    fd = raw_connect(midisock_local_port(server));
    RAW_SEND(fd, 0xf6);
    EXPECT(server, 0xf6);
    raw_close(fd);
    midisock_close(server);
}

static void notes_that_another_client_holds_are_marked(void)
{
    midisock_config c = sounding_config();
    midisock_port *server = check_listen(&c);
    int fds[3];
    uint32_t ids[3];
    for (int i = 0; i < 3; i++) {
        fds[i] = raw_connect(midisock_local_port(server));
        /* All hold 60 and the pedal; each a note of its own; two of them 61. */
        RAW_SEND(fds[i], 0x90, 60, 1, 0xb0, 64, 127, 0x90, (uint8_t)(70 + i), 1);
        ids[i] = EXPECT(server, 0x90, 60, 1).client;
        EXPECT(server, 0xb0, 64, 127);
        EXPECT(server, 0x90, (uint8_t)(70 + i), 1);
        if (i < 2) {
            RAW_SEND(fds[i], 0x90, 61, 1);
            EXPECT(server, 0x90, 61, 1);
        }
    }
    /* The same note of another channel is another note. */
    RAW_SEND(fds[1], 0x91, 71, 1, 0xe0, 0, 0);
    EXPECT(server, 0x91, 71, 1);
    EXPECT(server, 0xe0, 0, 0);
    raw_close(fds[0]);
    EXPECT_STILL_HELD(server, ids[0], 0x80, 60, 64);
    EXPECT_STILL_HELD(server, ids[0], 0x80, 61, 64);
    EXPECT_SYNTHETIC(server, ids[0], 0x80, 70, 64);
    EXPECT_STILL_HELD(server, ids[0], 0xb0, 64, 0);
    raw_reset(fds[1]);
    EXPECT_STILL_HELD(server, ids[1], 0x80, 60, 64);
    EXPECT_SYNTHETIC(server, ids[1], 0x80, 61, 64);
    EXPECT_SYNTHETIC(server, ids[1], 0x80, 71, 64);
    EXPECT_SYNTHETIC(server, ids[1], 0x81, 71, 64);
    EXPECT_STILL_HELD(server, ids[1], 0xb0, 64, 0);
    EXPECT_SYNTHETIC(server, ids[1], 0xe0, 0, 0x40);
    /* The last one lets go of the note itself: the pedal is its own. */
    RAW_SEND(fds[2], 0x80, 60, 1);
    CHECK_INT(0, EXPECT(server, 0x80, 60, 1).flags);
    raw_close(fds[2]);
    EXPECT_SYNTHETIC(server, ids[2], 0x80, 72, 64);
    EXPECT_SYNTHETIC(server, ids[2], 0xb0, 64, 0);
    midisock_close(server);
}

static void a_second_strike_of_the_same_client_is_not_marked(void)
{
    midisock_config c = sounding_config();
    midisock_port *server = check_listen(&c);
    int a = raw_connect(midisock_local_port(server));
    RAW_SEND(a, 0x90, 60, 1, 0x90, 60, 1);
    uint32_t id = EXPECT(server, 0x90, 60, 1).client;
    EXPECT(server, 0x90, 60, 1);
    int b = raw_connect(midisock_local_port(server));
    RAW_SEND(b, 0x90, 61, 1);
    EXPECT(server, 0x90, 61, 1);
    raw_close(a);
    EXPECT_SYNTHETIC(server, id, 0x80, 60, 64);
    EXPECT_SYNTHETIC(server, id, 0x80, 60, 64);
    raw_close(b);
    midisock_close(server);
}

/* Strikes every key of so many channels. */
static void strike_all(int fd, int channels)
{
    for (int channel = 0; channel < channels; channel++)
        for (int key = 0; key < 128; key++)
            RAW_SEND(fd, (uint8_t)(0x90 | channel), (uint8_t)key, 1);
}

static void after_a_full_queue(void)
{
    /* 128 keys fill a queue of 4 KB nearly, 512 more than that: what was sent
     * is there, in order, then the releases, as there is room. */
    for (int channels = 1; channels <= 4; channels += 3) {
        midisock_config c = sounding_config();
        c.in_queue_bytes = 4096;
        midisock_port *server = sounding_listen_manual(c); /* its ports wait */
        for (int way = 0; way < WAYS - 1; way++) {
            int fd = raw_connect(midisock_local_port(server));
            strike_all(fd, channels);
            midisock_port *port = sounding_accept(server);
            if (channels == 1)
                CHECK_COUNT(port, messages_in, 128);
            if (way == 1)
                raw_half_close(fd);
            else
                ways[way](fd);
            for (int i = 0; i < channels * 128; i++)
                CHECK_INT(0, EXPECT(port, (uint8_t)(0x90 | i / 128), i % 128, 1).flags);
            for (int i = 0; i < channels * 128; i++)
                EXPECT_SYNTHETIC(port, 0, (uint8_t)(0x80 | i / 128), i % 128, 64);
            check_closed(port);
            if (way == 1)
                raw_close(fd);
            midisock_close(port);
        }
        midisock_close(server);
    }
}

/* Pops all that comes until every client has left and all is quiet at rest. */
static void pop_all(midisock_port *server, receiver *received, uint32_t first, uint32_t clients,
                    uint64_t *live)
{
    uint64_t until = check_now_ms() + DEADLINE_MS;
    for (;;) {
        midisock_message m;
        midisock_result result = midisock_pop(server, &m);
        if (result == MIDISOCK_OK) {
            CHECK(m.client >= first && m.client < first + clients);
            receiver *r = &received[m.client - first];
            receiver_hear(r, m.data, m.size);
            *live += !(m.flags & MIDISOCK_FLAG_SYNTHETIC);
            continue;
        }
        CHECK_RESULT(MIDISOCK_EMPTY, result);
        int held = 0;
        for (uint32_t i = 0; i < clients; i++)
            held += receiver_held(&received[i]);
        midisock_stats s = check_stats(server);
        if (held == 0 && s.disconnections == clients && *live + s.dropped_in == s.messages_in)
            return;
        if (check_now_ms() > until)
            check_fail(__FILE__, __LINE__, "%d notes sound for ever, of %llu clients gone", held,
                       (unsigned long long)s.disconnections);
        check_pause();
    }
}

static void of_many_that_leave_while_the_audio_side_sleeps(void)
{
    /* More than a queue of 4 KB holds, and more than are connected at once. */
    enum { CLIENTS = 40, AT_ONCE = 4 };
    static const uint32_t policies[] = {MIDISOCK_OVERFLOW_REPAIR, MIDISOCK_OVERFLOW_WAIT};
    for (int policy = 0; policy < 2; policy++) {
        midisock_config c = sounding_config();
        c.in_queue_bytes = 4096;
        c.max_clients = policy == 0 ? AT_ONCE : CLIENTS;
        c.overflow = policies[policy];
        midisock_port *server = check_listen(&c);
        static receiver received[CLIENTS];
        for (int i = 0; i < CLIENTS; i++)
            receiver_init(&received[i], 1);
        uint64_t live = 0;
        int fds[AT_ONCE];
        for (int i = 0; i < CLIENTS; i++) {
            int *fd = &fds[i % AT_ONCE];
            *fd = raw_connect(midisock_local_port(server));
            for (int key = 0; key < 20; key++)
                RAW_SEND(*fd, (uint8_t)(0x90 | i % 16), (uint8_t)key, 1);
            RAW_SEND(*fd, 0xb0, 64, 127);
            if (policy == 0) {
                CHECK_COUNT(server, messages_in, 21 * (i + 1));
                if (i % AT_ONCE == AT_ONCE - 1 && i < 12) {
                    for (int j = 0; j < AT_ONCE; j++)
                        j % 2 ? raw_reset(fds[j]) : raw_close(fds[j]);
                    CHECK_COUNT(server, disconnections, i + 1);
                } else if (i >= 12) {
                    /* There the audio side wakes up. */
                    if (i == 12)
                        for (int j = 0; j < 30; j++) {
                            midisock_message m = POP(server);
                            receiver_hear(&received[m.client - 1], m.data, m.size);
                            live += !(m.flags & MIDISOCK_FLAG_SYNTHETIC);
                        }
                    raw_close(*fd);
                    if (i % AT_ONCE == 3)
                        pop_all(server, received, 1, (uint32_t)i + 1, &live);
                }
            } else {
                CHECK_SOON(check_stats(server).connections == (uint64_t)i + 1);
                raw_close(*fd);
            }
        }
        pop_all(server, received, 1, CLIENTS, &live);
        for (int i = 0; i < CLIENTS; i++)
            CHECK(received[i].channels[0].control[64] <= 0);
        if (policy == 1) {
            CHECK_INT(21 * CLIENTS, live);
            CHECK_INT(0, check_stats(server).dropped_in);
        }
        midisock_close(server);
    }
}

static void of_a_port_shut_down(void)
{
    midisock_config c = sounding_config();
    /* A merged server's clients, one after the other. */
    midisock_port *server = check_listen(&c);
    int fds[2];
    uint32_t ids[2];
    for (int i = 0; i < 2; i++) {
        fds[i] = raw_connect(midisock_local_port(server));
        RAW_SEND(fds[i], 0x90, 60, 1);
        ids[i] = EXPECT(server, 0x90, 60, 1).client;
    }
    RAW_SEND(fds[0], 0x90, 61, 1);
    CHECK_COUNT(server, messages_in, 3);
    CHECK_OK(midisock_shutdown(server));
    CHECK_INT(0, EXPECT(server, 0x90, 61, 1).flags); /* what is queued, first */
    unsigned released = 0;
    for (int i = 0; i < 3; i++) {
        midisock_message m = POP(server);
        CHECK(m.flags & MIDISOCK_FLAG_SYNTHETIC);
        CHECK_INT(0x80, m.data[0]);
        released |= (m.client == ids[0] ? 1u : 4u) << (m.data[1] - 60u);
    }
    CHECK_INT(1 | 2 | 4, released);
    check_closed(server);
    raw_close(fds[0]);
    raw_close(fds[1]);
    midisock_close(server);
    /* An accepted port, and a client's. */
    server = sounding_listen_manual(c);
    int fd = raw_connect(midisock_local_port(server));
    raw_send(fd, sounding, sizeof sounding);
    midisock_port *port = sounding_accept(server);
    CHECK_COUNT(port, messages_in, SOUNDING);
    CHECK_OK(midisock_shutdown(port));
    sounding_pop(port);
    sounding_released(port, 0);
    check_closed(port);
    RAW_EXPECT_END(fd);
    raw_close(fd);
    midisock_close(port);
    midisock_close(server);
    uint16_t number = 0;
    int listener = raw_listen(&number);
    CHECK_OK(midisock_connect("127.0.0.1", number, &c, &port));
    fd = raw_accept(listener);
    raw_send(fd, sounding, sizeof sounding);
    sounding_pop(port);
    CHECK_OK(midisock_shutdown(port));
    sounding_released(port, 0);
    check_closed(port);
    RAW_EXPECT_END(fd);
    raw_close(fd);
    raw_close(listener);
    midisock_close(port);
}

static void of_a_port_shut_down_with_a_full_queue(void)
{
    midisock_config c = sounding_config();
    c.in_queue_bytes = 4096;
    midisock_port *server = sounding_listen_manual(c);
    int fd = raw_connect(midisock_local_port(server));
    strike_all(fd, 1);
    midisock_port *port = sounding_accept(server);
    CHECK_COUNT(port, messages_in, 128);
    CHECK_OK(midisock_shutdown(port));
    RAW_EXPECT_END(fd);
    for (int i = 0; i < 128; i++)
        CHECK_INT(0, EXPECT(port, 0x90, (uint8_t)i, 1).flags);
    for (int i = 0; i < 128; i++)
        EXPECT_SYNTHETIC(port, 0, 0x80, (uint8_t)i, 64);
    check_closed(port);
    raw_close(fd);
    midisock_close(port);
    midisock_close(server);
}

int main(int argc, char **argv)
{
    static const check_case cases[] = {
        CASE(of_a_merged_servers_client),
        CASE(of_an_accepted_ports_peer),
        CASE(of_one_that_left_before_it_was_accepted),
        CASE(of_a_clients_server),
        CASE(then_a_client_that_does_not_return_is_closed),
        UNIX_CASE(of_a_process_that_was_killed)
        CASE(of_a_disconnected_client),
        CASE(notes_that_the_peer_ended_are_not_released),
        CASE(no_releases_when_turned_off),
        CASE(notes_that_another_client_holds_are_marked),
        CASE(a_second_strike_of_the_same_client_is_not_marked),
        CASE(after_a_full_queue),
        CASE(of_many_that_leave_while_the_audio_side_sleeps),
        CASE(of_a_port_shut_down),
        CASE(of_a_port_shut_down_with_a_full_queue),
    };
    return check_main(argc, argv, CASES(cases));
}
