// `seep report`: a run's evidence in any of the formats.
#include "cmd/command.h"
#include "cmd/report_run.h"
#include "report/rejudge.h"

#include <stdlib.h>

#include <unistd.h>

struct report_opts {
    const char *results, *format, *output;
    bool rejudge;
};

static const struct report_opts defaults = {.format = "text"};

static const struct cmd_option options[] = {
    {.name = "format",
     .letter = 'f',
     .arg = "FORMAT",
     .type = CMD_CHOICE,
     .choices = "text|json|html|csv|pprof|speedscope|folded",
     .offset = offsetof(struct report_opts, format),
     .help = "how to write it (default text)"},
    {.name = "output",
     .letter = 'O',
     .arg = "FILE",
     .type = CMD_STRING,
     .offset = offsetof(struct report_opts, output),
     .help = "write to FILE, whole or not at all, instead of standard output"},
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

static int write_report(const struct report *r, const struct report_opts *o, struct seep_err *err)
{
    struct seep_buf out;
    const struct report_format *format = report_find_format(o->format);
    bool to_stdout = !o->output || (o->output[0] == '-' && o->output[1] == '\0');
    struct report_style style = to_stdout ? cmd_stdout_style() : (struct report_style){0};
    if (to_stdout && format->binary && isatty(STDOUT_FILENO))
        return seep_fail(err, SEEP_E_USAGE, "A %s file is not for a terminal: name a file with -O FILE", format->name);
    buf_init(&out, format->ceiling_bytes);
    int failed = format->write(r, &style, &out, err);
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

static int run(int argc, char **argv, void *opts)
{
    const struct report_opts *o = opts;
    struct seep_err err = {0};
    struct report *r = NULL;
    if (argc > 1)
        return cmd_usage_error("report", "one run at a time, not %d", argc);
    if (o->rejudge)
        return rejudge(o, argc == 1 ? argv[0] : NULL);
    if (cmd_build_report(o->results, argc == 1 ? argv[0] : NULL, 0, &r, &err) || write_report(r, o, &err)) {
        report_free(r);
        return cmd_fail(&err);
    }
    report_free(r);
    return CMD_PASS;
}
