// Paired rounds: see paired.h.
#include "judge/paired.h"
#include "judge/stat.h"

#include <math.h>

// One pass, by Welford: the differences may be small beside their mean.
struct moments {
    size_t n;
    double mean, squares;
};

static void add(struct moments *m, double x)
{
    double before = x - m->mean;
    m->n++;
    m->mean += before / (double)m->n;
    m->squares += before * (x - m->mean);
}

static void conclude(const struct moments *m, struct judge_paired *out)
{
    *out = (struct judge_paired){.n = m->n, .mean = m->n > 0 ? m->mean : NAN, .lo = NAN, .hi = NAN};
    if (m->n < 2)
        return;
    double nu = (double)(m->n - 1), half = judge_t95(nu) * sqrt(m->squares / nu / (double)m->n);
    out->lo = out->mean - half;
    out->hi = out->mean + half;
}

void judge_paired_mean(const double *difference, size_t n, struct judge_paired *out)
{
    struct moments m = {0};
    for (size_t i = 0; i < n; i++)
        if (isfinite(difference[i]))
            add(&m, difference[i]);
    conclude(&m, out);
}

void judge_paired_ratio(const double *base, const double *other, size_t n, struct judge_paired *out)
{
    struct moments m = {0};
    for (size_t i = 0; i < n; i++)
        if (isfinite(base[i]) && isfinite(other[i]) && base[i] > 0 && other[i] > 0)
            add(&m, log(other[i]) - log(base[i]));
    conclude(&m, out);
    out->mean = exp(out->mean); // of NaN: NaN
    out->lo = exp(out->lo);
    out->hi = exp(out->hi);
}

static bool below(double x, bool or_equal)
{
    return x < 0 || (or_equal && x == 0);
}

enum judge_verdict judge_paired_below(const struct judge_paired *p, bool or_equal)
{
    if (p->n == 0)
        return JUDGE_INCONCLUSIVE;
    if (p->n == 1)
        return below(p->mean, or_equal) ? JUDGE_PASS : JUDGE_FAIL;
    if (below(p->hi, or_equal))
        return JUDGE_PASS;
    return below(p->lo, or_equal) ? JUDGE_INCONCLUSIVE : JUDGE_FAIL;
}
