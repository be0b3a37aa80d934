/* POSIX. Another system needs another of these files and no other change. */
#define _POSIX_C_SOURCE 200809L
#define _DARWIN_C_SOURCE /* macOS hides TIOCGWINSZ from a strict POSIX program */

#include "platform.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t stop_signal;

static void on_stop(int number)
{
    stop_signal = number;
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
        /* No SA_RESTART: reading from a terminal shall end, too. */
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

int platform_terminal_columns(FILE *stream)
{
    struct winsize size;
    int descriptor = fileno(stream);
    if (descriptor < 0 || !isatty(descriptor))
        return 0;
    if (ioctl(descriptor, TIOCGWINSZ, &size) != 0 || size.ws_col == 0)
        return 80;
    return size.ws_col;
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
