#include <midisock/midisock.h>

const char *between_version(void);
const char *between_version(void)
{
    return midisock_version_string();
}
