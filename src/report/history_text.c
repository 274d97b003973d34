// The history of runs as text, JSON and Markdown: one row a figure.
#include "base/esc.h"
#include "base/jsonw.h"
#include "report/history.h"
#include "report/json.h"
#include "report/text.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { BEFORE_COLUMN = 32, NOW_COLUMN = 46, LAST_COLUMN = 60, WORD_COLUMN = 74 };
static const double drift_certain = .01;

static const char *const titles[JUDGE_VERDICTS] = {"no figure became worse for good", "became worse for good",
                                                   "there are too few runs to tell"};

// "regression since run-17", "drifts by 3.1 kB a run", or nothing.
static void describe(const struct history *h, const struct history_figure *f, char *out, size_t size)
{
    const struct judge_history *j = &f->judged;
    char by[48];
    out[0] = '\0';
    if (j->n_points > 0)
        snprintf(out, size, "%s%s%s since %s", judge_change_name(j->change),
                 j->severity != JUDGE_SEVERITY_NONE ? " " : "",
                 j->severity != JUDGE_SEVERITY_NONE ? judge_severity_name(j->severity) : "",
                 h->runs[j->point[j->n_points - 1]].run);
    else if (isfinite(j->drift_p) && j->drift_p < drift_certain)
        snprintf(out, size, "drifts by %s a run", judge_format(by, sizeof by, j->drift_per_run, f->unit));
    else
        snprintf(out, size, "%s", judge_change_name(j->change));
}

static void put_headline(const struct history *h, struct seep_buf *out)
{
    size_t worse = 0;
    for (size_t i = 0; i < h->n_figures; i++)
        worse += h->figures[i].judged.change == JUDGE_CHANGE_REGRESSION;
    if (worse > 0)
        buf_printf(out, "%zu figure%s ", worse, worse == 1 ? "" : "s");
    buf_printf(out, "%s (%zu run%s)", titles[h->verdict], h->n_runs, h->n_runs == 1 ? "" : "s");
}

static void put_row(struct text *t, const struct history *h, const struct history_figure *f)
{
    char v[48], words[256];
    const struct judge_history *j = &f->judged;
    text_pad(t, 2);
    text_foreign(t, TEXT_PLAIN, f->name, BEFORE_COLUMN - 3);
    text_pad(t, BEFORE_COLUMN);
    text_put(t, TEXT_DIM, isfinite(j->before) ? judge_format(v, sizeof v, j->before, f->unit) : "-");
    text_pad(t, NOW_COLUMN);
    text_put(t, TEXT_PLAIN, judge_format(v, sizeof v, j->now, f->unit));
    text_pad(t, LAST_COLUMN);
    text_put(t, TEXT_PLAIN, judge_format(v, sizeof v, j->last, f->unit));
    text_pad(t, WORD_COLUMN);
    describe(h, f, words, sizeof words);
    text_foreign(t, j->change == JUDGE_CHANGE_REGRESSION ? TEXT_RED : TEXT_DIM, words, 0);
    text_end_line(t);
}

int history_text(const struct history *h, const struct report_style *style, struct seep_buf *out, struct seep_err *err)
{
    static const char *const words[JUDGE_VERDICTS] = {"NO REGRESSION", "REGRESSION", "INCONCLUSIVE"};
    static const enum text_colour colours[JUDGE_VERDICTS] = {TEXT_GREEN, TEXT_RED, TEXT_YELLOW};
    struct text t;
    text_init(&t, style, out);
    text_put(&t, colours[h->verdict], words[h->verdict]);
    text_put(&t, TEXT_PLAIN, "  ");
    put_headline(h, out);
    text_printf(&t, TEXT_DIM, "   exit %d", history_exit_code(h));
    text_end_line(&t);
    text_put(&t, TEXT_DIM, "  figure");
    text_pad(&t, BEFORE_COLUMN);
    text_put(&t, TEXT_DIM, "before");
    text_pad(&t, NOW_COLUMN);
    text_put(&t, TEXT_DIM, "now (median)");
    text_pad(&t, LAST_COLUMN);
    text_put(&t, TEXT_DIM, "last run");
    text_end_line(&t);
    for (size_t i = 0; i < h->n_figures; i++)
        if (h->figures[i].judged.n_known > 0)
            put_row(&t, h, &h->figures[i]);
    return buf_check(out, "The text of the history", err);
}

static void put_figure(struct jsonw *w, const struct history *h, const struct history_figure *f)
{
    const struct judge_history *j = &f->judged;
    double factor;
    const char *unit = report_json_measure_unit(f->name, f->unit, &factor);
    jsonw_object(w, NULL);
    jsonw_string(w, "name", f->name);
    jsonw_string(w, "unit", unit);
    jsonw_string(w, "better", f->better == JUDGE_LESS_IS_BETTER ? "less" : "more");
    jsonw_string(w, "change", judge_change_name(j->change));
    jsonw_string(w, "severity", judge_severity_name(j->severity));
    jsonw_double(w, "before", j->before * factor);
    jsonw_double(w, "now", j->now * factor);
    jsonw_double(w, "last", j->last * factor);
    jsonw_double(w, "drift_per_run", j->drift_per_run * factor);
    jsonw_double(w, "drift_p", j->drift_p);
    jsonw_array(w, "change_points");
    for (size_t i = 0; i < j->n_points; i++)
        jsonw_string(w, NULL, h->runs[j->point[i]].run);
    jsonw_end_array(w);
    jsonw_array(w, "values");
    for (size_t i = 0; i < h->n_runs; i++)
        jsonw_double(w, NULL, f->value[i] * factor);
    jsonw_end_array(w);
    jsonw_end_object(w);
}

int history_json(const struct history *h, struct seep_buf *out, struct seep_err *err)
{
    struct jsonw w;
    char when[32];
    jsonw_init(&w, out, true);
    jsonw_object(&w, NULL);
    jsonw_string(&w, "schema", "seep.history/1");
    jsonw_string(&w, "verdict", judge_verdict_name(h->verdict));
    jsonw_int(&w, "exit_code", history_exit_code(h));
    jsonw_double(&w, "threshold", h->share);
    jsonw_array(&w, "runs");
    for (size_t i = 0; i < h->n_runs; i++) {
        const struct history_run *r = &h->runs[i];
        jsonw_object(&w, NULL);
        jsonw_string(&w, "run", r->run);
        jsonw_string(&w, "started", r->started_ns == SEEP_UNKNOWN ? NULL : clock_iso8601(when, r->started_ns));
        jsonw_string(&w, "verdict", r->verdict);
        jsonw_string(&w, "build_id", r->build_id);
        jsonw_end_object(&w);
    }
    jsonw_end_array(&w);
    jsonw_array(&w, "figures");
    for (size_t i = 0; i < h->n_figures; i++)
        put_figure(&w, h, &h->figures[i]);
    jsonw_end_array(&w);
    jsonw_end_object(&w);
    buf_char(out, '\n');
    return buf_check(out, "The JSON of the history", err);
}

int history_markdown(const struct history *h, struct seep_buf *out, struct seep_err *err)
{
    char v[48], words[256];
    buf_str(out, "## History: ");
    put_headline(h, out);
    buf_str(out, "\n\n| figure | before | now | last run | change |\n|---|---:|---:|---:|---|\n");
    for (size_t i = 0; i < h->n_figures; i++) {
        const struct history_figure *f = &h->figures[i];
        if (f->judged.n_known == 0)
            continue;
        buf_str(out, "| ");
        esc_markdown(out, f->name, strlen(f->name));
        buf_printf(out, " | %s",
                   isfinite(f->judged.before) ? judge_format(v, sizeof v, f->judged.before, f->unit) : "");
        buf_printf(out, " | %s", judge_format(v, sizeof v, f->judged.now, f->unit));
        buf_printf(out, " | %s | ", judge_format(v, sizeof v, f->judged.last, f->unit));
        describe(h, f, words, sizeof words);
        esc_markdown(out, words, strlen(words));
        buf_str(out, " |\n");
    }
    return buf_check(out, "The Markdown of the history", err);
}
