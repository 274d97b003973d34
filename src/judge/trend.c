// The verdict on one signal: see trend.h; the rules, with every constant, are in docs/METHOD.md.
//
// The order of things: sanity, cut of paused stretches and warm-up, then rounds of (troughs, scaling, cycle,
// competition, verdict). A round may find that the warm-up lasted longer than was cut; then the rest is judged again,
// at most twice.
#include "judge/trend.h"
#include "judge/fit.h"
#include "judge/prep.h"
#include "judge/shape.h"
#include "judge/stat.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { N_MIN = 40, N_TROUGHS_FULL = 30, RECUTS_MAX = 2 };

static const double warmup_share = .10;
static const double missing_share_max = .25;
static const double least_floor = 1e-6; // grain below which differences are rounding, in budgets

static double nan_or(double value, double otherwise)
{
    return isfinite(value) ? value : otherwise;
}

static void say(struct judge_growth *out, enum judge_verdict verdict, const char *reason)
{
    out->verdict = verdict;
    snprintf(out->reason, sizeof out->reason, "%s", reason);
}

static void nothing_known(const struct judge_series *series, const struct judge_options *o, struct judge_growth *out)
{
    *out = (struct judge_growth){
        .verdict = JUDGE_INCONCLUSIVE,
        .shape = JUDGE_SHAPE_UNKNOWN,
        .slope_per_s = NAN,
        .lo_per_s = NAN,
        .hi_per_s = NAN,
        .mde_per_s = NAN,
        .settle_duration_s = NAN,
        .budget_per_s = o->budget_per_s,
        .rho = NAN,
        .tau_s = NAN,
        .event_t_s = NAN,
        .event_size = NAN,
        .cycle_s = NAN,
        .warmup_end_s = NAN,
        .window_s = NAN,
        .total_growth = NAN,
        .total_margin = NAN,
        .half_ratio = NAN,
        .net_growth = NAN,
        .n_given = series->n,
        .unit = o->unit,
        .total_verdict = isfinite(o->total_limit) ? JUDGE_INCONCLUSIVE : JUDGE_PASS,
        .shape_text = "unknown",
    };
}

static double median_of(const double *y, size_t n, double *scratch)
{
    memcpy(scratch, y, n * sizeof *y);
    return judge_median(scratch, n);
}

static size_t edge_count(size_t n)
{
    return n / 10 > 3 ? n / 10 : 3;
}

// Total growth over all samples given: the same function that serves the gates.
static int judge_total(const struct judge_window *w, const struct judge_options *o, struct judge_growth *out)
{
    struct judge_level level;
    if (judge_total_growth(&(struct judge_series){w->t, w->y, w->n}, o, &level) != 0)
        return -1;
    out->total_growth = level.difference;
    out->total_margin = level.margin;
    out->total_verdict = isfinite(o->total_limit) ? level.verdict : JUDGE_PASS;
    return 0;
}

static int half_growth(const double *y, size_t n, struct judge_growth *out)
{
    size_t q = edge_count(n);
    double *scratch = malloc(n * sizeof *scratch);
    if (!scratch)
        return -1;
    double a = median_of(y, q, scratch), b = median_of(y + (n - q) / 2, q, scratch),
           c = median_of(y + n - q, q, scratch);
    free(scratch);
    if (fabs(b - a) > out->total_margin && b != a)
        out->half_ratio = (c - b) / (b - a);
    return 0;
}

// Scales one window into budgets: picks the troughs of a sawtooth, bins, and finds the grain. Returns 0 or -1 (memory).
static int scale(const double *t, const double *y, size_t n, const struct judge_options *o, struct judge_round *round)
{
    struct judge_scaled *s = &round->scaled;
    bool failed;
    size_t *at, drops = judge_prep_troughs(t, y, n, &at, &failed);
    double grain = o->counts ? 0 : o->quantum;
    if (failed)
        return -1;
    memset(s, 0, sizeof *s);
    round->troughs = drops > 0;
    if (drops > 0) {
        double *tt = malloc(2 * drops * sizeof *tt);
        if (!tt) {
            free(at);
            return -1;
        }
        for (size_t k = 0; k < drops; k++) {
            tt[k] = t[at[k]];
            tt[drops + k] = y[at[k]];
        }
        s->n = judge_prep_bin(tt, tt + drops, drops, s->u, s->z);
        free(tt);
        free(at);
        s->linear_only = s->n < N_TROUGHS_FULL;
    } else {
        s->n = judge_prep_bin(t, y, n, s->u, s->z);
    }
    round->cause = JUDGE_BECAUSE_OTHER;
    round->t0 = s->u[0];
    round->window_s = s->u[s->n - 1] - s->u[0];
    round->unit = fmax(o->budget_per_s * round->window_s, o->budget_per_s > 0 ? 0 : fmax(o->quantum, 1));
    double scratch[JUDGE_POINTS_MAX], middle = median_of(s->z, s->n, scratch);
    for (size_t i = 0; i < s->n; i++) {
        s->u[i] = (s->u[i] - round->t0) / round->window_s;
        s->z[i] = (s->z[i] - middle) / round->unit;
    }
    grain = fmax(grain / round->unit, least_floor);
    s->floor_sse = (double)s->n * grain * grain / 12;
    s->t_scale = o->t_scale;
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
    return median_of(s->z + from, q, scratch);
}

static bool rises_by_stairs(const struct judge_round *round)
{
    static const double at[] = {.03, .25, .5, .75, .97};
    const struct judge_scaled *s = &round->scaled;
    double level[5];
    if (s->n < N_MIN || round->fit.best.kind == JUDGE_E || !(round->net > 1.5))
        return false;
    for (int i = 0; i < 5; i++)
        level[i] = level_at(s, at[i], edge_count(s->n));
    return level[2] - level[1] > .3 && level[3] - level[2] > .3 && level[4] - level[3] > .3;
}

static void measure_ends(struct judge_round *round)
{
    const struct judge_scaled *s = &round->scaled;
    double scratch[JUDGE_POINTS_MAX], a;
    size_t q = edge_count(s->n), third = s->n / 3;
    q = q > s->n ? s->n : q;
    round->net = median_of(s->z + s->n - q, q, scratch) - median_of(s->z, q, scratch);
    round->tail = 0;
    if (third >= 12)
        judge_line(s->u + s->n - third, s->z + s->n - third, third, &a, &round->tail, NULL, NULL);
    round->stair = rises_by_stairs(round);
}

// How much of the window a transient of the best model takes, in windows; 0 when there is none to cut, or too much.
static double transient_of(const struct judge_model *m)
{
    double cut = 0;
    if (m->kind == JUDGE_S)
        cut = m->param + .02 <= .34 ? m->param + .02 : 0;
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
static enum judge_verdict decide(struct judge_round *round, int recuts, double *cut)
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
        *cut = recuts < RECUTS_MAX ? transient_of(&f->best) : 0;
        return because(round, JUDGE_BECAUSE_NET, JUDGE_INCONCLUSIVE);
    }
    if (round->tail > 1)
        return because(round, JUDGE_BECAUSE_TAIL, JUDGE_INCONCLUSIVE);
    return because(round, JUDGE_BECAUSE_UNDER, JUDGE_PASS);
}

// One round on a window: everything but the decision.
static int run_round(const double *t, const double *y, size_t n, const struct judge_options *o,
                     struct judge_round *round)
{
    if (scale(t, y, n, o, round) != 0)
        return -1;
    judge_fit_cycle(&round->scaled);
    const struct judge_fit *f = &round->fit;
    // Amounts or times at the end of what a double holds have no rate; a comparison with NaN would let them pass.
    round->fitted = judge_fit(&round->scaled, &round->fit) && isfinite(f->best.r) && isfinite(f->lo) && isfinite(f->hi);
    if (round->fitted)
        measure_ends(round);
    return 0;
}

static void store_rates(const struct judge_round *round, struct judge_growth *out)
{
    const struct judge_fit *f = &round->fit;
    double per_s = round->unit / round->window_s;
    out->slope_per_s = f->best.r * per_s;
    out->lo_per_s = f->lo * per_s;
    out->hi_per_s = f->hi * per_s;
    out->mde_per_s = f->mde * per_s;
    out->budget_per_s = per_s;
    out->resolves = f->mde <= 1;
    out->rho = f->rho;
    out->n_models = f->n_models;
    out->n_used = round->scaled.n;
    out->troughs = round->troughs;
    out->window_s = round->window_s;
    out->net_growth = round->net * round->unit;
}

static void store_settling(const struct judge_round *round, struct judge_growth *out)
{
    double half = (round->fit.hi - round->fit.lo) / 2, off = fabs(1 - round->fit.best.r);
    double factor = pow(half / off, 2. / 3);
    if (out->verdict == JUDGE_INCONCLUSIVE && factor > 1 && factor < 1000)
        out->settle_duration_s = round->window_s * factor;
}

// The first sample at or after t, from index from on.
static size_t index_at(const struct judge_window *w, size_t from, double t)
{
    while (from < w->n && w->t[from] < t)
        from++;
    return from;
}

// A transient that was cut as warm-up still names the shape when the rest is flat.
static void keep_shape(const struct judge_growth *before, struct judge_growth *out)
{
    if (out->n_recuts == 0 || out->shape != JUDGE_SHAPE_FLAT)
        return;
    out->shape = before->shape;
    out->tau_s = before->tau_s;
    out->event_t_s = before->event_t_s;
    out->event_size = before->event_size;
}

// Rounds until the warm-up is behind us; *from is the index of the first sample judged. Returns 0 or -1 (memory).
static int judge_rounds(const struct judge_window *w, size_t *from, const struct judge_options *o,
                        struct judge_growth *out, struct judge_round *round)
{
    struct judge_growth before;
    if (w->n - *from < N_MIN) {
        snprintf(out->reason, sizeof out->reason, "too few samples after the warm-up: %zu, at least %d are needed",
                 w->n - *from, N_MIN);
        return 0;
    }
    for (;; out->n_recuts++) {
        double cut;
        before = *out;
        if (run_round(w->t + *from, w->y + *from, w->n - *from, o, round) != 0)
            return -1;
        if (!round->fitted) {
            say(out, JUDGE_INCONCLUSIVE, "no growth model could be fitted to these samples");
            return 0;
        }
        store_rates(round, out);
        out->warmup_end_s = w->t[*from];
        out->verdict = decide(round, (int)out->n_recuts, &cut);
        judge_shape_find(round, out);
        keep_shape(&before, out);
        size_t next = cut > 0 ? index_at(w, *from, round->t0 + cut * round->window_s) : *from;
        if (next == *from || w->n - next < N_MIN)
            return 0;
        *from = next;
    }
}

static size_t first_judged(const struct judge_window *w, double warmup_s)
{
    double all = w->t[w->n - 1] - w->t[0], cut = nan_or(warmup_s, warmup_share * all);
    size_t from = index_at(w, 0, w->t[0] + cut);
    return from < w->n ? from : w->n - 1;
}

// What makes a verdict worthless whatever the fit says: too much missing, or a load cycle too long for the run.
static void cap(const struct judge_window *w, const struct judge_options *o, struct judge_growth *out)
{
    double missing, interval = judge_prep_interval(w, o->interval_s), all = w->t[w->n - 1] - w->t[0];
    char period[32], window[32];
    out->n_gaps = judge_prep_gaps(w, interval, &missing);
    if (missing > missing_share_max * all) {
        snprintf(out->reason, sizeof out->reason, "samples are missing for %.0f %% of the time (%zu gap%s)",
                 100 * missing / all, out->n_gaps, out->n_gaps == 1 ? "" : "s");
        out->verdict = JUDGE_INCONCLUSIVE;
    } else if (o->period_s > 0 && out->window_s < 2 * o->period_s && out->verdict == JUDGE_PASS) {
        snprintf(out->reason, sizeof out->reason,
                 "the window of %s holds fewer than two load periods of %s: growth and cycle cannot be told apart",
                 units_duration(window, sizeof window, out->window_s),
                 units_duration(period, sizeof period, o->period_s));
        out->verdict = JUDGE_INCONCLUSIVE;
    }
}

// Times found on the cut axis, put back on the caller's.
static void uncut(const struct judge_options *o, double first_t, struct judge_growth *out)
{
    if (o->n_excluded == 0)
        return;
    out->warmup_end_s = judge_prep_uncut(o, first_t, out->warmup_end_s);
    if (isfinite(out->event_t_s))
        out->event_t_s = judge_prep_uncut(o, first_t, out->event_t_s);
}

static int judge_window(struct judge_window *w, const struct judge_options *o, struct judge_growth *out)
{
    struct judge_round round = {.unit = 0};
    if (judge_total(w, o, out) != 0 || (o->counts && judge_prep_floor(w) != 0))
        return -1;
    size_t from = first_judged(w, o->warmup_s);
    if (judge_rounds(w, &from, o, out, &round) != 0)
        return -1;
    if (!round.fitted)
        return 0;
    judge_shape_words(w->t[0], out);
    judge_shape_reason(&round, o, w->t[0], out);
    cap(w, o, out);
    store_settling(&round, out);
    uncut(o, w->t[0], out);
    return half_growth(w->y + from, w->n - from, out);
}

static bool options_hold(const struct judge_options *o)
{
    return o->budget_per_s >= 0 && isfinite(o->budget_per_s) && o->t_scale >= 1 && o->quantum >= 0;
}

static const char *why_unfit(enum judge_unfit unfit)
{
    switch (unfit) {
    case JUDGE_FIT_EMPTY:
        return "there are no samples";
    case JUDGE_FIT_NOT_FINITE:
        return "a sample is not a finite number";
    case JUDGE_FIT_TIME_BACK:
        return "the times of the samples do not rise";
    case JUDGE_FIT_OK:
        break;
    }
    return "";
}

int judge_trend(const struct judge_series *series, const struct judge_options *options, struct judge_growth *out)
{
    struct judge_window w;
    nothing_known(series, options, out);
    if (!options_hold(options)) {
        say(out, JUDGE_INCONCLUSIVE, "the budget is not a number of at least 0");
        return 0;
    }
    enum judge_unfit unfit = judge_prep_check(series);
    if (unfit != JUDGE_FIT_OK) {
        say(out, JUDGE_INCONCLUSIVE, why_unfit(unfit));
        return 0;
    }
    int rc = judge_prep_cut(series, options, &w);
    if (rc == 0 && w.n == 0)
        say(out, JUDGE_INCONCLUSIVE, "all samples lie in excluded stretches");
    else if (rc == 0)
        rc = judge_window(&w, options, out);
    if (rc != 0) {
        nothing_known(series, options, out);
        say(out, JUDGE_INCONCLUSIVE, "memory ran out while judging");
    }
    judge_window_free(&w);
    return rc;
}
