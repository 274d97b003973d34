// `seep report`: a run's evidence in any of the formats.
#include "cmd/command.h"
#include "cmd/default_baseline.h"
#include "cmd/report_run.h"
#include "report/compare.h"
#include "report/rejudge.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include <unistd.h>

struct report_opts {
    const char *results, *format, *output, *baseline, *root;
    double limit_bytes;
    bool rejudge;
};

static const struct report_opts defaults = {.format = "text"};

static const struct cmd_option options[] = {
    {.name = "format",
     .letter = 'f',
     .arg = "FORMAT",
     .type = CMD_CHOICE,
     .choices = "text|json|md|html|csv|junit|sarif|github|tap|openmetrics|hdr|pprof|speedscope|folded|all",
     .offset = offsetof(struct report_opts, format),
     .help = "how to write it (default text)"},
    {.name = "output",
     .letter = 'O',
     .arg = "FILE",
     .type = CMD_STRING,
     .offset = offsetof(struct report_opts, output),
     .help = "write to FILE, whole or not at all, instead of standard output; with -f all the directory"},
    {.name = "baseline",
     .arg = "RUN",
     .type = CMD_STRING,
     .offset = offsetof(struct report_opts, baseline),
     .help = "for sarif: mark each growing stack as new, updated, unchanged or absent against this run; baseline: the "
             "one in force"},
    {.name = "source-root",
     .arg = "DIR",
     .type = CMD_STRING,
     .offset = offsetof(struct report_opts, root),
     .help = "name source files below DIR relative to it (default the working directory)"},
    {.name = "limit",
     .arg = "SIZE",
     .type = CMD_SIZE,
     .offset = offsetof(struct report_opts, limit_bytes),
     .help = "for md: the most it may take, e.g. 64KiB for a comment (default 1MiB); cut at whole rows"},
    {.name = "rejudge",
     .type = CMD_FLAG,
     .offset = offsetof(struct report_opts, rejudge),
     .help = "compare the verdict stored at the end with what the stored samples give now; 1 when they differ"},
    CMD_OPTION_RESULTS(struct report_opts, results),
    {0},
};

static const char *const description[] = {
    "Judges a run again from its stored samples and writes the result: text for people, verdict.json, one "
    "self-contained "
    "HTML page, the measured series as CSV, or the call stacks with their growth for other tools: a pprof profile, a "
    "speedscope file, folded stacks.",
    "For CI systems: JUnit XML and TAP with one test a gate (what cannot be decided is an error, a warning passes), "
    "SARIF "
    "with the growing stacks at their lines, annotations for GitHub, Markdown for a summary or a comment, OpenMetrics. "
    "-f all -O DIR writes every format under a fixed name and an index.json, all of them or nothing; DIR may be there "
    "when it is empty or such a directory.",
    "A run that still goes on can be reported at any time: the verdict is then the one so far. The exit status says "
    "whether the report was written; the run's own verdict stands in it, and seep wait gives it as a status.",
    NULL,
};

static const struct cmd_example examples[] = {
    {"seep report last", "the verdict of the latest run"},
    {"seep report nightly-1 --rejudge", "whether its verdict follows from what is stored"},
    {"seep report last -f html -O report.html", "the page with charts and stacks"},
    {"seep report last -f pprof -O growth.pb.gz", "growth_rate, inuse_space and alloc_space of every call stack"},
    {"seep report nightly-1 -f csv -O series.csv", "the measured series"},
    {"seep report last -f md --limit 64KiB -O comment.md", "for a comment on a change"},
    {"seep report head -f sarif --baseline base -O seep.sarif", "what is new since the run base"},
    {"seep report last -f all -O artifacts/seep", "everything, for a job to keep"},
    {0},
};

static int run(int argc, char **argv, void *opts);

const struct cmd_command cmd_report = {
    .name = "report",
    .summary = "write a run's verdict and evidence in any format",
    .usage = "RUN",
    .description = description,
    .options = options,
    .examples = examples,
    .opts_size = sizeof(struct report_opts),
    .defaults = &defaults,
    .run = run,
};

static int write_report(const struct report *r, const struct compare *since, const struct report_opts *o,
                        struct seep_err *err)
{
    struct seep_buf out;
    char root[PATH_MAX];
    const struct report_format *format = report_find_format(o->format);
    bool to_stdout = !o->output || (o->output[0] == '-' && o->output[1] == '\0');
    struct report_style style = to_stdout ? cmd_stdout_style() : (struct report_style){0};
    style.root = cmd_source_root(o->root, root, sizeof root);
    style.limit_bytes = (size_t)o->limit_bytes;
    if (!format)
        return to_stdout ? seep_fail(err, SEEP_E_USAGE, "-f all writes a directory: name it with -O DIR")
                         : report_write_set(r, since, &style, o->output, err);
    if (to_stdout && format->binary && isatty(STDOUT_FILENO))
        return seep_fail(err, SEEP_E_USAGE, "A %s file is not for a terminal: name a file with -O FILE", format->name);
    buf_init(&out, format->ceiling_bytes);
    int failed = report_write(format, r, since, &style, &out, err);
    if (!failed)
        failed = cmd_write_out(o->output, &out, err);
    buf_free(&out);
    return failed;
}

static int rejudge(const struct report_opts *o, const char *word)
{
    struct seep_err err = {0};
    struct report *r = NULL;
    struct seep_buf out;
    char *stored = NULL;
    size_t n = 0;
    buf_init(&out, 4u << 20);
    int failed = cmd_stored_verdict(o->results, word, &stored, &err) || cmd_build_report(o->results, word, 0, &r, &err);
    if (!failed && !stored)
        failed = seep_fail(&err, SEEP_E_USAGE, "The run has not ended: there is no verdict to compare with");
    if (!failed)
        failed = report_rejudge(stored, r, &out, &n, &err);
    if (!failed && n == 0)
        buf_str(&out, "every figure of the stored verdict follows from the stored samples\n");
    if (!failed)
        failed = cmd_write_out(o->output, &out, &err);
    buf_free(&out);
    free(stored);
    report_free(r);
    return failed ? cmd_fail(&err) : n > 0 ? CMD_FAIL : CMD_PASS;
}

static int compare_runs(const struct report_opts *o, const char *word, struct report *pair[2], struct compare **out,
                        struct seep_err *err)
{
    const struct report_options what = {.skip = REPORT_SKIP_CHARTS, .max_stacks = CMD_COMPARED_STACKS};
    if (cmd_build_report_with(o->results, word, &what, &pair[1], err))
        return -1;
    char *base = cmd_baseline_word(o->results, o->baseline, pair[1], err);
    int failed = base ? cmd_build_report_with(o->results, base, &what, &pair[0], err) : -1;
    free(base);
    return failed ? -1 : compare_build(pair[0], pair[1], NULL, out, err);
}

static int write_against(const struct report_opts *o, const char *word, struct seep_err *err)
{
    struct report *r = NULL, *pair[2] = {NULL, NULL};
    struct compare *since = NULL;
    int failed = cmd_build_report(o->results, word, 0, &r, err);
    if (!failed && o->baseline)
        failed = compare_runs(o, word, pair, &since, err);
    if (!failed)
        failed = write_report(r, since, o, err);
    compare_free(since);
    report_free(pair[0]);
    report_free(pair[1]);
    report_free(r);
    return failed;
}

static int run(int argc, char **argv, void *opts)
{
    const struct report_opts *o = opts;
    struct seep_err err = {0};
    if (argc > 1)
        return cmd_usage_error("report", "one run at a time, not %d", argc);
    if (o->limit_bytes > 0 && o->limit_bytes < CMD_MD_LIMIT_MIN)
        return cmd_usage_error("report", "--limit is at least %d bytes", CMD_MD_LIMIT_MIN);
    if (o->baseline && strcmp(o->format, "sarif") != 0 && strcmp(o->format, "all") != 0)
        return cmd_usage_error("report", "--baseline goes with -f sarif and -f all; seep compare compares two runs");
    const char *word = argc == 1 ? argv[0] : NULL;
    if (o->rejudge)
        return rejudge(o, word);
    return write_against(o, word, &err) ? cmd_fail(&err) : CMD_PASS;
}
