#include "find.h"

#include "cli.h"
#include "platform.h"

#include <stdio.h>
#include <string.h>

#define STEP_MS 50
#define SHOWN 8 /* names in the message that another one is not found */

/* Adds a name to the list of those that are found. */
static void note(char *list, size_t capacity, int count, const char *name)
{
    size_t used = strlen(list);
    if (count < SHOWN)
        snprintf(list + used, capacity - used, "%s'%s'", count > 0 ? ", " : "", name);
    else if (count == SHOWN)
        snprintf(list + used, capacity - used, ", ...");
}

/* Waits for the server. Returns whether it has come. */
static int wait_for(midisock_browser *browser, const char *name, midisock_service *service, char *others, size_t capacity)
{
    uint64_t until = midisock_now_ns() + FIND_MS * UINT64_C(1000000);
    int count = 0;
    while (midisock_now_ns() < until && !platform_stopped()) {
        midisock_browser_wait(browser, STEP_MS);
        while (midisock_browser_next(browser, service, sizeof *service) == MIDISOCK_OK) {
            if (service->kind == MIDISOCK_SERVICE_LOST)
                continue;
            if (strcmp(service->name, name) == 0)
                return 1;
            note(others, capacity, count++, service->name);
        }
    }
    return 0;
}

int find_service(const char *name, midisock_service *service)
{
    midisock_browser *browser = NULL;
    char others[SHOWN * 80] = "";
    int found;
    midisock_result result = midisock_browse(&browser);
    if (result != MIDISOCK_OK) {
        cli_message("cannot look for '%s' on the network: %s", name, midisock_strerror(result));
        return -1;
    }
    found = wait_for(browser, name, service, others, sizeof others);
    midisock_browser_close(browser);
    if (found)
        return 0;
    if (!platform_stopped())
        cli_message("there is no server named '%s' on the network%s%s", name,
                    others[0] != '\0' ? "; there are " : "", others);
    return -1;
}

void find_address(const midisock_service *service, char text[FIND_ADDRESS])
{
    const char *format = strchr(service->address, ':') != NULL ? "[%s]:%u" : "%s:%u";
    snprintf(text, FIND_ADDRESS, format, service->address, (unsigned)service->port);
}
