#include "reason.h"

#include "platform.h"

#include <errno.h>
#include <string.h>

const char *reason_text(const midisock_notification *notification)
{
    int error = platform_errno((int)notification->os_error);
    if (notification->reason == MIDISOCK_OK)
        return NULL;
    /* The library has one result for all other errors of the system. */
    if (notification->reason != MIDISOCK_ERR_IO || error == 0)
        return midisock_strerror(notification->reason);
    switch (error) {
    case ECONNRESET: return "reset by the peer";
    case EPIPE: return "closed by the peer";
    case EINVAL: return "this address cannot be used (a link-local one needs its interface: fe80::1%eth0)";
    default: return strerror(error);
    }
}

const char *reason_of_end(const midisock_notification *notification)
{
    const char *text = reason_text(notification);
    return text != NULL ? text : "closed by the peer";
}
