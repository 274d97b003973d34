// The curves of stacks: see stack_curve.h and docs/METHOD.md, "Per stack". Pure.
//
// The straight lines of the test keep thousands of innocent stacks out. What fills up is no line: while it bends, the
// mean of the last half is more than the rate at the end, and its residuals look like noise that nothing can be seen
// in.
#include "judge/stack_curve.h"
#include "judge/round.h"
#include "judge/trend.h"

#include <math.h>

enum { LOOKS_MOST = 200, SNAPSHOTS_LEAST = JUDGE_ROUND_N_MIN + JUDGE_ROUND_N_MIN / 4 };

static const double share_least = .01; // of the live bytes

double judge_stack_budget(const struct judge_stacks_input *in, size_t s)
{
    bool allowed = in->allowed_per_s && !isnan(in->allowed_per_s[s]);
    return allowed ? fmax(in->allowed_per_s[s], in->budget_per_s) : in->budget_per_s;
}

// Its last half is over the budget, and yet the run as a whole does not show it to grow: something else came before, as
// a table that was filled, and made the line of three quarters a bad one.
static bool leaks_late(const struct judge_stacks_input *in, const struct judge_stack *stack, size_t s)
{
    return !stack->rejected && stack->lo_per_s > judge_stack_budget(in, s);
}

static bool would_decide(const struct judge_stacks_input *in, const struct judge_stack *stack, size_t s, double all)
{
    if (stack->rejected)
        return stack->hi_per_s > judge_stack_budget(in, s);
    if (leaks_late(in, stack, s))
        return true;
    return !stack->resolved && stack->mde_per_s > judge_stack_budget(in, s) && stack->mean_bytes >= share_least * all;
}

static void take_figures(const struct judge_growth *g, double run_s, struct judge_stack *stack)
{
    stack->slope_per_s = g->slope_per_s;
    stack->lo_per_s = g->lo_per_s;
    stack->hi_per_s = g->hi_per_s;
    stack->mde_per_s = g->mde_per_s;
    stack->growth_lo = g->lo_per_s * run_s;
}

// One that slows is above its budget now and need not stay there: no lower bound of its growth is over it.
static int look_at(const struct judge_stacks_input *in, size_t s, struct judge_stack *stack)
{
    bool late = leaks_late(in, stack, s);
    struct judge_options o = JUDGE_OPTIONS_DEFAULT;
    struct judge_growth g;
    double run_s = in->t_s[in->m - 1] - in->t_s[0];
    o.budget_per_s = judge_stack_budget(in, s);
    o.quantum = 0;
    o.t_scale = fmax(in->t_scale, 1);
    if (judge_trend(&(struct judge_series){in->t_s, in->live + s * in->m, in->m}, &o, &g) != 0)
        return -1;
    stack->late = late && g.verdict != JUDGE_PASS;
    if (late && g.verdict == JUDGE_FAIL) {
        take_figures(&g, run_s, stack);
        stack->rejected = true;
    } else if (g.verdict == JUDGE_PASS) {
        take_figures(&g, run_s, stack);
        stack->resolved = true;
    } else if (g.verdict == JUDGE_INCONCLUSIVE && g.shape == JUDGE_SHAPE_PLATEAU && stack->rejected) {
        take_figures(&g, run_s, stack);
        stack->growth_lo = fmin(stack->growth_lo, o.budget_per_s * run_s);
    }
    return 0;
}

int judge_stack_curves(const struct judge_stacks_input *in, struct judge_stacks *out)
{
    double all = 0;
    size_t looks = 0;
    if (in->sampling_interval_bytes > 0 || !(in->budget_per_s > 0))
        return 0;
    for (size_t s = 0; s < out->n_stacks; s++) {
        all += out->stack[s].mean_bytes;
        out->stack[s].late = leaks_late(in, &out->stack[s], s);
    }
    if (in->m < SNAPSHOTS_LEAST)
        return 0;
    for (size_t s = 0; s < out->n_stacks && looks < LOOKS_MOST; s++) {
        if (!would_decide(in, &out->stack[s], s, all))
            continue;
        looks++;
        bool before = out->stack[s].rejected;
        if (look_at(in, s, &out->stack[s]) != 0)
            return -1;
        out->n_rejected += out->stack[s].rejected && !before;
    }
    return 0;
}
