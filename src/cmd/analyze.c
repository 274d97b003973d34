// `seep analyze`: the judge alone, on a series from anywhere.
#include "base/units.h"
#include "cmd/command.h"
#include "cmd/report_run.h"
#include "csv/series.h"
#include "judge/trend.h"
#include "report/analysis.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { NOTES_MAX = 66, NOTE_LEN = 400, SERIES_MAX = 32 };

struct analyze_opts {
    const char *budget, *total, *baseline, *warmup, *format;
    double period_s;
    struct cmd_list columns;
};

static const struct analyze_opts defaults = {.format = "text"};

static const struct cmd_option options[] = {
    {.name = "budget",
     .letter = 'b',
     .arg = "RATE",
     .type = CMD_STRING,
     .offset = offsetof(struct analyze_opts, budget),
     .help = "how fast it may grow: bytes (1MB/h) or things (2/h) (default 1MB/h; 1/h for columns not in bytes)"},
    {.name = "total",
     .letter = 't',
     .arg = "SIZE",
     .type = CMD_STRING,
     .offset = offsetof(struct analyze_opts, total),
     .help = "how much it may grow in all, e.g. 100MB; judged beside the rate"},
    {.name = "column",
     .letter = 'c',
     .arg = "NAME",
     .type = CMD_LIST,
     .offset = offsetof(struct analyze_opts, columns),
     .help = "judge this column (repeatable; default rss_bytes and allocated_bytes, as far as they are there)"},
    {.name = "warmup",
     .arg = "TIME",
     .type = CMD_STRING,
     .offset = offsetof(struct analyze_opts, warmup),
     .help = "leave out the first TIME, e.g. 10m or 0 (default a tenth of the series)"},
    {.name = "period",
     .arg = "TIME",
     .type = CMD_DURATION,
     .offset = offsetof(struct analyze_opts, period_s),
     .help = "the load repeats every TIME: with less than two of them nothing passes"},
    {.name = "baseline",
     .arg = "SIZE",
     .type = CMD_STRING,
     .offset = offsetof(struct analyze_opts, baseline),
     .help = "the level --total counts from, for one column (default the first 2 % of the series)"},
    {.name = "format",
     .letter = 'f',
     .arg = "FORMAT",
     .type = CMD_CHOICE,
     .choices = "text|json",
     .offset = offsetof(struct analyze_opts, format),
     .help = "of the result: text or json (default text)"},
    {0},
};

static const char *const description[] = {
    "Judges the growth of a series from anywhere, as docs/METHOD.md says and as seep run judges its own. The file is "
    "CSV "
    "with a header; a column timestamp_s gives the time in seconds on any rising axis, and every other column can be "
    "judged. Cells may be empty where nothing is known. '-' is standard input.",
    "seep report RUN -f csv writes such a file, and the verdict on it is the run's own for the same budget. Its column "
    "excluded_s, where it has one, counts the seconds in which the target was paused; they are taken off the time.",
    "With rss_bytes and allocated_bytes the two are one question: it fails when either fails, and passes when the "
    "resident "
    "size passes and nothing speaks for growth beneath it. Other columns are judged each by itself, and the worst "
    "counts. "
    "Columns whose names begin with rss, pss, vsize or swap come in pages, and so does any other all of whose values "
    "do.",
    "The end of a name is its unit: _bytes, _kb, _mb, _gb (of 1000), _kib, _mib, _gib (of 1024), so rss_mib is "
    "resident "
    "memory too. A column without one counts things.",
    NULL,
};

static const struct cmd_example examples[] = {
    {"seep analyze series.csv", "is it under 1 MB/h?"},
    {"seep analyze series.csv --budget 10MB/h --total 100MB -f json", "against other limits, as JSON"},
    {"seep report last -f csv | seep analyze - --column fd --budget 1/h", "another series of a run"},
    {0},
};

static int run(int argc, char **argv, void *opts);

const struct cmd_command cmd_analyze = {
    .name = "analyze",
    .summary = "judge the growth of a series from a CSV file",
    .usage = "SERIES.csv",
    .description = description,
    .options = options,
    .examples = examples,
    .opts_size = sizeof(struct analyze_opts),
    .defaults = &defaults,
    .run = run,
};

// What the options ask for, in the judge's units.
struct question {
    struct judge_options judge; // budget NAN: the default of the column's unit
    bool counts;                // the budget is one of things
};

struct analysis {
    struct report_analysis report;
    struct report_growth series[SERIES_MAX];
    char note[NOTES_MAX][NOTE_LEN];
    const char *notes[NOTES_MAX];
    char headline[512], label[80];
};

// ---- options --------------------------------------------------------------------------------------------------------

static int take_budget(const char *text, struct question *q, struct seep_err *err)
{
    struct seep_quantity budget;
    q->judge.budget_per_s = NAN;
    if (!text)
        return 0;
    if (units_parse(text, &budget, NULL, err))
        return -1;
    bool zero = budget.unit == UNIT_NONE && budget.value == 0;
    if (!zero && budget.unit != UNIT_BYTES_PER_SECOND && budget.unit != UNIT_PER_SECOND)
        return seep_fail(err, SEEP_E_USAGE, "the budget '%.60s' should be a rate such as 1MB/h or 2/h", text);
    if (budget.value < 0)
        return seep_fail(err, SEEP_E_USAGE, "the budget '%.60s' is negative; 0 demands that nothing grows", text);
    q->counts = budget.unit == UNIT_PER_SECOND;
    q->judge.budget_per_s = budget.value;
    return 0;
}

// A size in bytes, or a bare count where things are judged.
static int take_amount(const char *what, const char *text, bool counts, double *out, struct seep_err *err)
{
    if (!text)
        return 0;
    if (units_parse_as(text, counts ? UNIT_NONE : UNIT_BYTES, out, NULL, err))
        return -1;
    return *out < 0 ? seep_fail(err, SEEP_E_USAGE, "--%s '%.60s' is negative", what, text) : 0;
}

static int take_question(const struct analyze_opts *o, struct question *q, struct seep_err *err)
{
    *q = (struct question){.judge = JUDGE_OPTIONS_DEFAULT};
    if (o->columns.n > SERIES_MAX)
        return seep_fail(err, SEEP_E_USAGE, "at most %d columns at a time", SERIES_MAX);
    if (o->baseline && o->columns.n != 1)
        return seep_fail(err, SEEP_E_USAGE, "--baseline is the level of one column; name it with --column");
    if (take_budget(o->budget, q, err) || take_amount("total", o->total, q->counts, &q->judge.total_limit, err) ||
        take_amount("baseline", o->baseline, q->counts, &q->judge.baseline, err))
        return -1;
    if (o->warmup && units_parse_as(o->warmup, UNIT_SECONDS, &q->judge.warmup_s, NULL, err))
        return -1;
    if (q->judge.warmup_s < 0)
        return seep_fail(err, SEEP_E_USAGE, "--warmup '%.60s' is negative", o->warmup);
    q->judge.period_s = o->period_s > 0 ? o->period_s : NAN;
    return 0;
}

// ---- judging --------------------------------------------------------------------------------------------------------

static bool begins(const char *name, const char *with)
{
    return strncmp(name, with, strlen(with)) == 0;
}

static double grain_of(const struct csv_column *c)
{
    static const char *const resident[] = {"rss", "pss", "vsize", "swap"};
    bool pages = c->in_pages && !csv_name_is(c->name, CSV_ALLOCATED_STEM);
    for (size_t i = 0; i < sizeof resident / sizeof *resident; i++)
        pages |= begins(c->name, resident[i]);
    return fmax(pages ? CSV_PAGE_BYTES : 0, c->step_bytes);
}

static struct judge_options options_for(const struct question *q, const struct csv_column *c)
{
    struct judge_options o = q->judge;
    bool named = isfinite(o.budget_per_s);
    o.counts = named ? q->counts : c->unit_bytes == 0;
    if (!named)
        o.budget_per_s = o.counts ? 1.0 / 3600 : 1e6 / 3600;
    o.unit = o.counts ? JUDGE_U_COUNT : JUDGE_U_BYTES;
    o.quantum = o.counts ? 0 : grain_of(c);
    return o;
}

// The rows in which a column has a value. The times are copied only where some are missing.
static int present_rows(const struct csv_series *s, struct csv_column *c, struct judge_series *out, double **own_t)
{
    *own_t = NULL;
    *out = (struct judge_series){.t_s = s->t_s, .y = c->y, .n = s->n};
    if (c->n_missing == 0)
        return 0;
    double *t = malloc((s->n - c->n_missing + 1) * sizeof *t);
    if (!t)
        return -1;
    size_t kept = 0;
    for (size_t i = 0; i < s->n; i++) {
        if (isnan(c->y[i]))
            continue;
        t[kept] = s->t_s[i];
        c->y[kept++] = c->y[i];
    }
    *own_t = t;
    *out = (struct judge_series){.t_s = t, .y = c->y, .n = kept};
    return 0;
}

static int judge_column(const struct csv_series *s, struct csv_column *c, const struct question *q,
                        struct report_growth *out, struct seep_err *err)
{
    struct judge_options o = options_for(q, c);
    struct judge_series series;
    double *own_t;
    *out = (struct report_growth){.name = c->name, .unit = o.unit, .last = NAN};
    int failed = present_rows(s, c, &series, &own_t);
    if (!failed)
        failed = judge_trend(&series, &o, &out->growth);
    if (!failed && series.n > 0)
        out->last = series.y[series.n - 1];
    free(own_t);
    csv_column_drop(c);
    return failed ? seep_fail(err, SEEP_E_SYSTEM, "There is not enough memory to judge this table.") : 0;
}

__attribute__((format(printf, 2, 3))) static void note(struct analysis *a, const char *fmt, ...)
{
    va_list ap;
    if (a->report.n_notes == NOTES_MAX)
        return;
    va_start(ap, fmt);
    vsnprintf(a->note[a->report.n_notes], NOTE_LEN, fmt, ap);
    va_end(ap);
    a->notes[a->report.n_notes] = a->note[a->report.n_notes];
    a->report.n_notes++;
}

static void note_table(struct analysis *a, const struct csv_series *s)
{
    char longest[48];
    size_t gaps = 0;
    for (size_t i = 0; i < a->report.n_series; i++)
        gaps = a->series[i].growth.n_gaps > gaps ? a->series[i].growth.n_gaps : gaps;
    if (s->mixed_line > 0)
        note(a, "%.200s:%zu: this line ends otherwise than those before it (LF, CRLF or CR); all are taken as ends",
             a->report.file, s->mixed_line);
    if (gaps > 0)
        note(a, "%.200s:%zu: %zu time%s more than three intervals pass between two samples; the longest, %s, ends here",
             a->report.file, s->longest_gap_line, gaps, gaps == 1 ? "" : "s",
             units_duration(longest, sizeof longest, s->longest_gap_s));
}

static int judge_columns(struct csv_series *s, const struct question *q, bool named, struct analysis *a,
                         struct seep_err *err)
{
    size_t empty = 0;
    for (size_t i = 0; i < s->n_columns; i++)
        empty += s->column[i].n_missing == s->n;
    for (size_t i = 0; i < s->n_columns; i++) {
        struct csv_column *c = &s->column[i];
        if (c->n_missing == s->n && !named && empty < s->n_columns) {
            note(a, "%.100s is empty: nobody measured it, and it is not judged", c->name);
            continue;
        }
        if (c->n_missing > 0)
            note(a, "%.100s is empty in %zu of %zu rows", c->name, c->n_missing, s->n);
        if (c->unit_bytes == 1e3)
            note(a, "%.100s: a kB is taken for 1000 bytes; where it is 1024, as in /proc, the name should end in _kib",
                 c->name);
        if (judge_column(s, c, q, &a->series[a->report.n_series], err))
            return -1;
        a->report.n_series++;
    }
    return 0;
}

// ---- the answer -----------------------------------------------------------------------------------------------------

static int badness(enum judge_verdict v)
{
    return v == JUDGE_FAIL ? 2 : v == JUDGE_INCONCLUSIVE ? 1 : 0;
}

static const struct report_growth *series_of(const struct analysis *a, const char *stem)
{
    for (size_t i = 0; i < a->report.n_series; i++)
        if (csv_name_is(a->series[i].name, stem))
            return &a->series[i];
    return NULL;
}

// Takes one answer into the verdict; the worst counts, and of equals the first names itself in the headline.
__attribute__((format(printf, 3, 4))) static void consider(struct analysis *a, enum judge_verdict verdict,
                                                           const char *fmt, ...)
{
    va_list ap;
    if (a->headline[0] != '\0' && badness(verdict) <= badness(a->report.verdict))
        return;
    a->report.verdict = verdict;
    va_start(ap, fmt);
    vsnprintf(a->headline, sizeof a->headline, fmt, ap);
    va_end(ap);
}

// Resident and allocated bytes are one question: rule 3.9. The reason is that of the one that decided.
static void consider_both(struct analysis *a, const struct report_growth *rss, const struct report_growth *heap)
{
    enum judge_verdict verdict = judge_combine(&rss->growth, &heap->growth, a->label, sizeof a->label);
    bool by_heap = rss->growth.verdict != verdict || (verdict == JUDGE_FAIL && heap->growth.verdict == verdict);
    const struct report_growth *who = by_heap ? heap : rss;
    consider(a, verdict, "%.100s %s", who->name, who->growth.reason);
}

static void conclude(struct analysis *a)
{
    const struct report_growth *rss = series_of(a, CSV_RSS_STEM), *heap = series_of(a, CSV_ALLOCATED_STEM);
    bool both = rss && heap;
    if (both)
        consider_both(a, rss, heap);
    for (size_t i = 0; i < a->report.n_series; i++) {
        const struct report_growth *g = &a->series[i];
        if (!both || (g != rss && g != heap))
            consider(a, g->growth.verdict, "%.100s %s", g->name, g->growth.reason);
    }
    for (size_t i = 0; i < a->report.n_series && isfinite(a->report.total_limit); i++) {
        char grown[48], limit[48];
        const struct judge_growth *j = &a->series[i].growth;
        consider(a, j->total_verdict, "%.100s grew by %s in total, limit %s", a->series[i].name,
                 judge_format(grown, sizeof grown, j->total_growth, j->unit),
                 judge_format(limit, sizeof limit, a->report.total_limit, j->unit));
    }
    a->report.exit_code = a->report.verdict == JUDGE_PASS   ? CMD_PASS
                          : a->report.verdict == JUDGE_FAIL ? CMD_FAIL
                                                            : CMD_INCONCLUSIVE;
    a->report.headline = a->headline;
    a->report.label = a->label;
}

static int write_analysis(const struct analysis *a, const char *format, struct seep_err *err)
{
    struct seep_buf out;
    struct report_style style = cmd_stdout_style();
    buf_init(&out, 4 * 1024 * 1024);
    int failed = strcmp(format, "json") == 0 ? report_analysis_json(&a->report, &out, err)
                                             : report_analysis_text(&a->report, &style, &out, err);
    if (!failed)
        failed = cmd_write_out(NULL, &out, err);
    buf_free(&out);
    return failed;
}

static int read_table(const char *path, const struct analyze_opts *o, struct csv_series *s, struct seep_err *err)
{
    struct csv_reader *r = csv_open(path, err);
    if (!r)
        return -1;
    int failed = csv_series_read(r, o->columns.items, (size_t)o->columns.n, s, err);
    csv_close(r);
    return failed;
}

static int analyze(const char *path, const struct analyze_opts *o, struct analysis *a, struct seep_err *err)
{
    struct question q;
    struct csv_series s;
    if (take_question(o, &q, err) || read_table(path, o, &s, err))
        return -1;
    a->report = (struct report_analysis){.file = path,
                                         .verdict = JUDGE_INCONCLUSIVE,
                                         .total_limit = q.judge.total_limit,
                                         .rows = s.n,
                                         .series = a->series,
                                         .notes = a->notes};
    int failed = judge_columns(&s, &q, o->columns.n > 0, a, err);
    if (!failed) {
        note_table(a, &s);
        conclude(a);
        failed = write_analysis(a, o->format, err);
    }
    csv_series_free(&s); // the names of the series were its
    return failed;
}

static int run(int argc, char **argv, void *opts)
{
    struct seep_err err = {0};
    if (argc != 1)
        return cmd_usage_error(
            "analyze", argc == 0 ? "a CSV file is needed; '-' is standard input" : "one file at a time, not %d", argc);
    struct analysis *a = calloc(1, sizeof *a);
    if (!a) {
        seep_fail(&err, SEEP_E_SYSTEM, "There is no memory.");
        return cmd_fail(&err);
    }
    int status = analyze(argv[0], opts, a, &err) ? cmd_fail(&err) : a->report.exit_code;
    free(a);
    return status;
}
