/* The cost of passing a message through a queue by C calls: midisock_pair beside ArrayQueue, rtrb and, if they were
 * available to the compiler, jack_ringbuffer, Boost's spsc_queue and JUCE's AbstractFifo.
 *
 *   queue --case one|two|cold [--size 3|256|16384] [--burst N] [--rounds N] [--messages N]
 *
 * one: one thread pushes --burst messages, then pops them. two: one thread pushes and one pops, each on its own
 * processor if there are two; with --burst 1 as fast as they can, otherwise each burst begins when the previous one has
 * been popped. cold: one message at a time; before each push and pop other memory fills the processor's caches. The
 * result includes one read of the clock, which "the clock alone" shows.
 *
 * Each round measures every queue, so that a disturbance affects all. Every queue carries time, client, length and
 * bytes, and has the same amount of memory. Prints the ns per message of each round by name; in the cold case the
 * median of each round.
 */
#define _POSIX_C_SOURCE 200809L
#include "bench.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST_SIZE 16384u
#define CACHES (4u << 20) /* put through the caches before a cold call: more than the first two levels hold */

struct slot { /* of the peers' pop */
    uint64_t time_ns;
    uint32_t client, size;
    uint8_t bytes[MOST_SIZE];
};

struct subject {
    const char *name;
    size_t size; /* of the messages that it is for; 0: any */
    void *(*make)(size_t slots);
    void (*push)(void *in, uint64_t first, uint64_t count);
    uint64_t (*pop)(void *out, uint64_t count); /* the sum of the second bytes */
    uint64_t (*both)(void *in, void *out, uint64_t count); /* one by one; the same */
    void *in, *out;                             /* the pushing and the popping end */
    double *results;
};

static uint8_t *data; /* what is pushed: its second byte is the message's number */
static size_t size;

/* A note begins, and ends 128 messages later. */
static inline void put_number(uint64_t number)
{
    data[1] = (uint8_t)(number & 127);
    data[2] = (uint8_t)(number & 128 ? 0 : 64);
}

/* Loops for each queue, so that every call in them is a direct one, and nothing else is between them. */
#define LOOPS(NAME, TYPE, BYTES, PUSH, POP)                                                                            \
    static void push_##NAME(void *in, uint64_t first, uint64_t count)                                                  \
    {                                                                                                                  \
        uint64_t number;                                                                                               \
        for (number = first; number < first + count; number++) {                                                       \
            put_number(number);                                                                                        \
            while ((PUSH) != 0)                                                                                        \
                ;                                                                                                      \
        }                                                                                                              \
    }                                                                                                                  \
    static uint64_t pop_##NAME(void *out, uint64_t count)                                                              \
    {                                                                                                                  \
        uint64_t sum = 0;                                                                                              \
        static TYPE message __attribute__((aligned(64)));                                                              \
        for (; count > 0; count--) {                                                                                   \
            while ((POP) != 0)                                                                                         \
                ;                                                                                                      \
            sum += message.BYTES[1];                                                                                   \
        }                                                                                                              \
        return sum;                                                                                                    \
    }                                                                                                                  \
    static uint64_t both_##NAME(void *in, void *out, uint64_t count)                                                   \
    {                                                                                                                  \
        uint64_t number, sum = 0;                                                                                      \
        static TYPE message __attribute__((aligned(64)));                                                              \
        for (number = 0; number < count; number++) {                                                                   \
            put_number(number);                                                                                        \
            while ((PUSH) != 0)                                                                                        \
                ;                                                                                                      \
            while ((POP) != 0)                                                                                         \
                ;                                                                                                      \
            sum += message.BYTES[1];                                                                                   \
        }                                                                                                              \
        return sum;                                                                                                    \
    }
#define PEER_OF(NAME)                                                                                                  \
    void *NAME##_new(size_t slots);                                                                                    \
    int NAME##_push(void *queue, uint64_t time_ns, uint32_t client, const uint8_t *bytes, size_t count);               \
    int NAME##_pop(void *queue, struct slot *out);                                                                     \
    LOOPS(NAME, struct slot, bytes, NAME##_push(in, number + 1, 0, data, size), NAME##_pop(out, &message))
#define PEER(NAME) PEER_OF(NAME##_8) PEER_OF(NAME##_256) PEER_OF(NAME##_16384)
#define ROW(NAME, TEXT, SIZE, BYTES) {TEXT, SIZE, NAME##_##BYTES##_new, push_##NAME##_##BYTES, pop_##NAME##_##BYTES, both_##NAME##_##BYTES, NULL, NULL, NULL}
#define ROWS(NAME, TEXT) ROW(NAME, TEXT, 3, 8), ROW(NAME, TEXT, 256, 256), ROW(NAME, TEXT, 16384, 16384)

static midisock_result push_timed(void *in, uint64_t time_ns)
{
    /* As with what is popped: where it lies must not depend on the stack. */
    static midisock_message message __attribute__((aligned(64)));
    message.time_ns = time_ns;
    message.data = data;
    message.size = (uint32_t)size;
    message.client = 0;
    return midisock_push_message(in, &message);
}

LOOPS(midisock, midisock_message, data, push_timed(in, number + 1), midisock_pop(out, &message))
LOOPS(midisock_now, midisock_message, data, midisock_push(in, data, size), midisock_pop(out, &message))
PEER(array_queue)
PEER(rtrb)
#ifdef HAVE_JACK
PEER(jack)
#endif
#ifdef HAVE_BOOST
PEER(boost)
#endif
#ifdef HAVE_JUCE
PEER(juce)
#endif

static struct subject subjects[] = {
    {"midisock_pair, time given", 0, NULL, push_midisock, pop_midisock, both_midisock, NULL, NULL, NULL},
    {"midisock_pair, push stamps the time", 0, NULL, push_midisock_now, pop_midisock_now, both_midisock_now, NULL, NULL, NULL},
    ROWS(rtrb, "rtrb"),
    ROWS(array_queue, "crossbeam ArrayQueue"),
#ifdef HAVE_JACK
    ROWS(jack, "JACK jack_ringbuffer"),
#endif
#ifdef HAVE_BOOST
    ROWS(boost, "Boost spsc_queue"),
#endif
#ifdef HAVE_JUCE
    ROWS(juce, "JUCE AbstractFifo"),
#endif
};
#define SUBJECTS (sizeof subjects / sizeof *subjects)

static void open_subject(struct subject *subject, uint64_t bytes)
{
    if (subject->make == NULL) {
        midisock_port *a, *b;
        midisock_config config;
        configure(&config, "tick", bytes);
        config.out_queue_bytes = (uint32_t)bytes;
        must(midisock_pair(&config, &a, &b), "pair");
        subject->in = a;
        subject->out = b;
    } else {
        size_t slot = 16 + (size == 3 ? 8 : size);
        subject->in = subject->out = subject->make((size_t)bytes / slot);
    }
}

static uint64_t sum_of(uint64_t first, uint64_t count)
{
    uint64_t sum = 0;
    for (; count > 0; count--)
        sum += first++ & 127;
    return sum;
}

static double one_thread(struct subject *subject, uint64_t messages, uint64_t burst)
{
    uint64_t done, sum = 0, began = clock_ns(), ended;
    if (burst == 1)
        sum = subject->both(subject->in, subject->out, messages);
    else
        for (done = 0; done < messages; done += burst) {
            subject->push(subject->in, done, burst);
            sum += subject->pop(subject->out, burst);
        }
    ended = clock_ns();
    if (sum != sum_of(0, messages))
        fail("%s: what came out is not what went in", subject->name);
    return (double)(ended - began) / (double)messages;
}

/* Counted up by the popping thread when a burst is popped; far from what else is written. */
static struct {
    char before[128];
    uint64_t count;
    char after[128];
} popped;

struct producer {
    struct subject *subject;
    uint64_t messages, burst;
    pthread_barrier_t *start;
};

static void *produce(void *argument)
{
    struct producer *producer = argument;
    struct subject *subject = producer->subject;
    uint64_t done;
    pin(0);
    pthread_barrier_wait(producer->start);
    if (producer->burst == 1) {
        subject->push(subject->in, 0, producer->messages);
        return NULL;
    }
    for (done = 0; done < producer->messages; done += producer->burst) {
        while (__atomic_load_n(&popped.count, __ATOMIC_ACQUIRE) != done)
            ;
        subject->push(subject->in, done, producer->burst);
    }
    return NULL;
}

static double two_threads(struct subject *subject, uint64_t messages, uint64_t burst)
{
    pthread_barrier_t start;
    struct producer producer;
    pthread_t thread;
    uint64_t began, ended, done, sum = 0;
    producer.subject = subject;
    producer.messages = messages;
    producer.burst = burst;
    producer.start = &start;
    popped.count = 0;
    pthread_barrier_init(&start, NULL, 2);
    if (pthread_create(&thread, NULL, produce, &producer) != 0)
        fail("no thread");
    pin(1);
    pthread_barrier_wait(&start);
    began = clock_ns();
    if (burst == 1)
        sum = subject->pop(subject->out, messages);
    else
        for (done = 0; done < messages; done += burst) {
            sum += subject->pop(subject->out, burst);
            __atomic_store_n(&popped.count, done + burst, __ATOMIC_RELEASE);
        }
    ended = clock_ns();
    pthread_join(thread, NULL);
    pthread_barrier_destroy(&start);
    if (sum != sum_of(0, messages))
        fail("%s: what came out is not what went in", subject->name);
    return (double)(ended - began) / (double)messages;
}

static int ascending(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static void through_caches(void)
{
    static uint8_t *memory;
    size_t i;
    if (memory == NULL && (memory = malloc(CACHES)) == NULL)
        fail("no memory");
    for (i = 0; i < CACHES; i += 64)
        ((volatile uint8_t *)memory)[i]++;
}

/* A push and a pop with nothing of theirs in the caches; NULL: the clock alone. */
static double cold(struct subject *subject, uint64_t messages)
{
    uint64_t i, began, passed, *times = malloc((size_t)messages * sizeof *times);
    double median;
    if (times == NULL)
        fail("no memory");
    for (i = 0; i < messages; i++) {
        through_caches();
        began = clock_ns();
        if (subject != NULL)
            subject->push(subject->in, i, 1);
        passed = clock_ns() - began;
        through_caches();
        began = clock_ns();
        if (subject != NULL && subject->pop(subject->out, 1) != (i & 127))
            fail("%s: what came out is not what went in", subject->name);
        times[i] = passed + clock_ns() - began;
    }
    qsort(times, (size_t)messages, sizeof *times, ascending);
    median = (double)times[messages / 2];
    free(times);
    return median;
}

static void print_results(const char *name, const double *results, uint64_t rounds, const char *end)
{
    uint64_t i;
    printf("\"%s\": [", name);
    for (i = 0; i < rounds; i++)
        printf("%s%.3f", i > 0 ? ", " : "", results[i]);
    printf("]%s", end);
}

int main(int argc, char **argv)
{
    const char *which = option(argc, argv, "--case", "one");
    uint64_t burst = option_number(argc, argv, "--burst", 1), rounds = option_number(argc, argv, "--rounds", 21), round;
    uint64_t messages = option_number(argc, argv, "--messages", 100000) / burst * burst, bytes;
    double *clock_alone = calloc((size_t)rounds, sizeof *clock_alone);
    int is_cold = strcmp(which, "cold") == 0, is_two = strcmp(which, "two") == 0;
    size_t i, k;

    size = (size_t)option_number(argc, argv, "--size", 3);
    bytes = size > 256 ? 1 << 20 : 1 << 16;
    data = calloc(1, size);
    if (clock_alone == NULL || data == NULL || rounds == 0 || messages == 0)
        fail("nothing to measure");
    data[0] = size == 3 ? 0x90 : 0xF0;
    if (size > 3)
        data[size - 1] = 0xF7;
    for (i = 0; i < SUBJECTS; i++) {
        struct subject *subject = &subjects[i];
        if (subject->size != 0 && subject->size != size)
            continue;
        open_subject(subject, bytes);
        subject->results = calloc((size_t)rounds, sizeof *subject->results);
        if (subject->in == NULL || subject->results == NULL)
            fail("no memory");
    }
    pin(is_two ? -1 : 1);
    /* The first round warms up, and is not told. */
    for (round = 0; round <= rounds; round++) {
        size_t to = round > 0 ? (size_t)round - 1 : 0;
        for (i = 0; i < SUBJECTS; i++) {
            /* Every other round the other way round: nobody always follows the same one. */
            struct subject *subject = &subjects[round % 2 == 0 ? i : SUBJECTS - 1 - i];
            if (subject->results != NULL)
                subject->results[to] = is_cold  ? cold(subject, messages)
                                       : is_two ? two_threads(subject, messages, burst)
                                                : one_thread(subject, messages, burst);
        }
        if (is_cold)
            clock_alone[to] = cold(NULL, messages);
    }
    printf("{");
    if (is_cold)
        print_results("the clock alone", clock_alone, rounds, ",\n ");
    for (i = 0, k = 0; i < SUBJECTS; i++) {
        if (subjects[i].results == NULL)
            continue;
        if (k++ > 0)
            printf(",\n ");
        print_results(subjects[i].name, subjects[i].results, rounds, "");
        if (subjects[i].make == NULL) {
            midisock_close(subjects[i].in);
            midisock_close(subjects[i].out);
        }
    }
    printf("}\n");
    return 0;
}
