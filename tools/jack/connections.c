#include "connections.h"

#include "../common/cli.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A client that ends loses its connections some time before its ports. So a
 * connection was removed on purpose only if it is missing in this many updates in
 * succession, of which there are ten a second. */
#define SURE_AFTER 20

static struct connection *find(struct connections *connections, int side, const char *other)
{
    size_t i;
    for (i = 0; i < connections->count; i++)
        if (connections->list[i].side == side && strcmp(connections->list[i].other, other) == 0)
            return &connections->list[i];
    return NULL;
}

/* Connections with ports that are new since the last update do not exist. */
static void mark_new_ports(struct connections *connections, struct bridge *bridge)
{
    char name[BRIDGE_NAME];
    size_t i;
    while (jack_ringbuffer_read_space(bridge->arrived) >= sizeof name) {
        jack_ringbuffer_read(bridge->arrived, name, sizeof name);
        for (i = 0; i < connections->count; i++)
            if (strcmp(connections->list[i].other, name) == 0)
                connections->list[i].missing = 1;
    }
}

int connections_add(struct connections *connections, int side, const char *other)
{
    struct connection *connection = find(connections, side, other);
    if (connection != NULL)
        return 1;
    if (connections->count == connections->capacity) {
        size_t capacity = connections->capacity > 0 ? connections->capacity * 2 : 16;
        struct connection *list = realloc(connections->list, capacity * sizeof *list);
        if (list == NULL)
            return 0;
        connections->list = list;
        connections->capacity = capacity;
    }
    connection = &connections->list[connections->count++];
    connection->side = side;
    connection->missing = 1;
    connection->times_missed = 0;
    snprintf(connection->other, sizeof connection->other, "%s", other);
    return 1;
}

static void report(const struct connections *connections, const struct bridge *bridge, int side, const char *what,
                 const char *other)
{
    const char *way = bridge->sides[side].is_output ? "to" : "from";
    if (connections->output != NULL)
        report_text(connections->output, "JACK: port '%s' %s %s %s", bridge->sides[side].name, what, way, other);
}

/* Remembers the connections that this port has now. */
static void remember(struct connections *connections, const struct bridge *bridge, int side, const char **names)
{
    for (; names != NULL && *names != NULL; names++) {
        struct connection *connection = find(connections, side, *names);
        if (connection == NULL || connection->missing)
            report(connections, bridge, side, "is connected", *names);
        if (connection == NULL && connections_add(connections, side, *names))
            connection = find(connections, side, *names);
        if (connection != NULL)
            connection->missing = connection->times_missed = 0;
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
static int make(struct connection *connection, struct bridge *bridge)
{
    const struct jack_side *side = &bridge->sides[connection->side];
    const char *own = jack_port_name(side->port);
    int result = side->is_output ? jack_connect(bridge->client, own, connection->other)
                                 : jack_connect(bridge->client, connection->other, own);
    /* The next update will find it. */
    if (result == 0 || result == EEXIST || jack_port_by_name(bridge->client, connection->other) == NULL || bridge_get(bridge, gone))
        return 1;
    cli_message("JACK does not connect %s with %s", own, connection->other);
    return 0;
}

/* Updates one connection of a port that now has those in `names`; 0: forget it. */
static int update_one(struct connection *connection, struct bridge *bridge, const char **names)
{
    struct jack_side *side = &bridge->sides[connection->side];
    int is_there;
    if (is_among(connection->other, names))
        return 1;
    is_there = jack_port_by_name(bridge->client, connection->other) != NULL;
    /* A player has gone. Notes of another one are released, too: that is better than notes that hang. */
    if (!connection->missing && connection->times_missed == 0 && !side->is_output)
        bridge_set(side, release, 1);
    if (connection->missing)
        return !is_there || make(connection, bridge);
    connection->missing = !is_there;
    connection->times_missed++;
    return !is_there || connection->times_missed < SURE_AFTER;
}

/* A connection that was asked for by an alias gets its port's own name, by which JACK lists it. */
static void use_own_names(struct connections *connections, struct bridge *bridge)
{
    size_t i;
    for (i = 0; i < connections->count; i++) {
        jack_port_t *port = jack_port_by_name(bridge->client, connections->list[i].other);
        if (port != NULL && strcmp(jack_port_name(port), connections->list[i].other) != 0)
            snprintf(connections->list[i].other, sizeof connections->list[i].other, "%s", jack_port_name(port));
    }
}

void connections_update(struct connections *connections, struct bridge *bridge)
{
    int side;
    mark_new_ports(connections, bridge);
    use_own_names(connections, bridge);
    for (side = 0; side < bridge->side_count; side++) {
        const char **names = jack_port_get_all_connections(bridge->client, bridge->sides[side].port);
        size_t i = 0;
        remember(connections, bridge, side, names);
        while (i < connections->count && !bridge_get(bridge, gone)) {
            if (connections->list[i].side != side || update_one(&connections->list[i], bridge, names))
                i++;
            else {
                report(connections, bridge, side, "is no more connected", connections->list[i].other);
                connections->list[i] = connections->list[--connections->count];
            }
        }
        jack_free(names);
    }
}

void connections_lost(struct connections *connections)
{
    size_t i;
    for (i = 0; i < connections->count; i++) {
        connections->list[i].missing = 1;
        connections->list[i].times_missed = 0;
    }
}

void connections_free(struct connections *connections)
{
    free(connections->list);
    memset(connections, 0, sizeof *connections);
}
