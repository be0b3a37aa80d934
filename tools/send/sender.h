/* A port to send on, with back pressure: nothing is lost, what does not fit
 * is waited for. Functions that return int give 0, or -1 where the program is
 * to end: an error (already told on standard error) or a request to stop. */
#ifndef MIDISOCK_TOOLS_SENDER_H
#define MIDISOCK_TOOLS_SENDER_H

#include "../common/address.h"
#include "../common/held.h"

struct sender {
    midisock_port *port;
    struct address address;
    int listening;
    struct held held;  /* what has been left sounding so far */
    uint64_t last_due; /* the latest time anything was scheduled for */
    uint64_t messages, bytes;
    int timed_out; /* nobody there in time */
};

/* Opens the port and waits for its peer: `timeout_ms` (-1: for ever), where
 * with `retry` a refused connection is tried again. */
int sender_open(struct sender *sender, const midisock_config *config, int32_t timeout_ms, int retry);

/* Sends at `time_ns` (midisock_now_ns), 0: now. */
int sender_push(struct sender *sender, const uint8_t *data, size_t size, uint64_t time_ns);

/* Until all that was pushed has been handed to the system. */
int sender_drain(struct sender *sender);
int sender_panic(struct sender *sender);

/* Is the peer still there? Says so if not. */
int sender_check(struct sender *sender);

/* Ends what was left sounding, after all that is scheduled; works when the
 * program is to stop, too. */
void sender_release(struct sender *sender);
void sender_close(struct sender *sender);

#endif
