/* midisock_cancel keeps exactly what ends sounding notes, at its time: random schedules, judged by a model of its own. */
#include "check.h"
#include "raw.h"

#include <string.h>

#define MS UINT64_C(1000000)

enum { KEYS = 4, MOST = 24 };

typedef struct off {
    uint64_t time_ns;
    uint8_t key, number;
    int expected;
} off;

static void push_at(midisock_port *port, uint64_t time_ns, uint8_t status, uint8_t key, uint8_t value)
{
    const uint8_t bytes[3] = {status, key, value};
    midisock_message m = {time_ns, bytes, 3, 0, 0, 0, {0, 0}};
    CHECK_OK(midisock_push_message(port, &m));
}

static void one_round(midisock_port *port, int fd, uint32_t *random, int taken_up)
{
    unsigned sounding[KEYS], struck = 0;
    for (uint8_t key = 0; key < KEYS; key++) {
        sounding[key] = check_random(random) % 3;
        struck += sounding[key];
        for (unsigned i = 0; i < sounding[key]; i++)
            push_at(port, 0, 0x90, key, 1);
    }
    for (unsigned i = 0; i < struck; i++)
        raw_read(fd, (uint8_t[3]){0}, 3);
    /* The Note Offs of a key are pushed in the order of their times. */
    uint64_t base = midisock_now_ns() + 60 * MS, last[KEYS];
    for (int key = 0; key < KEYS; key++)
        last[key] = base;
    off offs[MOST];
    unsigned count = 0, left[KEYS], kept = 0;
    memcpy(left, sounding, sizeof left);
    for (unsigned i = 0; i < MOST; i++) {
        uint8_t key = (uint8_t)(check_random(random) % KEYS);
        switch (check_random(random) % 4) {
        case 0:
            push_at(port, base + check_random(random) % (8 * MS), 0x90, key, 2);
            break;
        case 1:
            push_at(port, base + check_random(random) % (8 * MS), 0xb0, (uint8_t)(7 + key), 2);
            break;
        default: {
            off *o = &offs[count];
            last[key] += check_random(random) % (2 * MS);
            o->time_ns = last[key];
            o->key = key;
            o->number = (uint8_t)count++;
            /* Each ends one of those that sound, the first ones first. */
            o->expected = left[key] != 0;
            left[key] -= left[key] != 0;
            kept += o->expected != 0;
            push_at(port, o->time_ns, 0x80, key, o->number);
        }
        }
    }
    if (taken_up)
        CHECK_OK(midisock_flush(port, DEADLINE_MS));
    CHECK_OK(midisock_cancel(port));
    int in_time = midisock_now_ns() < base;
    CHECK_OK(midisock_flush(port, DEADLINE_MS));
    if (!in_time)
        check_skip("this machine is too slow");
    for (unsigned i = 0; i < kept; i++) {
        uint8_t b[3];
        raw_read(fd, b, 3);
        uint64_t now = midisock_now_ns();
        if (b[0] != 0x80 || b[2] >= count || !offs[b[2]].expected || offs[b[2]].key != b[1])
            check_fail(__FILE__, __LINE__, "%02x %02x %02x was cancelled", b[0], b[1], b[2]);
        if (now < offs[b[2]].time_ns)
            check_fail(__FILE__, __LINE__, "%02x %02x %02x came %llu ns early", b[0], b[1], b[2],
                       (unsigned long long)(offs[b[2]].time_ns - now));
        offs[b[2]].expected = 0;
    }
    /* Nothing else, and nothing sounds. */
    while (midisock_now_ns() < base + 60 * MS && kept != 0)
        check_pause();
    CHECK_OK(midisock_push(port, BYTES(0xf3, 7)));
    RAW_EXPECT(fd, 0xf3, 7);
    unsigned rest = 0;
    for (uint8_t key = 0; key < KEYS; key++)
        for (; left[key] != 0; left[key]--, rest++)
            push_at(port, 0, 0x80, key, 99);
    for (; rest != 0; rest--)
        raw_read(fd, (uint8_t[3]){0}, 3);
}

static void random_schedules(uint32_t overflow, uint32_t wake, uint32_t random)
{
    midisock_config c = check_config();
    c.overflow = overflow;
    c.wake = wake;
    midisock_port *server = check_listen(&c);
    int fd = raw_connect(midisock_local_port(server));
    RAW_SEND(fd, 0xf8);
    EXPECT(server, 0xf8);
    for (int round = 0; round < 30; round++)
        one_round(server, fd, &random, round % 2);
    raw_close(fd);
    midisock_close(server);
}

static void of_a_port_that_repairs(void)
{
    random_schedules(MIDISOCK_OVERFLOW_REPAIR, MIDISOCK_WAKE_TICK, 1);
    random_schedules(MIDISOCK_OVERFLOW_REPAIR, MIDISOCK_WAKE_SIGNAL, 2);
}

static void of_a_port_that_waits(void)
{
    random_schedules(MIDISOCK_OVERFLOW_WAIT, MIDISOCK_WAKE_TICK, 3);
    random_schedules(MIDISOCK_OVERFLOW_WAIT, MIDISOCK_WAKE_SIGNAL, 4);
}

int main(int argc, char **argv)
{
    static const check_case cases[] = {
        CASE(of_a_port_that_repairs),
        CASE(of_a_port_that_waits),
    };
    return check_main(argc, argv, CASES(cases));
}
