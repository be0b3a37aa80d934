/* "1 byte", "2 bytes". */
#ifndef MIDISOCK_TOOLS_COUNT_H
#define MIDISOCK_TOOLS_COUNT_H

static inline const char *plural(unsigned long long count)
{
    return count == 1 ? "" : "s";
}

#endif
