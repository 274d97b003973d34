// From raw samples to a series the models can be fitted to: see prep.h and docs/METHOD.md.
//
// Long series (10 million rows) are never copied unless something must be cut out of them; the only scratch is one
// array for order statistics.
#include "judge/prep.h"
#include "judge/stat.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { DROPS_ALIGNED_MAX = 1000 };

enum judge_unfit judge_prep_check(const struct judge_series *series)
{
    if (series->n == 0)
        return JUDGE_FIT_EMPTY;
    for (size_t i = 0; i < series->n; i++) {
        if (!isfinite(series->t_s[i]) || !isfinite(series->y[i]))
            return JUDGE_FIT_NOT_FINITE;
        if (i > 0 && !(series->t_s[i] > series->t_s[i - 1]))
            return JUDGE_FIT_TIME_BACK;
    }
    return JUDGE_FIT_OK;
}

void judge_window_free(struct judge_window *w)
{
    free(w->own_t);
    free(w->own_y);
    memset(w, 0, sizeof *w);
}

static int own_copy(struct judge_window *w)
{
    if (w->own_y)
        return 0;
    w->own_t = malloc(w->n * sizeof(double) + 1);
    w->own_y = malloc(w->n * sizeof(double) + 1);
    if (!w->own_t || !w->own_y)
        return -1;
    memcpy(w->own_t, w->t, w->n * sizeof(double));
    memcpy(w->own_y, w->y, w->n * sizeof(double));
    w->t = w->own_t;
    w->y = w->own_y;
    return 0;
}

// Overlapping spans count once because each is clipped to where the previous ones ended.
double judge_excluded_before(const struct judge_span *spans, size_t n, double first_s, double t_s, bool *inside)
{
    double sum = 0, done = first_s;
    *inside = false;
    for (size_t i = 0; i < n; i++) {
        double from = fmax(spans[i].from_s, done), to = spans[i].to_s;
        if (t_s >= spans[i].from_s && t_s <= to)
            *inside = true;
        if (to <= from || t_s <= from)
            continue;
        sum += fmin(t_s, to) - from;
        done = to;
    }
    return sum;
}

int judge_prep_cut(const struct judge_series *series, const struct judge_options *options, struct judge_window *out)
{
    *out = (struct judge_window){.t = series->t_s, .y = series->y, .n = series->n};
    if (options->n_excluded == 0)
        return 0;
    if (own_copy(out) != 0) {
        judge_window_free(out);
        return -1;
    }
    size_t kept = 0;
    double first = series->t_s[0];
    for (size_t i = 0; i < series->n; i++) {
        bool inside;
        double gone = judge_excluded_before(options->excluded, options->n_excluded, first, series->t_s[i], &inside),
               t = series->t_s[i] - gone;
        if (inside || (kept > 0 && t <= out->own_t[kept - 1]))
            continue;
        out->own_t[kept] = t;
        out->own_y[kept++] = series->y[i];
    }
    out->n = kept;
    return 0;
}

double judge_prep_uncut(const struct judge_options *options, double first_t, double t)
{
    double done = first_t;
    for (size_t i = 0; i < options->n_excluded; i++) {
        double from = fmax(options->excluded[i].from_s, done), to = options->excluded[i].to_s;
        if (to <= from || t < from)
            continue;
        t += to - from;
        done = to;
    }
    return t;
}

// Sliding minimum over [i - half, i + half] with a queue of candidates, linear in n.
static void slide_minimum(const double *y, size_t n, size_t half, size_t *queue, double *out)
{
    size_t head = 0, tail = 0, next = 0;
    for (size_t i = 0; i < n; i++) {
        for (; next < n && next <= i + half; next++) {
            while (tail > head && y[queue[tail - 1]] >= y[next])
                tail--;
            queue[tail++] = next;
        }
        while (queue[head] + half < i)
            head++;
        out[i] = y[queue[head]];
    }
}

int judge_prep_floor(struct judge_window *w)
{
    if (w->n < 3)
        return 0;
    if (own_copy(w) != 0)
        return -1;
    double *low = malloc(w->n * sizeof *low);
    size_t *queue = malloc(w->n * sizeof *queue);
    if (low && queue) {
        slide_minimum(w->own_y, w->n, w->n / 40, queue, low);
        memcpy(w->own_y, low, w->n * sizeof *low);
    }
    bool ok = low && queue;
    free(low);
    free(queue);
    return ok ? 0 : -1;
}

double judge_prep_interval(const struct judge_window *w, double nominal_s)
{
    enum { SOME = 10000 };
    double gap[SOME];
    if (nominal_s > 0 && isfinite(nominal_s))
        return nominal_s;
    if (w->n < 2)
        return NAN;
    size_t all = w->n - 1, m = all < SOME ? all : SOME;
    for (size_t j = 0; j < m; j++) {
        size_t i = (size_t)((double)j * (double)all / (double)m) + 1;
        gap[j] = w->t[i] - w->t[i - 1];
    }
    return judge_median(gap, m);
}

size_t judge_prep_gaps(const struct judge_window *w, double interval_s, double *missing_s)
{
    size_t gaps = 0;
    *missing_s = 0;
    for (size_t i = 1; i < w->n; i++) {
        double d = w->t[i] - w->t[i - 1];
        if (d > 3 * interval_s) {
            gaps++;
            *missing_s += d - interval_s;
        }
    }
    return gaps;
}

// Below which difference a sample counts as a drop: -max(8 robust sd of the differences, 35 % of the range).
static double drop_threshold(const double *y, size_t n, double *scratch)
{
    memcpy(scratch, y, n * sizeof *y);
    double range = judge_quantile(scratch, n, .98) - judge_quantile(scratch, n, .02);
    for (size_t i = 1; i < n; i++)
        scratch[i - 1] = y[i] - y[i - 1];
    double mid = judge_median(scratch, n - 1);
    for (size_t i = 0; i + 1 < n; i++)
        scratch[i] = fabs(scratch[i] - mid);
    return -fmax(8 * 1.4826 * judge_median(scratch, n - 1), .35 * range);
}

static double residual_sd(const double *t, const double *y, size_t n)
{
    double a, b, sse;
    judge_line(t, y, n, &a, &b, &sse, NULL);
    return sqrt(sse / (double)n);
}

static bool troughs_are_calm(const double *t, const double *y, size_t n, const size_t *at, size_t drops,
                             double *scratch)
{
    double *tt = scratch, *ty = scratch + drops;
    for (size_t k = 0; k < drops; k++) {
        tt[k] = t[at[k]];
        ty[k] = y[at[k]];
    }
    return residual_sd(tt, ty, drops) < .4 * residual_sd(t, y, n);
}

size_t judge_prep_troughs(const double *t, const double *y, size_t n, size_t **at, bool *failed)
{
    *at = NULL;
    *failed = false;
    if (n < 16)
        return 0;
    double *scratch = malloc(n * sizeof *scratch);
    if (!scratch) {
        *failed = true;
        return 0;
    }
    double threshold = drop_threshold(y, n, scratch);
    size_t drops = 0, k = 0, found = 0;
    for (size_t i = 1; i < n; i++)
        drops += y[i] - y[i - 1] < threshold;
    if (drops >= 8 && drops <= n / 2 && (*at = malloc(drops * sizeof **at)) == NULL)
        *failed = true;
    if (*at) {
        for (size_t i = 1; i < n; i++)
            if (y[i] - y[i - 1] < threshold)
                (*at)[k++] = i;
        bool wide = t[(*at)[drops - 1]] - t[(*at)[0]] > .7 * (t[n - 1] - t[0]);
        found = wide && troughs_are_calm(t, y, n, *at, drops, scratch) ? drops : 0;
    }
    free(scratch);
    if (found == 0) {
        free(*at);
        *at = NULL;
    }
    return found;
}

// Slope within the teeth: the median one of the increments that are no drops.
static double tooth_slope(const double *t, const double *y, size_t n, const size_t *at, size_t drops, double *scratch)
{
    size_t m = 0, k = 0;
    for (size_t i = 1; i < n; i++) {
        if (k < drops && at[k] == i)
            k++;
        else
            scratch[m++] = (y[i] - y[i - 1]) / (t[i] - t[i - 1]);
    }
    return m > 0 ? judge_median(scratch, m) : 0;
}

// The periods with which every drop falls between its two samples, as a range; false when there is none.
static bool clock_of(const double *t, const size_t *at, const double *number, size_t drops, double *lo, double *hi)
{
    *lo = 0;
    *hi = INFINITY;
    for (size_t j = 0; j < drops; j++) {
        for (size_t k = j + 1; k < drops; k++) {
            double apart = number[k] - number[j];
            *lo = fmax(*lo, (t[at[k] - 1] - t[at[j]]) / apart);
            *hi = fmin(*hi, (t[at[k]] - t[at[j] - 1]) / apart);
        }
    }
    return *lo <= *hi;
}

bool judge_prep_align_troughs(const double *t, const double *y, size_t n, const size_t *at, size_t drops,
                              struct judge_aligned *out)
{
    double *number = out->y, *scratch = out->scratch, count = 0, lo, hi, from = -INFINITY, to = INFINITY;
    if (drops < 3 || drops > DROPS_ALIGNED_MAX)
        return false;
    for (size_t k = 0; k + 1 < drops; k++)
        scratch[k] = t[at[k + 1]] - t[at[k]];
    double usual = judge_median(scratch, drops - 1);
    for (size_t k = 0; k < drops; k++) {
        count += k > 0 ? fmax(1, round((t[at[k]] - t[at[k - 1]]) / usual)) : 0;
        number[k] = count;
    }
    if (!clock_of(t, at, number, drops, &lo, &hi))
        return false;
    double period = (lo + hi) / 2, slope = tooth_slope(t, y, n, at, drops, scratch);
    for (size_t k = 0; k < drops; k++) {
        from = fmax(from, t[at[k] - 1] - period * number[k]);
        to = fmin(to, t[at[k]] - period * number[k]);
    }
    out->drift = fabs(slope) * (hi - lo) / 2 * count;
    for (size_t k = 0; k < drops; k++) {
        double when = fmin(fmax((from + to) / 2 + period * number[k], t[at[k] - 1]), t[at[k]]);
        out->t[k] = when;
        out->y[k] = y[at[k]] - slope * (t[at[k]] - when);
    }
    return true;
}

size_t judge_prep_bin(const double *t, const double *y, size_t n, double *bin_t, double *bin_y)
{
    size_t bins = n < JUDGE_POINTS_MAX ? n : JUDGE_POINTS_MAX;
    for (size_t j = 0; j < bins; j++) {
        size_t from = j * n / bins, to = (j + 1) * n / bins;
        double st = 0, sy = 0;
        for (size_t i = from; i < to; i++) { // relative to the bin's first, so that long sums lose nothing
            st += t[i] - t[from];
            sy += y[i] - y[from];
        }
        bin_t[j] = t[from] + st / (double)(to - from);
        bin_y[j] = y[from] + sy / (double)(to - from);
    }
    return bins;
}
