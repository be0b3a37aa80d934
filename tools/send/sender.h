/* A port to send on, with back pressure: nothing is lost, and a message that does
 * not fit waits for room. Messages from the peer are thrown away, so that a peer
 * which sends everything back is never blocked. Functions that return int give 0, or -1
 * where the program has to end: an error, which has been reported on standard
 * error, or a request to stop. */
#ifndef MIDISOCK_TOOLS_SENDER_H
#define MIDISOCK_TOOLS_SENDER_H

#include "../common/address.h"
#include "../common/held.h"

struct sender {
    midisock_port *port;
    struct address address;
    int listening;
    struct held held;  /* what is sounding now */
    uint64_t last_due; /* the latest time for which anything was scheduled */
    uint64_t messages, bytes;
    int timed_out; /* no peer came in time */

    int32_t timeout_ms;
    uint32_t round_trip_ms; /* as long as connecting took, or less */
    uint32_t clients;
    char reason[120];/* why a connection failed or ended last, or "" */
    int failed;      /* that was not in good order */
};

/* Opens the port and waits for its peer: `timeout_ms` (-1: for ever); with
 * `retry` a refused connection is tried again. */
int sender_open(struct sender *sender, const midisock_config *config, int32_t timeout_ms, int retry);

/* Sends at `time_ns` (midisock_now_ns), 0: now. */
int sender_push(struct sender *sender, const uint8_t *data, size_t size, uint64_t time_ns);
int sender_panic(struct sender *sender);

/* Lets the time pass. */
int sender_sleep(struct sender *sender, uint32_t milliseconds);

/* Throws away messages that have come in, and reports a lost connection. */
int sender_check(struct sender *sender);

/* Waits until all that was pushed has been handed to the system. */
int sender_drain(struct sender *sender);

/* Releases all that is sounding, after all scheduled messages; also when the
 * program is to stop. */
void sender_release(struct sender *sender);

/* Before the port is closed: did the peer refuse what it got? */
int sender_settle(struct sender *sender);
void sender_close(struct sender *sender);

#endif
