#include "report.h"

#include "decode.h"
#include "output.h"
#include "platform.h"
#include "reason.h"
#include "text.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static double seconds(uint64_t ns)
{
    return (double)ns / 1e9;
}

static void print_time(struct report *report, uint64_t time_ns)
{
    uint64_t since = report->time == TIME_DELTA ? report->last_ns : report->start_ns;
    char text[32];
    if (report->time == TIME_OF_DAY) {
        uint64_t now = midisock_now_ns();
        platform_time_of_day(now > time_ns ? now - time_ns : 0, text, sizeof text);
        output_printf("%s  ", text);
    } else if (report->time != TIME_NONE) {
        output_printf("%11.6f  ", seconds(time_ns > since ? time_ns - since : 0));
    }
    report->last_ns = time_ns;
}

/* When the sender meant a message, which may be before the start. */
static void print_sent(const struct report *report, const midisock_message *message)
{
    if (message->flags & MIDISOCK_FLAG_TIMED)
        output_printf("%11.6f  ", (double)(int64_t)(message->time_ns - report->start_ns) / 1e9);
    else
        output_printf("%11s  ", "-");
}

/* When a message came. The library tells of a timed one only when it was meant. */
static uint64_t arrived_ns(const midisock_message *message)
{
    return message->flags & MIDISOCK_FLAG_TIMED ? midisock_now_ns() : message->time_ns;
}

static void print_client(uint32_t client)
{
    char text[16];
    if (client == 0)
        return;
    snprintf(text, sizeof text, "#%lu", (unsigned long)client);
    output_printf("%-4s ", text);
}

/* The columns before the text of a comment. */
static void begin_comment(struct report *report, uint64_t time_ns, uint32_t client)
{
    output_text("# ");
    print_time(report, time_ns);
    print_client(client);
}

static void begin_object(const struct report *report, const char *event, uint64_t time_ns, uint32_t client)
{
    output_printf("{\"event\":\"%s\",\"time\":%.6f,\"time_ns\":%llu", event,
                  seconds(time_ns > report->start_ns ? time_ns - report->start_ns : 0), (unsigned long long)time_ns);
    if (client != 0)
        output_printf(",\"client\":%lu", (unsigned long)client);
}

void report_listening(const struct report *report, const char *address, uint16_t port)
{
    if (report->json) {
        output_text("{\"event\":\"listening\",\"address\":");
        json_string(address);
        output_printf(",\"port\":%u}\n", (unsigned)port);
    } else {
        output_printf("listening on %s\n", address);
    }
    output_flush();
}

static void print_object(struct report *report, const midisock_message *message)
{
    begin_object(report, "message", arrived_ns(message), message->client);
    if (message->flags & MIDISOCK_FLAG_TIMED)
        output_printf(",\"sent_ns\":%llu", (unsigned long long)message->time_ns);
    output_text(",");
    decode_json(message->data, message->size);
    if (message->flags & MIDISOCK_FLAG_SYNTHETIC)
        output_text(",\"synthetic\":true");
    if (message->flags & MIDISOCK_FLAG_STILL_HELD)
        output_text(",\"still_held\":true");
    output_text("}\n");
}

void report_message(struct report *report, const midisock_message *message)
{
    if (report->json) {
        print_object(report, message);
        return;
    }
    print_time(report, arrived_ns(message));
    if (report->time == TIME_SENT)
        print_sent(report, message);
    /* Without a time the message comes first, for midisock-send and other programs. */
    if (report->time != TIME_NONE)
        print_client(message->client);
    decode_words(message->data, message->size, report->max_sysex);
    if (message->flags & MIDISOCK_FLAG_SYNTHETIC)
        output_text("  [released by midisock]");
    if (message->flags & MIDISOCK_FLAG_STILL_HELD)
        output_text("  [still held by another client]");
    if (report->time == TIME_NONE && message->client != 0)
        output_printf("  #%lu", (unsigned long)message->client);
    output_text("\n");
}

static const char *event_name(int32_t kind)
{
    switch (kind) {
    case MIDISOCK_NOTIFY_CONNECTED: return "connected";
    case MIDISOCK_NOTIFY_CONNECT_FAILED: return "connect-failed";
    case MIDISOCK_NOTIFY_DISCONNECTED: return "disconnected";
    case MIDISOCK_NOTIFY_CLIENT_JOINED: return "joined";
    case MIDISOCK_NOTIFY_CLIENT_LEFT: return "left";
    case MIDISOCK_NOTIFY_CONGESTED: return "congested";
    case MIDISOCK_NOTIFY_RECOVERED: return "recovered";
    case MIDISOCK_NOTIFY_PRIORITY_REFUSED: return "priority-refused";
    case MIDISOCK_NOTIFY_CLIENT_NAMED: return "named";
    case MIDISOCK_NOTIFY_CLOCK_LOCKED: return "clock-locked";
    case MIDISOCK_NOTIFY_CLOCK_LOST: return "clock-lost";
    default: return "notification";
    }
}

static const char *event_words(int32_t kind)
{
    switch (kind) {
    case MIDISOCK_NOTIFY_CONNECTED: return "connected to";
    case MIDISOCK_NOTIFY_CONNECT_FAILED: return "cannot connect to";
    case MIDISOCK_NOTIFY_DISCONNECTED: return "disconnected from";
    case MIDISOCK_NOTIFY_CLIENT_JOINED: return "joined from";
    case MIDISOCK_NOTIFY_CLIENT_LEFT: return "left";
    case MIDISOCK_NOTIFY_CONGESTED: return "cannot keep up: messages are dropped";
    case MIDISOCK_NOTIFY_RECOVERED: return "keeps up again";
    case MIDISOCK_NOTIFY_PRIORITY_REFUSED: return "no realtime priority for the network thread";
    case MIDISOCK_NOTIFY_CLIENT_NAMED: return "told its name";
    case MIDISOCK_NOTIFY_CLOCK_LOCKED: return "clock known: messages have the sender's time";
    case MIDISOCK_NOTIFY_CLOCK_LOST: return "clock not known any more: messages have the time of their arrival";
    default: return "notification";
    }
}

/* Whether a line names the address. One about a name or a clock follows the line about the connection. */
static int shows_address(int32_t kind)
{
    return kind != MIDISOCK_NOTIFY_CLIENT_NAMED && kind != MIDISOCK_NOTIFY_CLOCK_LOCKED &&
           kind != MIDISOCK_NOTIFY_CLOCK_LOST;
}

/* The name that the notification's peer told; empty if there is none, or the peer has gone. */
static void told_name(const struct report *report, const midisock_notification *notification, char name[64])
{
    midisock_result result = MIDISOCK_EMPTY;
    if (notification->kind == MIDISOCK_NOTIFY_CLIENT_NAMED && report->port != NULL)
        result = notification->client != 0 ? midisock_client_name(report->port, notification->client, name, 64)
                                           : midisock_peer_name(report->port, name, 64);
    if (result != MIDISOCK_OK)
        name[0] = '\0';
}

static void print_event_object(struct report *report, const midisock_notification *notification, const char *address,
                               const char *name)
{
    begin_object(report, event_name(notification->kind), notification->time_ns, notification->client);
    if (address[0] != '\0') {
        output_text(",\"address\":");
        json_string(address);
    }
    if (name[0] != '\0') {
        output_text(",\"name\":");
        json_string(name);
    }
    if (reason_text(notification) != NULL) {
        output_text(",\"reason\":");
        json_string(reason_text(notification));
    }
    if (notification->os_error != 0)
        output_printf(",\"os_error\":%ld", (long)notification->os_error);
    output_text("}\n");
}

void report_notification(struct report *report, const midisock_notification *notification)
{
    /* An attempt that failed before there was an address names none. */
    const char *address = notification->address[0] != '\0' || notification->client != 0 || report->peer == NULL
                              ? notification->address
                              : report->peer;
    char name[64];
    told_name(report, notification, name);
    if (report->json) {
        print_event_object(report, notification, address, name);
        return;
    }
    begin_comment(report, notification->time_ns, notification->client);
    if (notification->client == 0 &&
        (notification->kind == MIDISOCK_NOTIFY_CONGESTED || notification->kind == MIDISOCK_NOTIFY_RECOVERED))
        output_text("this program ");
    output_text(event_words(notification->kind));
    if (name[0] != '\0')
        output_printf(": %s", name);
    if (address[0] != '\0' && shows_address(notification->kind))
        output_printf(notification->kind == MIDISOCK_NOTIFY_CLIENT_LEFT ? "  (%s)" : " %s", address);
    if (reason_text(notification) != NULL)
        output_printf(": %s", reason_text(notification));
    output_text("\n");
}

void report_text(struct report *report, const char *format, ...)
{
    char text[1024], line[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    text_printable(text, strlen(text), line, sizeof line);
    begin_comment(report, midisock_now_ns(), 0);
    output_text(line);
    output_text("\n");
    output_flush();
}
