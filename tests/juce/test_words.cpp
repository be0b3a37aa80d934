// What midisock Bridge says and what it calls itself: its words in each state, its name, its channels, and the states of
// projects, those of version 0.1 among them.
#include "ChannelsText.h"
#include "LateWatch.h"
#include "stage.hpp"

namespace {

using midisock::outcome;
using state_of_port = midisock::state;
using midisock::plugin::status;
using Role = BridgeSettings::Role;

/* ---- Channels ---- */

void channels_in_words()
{
    const std::pair<std::uint32_t, const char *> texts[] = {
        {MIDISOCK_ALL_CHANNELS, "All channels"}, {0, "No channels"},         {1u << 16, "System only"},
        {1u << 9, "Channel 10"},                 {0xFFFF, "Channels 1-16"},  {0x1000F, "Channels 1-4, system"},
        {0x8003, "Channels 1-2, 16"},            {0x10200, "Channel 10, system"},
    };
    for (const auto &[bits, text] : texts) {
        CHECK(channelsText(bits) == text);
    }
    for (std::uint32_t bits = 0; bits <= MIDISOCK_ALL_CHANNELS; bits += bits < 64 ? 1 : 37) {
        CHECK(channelsFromText(channelsText(bits)) == bits);
    }
    for (const char *text : {"10", " channel 10 ", "CHANNELS 10-10", "10,10", "10 only"}) {
        CHECK(channelsFromText(text) == 1u << 9);
    }
    CHECK(channelsFromText("1\xe2\x80\x93" "4; 10") == std::nullopt); // bytes, not text
    CHECK(channelsFromText(juce::CharPointer_UTF8("1\xe2\x80\x93" "4; 10")) == 0x20Fu);
    for (const char *text : {"", "0", "17", "1-17", "3-1", "x", "1,,2", "-", "1-", "-1", "1-2-3", "1.5", "all 1", "+1",
                             "999999999999"}) {
        CHECK(channelsFromText(text) == std::nullopt);
    }
}

// One that cannot be read changes nothing, and is marked.
void channels_are_typed()
{
    stage s;
    auto &editor = s.open();
    auto *box = find<juce::ComboBox>(editor, "Channels");
    CHECK(box != nullptr && box->getText() == "All channels");
    box->setText("1-4, 10", juce::sendNotificationSync);
    CHECK(s.bridge().settings().channels == 0x20Fu && box->getText() == "Channels 1-4, 10");
    box->setText("17", juce::sendNotificationSync);
    CHECK(s.bridge().settings().channels == 0x20Fu && box->getProperties().contains("wrong"));
    box->setText("Channel 3", juce::sendNotificationSync);
    CHECK(s.bridge().settings().channels == 4u && !box->getProperties().contains("wrong"));
}

/* ---- Names and channels of a connection ---- */

struct player {
    midisock::client port;

    explicit player(int number)
    {
        midisock::config how;
        how.set(midisock::timing::sender);
        how.name = "Player";
        port = midisock::client::connect("127.0.0.1", static_cast<std::uint16_t>(number), how).or_throw();
        port.wait_connected(std::chrono::milliseconds(DEADLINE_MS)).or_throw();
    }
    bool is_told(const char *name) const { return std::string(port.peer_name().or_throw().text) == name; }
};

BridgeSettings listening(stage &s)
{
    BridgeSettings settings = s.bridge().settings();
    settings.server.host = "127.0.0.1";
    settings.server.port = 0;
    settings.connect = true;
    return settings;
}

// The name is the track's, until there is another one. Nobody is disconnected when it changes.
void the_name_of_the_track()
{
    stage s;
    auto &editor = s.open();
    juce::AudioProcessor::TrackProperties track;
    track.name = juce::String("Drums");
    s.owner->updateTrackProperties(track);
    BridgeSettings settings = listening(s);
    settings.server.port = midisock::server::listen("127.0.0.1", 0).or_throw().local_port(); // free again
    s.bridge().change(settings);
    s.bridge().onSettingsReplaced();
    CHECK_SOON(s.bridge().poll().state == state_of_port::listening);
    const player peer(settings.server.port);
    CHECK_SOON(peer.is_told("Drums"));
    CHECK_SOON(s.bridge().poll().peers.size() == 1 && s.bridge().poll().peers[0].name == "Player");
    auto *name = find<Field>(editor, "Name");
    name->setText(" Keys\t");
    name->onReturnKey();
    CHECK(s.bridge().settings().name == "Keys");
    CHECK_SOON(peer.is_told("Keys"));
    track.name = juce::String("Bass");
    s.owner->updateTrackProperties(track); // it has its own
    settings = s.bridge().settings();
    settings.name = "";
    s.bridge().change(settings);
    CHECK_SOON(peer.is_told("Bass"));
    s.bridge().onSettingsReplaced();
    CHECK(name->getTextToShowWhenEmpty() == "Bass" && name->isEmpty());
    CHECK(s.bridge().poll().counters.connections == 1 && s.bridge().poll().counters.disconnections == 0);
}

void channels_change_under_a_connection()
{
    stage s;
    BridgeSettings settings = listening(s);
    settings.channels = 1u << 9;
    s.bridge().change(settings);
    player peer(s.bridge().poll().local_port);
    peer.port.push(midisock::note_on(0, 60, 100)).or_throw();
    CHECK_SOON(s.bridge().poll().counters.filtered == 1);
    settings.channels = 1u << 0;
    s.bridge().change(settings);
    peer.port.push(midisock::note_on(0, 61, 100)).or_throw();
    peer.port.push(midisock::note_on(9, 61, 100)).or_throw();
    CHECK_SOON(s.bridge().poll().counters.messages_in == 3);
    CHECK_SOON(s.bridge().poll().counters.filtered == 2);
    CHECK(s.bridge().poll().counters.connections == 1 && s.bridge().poll().counters.disconnections == 0);
    const StatusText words(settings, s.bridge().poll(), {});
    CHECK(words.now.startsWith("With Player: ") && words.now.endsWith(", 2 left out by channel."));
}

/* ---- States of projects ---- */

void name_and_channels_are_saved()
{
    stage s;
    BridgeSettings settings = s.bridge().settings();
    settings.name = juce::CharPointer_UTF8("B\xc3\xbchne");
    settings.channels = 1u << 9;
    s.bridge().change(settings);
    juce::MemoryBlock saved;
    s.bridge().getStateInformation(saved);
    stage other;
    other.bridge().setStateInformation(saved.getData(), static_cast<int>(saved.getSize()));
    CHECK(other.bridge().settings() == settings);
    auto &editor = other.open();
    CHECK(find<Field>(editor, "Name")->getText() == settings.name);
    CHECK(find<juce::ComboBox>(editor, "Channels")->getText() == "Channel 10");
    // What nobody saved.
    auto xml = juce::AudioProcessor::getXmlFromBinary(saved.getData(), static_cast<int>(saved.getSize()));
    for (const char *bad : {"-1", "131072", "x", ""}) {
        xml->setAttribute("channels", bad);
        xml->setAttribute("name", juce::String::repeatedString("a\nb", 100));
        juce::AudioProcessor::copyXmlToBinary(*xml, saved);
        other.bridge().setStateInformation(saved.getData(), static_cast<int>(saved.getSize()));
        CHECK(other.bridge().settings().channels == MIDISOCK_ALL_CHANNELS);
        CHECK_INT(63, other.bridge().settings().name.length());
    }
}

// As version 0.1 wrote it: no name, no channels, no sender's time, a smaller editor.
void a_project_of_version_0_1()
{
    const juce::String text =
        "<MidisockBridge version=\"1\" role=\"client\" connect=\"0\" thru=\"1\" monitor=\"1\" width=\"600\" height=\"540\">"
        "<midisock enabled=\"0\" role=\"server\" host=\"\" port=\"9081\" allow=\"10.0.0.0/8\" latency_ms=\"20\"/>"
        "<midisock enabled=\"0\" role=\"client\" host=\"studio\" port=\"9082\" allow=\"\" latency_ms=\"-1\"/></MidisockBridge>";
    juce::MemoryBlock saved;
    juce::AudioProcessor::copyXmlToBinary(*juce::parseXML(text), saved);
    stage s;
    s.bridge().setStateInformation(saved.getData(), static_cast<int>(saved.getSize()));
    const BridgeSettings read = s.bridge().settings();
    CHECK(read.role == Role::client && !read.connect && read.thru && read.monitor);
    CHECK(read.server.host.isEmpty() && read.server.port == 9081 && read.server.allow == "10.0.0.0/8");
    CHECK(read.server.latency_ms == 20 && read.client.host == "studio" && read.client.port == 9082);
    CHECK(read.server.share && !read.server.advertise && !read.client.sender_time);
    CHECK(read.name.isEmpty() && read.channels == MIDISOCK_ALL_CHANNELS);
    CHECK_INT(650, s.open().getHeight()); // there is more to show now
}

/* ---- The words ---- */

struct scene {
    BridgeSettings settings;
    status link;
    Surroundings around;

    scene(Role role, state_of_port state)
    {
        settings.role = role;
        settings.connect = true;
        settings.server.host = "localhost";
        settings.client.host = "studio.local";
        link.state = state;
        link.local_port = 9080;
        link.counters.latency_ns = 12000000;
    }
    scene &with(const char *name, bool has_clock = false)
    {
        midisock::plugin::peer peer;
        peer.id = static_cast<std::uint32_t>(link.peers.size() + 1);
        peer.address = "192.168.1." + juce::String(link.peers.size() + 7) + ":50000";
        peer.name = juce::CharPointer_UTF8(name);
        peer.has_clock = has_clock;
        link.peers.push_back(peer);
        return *this;
    }
    StatusText words() const { return StatusText(settings, link, around); }
};

// Each line fits at the smallest size of the editor.
void check_fits(const StatusText &words)
{
    const auto now_width = Theme::font(13.5f).getStringWidthFloat(words.now) * 0.8f;
    const auto problem_width = Theme::font(13.5f).getStringWidthFloat(words.problem);
    if (words.now.isEmpty() || now_width > 568.0f || problem_width > 3 * 412 * 0.92f || words.headline.length() > 24) {
        check_fail(__FILE__, __LINE__, "too long: \"%s\" %.0f \"%s\" %.0f \"%s\"", words.headline.toRawUTF8(), now_width,
                   words.now.toRawUTF8(), problem_width, words.problem.toRawUTF8());
    }
}

void check_words(const scene &in, const juce::String &headline, const juce::String &now, const juce::String &problem)
{
    const StatusText words = in.words();
    if (words.headline != headline || words.now != now || words.problem != problem) {
        check_fail(__FILE__, __LINE__, "it says \"%s\", \"%s\", \"%s\"", words.headline.toRawUTF8(), words.now.toRawUTF8(),
                   words.problem.toRawUTF8());
    }
    check_fits(words);
}

void words_of_a_server()
{
    scene off(Role::server, state_of_port::none);
    off.settings.connect = false;
    check_words(off, "Not connected", "Switch on to let others connect to localhost:9080.", "");

    scene waits(Role::server, state_of_port::listening);
    check_words(waits, "Waiting for clients", "Programs on this computer connect to localhost:9080, other computers cannot.", "");
    waits.settings.server.host = "";
    check_words(waits, "Waiting for clients", "Others connect to this computer's address, port 9080.", "");
    waits.around.address = "192.168.1.5";
    waits.settings.server.advertise = true;
    check_words(waits, "Waiting for clients",
                "Others connect to 192.168.1.5, port 9080, or choose it under \"On the network\".", "");
    waits.around.sharing = 16;
    CHECK(waits.words().detail == "One of 16 on every network, port 9080");
    waits.around.isProcessing = false;
    check_words(waits, "Waiting for clients",
                "Others connect to 192.168.1.5, port 9080, or choose it under \"On the network\".",
                "The host does not process audio now, so no MIDI passes.");

    waits.link.congested = true; // since nobody takes what comes
    CHECK(waits.words().problem.startsWith("The host does not process audio now"));

    scene in_use(Role::server, state_of_port::binding);
    in_use.link.problem = outcome::address_in_use;
    check_words(in_use, "Port 9080 is in use", "It starts by itself as soon as port 9080 is free.",
                "Bridges in one host share a port if Listen on is the same for all. Another program, or another plugin, shares "
                "it with none: end that one, or choose another port.");
    CHECK(in_use.words().tone == StatusText::Tone::bad);

    for (const auto why : {outcome::permission, outcome::address, outcome::unreachable, outcome::no_resources, outcome::io}) {
        scene fails(Role::server, state_of_port::none);
        fails.link.problem = why;
        check_fits(fails.words());
        CHECK(fails.words().headline == "Cannot listen" && fails.words().problem.isNotEmpty());
        fails.settings.server.allow = "everybody";
        check_fits(fails.words());
    }
}

void words_of_a_connection()
{
    scene one(Role::server, state_of_port::listening);
    one.with("Stage left");
    check_words(one, "1 client connected", "With Stage left: delay 12.0 ms, timed by arrival.", "");
    one.link.counters.latency_ns = 0;
    check_words(one, "1 client connected", "With Stage left: no delay added, timed by arrival.", "");
    scene two(Role::server, state_of_port::listening);
    two.with("Stage left", true).with("", true);
    two.link.counters.clock_error_ns = 180000;
    check_words(two, "2 clients connected",
                "With Stage left and 192.168.1.8:50000: delay 12.0 ms, none late, clock known to 0.18 ms.", "");
    scene many(Role::server, state_of_port::listening);
    for (int i = 0; i < 16; i++) {
        many.with("The laptop beside the drum riser of the second band", i == 3);
    }
    many.link.counters.clock_error_ns = 12340000;
    many.link.counters.late_in = 4711;
    many.link.counters.filtered = 1234567;
    many.link.counters.latency_ns = 1000000000;
    const auto dots = juce::String(juce::CharPointer_UTF8("\xe2\x80\xa6"));
    check_words(many, "16 clients connected",
                "With The laptop beside t" + dots + " and 15 others: delay 1000.0 ms, 4711 late, clock known to 12.34 ms, "
                "1234567 left out by channel.", "");
    many.around.isLate = true;
    CHECK(many.words().problem == "Some MIDI comes too late for its place. A cable in place of Wi-Fi helps.");
    many.settings.server.latency_ms = 5;
    CHECK(many.words().problem == "Some MIDI comes too late for its place. Choose a longer Latency, or Automatic.");
    many.link.peers[2].congested = true;
    CHECK(many.words().problem.startsWith("The laptop beside t") && many.words().problem.contains("does not keep up"));
    many.link.congested = true;
    CHECK(many.words().problem.startsWith("More MIDI comes in than can be played"));
    many.link.counters.rejected = 1;
    CHECK(many.words().problem.startsWith("1 connection was turned away"));
    check_fits(many.words());
}

void words_of_a_client()
{
    const juce::String later = "It connects by itself as soon as studio.local:9080 answers.";
    scene connecting(Role::client, state_of_port::connecting);
    check_words(connecting, juce::String(juce::CharPointer_UTF8("Connecting\xe2\x80\xa6")), later, "");
    connecting.link.problem = outcome::refused;
    check_words(connecting, "Connection refused", later,
                "Nothing listens at studio.local:9080. Start the other program, or check that this is its port.");
    const std::pair<outcome, const char *> others[] = {
        {outcome::address, "Host not found"},    {outcome::timeout, "No answer"}, {outcome::unreachable, "No answer"},
        {outcome::permission, "No connection"}, {outcome::io, "No connection"},
    };
    for (const auto &[why, headline] : others) {
        connecting.link.problem = why;
        CHECK(connecting.words().headline == headline && connecting.words().problem.isNotEmpty());
        check_fits(connecting.words());
    }
    connecting.link.lost = true;
    CHECK(connecting.words().headline == "Connection lost" && connecting.words().now == later);
    scene connected(Role::client, state_of_port::connected);
    connected.with("Studio");
    connected.settings.client.sender_time = true;
    check_words(connected, "Connected", "With Studio: delay 12.0 ms, sender's clock not known.", "");
    connected.link.peers[0].has_clock = true;
    check_words(connected, "Connected", "With Studio: delay 12.0 ms, none late, clock known to 0.01 ms.", "");
    connected.link.congested = true;
    CHECK(connected.words().problem.startsWith("The connection does not keep up"));
}

// A few late ones in a row say nothing; one in twenty, for two spans of time, does.
void late_again_and_again()
{
    LateWatch watch;
    std::uint64_t now = 1000000000000;
    const auto after_a_span = [&](std::uint64_t timed, std::uint64_t late) {
        now += LateWatch::span;
        return watch.isLate(timed, late, now);
    };
    CHECK(!watch.isLate(0, 0, now));
    CHECK(!after_a_span(1000, 100) && !watch.isLate(1000, 100, now + 1));
    CHECK(!after_a_span(2000, 149)); // fewer
    CHECK(!after_a_span(3000, 199));
    CHECK(after_a_span(4000, 249) && watch.isLate(4000, 249, now + 1));
    CHECK(!after_a_span(4100, 249)); // over
    CHECK(!after_a_span(4102, 251) && !after_a_span(4104, 253)); // too few to say
    CHECK(!after_a_span(5000, 353) && after_a_span(6000, 453));
    CHECK(!after_a_span(10, 10)); // another port
    CHECK(!after_a_span(20, 20) && after_a_span(30, 30));
}

// Another program has the address, then it is free: the editor says both. Instances that share it say how many they are.
void in_use_shared_and_free_again()
{
    stage s;
    auto &editor = s.open();
    auto holder = midisock::server::listen("127.0.0.1", 0).or_throw();
    BridgeSettings settings = listening(s);
    settings.server.port = holder.local_port();
    s.bridge().change(settings);
    CHECK_SOON(s.bridge().poll().problem == outcome::address_in_use);
    s.bridge().onSettingsReplaced();
    auto *now = find<NowLine>(editor, "Now");
    CHECK(now->getDescription().startsWith("It starts by itself"));
    holder.close();
    CHECK_SOON(s.bridge().poll().state == state_of_port::listening);
    stage other;
    other.bridge().change(settings);
    CHECK_SOON(other.bridge().poll().state == state_of_port::listening);
    CHECK_INT(2, s.bridge().sharing());
    juce::AudioBuffer<float> buffer(2, 256);
    juce::MidiBuffer midi;
    s.bridge().processBlock(buffer, midi);
    s.bridge().onSettingsReplaced();
    picture(editor, "shared");
    CHECK(now->getDescription().startsWith("Programs on this computer connect"));
    settings.connect = false;
    other.bridge().change(settings);
    CHECK_INT(1, s.bridge().sharing());
    CHECK_INT(0, other.bridge().sharing());
}

} // namespace

int main(int argc, char **argv)
{
    setenv("DISPLAY", ":9999", 1); // of nobody
    static const check_case cases[] = {
        CASE(channels_in_words),
        CASE(channels_are_typed),
        CASE(the_name_of_the_track),
        CASE(channels_change_under_a_connection),
        CASE(name_and_channels_are_saved),
        CASE(a_project_of_version_0_1),
        CASE(words_of_a_server),
        CASE(words_of_a_connection),
        CASE(words_of_a_client),
        CASE(late_again_and_again),
        CASE(in_use_shared_and_free_again),
    };
    return check_main(argc, argv, CASES(cases));
}
