#include "link.h"

#include "raw.h"

static void connect_to_peer(link *l, const midisock_config *c, int small)
{
    uint16_t number = 0;
    l->listener = small ? raw_listen_small(&number) : raw_listen(&number);
    CHECK_OK(midisock_connect("127.0.0.1", number, c, &l->port));
    l->fd = raw_accept(l->listener);
    CHECK_OK(midisock_wait_connected(l->port, DEADLINE_MS));
}

link make_link(int role, midisock_config c, int small)
{
    link l = {NULL, NULL, -1, -1};
    if (role == ROLE_CLIENT) {
        connect_to_peer(&l, &c, small);
        return l;
    }
    c.accept_mode = role == ROLE_ACCEPTED ? MIDISOCK_ACCEPT_MANUAL : MIDISOCK_ACCEPT_MERGED;
    l.server = check_listen(&c);
    uint16_t number = midisock_local_port(l.server);
    l.fd = small ? raw_connect_small(number) : raw_connect(number);
    RAW_SEND(l.fd, 0xf8);
    if (role == ROLE_ACCEPTED)
        CHECK_OK(midisock_accept(l.server, DEADLINE_MS, &l.port));
    else
        l.port = l.server;
    EXPECT(l.port, 0xf8);
    return l;
}

void end_link(link l)
{
    if (l.fd >= 0)
        raw_close(l.fd);
    if (l.listener >= 0)
        raw_close(l.listener);
    midisock_close(l.port);
    if (l.server != l.port)
        midisock_close(l.server);
}
