/* A time as people read it. */
#ifndef MIDISOCK_TOOLS_DURATION_H
#define MIDISOCK_TOOLS_DURATION_H

#include <stdint.h>

/* "1:02:03" or "0:12". */
#define DURATION_TEXT 32
void duration_text(uint64_t ns, char text[DURATION_TEXT]);

#endif
