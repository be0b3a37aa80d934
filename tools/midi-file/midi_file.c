#include "midi_file.h"

#include "../common/cli.h"
#include "../common/message.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_FILE ((size_t)1 << 30)

static int read_all(const char *path, uint8_t **data, size_t *size)
{
    FILE *stream = fopen(path, "rb");
    uint8_t *buffer = NULL;
    size_t room = 0, used = 0;
    if (stream == NULL) {
        cli_message("cannot open '%s': %s", path, strerror(errno));
        return -1;
    }
    for (;;) {
        if (used == room) {
            uint8_t *grown;
            room = room > 0 ? room * 2 : 65536;
            grown = room <= MAX_FILE ? realloc(buffer, room) : NULL;
            if (grown == NULL) {
                cli_message("'%s' is too large", path);
                break;
            }
            buffer = grown;
        }
        errno = 0;
        used += fread(buffer + used, 1, room - used, stream);
        if (ferror(stream)) {
            cli_message("cannot read '%s': %s", path, strerror(errno));
            break;
        }
        if (feof(stream)) {
            fclose(stream);
            *data = buffer;
            *size = used;
            return 0;
        }
    }
    free(buffer);
    fclose(stream);
    return -1;
}

static int check_messages(struct midi_file *file)
{
    size_t at = 0, length;
    const char *why;
    if (file->size == 0) {
        cli_message("'%s' is empty", file->path);
        return -1;
    }
    while (at < file->size) {
        length = message_first(file->data + at, file->size - at, &why);
        if (length == 0) {
            cli_message("'%s' is neither a MIDI file nor a .syx file: %s (byte %lu)", file->path, why,
                        (unsigned long)at);
            return -1;
        }
        if (length > file->longest)
            file->longest = length;
        at += length;
    }
    return 0;
}

int midi_file_load(struct midi_file *file, const char *path)
{
    int result;
    memset(file, 0, sizeof *file);
    file->path = path;
    if (read_all(path, &file->data, &file->size) != 0)
        return -1;
    file->is_song = smf_recognize(file->data, file->size);
    if (!file->is_song)
        return check_messages(file);
    result = smf_read(&file->song, file->data, file->size);
    free(file->data);
    file->data = NULL;
    if (result != 0)
        cli_message("cannot read '%s': %s", path, file->song.error);
    file->longest = file->song.longest;
    return result;
}

void midi_file_free(struct midi_file *file)
{
    free(file->data);
    if (file->is_song)
        smf_free(&file->song);
    memset(file, 0, sizeof *file);
}
