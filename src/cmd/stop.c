// `seep stop`: stop a run in order.
#include "cmd/command.h"
#include "cmd/find_run.h"
#include "run/run.h"

#include <stdlib.h>

struct stop_opts {
    const char *results;
    bool wait;
};

static const struct cmd_option options[] = {
    CMD_OPTION_RESULTS(struct stop_opts, results),
    {.name = "wait",
     .type = CMD_FLAG,
     .offset = offsetof(struct stop_opts, wait),
     .help = "wait for the verdict and exit as the run does"},
    {0},
};

static const char *const description[] = {
    "Ends the measured time of a run now: the target is stopped in order, what was measured is judged, and the run's "
    "exit code is its "
    "verdict's own.",
    NULL,
};

static int run(int argc, char **argv, void *opts);

const struct cmd_command cmd_stop = {
    .name = "stop",
    .summary = "stop a run in order, and judge what was measured",
    .usage = "RUN",
    .description = description,
    .options = options,
    .opts_size = sizeof(struct stop_opts),
    .run = run,
};

static int run(int argc, char **argv, void *opts)
{
    const struct stop_opts *o = opts;
    struct seep_err err = {0};
    int exit_code = CMD_PASS;
    char *dir = cmd_find_run(cmd_results_dir(o->results), argc == 1 ? argv[0] : NULL, &err);
    int rc = dir ? run_stop(dir, &err) : -1;
    if (rc == 0 && o->wait)
        rc = run_wait(dir, -1, &exit_code, &err);
    free(dir);
    return rc ? cmd_fail(&err) : exit_code;
}
