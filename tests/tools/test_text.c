/* Text for a terminal, and lines of words. */
#include "check.h"

#include "../../tools/common/text.h"
#include "../../tools/send/input.h"
#include "../../tools/send/words.h"

#include <stdio.h>
#include <string.h>

static void printable_is(const char *text, const char *expected)
{
    char copy[64];
    CHECK_INT(strlen(expected), text_printable(text, strlen(text), copy, sizeof copy));
    CHECK_TEXT(expected, copy);
}

static void nothing_that_a_terminal_obeys(void)
{
    printable_is("a\x1b[31m.mid", "a?[31m.mid");
    printable_is("line\nend\r", "line?end?");
    printable_is("\xc2\x9b" "31m", "?31m");           /* CSI in one character */
    printable_is("\xff\xc3", "??");                   /* not UTF-8 */
    printable_is("\xc0\x9b", "??");                   /* too long a form of ESC */
    printable_is("\xed\xa0\x80", "???");              /* half a surrogate pair */
    printable_is("\xe2\x80\xae" "cod", "?cod");       /* right to left */
    printable_is("\xc3\xbc \xe3\x81\x82", "\xc3\xbc \xe3\x81\x82");
}

static void cut_at_a_character(void)
{
    char copy[4];
    int used;
    CHECK_INT(3, text_printable("ab\xc3\xbc", 4, copy, sizeof copy) + 1);
    CHECK_TEXT("ab", copy);
    CHECK_INT(3, text_fit("a\xc3\xbc" "b", 2, &used));
    CHECK_INT(2, used);
    CHECK_INT(3, text_fit("\xe3\x81\x82\xe3\x81\x84", 3, &used)); /* each takes two columns */
    CHECK_INT(2, used);
    CHECK_INT(3, text_fit("e\xcc\x81", 1, &used)); /* an accent takes none */
}

/* The words of a line, with '|' between them, or what is wrong with it. */
static void splits(const char *text, const char *expected)
{
    struct input input;
    char line[160], joined[160] = "";
    size_t count, i;
    const char *error;
    memset(&input, 0, sizeof input);
    strcpy(line, text);
    error = input_split(&input, line, &count);
    for (i = 0; i < count; i++)
        sprintf(joined + strlen(joined), "%s%s", i > 0 ? "|" : "", input.words[i]);
    CHECK_TEXT(expected, error != NULL ? error : joined);
    input_free(&input);
}

static void lines_of_the_monitor(void)
{
    splits("note-on 0 60 100", "note-on|0|60|100");
    splits("  note-on\t0 C#4 # a comment", "note-on|0|C#4");
    splits("# a comment", "");
    splits("", "");
    splits("listening on 127.0.0.1:9080", "");
    splits("note-on 0 60 100  (C4)  #1", "note-on|0|60|100");
    splits("cc 0 0 1  (bank select)  [released by midisock]  #12", "cc|0|0|1");
    splits("   12.345678  #3   note-on 0 60 100  (C4)", "note-on|0|60|100");
    splits("   12.345678  clock", "clock");
    splits("13:05:59.123456  #3   clock", "clock");
    splits("#   12.345678  #3   joined from 127.0.0.1:5000", "");
    splits("sysex 00 01 ...  (102 bytes)", "a SysEx that is not shown in full (midisock-monitor --full does)");
    /* Nothing of that kind. */
    splits("12.5 clock", "12.5|clock");
    splits("0.123456 clock", "0.123456|clock");
    splits("(C4", "(C4");
}

/* Adds words; the messages in hexadecimal, or the mistake. */
static void words_are(const char *text, const char *expected)
{
    struct script script;
    char line[160], joined[200] = "", *words[32], *word;
    size_t count = 0, i, j;
    strcpy(line, text);
    for (word = strtok(line, " "); word != NULL; word = strtok(NULL, " "))
        words[count++] = word;
    script_init(&script);
    if (words_add(&script, words, count) != 0)
        sprintf(joined, "%s", script.error);
    else
        for (i = 0; i < script.count; i++) {
            const struct action *action = &script.actions[i];
            strcat(joined, i > 0 ? " " : "");
            for (j = 0; j < action->size; j++)
                sprintf(joined + strlen(joined), "%02x", script.bytes[action->offset + j]);
            if (action->kind == ACTION_FILE)
                strcat(joined, action->path);
        }
    CHECK_TEXT(expected, joined);
    script_free(&script);
}

static void values_of_the_wrong_form(void)
{
    words_are("sleep 0.5 clock", "sleep: '0.5' is not a number of milliseconds (0 to 86400000)");
    words_are("sleep 0,5", "sleep: '0,5' is not a number of milliseconds (0 to 86400000)");
    words_are("bend 0 0.5", "bend: '0.5' is not a pitch (-8192 to 8191)");
    words_are("cc 0 7 64.0", "cc: '64.0' is not a value (0 to 127)");
    words_are("note-on 0 60.5 64", "note-on: '60.5' is not a note (0 to 127)");
    words_are("note-on 0 60 1.0", "note-on: '1.0' is not a velocity (0 to 127)");
    words_are("note-on 0 60 1/2", "note-on: '1/2' is not a velocity (0 to 127)");
    words_are("note-on 1.5 60", "note-on: '1.5' is not a channel (0 to 15)");
    words_are("note-on 0 song.mid", "note-on: 'song.mid' is not a note (0 to 127)");
    words_are("hex 90 3c 0.5", "hex: '0.5' is not a byte in hexadecimal");
    words_are("hex zz", "hex: 'zz' is not a byte in hexadecimal");
    words_are("sysex 7d 1.0", "sysex: '1.0' is not a byte in hexadecimal");
    words_are("0.5", "'0.5': a number, where a message must begin");
    words_are("sleep clock", "sleep: the number of milliseconds is missing (0 to 86400000)");
    words_are("cc 0 7", "cc: the value is missing (0 to 127)");
    words_are("note-on 0 60 song.mid", "903c40 song.mid");
    words_are("note-on 0 60 1.mid", "903c40 1.mid");
}

static void bytes_in_hexadecimal(void)
{
    words_are("hex f0 7d f8 01 f7", "f8 f07d01f7");
    words_are("hex 90 3c f8 40", "f8 903c40");
    words_are("hex 90 3c 40 3c 00", "903c40 903c00");
    words_are("sysex 7d f8 01", "f8 f07d01f7");
    words_are("sysex f0 7d 01 f7 clock", "f07d01f7 f8");
    words_are("sysex", "f0f7");
    words_are("hex 90 3c", "hex: a message that lacks data bytes, at byte 1");
    words_are("hex f8 3c 40", "hex: 2 data bytes without a status byte, at byte 2");
    words_are("sysex 7d 80", "sysex: a SysEx without its F7 (2 bytes), at byte 1");
}

int main(int argc, char **argv)
{
    static const check_case cases[] = {
        CASE(nothing_that_a_terminal_obeys), CASE(cut_at_a_character),   CASE(lines_of_the_monitor),
        CASE(values_of_the_wrong_form),      CASE(bytes_in_hexadecimal),
    };
    return check_main(argc, argv, CASES(cases));
}
