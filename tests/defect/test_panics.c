/*
 * A panic inside the library, which would be a defect, is contained: the call
 * returns MIDISOCK_ERR_INTERNAL (or the documented substitute), and the process
 * and the port go on. The library must be built with --cfg midisock_defect, which
 * panics on demand.
 */
#define _POSIX_C_SOURCE 200809L
#include "../c/check.h"
#include "../c/raw.h"
#include "../realtime/functions.h"

#include <stdio.h>
#include <string.h>

/* 1: the next call panics. 2: the next turn of the network thread. */
void midisock_defect(uint32_t place);

static midisock_port *port;
static midisock_port *other;
static midisock_message message;
static midisock_block block;
static midisock_stats stats;
static midisock_notification notification;
static midisock_port *made;
static midisock_port *made_too;
static uint16_t number;
static intptr_t handle;
static size_t index_of;
static char text[64];
static midisock_context *context;
static midisock_context *made_context;
static midisock_browser *made_browser;
static intptr_t handle;

static midisock_context *make_context(void)
{
    midisock_context_config c;
    midisock_context_config_init(&c, sizeof c);
    c.mode = MIDISOCK_CONTEXT_HOST;
    midisock_context *made_now = NULL;
    CHECK_OK(midisock_context_create(&c, &made_now));
    return made_now;
}

enum { INTERNAL = MIDISOCK_ERR_INTERNAL, NO_PANIC = 1000 };

/* What a call gives in place of MIDISOCK_ERR_INTERNAL: NO_PANIC for the few in
 * which nothing can panic. `realtime` functions stand under their own name. */
static const struct {
    const char *name;
    int gives;
} OTHERWISE[] = {
    {"state", MIDISOCK_STATE_CLOSED}, {"client_count", 0}, {"local_port", 0}, {"now_ns", NO_PANIC},
    {"strerror", NO_PANIC}, {"version", NO_PANIC}, {"version_string", NO_PANIC},
};

static int given(const char *name)
{
    for (size_t i = 0; i < sizeof OTHERWISE / sizeof OTHERWISE[0]; i++)
        if (strcmp(OTHERWISE[i].name, name) == 0)
            return OTHERWISE[i].gives;
    return INTERNAL;
}

#define DEFINE(name, call)             \
    static int call_##name(void)       \
    {                                  \
        return (int)(call);            \
    }
DEFINE(push, midisock_push(port, BYTES(0xf8)))
DEFINE(push_message, midisock_push_message(port, &message))
DEFINE(pop, midisock_pop(port, &message))
DEFINE(skip, midisock_skip(port))
DEFINE(panic, midisock_panic(port))
DEFINE(reset, midisock_reset(port))
DEFINE(begin_block, midisock_begin_block(port, &block))
DEFINE(pop_block, midisock_pop_block(port, &message))
DEFINE(push_frame, midisock_push_frame(port, 0, BYTES(0xf8)))
DEFINE(state, midisock_state(port))
DEFINE(client_count, midisock_client_count(port))
DEFINE(local_port, midisock_local_port(port))
DEFINE(get_stats, midisock_get_stats(port, &stats, sizeof stats))
DEFINE(now_ns, midisock_now_ns() != 0 ? NO_PANIC : 0)
DEFINE(strerror, midisock_strerror(0)[0] != 0 ? NO_PANIC : 0)
DEFINE(version, midisock_version() != 0 ? NO_PANIC : 0)
DEFINE(version_string, midisock_version_string()[0] != 0 ? NO_PANIC : 0)
DEFINE(cancel, midisock_cancel(port))
/* The control functions. */
DEFINE(listen, midisock_listen(NULL, 0, NULL, &made))
DEFINE(connect, midisock_connect("127.0.0.1", 9, NULL, &made))
DEFINE(adopt, midisock_adopt(0, NULL, &made))
DEFINE(pair, midisock_pair(NULL, &made, &made_too))
DEFINE(accept, midisock_accept(port, 0, &made))
DEFINE(shutdown, midisock_shutdown(port))
DEFINE(parse_address, midisock_parse_address("a:1", text, sizeof text, &number))
DEFINE(wait, midisock_wait(port, MIDISOCK_WAIT_MESSAGE, 0))
DEFINE(wait_any, midisock_wait_any((midisock_port *const *)&port, 1, MIDISOCK_WAIT_MESSAGE, 0, &index_of))
DEFINE(wait_connected, midisock_wait_connected(port, 0))
DEFINE(flush, midisock_flush(port, 0))
DEFINE(poll_notification, midisock_poll_notification(port, &notification))
DEFINE(client_address, midisock_client_address(port, 1, text, sizeof text))
DEFINE(peer_address, midisock_peer_address(port, text, sizeof text))
DEFINE(disconnect, midisock_disconnect(port, 1))
DEFINE(clients, midisock_clients(port, NULL, 0, &index_of))
DEFINE(set_allow, midisock_set_allow(port, NULL))
DEFINE(set_name, midisock_set_name(port, NULL))
DEFINE(wait_handle, midisock_wait_handle(port, MIDISOCK_WAIT_NOTIFICATION, &handle))
DEFINE(set_realtime_priority, midisock_set_realtime_priority(port, 0))
DEFINE(set_latency, midisock_set_latency(port, 0, 0))
DEFINE(set_channels, midisock_set_channels(port, 0))

DEFINE(browse, midisock_browse(&made_browser)) /* before anything is sent */

DEFINE(context_create, midisock_context_create(NULL, &made_context))
DEFINE(context_destroy, midisock_context_destroy(context))
DEFINE(context_poll, midisock_context_poll(context, 0))
DEFINE(context_handle, midisock_context_handle(context, &handle))

#define FUNCTION_ROW(upper, lower) {#lower, call_##lower},
#define ROW(name) {#name, call_##name},
static const struct {
    const char *name;
    int (*call)(void);
} ROWS[] = {
    REALTIME_FUNCTIONS(FUNCTION_ROW) ROW(listen) ROW(connect) ROW(adopt) ROW(pair) ROW(accept) ROW(shutdown)
        ROW(parse_address) ROW(wait) ROW(wait_any) ROW(wait_connected) ROW(flush)
            ROW(poll_notification) ROW(client_address) ROW(peer_address) ROW(disconnect) ROW(set_realtime_priority)
                ROW(clients) ROW(set_allow) ROW(set_name) ROW(wait_handle)
                    ROW(set_latency) ROW(set_channels)
                        ROW(context_create) ROW(context_destroy) ROW(context_poll) ROW(context_handle)
                            ROW(browse)};

static void open_pair(void)
{
    CHECK_OK(midisock_pair(NULL, &port, &other));
    memset(&message, 0, sizeof message);
    message.data = (const uint8_t *)"\xf8";
    message.size = 1;
    block.struct_size = sizeof block;
    block.sample_rate = 48000;
    block.frames = 64;
}

static void every_function_contains_it(void)
{
    open_pair();
    context = make_context();
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        message.data = (const uint8_t *)"\xf8";
        midisock_defect(1);
        int gave = ROWS[i].call();
        if (gave != given(ROWS[i].name))
            check_fail(__FILE__, __LINE__, "%s gave %d", ROWS[i].name, gave);
        midisock_defect(0);
        CHECK(made == NULL && made_too == NULL && made_context == NULL);
    }
    printf("# %zu functions\n", sizeof ROWS / sizeof ROWS[0]);
    /* And the context and the port are as they were. */
    CHECK_OK(midisock_context_handle(context, &handle));
    CHECK_OK(midisock_context_destroy(context));
    CHECK_INT(MIDISOCK_STATE_CONNECTED, midisock_state(port));
    CHECK_OK(midisock_push(port, BYTES(0x90, 60, 64)));
    EXPECT(other, 0x90, 60, 64);
    midisock_close(other);
    midisock_defect(1);
    midisock_close(port); /* nothing is closed: it panicked before */
    midisock_close(port);
}

/* The ports there are end; those who wait are told; new ones work. */
static void the_network_thread_goes_on(void)
{
    midisock_port *server = check_listen(NULL);
    port = check_connect(server, NULL);
    CHECK_OK(midisock_push(port, BYTES(0x90, 60, 64)));
    EXPECT(server, 0x90, 60, 64);
    midisock_defect(2);
    CHECK_SOON(midisock_state(server) == MIDISOCK_STATE_CLOSED);
    CHECK_SOON(midisock_state(port) == MIDISOCK_STATE_CLOSED);
    CHECK_RESULT(MIDISOCK_ERR_CLOSED, midisock_push(port, BYTES(0xf8)));
    CHECK_RESULT(MIDISOCK_ERR_CLOSED, midisock_flush(port, 0));
    midisock_close(port);
    midisock_close(server);
    server = check_listen(NULL);
    port = check_connect(server, NULL);
    CHECK_OK(midisock_push(port, BYTES(0x90, 61, 64)));
    EXPECT(server, 0x90, 61, 64);
    midisock_close(port);
    midisock_close(server);
}

/* While ports that were there wait, or are closed by others. */
static void *wait_for_ever(void *port)
{
    static midisock_result result;
    result = midisock_wait(port, MIDISOCK_WAIT_MESSAGE, -1);
    return &result;
}

static void who_waits_is_told(void)
{
    pthread_t thread;
    void *result;
    port = check_listen(NULL);
    /* The network thread has it. */
    int peer = raw_connect(midisock_local_port(port));
    CHECK_SOON(midisock_client_count(port) == 1);
    check_start(&thread, wait_for_ever, port);
    midisock_defect(2);
    midisock_port *wakes = NULL;
    CHECK_OK(midisock_listen(NULL, 0, NULL, &wakes)); /* a command: a turn */
    CHECK_INT(0, pthread_join(thread, &result));
    CHECK_RESULT(MIDISOCK_ERR_CLOSED, *(midisock_result *)result);
    midisock_close(wakes);
    midisock_close(port);
    raw_close(peer);
}

/* Without a thread it is the call that runs the context which tells. */
static void a_context_without_a_thread_goes_on(void)
{
    context = make_context();
    midisock_config c = check_config();
    c.context = context;
    for (int i = 0; i < 2; i++) {
        midisock_port *server = NULL;
        CHECK_OK(midisock_listen("127.0.0.1", 0, &c, &server));
        CHECK_OK(midisock_connect("127.0.0.1", midisock_local_port(server), &c, &port));
        CHECK_OK(midisock_wait_connected(port, DEADLINE_MS));
        CHECK_OK(midisock_push(port, BYTES(0x90, 60, 64)));
        EXPECT(server, 0x90, 60, 64);
        midisock_defect(2);
        if (i == 0)
            CHECK_RESULT(MIDISOCK_ERR_INTERNAL, midisock_context_poll(context, 0));
        else
            CHECK_RESULT(MIDISOCK_ERR_CLOSED, midisock_wait(port, MIDISOCK_WAIT_MESSAGE, -1));
        CHECK_INT(MIDISOCK_STATE_CLOSED, midisock_state(server));
        CHECK_INT(MIDISOCK_STATE_CLOSED, midisock_state(port));
        midisock_close(port);
        midisock_close(server);
    }
    CHECK_OK(midisock_context_destroy(context));
}

int main(int argc, char **argv)
{
    static const check_case cases[] = {
        CASE(every_function_contains_it),
        CASE(the_network_thread_goes_on),
        CASE(who_waits_is_told),
        CASE(a_context_without_a_thread_goes_on),
    };
    return check_main(argc, argv, CASES(cases));
}
