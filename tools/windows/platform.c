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

static WCHAR *wide_of(UINT page, const char *text)
{
    int size = MultiByteToWideChar(page, 0, text, -1, NULL, 0);
    WCHAR *wide = size > 0 ? malloc((size_t)size * sizeof *wide) : NULL;
    if (wide != NULL)
        MultiByteToWideChar(page, 0, text, -1, wide, size);
    return wide;
}

static char *text_of(UINT page, const WCHAR *wide)
{
    int size = WideCharToMultiByte(page, 0, wide, -1, NULL, 0, NULL, NULL);
    char *text = size > 0 ? malloc((size_t)size) : NULL;
    if (text != NULL)
        WideCharToMultiByte(page, 0, wide, -1, text, size, NULL, NULL);
    return text;
}

/* main gets the arguments in the code page of the system, which lacks most characters. The
 * command line has them all, but where the C library put names of files for a '*' the
 * argument is another one. */
static void take_arguments(int argc, char **argv)
{
    int count = 0, i;
    LPWSTR *words = CommandLineToArgvW(GetCommandLineW(), &count);
    for (i = 0; i < argc; i++) {
        char *same = words != NULL && count == argc ? text_of(CP_ACP, words[i]) : NULL;
        WCHAR *own = same != NULL && strcmp(same, argv[i]) == 0 ? NULL : wide_of(CP_ACP, argv[i]);
        char *text = own != NULL ? text_of(CP_UTF8, own) : same != NULL ? text_of(CP_UTF8, words[i]) : NULL;
        if (text != NULL)
            argv[i] = text; /* for as long as the program runs */
        free(own);
        free(same);
    }
    if (words != NULL)
        LocalFree(words);
}

void platform_begin(int argc, char **argv)
{
    /* Sockets and files do not take the place of a standard handle there, and a pipe
     * without a reader raises no signal. */
    stop_event = CreateEventA(NULL, TRUE, FALSE, NULL);
    take_arguments(argc, argv);
}

FILE *platform_open(const char *path, const char *mode)
{
    WCHAR *wide_path = wide_of(CP_UTF8, path), *wide_mode = wide_of(CP_UTF8, mode);
    FILE *file = NULL;
    errno = ENOMEM;
    if (wide_path != NULL && wide_mode != NULL)
        file = _wfopen(wide_path, wide_mode);
    free(wide_path);
    free(wide_mode);
    return file;
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

/* Writes a part of it; 0, or the system's error number. */
static int write_part(HANDLE handle, const char *data, size_t size, size_t *part)
{
    enum { MOST = 4096 };
    WCHAR wide[MOST];
    DWORD mode, wrote = 0;
    int units;
    *part = size < MOST ? size : MOST;
    if (!GetConsoleMode(handle, &mode)) {
        if (!WriteFile(handle, data, (DWORD)*part, &wrote, NULL))
            return error_number(GetLastError());
        *part = wrote;
        return 0;
    }
    /* A console has a code page of its own, which is not UTF-8. No character is cut. */
    while (*part > 1 && *part < size && ((unsigned char)data[*part] & 0xc0) == 0x80)
        --*part;
    units = MultiByteToWideChar(CP_UTF8, 0, data, (int)*part, wide, MOST);
    return WriteConsoleW(handle, wide, (DWORD)units, &wrote, NULL) ? 0 : error_number(GetLastError());
}

int platform_write(enum platform_stream stream, const char *data, size_t size)
{
    while (size > 0) {
        size_t part;
        int error = write_part(handle_of(stream), data, size, &part);
        if (error)
            return error;
        data += part;
        size -= part;
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
