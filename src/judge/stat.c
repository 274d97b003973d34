// Order statistics, straight lines and Student's t: see stat.h. Inputs are finite; callers have checked that.
#include "judge/stat.h"

#include <math.h>

static void swap(double *a, double *b)
{
    double t = *a;
    *a = *b;
    *b = t;
}

// Hoare's selection with a three-way split, because memory series repeat the same value millions of times.
static double select_kth(double *x, size_t n, size_t k)
{
    size_t lo = 0, hi = n; // [lo, hi)
    while (hi - lo > 1) {
        double a = x[lo], b = x[lo + (hi - lo) / 2], c = x[hi - 1];
        double pivot = a < b ? (b < c ? b : (a < c ? c : a)) : (a < c ? a : (b < c ? c : b));
        size_t less = lo, i = lo, more = hi;
        while (i < more) {
            if (x[i] < pivot)
                swap(&x[i++], &x[less++]);
            else if (x[i] > pivot)
                swap(&x[i], &x[--more]);
            else
                i++;
        }
        if (k < less)
            hi = less;
        else if (k >= more)
            lo = more;
        else
            return pivot;
    }
    return x[lo];
}

double judge_quantile(double *x, size_t n, double p)
{
    double pos = p * (double)(n - 1);
    size_t k = (size_t)pos;
    double frac = pos - (double)k, below = select_kth(x, n, k);
    if (frac <= 0 || k + 1 >= n)
        return below;
    double above = INFINITY; // select_kth left everything after k at or above it
    for (size_t i = k + 1; i < n; i++)
        above = x[i] < above ? x[i] : above;
    return below + frac * (above - below);
}

double judge_median(double *x, size_t n)
{
    return judge_quantile(x, n, 0.5);
}

void judge_line(const double *x, const double *y, size_t n, double *a, double *b, double *sse, double *sxx)
{
    double mx = 0, my = 0, xx = 0, xy = 0, ss = 0;
    for (size_t i = 0; i < n; i++) {
        mx += x[i];
        my += y[i];
    }
    mx /= (double)n;
    my /= (double)n;
    for (size_t i = 0; i < n; i++) {
        xx += (x[i] - mx) * (x[i] - mx);
        xy += (x[i] - mx) * (y[i] - my);
    }
    *b = xx > 0 ? xy / xx : 0;
    *a = my - *b * mx;
    for (size_t i = 0; i < n; i++) {
        double e = y[i] - my - *b * (x[i] - mx);
        ss += e * e;
    }
    if (sse)
        *sse = ss;
    if (sxx)
        *sxx = xx;
}

double judge_t95(double nu)
{
    static const struct {
        double nu, t;
    } row[] = {{4, 2.132},  {5, 2.015},  {6, 1.943},  {8, 1.860},  {10, 1.812},
               {12, 1.782}, {15, 1.753}, {20, 1.725}, {30, 1.697}, {60, 1.671}};
    enum { ROWS = sizeof row / sizeof row[0] };
    if (nu < row[0].nu)
        return judge_t_quantile(0.95, nu);
    for (size_t i = 1; i < ROWS; i++) {
        if (nu <= row[i].nu) {
            double far = 1 / row[i - 1].nu, near = 1 / row[i].nu, f = (far - 1 / nu) / (far - near);
            return row[i - 1].t + f * (row[i].t - row[i - 1].t);
        }
    }
    double f = row[ROWS - 1].nu / nu; // towards 1.645 at infinity
    return 1.645 + f * (row[ROWS - 1].t - 1.645);
}

double judge_t80(double nu)
{
    return judge_t_quantile(0.80, nu);
}

// Continued fraction of the incomplete beta function (Numerical Analysis textbooks: modified Lentz; converges for
// x < (a + 1) / (a + b + 2)).
static double beta_fraction(double a, double b, double x)
{
    const double tiny = 1e-300;
    double c = 1, d = 1 - (a + b) * x / (a + 1);
    d = 1 / (fabs(d) < tiny ? tiny : d);
    double h = d;
    for (int m = 1; m <= 300; m++) {
        double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
        d = 1 + even * d;
        c = 1 + even / c;
        d = 1 / (fabs(d) < tiny ? tiny : d);
        c = fabs(c) < tiny ? tiny : c;
        h *= d * c;
        double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
        d = 1 + odd * d;
        c = 1 + odd / c;
        d = 1 / (fabs(d) < tiny ? tiny : d);
        c = fabs(c) < tiny ? tiny : c;
        h *= d * c;
        if (fabs(d * c - 1) < 1e-14)
            break;
    }
    return h;
}

// log gamma for x > 0 (Lanczos, g = 7, n = 9): lgamma() writes a global sign, which a pure function must not.
static double log_gamma(double x)
{
    static const double c[] = {0.99999999999980993,  676.5203681218851,     -1259.1392167224028,
                               771.32342877765313,   -176.61502916214059,   12.507343278686905,
                               -0.13857109526572012, 9.9843695780195716e-6, 1.5056327351493116e-7};
    double sum = c[0], t = x + 6.5;
    for (int i = 1; i < 9; i++)
        sum += c[i] / (x + i - 1);
    return 0.5 * log(2 * M_PI) + (x - 0.5) * log(t) - t + log(sum);
}

static double incomplete_beta(double a, double b, double x)
{
    if (x <= 0)
        return 0;
    if (x >= 1)
        return 1;
    double front = exp(log_gamma(a + b) - log_gamma(a) - log_gamma(b) + a * log(x) + b * log1p(-x));
    if (x < (a + 1) / (a + b + 2))
        return front * beta_fraction(a, b, x) / a;
    return 1 - front * beta_fraction(b, a, 1 - x) / b;
}

double judge_t_cdf(double t, double nu)
{
    if (isnan(t))
        return NAN;
    if (isinf(t))
        return t > 0 ? 1 : 0;
    double tail = 0.5 * incomplete_beta(nu / 2, 0.5, nu / (nu + t * t));
    return t > 0 ? 1 - tail : tail;
}

double judge_t_quantile(double p, double nu)
{
    double lo = 0, hi = 1;
    while (judge_t_cdf(hi, nu) < p && hi < 1e12)
        hi *= 2;
    for (int i = 0; i < 100 && hi - lo > 1e-12 * hi; i++) {
        double mid = (lo + hi) / 2;
        if (judge_t_cdf(mid, nu) < p)
            lo = mid;
        else
            hi = mid;
    }
    return (lo + hi) / 2;
}
