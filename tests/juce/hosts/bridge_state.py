"""The state of midisock Bridge as hosts save it: written, read and changed without the plugin.

JUCE's own wrappings, from the inside out: the plugin's XML, after a magic number and its length; of a VST3 that as one
of the two parts in JUCE's host XML, in JUCE's kind of base 64, with magic and length again."""

import re
import struct

MAGIC = b"VC2!"
ALPHABET = ".ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+"


def wrapped(xml):
    """As copyXmlToBinary."""
    text = xml.encode()
    return MAGIC + struct.pack("<I", len(text)) + text + b"\0"


def unwrapped(data):
    assert data[:4] == MAGIC, data[:8]
    (length,) = struct.unpack("<I", data[4:8])
    return data[8:8 + length].decode()


def to_base64(data):
    """As MemoryBlock::toBase64Encoding."""
    bits = int.from_bytes(data, "little")
    return f"{len(data)}." + "".join(ALPHABET[bits >> 6 * i & 63] for i in range((len(data) * 8 + 5) // 6))


def from_base64(text):
    size, _, letters = text.partition(".")
    bits = sum(ALPHABET.index(letter) << 6 * i for i, letter in enumerate(letters))
    return bits.to_bytes(len(letters) * 6 // 8 + 1, "little")[:int(size)]


def xml(role="server", port=0, host="127.0.0.1", connect=True, latency_ms=-1, allow="", thru=False, monitor=False,
        other_port=9080, width=0, height=0, name=None, channels=None, advertise=False, sender_time=False):
    """The plugin's XML, with settings for the role and its defaults for the other one. Without a name and channels it is as
    version 0.1 wrote it."""
    def link(name):
        mine = name == role
        return (f'<midisock enabled="0" role="{name}" host="{host if mine else "localhost"}" '
                f'port="{port if mine else other_port}" allow="{allow if mine else ""}" '
                f'latency_ms="{latency_ms if mine else -1}"'
                f'{new if mine else ""}/>')

    new = ' advertise="1"' * advertise + ' sender_time="1"' * sender_time
    own = (f' name="{name}"' if name is not None else "") + (f' channels="{channels}"' if channels is not None else "")

    return (f'<?xml version="1.0" encoding="UTF-8"?> <MidisockBridge version="1" role="{role}" connect="{int(connect)}" '
            f'thru="{int(thru)}"{own} monitor="{int(monitor)}" width="{width}" height="{height}">'
            f'{link("server")}{link("client")}</MidisockBridge>')


def for_vst3_host(plugin_xml):
    part = to_base64(wrapped(plugin_xml))
    return wrapped(f'<?xml version="1.0" encoding="UTF-8"?> <VST3PluginState><IComponent>{part}</IComponent>'
                   "</VST3PluginState>")


def from_vst3_host(state):
    """The plugin's XML in what a host saved."""
    return unwrapped(from_base64(re.search(r"<IComponent>([^<]*)</IComponent>", unwrapped(state))[1]))


def for_standalone(plugin_xml):
    """The settings file that the Standalone reads when it starts."""
    state = to_base64(wrapped(plugin_xml))
    return ('<?xml version="1.0" encoding="UTF-8"?>\n<PROPERTIES>\n'
            f'<VALUE name="filterState" val="{state}"/>\n</PROPERTIES>\n')
