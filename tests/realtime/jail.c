/* ucontext_t's registers and the seccomp headers are Linux' own. */
#define _GNU_SOURCE
#include "jail.h"

#include "../c/check.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#if defined(__x86_64__)
#define ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCHITECTURE AUDIT_ARCH_AARCH64
#else
#error "the jail does not know this processor's system calls"
#endif

/* In the last two arguments of a write or read of the trap's own; the kernel
 * ignores them, the filter lets such a call through. */
#define PASS_4 0x6d696469u
#define PASS_5 0x736f636bu

static unsigned long trapped;
static unsigned long writes;
static unsigned long reads;
static long first = -1;
static jail_kind kind_now;

/* The calls that a realtime function is most likely to make by mistake. */
static const struct {
    long number;
    const char *name;
} NAMES[] = {
    {SYS_write, "write"},
    {SYS_read, "read"},
    {SYS_futex, "futex"},
    {SYS_mmap, "mmap"},
    {SYS_munmap, "munmap"},
    {SYS_mprotect, "mprotect"},
    {SYS_madvise, "madvise"},
    {SYS_brk, "brk"},
    {SYS_openat, "openat"},
    {SYS_close, "close"},
    {SYS_ioctl, "ioctl"},
    {SYS_clock_gettime, "clock_gettime"},
    {SYS_clock_nanosleep, "clock_nanosleep"},
    {SYS_nanosleep, "nanosleep"},
    {SYS_sched_yield, "sched_yield"},
    {SYS_epoll_ctl, "epoll_ctl"},
    {SYS_sendto, "sendto"},
    {SYS_recvfrom, "recvfrom"},
    {SYS_getrandom, "getrandom"},
    {SYS_gettid, "gettid"},
    {SYS_rt_sigprocmask, "rt_sigprocmask"},
    {SYS_sigaltstack, "sigaltstack"},
    {SYS_set_robust_list, "set_robust_list"},
};

static long pass(long number, const ucontext_t *context)
{
#if defined(__x86_64__)
    const greg_t *r = context->uc_mcontext.gregs;
    return syscall(number, r[REG_RDI], r[REG_RSI], r[REG_RDX], 0, (long)PASS_4, (long)PASS_5);
#else
    const unsigned long long *r = context->uc_mcontext.regs;
    return syscall(number, r[0], r[1], r[2], 0, (long)PASS_4, (long)PASS_5);
#endif
}

static void trap(int signal, siginfo_t *info, void *context_)
{
    (void)signal;
    ucontext_t *context = context_;
    int kept = errno;
    long result = -ENOSYS;
    __atomic_fetch_add(&trapped, 1, __ATOMIC_RELAXED);
    if (info->si_syscall == SYS_write)
        __atomic_fetch_add(&writes, 1, __ATOMIC_RELAXED);
    if (info->si_syscall == SYS_read)
        __atomic_fetch_add(&reads, 1, __ATOMIC_RELAXED);
    if ((info->si_syscall == SYS_write && kind_now == JAIL_PASS_WRITES) ||
        (info->si_syscall == SYS_read && kind_now == JAIL_PASS_READS)) {
        result = pass(info->si_syscall, context);
        if (result < 0)
            result = -errno;
    } else {
        long none = -1;
        __atomic_compare_exchange_n(&first, &none, (long)info->si_syscall, 0, __ATOMIC_RELAXED,
                                    __ATOMIC_RELAXED);
    }
#if defined(__x86_64__)
    context->uc_mcontext.gregs[REG_RAX] = result;
#else
    context->uc_mcontext.regs[0] = (unsigned long long)result;
#endif
    errno = kept;
}

#define OFFSET(field) ((unsigned)__builtin_offsetof(struct seccomp_data, field))
#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, OFFSET(field))
#define IF_IS(value, then, otherwise) \
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)(value), then, otherwise)
#define GIVE(action) BPF_STMT(BPF_RET | BPF_K, action)

static void lock_in(void)
{
    struct sock_filter program[] = {
        LOAD(arch),
        IF_IS(ARCHITECTURE, 1, 0),
        GIVE(SECCOMP_RET_TRAP),
        LOAD(nr),
        IF_IS(SYS_exit, 7, 0),
        IF_IS(SYS_rt_sigreturn, 6, 0),
        IF_IS(SYS_read, 1, 0),
        IF_IS(SYS_write, 0, 5),
        LOAD(args[4]),
        IF_IS(PASS_4, 0, 3),
        LOAD(args[5]),
        IF_IS(PASS_5, 0, 1),
        GIVE(SECCOMP_RET_ALLOW),
        GIVE(SECCOMP_RET_TRAP),
    };
    struct sock_fprog filter = {sizeof program / sizeof program[0], program};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        check_fail(__FILE__, __LINE__, "PR_SET_NO_NEW_PRIVS: %s", strerror(errno));
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) != 0)
        check_fail(__FILE__, __LINE__, "PR_SET_SECCOMP: %s", strerror(errno));
}

static void *live(void *jail_)
{
    jail *jail = jail_;
    lock_in();
    jail->run(jail->argument);
    /* Not by returning: the C library would clean up with system calls. */
    syscall(SYS_exit, 0);
    return NULL;
}

void jail_start(jail *jail, jail_kind kind, void (*run)(void *), void *argument)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = trap;
    action.sa_flags = SA_SIGINFO;
    CHECK_INT(0, sigaction(SIGSYS, &action, NULL));
    kind_now = kind;
    jail->kind = kind;
    jail->run = run;
    jail->argument = argument;
    check_start(&jail->thread, live, jail);
}

void jail_join(jail *jail)
{
    check_join(jail->thread);
}

unsigned long jail_trapped(void)
{
    return __atomic_load_n(&trapped, __ATOMIC_RELAXED);
}

unsigned long jail_trapped_writes(void)
{
    return __atomic_load_n(&writes, __ATOMIC_RELAXED);
}

unsigned long jail_trapped_reads(void)
{
    return __atomic_load_n(&reads, __ATOMIC_RELAXED);
}

const char *jail_first(void)
{
    static char number[32];
    long call = __atomic_load_n(&first, __ATOMIC_RELAXED);
    if (call < 0)
        return NULL;
    for (size_t i = 0; i < sizeof NAMES / sizeof NAMES[0]; i++)
        if (NAMES[i].number == call)
            return NAMES[i].name;
    snprintf(number, sizeof number, "system call %ld", call);
    return number;
}
