// Second opinions: see second.h and docs/METHOD.md, "Second opinions".
//
// The first competition is what the method promises to the digit. It is weak where its grids are coarse (slow plateaus,
// cycles), where it knows one step only (two steps, tables that double, bursts), and where noise is one-sided (pages
// purged in bursts). Here other descriptions of the same window are tried. One that fits decisively better, or that
// settles what the first left open, takes over; one that contradicts a PASS or a FAIL makes it inconclusive. Each works
// on a copy of the first round, in the same units and under the same rules for net growth and the last third.
#include "judge/second.h"
#include "judge/jumps.h"
#include "judge/prep.h"
#include "judge/stat.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    N_TROUGHS_FULL = 30,
    JUMPS_FEW = 4,
    SPIKES_MANY = 3,
    CYCLE_POINTS_LEAST = 60,
    FORGETS_LEAST = 40,
    STEPS_ARE_FEW = 2
};

static const double decisive = 10;     // difference of the criterion
static const double plausible = 2;     // likewise, as in the first competition
static const double clearance = .15;   // most that a PASS must stay clear of the budget
static const double rest_least = .18;  // of the window must follow the last of a few steps
static const double drift_most = .5;   // budgets, beside steps that make up more than a budget
static const double calm_enough = .25; // variance of an envelope against that of the series
static const double tails_apart = 2;   // one tail of one-sided noise against the other
static const double cycle_least = 3, cycle_most = 16, half_cycle = .5, fine_cycle = .05;
static const double shared = 1.5;                     // of the terms of a mean of differences by its neighbours
static const double wave_least = .6, wave_most = 2.9; // cycles in the window
// Standard deviations of a walk that a PASS must survive.
static const double caution_ordinary = 2, caution_spiky = 1.3, caution_slowing = 3;
static const double unusual = 6, suspicious = 4;         // increments that make a jump, in standard deviations
static const double least_quarter = .1;                  // of a staircase's growth
static const double falls_by = .3, returns_within = .25; // of the range

// The descriptions of one window, and how much better each is than the fine competition.
struct views {
    struct judge_round fine;
    struct judge_round steps;
    struct judge_round wave;
    struct judge_jumps jumps;
    struct judge_jumps hints; // the same with a lower threshold, for doubts only
    double fine_gain;         // over the first competition
    double steps_gain;
    double wave_gain;
    bool stepwise; // what grew, grew in jumps
    bool falls;    // by a good part of its range, somewhere
    bool returns;  // the end is about as high as the series was before
};

// A pass must clear the budget by its own half-width again, at most by .15: a rate of exactly the budget must not pass
// once in twenty runs.
static bool clearly_under(const struct judge_fit *f)
{
    return f->hi + fmin(f->hi - f->best.r, clearance) <= 1;
}

// How much better a describes the points than b; both over the same points.
static double gain_over(const struct judge_round *a, const struct judge_round *b)
{
    double ne = a->fit.effective_n, f = a->scaled.floor_sse;
    return ne * log((b->fit.best.sse + f) / (a->fit.best.sse + f)) -
           ((double)a->fit.best.parameters - (double)b->fit.best.parameters) * log(ne);
}

// Fits r->scaled and measures its ends without the cycle and the jumps, which are no growth.
static bool fit_view(struct judge_round *r)
{
    double whole[JUDGE_POINTS_MAX];
    if (!judge_round_fit(r))
        return false;
    memcpy(whole, r->scaled.z, sizeof whole);
    judge_fit_remove(&r->scaled, &r->fit.best, r->scaled.z);
    judge_round_ends(r);
    memcpy(r->scaled.z, whole, sizeof whole);
    return true;
}

// The number of cycles from, from + step .. to that leaves the least about the line.
static double best_cycle(struct judge_scaled *s, double from, double to, double step)
{
    double best = 0, least = INFINITY;
    for (int i = 0; from + step * i <= to; i++) {
        s->cycle = from + step * i;
        double sse = judge_fit_line_sse(s);
        if (sse < least) {
            least = sse;
            best = s->cycle;
        }
    }
    return best;
}

// Refines the cycle in place between those of the first competition beside it.
static void refine_cycle(struct judge_scaled *s)
{
    s->cycle = best_cycle(s, s->cycle - half_cycle, s->cycle + half_cycle, fine_cycle);
}

// A cycle between two of the first competition leaves so much of itself in the residuals that they look like few
// independent points, too few to find it. Takes it when the fine grid fits decisively better with it than without; not
// with a step beside it, because two steps alone look like that.
static void view_with_missed_cycle(struct judge_round *fine)
{
    struct judge_round with = *fine;
    if (fine->scaled.n < CYCLE_POINTS_LEAST)
        return;
    with.scaled.cycle = best_cycle(&with.scaled, cycle_least, cycle_most, half_cycle);
    refine_cycle(&with.scaled);
    if (with.scaled.cycle < cycle_least || !fit_view(&with) || with.fit.best.kind == JUDGE_S)
        return;
    if (gain_over(&with, fine) > decisive)
        *fine = with;
}

static bool view_finely(const struct judge_round *full, struct judge_round *out)
{
    *out = *full;
    if (full->scaled.cycle > 0)
        refine_cycle(&out->scaled);
    out->scaled.fine = true;
    if (!fit_view(out))
        return false;
    if (full->scaled.cycle <= 0)
        view_with_missed_cycle(out);
    return true;
}

// A wave of fewer than three periods about a line.
static bool view_as_wave(const struct judge_round *full, struct judge_round *out)
{
    if (full->scaled.cycle > 0)
        return false;
    *out = *full;
    out->scaled.cycle = best_cycle(&out->scaled, wave_least, wave_most, fine_cycle);
    out->scaled.linear_only = true;
    return out->scaled.cycle > 0 && fit_view(out);
}

static bool view_as_steps(const struct judge_round *full, const struct judge_jumps *j, struct judge_round *out)
{
    *out = *full;
    out->scaled.fine = true;
    out->scaled.n_jumps = j->n;
    memcpy(out->scaled.jump, j->at, j->n * sizeof j->at[0]);
    return fit_view(out);
}

// Mean squared difference of residuals so far apart, and its standard error if they forget within few points.
static double structure(const double *e, size_t n, size_t lag, double effective_n, double *error)
{
    double sum = 0, square = 0, m = (double)(n - lag);
    for (size_t i = 0; i + lag < n; i++) {
        double d = (e[i + lag] - e[i]) * (e[i + lag] - e[i]);
        sum += d;
        square += d * d;
    }
    *error = sqrt(fmax(0, square / m - sum / m * (sum / m)) * shared / effective_n);
    return sum / m;
}

// How far the residuals of r would wander over the whole window if what drifts in them were a random walk: the growth
// of their squared differences from a lag of a sixteenth to one of an eighth, beyond what chance makes of noise that
// forgets, carried on.
static double wander(const struct judge_round *r)
{
    const struct judge_scaled *s = &r->scaled;
    double e[JUDGE_POINTS_MAX], ne = r->fit.effective_n, chance, of_near;
    judge_fit_residuals(s, &r->fit.best, e);
    double near = structure(e, s->n, s->n / 16, ne, &of_near), far = structure(e, s->n, s->n / 8, ne, &chance);
    return sqrt(fmax(0, far - near - (ne >= FORGETS_LEAST ? chance : 0)) * 16);
}

// Slope of the points after u.
static double slope_after(const struct judge_scaled *s, double u)
{
    size_t i = 0;
    double a, b;
    while (i + 3 < s->n && s->u[i] < u)
        i++;
    judge_line(s->u + i, s->z + i, s->n - i, &a, &b, NULL, NULL);
    return b;
}

// Is there growth, and in jumps that are not taken back?
static bool mostly_jumps(const struct judge_round *full, const struct judge_jumps *j)
{
    return j->n > 0 && j->down < .25 * j->up && full->net > .5 * j->up;
}

static bool take_views(const struct judge_round *full, struct views *v)
{
    judge_jumps_find(&full->scaled, unusual, &v->jumps);
    judge_jumps_find(&full->scaled, suspicious, &v->hints);
    if (!view_finely(full, &v->fine))
        return false;
    const struct judge_jumps *j = &v->jumps;
    v->stepwise = mostly_jumps(full, j);
    v->falls = full->fall >= falls_by;
    v->returns = full->end_rise <= returns_within;
    v->fine_gain = gain_over(&v->fine, full);
    v->steps_gain = v->wave_gain = -INFINITY;
    if (v->stepwise && j->n <= JUMPS_FEW && view_as_steps(full, j, &v->steps))
        v->steps_gain = gain_over(&v->steps, &v->fine);
    if (view_as_wave(full, &v->wave))
        v->wave_gain = gain_over(&v->wave, &v->fine);
    return true;
}

// Three jumps or more that make up the growth, not all of them early: at the rate of a process that has made so few,
// would it be over?
static bool hints_at_bursts(const struct judge_round *full, const struct judge_jumps *j)
{
    return mostly_jumps(full, j) && j->n >= 3 && j->at[j->n - 1] > .5 && judge_jumps_most_rate(j) > 1;
}

// A few steps, nothing between them, and flat since the last one. One or two that stand out among smaller ones are the
// largest of a series of bursts.
static bool only_stepped(const struct judge_round *full, const struct views *v)
{
    const struct judge_jumps *j = &v->jumps;
    const struct judge_round *r = &v->steps;
    if (!(v->steps_gain > -plausible) || !(j->n <= STEPS_ARE_FEW || judge_jumps_double(j)))
        return false;
    if (j->n <= STEPS_ARE_FEW && !judge_jumps_double(&v->hints) && hints_at_bursts(full, &v->hints))
        return false;
    if (full->net > 1 &&
        r->fit.best.r > drift_most) // what grew beside them may be more of the same, too small to be seen
        return false;
    double last = j->at[j->n - 1];
    return 1 - last >= rest_least && clearly_under(&r->fit) && r->net <= 1 && slope_after(&full->scaled, last) <= 1;
}

static bool only_waved(const struct views *v)
{
    const struct judge_round *r = &v->wave;
    return v->wave_gain > decisive && v->falls && v->returns && clearly_under(&r->fit) && r->net <= 1 && r->tail <= 1;
}

// Could the growth be the rising part of a wave? In half a run a wave need not have fallen yet.
static bool may_be_wave(const struct views *v, bool early)
{
    bool likely = (v->falls && v->wave_gain > -decisive) || (early && v->wave_gain > -plausible);
    return likely && v->wave.fit.lo <= 1;
}

// A plateau that is nearly full passes although much grew in the window: only when even a steady leak beneath it stays
// under the budget.
static bool slows_down(const struct judge_fit *f)
{
    bool plateau = f->best.kind == JUDGE_E || f->best.kind == JUDGE_LE;
    return plateau && f->ic_linear - f->best.ic > decisive && f->le_hi <= 1;
}

// A plateau alone has no rate but that of its bend: one of more than a budget, up or down, may hide a steady leak.
static bool may_hide_leak(const struct judge_fit *of, const struct judge_fit *fine)
{
    const struct judge_model *m = &of->best;
    return m->kind == JUDGE_E && fabs(m->beta[1]) * (1 - exp(-1 / m->param)) > 1 && !(fine->le_hi <= 1);
}

static bool finely_under(const struct judge_round *r)
{
    if (may_hide_leak(&r->fit, &r->fit))
        return false;
    if (r->fit.best.r + (r->net > 1 ? caution_slowing : caution_ordinary) * wander(r) > 1)
        return false;
    return clearly_under(&r->fit) && r->tail <= 1 && (r->net <= 1 || slows_down(&r->fit));
}

static bool finely_over(const struct judge_round *r)
{
    return r->fit.lo > 1 && r->net > 1 && !judge_fit_decelerates(&r->fit);
}

// Minima (side -1) or maxima (side 1) of blocks: a leak raises both, disturbances of one sign only one of them.
static bool view_envelope(const struct judge_round *full, double side, size_t blocks, struct judge_round *out)
{
    const struct judge_scaled *s = &full->scaled;
    size_t block = s->n / blocks > 2 ? s->n / blocks : 2, n = s->n / block, skip = s->n % block;
    *out = *full;
    for (size_t b = 0; b < n; b++) {
        double u = 0, most = -INFINITY;
        for (size_t i = skip + b * block; i < skip + (b + 1) * block; i++) {
            u += s->u[i] / (double)block;
            most = fmax(most, side * s->z[i]);
        }
        out->scaled.u[b] = u;
        out->scaled.z[b] = side * most;
    }
    out->scaled.n = n;
    out->scaled.floor_sse = s->floor_sse * (double)n / (double)s->n;
    out->view = side < 0 ? JUDGE_VIEW_FLOOR : JUDGE_VIEW_CEILING;
    return fit_view(out);
}

// Are the residuals about the line one-sided, as spikes and purges are: does one tail reach twice as far from the
// median as the other? Envelopes of even noise are calmer than the noise too, and trying six of them would let some
// pass.
static bool one_sided(const struct judge_round *full)
{
    double e[JUDGE_POINTS_MAX], a, b;
    const struct judge_scaled *s = &full->scaled;
    judge_line(s->u, s->z, s->n, &a, &b, NULL, NULL);
    for (size_t i = 0; i < s->n; i++)
        e[i] = s->z[i] - a - b * s->u[i];
    double low = judge_quantile(e, s->n, .05), middle = judge_quantile(e, s->n, .5),
           high = judge_quantile(e, s->n, .95);
    return fmax(high - middle, middle - low) >= tails_apart * fmin(high - middle, middle - low);
}

// Does the calmer of the envelopes, if it is much calmer than the series, show that nothing grows?
static bool envelope_under(const struct judge_round *full, struct judge_round *out)
{
    static const size_t blocks[] = {40, 25, 15};
    struct judge_round low, high;
    double all = full->fit.best.sse / (double)full->scaled.n;
    for (size_t i = 0; full->net <= 1 && one_sided(full) && i < sizeof blocks / sizeof blocks[0]; i++) {
        if (!view_envelope(full, -1, blocks[i], &low) || !view_envelope(full, 1, blocks[i], &high))
            return false;
        *out = low.fit.best.sse < high.fit.best.sse ? low : high;
        bool calm = out->fit.best.sse / (double)out->scaled.n < calm_enough * all;
        if (calm && !may_hide_leak(&out->fit, &out->fit) && clearly_under(&out->fit) && out->net <= 1 && out->tail <= 1)
            return true;
    }
    return false;
}

static int overrule(struct judge_round *round, const struct judge_round *view, enum judge_cause cause,
                    enum judge_verdict *verdict, enum judge_verdict says)
{
    *round = *view;
    round->cause = cause;
    *verdict = says;
    return JUDGE_SECOND_OVERRULES;
}

static int doubt(struct judge_round *round, enum judge_cause cause, enum judge_verdict *verdict)
{
    round->cause = cause;
    *verdict = JUDGE_INCONCLUSIVE;
    return JUDGE_SECOND_DOUBTS;
}

// Two steps and noise can look like a staircase to medians of quarters.
static bool only_two_steps(const struct views *v)
{
    return v->jumps.n <= STEPS_ARE_FEW && v->hints.n <= STEPS_ARE_FEW && clearly_under(&v->steps.fit);
}

// Four medians of a wave can rise each time as those of a staircase do, and so can noise on what one great step or a
// ramp has left. A staircase does not come down again (apart from a cycle that was found and taken out), and no quarter
// of it is next to nothing beside the rest.
static bool no_staircase(const struct views *v, const struct judge_round *round)
{
    return (v->falls && !v->fine.stair) || round->stair_share < least_quarter;
}

// Does only a knee say so, in a window in which less grew than the budget allows? A walk makes such knees.
static bool only_a_knee(const struct views *v, const struct judge_round *round)
{
    return round->cause == JUDGE_BECAUSE_ABOVE && round->fit.best.kind == JUDGE_H && v->fine.net < 1;
}

// A FAIL stands unless a better description of the whole window contradicts it. An early one, which would end the run,
// also gives way to a plateau that merely beats the line.
static int check_fail(const struct judge_round *full, const struct views *v, bool early, struct judge_round *round,
                      enum judge_verdict *verdict)
{
    bool stairs = v->fine_gain > decisive ? v->fine.stair : round->stair;
    if (v->steps_gain > -plausible && (!full->stair || only_two_steps(v)) && v->steps.fit.lo <= 1)
        return doubt(round, JUDGE_BECAUSE_STEPPED, verdict);
    if (round->cause == JUDGE_BECAUSE_STAIRS && no_staircase(v, round))
        return doubt(round, v->falls ? JUDGE_BECAUSE_WAVE : JUDGE_BECAUSE_CONTRADICTED, verdict);
    if (only_a_knee(v, round))
        return doubt(round, JUDGE_BECAUSE_CONTRADICTED, verdict);
    if (may_be_wave(v, early))
        return doubt(round, JUDGE_BECAUSE_WAVE, verdict);
    if (early && judge_fit_beats_line(&v->fine.fit))
        return doubt(round, JUDGE_BECAUSE_CONTRADICTED, verdict);
    if ((v->jumps.n_spikes >= SPIKES_MANY && full->net < 1) || (!stairs && clearly_under(&v->fine.fit)))
        return doubt(round, JUDGE_BECAUSE_CONTRADICTED, verdict);
    return JUDGE_SECOND_AGREES;
}

// A PASS stands when it is clear of the budget, also if the noise wanders and if bursts go on at their rate.
static bool pass_stands(const struct judge_round *full, const struct views *v, const struct judge_round *round)
{
    const struct judge_round *closer = v->fine_gain > decisive ? &v->fine : round;
    double caution = v->jumps.n_spikes >= SPIKES_MANY ? caution_spiky : caution_ordinary;
    if (hints_at_bursts(full, &v->jumps) || hints_at_bursts(full, &v->hints))
        return false;
    if (may_hide_leak(&round->fit, &v->fine.fit))
        return false;
    return round->fit.best.r + caution * wander(closer) <= 1;
}

static int settle(const struct judge_round *full, const struct views *v, bool early, struct judge_round *round,
                  enum judge_verdict *verdict)
{
    struct judge_round envelope;
    enum judge_verdict first = *verdict;
    bool late = v->stepwise && v->jumps.n_spikes == 0 && 1 - v->jumps.at[v->jumps.n - 1] < rest_least;
    if (first == JUDGE_INCONCLUSIVE && !late && envelope_under(full, &envelope))
        return overrule(round, &envelope, JUDGE_BECAUSE_UNDER, verdict, JUDGE_PASS);
    bool jumped = v->stepwise && v->jumps.up > .3;
    if (!jumped && finely_under(&v->fine))
        return overrule(round, &v->fine, v->fine.net > 1 ? JUDGE_BECAUSE_SLOWED : JUDGE_BECAUSE_UNDER, verdict,
                        JUDGE_PASS);
    if (first == JUDGE_PASS)
        return doubt(round, JUDGE_BECAUSE_NOT_CLEAR, verdict);
    if (!jumped && finely_over(&v->fine) && !may_be_wave(v, early) && !(early && judge_fit_beats_line(&v->fine.fit)))
        return overrule(round, &v->fine, JUDGE_BECAUSE_ABOVE, verdict, JUDGE_FAIL);
    return JUDGE_SECOND_AGREES;
}

static int second_of_series(const struct judge_options *o, const struct judge_round *full, struct judge_round *round,
                            enum judge_verdict *verdict)
{
    struct views v;
    bool early = o->t_scale > 1;
    if (!take_views(full, &v))
        return JUDGE_SECOND_AGREES;
    if (*verdict == JUDGE_PASS && pass_stands(full, &v, round) && clearly_under(&round->fit))
        return JUDGE_SECOND_AGREES;
    if (only_stepped(full, &v))
        return overrule(round, &v.steps, JUDGE_BECAUSE_UNDER, verdict, JUDGE_PASS);
    bool goes_on = v.stepwise && judge_jumps_go_on(&v.jumps);
    if (*verdict != JUDGE_FAIL && goes_on && judge_jumps_least_rate(&v.jumps, o->t_scale) > 1)
        return overrule(round, full, JUDGE_BECAUSE_BURSTS, verdict, JUDGE_FAIL);
    if (only_waved(&v))
        return overrule(round, &v.wave, JUDGE_BECAUSE_UNDER, verdict, JUDGE_PASS);
    if (*verdict == JUDGE_FAIL)
        return check_fail(full, &v, early, round, verdict);
    if (*verdict == JUDGE_PASS && !pass_stands(full, &v, round))
        return doubt(round, JUDGE_BECAUSE_NOT_CLEAR, verdict);
    return settle(full, &v, early, round, verdict);
}

// The troughs of a sawtooth that keeps a clock, put on one phase; agrees when it keeps none.
static int second_of_troughs(const struct judge_series *samples, const struct judge_options *o,
                             struct judge_round *round, enum judge_verdict *verdict)
{
    struct judge_round r = {.view = JUDGE_VIEW_ALIGNED};
    bool failed;
    size_t *at, drops = judge_prep_troughs(samples->t_s, samples->y, samples->n, &at, &failed);
    double *room = drops > 0 ? malloc((2 * drops + samples->n) * sizeof *room) : NULL, cut;
    struct judge_aligned aligned = {room, room + drops, room + 2 * drops, 0};
    int rc = failed || (drops > 0 && !room) ? -1 : JUDGE_SECOND_AGREES;
    if (room && judge_prep_align_troughs(samples->t_s, samples->y, samples->n, at, drops, &aligned)) {
        judge_round_points(aligned.t, aligned.y, drops, o, &r);
        r.scaled.linear_only = drops < N_TROUGHS_FULL;
        if (fit_view(&r)) {
            r.fit.lo -= aligned.drift / r.unit;
            r.fit.hi += aligned.drift / r.unit;
            enum judge_verdict says = judge_round_decide(&r, JUDGE_ROUND_RECUTS_MAX, &cut);
            if (says == JUDGE_PASS && !clearly_under(&r.fit)) {
                says = JUDGE_INCONCLUSIVE;
                r.cause = JUDGE_BECAUSE_NOT_CLEAR;
            }
            if (says != *verdict)
                rc = overrule(round, &r, r.cause, verdict, says);
        }
    }
    free(room);
    free(at);
    return rc;
}

int judge_second(const struct judge_series *samples, const struct judge_options *o, const struct judge_round *full,
                 struct judge_round *round, enum judge_verdict *verdict)
{
    if (full->view == JUDGE_VIEW_TROUGHS)
        return second_of_troughs(samples, o, round, verdict);
    if (full->scaled.n < JUDGE_ROUND_N_MIN)
        return JUDGE_SECOND_AGREES;
    return second_of_series(o, full, round, verdict);
}
