// Figures of the run with their uncertainty, for comparisons and scores: levels, growth rates, CPU, latencies, errors.
#include "report/build.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { OF_THE_LOAD = 11, OF_A_SCENARIO = 2 };
static const double warmup_share = .1;

// Levels and rates of gauges. The floor of a rate is a tenth of the budget of its gate where there is one.
static const struct {
    const char *name, *gauge;
    enum judge_unit unit;
    double floor;
    const char *about;
} gauges[] = {
    {"heap.growth", "heap", JUDGE_U_BYTES_PER_S, 1e5 / 3600, "growth of the live heap"},
    {"rss.growth", "rss", JUDGE_U_BYTES_PER_S, 1e5 / 3600, "growth of the resident memory"},
    {"fd.growth", "fd", JUDGE_U_PER_S, 1. / 3600, "growth of the open descriptors"},
    {"threads.growth", "threads", JUDGE_U_PER_S, 1. / 3600, "growth of the threads"},
    {"heap", "heap", JUDGE_U_BYTES, 1e6, "mean live heap"},
    {"rss", "rss", JUDGE_U_BYTES, 1e6, "mean resident memory"},
    {"fd", "fd", JUDGE_U_COUNT, 5, "mean number of descriptors"},
    {"threads", "threads", JUDGE_U_COUNT, 2, "mean number of threads"},
    {"cpu", "cpu", JUDGE_U_RATIO, .02, "mean CPU, 100 % is one core"},
};

static const struct {
    const char *name;
    enum judge_metric_kind kind;
    double quantile;
    enum judge_unit unit;
    enum judge_better better;
    double floor;
    const char *about;
} of_load[] = {
    {"http.p50", JUDGE_M_QUANTILE, .5, JUDGE_U_SECONDS, JUDGE_LESS_IS_BETTER, 1e-3, "median response time"},
    {"http.p95", JUDGE_M_QUANTILE, .95, JUDGE_U_SECONDS, JUDGE_LESS_IS_BETTER, 1e-3, "95 % response time"},
    {"http.p99", JUDGE_M_QUANTILE, .99, JUDGE_U_SECONDS, JUDGE_LESS_IS_BETTER, 1e-3, "99 % response time"},
    {"http.errors", JUDGE_M_ERRORS, 0, JUDGE_U_RATIO, JUDGE_LESS_IS_BETTER, 1e-3, "share of failed requests"},
    {"http.rate", JUDGE_M_RATE, 0, JUDGE_U_PER_S, JUDGE_MORE_IS_BETTER, 1, "requests per second"},
};

static struct report_measure *add(struct build *b, const char *name, const char *about, enum judge_unit unit,
                                  enum judge_better better, double floor)
{
    struct report_measure *m = &b->r->measures[b->r->n_measures++];
    *m = (struct report_measure){.name = name, .about = about, .unit = unit, .better = better, .floor = floor};
    for (size_t i = 0; i < b->r->n_gates; i++)
        if (strcmp(b->r->gates[i].gate.name, name) == 0)
            m->gate = &b->r->gates[i];
    return m;
}

// ---- without the time of faults: as in gates, what a fault does is no figure of the program

static bool is_cut(const struct judge_span *spans, size_t n, double from_s, double to_s)
{
    for (size_t i = 0; i < n; i++)
        if (from_s < spans[i].to_s && to_s > spans[i].from_s)
            return true;
    return false;
}

// The rows that no fault touches, put together as if the time between them had not been. The same when there are none.
static int uncut(const struct build *b, const struct judge_load *l, struct judge_load *out, struct seep_err *err)
{
    *out = *l;
    if (b->n_cut == 0 || l->n == 0)
        return 0;
    double *t = report_alloc(b->arena, l->n, sizeof *t), at = b->r->measure_from_s, before = at;
    uint64_t *requests = report_alloc(b->arena, l->n, sizeof *requests);
    uint64_t *errors = report_alloc(b->arena, l->n, sizeof *errors);
    uint64_t *bucket = report_alloc(b->arena, l->n * l->n_buckets, sizeof *bucket);
    if (t == NULL || requests == NULL || errors == NULL || bucket == NULL)
        return build_no_memory(err);
    out->n = 0;
    for (size_t i = 0; i < l->n; before = l->t_s[i++]) {
        if (is_cut(b->cut, b->n_cut, before, l->t_s[i]))
            continue;
        at += l->t_s[i] - before;
        t[out->n] = at;
        requests[out->n] = l->requests[i];
        errors[out->n] = l->errors != NULL ? l->errors[i] : 0;
        memcpy(bucket + out->n * l->n_buckets, l->bucket + i * l->n_buckets, l->n_buckets * sizeof *bucket);
        out->n++;
    }
    out->t_s = t;
    out->requests = requests;
    out->errors = errors;
    out->bucket = bucket;
    out->passes = NULL;
    return 0;
}

static void level_of(const struct build *b, const struct build_gauge *g, struct judge_measure *out)
{
    double from = b->r->measure_from_s + warmup_share * (b->r->measure_to_s - b->r->measure_from_s);
    size_t first = 0;
    while (g != NULL && first < g->n && g->t_s[first] < from)
        first++;
    struct judge_series s = {0};
    if (g != NULL && first < g->n)
        s = (struct judge_series){.t_s = g->t_s + first, .y = g->y + first, .n = g->n - first};
    double *t = b->n_excluded > 0 ? report_alloc(b->arena, s.n, sizeof *t) : NULL;
    double *y = t != NULL ? report_alloc(b->arena, s.n, sizeof *y) : NULL;
    size_t n = 0;
    for (size_t i = 0; y != NULL && i < s.n; i++)
        if (!is_cut(b->excluded, b->n_excluded, s.t_s[i], s.t_s[i])) {
            t[n] = s.t_s[i];
            y[n++] = s.y[i];
        }
    if (y != NULL)
        s = (struct judge_series){.t_s = t, .y = y, .n = n};
    judge_measure_level(&s, out);
}

static void growth_of(const struct build *b, const char *gauge, struct report_measure *m)
{
    static const struct judge_growth none = {.slope_per_s = NAN, .lo_per_s = NAN, .hi_per_s = NAN};
    const struct report_growth *g = report_find_growth(b->r, gauge);
    const struct build_gauge *samples = build_find_gauge(b, gauge);
    struct judge_series s = {0};
    if (samples != NULL)
        s = (struct judge_series){.t_s = samples->t_s, .y = samples->y, .n = samples->n};
    judge_measure_growth(g == NULL ? &none : &g->growth, &s, &m->measure);
    if (m->gate != NULL && !m->gate->gate.vs_baseline)
        m->floor = m->gate->gate.limit / 10;
}

static void add_gauges(struct build *b)
{
    for (size_t i = 0; i < sizeof gauges / sizeof gauges[0]; i++) {
        bool rate = gauges[i].unit == JUDGE_U_BYTES_PER_S || gauges[i].unit == JUDGE_U_PER_S;
        const struct build_gauge *g = build_find_gauge(b, gauges[i].gauge);
        struct report_measure *m =
            add(b, gauges[i].name, gauges[i].about, gauges[i].unit, JUDGE_LESS_IS_BETTER, gauges[i].floor);
        if (rate)
            growth_of(b, gauges[i].gauge, m);
        else
            level_of(b, g, &m->measure);
    }
}

static int add_figure(struct build *b, size_t i, const char *name, size_t load, struct seep_err *err)
{
    struct judge_load rows;
    struct report_measure *m = add(b, name, of_load[i].about, of_load[i].unit, of_load[i].better, of_load[i].floor);
    if (uncut(b, &b->loads[load], &rows, err) != 0)
        return -1;
    judge_measure_load(of_load[i].kind, of_load[i].quantile, &rows, b->n_cut == 0 ? &b->loads_whole[load] : NULL,
                       b->r->measure_from_s, &m->measure);
    return 0;
}

// ---- what a request costs

static const struct {
    const char *name, *about;
    const char *series[2]; // counters that are added up
    enum judge_unit unit;
    double floor;
} costs[] = {
    {"cpu.per_request", "CPU time per request", {S_CPU}, JUDGE_U_SECONDS, 1e-6},
    {"disk.read_per_request", "bytes read from disk per request", {S_IO_READ}, JUDGE_U_BYTES, 64},
    {"disk.write_per_request", "bytes written to disk per request", {S_IO_WRITE}, JUDGE_U_BYTES, 64},
    {"net.per_request",
     "bytes of the load's network traffic per request",
     {S_HTTP_SENT, S_HTTP_RECEIVED},
     JUDGE_U_BYTES,
     16},
};

// What a counter grew by within each row of the load is added to `use`; NAN where it is not known. A counter of the
// tree falls when a process ends and takes its share along: what the tree used meanwhile is not known then either.
static int add_use(struct build *b, const char *series, const struct judge_load *l, double *use, struct seep_err *err)
{
    double *v = NULL, before = NAN;
    size_t tick = 0;
    if (build_values(b, series, "", &v, err) != 0)
        return -1;
    for (size_t i = 0; i < b->ticks.n && v != NULL && b->r->t_s[i] <= b->r->measure_from_s; i++)
        before = v[i];
    for (size_t i = 0; i < l->n; i++) {
        while (tick < b->ticks.n && b->r->t_s[tick] < l->t_s[i])
            tick++;
        double now = v != NULL && tick < b->ticks.n && b->r->t_s[tick] == l->t_s[i] ? v[tick] : NAN;
        use[i] += now >= before ? now - before : NAN;
        before = now;
    }
    free(v);
    return 0;
}

// Without the warm-up and the time of faults.
static void drop_cut_rows(const struct build *b, const struct judge_load *l, double *use)
{
    double from = b->r->measure_from_s + warmup_share * (b->r->measure_to_s - b->r->measure_from_s);
    double before = b->r->measure_from_s;
    for (size_t i = 0; i < l->n; before = l->t_s[i++])
        if (before < from || is_cut(b->cut, b->n_cut, before, l->t_s[i]))
            use[i] = NAN;
}

static int add_costs(struct build *b, struct seep_err *err)
{
    const struct judge_load *l = &b->loads[0];
    double *use = report_alloc(b->arena, l->n, sizeof *use), *requests = report_alloc(b->arena, l->n, sizeof *requests);
    if (use == NULL || requests == NULL)
        return build_no_memory(err);
    for (size_t i = 0; i < l->n; i++)
        requests[i] = (double)l->requests[i];
    for (size_t i = 0; i < sizeof costs / sizeof costs[0]; i++) {
        memset(use, 0, l->n * sizeof *use);
        for (int k = 0; k < 2 && costs[i].series[k] != NULL; k++)
            if (add_use(b, costs[i].series[k], l, use, err) != 0)
                return -1;
        drop_cut_rows(b, l, use);
        struct report_measure *m =
            add(b, costs[i].name, costs[i].about, costs[i].unit, JUDGE_LESS_IS_BETTER, costs[i].floor);
        judge_measure_ratio(use, requests, l->n, &m->measure);
    }
    return 0;
}

// ---- the user's own: metrics of the load and scraped series

// Whether less or more of it is better is known from a gate on it; false: there is none.
static bool gated_way(const struct build *b, const char *name, enum judge_better *better)
{
    for (size_t i = 0; i < b->r->n_gates; i++) {
        const struct judge_gate *g = &b->r->gates[i].gate;
        if (strcmp(g->name, name) != 0)
            continue;
        *better = g->op == JUDGE_OP_LT || g->op == JUDGE_OP_LE ? JUDGE_LESS_IS_BETTER : JUDGE_MORE_IS_BETTER;
        return true;
    }
    return false;
}

// A trend by its 95 % quantile (less is better unless a gate says otherwise); a rate when a gate says which way is
// good.
static int add_metric(struct build *b, size_t load, struct seep_err *err)
{
    const struct judge_load *l = &b->loads[load];
    bool trend = b->loads_whole[load].n_buckets > 0;
    const char *name = report_strf(b->arena, trend ? "metric.p95{%s}" : "metric.rate{%s}", l->labels);
    enum judge_better better = JUDGE_LESS_IS_BETTER;
    struct judge_load rows;
    if (name == NULL || uncut(b, l, &rows, err) != 0)
        return name == NULL ? build_no_memory(err) : -1;
    bool gated = gated_way(b, name, &better);
    if (!trend && !gated)
        return 0;
    enum judge_unit unit = trend ? JUDGE_U_COUNT : JUDGE_U_RATIO;
    for (size_t i = 0; i < b->r->n_gates && trend; i++)
        if (strcmp(b->r->gates[i].gate.name, name) == 0)
            unit = b->r->gates[i].gate.unit;
    struct report_measure *m = add(b, name, trend ? "95 % quantile of the user's own values" : "share of hits", unit,
                                   better, trend ? 0 : 1e-3);
    judge_measure_load(trend ? JUDGE_M_QUANTILE : JUDGE_M_ERRORS, .95, &rows,
                       trend && b->n_cut == 0 ? &b->loads_whole[load] : NULL, b->r->measure_from_s, &m->measure);
    return 0;
}

// A scraped series that a gate is about, by its mean.
static void add_scraped(struct build *b, const struct report_gate *gate)
{
    const struct judge_gate *g = &gate->gate;
    const struct build_gauge *found = NULL;
    if (!g->scraped || g->kind != JUDGE_M_GAUGE)
        return;
    for (size_t i = 0; i < b->r->n_measures; i++)
        if (strcmp(b->r->measures[i].name, g->name) == 0)
            return; // two gates on one series
    for (size_t i = 0; i < b->n_gauges; i++) {
        const struct judge_gauge gauge = {.name = b->gauges[i].name, .labels = b->gauges[i].labels};
        if (!judge_gauge_matches(g, &gauge))
            continue;
        if (found != NULL)
            return; // the gate says so
        found = &b->gauges[i];
    }
    enum judge_better better = JUDGE_LESS_IS_BETTER;
    gated_way(b, g->name, &better);
    struct report_measure *m = add(b, g->name, "mean of a scraped series", g->unit, better, 0);
    level_of(b, found, &m->measure);
}

static int add_load(struct build *b, struct seep_err *err)
{
    enum { P95 = 1 };
    for (size_t i = 0; i < sizeof of_load / sizeof of_load[0]; i++)
        if (add_figure(b, i, of_load[i].name, 0, err) != 0)
            return -1;
    if (add_costs(b, err) != 0)
        return -1;
    for (size_t l = 1; l < b->n_loads; l++) {
        bool metric = strncmp(b->loads[l].labels, "name=", 5) == 0;
        if (metric && add_metric(b, l, err) != 0)
            return -1;
        if (metric || b->n_loads <= 2)
            continue;
        const char *name = report_strf(b->arena, "%s{%s}", of_load[P95].name, b->loads[l].labels);
        if (name == NULL)
            return build_no_memory(err);
        if (add_figure(b, P95, name, l, err) != 0)
            return -1;
    }
    return 0;
}

int build_measures(struct build *b, struct seep_err *err)
{
    size_t room = sizeof gauges / sizeof gauges[0] + OF_THE_LOAD + OF_A_SCENARIO * b->n_loads + b->r->n_gates;
    b->r->measures = report_alloc(b->arena, room, sizeof *b->r->measures);
    if (b->r->measures == NULL)
        return build_no_memory(err);
    add_gauges(b);
    for (size_t i = 0; i < b->r->n_gates; i++)
        add_scraped(b, &b->r->gates[i]);
    return b->n_loads > 0 && b->loads[0].n > 0 ? add_load(b, err) : 0;
}
