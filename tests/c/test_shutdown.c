/* shutdown from another thread during every call that waits. */
#include "check.h"
#include "raw.h"

#include <string.h>

typedef enum call { ACCEPT, WAIT, WAIT_ANY, WAIT_CONNECTED, FLUSH, FILL } call;

typedef struct waiting {
    midisock_port *port;
    midisock_port *other; /* for wait_any */
    call call;
    uint32_t what;
    midisock_result result;
} waiting;

/* There can be room before the end, as after every check_fill. Then it is filled again. */
static midisock_result fill_for_ever(midisock_port *port)
{
    midisock_result result;
    do {
        while (midisock_push(port, BYTES(0xf8)) == MIDISOCK_OK)
            continue;
        result = midisock_wait(port, MIDISOCK_WAIT_ROOM, -1);
    } while (result == MIDISOCK_OK);
    return result;
}

static void *run(void *argument)
{
    waiting *w = argument;
    midisock_port *out = NULL;
    midisock_port *both[2];
    size_t index = 9;
    switch (w->call) {
    case ACCEPT:
        w->result = midisock_accept(w->port, -1, &out);
        CHECK(out == NULL);
        break;
    case WAIT:
        w->result = midisock_wait(w->port, w->what, -1);
        break;
    case WAIT_ANY:
        both[0] = w->other;
        both[1] = w->port;
        w->result = midisock_wait_any(both, 2, w->what, -1, &index);
        break;
    case WAIT_CONNECTED:
        w->result = midisock_wait_connected(w->port, -1);
        break;
    case FLUSH:
        w->result = midisock_flush(w->port, -1);
        break;
    case FILL:
        w->result = fill_for_ever(w->port);
        break;
    }
    return NULL;
}

static void start(waiting *w, pthread_t *thread, midisock_port *port, call call, uint32_t what)
{
    memset(w, 0, sizeof *w);
    w->port = port;
    w->call = call;
    w->what = what;
    w->result = MIDISOCK_ERR_INTERNAL;
    check_start(thread, run, w);
}

/* That a thread is inside its wait cannot be seen from outside; so it is shut
 * down both as soon as the thread runs and some time later, many times. */
static void linger_a_little(int round)
{
    for (int i = 0; i < round % 8; i++)
        check_pause();
}

enum { ROUNDS = 16, MOST = 8 };

static void ends(midisock_port *port, waiting *w, const pthread_t *threads, int count, int round)
{
    linger_a_little(round);
    CHECK_OK(midisock_shutdown(port));
    for (int i = 0; i < count; i++) {
        check_join(threads[i]);
        if (w[i].result != MIDISOCK_ERR_CLOSED)
            check_fail(__FILE__, __LINE__, "call %d (what %u) gave %s", (int)w[i].call,
                       (unsigned)w[i].what, midisock_strerror(w[i].result));
    }
    CHECK_INT(MIDISOCK_STATE_CLOSED, midisock_state(port));
}

static void a_merged_server(void)
{
    midisock_port *other = check_listen(NULL);
    for (int round = 0; round < ROUNDS; round++) {
        midisock_port *server = check_listen(NULL);
        waiting w[MOST];
        pthread_t threads[MOST];
        start(&w[0], &threads[0], server, WAIT, MIDISOCK_WAIT_MESSAGE);
        start(&w[1], &threads[1], server, WAIT, MIDISOCK_WAIT_NOTIFICATION);
        start(&w[2], &threads[2], server, WAIT,
              MIDISOCK_WAIT_MESSAGE | MIDISOCK_WAIT_NOTIFICATION);
        memset(&w[3], 0, sizeof w[3]);
        w[3].port = server;
        w[3].other = other;
        w[3].call = WAIT_ANY;
        w[3].what = MIDISOCK_WAIT_MESSAGE;
        check_start(&threads[3], run, &w[3]);
        ends(server, w, threads, 4, round);
        midisock_close(server);
    }
    midisock_close(other);
}

static void a_manual_server(void)
{
    midisock_config c = check_config();
    c.accept_mode = MIDISOCK_ACCEPT_MANUAL;
    for (int round = 0; round < ROUNDS; round++) {
        midisock_port *server = check_listen(&c);
        waiting w[MOST];
        pthread_t threads[MOST];
        start(&w[0], &threads[0], server, ACCEPT, 0);
        start(&w[1], &threads[1], server, ACCEPT, 0);
        start(&w[2], &threads[2], server, WAIT, MIDISOCK_WAIT_CLIENT);
        ends(server, w, threads, 3, round);
        midisock_close(server);
    }
}

static void a_client_without_its_server(void)
{
    uint16_t port;
    int fillers[3];
    int listener = raw_silent(&port, fillers);
    for (int round = 0; round < ROUNDS; round++) {
        midisock_port *client = NULL;
        CHECK_OK(midisock_connect("127.0.0.1", port, NULL, &client));
        waiting w[MOST];
        pthread_t threads[MOST];
        start(&w[0], &threads[0], client, WAIT_CONNECTED, 0);
        start(&w[1], &threads[1], client, WAIT, MIDISOCK_WAIT_MESSAGE);
        start(&w[2], &threads[2], client, WAIT, MIDISOCK_WAIT_NOTIFICATION);
        ends(client, w, threads, 3, round);
        midisock_close(client);
    }
    for (int i = 0; i < 3; i++)
        raw_close(fillers[i]);
    raw_close(listener);
}

static void a_client_whose_server_does_not_read(void)
{
    uint16_t port = 0;
    int listener = raw_listen_small(&port);
    midisock_config c = check_config();
    c.overflow = MIDISOCK_OVERFLOW_WAIT;
    c.linger_ms = 50;
    for (int round = 0; round < 4; round++) {
        midisock_port *client = NULL;
        CHECK_OK(midisock_connect("127.0.0.1", port, &c, &client));
        int fd = raw_accept(listener);
        CHECK_OK(midisock_wait_connected(client, DEADLINE_MS));
        check_fill(client, 4000, 0, 50);
        waiting w[MOST];
        pthread_t threads[MOST];
        start(&w[0], &threads[0], client, WAIT, MIDISOCK_WAIT_MESSAGE);
        start(&w[1], &threads[1], client, FILL, 0);
        start(&w[2], &threads[2], client, FLUSH, 0);
        ends(client, w, threads, 3, round);
        CHECK_RESULT(MIDISOCK_ERR_CLOSED, midisock_push(client, BYTES(0xf8)));
        midisock_close(client);
        raw_close(fd);
    }
    raw_close(listener);
}

static void an_accepted_port(void)
{
    midisock_config c = check_config();
    c.accept_mode = MIDISOCK_ACCEPT_MANUAL;
    midisock_port *server = check_listen(&c);
    for (int round = 0; round < ROUNDS; round++) {
        int fd = raw_connect(midisock_local_port(server));
        midisock_port *accepted = NULL;
        CHECK_OK(midisock_accept(server, DEADLINE_MS, &accepted));
        waiting w[MOST];
        pthread_t threads[MOST];
        start(&w[0], &threads[0], accepted, WAIT, MIDISOCK_WAIT_MESSAGE);
        ends(accepted, w, threads, 1, round);
        RAW_EXPECT_END(fd); /* the peer sees the end */
        raw_close(fd);
        midisock_close(accepted);
    }
    midisock_close(server);
}

static void a_pair(void)
{
    midisock_config c = check_config();
    c.in_queue_bytes = 4096;
    c.out_queue_bytes = 4096;
    for (int round = 0; round < ROUNDS; round++) {
        midisock_port *a = NULL;
        midisock_port *b = NULL;
        CHECK_OK(midisock_pair(&c, &a, &b));
        while (midisock_push(a, BYTES(0xf8)) == MIDISOCK_OK)
            continue;
        waiting w[MOST];
        pthread_t threads[MOST];
        start(&w[0], &threads[0], a, WAIT, MIDISOCK_WAIT_MESSAGE);
        start(&w[1], &threads[1], a, WAIT, MIDISOCK_WAIT_ROOM);
        ends(a, w, threads, 2, round);
        /* The other half has an end too, when it has read what was pushed. */
        midisock_message m;
        while (midisock_pop(b, &m) == MIDISOCK_OK)
            CHECK_MEMORY("\xf8", 1, m.data, m.size);
        CHECK_SOON(midisock_pop(b, &m) == MIDISOCK_ERR_CLOSED);
        CHECK_RESULT(MIDISOCK_ERR_CLOSED, midisock_wait(b, MIDISOCK_WAIT_MESSAGE, -1));
        midisock_close(a);
        midisock_close(b);
    }
}

static void later_calls_are_closed(void)
{
    midisock_port *server = check_listen(NULL);
    midisock_port *client = check_connect(server, NULL);
    CHECK_OK(midisock_shutdown(client));
    midisock_message now = {0, (const uint8_t *)"\xf8", 1, 0, 0, 0, {0, 0}};
    CHECK_RESULT(MIDISOCK_ERR_CLOSED, midisock_push(client, BYTES(0xf8)));
    CHECK_RESULT(MIDISOCK_ERR_CLOSED, midisock_push_message(client, &now));
    CHECK_RESULT(MIDISOCK_ERR_CLOSED, midisock_panic(client));
    CHECK_RESULT(MIDISOCK_ERR_CLOSED, midisock_reset(client));
    CHECK_RESULT(MIDISOCK_ERR_CLOSED, midisock_wait_connected(client, -1));
    CHECK_RESULT(MIDISOCK_ERR_CLOSED, midisock_flush(client, -1));
    CHECK_RESULT(MIDISOCK_ERR_CLOSED, midisock_set_realtime_priority(client, 0));
    CHECK_INT(MIDISOCK_STATE_CLOSED, midisock_state(client));
    midisock_stats stats;
    CHECK_OK(midisock_get_stats(client, &stats, sizeof stats));
    midisock_close(client);
    CHECK_OK(midisock_shutdown(server));
    CHECK_RESULT(MIDISOCK_ERR_CLOSED, midisock_push(server, BYTES(0xf8)));
    CHECK_RESULT(MIDISOCK_ERR_CLOSED, midisock_disconnect(server, 1));
    CHECK_SOON(midisock_client_count(server) == 0);
    midisock_close(server);
}

static void what_is_queued_can_still_be_popped(void)
{
    enum { N = 200 };
    midisock_port *server = check_listen(NULL);
    int fd = raw_connect(midisock_local_port(server));
    for (uint8_t i = 0; i < N; i++)
        RAW_SEND(fd, 0xf3, (uint8_t)(i & 0x7f));
    CHECK_SOON(check_stats(server).messages_in == N);
    CHECK_OK(midisock_shutdown(server));
    for (uint8_t i = 0; i < N; i++)
        EXPECT(server, 0xf3, (uint8_t)(i & 0x7f));
    midisock_message m;
    CHECK_SOON(midisock_pop(server, &m) == MIDISOCK_ERR_CLOSED);
    CHECK_RESULT(MIDISOCK_ERR_CLOSED, midisock_pop(server, &m));
    RAW_EXPECT_END(fd);
    raw_close(fd);
    midisock_close(server);
}

static void what_was_pushed_still_arrives(void)
{
    midisock_port *server = check_listen(NULL);
    midisock_config c = check_config();
    c.reconnect_max_ms = 0;
    midisock_port *client = check_connect(server, &c);
    for (uint8_t i = 0; i < 100; i++)
        CHECK_OK(midisock_push(client, BYTES(0xf3, i)));
    CHECK_OK(midisock_shutdown(client));
    for (uint8_t i = 0; i < 100; i++)
        EXPECT(server, 0xf3, i);
    CHECK_SOON(midisock_client_count(server) == 0);
    midisock_close(client);
    midisock_close(server);
}

static void the_address_is_free_again(void)
{
    midisock_port *server = check_listen(NULL);
    uint16_t port = midisock_local_port(server);
    CHECK_OK(midisock_shutdown(server));
    midisock_close(server);
    CHECK_OK(midisock_listen(NULL, port, NULL, &server));
    midisock_close(server);
}

typedef struct storm {
    midisock_port *port;
    int stop; /* atomic */
} storm;

static void *push_until_closed(void *argument)
{
    storm *s = argument;
    midisock_result result;
    do
        result = midisock_push(s->port, BYTES(0xf8));
    while (result != MIDISOCK_ERR_CLOSED);
    return NULL;
}

static void *pop_until_closed(void *argument)
{
    storm *s = argument;
    midisock_message m;
    while (midisock_pop(s->port, &m) != MIDISOCK_ERR_CLOSED)
        continue;
    return NULL;
}

static void *ask_until_told(void *argument)
{
    storm *s = argument;
    midisock_stats stats;
    midisock_notification n;
    while (!__atomic_load_n(&s->stop, __ATOMIC_RELAXED)) {
        CHECK_OK(midisock_get_stats(s->port, &stats, sizeof stats));
        CHECK(midisock_state(s->port) != 0);
        midisock_client_count(s->port);
        midisock_local_port(s->port);
        midisock_poll_notification(s->port, &n);
        midisock_panic(s->port);
    }
    return NULL;
}

static void in_the_middle_of_everything(void)
{
    for (int round = 0; round < 20; round++) {
        midisock_port *server = check_listen(NULL);
        midisock_port *client = check_connect(server, NULL);
        storm storms[] = {{server, 0}, {client, 0}};
        pthread_t threads[6];
        for (int i = 0; i < 2; i++) {
            check_start(&threads[3 * i], push_until_closed, &storms[i]);
            check_start(&threads[3 * i + 1], pop_until_closed, &storms[i]);
            check_start(&threads[3 * i + 2], ask_until_told, &storms[i]);
        }
        linger_a_little(round);
        CHECK_OK(midisock_shutdown(round % 2 ? server : client));
        linger_a_little(round);
        CHECK_OK(midisock_shutdown(round % 2 ? client : server));
        for (int i = 0; i < 2; i++)
            __atomic_store_n(&storms[i].stop, 1, __ATOMIC_RELAXED);
        for (int i = 0; i < 6; i++)
            check_join(threads[i]);
        midisock_close(client);
        midisock_close(server);
    }
}

static void a_popping_thread_that_shuts_down_gets_the_releases(void)
{
    /* A note is popped while more is being handed over behind it, and the port
     * is shut down at once: its release comes before CLOSED. */
    midisock_config c;
    midisock_config_init(&c, sizeof c);
    c.in_queue_bytes = 4096;
    c.max_message_bytes = 1024;
    c.overflow = MIDISOCK_OVERFLOW_REPAIR;
    uint8_t data[3 + 2000];
    memset(data, 0xf8, sizeof data);
    int rounds = check_sanitized() ? 100 : 600;
    for (int round = 0; round < rounds; round++) {
        midisock_port *server = check_listen(&c);
        int fd = raw_connect(midisock_local_port(server));
        data[0] = round % 2 ? 0xb0 : 0x90;
        data[1] = 64;
        data[2] = 127;
        raw_send(fd, data, 3 + (size_t)(round * 7 % 2000));
        midisock_message m = POP(server);
        CHECK_MEMORY(data, 3, m.data, m.size);
        CHECK_OK(midisock_shutdown(server));
        int released = 0;
        uint64_t until = check_now_ms() + DEADLINE_MS;
        midisock_result result;
        while ((result = midisock_pop(server, &m)) != MIDISOCK_ERR_CLOSED) {
            CHECK(check_now_ms() < until);
            released += result == MIDISOCK_OK && (m.flags & MIDISOCK_FLAG_SYNTHETIC) != 0;
        }
        CHECK_INT(1, released);
        raw_close(fd);
        midisock_close(server);
    }
}

static void a_pedal_restored_by_a_repair_is_released(void)
{
    /* Nothing else was received of the peer since. */
    for (int round = 0; round < 20; round++) {
        midisock_config c;
        midisock_config_init(&c, sizeof c);
        c.in_queue_bytes = 4096;
        c.max_message_bytes = 1024;
        c.overflow = MIDISOCK_OVERFLOW_REPAIR;
        midisock_port *server = check_listen(&c);
        int fd = raw_connect(midisock_local_port(server));
        uint8_t clocks[300];
        memset(clocks, 0xf8, sizeof clocks);
        raw_send(fd, clocks, sizeof clocks);
        RAW_SEND(fd, 0xb0, 64, 127);
        CHECK_COUNT(server, messages_in, sizeof clocks + 1);
        CHECK_SOON(check_stats(server).dropped_in > 0);
        midisock_message m;
        do
            m = POP(server);
        while (m.data[0] == 0xf8);
        CHECK_MEMORY(((const uint8_t[]){0xb0, 64, 127}), 3, m.data, m.size);
        CHECK_INT(MIDISOCK_FLAG_SYNTHETIC, m.flags);
        CHECK_OK(midisock_shutdown(server));
        midisock_result result;
        while ((result = midisock_pop(server, &m)) == MIDISOCK_EMPTY)
            check_pause();
        CHECK_OK(result);
        CHECK_MEMORY(((const uint8_t[]){0xb0, 64, 0}), 3, m.data, m.size);
        raw_close(fd);
        midisock_close(server);
    }
}

int main(int argc, char **argv)
{
    static const check_case cases[] = {
        CASE(a_merged_server),
        CASE(a_manual_server),
        CASE(a_client_without_its_server),
        CASE(a_client_whose_server_does_not_read),
        CASE(an_accepted_port),
        CASE(a_pair),
        CASE(later_calls_are_closed),
        CASE(what_is_queued_can_still_be_popped),
        CASE(what_was_pushed_still_arrives),
        CASE(the_address_is_free_again),
        CASE(in_the_middle_of_everything),
        CASE(a_popping_thread_that_shuts_down_gets_the_releases),
        CASE(a_pedal_restored_by_a_repair_is_released),
    };
    return check_main(argc, argv, CASES(cases));
}
