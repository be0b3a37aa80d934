#define _GNU_SOURCE /* sched_setaffinity */
#include "bench.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#ifdef __linux__
#include <sched.h>
#endif

void fail(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    exit(1);
}

void must(midisock_result result, const char *what)
{
    if (result != MIDISOCK_OK)
        fail("%s: %s", what, midisock_strerror(result));
}

const char *option(int argc, char **argv, const char *name, const char *otherwise)
{
    int i;
    for (i = 1; i + 1 < argc; i++)
        if (strcmp(argv[i], name) == 0)
            return argv[i + 1];
    return otherwise;
}

uint64_t option_number(int argc, char **argv, const char *name, uint64_t otherwise)
{
    const char *value = option(argc, argv, name, NULL);
    return value == NULL ? otherwise : strtoull(value, NULL, 10);
}

uint64_t time_ns(clockid_t clock)
{
    struct timespec now;
    if (clock_gettime(clock, &now) != 0)
        fail("a clock cannot be read");
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

uint64_t clock_ns(void)
{
    return time_ns(CLOCK_MONOTONIC);
}

uint64_t cpu_ns(void)
{
    return time_ns(CLOCK_PROCESS_CPUTIME_ID);
}

void sleep_until(uint64_t at)
{
    struct timespec time = {(time_t)(at / 1000000000u), (long)(at % 1000000000u)};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, NULL) == EINTR)
        continue;
}

void pause_ns(uint64_t ns)
{
    struct timespec left;
    left.tv_sec = (time_t)(ns / 1000000000u);
    left.tv_nsec = (long)(ns % 1000000000u);
    while (nanosleep(&left, &left) != 0 && errno == EINTR)
        ;
}

int schedule_fifo(void)
{
    struct sched_param priority = {0};
    priority.sched_priority = 50;
    return pthread_setschedparam(pthread_self(), SCHED_FIFO, &priority) == 0;
}

void pin(int cpu)
{
#ifdef __linux__
    cpu_set_t set;
    if (cpu < 0)
        return;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    (void)sched_setaffinity(0, sizeof set, &set);
#else
    (void)cpu;
#endif
}

static struct sockaddr_in loopback(uint16_t port)
{
    struct sockaddr_in address;
    memset(&address, 0, sizeof address);
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

static int without_delay(int socket)
{
    int on = 1;
    if (socket < 0)
        fail("socket: %s", strerror(errno));
    setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return socket;
}

int tcp_listen(uint16_t *port)
{
    struct sockaddr_in address = loopback(0);
    socklen_t size = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    if (listener < 0 || bind(listener, (struct sockaddr *)&address, sizeof address) != 0 || listen(listener, 256) != 0 ||
        getsockname(listener, (struct sockaddr *)&address, &size) != 0)
        fail("listen: %s", strerror(errno));
    *port = ntohs(address.sin_port);
    return listener;
}

int tcp_accept(int listener)
{
    return without_delay(accept(listener, NULL, NULL));
}

int tcp_connect(uint16_t port)
{
    struct sockaddr_in address = loopback(port);
    int connected = without_delay(socket(AF_INET, SOCK_STREAM, 0));
    if (connect(connected, (struct sockaddr *)&address, sizeof address) != 0)
        fail("connect: %s", strerror(errno));
    return connected;
}

void send_all(int socket, const uint8_t *data, size_t size)
{
    while (size > 0) {
        ssize_t sent = send(socket, data, size, MSG_NOSIGNAL);
        if (sent < 0)
            fail("send: %s", strerror(errno));
        data += sent;
        size -= (size_t)sent;
    }
}

void receive_all(int socket, uint8_t *data, size_t size)
{
    while (size > 0) {
        ssize_t came = recv(socket, data, size, 0);
        if (came <= 0)
            fail("recv: %s", came == 0 ? "the peer has gone" : strerror(errno));
        data += came;
        size -= (size_t)came;
    }
}

int socket_pair(int sockets[2])
{
    return socketpair(AF_UNIX, SOCK_STREAM, 0, sockets);
}

double own_bytes(void)
{
    char line[256];
    double kib = 0, value;
    FILE *file = fopen("/proc/self/smaps_rollup", "r");
    if (file == NULL)
        fail("no /proc/self/smaps_rollup here");
    while (fgets(line, sizeof line, file) != NULL)
        if (sscanf(line, "Private_Dirty: %lf", &value) == 1 || sscanf(line, "Private_Clean: %lf", &value) == 1)
            kib += value;
    fclose(file);
    return kib * 1024;
}

void configure(midisock_config *config, const char *wake, uint64_t in_queue_bytes)
{
    midisock_config_init(config, sizeof *config);
    config->wake = strcmp(wake, "signal") == 0 ? MIDISOCK_WAKE_SIGNAL : MIDISOCK_WAKE_TICK;
    if (in_queue_bytes != 0)
        config->in_queue_bytes = (uint32_t)in_queue_bytes;
}

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* The smallest value that is not exceeded by the given share of them. */
static uint64_t quantile(const uint64_t *sorted, size_t count, double share)
{
    size_t rank = (size_t)(share * (double)count + 0.999999);
    return sorted[rank == 0 ? 0 : rank - 1];
}

void print_distribution(const char *name, uint64_t *values, size_t count)
{
    if (count == 0)
        fail("%s: nothing was measured", name);
    qsort(values, count, sizeof *values, compare);
    printf("\"%s\": {\"count\": %lu, \"min\": %llu, \"median\": %llu, \"p99\": %llu, \"p999\": %llu, \"max\": %llu}", name,
           (unsigned long)count, (unsigned long long)values[0], (unsigned long long)quantile(values, count, 0.5),
           (unsigned long long)quantile(values, count, 0.99), (unsigned long long)quantile(values, count, 0.999),
           (unsigned long long)values[count - 1]);
}

/* Eight steps from a power of two to the next, so that a step is at most an eighth. */
static unsigned bucket(uint64_t value)
{
    unsigned log = 0;
    while (value >> log >= 16)
        log++;
    return log * 8 + (unsigned)(value >> log);
}

static uint64_t bucket_start(unsigned number)
{
    return number < 16 ? number : (uint64_t)(8 + number % 8) << (number / 8 - 1);
}

void print_histogram(const char *name, const uint64_t *values, size_t count)
{
    static unsigned long counts[64 * 8];
    unsigned i, last = 0;
    size_t k;
    memset(counts, 0, sizeof counts);
    for (k = 0; k < count; k++)
        counts[bucket(values[k])]++;
    for (i = 0; i < sizeof counts / sizeof *counts; i++)
        if (counts[i] != 0)
            last = i;
    printf("\"%s\": [", name);
    for (i = 0, k = 0; i <= last; i++)
        if (counts[i] != 0)
            printf("%s[%llu, %lu]", k++ > 0 ? ", " : "", (unsigned long long)bucket_start(i), counts[i]);
    printf("]");
}
