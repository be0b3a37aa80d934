#include "wiring.h"

#include "../common/cli.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A client that ends loses its connections some time before its ports: that
 * somebody has taken a connection away is certain only when it is found so
 * again and again. In looks, of which there are ten a second. */
#define SURE 20

static struct wire *find(struct wiring *wiring, int side, const char *other)
{
    size_t i;
    for (i = 0; i < wiring->count; i++)
        if (wiring->wires[i].side == side && strcmp(wiring->wires[i].other, other) == 0)
            return &wiring->wires[i];
    return NULL;
}

/* Connections with ports that came into being since the last look are not there. */
static void take_arrived(struct wiring *wiring, struct bridge *bridge)
{
    char name[BRIDGE_NAME];
    size_t i;
    while (jack_ringbuffer_read_space(bridge->arrived) >= sizeof name) {
        jack_ringbuffer_read(bridge->arrived, name, sizeof name);
        for (i = 0; i < wiring->count; i++)
            if (strcmp(wiring->wires[i].other, name) == 0)
                wiring->wires[i].missing = 1;
    }
}

int wiring_want(struct wiring *wiring, int side, const char *other)
{
    struct wire *wire = find(wiring, side, other);
    if (wire != NULL)
        return 1;
    if (wiring->count == wiring->capacity) {
        size_t capacity = wiring->capacity > 0 ? wiring->capacity * 2 : 16;
        struct wire *wires = realloc(wiring->wires, capacity * sizeof *wires);
        if (wires == NULL)
            return 0;
        wiring->wires = wires;
        wiring->capacity = capacity;
    }
    wire = &wiring->wires[wiring->count++];
    wire->side = side;
    wire->missing = 1;
    wire->doubts = 0;
    snprintf(wire->other, sizeof wire->other, "%s", other);
    return 1;
}

static void tell(const struct wiring *wiring, const struct bridge *bridge, int side, const char *what,
                 const char *other)
{
    const char *way = bridge->sides[side].is_output ? "to" : "from";
    if (wiring->report != NULL)
        report_text(wiring->report, "JACK: port '%s' %s %s %s", bridge->sides[side].name, what, way, other);
}

/* Remembers the connections that this port has now. */
static void learn(struct wiring *wiring, const struct bridge *bridge, int side, const char **names)
{
    for (; names != NULL && *names != NULL; names++) {
        struct wire *wire = find(wiring, side, *names);
        if (wire == NULL || wire->missing)
            tell(wiring, bridge, side, "is connected", *names);
        if (wire == NULL && wiring_want(wiring, side, *names))
            wire = find(wiring, side, *names);
        if (wire != NULL)
            wire->missing = wire->doubts = 0;
    }
}

static int is_among(const char *name, const char **names)
{
    for (; names != NULL && *names != NULL; names++)
        if (strcmp(*names, name) == 0)
            return 1;
    return 0;
}

/* Makes a connection; 0 if that can never be. */
static int make(struct wire *wire, struct bridge *bridge)
{
    const struct jack_side *side = &bridge->sides[wire->side];
    const char *own = jack_port_name(side->port);
    int result = side->is_output ? jack_connect(bridge->client, own, wire->other)
                                 : jack_connect(bridge->client, wire->other, own);
    /* That it is made will be seen at the next look. */
    if (result == 0 || result == EEXIST || jack_port_by_name(bridge->client, wire->other) == NULL || bridge_get(bridge, gone))
        return 1;
    cli_message("JACK does not connect %s with %s", own, wire->other);
    return 0;
}

/* Sees to one wire of a port that has these connections; 0: forget it. */
static int keep(struct wire *wire, struct bridge *bridge, const char **names)
{
    struct jack_side *side = &bridge->sides[wire->side];
    int is_there;
    if (is_among(wire->other, names))
        return 1;
    is_there = jack_port_by_name(bridge->client, wire->other) != NULL;
    /* A player has gone. What is held may be another's, who plays here too: that is cut, as nothing may hang. */
    if (!wire->missing && wire->doubts == 0 && !side->is_output)
        bridge_set(side, release, 1);
    if (wire->missing)
        return !is_there || make(wire, bridge);
    wire->missing = !is_there;
    wire->doubts++;
    return !is_there || wire->doubts < SURE;
}

/* Connections are told by the ports' own names: a wire that was asked for by an alias takes that of its port. */
static void use_own_names(struct wiring *wiring, struct bridge *bridge)
{
    size_t i;
    for (i = 0; i < wiring->count; i++) {
        jack_port_t *port = jack_port_by_name(bridge->client, wiring->wires[i].other);
        if (port != NULL && strcmp(jack_port_name(port), wiring->wires[i].other) != 0)
            snprintf(wiring->wires[i].other, sizeof wiring->wires[i].other, "%s", jack_port_name(port));
    }
}

void wiring_look_after(struct wiring *wiring, struct bridge *bridge)
{
    int side;
    take_arrived(wiring, bridge);
    use_own_names(wiring, bridge);
    for (side = 0; side < bridge->side_count; side++) {
        const char **names = jack_port_get_all_connections(bridge->client, bridge->sides[side].port);
        size_t i = 0;
        learn(wiring, bridge, side, names);
        while (i < wiring->count && !bridge_get(bridge, gone)) {
            if (wiring->wires[i].side != side || keep(&wiring->wires[i], bridge, names))
                i++;
            else {
                tell(wiring, bridge, side, "is no more connected", wiring->wires[i].other);
                wiring->wires[i] = wiring->wires[--wiring->count];
            }
        }
        jack_free(names);
    }
}

void wiring_lost(struct wiring *wiring)
{
    size_t i;
    for (i = 0; i < wiring->count; i++) {
        wiring->wires[i].missing = 1;
        wiring->wires[i].doubts = 0;
    }
}

void wiring_free(struct wiring *wiring)
{
    free(wiring->wires);
    memset(wiring, 0, sizeof *wiring);
}
