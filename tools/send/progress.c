#include "progress.h"

#include "../common/platform.h"
#include "../common/text.h"

#include <midisock/midisock.h>

#include <stdio.h>
#include <string.h>

#define REDRAW_NS 100000000u

void progress_begin(struct progress *progress, const char *label, int wanted)
{
    memset(progress, 0, sizeof *progress);
    text_printable(label, strlen(label), progress->label, sizeof progress->label);
    progress->shown = wanted && platform_terminal_columns(PLATFORM_ERROR) > 0;
}

static void draw(struct progress *progress, uint64_t done, uint64_t total, const char *right)
{
    char line[1024];
    int columns = platform_terminal_columns(PLATFORM_ERROR), used, bar, filled, i;
    int size = (int)text_fit(progress->label, columns / 3, &used);
    if (columns > 400)
        columns = 400;
    bar = columns - used - (int)strlen(right) - 6;
    size = snprintf(line, sizeof line, "\r%.*s", size, progress->label);
    if (bar >= 10) {
        double fraction = total == 0 ? 1.0 : (double)done / (double)total;
        filled = (int)((double)bar * (fraction > 1.0 ? 1.0 : fraction));
        size += snprintf(line + size, sizeof line - (size_t)size, " [");
        for (i = 0; i < bar; i++)
            line[size++] = i < filled ? '=' : i == filled ? '>' : ' ';
        line[size++] = ']';
    }
    size += snprintf(line + size, sizeof line - (size_t)size, " %s ", right);
    platform_write(PLATFORM_ERROR, line, (size_t)size);
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
        platform_write(PLATFORM_ERROR, "\n", 1);
    progress->drawn = 0;
}
