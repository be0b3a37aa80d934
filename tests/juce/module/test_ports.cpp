// Ports come and go under a running audio thread; real sockets: states, peers, addresses that are taken.
#include "cases.hpp"

#include <atomic>
#include <chrono>
#include <climits>
#include <thread>

namespace {

using midisock::note_off;
using midisock::note_on;
using midisock::state;
using midisock::plugin::status;

template <class Condition> void soon(const char *what, Condition &&condition)
{
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!condition()) {
        if (std::chrono::steady_clock::now() > until) {
            std::fprintf(stderr, "never came true: %s\n", what);
            std::exit(1);
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
}
#define SOON(condition) soon(#condition, [&] { return condition; })

settings on(role as, int port)
{
    settings s;
    s.enabled = true;
    s.role = as;
    s.host = "127.0.0.1";
    s.port = port;
    s.latency_ms = 0;
    return s;
}

// An audio thread of its own: it processes blocks until it is told to end.
struct audio {
    midi_link &plugin;
    std::atomic<bool> end{false};
    std::atomic<int> blocks{0};
    std::atomic<int> notes_on{0}, notes_off{0}, sounding{0};
    std::thread thread;

    // The first block, which comes after an interruption, is done.
    explicit audio(midi_link &l) : plugin(l), thread([this] { run(); }) { SOON(blocks > 0); }
    ~audio()
    {
        end = true;
        thread.join();
    }
    void run()
    {
        juce::MidiBuffer midi;
        while (!end) {
            plugin.process(midi, {64, 48000.0, false, false, 0});
            for (const auto event : midi) {
                notes_on += (event.data[0] & 0xF0) == 0x90;
                notes_off += (event.data[0] & 0xF0) == 0x80;
            }
            midi.clear();
            sounding = plugin.sounding();
            blocks++;
            std::this_thread::sleep_for(std::chrono::microseconds(200));
        }
    }
};

void another_port_releases_what_the_old_one_gave()
{
    studio s;
    s.arrives(0, note_on(0, 60, 100));
    s.midi.addEvent(juce::MidiMessage(0x91, 70, 100), 0);
    (void)s.block();
    (void)s.block();
    CHECK_TEXTS((texts{"0: 91 46 64"}), s.sent());
    midisock::port old_peer = std::move(s.peer);
    s.plugin.adopt(s.other_end());
    CHECK_TEXTS((texts{"0: 80 3c 40"}), s.block());
    (void)s.plugin.poll(); // closes the old one
    midisock::message m;
    CHECK_OUTCOME(ok, old_peer.pop(m));
    CHECK(same(m.data_bytes(), {0x81, 70, 64}));
    CHECK_OUTCOME(closed, old_peer.pop(m));
    s.arrives(0, note_on(2, 62, 100));
    (void)s.block();
    CHECK_TEXTS((texts{"0: 92 3e 64"}), s.block());
}

// Nobody processes blocks: ports must not pile up, and the newest is the one that counts.
void changes_without_blocks()
{
    studio s;
    std::vector<midisock::port> peers;
    for (int i = 0; i < 200; i++) {
        s.plugin.adopt(s.other_end());
        peers.push_back(std::move(s.peer));
    }
    int open = 0;
    for (auto &peer : peers) {
        midisock::message m;
        open += peer.pop(m).code() != outcome::closed;
    }
    CHECK(open == 1);
    s.peer = std::move(peers.back());
    (void)s.block();
    s.arrives(0, note_on(2, 62, 100));
    (void)s.block();
    CHECK_TEXTS((texts{"0: 92 3e 64"}), s.block());
}

void changes_under_a_running_audio_thread()
{
    midi_link plugin;
    plugin.prepare();
    audio thread(plugin);
    for (int i = 0; i < 300; i++) {
        midisock::config how;
        how.latency_ns = 0;
        auto pair = midisock::pair::make(how);
        CHECK(pair);
        plugin.adopt(std::move(pair->a));
        const int before = thread.notes_on;
        const int releases = thread.notes_off;
        if (i % 3 == 0) {
            // Nobody polls meanwhile. What comes before the port is taken is skipped: so again and again.
            SOON(((void)pair->b.push(note_on(0, 60, 100)), thread.notes_on > before));
            plugin.adopt(midisock::port());
            SOON(thread.notes_off > releases);
        }
        (void)plugin.poll();
    }
}

void server_and_client()
{
    midi_link server, client;
    server.prepare();
    client.prepare();
    status there = server.apply(on(role::server, 0));
    CHECK(there.state == state::listening && there.local_port > 0 && there.problem == outcome::ok);
    (void)client.apply(on(role::client, there.local_port));
    status here;
    SOON((here = client.poll()).state == state::connected && here.peers.size() == 1);
    SOON((there = server.poll()).peers.size() == 1);
    CHECK(here.peers[0].id == 0 && there.peers[0].id != 0);
    CHECK(there.peers[0].address.startsWith("127.0.0.1:"));
    CHECK(here.peers[0].address == "127.0.0.1:" + juce::String(there.local_port));

    audio receiving(client);
    juce::MidiBuffer midi;
    server.process(midi, {64, 48000.0, false, false, 0});
    midi.addEvent(juce::MidiMessage(0x90, 60, 100), 3);
    server.process(midi, {64, 48000.0, false, false, 0});
    SOON(receiving.notes_on == 1);

    // The server goes: what it held is released, and the client says so.
    (void)server.apply({});
    SOON(receiving.notes_off == 1);
    SOON((here = client.poll()).peers.empty());
    SOON((here = client.poll()).problem == outcome::refused && here.state == state::connecting);
    CHECK(server.poll().state == state::none && server.poll().problem == outcome::ok);
}

// The latency and the allowed addresses change while a connection is there.
void settings_that_keep_the_connection()
{
    midi_link server, client;
    server.prepare();
    client.prepare();
    settings s = on(role::server, 0);
    status there = server.apply(s);
    (void)client.apply(on(role::client, there.local_port));
    SOON((there = server.poll()).peers.size() == 1);
    const std::uint32_t id = there.peers[0].id;
    audio receiving(client);
    audio sending(server);

    for (const int latency_ms : {20, -1, 0}) {
        s.latency_ms = latency_ms;
        there = server.apply(s);
        CHECK(server.current() == s && there.problem == outcome::ok && there.counters.connections == 1);
    }
    SOON(server.poll().counters.latency_ns == 0);
    s.latency_ms = 20;
    (void)server.apply(s);
    SOON(server.poll().counters.latency_ns == 20 * ms);
    s.allow = "10.0.0.0/8, 127.0.0.1";
    there = server.apply(s);
    CHECK(there.peers.size() == 1 && there.peers[0].id == id && there.counters.disconnections == 0);

    s.allow = "10.0.0.0/8";
    (void)server.apply(s);
    SOON((there = server.poll()).peers.empty());
    CHECK(there.state == state::listening && there.counters.connections == 1);
    // A list that cannot be parsed lets nobody in.
    s.allow = "everybody";
    there = server.apply(s);
    CHECK(there.state == state::none && there.problem == outcome::address);
    s.allow = "";
    there = server.apply(s);
    CHECK(there.state == state::listening && there.problem == outcome::ok);
}

// The channels change while a connection is there. What is cut off passes in neither direction.
void channels_that_keep_the_connection()
{
    midi_link server, client;
    server.prepare();
    client.prepare();
    settings s = on(role::server, 0);
    s.channels = 1u << 9;
    (void)client.apply(on(role::client, server.apply(s).local_port));
    SOON(server.poll().peers.size() == 1 && client.poll().peers.size() == 1);
    audio receiving(client);
    juce::MidiBuffer midi;
    const auto play = [&](int channel) {
        midi.addEvent(juce::MidiMessage(0x90 | channel, 60, 100), 0);
        server.process(midi, {64, 48000.0, false, false, 0});
        midi.clear();
    };
    play(9); // what is sent before the first block is too old
    SOON(receiving.notes_on == 1);
    play(0);
    status there;
    SOON((there = server.poll()).counters.filtered == 1);
    s.channels = 1u << 0;
    there = server.apply(s); // what was held on channel 10 is released
    SOON(receiving.notes_off == 1);
    play(9);
    play(0);
    SOON(receiving.notes_on == 2);
    SOON((there = server.poll()).counters.filtered == 2);
    CHECK(there.peers.size() == 1 && there.counters.connections == 1 && there.counters.disconnections == 0);
    CHECK((there.activity_out & ~s.channels) == 0);
}

void nobody_there_and_then_somebody()
{
    // A free port, by having had it.
    auto before = midisock::server::listen("127.0.0.1", 0);
    CHECK(before);
    const int number = before->local_port();
    before->close();
    midi_link client;
    status s = client.apply(on(role::client, number));
    SOON((s = client.poll()).problem == outcome::refused);
    CHECK(s.state == state::connecting && s.peers.empty());
    midi_link server;
    CHECK(server.apply(on(role::server, number)).state == state::listening);
    SOON((s = client.poll()).state == state::connected);
    SOON((s = client.poll()).problem == outcome::ok);
}

// A project that is loaded again: the instance before still has the address.
void finds_its_port_again()
{
    auto before = std::make_unique<midi_link>();
    const int number = before->apply(on(role::server, 0)).local_port;
    CHECK(number > 0);
    midi_link plugin;
    status s = plugin.apply(on(role::server, number));
    CHECK(s.state == state::binding);
    SOON((s = plugin.poll()).problem == outcome::address_in_use);
    before.reset();
    SOON((s = plugin.poll()).state == state::listening);
    CHECK(s.local_port == number);
    CHECK(s.problem == outcome::ok);
}

// Links that share an address are one server to its clients. A link that closes takes no connection with it.
void links_share_an_address()
{
    settings shared = on(role::server, 0);
    shared.port = midi_link().apply(shared).local_port;
    shared.share = true;
    auto first = std::make_unique<midi_link>();
    midi_link second, client;
    CHECK(first->apply(shared).state == state::listening);
    CHECK(second.apply(shared).state == state::listening);
    (void)client.apply(on(role::client, shared.port));
    SOON(first->poll().peers.size() == 1 && second.poll().peers.size() == 1);
    first.reset();
    CHECK(second.poll().peers.size() == 1);
    CHECK(client.poll().state == state::connected);
}

// Only the latency changes: the address is the same, and free again soon.
void settings_change_at_the_same_address()
{
    midi_link plugin;
    plugin.prepare();
    settings wanted = on(role::server, 0);
    wanted.port = plugin.apply(wanted).local_port;
    (void)plugin.apply(wanted);
    for (int i = 0; i < 20; i++) {
        SOON(plugin.poll().state == state::listening);
        wanted.latency_ms = i;
        (void)plugin.apply(wanted);
        if (i % 2 == 1) {
            juce::MidiBuffer midi;
            plugin.process(midi, {64, 48000.0, false, false, 0});
        }
    }
    SOON(plugin.poll().state == state::listening);
    CHECK(plugin.poll().local_port == wanted.port);
}

void says_what_is_wrong()
{
    midi_link plugin;
    settings wanted = on(role::server, 9080);
    wanted.host = "203.0.113.1"; // of no machine, RFC 5737
    status s = plugin.apply(wanted);
    CHECK(s.state == state::none && s.problem != outcome::ok);
    wanted = on(role::server, 0);
    wanted.allow = "not an address";
    s = plugin.apply(wanted);
    CHECK(s.state == state::none && s.problem == outcome::address);
    for (const int number : {-1, 65536, 65536 + 9080, INT_MAX}) {
        wanted.port = number;
        s = plugin.apply(wanted);
        CHECK(s.state == state::none && s.problem == outcome::invalid_argument);
    }
    wanted.port = 0;
    wanted.allow = "10.0.0.0/8";
    s = plugin.apply(wanted);
    CHECK(s.state == state::listening);
    auto client = midisock::client::connect("127.0.0.1", static_cast<std::uint16_t>(s.local_port));
    CHECK(client);
    SOON((s = plugin.poll()).counters.rejected > 0);
    CHECK(s.peers.empty());
}

// Two clients hold a note; one leaves: the host, which does not tell them apart, is not to be told.
void still_held_is_left_out()
{
    midi_link plugin;
    plugin.prepare();
    const int number = plugin.apply(on(role::server, 0)).local_port;
    audio thread(plugin);
    midisock::config silent_end; // the releases are the server's, not the client's own
    silent_end.release_on_close = 0;
    auto a = midisock::client::connect("127.0.0.1", static_cast<std::uint16_t>(number), silent_end);
    auto b = midisock::client::connect("127.0.0.1", static_cast<std::uint16_t>(number), silent_end);
    CHECK(a && b);
    CHECK(a->wait_connected(deadline));
    CHECK(b->wait_connected(deadline));
    SOON(plugin.poll().peers.size() == 2);
    CHECK(a->push(note_on(0, 60, 100)));
    CHECK(a->push(note_on(1, 61, 100)));
    CHECK(b->push(note_on(0, 60, 100)));
    SOON(thread.notes_on == 3);
    a->close();
    SOON(plugin.poll().peers.size() == 1);
    CHECK(b->push(note_on(5, 1, 1))); // comes after the releases of the one who left
    SOON(thread.notes_on == 4);
    CHECK(thread.notes_off == 1); // 61; b still holds 60
    CHECK(thread.sounding == 2);  // 60 and the last one
    b->close();
    SOON(plugin.poll().peers.empty());
    SOON(thread.notes_off == 3);
    SOON(thread.sounding == 0);
}

// The transport stops after a block whose messages have their time still ahead: all that the host sent is sent, and
// then what it left is let go of.
void what_the_host_sent_before_it_stopped()
{
    midi_link plugin;
    plugin.prepare();
    const int number = plugin.apply(on(role::server, 0)).local_port;
    auto peer = midisock::client::connect("127.0.0.1", static_cast<std::uint16_t>(number));
    CHECK(peer && peer->wait_connected(deadline));
    SOON(plugin.poll().peers.size() == 1);
    moment now{4800, 48000.0, false, true, 0};
    std::uint64_t start_ns = midisock_now_ns() + 300 * ms;
    juce::MidiBuffer midi;
    const auto block = [&] {
        now.start_ns = start_ns;
        start_ns += 100 * ms;
        plugin.process(midi, now);
        midi.clear();
    };
    block();
    texts wanted;
    const auto play = [&](std::initializer_list<int> message, int frame) {
        std::vector<std::uint8_t> data(message.begin(), message.end());
        midi.addEvent(data.data(), static_cast<int>(data.size()), frame);
        wanted.push_back(written(juce::MidiMessageMetadata(data.data(), static_cast<int>(data.size()), 0)));
    };
    play({0x90, 60, 100}, 0);
    play({0x91, 61, 100}, 0);
    play({0xE0, 0, 100}, 0);
    play({0xD0, 50}, 0);
    play({0xB0, 69, 127}, 0);
    block();
    play({0xC0, 5}, 1000);
    play({0xB0, 7, 99}, 1000);
    play({0xE0, 0, 64}, 2000);
    play({0xD0, 0}, 2000);
    play({0xB0, 69, 0}, 2000);
    play({0xB0, 123, 0}, 3000);
    play({0x92, 62, 100}, 4799);
    block();
    now.playing = false;
    block();
    wanted.push_back("0: 81 3d 40");
    wanted.push_back("0: 82 3e 40");
    texts got;
    midisock::message m;
    SOON((peer->pop(m) ? got.push_back(written(juce::MidiMessageMetadata(m.data, static_cast<int>(m.size), 0))) : void(),
          got.size() >= wanted.size()));
    CHECK_TEXTS(wanted, got);

    // The same when it is suspended, with no further block.
    wanted.clear();
    got.clear();
    start_ns = midisock_now_ns() + 300 * ms;
    now.playing = true;
    play({0x90, 60, 100}, 0);
    play({0xC0, 6}, 4000);
    play({0xB3, 64, 127}, 4799);
    block();
    plugin.suspend();
    wanted.push_back("0: 80 3c 40");
    wanted.push_back("0: b3 40 00");
    SOON((peer->pop(m) ? got.push_back(written(juce::MidiMessageMetadata(m.data, static_cast<int>(m.size), 0))) : void(),
          got.size() >= wanted.size()));
    CHECK_TEXTS(wanted, got);
}

} // namespace

const std::vector<named_case> port_cases = {
    {"ports: another port releases what the old one gave", another_port_releases_what_the_old_one_gave},
    {"ports: changes without blocks", changes_without_blocks},
    {"ports: changes under a running audio thread", changes_under_a_running_audio_thread},
    {"ports: server and client", server_and_client},
    {"ports: settings that keep the connection", settings_that_keep_the_connection},
    {"ports: channels that keep the connection", channels_that_keep_the_connection},
    {"ports: nobody there and then somebody", nobody_there_and_then_somebody},
    {"ports: finds its port again", finds_its_port_again},
    {"ports: finds its port again", links_share_an_address},
    {"ports: settings change at the same address", settings_change_at_the_same_address},
    {"ports: says what is wrong", says_what_is_wrong},
    {"ports: what the host sent before it stopped", what_the_host_sent_before_it_stopped},
    {"ports: still held is left out", still_held_is_left_out},
};
