/* Words to messages: "note-on 0 60 100 sleep 500 note-off 0 60" becomes a
 * list of things to do. */
#ifndef MIDISOCK_TOOLS_WORDS_H
#define MIDISOCK_TOOLS_WORDS_H

#include <stddef.h>
#include <stdint.h>

enum action_kind {
    ACTION_MESSAGE,
    ACTION_PANIC,
    ACTION_SLEEP,
    ACTION_FILE, /* the caller knows what a file holds */
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
/* Forgets the actions, keeps the memory. */
void script_clear(struct script *script);

/* Adds what the words say; 0, or -1 with `error` set and perhaps a part of the
 * actions added. The words must outlive the script; a comma at the end of one,
 * which ends a message, is taken off it. */
int script_add_words(struct script *script, char **words, size_t count);

#endif
