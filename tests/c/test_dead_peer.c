/* A peer that vanishes without a FIN or a reset, as if its cable were pulled.
 * Each case uses two network namespaces with a virtual cable between them. */
#define _GNU_SOURCE
#include "check.h"
#include "network.h"
#include "raw.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

/* The process of the other end of the cable. */
static pid_t other_end;
static int ask_other[2];
static int hear_other[2];

/* A network of this case's own with an other end that runs `run(port)`, once
 * it is told a port. Skips the case where the system does not allow it. */
static void make_cable(void (*run)(uint16_t port))
{
    char text[64];
    own_network();
    CHECK(pipe(ask_other) == 0 && pipe(hear_other) == 0);
    other_end = fork();
    CHECK(other_end >= 0);
    if (other_end == 0) {
        close(ask_other[1]);
        close(hear_other[0]);
        uint16_t port = 0;
        if (unshare(CLONE_NEWNET) < 0 || write(hear_other[1], "n", 1) != 1)
            _exit(1);
        if (read(ask_other[0], &port, sizeof port) != sizeof port)
            _exit(1);
        if (!ip("addr add 10.77.0.2/24 dev pulled1") || !ip("link set pulled1 up"))
            _exit(1);
        run(port);
        /* Until it is killed, or the case has failed: nobody else holds the other end of the pipe. */
        while (read(ask_other[0], text, 1) > 0)
            continue;
        _exit(0);
    }
    close(ask_other[0]);
    close(hear_other[1]);
    char ready;
    CHECK(read(hear_other[0], &ready, 1) == 1);
    snprintf(text, sizeof text, "link add pulled0 type veth peer name pulled1 netns %ld",
             (long)other_end);
    if (!ip(text)) {
        kill(other_end, SIGKILL);
        waitpid(other_end, NULL, 0);
        check_skip("the kernel has no virtual cables (veth)");
    }
    CHECK(ip("addr add 10.77.0.1/24 dev pulled0"));
    CHECK(ip("link set pulled0 up"));
}

static void let_other_begin(uint16_t port)
{
    CHECK(write(ask_other[1], &port, sizeof port) == sizeof port);
}

static void pull_cable(void)
{
    CHECK(ip("link set pulled0 down"));
}

static void end_other(void)
{
    kill(other_end, SIGKILL);
    CHECK(waitpid(other_end, NULL, 0) == other_end);
    close(ask_other[1]);
    close(hear_other[0]);
}

static int connect_over_cable(uint16_t port)
{
    struct sockaddr_in address;
    memset(&address, 0, sizeof address);
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    CHECK_INT(1, inet_pton(AF_INET, "10.77.0.1", &address.sin_addr));
    uint64_t until = check_now_ms() + DEADLINE_MS;
    for (;;) { /* the cable may take a moment */
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        CHECK(fd >= 0);
        if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0)
            return fd;
        close(fd);
        CHECK(check_now_ms() < until);
        check_pause();
    }
}

static void hold_notes(uint16_t port)
{
    int fd = connect_over_cable(port);
    RAW_SEND(fd, 0x90, 60, 1, 0x90, 61, 1, 0xb0, 64, 127);
}

static midisock_port *listen_at_cable(uint32_t keepalive_ms)
{
    midisock_config c;
    midisock_config_init(&c, sizeof c);
    c.keepalive_ms = keepalive_ms;
    midisock_port *server = NULL;
    CHECK_OK(midisock_listen("10.77.0.1", 0, &c, &server));
    return server;
}

enum { KEEPALIVE_MS = 2000, MOST_MS = 3 * KEEPALIVE_MS };

static void expect_release(midisock_port *server, uint32_t client)
{
    static const uint8_t row[][3] = {{0x80, 60, 64}, {0x80, 61, 64}, {0xb0, 64, 0}};
    for (int i = 0; i < 3; i++) {
        midisock_message m = POP(server);
        CHECK_MEMORY(row[i], 3, m.data, m.size);
        CHECK_INT(MIDISOCK_FLAG_SYNTHETIC, m.flags);
        CHECK_INT(client, m.client);
    }
}

/* Whether data waits for the peer that vanishes, or none. */
static void vanish(int data_waits)
{
    make_cable(hold_notes);
    midisock_port *server = listen_at_cable(KEEPALIVE_MS);
    let_other_begin(midisock_local_port(server));
    uint32_t id = EXPECT(server, 0x90, 60, 1).client;
    EXPECT(server, 0x90, 61, 1);
    EXPECT(server, 0xb0, 64, 127);
    NOTIFIED(server, MIDISOCK_NOTIFY_CLIENT_JOINED);
    /* Longer than keepalive_ms it is kept: it answers. */
    uint64_t quiet = check_now_ms() + KEEPALIVE_MS + KEEPALIVE_MS / 2;
    CHECK_SOON(check_now_ms() > quiet);
    CHECK_INT(1, midisock_client_count(server));
    pull_cable();
    uint64_t pulled = check_now_ms();
    if (data_waits)
        CHECK_OK(midisock_push(server, BYTES(0x90, 1, 1)));
    expect_release(server, id);
    uint64_t took = check_now_ms() - pulled;
    if (took > MOST_MS)
        check_fail(__FILE__, __LINE__, "noticed after %llu ms with keepalive_ms %d",
                   (unsigned long long)took, KEEPALIVE_MS);
    midisock_notification n = NOTIFIED(server, MIDISOCK_NOTIFY_CLIENT_LEFT);
    CHECK_INT(id, n.client);
    CHECK(n.reason < 0);
    CHECK_INT(0, midisock_client_count(server));
    midisock_close(server);
    end_other();
}

static void a_vanished_peer_is_noticed(void)
{
    vanish(0);
}

static void a_vanished_peer_is_noticed_while_data_waits(void)
{
    vanish(1);
}

/* Of ports that share an address one asks for keep-alive, which came later than the peer. */
static void a_vanished_peer_is_noticed_for_all_that_share(void)
{
    enum { PORT = 9080 }; /* in a network of this case's own */
    make_cable(hold_notes);
    midisock_config c;
    midisock_config_init(&c, sizeof c);
    c.share = 1;
    c.keepalive_ms = 0;
    midisock_port *first = NULL, *second = NULL;
    CHECK_OK(midisock_listen("10.77.0.1", PORT, &c, &first));
    let_other_begin(PORT);
    uint32_t id = EXPECT(first, 0x90, 60, 1).client;
    EXPECT(first, 0x90, 61, 1);
    EXPECT(first, 0xb0, 64, 127);
    c.keepalive_ms = KEEPALIVE_MS;
    CHECK_OK(midisock_listen("10.77.0.1", PORT, &c, &second));
    CHECK_INT(id, NOTIFIED(second, MIDISOCK_NOTIFY_CLIENT_JOINED).client);
    pull_cable();
    expect_release(first, id);
    CHECK(NOTIFIED(second, MIDISOCK_NOTIFY_CLIENT_LEFT).reason < 0);
    midisock_close(first);
    midisock_close(second);
    end_other();
}

static void a_vanished_peer_is_noticed_during_many_pushes(void)
{
    /* More and more waits: neither that nor a congestion hides it. */
    make_cable(hold_notes);
    midisock_port *server = listen_at_cable(KEEPALIVE_MS);
    let_other_begin(midisock_local_port(server));
    uint32_t id = EXPECT(server, 0x90, 60, 1).client;
    EXPECT(server, 0x90, 61, 1);
    EXPECT(server, 0xb0, 64, 127);
    pull_cable();
    uint64_t pulled = check_now_ms();
    while (midisock_client_count(server) == 1) {
        midisock_push(server, BYTES(0xf0, 1, 2, 3, 4, 5, 6, 7, 8, 0xf7));
        check_pause();
        CHECK(check_now_ms() < pulled + MOST_MS);
    }
    expect_release(server, id);
    midisock_close(server);
    end_other();
}

static void keepalive_can_be_turned_off(void)
{
    make_cable(hold_notes);
    midisock_port *server = listen_at_cable(0);
    let_other_begin(midisock_local_port(server));
    for (int i = 0; i < 3; i++)
        POP(server);
    pull_cable();
    uint64_t quiet = check_now_ms() + MOST_MS;
    CHECK_SOON(check_now_ms() > quiet);
    CHECK_INT(1, midisock_client_count(server));
    midisock_close(server);
    end_other();
}

int main(int argc, char **argv)
{
    static const check_case cases[] = {
        CASE(a_vanished_peer_is_noticed),
        CASE(a_vanished_peer_is_noticed_while_data_waits),
        CASE(a_vanished_peer_is_noticed_for_all_that_share),
        CASE(a_vanished_peer_is_noticed_during_many_pushes),
        CASE(keepalive_can_be_turned_off),
    };
    return check_main(argc, argv, CASES(cases));
}
