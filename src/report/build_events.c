// Events on the axis of the report, what is cut out of the fits, and how good the evidence is.
#include "report/build.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

static double on_axis(const struct build *b, int64_t mono_ns)
{
    int64_t zero = b->ticks.n == 0 ? mono_ns : b->ticks.time[b->measure_first].mono_ns;
    return (double)(mono_ns - zero) / 1e9;
}

static int copy_events(struct build *b, const struct store_event_row *rows, size_t n, struct seep_err *err)
{
    struct report *r = b->r;
    r->events = report_alloc(b->arena, n, sizeof *r->events);
    b->excluded = report_alloc(b->arena, n, sizeof *b->excluded);
    if (r->events == NULL || b->excluded == NULL)
        return build_no_memory(err);
    for (size_t i = 0; i < n; i++) {
        struct report_event *e = &r->events[r->n_events++];
        *e = (struct report_event){.kind = report_strdup(b->arena, rows[i].kind),
                                   .text = report_strdup(b->arena, rows[i].text == NULL ? "" : rows[i].text),
                                   .from_s = on_axis(b, rows[i].from.mono_ns),
                                   .to_s = on_axis(b, rows[i].to.mono_ns),
                                   .count = rows[i].count};
        if (e->kind == NULL || e->text == NULL)
            return build_no_memory(err);
        bool cut = strcmp(e->kind, E_PAUSED) == 0 || strcmp(e->kind, E_SUSPENDED) == 0;
        if (cut && e->to_s > e->from_s)
            b->excluded[b->n_excluded++] = (struct judge_span){.from_s = e->from_s, .to_s = e->to_s};
    }
    return 0;
}

// A target that was started again is another process: only what came after the last restart is one series.
static void cut_at_restart(struct build *b)
{
    for (size_t i = 0; i < b->r->n_events; i++) {
        if (strcmp(b->r->events[i].kind, E_RESTART) != 0)
            continue;
        while (b->measure_first < b->measure_end && b->r->t_s[b->measure_first] < b->r->events[i].to_s)
            b->measure_first++;
    }
    if (b->measure_first < b->measure_end)
        b->r->measure_from_s = b->r->t_s[b->measure_first];
}

int build_events(struct build *b, struct seep_err *err)
{
    struct store_event_row *rows = NULL;
    size_t n = 0;
    if (store_read_events(b->st, &rows, &n, err) != 0)
        return -1;
    int failed = copy_events(b, rows, n, err);
    store_free_events(rows, n);
    if (failed)
        return -1;
    cut_at_restart(b);
    b->r->measure_first = b->measure_first;
    b->r->measure_end = b->measure_end;
    b->r->excluded = b->excluded;
    b->r->n_excluded = b->n_excluded;
    struct judge_options *o = &b->judge_options;
    o->planned_duration_s = b->r->planned_s;
    o->interval_s = b->r->interval_s;
    o->warmup_s = b->profile->run.warmup_s == PROFILE_AUTO ? NAN : b->profile->run.warmup_s;
    o->period_s = b->profile->run.period_s > 0 ? b->profile->run.period_s : NAN;
    o->t_scale = b->opt.t_scale > 0 ? b->opt.t_scale : 1;
    o->excluded = b->excluded;
    o->n_excluded = b->n_excluded;
    return 0;
}

// What a run of this length should have: as planned, or as long as it lasted when it ended early or goes on.
static int64_t expected_samples(const struct report *r, bool ended_by_itself)
{
    if (!(r->interval_s > 0))
        return SEEP_UNKNOWN;
    bool whole = !r->live && !ended_by_itself && (r->outcome == NULL || strcmp(r->outcome, "completed") == 0);
    double length_s = whole ? fmax(r->planned_s, r->elapsed_s) : r->elapsed_s;
    // A tick that is due at the very end may fall a hair after it.
    return (int64_t)floor(length_s / r->interval_s + 0.01) + 1;
}

static void count_events(struct report *r)
{
    struct report_evidence *e = &r->evidence;
    for (size_t i = 0; i < r->n_events; i++) {
        const struct report_event *ev = &r->events[i];
        bool measured = ev->to_s >= 0 && ev->from_s <= r->measure_to_s;
        if (strcmp(ev->kind, E_GAP) == 0 && measured)
            e->n_gaps++;
        if (strcmp(ev->kind, E_LOST) == 0 && ev->count != SEEP_UNKNOWN)
            e->lost += (double)ev->count;
    }
}

// The share of one core over the measured time, from a counter of CPU seconds.
static int cpu_share(struct build *b, const char *name, double *share, struct seep_err *err)
{
    double *v = NULL;
    *share = NAN;
    if (build_values(b, name, "", &v, err) != 0)
        return -1;
    size_t first = b->measure_first, last = b->measure_end;
    while (v != NULL && first < last && !isfinite(v[first]))
        first++;
    while (v != NULL && last > first && !isfinite(v[last - 1]))
        last--;
    if (v != NULL && last > first + 1 && v[last - 1] >= v[first])
        *share = (v[last - 1] - v[first]) / (b->r->t_s[last - 1] - b->r->t_s[first]);
    free(v);
    return 0;
}

static int last_value(struct build *b, const char *name, double *value, struct seep_err *err)
{
    double *v = NULL;
    *value = NAN;
    if (build_values(b, name, "", &v, err) != 0)
        return -1;
    for (size_t i = b->measure_end; v != NULL && i > b->measure_first && isnan(*value); i--)
        *value = v[i - 1];
    free(v);
    return 0;
}

// The finest of what the run could have seen: exact live bytes if there are any, else resident memory.
static double smallest_leak(const struct report *r)
{
    const struct report_growth *g = report_find_growth(r, "heap");
    if (g == NULL || isnan(g->growth.mde_per_s))
        g = report_find_growth(r, "rss");
    return g == NULL ? NAN : g->growth.mde_per_s;
}

int build_evidence(struct build *b, struct seep_err *err)
{
    struct report_evidence *e = &b->r->evidence;
    for (size_t i = 0; i < b->ticks.n; i++) {
        e->samples += b->ticks.phase[i] == PHASE_MEASURE;
        e->late_max_s = fmax(e->late_max_s, (double)b->ticks.late_ns[i] / 1e9);
    }
    const char *no_stop;
    if (build_get(b, M_SHUTDOWN_SKIPPED, &no_stop, err) != 0)
        return -1;
    e->expected = expected_samples(b->r, no_stop != NULL);
    count_events(b->r);
    if (cpu_share(b, S_PROBE_CPU, &e->probe_cpu, err) != 0 || cpu_share(b, S_SEEP_CPU, &e->seep_cpu, err) != 0)
        return -1;
    if (last_value(b, S_PROBE_RSS, &e->probe_rss_bytes, err) != 0 ||
        last_value(b, S_SEEP_RSS, &e->seep_rss_bytes, err) != 0)
        return -1;
    e->smallest_leak_per_s = smallest_leak(b->r);
    e->degraded = store_degraded(b->st);
    for (size_t i = 0; i < b->r->n_events; i++)
        e->degraded |= strcmp(b->r->events[i].kind, E_DEGRADED) == 0;
    return 0;
}
