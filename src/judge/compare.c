// Two runs compared: see compare.h.
#include "judge/compare.h"
#include "judge/stat.h"

#include <math.h>
#include <stdlib.h>

static const double family_error = .01;   // chance that any figure of two equal runs is called a regression
static const double discovery_rate = .05; // share of false ones among the stacks that are called
static const double interval_level = .95; // one-sided
static const double stack_nu = 12;        // of a stack's slope: half of 48 snapshots, dependent
static const double stack_share = .05;    // of the budget: what counts as growth at all (stacks.h)

const char *judge_change_name(enum judge_change change)
{
    static const char *const names[JUDGE_CHANGES] = {"same", "regression", "improvement", "unclear", "unknown"};
    return names[change];
}

const char *judge_severity_name(enum judge_severity severity)
{
    static const char *const names[JUDGE_SEVERITIES] = {"none", "low", "medium", "high", "critical"};
    return names[severity];
}

const char *judge_stack_change_name(enum judge_stack_change change)
{
    static const char *const names[JUDGE_STACK_CHANGES] = {"same", "new", "steeper", "gone", "slower"};
    return names[change];
}

enum judge_severity judge_severity_of(double worse, double allowed)
{
    double times = worse / allowed;
    return times >= 5 ? JUDGE_CRITICAL : times >= 2.5 ? JUDGE_HIGH : times >= 1.5 ? JUDGE_MEDIUM : JUDGE_LOW;
}

// P(T > (worse - allowed) / se): small when the difference is surely larger than what is allowed.
static double p_worse(double worse, double allowed, double se, double nu)
{
    if (!(se > 0))
        return worse > allowed ? 0 : 1;
    return judge_t_cdf(-(worse - allowed) / se, nu);
}

// Welch's degrees of freedom of a difference.
static double welch(double se_a, double nu_a, double se_b, double nu_b)
{
    double a = se_a * se_a, b = se_b * se_b;
    if (!(a + b > 0))
        return fmin(nu_a, nu_b);
    return fmax(1, (a + b) * (a + b) / (a * a / nu_a + b * b / nu_b));
}

// The difference of a pair, seen so that more is worse.
struct seen {
    double worse, se_down, se_up; // standard errors towards better and towards worse
    double nu_down, nu_up;
};

static struct seen see(const struct judge_pair *p)
{
    const struct judge_measure *b = &p->base, *c = &p->candidate;
    double diff = c->value - b->value;
    double down = hypot(c->se_lo, b->se_hi), up = hypot(c->se_hi, b->se_lo);
    double nu_down = welch(c->se_lo, c->nu, b->se_hi, b->nu), nu_up = welch(c->se_hi, c->nu, b->se_lo, b->nu);
    if (p->better == JUDGE_LESS_IS_BETTER)
        return (struct seen){diff, down, up, nu_down, nu_up};
    return (struct seen){-diff, up, down, nu_up, nu_down};
}

// The second opinion must see the difference too. 0 where there is none.
static double p_plain(const struct judge_pair *p, double allowed)
{
    const struct judge_measure *b = &p->base, *c = &p->candidate;
    if (!isfinite(b->plain) || !isfinite(c->plain) || !isfinite(b->plain_se) || !isfinite(c->plain_se))
        return 0;
    double worse = p->better == JUDGE_LESS_IS_BETTER ? c->plain - b->plain : b->plain - c->plain;
    return p_worse(worse, allowed, hypot(b->plain_se, c->plain_se), fmin(b->nu, c->nu));
}

static void compare_one(const struct judge_pair *p, struct judge_difference *d)
{
    *d = (struct judge_difference){
        .change = JUDGE_CHANGE_UNKNOWN, .value = NAN, .lo = NAN, .hi = NAN, .relative = NAN, .p = NAN};
    double base = p->base.value;
    d->allowed = fmax(isfinite(base) ? fabs(base) * p->share : 0, p->floor);
    if (!isfinite(base) || !isfinite(p->candidate.value))
        return;
    struct seen s = see(p);
    double worse_lo = s.worse - judge_t_quantile(interval_level, s.nu_down) * s.se_down;
    double worse_hi = s.worse + judge_t_quantile(interval_level, s.nu_up) * s.se_up;
    bool less = p->better == JUDGE_LESS_IS_BETTER;
    d->value = p->candidate.value - base;
    d->lo = less ? worse_lo : -worse_hi;
    d->hi = less ? worse_hi : -worse_lo;
    d->relative = base != 0 ? d->value / fabs(base) : NAN;
    d->p = p_worse(s.worse, d->allowed, s.se_down, s.nu_down);
    d->p = fmax(d->p, p_plain(p, d->allowed));
    d->change = worse_hi < -d->allowed   ? JUDGE_CHANGE_IMPROVEMENT
                : worse_hi <= d->allowed ? JUDGE_CHANGE_SAME
                                         : JUDGE_CHANGE_UNCLEAR;
}

// Holm: the k-th smallest p must be at most family_error / (m - k). Figures are few: the quadratic search is fine.
static size_t mark_regressions(const struct judge_pair *pairs, size_t n, struct judge_difference *out)
{
    size_t left = 0, found = 0;
    for (size_t i = 0; i < n; i++)
        left += isfinite(out[i].p);
    for (; left > 0; left--) {
        size_t best = n;
        for (size_t i = 0; i < n; i++)
            if (isfinite(out[i].p) && out[i].change != JUDGE_CHANGE_REGRESSION && (best == n || out[i].p < out[best].p))
                best = i;
        if (best == n || out[best].p > family_error / (double)left)
            break;
        out[best].change = JUDGE_CHANGE_REGRESSION;
        out[best].severity =
            pairs[best].broke ? JUDGE_CRITICAL : judge_severity_of(fabs(out[best].value), out[best].allowed);
        found++;
    }
    return found;
}

size_t judge_compare(const struct judge_pair *pairs, size_t n, struct judge_difference *out)
{
    for (size_t i = 0; i < n; i++)
        compare_one(&pairs[i], &out[i]);
    return mark_regressions(pairs, n, out);
}

// ---- stacks ---------------------------------------------------------------------------------------------------------

static double se_of(double from, double to)
{
    return fmax(0, to - from) / judge_t_quantile(interval_level, stack_nu);
}

static void difference_of_stack(const struct judge_stack_pair *p, double share, double budget_per_s,
                                struct judge_stack_difference *d)
{
    double down = hypot(se_of(p->candidate.lo, p->candidate.slope), se_of(p->base.slope, p->base.hi));
    double up = hypot(se_of(p->candidate.slope, p->candidate.hi), se_of(p->base.lo, p->base.slope));
    double t = judge_t_quantile(interval_level, stack_nu);
    double allowed = fmax(share * fmax(p->base.slope, 0), stack_share * budget_per_s);
    *d = (struct judge_stack_difference){.value = p->candidate.slope - p->base.slope, .p = 1};
    d->lo = d->value - t * down;
    d->hi = d->value + t * up;
    if (p->grows)
        d->p = p_worse(d->value, allowed, down, stack_nu);
    if (p->grew && !p->grows && d->hi < 0)
        d->change = JUDGE_STACK_GONE;
    else if (p->grew && d->hi < -allowed)
        d->change = JUDGE_STACK_SLOWER;
    d->severity = d->lo > budget_per_s ? JUDGE_CRITICAL : judge_severity_of(d->value, allowed);
}

static int by_p(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

// The largest p that Benjamini and Hochberg's rule still rejects; negative: none.
static double threshold(const struct judge_stack_difference *d, size_t n, double *sorted)
{
    double limit = -1;
    for (size_t i = 0; i < n; i++)
        sorted[i] = d[i].p;
    qsort(sorted, n, sizeof *sorted, by_p);
    for (size_t i = 0; i < n; i++)
        if (sorted[i] <= discovery_rate * (double)(i + 1) / (double)n)
            limit = sorted[i];
    return limit;
}

size_t judge_compare_stacks(const struct judge_stack_pair *pairs, size_t n, double share, double budget_per_s,
                            struct judge_stack_difference *out)
{
    double *sorted = malloc((n + 1) * sizeof *sorted);
    size_t worse = 0;
    if (!sorted)
        return SIZE_MAX;
    for (size_t i = 0; i < n; i++)
        difference_of_stack(&pairs[i], share, budget_per_s, &out[i]);
    double limit = threshold(out, n, sorted);
    free(sorted);
    for (size_t i = 0; i < n; i++) {
        if (pairs[i].grows && out[i].p <= limit) {
            out[i].change = pairs[i].grew ? JUDGE_STACK_STEEPER : JUDGE_STACK_NEW;
            worse++;
        } else {
            out[i].severity = JUDGE_SEVERITY_NONE;
        }
    }
    return worse;
}

enum judge_verdict judge_compare_verdict(const struct judge_difference *d, const bool *decisive, size_t n,
                                         size_t n_worse_stacks)
{
    size_t compared = 0, open = 0, regressions = n_worse_stacks;
    for (size_t i = 0; i < n; i++) {
        bool decides = !decisive || decisive[i];
        compared += d[i].change != JUDGE_CHANGE_UNKNOWN;
        regressions += d[i].change == JUDGE_CHANGE_REGRESSION;
        open += decides && (d[i].change == JUDGE_CHANGE_UNCLEAR || d[i].change == JUDGE_CHANGE_UNKNOWN);
    }
    if (regressions > 0)
        return JUDGE_FAIL;
    return compared == 0 || open > 0 ? JUDGE_INCONCLUSIVE : JUDGE_PASS;
}
