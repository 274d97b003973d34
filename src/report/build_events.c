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

// A fault, or the time until the target was well again after it, whose row begins with the fault's name; unless the
// profile lets it count.
static bool is_cut_fault(const struct build *b, const struct report_event *e)
{
    if (strcmp(e->kind, E_FAULT) != 0 && strcmp(e->kind, E_RECOVERY) != 0)
        return false;
    for (int i = 0; i < b->profile->n_faults; i++) {
        size_t len = strlen(b->profile->faults[i].name);
        if (strncmp(e->text, b->profile->faults[i].name, len) == 0 && e->text[len] == ':')
            return !b->profile->faults[i].count_in_gates;
    }
    return true;
}

// The judge wants its spans in order of time; rows are in the order in which they ended.
static int by_time(const void *a, const void *b)
{
    const struct judge_span *x = a, *y = b;
    return x->from_s < y->from_s ? -1 : x->from_s > y->from_s;
}

// Overlapping stretches are one: what is cut is taken off the time once.
static size_t merge(struct judge_span *s, size_t n)
{
    size_t kept = 0;
    qsort(s, n, sizeof *s, by_time);
    for (size_t i = 0; i < n; i++) {
        if (kept > 0 && s[i].from_s <= s[kept - 1].to_s)
            s[kept - 1].to_s = fmax(s[kept - 1].to_s, s[i].to_s);
        else
            s[kept++] = s[i];
    }
    return kept;
}

// Each tick tells for itself that the target stood still: rows that touch are one stretch.
static bool continues(struct report *r, const struct store_event_row *row, double from_s, double to_s)
{
    for (size_t i = r->n_events; strcmp(row->kind, E_PAUSED) == 0 && i > 0; i--) {
        struct report_event *e = &r->events[i - 1];
        if (strcmp(e->kind, E_PAUSED) != 0)
            continue;
        if (e->to_s != from_s)
            return false;
        e->to_s = to_s;
        return true;
    }
    return false;
}

static int copy_events(struct build *b, const struct store_event_row *rows, size_t n, struct seep_err *err)
{
    struct report *r = b->r;
    r->events = report_alloc(b->arena, n, sizeof *r->events);
    b->excluded = report_alloc(b->arena, n, sizeof *b->excluded);
    b->cut = report_alloc(b->arena, n, sizeof *b->cut);
    if (r->events == NULL || b->excluded == NULL || b->cut == NULL)
        return build_no_memory(err);
    for (size_t i = 0; i < n; i++) {
        double from_s = on_axis(b, rows[i].from.mono_ns), to_s = on_axis(b, rows[i].to.mono_ns);
        if (continues(r, &rows[i], from_s, to_s)) {
            b->excluded[b->n_excluded++] = (struct judge_span){.from_s = from_s, .to_s = to_s};
            continue;
        }
        struct report_event *e = &r->events[r->n_events++];
        *e = (struct report_event){.kind = report_strdup(b->arena, rows[i].kind),
                                   .text = report_strdup(b->arena, rows[i].text == NULL ? "" : rows[i].text),
                                   .from_s = from_s,
                                   .to_s = to_s,
                                   .count = rows[i].count};
        if (e->kind == NULL || e->text == NULL)
            return build_no_memory(err);
        bool fault = is_cut_fault(b, e);
        bool cut = fault || strcmp(e->kind, E_PAUSED) == 0 || strcmp(e->kind, E_SUSPENDED) == 0;
        if (cut && e->to_s > e->from_s)
            b->excluded[b->n_excluded++] = (struct judge_span){.from_s = e->from_s, .to_s = e->to_s};
        if (fault && e->to_s > e->from_s)
            b->cut[b->n_cut++] = (struct judge_span){.from_s = e->from_s, .to_s = e->to_s};
    }
    return 0;
}

// A target that was started again is another process: each of its lives is a series of its own. The longest one is
// judged, the later of equals: it can tell most.
static void choose_life(struct build *b)
{
    const struct report *r = b->r;
    size_t best_first = b->measure_first, best_end = b->measure_first, first = b->measure_first;
    for (size_t at = b->measure_first; at <= b->measure_end; at++) {
        bool over = at == b->measure_end;
        size_t next = at;
        for (size_t i = 0; i < r->n_events && !over && at > first; i++) {
            const struct report_event *e = &r->events[i];
            if (strcmp(e->kind, E_RESTART) != 0 || r->t_s[at] < e->from_s || r->t_s[at - 1] >= e->to_s)
                continue;
            over = true;
            while (next < b->measure_end && r->t_s[next] < e->to_s)
                next++;
        }
        if (!over)
            continue;
        if (at - first >= best_end - best_first) {
            best_first = first;
            best_end = at;
        }
        first = at = next;
    }
    b->measure_first = best_first;
    b->measure_end = best_end;
    if (b->measure_first < b->measure_end) {
        b->r->measure_from_s = r->t_s[b->measure_first];
        b->r->measure_to_s = r->t_s[b->measure_end - 1];
    }
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
    b->n_excluded = merge(b->excluded, b->n_excluded);
    b->n_cut = merge(b->cut, b->n_cut);
    choose_life(b);
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
