/* What Microsoft's headers define inline, and MinGW's leave to a library: see runtime.c. */
#include <stdarg.h>
#include <stddef.h>

enum { AS_C99_HAS_IT = 2, AS_IT_IS = 0, STDOUT = 1 };

typedef unsigned long long options;

void *__acrt_iob_func(unsigned number);
int __stdio_common_vfprintf(options with, void *file, const char *format, void *locale, va_list arguments);
int __stdio_common_vsprintf(options with, char *text, size_t size, const char *format, void *locale, va_list arguments);
int __stdio_common_vsscanf(options with, const char *text, size_t size, const char *format, void *locale, va_list arguments);

/* From oldnames.lib: the name that Unix has for it. */
#pragma comment(linker, "/alternatename:write=_write")

const unsigned char in6addr_loopback[16] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};

int fprintf(void *file, const char *format, ...)
{
    va_list arguments;
    int count;
    va_start(arguments, format);
    count = __stdio_common_vfprintf(AS_C99_HAS_IT, file, format, NULL, arguments);
    va_end(arguments);
    return count;
}

int printf(const char *format, ...)
{
    va_list arguments;
    int count;
    va_start(arguments, format);
    count = __stdio_common_vfprintf(AS_C99_HAS_IT, __acrt_iob_func(STDOUT), format, NULL, arguments);
    va_end(arguments);
    return count;
}

int vsnprintf(char *text, size_t size, const char *format, va_list arguments)
{
    return __stdio_common_vsprintf(AS_C99_HAS_IT, text, size, format, NULL, arguments);
}

int snprintf(char *text, size_t size, const char *format, ...)
{
    va_list arguments;
    int count;
    va_start(arguments, format);
    count = vsnprintf(text, size, format, arguments);
    va_end(arguments);
    return count;
}

int sprintf(char *text, const char *format, ...)
{
    va_list arguments;
    int count;
    va_start(arguments, format);
    count = vsnprintf(text, (size_t)-1, format, arguments);
    va_end(arguments);
    return count;
}

int sscanf(const char *text, const char *format, ...)
{
    va_list arguments;
    int count;
    va_start(arguments, format);
    count = __stdio_common_vsscanf(AS_IT_IS, text, (size_t)-1, format, NULL, arguments);
    va_end(arguments);
    return count;
}
