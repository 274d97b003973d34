// Gates on values within windows of time: latencies, errors, rates, gauges. See gate.h.
//
// A window is one slice, or many: `over: each 5m` has one a window, `for: 60s` has slices of a quarter of that time,
// and fails when four in a row violate. A quantile is only believed when its slice holds enough requests to have one (1
// / (1 - q)); below that a slice can still fail, by its median, but not pass.
#include "base/units.h"
#include "judge/gate_eval.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SLICES_FOR = 4 };

// Where the values of a gate come from: one of the two is set.
struct source {
    const struct judge_gauge *gauge;
    const struct judge_load *load;
    struct judge_load kept; // what is left of a load without the rows that are cut
    double *length_s;       // of its rows; NULL: nothing was cut
    void *memory;
};

struct value {
    double value;  // NaN: nothing observed
    double median; // of a quantile's slice; NaN otherwise
    bool few;      // too few requests for this quantile
};

// What all slices of a gate add up to.
struct tally {
    size_t slices;
    size_t empty;
    size_t few;
    size_t violating;
    size_t warning;
    double run_s;     // length of the present row of violating slices
    double longest_s; // of the longest row
    double worst;
    double worst_at_s;
};

static bool holds(enum judge_op op, double value, double limit)
{
    switch (op) {
    case JUDGE_OP_LT:
        return value < limit;
    case JUDGE_OP_LE:
        return value <= limit;
    case JUDGE_OP_GT:
        return value > limit;
    case JUDGE_OP_GE:
        return value >= limit;
    }
    return false;
}

static bool is_less(enum judge_op op)
{
    return op == JUDGE_OP_LT || op == JUDGE_OP_LE;
}

static uint64_t in_bucket(const struct judge_load *l, size_t from, size_t to, size_t b)
{
    uint64_t sum = 0;
    for (size_t i = from; i < to; i++)
        sum += l->bucket[i * l->n_buckets + b];
    return sum;
}

static uint64_t with_latency(const struct judge_load *l, size_t from, size_t to)
{
    uint64_t total = 0;
    for (size_t b = 0; b < l->n_buckets; b++)
        total += in_bucket(l, from, to, b);
    return total;
}

double judge_load_quantile(const struct judge_load *l, size_t from, size_t to, double q)
{
    uint64_t total = with_latency(l, from, to);
    if (total == 0)
        return NAN;
    double rank = fmax(1, ceil(q * (double)total)), before = 0;
    for (size_t b = 0; b < l->n_buckets; b++) {
        double here = (double)in_bucket(l, from, to, b);
        if (here > 0 && before + here >= rank)
            return l->edge_s[b] + (l->edge_s[b + 1] - l->edge_s[b]) * (rank - before) / here;
        before += here;
    }
    return NAN;
}

static struct value quantile_value(const struct judge_gate *gate, const struct judge_load *l, size_t from, size_t to)
{
    uint64_t total = with_latency(l, from, to);
    if (total == 0)
        return (struct value){NAN, NAN, false};
    return (struct value){.value = judge_load_quantile(l, from, to, gate->quantile),
                          .median = judge_load_quantile(l, from, to, .5),
                          .few = (double)total * (1 - gate->quantile) < 1 - 1e-9};
}

// Ticks without requests say nothing; a tick in which more than half failed was an outage.
static double availability_of(const struct judge_load *l, size_t from, size_t to)
{
    double up = 0, asked = 0;
    for (size_t i = from; i < to; i++) {
        double span = i > 0 ? l->t_s[i] - l->t_s[i - 1] : to > 1 ? l->t_s[1] - l->t_s[0] : 1;
        if (l->requests[i] == 0)
            continue;
        asked += span;
        up += l->errors && 2 * l->errors[i] > l->requests[i] ? 0 : span;
    }
    return asked > 0 ? up / asked : NAN;
}

// Rows that lie in a stretch that does not count, in whole or in part, are left out. -1 without memory.
static int cut_rows(const struct judge_data *data, struct source *src)
{
    const struct judge_load *l = src->load;
    size_t row = l->n_buckets * sizeof(uint64_t), n = 0;
    char *memory = malloc(l->n * (2 * sizeof(double) + 2 * sizeof(uint64_t) + row) + 1);
    if (!memory)
        return -1;
    double *t_s = (double *)memory, *length_s = t_s + l->n;
    uint64_t *requests = (uint64_t *)(length_s + l->n), *errors = requests + l->n, *bucket = errors + l->n;
    for (size_t i = 0; i < l->n; i++) {
        double from = i > 0 ? l->t_s[i - 1] : fmin(data->from_s, l->t_s[i]);
        bool cut = false;
        for (size_t k = 0; k < data->n_cut; k++)
            cut |= data->cut[k].from_s < l->t_s[i] && data->cut[k].to_s > from;
        if (cut)
            continue;
        t_s[n] = l->t_s[i];
        length_s[n] = l->t_s[i] - from;
        requests[n] = l->requests[i];
        errors[n] = l->errors ? l->errors[i] : 0;
        memcpy(&bucket[n * l->n_buckets], &l->bucket[i * l->n_buckets], row);
        n++;
    }
    src->kept = *l;
    src->kept.t_s = t_s;
    src->kept.requests = requests;
    src->kept.errors = errors;
    src->kept.bucket = bucket;
    src->kept.n = n;
    src->load = &src->kept;
    src->length_s = length_s;
    src->memory = memory;
    return 0;
}

static double rate_length(const struct source *src, size_t from, size_t to, double window_s)
{
    double sum = 0;
    for (size_t i = from; src->length_s && i < to; i++)
        sum += src->length_s[i];
    return src->length_s ? sum : window_s;
}

static struct value load_value(const struct judge_gate *gate, const struct source *src, double from_s, double to_s)
{
    const struct judge_load *l = src->load;
    struct value none = {NAN, NAN, false};
    uint64_t requests = 0, errors = 0, passes = 0;
    size_t from = 0, to;
    while (from < l->n && l->t_s[from] <= from_s)
        from++;
    for (to = from; to < l->n && l->t_s[to] <= to_s; to++) {
        requests += l->requests[to];
        errors += l->errors ? l->errors[to] : 0;
        passes += l->passes ? l->passes[to] : 0;
    }
    if (to == from)
        return none;
    switch (gate->kind) {
    case JUDGE_M_QUANTILE:
        return quantile_value(gate, l, from, to);
    case JUDGE_M_ERRORS:
        none.value = requests > 0 ? (double)errors / (double)requests : NAN;
        return none;
    case JUDGE_M_AVAILABILITY:
        none.value = availability_of(l, from, to);
        return none;
    case JUDGE_M_RATE:
        none.value = (double)requests / rate_length(src, from, to, to_s - from_s);
        return none;
    case JUDGE_M_REQUESTS:
        none.value = (double)requests;
        return none;
    case JUDGE_M_ITERATIONS:
        none.value = l->passes ? (double)passes : NAN;
        return none;
    default:
        return none;
    }
}

static struct value gauge_value(const struct judge_gauge *g, double from_s, double to_s)
{
    struct judge_series s = judge_slice(&g->series, from_s, to_s);
    double sum = 0;
    for (size_t i = 0; i < s.n; i++)
        sum += s.y[i];
    return (struct value){s.n > 0 ? sum / (double)s.n : NAN, NAN, false};
}

static struct value value_of(const struct judge_gate *gate, const struct source *src, double from_s, double to_s)
{
    return src->load ? load_value(gate, src, from_s, to_s) : gauge_value(src->gauge, from_s, to_s);
}

static void add_slice(const struct judge_gate *gate, double limit, double warn, struct value v, double from_s,
                      double to_s, struct tally *t)
{
    double shown = v.few ? v.median : v.value; // a quantile that cannot be told can still fail by its median
    bool bad = isfinite(v.value) && !holds(gate->op, shown, limit);
    t->slices++;
    t->empty += !isfinite(v.value);
    t->few += isfinite(v.value) && v.few && !bad;
    t->violating += bad;
    t->warning += isfinite(v.value) && !v.few && isfinite(warn) && !holds(gate->op, shown, warn);
    t->run_s = bad ? t->run_s + to_s - from_s : 0;
    t->longest_s = fmax(t->longest_s, t->run_s);
    if (isfinite(v.value) && (isnan(t->worst) || (is_less(gate->op) ? v.value > t->worst : v.value < t->worst))) {
        t->worst = v.value;
        t->worst_at_s = from_s;
    }
}

static double slice_length(const struct judge_gate *gate, double window_s)
{
    if (gate->over == JUDGE_OVER_EACH)
        return gate->over_s;
    return gate->for_s > 0 ? gate->for_s / SLICES_FOR : window_s;
}

static void tally_window(const struct judge_gate *gate, const struct source *src, double from, double to, double limit,
                         double warn, struct tally *t)
{
    double step = slice_length(gate, to - from);
    *t = (struct tally){.worst = NAN};
    if (!(to > from))
        return;
    size_t n = (size_t)fmax(1, floor((to - from) / step + .5)); // a rest shorter than half a slice joins the last one
    for (size_t i = 0; i < n; i++) {
        double a = from + (double)i * step, b = i + 1 == n ? to : a + step;
        add_slice(gate, limit, warn, value_of(gate, src, a, b), a, b, t);
    }
}

const struct judge_baseline_value *judge_baseline_of(const struct judge_gate *gate,
                                                     const struct judge_baseline_value *values, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct judge_baseline_value *v = &values[i];
        bool same_window = v->over == gate->over && (v->over == JUDGE_OVER_WHOLE || v->over_s == gate->over_s);
        if (same_window && strcmp(v->name, gate->name) == 0)
            return v;
    }
    return NULL;
}

// The limit against a baseline: its value and, towards the bad side, the larger of the share and the floor.
static bool limit_of(const struct judge_gate *gate, const struct judge_data *data, double share, double *limit)
{
    *limit = share;
    if (!gate->vs_baseline)
        return true;
    const struct judge_baseline_value *v = judge_baseline_of(gate, data->baseline, data->n_baseline);
    if (v == NULL || !isfinite(v->value))
        return false;
    double allowed = fmax(fabs(v->value * share), isfinite(gate->floor) ? gate->floor : 0);
    *limit = is_less(gate->op) ? v->value + allowed : v->value - allowed;
    return true;
}

static void window_words(const struct judge_gate *gate, char *out, size_t size)
{
    char t[32];
    if (gate->over == JUDGE_OVER_WHOLE)
        snprintf(out, size, "over the whole run");
    else
        snprintf(out, size, "%s %s", gate->over == JUDGE_OVER_LAST ? "over the last" : "in the worst",
                 units_duration(t, sizeof t, gate->over_s));
}

static void conclude(const struct judge_gate *gate, const struct tally *t, const struct value *whole, bool covered,
                     struct judge_gate_result *out)
{
    char v[32], l[32], over[64], at[32];
    window_words(gate, over, sizeof over);
    judge_format(v, sizeof v, out->value, gate->unit);
    judge_format(l, sizeof l, out->limit, gate->unit);
    bool unclear = gate->for_s > 0 ? (t->few > 0 || t->empty > 0) && (whole->few || !isfinite(whole->value) ||
                                                                      !holds(gate->op, whole->value, out->limit))
                                   : t->few > 0 || t->empty > 0;
    if (t->violating > 0 && t->longest_s >= gate->for_s * (1 - 1e-9))
        judge_result(out, JUDGE_S_FAIL, "%s %s, limit %s %s%s%s", v, over, judge_op_name(gate->op), l,
                     gate->for_s > 0 ? ", violated for " : "",
                     gate->for_s > 0 ? units_duration(at, sizeof at, t->longest_s) : "");
    else if (t->slices == t->empty)
        judge_result(out, JUDGE_S_INCONCLUSIVE, "nothing was observed %s", over);
    else if (!covered)
        judge_result(out, JUDGE_S_INCONCLUSIVE, "%s, but the measured time is shorter than the window that is demanded",
                     v);
    else if (unclear && t->few > 0)
        judge_result(out, JUDGE_S_INCONCLUSIVE, "too few requests for a %g %% quantile %s", 100 * gate->quantile, over);
    else if (unclear)
        judge_result(out, JUDGE_S_INCONCLUSIVE, "nothing was observed in %zu of %zu windows", t->empty, t->slices);
    else if (t->warning > 0)
        judge_result(out, JUDGE_S_WARN, "%s %s, above the warning level, limit %s %s", v, over, judge_op_name(gate->op),
                     l);
    else
        judge_result(out, JUDGE_S_PASS, "%s %s, limit %s %s", v, over, judge_op_name(gate->op), l);
}

static bool find_source(const struct judge_gate *gate, const struct judge_data *data, struct source *src,
                        struct judge_gate_result *out)
{
    if (gate->kind == JUDGE_M_GAUGE) {
        src->gauge = judge_gauge_of(gate, data);
        if (src->gauge && src->gauge->series.n > 0)
            return true;
        judge_result(out, JUDGE_S_INCONCLUSIVE, "%s",
                     src->gauge && src->gauge->why_missing ? src->gauge->why_missing : "it was never observed");
        return false;
    }
    bool ambiguous;
    src->load = judge_load_find(gate, data->load, data->n_loads, &ambiguous);
    if (!src->load || src->load->n == 0)
        judge_result(out, JUDGE_S_INCONCLUSIVE,
                     ambiguous ? "several parts of the load have these labels: it takes another one to tell them apart"
                               : "there was no load by that name");
    return src->load && src->load->n > 0;
}

static void eval_source(const struct judge_gate *gate, const struct judge_data *data, const struct source *src,
                        struct judge_gate_result *out)
{
    struct tally t;
    double limit, warn, from = data->from_s, to = data->to_s;
    if (gate->over == JUDGE_OVER_LAST)
        from = fmax(from, to - gate->over_s);
    struct value whole = value_of(gate, src, from, to);
    out->value = whole.value;
    if (!limit_of(gate, data, gate->limit, &limit) || !limit_of(gate, data, gate->warn, &warn)) {
        judge_result(out, JUDGE_S_INCONCLUSIVE, "there is no baseline to compare with");
        return;
    }
    out->limit = limit;
    warn = isfinite(gate->warn) ? warn : NAN;
    tally_window(gate, src, from, to, limit, warn, &t);
    bool sustained = gate->for_s > 0 && t.violating > 0 && t.longest_s >= gate->for_s * (1 - 1e-9);
    if (gate->over == JUDGE_OVER_EACH || sustained)
        out->value = t.worst;
    bool covered = gate->over == JUDGE_OVER_WHOLE || gate->over_s <= 1.01 * (data->to_s - data->from_s);
    conclude(gate, &t, &whole, covered, out);
}

void judge_eval_value(const struct judge_gate *gate, const struct judge_data *data, struct judge_gate_result *out)
{
    struct source src = {0};
    if (!find_source(gate, data, &src, out))
        return;
    bool cut = src.load && data->n_cut > 0 && gate->kind != JUDGE_M_REQUESTS && gate->kind != JUDGE_M_ITERATIONS;
    if (cut && cut_rows(data, &src) != 0) {
        judge_result(out, JUDGE_S_INCONCLUSIVE, "memory ran out while judging");
        return;
    }
    eval_source(gate, data, &src, out);
    free(src.memory);
}
