// The load from the run's side: its worker's descriptor, when to begin, what it tells, and quantiles per tick.
#include "run/state.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void on_load(uv_poll_t *handle, int status, int events)
{
    struct run *r = handle->data;
    (void)status;
    (void)events;
    load_poll(r->load);
    run_load_look(r);
}

void run_watch_load(struct run *r)
{
    if (load_fd(r->load) < 0 || uv_poll_init(&r->loop, &r->load_poll, load_fd(r->load)))
        return;
    r->load_poll.data = r;
    r->polling_load = true;
    uv_poll_start(&r->load_poll, UV_READABLE | UV_DISCONNECT, on_load);
}

void run_load_look(struct run *r)
{
    struct load_event ev;
    struct seep_err err;
    if (!r->load)
        return;
    load_poll(r->load);
    while (load_next_event(r->load, &ev))
        run_event_note(r, ev.level ? E_WARNING : E_LOAD, "%s", ev.text);
    if (load_fd(r->load) < 0 && r->polling_load) {
        uv_poll_stop(&r->load_poll);
        r->polling_load = false;
    }
    bool first = r->state == RUN_MEASURE && load_state(r->load) == LOAD_READY;
    bool again = r->state == RUN_RELOAD && (load_state(r->load) == LOAD_READY || load_state(r->load) == LOAD_STOPPED);
    if (!r->load_wanted || !(first || again))
        return;
    if (load_begin(r->load, first && run_elapsed_s(r) > 1 ? run_elapsed_s(r) : 0, &err))
        run_event_note(r, E_LOAD, "%s.", err.text);
    r->load_wanted = false;
}

// ---- what a tick takes of the load

enum { WINDOW_SERIES = 64 }; // so many, the upper ones first, are kept by windows: hundreds would fill the disk

// Per series: the cumulative latencies at the last tick and at the end of the last window.
struct run_windows {
    int n, n_metrics;
    struct load_hist *tick, *window;
    struct load_hist *values; // of each metric, at the end of the last window
    struct load_hist scratch;
};

static bool make_windows(struct run *r)
{
    struct run_windows *w = calloc(1, sizeof *w);
    if (!w)
        return false;
    w->n = load_series_of(r->load)->n;
    w->tick = malloc((size_t)w->n * sizeof *w->tick);
    w->window = malloc((size_t)w->n * sizeof *w->window);
    w->n_metrics = load_metrics_of(r->load)->n;
    w->values = calloc((size_t)w->n_metrics + 1, sizeof *w->values);
    r->windows = w;
    if (!w->tick || !w->window || !w->values) {
        w->n = 0;
        return false;
    }
    for (int i = 0; i < w->n; i++) {
        hist_reset(&w->tick[i]);
        hist_reset(&w->window[i]);
    }
    return true;
}

void run_load_free(struct run *r)
{
    load_free(r->load);
    r->load = NULL;
    if (!r->windows)
        return;
    free(r->windows->tick);
    free(r->windows->window);
    free(r->windows->values);
    free(r->windows);
    r->windows = NULL;
}

// What came between `before` and now; before becomes now. False when the two do not fit (the worker began anew).
static bool since(struct run_windows *w, const struct load_hist *now, struct load_hist *before)
{
    struct seep_err err;
    w->scratch = *now;
    bool ok = hist_subtract(&w->scratch, before, &err) == 0;
    *before = *now;
    return ok;
}

// What its quantiles are of.
static enum load_hist_kind main_histogram(const struct load_series *s)
{
    return s->kind == LOAD_SERIES_TRANSACTION ? LOAD_PASS : LOAD_LATENCY;
}

static void fill_one(struct run *r, int i, bool window_ends, struct tick_load *l)
{
    static const double q[TICK_QUANTILES] = {0.5, 0.9, 0.95, 0.99, 0.999};
    struct run_windows *w = r->windows;
    const struct load_series *series = &load_series_of(r->load)->row[i];
    const struct load_hist *now = load_hist(r->load, i, main_histogram(series));
    l->labels = series->labels;
    l->kind = series->kind;
    l->codes = *load_codes(r->load, i);
    l->counts = *load_counts(r->load, i);
    for (int k = 0; k < TICK_QUANTILES; k++)
        l->quantile_s[k] = NAN;
    buf_init(&l->window, 1u << 20);
    if (since(w, now, &w->tick[i]))
        for (int k = 0; k < TICK_QUANTILES; k++)
            l->quantile_s[k] = hist_quantile(&w->scratch, q[k]) / 1e6;
    if (window_ends && i < WINDOW_SERIES && since(w, now, &w->window[i]))
        hist_pack(&w->scratch, &l->window);
}

static void fill_metrics(struct run *r, bool window_ends, struct run_tick *t)
{
    const struct load_metric_table *metrics = load_metrics_of(r->load);
    t->metrics = calloc((size_t)metrics->n + 1, sizeof *t->metrics);
    for (int i = 0; t->metrics && i < metrics->n && i < r->windows->n_metrics; i++) {
        struct tick_metric *m = &t->metrics[t->n_metrics++];
        m->metric = metrics->row[i];
        m->counts = *load_metric_counts(r->load, i);
        buf_init(&m->window, 1u << 20);
        if (window_ends && m->metric.kind == METRIC_TREND &&
            since(r->windows, load_metric_hist(r->load, i), &r->windows->values[i]))
            hist_pack(&r->windows->scratch, &m->window);
    }
}

void run_fill_load(struct run *r, struct run_tick *t)
{
    if (!r->load)
        return;
    load_poll(r->load);
    int n = load_series_of(r->load)->n;
    if (!r->windows && !make_windows(r))
        return;
    t->loads = calloc((size_t)n, sizeof *t->loads);
    if (!t->loads)
        return;
    t->n_loads = (size_t)n;
    t->generator = *load_generator(r->load);
    int64_t every = (int64_t)(r->duration_s / r->interval_s / 288);
    bool window_ends = t->phase == PHASE_MEASURE && (every <= 1 || t->index % every == 0);
    for (int i = 0; i < n; i++)
        fill_one(r, i, window_ends, &t->loads[i]);
    fill_metrics(r, window_ends, t);
}
