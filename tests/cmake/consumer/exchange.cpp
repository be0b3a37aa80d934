// A server and a client in one program, and a message there and back, with the C++ header.
#include <midisock/midisock.hpp>

#include <chrono>
#include <cstdio>

int main()
{
    using namespace std::chrono_literals;
    auto server = midisock::server::listen("127.0.0.1", 0).or_throw();
    auto client = midisock::client::connect("127.0.0.1", server.local_port()).or_throw();
    client.wait_connected(20s).or_throw();

    client.push(midisock::note_on(0, 60, 100)).or_throw();
    server.wait(midisock::event::message, 20s).or_throw();
    int notes = 0;
    for (const midisock::message &m : server.messages()) {
        notes += m.is_note_on() && m.note() == 60 && m.velocity() == 100 && m.client != 0;
    }
    const std::uint8_t sysex[] = {0xf0, 1, 2, 3, 0xf7};
    server.push(sysex).or_throw();
    client.wait(midisock::event::message, 20s).or_throw();
    midisock::message back;
    client.pop(back).or_throw();
    if (notes != 1 || !back.is_sysex() || back.data_bytes().size() != sizeof sysex) {
        return std::puts("another message came"), 1;
    }
    return std::puts(midisock_version_string()) < 0;
}
