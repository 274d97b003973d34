// What gates ask of the load: counts and latencies of every series by windows of time, and over the whole run.
//
// Latencies are histograms: one over the whole run, and, where the run kept them, one for each window between ticks.
// Gates over a stretch need the windows; without them they get no latencies and are inconclusive, while gates over the
// whole run use the whole histogram.
#include "load/hist.h"
#include "report/build_load.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BUILD_WINDOWS_ALWAYS = 8 };

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

static void window_labels(char *out, size_t size, const char *labels, int64_t tick)
{
    snprintf(out, size, H_WINDOW_LABELS, labels, labels[0] ? "," : "", (long long)tick);
}

// Where the store has what a gate takes as requests, errors, passes and durations of one part of the load.
struct source {
    const char *labels, *name; // name: the last of the labels' values, "" for the whole
    const char *requests, *errors, *passes;
    const char *whole, *window; // histograms
    double steps;               // of the histogram in one unit of the gate
};

static struct source source_of(const char *labels)
{
    const char *last = strrchr(labels, '=');
    return (struct source){.labels = labels,
                           .name = last ? last + 1 : "",
                           .requests = S_HTTP_REQUESTS,
                           .errors = S_HTTP_ERRORS,
                           .passes = S_LOAD_ITERATIONS,
                           .whole = H_HTTP_LATENCY,
                           .window = H_HTTP_WINDOW,
                           .steps = 1e6};
}

// A rate's requests are its cases and its errors the hits; a counter's requests are its sum.
static struct source source_of_metric(const struct load_metric *m, const char *labels)
{
    struct source s = source_of(labels);
    s.requests = m->kind == METRIC_COUNTER ? S_METRIC_SUM : S_METRIC_TOTAL;
    s.errors = S_METRIC_HITS;
    s.whole = H_METRIC_VALUES;
    s.window = H_METRIC_WINDOW;
    s.steps = m->steps;
    return s;
}

static const double *coarse_edges(struct build *b, double steps)
{
    double *edges = report_alloc(b->arena, HIST_COARSE + 1, sizeof *edges);
    for (size_t i = 0; edges != NULL && i <= HIST_COARSE; i++)
        edges[i] = hist_coarse_edges_us()[i] / steps;
    return edges;
}

// The measured ticks that end a window of latencies; all measured ticks when there are no windows.
static size_t choose_rows(struct build *b, size_t *rows, bool *windows, struct seep_err *err)
{
    size_t n = 0;
    *windows = false;
    for (size_t i = b->all_first; i < b->all_end; i++) {
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
        for (size_t i = b->all_first; i < b->all_end; i++)
            rows[n++] = i;
    return n;
}

static int fill_counts(struct build *b, const struct source *s, const size_t *rows, size_t n, struct judge_load *l,
                       struct seep_err *err)
{
    double *t = report_alloc(b->arena, n, sizeof *t);
    uint64_t *requests = report_alloc(b->arena, n, sizeof *requests);
    uint64_t *errors = report_alloc(b->arena, n, sizeof *errors);
    uint64_t *passes = report_alloc(b->arena, n, sizeof *passes);
    if (t == NULL || requests == NULL || errors == NULL || passes == NULL)
        return build_no_memory(err);
    for (size_t i = 0; i < n; i++)
        t[i] = b->r->t_s[rows[i]];
    l->t_s = t;
    l->n = n;
    l->requests = requests;
    l->errors = errors;
    l->passes = passes;
    return count_rows(b, s->requests, s->labels, rows, n, requests, err) == 0 &&
                   count_rows(b, s->errors, s->labels, rows, n, errors, err) == 0 &&
                   count_rows(b, s->passes, s->labels, rows, n, passes, err) == 0
               ? 0
               : -1;
}

static int fill_windows(struct build *b, const struct source *s, const size_t *rows, struct judge_load *l,
                        struct seep_err *err)
{
    uint64_t *bucket = report_alloc(b->arena, l->n * HIST_COARSE, sizeof *bucket);
    struct load_hist *h = malloc(sizeof *h);
    int failed = bucket == NULL || h == NULL ? build_no_memory(err) : 0;
    for (size_t i = 0; !failed && i < l->n; i++) {
        char labels[LOAD_LABELS_MAX + 32];
        bool found;
        window_labels(labels, sizeof labels, s->labels, b->ticks.index[rows[i]]);
        failed = build_read_hist(b, s->window, labels, h, &found, err);
        if (!failed && found)
            hist_rebin(h, hist_coarse_edges_us(), HIST_COARSE, bucket + i * HIST_COARSE);
    }
    free(h);
    l->n_buckets = HIST_COARSE;
    l->bucket = bucket;
    return failed;
}

// The whole run as one row with all its latencies.
static int fill_whole(struct build *b, const struct source *s, const struct judge_load *ticks, struct judge_load *l,
                      struct seep_err *err)
{
    uint64_t *sums = report_alloc(b->arena, 3 + HIST_COARSE, sizeof *sums);
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
        sums[2] += ticks->passes[i];
    }
    l->t_s = t;
    l->n = 1;
    l->requests = sums;
    l->errors = sums + 1;
    l->passes = sums + 2;
    int failed = build_read_hist(b, s->whole, s->labels, h, &found, err);
    if (found)
        hist_rebin(h, hist_coarse_edges_us(), HIST_COARSE, sums + 3);
    l->n_buckets = found ? HIST_COARSE : 0;
    l->bucket = sums + 3;
    free(h);
    return failed;
}

// Windows of every series would fill the memory where there are hundreds: those of the whole, of the first few parts,
// and of what a gate names.
static bool windows_wanted(const struct build *b, size_t i, const char *name)
{
    if (i <= BUILD_WINDOWS_ALWAYS)
        return true;
    for (int g = 0; g < b->profile->n_gates; g++)
        if (strstr(b->profile->gates[g].expr, name) != NULL)
            return true;
    for (int a = 0; a < PROFILE_AREAS; a++)
        for (int g = 0; g < b->profile->requirements.n_gates[a]; g++)
            if (strstr(b->profile->requirements.gates[a][g].expr, name) != NULL)
                return true;
    return false;
}

struct rows { // the ends of the windows, as indices of ticks
    size_t *tick, n;
    bool windows;
};

static int fill_load(struct build *b, const struct source *s, const struct rows *rows, struct seep_err *err)
{
    struct judge_load *load = &b->loads[b->n_loads];
    load->labels = s->labels;
    load->edge_s = b->n_loads > 0 && s->steps == 1e6 ? b->loads[0].edge_s : coarse_edges(b, s->steps);
    if (load->edge_s == NULL)
        return build_no_memory(err);
    if (fill_counts(b, s, rows->tick, rows->n, load, err) != 0 ||
        fill_whole(b, s, load, &b->loads_whole[b->n_loads], err) != 0)
        return -1;
    if (rows->windows && windows_wanted(b, b->n_loads, s->name) && fill_windows(b, s, rows->tick, load, err) != 0)
        return -1;
    b->n_loads++;
    return 0;
}

static int fill_loads(struct build *b, const struct build_part *parts, size_t n,
                      const struct load_metric_table *metrics, const struct rows *rows, struct seep_err *err)
{
    struct source all = source_of("");
    int failed = fill_load(b, &all, rows, err);
    for (size_t i = 0; !failed && i < n; i++) {
        struct source s = source_of(parts[i].labels);
        failed = fill_load(b, &s, rows, err);
    }
    for (int i = 0; !failed && i < metrics->n; i++) {
        const char *labels = report_strdup(b->arena, metrics->row[i].labels);
        struct source s = source_of_metric(&metrics->row[i], labels ? labels : "");
        failed = labels ? fill_load(b, &s, rows, err) : build_no_memory(err);
    }
    return failed;
}

int build_load_for_gates(struct build *b, const struct build_part *parts, size_t n, struct seep_err *err)
{
    struct load_metric_table metrics;
    load_metrics_build(b->profile, &metrics);
    size_t room = n + 1 + (size_t)metrics.n;
    b->loads = report_alloc(b->arena, room, sizeof *b->loads);
    b->loads_whole = report_alloc(b->arena, room, sizeof *b->loads_whole);
    struct rows rows = {.tick = malloc((b->ticks.n + 1) * sizeof *rows.tick)};
    if (b->loads == NULL || b->loads_whole == NULL || rows.tick == NULL) {
        free(rows.tick);
        return build_no_memory(err);
    }
    rows.n = choose_rows(b, rows.tick, &rows.windows, err);
    int failed = rows.n == SIZE_MAX ? -1 : fill_loads(b, parts, n, &metrics, &rows, err);
    free(rows.tick);
    return failed;
}
