// What a command is. One row a command in commands.c, one file a command beside this one.
//
// A command file defines `const struct cmd_command cmd_NAME`, with a table of its options (cmd/options.h) and a struct
// the options are written into. Parser, `--help`, shell completion and the man page are all made from that; main.c only
// looks the name up. See profiles.c for the pattern.
#ifndef SEEP_CMD_COMMAND_H
#define SEEP_CMD_COMMAND_H

#include "base/err.h"
#include "cmd/options.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

// Exit statuses of every command, stable and documented (product.md). Interruption is 128 + signal.
enum cmd_exit {
    CMD_PASS = 0,
    CMD_FAIL = 1,          // a gate failed, or a comparison found a regression
    CMD_USAGE = 2,         // the command line or a profile is wrong
    CMD_INCONCLUSIVE = 3,  // not enough or not trustworthy evidence
    CMD_TARGET = 4,        // the target failed
    CMD_SHUTDOWN = 5,      // only the shutdown gate failed
    CMD_ERROR = 6,         // seep itself failed
    CMD_INTERRUPTED = 130, // SIGINT
    CMD_TERMINATED = 143,  // SIGTERM
};

struct cmd_exit_info {
    const char *status, *meaning;
};
extern const struct cmd_exit_info cmd_exits[];  // for help and manual, ended by a row without a status
extern const struct cmd_option cmd_help_option; // --help, which every command has

struct cmd_example {
    const char *line;  // as typed
    const char *about; // one clause
};

struct cmd_command {
    const char *name;
    const char *summary; // one line, lower case, no full stop
    const char *usage;   // what follows "seep NAME [OPTION]...", e.g. "RUN" or "-- CMD [ARG]..."; "" for none
    const char *const *description;     // paragraphs, ended by NULL; NULL: none
    const struct cmd_option *options;   // ended by a row without a name; NULL: none (--help is always there)
    const struct cmd_example *examples; // ended by a row without a line; NULL: none
    size_t opts_size;                   // of the struct the options are written into; 0: none
    const void *defaults;               // opts_size bytes to begin with; NULL: zeros
    // argv[0..argc) are the words after the options, ended by NULL (the command itself is not among them). opts is
    // opts_size bytes, freed by the caller. Returns the exit status.
    int (*run)(int argc, char **argv, void *opts);
    bool hidden;      // not listed: helper processes and generators
    bool first_stops; // options end at the first word that is not one, as in `seep run CMD -x`
    bool raw;         // argv reaches run() unparsed (hidden verbs)
};

// Every command, ended by NULL, in the order help shows them.
extern const struct cmd_command *const cmd_commands[];

// The command of that name, or NULL.
const struct cmd_command *cmd_find(const char *name);

// "There is no command ...", with the nearest one. Returns CMD_USAGE.
int cmd_unknown(const char *name);

// Parses argv[1..] of `c` (argv[0] is its name), runs it, and flushes standard output. Returns the exit status.
int cmd_dispatch(const struct cmd_command *c, int argc, char **argv);

// Prints "seep: <text>" to standard error, made safe for a terminal line by line; returns the exit status that
// belongs to err->code.
int cmd_fail(const struct seep_err *err);

// A usage error of the command itself: "seep NAME: <text>" and a hint at --help. Returns CMD_USAGE.
int cmd_usage_error(const char *name, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

// The results directory: `given`, else $SEEP_RESULTS, else "./results". Not owned by the caller.
const char *cmd_results_dir(const char *given);

// <prefix>/<what>, e.g. "share/seep/profiles" or "bin/seep-keeper", of the tree this program stands in, malloc'ed; NULL
// with an error.
char *cmd_own_path(const char *what, struct seep_err *err);

// The row of --results every command that touches runs has; the field is a `const char *`.
#define CMD_OPTION_RESULTS(opts, member)                                                                               \
    {                                                                                                                  \
        .name = "results", .arg = "DIR", .type = CMD_STRING, .offset = offsetof(opts, member),                         \
        .help = "where runs are kept (default ./results, or $SEEP_RESULTS)"                                            \
    }

// help.c, man.c: the texts made from the tables.
void cmd_print_help(FILE *out, const struct cmd_command *c);
void cmd_print_overview(FILE *out);

#endif
