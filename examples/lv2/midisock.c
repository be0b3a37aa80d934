/* An LV2 plugin between a host and the network, without a worker and without a
 * user interface: what comes into its input goes over TCP, what comes from there
 * goes out of its output, each message at its frame.
 *
 * Where to is part of the plugin's state: `connect HOST:PORT` or `listen
 * HOST:PORT`. The host sets it with a preset or a saved session, never while
 * run() is running, so that the port can be opened there and then. */
#include <lv2/atom/atom.h>
#include <lv2/atom/util.h>
#include <lv2/core/lv2.h>
#include <lv2/midi/midi.h>
#include <lv2/state/state.h>
#include <lv2/urid/urid.h>
#include <midisock/midisock.h>

#include <stdlib.h>
#include <string.h>

#define PLUGIN_URI "urn:midisock:link"
#define ADDRESS_URI PLUGIN_URI "#address"
#define DEFAULT_ADDRESS "connect localhost:9080"

enum { IN, OUT, FREEWHEEL, PEERS };

struct plugin {
    midisock_port *port; /* NULL where the address is none, or cannot be opened */
    midisock_port *last; /* of the address before, shut down... */
    int drained;         /* ...and all that the host held of it is released */
    char address[300];
    double rate;
    int stopped; /* the next block does not follow upon the last one */
    int pending; /* `message` was popped, but the host's buffer had no room for it */
    midisock_message message;
    uint8_t kept[3]; /* of `message`, where the queue's own is gone */

    const LV2_Atom_Sequence *in;
    LV2_Atom_Sequence *out;
    const float *freewheel;
    float *peers;

    LV2_URID midi_event, sequence, string, address_key;
};

/* What was popped counts as played: a Note Off that had no room is still owed
 * to the host, when what else was in the queue has gone. */
static void keep_pending(struct plugin *plugin)
{
    plugin->pending = plugin->pending && plugin->message.size <= sizeof plugin->kept;
    if (plugin->pending) {
        memmove(plugin->kept, plugin->message.data, plugin->message.size);
        plugin->message.data = plugin->kept;
    }
}

/* Ends the port. What the host still holds of it is released by the next blocks. */
static void leave_port(struct plugin *plugin)
{
    keep_pending(plugin);
    if (plugin->drained) {
        midisock_close(plugin->last);
        plugin->last = plugin->port;
        plugin->drained = plugin->port == NULL;
        midisock_skip(plugin->last); /* nothing new begins */
        midisock_shutdown(plugin->last);
    } else
        midisock_close(plugin->port); /* nothing was popped from it yet: it waits for the one before */
    plugin->port = NULL;
}

/* Opens what the address says; 0 if that cannot be. */
static int open_port(struct plugin *plugin)
{
    const char *text = plugin->address;
    int listening = strncmp(text, "listen ", 7) == 0;
    char host[256];
    uint16_t number;
    midisock_config config;
    midisock_result result;
    leave_port(plugin);
    if (!listening && strncmp(text, "connect ", 8) != 0)
        return 0;
    if (midisock_parse_address(strchr(text, ' ') + 1, host, sizeof host, &number) != MIDISOCK_OK)
        return 0;
    midisock_config_init(&config, sizeof config);
    config.overflow = MIDISOCK_OVERFLOW_REPAIR;     /* this is live: late is worse than lost */
    config.push_latency_ns = MIDISOCK_LATENCY_AUTO; /* what is sent keeps its spacing */
    config.listen_retry_ms = UINT32_MAX;            /* a session that is loaded again gets its port back */
    result = listening ? midisock_listen(host, number, &config, &plugin->port)
                       : midisock_connect(host, number, &config, &plugin->port);
    return result == MIDISOCK_OK;
}

static LV2_Handle instantiate(const LV2_Descriptor *descriptor, double rate, const char *bundle,
                              const LV2_Feature *const *features)
{
    struct plugin *plugin = calloc(1, sizeof *plugin);
    const LV2_URID_Map *map = NULL;
    (void)descriptor;
    (void)bundle;
    for (; *features != NULL; features++)
        if (strcmp((*features)->URI, LV2_URID__map) == 0)
            map = (*features)->data;
    if (plugin == NULL || map == NULL) {
        free(plugin);
        return NULL;
    }
    plugin->rate = rate;
    plugin->drained = 1;
    plugin->midi_event = map->map(map->handle, LV2_MIDI__MidiEvent);
    plugin->sequence = map->map(map->handle, LV2_ATOM__Sequence);
    plugin->string = map->map(map->handle, LV2_ATOM__String);
    plugin->address_key = map->map(map->handle, ADDRESS_URI);
    strcpy(plugin->address, DEFAULT_ADDRESS); /* opened when it is activated: a state may come before that */
    return plugin;
}

static void connect_port(LV2_Handle handle, uint32_t index, void *data)
{
    struct plugin *plugin = handle;
    switch (index) {
    case IN: plugin->in = data; break;
    case OUT: plugin->out = data; break;
    case FREEWHEEL: plugin->freewheel = data; break;
    case PEERS: plugin->peers = data; break;
    default: break;
    }
}

/* What has come while the plugin was not running is old: what follows is how
 * the channels stand now. */
static void activate(LV2_Handle handle)
{
    struct plugin *plugin = handle;
    if (plugin->port == NULL)
        open_port(plugin);
    keep_pending(plugin);
    midisock_skip(plugin->port);
    plugin->stopped = 1;
}

/* 0: there is no room for it in this block. */
static int append(struct plugin *plugin, uint32_t capacity, uint32_t frame)
{
    const midisock_message *message = &plugin->message;
    uint32_t size = lv2_atom_pad_size((uint32_t)sizeof(LV2_Atom_Event) + message->size);
    LV2_Atom_Event *event = lv2_atom_sequence_end(&plugin->out->body, plugin->out->atom.size);
    if (plugin->out->atom.size > capacity || size > capacity - plugin->out->atom.size)
        return plugin->out->atom.size == sizeof(LV2_Atom_Sequence_Body); /* it never will have: leave it out */
    event->time.frames = frame;
    event->body.type = plugin->midi_event;
    event->body.size = message->size;
    memcpy(event + 1, message->data, message->size);
    plugin->out->atom.size += size;
    return 1;
}

/* The next message for this block: first what the last port leaves to be released. */
static int next_message(struct plugin *plugin)
{
    midisock_message *message = &plugin->message;
    midisock_result result;
    if (plugin->drained)
        return midisock_pop_block(plugin->port, message) == MIDISOCK_OK;
    result = midisock_pop(plugin->last, message);
    message->frame = 0;
    plugin->drained = result < MIDISOCK_OK; /* closed; MIDISOCK_EMPTY: there is more to come */
    return result == MIDISOCK_OK;
}

static void network_to_host(struct plugin *plugin, uint32_t capacity)
{
    if (plugin->pending)
        plugin->pending = !append(plugin, capacity, 0);
    while (!plugin->pending && next_message(plugin))
        if (!(plugin->message.flags & MIDISOCK_FLAG_STILL_HELD))
            plugin->pending = !append(plugin, capacity, plugin->message.frame);
}

static void host_to_network(struct plugin *plugin, uint32_t frames)
{
    LV2_ATOM_SEQUENCE_FOREACH(plugin->in, event)
    {
        uint32_t frame = event->time.frames < frames ? (uint32_t)event->time.frames : frames - (frames > 0);
        if (event->body.type == plugin->midi_event)
            midisock_push_frame(plugin->port, frame, (const uint8_t *)(event + 1), event->body.size);
    }
}

static void run(LV2_Handle handle, uint32_t frames)
{
    struct plugin *plugin = handle;
    uint32_t capacity = plugin->out->atom.size;
    midisock_block block = MIDISOCK_BLOCK_INIT;
    block.start_ns = midisock_now_ns();
    block.sample_rate = plugin->rate;
    block.frames = frames;
    if (*plugin->freewheel > 0.0f)
        block.flags |= MIDISOCK_BLOCK_FREEWHEEL;
    if (plugin->stopped)
        block.flags |= MIDISOCK_BLOCK_DISCONTINUITY;
    plugin->stopped = 0;

    plugin->out->atom.type = plugin->sequence;
    plugin->out->atom.size = sizeof(LV2_Atom_Sequence_Body);
    plugin->out->body.unit = 0;
    plugin->out->body.pad = 0;
    midisock_begin_block(plugin->port, &block); /* where there is no port all of these do nothing */
    network_to_host(plugin, capacity);
    host_to_network(plugin, frames);
    *plugin->peers = (float)(midisock_client_count(plugin->port) +
                             (midisock_state(plugin->port) == MIDISOCK_STATE_CONNECTED));
}

/* Nothing that the host has played shall sound on while it does not run. */
static void deactivate(LV2_Handle handle)
{
    struct plugin *plugin = handle;
    midisock_cancel(plugin->port); /* a note that has not begun yet would begin after the reset */
    midisock_reset(plugin->port);
}

static void cleanup(LV2_Handle handle)
{
    struct plugin *plugin = handle;
    midisock_close(plugin->last);
    midisock_close(plugin->port);
    free(plugin);
}

static LV2_State_Status save(LV2_Handle handle, LV2_State_Store_Function store, LV2_State_Handle state, uint32_t flags,
                             const LV2_Feature *const *features)
{
    struct plugin *plugin = handle;
    (void)flags;
    (void)features;
    return store(state, plugin->address_key, plugin->address, strlen(plugin->address) + 1, plugin->string,
                 LV2_STATE_IS_POD | LV2_STATE_IS_PORTABLE);
}

static LV2_State_Status restore(LV2_Handle handle, LV2_State_Retrieve_Function retrieve, LV2_State_Handle state,
                                uint32_t flags, const LV2_Feature *const *features)
{
    struct plugin *plugin = handle;
    size_t size;
    uint32_t type, value_flags;
    const char *address = retrieve(state, plugin->address_key, &size, &type, &value_flags);
    (void)flags;
    (void)features;
    if (address == NULL)
        return LV2_STATE_ERR_NO_PROPERTY;
    if (type != plugin->string || size == 0 || size > sizeof plugin->address || address[size - 1] != '\0')
        return LV2_STATE_ERR_BAD_TYPE;
    if (plugin->port != NULL && strcmp(address, plugin->address) == 0)
        return LV2_STATE_SUCCESS;
    memcpy(plugin->address, address, size);
    return open_port(plugin) ? LV2_STATE_SUCCESS : LV2_STATE_ERR_UNKNOWN;
}

static const void *extension_data(const char *uri)
{
    static const LV2_State_Interface state = {save, restore};
    return strcmp(uri, LV2_STATE__interface) == 0 ? &state : NULL;
}

LV2_SYMBOL_EXPORT const LV2_Descriptor *lv2_descriptor(uint32_t index)
{
    static const LV2_Descriptor descriptor = {PLUGIN_URI, instantiate, connect_port, activate,
                                              run,        deactivate,  cleanup,      extension_data};
    return index == 0 ? &descriptor : NULL;
}
