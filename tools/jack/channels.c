#include "channels.h"

#include "../common/cli.h"

#include <string.h>

void channels_all(struct channels *channels)
{
    channels->mask = 0xffff;
    channels->system = 1;
}

/* "9" or "0-3" into the mask. */
static int parse_range(char *item, uint16_t *mask)
{
    char *dash = strchr(item, '-');
    long first, last, channel;
    if (dash != NULL)
        *dash = '\0';
    if (!cli_integer(item, 0, 15, &first) || !cli_integer(dash != NULL ? dash + 1 : item, first, 15, &last))
        return 0;
    for (channel = first; channel <= last; channel++)
        *mask = (uint16_t)(*mask | 1u << channel);
    return 1;
}

int channels_parse(const char *text, struct channels *channels)
{
    uint16_t mask = 0;
    int system = 1, only_system = 0;
    for (;;) {
        char item[16];
        size_t length = strcspn(text, ",");
        if (length == 0 || length >= sizeof item)
            return 0;
        memcpy(item, text, length);
        item[length] = '\0';
        if (strcmp(item, "no-system") == 0)
            system = 0;
        else if (strcmp(item, "system") == 0)
            only_system = 1;
        else if (!parse_range(item, &mask))
            return 0;
        if (text[length] == '\0')
            break;
        text += length + 1;
    }
    if (only_system && !system)
        return 0;
    channels->mask = mask != 0 || only_system ? mask : 0xffff;
    channels->system = system;
    return 1;
}

int channels_take(const struct channels *channels, uint8_t status)
{
    return status >= 0xf0 ? channels->system : channels->mask >> (status & 15u) & 1;
}
