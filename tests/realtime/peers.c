#define _POSIX_C_SOURCE 200809L
#include "peers.h"

#include "../c/check.h"
#include "../c/raw.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* The bytes that peers send repeatedly: notes that are left on, controllers with
 * and without running status, clocks, and one SysEx of 16 KB. */
enum { STREAM_BYTES = 48 * 1024, SYSEX_BYTES = 16384 };

static size_t stream(uint8_t *out)
{
    size_t size = 0;
    uint32_t random = 7;
    while (size < STREAM_BYTES - SYSEX_BYTES - 8) {
        uint32_t r = check_random(&random);
        uint8_t channel = r >> 8 & 15;
        switch (r % 4) {
        case 0:
            out[size++] = 0xf8;
            break;
        case 1:
            out[size++] = 0xb0 | channel;
            out[size++] = r >> 12 & 63;
            out[size++] = r >> 20 & 127;
            out[size++] = r >> 13 & 63; /* running status */
            out[size++] = r >> 21 & 127;
            break;
        default:
            out[size++] = (r & 4 ? 0x90 : 0x80) | channel;
            out[size++] = r >> 12 & 127;
            out[size++] = 64;
            break;
        }
    }
    out[size++] = 0xf0;
    memset(out + size, 0x11, SYSEX_BYTES - 2);
    size += SYSEX_BYTES - 2;
    out[size++] = 0xf7;
    return size;
}

static int stopped(const peer *peer)
{
    return __atomic_load_n(&peer->stop, __ATOMIC_ACQUIRE);
}

/* A connection, or -1: none within a moment. */
static int meet(const peer *peer)
{
    if (peer->listener < 0)
        return raw_connect(peer->port);
    struct pollfd event = {peer->listener, POLLIN, 0};
    if (poll(&event, 1, 20) != 1)
        return -1;
    return accept(peer->listener, NULL, NULL);
}

static void converse(const peer *peer, int fd)
{
    uint8_t out[STREAM_BYTES];
    uint8_t in[16384];
    size_t size = stream(out);
    size_t at = 0;
    uint64_t until = check_now_ms() + (uint64_t)peer->life_ms;
    while (!stopped(peer) && (peer->life_ms == 0 || check_now_ms() < until)) {
        /* The turn of a millisecond paces what is sent. */
        check_pause();
        if (peer->sends) {
            size_t part = size - at < 4096 ? size - at : 4096;
            ssize_t sent = send(fd, out + at, part, MSG_DONTWAIT | MSG_NOSIGNAL);
            if (sent > 0)
                at = (at + (size_t)sent) % size;
        }
        while (peer->reads) {
            ssize_t got = recv(fd, in, sizeof in, MSG_DONTWAIT);
            if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR))
                return;
            if (got < 0)
                break;
        }
    }
}

static void *live(void *peer_)
{
    peer *peer = peer_;
    while (!stopped(peer)) {
        int fd = meet(peer);
        if (fd < 0)
            continue;
        converse(peer, fd);
        /* By turns in good order and by a reset. */
        if (__atomic_fetch_add(&peer->lives, 1, __ATOMIC_ACQ_REL) % 2)
            raw_reset(fd);
        else
            raw_close(fd);
        /* Nobody is there for a while. */
        for (int i = 0; i < 3 && peer->life_ms != 0; i++)
            check_pause();
    }
    return NULL;
}

void peer_listen(peer *peer, uint16_t *port)
{
    peer->listener = peer->reads ? raw_listen(port) : raw_listen_small(port);
}

void peer_start(peer *peer)
{
    check_start(&peer->thread, live, peer);
}

void peer_stop(peer *peer)
{
    __atomic_store_n(&peer->stop, 1, __ATOMIC_RELEASE);
    check_join(peer->thread);
    if (peer->listener >= 0)
        raw_close(peer->listener);
}

unsigned peer_lives(const peer *peer)
{
    return __atomic_load_n(&peer->lives, __ATOMIC_ACQUIRE);
}
