#include "duration.h"

#include <stdio.h>

void duration_text(uint64_t ns, char text[DURATION_TEXT])
{
    unsigned long seconds = (unsigned long)(ns / 1000000000u);
    if (seconds >= 3600)
        snprintf(text, DURATION_TEXT, "%lu:%02lu:%02lu", seconds / 3600, seconds / 60 % 60, seconds % 60);
    else
        snprintf(text, DURATION_TEXT, "%lu:%02lu", seconds / 60, seconds % 60);
}
