// `seep finish`: close a run whose supervisor is gone, and judge what there is.
#include "cmd/again.h"

static const char *const description[] = {
    "Stops the target in order when it still lives, and judges what was measured until the supervisor was lost.",
    NULL,
};

static int run(int argc, char **argv, void *opts)
{
    return cmd_again(argc, argv, opts, run_finish);
}

const struct cmd_command cmd_finish = {
    .name = "finish",
    .summary = "close a run whose supervisor is gone, and judge what there is",
    .usage = "RUN",
    .description = description,
    .options = cmd_again_options,
    .opts_size = sizeof(struct again_opts),
    .run = run,
};
