// The words for what a series does: see shape.h. Nothing here changes a verdict.
#include "judge/shape.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const double flat_rate = .1; // below a tenth of the budget, or not different from zero, is called flat

static const double comes_down = .3; // of its range: no staircase

static void name_model(const struct judge_round *round, char *out, size_t size)
{
    static const char *const letters[] = {
        [JUDGE_L] = "L", [JUDGE_E] = "E", [JUDGE_LE] = "LE", [JUDGE_S] = "S", [JUDGE_H] = "H"};
    static const char *const views[] = {[JUDGE_VIEW_ALL] = "",
                                        [JUDGE_VIEW_TROUGHS] = "troughs ",
                                        [JUDGE_VIEW_ALIGNED] = "aligned troughs ",
                                        [JUDGE_VIEW_FLOOR] = "floor ",
                                        [JUDGE_VIEW_CEILING] = "ceiling "};
    const struct judge_model *m = &round->fit.best;
    char cycle[24] = "", jumps[32] = "", param[16] = "";
    if (round->scaled.cycle > 0)
        snprintf(cycle, sizeof cycle, "cycle%.4g ", round->scaled.cycle);
    if (round->scaled.n_jumps > 0)
        snprintf(jumps, sizeof jumps, "jumps%zu ", round->scaled.n_jumps);
    if (m->kind != JUDGE_L)
        snprintf(param, sizeof param, "%.3g", m->param);
    snprintf(out, size, "%s%s%s%s%s", views[round->view], cycle, jumps, letters[m->kind], param);
}

static bool is_flat(const struct judge_fit *f)
{
    return fabs(f->best.r) < flat_rate || (f->lo <= 0 && f->hi >= 0);
}

static int falling(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x < y) - (x > y);
}

// Growth that happens in a few big steps: the largest tenth of the increments makes up most of it, beyond what the
// tenth that falls most takes back. Noise has as many large increments one way as the other.
static bool in_steps(const struct judge_scaled *s, double net)
{
    double up[JUDGE_POINTS_MAX], sum = 0;
    size_t n = s->n - 1, few = s->n / 10;
    for (size_t i = 0; i < n; i++)
        up[i] = s->z[i + 1] - s->z[i];
    qsort(up, n, sizeof up[0], falling);
    for (size_t i = 0; i < few; i++)
        sum += up[i] + fmin(up[n - 1 - i], 0);
    return sum > .6 * net;
}

// A knee down is a plateau. A knee up is an onset where at least half of the rate set in there: what grew before at
// nearly the same rate began with the run, and nobody should look for what happened at the knee.
static enum judge_shape shape_of_knee(const struct judge_fit *f)
{
    const struct judge_model *m = &f->best;
    if (m->beta[2] < 0)
        return is_flat(f) ? JUDGE_SHAPE_PLATEAU : JUDGE_SHAPE_LINEAR;
    if (m->r <= flat_rate)
        return JUDGE_SHAPE_FLAT;
    return m->beta[2] > .5 * m->r ? JUDGE_SHAPE_LATE : JUDGE_SHAPE_LINEAR;
}

static enum judge_shape shape_of(const struct judge_round *round)
{
    const struct judge_fit *f = &round->fit;
    const struct judge_model *m = &f->best;
    bool climbs = round->fall < comes_down && in_steps(&round->scaled, round->net);
    if (round->stair && (round->cause == JUDGE_BECAUSE_STAIRS || climbs))
        return JUDGE_SHAPE_STAIRCASE;
    if (round->cause == JUDGE_BECAUSE_BURSTS)
        return JUDGE_SHAPE_STAIRCASE;
    if (round->view == JUDGE_VIEW_TROUGHS || round->view == JUDGE_VIEW_ALIGNED)
        return JUDGE_SHAPE_SAWTOOTH;
    if (round->scaled.n_jumps > 0)
        return is_flat(f) ? JUDGE_SHAPE_STEP : JUDGE_SHAPE_LINEAR;
    switch (m->kind) {
    case JUDGE_L:
        return is_flat(f) && f->hi <= 1 ? JUDGE_SHAPE_FLAT : is_flat(f) ? JUDGE_SHAPE_UNKNOWN : JUDGE_SHAPE_LINEAR;
    case JUDGE_E:
        return fabs(m->beta[1]) > flat_rate ? JUDGE_SHAPE_PLATEAU : JUDGE_SHAPE_FLAT;
    case JUDGE_LE:
        return is_flat(f) ? JUDGE_SHAPE_PLATEAU : JUDGE_SHAPE_LINEAR;
    case JUDGE_S:
        return is_flat(f) ? JUDGE_SHAPE_STEP : JUDGE_SHAPE_LINEAR;
    case JUDGE_H:
        return shape_of_knee(f);
    }
    return JUDGE_SHAPE_UNKNOWN;
}

// The steps tried lie 4 % apart; the step itself is the largest jump in its direction nearby.
static double step_time(const struct judge_round *round)
{
    const struct judge_scaled *s = &round->scaled;
    const struct judge_model *m = &round->fit.best;
    double sign = m->beta[2] < 0 ? -1 : 1, largest = -INFINITY, at = m->param;
    for (size_t i = 1; i < s->n; i++) {
        double jump = sign * (s->z[i] - s->z[i - 1]);
        if (fabs(s->u[i] - m->param) <= .04 && jump > largest) {
            largest = jump;
            at = s->u[i];
        }
    }
    return round->t0 + at * round->window_s;
}

// The last of several known jumps, and what all of them add up to.
static void step_of(const struct judge_round *round, struct judge_growth *out)
{
    const struct judge_scaled *s = &round->scaled;
    const struct judge_model *m = &round->fit.best;
    double sum = 0;
    for (size_t k = 0; k < s->n_jumps; k++)
        sum += m->beta[m->columns - s->n_jumps + k];
    out->event_t_s = round->t0 + s->jump[s->n_jumps - 1] * round->window_s;
    out->event_size = sum * round->unit;
    out->n_steps = s->n_jumps;
}

void judge_shape_find(const struct judge_round *round, struct judge_growth *out)
{
    const struct judge_model *m = &round->fit.best;
    name_model(round, out->model, sizeof out->model);
    out->shape = shape_of(round);
    out->tau_s = out->event_t_s = out->event_size = out->cycle_s = NAN;
    out->n_steps = 0;
    if (round->scaled.cycle > 0)
        out->cycle_s = round->window_s / round->scaled.cycle;
    if (round->scaled.n_jumps > 0) {
        step_of(round, out);
        return;
    }
    if (m->kind == JUDGE_E || m->kind == JUDGE_LE) {
        double c = m->beta[m->kind == JUDGE_E ? 1 : 2];
        out->tau_s = m->param * round->window_s;
        out->event_size = -c * round->unit;
        out->event_t_s = round->t0 + 3 * out->tau_s; // 95 % filled
    } else if (m->kind == JUDGE_S || m->kind == JUDGE_H) {
        out->event_t_s = m->kind == JUDGE_S ? step_time(round) : round->t0 + m->param * round->window_s;
        out->event_size = m->kind == JUDGE_S ? m->beta[2] * round->unit : NAN;
    }
}

static bool still_filling(const struct judge_growth *g)
{
    return isfinite(g->tau_s) && g->event_t_s > g->warmup_end_s + g->window_s;
}

static void plateau_words(double first_t, struct judge_growth *g)
{
    char when[32];
    units_duration(when, sizeof when, g->event_t_s - first_t);
    if (g->event_size < 0)
        snprintf(g->shape_text, sizeof g->shape_text, "plateau, settled downwards after %s", when);
    else if (still_filling(g))
        snprintf(g->shape_text, sizeof g->shape_text, "plateau, still filling, %s expected", when);
    else
        snprintf(g->shape_text, sizeof g->shape_text, "plateau, filled after %s", when);
}

void judge_shape_words(double first_t, struct judge_growth *g)
{
    char when[32] = "", size[32];
    enum judge_unit unit = g->unit;
    if (isfinite(g->event_t_s))
        units_clock(when, sizeof when, g->event_t_s - first_t);
    switch (g->shape) {
    case JUDGE_SHAPE_FLAT:
    case JUDGE_SHAPE_UNKNOWN:
    case JUDGE_SHAPES:
        snprintf(g->shape_text, sizeof g->shape_text, "%s", judge_shape_name(g->shape));
        break;
    case JUDGE_SHAPE_LINEAR:
        snprintf(g->shape_text, sizeof g->shape_text, "%s", g->slope_per_s < 0 ? "linear, falling" : "linear, rising");
        break;
    case JUDGE_SHAPE_PLATEAU:
        plateau_words(first_t, g);
        break;
    case JUDGE_SHAPE_STEP:
        judge_format(size, sizeof size, g->event_size, unit);
        if (g->n_steps > 1)
            snprintf(g->shape_text, sizeof g->shape_text, "%zu steps of %s in all, the last at %s, flat since",
                     g->n_steps, size, when);
        else
            snprintf(g->shape_text, sizeof g->shape_text, "step of %s at %s, flat since", size, when);
        break;
    case JUDGE_SHAPE_SAWTOOTH:
        snprintf(g->shape_text, sizeof g->shape_text, "sawtooth, floor %s",
                 g->lo_per_s > 0   ? "rising"
                 : g->hi_per_s < 0 ? "falling"
                                   : "flat");
        break;
    case JUDGE_SHAPE_STAIRCASE:
        snprintf(g->shape_text, sizeof g->shape_text, "staircase, still climbing");
        break;
    case JUDGE_SHAPE_LATE:
        snprintf(g->shape_text, sizeof g->shape_text, "late, rising since %s", when);
        break;
    }
}

// "3.21 MB/h (90 % interval 3.05 MB/h to 3.38 MB/h)".
static void rate_words(const struct judge_growth *g, enum judge_unit rate, char *out, size_t size)
{
    char r[32], lo[32], hi[32];
    snprintf(out, size, "%s (90 %% interval %s to %s)", judge_format(r, sizeof r, g->slope_per_s, rate),
             judge_format(lo, sizeof lo, g->lo_per_s, rate), judge_format(hi, sizeof hi, g->hi_per_s, rate));
}

// When a plateau's rate will have sunk to the budget: r e^(-x/tau) = 1 in windows after the end.
static double seconds_to_budget(const struct judge_round *round)
{
    double r = round->fit.best.r;
    return r > 1 ? round->fit.best.param * log(r) * round->window_s : 0;
}

void judge_shape_reason(const struct judge_round *round, const struct judge_options *o, double first_t,
                        struct judge_growth *g)
{
    enum judge_unit rate = o->unit == JUDGE_U_BYTES ? JUDGE_U_BYTES_PER_S : JUDGE_U_PER_S;
    char now[128], budget[32], a[32], b[32];
    size_t size = sizeof g->reason;
    rate_words(g, rate, now, sizeof now);
    judge_format(budget, sizeof budget, g->budget_per_s, rate);
    switch (round->cause) {
    case JUDGE_BECAUSE_OTHER:
        return;
    case JUDGE_BECAUSE_UNDER:
        snprintf(g->reason, size, "grows %s, under the budget of %s", now, budget);
        break;
    case JUDGE_BECAUSE_ABOVE:
        snprintf(g->reason, size, "grows %s, above the budget of %s", now, budget);
        break;
    case JUDGE_BECAUSE_STAIRS:
        snprintf(g->reason, size, "climbs a staircase: %s in the window in ever new steps, above the budget of %s",
                 judge_format(a, sizeof a, g->net_growth, o->unit), budget);
        break;
    case JUDGE_BECAUSE_DECELERATING:
        snprintf(g->reason, size,
                 "grows %s, above the budget of %s but slowing: a plateau %s higher, under budget in %s", now, budget,
                 judge_format(a, sizeof a, round->fit.best.r * round->fit.best.param * round->unit, o->unit),
                 units_duration(b, sizeof b, seconds_to_budget(round)));
        break;
    case JUDGE_BECAUSE_STRADDLES:
        snprintf(g->reason, size, "grows %s: the budget of %s lies inside the interval%s", now, budget,
                 g->resolves ? "" : "; this run cannot resolve it");
        break;
    case JUDGE_BECAUSE_NET:
        snprintf(g->reason, size, "the rate at the end is within the budget of %s, but %s grew within the window",
                 budget, judge_format(a, sizeof a, g->net_growth, o->unit));
        break;
    case JUDGE_BECAUSE_TAIL:
        snprintf(g->reason, size, "grows %s, under the budget of %s, but the last third rises faster than that", now,
                 budget);
        break;
    case JUDGE_BECAUSE_SLOWED:
        snprintf(g->reason, size, "grows %s, under the budget of %s: %s grew within the window, and ever more slowly",
                 now, budget, judge_format(a, sizeof a, g->net_growth, o->unit));
        break;
    case JUDGE_BECAUSE_BURSTS:
        snprintf(g->reason, size, "grows in bursts that go on: %s within the window, above the budget of %s",
                 judge_format(a, sizeof a, g->net_growth, o->unit), budget);
        break;
    case JUDGE_BECAUSE_STEPPED:
        snprintf(g->reason, size,
                 "grew by %s within the window, but a few steps explain it: too early to tell whether "
                 "there will be more",
                 judge_format(a, sizeof a, g->net_growth, o->unit));
        break;
    case JUDGE_BECAUSE_WAVE:
        snprintf(g->reason, size,
                 "rises at the end faster than the budget of %s, but a slow cycle of the load would "
                 "look the same",
                 budget);
        break;
    case JUDGE_BECAUSE_CONTRADICTED:
        snprintf(g->reason, size, "the growth of %s at the end is not borne out by the window as a whole", now);
        break;
    case JUDGE_BECAUSE_NOT_CLEAR:
        snprintf(g->reason, size, "grows %s: too close to the budget of %s for the noise of this run", now, budget);
        break;
    case JUDGE_BECAUSE_COARSE:
        snprintf(g->reason, size,
                 "grows %s, but the values come in steps of %s: too coarse for the budget of %s in this run", now,
                 judge_format(a, sizeof a, g->grain, o->unit), budget);
        break;
    }
    size_t used = strlen(g->reason);
    if (g->n_recuts > 0 && used < size)
        snprintf(g->reason + used, size - used, "; warm-up ended at %s",
                 units_clock(a, sizeof a, g->warmup_end_s - first_t));
}
