/* greet: a merged server sends each new client the controllers, programs and
 * bends, but no notes and nothing about the sequencer. */
#define _POSIX_C_SOURCE 200809L
#include "check.h"
#include "raw.h"
#include "receiver.h"

#include <stdlib.h>
#include <string.h>

static midisock_port *greeting_server(void)
{
    midisock_config c = check_config();
    c.greet = 1;
    return check_listen(&c);
}

static int join(midisock_port *server, uint32_t *id)
{
    int fd = raw_connect(midisock_local_port(server));
    *id = NOTIFIED(server, MIDISOCK_NOTIFY_CLIENT_JOINED).client;
    return fd;
}

static void a_new_client_receives_the_channel_state(void)
{
    midisock_port *server = greeting_server();
    static const uint8_t row[][3] = {
        {0xb0, 7, 1},  {0xb0, 7, 2},   {0xe1, 3, 4}, {0x90, 60, 1},    {0xa0, 60, 7},
        {0xb2, 0, 1},  {0xb2, 32, 2},  {0xf2, 5, 5}, {0xb2, 120, 0},   {0xb3, 101, 0},
        {0xb3, 100, 0}, {0xb3, 6, 12}, {0xb3, 1, 5},  {0xb3, 33, 6},
    };
    uint32_t id;
    int first = join(server, &id);
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++)
        CHECK_OK(midisock_push(server, row[i], 3));
    CHECK_OK(midisock_push(server, BYTES(0xc2, 9)));
    CHECK_OK(midisock_push(server, BYTES(0xd1, 8)));
    CHECK_OK(midisock_push(server, BYTES(0xfa)));
    CHECK_OK(midisock_push(server, BYTES(0xf0, 1, 0xf7)));
    /* For one client only: nobody else's business. */
    midisock_message m = {0, (const uint8_t *)"\xb9\x0a\x01", 3, id, 0, 0, {0, 0}};
    CHECK_OK(midisock_push_message(server, &m));
    CHECK_OK(midisock_flush(server, DEADLINE_MS));
    int second = join(server, &id);
    CHECK_OK(midisock_push(server, BYTES(0xf6)));
    RAW_EXPECT(second, 0xb2, 0, 1, 0xb2, 32, 2, 0xc2, 9, 0xb3, 101, 0, 0xb3, 100, 0, 0xb3, 6, 12,
               0xb0, 7, 2, 0xb3, 1, 5, 0xb3, 33, 6, 0xa0, 60, 7, 0xd1, 8, 0xe1, 3, 4, 0xf6);
    /* The first one received it as it was pushed, and no more. */
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++)
        raw_expect(first, row[i], 3, __FILE__, __LINE__);
    RAW_EXPECT(first, 0xc2, 9, 0xd1, 8, 0xfa, 0xf0, 1, 0xf7, 0xb9, 10, 1, 0xf6);
    CHECK_COUNT(server, synthesized, 12);
    raw_close(first);
    raw_close(second);
    midisock_close(server);
}

static void state_pushed_before_the_first_client(void)
{
    /* Without a client nothing is queued, and its state is remembered. */
    midisock_port *server = greeting_server();
    CHECK_RESULT(MIDISOCK_OFFLINE, midisock_push(server, BYTES(0xb0, 7, 1)));
    CHECK_RESULT(MIDISOCK_OFFLINE, midisock_push(server, BYTES(0x90, 60, 1)));
    CHECK_RESULT(MIDISOCK_OFFLINE, midisock_push(server, BYTES(0xc0, 2)));
    CHECK_COUNT(server, dropped_out, 3);
    uint32_t id;
    int fd = join(server, &id);
    RAW_EXPECT(fd, 0xc0, 2, 0xb0, 7, 1);
    /* After the last has left, too. */
    raw_close(fd);
    NOTIFIED(server, MIDISOCK_NOTIFY_CLIENT_LEFT);
    CHECK_RESULT(MIDISOCK_OFFLINE, midisock_push(server, BYTES(0xb0, 7, 3)));
    CHECK_COUNT(server, dropped_out, 4);
    fd = join(server, &id);
    RAW_EXPECT(fd, 0xc0, 2, 0xb0, 7, 3);
    CHECK_RESULT(MIDISOCK_OK, midisock_push(server, BYTES(0xf6)));
    RAW_EXPECT(fd, 0xf6);
    raw_close(fd);
    midisock_close(server);
}

/* Hears what comes until the song is selected that is said to be the last. */
static void hear_until_song(int fd, receiver *r, int song)
{
    wire w;
    memset(&w, 0, sizeof w);
    while (r->song != song) {
        uint8_t byte;
        raw_read(fd, &byte, 1);
        if (wire_take(&w, byte))
            receiver_hear(r, w.data, w.size);
    }
}

static void after_a_reset(void)
{
    midisock_port *server = greeting_server();
    uint32_t id;
    int first = join(server, &id);
    CHECK_OK(midisock_push(server, BYTES(0xb0, 1, 9)));
    CHECK_OK(midisock_push(server, BYTES(0xb0, 7, 9)));
    CHECK_OK(midisock_push(server, BYTES(0xe0, 9, 9)));
    CHECK_OK(midisock_reset(server));
    CHECK_OK(midisock_flush(server, DEADLINE_MS));
    int second = join(server, &id);
    CHECK_OK(midisock_push(server, BYTES(0xf3, 99)));
    receiver r;
    receiver_init(&r, 1);
    hear_until_song(second, &r, 99);
    CHECK_INT(9, r.channels[0].control[7]);
    CHECK(r.channels[0].control[1] <= 0);
    CHECK_INT(0x2000, r.channels[0].bend);
    raw_close(first);
    raw_close(second);
    midisock_close(server);
}

static void after_a_panic(void)
{
    /* It drops what waits to be sent; a repairing port makes good what that
     * did to the state, at those who are there and at those who come. */
    midisock_port *server = greeting_server();
    uint32_t id;
    int first = join(server, &id);
    CHECK_OK(midisock_push(server, BYTES(0xb0, 7, 9)));
    CHECK_OK(midisock_panic(server));
    CHECK_OK(midisock_flush(server, DEADLINE_MS));
    int second = join(server, &id);
    CHECK_OK(midisock_push(server, BYTES(0xf3, 99)));
    receiver r[2];
    receiver_init(&r[0], 1);
    receiver_init(&r[1], 1);
    hear_until_song(first, &r[0], 99);
    hear_until_song(second, &r[1], 99);
    CHECK_INT(9, r[0].channels[0].control[7]);
    CHECK_INT(9, r[1].channels[0].control[7]);
    raw_close(first);
    raw_close(second);
    midisock_close(server);
}

static void there_is_no_greeting_by_default(void)
{
    midisock_port *server = check_listen(NULL);
    uint32_t id;
    int first = join(server, &id);
    CHECK_OK(midisock_push(server, BYTES(0xb0, 7, 1)));
    CHECK_OK(midisock_flush(server, DEADLINE_MS));
    int second = join(server, &id);
    CHECK_OK(midisock_push(server, BYTES(0xf6)));
    RAW_EXPECT(second, 0xf6);
    RAW_EXPECT(first, 0xb0, 7, 1, 0xf6);
    raw_close(first);
    raw_close(second);
    midisock_close(server);
}

static void clients_that_join_during_a_song(void)
{
    /* Greeted, and from then on the song, with nothing missed between. */
    enum { CLIENTS = 12 };
    uint32_t seed = song_seed();
    song s;
    song_init(&s, seed, 16);
    midisock_config c = check_config();
    c.greet = 1;
    c.out_queue_bytes = 1 << 20;
    c.client_buffer_bytes = 1 << 20;
    c.max_delay_ms = 60000;
    midisock_port *server = check_listen(&c);
    int fds[CLIENTS];
    static receiver received[CLIENTS];
    static wire wires[CLIENTS];
    const uint8_t *data;
    size_t size;
    for (int i = 0; i < CLIENTS; i++) {
        for (int k = 0; k < 300; k++) {
            size = song_next(&s, &data);
            midisock_result result = midisock_push(server, data, size);
            if (i > 0)
                CHECK_OK(result);
            else
                CHECK_RESULT(MIDISOCK_OFFLINE, result);
        }
        fds[i] = raw_connect(midisock_local_port(server));
        receiver_init(&received[i], s.sender.zeroes_lsb);
        memset(&wires[i], 0, sizeof wires[i]);
        if (i == 0) /* then it is not offline any more */
            NOTIFIED(server, MIDISOCK_NOTIFY_CLIENT_JOINED);
    }
    CHECK_SOON(midisock_client_count(server) == CLIENTS);
    for (int k = 0; k < 300; k++) {
        size = song_next(&s, &data);
        CHECK_OK(midisock_push(server, data, size));
    }
    /* The sequencer's place is told to those alone who were there. */
    static const uint8_t place[] = {0xfc, 0xf3, 77, 0xf2, 1, 2};
    CHECK_OK(midisock_push(server, place, 1));
    CHECK_OK(midisock_push(server, place + 1, 2));
    CHECK_OK(midisock_push(server, place + 3, 3));
    receiver_hear(&s.sender, place, 1);
    receiver_hear(&s.sender, place + 1, 2);
    receiver_hear(&s.sender, place + 3, 3);
    for (int i = 0; i < CLIENTS; i++) {
        while (received[i].song != 77 || received[i].position != (1 | 2 << 7)) {
            uint8_t byte;
            raw_read(fds[i], &byte, 1);
            if (wire_take(&wires[i], byte))
                receiver_hear(&received[i], wires[i].data, wires[i].size);
        }
        RECEIVER_CHECK(&s.sender, &received[i], "one that joined", seed);
        raw_close(fds[i]);
    }
    midisock_close(server);
}

int main(int argc, char **argv)
{
    static const check_case cases[] = {
        CASE(a_new_client_receives_the_channel_state),           CASE(state_pushed_before_the_first_client),
        CASE(after_a_reset),              CASE(after_a_panic),
        CASE(there_is_no_greeting_by_default),
        CASE(clients_that_join_during_a_song),
    };
    return check_main(argc, argv, CASES(cases));
}
