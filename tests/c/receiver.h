/*
 * A receiver of MIDI, written from the specifications (MIDI 1.0 and MIDI
 * RP-015) without any code of the library. It tracks notes, controllers,
 * programs, parameters, bends and the sequencer. A test gives everything that
 * was sent to one receiver and everything that arrived to another. In the end
 * both must agree.
 *
 * Also random songs, endless and made from a seed; and a strict reader that
 * accepts only whole messages with their status byte.
 */
#ifndef MIDISOCK_TESTS_RECEIVER_H
#define MIDISOCK_TESTS_RECEIVER_H

#include "check.h"

enum { RECEIVER_PARAMETERS = 64 };

/* A registered or non-registered parameter and its value; -1: never set. */
typedef struct receiver_parameter {
    int number; /* bit 14: non-registered; -1: no entry */
    int value[2];
} receiver_parameter;

typedef struct receiver_channel {
    int held[128];   /* strikes of each key that are not released */
    int strike[128]; /* the velocity of the last one */
    int control[120];
    int program[3]; /* the program, and the bank it is from */
    int selected[2][2]; /* the number of the parameter, registered or not: MSB, LSB */
    int system; /* which of the two was selected last; -1: none */
    receiver_parameter parameters[RECEIVER_PARAMETERS];
    int key_pressure[128];
    int pressure;
    int bend;
    int local;
    int omni;
    int mono; /* the channels Mono On named; 1000: poly */
} receiver_channel;

typedef struct receiver {
    /* Whether an MSB sets the LSB to zero, as the specification says. Real
     * receivers differ. A repair must work for both. */
    int zeroes_lsb;
    receiver_channel channels[16];
    int runs;
    int position; /* the last song position, in beats */
    int song;
} receiver;

/* The state after power-on. */
void receiver_init(receiver *r, int zeroes_lsb);
void receiver_hear(receiver *r, const uint8_t *data, size_t size);

/* The number of held strikes on all channels. */
int receiver_held(const receiver *r);
/* Releases every note without a message. */
void receiver_silence(receiver *r);

/* A repeated release sets values that `sent` never set to their power-on state.
 * Treats both as equal. */
void receiver_rest(receiver *received, const receiver *sent);

/* `received` has the state of `sent`, and holds no note that `sent` does not: it
 * compares the number of strikes, and also the velocity on channels where a
 * held key is never struck again (below SONG_SINGLE). A failure prints `what`
 * and the seed. */
void receiver_check(const receiver *sent, const receiver *received, const char *what, uint32_t seed,
                    const char *file, int line);
#define RECEIVER_CHECK(sent, received, what, seed) \
    receiver_check(sent, received, what, seed, __FILE__, __LINE__)

/* Songs strike no held key on channels below this one. */
enum { SONG_SINGLE = 4 };

typedef struct song {
    uint32_t seed;
    uint32_t random;
    uint8_t phrase[16][24]; /* messages that belong together */
    size_t sizes[16];
    size_t length;
    size_t at;
    int channels; /* how many it plays on */
    receiver sender; /* the state after all messages so far */
    uint64_t messages;
    uint64_t events; /* messages that are not state */
} song;

/* The seed of this run: MIDISOCK_SEED, or one from the clock. */
uint32_t song_seed(void);
void song_init(song *s, uint32_t seed, int channels);
/* Makes the next message and returns its size. */
size_t song_next(song *s, const uint8_t **data);

/* Splits a stream of bytes into whole messages. A misplaced byte fails the
 * case. */
typedef struct wire {
    uint8_t data[4200];
    size_t size;
    size_t whole; /* 0: not known yet */
    uint64_t messages;
} wire;

/* Takes a byte. Returns whether data and size are a whole message now. */
int wire_take(wire *w, uint8_t byte);

#endif
