#include "decode.h"

#include "message.h"

/* What the controllers are called that have a name everyone uses. */
static const char *controller_name(long control)
{
    switch (control) {
    case 0: return "bank select";
    case 1: return "modulation";
    case 2: return "breath";
    case 4: return "foot";
    case 5: return "portamento time";
    case 6: return "data entry";
    case 7: return "volume";
    case 8: return "balance";
    case 10: return "pan";
    case 11: return "expression";
    case 32: return "bank select, fine";
    case 38: return "data entry, fine";
    case 64: return "sustain";
    case 65: return "portamento";
    case 66: return "sostenuto";
    case 67: return "soft";
    case 68: return "legato";
    case 71: return "resonance";
    case 72: return "release time";
    case 73: return "attack time";
    case 74: return "brightness";
    case 84: return "portamento control";
    case 91: return "reverb";
    case 93: return "chorus";
    case 96: return "data increment";
    case 97: return "data decrement";
    case 98: return "NRPN, fine";
    case 99: return "NRPN";
    case 100: return "RPN, fine";
    case 101: return "RPN";
    case 120: return "all sound off";
    case 121: return "reset all controllers";
    case 122: return "local control";
    case 123: return "all notes off";
    case 124: return "omni off";
    case 125: return "omni on";
    case 126: return "mono on";
    case 127: return "poly on";
    default: return NULL;
    }
}

static int carries_note(const struct message_kind *kind)
{
    return kind->status <= 0xa0;
}

static void put_hex(FILE *out, const uint8_t *data, size_t size)
{
    static const char digits[] = "0123456789abcdef";
    size_t i;
    for (i = 0; i < size; i++) {
        if (i > 0)
            putc(' ', out);
        putc(digits[data[i] >> 4], out);
        putc(digits[data[i] & 15], out);
    }
}

/* The kind of a message that is certainly whole, or NULL. */
static const struct message_kind *whole(const uint8_t *data, size_t size)
{
    const char *why;
    if (message_first(data, size, &why) != size || size == 0)
        return NULL;
    return message_kind_of(data[0]);
}

void decode_words(FILE *out, const uint8_t *data, size_t size, size_t max_bytes)
{
    const struct message_kind *kind = whole(data, size);
    long values[2];
    int i;

    if (kind == NULL) { /* the library hands over whole messages only */
        fputs("hex ", out);
        put_hex(out, data, size);
        return;
    }
    fputs(kind->name, out);
    if (kind->layout == LAYOUT_SYSEX) {
        size_t inside = size - 2;
        size_t shown = max_bytes > 0 && inside > max_bytes ? max_bytes : inside;
        if (shown > 0)
            putc(' ', out);
        put_hex(out, data + 1, shown);
        if (shown < inside)
            fprintf(out, " ...  (%lu bytes)", (unsigned long)size);
        return;
    }
    if (message_has_channel(kind))
        fprintf(out, " %d", data[0] & 15);
    message_get_values(kind, data, values);
    for (i = 0; i < kind->values; i++)
        fprintf(out, " %ld", values[i]);
    if (carries_note(kind)) {
        char name[NOTE_NAME_SIZE];
        note_name((int)values[0], name);
        fprintf(out, "  (%s)", name);
    } else if (kind->status == 0xb0 && controller_name(values[0]) != NULL) {
        fprintf(out, "  (%s)", controller_name(values[0]));
    }
}

void decode_json(FILE *out, const uint8_t *data, size_t size)
{
    const struct message_kind *kind = whole(data, size);
    long values[2];
    int i;

    fputs("\"type\":", out);
    json_string(out, kind != NULL ? kind->name : "unknown");
    if (kind != NULL && message_has_channel(kind))
        fprintf(out, ",\"channel\":%d", data[0] & 15);
    if (kind != NULL && kind->layout != LAYOUT_SYSEX) {
        message_get_values(kind, data, values);
        for (i = 0; i < kind->values; i++) {
            fprintf(out, ",\"%s\":%ld", kind->value[i], values[i]);
            if (i == 0 && carries_note(kind)) {
                char name[NOTE_NAME_SIZE];
                note_name((int)values[0], name);
                fprintf(out, ",\"name\":\"%s\"", name);
            }
        }
    }
    fputs(",\"hex\":\"", out);
    put_hex(out, data, size);
    putc('"', out);
}

void json_string(FILE *out, const char *text)
{
    putc('"', out);
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '"' || c == '\\')
            fprintf(out, "\\%c", c);
        else if (c < 0x20)
            fprintf(out, "\\u%04x", c);
        else
            putc(c, out);
    }
    putc('"', out);
}
