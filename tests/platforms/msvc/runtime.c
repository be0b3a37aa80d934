/*
 * Stands in for the part of Microsoft's msvcrt.lib that is linked into every program and every DLL, so that a machine without
 * Microsoft's SDK can link and run the tests. It has what the library and its tests use, and is in nothing that ships.
 */
typedef void (*initializer)(void);
typedef int (*checked_initializer)(void);

/* The linker sorts the sections .CRT$... by name: what code puts between A and Z is between these variables. */
#define IN(name) __attribute__((section(name), used))
IN(".CRT$XIA") static const checked_initializer first_checked = 0;
IN(".CRT$XIZ") static const checked_initializer last_checked = 0;
IN(".CRT$XCA") static const initializer first = 0;
IN(".CRT$XCZ") static const initializer last = 0;
IN(".CRT$XLA") static const void *const first_thread_callback = 0;
IN(".CRT$XLZ") static const void *const last_thread_callback = 0;

int _initterm_e(const checked_initializer *from, const checked_initializer *to);
void _initterm(const initializer *from, const initializer *to);

int run_initializers(void)
{
    int failed = _initterm_e(&first_checked, &last_checked);
    if (!failed)
        _initterm(&first, &last);
    return failed;
}

/* Thread-local variables: the linker writes the address of _tls_used into the image, and Windows reads it from there. */
unsigned _tls_index;
IN(".tls") char _tls_start = 0;
IN(".tls$ZZZ") char _tls_end = 0;
const struct {
    const void *start, *end, *index, *callbacks;
    unsigned zero_fill, characteristics;
} _tls_used = {&_tls_start, &_tls_end, &_tls_index, &first_thread_callback + 1, 0, 0};

/* Compilers name it where code uses floating point. */
int _fltused = 0x9875;

/* What a C++ type descriptor begins with. Rust's panics have one, which nothing calls. */
const void *const type_info_table[2] __asm__("??_7type_info@@6B@") = {0, 0};

/* Functions with large frames call it: it touches each page of the rax bytes below the caller's stack pointer, in order,
 * because Windows grows a stack by one page at a time. Only r10 and r11 may change. */
__attribute__((naked)) void __chkstk(void)
{
    __asm__("leaq 8(%rsp), %r10\n\t"
            "movq %rax, %r11\n"
            "1:\n\t"
            "cmpq $0x1000, %r11\n\t"
            "jb 2f\n\t"
            "subq $0x1000, %r10\n\t"
            "testb %al, (%r10)\n\t"
            "subq $0x1000, %r11\n\t"
            "jmp 1b\n"
            "2:\n\t"
            "subq %r11, %r10\n\t"
            "testb %al, (%r10)\n\t"
            "retq");
}
