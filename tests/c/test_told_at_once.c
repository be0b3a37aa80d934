/* What a socket shows is told at once, and what is lost with it is counted. In every case linger_ms is far beyond the
 * deadlines, so nothing here may wait for it. */
#include "check.h"
#include "link.h"
#include "raw.h"

enum { FOR_EVER_MS = 600000 };

/* A client connects again after so long. */
static link told_link(int role, uint32_t overflow, uint32_t reconnect_ms)
{
    midisock_config c;
    midisock_config_init(&c, sizeof c);
    c.overflow = overflow;
    c.linger_ms = FOR_EVER_MS;
    c.reconnect_min_ms = c.reconnect_max_ms = reconnect_ms;
    link l = make_link(role, c, 0);
    if (role == ROLE_CLIENT)
        NOTIFIED(l.port, MIDISOCK_NOTIFY_CONNECTED);
    else
        NOTIFIED(l.server, MIDISOCK_NOTIFY_CLIENT_JOINED);
    return l;
}

/* The case has closed the peer's socket. */
static void end_told(link l)
{
    l.fd = -1;
    end_link(l);
}

static midisock_notification told(link l, int role)
{
    if (role != ROLE_MERGED) {
        midisock_notification n = NOTIFIED(l.port, MIDISOCK_NOTIFY_DISCONNECTED);
        if (role == ROLE_ACCEPTED)
            NOTIFIED(l.server, MIDISOCK_NOTIFY_CLIENT_LEFT);
        return n;
    }
    return NOTIFIED(l.port, MIDISOCK_NOTIFY_CLIENT_LEFT);
}

/* With a note that sounds at the peer, and with none. */
static void an_orderly_end_is_told(void)
{
    for (int role = 0; role < ROLES; role++)
        for (uint32_t overflow = MIDISOCK_OVERFLOW_WAIT; overflow <= MIDISOCK_OVERFLOW_REPAIR; overflow++)
            for (int sounds = 0; sounds < 2; sounds++)
                for (int half = 0; half < 2; half++) {
                    link l = told_link(role, overflow, FOR_EVER_MS);
                    uint8_t status = sounds ? 0x90 : 0xb0;
                    CHECK_OK(midisock_push(l.port, BYTES(status, 60, 64)));
                    RAW_EXPECT(l.fd, status, 60, 64);
                    if (half)
                        raw_half_close(l.fd);
                    else
                        raw_close(l.fd);
                    CHECK_INT(MIDISOCK_OK, told(l, role).reason);
                    if (role == ROLE_MERGED)
                        CHECK_INT(0, midisock_client_count(l.port));
                    if (half)
                        raw_close(l.fd);
                    end_told(l);
                }
}

/* The peer has closed, and answers what is written with a reset. */
static void a_reset_in_answer_is_told_and_the_loss_is_counted(void)
{
    for (int role = 0; role < ROLES; role++)
        for (uint32_t overflow = MIDISOCK_OVERFLOW_WAIT; overflow <= MIDISOCK_OVERFLOW_REPAIR; overflow++)
            for (int round = 0; round < 20; round++) {
                link l = told_link(role, overflow, FOR_EVER_MS);
                CHECK_OK(midisock_push(l.port, BYTES(0x90, 60, 64)));
                RAW_EXPECT(l.fd, 0x90, 60, 64);
                raw_close(l.fd);
                unsigned accepted = 1;
                /* Pushed all the while, as by a song that goes on. */
                for (uint64_t until = check_now_ms() + DEADLINE_MS; midisock_state(l.port) != MIDISOCK_STATE_CONNECTING;) {
                    midisock_result r = midisock_push(l.port, BYTES(0xf2, (uint8_t)(accepted & 127), 1));
                    accepted += r == MIDISOCK_OK;
                    if (r == MIDISOCK_OFFLINE || r == MIDISOCK_ERR_CLOSED)
                        break;
                    if (check_now_ms() > until)
                        check_fail(__FILE__, __LINE__, "role %d, overflow %u: never told", role, overflow);
                    check_pause();
                }
                told(l, role);
                midisock_stats s;
                uint64_t until = check_now_ms() + DEADLINE_MS;
                do {
                    s = check_stats(l.port);
                    check_pause();
                } while (s.messages_out + s.dropped_out < accepted && check_now_ms() < until);
                /* What was refused as OFFLINE is in dropped_out too. */
                CHECK(s.messages_out + s.dropped_out >= accepted);
                CHECK(s.messages_out + s.dropped_out <= accepted + 1);
                end_told(l);
            }
}

static void a_reset_is_told(void)
{
    for (int role = 0; role < ROLES; role++)
        for (int half = 0; half < 2; half++) {
            link l = told_link(role, MIDISOCK_OVERFLOW_AUTO, FOR_EVER_MS);
            CHECK_OK(midisock_push(l.port, BYTES(0x90, 60, 64)));
            RAW_EXPECT(l.fd, 0x90, 60, 64);
            if (half)
                raw_half_close(l.fd);
            raw_reset(l.fd);
            told(l, role);
            CHECK_COUNT(l.port, messages_out, 1);
            end_told(l);
        }
}

/* The connection is made again as soon as the socket shows that it is over. */
static void a_client_connects_again_at_once(void)
{
    for (uint32_t overflow = MIDISOCK_OVERFLOW_WAIT; overflow <= MIDISOCK_OVERFLOW_REPAIR; overflow++) {
        link l = told_link(ROLE_CLIENT, overflow, 200);
        for (int i = 0; i < 5; i++) {
            CHECK_OK(midisock_push(l.port, BYTES(0x90, 60, 64)));
            RAW_EXPECT(l.fd, 0x90, 60, 64);
            raw_close(l.fd);
            midisock_push(l.port, BYTES(0xf6));
            l.fd = raw_accept(l.listener);
            RAW_EXPECT(l.fd, 0x80, 60); /* what the old one left sounding */
            raw_read(l.fd, (uint8_t[1]){0}, 1);
            CHECK_OK(midisock_wait_connected(l.port, DEADLINE_MS));
        }
        raw_close(l.fd);
        end_told(l);
    }
}

int main(int argc, char **argv)
{
    static const check_case cases[] = {
        CASE(an_orderly_end_is_told),
        CASE(a_reset_in_answer_is_told_and_the_loss_is_counted),
        CASE(a_reset_is_told),
        CASE(a_client_connects_again_at_once),
    };
    return check_main(argc, argv, CASES(cases));
}
