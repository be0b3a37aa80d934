#include "BridgeSettings.h"

#include <tuple>

namespace
{
    const juce::Identifier type { "MidisockBridge" };
}

BridgeSettings::BridgeSettings()
{
    client.role = Role::client;
    server.share = true;
}

BridgeSettings::Link BridgeSettings::link (const juce::String& track) const
{
    auto wanted = chosen();
    wanted.enabled = connect;
    wanted.name = name.isNotEmpty() ? name : Link::valid_name (track.trim());
    wanted.channels = channels;
    return wanted;
}

bool BridgeSettings::operator== (const BridgeSettings& other) const
{
    const auto all = [] (const BridgeSettings& s)
    {
        return std::tie (s.server, s.client, s.role, s.connect, s.name, s.channels, s.thru, s.monitor, s.width, s.height);
    };

    return all (*this) == all (other);
}

void BridgeSettings::write (juce::MemoryBlock& out) const
{
    juce::ValueTree tree (type, { { "version", 1 },
                                  { "role", role == Role::client ? "client" : "server" },
                                  { "connect", connect },
                                  { "name", name },
                                  { "channels", (int) channels },
                                  { "thru", thru },
                                  { "monitor", monitor },
                                  { "width", width },
                                  { "height", height } },
                          { server.to_tree(), client.to_tree() });

    // XML: a project file can be read, and mended, without this plugin.
    if (const auto xml = tree.createXml())
        juce::AudioProcessor::copyXmlToBinary (*xml, out);
}

bool BridgeSettings::read (const void* data, int size)
{
    if (size <= 0 || ! Link::is_harmless (data, (size_t) size))
        return false;

    const auto xml = juce::AudioProcessor::getXmlFromBinary (data, size);
    const auto tree = xml != nullptr ? juce::ValueTree::fromXml (*xml) : juce::ValueTree();

    if (! tree.hasType (type) || (int) tree["version"] < 1 || tree.getNumChildren() < 2)
        return false;

    BridgeSettings found;
    found.server = Link::from_tree (tree.getChild (0));
    found.client = Link::from_tree (tree.getChild (1));
    found.server.role = Role::server;
    // Projects of version 0.1 do not say so either.
    found.server.share = true;
    found.client.role = Role::client;
    found.role = tree["role"].toString() == "client" ? Role::client : Role::server;
    found.connect = tree["connect"];
    // Version 0.1 had neither.
    found.name = Link::valid_name (tree["name"].toString());
    found.channels = Link::valid_channels (tree["channels"]);
    found.thru = tree["thru"];
    found.monitor = tree["monitor"];
    found.width = juce::jlimit (0, mostWidth, (int) tree["width"]);
    found.height = juce::jlimit (0, mostHeight, (int) tree["height"]);
    *this = found;
    return true;
}
