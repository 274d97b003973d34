// Where a window settles: see rest.h and docs/METHOD.md, "The rest". Pure; inputs were checked by judge_prep_check.
#include "judge/rest.h"
#include "judge/prep.h"
#include "judge/round.h"
#include "judge/stat.h"

#include <math.h>

enum { POINTS_LEAST = 60, BLOCKS = 20, REST_BLOCKS = 8, RISES_FEW = 2, LEAPS_LISTED = 8 };

static const double cut_step = .02, cut_most = .62;
static const double dwarfed = 4;    // scatter of the window against that of the rest
static const double nothing = .05;  // of the budget over the window
static const double alike = 2;      // scatter of the rest against that of its second half
static const double rising = .1;    // of the range, within a block: part of a rise
static const double stands_out = 8; // a jump between points against their median move
static const double jump = .04;     // and against the range
static const double ratio = 1.4;    // of a doubling that noise has blurred
static const double mostly = .9;    // of a rise
// The range of levels of the window against that of the rest: about the extremum of a wave of any length, in the last
// .38 of the window, it is at most 18.
static const double no_wave = 25;
static const double steeper = 3;     // what came before against the rest, for a FAIL
static const double falls_on = .5;   // budgets: the rest goes on falling
static const double comes_down = .3; // of its range: a wave may be at work, and no FAIL

struct points {
    double t[JUDGE_POINTS_MAX];
    double y[JUDGE_POINTS_MAX];
    size_t n;
    double grain; // scatter that is no more than rounding, or nothing beside the budget
};

// Scatter about a line from the point at u of the window on.
static double scatter_after(const struct points *p, double u)
{
    size_t from = (size_t)(u * (double)p->n);
    double a, b, sse;
    judge_line(p->t + from, p->y + from, p->n - from, &a, &b, &sse, NULL);
    return fmax(sqrt(fmax(sse, 0) / (double)(p->n - from)), p->grain);
}

// How many separate times the points rose before the one at `end`, by medians of twentieths of the window. What rose
// thrice and paused between may rise again.
static size_t rises_before(const struct points *p, size_t end)
{
    double level[BLOCKS + 1], scratch[JUDGE_POINTS_MAX], low = INFINITY, high = -INFINITY;
    size_t rises = 0, blocks = 0;
    for (size_t k = 0; k < BLOCKS && k * p->n / BLOCKS <= end; k++, blocks++) {
        size_t from = k * p->n / BLOCKS, to = (k + 1) * p->n / BLOCKS;
        level[k] = judge_round_median(p->y + from, to - from, scratch);
        low = fmin(low, level[k]);
        high = fmax(high, level[k]);
    }
    for (size_t k = 1; k < blocks; k++) {
        bool rose = level[k] - level[k - 1] > rising * (high - low);
        bool rose_before = k > 1 && level[k - 1] - level[k - 2] > rising * (high - low);
        rises += rose && !rose_before;
    }
    return rises;
}

// Separate jumps upwards from point to point.
struct leaps {
    size_t n;
    double at[LEAPS_LISTED]; // of the first ones
    double size[LEAPS_LISTED];
    double sum;
};

// The jumps before the point at `end`: bursts may lie so close that a twentieth holds several, as one that fills does
// not rise.
static void leaps_before(const struct points *p, size_t end, struct leaps *out)
{
    double moves[JUDGE_POINTS_MAX], scratch[JUDGE_POINTS_MAX], low = p->y[0], high = p->y[0];
    *out = (struct leaps){0};
    for (size_t i = 1; i < p->n; i++)
        moves[i - 1] = fabs(p->y[i] - p->y[i - 1]);
    double least = stands_out * judge_round_median(moves, p->n - 1, scratch);
    for (size_t i = 1; i <= end; i++) {
        low = fmin(low, p->y[i]);
        high = fmax(high, p->y[i]);
    }
    least = fmax(least, jump * (high - low));
    bool within = false;
    for (size_t i = 1; i <= end; i++) {
        double move = p->y[i] - p->y[i - 1];
        if (move > least) {
            out->n += !within;
            out->sum += move;
            if (out->n <= LEAPS_LISTED) {
                out->at[out->n - 1] = within ? out->at[out->n - 1] : p->t[i];
                out->size[out->n - 1] += move;
            }
        }
        within = move > least;
    }
}

// Is what rose a table that doubles when it is full: each jump 1.4 times as large and as late as the one before, and
// next to nothing between them? The next one is due after the end.
static bool doubles(const struct leaps *l, double rise)
{
    if (l->n < 2 || l->n > LEAPS_LISTED || l->sum < mostly * rise)
        return false;
    for (size_t k = 1; k < l->n; k++)
        if (l->size[k] < ratio * l->size[k - 1] ||
            (k > 1 && l->at[k] - l->at[k - 1] < ratio * (l->at[k - 1] - l->at[k - 2])))
            return false;
    return true;
}

// The range of medians of `blocks` parts of the points from `from` on.
static double level_range(const struct points *p, size_t from, size_t blocks)
{
    double scratch[JUDGE_POINTS_MAX], low = INFINITY, high = -INFINITY;
    for (size_t k = 0; k < blocks; k++) {
        size_t begin = from + k * (p->n - from) / blocks, end = from + (k + 1) * (p->n - from) / blocks;
        double level = judge_round_median(p->y + begin, end - begin, scratch);
        low = fmin(low, level);
        high = fmax(high, level);
    }
    return high - low;
}

// The earliest cut after which the window is alike throughout; 0: none.
static double settles_at(const struct points *p)
{
    double whole = scatter_after(p, 0);
    for (double cut = cut_step; cut < cut_most + cut_step / 2; cut += cut_step) {
        double rest = scatter_after(p, cut);
        if (whole >= dwarfed * rest && rest <= alike * scatter_after(p, (1 + cut) / 2))
            return cut;
    }
    return 0;
}

struct judge_rest judge_rest_find(const double *t, const double *y, size_t n, const struct judge_options *o)
{
    struct points p = {.grain = fmax(o->counts ? 0 : o->quantum, nothing * o->budget_per_s * (t[n - 1] - t[0]))};
    struct judge_rest rest = {0};
    p.n = judge_prep_bin(t, y, n, p.t, p.y);
    double cut = p.n < POINTS_LEAST ? 0 : settles_at(&p);
    size_t at = (size_t)(cut * (double)p.n);
    if (cut <= 0)
        return rest;
    struct leaps leaps;
    leaps_before(&p, at, &leaps);
    bool doubled = doubles(&leaps, p.y[at] - p.y[0]);
    if (!doubled && rises_before(&p, at) > RISES_FEW)
        return rest;
    rest.after_bursts = !doubled && leaps.n > RISES_FEW;
    rest.dwarfed = level_range(&p, 0, BLOCKS) > no_wave * level_range(&p, at, REST_BLOCKS);
    rest.before_per_s = (p.y[at] - p.y[0]) / (p.t[at] - p.t[0]);
    while (rest.from < n && t[rest.from] < p.t[at])
        rest.from++;
    return rest;
}

// A PASS stands for what stays where it is: what falls on may be the back of a wave, and after bursts there may be
// more. A FAIL, by an interval that resolves the budget, for what had been steeper before, no longer slows, and did not
// come down: else the rest may be one flank of a wave. Beside what dwarfs it too much for any wave it may do either.
bool judge_rest_decides(const struct judge_rest *rest, const struct judge_growth *of_rest,
                        const struct judge_round *round, double fall)
{
    double budget = of_rest->budget_per_s, r = of_rest->slope_per_s;
    if (of_rest->verdict == JUDGE_PASS)
        return !rest->after_bursts && (rest->dwarfed || r > -falls_on * budget);
    if (of_rest->verdict != JUDGE_FAIL || judge_fit_decelerates(&round->fit))
        return false;
    if (rest->dwarfed)
        return of_rest->resolves || round->fit.best.kind == JUDGE_L;
    return of_rest->resolves && fall < comes_down && rest->before_per_s > steeper * r;
}
