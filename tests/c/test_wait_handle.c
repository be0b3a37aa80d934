/* midisock_wait_handle: a descriptor for event loops, which is readable while there is something to do. */
#define _POSIX_C_SOURCE 200809L
#include "check.h"
#include "raw.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#if !defined(_WIN32)
#include <sys/resource.h>
#endif

/* On Windows they are event objects, and sockets are counted. */
#if defined(_WIN32)
#define HANDLES_ARE_DESCRIPTORS 0
#else
#define HANDLES_ARE_DESCRIPTORS 1
#endif

enum { KINDS = 3 };
static const uint32_t KIND[KINDS] = {MIDISOCK_WAIT_MESSAGE, MIDISOCK_WAIT_NOTIFICATION, MIDISOCK_WAIT_CLIENT};

static midisock_port *listen_manual(void)
{
    midisock_config c = check_config();
    c.accept_mode = MIDISOCK_ACCEPT_MANUAL;
    return check_listen(&c);
}

static midisock_port *accept_one(midisock_port *server)
{
    midisock_port *port = NULL;
    CHECK_OK(midisock_accept(server, DEADLINE_MS, &port));
    return port;
}

static int handle_of(midisock_port *port, uint32_t what)
{
    intptr_t handle = -1;
    CHECK_OK(midisock_wait_handle(port, what, &handle));
    CHECK(handle >= 0 && handle <= INT32_MAX);
    return (int)handle;
}

static int readable_now(int handle)
{
    return raw_readable(handle, 0);
}

#define CHECK_READABLE(handle) CHECK(raw_readable(handle, DEADLINE_MS))
/* One of another thread that meets this one may have made it readable a moment ago, and takes that back. */
#define CHECK_NOT_READABLE(handle) CHECK_SOON(!readable_now(handle))

/* A server, its one client, and the server's handle for messages. */
typedef struct stage {
    midisock_port *server;
    int fd;
    int messages;
} stage;

static stage make_stage(const midisock_config *config)
{
    stage s;
    s.server = check_listen(config);
    s.messages = handle_of(s.server, MIDISOCK_WAIT_MESSAGE);
    CHECK(!readable_now(s.messages));
    s.fd = raw_connect(midisock_local_port(s.server));
    RAW_SEND(s.fd, 0xf6);
    CHECK_READABLE(s.messages);
    EXPECT(s.server, 0xf6);
    midisock_message m;
    CHECK_RESULT(MIDISOCK_EMPTY, midisock_pop(s.server, &m));
    CHECK_NOT_READABLE(s.messages);
    return s;
}

static void end_stage(stage s)
{
    raw_close(s.fd);
    midisock_close(s.server);
}

static void refusals(void)
{
    midisock_port *server = check_listen(NULL);
    midisock_port *client = check_connect(server, NULL);
    midisock_port *manual = listen_manual();
    midisock_port *visitor = check_connect(manual, NULL);
    midisock_port *accepted = accept_one(manual), *a = NULL, *b = NULL;
    CHECK_OK(midisock_pair(NULL, &a, &b));
    unsigned before = check_descriptors();
    intptr_t out[2] = {77, 77};
    intptr_t *crooked = (intptr_t *)(void *)((char *)out + 1);
    static const uint32_t OTHERS[] = {
        0, MIDISOCK_WAIT_ROOM, 16, UINT32_MAX, 1u << 31, MIDISOCK_WAIT_MESSAGE | MIDISOCK_WAIT_NOTIFICATION,
        MIDISOCK_WAIT_MESSAGE | MIDISOCK_WAIT_ROOM, MIDISOCK_WAIT_CLIENT | MIDISOCK_WAIT_NOTIFICATION,
    };
    midisock_port *const ports[] = {server, client, manual, accepted, a, b};
    for (size_t i = 0; i < sizeof ports / sizeof ports[0]; i++) {
        for (size_t o = 0; o < sizeof OTHERS / sizeof OTHERS[0]; o++)
            CHECK_INVALID(midisock_wait_handle(ports[i], OTHERS[o], out));
        for (int k = 0; k < KINDS; k++) {
            CHECK_INVALID(midisock_wait_handle(ports[i], KIND[k], NULL));
            CHECK_INVALID(midisock_wait_handle(ports[i], KIND[k], crooked));
        }
    }
    for (int k = 0; k < KINDS; k++) {
        CHECK_INVALID(midisock_wait_handle(NULL, KIND[k], out));
        CHECK_INVALID(midisock_wait_handle((midisock_port *)(void *)((char *)server + 1), KIND[k], out));
        CHECK_RESULT(MIDISOCK_ERR_UNSUPPORTED, midisock_wait_handle(a, KIND[k], out));
        CHECK_RESULT(MIDISOCK_ERR_UNSUPPORTED, midisock_wait_handle(b, KIND[k], out));
    }
    CHECK_ROLE(midisock_wait_handle(server, MIDISOCK_WAIT_CLIENT, out));
    CHECK_ROLE(midisock_wait_handle(client, MIDISOCK_WAIT_CLIENT, out));
    CHECK_ROLE(midisock_wait_handle(accepted, MIDISOCK_WAIT_CLIENT, out));
    CHECK_ROLE(midisock_wait_handle(manual, MIDISOCK_WAIT_MESSAGE, out));
    CHECK_INT(77, out[0]);
    CHECK_INT(77, out[1]);
    CHECK_INT(before, check_descriptors());
    midisock_close(a);
    midisock_close(b);
    midisock_close(accepted);
    midisock_close(visitor);
    midisock_close(manual);
    midisock_close(client);
    midisock_close(server);
}

static void asked_again_it_is_the_same(void)
{
    midisock_port *server = check_listen(NULL);
    midisock_port *manual = listen_manual();
    unsigned before = check_descriptors();
    int messages = handle_of(server, MIDISOCK_WAIT_MESSAGE);
    int notifications = handle_of(server, MIDISOCK_WAIT_NOTIFICATION);
    int clients = handle_of(manual, MIDISOCK_WAIT_CLIENT);
    CHECK_INT(before + 3 * HANDLES_ARE_DESCRIPTORS, check_descriptors());
    CHECK(messages != notifications && messages != clients && notifications != clients);
    for (int i = 0; i < 3; i++) {
        CHECK_INT(messages, handle_of(server, MIDISOCK_WAIT_MESSAGE));
        CHECK_INT(notifications, handle_of(server, MIDISOCK_WAIT_NOTIFICATION));
        CHECK_INT(clients, handle_of(manual, MIDISOCK_WAIT_CLIENT));
    }
    CHECK_INT(before + 3 * HANDLES_ARE_DESCRIPTORS, check_descriptors());
    const int handles[] = {messages, notifications, clients};
    for (int i = 0; i < 3; i++) {
        CHECK(fcntl(handles[i], F_GETFD) & FD_CLOEXEC);
#if !defined(_WIN32)
        CHECK(fcntl(handles[i], F_GETFL) & O_NONBLOCK);
#endif
        CHECK(!readable_now(handles[i]));
    }
    midisock_close(manual);
    midisock_close(server);
}

#if !defined(_WIN32)
static void without_descriptors(void)
{
    midisock_port *server = check_listen(NULL);
    struct rlimit before, none;
    CHECK(getrlimit(RLIMIT_NOFILE, &before) == 0);
    none = before;
    none.rlim_cur = 0;
    CHECK(setrlimit(RLIMIT_NOFILE, &none) == 0);
    intptr_t out = 77;
    midisock_result result = midisock_wait_handle(server, MIDISOCK_WAIT_MESSAGE, &out);
    CHECK(setrlimit(RLIMIT_NOFILE, &before) == 0);
    CHECK_RESULT(MIDISOCK_ERR_NO_RESOURCES, result);
    CHECK_INT(77, out);
    /* It is not for good. */
    handle_of(server, MIDISOCK_WAIT_MESSAGE);
    midisock_close(server);
}
#endif

static void readable_while_messages_wait(void)
{
    stage s = make_stage(NULL);
    midisock_message m;
    for (int round = 0; round < 100; round++) {
        RAW_SEND(s.fd, 0x90, 60, 1, 0x90, 61, 1, 0x90, 62, 1);
        CHECK_COUNT(s.server, messages_in, 1 + 3 * (round + 1));
        CHECK_READABLE(s.messages);
        for (uint8_t key = 60; key < 63; key++) {
            CHECK(readable_now(s.messages));
            EXPECT(s.server, 0x90, key, 1);
        }
        /* Until a pop has found that there are no more. */
        CHECK_RESULT(MIDISOCK_EMPTY, midisock_pop(s.server, &m));
        CHECK_NOT_READABLE(s.messages);
        CHECK_RESULT(MIDISOCK_EMPTY, midisock_pop(s.server, &m));
        CHECK(!readable_now(s.messages));
    }
    end_stage(s);
}

static void asked_for_while_something_waits(void)
{
    midisock_port *server = check_listen(NULL), *manual = listen_manual();
    int fd = raw_connect(midisock_local_port(server));
    int visitor = raw_connect(midisock_local_port(manual));
    RAW_SEND(fd, 0xf6);
    CHECK_OK(midisock_wait(server, MIDISOCK_WAIT_MESSAGE, DEADLINE_MS));
    CHECK_OK(midisock_wait(server, MIDISOCK_WAIT_NOTIFICATION, DEADLINE_MS));
    CHECK_OK(midisock_wait(manual, MIDISOCK_WAIT_CLIENT, DEADLINE_MS));
    CHECK(readable_now(handle_of(server, MIDISOCK_WAIT_MESSAGE)));
    CHECK(readable_now(handle_of(server, MIDISOCK_WAIT_NOTIFICATION)));
    CHECK(readable_now(handle_of(manual, MIDISOCK_WAIT_CLIENT)));
    raw_close(fd);
    raw_close(visitor);
    midisock_close(manual);
    midisock_close(server);
}

static void skipping(void)
{
    stage s = make_stage(NULL);
    midisock_message m;
    RAW_SEND(s.fd, 0x90, 60, 1, 0xb0, 7, 99);
    CHECK_COUNT(s.server, messages_in, 3);
    CHECK_READABLE(s.messages);
    CHECK_OK(midisock_skip(s.server));
    /* The difference is still to be taken. */
    CHECK(readable_now(s.messages));
    CHECK_INT(MIDISOCK_FLAG_SYNTHETIC, EXPECT(s.server, 0xb0, 7, 99).flags);
    CHECK_SOON(midisock_pop(s.server, &m) == MIDISOCK_EMPTY && !readable_now(s.messages));

    /* A skip that finds nothing sees that as well as a pop. */
    RAW_SEND(s.fd, 0xf6);
    CHECK_READABLE(s.messages);
    EXPECT(s.server, 0xf6);
    CHECK(readable_now(s.messages));
    CHECK_OK(midisock_skip(s.server));
    CHECK_NOT_READABLE(s.messages);
    end_stage(s);
}

static void begin(midisock_port *port, uint64_t start_ns)
{
    midisock_block block;
    memset(&block, 0, sizeof block);
    block.struct_size = sizeof block;
    block.sample_rate = 48000;
    block.frames = 48;
    block.start_ns = start_ns;
    CHECK_OK(midisock_begin_block(port, &block));
}

static void readable_while_messages_wait_for_their_block(void)
{
    midisock_config c = check_config();
    c.latency_ns = 3600000000000u; /* far behind the test's end */
    stage s = make_stage(&c);
    midisock_message m;
    RAW_SEND(s.fd, 0xfa);
    CHECK_READABLE(s.messages);
    uint64_t now = midisock_now_ns();
    for (int i = 0; i < 10; i++) {
        begin(s.server, now + (uint64_t)i * 1000000);
        CHECK_RESULT(MIDISOCK_EMPTY, midisock_pop_block(s.server, &m));
        CHECK(readable_now(s.messages));
    }
    EXPECT(s.server, 0xfa);
    /* A block that finds the queue empty. */
    CHECK_RESULT(MIDISOCK_EMPTY, midisock_pop_block(s.server, &m));
    CHECK_NOT_READABLE(s.messages);
    end_stage(s);
}

static void notifications_and_clients(void)
{
    midisock_port *manual = listen_manual();
    int notifications = handle_of(manual, MIDISOCK_WAIT_NOTIFICATION);
    int clients = handle_of(manual, MIDISOCK_WAIT_CLIENT);
    midisock_port *ports[3], *none = NULL;
    int fds[3];
    for (int round = 0; round < 20; round++) {
        for (int i = 0; i < 3; i++) {
            fds[i] = raw_connect(midisock_local_port(manual));
            RAW_SEND(fds[i], 0xf6);
            /* One after the other, so that they are accepted in this order. */
            CHECK_COUNT(manual, connections, 3 * round + i + 1);
        }
        CHECK_READABLE(notifications);
        CHECK_READABLE(clients);
        for (int i = 0; i < 3; i++) {
            CHECK_SOON(readable_now(clients));
            ports[i] = accept_one(manual);
            CHECK(readable_now(notifications));
            NOTIFIED(manual, MIDISOCK_NOTIFY_CLIENT_JOINED);
        }
        /* With the last of them; nothing has to be found empty. */
        CHECK_NOT_READABLE(clients);
        CHECK_NOT_READABLE(notifications);
        CHECK_RESULT(MIDISOCK_EMPTY, midisock_accept(manual, 0, &none));
        CHECK(!readable_now(clients));
        for (int i = 0; i < 3; i++) {
            int own = handle_of(ports[i], MIDISOCK_WAIT_NOTIFICATION);
            CHECK(!readable_now(own));
            EXPECT(ports[i], 0xf6);
            raw_close(fds[i]);
            CHECK_READABLE(own);
            CHECK_READABLE(notifications);
            NOTIFIED(manual, MIDISOCK_NOTIFY_CLIENT_LEFT);
            midisock_close(ports[i]);
        }
        CHECK_NOT_READABLE(notifications);
    }
    midisock_close(manual);
}

static void readable_for_good_after_shutdown(void)
{
    midisock_port *server = check_listen(NULL), *manual = listen_manual();
    const int handles[] = {
        handle_of(server, MIDISOCK_WAIT_MESSAGE), handle_of(server, MIDISOCK_WAIT_NOTIFICATION),
        handle_of(manual, MIDISOCK_WAIT_CLIENT), handle_of(manual, MIDISOCK_WAIT_NOTIFICATION),
    };
    for (int i = 0; i < 4; i++)
        CHECK(!readable_now(handles[i]));
    CHECK_OK(midisock_shutdown(server));
    CHECK_OK(midisock_shutdown(manual));
    for (int turn = 0; turn < 100; turn++) {
        midisock_message m;
        midisock_notification n;
        midisock_port *out = NULL;
        for (int i = 0; i < 4; i++)
            CHECK(readable_now(handles[i]));
        CHECK_RESULT(MIDISOCK_ERR_CLOSED, midisock_pop(server, &m));
        CHECK_RESULT(MIDISOCK_ERR_CLOSED, midisock_skip(server));
        CHECK_RESULT(MIDISOCK_EMPTY, midisock_poll_notification(server, &n));
        CHECK_RESULT(MIDISOCK_EMPTY, midisock_poll_notification(manual, &n));
        CHECK_RESULT(MIDISOCK_ERR_CLOSED, midisock_accept(manual, 0, &out));
    }
    midisock_close(manual);
    midisock_close(server);

    /* And on one that was closed before it was asked. */
    server = check_listen(NULL);
    CHECK_OK(midisock_shutdown(server));
    CHECK(readable_now(handle_of(server, MIDISOCK_WAIT_MESSAGE)));
    CHECK(readable_now(handle_of(server, MIDISOCK_WAIT_NOTIFICATION)));
    midisock_close(server);
}

static void readable_for_good_when_the_peer_has_gone(void)
{
    midisock_config c = check_config();
    c.reconnect_max_ms = 0;
    uint16_t number = 0;
    int listener = raw_listen(&number);
    midisock_port *client = NULL;
    CHECK_OK(midisock_connect("127.0.0.1", number, &c, &client));
    int messages = handle_of(client, MIDISOCK_WAIT_MESSAGE);
    int notifications = handle_of(client, MIDISOCK_WAIT_NOTIFICATION);
    int fd = raw_accept(listener);
    CHECK_READABLE(notifications);
    NOTIFIED(client, MIDISOCK_NOTIFY_CONNECTED);
    CHECK_NOT_READABLE(notifications);
    CHECK(!readable_now(messages));
    RAW_SEND(fd, 0xf6);
    raw_close(fd);
    CHECK_SOON(midisock_state(client) == MIDISOCK_STATE_CLOSED);
    CHECK_READABLE(messages);
    CHECK_READABLE(notifications);
    EXPECT(client, 0xf6);
    midisock_message m;
    CHECK_SOON(midisock_pop(client, &m) == MIDISOCK_ERR_CLOSED);
    NOTIFIED(client, MIDISOCK_NOTIFY_DISCONNECTED);
    CHECK(readable_now(messages) && readable_now(notifications));
    midisock_close(client);
    raw_close(listener);
}

static void closed_with_the_port(void)
{
    stage s = make_stage(NULL);
    midisock_port *other = check_listen(NULL); /* the network thread goes on */
    int notifications = handle_of(s.server, MIDISOCK_WAIT_NOTIFICATION);
    RAW_SEND(s.fd, 0xf6);
    CHECK_READABLE(s.messages);
    int messages = s.messages;
    end_stage(s);
    CHECK_SOON(fcntl(messages, F_GETFD) < 0 && errno == EBADF);
    CHECK_SOON(fcntl(notifications, F_GETFD) < 0 && errno == EBADF);
    midisock_close(other);
}

/* Without a pause, so that the next message comes at any moment. */
#define CHECK_SOON_YIELDING(condition)                  \
    do {                                                \
        uint64_t until_ = check_now_ms() + DEADLINE_MS; \
        while (!(condition)) {                          \
            CHECK(check_now_ms() < until_);             \
            sched_yield();                              \
        }                                               \
    } while (0)

typedef struct flood {
    midisock_port *port;
    uint32_t count;
    uint32_t random;
    uint32_t got; /* of these: the other side counts them */
} flood;

/* Numbered messages, now many at a time, now a few with pauses, in which the other side finds the queue empty. */
static void *flood_in_bursts(void *flood_)
{
    flood *f = flood_;
    uint8_t data[8];
    uint32_t at = 0;
    while (at < f->count) {
        uint32_t r = check_random(&f->random);
        uint32_t burst = r % 16 == 0 ? r >> 8 & 1023 : r >> 8 & 7;
        for (; burst > 0 && at < f->count; burst--) {
            check_numbered(data, sizeof data, at++);
            check_push(f->port, data, sizeof data);
        }
        /* Until the other side has them all, and may be about to wait. */
        if (r & 64)
            CHECK_SOON_YIELDING(__atomic_load_n(&f->got, __ATOMIC_RELAXED) == at);
    }
    return NULL;
}

/* The consumer only reacts to its handle: one wake-up that is lost, and it waits in vain. */
static void flooded(uint32_t count, uint32_t wake)
{
    midisock_config c = check_config();
    c.wake = wake;
    c.overflow = MIDISOCK_OVERFLOW_WAIT;
    midisock_port *server = check_listen(&c);
    midisock_port *client = check_connect(server, &c);
    flood f = {client, count, 5, 0};
    struct pollfd loop = {handle_of(server, MIDISOCK_WAIT_MESSAGE), POLLIN, 0};
    pthread_t thread;
    check_start(&thread, flood_in_bursts, &f);
    unsigned long turns = 0, nothing = 0;
    for (uint32_t got = 0; got < count;) {
        CHECK_INT(1, poll(&loop, 1, DEADLINE_MS));
        uint32_t before = got;
        midisock_message m;
        while (midisock_pop(server, &m) == MIDISOCK_OK)
            CHECK_INT(got++, check_number(m.data, m.size));
        __atomic_store_n(&f.got, got, __ATOMIC_RELAXED);
        turns++;
        nothing += got == before;
    }
    printf("# %lu turns, %lu found nothing\n", turns, nothing);
    CHECK(turns > count / 1000);
    CHECK(nothing <= turns / 4);
    check_join(thread);
    CHECK_NOT_READABLE(loop.fd);
    midisock_close(client);
    midisock_close(server);
}

static void a_flood_loses_no_wake_up(void)
{
    flooded(check_sanitized() ? 100000 : 300000, MIDISOCK_WAKE_SIGNAL);
}

static void a_flood_with_ticks_loses_no_wake_up(void)
{
    flooded(100000, MIDISOCK_WAKE_TICK);
}

/* A program as it is meant: one loop over all handles, which does what is there and nothing else. */
static void a_loop_over_everything(void)
{
    enum { CLIENTS = 30, MESSAGES = 50 };
    midisock_port *manual = listen_manual();
    midisock_port *ports[CLIENTS];
    int fds[CLIENTS];
    struct pollfd loop[2 + CLIENTS];
    loop[0].fd = handle_of(manual, MIDISOCK_WAIT_NOTIFICATION);
    loop[1].fd = handle_of(manual, MIDISOCK_WAIT_CLIENT);
    unsigned accepted = 0, joined = 0, left = 0, got = 0, gone = 0;
    unsigned sent = 0;
    while (left < CLIENTS || gone < CLIENTS) {
        if (sent < CLIENTS) {
            fds[sent] = raw_connect(midisock_local_port(manual));
            for (int i = 0; i < MESSAGES; i++)
                RAW_SEND(fds[sent], 0xf6);
            raw_half_close(fds[sent++]);
        }
        for (unsigned i = 0; i < 2 + accepted; i++)
            loop[i].events = POLLIN;
        CHECK(poll(loop, 2 + accepted, DEADLINE_MS) > 0);
        unsigned known = accepted;
        if (loop[0].revents) {
            midisock_notification n;
            CHECK_OK(midisock_poll_notification(manual, &n));
            joined += n.kind == MIDISOCK_NOTIFY_CLIENT_JOINED;
            left += n.kind == MIDISOCK_NOTIFY_CLIENT_LEFT;
        }
        if (loop[1].revents && midisock_accept(manual, 0, &ports[accepted]) == MIDISOCK_OK) {
            loop[2 + accepted].fd = handle_of(ports[accepted], MIDISOCK_WAIT_MESSAGE);
            accepted++;
        }
        for (unsigned i = 0; i < known; i++) {
            midisock_message m;
            midisock_result result;
            if ((int)loop[2 + i].fd < 0 || !loop[2 + i].revents)
                continue;
            while ((result = midisock_pop(ports[i], &m)) == MIDISOCK_OK)
                got++;
            if (result == MIDISOCK_ERR_CLOSED) {
                loop[2 + i].fd = -1; /* poll leaves it alone */
                gone++;
            }
        }
    }
    CHECK_INT(CLIENTS, accepted);
    CHECK_INT(CLIENTS, joined);
    CHECK_INT(CLIENTS * MESSAGES, got);
    for (int i = 0; i < CLIENTS; i++) {
        raw_close(fds[i]);
        midisock_close(ports[i]);
    }
    midisock_close(manual);
}

static void *ask_for_it(void *port)
{
    intptr_t handle = -1;
    CHECK_OK(midisock_wait_handle(port, MIDISOCK_WAIT_MESSAGE, &handle));
    return (void *)handle;
}

static void several_threads_ask_at_once(void)
{
    enum { THREADS = 4 };
    for (int round = 0; round < 50; round++) {
        midisock_port *server = check_listen(NULL);
        unsigned before = check_descriptors();
        pthread_t threads[THREADS];
        void *handles[THREADS];
        for (int i = 0; i < THREADS; i++)
            check_start(&threads[i], ask_for_it, server);
        for (int i = 0; i < THREADS; i++)
            CHECK_INT(0, pthread_join(threads[i], &handles[i]));
        for (int i = 1; i < THREADS; i++)
            CHECK(handles[i] == handles[0]);
        CHECK_INT(before + HANDLES_ARE_DESCRIPTORS, check_descriptors());
        midisock_close(server);
    }
}

static void *take_notifications(void *port)
{
    midisock_notification n;
    while (midisock_state(port) != MIDISOCK_STATE_CLOSED)
        midisock_poll_notification(port, &n);
    return NULL;
}

/* However many threads take them, at rest the handle is right. */
static void several_threads_take_notifications(void)
{
    midisock_port *server = check_listen(NULL);
    int notifications = handle_of(server, MIDISOCK_WAIT_NOTIFICATION);
    pthread_t threads[3];
    for (int i = 0; i < 3; i++)
        check_start(&threads[i], take_notifications, server);
    for (int i = 0; i < 200; i++) {
        int fd = raw_connect(midisock_local_port(server));
        RAW_SEND(fd, 0xf6);
        raw_close(fd);
    }
    CHECK_COUNT(server, disconnections, 200);
    CHECK_NOT_READABLE(notifications);
    CHECK_OK(midisock_shutdown(server));
    /* A thread that found none before the shutdown may still take the handle back, and correct itself. */
    CHECK_READABLE(notifications);
    for (int i = 0; i < 3; i++)
        check_join(threads[i]);
    CHECK(readable_now(notifications));
    midisock_close(server);
}

static void a_thousand_ports_leave_nothing_open(void)
{
    enum { N = 1000 };
    static midisock_port *servers[N], *clients[N];
#if !defined(_WIN32)
    struct rlimit limit;
    CHECK_INT(0, getrlimit(RLIMIT_NOFILE, &limit));
    if (limit.rlim_max < 8 * N)
        check_skip("too few descriptors are allowed");
    limit.rlim_cur = limit.rlim_max;
    CHECK_INT(0, setrlimit(RLIMIT_NOFILE, &limit));
#endif
    midisock_config c = check_config();
    c.max_clients = 1;
    c.in_queue_bytes = c.out_queue_bytes = 4096;
    unsigned before = check_descriptors();
    for (int i = 0; i < N; i++) {
        CHECK_OK(midisock_listen("127.0.0.1", 0, &c, &servers[i]));
        CHECK_OK(midisock_connect("127.0.0.1", midisock_local_port(servers[i]), &c, &clients[i]));
        CHECK_OK(midisock_wait_connected(clients[i], DEADLINE_MS));
    }
    for (int i = 0; i < N; i++)
        CHECK_SOON(midisock_client_count(servers[i]) == 1);
    /* None has one that did not ask. */
    unsigned ports = check_descriptors();
    CHECK(ports <= before + 3 * N + 10);
    for (int i = 0; i < N; i++) {
        handle_of(servers[i], MIDISOCK_WAIT_MESSAGE);
        handle_of(clients[i], MIDISOCK_WAIT_MESSAGE);
        handle_of(clients[i], MIDISOCK_WAIT_NOTIFICATION);
    }
    CHECK_INT(ports + 3 * N * HANDLES_ARE_DESCRIPTORS, check_descriptors());
    for (int i = 0; i < N; i++)
        CHECK_OK(midisock_push(clients[i], BYTES(0xf6)));
    for (int i = 0; i < N; i++)
        CHECK_READABLE(handle_of(servers[i], MIDISOCK_WAIT_MESSAGE));
    for (int i = 0; i < N; i++) {
        midisock_close(clients[i]);
        midisock_close(servers[i]);
    }
    CHECK_SOON(check_descriptors() == before);
}

int main(int argc, char **argv)
{
    static const check_case TABLE[] = {
        CASE(refusals),
        CASE(asked_again_it_is_the_same),
        UNIX_CASE(without_descriptors)
        CASE(readable_while_messages_wait),
        CASE(asked_for_while_something_waits),
        CASE(skipping),
        CASE(readable_while_messages_wait_for_their_block),
        CASE(notifications_and_clients),
        CASE(readable_for_good_after_shutdown),
        CASE(readable_for_good_when_the_peer_has_gone),
        CASE(closed_with_the_port),
        CASE(a_flood_loses_no_wake_up),
        CASE(a_flood_with_ticks_loses_no_wake_up),
        CASE(a_loop_over_everything),
        CASE(several_threads_ask_at_once),
        CASE(several_threads_take_notifications),
        CASE(a_thousand_ports_leave_nothing_open),
    };
    return check_main(argc, argv, CASES(TABLE));
}
