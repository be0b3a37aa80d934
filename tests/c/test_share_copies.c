/* An address that another copy of the library, or another program, has: the text says who can share it, and a server that
 * waits gets it. */
#define _GNU_SOURCE
#include "check.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

static midisock_config sharing(void)
{
    midisock_config c = check_config();
    c.share = 1;
    return c;
}

/* While somebody else has the address. */
static midisock_port *refused_and_waiting(uint16_t number)
{
    midisock_config c = sharing();
    midisock_port *port = NULL;
    CHECK_RESULT(MIDISOCK_ERR_ADDRESS_IN_USE, midisock_listen("127.0.0.1", number, &c, &port));
    const char *text = midisock_strerror(MIDISOCK_ERR_ADDRESS_IN_USE);
    CHECK(strstr(text, "the address is in use") != NULL);
    CHECK(strstr(text, "only servers of one context that all set share") != NULL);
    c.listen_retry_ms = UINT32_MAX;
    CHECK_OK(midisock_listen("127.0.0.1", number, &c, &port));
    CHECK_INT(MIDISOCK_STATE_BINDING, midisock_state(port));
    midisock_notification n;
    CHECK_OK(midisock_wait(port, MIDISOCK_WAIT_NOTIFICATION, DEADLINE_MS));
    CHECK_OK(midisock_poll_notification(port, &n));
    CHECK_INT(MIDISOCK_NOTIFY_CONNECT_FAILED, n.kind);
    CHECK_INT(MIDISOCK_ERR_ADDRESS_IN_USE, n.reason);
    return port;
}

static void gets_it(midisock_port *port, uint16_t number)
{
    CHECK_SOON(midisock_state(port) == MIDISOCK_STATE_LISTENING);
    CHECK_INT(number, midisock_local_port(port));
    /* A sibling shares it. */
    midisock_config c = sharing();
    midisock_port *sibling = NULL;
    CHECK_OK(midisock_listen("127.0.0.1", number, &c, &sibling));
    midisock_close(sibling);
    midisock_close(port);
}

typedef midisock_result (*listen_function)(const char *, uint16_t, const midisock_config *, midisock_port **);
typedef void (*close_function)(midisock_port *);

/* Listens at a number that is free, below those that the system gives to sockets of other programs. */
static uint16_t listen_somewhere(listen_function listen, midisock_port **port)
{
    midisock_config c = sharing();
    for (uint64_t i = midisock_now_ns() / 1000;; i += 7919) {
        uint16_t number = (uint16_t)(10000 + i % 20000);
        midisock_result result = listen("127.0.0.1", number, &c, port);
        if (result == MIDISOCK_OK)
            return number;
        CHECK_RESULT(MIDISOCK_ERR_ADDRESS_IN_USE, result);
    }
}

/* A copy of the library's file, which the system takes for another library. */
static void *load_a_copy(void)
{
    void *symbol = dlsym(RTLD_DEFAULT, "midisock_version_string");
    Dl_info library;
    if (symbol == NULL || dladdr(symbol, &library) == 0 || strstr(library.dli_fname, ".so") == NULL)
        check_skip("the library is not shared");
    char path[] = "/tmp/midisock-copy-XXXXXX", bytes[1 << 16];
    int from = open(library.dli_fname, O_RDONLY), to = mkstemp(path);
    CHECK(from >= 0 && to >= 0);
    for (ssize_t count; (count = read(from, bytes, sizeof bytes)) > 0;)
        CHECK(write(to, bytes, (size_t)count) == count);
    close(from);
    close(to);
    void *copy = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    unlink(path);
    if (copy == NULL)
        check_fail(__FILE__, __LINE__, "%s", dlerror());
    return copy;
}

static void another_copy_of_the_library(void)
{
    void *copy = load_a_copy();
    listen_function listen_there;
    close_function close_there;
    /* POSIX's way of turning an object pointer into a function pointer. */
    *(void **)&listen_there = dlsym(copy, "midisock_listen");
    *(void **)&close_there = dlsym(copy, "midisock_close");
    CHECK(listen_there != NULL && listen_there != midisock_listen);
    midisock_port *theirs = NULL;
    uint16_t number = listen_somewhere(listen_there, &theirs);
    midisock_port *ours = refused_and_waiting(number);
    close_there(theirs);
    gets_it(ours, number);
    CHECK_INT(0, dlclose(copy));
}

static void another_program(void)
{
    int told[2], over[2];
    CHECK(pipe(told) == 0 && pipe(over) == 0);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        midisock_port *port = NULL;
        char byte;
        uint16_t number = listen_somewhere(midisock_listen, &port);
        close(over[1]);
        int is_told = write(told[1], &number, sizeof number) == (ssize_t)sizeof number;
        _exit(is_told && read(over[0], &byte, 1) == 0 ? 0 : 1); /* the address is free when the program is gone */
    }
    uint16_t number = 0;
    CHECK(read(told[0], &number, sizeof number) == (ssize_t)sizeof number);
    midisock_port *ours = refused_and_waiting(number);
    int status = 0;
    close(over[1]);
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
    gets_it(ours, number);
    close(over[0]);
    close(told[0]);
    close(told[1]);
}

int main(int argc, char **argv)
{
    static const check_case cases[] = {
        CASE(another_copy_of_the_library),
        CASE(another_program),
    };
    return check_main(argc, argv, CASES(cases));
}
