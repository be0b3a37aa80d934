/* The order of sending: of time, then of pushing. Random schedules are judged by a model of its own, which knows only
 * the contract in the header. */
#include "check.h"
#include "raw.h"

#include <string.h>

#define MS UINT64_C(1000000)

enum { MOST = 24 };

/* What was pushed. It leaves at a time that lies between `soonest` and `latest`. */
typedef struct pushed {
    uint64_t soonest, latest;
    uint8_t bytes[3];
    int came;
} pushed;

typedef struct link {
    midisock_port *server;
    int fd;
} link;

static link make_link(uint32_t wake, uint32_t tick_us, uint32_t overflow)
{
    midisock_config c = check_config();
    c.wake = wake;
    c.tick_us = tick_us;
    c.overflow = overflow;
    link l;
    l.server = check_listen(&c);
    l.fd = raw_connect(midisock_local_port(l.server));
    RAW_SEND(l.fd, 0xf8);
    NOTIFIED(l.server, MIDISOCK_NOTIFY_CLIENT_JOINED);
    EXPECT(l.server, 0xf8);
    return l;
}

static void end_link(link l)
{
    raw_close(l.fd);
    midisock_close(l.server);
}

static pushed push(midisock_port *port, uint64_t time_ns, const uint8_t bytes[3])
{
    pushed p;
    memset(&p, 0, sizeof p);
    memcpy(p.bytes, bytes, 3);
    midisock_message m = {time_ns, bytes, 3, 0, 0, 0, {0, 0}};
    p.soonest = midisock_now_ns();
    CHECK_OK(midisock_push_message(port, &m));
    p.latest = midisock_now_ns();
    /* For now: it counts with the time of its push. */
    if (p.soonest < time_ns)
        p.soonest = time_ns;
    if (p.latest < time_ns)
        p.latest = time_ns;
    return p;
}

/* Whether the contract says that the push `a`, which was before the push `b`, leaves before it (1), after it (-1), or
 * does not say (0), since one of them is for now and its push took some time. */
static int order(const pushed *a, const pushed *b)
{
    if (b->latest < a->soonest)
        return -1;
    /* Pushes for now follow one another, so only a time ahead of `a` may be later. */
    int a_is_certain = a->soonest == a->latest;
    if (a->latest <= b->soonest || (!a_is_certain && b->soonest != b->latest))
        return 1;
    return 0;
}

static void read_all(int fd, pushed *list, int count)
{
    for (int place = 0; place < count; place++) {
        uint8_t b[3];
        raw_read(fd, b, sizeof b);
        int found = -1;
        for (int i = 0; i < count && found < 0; i++)
            if (!list[i].came && memcmp(list[i].bytes, b, 3) == 0)
                found = i;
        if (found < 0)
            check_fail(__FILE__, __LINE__, "%02x %02x %02x was not pushed, or came twice", b[0], b[1], b[2]);
        list[found].came = place + 1;
    }
}

/* No two messages have the same bytes. */
static void judge(int fd, pushed *list, int count)
{
    read_all(fd, list, count);
    for (int a = 0; a < count; a++)
        for (int b = a + 1; b < count; b++) {
            int expected = order(&list[a], &list[b]);
            int is_first = list[a].came < list[b].came;
            if ((expected > 0 && !is_first) || (expected < 0 && is_first))
                check_fail(__FILE__, __LINE__, "push %d (for %llu..%llu) came %d., push %d (for %llu..%llu) %d.", a,
                           (unsigned long long)list[a].soonest, (unsigned long long)list[a].latest, list[a].came, b,
                           (unsigned long long)list[b].soonest, (unsigned long long)list[b].latest, list[b].came);
        }
}

static void random_schedules(link l, uint32_t random, int rounds)
{
    for (int round = 0; round < rounds; round++) {
        pushed list[MOST];
        int count = 2 + (int)(check_random(&random) % (MOST - 2));
        uint64_t base = midisock_now_ns();
        for (int i = 0; i < count; i++) {
            uint64_t time_ns = 0;
            switch (check_random(&random) % 5) {
            case 0:
                break;
            case 1: /* the past is now */
                time_ns = base - check_random(&random) % MS;
                break;
            case 2: /* many at the same time */
                time_ns = base + (1 + check_random(&random) % 3) * MS;
                break;
            default:
                time_ns = base + check_random(&random) % (3 * MS);
            }
            if (check_random(&random) % 8 == 0) {
                /* What was scheduled falls due between two pushes. */
                uint64_t until = midisock_now_ns() + check_random(&random) % (MS / 2);
                while (midisock_now_ns() < until)
                    ;
            }
            const uint8_t bytes[3] = {(uint8_t)(0xb0 + check_random(&random) % 2), (uint8_t)(32 + i), (uint8_t)(round & 127)};
            list[i] = push(l.server, time_ns, bytes);
        }
        judge(l.fd, list, count);
    }
}

static void random_schedules_of_a_port_that_ticks(void)
{
    static const uint32_t ticks[] = {50, 500, 5000, 20000};
    for (uint32_t i = 0; i < 4; i++) {
        link l = make_link(MIDISOCK_WAKE_TICK, ticks[i], i % 2 ? MIDISOCK_OVERFLOW_WAIT : MIDISOCK_OVERFLOW_REPAIR);
        random_schedules(l, i + 1, i == 3 ? 100 : 400);
        end_link(l);
    }
}

static void random_schedules_of_a_port_that_signals(void)
{
    for (uint32_t i = 0; i < 2; i++) {
        link l = make_link(MIDISOCK_WAKE_SIGNAL, 500, i % 2 ? MIDISOCK_OVERFLOW_WAIT : MIDISOCK_OVERFLOW_REPAIR);
        random_schedules(l, i + 10, 800);
        end_link(l);
    }
}

static void at(link l, uint64_t time_ns, uint8_t status, uint8_t key, uint8_t value)
{
    const uint8_t bytes[3] = {status, key, value};
    push(l.server, time_ns, bytes);
}

/* What was pushed first for `due_ns` comes second, unless the second push came too late for that. */
static void expect_swapped(link l, uint64_t due_ns, const uint8_t both[6])
{
    uint8_t came[6];
    int in_time = midisock_now_ns() < due_ns;
    raw_read(l.fd, came, sizeof came);
    if (in_time)
        CHECK_MEMORY(both, 6, came, sizeof came);
}

/* Both are due before the network thread looks. */
static void a_later_time_that_is_pushed_first(void)
{
    link l = make_link(MIDISOCK_WAKE_TICK, 50000, MIDISOCK_OVERFLOW_AUTO);
    for (uint8_t i = 0; i < 20; i++) {
        uint64_t now = midisock_now_ns();
        at(l, now + 2 * MS, 0xb0, 7, i);
        at(l, now + 1 * MS, 0xb0, 8, i);
        expect_swapped(l, now + 2 * MS, (uint8_t[]){0xb0, 8, i, 0xb0, 7, i});
    }
    end_link(l);
}

/* A value for now is older than one that fell due after it, and newer than one that fell due before it, whenever the
 * network thread looks. */
static void a_value_for_now_among_those_that_fall_due(void)
{
    static const uint32_t wakes[] = {MIDISOCK_WAKE_TICK, MIDISOCK_WAKE_SIGNAL};
    for (int w = 0; w < 2; w++) {
        link l = make_link(wakes[w], 20000, MIDISOCK_OVERFLOW_AUTO);
        for (uint8_t i = 0; i < 40; i++) {
            uint64_t due = midisock_now_ns() + 8 * MS;
            at(l, due, 0xb0, 7, i);
            CHECK_OK(midisock_flush(l.server, DEADLINE_MS));
            int before = i % 2;
            while (midisock_now_ns() < due - (before ? MS / 3 : 0))
                ;
            const uint8_t value[3] = {0xb0, 7, 100};
            pushed p = push(l.server, 0, value);
            if (p.latest < due)
                RAW_EXPECT(l.fd, 0xb0, 7, 100, 0xb0, 7, i);
            else if (p.soonest > due)
                RAW_EXPECT(l.fd, 0xb0, 7, i, 0xb0, 7, 100);
            else
                raw_read(l.fd, (uint8_t[6]){0}, 6); /* at the very moment */
        }
        end_link(l);
    }
}

/* A Note Off that was scheduled before its Note On is pushed. */
static void a_note_off_that_is_pushed_first(void)
{
    link l = make_link(MIDISOCK_WAKE_TICK, 50000, MIDISOCK_OVERFLOW_AUTO);
    for (int i = 0; i < 20; i++) {
        uint64_t now = midisock_now_ns();
        at(l, now + 2 * MS, 0x80, 60, 64);
        at(l, now + 1 * MS, 0x90, 60, 100);
        expect_swapped(l, now + 2 * MS, (uint8_t[]){0x90, 60, 100, 0x80, 60, 64});
    }
    end_link(l);
}

/* As many Note Offs as Note Ons: each Note Off has its Note On. */
static void two_note_offs_for_two_strikes_ahead(void)
{
    static const uint32_t wakes[] = {MIDISOCK_WAKE_TICK, MIDISOCK_WAKE_SIGNAL};
    for (int w = 0; w < 2; w++) {
        link l = make_link(wakes[w], 500, MIDISOCK_OVERFLOW_AUTO);
        for (int taken_up = 0; taken_up < 2; taken_up++) {
            uint64_t now = midisock_now_ns();
            at(l, now + 900 * MS, 0x90, 60, 1);
            at(l, now + 1200 * MS, 0x90, 60, 2);
            if (taken_up)
                CHECK_OK(midisock_flush(l.server, DEADLINE_MS));
            at(l, 0, 0x80, 60, 1);
            at(l, 0, 0x80, 60, 2);
            RAW_EXPECT(l.fd, 0x90, 60, 1, 0x80, 60, 1, 0x90, 60, 2, 0x80, 60, 2);
            now = midisock_now_ns();
            at(l, now + 900 * MS, 0x90, 60, 1);
            at(l, now + 1200 * MS, 0x90, 60, 2);
            if (taken_up)
                CHECK_OK(midisock_flush(l.server, DEADLINE_MS));
            at(l, now + 40 * MS, 0x80, 60, 1);
            at(l, now + 60 * MS, 0x80, 60, 2);
            RAW_EXPECT(l.fd, 0x90, 60, 1, 0x80, 60, 1, 0x90, 60, 2, 0x80, 60, 2);
            now = midisock_now_ns();
            at(l, now + 900 * MS, 0x90, 60, 1);
            at(l, now + 1000 * MS, 0x80, 60, 1);
            at(l, now + 1200 * MS, 0x90, 60, 2);
            if (taken_up)
                CHECK_OK(midisock_flush(l.server, DEADLINE_MS));
            at(l, 0, 0x80, 60, 2);
            RAW_EXPECT(l.fd, 0x90, 60, 1, 0x80, 60, 1, 0x90, 60, 2, 0x80, 60, 2);
        }
        end_link(l);
    }
}

/* Random notes, each with its Note Off, which is pushed somewhere after it and may be meant for any time: at the peer
 * nothing is ended that does not sound, and nothing sounds in the end. */
static void random_notes(uint32_t wake, uint32_t random)
{
    enum { KEYS = 3, NOTES = 10 };
    link l = make_link(wake, 1000, MIDISOCK_OVERFLOW_AUTO);
    for (int round = 0; round < 1000; round++) {
        unsigned strikes[KEYS] = {0}, releases[KEYS] = {0}, pushes = 0;
        uint64_t base = midisock_now_ns();
        while (pushes < 2 * NOTES) {
            unsigned key = check_random(&random) % KEYS;
            uint64_t time_ns = check_random(&random) % 3 ? base + check_random(&random) % (4 * MS) : 0;
            unsigned all = strikes[0] + strikes[1] + strikes[2];
            if (check_random(&random) % 2 && all < NOTES) {
                at(l, time_ns, 0x90, (uint8_t)(60 + key), (uint8_t)(1 + strikes[key]++));
            } else if (releases[key] < strikes[key]) {
                at(l, time_ns, 0x80, (uint8_t)(60 + key), (uint8_t)(1 + releases[key]++));
            } else {
                continue;
            }
            pushes++;
        }
        int sounding[KEYS] = {0};
        for (unsigned i = 0; i < pushes; i++) {
            uint8_t b[3];
            raw_read(l.fd, b, sizeof b);
            int *count = &sounding[b[1] - 60];
            *count += b[0] == 0x90 ? 1 : -1;
            if (*count < 0)
                check_fail(__FILE__, __LINE__, "round %d: a Note Off of %d came before its Note On", round, b[1]);
        }
        for (int key = 0; key < KEYS; key++)
            CHECK_INT(0, sounding[key]);
    }
    end_link(l);
}

static void each_note_off_has_its_note_on(void)
{
    random_notes(MIDISOCK_WAKE_TICK, 5);
    random_notes(MIDISOCK_WAKE_SIGNAL, 6);
}

int main(int argc, char **argv)
{
    static const check_case cases[] = {
        CASE(random_schedules_of_a_port_that_ticks),
        CASE(random_schedules_of_a_port_that_signals),
        CASE(a_later_time_that_is_pushed_first),
        CASE(a_value_for_now_among_those_that_fall_due),
        CASE(a_note_off_that_is_pushed_first),
        CASE(two_note_offs_for_two_strikes_ahead),
        CASE(each_note_off_has_its_note_on),
    };
    return check_main(argc, argv, CASES(cases));
}
