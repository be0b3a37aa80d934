/* The cost of passing a 3-byte message through a queue, by C calls: midisock_pair beside ArrayQueue and rtrb.
 *
 *   queue --threads 1|2 --queue NAME [--messages N] [--burst N] [--bytes N]
 *
 * NAME: midisock (with a time given), midisock-now (push stamps the time: a clock read more), array-queue, rtrb.
 * With one thread, --burst messages are pushed, then popped. With two, each on its own processor where there are two,
 * both go as fast as they can. Every queue carries time, client, length and bytes.
 */
#define _POSIX_C_SOURCE 200809L
#include "bench.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct slot { /* of the peers' pop */
    uint64_t time_ns;
    uint32_t client, size;
    uint8_t bytes[8];
};

void *array_queue_new(size_t slots);
int array_queue_push(void *queue, uint64_t time_ns, uint32_t client, const uint8_t *data, size_t size);
int array_queue_pop(void *queue, struct slot *out);
void *rtrb_new(size_t slots);
int rtrb_push(void *queue, uint64_t time_ns, uint32_t client, const uint8_t *data, size_t size);
int rtrb_pop(void *queue, struct slot *out);

struct subject {
    const char *name;
    void *in, *out; /* the pushing and the popping end */
    void (*push)(void *in, uint64_t first, uint64_t count);
    uint64_t (*pop)(void *out, uint64_t count); /* the sum of the notes */
};

/* A loop for each queue, so that every call in it is a direct one. `number` is the message's. */
#define PUSH_LOOP(name, CALL)                                                                                          \
    static void push_##name(void *in, uint64_t first, uint64_t count)                                                  \
    {                                                                                                                  \
        uint64_t number;                                                                                               \
        for (number = first; number < first + count; number++) {                                                       \
            uint8_t data[3] = {0x90, 0, 64};                                                                           \
            data[1] = (uint8_t)(number & 127);                                                                         \
            while ((CALL) != 0)                                                                                        \
                ;                                                                                                      \
        }                                                                                                              \
    }

#define POP_LOOP(name, TYPE, NOTE, CALL)                                                                               \
    static uint64_t pop_##name(void *out, uint64_t count)                                                              \
    {                                                                                                                  \
        uint64_t sum = 0;                                                                                              \
        TYPE message;                                                                                                  \
        for (; count > 0; count--) {                                                                                   \
            while ((CALL) != 0)                                                                                        \
                ;                                                                                                      \
            sum += (NOTE);                                                                                             \
        }                                                                                                              \
        return sum;                                                                                                    \
    }

static midisock_result push_timed(void *in, uint64_t time_ns, const uint8_t *data)
{
    midisock_message message = {0};
    message.time_ns = time_ns;
    message.data = data;
    message.size = 3;
    return midisock_push_message(in, &message);
}

PUSH_LOOP(midisock, push_timed(in, number + 1, data))
PUSH_LOOP(midisock_now, midisock_push(in, data, 3))
POP_LOOP(midisock, midisock_message, message.data[1], midisock_pop(out, &message))
PUSH_LOOP(array_queue, array_queue_push(in, number + 1, 0, data, 3))
POP_LOOP(array_queue, struct slot, message.bytes[1], array_queue_pop(out, &message))
PUSH_LOOP(rtrb, rtrb_push(in, number + 1, 0, data, 3))
POP_LOOP(rtrb, struct slot, message.bytes[1], rtrb_pop(out, &message))

struct producer {
    struct subject *subject;
    uint64_t messages;
    pthread_barrier_t *start;
};

static void *produce(void *argument)
{
    struct producer *producer = argument;
    pin(0);
    pthread_barrier_wait(producer->start);
    producer->subject->push(producer->subject->in, 0, producer->messages);
    return NULL;
}

static uint64_t one_thread(struct subject *subject, uint64_t messages, uint64_t burst, uint64_t *sum)
{
    uint64_t done, began = clock_ns();
    for (done = 0; done < messages; done += burst) {
        subject->push(subject->in, done, burst);
        *sum += subject->pop(subject->out, burst);
    }
    return clock_ns() - began;
}

static uint64_t two_threads(struct subject *subject, uint64_t messages, uint64_t *sum)
{
    pthread_barrier_t start;
    struct producer producer;
    pthread_t thread;
    uint64_t began, passed;
    producer.subject = subject;
    producer.messages = messages;
    producer.start = &start;
    pthread_barrier_init(&start, NULL, 2);
    if (pthread_create(&thread, NULL, produce, &producer) != 0)
        fail("no thread");
    pin(1);
    pthread_barrier_wait(&start);
    began = clock_ns();
    *sum += subject->pop(subject->out, messages);
    passed = clock_ns() - began;
    pthread_join(thread, NULL);
    pthread_barrier_destroy(&start);
    return passed;
}

int main(int argc, char **argv)
{
    const char *name = option(argc, argv, "--queue", "midisock");
    uint64_t burst = option_number(argc, argv, "--burst", 1), bytes = option_number(argc, argv, "--bytes", 65536);
    uint64_t messages = option_number(argc, argv, "--messages", 10000000) / burst * burst, i, sum = 0, expected = 0, ns;
    size_t slots = (size_t)(bytes / 24); /* a 3-byte message takes 24 bytes in each of them */
    struct subject subjects[] = {{"midisock", NULL, NULL, push_midisock, pop_midisock},
                                 {"midisock-now", NULL, NULL, push_midisock_now, pop_midisock},
                                 {"array-queue", NULL, NULL, push_array_queue, pop_array_queue},
                                 {"rtrb", NULL, NULL, push_rtrb, pop_rtrb}};
    struct subject *subject = NULL;
    midisock_port *a = NULL, *b = NULL;
    int threads = atoi(option(argc, argv, "--threads", "1"));

    for (i = 0; i < sizeof subjects / sizeof *subjects; i++)
        if (strcmp(subjects[i].name, name) == 0)
            subject = &subjects[i];
    if (subject == NULL)
        fail("no such queue: %s", name);
    if (strncmp(name, "midisock", 8) == 0) {
        midisock_config config;
        configure(&config, "tick", bytes);
        config.out_queue_bytes = (uint32_t)bytes;
        must(midisock_pair(&config, &a, &b), "pair");
        subject->in = a;
        subject->out = b;
    } else {
        subject->in = subject->out = strcmp(name, "rtrb") == 0 ? rtrb_new(slots) : array_queue_new(slots);
    }
    for (i = 0; i < messages; i++)
        expected += i & 127;
    ns = threads == 2 ? two_threads(subject, messages, &sum) : one_thread(subject, messages, burst, &sum);
    if (sum != expected)
        fail("%s: what came out is not what went in", name);
    printf("{\"messages\": %llu, \"ns_per_message\": %.3f}\n", (unsigned long long)messages,
           (double)ns / (double)messages);
    midisock_close(a);
    midisock_close(b);
    return 0;
}
