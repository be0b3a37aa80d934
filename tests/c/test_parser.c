/* Parsing any stream of bytes: the table of the wire format, over a real
 * connection. */
#include "check.h"
#include "raw.h"

/* The table of the wire format: bytes, the messages they are (each preceded
 * by its size, 0 ends them), and how many bytes belong to none. */
typedef struct row {
    uint8_t in[16];
    size_t in_size;
    uint8_t out[24];
    unsigned invalid;
} row;

static const row rows[] = {
    {{0x90, 0x3c, 0x40, 0x3c, 0x00}, 5, {3, 0x90, 0x3c, 0x40, 3, 0x90, 0x3c, 0x00, 0}, 0},
    {{0x90, 0x3c, 0xf8, 0x40}, 4, {1, 0xf8, 3, 0x90, 0x3c, 0x40, 0}, 0},
    {{0x90, 0xfe, 0x3c, 0xf8, 0x40, 0xff, 0x3d, 0xfa, 0x41}, 9,
     {1, 0xfe, 1, 0xf8, 3, 0x90, 0x3c, 0x40, 1, 0xff, 1, 0xfa, 3, 0x90, 0x3d, 0x41, 0}, 0},
    {{0xf0, 0x01, 0xf8, 0x02, 0xf7}, 5, {1, 0xf8, 4, 0xf0, 0x01, 0x02, 0xf7, 0}, 0},
    {{0xf0, 0x01, 0x90, 0x3c, 0x40}, 5, {3, 0x90, 0x3c, 0x40, 0}, 2},
    {{0xf0, 0x01, 0x02, 0xf0, 0x03, 0xf7}, 6, {3, 0xf0, 0x03, 0xf7, 0}, 3},
    {{0xf7}, 1, {0}, 1},
    {{0x3c, 0x40, 0x00}, 3, {0}, 3},
    {{0xf0, 0x01, 0xf4, 0x02, 0xf7}, 5, {0}, 5},
    {{0x90, 0x3c, 0x80, 0x3c, 0x40}, 5, {3, 0x80, 0x3c, 0x40, 0}, 2},
    {{0x90, 0x3c, 0x40, 0xf0, 0x01, 0xf7, 0x3c, 0x40}, 8,
     {3, 0x90, 0x3c, 0x40, 3, 0xf0, 0x01, 0xf7, 0}, 2},
    {{0x90, 0x3c, 0x40, 0xf6, 0x3c, 0x40}, 6, {3, 0x90, 0x3c, 0x40, 1, 0xf6, 0}, 2},
    {{0x90, 0x3c, 0x40, 0xf1, 0x05, 0x3c}, 6, {3, 0x90, 0x3c, 0x40, 2, 0xf1, 0x05, 0}, 1},
    {{0x90, 0x3c, 0x40, 0xf2, 0x05, 0x06, 0x3c}, 7,
     {3, 0x90, 0x3c, 0x40, 3, 0xf2, 0x05, 0x06, 0}, 1},
    {{0x90, 0x3c, 0x40, 0xf3, 0x05, 0x3c}, 6, {3, 0x90, 0x3c, 0x40, 2, 0xf3, 0x05, 0}, 1},
    {{0x90, 0x3c, 0x40, 0xf4, 0x3c, 0xf5, 0x40}, 7, {3, 0x90, 0x3c, 0x40, 0}, 4},
    {{0x90, 0xf9, 0x3c, 0xfd, 0x40, 0xf9, 0x3c, 0x41}, 8,
     {3, 0x90, 0x3c, 0x40, 3, 0x90, 0x3c, 0x41, 0}, 3},
    {{0xf0, 0x01, 0xf9, 0x02, 0xf7}, 5, {4, 0xf0, 0x01, 0x02, 0xf7, 0}, 1},
    {{0xc0, 0x01, 0x02, 0xd3, 0x04, 0x05}, 6,
     {2, 0xc0, 0x01, 2, 0xc0, 0x02, 2, 0xd3, 0x04, 2, 0xd3, 0x05, 0}, 0},
};
enum { ROWS = sizeof rows / sizeof rows[0] };

/* Sends the row, in two pieces where `cut` lies inside it and with a message
 * seen at the other end before the second piece goes; then looks. */
static void send_row(midisock_port *server, const row *r, size_t cut)
{
    int fd = raw_connect(midisock_local_port(server));
    /* A stream that begins with three data bytes would be no MIDI. */
    RAW_SEND(fd, 0xf6);
    EXPECT(server, 0xf6);
    /* The peer before left nothing behind. */
    uint64_t before = check_stats(server).invalid_bytes;
    uint64_t bytes = check_stats(server).bytes_in;
    raw_send(fd, r->in, cut);
    CHECK_SOON(check_stats(server).bytes_in == bytes + cut); /* it has been read */
    raw_send(fd, r->in + cut, r->in_size - cut);
    /* What comes behind is a message by itself, whatever went before. */
    RAW_SEND(fd, 0xb7, 0x77, 0x70);
    for (const uint8_t *out = r->out; *out != 0; out += *out + 1)
        check_expect(server, out + 1, *out, __FILE__, (int)(r - rows) * 100 + (int)cut);
    check_expect(server, BYTES(0xb7, 0x77, 0x70), __FILE__, (int)(r - rows) * 100 + (int)cut);
    CHECK_COUNT(server, invalid_bytes, before + r->invalid);
    raw_close(fd);
}

static void the_table_in_every_split(void)
{
    midisock_config c = check_config();
    c.max_clients = 1000;
    midisock_port *server = check_listen(&c);
    for (int i = 0; i < ROWS; i++)
        for (size_t cut = 0; cut < rows[i].in_size; cut++)
            send_row(server, &rows[i], cut);
    midisock_close(server);
}

static void the_table_byte_by_byte(void)
{
    midisock_port *server = check_listen(NULL);
    int fd = raw_connect(midisock_local_port(server));
    RAW_SEND(fd, 0xf6);
    EXPECT(server, 0xf6);
    for (int i = 0; i < ROWS; i++) {
        const row *r = &rows[i];
        for (size_t at = 0; at < r->in_size; at++) {
            uint64_t bytes = check_stats(server).bytes_in;
            raw_send(fd, r->in + at, 1);
            CHECK_SOON(check_stats(server).bytes_in == bytes + 1);
        }
        for (const uint8_t *out = r->out; *out != 0; out += *out + 1)
            check_expect(server, out + 1, *out, __FILE__, i);
        RAW_SEND(fd, 0xf6); /* and no running status into the next row */
        EXPECT(server, 0xf6);
    }
    unsigned invalid = 0;
    for (int i = 0; i < ROWS; i++)
        invalid += rows[i].invalid;
    CHECK_COUNT(server, invalid_bytes, invalid);
    raw_close(fd);
    midisock_close(server);
}

/* Ends inside of a message, and how many bytes belong to none then. */
static const struct {
    uint8_t bytes[6];
    size_t size;
    unsigned invalid;
} cuts[] = {
    {{0x90}, 1, 1},
    {{0x90, 0x3c}, 2, 2},
    {{0x90, 0x3c, 0x40, 0x3c}, 4, 1}, /* running status: one byte is left over */
    {{0xf0, 1, 2, 3}, 4, 4},
    {{0xf2, 1}, 2, 2},
    {{0x90, 0x3c, 0xf8}, 3, 2},
};
enum { CUTS = sizeof cuts / sizeof cuts[0] };

static void cut_inside_a_message(void)
{
    midisock_port *server = check_listen(NULL);
    uint64_t sum = 0;
    for (int hard = 0; hard < 2; hard++)
        for (int i = 0; i < CUTS; i++) {
            int fd = raw_connect(midisock_local_port(server));
            uint64_t bytes = check_stats(server).bytes_in;
            raw_send(fd, cuts[i].bytes, cuts[i].size);
            /* A reset would throw away what has not been read. */
            CHECK_SOON(check_stats(server).bytes_in == bytes + cuts[i].size);
            if (i == 2)
                EXPECT(server, 0x90, 0x3c, 0x40);
            if (i == 5)
                EXPECT(server, 0xf8);
            if (hard)
                raw_reset(fd);
            else
                raw_close(fd);
            CHECK_SOON(midisock_client_count(server) == 0);
            sum += cuts[i].invalid;
            CHECK_SOON(check_stats(server).invalid_bytes == sum);
            /* Nothing of it sticks to the next peer. */
            fd = raw_connect(midisock_local_port(server));
            RAW_SEND(fd, 0x3c, 0x40, 0xf6);
            EXPECT(server, 0xf6);
            sum += 2;
            CHECK_COUNT(server, invalid_bytes, sum);
            raw_close(fd);
            CHECK_SOON(midisock_client_count(server) == 0);
        }
    midisock_close(server);
}

static void cut_by_this_side(void)
{
    enum { DISCONNECT, SHUTDOWN, SHUTDOWN_ACCEPTED, WAYS };
    for (int way = 0; way < WAYS; way++)
        for (int i = 0; i < CUTS; i++) {
            midisock_config c = check_config();
            if (way == SHUTDOWN_ACCEPTED)
                c.accept_mode = MIDISOCK_ACCEPT_MANUAL;
            midisock_port *server = check_listen(&c);
            midisock_port *port = server;
            int fd = raw_connect(midisock_local_port(server));
            if (way == SHUTDOWN_ACCEPTED)
                CHECK_OK(midisock_accept(server, DEADLINE_MS, &port));
            uint32_t id = NOTIFIED(server, MIDISOCK_NOTIFY_CLIENT_JOINED).client;
            raw_send(fd, cuts[i].bytes, cuts[i].size);
            CHECK_SOON(check_stats(port).bytes_in == cuts[i].size);
            CHECK_INT(0, check_stats(port).invalid_bytes);
            if (way == DISCONNECT)
                CHECK_OK(midisock_disconnect(port, id));
            else
                CHECK_OK(midisock_shutdown(port));
            CHECK_COUNT(port, invalid_bytes, cuts[i].invalid);
            RAW_EXPECT_END(fd);
            raw_close(fd);
            if (port != server)
                midisock_close(port);
            midisock_close(server);
        }
}

int main(int argc, char **argv)
{
    static const check_case cases[] = {
        CASE(the_table_in_every_split),
        CASE(the_table_byte_by_byte),
        CASE(cut_inside_a_message),
        CASE(cut_by_this_side),
    };
    return check_main(argc, argv, CASES(cases));
}
