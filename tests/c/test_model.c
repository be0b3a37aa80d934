/* A model of the whole port: random calls of the API on a server and on a client
 * of the library, with raw peers that do anything, in one random sequence. The
 * model knows which results each call may return, what each side was sent, and
 * the receivers' final states. MIDISOCK_SEED repeats a run. */
#define _POSIX_C_SOURCE 200809L
#include "readers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PEERS = 4 };

/* A peer of the server, and what the server received of it. */
typedef struct peer {
    int fd; /* -1: there is none now */
    uint32_t client;
    song song;
    receiver received;
    int marked; /* a mark came, live */
    peer_reader peer_reader;    /* what it reads */
} peer;

/* One that has left: some of what it sent may still wait to be popped. */
typedef struct past {
    uint32_t client;
    receiver received;
} past;

enum { MOST_PAST = 512 };

typedef struct model {
    past past[MOST_PAST];
    size_t past_count;
    uint32_t random;
    uint32_t seed;
    midisock_config config;
    midisock_port *server;
    peer peers[PEERS];
    song all;
    /* A client of the library: what it pushes, what the server received of it, what it received of the server. */
    midisock_port *port;
    peer ours;
    popper popped;
    int sent_away;
} model;

static unsigned below(model *m, unsigned bound)
{
    return check_random(&m->random) % bound;
}

static void hear(model *m, const midisock_message *message)
{
    for (int i = 0; i <= PEERS; i++) {
        peer *p = i < PEERS ? &m->peers[i] : &m->ours;
        if (p->client != message->client)
            continue;
        receiver_hear(&p->received, message->data, message->size);
        p->marked |= !(message->flags & MIDISOCK_FLAG_SYNTHETIC) &&
                     is_song_mark(message->data, message->size);
        return;
    }
    for (size_t i = 0; i < m->past_count; i++)
        if (m->past[i].client == message->client) {
            receiver_hear(&m->past[i].received, message->data, message->size);
            return;
        }
    check_fail(__FILE__, __LINE__, "seed %u: a message of client %u, which is none",
               (unsigned)m->seed, (unsigned)message->client);
}

static void pop(model *m, unsigned most)
{
    midisock_message message;
    midisock_result result;
    while (most-- > 0 && (result = midisock_pop(m->server, &message)) != MIDISOCK_EMPTY) {
        if (result == MIDISOCK_ERR_CLOSED)
            return;
        CHECK_OK(result);
        hear(m, &message);
    }
}

/* The server tells of one more client, which is this. */
static void welcome(model *m, peer *p)
{
    midisock_notification n;
    do { /* of those who left, and of congestions */
        CHECK_OK(midisock_wait(m->server, MIDISOCK_WAIT_NOTIFICATION, DEADLINE_MS));
        CHECK_OK(midisock_poll_notification(m->server, &n));
    } while (n.kind != MIDISOCK_NOTIFY_CLIENT_JOINED);
    p->client = n.client;
}

static void join(model *m, peer *p)
{
    p->fd = below(m, 2) ? raw_connect_small(midisock_local_port(m->server))
                        : raw_connect(midisock_local_port(m->server));
    welcome(m, p);
    song_init(&p->song, m->seed + p->client, 16);
    receiver_init(&p->received, p->song.sender.zeroes_lsb);
    peer_reader_init(&p->peer_reader, &p->song);
}

static void join_of_the_library(model *m)
{
    midisock_config c = m->config;
    c.reconnect_min_ms = 1;
    c.reconnect_max_ms = 10;
    CHECK_OK(midisock_connect("127.0.0.1", midisock_local_port(m->server), &c, &m->port));
    m->ours.fd = -1;
    welcome(m, &m->ours);
    song_init(&m->ours.song, m->seed + 77, 16);
    receiver_init(&m->ours.received, m->ours.song.sender.zeroes_lsb);
    popper_init(&m->popped, &m->all);
}

static void listen_to(peer *p, size_t most)
{
    if (raw_readable(p->fd, 0))
        CHECK(peer_read(&p->peer_reader, p->fd, most));
}

/* Nothing sounds or runs at a receiver, and no pedal, pressure or wheel is left. */
static int rests(const receiver *r)
{
    int rests = receiver_held(r) == 0 && !r->runs;
    for (int i = 0; i < 16; i++) {
        const receiver_channel *c = &r->channels[i];
        rests = rests && c->control[64] <= 0 && c->control[66] <= 0 && c->control[68] <= 0 &&
                c->pressure == 0 && c->bend == 0x2000;
    }
    return rests;
}

/* One has gone: what it left with the server is let go of, in its name. */
static void see_off(model *m, peer *p)
{
    uint64_t until = check_now_ms() + DEADLINE_MS;
    char address[64];
    while (midisock_client_address(m->server, p->client, address, sizeof address) !=
               MIDISOCK_ERR_NO_SUCH_CLIENT ||
           !rests(&p->received)) {
        pop(m, UINT32_MAX);
        check_pause();
        if (check_now_ms() > until)
            check_fail(__FILE__, __LINE__, "seed %u: after client %u left, %d notes are held, or more",
                       (unsigned)m->seed, (unsigned)p->client, receiver_held(&p->received));
    }
    CHECK_RESULT(MIDISOCK_ERR_NO_SUCH_CLIENT,
                 midisock_push_message(m->server, &(midisock_message){.data = song_mark,
                                                                      .size = sizeof song_mark,
                                                                      .client = p->client}));
    CHECK(m->past_count < MOST_PAST);
    m->past[m->past_count++] = (past){p->client, p->received};
}

static void leave(model *m, peer *p)
{
    int how = (int)below(m, 3);
    if (how == 0) {
        raw_reset(p->fd);
    } else {
        if (how == 1)
            raw_half_close(p->fd);
        raw_close(p->fd);
    }
    p->fd = -1;
    see_off(m, p);
}

/* The library's client is sent away, and comes again as another: the server hears from it all that is so. */
static void send_away(model *m)
{
    peer *p = &m->ours;
    CHECK_OK(midisock_disconnect(m->server, p->client));
    see_off(m, p);
    m->sent_away = 1;
    welcome(m, p);
    receiver_init(&p->received, p->song.sender.zeroes_lsb);
}

/* Of a song: what is refused, or pushed offline, is made good. */
static void push_song(model *m, midisock_port *port, song *s)
{
    for (unsigned i = below(m, 200); i > 0; i--) {
        const uint8_t *data;
        size_t size = song_next(s, &data);
        midisock_result result = midisock_push(port, data, size);
        if (result != MIDISOCK_OFFLINE && result != MIDISOCK_ERR_FULL)
            CHECK_OK(result);
    }
}

/* To one, now or in a while. */
static void push_mark(model *m, const peer *p)
{
    midisock_message message = {0};
    message.data = song_mark;
    message.size = sizeof song_mark;
    message.client = p->client;
    message.time_ns = below(m, 2) ? midisock_now_ns() + 1000u * below(m, 3000) : 0;
    midisock_result result = midisock_push_message(m->server, &message);
    if (result != MIDISOCK_ERR_FULL)
        CHECK_OK(result);
}

/* A mark comes live only when nothing is owed any more: then the receivers stand
 * where the peers stand. */
static void settle(model *m)
{
    uint64_t until = check_now_ms() + DEADLINE_MS;
    for (int i = 0; i <= PEERS; i++) {
        peer *p = i < PEERS ? &m->peers[i] : &m->ours;
        uint64_t next = 0;
        for (p->marked = 0; (p->fd >= 0 || p == &m->ours) && !p->marked;) {
            if (check_now_ms() >= next) {
                if (p == &m->ours)
                    midisock_push(m->port, song_mark, sizeof song_mark);
                else
                    raw_send(p->fd, song_mark, sizeof song_mark);
                next = check_now_ms() + 20;
            }
            pop(m, UINT32_MAX);
            popper_pop(m->port, &m->popped, UINT32_MAX);
            for (int k = 0; k < PEERS; k++)
                if (m->peers[k].fd >= 0)
                    listen_to(&m->peers[k], SIZE_MAX);
            check_pause();
            if (check_now_ms() > until)
                check_fail(__FILE__, __LINE__, "seed %u: client %u is not put right",
                           (unsigned)m->seed, (unsigned)p->client);
        }
    }
    for (int i = 0; i < PEERS; i++)
        if (m->peers[i].fd >= 0)
            RECEIVER_CHECK(&m->peers[i].song.sender, &m->peers[i].received, "the model",
                           m->peers[i].song.seed);
    receiver received = m->ours.received;
    if (m->sent_away) {
        /* On a new connection nothing is told of the sequencer but what is new. */
        received.runs = m->ours.song.sender.runs;
        received.position = m->ours.song.sender.position;
        received.song = m->ours.song.sender.song;
    }
    receiver_rest(&received, &m->ours.song.sender);
    RECEIVER_CHECK(&m->ours.song.sender, &received, "the model's client", m->ours.song.seed);
}

/* A call of the library's client, or what happens to it. */
static void step_of_the_client(model *m)
{
    switch (below(m, 9)) {
    case 0:
        CHECK_OK(midisock_skip(m->port));
        return;
    case 1: {
        midisock_result result = midisock_flush(m->port, 0);
        if (result != MIDISOCK_ERR_TIMEOUT)
            CHECK_OK(result);
        return;
    }
    case 2:
        CHECK_OK(midisock_cancel(m->port));
        return;
    case 3:
        if (below(m, 3) == 0)
            send_away(m);
        return;
    case 4:
    case 5:
    case 6:
        push_song(m, m->port, &m->ours.song);
        return;
    default:
        popper_pop(m->port, &m->popped, below(m, 500));
    }
}

static void step(model *m)
{
    peer *p = &m->peers[below(m, PEERS)];
    unsigned kind = below(m, 18);
    switch (kind) {
    case 0:
        if (p->fd < 0)
            join(m, p);
        else if (below(m, 3) == 0)
            leave(m, p);
        return;
    case 1:
    case 2:
    case 3:
        if (p->fd >= 0)
            song_send(p->fd, &p->song, below(m, kind == 1 ? 1200 : 60));
        return;
    case 4:
    case 5:
        pop(m, below(m, 300));
        return;
    case 6:
        pop(m, UINT32_MAX);
        return;
    case 7:
    case 8:
        push_song(m, m->server, &m->all);
        return;
    case 9:
        if (p->fd >= 0)
            push_mark(m, p);
        return;
    case 10:
        for (int i = 0; i < PEERS; i++)
            if (m->peers[i].fd >= 0)
                listen_to(&m->peers[i], 1 + below(m, 500));
        return;
    case 11: {
        midisock_result result = below(m, 2) ? midisock_panic(m->server) : midisock_reset(m->server);
        CHECK(result == MIDISOCK_OK || result == MIDISOCK_OFFLINE);
        return;
    }
    case 12:
        CHECK_OK(midisock_skip(m->server));
        return;
    case 13:
        settle(m);
        return;
    case 14:
    case 15:
    case 16:
        step_of_the_client(m);
        return;
    default: {
        midisock_stats s = check_stats(m->server);
        CHECK(s.unrepaired <= s.dropped_in + s.dropped_out + s.messages_in);
        CHECK_INT(0, s.oversize_in);
        CHECK(midisock_client_count(m->server) <= PEERS + 1);
        CHECK_INT(MIDISOCK_STATE_LISTENING, midisock_state(m->server));
    }
    }
}

static void anything_in_any_order(void)
{
    uint32_t seed = song_seed();
    uint64_t until = check_now_ms() + 12000;
    unsigned rounds = 0;
    uint64_t steps = 0;
    static model m;
    for (; rounds < (check_sanitized() ? 4 : 12) && (rounds < 2 || check_now_ms() < until); rounds++) {
        memset(&m, 0, sizeof m);
        m.seed = seed + 1000 * rounds;
        m.random = m.seed | 1;
        m.config = repairing_config();
        m.config.release_on_disconnect = 1;
        m.config.max_clients = PEERS + 1;
        m.config.in_queue_bytes = rounds % 2 ? 4096 : 16384;
        m.config.client_buffer_bytes = 8192;
        m.config.max_delay_ms = 20;
        m.config.wake = rounds % 3 == 0 ? MIDISOCK_WAKE_SIGNAL : MIDISOCK_WAKE_TICK;
        m.config.greet = rounds % 4 == 1;
        m.server = check_listen(&m.config);
        song_init(&m.all, m.seed, 16);
        for (int i = 0; i < PEERS; i++)
            m.peers[i].fd = -1;
        join_of_the_library(&m);
        join(&m, &m.peers[0]);
        for (int i = 0; i < 250; i++, steps++)
            step(&m);
        settle(&m);
        for (int i = 0; i < PEERS; i++)
            if (m.peers[i].fd >= 0)
                leave(&m, &m.peers[i]);
        CHECK_SOON(midisock_client_count(m.server) == 1);
        /* Whichever of the two ends first: what the other received of it is let go of. */
        if (rounds % 2) {
            midisock_close(m.port);
            see_off(&m, &m.ours);
            CHECK_SOON(midisock_client_count(m.server) == 0);
        } else {
            CHECK_OK(midisock_shutdown(m.server));
            CHECK_SOON((popper_pop(m.port, &m.popped, UINT32_MAX), rests(&m.popped.received)));
            CHECK_SOON((pop(&m, UINT32_MAX), rests(&m.ours.received)));
            midisock_close(m.port);
        }
        for (size_t i = 0; i < m.past_count; i++)
            CHECK_SOON((pop(&m, UINT32_MAX), rests(&m.past[i].received)));
        CHECK_COUNT(m.server, disconnections, check_stats(m.server).connections);
        CHECK_INT(0, check_stats(m.server).rejected);
        midisock_close(m.server);
    }
    printf("# %u ports, %llu steps\n", rounds, (unsigned long long)steps);
}

int main(int argc, char **argv)
{
    static const check_case cases[] = {
        CASE(anything_in_any_order),
    };
    return check_main(argc, argv, CASES(cases));
}
