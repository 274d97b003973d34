// Where a window settles: see rest.h and docs/METHOD.md, "The rest". Pure; inputs were checked by judge_prep_check.
#include "judge/rest.h"
#include "judge/prep.h"
#include "judge/round.h"
#include "judge/stat.h"

#include <math.h>

enum { POINTS_LEAST = 60, BLOCKS = 20, RISES_FEW = 2 };

static const double cut_step = .02, cut_most = .62;
static const double dwarfed = 4;     // scatter of the window against that of the rest
static const double nothing = .05;   // of the budget over the window
static const double alike = 2;       // scatter of the rest against that of its second half
static const double rising = .1;     // of the range, within a block: part of a rise
static const double stands_out = 8;  // a jump between points against their median move
static const double jump = .04;      // and against the range
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

// How many separate jumps there were from point to point before the one at `end`: bursts that lie so close that a
// twentieth holds several, as one that fills does not rise.
static size_t jumps_before(const struct points *p, size_t end)
{
    double moves[JUDGE_POINTS_MAX], scratch[JUDGE_POINTS_MAX], low = p->y[0], high = p->y[0];
    size_t jumps = 0;
    for (size_t i = 1; i < p->n; i++)
        moves[i - 1] = fabs(p->y[i] - p->y[i - 1]);
    double least = stands_out * judge_round_median(moves, p->n - 1, scratch);
    for (size_t i = 1; i <= end; i++) {
        low = fmin(low, p->y[i]);
        high = fmax(high, p->y[i]);
    }
    least = fmax(least, jump * (high - low));
    for (size_t i = 1; i <= end; i++)
        jumps += p->y[i] - p->y[i - 1] > least && !(i > 1 && p->y[i - 1] - p->y[i - 2] > least);
    return jumps;
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
    if (cut <= 0 || rises_before(&p, at) > RISES_FEW)
        return rest;
    rest.after_bursts = jumps_before(&p, at) > RISES_FEW;
    rest.before_per_s = (p.y[at] - p.y[0]) / (p.t[at] - p.t[0]);
    while (rest.from < n && t[rest.from] < p.t[at])
        rest.from++;
    return rest;
}

// A PASS stands for what stays where it is: what falls on may be the back of a wave, and after bursts there may be
// more. A FAIL, by an interval that resolves the budget, for what had been steeper before, no longer slows, and did not
// come down: else the rest may be one flank of a wave.
bool judge_rest_decides(const struct judge_rest *rest, const struct judge_growth *of_rest,
                        const struct judge_round *round, double fall)
{
    if (of_rest->verdict == JUDGE_PASS)
        return !rest->after_bursts && of_rest->slope_per_s > -falls_on * of_rest->budget_per_s;
    return of_rest->verdict == JUDGE_FAIL && of_rest->resolves && !judge_fit_decelerates(&round->fit) &&
           fall < comes_down && rest->before_per_s > steeper * of_rest->slope_per_s;
}
