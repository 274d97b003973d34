// `seep stacks`: call stacks ranked by growth.
#include "cmd/command.h"
#include "cmd/report_run.h"

struct stacks_opts {
    const char *results;
    int64_t top;
};

static const struct stacks_opts defaults = {.top = 20};

static const struct cmd_option options[] = {
    {.name = "top",
     .letter = 'n',
     .arg = "N",
     .type = CMD_INT,
     .min = 1,
     .max = 100000,
     .offset = offsetof(struct stacks_opts, top),
     .help = "how many stacks (default 20)"},
    CMD_OPTION_RESULTS(struct stacks_opts, results),
    {0},
};

static const char *const description[] = {
    "Lists the call stacks of a run, the fastest growing first: rate with its 90 % interval, class (leak, container, "
    "cache, "
    "startup, churn), bytes per operation of the load, live bytes over time and by age, and the frames.",
    "Thousands of stacks are tested at once; only those whose growth survives that are said to grow.",
    NULL,
};

static const struct cmd_example examples[] = {
    {"seep stacks last", "the twenty that grow most"},
    {"seep stacks last --top 3", "the first three"},
    {0},
};

static int run(int argc, char **argv, void *opts);

const struct cmd_command cmd_stacks = {
    .name = "stacks",
    .summary = "rank call stacks by growth rate",
    .usage = "RUN",
    .description = description,
    .options = options,
    .examples = examples,
    .opts_size = sizeof(struct stacks_opts),
    .defaults = &defaults,
    .run = run,
};

static int run(int argc, char **argv, void *opts)
{
    const struct stacks_opts *o = opts;
    struct seep_err err = {0};
    struct report *r = NULL;
    struct seep_buf out;
    if (argc > 1)
        return cmd_usage_error("stacks", "one run at a time, not %d", argc);
    if (cmd_build_report(o->results, argc == 1 ? argv[0] : NULL, REPORT_SKIP_CHARTS, &r, &err))
        return cmd_fail(&err);
    struct report_style style = cmd_stdout_style();
    buf_init(&out, 64u << 20);
    int failed = report_stacks_text(r, &style, (size_t)o->top, &out, &err);
    if (!failed)
        failed = cmd_write_out(NULL, &out, &err);
    buf_free(&out);
    bool known = r->stacks_known;
    report_free(r);
    return failed ? cmd_fail(&err) : known ? CMD_PASS : CMD_INCONCLUSIVE;
}
