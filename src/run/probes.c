// Probes of a run: see probes.h.
#include "run/probes.h"
#include "run/ask.h"
#include "run/errand.h"
#include "run/state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct probe {
    struct run *run;
    const struct profile_probe *want;
    struct run_errand errand;
    uv_timer_t timer;
    // Of the one under way, the thread's until it is done:
    bool ok;
    double took_s;
    char why[RUN_ASK_WHY];
    // The loop's:
    int64_t runs, failures;
    bool failing, on_edge;
};

struct run_probes {
    struct probe *at;
    int n;
    int out; // of an edge
    enum run_state state;
    void (*then)(struct run *r);
    atomic_bool cancel;
};

// ---- one probe, on its thread

static void probe_work(void *ctx)
{
    struct probe *p = ctx;
    int64_t begin = clock_mono_ns();
    p->why[0] = '\0';
    p->ok = run_ask_probe(p->want, p->want->within_s, &p->run->probes->cancel, p->why);
    p->took_s = (double)(clock_mono_ns() - begin) / 1e9;
}

// ---- on the loop

static void tell(struct probe *p)
{
    struct run *r = p->run;
    char labels[80];
    snprintf(labels, sizeof labels, "name=%.63s", p->want->name);
    p->runs++;
    p->failures += !p->ok;
    run_point(r, S_PROBE_RUNS, labels, UNIT_NONE, SERIES_COUNTER, (double)p->runs);
    run_point(r, S_PROBE_FAILURES, labels, UNIT_NONE, SERIES_COUNTER, (double)p->failures);
    run_point(r, S_PROBE_TIME, labels, UNIT_SECONDS, SERIES_GAUGE, p->took_s);
    if (!p->ok && !p->failing)
        run_event_note(r, E_PROBE, "The probe '%s' failed: %.250s", p->want->name, p->why);
    else if (p->ok && p->failing)
        run_event_note(r, E_PROBE, "The probe '%s' is well again.", p->want->name);
    p->failing = !p->ok;
}

static void probe_done(void *ctx)
{
    struct probe *p = ctx;
    struct run *r = p->run;
    struct run_probes *all = r->probes;
    if (!atomic_load(&all->cancel)) // cut short by the end of the run it said nothing
        tell(p);
    if (p->on_edge) {
        p->on_edge = false;
        if (--all->out == 0 && r->state == all->state)
            all->then(r);
    }
    run_after_job(r);
}

static void on_timer(uv_timer_t *timer)
{
    struct probe *p = timer->data;
    run_errand_start(&p->errand); // one that is still out is late, and its own failure says so
}

static bool is_on_edge(const struct profile_probe *w, bool end)
{
    return w->when == PROBE_EDGES || w->when == (end ? PROBE_END : PROBE_BEFORE);
}

void run_probes_edge(struct run *r, bool end, void (*then)(struct run *r))
{
    struct run_probes *all = r->probes;
    for (int i = 0; all && i < all->n; i++) {
        struct probe *p = &all->at[i];
        if (!is_on_edge(p->want, end) || !run_errand_start(&p->errand))
            continue;
        p->on_edge = true;
        all->out++;
    }
    if (!all || all->out == 0) {
        then(r);
        return;
    }
    all->state = r->state;
    all->then = then;
}

void run_probes_begin(struct run *r)
{
    for (int i = 0; r->probes && i < r->probes->n; i++) {
        struct probe *p = &r->probes->at[i];
        uint64_t every_ms = (uint64_t)(p->want->every_s * 1000);
        if (p->want->when == PROBE_CONTINUOUS)
            uv_timer_start(&p->timer, on_timer, 0, every_ms ? every_ms : 1);
    }
}

void run_probes_end(struct run *r)
{
    for (int i = 0; r->probes && i < r->probes->n; i++)
        uv_timer_stop(&r->probes->at[i].timer);
}

void run_probes_cancel(struct run *r)
{
    if (!r->probes)
        return;
    run_probes_end(r);
    atomic_store(&r->probes->cancel, true);
}

bool run_probes_busy(const struct run *r)
{
    for (int i = 0; r->probes && i < r->probes->n; i++)
        if (r->probes->at[i].errand.busy)
            return true;
    return false;
}

int run_probes_open(struct run *r, struct seep_err *err)
{
    const struct profile *p = r->profile;
    if (p->n_probes == 0)
        return 0;
    r->probes = calloc(1, sizeof *r->probes);
    if (r->probes)
        r->probes->at = calloc((size_t)p->n_probes, sizeof *r->probes->at);
    if (!r->probes || !r->probes->at)
        return seep_fail(err, SEEP_E_SYSTEM, "There is no memory for the probes of the profile");
    for (int i = 0; i < p->n_probes; i++) {
        struct probe *b = &r->probes->at[i];
        b->run = r;
        b->want = &p->probes[i];
        if (run_errand_open(&b->errand, &r->loop, probe_work, probe_done, b))
            return seep_fail(err, SEEP_E_SYSTEM, "There is no memory for the probes of the profile");
        uv_timer_init(&r->loop, &b->timer);
        b->timer.data = b;
        r->probes->n++;
    }
    return 0;
}

void run_probes_join(struct run *r)
{
    run_probes_cancel(r);
    for (int i = 0; r->probes && i < r->probes->n; i++)
        run_errand_join(&r->probes->at[i].errand);
}

void run_probes_free(struct run *r)
{
    if (r->probes)
        free(r->probes->at);
    free(r->probes);
    r->probes = NULL;
}
