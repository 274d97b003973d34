// `seep dossier`: the performance report of a project, put together from runs.
#include "report/dossier.h"
#include "base/clock.h"
#include "cmd/command.h"
#include "cmd/report_run.h"

#include <stdlib.h>
#include <string.h>

struct dossier_opts {
    const char *results, *format, *output, *title;
};

enum { RUNS_MAX = 64, WORD_MAX = 256 };

static const struct dossier_opts defaults = {.format = "md", .title = "Performance report"};

static const struct cmd_option options[] = {
    {.name = "format",
     .letter = 'f',
     .arg = "FORMAT",
     .type = CMD_CHOICE,
     .choices = "md|html",
     .offset = offsetof(struct dossier_opts, format),
     .help = "how to write it (default md)"},
    {.name = "output",
     .letter = 'O',
     .arg = "FILE",
     .type = CMD_STRING,
     .offset = offsetof(struct dossier_opts, output),
     .help = "write to FILE, whole or not at all, instead of standard output"},
    {.name = "title",
     .arg = "TEXT",
     .type = CMD_STRING,
     .offset = offsetof(struct dossier_opts, title),
     .help = "what it is called (default Performance report)"},
    CMD_OPTION_RESULTS(struct dossier_opts, results),
    {0},
};

static const char *const description[] = {
    "Puts the performance report of a project together from stored runs: executive summary with every target and its "
    "status, methodology and test environment, the sections opa, cache, e2e, load, stress and memory, charts, "
    "bottlenecks, recommendations with alert thresholds; then scaling, capacity and configuration.",
    "Each word is SECTION=RUN, SECTION=BASE..RUN (then what changed since BASE is worked out by seep compare), or a "
    "RUN "
    "alone, which goes to load when it had one and to memory else. A section may be given several times; scaling takes "
    "its runs in the order of size. A section without a run says what run would fill it: nothing is ever made up.",
    NULL,
};

static const struct cmd_example examples[] = {
    {"seep dossier load=base..head memory=nightly -f html -O performance.html", "with improvements against base"},
    {"seep dossier scaling=one scaling=three scaling=five", "how throughput grows with instances"},
    {0},
};

static int run(int argc, char **argv, void *opts);

const struct cmd_command cmd_dossier = {
    .name = "dossier",
    .summary = "put a project's performance report together from its runs",
    .usage = "[SECTION=][BASE..]RUN...",
    .description = description,
    .options = options,
    .examples = examples,
    .opts_size = sizeof(struct dossier_opts),
    .defaults = &defaults,
    .run = run,
};

// What was read for one word of the command line.
struct taken {
    struct report *report, *candidate, *base;
    struct compare *since;
};

static void taken_free(struct taken *t)
{
    compare_free(t->since);
    report_free(t->base);
    report_free(t->candidate);
    report_free(t->report);
}

static int take(const char *results, const char *base, const char *name, struct taken *t, struct seep_err *err)
{
    const struct report_options what = {.skip = REPORT_SKIP_CHARTS, .max_stacks = CMD_COMPARED_STACKS};
    if (cmd_build_report(results, name, 0, &t->report, err))
        return -1;
    if (!base)
        return 0;
    return cmd_build_report_with(results, base, &what, &t->base, err) ||
                   cmd_build_report_with(results, name, &what, &t->candidate, err) ||
                   compare_build(t->base, t->candidate, NULL, &t->since, err)
               ? -1
               : 0;
}

static bool same_run(const struct report *a, const struct report *b)
{
    return a->run && b->run && strcmp(a->run, b->run) == 0;
}

// Said twice of the same section, with the same base, it is still one run.
static bool is_there(const struct dossier *d, enum dossier_section section, const struct taken *t)
{
    for (size_t i = 0; i < d->section[section].n; i++) {
        const struct dossier_run *other = &d->section[section].runs[i];
        if (same_run(other->report, t->report) && (other->since != NULL) == (t->since != NULL) &&
            (!t->since || same_run(other->since->base, t->since->base)))
            return true;
    }
    return false;
}

static int add(struct dossier *d, const char *results, const char *word, struct taken *t, struct seep_err *err)
{
    char copy[WORD_MAX];
    enum dossier_section section = DOSSIER_SECTIONS;
    if (strlen(word) >= sizeof copy)
        return seep_fail(err, SEEP_E_USAGE, "'%.60s...' is too long for a section and a run", word);
    strcpy(copy, word);
    char *equals = strchr(copy, '='), *name = copy;
    if (equals) {
        *equals = '\0';
        name = equals + 1;
        section = dossier_find(copy);
        if (section == DOSSIER_SECTIONS)
            return seep_fail(err, SEEP_E_USAGE,
                             "There is no section '%.60s': opa, cache, e2e, load, stress, memory or scaling", copy);
    }
    char *dots = strstr(name, ".."), *base = NULL;
    if (dots) {
        *dots = '\0';
        base = name;
        name = dots + 2;
    }
    if (*name == '\0' || (base && *base == '\0'))
        return seep_fail(err, SEEP_E_USAGE, "'%.100s' names no run", word);
    if (take(results, base, name, t, err))
        return -1;
    if (section == DOSSIER_SECTIONS)
        section = dossier_place(t->report);
    if (is_there(d, section, t))
        return 0;
    d->section[section].runs[d->section[section].n++] = (struct dossier_run){t->report, t->since};
    return 0;
}

static int write_dossier(const struct dossier *d, const struct dossier_opts *o, struct seep_err *err)
{
    struct seep_buf out;
    buf_init(&out, 64u << 20);
    int failed = dossier_write(d, strcmp(o->format, "html") == 0, &out, err);
    if (!failed)
        failed = cmd_write_out(o->output, &out, err);
    buf_free(&out);
    return failed;
}

static int run(int argc, char **argv, void *opts)
{
    const struct dossier_opts *o = opts;
    struct seep_err err = {0};
    struct taken taken[RUNS_MAX] = {0};
    struct dossier_run rooms[DOSSIER_SECTIONS][RUNS_MAX];
    struct dossier d = {.title = o->title, .now_ns = clock_read().real_ns};
    if (argc == 0 || argc > RUNS_MAX)
        return cmd_usage_error("dossier", "1 to %d runs are needed, not %d", RUNS_MAX, argc);
    for (int s = 0; s < DOSSIER_SECTIONS; s++)
        d.section[s].runs = rooms[s];
    int failed = 0;
    for (int i = 0; !failed && i < argc; i++)
        failed = add(&d, o->results, argv[i], &taken[i], &err);
    if (!failed)
        failed = write_dossier(&d, o, &err);
    for (int i = 0; i < argc; i++)
        taken_free(&taken[i]);
    return failed ? cmd_fail(&err) : CMD_PASS;
}
