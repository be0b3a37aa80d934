/* Merged servers: many clients on one port, distinguished by their ids. */
#include "check.h"
#include "raw.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A client that has said `program`, and its id. */
static int join(midisock_port *server, uint8_t program, uint32_t *id)
{
    int fd = raw_connect(midisock_local_port(server));
    RAW_SEND(fd, 0xc0, program);
    midisock_message m = EXPECT(server, 0xc0, program);
    CHECK(m.client != 0);
    *id = m.client;
    return fd;
}

static midisock_result push_to(midisock_port *server, uint32_t client, uint8_t program)
{
    const uint8_t data[] = {0xc1, program};
    midisock_message m = {0, data, sizeof data, client, 0, 0, {0, 0}};
    return midisock_push_message(server, &m);
}

static void messages_carry_their_client(void)
{
    enum { N = 20 };
    midisock_port *server = check_listen(NULL);
    int fds[N];
    uint32_t ids[N];
    for (int i = 0; i < N; i++) {
        fds[i] = join(server, (uint8_t)i, &ids[i]);
        for (int j = 0; j < i; j++)
            CHECK(ids[i] != ids[j]);
    }
    CHECK_INT(N, midisock_client_count(server));
    for (int round = 0; round < 5; round++)
        for (int i = 0; i < N; i++) {
            RAW_SEND(fds[i], 0xc2, (uint8_t)i);
            midisock_message m = EXPECT(server, 0xc2, (uint8_t)i);
            CHECK_INT(ids[i], m.client);
            CHECK_INT(0, m.flags);
        }
    for (int i = 0; i < N; i++)
        raw_close(fds[i]);
    CHECK_SOON(midisock_client_count(server) == 0);
    midisock_close(server);
}

static void pushing_to_one_and_to_all(void)
{
    enum { N = 8 };
    midisock_port *server = check_listen(NULL);
    int fds[N];
    uint32_t ids[N];
    for (int i = 0; i < N; i++)
        fds[i] = join(server, (uint8_t)i, &ids[i]);
    for (int round = 0; round < 10; round++) {
        CHECK_OK(midisock_push(server, BYTES(0x90, (uint8_t)round, 1)));
        for (int i = N - 1; i >= 0; i--)
            CHECK_OK(push_to(server, ids[i], (uint8_t)(round * N + i)));
        CHECK_OK(push_to(server, 0, 99));
    }
    /* Each got what was for all and what was for it, in order of pushing. */
    for (int i = 0; i < N; i++)
        for (int round = 0; round < 10; round++)
            RAW_EXPECT(fds[i], 0x90, (uint8_t)round, 1, 0xc1, (uint8_t)(round * N + i), 0xc1, 99);
    for (int i = 0; i < N; i++)
        raw_close(fds[i]);
    midisock_close(server);
}

static void pushing_to_an_unknown_client(void)
{
    midisock_port *server = check_listen(NULL);
    uint32_t id;
    uint32_t other;
    int fd = join(server, 1, &id);
    int stays = join(server, 2, &other);
    CHECK_RESULT(MIDISOCK_ERR_NO_SUCH_CLIENT, push_to(server, UINT32_MAX, 1));
    CHECK_RESULT(MIDISOCK_ERR_NO_SUCH_CLIENT, push_to(server, id ^ other ^ 0x5a5a5a5a, 1));
    raw_close(fd);
    CHECK_SOON(midisock_client_count(server) == 1);
    CHECK_RESULT(MIDISOCK_ERR_NO_SUCH_CLIENT, push_to(server, id, 1));
    char text[64] = "as it was";
    CHECK_RESULT(MIDISOCK_ERR_NO_SUCH_CLIENT,
                 midisock_client_address(server, id, text, sizeof text));
    CHECK_TEXT("as it was", text);
    CHECK_RESULT(MIDISOCK_ERR_NO_SUCH_CLIENT, midisock_disconnect(server, id));
    CHECK_OK(push_to(server, other, 5));
    RAW_EXPECT(stays, 0xc1, 5);
    raw_close(stays);
    midisock_close(server);
}

static void pushing_without_clients(void)
{
    midisock_port *server = check_listen(NULL);
    CHECK_RESULT(MIDISOCK_OFFLINE, midisock_push(server, BYTES(0xf8)));
    CHECK_RESULT(MIDISOCK_OFFLINE, push_to(server, 0, 1));
    CHECK_RESULT(MIDISOCK_OFFLINE, midisock_panic(server));
    CHECK_RESULT(MIDISOCK_OFFLINE, midisock_reset(server));
    /* What was pushed then is not kept for who comes later. */
    uint32_t id;
    int fd = join(server, 3, &id);
    CHECK_OK(midisock_push(server, BYTES(0xf6)));
    RAW_EXPECT(fd, 0xf6);
    raw_close(fd);
    midisock_close(server);
}

static void addresses_of_clients(void)
{
    midisock_port *server = check_listen(NULL);
    midisock_port *client = check_connect(server, NULL);
    CHECK_OK(midisock_push(client, BYTES(0xf6)));
    uint32_t id = EXPECT(server, 0xf6).client;
    char expected[64];
    snprintf(expected, sizeof expected, "127.0.0.1:%u", (unsigned)midisock_local_port(client));
    char text[64];
    CHECK_OK(midisock_client_address(server, id, text, sizeof text));
    CHECK_TEXT(expected, text);
    /* Exactly enough is enough, one less is not. */
    size_t exact = strlen(expected) + 1;
    char *tight = malloc(exact);
    CHECK(tight != NULL);
    CHECK_OK(midisock_client_address(server, id, tight, exact));
    CHECK_TEXT(expected, tight);
    memset(tight, 'x', exact);
    CHECK_INVALID(midisock_client_address(server, id, tight, exact - 1));
    for (size_t i = 0; i < exact; i++)
        CHECK_INT('x', tight[i]);
    free(tight);
    char host[64];
    uint16_t port = 0;
    CHECK_OK(midisock_parse_address(text, host, sizeof host, &port));
    CHECK_TEXT("127.0.0.1", host);
    CHECK_INT(midisock_local_port(client), port);
    midisock_close(client);
    midisock_close(server);
}

static void disconnecting_a_client(void)
{
    midisock_port *server = check_listen(NULL);
    uint32_t id;
    uint32_t other;
    int fd = join(server, 1, &id);
    int stays = join(server, 2, &other);
    CHECK_OK(push_to(server, id, 77)); /* what was pushed before still arrives */
    CHECK_OK(midisock_disconnect(server, id));
    RAW_EXPECT(fd, 0xc1, 77);
    RAW_EXPECT_END(fd);
    raw_close(fd);
    CHECK_SOON(midisock_client_count(server) == 1);
    CHECK_RESULT(MIDISOCK_ERR_NO_SUCH_CLIENT, midisock_disconnect(server, id));
    RAW_SEND(stays, 0xf6);
    CHECK_INT(other, EXPECT(server, 0xf6).client);
    CHECK_COUNT(server, disconnections, 1);
    raw_close(stays);
    midisock_close(server);
}

static void ids_are_never_reused(void)
{
    enum { ROUNDS = 300 };
    midisock_port *server = check_listen(NULL);
    static uint32_t ids[ROUNDS];
    for (int i = 0; i < ROUNDS; i++) {
        int fd = join(server, (uint8_t)(i & 0x7f), &ids[i]);
        for (int j = 0; j < i; j++)
            CHECK(ids[i] != ids[j]);
        /* Mostly by a reset: after an orderly end the library waits a moment
         * for what may still be pushed to the peer. */
        if (i % 20)
            raw_reset(fd);
        else
            raw_close(fd);
        CHECK_SOON(midisock_client_count(server) == 0);
    }
    for (int i = 0; i < ROUNDS; i++)
        CHECK_RESULT(MIDISOCK_ERR_NO_SUCH_CLIENT, push_to(server, ids[i], 1));
    CHECK_COUNT(server, connections, ROUNDS);
    CHECK_SOON(check_stats(server).disconnections == ROUNDS);
    midisock_close(server);
}

static void joins_and_leaves_are_paired(void)
{
    enum { ROUNDS = 100, BIGGEST = 4096 };
    midisock_port *server = check_listen(NULL);
    static uint32_t present[BIGGEST];
    unsigned joined = 0;
    unsigned left = 0;
    for (int i = 0; i < ROUNDS; i++) {
        uint32_t id;
        int fd = join(server, 1, &id);
        if (i % 2)
            raw_reset(fd);
        else
            raw_close(fd);
    }
    CHECK_SOON(midisock_client_count(server) == 0);
    uint64_t until = check_now_ms() + DEADLINE_MS;
    while (left < ROUNDS) {
        midisock_notification n;
        if (midisock_poll_notification(server, &n) != MIDISOCK_OK) {
            CHECK(check_now_ms() < until);
            check_pause();
            continue;
        }
        if (n.kind == MIDISOCK_NOTIFY_CLIENT_JOINED) {
            CHECK(n.client != 0);
            present[joined++] = n.client;
        } else {
            CHECK_INT(MIDISOCK_NOTIFY_CLIENT_LEFT, n.kind);
            unsigned at = 0;
            while (at < joined && present[at] != n.client)
                at++;
            CHECK(at < joined); /* nobody leaves who had not joined, or twice */
            present[at] = 0;
            left++;
        }
        CHECK(n.time_ns != 0 && n.time_ns <= midisock_now_ns());
        CHECK(strncmp(n.address, "127.0.0.1:", 10) == 0);
        CHECK_INT(0, n.reserved[0]);
        CHECK_INT(0, n.reserved[1]);
    }
    CHECK_INT(ROUNDS, joined);
    midisock_close(server);
}

static void a_silent_client_joins_too(void)
{
    midisock_port *server = check_listen(NULL);
    int fd = raw_connect(midisock_local_port(server));
    midisock_notification n = NOTIFIED(server, MIDISOCK_NOTIFY_CLIENT_JOINED);
    CHECK_INT(1, midisock_client_count(server));
    CHECK_OK(push_to(server, n.client, 9));
    RAW_EXPECT(fd, 0xc1, 9);
    raw_close(fd);
    midisock_notification m = NOTIFIED(server, MIDISOCK_NOTIFY_CLIENT_LEFT);
    CHECK_INT(n.client, m.client);
    CHECK_RESULT(MIDISOCK_OK, m.reason);
    CHECK_TEXT(n.address, m.address);
    midisock_close(server);
}

static void clients_beyond_the_limit_are_refused(void)
{
    midisock_config c = check_config();
    c.max_clients = 2;
    midisock_port *server = check_listen(&c);
    uint32_t one;
    uint32_t two;
    int a = join(server, 1, &one);
    int b = join(server, 2, &two);
    int fd = raw_connect(midisock_local_port(server));
    RAW_EXPECT_GONE(fd);
    raw_close(fd);
    CHECK_SOON(check_stats(server).rejected == 1);
    CHECK_COUNT(server, connections, 2);
    CHECK_INT(2, midisock_client_count(server));
    CHECK_INT(one, NOTIFIED(server, MIDISOCK_NOTIFY_CLIENT_JOINED).client);
    CHECK_INT(two, NOTIFIED(server, MIDISOCK_NOTIFY_CLIENT_JOINED).client);
    midisock_notification n;
    CHECK_RESULT(MIDISOCK_EMPTY, midisock_poll_notification(server, &n));
    raw_close(a);
    CHECK_SOON(midisock_client_count(server) == 1);
    a = join(server, 3, &one);
    raw_close(a);
    raw_close(b);
    midisock_close(server);
}

/* All clients leave and come again at once, as when a program with several of
 * them is started anew, and find their places. */
static void come_and_go(int pops)
{
    enum { CLIENTS = 4, TIMES = 20 };
    midisock_config c = check_config();
    c.max_clients = CLIENTS;
    midisock_port *server = check_listen(&c);
    for (unsigned n = 1; n <= TIMES; n++) {
        int fds[CLIENTS];
        for (int i = 0; i < CLIENTS; i++) {
            fds[i] = raw_connect(midisock_local_port(server));
            /* Whoever is turned away may hear of it here already. */
            raw_try_send(fds[i], (const uint8_t[]){0x90, 60, 64}, 3);
        }
        CHECK_SOON(check_stats(server).connections + check_stats(server).rejected == n * CLIENTS);
        midisock_message m;
        while (pops && midisock_pop(server, &m) == MIDISOCK_OK)
            continue;
        for (int i = 0; i < CLIENTS; i++)
            raw_close(fds[i]);
    }
    /* The kernel may show a newcomer before the end of another, once in a while. */
    CHECK(check_stats(server).rejected <= TIMES * CLIENTS / 10);
    midisock_close(server);
}

static void returning_clients_find_their_places(void)
{
    come_and_go(1);
}

static void returning_clients_find_their_places_though_nobody_pops(void)
{
    come_and_go(0);
}

static void a_half_closed_client_frees_its_place(void)
{
    midisock_config c;
    midisock_config_init(&c, sizeof c);
    c.max_clients = 1;
    c.linger_ms = 4 * DEADLINE_MS;
    midisock_port *server = check_listen(&c);
    uint32_t first;
    uint32_t second;
    int a = join(server, 1, &first);
    CHECK_OK(midisock_push(server, BYTES(0x90, 64, 100)));
    RAW_EXPECT(a, 0x90, 64, 100);
    RAW_SEND(a, 0x90, 60, 100); /* is not popped: an answer may come */
    raw_half_close(a);
    CHECK_SOON(check_stats(server).messages_in == 2);
    int b = raw_connect(midisock_local_port(server));
    RAW_EXPECT(a, 0x80, 64, 64);
    RAW_EXPECT_END(a);
    RAW_SEND(b, 0x90, 61, 100);
    EXPECT(server, 0x90, 60, 100);
    EXPECT(server, 0x80, 60, 64);
    second = EXPECT(server, 0x90, 61, 100).client;
    CHECK(second != first);
    CHECK_INT(0, check_stats(server).rejected);
    raw_close(a);
    raw_close(b);
    midisock_close(server);
}

/* Two clients hold a note and a pedal; one lets go while its messages are
 * thrown away. What stands for that says that the other still holds them. */
static void still_held(int skips)
{
    midisock_config c;
    midisock_config_init(&c, sizeof c);
    c.in_queue_bytes = 4096;
    midisock_port *server = check_listen(&c);
    uint32_t one;
    uint32_t two;
    int a = join(server, 1, &one);
    int b = join(server, 2, &two);
    RAW_SEND(a, 0x90, 60, 64, 0xb0, 64, 127, 0x90, 61, 64);
    EXPECT(server, 0x90, 60, 64);
    EXPECT(server, 0xb0, 64, 127);
    EXPECT(server, 0x90, 61, 64);
    RAW_SEND(b, 0x90, 60, 64, 0xb0, 64, 127);
    EXPECT(server, 0x90, 60, 64);
    EXPECT(server, 0xb0, 64, 127);
    if (skips) {
        /* What is thrown away is the server's own release, which is marked. */
        raw_close(a);
        CHECK_SOON(midisock_client_count(server) == 1 &&
                   check_stats(server).synthesized == 3);
        CHECK_OK(midisock_skip(server));
    } else {
        /* It lets go itself, when the in queue is full. */
        for (int i = 0; i < 500; i++)
            RAW_SEND(a, 0xb0, 7, 5);
        CHECK_SOON(check_stats(server).dropped_in > 0);
        RAW_SEND(a, 0x80, 60, 64, 0xb0, 64, 0, 0x80, 61, 64);
        CHECK_SOON(check_stats(server).messages_in == 2 + 5 + 500 + 3);
    }
    unsigned releases = 0;
    while (releases < 3) {
        midisock_message m;
        CHECK_OK(midisock_wait(server, MIDISOCK_WAIT_MESSAGE, DEADLINE_MS));
        if (midisock_pop(server, &m) != MIDISOCK_OK || !(m.flags & MIDISOCK_FLAG_SYNTHETIC) ||
            (m.data[0] == 0xb0 && m.data[1] == 7))
            continue;
        releases++;
        CHECK_INT(one, m.client);
        CHECK_INT(m.data[0] != 0x80 || m.data[1] == 60, (m.flags & MIDISOCK_FLAG_STILL_HELD) != 0);
    }
    if (!skips)
        raw_close(a);
    raw_close(b);
    midisock_close(server);
}

static void a_skipped_release_is_marked_if_another_client_holds_the_note(void)
{
    still_held(1);
}

static void a_lost_release_is_marked_if_another_client_holds_the_note(void)
{
    still_held(0);
}

static void a_limit_of_no_clients(void)
{
    midisock_config c = check_config();
    c.max_clients = 0;
    midisock_port *server = check_listen(&c);
    int fd = raw_connect(midisock_local_port(server));
    RAW_EXPECT_GONE(fd);
    raw_close(fd);
    CHECK_SOON(check_stats(server).rejected == 1);
    midisock_close(server);
}

static void many_clients(void)
{
    enum { N = 300 };
    midisock_config c = check_config();
    c.max_clients = N;
    c.in_queue_bytes = 1 << 20;
    midisock_port *server = check_listen(&c);
    int fds[N];
    uint32_t ids[N];
    for (int i = 0; i < N; i++) {
        fds[i] = raw_connect(midisock_local_port(server));
        RAW_SEND(fds[i], 0x90, (uint8_t)(i >> 7), (uint8_t)(i & 0x7f));
    }
    for (int i = 0; i < N; i++) {
        midisock_message m = POP(server);
        CHECK_INT(3, m.size);
        ids[m.data[1] << 7 | m.data[2]] = m.client;
    }
    CHECK_INT(N, midisock_client_count(server));
    for (int i = 0; i < N; i++)
        CHECK_OK(push_to(server, ids[i], (uint8_t)(i & 0x7f)));
    CHECK_OK(midisock_push(server, BYTES(0xf6)));
    for (int i = 0; i < N; i++)
        RAW_EXPECT(fds[i], 0xc1, (uint8_t)(i & 0x7f), 0xf6);
    for (int i = 0; i < N; i++)
        raw_close(fds[i]);
    CHECK_SOON(midisock_client_count(server) == 0);
    midisock_close(server);
}

static void closing_ends_every_client(void)
{
    enum { N = 10 };
    midisock_port *server = check_listen(NULL);
    int fds[N];
    uint32_t ids[N];
    for (int i = 0; i < N; i++)
        fds[i] = join(server, (uint8_t)i, &ids[i]);
    CHECK_OK(midisock_push(server, BYTES(0xf6)));
    CHECK_OK(midisock_shutdown(server));
    for (int i = 0; i < N; i++) {
        RAW_EXPECT(fds[i], 0xf6);
        RAW_EXPECT_END(fds[i]);
        raw_close(fds[i]);
    }
    midisock_close(server);
}

static void disconnecting_beside_a_stuck_client(void)
{
    /* One client does not read, and all that is pushed waits behind what is for
     * it. Another that is disconnected gets what was pushed for it before. */
    midisock_config c = check_config();
    c.overflow = MIDISOCK_OVERFLOW_WAIT;
    c.out_queue_bytes = 16384;
    midisock_port *server = check_listen(&c);
    int stuck = raw_connect_small(midisock_local_port(server));
    uint32_t first = NOTIFIED(server, MIDISOCK_NOTIFY_CLIENT_JOINED).client;
    uint32_t id;
    int fd = join(server, 1, &id);
    CHECK_INT(id, NOTIFIED(server, MIDISOCK_NOTIFY_CLIENT_JOINED).client);
    uint8_t data[500];
    uint32_t pushed = 0;
    uint64_t until = check_now_ms() + DEADLINE_MS;
    /* Until more than half of the queue is in use and stays so: there is room
     * for a few short ones. */
    do {
        check_numbered(data, sizeof data, pushed++);
        midisock_message m = {0, data, sizeof data, first, 0, 0, {0, 0}};
        CHECK_OK(midisock_push_message(server, &m));
        CHECK(check_now_ms() < until);
    } while (midisock_wait(server, MIDISOCK_WAIT_ROOM, 200) == MIDISOCK_OK);
    CHECK_OK(push_to(server, id, 77));
    /* What was cancelled is for nobody, though it is due before it is looked at. */
    midisock_message late = {midisock_now_ns() + 300000000, (const uint8_t *)"\xf3\x09", 2, 0, 0, 0,
                             {0, 0}};
    CHECK_OK(midisock_push_message(server, &late));
    CHECK_OK(midisock_cancel(server));
    CHECK_OK(midisock_push(server, BYTES(0xf3, 5)));
    CHECK_OK(push_to(server, first, 66));
    CHECK_OK(push_to(server, id, 78));
    CHECK_SOON(midisock_now_ns() > late.time_ns);
    CHECK_OK(midisock_disconnect(server, id));
    RAW_EXPECT(fd, 0xc1, 77, 0xf3, 5, 0xc1, 78);
    RAW_EXPECT_END(fd);
    raw_close(fd);
    CHECK_INT(id, NOTIFIED(server, MIDISOCK_NOTIFY_CLIENT_LEFT).client);
    /* The other has still all of its own to read, and no more. */
    for (uint32_t i = 0; i < pushed; i++) {
        raw_read(stuck, data, sizeof data);
        CHECK_INT(i, check_number(data, sizeof data));
    }
    RAW_EXPECT(stuck, 0xf3, 5, 0xc1, 66);
    CHECK_OK(midisock_push(server, BYTES(0xf6)));
    RAW_EXPECT(stuck, 0xf6);
    CHECK_COUNT(server, messages_out, pushed + 6);
    /* What was cancelled. */
    CHECK_INT(1, check_stats(server).dropped_out);
    raw_close(stuck);
    midisock_close(server);
}

static void nothing_is_late_for_a_silent_client(void)
{
    /* Nothing is sent before it has spoken or been silent for long enough,
     * which may be longer than max_delay_ms: that is not its fault. */
    enum { ROUNDS = 10 };
    midisock_config c = check_config(); /* merged: repairing */
    c.max_delay_ms = 20;
    midisock_port *server = check_listen(&c);
    uint8_t data[20];
    for (uint32_t i = 0; i < ROUNDS; i++) {
        int fd = raw_connect(midisock_local_port(server));
        CHECK_SOON(midisock_client_count(server) == 1);
        check_numbered(data, sizeof data, 2 * i);
        CHECK_OK(midisock_push(server, data, sizeof data));
        check_numbered(data, sizeof data, 2 * i + 1);
        CHECK_OK(midisock_push(server, data, sizeof data));
        for (uint32_t j = 2 * i; j < 2 * i + 2; j++) {
            raw_read(fd, data, sizeof data);
            CHECK_INT(j, check_number(data, sizeof data));
        }
        CHECK_INT(0, check_stats(server).dropped_out);
        NOTIFIED(server, MIDISOCK_NOTIFY_CLIENT_JOINED);
        raw_reset(fd);
        NOTIFIED(server, MIDISOCK_NOTIFY_CLIENT_LEFT);
    }
    midisock_close(server);
}

int main(int argc, char **argv)
{
    static const check_case cases[] = {
        CASE(messages_carry_their_client), CASE(pushing_to_one_and_to_all),
        CASE(pushing_to_an_unknown_client), CASE(pushing_without_clients),
        CASE(addresses_of_clients),        CASE(disconnecting_a_client),
        CASE(ids_are_never_reused),        CASE(joins_and_leaves_are_paired),
        CASE(a_silent_client_joins_too),   CASE(clients_beyond_the_limit_are_refused),
        CASE(returning_clients_find_their_places),
        CASE(returning_clients_find_their_places_though_nobody_pops),
        CASE(a_half_closed_client_frees_its_place),
        CASE(a_skipped_release_is_marked_if_another_client_holds_the_note),
        CASE(a_lost_release_is_marked_if_another_client_holds_the_note),
        CASE(a_limit_of_no_clients),             CASE(many_clients),
        CASE(closing_ends_every_client),
        CASE(disconnecting_beside_a_stuck_client),
        CASE(nothing_is_late_for_a_silent_client),
    };
    return check_main(argc, argv, CASES(cases));
}
