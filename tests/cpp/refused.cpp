// With REFUSED 0 this file compiles, with any other value it does not. The suite cpp compiles it with each value and looks for
// the word after "expect:" in the errors.
#include <midisock/midisock.hpp>

#include <utility>

void refused(midisock::listener &listener, midisock::client &client, midisock::server &server, midisock::port &port);
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
#elif REFUSED == 9 // expect: protected
    midisock::handle &any = client;
    any = static_cast<midisock::handle &&>(server);
#elif REFUSED == 10 // expect: protected
    midisock::message_port &any = client;
    any = static_cast<midisock::message_port &&>(server);
#elif REFUSED == 11 // expect: swap
    std::swap(static_cast<midisock::message_port &>(client), static_cast<midisock::message_port &>(server));
#elif REFUSED == 12 // expect: deleted
    for (const midisock::message &m : midisock::client::connect("localhost", 1).or_throw().messages()) {
        (void)m;
    }
#elif REFUSED == 13 // expect: deleted
    for (const midisock::message &m : (*midisock::server::listen("localhost", 1)).begin_block({64, 48000.0})) {
        (void)m;
    }
#elif REFUSED == 14 // expect: const
    for (const midisock::message &m : midisock::client::connect("localhost", 1)->messages()) {
        (void)m;
    }
#elif REFUSED == 15 // expect: protected
    midisock::message_port made;
#elif REFUSED == 16 // expect: protected
    delete static_cast<midisock::handle *>(new midisock::client);
#elif REFUSED == 17 // expect: carry
    std::size_t index;
    (void)midisock::wait_any(index, midisock::event::message, midisock::at_once, port, listener);
#endif
}
