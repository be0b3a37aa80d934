/* What push refused with FULL on a repairing port and was meant for later keeps its time, and is cancelled like all that
 * is scheduled. What was meant for now is never cancelled. */
#include "check.h"
#include "link.h"
#include "raw.h"

#define MS UINT64_C(1000000)
/* Within the horizon, and beyond every deadline of a case that works. */
#define FAR (9000 * MS)

/* A controller sounds at the peer, and a note. */
static link sounding_link(int role, uint32_t wake)
{
    midisock_config c = check_config();
    c.overflow = MIDISOCK_OVERFLOW_REPAIR;
    c.out_queue_bytes = 4096;
    c.wake = wake;
    link l = make_link(role, c, 0);
    CHECK_OK(midisock_push(l.port, BYTES(0x91, 60, 100)));
    CHECK_OK(midisock_push(l.port, BYTES(0xb1, 7, 100)));
    RAW_EXPECT(l.fd, 0x91, 60, 100, 0xb1, 7, 100);
    return l;
}

static midisock_result push_at(midisock_port *port, uint64_t time_ns, const uint8_t *data, size_t size)
{
    midisock_message m = {time_ns, data, (uint32_t)size, 0, 0, 0, {0, 0}};
    return midisock_push_message(port, &m);
}

/* Schedules until no more can be. */
static void fill(midisock_port *port, uint64_t time_ns)
{
    midisock_result r;
    while ((r = push_at(port, time_ns, BYTES(0xd2, 1))) == MIDISOCK_OK)
        ;
    CHECK_RESULT(MIDISOCK_ERR_FULL, r);
}

static void refuse_both(midisock_port *port, uint64_t time_ns)
{
    CHECK_RESULT(MIDISOCK_ERR_FULL, push_at(port, time_ns, BYTES(0x81, 60, 64)));
    CHECK_RESULT(MIDISOCK_ERR_FULL, push_at(port, time_ns, BYTES(0xb1, 7, 0)));
}

/* Waits until the network thread has taken up what was pushed. */
static void taken_up(link l, int wanted)
{
    if (wanted)
        CHECK_OK(midisock_flush(l.port, DEADLINE_MS));
}

static void it_comes_at_its_time(void)
{
    for (int role = 0; role < ROLES; role++)
        for (uint32_t wake = MIDISOCK_WAKE_TICK; wake <= MIDISOCK_WAKE_SIGNAL; wake++) {
            link l = sounding_link(role, wake);
            uint64_t due = midisock_now_ns() + 700 * MS;
            fill(l.port, due);
            refuse_both(l.port, due);
            taken_up(l, 1);
            /* Nothing before its time; then what was scheduled, then what was refused. */
            uint8_t b[2];
            raw_read(l.fd, b, 2);
            CHECK(midisock_now_ns() >= due);
            int note = 0, volume = 0;
            do {
                if (b[0] == 0xd2) {
                    CHECK(!note && !volume);
                } else {
                    uint8_t last;
                    raw_read(l.fd, &last, 1);
                    note += b[0] == 0x81 && b[1] == 60;
                    volume += b[0] == 0xb1 && b[1] == 7 && last == 0;
                }
                if (note < 1 || volume < 1)
                    raw_read(l.fd, b, 2);
            } while (note < 1 || volume < 1);
            end_link(l);
        }
}

/* After a cancel: the Note Off of a note that sounds comes, at its own time, and the volume does not. */
static void cancel_keeps_the_note_off_alone(void)
{
    for (int role = 0; role < ROLES; role++)
        for (uint32_t wake = MIDISOCK_WAKE_TICK; wake <= MIDISOCK_WAKE_SIGNAL; wake++)
            for (int first = 0; first < 2; first++) {
                link l = sounding_link(role, wake);
                uint64_t due = midisock_now_ns() + 700 * MS;
                fill(l.port, due);
                refuse_both(l.port, due);
                taken_up(l, first);
                CHECK_OK(midisock_cancel(l.port));
                CHECK_OK(midisock_flush(l.port, DEADLINE_MS));
                uint8_t b[3];
                raw_read(l.fd, b, 3);
                if (midisock_now_ns() < due)
                    check_fail(__FILE__, __LINE__, "role %d, wake %u, taken up %d: %02x %02x %02x came early", role, wake, first, b[0], b[1], b[2]);
                CHECK(b[0] == 0x81 && b[1] == 60);
                CHECK_OK(midisock_push(l.port, BYTES(0xf3, 1)));
                RAW_EXPECT(l.fd, 0xf3, 1);
                end_link(l);
            }
}

/* What was pushed for now and refused is no scheduled message: it comes, whatever is cancelled. */
static void cancel_does_not_concern_what_is_for_now(void)
{
    for (int role = 0; role < ROLES; role++)
        for (uint32_t wake = MIDISOCK_WAKE_TICK; wake <= MIDISOCK_WAKE_SIGNAL; wake++)
            for (int first = 0; first < 2; first++) {
                link l = sounding_link(role, wake);
                fill(l.port, midisock_now_ns() + FAR);
                midisock_result refused = midisock_push(l.port, BYTES(0xc1, 5));
                CHECK(refused == MIDISOCK_ERR_FULL || refused == MIDISOCK_OK);
                refused = midisock_push(l.port, BYTES(0xb1, 10, 64));
                CHECK(refused == MIDISOCK_ERR_FULL || refused == MIDISOCK_OK);
                refused = midisock_push(l.port, BYTES(0x81, 60, 64));
                CHECK(refused == MIDISOCK_ERR_FULL || refused == MIDISOCK_OK);
                taken_up(l, first);
                CHECK_OK(midisock_cancel(l.port));
                midisock_result r;
                do {
                    r = midisock_push(l.port, BYTES(0xf3, 9));
                    check_pause();
                } while (r == MIDISOCK_ERR_FULL);
                CHECK_OK(r);
                int program = 0, pan = 0, off = 0;
                for (;;) {
                    uint8_t b[3];
                    raw_read(l.fd, b, 2);
                    if (b[0] == 0xf3)
                        break;
                    program += b[0] == 0xc1 && b[1] == 5;
                    if (b[0] == 0xc1)
                        continue;
                    raw_read(l.fd, b + 2, 1);
                    pan += b[0] == 0xb1 && b[1] == 10 && b[2] == 64;
                    off += b[0] == 0x81 && b[1] == 60;
                    CHECK(b[0] == 0x81 || b[1] == 10);
                }
                CHECK_INT(1, program);
                CHECK_INT(1, pan);
                CHECK_INT(1, off);
                end_link(l);
            }
}

int main(int argc, char **argv)
{
    static const check_case cases[] = {
        CASE(it_comes_at_its_time),
        CASE(cancel_keeps_the_note_off_alone),
        CASE(cancel_does_not_concern_what_is_for_now),
    };
    return check_main(argc, argv, CASES(cases));
}
