#define _POSIX_C_SOURCE 200809L
#include "relay.h"
#include "raw.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MOST_LINKS = 64, BUFFER = 1 << 15, PIECES = 4096 };

typedef struct piece {
    size_t size;
    uint64_t due_ns;
} piece;

/* One direction of a connection: bytes that are under way, and when each piece
 * of them is due. */
typedef struct flow {
    int from;
    int to;
    int to_server;
    int ended; /* nothing more comes */
    int told;  /* and the other side has been told */
    uint8_t bytes[BUFFER];
    size_t start, size;
    piece pieces[PIECES];
    size_t first, count;
    uint64_t last_due_ns;
} flow;

struct relay {
    pthread_t thread;
    pthread_mutex_t lock; /* of what follows */
    int stop;
    uint64_t cut_after;
    int cut_how;
    uint64_t to_server;
    unsigned cuts;

    int listener;
    uint16_t number;
    relay_config config;
    uint32_t random;
    flow *flows[2 * MOST_LINKS]; /* there and back, side by side */
};

static unsigned below(relay *r, unsigned bound)
{
    return bound ? check_random(&r->random) % bound : 0;
}

static void prepare(int fd)
{
    int yes = 1;
    CHECK(fcntl(fd, F_SETFL, O_NONBLOCK) == 0);
    CHECK(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes) == 0);
}

static void take_connection(relay *r)
{
    int client = accept(r->listener, NULL, NULL);
    if (client < 0)
        return;
    size_t free_one = 0;
    while (free_one < MOST_LINKS && r->flows[2 * free_one] != NULL)
        free_one++;
    struct sockaddr_in address = {0};
    address.sin_family = AF_INET;
    address.sin_port = htons(r->number);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int server = socket(AF_INET, SOCK_STREAM, 0);
    if (free_one == MOST_LINKS || server < 0 ||
        connect(server, (const struct sockaddr *)&address, sizeof address) != 0) {
        /* The server is away: so is its relay. */
        close(client);
        if (server >= 0)
            close(server);
        return;
    }
    prepare(client);
    prepare(server);
    for (size_t i = 0; i < 2; i++) {
        flow *f = calloc(1, sizeof *f);
        CHECK(f != NULL);
        f->to_server = i == 0;
        f->from = i == 0 ? client : server;
        f->to = i == 0 ? server : client;
        r->flows[2 * free_one + i] = f;
    }
}

static void drop_connection(relay *r, size_t link, int reset)
{
    int fds[] = {r->flows[2 * link]->from, r->flows[2 * link]->to};
    for (size_t i = 0; i < 2; i++) {
        if (reset)
            raw_reset(fds[i]);
        else
            close(fds[i]);
        free(r->flows[2 * link + i]);
        r->flows[2 * link + i] = NULL;
    }
}

/* Takes what has come, in pieces. Whether the connection is still whole. */
static int take_bytes(relay *r, flow *f)
{
    uint8_t taken[2048];
    size_t room = BUFFER - f->size;
    if (f->ended || room == 0 || f->count + sizeof taken > PIECES)
        return 1;
    ssize_t got = recv(f->from, taken, room < sizeof taken ? room : sizeof taken, 0);
    if (got < 0)
        return errno == EAGAIN || errno == EINTR;
    if (got == 0) {
        f->ended = 1;
        return 1;
    }
    for (size_t at = 0; at < (size_t)got;) {
        size_t size = (size_t)got - at;
        if (r->config.segment > 0) {
            size_t most = 1 + below(r, r->config.segment);
            size = most < size ? most : size;
        }
        uint64_t due = midisock_now_ns() +
                       1000u * (uint64_t)(r->config.delay_us + below(r, r->config.jitter_us + 1));
        /* Nothing overtakes: what is held up holds up what is behind it. */
        if (due < f->last_due_ns)
            due = f->last_due_ns;
        if (r->config.stall_one_in > 0 && below(r, r->config.stall_one_in) == 0)
            due += 1000u * (uint64_t)r->config.stall_us;
        f->last_due_ns = due;
        for (size_t i = 0; i < size; i++)
            f->bytes[(f->start + f->size + i) % BUFFER] = taken[at + i];
        f->size += size;
        f->pieces[(f->first + f->count++) % PIECES] = (piece){size, due};
        at += size;
    }
    return 1;
}

enum { WHOLE, BROKEN, CUT };

/* Passes on what is due, one piece at a time. */
static int give_bytes(relay *r, flow *f)
{
    while (f->count > 0 && f->pieces[f->first].due_ns <= midisock_now_ns()) {
        piece *p = &f->pieces[f->first];
        size_t size = p->size;
        int cut = 0;
        pthread_mutex_lock(&r->lock);
        /* A cut that is asked for while these are being sent does not count them. */
        int counted = f->to_server && r->cut_after > 0;
        if (counted && r->cut_after <= size) {
            size = (size_t)r->cut_after;
            cut = 1;
        }
        pthread_mutex_unlock(&r->lock);
        if (f->start + size > BUFFER) { /* the rest from the start of the ring */
            size = BUFFER - f->start;
            cut = 0;
        }
        ssize_t gave = send(f->to, f->bytes + f->start, size, MSG_NOSIGNAL);
        if (gave < 0)
            return errno == EAGAIN || errno == EINTR ? WHOLE : BROKEN;
        f->start = (f->start + (size_t)gave) % BUFFER;
        f->size -= (size_t)gave;
        p->size -= (size_t)gave;
        if (p->size == 0) {
            f->first = (f->first + 1) % PIECES;
            f->count--;
        }
        if (f->to_server) {
            pthread_mutex_lock(&r->lock);
            r->to_server += (uint64_t)gave;
            if (counted)
                r->cut_after -= (uint64_t)gave;
            cut = cut && r->cut_after == 0;
            r->cuts += (unsigned)cut;
            pthread_mutex_unlock(&r->lock);
            if (cut)
                return CUT;
        }
    }
    if (f->count == 0 && f->ended && !f->told) {
        f->told = 1;
        shutdown(f->to, SHUT_WR);
    }
    return WHOLE;
}

static void *run(void *argument)
{
    relay *r = argument;
    for (;;) {
        pthread_mutex_lock(&r->lock);
        int stop = r->stop;
        int how = r->cut_how;
        pthread_mutex_unlock(&r->lock);
        if (stop)
            break;
        /* What is due is looked at every millisecond, what comes at once. */
        struct pollfd fds[1 + 2 * MOST_LINKS];
        nfds_t count = 0;
        fds[count++] = (struct pollfd){r->listener, POLLIN, 0};
        for (size_t i = 0; i < 2 * MOST_LINKS; i++)
            if (r->flows[i] != NULL && !r->flows[i]->ended && r->flows[i]->size < BUFFER / 2)
                fds[count++] = (struct pollfd){r->flows[i]->from, POLLIN, 0};
        poll(fds, count, 1);
        take_connection(r);
        for (size_t link = 0; link < MOST_LINKS; link++) {
            int whole = WHOLE;
            int over = 1;
            for (size_t i = 0; i < 2 && whole == WHOLE; i++) {
                flow *f = r->flows[2 * link + i];
                if (f == NULL)
                    break;
                if (!take_bytes(r, f)) {
                    /* A reset goes on to the other side, after what came before it. */
                    f->ended = 1;
                }
                whole = give_bytes(r, f);
                over = over && f->told;
            }
            if (r->flows[2 * link] != NULL && (whole != WHOLE || over))
                drop_connection(r, link, whole == CUT && how == RELAY_RESET);
        }
    }
    return NULL;
}

relay *relay_start(uint16_t number, const relay_config *config, uint16_t *own)
{
    relay *r = calloc(1, sizeof *r);
    CHECK(r != NULL);
    CHECK_INT(0, pthread_mutex_init(&r->lock, NULL));
    r->number = number;
    r->config = *config;
    r->random = config->seed | 1;
    *own = 0;
    r->listener = raw_listen(own);
    CHECK(fcntl(r->listener, F_SETFL, O_NONBLOCK) == 0);
    check_start(&r->thread, run, r);
    return r;
}

void relay_stop(relay *r)
{
    pthread_mutex_lock(&r->lock);
    r->stop = 1;
    pthread_mutex_unlock(&r->lock);
    check_join(r->thread);
    for (size_t link = 0; link < MOST_LINKS; link++)
        if (r->flows[2 * link] != NULL)
            drop_connection(r, link, 0);
    raw_close(r->listener);
    pthread_mutex_destroy(&r->lock);
    free(r);
}

void relay_cut_after(relay *r, uint64_t bytes, int how)
{
    pthread_mutex_lock(&r->lock);
    r->cut_after = bytes;
    r->cut_how = how;
    pthread_mutex_unlock(&r->lock);
}

uint64_t relay_to_server(relay *r)
{
    pthread_mutex_lock(&r->lock);
    uint64_t bytes = r->to_server;
    pthread_mutex_unlock(&r->lock);
    return bytes;
}

unsigned relay_cuts(relay *r)
{
    pthread_mutex_lock(&r->lock);
    unsigned cuts = r->cuts;
    pthread_mutex_unlock(&r->lock);
    return cuts;
}
