/* The network thread's timers, and the priority that it asks the system for. */
#define _GNU_SOURCE
#include "check.h"
#include "raw.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>
#if !defined(_WIN32)
#include <sys/resource.h>
#include <sys/syscall.h>
#endif

#if !defined(_WIN32)
static void only_its_own_timers_are_exact(void)
{
    midisock_port *server = check_listen(NULL);
    const pid_t threads[] = {0, getpid()};
    for (int i = 0; i < 2; i++) {
        pid_t thread = threads[i];
        if (thread == 0)
            thread = check_network_thread();
        char path[64];
        long slack = -1;
        snprintf(path, sizeof path, "/proc/%d/timerslack_ns", (int)thread);
        uint64_t until = check_now_ms() + DEADLINE_MS;
        do { /* it sets it when it starts */
            FILE *file = fopen(path, "r");
            if (file == NULL || fscanf(file, "%ld", &slack) != 1)
                check_skip("this kernel does not tell the timer slack");
            fclose(file);
        } while (i == 0 && slack > 1000 && check_now_ms() < until);
        if (i == 0)
            CHECK(slack <= 1000);
        else
            CHECK(slack > 1000);
    }
    midisock_close(server);
}
#endif

static void it_reports_how_late_it_woke(void)
{
    midisock_port *server = check_listen(NULL);
    midisock_port *client = check_connect(server, NULL);
    CHECK_SOON(check_stats(client).network_wakes > 10);
    CHECK_SOON(check_stats(client).network_late_max_ns > 0);
    midisock_stats s = check_stats(client);
    CHECK(s.network_late_ns <= s.network_late_max_ns + check_stats(server).network_late_max_ns);
    CHECK_INT(0, s.network_priority);
    midisock_close(client);
    midisock_close(server);
    midisock_port *a = NULL;
    midisock_port *b = NULL;
    CHECK_OK(midisock_pair(NULL, &a, &b));
    CHECK_INT(0, check_stats(a).network_wakes);
    midisock_close(a);
    midisock_close(b);
}

#if defined(_WIN32)

/* There is one priority, time-critical, which no user is refused. */
static void a_priority_is_time_critical(void)
{
    midisock_port *server = check_listen(NULL);
    midisock_config c = check_config();
    c.realtime_priority = 5;
    midisock_port *client = check_connect(server, &c);
    CHECK_COUNT(server, network_priority, 15);
    CHECK_OK(midisock_set_realtime_priority(server, UINT32_MAX));
    CHECK_COUNT(client, network_priority, 15);
    midisock_close(client);
    CHECK_COUNT(server, network_priority, 15);
    CHECK_OK(midisock_set_realtime_priority(server, 0));
    CHECK_COUNT(server, network_priority, 0);
    midisock_close(server);
}

#else

/* musl's sched_getscheduler is a stub: the kernel is asked. 0: the calling thread. */
static int policy_of(int thread)
{
    /* Without what is inherited or not. */
    return (int)syscall(SYS_sched_getscheduler, thread) & ~SCHED_RESET_ON_FORK;
}

static int policy_of_network_thread(void)
{
    return policy_of(check_network_thread());
}

/* Of the calling thread; 0, or the error's number. */
static int set_policy(int policy, int priority)
{
    struct sched_param parameters;
    memset(&parameters, 0, sizeof parameters);
    parameters.sched_priority = priority;
    return pthread_setschedparam(pthread_self(), policy, &parameters);
}

static void need_realtime(void)
{
    if (set_policy(SCHED_FIFO, 1) != 0)
        check_skip("no realtime priority for this user");
    CHECK_INT(0, set_policy(SCHED_OTHER, 0));
}

static void a_priority_that_is_given(void)
{
    need_realtime();
    midisock_port *plain = check_listen(NULL);
    midisock_config c = check_config();
    c.realtime_priority = 5;
    midisock_port *server = check_listen(&c);
    CHECK_COUNT(server, network_priority, 5);
    CHECK_COUNT(plain, network_priority, 5); /* there is one thread */
    CHECK_INT(SCHED_FIFO, policy_of_network_thread());
    CHECK_INT(SCHED_OTHER, policy_of(0));
    c.realtime_priority = UINT32_MAX; /* the highest there is */
    midisock_port *client = check_connect(server, &c);
    CHECK_COUNT(client, network_priority, sched_get_priority_max(SCHED_FIFO));
    CHECK_OK(midisock_push(client, BYTES(0xf6)));
    EXPECT(server, 0xf6);
    midisock_notification n;
    while (midisock_poll_notification(client, &n) == MIDISOCK_OK)
        CHECK(n.kind != MIDISOCK_NOTIFY_PRIORITY_REFUSED);
    /* With the ports that want it it goes. */
    midisock_close(client);
    midisock_close(server);
    CHECK_COUNT(plain, network_priority, 0);
    CHECK_INT(SCHED_OTHER, policy_of_network_thread());
    midisock_close(plain);
}

static void a_priority_that_is_asked_for_later(void)
{
    need_realtime();
    midisock_port *server = check_listen(NULL);
    midisock_config c = check_config();
    c.realtime_priority = 5;
    midisock_port *client = check_connect(server, &c);
    CHECK_COUNT(server, network_priority, 5);
    /* The highest counts, and a port that takes back its wish does not take that of another. */
    CHECK_OK(midisock_set_realtime_priority(server, 7));
    CHECK_COUNT(client, network_priority, 7);
    CHECK_INT(SCHED_FIFO, policy_of_network_thread());
    CHECK_OK(midisock_set_realtime_priority(server, 3));
    CHECK_COUNT(client, network_priority, 5);
    CHECK_OK(midisock_set_realtime_priority(client, 0));
    CHECK_COUNT(client, network_priority, 3);
    CHECK_OK(midisock_set_realtime_priority(server, 0));
    CHECK_COUNT(client, network_priority, 0);
    CHECK_INT(SCHED_OTHER, policy_of_network_thread());
    CHECK_OK(midisock_set_realtime_priority(client, UINT32_MAX));
    CHECK_COUNT(server, network_priority, sched_get_priority_max(SCHED_FIFO));
    CHECK_OK(midisock_push(client, BYTES(0xf6)));
    EXPECT(server, 0xf6);
    /* One that goes asks for nothing any more. */
    midisock_close(client);
    CHECK_COUNT(server, network_priority, 0);
    midisock_close(server);
    midisock_port *a = NULL;
    midisock_port *b = NULL;
    CHECK_OK(midisock_pair(NULL, &a, &b));
    CHECK_OK(midisock_set_realtime_priority(a, 5));
    CHECK_INT(0, check_stats(a).network_priority);
    midisock_close(a);
    midisock_close(b);
}

static void a_priority_that_is_refused(void)
{
    const struct rlimit none = {0, 0};
    CHECK_INT(0, setrlimit(RLIMIT_RTPRIO, &none));
    if (geteuid() == 0)
        CHECK_INT(0, setuid(65534));
    if (set_policy(SCHED_FIFO, 1) == 0)
        check_skip("this user cannot be refused a realtime priority");
    midisock_config c = check_config();
    c.realtime_priority = 5;
    midisock_port *server = check_listen(&c);
    midisock_notification n = NOTIFIED(server, MIDISOCK_NOTIFY_PRIORITY_REFUSED);
    CHECK_RESULT(MIDISOCK_ERR_PERMISSION, n.reason);
    CHECK_INT(EPERM, n.os_error);
    CHECK_INT(0, n.client);
    CHECK_INT(0, check_stats(server).network_priority);
    /* It works all the same. */
    midisock_port *client = check_connect(server, NULL);
    CHECK_OK(midisock_push(client, BYTES(0xf6)));
    EXPECT(server, 0xf6);
    /* Whoever asks later is told too, and each time; whoever takes his wish back is not. */
    NOTIFIED(client, MIDISOCK_NOTIFY_CONNECTED);
    CHECK_OK(midisock_set_realtime_priority(client, 4));
    CHECK_RESULT(MIDISOCK_ERR_PERMISSION, NOTIFIED(client, MIDISOCK_NOTIFY_PRIORITY_REFUSED).reason);
    CHECK_OK(midisock_set_realtime_priority(client, 6));
    CHECK_RESULT(MIDISOCK_ERR_PERMISSION, NOTIFIED(client, MIDISOCK_NOTIFY_PRIORITY_REFUSED).reason);
    CHECK_OK(midisock_set_realtime_priority(client, 0));
    CHECK_OK(midisock_shutdown(server));
    for (n.kind = 0; n.kind != MIDISOCK_NOTIFY_DISCONNECTED;) {
        CHECK_OK(midisock_wait(client, MIDISOCK_WAIT_NOTIFICATION, DEADLINE_MS));
        CHECK_OK(midisock_poll_notification(client, &n));
        CHECK(n.kind != MIDISOCK_NOTIFY_PRIORITY_REFUSED);
    }
    midisock_close(client);
    midisock_close(server);
}

#endif

int main(int argc, char **argv)
{
    static const check_case cases[] = {
        UNIX_CASE(only_its_own_timers_are_exact)
        CASE(it_reports_how_late_it_woke),
#if defined(_WIN32)
        CASE(a_priority_is_time_critical),
#endif
        UNIX_CASE(a_priority_that_is_given)
        UNIX_CASE(a_priority_that_is_asked_for_later)
        UNIX_CASE(a_priority_that_is_refused)
    };
    return check_main(argc, argv, CASES(cases));
}
