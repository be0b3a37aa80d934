#include "script.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void script_init(struct script *script)
{
    memset(script, 0, sizeof *script);
}

void script_free(struct script *script)
{
    free(script->actions);
    free(script->bytes);
    script_init(script);
}

void script_clear(struct script *script)
{
    script->count = 0;
    script->used = 0;
}

int script_fail(struct script *script, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(script->error, sizeof script->error, format, arguments);
    va_end(arguments);
    return -1;
}

static struct action *add(struct script *script, enum action_kind kind)
{
    struct action *action;
    if (script->count == script->capacity) {
        size_t capacity = script->capacity > 0 ? script->capacity * 2 : 16;
        struct action *grown = realloc(script->actions, capacity * sizeof *grown);
        if (grown == NULL) {
            script_fail(script, "out of memory");
            return NULL;
        }
        script->actions = grown;
        script->capacity = capacity;
    }
    action = &script->actions[script->count++];
    memset(action, 0, sizeof *action);
    action->kind = kind;
    return action;
}

int script_add_action(struct script *script, enum action_kind kind, uint32_t sleep_ms, const char *path)
{
    struct action *action = add(script, kind);
    if (action == NULL)
        return -1;
    action->sleep_ms = sleep_ms;
    action->path = path;
    return 0;
}

int script_add_message(struct script *script, const uint8_t *data, size_t size)
{
    struct action *action;
    if (script->room - script->used < size) {
        size_t room = (script->used + size) * 2;
        uint8_t *grown = realloc(script->bytes, room);
        if (grown == NULL)
            return script_fail(script, "out of memory");
        script->bytes = grown;
        script->room = room;
    }
    action = add(script, ACTION_MESSAGE);
    if (action == NULL)
        return -1;
    memcpy(script->bytes + script->used, data, size);
    action->offset = script->used;
    action->size = size;
    script->used += size;
    return 0;
}
