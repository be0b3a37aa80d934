/*
 * A JACK client that records what comes into its MIDI ports, with the frame, and
 * plays what it is told to: what the tests see JACK through.
 *
 *   probe NAME INPUT...
 *
 * It has the named inputs and an output `out`. It prints `ready RATE PERIOD`,
 * then a line for each event: `event INPUT CYCLE OFFSET PERIOD HEX`, where CYCLE
 * is the frame its cycle began at. It reads commands by the line:
 *
 *   send OFFSET HEX...   plays messages in the next cycle that has room, at that
 *                        offset; those of one line are in the same cycle, and
 *                        together of no more bytes than a buffer of JACK's holds
 *   freewheel 0|1
 *
 * and answers each with `done`. When the JACK server goes, it prints `gone` and
 * ends; so it does, without that, at the end of its input.
 */
#define _POSIX_C_SOURCE 200809L
#include <jack/jack.h>
#include <jack/midiport.h>
#include <jack/ringbuffer.h>

#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { INPUTS = 8, RING_BYTES = 1 << 22, LINE_BYTES = 1 << 20 };

/* In both rings, followed by `size` bytes. */
typedef struct record {
    jack_nframes_t cycle;
    jack_nframes_t offset;
    jack_nframes_t period;
    uint32_t input;
    uint32_t size;
    uint32_t last; /* to be played: no more of the same cycle follow */
} record;

static jack_client_t *client;
static jack_port_t *inputs[INPUTS];
static const char *names[INPUTS];
static uint32_t input_count;
static jack_port_t *output;
static jack_ringbuffer_t *heard, *to_play;
static int gone, overrun;
static uint32_t lines; /* to be played, and whole in the ring */

static void die(const char *why)
{
    fprintf(stderr, "probe: %s\n", why);
    exit(1);
}

static void hear(uint32_t input, jack_nframes_t period)
{
    void *buffer = jack_port_get_buffer(inputs[input], period);
    uint32_t count = jack_midi_get_event_count(buffer);
    for (uint32_t i = 0; i < count; i++) {
        jack_midi_event_t event;
        if (jack_midi_event_get(&event, buffer, i) != 0)
            continue;
        record r = {jack_last_frame_time(client), event.time, period, input, (uint32_t)event.size, 0};
        if (jack_ringbuffer_write_space(heard) < sizeof r + event.size) {
            __atomic_store_n(&overrun, 1, __ATOMIC_RELEASE);
            return;
        }
        /* Both parts are there before the reader looks for the second. */
        jack_ringbuffer_write(heard, (const char *)&r, sizeof r);
        jack_ringbuffer_write(heard, (const char *)event.buffer, event.size);
    }
}

/* One line of messages a cycle. */
static void play(jack_nframes_t period)
{
    static uint32_t played;
    void *buffer = jack_port_get_buffer(output, period);
    record r;
    jack_midi_clear_buffer(buffer);
    if (played == __atomic_load_n(&lines, __ATOMIC_ACQUIRE))
        return;
    played++;
    do {
        jack_ringbuffer_read(to_play, (char *)&r, sizeof r);
        jack_midi_data_t *data = jack_midi_event_reserve(buffer, r.offset < period ? r.offset : period - 1, r.size);
        if (data != NULL)
            jack_ringbuffer_read(to_play, (char *)data, r.size);
        else {
            jack_ringbuffer_read_advance(to_play, r.size);
            __atomic_store_n(&overrun, 1, __ATOMIC_RELEASE);
        }
    } while (!r.last);
}

static int process(jack_nframes_t period, void *unused)
{
    (void)unused;
    for (uint32_t i = 0; i < input_count; i++)
        hear(i, period);
    play(period);
    return 0;
}

static void on_shutdown(void *unused)
{
    (void)unused;
    __atomic_store_n(&gone, 1, __ATOMIC_RELEASE);
}

static void ignore(const char *text)
{
    (void)text;
}

static void print_heard(void)
{
    static uint8_t data[1 << 16];
    record r;
    while (jack_ringbuffer_read_space(heard) >= sizeof r) {
        jack_ringbuffer_read(heard, (char *)&r, sizeof r);
        while (jack_ringbuffer_read_space(heard) < r.size)
            ;
        if (r.size > sizeof data)
            die("a message is too large");
        jack_ringbuffer_read(heard, (char *)data, r.size);
        printf("event %s %u %u %u ", names[r.input], r.cycle, r.offset, r.period);
        for (uint32_t i = 0; i < r.size; i++)
            printf("%02x", data[i]);
        putchar('\n');
    }
    fflush(stdout);
    if (__atomic_load_n(&overrun, __ATOMIC_ACQUIRE))
        die("a buffer was full");
}

/* The ring gets a whole line at once, so that it is played in one cycle. */
static void send_line(char *line)
{
    static uint8_t group[LINE_BYTES];
    size_t size = 0, last = 0;
    record r = {0};
    char *end;
    r.offset = (jack_nframes_t)strtoul(line, &end, 10);
    for (char *word = strtok(end, " "); word != NULL; word = strtok(NULL, " ")) {
        r.size = (uint32_t)(strlen(word) / 2);
        if (size + sizeof r + r.size > sizeof group)
            die("a line is too long");
        last = size;
        memcpy(group + size, &r, sizeof r);
        size += sizeof r;
        for (uint32_t i = 0; i < r.size; i++) {
            char byte[3] = {word[2 * i], word[2 * i + 1], '\0'};
            group[size++] = (uint8_t)strtoul(byte, NULL, 16);
        }
    }
    if (size == 0 || jack_ringbuffer_write_space(to_play) < size)
        die("nothing or too much to play");
    r.last = 1;
    memcpy(group + last, &r, sizeof r);
    jack_ringbuffer_write(to_play, (const char *)group, size);
    __atomic_fetch_add(&lines, 1, __ATOMIC_RELEASE);
}

static void obey(char *line)
{
    if (strncmp(line, "send ", 5) == 0)
        send_line(line + 5);
    else if (strncmp(line, "freewheel ", 10) == 0)
        jack_set_freewheel(client, line[10] == '1');
    else
        die("what?");
    puts("done");
}

/* Whether there was one. */
static int read_commands(void)
{
    static char input[2 * LINE_BYTES];
    static size_t have;
    struct pollfd descriptor = {STDIN_FILENO, POLLIN, 0};
    char *end;
    if (poll(&descriptor, 1, 2) <= 0)
        return 1;
    ssize_t got = read(STDIN_FILENO, input + have, sizeof input - 1 - have);
    if (got <= 0)
        return 0;
    have += (size_t)got;
    input[have] = '\0';
    while ((end = strchr(input, '\n')) != NULL) {
        *end = '\0';
        obey(input);
        have -= (size_t)(end + 1 - input);
        memmove(input, end + 1, have + 1);
    }
    return 1;
}

int main(int argc, char **argv)
{
    if (argc < 2 || argc > 2 + INPUTS)
        die("usage: probe NAME INPUT...");
    jack_set_error_function(ignore);
    jack_set_info_function(ignore);
    client = jack_client_open(argv[1], JackNoStartServer | JackUseExactName, NULL);
    heard = jack_ringbuffer_create(RING_BYTES);
    to_play = jack_ringbuffer_create(RING_BYTES);
    if (client == NULL || heard == NULL || to_play == NULL)
        die("no JACK server");
    for (int i = 2; i < argc; i++) {
        names[input_count] = argv[i];
        inputs[input_count] = jack_port_register(client, argv[i], JACK_DEFAULT_MIDI_TYPE, JackPortIsInput, 0);
        if (inputs[input_count++] == NULL)
            die("no port");
    }
    output = jack_port_register(client, "out", JACK_DEFAULT_MIDI_TYPE, JackPortIsOutput, 0);
    jack_on_shutdown(client, on_shutdown, NULL);
    if (output == NULL || jack_set_process_callback(client, process, NULL) != 0 || jack_activate(client) != 0)
        die("no client");
    printf("ready %u %u\n", jack_get_sample_rate(client), jack_get_buffer_size(client));
    fflush(stdout);
    while (read_commands()) {
        print_heard();
        if (__atomic_load_n(&gone, __ATOMIC_ACQUIRE)) {
            puts("gone");
            fflush(stdout);
            break;
        }
    }
    jack_client_close(client);
    print_heard();
    return 0;
}
