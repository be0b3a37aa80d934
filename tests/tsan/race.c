/*
 * The control of the suite "tsan": a program that uses the library against its
 * contract. Two threads push into one port at once, which only the caller can
 * prevent. ThreadSanitizer must report the race inside the library.
 */
#define _POSIX_C_SOURCE 200809L
#include "../c/check.h"

static void *push(void *port)
{
    for (int i = 0; i < 1000; i++)
        midisock_push(port, BYTES(0xf8));
    return NULL;
}

static void two_threads_push(void)
{
    midisock_port *a;
    midisock_port *b;
    pthread_t threads[2];
    CHECK_OK(midisock_pair(NULL, &a, &b));
    for (int i = 0; i < 2; i++)
        check_start(&threads[i], push, a);
    for (int i = 0; i < 2; i++)
        check_join(threads[i]);
    midisock_close(a);
    midisock_close(b);
}

/* The same handed over properly: no race. What the pushing thread wrote before
 * is seen by who pops, without anything else between the two threads. */
static int handed_over;

static void *pop(void *port)
{
    midisock_message message;
    while (midisock_pop(port, &message) != MIDISOCK_OK)
        check_pause();
    CHECK_INT(7, handed_over);
    return NULL;
}

static void a_message_hands_over(void)
{
    midisock_port *a;
    midisock_port *b;
    pthread_t thread;
    CHECK_OK(midisock_pair(NULL, &a, &b));
    check_start(&thread, pop, b);
    handed_over = 7;
    CHECK_OK(midisock_push(a, BYTES(0xf8)));
    check_join(thread);
    midisock_close(a);
    midisock_close(b);
}

int main(int argc, char **argv)
{
    static const check_case cases[] = {
        CASE(two_threads_push),
        CASE(a_message_hands_over),
    };
    return check_main(argc, argv, CASES(cases));
}
