/* A host of two plugins, each with midisock and a Rust library of its own in it: both work, in turn and at once. */
#include <dlfcn.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>

#define TURNS 20

typedef struct plugin {
    int (*exchange)(void);
    uint32_t (*sum)(uint32_t count);
    const void *(*library)(void);
    int failed;
} plugin;

static int load(const char *path, plugin *into)
{
    void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!handle)
        return fprintf(stderr, "%s\n", dlerror()), 0;
    /* POSIX's way of turning an object pointer into a function pointer. */
    *(void **)&into->exchange = dlsym(handle, "plugin_exchange");
    *(void **)&into->sum = dlsym(handle, "plugin_sum");
    *(void **)&into->library = dlsym(handle, "plugin_library");
    into->failed = 0;
    return into->exchange && into->sum && into->library;
}

static void *use(void *argument)
{
    plugin *p = argument;
    for (int turn = 0; turn < TURNS && !p->failed; turn++)
        p->failed = p->exchange() != 0 || p->sum(100) != 5050;
    return NULL;
}

int main(int argc, char **argv)
{
    plugin plugins[2];
    pthread_t threads[2];
    if (argc != 3 || !load(argv[1], &plugins[0]) || !load(argv[2], &plugins[1]))
        return fprintf(stderr, "cannot load them\n"), 1;
    if (plugins[0].library() == plugins[1].library())
        return fprintf(stderr, "they share one library\n"), 1;
    for (int i = 0; i < 2; i++) {
        use(&plugins[i]);
        if (plugins[i].failed)
            return fprintf(stderr, "plugin %d fails alone\n", i), 1;
    }
    for (int i = 0; i < 2; i++)
        pthread_create(&threads[i], NULL, use, &plugins[i]);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    if (plugins[0].failed || plugins[1].failed)
        return fprintf(stderr, "they fail at once\n"), 1;
    puts("ok");
    return 0;
}
