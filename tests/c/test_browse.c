/* Finding one another, in a network of the case's own: advertise, midisock_browse and what goes with it. What other
 * responders and hostile packets do to it is tested by tests/discovery. */
#include "check.h"
#include "network.h"

#include <stdio.h>
#include <string.h>

#define ADDRESS "10.77.0.1"

/* An interface that leads nowhere: what is sent to a group there comes back. */
static void a_network(void)
{
    own_network();
    if (!ip("link add m0 type veth peer name m1"))
        check_skip("no veth devices here");
    CHECK(ip("address add " ADDRESS "/24 dev m0"));
    CHECK(ip("link set m0 up"));
    CHECK(ip("link set m1 up"));
}

static midisock_config advertised(const char *name)
{
    midisock_config config = check_config();
    config.advertise = 1;
    config.name = name;
    return config;
}

static midisock_port *serve(const char *host, const char *name)
{
    midisock_port *server = NULL;
    midisock_config config = advertised(name);
    CHECK_OK(midisock_listen(host, 0, &config, &server));
    return server;
}

static midisock_browser *browse(void)
{
    midisock_browser *browser = NULL;
    CHECK_OK(midisock_browse(&browser));
    return browser;
}

/* The next change that comes in time. */
static midisock_service next(midisock_browser *browser)
{
    midisock_service service;
    memset(&service, 0x55, sizeof service);
    CHECK_OK(midisock_browser_wait(browser, DEADLINE_MS));
    CHECK_OK(midisock_browser_next(browser, &service, sizeof service));
    CHECK_INT(0, service.reserved);
    return service;
}

static midisock_service expect(midisock_browser *browser, int32_t kind, const char *name)
{
    midisock_service service = next(browser);
    CHECK_TEXT(name, service.name);
    CHECK_INT(kind, service.kind);
    return service;
}

static void arguments_are_checked(void)
{
    midisock_service service;
    midisock_browser *browser;
    a_network();
    CHECK_INVALID(midisock_browse(NULL));
    CHECK_INVALID(midisock_browser_next(NULL, &service, sizeof service));
    CHECK_INVALID(midisock_browser_wait(NULL, 0));
    midisock_browser_close(NULL);
    browser = browse();
    CHECK_INVALID(midisock_browser_next(browser, NULL, sizeof service));
    CHECK_INVALID(midisock_browser_next(browser, &service, 7));
    CHECK_INVALID(midisock_browser_next(browser, &service, 4097));
    CHECK_RESULT(MIDISOCK_EMPTY, midisock_browser_next(browser, &service, sizeof service));
    CHECK_INVALID(midisock_browser_wait(browser, -2));
    CHECK_RESULT(MIDISOCK_ERR_TIMEOUT, midisock_browser_wait(browser, 0));
    CHECK_RESULT(MIDISOCK_ERR_TIMEOUT, midisock_browser_wait(browser, 10));
    midisock_browser_close(browser);
}

static void unix_sockets_cannot_be_advertised(void)
{
    midisock_port *port = NULL;
    midisock_config config = advertised("Stage");
    CHECK_INVALID(midisock_listen("unix:/tmp/midisock-never-made", 0, &config, &port));
    CHECK_INVALID(midisock_connect("unix:/tmp/midisock-never-made", 0, &config, &port));
    CHECK(port == NULL);
}

static void other_ports_ignore_it(void)
{
    midisock_port *server, *client = NULL, *first = NULL, *second = NULL;
    midisock_config config = advertised("Stage");
    a_network();
    server = check_listen(NULL);
    CHECK_OK(midisock_connect("127.0.0.1", midisock_local_port(server), &config, &client));
    CHECK_OK(midisock_wait_connected(client, DEADLINE_MS));
    CHECK_OK(midisock_pair(&config, &first, &second));
    CHECK_INT(1, check_more_threads()); /* the network thread */
    midisock_close(first);
    midisock_close(second);
    midisock_close(client);
    midisock_close(server);
}

static void a_server_on_loopback_is_not_advertised(void)
{
    static const char *const hosts[] = {NULL, "127.0.0.1", "localhost", "::1"};
    midisock_service service;
    a_network();
    for (size_t i = 0; i < sizeof hosts / sizeof hosts[0]; i++) {
        midisock_port *server = serve(hosts[i], "Stage");
        midisock_port *other;
        midisock_browser *browser;
        CHECK_INT(1, check_more_threads());
        browser = browse();
        other = serve("", "Other");
        expect(browser, MIDISOCK_SERVICE_FOUND, "Other");
        CHECK_RESULT(MIDISOCK_EMPTY, midisock_browser_next(browser, &service, sizeof service));
        midisock_close(other);
        midisock_browser_close(browser);
        midisock_close(server);
    }
}

static void a_server_is_found_and_reached(void)
{
    midisock_browser *browser;
    midisock_port *server, *client = NULL;
    midisock_service service;
    a_network();
    browser = browse();
    server = serve("", "B\xC3\xBChne");
    service = expect(browser, MIDISOCK_SERVICE_FOUND, "B\xC3\xBChne");
    CHECK_TEXT(ADDRESS, service.address);
    CHECK_INT(midisock_local_port(server), service.port);
    CHECK(strstr(service.host, ".local") != NULL);
    CHECK_OK(midisock_connect(service.address, service.port, NULL, &client));
    CHECK_OK(midisock_wait_connected(client, DEADLINE_MS));
    check_push(client, BYTES(0x90, 60, 100));
    EXPECT(server, 0x90, 60, 100);
    midisock_close(client);
    midisock_close(server);
    service = expect(browser, MIDISOCK_SERVICE_LOST, "B\xC3\xBChne");
    CHECK_TEXT(ADDRESS, service.address);
    midisock_browser_close(browser);
}

static void a_server_on_one_address_is_found_there(void)
{
    midisock_browser *browser;
    midisock_port *server;
    a_network();
    CHECK(ip("address add 10.77.0.2/24 dev m0"));
    server = serve("10.77.0.2", "Stage");
    browser = browse();
    CHECK_TEXT("10.77.0.2", expect(browser, MIDISOCK_SERVICE_FOUND, "Stage").address);
    midisock_close(server);
    midisock_browser_close(browser);
}

static void a_new_name_is_found_in_place_of_the_old_one(void)
{
    midisock_browser *browser;
    midisock_port *server;
    midisock_service service;
    int lost = 0, found = 0;
    a_network();
    browser = browse();
    server = serve("", "Stage");
    expect(browser, MIDISOCK_SERVICE_FOUND, "Stage");
    CHECK_OK(midisock_set_name(server, "Studio"));
    while (!lost || !found) {
        service = next(browser);
        if (strcmp(service.name, "Stage") == 0) {
            CHECK_INT(MIDISOCK_SERVICE_LOST, service.kind);
            lost++;
        } else {
            CHECK_TEXT("Studio", service.name);
            CHECK_INT(MIDISOCK_SERVICE_FOUND, service.kind);
            found++;
        }
    }
    CHECK_INT(1, lost);
    CHECK_INT(1, found);
    midisock_close(server);
    midisock_browser_close(browser);
}

static void a_server_that_is_shut_down_is_lost(void)
{
    midisock_browser *browser;
    midisock_port *server;
    a_network();
    browser = browse();
    server = serve("0.0.0.0", "Stage");
    expect(browser, MIDISOCK_SERVICE_FOUND, "Stage");
    CHECK_OK(midisock_shutdown(server));
    expect(browser, MIDISOCK_SERVICE_LOST, "Stage");
    CHECK_RESULT(MIDISOCK_ERR_CLOSED, midisock_set_name(server, "Studio"));
    midisock_close(server);
    midisock_browser_close(browser);
}

static void servers_of_one_name_are_numbered(void)
{
    midisock_browser *browser;
    midisock_port *first, *second;
    midisock_service service;
    a_network();
    browser = browse();
    first = serve("", "Stage");
    expect(browser, MIDISOCK_SERVICE_FOUND, "Stage");
    second = serve("", "Stage");
    service = expect(browser, MIDISOCK_SERVICE_FOUND, "Stage (2)");
    CHECK_INT(midisock_local_port(second), service.port);
    midisock_close(first);
    midisock_close(second);
    midisock_browser_close(browser);
}

static void a_server_without_a_name_has_the_machines(void)
{
    midisock_browser *browser;
    midisock_port *server;
    midisock_service service;
    size_t length;
    a_network();
    browser = browse();
    server = serve("", NULL);
    service = next(browser);
    length = strlen(service.name);
    CHECK(length >= strlen("midisock"));
    CHECK_TEXT("midisock", service.name + length - strlen("midisock"));
    midisock_close(server);
    midisock_browser_close(browser);
}

static void structs_of_other_sizes_are_filled(void)
{
    struct {
        midisock_service service;
        uint8_t more[8];
    } larger;
    static const uint8_t none[8];
    midisock_browser *first, *second;
    midisock_port *server;
    a_network();
    first = browse();
    second = browse();
    server = serve("", "Stage");
    memset(&larger, 0x55, sizeof larger);
    CHECK_OK(midisock_browser_wait(first, DEADLINE_MS));
    CHECK_OK(midisock_browser_next(first, &larger.service, 8));
    CHECK_INT(MIDISOCK_SERVICE_FOUND, larger.service.kind);
    CHECK_INT(midisock_local_port(server), larger.service.port);
    CHECK_INT(0x55, larger.service.name[0]);
    CHECK_OK(midisock_browser_wait(second, DEADLINE_MS));
    CHECK_OK(midisock_browser_next(second, &larger.service, sizeof larger));
    CHECK_TEXT("Stage", larger.service.name);
    CHECK_MEMORY(none, sizeof none, larger.more, sizeof larger.more);
    midisock_browser_close(first);
    midisock_close(server);
    expect(second, MIDISOCK_SERVICE_LOST, "Stage");
    midisock_browser_close(second);
}

static void a_server_is_advertised_once_it_listens(void)
{
    midisock_browser *browser;
    midisock_port *holder, *server = NULL, *other;
    midisock_config config = advertised("Stage");
    a_network();
    CHECK_OK(midisock_listen("", 0, NULL, &holder));
    config.listen_retry_ms = UINT32_MAX;
    CHECK_OK(midisock_listen("", midisock_local_port(holder), &config, &server));
    CHECK_INT(MIDISOCK_STATE_BINDING, midisock_state(server));
    CHECK_OK(midisock_set_name(server, "Late"));
    browser = browse();
    other = serve("", "Other");
    expect(browser, MIDISOCK_SERVICE_FOUND, "Other");
    midisock_close(holder);
    expect(browser, MIDISOCK_SERVICE_FOUND, "Late");
    midisock_close(server);
    midisock_close(other);
    midisock_browser_close(browser);
}

static void one_thread_serves_all_and_ends_with_the_last(void)
{
    midisock_browser *browsers[20];
    midisock_port *server;
    a_network();
    for (size_t i = 0; i < 20; i++)
        browsers[i] = browse();
    CHECK_INT(1, check_more_threads());
    server = serve("", "Stage");
    CHECK_INT(2, check_more_threads());
    for (size_t i = 0; i < 20; i++) {
        expect(browsers[i], MIDISOCK_SERVICE_FOUND, "Stage");
        midisock_browser_close(browsers[i]);
    }
    CHECK_INT(2, check_more_threads());
    midisock_close(server);
    CHECK_INT(0, check_more_threads());
    for (size_t i = 0; i < 100; i++)
        midisock_browser_close(browse());
    CHECK_INT(0, check_more_threads());
}

static void a_new_interface_is_used(void)
{
    midisock_browser *browser;
    midisock_port *server;
    midisock_service service;
    own_network();
    browser = browse();
    server = serve("0.0.0.0", "Stage");
    CHECK_RESULT(MIDISOCK_ERR_TIMEOUT, midisock_browser_wait(browser, 50));
    if (!ip("link add m0 type veth peer name m1"))
        check_skip("no veth devices here");
    CHECK(ip("address add " ADDRESS "/24 dev m0"));
    CHECK(ip("link set m0 up"));
    CHECK(ip("link set m1 up"));
    service = expect(browser, MIDISOCK_SERVICE_FOUND, "Stage");
    CHECK_TEXT(ADDRESS, service.address);
    CHECK(ip("link set m0 down"));
    expect(browser, MIDISOCK_SERVICE_LOST, "Stage");
    CHECK(ip("link set m0 up"));
    expect(browser, MIDISOCK_SERVICE_FOUND, "Stage");
    CHECK(ip("address delete " ADDRESS "/24 dev m0"));
    CHECK(ip("address add 10.77.0.9/24 dev m0"));
    do
        service = next(browser);
    while (strcmp(service.address, "10.77.0.9") != 0 || service.kind == MIDISOCK_SERVICE_LOST);
    midisock_close(server);
    midisock_browser_close(browser);
}

static void *waits(void *argument)
{
    midisock_browser *browser = argument;
    midisock_result result = midisock_browser_wait(browser, -1);
    return result == MIDISOCK_OK ? argument : NULL;
}

static void a_wait_without_limit_ends_with_a_change(void)
{
    midisock_browser *browser;
    midisock_port *server;
    pthread_t threads[3];
    a_network();
    browser = browse();
    for (size_t i = 0; i < 3; i++)
        check_start(&threads[i], waits, browser);
    server = serve("", "Stage");
    for (size_t i = 0; i < 3; i++)
        check_join(threads[i]);
    expect(browser, MIDISOCK_SERVICE_FOUND, "Stage");
    midisock_close(server);
    midisock_browser_close(browser);
}

static const check_case cases[] = {
    CASE(arguments_are_checked),
    CASE(unix_sockets_cannot_be_advertised),
    CASE(other_ports_ignore_it),
    CASE(a_server_on_loopback_is_not_advertised),
    CASE(a_server_is_found_and_reached),
    CASE(a_server_on_one_address_is_found_there),
    CASE(a_new_name_is_found_in_place_of_the_old_one),
    CASE(a_server_that_is_shut_down_is_lost),
    CASE(servers_of_one_name_are_numbered),
    CASE(a_server_without_a_name_has_the_machines),
    CASE(structs_of_other_sizes_are_filled),
    CASE(a_server_is_advertised_once_it_listens),
    CASE(one_thread_serves_all_and_ends_with_the_last),
    CASE(a_new_interface_is_used),
    CASE(a_wait_without_limit_ends_with_a_change),
};

int main(int argc, char **argv)
{
    return check_main(argc, argv, CASES(cases));
}
