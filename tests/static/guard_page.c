/*
 * A host that links the static library, and has pages in its image that must
 * not be read: guard pages around a stack of its own, for example. The library
 * touches its own pages before its first port, and none of the host's.
 */
#include <midisock/midisock.h>

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#define PAGE 4096

static struct {
    char before[PAGE], guard[PAGE], after[PAGE];
} zeroed __attribute__((aligned(PAGE))), filled __attribute__((aligned(PAGE))) = {{1}, {2}, {3}};

static const struct {
    char before[PAGE], guard[PAGE], after[PAGE];
} constant __attribute__((aligned(PAGE))) = {{1}, {2}, {3}};

int main(void)
{
    static const uint8_t note[] = {0x90, 60, 100};
    midisock_port *a, *b, *server;
    midisock_message message;
    if (mprotect(zeroed.guard, PAGE, PROT_NONE) != 0 ||
        mprotect(filled.guard, PAGE, PROT_NONE) != 0 ||
        mprotect((void *)constant.guard, PAGE, PROT_NONE) != 0) {
        perror("mprotect");
        return 1;
    }
    if (midisock_listen("127.0.0.1", 0, NULL, &server) != MIDISOCK_OK ||
        midisock_pair(NULL, &a, &b) != MIDISOCK_OK ||
        midisock_push(a, note, sizeof note) != MIDISOCK_OK ||
        midisock_pop(b, &message) != MIDISOCK_OK || message.size != sizeof note) {
        fprintf(stderr, "the ports do not work\n");
        return 1;
    }
    midisock_close(a);
    midisock_close(b);
    midisock_close(server);
    puts("the host's pages were left alone");
    return 0;
}
