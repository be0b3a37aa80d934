/* The harness on Windows: the program starts itself again for each case. */
#include "../check_system.h"
#include "posix.h"

#include <windows.h>

#include <fcntl.h>
#include <io.h>
#include <psapi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tlhelp32.h>
#include <winternl.h>

void check_begin_system(void)
{
    /* Lines end as on other systems. */
    _setmode(_fileno(stdout), _O_BINARY);
    SetErrorMode(SEM_FAILCRITICALERRORS | SEM_NOGPFAULTERRORBOX);
    posix_begin();
}

/* A thread of the system's own pool begins in ntdll, and ends when it likes. */
static int is_of_system(DWORD id)
{
    const THREADINFOCLASS START_ADDRESS = (THREADINFOCLASS)9;
    HMODULE ntdll = GetModuleHandleA("ntdll.dll"), owner = NULL;
    HANDLE thread = OpenThread(THREAD_QUERY_INFORMATION, FALSE, id);
    void *start = NULL;
    if (thread == NULL)
        return 1; /* it has just ended */
    if (NtQueryInformationThread(thread, START_ADDRESS, &start, sizeof start, NULL) == 0)
        GetModuleHandleExA(GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS | GET_MODULE_HANDLE_EX_FLAG_UNCHANGED_REFCOUNT, start,
                           &owner);
    CloseHandle(thread);
    return owner == ntdll;
}

unsigned check_threads(void)
{
    HANDLE all = CreateToolhelp32Snapshot(TH32CS_SNAPTHREAD, 0);
    THREADENTRY32 entry;
    unsigned count = 0;
    memset(&entry, 0, sizeof entry);
    entry.dwSize = sizeof entry;
    if (all == INVALID_HANDLE_VALUE)
        check_fail(__FILE__, __LINE__, "no list of threads");
    for (BOOL more = Thread32First(all, &entry); more; more = Thread32Next(all, &entry))
        count += entry.th32OwnerProcessID == GetCurrentProcessId() && !is_of_system(entry.th32ThreadID);
    CloseHandle(all);
    return count;
}

/* The sockets of this process. Other handles belong to the system's libraries as well. */
unsigned check_descriptors(void)
{
    /* Handles are small multiples of 4, and one that is closed is soon used again. */
    enum { LONGEST_GAP = 500 };
    unsigned count = 0, gap = 0;
    for (uintptr_t handle = 4; gap < LONGEST_GAP; handle += 4) {
        int type;
        int size = sizeof type;
        DWORD flags;
        gap++;
        if (!GetHandleInformation((HANDLE)handle, &flags))
            continue;
        gap = 0;
        count += getsockopt((int)handle, SOL_SOCKET, SO_TYPE, &type, &size) == 0;
    }
    return count;
}

unsigned long check_resident_kb(void)
{
    PROCESS_MEMORY_COUNTERS counters;
    if (!K32GetProcessMemoryInfo(GetCurrentProcess(), &counters, sizeof counters))
        check_fail(__FILE__, __LINE__, "the system does not tell the memory");
    return (unsigned long)(counters.WorkingSetSize / 1024);
}

static uint64_t in_ns(FILETIME time)
{
    return (((uint64_t)time.dwHighDateTime << 32) + time.dwLowDateTime) * 100;
}

/* What all threads but this one have run. */
uint64_t check_network_thread_ns(void)
{
    FILETIME began, ended, all_kernel, all_user, own_kernel, own_user;
    CHECK(GetProcessTimes(GetCurrentProcess(), &began, &ended, &all_kernel, &all_user));
    CHECK(GetThreadTimes(GetCurrentThread(), &began, &ended, &own_kernel, &own_user));
    return in_ns(all_kernel) + in_ns(all_user) - in_ns(own_kernel) - in_ns(own_user);
}

void check_have_had_a_thread(void)
{
}

int check_run_process(const check_case *one)
{
    char path[MAX_PATH], line[MAX_PATH + 200];
    STARTUPINFOA start;
    PROCESS_INFORMATION made;
    DWORD status = 0;
    GetModuleFileNameA(NULL, path, sizeof path);
    snprintf(line, sizeof line, "\"%s\" " CHECK_CASE " %s", path, one->name);
    memset(&start, 0, sizeof start);
    start.cb = sizeof start;
    fflush(stdout);
    for (int tries = 1; !CreateProcessA(path, line, NULL, NULL, TRUE, 0, NULL, NULL, &start, &made); tries++) {
        /* Wine says so at times, and makes the next one. */
        if (GetLastError() == ERROR_INTERNAL_ERROR && tries < 10)
            continue;
        printf("not ok %s: CreateProcess: %lu\n", one->name, GetLastError());
        return 0;
    }
    if (WaitForSingleObject(made.hProcess, 1000 * check_case_seconds()) != WAIT_OBJECT_0) {
        TerminateProcess(made.hProcess, CASE_FAILED);
        WaitForSingleObject(made.hProcess, INFINITE);
        printf("not ok %s: still running after %u s\n", one->name, check_case_seconds());
        status = CASE_FAILED;
    } else {
        GetExitCodeProcess(made.hProcess, &status);
        if (status != CASE_PASSED && status != CASE_FAILED && status != CASE_SKIPPED)
            printf("not ok %s: exit status %#lx\n", one->name, status);
    }
    CloseHandle(made.hThread);
    CloseHandle(made.hProcess);
    return status == CASE_PASSED || status == CASE_SKIPPED;
}
