// Evaluation of gates: the dispatch, and the gates on growth. See gate.h. No observations never means PASS.
#include "judge/gate_eval.h"
#include "base/units.h"
#include "judge/perop.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void judge_result(struct judge_gate_result *out, enum judge_status status, const char *fmt, ...)
{
    va_list ap;
    out->status = status;
    va_start(ap, fmt);
    vsnprintf(out->reason, sizeof out->reason, fmt, ap);
    va_end(ap);
}

const struct judge_gauge *judge_gauge_of(const struct judge_gate *gate, const struct judge_data *data)
{
    static const struct judge_gauge several = {
        .why_missing = "several series have that name: tell them apart by labels, or make one of them with sum()"};
    const struct judge_gauge *found = NULL;
    for (size_t i = 0; i < data->n_gauges; i++) {
        if (!judge_gauge_matches(gate, &data->gauge[i]))
            continue;
        if (found)
            return &several;
        found = &data->gauge[i];
    }
    return found;
}

static size_t count_labels(const char *labels)
{
    size_t n = labels[0] != '\0';
    for (; *labels; labels++)
        n += *labels == ',';
    return n;
}

static bool has_label(const char *labels, const struct judge_label *l)
{
    size_t key = strlen(l->key), value = strlen(l->value);
    for (const char *at = labels; at && *at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL)
        if (strncmp(at, l->key, key) == 0 && at[key] == '=' && strncmp(at + key + 1, l->value, value) == 0 &&
            (at[key + 1 + value] == '\0' || at[key + 1 + value] == ','))
            return true;
    return false;
}

// What a gate may mean without saying so: only itself. A gate without labels is about the whole.
static bool meant(const struct judge_gate *gate, const char *labels)
{
    for (size_t i = 0; i < gate->n_labels; i++)
        if (!has_label(labels, &gate->label[i]))
            return false;
    return gate->n_labels > 0 || labels[0] == '\0';
}

const struct judge_load *judge_load_find(const struct judge_gate *gate, const struct judge_load *loads, size_t n,
                                         bool *ambiguous)
{
    const struct judge_load *best = NULL;
    *ambiguous = false;
    for (size_t i = 0; i < n; i++) {
        if (!meant(gate, loads[i].labels))
            continue;
        size_t parts = count_labels(loads[i].labels), least = best ? count_labels(best->labels) : SIZE_MAX;
        if (parts < least)
            best = &loads[i];
        *ambiguous = parts == least || (parts > least && *ambiguous);
    }
    return *ambiguous ? NULL : best;
}

const struct judge_load *judge_load_of(const struct judge_gate *gate, const struct judge_data *data)
{
    bool ambiguous;
    return judge_load_find(gate, data->load, data->n_loads, &ambiguous);
}

// First index with t >= from, or t > from when after is set.
static size_t lower(const struct judge_series *s, double from, bool after)
{
    size_t lo = 0, hi = s->n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (s->t_s[mid] < from || (after && s->t_s[mid] <= from))
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

struct judge_series judge_slice(const struct judge_series *s, double from, double to)
{
    if (s->n == 0)
        return (struct judge_series){s->t_s, s->y, 0};
    size_t a = lower(s, from, false), b = lower(s, to, true);
    return (struct judge_series){s->t_s + a, s->y + a, b > a ? b - a : 0};
}

static bool counts_things(const struct judge_gate *gate)
{
    return gate->unit == JUDGE_U_PER_S && !gate->scraped;
}

static struct judge_options options_of(const struct judge_gate *gate, const struct judge_data *data,
                                       const struct judge_gauge *gauge)
{
    struct judge_options o = data->options;
    o.budget_per_s = gate->limit;
    o.quantum = gauge->quantum;
    o.baseline = gauge->baseline;
    o.counts = counts_things(gate);
    o.unit = gate->unit == JUDGE_U_PER_S ? JUDGE_U_COUNT : JUDGE_U_BYTES;
    o.t_scale = o.t_scale > 1 ? o.t_scale : 1;
    o.total_limit = NAN;
    if (gate->over != JUDGE_OVER_WHOLE)
        o.warmup_s = 0; // a chosen window has no warm-up of its own
    return o;
}

static void take_growth(const struct judge_growth *g, struct judge_gate_result *out)
{
    out->growth = *g;
    out->has_growth = true;
    out->value = g->slope_per_s;
    out->lo = g->lo_per_s;
    out->hi = g->hi_per_s;
    judge_result(out, judge_status_of(g->verdict), "%s", g->reason);
}

static int badness(enum judge_verdict v)
{
    return v == JUDGE_FAIL ? 2 : v == JUDGE_INCONCLUSIVE ? 1 : 0;
}

// The worst of all windows of a gate with `over: each`, or the one window of the others.
static int judge_windows(const struct judge_gate *gate, const struct judge_data *data, const struct judge_gauge *gauge,
                         const struct judge_options *o, struct judge_growth *worst)
{
    double from = data->from_s, step = gate->over == JUDGE_OVER_EACH ? gate->over_s : data->to_s - data->from_s;
    if (gate->over == JUDGE_OVER_LAST) {
        from = fmax(from, data->to_s - gate->over_s);
        step = data->to_s - from;
    }
    bool first = true;
    do {
        struct judge_growth g;
        double to =
            from + step > data->to_s - step / 2 ? data->to_s : from + step; // a short rest joins the last window
        struct judge_series s = judge_slice(&gauge->series, from, to);
        if (judge_trend(&s, o, &g) != 0) {
            *worst = g;
            return -1;
        }
        if (first || badness(g.verdict) > badness(worst->verdict) ||
            (g.verdict == worst->verdict && g.slope_per_s > worst->slope_per_s))
            *worst = g;
        first = false;
        from = to;
    } while (from < data->to_s);
    return 0;
}

static int eval_trend(const struct judge_gate *gate, const struct judge_data *data, const struct judge_gauge *gauge,
                      struct judge_gate_result *out)
{
    struct judge_options o = options_of(gate, data, gauge);
    struct judge_growth g;
    int rc = judge_windows(gate, data, gauge, &o, &g);
    take_growth(&g, out);
    if (rc == 0 && out->status == JUDGE_S_PASS && isfinite(gate->warn)) {
        o.budget_per_s = gate->warn;
        rc = judge_windows(gate, data, gauge, &o, &g);
        if (g.verdict == JUDGE_FAIL)
            judge_result(out, JUDGE_S_WARN, "%s (warning level)", g.reason);
    }
    return rc;
}

static int eval_total(const struct judge_gate *gate, const struct judge_data *data, const struct judge_gauge *gauge,
                      struct judge_gate_result *out)
{
    struct judge_options o = options_of(gate, data, gauge);
    double from = gate->over == JUDGE_OVER_LAST ? fmax(data->from_s, data->to_s - gate->over_s) : data->from_s;
    struct judge_series s = judge_slice(&gauge->series, from, data->to_s);
    struct judge_level level;
    o.total_limit = gate->limit;
    if (gate->over == JUDGE_OVER_LAST)
        o.baseline = NAN; // growth within the window, not since the start
    int rc = judge_total_growth(&s, &o, &level);
    out->value = level.difference;
    out->lo = level.difference - level.margin;
    out->hi = level.difference + level.margin;
    judge_result(out, judge_status_of(level.verdict), "%s", level.reason);
    if (out->status == JUDGE_S_PASS && isfinite(gate->warn) && out->lo > gate->warn)
        judge_result(out, JUDGE_S_WARN, "%s (above the warning level)", level.reason);
    return rc;
}

// Requests finished until each sample of s, cumulative.
static void count_requests(const struct judge_load *load, const struct judge_series *s, double *counts)
{
    double sum = 0;
    size_t k = 0;
    for (size_t i = 0; i < s->n; i++) {
        for (; k < load->n && load->t_s[k] <= s->t_s[i]; k++)
            sum += (double)load->requests[k];
        counts[i] = sum;
    }
}

static void judge_per_request(const struct judge_gate *gate, const struct judge_perop *per, bool marked,
                              struct judge_gate_result *out)
{
    char v[32], lo[32], hi[32];
    const struct judge_perop_one *one = &per->total;
    if (!one->known) {
        judge_result(out, JUDGE_S_INCONCLUSIVE, "%s", per->reason);
        return;
    }
    out->value = one->bytes_per_op;
    out->lo = one->lo;
    out->hi = one->hi;
    enum judge_status status = one->lo > gate->limit    ? JUDGE_S_FAIL
                               : one->hi <= gate->limit ? JUDGE_S_PASS
                                                        : JUDGE_S_INCONCLUSIVE;
    if (status == JUDGE_S_PASS && isfinite(gate->warn) && one->lo > gate->warn)
        status = JUDGE_S_WARN;
    judge_result(out, status, "grows %s per %s (90 %% interval %s to %s) over %.0f %s",
                 judge_format(v, sizeof v, one->bytes_per_op, JUDGE_U_BYTES_PER_OP),
                 marked ? "marked operation" : "request", judge_format(lo, sizeof lo, one->lo, JUDGE_U_BYTES_PER_OP),
                 judge_format(hi, sizeof hi, one->hi, JUDGE_U_BYTES_PER_OP), per->operations,
                 marked ? "of them" : "requests");
}

static int eval_per_request(const struct judge_gate *gate, const struct judge_data *data,
                            const struct judge_gauge *gauge, struct judge_gate_result *out)
{
    const struct judge_load *load = judge_load_of(gate, data);
    double from = gate->over == JUDGE_OVER_LAST ? fmax(data->from_s, data->to_s - gate->over_s) : data->from_s;
    struct judge_series s = judge_slice(&gauge->series, from, data->to_s);
    bool marked = (!load || load->n == 0) && data->marks && data->marks->n > 0;
    load = marked ? data->marks : load;
    if (!load || load->n == 0) {
        judge_result(out, JUDGE_S_INCONCLUSIVE,
                     "there was no load to count requests of, and the program marked no operations");
        return 0;
    }
    if (s.n == 0) {
        judge_result(out, JUDGE_S_INCONCLUSIVE, "there are no samples of %s", gate->gauge);
        return 0;
    }
    double *counts = malloc(s.n * sizeof *counts);
    struct judge_perop per;
    if (!counts) {
        judge_result(out, JUDGE_S_INCONCLUSIVE, "memory ran out while judging");
        return -1;
    }
    count_requests(load, &s, counts);
    struct judge_perop_input in = {.t_s = s.t_s,
                                   .y = s.y,
                                   .n = s.n,
                                   .counts = counts,
                                   .k = 1,
                                   .warmup_s = gate->over == JUDGE_OVER_LAST ? 0 : data->options.warmup_s};
    int rc = judge_perop(&in, &per);
    free(counts);
    judge_per_request(gate, &per, marked, out);
    return rc;
}

static int eval_stacks(const struct judge_gate *gate, const struct judge_data *data, struct judge_gate_result *out)
{
    if (!data->stacks) {
        judge_result(out, JUDGE_S_INCONCLUSIVE, "%s",
                     data->stacks_missing ? data->stacks_missing : "allocations were not attributed to stacks");
        return 0;
    }
    struct judge_stacks_input in = *data->stacks;
    struct judge_stacks stacks;
    in.budget_per_s = gate->limit;
    int rc = judge_stacks(&in, &stacks);
    out->value = stacks.worst_per_s;
    out->lo = stacks.worst_lo_per_s;
    out->hi = stacks.worst_hi_per_s;
    enum judge_status status = judge_status_of(stacks.verdict);
    if (status == JUDGE_S_PASS && isfinite(gate->warn) && stacks.worst_lo_per_s > gate->warn)
        status = JUDGE_S_WARN;
    judge_result(out, status, "%s", stacks.reason);
    judge_stacks_free(&stacks);
    return rc;
}

int judge_eval_growth(const struct judge_gate *gate, const struct judge_data *data, struct judge_gate_result *out)
{
    if (gate->kind == JUDGE_M_STACK_GROWTH)
        return eval_stacks(gate, data, out);
    const struct judge_gauge *gauge = judge_gauge_of(gate, data);
    if (!gauge || gauge->series.n == 0) {
        judge_result(out, JUDGE_S_INCONCLUSIVE, "%s",
                     gauge && gauge->why_missing ? gauge->why_missing : "it was never observed");
        return 0;
    }
    if (gate->over != JUDGE_OVER_WHOLE && gate->over_s > 1.01 * (data->to_s - data->from_s)) {
        judge_result(out, JUDGE_S_INCONCLUSIVE, "the measured time is shorter than the window that is demanded");
        return 0;
    }
    if (gate->kind == JUDGE_M_TOTAL_GROWTH)
        return eval_total(gate, data, gauge, out);
    return gate->kind == JUDGE_M_PER_REQUEST ? eval_per_request(gate, data, gauge, out)
                                             : eval_trend(gate, data, gauge, out);
}

static bool is_growth(enum judge_metric_kind kind)
{
    return kind == JUDGE_M_STACK_GROWTH || kind == JUDGE_M_GROWTH || kind == JUDGE_M_TOTAL_GROWTH ||
           kind == JUDGE_M_PER_REQUEST;
}

// A gate that only warns cannot change the verdict of a run: what fails or cannot be told becomes a warning.
static void soften(struct judge_gate_result *out)
{
    char reason[sizeof out->reason];
    if (out->status != JUDGE_S_FAIL && out->status != JUDGE_S_INCONCLUSIVE)
        return;
    snprintf(reason, sizeof reason, "%s", out->reason);
    judge_result(out, JUDGE_S_WARN, "%s%s", out->status == JUDGE_S_INCONCLUSIVE ? "cannot be told: " : "", reason);
}

int judge_gate_eval(const struct judge_gate *gate, const struct judge_data *data, struct judge_gate_result *out)
{
    int rc = 0;
    memset(out, 0, sizeof *out);
    out->status = JUDGE_S_INCONCLUSIVE;
    out->value = out->lo = out->hi = out->distance = NAN;
    out->limit = gate->vs_baseline ? NAN : gate->limit;
    out->unit = gate->unit;
    if (is_growth(gate->kind))
        rc = judge_eval_growth(gate, data, out);
    else if (gate->kind == JUDGE_M_MAX || gate->kind == JUDGE_M_INCREASE)
        judge_eval_marks(gate, data, out);
    else
        judge_eval_value(gate, data, out);
    bool less = gate->op == JUDGE_OP_LT || gate->op == JUDGE_OP_LE;
    out->distance = less ? out->limit - out->value : out->value - out->limit; // NaN stays unknown
    if (gate->warn_only)
        soften(out);
    return rc;
}
