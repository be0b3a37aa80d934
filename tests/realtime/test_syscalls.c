/*
 * No realtime function makes a system call; with WAKE_SIGNAL a push makes one
 * write at most. Seen from inside a seccomp jail.
 */
#define _POSIX_C_SOURCE 200809L
#include "../c/check.h"
#include "../c/raw.h"
#include "driver.h"
#include "jail.h"

#include <malloc.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { CALLS = 1000000, RUN_MS = 30000 };

static cast the_cast;
static tally the_tally;

static void run_million(void *unused)
{
    (void)unused;
    driver_run(&the_cast, &the_tally, jail_trapped, CALLS, RUN_MS);
}

static void run_driver(jail_kind kind, uint32_t wake)
{
    jail jail;
    cast_open(&the_cast, wake);
    jail_start(&jail, kind, run_million, NULL);
    jail_join(&jail);
    driver_check(&the_cast, &the_tally, "system calls");
    cast_close(&the_cast);
    CHECK(the_tally.calls >= CALLS);
}

static void none_with_ticks(void)
{
    run_driver(JAIL_TRAP, MIDISOCK_WAKE_TICK);
    if (jail_first() != NULL)
        check_fail(__FILE__, __LINE__, "%s was called %lu times", jail_first(), jail_trapped());
    CHECK_INT(0, jail_trapped());
}

/* The other functions that leave something for the network thread. */
static int may_wake(function function)
{
    return function == PUSH || function == PUSH_MESSAGE || function == PUSH_FRAME ||
           function == PANIC || function == RESET;
}

static void one_write_a_push_with_signals(void)
{
    run_driver(JAIL_PASS_WRITES, MIDISOCK_WAKE_SIGNAL);
    if (jail_first() != NULL)
        check_fail(__FILE__, __LINE__, "%s was called", jail_first());
    CHECK_INT(jail_trapped(), jail_trapped_writes());
    CHECK(jail_trapped_writes() > 0);
    for (int f = 0; f < FUNCTIONS; f++)
        if (the_tally.worst[f] > (may_wake((function)f) ? 1u : 0u))
            check_fail(__FILE__, __LINE__, "%s made %lu system calls in one call",
                       driver_name((function)f), the_tally.worst[f]);
}

/* The first call of a fresh thread, in a fresh process, of a program that is
 * linked for lazy binding; nothing realtime was called before. */
typedef struct stage {
    midisock_port *client;
    midisock_port *server;
    midisock_port *a;
    midisock_port *b;
} stage;

static const uint8_t NOTE[] = {0x90, 60, 64};

static midisock_block a_block(void)
{
    midisock_block block;
    memset(&block, 0, sizeof block);
    block.struct_size = sizeof block;
    block.sample_rate = 48000;
    block.frames = 64;
    return block;
}

static void on_stage(void (*first)(void *))
{
    stage stage;
    uint16_t number;
    jail jail;
    int listener = raw_listen(&number);
    CHECK_OK(midisock_connect("127.0.0.1", number, NULL, &stage.client));
    CHECK_OK(midisock_wait_connected(stage.client, DEADLINE_MS));
    int peer = raw_accept(listener);
    CHECK_OK(midisock_listen(NULL, 0, NULL, &stage.server));
    CHECK_OK(midisock_pair(NULL, &stage.a, &stage.b));
    raw_send(peer, NOTE, sizeof NOTE);
    CHECK_OK(midisock_wait(stage.client, MIDISOCK_WAIT_MESSAGE, DEADLINE_MS));

    jail_start(&jail, JAIL_TRAP, first, &stage);
    jail_join(&jail);

    printf("# %lu system calls\n", jail_trapped());
    if (jail_first() != NULL)
        check_fail(__FILE__, __LINE__, "%s was called", jail_first());
    midisock_close(stage.a);
    midisock_close(stage.b);
    midisock_close(stage.server);
    midisock_close(stage.client);
    raw_close(peer);
    raw_close(listener);
}

static midisock_result first_result;

/* `call` gives whether it did what it should. */
#define FIRST(name, call)                   \
    static void name##_jailed(void *stage_) \
    {                                       \
        stage *s = stage_;                  \
        first_result = (call);              \
    }                                       \
    static void first_##name(void)          \
    {                                       \
        on_stage(name##_jailed);            \
        CHECK(first_result);                \
    }

static int push_message(midisock_port *port, uint64_t ahead)
{
    midisock_message message;
    memset(&message, 0, sizeof message);
    message.data = NOTE;
    message.size = sizeof NOTE;
    message.time_ns = ahead ? midisock_now_ns() + ahead : 0;
    return midisock_push_message(port, &message) == MIDISOCK_OK;
}

static int pop(midisock_port *port, midisock_result expected)
{
    midisock_message message;
    return midisock_pop(port, &message) == expected;
}

static int begin_block(midisock_port *port)
{
    midisock_block block = a_block();
    return midisock_begin_block(port, &block) == MIDISOCK_OK;
}

static int pop_block(midisock_port *port)
{
    midisock_message message;
    return midisock_pop_block(port, &message) == MIDISOCK_ERR_INVALID_ARGUMENT;
}

static int get_stats(midisock_port *port)
{
    midisock_stats stats;
    return midisock_get_stats(port, &stats, sizeof stats) == MIDISOCK_OK;
}

FIRST(push, midisock_push(s->client, NOTE, sizeof NOTE) == MIDISOCK_OK)
FIRST(push_offline, midisock_push(s->server, NOTE, sizeof NOTE) == MIDISOCK_OFFLINE)
FIRST(push_pair, midisock_push(s->a, NOTE, sizeof NOTE) == MIDISOCK_OK)
FIRST(push_invalid, midisock_push(s->client, NOTE, 2) == MIDISOCK_ERR_INVALID_MESSAGE)
FIRST(push_message, push_message(s->client, 0))
FIRST(push_message_timed, push_message(s->client, 1000000))
FIRST(pop, pop(s->client, MIDISOCK_OK))
FIRST(pop_empty, pop(s->server, MIDISOCK_EMPTY))
FIRST(pop_pair, pop(s->b, MIDISOCK_EMPTY))
FIRST(skip, midisock_skip(s->client) == MIDISOCK_OK)
FIRST(panic, midisock_panic(s->client) == MIDISOCK_OK)
FIRST(reset, midisock_reset(s->client) == MIDISOCK_OK)
FIRST(begin_block, begin_block(s->client))
FIRST(pop_block, pop_block(s->client))
FIRST(push_frame, midisock_push_frame(s->client, 0, NOTE, 3) == MIDISOCK_ERR_INVALID_ARGUMENT)
FIRST(state, midisock_state(s->client) == MIDISOCK_STATE_CONNECTED)
FIRST(client_count, midisock_client_count(s->server) == 0)
FIRST(local_port, midisock_local_port(s->server) != 0)
FIRST(get_stats, get_stats(s->client))
FIRST(now_ns, s != NULL && midisock_now_ns() != 0)
FIRST(strerror, s != NULL && midisock_strerror(MIDISOCK_ERR_FULL)[0] != '\0')
FIRST(version, s != NULL && midisock_version() != 0)
FIRST(version_string, s != NULL && midisock_version_string()[0] != '\0')

/* Controls: the jail must see what is not realtime. */
static void wait_a_moment(void *port)
{
    first_result = midisock_wait(port, MIDISOCK_WAIT_MESSAGE, 5);
}

static void push_and_flush(void *port)
{
    midisock_push(port, NOTE, sizeof NOTE);
    first_result = midisock_flush(port, 5);
}

static void push_with_signal(void *port)
{
    /* Once the network thread sleeps, which it does all the time. */
    for (int i = 0; i < 1000000 && jail_trapped() == 0; i++)
        midisock_push(port, NOTE, sizeof NOTE);
}

static void sleep_a_moment(void *unused)
{
    const struct timespec ns = {0, 1};
    (void)unused;
    nanosleep(&ns, NULL);
}

static void caught(void (*run)(void *), const char *name, uint32_t wake)
{
    jail jail;
    uint16_t number;
    midisock_port *port;
    midisock_config config = check_config();
    config.wake = wake;
    /* What allocates in the jail shall find memory there, and go on to what it
     * is here for. */
    CHECK(mallopt(M_ARENA_MAX, 1));
    int listener = raw_listen(&number);
    CHECK_OK(midisock_connect("127.0.0.1", number, &config, &port));
    CHECK_OK(midisock_wait_connected(port, DEADLINE_MS));
    int peer = raw_accept(listener);
    jail_start(&jail, JAIL_TRAP, run, port);
    jail_join(&jail);
    CHECK(jail_trapped() > 0);
    printf("# caught: %lu, the first: %s\n", jail_trapped(), jail_first());
    CHECK_TEXT(name, jail_first());
    midisock_close(port);
    raw_close(peer);
    raw_close(listener);
}

static void control_wait_is_caught(void)
{
    caught(wait_a_moment, "futex", MIDISOCK_WAKE_TICK);
}

static void control_flush_is_caught(void)
{
    caught(push_and_flush, "write", MIDISOCK_WAKE_TICK);
}

static void control_signal_is_caught(void)
{
    caught(push_with_signal, "write", MIDISOCK_WAKE_SIGNAL);
}

static void control_sleep_is_caught(void)
{
    caught(sleep_a_moment, "clock_nanosleep", MIDISOCK_WAKE_TICK);
}

int main(int argc, char **argv)
{
    static const check_case TABLE[] = {
        CASE(none_with_ticks),          CASE(one_write_a_push_with_signals),
        CASE(first_push),               CASE(first_push_offline),
        CASE(first_push_pair),          CASE(first_push_invalid),
        CASE(first_push_message),       CASE(first_push_message_timed),
        CASE(first_pop),                CASE(first_pop_empty),
        CASE(first_pop_pair),           CASE(first_skip),
        CASE(first_panic),              CASE(first_reset),
        CASE(first_begin_block),        CASE(first_pop_block),
        CASE(first_push_frame),         CASE(first_state),
        CASE(first_client_count),       CASE(first_local_port),
        CASE(first_get_stats),          CASE(first_now_ns),
        CASE(first_strerror),           CASE(first_version),
        CASE(first_version_string),     CASE(control_wait_is_caught),
        CASE(control_flush_is_caught),  CASE(control_signal_is_caught),
        CASE(control_sleep_is_caught),
    };
    return check_main(argc, argv, CASES(TABLE));
}
