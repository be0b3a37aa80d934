/* The process callback: JACK's events to the network and back, each at its frame. */
#include "bridge.h"

#include <string.h>

/* Releases passed on in one cycle, so that no cycle takes long. */
#define RELEASES_A_CYCLE 16
#define RELEASE_MS 1000 /* how long the end waits for a peer that takes nothing */

static void count(uint32_t *counter)
{
    __atomic_fetch_add(counter, 1, __ATOMIC_RELAXED);
}

/* JACK's clock has a zero of its own: both clocks are read together, three times, and the
 * reading that took the least time counts. */
static uint64_t converted_ns(jack_time_t time)
{
    uint64_t best_width = UINT64_MAX, time_ns = 0;
    int i;
    for (i = 0; i < 3; i++) {
        uint64_t before = midisock_now_ns();
        jack_time_t jack_now = jack_get_time();
        uint64_t width = midisock_now_ns() - before;
        if (width < best_width) {
            int64_t since_us = (int64_t)(jack_now - time);
            best_width = width;
            time_ns = before + width / 2 - (uint64_t)(since_us * 1000);
        }
    }
    return time_ns;
}

/* JACK's frame counter has 32 bits, and is over after a day. */
static int64_t position_of(struct bridge *bridge, jack_nframes_t frame)
{
    /* Far enough above 0 for a counter that goes back a little. */
    if (bridge->position == 0)
        bridge->position = (INT64_C(1) << 32) + frame;
    else
        bridge->position += (int32_t)(frame - (jack_nframes_t)bridge->position);
    return bridge->position;
}

/* When this cycle began, by JACK's account. That is better than a clock that is read
 * now: JACK's delay-locked loop has removed the jitter of the interrupt, and it does
 * not matter how late this client runs. Where JACK's clock is midisock's, that time is
 * taken as it is. Else the conversion has jitter of its own, which midisock smooths. */
static void tell_time(struct bridge *bridge, midisock_block *block)
{
    jack_nframes_t frame;
    jack_time_t start, next;
    float period;
    if (jack_get_cycle_times(bridge->client, &frame, &start, &next, &period) != 0)
        return; /* midisock_begin_block reads the clock itself */
    block->position = position_of(bridge, frame);
    block->flags |= MIDISOCK_BLOCK_HAS_POSITION;
    if (bridge->same_clock && start != 0) {
        block->start_ns = start * 1000;
        block->flags |= MIDISOCK_BLOCK_DEVICE_TIME;
    } else {
        block->start_ns = converted_ns(start);
    }
}

static midisock_result begin(struct bridge *bridge, jack_nframes_t frames)
{
    midisock_block block = MIDISOCK_BLOCK_INIT;
    int offline = bridge_get(bridge, freewheeling);
    block.frames = frames;
    block.sample_rate = (double)jack_get_sample_rate(bridge->client);
    tell_time(bridge, &block);
    if (offline)
        block.flags |= MIDISOCK_BLOCK_FREEWHEEL;
    else if (bridge->was_offline || frames != bridge->frames) /* the delay follows a change to a shorter period, too */
        block.flags |= MIDISOCK_BLOCK_DISCONTINUITY;
    bridge->was_offline = offline;
    bridge->frames = frames;
    return midisock_begin_block(bridge->port, &block);
}

static void take_buffers(struct bridge *bridge, jack_nframes_t frames)
{
    int i;
    for (i = 0; i < bridge->side_count; i++) {
        struct jack_side *side = &bridge->sides[i];
        side->buffer = jack_port_get_buffer(side->port, frames);
        side->index = 0;
        side->count = 0;
        if (side->is_output)
            jack_midi_clear_buffer(side->buffer);
        else
            side->count = jack_midi_get_event_count(side->buffer);
    }
}

/* Writes the pending message to its sides. A buffer of JACK's holds some 30 KB a
 * cycle. A message without room waits for the next one, and those after it
 * wait behind it, in midisock's queue. */
static void write_pending(struct bridge *bridge, jack_nframes_t frame)
{
    const midisock_message *message = &bridge->pending;
    int i;
    for (i = 0; i < bridge->side_count; i++) {
        void *buffer = bridge->sides[i].buffer;
        jack_midi_data_t *to;
        if (!(bridge->pending_for >> i & 1))
            continue;
        to = jack_midi_event_reserve(buffer, frame, message->size);
        if (to != NULL)
            memcpy(to, message->data, message->size);
        else if (jack_midi_get_event_count(buffer) > 0)
            continue;
        else
            count(&bridge->too_large);
        bridge->pending_for &= ~(1u << i);
    }
}

static void network_to_jack(struct bridge *bridge)
{
    midisock_message *message = &bridge->pending;
    midisock_result result = MIDISOCK_OK;
    int i;
    if (bridge->pending_for != 0)
        write_pending(bridge, 0);
    while (bridge->pending_for == 0 && (result = midisock_pop_block(bridge->port, message)) == MIDISOCK_OK) {
        /* Another client of our server still holds that note. */
        if (message->flags & MIDISOCK_FLAG_STILL_HELD)
            continue;
        for (i = 0; i < bridge->side_count; i++)
            if (bridge->sides[i].is_output && channels_take(&bridge->sides[i].channels, message->data[0]))
                bridge->pending_for |= 1u << i;
        write_pending(bridge, message->frame);
    }
    if (result == MIDISOCK_ERR_CLOSED)
        bridge_set(bridge, ended, 1);
}

/* The next event of this input, in side->event; 0: no more. */
static int next_event(struct jack_side *side)
{
    for (; side->index < side->count; side->index++)
        if (jack_midi_event_get(&side->event, side->buffer, side->index) == 0 && side->event.size > 0)
            return 1;
    return 0;
}

/* The input that has the earliest event; NULL: no more. */
static struct jack_side *earliest_input(struct bridge *bridge)
{
    struct jack_side *found = NULL;
    int i;
    for (i = 0; i < bridge->side_count; i++) {
        struct jack_side *side = &bridge->sides[i];
        if (!side->is_output && next_event(side) && (found == NULL || side->event.time < found->event.time))
            found = side;
    }
    return found;
}

/* There was no room for a message. Notes and pedals that it ends are ended later. */
static void lose(struct bridge *bridge, struct jack_side *side, const uint8_t *data, size_t size)
{
    struct held before = side->held;
    held_follow(&side->held, data, size);
    held_move_ended(&before, &side->held, &side->owed);
    side->held = before;
    count(&bridge->lost);
}

static void send_message(struct bridge *bridge, struct jack_side *side, jack_nframes_t frame, const uint8_t *data,
                         size_t size)
{
    midisock_result result = midisock_push_frame(bridge->port, frame, data, size);
    if (result == MIDISOCK_ERR_TOO_LARGE)
        count(&bridge->left_out);
    else if (result == MIDISOCK_ERR_FULL && bridge->waits)
        lose(bridge, side, data, size);
    else /* sent, or remembered by the library until there is a peer and room */
        held_follow(&side->held, data, size);
}

/* An event should be one message, but some clients put several into one, and
 * JACK's own drivers give a long SysEx in several events. */
static void send_event(struct bridge *bridge, struct jack_side *side, jack_nframes_t frame)
{
    const uint8_t *data = side->event.buffer;
    size_t size = side->event.size;
    struct parser_item item;
    enum parser_result result;
    while ((result = parser_next(&side->parser, &data, &size, &item)) != PARSER_EMPTY) {
        if (result == PARSER_LEFT_OUT)
            count(&bridge->left_out);
        else if (channels_take(&side->channels, item.data[0]))
            send_message(bridge, side, frame, item.data, item.size);
    }
}

static void jack_to_network(struct bridge *bridge, jack_nframes_t frames)
{
    struct jack_side *side;
    while ((side = earliest_input(bridge)) != NULL) {
        send_event(bridge, side, side->event.time < frames ? side->event.time : frames - 1);
        side->index++;
    }
}

/* Releases notes and pedals, with `left` messages at most; 1: none are held any more. */
static int release(struct bridge *bridge, struct held *held, int *left)
{
    for (; *left > 0; --*left) {
        uint8_t data[3];
        size_t size = held_release(held, data);
        if (size == 0)
            return 1;
        if (midisock_push_frame(bridge->port, 0, data, size) == MIDISOCK_ERR_FULL && bridge->waits) {
            held_again(held, data, size);
            return 0;
        }
    }
    return 0;
}

/* Sends releases that had no room before, and releases inputs whose players have gone. */
static void release_abandoned(struct bridge *bridge)
{
    int i, left = RELEASES_A_CYCLE;
    for (i = 0; i < bridge->side_count; i++) {
        struct jack_side *side = &bridge->sides[i];
        if (bridge->waits && !side->is_output)
            release(bridge, &side->owed, &left);
        if (bridge_get(side, release) && release(bridge, &side->held, &left))
            bridge_set(side, release, 0);
    }
}

int bridge_process(jack_nframes_t frames, void *argument)
{
    struct bridge *bridge = argument;
    take_buffers(bridge, frames);
    if (frames > 0 && bridge_get(bridge, flowing) && begin(bridge, frames) == MIDISOCK_OK) {
        network_to_jack(bridge);
        release_abandoned(bridge);
        jack_to_network(bridge, frames);
    }
    __atomic_fetch_add(&bridge->cycles, 1, __ATOMIC_RELEASE);
    return 0;
}

static void release_now(struct bridge *bridge, struct held *held)
{
    uint8_t data[3];
    size_t size;
    while ((size = held_release(held, data)) > 0)
        while (midisock_push(bridge->port, data, size) == MIDISOCK_ERR_FULL && bridge->waits)
            if (midisock_wait(bridge->port, MIDISOCK_WAIT_ROOM, RELEASE_MS) != MIDISOCK_OK)
                return; /* a peer that takes nothing at all */
}

void bridge_release(struct bridge *bridge)
{
    int i;
    /* A pedal press that is scheduled would come after the release of the pedal. */
    midisock_cancel(bridge->port);
    for (i = 0; i < bridge->side_count; i++) {
        release_now(bridge, &bridge->sides[i].owed);
        release_now(bridge, &bridge->sides[i].held);
        bridge->sides[i].release = 0;
    }
}
