/* midisock: MIDI between programs over TCP, safe on the audio thread.
 * SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * Every function says which threads may call it:
 *   realtime  safe in an audio callback: no system call, no lock, no allocation, no unbounded loop,
 *             no wait for another thread, no page fault after the port is made.
 *   control   may block, lock or allocate: never call it in an audio callback.
 *
 * Per port, at any moment, at most one thread pushes and at most one pops; they may differ. Every
 * other function may be called from any thread, except that midisock_close comes last: no other call
 * on that port may be running or follow.
 *
 * A NULL port gives MIDISOCK_ERR_INVALID_ARGUMENT (or 0, or nothing happens). A defect of the library is contained and
 * comes back as MIDISOCK_ERR_INTERNAL. Out parameters are written only where a function says OK.
 */


#ifndef MIDISOCK_MIDISOCK_H
#define MIDISOCK_MIDISOCK_H

/* Generated from src/ffi by cbindgen: change it there, then run scripts/header. */

#include <stddef.h>
#include <stdint.h>
/* Marks the realtime functions for clang's function effect analysis (clang 20 and later), and every
 * function as noexcept for C++. Vanishes elsewhere. */
#if defined(__cplusplus)
#  define MIDISOCK_NOEXCEPT noexcept
#else
#  define MIDISOCK_NOEXCEPT
#endif
#if defined(__clang__) && defined(__has_attribute)
#  if __has_attribute(nonblocking)
#    define MIDISOCK_REALTIME MIDISOCK_NOEXCEPT __attribute__((nonblocking))
#  endif
#endif
#ifndef MIDISOCK_REALTIME
#  define MIDISOCK_REALTIME MIDISOCK_NOEXCEPT
#endif

/* Where the library's symbols come from. Define MIDISOCK_STATIC when linking the static library on Windows. */
#if defined(_WIN32) && !defined(MIDISOCK_STATIC)
#  define MIDISOCK_API __declspec(dllimport)
#else
#  define MIDISOCK_API
#endif


/**
 * The version of this header: raised with an incompatible change.
 */
#define MIDISOCK_VERSION_MAJOR 0

/**
 * The version of this header: raised with additions (and, while the major version is 0, with incompatible changes).
 */
#define MIDISOCK_VERSION_MINOR 1

/**
 * The version of this header: raised with corrections.
 */
#define MIDISOCK_VERSION_PATCH 0

/**
 * accept_mode: every client's messages come out of the server's own port.
 */
#define MIDISOCK_ACCEPT_MERGED 0

/**
 * accept_mode: each client is a port of its own, taken with midisock_accept.
 */
#define MIDISOCK_ACCEPT_MANUAL 1

/**
 * overflow: REPAIR for merged servers, WAIT for all other ports.
 */
#define MIDISOCK_OVERFLOW_AUTO 0

/**
 * overflow: nothing is ever dropped; back pressure in both directions.
 */
#define MIDISOCK_OVERFLOW_WAIT 1

/**
 * overflow: late is worse than lost: whole messages are dropped and counted, then channel state is put right.
 */
#define MIDISOCK_OVERFLOW_REPAIR 2

/**
 * wake: push makes no system call; the network thread looks just after the audio callback, or every tick_us.
 */
#define MIDISOCK_WAKE_TICK 0

/**
 * wake: push makes at most one non-blocking system call, and only when the network thread sleeps.
 */
#define MIDISOCK_WAKE_SIGNAL 1

/**
 * latency_ns, push_latency_ns: automatic, the longest block seen. It is the same for as long as the block size is.
 */
#define MIDISOCK_LATENCY_AUTO UINT64_MAX

/**
 * flags on pop: made by the library, not sent by the peer.
 */
#define MIDISOCK_SYNTHETIC 1

/**
 * flags on pop, with SYNTHETIC: another client of this merged server still holds this note or pedal. Who ignores
 * `client` should ignore the message.
 */
#define MIDISOCK_STILL_HELD 2

/**
 * flags: rendering is not in real time: all messages at frame 0, clocks frozen.
 */
#define MIDISOCK_BLOCK_OFFLINE 1

/**
 * flags: transport or graph was stopped before this block.
 */
#define MIDISOCK_BLOCK_DISCONTINUITY 2

/**
 * A server whose address is in use and which keeps trying (midisock_config.listen_retry_ms).
 */
#define MIDISOCK_STATE_BINDING 1

/**
 * A server that takes clients.
 */
#define MIDISOCK_STATE_LISTENING 2

/**
 * A client without a connection, which it tries to make.
 */
#define MIDISOCK_STATE_CONNECTING 3

/**
 * A client, accepted or pair port with its peer.
 */
#define MIDISOCK_STATE_CONNECTED 4

/**
 * Shut down, or the peer has gone and the port will not connect again.
 */
#define MIDISOCK_STATE_CLOSED 5

/**
 * what: midisock_pop has something.
 */
#define MIDISOCK_WAIT_MESSAGE 1

/**
 * what: half the out queue is free (after MIDISOCK_ERR_FULL).
 */
#define MIDISOCK_WAIT_ROOM 2

/**
 * what: midisock_poll_notification has something.
 */
#define MIDISOCK_WAIT_NOTIFICATION 4

/**
 * what: midisock_accept has a client.
 */
#define MIDISOCK_WAIT_CLIENT 8

/**
 * kind: the port's own link was made.
 */
#define MIDISOCK_CONNECTED 1

/**
 * kind: an attempt to connect (or to bind, where listen_retry_ms is set) failed; once per change of reason while
 * attempts go on.
 */
#define MIDISOCK_CONNECT_FAILED 2

/**
 * kind: the port's own link ended; reason MIDISOCK_OK for an orderly end.
 */
#define MIDISOCK_DISCONNECTED 3

/**
 * kind: a client of this server joined.
 */
#define MIDISOCK_CLIENT_JOINED 4

/**
 * kind: a client of this server left; reason MIDISOCK_OK for an orderly end.
 */
#define MIDISOCK_CLIENT_LEFT 5

/**
 * kind: a peer is congested, or the in queue is full when `client` is 0 on a server: messages are dropped.
 */
#define MIDISOCK_CONGESTED 6

/**
 * kind: the end of MIDISOCK_CONGESTED.
 */
#define MIDISOCK_RECOVERED 7

/**
 * The system refuses the realtime priority that this port's config asks for: reason and os_error say why. The port
 * works all the same.
 */
#define MIDISOCK_PRIORITY_REFUSED 8

/**
 * A port: see the overview in the README. Opaque; it belongs to the caller until midisock_close.
 */
typedef struct midisock_port midisock_port;

/**
 * The outcome of a call: 0 is success, above 0 no error but nothing done, below 0 an error.
 */
typedef int32_t midisock_result;

/**
 * How a port behaves. Fill it with midisock_config_init, then change what you need. NULL in place of
 * a config means the defaults. Nothing of it, its strings included, is read after the call it was given to.
 *
 * A caller built against an older header has a smaller struct and gets the defaults for the fields it
 * does not know; a larger struct is taken if what is beyond is zero.
 */
typedef struct midisock_config {
  /**
   * sizeof(midisock_config) of the caller; set by midisock_config_init.
   */
  uint32_t struct_size;
  /**
   * Bytes of the queue of received messages: 65536. Rounded up to a power of two, at least 4096, at
   * most 2^30. A message takes 16 bytes more than its own, rounded up to 8.
   */
  uint32_t in_queue_bytes;
  /**
   * Bytes of the queue of pushed messages: 65536. As in_queue_bytes.
   */
  uint32_t out_queue_bytes;
  /**
   * The longest SysEx taken or sent, F0 and F7 included: 16384. Clamped to a quarter of the smaller queue.
   */
  uint32_t max_message_bytes;
  /**
   * MIDISOCK_ACCEPT_MERGED (default) or MIDISOCK_ACCEPT_MANUAL.
   */
  uint32_t accept_mode;
  /**
   * Connected clients of a server at most: 64 (65536 at most). Further connections are closed at once and counted. A
   * client of a manual server that has left before midisock_accept has handed it over still counts.
   */
  uint32_t max_clients;
  /**
   * Comma-separated addresses and CIDR ranges that may connect, such as "192.168.1.0/24, ::1". NULL: any that
   * reaches the bound address. An IPv4 range also holds IPv4-mapped IPv6 addresses.
   */
  const char *allow;
  /**
   * MIDISOCK_OVERFLOW_AUTO (default), _WAIT or _REPAIR.
   */
  uint32_t overflow;
  /**
   * REPAIR: a peer is congested when its oldest unsent byte is older than this, in ms: 500.
   */
  uint32_t max_delay_ms;
  /**
   * REPAIR: a peer is also congested when more than this waits for it, in bytes: 65536.
   */
  uint32_t client_buffer_bytes;
  /**
   * For one attempt to connect, in ms: 5000. The look-up of the name and all of its addresses share it.
   */
  uint32_t connect_timeout_ms;
  /**
   * The first pause before connecting again, in ms: 100. It doubles, with jitter, up to reconnect_max_ms.
   */
  uint32_t reconnect_min_ms;
  /**
   * The longest pause before connecting again, in ms: 5000. 0: never connect again.
   */
  uint32_t reconnect_max_ms;
  /**
   * listen, where the address is in use: keep trying for this long, in ms; 0 (default): an error at
   * once; UINT32_MAX: for ever.
   */
  uint32_t listen_retry_ms;
  /**
   * A peer that no longer answers at all is noticed within about this time, in ms, whether data waits
   * or not: 10000. 0: off. The system counts in whole seconds.
   */
  uint32_t keepalive_ms;
  /**
   * A living peer that reads nothing for so long while data waits for it is dropped, in ms: 0, never.
   */
  uint32_t stall_timeout_ms;
  /**
   * How long what was pushed may still be written after midisock_close, in ms: 1000. 0: it is offered to the system
   * once. A peer that has closed its sending side is kept no longer than that either.
   */
  uint32_t linger_ms;
  /**
   * When a peer goes away, release what it holds, and when the port connects again, what the old link
   * left sounding, or may have, where its peer may not have read all: 1. 0: do not.
   */
  uint32_t release_on_disconnect;
  /**
   * When the port is closed, release what it left sounding at its peers: 1. 0: do not.
   */
  uint32_t release_on_close;
  /**
   * A merged server tells each new client where controllers, programs and bends stand: 0, no.
   */
  uint32_t greet;
  /**
   * MIDISOCK_WAKE_TICK (default) or MIDISOCK_WAKE_SIGNAL.
   */
  uint32_t wake;
  /**
   * WAKE_TICK: how often the network thread looks where pushes come without a rhythm, in microseconds: 500 (50 to
   * 1000000). Where an audio callback pushes it looks just after that instead, at most one and a half times a block, or
   * with a tick below 500 as often as that while the callback pushes; after a second without a push, every 8 ticks.
   * A wait on a pair looks as often.
   */
  uint32_t tick_us;
  /**
   * How long the network thread goes on looking for more before it sleeps, after something came or went, and
   * how long a wait on this port looks before it sleeps, in microseconds: 0, not at all (1000000 at most). It
   * buys latency with a core: each of them keeps one busy for so long. The longest of the ports' counts for the
   * network thread. While messages of ports with MIDISOCK_WAKE_SIGNAL are answers to one another, it and all waits
   * look for 50 us all the same.
   */
  uint32_t busy_poll_us;
  /**
   * What midisock_pop_block adds to arrival times, in ns: MIDISOCK_LATENCY_AUTO. 0: as soon as possible.
   */
  uint64_t latency_ns;
  /**
   * What midisock_push_frame adds to the time of a frame, in ns: 0. A message can only keep its spacing if its time
   * has not passed when it is pushed: MIDISOCK_LATENCY_AUTO, one block, is enough for that.
   */
  uint64_t push_latency_ns;
  /**
   * The realtime priority that the library's network thread asks the system for: 0, none. 1 to 99 where the system
   * has SCHED_FIFO (Linux, macOS; what is beyond its range is brought into it), anything for time-critical on
   * Windows. The thread serves all ports of the process: the highest counts. A refusal never fails the port:
   * MIDISOCK_PRIORITY_REFUSED tells of it, and midisock_stats.network_priority what there is. One below that of the
   * audio thread is good; who learns that later calls midisock_set_realtime_priority.
   */
  uint32_t realtime_priority;
  /**
   * Zero.
   */
  uint32_t reserved;
} midisock_config;

/**
 * One message, as it is pushed or popped. Frozen: it will not grow.
 */
typedef struct midisock_message {
  /**
   * pop: when it arrived. push: when to send it, at most 10 s ahead; 0 or the past: now. See midisock_now_ns.
   */
  uint64_t time_ns;
  /**
   * One whole MIDI 1.0 message, status byte first. On pop it points into the port's queue, is contiguous whatever
   * the size, and stays valid until the next pop, pop_block or skip on that port, or its close.
   */
  const uint8_t *data;
  /**
   * Bytes of data.
   */
  uint32_t size;
  /**
   * pop: the id of the client it came from, 0 on all but merged servers. push: 0 for all, or one client's id.
   */
  uint32_t client;
  /**
   * Set by midisock_pop_block: the offset into the block, in frames. Otherwise 0.
   */
  uint32_t frame;
  /**
   * pop: MIDISOCK_SYNTHETIC, MIDISOCK_STILL_HELD. Ignored on push.
   */
  uint32_t flags;
  /**
   * Zero.
   */
  uint32_t reserved[2];
} midisock_message;

/**
 * One call of an audio callback.
 */
typedef struct midisock_block {
  /**
   * sizeof(midisock_block) of the caller. What it has beyond this version's fields must be zero.
   */
  uint32_t struct_size;
  /**
   * MIDISOCK_BLOCK_OFFLINE, MIDISOCK_BLOCK_DISCONTINUITY, or 0.
   */
  uint32_t flags;
  /**
   * midisock_now_ns() read at the start of the callback; 0: the library reads it.
   */
  uint64_t start_ns;
  /**
   * Frames a second: 1 Hz to 10 MHz.
   */
  double sample_rate;
  /**
   * Frames of the block; 0 is allowed, 2^24 the most.
   */
  uint32_t frames;
  /**
   * Zero.
   */
  uint32_t reserved;
} midisock_block;

/**
 * Counters since the port was made; each is consistent by itself.
 */
typedef struct midisock_stats {
  /**
   * Whole messages received, those dropped included.
   */
  uint64_t messages_in;
  /**
   * Messages written to peers: one for two clients counts twice.
   */
  uint64_t messages_out;
  /**
   * Bytes received.
   */
  uint64_t bytes_in;
  /**
   * Bytes written.
   */
  uint64_t bytes_out;
  /**
   * REPAIR: received messages for which the in queue had no room.
   */
  uint64_t dropped_in;
  /**
   * Messages not sent: refused by push on a repairing port, pushed without a peer, cancelled, or lost because a peer
   * was congested or gone.
   */
  uint64_t dropped_out;
  /**
   * Dropped messages that channel state cannot bring back: SysEx, realtime, note ons.
   */
  uint64_t unrepaired;
  /**
   * Bytes from peers that belong to no message; one or two data bytes at the beginning of a connection too.
   */
  uint64_t invalid_bytes;
  /**
   * Received SysEx longer than max_message_bytes.
   */
  uint64_t oversize_in;
  /**
   * Messages made by the library: releases and repairs.
   */
  uint64_t synthesized;
  /**
   * Connections made or taken.
   */
  uint64_t connections;
  /**
   * Connections that ended.
   */
  uint64_t disconnections;
  /**
   * Connections turned away by allow, by max_clients, or because they began with three or more data bytes, as HTTP,
   * TLS, STUN and SSH do. In no other count.
   */
  uint64_t rejected;
  /**
   * What midisock_pop_block adds to arrival times now, in ns.
   */
  uint64_t latency_ns;
  /**
   * How often the library's network thread has woken. It serves all ports of the process. 0 on a pair, as what follows.
   */
  uint64_t network_wakes;
  /**
   * How much later than it had meant to the network thread wakes, in ns: a mean over the last 64 times or so.
   */
  uint64_t network_late_ns;
  /**
   * The same, at most.
   */
  uint64_t network_late_max_ns;
  /**
   * The realtime priority with which the network thread runs; 0: an ordinary thread. See midisock_config.
   */
  uint64_t network_priority;
} midisock_stats;

/**
 * Something that happened to a port's connections. Frozen: it will not grow.
 */
typedef struct midisock_notification {
  /**
   * When, in the time of midisock_now_ns.
   */
  uint64_t time_ns;
  /**
   * MIDISOCK_CONNECTED, _CONNECT_FAILED, _DISCONNECTED, _CLIENT_JOINED, _CLIENT_LEFT, _CONGESTED, _RECOVERED,
   * _PRIORITY_REFUSED. Let pass what you do not know.
   */
  int32_t kind;
  /**
   * Why; MIDISOCK_OK where there is no error.
   */
  midisock_result reason;
  /**
   * The client it is about; 0 for the port itself.
   */
  uint32_t client;
  /**
   * The system's error number behind the reason, or 0.
   */
  int32_t os_error;
  /**
   * The peer's address, "192.168.1.7:5000" or "[::1]:5000", as midisock_parse_address takes it; empty where there is none.
   */
  char address[64];
  /**
   * Zero.
   */
  uint32_t reserved[2];
} midisock_notification;

/**
 * Success.
 */
#define MIDISOCK_OK 0

/**
 * Nothing to take now.
 */
#define MIDISOCK_EMPTY 1

/**
 * No peer now: the message was not queued; a repairing port remembers its channel state.
 */
#define MIDISOCK_OFFLINE 2

/**
 * NULL or unaligned where not allowed, a bad size, a value out of range or not finite.
 */
#define MIDISOCK_ERR_INVALID_ARGUMENT -1

/**
 * The bytes are not exactly one whole MIDI 1.0 message with its status byte.
 */
#define MIDISOCK_ERR_INVALID_MESSAGE -2

/**
 * The message is longer than the port's max_message_bytes.
 */
#define MIDISOCK_ERR_TOO_LARGE -3

/**
 * No room in the queue: nothing of the message was queued (see midisock_config.overflow).
 */
#define MIDISOCK_ERR_FULL -4

/**
 * The port was shut down, or its peer has gone and it will not reconnect.
 */
#define MIDISOCK_ERR_CLOSED -5

/**
 * The time given has passed.
 */
#define MIDISOCK_ERR_TIMEOUT -6

/**
 * Two threads use the same side of a port at once (noticed by debug builds of the library only).
 */
#define MIDISOCK_ERR_BUSY -7

/**
 * A server's call on a client's port, or the other way round.
 */
#define MIDISOCK_ERR_WRONG_ROLE -8

/**
 * No client of this server has that id (any more).
 */
#define MIDISOCK_ERR_NO_SUCH_CLIENT -9

/**
 * The host or port cannot be parsed, or does not resolve.
 */
#define MIDISOCK_ERR_ADDRESS -10

/**
 * Another socket listens on this address.
 */
#define MIDISOCK_ERR_ADDRESS_IN_USE -11

/**
 * The system or a sandbox forbids it.
 */
#define MIDISOCK_ERR_PERMISSION -12

/**
 * Nothing listens at the peer's address.
 */
#define MIDISOCK_ERR_REFUSED -13

/**
 * There is no way to the peer's address, or the local address does not exist.
 */
#define MIDISOCK_ERR_UNREACHABLE -14

/**
 * Any other system error; a notification's os_error tells its number.
 */
#define MIDISOCK_ERR_IO -15

/**
 * Memory, descriptors or threads ran out.
 */
#define MIDISOCK_ERR_NO_RESOURCES -16

/**
 * A defect of the library, contained.
 */
#define MIDISOCK_ERR_INTERNAL -17

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * The version of the library that is running: major << 16 | minor << 8 | patch.
 *
 * Any thread, realtime.
 *
 */
MIDISOCK_API uint32_t midisock_version(void) MIDISOCK_REALTIME;

/**
 * The same as text, "major.minor.patch". Static, never NULL.
 *
 * Any thread, realtime.
 *
 */
MIDISOCK_API const char *midisock_version_string(void) MIDISOCK_REALTIME;

/**
 * The clock of every time in this API, in nanoseconds: CLOCK_MONOTONIC on Linux,
 * mach_absolute_time on macOS, QueryPerformanceCounter on Windows. Never 0.
 *
 * Any thread, realtime (on Linux the vDSO answers without a system call, except where the
 * machine's clock source is not readable from user space).
 *
 */
MIDISOCK_API uint64_t midisock_now_ns(void) MIDISOCK_REALTIME;

/**
 * The text for a result, in English and lower case, without a full stop.
 *
 * Any thread, realtime. Never NULL; the text is static and is never freed. A number that is no
 * result gives a text that says so.
 *
 */
MIDISOCK_API const char *midisock_strerror(midisock_result result) MIDISOCK_REALTIME;

/**
 * Fills a config with the defaults. `size` is sizeof(midisock_config) of the caller; nothing beyond it is written.
 * A NULL or unaligned config, or a size below 4 or above 4096, writes nothing.
 *
 * Any thread, control: it makes no system call, but is no part of the realtime proof.
 *
 * # Safety
 * `config` is NULL or points to `size` writable bytes.
 */
MIDISOCK_API
void midisock_config_init(struct midisock_config *config,
                          size_t size)
MIDISOCK_NOEXCEPT;

/**
 * Makes a server: binds and listens before it returns (but see midisock_config.listen_retry_ms).
 *
 * `host`: NULL is loopback (127.0.0.1, and ::1 where there is one), "" every interface, otherwise a name or an
 * address, "::1" or "[::1]"; a name binds every address it resolves to. `port`: 0 takes a free one, which
 * midisock_local_port tells. `config`: NULL for the defaults. The port in `out` is the caller's, to be ended with
 * midisock_close.
 *
 * Control. Errors: INVALID_ARGUMENT, ADDRESS, ADDRESS_IN_USE, PERMISSION, UNREACHABLE (no such local address), IO,
 * NO_RESOURCES, INTERNAL.
 *
 * # Safety
 * `host` is NULL or NUL-terminated, `config` NULL or as midisock_config describes, `out` writable.
 */
MIDISOCK_API
midisock_result midisock_listen(const char *host,
                                uint16_t port,
                                const struct midisock_config *config,
                                struct midisock_port **out)
MIDISOCK_NOEXCEPT;

/**
 * Makes a client: returns at once, never waiting for the network or for a name to resolve; the connection is made,
 * and made again when it is lost, in the background. midisock_wait_connected waits for it.
 *
 * `host`: a name or an address ("fe80::1%eth0" where it is link-local). A name's addresses are tried side by side, a
 * quarter of a second apart (RFC 8305), and the first that answers is taken. `port`: not 0. `config`: NULL for the
 * defaults. The port in `out` is the caller's, to be ended with midisock_close.
 *
 * Control. Errors: INVALID_ARGUMENT, ADDRESS (cannot be parsed; a name that does not resolve is told by
 * midisock_wait_connected and notifications), NO_RESOURCES, INTERNAL.
 *
 * # Safety
 * `host` is NUL-terminated, `config` NULL or as midisock_config describes, `out` writable.
 */
MIDISOCK_API
midisock_result midisock_connect(const char *host,
                                 uint16_t port,
                                 const struct midisock_config *config,
                                 struct midisock_port **out)
MIDISOCK_NOEXCEPT;

/**
 * Takes the next client of a server in MIDISOCK_ACCEPT_MANUAL as a port of its own. One that has left meanwhile is
 * still handed over, with what it sent. The port in `out` is the caller's; it stays open when the server is closed.
 *
 * `timeout_ms`: 0 does not wait, -1 waits for ever.
 *
 * Control. MIDISOCK_EMPTY with timeout 0; errors: INVALID_ARGUMENT, WRONG_ROLE, TIMEOUT, CLOSED, INTERNAL.
 *
 * # Safety
 * `server` is a live port, `out` writable.
 */
MIDISOCK_API
midisock_result midisock_accept(struct midisock_port *server,
                                int32_t timeout_ms,
                                struct midisock_port **out)
MIDISOCK_NOEXCEPT;

/**
 * Makes two ports joined in memory, without a socket and without the network thread: what is pushed into one can be
 * popped from the other at once, with the time_ns it was pushed with (0 is stamped now; a time ahead is given at
 * once, not held back). For deterministic tests of plugins, and for routing inside a process. A wait on a pair looks
 * every tick_us. Each of the two is the caller's, to be ended with midisock_close.
 *
 * Control. Errors: INVALID_ARGUMENT, NO_RESOURCES, INTERNAL.
 *
 * # Safety
 * `config` is NULL or as midisock_config describes, `a` and `b` writable.
 */
MIDISOCK_API
midisock_result midisock_pair(const struct midisock_config *config,
                              struct midisock_port **a,
                              struct midisock_port **b)
MIDISOCK_NOEXCEPT;

/**
 * Asks for another realtime priority of the library's network thread than the port was made with: from now on as if it
 * had been realtime_priority in its config, 0: none. For those who learn of their audio thread's priority later, or when
 * it has changed; one below that is good. Ports that a server accepts later ask for what its config says. A pair has no
 * network thread: nothing happens.
 *
 * Any thread, control; it does not wait: midisock_stats.network_priority tells what there is, and
 * MIDISOCK_PRIORITY_REFUSED, each time, that the system refuses. Errors: INVALID_ARGUMENT, CLOSED, INTERNAL.
 *
 * # Safety
 * `port` is a live port.
 */
MIDISOCK_API
midisock_result midisock_set_realtime_priority(struct midisock_port *port,
                                               uint32_t priority)
MIDISOCK_NOEXCEPT;

/**
 * Starts the orderly end of a port without blocking: later calls, and those waiting now, return
 * MIDISOCK_ERR_CLOSED; what is queued can still be popped; peers see the end. The port still has to be closed.
 *
 * Any thread, control. Errors: INVALID_ARGUMENT, INTERNAL. A second call does nothing.
 *
 * # Safety
 * `port` is a live port.
 */
MIDISOCK_API
midisock_result midisock_shutdown(struct midisock_port *port)
MIDISOCK_NOEXCEPT;

/**
 * Ends a port and frees it. What was pushed and is unwritten is handed to the network thread, which writes it within
 * linger_ms; the call does not wait for that, unless this is the process's last port: then it does, and joins the
 * thread. When it returns, a server's address is free again. Accepted ports stay open. NULL: nothing happens.
 *
 * Control. No other call on this port may be running or follow; pointers popped from it end here.
 *
 * # Safety
 * `port` is NULL or a live port, and no other thread uses it.
 */
MIDISOCK_API
void midisock_close(struct midisock_port *port)
MIDISOCK_NOEXCEPT;

/**
 * Splits "host:port", "[ipv6]:port" or ":port" (an empty host). `host` gets the host without brackets and its NUL.
 *
 * Any thread, control. Errors: ADDRESS (cannot be parsed), INVALID_ARGUMENT (NULL, or `host_capacity` too small:
 * 256 always suffices), INTERNAL. Nothing is written on an error.
 *
 * # Safety
 * `address` is NUL-terminated, `host` has room for `host_capacity` bytes, `port` is writable.
 */
MIDISOCK_API
midisock_result midisock_parse_address(const char *address,
                                       char *host,
                                       size_t host_capacity,
                                       uint16_t *port)
MIDISOCK_NOEXCEPT;

/**
 * Sends one whole message (with its status byte; no running status) to the peer, or to every client: now, whole or
 * not at all. The bytes are copied.
 *
 * A message that is answered with OFFLINE need not be pushed again, nor one that a repairing port
 * (midisock_config.overflow) refuses with FULL: it is counted in dropped_out, and its channel state follows when there is
 * a peer, or room. A waiting port does not keep what it refuses with FULL.
 *
 * Realtime (with MIDISOCK_WAKE_SIGNAL: at most one non-blocking system call, only when the network thread sleeps);
 * one pushing thread at a time. MIDISOCK_OFFLINE without a peer. Errors: INVALID_ARGUMENT, INVALID_MESSAGE,
 * TOO_LARGE, FULL, CLOSED, WRONG_ROLE, BUSY (debug builds), INTERNAL.
 *
 *
 * # Safety
 * `port` is a live port, `data` points to `size` bytes.
 */
MIDISOCK_API
midisock_result midisock_push(struct midisock_port *port,
                              const uint8_t *data,
                              size_t size)
MIDISOCK_REALTIME;

/**
 * Sends one whole message to one client or to all, now or at a time up to 10 s ahead. Messages are sent in order of
 * time, then of pushing; one for now counts with the time of its push. A Note Off never overtakes its Note On: where its
 * note does not sound, it waits for the next scheduled Note On that has no Note Off yet. What is due together leaves in
 * one write.
 * How much may be scheduled is bounded by out_queue_bytes, each message counting 24 bytes more than its own (FULL
 * beyond). Of what is scheduled when the port is closed, what ends something at the peer is sent then (see midisock_cancel,
 * which forgets the rest before).
 *
 * Realtime (as midisock_push); one pushing thread at a time. MIDISOCK_OFFLINE without a peer. Errors: as
 * midisock_push, INVALID_ARGUMENT also for a time more than 10 s ahead, NO_SUCH_CLIENT.
 *
 *
 * # Safety
 * `port` is a live port, `message` points to a message whose `data` points to `size` bytes.
 */
MIDISOCK_API
midisock_result midisock_push_message(struct midisock_port *port,
                                      const struct midisock_message *message)
MIDISOCK_REALTIME;

/**
 * Forgets what is scheduled: what was pushed with a time ahead, by midisock_push_message or midisock_push_frame, and
 * has not been sent. What ends something at the peer is not forgotten, and is sent at its time: Note Offs of notes that
 * sound there, the end of a pedal, pressure to 0 and bend to the centre where they are not, All Sound Off, All Notes Off
 * and the modes that imply it where a note sounds, Reset All Controllers where it has something to reset, Stop where a
 * sequencer runs. Programs, controllers and the like that are forgotten do not come back: a caller that goes on afterwards
 * pushes them again. Messages that push refused with FULL count alike: those for now are sent, those with a time ahead
 * are forgotten or keep their time. Messages that were pushed for now are sent.
 *
 * Realtime (as midisock_push), and there is always room for it; the pushing thread. On a pair nothing happens: what is
 * pushed into one is there at once. Errors: INVALID_ARGUMENT, CLOSED, WRONG_ROLE (a manual server), BUSY (debug
 * builds), INTERNAL.
 *
 *
 * # Safety
 * `port` is a live port.
 */
MIDISOCK_API
midisock_result midisock_cancel(struct midisock_port *port)
MIDISOCK_REALTIME;

/**
 * Takes the next message, in order of arrival.
 *
 * Realtime; one popping thread at a time. MIDISOCK_EMPTY when there is none. Errors: INVALID_ARGUMENT, CLOSED (the
 * port is closed and nothing is left), WRONG_ROLE (a manual server), BUSY (debug builds), INTERNAL.
 *
 *
 * # Safety
 * `port` is a live port, `out` writable.
 */
MIDISOCK_API
midisock_result midisock_pop(struct midisock_port *port,
                             struct midisock_message *out)
MIDISOCK_REALTIME;

/**
 * Throws away what waits to be popped, for a program that comes back after a pause and does not want to hear what is
 * old. What follows first, marked MIDISOCK_SYNTHETIC, is the difference in channel state: Note Offs of what was
 * released meanwhile, controllers, programs, bends and the like where they stand now; no note is struck late.
 *
 * Realtime; the popping thread. The next pops look through what was thrown away, once for each client it came from: a
 * thousand messages in a call at most, so that after a long pause the first of them may say MIDISOCK_EMPTY, as often as
 * it takes, before the difference comes. Errors: INVALID_ARGUMENT, CLOSED, WRONG_ROLE, BUSY (debug builds), INTERNAL.
 *
 *
 * # Safety
 * `port` is a live port.
 */
MIDISOCK_API
midisock_result midisock_skip(struct midisock_port *port)
MIDISOCK_REALTIME;

/**
 * Silence, now: drops what waits to be sent (a message partly written is finished) and sends All Sound Off
 * (CC 120, value 0) on 16 channels, to every peer.
 *
 * Any thread, realtime (as midisock_push), never full. MIDISOCK_OFFLINE without a peer. Errors: INVALID_ARGUMENT,
 * CLOSED, WRONG_ROLE (a manual server), INTERNAL.
 *
 *
 * # Safety
 * `port` is a live port.
 */
MIDISOCK_API
midisock_result midisock_panic(struct midisock_port *port)
MIDISOCK_REALTIME;

/**
 * Sends All Notes Off (CC 123, value 0) and Reset All Controllers (CC 121, value 0) on each of 16 channels, to every
 * peer, after what was pushed before.
 *
 * Any thread, realtime (as midisock_push), never full. MIDISOCK_OFFLINE without a peer. Errors: INVALID_ARGUMENT,
 * CLOSED, WRONG_ROLE (a manual server), INTERNAL.
 *
 *
 * # Safety
 * `port` is a live port.
 */
MIDISOCK_API
midisock_result midisock_reset(struct midisock_port *port)
MIDISOCK_REALTIME;

/**
 * Begins an audio block: once per callback, on the thread that pops, before midisock_pop_block and
 * midisock_push_frame. Blocks may have any number of frames, 0 included, and a host may cut one period into many: calls
 * that follow within a quarter of the time that what came before takes to play are slices of one period. A jump of
 * more than two periods, as of a plugin that was stopped, is noticed without MIDISOCK_BLOCK_DISCONTINUITY.
 *
 * Realtime. Errors: INVALID_ARGUMENT (struct_size, an unknown flag, a sample rate that is not finite or out of
 * range, too many frames), WRONG_ROLE, BUSY (debug builds), INTERNAL.
 *
 *
 * # Safety
 * `port` is a live port, `block` points to a block of `struct_size` bytes.
 */
MIDISOCK_API
midisock_result midisock_begin_block(struct midisock_port *port,
                                     const struct midisock_block *block)
MIDISOCK_REALTIME;

/**
 * Takes the next message that belongs into the block, with `frame` in [0, frames) and never decreasing; then
 * MIDISOCK_EMPTY: later messages stay.
 *
 * What midisock_config.latency_ns says is added to the arrival times. The library smooths the callback's jitter: a
 * delay-locked loop (F. Adriaensen, "Using a DLL to filter time", Linux Audio Conference 2005) finds the even line of
 * the block times, and messages keep the spacing at which they arrived. With latency 0 nothing is smoothed: what is
 * there is at the block's beginning.
 *
 * Realtime; the popping thread. MIDISOCK_EMPTY when no more belong into this block. Errors: INVALID_ARGUMENT (also
 * before any midisock_begin_block), CLOSED (the port is closed and nothing is left), WRONG_ROLE, BUSY (debug
 * builds), INTERNAL.
 *
 *
 * # Safety
 * `port` is a live port, `out` writable.
 */
MIDISOCK_API
midisock_result midisock_pop_block(struct midisock_port *port,
                                   struct midisock_message *out)
MIDISOCK_REALTIME;

/**
 * Sends one whole message at the time of a frame of the block, by the smoothed block times, plus
 * midisock_config.push_latency_ns; now, where that is past, and with MIDISOCK_BLOCK_OFFLINE.
 *
 * Realtime (as midisock_push); the thread that called midisock_begin_block, which must be the pushing thread too.
 * MIDISOCK_OFFLINE without a peer. Errors: as midisock_push; INVALID_ARGUMENT also for a frame beyond the block and
 * before any midisock_begin_block.
 *
 *
 * # Safety
 * `port` is a live port, `data` points to `size` bytes.
 */
MIDISOCK_API
midisock_result midisock_push_frame(struct midisock_port *port,
                                    uint32_t frame,
                                    const uint8_t *data,
                                    size_t size)
MIDISOCK_REALTIME;

/**
 * What the port is doing: one of MIDISOCK_STATE_*, never 0 (0 for a NULL port).
 *
 * Any thread, realtime.
 *
 *
 * # Safety
 * `port` is a live port.
 */
MIDISOCK_API int32_t midisock_state(const struct midisock_port *port) MIDISOCK_REALTIME;

/**
 * How many clients are connected to a server now; 0 for other ports.
 *
 * A new client counts at once. Until it has sent a MIDI status byte it may be a browser: messages pushed to it wait, and
 * MIDISOCK_CLIENT_JOINED follows, when it sends one, but no later than 10 ms after it connected on loopback, or 50 ms
 * elsewhere. No message is lost by that.
 *
 * Any thread, realtime.
 *
 *
 * # Safety
 * `port` is a live port.
 */
MIDISOCK_API
uint32_t midisock_client_count(const struct midisock_port *port)
MIDISOCK_REALTIME;

/**
 * The TCP port a server is bound to, or a connected port's own; 0 where there is none.
 *
 * Any thread, realtime.
 *
 *
 * # Safety
 * `port` is a live port.
 */
MIDISOCK_API uint16_t midisock_local_port(const struct midisock_port *port) MIDISOCK_REALTIME;

/**
 * Reads the counters. `size` is sizeof(midisock_stats) of the caller; nothing beyond it is written.
 *
 * Any thread, realtime. Errors: INVALID_ARGUMENT (also for a size below 8 or above 4096), INTERNAL.
 *
 *
 * # Safety
 * `port` is a live port, `stats` points to `size` writable bytes.
 */
MIDISOCK_API
midisock_result midisock_get_stats(const struct midisock_port *port,
                                   struct midisock_stats *stats,
                                   size_t size)
MIDISOCK_REALTIME;

/**
 * Waits for any of `events` (MIDISOCK_WAIT_*). A closed port ends every wait: MIDISOCK_OK while midisock_pop still
 * has something, then MIDISOCK_ERR_CLOSED.
 *
 * `timeout_ms`: 0 looks once, -1 waits for ever.
 *
 * Any thread, control. Errors: INVALID_ARGUMENT, WRONG_ROLE (none of these can ever happen on such a port), TIMEOUT,
 * CLOSED, INTERNAL.
 *
 * # Safety
 * `port` is a live port.
 */
MIDISOCK_API
midisock_result midisock_wait(struct midisock_port *port,
                              uint32_t events,
                              int32_t timeout_ms)
MIDISOCK_NOEXCEPT;

/**
 * Waits for any of `events` on any of `count` ports; `index` gets which of them it was, also with
 * MIDISOCK_ERR_CLOSED. `index` may be NULL.
 *
 * `timeout_ms`: 0 looks once, -1 waits for ever.
 *
 * Any thread, control. Errors: as midisock_wait; INVALID_ARGUMENT also for count 0 or above 65536.
 *
 * # Safety
 * `ports` points to `count` live ports, `index` is NULL or writable.
 */
MIDISOCK_API
midisock_result midisock_wait_any(struct midisock_port *const *ports,
                                  size_t count,
                                  uint32_t events,
                                  int32_t timeout_ms,
                                  size_t *index)
MIDISOCK_NOEXCEPT;

/**
 * Waits until the port is connected: at once where it is.
 *
 * `timeout_ms`: 0 looks once, -1 waits for ever.
 *
 * Any thread, control. Out of time: the reason of the last failed attempt (ADDRESS, REFUSED, UNREACHABLE,
 * PERMISSION, IO, NO_RESOURCES, TIMEOUT), or TIMEOUT; a port that will not try again gives its reason at once.
 * Other errors: INVALID_ARGUMENT, CLOSED, WRONG_ROLE (a server), INTERNAL.
 *
 * # Safety
 * `port` is a live port.
 */
MIDISOCK_API
midisock_result midisock_wait_connected(struct midisock_port *port,
                                        int32_t timeout_ms)
MIDISOCK_NOEXCEPT;

/**
 * Wakes the network thread and waits until all that is due has been handed to the system. What is scheduled ahead is
 * not waited for, nor is a congested peer of a repairing port.
 *
 * `timeout_ms`: 0 looks once, -1 waits for ever.
 *
 * Any thread, control. MIDISOCK_OFFLINE when some of it was lost with the connection and no peer was left. Errors:
 * INVALID_ARGUMENT, TIMEOUT, CLOSED, WRONG_ROLE (a manual server), INTERNAL.
 *
 * # Safety
 * `port` is a live port.
 */
MIDISOCK_API
midisock_result midisock_flush(struct midisock_port *port,
                               int32_t timeout_ms)
MIDISOCK_NOEXCEPT;

/**
 * Takes the next notification. Their queue is bounded; joins and leaves stay paired when some had to be left out.
 *
 * Any thread, control. MIDISOCK_EMPTY when there is none, also after the port was shut down. Errors:
 * INVALID_ARGUMENT, INTERNAL.
 *
 * # Safety
 * `port` is a live port, `out` writable.
 */
MIDISOCK_API
midisock_result midisock_poll_notification(struct midisock_port *port,
                                           struct midisock_notification *out)
MIDISOCK_NOEXCEPT;

/**
 * The address of a client of a merged server, as a notification has it, with its NUL; 64 bytes always suffice.
 *
 * Any thread, control. Errors: INVALID_ARGUMENT (NULL, or `capacity` too small), NO_SUCH_CLIENT, WRONG_ROLE,
 * INTERNAL.
 *
 * # Safety
 * `server` is a live port, `buffer` has room for `capacity` bytes.
 */
MIDISOCK_API
midisock_result midisock_client_address(struct midisock_port *server,
                                        uint32_t client,
                                        char *buffer,
                                        size_t capacity)
MIDISOCK_NOEXCEPT;

/**
 * Ends a client's connection in good order: what waits for it is written first, within linger_ms. When it returns,
 * the client is no longer one of the server's; MIDISOCK_CLIENT_LEFT follows.
 *
 * Any thread, control. Errors: INVALID_ARGUMENT, NO_SUCH_CLIENT, WRONG_ROLE, CLOSED, INTERNAL.
 *
 * # Safety
 * `server` is a live port.
 */
MIDISOCK_API
midisock_result midisock_disconnect(struct midisock_port *server,
                                    uint32_t client)
MIDISOCK_NOEXCEPT;

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* MIDISOCK_MIDISOCK_H */
