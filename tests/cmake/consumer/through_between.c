#include <midisock/midisock.h>
#include <stdio.h>

const char *between_version(void);

int main(void)
{
    midisock_port *a, *b;
    if (midisock_pair(NULL, &a, &b) != MIDISOCK_OK)
        return 1;
    midisock_close(a);
    midisock_close(b);
    return puts(between_version()) < 0;
}
