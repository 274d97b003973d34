// The load: what gates ask of it, its summary, and growth per operation.
//
// Counters are cumulative in the store, one series a scenario. Latencies are histograms: one over the whole run, and,
// where the run kept them, one for each window between ticks. Gates over a stretch need the windows; without them they
// get no latencies and are inconclusive, while gates over the whole run use the whole histogram.
#include "load/hist.h"
#include "report/build.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char scenario_key[] = "scenario=";

// The name in "scenario=NAME", or NULL when the labels are others.
static const char *scenario_of(const char *labels)
{
    size_t len = strlen(scenario_key);
    return strncmp(labels, scenario_key, len) == 0 && strchr(labels, ',') == NULL ? labels + len : NULL;
}

// Labels of the scenarios that have a request counter, in the order they were first seen; at most JUDGE_PEROP_MAX.
static size_t list_scenarios(const struct build *b, const char *labels[JUDGE_PEROP_MAX])
{
    size_t n = 0;
    for (size_t i = 0; i < b->n_series && n < JUDGE_PEROP_MAX; i++)
        if (strcmp(b->series[i].name, S_HTTP_REQUESTS) == 0 && scenario_of(b->series[i].labels) != NULL)
            labels[n++] = b->series[i].labels;
    return n;
}

// ---- for gates ------------------------------------------------------------------------------------------------------

// What a counter grew by within each row; rows are ticks, ascending.
static int count_rows(struct build *b, const char *name, const char *labels, const size_t *rows, size_t n,
                      uint64_t *out, struct seep_err *err)
{
    double *v = NULL;
    if (build_values(b, name, labels, &v, err) != 0)
        return -1;
    double before = 0;
    size_t tick = 0;
    for (size_t i = 0; i < n; i++) {
        double now = before;
        for (; v != NULL && tick <= rows[i]; tick++)
            if (isfinite(v[tick]))
                now = v[tick];
        out[i] = now > before ? (uint64_t)(now - before) : 0;
        before = now;
    }
    free(v);
    return 0;
}

static int read_hist(struct build *b, const char *name, const char *labels, struct load_hist *h, bool *found,
                     struct seep_err *err)
{
    void *blob = NULL;
    size_t len = 0;
    *found = false;
    if (store_read_histogram(b->st, name, labels, &blob, &len, err) != 0)
        return -1;
    // A histogram that does not hold together is as good as none: the store may be of unknown origin.
    if (blob != NULL && hist_unpack(blob, len, h, NULL) == 0)
        *found = true;
    free(blob);
    return 0;
}

static void window_labels(char *out, size_t size, const char *labels, int64_t tick)
{
    snprintf(out, size, H_WINDOW_LABELS, labels, labels[0] ? "," : "", (long long)tick);
}

static const double *coarse_edges_s(struct build *b)
{
    double *edges = report_alloc(b->arena, HIST_COARSE + 1, sizeof *edges);
    for (size_t i = 0; edges != NULL && i <= HIST_COARSE; i++)
        edges[i] = hist_coarse_edges_us()[i] / 1e6;
    return edges;
}

// The measured ticks that end a window of latencies; all measured ticks when there are no windows.
static size_t choose_rows(struct build *b, size_t *rows, bool *windows, struct seep_err *err)
{
    size_t n = 0;
    *windows = false;
    for (size_t i = b->measure_first; i < b->measure_end; i++) {
        char labels[64];
        void *blob = NULL;
        size_t len;
        window_labels(labels, sizeof labels, "", b->ticks.index[i]);
        if (store_read_histogram(b->st, H_HTTP_WINDOW, labels, &blob, &len, err) != 0)
            return SIZE_MAX;
        if (blob != NULL)
            rows[n++] = i;
        free(blob);
    }
    *windows = n > 0;
    if (n == 0)
        for (size_t i = b->measure_first; i < b->measure_end; i++)
            rows[n++] = i;
    return n;
}

static int fill_counts(struct build *b, const char *labels, const size_t *rows, size_t n, struct judge_load *l,
                       struct seep_err *err)
{
    double *t = report_alloc(b->arena, n, sizeof *t);
    uint64_t *requests = report_alloc(b->arena, n, sizeof *requests);
    uint64_t *errors = report_alloc(b->arena, n, sizeof *errors);
    if (t == NULL || requests == NULL || errors == NULL)
        return build_no_memory(err);
    for (size_t i = 0; i < n; i++)
        t[i] = b->r->t_s[rows[i]];
    l->t_s = t;
    l->n = n;
    l->requests = requests;
    l->errors = errors;
    return count_rows(b, S_HTTP_REQUESTS, labels, rows, n, requests, err) == 0 &&
                   count_rows(b, S_HTTP_ERRORS, labels, rows, n, errors, err) == 0
               ? 0
               : -1;
}

static int fill_windows(struct build *b, const char *of, const size_t *rows, struct judge_load *l, struct seep_err *err)
{
    uint64_t *bucket = report_alloc(b->arena, l->n * HIST_COARSE, sizeof *bucket);
    struct load_hist *h = malloc(sizeof *h);
    int failed = bucket == NULL || h == NULL ? build_no_memory(err) : 0;
    for (size_t i = 0; !failed && i < l->n; i++) {
        char labels[256];
        bool found;
        window_labels(labels, sizeof labels, of, b->ticks.index[rows[i]]);
        failed = read_hist(b, H_HTTP_WINDOW, labels, h, &found, err);
        if (!failed && found)
            hist_rebin(h, hist_coarse_edges_us(), HIST_COARSE, bucket + i * HIST_COARSE);
    }
    free(h);
    l->n_buckets = HIST_COARSE;
    l->bucket = bucket;
    return failed;
}

// The whole run as one row with all its latencies.
static int fill_whole(struct build *b, const char *labels, const struct judge_load *ticks, struct judge_load *l,
                      struct seep_err *err)
{
    uint64_t *sums = report_alloc(b->arena, 2 + HIST_COARSE, sizeof *sums);
    double *t = report_alloc(b->arena, 1, sizeof *t);
    struct load_hist *h = malloc(sizeof *h);
    bool found = false;
    if (sums == NULL || t == NULL || h == NULL) {
        free(h);
        return build_no_memory(err);
    }
    *l = *ticks;
    *t = b->r->measure_to_s;
    for (size_t i = 0; i < ticks->n; i++) {
        sums[0] += ticks->requests[i];
        sums[1] += ticks->errors[i];
    }
    l->t_s = t;
    l->n = 1;
    l->requests = sums;
    l->errors = sums + 1;
    int failed = read_hist(b, H_HTTP_LATENCY, labels, h, &found, err);
    if (found)
        hist_rebin(h, hist_coarse_edges_us(), HIST_COARSE, sums + 2);
    l->n_buckets = found ? HIST_COARSE : 0;
    l->bucket = sums + 2;
    free(h);
    return failed;
}

static int fill_loads(struct build *b, const char *const *labels, size_t n, const size_t *rows, size_t n_rows,
                      bool windows, struct seep_err *err)
{
    const double *edges = coarse_edges_s(b);
    if (edges == NULL)
        return build_no_memory(err);
    for (size_t i = 0; i <= n; i++) {
        const char *l = i == 0 ? "" : labels[i - 1];
        struct judge_load *load = &b->loads[i];
        load->scenario = i == 0 ? NULL : report_strdup(b->arena, scenario_of(l));
        load->edge_s = edges;
        if (fill_counts(b, l, rows, n_rows, load, err) != 0)
            return -1;
        if (fill_whole(b, l, load, &b->loads_whole[i], err) != 0)
            return -1;
        if (windows && fill_windows(b, l, rows, load, err) != 0)
            return -1;
        b->n_loads++;
    }
    return 0;
}

static int loads_for_gates(struct build *b, const char *const *labels, size_t n, struct seep_err *err)
{
    b->loads = report_alloc(b->arena, n + 1, sizeof *b->loads);
    b->loads_whole = report_alloc(b->arena, n + 1, sizeof *b->loads_whole);
    size_t *rows = malloc((b->ticks.n + 1) * sizeof *rows);
    bool windows = false;
    int failed = b->loads == NULL || b->loads_whole == NULL || rows == NULL ? build_no_memory(err) : 0;
    if (!failed) {
        size_t n_rows = choose_rows(b, rows, &windows, err);
        failed = n_rows == SIZE_MAX || fill_loads(b, labels, n, rows, n_rows, windows, err) != 0;
    }
    free(rows);
    return failed ? -1 : 0;
}

// ---- the summary ----------------------------------------------------------------------------------------------------

static int last_of(struct build *b, const char *name, const char *labels, double *out, struct seep_err *err)
{
    double *v = NULL;
    *out = NAN;
    if (build_values(b, name, labels, &v, err) != 0)
        return -1;
    for (size_t i = b->ticks.n; v != NULL && i > 0 && isnan(*out); i--)
        *out = v[i - 1];
    free(v);
    return 0;
}

static int last_count(struct build *b, const char *name, const char *labels, uint64_t *out, struct seep_err *err)
{
    double value;
    if (last_of(b, name, labels, &value, err) != 0)
        return -1;
    *out = value > 0 && value < 1e18 ? (uint64_t)value : 0;
    return 0;
}

static int read_counts(struct build *b, const char *labels, struct load_counts *c, struct seep_err *err)
{
    const struct {
        const char *name;
        uint64_t *out;
    } plain[] = {
        {S_HTTP_OFFERED, &c->offered}, {S_HTTP_STARTED, &c->started},
        {S_HTTP_DROPPED, &c->dropped}, {S_HTTP_REQUESTS, &c->completed},
        {S_HTTP_OK, &c->ok},           {S_HTTP_CANCELLED, &c->cancelled},
        {S_HTTP_LATE, &c->late},       {S_HTTP_LATE_SELF, &c->late_self},
        {S_HTTP_SENT, &c->sent_bytes}, {S_HTTP_RECEIVED, &c->received_bytes},
    };
    for (size_t i = 0; i < sizeof plain / sizeof plain[0]; i++)
        if (last_count(b, plain[i].name, labels, plain[i].out, err) != 0)
            return -1;
    for (int kind = 0; kind < LOAD_ERRORS; kind++) {
        char name[64];
        snprintf(name, sizeof name, S_HTTP_ERROR_PREFIX "%s", load_error_name((enum load_error)kind));
        if (last_count(b, name, labels, &c->error[kind], err) != 0)
            return -1;
    }
    return 0;
}

static int read_generator(struct build *b, struct load_generator *g, struct seep_err *err)
{
    double running, cpu, lag_sum, lag_max, full;
    *g = (struct load_generator){.target_rate_per_s = NAN};
    if (last_of(b, S_LOAD_RUNNING, "", &running, err) != 0 || last_of(b, S_LOAD_CPU, "", &cpu, err) != 0 ||
        last_of(b, S_LOAD_LAG_SUM, "", &lag_sum, err) != 0 || last_of(b, S_LOAD_LAG_MAX, "", &lag_max, err) != 0 ||
        last_of(b, S_LOAD_FULL, "", &full, err) != 0 || last_count(b, S_LOAD_RSS, "", &g->rss_bytes, err) != 0 ||
        last_count(b, S_LOAD_CONNECTIONS, "", &g->connections, err) != 0 ||
        last_count(b, S_LOAD_LAG_COUNT, "", &g->lag_count, err) != 0)
        return -1;
    g->at_ns = running > 0;
    g->running_ns = running > 0 ? (int64_t)(running * 1e9) : 0;
    g->cpu_us = cpu > 0 ? (uint64_t)(cpu * 1e6) : 0;
    g->lag_sum_us = lag_sum > 0 ? (uint64_t)(lag_sum * 1e6) : 0;
    g->lag_max_us = lag_max > 0 ? (uint64_t)(lag_max * 1e6) : 0;
    g->full_us = full > 0 ? (uint64_t)(full * 1e6) : 0;
    return 0;
}

struct parts { // one per scenario; freed together
    struct load_summary_part *part;
    struct load_counts *counts;
    struct load_hist *hists; // two each
};

static int read_part(struct build *b, const char *labels, size_t i, struct parts *p, struct seep_err *err)
{
    bool latency, service;
    if (read_counts(b, labels, &p->counts[i], err) != 0 ||
        read_hist(b, H_HTTP_LATENCY, labels, &p->hists[2 * i], &latency, err) != 0 ||
        read_hist(b, H_HTTP_SERVICE, labels, &p->hists[2 * i + 1], &service, err) != 0)
        return -1;
    p->part[i] = (struct load_summary_part){.name = report_strdup(b->arena, scenario_of(labels)),
                                            .counts = &p->counts[i],
                                            .latency = latency ? &p->hists[2 * i] : NULL,
                                            .service = service ? &p->hists[2 * i + 1] : NULL};
    return 0;
}

static int summarise(struct build *b, const char *const *labels, size_t n, struct seep_err *err)
{
    struct parts p = {.part = calloc(n + 1, sizeof *p.part),
                      .counts = calloc(n + 1, sizeof *p.counts),
                      .hists = calloc(2 * n + 1, sizeof *p.hists)};
    struct load_generator generator;
    int failed = p.part == NULL || p.counts == NULL || p.hists == NULL ? build_no_memory(err)
                                                                       : read_generator(b, &generator, err);
    for (size_t i = 0; !failed && i < n; i++)
        failed = read_part(b, labels[i], i, &p, err);
    if (!failed)
        failed = load_summarise(p.part, (int)n, generator.at_ns == 0 ? NULL : &generator, &b->r->load, err);
    b->r->has_load = !failed;
    free(p.part);
    free(p.counts);
    free(p.hists);
    return failed;
}

// Without the generator's own clock the rate is over the measured time.
static void fill_rate(const struct report *r, struct load_summary_row *row)
{
    if (isnan(row->rate_per_s) && r->elapsed_s > 0)
        row->rate_per_s = (double)row->counts.completed / r->elapsed_s;
}

// The driver knew more of itself than the series tell: its own word stands.
static int take_saturated(struct build *b, struct seep_err *err)
{
    const char *why;
    if (build_get(b, M_LOAD_SATURATED, &why, err) != 0)
        return -1;
    if (why != NULL && why[0] != '\0') {
        b->r->load.saturated = true;
        snprintf(b->r->load.why_saturated, sizeof b->r->load.why_saturated, "%s", why);
    }
    return 0;
}

int build_load(struct build *b, struct seep_err *err)
{
    const char *labels[JUDGE_PEROP_MAX];
    size_t n = list_scenarios(b, labels);
    if (n == 0)
        return 0;
    if (loads_for_gates(b, labels, n, err) != 0)
        return -1;
    if (summarise(b, labels, n, err) != 0)
        return -1;
    fill_rate(b->r, &b->r->load.all);
    for (int i = 0; i < b->r->load.n_scenarios; i++)
        fill_rate(b->r, &b->r->load.scenario[i]);
    return take_saturated(b, err);
}

// ---- growth per operation -------------------------------------------------------------------------------------------

// The last known value of a cumulative counter at each of the times.
static void counts_at(const struct build *b, const double *v, const double *t_s, size_t n, double *out, size_t stride)
{
    size_t tick = 0;
    double last = 0;
    for (size_t i = 0; i < n; i++) {
        for (; tick < b->ticks.n && b->r->t_s[tick] <= t_s[i] + 1e-9; tick++)
            if (isfinite(v[tick]))
                last = fmax(last, v[tick]);
        out[i * stride] = last;
    }
}

int build_operations(struct build *b, const double *t_s, size_t n, struct build_ops *ops, struct seep_err *err)
{
    const char *labels[JUDGE_PEROP_MAX];
    *ops = (struct build_ops){.k = list_scenarios(b, labels)};
    ops->counts = ops->k == 0 ? NULL : calloc(n * ops->k + 1, sizeof *ops->counts);
    if (ops->k > 0 && ops->counts == NULL)
        return build_no_memory(err);
    for (size_t j = 0; j < ops->k; j++) {
        double *v = NULL;
        if (build_values(b, S_HTTP_REQUESTS, labels[j], &v, err) != 0) {
            build_ops_free(ops);
            return -1;
        }
        counts_at(b, v, t_s, n, ops->counts + j, ops->k);
        free(v);
        ops->names[j] = scenario_of(labels[j]);
    }
    return 0;
}

void build_ops_free(struct build_ops *ops)
{
    free(ops->counts);
    *ops = (struct build_ops){0};
}

int build_per_op(struct build *b, const struct build_ops *ops, const double *t_s, const double *y, size_t n,
                 struct report_per_op **out, size_t *n_out, struct seep_err *err)
{
    *out = NULL;
    *n_out = 0;
    if (ops->k == 0 || n == 0)
        return 0;
    struct judge_perop_input in = {
        .t_s = t_s, .y = y, .n = n, .counts = ops->counts, .k = ops->k, .warmup_s = b->judge_options.warmup_s};
    struct judge_perop answer;
    if (judge_perop(&in, &answer) != 0)
        return build_no_memory(err);
    *out = report_alloc(b->arena, ops->k, sizeof **out);
    if (*out == NULL)
        return build_no_memory(err);
    for (size_t j = 0; j < ops->k; j++)
        if (answer.kind[j].known)
            (*out)[(*n_out)++] =
                (struct report_per_op){.operation = report_strdup(b->arena, ops->names[j]), .value = answer.kind[j]};
    return 0;
}
