/*
 * Preloaded into a JACK client: watches its process callback for what a realtime
 * function must not do, whoever does it there, and tells at the end.
 *
 * jack_set_process_callback is taken over, and the callback is run between two
 * switches, both of the one thread that runs it:
 *   - system calls: the kernel's syscall user dispatch. While the selector byte
 *     blocks, every system call instruction of this thread raises SIGSYS, in
 *     whatever code it stands; none can pass unseen. It is counted, named, done.
 *   - allocation: malloc and its like, as in ../realtime/allocation.c.
 *   - locks: the C library's, when they are taken. One that waits makes a system
 *     call, so that locks which do not go through the C library are seen when
 *     they matter.
 * Between the calls, where JACK waits for the next cycle, nothing is watched.
 *
 * On stderr, at the end: `trap: CALLBACKS callbacks, A allocations, L locks, S
 * system calls`, and the number of the first of these where there was one. With
 * MIDISOCK_TRAP_TEST=allocation, lock or syscall the hundredth callback does that
 * itself, to show that it is seen.
 */
#define _GNU_SOURCE
#include "../realtime/allocation.h"

#include <dlfcn.h>
#include <errno.h>
#include <jack/jack.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#ifndef PR_SET_SYSCALL_USER_DISPATCH
#define PR_SET_SYSCALL_USER_DISPATCH 59
#define PR_SYS_DISPATCH_ON 1
#endif

/* What the kernel reads before each system call of a thread that has it. */
enum { ALLOW = 0, BLOCK = 1 };
static __thread volatile char selector;
static __thread int watched, dispatching;

static JackProcessCallback process;
static unsigned long callbacks, locks, calls;
static long first_call = -1;
static pthread_mutex_t own_mutex = PTHREAD_MUTEX_INITIALIZER;
static const char *test;

static void on_call(int number, siginfo_t *info, void *context_)
{
    ucontext_t *context = context_;
    greg_t *r = context->uc_mcontext.gregs;
    (void)number;
    /* Not set again: returning from here is a system call, too. One is enough to
     * tell, and the next callback is watched anew. */
    selector = ALLOW;
    if (first_call < 0)
        first_call = info->si_syscall;
    __atomic_fetch_add(&calls, 1, __ATOMIC_RELAXED);
    int kept = errno;
    long result = syscall(info->si_syscall, r[REG_RDI], r[REG_RSI], r[REG_RDX], r[REG_R10], r[REG_R8], r[REG_R9]);
    r[REG_RAX] = result < 0 ? -errno : result;
    errno = kept;
}

static void note_lock(void)
{
    if (watched)
        __atomic_fetch_add(&locks, 1, __ATOMIC_RELAXED);
}

/* The C library's function behind the one that is defined here. */
#define REAL(name, ...)                                 \
    static int (*real)(__VA_ARGS__);                    \
    if (real == NULL)                                   \
        *(void **)&real = dlsym(RTLD_NEXT, name)

int pthread_mutex_lock(pthread_mutex_t *mutex)
{
    REAL("pthread_mutex_lock", pthread_mutex_t *);
    note_lock();
    return real(mutex);
}

int pthread_mutex_trylock(pthread_mutex_t *mutex)
{
    REAL("pthread_mutex_trylock", pthread_mutex_t *);
    note_lock();
    return real(mutex);
}

int pthread_rwlock_rdlock(pthread_rwlock_t *lock)
{
    REAL("pthread_rwlock_rdlock", pthread_rwlock_t *);
    note_lock();
    return real(lock);
}

int pthread_rwlock_wrlock(pthread_rwlock_t *lock)
{
    REAL("pthread_rwlock_wrlock", pthread_rwlock_t *);
    note_lock();
    return real(lock);
}

int sem_wait(sem_t *semaphore)
{
    REAL("sem_wait", sem_t *);
    note_lock();
    return real(semaphore);
}

int sem_post(sem_t *semaphore)
{
    REAL("sem_post", sem_t *);
    note_lock();
    return real(semaphore);
}

static void misbehave(void)
{
    if (strcmp(test, "allocation") == 0) {
        void *volatile memory = malloc(1000); /* volatile: the pair is not optimised away */
        free(memory);
    } else if (strcmp(test, "lock") == 0) {
        pthread_mutex_lock(&own_mutex);
        pthread_mutex_unlock(&own_mutex);
    } else if (strcmp(test, "syscall") == 0)
        syscall(SYS_getppid);
}

static int watch(jack_nframes_t frames, void *argument)
{
    if (!dispatching) {
        if (prctl(PR_SET_SYSCALL_USER_DISPATCH, PR_SYS_DISPATCH_ON, 0, 0, &selector) != 0) {
            fputs("trap: no syscall user dispatch\n", stderr);
            _exit(77);
        }
        dispatching = 1;
    }
    unsigned long number = __atomic_add_fetch(&callbacks, 1, __ATOMIC_RELAXED);
    watched = 1;
    allocation_count(1);
    selector = BLOCK;
    int result = process(frames, argument);
    if (number == 100 && test != NULL)
        misbehave();
    selector = ALLOW;
    allocation_count(0);
    watched = 0;
    return result;
}

int jack_set_process_callback(jack_client_t *client, JackProcessCallback callback, void *argument)
{
    static int (*real)(jack_client_t *, JackProcessCallback, void *);
    struct sigaction action;
    *(void **)&real = dlsym(RTLD_NEXT, "jack_set_process_callback");
    memset(&action, 0, sizeof action);
    action.sa_sigaction = on_call;
    action.sa_flags = SA_SIGINFO;
    sigaction(SIGSYS, &action, NULL);
    test = getenv("MIDISOCK_TRAP_TEST");
    process = callback;
    return real(client, watch, argument);
}

__attribute__((destructor)) static void tell(void)
{
    fprintf(stderr, "trap: %lu callbacks, %lu allocations, %lu locks, %lu system calls", callbacks, allocation_calls(),
            locks, calls);
    fprintf(stderr, first_call >= 0 ? ", the first: %ld\n" : "\n", first_call);
}
