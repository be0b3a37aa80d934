#include "first.h"

#include "../c/check.h"
#include "../c/raw.h"

#include <pthread.h>
#include <string.h>

static const uint8_t NOTE[] = {0x90, 60, 64};
/* In static memory that a program's start does not touch: filled before. */
static uint8_t large[16384];

static void fill_large(void)
{
    memset(large, 1, sizeof large);
    large[0] = 0xf0;
    large[sizeof large - 1] = 0xf7;
}

void stage_open(stage *stage)
{
    uint16_t number;
    fill_large();
    stage->listener = raw_listen(&number);
    CHECK_OK(midisock_connect("127.0.0.1", number, NULL, &stage->client));
    CHECK_OK(midisock_wait_connected(stage->client, DEADLINE_MS));
    stage->peer = raw_accept(stage->listener);
    CHECK_OK(midisock_listen(NULL, 0, NULL, &stage->server));
    CHECK_OK(midisock_pair(NULL, &stage->a, &stage->b));
    raw_send(stage->peer, NOTE, sizeof NOTE);
    CHECK_OK(midisock_wait(stage->client, MIDISOCK_WAIT_MESSAGE, DEADLINE_MS));
}

void stage_open_pair(stage *stage)
{
    midisock_config config;
    midisock_config_init(&config, sizeof config);
    config.overflow = MIDISOCK_OVERFLOW_REPAIR;
    fill_large();
    memset(stage, 0, sizeof *stage);
    stage->listener = stage->peer = -1;
    CHECK_OK(midisock_pair(&config, &stage->a, &stage->b));
}

void stage_close(stage *stage)
{
    midisock_close(stage->a);
    midisock_close(stage->b);
    midisock_close(stage->server);
    midisock_close(stage->client);
    if (stage->peer >= 0)
        raw_close(stage->peer);
    if (stage->listener >= 0)
        raw_close(stage->listener);
}

typedef struct act {
    int (*first)(const stage *stage);
    void (*begin)(void);
    void (*end)(void);
    stage stage;
    int held;
} act;

static void *do_act(void *act_)
{
    act *act = act_;
    act->begin();
    act->held = act->first(&act->stage);
    act->end();
    return NULL;
}

void first_on_thread(int (*first)(const stage *stage), void (*begin)(void), void (*end)(void))
{
    act act;
    pthread_t thread;
    memset(&act, 0, sizeof act);
    act.first = first;
    act.begin = begin;
    act.end = end;
    stage_open(&act.stage);
    check_start(&thread, do_act, &act);
    check_join(thread);
    CHECK(act.held);
    stage_close(&act.stage);
}

static int push(midisock_port *port, midisock_result expected)
{
    return midisock_push(port, NOTE, sizeof NOTE) == expected;
}

static int push_message(midisock_port *port, uint64_t time_ns)
{
    midisock_message message;
    memset(&message, 0, sizeof message);
    message.data = NOTE;
    message.size = sizeof NOTE;
    message.time_ns = time_ns;
    return midisock_push_message(port, &message) == MIDISOCK_OK;
}

static int pop(midisock_port *port, midisock_result expected)
{
    midisock_message message;
    return midisock_pop(port, &message) == expected;
}

static int pop_block(midisock_port *port, midisock_result expected)
{
    midisock_message message;
    return midisock_pop_block(port, &message) == expected;
}

static int begin_block(midisock_port *port)
{
    midisock_block block;
    memset(&block, 0, sizeof block);
    block.struct_size = sizeof block;
    block.sample_rate = 48000;
    block.frames = 64;
    return midisock_begin_block(port, &block) == MIDISOCK_OK;
}

static int get_stats(midisock_port *port)
{
    midisock_stats stats;
    return midisock_get_stats(port, &stats, sizeof stats) == MIDISOCK_OK;
}

/* Fills the queue; with repair, what comes then is remembered. */
static int push_until_full(midisock_port *port)
{
    midisock_result result = MIDISOCK_OK;
    for (int i = 0; i < 100000 && result == MIDISOCK_OK; i++)
        result = midisock_push(port, NOTE, sizeof NOTE);
    return result == MIDISOCK_ERR_FULL;
}

/* Empties it again; what was refused follows. */
static int repair(midisock_port *from, midisock_port *to)
{
    static const uint8_t CONTROLLER[] = {0xb0, 7, 1};
    midisock_message message;
    int synthetic = 0;
    if (!push_until_full(from))
        return 0;
    midisock_push(from, CONTROLLER, sizeof CONTROLLER);
    for (int i = 0; i < 200000 && midisock_pop(to, &message) == MIDISOCK_OK; i++)
        synthetic += (message.flags & MIDISOCK_FLAG_SYNTHETIC) != 0;
    return synthetic > 0;
}

#define FIRST(name, call)                     \
    int first_call_##name(const stage *stage) \
    {                                         \
        (void)stage;                          \
        return (call);                        \
    }

FIRST(push, push(stage->client, MIDISOCK_OK))
FIRST(push_offline, push(stage->server, MIDISOCK_OFFLINE))
FIRST(push_pair, push(stage->a, MIDISOCK_OK))
FIRST(push_invalid, midisock_push(stage->client, NOTE, 2) == MIDISOCK_ERR_INVALID_MESSAGE)
FIRST(push_large, midisock_push(stage->client, large, sizeof large) == MIDISOCK_OK)
FIRST(push_message, push_message(stage->client, 0))
/* 1 ns after the clock began: past, but it has to look. */
FIRST(push_message_timed, push_message(stage->client, 1))
FIRST(pop, pop(stage->client, MIDISOCK_OK))
FIRST(pop_empty, pop(stage->server, MIDISOCK_EMPTY))
FIRST(pop_pair, pop(stage->b, MIDISOCK_EMPTY))
FIRST(skip, midisock_skip(stage->client) == MIDISOCK_OK)
FIRST(panic, midisock_panic(stage->client) == MIDISOCK_OK)
FIRST(reset, midisock_reset(stage->client) == MIDISOCK_OK)
FIRST(cancel, midisock_cancel(stage->client) == MIDISOCK_OK)
FIRST(begin_block, begin_block(stage->client))
FIRST(pop_block, pop_block(stage->client, MIDISOCK_ERR_INVALID_ARGUMENT))
FIRST(push_frame, midisock_push_frame(stage->client, 0, NOTE, 3) == MIDISOCK_ERR_INVALID_ARGUMENT)
FIRST(state, midisock_state(stage->client) == MIDISOCK_STATE_CONNECTED)
FIRST(client_count, midisock_client_count(stage->server) == 0)
FIRST(local_port, midisock_local_port(stage->server) != 0)
FIRST(get_stats, get_stats(stage->client))
FIRST(now_ns, midisock_now_ns() != 0)
FIRST(strerror, midisock_strerror(MIDISOCK_ERR_FULL)[0] != '\0')
FIRST(version, midisock_version() != 0)
FIRST(version_string, midisock_version_string()[0] != '\0')

FIRST(pair_push, push(stage->a, MIDISOCK_OK) && pop(stage->b, MIDISOCK_OK))
FIRST(pair_push_large, midisock_push(stage->a, large, sizeof large) == MIDISOCK_OK)
FIRST(pair_push_full, push_until_full(stage->a))
FIRST(pair_push_message, push_message(stage->a, 5))
FIRST(pair_pop, pop(stage->a, MIDISOCK_EMPTY))
FIRST(pair_skip, midisock_skip(stage->a) == MIDISOCK_OK && push(stage->b, MIDISOCK_OK) &&
                     midisock_skip(stage->a) == MIDISOCK_OK && pop(stage->a, MIDISOCK_EMPTY))
FIRST(pair_panic, midisock_panic(stage->a) == MIDISOCK_OK && pop(stage->b, MIDISOCK_OK))
FIRST(pair_reset, midisock_reset(stage->a) == MIDISOCK_OK && pop(stage->b, MIDISOCK_OK))
FIRST(pair_cancel, midisock_cancel(stage->a) == MIDISOCK_OK)
FIRST(pair_block, begin_block(stage->a) && push(stage->b, MIDISOCK_OK) &&
                      (pop_block(stage->a, MIDISOCK_OK) || pop_block(stage->a, MIDISOCK_EMPTY)))
FIRST(pair_state, midisock_state(stage->a) == MIDISOCK_STATE_CONNECTED)
FIRST(pair_stats, get_stats(stage->a))
FIRST(pair_repair, repair(stage->a, stage->b))
