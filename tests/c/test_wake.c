/* Waking the network thread. In the cases with WAKE_SIGNAL no port uses ticks,
 * because a tick would hide a lost wake. */
#include "check.h"
#include "raw.h"

#include <string.h>

static unsigned scaled(unsigned count)
{
    return check_slow() ? count / 4 : count;
}

typedef struct echo {
    midisock_port *port;
    unsigned count;
} echo;

static void *echo_all(void *argument)
{
    const echo *e = argument;
    for (unsigned i = 0; i < e->count; i++) {
        midisock_message m = POP(e->port);
        check_push(e->port, m.data, m.size);
    }
    return NULL;
}

static midisock_config signalling(void)
{
    midisock_config c = check_config();
    c.wake = MIDISOCK_WAKE_SIGNAL;
    /* Should it tick all the same, it is to be seen. */
    c.tick_us = 1000000;
    return c;
}

static void ping_pong(const midisock_config *c, unsigned count)
{
    midisock_port *server = check_listen(c);
    midisock_port *client = check_connect(server, c);
    echo e = {server, count};
    pthread_t thread;
    check_start(&thread, echo_all, &e);
    uint8_t data[8];
    for (uint32_t i = 0; i < count; i++) {
        check_numbered(data, sizeof data, i);
        CHECK_OK(midisock_push(client, data, sizeof data));
        midisock_message m = POP(client);
        CHECK_INT(i, check_number(m.data, m.size));
    }
    check_join(thread);
    midisock_close(client);
    midisock_close(server);
}

static void signalled_ping_pongs(void)
{
    midisock_config c = signalling();
    ping_pong(&c, scaled(30000));
}

static void ticking_ping_pongs(void)
{
    midisock_config c = check_config();
    c.wake = MIDISOCK_WAKE_TICK;
    c.tick_us = 100;
    ping_pong(&c, scaled(4000));
    c.tick_us = 2000;
    ping_pong(&c, 100);
}

static void busy_ping_pongs(void)
{
    /* The network thread and the waits look for a while before they sleep: across that while, too, nothing is lost.
     * Where more threads look than there are processors, each step of a round takes slices of the scheduler, all the
     * more beside other tests: the long looks, which hardly ever end in sleep, have few rounds. */
    static const struct {
        uint32_t busy_us;
        unsigned rounds;
    } looks[] = {{1, 400}, {30, 400}, {1000, 40}, {1000000, 8}};
    midisock_config c = signalling();
    for (size_t i = 0; i < sizeof looks / sizeof looks[0]; i++) {
        c.busy_poll_us = looks[i].busy_us;
        c.wake = i % 2 == 0 ? MIDISOCK_WAKE_SIGNAL : MIDISOCK_WAKE_TICK;
        /* Where it is not quick enough to look again before it sleeps, a push waits for the tick: a second each. */
        c.tick_us = c.wake == MIDISOCK_WAKE_TICK ? 1000 : 1000000;
        ping_pong(&c, scaled(looks[i].rounds));
    }
}

static void a_busy_wait_still_ends_in_time(void)
{
    midisock_config c = signalling();
    c.busy_poll_us = 1000000;
    midisock_port *server = check_listen(&c);
    CHECK_INT(MIDISOCK_ERR_TIMEOUT, midisock_wait(server, MIDISOCK_WAIT_MESSAGE, 0));
    uint64_t begin = midisock_now_ns();
    CHECK_INT(MIDISOCK_ERR_TIMEOUT, midisock_wait(server, MIDISOCK_WAIT_MESSAGE, 20));
    uint64_t passed = midisock_now_ns() - begin;
    CHECK(passed >= 20000000);
    CHECK(passed < DEADLINE_MS * UINT64_C(1000000));
    /* Longer than the busy time: it sleeps in between, and is woken. */
    midisock_port *client = check_connect(server, &c);
    begin = midisock_now_ns();
    CHECK_INT(MIDISOCK_ERR_TIMEOUT, midisock_wait(server, MIDISOCK_WAIT_MESSAGE, 1200));
    CHECK(midisock_now_ns() - begin >= UINT64_C(1200000000));
    CHECK_OK(midisock_push(client, BYTES(0x90, 1, 2)));
    EXPECT(server, 0x90, 1, 2);
    midisock_close(client);
    midisock_close(server);
}

static void signalled_bursts(void)
{
    /* Bursts and pauses of every length, to meet the thread in every moment of
     * its falling asleep. */
    midisock_config c = signalling();
    c.overflow = MIDISOCK_OVERFLOW_WAIT;
    midisock_port *server = check_listen(&c);
    midisock_port *client = check_connect(server, &c);
    uint32_t random = 41;
    uint32_t sent = 0;
    uint32_t got = 0;
    uint8_t data[8];
    unsigned bursts = scaled(20000);
    for (unsigned i = 0; i < bursts; i++) {
        for (uint32_t n = 1 + check_random(&random) % 8; n > 0; n--) {
            check_numbered(data, sizeof data, sent++);
            check_push(client, data, sizeof data);
        }
        uint64_t until = midisock_now_ns() + check_random(&random) % 100000;
        while (midisock_now_ns() < until)
            continue;
        midisock_message m;
        while (midisock_pop(server, &m) == MIDISOCK_OK)
            CHECK_INT(got++, check_number(m.data, m.size));
    }
    while (got < sent) {
        midisock_message m = POP(server);
        CHECK_INT(got++, check_number(m.data, m.size));
    }
    midisock_close(client);
    midisock_close(server);
}

static void the_last_message_needs_no_next(void)
{
    midisock_config c = signalling();
    midisock_port *server = check_listen(&c);
    midisock_port *client = check_connect(server, &c);
    uint64_t begin = check_now_ms();
    for (int i = 0; i < 200; i++) {
        check_pause(); /* it sleeps soundly by now */
        CHECK_OK(midisock_push(client, BYTES(0xf3, (uint8_t)(i & 0x7f))));
        EXPECT(server, 0xf3, (uint8_t)(i & 0x7f));
    }
    /* Each at once: were it the tick of a second, it would take minutes. */
    CHECK(check_now_ms() - begin < DEADLINE_MS);
    midisock_close(client);
    midisock_close(server);
}

static void room_is_signalled_both_ways(void)
{
    midisock_config c = signalling();
    c.in_queue_bytes = 4096;
    c.out_queue_bytes = 4096;
    c.overflow = MIDISOCK_OVERFLOW_WAIT;
    midisock_port *server = check_listen(&c);
    midisock_port *client = check_connect(server, &c);
    echo e = {server, scaled(200000)};
    pthread_t thread;
    check_start(&thread, echo_all, &e);
    uint32_t got = 0;
    uint8_t data[8];
    for (uint32_t i = 0; i < e.count; i++) {
        check_numbered(data, sizeof data, i);
        midisock_message m;
        /* Full on every way there is: take what has come back, try again. */
        uint64_t until = check_now_ms() + DEADLINE_MS;
        midisock_result result;
        while ((result = midisock_push(client, data, sizeof data)) == MIDISOCK_ERR_FULL) {
            while (midisock_pop(client, &m) == MIDISOCK_OK)
                CHECK_INT(got++, check_number(m.data, m.size));
            midisock_result waited = midisock_wait(
                client, MIDISOCK_WAIT_ROOM | MIDISOCK_WAIT_MESSAGE, DEADLINE_MS);
            CHECK_OK(waited);
            CHECK(check_now_ms() < until);
        }
        CHECK_OK(result);
    }
    while (got < e.count) {
        midisock_message m = POP(client);
        CHECK_INT(got++, check_number(m.data, m.size));
    }
    check_join(thread);
    midisock_close(client);
    midisock_close(server);
}

static void signalling_and_ticking_ports_together(void)
{
    midisock_config signal = signalling();
    midisock_config tick = check_config();
    midisock_port *server = check_listen(&signal);
    midisock_port *ticking = check_connect(server, &tick);
    midisock_port *signalled = check_connect(server, &signal);
    for (uint8_t i = 0; i < 100; i++) {
        CHECK_OK(midisock_push(ticking, BYTES(0xf3, i)));
        EXPECT(server, 0xf3, i);
        CHECK_OK(midisock_push(signalled, BYTES(0xf3, i)));
        EXPECT(server, 0xf3, i);
        CHECK_OK(midisock_push(server, BYTES(0xf3, i)));
        EXPECT(ticking, 0xf3, i);
        EXPECT(signalled, 0xf3, i);
    }
    midisock_close(ticking);
    midisock_close(signalled);
    midisock_close(server);
}

/* Wakes of the network thread during some milliseconds, for each of these. */
static double wakes_per_ms(const midisock_port *port, uint64_t ms)
{
    uint64_t began = check_now_ms(), wakes = check_stats(port).network_wakes;
    while (check_now_ms() < began + ms)
        check_pause();
    wakes = check_stats(port).network_wakes - wakes;
    return (double)wakes / (double)(check_now_ms() - began);
}

static void a_tick_below_a_millisecond_is_held(void)
{
    midisock_config c = check_config();
    c.tick_us = 500;
    midisock_port *server = check_listen(&c);
    midisock_port *client = check_connect(server, &c);
    uint32_t random = 1;
    uint64_t until = check_now_ms() + DEADLINE_MS;
    /* A system that waits for whole milliseconds has one at most. Others may keep this one busy: again, then. */
    do {
        CHECK(check_now_ms() < until);
        CHECK_OK(midisock_push(client, BYTES(0xf6)));
        EXPECT(server, 0xf6);
    } while (wakes_per_ms(client, 100 + check_random(&random) % 100) < 1.5);
    midisock_close(client);
    midisock_close(server);
}

/* The network thread has looked at the port again and again, and found nothing. */
static void let_rest(const midisock_port *port)
{
    uint64_t wakes = check_stats(port).network_wakes;
    CHECK_SOON(check_stats(port).network_wakes > wakes + 3);
}

/* The network thread looks at an idle port only briefly, and still does what is asked of it, though nothing is pushed. */
static void what_is_asked_of_a_port_at_rest_is_done(void)
{
    midisock_config c = check_config();
    c.out_queue_bytes = 1024;
    midisock_port *port = check_listen(&c);
    int fd = raw_connect(midisock_local_port(port));
    NOTIFIED(port, MIDISOCK_NOTIFY_CLIENT_JOINED);
    CHECK_OK(midisock_push(port, BYTES(0x90, 60, 1)));
    CHECK_OK(midisock_push(port, BYTES(0x91, 61, 1)));
    CHECK_OK(midisock_push(port, BYTES(0x92, 62, 1)));
    RAW_EXPECT(fd, 0x90, 60, 1, 0x91, 61, 1, 0x92, 62, 1);
    let_rest(port);
    CHECK_OK(midisock_set_channels(port, MIDISOCK_ALL_CHANNELS & ~UINT32_C(1)));
    RAW_EXPECT(fd, 0x80, 60, 64);
    let_rest(port);
    CHECK_OK(midisock_flush(port, DEADLINE_MS));
    let_rest(port);
    midisock_message later;
    memset(&later, 0, sizeof later);
    later.data = (const uint8_t[]){0x91, 63, 1};
    later.size = 3;
    later.time_ns = midisock_now_ns() + UINT64_C(50000000);
    CHECK_OK(midisock_push_message(port, &later));
    let_rest(port);
    RAW_EXPECT(fd, 0x91, 63, 1);
    let_rest(port);
    CHECK_OK(midisock_panic(port));
    RAW_EXPECT(fd, 0xb1, 120, 0);
    raw_close(fd);
    midisock_close(port);
}

/* What push refused while the port was full follows though nothing else is pushed. */
static void what_was_refused_follows_by_itself(void)
{
    midisock_config c = check_config();
    c.out_queue_bytes = 1024;
    midisock_port *server = check_listen(&c);
    midisock_port *client = check_connect(server, &c);
    uint8_t value = 0;
    let_rest(client);
    while (midisock_push(client, BYTES(0xb0, 7, value)) == MIDISOCK_OK)
        value = (uint8_t)((value + 1) & 127);
    while (POP(server).data[2] != value)
        ;
    midisock_close(client);
    midisock_close(server);
}

int main(int argc, char **argv)
{
    static const check_case cases[] = {
        CASE(signalled_ping_pongs),
        CASE(ticking_ping_pongs),
        CASE(busy_ping_pongs),
        CASE(a_busy_wait_still_ends_in_time),
        CASE(signalled_bursts),
        CASE(the_last_message_needs_no_next),
        CASE(room_is_signalled_both_ways),
        CASE(signalling_and_ticking_ports_together),
        CASE(a_tick_below_a_millisecond_is_held),
        CASE(what_is_asked_of_a_port_at_rest_is_done),
        CASE(what_was_refused_follows_by_itself),
    };
    return check_main(argc, argv, CASES(cases));
}
