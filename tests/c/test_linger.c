/* linger_ms 0: what was pushed and the releases are still offered to the system once, so a healthy peer that reads gets
 * them, in every role and by every way to end. */
#include "check.h"
#include "link.h"
#include "raw.h"
#include "sounding.h"

enum { SHUTDOWN, CLOSE, DISCONNECT, WAYS };

static void peer_gets_all(int fd)
{
    RAW_EXPECT(fd, 0x90, 60, 100, 0xb0, 64, 127, 0xb0, 7, 1);
    RAW_EXPECT(fd, 0x80, 60);
    raw_read(fd, (uint8_t[1]){0}, 1);
    RAW_EXPECT(fd, 0xb0, 64, 0);
    RAW_EXPECT_END(fd);
    raw_close(fd);
}

static void play(midisock_port *port, int flushed)
{
    CHECK_OK(midisock_push(port, BYTES(0x90, 60, 100)));
    CHECK_OK(midisock_push(port, BYTES(0xb0, 64, 127)));
    if (flushed)
        CHECK_OK(midisock_flush(port, DEADLINE_MS));
    CHECK_OK(midisock_push(port, BYTES(0xb0, 7, 1)));
}

static midisock_config without_linger(uint32_t overflow)
{
    midisock_config c = sounding_config();
    c.linger_ms = 0;
    c.overflow = overflow;
    return c;
}

static void end(midisock_port *port, int way)
{
    if (way == SHUTDOWN)
        CHECK_OK(midisock_shutdown(port));
    else
        midisock_close(port);
}

static void for_each(void (*run)(midisock_config c, int way, int flushed), int ways)
{
    for (uint32_t overflow = MIDISOCK_OVERFLOW_WAIT; overflow <= MIDISOCK_OVERFLOW_REPAIR; overflow++)
        for (uint32_t wake = MIDISOCK_WAKE_TICK; wake <= MIDISOCK_WAKE_SIGNAL; wake++)
            for (int way = 0; way < ways; way++)
                for (int flushed = 0; flushed < 2; flushed++) {
                    midisock_config c = without_linger(overflow);
                    c.wake = wake;
                    run(c, way, flushed);
                }
}

static void merged(midisock_config c, int way, int flushed)
{
    enum { CLIENTS = 5 };
    midisock_port *server = check_listen(&c);
    int fds[CLIENTS];
    uint32_t ids[CLIENTS];
    for (int i = 0; i < CLIENTS; i++) {
        fds[i] = raw_connect(midisock_local_port(server));
        RAW_SEND(fds[i], 0xf8);
        ids[i] = NOTIFIED(server, MIDISOCK_NOTIFY_CLIENT_JOINED).client;
    }
    play(server, flushed);
    if (way == DISCONNECT) {
        for (int i = 0; i < CLIENTS; i++)
            CHECK_OK(midisock_disconnect(server, ids[i]));
    } else {
        end(server, way);
    }
    for (int i = 0; i < CLIENTS; i++)
        peer_gets_all(fds[i]);
    if (way != CLOSE)
        midisock_close(server);
}

static void of_role(int role, midisock_config c, int way, int flushed)
{
    link l = make_link(role, c, 0);
    play(l.port, flushed);
    end(l.port, way);
    peer_gets_all(l.fd);
    l.fd = -1;
    if (way == CLOSE)
        l.port = NULL;
    end_link(l);
}

static void accepted(midisock_config c, int way, int flushed)
{
    of_role(ROLE_ACCEPTED, c, way, flushed);
}

static void client(midisock_config c, int way, int flushed)
{
    of_role(ROLE_CLIENT, c, way, flushed);
}

static void of_a_merged_server(void)
{
    for_each(merged, WAYS);
}

static void of_an_accepted_port(void)
{
    for_each(accepted, DISCONNECT);
}

static void of_a_client(void)
{
    for_each(client, DISCONNECT);
}

/* A half-closed peer goes on reading: it gets what was pushed before, and the releases. */
static void of_a_half_closed_peer(void)
{
    for (int manual = 0; manual < 2; manual++)
        for (int flushed = 0; flushed < 2; flushed++) {
            midisock_config c = without_linger(MIDISOCK_OVERFLOW_AUTO);
            midisock_port *server = manual ? sounding_listen_manual(c) : check_listen(&c);
            int fd = raw_connect(midisock_local_port(server));
            RAW_SEND(fd, 0xf8);
            NOTIFIED(server, MIDISOCK_NOTIFY_CLIENT_JOINED);
            midisock_port *port = manual ? sounding_accept(server) : server;
            play(port, 1);
            if (flushed)
                CHECK_OK(midisock_flush(port, DEADLINE_MS));
            raw_half_close(fd);
            CHECK_INT(MIDISOCK_OK, NOTIFIED(server, MIDISOCK_NOTIFY_CLIENT_LEFT).reason);
            peer_gets_all(fd);
            if (manual) {
                CHECK_INT(MIDISOCK_OK, NOTIFIED(port, MIDISOCK_NOTIFY_DISCONNECTED).reason);
                CHECK_SOON(midisock_state(port) == MIDISOCK_STATE_CLOSED);
                midisock_close(port);
            }
            CHECK_SOON(midisock_client_count(server) == 0);
            midisock_close(server);
        }
}

int main(int argc, char **argv)
{
    static const check_case cases[] = {
        CASE(of_a_merged_server),
        CASE(of_an_accepted_port),
        CASE(of_a_client),
        CASE(of_a_half_closed_peer),
    };
    return check_main(argc, argv, CASES(cases));
}
