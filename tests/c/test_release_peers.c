/* release_on_close: when a port is closed, its peers get the releases of the
 * notes that it left on. */
#include "check.h"
#include "raw.h"
#include "sounding.h"

/* What was pushed, then exactly what releases it, then the end. */
static void raw_expect_sounding(int fd, int releases)
{
    raw_expect(fd, sounding, sizeof sounding, __FILE__, __LINE__);
    if (releases)
        RAW_EXPECT(fd, 0x81, 60, 64, 0x81, 60, 64, 0x81, 61, 64, 0x83, 0, 64, 0x83, 127, 64,
                   0xb1, 64, 0, 0xb1, 66, 0, 0xb1, 68, 0, 0xd1, 0, 0xe1, 0, 0x40, 0xb3, 64, 0,
                   0xe3, 0, 0x40, 0xfc);
}

static void at_the_peer_of_a_port_that_closes(void)
{
    for (int wanted = 0; wanted < 2; wanted++)
        for (int shut = 0; shut < 2; shut++)
            for (uint32_t overflow = MIDISOCK_OVERFLOW_WAIT; overflow <= MIDISOCK_OVERFLOW_REPAIR;
                 overflow++) {
                midisock_config c = sounding_config();
                c.release_on_close = (uint32_t)wanted;
                c.overflow = overflow;
                uint16_t number = 0;
                int listener = raw_listen(&number);
                midisock_port *port = NULL;
                CHECK_OK(midisock_connect("127.0.0.1", number, &c, &port));
                int fd = raw_accept(listener);
                CHECK_OK(midisock_wait_connected(port, DEADLINE_MS));
                sounding_push(port);
                if (shut)
                    CHECK_OK(midisock_shutdown(port)); /* and close does it no second time */
                else
                    midisock_close(port);
                raw_expect_sounding(fd, wanted);
                RAW_EXPECT_END(fd);
                if (shut) {
                    CHECK_COUNT(port, synthesized, wanted ? RELEASES : 0);
                    midisock_close(port);
                }
                raw_close(fd);
                raw_close(listener);
            }
}

static void at_an_accepted_ports_peer(void)
{
    midisock_port *server = sounding_listen_manual(sounding_config());
    int fd = raw_connect(midisock_local_port(server));
    midisock_port *port = sounding_accept(server);
    sounding_push(port);
    CHECK_OK(midisock_flush(port, DEADLINE_MS));
    midisock_close(server); /* leaves the port alone */
    CHECK_INT(MIDISOCK_STATE_CONNECTED, midisock_state(port));
    midisock_close(port);
    raw_expect_sounding(fd, 1);
    RAW_EXPECT_END(fd);
    raw_close(fd);
}

static void each_client_gets_the_releases_of_what_it_received(void)
{
    midisock_config c = sounding_config();
    midisock_port *server = check_listen(&c);
    int fds[3];
    uint32_t ids[3];
    for (int i = 0; i < 3; i++) {
        fds[i] = raw_connect(midisock_local_port(server));
        RAW_SEND(fds[i], 0xf6);
        ids[i] = EXPECT(server, 0xf6).client;
    }
    CHECK_OK(midisock_push(server, BYTES(0x90, 60, 1)));
    /* For one alone: only there it is released. */
    midisock_message m = {0, (const uint8_t *)"\x90\x3d\x01", 3, ids[1], 0, 0, {0, 0}};
    CHECK_OK(midisock_push_message(server, &m));
    CHECK_OK(midisock_push(server, BYTES(0xb0, 64, 127)));
    /* One is sent away: it alone is released, now. */
    CHECK_OK(midisock_disconnect(server, ids[0]));
    RAW_EXPECT(fds[0], 0x90, 60, 1, 0xb0, 64, 127, 0x80, 60, 64, 0xb0, 64, 0);
    RAW_EXPECT_END(fds[0]);
    RAW_EXPECT(fds[1], 0x90, 60, 1, 0x90, 61, 1, 0xb0, 64, 127);
    CHECK_OK(midisock_push(server, BYTES(0x80, 60, 9)));
    midisock_close(server);
    RAW_EXPECT(fds[1], 0x80, 60, 9, 0x80, 61, 64, 0xb0, 64, 0);
    RAW_EXPECT_END(fds[1]);
    RAW_EXPECT(fds[2], 0x90, 60, 1, 0xb0, 64, 127, 0x80, 60, 9, 0xb0, 64, 0);
    RAW_EXPECT_END(fds[2]);
    for (int i = 0; i < 3; i++)
        raw_close(fds[i]);
}

static void no_releases_at_a_disconnected_client_when_turned_off(void)
{
    midisock_config c = sounding_config();
    c.release_on_close = 0;
    midisock_port *server = check_listen(&c);
    int fd = raw_connect(midisock_local_port(server));
    uint32_t id = NOTIFIED(server, MIDISOCK_NOTIFY_CLIENT_JOINED).client;
    sounding_push(server);
    CHECK_OK(midisock_disconnect(server, id));
    raw_expect_sounding(fd, 0);
    RAW_EXPECT_END(fd);
    raw_close(fd);
    midisock_close(server);
}

static void a_half_closed_peer_receives_the_releases(void)
{
    midisock_config c = sounding_config();
    midisock_port *server = check_listen(&c);
    int fd = raw_connect(midisock_local_port(server));
    NOTIFIED(server, MIDISOCK_NOTIFY_CLIENT_JOINED);
    CHECK_OK(midisock_push(server, BYTES(0x90, 60, 1)));
    RAW_EXPECT(fd, 0x90, 60, 1);
    raw_half_close(fd);
    RAW_EXPECT(fd, 0x80, 60, 64);
    RAW_EXPECT_END(fd);
    raw_close(fd);
    midisock_close(server);
}

static void between_two_ports_of_the_library(void)
{
    /* Both release: once is enough for the one that pops, whichever side made
     * it: it holds nothing in the end, and gets nothing it does not hold. */
    for (int closing = 0; closing < 2; closing++)
        for (int leaving = 0; leaving < 2; leaving++) {
            midisock_config c = sounding_config();
            c.release_on_disconnect = (uint32_t)leaving;
            midisock_port *server = check_listen(&c);
            c.release_on_close = (uint32_t)closing;
            midisock_port *client = check_connect(server, &c);
            sounding_push(client);
            midisock_close(client);
            uint32_t id = sounding_pop(server);
            if (closing || leaving)
                for (int i = 0; i < RELEASES; i++) {
                    midisock_message m = POP(server);
                    CHECK_INT(closing ? 0 : MIDISOCK_FLAG_SYNTHETIC, m.flags);
                    CHECK_INT(id, m.client);
                }
            CHECK_COUNT(server, disconnections, 1);
            midisock_message m;
            CHECK_RESULT(MIDISOCK_EMPTY, midisock_pop(server, &m));
            midisock_close(server);
        }
}

static void at_the_other_of_a_pair(void)
{
    for (int which = 0; which < 4; which++) {
        midisock_config c = sounding_config();
        c.release_on_close = which == 1 || which == 3;
        c.release_on_disconnect = which == 2 || which == 3;
        midisock_port *a = NULL;
        midisock_port *b = NULL;
        CHECK_OK(midisock_pair(&c, &a, &b));
        sounding_push(a);
        if (which < 2) {
            sounding_pop(b);
            midisock_close(a);
        } else {
            midisock_close(a);
            sounding_pop(b);
        }
        if (which != 0)
            sounding_released(b, 0);
        midisock_message m;
        CHECK_RESULT(MIDISOCK_ERR_CLOSED, midisock_pop(b, &m));
        CHECK_INT(which == 0 ? 0 : RELEASES, check_stats(b).synthesized);
        midisock_close(b);
    }
}

int main(int argc, char **argv)
{
    static const check_case cases[] = {
        CASE(at_the_peer_of_a_port_that_closes),
        CASE(at_an_accepted_ports_peer),
        CASE(each_client_gets_the_releases_of_what_it_received),
        CASE(no_releases_at_a_disconnected_client_when_turned_off),
        CASE(a_half_closed_peer_receives_the_releases),
        CASE(between_two_ports_of_the_library),
        CASE(at_the_other_of_a_pair),
    };
    return check_main(argc, argv, CASES(cases));
}
