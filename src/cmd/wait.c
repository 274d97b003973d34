// `seep wait`: wait until a run has ended.
#include "cmd/command.h"
#include "cmd/find_run.h"
#include "run/run.h"

#include <stdlib.h>

struct wait_opts {
    const char *results;
    double timeout_s;
};

static const struct cmd_option options[] = {
    CMD_OPTION_RESULTS(struct wait_opts, results),
    {.name = "timeout",
     .arg = "TIME",
     .type = CMD_DURATION,
     .offset = offsetof(struct wait_opts, timeout_s),
     .help = "give up after this long, with exit status 3"},
    {0},
};

static const char *const description[] = {
    "Waits until a run has ended and exits with the run's own exit status, so that a later job of a pipeline can wait "
    "for a soak that "
    "an earlier one started with --detach.",
    NULL,
};

static int run(int argc, char **argv, void *opts);

const struct cmd_command cmd_wait = {
    .name = "wait",
    .summary = "wait until a run has ended, and exit as it did",
    .usage = "RUN",
    .description = description,
    .options = options,
    .opts_size = sizeof(struct wait_opts),
    .run = run,
};

static int run(int argc, char **argv, void *opts)
{
    const struct wait_opts *o = opts;
    struct seep_err err = {0};
    int exit_code = CMD_ERROR;
    char *dir = cmd_find_run(cmd_results_dir(o->results), argc == 1 ? argv[0] : NULL, &err);
    int rc = dir ? run_wait(dir, o->timeout_s > 0 ? o->timeout_s : -1, &exit_code, &err) : -1;
    free(dir);
    if (rc) {
        int status = cmd_fail(&err);
        return err.code == SEEP_E_LIMIT ? CMD_INCONCLUSIVE : status;
    }
    return exit_code;
}
