#include "midi_file.h"

#include "../common/cli.h"
#include "../common/platform.h"
#include "syx.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_FILE ((size_t)1 << 30)

static int read_all(const char *path, uint8_t **data, size_t *size)
{
    FILE *stream = platform_open(path, "rb");
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

int midi_file_load(struct midi_file *file, const char *path)
{
    struct warnings warnings = {0};
    const char *error = NULL;
    uint8_t *data;
    size_t size, offset, length;
    memset(file, 0, sizeof *file);
    file->path = warnings.path = path;
    if (read_all(path, &data, &size) != 0)
        return -1;
    file->is_song = smf_find(data, size, &offset, &length);
    if (file->is_song)
        smf_read(&file->song, data, size, &warnings, &error);
    else
        syx_read(&file->dump, data, size, &warnings, &error);
    free(data);
    warnings_end(&warnings);
    file->longest = file->is_song ? file->song.list.longest : file->dump.longest;
    if (error != NULL)
        cli_message("cannot play '%s': %s", path, error);
    return error == NULL ? 0 : -1;
}

void midi_file_free(struct midi_file *file)
{
    smf_free(&file->song);
    list_free(&file->dump);
    memset(file, 0, sizeof *file);
}
