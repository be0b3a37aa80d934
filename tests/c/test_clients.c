/* midisock_clients: the ids of a merged server's clients. */
#include "check.h"
#include "raw.h"

#include <string.h>

#define GUARD 0xa5a5a5a5u

/* The ids at present; the rest of `ids` stays as it was. */
static size_t list(midisock_port *server, uint32_t *ids, size_t capacity)
{
    size_t count = (size_t)-1;
    CHECK_OK(midisock_clients(server, ids, capacity, &count));
    return count;
}

static void refusals(void)
{
    midisock_port *server = check_listen(NULL);
    midisock_port *client = check_connect(server, NULL);
    midisock_config c = check_config();
    c.accept_mode = MIDISOCK_ACCEPT_MANUAL;
    midisock_port *manual = check_listen(&c);
    midisock_port *visitor = check_connect(manual, NULL);
    midisock_port *accepted = NULL, *a = NULL, *b = NULL;
    CHECK_OK(midisock_accept(manual, DEADLINE_MS, &accepted));
    CHECK_OK(midisock_pair(NULL, &a, &b));

    uint32_t ids[4] = {GUARD, GUARD, GUARD, GUARD};
    size_t count[2] = {77, 77};
    CHECK_INVALID(midisock_clients(NULL, ids, 4, count));
    CHECK_INVALID(midisock_clients(NULL, NULL, 0, NULL));
    CHECK_INVALID(midisock_clients(server, ids, 4, NULL));
    CHECK_INVALID(midisock_clients(server, (uint32_t *)(void *)((char *)ids + 1), 1, count));
    CHECK_INVALID(midisock_clients(server, ids, 4, (size_t *)(void *)((char *)count + 1)));
    CHECK_INVALID(midisock_clients((midisock_port *)(void *)((char *)server + 1), ids, 4, count));
    midisock_port *const others[] = {client, manual, accepted, a};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        CHECK_ROLE(midisock_clients(others[i], ids, 4, count));
        CHECK_ROLE(midisock_clients(others[i], NULL, 0, count));
    }
    for (int i = 0; i < 4; i++)
        CHECK_INT(GUARD, ids[i]);
    CHECK_INT(77, count[0]);

    midisock_close(a);
    midisock_close(b);
    midisock_close(accepted);
    midisock_close(visitor);
    midisock_close(manual);
    midisock_close(client);
    midisock_close(server);
}

static void there_are_none(void)
{
    midisock_port *server = check_listen(NULL);
    uint32_t ids[1] = {GUARD};
    CHECK_INT(0, list(server, ids, 1));
    CHECK_INT(0, list(server, NULL, 0));
    CHECK_INT(GUARD, ids[0]);
    midisock_close(server);
}

/* Connects, and returns the id of the client. */
static uint32_t join(midisock_port *server, int *fd)
{
    *fd = raw_connect(midisock_local_port(server));
    RAW_SEND(*fd, 0xf6);
    EXPECT(server, 0xf6);
    return NOTIFIED(server, MIDISOCK_NOTIFY_CLIENT_JOINED).client;
}

static void in_the_order_in_which_they_came(void)
{
    enum { N = 20 };
    midisock_port *server = check_listen(NULL);
    int fds[N];
    uint32_t want[N], ids[N + 4];
    for (int i = 0; i < N; i++)
        want[i] = join(server, &fds[i]);

    memset(ids, 0xa5, sizeof ids);
    CHECK_INT(N, list(server, ids, N + 4));
    CHECK_MEMORY(want, sizeof want, ids, sizeof want);
    CHECK_INT(GUARD, ids[N]);

    /* Fewer than there are. */
    memset(ids, 0xa5, sizeof ids);
    CHECK_INT(N, list(server, ids, 3));
    CHECK_MEMORY(want, 3 * sizeof want[0], ids, 3 * sizeof want[0]);
    CHECK_INT(GUARD, ids[3]);
    CHECK_INT(N, list(server, ids + 4, 0));
    CHECK_INT(GUARD, ids[4]);
    /* Only the number is wanted, whatever the capacity. */
    CHECK_INT(N, list(server, NULL, 0));
    CHECK_INT(N, list(server, NULL, 5));
    CHECK_INT(N, list(server, NULL, SIZE_MAX));
    /* A capacity that nothing could have. */
    CHECK_INT(N, list(server, ids, SIZE_MAX));
    CHECK_MEMORY(want, sizeof want, ids, sizeof want);

    /* Those in between leave. The next to come is the last, whatever place it takes. */
    for (int i = 1; i < N; i += 2) {
        CHECK_OK(midisock_disconnect(server, want[i]));
        raw_close(fds[i]);
        want[i] = 0;
    }
    CHECK_INT(N / 2, list(server, ids, N));
    for (int i = 0; i < N / 2; i++)
        CHECK_INT(want[2 * i], ids[i]);
    for (int i = 0; i < N / 2; i++)
        NOTIFIED(server, MIDISOCK_NOTIFY_CLIENT_LEFT);
    uint32_t last = join(server, &fds[1]);
    CHECK_INT(N / 2 + 1, list(server, ids, N));
    CHECK_INT(last, ids[N / 2]);
    /* Each is a client for every other function. */
    char text[64];
    for (int i = 0; i <= N / 2; i++)
        CHECK_OK(midisock_client_address(server, ids[i], text, sizeof text));

    for (int i = 0; i < N; i += 2)
        raw_close(fds[i]);
    raw_close(fds[1]);
    CHECK_SOON(list(server, ids, N) == 0);
    midisock_close(server);
}

static void it_agrees_with_the_count(void)
{
    midisock_port *server = check_listen(NULL);
    /* One that has said nothing and may be a browser counts in both. */
    int fd = raw_connect(midisock_local_port(server));
    CHECK_SOON(midisock_client_count(server) == 1);
    uint32_t id = 0;
    CHECK_INT(1, list(server, &id, 1));
    CHECK_INT(id, NOTIFIED(server, MIDISOCK_NOTIFY_CLIENT_JOINED).client);
    raw_close(fd);
    CHECK_SOON(midisock_client_count(server) == 0);
    CHECK_INT(0, list(server, &id, 1));
    midisock_close(server);
}

static void after_shutdown_there_are_none(void)
{
    midisock_port *server = check_listen(NULL);
    midisock_port *client = check_connect(server, NULL);
    CHECK_SOON(list(server, NULL, 0) == 1);
    CHECK_OK(midisock_shutdown(server));
    CHECK_SOON(list(server, NULL, 0) == 0);
    midisock_close(client);
    midisock_close(server);
}

typedef struct asker {
    midisock_port *server;
    int stop;
} asker;

static void *ask_all_the_time(void *asker_)
{
    asker *asker = asker_;
    uint32_t ids[64];
    while (!__atomic_load_n(&asker->stop, __ATOMIC_RELAXED)) {
        size_t count = list(asker->server, ids, 64);
        CHECK(count <= 64);
        for (size_t i = 0; i < count; i++) {
            CHECK(ids[i] != 0);
            for (size_t j = 0; j < i; j++)
                CHECK(ids[j] != ids[i]);
        }
    }
    return NULL;
}

static void any_thread_while_they_come_and_go(void)
{
    enum { TURNS = 100, AT_ONCE = 8 };
    asker asker = {check_listen(NULL), 0};
    pthread_t threads[2];
    int fds[AT_ONCE];
    for (int i = 0; i < 2; i++)
        check_start(&threads[i], ask_all_the_time, &asker);
    for (int turn = 0; turn < TURNS; turn++) {
        for (int i = 0; i < AT_ONCE; i++)
            fds[i] = raw_connect(midisock_local_port(asker.server));
        CHECK_SOON(list(asker.server, NULL, 0) == AT_ONCE);
        for (int i = 0; i < AT_ONCE; i++)
            raw_reset(fds[i]);
        CHECK_SOON(list(asker.server, NULL, 0) == 0);
    }
    __atomic_store_n(&asker.stop, 1, __ATOMIC_RELAXED);
    for (int i = 0; i < 2; i++)
        check_join(threads[i]);
    midisock_close(asker.server);
}

int main(int argc, char **argv)
{
    static const check_case TABLE[] = {
        CASE(refusals),
        CASE(there_are_none),
        CASE(in_the_order_in_which_they_came),
        CASE(it_agrees_with_the_count),
        CASE(after_shutdown_there_are_none),
        CASE(any_thread_while_they_come_and_go),
    };
    return check_main(argc, argv, CASES(TABLE));
}
