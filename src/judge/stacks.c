// Which call stacks grow: see stacks.h and docs/METHOD.md, "Per stack".
//
// A stack is accused only when its growth over the run exceeds a twentieth of the budget in the last three quarters AND
// in the last half of the run, AND still does when its largest single increment is taken out: caches that have filled
// pass by the second window, one table that doubled once passes by the third.
#include "judge/stacks.h"
#include "base/check.h"
#include "judge/age.h"
#include "judge/stack_curve.h"
#include "judge/stat.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { M_MIN = 20, M_MAX = 48, NU_KNOWN = 60 }; // an error that follows from the sampling is not estimated

static const double delta_share = .05;
static const double false_discovery = .05;
static const double unresolved_share_max = .5;
static const double z95 = 1.645;
static const double tiny_bytes = 1e-6; // growth below which arithmetic is rounding

// The slope of one window of one stack; per snapshot inside, per second outside.
struct window_fit {
    double slope;
    double se;
    double lo, hi, mde;
    double p;
};

// What all stacks share.
struct axis {
    double x[M_MAX]; // in snapshots
    size_t m;
    double step_s; // seconds a snapshot
    double delta;  // bytes over the run
    double t_scale;
    double sampling;
};

static double lag1(const double *e, size_t n)
{
    double cross = 0, square = e[0] * e[0];
    for (size_t i = 1; i < n; i++) {
        cross += e[i] * e[i - 1];
        square += e[i] * e[i];
    }
    return square > 0 ? cross / square : 0;
}

static double one_sided_p(double excess, double se, double nu)
{
    if (!(se > 0))
        return excess > tiny_bytes ? 0 : 1;
    return 1 - judge_t_cdf(excess / se, nu);
}

// Sample variance of the increments of n points.
static double increments_variance(const double *y, size_t n)
{
    double mean = (y[n - 1] - y[0]) / (double)(n - 1), ss = 0;
    for (size_t i = 1; i < n; i++)
        ss += (y[i] - y[i - 1] - mean) * (y[i] - y[i - 1] - mean);
    return ss / (double)(n - 2);
}

// Variance of the slope from snapshot `from` on when what disturbs the curve stays, as leaked blocks of random size do:
// that of a random walk, from its increments; a line through a walk varies 6/5 as much as the mean increment. They are
// taken from all three quarters that are judged, or from the window alone where that is rougher. Infinite when the
// second half of the window adds less than .6 of the first: what fills up shrinks its increments in good order, and
// that is not noise.
static double walk_variance(const struct axis *axis, size_t from, const double *y)
{
    size_t n = axis->m - from, quarter = axis->m / 4, half = n / 2;
    double early = (y[half] - y[0]) / (double)half, late = (y[n - 1] - y[half]) / (double)(n - 1 - half);
    if (late < .6 * early)
        return INFINITY;
    double own = increments_variance(y, n), all = increments_variance(y + quarter - from, axis->m - quarter);
    return 1.2 * fmax(own, all) / (double)(n - 1);
}

// Upper 95 % bound of a variance over its estimate with nu degrees of freedom (chi-square by Wilson and Hilferty).
static double variance_most(double nu)
{
    double v = 2 / (9 * nu), root = 1 - v - z95 * sqrt(v);
    return 1 / (root * root * root);
}

// What a sampling profiler of known interval makes of the slope, as variances. Samples of blocks that stay come at the
// rate of growth and add up; those of blocks that come and go are drawn anew at each snapshot, and there can be no more
// of them than the increments scatter.
struct sampled {
    double here;    // at the slope found
    double at_null; // at a growth that the test allows
};

static struct sampled sampled_variance(const struct axis *axis, size_t from, const double *y, double mean, double slope)
{
    size_t n = axis->m - from, quarter = axis->m / 4;
    double nn = (double)n, nu = (double)(axis->m - quarter) - 2, rate = fmax(slope, 0);
    if (axis->sampling <= 0)
        return (struct sampled){0, 0};
    double scatter = fmax(increments_variance(y, n), increments_variance(y + quarter - from, axis->m - quarter));
    double churn = fmin(mean, fmax(0, variance_most(nu) * scatter / axis->sampling - rate) / 2);
    double of_churn = axis->sampling * 12 * churn / (nn * nn * nn), of_growth = axis->sampling * 1.2 / nn;
    return (struct sampled){of_churn + of_growth * rate, of_churn + of_growth * axis->delta / (double)axis->m};
}

// p of growth beyond the threshold when what disturbs the curve forgets, and when it stays. Where the increments
// scatter no more than sampling makes them with 95 %, the error is known: the mean of those at the slope found and at
// the threshold, as for the square root of a count.
static double p_forgets(const struct axis *axis, double slope, double estimated, double nu,
                        const struct sampled *sampled)
{
    double run = (double)axis->m, excess = slope * run - axis->delta;
    return one_sided_p(excess, sqrt(fmax(sampled->here, estimated)) * run, estimated > sampled->here ? nu : NU_KNOWN);
}

static double p_stays(const struct axis *axis, double slope, double estimated, const struct sampled *sampled)
{
    double run = (double)axis->m, excess = slope * run - axis->delta, nu = (double)(axis->m - axis->m / 4) - 2;
    if (!isfinite(estimated))
        return 1;
    if (estimated > sampled->here * (1 + z95 * sqrt(2 / nu)))
        return one_sided_p(excess, sqrt(estimated) * run, nu);
    return one_sided_p(excess, (sqrt(sampled->here) + sqrt(sampled->at_null)) / 2 * run, NU_KNOWN);
}

// The window from snapshot `from` (a quarter of them, or half) to the end; y begins there and is preceded by the
// snapshots before. The error is the smaller one of two: residuals that forget (AR(1)), and increments that stay.
static struct window_fit fit_window(const struct axis *axis, size_t from, const double *y)
{
    size_t n = axis->m - from;
    const double *x = axis->x + from;
    double a, b, sse, sxx, e[M_MAX], mean = 0, nu = (double)n - 2;
    judge_line(x, y, n, &a, &b, &sse, &sxx);
    for (size_t i = 0; i < n; i++) {
        e[i] = y[i] - a - b * x[i];
        mean += y[i] / (double)n;
    }
    // Residuals at the level of rounding are no residuals: an exact line has no error.
    if (sse <= (double)n * pow(1e-12 * (1 + fabs(mean)), 2))
        sse = 0;
    double r1 = sse > 0 ? lag1(e, n) : 0, nn = (double)n;
    double r = fmin(fmax(r1 + 2 * (1 + 2 * fmax(r1, 0)) / nn, 0), .95);
    struct sampled sampled = sampled_variance(axis, from, y, mean, b);
    double forgets = sse / nu / sxx * (1 + r) / (1 - r), stays = walk_variance(axis, from, y);
    double p = fmin(p_forgets(axis, b, forgets, nu, &sampled), p_stays(axis, b, stays, &sampled));
    double se = sqrt(fmax(sampled.here, fmin(forgets, stays))), t = axis->t_scale * judge_t95(nu);
    return (struct window_fit){
        .slope = b, .se = se, .lo = b - t * se, .hi = b + t * se, .mde = se * (judge_t95(nu) + judge_t80(nu)), .p = p};
}

// p once the largest increment of the window is cut down to the median one; 0 where sampling alone explains that
// increment: one step is not growth, and a steady leak loses next to nothing.
static double p_without_step(const struct axis *axis, size_t from, const double *whole)
{
    const double *y = whole + from;
    size_t n = axis->m - from, at = 0;
    double flat[M_MAX], up[M_MAX], jump = 0;
    for (size_t i = 1; i < n; i++) {
        up[i - 1] = y[i] - y[i - 1];
        if (up[i - 1] > jump) {
            jump = up[i - 1];
            at = i;
        }
    }
    jump -= fmax(judge_median(up, n - 1), 0);
    double steady = fmax(y[n - 1] - y[0], 0) / (double)(n - 1);
    if (axis->sampling > 0 && jump <= 2 * axis->sampling + 4 * sqrt(axis->sampling * steady))
        return 0; // no step, only the scatter of the samples
    for (size_t i = 0; i < axis->m; i++)
        flat[i] = at > 0 && i >= from + at ? whole[i] - jump : whole[i];
    return fit_window(axis, from, flat + from).p;
}

// Averages m snapshots of one array down to k; block means keep what they measured.
static void thin(const double *in, size_t m, double *out, size_t k)
{
    for (size_t j = 0; j < k; j++) {
        size_t from = j * m / k, to = (j + 1) * m / k;
        double sum = 0;
        for (size_t i = from; i < to; i++)
            sum += in[i] - in[from];
        out[j] = in[from] + sum / (double)(to - from);
    }
}

static void make_axis(const struct judge_stacks_input *in, struct axis *axis)
{
    double t[M_MAX];
    axis->m = in->m < M_MAX ? in->m : M_MAX;
    thin(in->t_s, in->m, t, axis->m);
    axis->step_s = (t[axis->m - 1] - t[0]) / (double)(axis->m - 1);
    for (size_t j = 0; j < axis->m; j++)
        axis->x[j] = (t[j] - t[0]) / axis->step_s;
    axis->sampling = in->sampling_interval_bytes > 0 ? in->sampling_interval_bytes : 0;
    axis->t_scale = in->t_scale > 1 ? in->t_scale : 1;
    axis->delta = delta_share * in->budget_per_s * axis->step_s * (double)axis->m;
}

// So little of what was born in epochs [from, to) still lives that the stack did not leak the budget then.
static bool kept_little(const struct judge_stacks_input *in, size_t s, size_t from, size_t to)
{
    double run = in->t_s[in->m - 1] - in->t_s[0];
    return judge_age_born(in, s, from, to) <= in->budget_per_s * run * (double)(to - from) / (double)in->n_epochs;
}

// Exact mode: what was born and still lives bounds the leak from above, whatever the churn does: in the first half, and
// in the quarter after it, as a leak may set in late or move here from another stack. The last quarter's may be churn.
static bool survivors_resolve(const struct judge_stacks_input *in, size_t s)
{
    double run = in->t_s[in->m - 1] - in->t_s[0];
    size_t n = in->n_epochs;
    if (in->sampling_interval_bytes > 0)
        return false;
    if (in->age_bytes && n >= 4)
        return kept_little(in, s, 1, n / 2) && kept_little(in, s, n / 2, 3 * n / 4);
    return in->survivor_bytes && in->survivor_bytes[s] <= in->budget_per_s * run / 2;
}

static bool seen(const double *y, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (y[i] > 0)
            return true;
    return false;
}

static void test_stack(const struct judge_stacks_input *in, const struct axis *axis, size_t s, struct judge_stack *out)
{
    double y[M_MAX], run = (double)axis->m, mean = 0;
    size_t a = axis->m / 4, h = axis->m / 2, nh = axis->m - h;
    thin(in->live + s * in->m, in->m, y, axis->m);
    struct window_fit all = fit_window(axis, a, y + a);
    struct window_fit tail = fit_window(axis, h, y + h);
    double p = fmax(all.p, tail.p);
    if (p < false_discovery) {
        p = fmax(p, p_without_step(axis, a, y));
        p = fmax(p, p_without_step(axis, h, y));
    }
    for (size_t i = h; i < axis->m; i++)
        mean += y[i] / (double)nh;
    *out = (struct judge_stack){
        .slope_per_s = tail.slope / axis->step_s,
        .lo_per_s = tail.lo / axis->step_s,
        .hi_per_s = tail.hi / axis->step_s,
        .mde_per_s = tail.mde / axis->step_s,
        .p = isfinite(p) && seen(y + h, nh) ? p : 1,
        .growth_lo = fmin(all.lo, tail.lo) * run,
        .mean_bytes = mean,
        .live_bytes = in->live[s * in->m + in->m - 1],
        .survivor_bytes = judge_age_survivors(in, s),
    };
    out->resolved = out->mde_per_s <= in->budget_per_s || survivors_resolve(in, s);
}

struct ranked {
    double p;
    double key;
    bool rejected;
    size_t index;
};

static int by_p(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;
    if (x->p != y->p)
        return x->p < y->p ? -1 : 1;
    return x->index < y->index ? -1 : x->index > y->index;
}

static int by_growth(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;
    if (x->rejected != y->rejected)
        return x->rejected ? -1 : 1;
    if (x->key != y->key)
        return x->key > y->key ? -1 : 1;
    return x->index < y->index ? -1 : x->index > y->index;
}

// Benjamini-Hochberg: all up to the largest i with p_(i) <= q i / S.
static void reject(struct judge_stacks *out, struct ranked *order)
{
    size_t n = out->n_stacks, last = 0;
    for (size_t i = 0; i < n; i++)
        order[i] = (struct ranked){.p = out->stack[i].p, .index = i};
    qsort(order, n, sizeof *order, by_p);
    for (size_t i = 0; i < n; i++)
        if (order[i].p <= false_discovery * (double)(i + 1) / (double)n)
            last = i + 1;
    for (size_t i = 0; i < last; i++)
        out->stack[order[i].index].rejected = true;
    out->n_rejected = last;
}

static void rank_all(struct judge_stacks *out, struct ranked *order)
{
    for (size_t i = 0; i < out->n_stacks; i++)
        order[i] = (struct ranked){.key = out->stack[i].growth_lo, .rejected = out->stack[i].rejected, .index = i};
    qsort(order, out->n_stacks, sizeof *order, by_growth);
    for (size_t i = 0; i < out->n_stacks; i++) {
        out->by_rank[i] = order[i].index;
        out->stack[order[i].index].rank = i + 1;
    }
}

static void add_up(const struct judge_stacks_input *in, const struct axis *axis, struct judge_stacks *out)
{
    double growth = 0, live = 0, unresolved = 0, run_s = axis->step_s * (double)axis->m;
    for (size_t i = 0; i < out->n_stacks; i++) {
        struct judge_stack *s = &out->stack[i];
        s->klass = judge_age_class(in, i, s->rejected);
        s->allowed = in->allowed_per_s && !isnan(in->allowed_per_s[i]);
        s->budget_per_s = judge_stack_budget(in, i);
        s->resolved |= s->mde_per_s <= s->budget_per_s;
        live += s->mean_bytes;
        unresolved += s->resolved || s->rejected ? 0 : s->mean_bytes;
        out->n_late += s->late && !s->rejected;
        out->n_unresolved += !s->resolved && !s->rejected;
        if (!s->rejected)
            continue;
        growth += fmax(s->slope_per_s, 0);
        out->attributed_lo_per_s += fmax(s->growth_lo, 0) / run_s;
        s->over = s->growth_lo / run_s > s->budget_per_s;
        out->n_over += s->over;
        out->n_allowed += s->allowed && !s->over && s->hi_per_s <= s->budget_per_s;
    }
    for (size_t i = 0; i < out->n_stacks; i++)
        if (out->stack[i].rejected && growth > 0)
            out->stack[i].share = fmax(out->stack[i].slope_per_s, 0) / growth;
    out->unresolved_share = live > 0 ? unresolved / live : 0;
}

// On the allow list, and surely within what it lets the stack grow: such a stack decides nothing.
static bool is_excused(const struct judge_stack *s)
{
    return s->allowed && !s->over && s->hi_per_s <= s->budget_per_s;
}

// The stack to name: the worst one over its budget, else the worst one that is not excused; NULL when none is left.
static const struct judge_stack *worst_of(const struct judge_stacks *out)
{
    const struct judge_stack *worst = NULL;
    for (size_t i = 0; i < out->n_rejected; i++) {
        const struct judge_stack *s = &out->stack[out->by_rank[i]];
        if (s->over)
            return s;
        if (!worst && !is_excused(s))
            worst = s;
    }
    return worst;
}

static void say_growing(const struct judge_stack *w, struct judge_stacks *out)
{
    char r[32], lo[32], hi[32], b[32];
    const char *what = out->verdict == JUDGE_FAIL           ? "above"
                       : out->verdict == JUDGE_INCONCLUSIVE ? "its interval straddles"
                                                            : "under";
    snprintf(out->reason, sizeof out->reason,
             "%zu stack%s grow%s, the worst by %s (90 %% interval %s to %s), %s the %s %s", out->n_rejected,
             out->n_rejected == 1 ? "" : "s", out->n_rejected == 1 ? "s" : "",
             judge_format(r, sizeof r, w->slope_per_s, JUDGE_U_BYTES_PER_S),
             judge_format(lo, sizeof lo, w->lo_per_s, JUDGE_U_BYTES_PER_S),
             judge_format(hi, sizeof hi, w->hi_per_s, JUDGE_U_BYTES_PER_S), what,
             w->allowed ? "budget it is allowed," : "budget of",
             judge_format(b, sizeof b, w->budget_per_s, JUDGE_U_BYTES_PER_S));
}

// The figures are those of the fastest.
static void say_late(struct judge_stacks *out)
{
    const struct judge_stack *fastest = NULL;
    char r[32], b[32];
    for (size_t i = 0; i < out->n_stacks; i++) {
        const struct judge_stack *s = &out->stack[i];
        if (s->late && !s->rejected && (!fastest || s->slope_per_s > fastest->slope_per_s))
            fastest = s;
    }
    out->worst_per_s = fastest->slope_per_s;
    out->worst_lo_per_s = fastest->lo_per_s;
    out->worst_hi_per_s = fastest->hi_per_s;
    snprintf(
        out->reason, sizeof out->reason,
        "%zu stack%s over the budget of %s in the second half of the run, the worst by %s, but not by the run as a "
        "whole: too early to tell",
        out->n_late, out->n_late == 1 ? " is" : "s are",
        judge_format(b, sizeof b, fastest->budget_per_s, JUDGE_U_BYTES_PER_S),
        judge_format(r, sizeof r, fastest->slope_per_s, JUDGE_U_BYTES_PER_S));
}

static void say_allowed(struct judge_stacks *out)
{
    size_t used = strlen(out->reason);
    if (out->n_allowed > 0)
        snprintf(out->reason + used, sizeof out->reason - used, "; %zu grow%s within what the profile allows",
                 out->n_allowed, out->n_allowed == 1 ? "s" : "");
}

static bool straddles(const struct judge_stacks *out)
{
    for (size_t i = 0; i < out->n_rejected; i++) {
        const struct judge_stack *s = &out->stack[out->by_rank[i]];
        if (!s->over && s->hi_per_s > s->budget_per_s)
            return true;
    }
    return false;
}

static void conclude(struct judge_stacks *out)
{
    const struct judge_stack *worst = worst_of(out);
    out->worst_per_s = worst ? worst->slope_per_s : 0;
    out->worst_lo_per_s = worst ? worst->lo_per_s : NAN;
    out->worst_hi_per_s = worst ? worst->hi_per_s : NAN;
    bool blind = out->unresolved_share > unresolved_share_max;
    out->verdict = out->n_over > 0                              ? JUDGE_FAIL
                   : straddles(out) || blind || out->n_late > 0 ? JUDGE_INCONCLUSIVE
                                                                : JUDGE_PASS;
    if (worst && !((blind || out->n_late > 0) && out->n_over == 0))
        say_growing(worst, out);
    else if (out->n_late > 0)
        say_late(out);
    else if (blind)
        snprintf(out->reason, sizeof out->reason,
                 "%zu stacks holding %.0f %% of the live bytes are too noisy for this run to resolve the budget",
                 out->n_unresolved, 100 * out->unresolved_share);
    else
        snprintf(out->reason, sizeof out->reason,
                 "none of %zu stacks grows%s; %zu not resolved (%.0f %% of the live bytes)", out->n_stacks,
                 out->n_allowed > 0 ? " beyond what is allowed" : "", out->n_unresolved, 100 * out->unresolved_share);
    say_allowed(out);
}

static bool can_test(const struct judge_stacks_input *in, struct judge_stacks *out)
{
    if (!(in->budget_per_s >= 0) || !isfinite(in->budget_per_s))
        snprintf(out->reason, sizeof out->reason, "the budget is not a number of at least 0");
    else if (in->n_stacks == 0)
        snprintf(out->reason, sizeof out->reason, "no allocation was attributed to any stack");
    else if (in->m < M_MIN)
        snprintf(out->reason, sizeof out->reason, "%zu snapshots of the stacks; at least %d are needed", in->m, M_MIN);
    else if (!(in->t_s[in->m - 1] > in->t_s[0]))
        snprintf(out->reason, sizeof out->reason, "the times of the snapshots do not rise");
    else
        return true;
    return false;
}

static void no_memory(struct judge_stacks *out)
{
    judge_stacks_free(out);
    snprintf(out->reason, sizeof out->reason, "memory ran out while judging");
}

int judge_stacks(const struct judge_stacks_input *in, struct judge_stacks *out)
{
    struct axis axis;
    *out = (struct judge_stacks){
        .verdict = JUDGE_INCONCLUSIVE, .worst_per_s = NAN, .worst_lo_per_s = NAN, .worst_hi_per_s = NAN};
    if (!can_test(in, out))
        return 0;
    struct ranked *order = calloc(in->n_stacks, sizeof *order);
    out->stack = calloc(in->n_stacks, sizeof *out->stack);
    out->by_rank = calloc(in->n_stacks, sizeof *out->by_rank);
    if (!order || !out->stack || !out->by_rank) {
        free(order);
        no_memory(out);
        return -1;
    }
    make_axis(in, &axis);
    out->n_stacks = in->n_stacks;
    out->delta_bytes = axis.delta;
    out->m_used = axis.m;
    for (size_t s = 0; s < in->n_stacks; s++)
        test_stack(in, &axis, s, &out->stack[s]);
    reject(out, order);
    int failed = judge_stack_curves(in, out);
    rank_all(out, order);
    free(order);
    if (failed) {
        no_memory(out);
        return -1;
    }
    add_up(in, &axis, out);
    conclude(out);
    return 0;
}

void judge_stacks_free(struct judge_stacks *stacks)
{
    free(stacks->stack);
    free(stacks->by_rank);
    *stacks = (struct judge_stacks){.verdict = JUDGE_INCONCLUSIVE};
}
