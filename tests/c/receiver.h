/*
 * A receiver of MIDI, written from the specifications (MIDI 1.0 and MIDI
 * RP-015) and from nothing of the library's: what it holds and where its
 * controllers, programs, parameters, wheels and sequencer stand after the
 * messages it was given. Two of them, one given all that was sent and one given
 * what came, must agree in the end.
 *
 * And songs to give them: random, from a seed, without end; and a reader of
 * bytes that takes whole messages with their status byte and nothing else.
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
    int held[128];   /* strikes of each key that were not released */
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
    /* Makes differ: whether an MSB sets the LSB to zero, as the specification
     * says. What puts one right has to put the other right. */
    int zeroes_lsb;
    receiver_channel channels[16];
    int runs;
    int position; /* in beats, where it was last told to be */
    int song;
} receiver;

/* Just switched on. */
void receiver_init(receiver *r, int zeroes_lsb);
void receiver_hear(receiver *r, const uint8_t *data, size_t size);

/* Strikes held, all in all. */
int receiver_held(const receiver *r);
/* Lets go of every note, without a message. */
void receiver_silence(receiver *r);

/* A release that came twice puts at rest what `sent` left as it is after
 * switching on: that is the same. */
void receiver_rest(receiver *received, const receiver *sent);

/* `received` stands where `sent` stands, and holds no note that `sent` does not:
 * by number everywhere, and by the very strike on channels where a key is
 * never struck twice (SONG_SINGLE). `what` and the seed are told on failure. */
void receiver_check(const receiver *sent, const receiver *received, const char *what, uint32_t seed,
                    const char *file, int line);
#define RECEIVER_CHECK(sent, received, what, seed) \
    receiver_check(sent, received, what, seed, __FILE__, __LINE__)

/* Channels below this one strike no key that is held. */
enum { SONG_SINGLE = 4 };

typedef struct song {
    uint32_t seed;
    uint32_t random;
    uint8_t phrase[16][24]; /* messages that belong together */
    size_t sizes[16];
    size_t length;
    size_t at;
    int channels; /* how many it plays on */
    receiver sender; /* after all that was taken */
    uint64_t messages;
    uint64_t events; /* those that are no state, by the contract's list */
} song;

/* A seed for this run: MIDISOCK_SEED, or one of the time. */
uint32_t song_seed(void);
void song_init(song *s, uint32_t seed, int channels);
/* The next message; its size. */
size_t song_next(song *s, const uint8_t **data);

/* Whole messages out of a stream of bytes, strictly: a byte in the wrong place
 * ends the case. */
typedef struct wire {
    uint8_t data[4200];
    size_t size;
    size_t whole; /* 0: not known yet */
    uint64_t messages;
} wire;

/* Takes a byte; whether data and size are a whole message now. */
int wire_take(wire *w, uint8_t byte);

#endif
