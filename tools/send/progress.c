#include "progress.h"

#include "../common/platform.h"

#include <midisock/midisock.h>

#include <stdio.h>
#include <string.h>

#define REDRAW_NS 100000000u

void progress_begin(struct progress *progress, const char *label, int wanted)
{
    memset(progress, 0, sizeof *progress);
    progress->label = label;
    progress->shown = wanted && platform_terminal_columns(stderr) > 0;
}

static void draw(struct progress *progress, uint64_t done, uint64_t total, const char *right)
{
    int columns = platform_terminal_columns(stderr);
    int label = (int)strlen(progress->label), bar, filled, i;
    if (label > columns / 3)
        label = columns / 3;
    bar = columns - label - (int)strlen(right) - 6;
    fprintf(stderr, "\r%.*s", label, progress->label);
    if (bar >= 10) {
        double fraction = total == 0 ? 1.0 : (double)done / (double)total;
        filled = (int)((double)bar * (fraction > 1.0 ? 1.0 : fraction));
        fputs(" [", stderr);
        for (i = 0; i < bar; i++)
            putc(i < filled ? '=' : i == filled ? '>' : ' ', stderr);
        putc(']', stderr);
    }
    fprintf(stderr, " %s ", right);
    fflush(stderr);
    progress->drawn = 1;
    progress->last_draw = midisock_now_ns();
}

void progress_draw(struct progress *progress, uint64_t done, uint64_t total, const char *right)
{
    if (progress->shown && (!progress->drawn || midisock_now_ns() - progress->last_draw >= REDRAW_NS))
        draw(progress, done, total, right);
}

void progress_end(struct progress *progress, int complete, const char *right)
{
    if (progress->shown && complete)
        draw(progress, 1, 1, right);
    if (progress->drawn)
        putc('\n', stderr);
    progress->drawn = 0;
}

void duration_text(uint64_t ns, char text[DURATION_TEXT])
{
    unsigned long seconds = (unsigned long)(ns / 1000000000u);
    if (seconds >= 3600)
        snprintf(text, DURATION_TEXT, "%lu:%02lu:%02lu", seconds / 3600, seconds / 60 % 60, seconds % 60);
    else
        snprintf(text, DURATION_TEXT, "%lu:%02lu", seconds / 60, seconds % 60);
}
