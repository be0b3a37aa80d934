/* Functions without a port: version, error texts, clock. */
#include "check.h"

#include <stdio.h>
#include <string.h>

static void version_function_is_the_macros(void)
{
    uint32_t macros = (uint32_t)MIDISOCK_VERSION_MAJOR << 16 |
                      (uint32_t)MIDISOCK_VERSION_MINOR << 8 | (uint32_t)MIDISOCK_VERSION_PATCH;
    CHECK_INT(macros, midisock_version());
}

static void version_string_is_the_macros(void)
{
    char macros[40];
    snprintf(macros, sizeof macros, "%d.%d.%d", (int)MIDISOCK_VERSION_MAJOR,
             (int)MIDISOCK_VERSION_MINOR, (int)MIDISOCK_VERSION_PATCH);
    CHECK_TEXT(macros, midisock_version_string());
}

static const midisock_result errors[] = {
    MIDISOCK_ERR_INVALID_ARGUMENT, MIDISOCK_ERR_INVALID_MESSAGE, MIDISOCK_ERR_TOO_LARGE,
    MIDISOCK_ERR_FULL,             MIDISOCK_ERR_CLOSED,          MIDISOCK_ERR_TIMEOUT,
    MIDISOCK_ERR_BUSY,             MIDISOCK_ERR_WRONG_ROLE,      MIDISOCK_ERR_NO_SUCH_CLIENT,
    MIDISOCK_ERR_ADDRESS,          MIDISOCK_ERR_ADDRESS_IN_USE,  MIDISOCK_ERR_PERMISSION,
    MIDISOCK_ERR_REFUSED,          MIDISOCK_ERR_UNREACHABLE,     MIDISOCK_ERR_IO,
    MIDISOCK_ERR_NO_RESOURCES,     MIDISOCK_ERR_INTERNAL,        MIDISOCK_ERR_UNSUPPORTED,
};
enum { ERRORS = sizeof errors / sizeof errors[0] };

static void result_codes_have_their_signs(void)
{
    CHECK_INT(0, MIDISOCK_OK);
    CHECK(MIDISOCK_EMPTY > 0);
    CHECK(MIDISOCK_OFFLINE > 0);
    CHECK(MIDISOCK_EMPTY != MIDISOCK_OFFLINE);
    for (int i = 0; i < ERRORS; i++) {
        CHECK(errors[i] < 0);
        for (int j = 0; j < i; j++)
            CHECK(errors[i] != errors[j]);
    }
}

static void every_code_has_its_own_text(void)
{
    midisock_result all[ERRORS + 3] = {MIDISOCK_OK, MIDISOCK_EMPTY, MIDISOCK_OFFLINE};
    memcpy(all + 3, errors, sizeof errors);
    for (int i = 0; i < ERRORS + 3; i++) {
        const char *text = midisock_strerror(all[i]);
        CHECK(text != NULL);
        CHECK(text[0] != '\0');
        CHECK(text == midisock_strerror(all[i])); /* static */
        for (int j = 0; j < i; j++)
            CHECK(strcmp(text, midisock_strerror(all[j])) != 0);
    }
}

static void unknown_codes_have_a_text(void)
{
    const midisock_result unknown[] = {3, 1000, -1000, INT32_MAX, INT32_MIN, INT32_MIN + 1};
    for (size_t i = 0; i < sizeof unknown / sizeof unknown[0]; i++) {
        const char *text = midisock_strerror(unknown[i]);
        CHECK(text != NULL);
        CHECK(text[0] != '\0');
        for (int j = 0; j < ERRORS; j++)
            CHECK(strcmp(text, midisock_strerror(errors[j])) != 0);
    }
}

static void constants_are_distinct(void)
{
    const int32_t states[] = {MIDISOCK_STATE_BINDING, MIDISOCK_STATE_LISTENING,
                              MIDISOCK_STATE_CONNECTING, MIDISOCK_STATE_CONNECTED,
                              MIDISOCK_STATE_CLOSED};
    const int32_t kinds[] = {MIDISOCK_NOTIFY_CONNECTED,   MIDISOCK_NOTIFY_CONNECT_FAILED, MIDISOCK_NOTIFY_DISCONNECTED,
                             MIDISOCK_NOTIFY_CLIENT_JOINED, MIDISOCK_NOTIFY_CLIENT_LEFT,  MIDISOCK_NOTIFY_CONGESTED,
                             MIDISOCK_NOTIFY_RECOVERED};
    for (size_t i = 0; i < 5; i++) {
        CHECK(states[i] != 0); /* 0 is the state of no port */
        for (size_t j = 0; j < i; j++)
            CHECK(states[i] != states[j]);
    }
    for (size_t i = 0; i < 7; i++)
        for (size_t j = 0; j < i; j++)
            CHECK(kinds[i] != kinds[j]);
    const uint32_t waits[] = {MIDISOCK_WAIT_MESSAGE, MIDISOCK_WAIT_ROOM,
                              MIDISOCK_WAIT_NOTIFICATION, MIDISOCK_WAIT_CLIENT};
    uint32_t seen = 0;
    for (size_t i = 0; i < 4; i++) {
        CHECK(waits[i] != 0 && (waits[i] & (waits[i] - 1)) == 0);
        CHECK((seen & waits[i]) == 0);
        seen |= waits[i];
    }
    CHECK(MIDISOCK_FLAG_SYNTHETIC != 0 && MIDISOCK_FLAG_STILL_HELD != 0);
    CHECK((MIDISOCK_FLAG_SYNTHETIC & MIDISOCK_FLAG_STILL_HELD) == 0);
    CHECK(MIDISOCK_FLAG_TIMED != 0 && (MIDISOCK_FLAG_TIMED & (MIDISOCK_FLAG_SYNTHETIC | MIDISOCK_FLAG_STILL_HELD)) == 0);
    CHECK((MIDISOCK_BLOCK_FREEWHEEL & MIDISOCK_BLOCK_DISCONTINUITY) == 0);
    CHECK(MIDISOCK_ACCEPT_MERGED != MIDISOCK_ACCEPT_MANUAL);
    CHECK(MIDISOCK_OVERFLOW_AUTO != MIDISOCK_OVERFLOW_WAIT);
    CHECK(MIDISOCK_OVERFLOW_AUTO != MIDISOCK_OVERFLOW_REPAIR);
    CHECK(MIDISOCK_OVERFLOW_WAIT != MIDISOCK_OVERFLOW_REPAIR);
    CHECK(MIDISOCK_WAKE_TICK != MIDISOCK_WAKE_SIGNAL);
}

static void frozen_structs_have_their_layout(void)
{
    CHECK_INT(0, offsetof(midisock_message, time_ns));
    CHECK_INT(8, offsetof(midisock_message, data));
    CHECK_INT(8 + sizeof(void *), offsetof(midisock_message, size));
    CHECK_INT(12 + sizeof(void *), offsetof(midisock_message, client));
    CHECK_INT(16 + sizeof(void *), offsetof(midisock_message, frame));
    CHECK_INT(20 + sizeof(void *), offsetof(midisock_message, flags));
    CHECK_INT(24 + sizeof(void *), offsetof(midisock_message, reserved));
    CHECK_INT(40, sizeof(midisock_block));
    CHECK_INT(32, offsetof(midisock_block, position)); /* and what is before it is the block of 0.1 */
    CHECK_INT(16, offsetof(midisock_block, sample_rate));
    CHECK_INT(96, sizeof(midisock_notification));
    CHECK_INT(24, offsetof(midisock_notification, address));
}

static void clock_never_goes_back(void)
{
    uint64_t last = midisock_now_ns();
    CHECK(last != 0);
    for (int i = 0; i < 200000; i++) {
        uint64_t now = midisock_now_ns();
        CHECK(now >= last);
        last = now;
    }
}

static void clock_is_the_monotonic_one(void)
{
    /* check_now_ms reads CLOCK_MONOTONIC: the same origin, the same pace. */
    uint64_t begin_ms = check_now_ms();
    uint64_t begin_ns = midisock_now_ns();
    CHECK(begin_ns / 1000000 >= begin_ms);
    CHECK(begin_ns / 1000000 < begin_ms + DEADLINE_MS);
    CHECK_SOON(midisock_now_ns() - begin_ns >= 50000000);
    CHECK(check_now_ms() - begin_ms >= 49);
}

int main(int argc, char **argv)
{
    static const check_case cases[] = {
        CASE(version_function_is_the_macros), CASE(version_string_is_the_macros),
        CASE(result_codes_have_their_signs),  CASE(every_code_has_its_own_text),
        CASE(unknown_codes_have_a_text),      CASE(constants_are_distinct),
        CASE(frozen_structs_have_their_layout), CASE(clock_never_goes_back),
        CASE(clock_is_the_monotonic_one),
    };
    return check_main(argc, argv, CASES(cases));
}
