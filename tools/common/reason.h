/* Why a connection failed or ended, in words. */
#ifndef MIDISOCK_TOOLS_REASON_H
#define MIDISOCK_TOOLS_REASON_H

#include <midisock/midisock.h>

/* The reason of a notification; NULL where there is none. */
const char *reason_text(const midisock_notification *notification);

/* The same, and never NULL: a peer that ends a connection in good order has closed it. */
const char *reason_of_end(const midisock_notification *notification);

#endif
