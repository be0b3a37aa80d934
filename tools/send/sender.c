#include "sender.h"

#include "../common/cli.h"
#include "../common/output.h"
#include "../common/platform.h"
#include "../common/reason.h"

#include <stdio.h>

/* No wait is longer: a signal does not end one. */
#define STOP_CHECK_MS 100
/* While something is written what comes in has to be thrown away. */
#define DISCARD_MS 5
#define TAKEN_AT_ONCE 4096 /* so that a flood does not keep the program from its work */
#define RELEASE_MS 500 /* how long a peer that does not read may delay the end */
/* A server that turns a client away first accepts the connection, then closes
 * it; and so does a client that only checks whether a port is open. That becomes
 * known within a round trip, and the 50 ms after which the library reports the
 * end of a connection on which nothing was said. */
#define BEGIN_MS 100
/* What was sent last may be refused, too: that is reported at once. */
#define END_MS 20
#define MAX_ROUND_TRIP_MS 250
#define IN_QUEUE_BYTES (1u << 18)

static uint64_t passed_ms(uint64_t start)
{
    return (midisock_now_ns() - start) / 1000000;
}

/* How long to wait now, where `timeout_ms` has begun at `start`. */
static int32_t slice(uint64_t start, int32_t timeout_ms, int32_t longest)
{
    int64_t left;
    if (timeout_ms < 0)
        return longest;
    left = timeout_ms - (int64_t)passed_ms(start);
    return left <= 0 ? 0 : left < longest ? (int32_t)left : longest;
}

static void note(struct sender *sender, const midisock_notification *notification)
{
    switch (notification->kind) {
    case MIDISOCK_NOTIFY_CLIENT_JOINED: sender->clients++; break;
    case MIDISOCK_NOTIFY_CLIENT_LEFT: sender->clients -= sender->clients > 0; /* fall through */
    case MIDISOCK_NOTIFY_CONNECT_FAILED:
    case MIDISOCK_NOTIFY_DISCONNECTED:
        snprintf(sender->reason, sizeof sender->reason, "%s", reason_of_end(notification));
        sender->failed = notification->reason != MIDISOCK_OK;
        break;
    default: break;
    }
}

/* Takes what has come in: messages, which are thrown away, and notifications. */
static void take(struct sender *sender)
{
    midisock_message message;
    midisock_notification notification;
    int i;
    for (i = 0; i < TAKEN_AT_ONCE && midisock_pop(sender->port, &message) == MIDISOCK_OK; i++)
        ;
    while (midisock_poll_notification(sender->port, &notification) == MIDISOCK_OK)
        note(sender, &notification);
}

static void wait_and_take(struct sender *sender, uint32_t events, int32_t wait_ms)
{
    midisock_result result =
        midisock_wait(sender->port, events | MIDISOCK_WAIT_MESSAGE | MIDISOCK_WAIT_NOTIFICATION, wait_ms);
    take(sender);
    if (result == MIDISOCK_ERR_CLOSED) /* it does not wait then */
        platform_nap();
}

static int has_peer(const struct sender *sender)
{
    return sender->listening ? sender->clients > 0 : midisock_state(sender->port) == MIDISOCK_STATE_CONNECTED;
}

/* Whether the peer stays so long, and the time of two round trips. */
static int peer_stays(struct sender *sender, uint32_t milliseconds)
{
    uint64_t start = midisock_now_ns();
    int32_t whole = (int32_t)(milliseconds + 2 * sender->round_trip_ms);
    while (has_peer(sender) && passed_ms(start) < (uint64_t)whole && !platform_stopped())
        wait_and_take(sender, 0, slice(start, whole, STOP_CHECK_MS));
    return has_peer(sender);
}

static int lost(struct sender *sender)
{
    const char *reason;
    take(sender);
    reason = sender->reason[0] != '\0' ? sender->reason : midisock_strerror(MIDISOCK_ERR_CLOSED);
    if (platform_stopped())
        return -1;
    if (sender->listening)
        cli_message("%s: no client is connected any more: %s", sender->address.text, reason);
    else if (sender->messages == 0)
        cli_message("%s does not accept the connection: %s", sender->address.text, reason);
    else
        cli_message("the connection to %s is lost: %s", sender->address.text, reason);
    return -1;
}

static int wait_for_server(struct sender *sender, int32_t timeout_ms)
{
    uint64_t start = midisock_now_ns();
    for (;;) {
        int32_t wait_ms = slice(start, timeout_ms, STOP_CHECK_MS);
        midisock_result result = midisock_wait_connected(sender->port, wait_ms);
        take(sender);
        if (platform_stopped())
            return -1;
        if (result == MIDISOCK_OK)
            break;
        if (result == MIDISOCK_ERR_CLOSED || midisock_state(sender->port) == MIDISOCK_STATE_CLOSED || wait_ms == 0) {
            sender->timed_out = wait_ms == 0;
            cli_message("cannot connect to %s: %s", sender->address.text,
                        sender->reason[0] != '\0' ? sender->reason : midisock_strerror(result));
            return -1;
        }
        /* With another reason than the time it may have returned at once. */
        if (result != MIDISOCK_ERR_TIMEOUT)
            platform_sleep_ms(10);
    }
    sender->round_trip_ms = passed_ms(start) < MAX_ROUND_TRIP_MS ? (uint32_t)passed_ms(start) : MAX_ROUND_TRIP_MS;
    return peer_stays(sender, BEGIN_MS) ? 0 : lost(sender);
}

static int wait_for_client(struct sender *sender)
{
    uint64_t start = midisock_now_ns();
    do {
        int32_t wait_ms = slice(start, sender->timeout_ms, STOP_CHECK_MS);
        wait_and_take(sender, 0, wait_ms);
        if (platform_stopped())
            return -1;
        if (wait_ms == 0 && !has_peer(sender)) {
            sender->timed_out = 1;
            cli_message("no client came to %s in time", sender->address.text);
            return -1;
        }
        /* A port scan or a health check connects, and leaves at once. */
    } while (!has_peer(sender) || !peer_stays(sender, BEGIN_MS));
    return 0;
}

static int listen_for_client(struct sender *sender, const midisock_config *config)
{
    struct limits limits = {-1, -1, EXIT_TIMED_OUT};
    limits.timeout_ms = sender->timeout_ms;
    sender->port = address_listen(&sender->address, config, &limits);
    if (sender->port == NULL)
        return -1;
    output_printf("listening on %s\n", sender->address.text);
    return output_check() == 0 ? wait_for_client(sender) : -1;
}

int sender_open(struct sender *sender, const midisock_config *config, int32_t timeout_ms, int retry)
{
    midisock_config own = *config;
    sender->messages = sender->bytes = sender->last_due = 0;
    sender->timed_out = 0;
    sender->clients = 0;
    sender->reason[0] = '\0';
    sender->failed = 0;
    sender->timeout_ms = timeout_ms;
    sender->round_trip_ms = 0;
    held_clear(&sender->held);
    own.overflow = MIDISOCK_OVERFLOW_WAIT;
    if (own.in_queue_bytes < IN_QUEUE_BYTES)
        own.in_queue_bytes = IN_QUEUE_BYTES;
    if (sender->listening)
        return listen_for_client(sender, &own);
    if (!retry)
        own.reconnect_max_ms = 0;
    if (timeout_ms > 0)
        own.connect_timeout_ms = (uint32_t)timeout_ms;
    sender->port = address_connect(&sender->address, &own);
    return sender->port != NULL ? wait_for_server(sender, timeout_ms) : -1;
}

int sender_check(struct sender *sender)
{
    take(sender);
    /* Before anything was sent another client will do. */
    if (has_peer(sender) || (sender->listening && sender->messages == 0))
        return 0;
    return lost(sender);
}

int sender_sleep(struct sender *sender, uint32_t milliseconds)
{
    uint64_t start = midisock_now_ns();
    while (passed_ms(start) < milliseconds) {
        wait_and_take(sender, 0, slice(start, (int32_t)milliseconds, STOP_CHECK_MS));
        if (platform_stopped() || sender_check(sender) != 0)
            return -1;
    }
    return platform_stopped() || sender_check(sender) != 0 ? -1 : 0;
}

/* Pushes; where there is no room waits for it, `patience_ms` at most (-1: for
 * ever, or until the program is to stop). */
static midisock_result push_patiently(struct sender *sender, const midisock_message *message, int32_t patience_ms)
{
    uint64_t start = midisock_now_ns();
    midisock_result result;
    while ((result = midisock_push_message(sender->port, message)) == MIDISOCK_ERR_FULL) {
        int32_t wait_ms = slice(start, patience_ms, STOP_CHECK_MS);
        if ((patience_ms < 0 && platform_stopped()) || wait_ms == 0)
            return MIDISOCK_ERR_TIMEOUT;
        wait_and_take(sender, MIDISOCK_WAIT_ROOM, wait_ms);
        /* Room for what is sent now may be no room for what is scheduled, which
         * is counted apart: then the wait does not wait. */
        if (message->time_ns != 0)
            platform_sleep_ms(2);
    }
    return result;
}

int sender_push(struct sender *sender, const uint8_t *data, size_t size, uint64_t time_ns)
{
    midisock_message message = {0};
    midisock_result result;
    if (platform_stopped())
        return -1;
    message.time_ns = time_ns;
    message.data = data;
    message.size = (uint32_t)size;
    if (sender->listening && sender->messages == 0) {
        take(sender);
        if (!has_peer(sender) && wait_for_client(sender) != 0)
            return -1;
    }
    result = push_patiently(sender, &message, -1);
    if (result == MIDISOCK_OK) {
        held_follow(&sender->held, data, size);
        if (time_ns > sender->last_due)
            sender->last_due = time_ns;
        sender->messages++;
        sender->bytes += size;
        return 0;
    }
    if (result == MIDISOCK_ERR_TIMEOUT)
        return -1; /* stopped */
    if (result == MIDISOCK_OFFLINE || result == MIDISOCK_ERR_CLOSED)
        return lost(sender);
    cli_message("cannot send to %s: %s", sender->address.text, midisock_strerror(result));
    return -1;
}

int sender_drain(struct sender *sender)
{
    midisock_result result;
    do {
        result = midisock_flush(sender->port, DISCARD_MS);
        take(sender);
    } while (result == MIDISOCK_ERR_TIMEOUT && !platform_stopped());
    if (result == MIDISOCK_OFFLINE || result == MIDISOCK_ERR_CLOSED)
        return lost(sender);
    if (result < 0 && result != MIDISOCK_ERR_TIMEOUT)
        cli_message("cannot send to %s: %s", sender->address.text, midisock_strerror(result));
    return result == MIDISOCK_OK ? 0 : -1;
}

int sender_panic(struct sender *sender)
{
    midisock_result result;
    if (sender_drain(sender) != 0)
        return -1;
    result = midisock_panic(sender->port);
    if (result == MIDISOCK_OFFLINE || result == MIDISOCK_ERR_CLOSED)
        return lost(sender);
    held_clear(&sender->held);
    return result == MIDISOCK_OK ? 0 : -1;
}

void sender_release(struct sender *sender)
{
    midisock_message message = {0};
    uint64_t start, now;
    uint8_t data[3];
    size_t size;
    if (sender->port == NULL)
        return;
    /* In order of time, then of pushing: these come after all the others. */
    message.time_ns = sender->last_due;
    message.data = data;
    while ((size = held_release(&sender->held, data)) > 0) {
        message.size = (uint32_t)size;
        if (push_patiently(sender, &message, RELEASE_MS) != MIDISOCK_OK)
            return;
    }
    /* Not sender_sleep: this goes on though the program is to stop. */
    while ((now = midisock_now_ns()) < sender->last_due && midisock_state(sender->port) != MIDISOCK_STATE_CLOSED)
        wait_and_take(sender, 0, (int32_t)((sender->last_due - now) / 1000000 + 1));
    start = midisock_now_ns();
    while (midisock_flush(sender->port, DISCARD_MS) == MIDISOCK_ERR_TIMEOUT && passed_ms(start) < RELEASE_MS)
        take(sender);
}

int sender_settle(struct sender *sender)
{
    /* A peer that has read all and closes in good order has had everything. */
    if (peer_stays(sender, END_MS) || !sender->failed || platform_stopped())
        return 0;
    return lost(sender);
}

void sender_close(struct sender *sender)
{
    midisock_close(sender->port);
    sender->port = NULL;
}
