// midisock Bridge in a host's hands: what the host is told and by whom it is asked meanwhile; its editor, at every size and
// by the keyboard. There is no display.
#include "stage.hpp"

extern "C" {
#include "network.h"
}

namespace {

juce::MemoryBlock state_with_port(int port)
{
    BridgeSettings settings;
    settings.server.port = port;
    juce::MemoryBlock state;
    settings.write(state);
    return state;
}

// A host that saves the project, from another of its threads, as soon as it hears that there is something to save.
struct listener final : juce::AudioProcessorListener {
    juce::AudioProcessor &processor;
    int told = 0;

    explicit listener(juce::AudioProcessor &p) : processor(p) { processor.addListener(this); }
    ~listener() override { processor.removeListener(this); }
    void audioProcessorParameterChanged(juce::AudioProcessor *, int, float) override {}
    void audioProcessorChanged(juce::AudioProcessor *, const ChangeDetails &details) override
    {
        CHECK(details.nonParameterStateChanged);
        told++;
        std::atomic<bool> saved{false};
        std::thread other([&] {
            juce::MemoryBlock state;
            processor.getStateInformation(state);
            processor.setStateInformation(state.getData(), static_cast<int>(state.getSize()));
            saved = true;
        });
        CHECK_SOON(saved); // nothing that it needs is held while the host is told
        other.join();
    }
};

void the_host_saves_while_it_is_told()
{
    stage s;
    listener host(*s.owner);
    BridgeSettings settings = s.bridge().settings();
    settings.connect = true;
    settings.server.host = "127.0.0.1";
    settings.server.port = 0;
    s.bridge().change(settings);
    CHECK_INT(1, host.told);
    CHECK(s.bridge().settings() == settings);
}

// Who only looks, or leaves a field as it was, has not changed the project.
void nothing_is_told_where_nothing_changes()
{
    stage s;
    listener host(*s.owner);
    auto &editor = s.open();
    s.bridge().change(s.bridge().settings());
    for (const char *title : {"Port", "Allow"}) {
        find<Field>(editor, title)->onFocusLost();
        find<Field>(editor, title)->onReturnKey();
    }
    editor.setSize(900, 700);
    CHECK_INT(0, host.told);
    find<Field>(editor, "Port")->setText("9099");
    find<Field>(editor, "Port")->onReturnKey();
    CHECK_INT(1, host.told);
    CHECK_INT(9099, s.bridge().settings().server.port);
}

void another_project_from_another_thread()
{
    stage s;
    auto &editor = s.open();
    s.run([&] {
        for (int port = 20000; port < 20020; port++) {
            const auto state = state_with_port(port);
            s.bridge().setStateInformation(state.getData(), static_cast<int>(state.getSize()));
            CHECK_SOON(there_is([&] { return find<Field>(editor, "Port")->getText() == juce::String(port); }));
        }
    });
}

// A project that is replaced twice: who was to be told of the first is no more.
void gone_before_its_editor_is_told()
{
    stage s;
    s.run([&] {
        for (int i = 0; i < 200; i++) {
            there([&] { (void)s.open(); });
            const auto state = state_with_port(20000 + i);
            s.bridge().setStateInformation(state.getData(), static_cast<int>(state.getSize()));
            there([&] {
                s.editor.reset();
                s.owner.reset(createPluginFilter());
            });
        }
    });
}

void what_is_wrong_is_not_taken()
{
    stage s;
    auto &editor = s.open();
    auto *port = find<Field>(editor, "Port");
    for (const char *text : {"0", "65536", "99999", ""}) {
        port->setText(text);
        port->onReturnKey();
        CHECK(port->isWrong);
        CHECK_INT(9080, s.bridge().settings().server.port);
    }
    port->onEscapeKey();
    CHECK(!port->isWrong);
    CHECK(port->getText() == "9080");
}

/* ---- How it looks ---- */

// Whether the text has room in the control, in the type in which it is drawn.
void check_text_fits(juce::Component &c)
{
    const auto needs = [&](const juce::Font &font, const juce::String &text, int besides) {
        if (font.getStringWidth(text) + besides > c.getWidth()) {
            check_fail(__FILE__, __LINE__, "\"%s\" has no room in %d pixels", text.toRawUTF8(), c.getWidth());
        }
    };
    if (auto *button = dynamic_cast<juce::TextButton *>(&c)) {
        needs(Theme::font(14.0f, true), button->getButtonText(), 12);
    } else if (auto *toggle = dynamic_cast<juce::ToggleButton *>(&c)) {
        needs(Theme::font(14.0f), toggle->getButtonText(), 48);
    } else if (auto *label = dynamic_cast<juce::Label *>(&c)) {
        needs(Theme::font(14.0f), label->getText(), 0);
    } else if (auto *box = dynamic_cast<juce::ComboBox *>(&c)) {
        for (int i = 0; i < box->getNumItems(); i++) {
            needs(Theme::font(14.0f), box->getItemText(i), 35);
        }
    }
}

// All that is shown is within its parent, large enough for a finger's or a mouse's aim, and not below something else.
void check_children(juce::Component &parent)
{
    std::vector<juce::Component *> seen;
    for (auto *child : parent.getChildren()) {
        if (!child->isVisible() || dynamic_cast<juce::ResizableCornerComponent *>(child) != nullptr) {
            continue;
        }
        const auto area = child->getBounds();
        const auto where = (child->getTitle() + " " + area.toString() + " in " + parent.getBounds().toString()).toStdString();
        if (!parent.getLocalBounds().contains(area) || area.getHeight() < 20 || area.getWidth() < 40) {
            check_fail(__FILE__, __LINE__, "no room: %s", where.c_str());
        }
        for (auto *other : seen) {
            if (area.intersects(other->getBounds())) {
                check_fail(__FILE__, __LINE__, "one on the other: %s", where.c_str());
            }
        }
        check_text_fits(*child);
        seen.push_back(child);
    }
}

void every_size()
{
    stage s;
    auto &editor = s.open();
    const auto *limits = editor.getConstrainer();
    CHECK(editor.isResizable() && limits != nullptr);
    int looked_at = 0;
    for (const auto role : {BridgeSettings::Role::server, BridgeSettings::Role::client}) {
        for (const bool wrong : {false, true}) {
            auto settings = s.bridge().settings();
            settings.role = role;
            settings.connect = wrong; // no audio runs, which the banner says
            settings.client.port = settings.server.port = 1;
            settings.server.host = settings.client.host = "127.0.0.1";
            s.bridge().change(settings);
            s.bridge().onSettingsReplaced();
            for (const int width : {0, 601, 740, 1023, 10000}) {
                for (const int height : {0, 651, 690, 777, 10000}) {
                    editor.setBoundsConstrained({0, 0, width, height});
                    CHECK(editor.getWidth() == juce::jlimit(limits->getMinimumWidth(), limits->getMaximumWidth(), width));
                    CHECK(editor.getHeight() == juce::jlimit(limits->getMinimumHeight(), limits->getMaximumHeight(), height));
                    check_children(editor);
                    for (auto *panel : editor.getChildren()) {
                        if (panel->isVisible() && panel->getNumChildComponents() > 0) {
                            check_children(*panel);
                            looked_at++;
                        }
                    }
                    const auto picture = editor.createComponentSnapshot(editor.getLocalBounds());
                    CHECK(picture.getPixelAt(0, 0) == Theme::background);
                }
            }
        }
    }
    CHECK_INT(50 * 4 + 50 * 5, looked_at);
}

// A size that was saved is that of the next editor; one that is too small, or none, is not.
void its_size_is_remembered()
{
    stage s;
    for (const auto &[width, height] : {std::pair(900, 700), std::pair(600, 650), std::pair(1600, 1200)}) {
        s.open().setSize(width, height);
        juce::MemoryBlock state;
        s.bridge().getStateInformation(state);
        s.editor.reset();
        stage other;
        other.bridge().setStateInformation(state.getData(), static_cast<int>(state.getSize()));
        auto &editor = other.open();
        CHECK_INT(width, editor.getWidth());
        CHECK_INT(height, editor.getHeight());
    }
}

// What Tab goes through from the editor's first control to its last, by what a screen reader calls it.
juce::StringArray tab_order(juce::Component &editor)
{
    juce::StringArray order;
    for (auto *next : editor.createKeyboardFocusTraverser()->getAllComponents(&editor)) {
        // What can be typed into in a list is its text.
        auto *list = dynamic_cast<juce::ComboBox *>(next->getParentComponent());
        auto *button = dynamic_cast<juce::Button *>(next);
        const auto name = list != nullptr ? list->getTitle() : next->getTitle();
        order.addIfNotAlreadyThere(name.isEmpty() && button != nullptr ? button->getButtonText() : name);
    }
    return order;
}

void every_control_by_keyboard()
{
    stage s;
    auto &editor = s.open();
    const std::pair<BridgeSettings::Role, juce::String> orders[] = {
        {BridgeSettings::Role::server, "Connect|On the network|Server|Client|Name|Listen on|Port|Announce|Allow|Channels|"
                                       "Latency|MIDI thru|Monitor tone|Panic"},
        {BridgeSettings::Role::client, "Connect|On the network|Server|Client|Name|Host|Port|Channels|Latency|"
                                       "Use the sender's time|MIDI thru|Monitor tone|Panic"},
    };
    for (const auto &[role, order] : orders) {
        auto settings = s.bridge().settings();
        settings.role = role;
        s.bridge().change(settings);
        s.bridge().onSettingsReplaced();
        const auto found = tab_order(editor).joinIntoString("|");
        if (found != order) {
            check_fail(__FILE__, __LINE__, "Tab goes through %s", found.toRawUTF8());
        }
    }
}

// Every control has a name and says what it does; what is shown as text has it as text, too.
void a_screen_reader_has_something_to_say()
{
    stage s;
    auto &editor = s.open();
    for (auto *control : editor.createKeyboardFocusTraverser()->getAllComponents(&editor)) {
        auto *list = dynamic_cast<juce::ComboBox *>(control->getParentComponent());
        auto *tip = dynamic_cast<juce::TooltipClient *>(list != nullptr ? list : control);
        const auto name = list != nullptr ? list->getTitle() : control->getTitle() + control->getName();
        if (name.isEmpty() || tip == nullptr || tip->getTooltip().isEmpty()) {
            check_fail(__FILE__, __LINE__, "\"%s\" does not say what it is for", name.toRawUTF8());
        }
    }
    auto *now = find<NowLine>(editor, "Now");
    CHECK(now != nullptr && now->getDescription() == "Switch on to let others connect to localhost:9080.");
    auto settings = s.bridge().settings();
    settings.connect = true;
    settings.server.host = "127.0.0.1";
    settings.server.port = 0;
    s.bridge().change(settings);
    s.bridge().onSettingsReplaced();
    CHECK(find<Banner>(editor, "The host does not process audio now, so no MIDI passes.") != nullptr);
    CHECK(find<juce::Button>(editor, "Connect")->getDescription().startsWith("Waiting for clients, Listening on"));
}

// It is a client's, off at first, and saved. A state from before there was one has it off.
void a_switch_for_senders_times()
{
    stage s;
    auto &editor = s.open();
    BridgeSettings settings = s.bridge().settings();
    settings.role = BridgeSettings::Role::client;
    s.bridge().change(settings);
    s.bridge().onSettingsReplaced();
    auto *senders = button(editor, "Use the sender's time");
    CHECK(senders != nullptr && senders->isVisible() && !senders->getToggleState());
    CHECK(!senders->getTooltip().isEmpty());
    senders->setToggleState(true, juce::dontSendNotification);
    senders->onClick();
    CHECK(s.bridge().settings().client.sender_time && !s.bridge().settings().server.sender_time);

    juce::MemoryBlock state;
    s.bridge().getStateInformation(state);
    BridgeSettings read;
    CHECK(read.read(state.getData(), static_cast<int>(state.getSize())));
    CHECK(read == s.bridge().settings());
    auto xml = juce::AudioProcessor::getXmlFromBinary(state.getData(), static_cast<int>(state.getSize()));
    for (auto *link : xml->getChildIterator()) {
        CHECK(link->hasAttribute("sender_time"));
        link->removeAttribute("sender_time");
    }
    juce::AudioProcessor::copyXmlToBinary(*xml, state);
    CHECK(read.read(state.getData(), static_cast<int>(state.getSize())));
    CHECK(!read.client.sender_time && read.role == BridgeSettings::Role::client);
}

// On a network of its own, with nobody else: what is found is given to the panel here.
void a_server_is_chosen_from_the_network()
{
    own_network();
    stage s;
    auto &editor = s.open();
    auto *panel = find<NetworkPanel>(editor, "Servers on the network");
    auto *list = find<juce::ListBox>(editor, "On the network");
    CHECK(panel != nullptr && list != nullptr && !panel->isVisible());
    button(editor, "On the network")->onClick();
    CHECK(panel->isVisible());
    midisock::plugin::service_list found;
    midisock::service change;
    change.kind = MIDISOCK_SERVICE_FOUND;
    change.port = 4711;
    for (const char *name : {"Stage", "B\xc3\xbchne", "Studio"}) {
        std::snprintf(change.name, sizeof change.name, "%s", name);
        std::snprintf(change.address, sizeof change.address, "192.0.2.%c", name[1] == 't' ? name[3] == 'g' ? '1' : '2' : '3');
        found.take(change);
    }
    panel->show(found.servers());
    auto *model = list->getModel();
    CHECK_INT(3, model->getNumRows());
    CHECK(model->getNameForRow(1) == "Stage, 192.0.2.1, port 4711");
    picture(editor, "network");
    // The choice stays on its server when others come and go.
    list->selectRow(1);
    change.kind = MIDISOCK_SERVICE_LOST;
    std::snprintf(change.name, sizeof change.name, "%s", "B\xc3\xbchne");
    found.take(change);
    panel->show(found.servers());
    CHECK_INT(0, list->getSelectedRow());
    model->returnKeyPressed(list->getSelectedRow());
    CHECK(!panel->isVisible());
    const BridgeSettings chosen = s.bridge().settings();
    CHECK(chosen.role == BridgeSettings::Role::client && chosen.client.host == "192.0.2.1" && chosen.client.port == 4711);
    CHECK(chosen.client.sender_time && !chosen.connect);
    // Escape changes nothing.
    button(editor, "On the network")->onClick();
    CHECK(panel->keyPressed(juce::KeyPress(juce::KeyPress::escapeKey)));
    CHECK(!panel->isVisible() && s.bridge().settings() == chosen);
    model->returnKeyPressed(7);
    CHECK(s.bridge().settings() == chosen);
}

// A server's, off at first, and saved. On loopback nothing is sent.
void a_switch_to_be_found()
{
    stage s;
    auto &editor = s.open();
    auto *found = button(editor, "Announce");
    CHECK(found != nullptr && found->isVisible() && !found->getToggleState());
    found->setToggleState(true, juce::dontSendNotification);
    found->onClick();
    CHECK(s.bridge().settings().server.advertise);
    juce::MemoryBlock state;
    s.bridge().getStateInformation(state);
    BridgeSettings read;
    CHECK(read.read(state.getData(), static_cast<int>(state.getSize())));
    CHECK(read == s.bridge().settings() && read.server.advertise && !BridgeSettings().server.advertise);
}

// Only with senders' times: a project without them stays as it was.
void the_host_is_told_the_latency()
{
    stage s;
    auto server = midisock::server::listen("127.0.0.1", 0).or_throw();
    BridgeSettings settings = s.bridge().settings();
    settings.role = BridgeSettings::Role::client;
    settings.client.host = "127.0.0.1";
    settings.client.port = server.local_port();
    settings.client.latency_ms = 20;
    settings.connect = true;
    juce::AudioBuffer<float> buffer(2, 256);
    juce::MidiBuffer midi;
    s.bridge().setRateAndBufferSizeDetails(48000.0, 256);
    s.bridge().prepareToPlay(48000.0, 256);
    for (const bool asks : {false, true, false}) {
        settings.client.sender_time = asks;
        s.bridge().change(settings);
        s.bridge().processBlock(buffer, midi);
        CHECK(s.bridge().poll().counters.latency_ns == 20000000);
        CHECK_INT(asks ? 960 : 0, s.bridge().getLatencySamples());
    }
}

// In words, too, for who does not see it.
void activity_is_told()
{
    stage s;
    auto &editor = s.open();
    auto settings = s.bridge().settings();
    settings.server.host = "127.0.0.1";
    settings.server.port = 0;
    settings.server.latency_ms = 20;
    settings.connect = true;
    s.bridge().change(settings);
    std::atomic<bool> end{false};
    std::thread audio([&] {
        juce::AudioBuffer<float> buffer(2, 256);
        juce::MidiBuffer midi;
        s.bridge().prepareToPlay(48000.0, 256);
        while (!end) {
            s.bridge().processBlock(buffer, midi);
            midi.clear();
            usleep(5000);
        }
    });
    auto client = midisock::client::connect("127.0.0.1", static_cast<std::uint16_t>(s.bridge().poll().local_port)).or_throw();
    client.wait_connected(std::chrono::milliseconds(DEADLINE_MS)).or_throw();
    s.run([&] {
        client.push(midisock::note_on(0, 60, 100)).or_throw();
        const auto *panel = find<juce::Component>(editor, "Activity");
        CHECK(panel != nullptr);
        CHECK_SOON(there_is([&] {
            const auto words = panel->getDescription();
            return words.startsWith("received 1, sent 0") && words.contains("latency 20.0 ms");
        }));
    });
    end = true;
    audio.join();
}

} // namespace

int main(int argc, char **argv)
{
    setenv("DISPLAY", ":9999", 1); // of nobody
    static const check_case cases[] = {
        CASE(the_host_saves_while_it_is_told),
        CASE(nothing_is_told_where_nothing_changes),
        CASE(another_project_from_another_thread),
        CASE(gone_before_its_editor_is_told),
        CASE(what_is_wrong_is_not_taken),
        CASE(every_size),
        CASE(its_size_is_remembered),
        CASE(every_control_by_keyboard),
        CASE(a_screen_reader_has_something_to_say),
        CASE(a_switch_for_senders_times),
        CASE(a_switch_to_be_found),
        CASE(a_server_is_chosen_from_the_network),
        CASE(the_host_is_told_the_latency),
        CASE(activity_is_told),
    };
    return check_main(argc, argv, CASES(cases));
}
