#include "StatusText.h"
#include "Theme.h"

using midisock::outcome;
using Tone = StatusText::Tone;

namespace
{
    juce::String placeOf (const midisock::plugin::settings& link, int port)
    {
        const auto host = link.host.trim();

        if (host.isEmpty())
            return "every network, port " + juce::String (port);

        return (host.containsChar (':') && ! host.startsWithChar ('[') ? "[" + host + "]" : host) + ":" + juce::String (port);
    }

    juce::String count (juce::int64 n, const juce::String& one, const juce::String& many)
    {
        return n == 1 ? "1 " + one : juce::String (n) + " " + many;
    }

    bool isThisComputerOnly (const juce::String& host)
    {
        return host == "localhost" || host.startsWith ("127.") || host == "::1" || host == "[::1]";
    }

    /** A peer's name, or its address. */
    juce::String nameOf (const midisock::plugin::peer& peer)
    {
        constexpr int most = 20;
        const auto& name = peer.name.isNotEmpty() ? peer.name : peer.address;
        const auto dots = juce::String (juce::CharPointer_UTF8 ("\xe2\x80\xa6"));
        return name.length() > most ? name.substring (0, most - 1).trimEnd() + dots : name;
    }

    juce::String namesOf (const std::vector<midisock::plugin::peer>& peers)
    {
        if (peers.size() == 1)
            return nameOf (peers.front());

        if (peers.size() == 2)
            return nameOf (peers[0]) + " and " + nameOf (peers[1]);

        return nameOf (peers[0]) + " and " + juce::String (peers.size() - 1) + " others";
    }

    juce::String milliseconds (std::uint64_t ns, int decimals)
    {
        return juce::String ((double) ns / 1e6, decimals) + " ms";
    }

    /** How others reach a server that nobody is connected to. */
    juce::String invitation (const midisock::plugin::settings& link, int port, const juce::String& address)
    {
        const auto host = link.host.trim();

        if (isThisComputerOnly (host))
            return "Programs on this computer connect to " + placeOf (link, port) + ", other computers cannot.";

        const auto reached = host.isNotEmpty() ? host : address;
        const auto by = reached.isNotEmpty() ? reached : "this computer's address";
        return "Others connect to " + by + ", port " + juce::String (port)
                 + (link.advertise ? ", or choose it under \"On the network\"." : ".");
    }
}

StatusText::StatusText (const BridgeSettings& settings, const Status& status, const Surroundings& around)
{
    const auto& link = settings.chosen();
    const auto isServer = settings.role == BridgeSettings::Role::server;

    if (! settings.connect)
    {
        headline = "Not connected";
        detail = placeOf (link, link.port);
        now = (isServer ? "Switch on to let others connect to " : "Switch on to connect to ") + placeOf (link, link.port) + ".";
        return;
    }

    if (isServer)
        ofServer (link, status, around);
    else
        ofClient (link, status);

    if (! status.peers.empty())
        flow (link, status, around);
    else if (tone == Tone::waiting && isServer)
        now = invitation (link, status.local_port, around.address);

    // It is also why messages are left out, or come late.
    if (tone != Tone::bad && ! around.isProcessing)
        problem = juce::JUCEApplicationBase::isStandaloneApp()
                    ? "No audio device runs, so no MIDI passes. Choose one under Options."
                    : "The host does not process audio now, so no MIDI passes.";
}

/* Who is connected, and how the messages get here. */
void StatusText::flow (const Link& link, const Status& status, const Surroundings& around)
{
    const auto& counters = status.counters;
    const auto hasClock = std::any_of (status.peers.begin(), status.peers.end(), [] (const auto& p) { return p.has_clock; });
    juce::StringArray parts;
    parts.add (counters.latency_ns > 0 ? "delay " + milliseconds (counters.latency_ns, 1) : juce::String ("no delay added"));

    if (hasClock)
    {
        parts.add (counters.late_in > 0 ? juce::String (counters.late_in) + " late" : juce::String ("none late"));
        parts.add ("clock known to " + milliseconds (juce::jmax (counters.clock_error_ns, std::uint64_t { 10000 }), 2));
    }
    else
        parts.add (link.sender_time ? "sender's clock not known" : "timed by arrival");

    if (counters.filtered > 0)
        parts.add (juce::String (counters.filtered) + " left out by channel");

    now = "With " + namesOf (status.peers) + ": " + parts.joinIntoString (", ") + ".";

    if (problem.isEmpty() && around.isLate)
        problem = juce::String ("Some MIDI comes too late for its place. ")
                    + (link.latency_ms >= 0 ? "Choose a longer Latency, or Automatic." : "A cable in place of Wi-Fi helps.");
}

void StatusText::ofServer (const Link& link, const Status& status, const Surroundings& around)
{
    if (status.state != midisock::state::listening)
    {
        tone = Tone::bad;
        cannotListen (link, status.state == midisock::state::binding ? outcome::address_in_use : status.problem);
        return;
    }

    const auto clients = (juce::int64) status.peers.size();
    tone = clients > 0 ? Tone::good : Tone::waiting;
    headline = clients > 0 ? count (clients, "client connected", "clients connected") : "Waiting for clients";
    detail = (around.sharing > 1 ? "One of " + juce::String (around.sharing) + " on " : juce::String ("Listening on "))
               + placeOf (link, status.local_port);

    if (status.counters.rejected > 0)
        problem = count ((juce::int64) status.counters.rejected, "connection was", "connections were")
                    + " turned away: its address is not under Allow, or it does not send MIDI.";

    if (problem.isEmpty() && status.congested)
        problem = "More MIDI comes in than can be played, and some of it is left out. Send less, such as fewer controllers.";

    for (const auto& peer : status.peers)
        if (problem.isEmpty() && peer.congested)
            problem = nameOf (peer) + " does not keep up, and some of what is sent to it is left out. Check its network.";
}

void StatusText::cannotListen (const Link& link, outcome why)
{
    const auto port = juce::String (link.port);
    headline = "Cannot listen";
    detail = placeOf (link, link.port);
    now = "Nobody can connect.";

    switch (why)
    {
        case outcome::address_in_use:
            headline = "Port " + port + " is in use";
            now = "It starts by itself as soon as port " + port + " is free.";
            problem = "Bridges in one host share a port if Listen on is the same for all. Another program, or another plugin, "
                      "shares it with none: end that one, or choose another port.";
            break;
        case outcome::permission:
            problem = "The system does not allow port " + port + ". Choose one from 1024 on.";
            break;
        case outcome::address:
            problem = link.allow.isNotEmpty() ? "Allow is not a list of addresses, or Listen on is not an address of this "
                                                "computer. Write under Allow for example 192.168.1.0/24, ::1"
                                              : "This computer has no address " + link.host.trim() + ". Choose another one.";
            break;
        case outcome::unreachable:
            problem = "This computer has no address " + link.host.trim() + " now. Choose another one, or check its network.";
            break;
        default:
            problem = "The system says: " + juce::String (midisock::status (why).message()) + ".";
            break;
    }
}

void StatusText::ofClient (const Link& link, const Status& status)
{
    const auto where = placeOf (link, link.port);
    now = "It connects by itself as soon as " + where + " answers.";

    if (status.state == midisock::state::connected)
    {
        tone = Tone::good;
        headline = "Connected";
        detail = "to " + where;

        if (status.congested || (! status.peers.empty() && status.peers.front().congested))
            problem = "The connection does not keep up, and some of the MIDI is left out. Check the network.";
    }
    else if (status.state == midisock::state::connecting && status.problem == outcome::ok && ! status.lost)
    {
        tone = Tone::waiting;
        headline = juce::String ("Connecting") + juce::String (juce::CharPointer_UTF8 ("\xe2\x80\xa6"));
        detail = "to " + where;
    }
    else if (status.lost)
    {
        tone = Tone::bad;
        headline = "Connection lost";
        detail = "Trying again";
        problem = status.problem == outcome::ok
                    ? where + " has closed the connection. If that repeats, it may not allow this computer."
                    : "The connection to " + where + " broke off: "
                        + juce::String (midisock::status (status.problem).message()) + ".";
    }
    else
        noConnection (where, status.problem);
}

void StatusText::noConnection (const juce::String& where, outcome why)
{
    tone = Tone::bad;
    headline = "No connection";
    detail = "Trying again: " + where;

    switch (why)
    {
        case outcome::refused:
            headline = "Connection refused";
            problem = "Nothing listens at " + where + ". Start the other program, or check that this is its port.";
            break;
        case outcome::address:
            headline = "Host not found";
            problem = "There is no computer of the name in " + where + ". Check its spelling, write its address, or choose it "
                      "under \"On the network\".";
            break;
        case outcome::timeout:
        case outcome::unreachable:
            headline = "No answer";
            problem = where + " does not answer. Check the network, and the firewall of that computer.";
            break;
        case outcome::permission:
            problem = "The system does not allow this program to connect to " + where
                        + ". Allow it in the settings of the system or its firewall.";
            break;
        default:
            problem = "The system says: " + juce::String (midisock::status (why).message()) + ".";
            break;
    }
}

juce::Colour StatusText::colour() const
{
    switch (tone)
    {
        case Tone::good:    return Theme::good;
        case Tone::waiting: return Theme::waiting;
        case Tone::bad:     return Theme::bad;
        case Tone::off:     break;
    }

    return Theme::faint;
}
