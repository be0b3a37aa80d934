/* Damaged MIDI files and .syx files: what is whole is played, the rest is named. */
#include "check.h"

#include "../../tools/midi-file/smf.h"
#include "../../tools/midi-file/smf_time.h"
#include "../../tools/midi-file/syx.h"

#include <stdio.h>
#include <string.h>

#define EOT "00ff2f00"
#define NOTES "00903c4010803c40"
#define HEADER0 "4d546864 00000006 0000 0001 0060 "
#define HEADER1 "4d546864 00000006 0001 0002 0060 "
#define TRACK "4d54726b "
#define PLAYED "903c40@0 803c40@16"

struct taken {
    int count;
    char text[1024];
};

static void take_warning(void *context, const char *text)
{
    struct taken *taken = context;
    size_t used = strlen(taken->text);
    taken->count++;
    snprintf(taken->text + used, sizeof taken->text - used, "%s\n", text);
}

static size_t from_hex(const char *text, uint8_t *bytes)
{
    size_t count = 0;
    unsigned byte;
    int used;
    text += strspn(text, " ");
    while (sscanf(text, "%2x%n", &byte, &used) == 1) {
        bytes[count++] = (uint8_t)byte;
        text += used;
        text += strspn(text, " ");
    }
    return count;
}

static void write_list(const struct message_list *list, int ticks, char *text)
{
    size_t i, j;
    *text = '\0';
    for (i = 0; i < list->count; i++) {
        const struct list_event *event = &list->events[i];
        text += sprintf(text, "%s", i > 0 ? " " : "");
        for (j = 0; j < event->size; j++)
            text += sprintf(text, "%02x", list->bytes[event->offset + j]);
        if (ticks)
            text += sprintf(text, "@%lu", (unsigned long)event->tick);
    }
}

/* Reads a file; what it plays is to be `expected`, and its warnings have `hint`
 * in them; NULL: there are none. */
static void plays(const char *hex, const char *expected, const char *hint)
{
    struct taken taken = {0};
    struct warnings warnings = {0};
    struct smf_song song;
    uint8_t bytes[1024];
    char text[1024];
    const char *error;
    size_t size = from_hex(hex, bytes);
    warnings.take = take_warning;
    warnings.context = &taken;
    if (smf_read(&song, bytes, size, &warnings, &error) != 0)
        check_fail(__FILE__, __LINE__, "%s: %s", hex, error);
    write_list(&song.list, 1, text);
    CHECK_TEXT(expected, text);
    if (hint == NULL)
        CHECK_TEXT("", taken.text);
    else if (strstr(taken.text, hint) == NULL)
        check_fail(__FILE__, __LINE__, "%s: no '%s' in: %s", hex, hint, taken.text);
    smf_free(&song);
}

static void sound_files(void)
{
    plays(HEADER0 TRACK "0000000c" NOTES EOT, PLAYED, NULL);
    /* Running status, also across a meta event. */
    plays(HEADER0 TRACK "0000000f" "00903c40 00ff0100 103c00" EOT, "903c40@0 903c00@16", NULL);
    /* RIFF, with a chunk behind the MIDI file. */
    plays("52494646 32000000 524d4944 64617461 22000000" HEADER0 TRACK "0000000c" NOTES EOT "4c495354 00000000", PLAYED,
          NULL);
    /* A chunk that is no track. */
    plays(HEADER0 "58465830 00000002 0102" TRACK "0000000c" NOTES EOT, PLAYED, NULL);
}

static void wrong_length_of_a_track(void)
{
    plays(HEADER0 TRACK "00000018" NOTES EOT, PLAYED, "its length is wrong (24 bytes; it has 12)");
    plays(HEADER0 TRACK "ffffffff" NOTES EOT, PLAYED, "its length is wrong");
    plays(HEADER0 TRACK "00000000" NOTES EOT, PLAYED, "its length is wrong");
    plays(HEADER0 TRACK "00000004" NOTES EOT, PLAYED, "its length is wrong (4 bytes; it has 12)");
    plays(HEADER0 TRACK "00000006" NOTES EOT, PLAYED, "its length is wrong (6 bytes; it has 12)");
    plays(HEADER0 TRACK "00000008" NOTES EOT, PLAYED, "its length is wrong (8 bytes; it has 12)");
    /* The first of two: too long, too short, and far too long. */
    plays(HEADER1 TRACK "0000000f" NOTES EOT TRACK "00000007" "00c105" EOT, "903c40@0 c105@0 803c40@16",
          "byte 18, track 1: its length is wrong (15 bytes; it has 12)");
    plays(HEADER1 TRACK "0000000a" NOTES EOT TRACK "00000007" "00c105" EOT, "903c40@0 c105@0 803c40@16",
          "its length is wrong (10 bytes; it has 12)");
    plays(HEADER1 TRACK "0f00000f" NOTES EOT TRACK "00000007" "00c105" EOT, "903c40@0 c105@0 803c40@16",
          "its length is wrong");
    /* ...and without its End of Track. */
    plays(HEADER1 TRACK "0000000f" NOTES TRACK "00000007" "00c105" EOT, "903c40@0 c105@0 803c40@16",
          "the track has no End of Track");
    plays(HEADER1 TRACK "00000008" NOTES TRACK "00000007" "00c105" EOT, "903c40@0 c105@0 803c40@16",
          "the track has no End of Track");
    /* More in the chunk than the End of Track allows for. */
    plays(HEADER1 TRACK "0000000e" NOTES EOT "0000" TRACK "00000007" "00c105" EOT, "903c40@0 c105@0 803c40@16",
          "byte 34, track 1: left out: 2 bytes behind the End of Track");
}

static void file_that_is_cut_short(void)
{
    plays(HEADER0 TRACK "0000000c" NOTES "00ff2f", PLAYED, "the End of Track is cut off");
    plays(HEADER0 TRACK "0000000c" NOTES "00ff", PLAYED, "the track ends inside an event");
    plays(HEADER0 TRACK "0000000c" NOTES, PLAYED, "the track has no End of Track");
    plays(HEADER0 TRACK "0000000c" "00903c4010803c", "903c40@0", "byte 29, track 1: the track ends inside an event");
    plays(HEADER0 TRACK "0000000c" NOTES "00f0057d01", PLAYED, "the track ends inside an event");
    plays(HEADER1 TRACK "0000000c" NOTES EOT, PLAYED, "the header announces 2 tracks, and there is 1");
}

static void bytes_that_are_not_part_of_it(void)
{
    plays(HEADER0 TRACK "0000000c" NOTES EOT "1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a", PLAYED,
          "byte 34: left out: 16 bytes behind the last track");
    plays(HEADER0 TRACK "00000008" NOTES "1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a", PLAYED, "behind the last track");
    plays(HEADER0 TRACK "0000000c" NOTES EOT "0a", PLAYED, "left out: 1 byte behind the last track");
    plays("0102030405" HEADER0 TRACK "0000000c" NOTES EOT, PLAYED, "byte 0: left out: 5 bytes before the MIDI file");
    plays(HEADER1 TRACK "0000000c" NOTES EOT "000000" TRACK "00000007" "00c105" EOT, "903c40@0 c105@0 803c40@16",
          "byte 34: left out: 3 bytes between two tracks");
}

static void wrong_events(void)
{
    plays(HEADER0 TRACK "00000010" "00b007ff" NOTES EOT, PLAYED,
          "byte 23, track 1: left out: b0 07..., whose data byte ff is above 7f");
    plays(HEADER0 TRACK "0000000f" "00c080" NOTES EOT, PLAYED, "whose data byte 80 is above 7f");
    plays(HEADER0 TRACK "0000000e" "00f8" NOTES EOT, "f8@0 " PLAYED, "byte 23, track 1: f8, which");
    plays(HEADER0 TRACK "0000000f" "00f112" NOTES EOT, "f112@0 " PLAYED, "byte 23, track 1: f1, which");
    plays(HEADER0 TRACK "0000000e" "00f4" NOTES EOT, PLAYED, "a status byte that MIDI 1.0 does not define");
    plays(HEADER0 TRACK "00000010" "003c4000" NOTES EOT, "903c40@0 803c40@16", "left out: 4 bytes without a status byte");
}

static void impossible_tempo(void)
{
    plays(HEADER0 TRACK "00000013" "00ff5103000000" NOTES EOT, PLAYED, "byte 23, track 1: left out: a tempo of 0");
    plays(HEADER0 TRACK "00000010" "00ff5100" NOTES EOT, PLAYED, "a tempo of less than three bytes");
    plays(HEADER0 TRACK "00000014" "00ff510407a12000" NOTES EOT, PLAYED, "a tempo of more than three bytes");
}

static void wrong_header(void)
{
    plays("4d546864 00000006 0000 0001 0000" TRACK "0000000c" NOTES EOT, PLAYED, "an impossible time division");
    plays("4d546864 00000006 0000 0001 e700" TRACK "0000000c" NOTES EOT, PLAYED, "an impossible time division");
    plays("4d546864 00000006 0000 0001 f128" TRACK "0000000c" NOTES EOT, PLAYED, "is no SMPTE rate");
    plays("4d546864 00000006 0007 0001 0060" TRACK "0000000c" NOTES EOT, PLAYED, "format 7 is unknown");
    plays("4d546864 00000002 0000 0001 0060" TRACK "0000000c" NOTES EOT, PLAYED, "length of the header is wrong");
    plays("4d546864 ffffffff 0000 0001 0060" TRACK "0000000c" NOTES EOT, PLAYED, "length of the header is wrong");
}

static void sysex_events(void)
{
    plays(HEADER0 TRACK "0000000e" "00f0077d01f7f07d02f7" EOT, "f07d01f7@0 f07d02f7@0", NULL);
    plays(HEADER0 TRACK "0000000b" "00f0047df801f7" EOT, "f8@0 f07d01f7@0", NULL);
    /* In packets, with time between them. */
    plays(HEADER0 TRACK "0000000e" "00f0027d01 10f70202f7" EOT, "f07d0102f7@16", NULL);
    /* Any bytes to be sent. */
    plays(HEADER0 TRACK "0000000c" "00f705fa903c40fc" EOT, "fa@0 903c40@0 fc@0", NULL);
    plays(HEADER0 TRACK "00000012" "00f0027d01" "00903c40" "00f702f7f8" EOT, "903c40@0 f8@0",
          "byte 23, track 1: left out: a SysEx without its F7 (3 bytes)");
}

static void several_midi_ports(void)
{
    plays(HEADER1 TRACK "0000000c" "00ff210100 00c005" EOT TRACK "0000000c" "00ff210101 00c030" EOT, "c005@0 c030@0",
          "several MIDI ports");
    plays(HEADER1 TRACK "0000000c" "00ff210101 00c005" EOT TRACK "0000000c" "00ff210101 00c030" EOT, "c005@0 c030@0", NULL);
}

static void an_end_that_is_far_away(void)
{
    plays(HEADER0 TRACK "0000000f" NOTES "ffffff7fff2f00", PLAYED, "is not waited for");
}

static void title_is(const char *name, const char *expected)
{
    struct smf_song song;
    struct warnings warnings = {0};
    const char *error;
    uint8_t bytes[256];
    size_t size = from_hex(HEADER0 TRACK, bytes), length = strlen(name);
    uint8_t *at = bytes + size;
    memset(at, 0, 4);
    at[3] = (uint8_t)(8 + length);
    memcpy(at + 4, "\0\xff\x03", 3);
    at[7] = (uint8_t)length;
    memcpy(at + 8, name, length);
    memcpy(at + 8 + length, "\0\xff\x2f\0", 4);
    CHECK_INT(0, smf_read(&song, bytes, size + 12 + length, &warnings, &error));
    CHECK_TEXT(expected, song.title);
    smf_free(&song);
}

static void titles(void)
{
    title_is("F\xc3\xbcr Elise", "F\xc3\xbcr Elise");
    title_is("F\xfcr Elise", "");               /* Latin-1 */
    title_is("\x83\x7b\x83\x93", "");           /* Shift-JIS */
    title_is("   ", "");
    title_is(" a ", "a");
    title_is("a\x1b[31mb", "a?[31mb");
    title_is("a\xc2\x9b" "b", "a?b");
    title_is("a\xe2\x80\xae" "b", "a?b");       /* right to left */
}

static void unreadable(const char *hex)
{
    struct smf_song song;
    struct warnings warnings = {0};
    struct taken taken = {0};
    const char *error = NULL;
    uint8_t bytes[256];
    warnings.take = take_warning;
    warnings.context = &taken;
    CHECK_INT(-1, smf_read(&song, bytes, from_hex(hex, bytes), &warnings, &error));
    CHECK(error != NULL && *error != '\0');
    smf_free(&song);
}

static void files_without_a_song(void)
{
    unreadable("");
    unreadable("4d546864");
    unreadable(HEADER0);
    unreadable("4d546864 00000006 0002 0002 0060" TRACK "0000000c" NOTES EOT);
}

/* Reads a .syx file. */
static void dumps(const char *hex, const char *expected, const char *hint)
{
    struct taken taken = {0};
    struct warnings warnings = {0};
    struct message_list list;
    uint8_t bytes[256];
    char text[512];
    const char *error;
    int result;
    warnings.take = take_warning;
    warnings.context = &taken;
    result = syx_read(&list, bytes, from_hex(hex, bytes), &warnings, &error);
    write_list(&list, 0, text);
    CHECK_TEXT(expected, text);
    CHECK_INT(*expected != '\0' ? 0 : -1, result);
    CHECK_INT(hint != NULL, taken.count > 0);
    if (hint != NULL && strstr(taken.text, hint) == NULL)
        check_fail(__FILE__, __LINE__, "%s: no '%s' in: %s", hex, hint, taken.text);
    list_free(&list);
}

static void syx_files(void)
{
    dumps("f07d01f7 f07d02f7", "f07d01f7 f07d02f7", NULL);
    dumps("f07d01fe02f7", "fe f07d0102f7", NULL);
    dumps("f07d01f7 0000 f07d02f7", "f07d01f7 f07d02f7", "byte 4: left out: 2 data bytes");
    dumps("01020304 f07d01f7", "f07d01f7", "byte 0: left out: 4 data bytes");
    dumps("f07d01f7 0d0a", "f07d01f7", "byte 4: left out: 2 data bytes");
    dumps("f07d01f7 f7", "f07d01f7", "byte 4: left out: an F7 without its F0");
    dumps("f07d01f7 f07d02", "f07d01f7", "byte 4: left out: a SysEx without its F7 (3 bytes)");
    dumps("f07d01 f07d02f7", "f07d02f7", "byte 0: left out: a SysEx without its F7 (3 bytes)");
    dumps("f07d01f7 ffff", "f07d01f7", "byte 4: left out: ff");
    /* In a damaged file only SysEx is certain to be what it seems. */
    dumps("903c40 f4 f07d01f7", "f07d01f7", "left out: 1 message other than SysEx");
    dumps("4869", "", "byte 0");
    dumps("f07d01", "", "byte 0");
    dumps("", "", NULL);
}

int main(int argc, char **argv)
{
    static const check_case cases[] = {
        CASE(sound_files),         CASE(wrong_length_of_a_track), CASE(file_that_is_cut_short),
        CASE(wrong_events),        CASE(bytes_that_are_not_part_of_it), CASE(impossible_tempo),
        CASE(wrong_header),        CASE(sysex_events),            CASE(several_midi_ports),
        CASE(titles),              CASE(an_end_that_is_far_away), CASE(files_without_a_song),
        CASE(syx_files),
    };
    return check_main(argc, argv, CASES(cases));
}
