#include "message_list.h"

#include <stdlib.h>
#include <string.h>

static struct list_event *add_event(struct message_list *list, uint64_t tick)
{
    struct list_event *event;
    if (list->count == list->capacity) {
        size_t capacity = list->capacity > 0 ? list->capacity * 2 : 256;
        struct list_event *grown =
            capacity > (size_t)-1 / sizeof *grown ? NULL : realloc(list->events, capacity * sizeof *grown);
        if (grown == NULL)
            return NULL;
        list->events = grown;
        list->capacity = capacity;
    }
    event = &list->events[list->count];
    memset(event, 0, sizeof *event);
    event->tick = tick;
    event->order = list->count++;
    return event;
}

int list_add_message(struct message_list *list, uint64_t tick, const uint8_t *data, size_t size)
{
    struct list_event *event;
    if (list->room - list->used < size) {
        size_t room = list->room * 2 > list->used + size ? list->room * 2 : list->used + size + 1024;
        uint8_t *grown = realloc(list->bytes, room);
        if (grown == NULL)
            return -1;
        list->bytes = grown;
        list->room = room;
    }
    event = add_event(list, tick);
    if (event == NULL)
        return -1;
    memcpy(list->bytes + list->used, data, size);
    event->offset = list->used;
    event->size = size;
    list->used += size;
    if (size > list->longest)
        list->longest = size;
    return 0;
}

int list_add_tempo(struct message_list *list, uint64_t tick, uint32_t tempo)
{
    struct list_event *event = add_event(list, tick);
    if (event != NULL)
        event->tempo = tempo;
    return event != NULL ? 0 : -1;
}

size_t list_keep_sysex(struct message_list *list)
{
    size_t i, kept = 0, others;
    for (i = 0; i < list->count; i++)
        if (list->bytes[list->events[i].offset] == 0xf0)
            list->events[kept++] = list->events[i];
    others = list->count - kept;
    list->count = kept;
    return others;
}

void list_free(struct message_list *list)
{
    free(list->events);
    free(list->bytes);
    memset(list, 0, sizeof *list);
}
