#define _GNU_SOURCE
#include "clock.h"

#if defined(__linux__)

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x80
#endif

/* Children of this process have the clock from now on. Whether the system allows it. */
static int shift_clock_of_children(unsigned ahead_s)
{
    char text[64];
    int length = snprintf(text, sizeof text, "monotonic %u 0\n", ahead_s);
    if (unshare(CLONE_NEWTIME) < 0 && unshare(CLONE_NEWUSER | CLONE_NEWTIME) < 0)
        return 0;
    int fd = open("/proc/self/timens_offsets", O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    int is_set = write(fd, text, (size_t)length) == length;
    close(fd);
    return is_set;
}

static int ends_well(pid_t process)
{
    int status = 0;
    while (waitpid(process, &status, 0) < 0)
        CHECK(errno == EINTR);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

void need_own_clock(void)
{
    pid_t probe = fork();
    CHECK(probe >= 0);
    if (probe == 0)
        _exit(!shift_clock_of_children(1));
    if (!ends_well(probe))
        check_skip("no time namespaces here: neither root nor user namespaces");
}

pid_t fork_with_clock(unsigned ahead_s)
{
    /* The namespace begins with the children of the process that asks for it. */
    pid_t between = fork();
    CHECK(between >= 0);
    if (between != 0)
        return between;
    prctl(PR_SET_PDEATHSIG, 9);
    if (ahead_s == 0)
        return 0;
    CHECK(shift_clock_of_children(ahead_s));
    pid_t child = fork();
    CHECK(child >= 0);
    if (child != 0)
        _exit(!ends_well(child));
    prctl(PR_SET_PDEATHSIG, 9);
    return 0;
}

#else

void need_own_clock(void)
{
    check_skip("time namespaces are Linux'");
}

pid_t fork_with_clock(unsigned ahead_s)
{
    (void)ahead_s;
    return -1;
}

#endif
