/* midisock-send: sends MIDI messages, .syx files and MIDI files over TCP. */
#include "../common/address.h"
#include "../common/cli.h"
#include "../common/platform.h"
#include "input.h"
#include "player.h"
#include "sender.h"
#include "words.h"

#include <stdlib.h>

static const char help[] = "midisock-send - send MIDI messages and files over TCP\n"
                           "\n"
                           "Usage:\n"
                           "  midisock-send [OPTIONS] ADDRESS WHAT...            send to a server\n"
                           "  midisock-send [OPTIONS] --listen ADDRESS WHAT...   wait for a client first\n"
                           "\n"
                           "ADDRESS is HOST:PORT, HOST, PORT, [IPv6]:PORT or :PORT. The default port is\n"
                           "9080, the default host this machine alone. To listen on ':PORT' or '*:PORT' is\n"
                           "to listen on every interface. Port 0 takes a free one: the first line that is\n"
                           "printed has it, 'listening on HOST:PORT'. To connect, also @NAME, as\n"
                           "'midisock-monitor --browse' lists it.\n"
                           "\n"
                           "WHAT is any number of these, in the order in which they are sent, with commas\n"
                           "between them if you like:\n"
                           "  note-on CHANNEL NOTE [VELOCITY]      velocity 64 if it is left out\n"
                           "  note-off CHANNEL NOTE [VELOCITY]\n"
                           "  poly-pressure CHANNEL NOTE VALUE     also: polytouch\n"
                           "  cc CHANNEL CONTROLLER VALUE          also: control-change\n"
                           "  program CHANNEL PROGRAM              also: program-change\n"
                           "  pressure CHANNEL VALUE               also: aftertouch\n"
                           "  bend CHANNEL -8192..8191             also: pitch-bend\n"
                           "  sysex BYTE...                        hexadecimal, without F0 and F7\n"
                           "  song-position 0..16383               in sixteenth notes\n"
                           "  song-select SONG\n"
                           "  quarter-frame 0..7 0..15             also: time-code\n"
                           "  tune-request, clock, start, continue, stop, active-sensing, reset\n"
                           "  hex BYTE...                          whole messages: hex 90 3c 40 b0 07 64\n"
                           "  panic                                all sound off on every channel\n"
                           "  sleep MILLISECONDS                   wait before what follows\n"
                           "  FILE                                 a MIDI file, played in time, or a .syx\n"
                           "                                       file. Its name needs a '.' or a '/'\n"
                           "  -                                    words from standard input. Each line is\n"
                           "                                       sent when it is complete. '#' begins a\n"
                           "                                       comment. The lines that midisock-monitor\n"
                           "                                       prints are taken, too\n"
                           "Channels are 0 to 15 (as in mido), values 0 to 127, decimal or 0x hexadecimal.\n"
                           "A note is a number or a name: 60 is C4; F#3 and Bb2 are others.\n"
                           "\n"
                           "The command line and the files are read before anything is sent. A damaged file\n"
                           "is played as far as it is whole: a warning names each part that is left out,\n"
                           "and the byte where it begins. Nothing is lost: a peer that reads slowly is\n"
                           "waited for. What the peer sends is ignored. When the program ends, or is\n"
                           "stopped by Ctrl-C, the notes that it left on are released (but see --hold).\n"
                           "\n"
                           "Options:\n"
                           "  -l, --listen               be a server: wait for a client, send to all\n"
                           "  -c, --connect              connect to a server (default)\n"
                           "  -t, --timeout SECONDS      how long to wait for the server (default 5) or the\n"
                           "                             client (default: for ever)\n"
                           "  -r, --retry                try again until the timeout if the server refuses\n"
                           "  -a, --allow LIST           with --listen, clients that may connect: addresses\n"
                           "                             and ranges, such as '127.0.0.1,10.0.0.0/8'\n"
                           "      --advertise NAME       with --listen, others can find it by this name\n"
                           "      --speed PERCENT        play MIDI files slower or faster (default 100)\n"
                           "      --sysex-interval MS    pause after every SysEx of a .syx file, for devices\n"
                           "                             that need it\n"
                           "      --hold                 leave the notes on at the end (a receiver may still\n"
                           "                             release them when the connection ends)\n"
                           "  -q, --quiet                no progress bar on a terminal; warnings are printed\n"
                           "                             all the same\n"
                           "  -h, --help                 this text\n"
                           "  -V, --version              the version\n"
                           "\n"
                           "Exit status: 0 all sent; 1 an error, or the connection was refused or lost; 2 a\n"
                           "mistake on the command line; 3 no connection within --timeout; 130 stopped by\n"
                           "Ctrl-C (128 and the signal's number).\n"
                           "\n"
                           "Examples:\n"
                           "  midisock-send localhost:9080 note-on 0 C4 100 sleep 500 note-off 0 C4\n"
                           "  midisock-send localhost:9080 program 0 19, bend 0 -2048, song.mid\n"
                           "  midisock-send synth.local:9080 --sysex-interval 50 bank.syx\n"
                           "  midisock-send --listen :9080 song.mid\n";

struct work {
    struct sender sender;
    struct script script;
    struct midi_file *files; /* one for each action, used where it is a file */
    struct player_options player;
};

static int run_input(struct work *work);

/* Returns as sender_push does. `files` may be NULL where none is in the script. */
static int run_script(struct work *work, const struct script *script, const struct midi_file *files)
{
    size_t i;
    int result = 0;
    for (i = 0; i < script->count && result == 0; i++) {
        const struct action *action = &script->actions[i];
        switch (action->kind) {
        case ACTION_MESSAGE:
            result = sender_push(&work->sender, script->bytes + action->offset, action->size, 0);
            break;
        case ACTION_PANIC: result = sender_panic(&work->sender); break;
        case ACTION_SLEEP:
            result = sender_sleep(&work->sender, action->sleep_ms);
            break;
        case ACTION_FILE: result = player_send_file(&work->sender, &files[i], &work->player); break;
        case ACTION_INPUT: result = run_input(work); break;
        }
    }
    return result;
}

static int has_files(const struct script *script)
{
    size_t i;
    for (i = 0; i < script->count; i++)
        if (script->actions[i].kind == ACTION_FILE || script->actions[i].kind == ACTION_INPUT)
            return 1;
    return 0;
}

static int check_sender(void *sender)
{
    return sender_check(sender);
}

/* One line: 0, 1 where it is wrong, which has been reported, or -1. */
static int run_line(struct work *work, struct script *script, unsigned long number, char **words, size_t count)
{
    script_clear(script);
    if (words_add(script, words, count) != 0)
        cli_message("line %lu: %s", number, script->error);
    else if (has_files(script))
        cli_message("line %lu: files can be named on the command line only", number);
    else
        return run_script(work, script, NULL);
    return 1;
}

/* A mistake ends it, but not on a terminal: the user may type the line again. */
static int run_input(struct work *work)
{
    int typed = platform_terminal_columns(PLATFORM_INPUT) > 0, result = 0;
    struct input input = {0};
    struct script script;
    script_init(&script);
    input.idle = check_sender;
    input.context = &work->sender;
    while (result == 0) {
        char **words;
        size_t count;
        enum input_result got = input_next(&input, &words, &count);
        if (got == INPUT_END)
            break;
        if (got == INPUT_LINE)
            result = run_line(work, &script, input.number, words, count);
        else if (got == INPUT_FAILED)
            cli_message("cannot read standard input: %s", input.error);
        else if (got == INPUT_BAD_LINE)
            cli_message("line %lu: %s", input.number, input.error);
        if (got == INPUT_BAD_LINE || result > 0)
            result = typed ? 0 : -1;
        if (got == INPUT_FAILED || got == INPUT_STOPPED)
            result = -1;
    }
    script_free(&script);
    input_free(&input);
    return result;
}

/* Reads the files; the longest message of all, or 0 where one is not in order. */
static size_t load_files(struct work *work)
{
    size_t i, longest = 1;
    work->files = calloc(work->script.count > 0 ? work->script.count : 1, sizeof *work->files);
    if (work->files == NULL) {
        cli_message("out of memory");
        return 0;
    }
    for (i = 0; i < work->script.count; i++) {
        const struct action *action = &work->script.actions[i];
        size_t size = action->size;
        if (action->kind == ACTION_FILE) {
            if (midi_file_load(&work->files[i], action->path) != 0)
                return 0;
            size = work->files[i].longest;
        }
        if (size > longest)
            longest = size;
    }
    return longest;
}

static int run(struct work *work, const midisock_config *config, int32_t timeout_ms, int retry, int hold)
{
    int result = sender_open(&work->sender, config, timeout_ms, retry);
    if (result == 0) {
        result = run_script(work, &work->script, work->files);
        if (result == 0)
            result = sender_drain(&work->sender);
        if (!hold)
            sender_release(&work->sender);
        if (result == 0)
            result = sender_settle(&work->sender);
    }
    sender_close(&work->sender);
    if (platform_stopped())
        return 128 + platform_stopped();
    return result == 0 ? EXIT_DONE : work->sender.timed_out ? EXIT_TIMED_OUT : EXIT_FAILED;
}

int main(int argc, char **argv)
{
    struct work work = {0};
    midisock_config config;
    int retry = 0, hold = 0, count, status = EXIT_FAILED;
    int32_t timeout_ms = -1;
    const char *allow = NULL, *name = NULL;
    size_t longest, i;
    const struct cli_option options[] = {
        {'l', "listen", CLI_FLAG, &work.sender.listening, 1, 0},
        {'c', "connect", CLI_FLAG, &work.sender.listening, 0, 0},
        {'t', "timeout", CLI_SECONDS, &timeout_ms, 1, 0},
        {'r', "retry", CLI_FLAG, &retry, 1, 0},
        {'a', "allow", CLI_TEXT, &allow, 0, 0},
        {0, "advertise", CLI_TEXT, &name, 0, 0},
        {0, "speed", CLI_NUMBER, &work.player.speed_percent, 1, 10000},
        {0, "sysex-interval", CLI_NUMBER, &work.player.sysex_interval_ms, 0, 60000},
        {0, "hold", CLI_FLAG, &hold, 1, 0},
        {'q', "quiet", CLI_FLAG, &work.player.quiet, 1, 0},
    };
    const struct cli_program program = {"midisock-send", help, options, (int)(sizeof options / sizeof options[0])};

    work.player.speed_percent = 100;
    count = cli_parse(&program, argc, argv);
    if (count < 1)
        cli_usage_error("an address and what to send are needed");
    address_parse(argv[1], work.sender.listening, &work.sender.address);
    if (count < 2)
        cli_usage_error("what is to be sent to %s?", argv[1]);
    script_init(&work.script);
    if (words_add(&work.script, argv + 2, (size_t)count - 1) != 0)
        cli_usage_error("%s", work.script.error);
    if (work.script.count == 0)
        cli_usage_error("nothing but commas: what is to be sent to %s?", argv[1]);
    if (timeout_ms < 0 && !work.sender.listening)
        timeout_ms = 5000;

    midisock_config_init(&config, sizeof config);
    config.traffic_class = LIVE_TRAFFIC_CLASS;
    config_allow_clients(&config, allow);
    config_advertise(&config, name, &work.sender.address);
    config.release_on_close = hold ? 0 : 1;
    config.wake = MIDISOCK_WAKE_SIGNAL;
    platform_catch_stop();
    longest = load_files(&work);
    if (longest > 0) {
        if (config_allow_message(&config, longest))
            status = run(&work, &config, timeout_ms, retry, hold);
        else
            cli_message("a SysEx of %lu bytes is too long", (unsigned long)longest);
    }
    for (i = 0; work.files != NULL && i < work.script.count; i++)
        midi_file_free(&work.files[i]);
    free(work.files);
    script_free(&work.script);
    return status;
}
