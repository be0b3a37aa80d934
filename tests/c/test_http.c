/* A web page can make a browser send a request to a loopback server. The server
 * closes such a connection before a byte of it is taken for MIDI. */
#define _POSIX_C_SOURCE 200809L
#include "check.h"
#include "raw.h"

#include <stdbool.h>
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

/* A client that has been silent for 10 ms is announced before it is known to be a browser (after_a_silence
 * tests that). So many ms after connecting none is. */
enum { NO_SILENCE_MS = 8 };

/* After so many bytes a request is known. */
enum { KNOWN_AFTER = 3 };

/* Makes one request of a server of its own, whole or a byte in a segment.
 * False: this thread was kept from sending it in time, which is no case of
 * these. */
static bool turned_away(const midisock_config *config, const char *request, bool whole)
{
    midisock_port *server = check_listen(config);
    uint64_t begin = check_now_ms();
    int fd = raw_connect(midisock_local_port(server));
    size_t size = strlen(request), at = whole ? size : 0;
    if (whole)
        raw_send(fd, request, size);
    for (; at < KNOWN_AFTER; at++) {
        raw_send(fd, request + at, 1);
        if (at + 1 < KNOWN_AFTER)
            raw_readable(fd, 1); /* each in a segment of its own */
    }
    bool in_time = check_now_ms() - begin < NO_SILENCE_MS;
    if (!whole)
        (void)!send(fd, request + at, size - at, MSG_NOSIGNAL);
    RAW_EXPECT_GONE(fd); /* and not a byte of answer */
    raw_close(fd);
    if (in_time) {
        only_rejected(server, 1);
        midisock_message m;
        midisock_port *none = NULL;
        if (config)
            CHECK_RESULT(MIDISOCK_EMPTY, midisock_accept(server, 0, &none));
        else
            CHECK_RESULT(MIDISOCK_EMPTY, midisock_pop(server, &m));
    }
    midisock_close(server);
    return in_time;
}

static void all_are_turned_away(const midisock_config *config, bool whole)
{
    for (unsigned i = 0; i < REQUESTS; i++)
        CHECK_SOON(turned_away(config, requests[i], whole));
}

static void whole_requests(void)
{
    all_are_turned_away(NULL, true);
}

static void byte_by_byte(void)
{
    all_are_turned_away(NULL, false);
}

static void to_a_manual_server(void)
{
    midisock_config c = check_config();
    c.accept_mode = MIDISOCK_ACCEPT_MANUAL;
    all_are_turned_away(&c, true);
    all_are_turned_away(&c, false);
}

static void one_after_the_other(void)
{
    midisock_port *server = check_listen(NULL);
    for (unsigned i = 0; i < REQUESTS; i++) {
        int fd = raw_connect(midisock_local_port(server));
        raw_send(fd, requests[i], strlen(requests[i]));
        RAW_EXPECT_GONE(fd);
        raw_close(fd);
        CHECK_SOON(check_stats(server).rejected == i + 1);
    }
    CHECK_SOON(midisock_client_count(server) == 0);
    CHECK_INT(0, check_stats(server).messages_in);
    midisock_close(server);
}

/* A page can be made to ask for https: the first record of TLS is random bytes,
 * a good part of which parse as notes. */
static void a_request_by_tls(void)
{
    for (uint8_t minor = 0; minor < 5; minor++) {
        /* A record of the handshake's (22), versions 3.0 to 3.4, of 256 bytes: a ClientHello (1). */
        uint8_t hello[5 + 256] = {22, 3, minor, 1, 0, 1, 0, 0, 252, 3, 3};
        for (size_t i = 11; i < sizeof hello; i++)
            hello[i] = (uint8_t)(i % 3 ? 60 + i % 3 : 0x90);
        for (int in_pieces = 0; in_pieces < 2; in_pieces++) {
            midisock_port *server = check_listen(NULL);
            int fd = raw_connect(midisock_local_port(server));
            size_t first = in_pieces ? 2 : 0;
            if (in_pieces) {
                raw_send(fd, hello, first);
                raw_readable(fd, 2); /* each in a segment of its own */
            }
            raw_send(fd, hello + first, sizeof hello - first);
            RAW_EXPECT_GONE(fd);
            raw_close(fd);
            CHECK_COUNT(server, rejected, 1);
            CHECK_INT(0, check_stats(server).messages_in);
            CHECK_INT(0, check_stats(server).bytes_in);
            midisock_close(server);
        }
    }
    /* Stray data that only begins like it, and a System Exclusive of the same bytes. */
    midisock_port *server = check_listen(NULL);
    int fd = raw_connect(midisock_local_port(server));
    RAW_SEND(fd, 22, 3, 0xf0, 22, 3, 1, 0xf7);
    EXPECT(server, 0xf0, 22, 3, 1, 0xf7);
    CHECK_COUNT(server, invalid_bytes, 2);
    raw_close(fd);
    midisock_close(server);
}

/* Three or more data bytes before the first status byte are another protocol's:
 * STUN and TURN over TCP, SSH, and whatever else there is. */
static void other_protocols(void)
{
    static const struct {
        uint8_t bytes[12];
        size_t size;
    } beginnings[] = {
        {{0x00, 0x01, 0x00, 0x00, 0x21, 0x12, 0xa4, 0x42, 0x90, 0x3c, 0x40}, 11},
        {{0x00, 0x03, 0x00, 0x10, 0x21, 0x12, 0xa4, 0x42, 0x90, 0x3c, 0x40}, 11},
        {{'S', 'S', 'H', '-', '2', '.', '0', 0x90, 0x3c, 0x40}, 10},
        {{'G', 'E', 'T', 0x90, 0x3c, 0x40}, 6},
        {{0x3c, 0x40, 0x3c, 0x90, 0x3c, 0x40}, 6},
    };
    for (unsigned i = 0; i < sizeof beginnings / sizeof beginnings[0]; i++) {
        for (size_t cut = 0; cut < 4; cut++) {
            midisock_port *server = check_listen(NULL);
            int fd = raw_connect(midisock_local_port(server));
            raw_send(fd, beginnings[i].bytes, cut);
            raw_send(fd, beginnings[i].bytes + cut, beginnings[i].size - cut);
            RAW_EXPECT_GONE(fd);
            raw_close(fd);
            CHECK_COUNT(server, rejected, 1);
            CHECK_INT(0, check_stats(server).messages_in);
            CHECK_SOON(midisock_client_count(server) == 0);
            midisock_close(server);
        }
    }
}

static void midi_that_resembles_http(void)
{
    midisock_port *server = check_listen(NULL);
    /* A beginning that goes on otherwise: stray data, then a message. */
    static const char *const beginnings[] = {"G", "GE", "H", "P", "\x01", "\x01\x02"};
    uint64_t invalid = 0;
    for (unsigned i = 0; i < 6; i++) {
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

static void an_incomplete_request(void)
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

static void other_clients_are_not_disturbed(void)
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
    CHECK_SOON(midisock_client_count(server) == 1);
    midisock_stats s = check_stats(server);
    CHECK_INT(1 + s.disconnections, s.connections);
    midisock_close(client);
    midisock_close(server);
}

/* Sends a request in one piece, or its method in two. */
static void send_request(int fd, const char *request, int in_two)
{
    size_t first = in_two ? 2 : 0;
    if (in_two) {
        raw_send(fd, request, first);
        raw_readable(fd, 2); /* each in a segment of its own */
    }
    raw_send(fd, request + first, strlen(request) - first);
}

static void after_a_silence(void)
{
    /* Whoever says nothing for long enough is told of. If it turns out to be a
     * browser after all, it is told of that it goes. */
    midisock_port *server = check_listen(NULL);
    for (unsigned i = 0; i < 2 * REQUESTS; i++) {
        int fd = raw_connect(midisock_local_port(server));
        uint32_t id = NOTIFIED(server, MIDISOCK_NOTIFY_CLIENT_JOINED).client;
        send_request(fd, requests[i / 2], i % 2);
        midisock_notification n = NOTIFIED(server, MIDISOCK_NOTIFY_CLIENT_LEFT);
        CHECK_INT(id, n.client);
        CHECK_RESULT(MIDISOCK_ERR_PERMISSION, n.reason);
        RAW_EXPECT_GONE(fd);
        raw_close(fd);
        CHECK_COUNT(server, rejected, i + 1);
        CHECK_COUNT(server, disconnections, i + 1);
        CHECK_INT(0, midisock_client_count(server));
        midisock_stats s = check_stats(server);
        CHECK_INT(i + 1, s.connections);
        CHECK_INT(0, s.bytes_in);
        CHECK_INT(0, s.messages_in);
        CHECK_INT(0, s.invalid_bytes);
        midisock_message m;
        CHECK_RESULT(MIDISOCK_EMPTY, midisock_pop(server, &m));
    }
    /* And one that speaks MIDI then is taken for what it is. */
    int fd = raw_connect(midisock_local_port(server));
    NOTIFIED(server, MIDISOCK_NOTIFY_CLIENT_JOINED);
    RAW_SEND(fd, 0xf3, 0x07);
    EXPECT(server, 0xf3, 0x07);
    RAW_SEND(fd, 'G', 'E', 'T', ' ', '/', 0xf6);
    EXPECT(server, 0xf6);
    CHECK_INT(2 * REQUESTS, check_stats(server).rejected);
    raw_close(fd);
    midisock_close(server);
}

static void after_a_silence_at_an_accepted_port(void)
{
    /* The server counts it; once that is closed, the port itself. */
    for (int closed = 0; closed < 2; closed++) {
        midisock_config c = check_config();
        c.accept_mode = MIDISOCK_ACCEPT_MANUAL;
        midisock_port *server = check_listen(&c);
        int fd = raw_connect(midisock_local_port(server));
        midisock_port *accepted = NULL;
        CHECK_OK(midisock_accept(server, DEADLINE_MS, &accepted));
        uint32_t id = NOTIFIED(server, MIDISOCK_NOTIFY_CLIENT_JOINED).client;
        if (closed)
            midisock_close(server);
        send_request(fd, requests[1], closed);
        RAW_EXPECT_GONE(fd);
        raw_close(fd);
        CHECK_RESULT(MIDISOCK_ERR_PERMISSION, NOTIFIED(accepted, MIDISOCK_NOTIFY_DISCONNECTED).reason);
        CHECK_SOON(midisock_state(accepted) == MIDISOCK_STATE_CLOSED);
        midisock_message m;
        CHECK_RESULT(MIDISOCK_ERR_CLOSED, midisock_pop(accepted, &m));
        midisock_stats s = check_stats(accepted);
        CHECK_INT(0, s.bytes_in);
        CHECK_INT(0, s.messages_in);
        CHECK_INT(0, s.invalid_bytes);
        CHECK_INT(closed, s.rejected);
        if (!closed) {
            CHECK_COUNT(server, rejected, 1);
            midisock_notification n = NOTIFIED(server, MIDISOCK_NOTIFY_CLIENT_LEFT);
            CHECK_INT(id, n.client);
            CHECK_RESULT(MIDISOCK_ERR_PERMISSION, n.reason);
            CHECK_INT(0, midisock_client_count(server));
            midisock_close(server);
        }
        midisock_close(accepted);
    }
}

static void a_stray_byte_does_not_delay_output(void)
{
    /* Half a method's name is waited for longer than silence, but what goes to
     * the peer does not wait so long. Of some tries one must be in time. */
    enum { TRIES = 4, LONGER_MS = 5000 };
    midisock_port *server = check_listen(NULL);
    uint64_t soonest = LONGER_MS;
    for (unsigned i = 1; i <= TRIES && soonest >= LONGER_MS; i++) {
        uint64_t begin = check_now_ms();
        int fd = raw_connect(midisock_local_port(server));
        RAW_SEND(fd, 'G');
        CHECK_SOON(midisock_client_count(server) == 1);
        CHECK_OK(midisock_push(server, BYTES(0xf3, 7)));
        RAW_EXPECT(fd, 0xf3, 7);
        uint64_t took = check_now_ms() - begin;
        soonest = took < soonest ? took : soonest;
        NOTIFIED(server, MIDISOCK_NOTIFY_CLIENT_JOINED);
        /* It was no request. */
        raw_close(fd);
        CHECK_RESULT(MIDISOCK_OK, NOTIFIED(server, MIDISOCK_NOTIFY_CLIENT_LEFT).reason);
        CHECK_COUNT(server, invalid_bytes, i);
        CHECK_COUNT(server, bytes_in, i);
    }
    CHECK(soonest < LONGER_MS);
    CHECK_INT(0, check_stats(server).rejected);
    midisock_message m;
    CHECK_RESULT(MIDISOCK_EMPTY, midisock_pop(server, &m));
    midisock_close(server);
}

int main(int argc, char **argv)
{
    static const check_case cases[] = {
        CASE(whole_requests),
        CASE(byte_by_byte),
        CASE(to_a_manual_server),
        CASE(one_after_the_other),
        CASE(a_request_by_tls),
        CASE(other_protocols),
        CASE(midi_that_resembles_http),
        CASE(an_incomplete_request),
        CASE(other_clients_are_not_disturbed),
        CASE(after_a_silence),
        CASE(after_a_silence_at_an_accepted_port),
        CASE(a_stray_byte_does_not_delay_output),
    };
    return check_main(argc, argv, CASES(cases));
}
