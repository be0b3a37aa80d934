/*
 * How a plugin's MIDI is tested without a network, an audio device or a clock: on a pair of ports, with every time given.
 * What it prints is the same in every run, on every machine.
 *
 * The plugin under test is an octaver: each message that comes in a block goes out again at its frame, notes an octave
 * higher. The test is its host and its peer at once.
 */
#include <midisock/midisock.h>
#include <stdio.h>
#include <string.h>

#define RATE 48000.0
#define FRAMES 480 /* 10 ms */
#define MS UINT64_C(1000000)

/* The plugin's audio callback. */
static midisock_result process(midisock_port *port, uint64_t start_ns, uint32_t frames)
{
    midisock_block block = MIDISOCK_BLOCK_INIT;
    midisock_message message;
    midisock_result result;
    block.sample_rate = RATE;
    block.start_ns = start_ns; /* a plugin gives midisock_now_ns() */
    block.frames = frames;
    result = midisock_begin_block(port, &block);
    while (result == MIDISOCK_OK && (result = midisock_pop_block(port, &message)) == MIDISOCK_OK) {
        uint8_t data[3];
        if (message.size != sizeof data)
            continue;
        memcpy(data, message.data, sizeof data);
        if (data[0] < 0xa0)
            data[1] = (uint8_t)(data[1] + 12);
        result = midisock_push_frame(port, message.frame, data, sizeof data);
    }
    return result == MIDISOCK_EMPTY ? MIDISOCK_OK : result;
}

/* What the peer plays, in ms, and when the plugin must answer it: one block later, which is the delay that keeps the
 * spacing (midisock_config.latency_ns). */
static const struct {
    uint64_t at_ms;
    uint8_t in[3];
    uint8_t out[3];
} song[] = {
    {1003, {0x90, 60, 100}, {0x90, 72, 100}},
    {1007, {0x90, 64, 100}, {0x90, 76, 100}},
    {1012, {0x80, 60, 0}, {0x80, 72, 0}},
    {1049, {0xb0, 7, 90}, {0xb0, 7, 90}},
};
#define NOTES (sizeof song / sizeof song[0])

int main(void)
{
    midisock_port *plugin = NULL, *peer = NULL;
    midisock_message message;
    size_t sent = 0, came = 0;
    uint64_t now_ms;
    int failed = 0;
    midisock_result result = midisock_pair(NULL, &plugin, &peer);
    for (now_ms = 1000; result == MIDISOCK_OK && now_ms < 1100; now_ms += 10) {
        /* What has been played when this block begins. */
        for (; sent < NOTES && song[sent].at_ms < now_ms && result == MIDISOCK_OK; sent++) {
            memset(&message, 0, sizeof message);
            message.time_ns = song[sent].at_ms * MS;
            message.data = song[sent].in;
            message.size = sizeof song[sent].in;
            result = midisock_push_message(peer, &message);
        }
        if (result == MIDISOCK_OK)
            result = process(plugin, now_ms * MS, FRAMES);
        while (result == MIDISOCK_OK && midisock_pop(peer, &message) == MIDISOCK_OK) {
            int as_expected = came < NOTES && message.size == 3 && memcmp(message.data, song[came].out, 3) == 0 &&
                              message.time_ns == (song[came].at_ms + 10) * MS;
            printf("%s at %llu ms: %02x %02x %02x\n", as_expected ? "ok" : "WRONG",
                   (unsigned long long)(message.time_ns / MS), message.data[0], message.data[1], message.data[2]);
            failed |= !as_expected;
            came++;
        }
    }
    if (result != MIDISOCK_OK)
        fprintf(stderr, "%s\n", midisock_strerror(result));
    midisock_close(plugin);
    midisock_close(peer);
    return result != MIDISOCK_OK || failed || came != NOTES;
}
