// Figures with their uncertainty: see measure.h. The standard error of a mean is the one of the trend (fit.h) with
// equal weights; a figure of the load is taken from the whole run and its spread from batches of consecutive rows.
#include "judge/measure.h"
#include "judge/fit.h"
#include "judge/prep.h"
#include "judge/stat.h"

#include <math.h>
#include <stddef.h>

enum { LEVEL_SAMPLES_MIN = 10, BATCHES_MIN = 8, BATCHES_MAX = 30, TAIL_REQUESTS = 3 };

static void unknown(struct judge_measure *out, const char *why)
{
    *out = (struct judge_measure){
        .value = NAN, .se_lo = NAN, .se_hi = NAN, .nu = NAN, .peak = NAN, .plain = NAN, .plain_se = NAN, .why = why};
}

// The degrees of freedom the trend allows itself for n dependent points.
static double degrees(size_t n)
{
    return fmax(4, floor(.4 * pow((double)n, 2. / 3)));
}

// Mean of n <= JUDGE_POINTS_MAX values and the standard error of that mean.
static double mean_of(const double *y, size_t n, double *se)
{
    double e[JUDGE_POINTS_MAX], w[JUDGE_POINTS_MAX], mean = 0;
    for (size_t i = 0; i < n; i++)
        mean += y[i] / (double)n;
    for (size_t i = 0; i < n; i++) {
        e[i] = y[i] - mean;
        w[i] = 1. / (double)n;
    }
    *se = sqrt(fmax(0, judge_weighted_variance(e, w, n, 1)));
    return mean;
}

void judge_measure_level(const struct judge_series *s, struct judge_measure *out)
{
    double t[JUDGE_POINTS_MAX], y[JUDGE_POINTS_MAX], se;
    unknown(out, "it has too few samples");
    if (s->n < LEVEL_SAMPLES_MIN || judge_prep_check(s) != JUDGE_FIT_OK)
        return;
    size_t n = judge_prep_bin(s->t_s, s->y, s->n, t, y);
    double mean = mean_of(y, n, &se), peak = s->y[0];
    for (size_t i = 1; i < s->n; i++)
        peak = fmax(peak, s->y[i]);
    *out = (struct judge_measure){
        .value = mean, .se_lo = se, .se_hi = se, .nu = degrees(n), .peak = peak, .plain = NAN, .plain_se = NAN};
}

// The straight line through n <= JUDGE_POINTS_MAX points: its slope and the standard error of that.
static double slope_of(const double *t, const double *y, size_t n, double *se)
{
    double e[JUDGE_POINTS_MAX], w[JUDGE_POINTS_MAX], a, b, sxx, mean = 0;
    judge_line(t, y, n, &a, &b, NULL, &sxx);
    for (size_t i = 0; i < n; i++)
        mean += t[i] / (double)n;
    for (size_t i = 0; i < n; i++) {
        e[i] = y[i] - a - b * t[i];
        w[i] = sxx > 0 ? (t[i] - mean) / sxx : 0;
    }
    *se = sqrt(fmax(0, judge_weighted_variance(e, w, n, 2)));
    return b;
}

static void add_plain(const struct judge_growth *g, const struct judge_series *s, struct judge_measure *out)
{
    double t[JUDGE_POINTS_MAX], y[JUDGE_POINTS_MAX];
    size_t first = 0;
    while (first < s->n && s->t_s[first] < g->warmup_end_s)
        first++;
    if (s->n - first < LEVEL_SAMPLES_MIN || judge_prep_check(s) != JUDGE_FIT_OK)
        return;
    size_t n = judge_prep_bin(s->t_s + first, s->y + first, s->n - first, t, y);
    out->plain = slope_of(t, y, n, &out->plain_se);
}

void judge_measure_growth(const struct judge_growth *g, const struct judge_series *series, struct judge_measure *out)
{
    unknown(out, "its growth could not be estimated");
    if (!isfinite(g->slope_per_s) || !isfinite(g->lo_per_s) || !isfinite(g->hi_per_s))
        return;
    double nu = degrees(g->n_used), t = judge_t95(nu);
    *out = (struct judge_measure){.value = g->slope_per_s,
                                  .se_lo = fmax(0, g->slope_per_s - g->lo_per_s) / t,
                                  .se_hi = fmax(0, g->hi_per_s - g->slope_per_s) / t,
                                  .nu = nu,
                                  .peak = NAN,
                                  .plain = NAN,
                                  .plain_se = NAN};
    add_plain(g, series, out);
}

// ---- load -----------------------------------------------------------------------------------------------------------

// What the rows [from, to) of a load add up to.
struct batch {
    double requests, errors, span_s;
};

static struct batch add_rows(const struct judge_load *l, size_t from, size_t to, double from_s)
{
    struct batch b = {.span_s = l->t_s[to - 1] - (from == 0 ? from_s : l->t_s[from - 1])};
    for (size_t i = from; i < to; i++) {
        b.requests += (double)l->requests[i];
        b.errors += l->errors ? (double)l->errors[i] : 0;
    }
    return b;
}

static double figure(enum judge_metric_kind kind, double q, const struct judge_load *l, size_t from, size_t to,
                     double from_s)
{
    struct batch b = add_rows(l, from, to, from_s);
    if (kind == JUDGE_M_QUANTILE)
        return judge_load_quantile(l, from, to, q);
    if (kind == JUDGE_M_RATE)
        return b.span_s > 0 ? b.requests / b.span_s : NAN;
    return b.requests > 0 ? b.errors / b.requests : NAN;
}

// Median of n values and its standard error by their median absolute deviation; reorders y.
static double median_of(double *y, size_t n, double *se)
{
    double median = judge_median(y, n);
    for (size_t i = 0; i < n; i++)
        y[i] = fabs(y[i] - median);
    *se = 1.2533 * 1.4826 * judge_median(y, n) / sqrt((double)n);
    return median;
}

// How many batches the requests allow: each must hold a few beyond the quantile.
static size_t batches_of(enum judge_metric_kind kind, double q, const struct judge_load *l, double requests)
{
    double most = fmin(BATCHES_MAX, (double)l->n);
    if (kind == JUDGE_M_QUANTILE)
        most = fmin(most, floor(requests * (1 - q) / TAIL_REQUESTS));
    return most > 0 ? (size_t)most : 0;
}

// Errors are counts: with none seen the share is still not certain to be 0 (the rule of Agresti and Coull).
static double error_floor(double errors, double requests)
{
    double n = requests + 4, p = (errors + 2) / n;
    return sqrt(p * (1 - p) / n);
}

void judge_measure_load(enum judge_metric_kind kind, double q, const struct judge_load *rows,
                        const struct judge_load *whole, double from_s, struct judge_measure *out)
{
    double y[BATCHES_MAX], se;
    unknown(out, "there were no requests");
    if (rows->n == 0 || (kind == JUDGE_M_QUANTILE && rows->n_buckets == 0))
        return;
    struct batch all = add_rows(rows, 0, rows->n, from_s);
    size_t n = batches_of(kind, q, rows, all.requests), used = 0;
    if (!(all.requests > 0))
        return;
    unknown(out, "there were too few requests or too short a time to tell how sure it is");
    if (n < BATCHES_MIN)
        return;
    for (size_t i = 0; i < n; i++) {
        double v = figure(kind, q, rows, i * rows->n / n, (i + 1) * rows->n / n, from_s);
        if (isfinite(v))
            y[used++] = v;
    }
    if (used < BATCHES_MIN)
        return;
    double value = figure(kind, q, rows, 0, rows->n, from_s);
    mean_of(y, used, &se);
    if (kind == JUDGE_M_QUANTILE && whole && whole->n_buckets > 0)
        value = judge_load_quantile(whole, 0, whole->n, q);
    if (kind == JUDGE_M_ERRORS)
        se = fmax(se, error_floor(all.errors, all.requests));
    *out = (struct judge_measure){.value = value, .se_lo = se, .se_hi = se, .nu = (double)used - 1, .peak = NAN};
    out->plain = median_of(y, used, &out->plain_se);
}

void judge_measure_ratio(const double *use, const double *per, size_t n, struct judge_measure *out)
{
    enum { BATCHES = 20, LEAST = 8 };
    double u[BATCHES] = {0}, p[BATCHES] = {0}, sum_u = 0, sum_p = 0, squares = 0;
    size_t known = 0, at = 0;
    unknown(out, NULL);
    for (size_t i = 0; i < n; i++)
        known += isfinite(use[i]) && isfinite(per[i]);
    size_t batches = known < BATCHES ? known : BATCHES;
    if (known < LEAST) {
        unknown(out, "fewer than 8 samples");
        return;
    }
    for (size_t i = 0; i < n; i++) {
        if (!isfinite(use[i]) || !isfinite(per[i]))
            continue;
        u[at * batches / known] += use[i];
        p[at * batches / known] += per[i];
        sum_u += use[i];
        sum_p += per[i];
        at++;
    }
    if (!(sum_p > 0)) {
        unknown(out, "there were no requests");
        return;
    }
    out->value = sum_u / sum_p;
    for (size_t k = 0; k < batches; k++)
        squares += (u[k] - out->value * p[k]) * (u[k] - out->value * p[k]);
    double mean = sum_p / (double)batches, ratios[BATCHES];
    size_t used = 0;
    for (size_t k = 0; k < batches; k++)
        if (p[k] > 0)
            ratios[used++] = u[k] / p[k];
    if (used >= LEAST)
        out->plain = median_of(ratios, used, &out->plain_se);
    out->se_lo = out->se_hi = sqrt(squares / (double)(batches * (batches - 1))) / mean;
    out->nu = (double)batches - 1;
}
