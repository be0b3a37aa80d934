/* The frames at which messages are placed on a simulated device: by pop_block, and at offset 0 of the next block.
 *
 *   placement [--kind none|uniform|exponential|FILE] [--frames N] [--jitter-percent N] [--drift-ppm N] [--blocks N]
 *             [--settle N] [--network FILE] [--tells position|device-time] [--lose N] [--assert]
 *
 * Errors are in frames from the time of arrival. --tells: what the host says beside the time of the callback. --lose: so
 * many frames drop out every 50 blocks; what arrived in a dropout is late, and the block after it does not count.
 * --assert: fails unless the goals are met. */
#define _POSIX_C_SOURCE 200809L
#include "bench.h"
#include "trace.h"

int main(int argc, char **argv)
{
    uint32_t frames = (uint32_t)option_number(argc, argv, "--frames", 128);
    double jitter = (double)option_number(argc, argv, "--jitter-percent", 50) / 100.0;
    double drift = (double)option_number(argc, argv, "--drift-ppm", 0) * 1e-6;
    uint64_t blocks = option_number(argc, argv, "--blocks", 60000), number;
    uint64_t settle = option_number(argc, argv, "--settle", 8000);
    const char *tells = option(argc, argv, "--tells", "");
    uint32_t lose = (uint32_t)option_number(argc, argv, "--lose", 0);
    int must_hold = option_number(argc, argv, "--assert", 0) != 0;
    placed smooth = {0.0, 0.0, 0.0, 0.0, 0}, raw = smooth;
    midisock_port *from, *to;
    midisock_message message;
    midisock_stats stats;
    trace t;

    trace_open(&t, option(argc, argv, "--kind", "uniform"), frames, jitter, drift);
    if (strcmp(option(argc, argv, "--network", ""), "") != 0)
        trace_network(&t, option(argc, argv, "--network", ""));
    must(midisock_pair(NULL, &from, &to), "pair");
    for (number = 0; number < blocks; number++) {
        midisock_block block = MIDISOCK_BLOCK_INIT;
        int after_dropout = lose != 0 && number % 50 == 49, counts = number >= settle && !after_dropout;
        double due, begins, arrival;
        midisock_result result;
        if (after_dropout)
            trace_drop_out(&t, lose);
        block.position = t.position;
        begins = trace_block(&t, &due);
        while ((arrival = trace_arrival(&t, begins)) > 0.0) {
            memset(&message, 0, sizeof message);
            message.time_ns = (uint64_t)(arrival + 0.5);
            message.data = (const uint8_t *)"\xf6";
            message.size = 1;
            must(midisock_push_message(from, &message), "push");
            if (counts)
                placed_add(&raw, &t, due, 0, arrival);
        }
        block.start_ns = (uint64_t)(begins + 0.5);
        block.sample_rate = 48000.0;
        block.frames = frames;
        if (strcmp(tells, "position") == 0) {
            block.flags = MIDISOCK_BLOCK_HAS_POSITION;
        } else if (strcmp(tells, "device-time") == 0) {
            block.flags = MIDISOCK_BLOCK_DEVICE_TIME;
            block.start_ns = (uint64_t)(due + 0.5);
        }
        must(midisock_begin_block(to, &block), "begin_block");
        while ((result = midisock_pop_block(to, &message)) == MIDISOCK_OK)
            if (counts)
                placed_add(&smooth, &t, due, message.frame, (double)message.time_ns);
        if (result != MIDISOCK_EMPTY)
            fail("pop_block: %s", midisock_strerror(result));
    }
    must(midisock_get_stats(to, &stats, sizeof stats), "get_stats");
    printf("{\"frames\": %u, \"jitter_frames\": %.1f, \"latency_frames\": %.2f, ", (unsigned)frames,
           jitter * frames, (double)stats.latency_ns * 48000.0 / 1e9);
    placed_print("pop_block", &smooth);
    printf(", ");
    placed_print("offset 0", &raw);
    printf("}\n");
    if (strcmp(t.kind, "exponential") == 0)
        jitter = 0.9; /* that is the most it is; what was given is the mean */
    if (must_hold && placed_deviation(&smooth) >= 1.0 + 0.01 * jitter * frames)
        fail("standard deviation %.3f frames", placed_deviation(&smooth));
    if (must_hold && placed_deviation(&smooth) * 10.0 > placed_deviation(&raw))
        fail("not ten times better than offset 0");
    midisock_close(from);
    midisock_close(to);
    return 0;
}
