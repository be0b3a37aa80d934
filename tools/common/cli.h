/* The command line: options from a table, numbers read strictly, messages on
 * standard error that begin with the program's name. */
#ifndef MIDISOCK_TOOLS_CLI_H
#define MIDISOCK_TOOLS_CLI_H

#include <stdint.h>

/* The exit statuses of all tools; after a signal it is 128 + its number. */
enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_TIMED_OUT = 3 };

enum cli_kind {
    CLI_FLAG,    /* int: set to `min` */
    CLI_NUMBER,  /* uint32_t: min..max, decimal or 0x hexadecimal */
    CLI_SECONDS, /* int32_t: milliseconds, at least `min`; seconds on the command line, with decimals */
    CLI_TEXT,    /* const char * */
    CLI_LIST     /* struct cli_list: may be given up to `max` times */
};

#define CLI_LIST_MAX 32
struct cli_list {
    const char *texts[CLI_LIST_MAX];
    int count;
};

struct cli_option {
    char letter; /* 0: none */
    const char *name;
    enum cli_kind kind;
    void *value;
    uint32_t min, max;
};

struct cli_program {
    const char *name;
    const char *help;
    const struct cli_option *options;
    int option_count;
};

/* Calls platform_begin, then parses. Words that are not options move to the front
 * of argv[1..] in their order, and their number is returned. Options may stand
 * anywhere; after "--" nothing is an option, and a negative number never is.
 * --help, --version and mistakes end the program. */
int cli_parse(const struct cli_program *program, int argc, char **argv);

/* "midisock-send: ..." and a line end, on standard error. Control characters are
 * replaced: what is reported may come from a file or another program. */
#if defined(__GNUC__)
__attribute__((format(printf, 1, 2)))
#endif
void cli_message(const char *format, ...);

/* The same, then where help is to be had; ends the program with EXIT_USAGE. */
#if defined(__GNUC__)
__attribute__((format(printf, 1, 2), noreturn))
#endif
void cli_usage_error(const char *format, ...);

/* A whole number, decimal or with 0x hexadecimal, perhaps with a sign; 0 if
 * `text` is not exactly that or out of range. */
int cli_integer(const char *text, long min, long max, long *value);

#endif
