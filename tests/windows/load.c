/* A host that loads the library by name, uses it and unloads it, from several threads. */
#include <midisock/midisock.h>

#include "check.h"

#include <string.h>
#include <windows.h>

#define THREADS 4
#define CYCLES 25

static const char *name;

typedef struct library {
    HMODULE module;
    midisock_result (*listen)(const char *, uint16_t, const midisock_config *, midisock_port **);
    midisock_result (*connect)(const char *, uint16_t, const midisock_config *, midisock_port **);
    midisock_result (*wait_connected)(midisock_port *, int32_t);
    midisock_result (*push)(midisock_port *, const uint8_t *, size_t);
    midisock_result (*wait)(midisock_port *, uint32_t, int32_t);
    midisock_result (*pop)(midisock_port *, midisock_message *);
    uint16_t (*local_port)(const midisock_port *);
    void (*close)(midisock_port *);
} library;

static void look_up(HMODULE module, const char *function, void *into)
{
    FARPROC found = GetProcAddress(module, function);
    CHECK(found != NULL);
    memcpy(into, &found, sizeof found);
}

static library load(void)
{
    library l;
    l.module = LoadLibraryA(name);
    CHECK(l.module != NULL);
    look_up(l.module, "midisock_listen", &l.listen);
    look_up(l.module, "midisock_connect", &l.connect);
    look_up(l.module, "midisock_wait_connected", &l.wait_connected);
    look_up(l.module, "midisock_push", &l.push);
    look_up(l.module, "midisock_wait", &l.wait);
    look_up(l.module, "midisock_pop", &l.pop);
    look_up(l.module, "midisock_local_port", &l.local_port);
    look_up(l.module, "midisock_close", &l.close);
    return l;
}

static void exchange(const library *l, const char *host)
{
    static const uint8_t note_on[] = {0x90, 60, 100};
    midisock_port *server = NULL, *client = NULL;
    midisock_message message;
    GIVES(MIDISOCK_OK, l->listen("127.0.0.1", 0, NULL, &server));
    GIVES(MIDISOCK_OK, l->connect(host, l->local_port(server), NULL, &client));
    GIVES(MIDISOCK_OK, l->wait_connected(client, DEADLINE_MS));
    GIVES(MIDISOCK_OK, l->push(client, note_on, sizeof note_on));
    GIVES(MIDISOCK_OK, l->wait(server, MIDISOCK_WAIT_MESSAGE, DEADLINE_MS));
    GIVES(MIDISOCK_OK, l->pop(server, &message));
    CHECK(message.size == sizeof note_on && memcmp(message.data, note_on, sizeof note_on) == 0);
    l->close(client);
    l->close(server);
}

static DWORD WINAPI cycle(void *unused)
{
    (void)unused;
    for (int i = 0; i < CYCLES; i++) {
        library l = load();
        exchange(&l, "127.0.0.1");
        CHECK(FreeLibrary(l.module));
    }
    return 0;
}

int main(int argc, char **argv)
{
    HANDLE threads[THREADS];
    library l;
    CHECK(argc == 2);
    name = argv[1];
    CHECK(GetModuleHandleA(name) == NULL);
    /* Held here: wine 8's own does not outlive being loaded a second time in a thread that has used it before. */
    CHECK(LoadLibraryA("ws2_32.dll") != NULL);

    /* Alone: it goes when it is let go, with its network thread, and this thread lives on without it. */
    l = load();
    exchange(&l, "127.0.0.1");
    CHECK(FreeLibrary(l.module));
    CHECK(GetModuleHandleA(name) == NULL);

    for (int i = 0; i < THREADS; i++) {
        threads[i] = CreateThread(NULL, 0, cycle, NULL, 0, NULL);
        CHECK(threads[i] != NULL);
    }
    CHECK(WaitForMultipleObjects(THREADS, threads, TRUE, INFINITE) == WAIT_OBJECT_0);
    for (int i = 0; i < THREADS; i++) {
        DWORD status = 1;
        CHECK(GetExitCodeThread(threads[i], &status) && status == 0);
        CloseHandle(threads[i]);
    }
    CHECK(GetModuleHandleA(name) == NULL);

    /* A name is looked up on a thread that nobody waits for: once there was one, the library stays. The system reads
       127.1 as 127.0.0.1, and needs no network for it; to the library it is a name. */
    l = load();
    exchange(&l, "127.1");
    CHECK(FreeLibrary(l.module));
    CHECK(GetModuleHandleA(name) == l.module);
    l = load();
    exchange(&l, "127.1");
    CHECK(FreeLibrary(l.module));
    return puts("ok") < 0;
}
