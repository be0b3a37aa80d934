#include "hearing.h"

#include <string.h>

const uint8_t hearing_mark[7] = {0xf0, 0x7d, 0x7f, 0x7f, 0x7f, 0x7f, 0xf7};

midisock_config hearing_config(void)
{
    midisock_config c = check_config();
    c.in_queue_bytes = 4096;
    c.out_queue_bytes = 4096;
    c.overflow = MIDISOCK_OVERFLOW_REPAIR;
    return c;
}

int hearing_is_mark(const uint8_t *data, size_t size)
{
    return size == sizeof hearing_mark && memcmp(data, hearing_mark, size) == 0;
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
    receiver_init(&p->heard, s->sender.zeroes_lsb);
}

void popper_hear(popper *p, const midisock_message *m)
{
    receiver_hear(&p->heard, m->data, m->size);
    if (m->flags & MIDISOCK_SYNTHETIC) {
        p->made++;
    } else {
        p->live++;
        p->marked |= hearing_is_mark(m->data, m->size);
    }
}

unsigned popper_pop(midisock_port *port, popper *p, unsigned most)
{
    midisock_message m;
    unsigned count = 0;
    for (; count < most && midisock_pop(port, &m) == MIDISOCK_OK; count++)
        popper_hear(p, &m);
    return count;
}

void popper_settle(midisock_port *port, int fd, popper *p, song *s)
{
    uint64_t until = check_now_ms() + DEADLINE_MS;
    p->marked = 0;
    while (!p->marked) {
        raw_send(fd, hearing_mark, sizeof hearing_mark);
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

void ear_init(ear *e, const song *s)
{
    memset(e, 0, sizeof *e);
    receiver_init(&e->heard, s->sender.zeroes_lsb);
}

int ear_hear(ear *e, int fd, size_t most)
{
    uint8_t piece[4096];
    long got = raw_read_some(fd, piece, most < sizeof piece ? most : sizeof piece);
    for (long i = 0; i < got; i++)
        if (wire_take(&e->w, piece[i])) {
            receiver_hear(&e->heard, e->w.data, e->w.size);
            e->marked |= hearing_is_mark(e->w.data, e->w.size);
        }
    return got > 0;
}

void ear_hear_all(midisock_port *port, song *s, ear *ears, const int *fds, int count)
{
    uint64_t until = check_now_ms() + DEADLINE_MS;
    uint64_t next = 0;
    int marked = 0;
    for (int i = 0; i < count; i++)
        ears[i].marked = 0;
    while (marked < count) {
        if (check_now_ms() >= next) {
            midisock_result result = midisock_push(port, hearing_mark, sizeof hearing_mark);
            if (result != MIDISOCK_ERR_FULL)
                CHECK_OK(result);
            s->messages++;
            next = check_now_ms() + 50;
        }
        marked = 0;
        for (int i = 0; i < count; i++) {
            while (raw_readable(fds[i], 0))
                CHECK(ear_hear(&ears[i], fds[i], SIZE_MAX));
            marked += ears[i].marked;
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
                CHECK(ear_hear(&ears[i], fds[i], SIZE_MAX));
            received += ears[i].w.messages;
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

void hearing_made(midisock_port *port, uint32_t client, const uint8_t *data, size_t size, int line)
{
    midisock_message m = check_expect(port, data, size, __FILE__, line);
    check_int(MIDISOCK_SYNTHETIC, m.flags, "flags", __FILE__, line);
    check_int(client, m.client, "client", __FILE__, line);
}

void hearing_nothing(midisock_port *port, int line)
{
    midisock_message m;
    check_result(MIDISOCK_EMPTY, midisock_pop(port, &m), "midisock_pop", __FILE__, line);
}
