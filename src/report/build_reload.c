// The reload: did a second cycle of the same load grow what the first one left behind? Levels are medians of the idle
// samples before, between and after the cycles.
#include "report/build.h"

#include <math.h>
#include <stdlib.h>

size_t build_phase_values(const struct build *b, const double *values, enum store_phase phase, double *out)
{
    size_t n = 0;
    for (size_t i = 0; values != NULL && i < b->ticks.n; i++)
        if (b->ticks.phase[i] == phase && isfinite(values[i]))
            out[n++] = values[i];
    return n;
}

static bool was_reloaded(const struct build *b)
{
    for (size_t i = 0; i < b->ticks.n; i++)
        if (b->ticks.phase[i] == PHASE_RELOAD)
            return true;
    return false;
}

// What the budget of the growth allows in one cycle.
static double allowed_bytes(const struct build *b, const char *gauge)
{
    const struct report_growth *g = report_find_growth(b->r, gauge);
    double span = b->r->measure_to_s - b->r->measure_from_s;
    return g != NULL && isfinite(g->growth.budget_per_s) && span > 0 ? g->growth.budget_per_s * span : 0;
}

// before, between and after have room for all ticks.
static int judge_cycles(struct build *b, const double *values, double *before, double *between, double *after,
                        struct seep_err *err)
{
    struct report_reload *l = &b->r->reload;
    struct judge_level first, second;
    char reason[200];
    size_t n_before = build_phase_values(b, values, PHASE_BASELINE, before);
    size_t n_between = build_phase_values(b, values, PHASE_SETTLE, between);
    size_t n_after = build_phase_values(b, values, PHASE_CLOSE, after);
    l->status = JUDGE_S_INCONCLUSIVE;
    l->reason = "the idle samples before, between or after the cycles are missing";
    if (n_before == 0 || n_between == 0 || n_after == 0)
        return 0;
    if (judge_close(before, n_before, between, n_between, HUGE_VAL, JUDGE_U_BYTES, &first) != 0 ||
        judge_close(between, n_between, after, n_after, HUGE_VAL, JUDGE_U_BYTES, &second) != 0)
        return build_no_memory(err);
    l->first = first.difference;
    l->second = second.difference;
    l->margin = second.margin;
    l->status = judge_status_of(
        judge_reload(l->first, l->second, l->margin, allowed_bytes(b, l->gauge), reason, sizeof reason));
    l->reason = report_strdup(b->arena, reason);
    return l->reason == NULL ? build_no_memory(err) : 0;
}

int build_reload(struct build *b, struct seep_err *err)
{
    struct report_reload *l = &b->r->reload;
    double *heap = NULL, *rss = NULL;
    size_t n = b->ticks.n + 1;
    *l = (struct report_reload){.status = JUDGE_S_SKIPPED, .first = NAN, .second = NAN, .margin = NAN};
    if (!was_reloaded(b) || b->r->live)
        return 0;
    double *room = malloc(3 * n * sizeof *room);
    int failed = room == NULL ? build_no_memory(err) : 0;
    if (!failed)
        failed = build_values(b, S_HEAP_LIVE, "", &heap, err) || build_resident(b, S_RSS, &rss, err);
    l->gauge = heap != NULL ? "heap" : "rss";
    if (!failed)
        failed = judge_cycles(b, heap != NULL ? heap : rss, room, room + n, room + 2 * n, err);
    free(room);
    free(heap);
    free(rss);
    return failed ? -1 : 0;
}
