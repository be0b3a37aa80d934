#include "address.h"

#include "cli.h"
#include "platform.h"

#include <stdio.h>
#include <string.h>

/* A wait in the library does not end when a signal comes, so none is longer. */
#define STOP_CHECK_MS 100

/* Brings a host or a port alone into the form that the library parses. */
static void complete(const char *text, char *full, size_t capacity)
{
    size_t length = strlen(text);
    const char *colon = strchr(text, ':');
    int wrote;
    if (length > 0 && strspn(text, "0123456789") == length)
        wrote = snprintf(full, capacity, ":%s", text);
    else if (colon == NULL || (text[0] == '[' && text[length - 1] == ']'))
        wrote = snprintf(full, capacity, "%s:%d", text, DEFAULT_PORT);
    else if (text[0] != '[' && strchr(colon + 1, ':') != NULL)
        wrote = snprintf(full, capacity, "[%s]:%d", text, DEFAULT_PORT);
    else
        wrote = snprintf(full, capacity, "%s", text);
    if (wrote < 0 || (size_t)wrote >= capacity)
        cli_usage_error("this address is too long: '%.40s...'", text);
}

static void write_text(struct address *address)
{
    const char *host = address->loopback ? "127.0.0.1" : address->host[0] == '\0' ? "*" : address->host;
    const char *format = strchr(host, ':') != NULL && host[0] != '[' ? "[%s]:%u" : "%s:%u";
    snprintf(address->text, sizeof address->text, format, host, (unsigned)address->port);
}

void address_parse(const char *text, int listening, struct address *address)
{
    char full[sizeof address->host + 16];
    midisock_result result;
    memset(address, 0, sizeof *address);
    complete(text != NULL ? text : "", full, sizeof full);
    result = midisock_parse_address(full, address->host, sizeof address->host, &address->port);
    if (result != MIDISOCK_OK)
        cli_usage_error("'%s' is not an address (host:port, [IPv6]:port, a host or a port): %s",
                        text != NULL ? text : "", midisock_strerror(result));
    if (address->host[0] == '\0') {
        if (!listening)
            strcpy(address->host, "localhost");
        else
            address->loopback = text == NULL || text[0] != ':';
    }
    if (!listening && address->port == 0)
        cli_usage_error("'%s': there is no port 0 to connect to", text);
    write_text(address);
}

midisock_port *address_listen(struct address *address, const midisock_config *config)
{
    midisock_port *port = NULL;
    midisock_result result = midisock_listen(address->loopback ? NULL : address->host, address->port, config, &port);
    if (result != MIDISOCK_OK) {
        cli_message("cannot listen on %s: %s", address->text, midisock_strerror(result));
        return NULL;
    }
    if (midisock_local_port(port) != 0)
        address->port = midisock_local_port(port);
    write_text(address);
    return port;
}

midisock_port *address_connect(const struct address *address, const midisock_config *config)
{
    midisock_port *port = NULL;
    midisock_result result = midisock_connect(address->host, address->port, config, &port);
    if (result != MIDISOCK_OK) {
        cli_message("cannot connect to %s: %s", address->text, midisock_strerror(result));
        return NULL;
    }
    return port;
}

void config_allow_clients(midisock_config *config, const char *list)
{
    midisock_port *a, *b;
    midisock_result result;
    config->allow = list;
    if (list == NULL)
        return;
    /* The library has one error for a wrong list and for a wrong host: with a
     * pair, which has no host, it is the list. */
    result = midisock_pair(config, &a, &b);
    if (result == MIDISOCK_ERR_ADDRESS)
        cli_usage_error("--allow: '%s' is not a list of addresses and ranges, such as '127.0.0.1,10.0.0.0/8'", list);
    if (result == MIDISOCK_OK) {
        midisock_close(a);
        midisock_close(b);
    }
}

int config_allow_message(midisock_config *config, size_t bytes)
{
    uint32_t queue =
        config->in_queue_bytes < config->out_queue_bytes ? config->in_queue_bytes : config->out_queue_bytes;
    if (bytes > (size_t)1 << 28)
        return 0;
    if (bytes > config->max_message_bytes)
        config->max_message_bytes = (uint32_t)bytes;
    /* The library takes messages up to a quarter of the smaller queue. */
    while (queue / 4 < config->max_message_bytes)
        queue *= 2;
    if (config->in_queue_bytes < queue)
        config->in_queue_bytes = queue;
    if (config->out_queue_bytes < queue)
        config->out_queue_bytes = queue;
    return 1;
}

midisock_result wait_or_stop(midisock_port *port, uint32_t what, int32_t timeout_ms)
{
    uint64_t start = midisock_now_ns();
    while (!platform_stopped()) {
        int64_t left = STOP_CHECK_MS;
        midisock_result result;
        if (timeout_ms >= 0) {
            left = timeout_ms - (int64_t)((midisock_now_ns() - start) / 1000000);
            left = left < 0 ? 0 : left > STOP_CHECK_MS ? STOP_CHECK_MS : left;
        }
        result = midisock_wait(port, what, (int32_t)left);
        if (result != MIDISOCK_ERR_TIMEOUT || left == 0)
            return result;
    }
    return MIDISOCK_ERR_TIMEOUT;
}
