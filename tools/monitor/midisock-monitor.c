/* midisock-monitor: prints the MIDI messages that come over TCP. */
#include "../common/address.h"
#include "../common/cli.h"
#include "../common/losses.h"
#include "../common/output.h"
#include "../common/platform.h"
#include "../common/report.h"
#include "browse.h"

#include <string.h>

static const char help[] = "midisock-monitor - print MIDI messages that come over TCP\n"
                           "\n"
                           "Usage:\n"
                           "  midisock-monitor [OPTIONS] [ADDRESS]             be a server (--listen)\n"
                           "  midisock-monitor [OPTIONS] --connect [ADDRESS]   connect to a server\n"
                           "  midisock-monitor [OPTIONS] --browse              list servers on the network\n"
                           "\n"
                           "Prints a line for each message, with the seconds since the start and, for a\n"
                           "server, the number of the client that sent it. A line that begins with '#'\n"
                           "tells that a client has joined or left. A server's first line is 'listening on\n"
                           "HOST:PORT'. A connection that is lost or refused is tried again for ever. What\n"
                           "is lost or rejected is reported on standard error when it happens. Runs until\n"
                           "Ctrl-C, --count or --timeout.\n"
                           "\n"
                           "ADDRESS is HOST:PORT, HOST, PORT, [IPv6]:PORT or :PORT. The default port is\n"
                           "9080, the default host this machine alone. To listen on ':PORT' or '*:PORT' is\n"
                           "to listen on every interface. Port 0 takes a free one: the first line has it.\n"
                           "To connect, also @NAME, as --browse lists it.\n"
                           "\n"
                           "Options:\n"
                           "  -l, --listen            be a server (default)\n"
                           "  -c, --connect           connect to a server\n"
                           "  -a, --allow LIST        clients that may connect: addresses and ranges, such\n"
                           "                          as '127.0.0.1,192.168.0.0/16,::1' (default: any)\n"
                           "      --max-clients N     at most N clients at once (default 64)\n"
                           "      --advertise NAME    others on the network can find this server\n"
                           "  -b, --browse            a line for each server that comes, changes or goes\n"
                           "  -n, --count N           end after N messages shown\n"
                           "  -t, --timeout SECONDS   end after this time\n"
                           "  -j, --json              one JSON object a line, for other programs\n"
                           "  -q, --quiet             messages only: no lines about clients and connections\n"
                           "      --no-realtime       leave out clock, start, stop, continue, active\n"
                           "                          sensing and reset\n"
                           "      --channel N         only messages of channel N, and those without one\n"
                           "      --full              all bytes of a SysEx, not the first 32 (JSON has all)\n"
                           "      --time FORM         start (seconds since the start, default), delta\n"
                           "                          (since the line before), clock (time of day), sent\n"
                           "                          (since the start, and beside it when the sender\n"
                           "                          meant the message, or '-'; with --connect it asks\n"
                           "                          the server for that time), or none: the message\n"
                           "                          first, then '#' and the client, and all bytes of a\n"
                           "                          SysEx\n"
                           "      --drop              never slow a sender down: drop messages that come too\n"
                           "                          fast to be printed (default: the sender waits)\n"
                           "      --max-message N     the longest SysEx taken, in bytes (default 16384)\n"
                           "  -h, --help              this text\n"
                           "  -V, --version           the version\n"
                           "\n"
                           "Channels are 0 to 15 (as in mido), note 60 is C4. What is printed of a message\n"
                           "is what midisock-send takes, and it takes whole lines from standard input; a\n"
                           "SysEx that is not shown in full is an error there. A Note Off marked '[released\n"
                           "by midisock]' was not sent by the peer: its connection ended while the note was\n"
                           "on.\n"
                           "\n"
                           "A JSON object has \"event\" (listening, message, joined, left, connected,\n"
                           "connect-failed, disconnected, congested, recovered, named, clock-locked,\n"
                           "clock-lost, found, changed, lost), \"time\" (seconds since the start), \"time_ns\"\n"
                           "(the monotonic clock) and, as it applies, \"client\", \"address\", \"port\", \"host\",\n"
                           "\"name\" and \"reason\"; a message also \"type\", \"channel\", the fields that\n"
                           "mido gives it (note, velocity, control, value, program, pitch, pos, song),\n"
                           "\"name\" (of a note), \"hex\", \"synthetic\", \"still_held\", and \"sent_ns\" if the\n"
                           "sender told when it meant the message, on the clock of \"time_ns\".\n"
                           "\n"
                           "Exit status: 0 ended by Ctrl-C, SIGTERM, --timeout or with --count reached;\n"
                           "1 an error; 2 a mistake on the command line; 3 --timeout came before --count.\n"
                           "\n"
                           "Examples:\n"
                           "  midisock-monitor :9080 --allow 192.168.0.0/16\n"
                           "  midisock-monitor --connect studio.local:9080 --no-realtime\n"
                           "  midisock-monitor :9080 -q --time none | midisock-send synth.local -\n"
                           "  midisock-monitor 0 --json | jq 'select(.type == \"note-on\").name'\n";

#define ANY_CHANNEL UINT32_MAX
#define SYSTEM_MESSAGES (UINT32_C(1) << 16)
#define BATCH 1000 /* messages before anything else has its turn */

struct monitor {
    midisock_port *port;
    struct report report;
    struct losses losses;
    int quiet, no_realtime;
    uint32_t count, seen; /* count 0: no limit */
};

static int wanted(const struct monitor *monitor, const midisock_message *message)
{
    return !monitor->no_realtime || message->data[0] < 0xf8;
}

static int enough(const struct monitor *monitor)
{
    return monitor->count > 0 && monitor->seen >= monitor->count;
}

/* Prints what happened to clients and connections. */
static void print_notifications(struct monitor *monitor)
{
    midisock_notification notification;
    while (midisock_poll_notification(monitor->port, &notification) == MIDISOCK_OK)
        if (!monitor->quiet)
            report_notification(&monitor->report, &notification);
}

/* Prints what there is now, up to a number; MIDISOCK_EMPTY: there is no more. */
static midisock_result print_messages(struct monitor *monitor)
{
    midisock_message message;
    midisock_result result = MIDISOCK_OK;
    int i;
    for (i = 0; i < BATCH && !enough(monitor) && !platform_stopped(); i++) {
        result = midisock_pop(monitor->port, &message);
        if (result != MIDISOCK_OK)
            break;
        if (!wanted(monitor, &message))
            continue;
        report_message(&monitor->report, &message);
        monitor->seen++;
    }
    return result;
}

static int run(struct monitor *monitor, int32_t timeout_ms)
{
    uint64_t start = midisock_now_ns();
    for (;;) {
        int32_t left_ms = LOSSES_CHECK_MS;
        midisock_result result;
        print_notifications(monitor);
        result = print_messages(monitor);
        losses_report(&monitor->losses, monitor->port);
        if (output_check() != 0 && !platform_stopped())
            return EXIT_FAILED;
        if (enough(monitor) || platform_stopped())
            return EXIT_DONE;
        if (result < 0) {
            cli_message("%s", midisock_strerror(result));
            return EXIT_FAILED;
        }
        if (timeout_ms >= 0) {
            uint64_t passed = (midisock_now_ns() - start) / 1000000;
            if (passed >= (uint64_t)timeout_ms)
                return monitor->count > 0 ? EXIT_TIMED_OUT : EXIT_DONE;
            if (timeout_ms - (int32_t)passed < left_ms)
                left_ms = timeout_ms - (int32_t)passed;
        }
        result = midisock_wait(monitor->port, MIDISOCK_WAIT_MESSAGE | MIDISOCK_WAIT_NOTIFICATION, left_ms);
        if (result < 0 && result != MIDISOCK_ERR_TIMEOUT) {
            cli_message("%s", midisock_strerror(result));
            return EXIT_FAILED;
        }
    }
}

static enum report_time time_form(const char *name)
{
    static const char *const names[] = {"start", "delta", "clock", "sent", "none"};
    static const enum report_time forms[] = {TIME_SINCE_START, TIME_DELTA, TIME_OF_DAY, TIME_SENT, TIME_NONE};
    size_t i;
    for (i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(name, names[i]) == 0)
            return forms[i];
    cli_usage_error("--time: '%s' is none of start, delta, clock, sent and none", name);
}

int main(int argc, char **argv)
{
    struct monitor monitor = {0};
    struct address address;
    struct limits limits;
    midisock_config config;
    int connecting = 0, browsing = 0, full = 0, drop = 0, status, words;
    uint32_t max_clients = 0, max_message = 0, channel = ANY_CHANNEL;
    int32_t timeout_ms = -1;
    const char *allow = NULL, *name = NULL, *time = "start";
    const struct cli_option options[] = {
        {'l', "listen", CLI_FLAG, &connecting, 0, 0},
        {'c', "connect", CLI_FLAG, &connecting, 1, 0},
        {'a', "allow", CLI_TEXT, &allow, 0, 0},
        {0, "max-clients", CLI_NUMBER, &max_clients, 1, 65536},
        {0, "advertise", CLI_TEXT, &name, 0, 0},
        {'b', "browse", CLI_FLAG, &browsing, 1, 0},
        {'n', "count", CLI_NUMBER, &monitor.count, 1, UINT32_MAX},
        {'t', "timeout", CLI_SECONDS, &timeout_ms, 0, 0},
        {'j', "json", CLI_FLAG, &monitor.report.json, 1, 0},
        {'q', "quiet", CLI_FLAG, &monitor.quiet, 1, 0},
        {0, "no-realtime", CLI_FLAG, &monitor.no_realtime, 1, 0},
        {0, "channel", CLI_NUMBER, &channel, 0, 15},
        {0, "full", CLI_FLAG, &full, 1, 0},
        {0, "time", CLI_TEXT, &time, 0, 0},
        {0, "drop", CLI_FLAG, &drop, 1, 0},
        {0, "max-message", CLI_NUMBER, &max_message, 1, 1u << 28},
    };
    const struct cli_program program = {"midisock-monitor", help, options, (int)(sizeof options / sizeof options[0])};

    words = cli_parse(&program, argc, argv);
    if (words > 1)
        cli_usage_error("one address only: what is '%s'?", argv[2]);
    if (browsing) {
        if (words > 0)
            cli_usage_error("--browse takes no address: what is '%s'?", argv[1]);
        platform_catch_stop();
        return browse(monitor.report.json, monitor.count, timeout_ms);
    }
    address_parse(words > 0 ? argv[1] : NULL, !connecting, &address);
    monitor.report.time = time_form(time);
    monitor.report.max_sysex = full || monitor.report.time == TIME_NONE ? 0 : 32;

    midisock_config_init(&config, sizeof config);
    config.overflow = drop ? MIDISOCK_OVERFLOW_REPAIR : MIDISOCK_OVERFLOW_WAIT;
    config.traffic_class = LIVE_TRAFFIC_CLASS;
    if (monitor.report.time == TIME_SENT)
        config.timing = MIDISOCK_TIMING_SENDER;
    config_allow_clients(&config, allow);
    if (max_clients > 0)
        config.max_clients = max_clients;
    config_allow_message(&config, max_message);
    if (channel != ANY_CHANNEL)
        config.channels = UINT32_C(1) << channel | SYSTEM_MESSAGES;
    config_advertise(&config, name, &address);

    platform_catch_stop();
    monitor.report.start_ns = monitor.report.last_ns = midisock_now_ns();
    if (connecting) {
        monitor.report.peer = address.text;
        monitor.port = address_connect(&address, &config);
    } else {
        limits.stop_status = EXIT_DONE;
        limits.timeout_ms = timeout_ms;
        limits.timeout_status = monitor.count > 0 ? EXIT_TIMED_OUT : EXIT_DONE;
        monitor.port = address_listen(&address, &config, &limits);
        if (monitor.port != NULL)
            report_listening(&monitor.report, address.text, address.port);
    }
    if (monitor.port == NULL)
        return platform_stopped() ? EXIT_DONE : EXIT_FAILED;
    monitor.report.port = monitor.port;
    status = run(&monitor, timeout_ms);
    if (status == EXIT_DONE || status == EXIT_TIMED_OUT)
        print_notifications(&monitor);
    if (output_check() != 0 && !platform_stopped())
        status = EXIT_FAILED;
    losses_report_rest(&monitor.losses, monitor.port);
    midisock_close(monitor.port);
    return status;
}
