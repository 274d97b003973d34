// Taking up a run again: see again.h.
#include "cmd/again.h"
#include "cmd/find_run.h"

#include <stdlib.h>

const struct cmd_option cmd_again_options[] = {
    CMD_OPTION_RESULTS(struct again_opts, results),
    {.name = "quiet",
     .letter = 'q',
     .type = CMD_FLAG,
     .offset = offsetof(struct again_opts, quiet),
     .help = "no progress lines"},
    {0},
};

int cmd_again(int argc, char **argv, const struct again_opts *o,
              int (*take)(const char *dir, bool quiet, struct run_result *out, struct seep_err *err))
{
    struct seep_err err = {0};
    struct run_result result;
    char *dir = cmd_find_run(cmd_results_dir(o->results), argc == 1 ? argv[0] : NULL, &err);
    int rc = dir ? take(dir, o->quiet, &result, &err) : -1;
    free(dir);
    if (rc)
        return cmd_fail(&err);
    if (result.has_report)
        printf("report  %s/report.html\n", result.dir);
    return result.exit_code;
}
