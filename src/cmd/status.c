// `seep status`: a look at a run, from outside.
#include "base/units.h"
#include "cmd/command.h"
#include "cmd/find_run.h"
#include "run/run.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

struct status_opts {
    const char *results;
};

static const struct cmd_option options[] = {
    CMD_OPTION_RESULTS(struct status_opts, results),
    {0},
};

static const char *const description[] = {
    "Says whether a run goes on, in which phase and for how long yet, or how it ended. The exit status is 0 while it "
    "goes on, the "
    "run's own when it has ended, and 3 when its supervisor is gone: seep resume or seep finish it then.",
    NULL,
};

static int run(int argc, char **argv, void *opts);

const struct cmd_command cmd_status = {
    .name = "status",
    .summary = "look at a run that goes on, or at how it ended",
    .usage = "RUN",
    .description = description,
    .options = options,
    .opts_size = sizeof(struct status_opts),
    .run = run,
};

static int print_alive(const struct run_look *look)
{
    char now[32], total[32];
    printf("running  %s  supervisor %d", look->phase, look->pid);
    if (look->target_pid)
        printf("  target %d", look->target_pid);
    if (!isnan(look->elapsed_s))
        printf("  %s / %s", units_clock(now, sizeof now, look->elapsed_s),
               units_clock(total, sizeof total, look->total_s));
    printf("  %lld samples\n", (long long)look->ticks);
    if (look->line[0])
        printf("%s\n", look->line);
    return CMD_PASS;
}

static int run(int argc, char **argv, void *opts)
{
    const struct status_opts *o = opts;
    struct seep_err err = {0};
    struct run_look look;
    char *dir = cmd_find_run(cmd_results_dir(o->results), argc == 1 ? argv[0] : NULL, &err);
    if (!dir || run_look(dir, &look, &err)) {
        free(dir);
        return cmd_fail(&err);
    }
    int status = CMD_INCONCLUSIVE;
    if (look.alive == RUN_ALIVE)
        status = print_alive(&look);
    else if (look.alive == RUN_ENDED)
        printf("ended  exit code %d\n", status = look.exit_code);
    else if (look.alive == RUN_ORPHANED && look.target_pid)
        printf("orphaned  its supervisor is gone, target %d runs on; use: seep resume %s\n", look.target_pid, dir);
    else
        printf("broken  its supervisor is gone and so is the target; use: seep finish %s\n", dir);
    free(dir);
    return status;
}
