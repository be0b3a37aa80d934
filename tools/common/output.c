#include "output.h"

#include "cli.h"
#include "platform.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static char buffer[16384];
static size_t used;
static int failure; /* the system's error number */
static int reported;

int output_flush(void)
{
    if (failure == 0 && used > 0)
        failure = platform_write(PLATFORM_OUTPUT, buffer, used);
    used = 0;
    return failure == 0 ? 0 : -1;
}

void output_write(const char *data, size_t size)
{
    while (size > 0) {
        size_t part = sizeof buffer - used < size ? sizeof buffer - used : size;
        memcpy(buffer + used, data, part);
        used += part;
        data += part;
        size -= part;
        if (used == sizeof buffer)
            output_flush();
    }
}

void output_text(const char *text)
{
    output_write(text, strlen(text));
}

void output_printf(const char *format, ...)
{
    char text[1024];
    va_list arguments;
    int size;
    va_start(arguments, format);
    size = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (size > 0)
        output_write(text, (size_t)size < sizeof text ? (size_t)size : sizeof text - 1);
}

int output_check(void)
{
    if (output_flush() == 0)
        return 0;
    if (!reported && !platform_stopped())
        cli_message("cannot write to standard output: %s", strerror(failure));
    reported = 1;
    return -1;
}
