/* The part of a plugin's link that the audio thread uses.
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#ifndef MIDISOCK_JUCE_AUDIO_SIDE_HPP
#define MIDISOCK_JUCE_AUDIO_SIDE_HPP

#include <midisock/juce/held.hpp>
#include <midisock/juce/lanes.hpp>
#include <midisock/juce/moment.hpp>
#include <midisock/juce/room.hpp>

#include <juce_audio_basics/juce_audio_basics.h>

#include <algorithm>
#include <atomic>
#include <utility>

namespace midisock {
inline namespace MIDISOCK_CPP_ABI {
namespace plugin {

/** Moves MIDI between the host's blocks and the port that lanes hand over. It tracks what the host and the peers hold,
 * so that nothing hangs when the port changes, on bypass, and when the host stops. See midi_link, which owns it.
 *
 * The audio thread calls process(), bypass() and sounding(). Any thread may call suspend(), interrupt() and silence(). */
class audio_side {
public:
    /** Uses the ports of `ports`. */
    explicit audio_side(lanes &ports) noexcept : lanes_(ports) {}

    /** Allocates the memory that the host's MidiBuffer will need. The message thread, while no block is processed. */
    void prepare()
    {
        spare_.ensureSize(room::buffer_bytes);
        spare_is_sized_ = true;
        interrupt();
    }

    /** See midi_link::suspend(). */
    void suspend()
    {
        interrupt();
        release_peers_.store(true, std::memory_order_release);
        if (const turn mine{in_hand_}) {
            release_suspended();
        }
    }

    /** See midi_link::interrupt(). */
    void interrupt() noexcept { interrupted_.store(true, std::memory_order_release); }

    /** In the next block the host receives releases of what it holds, and All Sound Off. */
    void silence() noexcept { silence_.store(true, std::memory_order_release); }

    /** Received since the last call, as in status::activity_in. */
    std::uint32_t take_activity_in() noexcept { return activity_in_.exchange(0, std::memory_order_relaxed); }

    /** Sent since the last call, as in status::activity_out. */
    std::uint32_t take_activity_out() noexcept { return activity_out_.exchange(0, std::memory_order_relaxed); }

    /** Call it in processBlock. It sends the messages in `midi` and replaces them by the received ones, each at its
     * sample position.
     *
     * It makes no system call, takes no lock, and allocates nothing itself. The first block gives `midi` the memory
     * that prepare() allocated, which hosts keep, so that MidiBuffer need not allocate either. A block takes at most
     * most_messages, and as many as fit into room::buffer_bytes, because the cost of a MidiBuffer grows with the square of
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
            room free = room::beside(midi, lv2_bytes_);
            (void)let_go(midi, free);
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
        room free = room::beside(midi, lv2_bytes_);
        if (!let_go(midi, free)) {
            return; // the pending release must not include newer messages
        }
        if (std::exchange(restate_host_, false)) {
            paused_in_.restate([&](bytes m) { add(midi, free, m, 0); });
        }
        receive(messages, midi, free);
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
        room free = room::beside(midi, lv2_bytes_);
        (void)let_go(midi, free);
    }

    /** How many notes from peers the host holds. */
    int sounding() const noexcept { return in_.notes(); }

    /** The most messages that one block takes. */
    static constexpr int most_messages = 512;
    /** Blocks that are further apart do not follow one another. Messages between them are too old to be played. */
    static constexpr std::uint64_t longest_gap_ns = 500000000;

private:
    static constexpr std::size_t longest_message = 16384; /**< midisock_config::max_message_bytes */
    static constexpr std::uint32_t system_bit = 1u << 16;

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

    /** What happened before a block. */
    struct pause {
        bool skip;    /**< waiting messages are old */
        bool jump;    /**< the block does not follow the last one */
        bool release; /**< the host has stopped: release what peers hold */
    };

    /** The port to use: the newest. */
    midisock::port *take() noexcept
    {
        if (lanes_.advance()) {
            release_host_ = true; // of what the old port gave
            out_.forget();        // closing it has released that
            paused_in_.forget();
            paused_out_.forget();
            restate_host_ = false;
        }
        return lanes_.playing();
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
        midi.ensureSize(room::buffer_bytes);
    }

    static void add(juce::MidiBuffer &midi, room &free, const std::uint8_t *data, std::size_t size, std::uint32_t frame)
    {
        midi.addEvent(data, static_cast<int>(size), static_cast<int>(frame));
        free.take(size);
    }

    void add(juce::MidiBuffer &midi, room &free, bytes m, std::uint32_t frame)
    {
        add(midi, free, m.data(), m.size(), frame);
        in_.see(m.data(), m.size());
    }

    /** Releases what the host holds, where that is due. False: there is no room for it now. */
    bool let_go(juce::MidiBuffer &midi, room &free)
    {
        release_silent_ = silence_.exchange(false, std::memory_order_acquire) || release_silent_;
        if (!release_host_ && !release_silent_) {
            return true;
        }
        if (free.left < (held::most_released + 32) * free.cost(3)) {
            return false;
        }
        release_host_ = false;
        in_.release([&](bytes m) { add(midi, free, m.data(), m.size(), 0); });
        for (int channel = 0; release_silent_ && channel < 16; channel++) {
            for (const auto &m : {all_sound_off(channel), all_notes_off(channel)}) {
                add(midi, free, m.data(), m.size(), 0);
            }
        }
        release_silent_ = false;
        return true;
    }

    void receive(block &messages, juce::MidiBuffer &midi, room &free)
    {
        std::uint32_t seen = 0;
        int count = 0;
        // Room for the next message, however long it is.
        const std::size_t least = std::min(free.cost(longest_message), room::whole(lv2_bytes_).left / 2);
        if (free.left < least) {
            return;
        }
        for (const message &m : messages) {
            if (!m.is_still_held()) {
                if (free.cost(m.size) <= free.left) {
                    add(midi, free, bytes(m.data, m.size), m.frame);
                    seen |= channel_bit(m.data[0]);
                }
            } else if ((m.data[0] & 0xF0) == 0x80) {
                in_.see(m.data, m.size); // one of the clients that hold it has released it
            }
            if (++count == most_messages || free.left < least) {
                break;
            }
        }
        publish(activity_in_, seen);
    }

    /** Between blocks: after all that the host sent with the last one. */
    void release_later()
    {
        midisock::port *port = lanes_.playing();
        if (port == nullptr || !*port) {
            return;
        }
        // The caller states a block's time, and may be wrong.
        const std::uint64_t at_ns = std::min(last_end_ns_, midisock_now_ns() + longest_gap_ns);
        out_.release([&](bytes m) { (void)port->push_at(at_ns, m); });
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

    lanes &lanes_;

    /* Shared between the threads. */
    std::atomic<bool> interrupted_{false};
    std::atomic<bool> silence_{false};
    std::atomic<bool> release_peers_{false};
    std::atomic<bool> in_hand_{false};
    std::atomic<std::uint32_t> activity_in_{0};
    std::atomic<std::uint32_t> activity_out_{0};

    /* The audio thread's. */
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
