/* The connection of a plugin.
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#ifndef MIDISOCK_JUCE_LINK_HPP
#define MIDISOCK_JUCE_LINK_HPP

#include <midisock/juce/audio_side.hpp>
#include <midisock/juce/lanes.hpp>
#include <midisock/juce/moment.hpp>
#include <midisock/juce/settings.hpp>
#include <midisock/juce/status.hpp>

#include <algorithm>
#include <utility>
#include <vector>

namespace midisock {
inline namespace MIDISOCK_CPP_ABI {
namespace plugin {

/** MIDI between a host and a socket, at sample positions.
 *
 * The audio thread calls process() and bypass(). Any thread may call suspend() and interrupt(). All other functions
 * are for the message thread, or any other thread that is not an audio thread. No thread waits for another: the audio
 * thread takes a port that apply() made at its next block, and gives back the port before, which poll() closes.
 *
 * No note hangs. The link releases what peers hold from this host when the port changes, on bypass, when the host
 * suspends the plugin, and when its transport stops. It releases what the host holds from peers when the port changes
 * and on bypass. On panic it silences both. Messages that the host sent before are sent first. After a pause, old
 * messages are not played, and the channel state is restored (midisock_skip()). */
class midi_link {
public:
    /** A link that is off. It allocates and opens nothing. */
    midi_link() = default;
    /** A link can be neither copied nor moved. */
    midi_link(const midi_link &) = delete;
    /** A link can be neither copied nor moved. */
    midi_link &operator=(const midi_link &) = delete;
    /** [control] No block may be processed any more. Peers receive releases of what they hold. */
    ~midi_link() = default;

    /* ---- Control: the message thread ---- */

    /** Uses other settings. If only the latency, the name, the channels or the allowed addresses differ, the port is kept:
     * the connections of clients that are no longer allowed are closed, and no others. If anything else differs, the
     * port is closed, and one with the new settings is made. A client connects in the background, and a server whose
     * address is in use keeps trying. The status has problems that are known at once, such as outcome::invalid_argument for a port number
     * above 65535. Closing the last port of the process takes up to a quarter of a second if peers have not read
     * everything. */
    status apply(const settings &wanted)
    {
        const juce::ScopedLock lock(control_);
        const settings before = std::exchange(settings_, wanted);
        settings_.name = settings::valid_name(settings_.name);
        settings_.channels &= MIDISOCK_ALL_CHANNELS;
        if (!wanted.has_same_connection(before) || !change(before)) {
            restart();
        }
        return look();
    }

    /** Does the same even if the settings have not changed, to try again after a failure. */
    status retry()
    {
        const juce::ScopedLock lock(control_);
        restart();
        return look();
    }

    /** Uses a port that the caller made, instead of one from settings. It is for tests with midisock::pair, and for
     * plugins that make their own ports. */
    void adopt(midisock::port &&made)
    {
        const juce::ScopedLock lock(control_);
        replace(std::move(made));
    }

    /** The settings that were applied last. */
    settings current() const
    {
        const juce::ScopedLock lock(control_);
        return settings_;
    }

    /** Returns the status. Call it from a timer, 10 to 30 times a second while the editor is open, and less often
     * otherwise. It also closes ports that the audio thread has given back. */
    status poll()
    {
        const juce::ScopedLock lock(control_);
        lanes_.collect();
        return look();
    }

    /** Does the same, and tells the processor's host the latency when it has changed: status::host_latency_ns, and
     * `own_samples` of a plugin that delays its audio besides. Message thread only. */
    template <class Processor> status poll(Processor &processor, int own_samples = 0)
    {
        const status seen = poll(); // no lock is held while the host is told
        const double samples = static_cast<double>(seen.host_latency_ns) * processor.getSampleRate() / 1e9;
        processor.setLatencySamples(own_samples + juce::roundToInt(samples));
        return seen;
    }

    /** Silences both ends. Messages that wait to be sent are dropped, and peers receive All Sound Off. In the next
     * block the host receives releases of what it holds, and All Sound Off. Any thread except the audio thread. */
    void panic()
    {
        const juce::ScopedLock lock(control_);
        if (midisock::port *port = lanes_.newest()) {
            (void)port->panic();
        }
        audio_.silence();
    }

    /** Appends the settings to a plugin's state, as one element of XML. */
    void save(juce::MemoryBlock &out) const
    {
        const juce::String text = current().to_tree().toXmlString(juce::XmlElement::TextFormat().singleLine());
        out.append(text.toRawUTF8(), text.getNumBytesAsUTF8());
    }

    /** Applies settings that save() wrote. Returns false, and does nothing, if the data are something else. They may be
     * of unknown origin. */
    bool load(const void *data, int size)
    {
        // Not ValueTree::readFromData, which damaged data keep busy for hours.
        const auto *text = static_cast<const char *>(data);
        const bool is_text = size > 0 && settings::is_harmless(data, static_cast<std::size_t>(size));
        const juce::ValueTree tree =
            is_text ? juce::ValueTree::fromXml(juce::String::fromUTF8(text, size)) : juce::ValueTree();
        if (!tree.hasType(settings::tree_type())) {
            return false;
        }
        (void)apply(settings::from_tree(tree));
        return true;
    }

    /** Call it in prepareToPlay. It allocates the memory that the host's MidiBuffer will need. */
    void prepare() { audio_.prepare(); }

    /** Call it in releaseResources() and reset(), where the host stops. It releases what peers hold from the host now,
     * or in the next block if one is being processed. It includes interrupt(). [realtime] Any thread. */
    void suspend() { audio_.suspend(); }

    /** The next block does not follow the last one. Waiting messages are old, so the next block begins with the
     * difference in channel state. [realtime] Any thread. */
    void interrupt() noexcept { audio_.interrupt(); }

    /* ---- Realtime: the audio thread ---- */

    /** Call it in processBlock. It sends the messages in `midi` and replaces them by the received ones, each at its
     * sample position.
     *
     * It makes no system call, takes no lock, and allocates nothing itself. The first block gives `midi` the memory
     * that prepare() allocated, which hosts keep, so that MidiBuffer need not allocate either. A block takes at most
     * most_messages, and as many as fit into buffer_bytes, because the cost of a MidiBuffer grows with the square of
     * their number; the next block takes the others. In an LV2 plugin the limit may be lower, see moment::lv2_bytes,
     * and a SysEx longer than half of it is left out.
     *
     * @param midi  the buffer of processBlock
     * @param now  the block
     * @param thru  also keep the messages that were in `midi` */
    void process(juce::MidiBuffer &midi, const moment &now, bool thru = false)
    {
        audio_.process(midi, now, thru);
    }

    /** Call it in processBlock. It asks the processor for the sample rate, the transport, and whether it renders
     * offline. */
    template <class Processor, class Sample>
    void process(Processor &processor, const juce::AudioBuffer<Sample> &audio, juce::MidiBuffer &midi, bool thru = false)
    {
        audio_.process(processor, audio, midi, thru);
    }

    /** Call it in processBlockBypassed. It first releases what either end holds, and then neither sends nor receives.
     * The messages in `midi` stay there. They are tracked, so that a pedal which the host lifts during bypass is not
     * pressed again afterwards. */
    void bypass(juce::MidiBuffer &midi) { audio_.bypass(midi); }

    /** How many notes from peers the host holds. Audio thread only. */
    int sounding() const noexcept { return audio_.sounding(); }

    /** The most messages that one block takes. */
    static constexpr int most_messages = audio_side::most_messages;
    /** The memory that `midi` is given: enough for that many, or for the longest SysEx. */
    static constexpr std::size_t buffer_bytes = room::buffer_bytes;
    /** Blocks that are further apart do not follow one another. Messages between them are too old to be played. */
    static constexpr std::uint64_t longest_gap_ns = audio_side::longest_gap_ns;

private:
    void restart()
    {
        problem_ = outcome::ok;
        lost_ = false;
        midisock::port made;
        if (midisock::port *port = lanes_.newest()) {
            (void)port->shutdown(); // frees the address
        }
        if (settings_.enabled) {
            const config how = settings_.to_config();
            const juce::String host = settings_.host.trim();
            const auto number = static_cast<std::uint16_t>(settings_.port);
            if (settings_.port != number) {
                problem_ = outcome::invalid_argument;
            } else if (settings_.role == role::client) {
                problem_ = take_over(client::connect(host.toRawUTF8(), number, how), made);
            } else {
                problem_ = take_over(server::listen(host.toRawUTF8(), number, how), made);
            }
        }
        replace(std::move(made));
    }

    template <class Made> static outcome take_over(result<Made> from, midisock::port &to)
    {
        if (from) {
            to = std::move(*from);
        }
        return from.error().code();
    }

    void replace(midisock::port &&made)
    {
        lanes_.replace(std::move(made));
        peers_.clear();
        congested_ = false;
    }

    /** Changes the port that there is. False: it must be made anew. */
    bool change(const settings &before)
    {
        if (settings_ == before) {
            return true;
        }
        midisock::port *port = lanes_.newest();
        if (port == nullptr || !*port) {
            return false;
        }
        if (settings_.allow != before.allow && settings_.role == role::server) {
            // A list that cannot be parsed must not leave the old one in force: restart() reports it.
            if (midisock_set_allow(port->get(), settings_.allow_list()) != MIDISOCK_OK) {
                return false;
            }
        }
        if (settings_.name != before.name) {
            (void)port->set_name(settings_.name.toRawUTF8());
        }
        if (settings_.channels != before.channels) {
            (void)port->set_channels(settings_.channels);
        }
        return midisock_set_latency(port->get(), settings_.latency_ns(), 0) == MIDISOCK_OK;
    }

    status look()
    {
        status seen;
        midisock::port *port = lanes_.newest();
        if (port != nullptr && *port) {
            while (const result<notification> next = port->poll_notification()) {
                hear(*next);
            }
            seen.state = port->state();
            seen.local_port = port->local_port();
            seen.counters = *port->stats();
            if (seen.counters.timed_in > 0 || (settings_.sender_time && settings_.role == role::client)) {
                seen.host_latency_ns = seen.counters.latency_ns;
            }
            if (seen.state == state::listening) {
                problem_ = outcome::ok; // the address was in use, and is ours now
            }
        }
        seen.problem = problem_;
        seen.lost = lost_;
        seen.peers = peers_;
        seen.congested = congested_;
        seen.activity_in = audio_.take_activity_in();
        seen.activity_out = audio_.take_activity_out() & settings_.channels; // the port takes the others, and sends none
        return seen;
    }

    void hear(const notification &said)
    {
        const auto same = [&](const peer &p) { return p.id == said.client; };
        const auto found = std::find_if(peers_.begin(), peers_.end(), same);
        switch (said.kind) {
        case MIDISOCK_NOTIFY_CONNECTED:
        case MIDISOCK_NOTIFY_CLIENT_JOINED:
            peers_.push_back({said.client, said.address, said.time_ns});
            problem_ = outcome::ok;
            lost_ = false;
            break;
        case MIDISOCK_NOTIFY_DISCONNECTED:
            problem_ = static_cast<outcome>(said.reason);
            lost_ = true;
            [[fallthrough]];
        case MIDISOCK_NOTIFY_CLIENT_LEFT:
            if (found != peers_.end()) {
                peers_.erase(found);
            }
            break;
        case MIDISOCK_NOTIFY_CONNECT_FAILED:
            problem_ = static_cast<outcome>(said.reason);
            lost_ = false;
            break;
        case MIDISOCK_NOTIFY_CONGESTED:
        case MIDISOCK_NOTIFY_RECOVERED:
            if (found != peers_.end()) {
                found->congested = said.kind == MIDISOCK_NOTIFY_CONGESTED;
            } else {
                congested_ = said.kind == MIDISOCK_NOTIFY_CONGESTED;
            }
            break;
        case MIDISOCK_NOTIFY_CLIENT_NAMED:
            if (found != peers_.end()) {
                found->name = name_of(said.client);
            }
            break;
        case MIDISOCK_NOTIFY_CLOCK_LOCKED:
        case MIDISOCK_NOTIFY_CLOCK_LOST:
            if (found != peers_.end()) {
                found->has_clock = said.kind == MIDISOCK_NOTIFY_CLOCK_LOCKED;
            }
            break;
        default:
            break;
        }
    }

    /** The name of a client, or with 0 of the server. */
    juce::String name_of(std::uint32_t client)
    {
        char name[settings::most_name_bytes + 1] = "";
        midisock_port *port = lanes_.newest()->get();
        (void)(client != 0 ? midisock_client_name(port, client, name, sizeof name)
                           : midisock_peer_name(port, name, sizeof name));
        return juce::String::fromUTF8(name);
    }

    lanes lanes_;
    audio_side audio_{lanes_};

    /* Protected by control_. */
    mutable juce::CriticalSection control_;
    settings settings_;
    std::vector<peer> peers_;
    outcome problem_ = outcome::ok;
    bool lost_ = false;
    bool congested_ = false;
};

} // namespace plugin
} // namespace MIDISOCK_CPP_ABI
} // namespace midisock

#endif
