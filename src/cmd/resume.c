// `seep resume`: go on with a run whose supervisor is gone.
#include "cmd/again.h"

static const char *const description[] = {
    "Takes the target back from its keeper, records the gap, and goes on to the planned end. When the target is gone "
    "too, the run is closed with what there is.",
    NULL,
};

static int run(int argc, char **argv, void *opts)
{
    return cmd_again(argc, argv, opts, run_resume);
}

const struct cmd_command cmd_resume = {
    .name = "resume",
    .summary = "go on with a run whose supervisor is gone",
    .usage = "RUN",
    .description = description,
    .options = cmd_again_options,
    .opts_size = sizeof(struct again_opts),
    .run = run,
};
