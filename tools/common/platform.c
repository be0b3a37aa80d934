/* POSIX. Another system needs another of these files and no other change. */
#define _POSIX_C_SOURCE 200809L
#define _DARWIN_C_SOURCE /* macOS hides TIOCGWINSZ from a strict POSIX program */

#include "platform.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

/* How long standard error may hold the program up. */
#define ERROR_PATIENCE_MS 1000

static volatile sig_atomic_t stop_signal;
static volatile sig_atomic_t in_call; /* platform_begin_call */
static volatile sig_atomic_t call_stop_status, call_timeout_status;

void platform_begin(int argc, char **argv)
{
    int descriptor;
    (void)argc;
    (void)argv;
    signal(SIGPIPE, SIG_IGN);
    for (descriptor = 0; descriptor <= 2; descriptor++) {
        /* open() takes the lowest free number. Reading from a standard input that
         * was closed remains an error: this one is open for writing only. */
        if (fcntl(descriptor, F_GETFD) < 0 && errno == EBADF &&
            open("/dev/null", descriptor == 0 ? O_WRONLY : O_RDWR) != descriptor)
            _exit(1);
    }
}

FILE *platform_open(const char *path, const char *mode)
{
    return fopen(path, mode);
}

static void on_stop(int number)
{
    stop_signal = number;
    if (in_call)
        _exit(call_stop_status >= 0 ? call_stop_status : 128 + number);
}

static void on_timeout(int number)
{
    (void)number;
    if (in_call)
        _exit(call_timeout_status);
}

static void start_timer(int32_t milliseconds)
{
    struct itimerval timer;
    memset(&timer, 0, sizeof timer);
    timer.it_value.tv_sec = milliseconds / 1000;
    timer.it_value.tv_usec = milliseconds % 1000 * 1000;
    setitimer(ITIMER_REAL, &timer, NULL);
}

void platform_begin_call(int stop_status, int32_t timeout_ms, int timeout_status)
{
    call_stop_status = stop_status;
    call_timeout_status = timeout_status;
    in_call = 1;
    if (timeout_ms > 0) {
        signal(SIGALRM, on_timeout);
        start_timer(timeout_ms);
    }
    if (stop_signal) /* it came just before */
        on_stop(stop_signal);
}

void platform_end_call(void)
{
    in_call = 0;
    start_timer(0);
    signal(SIGALRM, SIG_DFL);
}

void platform_catch_stop(void)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
    struct sigaction action, old;
    size_t i;
    for (i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        /* A hang-up that the parent had ignored stays ignored: nohup works. */
        if (numbers[i] == SIGHUP && sigaction(SIGHUP, NULL, &old) == 0 && old.sa_handler == SIG_IGN)
            continue;
        memset(&action, 0, sizeof action);
        sigemptyset(&action.sa_mask);
        action.sa_handler = on_stop;
        /* No SA_RESTART: reading from a terminal has to end, too. */
        action.sa_flags = (int)SA_RESETHAND;
        sigaction(numbers[i], &action, NULL);
    }
}

int platform_stopped(void)
{
    return stop_signal;
}

int platform_sleep_ms(uint32_t milliseconds)
{
    while (milliseconds > 0 && !stop_signal) {
        /* A signal may fall between the check and the sleep, where it does not
         * cut the sleep short, so no single sleep is long. */
        uint32_t piece = milliseconds < 100 ? milliseconds : 100;
        struct timespec left;
        left.tv_sec = 0;
        left.tv_nsec = (long)piece * 1000000;
        while (nanosleep(&left, &left) != 0 && errno == EINTR && !stop_signal)
            ;
        milliseconds -= piece;
    }
    return stop_signal;
}

void platform_nap(void)
{
    const struct timespec millisecond = {0, 1000000};
    nanosleep(&millisecond, NULL);
}

/* Waits until the descriptor is ready; 0 within `wait_ms` (-1: for ever). */
static int wait_ready(int descriptor, short events, int32_t wait_ms)
{
    struct pollfd one;
    one.fd = descriptor;
    one.events = events;
    while (wait_ms != 0 && !stop_signal) {
        /* A signal may fall between the check and the poll, as in platform_sleep_ms. */
        int piece = wait_ms < 0 || wait_ms > 100 ? 100 : wait_ms;
        if (poll(&one, 1, piece) > 0)
            return 1;
        if (wait_ms > 0)
            wait_ms -= piece;
    }
    return 0;
}

static int would_block(int error)
{
    return error == EAGAIN || error == EWOULDBLOCK;
}

int platform_write(enum platform_stream stream, const char *data, size_t size)
{
    int32_t patience = stream == PLATFORM_ERROR ? ERROR_PATIENCE_MS : -1;
    while (size > 0) {
        ssize_t wrote = write((int)stream, data, size);
        if (wrote >= 0) {
            data += wrote;
            size -= (size_t)wrote;
        } else if (would_block(errno)) {
            if (!wait_ready((int)stream, POLLOUT, patience))
                return stop_signal ? EINTR : EAGAIN;
        } else if (errno != EINTR) {
            return errno;
        } else if (stop_signal && stream != PLATFORM_ERROR) {
            return EINTR;
        }
    }
    return 0;
}

int platform_read(char *buffer, size_t capacity, int32_t wait_ms, size_t *size, int *error)
{
    ssize_t got;
    *size = 0;
    if (!wait_ready(PLATFORM_INPUT, POLLIN, wait_ms))
        return 1;
    got = read(PLATFORM_INPUT, buffer, capacity);
    if (got > 0)
        *size = (size_t)got;
    *error = errno;
    if (got < 0 && (would_block(errno) || errno == EINTR))
        return 1;
    return got > 0 ? 1 : (int)got;
}

int platform_terminal_columns(enum platform_stream stream)
{
    struct winsize size;
    int descriptor = (int)stream;
    if (!isatty(descriptor))
        return 0;
    if (ioctl(descriptor, TIOCGWINSZ, &size) != 0 || size.ws_col == 0)
        return 80;
    return size.ws_col;
}

int platform_errno(int os_error)
{
    return os_error == ESHUTDOWN ? EPIPE : os_error;
}

void platform_time_of_day(uint64_t ago_ns, char *text, size_t capacity)
{
    struct timespec now;
    struct tm parts;
    uint64_t then;
    time_t seconds;
    char clock_text[16];
    if (clock_gettime(CLOCK_REALTIME, &now) != 0)
        memset(&now, 0, sizeof now);
    then = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
    then -= ago_ns < then ? ago_ns : then;
    seconds = (time_t)(then / 1000000000u);
    if (localtime_r(&seconds, &parts) == NULL || strftime(clock_text, sizeof clock_text, "%H:%M:%S", &parts) == 0)
        strcpy(clock_text, "--:--:--");
    snprintf(text, capacity, "%s.%06lu", clock_text, (unsigned long)(then % 1000000000u / 1000));
}
