// Each of these must not compile; with REFUSED 0 the rest does. tests/cmake/run compiles them one by one and looks for
// the words after "expect:" in what the compiler says.
#include <midisock/midisock.hpp>

void refused(midisock::listener &listener, midisock::client &client, midisock::server &server, midisock::port &port)
{
    (void)listener, (void)client, (void)server, (void)port;
#if REFUSED == 1 // expect: push
    (void)listener.push(midisock::stop());
#elif REFUSED == 2 // expect: accept
    (void)server.accept();
#elif REFUSED == 3 // expect: wait_connected
    (void)server.wait_connected();
#elif REFUSED == 4 // expect: push_to
    (void)client.push_to(1, midisock::stop());
#elif REFUSED == 5 // expect: deleted
    midisock::port copy = port;
#elif REFUSED == 6 // expect: out_of_range
    constexpr auto message = midisock::note_on(16, 60, 100);
    (void)message;
#elif REFUSED == 7 // expect: nodiscard
    port.push(midisock::stop());
#elif REFUSED == 8 // expect: event
    (void)listener.wait(midisock::event::message);
#endif
}
