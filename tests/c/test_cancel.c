/* Scheduled messages that are dropped: by cancel, panic, close and a lost peer.
 * Note Offs of sounding notes must survive. */
#include "check.h"
#include "raw.h"

#include <string.h>

#define MS UINT64_C(1000000)
/* Within the horizon, and beyond every deadline of a case that works. */
#define FAR (9000 * MS)

typedef struct link {
    midisock_port *port;
    int fd;
} link;

static link make_link(const midisock_config *config)
{
    link l;
    l.port = check_listen(config);
    l.fd = raw_connect(midisock_local_port(l.port));
    NOTIFIED(l.port, MIDISOCK_NOTIFY_CLIENT_JOINED);
    return l;
}

static void end_link(link l)
{
    raw_close(l.fd);
    midisock_close(l.port);
}

static void push_to(midisock_port *port, uint32_t client, uint64_t time_ns, const uint8_t *data,
                    size_t size)
{
    midisock_message m = {time_ns, data, (uint32_t)size, client, 0, 0, {0, 0}};
    CHECK_OK(midisock_push_message(port, &m));
}

static void push_in(midisock_port *port, uint64_t ahead_ns, const uint8_t *data, size_t size)
{
    push_to(port, 0, midisock_now_ns() + ahead_ns, data, size);
}

/* Both ways to be found: in the queue, or taken up by the network thread. */
static void taken_up(link l, int round)
{
    if (round % 2 == 0)
        return;
    CHECK_OK(midisock_push(l.port, BYTES(0xf6)));
    RAW_EXPECT(l.fd, 0xf6);
}

/* Nothing of what was before comes any more. */
static void comes_next(link l)
{
    CHECK_OK(midisock_push(l.port, BYTES(0xf3, 0x77)));
    RAW_EXPECT(l.fd, 0xf3, 0x77);
}

static void scheduled_messages_are_dropped(void)
{
    const uint32_t wakes[] = {MIDISOCK_WAKE_TICK, MIDISOCK_WAKE_SIGNAL};
    for (int w = 0; w < 2; w++) {
        midisock_config c = check_config();
        c.wake = wakes[w];
        link l = make_link(&c);
        for (int round = 0; round < 20; round++) {
            uint64_t due = midisock_now_ns() + 100 * MS;
            push_to(l.port, 0, due, BYTES(0x90, 60, 100));
            push_to(l.port, 0, due, BYTES(0xb0, 7, 100));
            push_to(l.port, 0, due, BYTES(0x80, 60, 0));
            CHECK_OK(midisock_push(l.port, BYTES(0xf3, 1))); /* for now: is sent */
            if (round % 2 == 1)
                RAW_EXPECT(l.fd, 0xf3, 1); /* taken up by now */
            CHECK_OK(midisock_cancel(l.port));
            if (midisock_now_ns() >= due)
                break; /* too slow a machine to see it */
            CHECK_OK(midisock_push(l.port, BYTES(0xf3, 2)));
            if (round % 2 == 0)
                RAW_EXPECT(l.fd, 0xf3, 1);
            RAW_EXPECT(l.fd, 0xf3, 2);
            CHECK_SOON(midisock_now_ns() > due + 5 * MS);
            comes_next(l);
        }
        end_link(l);
        l = make_link(&c);
        CHECK_OK(midisock_cancel(l.port)); /* of nothing */
        comes_next(l);
        end_link(l);
    }
}

static void note_offs_of_sounding_notes_remain(void)
{
    link l = make_link(NULL);
    for (int round = 0; round < 10; round++) {
        uint64_t due = midisock_now_ns() + 150 * MS;
        CHECK_OK(midisock_push(l.port, BYTES(0x91, 60, 100)));
        CHECK_OK(midisock_push(l.port, BYTES(0x91, 61, 100)));
        CHECK_OK(midisock_push(l.port, BYTES(0x81, 61, 0))); /* ended already */
        CHECK_OK(midisock_push(l.port, BYTES(0xb1, 64, 127)));
        push_to(l.port, 0, due, BYTES(0x81, 60, 1));
        push_to(l.port, 0, due, BYTES(0x81, 60, 2)); /* one too many */
        push_to(l.port, 0, due, BYTES(0x81, 61, 3));
        push_to(l.port, 0, due, BYTES(0x91, 62, 100)); /* will never sound */
        push_to(l.port, 0, due, BYTES(0x81, 62, 4));
        push_to(l.port, 0, due, BYTES(0x82, 60, 5)); /* another channel */
        push_to(l.port, 0, due, BYTES(0xb1, 64, 0));
        push_to(l.port, 0, due, BYTES(0xb1, 66, 0)); /* is not down */
        RAW_EXPECT(l.fd, 0x91, 60, 100, 0x91, 61, 100, 0x81, 61, 0, 0xb1, 64, 127);
        taken_up(l, round);
        CHECK_OK(midisock_cancel(l.port));
        CHECK_OK(midisock_cancel(l.port));
        RAW_EXPECT(l.fd, 0x81, 60, 1, 0xb1, 64, 0);
        CHECK(midisock_now_ns() >= due);
        comes_next(l);
    }
    end_link(l);
}

static void messages_that_reset_state_remain(void)
{
    link l = make_link(NULL);
    for (int round = 0; round < 10; round++) {
        uint64_t due = midisock_now_ns() + 150 * MS;
        CHECK_OK(midisock_push(l.port, BYTES(0x91, 60, 100)));
        CHECK_OK(midisock_push(l.port, BYTES(0xe2, 0, 65)));
        CHECK_OK(midisock_push(l.port, BYTES(0xd3, 7)));
        CHECK_OK(midisock_push(l.port, BYTES(0xb4, 64, 127)));
        CHECK_OK(midisock_push(l.port, BYTES(0xb5, 69, 127)));
        CHECK_OK(midisock_push(l.port, BYTES(0xfa)));
        RAW_EXPECT(l.fd, 0x91, 60, 100, 0xe2, 0, 65, 0xd3, 7, 0xb4, 64, 127, 0xb5, 69, 127, 0xfa);
        for (uint8_t i = 0; i < 2; i++) { /* where something is to be ended, and where nothing is */
            uint8_t c = (uint8_t)(8 * i);
            push_to(l.port, 0, due, BYTES((uint8_t)(0xb1 + c), 123, 0));
            push_to(l.port, 0, due, BYTES((uint8_t)(0xb1 + c), 120, 0));
            push_to(l.port, 0, due, BYTES((uint8_t)(0xe2 + c), 0, 64));
            push_to(l.port, 0, due, BYTES((uint8_t)(0xe2 + c), 1, 64));
            push_to(l.port, 0, due, BYTES((uint8_t)(0xd3 + c), 0));
            push_to(l.port, 0, due, BYTES((uint8_t)(0xb4 + c), 121, 0));
            push_to(l.port, 0, due, BYTES((uint8_t)(0xb5 + c), 69, 0));
            push_to(l.port, 0, due, BYTES((uint8_t)(0xb1 + c), 122, 0)); /* local control ends nothing */
            push_to(l.port, 0, due, BYTES((uint8_t)(0xc1 + c), 5));
        }
        push_to(l.port, 0, due, BYTES(0xfc));
        taken_up(l, round);
        CHECK_OK(midisock_cancel(l.port));
        CHECK_OK(midisock_cancel(l.port));
        if (midisock_now_ns() >= due)
            break; /* too slow a machine to see it */
        RAW_EXPECT(l.fd, 0xb1, 123, 0, 0xb1, 120, 0, 0xe2, 0, 64, 0xd3, 0, 0xb4, 121, 0, 0xb5, 69, 0, 0xfc);
        CHECK(midisock_now_ns() >= due);
        comes_next(l);
    }
    end_link(l);
}

static void cancel_frees_room(void)
{
    midisock_config c = check_config();
    c.overflow = MIDISOCK_OVERFLOW_WAIT;
    link l = make_link(&c);
    for (int round = 0; round < 5; round++) {
        uint64_t until = check_now_ms() + DEADLINE_MS;
        midisock_message m = {midisock_now_ns() + FAR, (const uint8_t *)"\xf6", 1, 0, 0, 0, {0, 0}};
        midisock_result result;
        uint32_t taken = 0;
        while ((result = midisock_push_message(l.port, &m)) == MIDISOCK_OK)
            taken++;
        CHECK_RESULT(MIDISOCK_ERR_FULL, result);
        CHECK(taken > 100 && taken < 65536);
        CHECK_OK(midisock_push(l.port, BYTES(0xf3, 1)) == MIDISOCK_ERR_FULL
                     ? midisock_wait(l.port, MIDISOCK_WAIT_ROOM, DEADLINE_MS)
                     : MIDISOCK_OK);
        CHECK_OK(midisock_cancel(l.port)); /* full or not */
        while ((result = midisock_push_message(l.port, &m)) == MIDISOCK_ERR_FULL) {
            check_pause();
            CHECK(check_now_ms() < until);
        }
        CHECK_OK(result);
        CHECK_OK(midisock_cancel(l.port));
        CHECK_OK(midisock_flush(l.port, DEADLINE_MS)); /* all room is free again */
    }
    end_link(l);
}

static void for_one_client_of_two(void)
{
    midisock_port *server = check_listen(NULL);
    int one = raw_connect(midisock_local_port(server));
    uint32_t first = NOTIFIED(server, MIDISOCK_NOTIFY_CLIENT_JOINED).client;
    int two = raw_connect(midisock_local_port(server));
    uint32_t second = NOTIFIED(server, MIDISOCK_NOTIFY_CLIENT_JOINED).client;
    uint64_t due = midisock_now_ns() + 100 * MS;
    push_to(server, first, 0, BYTES(0x90, 60, 100));
    push_to(server, first, due, BYTES(0x80, 60, 1));
    push_to(server, second, due, BYTES(0x80, 60, 2)); /* does not sound there */
    CHECK_OK(midisock_cancel(server));
    RAW_EXPECT(one, 0x90, 60, 100, 0x80, 60, 1);
    CHECK_OK(midisock_push(server, BYTES(0xf6)));
    RAW_EXPECT(one, 0xf6);
    RAW_EXPECT(two, 0xf6); /* and nothing before it */
    raw_close(one);
    raw_close(two);
    midisock_close(server);
}

static void a_retrigger_does_not_keep_the_note(void)
{
    /* It sounds and will be struck again: a Note Off for now ends it now. */
    link l = make_link(NULL);
    CHECK_OK(midisock_push(l.port, BYTES(0x90, 60, 100)));
    push_in(l.port, FAR, BYTES(0x90, 60, 101));
    CHECK_OK(midisock_push(l.port, BYTES(0x80, 60, 1)));
    RAW_EXPECT(l.fd, 0x90, 60, 100, 0x80, 60, 1);
    /* The next one is for the note to come. */
    CHECK_OK(midisock_push(l.port, BYTES(0x80, 60, 2)));
    taken_up(l, 1);
    CHECK_OK(midisock_cancel(l.port));
    comes_next(l);
    /* Notes pushed first, their ends after them. */
    uint64_t base = midisock_now_ns() + 60 * MS;
    push_to(l.port, 0, base + 10 * MS, BYTES(0x90, 61, 1));
    push_to(l.port, 0, base + 30 * MS, BYTES(0x90, 61, 2));
    push_to(l.port, 0, base + 20 * MS, BYTES(0x80, 61, 3));
    push_to(l.port, 0, base + 40 * MS, BYTES(0x80, 61, 4));
    RAW_EXPECT(l.fd, 0x90, 61, 1, 0x80, 61, 3, 0x90, 61, 2, 0x80, 61, 4);
    end_link(l);
}

static void panic_drops_everything(void)
{
    link l = make_link(NULL);
    for (int round = 0; round < 10; round++) {
        CHECK_OK(midisock_push(l.port, BYTES(0x91, 60, 100)));
        RAW_EXPECT(l.fd, 0x91, 60, 100);
        uint64_t due = midisock_now_ns() + 60 * MS;
        push_to(l.port, 0, due, BYTES(0xb1, 7, 1));
        push_to(l.port, 0, due, BYTES(0x91, 62, 100));
        push_to(l.port, 0, due, BYTES(0x81, 60, 1));
        taken_up(l, round);
        CHECK_OK(midisock_panic(l.port));
        if (midisock_now_ns() >= due)
            break; /* too slow a machine to see it */
        uint8_t silence[48];
        raw_read(l.fd, silence, sizeof silence);
        for (uint8_t i = 0; i < 16; i++) {
            const uint8_t expected[] = {(uint8_t)(0xb0 | i), 120, 0};
            CHECK_MEMORY(expected, sizeof expected, silence + 3 * i, sizeof expected);
        }
        CHECK_SOON(midisock_now_ns() > due + 5 * MS);
        comes_next(l);
    }
    end_link(l);
}

static void close_releases_sounding_notes(void)
{
    /* By the Note Off that was scheduled, though nothing else is released. */
    for (int round = 0; round < 10; round++) {
        link l = make_link(NULL);
        CHECK_OK(midisock_push(l.port, BYTES(0x91, 60, 100)));
        CHECK_OK(midisock_push(l.port, BYTES(0x91, 70, 100))); /* meant to go on */
        push_in(l.port, FAR, BYTES(0x91, 62, 100));
        push_in(l.port, FAR, BYTES(0x81, 60, 33));
        push_in(l.port, FAR, BYTES(0x81, 62, 34));
        push_in(l.port, FAR, BYTES(0xb1, 7, 35));
        RAW_EXPECT(l.fd, 0x91, 60, 100, 0x91, 70, 100);
        taken_up(l, round);
        CHECK_OK(midisock_push(l.port, BYTES(0xf3, 2)));
        midisock_close(l.port);
        RAW_EXPECT(l.fd, 0xf3, 2, 0x81, 60, 33);
        RAW_EXPECT_END(l.fd);
        raw_close(l.fd);
    }
    /* With release_on_close each note is ended once. */
    midisock_config c = check_config();
    c.release_on_close = 1;
    link l = make_link(&c);
    CHECK_OK(midisock_push(l.port, BYTES(0x91, 60, 100)));
    CHECK_OK(midisock_push(l.port, BYTES(0x91, 70, 100)));
    push_in(l.port, FAR, BYTES(0x81, 60, 33));
    midisock_close(l.port);
    RAW_EXPECT(l.fd, 0x91, 60, 100, 0x91, 70, 100, 0x81, 60, 33, 0x81, 70, 64);
    RAW_EXPECT_END(l.fd);
    raw_close(l.fd);
}

static void close_writes_messages_for_one_client(void)
{
    /* What was pushed for one client before the close is written too. */
    for (int round = 0; round < 20; round++) {
        midisock_port *server = check_listen(NULL);
        int fd = raw_connect(midisock_local_port(server));
        uint32_t id = NOTIFIED(server, MIDISOCK_NOTIFY_CLIENT_JOINED).client;
        push_to(server, id, 0, BYTES(0x90, 60, 100));
        push_to(server, id, midisock_now_ns() + FAR, BYTES(0x80, 60, 1));
        midisock_close(server);
        RAW_EXPECT(fd, 0x90, 60, 100, 0x80, 60, 1);
        RAW_EXPECT_END(fd);
        raw_close(fd);
    }
}

static void a_lost_peer_gets_the_scheduled_state(void)
{
    /* Repairing: what a scheduled message would have done is made good when
     * the peer is back; what sounded there is released. */
    uint16_t number = 0;
    int listener = raw_listen(&number);
    midisock_config c = check_config();
    c.overflow = MIDISOCK_OVERFLOW_REPAIR;
    c.release_on_disconnect = 1;
    c.reconnect_min_ms = 1;
    c.reconnect_max_ms = 10;
    midisock_port *client = NULL;
    CHECK_OK(midisock_connect("127.0.0.1", number, &c, &client));
    int fd = raw_accept(listener);
    CHECK_OK(midisock_wait_connected(client, DEADLINE_MS));
    CHECK_OK(midisock_push(client, BYTES(0x91, 60, 100)));
    push_in(client, FAR, BYTES(0x81, 60, 1));
    push_in(client, FAR, BYTES(0xb1, 7, 5));
    RAW_EXPECT(fd, 0x91, 60, 100);
    raw_close(fd);
    fd = raw_accept(listener);
    RAW_EXPECT(fd, 0x81, 60, 64, 0xb1, 7, 5);
    CHECK_SOON(check_stats(client).connections == 2);
    CHECK_OK(midisock_push(client, BYTES(0xf6)));
    RAW_EXPECT(fd, 0xf6);
    raw_close(fd);
    raw_close(listener);
    midisock_close(client);
}

static void wrong_arguments(void)
{
    CHECK_INVALID(midisock_cancel(NULL));
    midisock_config c = check_config();
    c.accept_mode = MIDISOCK_ACCEPT_MANUAL;
    midisock_port *server = check_listen(&c);
    CHECK_ROLE(midisock_cancel(server));
    midisock_close(server);
    midisock_port *a = NULL;
    midisock_port *b = NULL;
    CHECK_OK(midisock_pair(NULL, &a, &b));
    push_in(a, FAR, BYTES(0xf6)); /* is there at once */
    CHECK_OK(midisock_cancel(a));
    EXPECT(b, 0xf6);
    CHECK_OK(midisock_shutdown(a));
    CHECK_RESULT(MIDISOCK_ERR_CLOSED, midisock_cancel(a));
    midisock_close(a);
    midisock_close(b);
    server = check_listen(NULL);
    CHECK_OK(midisock_cancel(server)); /* nobody is there, nothing is scheduled */
    midisock_close(server);
}

/* What was refused for want of room keeps its time; cancelled, only what ends a sounding note comes, at its time. */
static void what_was_refused_keeps_its_time(void)
{
    for (int cancels = 0; cancels < 2; cancels++) {
        midisock_config c = check_config();
        c.overflow = MIDISOCK_OVERFLOW_REPAIR;
        c.out_queue_bytes = 4096;
        link l = make_link(&c);
        CHECK_OK(midisock_push(l.port, BYTES(0x90, 60, 100)));
        RAW_EXPECT(l.fd, 0x90, 60, 100);
        const uint8_t filler[] = {0xf8};
        midisock_message m = {midisock_now_ns() + FAR, filler, 1, 0, 0, 0, {0, 0}};
        while (midisock_push_message(l.port, &m) == MIDISOCK_OK)
            ;
        uint64_t due = midisock_now_ns() + 300 * MS;
        const uint8_t volume[] = {0xb0, 7, 0};
        const uint8_t off[] = {0x80, 60, 64};
        midisock_message refused = {due, volume, 3, 0, 0, 0, {0, 0}};
        CHECK_RESULT(MIDISOCK_ERR_FULL, midisock_push_message(l.port, &refused));
        refused.data = off;
        CHECK_RESULT(MIDISOCK_ERR_FULL, midisock_push_message(l.port, &refused));
        if (cancels)
            CHECK_OK(midisock_cancel(l.port));
        else
            RAW_EXPECT(l.fd, 0xb0, 7, 0);
        RAW_EXPECT(l.fd, 0x80, 60, 64);
        CHECK(midisock_now_ns() >= due);
        CHECK_OK(midisock_cancel(l.port));
        CHECK_SOON(midisock_push(l.port, BYTES(0xf3, 0x77)) == MIDISOCK_OK);
        RAW_EXPECT(l.fd, 0xf3, 0x77);
        end_link(l);
    }
}

int main(int argc, char **argv)
{
    static const check_case cases[] = {
        CASE(scheduled_messages_are_dropped),
        CASE(note_offs_of_sounding_notes_remain),
        CASE(messages_that_reset_state_remain),
        CASE(cancel_frees_room),
        CASE(for_one_client_of_two),
        CASE(a_retrigger_does_not_keep_the_note),
        CASE(panic_drops_everything),
        CASE(close_releases_sounding_notes),
        CASE(close_writes_messages_for_one_client),
        CASE(a_lost_peer_gets_the_scheduled_state),
        CASE(what_was_refused_keeps_its_time),
        CASE(wrong_arguments),
    };
    return check_main(argc, argv, CASES(cases));
}
