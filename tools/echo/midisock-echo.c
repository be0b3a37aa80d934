/* midisock-echo: a server that returns to each client what it sent. */
#include "../common/address.h"
#include "../common/cli.h"
#include "../common/losses.h"
#include "../common/output.h"
#include "../common/platform.h"
#include "../common/report.h"

#include <stdlib.h>
#include <string.h>

static const char help[] = "midisock-echo - return to each client the MIDI messages it sends over TCP\n"
                           "\n"
                           "Usage:\n"
                           "  midisock-echo [OPTIONS] [ADDRESS]\n"
                           "\n"
                           "Listens on ADDRESS, prints 'listening on HOST:PORT', and sends every message\n"
                           "back to the client it came from, until Ctrl-C. It serves to try a connection,\n"
                           "and to measure one.\n"
                           "\n"
                           "ADDRESS is HOST:PORT, HOST, PORT, [IPv6]:PORT or :PORT. The default port is\n"
                           "9080, the default host this machine alone. ':PORT' and '*:PORT' listen on every\n"
                           "interface, and port 0 takes a free one.\n"
                           "\n"
                           "Nothing is lost: once the buffers are full, midisock-echo reads no more from a\n"
                           "client that sends and does not read. All clients share one queue and wait for\n"
                           "that client, so it is disconnected when it has read nothing for --stall seconds.\n"
                           "With --per-client each client has a queue of its own, and none waits for\n"
                           "another. With --drop none waits at all: messages that a slow client does not\n"
                           "take in time are dropped. What is lost or rejected is reported on standard\n"
                           "error when it happens.\n"
                           "\n"
                           "Options:\n"
                           "  -a, --allow LIST        clients that may connect: addresses and ranges, such\n"
                           "                          as '127.0.0.1,192.168.0.0/16,::1' (default: any)\n"
                           "      --max-clients N     at most N clients at once (default 64)\n"
                           "      --advertise NAME    others on the network can find this server\n"
                           "  -p, --per-client        a port for each client, with queues of its own\n"
                           "      --drop              drop rather than wait\n"
                           "      --stall SECONDS     disconnect a client that reads nothing for this time\n"
                           "                          (default 10; 0: never)\n"
                           "      --max-message N     the longest SysEx taken, in bytes (default 16384)\n"
                           "      --wake HOW          signal: answer at once (default); tick: within half a\n"
                           "                          millisecond, with fewer system calls\n"
                           "      --busy-poll US      poll for this many microseconds before sleeping: an\n"
                           "                          earlier answer for a busy processor (default 0)\n"
                           "  -t, --timeout SECONDS   end after this time\n"
                           "  -v, --verbose           report clients that join and leave, and at the end\n"
                           "                          how many messages were returned\n"
                           "  -h, --help              this text\n"
                           "  -V, --version           the version\n"
                           "\n"
                           "Exit status: 0 ended by Ctrl-C, SIGTERM or --timeout; 1 an error; 2 a mistake on\n"
                           "the command line.\n"
                           "\n"
                           "Example:\n"
                           "  midisock-echo :9080 --verbose --allow 192.168.0.0/16\n";

#define BATCH 256    /* messages of one client before another has its turn */
#define BLOCKED_MS 2 /* how often to check whether a client has room again */

/* A port whose messages go back to their senders. A message for which there is no
 * room is kept until there is. */
struct link {
    midisock_port *port;
    midisock_message message;
    int blocked;
    struct losses losses;
};

struct echo {
    midisock_port *server;
    struct link *links; /* manual mode: one for each client; else one, the server */
    midisock_port **waiting;
    size_t count, capacity;
    struct report report;
    struct losses losses; /* of the server */
    int verbose;
    int32_t timeout_ms;
    uint64_t start_ns, returned, checked_ns;
};

static void print_notifications(struct echo *echo)
{
    midisock_notification notification;
    while (midisock_poll_notification(echo->server, &notification) == MIDISOCK_OK)
        if (echo->verbose)
            report_notification(&echo->report, &notification);
    output_flush();
}

/* Reports losses, and clients that joined and left. */
static void report(struct echo *echo)
{
    uint64_t now = midisock_now_ns();
    size_t i;
    print_notifications(echo);
    if (now - echo->checked_ns < LOSSES_CHECK_MS * UINT64_C(1000000))
        return;
    echo->checked_ns = now;
    losses_report(&echo->losses, echo->server);
    for (i = 0; i < echo->count; i++)
        losses_report(&echo->links[i].losses, echo->links[i].port);
}

/* Sends the message in hand back. MIDISOCK_ERR_FULL: it stays in hand. */
static midisock_result return_message(struct echo *echo, struct link *link)
{
    midisock_message back = {0};
    midisock_result result;
    back.data = link->message.data; /* still in the port's queue: no copy is made */
    back.size = link->message.size;
    back.client = link->message.client;
    result = midisock_push_message(link->port, &back);
    link->blocked = result == MIDISOCK_ERR_FULL;
    if (result == MIDISOCK_OK)
        echo->returned++;
    /* A client that has left gets no answer, and that is no error. */
    if (result == MIDISOCK_OFFLINE || result == MIDISOCK_ERR_NO_SUCH_CLIENT)
        result = MIDISOCK_OK;
    return result;
}

/* MIDISOCK_OK: there may be more; EMPTY: there is none; ERR_FULL: no room. */
static midisock_result serve(struct echo *echo, struct link *link)
{
    midisock_result result = MIDISOCK_OK;
    int i;
    if (link->blocked)
        result = return_message(echo, link);
    for (i = 0; i < BATCH && result == MIDISOCK_OK; i++) {
        result = midisock_pop(link->port, &link->message);
        /* The library adds messages for a client that has left: they have no receiver. */
        if (result == MIDISOCK_OK && !(link->message.flags & MIDISOCK_FLAG_SYNTHETIC))
            result = return_message(echo, link);
    }
    return result;
}

static int32_t time_left(const struct echo *echo)
{
    uint64_t passed = (midisock_now_ns() - echo->start_ns) / 1000000;
    if (echo->timeout_ms < 0)
        return -1;
    return passed >= (uint64_t)echo->timeout_ms ? 0 : echo->timeout_ms - (int32_t)passed;
}

static int ended(const struct echo *echo)
{
    return platform_stopped() || time_left(echo) == 0 || output_check() != 0;
}

/* How long a wait may last. */
static int32_t wait_ms(const struct echo *echo)
{
    int32_t left = time_left(echo);
    return left < 0 || left > LOSSES_CHECK_MS ? LOSSES_CHECK_MS : left;
}

static midisock_result run_merged(struct echo *echo)
{
    struct link link = {0};
    link.port = echo->server;
    while (!ended(echo)) {
        midisock_result result = serve(echo, &link);
        report(echo);
        if (result == MIDISOCK_ERR_FULL)
            result = midisock_wait(link.port, MIDISOCK_WAIT_ROOM, wait_ms(echo));
        else if (result == MIDISOCK_EMPTY)
            result = midisock_wait(link.port, MIDISOCK_WAIT_MESSAGE | MIDISOCK_WAIT_NOTIFICATION, wait_ms(echo));
        if (result < 0 && result != MIDISOCK_ERR_TIMEOUT)
            return result;
    }
    return MIDISOCK_OK;
}

static midisock_result accept_all(struct echo *echo)
{
    midisock_port *port;
    midisock_result result;
    while ((result = midisock_accept(echo->server, 0, &port)) == MIDISOCK_OK) {
        if (echo->count == echo->capacity) {
            size_t capacity = echo->capacity > 0 ? echo->capacity * 2 : 16;
            struct link *links = realloc(echo->links, capacity * sizeof *links);
            midisock_port **waiting;
            if (links != NULL)
                echo->links = links;
            waiting = realloc(echo->waiting, (capacity + 1) * sizeof(midisock_port *));
            if (waiting != NULL)
                echo->waiting = waiting;
            if (links == NULL || waiting == NULL) {
                midisock_close(port);
                return MIDISOCK_ERR_NO_RESOURCES;
            }
            echo->capacity = capacity;
        }
        memset(&echo->links[echo->count], 0, sizeof echo->links[0]);
        echo->links[echo->count++].port = port;
    }
    return result == MIDISOCK_EMPTY ? MIDISOCK_OK : result;
}

static void drop_link(struct echo *echo, size_t index)
{
    losses_report_rest(&echo->links[index].losses, echo->links[index].port);
    midisock_close(echo->links[index].port);
    echo->links[index] = echo->links[--echo->count];
}

/* Waits for a client or a message. A link without room has a message in hand
 * and is not waited for: no single wait covers its room and the messages of the
 * others, so it is checked again soon. */
static midisock_result wait_for_links(struct echo *echo)
{
    size_t i, count = 0, index;
    int32_t limit = wait_ms(echo);
    echo->waiting[count++] = echo->server;
    for (i = 0; i < echo->count; i++) {
        if (echo->links[i].blocked)
            limit = limit < BLOCKED_MS ? limit : BLOCKED_MS;
        else
            echo->waiting[count++] = echo->links[i].port;
    }
    return midisock_wait_any(echo->waiting, count, MIDISOCK_WAIT_CLIENT | MIDISOCK_WAIT_MESSAGE, limit, &index);
}

static midisock_result run_per_client(struct echo *echo)
{
    echo->waiting = malloc(sizeof(midisock_port *));
    if (echo->waiting == NULL)
        return MIDISOCK_ERR_NO_RESOURCES;
    while (!ended(echo)) {
        size_t i = 0;
        int busy = 0;
        midisock_result result = accept_all(echo);
        if (result != MIDISOCK_OK)
            return result;
        while (i < echo->count) {
            result = serve(echo, &echo->links[i]);
            busy = busy || result == MIDISOCK_OK;
            if (result < 0 && result != MIDISOCK_ERR_FULL)
                drop_link(echo, i); /* that client has gone, and all it sent is answered */
            else
                i++;
        }
        report(echo);
        if (busy)
            continue;
        result = wait_for_links(echo);
        /* CLOSED is a client's end: the next turn handles it. */
        if (result < 0 && result != MIDISOCK_ERR_TIMEOUT && result != MIDISOCK_ERR_CLOSED)
            return result;
    }
    return MIDISOCK_OK;
}

int main(int argc, char **argv)
{
    struct echo echo = {0};
    struct address address;
    struct limits limits = {EXIT_DONE, -1, EXIT_DONE};
    midisock_config config;
    midisock_result result;
    int per_client = 0, drop = 0, words;
    uint32_t max_clients = 0, max_message = 0, busy_poll_us = 0;
    int32_t stall_ms = 10000;
    const char *allow = NULL, *name = NULL, *wake = "signal";
    const struct cli_option options[] = {
        {'a', "allow", CLI_TEXT, &allow, 0, 0},
        {0, "max-clients", CLI_NUMBER, &max_clients, 1, 65536},
        {0, "advertise", CLI_TEXT, &name, 0, 0},
        {'p', "per-client", CLI_FLAG, &per_client, 1, 0},
        {0, "drop", CLI_FLAG, &drop, 1, 0},
        {0, "stall", CLI_SECONDS, &stall_ms, 0, 0},
        {0, "max-message", CLI_NUMBER, &max_message, 1, 1u << 28},
        {0, "wake", CLI_TEXT, &wake, 0, 0},
        {0, "busy-poll", CLI_NUMBER, &busy_poll_us, 0, 1000000},
        {'t', "timeout", CLI_SECONDS, &echo.timeout_ms, 0, 0},
        {'v', "verbose", CLI_FLAG, &echo.verbose, 1, 0},
    };
    const struct cli_program program = {"midisock-echo", help, options, (int)(sizeof options / sizeof options[0])};

    echo.timeout_ms = -1;
    words = cli_parse(&program, argc, argv);
    if (words > 1)
        cli_usage_error("one address only: what is '%s'?", argv[2]);
    if (strcmp(wake, "signal") != 0 && strcmp(wake, "tick") != 0)
        cli_usage_error("--wake: '%s' is neither signal nor tick", wake);
    address_parse(words > 0 ? argv[1] : NULL, 1, &address);

    midisock_config_init(&config, sizeof config);
    config.accept_mode = per_client ? MIDISOCK_ACCEPT_MANUAL : MIDISOCK_ACCEPT_MERGED;
    config.overflow = drop ? MIDISOCK_OVERFLOW_REPAIR : MIDISOCK_OVERFLOW_WAIT;
    config.wake = strcmp(wake, "tick") == 0 ? MIDISOCK_WAKE_TICK : MIDISOCK_WAKE_SIGNAL;
    config.stall_timeout_ms = (uint32_t)stall_ms;
    config.busy_poll_us = busy_poll_us;
    config.traffic_class = LIVE_TRAFFIC_CLASS;
    config_allow_clients(&config, allow);
    if (max_clients > 0)
        config.max_clients = max_clients;
    config_allow_message(&config, max_message);
    config_advertise(&config, name, &address);

    platform_catch_stop();
    echo.start_ns = echo.report.start_ns = echo.report.last_ns = midisock_now_ns();
    limits.timeout_ms = echo.timeout_ms;
    echo.server = address_listen(&address, &config, &limits);
    if (echo.server == NULL)
        return EXIT_FAILED;
    report_listening(&echo.report, address.text, address.port);
    result = per_client ? run_per_client(&echo) : run_merged(&echo);
    if (result != MIDISOCK_OK)
        cli_message("%s: %s", address.text, midisock_strerror(result));
    print_notifications(&echo);
    losses_report_rest(&echo.losses, echo.server);
    if (echo.verbose)
        cli_message("messages returned: %llu", (unsigned long long)echo.returned);
    while (echo.count > 0)
        drop_link(&echo, echo.count - 1);
    midisock_close(echo.server);
    free(echo.links);
    free(echo.waiting);
    return result == MIDISOCK_OK && (output_check() == 0 || platform_stopped()) ? EXIT_DONE : EXIT_FAILED;
}
