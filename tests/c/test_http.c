/* A browser can be made to post to a loopback server: such a connection is
 * closed before a byte of it is taken for MIDI. */
#define _POSIX_C_SOURCE 200809L
#include "check.h"
#include "raw.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

static const char *const requests[] = {
    "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 3\r\n\r\n\x90\x3c\x40",
    "HEAD / HTTP/1.1\r\n\r\n",
    "PUT /x HTTP/1.1\r\n\r\n",
    "DELETE /x HTTP/1.1\r\n\r\n",
    "OPTIONS * HTTP/1.1\r\n\r\n",
    "PATCH /x HTTP/1.1\r\n\r\n",
    "CONNECT a:1 HTTP/1.1\r\n\r\n",
    "TRACE / HTTP/1.1\r\n\r\n",
};
enum { REQUESTS = sizeof requests / sizeof requests[0] };

/* Nothing but `rejected` knows of them. */
static void only_rejected(midisock_port *server, unsigned count)
{
    CHECK_SOON(check_stats(server).rejected == count);
    midisock_stats s = check_stats(server);
    CHECK_INT(0, s.connections);
    CHECK_INT(0, s.disconnections);
    CHECK_INT(0, s.messages_in);
    CHECK_INT(0, s.bytes_in);
    CHECK_INT(0, s.invalid_bytes);
    CHECK_INT(0, s.bytes_out);
    CHECK_INT(0, s.messages_out);
    CHECK_SOON(midisock_client_count(server) == 0);
    midisock_notification n;
    CHECK_RESULT(MIDISOCK_EMPTY, midisock_poll_notification(server, &n));
}

static void whole_requests(void)
{
    midisock_port *server = check_listen(NULL);
    midisock_message m;
    for (unsigned i = 0; i < REQUESTS; i++) {
        int fd = raw_connect(midisock_local_port(server));
        raw_send(fd, requests[i], strlen(requests[i]));
        RAW_EXPECT_GONE(fd); /* and not a byte of answer */
        raw_close(fd);
        only_rejected(server, i + 1);
        CHECK_RESULT(MIDISOCK_EMPTY, midisock_pop(server, &m));
    }
    midisock_close(server);
}

static void byte_by_byte(void)
{
    midisock_port *server = check_listen(NULL);
    midisock_message m;
    for (unsigned i = 0; i < REQUESTS; i++) {
        int fd = raw_connect(midisock_local_port(server));
        size_t size = strlen(requests[i]);
        for (size_t at = 0; at < size; at++) {
            /* Once refused, sending on fails: it is enough. */
            if (send(fd, requests[i] + at, 1, MSG_NOSIGNAL) < 0)
                break;
            if (at < 8)
                raw_readable(fd, 2); /* each in a segment of its own */
        }
        RAW_EXPECT_GONE(fd);
        raw_close(fd);
        only_rejected(server, i + 1);
        CHECK_RESULT(MIDISOCK_EMPTY, midisock_pop(server, &m));
    }
    midisock_close(server);
}

static void to_a_manual_server(void)
{
    midisock_config c = check_config();
    c.accept_mode = MIDISOCK_ACCEPT_MANUAL;
    midisock_port *server = check_listen(&c);
    for (unsigned i = 0; i < REQUESTS; i++) {
        int fd = raw_connect(midisock_local_port(server));
        raw_send(fd, requests[i], strlen(requests[i]));
        RAW_EXPECT_GONE(fd);
        raw_close(fd);
        only_rejected(server, i + 1);
        midisock_port *none = NULL;
        CHECK_RESULT(MIDISOCK_EMPTY, midisock_accept(server, 0, &none));
    }
    midisock_close(server);
}

static void what_only_looks_like_it(void)
{
    midisock_port *server = check_listen(NULL);
    /* A beginning that goes on otherwise: stray data, then a message. */
    static const char *const beginnings[] = {"G", "GE", "GET", "POS", "H", "OPTION", "P"};
    uint64_t invalid = 0;
    for (unsigned i = 0; i < 7; i++) {
        int fd = raw_connect(midisock_local_port(server));
        raw_send(fd, beginnings[i], strlen(beginnings[i]));
        RAW_SEND(fd, 0x90, 0x3c, 0x40);
        EXPECT(server, 0x90, 0x3c, 0x40);
        invalid += strlen(beginnings[i]);
        CHECK_COUNT(server, invalid_bytes, invalid);
        raw_close(fd);
    }
    /* And the same words inside a stream of MIDI. */
    int fd = raw_connect(midisock_local_port(server));
    RAW_SEND(fd, 0xf0, 'G', 'E', 'T', ' ', '/', 0xf7);
    EXPECT(server, 0xf0, 'G', 'E', 'T', ' ', '/', 0xf7);
    RAW_SEND(fd, 'G', 'E', 'T', ' ', '/', 0xf6);
    EXPECT(server, 0xf6);
    raw_close(fd);
    CHECK_INT(0, check_stats(server).rejected);
    midisock_close(server);
}

static void the_beginning_and_nothing_more(void)
{
    midisock_port *server = check_listen(NULL);
    int fd = raw_connect(midisock_local_port(server));
    RAW_SEND(fd, 'G', 'E');
    raw_half_close(fd);
    RAW_EXPECT_GONE(fd);
    raw_close(fd);
    CHECK_SOON(midisock_client_count(server) == 0);
    midisock_message m;
    CHECK_RESULT(MIDISOCK_EMPTY, midisock_pop(server, &m));
    midisock_close(server);
}

static void the_others_do_not_notice(void)
{
    midisock_port *server = check_listen(NULL);
    midisock_port *client = check_connect(server, NULL);
    for (uint8_t i = 0; i < 50; i++) {
        int fd = raw_connect(midisock_local_port(server));
        raw_send(fd, requests[1], strlen(requests[1]));
        CHECK_OK(midisock_push(client, BYTES(0xf3, i)));
        EXPECT(server, 0xf3, i);
        CHECK_OK(midisock_push(server, BYTES(0xf3, i)));
        EXPECT(client, 0xf3, i);
        raw_close(fd);
    }
    CHECK_SOON(check_stats(server).rejected == 50);
    CHECK_COUNT(server, connections, 1);
    midisock_close(client);
    midisock_close(server);
}

int main(int argc, char **argv)
{
    static const check_case cases[] = {
        CASE(whole_requests),
        CASE(byte_by_byte),
        CASE(to_a_manual_server),
        CASE(what_only_looks_like_it),
        CASE(the_beginning_and_nothing_more),
        CASE(the_others_do_not_notice),
    };
    return check_main(argc, argv, CASES(cases));
}
