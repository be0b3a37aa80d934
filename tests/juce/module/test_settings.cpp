// Settings are saved and come back; what comes from elsewhere does no harm.
#include "cases.hpp"

#include <climits>
#include <random>

namespace {

settings unusual()
{
    settings s;
    s.enabled = true;
    s.role = role::client;
    s.host = juce::CharPointer_UTF8("st\xc3\xbc" "dio.local");
    s.port = 65535;
    s.allow = "10.0.0.0/8, ::1";
    s.latency_ms = 20;
    s.sender_time = true;
    s.name = "Stage left";
    s.advertise = true;
    s.share = true;
    s.channels = 1u << 9 | 1u << 16;
    return s;
}

void round_trip()
{
    for (const settings &s : {settings(), unusual()}) {
        CHECK(settings::from_tree(s.to_tree()) == s);
        const auto xml = s.to_tree().toXmlString();
        CHECK(settings::from_tree(juce::ValueTree::fromXml(xml)) == s);
    }
    CHECK(settings() != unusual());
}

void saved_and_loaded()
{
    settings s = unusual();
    s.host = "127.0.0.1";
    s.port = 1; // nobody there
    midi_link a, b;
    (void)a.apply(s);
    juce::MemoryBlock state("before", 6);
    a.save(state);
    CHECK(!b.load(state.getData(), static_cast<int>(state.getSize())));
    CHECK(b.current() == settings());
    state.removeSection(0, 6);
    CHECK(b.load(state.getData(), static_cast<int>(state.getSize())));
    CHECK(b.current() == s);
    CHECK(b.poll().state == midisock::state::connecting);
}

void hostile_states()
{
    const settings defaults;
    juce::ValueTree tree(settings::tree_type());
    CHECK(settings::from_tree(tree) == defaults);
    CHECK(settings::from_tree({}) == defaults);
    CHECK(settings::from_tree(juce::ValueTree("other")) == defaults);
    for (const juce::var &bad : {juce::var(70000), juce::var(-1), juce::var(1e300)}) {
        tree.setProperty("port", bad, nullptr);
        CHECK(settings::from_tree(tree).port == defaults.port);
    }
    for (const juce::var &bad : {juce::var("x"), juce::var(1001), juce::var(INT_MAX)}) {
        tree.setProperty("latency_ms", bad, nullptr);
        CHECK(settings::from_tree(tree).latency_ms <= settings::most_latency_ms);
        (void)settings::from_tree(tree).to_config();
    }
    for (const juce::var &bad : {juce::var("x"), juce::var(-1), juce::var(0x20000), juce::var(""), juce::var("99999999999")}) {
        tree.setProperty("channels", bad, nullptr);
        CHECK(settings::from_tree(tree).channels == MIDISOCK_ALL_CHANNELS);
    }
    tree.setProperty("latency_ms", INT_MIN, nullptr);
    CHECK(settings::from_tree(tree) == defaults); // automatic, as any below 0

    juce::MemoryBlock good;
    midi_link source;
    source.save(good);
    std::mt19937 random(3);
    midi_link plugin;
    for (int i = 0; i < 2000; i++) {
        juce::MemoryBlock bad(good);
        bad.setSize(random() % (good.getSize() + 1));
        for (unsigned k = random() % 4; k > 0 && bad.getSize() > 0; k--) {
            bad[random() % bad.getSize()] = static_cast<char>(random());
        }
        const bool taken = plugin.load(bad.getData(), static_cast<int>(bad.getSize()));
        if (taken && plugin.current().enabled) {
            settings off = plugin.current();
            off.enabled = false;
            (void)plugin.apply(off);
        }
    }
    // What JUCE's parser goes into without end, or until its stack does.
    const juce::String tag = "<midisock enabled=\"0\"/>";
    for (const juce::String &bad : {"<!DOCTYPE m [<!ENTITY a \"&a;\">]><midisock host=\"&a;\"/>" + tag,
                                    juce::String("<!DOCTYPE m [<!ENTITY % a \"%a;\"> %a;]>") + tag,
                                    juce::String::repeatedString("<midisock>", 200000)}) {
        CHECK(!plugin.load(bad.toRawUTF8(), static_cast<int>(bad.getNumBytesAsUTF8())));
    }
    CHECK(plugin.load(tag.toRawUTF8(), static_cast<int>(tag.getNumBytesAsUTF8())));
    CHECK(!plugin.current().sender_time); // as in a state that was saved before there was one
    CHECK(!plugin.load(nullptr, 0));
    CHECK(!plugin.load("", -1));
}

void config_for_playing()
{
    const settings s = unusual();
    const midisock::config how = s.to_config();
    CHECK(how.overflow == MIDISOCK_OVERFLOW_REPAIR);
    CHECK(how.listen_retry_ms == UINT32_MAX);
    CHECK(how.latency_ns == 20 * ms);
    CHECK(how.timing == MIDISOCK_TIMING_SENDER);
    CHECK(std::strcmp(how.allow, "10.0.0.0/8, ::1") == 0);
    CHECK(std::strcmp(how.name, "Stage left") == 0);
    CHECK(how.advertise == 0 && how.share == 0); // a client
    CHECK(how.channels == (1u << 9 | 1u << 16));
    settings server = s;
    server.role = role::server;
    CHECK(server.to_config().advertise == 1 && server.to_config().share == 1);
    server.port = 0;
    CHECK(server.to_config().share == 0);
    server.port = 1;
    server.host = " unix:/tmp/x";
    CHECK(server.to_config().share == 0);
    CHECK(settings::valid_name("a\nb\x7f" "c") == "abc");
    CHECK(settings::valid_name(juce::String::repeatedString(juce::CharPointer_UTF8("\xc3\xbc"), 40)).length() == 31);
    const settings defaults;
    CHECK(defaults.to_config().latency_ns == MIDISOCK_LATENCY_AUTO);
    CHECK(defaults.to_config().allow == nullptr);
    CHECK(defaults.to_config().name == nullptr && defaults.to_config().advertise == 0);
    CHECK(defaults.to_config().share == 0);
    CHECK(defaults.to_config().timing == MIDISOCK_TIMING_ARRIVAL);
}

} // namespace

const std::vector<named_case> settings_cases = {
    {"settings: round trip", round_trip},
    {"settings: saved and loaded", saved_and_loaded},
    {"settings: hostile states", hostile_states},
    {"settings: config for playing", config_for_playing},
};
