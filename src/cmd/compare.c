// `seep compare`: is the candidate worse than the base?
#include "report/compare.h"
#include "cmd/command.h"
#include "cmd/history.h"
#include "cmd/report_run.h"
#include "report/history.h"

#include <string.h>

struct compare_opts {
    const char *results, *format, *output;
    double share;
    int64_t history;
};

enum { COMPARED_STACKS = 20000 };

static const struct compare_opts defaults = {.format = "text", .share = COMPARE_SHARE_DEFAULT};

static const struct cmd_option options[] = {
    {.name = "threshold",
     .arg = "SHARE",
     .type = CMD_RATIO,
     .offset = offsetof(struct compare_opts, share),
     .help = "how much of a figure may be lost, e.g. 5% (default 10%); each figure also has an absolute floor"},
    {.name = "history",
     .letter = 'n',
     .arg = "N",
     .type = CMD_INT,
     .min = 2,
     .max = JUDGE_HISTORY_MAX,
     .offset = offsetof(struct compare_opts, history),
     .help = "instead of two runs: the last N runs up to RUN (default last) with its profile and program"},
    {.name = "format",
     .letter = 'f',
     .arg = "FORMAT",
     .type = CMD_CHOICE,
     .choices = "text|json|md",
     .offset = offsetof(struct compare_opts, format),
     .help = "how to write it (default text)"},
    {.name = "output",
     .letter = 'O',
     .arg = "FILE",
     .type = CMD_STRING,
     .offset = offsetof(struct compare_opts, output),
     .help = "write to FILE, whole or not at all, instead of standard output"},
    CMD_OPTION_RESULTS(struct compare_opts, results),
    {0},
};

static const char *const description[] = {
    "Compares two runs: growth rates, levels, response times, errors, throughput and CPU, each as a difference with "
    "its "
    "90 % interval, and call stacks by their functions, so that builds at other addresses compare. A figure is a "
    "regression when it is worse by more than the threshold and its floor, and by more than chance explains over all "
    "figures together (1 % for two runs of the same binary).",
    "The exit status is 0 without a regression, 1 with one, and 3 when a figure that the candidate has a gate on "
    "cannot "
    "be told. Severities count how many times what is allowed was lost: under 1.5 low, under 2.5 medium, under 5 high, "
    "else critical, as is a gate that the base passed and the candidate fails.",
    "With --history the figures of many runs are put in a row: change points by a rank test, so that one bad night "
    "is no change, and the drift since. The exit status is 1 when a figure became worse for good by more than the "
    "threshold, and 3 with fewer than 8 runs.",
    NULL,
};

static const struct cmd_example examples[] = {
    {"seep compare main-42 last", "what the last run lost against run main-42"},
    {"seep compare base head -f md -O comment.md", "the same as Markdown for a comment"},
    {"seep compare --history 30", "where the last thirty nights changed"},
    {0},
};

static int run(int argc, char **argv, void *opts);

const struct cmd_command cmd_compare = {
    .name = "compare",
    .summary = "say whether one run is worse than another",
    .usage = "BASE CANDIDATE | --history N [RUN]",
    .description = description,
    .options = options,
    .examples = examples,
    .opts_size = sizeof(struct compare_opts),
    .defaults = &defaults,
    .run = run,
};

// One of the two is given.
static int write_result(const struct compare *c, const struct history *h, const struct compare_opts *o,
                        struct seep_err *err)
{
    struct seep_buf out;
    struct report_style style = o->output == NULL ? cmd_stdout_style() : (struct report_style){0};
    bool json = strcmp(o->format, "json") == 0, md = strcmp(o->format, "md") == 0;
    int failed;
    buf_init(&out, 64u << 20);
    if (c != NULL)
        failed = json ? compare_json(c, &out, err)
                 : md ? compare_markdown(c, &out, err)
                      : compare_text(c, &style, &out, err);
    else
        failed = json ? history_json(h, &out, err)
                 : md ? history_markdown(h, &out, err)
                      : history_text(h, &style, &out, err);
    if (!failed)
        failed = cmd_write_out(o->output, &out, err);
    buf_free(&out);
    return failed;
}

static int run_two(int argc, char **argv, const struct compare_opts *o)
{
    const struct compare_options how = {.share = o->share};
    struct seep_err err = {0};
    struct report *base = NULL, *candidate = NULL;
    struct compare *c = NULL;
    if (argc != 2)
        return cmd_usage_error("compare", "two runs are needed, BASE and CANDIDATE");
    const struct report_options what = {.skip = REPORT_SKIP_CHARTS, .max_stacks = COMPARED_STACKS};
    int failed = cmd_build_report_with(o->results, argv[0], &what, &base, &err) ||
                 cmd_build_report_with(o->results, argv[1], &what, &candidate, &err) ||
                 compare_build(base, candidate, &how, &c, &err) || write_result(c, NULL, o, &err);
    int code = failed ? cmd_fail(&err) : compare_exit_code(c);
    compare_free(c);
    report_free(base);
    report_free(candidate);
    return code;
}

static int run_history(const char *word, const struct compare_opts *o)
{
    struct seep_err err = {0};
    struct history *h = history_new((size_t)o->history, o->share);
    int failed = h == NULL ? seep_fail(&err, SEEP_E_SYSTEM, "memory ran out")
                           : cmd_collect_history(o->results, word == NULL ? "last" : word, h, &err);
    if (!failed) {
        history_judge(h);
        failed = write_result(NULL, h, o, &err);
    }
    int code = failed ? cmd_fail(&err) : history_exit_code(h);
    history_free(h);
    return code;
}

static int run(int argc, char **argv, void *opts)
{
    const struct compare_opts *o = opts;
    if (o->history > 0)
        return argc > 1 ? cmd_usage_error("compare", "--history takes one run at most, not %d", argc)
                        : run_history(argc == 1 ? argv[0] : NULL, o);
    return run_two(argc, argv, o);
}
