/* The messages of a file, in order, with their times. */
#ifndef MIDISOCK_TOOLS_MESSAGE_LIST_H
#define MIDISOCK_TOOLS_MESSAGE_LIST_H

#include <stddef.h>
#include <stdint.h>

struct list_event {
    uint64_t tick;    /* while a song is read */
    uint64_t time_ns; /* from the start of the song; 0 in a .syx file */
    size_t order;     /* its place in the file: keeps sorting stable */
    size_t offset;    /* its bytes, in `bytes`: one whole MIDI message */
    size_t size;      /* 0: a change of tempo, which is gone when the song is read */
    uint32_t tempo;   /* of such a change: microseconds in a quarter note */
};

struct message_list {
    struct list_event *events;
    size_t count, capacity;
    uint8_t *bytes;
    size_t used, room;
    size_t longest; /* the size of the longest message */
};

/* 0, or -1 where there is no memory. */
int list_add_message(struct message_list *list, uint64_t tick, const uint8_t *data, size_t size);
int list_add_tempo(struct message_list *list, uint64_t tick, uint32_t tempo);

/* Keeps only SysEx messages; returns how many others there were. */
size_t list_keep_sysex(struct message_list *list);

void list_free(struct message_list *list);

#endif
