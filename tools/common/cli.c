#include "cli.h"

#include "output.h"
#include "platform.h"
#include "text.h"

#include <midisock/midisock.h>

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *program_name = "midisock";

static void print_message(const char *format, va_list arguments)
{
    char text[2048], line[2048 + 64];
    size_t used;
    output_flush(); /* keep the two streams in order on a terminal */
    vsnprintf(text, sizeof text, format, arguments);
    used = (size_t)snprintf(line, 64, "%s: ", program_name);
    /* Words, names of files and the like may hold anything. */
    used += text_printable(text, strlen(text), line + used, sizeof line - used - 1);
    line[used++] = '\n';
    platform_write(PLATFORM_ERROR, line, used);
}

void cli_message(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    print_message(format, arguments);
    va_end(arguments);
}

void cli_usage_error(const char *format, ...)
{
    char try[80];
    va_list arguments;
    va_start(arguments, format);
    print_message(format, arguments);
    va_end(arguments);
    snprintf(try, sizeof try, "Try '%s --help'.\n", program_name);
    platform_write(PLATFORM_ERROR, try, strlen(try));
    exit(EXIT_USAGE);
}

int cli_integer(const char *text, long min, long max, long *value)
{
    const char *digits = text + (*text == '-' || *text == '+');
    char *end;
    long number;
    int base = 10;
    if (digits[0] == '0' && (digits[1] == 'x' || digits[1] == 'X')) {
        base = 16;
        if (digits[2] == '\0')
            return 0;
    } else if (*digits < '0' || *digits > '9') {
        return 0;
    }
    errno = 0;
    number = strtol(text, &end, base);
    if (errno != 0 || end == text || *end != '\0' || number < min || number > max)
        return 0;
    *value = number;
    return 1;
}

/* A number of 32 bits, where `long` may be too small for it. */
static int parse_u32(const char *text, uint32_t min, uint32_t max, uint32_t *value)
{
    int hexadecimal = text[0] == '0' && (text[1] == 'x' || text[1] == 'X');
    const char *digits = hexadecimal ? text + 2 : text;
    unsigned long number;
    char *end;
    if (*digits == '\0' || strspn(digits, hexadecimal ? "0123456789abcdefABCDEF" : "0123456789") != strlen(digits))
        return 0;
    errno = 0;
    number = strtoul(digits, &end, hexadecimal ? 16 : 10);
    if (errno != 0 || number < min || number > max)
        return 0;
    *value = (uint32_t)number;
    return 1;
}

static int parse_seconds(const char *text, int32_t *milliseconds)
{
    char *end;
    double seconds;
    if (strspn(text, "0123456789.") != strlen(text) || *text == '\0')
        return 0;
    seconds = strtod(text, &end);
    if (*end != '\0' || !(seconds >= 0 && seconds <= 2000000))
        return 0;
    *milliseconds = (int32_t)(seconds * 1000 + 0.5);
    return 1;
}

static void add_to_list(const struct cli_option *option, const char *text)
{
    struct cli_list *list = option->value;
    if (list->count == (int)option->max || list->count == CLI_LIST_MAX)
        cli_usage_error("--%s: at most %d of them", option->name, list->count);
    list->texts[list->count++] = text;
}

static void set_option(const struct cli_option *option, const char *text)
{
    switch (option->kind) {
    case CLI_FLAG: *(int *)option->value = (int)option->min; break;
    case CLI_NUMBER:
        if (!parse_u32(text, option->min, option->max, option->value))
            cli_usage_error("--%s: '%s' is not a whole number from %lu to %lu", option->name, text,
                            (unsigned long)option->min, (unsigned long)option->max);
        break;
    case CLI_SECONDS:
        if (!parse_seconds(text, option->value))
            cli_usage_error("--%s: '%s' is not a time in seconds", option->name, text);
        if (*(int32_t *)option->value < (int32_t)option->min)
            cli_usage_error("--%s: '%s' is too short a time", option->name, text);
        break;
    case CLI_TEXT: *(const char **)option->value = text; break;
    case CLI_LIST: add_to_list(option, text); break;
    }
}

static void print_version(const struct cli_program *program)
{
    output_printf("%s %d.%d.%d (libmidisock %s)\n", program->name, (int)MIDISOCK_VERSION_MAJOR,
                  (int)MIDISOCK_VERSION_MINOR, (int)MIDISOCK_VERSION_PATCH, midisock_version_string());
}

static void end_after_output(void)
{
    exit(output_check() == 0 ? EXIT_DONE : EXIT_FAILED);
}

/* The option whose whole name is the first `length` bytes of `name`. */
static const struct cli_option *find_long(const struct cli_program *program, const char *name, size_t length)
{
    int i;
    for (i = 0; i < program->option_count; i++)
        if (strlen(program->options[i].name) == length && strncmp(program->options[i].name, name, length) == 0)
            return &program->options[i];
    return NULL;
}

static const struct cli_option *find_letter(const struct cli_program *program, char letter)
{
    int i;
    for (i = 0; i < program->option_count; i++)
        if (program->options[i].letter == letter)
            return &program->options[i];
    return NULL;
}

/* "--name", "--name=value" or "--name value"; returns how many it took. */
static int parse_long(const struct cli_program *program, char **argv)
{
    const char *name = argv[0] + 2;
    size_t length = strcspn(name, "=");
    const char *value = name[length] == '=' ? name + length + 1 : NULL;
    const struct cli_option *option;
    if (strcmp(name, "help") == 0) {
        output_text(program->help);
        end_after_output();
    }
    if (strcmp(name, "version") == 0) {
        print_version(program);
        end_after_output();
    }
    option = find_long(program, name, length);
    if (option == NULL)
        cli_usage_error("there is no option '--%.*s'", (int)length, name);
    if (option->kind == CLI_FLAG) {
        if (value != NULL)
            cli_usage_error("--%s takes no value", option->name);
        set_option(option, NULL);
        return 1;
    }
    if (value == NULL && argv[1] == NULL)
        cli_usage_error("--%s needs a value", option->name);
    set_option(option, value != NULL ? value : argv[1]);
    return value != NULL ? 1 : 2;
}

/* The size of a character that may take several bytes. */
static int character_size(const char *text)
{
    uint32_t code;
    size_t size = text_character(text, strlen(text), &code);
    return size > 0 ? (int)size : 1;
}

/* "-q", "-qj", "-n5" or "-n 5"; returns how many it took. */
static int parse_letters(const struct cli_program *program, char **argv)
{
    const char *letter;
    for (letter = argv[0] + 1; *letter != '\0'; letter++) {
        const struct cli_option *option = find_letter(program, *letter);
        if (*letter == 'h' || *letter == 'V') {
            if (*letter == 'h')
                output_text(program->help);
            else
                print_version(program);
            end_after_output();
        }
        if (option == NULL)
            cli_usage_error("there is no option '-%.*s'", character_size(letter), letter);
        if (option->kind == CLI_FLAG) {
            set_option(option, NULL);
            continue;
        }
        if (letter[1] == '\0' && argv[1] == NULL)
            cli_usage_error("-%c needs a value", *letter);
        set_option(option, letter[1] != '\0' ? letter + 1 : argv[1]);
        return letter[1] != '\0' ? 1 : 2;
    }
    return 1;
}

int cli_parse(const struct cli_program *program, int argc, char **argv)
{
    int i = 1, kept = 1;
    platform_begin(argc, argv);
    program_name = program->name;
    while (i < argc) {
        const char *word = argv[i];
        if (strcmp(word, "--") == 0) {
            for (i++; i < argc; i++)
                argv[kept++] = argv[i];
        } else if (word[0] == '-' && word[1] == '-') {
            i += parse_long(program, argv + i);
        } else if (word[0] == '-' && word[1] != '\0' && !(word[1] >= '0' && word[1] <= '9')) {
            i += parse_letters(program, argv + i);
        } else {
            argv[kept++] = argv[i++];
        }
    }
    return kept - 1;
}
