/* A list of things to do: messages to send, times to wait, files to play. */
#ifndef MIDISOCK_TOOLS_SCRIPT_H
#define MIDISOCK_TOOLS_SCRIPT_H

#include <stddef.h>
#include <stdint.h>

enum action_kind {
    ACTION_MESSAGE,
    ACTION_PANIC,
    ACTION_SLEEP,
    ACTION_FILE, /* what is in a file is the caller's to find out */
    ACTION_INPUT /* "-": words from standard input */
};

struct action {
    enum action_kind kind;
    size_t offset, size; /* a message, in the script's bytes */
    uint32_t sleep_ms;
    const char *path; /* points to the word that was given */
};

struct script {
    struct action *actions;
    size_t count, capacity;
    uint8_t *bytes;
    size_t used, room;
    char error[200]; /* why the last call failed */
};

void script_init(struct script *script);
void script_free(struct script *script);
/* Removes the actions, keeps the memory. */
void script_clear(struct script *script);

/* These return 0, or -1 with `error` set. */
int script_add_action(struct script *script, enum action_kind kind, uint32_t sleep_ms, const char *path);
int script_add_message(struct script *script, const uint8_t *data, size_t size);
#if defined(__GNUC__)
__attribute__((format(printf, 2, 3)))
#endif
int script_fail(struct script *script, const char *format, ...);

#endif
