// What a gate on call stacks may say when part of the heap is under none: (other) is the sum of any number of stacks
// for which the probe's tables had no room. It growing over the limit accuses no stack, and as long as it does that no
// stack grows is not proved.
#include "report/build.h"

#include <math.h>
#include <stdio.h>

int build_over(struct build *b, double limit, build_over_fn *counts, void *ctx, bool *any, struct seep_err *err)
{
    struct judge_stacks_input in = b->stacks_input;
    struct judge_stacks out;
    *any = false;
    in.budget_per_s = limit;
    if (judge_stacks(&in, &out) != 0)
        return build_no_memory(err);
    for (size_t s = 0; s < out.n_stacks && out.stack != NULL; s++)
        if (out.stack[s].over)
            *any |= counts(b, s, &out.stack[s], ctx);
    judge_stacks_free(&out);
    return 0;
}

static bool is_a_stack(const struct build *b, size_t s, const struct judge_stack *j, void *ctx)
{
    (void)j;
    (void)ctx;
    return !(b->stack_infos[s].flags & STACK_OTHER);
}

// How fast (other) grew over the second half of the snapshots; 0 where there is none.
static double other_per_s(const struct build *b)
{
    const struct judge_stacks_input *in = &b->stacks_input;
    double grown = 0, half_s = (b->r->measure_to_s - b->r->measure_from_s) / 2;
    for (size_t s = 0; s < in->n_stacks && in->m > 1; s++)
        if (b->stack_infos[s].flags & STACK_OTHER)
            grown += in->live[s * in->m + in->m - 1] - in->live[s * in->m + in->m / 2];
    return half_s > 0 ? grown / half_s : 0;
}

int build_other(struct build *b, struct report_gate *g, struct seep_err *err)
{
    char text[48];
    bool others = false;
    double per_s = other_per_s(b);
    if (g->gate.kind != JUDGE_M_STACK_GROWTH || !(per_s > g->gate.limit) ||
        (g->result.status != JUDGE_S_PASS && g->result.status != JUDGE_S_FAIL))
        return 0;
    if (g->result.status == JUDGE_S_FAIL && build_over(b, g->gate.limit, is_a_stack, NULL, &others, err) != 0)
        return -1;
    if (others)
        return 0;
    judge_format(text, sizeof text, per_s, g->result.unit);
    g->result.status = JUDGE_S_INCONCLUSIVE;
    snprintf(g->result.reason, sizeof g->result.reason,
             "the heap grew by %s under (other), beyond all call stacks there was room for; attribution.memory is what "
             "gives them more",
             text);
    return 0;
}
