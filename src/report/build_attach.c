// What a program watched from outside lets one believe. Blocks from before the attach are not known: when one of them
// is freed and another allocated, live blocks seem to have grown by one. A lost record may be such a freeing, too. The
// run counts all of these (S_HEAP_DOUBT); growth is believed only as far as its blocks exceed them.
#include "report/build.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOST_SHARE 0.01 // of all allocations: with more than that lost, that nothing grows is not proved

// The growth of a series over the second half of the measured time, where rates are told; NAN unknown.
static int second_half(struct build *b, const char *name, double *growth, double *last, struct seep_err *err)
{
    double *v = NULL, first = NAN;
    *growth = *last = NAN;
    if (build_values(b, name, "", &v, err) != 0)
        return -1;
    double middle = (b->r->measure_from_s + b->r->measure_to_s) / 2;
    for (size_t i = b->measure_first; v != NULL && i < b->measure_end; i++) {
        if (!isfinite(v[i]))
            continue;
        if (b->r->t_s[i] <= middle || isnan(first))
            first = v[i];
        *last = v[i];
    }
    free(v);
    *growth = *last - first;
    return 0;
}

static bool believed(double lo_per_s, double blocks, double doubt, double limit)
{
    return isfinite(lo_per_s) && blocks > doubt && lo_per_s * (1 - doubt / blocks) > limit;
}

struct allowance {
    double doubt, map_doubt, limit; // doubt of blocks, of mappings
};

// Is this stack over the limit even when all doubtful blocks were its own?
static bool stack_believed(const struct build *b, size_t s, const struct judge_stack *j, void *ctx)
{
    const struct allowance *a = ctx;
    const struct judge_stacks_input *in = &b->stacks_input;
    if (in->live_blocks == NULL)
        return false;
    const double *blocks = in->live_blocks + s * in->m;
    double doubt = b->stack_infos[s].flags & STACK_MMAP ? a->map_doubt : a->doubt;
    return believed(j->lo_per_s, blocks[in->m - 1] - blocks[in->m / 2], doubt, a->limit);
}

static void doubted(struct report_gate *g, double doubt)
{
    char was[200];
    snprintf(was, sizeof was, "%.180s", g->result.reason);
    g->result.status = JUDGE_S_INCONCLUSIVE;
    snprintf(g->result.reason, sizeof g->result.reason,
             "%.180s; but %.0f blocks from before the attach were freed meanwhile, or records were lost, and the new "
             "blocks may only have taken their place",
             was, doubt);
}

static int doubt_fail(struct build *b, struct report_gate *g, double doubt, struct seep_err *err)
{
    bool believe = false;
    double blocks, last, map_doubt;
    if (g->gate.kind == JUDGE_M_STACK_GROWTH) {
        if (second_half(b, S_MAPS_DOUBT, &map_doubt, &last, err) != 0)
            return -1;
        struct allowance a = {doubt, isfinite(map_doubt) ? map_doubt : doubt, g->gate.limit};
        if (build_over(b, g->gate.limit, stack_believed, &a, &believe, err) != 0)
            return -1;
    } else {
        if (second_half(b, S_HEAP_BLOCKS, &blocks, &last, err) != 0)
            return -1;
        believe = believed(g->result.lo, blocks, doubt, g->gate.limit);
    }
    if (!believe)
        doubted(g, doubt);
    return 0;
}

// How fast the heap grew in the second half beyond all stacks that are known.
static int unplaced_growth(struct build *b, double *per_s, struct seep_err *err)
{
    const struct judge_stacks_input *in = &b->stacks_input;
    double heap, last, known = 0;
    if (second_half(b, S_HEAP_LIVE, &heap, &last, err) != 0)
        return -1;
    for (size_t s = 0; s < in->n_stacks && in->m > 1; s++)
        if (!(b->stack_infos[s].flags & (STACK_OTHER | STACK_MMAP)))
            known += in->live[s * in->m + in->m - 1] - in->live[s * in->m + in->m / 2];
    double half_s = (b->r->measure_to_s - b->r->measure_from_s) / 2;
    *per_s = half_s > 0 ? (heap - known) / half_s : NAN;
    return 0;
}

static int doubt_pass(struct build *b, struct report_gate *g, struct seep_err *err)
{
    double growth, allocs;
    if (second_half(b, S_HEAP_ALLOCS, &growth, &allocs, err) != 0)
        return -1;
    double lost = b->r->evidence.lost;
    if (lost > 0 && !(lost <= LOST_SHARE * allocs)) {
        g->result.status = JUDGE_S_INCONCLUSIVE;
        snprintf(g->result.reason, sizeof g->result.reason,
                 "%.0f records of the allocator's calls were lost, of %.0f allocations that were seen", lost, allocs);
    }
    if (g->gate.kind != JUDGE_M_STACK_GROWTH || g->result.status != JUDGE_S_PASS)
        return 0;
    if (unplaced_growth(b, &growth, err) != 0)
        return -1;
    if (growth > g->gate.limit) {
        char text[48];
        judge_format(text, sizeof text, growth, g->result.unit);
        g->result.status = JUDGE_S_INCONCLUSIVE;
        snprintf(g->result.reason, sizeof g->result.reason, "the heap grew by %s beyond all call stacks that are known",
                 text);
    }
    return 0;
}

// What the allocator itself has counted leaves no doubt.
static bool of_heap(const struct build *b, const struct judge_gate *g)
{
    const struct build_gauge *heap = build_find_gauge(b, "heap");
    bool grows = g->kind == JUDGE_M_GROWTH || g->kind == JUDGE_M_TOTAL_GROWTH || g->kind == JUDGE_M_PER_REQUEST;
    return g->kind == JUDGE_M_STACK_GROWTH ||
           (grows && strcmp(g->gauge, "heap") == 0 && (heap == NULL || !heap->by_allocator));
}

int build_doubt(struct build *b, struct report_gate *g, struct seep_err *err)
{
    const char *attached, *mode = b->r->evidence.attribution;
    double doubt, last;
    bool decided = g->result.status == JUDGE_S_PASS || g->result.status == JUDGE_S_FAIL;
    if (!decided || !of_heap(b, &g->gate))
        return 0;
    if (build_get(b, M_ATTACHED, &attached, err) != 0)
        return -1;
    if (attached == NULL)
        return 0;
    if (mode != NULL && strcmp(mode, "failed") == 0) {
        const char *why = b->r->evidence.attribution_reason;
        g->result.status = JUDGE_S_INCONCLUSIVE;
        snprintf(g->result.reason, sizeof g->result.reason, "%.300s", why == NULL ? "attribution failed" : why);
        return 0;
    }
    if (second_half(b, S_HEAP_DOUBT, &doubt, &last, err) != 0)
        return -1;
    if (g->result.status == JUDGE_S_PASS)
        return doubt_pass(b, g, err);
    return doubt > 0 ? doubt_fail(b, g, doubt, err) : 0;
}
