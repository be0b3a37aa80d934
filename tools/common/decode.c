#include "decode.h"

#include "message.h"
#include "output.h"
#include "text.h"

#include <string.h>

/* The names of controllers, where there is a common one. */
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

static void put_hex(const uint8_t *data, size_t size)
{
    static const char digits[] = "0123456789abcdef";
    size_t i;
    for (i = 0; i < size; i++) {
        char text[3];
        text[0] = ' ';
        text[1] = digits[data[i] >> 4];
        text[2] = digits[data[i] & 15];
        output_write(i > 0 ? text : text + 1, i > 0 ? 3 : 2);
    }
}

/* The kind of a whole message, or NULL if it is none. */
static const struct message_kind *whole(const uint8_t *data, size_t size)
{
    const struct message_kind *kind = size > 0 ? message_kind_of(data[0]) : NULL;
    if (kind == NULL || (kind->layout != LAYOUT_SYSEX && size != message_size(kind)))
        return NULL;
    return kind->layout != LAYOUT_SYSEX || (size >= 2 && data[size - 1] == 0xf7) ? kind : NULL;
}

void decode_words(const uint8_t *data, size_t size, size_t max_bytes)
{
    const struct message_kind *kind = whole(data, size);
    long values[2];
    int i;

    if (kind == NULL) { /* the library hands over whole messages only */
        output_text("hex ");
        put_hex(data, size);
        return;
    }
    output_text(kind->name);
    if (kind->layout == LAYOUT_SYSEX) {
        size_t inside = size - 2;
        size_t shown = max_bytes > 0 && inside > max_bytes ? max_bytes : inside;
        if (shown > 0)
            output_text(" ");
        put_hex(data + 1, shown);
        if (shown < inside)
            output_printf(" ...  (%lu bytes)", (unsigned long)size);
        return;
    }
    if (message_has_channel(kind))
        output_printf(" %d", data[0] & 15);
    message_get_values(kind, data, values);
    for (i = 0; i < kind->values; i++)
        output_printf(" %ld", values[i]);
    if (carries_note(kind)) {
        char name[NOTE_NAME_SIZE];
        note_name((int)values[0], name);
        output_printf("  (%s)", name);
    } else if (kind->status == 0xb0 && controller_name(values[0]) != NULL) {
        output_printf("  (%s)", controller_name(values[0]));
    }
}

void decode_json(const uint8_t *data, size_t size)
{
    const struct message_kind *kind = whole(data, size);
    long values[2];
    int i;

    output_text("\"type\":");
    json_string(kind != NULL ? kind->name : "unknown");
    if (kind != NULL && message_has_channel(kind))
        output_printf(",\"channel\":%d", data[0] & 15);
    if (kind != NULL && kind->layout != LAYOUT_SYSEX) {
        message_get_values(kind, data, values);
        for (i = 0; i < kind->values; i++) {
            output_printf(",\"%s\":%ld", kind->value[i], values[i]);
            if (i == 0 && carries_note(kind)) {
                char name[NOTE_NAME_SIZE];
                note_name((int)values[0], name);
                output_printf(",\"name\":\"%s\"", name);
            }
        }
    }
    output_text(",\"hex\":\"");
    put_hex(data, size);
    output_text("\"");
}

void json_string(const char *text)
{
    size_t size = strlen(text);
    output_text("\"");
    while (size > 0) {
        uint32_t code;
        size_t length = text_character(text, size, &code);
        if (length == 0)
            output_text("\xef\xbf\xbd"); /* U+FFFD, for a byte that is not UTF-8 */
        else if (code == '"' || code == '\\')
            output_printf("\\%c", (int)code);
        else if (code < 0x20 || (code >= 0x7f && code < 0xa0))
            output_printf("\\u%04x", (unsigned)code);
        else
            output_write(text, length);
        text += length > 0 ? length : 1;
        size -= length > 0 ? length : 1;
    }
    output_text("\"");
}
