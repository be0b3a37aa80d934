#include "report.h"

#include "cli.h"
#include "decode.h"
#include "platform.h"

#include <stdarg.h>
#include <stdio.h>

static double seconds(uint64_t ns)
{
    return (double)ns / 1e9;
}

static void print_client(uint32_t client)
{
    char text[16];
    if (client == 0)
        return;
    snprintf(text, sizeof text, "#%lu", (unsigned long)client);
    printf("%-4s ", text);
}

/* The columns before the text: when, and who. */
static void begin_line(struct report *report, uint64_t time_ns, uint32_t client)
{
    uint64_t since = report->time == TIME_DELTA ? report->last_ns : report->start_ns;
    char text[32];
    if (report->time == TIME_OF_DAY) {
        uint64_t now = midisock_now_ns();
        platform_time_of_day(now > time_ns ? now - time_ns : 0, text, sizeof text);
        printf("%s  ", text);
    } else if (report->time != TIME_NONE) {
        printf("%11.6f  ", seconds(time_ns > since ? time_ns - since : 0));
    }
    report->last_ns = time_ns;
    print_client(client);
}

static void begin_object(const struct report *report, const char *event, uint64_t time_ns, uint32_t client)
{
    printf("{\"event\":\"%s\",\"time\":%.6f,\"time_ns\":%llu", event,
           seconds(time_ns > report->start_ns ? time_ns - report->start_ns : 0), (unsigned long long)time_ns);
    if (client != 0)
        printf(",\"client\":%lu", (unsigned long)client);
}

void report_listening(const struct report *report, const char *address, uint16_t port)
{
    if (report->json) {
        fputs("{\"event\":\"listening\",\"address\":", stdout);
        json_string(stdout, address);
        printf(",\"port\":%u}\n", (unsigned)port);
    } else {
        printf("listening on %s\n", address);
    }
    fflush(stdout);
}

void report_message(struct report *report, const midisock_message *message)
{
    int synthetic = (message->flags & MIDISOCK_SYNTHETIC) != 0;
    int still_held = (message->flags & MIDISOCK_STILL_HELD) != 0;
    if (report->json) {
        begin_object(report, "message", message->time_ns, message->client);
        putchar(',');
        decode_json(stdout, message->data, message->size);
        if (synthetic)
            fputs(",\"synthetic\":true", stdout);
        if (still_held)
            fputs(",\"still_held\":true", stdout);
        puts("}");
        return;
    }
    begin_line(report, message->time_ns, message->client);
    decode_words(stdout, message->data, message->size, report->max_sysex);
    if (synthetic)
        fputs("  [released by midisock]", stdout);
    if (still_held)
        fputs("  [still held by another client]", stdout);
    putchar('\n');
}

static const char *event_name(int32_t kind)
{
    switch (kind) {
    case MIDISOCK_CONNECTED: return "connected";
    case MIDISOCK_CONNECT_FAILED: return "connect-failed";
    case MIDISOCK_DISCONNECTED: return "disconnected";
    case MIDISOCK_CLIENT_JOINED: return "joined";
    case MIDISOCK_CLIENT_LEFT: return "left";
    case MIDISOCK_CONGESTED: return "congested";
    case MIDISOCK_RECOVERED: return "recovered";
    case MIDISOCK_PRIORITY_REFUSED: return "priority-refused";
    default: return "notification";
    }
}

static const char *event_words(int32_t kind)
{
    switch (kind) {
    case MIDISOCK_CONNECTED: return "connected to";
    case MIDISOCK_CONNECT_FAILED: return "cannot connect to";
    case MIDISOCK_DISCONNECTED: return "disconnected from";
    case MIDISOCK_CLIENT_JOINED: return "joined from";
    case MIDISOCK_CLIENT_LEFT: return "left";
    case MIDISOCK_CONGESTED: return "cannot keep up: messages are dropped";
    case MIDISOCK_RECOVERED: return "keeps up again";
    case MIDISOCK_PRIORITY_REFUSED: return "no realtime priority for the network thread";
    default: return "notification";
    }
}

void report_notification(struct report *report, const midisock_notification *notification)
{
    /* An attempt that failed before there was an address names none. */
    const char *address = notification->address[0] != '\0' || notification->client != 0 || report->peer == NULL
                              ? notification->address
                              : report->peer;
    if (report->json) {
        begin_object(report, event_name(notification->kind), notification->time_ns, notification->client);
        if (address[0] != '\0') {
            fputs(",\"address\":", stdout);
            json_string(stdout, address);
        }
        if (notification->reason != MIDISOCK_OK) {
            fputs(",\"reason\":", stdout);
            json_string(stdout, midisock_strerror(notification->reason));
        }
        if (notification->os_error != 0)
            printf(",\"os_error\":%ld", (long)notification->os_error);
        puts("}");
        return;
    }
    begin_line(report, notification->time_ns, notification->client);
    if (notification->client == 0 &&
        (notification->kind == MIDISOCK_CONGESTED || notification->kind == MIDISOCK_RECOVERED))
        fputs("this program ", stdout);
    fputs(event_words(notification->kind), stdout);
    if (address[0] != '\0')
        printf(notification->kind == MIDISOCK_CLIENT_LEFT ? "  (%s)" : " %s", address);
    if (notification->reason != MIDISOCK_OK)
        printf(": %s", midisock_strerror(notification->reason));
    putchar('\n');
}

void report_text(struct report *report, const char *format, ...)
{
    va_list arguments;
    begin_line(report, midisock_now_ns(), 0);
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    putchar('\n');
    fflush(stdout);
}

static void report_loss(uint64_t count, const char *what)
{
    if (count > 0)
        cli_message("%s: %llu", what, (unsigned long long)count);
}

void report_losses(const midisock_port *port)
{
    midisock_stats stats;
    if (midisock_get_stats(port, &stats, sizeof stats) != MIDISOCK_OK)
        return;
    report_loss(stats.dropped_in, "messages dropped on arrival, for they came faster than they could be handled");
    report_loss(stats.dropped_out, "messages dropped, for a peer did not take them in time");
    report_loss(stats.oversize_in, "SysEx messages that were too long (see --max-message)");
    report_loss(stats.invalid_bytes, "bytes received that belong to no MIDI message");
    report_loss(stats.rejected, "connections rejected");
}
