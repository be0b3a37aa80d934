/* Bad arguments: every function refuses them, writes nothing and goes on
 * working. */
#include "check.h"
#include "raw.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Storage in which no struct of the API is aligned at byte 1. */
typedef union crooked {
    uint64_t align;
    unsigned char bytes[512];
} crooked;
#define CROOKED(type, storage) ((type *)(void *)((storage).bytes + 1))

static void fill(crooked *storage)
{
    memset(storage, 0xa5, sizeof *storage);
}

static void untouched(const crooked *storage)
{
    for (size_t i = 0; i < sizeof storage->bytes; i++)
        CHECK_INT(0xa5, storage->bytes[i]);
}

/* A server and its client, and what tells that nothing happened to them. */
typedef struct link {
    midisock_port *server;
    midisock_port *client;
} link;

static link make_link(void)
{
    link l;
    l.server = check_listen(NULL);
    l.client = check_connect(l.server, NULL);
    NOTIFIED(l.server, MIDISOCK_NOTIFY_CLIENT_JOINED);
    NOTIFIED(l.client, MIDISOCK_NOTIFY_CONNECTED);
    return l;
}

static void still_works(link l)
{
    midisock_message m;
    midisock_notification n;
    CHECK_RESULT(MIDISOCK_EMPTY, midisock_pop(l.server, &m));
    CHECK_RESULT(MIDISOCK_EMPTY, midisock_pop(l.client, &m));
    CHECK_RESULT(MIDISOCK_EMPTY, midisock_poll_notification(l.server, &n));
    CHECK_RESULT(MIDISOCK_EMPTY, midisock_poll_notification(l.client, &n));
    CHECK_INT(0, check_stats(l.client).bytes_out);
    CHECK_INT(0, check_stats(l.server).bytes_out);
    CHECK_INT(0, check_stats(l.client).dropped_out);
    CHECK_INT(0, check_stats(l.server).dropped_out);
    CHECK_OK(midisock_push(l.client, BYTES(0x91, 1, 2)));
    EXPECT(l.server, 0x91, 1, 2);
    CHECK_OK(midisock_push(l.server, BYTES(0x92, 3, 4)));
    EXPECT(l.client, 0x92, 3, 4);
    midisock_close(l.client);
    midisock_close(l.server);
}

static void null_ports(void)
{
    midisock_port *out = (midisock_port *)(void *)&out;
    midisock_port *const before = out;
    midisock_message m;
    midisock_notification n;
    midisock_stats s;
    char text[64];
    midisock_block block = {sizeof block, 0, 0, 48000.0, 64, 0, 0};
    memset(&m, 0xa5, sizeof m);
    memset(&n, 0xa5, sizeof n);
    memset(&s, 0xa5, sizeof s);
    memset(text, 0xa5, sizeof text);
    midisock_message m0 = m;
    midisock_notification n0 = n;
    midisock_stats s0 = s;
    const midisock_message now = {0, (const uint8_t *)"\xf8", 1, 0, 0, 0, {0, 0}};

    CHECK_INVALID(midisock_accept(NULL, 0, &out));
    CHECK_INVALID(midisock_accept(NULL, -1, &out));
    CHECK_INVALID(midisock_shutdown(NULL));
    midisock_close(NULL);
    CHECK_INVALID(midisock_push(NULL, BYTES(0xf8)));
    CHECK_INVALID(midisock_push_message(NULL, &now));
    CHECK_INVALID(midisock_pop(NULL, &m));
    CHECK_INVALID(midisock_skip(NULL));
    CHECK_INVALID(midisock_cancel(NULL));
    CHECK_INVALID(midisock_panic(NULL));
    CHECK_INVALID(midisock_reset(NULL));
    CHECK_INVALID(midisock_begin_block(NULL, &block));
    CHECK_INVALID(midisock_pop_block(NULL, &m));
    CHECK_INVALID(midisock_push_frame(NULL, 0, BYTES(0xf8)));
    CHECK_INT(0, midisock_state(NULL));
    CHECK_INT(0, midisock_client_count(NULL));
    CHECK_INT(0, midisock_local_port(NULL));
    CHECK_INVALID(midisock_get_stats(NULL, &s, sizeof s));
    CHECK_INVALID(midisock_wait(NULL, MIDISOCK_WAIT_MESSAGE, 0));
    CHECK_INVALID(midisock_wait(NULL, MIDISOCK_WAIT_MESSAGE, -1));
    CHECK_INVALID(midisock_wait_connected(NULL, 0));
    CHECK_INVALID(midisock_wait_connected(NULL, -1));
    CHECK_INVALID(midisock_flush(NULL, 0));
    CHECK_INVALID(midisock_flush(NULL, -1));
    CHECK_INVALID(midisock_poll_notification(NULL, &n));
    CHECK_INVALID(midisock_client_address(NULL, 1, text, sizeof text));
    CHECK_INVALID(midisock_peer_address(NULL, text, sizeof text));
    CHECK_INVALID(midisock_disconnect(NULL, 1));
    CHECK_INVALID(midisock_set_realtime_priority(NULL, 1));
    CHECK_INVALID(midisock_set_latency(NULL, 0, 0));
    CHECK_INVALID(midisock_set_channels(NULL, 0));

    CHECK(out == before);
    CHECK_MEMORY(&m0, sizeof m, &m, sizeof m);
    CHECK_MEMORY(&n0, sizeof n, &n, sizeof n);
    CHECK_MEMORY(&s0, sizeof s, &s, sizeof s);
    for (size_t i = 0; i < sizeof text; i++)
        CHECK_INT(0xa5, (unsigned char)text[i]);
}

static void all_null(void)
{
    CHECK_INVALID(midisock_listen(NULL, 0, NULL, NULL));
    CHECK_INVALID(midisock_connect(NULL, 0, NULL, NULL));
    CHECK_INVALID(midisock_accept(NULL, 0, NULL));
    CHECK_INVALID(midisock_pair(NULL, NULL, NULL));
    CHECK_INVALID(midisock_parse_address(NULL, NULL, 0, NULL));
    CHECK_INVALID(midisock_push(NULL, NULL, 0));
    CHECK_INVALID(midisock_push_message(NULL, NULL));
    CHECK_INVALID(midisock_pop(NULL, NULL));
    CHECK_INVALID(midisock_begin_block(NULL, NULL));
    CHECK_INVALID(midisock_pop_block(NULL, NULL));
    CHECK_INVALID(midisock_push_frame(NULL, 0, NULL, 0));
    CHECK_INVALID(midisock_get_stats(NULL, NULL, 0));
    CHECK_INVALID(midisock_wait(NULL, 0, 0));
    CHECK_INVALID(midisock_wait_any(NULL, 0, 0, 0, NULL));
    CHECK_INVALID(midisock_poll_notification(NULL, NULL));
    CHECK_INVALID(midisock_client_address(NULL, 0, NULL, 0));
    CHECK_INVALID(midisock_peer_address(NULL, NULL, 0));
    CHECK_INVALID(midisock_adopt(-1, NULL, NULL));
    CHECK_INVALID(midisock_disconnect(NULL, 0));
}

static void making_ports(void)
{
    unsigned threads = check_threads();
    unsigned descriptors = check_descriptors();
    midisock_port *out = (midisock_port *)(void *)&out;
    midisock_port *const before = out;
    crooked storage;
    fill(&storage);

    CHECK_INVALID(midisock_listen(NULL, 0, NULL, NULL));
    CHECK_INVALID(midisock_listen(NULL, 0, CROOKED(midisock_config, storage), &out));
    CHECK_INVALID(midisock_listen(NULL, 0, NULL, CROOKED(midisock_port *, storage)));
    CHECK_INVALID(midisock_connect("127.0.0.1", 9, NULL, NULL));
    CHECK_INVALID(midisock_connect(NULL, 9, NULL, &out));
    CHECK_INVALID(midisock_connect("127.0.0.1", 0, NULL, &out));
    CHECK_RESULT(MIDISOCK_ERR_ADDRESS, midisock_connect("", 9, NULL, &out));
    CHECK_INVALID(midisock_connect("127.0.0.1", 9, CROOKED(midisock_config, storage), &out));
    CHECK_INVALID(midisock_connect("127.0.0.1", 9, NULL, CROOKED(midisock_port *, storage)));
    CHECK_INVALID(midisock_pair(NULL, NULL, &out));
    CHECK_INVALID(midisock_pair(NULL, &out, NULL));
    CHECK_INVALID(midisock_pair(NULL, CROOKED(midisock_port *, storage), &out));
    CHECK_INVALID(midisock_pair(NULL, &out, CROOKED(midisock_port *, storage)));
    CHECK_INVALID(midisock_pair(CROOKED(midisock_config, storage), &out, &out));
    midisock_config_init(CROOKED(midisock_config, storage), sizeof(midisock_config));

    CHECK(out == before);
    untouched(&storage);
    /* A refused port leaves no thread behind. */
    CHECK_SOON(check_threads() == threads);
    CHECK_INT(descriptors, check_descriptors());
}

static void accepting(void)
{
    midisock_config c = check_config();
    c.accept_mode = MIDISOCK_ACCEPT_MANUAL;
    midisock_port *server = check_listen(&c);
    midisock_port *client = check_connect(server, NULL);
    midisock_port *out = (midisock_port *)(void *)&out;
    midisock_port *const before = out;
    crooked storage;
    fill(&storage);
    CHECK_OK(midisock_wait(server, MIDISOCK_WAIT_CLIENT, DEADLINE_MS));
    CHECK_INVALID(midisock_accept(server, 0, NULL));
    CHECK_INVALID(midisock_accept(server, 0, CROOKED(midisock_port *, storage)));
    CHECK_INVALID(midisock_accept(server, -2, &out));
    CHECK_INVALID(midisock_accept(server, INT32_MIN, &out));
    CHECK(out == before);
    untouched(&storage);
    /* The client was not lost by it. */
    midisock_port *accepted = NULL;
    CHECK_OK(midisock_accept(server, 0, &accepted));
    CHECK_OK(midisock_push(accepted, BYTES(0xf6)));
    EXPECT(client, 0xf6);
    midisock_close(accepted);
    midisock_close(client);
    midisock_close(server);
}

static void pushing(void)
{
    link l = make_link();
    crooked storage;
    fill(&storage);
    midisock_port *both[] = {l.server, l.client};
    for (int i = 0; i < 2; i++) {
        midisock_port *port = both[i];
        CHECK_INVALID(midisock_push(port, NULL, 0));
        CHECK_INVALID(midisock_push(port, NULL, 3));
        CHECK_INVALID(midisock_push(port, NULL, SIZE_MAX));
        /* Zero bytes are no message. */
        CHECK(midisock_push(port, (const uint8_t *)"\x90", 0) < 0);
        /* A size beyond anything: told without reading so far. */
        CHECK(midisock_push(port, (const uint8_t *)"\x90\x01\x02", SIZE_MAX) < 0);
        CHECK_RESULT(MIDISOCK_ERR_TOO_LARGE,
                     midisock_push(port, (const uint8_t *)"\xf0\x01\xf7", SIZE_MAX));
        CHECK_RESULT(MIDISOCK_ERR_TOO_LARGE,
                     midisock_push(port, (const uint8_t *)"\xf0\x01\xf7", SIZE_MAX / 2 + 1));

        CHECK_INVALID(midisock_push_message(port, NULL));
        CHECK_INVALID(midisock_push_message(port, CROOKED(midisock_message, storage)));
        midisock_message m;
        memset(&m, 0, sizeof m);
        CHECK_INVALID(midisock_push_message(port, &m));
        m.size = 3;
        CHECK_INVALID(midisock_push_message(port, &m));
        m.data = (const uint8_t *)"\x90\x01\x02";
        m.size = 0;
        CHECK(midisock_push_message(port, &m) < 0);
        m.size = UINT32_MAX;
        CHECK(midisock_push_message(port, &m) < 0);
        m.size = 3;
        m.time_ns = UINT64_MAX;
        CHECK_INVALID(midisock_push_message(port, &m));
        m.time_ns = midisock_now_ns() + UINT64_C(60000000000);
        CHECK_INVALID(midisock_push_message(port, &m));
    }
    midisock_message m = {0, (const uint8_t *)"\x90\x01\x02", 3, UINT32_MAX, 0, 0, {0, 0}};
    CHECK_RESULT(MIDISOCK_ERR_NO_SUCH_CLIENT, midisock_push_message(l.server, &m));
    untouched(&storage);
    still_works(l);
}

static void popping(void)
{
    link l = make_link();
    crooked storage;
    fill(&storage);
    CHECK_OK(midisock_push(l.client, BYTES(0xb0, 80, 1)));
    CHECK_OK(midisock_wait(l.server, MIDISOCK_WAIT_MESSAGE, DEADLINE_MS));
    CHECK_INVALID(midisock_pop(l.server, NULL));
    CHECK_INVALID(midisock_pop(l.server, CROOKED(midisock_message, storage)));
    CHECK_INVALID(midisock_pop_block(l.server, NULL));
    CHECK_INVALID(midisock_pop_block(l.server, CROOKED(midisock_message, storage)));
    untouched(&storage);
    EXPECT(l.server, 0xb0, 80, 1); /* it is still there */
    midisock_close(l.client);
    midisock_close(l.server);
}

static void blocks(void)
{
    link l = make_link();
    crooked storage;
    fill(&storage);
    const midisock_block good = {sizeof good, 0, 0, 48000.0, 64, 0, 0};
    /* No block yet: no frame. */
    CHECK_INVALID(midisock_push_frame(l.client, 0, BYTES(0xf8)));
    CHECK_INVALID(midisock_begin_block(l.client, NULL));
    CHECK_INVALID(midisock_begin_block(l.client, CROOKED(midisock_block, storage)));
    const double rates[] = {0.0,  -0.0, -1.0,  -48000.0, (double)NAN, (double)INFINITY,
                            -(double)INFINITY, 1e300, 10000000.5, 1e8};
    for (size_t i = 0; i < sizeof rates / sizeof rates[0]; i++) {
        midisock_block bad = good;
        bad.sample_rate = rates[i];
        CHECK_INVALID(midisock_begin_block(l.client, &bad));
    }
    const uint32_t sizes[] = {0, 1, 4, 31};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        midisock_block bad = good;
        bad.struct_size = sizes[i];
        CHECK_INVALID(midisock_begin_block(l.client, &bad));
    }
    for (int bit = 0; bit < 32; bit++) {
        midisock_block bad = good;
        bad.flags = UINT32_C(1) << bit;
        if (bad.flags <= MIDISOCK_BLOCK_DEVICE_TIME)
            continue; /* known: see test_block_position.c for its own errors */
        CHECK_INVALID(midisock_begin_block(l.client, &bad));
    }
    const uint32_t frames[] = {(1u << 24) + 1, 1u << 31, UINT32_MAX};
    for (size_t i = 0; i < 3; i++) {
        midisock_block bad = good;
        bad.frames = frames[i];
        CHECK_INVALID(midisock_begin_block(l.client, &bad));
    }
    /* None of these began a block. */
    CHECK_INVALID(midisock_push_frame(l.client, 0, BYTES(0xf8)));

    CHECK_OK(midisock_begin_block(l.client, &good));
    CHECK_INVALID(midisock_push_frame(l.client, 64, BYTES(0xf8)));
    CHECK_INVALID(midisock_push_frame(l.client, UINT32_MAX, BYTES(0xf8)));
    CHECK_INVALID(midisock_push_frame(l.client, 0, NULL, 1));
    CHECK_RESULT(MIDISOCK_ERR_INVALID_MESSAGE, midisock_push_frame(l.client, 0, BYTES(0x90, 1)));
    CHECK_RESULT(MIDISOCK_ERR_TOO_LARGE,
                 midisock_push_frame(l.client, 0, (const uint8_t *)"\xf0\x01\xf7", SIZE_MAX));
    midisock_block empty = good;
    empty.frames = 0;
    CHECK_OK(midisock_begin_block(l.client, &empty));
    CHECK_INVALID(midisock_push_frame(l.client, 1, BYTES(0xf8)));
    untouched(&storage);
    still_works(l);
}

static void state_and_stats(void)
{
    link l = make_link();
    crooked storage;
    fill(&storage);
    CHECK_INVALID(midisock_get_stats(l.client, NULL, sizeof(midisock_stats)));
    CHECK_INVALID(midisock_get_stats(l.client, NULL, 0));
    CHECK_INVALID(midisock_get_stats(l.client, CROOKED(midisock_stats, storage),
                                     sizeof(midisock_stats)));
    CHECK_INVALID(midisock_get_stats(l.client, (midisock_stats *)(void *)&storage, SIZE_MAX));
    midisock_get_stats(l.client, (midisock_stats *)(void *)&storage, 0);
    untouched(&storage);
    still_works(l);
}

static void waiting(void)
{
    link l = make_link();
    const uint32_t known = MIDISOCK_WAIT_MESSAGE | MIDISOCK_WAIT_ROOM |
                           MIDISOCK_WAIT_NOTIFICATION | MIDISOCK_WAIT_CLIENT;
    midisock_port *ports[] = {l.client, l.server, NULL};
    size_t index = 77;
    CHECK_INVALID(midisock_wait(l.client, 0, 0));
    CHECK_INVALID(midisock_wait(l.client, 0, -1));
    for (int bit = 0; bit < 32; bit++) {
        uint32_t what = UINT32_C(1) << bit;
        if (what & known)
            continue;
        CHECK_INVALID(midisock_wait(l.client, what, 0));
        CHECK_INVALID(midisock_wait(l.client, what | MIDISOCK_WAIT_MESSAGE, 0));
        CHECK_INVALID(midisock_wait_any(ports, 2, what, 0, &index));
    }
    const int32_t timeouts[] = {-2, -1000, INT32_MIN};
    for (size_t i = 0; i < 3; i++) {
        CHECK_INVALID(midisock_wait(l.client, MIDISOCK_WAIT_MESSAGE, timeouts[i]));
        CHECK_INVALID(midisock_wait_any(ports, 2, MIDISOCK_WAIT_MESSAGE, timeouts[i], &index));
        CHECK_INVALID(midisock_wait_connected(l.client, timeouts[i]));
        CHECK_INVALID(midisock_flush(l.client, timeouts[i]));
    }
    CHECK_INVALID(midisock_wait_any(ports, 0, MIDISOCK_WAIT_MESSAGE, 0, &index));
    CHECK_INVALID(midisock_wait_any(ports, 0, MIDISOCK_WAIT_MESSAGE, -1, &index));
    CHECK_INVALID(midisock_wait_any(NULL, 2, MIDISOCK_WAIT_MESSAGE, 0, &index));
    CHECK_INVALID(midisock_wait_any(NULL, SIZE_MAX, MIDISOCK_WAIT_MESSAGE, 0, &index));
    CHECK_INVALID(midisock_wait_any(ports, 3, MIDISOCK_WAIT_MESSAGE, 0, &index));
    CHECK_INVALID(midisock_wait_any(ports, 2, 0, 0, &index));
    /* More ports than memory can hold: refused before they are read. */
    CHECK_INVALID(midisock_wait_any(ports, SIZE_MAX, MIDISOCK_WAIT_MESSAGE, 0, &index));
    crooked storage;
    fill(&storage);
    CHECK_INVALID(midisock_wait_any(CROOKED(midisock_port *, storage), 1, MIDISOCK_WAIT_MESSAGE,
                                    0, &index));
    CHECK_INVALID(
        midisock_wait_any(ports, 2, MIDISOCK_WAIT_MESSAGE, 0, CROOKED(size_t, storage)));
    untouched(&storage);
    CHECK_INT(77, index);
    /* Out of time is no answer either. */
    CHECK_RESULT(MIDISOCK_ERR_TIMEOUT,
                 midisock_wait_any(ports, 2, MIDISOCK_WAIT_MESSAGE, 0, &index));
    CHECK_INT(77, index);
    still_works(l);
}

static void notifications_and_clients(void)
{
    link l = make_link();
    crooked storage;
    fill(&storage);
    char *text = (char *)storage.bytes;
    CHECK_OK(midisock_push(l.client, BYTES(0xfe)));
    uint32_t id = EXPECT(l.server, 0xfe).client;
    CHECK_INVALID(midisock_poll_notification(l.server, NULL));
    CHECK_INVALID(
        midisock_poll_notification(l.server, CROOKED(midisock_notification, storage)));
    CHECK_INVALID(midisock_client_address(l.server, id, NULL, 64));
    CHECK_INVALID(midisock_client_address(l.server, id, NULL, 0));
    CHECK_INVALID(midisock_client_address(l.server, id, text, 0));
    CHECK_INVALID(midisock_client_address(l.server, id, text, 1));
    CHECK_INVALID(midisock_client_address(l.server, id, text, 10));
    CHECK_RESULT(MIDISOCK_ERR_NO_SUCH_CLIENT,
                 midisock_client_address(l.server, UINT32_MAX, text, 64));
    CHECK(midisock_client_address(l.server, 0, text, 64) < 0);
    CHECK_RESULT(MIDISOCK_ERR_NO_SUCH_CLIENT, midisock_disconnect(l.server, UINT32_MAX));
    CHECK(midisock_disconnect(l.server, 0) < 0);
    untouched(&storage);
    CHECK_INT(1, midisock_client_count(l.server));
    CHECK_OK(midisock_push(l.server, BYTES(0xf6)));
    EXPECT(l.client, 0xf6);
    midisock_close(l.client);
    midisock_close(l.server);
}

/* What every port that is not a server answers to a server's calls. */
static void is_no_server(midisock_port *port)
{
    midisock_port *out = NULL;
    char text[64] = "as it was";
    CHECK_ROLE(midisock_accept(port, 0, &out));
    CHECK_ROLE(midisock_accept(port, -1, &out));
    CHECK(out == NULL);
    CHECK_ROLE(midisock_client_address(port, 1, text, sizeof text));
    CHECK_TEXT("as it was", text);
    CHECK_ROLE(midisock_disconnect(port, 1));
    CHECK_ROLE(midisock_wait(port, MIDISOCK_WAIT_CLIENT, 0));
    CHECK_ROLE(midisock_wait(port, MIDISOCK_WAIT_CLIENT, -1));
    CHECK_INT(0, midisock_client_count(port));
    CHECK_OK(midisock_wait_connected(port, 0));
    CHECK_RESULT(MIDISOCK_ERR_TIMEOUT,
                 midisock_wait(port, MIDISOCK_WAIT_CLIENT | MIDISOCK_WAIT_MESSAGE, 0));
}

static void wrong_roles(void)
{
    midisock_config manual = check_config();
    manual.accept_mode = MIDISOCK_ACCEPT_MANUAL;
    midisock_port *server = check_listen(&manual);
    midisock_port *client = check_connect(server, NULL);
    midisock_port *accepted = NULL;
    CHECK_OK(midisock_accept(server, DEADLINE_MS, &accepted));
    midisock_port *a = NULL;
    midisock_port *b = NULL;
    CHECK_OK(midisock_pair(NULL, &a, &b));
    midisock_port *merged = check_listen(NULL);

    is_no_server(client);
    is_no_server(accepted);
    is_no_server(a);
    is_no_server(b);

    /* A merged server. */
    midisock_port *out = NULL;
    CHECK_ROLE(midisock_accept(merged, 0, &out));
    CHECK_ROLE(midisock_accept(merged, -1, &out));
    CHECK(out == NULL);
    CHECK_ROLE(midisock_wait_connected(merged, 0));
    CHECK_ROLE(midisock_wait_connected(merged, -1));
    CHECK_ROLE(midisock_wait(merged, MIDISOCK_WAIT_CLIENT, -1));

    /* A manual server: no message and no client is its own. */
    midisock_message m;
    memset(&m, 0xa5, sizeof m);
    const midisock_message before = m;
    const midisock_message now = {0, (const uint8_t *)"\xf8", 1, 0, 0, 0, {0, 0}};
    const midisock_block block = {sizeof block, 0, 0, 48000.0, 64, 0, 0};
    char text[64] = "as it was";
    CHECK_ROLE(midisock_push(server, BYTES(0xf8)));
    CHECK_ROLE(midisock_push_message(server, &now));
    CHECK_ROLE(midisock_pop(server, &m));
    CHECK_ROLE(midisock_skip(server));
    CHECK_ROLE(midisock_cancel(server));
    CHECK_ROLE(midisock_panic(server));
    CHECK_ROLE(midisock_reset(server));
    CHECK_ROLE(midisock_begin_block(server, &block));
    CHECK_ROLE(midisock_pop_block(server, &m));
    CHECK_ROLE(midisock_push_frame(server, 0, BYTES(0xf8)));
    CHECK_ROLE(midisock_flush(server, 0));
    CHECK_ROLE(midisock_flush(server, -1));
    CHECK_ROLE(midisock_client_address(server, 1, text, sizeof text));
    CHECK_ROLE(midisock_disconnect(server, 1));
    CHECK_ROLE(midisock_wait_connected(server, -1));
    CHECK_ROLE(midisock_wait(server, MIDISOCK_WAIT_MESSAGE, -1));
    CHECK_ROLE(midisock_wait(server, MIDISOCK_WAIT_ROOM, -1));
    CHECK_ROLE(midisock_wait(server, MIDISOCK_WAIT_MESSAGE | MIDISOCK_WAIT_ROOM, 0));
    CHECK_RESULT(MIDISOCK_ERR_TIMEOUT,
                 midisock_wait(server, MIDISOCK_WAIT_MESSAGE | MIDISOCK_WAIT_CLIENT, 0));
    CHECK_MEMORY(&before, sizeof before, &m, sizeof m);
    CHECK_TEXT("as it was", text);

    /* Nothing of it reached anybody, and everybody works. */
    CHECK_OK(midisock_push(accepted, BYTES(0xc0, 1)));
    EXPECT(client, 0xc0, 1);
    CHECK_OK(midisock_push(client, BYTES(0xc0, 2)));
    EXPECT(accepted, 0xc0, 2);
    CHECK_OK(midisock_push(a, BYTES(0xc0, 3)));
    EXPECT(b, 0xc0, 3);
    midisock_close(merged);
    midisock_close(a);
    midisock_close(b);
    midisock_close(accepted);
    midisock_close(client);
    midisock_close(server);
}

int main(int argc, char **argv)
{
    static const check_case cases[] = {
        CASE(null_ports), CASE(all_null),        CASE(making_ports), CASE(accepting),
        CASE(pushing),    CASE(popping),         CASE(blocks),       CASE(state_and_stats),
        CASE(waiting),    CASE(notifications_and_clients),           CASE(wrong_roles),
    };
    return check_main(argc, argv, CASES(cases));
}
