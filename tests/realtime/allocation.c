#define _POSIX_C_SOURCE 200809L
#include "allocation.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *memory, size_t size);
void *__libc_memalign(size_t alignment, size_t size);
void __libc_free(void *memory);
void *memalign(size_t alignment, size_t size);
void *aligned_alloc(size_t alignment, size_t size);

/* In the program's own static TLS: reading it allocates nothing. */
static __thread int counting;
static unsigned long calls;

static void note(void)
{
    if (counting)
        __atomic_fetch_add(&calls, 1, __ATOMIC_RELAXED);
}

void allocation_count(int on)
{
    counting = on;
}

unsigned long allocation_calls(void)
{
    return __atomic_load_n(&calls, __ATOMIC_RELAXED);
}

void *malloc(size_t size)
{
    note();
    return __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    note();
    return __libc_calloc(count, size);
}

void *realloc(void *memory, size_t size)
{
    note();
    return __libc_realloc(memory, size);
}

void *memalign(size_t alignment, size_t size)
{
    note();
    return __libc_memalign(alignment, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
    return memalign(alignment, size);
}

int posix_memalign(void **out, size_t alignment, size_t size)
{
    void *memory = memalign(alignment, size);
    if (memory == NULL)
        return ENOMEM;
    *out = memory;
    return 0;
}

void free(void *memory)
{
    note();
    __libc_free(memory);
}
