/* What the programs of this folder in C and C++ share: streams come in lines of hexadecimal bytes on standard input; for
 * each, the messages that the peer makes of it go to standard output, in a line, with " / " between them. */
#ifndef STREAMS_H
#define STREAMS_H

#include <stdio.h>
#include <stdlib.h>

enum { MOST_BYTES = 1024 };

/* Reads the next stream; its length, or -1 at the end. Ends the program if a line is too long. */
static inline int next_stream(unsigned char *bytes)
{
    int length = 0;
    unsigned int byte;
    int next;
    for (;;) {
        do
            next = getchar();
        while (next == ' ');
        if (next == EOF)
            return length > 0 ? length : -1;
        if (next == '\n')
            return length;
        ungetc(next, stdin);
        if (length == MOST_BYTES || scanf("%2x", &byte) != 1)
            exit(2);
        bytes[length++] = (unsigned char)byte;
    }
}

/* Prints a message of the current stream. */
static inline void print_message(const unsigned char *bytes, long length, int *printed)
{
    long at;
    if ((*printed)++ > 0)
        printf(" / ");
    for (at = 0; at < length; ++at)
        printf(at > 0 ? " %02x" : "%02x", (unsigned int)bytes[at]);
}

#endif
