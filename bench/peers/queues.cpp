// JACK's ring buffer, Boost's spsc_queue and JUCE's AbstractFifo behind C calls of the same kind as midisock's: time,
// client, length and bytes go in, and come out. What is not there when this is compiled (HAVE_JACK, HAVE_BOOST,
// HAVE_JUCE) is left out. All are made once and never given back.

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#ifdef HAVE_JACK
#include <jack/ringbuffer.h>
#endif
#ifdef HAVE_BOOST
#include <boost/lockfree/spsc_queue.hpp>
#endif
#ifdef HAVE_JUCE
#include <juce_core/juce_core.h>
// The one file of the module that is needed; here its functions can be inlined, which is to its advantage.
#include <juce_core/containers/juce_AbstractFifo.cpp>
// What else would bring in the whole module: its check that all of it is compiled alike.
juce::this_will_fail_to_link_if_some_of_your_compile_units_are_built_in_release_mode::
    this_will_fail_to_link_if_some_of_your_compile_units_are_built_in_release_mode() noexcept
{
}
#endif

namespace {

struct Head {
    uint64_t time_ns;
    uint32_t client, size;
};

template <size_t N>
struct Slot {
    Head head;
    uint8_t bytes[N];

    void fill(const Head &from, const uint8_t *data)
    {
        head = from;
        std::memcpy(bytes, data, from.size);
    }

    void copy_to(Slot *out) const { out->fill(head, bytes); }
};

// The functions of one queue, for one size of slot.
#define QUEUE(NAME, TYPE, SIZE)                                                                                        \
    extern "C" void *NAME##_##SIZE##_new(size_t slots) { return new TYPE<SIZE>(slots); }                               \
    extern "C" int NAME##_##SIZE##_push(void *queue, uint64_t time_ns, uint32_t client, const uint8_t *data,           \
                                        size_t size)                                                                   \
    {                                                                                                                  \
        return size > SIZE || !static_cast<TYPE<SIZE> *>(queue)->push({time_ns, client, uint32_t(size)}, data);        \
    }                                                                                                                  \
    extern "C" int NAME##_##SIZE##_pop(void *queue, Slot<SIZE> *out)                                                   \
    {                                                                                                                  \
        return !static_cast<TYPE<SIZE> *>(queue)->pop(out);                                                            \
    }
#define QUEUES(NAME, TYPE) QUEUE(NAME, TYPE, 8) QUEUE(NAME, TYPE, 256) QUEUE(NAME, TYPE, 16384)

#ifdef HAVE_JACK
// A message is its head and its bytes, one after the other, as JACK's clients do it.
template <size_t N>
class Jack {
public:
    explicit Jack(size_t slots) : ring(jack_ringbuffer_create(slots * sizeof(Slot<N>))) {}

    bool push(const Head &head, const uint8_t *data)
    {
        if (jack_ringbuffer_write_space(ring) < sizeof head + head.size)
            return false;
        jack_ringbuffer_write(ring, reinterpret_cast<const char *>(&head), sizeof head);
        jack_ringbuffer_write(ring, reinterpret_cast<const char *>(data), head.size);
        return true;
    }

    bool pop(Slot<N> *out)
    {
        // The head is published before the bytes: both must be there.
        if (jack_ringbuffer_peek(ring, reinterpret_cast<char *>(&out->head), sizeof out->head) < sizeof out->head ||
            jack_ringbuffer_read_space(ring) < sizeof out->head + out->head.size)
            return false;
        jack_ringbuffer_read_advance(ring, sizeof out->head);
        jack_ringbuffer_read(ring, reinterpret_cast<char *>(out->bytes), out->head.size);
        return true;
    }

private:
    jack_ringbuffer_t *ring;
};
#endif

#ifdef HAVE_BOOST
template <size_t N>
class Boost {
public:
    explicit Boost(size_t slots) : queue(slots) {}

    bool push(const Head &head, const uint8_t *data)
    {
        Slot<N> slot;
        slot.fill(head, data);
        return queue.push(slot);
    }

    bool pop(Slot<N> *out)
    {
        return queue.consume_one([out](const Slot<N> &slot) { slot.copy_to(out); });
    }

private:
    boost::lockfree::spsc_queue<Slot<N>> queue;
};
#endif

#ifdef HAVE_JUCE
template <size_t N>
class Juce {
public:
    explicit Juce(size_t slots) : fifo(int(slots)), memory(slots) {}

    bool push(const Head &head, const uint8_t *data)
    {
        int start, size, start2, size2;
        fifo.prepareToWrite(1, start, size, start2, size2);
        if (size == 0)
            return false;
        memory[size_t(start)].fill(head, data);
        fifo.finishedWrite(1);
        return true;
    }

    bool pop(Slot<N> *out)
    {
        int start, size, start2, size2;
        fifo.prepareToRead(1, start, size, start2, size2);
        if (size == 0)
            return false;
        memory[size_t(start)].copy_to(out);
        fifo.finishedRead(1);
        return true;
    }

private:
    juce::AbstractFifo fifo;
    std::vector<Slot<N>> memory;
};
#endif

} // namespace

#ifdef HAVE_JACK
QUEUES(jack, Jack)
#endif
#ifdef HAVE_BOOST
QUEUES(boost, Boost)
#endif
#ifdef HAVE_JUCE
QUEUES(juce, Juce)
#endif
