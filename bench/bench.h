/* Helpers of the benchmark programs: options, sockets, a clock, numbers in JSON. */
#ifndef BENCH_H
#define BENCH_H

#include <midisock/midisock.h>

#include <stddef.h>
#include <stdint.h>
#include <time.h>

/* Ends the program with a message. */
void fail(const char *format, ...);
/* Ends the program unless the result is MIDISOCK_OK. */
void must(midisock_result result, const char *what);

/* The value of "--name VALUE", or the default. */
const char *option(int argc, char **argv, const char *name, const char *otherwise);
uint64_t option_number(int argc, char **argv, const char *name, uint64_t otherwise);

/* What a clock shows, in ns. */
uint64_t time_ns(clockid_t clock);
uint64_t clock_ns(void);
/* Processor time of the whole process so far, in ns. */
uint64_t cpu_ns(void);
/* Bytes of memory in use that is this process's own. Linux only. */
double own_bytes(void);
void pause_ns(uint64_t ns);
/* Until this time of clock_ns(). */
void sleep_until(uint64_t at);
/* Keeps the calling thread, and those it starts from now on, on one processor; below 0: on any. Nothing happens
 * where the system cannot do that. */
void pin(int cpu);
/* Has the calling thread run at SCHED_FIFO, as an audio thread does; whether the system lets it. */
int schedule_fifo(void);

/* Sockets on 127.0.0.1 with TCP_NODELAY. */
int tcp_listen(uint16_t *port);
int tcp_accept(int listener);
int tcp_connect(uint16_t port);
void send_all(int socket, const uint8_t *data, size_t size);
void receive_all(int socket, uint8_t *data, size_t size);

/* Two sockets that are connected with each other, between processes. */
int socket_pair(int sockets[2]);

/* A configuration with the given queues (0: the default) and MIDISOCK_WAKE_TICK or _SIGNAL by name. */
void configure(midisock_config *config, const char *wake, uint64_t in_queue_bytes);

/* Prints "name": {"count": ..., "min": ..., "median": ..., "p99": ..., "p999": ..., "max": ...}; sorts the values. */
void print_distribution(const char *name, uint64_t *values, size_t count);

/* Prints "name": [[value, how many], ...]: how many values lie from that one to the next told, in steps of an eighth at
 * most; without those that are 0. */
void print_histogram(const char *name, const uint64_t *values, size_t count);

#endif
