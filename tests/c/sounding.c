#include "sounding.h"

#include "raw.h"
#include "receiver.h"

midisock_config sounding_config(void)
{
    midisock_config c;
    midisock_config_init(&c, sizeof c);
    return c;
}

midisock_port *sounding_accept(midisock_port *server)
{
    midisock_port *port = NULL;
    CHECK_OK(midisock_accept(server, DEADLINE_MS, &port));
    return port;
}

midisock_port *sounding_listen_manual(midisock_config c)
{
    c.accept_mode = MIDISOCK_ACCEPT_MANUAL;
    return check_listen(&c);
}

void expect_release(midisock_port *port, uint32_t client, uint32_t flags, const uint8_t *data,
                   size_t size, int line)
{
    midisock_message m = check_expect(port, data, size, __FILE__, line);
    check_int(client, m.client, "client", __FILE__, line);
    check_int(flags, m.flags, "flags", __FILE__, line);
    check_true(m.time_ns > 0 && m.time_ns <= midisock_now_ns(), "a time that was", __FILE__, line);
}

const uint8_t sounding[SOUNDING_BYTES] = {
    0x91, 61, 100, 0x91, 60, 100, 0x91, 60, 90, /* one twice */
    0x91, 62, 100, 0x81, 62, 0,   0x93, 127, 1, 0x93, 0, 1,
    0x91, 63, 100, 0x91, 63, 0,   0x91, 60, 80, 0x91, 60, 0, /* three less one */
    0xb1, 68, 127, 0xb1, 66, 64,  0xb1, 64, 127, 0xb1, 67, 127, 0xb1, 7, 100,
    0xd1, 50, 0xe1, 0, 0x50, 0xe3, 1, 0x40, 0xb3, 64, 1,
    0xb5, 64, 127, 0xd5, 1, 0xe5, 0, 0, 0xb5, 64, 0, 0xd5, 0, 0xe5, 0, 0x40,
    0xa1, 60, 5, 0xfa,
};
void sounding_released(midisock_port *port, uint32_t client)
{
    EXPECT_SYNTHETIC(port, client, 0x81, 60, 64);
    EXPECT_SYNTHETIC(port, client, 0x81, 60, 64);
    EXPECT_SYNTHETIC(port, client, 0x81, 61, 64);
    EXPECT_SYNTHETIC(port, client, 0x83, 0, 64);
    EXPECT_SYNTHETIC(port, client, 0x83, 127, 64);
    EXPECT_SYNTHETIC(port, client, 0xb1, 64, 0);
    EXPECT_SYNTHETIC(port, client, 0xb1, 66, 0);
    EXPECT_SYNTHETIC(port, client, 0xb1, 68, 0);
    EXPECT_SYNTHETIC(port, client, 0xd1, 0);
    EXPECT_SYNTHETIC(port, client, 0xe1, 0, 0x40);
    EXPECT_SYNTHETIC(port, client, 0xb3, 64, 0);
    EXPECT_SYNTHETIC(port, client, 0xe3, 0, 0x40);
    EXPECT_SYNTHETIC(port, client, 0xfc);
}
uint32_t sounding_pop(midisock_port *port)
{
    wire w = {{0}, 0, 0, 0};
    uint32_t client = 0;
    for (size_t i = 0; i < sizeof sounding; i++)
        if (wire_take(&w, sounding[i])) {
            midisock_message m = POP(port);
            CHECK_MEMORY(w.data, w.size, m.data, m.size);
            CHECK_INT(0, m.flags);
            client = m.client;
        }
    CHECK_INT(SOUNDING, w.messages);
    return client;
}

void sounding_push(midisock_port *port)
{
    wire w = {{0}, 0, 0, 0};
    for (size_t i = 0; i < sizeof sounding; i++)
        if (wire_take(&w, sounding[i]))
            check_push(port, w.data, w.size);
}
