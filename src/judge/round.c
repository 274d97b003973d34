// One pass of the judge over one window: see round.h.
#include "judge/round.h"
#include "judge/prep.h"
#include "judge/stat.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { N_TROUGHS_FULL = 30 };

static const double least_floor = 1e-6; // grain below which differences are rounding, in budgets

double judge_round_median(const double *y, size_t n, double *scratch)
{
    memcpy(scratch, y, n * sizeof *y);
    return judge_median(scratch, n);
}

size_t judge_round_edge(size_t n)
{
    return n / 10 > 3 ? n / 10 : 3;
}

void judge_round_points(const double *t, const double *y, size_t n, const struct judge_options *o,
                        struct judge_round *round)
{
    struct judge_scaled *s = &round->scaled;
    double grain = o->counts ? 0 : o->quantum;
    memset(s, 0, sizeof *s);
    s->n = judge_prep_bin(t, y, n, s->u, s->z);
    round->t0 = s->u[0];
    round->window_s = s->u[s->n - 1] - s->u[0];
    round->unit = fmax(o->budget_per_s * round->window_s, o->budget_per_s > 0 ? 0 : fmax(o->quantum, 1));
    double scratch[JUDGE_POINTS_MAX], middle = judge_round_median(s->z, s->n, scratch);
    for (size_t i = 0; i < s->n; i++) {
        s->u[i] = (s->u[i] - round->t0) / round->window_s;
        s->z[i] = (s->z[i] - middle) / round->unit;
    }
    grain = fmax(grain / round->unit, least_floor);
    s->floor_sse = (double)s->n * grain * grain / 12;
    s->t_scale = o->t_scale;
}

// Scales one window into budgets: picks the troughs of a sawtooth, bins, and finds the grain. Returns 0 or -1 (memory).
static int scale(const double *t, const double *y, size_t n, const struct judge_options *o, struct judge_round *round)
{
    bool failed;
    size_t *at, drops = judge_prep_troughs(t, y, n, &at, &failed);
    if (failed)
        return -1;
    round->view = drops > 0 ? JUDGE_VIEW_TROUGHS : JUDGE_VIEW_ALL;
    if (drops == 0) {
        judge_round_points(t, y, n, o, round);
        return 0;
    }
    double *tt = malloc(2 * drops * sizeof *tt);
    if (!tt) {
        free(at);
        return -1;
    }
    for (size_t k = 0; k < drops; k++) {
        tt[k] = t[at[k]];
        tt[drops + k] = y[at[k]];
    }
    judge_round_points(tt, tt + drops, drops, o, round);
    round->scaled.linear_only = round->scaled.n < N_TROUGHS_FULL;
    free(tt);
    free(at);
    return 0;
}

// Medians of q points around u: the levels between which the quarters are measured.
static double level_at(const struct judge_scaled *s, double u, size_t q)
{
    double scratch[JUDGE_POINTS_MAX];
    size_t near = 0;
    while (near + 1 < s->n && s->u[near] < u)
        near++;
    size_t from = near > q / 2 ? near - q / 2 : 0;
    from = from + q > s->n ? s->n - q : from;
    return judge_round_median(s->z + from, q, scratch);
}

static bool rises_by_stairs(struct judge_round *round)
{
    static const double at[] = {.03, .25, .5, .75, .97};
    const struct judge_scaled *s = &round->scaled;
    double level[5], least;
    round->stair_share = 0;
    if (s->n < JUDGE_ROUND_N_MIN || round->fit.best.kind == JUDGE_E || !(round->net > 1.5))
        return false;
    for (int i = 0; i < 5; i++)
        level[i] = level_at(s, at[i], judge_round_edge(s->n));
    least = fmin(level[2] - level[1], fmin(level[3] - level[2], level[4] - level[3]));
    round->stair_share = least / round->net;
    return least > .3;
}

// Does the series fall, and is its end higher than an earlier peak? Levels are medians of twentieths; the peak lies in
// the first three fifths. What accelerates or sets in late does not fall.
static void see_fall(struct judge_round *round)
{
    enum { PARTS = 20, EARLY = 12 };
    const struct judge_scaled *s = &round->scaled;
    double scratch[JUDGE_POINTS_MAX], high = -INFINITY, low = INFINITY, early = -INFINITY, end = 0, fall = 0;
    round->fall = round->end_rise = 0;
    for (size_t k = 0; k < PARTS && s->n >= PARTS; k++) {
        size_t from = k * s->n / PARTS, to = (k + 1) * s->n / PARTS;
        end = judge_round_median(s->z + from, to - from, scratch);
        high = fmax(high, end);
        low = fmin(low, end);
        early = k < EARLY ? high : early;
        fall = fmax(fall, high - end);
    }
    if (high > low) {
        round->fall = fall / (high - low);
        round->end_rise = (end - early) / (high - low);
    }
}

void judge_round_ends(struct judge_round *round)
{
    const struct judge_scaled *s = &round->scaled;
    double scratch[JUDGE_POINTS_MAX], a;
    size_t q = judge_round_edge(s->n), third = s->n / 3;
    q = q > s->n ? s->n : q;
    round->net = judge_round_median(s->z + s->n - q, q, scratch) - judge_round_median(s->z, q, scratch);
    round->tail = 0;
    if (third >= 12)
        judge_line(s->u + s->n - third, s->z + s->n - third, third, &a, &round->tail, NULL, NULL);
    round->stair = rises_by_stairs(round);
    see_fall(round);
}

// How much of the window a transient of the best model takes, in windows; 0 when there is none to cut, or too much.
static double transient_of(const struct judge_model *m)
{
    double cut = 0;
    if (m->kind == JUDGE_S)
        cut = m->param + .02 <= .34 ? m->param + .02 : 0;
    else if (m->kind == JUDGE_H && m->beta[2] < 0) // filled at a steady rate up to a bound
        cut = m->param + .02 <= .62 ? m->param + .02 : 0;
    else if (m->kind == JUDGE_E || m->kind == JUDGE_LE) {
        double c = fmax(fabs(m->beta[m->kind == JUDGE_E ? 1 : 2]), .4);
        cut = m->param * log(c / .4);
        cut = cut <= .5 ? cut : 0;
    }
    return cut;
}

static enum judge_verdict because(struct judge_round *round, enum judge_cause cause, enum judge_verdict verdict)
{
    round->cause = cause;
    return verdict;
}

// The verdict of one round. *cut > 0 asks for another round without that share of the window.
enum judge_verdict judge_round_decide(struct judge_round *round, int recuts, double *cut)
{
    const struct judge_fit *f = &round->fit;
    *cut = 0;
    if (f->lo > 1) {
        if (f->best.kind == JUDGE_E && f->best.param <= 1 && f->ic_linear - f->ic_plateau > 6)
            return because(round, JUDGE_BECAUSE_DECELERATING, JUDGE_INCONCLUSIVE);
        return because(round, JUDGE_BECAUSE_ABOVE, JUDGE_FAIL);
    }
    if (round->stair)
        return because(round, JUDGE_BECAUSE_STAIRS, JUDGE_FAIL);
    if (f->hi > 1)
        return because(round, JUDGE_BECAUSE_STRADDLES, JUDGE_INCONCLUSIVE);
    if (round->net > 1) {
        *cut = recuts < JUDGE_ROUND_RECUTS_MAX ? transient_of(&f->best) : 0;
        return because(round, JUDGE_BECAUSE_NET, JUDGE_INCONCLUSIVE);
    }
    if (round->tail > 1)
        return because(round, JUDGE_BECAUSE_TAIL, JUDGE_INCONCLUSIVE);
    return because(round, JUDGE_BECAUSE_UNDER, JUDGE_PASS);
}

bool judge_round_fit(struct judge_round *round)
{
    const struct judge_fit *f = &round->fit;
    // Amounts or times at the end of what a double holds have no rate; a comparison with NaN would let them pass.
    return judge_fit(&round->scaled, &round->fit) && isfinite(f->best.r) && isfinite(f->lo) && isfinite(f->hi);
}

int judge_round_run(const double *t, const double *y, size_t n, const struct judge_options *o,
                    struct judge_round *round)
{
    round->cause = JUDGE_BECAUSE_OTHER;
    if (scale(t, y, n, o, round) != 0)
        return -1;
    judge_fit_cycle(&round->scaled);
    round->fitted = judge_round_fit(round);
    if (round->fitted)
        judge_round_ends(round);
    return 0;
}
