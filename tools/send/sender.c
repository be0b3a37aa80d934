#include "sender.h"

#include "../common/cli.h"
#include "../common/platform.h"

#include <stdio.h>

#define STOP_CHECK_MS 100
#define RELEASE_MS 500 /* how long a peer that does not read may delay the end */

static int32_t slice(uint64_t start, int32_t timeout_ms)
{
    int64_t left;
    if (timeout_ms < 0)
        return STOP_CHECK_MS;
    left = timeout_ms - (int64_t)((midisock_now_ns() - start) / 1000000);
    return left <= 0 ? 0 : left < STOP_CHECK_MS ? (int32_t)left : STOP_CHECK_MS;
}

/* Why the port is closed, as far as its notifications tell. */
static midisock_result reason_of_end(midisock_port *port, midisock_result otherwise)
{
    midisock_notification notification;
    while (midisock_poll_notification(port, &notification) == MIDISOCK_OK)
        if ((notification.kind == MIDISOCK_CONNECT_FAILED || notification.kind == MIDISOCK_DISCONNECTED) &&
            notification.reason != MIDISOCK_OK)
            otherwise = notification.reason;
    return otherwise;
}

static int wait_for_server(struct sender *sender, int32_t timeout_ms)
{
    uint64_t start = midisock_now_ns();
    for (;;) {
        int32_t wait_ms = slice(start, timeout_ms);
        midisock_result result = midisock_wait_connected(sender->port, wait_ms);
        if (result == MIDISOCK_OK)
            return 0;
        if (platform_stopped())
            return -1;
        if (result == MIDISOCK_ERR_CLOSED || midisock_state(sender->port) == MIDISOCK_STATE_CLOSED) {
            cli_message("cannot connect to %s: %s", sender->address.text,
                        midisock_strerror(reason_of_end(sender->port, result)));
            return -1;
        }
        if (wait_ms == 0) {
            sender->timed_out = 1;
            cli_message("cannot connect to %s: %s", sender->address.text, midisock_strerror(result));
            return -1;
        }
        /* With another reason than the time it may have returned at once. */
        if (result != MIDISOCK_ERR_TIMEOUT)
            platform_sleep_ms(10);
    }
}

static int wait_for_client(struct sender *sender, int32_t timeout_ms)
{
    uint64_t start = midisock_now_ns();
    while (midisock_client_count(sender->port) == 0) {
        midisock_notification notification;
        int32_t wait_ms = slice(start, timeout_ms);
        midisock_result result = midisock_wait(sender->port, MIDISOCK_WAIT_NOTIFICATION, wait_ms);
        if (platform_stopped())
            return -1;
        if (result != MIDISOCK_OK && result != MIDISOCK_ERR_TIMEOUT) {
            cli_message("%s: %s", sender->address.text, midisock_strerror(result));
            return -1;
        }
        while (midisock_poll_notification(sender->port, &notification) == MIDISOCK_OK)
            ;
        if (wait_ms == 0 && midisock_client_count(sender->port) == 0) {
            sender->timed_out = 1;
            cli_message("no client came to %s in time", sender->address.text);
            return -1;
        }
    }
    return 0;
}

int sender_open(struct sender *sender, const midisock_config *config, int32_t timeout_ms, int retry)
{
    midisock_config own = *config;
    sender->messages = sender->bytes = sender->last_due = 0;
    sender->timed_out = 0;
    held_clear(&sender->held);
    own.overflow = MIDISOCK_OVERFLOW_WAIT;
    if (sender->listening) {
        sender->port = address_listen(&sender->address, &own);
        if (sender->port == NULL)
            return -1;
        printf("listening on %s\n", sender->address.text);
        fflush(stdout);
        return wait_for_client(sender, timeout_ms);
    }
    if (!retry)
        own.reconnect_max_ms = 0;
    if (timeout_ms > 0)
        own.connect_timeout_ms = (uint32_t)timeout_ms;
    sender->port = address_connect(&sender->address, &own);
    return sender->port != NULL ? wait_for_server(sender, timeout_ms) : -1;
}

static int lost(struct sender *sender)
{
    if (sender->listening)
        cli_message("%s: no client is connected any more", sender->address.text);
    else
        cli_message("the connection to %s is lost: %s", sender->address.text,
                    midisock_strerror(reason_of_end(sender->port, MIDISOCK_ERR_CLOSED)));
    return -1;
}

int sender_check(struct sender *sender)
{
    if (sender->listening ? midisock_client_count(sender->port) == 0
                          : midisock_state(sender->port) != MIDISOCK_STATE_CONNECTED)
        return lost(sender);
    return 0;
}

/* Pushes; while there is no room waits for it, `patience_ms` at most (-1: for
 * ever, or until the program is to stop). */
static midisock_result push_patiently(struct sender *sender, const midisock_message *message, int32_t patience_ms)
{
    uint64_t start = midisock_now_ns();
    midisock_result result;
    while ((result = midisock_push_message(sender->port, message)) == MIDISOCK_ERR_FULL) {
        int32_t wait_ms = slice(start, patience_ms);
        if ((patience_ms < 0 && platform_stopped()) || wait_ms == 0)
            return MIDISOCK_ERR_TIMEOUT;
        /* Room for what is sent now may be no room for what is scheduled, which
         * is counted apart: then the wait does not wait. */
        if (midisock_wait(sender->port, MIDISOCK_WAIT_ROOM, wait_ms) == MIDISOCK_OK && message->time_ns != 0)
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
        result = midisock_flush(sender->port, STOP_CHECK_MS);
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
    uint64_t now = midisock_now_ns(), until;
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
    until = sender->last_due;
    while ((now = midisock_now_ns()) < until) {
        /* Not platform_sleep_ms: this goes on though the program is to stop.
         * Nobody notifies anybody now: the wait only lets the time pass. */
        midisock_notification notification;
        if (midisock_wait(sender->port, MIDISOCK_WAIT_NOTIFICATION, (int32_t)((until - now) / 1000000 + 1)) ==
            MIDISOCK_OK)
            while (midisock_poll_notification(sender->port, &notification) == MIDISOCK_OK)
                ;
        if (midisock_state(sender->port) == MIDISOCK_STATE_CLOSED)
            return;
    }
    midisock_flush(sender->port, RELEASE_MS);
}

void sender_close(struct sender *sender)
{
    midisock_close(sender->port);
    sender->port = NULL;
}
