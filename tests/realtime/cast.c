#include "cast.h"

#include "../c/check.h"
#include "../c/raw.h"

#include <string.h>

/* A new peer; what is not set here is zero. */
static peer *add_peer(cast *cast, int life_ms, int reads, int sends)
{
    CHECK(cast->peer_count < PEERS);
    peer *peer = &cast->peers[cast->peer_count++];
    memset(peer, 0, sizeof *peer);
    peer->listener = -1;
    peer->life_ms = life_ms;
    peer->reads = reads;
    peer->sends = sends;
    return peer;
}

/* A client of a peer. */
static midisock_port *connect_to(peer *peer, const midisock_config *config)
{
    uint16_t number = 0;
    midisock_port *port = NULL;
    peer_listen(peer, &number);
    CHECK_OK(midisock_connect("127.0.0.1", number, config, &port));
    peer_start(peer);
    CHECK_OK(midisock_wait_connected(port, DEADLINE_MS));
    return port;
}

static midisock_port *connect_to_nobody(int *refusing, const midisock_config *config)
{
    uint16_t number = 0;
    midisock_port *port = NULL;
    *refusing = raw_refusing(&number);
    CHECK_OK(midisock_connect("127.0.0.1", number, config, &port));
    return port;
}

/* Starts a peer that connects to a server. */
static void visit(peer *peer, const midisock_port *server)
{
    peer->port = midisock_local_port(server);
    peer_start(peer);
}

void cast_open(cast *cast, uint32_t wake)
{
    memset(cast, 0, sizeof *cast);
    midisock_port **ports = cast->ports;
    midisock_config config;
    midisock_config_init(&config, sizeof config);
    config.wake = wake;
    config.reconnect_min_ms = 1;
    config.reconnect_max_ms = 20;
    config.greet = 1;

    midisock_config repair = config;
    repair.overflow = MIDISOCK_OVERFLOW_REPAIR;
    midisock_config small = repair;
    small.in_queue_bytes = small.out_queue_bytes = 4096;
    midisock_config stuck = small;
    stuck.overflow = MIDISOCK_OVERFLOW_WAIT;
    midisock_config alone = config;
    alone.reconnect_max_ms = 0;
    midisock_config manual = config;
    manual.accept_mode = MIDISOCK_ACCEPT_MANUAL;

    ports[STEADY] = connect_to(add_peer(cast, 0, 1, 1), &config);
    ports[FLAKY] = connect_to(add_peer(cast, 15, 1, 1), &config);
    ports[SMALL] = connect_to(add_peer(cast, 0, 1, 1), &small);
    ports[STUCK] = connect_to(add_peer(cast, 0, 0, 0), &stuck);
    ports[CONGESTED] = connect_to(add_peer(cast, 0, 0, 0), &repair);
    ports[LATE] = connect_to(add_peer(cast, 0, 1, 0), &stuck);
    ports[GONE] = connect_to(add_peer(cast, 100, 1, 1), &alone);
    ports[OFFLINE] = connect_to_nobody(&cast->refusing[0], &config);
    ports[OFFLINE_REPAIR] = connect_to_nobody(&cast->refusing[1], &small);

    CHECK_OK(midisock_listen(NULL, 0, &config, &ports[SERVER]));
    visit(add_peer(cast, 15, 1, 1), ports[SERVER]);
    CHECK_OK(midisock_listen(NULL, 0, &small, &ports[CROWDED]));
    for (int i = 0; i < CROWD; i++)
        cast->crowd[i] = raw_connect(midisock_local_port(ports[CROWDED]));
    CHECK_SOON(midisock_client_count(ports[CROWDED]) == CROWD);
    CHECK_OK(midisock_listen(NULL, 0, &manual, &ports[MANUAL]));
    visit(add_peer(cast, 0, 1, 1), ports[MANUAL]);
    CHECK_OK(midisock_accept(ports[MANUAL], DEADLINE_MS, &ports[ACCEPTED]));

    CHECK_OK(midisock_pair(&config, &ports[PAIR_A], &ports[PAIR_B]));
    CHECK_OK(midisock_pair(&small, &ports[PAIR_SMALL_A], &ports[PAIR_SMALL_B]));

    CHECK_OK(midisock_listen(NULL, 0, &config, &ports[CLOSED]));
    CHECK_OK(midisock_shutdown(ports[CLOSED]));
}

void cast_close(cast *cast)
{
    for (int i = 0; i < cast->peer_count; i++)
        peer_stop(&cast->peers[i]);
    for (int i = 0; i < ROLES; i++)
        midisock_close(cast->ports[i]);
    for (int i = 0; i < CROWD; i++)
        raw_reset(cast->crowd[i]);
    raw_close(cast->refusing[0]);
    raw_close(cast->refusing[1]);
}

unsigned cast_lives(const cast *cast)
{
    unsigned lives = 0;
    for (int i = 0; i < cast->peer_count; i++)
        lives += peer_lives(&cast->peers[i]);
    return lives;
}

const char *cast_name(role role)
{
    static const char *const NAMES[ROLES] = {
        "steady", "flaky", "server", "accepted", "pair_a", "pair_b", "pair_small_a",
        "pair_small_b", "small", "stuck", "congested", "late", "offline", "offline_repair",
        "crowded", "gone", "closed", "manual",
    };
    return NAMES[role];
}
