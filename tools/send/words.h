/* Words to things to do: "note-on 0 60 100 sleep 500 note-off 0 60". */
#ifndef MIDISOCK_TOOLS_WORDS_H
#define MIDISOCK_TOOLS_WORDS_H

#include "script.h"

/* Adds what the words say; 0, or -1 with script->error set, and then perhaps
 * some of the actions have been added. The words must outlive the script; a
 * comma at the end of a word, which ends a message, is cut off. */
int words_add(struct script *script, char **words, size_t count);

#endif
