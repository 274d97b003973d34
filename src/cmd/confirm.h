// The replay under valgrind, for `seep confirm` and `seep run --confirm`.
#ifndef SEEP_CMD_CONFIRM_H
#define SEEP_CMD_CONFIRM_H

#include <stdbool.h>

struct cmd_confirming {
    const char *results, *word; // the run, as on a command line
    char **argv;                // its command anew, NULL-terminated; argc 0: the stored one
    int argc;
    double for_s, scale; // 0: as the profile says
    bool growth, dhat, quiet;
};

// Replays, prints, and keeps the answer with the run. Returns the exit status: 0 all confirmed, 3 not all, or an
// error's.
int cmd_confirm_run(const struct cmd_confirming *how);

#endif
