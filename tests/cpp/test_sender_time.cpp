// Senders' times and names of peers.
#include "check.hpp"

#include <cstring>

using midisock::client;
using midisock::message;
using midisock::outcome;
using midisock::server;

static message next(midisock::message_port &from)
{
    CHECK_OUTCOME(ok, from.wait(midisock::event::message, deadline));
    message m;
    CHECK_OUTCOME(ok, from.pop(m));
    return m;
}

static midisock::notification told(midisock::handle &port, std::int32_t kind)
{
    for (;;) {
        while (const midisock::result<midisock::notification> next = port.poll_notification()) {
            if (next->kind == kind) {
                return *next;
            }
        }
        CHECK(midisock_wait(port.get(), MIDISOCK_WAIT_NOTIFICATION, deadline.ms) == MIDISOCK_OK);
    }
}

static void senders_times_and_names()
{
    midisock::config how;
    how.name = "stage";
    midisock::result<server> serving = server::listen(midisock::loopback, 0, how);
    CHECK(serving);
    how.name = "desk";
    how.set(midisock::timing::sender);
    midisock::result<client> connecting = client::connect("127.0.0.1", serving->local_port(), how);
    CHECK(connecting);
    CHECK_OUTCOME(ok, connecting->wait_connected(deadline));
    const std::uint32_t id = told(*serving, MIDISOCK_NOTIFY_CLIENT_NAMED).client;
    CHECK(std::strcmp(serving->client_name(id)->text, "desk") == 0);
    CHECK_OUTCOME(no_such_client, serving->client_name(id + 1).error());
    (void)told(*serving, MIDISOCK_NOTIFY_CLOCK_LOCKED);
    CHECK(std::strcmp(connecting->peer_name()->text, "stage") == 0);
    CHECK_OUTCOME(ok, connecting->push(midisock::start()));
    CHECK(next(*serving).is_timed());
    CHECK(serving->stats()->timed_in == 1);

    // Who does not ask says no name, and its messages have no time.
    midisock::result<client> plain = client::connect("127.0.0.1", serving->local_port());
    CHECK(plain);
    CHECK_OUTCOME(ok, plain->wait_connected(deadline));
    CHECK_OUTCOME(ok, plain->push(midisock::stop()));
    const message m = next(*serving);
    CHECK(!m.is_timed() && serving->client_name(m.client)->text[0] == '\0' && plain->peer_name()->text[0] == '\0');
}

int main()
{
    senders_times_and_names();
    std::puts("ok");
}
