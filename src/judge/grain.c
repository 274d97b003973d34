// Coarse values: see grain.h and docs/METHOD.md, "Coarse values". Pure; inputs were checked by judge_prep_check.
//
// A program that takes memory in pieces of many pages, or a table of whole megabytes, shows nothing between two steps,
// and noise smaller than a step is not seen either. Then a steady leak is a step or two with nothing between them, as
// the start of a cache is, and the scatter about them says nothing about the rate.
#include "judge/grain.h"

#include <math.h>
#include <stdlib.h>

enum { SAMPLES_MOST = 10000, LEVELS_FEW = 8, CHANGES_LEAST = 2 };

static const double page_bytes = 4096;
static const double exact_most = 9007199254740992.0; // 2^53: beyond, a double skips whole numbers

static double common_divisor(double a, double b)
{
    while (b > 0) {
        double rest = fmod(a, b);
        a = b;
        b = rest;
    }
    return a;
}

// The greatest common divisor of all changes; 0 when there are too few of them, or when values are no whole numbers.
static double divisor_of(const struct judge_window *w)
{
    double all = 0;
    size_t changes = 0;
    for (size_t i = 1; i < w->n; i++) {
        double change = fabs(w->y[i] - w->y[i - 1]);
        if (change == 0)
            continue;
        if (change > exact_most || change != floor(change))
            return 0;
        all = common_divisor(change, all);
        changes++;
        if (all <= page_bytes)
            return 0;
    }
    return changes >= CHANGES_LEAST ? all : 0;
}

static int rising(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static int count_levels(const double *y, size_t n, size_t *levels)
{
    size_t m = n < SAMPLES_MOST ? n : SAMPLES_MOST;
    double *some = malloc((m + 1) * sizeof *some);
    if (!some)
        return -1;
    for (size_t j = 0; j < m; j++)
        some[j] = y[(size_t)((double)j * (double)n / (double)m)];
    qsort(some, m, sizeof *some, rising);
    *levels = 1;
    for (size_t j = 1; j < m; j++)
        *levels += some[j] > some[j - 1];
    free(some);
    return 0;
}

int judge_grain_find(const struct judge_window *w, size_t from, double quantum, struct judge_grain *out)
{
    double size = fmax(divisor_of(w), quantum);
    *out = (struct judge_grain){.size = size > page_bytes ? size : 0, .levels = 1};
    return out->size > 0 ? count_levels(w->y + from, w->n - from, &out->levels) : 0;
}

// Where few levels are visited, the steps between them are the grain and no events of their own: the rate lies within
// one grain of what the levels at both ends say, whatever the model makes of the steps.
bool judge_grain_allows(const struct judge_grain *grain, const struct judge_growth *found)
{
    if (grain->size <= 0 || !(found->window_s > 0))
        return true;
    bool few = grain->levels <= LEVELS_FEW;
    double steps = grain->levels > 1 ? (double)(grain->levels - 1) : 1;
    double unsure = grain->size / found->window_s / steps, budget = found->budget_per_s * found->window_s;
    if (found->verdict == JUDGE_PASS)
        return found->hi_per_s + unsure <= found->budget_per_s && !(few && found->net_growth + grain->size > budget);
    if (found->verdict == JUDGE_FAIL)
        return found->lo_per_s - unsure > found->budget_per_s && !(few && found->net_growth - grain->size <= budget);
    return true;
}
