/* Scheduled messages. */
#include "check.h"
#include "raw.h"

#include <string.h>

#define MS UINT64_C(1000000)

typedef struct link {
    midisock_port *server;
    int fd;
} link;

static link make_link(const midisock_config *config)
{
    link l;
    l.server = check_listen(config);
    l.fd = raw_connect(midisock_local_port(l.server));
    NOTIFIED(l.server, MIDISOCK_NOTIFY_CLIENT_JOINED);
    return l;
}

static void end_link(link l)
{
    raw_close(l.fd);
    midisock_close(l.server);
}

static midisock_result push_at(midisock_port *port, uint64_t time_ns, const uint8_t *data,
                               size_t size)
{
    midisock_message m = {time_ns, data, (uint32_t)size, 0, 0, 0, {0, 0}};
    return midisock_push_message(port, &m);
}

static void held_back_until_its_time(void)
{
    link l = make_link(NULL);
    /* So far ahead that a slow machine is done before. */
    for (int i = 0; i < 3; i++) {
        uint64_t due = midisock_now_ns() + 1500 * MS;
        CHECK_OK(push_at(l.server, due, BYTES(0xf3, 1)));
        CHECK_OK(midisock_push(l.server, BYTES(0xf3, 2))); /* does not wait for it */
        RAW_EXPECT(l.fd, 0xf3, 2);
        RAW_EXPECT(l.fd, 0xf3, 1);
        CHECK(midisock_now_ns() >= due);
    }
    end_link(l);
}

static void the_past_is_now(void)
{
    link l = make_link(NULL);
    const uint64_t times[] = {0, 1, midisock_now_ns() - 1000 * MS, midisock_now_ns()};
    for (uint8_t i = 0; i < 4; i++)
        CHECK_OK(push_at(l.server, times[i], BYTES(0xf3, i)));
    RAW_EXPECT(l.fd, 0xf3, 0, 0xf3, 1, 0xf3, 2, 0xf3, 3);
    end_link(l);
}

static void in_order_of_time_then_of_pushing(void)
{
    enum { N = 100, TIMES = 10 };
    link l = make_link(NULL);
    uint64_t base = midisock_now_ns() + 2000 * MS;
    uint32_t random = 17;
    uint8_t slots[N];
    for (uint8_t i = 0; i < N; i++) {
        slots[i] = (uint8_t)(check_random(&random) % TIMES);
        CHECK_OK(push_at(l.server, base + slots[i] * 5 * MS, BYTES(0xf2, slots[i], i)));
    }
    for (uint8_t slot = 0; slot < TIMES; slot++)
        for (uint8_t i = 0; i < N; i++)
            if (slots[i] == slot)
                RAW_EXPECT(l.fd, 0xf2, slot, i);
    CHECK(midisock_now_ns() >= base + (TIMES - 1) * 5 * MS);
    end_link(l);
}

static void a_note_off_never_overtakes_its_note_on(void)
{
    link l = make_link(NULL);
    uint64_t due = midisock_now_ns() + 1500 * MS;
    CHECK_OK(push_at(l.server, due, BYTES(0x93, 60, 100)));
    CHECK_OK(midisock_push(l.server, BYTES(0x83, 60, 64)));  /* for now, but its note is not yet */
    CHECK_OK(midisock_push(l.server, BYTES(0xf6)));          /* does not wait */
    RAW_EXPECT(l.fd, 0xf6);
    RAW_EXPECT(l.fd, 0x93, 60, 100, 0x83, 60, 64);
    CHECK(midisock_now_ns() >= due);
    /* A note on of velocity 0 is one as well. */
    due = midisock_now_ns() + 1500 * MS;
    CHECK_OK(push_at(l.server, due, BYTES(0x94, 61, 100)));
    CHECK_OK(midisock_push(l.server, BYTES(0x94, 61, 0)));
    RAW_EXPECT(l.fd, 0x94, 61, 100, 0x94, 61, 0);
    CHECK(midisock_now_ns() >= due);
    /* Scheduled before its note on: still behind it. */
    due = midisock_now_ns() + 1500 * MS;
    CHECK_OK(push_at(l.server, due, BYTES(0x95, 62, 100)));
    CHECK_OK(push_at(l.server, due - 500 * MS, BYTES(0x85, 62, 64)));
    RAW_EXPECT(l.fd, 0x95, 62, 100, 0x85, 62, 64);
    end_link(l);
}

static void flush_ignores_what_is_scheduled(void)
{
    link l = make_link(NULL);
    uint64_t due = midisock_now_ns() + 9000 * MS;
    CHECK_OK(push_at(l.server, due, BYTES(0xf3, 1)));
    CHECK_OK(midisock_push(l.server, BYTES(0xf3, 2)));
    CHECK_OK(midisock_flush(l.server, DEADLINE_MS));
    CHECK(midisock_now_ns() < due);
    RAW_EXPECT(l.fd, 0xf3, 2);
    end_link(l);
}

static void close_drops_what_is_scheduled(void)
{
    link l = make_link(NULL);
    uint64_t due = midisock_now_ns() + 9000 * MS;
    CHECK_OK(push_at(l.server, due, BYTES(0xf3, 1)));
    CHECK_OK(midisock_push(l.server, BYTES(0xf3, 2)));
    CHECK_OK(midisock_shutdown(l.server));
    RAW_EXPECT(l.fd, 0xf3, 2);
    RAW_EXPECT_END(l.fd);
    CHECK(midisock_now_ns() < due);
    end_link(l);
}

static void ten_seconds_are_the_most(void)
{
    link l = make_link(NULL);
    CHECK_OK(push_at(l.server, midisock_now_ns() + 9900 * MS, BYTES(0xf6)));
    CHECK_INVALID(push_at(l.server, midisock_now_ns() + 10100 * MS, BYTES(0xf6)));
    CHECK_INVALID(push_at(l.server, UINT64_MAX, BYTES(0xf6)));
    end_link(l);
}

static void what_is_scheduled_is_bounded(void)
{
    midisock_config c = check_config();
    c.out_queue_bytes = 65536;
    c.overflow = MIDISOCK_OVERFLOW_WAIT;
    link l = make_link(&c);
    uint64_t due = midisock_now_ns() + 2000 * MS;
    static uint8_t data[1000];
    uint32_t taken = 0;
    midisock_result result = MIDISOCK_OK;
    uint64_t until = check_now_ms() + DEADLINE_MS;
    while (result == MIDISOCK_OK) {
        check_numbered(data, sizeof data, taken);
        result = push_at(l.server, due, data, sizeof data);
        taken += result == MIDISOCK_OK;
        CHECK(check_now_ms() < until);
        CHECK(taken < 1000);
        if (midisock_now_ns() > due)
            break; /* too slow a machine to see it */
    }
    CHECK(result == MIDISOCK_ERR_FULL || midisock_now_ns() > due);
    CHECK(taken >= 10);
    /* All that was taken comes, none that was refused. */
    for (uint32_t i = 0; i < taken; i++) {
        raw_read(l.fd, data, sizeof data);
        CHECK_INT(i, check_number(data, sizeof data));
    }
    CHECK_OK(midisock_wait(l.server, MIDISOCK_WAIT_ROOM, DEADLINE_MS));
    CHECK_OK(midisock_push(l.server, BYTES(0xf6)));
    RAW_EXPECT(l.fd, 0xf6);
    end_link(l);
}

static void scheduled_for_one_client(void)
{
    midisock_port *server = check_listen(NULL);
    int one = raw_connect(midisock_local_port(server));
    uint32_t id = NOTIFIED(server, MIDISOCK_NOTIFY_CLIENT_JOINED).client;
    int other = raw_connect(midisock_local_port(server));
    NOTIFIED(server, MIDISOCK_NOTIFY_CLIENT_JOINED);
    midisock_message m = {midisock_now_ns() + 500 * MS, (const uint8_t *)"\xf3\x07", 2, id, 0, 0,
                          {0, 0}};
    CHECK_OK(midisock_push_message(server, &m));
    RAW_EXPECT(one, 0xf3, 7);
    CHECK(midisock_now_ns() >= m.time_ns);
    CHECK_OK(midisock_push(server, BYTES(0xf6)));
    RAW_EXPECT(one, 0xf6);
    RAW_EXPECT(other, 0xf6); /* and nothing before it */
    /* To one that will have left by then: nobody gets it. */
    m.time_ns = midisock_now_ns() + 500 * MS;
    CHECK_OK(midisock_push_message(server, &m));
    raw_close(one);
    CHECK_SOON(midisock_now_ns() > m.time_ns + 20 * MS);
    CHECK_OK(midisock_push(server, BYTES(0xf6)));
    RAW_EXPECT(other, 0xf6);
    raw_close(other);
    midisock_close(server);
}

static void a_new_connection_gets_nothing_scheduled_for_the_old_one(void)
{
    uint16_t port = 0;
    int listener = raw_listen(&port);
    midisock_config c = check_config();
    c.reconnect_min_ms = 1;
    c.reconnect_max_ms = 10;
    midisock_port *client = NULL;
    CHECK_OK(midisock_connect("127.0.0.1", port, &c, &client));
    int fd = raw_accept(listener);
    CHECK_OK(midisock_wait_connected(client, DEADLINE_MS));
    uint64_t due = midisock_now_ns() + 1500 * MS;
    CHECK_OK(push_at(client, due, BYTES(0xf3, 1)));
    raw_close(fd);
    fd = raw_accept(listener);
    CHECK_SOON(check_stats(client).connections == 2);
    if (midisock_now_ns() < due) {
        CHECK_SOON(midisock_now_ns() > due + 50 * MS);
        CHECK_OK(midisock_push(client, BYTES(0xf6)));
        RAW_EXPECT(fd, 0xf6);
    }
    raw_close(fd);
    raw_close(listener);
    midisock_close(client);
}

/* Schedules this message until it is refused for want of room, which it is
 * not for what is still in the queue. */
static void fill_schedule(midisock_port *port, uint64_t time_ns, const uint8_t *data, size_t size)
{
    uint64_t until = check_now_ms() + DEADLINE_MS;
    midisock_result result;
    do {
        while ((result = push_at(port, time_ns, data, size)) == MIDISOCK_OK)
            CHECK(check_now_ms() < until);
        CHECK_RESULT(MIDISOCK_ERR_FULL, result);
        CHECK_OK(midisock_flush(port, DEADLINE_MS));
        result = push_at(port, time_ns, data, size);
    } while (result == MIDISOCK_OK);
    CHECK_RESULT(MIDISOCK_ERR_FULL, result);
}

/* With a schedule that is full of SysEx for much later, and has no room for
 * three bytes either. */
static void fill_for_later(midisock_port *port)
{
    uint8_t data[1000];
    uint64_t later = midisock_now_ns() + 9000 * MS;
    check_numbered(data, sizeof data, 0);
    fill_schedule(port, later, data, sizeof data);
    fill_schedule(port, later, BYTES(0xf0, 1, 0xf7));
}

static void a_refused_note_off_does_not_overtake_either(void)
{
    /* A repairing port makes good what it refused: the note ends, but when it
     * has begun. */
    static const struct {
        int one_client;
        uint32_t off_ms; /* after its note on; 0: at once */
    } rows[] = {{0, 50}, {0, 0}, {1, 50}, {1, 0}};
    for (int i = 0; i < 4; i++) {
        midisock_config c = check_config();
        c.out_queue_bytes = 65536;
        midisock_port *server = check_listen(&c);
        int fd = raw_connect(midisock_local_port(server));
        uint32_t id = NOTIFIED(server, MIDISOCK_NOTIFY_CLIENT_JOINED).client;
        uint64_t due = midisock_now_ns() + 500 * MS;
        midisock_message m = {due, (const uint8_t *)"\x93\x3c\x64", 3,
                              rows[i].one_client ? id : 0, 0, 0, {0, 0}};
        CHECK_OK(midisock_push_message(server, &m));
        fill_for_later(server);
        uint64_t refused = check_stats(server).dropped_out;
        /* At once it is refused behind another that was. */
        if (rows[i].off_ms == 0) {
            midisock_result result = push_at(server, due + 9000 * MS, BYTES(0xf0, 1, 0xf7));
            CHECK(result == MIDISOCK_ERR_FULL || midisock_now_ns() > due);
        }
        m.time_ns = rows[i].off_ms ? due + rows[i].off_ms * MS : 0;
        m.data = (const uint8_t *)"\x83\x3c\x40";
        midisock_result result = midisock_push_message(server, &m);
        /* On a slow machine there may be room again. */
        CHECK(result == MIDISOCK_ERR_FULL ||
              (result == MIDISOCK_OK && (rows[i].off_ms == 0 || midisock_now_ns() > due)));
        if (result == MIDISOCK_ERR_FULL)
            CHECK_COUNT(server, dropped_out, refused + 1 + (rows[i].off_ms == 0));
        RAW_EXPECT(fd, 0x93, 60, 100, 0x83, 60, 64);
        CHECK(midisock_now_ns() >= due);
        /* And all that was made good is said: nothing more comes for it. */
        CHECK_OK(midisock_cancel(server));
        CHECK_OK(midisock_wait(server, MIDISOCK_WAIT_ROOM, DEADLINE_MS));
        CHECK_OK(midisock_push(server, BYTES(0xf6)));
        RAW_EXPECT(fd, 0xf6);
        raw_close(fd);
        midisock_close(server);
    }
}

static void *wait_for_room(void *port)
{
    CHECK_OK(midisock_wait(port, MIDISOCK_WAIT_ROOM, -1));
    return NULL;
}

static void a_refused_value_comes_after_what_was_scheduled_before_it(void)
{
    /* Pressed and turned soon, let go later; for that there is no room. Time
     * enough that all of it is pushed before the first is due. */
    const uint64_t soon = midisock_now_ns() + 1500 * MS, later = soon + 300 * MS;
    midisock_config c = check_config();
    c.out_queue_bytes = 4096;
    c.overflow = MIDISOCK_OVERFLOW_REPAIR;
    link l = make_link(&c);
    CHECK_OK(push_at(l.server, soon, BYTES(0xb0, 64, 127)));
    CHECK_OK(push_at(l.server, soon, BYTES(0xe0, 127, 127)));
    CHECK_OK(push_at(l.server, soon, BYTES(0xb0, 7, 10)));
    CHECK_OK(push_at(l.server, soon, BYTES(0xd0, 100)));
    CHECK_OK(push_at(l.server, later + MS, BYTES(0xb0, 10, 99))); /* not before all of it */
    while (push_at(l.server, soon, BYTES(0xb1, 20, 1)) == MIDISOCK_OK)
        continue;
    CHECK_RESULT(MIDISOCK_ERR_FULL, push_at(l.server, later, BYTES(0xb0, 64, 0)));
    CHECK_RESULT(MIDISOCK_ERR_FULL, push_at(l.server, later, BYTES(0xe0, 0, 64)));
    CHECK_RESULT(MIDISOCK_ERR_FULL, push_at(l.server, later, BYTES(0xb0, 7, 20)));
    CHECK_RESULT(MIDISOCK_ERR_FULL, push_at(l.server, later, BYTES(0xd0, 0)));
    /* Goes at once: behind what was refused, or queued where the network thread has taken that already. */
    midisock_result result = push_at(l.server, 0, BYTES(0xb2, 7, 30));
    CHECK(result == MIDISOCK_ERR_FULL || result == MIDISOCK_OK);
    uint8_t pedal = 1, bend = 1, volume = 1, pressure = 1, pan = 1;
    int other = 0;
    while (pan != 99) {
        uint8_t m[3];
        raw_read(l.fd, m, 2);
        if (m[0] != 0xd0)
            raw_read(l.fd, m + 2, 1);
        other |= m[0] == 0xb2 && midisock_now_ns() < soon;
        if (m[0] == 0xb0)
            *(m[1] == 64 ? &pedal : m[1] == 7 ? &volume : &pan) = m[2];
        if (m[0] == 0xe0)
            bend = m[2];
        if (m[0] == 0xd0)
            pressure = m[1];
    }
    CHECK_INT(0, pedal);
    CHECK_INT(64, bend);
    CHECK_INT(20, volume);
    CHECK_INT(0, pressure);
    CHECK_INT(1, other);
    end_link(l);
}

static void room_is_for_what_is_scheduled_too(void)
{
    enum { CANCEL, PANIC, WAYS };
    midisock_config c = check_config();
    c.out_queue_bytes = 65536;
    c.overflow = MIDISOCK_OVERFLOW_WAIT;
    for (int way = 0; way < WAYS; way++) {
        link l = make_link(&c);
        uint8_t data[1000];
        check_numbered(data, sizeof data, 1);
        uint64_t later = midisock_now_ns() + 9000 * MS;
        /* Less than half of what may be scheduled. */
        for (int i = 0; i < 20; i++)
            CHECK_OK(push_at(l.server, later, data, sizeof data));
        CHECK_OK(midisock_flush(l.server, DEADLINE_MS));
        CHECK_OK(midisock_wait(l.server, MIDISOCK_WAIT_ROOM, DEADLINE_MS));
        fill_for_later(l.server);
        CHECK_RESULT(MIDISOCK_ERR_TIMEOUT, midisock_wait(l.server, MIDISOCK_WAIT_ROOM, 0));
        /* Who waits is told. */
        pthread_t thread;
        check_start(&thread, wait_for_room, l.server);
        CHECK_RESULT(MIDISOCK_ERR_TIMEOUT, midisock_wait(l.server, MIDISOCK_WAIT_ROOM, 20));
        if (way == CANCEL)
            CHECK_OK(midisock_cancel(l.server));
        else
            CHECK_OK(midisock_panic(l.server));
        check_join(thread);
        CHECK_OK(midisock_wait(l.server, MIDISOCK_WAIT_ROOM, 0));
        CHECK_OK(push_at(l.server, midisock_now_ns() + 10 * MS, BYTES(0xf3, 7)));
        if (way == PANIC)
            for (uint8_t channel = 0; channel < 16; channel++)
                RAW_EXPECT(l.fd, (uint8_t)(0xb0 | channel), 120, 0);
        RAW_EXPECT(l.fd, 0xf3, 7);
        CHECK(midisock_now_ns() < later);
        end_link(l);
    }
}

int main(int argc, char **argv)
{
    static const check_case cases[] = {
        CASE(held_back_until_its_time),
        CASE(the_past_is_now),
        CASE(in_order_of_time_then_of_pushing),
        CASE(a_note_off_never_overtakes_its_note_on),
        CASE(flush_ignores_what_is_scheduled),
        CASE(close_drops_what_is_scheduled),
        CASE(ten_seconds_are_the_most),
        CASE(what_is_scheduled_is_bounded),
        CASE(scheduled_for_one_client),
        CASE(a_new_connection_gets_nothing_scheduled_for_the_old_one),
        CASE(a_refused_note_off_does_not_overtake_either),
        CASE(a_refused_value_comes_after_what_was_scheduled_before_it),
        CASE(room_is_for_what_is_scheduled_too),
    };
    return check_main(argc, argv, CASES(cases));
}
