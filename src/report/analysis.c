// The analysis of a table as text and as JSON: see analysis.h.
#include "report/analysis.h"
#include "report/json.h"
#include "report/text.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { LABEL_MIN = 12, LABEL_MAX = 28 };

// ---- text -----------------------------------------------------------------------------------------------------------

static void put_verdict(struct text *t, enum judge_verdict verdict)
{
    char word[32];
    text_upper(word, sizeof word, judge_verdict_name(verdict));
    text_put(t, text_status_colour(judge_status_of(verdict)), word);
}

static void put_head(struct text *t, const struct report_analysis *a)
{
    char end[320];
    put_verdict(t, a->verdict);
    text_put(t, TEXT_PLAIN, "  ");
    text_wrapped(t, TEXT_BOLD, a->headline, t->column);
    snprintf(end, sizeof end, "%.250s   exit %d", a->file, a->exit_code);
    text_end_right(t, end);
}

static int label_column(const struct report_analysis *a)
{
    int widest = LABEL_MIN;
    for (size_t i = 0; i < a->n_series; i++) {
        int columns = text_columns(a->series[i].name, strlen(a->series[i].name)) + 4;
        widest = columns > widest ? columns : widest;
    }
    return widest < LABEL_MAX ? widest : LABEL_MAX;
}

static void put_label(struct text *t, const char *label, int column)
{
    text_put(t, TEXT_PLAIN, "  ");
    text_foreign(t, TEXT_PLAIN, label, column - 4);
    text_pad(t, column);
}

static void put_line(struct text *t, int column, const char *sentence)
{
    text_pad(t, column);
    text_wrapped(t, TEXT_PLAIN, sentence, column);
    text_end_line(t);
}

// How it was judged, enough to do it again by hand.
static void put_method(struct text *t, int column, const struct judge_growth *j)
{
    char line[320], mde[48], from[48], window[48];
    enum judge_unit rate = j->unit == JUDGE_U_BYTES ? JUDGE_U_BYTES_PER_S : JUDGE_U_PER_S;
    snprintf(line, sizeof line, "smallest excess it could have shown: %s%s",
             judge_format(mde, sizeof mde, j->mde_per_s, rate), j->resolves ? "" : ", more than the budget");
    put_line(t, column, line);
    snprintf(line, sizeof line,
             "model %s (%zu plausible), %zu points of %zu samples, rho %.2f, judged from %.12g s on over %s%s",
             j->model, j->n_models, j->n_used, j->n_given, j->rho, j->warmup_end_s,
             units_duration(window, sizeof window, j->window_s), j->n_recuts > 0 ? ", warm-up found" : "");
    put_line(t, column, line);
    if (isfinite(j->settle_duration_s)) {
        snprintf(line, sizeof line, "a window of about %s would settle it",
                 units_duration(from, sizeof from, j->settle_duration_s));
        put_line(t, column, line);
    }
}

static void put_total(struct text *t, int column, const struct judge_growth *j, double limit)
{
    char line[200], total[48], margin[48], most[48];
    snprintf(line, sizeof line, "total growth %s: %s (+- %s), limit %s", judge_verdict_name(j->total_verdict),
             judge_format(total, sizeof total, j->total_growth, j->unit),
             judge_format(margin, sizeof margin, j->total_margin, j->unit),
             judge_format(most, sizeof most, limit, j->unit));
    put_line(t, column, line);
}

static void put_series(struct text *t, const struct report_growth *g, const struct report_analysis *a, int column)
{
    const struct judge_growth *j = &g->growth;
    put_label(t, g->name, column);
    put_verdict(t, j->verdict);
    text_printf(t, TEXT_BOLD, "  %s", j->shape_text);
    text_end_line(t);
    put_line(t, column, j->reason);
    if (isfinite(j->slope_per_s))
        put_method(t, column, j);
    if (isfinite(a->total_limit))
        put_total(t, column, j, a->total_limit);
}

int report_analysis_text(const struct report_analysis *a, const struct report_style *style, struct seep_buf *out,
                         struct seep_err *err)
{
    struct text t;
    int column = label_column(a);
    text_init(&t, style, out);
    put_head(&t, a);
    for (size_t i = 0; i < a->n_series; i++)
        put_series(&t, &a->series[i], a, column);
    if (a->label[0] != '\0') {
        put_label(&t, "together", column);
        put_line(&t, column, a->label);
    }
    for (size_t i = 0; i < a->n_notes; i++) {
        put_label(&t, i == 0 ? "note" : "", column);
        put_line(&t, column, a->notes[i]);
    }
    return buf_check(out, "The analysis", err);
}

// ---- JSON -----------------------------------------------------------------------------------------------------------

static void put_json_total(struct jsonw *w, const struct report_growth *g, double limit)
{
    if (!isfinite(limit)) {
        jsonw_null(w, "total");
        return;
    }
    jsonw_object(w, "total");
    jsonw_double(w, "limit", limit);
    jsonw_string(w, "verdict", judge_verdict_name(g->growth.total_verdict));
    jsonw_end_object(w);
}

int report_analysis_json(const struct report_analysis *a, struct seep_buf *out, struct seep_err *err)
{
    struct jsonw w;
    jsonw_init(&w, out, true);
    jsonw_object(&w, NULL);
    jsonw_string(&w, "schema", "seep.analysis/1");
    jsonw_string(&w, "file", a->file);
    jsonw_string(&w, "verdict", judge_verdict_name(a->verdict));
    jsonw_int(&w, "exit_code", a->exit_code);
    jsonw_string(&w, "headline", a->headline);
    jsonw_string(&w, "label", a->label[0] != '\0' ? a->label : NULL);
    jsonw_int(&w, "rows", (int64_t)a->rows);
    jsonw_array(&w, "series");
    for (size_t i = 0; i < a->n_series; i++) {
        jsonw_object(&w, NULL);
        jsonw_string(&w, "name", a->series[i].name);
        report_json_growth(&w, &a->series[i]);
        put_json_total(&w, &a->series[i], a->total_limit);
        jsonw_end_object(&w);
    }
    jsonw_end_array(&w);
    jsonw_array(&w, "notes");
    for (size_t i = 0; i < a->n_notes; i++)
        jsonw_string(&w, NULL, a->notes[i]);
    jsonw_end_array(&w);
    jsonw_end_object(&w);
    buf_char(out, '\n');
    return buf_check(out, "The analysis", err);
}
