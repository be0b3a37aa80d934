/* Slow name look-ups: this program has a getaddrinfo of its own that replaces
 * the system's. */
#define _POSIX_C_SOURCE 200809L
#include "check.h"

#include <netdb.h>
#include <string.h>

static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int let_go, begun, over;
} looking = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, 0, 0};

static void set(int *what, int value)
{
    pthread_mutex_lock(&looking.lock);
    *what = value;
    pthread_cond_broadcast(&looking.changed);
    pthread_mutex_unlock(&looking.lock);
}

static int get(const int *what)
{
    pthread_mutex_lock(&looking.lock);
    int value = *what;
    pthread_mutex_unlock(&looking.lock);
    return value;
}

/* Finds nothing, once it is let go. */
int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
                struct addrinfo **result)
{
    (void)node;
    (void)service;
    (void)hints;
    *result = NULL;
    pthread_mutex_lock(&looking.lock);
    looking.begun++;
    while (!looking.let_go)
        pthread_cond_wait(&looking.changed, &looking.lock);
    looking.over++;
    pthread_mutex_unlock(&looking.lock);
    return EAI_NONAME;
}

static midisock_port *looked_up(uint32_t linger_ms)
{
    midisock_config c = check_config();
    c.linger_ms = linger_ms;
    c.reconnect_max_ms = 0;
    set(&looking.let_go, 0);
    set(&looking.begun, 0);
    set(&looking.over, 0);
    midisock_port *port = NULL;
    CHECK_OK(midisock_connect("some.name", 9, &c, &port));
    CHECK_SOON(get(&looking.begun) == 1);
    return port;
}

typedef struct closing {
    midisock_port *port;
    int over_before; /* the look-up was, when close returned */
    int returned;
} closing;

static void *close_it(void *argument)
{
    closing *c = argument;
    midisock_close(c->port);
    c->over_before = get(&looking.over);
    set(&c->returned, 1);
    return NULL;
}

static void the_last_close_waits_for_it(void)
{
    /* Then no thread is left. */
    closing c = {looked_up(DEADLINE_MS), 0, 0};
    unsigned threads = check_threads();
    pthread_t thread;
    check_start(&thread, close_it, &c);
    /* Time enough for a close that does not wait. */
    uint64_t until = check_now_ms() + 200;
    while (!get(&c.returned) && check_now_ms() < until)
        check_pause();
    set(&looking.let_go, 1);
    check_join(thread);
    CHECK_INT(1, c.over_before);
    CHECK_SOON(check_threads() == threads - 2); /* the network thread and the look-up */
}

static void a_hanging_look_up_delays_no_other(void)
{
    closing c = {looked_up(50), 0, 0};
    close_it(&c);
    CHECK_INT(0, c.over_before);
    /* It ends by itself, and has nothing to tell anybody. */
    set(&looking.let_go, 1);
    CHECK_SOON(get(&looking.over) == 1);
}

static void a_name_that_is_not_found(void)
{
    midisock_port *port = looked_up(DEADLINE_MS);
    set(&looking.let_go, 1);
    CHECK_RESULT(MIDISOCK_ERR_ADDRESS, midisock_wait_connected(port, DEADLINE_MS));
    midisock_close(port);
    set(&looking.let_go, 1);
    CHECK_RESULT(MIDISOCK_ERR_ADDRESS, midisock_listen("some.name", 0, NULL, &port));
}

int main(int argc, char **argv)
{
    static const check_case cases[] = {
        CASE(the_last_close_waits_for_it),
        CASE(a_hanging_look_up_delays_no_other),
        CASE(a_name_that_is_not_found),
    };
    return check_main(argc, argv, CASES(cases));
}
