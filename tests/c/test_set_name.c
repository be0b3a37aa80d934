/* The name of a port: what it may be. What peers are told of it: test_sender_names.c. */
#include "check.h"
#include "raw.h"

#include <string.h>

static const char *const GOOD[] = {
    "", "a", "B\xc3\xbchne links", "\xe7\x90\xb4", "two words, and more",
    "123456789012345678901234567890123456789012345678901234567890123", /* 63 */
};
static const char *const BAD[] = {
    "1234567890123456789012345678901234567890123456789012345678901234", /* 64 */
    "line\n", "\t", "\x1b[2J", "\x7f",
    "\xc2\x80",             /* a control character of two bytes */
    "\xff", "\xc3", "\xc0\x80", "\xed\xa0\x80", /* no UTF-8 */
};
enum { GOOD_COUNT = sizeof GOOD / sizeof GOOD[0], BAD_COUNT = sizeof BAD / sizeof BAD[0] };

static void every_kind_of_port_has_one(void)
{
    midisock_config c = check_config();
    midisock_port *server = check_listen(&c);
    midisock_port *client = check_connect(server, NULL);
    c.accept_mode = MIDISOCK_ACCEPT_MANUAL;
    midisock_port *manual = check_listen(&c);
    midisock_port *visitor = check_connect(manual, NULL);
    midisock_port *accepted = NULL, *a = NULL, *b = NULL;
    CHECK_OK(midisock_accept(manual, DEADLINE_MS, &accepted));
    CHECK_OK(midisock_pair(NULL, &a, &b));
    midisock_port *const ports[] = {server, client, manual, visitor, accepted, a, b};
    for (size_t i = 0; i < sizeof ports / sizeof ports[0]; i++) {
        for (int n = 0; n < GOOD_COUNT; n++)
            CHECK_OK(midisock_set_name(ports[i], GOOD[n]));
        for (int n = 0; n < BAD_COUNT; n++)
            CHECK_INVALID(midisock_set_name(ports[i], BAD[n]));
        CHECK_OK(midisock_set_name(ports[i], NULL));
    }
    for (size_t i = 0; i < sizeof ports / sizeof ports[0]; i++) {
        CHECK_OK(midisock_shutdown(ports[i]));
        CHECK_RESULT(MIDISOCK_ERR_CLOSED, midisock_set_name(ports[i], "a"));
        CHECK_RESULT(MIDISOCK_ERR_CLOSED, midisock_set_name(ports[i], NULL));
    }
    for (size_t i = 0; i < sizeof ports / sizeof ports[0]; i++)
        midisock_close(ports[i]);
    CHECK_INVALID(midisock_set_name(NULL, "a"));
    CHECK_INVALID(midisock_set_name(NULL, NULL));
}

static void a_long_text_is_refused(void)
{
    static char text[1 << 20];
    memset(text, 'x', sizeof text - 1);
    midisock_port *server = check_listen(NULL);
    CHECK_INVALID(midisock_set_name(server, text));
    CHECK_INVALID(midisock_set_name((midisock_port *)(void *)((char *)server + 1), "a"));
    midisock_close(server);
}

static void in_the_config(void)
{
    midisock_config c = check_config();
    CHECK(c.name == NULL);
    midisock_port *port = NULL, *other = NULL;
    for (int n = 0; n < GOOD_COUNT; n++) {
        c.name = GOOD[n];
        CHECK_OK(midisock_listen(NULL, 0, &c, &port));
        uint16_t number = midisock_local_port(port);
        CHECK_OK(midisock_connect("127.0.0.1", number, &c, &other));
        midisock_close(other);
        midisock_close(port);
        CHECK_OK(midisock_pair(&c, &port, &other));
        midisock_close(other);
        midisock_close(port);
    }
    port = other = NULL;
    for (int n = 0; n < BAD_COUNT; n++) {
        c.name = BAD[n];
        CHECK_INVALID(midisock_listen(NULL, 0, &c, &port));
        CHECK_INVALID(midisock_connect("127.0.0.1", 9, &c, &port));
        CHECK_INVALID(midisock_pair(&c, &port, &other));
    }
    CHECK(port == NULL && other == NULL);
}

/* The string is the caller's again when the call is over. */
static void the_text_is_copied(void)
{
    char text[] = "name";
    midisock_config c = check_config();
    c.name = text;
    midisock_port *server = check_listen(&c);
    memset(text, '\n', sizeof text);
    midisock_port *client = check_connect(server, NULL);
    CHECK_OK(midisock_set_name(client, "other"));
    /* No byte of either goes anywhere. */
    CHECK_OK(midisock_push(client, BYTES(0xf6)));
    EXPECT(server, 0xf6);
    CHECK_OK(midisock_flush(server, DEADLINE_MS));
    CHECK_INT(1, check_stats(server).bytes_in);
    CHECK_INT(0, check_stats(server).bytes_out);
    midisock_close(client);
    midisock_close(server);
}

int main(int argc, char **argv)
{
    static const check_case TABLE[] = {
        CASE(every_kind_of_port_has_one),
        CASE(a_long_text_is_refused),
        CASE(in_the_config),
        CASE(the_text_is_copied),
    };
    return check_main(argc, argv, CASES(TABLE));
}
