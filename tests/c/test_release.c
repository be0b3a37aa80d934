/* What a peer that goes leaves sounding is released, in its name; and what a
 * port that is closed leaves sounding at its peers. */
#define _POSIX_C_SOURCE 200809L
#include "check.h"
#include "raw.h"
#include "receiver.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

static midisock_config defaults(void)
{
    midisock_config c;
    midisock_config_init(&c, sizeof c);
    return c;
}

static midisock_port *accept_from(midisock_port *server)
{
    midisock_port *port = NULL;
    CHECK_OK(midisock_accept(server, DEADLINE_MS, &port));
    return port;
}

static midisock_port *listen_manual(midisock_config c)
{
    c.accept_mode = MIDISOCK_ACCEPT_MANUAL;
    return check_listen(&c);
}

/* The next message is made by the library, in this client's name. */
static void expect_made(midisock_port *port, uint32_t client, uint32_t flags, const uint8_t *data,
                        size_t size, int line)
{
    midisock_message m = check_expect(port, data, size, __FILE__, line);
    check_int(client, m.client, "client", __FILE__, line);
    check_int(flags, m.flags, "flags", __FILE__, line);
    check_true(m.time_ns > 0 && m.time_ns <= midisock_now_ns(), "a time that was", __FILE__, line);
}
#define MADE(port, client, ...) \
    expect_made(port, client, MIDISOCK_SYNTHETIC, BYTES(__VA_ARGS__), __LINE__)
#define MADE_HELD(port, client, ...)                                                        \
    expect_made(port, client, MIDISOCK_SYNTHETIC | MIDISOCK_STILL_HELD, BYTES(__VA_ARGS__), \
                __LINE__)

/* All that is released, and what is not: key 62 was released, pedal 67 and
 * controller 7 are not to be, channel 5 is at rest again. */
static const uint8_t sounding[] = {
    0x91, 61, 100, 0x91, 60, 100, 0x91, 60, 90, /* one twice */
    0x91, 62, 100, 0x81, 62, 0,   0x93, 127, 1, 0x93, 0, 1,
    0x91, 63, 100, 0x91, 63, 0,   0x91, 60, 80, 0x91, 60, 0, /* three less one */
    0xb1, 68, 127, 0xb1, 66, 64,  0xb1, 64, 127, 0xb1, 67, 127, 0xb1, 7, 100,
    0xd1, 50, 0xe1, 0, 0x50, 0xe3, 1, 0x40, 0xb3, 64, 1,
    0xb5, 64, 127, 0xd5, 1, 0xe5, 0, 0, 0xb5, 64, 0, 0xd5, 0, 0xe5, 0, 0x40,
    0xa1, 60, 5, 0xfa,
};
enum { SOUNDING = 27 };

static void expect_releases(midisock_port *port, uint32_t client)
{
    MADE(port, client, 0x81, 60, 64);
    MADE(port, client, 0x81, 60, 64);
    MADE(port, client, 0x81, 61, 64);
    MADE(port, client, 0x83, 0, 64);
    MADE(port, client, 0x83, 127, 64);
    MADE(port, client, 0xb1, 64, 0);
    MADE(port, client, 0xb1, 66, 0);
    MADE(port, client, 0xb1, 68, 0);
    MADE(port, client, 0xd1, 0);
    MADE(port, client, 0xe1, 0, 0x40);
    MADE(port, client, 0xb3, 64, 0);
    MADE(port, client, 0xe3, 0, 0x40);
    MADE(port, client, 0xfc);
}
enum { RELEASES = 13 };

/* Pops what was sent; the client it came from. */
static uint32_t pop_sounding(midisock_port *port)
{
    wire w = {{0}, 0, 0, 0};
    uint32_t client = 0;
    for (size_t i = 0; i < sizeof sounding; i++)
        if (wire_take(&w, sounding[i])) {
            midisock_message m = POP(port);
            CHECK_MEMORY(w.data, w.size, m.data, m.size);
            CHECK_INT(0, m.flags);
            client = m.client;
        }
    CHECK_INT(SOUNDING, w.messages);
    return client;
}

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
    midisock_config c = defaults();
    midisock_port *server = check_listen(&c);
    for (int way = 0; way < WAYS; way++) {
        int fd = raw_connect(midisock_local_port(server));
        raw_send(fd, sounding, sizeof sounding);
        uint32_t client = pop_sounding(server);
        CHECK(client != 0);
        ways[way](fd);
        expect_releases(server, client);
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
    midisock_port *server = listen_manual(defaults());
    for (int way = 0; way < WAYS; way++) {
        int fd = raw_connect(midisock_local_port(server));
        raw_send(fd, sounding, sizeof sounding);
        midisock_port *port = accept_from(server);
        CHECK_INT(0, pop_sounding(port));
        ways[way](fd);
        expect_releases(port, 0);
        check_closed(port);
        CHECK_INT(RELEASES, check_stats(port).synthesized);
        midisock_close(port);
    }
    midisock_close(server);
}

static void of_one_that_left_before_it_was_accepted(void)
{
    midisock_port *server = listen_manual(defaults());
    int fd = raw_connect(midisock_local_port(server));
    raw_send(fd, sounding, sizeof sounding);
    raw_close(fd);
    CHECK_COUNT(server, disconnections, 1);
    midisock_port *port = accept_from(server);
    pop_sounding(port);
    expect_releases(port, 0);
    check_closed(port);
    midisock_close(port);
    midisock_close(server);
}

static void of_a_clients_server(void)
{
    /* And then what the next link brings. */
    midisock_config c = defaults();
    c.reconnect_min_ms = 5;
    c.reconnect_max_ms = 50;
    uint16_t number = 0;
    int listener = raw_listen(&number);
    midisock_port *port = NULL;
    CHECK_OK(midisock_connect("127.0.0.1", number, &c, &port));
    for (int way = 0; way < WAYS; way++) {
        int fd = raw_accept(listener);
        raw_send(fd, sounding, sizeof sounding);
        pop_sounding(port);
        ways[way](fd);
        expect_releases(port, 0);
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
    midisock_config c = defaults();
    c.reconnect_max_ms = 0;
    uint16_t number = 0;
    int listener = raw_listen(&number);
    for (int way = 0; way < WAYS; way++) {
        midisock_port *port = NULL;
        CHECK_OK(midisock_connect("127.0.0.1", number, &c, &port));
        int fd = raw_accept(listener);
        raw_send(fd, sounding, sizeof sounding);
        pop_sounding(port);
        ways[way](fd);
        expect_releases(port, 0);
        check_closed(port);
        midisock_close(port);
    }
    raw_close(listener);
}

static void of_a_process_that_was_killed(void)
{
    midisock_config c = defaults();
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
    uint32_t client = pop_sounding(server);
    CHECK(kill(peer, SIGKILL) == 0);
    CHECK(waitpid(peer, NULL, 0) == peer);
    expect_releases(server, client);
    NOTIFIED(server, MIDISOCK_CLIENT_JOINED);
    CHECK_INT(client, NOTIFIED(server, MIDISOCK_CLIENT_LEFT).client);
    midisock_close(server);
}

static void of_a_client_that_is_thrown_out(void)
{
    midisock_config c = defaults();
    midisock_port *server = check_listen(&c);
    int fd = raw_connect(midisock_local_port(server));
    raw_send(fd, sounding, sizeof sounding);
    uint32_t client = pop_sounding(server);
    CHECK_OK(midisock_disconnect(server, client));
    expect_releases(server, client);
    RAW_EXPECT_END(fd);
    raw_close(fd);
    midisock_message m;
    CHECK_RESULT(MIDISOCK_EMPTY, midisock_pop(server, &m));
    midisock_close(server);
}

static void what_the_peer_ended_itself_is_left_alone(void)
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
    midisock_config c = defaults();
    midisock_port *server = check_listen(&c);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int fd = raw_connect(midisock_local_port(server));
        raw_send(fd, rows[i].data, rows[i].size);
        RAW_SEND(fd, 0xf3, (uint8_t)i);
        while (POP(server).data[0] != 0xf3)
            ;
        raw_close(fd);
        CHECK_COUNT(server, disconnections, i + 1);
        fd = raw_connect(midisock_local_port(server));
        RAW_SEND(fd, 0xf3, 127);
        EXPECT(server, 0xf3, 127);
        raw_close(fd);
        CHECK_SOON(midisock_client_count(server) == 0);
        CHECK_SOON(check_stats(server).disconnections == check_stats(server).connections);
        i += 0;
        midisock_close(server);
        server = check_listen(&c);
        CHECK_COUNT(server, disconnections, 0);
        if (i + 1 < sizeof rows / sizeof rows[0]) {
            /* The count above is of a server of its own. */
            for (size_t j = 0; j <= i; j++) {
                fd = raw_connect(midisock_local_port(server));
                RAW_SEND(fd, 0xf6);
                EXPECT(server, 0xf6);
                raw_close(fd);
            }
            CHECK_COUNT(server, disconnections, i + 1);
        }
    }
    midisock_close(server);
}
