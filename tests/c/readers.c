#include "readers.h"

#include <string.h>

const uint8_t song_mark[7] = {0xf0, 0x7d, 0x7f, 0x7f, 0x7f, 0x7f, 0xf7};

midisock_config repairing_config(void)
{
    midisock_config c = check_config();
    c.in_queue_bytes = 4096;
    c.out_queue_bytes = 4096;
    c.overflow = MIDISOCK_OVERFLOW_REPAIR;
    return c;
}

int is_song_mark(const uint8_t *data, size_t size)
{
    return size == sizeof song_mark && memcmp(data, song_mark, size) == 0;
}

void song_send(int fd, song *s, unsigned messages)
{
    uint8_t piece[8192];
    size_t size = 0;
    for (unsigned i = 0; i < messages; i++) {
        const uint8_t *data;
        size_t length = song_next(s, &data);
        memcpy(piece + size, data, length);
        size += length;
        if (size > sizeof piece - 64 || i + 1 == messages) {
            raw_send(fd, piece, size);
            size = 0;
        }
    }
}

void popper_init(popper *p, const song *s)
{
    memset(p, 0, sizeof *p);
    receiver_init(&p->received, s->sender.zeroes_lsb);
}

void popper_take(popper *p, const midisock_message *m)
{
    receiver_hear(&p->received, m->data, m->size);
    if (m->flags & MIDISOCK_FLAG_SYNTHETIC) {
        p->made++;
    } else {
        p->live++;
        p->marked |= is_song_mark(m->data, m->size);
    }
}

unsigned popper_pop(midisock_port *port, popper *p, unsigned most)
{
    midisock_message m;
    unsigned count = 0;
    for (; count < most && midisock_pop(port, &m) == MIDISOCK_OK; count++)
        popper_take(p, &m);
    return count;
}

void popper_drain(midisock_port *port, int fd, popper *p, song *s)
{
    uint64_t until = check_now_ms() + DEADLINE_MS;
    p->marked = 0;
    while (!p->marked) {
        raw_send(fd, song_mark, sizeof song_mark);
        s->messages++;
        midisock_stats stats;
        do {
            popper_pop(port, p, UINT32_MAX);
            stats = check_stats(port);
            if (check_now_ms() > until)
                check_fail(__FILE__, __LINE__,
                           "seed %u: of %llu messages %llu came in, %llu were dropped, %llu popped",
                           (unsigned)s->seed, (unsigned long long)s->messages,
                           (unsigned long long)stats.messages_in,
                           (unsigned long long)stats.dropped_in, (unsigned long long)p->live);
        } while (stats.messages_in != s->messages ||
                 stats.messages_in != p->live + stats.dropped_in);
        check_pause();
    }
    midisock_message m;
    CHECK_RESULT(MIDISOCK_EMPTY, midisock_pop(port, &m));
    CHECK_INT(p->made, check_stats(port).synthesized);
}

void peer_reader_init(peer_reader *e, const song *s)
{
    memset(e, 0, sizeof *e);
    receiver_init(&e->received, s->sender.zeroes_lsb);
}

int peer_read(peer_reader *e, int fd, size_t most)
{
    uint8_t piece[4096];
    long got = raw_read_some(fd, piece, most < sizeof piece ? most : sizeof piece);
    for (long i = 0; i < got; i++)
        if (wire_take(&e->w, piece[i])) {
            receiver_hear(&e->received, e->w.data, e->w.size);
            e->marked |= is_song_mark(e->w.data, e->w.size);
        }
    return got > 0;
}

void peers_read_to_mark(midisock_port *port, song *s, peer_reader *readers, const int *fds, int count)
{
    uint64_t until = check_now_ms() + DEADLINE_MS;
    uint64_t next = 0;
    int marked = 0;
    for (int i = 0; i < count; i++)
        readers[i].marked = 0;
    while (marked < count) {
        if (check_now_ms() >= next) {
            midisock_result result = midisock_push(port, song_mark, sizeof song_mark);
            if (result != MIDISOCK_ERR_FULL)
                CHECK_OK(result);
            s->messages++;
            next = check_now_ms() + 50;
        }
        marked = 0;
        for (int i = 0; i < count; i++) {
            while (raw_readable(fds[i], 0))
                CHECK(peer_read(&readers[i], fds[i], SIZE_MAX));
            marked += readers[i].marked;
        }
        if (check_now_ms() > until)
            check_fail(__FILE__, __LINE__, "seed %u: nothing comes through", (unsigned)s->seed);
        check_pause();
    }
    /* The rest of the marks. */
    CHECK_OK(midisock_flush(port, DEADLINE_MS));
    uint64_t received;
    do {
        received = 0;
        for (int i = 0; i < count; i++) {
            while (raw_readable(fds[i], 0))
                CHECK(peer_read(&readers[i], fds[i], SIZE_MAX));
            received += readers[i].w.messages;
        }
        CHECK(check_now_ms() < until);
        check_pause();
    } while (received != check_stats(port).messages_out);
}

unsigned song_push(midisock_port *port, song *s, unsigned messages)
{
    unsigned refused = 0;
    for (unsigned i = 0; i < messages; i++) {
        const uint8_t *data;
        size_t size = song_next(s, &data);
        midisock_result result = midisock_push(port, data, size);
        if (result == MIDISOCK_ERR_FULL)
            refused++;
        else
            CHECK_OK(result);
    }
    return refused;
}

void popper_pop_all(midisock_port *port, popper *p)
{
    while (popper_pop(port, p, UINT32_MAX) > 0)
        ;
}

void expect_synthetic(midisock_port *port, uint32_t client, const uint8_t *data, size_t size, int line)
{
    midisock_message m = check_expect(port, data, size, __FILE__, line);
    check_int(MIDISOCK_FLAG_SYNTHETIC, m.flags, "flags", __FILE__, line);
    check_int(client, m.client, "client", __FILE__, line);
}

void expect_nothing(midisock_port *port, int line)
{
    midisock_message m;
    check_result(MIDISOCK_EMPTY, midisock_pop(port, &m), "midisock_pop", __FILE__, line);
}
