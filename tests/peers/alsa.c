/* ALSA's library: bytes to sequencer events, as its programs and the kernel's drivers make them, and back to bytes, as
 * RtMidi's input makes them. */
#include "streams.h"

#include <alsa/asoundlib.h>

int main(void)
{
    unsigned char bytes[MOST_BYTES];
    int length;
    while ((length = next_stream(bytes)) >= 0) {
        snd_midi_event_t *parser = NULL;
        int at, printed = 0;
        if (snd_midi_event_new(MOST_BYTES, &parser) < 0)
            return 1;
        snd_midi_event_no_status(parser, 1);
        for (at = 0; at < length; ++at) {
            unsigned char message[MOST_BYTES];
            snd_seq_event_t event;
            long size;
            snd_seq_ev_clear(&event);
            if (snd_midi_event_encode_byte(parser, bytes[at], &event) != 1)
                continue;
            size = snd_midi_event_decode(parser, message, sizeof message, &event);
            print_message(message, size, &printed);
        }
        snd_midi_event_free(parser);
        printf("\n");
    }
    return 0;
}
