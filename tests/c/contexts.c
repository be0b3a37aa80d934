#define _POSIX_C_SOURCE 200809L
#include "contexts.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

midisock_context *context_without_thread(void)
{
    midisock_context_config c;
    midisock_context_config_init(&c, sizeof c);
    c.mode = MIDISOCK_CONTEXT_HOST;
    midisock_context *context = NULL;
    CHECK_OK(midisock_context_create(&c, &context));
    return context;
}

midisock_config context_config(midisock_context *context)
{
    midisock_config c = check_config();
    c.context = context;
    return c;
}

void context_destroy(midisock_context *context)
{
    CHECK_OK(midisock_context_destroy(context));
}

midisock_port *context_listen(const midisock_config *config)
{
    midisock_port *server = NULL;
    CHECK_OK(midisock_listen("127.0.0.1", 0, config, &server));
    return server;
}

midisock_port *context_connect(const midisock_port *server, const midisock_config *config)
{
    midisock_port *client = NULL;
    CHECK_OK(midisock_connect("127.0.0.1", midisock_local_port(server), config, &client));
    CHECK_OK(midisock_wait_connected(client, DEADLINE_MS));
    return client;
}

#if defined(__linux__)

void context_turn(midisock_context *context)
{
    intptr_t handle = -1;
    CHECK_OK(midisock_context_handle(context, &handle));
    struct pollfd ready = {(int)handle, POLLIN, 0};
    int count = poll(&ready, 1, DEADLINE_MS);
    if (count < 0 && errno == EINTR)
        return;
    if (count != 1)
        check_fail(__FILE__, __LINE__, "the handle never became readable");
    midisock_result result = midisock_context_poll(context, 0);
    CHECK(result == MIDISOCK_OK || result == MIDISOCK_EMPTY);
}

#else

/* Contexts have no handle there. */
void context_turn(midisock_context *context)
{
    midisock_result result = midisock_context_poll(context, 1);
    CHECK(result == MIDISOCK_OK || result == MIDISOCK_EMPTY);
}

#endif

void log_begin(log_lines *log)
{
    memset(log, 0, sizeof *log);
    pthread_mutex_init(&log->lock, NULL);
}

void log_take(void *user, int32_t level, const char *text)
{
    log_lines *log = user;
    CHECK(level == MIDISOCK_LOG_ERROR || level == MIDISOCK_LOG_WARNING || level == MIDISOCK_LOG_INFO);
    CHECK(text != NULL && text[0] != '\0');
    pthread_mutex_lock(&log->lock);
    CHECK_INT(0, log->busy);
    log->busy = 1;
    CHECK(!log->only_in_calls || log->in_call);
    pthread_mutex_unlock(&log->lock);
    /* Long enough for another call to begin. */
    check_pause();
    pthread_mutex_lock(&log->lock);
    if (log->count < sizeof log->lines / sizeof log->lines[0]) {
        log->lines[log->count].level = level;
        snprintf(log->lines[log->count].text, sizeof log->lines[0].text, "%s", text);
        log->lines[log->count].at_ms = check_now_ms();
        log->lines[log->count].thread = pthread_self();
        log->count++;
    }
    log->busy = 0;
    pthread_mutex_unlock(&log->lock);
}

int log_has(log_lines *log, int32_t level, const char *text)
{
    int found = 0;
    pthread_mutex_lock(&log->lock);
    for (unsigned i = 0; i < log->count; i++)
        found |= log->lines[i].level == level && strstr(log->lines[i].text, text) != NULL;
    pthread_mutex_unlock(&log->lock);
    return found;
}

unsigned log_count(log_lines *log, const char *text)
{
    unsigned count = 0;
    pthread_mutex_lock(&log->lock);
    for (unsigned i = 0; i < log->count; i++)
        count += strstr(log->lines[i].text, text) != NULL;
    pthread_mutex_unlock(&log->lock);
    return count;
}
