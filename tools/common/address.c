#include "address.h"

#include "cli.h"
#include "find.h"
#include "platform.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

/* "::ffff:127.0.0.1" is an IPv4 address in the form of IPv6: it starts here. */
static const char *mapped_ipv4(const char *host)
{
    static const char prefix[] = "::ffff:";
    size_t i;
    for (i = 0; prefix[i] != '\0'; i++)
        if (tolower((unsigned char)host[i]) != prefix[i])
            return NULL;
    host += i;
    return strchr(host, '.') != NULL && strspn(host, "0123456789.") == strlen(host) ? host : NULL;
}

/* A Unix socket has no port. On Windows its path may begin with a drive. */
static int is_unix(const char *text)
{
    if (strncmp(text, "unix:", 5) != 0)
        return 0;
#if defined(_WIN32)
    if (isalpha((unsigned char)text[5]) && text[6] == ':' && (text[7] == '/' || text[7] == '\\'))
        return 1;
#endif
    return text[5] == '/';
}

/* Completes a host or a port alone to the form that the library parses. */
static void complete(const char *text, char *full, size_t capacity)
{
    size_t length;
    const char *colon;
    int wrote;
    if (text[0] == '*' && (text[1] == '\0' || text[1] == ':'))
        text++; /* every interface, as the tools print it */
    length = strlen(text);
    colon = strchr(text, ':');
    if (is_unix(text))
        wrote = snprintf(full, capacity, "%s", text);
    else if (length > 0 && strspn(text, "0123456789") == length)
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
    if (is_unix(host))
        strcpy(address->text, host);
    else
        snprintf(address->text, sizeof address->text, format, host, (unsigned)address->port);
}

/* "@NAME". */
static void parse_name(const char *text, int listening, struct address *address)
{
    size_t length = strlen(text + 1);
    if (listening)
        cli_usage_error("'%s' is the name of a server to connect to; to give this one a name, use --advertise", text);
    if (length == 0 || length >= sizeof address->name)
        cli_usage_error("'%.80s': a name has 1 to %u bytes", text, (unsigned)sizeof address->name - 1);
    strcpy(address->name, text + 1);
    strcpy(address->text, text);
}

void address_parse(const char *text, int listening, struct address *address)
{
    char full[sizeof address->host + 16];
    const char *ipv4;
    midisock_result result;
    memset(address, 0, sizeof *address);
    address->listening = listening;
    if (text != NULL && text[0] == '@') {
        parse_name(text, listening, address);
        return;
    }
    complete(text != NULL ? text : "", full, sizeof full);
    result = midisock_parse_address(full, address->host, sizeof address->host, &address->port);
    if (result != MIDISOCK_OK)
        cli_usage_error("'%s' is not an address (host:port, [IPv6]:port, unix:/path, a host or a port%s): %s",
                        text != NULL ? text : "", listening ? "" : ", or @NAME", midisock_strerror(result));
    if (address->host[0] == '\0') {
        if (!listening)
            strcpy(address->host, "localhost");
        else
            address->loopback = text == NULL || (text[0] != ':' && text[0] != '*');
    }
    ipv4 = mapped_ipv4(address->host);
    if (ipv4 != NULL)
        memmove(address->host, ipv4, strlen(ipv4) + 1);
    if (!listening && address->port == 0 && !is_unix(address->host))
        cli_usage_error("'%s': there is no port 0 to connect to", text);
    write_text(address);
}

midisock_port *address_listen(struct address *address, const midisock_config *config, const struct limits *limits)
{
    midisock_port *port = NULL;
    midisock_result result;
    /* A host name is looked up before the library returns. */
    platform_begin_call(limits->stop_status, limits->timeout_ms, limits->timeout_status);
    result = midisock_listen(address->loopback ? NULL : address->host, address->port, config, &port);
    platform_end_call();
    if (result != MIDISOCK_OK) {
        if (address->loopback)
            cli_message("cannot listen on port %u of this machine (127.0.0.1:%u and [::1]:%u): %s",
                        (unsigned)address->port, (unsigned)address->port, (unsigned)address->port,
                        midisock_strerror(result));
        else
            cli_message("cannot listen on %s: %s", address->text, midisock_strerror(result));
        return NULL;
    }
    if (midisock_local_port(port) != 0)
        address->port = midisock_local_port(port);
    write_text(address);
    return port;
}

/* Looks for the server of the address's name; 0 if there is none. */
static int look_up(struct address *address)
{
    midisock_service service;
    if (find_service(address->name, &service) != 0)
        return 0;
    strcpy(address->host, service.address);
    address->port = service.port;
    find_address(&service, address->text);
    return 1;
}

midisock_port *address_connect(struct address *address, const midisock_config *config)
{
    midisock_port *port = NULL;
    midisock_config own = *config;
    midisock_result result;
    if (address->name[0] != '\0') {
        if (!look_up(address))
            return NULL;
        /* A server that is found this way answers those that ask. */
        own.timing = MIDISOCK_TIMING_SENDER;
    }
    result = midisock_connect(address->host, address->port, &own, &port);
    if (result != MIDISOCK_OK) {
        cli_message("cannot connect to %s: %s", address->text, midisock_strerror(result));
        return NULL;
    }
    return port;
}

void config_advertise(midisock_config *config, const char *name, const struct address *address)
{
    midisock_port *a, *b;
    config->name = name;
    if (name == NULL)
        return;
    if (!address->listening)
        cli_usage_error("--advertise is for a server: --listen");
    if (address->loopback || is_unix(address->host))
        cli_usage_error("--advertise: only this machine reaches %s; listen on ':%u' or on an address of the network",
                        address->text, (unsigned)address->port);
    config->advertise = 1;
    /* The library has one error for all fields: with a pair, which ignores most, it is the name. */
    if (midisock_pair(config, &a, &b) == MIDISOCK_ERR_INVALID_ARGUMENT)
        cli_usage_error("--advertise: a name has up to 63 bytes, and no control characters");
    midisock_close(a);
    midisock_close(b);
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
    if (bytes > MAX_MESSAGE_BYTES)
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
