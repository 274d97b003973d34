// `seep compare`: is the candidate worse than the base?
#include "report/compare.h"
#include "cmd/command.h"
#include "cmd/default_baseline.h"
#include "cmd/history.h"
#include "cmd/report_run.h"
#include "report/history.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

struct compare_opts {
    const char *results, *format, *output, *root;
    double share, limit_bytes;
    int64_t history;
};

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
     .choices = "text|json|md|html|junit|sarif|github|tap",
     .offset = offsetof(struct compare_opts, format),
     .help = "how to write it (default text)"},
    {.name = "output",
     .letter = 'O',
     .arg = "FILE",
     .type = CMD_STRING,
     .offset = offsetof(struct compare_opts, output),
     .help = "write to FILE, whole or not at all, instead of standard output"},
    {.name = "source-root",
     .arg = "DIR",
     .type = CMD_STRING,
     .offset = offsetof(struct compare_opts, root),
     .help = "name source files below DIR relative to it (default the working directory)"},
    {.name = "limit",
     .arg = "SIZE",
     .type = CMD_SIZE,
     .offset = offsetof(struct compare_opts, limit_bytes),
     .help = "for md: the most it may take, e.g. 64KiB for a comment (default 1MiB); cut at whole rows"},
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
    {"seep compare base head -f md --limit 64KiB -O comment.md", "what changed, as Markdown for a comment"},
    {"seep compare base head -f sarif -O seep.sarif", "new, steeper and gone stacks for code scanning"},
    {"seep compare baseline last", "against the baseline of its profile and program (see seep baseline)"},
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

static int as_json(const struct compare *c, const struct report_style *style, struct seep_buf *out,
                   struct seep_err *err)
{
    (void)style;
    return compare_json(c, out, err);
}

static const struct {
    const char *name;
    int (*write)(const struct compare *, const struct report_style *, struct seep_buf *, struct seep_err *);
} formats[] = {{"text", compare_text},   {"json", as_json},        {"md", compare_markdown},   {"html", compare_html},
               {"junit", compare_junit}, {"sarif", compare_sarif}, {"github", compare_github}, {"tap", compare_tap}};

static int write_compare(const struct compare *c, const struct compare_opts *o, const struct report_style *style,
                         struct seep_buf *out, struct seep_err *err)
{
    for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++)
        if (strcmp(formats[i].name, o->format) == 0)
            return formats[i].write(c, style, out, err);
    return seep_fail(err, SEEP_E_USAGE, "There is no format '%.40s'", o->format);
}

static int write_history(const struct history *h, const struct compare_opts *o, const struct report_style *style,
                         struct seep_buf *out, struct seep_err *err)
{
    if (strcmp(o->format, "json") == 0)
        return history_json(h, out, err);
    if (strcmp(o->format, "md") == 0)
        return history_markdown(h, out, err);
    if (strcmp(o->format, "text") == 0)
        return history_text(h, style, out, err);
    return seep_fail(err, SEEP_E_USAGE, "--history is written as text, json or md, not as %.40s", o->format);
}

// One of the two is given.
static int write_result(const struct compare *c, const struct history *h, const struct compare_opts *o,
                        struct seep_err *err)
{
    struct seep_buf out;
    char root[PATH_MAX];
    struct report_style style = o->output == NULL ? cmd_stdout_style() : (struct report_style){0};
    style.root = cmd_source_root(o->root, root, sizeof root);
    style.limit_bytes = (size_t)o->limit_bytes;
    buf_init(&out, 64u << 20);
    int failed = c != NULL ? write_compare(c, o, &style, &out, err) : write_history(h, o, &style, &out, err);
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
    const struct report_options what = {.skip = REPORT_SKIP_CHARTS, .max_stacks = CMD_COMPARED_STACKS};
    char *word = NULL;
    int failed = cmd_build_report_with(o->results, argv[1], &what, &candidate, &err) ||
                 !(word = cmd_baseline_word(o->results, argv[0], candidate, &err)) ||
                 cmd_build_report_with(o->results, word, &what, &base, &err) ||
                 compare_build(base, candidate, &how, &c, &err) || write_result(c, NULL, o, &err);
    int code = failed ? cmd_fail(&err) : compare_exit_code(c);
    free(word);
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
    if (o->limit_bytes > 0 && o->limit_bytes < CMD_MD_LIMIT_MIN)
        return cmd_usage_error("compare", "--limit is at least %d bytes", CMD_MD_LIMIT_MIN);
    if (o->history > 0)
        return argc > 1 ? cmd_usage_error("compare", "--history takes one run at most, not %d", argc)
                        : run_history(argc == 1 ? argv[0] : NULL, o);
    return run_two(argc, argv, o);
}
