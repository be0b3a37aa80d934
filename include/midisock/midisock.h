/* midisock: MIDI between programs over TCP, safe on the audio thread.
 * SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * PORTS
 *
 *   made by                          midisock_pop returns                  midisock_push sends to
 *   midisock_connect                 messages from the server              the server
 *   midisock_listen                  messages from all clients, each       all clients, or the one that
 *                                    with its client's id                  midisock_push_message names
 *   the same with                    nothing: midisock_accept returns      nobody
 *     MIDISOCK_ACCEPT_MANUAL           a port for each client
 *   midisock_accept                  messages from that client             that client
 *   midisock_adopt                   messages from the socket's peer       that peer
 *   midisock_pair                    messages from the other port          the other port
 *
 * In the comments below, a merged server is a port of the second kind, a manual server one of the third. A repairing
 * port is one whose overflow is MIDISOCK_OVERFLOW_REPAIR, which is the default of merged servers.
 *
 * THREADS
 *
 *   [realtime]  The function is safe in an audio callback. It makes no system call, takes no lock, allocates nothing,
 *               has no unbounded loop, waits for no other thread, and causes no page fault once the port is made. The
 *               comments of a function state its exceptions.
 *   [control]   The function may block, lock or allocate. Never call it in an audio callback.
 *
 * The pushing thread of a port calls midisock_push, _push_message, _push_frame and _cancel. The popping thread calls
 * midisock_pop, _pop_block, _skip and _begin_block. A port has at most one of each at any moment. They may be the same
 * thread. Another thread may take over either side, if its first call comes after the last call of the thread before,
 * ordered by a join, a lock or an atomic. Any thread may call every other function, except that midisock_close comes
 * last: no other call on the port may be running or follow.
 *
 * RESULTS
 *
 * A comment lists the results of a function. One more result is possible wherever a midisock_result is returned:
 * MIDISOCK_ERR_INTERNAL, a defect of the library that was contained. A [control] function that takes a port of a
 * context with MIDISOCK_CONTEXT_HOST returns MIDISOCK_ERR_BUSY while another thread is in a call on that context. An
 * out parameter is written only with MIDISOCK_OK, unless the comment says otherwise. A pointer that must not be NULL
 * must not be misaligned either.
 *
 * FUNCTIONS THAT STOP SOMETHING
 *
 *                        received messages  messages to be sent           what follows                    connections
 *   midisock_skip        thrown away        kept                          pop returns the difference      kept
 *                                                                           in channel state
 *   midisock_cancel      kept               scheduled ones dropped,       nothing                         kept
 *                                             except what ends something
 *   midisock_panic       kept               dropped                       peers receive All Sound Off     kept
 *   midisock_reset       kept               sent first                    peers receive All Notes Off     kept
 *                                                                           and Reset All Controllers
 *   midisock_flush       kept               the call waits until due      nothing                         kept
 *                                             ones are sent
 *   midisock_disconnect  kept               due ones sent to the client   the client and pop receive      one closed
 *                                                                           releases
 *   midisock_shutdown    kept               due ones sent                 peers and pop receive releases  closed
 *   midisock_close       thrown away        due ones sent                 peers receive releases          closed, freed
 *
 * Releases are Note Offs, pedals up, pressure 0, bends to the centre, and Stop for a running sequencer, as far as they
 * are needed. release_on_close and release_on_disconnect in midisock_config turn them off.
 */


#ifndef MIDISOCK_MIDISOCK_H
#define MIDISOCK_MIDISOCK_H

/* Generated from src/ffi by cbindgen. Change it there, then run scripts/header. */

#include <stddef.h>
#include <stdint.h>

/* MIDISOCK_REALTIME marks the realtime functions for clang's function effect analysis (clang 20 and later). Both macros
 * mean noexcept in C++, and nothing elsewhere. */
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

/* Where the library's symbols come from. Define MIDISOCK_STATIC if you link the static library on Windows. */
#if defined(_WIN32) && !defined(MIDISOCK_STATIC)
#  define MIDISOCK_API __declspec(dllimport)
#else
#  define MIDISOCK_API
#endif

/** @cond internal */
/* Pointers have 32 bits. */
#if UINTPTR_MAX == 0xFFFFFFFFu
#  define MIDISOCK_32_BIT
#  define MIDISOCK_ZERO_ON_32_BIT 0,
#else
#  define MIDISOCK_ZERO_ON_32_BIT
#endif

/* For the initializers below. */
#if defined(__cplusplus)
#  define MIDISOCK_NULL nullptr
#else
#  define MIDISOCK_NULL ((void *)0)
#endif
/** @endcond */

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/* ------------------------------------------------------------------------------------------------
 * Version and clock
 * ------------------------------------------------------------------------------------------------ */

/** @name Version of this header
 * @{ */
/** Raised with an incompatible change. */
#define MIDISOCK_VERSION_MAJOR 0
/** Raised with additions. While the major version is 0, also with incompatible changes. */
#define MIDISOCK_VERSION_MINOR 2
/** Raised with corrections. */
#define MIDISOCK_VERSION_PATCH 0
/** @} */

/**
 * Returns the version of the library that is running.
 *
 * [realtime]
 * Threads: any.
 * Returns: major << 16 | minor << 8 | patch.
 */
MIDISOCK_API uint32_t midisock_version(void) MIDISOCK_REALTIME;

/**
 * Returns the version of the library that is running, as text.
 *
 * [realtime]
 * Threads: any.
 * Returns: "major.minor.patch". The text is static and is never NULL.
 */
MIDISOCK_API const char *midisock_version_string(void) MIDISOCK_REALTIME;

/**
 * Reads the clock of all times in this API, in nanoseconds.
 *
 * The clock is CLOCK_MONOTONIC on Linux, mach_absolute_time on macOS and QueryPerformanceCounter on Windows. On Linux
 * the call makes no system call, unless the machine's clock source cannot be read in user space.
 *
 * [realtime]
 * Threads: any.
 * Returns: the time. It is never 0.
 */
MIDISOCK_API uint64_t midisock_now_ns(void) MIDISOCK_REALTIME;

/* ------------------------------------------------------------------------------------------------
 * Results
 * ------------------------------------------------------------------------------------------------ */

/** The result of a call. 0 is success. Above 0 the call did nothing, which is not an error. Below 0 is an error. */
typedef int32_t midisock_result;

/** @name Values of midisock_result
 * @{ */
/** Success. */
#define MIDISOCK_OK 0
/** Nothing waits to be taken. */
#define MIDISOCK_EMPTY 1
/** No peer is connected. midisock_push says what becomes of the message. */
#define MIDISOCK_OFFLINE 2
/** A pointer is NULL or misaligned, a size is wrong, or a value is out of range or not finite. */
#define MIDISOCK_ERR_INVALID_ARGUMENT -1
/** The bytes are not exactly one whole MIDI 1.0 message with its status byte. */
#define MIDISOCK_ERR_INVALID_MESSAGE -2
/** The message is longer than the port's max_message_bytes. */
#define MIDISOCK_ERR_TOO_LARGE -3
/** The queue has no room. No part of the message was queued. See midisock_config.overflow. */
#define MIDISOCK_ERR_FULL -4
/** The port was shut down, or its peer has gone and the port does not connect again. */
#define MIDISOCK_ERR_CLOSED -5
/** The time limit has passed. */
#define MIDISOCK_ERR_TIMEOUT -6
/**
 * Another thread is in a call that excludes this one, or a context has open ports. That two threads use the same side
 * of a port at once is noticed by debug builds of the library only.
 */
#define MIDISOCK_ERR_BUSY -7
/** This kind of port does not have this function. */
#define MIDISOCK_ERR_WRONG_ROLE -8
/** No client with this id is connected to the server. */
#define MIDISOCK_ERR_NO_SUCH_CLIENT -9
/** An address or host name cannot be parsed or resolved, or lacks its interface. */
#define MIDISOCK_ERR_ADDRESS -10
/**
 * Another socket listens on this address. Only servers of one context can share it, if all of them set
 * midisock_config.share: not those of another context, another copy of the library or another program.
 */
#define MIDISOCK_ERR_ADDRESS_IN_USE -11
/** The system or a sandbox forbids it. */
#define MIDISOCK_ERR_PERMISSION -12
/** Nothing listens on the peer's address. */
#define MIDISOCK_ERR_REFUSED -13
/** There is no route to the peer's address, or the local address does not exist. */
#define MIDISOCK_ERR_UNREACHABLE -14
/** Any other system error. The notification's os_error has its number. */
#define MIDISOCK_ERR_IO -15
/** Memory, descriptors or threads ran out. */
#define MIDISOCK_ERR_NO_RESOURCES -16
/** A defect of the library, which was contained. */
#define MIDISOCK_ERR_INTERNAL -17
/** The function is not available on this system, on this kind of port, or in this build of the library. */
#define MIDISOCK_ERR_UNSUPPORTED -18
/** @} */

/**
 * Describes a result in English, in lower case and without a full stop.
 *
 * [realtime]
 * Threads: any.
 * Returns: the text. It is static and is never NULL. A number that is not a result yields a text that says so.
 */
MIDISOCK_API const char *midisock_strerror(midisock_result result) MIDISOCK_REALTIME;

/* ------------------------------------------------------------------------------------------------
 * Contexts
 * ------------------------------------------------------------------------------------------------ */

/** @name Values of midisock_context_config.mode
 * @{ */
/** A thread runs the ports. */
#define MIDISOCK_CONTEXT_THREAD 0
/** There is no thread. The calls of the program run the ports, above all midisock_context_poll. */
#define MIDISOCK_CONTEXT_HOST 1
/** @} */

/** @name Levels of a line of the log
 * @{ */
/** A port or a call does not do what it was made for. */
#define MIDISOCK_LOG_ERROR 1
/** Something was lost, refused, or is tried again. */
#define MIDISOCK_LOG_WARNING 2
/** Something happened in good order, such as a connection. */
#define MIDISOCK_LOG_INFO 3
/** @} */

/**
 * A context, which runs ports. The caller owns it until midisock_context_destroy.
 *
 * Without a context of its own a port belongs to the default one: a thread that the first port of the process starts
 * and the last one joins.
 *
 * Control calls on a context with MIDISOCK_CONTEXT_HOST and on its ports come from one thread at a time; a call from a
 * second thread returns MIDISOCK_ERR_BUSY. Realtime functions are exempt. Waiting functions run the context while they
 * wait. midisock_close does not wait: later calls write the remaining messages. Addresses and "localhost" need no
 * thread. A short-lived thread looks up any other name.
 */
typedef struct midisock_context midisock_context;

/**
 * How a context runs its ports. Fill it with midisock_context_config_init or MIDISOCK_CONTEXT_CONFIG_INIT, then
 * change what you need. The rules for smaller and larger structs are those of midisock_config.
 */
typedef struct midisock_context_config {
  /** sizeof(midisock_context_config) of the caller. midisock_context_config_init sets it. */
  uint32_t struct_size;
  /** MIDISOCK_CONTEXT_THREAD (default) or MIDISOCK_CONTEXT_HOST. */
  uint32_t mode;
  /**
   * The realtime priority of the context's thread, as in midisock_config. Default: 0, none. It has no effect with
   * MIDISOCK_CONTEXT_HOST.
   */
  uint32_t realtime_priority;
  /**
   * busy_poll_us of the context's thread and its ports, as in midisock_config. Default: 0. With
   * MIDISOCK_CONTEXT_HOST the calls that wait poll for this time.
   */
  uint32_t busy_poll_us;
  /**
   * Makes the context's thread. Default: NULL, the library makes it.
   *
   * It starts a thread that calls run(argument), and may write to `thread` what join_thread needs. It returns 0, or
   * any other number if it cannot start a thread; then `run` must not be called. midisock_context_create calls it.
   * The library itself makes the short-lived threads that look names up.
   */
  int32_t (*create_thread)(void *user, void *(*run)(void *argument), void *argument, void **thread);
  /**
   * Waits for the end of that thread: it returns after `run` has. midisock_context_destroy calls it. Set both
   * functions or neither.
   */
  void (*join_thread)(void *user, void *thread);
  /** The `user` of the two functions above. */
  void *thread_user;
  /**
   * Takes a line about what happens to the context and its ports, for the developer. Default: NULL.
   *
   * `level` is one of MIDISOCK_LOG_*. `text` is valid during the call. The context's thread makes the calls, or with
   * MIDISOCK_CONTEXT_HOST control functions do, one at a time. Realtime functions never do. A port writes at most
   * 10 lines a second; the rest is counted. The function may call only realtime functions of this library.
   */
  void (*log)(void *user, int32_t level, const char *text);
  /** The `user` of `log`. */
  void *log_user;
} midisock_context_config;

/**
 * A config with the defaults, as an initializer that calls nothing: those of this header, as in MIDISOCK_CONFIG_INIT.
 */
#define MIDISOCK_CONTEXT_CONFIG_INIT \
    {sizeof(midisock_context_config), 0, 0, 0, MIDISOCK_NULL, MIDISOCK_NULL, MIDISOCK_NULL, \
    MIDISOCK_NULL, MIDISOCK_NULL}

/**
 * Fills a config with the defaults.
 *
 * `size` is sizeof(midisock_context_config) of the caller. Nothing beyond it is written. Nothing at all is written if
 * `config` is NULL or misaligned, or if `size` is below 4 or above 4096.
 *
 * [control]
 * Threads: any.
 * Returns: nothing.
 */
MIDISOCK_API void midisock_context_config_init(struct midisock_context_config *config, size_t size)
    MIDISOCK_NOEXCEPT;

/**
 * Makes a context. `config` may be NULL: the defaults, a thread of its own.
 *
 * [control]
 * Threads: any.
 * Returns:
 * - MIDISOCK_OK: `out` is a context. The caller must destroy it, after the last of its ports was closed.
 * - MIDISOCK_ERR_INVALID_ARGUMENT: `out` is NULL, or a field of `config` is invalid.
 * - MIDISOCK_ERR_NO_RESOURCES: memory, descriptors or threads ran out, or create_thread did not return 0.
 */
MIDISOCK_API midisock_result midisock_context_create(const struct midisock_context_config *config,
    struct midisock_context **out) MIDISOCK_NOEXCEPT;

/**
 * Ends a context and frees it. NULL has no effect.
 *
 * It waits until the closed ports have written what they may still write, for at most the longest of their linger_ms,
 * and joins the context's thread.
 *
 * [control]
 * Threads: one, which comes last. No other call on this context may be running or follow, unless the result is
 * MIDISOCK_ERR_BUSY.
 * Returns:
 * - MIDISOCK_OK: the context is gone, or `context` is NULL.
 * - MIDISOCK_ERR_INVALID_ARGUMENT: `context` is misaligned.
 * - MIDISOCK_ERR_BUSY: a port of the context is open, or with MIDISOCK_CONTEXT_HOST another thread is in a call.
 *   Nothing has happened.
 */
MIDISOCK_API midisock_result midisock_context_destroy(struct midisock_context *context)
    MIDISOCK_NOEXCEPT;

/**
 * Runs a context with MIDISOCK_CONTEXT_HOST: waits until there is something to do, and does it.
 *
 * One call does a bounded amount of work, and the next one goes on. Call it again and again: in a loop of its own, or
 * whenever the descriptor of midisock_context_handle is readable.
 *
 * `timeout_ms` is the time limit: 0 does not wait, -1 waits without limit.
 *
 * [control]
 * Threads: any, one at a time.
 * Returns:
 * - MIDISOCK_OK: something was done.
 * - MIDISOCK_EMPTY: there was nothing to do until the time limit passed.
 * - MIDISOCK_ERR_INVALID_ARGUMENT: `context` is NULL, or `timeout_ms` is below -1.
 * - MIDISOCK_ERR_WRONG_ROLE: the context has a thread.
 * - MIDISOCK_ERR_BUSY: another thread is in a call on the context or a port of it.
 */
MIDISOCK_API midisock_result midisock_context_poll(struct midisock_context *context,
    int32_t timeout_ms) MIDISOCK_NOEXCEPT;

/**
 * Gives a descriptor for poll, epoll and the loops that are built on them. It is readable when midisock_context_poll
 * has something to do, its next deadline included.
 *
 * A second call returns the same one. It belongs to the context: the caller neither reads nor closes it.
 *
 * [control]
 * Threads: any, one at a time.
 * Returns:
 * - MIDISOCK_OK: `out` is the descriptor.
 * - MIDISOCK_ERR_INVALID_ARGUMENT: `context` or `out` is NULL.
 * - MIDISOCK_ERR_WRONG_ROLE: the context has a thread.
 * - MIDISOCK_ERR_BUSY: another thread is in a call on the context or a port of it.
 * - MIDISOCK_ERR_NO_RESOURCES: descriptors ran out.
 * - MIDISOCK_ERR_UNSUPPORTED: the system is neither Linux nor Android.
 */
MIDISOCK_API midisock_result midisock_context_handle(struct midisock_context *context,
    intptr_t *out) MIDISOCK_NOEXCEPT;

/* ------------------------------------------------------------------------------------------------
 * Configuration of a port
 * ------------------------------------------------------------------------------------------------ */

/** @name Values of midisock_config.accept_mode
 * @{ */
/** The messages of all clients come out of the server's own port. */
#define MIDISOCK_ACCEPT_MERGED 0
/** Each client becomes a port of its own, which midisock_accept returns. */
#define MIDISOCK_ACCEPT_MANUAL 1
/** @} */

/** @name Values of midisock_config.overflow
 * @{ */
/** REPAIR for merged servers, WAIT for all other ports. */
#define MIDISOCK_OVERFLOW_AUTO 0
/**
 * Nothing is dropped for want of room while the peer is connected. midisock_push returns MIDISOCK_ERR_FULL, and TCP
 * slows the sender down.
 */
#define MIDISOCK_OVERFLOW_WAIT 1
/**
 * For live playing, where late is worse than lost. The library drops whole messages, counts them, and then restores
 * the channel state.
 */
#define MIDISOCK_OVERFLOW_REPAIR 2
/** @} */

/** @name Values of midisock_config.wake
 * @{ */
/** A push makes no system call. The network thread polls just after the audio callback, or every tick_us. */
#define MIDISOCK_WAKE_TICK 0
/** A push makes at most one non-blocking system call, and only while the network thread sleeps. */
#define MIDISOCK_WAKE_SIGNAL 1
/** @} */

/** @name Values of midisock_config.timing
 * @{ */
/** Messages carry the time at which they arrived. */
#define MIDISOCK_TIMING_ARRIVAL 0
/** Messages carry the time at which the sender meant them, if the peer tells it. */
#define MIDISOCK_TIMING_SENDER 1
/** @} */

/** @name Value of midisock_config.latency_ns and push_latency_ns
 * @{ */
/**
 * The longest block. It is constant while the block size is. With senders' times (midisock_config.timing), latency_ns
 * also covers what the network takes, 100 ms at most: it rises by 5 ms or a quarter of that, whichever is less, or
 * more; and falls at most once in 10 s, in silence.
 */
#define MIDISOCK_LATENCY_AUTO UINT64_MAX
/** @} */

/** @name Value of midisock_config.channels
 * @{ */
/** All channels, and system messages. */
#define MIDISOCK_ALL_CHANNELS 131071
/** @} */

/**
 * How a port behaves. Fill it with midisock_config_init or MIDISOCK_CONFIG_INIT, then change what you need.
 *
 * Functions accept NULL in place of a config: it means the defaults. They read a config, and its strings, only during
 * the call.
 *
 * A caller that was built with an older header has a smaller struct, and gets the defaults of the fields that it does
 * not know. A larger struct is accepted if all bytes beyond this one's fields are zero.
 */
typedef struct midisock_config {
  /** sizeof(midisock_config) of the caller. midisock_config_init sets it. */
  uint32_t struct_size;
  /**
   * Size of the queue of received messages, in bytes. Default: 65536.
   *
   * It is rounded up to a power of two of at least 4096. Above 2^30 is an error. A message of up to three bytes
   * takes 16 bytes; a longer one takes 16 bytes and its own, rounded up to a multiple of 16.
   */
  uint32_t in_queue_bytes;
  /** Size of the queue of pushed messages, in bytes, with the same rules. Default: 65536. */
  uint32_t out_queue_bytes;
  /**
   * The longest SysEx that is received or sent, with F0 and F7. Default: 16384. At most a quarter of the smaller
   * queue.
   */
  uint32_t max_message_bytes;
  /** MIDISOCK_ACCEPT_MERGED (default) or MIDISOCK_ACCEPT_MANUAL. */
  uint32_t accept_mode;
  /**
   * Clients of a server that may be connected at the same time. Default: 64. At most 65536. The server closes
   * further connections at once and counts them in midisock_stats.rejected. A client that has left does not count.
   * A manual server keeps the ports of clients that left before midisock_accept, with what they sent, as long as all
   * its ports are no more than this. Beyond that, each newcomer closes the oldest of those ports, which counts in
   * rejected.
   */
  uint32_t max_clients;
  /**
   * Addresses and CIDR ranges that may connect to a server, separated by commas, such as "192.168.1.0/24, ::1".
   * Default: NULL, any. An IPv4 range also contains its IPv4-mapped IPv6 addresses.
   */
  const char *allow;
#if defined(MIDISOCK_32_BIT)
  /** Zero. It fills the place of a 64-bit pointer. */
  uint32_t reserved_after_allow;
#endif
  /**
   * The name of this port: up to 63 bytes of UTF-8 without control characters. Default: NULL, no name. Peers with
   * which sender time is in use are told it. See midisock_set_name.
   */
  const char *name;
#if defined(MIDISOCK_32_BIT)
  /** Zero. It fills the place of a 64-bit pointer. */
  uint32_t reserved_after_name;
#endif
  /** MIDISOCK_OVERFLOW_AUTO (default), MIDISOCK_OVERFLOW_WAIT or MIDISOCK_OVERFLOW_REPAIR. */
  uint32_t overflow;
  /** With REPAIR a peer is congested if its oldest unsent byte is older than this, in ms. Default: 500. */
  uint32_t max_delay_ms;
  /** With REPAIR a peer is also congested if more bytes than this wait for it. Default: 65536. */
  uint32_t client_buffer_bytes;
  /**
   * Time limit for one attempt to connect, in ms. Default: 5000. It covers the name look-up and all addresses of the
   * name. midisock_listen also limits its name look-up by it.
   */
  uint32_t connect_timeout_ms;
  /**
   * The first pause before the port connects again, in ms. Default: 100. The pause doubles, with jitter, up to
   * reconnect_max_ms.
   */
  uint32_t reconnect_min_ms;
  /** The longest pause before the port connects again, in ms. Default: 5000. 0: it never connects again. */
  uint32_t reconnect_max_ms;
  /**
   * How long midisock_listen keeps trying in the background if the address is in use, in ms. Default: 0, an error at
   * once. UINT32_MAX: without limit.
   */
  uint32_t listen_retry_ms;
  /**
   * A peer that no longer answers is noticed within about this time, in ms, whether or not data waits for it.
   * Default: 10000. 0: never. The system counts in whole seconds.
   */
  uint32_t keepalive_ms;
  /**
   * A peer that answers but reads nothing for this time while data waits for it is disconnected, in ms. Default: 0,
   * never.
   */
  uint32_t stall_timeout_ms;
  /**
   * How long messages may still be written to a connection after midisock_close, midisock_shutdown or
   * midisock_disconnect, in ms. Default: 1000. 0: they are offered to the system once. A peer that has closed its
   * sending side is kept no longer than this either.
   */
  uint32_t linger_ms;
  /**
   * 1 (default): when a peer leaves, midisock_pop returns releases of what the peer held. A peer that closed only
   * its sending side receives releases of what the port left on. A port that connects again first sends releases of
   * what the previous connection may have left on. 0: none of these.
   */
  uint32_t release_on_disconnect;
  /**
   * 1 (default): when the port closes a connection, the peer receives releases of what the port left on. 0: it does
   * not.
   */
  uint32_t release_on_close;
  /** 1: a merged server sends each new client the present controllers, programs and bends. 0 (default): it does not. */
  uint32_t greet;
  /** MIDISOCK_WAKE_TICK (default) or MIDISOCK_WAKE_SIGNAL. */
  uint32_t wake;
  /**
   * With MIDISOCK_WAKE_TICK: how often the network thread polls for pushes that follow no audio callback, in
   * microseconds. Default: 500. Clamped to 50 to 1000000.
   *
   * If an audio callback pushes, the network thread instead polls just after it, at most one and a half times a
   * block. While messages are pushed that are due in the next block or later, it polls once more, just before the next
   * block begins. A tick below 500 is the distance of its polls during the callback. After a second without a push it
   * polls every 8 ticks, but at least every 25 ms unless the tick is longer. A wait on a pair polls every tick.
   */
  uint32_t tick_us;
  /**
   * How long the network thread polls before it sleeps, after something came or went, and how long a wait on this
   * port polls before it sleeps, in microseconds. Default: 0. At most 1000000. Each of them keeps a core busy for
   * this time.
   *
   * The network thread of the default context uses the longest busy_poll_us of its ports. A port of another context
   * has its context's busy_poll_us, and this field must be 0. While messages of ports with MIDISOCK_WAKE_SIGNAL
   * answer one another, the network thread and all waits poll for 50 microseconds in any case.
   */
  uint32_t busy_poll_us;
  /** What midisock_pop_block adds to arrival times, in ns. Default: MIDISOCK_LATENCY_AUTO. 0: as soon as possible. */
  uint64_t latency_ns;
  /**
   * The delay that midisock_push_frame adds to the time of a frame, in ns. Default: 0. Messages keep their spacing
   * only if their times have not passed when they are pushed. MIDISOCK_LATENCY_AUTO, one block, is enough for that.
   */
  uint64_t push_latency_ns;
  /**
   * The realtime priority that the network thread requests from the system. Default: 0, none.
   *
   * On Linux and macOS it is a SCHED_FIFO priority, clamped to the system's range. On Windows any other value
   * requests time-critical. The thread serves all ports of the default context, and the highest value counts. If the
   * system refuses, the port works all the same: MIDISOCK_NOTIFY_PRIORITY_REFUSED reports the refusal, and
   * midisock_stats.network_priority the actual priority. One below the priority of the audio thread is a good value.
   * A program that learns that priority later calls midisock_set_realtime_priority. A port of a context that the
   * program made has its context's realtime_priority, and this field must be 0.
   */
  uint32_t realtime_priority;
  /**
   * The traffic class (DSCP) of the packets of TCP connections, 0 to 63. Default: 0, that of ordinary traffic. 46 is
   * expedited forwarding, which networks and Wi-Fi use for live audio. A value above 63 is an error. A refusal by
   * the system is not; Windows ignores the value.
   */
  uint32_t traffic_class;
  /**
   * The channels whose messages the port sends and midisock_pop returns: bits 0 to 15 for channels 1 to 16, bit 16
   * for system messages. Default: MIDISOCK_ALL_CHANNELS. Any other bit is an error; 0 is allowed.
   *
   * A push of any other message returns MIDISOCK_OK, and counts it in midisock_stats.filtered only. Any other
   * message that arrives counts in midisock_stats.messages_in and filtered. midisock_panic and midisock_reset send
   * on these channels only. Ports that a manual server accepts have its channels. See midisock_set_channels.
   */
  uint32_t channels;
  /**
   * MIDISOCK_TIMING_ARRIVAL (default) or MIDISOCK_TIMING_SENDER. Any other value is an error.
   *
   * With SENDER a connecting or adopted port asks its peer for the time of each message, right after the connection
   * is made. It sends an undefined MIDI status byte, F4, and data bytes, which most MIDI receivers ignore. A peer of
   * this library answers, and from then on both sides tell their times. Any other peer does not answer, and is
   * served as ever. Nothing but MIDI messages is sent to a peer unless one of the two asked. A server never asks,
   * but every port answers, so one end that asks is enough.
   *
   * Messages with a time have MIDISOCK_FLAG_TIMED, and midisock_pop_block places them by it. The ports of a pair
   * exchange times without asking.
   */
  uint32_t timing;
  /**
   * 1: others on the network can find the server with midisock_browse, by its name, or as the name of the machine
   * and "midisock" if it has none. 0 (default): they cannot, and the server sends nothing to the network by itself.
   *
   * The server is advertised by DNS-SD as "_midisock._tcp" from the time it listens until midisock_shutdown or
   * midisock_close, on every network interface where it can be reached. A server on loopback is advertised nowhere.
   * One whose name another service has gets a number: "Stage (2)". Other kinds of ports ignore the field, but on a
   * Unix socket 1 is an error. midisock_listen returns MIDISOCK_ERR_UNSUPPORTED in a build without DNS-SD.
   */
  uint32_t advertise;
  /**
   * 1: a server shares its address with other ports of its context that set this, as the instances of a plugin in a
   * DAW do. 0 (default): it does not.
   *
   * To clients the ports are one server. What a client sends reaches every port that has the channel, and what any of
   * them pushes reaches every client. A client has the same id on each, but a port whose `allow` does not hold it
   * knows nothing of it. The largest max_clients counts. midisock_disconnect, keepalive_ms and stall_timeout_ms end
   * the connection for all. When a port closes, no connection ends that another port has.
   *
   * Both Note Ons of a note that two ports play pass, and its Note Off passes once no other port holds the note. Of
   * controllers and pedals the last value counts. All Sound Off, Reset All Controllers and All Notes Off pass. A port
   * that closes releases only what no other port holds. Clients with sender time are told the name of the oldest
   * port.
   *
   * The addresses must be the same, as they were given. Port 0, a Unix socket, MIDISOCK_ACCEPT_MANUAL and
   * MIDISOCK_OVERFLOW_WAIT are MIDISOCK_ERR_INVALID_ARGUMENT with it. An address that a server without `share`, another
   * context, another copy of the library or another program has is MIDISOCK_ERR_ADDRESS_IN_USE, or waited for with
   * listen_retry_ms. Ports that connect or are adopted ignore it.
   */
  uint32_t share;
  /**
   * The context that the port belongs to. Default: NULL, the default context, which the process has once. An
   * accepted port belongs to its server's context. A pair has none.
   */
  struct midisock_context *context;
#if defined(MIDISOCK_32_BIT)
  /** Zero. It fills the place of a 64-bit pointer. */
  uint32_t reserved_after_context;
#endif
} midisock_config;

/**
 * A config with the defaults, as an initializer that calls nothing. They are those of this header: a program that may
 * run with an older library calls midisock_config_init, which leaves out what that library does not know.
 */
#define MIDISOCK_CONFIG_INIT \
    {sizeof(midisock_config), 65536, 65536, 16384, 0, 64, MIDISOCK_NULL, \
    MIDISOCK_ZERO_ON_32_BIT MIDISOCK_NULL, MIDISOCK_ZERO_ON_32_BIT 0, 500, 65536, 5000, 100, 5000, \
    0, 10000, 0, 1000, 1, 1, 0, 0, 500, 0, UINT64_MAX, 0, 0, 0, 131071, 0, 0, 0, MIDISOCK_NULL, \
    MIDISOCK_ZERO_ON_32_BIT}

/**
 * Fills a config with the defaults.
 *
 * `size` is sizeof(midisock_config) of the caller. Nothing beyond it is written. Nothing at all is written if `config`
 * is NULL or misaligned, or if `size` is below 4 or above 4096.
 *
 * [control]
 * Threads: any.
 * Returns: nothing.
 */
MIDISOCK_API void midisock_config_init(struct midisock_config *config, size_t size)
    MIDISOCK_NOEXCEPT;

/* ------------------------------------------------------------------------------------------------
 * Making and ending ports
 * ------------------------------------------------------------------------------------------------ */

/** A port. The caller owns it until midisock_close. */
typedef struct midisock_port midisock_port;

/**
 * Makes a server. It is bound and listens when the call returns, unless midisock_config.listen_retry_ms lets it bind
 * in the background.
 *
 * `host` is NULL for loopback (127.0.0.1, and ::1 if there is one), "" for every interface, or a name or address
 * ("::1" or "[::1]"). A name binds every address that it resolves to. The call waits for the look-up, for at most
 * connect_timeout_ms. `port` 0 takes a free port; midisock_local_port returns it. `config` may be NULL.
 *
 * A link-local IPv6 address needs its interface ("fe80::1%eth0").
 *
 * "unix:/path" is a Unix socket; its `port` is 0, `allow` must be NULL, and `advertise` 0. Only its user can connect:
 * the file has mode 0600. The call replaces a socket of this user that refuses connections; with any other file at the
 * path it returns MIDISOCK_ERR_ADDRESS_IN_USE. midisock_close and midisock_shutdown remove the file if it is still the
 * port's own. Its folder must be readable, because it is locked for a moment. midisock_local_port returns 0, and
 * notifications report clients with the address "unix:". On Windows (10 1803 and later) the path may begin with a drive
 * ("unix:C:/..."), the permissions of the folder decide who can connect, and a server that binds in the background does
 * not replace a socket.
 *
 * The server rejects a connection that begins with three or more data bytes (below 0x80), as HTTP, TLS and SSH do. A
 * client that sends nothing at first is announced, and receives its first messages, 10 ms (loopback) or 50 ms after it
 * connected; on a Unix socket at once.
 *
 * [control]
 * Threads: any.
 * Returns:
 * - MIDISOCK_OK: `out` is a port. The caller must close it.
 * - MIDISOCK_ERR_INVALID_ARGUMENT: `out` is NULL, a field of `config` is invalid, or `host` is a Unix socket and
 *   `port` or `advertise` is not 0 or `allow` not NULL.
 * - MIDISOCK_ERR_ADDRESS: `host` cannot be parsed or resolved, the path is too long or its folder missing, or `allow`
 *   cannot be parsed.
 * - MIDISOCK_ERR_ADDRESS_IN_USE: another socket listens on this address, or another file is at the path, and
 *   listen_retry_ms is 0.
 * - MIDISOCK_ERR_PERMISSION: the system forbids it, for instance a port number below 1024.
 * - MIDISOCK_ERR_UNREACHABLE: no interface has this address.
 * - MIDISOCK_ERR_IO: any other system error.
 * - MIDISOCK_ERR_NO_RESOURCES: memory, descriptors or threads ran out.
 * - MIDISOCK_ERR_UNSUPPORTED: the system has no Unix sockets (Windows before 10 1803), or `advertise` is 1 in a build
 *   without DNS-SD.
 * - MIDISOCK_ERR_WRONG_ROLE: `config` has a context, and its realtime_priority or busy_poll_us is not 0.
 */
MIDISOCK_API midisock_result midisock_listen(const char *host, uint16_t port,
    const struct midisock_config *config, struct midisock_port **out) MIDISOCK_NOEXCEPT;

/**
 * Makes a client. The call returns at once. The port connects in the background, and connects again when the
 * connection is lost. midisock_wait_connected waits for the connection.
 *
 * `host` is a name or an address; a link-local address needs its interface ("fe80::1%eth0"). The addresses of a name
 * are tried as in RFC 8305: the next one begins when the last one has failed or has been silent for 250 ms (less if
 * connect_timeout_ms is short), up to eight go on side by side, and the first connection that is established is used.
 * `port` is not 0. `config` may be NULL.
 *
 * "unix:/path" is a Unix socket; its `port` is 0, `allow` must be NULL, and `advertise` 0. As long as there is no
 * such file, the reason of a failed attempt is MIDISOCK_ERR_REFUSED.
 *
 * [control]
 * Threads: any.
 * Returns:
 * - MIDISOCK_OK: `out` is a port. The caller must close it.
 * - MIDISOCK_ERR_INVALID_ARGUMENT: `host` or `out` is NULL, `port` is 0 (with a Unix socket: is not 0, or `allow` is
 *   not NULL or `advertise` not 0), or a field of `config` is invalid.
 * - MIDISOCK_ERR_ADDRESS: `host` or `allow` cannot be parsed, or a path is too long. midisock_wait_connected and
 *   notifications report a name that does not resolve.
 * - MIDISOCK_ERR_NO_RESOURCES: memory, descriptors or threads ran out.
 * - MIDISOCK_ERR_UNSUPPORTED: the system has no Unix sockets (Windows before 10 1803).
 * - MIDISOCK_ERR_WRONG_ROLE: `config` has a context, and its realtime_priority or busy_poll_us is not 0.
 */
MIDISOCK_API midisock_result midisock_connect(const char *host, uint16_t port,
    const struct midisock_config *config, struct midisock_port **out) MIDISOCK_NOEXCEPT;

/**
 * Takes the next client of a manual server, as a port of its own.
 *
 * A client that has left in the meantime is returned too, with the messages that it sent. The port stays open when the
 * server is closed.
 *
 * `timeout_ms` is the time limit: 0 does not wait, -1 waits without limit.
 *
 * [control]
 * Threads: any.
 * Returns:
 * - MIDISOCK_OK: `out` is a port. The caller must close it.
 * - MIDISOCK_EMPTY: no client waits, and `timeout_ms` is 0.
 * - MIDISOCK_ERR_INVALID_ARGUMENT: `server` or `out` is NULL, or `timeout_ms` is below -1.
 * - MIDISOCK_ERR_WRONG_ROLE: the port is not a manual server.
 * - MIDISOCK_ERR_TIMEOUT: no client came in time.
 * - MIDISOCK_ERR_CLOSED: the server was shut down.
 */
MIDISOCK_API midisock_result midisock_accept(struct midisock_port *server, int32_t timeout_ms,
    struct midisock_port **out) MIDISOCK_NOEXCEPT;

/**
 * Makes a port of a connected stream socket that the caller made: TCP, Unix, or one end of a socketpair.
 *
 * It is for connections that a host makes in its own way: through TLS, out of a sandbox, or by socket activation. The
 * state is MIDISOCK_STATE_CONNECTED at once, with MIDISOCK_NOTIFY_CONNECTED. When the connection ends, the port is
 * closed for good. `config` may be NULL. `allow`, max_clients and the fields for listening and connecting have no
 * effect; keepalive_ms and traffic_class have one only on TCP.
 *
 * On success the socket is the port's, which closes it: it no longer blocks, and programs that are executed do not
 * inherit it. On an error it stays the caller's, unchanged. `socket` is a descriptor, on Windows a SOCKET.
 *
 * [control]
 * Threads: any.
 * Returns:
 * - MIDISOCK_OK: `out` is a port. The caller must close it.
 * - MIDISOCK_ERR_INVALID_ARGUMENT: `socket` is not a connected stream socket, `out` is NULL, or a field of `config` is
 *   invalid.
 * - MIDISOCK_ERR_NO_RESOURCES: memory, descriptors or threads ran out.
 * - MIDISOCK_ERR_WRONG_ROLE: `config` has a context, and its realtime_priority or busy_poll_us is not 0.
 */
MIDISOCK_API midisock_result midisock_adopt(intptr_t socket, const struct midisock_config *config,
    struct midisock_port **out) MIDISOCK_NOEXCEPT;

/**
 * Makes two ports that are joined in memory, without a socket and without the network thread.
 *
 * A message that is pushed into one can be popped from the other at once. It keeps the time_ns that it was pushed
 * with; 0 becomes the time of the push. A time ahead does not delay it. Pairs serve deterministic tests of plugins,
 * and routing within a process. `config` may be NULL.
 *
 * [control]
 * Threads: any.
 * Returns:
 * - MIDISOCK_OK: `a` and `b` are ports. The caller must close each of them.
 * - MIDISOCK_ERR_INVALID_ARGUMENT: `a` or `b` is NULL, they are the same place, or a field of `config` is invalid.
 * - MIDISOCK_ERR_ADDRESS: `allow` cannot be parsed.
 * - MIDISOCK_ERR_NO_RESOURCES: memory ran out.
 */
MIDISOCK_API midisock_result midisock_pair(const struct midisock_config *config,
    struct midisock_port **a, struct midisock_port **b) MIDISOCK_NOEXCEPT;

/**
 * Changes the realtime priority that this port requests for the network thread. See midisock_config.realtime_priority.
 *
 * It is for programs that learn the priority of their audio thread later, or whose audio thread changes it. `priority`
 * 0 requests none. Ports that a server accepts later request what the server's config says. A pair has no network
 * thread, so the call has no effect on it. A context that the program made has its own realtime_priority.
 *
 * The call does not wait for the change. midisock_stats.network_priority is the actual priority, and
 * MIDISOCK_NOTIFY_PRIORITY_REFUSED reports each refusal.
 *
 * [control]
 * Threads: any.
 * Returns:
 * - MIDISOCK_OK: the request was noted.
 * - MIDISOCK_ERR_INVALID_ARGUMENT: `port` is NULL.
 * - MIDISOCK_ERR_WRONG_ROLE: the port belongs to a context that the program made.
 * - MIDISOCK_ERR_CLOSED: the port is closed.
 */
MIDISOCK_API midisock_result midisock_set_realtime_priority(struct midisock_port *port,
    uint32_t priority) MIDISOCK_NOEXCEPT;

/**
 * Begins the orderly end of a port, without blocking. A second call has no effect. The port still has to be closed.
 *
 * Waits on the port end with MIDISOCK_ERR_CLOSED, and later pushes return it. Messages in the in queue, and the
 * releases of what peers held, can still be popped. Messages that are due, and scheduled ones that end something at a
 * peer, are written within linger_ms.
 *
 * [control]
 * Threads: any.
 * Returns:
 * - MIDISOCK_OK: the end has begun.
 * - MIDISOCK_ERR_INVALID_ARGUMENT: `port` is NULL.
 */
MIDISOCK_API midisock_result midisock_shutdown(struct midisock_port *port) MIDISOCK_NOEXCEPT;

/**
 * Closes a port and frees it. NULL has no effect.
 *
 * The network thread writes pushed messages that are due, within linger_ms. The call does not wait for that, unless
 * this is the last port of the default context: then it waits, and joins the network thread. When the call returns, a
 * server's address is free again. Ports that the server accepted stay open.
 *
 * [control]
 * Threads: one, which comes last. No other call on this port may be running or follow. Data of popped messages becomes
 * invalid.
 * Returns: nothing.
 */
MIDISOCK_API void midisock_close(struct midisock_port *port) MIDISOCK_NOEXCEPT;

/**
 * Splits "host:port", "[ipv6]:port", "[ipv6%interface]:port" or ":port", which has an empty host. "unix:/path" is a
 * host as a whole, and its port is 0.
 *
 * `host` receives the host without brackets, and a NUL. A capacity of 256 is always enough.
 *
 * [control]
 * Threads: any.
 * Returns:
 * - MIDISOCK_OK: `host` and `port` are set. On an error neither is.
 * - MIDISOCK_ERR_ADDRESS: the address cannot be parsed, or its path is too long.
 * - MIDISOCK_ERR_INVALID_ARGUMENT: a pointer is NULL, or `host_capacity` is too small.
 */
MIDISOCK_API midisock_result midisock_parse_address(const char *address, char *host,
    size_t host_capacity, uint16_t *port) MIDISOCK_NOEXCEPT;

/* ------------------------------------------------------------------------------------------------
 * Messages
 * ------------------------------------------------------------------------------------------------ */

/** @name Flags of a popped message
 * @{ */
/** The library made the message. The peer did not send it. */
#define MIDISOCK_FLAG_SYNTHETIC 1
/**
 * With SYNTHETIC: another client of this merged server still holds this note or pedal. A program that ignores `client`
 * should ignore the message.
 */
#define MIDISOCK_FLAG_STILL_HELD 2
/**
 * `time_ns` is not when the message arrived but when the sender meant it, on this machine's clock. It may lie ahead.
 * See midisock_config.timing.
 */
#define MIDISOCK_FLAG_TIMED 4
/** @} */

/** A message as it is pushed or popped. Frozen: it will not grow. */
typedef struct midisock_message {
  /**
   * pop: when the message arrived, or with MIDISOCK_FLAG_TIMED when the sender meant it. push: when to send it, at
   * most 10 s ahead; 0 or a time in the past means now. See midisock_now_ns.
   */
  uint64_t time_ns;
  /**
   * One whole MIDI 1.0 message, which begins with the status byte. On pop it points into the port's memory, is
   * contiguous, and stays valid until the next pop, pop_block or skip on this port, or its close.
   */
  const uint8_t *data;
  /** Bytes of data. */
  uint32_t size;
  /**
   * pop: the id of the client that sent it, or 0 if the port is not a merged server. push: 0 for all clients, or the
   * id of one.
   */
  uint32_t client;
  /** midisock_pop_block: the offset into the block, in frames. Otherwise 0. Ignored on push. */
  uint32_t frame;
  /** pop: MIDISOCK_FLAG_SYNTHETIC, MIDISOCK_FLAG_STILL_HELD, MIDISOCK_FLAG_TIMED. Ignored on push. */
  uint32_t flags;
#if !defined(MIDISOCK_32_BIT)
  /** Zero. */
  uint32_t reserved[2];
#endif
#if defined(MIDISOCK_32_BIT)
  /** Zero. The last element fills the place of a 64-bit pointer. */
  uint32_t reserved[3];
#endif
} midisock_message;

/**
 * Sends one whole message now, to the peer or to all clients. The bytes begin with the status byte and are copied. The
 * message is queued whole or not at all.
 *
 * A repairing port (midisock_config.overflow) counts a message that it refuses with FULL, and restores its channel
 * state later, so it need not be pushed again. With MIDISOCK_OVERFLOW_WAIT push it again when there is room. Without a
 * peer, every port counts the message in dropped_out. A connecting port applies it to the channel state that it
 * restores on the next connection. A merged server with midisock_config.greet applies it to the state that it sends to
 * new clients.
 *
 * With MIDISOCK_WAKE_SIGNAL the call makes at most one non-blocking system call, and only while the network thread
 * sleeps.
 *
 * [realtime]
 * Threads: the pushing thread.
 * Returns:
 * - MIDISOCK_OK: the message is queued. A message of a channel that the port does not have (midisock_set_channels)
 *   is not queued, and counts in filtered only.
 * - MIDISOCK_OFFLINE: no peer is connected. The message is not queued.
 * - MIDISOCK_ERR_INVALID_ARGUMENT: `port` or `data` is NULL.
 * - MIDISOCK_ERR_INVALID_MESSAGE: the bytes are not exactly one whole message.
 * - MIDISOCK_ERR_TOO_LARGE: the message is longer than max_message_bytes.
 * - MIDISOCK_ERR_FULL: the queue has no room.
 * - MIDISOCK_ERR_CLOSED: the port is closed.
 * - MIDISOCK_ERR_WRONG_ROLE: the port is a manual server.
 * - MIDISOCK_ERR_BUSY: another thread pushes (debug builds).
 */
MIDISOCK_API midisock_result midisock_push(struct midisock_port *port, const uint8_t *data,
    size_t size) MIDISOCK_REALTIME;

/**
 * Sends one whole message to one client or to all, now or at a time up to 10 s ahead.
 *
 * Messages leave in order of time, then of pushing. A message for now counts with the time of its push. There is one
 * exception: a Note Off never overtakes its own Note On. If its note does not sound yet, it waits for the next
 * scheduled Note On of that note that has no Note Off.
 *
 * Scheduled messages take up to out_queue_bytes, where each counts 24 bytes beside its own. When the port is closed,
 * those that end something at the peer are sent at once, and the others are dropped. See midisock_cancel.
 *
 * The call treats refused messages as midisock_push does, and may make a system call like it.
 *
 * [realtime]
 * Threads: the pushing thread.
 * Returns:
 * - MIDISOCK_OK: the message is queued. A message of a channel that the port does not have (midisock_set_channels)
 *   is not queued, and counts in filtered only.
 * - MIDISOCK_OFFLINE: no peer is connected. The message is not queued.
 * - MIDISOCK_ERR_INVALID_ARGUMENT: `port`, `message` or its data is NULL, or its time is more than 10 s ahead.
 * - MIDISOCK_ERR_INVALID_MESSAGE: the bytes are not exactly one whole message.
 * - MIDISOCK_ERR_TOO_LARGE: the message is longer than max_message_bytes.
 * - MIDISOCK_ERR_FULL: the queue has no room, or too much is scheduled.
 * - MIDISOCK_ERR_CLOSED: the port is closed.
 * - MIDISOCK_ERR_NO_SUCH_CLIENT: `client` is not 0, and the port is not a merged server or has no such client.
 * - MIDISOCK_ERR_WRONG_ROLE: the port is a manual server.
 * - MIDISOCK_ERR_BUSY: another thread pushes (debug builds).
 */
MIDISOCK_API midisock_result midisock_push_message(struct midisock_port *port,
    const struct midisock_message *message) MIDISOCK_REALTIME;

/**
 * Drops scheduled messages: those that midisock_push_message or midisock_push_frame queued for a time ahead, and that
 * were not sent yet. They count in dropped_out.
 *
 * Messages that end something at the peer are kept, and leave at their times: the Note Off of a sounding note; the end
 * of a pedal, of pressure and of a bend; All Sound Off, All Notes Off and the modes that imply it while a note sounds;
 * Reset All Controllers if it has something to reset; Stop while a sequencer runs. Messages that were pushed for now
 * are sent.
 *
 * Dropped programs and controllers are not restored. A program that goes on after midisock_cancel pushes them again.
 *
 * The call always has room. It may make a system call as midisock_push does. On a pair nothing is ever scheduled.
 *
 * [realtime]
 * Threads: the pushing thread.
 * Returns:
 * - MIDISOCK_OK: the messages are dropped.
 * - MIDISOCK_ERR_INVALID_ARGUMENT: `port` is NULL.
 * - MIDISOCK_ERR_CLOSED: the port is closed.
 * - MIDISOCK_ERR_WRONG_ROLE: the port is a manual server.
 * - MIDISOCK_ERR_BUSY: another thread pushes (debug builds).
 */
MIDISOCK_API midisock_result midisock_cancel(struct midisock_port *port) MIDISOCK_REALTIME;

/**
 * Takes the next message, in order of arrival.
 *
 * With a handle for messages (midisock_wait_handle), the first call that finds the queue empty makes one system call,
 * which does not block.
 *
 * [realtime]
 * Threads: the popping thread.
 * Returns:
 * - MIDISOCK_OK: `out` is the message.
 * - MIDISOCK_EMPTY: no message waits. Messages of channels that the port does not have (midisock_set_channels) are not
 *   given, and count in filtered only.
 * - MIDISOCK_ERR_INVALID_ARGUMENT: `port` or `out` is NULL.
 * - MIDISOCK_ERR_CLOSED: the port is closed, and no message will come.
 * - MIDISOCK_ERR_WRONG_ROLE: the port is a manual server.
 * - MIDISOCK_ERR_BUSY: another thread pops (debug builds).
 */
MIDISOCK_API midisock_result midisock_pop(struct midisock_port *port, struct midisock_message *out)
    MIDISOCK_REALTIME;

/**
 * Throws away the messages that wait to be popped. It is for a program that returns after a pause and does not want to
 * play old messages.
 *
 * The next pops return the difference in channel state, marked MIDISOCK_FLAG_SYNTHETIC: Note Offs of notes that were
 * released during the pause, and the present controllers, programs, bends and other state. No note begins late.
 *
 * The next pops read what was thrown away, once for each client that sent it. One call reads at most a thousand
 * messages. So after a long pause midisock_pop may return MIDISOCK_EMPTY several times before the difference comes.
 *
 * With a handle for messages, a call that finds the queue empty may make a system call as midisock_pop does.
 *
 * [realtime]
 * Threads: the popping thread.
 * Returns:
 * - MIDISOCK_OK: the messages are thrown away, or none waited.
 * - MIDISOCK_ERR_INVALID_ARGUMENT: `port` is NULL.
 * - MIDISOCK_ERR_CLOSED: the port is closed, and no message will come.
 * - MIDISOCK_ERR_WRONG_ROLE: the port is a manual server.
 * - MIDISOCK_ERR_BUSY: another thread pops (debug builds).
 */
MIDISOCK_API midisock_result midisock_skip(struct midisock_port *port) MIDISOCK_REALTIME;

/**
 * Silences all peers now. It drops all messages that were pushed before and are not sent, scheduled ones too, and
 * sends All Sound Off (CC 120, value 0) on 16 channels. A message that is partly written is finished.
 *
 * The call always has room. It may make a system call as midisock_push does.
 *
 * [realtime]
 * Threads: any.
 * Returns:
 * - MIDISOCK_OK: the request was noted.
 * - MIDISOCK_OFFLINE: no peer is connected. The request changes only the channel state that the port remembers.
 * - MIDISOCK_ERR_INVALID_ARGUMENT: `port` is NULL.
 * - MIDISOCK_ERR_CLOSED: the port is closed.
 * - MIDISOCK_ERR_WRONG_ROLE: the port is a manual server.
 */
MIDISOCK_API midisock_result midisock_panic(struct midisock_port *port) MIDISOCK_REALTIME;

/**
 * Sends All Notes Off (CC 123, value 0) and Reset All Controllers (CC 121, value 0) on each of 16 channels to all
 * peers, after the messages that were pushed before, and after scheduled ones that are due now.
 *
 * The call always has room. It may make a system call as midisock_push does.
 *
 * [realtime]
 * Threads: any.
 * Returns:
 * - MIDISOCK_OK: the request was noted.
 * - MIDISOCK_OFFLINE: no peer is connected. The request changes only the channel state that the port remembers.
 * - MIDISOCK_ERR_INVALID_ARGUMENT: `port` is NULL.
 * - MIDISOCK_ERR_CLOSED: the port is closed.
 * - MIDISOCK_ERR_WRONG_ROLE: the port is a manual server.
 */
MIDISOCK_API midisock_result midisock_reset(struct midisock_port *port) MIDISOCK_REALTIME;

/* ------------------------------------------------------------------------------------------------
 * Audio blocks
 * ------------------------------------------------------------------------------------------------ */

/** @name Flags of an audio block
 * @{ */
/**
 * The host does not render in real time. All messages are at frame 0, and the estimate of the callback's times is
 * frozen.
 */
#define MIDISOCK_BLOCK_FREEWHEEL 1
/** The transport or the audio graph was stopped before this block. */
#define MIDISOCK_BLOCK_DISCONTINUITY 2
/** `position` is the host's frame counter. */
#define MIDISOCK_BLOCK_HAS_POSITION 4
/**
 * `start_ns` is the device's own time of the block's first frame, in the time of midisock_now_ns, and already smooth.
 * The library takes it as it is. It must not be 0.
 */
#define MIDISOCK_BLOCK_DEVICE_TIME 8
/** @} */

/** One call of an audio callback. Begin with MIDISOCK_BLOCK_INIT, then set at least sample_rate and frames. */
typedef struct midisock_block {
  /** sizeof(midisock_block) of the caller. Bytes beyond this struct's fields must be zero. */
  uint32_t struct_size;
  /**
   * Any of MIDISOCK_BLOCK_FREEWHEEL, MIDISOCK_BLOCK_DISCONTINUITY, MIDISOCK_BLOCK_HAS_POSITION and
   * MIDISOCK_BLOCK_DEVICE_TIME, or 0.
   */
  uint32_t flags;
  /**
   * midisock_now_ns() at the start of the callback. 0: the library reads the clock. With MIDISOCK_BLOCK_DEVICE_TIME
   * the device's time of the first frame.
   */
  uint64_t start_ns;
  /** Frames per second: 1 to 10000000. */
  double sample_rate;
  /** Frames of the block: 0 to 2^24. */
  uint32_t frames;
  /** Zero. */
  uint32_t reserved;
  /**
   * With MIDISOCK_BLOCK_HAS_POSITION the host's own frame counter at the first frame of the block, such as CLAP's
   * steady_time or JACK's frame time: 0 or more. It counts on evenly, and is never a song position, which may loop.
   * Without the flag it has no meaning.
   */
  int64_t position;
} midisock_block;

/** A block that says nothing yet, as an initializer that calls nothing. */
#define MIDISOCK_BLOCK_INIT \
    {sizeof(midisock_block), 0, 0, 0.0, 0, 0, 0}

/**
 * Begins an audio block. Call it once per callback, before midisock_pop_block and midisock_push_frame.
 *
 * A block may have any number of frames, also 0. A host may divide a period into slices: a call that follows within a
 * quarter of the playing time of the frames before belongs to the same period. A jump of more than two periods, as
 * after a stop of the plugin, is noticed without MIDISOCK_BLOCK_DISCONTINUITY.
 *
 * With MIDISOCK_BLOCK_HAS_POSITION the library guesses less. Frames that the counter skips are a dropout, and the
 * estimate goes on past them. Time that passes while the counter stands still is a stop. A call before the counter has
 * reached the end of the previous block is a slice of the same period. A counter that goes back is a discontinuity.
 *
 * With MIDISOCK_BLOCK_DEVICE_TIME the library estimates nothing: the frames of the block follow start_ns evenly, at
 * sample_rate.
 *
 * [realtime]
 * Threads: the popping thread.
 * Returns:
 * - MIDISOCK_OK: the block has begun.
 * - MIDISOCK_ERR_INVALID_ARGUMENT: a pointer is NULL, struct_size is wrong, a flag is unknown, a reserved or unknown
 *   field is not zero, the sample rate is out of range or not finite, or the block has too many frames. With
 *   MIDISOCK_BLOCK_HAS_POSITION also: the position is negative, or struct_size ends before it. With
 *   MIDISOCK_BLOCK_DEVICE_TIME also: start_ns is 0.
 * - MIDISOCK_ERR_WRONG_ROLE: the port is a manual server.
 * - MIDISOCK_ERR_BUSY: another thread pops (debug builds).
 */
MIDISOCK_API midisock_result midisock_begin_block(struct midisock_port *port,
    const struct midisock_block *block) MIDISOCK_REALTIME;

/**
 * Takes the next message that belongs to the block. Its `frame` is in [0, frames) and never decreases within the
 * block. Messages for later blocks stay in the queue.
 *
 * A message is placed at its arrival time, or with MIDISOCK_FLAG_TIMED at its sender's time, plus
 * midisock_config.latency_ns. One that comes too late for that is at the beginning of the block, and with
 * MIDISOCK_FLAG_TIMED counts in midisock_stats.late_in. The library removes the callback's jitter
 * by a delay-locked loop (F. Adriaensen, "Using a DLL to filter time", Linux Audio Conference 2005), so messages keep
 * the spacing at which they arrived. With latency 0 nothing is smoothed, and waiting messages are at the beginning of
 * the block.
 *
 * With a handle for messages, a call that finds the queue empty may make a system call as midisock_pop does.
 *
 * [realtime]
 * Threads: the popping thread.
 * Returns:
 * - MIDISOCK_OK: `out` is the message.
 * - MIDISOCK_EMPTY: no other message belongs to this block. Messages of channels that the port does not have
 *   (midisock_set_channels) are not given, and count in filtered only.
 * - MIDISOCK_ERR_INVALID_ARGUMENT: `port` or `out` is NULL, or no block has begun.
 * - MIDISOCK_ERR_CLOSED: the port is closed, and no message will come.
 * - MIDISOCK_ERR_WRONG_ROLE: the port is a manual server.
 * - MIDISOCK_ERR_BUSY: another thread pops (debug builds).
 */
MIDISOCK_API midisock_result midisock_pop_block(struct midisock_port *port,
    struct midisock_message *out) MIDISOCK_REALTIME;

/**
 * Sends one whole message at the time of a frame of the block, to the peer or to all clients.
 *
 * The time is the smoothed time of the frame plus midisock_config.push_latency_ns. If it has passed, or with
 * MIDISOCK_BLOCK_FREEWHEEL, the message is sent now. The call treats refused messages as midisock_push does, and may
 * make a system call like it.
 *
 * [realtime]
 * Threads: the thread that called midisock_begin_block. It must be the pushing thread as well.
 * Returns:
 * - MIDISOCK_OK: the message is queued. A message of a channel that the port does not have (midisock_set_channels)
 *   is not queued, and counts in filtered only.
 * - MIDISOCK_OFFLINE: no peer is connected. The message is not queued.
 * - MIDISOCK_ERR_INVALID_ARGUMENT: `port` or `data` is NULL, `frame` is beyond the block, no block has begun, or the
 *   time is more than 10 s ahead.
 * - MIDISOCK_ERR_INVALID_MESSAGE: the bytes are not exactly one whole message.
 * - MIDISOCK_ERR_TOO_LARGE: the message is longer than max_message_bytes.
 * - MIDISOCK_ERR_FULL: the queue has no room, or too much is scheduled.
 * - MIDISOCK_ERR_CLOSED: the port is closed.
 * - MIDISOCK_ERR_WRONG_ROLE: the port is a manual server.
 * - MIDISOCK_ERR_BUSY: another thread pushes or pops (debug builds).
 */
MIDISOCK_API midisock_result midisock_push_frame(struct midisock_port *port, uint32_t frame,
    const uint8_t *data, size_t size) MIDISOCK_REALTIME;

/* ------------------------------------------------------------------------------------------------
 * Changing a live port
 * ------------------------------------------------------------------------------------------------ */

/**
 * Changes who may connect to a server. `allow` is as in midisock_config.allow; NULL allows any address.
 *
 * Clients that are connected and no longer allowed are disconnected in good order. Messages that are due for them are
 * written first, within linger_ms. They receive releases of what the server left on, and midisock_pop returns releases
 * of what they held, each unless the config turns it off. MIDISOCK_NOTIFY_CLIENT_LEFT follows for each, with the reason
 * MIDISOCK_ERR_PERMISSION. On a manual server this includes the ports that it accepted, which get
 * MIDISOCK_NOTIFY_DISCONNECTED with that reason, and clients that wait for midisock_accept. A client that has sent
 * nothing and is not announced yet is closed without a notification and counts in midisock_stats.rejected.
 *
 * When the call returns, the clients that are no longer allowed no longer belong to the server, and newcomers are
 * checked against the new list. A server that waits for its address (MIDISOCK_STATE_BINDING) keeps the list for later.
 *
 * [control]
 * Threads: any.
 * Returns:
 * - MIDISOCK_OK: the list has taken effect.
 * - MIDISOCK_ERR_INVALID_ARGUMENT: `server` is NULL, or listens on a Unix socket and `allow` is not NULL.
 * - MIDISOCK_ERR_WRONG_ROLE: the port is not a server.
 * - MIDISOCK_ERR_CLOSED: the server is closed.
 * - MIDISOCK_ERR_ADDRESS: `allow` cannot be parsed. Nothing has changed.
 */
MIDISOCK_API midisock_result midisock_set_allow(struct midisock_port *server, const char *allow)
    MIDISOCK_NOEXCEPT;

/**
 * Changes the name of a port, which is for the people at the other end. `name` is up to 63 bytes of UTF-8 without
 * control characters. NULL and "" mean no name.
 *
 * Peers with which sender time is in use are told, and a server with midisock_config.advertise is found under the new
 * name. One change a second counts. Ports that a manual server accepts
 * later begin with the server's name.
 *
 * [control]
 * Threads: any.
 * Returns:
 * - MIDISOCK_OK: the name has changed.
 * - MIDISOCK_ERR_INVALID_ARGUMENT: `port` is NULL, or `name` is too long, is not UTF-8 or has a control character.
 *   Nothing has changed.
 * - MIDISOCK_ERR_CLOSED: the port is closed.
 */
MIDISOCK_API midisock_result midisock_set_name(struct midisock_port *port, const char *name)
    MIDISOCK_NOEXCEPT;

/**
 * Changes midisock_config.latency_ns and push_latency_ns. MIDISOCK_LATENCY_AUTO is a value of both.
 *
 * Both take effect at the next midisock_begin_block. Messages that are scheduled keep their times, and
 * midisock_push_frame never schedules a message before those of earlier blocks: after a shorter push_latency_ns the
 * next messages are sent as soon as those have been. Ports that a manual server accepts later begin with the
 * server's latencies.
 *
 * [control]
 * Threads: any.
 * Returns:
 * - MIDISOCK_OK: the latencies are stored.
 * - MIDISOCK_ERR_INVALID_ARGUMENT: `port` is NULL.
 * - MIDISOCK_ERR_CLOSED: the port is closed.
 */
MIDISOCK_API midisock_result midisock_set_latency(struct midisock_port *port, uint64_t latency_ns,
    uint64_t push_latency_ns) MIDISOCK_NOEXCEPT;

/**
 * Changes midisock_config.channels.
 *
 * Unsent messages of the channels that are removed are dropped, scheduled ones included, and count in
 * midisock_stats.dropped_out. The peer then receives releases of what it holds on those channels, as when the port
 * closes, whatever release_on_close says. From those channels midisock_pop returns only the releases of what they
 * hold, with MIDISOCK_FLAG_SYNTHETIC; all other messages count in midisock_stats.filtered.
 *
 * For channels that are added, midisock_pop returns the present state of the peer's channels, as after midisock_skip:
 * controllers, programs and bends, but no notes. The port sends the peer nothing again.
 *
 * A push that begins after the call has returned uses the new channels. The rest takes effect at the network thread's
 * next turn, which the call causes, or on a pair with the other port's next pop. Ports that a manual server accepts
 * later begin with the server's channels; those that it accepted before keep theirs.
 *
 * [control]
 * Threads: any.
 * Returns:
 * - MIDISOCK_OK: the channels have changed.
 * - MIDISOCK_ERR_INVALID_ARGUMENT: `port` is NULL, or a bit beyond MIDISOCK_ALL_CHANNELS is set.
 * - MIDISOCK_ERR_CLOSED: the port is closed.
 */
MIDISOCK_API midisock_result midisock_set_channels(struct midisock_port *port, uint32_t channels)
    MIDISOCK_NOEXCEPT;

/* ------------------------------------------------------------------------------------------------
 * State and counters
 * ------------------------------------------------------------------------------------------------ */

/** @name States of a port
 * @{ */
/** A server whose address is in use, and that tries again. See midisock_config.listen_retry_ms. */
#define MIDISOCK_STATE_BINDING 1
/** A server that accepts clients. */
#define MIDISOCK_STATE_LISTENING 2
/** A connecting port without a connection, which tries to make one. */
#define MIDISOCK_STATE_CONNECTING 3
/** A connecting, accepted or adopted port, or one of a pair, that has its peer. */
#define MIDISOCK_STATE_CONNECTED 4
/** The port was shut down, or its peer has gone and the port does not connect again. */
#define MIDISOCK_STATE_CLOSED 5
/** @} */

/**
 * Returns the state of a port.
 *
 * [realtime]
 * Threads: any.
 * Returns: one of MIDISOCK_STATE_*. It is 0 if `port` is NULL.
 */
MIDISOCK_API int32_t midisock_state(const struct midisock_port *port) MIDISOCK_REALTIME;

/**
 * Returns how many clients are connected to a server.
 *
 * The number includes clients that were not announced yet, because they have sent nothing. See midisock_listen.
 *
 * [realtime]
 * Threads: any.
 * Returns: the number. It is 0 if the port is not a server or NULL.
 */
MIDISOCK_API uint32_t midisock_client_count(const struct midisock_port *port) MIDISOCK_REALTIME;

/**
 * Returns the TCP port number that a server is bound to, or that a connected port uses. An accepted port has its
 * server's.
 *
 * [realtime]
 * Threads: any.
 * Returns: the number. It is 0 if there is none, as on a pair or a Unix socket, and if `port` is NULL.
 */
MIDISOCK_API uint16_t midisock_local_port(const struct midisock_port *port) MIDISOCK_REALTIME;

/** Counters since the port was made. Each is consistent by itself. */
typedef struct midisock_stats {
  /** Whole messages received, dropped ones included. */
  uint64_t messages_in;
  /** Messages written to peers. A message for two clients counts twice. */
  uint64_t messages_out;
  /** Bytes received. */
  uint64_t bytes_in;
  /** Bytes written. */
  uint64_t bytes_out;
  /** Received messages that could not be popped, because the in queue had no room. */
  uint64_t dropped_in;
  /**
   * Messages not sent: pushed while no peer was connected, dropped because a peer was congested or left, or dropped
   * by midisock_cancel, midisock_panic or the end of the port. With REPAIR also messages that midisock_push refused
   * with FULL.
   */
  uint64_t dropped_out;
  /** Dropped messages that a difference in channel state does not restore, such as SysEx, clock and Note Ons. */
  uint64_t unrepaired;
  /**
   * Bytes from peers that belong to no message, among them one or two data bytes at the beginning of a
   * connection.
   */
  uint64_t invalid_bytes;
  /** Received SysEx longer than max_message_bytes. */
  uint64_t oversize_in;
  /** Messages that the library made: releases and differences in channel state. */
  uint64_t synthesized;
  /** Connections made or accepted. */
  uint64_t connections;
  /** Connections that ended. */
  uint64_t disconnections;
  /**
   * Connections that the server rejected because of allow, max_clients or a lack of resources, or because they began
   * with three or more data bytes, as HTTP, TLS and SSH do. Also those that left a manual server before
   * midisock_accept, and whose ports gave way to newcomers. One that was already announced also counts in
   * connections and disconnections.
   */
  uint64_t rejected;
  /** What midisock_pop_block adds to arrival times and senders' times at present, in ns. */
  uint64_t latency_ns;
  /** How often the network thread of the context woke. 0 on a pair, like the three fields below. */
  uint64_t network_wakes;
  /** How much later than planned the network thread wakes, in ns: a mean over about 64 times. */
  uint64_t network_late_ns;
  /** The longest such delay, in ns. */
  uint64_t network_late_max_ns;
  /** The realtime priority of the network thread. 0: none. See midisock_config.realtime_priority. */
  uint64_t network_priority;
  /** Messages of channels that are not in midisock_config.channels: pushed and not sent, or received and not given. */
  uint64_t filtered;
  /** Messages that came with a sender's time. See MIDISOCK_FLAG_TIMED. */
  uint64_t timed_in;
  /**
   * Of those, messages that midisock_pop_block placed at the beginning of a block because they came too late for
   * their place by the port's latency. A latency of 0 places nothing by time, and nothing is late.
   */
  uint64_t late_in;
  /** How far the estimate of the sender's clock may be off, in ns: the worst of the peers. 0: none is known. */
  uint64_t clock_error_ns;
  /**
   * What the network takes now, in ns: the high-water mark that MIDISOCK_LATENCY_AUTO covers. 0: no peer tells its
   * times.
   */
  uint64_t transit_ns;
} midisock_stats;

/**
 * Reads the counters of a port. `size` is sizeof(midisock_stats) of the caller. Nothing beyond it is written, and
 * counters that the library does not know are 0.
 *
 * [realtime]
 * Threads: any.
 * Returns:
 * - MIDISOCK_OK: `stats` is filled.
 * - MIDISOCK_ERR_INVALID_ARGUMENT: a pointer is NULL, or `size` is below 8 or above 4096.
 */
MIDISOCK_API midisock_result midisock_get_stats(const struct midisock_port *port,
    struct midisock_stats *stats, size_t size) MIDISOCK_REALTIME;

/* ------------------------------------------------------------------------------------------------
 * Waiting
 * ------------------------------------------------------------------------------------------------ */

/** @name What to wait for
 * @{ */
/** midisock_pop has a message. */
#define MIDISOCK_WAIT_MESSAGE 1
/**
 * After MIDISOCK_ERR_FULL: half of the out queue and of the schedule is free, and nothing refused is still to be sent.
 */
#define MIDISOCK_WAIT_ROOM 2
/** midisock_poll_notification has a notification. */
#define MIDISOCK_WAIT_NOTIFICATION 4
/** midisock_accept has a client. */
#define MIDISOCK_WAIT_CLIENT 8
/** @} */

/**
 * Waits for any of `events`, a combination of MIDISOCK_WAIT_*.
 *
 * A closed port ends every wait: with MIDISOCK_OK while midisock_pop still has a message, then with
 * MIDISOCK_ERR_CLOSED.
 *
 * `timeout_ms` is the time limit: 0 checks once, -1 waits without limit.
 *
 * [control]
 * Threads: any.
 * Returns:
 * - MIDISOCK_OK: one of the events has come.
 * - MIDISOCK_ERR_INVALID_ARGUMENT: `port` is NULL, `events` is 0 or has unknown bits, or `timeout_ms` is below -1.
 * - MIDISOCK_ERR_WRONG_ROLE: none of the events can ever happen on this kind of port.
 * - MIDISOCK_ERR_TIMEOUT: none of the events came in time.
 * - MIDISOCK_ERR_CLOSED: the port is closed, and no message will come.
 */
MIDISOCK_API midisock_result midisock_wait(struct midisock_port *port, uint32_t events,
    int32_t timeout_ms) MIDISOCK_NOEXCEPT;

/**
 * Waits for any of `events` on any of `count` ports.
 *
 * A closed port ends the wait as in midisock_wait, unless another port is ready. `index`, which may be NULL, receives
 * the index of the port that is ready or closed.
 *
 * `timeout_ms` is the time limit: 0 checks once, -1 waits without limit.
 *
 * [control]
 * Threads: any.
 * Returns:
 * - MIDISOCK_OK: one of the events has come on the port at `index`.
 * - MIDISOCK_ERR_INVALID_ARGUMENT: `ports` or one of them is NULL, `count` is 0 or above 65536, `events` is 0 or has
 *   unknown bits, `timeout_ms` is below -1, or one port has a context with MIDISOCK_CONTEXT_HOST and another port does
 *   not have the same one.
 * - MIDISOCK_ERR_WRONG_ROLE: none of the events can ever happen on any of the ports.
 * - MIDISOCK_ERR_TIMEOUT: none of the events came in time.
 * - MIDISOCK_ERR_CLOSED: the port at `index` is closed, and none of its messages is left. `index` is written.
 */
MIDISOCK_API midisock_result midisock_wait_any(struct midisock_port *const *ports, size_t count,
    uint32_t events, int32_t timeout_ms, size_t *index) MIDISOCK_NOEXCEPT;

/**
 * Returns a handle for the event loop of another library: a descriptor, on Windows an event object, that is readable
 * (signalled) while there is a message, a notification or a client. It fits poll, epoll, kqueue, GLib, Qt, libuv,
 * CLAP's posix-fd-support and JUCE.
 *
 * `what` is one of MIDISOCK_WAIT_MESSAGE, MIDISOCK_WAIT_NOTIFICATION and MIDISOCK_WAIT_CLIENT. Each has its own
 * handle, and a second call returns the same one. midisock_close closes it; the caller never closes, reads or writes
 * it. Take it out of the event loop before midisock_close.
 *
 * The handle is level-triggered: it stays readable until the reason is gone. For messages that is when midisock_pop,
 * midisock_pop_block or midisock_skip has found the queue empty, so take messages until MIDISOCK_EMPTY. While messages
 * wait for a later block, it stays readable. Once the port is closed, it stays readable for good. If two threads
 * change it at the same moment, it may be readable for a moment without a reason.
 *
 * With the handle for messages, the first midisock_pop, midisock_pop_block or midisock_skip that finds the queue empty
 * makes one system call, which does not block; a second one if a message arrives at that very moment. Do not take one
 * for a port whose messages an audio thread pops. A port without a handle pays nothing.
 *
 * [control]
 * Threads: any.
 * Returns:
 * - MIDISOCK_OK: `out` is the handle.
 * - MIDISOCK_ERR_INVALID_ARGUMENT: `port` or `out` is NULL, or `what` is not exactly one of the three.
 * - MIDISOCK_ERR_UNSUPPORTED: the port is one of a pair.
 * - MIDISOCK_ERR_WRONG_ROLE: MIDISOCK_WAIT_CLIENT on a port that is not a manual server, or MIDISOCK_WAIT_MESSAGE on a
 *   manual server.
 * - MIDISOCK_ERR_NO_RESOURCES, _IO: the system gives none.
 */
MIDISOCK_API midisock_result midisock_wait_handle(struct midisock_port *port, uint32_t what,
    intptr_t *out) MIDISOCK_NOEXCEPT;

/**
 * Waits until a port is connected.
 *
 * `timeout_ms` is the time limit: 0 checks once, -1 waits without limit.
 *
 * [control]
 * Threads: any.
 * Returns:
 * - MIDISOCK_OK: the port is connected.
 * - MIDISOCK_ERR_INVALID_ARGUMENT: `port` is NULL, or `timeout_ms` is below -1.
 * - MIDISOCK_ERR_WRONG_ROLE: the port is a server.
 * - MIDISOCK_ERR_CLOSED: the port was shut down, or its peer has gone.
 * - MIDISOCK_ERR_TIMEOUT: the time limit passed, and no attempt has failed since the last connection, if any.
 * - MIDISOCK_ERR_ADDRESS, _REFUSED, _UNREACHABLE, _PERMISSION, _IO, _NO_RESOURCES, _TIMEOUT: why the last attempt
 *   failed. It is returned when the time limit passes, or at once if the port does not try again.
 */
MIDISOCK_API midisock_result midisock_wait_connected(struct midisock_port *port, int32_t timeout_ms)
    MIDISOCK_NOEXCEPT;

/**
 * Waits until all messages that are due were handed to the system. It wakes the network thread.
 *
 * It does not wait for messages that are scheduled for later, nor for congested peers of a repairing port. On a pair
 * it returns at once.
 *
 * `timeout_ms` is the time limit: 0 returns what the network thread finds when it checks at once, -1 waits without
 * limit.
 *
 * [control]
 * Threads: any.
 * Returns:
 * - MIDISOCK_OK: the messages were handed to the system. A server's messages for a client that has left do not count
 *   while other clients are connected.
 * - MIDISOCK_OFFLINE: some of the messages were lost with their connection, and no peer is left.
 * - MIDISOCK_ERR_INVALID_ARGUMENT: `port` is NULL, or `timeout_ms` is below -1.
 * - MIDISOCK_ERR_TIMEOUT: the time limit has passed.
 * - MIDISOCK_ERR_CLOSED: the port is closed.
 * - MIDISOCK_ERR_WRONG_ROLE: the port is a manual server.
 */
MIDISOCK_API midisock_result midisock_flush(struct midisock_port *port, int32_t timeout_ms)
    MIDISOCK_NOEXCEPT;

/* ------------------------------------------------------------------------------------------------
 * Notifications and clients
 * ------------------------------------------------------------------------------------------------ */

/** @name Kinds of notifications
 * @{ */
/** A port that midisock_connect or midisock_adopt made has a connection. */
#define MIDISOCK_NOTIFY_CONNECTED 1
/**
 * An attempt to connect failed, or to bind with listen_retry_ms. While attempts go on, it is reported once per change
 * of reason.
 */
#define MIDISOCK_NOTIFY_CONNECT_FAILED 2
/**
 * The connection of the port ended, or a server gave up binding. The reason is MIDISOCK_OK if the peer closed the
 * connection in good order.
 */
#define MIDISOCK_NOTIFY_DISCONNECTED 3
/** A client of this server joined. */
#define MIDISOCK_NOTIFY_CLIENT_JOINED 4
/** A client of this server left. The reason is MIDISOCK_OK if the connection was closed in good order. */
#define MIDISOCK_NOTIFY_CLIENT_LEFT 5
/**
 * Messages are being dropped: a peer does not read fast enough, or, if `client` is 0 and `address` is empty, the in
 * queue is full.
 */
#define MIDISOCK_NOTIFY_CONGESTED 6
/** The end of MIDISOCK_NOTIFY_CONGESTED, with the same client and address. */
#define MIDISOCK_NOTIFY_RECOVERED 7
/**
 * The system refuses the realtime priority that this port requests. reason and os_error say why. The port works all
 * the same.
 */
#define MIDISOCK_NOTIFY_PRIORITY_REFUSED 8
/**
 * A peer with which sender time is in use told its name, or another one. See midisock_client_name and
 * midisock_peer_name. At most one waits for each client.
 */
#define MIDISOCK_NOTIFY_CLIENT_NAMED 9
/** The clock of a peer is known: its messages have its times from now on. See midisock_config.timing. */
#define MIDISOCK_NOTIFY_CLOCK_LOCKED 10
/**
 * The clock of a peer is not known any more: it jumped, as when a machine slept, or the peer does not answer.
 * Messages have the times of their arrival until the clock is known again.
 */
#define MIDISOCK_NOTIFY_CLOCK_LOST 11
/** @} */

/** An event in the life of a port's connections. Frozen: it will not grow. */
typedef struct midisock_notification {
  /** When it happened. See midisock_now_ns. */
  uint64_t time_ns;
  /**
   * MIDISOCK_NOTIFY_CONNECTED, _CONNECT_FAILED, _DISCONNECTED, _CLIENT_JOINED, _CLIENT_LEFT, _CONGESTED, _RECOVERED,
   * _PRIORITY_REFUSED, _CLIENT_NAMED, _CLOCK_LOCKED or _CLOCK_LOST. Ignore kinds that you do not know.
   */
  int32_t kind;
  /** Why it happened. MIDISOCK_OK if there is no error. */
  midisock_result reason;
  /** The id of the client that it is about. 0: the port itself. */
  uint32_t client;
  /** The system's error number behind the reason, or 0. */
  int32_t os_error;
  /**
   * The peer's address, such as "192.168.1.7:5000", "[::1]:5000" or "unix:/run/midi.sock", as midisock_parse_address
   * accepts it. "unix:" is a Unix socket without a path, such as a client's, or with one that does not fit. Empty if
   * there is no address.
   */
  char address[64];
  /** Zero. */
  uint32_t reserved[2];
} midisock_notification;

/**
 * Takes the next notification.
 *
 * The queue of notifications is bounded. If some had to be left out, joins and leaves still come in pairs.
 * Notifications can be taken from a closed port as well.
 *
 * [control]
 * Threads: any.
 * Returns:
 * - MIDISOCK_OK: `out` is the notification.
 * - MIDISOCK_EMPTY: no notification waits.
 * - MIDISOCK_ERR_INVALID_ARGUMENT: a pointer is NULL.
 */
MIDISOCK_API midisock_result midisock_poll_notification(struct midisock_port *port,
    struct midisock_notification *out) MIDISOCK_NOEXCEPT;

/**
 * Returns the address of a client of a merged server, as notifications have it.
 *
 * `buffer` receives the text and a NUL. A capacity of 64 is always enough.
 *
 * [control]
 * Threads: any.
 * Returns:
 * - MIDISOCK_OK: `buffer` has the address.
 * - MIDISOCK_ERR_INVALID_ARGUMENT: a pointer is NULL, or `capacity` is too small.
 * - MIDISOCK_ERR_NO_SUCH_CLIENT: no client with this id is connected.
 * - MIDISOCK_ERR_WRONG_ROLE: the port is not a merged server.
 */
MIDISOCK_API midisock_result midisock_client_address(struct midisock_port *server, uint32_t client,
    char *buffer, size_t capacity) MIDISOCK_NOEXCEPT;

/**
 * Returns the address of the peer of a connected, accepted or adopted port, as notifications have it.
 *
 * `buffer` receives the text and a NUL. A capacity of 64 is always enough. Without a peer now, the text is empty.
 *
 * [control]
 * Threads: any.
 * Returns:
 * - MIDISOCK_OK: `buffer` has the address, or an empty text.
 * - MIDISOCK_ERR_INVALID_ARGUMENT: a pointer is NULL, or `capacity` is too small.
 * - MIDISOCK_ERR_WRONG_ROLE: the port is a server, or one of a pair.
 */
MIDISOCK_API midisock_result midisock_peer_address(struct midisock_port *port, char *buffer,
    size_t capacity) MIDISOCK_NOEXCEPT;

/**
 * Returns the name that a client of a merged server told.
 *
 * Clients with which sender time is in use tell their names. See midisock_config.timing and midisock_config.name. A
 * name is valid UTF-8: what is not, and control and bidirectional characters, are U+FFFD.
 *
 * `buffer` receives the text and a NUL. A capacity of 64 is always enough.
 *
 * [control]
 * Threads: any.
 * Returns:
 * - MIDISOCK_OK: `buffer` has the name. It is empty if the client told none.
 * - MIDISOCK_ERR_INVALID_ARGUMENT: a pointer is NULL, or `capacity` is too small.
 * - MIDISOCK_ERR_NO_SUCH_CLIENT: no client with this id is connected.
 * - MIDISOCK_ERR_WRONG_ROLE: the port is not a merged server.
 */
MIDISOCK_API midisock_result midisock_client_name(struct midisock_port *server, uint32_t client,
    char *buffer, size_t capacity) MIDISOCK_NOEXCEPT;

/**
 * Returns the name that the peer of a connected, accepted or adopted port told. See midisock_client_name.
 *
 * `buffer` receives the text and a NUL. A capacity of 64 is always enough. Without a peer now, the text is empty.
 *
 * [control]
 * Threads: any.
 * Returns:
 * - MIDISOCK_OK: `buffer` has the name. It is empty if the peer told none.
 * - MIDISOCK_ERR_INVALID_ARGUMENT: a pointer is NULL, or `capacity` is too small.
 * - MIDISOCK_ERR_WRONG_ROLE: the port is a server, or one of a pair.
 */
MIDISOCK_API midisock_result midisock_peer_name(struct midisock_port *port, char *buffer,
    size_t capacity) MIDISOCK_NOEXCEPT;

/**
 * Returns the ids of the clients of a merged server, in the order in which they connected.
 *
 * `count` receives the number of clients, even if it is above `capacity`. The call writes at most `capacity` ids to
 * `ids`, which may be NULL if only the number is wanted. They are the clients that midisock_client_count counts: they
 * include those that connected a moment ago, even before MIDISOCK_NOTIFY_CLIENT_JOINED. A client that connects or
 * leaves during the call may be left out.
 *
 * [control]
 * Threads: any.
 * Returns:
 * - MIDISOCK_OK: `ids` and `count` are written. After midisock_shutdown the clients leave, and soon there are none.
 * - MIDISOCK_ERR_INVALID_ARGUMENT: `server` or `count` is NULL.
 * - MIDISOCK_ERR_WRONG_ROLE: the port is not a merged server. Each client of a manual server is a port of its own.
 */
MIDISOCK_API midisock_result midisock_clients(struct midisock_port *server, uint32_t *ids,
    size_t capacity, size_t *count) MIDISOCK_NOEXCEPT;

/**
 * Disconnects a client of a merged server in good order. Messages that are due for it are written first, within
 * linger_ms.
 *
 * When the call returns, the client no longer belongs to the server. MIDISOCK_NOTIFY_CLIENT_LEFT follows.
 * midisock_close on an accepted port does the same for a client of a manual server.
 *
 * [control]
 * Threads: any.
 * Returns:
 * - MIDISOCK_OK: the client no longer belongs to the server.
 * - MIDISOCK_ERR_INVALID_ARGUMENT: `server` is NULL.
 * - MIDISOCK_ERR_NO_SUCH_CLIENT: no client with this id is connected.
 * - MIDISOCK_ERR_WRONG_ROLE: the port is not a merged server.
 * - MIDISOCK_ERR_CLOSED: the server is closed.
 */
MIDISOCK_API midisock_result midisock_disconnect(struct midisock_port *server, uint32_t client)
    MIDISOCK_NOEXCEPT;

/* ------------------------------------------------------------------------------------------------
 * Finding one another
 * ------------------------------------------------------------------------------------------------ */

/** @name Kinds of a midisock_service
 * @{ */
/** A server has come. */
#define MIDISOCK_SERVICE_FOUND 1
/** A server has another address or port. */
#define MIDISOCK_SERVICE_CHANGED 2
/** A server has gone. */
#define MIDISOCK_SERVICE_LOST 3
/** @} */

/** A handle that browses the network. The caller owns it until midisock_browser_close. */
typedef struct midisock_browser midisock_browser;

/**
 * A server on the network: one that was found, or has changed or gone.
 *
 * Texts end with NUL. They come from the network and are cleaned: invalid UTF-8, control and bidirectional characters
 * become U+FFFD.
 */
typedef struct midisock_service {
  /** One of MIDISOCK_SERVICE_*. */
  int32_t kind;
  /** The TCP port number, as midisock_connect takes it. */
  uint16_t port;
  /** Zero. */
  uint16_t reserved;
  /** The server's name, which no other server has at the same time. */
  char name[64];
  /** The name of its machine. */
  char host[256];
  /** Its address, as midisock_connect takes it for a host. It is an IPv4 address if the server has one. */
  char address[64];
} midisock_service;

/**
 * Starts to look for servers on the network with midisock_config.advertise, of this program too.
 *
 * It asks by DNS-SD for services of the type "_midisock._tcp" on all network interfaces but loopback, until the last
 * browser of the process is closed. One thread does this for all browsers and all servers that are advertised. It is
 * joined when the last of them is closed. Anyone on the network can announce any name and any address: show them to
 * the user and let the user choose.
 *
 * [control]
 * Threads: any.
 * Returns:
 * - MIDISOCK_OK: `out` is a browser. The caller must close it.
 * - MIDISOCK_ERR_INVALID_ARGUMENT: `out` is NULL.
 * - MIDISOCK_ERR_NO_RESOURCES: memory, descriptors or threads ran out.
 * - MIDISOCK_ERR_UNSUPPORTED: the library was built without DNS-SD.
 */
MIDISOCK_API midisock_result midisock_browse(struct midisock_browser **out) MIDISOCK_NOEXCEPT;

/**
 * Returns the next change in the list of servers. A new browser first gets a FOUND for each server that is known.
 *
 * There is one entry for each name. A server that changes several times before this call is reported once, as it is
 * now, and one that has come and gone is not reported. At most 256 servers are known at a time; others are ignored.
 * A server whose machine went away without a word is reported as LOST within its record's lifetime, 2 minutes for those
 * of this library.
 *
 * `size` is sizeof(midisock_service) of the caller. Nothing beyond it is written, and fields that the library does not
 * know are 0.
 *
 * [control]
 * Threads: any.
 * Returns:
 * - MIDISOCK_OK: `service` is filled.
 * - MIDISOCK_EMPTY: nothing has changed since the last call.
 * - MIDISOCK_ERR_INVALID_ARGUMENT: a pointer is NULL, or `size` is below 8 or above 4096.
 */
MIDISOCK_API midisock_result midisock_browser_next(struct midisock_browser *browser,
    struct midisock_service *service, size_t size) MIDISOCK_NOEXCEPT;

/**
 * Waits until midisock_browser_next has something to return.
 *
 * `timeout_ms` is the time limit: 0 does not wait, -1 waits without limit.
 *
 * [control]
 * Threads: any.
 * Returns:
 * - MIDISOCK_OK: there is a change.
 * - MIDISOCK_ERR_TIMEOUT: there was none in time.
 * - MIDISOCK_ERR_INVALID_ARGUMENT: `browser` is NULL, or `timeout_ms` is below -1.
 */
MIDISOCK_API midisock_result midisock_browser_wait(struct midisock_browser *browser,
    int32_t timeout_ms) MIDISOCK_NOEXCEPT;

/**
 * Closes a browser. NULL does nothing. No other call on it may be running or follow.
 *
 * [control]
 * Threads: any.
 * Returns: nothing.
 */
MIDISOCK_API void midisock_browser_close(struct midisock_browser *browser) MIDISOCK_NOEXCEPT;

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* MIDISOCK_MIDISOCK_H */
