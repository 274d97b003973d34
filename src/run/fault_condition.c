// Conditions of faults: see fault_condition.h.
#include "run/fault_condition.h"
#include "load/series.h"
#include "report/scraped.h"
#include "run/state.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// ---- reading one

// What a tick has beside what was scraped: its own series, and those of dependencies and probes.
static const char *const of_ticks[] = {S_DEP_RSS, S_DEP_CPU, S_DEP_FD, S_DEP_THREADS, S_PROBE_TIME};

static const char **names_of(const struct profile *p, size_t *n)
{
    const size_t more = RUN_SERIES_N + sizeof of_ticks / sizeof of_ticks[0];
    const char **scraped = report_scraped_names(p, n);
    const char **all = realloc(scraped, (*n + more) * sizeof *all);
    if (!all) {
        free(scraped);
        return NULL;
    }
    for (size_t i = 0; i < RUN_SERIES_N; i++)
        all[(*n)++] = run_series_table[i].name;
    for (size_t i = 0; i < sizeof of_ticks / sizeof of_ticks[0]; i++)
        all[(*n)++] = of_ticks[i];
    return all;
}

static bool is_of_load(const struct judge_gate *g)
{
    bool load = !strncmp(g->metric, "http.", 5) || !strncmp(g->metric, "metric.", 7);
    return !g->scraped && load &&
           (g->kind == JUDGE_M_QUANTILE || g->kind == JUDGE_M_ERRORS || g->kind == JUDGE_M_RATE ||
            (g->kind == JUDGE_M_REQUESTS && g->metric[0] == 'm'));
}

int run_condition_parse(const struct profile *p, const char *text, struct judge_gate *out,
                        struct judge_gate_where *where, struct seep_err *err)
{
    const struct judge_gate_text t = {.gate = text};
    size_t n = 0;
    const char **names = names_of(p, &n);
    if (!names)
        return seep_fail(err, SEEP_E_SYSTEM, "There is no memory for a condition");
    int rc = judge_gate_parse(&t, names, n, out, where, err);
    free(names);
    if (rc)
        return -1;
    if (!is_of_load(out) && out->kind != JUDGE_M_GAUGE)
        return seep_fail(err, SEEP_E_USAGE,
                         "A fault's condition is about a value of the moment: http.p50 to http.p999, http.errors, "
                         "http.rate, metric.*, a series of the target or of a dependency, or a scraped one; not about "
                         "'%s'",
                         out->metric);
    if (is_of_load(out) && p->n_loads == 0)
        return seep_fail(err, SEEP_E_USAGE, "The condition '%.80s' is about a load, and there is none to tell by",
                         text);
    return 0;
}

int run_condition_open(const struct profile *p, const char *text, struct run_condition *c, struct seep_err *err)
{
    *c = (struct run_condition){.row = -1, .own = -1};
    if (run_condition_parse(p, text, &c->gate, NULL, err))
        return -1;
    c->ticked = !is_of_load(&c->gate);
    c->of_metric = !strncmp(c->gate.metric, "metric.", 7);
    for (int i = 0; i < RUN_SERIES_N && c->ticked; i++)
        if (!strcmp(run_series_table[i].name, c->gate.metric))
            c->own = i;
    if (c->gate.kind != JUDGE_M_QUANTILE)
        return 0;
    c->before_hist = calloc(1, sizeof *c->before_hist);
    return c->before_hist ? 0 : seep_fail(err, SEEP_E_SYSTEM, "There is no memory for a condition");
}

void run_condition_close(struct run_condition *c)
{
    free(c->before_hist);
    c->before_hist = NULL;
}

static enum run_answer holds(const struct judge_gate *g, double value)
{
    bool good = g->op == JUDGE_OP_LT   ? value < g->limit
                : g->op == JUDGE_OP_LE ? value <= g->limit
                : g->op == JUDGE_OP_GT ? value > g->limit
                                       : value >= g->limit;
    return isnan(value) ? RUN_ANSWER_NONE : good ? RUN_ANSWER_GOOD : RUN_ANSWER_BAD;
}

// ---- of the load

static bool has_all_labels(const struct judge_gate *g, const char *labels)
{
    const struct judge_gauge gauge = {.name = g->gauge, .labels = labels};
    return judge_gauge_matches(g, &gauge);
}

// The widest row that carries all labels of the condition: parents stand before their children.
static int find_row(const struct run *r, const struct run_condition *c)
{
    const struct load_series_table *t = load_series_of(r->load);
    const struct load_metric_table *m = load_metrics_of(r->load);
    for (int i = 0; c->of_metric && i < m->n; i++)
        if (has_all_labels(&c->gate, m->row[i].labels))
            return i;
    for (int i = 0; !c->of_metric && i < t->n; i++)
        if (t->row[i].kind != LOAD_SERIES_TRANSACTION && has_all_labels(&c->gate, t->row[i].labels))
            return i;
    return -1;
}

static const struct load_hist *hist_of(const struct run *r, const struct run_condition *c)
{
    return c->of_metric ? load_metric_hist(r->load, c->row) : load_hist(r->load, c->row, LOAD_LATENCY);
}

void run_condition_remember(const struct run *r, struct run_condition *c)
{
    if (c->ticked)
        return;
    c->row = c->row < 0 ? find_row(r, c) : c->row;
    if (c->row < 0)
        return;
    c->primed = true;
    if (c->of_metric)
        c->metric_before = *load_metric_counts(r->load, c->row);
    else
        c->before = *load_counts(r->load, c->row);
    const struct load_hist *h = c->before_hist ? hist_of(r, c) : NULL;
    if (h)
        *c->before_hist = *h;
}

static double quantile_since(const struct run *r, const struct run_condition *c, struct load_hist *scratch)
{
    struct seep_err err;
    const struct load_hist *h = hist_of(r, c);
    double steps = c->of_metric ? load_metrics_of(r->load)->row[c->row].steps : 1e6;
    if (!h)
        return NAN;
    *scratch = *h;
    if (hist_subtract(scratch, c->before_hist, &err) || scratch->count == 0)
        return NAN;
    return hist_quantile(scratch, c->gate.quantile) / steps;
}

static double metric_since(const struct run *r, const struct run_condition *c, double seconds)
{
    const struct load_metric_counts *now = load_metric_counts(r->load, c->row);
    double total = (double)(now->total - c->metric_before.total);
    if (c->gate.kind == JUDGE_M_REQUESTS)
        return (now->sum - c->metric_before.sum) / seconds;
    return total > 0 ? (double)(now->hits - c->metric_before.hits) / total : NAN;
}

static double http_since(const struct run *r, const struct run_condition *c, double seconds)
{
    const struct load_counts *now = load_counts(r->load, c->row);
    double requests = (double)(now->completed - c->before.completed);
    if (c->gate.kind == JUDGE_M_RATE)
        return requests / seconds;
    return requests > 0 ? (double)(load_errors(now) - load_errors(&c->before)) / requests : NAN;
}

enum run_answer run_condition_ask(const struct run *r, const struct run_condition *c, struct load_hist *scratch,
                                  double seconds)
{
    if (c->ticked || c->row < 0 || !c->primed)
        return RUN_ANSWER_NONE;
    double value = c->gate.kind == JUDGE_M_QUANTILE ? quantile_since(r, c, scratch)
                   : c->of_metric                   ? metric_since(r, c, seconds)
                                                    : http_since(r, c, seconds);
    return holds(&c->gate, value);
}

// ---- of ticks

static bool is_point(const struct run_condition *c, const struct tick_point *p)
{
    size_t prefix = strlen(S_SCRAPED_PREFIX);
    bool named = !strcmp(p->name, c->gate.metric) ||
                 (!strncmp(p->name, S_SCRAPED_PREFIX, prefix) && !strcmp(p->name + prefix, c->gate.metric));
    return named && has_all_labels(&c->gate, p->labels);
}

// Gauges are asked one by one; what counters came to is added up.
struct found {
    enum run_answer gauges;
    bool counted;
    double sum;
};

static void look(const struct run_condition *c, const struct run_tick *t, struct found *out)
{
    if (c->own >= 0) {
        double value = t->value[c->own];
        if (run_series_table[c->own].kind == SERIES_GAUGE)
            out->gauges = holds(&c->gate, value);
        else if ((out->counted = isfinite(value)))
            out->sum = value;
        return;
    }
    for (size_t i = 0; i < t->n_points; i++) {
        const struct tick_point *p = &t->points[i];
        if (!is_point(c, p))
            continue;
        if (p->kind == SERIES_GAUGE) {
            enum run_answer one = holds(&c->gate, p->value);
            out->gauges = one > out->gauges ? one : out->gauges;
        } else {
            out->counted = true;
            out->sum += p->value;
        }
    }
}

enum run_answer run_condition_tick(struct run_condition *c, const struct run_tick *t)
{
    struct found f = {.gauges = RUN_ANSWER_NONE};
    look(c, t, &f);
    if (!f.counted)
        return f.gauges;
    double seconds = (double)(t->time.mono_ns - c->before_ns) / 1e9;
    bool known = c->primed && seconds > 0 && f.sum >= c->sum_before;
    double rate = known ? (f.sum - c->sum_before) / seconds : NAN;
    c->primed = true;
    c->sum_before = f.sum;
    c->before_ns = t->time.mono_ns;
    enum run_answer counters = holds(&c->gate, rate);
    return counters > f.gauges ? counters : f.gauges;
}
