/* A host that loads, uses and unloads plugins, for Linux. Its arguments are the scenario and the plugins. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <dirent.h>

#define CHECK(condition)                                                             \
    do {                                                                             \
        if (!(condition)) {                                                          \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);  \
            _exit(1);                                                                \
        }                                                                            \
    } while (0)
#define NO_LINE(call)                                                                            \
    do {                                                                                         \
        int line_ = (call);                                                                      \
        if (line_) {                                                                             \
            fprintf(stderr, "%s:%d: %s failed in plugin.c:%d\n", __FILE__, __LINE__, #call, line_); \
            _exit(1);                                                                            \
        }                                                                                        \
    } while (0)

#define DEADLINE_MS 20000

typedef struct plugin {
    void *handle;
    int (*exchange)(void);
    int (*open)(const char *);
    int (*play)(void);
    void (*close)(void);
    const void *(*library)(void);
    int (*browse)(int turn);
} plugin;

static void *symbol(void *handle, const char *name)
{
    void *found = dlsym(handle, name);
    if (!found)
        fprintf(stderr, "%s\n", dlerror());
    CHECK(found != NULL);
    return found;
}

static plugin load(const char *path)
{
    plugin p;
    p.handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!p.handle)
        fprintf(stderr, "%s\n", dlerror());
    CHECK(p.handle != NULL);
    /* POSIX's way of turning an object pointer into a function pointer. */
    *(void **)&p.exchange = symbol(p.handle, "plugin_exchange");
    *(void **)&p.open = symbol(p.handle, "plugin_open");
    *(void **)&p.play = symbol(p.handle, "plugin_play");
    *(void **)&p.close = symbol(p.handle, "plugin_close");
    *(void **)&p.library = symbol(p.handle, "plugin_library");
    *(void **)&p.browse = symbol(p.handle, "plugin_browse");
    return p;
}

static uint64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void pause_us(long us)
{
    struct timespec t = {us / 1000000, us % 1000000 * 1000};
    nanosleep(&t, NULL);
}

static unsigned entries(const char *folder)
{
    unsigned count = 0;
    DIR *d = opendir(folder);
    CHECK(d != NULL);
    while (readdir(d))
        count++;
    closedir(d);
    return count;
}

/* Threads end, and descriptors close, a moment after the calls that say so. */
#define SOON(condition)                                    \
    do {                                                   \
        uint64_t until_ = now_ms() + DEADLINE_MS;          \
        while (!(condition) && now_ms() < until_)          \
            pause_us(1000);                                \
        CHECK(condition);                                  \
    } while (0)

/* With its first thread ThreadSanitizer starts one of its own: it is there before threads are counted. */
static void *nothing(void *unused)
{
    return unused;
}

static void any_thread(void)
{
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, nothing, NULL) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
}

/* Opens the plugin's ports in a thread that is gone afterwards. While a thread lives that has used Rust's thread-locals,
 * glibc keeps the library mapped by itself, and it would not be seen whether the library sees to it. */
typedef struct opening {
    plugin *p;
    const char *host;
} opening;

static void *open_ports(void *argument)
{
    opening *o = argument;
    NO_LINE(o->p->open(o->host));
    return NULL;
}

static void open_in_a_thread(plugin *p, const char *host)
{
    opening o = {p, host};
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, open_ports, &o) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
}

/* cycles: four threads load, use and unload, a hundred times each; then end, long after the last dlclose. */
#define THREADS 4
#define CYCLES 100

static const char *plugin_path;
static pthread_barrier_t done_cycling;

static _Atomic(const void *) in_library;

static void *cycle(void *unused)
{
    for (int i = 0; i < CYCLES; i++) {
        plugin p = load(plugin_path);
        NO_LINE(p.exchange());
        atomic_store(&in_library, p.library());
        CHECK(dlclose(p.handle) == 0);
    }
    pthread_barrier_wait(&done_cycling); /* nobody has it open now: what these threads leave behind runs after */
    return unused;
}

static void cycles(char **paths)
{
    pthread_t threads[THREADS];
    any_thread();
    unsigned tasks = entries("/proc/self/task"), descriptors = entries("/proc/self/fd");
    plugin_path = paths[0];
    CHECK(pthread_barrier_init(&done_cycling, NULL, THREADS) == 0);
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_create(&threads[i], NULL, cycle, NULL) == 0);
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    SOON(entries("/proc/self/task") <= tasks);
    SOON(entries("/proc/self/fd") <= descriptors);
    /* No thread is left that would keep it, and this is when glibc lets go of what nothing keeps: it stays because it
     * says so itself (-z nodelete). */
    Dl_info where;
    plugin last = load(paths[0]);
    CHECK(dlclose(last.handle) == 0);
    CHECK(dladdr(atomic_load(&in_library), &where) != 0);
}

/* browse: loads, browses and unloads, a hundred times. It runs on a network of its own. */
static void browses(char **paths)
{
    any_thread();
    unsigned tasks = entries("/proc/self/task"), descriptors = entries("/proc/self/fd");
    for (int i = 0; i < CYCLES; i++) {
        plugin p = load(paths[0]);
        NO_LINE(p.browse(i));
        SOON(entries("/proc/self/task") <= tasks); /* a joined one may be seen for a moment */
        CHECK(dlclose(p.handle) == 0);
    }
    SOON(entries("/proc/self/fd") <= descriptors);
}

/* two: both in one process at once, used by two threads, unloaded in either order. */
static void *exchanges(void *argument)
{
    plugin *p = argument;
    for (int i = 0; i < 20; i++)
        NO_LINE(p->exchange());
    return NULL;
}

static void two(char **paths, int own_copies)
{
    for (int order = 0; order < 2; order++) {
        plugin a = load(paths[0]), b = load(paths[1]);
        pthread_t one, other;
        CHECK(a.handle != b.handle);
        CHECK((a.library() != b.library()) == own_copies);
        NO_LINE(a.open(NULL));
        NO_LINE(b.open(NULL));
        CHECK(pthread_create(&one, NULL, exchanges, &a) == 0);
        CHECK(pthread_create(&other, NULL, exchanges, &b) == 0);
        pthread_join(one, NULL);
        pthread_join(other, NULL);
        plugin *first = order ? &a : &b, *second = order ? &b : &a;
        first->close();
        CHECK(dlclose(first->handle) == 0);
        NO_LINE(second->play()); /* does not miss the one that has gone */
        NO_LINE(second->exchange());
        second->close();
        CHECK(dlclose(second->handle) == 0);
    }
}

/* exit: processes that end in every way, at any moment, with ports open and messages on their way. */
static plugin playing;

static void *play(void *unused)
{
    for (;;)
        NO_LINE(playing.play());
    return unused;
}

static void *load_and_use(void *unused)
{
    plugin p = load(plugin_path);
    for (;;)
        NO_LINE(p.exchange());
    return unused;
}

static void end_process(int way)
{
    switch (way) {
    case 1: _exit(0);
    case 2: quick_exit(0);
    default: exit(0);
    }
}
enum { FIRST_THREAD_ENDS = 3, UNLOADED = 4, WAYS = 5 };
#define EXITS 60

static void *end_soon(void *argument)
{
    pause_us(3000);
    end_process((int)(intptr_t)argument);
    return NULL;
}

static void child_that_exits(int number, long us)
{
    pthread_t thread;
    int way = number % WAYS;
    playing = load(plugin_path);
    open_in_a_thread(&playing, NULL);
    if (way == UNLOADED) { /* with its ports open, which is the host's mistake, and survived */
        CHECK(dlclose(playing.handle) == 0);
        pause_us(us);
        exit(0);
    }
    CHECK(pthread_create(&thread, NULL, play, NULL) == 0);
    CHECK(pthread_create(&thread, NULL, load_and_use, NULL) == 0);
    pause_us(us);
    if (way == FIRST_THREAD_ENDS) {
        CHECK(pthread_create(&thread, NULL, end_soon, (void *)(intptr_t)way) == 0);
        pthread_exit(NULL);
    }
    end_process(way);
}

static void expect_exit(pid_t child)
{
    int status = 0;
    pid_t ended = 0;
    uint64_t until = now_ms() + DEADLINE_MS;
    while ((ended = waitpid(child, &status, WNOHANG)) == 0 && now_ms() < until)
        pause_us(1000);
    if (ended == 0) {
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
    }
    CHECK(ended == child);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        fprintf(stderr, "it ended with status %#x\n", (unsigned)status);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void exits(char **paths)
{
    unsigned seed = 12345;
    plugin_path = paths[0];
    for (int i = 0; i < EXITS; i++) {
        seed = seed * 1103515245u + 12345u;
        long us = (long)(seed >> 8) % 8000;
        pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0)
            child_that_exits(i, us);
        expect_exit(child);
    }
}

/* lookup: the system hangs while it looks a name up. This stands in front of libc's own. */
static atomic_int looking, may_answer;

int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **result)
{
    (void)node, (void)service, (void)hints, (void)result;
    atomic_fetch_add(&looking, 1);
    while (!atomic_load(&may_answer))
        pause_us(1000);
    atomic_fetch_sub(&looking, 1);
    return EAI_AGAIN;
}

static void lookup(char **paths)
{
    /* One process ends while the look-up hangs. */
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        plugin p = load(paths[0]);
        NO_LINE(p.open("a-name.invalid"));
        SOON(atomic_load(&looking) == 1);
        exit(0);
    }
    expect_exit(child);

    any_thread();
    /* Another closes its ports, unloads, and only then the answer comes. */
    unsigned tasks = entries("/proc/self/task");
    plugin p = load(paths[0]);
    open_in_a_thread(&p, "a-name.invalid");
    SOON(atomic_load(&looking) == 1);
    uint64_t before = now_ms();
    p.close();
    CHECK(now_ms() - before < DEADLINE_MS / 2); /* not waited for */
    CHECK(dlclose(p.handle) == 0);
    CHECK(atomic_load(&looking) == 1);
    atomic_store(&may_answer, 1);
    SOON(atomic_load(&looking) == 0);
    SOON(entries("/proc/self/task") <= tasks);
    p = load(paths[0]);
    NO_LINE(p.exchange());
    CHECK(dlclose(p.handle) == 0);
}

/* fork: the parent goes on, whatever a child does that leaves the ports alone. */
static void forks(char **paths)
{
    plugin p = load(paths[0]);
    NO_LINE(p.open(NULL));
    for (int i = 0; i < 30; i++) {
        pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0) {
            if (i % 3 == 0)
                execl("/bin/true", "true", (char *)NULL);
            if (i % 3 == 1)
                exit(0);
            _exit(0);
        }
        NO_LINE(p.play());
        expect_exit(child);
        NO_LINE(p.play());
    }
    p.close();
    NO_LINE(p.exchange());
    CHECK(dlclose(p.handle) == 0);
}

int main(int argc, char **argv)
{
    CHECK(argc >= 3);
    const char *scenario = argv[1];
    if (strcmp(scenario, "cycles") == 0)
        cycles(argv + 2);
    else if (strcmp(scenario, "browse") == 0)
        browses(argv + 2);
    else if (strcmp(scenario, "two-copies") == 0)
        two(argv + 2, 1);
    else if (strcmp(scenario, "two-of-one") == 0)
        two(argv + 2, 0);
    else if (strcmp(scenario, "exit") == 0)
        exits(argv + 2);
    else if (strcmp(scenario, "lookup") == 0)
        lookup(argv + 2);
    else if (strcmp(scenario, "fork") == 0)
        forks(argv + 2);
    else
        return fprintf(stderr, "no such scenario: %s\n", scenario), 2;
    puts("ok");
    return 0;
}
