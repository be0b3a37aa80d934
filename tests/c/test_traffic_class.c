/* The traffic class of packets, seen on the wire; and addresses with an interface. In a network of the test's own. */
#define _GNU_SOURCE
#include "check.h"
#include "network.h"
#include "raw.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

enum { EXPEDITED = 46, SYN = 2, ACK = 16 };

/* A network with a loopback that also has the address fe80::9. */
static void own_network_with_ipv6(void)
{
    own_network();
    if (!ip("-6 addr add fe80::9/64 dev lo nodad"))
        check_skip("no IPv6 here");
}

/* Sees every packet of the loopback. */
static int open_capture(void)
{
    int fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC, htons(ETH_P_ALL));
    CHECK(fd >= 0);
    struct sockaddr_ll lo;
    memset(&lo, 0, sizeof lo);
    lo.sll_family = AF_PACKET;
    lo.sll_protocol = htons(ETH_P_ALL);
    lo.sll_ifindex = (int)if_nametoindex("lo");
    CHECK(bind(fd, (struct sockaddr *)&lo, sizeof lo) == 0);
    return fd;
}

/* The traffic classes of the packets between two ports: by direction, and of the two that begin a connection. */
struct seen {
    int packets[2], wrong[2], data[2], syn, syn_ack;
};

static void see(struct seen *seen, const uint8_t *packet, size_t size, int dscp, uint16_t server)
{
    const uint8_t *tcp;
    int class;
    if (size >= 40 && packet[0] >> 4 == 4 && packet[9] == IPPROTO_TCP) {
        tcp = packet + 4 * (packet[0] & 15);
        class = packet[1] >> 2;
        size = (size_t)(packet[2] << 8 | packet[3]) - 4u * (packet[0] & 15);
    } else if (size >= 60 && packet[0] >> 4 == 6 && packet[6] == IPPROTO_TCP) {
        tcp = packet + 40;
        class = ((packet[0] & 15) << 4 | packet[1] >> 4) >> 2;
        size = (size_t)(packet[4] << 8 | packet[5]);
    } else
        return;
    int from = tcp[0] << 8 | tcp[1], to = tcp[2] << 8 | tcp[3];
    if (from != server && to != server)
        return;
    int direction = from == server;
    int has_data = size > 4u * (tcp[12] >> 4);
    int flags = tcp[13] & (SYN | ACK);
    /* The system answers for a closed socket, without knowing of its class. */
    if (tcp[13] & 4)
        return;
    seen->packets[direction]++;
    seen->wrong[direction] += class != dscp;
    seen->data[direction] += has_data && class == dscp;
    seen->syn += flags == SYN && class == dscp;
    seen->syn_ack += flags == (SYN | ACK) && class == dscp;
}

/* Takes packets until a message was seen in both directions. */
static struct seen watch(int capture, int dscp, uint16_t server)
{
    struct seen seen;
    memset(&seen, 0, sizeof seen);
    uint64_t until = check_now_ms() + DEADLINE_MS;
    while (!(seen.data[0] && seen.data[1]) && check_now_ms() < until) {
        uint8_t packet[2048];
        struct pollfd asked = {capture, POLLIN, 0};
        if (poll(&asked, 1, 100) > 0) {
            ssize_t size = recv(capture, packet, sizeof packet, 0);
            if (size > 0)
                see(&seen, packet, (size_t)size, dscp, server);
        }
    }
    return seen;
}

static void exchange(midisock_port *a, midisock_port *b)
{
    CHECK_OK(midisock_push(a, BYTES(0xf3, 1)));
    EXPECT(b, 0xf3, 1);
    CHECK_OK(midisock_push(b, BYTES(0xf3, 2)));
    EXPECT(a, 0xf3, 2);
}

static void in_every_packet_of_both_families(void)
{
    own_network_with_ipv6();
    const char *const hosts[] = {"127.0.0.1", "::1"};
    const uint32_t classes[] = {EXPEDITED, 63, 0};
    for (int family = 0; family < 2; family++)
        for (int i = 0; i < 3; i++) {
            midisock_config c = check_config();
            c.traffic_class = classes[i];
            midisock_port *server, *client;
            CHECK_OK(midisock_listen(hosts[family], 0, &c, &server));
            int capture = open_capture();
            CHECK_OK(midisock_connect(hosts[family], midisock_local_port(server), &c, &client));
            CHECK_OK(midisock_wait_connected(client, DEADLINE_MS));
            exchange(client, server);
            struct seen seen = watch(capture, (int)classes[i], midisock_local_port(server));
            CHECK(seen.syn && seen.syn_ack);
            CHECK(seen.data[0] && seen.data[1]);
            CHECK_INT(0, seen.wrong[0]);
            CHECK_INT(0, seen.wrong[1]);
            close(capture);
            midisock_close(client);
            midisock_close(server);
        }
}

static void each_end_marks_its_own(void)
{
    own_network_with_ipv6();
    midisock_config c = check_config();
    c.traffic_class = EXPEDITED;
    midisock_port *server = check_listen(&c), *client = NULL;
    int capture = open_capture();
    client = check_connect(server, NULL);
    exchange(client, server);
    struct seen seen = {{0, 0}, {0, 0}, {0, 0}, 0, 0};
    uint64_t until = check_now_ms() + DEADLINE_MS;
    while (!seen.data[1] && check_now_ms() < until) {
        uint8_t packet[2048];
        struct pollfd asked = {capture, POLLIN, 0};
        if (poll(&asked, 1, 100) > 0) {
            ssize_t size = recv(capture, packet, sizeof packet, 0);
            if (size > 0)
                see(&seen, packet, (size_t)size, EXPEDITED, midisock_local_port(server));
        }
    }
    CHECK(seen.data[1] && seen.syn_ack);
    CHECK_INT(0, seen.wrong[1]);
    /* The client's are ordinary. */
    CHECK(seen.packets[0] > 0);
    CHECK_INT(seen.packets[0], seen.wrong[0]);
    close(capture);
    midisock_close(client);
    midisock_close(server);
}

static void of_an_adopted_connection(void)
{
    own_network_with_ipv6();
    for (int i = 0; i < 2; i++) {
        uint16_t number = 0;
        int listener = raw_listen(&number);
        int fd = raw_connect(number), other = raw_accept(listener);
        int mine = 8 << 2;
        CHECK(setsockopt(other, IPPROTO_IP, IP_TOS, &mine, sizeof mine) == 0);
        midisock_config c = check_config();
        c.traffic_class = i == 0 ? EXPEDITED : 0;
        midisock_port *port = NULL;
        CHECK_OK(midisock_adopt(other, &c, &port));
        CHECK_OK(midisock_push(port, BYTES(0xf3, 1)));
        RAW_EXPECT(fd, 0xf3, 1);
        int tos = 0;
        socklen_t size = sizeof tos;
        CHECK(getsockopt(other, IPPROTO_IP, IP_TOS, &tos, &size) == 0);
        /* 0 leaves what the caller has set. */
        CHECK_INT(i == 0 ? EXPEDITED << 2 : mine, tos);
        midisock_close(port);
        raw_close(fd);
        raw_close(listener);
    }
}

static void numbers_above_63_are_an_error(void)
{
    const uint32_t numbers[] = {64, 184, UINT32_MAX};
    for (int i = 0; i < 3; i++) {
        midisock_config c = check_config();
        c.traffic_class = numbers[i];
        midisock_port *out = NULL, *other = NULL;
        CHECK_INVALID(midisock_listen(NULL, 0, &c, &out));
        CHECK_INVALID(midisock_connect("127.0.0.1", 9, &c, &out));
        CHECK_INVALID(midisock_pair(&c, &out, &other));
        CHECK(out == NULL && other == NULL);
    }
}

/* A server and a client at a link-local address. */
static void at_interface(const char *host, const char *other)
{
    midisock_port *server, *client;
    midisock_result result = midisock_listen(host, 0, NULL, &server);
    if (result != MIDISOCK_OK)
        check_fail(__FILE__, __LINE__, "%s: %s", host, midisock_strerror(result));
    CHECK_OK(midisock_connect(other, midisock_local_port(server), NULL, &client));
    CHECK_OK(midisock_wait_connected(client, DEADLINE_MS));
    exchange(client, server);
    /* What is reported is an address that can be connected to. */
    char text[64], parsed[64];
    uint16_t number;
    CHECK_OK(midisock_peer_address(client, text, sizeof text));
    CHECK_OK(midisock_parse_address(text, parsed, sizeof parsed, &number));
    CHECK_INT(midisock_local_port(server), number);
    CHECK(strncmp(parsed, "fe80::", 6) == 0 && strchr(parsed, '%') != NULL);
    midisock_close(client);
    CHECK_OK(midisock_connect(parsed, number, NULL, &client));
    CHECK_OK(midisock_wait_connected(client, DEADLINE_MS));
    midisock_close(client);
    midisock_close(server);
}

static void link_local_addresses(void)
{
    own_network_with_ipv6();
    char number[64];
    snprintf(number, sizeof number, "fe80::9%%%u", if_nametoindex("lo"));
    at_interface("fe80::9%lo", "fe80::9%lo");
    at_interface("[fe80::9%lo]", number);
    if (ip("link add name midi0 type veth peer name midi1")) {
        CHECK(ip("link set midi0 up") && ip("link set midi1 up"));
        CHECK(ip("-6 addr add fe80::1/64 dev midi0 nodad"));
        at_interface("fe80::1%midi0", "fe80::1%midi0");
        /* Not at another interface. */
        midisock_port *out = NULL;
        CHECK(midisock_listen("fe80::1%midi1", 0, NULL, &out) < 0);
    }
    midisock_port *out = NULL;
    CHECK_RESULT(MIDISOCK_ERR_ADDRESS, midisock_listen("fe80::9", 0, NULL, &out));
    CHECK_RESULT(MIDISOCK_ERR_ADDRESS, midisock_listen("fe80::9%none", 0, NULL, &out));
    CHECK_OK(midisock_connect("fe80::9%none", 9, NULL, &out));
    CHECK_RESULT(MIDISOCK_ERR_ADDRESS, NOTIFIED(out, MIDISOCK_NOTIFY_CONNECT_FAILED).reason);
    midisock_close(out);
}

int main(int argc, char **argv)
{
    static const check_case cases[] = {
        CASE(in_every_packet_of_both_families),
        CASE(each_end_marks_its_own),
        CASE(of_an_adopted_connection),
        CASE(numbers_above_63_are_an_error),
        CASE(link_local_addresses),
    };
    return check_main(argc, argv, CASES(cases));
}
