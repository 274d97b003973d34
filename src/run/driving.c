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
    if (r->load_wanted && load_state(r->load) == LOAD_READY && r->state == RUN_MEASURE)
        if (load_begin(r->load, run_elapsed_s(r) > 1 ? run_elapsed_s(r) : 0, &err))
            run_event_note(r, E_LOAD, "%s.", err.text);
}

static bool make_windows(struct run *r)
{
    size_t n = (size_t)load_scenarios(r->load) + 1;
    r->window = calloc(n, sizeof *r->window);
    for (; r->window && r->n_window < n; r->n_window++) {
        struct load_hist *h = malloc(sizeof *h);
        if (!h)
            return false;
        hist_reset(h);
        r->window[r->n_window] = h;
    }
    return r->window != NULL;
}

void run_window_quantiles(struct run *r, int scenario, double quantile_s[TICK_QUANTILES])
{
    static const double q[TICK_QUANTILES] = {0.5, 0.9, 0.95, 0.99, 0.999};
    for (int i = 0; i < TICK_QUANTILES; i++)
        quantile_s[i] = NAN;
    if (!r->window)
        make_windows(r);
    if ((size_t)(scenario + 1) >= r->n_window)
        return;
    const struct load_hist *whole = load_hist(r->load, scenario, LOAD_LATENCY);
    struct load_hist *before = r->window[scenario + 1], *now = malloc(sizeof *now);
    struct seep_err err;
    if (!whole || !now) {
        free(now);
        return;
    }
    *now = *whole;
    if (hist_subtract(now, before, &err) == 0)
        for (int i = 0; i < TICK_QUANTILES; i++)
            quantile_s[i] = hist_quantile(now, q[i]) / 1e6;
    *before = *whole;
    free(now);
}
