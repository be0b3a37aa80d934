#include "warnings.h"

#include "../common/cli.h"
#include "../common/count.h"

#include <stdarg.h>
#include <stdio.h>

void warn(struct warnings *warnings, const char *format, ...)
{
    char text[256];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (warnings->take != NULL)
        warnings->take(warnings->context, text);
    else if (warnings->count < WARNINGS_SHOWN)
        cli_message("'%s': %s", warnings->path, text);
    warnings->count++;
}

void warnings_end(struct warnings *warnings)
{
    unsigned long more = warnings->count > WARNINGS_SHOWN ? warnings->count - WARNINGS_SHOWN : 0;
    if (more > 0 && warnings->take == NULL)
        cli_message("'%s': %lu more warning%s", warnings->path, more, plural(more));
}
