/* midisock-jack: MIDI between JACK and the network. */
#include "../common/address.h"
#include "../common/cli.h"
#include "../common/output.h"
#include "../common/platform.h"
#include "../common/reason.h"
#include "../common/report.h"
#include "bridge.h"
#include "client.h"
#include "counters.h"
#include "help.h"
#include "connections.h"

#include <jack/thread.h>

#include <stdlib.h>
#include <string.h>

/* --priority: not given. */
#define PRIORITY_AUTO UINT32_MAX
/* How often to check for a server, for connections, and for a signal. */
#define UPDATE_MS 100
/* How long the program waits at its end for JACK to take all releases. */
#define END_MS 1000

struct program {
    struct bridge bridge;
    struct connections connections;
    struct report report;
    struct counters counters;
    const char *name, *server;
    struct address address;
    int connecting, verbose, no_wait;
    int reported_waiting; /* a line said that there is no JACK server */
    int reported_trouble; /* a line said that there is no connection */
    uint32_t xruns;    /* reported so far... */
    uint64_t xruns_ns; /* ...and when */
    uint64_t latency_ns;
    uint32_t priority; /* --priority, or PRIORITY_AUTO */
};

/* A line about a problem, or the end of one: always. */
#define REPORT(program, ...) \
    ((program)->verbose ? report_text(&(program)->report, __VA_ARGS__) : cli_message(__VA_ARGS__))
/* A line with --verbose only. */
#define VERBOSE(program, ...) ((program)->verbose ? report_text(&(program)->report, __VA_ARGS__) : (void)0)

static void report_change(struct program *program, const midisock_notification *notification)
{
    const char *why = reason_of_end(notification);
    const char *address = program->address.text;
    if (notification->kind == MIDISOCK_NOTIFY_PRIORITY_REFUSED && program->priority != PRIORITY_AUTO) {
        REPORT(program, "no realtime priority for the network thread: %s", why);
        return;
    }
    if (program->verbose) {
        report_notification(&program->report, notification);
        output_flush();
        return;
    }
    switch (notification->kind) {
    case MIDISOCK_NOTIFY_CONNECT_FAILED:
        cli_message("cannot connect to %s: %s; trying again", address, why);
        program->reported_trouble = 1;
        break;
    case MIDISOCK_NOTIFY_DISCONNECTED:
        cli_message("lost the connection to %s: %s; trying again", address, why);
        program->reported_trouble = 1;
        break;
    case MIDISOCK_NOTIFY_CONNECTED:
        if (program->reported_trouble)
            cli_message("connected to %s", address);
        program->reported_trouble = 0;
        break;
    case MIDISOCK_NOTIFY_CONGESTED:
        if (notification->address[0] != '\0')
            cli_message("%s cannot keep up: messages are dropped", notification->address);
        break;
    case MIDISOCK_NOTIFY_RECOVERED:
        if (notification->address[0] != '\0')
            cli_message("%s keeps up again", notification->address);
        break;
    default: break;
    }
}

static void report_changes(struct program *program)
{
    midisock_notification notification;
    while (midisock_poll_notification(program->bridge.port, &notification) == MIDISOCK_OK)
        report_change(program, &notification);
}

/* Reports xruns, and passes a change of the latency on to JACK. */
static void update_timing(struct program *program)
{
    struct bridge *bridge = &program->bridge;
    uint32_t xruns = bridge_get(bridge, xruns);
    midisock_stats stats;
    if (xruns != program->xruns && midisock_now_ns() - program->xruns_ns >= 1000000000) {
        VERBOSE(program, "JACK: %lu xruns more", (unsigned long)(xruns - program->xruns));
        program->xruns = xruns;
        program->xruns_ns = midisock_now_ns();
    }
    if (midisock_get_stats(bridge->port, &stats, sizeof stats) != MIDISOCK_OK ||
        stats.latency_ns == program->latency_ns)
        return;
    program->latency_ns = stats.latency_ns;
    VERBOSE(program, "latency from the network to JACK: %.3f ms", (double)stats.latency_ns / 1e6);
    jack_recompute_total_latencies(bridge->client);
}

/* The network thread has to wake in time: it is realtime where JACK's threads are. */
static void follow_priority(struct program *program)
{
    jack_client_t *client = program->bridge.client;
    int priority = jack_is_realtime(client) ? jack_client_real_time_priority(client) : 0;
    if (program->priority == PRIORITY_AUTO)
        midisock_set_realtime_priority(program->bridge.port, priority > 1 ? (uint32_t)priority - 1 : priority == 1);
}

static void begin_with_jack(struct program *program)
{
    struct bridge *bridge = &program->bridge;
    const char *name = jack_get_client_name(bridge->client);
    unsigned long rate = jack_get_sample_rate(bridge->client), frames = jack_get_buffer_size(bridge->client);
    if (program->reported_waiting)
        REPORT(program, "JACK is there: client '%s', %lu Hz, %lu frames", name, rate, frames);
    else
        VERBOSE(program, "JACK: client '%s', %lu Hz, %lu frames", name, rate, frames);
    program->reported_waiting = 0;
    follow_priority(program);
}

static const char *server_name(const struct program *program)
{
    const char *name = program->server != NULL ? program->server : getenv("JACK_DEFAULT_SERVER");
    return name != NULL ? name : "default";
}

/* Makes a client if there is none, and updates its connections. EXIT_DONE: go on. */
static int update_jack(struct program *program)
{
    struct bridge *bridge = &program->bridge;
    if (bridge->client != NULL && bridge_get(bridge, gone)) {
        const char *reason = client_gone_reason();
        client_close(bridge);
        connections_lost(&program->connections);
        REPORT(program, "the JACK server '%s' has gone%s%s", server_name(program), reason[0] ? ": " : "", reason);
        if (program->no_wait)
            return EXIT_FAILED;
        program->reported_waiting = 1;
    }
    if (bridge->client == NULL) {
        if (!client_open(bridge, program->name, program->server)) {
            if (!program->reported_waiting)
                REPORT(program, "there is no JACK server '%s'%s", server_name(program),
                     program->no_wait ? "" : ": waiting for it");
            program->reported_waiting = 1;
            return program->no_wait ? EXIT_FAILED : EXIT_DONE;
        }
        begin_with_jack(program);
    }
    connections_update(&program->connections, bridge);
    bridge_set(bridge, flowing, 1);
    update_timing(program);
    return EXIT_DONE;
}

static int run(struct program *program)
{
    while (!platform_stopped()) {
        midisock_result result;
        int status = update_jack(program);
        if (status != EXIT_DONE)
            return status;
        report_changes(program);
        counters_report(&program->counters, &program->bridge);
        result = midisock_wait(program->bridge.port, MIDISOCK_WAIT_NOTIFICATION, UPDATE_MS);
        if (result == MIDISOCK_ERR_CLOSED) {
            cli_message("%s: %s", program->address.text, midisock_strerror(result));
            return EXIT_FAILED;
        }
    }
    return EXIT_DONE;
}

/* Waits until the process callback has run `cycles` times, if JACK lets it. */
static void wait_cycles(struct bridge *bridge, uint32_t cycles, uint64_t until_ns)
{
    uint32_t start = bridge_get(bridge, cycles);
    while (bridge_get(bridge, cycles) - start < cycles && !bridge_get(bridge, gone) && midisock_now_ns() < until_ns)
        platform_nap();
}

/* Gives JACK the releases of notes that sound there, then ends the client. */
static void end_with_jack(struct bridge *bridge)
{
    uint64_t until_ns = midisock_now_ns() + (uint64_t)END_MS * 1000000;
    midisock_shutdown(bridge->port);
    if (bridge->client == NULL)
        return;
    while (!bridge_get(bridge, ended) && !bridge_get(bridge, gone) && midisock_now_ns() < until_ns)
        platform_nap();
    wait_cycles(bridge, 2, until_ns);
    client_close(bridge);
}

static void report_totals(struct program *program)
{
    midisock_stats stats;
    counters_report_rest(&program->counters, &program->bridge);
    if (!program->verbose || midisock_get_stats(program->bridge.port, &stats, sizeof stats) != MIDISOCK_OK)
        return;
    report_text(&program->report, "messages from the network: %llu, to it: %llu",
                (unsigned long long)stats.messages_in, (unsigned long long)stats.messages_out);
    if (stats.timed_in > 0)
        report_text(&program->report, "messages with the sender's time: %llu, too late for the latency: %llu",
                    (unsigned long long)stats.timed_in, (unsigned long long)stats.late_in);
    report_text(&program->report, "the network thread woke %.3f ms late lately, %.3f ms at worst; its priority: %llu",
                (double)stats.network_late_ns / 1e6, (double)stats.network_late_max_ns / 1e6,
                (unsigned long long)stats.network_priority);
}

static void add_side(struct bridge *bridge, const char *text, int is_output)
{
    struct jack_side *side = &bridge->sides[bridge->side_count];
    size_t length = strcspn(text, "=");
    const char *option = is_output ? "out" : "in";
    char *name = malloc(length + 1);
    int i;
    if (name == NULL) {
        cli_message("%s", midisock_strerror(MIDISOCK_ERR_NO_RESOURCES));
        exit(EXIT_FAILED);
    }
    memcpy(name, text, length);
    name[length] = '\0';
    side->name = name;
    side->is_output = is_output;
    channels_all(&side->channels);
    if (length == 0 || length > 200 || strchr(name, ':') != NULL)
        cli_usage_error("--%s: '%s' is no name for a port", option, name);
    if (text[length] != '\0' && !channels_parse(text + length + 1, &side->channels))
        cli_usage_error("--%s: '%s' is no list of channels, such as '0-3,9', 'system' or '9,no-system'", option,
                        text + length + 1);
    for (i = 0; i < bridge->side_count; i++)
        if (strcmp(bridge->sides[i].name, name) == 0)
            cli_usage_error("--%s: there is a port '%s' already", option, name);
    bridge->side_count++;
}

/* Room for the longest SysEx in each port. The process thread allocates nothing. */
static void take_memory(struct bridge *bridge, size_t max_message)
{
    int i;
    bridge->max_message = max_message;
    for (i = 0; i < bridge->side_count; i++) {
        bridge->sides[i].sysex = malloc(max_message);
        if (bridge->sides[i].sysex == NULL) {
            cli_message("%s", midisock_strerror(MIDISOCK_ERR_NO_RESOURCES));
            exit(EXIT_FAILED);
        }
        memset(bridge->sides[i].sysex, 0, max_message); /* touches its pages: no page fault in the process thread */
    }
}

static void add_connections(struct program *program, int is_output, const struct cli_list *others)
{
    int side = 0, i;
    while (side < program->bridge.side_count && program->bridge.sides[side].is_output != is_output)
        side++;
    if (side == program->bridge.side_count && others->count > 0)
        cli_usage_error("--%s: there is no %s port", is_output ? "to" : "from", is_output ? "output" : "input");
    for (i = 0; i < others->count; i++)
        connections_add(&program->connections, side, others->texts[i]);
}

static uint64_t parse_latency(const char *text)
{
    double ms;
    char *end;
    if (strcmp(text, "auto") == 0)
        return MIDISOCK_LATENCY_AUTO;
    ms = strtod(text, &end);
    if (*text == '\0' || strspn(text, "0123456789.") != strlen(text) || *end != '\0' || !(ms >= 0 && ms <= 10000))
        cli_usage_error("--latency: '%s' is neither 'auto' nor a time in milliseconds", text);
    return (uint64_t)(ms * 1e6 + 0.5);
}

int main(int argc, char **argv)
{
    static struct program program;
    struct bridge *bridge = &program.bridge;
    struct limits limits = {EXIT_DONE, -1, EXIT_DONE};
    midisock_config config;
    struct cli_list ins = {{0}, 0}, outs = {{0}, 0}, from = {{0}, 0}, to = {{0}, 0};
    int wait = 0, sender_time = 0, words, status, i;
    uint32_t max_clients = 0, max_message = 0;
    const char *allow = NULL, *name = NULL, *latency = "auto";
    const struct cli_option options[] = {
        {'n', "name", CLI_TEXT, &program.name, 0, 0},
        {'s', "server", CLI_TEXT, &program.server, 0, 0},
        {'i', "in", CLI_LIST, &ins, 0, BRIDGE_PORTS / 2},
        {'o', "out", CLI_LIST, &outs, 0, BRIDGE_PORTS / 2},
        {0, "from", CLI_LIST, &from, 0, CLI_LIST_MAX},
        {0, "to", CLI_LIST, &to, 0, CLI_LIST_MAX},
        {0, "no-wait", CLI_FLAG, &program.no_wait, 1, 0},
        {'l', "listen", CLI_FLAG, &program.connecting, 0, 0},
        {'c', "connect", CLI_FLAG, &program.connecting, 1, 0},
        {'a', "allow", CLI_TEXT, &allow, 0, 0},
        {0, "max-clients", CLI_NUMBER, &max_clients, 1, 65536},
        {0, "advertise", CLI_TEXT, &name, 0, 0},
        {0, "latency", CLI_TEXT, &latency, 0, 0},
        {0, "sender-time", CLI_FLAG, &sender_time, 1, 0},
        {0, "priority", CLI_NUMBER, &program.priority, 0, 99},
        {0, "wait", CLI_FLAG, &wait, 1, 0},
        {0, "max-message", CLI_NUMBER, &max_message, 1, 1u << 28},
        {'v', "verbose", CLI_FLAG, &program.verbose, 1, 0},
    };
    const struct cli_program cli = {"midisock-jack", jack_help, options, (int)(sizeof options / sizeof options[0])};

    program.name = "midisock";
    program.priority = PRIORITY_AUTO;
    words = cli_parse(&cli, argc, argv);
    if (words > 1)
        cli_usage_error("one address only: what is '%s'?", argv[2]);
    address_parse(words > 0 ? argv[1] : NULL, !program.connecting, &program.address);
    for (i = 0; i < ins.count; i++)
        add_side(bridge, ins.texts[i], 0);
    for (i = 0; i < outs.count; i++)
        add_side(bridge, outs.texts[i], 1);
    if (bridge->side_count == 0) {
        add_side(bridge, "in", 0);
        add_side(bridge, "out", 1);
    }
    add_connections(&program, 0, &from);
    add_connections(&program, 1, &to);

    midisock_config_init(&config, sizeof config);
    config.overflow = wait ? MIDISOCK_OVERFLOW_WAIT : MIDISOCK_OVERFLOW_REPAIR;
    bridge->waits = wait;
    config.latency_ns = parse_latency(latency);
    /* A delay of one period keeps the spacing of messages. */
    config.push_latency_ns = config.latency_ns != 0 ? MIDISOCK_LATENCY_AUTO : 0;
    config.timing = sender_time ? MIDISOCK_TIMING_SENDER : MIDISOCK_TIMING_ARRIVAL;
    bridge->delays_input = config.push_latency_ns != 0;
    config.realtime_priority = program.priority != PRIORITY_AUTO ? program.priority : 0;
    config.traffic_class = LIVE_TRAFFIC_CLASS;
    config_allow_clients(&config, allow);
    if (max_clients > 0)
        config.max_clients = max_clients;
    config_allow_message(&config, max_message);
    config_advertise(&config, name, &program.address);
    take_memory(bridge, config.max_message_bytes);
    /* Messages are dropped while there is no peer or no JACK server. That is expected. */
    program.counters.network.only_too_long = !program.verbose;

    platform_catch_stop();
    client_quiet();
    program.report.start_ns = program.report.last_ns = midisock_now_ns();
    program.connections.output = program.verbose ? &program.report : NULL;
    program.report.peer = program.connecting ? program.address.text : NULL;
    bridge->port = program.connecting ? address_connect(&program.address, &config)
                                      : address_listen(&program.address, &config, &limits);
    program.report.port = bridge->port;
    bridge->arrived = jack_ringbuffer_create(64 * BRIDGE_NAME);
    if (bridge->port == NULL || bridge->arrived == NULL)
        return EXIT_FAILED;
    if (!program.connecting)
        report_listening(&program.report, program.address.text, program.address.port);
    status = run(&program);
    end_with_jack(bridge);
    report_changes(&program);
    report_totals(&program);
    midisock_close(bridge->port);
    connections_free(&program.connections);
    jack_ringbuffer_free(bridge->arrived);
    for (i = 0; i < bridge->side_count; i++) {
        free((char *)bridge->sides[i].name);
        free(bridge->sides[i].sysex);
    }
    return status;
}
