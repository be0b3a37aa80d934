/* Ports are opened and closed in any order, and leave nothing behind. */
#define _POSIX_C_SOURCE 200809L
#include "check.h"
#include "raw.h"

#include <fcntl.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#if !defined(_WIN32)
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#endif
#if defined(__linux__)
#include <sys/prctl.h>
#endif

static midisock_config manual_config(void)
{
    midisock_config c = check_config();
    c.accept_mode = MIDISOCK_ACCEPT_MANUAL;
    return c;
}

static void closing_in_every_order(void)
{
    static const int orders[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2},
                                     {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
    for (int i = 0; i < 6; i++) {
        midisock_config c = manual_config();
        midisock_port *ports[3];
        ports[0] = check_listen(&c);
        ports[1] = check_connect(ports[0], NULL);
        CHECK_OK(midisock_accept(ports[0], DEADLINE_MS, &ports[2]));
        for (int j = 0; j < 3; j++)
            midisock_close(ports[orders[i][j]]);
    }
    for (int i = 0; i < 2; i++) {
        midisock_port *ports[2];
        ports[0] = check_listen(NULL);
        ports[1] = check_connect(ports[0], NULL);
        midisock_close(ports[i]);
        midisock_close(ports[1 - i]);
        CHECK_OK(midisock_pair(NULL, &ports[0], &ports[1]));
        midisock_close(ports[i]);
        midisock_close(ports[1 - i]);
    }
}

static void closing_leaves_no_thread_behind_its_return(void)
{
    /* Joined, not merely told to end: only the kernel's own tidying, after
     * the thread can run no more, may be seen for a moment. */
    unsigned threads = check_threads();
    unsigned descriptors = check_descriptors();
    for (int i = 0; i < 20; i++) {
        midisock_port *server = check_listen(NULL);
        CHECK_INT(threads + 1, check_threads());
        CHECK(check_descriptors() > descriptors);
        midisock_close(server);
        CHECK_INT(descriptors, check_descriptors());
        CHECK_SOON(check_threads() == threads);
    }
}

static void address_is_free_when_close_returns(void)
{
    midisock_port *other = check_listen(NULL); /* the network thread lives on */
    midisock_port *server = check_listen(NULL);
    uint16_t port = midisock_local_port(server);
    for (int i = 0; i < 50; i++) {
        int fd = raw_connect(port);
        RAW_SEND(fd, 0xf6);
        EXPECT(server, 0xf6);
        midisock_close(server);
        CHECK_OK(midisock_listen(NULL, port, NULL, &server));
        CHECK_INT(port, midisock_local_port(server));
        raw_close(fd);
    }
    midisock_close(server);
    midisock_close(other);
}

static void address_in_use(void)
{
    midisock_port *server = check_listen(NULL);
    midisock_port *out = (midisock_port *)(void *)&out;
    midisock_port *const before = out;
    CHECK_RESULT(MIDISOCK_ERR_ADDRESS_IN_USE,
                 midisock_listen(NULL, midisock_local_port(server), NULL, &out));
    uint16_t port = 0;
    int listener = raw_listen(&port);
    CHECK_RESULT(MIDISOCK_ERR_ADDRESS_IN_USE, midisock_listen("127.0.0.1", port, NULL, &out));
    CHECK_RESULT(MIDISOCK_ERR_ADDRESS_IN_USE, midisock_listen("", port, NULL, &out));
    CHECK(out == before);
    raw_close(listener);
    midisock_close(server);
}

#if !defined(_WIN32)
static void permission(void)
{
    /* This case runs in its own process: it may give up its rights. */
    if (geteuid() == 0) {
        CHECK_INT(0, setuid(65534));
#if defined(__linux__)
        CHECK_INT(0, prctl(PR_SET_DUMPABLE, 1, 0, 0, 0)); /* /proc/self stays readable */
#endif
    }
    FILE *file = fopen("/proc/sys/net/ipv4/ip_unprivileged_port_start", "r");
    int lowest = 1024;
    if (file != NULL) {
        if (fscanf(file, "%d", &lowest) != 1)
            lowest = 1024;
        fclose(file);
    }
    if (lowest <= 81)
        check_skip("this system lets everybody bind any port");
    midisock_port *out = NULL;
    CHECK_RESULT(MIDISOCK_ERR_PERMISSION, midisock_listen("127.0.0.1", 81, NULL, &out));
    CHECK(out == NULL);
}
#endif

static void listening_as_soon_as_the_address_is_free(void)
{
    uint16_t port = 0;
    int holder = raw_listen(&port);
    midisock_config c = check_config();
    c.listen_retry_ms = UINT32_MAX;
    midisock_port *server = NULL;
    CHECK_OK(midisock_listen("127.0.0.1", port, &c, &server));
    CHECK_INT(MIDISOCK_STATE_BINDING, midisock_state(server));
    CHECK_RESULT(MIDISOCK_ERR_TIMEOUT, midisock_wait(server, MIDISOCK_WAIT_MESSAGE, 50));
    CHECK_INT(MIDISOCK_STATE_BINDING, midisock_state(server));
    raw_close(holder);
    CHECK_SOON(midisock_state(server) == MIDISOCK_STATE_LISTENING);
    CHECK_INT(port, midisock_local_port(server));
    int fd = raw_connect(port);
    RAW_SEND(fd, 0xf6);
    EXPECT(server, 0xf6);
    raw_close(fd);
    midisock_close(server);
}

static void listening_given_up_in_time(void)
{
    uint16_t port = 0;
    int holder = raw_listen(&port);
    midisock_config c = check_config();
    c.listen_retry_ms = 50;
    midisock_port *server = NULL;
    CHECK_OK(midisock_listen("127.0.0.1", port, &c, &server));
    CHECK_RESULT(MIDISOCK_ERR_CLOSED, midisock_wait(server, MIDISOCK_WAIT_MESSAGE, DEADLINE_MS));
    CHECK_INT(MIDISOCK_STATE_CLOSED, midisock_state(server));
    midisock_close(server);
    raw_close(holder);
}

static void closing_while_binding(void)
{
    uint16_t port = 0;
    int holder = raw_listen(&port);
    midisock_config c = check_config();
    c.listen_retry_ms = UINT32_MAX;
    c.linger_ms = 2 * DEADLINE_MS;
    midisock_port *server = NULL;
    CHECK_OK(midisock_listen("127.0.0.1", port, &c, &server));
    uint64_t begin = check_now_ms();
    midisock_close(server);
    CHECK(check_now_ms() - begin < DEADLINE_MS / 2);
    raw_close(holder);
}

static void connecting_waits_for_nothing(void)
{
    uint16_t port;
    int fillers[3];
    int listener = raw_silent(&port, fillers);
    midisock_config c = check_config();
    c.linger_ms = 2 * DEADLINE_MS;
    midisock_port *client = NULL;
    uint64_t begin = check_now_ms();
    CHECK_OK(midisock_connect("127.0.0.1", port, &c, &client));
    CHECK_INT(MIDISOCK_STATE_CONNECTING, midisock_state(client));
    CHECK_RESULT(MIDISOCK_OFFLINE, midisock_push(client, BYTES(0xf8)));
    CHECK_RESULT(MIDISOCK_ERR_TIMEOUT, midisock_wait_connected(client, 0));
    CHECK_RESULT(MIDISOCK_ERR_TIMEOUT, midisock_wait_connected(client, 50));
    CHECK_INT(MIDISOCK_STATE_CONNECTING, midisock_state(client));
    midisock_close(client); /* nothing was written: nothing to linger for */
    CHECK(check_now_ms() - begin < DEADLINE_MS / 2);
    for (int i = 0; i < 3; i++)
        raw_close(fillers[i]);
    raw_close(listener);
}

static void closing_during_a_name_look_up(void)
{
    for (int i = 0; i < 20; i++) {
        midisock_port *client = NULL;
        CHECK_OK(midisock_connect("no-such-host.invalid", 9, NULL, &client));
        CHECK_INT(MIDISOCK_STATE_CONNECTING, midisock_state(client));
        uint64_t begin = check_now_ms();
        midisock_close(client);
        CHECK(check_now_ms() - begin < DEADLINE_MS / 2);
    }
}

static void connecting_before_there_is_a_server(void)
{
    uint16_t port;
    int holder = raw_refusing(&port);
    midisock_config c = check_config();
    c.reconnect_min_ms = 1;
    c.reconnect_max_ms = 20;
    midisock_port *client = NULL;
    CHECK_OK(midisock_connect("127.0.0.1", port, &c, &client));
    CHECK_INT(MIDISOCK_ERR_REFUSED, NOTIFIED(client, MIDISOCK_NOTIFY_CONNECT_FAILED).reason);
    CHECK_INT(MIDISOCK_STATE_CONNECTING, midisock_state(client));
    midisock_port *server = NULL;
#if defined(_WIN32) /* there an address is used by one socket only */
    CHECK_RESULT(MIDISOCK_ERR_ADDRESS_IN_USE, midisock_listen("127.0.0.1", port, NULL, &server));
    raw_close(holder);
#endif
    CHECK_OK(midisock_listen("127.0.0.1", port, NULL, &server));
    CHECK_OK(midisock_wait_connected(client, DEADLINE_MS));
    CHECK_INT(MIDISOCK_STATE_CONNECTED, midisock_state(client));
    CHECK_OK(midisock_push(client, BYTES(0xf6)));
    EXPECT(server, 0xf6);
    midisock_close(client);
    midisock_close(server);
#if !defined(_WIN32)
    raw_close(holder);
#endif
}

static void connecting_again(void)
{
    midisock_config c = check_config();
    c.reconnect_min_ms = 1;
    c.reconnect_max_ms = 20;
    midisock_port *server = check_listen(NULL);
    uint16_t port = midisock_local_port(server);
    midisock_port *client = check_connect(server, &c);
    for (unsigned i = 1; i <= 5; i++) {
        uint8_t data[8];
        check_numbered(data, sizeof data, i);
        CHECK_OK(midisock_push(client, data, sizeof data));
        midisock_message m = POP(server);
        CHECK_INT(i, check_number(m.data, m.size));
        CHECK_COUNT(client, connections, i);
        midisock_close(server);
        CHECK_SOON(check_stats(client).disconnections == i);
        CHECK_OK(midisock_listen(NULL, port, NULL, &server));
        CHECK_OK(midisock_wait_connected(client, DEADLINE_MS));
        CHECK_SOON(check_stats(client).connections == i + 1);
    }
    midisock_close(client);
    midisock_close(server);
}

static void never_connecting_again(void)
{
    midisock_config c = check_config();
    c.reconnect_max_ms = 0;
    midisock_port *server = check_listen(NULL);
    midisock_port *client = check_connect(server, &c);
    CHECK_SOON(midisock_client_count(server) == 1);
    CHECK_OK(midisock_push(server, BYTES(0xf6)));
    CHECK_OK(midisock_wait(client, MIDISOCK_WAIT_MESSAGE, DEADLINE_MS));
    midisock_close(server);
    CHECK_SOON(midisock_state(client) == MIDISOCK_STATE_CLOSED);
    EXPECT(client, 0xf6); /* what is left is given first */
    midisock_message m;
    CHECK_SOON(midisock_pop(client, &m) == MIDISOCK_ERR_CLOSED);
    CHECK_RESULT(MIDISOCK_ERR_CLOSED, midisock_push(client, BYTES(0xf6)));
    CHECK_RESULT(MIDISOCK_ERR_CLOSED, midisock_wait(client, MIDISOCK_WAIT_MESSAGE, -1));
    CHECK_RESULT(MIDISOCK_ERR_CLOSED, midisock_wait_connected(client, -1));
    midisock_close(client);
}

static void a_single_attempt_to_connect(void)
{
    uint16_t port;
    int holder = raw_refusing(&port);
    midisock_config c = check_config();
    c.reconnect_max_ms = 0;
    midisock_port *client = NULL;
    CHECK_OK(midisock_connect("127.0.0.1", port, &c, &client));
    midisock_result result = midisock_wait_connected(client, DEADLINE_MS);
    /* Closed for want of a peer; which of the two is told first is open. */
    CHECK(result == MIDISOCK_ERR_REFUSED || result == MIDISOCK_ERR_CLOSED);
    CHECK_SOON(midisock_state(client) == MIDISOCK_STATE_CLOSED);
    CHECK_RESULT(MIDISOCK_ERR_CLOSED, midisock_push(client, BYTES(0xf6)));
    midisock_close(client);
    raw_close(holder);
}

static void a_hundred_ports_are_one_thread(void)
{
    enum { SERVERS = 40, CLIENTS = 40, PAIRS = 10 };
    unsigned threads = check_threads();
    midisock_port *pairs[2 * PAIRS];
    for (int i = 0; i < 2 * PAIRS; i += 2)
        CHECK_OK(midisock_pair(NULL, &pairs[i], &pairs[i + 1]));
    CHECK_INT(threads, check_threads()); /* in memory: no thread at all */
    midisock_port *servers[SERVERS];
    midisock_port *clients[CLIENTS];
    for (int i = 0; i < SERVERS; i++)
        servers[i] = check_listen(NULL);
    for (int i = 0; i < CLIENTS; i++)
        clients[i] = check_connect(servers[i % SERVERS], NULL);
    CHECK_INT(threads + 1, check_threads());
    for (int i = 0; i < CLIENTS; i++)
        CHECK_OK(midisock_push(clients[i], BYTES(0xc0, (uint8_t)i)));
    for (int i = 0; i < CLIENTS; i++)
        EXPECT(servers[i % SERVERS], 0xc0, (uint8_t)i);
    for (int i = 0; i < CLIENTS; i++)
        midisock_close(clients[i]);
    for (int i = 0; i < SERVERS; i++)
        midisock_close(servers[i]);
    CHECK_SOON(check_threads() == threads);
    for (int i = 0; i < 2 * PAIRS; i++)
        midisock_close(pairs[i]);
}

static void *open_and_close(void *argument)
{
    int rounds = *(int *)argument;
    for (int i = 0; i < rounds; i++) {
        midisock_config c = manual_config();
        midisock_port *server = check_listen(i % 3 == 0 ? &c : NULL);
        midisock_port *client = check_connect(server, NULL);
        CHECK_OK(midisock_push(client, BYTES(0xb0, 80, (uint8_t)(i & 0x7f))));
        if (i % 3 == 0) {
            midisock_port *accepted = NULL;
            CHECK_OK(midisock_accept(server, DEADLINE_MS, &accepted));
            EXPECT(accepted, 0xb0, 80, (uint8_t)(i & 0x7f));
            midisock_close(accepted);
        } else if (i % 3 == 1) {
            EXPECT(server, 0xb0, 80, (uint8_t)(i & 0x7f));
        }
        midisock_port *a = NULL;
        midisock_port *b = NULL;
        CHECK_OK(midisock_pair(NULL, &a, &b));
        midisock_close(i % 2 ? server : client);
        midisock_close(i % 2 ? client : server);
        midisock_close(a);
        midisock_close(b);
    }
    return NULL;
}

static void in_four_threads(int rounds)
{
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        check_start(&threads[i], open_and_close, &rounds);
    for (int i = 0; i < 4; i++)
        check_join(threads[i]);
}

static void three_hundred_cycles_leave_nothing(void)
{
    unsigned threads = check_threads();
    in_four_threads(8); /* the allocator and the stacks take their fill */
    CHECK_SOON(check_threads() == threads);
    unsigned descriptors = check_descriptors();
    unsigned long resident = check_resident_kb();
    in_four_threads(75);
    CHECK_INT(descriptors, check_descriptors());
    CHECK_SOON(check_threads() == threads);
    /* One of these ports is 128 KB of queues and more: 300 of them, or a tenth,
     * could not hide here. */
    if (!check_sanitized())
        CHECK(check_resident_kb() < resident + 4096);
}

static void close_after_shutdown(void)
{
    midisock_port *server = check_listen(NULL);
    midisock_port *client = check_connect(server, NULL);
    CHECK_OK(midisock_shutdown(client));
    CHECK_INT(MIDISOCK_STATE_CLOSED, midisock_state(client));
    CHECK_SOON(midisock_client_count(server) == 0);
    /* Once more is no error, or says that it was done. */
    midisock_result again = midisock_shutdown(client);
    CHECK(again == MIDISOCK_OK || again == MIDISOCK_ERR_CLOSED);
    midisock_close(client);
    midisock_close(server);
}

static void a_peer_that_reset_raises_no_signal(void)
{
    midisock_config c = check_config();
    c.reconnect_min_ms = 1;
    c.reconnect_max_ms = 5;
    c.wake = MIDISOCK_WAKE_SIGNAL;
    uint16_t port = 0;
    int listener = raw_listen(&port);
    midisock_port *client = NULL;
    CHECK_OK(midisock_connect("127.0.0.1", port, &c, &client));
    uint8_t data[1000];
    check_numbered(data, sizeof data, 9);
    for (unsigned i = 0; i < 30; i++) {
        int fd = raw_accept(listener);
        CHECK_SOON(check_stats(client).connections == i + 1);
        midisock_push(client, data, sizeof data);
        raw_reset(fd);
        for (int j = 0; j < 50; j++)
            midisock_push(client, data, sizeof data);
    }
    raw_close(listener);
    midisock_close(client);
}

#if !defined(_WIN32)
static void descriptors_are_close_on_exec(void)
{
    int before[256];
    for (int fd = 0; fd < 256; fd++)
        before[fd] = fcntl(fd, F_GETFD);
    midisock_config c = manual_config();
    midisock_port *server = check_listen(&c);
    midisock_port *client = check_connect(server, NULL);
    midisock_port *accepted = NULL;
    CHECK_OK(midisock_accept(server, DEADLINE_MS, &accepted));
    int seen = 0;
    for (int fd = 0; fd < 256; fd++) {
        int flags = fcntl(fd, F_GETFD);
        if (flags < 0 || before[fd] >= 0)
            continue;
        seen++;
        if (!(flags & FD_CLOEXEC))
            check_fail(__FILE__, __LINE__, "descriptor %d would survive exec", fd);
    }
    CHECK(seen >= 3);
    midisock_close(accepted);
    midisock_close(client);
    midisock_close(server);
}

static void process_wide_settings_stay(void)
{
    struct sigaction before[32];
    struct sigaction after[32];
    memset(before, 0, sizeof before);
    memset(after, 0, sizeof after);
    char locale[128];
    snprintf(locale, sizeof locale, "%s", setlocale(LC_ALL, NULL));
    mode_t mask = umask(027);
    umask(027);
    sigset_t blocked_before;
    sigset_t blocked_after;
    pthread_sigmask(SIG_SETMASK, NULL, &blocked_before);
    for (int i = 1; i < 32; i++)
        sigaction(i, NULL, &before[i]);
    int rounds = 3;
    open_and_close(&rounds);
    for (int i = 1; i < 32; i++) {
        sigaction(i, NULL, &after[i]);
        CHECK(before[i].sa_handler == after[i].sa_handler);
    }
    pthread_sigmask(SIG_SETMASK, NULL, &blocked_after);
    for (int i = 1; i < 32; i++)
        CHECK_INT(sigismember(&blocked_before, i), sigismember(&blocked_after, i));
    CHECK_INT(027, umask(mask));
    CHECK_TEXT(locale, setlocale(LC_ALL, NULL));
}

/* Uses up the descriptors of this process but for `spare`; how many it took,
 * all of them kept in `taken`. */
enum { MOST_DESCRIPTORS = 64 };
static int use_up(int taken[MOST_DESCRIPTORS], int spare)
{
    struct rlimit limit = {MOST_DESCRIPTORS, MOST_DESCRIPTORS};
    CHECK_INT(0, setrlimit(RLIMIT_NOFILE, &limit));
    int count = 0;
    int fd;
    while ((fd = dup(STDOUT_FILENO)) >= 0)
        taken[count++] = fd;
    while (spare-- > 0)
        close(taken[--count]);
    return count;
}

static void no_descriptors_for_a_port(void)
{
    int taken[MOST_DESCRIPTORS];
    for (int spare = 0; spare < 8; spare++) {
        int count = use_up(taken, spare);
        midisock_port *out = NULL;
        midisock_result result = midisock_listen("127.0.0.1", 0, NULL, &out);
        if (result == MIDISOCK_OK) {
            CHECK(spare > 0);
            midisock_close(out);
        } else {
            CHECK_RESULT(MIDISOCK_ERR_NO_RESOURCES, result);
            CHECK(out == NULL);
        }
        while (count > 0)
            close(taken[--count]);
    }
    midisock_port *server = check_listen(NULL); /* and all is well again */
    midisock_port *client = check_connect(server, NULL);
    midisock_close(client);
    midisock_close(server);
}

static void no_descriptors_for_a_client(void)
{
    midisock_port *server = check_listen(NULL);
    midisock_port *client = check_connect(server, NULL);
    NOTIFIED(server, MIDISOCK_NOTIFY_CLIENT_JOINED);
    int taken[MOST_DESCRIPTORS];
    int count = use_up(taken, 1);
    int fd = raw_connect(midisock_local_port(server)); /* the last one */
    RAW_SEND(fd, 0xf3, 0x7f);
    /* It cannot be taken in; who is in is served, and nothing spins. */
    uint64_t until = check_now_ms() + 500;
    clock_t begin = clock();
    uint8_t i = 0;
    for (; check_now_ms() < until && i < 0x7f; i++) {
        CHECK_OK(midisock_push(client, BYTES(0xf3, i)));
        EXPECT(server, 0xf3, i);
        check_pause();
    }
    CHECK_SOON(check_now_ms() > until);
    CHECK((double)(clock() - begin) / CLOCKS_PER_SEC < 0.4);
    CHECK_INT(1, midisock_client_count(server));
    while (count > 0)
        close(taken[--count]);
    EXPECT(server, 0xf3, 0x7f); /* now it can */
    CHECK_INT(2, midisock_client_count(server));
    raw_close(fd);
    midisock_close(client);
    midisock_close(server);
}
#endif

int main(int argc, char **argv)
{
    static const check_case cases[] = {
        CASE(closing_in_every_order),
        CASE(closing_leaves_no_thread_behind_its_return),
        CASE(address_is_free_when_close_returns),
        CASE(address_in_use),
        UNIX_CASE(permission)
        CASE(listening_as_soon_as_the_address_is_free),
        CASE(listening_given_up_in_time),
        CASE(closing_while_binding),
        CASE(connecting_waits_for_nothing),
        CASE(closing_during_a_name_look_up),
        CASE(connecting_before_there_is_a_server),
        CASE(connecting_again),
        CASE(never_connecting_again),
        CASE(a_single_attempt_to_connect),
        CASE(a_hundred_ports_are_one_thread),
        CASE(three_hundred_cycles_leave_nothing),
        CASE(close_after_shutdown),
        CASE(a_peer_that_reset_raises_no_signal),
        UNIX_CASE(descriptors_are_close_on_exec)
        UNIX_CASE(process_wide_settings_stay)
        UNIX_CASE(no_descriptors_for_a_port)
        UNIX_CASE(no_descriptors_for_a_client)
    };
    return check_main(argc, argv, CASES(cases));
}
