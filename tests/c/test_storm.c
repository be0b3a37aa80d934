/* Storms of short connections against a server whose messages nobody pops. A client that has left
 * holds no place and no descriptor, however full the queues are. */
#include "check.h"
#include "raw.h"

/* Under Wine a client takes a tenth of a second. */
#if defined(_WIN32)
enum { STORM = 200, AT_A_TIME = 50, PLACES = 64 };
#else
enum { STORM = 2200, AT_A_TIME = 50, PLACES = 64 };
#endif

static midisock_config storm_config(uint32_t overflow, uint32_t accept_mode)
{
    midisock_config c = check_config();
    c.overflow = overflow;
    c.accept_mode = accept_mode;
    c.release_on_disconnect = 1;
    c.in_queue_bytes = c.out_queue_bytes = 4096;
    c.linger_ms = 20; /* the rounds of a manual server are soon over */
    c.max_clients = PLACES;
    return c;
}

/* What was popped of a server, and what is held by it. */
typedef struct tally {
    uint64_t popped;
    unsigned held[128], pedals;
} tally;

/* Pops one message; whether there was one. */
static int take(midisock_port *server, tally *t)
{
    midisock_message m;
    midisock_result r = midisock_pop(server, &m);
    if (r == MIDISOCK_EMPTY || r == MIDISOCK_ERR_CLOSED)
        return 0;
    CHECK_OK(r);
    t->popped += (m.flags & MIDISOCK_FLAG_SYNTHETIC) == 0;
    if (m.data[0] == 0x90 && m.data[2] != 0)
        t->held[m.data[1]]++;
    else if (m.data[0] == 0x80 || m.data[0] == 0x90)
        t->held[m.data[1]] -= t->held[m.data[1]] != 0;
    else if (m.data[0] == 0xb0 && m.data[1] == 64)
        t->pedals = m.data[2] >= 64;
    return 1;
}

/* Linux tells that a peer has left though its last bytes are not read yet. Elsewhere a client whose bytes find no room is seen
 * to leave when there is room. */
static void make_room(midisock_port *server, tally *t)
{
#if !defined(__linux__)
    while (take(server, t))
        continue;
#else
    (void)server, (void)t;
#endif
}

/* A client's few messages: a note and a pedal that are never released, and a controller. */
static void play(int fd, unsigned number)
{
    uint8_t key = (uint8_t)(number & 127);
    RAW_SEND(fd, 0x90, key, 100, 0xb0, 64, 127, 0xb0, 7, key);
}

/* As many clients as fit come, play and leave in good order or by a reset, again and again. Nobody is
 * turned away, since there are always places. */
static void storm(midisock_port *server, tally *t)
{
    uint16_t port = midisock_local_port(server);
    int fds[AT_A_TIME];
    for (unsigned number = 0; number < STORM;) {
        for (unsigned i = 0; i < AT_A_TIME; i++, number++) {
            fds[i] = raw_connect(port);
            play(fds[i], number);
        }
        CHECK_SOON((make_room(server, t), check_stats(server).connections == number));
        for (unsigned i = 0; i < AT_A_TIME; i++) {
            if ((number / AT_A_TIME + i) % 3 == 0)
                raw_reset(fds[i]);
            else
                raw_close(fds[i]);
        }
    }
    CHECK_SOON((make_room(server, t), midisock_client_count(server) == 0));
    CHECK_INT(0, check_stats(server).rejected);
    CHECK_COUNT(server, connections, STORM);
    CHECK_COUNT(server, disconnections, STORM);
}

static void merged(uint32_t overflow)
{
    midisock_config c = storm_config(overflow, MIDISOCK_ACCEPT_MERGED);
    midisock_port *server = check_listen(&c);
    unsigned descriptors = check_descriptors();
    unsigned long before = check_resident_kb();
    static tally t;
    storm(server, &t);
    CHECK_SOON(check_descriptors() == descriptors);
    if (!check_sanitized())
        CHECK(check_resident_kb() < before + 24 * 1024);
    /* The audio thread wakes: in the end nothing is held, and all is counted. */
    for (uint64_t until = check_now_ms() + DEADLINE_MS;;) {
        if (take(server, &t))
            continue;
        midisock_stats s = check_stats(server);
        if (t.popped + s.dropped_in == s.messages_in && midisock_wait(server, MIDISOCK_WAIT_MESSAGE, 100) != MIDISOCK_OK)
            break;
        CHECK(check_now_ms() < until);
        check_pause();
    }
    for (int key = 0; key < 128; key++)
        CHECK_INT(0, t.held[key]);
    CHECK_INT(0, t.pedals);
    CHECK_INT(3 * STORM, check_stats(server).messages_in);
    /* And the next client is served as ever. */
    int fd = raw_connect(midisock_local_port(server));
    RAW_SEND(fd, 0x90, 1, 2);
    EXPECT(server, 0x90, 1, 2);
    raw_close(fd);
    midisock_close(server);
}

static void a_merged_server_that_repairs(void)
{
    merged(MIDISOCK_OVERFLOW_REPAIR);
}

static void a_merged_server_that_waits(void)
{
    merged(MIDISOCK_OVERFLOW_WAIT);
}

/* The control thread of a manual server accepts, and closes what has ended; its audio thread never pops. */
static void manual(uint32_t overflow)
{
    midisock_config c = storm_config(overflow, MIDISOCK_ACCEPT_MANUAL);
    midisock_port *server = check_listen(&c);
    unsigned descriptors = check_descriptors();
    unsigned long before = check_resident_kb();
    uint16_t port = midisock_local_port(server);
    for (unsigned number = 0; number < STORM; number += AT_A_TIME) {
        int fds[AT_A_TIME];
        midisock_port *accepted[AT_A_TIME];
        for (unsigned i = 0; i < AT_A_TIME; i++) {
            fds[i] = raw_connect(port);
            play(fds[i], number + i);
        }
        for (unsigned i = 0; i < AT_A_TIME; i++) {
            CHECK_OK(midisock_accept(server, DEADLINE_MS, &accepted[i]));
        }
        for (unsigned i = 0; i < AT_A_TIME; i++) {
            if (i % 3 == 0)
                raw_reset(fds[i]);
            else
                raw_close(fds[i]);
        }
        /* Before any of the ports is closed: whoever has left is no client any more. */
        CHECK_SOON(midisock_client_count(server) == 0);
        CHECK_SOON(check_descriptors() == descriptors);
        for (unsigned i = 0; i < AT_A_TIME; i++) {
            CHECK_INT(MIDISOCK_STATE_CLOSED, midisock_state(accepted[i]));
            midisock_close(accepted[i]);
        }
    }
    CHECK_INT(0, check_stats(server).rejected);
    CHECK_COUNT(server, connections, STORM);
    if (!check_sanitized())
        CHECK(check_resident_kb() < before + 24 * 1024);
    midisock_close(server);
}

static void accepted_ports_that_repair(void)
{
    manual(MIDISOCK_OVERFLOW_REPAIR);
}

static void accepted_ports_that_wait(void)
{
    manual(MIDISOCK_OVERFLOW_WAIT);
}

/* Peers that leave while the in queue is full, with more to hand over. */
static void a_full_queue_holds_no_descriptor(uint32_t overflow, uint32_t accept_mode)
{
    enum { BYTES_OF_ONE = 30000 };
    midisock_config c = storm_config(overflow, accept_mode);
    midisock_port *server = check_listen(&c), *accepted = NULL;
    unsigned descriptors = check_descriptors();
    int fd = raw_connect(midisock_local_port(server));
    static uint8_t notes[BYTES_OF_ONE];
    for (unsigned i = 0; i < BYTES_OF_ONE; i += 3) {
        notes[i] = 0x90;
        notes[i + 1] = (uint8_t)(i / 3 % 128);
        notes[i + 2] = 1;
    }
    raw_send(fd, notes, sizeof notes);
    if (accept_mode == MIDISOCK_ACCEPT_MANUAL) {
        CHECK_OK(midisock_accept(server, DEADLINE_MS, &accepted));
    }
    raw_close(fd);
    /* A client that has not come yet is not one that has left. */
    CHECK_COUNT(server, connections, 1);
    static tally t;
    midisock_port *from = accepted != NULL ? accepted : server;
    CHECK_SOON((make_room(from, &t), midisock_client_count(server) == 0));
    CHECK_SOON(check_descriptors() == descriptors);
    midisock_close(accepted);
    midisock_close(server);
}

static void full_queues_hold_no_descriptors(void)
{
    a_full_queue_holds_no_descriptor(MIDISOCK_OVERFLOW_REPAIR, MIDISOCK_ACCEPT_MERGED);
    a_full_queue_holds_no_descriptor(MIDISOCK_OVERFLOW_WAIT, MIDISOCK_ACCEPT_MERGED);
    a_full_queue_holds_no_descriptor(MIDISOCK_OVERFLOW_REPAIR, MIDISOCK_ACCEPT_MANUAL);
    a_full_queue_holds_no_descriptor(MIDISOCK_OVERFLOW_WAIT, MIDISOCK_ACCEPT_MANUAL);
}

int main(int argc, char **argv)
{
    static const check_case cases[] = {
        CASE(a_merged_server_that_repairs),
        CASE(a_merged_server_that_waits),
        CASE(accepted_ports_that_repair),
        CASE(accepted_ports_that_wait),
        CASE(full_queues_hold_no_descriptors),
    };
    return check_main(argc, argv, CASES(cases));
}
