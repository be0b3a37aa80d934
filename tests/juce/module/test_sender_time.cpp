// Senders' times: the setting, and the latency that a host is told.
#include "cases.hpp"

#include <chrono>
#include <thread>

namespace {

using midisock::note_on;
using midisock::plugin::status;

// What a host hears of its plugin's latency.
struct host {
    double rate = 48000.0;
    int told = 0;
    int samples = 0;

    double getSampleRate() const { return rate; }
    // As juce::AudioProcessor: only a change is told.
    void setLatencySamples(int wanted)
    {
        told += wanted != samples;
        samples = wanted;
    }
};

// A studio whose pair has or has not its senders' times.
struct timed_studio : studio {
    explicit timed_studio(midisock::timing how, std::uint64_t latency_ns)
    {
        midisock::config c;
        c.set(midisock::overflow::repair).set(how);
        c.latency_ns = latency_ns;
        auto made = midisock::pair::make(c);
        CHECK(made);
        peer = std::move(made->b);
        plugin.adopt(std::move(made->a));
        (void)block();
    }
    void receive_one()
    {
        arrives(0, note_on(0, 60, 100));
        texts got;
        for (int i = 0; i < 10 && got.empty(); i++) {
            got = block();
        }
        CHECK(got.size() == 1);
    }
};

void a_changed_latency_is_told_to_the_host()
{
    timed_studio s(midisock::timing::sender, MIDISOCK_LATENCY_AUTO);
    host h;
    CHECK(s.plugin.poll(h).host_latency_ns == 0 && h.told == 0); // nothing has come yet
    s.receive_one();
    status seen = s.plugin.poll(h);
    CHECK(seen.host_latency_ns == seen.counters.latency_ns && seen.host_latency_ns >= 10 * ms);
    CHECK(h.told == 1 && h.samples == juce::roundToInt(static_cast<double>(seen.host_latency_ns) * 48000.0 / 1e9));
    (void)s.plugin.poll(h);
    CHECK(h.told == 1);
    const int before = h.samples;
    s.next.frames = 4800; // a longer block: the automatic latency rises
    (void)s.block();
    (void)s.block();
    seen = s.plugin.poll(h);
    CHECK(h.told == 2 && h.samples >= 4800 && h.samples > before);
    (void)s.plugin.poll(h, 64);
    CHECK(h.told == 3 && h.samples >= 4864);
    h.rate = 0.0; // a host that has not prepared the plugin
    (void)s.plugin.poll(h);
    CHECK(h.samples == 0);
}

void without_senders_times_the_host_is_told_none()
{
    timed_studio s(midisock::timing::arrival, 20 * ms);
    host h;
    s.receive_one();
    const status seen = s.plugin.poll(h);
    CHECK(seen.counters.latency_ns == 20 * ms && seen.host_latency_ns == 0);
    CHECK(h.told == 0 && h.samples == 0);
}

// A server answers without a setting, and keeps its clients when the setting changes. A client connects again.
void a_client_asks_its_server()
{
    const auto soon = [](const auto &condition) {
        const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(20);
        while (!condition()) {
            CHECK(std::chrono::steady_clock::now() < until);
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
        }
    };
    midi_link server, client;
    server.prepare();
    client.prepare();
    const auto block = [](midi_link &of) {
        juce::MidiBuffer midi;
        of.process(midi, {64, 48000.0, false, false, 0});
    };
    settings there{true, role::server, "127.0.0.1", 0};
    there.name = "Stage left";
    there.latency_ms = 5;
    settings here{true, role::client, "127.0.0.1", server.apply(there).local_port};
    here.latency_ms = 20;
    (void)client.apply(here);
    soon([&] { return client.poll().peers.size() == 1 && server.poll().peers.size() == 1; });
    block(client);
    status seen = client.poll();
    CHECK(seen.counters.latency_ns == 20 * ms && seen.counters.clock_error_ns == 0 && seen.host_latency_ns == 0);
    here.sender_time = true;
    CHECK(client.apply(here).counters.connections <= 1); // a new port
    soon([&] { return client.poll().counters.clock_error_ns > 0 && server.poll().counters.clock_error_ns > 0; });
    block(client);
    CHECK(client.poll().host_latency_ns == 20 * ms);
    // Both are told by name, now and when it changes.
    soon([&] { return client.poll().peers.size() == 1 && client.poll().peers[0].name == "Stage left"; });
    soon([&] { return client.poll().peers[0].has_clock && server.poll().peers[0].has_clock; });
    here.name = juce::CharPointer_UTF8("B\xc3\xbchne");
    (void)client.apply(here);
    soon([&] { return server.poll().peers.size() == 1 && server.poll().peers[0].name == here.name; });
    const auto id = server.poll().peers[0].id;
    there.sender_time = true;
    (void)server.apply(there);
    CHECK(server.poll().peers.size() == 1 && server.poll().peers[0].id == id);
    block(server);
    seen = server.poll();
    CHECK(seen.counters.latency_ns == 5 * ms && seen.host_latency_ns == 0); // no message has come yet
}

} // namespace

const std::vector<named_case> sender_time_cases = {
    {"sender time: a changed latency is told to the host", a_changed_latency_is_told_to_the_host},
    {"sender time: without senders' times the host is told none", without_senders_times_the_host_is_told_none},
    {"sender time: a client asks its server", a_client_asks_its_server},
};
