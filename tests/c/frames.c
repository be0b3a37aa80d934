#define _POSIX_C_SOURCE 200809L
#include "frames.h"
#include "raw.h"

#include <string.h>

static void add(piece *p, uint8_t byte)
{
    CHECK(p->size < sizeof p->data);
    p->data[p->size++] = byte;
}

static void add_number(piece *p, uint64_t number, int septets)
{
    while (septets-- > 0)
        add(p, (uint8_t)(number >> 7 * septets & 0x7f));
}

static void add_name(piece *p, const char *name)
{
    add(p, (uint8_t)strlen(name));
    for (; *name; name++)
        add_number(p, (uint8_t)*name, 2);
}

static piece begin(uint8_t kind)
{
    piece p = {{0xf4, kind}, 2};
    return p;
}

piece frame_hello(int answers, uint64_t token, const char *name)
{
    piece p = begin(HELLO);
    add(&p, 0x73);
    add(&p, 1);
    add(&p, answers ? 1 : 0);
    add_number(&p, token, 5);
    add_name(&p, name);
    return p;
}

piece frame_stamp(uint64_t us)
{
    piece p = begin(STAMP);
    add_number(&p, us, 4);
    return p;
}

piece frame_ping(uint8_t sequence, uint64_t us)
{
    piece p = begin(PING);
    add(&p, sequence & 0x7f);
    add_number(&p, us, 5);
    return p;
}

piece frame_pong(uint8_t sequence, uint64_t received_us, uint64_t answered_us)
{
    piece p = begin(PONG);
    add(&p, sequence & 0x7f);
    add_number(&p, received_us, 5);
    add_number(&p, answered_us, 5);
    return p;
}

piece frame_name(const char *name)
{
    piece p = begin(NAME);
    add_name(&p, name);
    return p;
}

void frame_send(int fd, piece frame)
{
    raw_send(fd, frame.data, frame.size);
}

static void more(int fd, piece *p, size_t size)
{
    CHECK(p->size + size <= sizeof p->data);
    raw_read(fd, p->data + p->size, size);
    for (size_t i = 0; i < size; i++)
        CHECK(p->size + i == 0 || p->data[p->size + i] < 0x80);
    p->size += size;
}

piece frame_read(int fd)
{
    piece p = {{0}, 0};
    more(fd, &p, 1);
    uint8_t first = p.data[0];
    if (first >= 0x80 && first < 0xf0) {
        more(fd, &p, first >= 0xc0 && first < 0xe0 ? 1 : 2);
        return p;
    }
    CHECK_INT(0xf4, first);
    more(fd, &p, 1);
    switch (p.data[1]) {
    case STAMP:
        more(fd, &p, 4);
        break;
    case PING:
        more(fd, &p, 6);
        break;
    case PONG:
        more(fd, &p, 11);
        break;
    case NAME:
        more(fd, &p, 1);
        more(fd, &p, 2 * (size_t)p.data[2]);
        break;
    default:
        CHECK_INT(HELLO, p.data[1]);
        more(fd, &p, 9);
        CHECK_INT(0x73, p.data[2]);
        more(fd, &p, 2 * (size_t)p.data[10]);
    }
    return p;
}

int frame_kind(const piece *p)
{
    return p->data[0] == 0xf4 ? p->data[1] : 0;
}

uint64_t frame_number(const piece *p, size_t at, int count)
{
    uint64_t number = 0;
    while (count-- > 0)
        number = number << 7 | p->data[at++];
    return number;
}

uint64_t hello_token(const piece *hello)
{
    CHECK_INT(HELLO, frame_kind(hello));
    return frame_number(hello, 5, 5);
}

void hello_check(const piece *hello, int answers, uint64_t token, const char *name, int line)
{
    piece expected = frame_hello(answers, token, name);
    check_memory(expected.data, expected.size, hello->data, hello->size, "the hello", __FILE__, line);
}

uint64_t partner_us(const partner *p)
{
    return midisock_now_ns() / 1000 + p->offset_us;
}

static void answer(partner *p, const piece *ping)
{
    uint64_t received_us = partner_us(p);
    frame_send(p->fd, frame_pong(ping->data[2], received_us, partner_us(p)));
    p->pings++;
}

void partner_answer(partner *p)
{
    while (raw_readable(p->fd, 0)) {
        piece next = frame_read(p->fd);
        CHECK(frame_kind(&next) != 0);
        if (frame_kind(&next) == PING)
            answer(p, &next);
    }
}

void partner_lock(partner *p, midisock_port *port)
{
    midisock_notification notification = {0};
    uint64_t until = check_now_ms() + DEADLINE_MS;
    while (notification.kind != MIDISOCK_NOTIFY_CLOCK_LOCKED) {
        partner_answer(p);
        if (midisock_poll_notification(port, &notification) != MIDISOCK_OK)
            raw_readable(p->fd, 1);
        CHECK(check_now_ms() < until);
    }
}

piece partner_message(partner *p, int64_t *us)
{
    *us = -1;
    for (;;) {
        piece next = frame_read(p->fd);
        if (frame_kind(&next) == 0)
            return next;
        if (frame_kind(&next) == PING)
            answer(p, &next);
        if (frame_kind(&next) == STAMP)
            *us = (int64_t)frame_number(&next, 2, 4);
    }
}

midisock_notification notified_at_last(midisock_port *port, int32_t kind, int line)
{
    midisock_notification notification;
    uint64_t until = check_now_ms() + DEADLINE_MS;
    for (;;) {
        if (midisock_poll_notification(port, &notification) != MIDISOCK_OK)
            check_pause();
        else if (notification.kind == kind)
            return notification;
        if (check_now_ms() > until)
            check_fail(__FILE__, line, "no notification of kind %d came", (int)kind);
    }
}
