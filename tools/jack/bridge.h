/* The bridge: a midisock port on one side, a JACK client with MIDI ports on the
 * other.
 *
 * JACK's process thread runs bridge_process and nothing else. The fields that it
 * shares with libjack's other threads and the main thread are at the end of struct
 * bridge. */
#ifndef MIDISOCK_TOOLS_BRIDGE_H
#define MIDISOCK_TOOLS_BRIDGE_H

#include "../common/held.h"
#include "../common/parser.h"
#include "channels.h"

#include <jack/jack.h>
#include <jack/midiport.h>
#include <jack/ringbuffer.h>
#include <midisock/midisock.h>

#define BRIDGE_PORTS 32
#define BRIDGE_NAME 320 /* more than the longest name of a port */

/* One of the client's MIDI ports. */
struct jack_side {
    const char *name;
    struct channels channels;
    int is_output; /* in JACK's sense: messages from the network come out of it */
    jack_port_t *port;

    /* Used by the process thread, and by the main thread while there is no client. */
    void *buffer;
    jack_midi_event_t event; /* the next event of an input... */
    uint32_t index, count;   /* ...is event `index` of `count` of this cycle */
    struct parser parser;    /* of an input: a SysEx may come in several events */
    uint8_t *sysex;          /* room for the longest one */
    struct held held;        /* notes and pedals that came in and are not released yet */
    struct held owed;        /* those released, but without room for the message: --wait */

    int release; /* shared: a player of this input has gone */
};

struct bridge {
    midisock_port *port;
    jack_client_t *client; /* NULL while there is no JACK server */
    struct jack_side sides[BRIDGE_PORTS];
    int side_count;
    int waits;        /* --wait: the library does not remember messages for which there was no room */
    int delays_input; /* messages from JACK are sent one period later, at their frame */
    size_t max_message;

    /* Used by the process thread, and by the main thread while there is no client. */
    midisock_message pending; /* popped, but JACK had no room for it in that cycle */
    uint32_t pending_for;     /* a bit for each side that has not had it yet */
    int was_offline;
    jack_nframes_t frames; /* of the last cycle */
    int64_t position;      /* JACK's frame counter at the last cycle, without an end; 0: no cycle yet */
    int same_clock;        /* JACK's microseconds are those of midisock_now_ns */

    /* Shared: read and written with bridge_get and bridge_set. */
    int flowing;     /* the connections in JACK are made: messages may flow */
    int freewheeling;
    int gone;        /* JACK has shut this client down */
    int ended;       /* the midisock port is shut down, and all its messages were passed on */
    uint32_t cycles; /* calls of bridge_process */
    uint32_t xruns;
    uint32_t too_large; /* messages that do not even fit into an empty buffer of JACK's */
    uint32_t lost;      /* messages from JACK that a slow peer left no room for, with --wait */
    uint32_t left_out;  /* parts of JACK's events that are in no whole message, or in one that is too long */
    jack_ringbuffer_t *arrived; /* names of new ports, BRIDGE_NAME bytes each */
};

#define bridge_get(bridge, field) __atomic_load_n(&(bridge)->field, __ATOMIC_ACQUIRE)
#define bridge_set(bridge, field, value) __atomic_store_n(&(bridge)->field, value, __ATOMIC_RELEASE)

/* JACK's process callback; `bridge` is a struct bridge. Realtime. */
int bridge_process(jack_nframes_t frames, void *bridge);

/* Releases all notes and pedals that JACK's side still holds at the other end of
 * the network. For the main thread, while there is no client. */
void bridge_release(struct bridge *bridge);

#endif
