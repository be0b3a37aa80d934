#include "browse.h"

#include "../common/cli.h"
#include "../common/decode.h"
#include "../common/find.h"
#include "../common/output.h"
#include "../common/platform.h"

#define CHECK_MS 100

static const char *event(int32_t kind)
{
    switch (kind) {
    case MIDISOCK_SERVICE_FOUND: return "found";
    case MIDISOCK_SERVICE_CHANGED: return "changed";
    case MIDISOCK_SERVICE_LOST: return "lost";
    default: return "?";
    }
}

static void print(const midisock_service *service, int json, uint64_t start_ns)
{
    char address[FIND_ADDRESS];
    uint64_t now = midisock_now_ns();
    if (!json) {
        find_address(service, address);
        output_printf("%-7s  %-21s  %s  (%s)\n", event(service->kind), address, service->name, service->host);
        return;
    }
    output_printf("{\"event\":\"%s\",\"time\":%.6f,\"time_ns\":%llu,\"name\":", event(service->kind),
                  (double)(now - start_ns) / 1e9, (unsigned long long)now);
    json_string(service->name);
    output_text(",\"address\":");
    json_string(service->address);
    output_printf(",\"port\":%u,\"host\":", (unsigned)service->port);
    json_string(service->host);
    output_text("}\n");
}

/* How long to wait for the next change; 0: the time is over. */
static int32_t wait_ms(uint64_t start_ns, int32_t timeout_ms)
{
    uint64_t passed = (midisock_now_ns() - start_ns) / 1000000;
    if (timeout_ms < 0)
        return CHECK_MS;
    if (passed >= (uint64_t)timeout_ms)
        return 0;
    return timeout_ms - (int32_t)passed < CHECK_MS ? timeout_ms - (int32_t)passed : CHECK_MS;
}

int browse(int json, uint32_t count, int32_t timeout_ms)
{
    midisock_browser *browser = NULL;
    midisock_service service;
    uint64_t start_ns = midisock_now_ns();
    uint32_t seen = 0;
    int32_t wait = CHECK_MS;
    midisock_result result = midisock_browse(&browser);
    if (result != MIDISOCK_OK) {
        cli_message("cannot look at the network: %s", midisock_strerror(result));
        return EXIT_FAILED;
    }
    while (!platform_stopped() && wait > 0 && (count == 0 || seen < count)) {
        wait = wait_ms(start_ns, timeout_ms);
        midisock_browser_wait(browser, wait);
        while ((count == 0 || seen < count) &&
               midisock_browser_next(browser, &service, sizeof service) == MIDISOCK_OK) {
            print(&service, json, start_ns);
            seen++;
        }
        if (output_check() != 0)
            break;
    }
    midisock_browser_close(browser);
    if (output_check() != 0 && !platform_stopped())
        return EXIT_FAILED;
    return wait == 0 && count > 0 && seen < count ? EXIT_TIMED_OUT : EXIT_DONE;
}
