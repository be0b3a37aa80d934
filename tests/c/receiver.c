#define _POSIX_C_SOURCE 200809L
#include "receiver.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { CENTRE = 0x2000, POLY = 1000, NONREGISTERED = 1 << 14, NULL_NUMBER = 127 };

static void init_channel(receiver_channel *c)
{
    memset(c, 0, sizeof *c);
    for (int i = 0; i < 120; i++)
        c->control[i] = -1;
    for (int i = 0; i < 3; i++)
        c->program[i] = -1;
    for (int i = 0; i < 2; i++)
        c->selected[i][0] = c->selected[i][1] = -1;
    c->system = -1;
    for (int i = 0; i < RECEIVER_PARAMETERS; i++)
        c->parameters[i].number = -1;
    c->bend = CENTRE;
    c->local = c->omni = c->mono = -1;
}

void receiver_init(receiver *r, int zeroes_lsb)
{
    memset(r, 0, sizeof *r);
    r->zeroes_lsb = zeroes_lsb;
    for (int i = 0; i < 16; i++)
        init_channel(&r->channels[i]);
    r->position = r->song = -1;
}

/* One half of a value of two. */
static void set_half(const receiver *r, int *msb, int *lsb, int is_lsb, int value)
{
    if (is_lsb) {
        *lsb = value;
        return;
    }
    *msb = value;
    if (r->zeroes_lsb)
        *lsb = 0;
}

/* The number that data entry goes to, or -1. */
static int selected(const receiver_channel *c)
{
    if (c->system < 0)
        return -1;
    const int *number = c->selected[c->system];
    if (number[0] < 0 || number[1] < 0 ||
        (number[0] == NULL_NUMBER && number[1] == NULL_NUMBER))
        return -1;
    return number[0] << 7 | number[1] | (c->system ? NONREGISTERED : 0);
}

static receiver_parameter *find(receiver_channel *c, int number)
{
    for (int i = 0; i < RECEIVER_PARAMETERS; i++) {
        receiver_parameter *p = &c->parameters[i];
        if (p->number < 0) {
            p->number = number;
            p->value[0] = p->value[1] = -1;
        }
        if (p->number == number)
            return p;
    }
    check_fail(__FILE__, __LINE__, "more parameters than the receiver has room for");
}

static void all_notes_off(receiver_channel *c)
{
    memset(c->held, 0, sizeof c->held);
}

/* MIDI RP-015. */
static void reset_controllers(const receiver *r, receiver_channel *c)
{
    set_half(r, &c->control[1], &c->control[33], 0, 0);
    set_half(r, &c->control[11], &c->control[43], 0, 127);
    for (int pedal = 64; pedal <= 67; pedal++)
        c->control[pedal] = 0;
    for (int i = 0; i < 2; i++)
        c->selected[i][0] = c->selected[i][1] = NULL_NUMBER;
    c->pressure = 0;
    memset(c->key_pressure, 0, sizeof c->key_pressure);
    c->bend = CENTRE;
}

static void mode(const receiver *r, receiver_channel *c, int which, int value)
{
    switch (which) {
    case 121:
        reset_controllers(r, c);
        return;
    case 122:
        c->local = value;
        return;
    case 124:
    case 125:
        c->omni = which == 125;
        break;
    case 126:
        c->mono = value;
        break;
    case 127:
        c->mono = POLY;
        break;
    default:
        break;
    }
    all_notes_off(c); /* and 120 and 123 do this alone */
}

static void control(const receiver *r, receiver_channel *c, int which, int value)
{
    int number;
    switch (which) {
    case 6:
    case 38:
        number = selected(c);
        if (number >= 0) {
            receiver_parameter *p = find(c, number);
            set_half(r, &p->value[0], &p->value[1], which == 38, value);
        }
        return;
    case 84: /* portamento control and the high resolution velocity prefix: */
    case 88: /* for the next note only */
    case 96: /* how far increments go is the receiver's own matter */
    case 97:
        return;
    case 98:
    case 99:
    case 100:
    case 101:
        c->system = which < 100;
        c->selected[c->system][which % 2 == 0] = value;
        return;
    default:
        if (which < 64)
            set_half(r, &c->control[which % 32], &c->control[which % 32 + 32], which >= 32, value);
        else
            c->control[which] = value;
    }
}

static void hear_channel(const receiver *r, receiver_channel *c, const uint8_t *data)
{
    switch (data[0] >> 4) {
    case 0x9:
        if (data[2] > 0) {
            c->held[data[1]]++;
            c->strike[data[1]] = data[2];
            return;
        }
        /* fall through */
    case 0x8:
        if (c->held[data[1]] > 0)
            c->held[data[1]]--;
        return;
    case 0xa:
        c->key_pressure[data[1]] = data[2];
        return;
    case 0xb:
        if (data[1] >= 120)
            mode(r, c, data[1], data[2]);
        else
            control(r, c, data[1], data[2]);
        return;
    case 0xc:
        c->program[0] = data[1];
        c->program[1] = c->control[0];
        c->program[2] = c->control[32];
        return;
    case 0xd:
        c->pressure = data[1];
        return;
    default:
        c->bend = data[1] | data[2] << 7;
    }
}

void receiver_hear(receiver *r, const uint8_t *data, size_t size)
{
    CHECK(size > 0 && data[0] >= 0x80);
    switch (data[0]) {
    case 0xf2:
        r->position = data[1] | data[2] << 7;
        return;
    case 0xf3:
        r->song = data[1];
        return;
    case 0xfa:
        r->position = 0;
        r->runs = 1;
        return;
    case 0xfb:
        r->runs = 1;
        return;
    case 0xfc:
        r->runs = 0;
        return;
    case 0xff:
        receiver_init(r, r->zeroes_lsb);
        return;
    default:
        if (data[0] < 0xf0)
            hear_channel(r, &r->channels[data[0] & 15], data);
    }
}

int receiver_held(const receiver *r)
{
    int held = 0;
    for (int i = 0; i < 16; i++)
        for (int key = 0; key < 128; key++)
            held += r->channels[i].held[key];
    return held;
}

void receiver_silence(receiver *r)
{
    for (int i = 0; i < 16; i++)
        all_notes_off(&r->channels[i]);
}

void receiver_rest(receiver *heard, const receiver *sent)
{
    static const int pedals[] = {64, 66, 68, 69};
    for (int i = 0; i < 16; i++)
        for (int pedal = 0; pedal < 4; pedal++) {
            int *control = &heard->channels[i].control[pedals[pedal]];
            if (*control == 0 && sent->channels[i].control[pedals[pedal]] < 0)
                *control = -1;
        }
}

/* Where a comparison is, for when it fails. */
typedef struct place {
    const char *what;
    uint32_t seed;
    int channel;
    const char *file;
    int line;
} place;

static void same(const place *at, const char *name, int index, int sent, int heard)
{
    if (sent != heard)
        check_fail(at->file, at->line, "%s, seed %u: channel %d: %s %d is %d at the receiver, not %d",
                   at->what, (unsigned)at->seed, at->channel, name, index, heard, sent);
}

static void check_notes(const place *at, const receiver_channel *sent,
                        const receiver_channel *heard)
{
    for (int key = 0; key < 128; key++) {
        if (heard->held[key] > sent->held[key])
            check_fail(at->file, at->line,
                       "%s, seed %u: channel %d: key %d is held %d times at the receiver, %d at "
                       "the sender",
                       at->what, (unsigned)at->seed, at->channel, key, heard->held[key],
                       sent->held[key]);
        if (at->channel < SONG_SINGLE && heard->held[key] > 0 &&
            heard->strike[key] != sent->strike[key])
            check_fail(at->file, at->line,
                       "%s, seed %u: channel %d: key %d sounds at the receiver by strike %d, "
                       "which was released: the sender holds strike %d",
                       at->what, (unsigned)at->seed, at->channel, key, heard->strike[key],
                       sent->strike[key]);
    }
}

static void check_parameters(const place *at, receiver_channel sent, receiver_channel heard)
{
    for (int i = 0; i < RECEIVER_PARAMETERS && sent.parameters[i].number >= 0; i++) {
        const receiver_parameter *p = &sent.parameters[i];
        const receiver_parameter *other = find(&heard, p->number);
        same(at, "MSB of parameter", p->number, p->value[0], other->value[0]);
        same(at, "LSB of parameter", p->number, p->value[1], other->value[1]);
    }
    for (int i = 0; i < RECEIVER_PARAMETERS && heard.parameters[i].number >= 0; i++) {
        const receiver_parameter *other = find(&sent, heard.parameters[i].number);
        same(at, "MSB of parameter", other->number, other->value[0], heard.parameters[i].value[0]);
    }
    same(at, "the parameter selected", 0, selected(&sent), selected(&heard));
}

void receiver_check(const receiver *sent, const receiver *heard, const char *what, uint32_t seed,
                    const char *file, int line)
{
    place at = {what, seed, 0, file, line};
    for (; at.channel < 16; at.channel++) {
        const receiver_channel *a = &sent->channels[at.channel];
        const receiver_channel *b = &heard->channels[at.channel];
        check_notes(&at, a, b);
        for (int i = 0; i < 120; i++)
            same(&at, "controller", i, a->control[i], b->control[i]);
        for (int i = 0; i < 3; i++)
            same(&at, "program and bank", i, a->program[i], b->program[i]);
        check_parameters(&at, *a, *b);
        for (int key = 0; key < 128; key++)
            same(&at, "pressure of key", key, a->key_pressure[key], b->key_pressure[key]);
        same(&at, "pressure", 0, a->pressure, b->pressure);
        same(&at, "bend", 0, a->bend, b->bend);
        same(&at, "local control", 0, a->local, b->local);
        same(&at, "omni", 0, a->omni, b->omni);
        same(&at, "mono", 0, a->mono, b->mono);
    }
    at.channel = -1;
    same(&at, "running", 0, sent->runs, heard->runs);
    same(&at, "position", 0, sent->position, heard->position);
    same(&at, "song", 0, sent->song, heard->song);
}

/* Songs */

uint32_t song_seed(void)
{
    const char *given = getenv("MIDISOCK_SEED");
    uint32_t seed;
    if (given != NULL && *given != '\0') {
        seed = (uint32_t)strtoul(given, NULL, 10);
    } else {
        struct timespec now;
        clock_gettime(CLOCK_REALTIME, &now);
        seed = (uint32_t)now.tv_sec * 1000003u ^ (uint32_t)now.tv_nsec;
    }
    /* Another way to say it: a failure names the seed as well. */
    printf("# MIDISOCK_SEED=%u\n", (unsigned)seed);
    fflush(stdout);
    return seed;
}

void song_init(song *s, uint32_t seed, int channels)
{
    memset(s, 0, sizeof *s);
    s->seed = seed;
    s->random = seed * 2654435761u + 1;
    s->channels = channels;
    receiver_init(&s->sender, seed % 4 != 0);
}

static unsigned below(song *s, unsigned bound)
{
    return check_random(&s->random) % bound;
}

static void say(song *s, size_t size, unsigned a, unsigned b, unsigned c)
{
    CHECK(s->length < 16);
    uint8_t *message = s->phrase[s->length];
    message[0] = (uint8_t)a;
    message[1] = (uint8_t)b;
    message[2] = (uint8_t)c;
    s->sizes[s->length++] = size;
}

/* Few values, so that the same one comes again. */
static unsigned value(song *s)
{
    static const uint8_t some[] = {0, 1, 64, 127};
    return below(s, 4) ? some[below(s, 4)] : below(s, 128);
}

static void notes(song *s, unsigned channel)
{
    unsigned key = 60 + below(s, 6);
    const receiver_channel *c = &s->sender.channels[channel];
    int held = c->held[key];
    /* Elsewhere a key may be struck again and again, within reason. */
    int off = channel < SONG_SINGLE ? held > 0 : held > 0 && (held == 12 || below(s, 2));
    if (off && below(s, 2))
        say(s, 3, 0x90 | channel, key, 0);
    else if (off || below(s, 16) == 0)
        say(s, 3, 0x80 | channel, key, value(s));
    else /* each strike of a key has another velocity */
        say(s, 3, 0x90 | channel, key, (unsigned)c->strike[key] % 127 + 1);
}

static void controllers(song *s, unsigned channel)
{
    static const uint8_t plain[] = {1, 2, 7, 10, 11, 64, 65, 66, 67, 68, 69, 71, 74, 80, 91, 93};
    if (below(s, 3)) {
        say(s, 3, 0xb0 | channel, plain[below(s, sizeof plain)], value(s));
        return;
    }
    unsigned pair = 1 + below(s, 3);
    say(s, 3, 0xb0 | channel, pair, value(s));
    if (below(s, 4))
        say(s, 3, 0xb0 | channel, pair + 32, value(s));
}

static void programs(song *s, unsigned channel)
{
    const int *bank = s->sender.channels[channel].control;
    unsigned kind = below(s, 6);
    /* No program before its bank is known: where a receiver that never heard of
     * one stands is its own matter. */
    if (bank[0] < 0 || bank[32] < 0 || kind < 3) {
        say(s, 3, 0xb0 | channel, 0, value(s));
        say(s, 3, 0xb0 | channel, 32, value(s));
        say(s, 2, 0xc0 | channel, value(s), 0);
    } else if (kind == 3) {
        say(s, 3, 0xb0 | channel, 0, value(s));
    } else if (kind == 4) {
        say(s, 3, 0xb0 | channel, 32, value(s));
    } else {
        say(s, 2, 0xc0 | channel, value(s), 0);
    }
}

static void parameters(song *s, unsigned channel)
{
    unsigned registered = below(s, 2);
    /* Three non-registered ones a channel: the library keeps 64 all in all. */
    unsigned msb = registered ? 0 : below(s, 2);
    unsigned lsb = registered ? below(s, 6) : msb * below(s, 2);
    if (below(s, 4)) {
        say(s, 3, 0xb0 | channel, registered ? 101 : 99, msb);
        say(s, 3, 0xb0 | channel, registered ? 100 : 98, lsb);
    } else if (selected(&s->sender.channels[channel]) < 0) {
        notes(s, channel); /* data entry would go nowhere */
        return;
    }
    say(s, 3, 0xb0 | channel, 6, value(s));
    if (below(s, 2))
        say(s, 3, 0xb0 | channel, 38, value(s));
    if (below(s, 3) == 0) {
        say(s, 3, 0xb0 | channel, registered ? 101 : 99, NULL_NUMBER);
        say(s, 3, 0xb0 | channel, registered ? 100 : 98, NULL_NUMBER);
    }
}

static void expression(song *s, unsigned channel)
{
    switch (below(s, 3)) {
    case 0:
        say(s, 3, 0xa0 | channel, 60 + below(s, 4), value(s));
        return;
    case 1:
        say(s, 2, 0xd0 | channel, value(s), 0);
        return;
    default:
        say(s, 3, 0xe0 | channel, value(s), value(s));
    }
}

static void modes(song *s, unsigned channel)
{
    unsigned which = 120 + below(s, 8);
    unsigned argument = which == 122 ? 127 * below(s, 2) : which == 126 ? below(s, 4) : 0;
    say(s, 3, 0xb0 | channel, which, argument);
}

static void sequencer(song *s)
{
    static const uint8_t run[] = {0xfa, 0xfb, 0xfc};
    switch (below(s, 4)) {
    case 0:
        say(s, 3, 0xf2, value(s), below(s, 3));
        return;
    case 1:
        say(s, 2, 0xf3, below(s, 4), 0);
        return;
    default:
        say(s, 1, run[below(s, 3)], 0, 0);
    }
}

/* What is no state. */
static void events(song *s, unsigned channel)
{
    static const uint8_t single[] = {0xf6, 0xf8, 0xfe};
    switch (below(s, 4)) {
    case 0:
        say(s, 2, 0xf1, value(s), 0);
        return;
    case 1:
        say(s, 3, 0xb0 | channel, 84, 60 + below(s, 4));
        return;
    case 2:
        say(s, 1, single[below(s, sizeof single)], 0, 0);
        return;
    default:
        check_numbered(s->phrase[s->length], 8 + below(s, 17), (uint32_t)s->messages & 0xfffffff);
        s->sizes[s->length] = 0;
        for (size_t i = 0; s->sizes[s->length] == 0; i++)
            if (s->phrase[s->length][i] == 0xf7)
                s->sizes[s->length] = i + 1;
        s->length++;
    }
}

static void compose(song *s)
{
    unsigned channel = below(s, (unsigned)s->channels);
    unsigned kind = below(s, 200);
    s->length = s->at = 0;
    if (kind < 80)
        notes(s, channel);
    else if (kind < 115)
        controllers(s, channel);
    else if (kind < 130)
        programs(s, channel);
    else if (kind < 155)
        parameters(s, channel);
    else if (kind < 175)
        expression(s, channel);
    else if (kind < 182)
        modes(s, channel);
    else if (kind < 190)
        sequencer(s);
    else if (kind < 199 || below(s, 20))
        events(s, channel);
    else
        say(s, 1, 0xff, 0, 0);
}

static int is_event(const uint8_t *data)
{
    if (data[0] >= 0xf0)
        return strchr("\xf2\xf3\xfa\xfb\xfc\xff", data[0]) == NULL;
    if (data[0] >> 4 == 9)
        return data[2] > 0;
    return data[0] >> 4 == 0xb && (data[1] == 84 || data[1] == 88);
}

size_t song_next(song *s, const uint8_t **data)
{
    while (s->at == s->length)
        compose(s);
    *data = s->phrase[s->at];
    size_t size = s->sizes[s->at++];
    receiver_hear(&s->sender, *data, size);
    s->messages++;
    s->events += (uint64_t)is_event(*data);
    return size;
}

/* Bytes */

static size_t whole_size(uint8_t status)
{
    if (status < 0xf0)
        return status >> 4 == 0xc || status >> 4 == 0xd ? 2 : 3;
    if (status == 0xf0)
        return 0;
    if (status == 0xf2)
        return 3;
    return status == 0xf1 || status == 0xf3 ? 2 : 1;
}

int wire_take(wire *w, uint8_t byte)
{
    if (w->size > 0 && w->size == w->whole)
        w->size = 0;
    CHECK(w->size < sizeof w->data);
    if (w->size == 0) {
        if (byte < 0x80 || byte == 0xf4 || byte == 0xf5 || byte == 0xf7 || byte == 0xf9 ||
            byte == 0xfd)
            check_fail(__FILE__, __LINE__, "byte %02x begins message %llu", byte,
                       (unsigned long long)w->messages);
        w->whole = whole_size(byte);
    } else if (byte >= 0x80 && !(w->data[0] == 0xf0 && byte == 0xf7)) {
        check_fail(__FILE__, __LINE__, "message %llu, of status %02x, is torn by %02x after %zu bytes",
                   (unsigned long long)w->messages, w->data[0], byte, w->size);
    }
    w->data[w->size++] = byte;
    if (byte == 0xf7)
        w->whole = w->size;
    if (w->size != w->whole)
        return 0;
    w->messages++;
    return 1;
}
