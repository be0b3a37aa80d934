// The same as placement.c, by JUCE's MidiMessageCollector, under the same simulated clock. Its locks and allocations on the
// audio thread are counted, by standing in front of the C library's functions.
//
//   placement_juce [the options of placement]
#define JUCE_GLOBAL_MODULE_SETTINGS_INCLUDED 1
#include <juce_audio_devices/juce_audio_devices.h>

#include <dlfcn.h>
#include <pthread.h>
#include <time.h>

#include "trace.h"

namespace {
std::uint64_t now_ns = 0; // 0: the real clock
bool on_audio_thread = false;
unsigned long locks = 0, allocations = 0, collector_calls = 0;

const char *option(int argc, char **argv, const char *name, const char *otherwise)
{
    for (int i = 1; i + 1 < argc; i++)
        if (std::strcmp(argv[i], name) == 0)
            return argv[i + 1];
    return otherwise;
}
} // namespace

extern "C" {
void *__libc_malloc(size_t);
void *__libc_realloc(void *, size_t);
void *malloc(size_t size)
{
    allocations += on_audio_thread;
    return __libc_malloc(size);
}
void *realloc(void *memory, size_t size)
{
    allocations += on_audio_thread;
    return __libc_realloc(memory, size);
}
int pthread_mutex_lock(pthread_mutex_t *mutex)
{
    static auto *real = reinterpret_cast<int (*)(pthread_mutex_t *)>(dlsym(RTLD_NEXT, "pthread_mutex_lock"));
    locks += on_audio_thread;
    return real(mutex);
}
int clock_gettime(clockid_t clock, struct timespec *time)
{
    static auto *real = reinterpret_cast<int (*)(clockid_t, struct timespec *)>(dlsym(RTLD_NEXT, "clock_gettime"));
    if (now_ns == 0)
        return real(clock, time);
    time->tv_sec = static_cast<time_t>(now_ns / 1000000000u);
    time->tv_nsec = static_cast<long>(now_ns % 1000000000u);
    return 0;
}
}

int main(int argc, char **argv)
{
    const auto frames = static_cast<std::uint32_t>(std::atoi(option(argc, argv, "--frames", "128")));
    const double jitter = std::atof(option(argc, argv, "--jitter-percent", "50")) / 100.0;
    const double drift = std::atof(option(argc, argv, "--drift-ppm", "0")) * 1e-6;
    const long blocks = std::atol(option(argc, argv, "--blocks", "60000"));
    const long settle = std::atol(option(argc, argv, "--settle", "8000"));
    trace t;
    trace_open(&t, option(argc, argv, "--kind", "uniform"), frames, jitter, drift);
    if (strcmp(option(argc, argv, "--network", ""), "") != 0)
        trace_network(&t, option(argc, argv, "--network", ""));
    placed by_juce = {0.0, 0.0, 0.0, 0.0, 0};
    now_ns = static_cast<std::uint64_t>(TRACE_ORIGIN);
    juce::MidiMessageCollector collector;
    collector.reset(48000.0);
    std::vector<double> arrivals; // by number
    unsigned long lost = 0;
    juce::MidiBuffer buffer;
    buffer.ensureSize(65536);
    for (long number = 0; number < blocks; number++) {
        double due, begins = trace_block(&t, &due), arrival;
        while ((arrival = trace_arrival(&t, begins)) > 0.0) {
            now_ns = static_cast<std::uint64_t>(arrival + 0.5);
            // The number of the message is in it.
            const auto id = static_cast<unsigned>(arrivals.size());
            auto message = juce::MidiMessage(0x90 | (id >> 14 & 15), id >> 7 & 127, id & 127,
                                             static_cast<double>(now_ns) * 1e-9);
            arrivals.push_back(static_cast<double>(now_ns));
            collector.addMessageToQueue(message);
        }
        now_ns = static_cast<std::uint64_t>(begins + 0.5);
        buffer.clear();
        on_audio_thread = number >= settle;
        collector.removeNextBlockOfMessages(buffer, static_cast<int>(frames));
        on_audio_thread = false;
        collector_calls += number >= settle;
        unsigned last = 0;
        for (const auto item : buffer) {
            const auto *data = item.data;
            const unsigned low = (data[0] & 15u) << 14 | unsigned(data[1]) << 7 | data[2];
            // Numbers wrap at 2^18; the nearest one not after the last that was pushed is meant.
            const auto newest = static_cast<unsigned>(arrivals.size()) - 1;
            const unsigned id = newest - ((newest - low) & 0x3FFFFu);
            last = std::max(last, id);
            if (number >= settle && id < arrivals.size())
                placed_add(&by_juce, &t, due, static_cast<std::uint32_t>(item.samplePosition), arrivals[id]);
        }
    }
    std::printf("{\"frames\": %u, \"jitter_frames\": %.1f, ", frames, jitter * frames);
    placed_print("MidiMessageCollector", &by_juce);
    std::printf(", \"locks_per_block\": %.2f, \"allocations\": %lu}\n",
                double(locks) / double(collector_calls), allocations);
    (void)lost;
    return 0;
}
