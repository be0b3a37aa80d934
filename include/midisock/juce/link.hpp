/* The connection of a plugin.
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#ifndef MIDISOCK_JUCE_LINK_HPP
#define MIDISOCK_JUCE_LINK_HPP

#include <midisock/juce/held.hpp>
#include <midisock/juce/settings.hpp>
#include <midisock/juce/status.hpp>

#include <juce_audio_basics/juce_audio_basics.h>

#include <algorithm>
#include <atomic>
#include <memory>

#ifndef MIDISOCK_JUCE_LV2_BYTES
/** The rsz:minimumSize of an LV2 plugin's event output. The default is the size that JUCE requests from the host.
 * Define it if your bundle has a greater one. */
#define MIDISOCK_JUCE_LV2_BYTES 8192
#endif

namespace midisock {
inline namespace MIDISOCK_CPP_ABI {
namespace plugin {

/** One call of processBlock. */
struct moment {
    /** Frames of the block; 0 is allowed. */
    int frames = 0;
    /** Frames per second. */
    double sample_rate = 0.0;
    /** The host does not render in real time. */
    bool offline = false;
    /** The host's transport is running. */
    bool playing = false;
    /** midisock_now_ns() at the start. 0: the library reads the clock. */
    std::uint64_t start_ns = 0;
    /** Bytes of the atom sequence that an LV2 host takes from a block. 0: it is not an LV2 host. Messages beyond them
     * would be lost, and JUCE 7.0.5 would leave the sequence broken. */
    std::size_t lv2_bytes = 0;
};

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
    ~midi_link()
    {
        collect();
        delete pending_.load();
        delete playing_;
    }

    /* ---- Control: the message thread ---- */

    /** If the settings have changed, closes the port and makes one with the new settings. A client connects in the
     * background, and a server whose address is in use keeps trying. The status has problems that are known at once,
     * such as outcome::invalid_argument for a port number above 65535. Closing the last port of the process takes up
     * to a quarter of a second if peers have not read everything. */
    status apply(const settings &wanted)
    {
        const juce::ScopedLock lock(control_);
        if (wanted != settings_) {
            settings_ = wanted;
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
        collect();
        return look();
    }

    /** Silences both ends. Messages that wait to be sent are dropped, and peers receive All Sound Off. In the next
     * block the host receives releases of what it holds, and All Sound Off. Any thread except the audio thread. */
    void panic()
    {
        const juce::ScopedLock lock(control_);
        if (newest_ != nullptr) {
            (void)newest_->port.panic();
        }
        silence_.store(true, std::memory_order_release);
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
    void prepare()
    {
        spare_.ensureSize(buffer_bytes);
        spare_is_sized_ = true;
        interrupt();
    }

    /** Call it in releaseResources() and reset(), where the host stops. It releases what peers hold from the host now,
     * or in the next block if one is being processed. It includes interrupt(). [realtime] Any thread. */
    void suspend()
    {
        interrupt();
        release_peers_.store(true, std::memory_order_release);
        if (const turn mine{in_hand_}) {
            release_suspended();
        }
    }

    /** The next block does not follow the last one. Waiting messages are old, so the next block begins with the
     * difference in channel state. [realtime] Any thread. */
    void interrupt() noexcept { interrupted_.store(true, std::memory_order_release); }

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
        const turn mine{in_hand_};
        if (!mine) { // suspended at this moment
            if (!thru) {
                midi.clear();
            }
            return;
        }
        midisock::port *port = take();
        const std::uint64_t start_ns = now.start_ns != 0 ? now.start_ns : midisock_now_ns();
        const pause before = begin(now, start_ns);
        const bool resumed = std::exchange(bypassed_, false);
        restate_host_ = restate_host_ || resumed;
        lv2_bytes_ = now.lv2_bytes;
        if (port == nullptr || !*port) {
            make_room(midi, thru);
            space room = room_in(midi);
            (void)let_go(midi, room);
            return;
        }
        if (before.skip) {
            (void)port->skip();
        }
        block_info info;
        info.frames = static_cast<std::uint32_t>(juce::jmax(0, now.frames));
        info.sample_rate = now.sample_rate > 0.0 ? now.sample_rate : 48000.0;
        info.start_ns = start_ns;
        info.freewheel = now.offline;
        info.discontinuity = before.jump;
        block messages = port->begin_block(info);
        if (before.release) {
            out_.release([&](bytes m) { (void)messages.push(0, m); });
        }
        if (resumed) {
            paused_out_.restate([&](bytes m) {
                (void)messages.push(0, m);
                out_.see(m.data(), m.size());
            });
        }
        send(messages, midi, now.frames);
        make_room(midi, thru);
        space room = room_in(midi);
        if (!let_go(midi, room)) {
            return; // the pending release must not include newer messages
        }
        if (std::exchange(restate_host_, false)) {
            paused_in_.restate([&](bytes m) { add(midi, room, m, 0); });
        }
        receive(messages, midi, room);
    }

    /** Call it in processBlock. It asks the processor for the sample rate, the transport, and whether it renders
     * offline. */
    template <class Processor, class Sample>
    void process(Processor &processor, const juce::AudioBuffer<Sample> &audio, juce::MidiBuffer &midi, bool thru = false)
    {
        moment now;
        now.frames = audio.getNumSamples();
        now.sample_rate = processor.getSampleRate();
        now.offline = processor.isNonRealtime();
        now.lv2_bytes = processor.wrapperType == Processor::wrapperType_LV2 ? MIDISOCK_JUCE_LV2_BYTES : 0;
        now.playing = was_playing_; // LV2 hosts send a position only if it differs from the expected one
        if (auto *head = processor.getPlayHead()) {
            if (const auto position = head->getPosition()) {
                now.playing = position->getIsPlaying();
            }
        }
        process(midi, now, thru);
    }

    /** Call it in processBlockBypassed. It first releases what either end holds, and then neither sends nor receives.
     * The messages in `midi` stay there. They are tracked, so that a pedal which the host lifts during bypass is not
     * pressed again afterwards. */
    void bypass(juce::MidiBuffer &midi)
    {
        const turn mine{in_hand_};
        if (!mine) {
            return;
        }
        (void)take();
        if (!bypassed_) {
            bypassed_ = true;
            paused_in_ = in_;
            paused_out_ = out_;
            release_host_ = true;
            release_later();
        }
        if (release_peers_.exchange(false, std::memory_order_acquire)) {
            paused_out_.forget();
        }
        for (const juce::MidiMessageMetadata event : midi) {
            paused_out_.see(event.data, static_cast<std::size_t>(event.numBytes));
        }
        space room = room_in(midi);
        (void)let_go(midi, room);
    }

    /** How many notes from peers the host holds. Audio thread only. */
    int sounding() const noexcept { return in_.notes(); }

    /** The most messages that one block takes. */
    static constexpr int most_messages = 512;
    /** The memory that `midi` is given: enough for that many, or for the longest SysEx. */
    static constexpr std::size_t buffer_bytes = 65536;
    /** Blocks that are further apart do not follow one another. Messages between them are too old to be played. */
    static constexpr std::uint64_t longest_gap_ns = 500000000;

private:
    static constexpr std::size_t event_bytes = sizeof(std::int32_t) + sizeof(std::uint16_t);
    static constexpr std::size_t longest_message = 16384; /**< midisock_config::max_message_bytes */
    static constexpr std::uint32_t system_bit = 1u << 16;

    /** A port on its way between the threads. */
    struct lane {
        midisock::port port;
        lane *older; /**< the next in the list of retired lanes */
    };

    /** Exclusive use of the link's audio side, by a block or by suspend(). Neither waits for the other. */
    class turn {
    public:
        explicit turn(std::atomic<bool> &taken) noexcept
            : taken_(taken), mine_(!taken.exchange(true, std::memory_order_acquire))
        {
        }
        turn(const turn &) = delete;
        turn &operator=(const turn &) = delete;
        ~turn()
        {
            if (mine_) {
                taken_.store(false, std::memory_order_release);
            }
        }
        explicit operator bool() const noexcept { return mine_; }

    private:
        std::atomic<bool> &taken_;
        bool mine_;
    };

    /** Bytes that may still be added for the host. */
    struct space {
        std::size_t left;
        bool is_lv2;

        std::size_t cost(std::size_t size) const noexcept
        {
            // LV2: time, size and type, and the message in steps of 8; JUCE: time and size.
            return is_lv2 ? 16 + (size + 7) / 8 * 8 : event_bytes + size;
        }
        void take(std::size_t size) noexcept { left -= std::min(left, cost(size)); }
    };

    /** What happened before a block. */
    struct pause {
        bool skip;    /**< waiting messages are old */
        bool jump;    /**< the block does not follow the last one */
        bool release; /**< the host has stopped: release what peers hold */
    };

    /* ---- Control ---- */

    void restart()
    {
        problem_ = outcome::ok;
        lost_ = false;
        midisock::port made;
        if (newest_ != nullptr) {
            (void)newest_->port.shutdown(); // lets the address go
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
        collect();
        if (newest_ != nullptr) {
            (void)newest_->port.shutdown();
        }
        peers_.clear();
        congested_ = false;
        newest_ = new lane{std::move(made), nullptr};
        // If the audio thread has not taken the pending one, it never will.
        delete pending_.exchange(newest_, std::memory_order_acq_rel);
    }

    /** Closes what the audio thread has given back. */
    void collect()
    {
        lane *old = retired_.exchange(nullptr, std::memory_order_acquire);
        while (old != nullptr) {
            delete std::exchange(old, old->older);
        }
    }

    status look()
    {
        status seen;
        if (newest_ != nullptr && newest_->port) {
            while (const result<notification> next = newest_->port.poll_notification()) {
                hear(*next);
            }
            seen.state = newest_->port.state();
            seen.local_port = newest_->port.local_port();
            seen.counters = *newest_->port.stats();
            if (seen.state == state::listening) {
                problem_ = outcome::ok; // the address was in use, and is ours now
            }
        }
        seen.problem = problem_;
        seen.lost = lost_;
        seen.peers = peers_;
        seen.congested = congested_;
        seen.activity_in = activity_in_.exchange(0, std::memory_order_relaxed);
        seen.activity_out = activity_out_.exchange(0, std::memory_order_relaxed);
        return seen;
    }

    void hear(const notification &said)
    {
        const auto same = [&](const peer &p) { return p.id == said.client; };
        const auto found = std::find_if(peers_.begin(), peers_.end(), same);
        switch (said.kind) {
        case MIDISOCK_NOTIFY_CONNECTED:
        case MIDISOCK_NOTIFY_CLIENT_JOINED:
            peers_.push_back({said.client, said.address, said.time_ns, false});
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
        default:
            break;
        }
    }

    /* ---- The audio thread ---- */

    /** The port to use: the newest. */
    midisock::port *take() noexcept
    {
        if (pending_.load(std::memory_order_relaxed) != nullptr) {
            if (lane *next = pending_.exchange(nullptr, std::memory_order_acq_rel)) {
                give_back(std::exchange(playing_, next));
                release_host_ = true; // of what the old port gave
                out_.forget();        // its end has released that
                paused_in_.forget();
                paused_out_.forget();
                restate_host_ = false;
            }
        }
        return playing_ != nullptr ? &playing_->port : nullptr;
    }

    /** To be closed by collect(): never waited for. Only that takes from the list, all at once: the exchange fails once
     * for each time it does. */
    void give_back(lane *old) noexcept
    {
        if (old != nullptr) {
            old->older = retired_.load(std::memory_order_relaxed);
            while (!retired_.compare_exchange_strong(old->older, old, std::memory_order_release,
                                                     std::memory_order_relaxed)) {
            }
        }
    }

    pause begin(const moment &now, std::uint64_t start_ns) noexcept
    {
        const bool stopped = was_playing_ && !now.playing;
        const bool started = !was_playing_ && now.playing;
        bool old = interrupted_.exchange(false, std::memory_order_acquire);
        old = old || bypassed_ || (!now.offline && last_end_ns_ != 0 && start_ns > last_end_ns_ + longest_gap_ns);
        was_playing_ = now.playing;
        const double rate = now.sample_rate > 0.0 ? now.sample_rate : 48000.0;
        last_end_ns_ = now.offline ? 0 : start_ns + static_cast<std::uint64_t>(juce::jmax(0, now.frames) * 1e9 / rate);
        const bool suspended = release_peers_.exchange(false, std::memory_order_acquire);
        return {old, old || started, stopped || suspended};
    }

    void send(block &messages, const juce::MidiBuffer &midi, int frames)
    {
        const int last = juce::jmax(0, frames - 1);
        std::uint32_t seen = 0;
        for (const juce::MidiMessageMetadata event : midi) {
            const auto size = static_cast<std::size_t>(event.numBytes);
            const auto frame = static_cast<std::uint32_t>(juce::jlimit(0, last, event.samplePosition));
            const midisock::status sent = messages.push(frame, bytes(event.data, size));
            if (sent) {
                seen |= channel_bit(event.data[0]);
            }
            if (!sent.failed() || sent.code() == outcome::full) { // what is refused for want of room is remembered there
                out_.see(event.data, size);
            }
        }
        publish(activity_out_, seen);
    }

    void make_room(juce::MidiBuffer &midi, bool thru)
    {
        if (spare_is_sized_) {
            spare_is_sized_ = false;
            midi.swapWith(spare_);
            midi.clear();
            if (thru) {
                midi.addEvents(spare_, 0, -1, 0);
            }
            return;
        }
        if (!thru) {
            midi.clear();
        }
        midi.ensureSize(buffer_bytes);
    }

    /** What the host takes from a block. */
    space whole() const noexcept
    {
        constexpr std::size_t head = 64; // of the sequence, and what JUCE may say of itself
        return {lv2_bytes_ > 0 ? lv2_bytes_ - std::min(lv2_bytes_, head) : buffer_bytes, lv2_bytes_ > 0};
    }

    space room_in(const juce::MidiBuffer &midi) const noexcept
    {
        space room = whole();
        if (room.is_lv2) {
            for (const juce::MidiMessageMetadata event : midi) {
                room.take(static_cast<std::size_t>(event.numBytes));
            }
        } else {
            room.left -= std::min(room.left, static_cast<std::size_t>(midi.data.size()));
        }
        return room;
    }

    static void add(juce::MidiBuffer &midi, space &room, const std::uint8_t *data, std::size_t size, std::uint32_t frame)
    {
        midi.addEvent(data, static_cast<int>(size), static_cast<int>(frame));
        room.take(size);
    }

    void add(juce::MidiBuffer &midi, space &room, bytes m, std::uint32_t frame)
    {
        add(midi, room, m.data(), m.size(), frame);
        in_.see(m.data(), m.size());
    }

    /** Releases what the host holds, where that is due. False: there is no room for it now. */
    bool let_go(juce::MidiBuffer &midi, space &room)
    {
        release_silent_ = silence_.exchange(false, std::memory_order_acquire) || release_silent_;
        if (!release_host_ && !release_silent_) {
            return true;
        }
        if (room.left < (held::most_released + 32) * room.cost(3)) {
            return false;
        }
        release_host_ = false;
        in_.release([&](bytes m) { add(midi, room, m.data(), m.size(), 0); });
        for (int channel = 0; release_silent_ && channel < 16; channel++) {
            for (const auto &m : {all_sound_off(channel), all_notes_off(channel)}) {
                add(midi, room, m.data(), m.size(), 0);
            }
        }
        release_silent_ = false;
        return true;
    }

    void receive(block &messages, juce::MidiBuffer &midi, space &room)
    {
        std::uint32_t seen = 0;
        int count = 0;
        // That one which follows has room, however long it is.
        const std::size_t least = std::min(room.cost(longest_message), whole().left / 2);
        if (room.left < least) {
            return;
        }
        for (const message &m : messages) {
            if (!m.is_still_held()) {
                if (room.cost(m.size) <= room.left) {
                    add(midi, room, bytes(m.data, m.size), m.frame);
                    seen |= channel_bit(m.data[0]);
                }
            } else if ((m.data[0] & 0xF0) == 0x80) {
                in_.see(m.data, m.size); // one of those who hold it has let go
            }
            if (++count == most_messages || room.left < least) {
                break;
            }
        }
        publish(activity_in_, seen);
    }

    /** Between blocks: after all that the host sent with the last one. */
    void release_later()
    {
        if (playing_ == nullptr || !playing_->port) {
            return;
        }
        // A block's time is the caller's word.
        const std::uint64_t at_ns = std::min(last_end_ns_, midisock_now_ns() + longest_gap_ns);
        out_.release([&](bytes m) { (void)playing_->port.push_at(at_ns, m); });
    }

    /** suspend() has its turn. */
    void release_suspended()
    {
        if (release_peers_.exchange(false, std::memory_order_acquire)) {
            release_later();
            paused_out_.forget(); // nothing reports what the host releases in the meantime
        }
    }

    static std::uint32_t channel_bit(std::uint8_t status) noexcept
    {
        return status < 0xF0 ? 1u << (status & 0x0Fu) : system_bit;
    }

    static void publish(std::atomic<std::uint32_t> &to, std::uint32_t bits) noexcept
    {
        if (bits != 0) {
            to.fetch_or(bits, std::memory_order_relaxed);
        }
    }

    /* Shared. A lane is in pending_, retired_ or playing_, and belongs to the thread that can reach it there. */
    std::atomic<lane *> pending_{nullptr}; /**< not yet taken by the audio thread */
    std::atomic<lane *> retired_{nullptr}; /**< a list of lanes that the audio thread gave back, to be closed */
    std::atomic<bool> interrupted_{false};
    std::atomic<bool> silence_{false};
    std::atomic<bool> release_peers_{false};
    std::atomic<bool> in_hand_{false};
    std::atomic<std::uint32_t> activity_in_{0};
    std::atomic<std::uint32_t> activity_out_{0};

    /* Protected by control_. */
    mutable juce::CriticalSection control_;
    settings settings_;
    lane *newest_ = nullptr; /**< pending_ or playing_; never one that is retired */
    std::vector<peer> peers_;
    outcome problem_ = outcome::ok;
    bool lost_ = false;
    bool congested_ = false;

    /* The audio thread. */
    lane *playing_ = nullptr;
    held in_;         /**< by the host */
    held out_;        /**< by the peers */
    held paused_in_;  /**< when a bypass began */
    held paused_out_; /**< the same */
    bool bypassed_ = false;
    bool release_host_ = false;
    bool release_silent_ = false;
    bool restate_host_ = false;
    std::size_t lv2_bytes_ = 0;
    bool was_playing_ = false;
    std::uint64_t last_end_ns_ = 0;
    juce::MidiBuffer spare_;
    bool spare_is_sized_ = false;
};

} // namespace plugin
} // namespace MIDISOCK_CPP_ABI
} // namespace midisock

#endif
