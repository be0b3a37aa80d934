/*
 * Calls every realtime function with its outcomes in a given situation.
 * Callgrind counts the instructions of each call.
 *
 *   count FULLNESS CLIENTS
 *
 * FULLNESS: how full the queues are, in percent. CLIENTS: the number of clients
 * of a merged server. Prints a line with the name of the row for each call of
 * `counted`; callgrind writes a file for each (--dump-after=counted).
 */
#define _POSIX_C_SOURCE 200809L
#include "../c/check.h"
#include "../c/frames.h"
#include "../c/raw.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define LATENCY_NS UINT64_C(1000000000)
enum { QUEUE = 1 << 18, MOST_CLIENTS = 256, RECORD_BYTES = 16, LARGE = 16384, CALLS = 6 };

static unsigned percent;
static unsigned clients;
static int peers[MOST_CLIENTS];
static int sysex_peer;

static midisock_port *server;
static midisock_port *a;         /* a pair that waits */
static midisock_port *b;
static midisock_port *small_a;   /* the smallest queues, full; waits */
static midisock_port *small_b;
static midisock_port *lossy_a;   /* the same; repairs */
static midisock_port *lossy_b;
static midisock_port *sysex;     /* a server that has got SysEx of 16 KB */
static midisock_port *offline;
static midisock_port *offline_lossy;
static midisock_port *closed;
static midisock_port *manual;
static midisock_port *timed;     /* its peer tells times, and is told */
static partner timed_peer;
static uint32_t a_client;

static const uint8_t CONTROL[] = {0xb0, 7, 7};
static const uint8_t NOTE[] = {0x90, 60, 64};
static uint8_t large[LARGE + 1];
static midisock_message message;
static midisock_block block;
static midisock_stats stats;
static uint64_t time_ns;
static int number;

/* The calls; each gives what it should. */
#define EXPECT_RESULT(result, call) ((call) == (result))
static int push(void) { return EXPECT_RESULT(MIDISOCK_OK, midisock_push(server, CONTROL, 3)); }
static int push_pair(void) { return EXPECT_RESULT(MIDISOCK_OK, midisock_push(a, CONTROL, 3)); }
static int push_note(void) { return EXPECT_RESULT(MIDISOCK_OK, midisock_push(small_b, NOTE, 3)); }
static int pop_note(void) { return EXPECT_RESULT(MIDISOCK_OK, midisock_pop(small_a, &message)); }
static int push_large(void) { return EXPECT_RESULT(MIDISOCK_OK, midisock_push(a, large, LARGE)); }
static int push_too_large(void)
{
    return EXPECT_RESULT(MIDISOCK_ERR_TOO_LARGE, midisock_push(server, large, LARGE + 1));
}
static int push_invalid(void)
{
    return EXPECT_RESULT(MIDISOCK_ERR_INVALID_MESSAGE, midisock_push(server, CONTROL, 2));
}
static int push_null(void)
{
    return EXPECT_RESULT(MIDISOCK_ERR_INVALID_ARGUMENT, midisock_push(server, NULL, 3));
}
static int push_full(void)
{
    return EXPECT_RESULT(MIDISOCK_ERR_FULL, midisock_push(small_a, CONTROL, 3));
}
static int pop_large(void)
{
    return EXPECT_RESULT(MIDISOCK_OK, midisock_pop(sysex, &message)) && message.size == LARGE;
}
static int push_full_repairing(void)
{
    return EXPECT_RESULT(MIDISOCK_ERR_FULL, midisock_push(lossy_a, CONTROL, 3));
}
static int push_reset_refused(void) /* the costliest to remember */
{
    return EXPECT_RESULT(MIDISOCK_ERR_FULL, midisock_push(lossy_a, (const uint8_t[]){0xff}, 1));
}
static int push_offline(void)
{
    return EXPECT_RESULT(MIDISOCK_OFFLINE, midisock_push(offline, CONTROL, 3));
}
static int push_offline_repairing(void)
{
    return EXPECT_RESULT(MIDISOCK_OFFLINE, midisock_push(offline_lossy, CONTROL, 3));
}
static int push_closed(void)
{
    return EXPECT_RESULT(MIDISOCK_ERR_CLOSED, midisock_push(closed, CONTROL, 3));
}
static int push_to_client(void)
{
    message.client = a_client;
    message.time_ns = 0;
    return EXPECT_RESULT(MIDISOCK_OK, midisock_push_message(server, &message));
}
static int push_to_nobody(void)
{
    message.client = 0x00ffffff;
    return EXPECT_RESULT(MIDISOCK_ERR_NO_SUCH_CLIENT, midisock_push_message(server, &message));
}
static int push_scheduled(void)
{
    message.client = 0;
    message.time_ns = time_ns;
    return EXPECT_RESULT(MIDISOCK_OK, midisock_push_message(server, &message));
}
static int pop(void) { return EXPECT_RESULT(MIDISOCK_OK, midisock_pop(server, &message)); }
static int pop_pair(void) { return EXPECT_RESULT(MIDISOCK_OK, midisock_pop(b, &message)); }
static int pop_empty(void) { return EXPECT_RESULT(MIDISOCK_EMPTY, midisock_pop(offline, &message)); }
static int pop_empty_pair(void) { return EXPECT_RESULT(MIDISOCK_EMPTY, midisock_pop(a, &message)); }
static int pop_closed(void)
{
    return EXPECT_RESULT(MIDISOCK_ERR_CLOSED, midisock_pop(closed, &message));
}
static int skip(void) { return EXPECT_RESULT(MIDISOCK_OK, midisock_skip(server)); }
static int panic(void) { return EXPECT_RESULT(MIDISOCK_OK, midisock_panic(server)); }
static int reset(void) { return EXPECT_RESULT(MIDISOCK_OK, midisock_reset(server)); }
static int begin_block(void) { return EXPECT_RESULT(MIDISOCK_OK, midisock_begin_block(server, &block)); }
static int begin_period(void)
{
    block.start_ns += 1333333;
    return EXPECT_RESULT(MIDISOCK_OK, midisock_begin_block(server, &block));
}
static int begin_counted(void)
{
    block.flags = MIDISOCK_BLOCK_HAS_POSITION;
    block.start_ns += 1333333;
    block.position += number++ % 4 == 0 ? 80 : block.frames; /* with dropouts */
    return EXPECT_RESULT(MIDISOCK_OK, midisock_begin_block(server, &block));
}
static int begin_device(void)
{
    block.start_ns += 1333333;
    block.flags = MIDISOCK_BLOCK_DEVICE_TIME;
    return EXPECT_RESULT(MIDISOCK_OK, midisock_begin_block(server, &block));
}
static int pop_block(void) { return EXPECT_RESULT(MIDISOCK_OK, midisock_pop_block(server, &message)); }
static int pop_block_empty(void)
{
    return EXPECT_RESULT(MIDISOCK_EMPTY, midisock_pop_block(offline, &message));
}
static int push_frame(void)
{
    return EXPECT_RESULT(MIDISOCK_OK, midisock_push_frame(server, 3, CONTROL, 3));
}
static int push_timed(void) { return EXPECT_RESULT(MIDISOCK_OK, midisock_push(timed, CONTROL, 3)); }
static int push_frame_timed(void)
{
    return EXPECT_RESULT(MIDISOCK_OK, midisock_push_frame(timed, 3, CONTROL, 3));
}
static int pop_timed(void)
{
    return EXPECT_RESULT(MIDISOCK_OK, midisock_pop(timed, &message)) && message.flags == MIDISOCK_FLAG_TIMED;
}
static int pop_block_timed(void)
{
    return EXPECT_RESULT(MIDISOCK_OK, midisock_pop_block(timed, &message)) && message.flags == MIDISOCK_FLAG_TIMED;
}
static int cancel(void) { return EXPECT_RESULT(MIDISOCK_OK, midisock_cancel(server)); }
static int state(void) { return midisock_state(server) == MIDISOCK_STATE_LISTENING; }
static int client_count(void) { return midisock_client_count(server) == clients; }
static int local_port(void) { return midisock_local_port(server) != 0; }
static int get_stats(void)
{
    return EXPECT_RESULT(MIDISOCK_OK, midisock_get_stats(server, &stats, sizeof stats));
}
static int now_ns(void) { return midisock_now_ns() != 0; }
static int text_of_error(void) { return midisock_strerror(-number++)[0] != 0; }
static int version(void) { return midisock_version() != 0; }
static int version_string(void) { return midisock_version_string()[0] != 0; }
static int pop_any(void) { return midisock_pop(server, &message) <= MIDISOCK_EMPTY; }
static int pop_any_pair(void) { return midisock_pop(b, &message) <= MIDISOCK_EMPTY; }
static int pop_any_lossy(void) { return midisock_pop(lossy_b, &message) <= MIDISOCK_EMPTY; }

/* Not to be inlined: callgrind counts from where it is entered. What it adds
 * itself is the same every time. */
static int __attribute__((noinline)) counted(int (*call)(void))
{
    return call();
}

static void count_one(const char *name, int (*call)(void))
{
    if (!counted(call))
        check_fail(__FILE__, __LINE__, "%s gave something else", name);
    printf("%s\n", name);
}

static void count(const char *name, int (*call)(void), int calls)
{
    for (int i = 0; i < calls; i++)
        count_one(name, call);
}

static unsigned messages(unsigned queue)
{
    return queue / RECORD_BYTES * percent / 100;
}

static void open_ports(void)
{
    midisock_config config = check_config();
    config.in_queue_bytes = config.out_queue_bytes = QUEUE;
    config.max_clients = MOST_CLIENTS;
    config.overflow = MIDISOCK_OVERFLOW_WAIT;
    /* The network thread shall not empty the queues between the calls. */
    config.tick_us = 1000000;
    server = check_listen(&config);
    for (unsigned i = 0; i < clients; i++)
        peers[i] = raw_connect(midisock_local_port(server));
    CHECK_SOON(midisock_client_count(server) == clients);
    CHECK_OK(midisock_pair(&config, &a, &b));
    sysex = check_listen(&config);
    sysex_peer = raw_connect(midisock_local_port(sysex));

    midisock_config small = config;
    small.in_queue_bytes = small.out_queue_bytes = 4096;
    CHECK_OK(midisock_pair(&small, &small_a, &small_b));
    small.overflow = MIDISOCK_OVERFLOW_REPAIR;
    CHECK_OK(midisock_pair(&small, &lossy_a, &lossy_b));

    uint16_t refusing_port = 0;
    int refusing = raw_refusing(&refusing_port);
    config.overflow = MIDISOCK_OVERFLOW_WAIT;
    CHECK_OK(midisock_connect("127.0.0.1", refusing_port, &config, &offline));
    config.overflow = MIDISOCK_OVERFLOW_REPAIR;
    CHECK_OK(midisock_connect("127.0.0.1", refusing_port, &config, &offline_lossy));
    raw_close(refusing);
    CHECK_OK(midisock_pair(&config, &closed, &manual));
    CHECK_OK(midisock_shutdown(closed));
}

/* A port whose peer uses sender time, and messages that have come with their time. */
static void open_timed(void)
{
    midisock_config config = check_config();
    config.in_queue_bytes = config.out_queue_bytes = QUEUE;
    config.tick_us = 1000000;
    config.latency_ns = LATENCY_NS;
    int fds[2];
    CHECK_INT(0, socketpair(AF_UNIX, SOCK_STREAM, 0, fds));
    CHECK_OK(midisock_adopt(fds[0], &config, &timed));
    timed_peer.fd = fds[1];
    frame_send(fds[1], frame_hello(0, 5, ""));
    partner_lock(&timed_peer, timed);
    uint64_t sent_us = partner_us(&timed_peer);
    frame_send(fds[1], frame_stamp(sent_us));
    for (int i = 0; i < 2 * CALLS; i++)
        raw_send(fds[1], CONTROL, 3);
    CHECK_COUNT(timed, timed_in, 2 * CALLS);
    /* A block in whose middle they belong. */
    midisock_block middle = MIDISOCK_BLOCK_INIT;
    middle.flags = MIDISOCK_BLOCK_DEVICE_TIME;
    middle.sample_rate = 48000;
    middle.frames = 48000;
    middle.start_ns = sent_us * 1000 + LATENCY_NS / 2;
    CHECK_OK(midisock_begin_block(timed, &middle));
}

static void fill(void)
{
    large[0] = 0xf0;
    memset(large + 1, 1, LARGE - 1);
    large[LARGE - 1] = 0xf7;
    /* First: what wakes the network thread has it empty the out queues too. */
    for (int i = 0; i < CALLS; i++)
        raw_send(sysex_peer, large, LARGE);
    CHECK_COUNT(sysex, messages_in, CALLS);
    /* Full both, and nothing refused yet by the one that would remember it. */
    while (midisock_push(small_a, CONTROL, 3) == MIDISOCK_OK)
        CHECK_OK(midisock_push(lossy_a, CONTROL, 3));
    /* Beside what the rows below push and pop themselves. */
    unsigned in = messages(QUEUE - 32 * RECORD_BYTES) + 32;
    for (unsigned i = 0; i < in; i++)
        raw_send(peers[i % clients], CONTROL, 3);
    CHECK_COUNT(server, messages_in, in);
    CHECK_OK(midisock_pop(server, &message));
    a_client = message.client;
    unsigned out = messages(QUEUE - 200 * RECORD_BYTES);
    for (unsigned i = 0; i < out; i++)
        CHECK_OK(midisock_push(server, CONTROL, 3));
    unsigned across = messages(QUEUE - 8 * LARGE) + 32;
    for (unsigned i = 0; i < across; i++)
        CHECK_OK(midisock_push(a, CONTROL, 3));
    memset(&message, 0, sizeof message);
    block.struct_size = sizeof block;
    block.sample_rate = 48000;
    block.frames = 64;
    block.start_ns = midisock_now_ns() + 1000000000;
    time_ns = midisock_now_ns() + 5000000000;
}

static void push_message_row(const char *name, int (*call)(void))
{
    for (int i = 0; i < CALLS; i++) {
        message.data = CONTROL;
        message.size = 3;
        count_one(name, call);
    }
}

static void count_all(void)
{
    count("push", push, CALLS);
    count("push on a pair", push_pair, CALLS);
    count("push of a note on a pair", push_note, CALLS);
    count("push of 16 KB", push_large, 4);
    count("push too large", push_too_large, CALLS);
    count("push invalid", push_invalid, CALLS);
    count("push NULL", push_null, CALLS);
    count("push full", push_full, CALLS);
    count("push full, first refused", push_full_repairing, 1);
    count("push full, repairing", push_full_repairing, CALLS);
    count("push offline", push_offline, CALLS);
    count("push offline, repairing", push_offline_repairing, CALLS);
    count("push closed", push_closed, CALLS);
    push_message_row("push_message to a client", push_to_client);
    push_message_row("push_message to nobody", push_to_nobody);
    push_message_row("push_message ahead", push_scheduled);
    count("pop", pop, CALLS);
    count("pop of 16 KB", pop_large, CALLS);
    count("pop on a pair", pop_pair, CALLS);
    count("pop of a note on a pair", pop_note, CALLS);
    count("pop empty", pop_empty, CALLS);
    count("pop empty, pair", pop_empty_pair, CALLS);
    count("pop closed", pop_closed, CALLS);
    count("begin_block", begin_block, CALLS);
    count("begin_block of a period", begin_period, CALLS); /* and not slices of one, as before */
    count("begin_block with position", begin_counted, CALLS);
    count("begin_block with device time", begin_device, CALLS);
    block.flags = 0;
    CHECK_OK(midisock_begin_block(server, &block));
    CHECK_OK(midisock_begin_block(offline, &block));
    count("pop_block", pop_block, CALLS);
    count("pop_block empty", pop_block_empty, CALLS);
    count("push_frame", push_frame, CALLS);
    count("push, times are told", push_timed, CALLS);
    count("push_frame, times are told", push_frame_timed, CALLS);
    count("pop of a timed message", pop_timed, CALLS);
    count("pop_block of a timed message", pop_block_timed, CALLS);
    CHECK_INT(0, (midisock_get_stats(timed, &stats, sizeof stats), stats.late_in));
    count("state", state, CALLS);
    count("client_count", client_count, CALLS);
    count("local_port", local_port, CALLS);
    count("get_stats", get_stats, CALLS);
    count("now_ns", now_ns, CALLS);
    count("strerror", text_of_error, 20);
    count("version", version, CALLS);
    count("version_string", version_string, CALLS);
    count("panic", panic, CALLS);
    count("reset", reset, CALLS);
    count("cancel", cancel, CALLS);

    /* Last, since they empty the queues. */
    count("skip", skip, 1);
    count("pop after a skip", pop_any, 40);
    /* Nothing but Note Ons, on every channel and note: all are looked at, and nothing follows. */
    while (midisock_pop(b, &message) == MIDISOCK_OK)
        continue;
    for (int i = 0; i < 2048; i++)
        CHECK_OK(midisock_push(a, BYTES((uint8_t)(0x90 | i / 128), (uint8_t)(i % 128), 1)));
    CHECK_OK(midisock_skip(b));
    count("pop after a skip of notes", pop_any_pair, 8);
    for (int i = 0; i < 2048; i++)
        midisock_push(lossy_a, BYTES((uint8_t)(0x90 | i / 128), (uint8_t)(i % 128), 1));
    for (int i = 0; i < 2048; i++)
        midisock_push(lossy_a, BYTES((uint8_t)(0xa0 | i / 128), (uint8_t)(i % 128), 1));
    while (midisock_pop(lossy_b, &message) == MIDISOCK_OK && !(message.flags & MIDISOCK_FLAG_SYNTHETIC))
        continue;
    count("pop after refused notes", pop_any_lossy, 8);
    while (midisock_pop(lossy_b, &message) == MIDISOCK_OK)
        continue;
    while (midisock_push(lossy_a, CONTROL, 3) == MIDISOCK_OK)
        continue;
    count("push full, System Reset", push_reset_refused, CALLS);
}

int main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    percent = (unsigned)atoi(argv[1]);
    clients = (unsigned)atoi(argv[2]);
    CHECK(percent <= 100 && clients > 0 && clients <= MOST_CLIENTS);
    open_ports();
    open_timed();
    fill();
    count_all();
    for (unsigned i = 0; i < clients; i++)
        raw_reset(peers[i]);
    raw_reset(sysex_peer);
    raw_close(timed_peer.fd);
    midisock_port *const ports[] = {server, sysex, a, b, small_a, small_b, lossy_a, lossy_b, offline,
                                    offline_lossy, closed, manual, timed};
    for (size_t i = 0; i < sizeof ports / sizeof ports[0]; i++)
        midisock_close(ports[i]);
    return 0;
}
