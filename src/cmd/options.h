// Options declared once: a command's table feeds its parser, its help, shell completion and its man page.
#ifndef SEEP_CMD_OPTIONS_H
#define SEEP_CMD_OPTIONS_H

#include "base/err.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// What an option's argument is, and so what stands at `offset` in the command's struct.
enum cmd_option_type {
    CMD_FLAG,     // bool; no argument
    CMD_STRING,   // const char *, points into argv
    CMD_LIST,     // struct cmd_list; may be given several times
    CMD_CHOICE,   // const char *, one of `choices`
    CMD_DURATION, // double, seconds, > 0; a unit is required
    CMD_SIZE,     // double, bytes, >= 0; a unit is required
    CMD_RATIO,    // double, > 0; "5%" is 0.05; a unit is required
    CMD_INT,      // int64_t within min..max (both 0: any)
};

struct cmd_list {
    const char **items; // point into argv; the array is freed by cmd_options_free
    int n;
};

struct cmd_option {
    const char *name; // long name without dashes
    char letter;      // short name, 0: none
    const char *arg;  // what the argument is called, e.g. "DIR"; NULL for flags
    enum cmd_option_type type;
    size_t offset;       // offsetof(struct of the command, field)
    const char *choices; // CMD_CHOICE: "text|json|html"
    int64_t min, max;    // CMD_INT
    const char *help;    // one line, lower case, no full stop; may say "(default ...)"
    bool hidden;
};

enum cmd_parsed { CMD_PARSED_RUN, CMD_PARSED_HELP, CMD_PARSED_ERROR };

// Parses argv[1..argc) by `options` (NULL: none) into `opts`. Words that are no options are moved to the end, in order;
// *first is the index of the first of them ("--" ends options and is dropped). first_stops: options end at the first
// such word. A repeated option takes its last value, lists grow. Long names may be shortened where unambiguous.
// CMD_PARSED_HELP when --help or -h stands there; CMD_PARSED_ERROR with a sentence in err.
enum cmd_parsed cmd_options_parse(const struct cmd_option *options, int argc, char **argv, bool first_stops, void *opts,
                                  int *first, struct seep_err *err);

// Frees what lists allocated.
void cmd_options_free(const struct cmd_option *options, void *opts);

#endif
