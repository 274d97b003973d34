// Are the conditions of a fault good? Looked at twice a second, from the counters of the load as they come in, because
// the run's own ticks may lie minutes apart.
//
// While the fault lasts: in how many windows was one of `spares` broken? That share is fault.spread. Afterwards: when
// did the stretch of good windows begin that lasted `good_for`? That time is fault.recovery; when there is none within
// `watch`, the target has not recovered. A window without a finished request says nothing: it neither makes nor breaks
// a stretch, but a stretch needs three windows that say something.
#include "judge/gate.h"
#include "load/series.h"
#include "run/faults.h"
#include "run/state.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SPEAKING_WINDOWS  3
#define DEFAULT_CONDITION "http.errors < 1%"

struct condition {
    struct judge_gate gate;
    int series; // of the load; -1: not found yet
    struct load_counts before;
    struct load_hist *before_hist; // quantiles only
};

enum phase { WATCH_OFF, WATCH_DURING, WATCH_AFTER };

struct run_watch {
    const struct profile_fault *fault;
    struct condition *recovered, *spares;
    int n_recovered, n_spares;
    struct load_hist *scratch;
    enum phase phase;
    struct seep_time over;        // the fault's end
    int64_t report_ns, before_ns; // of the load's reports: this window's end and begin
    int64_t good_since_ns;        // 0: no stretch
    int speaking;                 // windows of the stretch with requests
    int64_t windows, bad;
};

// ---- making one

static int parse(const char *text, struct condition *c, struct seep_err *err)
{
    struct judge_gate_text t = {.gate = text};
    *c = (struct condition){.series = -1};
    if (judge_gate_parse(&t, NULL, 0, &c->gate, NULL, err))
        return -1;
    bool quantile = c->gate.kind == JUDGE_M_QUANTILE;
    if (strncmp(c->gate.metric, "http.", 5) != 0 ||
        (!quantile && c->gate.kind != JUDGE_M_ERRORS && c->gate.kind != JUDGE_M_RATE))
        return seep_fail(err, SEEP_E_USAGE,
                         "A fault's condition is about http.p50 to http.p999, http.errors or http.rate, "
                         "not about '%s'",
                         c->gate.metric);
    c->before_hist = quantile ? calloc(1, sizeof *c->before_hist) : NULL;
    return quantile && !c->before_hist ? seep_fail(err, SEEP_E_SYSTEM, "There is no memory for a condition") : 0;
}

static int parse_all(char *const *texts, int n, struct condition **out, int *n_out, struct seep_err *err)
{
    *out = calloc((size_t)n + 1, sizeof **out);
    if (!*out)
        return seep_fail(err, SEEP_E_SYSTEM, "There is no memory for conditions");
    for (*n_out = 0; *n_out < n; (*n_out)++)
        if (parse(texts[*n_out], &(*out)[*n_out], err))
            return -1;
    return 0;
}

int run_watch_new(struct run *r, const struct profile_fault *f, struct run_watch **out, struct seep_err *err)
{
    static char fallback[] = DEFAULT_CONDITION;
    char *only[] = {fallback};
    *out = NULL;
    if (r->profile->n_loads == 0) {
        if (f->n_recovered || f->n_spares)
            return seep_fail(err, SEEP_E_USAGE, "The fault '%s' has conditions, and there is no load to tell by",
                             f->name);
        return 0;
    }
    struct run_watch *w = calloc(1, sizeof *w);
    if (!w || !(w->scratch = calloc(1, sizeof *w->scratch))) {
        free(w);
        return seep_fail(err, SEEP_E_SYSTEM, "There is no memory to watch a fault");
    }
    w->fault = f;
    *out = w;
    if (parse_all(f->n_recovered ? f->recovered : only, f->n_recovered ? f->n_recovered : 1, &w->recovered,
                  &w->n_recovered, err))
        return -1;
    return parse_all(f->spares, f->n_spares, &w->spares, &w->n_spares, err);
}

static void free_conditions(struct condition *c, int n)
{
    for (int i = 0; c && i <= n; i++)
        free(c[i].before_hist);
    free(c);
}

void run_watch_free(struct run_watch *w)
{
    if (!w)
        return;
    free_conditions(w->recovered, w->n_recovered);
    free_conditions(w->spares, w->n_spares);
    free(w->scratch);
    free(w);
}

// ---- windows

// Does "load=a,scenario=b" hold "scenario=b"?
static bool has_label(const char *labels, const struct judge_label *l)
{
    char want[2 * JUDGE_LABEL_MAX + 2];
    size_t len = (size_t)snprintf(want, sizeof want, "%s=%s", l->key, l->value);
    for (const char *at = labels; at; at = strchr(at, ','), at = at ? at + 1 : NULL)
        if (!strncmp(at, want, len) && (at[len] == ',' || !at[len]))
            return true;
    return false;
}

// The widest row that carries all labels of the condition: parents stand before their children.
static int find_series(const struct run *r, const struct judge_gate *g)
{
    const struct load_series_table *t = load_series_of(r->load);
    for (int i = 0; i < t->n; i++) {
        bool all = t->row[i].kind != LOAD_SERIES_TRANSACTION;
        for (size_t k = 0; k < g->n_labels && all; k++)
            all = has_label(t->row[i].labels, &g->label[k]);
        if (all)
            return i;
    }
    return -1;
}

static bool holds(const struct judge_gate *g, double value)
{
    switch (g->op) {
    case JUDGE_OP_LT:
        return value < g->limit;
    case JUDGE_OP_LE:
        return value <= g->limit;
    case JUDGE_OP_GT:
        return value > g->limit;
    default:
        return value >= g->limit;
    }
}

enum answer { ANSWER_NONE, ANSWER_GOOD, ANSWER_BAD };

static void remember(struct run *r, struct condition *c)
{
    if (c->series < 0)
        c->series = find_series(r, &c->gate);
    if (c->series < 0)
        return;
    c->before = *load_counts(r->load, c->series);
    const struct load_hist *h = c->before_hist ? load_hist(r->load, c->series, LOAD_LATENCY) : NULL;
    if (h)
        *c->before_hist = *h;
}

static double quantile_since(struct run *r, struct run_watch *w, const struct condition *c)
{
    struct seep_err err;
    const struct load_hist *h = load_hist(r->load, c->series, LOAD_LATENCY);
    if (!h)
        return NAN;
    *w->scratch = *h;
    return hist_subtract(w->scratch, c->before_hist, &err) ? NAN : hist_quantile(w->scratch, c->gate.quantile) / 1e6;
}

static enum answer ask(struct run *r, struct run_watch *w, const struct condition *c, double seconds)
{
    if (c->series < 0)
        return ANSWER_NONE;
    const struct load_counts *now = load_counts(r->load, c->series);
    double requests = (double)(now->completed - c->before.completed);
    double value = NAN;
    if (c->gate.kind == JUDGE_M_RATE)
        value = requests / seconds;
    else if (requests > 0 && c->gate.kind == JUDGE_M_ERRORS)
        value = (double)(load_errors(now) - load_errors(&c->before)) / requests;
    else if (requests > 0)
        value = quantile_since(r, w, c);
    return isnan(value) ? ANSWER_NONE : holds(&c->gate, value) ? ANSWER_GOOD : ANSWER_BAD;
}

// One bad condition makes the window bad; it is good when one at least is good and none is bad.
static enum answer window(struct run *r, struct run_watch *w, struct condition *c, int n, double seconds)
{
    enum answer all = ANSWER_NONE;
    for (int i = 0; i < n; i++) {
        enum answer one = ask(r, w, &c[i], seconds);
        all = one > all ? one : all;
        remember(r, &c[i]);
    }
    return all;
}

// ---- what comes of it

static void labels_of(const struct run_watch *w, char *out, size_t size)
{
    snprintf(out, size, "fault=%.63s", w->fault->name);
}

static void recovered(struct run *r, struct run_watch *w)
{
    char labels[80], text[160];
    struct seep_time back = w->over;
    int64_t took = w->good_since_ns > w->over.mono_ns ? w->good_since_ns - w->over.mono_ns : 0;
    labels_of(w, labels, sizeof labels);
    back.mono_ns += took, back.real_ns += took, back.boot_ns += took;
    snprintf(text, sizeof text, "%.63s: recovered %.1f s after it was over.", w->fault->name, (double)took / 1e9);
    run_event_span(r, E_RECOVERY, w->over, back, SEEP_UNKNOWN, text);
    run_point(r, S_FAULT_RECOVERY, labels, UNIT_SECONDS, SERIES_GAUGE, (double)took / 1e9);
    w->phase = WATCH_OFF;
}

static void not_recovered(struct run *r, struct run_watch *w, const char *until)
{
    char labels[80], text[400];
    struct seep_time now = clock_read();
    labels_of(w, labels, sizeof labels);
    snprintf(text, sizeof text, "%.63s: not recovered %.1f s after it was over, %s.", w->fault->name,
             (double)(now.mono_ns - w->over.mono_ns) / 1e9, until);
    run_event_span(r, E_RECOVERY, w->over, now, SEEP_UNKNOWN, text);
    run_point(r, S_FAULT_UNRECOVERED, labels, UNIT_SECONDS, SERIES_GAUGE,
              (double)(now.mono_ns - w->over.mono_ns) / 1e9);
    w->phase = WATCH_OFF;
}

static void tell_spread(struct run *r, struct run_watch *w)
{
    char labels[80];
    if (w->n_spares == 0 || w->windows == 0)
        return;
    labels_of(w, labels, sizeof labels);
    run_point(r, S_FAULT_SPREAD, labels, UNIT_RATIO, SERIES_GAUGE, (double)w->bad / (double)w->windows);
    if (w->bad > 0)
        run_event_note(r, E_WARNING,
                       "The fault '%s' spread: what it should have spared was not well in %lld of %lld windows.",
                       w->fault->name, (long long)w->bad, (long long)w->windows);
}

static void look_during(struct run *r, struct run_watch *w, double seconds)
{
    enum answer a = window(r, w, w->spares, w->n_spares, seconds);
    w->windows += a != ANSWER_NONE;
    w->bad += a == ANSWER_BAD;
}

static void look_after(struct run *r, struct run_watch *w, double seconds)
{
    enum answer a = window(r, w, w->recovered, w->n_recovered, seconds);
    if (a == ANSWER_BAD) {
        w->good_since_ns = 0;
        w->speaking = 0;
    }
    if (a == ANSWER_GOOD && !w->good_since_ns)
        w->good_since_ns = w->before_ns;
    w->speaking += a == ANSWER_GOOD;
    if (w->good_since_ns && w->speaking >= SPEAKING_WINDOWS &&
        w->report_ns - w->good_since_ns >= (int64_t)(w->fault->good_for_s * 1e9))
        recovered(r, w);
    else if (w->report_ns - w->over.mono_ns > (int64_t)(w->fault->watch_s * 1e9))
        not_recovered(r, w, "and it was not watched for longer");
}

// ---- the outside

static void remember_all(struct run *r, struct run_watch *w)
{
    for (int i = 0; i < w->n_recovered; i++)
        remember(r, &w->recovered[i]);
    for (int i = 0; i < w->n_spares; i++)
        remember(r, &w->spares[i]);
    w->before_ns = w->report_ns = load_generator(r->load)->at_ns;
}

bool run_watch_busy(const struct run_watch *w)
{
    return w->phase != WATCH_OFF;
}

void run_watch_begin(struct run *r, struct run_watch *w)
{
    if (!r->load)
        return;
    load_poll(r->load);
    w->phase = WATCH_DURING;
    w->windows = w->bad = 0;
    remember_all(r, w);
}

void run_watch_over(struct run *r, struct run_watch *w)
{
    if (!r->load || w->phase != WATCH_DURING)
        return;
    tell_spread(r, w);
    w->phase = WATCH_AFTER;
    w->over = clock_read();
    w->good_since_ns = 0;
    w->speaking = 0;
    load_poll(r->load);
    remember_all(r, w);
}

void run_watch_look(struct run *r, struct run_watch *w)
{
    if (!r->load)
        return;
    load_poll(r->load);
    int64_t at = load_generator(r->load)->at_ns;
    if (at <= w->report_ns)
        return; // no news from the generator yet
    w->before_ns = w->report_ns;
    w->report_ns = at;
    double seconds = fmax(1e-3, (double)(at - w->before_ns) / 1e9);
    if (w->phase == WATCH_DURING)
        look_during(r, w, seconds);
    else if (w->phase == WATCH_AFTER)
        look_after(r, w, seconds);
}

void run_watch_give_up(struct run *r, struct run_watch *w, bool run_over)
{
    if (w->phase == WATCH_AFTER && !run_over)
        not_recovered(r, w, "when it began again");
    else if (w->phase == WATCH_AFTER)
        run_event_note(r, E_WARNING, "The run ended before it could be told whether the target recovered from '%s'.",
                       w->fault->name);
    w->phase = WATCH_OFF;
}
