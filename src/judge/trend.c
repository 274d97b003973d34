// The verdict on one signal: see trend.h; the rules, with every constant, are in docs/METHOD.md.
//
// The order of things: sanity, cut of paused stretches and warm-up, then rounds of (troughs, scaling, cycle,
// competition, verdict). A round may find that the warm-up lasted longer than was cut; then the rest is judged again,
// at most twice.
#include "judge/trend.h"
#include "judge/fit.h"
#include "judge/grain.h"
#include "judge/prep.h"
#include "judge/rest.h"
#include "judge/round.h"
#include "judge/second.h"
#include "judge/shape.h"
#include "judge/stat.h"
#include "judge/things.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { N_MIN = JUDGE_ROUND_N_MIN };

static const double warmup_share = .10;
static const double missing_share_max = .25;

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
        .grain = NAN,
        .n_given = series->n,
        .unit = o->unit,
        .total_verdict = isfinite(o->total_limit) ? JUDGE_INCONCLUSIVE : JUDGE_PASS,
        .shape_text = "unknown",
    };
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
    size_t q = judge_round_edge(n);
    double *scratch = malloc(n * sizeof *scratch);
    if (!scratch)
        return -1;
    double a = judge_round_median(y, q, scratch), b = judge_round_median(y + (n - q) / 2, q, scratch),
           c = judge_round_median(y + n - q, q, scratch);
    free(scratch);
    if (fabs(b - a) > out->total_margin && b != a)
        out->half_ratio = (c - b) / (b - a);
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
    out->troughs = round->view == JUDGE_VIEW_TROUGHS || round->view == JUDGE_VIEW_ALIGNED;
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

static void store_round(const struct judge_window *w, size_t from, const struct judge_round *round,
                        struct judge_growth *out)
{
    struct judge_growth before = *out;
    store_rates(round, out);
    out->warmup_end_s = w->t[from];
    judge_shape_find(round, out);
    keep_shape(&before, out);
}

// Rounds until the warm-up is behind us; *from is the index of the first sample judged, full becomes the first round.
// Returns 0 or -1 (memory).
static int judge_rounds(const struct judge_window *w, size_t *from, const struct judge_options *o,
                        struct judge_growth *out, struct judge_round *full, struct judge_round *round)
{
    for (;; out->n_recuts++) {
        double cut;
        if (judge_round_run(w->t + *from, w->y + *from, w->n - *from, o, round) != 0)
            return -1;
        if (!round->fitted) {
            say(out, JUDGE_INCONCLUSIVE, "no growth model could be fitted to these samples");
            return 0;
        }
        out->verdict = judge_round_decide(round, (int)out->n_recuts, &cut);
        if (out->n_recuts == 0)
            *full = *round;
        store_round(w, *from, round, out);
        size_t next = cut > 0 ? index_at(w, *from, round->t0 + cut * round->window_s) : *from;
        if (next == *from || w->n - next < N_MIN)
            return 0;
        *from = next;
    }
}

// Hears the second opinion on what the rounds from sample start on gave. Returns 0 or -1 (memory).
static int hear_second(const struct judge_window *w, size_t start, size_t *from, const struct judge_options *o,
                       const struct judge_round *full, struct judge_round *round, struct judge_growth *out)
{
    struct judge_series samples = {w->t + start, w->y + start, w->n - start};
    int second = judge_second(&samples, o, full, round, &out->verdict);
    out->withdrawn = second == JUDGE_SECOND_DOUBTS;
    if (out->withdrawn && out->shape == JUDGE_SHAPE_STAIRCASE)
        judge_shape_find(round, out); // by the new cause
    if (second == JUDGE_SECOND_OVERRULES) {
        *from = start;
        out->n_recuts = 0;
        store_round(w, start, round, out);
    }
    return second < 0 ? -1 : 0;
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

// Both opinions on the samples from `start` on; *from is where what is judged begins.
static int judge_from(const struct judge_window *w, size_t start, const struct judge_options *o, size_t *from,
                      struct judge_round *full, struct judge_round *round, struct judge_growth *out)
{
    *from = start;
    if (judge_rounds(w, from, o, out, full, round) != 0)
        return -1;
    if (!round->fitted || o->first_only || o->counts)
        return 0;
    return hear_second(w, start, from, o, full, round, out);
}

static void withdraw(struct judge_round *round, struct judge_growth *out)
{
    out->verdict = JUDGE_INCONCLUSIVE;
    out->withdrawn = true;
    round->cause = JUDGE_BECAUSE_CONTRADICTED;
    judge_shape_find(round, out);
}

// What stays open for the whole window is asked of its rest, after a transient that dwarfs it. Looks during the run do
// not: what fills now is not over.
static int hear_rest(const struct judge_window *w, size_t start, const struct judge_options *o,
                     const struct judge_growth *blank, size_t *from, struct judge_round *round,
                     struct judge_growth *out)
{
    struct judge_growth of_rest = *blank;
    struct judge_round full, later;
    size_t at;
    if (out->verdict == JUDGE_PASS || o->first_only || o->t_scale > 1)
        return 0;
    struct judge_rest rest = judge_rest_find(w->t + start, w->y + start, w->n - start, o);
    if (rest.from == 0 || w->n - start - rest.from < N_MIN)
        return 0;
    if (judge_from(w, start + rest.from, o, &at, &full, &later, &of_rest) != 0)
        return -1;
    if (!later.fitted)
        return 0;
    if (!judge_rest_decides(&rest, &of_rest, &later, round->fall)) {
        if (out->verdict == JUDGE_FAIL &&
            of_rest.verdict != JUDGE_FAIL) // by what the transient left, when the rest does not say so too
            withdraw(round, out);
        return 0;
    }
    of_rest.n_recuts++;
    keep_shape(out, &of_rest);
    *out = of_rest;
    *round = later;
    *from = at;
    return 0;
}

// What fails by its floor without going up and up is the chance of what comes and goes; a cycle is known to come down.
static void doubt_things(const struct judge_window *given, size_t start, struct judge_round *round,
                         struct judge_growth *out)
{
    if (out->verdict != JUDGE_FAIL || round->scaled.cycle > 0 ||
        judge_things_ratchet(given->y + start, given->n - start))
        return;
    withdraw(round, out);
}

// Of what the floor leaves open the medians are asked: rare exceptions trouble the floor, and not them.
static int hear_medians(const struct judge_window *given, const struct judge_options *o,
                        const struct judge_growth *blank, struct judge_round *round, struct judge_growth *out)
{
    struct judge_growth of_medians = *blank;
    struct judge_round full, calm;
    struct judge_window m;
    if (out->verdict != JUDGE_INCONCLUSIVE || o->t_scale > 1)
        return 0;
    if (judge_things_medians(given, &m) != 0)
        return -1;
    size_t start = m.n > 0 ? first_judged(&m, o->warmup_s) : 0, from;
    int failed = m.n < start + N_MIN ? 0 : judge_from(&m, start, o, &from, &full, &calm, &of_medians);
    judge_window_free(&m);
    if (failed || of_medians.verdict != JUDGE_PASS)
        return failed;
    *out = of_medians;
    *round = calm;
    return 0;
}

static int hear_things(const struct judge_window *given, size_t start, const struct judge_options *o,
                       const struct judge_growth *blank, struct judge_round *round, struct judge_growth *out)
{
    if (o->first_only)
        return 0;
    doubt_things(given, start, round, out);
    return hear_medians(given, o, blank, round, out);
}

// Values too coarse for the budget decide nothing. A budget of 0 allows a quantum, whatever its size.
static int doubt_grain(const struct judge_window *judged, size_t from, const struct judge_options *o,
                       struct judge_round *round, struct judge_growth *out)
{
    struct judge_grain grain;
    if (o->counts || o->budget_per_s <= 0)
        return 0;
    if (judge_grain_find(judged, from, o->quantum, &grain) != 0)
        return -1;
    if (judge_grain_allows(&grain, out))
        return 0;
    out->verdict = JUDGE_INCONCLUSIVE;
    out->withdrawn = true;
    out->grain = grain.size;
    round->cause = JUDGE_BECAUSE_COARSE;
    return 0;
}

static int conclude(const struct judge_window *judged, size_t from, const struct judge_options *o,
                    struct judge_round *round, struct judge_growth *out)
{
    if (doubt_grain(judged, from, o, round, out) != 0)
        return -1;
    judge_shape_words(judged->t[0], out);
    judge_shape_reason(round, o, judged->t[0], out);
    cap(judged, o, out);
    store_settling(round, out);
    uncut(o, judged->t[0], out);
    return half_growth(judged->y + from, judged->n - from, out);
}

// given: the samples; judged: the same, or their floor.
static int judge_samples(const struct judge_window *given, const struct judge_window *judged,
                         const struct judge_options *o, struct judge_growth *out)
{
    struct judge_round full, round = {.unit = 0};
    struct judge_growth blank = *out;
    size_t start = first_judged(judged, o->warmup_s), from;
    if (judged->n - start < N_MIN) {
        snprintf(out->reason, sizeof out->reason, "too few samples after the warm-up: %zu, at least %d are needed",
                 judged->n - start, N_MIN);
        return 0;
    }
    if (judge_from(judged, start, o, &from, &full, &round, out) != 0)
        return -1;
    if (!round.fitted)
        return 0;
    if (hear_rest(judged, start, o, &blank, &from, &round, out) != 0)
        return -1;
    if (o->counts && hear_things(given, start, o, &blank, &round, out) != 0)
        return -1;
    return conclude(judged, from, o, &round, out);
}

static int judge_window(const struct judge_window *w, const struct judge_options *o, struct judge_growth *out)
{
    struct judge_window floor = {.t = w->t, .y = w->y, .n = w->n};
    if (judge_total(w, o, out) != 0)
        return -1;
    if (!o->counts)
        return judge_samples(w, w, o, out);
    int rc = judge_prep_floor(&floor) != 0 ? -1 : judge_samples(w, &floor, o, out);
    judge_window_free(&floor);
    return rc;
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
