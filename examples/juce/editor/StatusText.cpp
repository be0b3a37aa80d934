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
}

StatusText::StatusText (const BridgeSettings& settings, const midisock::plugin::status& status, bool isProcessing)
{
    const auto& link = settings.chosen();
    const auto isServer = settings.role == BridgeSettings::Role::server;

    if (! settings.connect)
    {
        headline = "Not connected";
        detail = isServer ? "Switch on to listen on " + placeOf (link, link.port)
                          : "Switch on to connect to " + placeOf (link, link.port);
    }
    else if (isServer)
        ofServer (link, status);
    else
        ofClient (link, status);

    if (problem.isEmpty() && settings.connect && ! isProcessing)
        problem = juce::JUCEApplicationBase::isStandaloneApp()
                    ? "No audio device runs, so no MIDI passes. Choose one under Options."
                    : "The host does not process audio now, so no MIDI passes.";
}

void StatusText::ofServer (const midisock::plugin::settings& link, const midisock::plugin::status& status)
{
    const auto port = juce::String (link.port);

    if (status.state == midisock::state::binding)
    {
        tone = Tone::bad;
        headline = "Port " + port + " is in use";
        detail = "Trying again until it is free";
        problem = "Another program listens on port " + port
                    + ". Only instances in the same program share a port. Choose another one, or end the other program.";
    }
    else if (status.state != midisock::state::listening)
    {
        tone = Tone::bad;
        headline = "Cannot listen";
        detail = placeOf (link, link.port);

        if (status.problem == outcome::permission)
            problem = "The system does not allow port " + port + ". Ports from 1024 on need no special rights.";
        else if (status.problem == outcome::address && link.allow.isNotEmpty())
            problem = "Allow is no list of addresses, or there is no such address to listen on. "
                      "Write for example 192.168.1.0/24, ::1";
        else if (status.problem == outcome::address)
            problem = "This computer has no address " + link.host.trim() + ".";
        else
            problem = "The system says: " + juce::String (midisock::status (status.problem).message()) + ".";
    }
    else
    {
        const auto clients = (juce::int64) status.peers.size();
        tone = clients > 0 ? Tone::good : Tone::waiting;
        headline = clients > 0 ? count (clients, "client connected", "clients connected") : "Waiting for clients";
        detail = "Listening on " + placeOf (link, status.local_port);
    }

    if (problem.isEmpty() && status.counters.rejected > 0)
        problem = count ((juce::int64) status.counters.rejected, "connection was", "connections were")
                    + " turned away: not among the addresses under Allow, or not MIDI.";

    if (problem.isEmpty() && status.congested)
        problem = "More MIDI comes in than can be played: some of it is left out.";

    for (const auto& peer : status.peers)
        if (problem.isEmpty() && peer.congested)
            problem = peer.address + " does not keep up: some of what is sent to it is left out.";
}

void StatusText::ofClient (const midisock::plugin::settings& link, const midisock::plugin::status& status)
{
    const auto where = placeOf (link, link.port);

    if (status.state == midisock::state::connected)
    {
        tone = Tone::good;
        headline = "Connected";
        detail = "to " + where;

        if (status.congested || (! status.peers.empty() && status.peers.front().congested))
            problem = "The connection does not keep up: some of the MIDI is left out.";
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
            problem = "Nothing listens at " + where + ". Is the other program running, and is that its port?";
            break;
        case outcome::address:
            headline = "Host not found";
            problem = "There is no host of the name in " + where + ". Check its spelling, or write its address.";
            break;
        case outcome::timeout:
        case outcome::unreachable:
            headline = "No answer";
            problem = where + " does not answer. Check the network and the firewall of that computer.";
            break;
        case outcome::permission:
            problem = "The system does not allow this program to connect to " + where + ".";
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
