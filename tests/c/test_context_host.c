/* A context without a thread: the calls of the program run it. */
#define _POSIX_C_SOURCE 200809L
#include "contexts.h"
#include "raw.h"

#include <poll.h>
#include <string.h>
#include <sys/socket.h>

static void poll_tells_whether_something_was_done(void)
{
    midisock_context *context = context_without_thread();
    CHECK_RESULT(MIDISOCK_EMPTY, midisock_context_poll(context, 0));
    uint64_t began = check_now_ms();
    CHECK_RESULT(MIDISOCK_EMPTY, midisock_context_poll(context, 60));
    CHECK(check_now_ms() - began >= 59);
    midisock_config c = context_config(context);
    midisock_port *server = context_listen(&c);
    /* The port is taken in. */
    CHECK_OK(midisock_context_poll(context, 0));
    CHECK_RESULT(MIDISOCK_EMPTY, midisock_context_poll(context, 0));
    int fd = raw_connect(midisock_local_port(server));
    CHECK_OK(midisock_context_poll(context, -1));
    RAW_SEND(fd, 0x90, 1, 2);
    midisock_message m;
    while (midisock_pop(server, &m) == MIDISOCK_EMPTY)
        CHECK_OK(midisock_context_poll(context, -1));
    CHECK_MEMORY(((const uint8_t[]){0x90, 1, 2}), 3, m.data, m.size);
    midisock_close(server);
    raw_close(fd);
    context_destroy(context);
}

/* Nothing but the calls that wait runs the context. */
static void all_that_waits_runs_the_context(void)
{
    midisock_context *context = context_without_thread();
    midisock_config c = context_config(context);
    midisock_port *server = context_listen(&c);
    midisock_port *client = NULL;
    CHECK_OK(midisock_connect("localhost", midisock_local_port(server), &c, &client));
    CHECK_OK(midisock_wait_connected(client, DEADLINE_MS));
    CHECK_INT(MIDISOCK_STATE_CONNECTED, midisock_state(client));
    midisock_notification joined = NOTIFIED(server, MIDISOCK_NOTIFY_CLIENT_JOINED);
    NOTIFIED(client, MIDISOCK_NOTIFY_CONNECTED);
    for (int i = 0; i < 200; i++) {
        CHECK_OK(midisock_push(client, BYTES(0x90, 60, 100)));
        EXPECT(server, 0x90, 60, 100);
        CHECK_OK(midisock_push(server, BYTES(0x80, 60, 0)));
        EXPECT(client, 0x80, 60, 0);
    }
    CHECK_OK(midisock_push(client, BYTES(0x91, 1, 2)));
    CHECK_OK(midisock_flush(client, DEADLINE_MS));
    CHECK_INT(201, check_stats(client).messages_out);
    EXPECT(server, 0x91, 1, 2);
    CHECK_OK(midisock_flush(client, 0));
    midisock_port *both[2] = {server, client};
    size_t index = 9;
    CHECK_OK(midisock_push(server, BYTES(0x92, 1, 2)));
    CHECK_OK(midisock_wait_any(both, 2, MIDISOCK_WAIT_MESSAGE, DEADLINE_MS, &index));
    CHECK_INT(1, index);
    EXPECT(client, 0x92, 1, 2);
    uint64_t began = check_now_ms();
    CHECK_RESULT(MIDISOCK_ERR_TIMEOUT, midisock_wait_any(both, 2, MIDISOCK_WAIT_MESSAGE, 60, &index));
    CHECK(check_now_ms() - began >= 59);
    CHECK_RESULT(MIDISOCK_ERR_TIMEOUT, midisock_wait(client, MIDISOCK_WAIT_MESSAGE, 0));
    CHECK_OK(midisock_wait(client, MIDISOCK_WAIT_ROOM, 0));
    CHECK_RESULT(MIDISOCK_ERR_NO_SUCH_CLIENT, midisock_disconnect(server, joined.client + 1));
    CHECK_OK(midisock_disconnect(server, joined.client));
    NOTIFIED(client, MIDISOCK_NOTIFY_DISCONNECTED);
    NOTIFIED(server, MIDISOCK_NOTIFY_CLIENT_LEFT);
    /* It connects again, after a pause that only the waiting call can end. */
    CHECK_OK(midisock_wait_connected(client, DEADLINE_MS));
    CHECK_OK(midisock_shutdown(client));
    CHECK_RESULT(MIDISOCK_ERR_CLOSED, midisock_wait(client, MIDISOCK_WAIT_MESSAGE, DEADLINE_MS));
    CHECK_RESULT(MIDISOCK_ERR_CLOSED, midisock_flush(client, DEADLINE_MS));
    CHECK_SOON(check_more_threads() == 0);
    CHECK_RESULT(MIDISOCK_ERR_BUSY, midisock_context_destroy(context));
    midisock_close(client);
    CHECK_RESULT(MIDISOCK_ERR_BUSY, midisock_context_destroy(context));
    uint16_t number = midisock_local_port(server);
    midisock_close(server);
    /* Its address is free. */
    CHECK_OK(midisock_listen("127.0.0.1", number, &c, &server));
    midisock_close(server);
    CHECK_SOON(check_more_threads() == 0);
    context_destroy(context);
}

static void a_manual_server_gives_its_clients(void)
{
    midisock_context *context = context_without_thread();
    midisock_config c = context_config(context);
    c.accept_mode = MIDISOCK_ACCEPT_MANUAL;
    midisock_port *server = context_listen(&c);
    midisock_port *accepted = NULL;
    CHECK_RESULT(MIDISOCK_EMPTY, midisock_accept(server, 0, &accepted));
    CHECK_RESULT(MIDISOCK_ERR_TIMEOUT, midisock_accept(server, 20, &accepted));
    int fds[3];
    for (int i = 0; i < 3; i++) {
        fds[i] = raw_connect(midisock_local_port(server));
        RAW_SEND(fds[i], 0x90, 1, 2);
    }
    CHECK_OK(midisock_wait(server, MIDISOCK_WAIT_CLIENT, DEADLINE_MS));
    CHECK_OK(midisock_accept(server, DEADLINE_MS, &accepted));
    EXPECT(accepted, 0x90, 1, 2);
    CHECK_OK(midisock_push(accepted, BYTES(0x91, 3, 4)));
    CHECK_OK(midisock_flush(accepted, DEADLINE_MS));
    RAW_EXPECT(fds[0], 0x91, 3, 4);
    CHECK_ROLE(midisock_set_realtime_priority(accepted, 1));
    /* With clients that nobody has accepted. */
    CHECK_OK(midisock_wait(server, MIDISOCK_WAIT_CLIENT, DEADLINE_MS));
    midisock_close(server);
    CHECK_OK(midisock_push(accepted, BYTES(0x92, 3, 4)));
    CHECK_OK(midisock_flush(accepted, DEADLINE_MS));
    RAW_EXPECT(fds[0], 0x92, 3, 4);
    CHECK_RESULT(MIDISOCK_ERR_BUSY, midisock_context_destroy(context));
    midisock_close(accepted);
    CHECK_SOON(check_more_threads() == 0);
    context_destroy(context);
    for (int i = 0; i < 3; i++)
        raw_close(fds[i]);
}

/* A write meets the reset first: the end that reading finds after it is not one in good order. */
static void a_reset_that_a_push_meets_is_told(void)
{
    midisock_context *context = context_without_thread();
    midisock_config c = context_config(context);
    c.wake = MIDISOCK_WAKE_SIGNAL; /* the push is written before the context asks what has come */
    midisock_port *server = context_listen(&c);
    for (int with_push = 0; with_push < 2; with_push++) {
        int fd = raw_connect(midisock_local_port(server));
        RAW_SEND(fd, 0xf6);
        EXPECT(server, 0xf6);
        NOTIFIED(server, MIDISOCK_NOTIFY_CLIENT_JOINED);
        raw_reset(fd);
        if (with_push) {
            CHECK_OK(midisock_push(server, BYTES(0x90, 1, 2)));
            (void)midisock_context_poll(context, DEADLINE_MS);
        }
        CHECK(NOTIFIED(server, MIDISOCK_NOTIFY_CLIENT_LEFT).reason != MIDISOCK_OK);
    }
    midisock_close(server);
    context_destroy(context);
}

static void ports_that_others_run_cannot_be_waited_for_together(void)
{
    midisock_context *contexts[2] = {context_without_thread(), context_without_thread()};
    midisock_port *ports[4] = {NULL, NULL, NULL, NULL};
    midisock_config c = context_config(contexts[0]);
    ports[0] = context_listen(&c);
    ports[1] = context_listen(&c);
    c.context = contexts[1];
    ports[2] = context_listen(&c);
    ports[3] = check_listen(NULL);
    midisock_port *pair[2];
    CHECK_OK(midisock_pair(NULL, &pair[0], &pair[1]));
    midisock_port *mixed[3] = {ports[3], ports[0], ports[0]};
    size_t index = 77;
    CHECK_RESULT(MIDISOCK_ERR_TIMEOUT, midisock_wait_any(ports, 2, MIDISOCK_WAIT_MESSAGE, 0, &index));
    CHECK_INVALID(midisock_wait_any(ports, 3, MIDISOCK_WAIT_MESSAGE, 0, &index));
    CHECK_INVALID(midisock_wait_any(mixed, 2, MIDISOCK_WAIT_MESSAGE, 0, &index));
    mixed[0] = pair[0];
    CHECK_INVALID(midisock_wait_any(mixed, 2, MIDISOCK_WAIT_MESSAGE, 0, &index));
    CHECK_INT(77, index);
    midisock_close(pair[0]);
    midisock_close(pair[1]);
    for (int i = 0; i < 4; i++)
        midisock_close(ports[i]);
    context_destroy(contexts[0]);
    context_destroy(contexts[1]);
}

/* Messages both ways, in a loop that sleeps for the handle alone. */
static void exchange_in_a_loop(uint32_t wake, unsigned rounds)
{
    midisock_context *context = context_without_thread();
    midisock_config c = context_config(context);
    c.wake = wake;
    midisock_port *server = context_listen(&c);
    midisock_port *client = NULL;
    CHECK_OK(midisock_connect("127.0.0.1", midisock_local_port(server), &c, &client));
    TURN_UNTIL(context, midisock_state(client) == MIDISOCK_STATE_CONNECTED);
    intptr_t first = -1, second = -1;
#if defined(__linux__)
    CHECK_OK(midisock_context_handle(context, &first));
    CHECK_OK(midisock_context_handle(context, &second));
#else
    CHECK_RESULT(MIDISOCK_ERR_UNSUPPORTED, midisock_context_handle(context, &first));
#endif
    CHECK_INT(first, second);
    midisock_message m;
    for (unsigned i = 0; i < rounds; i++) {
        CHECK_OK(midisock_push(client, BYTES(0x90, (uint8_t)(i & 127), 1)));
        TURN_UNTIL(context, midisock_pop(server, &m) == MIDISOCK_OK);
        CHECK_INT(i & 127, m.data[1]);
        CHECK_OK(midisock_push(server, BYTES(0x80, (uint8_t)(i & 127), 1)));
        TURN_UNTIL(context, midisock_pop(client, &m) == MIDISOCK_OK);
        CHECK_INT(i & 127, m.data[1]);
    }
    CHECK_SOON(check_more_threads() == 0);
    midisock_close(client);
    midisock_close(server);
    context_destroy(context);
}

static void the_handle_tells_of_messages(void)
{
    exchange_in_a_loop(MIDISOCK_WAKE_SIGNAL, 500);
}

static void the_handle_tells_of_ticks(void)
{
    exchange_in_a_loop(MIDISOCK_WAKE_TICK, 200);
}

/* Nothing comes in these: only the deadline makes the handle readable. */
static void the_handle_tells_of_deadlines(void)
{
    uint16_t number = 0;
    int fillers[3];
    int silent = raw_silent(&number, fillers);
    midisock_context *context = context_without_thread();
    midisock_config c = context_config(context);
    c.wake = MIDISOCK_WAKE_SIGNAL;
    c.connect_timeout_ms = 150;
    c.reconnect_max_ms = 0;
    midisock_port *client = NULL;
    CHECK_OK(midisock_connect("127.0.0.1", number, &c, &client));
    uint64_t began = check_now_ms();
    TURN_UNTIL(context, midisock_state(client) == MIDISOCK_STATE_CLOSED);
    CHECK(check_now_ms() - began >= 149);
    midisock_notification failed = NOTIFIED(client, MIDISOCK_NOTIFY_CONNECT_FAILED);
    CHECK_RESULT(MIDISOCK_ERR_TIMEOUT, failed.reason);
    midisock_close(client);
    context_destroy(context);
    for (int i = 0; i < 3; i++)
        raw_close(fillers[i]);
    raw_close(silent);
}

/* A peer that reads nothing for stall_timeout_ms, and a client that comes back after each pause. */
static void the_handle_tells_of_stalls_and_pauses(void)
{
    uint16_t number = 0;
    int listener = raw_listen_small(&number);
    midisock_context *context = context_without_thread();
    midisock_config c = context_config(context);
    c.wake = MIDISOCK_WAKE_SIGNAL;
    c.overflow = MIDISOCK_OVERFLOW_WAIT;
    c.stall_timeout_ms = 200;
    c.reconnect_min_ms = 30;
    midisock_port *client = NULL;
    CHECK_OK(midisock_connect("127.0.0.1", number, &c, &client));
    for (int i = 0; i < 3; i++) {
        TURN_UNTIL(context, midisock_state(client) == MIDISOCK_STATE_CONNECTED);
        int fd = raw_accept(listener);
        if (i == 0) {
            uint8_t data[4096];
            uint32_t count = 0;
            uint64_t until = check_now_ms() + DEADLINE_MS;
            /* Until it reads nothing any more: the kernel's buffers are full. */
            while (midisock_state(client) == MIDISOCK_STATE_CONNECTED && check_now_ms() < until) {
                check_numbered(data, sizeof data, count);
                if (midisock_push(client, data, sizeof data) == MIDISOCK_OK)
                    count++;
                else
                    context_turn(context);
            }
        }
        raw_reset(fd);
        TURN_UNTIL(context, midisock_state(client) != MIDISOCK_STATE_CONNECTED);
    }
    CHECK_INT(3, check_stats(client).connections);
    midisock_close(client);
    context_destroy(context);
    raw_close(listener);
}

#if defined(__linux__)
/* A loop with several things to wait for: the handle comes in between. */
static void the_handle_fits_into_another_loop(void)
{
    midisock_context *context = context_without_thread();
    midisock_config c = context_config(context);
    midisock_port *server = context_listen(&c);
    int fd = raw_connect(midisock_local_port(server));
    RAW_SEND(fd, 0x90, 1, 2);
    intptr_t handle = -1;
    CHECK_OK(midisock_context_handle(context, &handle));
    unsigned echoed = 0, came = 0;
    midisock_message m;
    uint64_t until = check_now_ms() + DEADLINE_MS;
    while (came < 100 && check_now_ms() < until) {
        struct pollfd ready[2] = {{(int)handle, POLLIN, 0}, {fd, POLLIN, 0}};
        CHECK(poll(ready, 2, DEADLINE_MS) > 0);
        if (ready[0].revents)
            CHECK(midisock_context_poll(context, 0) >= 0);
        while (midisock_pop(server, &m) == MIDISOCK_OK) {
            CHECK_OK(midisock_push(server, m.data, m.size));
            echoed++;
        }
        if (ready[1].revents) {
            RAW_EXPECT(fd, 0x90, 1, 2);
            came++;
            RAW_SEND(fd, 0x90, 1, 2);
        }
    }
    CHECK_INT(100, came);
    CHECK(echoed >= 100);
    midisock_close(server);
    context_destroy(context);
    raw_close(fd);
}
#endif

typedef struct other_thread {
    midisock_context *context;
    midisock_port *client;
    midisock_port *server;
    midisock_port *closed_by_it;
    int done;
} other_thread;

#define CHECK_BUSY(call) CHECK_RESULT(MIDISOCK_ERR_BUSY, call)

static void *call_meanwhile(void *argument)
{
    other_thread *o = argument;
    /* Until the other thread waits. It goes on only when this one says so. */
    while (midisock_context_poll(o->context, 0) != MIDISOCK_ERR_BUSY)
        check_pause();
    intptr_t handle;
    midisock_port *out = NULL;
    midisock_notification n;
    char text[64];
    midisock_config c = context_config(o->context);
    CHECK_BUSY(midisock_context_handle(o->context, &handle));
    CHECK_BUSY(midisock_context_destroy(o->context));
    CHECK_BUSY(midisock_listen("127.0.0.1", 0, &c, &out));
    CHECK_BUSY(midisock_connect("127.0.0.1", 9, &c, &out));
    CHECK_BUSY(midisock_accept(o->server, 0, &out));
    CHECK_BUSY(midisock_wait(o->client, MIDISOCK_WAIT_MESSAGE, -1));
    CHECK_BUSY(midisock_wait_any(&o->client, 1, MIDISOCK_WAIT_MESSAGE, -1, NULL));
    CHECK_BUSY(midisock_wait_connected(o->client, -1));
    CHECK_BUSY(midisock_flush(o->client, -1));
    CHECK_BUSY(midisock_disconnect(o->server, 1));
    CHECK_BUSY(midisock_shutdown(o->client));
    CHECK_BUSY(midisock_set_realtime_priority(o->client, 1));
    CHECK_BUSY(midisock_poll_notification(o->client, &n));
    CHECK_BUSY(midisock_client_address(o->server, 1, text, sizeof text));
    CHECK_INT(MIDISOCK_STATE_CONNECTED, midisock_state(o->client));
    /* Close has no result: the thread that runs the context lets go of the port. */
    midisock_close(o->closed_by_it);
    /* Realtime functions are free. */
    midisock_message m;
    CHECK_RESULT(MIDISOCK_EMPTY, midisock_pop(o->client, &m));
    __atomic_store_n(&o->done, 1, __ATOMIC_SEQ_CST);
    /* What the other thread waits for. */
    CHECK_OK(midisock_push(o->server, BYTES(0xf8)));
    for (int i = 0; i < 100; i++)
        CHECK_OK(midisock_push(o->client, BYTES(0x90, (uint8_t)i, 1)));
    return NULL;
}

static void one_thread_at_a_time(void)
{
    static other_thread o;
    o.context = context_without_thread();
    midisock_config c = context_config(o.context);
    c.wake = MIDISOCK_WAKE_SIGNAL;
    o.server = context_listen(&c);
    o.client = context_connect(o.server, &c);
    o.closed_by_it = context_listen(&c);
    uint16_t number = midisock_local_port(o.closed_by_it);
    pthread_t thread;
    check_start(&thread, call_meanwhile, &o);
    midisock_message m;
    midisock_result waited;
    while ((waited = midisock_wait(o.client, MIDISOCK_WAIT_MESSAGE, -1)) == MIDISOCK_ERR_BUSY)
        check_pause();
    CHECK_OK(waited);
    CHECK_INT(1, __atomic_load_n(&o.done, __ATOMIC_SEQ_CST));
    for (int i = 0; i < 100;) {
        midisock_result result = midisock_context_poll(o.context, -1);
        CHECK(result == MIDISOCK_OK || result == MIDISOCK_ERR_BUSY);
        while (midisock_pop(o.server, &m) == MIDISOCK_OK)
            CHECK_INT(i++, m.data[1]);
    }
    check_join(thread);
    midisock_port *again = NULL;
    CHECK_OK(midisock_listen("127.0.0.1", number, &c, &again));
    midisock_close(again);
    midisock_close(o.client);
    midisock_close(o.server);
    context_destroy(o.context);
}

/* A peer that reads when it is told to, and then to the end. */
typedef struct late_reader {
    int fd;
    uint32_t messages;
    int ended;
} late_reader;
enum { PIECE = 4096 };

static void *read_all(void *argument)
{
    late_reader *r = argument;
    uint8_t data[PIECE];
    for (uint32_t i = 0; i < r->messages; i++) {
        raw_read(r->fd, data, sizeof data);
        CHECK_INT(i, check_number(data, sizeof data));
    }
    RAW_EXPECT_END(r->fd);
    /* First: closing is the last thing of which the handle tells. */
    __atomic_store_n(&r->ended, 1, __ATOMIC_SEQ_CST);
    raw_close(r->fd);
    return NULL;
}

static late_reader closed_with_unwritten(midisock_context *context, uint32_t linger_ms)
{
    uint16_t number = 0;
    int listener = raw_listen_small(&number);
    midisock_config c = context_config(context);
    c.linger_ms = linger_ms;
    c.overflow = MIDISOCK_OVERFLOW_WAIT;
    c.out_queue_bytes = 1 << 18;
    midisock_port *client = NULL;
    CHECK_OK(midisock_connect("127.0.0.1", number, &c, &client));
    CHECK_OK(midisock_wait_connected(client, DEADLINE_MS));
    late_reader r = {raw_accept(listener), 0, 0};
    r.messages = check_fill(client, PIECE, 0, 50);
    CHECK(r.messages > 10);
    uint64_t began = check_now_ms();
    midisock_close(client);
    /* It does not wait for the lingering. */
    CHECK(check_now_ms() - began < 2000);
    raw_close(listener);
    return r;
}

static void what_lingers_is_written_in_poll(void)
{
    midisock_context *context = context_without_thread();
    static late_reader r;
    r = closed_with_unwritten(context, DEADLINE_MS);
    pthread_t thread;
    check_start(&thread, read_all, &r);
    TURN_UNTIL(context, __atomic_load_n(&r.ended, __ATOMIC_SEQ_CST));
    check_join(thread);
    context_destroy(context);
}

static void what_lingers_is_written_in_destroy(void)
{
    midisock_context *context = context_without_thread();
    static late_reader r;
    r = closed_with_unwritten(context, DEADLINE_MS);
    pthread_t thread;
    check_start(&thread, read_all, &r);
    context_destroy(context);
    check_join(thread);
    CHECK_INT(1, __atomic_load_n(&r.ended, __ATOMIC_SEQ_CST));
}

static void destroy_waits_no_longer_than_the_longest_linger(void)
{
    midisock_context *context = context_without_thread();
    late_reader r = closed_with_unwritten(context, 300);
    uint64_t began = check_now_ms();
    context_destroy(context);
    CHECK(check_now_ms() - began < 300 + 4000);
    raw_close(r.fd);
}

/* While messages wait for room in the in queue, which is made without a word. */
static void room_in_the_in_queue_is_noticed(void)
{
    midisock_context *context = context_without_thread();
    midisock_config c = context_config(context);
    c.in_queue_bytes = 4096;
    c.max_message_bytes = 1024;
    c.overflow = MIDISOCK_OVERFLOW_WAIT;
    c.wake = MIDISOCK_WAKE_SIGNAL;
    midisock_port *server = context_listen(&c);
    int fd = raw_connect(midisock_local_port(server));
    enum { COUNT = 64 };
    uint8_t data[1000];
    for (uint32_t i = 0; i < COUNT; i++) {
        check_numbered(data, sizeof data, i);
        raw_send(fd, data, sizeof data);
    }
    midisock_message m;
    for (uint32_t i = 0; i < COUNT; i++) {
        TURN_UNTIL(context, midisock_pop(server, &m) == MIDISOCK_OK);
        CHECK_INT(i, check_number(m.data, m.size));
    }
    midisock_close(server);
    context_destroy(context);
    raw_close(fd);
}

#if defined(__linux__)
static int has_notified(midisock_port *port, int32_t kind)
{
    midisock_notification n;
    while (midisock_poll_notification(port, &n) == MIDISOCK_OK)
        if (n.kind == kind)
            return 1;
    return 0;
}

static int read_and_has_notified(int fd, midisock_port *port, int32_t kind)
{
    uint8_t data[PIECE];
    while (recv(fd, data, sizeof data, MSG_DONTWAIT) > 0)
        continue;
    return has_notified(port, kind);
}

/* A congested peer reads again, and there is nothing to put right: nothing is left to do, and the handle is silent. */
static void a_loop_is_left_alone_when_congestion_ends(void)
{
    midisock_context *context = context_without_thread();
    midisock_config c = context_config(context);
    c.overflow = MIDISOCK_OVERFLOW_REPAIR;
    c.wake = MIDISOCK_WAKE_SIGNAL;
    /* No check of the connection hides it. */
    c.keepalive_ms = 0;
    c.stall_timeout_ms = 0;
    midisock_port *server = context_listen(&c);
    int fd = raw_connect(midisock_local_port(server));
    RAW_SEND(fd, 0xf8);
    midisock_message m;
    TURN_UNTIL(context, midisock_pop(server, &m) == MIDISOCK_OK);
    uint8_t data[PIECE];
    check_numbered(data, sizeof data, 0);
    while (!has_notified(server, MIDISOCK_NOTIFY_CONGESTED)) {
        CHECK(midisock_push(server, data, sizeof data) >= MIDISOCK_OK);
        CHECK(midisock_context_poll(context, 0) >= MIDISOCK_OK);
    }
    TURN_UNTIL(context, read_and_has_notified(fd, server, MIDISOCK_NOTIFY_RECOVERED));
    intptr_t handle = -1;
    CHECK_OK(midisock_context_handle(context, &handle));
    struct pollfd ready = {(int)handle, POLLIN, 0};
    uint64_t until = check_now_ms() + DEADLINE_MS;
    while (poll(&ready, 1, 100) != 0) {
        CHECK(check_now_ms() < until);
        CHECK(midisock_context_poll(context, 0) >= MIDISOCK_OK);
    }
    midisock_close(server);
    context_destroy(context);
    raw_close(fd);
}

/* The handle tells of a push once, and the peer has it after one turn. */
static void a_loop_turns_once_for_a_push(void)
{
    midisock_context *context = context_without_thread();
    midisock_config c = context_config(context);
    c.wake = MIDISOCK_WAKE_SIGNAL;
    c.keepalive_ms = 0;
    c.stall_timeout_ms = 0;
    midisock_port *server = context_listen(&c);
    int fd = raw_connect(midisock_local_port(server));
    RAW_SEND(fd, 0xf8);
    midisock_message m;
    TURN_UNTIL(context, midisock_pop(server, &m) == MIDISOCK_OK);
    intptr_t handle = -1;
    CHECK_OK(midisock_context_handle(context, &handle));
    struct pollfd ready = {(int)handle, POLLIN, 0};
    while (poll(&ready, 1, 100) != 0)
        CHECK(midisock_context_poll(context, 0) >= MIDISOCK_OK);
    for (int i = 0; i < 100; i++) {
        CHECK_OK(midisock_push(server, BYTES(0x90, (uint8_t)i, 1)));
        CHECK_INT(1, poll(&ready, 1, DEADLINE_MS));
        CHECK_OK(midisock_context_poll(context, 0));
        CHECK_INT(0, poll(&ready, 1, 0));
        RAW_EXPECT(fd, 0x90, (uint8_t)i, 1);
    }
    midisock_close(server);
    context_destroy(context);
    raw_close(fd);
}

/* One poll has read all that came, and the next one would look for room in the in queue. */
static void a_handle_that_comes_between_two_polls(void)
{
    enum { MESSAGES = 600 };
    midisock_context *context = context_without_thread();
    midisock_config c = context_config(context);
    c.wake = MIDISOCK_WAKE_SIGNAL;
    c.in_queue_bytes = 1024;
    c.overflow = MIDISOCK_OVERFLOW_WAIT;
    /* No check of the connection makes the handle readable. */
    c.keepalive_ms = 0;
    c.stall_timeout_ms = 0;
    midisock_port *server = context_listen(&c);
    int fd = raw_connect(midisock_local_port(server));
    static uint8_t bytes[3 * MESSAGES];
    for (int i = 0; i < MESSAGES; i++) {
        bytes[3 * i] = 0xb0;
        bytes[3 * i + 1] = 7;
        bytes[3 * i + 2] = (uint8_t)(i & 127);
    }
    raw_send(fd, bytes, sizeof bytes);
    midisock_message m;
    while (midisock_pop(server, &m) != MIDISOCK_OK)
        CHECK_OK(midisock_context_poll(context, -1));
    intptr_t handle = -1;
    CHECK_OK(midisock_context_handle(context, &handle));
    struct pollfd ready = {(int)handle, POLLIN, 0};
    for (int i = 1; i < MESSAGES;) {
        if (midisock_pop(server, &m) == MIDISOCK_OK) {
            CHECK_INT(i++ & 127, m.data[2]);
            continue;
        }
        CHECK_INT(1, poll(&ready, 1, DEADLINE_MS));
        CHECK(midisock_context_poll(context, 0) >= MIDISOCK_OK);
    }
    midisock_close(server);
    context_destroy(context);
    raw_close(fd);
}

/* One poll without a wait, or one waiting call without one, does all that was asked for before it. Bytes are there at
 * once after a write to a loopback socket. */
static void a_call_leaves_nothing_undone(void)
{
    midisock_context *context = context_without_thread();
    midisock_config c = context_config(context);
    midisock_port *server = context_listen(&c);
    int fd = raw_connect(midisock_local_port(server));
    RAW_SEND(fd, 0xf8);
    midisock_message m;
    while (midisock_pop(server, &m) != MIDISOCK_OK)
        CHECK_OK(midisock_context_poll(context, -1));
    for (uint8_t i = 0; i < 100; i++) {
        CHECK_OK(midisock_push(server, BYTES(0x90, i, 1)));
        CHECK_OK(midisock_context_poll(context, 0));
        RAW_EXPECT(fd, 0x90, i, 1);
    }
    for (uint8_t i = 0; i < 100; i++) {
        /* The poll hands over what came, and leaves the rest of its turn. */
        RAW_SEND(fd, 0x90, i, 2);
        do
            CHECK_OK(midisock_context_poll(context, -1));
        while (midisock_pop(server, &m) != MIDISOCK_OK);
        CHECK_OK(midisock_push(server, BYTES(0x90, i, 3)));
        CHECK_OK(midisock_flush(server, 0));
        RAW_EXPECT(fd, 0x90, i, 3);
        CHECK_OK(midisock_push(server, BYTES(0x90, i, 4)));
        RAW_SEND(fd, 0x90, i, 5);
        CHECK_OK(midisock_wait(server, MIDISOCK_WAIT_MESSAGE, 0));
        CHECK_OK(midisock_pop(server, &m));
        CHECK_INT(5, m.data[2]);
        CHECK_OK(midisock_flush(server, 0));
        RAW_EXPECT(fd, 0x90, i, 4);
    }
    midisock_close(server);
    context_destroy(context);
    raw_close(fd);
}
#endif

static const check_case cases[] = {
    CASE(poll_tells_whether_something_was_done),
    CASE(all_that_waits_runs_the_context),
    CASE(a_manual_server_gives_its_clients),
    CASE(a_reset_that_a_push_meets_is_told),
    CASE(ports_that_others_run_cannot_be_waited_for_together),
    CASE(the_handle_tells_of_messages),
    CASE(the_handle_tells_of_ticks),
    CASE(the_handle_tells_of_deadlines),
    CASE(the_handle_tells_of_stalls_and_pauses),
    LINUX_CASE(the_handle_fits_into_another_loop)
    CASE(one_thread_at_a_time),
    CASE(what_lingers_is_written_in_poll),
    CASE(what_lingers_is_written_in_destroy),
    CASE(destroy_waits_no_longer_than_the_longest_linger),
    CASE(room_in_the_in_queue_is_noticed),
    LINUX_CASE(a_loop_is_left_alone_when_congestion_ends)
    LINUX_CASE(a_loop_turns_once_for_a_push)
    LINUX_CASE(a_handle_that_comes_between_two_polls)
    LINUX_CASE(a_call_leaves_nothing_undone)
};

int main(int argc, char **argv)
{
    return check_main(argc, argv, CASES(cases));
}
