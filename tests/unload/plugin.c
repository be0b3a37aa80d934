/* A plugin that uses midisock, linked shared or static. Its other symbols are hidden. */
#include <midisock/midisock.h>
#include <string.h>

#define DEADLINE_MS 20000
#if defined(__GNUC__)
#define EXPORT __attribute__((visibility("default")))
#else
#define EXPORT
#endif

EXPORT int plugin_exchange(void);
EXPORT int plugin_open(const char *host);
EXPORT int plugin_play(void);
EXPORT void plugin_close(void);
EXPORT const void *plugin_library(void);
EXPORT int plugin_browse(int turn);

/* One of each, for a host that leaves them open. */
static midisock_port *server, *client;

/* The line that failed, or 0. */
#define OK(call)                   \
    do {                           \
        if ((call) != MIDISOCK_OK) \
            return __LINE__;       \
    } while (0)

static int there_and_back(midisock_port *from, midisock_port *to)
{
    static const uint8_t note_on[] = {0x90, 60, 100};
    midisock_message message;
    OK(midisock_push(from, note_on, sizeof note_on));
    do {
        OK(midisock_wait(to, MIDISOCK_WAIT_MESSAGE, DEADLINE_MS));
        OK(midisock_pop(to, &message));
    } while (message.flags & MIDISOCK_FLAG_SYNTHETIC);
    return message.size == sizeof note_on && memcmp(message.data, note_on, sizeof note_on) == 0 ? 0 : __LINE__;
}

/* Opens, sends both ways, closes: any thread, any number of them at once. */
int plugin_exchange(void)
{
    midisock_port *s = NULL, *c = NULL;
    int line;
    OK(midisock_listen("127.0.0.1", 0, NULL, &s));
    OK(midisock_connect("127.0.0.1", midisock_local_port(s), NULL, &c));
    OK(midisock_wait_connected(c, DEADLINE_MS));
    if ((line = there_and_back(c, s)) == 0)
        line = there_and_back(s, c);
    midisock_close(c);
    midisock_close(s);
    return line;
}

/* Opens a server, and a client to it (NULL) or to a host. */
int plugin_open(const char *host)
{
    OK(midisock_listen("127.0.0.1", 0, NULL, &server));
    OK(midisock_connect(host ? host : "127.0.0.1", host ? (uint16_t)1 : midisock_local_port(server), NULL, &client));
    if (!host)
        OK(midisock_wait_connected(client, DEADLINE_MS));
    return 0;
}

int plugin_play(void)
{
    return there_and_back(client, server);
}

void plugin_close(void)
{
    midisock_close(client);
    midisock_close(server);
    client = server = NULL;
}

/* Advertises a server and browses, in different orders of closing. The host unloads right after this. */
int plugin_browse(int turn)
{
    static const char *const names[] = {"Stage", "Studio"};
    midisock_config config = MIDISOCK_CONFIG_INIT;
    midisock_browser *first = NULL, *second = NULL;
    midisock_port *s = NULL;
    config.advertise = 1;
    config.name = names[turn % 2];
    OK(midisock_browse(&first));
    OK(midisock_listen("", 0, &config, &s));
    OK(midisock_browse(&second));
    /* In some rounds it has been found, in others it is still probing. */
    if (turn % 10 == 0)
        OK(midisock_browser_wait(second, DEADLINE_MS));
    if (turn % 3 == 0)
        midisock_close(s);
    midisock_browser_close(first);
    if (turn % 3 != 0)
        midisock_close(s);
    midisock_browser_close(second);
    return 0;
}

/* Where the library lies that this plugin uses: different for two copies. */
const void *plugin_library(void)
{
    return midisock_version_string();
}
