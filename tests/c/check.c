#define _POSIX_C_SOURCE 200809L
#include "check.h"
#include "check_system.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char *running = "";

uint64_t check_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

void check_pause(void)
{
    const struct timespec one_ms = {0, 1000000};
    nanosleep(&one_ms, NULL);
}

void check_sleep_until(uint64_t due_ns)
{
    for (uint64_t now; (now = midisock_now_ns()) < due_ns;) {
        const struct timespec left = {(time_t)((due_ns - now) / 1000000000), (long)((due_ns - now) % 1000000000)};
        nanosleep(&left, NULL);
    }
}

void check_fail(const char *file, int line, const char *format, ...)
{
    /* Built whole first: two failing threads must not mix their lines. */
    char why[900];
    char text[1200];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(why, sizeof why, format, arguments);
    va_end(arguments);
    const char *base = strrchr(file, '/');
    int length = snprintf(text, sizeof text, "not ok %s: %s (%s:%d)\n", running, why,
                          base ? base + 1 : file, line);
    if (write(STDOUT_FILENO, text, (size_t)length) < 0)
        _exit(CASE_FAILED);
    _exit(CASE_FAILED);
}

void check_skip(const char *why)
{
    printf("ok %s # skipped: %s\n", running, why);
    fflush(stdout);
    _exit(CASE_SKIPPED);
}

void check_true(int holds, const char *text, const char *file, int line)
{
    if (!holds)
        check_fail(file, line, "%s", text);
}

void check_int(long long expected, long long actual, const char *text, const char *file, int line)
{
    if (expected != actual)
        check_fail(file, line, "%s is %lld, not %lld", text, actual, expected);
}

void check_result(midisock_result expected, midisock_result actual, const char *text,
                  const char *file, int line)
{
    if (expected != actual)
        check_fail(file, line, "%s gave %d (%s), not %d (%s)", text, (int)actual,
                   midisock_strerror(actual), (int)expected, midisock_strerror(expected));
}

void check_text(const char *expected, const char *actual, const char *text, const char *file,
                int line)
{
    if (strcmp(expected, actual) != 0)
        check_fail(file, line, "%s is \"%s\", not \"%s\"", text, actual, expected);
}

static void hex(char *out, size_t capacity, const uint8_t *data, size_t size)
{
    size_t at = 0;
    out[0] = '\0';
    for (size_t i = 0; i < size && at + 8 < capacity; i++) {
        int written = snprintf(out + at, capacity - at, i ? " %02x" : "%02x", data[i]);
        at += (size_t)written;
    }
    if (at + 8 >= capacity)
        snprintf(out + at, capacity - at, "...");
}

void check_memory(const void *expected, size_t expected_size, const void *actual,
                  size_t actual_size, const char *text, const char *file, int line)
{
    if (expected_size == actual_size && memcmp(expected, actual, actual_size) == 0)
        return;
    char is[200];
    char should[200];
    hex(is, sizeof is, actual, actual_size);
    hex(should, sizeof should, expected, expected_size);
    check_fail(file, line, "%s is %s (%zu bytes), not %s (%zu bytes)", text, is, actual_size,
               should, expected_size);
}

/* When the case began: a sanitizer has threads of its own. */
static unsigned threads_at_first;

unsigned check_more_threads(void)
{
    return check_threads() - threads_at_first;
}

int check_sanitized(void)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    return 1;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
    return 1;
#else
    return 0;
#endif
#else
    return 0;
#endif
}

int check_slow(void)
{
    return check_sanitized() || getenv("MIDISOCK_EMULATED") != NULL;
}

unsigned check_case_seconds(void)
{
    const char *seconds = getenv("MIDISOCK_CASE_SECONDS");
    return seconds != NULL ? (unsigned)atoi(seconds) : 50;
}

uint32_t check_random(uint32_t *state)
{
    uint32_t x = *state ? *state : 2463534242u;
    x ^= x << 13;
    x ^= x >> 17;
    x ^= x << 5;
    return *state = x;
}

void check_start(pthread_t *thread, void *(*run)(void *), void *argument)
{
    int error = pthread_create(thread, NULL, run, argument);
    if (error != 0)
        check_fail(__FILE__, __LINE__, "pthread_create: %s", strerror(error));
}

void check_join(pthread_t thread)
{
    int error = pthread_join(thread, NULL);
    if (error != 0)
        check_fail(__FILE__, __LINE__, "pthread_join: %s", strerror(error));
}

/* What one case does in its own process. */
void check_run_case(const check_case *one)
{
    running = one->name;
    if (check_sanitized())
        check_have_had_a_thread();
    unsigned threads = threads_at_first = check_threads();
    unsigned descriptors = check_descriptors();
    one->run();
    /* A joined thread, and a name look-up, may be seen for a moment longer. */
    uint64_t until = check_now_ms() + DEADLINE_MS;
    while (check_threads() != threads || check_descriptors() != descriptors) {
        if (check_now_ms() > until)
            check_fail(one->name, 0, "left %u threads of %u and %u descriptors of %u",
                       check_threads(), threads, check_descriptors(), descriptors);
        check_pause();
    }
    printf("ok %s\n", one->name);
    /* Not _exit: the leak sanitizer looks now. */
    exit(CASE_PASSED);
}

static int is_named(const char *name, int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        if (strcmp(name, argv[i]) == 0)
            return 1;
    return argc < 2;
}

int check_main(int argc, char **argv, const check_case *cases, size_t count)
{
    size_t ran = 0;
    size_t failed = 0;
    check_begin_system();
    /* A system without fork() starts this program again for each case. */
    if (argc == 3 && strcmp(argv[1], CHECK_CASE) == 0)
        for (size_t i = 0; i < count; i++)
            if (strcmp(argv[2], cases[i].name) == 0)
                check_run_case(&cases[i]);
    for (size_t i = 0; i < count; i++) {
        if (!is_named(cases[i].name, argc, argv))
            continue;
        ran++;
        failed += !check_run_process(&cases[i]);
    }
    if (ran == 0)
        printf("not ok: no such case\n");
    fflush(stdout);
    return ran == 0 || failed > 0;
}

midisock_config check_config(void)
{
    midisock_config config;
    midisock_config_init(&config, sizeof config);
    config.release_on_disconnect = 0;
    config.release_on_close = 0;
    return config;
}

midisock_port *check_listen(const midisock_config *config)
{
    midisock_config plain = check_config();
    midisock_port *port = NULL;
    CHECK_OK(midisock_listen(NULL, 0, config ? config : &plain, &port));
    CHECK(port != NULL);
    CHECK_INT(MIDISOCK_STATE_LISTENING, midisock_state(port));
    CHECK(midisock_local_port(port) != 0);
    return port;
}

midisock_port *check_connect(const midisock_port *server, const midisock_config *config)
{
    midisock_config plain = check_config();
    midisock_port *port = NULL;
    CHECK_OK(midisock_connect("127.0.0.1", midisock_local_port(server), config ? config : &plain,
                              &port));
    CHECK(port != NULL);
    CHECK_OK(midisock_wait_connected(port, DEADLINE_MS));
    return port;
}

midisock_stats check_stats(const midisock_port *port)
{
    midisock_stats stats;
    CHECK_OK(midisock_get_stats(port, &stats, sizeof stats));
    return stats;
}

midisock_message check_pop(midisock_port *port, const char *file, int line)
{
    midisock_message message;
    uint64_t until = check_now_ms() + DEADLINE_MS;
    for (;;) {
        midisock_result result = midisock_pop(port, &message);
        if (result == MIDISOCK_OK)
            return message;
        if (result != MIDISOCK_EMPTY)
            check_fail(file, line, "pop gave %d (%s) in place of a message", (int)result,
                       midisock_strerror(result));
        if (check_now_ms() > until)
            check_fail(file, line, "no message came");
        result = midisock_wait(port, MIDISOCK_WAIT_MESSAGE, 100);
        if (result != MIDISOCK_OK && result != MIDISOCK_ERR_TIMEOUT)
            check_fail(file, line, "wait gave %d (%s) in place of a message", (int)result,
                       midisock_strerror(result));
    }
}

midisock_message check_expect(midisock_port *port, const uint8_t *data, size_t size,
                              const char *file, int line)
{
    midisock_message message = check_pop(port, file, line);
    check_memory(data, size, message.data, message.size, "the message", file, line);
    return message;
}

midisock_notification check_notified(midisock_port *port, int32_t kind, const char *file, int line)
{
    midisock_notification notification;
    uint64_t until = check_now_ms() + DEADLINE_MS;
    for (;;) {
        midisock_result result = midisock_poll_notification(port, &notification);
        if (result == MIDISOCK_OK)
            break;
        if (result != MIDISOCK_EMPTY)
            check_fail(file, line, "poll_notification gave %d (%s)", (int)result,
                       midisock_strerror(result));
        if (check_now_ms() > until)
            check_fail(file, line, "no notification came, of kind %d", (int)kind);
        /* A closed port ends the wait at once: then look again by the clock. */
        if (midisock_wait(port, MIDISOCK_WAIT_NOTIFICATION, 100) != MIDISOCK_OK)
            check_pause();
    }
    if (notification.kind != kind)
        check_fail(file, line, "the notification is of kind %d (client %u, reason %d %s), not %d",
                   (int)notification.kind, (unsigned)notification.client,
                   (int)notification.reason, midisock_strerror(notification.reason), (int)kind);
    return notification;
}

void check_push(midisock_port *port, const uint8_t *data, size_t size)
{
    uint64_t until = check_now_ms() + DEADLINE_MS;
    for (;;) {
        midisock_result result = midisock_push(port, data, size);
        if (result == MIDISOCK_OK)
            return;
        CHECK_RESULT(MIDISOCK_ERR_FULL, result);
        result = midisock_wait(port, MIDISOCK_WAIT_ROOM, 100);
        if (result != MIDISOCK_OK)
            CHECK_RESULT(MIDISOCK_ERR_TIMEOUT, result);
        CHECK(check_now_ms() < until);
    }
}

uint32_t check_fill(midisock_port *port, size_t size, uint32_t first, int32_t quiet_ms)
{
    uint8_t data[4096];
    CHECK(size <= sizeof data);
    uint64_t until = check_now_ms() + DEADLINE_MS;
    midisock_result room;
    do {
        CHECK(check_now_ms() < until);
        midisock_result result;
        check_numbered(data, size, first);
        while ((result = midisock_push(port, data, size)) == MIDISOCK_OK)
            check_numbered(data, size, ++first);
        CHECK_RESULT(MIDISOCK_ERR_FULL, result);
        room = midisock_wait(port, MIDISOCK_WAIT_ROOM, quiet_ms);
    } while (room == MIDISOCK_OK);
    CHECK_RESULT(MIDISOCK_ERR_TIMEOUT, room);
    return first;
}

void check_numbered(uint8_t *data, size_t size, uint32_t number)
{
    CHECK(size >= 8);
    data[0] = 0xf0;
    data[1] = 0x7d; /* the manufacturer id for tests */
    for (int i = 0; i < 4; i++)
        data[2 + i] = (uint8_t)(number >> (21 - 7 * i) & 0x7f);
    for (size_t i = 6; i + 1 < size; i++)
        data[i] = (uint8_t)((number * 31u + i * 7u) & 0x7f);
    data[size - 1] = 0xf7;
}

uint32_t check_number(const uint8_t *data, size_t size)
{
    CHECK(size >= 8);
    uint32_t number = 0;
    for (int i = 0; i < 4; i++)
        number = number << 7 | data[2 + i];
    CHECK_INT(0xf0, data[0]);
    CHECK_INT(0x7d, data[1]);
    for (size_t i = 6; i + 1 < size; i++)
        if (data[i] != (uint8_t)((number * 31u + i * 7u) & 0x7f))
            check_fail(__FILE__, __LINE__, "message %u of %zu bytes differs at %zu", number, size,
                       i);
    CHECK_INT(0xf7, data[size - 1]);
    return number;
}
