/* midisock_flush tells the truth: all that is due is with the system, or it was lost. */
#include "check.h"
#include "link.h"
#include "raw.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#if defined(__linux__)
#include <sys/syscall.h>
long syscall(long number, ...); /* <unistd.h> has another `link` */
#endif

#define MS UINT64_C(1000000)

enum { LONG = 1000000, IN_VAIN_MS = 30 };

static midisock_config waiting(void)
{
    midisock_config c = check_config();
    c.overflow = MIDISOCK_OVERFLOW_WAIT;
    c.in_queue_bytes = c.out_queue_bytes = 8 << 20;
    c.max_message_bytes = 2 << 20;
    return c;
}

/* Whose peer has a small receive buffer, and which does not connect again. */
static link small_link(int role)
{
    midisock_config c = waiting();
    c.reconnect_max_ms = 0;
    return make_link(role, c, 1);
}

static void push_long(midisock_port *port, uint64_t time_ns)
{
    uint8_t *data = malloc(LONG);
    CHECK(data != NULL);
    memset(data, 1, LONG);
    data[0] = 0xf0;
    data[LONG - 1] = 0xf7;
    midisock_message m = {time_ns, data, LONG, 0, 0, 0, {0, 0}};
    CHECK_OK(midisock_push_message(port, &m));
    free(data);
}

static void read_long(int fd)
{
    uint8_t *data = malloc(LONG);
    CHECK(data != NULL);
    raw_read(fd, data, LONG);
    CHECK(data[0] == 0xf0 && data[LONG - 1] == 0xf7);
    free(data);
}

/* For now, and with a time that has come: not done before the peer has read. */
static void what_is_due_is_waited_for(void)
{
    for (int role = 0; role < ROLES; role++)
        for (int scheduled = 0; scheduled < 2; scheduled++) {
            link l = small_link(role);
            uint64_t due = scheduled ? midisock_now_ns() + 5 * MS : 0;
            push_long(l.port, due);
            while (midisock_now_ns() <= due)
                check_pause();
            CHECK_RESULT(MIDISOCK_ERR_TIMEOUT, midisock_flush(l.port, 0));
            CHECK_RESULT(MIDISOCK_ERR_TIMEOUT, midisock_flush(l.port, IN_VAIN_MS));
            read_long(l.fd);
            CHECK_OK(midisock_flush(l.port, DEADLINE_MS));
            CHECK_OK(midisock_flush(l.port, 0));
            CHECK_INT(LONG, check_stats(l.port).bytes_out);
            end_link(l);
        }
}

/* It fell due behind what the peer has not read. */
static void what_falls_due_behind_a_full_buffer_is_waited_for(void)
{
    for (int role = 0; role < ROLES; role++) {
        link l = small_link(role);
        push_long(l.port, 0);
        uint64_t due = midisock_now_ns() + 5 * MS;
        midisock_message m = {due, (const uint8_t[]){0x90, 60, 1}, 3, 0, 0, 0, {0, 0}};
        CHECK_OK(midisock_push_message(l.port, &m));
        while (midisock_now_ns() <= due)
            check_pause();
        CHECK_RESULT(MIDISOCK_ERR_TIMEOUT, midisock_flush(l.port, IN_VAIN_MS));
        read_long(l.fd);
        CHECK_OK(midisock_flush(l.port, DEADLINE_MS));
        CHECK_INT(LONG + 3, check_stats(l.port).bytes_out);
        RAW_EXPECT(l.fd, 0x90, 60, 1);
        end_link(l);
    }
}

typedef struct flushing {
    midisock_port *port;
    midisock_result result;
    int thread; /* its id, from just before the call on */
} flushing;

static void *flush(void *argument)
{
    flushing *f = argument;
#if defined(__linux__)
    __atomic_store_n(&f->thread, (int)syscall(SYS_gettid), __ATOMIC_RELAXED);
#endif
    __atomic_store_n(&f->result, midisock_flush(f->port, DEADLINE_MS), __ATOMIC_RELAXED);
    return NULL;
}

#if defined(__linux__)
/* Whether the thread sleeps, which it does only in the call. */
static int is_waiting(flushing *f)
{
    char path[64], state = 0;
    int thread = __atomic_load_n(&f->thread, __ATOMIC_RELAXED);
    snprintf(path, sizeof path, "/proc/self/task/%d/stat", thread);
    FILE *file = thread == 0 ? NULL : fopen(path, "r");
    if (file == NULL)
        return 0;
    int found = fscanf(file, "%*d (%*[^)]) %c", &state);
    fclose(file);
    return found == 1 && state == 'S';
}
#endif

/* A flush by another thread, which waits when this returns. */
static void begin_flush(pthread_t *thread, flushing *f)
{
    check_start(thread, flush, f);
#if defined(__linux__)
    CHECK_SOON(is_waiting(f));
#endif
}

/* The connection dies while it is waited for: what was pushed is lost, also what is not with the connection yet. */
static void what_is_lost_with_the_connection(void)
{
    for (int role = 0; role < ROLES; role++)
        for (int messages = 1; messages <= 5; messages += 4)
            for (int by_reset = 0; by_reset < 2; by_reset++) {
                link l = small_link(role);
                for (int i = 0; i < messages; i++)
                    push_long(l.port, 0);
                CHECK_RESULT(MIDISOCK_ERR_TIMEOUT, midisock_flush(l.port, 0));
                flushing f = {l.port, 1000, 0};
                pthread_t thread;
                begin_flush(&thread, &f);
                CHECK_RESULT(MIDISOCK_ERR_TIMEOUT, midisock_flush(l.port, IN_VAIN_MS));
                if (by_reset)
                    raw_reset(l.fd);
                else
                    raw_close(l.fd); /* answers the next write with a reset */
                check_join(thread);
                if (f.result != MIDISOCK_OFFLINE && f.result != MIDISOCK_ERR_CLOSED)
                    check_fail(__FILE__, __LINE__, "role %d, %d messages, reset %d: flush said %s", role, messages, by_reset,
                               midisock_strerror(f.result));
                CHECK_COUNT(l.port, dropped_out, messages);
                CHECK_INT(0, check_stats(l.port).messages_out);
                l.fd = -1;
                end_link(l);
            }
}

/* A client whose server comes back at once: the new connection does not make good what was lost. */
static void a_reconnection_does_not_hide_the_loss(void)
{
    midisock_config c = waiting();
    c.reconnect_min_ms = 1;
    c.reconnect_max_ms = 1;
    uint16_t number = 0;
    int listener = raw_listen_small(&number);
    midisock_port *port;
    CHECK_OK(midisock_connect("127.0.0.1", number, &c, &port));
    int fd = raw_accept(listener);
    CHECK_OK(midisock_wait_connected(port, DEADLINE_MS));
    for (int i = 1; i <= 10; i++) {
        push_long(port, 0);
        push_long(port, 0);
        flushing f = {port, 1000, 0};
        pthread_t thread;
        begin_flush(&thread, &f);
        CHECK_RESULT(MIDISOCK_ERR_TIMEOUT, midisock_flush(port, 10));
        raw_reset(fd);
        fd = raw_accept(listener);
        check_join(thread);
        CHECK_RESULT(MIDISOCK_OFFLINE, f.result);
        CHECK_COUNT(port, dropped_out, 2 * i);
        CHECK_SOON(midisock_state(port) == MIDISOCK_STATE_CONNECTED);
    }
    raw_close(fd);
    raw_close(listener);
    midisock_close(port);
}

/* A flush that comes after the end of the connection tells what went with it. */
static void a_loss_before_the_call(void)
{
    midisock_config c = waiting();
    uint16_t number = 0;
    int listener = raw_listen_small(&number);
    midisock_port *port;
    CHECK_OK(midisock_connect("127.0.0.1", number, &c, &port));
    int fd = raw_accept(listener);
    NOTIFIED(port, MIDISOCK_NOTIFY_CONNECTED);
    push_long(port, 0);
    CHECK_RESULT(MIDISOCK_ERR_TIMEOUT, midisock_flush(port, 0));
    raw_close(listener);
    raw_reset(fd);
    NOTIFIED(port, MIDISOCK_NOTIFY_DISCONNECTED);
    for (int i = 0; i < 3; i++)
        CHECK_RESULT(MIDISOCK_OFFLINE, midisock_flush(port, i == 0 ? 0 : DEADLINE_MS));
    CHECK_COUNT(port, dropped_out, 1);
    midisock_close(port);
}

/* Several at once, and more than are kept apart. */
static void many_at_once(void)
{
    enum { THREADS = 24 };
    link l = small_link(ROLE_MERGED);
    push_long(l.port, 0);
    flushing f[THREADS];
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) {
        f[i].port = l.port;
        f[i].result = 1000;
        check_start(&threads[i], flush, &f[i]);
    }
    CHECK_RESULT(MIDISOCK_ERR_TIMEOUT, midisock_flush(l.port, IN_VAIN_MS));
    for (int i = 0; i < THREADS; i++)
        CHECK_INT(1000, __atomic_load_n(&f[i].result, __ATOMIC_RELAXED));
    read_long(l.fd);
    for (int i = 0; i < THREADS; i++) {
        check_join(threads[i]);
        CHECK_OK(f[i].result);
    }
    end_link(l);
}

int main(int argc, char **argv)
{
    static const check_case cases[] = {
        CASE(what_is_due_is_waited_for),
        CASE(what_falls_due_behind_a_full_buffer_is_waited_for),
        CASE(what_is_lost_with_the_connection),
        CASE(a_reconnection_does_not_hide_the_loss),
    CASE(a_loss_before_the_call),
    CASE(many_at_once),
    };
    return check_main(argc, argv, CASES(cases));
}
