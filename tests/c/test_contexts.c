/* Contexts: their arguments, and threads that the host makes itself. */
#define _GNU_SOURCE
#include "contexts.h"
#include "raw.h"

#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

typedef union crooked {
    uint64_t align;
    unsigned char bytes[512];
} crooked;
#define CROOKED(type, storage) ((type *)(void *)((storage).bytes + 1))

static midisock_context_config defaults(void)
{
    midisock_context_config c;
    midisock_context_config_init(&c, sizeof c);
    return c;
}

static void are_defaults(midisock_context_config c)
{
    CHECK_INT(sizeof c, c.struct_size);
    CHECK_INT(MIDISOCK_CONTEXT_THREAD, c.mode);
    CHECK_INT(0, c.realtime_priority);
    CHECK_INT(0, c.busy_poll_us);
    CHECK(c.create_thread == NULL && c.join_thread == NULL && c.thread_user == NULL);
    CHECK(c.log == NULL && c.log_user == NULL);
}

static void defaults_are_those_of_the_header(void)
{
    static const midisock_context_config constant = MIDISOCK_CONTEXT_CONFIG_INIT;
    midisock_context_config c;
    memset(&c, 0xa5, sizeof c);
    midisock_context_config_init(&c, sizeof c);
    are_defaults(c);
    are_defaults(constant);
}

static void init_writes_as_much_as_it_may(void)
{
    midisock_context_config_init(NULL, sizeof(midisock_context_config));
    crooked storage;
    memset(&storage, 0xa5, sizeof storage);
    midisock_context_config_init(CROOKED(midisock_context_config, storage), sizeof(midisock_context_config));
    midisock_context_config *c = (midisock_context_config *)(void *)storage.bytes;
    midisock_context_config_init(c, 0);
    midisock_context_config_init(c, 3);
    midisock_context_config_init(c, 4097);
    midisock_context_config_init(c, SIZE_MAX);
    for (size_t i = 0; i < sizeof storage; i++)
        CHECK_INT(0xa5, storage.bytes[i]);
    midisock_context_config_init(c, 8);
    CHECK_INT(8, c->struct_size);
    CHECK_INT(0xa5, storage.bytes[8]);
    midisock_context_config_init(c, sizeof storage);
    for (size_t i = sizeof *c; i < sizeof storage; i++)
        CHECK_INT(0, storage.bytes[i]);
}

static int32_t never_create(void *user, void *(*run)(void *), void *argument, void **thread)
{
    (void)user, (void)run, (void)argument, (void)thread;
    check_fail(__FILE__, __LINE__, "a thread was made");
}

static void never_join(void *user, void *thread)
{
    (void)user, (void)thread;
    check_fail(__FILE__, __LINE__, "a thread was joined");
}

static void refuses(const midisock_context_config *c)
{
    midisock_context *out = (midisock_context *)(void *)&out;
    midisock_context *const before = out;
    unsigned descriptors = check_descriptors();
    CHECK_INVALID(midisock_context_create(c, &out));
    CHECK(out == before);
    CHECK_INT(descriptors, check_descriptors());
    CHECK_SOON(check_more_threads() == 0);
}

static void create_checks_its_arguments(void)
{
    CHECK_INVALID(midisock_context_create(NULL, NULL));
    crooked storage;
    memset(&storage, 0xa5, sizeof storage);
    CHECK_INVALID(midisock_context_create(NULL, CROOKED(midisock_context *, storage)));
    refuses(CROOKED(midisock_context_config, storage));
    midisock_context_config c = defaults();
    c.struct_size = 0;
    refuses(&c);
    c.struct_size = 3;
    refuses(&c);
    c.struct_size = 4097;
    refuses(&c);
    c = defaults();
    c.mode = 2;
    refuses(&c);
    c.mode = UINT32_MAX;
    refuses(&c);
    c = defaults();
    c.create_thread = never_create;
    refuses(&c);
    c.mode = MIDISOCK_CONTEXT_HOST;
    refuses(&c);
    c.join_thread = never_join;
    refuses(&c);
    c.create_thread = NULL;
    refuses(&c);
    c.mode = MIDISOCK_CONTEXT_THREAD;
    refuses(&c);
}

static void structs_of_other_ages_are_taken(void)
{
    struct {
        midisock_context_config c;
        uint32_t future[2]; /* no padding before or after it on any system */
    } newer = {defaults(), {0, 0}};
    midisock_context *context = NULL;
    newer.c.struct_size = sizeof newer;
    CHECK_OK(midisock_context_create(&newer.c, &context));
    context_destroy(context);
    newer.future[1] = 1;
    refuses(&newer.c);
    /* Without the functions, which such a caller does not know. */
    midisock_context_config older = defaults();
    older.create_thread = never_create;
    older.struct_size = 8;
    older.mode = MIDISOCK_CONTEXT_HOST;
    CHECK_OK(midisock_context_create(&older, &context));
    CHECK_SOON(check_more_threads() == 0);
    context_destroy(context);
}

static void what_is_no_context_is_refused(void)
{
    crooked storage;
    memset(&storage, 0xa5, sizeof storage);
    midisock_context *crooked_one = CROOKED(midisock_context, storage);
    intptr_t handle = 77;
    CHECK_OK(midisock_context_destroy(NULL));
    CHECK_INVALID(midisock_context_destroy(crooked_one));
    CHECK_INVALID(midisock_context_poll(NULL, 0));
    CHECK_INVALID(midisock_context_poll(crooked_one, 0));
    CHECK_INVALID(midisock_context_handle(NULL, &handle));
    CHECK_INVALID(midisock_context_handle(crooked_one, &handle));
    midisock_context *context = context_without_thread();
    CHECK_INVALID(midisock_context_poll(context, -2));
    CHECK_INVALID(midisock_context_poll(context, INT32_MIN));
    CHECK_INVALID(midisock_context_handle(context, NULL));
    CHECK_INVALID(midisock_context_handle(context, CROOKED(intptr_t, storage)));
    CHECK_INT(77, handle);
    midisock_config c = context_config(crooked_one);
    midisock_port *port = NULL;
    CHECK_INVALID(midisock_listen("127.0.0.1", 0, &c, &port));
    CHECK_INVALID(midisock_connect("127.0.0.1", 9, &c, &port));
    CHECK(port == NULL);
    context_destroy(context);
}

static void a_thread_runs_ports_of_its_context_only(void)
{
    midisock_context *contexts[2];
    for (int i = 0; i < 2; i++)
        CHECK_OK(midisock_context_create(NULL, &contexts[i]));
    CHECK_SOON(check_more_threads() == 2);
    midisock_config c = context_config(contexts[0]);
    midisock_port *server = context_listen(&c);
    c.context = contexts[1];
    midisock_port *client = context_connect(server, &c);
    CHECK_SOON(check_more_threads() == 2);
    CHECK_OK(midisock_push(client, BYTES(0x90, 1, 2)));
    EXPECT(server, 0x90, 1, 2);
    CHECK_OK(midisock_push(server, BYTES(0x80, 1, 2)));
    EXPECT(client, 0x80, 1, 2);
    /* Ports of several of them can be waited for together. */
    midisock_port *both[2] = {server, client};
    size_t index = 9;
    CHECK_OK(midisock_push(server, BYTES(0x81, 1, 2)));
    CHECK_OK(midisock_wait_any(both, 2, MIDISOCK_WAIT_MESSAGE, DEADLINE_MS, &index));
    CHECK_INT(1, index);
    /* The default one begins and ends beside them. */
    midisock_port *other = check_connect(server, NULL);
    CHECK_SOON(check_more_threads() == 3);
    CHECK_OK(midisock_set_realtime_priority(other, 0));
    midisock_close(other);
    CHECK_SOON(check_more_threads() == 2);
    for (int i = 0; i < 2; i++) {
        intptr_t handle = 77;
        CHECK_ROLE(midisock_context_poll(contexts[i], 0));
        CHECK_ROLE(midisock_context_handle(contexts[i], &handle));
        CHECK_INT(77, handle);
        CHECK_RESULT(MIDISOCK_ERR_BUSY, midisock_context_destroy(contexts[i]));
        CHECK_ROLE(midisock_set_realtime_priority(both[i], 5));
    }
    midisock_close(client);
    midisock_close(server);
    CHECK_SOON(check_more_threads() == 2);
    context_destroy(contexts[1]);
    context_destroy(contexts[0]);
    CHECK_SOON(check_more_threads() == 0);
}

/* What concerns the thread is the context's, not the port's. */
static void fields_of_the_thread_belong_to_the_context(void)
{
    midisock_context *context = NULL;
    CHECK_OK(midisock_context_create(NULL, &context));
    for (int i = 0; i < 2; i++) {
        midisock_config c = context_config(context);
        midisock_port *port = NULL;
        *(i ? &c.realtime_priority : &c.busy_poll_us) = 1;
        CHECK_ROLE(midisock_listen("127.0.0.1", 0, &c, &port));
        CHECK_ROLE(midisock_connect("127.0.0.1", 9, &c, &port));
        int ends[2];
        CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
        CHECK_ROLE(midisock_adopt(ends[0], &c, &port));
        CHECK(port == NULL);
        CHECK(close(ends[0]) == 0 && close(ends[1]) == 0);
        /* A pair has neither context nor thread. */
        midisock_port *a = NULL, *b = NULL;
        CHECK_OK(midisock_pair(&c, &a, &b));
        midisock_close(a);
        midisock_close(b);
    }
    context_destroy(context);
}

/* A client that is accepted belongs to its server's context. */
static void accepted_ports_hold_their_context(void)
{
    midisock_context *context = NULL;
    CHECK_OK(midisock_context_create(NULL, &context));
    midisock_config c = context_config(context);
    c.accept_mode = MIDISOCK_ACCEPT_MANUAL;
    midisock_port *server = context_listen(&c);
    int fd = raw_connect(midisock_local_port(server));
    RAW_SEND(fd, 0x90, 1, 2);
    midisock_port *accepted = NULL;
    CHECK_OK(midisock_accept(server, DEADLINE_MS, &accepted));
    midisock_close(server);
    CHECK_RESULT(MIDISOCK_ERR_BUSY, midisock_context_destroy(context));
    CHECK_ROLE(midisock_set_realtime_priority(accepted, 0));
    EXPECT(accepted, 0x90, 1, 2);
    midisock_close(accepted);
    context_destroy(context);
    raw_close(fd);
}

/* The host's own way to make threads. */
typedef struct maker {
    unsigned made;
    unsigned joined;
    unsigned ended;
    int refuses;
    void *(*run)(void *);
    void *argument;
    pthread_t thread;
    log_lines log;
} maker;

static void *run_with_own_mask(void *user)
{
    maker *m = user;
#if defined(_WIN32)
    m->run(m->argument);
#else
    sigset_t mine, after;
    sigemptyset(&mine);
    sigaddset(&mine, SIGUSR2);
    pthread_sigmask(SIG_SETMASK, &mine, NULL);
    m->run(m->argument);
    pthread_sigmask(SIG_SETMASK, NULL, &after);
    CHECK(sigismember(&after, SIGUSR2) == 1 && sigismember(&after, SIGUSR1) == 0);
#endif
    m->ended++;
    return NULL;
}

static int32_t make(void *user, void *(*run)(void *), void *argument, void **thread)
{
    maker *m = user;
    m->made++;
    if (m->refuses)
        return -5;
    m->run = run;
    m->argument = argument;
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    CHECK_INT(0, pthread_attr_setstacksize(&attributes, 512 * 1024));
    CHECK_INT(0, pthread_create(&m->thread, &attributes, run_with_own_mask, m));
    pthread_attr_destroy(&attributes);
    *thread = &m->thread;
    return 0;
}

static void join(void *user, void *thread)
{
    maker *m = user;
    CHECK(thread == &m->thread);
    check_join(*(pthread_t *)thread);
    m->joined++;
}

/* Looks at the thread from its inside. */
static void look(void *user, int32_t level, const char *text)
{
    maker *m = user;
#if !defined(_WIN32)
    sigset_t mask;
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    CHECK(sigismember(&mask, SIGUSR1) == 1 && sigismember(&mask, SIGTERM) == 1);
#endif
    log_take(&m->log, level, text);
}

static void the_host_makes_and_joins_the_thread(void)
{
    static maker makers[2];
    midisock_context *contexts[2];
    for (int i = 0; i < 2; i++) {
        log_begin(&makers[i].log);
        midisock_context_config c = defaults();
        c.create_thread = make;
        c.join_thread = join;
        c.thread_user = &makers[i];
        c.log = look;
        c.log_user = &makers[i];
        CHECK_OK(midisock_context_create(&c, &contexts[i]));
        CHECK_INT(1, makers[i].made);
    }
    CHECK_SOON(check_more_threads() == 2);
    midisock_config c = context_config(contexts[0]);
    midisock_port *server = context_listen(&c);
    c.context = contexts[1];
    midisock_port *client = context_connect(server, &c);
    CHECK_SOON(check_more_threads() == 2);
    for (int i = 0; i < 100; i++) {
        CHECK_OK(midisock_push(client, BYTES(0x90, 1, 2)));
        EXPECT(server, 0x90, 1, 2);
        CHECK_OK(midisock_push(server, BYTES(0x80, 1, 2)));
        EXPECT(client, 0x80, 1, 2);
    }
    midisock_close(client);
    midisock_close(server);
    for (int i = 0; i < 2; i++) {
        CHECK_INT(0, makers[i].joined);
        context_destroy(contexts[i]);
        CHECK_INT(1, makers[i].joined);
        CHECK_INT(1, makers[i].ended);
        CHECK_INT(1, makers[i].made);
    }
    for (int i = 0; i < 2; i++) {
        CHECK(makers[i].log.count > 0);
        for (unsigned line = 0; line < makers[i].log.count; line++)
            CHECK(pthread_equal(makers[i].thread, makers[i].log.lines[line].thread));
    }
    CHECK_SOON(check_more_threads() == 0);
}

static void a_thread_that_cannot_be_had_is_no_context(void)
{
    static maker m;
    m.refuses = 1;
    midisock_context_config c = defaults();
    c.create_thread = make;
    c.join_thread = join;
    c.thread_user = &m;
    midisock_context *context = NULL;
    CHECK_RESULT(MIDISOCK_ERR_NO_RESOURCES, midisock_context_create(&c, &context));
    CHECK(context == NULL);
    CHECK_INT(1, m.made);
    CHECK_INT(0, m.joined);
    CHECK_SOON(check_more_threads() == 0);
}

/* The thread writes what it may still write before destroy returns. */
static void destroy_waits_for_the_lingering(void)
{
    uint16_t number = 0;
    int listener = raw_listen_small(&number);
    midisock_context *context = NULL;
    CHECK_OK(midisock_context_create(NULL, &context));
    midisock_config c = context_config(context);
    c.linger_ms = 300;
    midisock_port *client = NULL;
    CHECK_OK(midisock_connect("127.0.0.1", number, &c, &client));
    int fd = raw_accept(listener);
    CHECK_OK(midisock_wait_connected(client, DEADLINE_MS));
    check_fill(client, 4096, 0, 50);
    midisock_close(client);
    uint64_t began = check_now_ms();
    context_destroy(context);
    CHECK(check_now_ms() - began < 300 + 4000);
    raw_close(fd);
    raw_close(listener);
}

static const check_case cases[] = {
    CASE(defaults_are_those_of_the_header),
    CASE(init_writes_as_much_as_it_may),
    CASE(create_checks_its_arguments),
    CASE(structs_of_other_ages_are_taken),
    CASE(what_is_no_context_is_refused),
    CASE(a_thread_runs_ports_of_its_context_only),
    CASE(fields_of_the_thread_belong_to_the_context),
    CASE(accepted_ports_hold_their_context),
    CASE(the_host_makes_and_joins_the_thread),
    CASE(a_thread_that_cannot_be_had_is_no_context),
    CASE(destroy_waits_for_the_lingering),
};

int main(int argc, char **argv)
{
    return check_main(argc, argv, CASES(cases));
}
