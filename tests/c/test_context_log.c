/* The log of a context: what it tells, when, and how often. */
#define _POSIX_C_SOURCE 200809L
#include "contexts.h"
#include "raw.h"

#include <stdio.h>
#include <string.h>

static log_lines log_of;

static midisock_context *logged(uint32_t mode)
{
    log_begin(&log_of);
    midisock_context_config c;
    midisock_context_config_init(&c, sizeof c);
    c.mode = mode;
    c.log = log_take;
    c.log_user = &log_of;
    midisock_context *context = NULL;
    CHECK_OK(midisock_context_create(&c, &context));
    return context;
}

/* How a line begins that is a server's, or a client's of this port. */
static const char *label(const char *what, uint16_t number, const char *text)
{
    static char line[320];
    snprintf(line, sizeof line, "%s 127.0.0.1:%u: %s", what, number, text);
    return line;
}

static void a_connection_is_told_from_both_ends(void)
{
    midisock_context *context = logged(MIDISOCK_CONTEXT_THREAD);
    midisock_config c = context_config(context);
    midisock_port *server = context_listen(&c);
    uint16_t number = midisock_local_port(server);
    CHECK_SOON(log_has(&log_of, MIDISOCK_LOG_INFO, label("server", number, "listens")));
    midisock_port *client = context_connect(server, &c);
    CHECK_SOON(log_has(&log_of, MIDISOCK_LOG_INFO, label("client of", number, "connected to 127.0.0.1:")));
    midisock_notification n = NOTIFIED(server, MIDISOCK_NOTIFY_CLIENT_JOINED);
    char text[200];
    snprintf(text, sizeof text, "client %u joined from %s", n.client, n.address);
    CHECK_SOON(log_has(&log_of, MIDISOCK_LOG_INFO, label("server", number, text)));
    CHECK_OK(midisock_disconnect(server, n.client));
    CHECK_SOON(log_has(&log_of, MIDISOCK_LOG_INFO, label("client of", number, "the connection with 127.0.0.1:")));
    snprintf(text, sizeof text, "client %u at %s left: in good order", n.client, n.address);
    CHECK_SOON(log_has(&log_of, MIDISOCK_LOG_INFO, label("server", number, text)));
    midisock_close(client);
    midisock_close(server);
    context_destroy(context);
}

static void who_is_turned_away_is_told_with_the_reason(void)
{
    midisock_context *context = logged(MIDISOCK_CONTEXT_THREAD);
    midisock_config c = context_config(context);
    c.max_clients = 1;
    midisock_port *server = context_listen(&c);
    int browser = raw_connect(midisock_local_port(server));
    raw_send(browser, "GET / HTTP/1.1\r\n", 16);
    CHECK_SOON(log_has(&log_of, MIDISOCK_LOG_WARNING, "was turned away: it does not speak MIDI"));
    RAW_EXPECT_GONE(browser);
    int first = raw_connect(midisock_local_port(server));
    RAW_SEND(first, 0x90, 1, 2);
    EXPECT(server, 0x90, 1, 2);
    int second = raw_connect(midisock_local_port(server));
    CHECK_SOON(log_has(&log_of, MIDISOCK_LOG_WARNING, "was turned away: there are as many clients as may be"));
    c.allow = "10.0.0.0/8";
    midisock_port *closed = context_listen(&c);
    int third = raw_connect(midisock_local_port(closed));
    CHECK_SOON(log_has(&log_of, MIDISOCK_LOG_WARNING, "was turned away: its address is not allowed"));
    midisock_close(server);
    midisock_close(closed);
    context_destroy(context);
    raw_close(browser);
    raw_close(first);
    raw_close(second);
    raw_close(third);
}

static void failures_are_told_with_the_reason(void)
{
    uint16_t refusing = 0, taken = 0;
    int nobody = raw_refusing(&refusing);
    int somebody = raw_listen(&taken);
    midisock_context *context = logged(MIDISOCK_CONTEXT_THREAD);
    midisock_config c = context_config(context);
    midisock_port *port = NULL;
    CHECK_RESULT(MIDISOCK_ERR_ADDRESS_IN_USE, midisock_listen("127.0.0.1", taken, &c, &port));
    char text[100];
    snprintf(text, sizeof text, "context: cannot listen on 127.0.0.1:%u: %s", taken,
             midisock_strerror(MIDISOCK_ERR_ADDRESS_IN_USE));
    CHECK_SOON(log_has(&log_of, MIDISOCK_LOG_ERROR, text));
    c.listen_retry_ms = UINT32_MAX;
    CHECK_OK(midisock_listen("127.0.0.1", taken, &c, &port));
    CHECK_SOON(log_has(&log_of, MIDISOCK_LOG_WARNING, label("server", taken, "cannot listen on 127.0.0.1:")));
    raw_close(somebody);
    CHECK_SOON(log_has(&log_of, MIDISOCK_LOG_INFO, label("server", taken, "listens")));
    midisock_close(port);
    CHECK_OK(midisock_connect("127.0.0.1", refusing, &c, &port));
    CHECK_SOON(log_has(&log_of, MIDISOCK_LOG_WARNING, label("client of", refusing, "cannot connect to 127.0.0.1:")));
    midisock_close(port);
    context_destroy(context);
    raw_close(nobody);
}

static void congestion_is_told(void)
{
    uint16_t number = 0;
    int listener = raw_listen_small(&number);
    midisock_context *context = logged(MIDISOCK_CONTEXT_THREAD);
    midisock_config c = context_config(context);
    c.overflow = MIDISOCK_OVERFLOW_REPAIR;
    c.max_delay_ms = 50;
    c.linger_ms = 0;
    midisock_port *client = NULL;
    CHECK_OK(midisock_connect("127.0.0.1", number, &c, &client));
    int fd = raw_accept(listener);
    CHECK_OK(midisock_wait_connected(client, DEADLINE_MS));
    uint8_t data[4096];
    check_numbered(data, sizeof data, 1);
    uint64_t until = check_now_ms() + DEADLINE_MS;
    while (!log_has(&log_of, MIDISOCK_LOG_WARNING, "the peer is congested") && check_now_ms() < until) {
        (void)midisock_push(client, data, sizeof data);
        check_pause();
    }
    CHECK(log_has(&log_of, MIDISOCK_LOG_WARNING, "the peer is congested"));
    raw_reset(fd);
    CHECK_SOON(log_has(&log_of, MIDISOCK_LOG_INFO, "the peer is congested no more"));
    midisock_close(client);
    context_destroy(context);
    raw_close(listener);
}

/* Clients come and are turned away far more often than a log should tell. */
static void a_port_tells_ten_lines_a_second(void)
{
    midisock_context *context = logged(MIDISOCK_CONTEXT_THREAD);
    midisock_config c = context_config(context);
    c.allow = "10.0.0.0/8";
    midisock_port *server = context_listen(&c);
    midisock_port *other = context_listen(&c);
    enum { CLIENTS = 100 };
    for (int i = 0; i < CLIENTS; i++) {
        int fd = raw_connect(midisock_local_port(server));
        RAW_EXPECT_GONE(fd);
        raw_close(fd);
    }
    /* Another port still has its say. */
    int fd = raw_connect(midisock_local_port(other));
    RAW_EXPECT_GONE(fd);
    raw_close(fd);
    CHECK_SOON(log_has(&log_of, MIDISOCK_LOG_WARNING,
                       label("server", midisock_local_port(other), "a client at 127.0.0.1:")));
    /* The count comes by itself. */
    const char *more = "left out";
    CHECK_SOON(log_count(&log_of, more) > 0);
    midisock_close(server);
    midisock_close(other);
    context_destroy(context);
    /* Every line was told or counted: one for listening and one for each client, of both ports. */
    unsigned told = 0, counted = 0;
    uint64_t times[sizeof log_of.lines / sizeof log_of.lines[0]];
    char begin[sizeof log_of.lines[0].text];
    snprintf(begin, sizeof begin, "%s", log_of.lines[0].text);
    begin[strcspn(begin, "l")] = '\0'; /* up to "listens" */
    for (unsigned i = 0; i < log_of.count; i++) {
        const char *text = log_of.lines[i].text;
        if (strncmp(text, begin, strlen(begin)) != 0)
            continue;
        times[told] = log_of.lines[i].at_ms;
        if (strstr(text, more) != NULL) {
            unsigned count = 0;
            CHECK_INT(1, sscanf(text + strlen(begin), "%u more line", &count));
            counted += count - 1;
        }
        told++;
    }
    CHECK_INT(1 + CLIENTS, told + counted);
    /* What closes the port counts at once. */
    for (unsigned i = 10; i + 1 < told; i++)
        CHECK(times[i] - times[i - 10] >= 900);
}

/* The lines come in control calls and never in realtime ones. */
static void without_a_thread_only_control_calls_tell(void)
{
    midisock_context *context = logged(MIDISOCK_CONTEXT_HOST);
    log_of.only_in_calls = 1;
    midisock_config c = context_config(context);
    midisock_port *server = NULL;
    midisock_port *client = NULL;
    log_of.in_call = 1;
    CHECK_OK(midisock_listen("127.0.0.1", 0, &c, &server));
    CHECK_OK(midisock_connect("127.0.0.1", midisock_local_port(server), &c, &client));
    CHECK_OK(midisock_wait_connected(client, DEADLINE_MS));
    log_of.in_call = 0;
    for (int i = 0; i < 50; i++)
        CHECK_OK(midisock_push(client, BYTES(0x90, 1, 2)));
    midisock_message m;
    (void)midisock_pop(server, &m);
    log_of.in_call = 1;
    EXPECT(server, 0x90, 1, 2);
    uint16_t taken = midisock_local_port(server);
    midisock_port *none = NULL;
    CHECK_RESULT(MIDISOCK_ERR_ADDRESS_IN_USE, midisock_listen("127.0.0.1", taken, &c, &none));
    TURN_UNTIL(context, log_has(&log_of, MIDISOCK_LOG_ERROR, "cannot listen"));
    CHECK(log_has(&log_of, MIDISOCK_LOG_INFO, "connected to"));
    midisock_close(client);
    midisock_close(server);
    context_destroy(context);
    for (unsigned i = 0; i < log_of.count; i++)
        CHECK(pthread_equal(pthread_self(), log_of.lines[i].thread));
}

static midisock_context *reentered;

static void calls_back(void *user, int32_t level, const char *text)
{
    (void)level, (void)text;
    ++*(unsigned *)user;
    /* Forbidden, and harmless here. */
    CHECK_RESULT(MIDISOCK_ERR_BUSY, midisock_context_poll(reentered, 0));
}

static void a_log_that_calls_back_does_not_hang(void)
{
    unsigned calls = 0;
    midisock_context_config c;
    midisock_context_config_init(&c, sizeof c);
    c.mode = MIDISOCK_CONTEXT_HOST;
    c.log = calls_back;
    c.log_user = &calls;
    CHECK_OK(midisock_context_create(&c, &reentered));
    midisock_config config = context_config(reentered);
    midisock_port *server = context_listen(&config);
    midisock_close(server);
    context_destroy(reentered);
    CHECK(calls > 0);
}

static const check_case cases[] = {
    CASE(a_connection_is_told_from_both_ends),
    CASE(who_is_turned_away_is_told_with_the_reason),
    CASE(failures_are_told_with_the_reason),
    CASE(congestion_is_told),
    CASE(a_port_tells_ten_lines_a_second),
    CASE(without_a_thread_only_control_calls_tell),
    CASE(a_log_that_calls_back_does_not_hang),
};

int main(int argc, char **argv)
{
    return check_main(argc, argv, CASES(cases));
}
