// What `seep resume` and `seep finish` share: they take up a run whose supervisor is gone.
#ifndef SEEP_CMD_AGAIN_H
#define SEEP_CMD_AGAIN_H

#include "cmd/command.h"
#include "run/run.h"

struct again_opts {
    const char *results;
    bool quiet;
};

extern const struct cmd_option cmd_again_options[];

// take: run_resume or run_finish. Returns the exit status.
int cmd_again(int argc, char **argv, const struct again_opts *o,
              int (*take)(const char *dir, bool quiet, struct run_result *out, struct seep_err *err));

#endif
