/* The host's signals and the cancellation of its threads: library threads run
 * no signal handler, and no call ends in the middle of the library. This
 * program's own getaddrinfo stands in front of the system's, which may hang. */
#define _GNU_SOURCE
#include "check.h"

#include <netdb.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
                struct addrinfo **result)
{
    (void)node;
    (void)service;
    (void)hints;
    *result = NULL;
    return EAI_NONAME;
}

static volatile sig_atomic_t on_main, elsewhere, stop;
static pid_t main_thread;

static void handler(int number)
{
    (void)number;
    if ((pid_t)syscall(SYS_gettid) == main_thread)
        on_main = 1;
    else
        elsewhere = 1;
}

static void *storm(void *argument)
{
    while (!stop)
        kill(getpid(), SIGUSR1);
    return argument;
}

static void library_threads_run_no_handler_while_they_start(void)
{
    main_thread = getpid();
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = handler;
    action.sa_flags = SA_RESTART;
    CHECK(sigaction(SIGUSR1, &action, NULL) == 0);
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_t thread;
    check_start(&thread, storm, NULL);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    /* Each round starts a network thread and one that looks a name up. */
    uint64_t until = check_now_ms() + 2000;
    for (int rounds = 0; rounds < 200 || check_now_ms() < until; rounds++) {
        midisock_port *server, *client;
        CHECK_OK(midisock_listen("127.0.0.1", 0, NULL, &server));
        CHECK_OK(midisock_connect("some.name", 9, NULL, &client));
        midisock_close(client);
        midisock_close(server);
    }
    stop = 1;
    check_join(thread);
    CHECK(on_main);
    CHECK(!elsewhere);
    sigset_t after;
    pthread_sigmask(SIG_SETMASK, NULL, &after);
    CHECK_INT(sigismember(&before, SIGUSR1), sigismember(&after, SIGUSR1));
    CHECK_INT(sigismember(&before, SIGTERM), sigismember(&after, SIGTERM));
}

/* How far a thread came that has a cancellation pending. */
static volatile int steps;

/* From here on the next cancellation point ends the calling thread. */
static void cancel_myself(void)
{
    int before;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before);
    pthread_cancel(pthread_self());
    pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, &before);
}

/* Runs on a thread that is cancelled, and is so only after all its steps. */
static void survives(void *(*run)(void *), int expected)
{
    pthread_t thread;
    steps = 0;
    check_start(&thread, run, NULL);
    void *result = NULL;
    CHECK(pthread_join(thread, &result) == 0);
    CHECK_INT(expected, steps);
    CHECK(result == PTHREAD_CANCELED);
}

static void *control_calls(void *argument)
{
    midisock_port *server = NULL, *client = NULL, *named = NULL, *a = NULL, *b = NULL;
    midisock_notification notification;
    midisock_config config = check_config();
    cancel_myself();
    CHECK_OK(midisock_listen("127.0.0.1", 0, &config, &server));
    steps++;
    CHECK_OK(midisock_connect("localhost", midisock_local_port(server), &config, &client));
    CHECK_OK(midisock_wait_connected(client, DEADLINE_MS));
    steps++;
    CHECK_RESULT(MIDISOCK_ERR_ADDRESS, midisock_listen("some.name", 0, &config, &named));
    steps++;
    CHECK_RESULT(MIDISOCK_ERR_TIMEOUT, midisock_wait(client, MIDISOCK_WAIT_MESSAGE, 5));
    CHECK_OK(midisock_flush(client, DEADLINE_MS));
    CHECK_OK(midisock_poll_notification(client, &notification));
    steps++;
    CHECK_OK(midisock_pair(&config, &a, &b));
    midisock_close(a);
    midisock_close(b);
    CHECK_OK(midisock_shutdown(client));
    midisock_close(client);
    midisock_close(server);
    steps++;
    pthread_testcancel();
    return argument;
}

static void a_pending_cancellation_waits_for_control_calls(void)
{
    survives(control_calls, 5);
}

static midisock_port *pushing;

static void *realtime_calls(void *argument)
{
    midisock_message message;
    cancel_myself();
    /* Each push after a sleep of the network thread wakes it by a system call. */
    for (int i = 0; i < 50; i++) {
        CHECK_OK(midisock_push(pushing, BYTES(0x90, 60, 100)));
        CHECK_OK(midisock_panic(pushing));
        CHECK_RESULT(MIDISOCK_EMPTY, midisock_pop(pushing, &message));
        uint64_t until = midisock_now_ns() + 2000000;
        while (midisock_now_ns() < until)
            ;
        steps++;
    }
    pthread_testcancel();
    return argument;
}

static void a_push_that_wakes_is_no_cancellation_point(void)
{
    midisock_config config = check_config();
    config.wake = MIDISOCK_WAKE_SIGNAL;
    midisock_port *server = check_listen(&config);
    pushing = check_connect(server, &config);
    survives(realtime_calls, 50);
    midisock_close(pushing);
    midisock_close(server);
}

int main(int argc, char **argv)
{
    static const check_case cases[] = {
        CASE(library_threads_run_no_handler_while_they_start),
        CASE(a_pending_cancellation_waits_for_control_calls),
        CASE(a_push_that_wakes_is_no_cancellation_point),
    };
    return check_main(argc, argv, CASES(cases));
}
