#include "player.h"

#include "../common/duration.h"
#include "progress.h"

#include <stdio.h>

/* Messages are pushed this long before they are due. The library then sends them
 * in time even if this thread is late, and a stop is still prompt. */
#define AHEAD_NS UINT64_C(50000000)
/* A song that is later than this was held up by the peer. It goes on from there
 * rather than rush through what it has missed. */
#define LATE_NS UINT64_C(500000000)

struct playing {
    struct sender *sender;
    const struct smf_song *song;
    struct progress progress;
    uint64_t start_ns; /* when the song began */
    uint32_t speed;
};

static uint64_t due(const struct playing *playing, uint64_t song_ns)
{
    /* Division first: the product could overflow. */
    return playing->start_ns + song_ns / playing->speed * 100 + song_ns % playing->speed * 100 / playing->speed;
}

static void position_text(const struct playing *playing, uint64_t now, char *text, size_t capacity)
{
    char at[DURATION_TEXT], whole[DURATION_TEXT];
    uint64_t total = due(playing, playing->song->duration_ns) - playing->start_ns;
    uint64_t elapsed = now > playing->start_ns ? now - playing->start_ns : 0;
    duration_text(elapsed < total ? elapsed : total, at);
    duration_text(total, whole);
    snprintf(text, capacity, "%s / %s", at, whole);
}

/* Lets the time pass until `moment`. */
static int wait_until(struct playing *playing, uint64_t moment)
{
    uint64_t now;
    while ((now = midisock_now_ns()) < moment) {
        uint64_t left_ms = (moment - now) / 1000000 + 1;
        char text[2 * DURATION_TEXT + 4];
        position_text(playing, now, text, sizeof text);
        progress_draw(&playing->progress, now > playing->start_ns ? now - playing->start_ns : 0,
                      due(playing, playing->song->duration_ns) - playing->start_ns, text);
        if (sender_sleep(playing->sender, left_ms < 100 ? (uint32_t)left_ms : 100) != 0)
            return -1;
    }
    return 0;
}

static int play(struct playing *playing)
{
    const struct message_list *list = &playing->song->list;
    size_t i;
    for (i = 0; i < list->count; i++) {
        const struct list_event *event = &list->events[i];
        uint64_t moment = due(playing, event->time_ns), now;
        if (wait_until(playing, moment - AHEAD_NS) != 0)
            return -1;
        now = midisock_now_ns();
        if (now > moment + LATE_NS) {
            playing->start_ns += now - moment;
            moment = now;
        }
        if (sender_push(playing->sender, list->bytes + event->offset, event->size, moment) != 0)
            return -1;
    }
    return wait_until(playing, due(playing, playing->song->duration_ns));
}

static int play_song(struct sender *sender, const struct midi_file *file, const struct player_options *options)
{
    struct playing playing;
    char text[2 * DURATION_TEXT + 4];
    int result;
    playing.sender = sender;
    playing.song = &file->song;
    playing.speed = options->speed_percent;
    playing.start_ns = midisock_now_ns() + AHEAD_NS;
    progress_begin(&playing.progress, file->song.title[0] != '\0' ? file->song.title : file->path, !options->quiet);
    result = play(&playing);
    position_text(&playing, midisock_now_ns(), text, sizeof text);
    progress_end(&playing.progress, result == 0, text);
    return result;
}

static int send_messages(struct sender *sender, const struct midi_file *file, const struct player_options *options)
{
    const struct message_list *list = &file->dump;
    struct progress progress;
    char text[64] = "";
    size_t i, done = 0;
    int result = 0;
    progress_begin(&progress, file->path, !options->quiet);
    for (i = 0; i < list->count && result == 0; i++) {
        const struct list_event *event = &list->events[i];
        int pause = options->sysex_interval_ms > 0 && list->bytes[event->offset] == 0xf0 && i + 1 < list->count;
        result = sender_push(sender, list->bytes + event->offset, event->size, 0);
        done += event->size;
        if (result == 0 && pause)
            result = sender_drain(sender) != 0 || sender_sleep(sender, options->sysex_interval_ms) != 0 ? -1 : 0;
        snprintf(text, sizeof text, "%lu / %lu bytes", (unsigned long)done, (unsigned long)list->used);
        if (result == 0)
            progress_draw(&progress, done, list->used, text);
    }
    if (result == 0)
        result = sender_drain(sender);
    progress_end(&progress, result == 0, text);
    return result;
}

int player_send_file(struct sender *sender, const struct midi_file *file, const struct player_options *options)
{
    return file->is_song ? play_song(sender, file, options) : send_messages(sender, file, options);
}
