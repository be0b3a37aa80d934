/* For Windows. ../common/platform.c is for POSIX systems. */
#include "../common/platform.h"

#include <winsock2.h>

#include <windows.h>

#include <shellapi.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef _MSC_VER
#pragma comment(lib, "shell32.lib") /* CommandLineToArgvW */
#endif

/* The numbers that the other systems have for a polite kill and a hang-up. */
#define STOP_TERMINATE 15
#define STOP_HANG_UP 1

static volatile LONG stop_signal;
static HANDLE stop_event; /* set as soon as stop_signal is */
static volatile LONG in_call; /* platform_begin_call */
static int call_stop_status, call_timeout_status;
static HANDLE call_timer;

/* Standard input, which a thread reads: nothing else can wait for pipes, files and
 * consoles alike, and for a request to stop. */
static struct {
    HANDLE thread;
    HANDLE full;  /* there are bytes, or the end, or an error */
    HANDLE empty; /* the thread may read on */
    char bytes[4096];
    DWORD size, at;
    int error; /* of errno; with a size of 0 and no error the input has ended */
} input;

static int error_number(DWORD error)
{
    switch (error) {
    case ERROR_BROKEN_PIPE:
    case ERROR_NO_DATA:
    case ERROR_PIPE_NOT_CONNECTED:
        return EPIPE;
    case ERROR_ACCESS_DENIED:
        return EACCES;
    case ERROR_DISK_FULL:
    case ERROR_HANDLE_DISK_FULL:
        return ENOSPC;
    case ERROR_INVALID_HANDLE:
        return EBADF;
    default:
        return EIO;
    }
}

static HANDLE handle_of(enum platform_stream stream)
{
    static const DWORD numbers[] = {STD_INPUT_HANDLE, STD_OUTPUT_HANDLE, STD_ERROR_HANDLE};
    return GetStdHandle(numbers[stream]);
}

static UINT code_page_before;

/* It is the console's, and other programs use that afterwards. */
static void give_code_page_back(void)
{
    SetConsoleOutputCP(code_page_before);
}

/* main gets the arguments in the code page of the system, which lacks most characters. */
static void take_arguments(int argc, char **argv)
{
    int count = 0, i;
    LPWSTR *wide = CommandLineToArgvW(GetCommandLineW(), &count);
    for (i = 0; wide != NULL && count == argc && i < argc; i++) {
        int size = WideCharToMultiByte(CP_UTF8, 0, wide[i], -1, NULL, 0, NULL, NULL);
        char *text = size > 0 ? malloc((size_t)size) : NULL;
        if (text != NULL && WideCharToMultiByte(CP_UTF8, 0, wide[i], -1, text, size, NULL, NULL) == size)
            argv[i] = text; /* for as long as the program runs */
    }
    LocalFree(wide);
}

void platform_begin(int argc, char **argv)
{
    /* Sockets and files do not take the place of a standard handle there, and a pipe
     * without a reader raises no signal. */
    stop_event = CreateEventA(NULL, TRUE, FALSE, NULL);
    code_page_before = GetConsoleOutputCP();
    if (code_page_before != 0 && SetConsoleOutputCP(CP_UTF8))
        atexit(give_code_page_back);
    take_arguments(argc, argv);
}

FILE *platform_open(const char *path, const char *mode)
{
    WCHAR wide_path[4096], wide_mode[8];
    if (MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, path, -1, wide_path, 4096) == 0 ||
        MultiByteToWideChar(CP_UTF8, 0, mode, -1, wide_mode, 8) == 0) {
        errno = EINVAL;
        return NULL;
    }
    return _wfopen(wide_path, wide_mode);
}

static void end_now(int status)
{
    TerminateProcess(GetCurrentProcess(), (UINT)status);
}

static void stop_in_call(int number)
{
    if (in_call)
        end_now(call_stop_status >= 0 ? call_stop_status : 128 + number);
}

/* Windows calls it on a thread of its own. */
static BOOL WINAPI on_stop(DWORD event)
{
    LONG number = event == CTRL_C_EVENT ? SIGINT : event == CTRL_BREAK_EVENT ? STOP_TERMINATE : STOP_HANG_UP;
    if (InterlockedCompareExchange(&stop_signal, number, 0) != 0)
        return FALSE; /* the second one ends the program */
    SetEvent(stop_event);
    stop_in_call((int)number);
    return TRUE;
}

static VOID CALLBACK on_timeout(PVOID argument, BOOLEAN fired)
{
    (void)argument;
    (void)fired;
    if (in_call)
        end_now(call_timeout_status);
}

void platform_begin_call(int stop_status, int32_t timeout_ms, int timeout_status)
{
    call_stop_status = stop_status;
    call_timeout_status = timeout_status;
    InterlockedExchange(&in_call, 1);
    if (timeout_ms > 0)
        CreateTimerQueueTimer(&call_timer, NULL, on_timeout, NULL, (DWORD)timeout_ms, 0, WT_EXECUTEONLYONCE);
    if (stop_signal) /* it came just before */
        stop_in_call((int)stop_signal);
}

void platform_end_call(void)
{
    InterlockedExchange(&in_call, 0);
    if (call_timer != NULL)
        DeleteTimerQueueTimer(NULL, call_timer, NULL);
    call_timer = NULL;
}

void platform_catch_stop(void)
{
    SetConsoleCtrlHandler(on_stop, TRUE);
}

int platform_stopped(void)
{
    return (int)stop_signal;
}

int platform_sleep_ms(uint32_t milliseconds)
{
    WaitForSingleObject(stop_event, milliseconds);
    return (int)stop_signal;
}

void platform_nap(void)
{
    Sleep(1);
}

int platform_write(enum platform_stream stream, const char *data, size_t size)
{
    while (size > 0) {
        DWORD wrote = 0;
        DWORD most = size < 4096 ? (DWORD)size : 4096;
        if (!WriteFile(handle_of(stream), data, most, &wrote, NULL))
            return error_number(GetLastError());
        data += wrote;
        size -= wrote;
        if (size > 0 && stop_signal && stream != PLATFORM_ERROR)
            return EINTR;
    }
    return 0;
}

static DWORD WINAPI read_input(LPVOID argument)
{
    (void)argument;
    do {
        input.at = 0;
        input.error = 0;
        if (!ReadFile(handle_of(PLATFORM_INPUT), input.bytes, sizeof input.bytes, &input.size, NULL)) {
            input.size = 0;
            input.error = GetLastError() == ERROR_BROKEN_PIPE ? 0 : error_number(GetLastError());
        }
        SetEvent(input.full);
        WaitForSingleObject(input.empty, INFINITE);
    } while (input.size > 0);
    return 0;
}

int platform_read(char *buffer, size_t capacity, int32_t wait_ms, size_t *size, int *error)
{
    HANDLE either[2];
    DWORD rest, i;
    *size = 0;
    if (input.thread == NULL) {
        input.full = CreateEventA(NULL, TRUE, FALSE, NULL);
        input.empty = CreateEventA(NULL, FALSE, FALSE, NULL);
        input.thread = CreateThread(NULL, 0, read_input, NULL, 0, NULL);
    }
    either[0] = stop_event;
    either[1] = input.full;
    if (WaitForMultipleObjects(2, either, FALSE, wait_ms < 0 ? INFINITE : (DWORD)wait_ms) != WAIT_OBJECT_0 + 1)
        return 1;
    if (input.size == 0) {
        *error = input.error;
        return input.error ? -1 : 0;
    }
    rest = input.size - input.at;
    if (rest > capacity)
        rest = (DWORD)capacity;
    for (i = 0; i < rest; i++)
        buffer[i] = input.bytes[input.at++];
    *size = rest;
    if (input.at == input.size) {
        ResetEvent(input.full);
        SetEvent(input.empty);
    }
    return 1;
}

int platform_terminal_columns(enum platform_stream stream)
{
    CONSOLE_SCREEN_BUFFER_INFO info;
    int columns;
    if (!GetConsoleScreenBufferInfo(handle_of(stream), &info))
        return 0;
    columns = info.srWindow.Right - info.srWindow.Left + 1;
    return columns > 0 ? columns : 80;
}

int platform_errno(int os_error)
{
    switch (os_error) {
    case WSAECONNRESET:
    case WSAECONNABORTED:
        return ECONNRESET;
    case WSAESHUTDOWN:
    case WSAEDISCON:
        return EPIPE;
    case WSAEINVAL:
        return EINVAL;
    default:
        return os_error;
    }
}

void platform_time_of_day(uint64_t ago_ns, char *text, size_t capacity)
{
    FILETIME now, then_utc, then;
    SYSTEMTIME parts;
    ULARGE_INTEGER units; /* of 100 ns */
    GetSystemTimeAsFileTime(&now);
    units.LowPart = now.dwLowDateTime;
    units.HighPart = now.dwHighDateTime;
    units.QuadPart -= ago_ns / 100;
    then_utc.dwLowDateTime = units.LowPart;
    then_utc.dwHighDateTime = units.HighPart;
    if (!FileTimeToLocalFileTime(&then_utc, &then) || !FileTimeToSystemTime(&then, &parts))
        memset(&parts, 0, sizeof parts);
    snprintf(text, capacity, "%02u:%02u:%02u.%06lu", (unsigned)parts.wHour, (unsigned)parts.wMinute,
             (unsigned)parts.wSecond, (unsigned long)(units.QuadPart % 10000000u / 10));
}
