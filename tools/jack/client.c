#include "client.h"

#include <stdio.h>
#include <string.h>

static char last_error[200];
static char gone_reason[200];

static void keep_error(const char *text)
{
    snprintf(last_error, sizeof last_error, "%s", text);
}

static void ignore_info(const char *text)
{
    (void)text;
}

void client_quiet(void)
{
    jack_set_error_function(keep_error);
    jack_set_info_function(ignore_info);
}

const char *client_error(void)
{
    return last_error;
}

const char *client_gone_reason(void)
{
    return gone_reason;
}

/* Runs on a thread of libjack's, which must not call JACK now. */
static void on_gone(jack_status_t code, const char *reason, void *argument)
{
    struct bridge *bridge = argument;
    (void)code;
    snprintf(gone_reason, sizeof gone_reason, "%s", reason != NULL ? reason : "");
    bridge_set(bridge, gone, 1);
}

static void on_freewheel(int starting, void *argument)
{
    struct bridge *bridge = argument;
    bridge_set(bridge, freewheeling, starting);
}

static int on_xrun(void *argument)
{
    struct bridge *bridge = argument;
    __atomic_fetch_add(&bridge->xruns, 1, __ATOMIC_RELAXED);
    return 0;
}

/* A client that ends and returns between two checks of the connections would
 * seem never to have ended: so new ports are reported by name. */
static void on_port(jack_port_id_t id, int comes, void *argument)
{
    struct bridge *bridge = argument;
    jack_port_t *port = comes ? jack_port_by_id(bridge->client, id) : NULL;
    char name[BRIDGE_NAME];
    if (port == NULL || jack_ringbuffer_write_space(bridge->arrived) < sizeof name)
        return;
    snprintf(name, sizeof name, "%s", jack_port_name(port));
    jack_ringbuffer_write(bridge->arrived, name, sizeof name);
}

/* Tells JACK the latency from the network to an output, and from an input to the
 * network. Programs that align recordings need it. */
static void on_latency(jack_latency_callback_mode_t mode, void *argument)
{
    struct bridge *bridge = argument;
    midisock_stats stats;
    jack_nframes_t frames;
    jack_latency_range_t range;
    int i, is_output = mode == JackCaptureLatency;
    if (midisock_get_stats(bridge->port, &stats, sizeof stats) != MIDISOCK_OK)
        return;
    frames = (jack_nframes_t)((double)stats.latency_ns * jack_get_sample_rate(bridge->client) / 1e9 + 0.5);
    if (!is_output)
        frames = bridge->delays_input ? jack_get_buffer_size(bridge->client) : 0;
    range.min = range.max = frames;
    for (i = 0; i < bridge->side_count; i++)
        if (bridge->sides[i].is_output == is_output)
            jack_port_set_latency_range(bridge->sides[i].port, mode, &range);
}

static int register_sides(struct bridge *bridge)
{
    int i;
    for (i = 0; i < bridge->side_count; i++) {
        struct jack_side *side = &bridge->sides[i];
        unsigned long flags = side->is_output ? JackPortIsOutput : JackPortIsInput;
        side->port = jack_port_register(bridge->client, side->name, JACK_DEFAULT_MIDI_TYPE, flags, 0);
        if (side->port == NULL)
            return 0;
        held_clear(&side->held);
        parser_init(&side->parser, side->sysex, bridge->max_message);
        side->release = 0;
    }
    return 1;
}

/* Whether JACK counts the microseconds of midisock_now_ns. They are read around JACK's,
 * several times, since a thread may be kept waiting between two readings. */
static int is_same_clock(void)
{
    int i;
    for (i = 0; i < 10; i++) {
        uint64_t before = midisock_now_ns() / 1000;
        uint64_t jack = jack_get_time();
        uint64_t after = midisock_now_ns() / 1000;
        if (jack + 1 < before || jack > after + 1) /* JACK may round */
            return 0;
    }
    return 1;
}

static int set_up(struct bridge *bridge)
{
    jack_client_t *client = bridge->client;
    jack_on_info_shutdown(client, on_gone, bridge);
    if (jack_set_process_callback(client, bridge_process, bridge) != 0 || !register_sides(bridge))
        return 0;
    /* The bridge works without these, only less well. */
    jack_set_freewheel_callback(client, on_freewheel, bridge);
    jack_set_xrun_callback(client, on_xrun, bridge);
    jack_set_latency_callback(client, on_latency, bridge);
    jack_set_port_registration_callback(client, on_port, bridge);
    /* Messages in the queue are old by now. The state of the channels follows them. */
    if (!bridge->waits)
        midisock_skip(bridge->port);
    bridge->pending_for = 0;
    bridge->was_offline = 1;
    bridge->position = 0;
    bridge->same_clock = is_same_clock();
    return jack_activate(client) == 0;
}

int client_open(struct bridge *bridge, const char *name, const char *server)
{
    jack_options_t options = JackNoStartServer;
    jack_status_t status;
    last_error[0] = gone_reason[0] = '\0';
    bridge_set(bridge, gone, 0);
    bridge_set(bridge, flowing, 0);
    bridge_set(bridge, freewheeling, 0);
    bridge->client = server != NULL ? jack_client_open(name, options | JackServerName, &status, server)
                                    : jack_client_open(name, options, &status);
    if (bridge->client == NULL)
        return 0;
    if (set_up(bridge))
        return 1;
    client_close(bridge);
    return 0;
}

void client_close(struct bridge *bridge)
{
    if (bridge->client == NULL)
        return;
    jack_client_close(bridge->client);
    bridge->client = NULL;
    bridge_set(bridge, flowing, 0);
    bridge_release(bridge);
}
