/* Prints messages and notifications on standard output: a line of text or a JSON
 * object each. midisock-send takes the lines of text: messages and comments. */
#ifndef MIDISOCK_TOOLS_REPORT_H
#define MIDISOCK_TOOLS_REPORT_H

#include <midisock/midisock.h>

enum report_time {
    TIME_SINCE_START,
    TIME_DELTA, /* since the line before */
    TIME_OF_DAY,
    TIME_SENT, /* since the start, and beside it when the sender meant the message */
    TIME_NONE
};

struct report {
    int json;
    enum report_time time;
    size_t max_sysex; /* bytes of a SysEx shown in text, 0: all */
    uint64_t start_ns, last_ns;
    const char *peer; /* the address connected to, of a client's port */
    midisock_port *port; /* asked for the names that peers told */
};

void report_listening(const struct report *report, const char *address, uint16_t port);
void report_message(struct report *report, const midisock_message *message);
void report_notification(struct report *report, const midisock_notification *notification);

/* A line of the tool's own, with the time in front. */
#if defined(__GNUC__)
__attribute__((format(printf, 2, 3)))
#endif
void report_text(struct report *report, const char *format, ...);

#endif
