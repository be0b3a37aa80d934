/* The servers on the network, as they come and go. */
#ifndef MIDISOCK_MONITOR_BROWSE_H
#define MIDISOCK_MONITOR_BROWSE_H

#include <stdint.h>

/* Prints a line for each change, or a JSON object, until the program is to stop, after
 * `count` lines (0: no limit) or after `timeout_ms` (-1: never). Returns the exit status. */
int browse(int json, uint32_t count, int32_t timeout_ms);

#endif
