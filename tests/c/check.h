/*
 * The harness of the C tests. A test program is a table of named cases handed
 * to check_main(); each case runs in a process of its own, so that a crash, a
 * hang or a leak of one fails only that case.
 *
 * Any thread may check. The first check that fails reports and ends the case.
 * A case also fails unless it ends with as many threads and descriptors as it
 * began with: close what you open.
 */
#ifndef MIDISOCK_TESTS_CHECK_H
#define MIDISOCK_TESTS_CHECK_H

#include <midisock/midisock.h>

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

/* The deadline for everything that must happen: far more than it needs, so that
 * a busy machine does not fail a test. */
#define DEADLINE_MS 20000

typedef struct check_case {
    const char *name;
    void (*run)(void);
} check_case;

#define CASE(function) {#function, function}
/* Cases about what only Unix, or Linux, has. Their functions stand in an #if, too. */
#if defined(_WIN32)
#define UNIX_CASE(function)
#else
#define UNIX_CASE(function) CASE(function),
#endif
#if defined(__linux__)
#define LINUX_CASE(function) CASE(function),
#else
#define LINUX_CASE(function)
#endif
#define CASES(table) table, sizeof(table) / sizeof((table)[0])

/* Runs the cases, or those named on the command line. Returns the exit status. */
int check_main(int argc, char **argv, const check_case *cases, size_t count);

/* Ends the case as failed. */
void check_fail(const char *file, int line, const char *format, ...)
#if defined(__MINGW32__) && !defined(__clang__)
    __attribute__((format(gnu_printf, 3, 4), noreturn))
#elif defined(__GNUC__)
    __attribute__((format(printf, 3, 4), noreturn))
#endif
    ;

/* Ends the case as skipped, because this machine lacks something. */
void check_skip(const char *why);

void check_true(int holds, const char *text, const char *file, int line);
void check_int(long long expected, long long actual, const char *text, const char *file, int line);
void check_result(midisock_result expected, midisock_result actual, const char *text,
                  const char *file, int line);
void check_text(const char *expected, const char *actual, const char *text, const char *file,
                int line);
void check_memory(const void *expected, size_t expected_size, const void *actual,
                  size_t actual_size, const char *text, const char *file, int line);

#define CHECK(condition) check_true(!!(condition), #condition, __FILE__, __LINE__)
#define CHECK_INT(expected, actual) \
    check_int((long long)(expected), (long long)(actual), #actual, __FILE__, __LINE__)
#define CHECK_RESULT(expected, actual) check_result(expected, actual, #actual, __FILE__, __LINE__)
#define CHECK_OK(actual) CHECK_RESULT(MIDISOCK_OK, actual)
#define CHECK_INVALID(actual) CHECK_RESULT(MIDISOCK_ERR_INVALID_ARGUMENT, actual)
#define CHECK_ROLE(actual) CHECK_RESULT(MIDISOCK_ERR_WRONG_ROLE, actual)
#define CHECK_TEXT(expected, actual) check_text(expected, actual, #actual, __FILE__, __LINE__)
#define CHECK_MEMORY(expected, expected_size, actual, actual_size) \
    check_memory(expected, expected_size, actual, actual_size, #actual, __FILE__, __LINE__)

/* The condition becomes true within the deadline; it is checked every millisecond. */
#define CHECK_SOON(condition)                                                      \
    do {                                                                           \
        uint64_t soon_until_ = check_now_ms() + DEADLINE_MS;                       \
        while (!(condition)) {                                                     \
            if (check_now_ms() > soon_until_)                                      \
                check_fail(__FILE__, __LINE__, "never came true: %s", #condition); \
            check_pause();                                                         \
        }                                                                          \
    } while (0)

/* For loops with a deadline of their own. */
uint64_t check_now_ms(void);
void check_pause(void);

/* For programs whose audio callbacks come at their times: until this time of midisock_now_ns. */
void check_sleep_until(uint64_t due_ns);

/* This process's present numbers, from /proc/self. */
unsigned check_threads(void);
/* Those that the case has made. One that was joined may be seen for a moment longer. */
unsigned check_more_threads(void);
unsigned check_descriptors(void);
unsigned long check_resident_kb(void);
/* Address space of the process, in KB, used or not. On Linux only. */
unsigned long check_address_space_kb(void);

/* The thread id of the network thread, once it has its name; on Linux only. */
int check_network_thread(void);
/* Nanoseconds that the network thread has run, as the system counts them. */
uint64_t check_network_thread_ns(void);

/* Whether the program runs under AddressSanitizer or ThreadSanitizer, where memory
 * and speed mean nothing. */
int check_sanitized(void);
/* The same, or in an emulator, where a system call may take a hundred times as long. */
int check_slow(void);

/* A pseudo-random sequence, the same in every run. */
uint32_t check_random(uint32_t *state);

/* Start and join a thread; both must succeed. */
void check_start(pthread_t *thread, void *(*run)(void *), void *argument);
void check_join(pthread_t thread);

/* The bytes of a message as two arguments: pointer, size. */
#define BYTES(...)                   \
    (const uint8_t[]){__VA_ARGS__},  \
        sizeof((const uint8_t[]){__VA_ARGS__})

/* The defaults, without the messages that the library adds by itself, so that a
 * test which counts bytes sees only its own. */
midisock_config check_config(void);

/* A server on a free port of the loopback. */
midisock_port *check_listen(const midisock_config *config);
/* A client of that server, connected when this returns. */
midisock_port *check_connect(const midisock_port *server, const midisock_config *config);

midisock_stats check_stats(const midisock_port *port);

/* The counter reaches this value within the deadline. An effect may be visible a
 * moment before its counter changes. */
#define CHECK_COUNT(port, field, expected)                                             \
    do {                                                                               \
        uint64_t count_until_ = check_now_ms() + DEADLINE_MS;                          \
        while (check_stats(port).field != (uint64_t)(expected) &&                      \
               check_now_ms() < count_until_)                                          \
            check_pause();                                                             \
        check_int((long long)(expected), (long long)check_stats(port).field, #field,   \
                  __FILE__, __LINE__);                                                 \
    } while (0)

/* Waits for the next message. */
midisock_message check_pop(midisock_port *port, const char *file, int line);
#define POP(port) check_pop(port, __FILE__, __LINE__)

/* The next message is this one, byte for byte. Returns it for its other fields. */
midisock_message check_expect(midisock_port *port, const uint8_t *data, size_t size,
                              const char *file, int line);
#define EXPECT(port, ...) check_expect(port, BYTES(__VA_ARGS__), __FILE__, __LINE__)

/* Waits for the next notification, which is of this kind. */
midisock_notification check_notified(midisock_port *port, int32_t kind, const char *file, int line);
#define NOTIFIED(port, kind) check_notified(port, kind, __FILE__, __LINE__)

/* Pushes, and waits for room as often as necessary. */
void check_push(midisock_port *port, const uint8_t *data, size_t size);

/* Pushes numbered messages of `size` bytes (4096 at most), from `first` on, until
 * the queue stays full for `quiet_ms`. Returns the next number. There may be room
 * again later: the network thread may have been held up, and systems take a little
 * more now and then, although nobody reads. */
uint32_t check_fill(midisock_port *port, size_t size, uint32_t first, int32_t quiet_ms);

/* A SysEx of `size` bytes (8 at least) with a number below 2^28 and a filling that
 * depends on it. SysEx is an event: no repair restores a lost one, so the number
 * of those that arrive is exact. */
void check_numbered(uint8_t *data, size_t size, uint32_t number);
/* Returns the number of such a SysEx. Fails if any byte is wrong. */
uint32_t check_number(const uint8_t *data, size_t size);

#endif
