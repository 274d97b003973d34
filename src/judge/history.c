// Figures over many runs: see history.h.
#include "judge/history.h"
#include "judge/stat.h"

#include <math.h>
#include <string.h>

enum { STRETCH_MIN = 3, SLOPES_MAX = 4096, EXACT_MAX = 64, PLACE_MAX = 64 };

// The known values and where they came from.
struct known {
    double y[JUDGE_HISTORY_MAX];
    size_t at[JUDGE_HISTORY_MAX];
    size_t n;
};

static void take_known(const struct judge_history_in *in, struct known *k)
{
    k->n = 0;
    for (size_t i = 0; i < in->n && i < JUDGE_HISTORY_MAX; i++)
        if (isfinite(in->value[i])) {
            k->at[k->n] = i;
            k->y[k->n++] = in->value[i];
        }
}

static double sign(double x)
{
    return (x > 0) - (x < 0);
}

// P(U <= u) of Mann and Whitney's U for samples of a and b without a difference: exact, by the coefficients of the
// Gaussian binomial, for what is small enough; else the normal approximation.
static double u_tail(size_t a, size_t b, size_t u)
{
    double c[EXACT_MAX * EXACT_MAX / 4 + 1] = {1}, sum = 0, all = 1;
    if (a + b > EXACT_MAX) {
        double m = (double)a * (double)b / 2, sd = sqrt(m * (double)(a + b + 1) / 6);
        return erfc((m - (double)u - .5) / sd / sqrt(2)) / 2;
    }
    for (size_t i = 1; i <= a; i++) { // times (1 - q^(b+i)) / (1 - q^i), up to q^u
        for (size_t k = u; k >= b + i && k <= u; k--)
            c[k] -= c[k - b - i];
        for (size_t k = i; k <= u; k++)
            c[k] += c[k - i];
        all *= (double)(b + i) / (double)i;
    }
    for (size_t k = 0; k <= u; k++)
        sum += c[k];
    return fmin(1, sum / all);
}

static double median_of(const double *y, size_t from, size_t to)
{
    double copy[JUDGE_HISTORY_MAX];
    memcpy(copy, y + from, (to - from) * sizeof *copy);
    return judge_median(copy, to - from);
}

// P of a difference of medians as large as that between [from, at) and [at, to), by Student's t with a spread from the
// median absolute deviation around both medians: few runs are enough where the step is large against the noise.
static double level_tail(const double *y, size_t from, size_t at, size_t to)
{
    double before = median_of(y, from, at), after = median_of(y, at, to), d[JUDGE_HISTORY_MAX];
    size_t n = to - from;
    for (size_t i = from; i < to; i++)
        d[i - from] = fabs(y[i] - (i < at ? before : after));
    double sigma = 1.4826 * judge_median(d, n) * (double)n / (double)(n - 2);
    double se = 1.2533 * sigma * sqrt(1. / (double)(at - from) + 1. / (double)(to - at));
    if (!(se > 0))
        return before == after ? 1 : 0;
    return 2 * judge_t_cdf(-fabs(after - before) / se, (double)(n - 2) / 3);
}

// Pairs of one value before and one after t that do not rise, and that do not fall; ties count against both.
struct pairs {
    size_t not_up, not_down;
};

// Moves y[t] from the later values to the earlier ones.
static void move_over(const double *y, size_t from, size_t t, size_t to, struct pairs *p)
{
    for (size_t i = from; i < t; i++) {
        p->not_up -= !(y[t] > y[i]);
        p->not_down -= !(y[t] < y[i]);
    }
    for (size_t j = t + 1; j < to; j++) {
        p->not_up += !(y[j] > y[t]);
        p->not_down += !(y[j] < y[t]);
    }
}

// The most certain single change in [from, to): the first index after it, or from when there is none. *p is two-sided
// and corrected for the places it could have been.
static size_t best_split(const double *y, size_t from, size_t to, double *p)
{
    struct pairs count = {0, 0};
    size_t where = from, best_u = 0, places = to - from - 2 * STRETCH_MIN + 1;
    double best_z = 0;
    for (size_t t = from; t + STRETCH_MIN < to; t++) {
        move_over(y, from, t, to, &count);
        size_t a = t + 1 - from, b = to - t - 1, u = count.not_up < count.not_down ? count.not_up : count.not_down;
        double m = (double)a * (double)b / 2, z = (m - (double)u) / sqrt(m * (double)(a + b + 1) / 6);
        if (a >= STRETCH_MIN && z > best_z) {
            best_z = z;
            best_u = u;
            where = t + 1;
        }
    }
    *p = 1;
    if (where != from)
        *p = fmin(1, 2 * fmin(2 * u_tail(where - from, to - where, best_u), level_tail(y, from, where, to)) *
                         (double)places);
    return where;
}

static void insert_point(struct judge_history *out, size_t at)
{
    size_t i = out->n_points;
    if (i == JUDGE_CHANGE_POINTS_MAX)
        return;
    for (; i > 0 && out->point[i - 1] > at; i--)
        out->point[i] = out->point[i - 1];
    out->point[i] = at;
    out->n_points++;
}

// The most certain change in [from, to), looked for at all scales: a bump up and down again is no change of the whole,
// but one of its halves (seeded intervals: Kovacs, Buehlmann, Li, Munk, Biometrika 110 (2023)). *p is corrected for how
// many intervals were looked at.
static size_t most_certain(const double *y, size_t from, size_t to, double *p)
{
    size_t best = from, looks = 0;
    *p = 1;
    for (size_t len = to - from; len >= JUDGE_HISTORY_MIN; len -= len / 2) {
        size_t step = len / 2 > 0 ? len / 2 : 1;
        for (size_t a = from; a + len <= to; a += step) {
            double here;
            size_t at = best_split(y, a, a + len, &here);
            looks++;
            if (at != a && here < *p) {
                *p = here;
                best = at;
            }
        }
    }
    *p = fmin(1, *p * (double)looks);
    return best;
}

static void split(const struct known *k, size_t from, size_t to, double alpha, struct judge_history *out)
{
    double p;
    if (to - from < JUDGE_HISTORY_MIN || out->n_points == JUDGE_CHANGE_POINTS_MAX)
        return;
    size_t at = most_certain(k->y, from, to, &p);
    if (at == from || p > alpha)
        return;
    insert_point(out, at);
    split(k, from, at, alpha, out);
    split(k, at, to, alpha, out);
}

static double spread_around(const double *y, size_t from, size_t to)
{
    double middle = median_of(y, from, to), sum = 0;
    for (size_t i = from; i < to; i++)
        sum += fabs(y[i] - middle);
    return sum;
}

// Ranks tell that there was a change, but not to the run where: when the last value before it happens to be the largest
// of them, a split before that one separates as cleanly. Between its neighbours each point goes to where the values lie
// nearest to the two medians.
static void place_points(const double *y, size_t n, struct judge_history *out)
{
    for (size_t i = 0; i < out->n_points; i++) {
        size_t from = i > 0 ? out->point[i - 1] : 0, to = i + 1 < out->n_points ? out->point[i + 1] : n;
        size_t old = out->point[i], first = from + STRETCH_MIN, last = to - STRETCH_MIN;
        if (first + PLACE_MAX < old)
            first = old - PLACE_MAX;
        if (last > old + PLACE_MAX)
            last = old + PLACE_MAX;
        double best = spread_around(y, from, old) + spread_around(y, old, to);
        for (size_t at = first; at <= last; at++) {
            double here = spread_around(y, from, at) + spread_around(y, at, to);
            if (here < best) {
                best = here;
                out->point[i] = at;
            }
        }
    }
}

// Mann-Kendall with the correction for ties left out (it would only make p smaller) and Sen's median slope; of long
// stretches the newest are looked at.
static void find_drift(const double *y, size_t n, struct judge_history *out)
{
    double slope[SLOPES_MAX], s = 0;
    size_t most = (size_t)((1 + sqrt(1 + 8. * SLOPES_MAX)) / 2), m = 0;
    if (n > most) {
        y += n - most;
        n = most;
    }
    for (size_t i = 0; i < n; i++)
        for (size_t j = i + 1; j < n && m < SLOPES_MAX; j++) {
            s += sign(y[j] - y[i]);
            slope[m++] = (y[j] - y[i]) / (double)(j - i);
        }
    double d = (double)n, z = (fabs(s) - 1) / sqrt(d * (d - 1) * (2 * d + 5) / 18);
    out->drift_per_run = judge_median(slope, m);
    out->drift_p = fmin(1, erfc(fmax(z, 0) / sqrt(2)));
}

static void judge_last(const struct judge_history_in *in, struct judge_history *out)
{
    double worse = in->better == JUDGE_LESS_IS_BETTER ? out->now - out->before : out->before - out->now;
    double allowed = fmax(fabs(out->before) * in->share, in->floor);
    out->change = worse > allowed    ? JUDGE_CHANGE_REGRESSION
                  : worse < -allowed ? JUDGE_CHANGE_IMPROVEMENT
                                     : JUDGE_CHANGE_UNCLEAR;
    if (out->change == JUDGE_CHANGE_REGRESSION)
        out->severity = judge_severity_of(worse, allowed);
}

void judge_history(const struct judge_history_in *in, struct judge_history *out)
{
    struct known k;
    take_known(in, &k);
    *out = (struct judge_history){.change = JUDGE_CHANGE_UNKNOWN,
                                  .before = NAN,
                                  .now = NAN,
                                  .last = k.n > 0 ? k.y[k.n - 1] : NAN,
                                  .drift_per_run = NAN,
                                  .drift_p = NAN,
                                  .n_known = k.n};
    if (k.n < JUDGE_HISTORY_MIN)
        return;
    split(&k, 0, k.n, in->alpha, out);
    place_points(k.y, k.n, out);
    size_t last = out->n_points > 0 ? out->point[out->n_points - 1] : 0;
    size_t previous = out->n_points > 1 ? out->point[out->n_points - 2] : 0;
    out->now = median_of(k.y, last, k.n);
    out->change = JUDGE_CHANGE_SAME;
    if (k.n - last >= JUDGE_HISTORY_MIN)
        find_drift(k.y + last, k.n - last, out);
    if (out->n_points > 0) {
        out->before = median_of(k.y, previous, last);
        judge_last(in, out);
    }
    for (size_t i = 0; i < out->n_points; i++)
        out->point[i] = k.at[out->point[i]];
}
