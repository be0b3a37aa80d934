/* The harness on Unix: fork(), and counts from /proc or from Apple's kernel. */
#define _POSIX_C_SOURCE 200809L
#include "check_system.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#if defined(__APPLE__)
#include <mach/mach.h>
#endif

void check_begin_system(void)
{
}

#if defined(__APPLE__)

unsigned check_threads(void)
{
    thread_act_array_t threads;
    mach_msg_type_number_t count = 0;
    if (task_threads(mach_task_self(), &threads, &count) != KERN_SUCCESS)
        check_fail(__FILE__, __LINE__, "task_threads failed");
    for (mach_msg_type_number_t i = 0; i < count; i++)
        mach_port_deallocate(mach_task_self(), threads[i]);
    vm_deallocate(mach_task_self(), (vm_address_t)threads, count * sizeof threads[0]);
    return count;
}

unsigned check_descriptors(void)
{
    unsigned count = 0;
    for (int fd = 0; fd < sysconf(_SC_OPEN_MAX); fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

static mach_task_basic_info_data_t memory_info(void)
{
    mach_task_basic_info_data_t info;
    mach_msg_type_number_t count = MACH_TASK_BASIC_INFO_COUNT;
    if (task_info(mach_task_self(), MACH_TASK_BASIC_INFO, (task_info_t)&info, &count) != KERN_SUCCESS)
        check_fail(__FILE__, __LINE__, "task_info failed");
    return info;
}

unsigned long check_resident_kb(void)
{
    return (unsigned long)(memory_info().resident_size / 1024);
}

unsigned long check_address_space_kb(void)
{
    return (unsigned long)(memory_info().virtual_size / 1024);
}

/* What all threads but this one have run. */
uint64_t check_network_thread_ns(void)
{
    struct timespec all, own;
    CHECK(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &all) == 0);
    CHECK(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &own) == 0);
    return (uint64_t)((all.tv_sec - own.tv_sec) * 1000000000 + (all.tv_nsec - own.tv_nsec));
}

void check_have_had_a_thread(void)
{
}

#else

static unsigned count_entries(const char *path)
{
    DIR *directory = opendir(path);
    if (directory == NULL)
        check_fail(__FILE__, __LINE__, "cannot read %s: %s", path, strerror(errno));
    unsigned count = 0;
    struct dirent *entry;
    while ((entry = readdir(directory)) != NULL)
        count += entry->d_name[0] != '.';
    closedir(directory);
    return count;
}

unsigned check_threads(void)
{
    return count_entries("/proc/self/task");
}

unsigned check_descriptors(void)
{
    /* Without the one that reads the directory. */
    return count_entries("/proc/self/fd") - 1;
}

/* 0: there is none, or it has not got its name yet. */
static int find_network_thread(void)
{
    int found = 0;
    DIR *tasks = opendir("/proc/self/task");
    if (tasks == NULL)
        check_fail(__FILE__, __LINE__, "cannot read /proc/self/task");
    for (struct dirent *entry; (entry = readdir(tasks)) != NULL;) {
        char path[300];
        char name[32] = "";
        snprintf(path, sizeof path, "/proc/self/task/%s/comm", entry->d_name);
        FILE *file = fopen(path, "r");
        if (file == NULL)
            continue; /* it has just ended */
        if (fgets(name, sizeof name, file) != NULL && strcmp(name, "midisock\n") == 0)
            found = atoi(entry->d_name);
        fclose(file);
    }
    closedir(tasks);
    return found;
}

int check_network_thread(void)
{
    int found = 0;
    CHECK_SOON((found = find_network_thread()) != 0);
    return found;
}

uint64_t check_network_thread_ns(void)
{
    char path[64];
    unsigned long long ran = 0;
    snprintf(path, sizeof path, "/proc/self/task/%d/schedstat", check_network_thread());
    FILE *file = fopen(path, "r");
    CHECK(file != NULL);
    CHECK_INT(1, fscanf(file, "%llu", &ran));
    fclose(file);
    return ran;
}

/* What the system tells of the process's memory: all of it, and how much is resident. */
static void count_memory(unsigned long *all_kb, unsigned long *resident_kb)
{
    unsigned long page_kb = (unsigned long)sysconf(_SC_PAGESIZE) / 1024;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file == NULL || fscanf(file, "%lu %lu", all_kb, resident_kb) != 2)
        check_fail(__FILE__, __LINE__, "cannot read /proc/self/statm");
    fclose(file);
    *all_kb *= page_kb;
    *resident_kb *= page_kb;
}

unsigned long check_resident_kb(void)
{
    unsigned long all = 0, resident = 0;
    count_memory(&all, &resident);
    return resident;
}

unsigned long check_address_space_kb(void)
{
    unsigned long all = 0, resident = 0;
    count_memory(&all, &resident);
    return all;
}

/* Writes where the system shows the thread that calls it. */
static void *tell_where(void *path_)
{
    char *path = path_;
    static const char proc[] = "/proc/";
    memcpy(path, proc, sizeof proc);
    ssize_t length = readlink("/proc/thread-self", path + sizeof proc - 1, 64);
    if (length < 0)
        check_fail(__FILE__, __LINE__, "/proc/thread-self: %s", strerror(errno));
    path[sizeof proc - 1 + (size_t)length] = 0;
    return NULL;
}

void check_have_had_a_thread(void)
{
    char path[80];
    pthread_t thread;
    check_start(&thread, tell_where, path);
    check_join(thread);
    /* It is shown for a moment longer, and must not be counted. */
    CHECK_SOON(access(path, F_OK) != 0);
}

#endif

int check_run_process(const check_case *one)
{
    fflush(stdout);
    pid_t child = fork();
    if (child < 0) {
        printf("not ok %s: fork: %s\n", one->name, strerror(errno));
        return 0;
    }
    if (child == 0)
        check_run_case(one);
    int status = 0;
    uint64_t until = check_now_ms() + 1000 * check_case_seconds();
    for (;;) {
        pid_t ended = waitpid(child, &status, WNOHANG);
        if (ended == child)
            break;
        if (check_now_ms() > until) {
            kill(child, SIGKILL);
            waitpid(child, &status, 0);
            printf("not ok %s: still running after %u s\n", one->name, check_case_seconds());
            return 0;
        }
        check_pause();
    }
    if (WIFSIGNALED(status)) {
        printf("not ok %s: killed by signal %d (%s)\n", one->name, WTERMSIG(status),
               strsignal(WTERMSIG(status)));
        return 0;
    }
    switch (WEXITSTATUS(status)) {
    case CASE_PASSED:
    case CASE_SKIPPED:
        return 1;
    case CASE_FAILED:
        return 0;
    default:
        printf("not ok %s: exit status %d\n", one->name, WEXITSTATUS(status));
        return 0;
    }
}
