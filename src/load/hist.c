// Histograms of durations: see hist.h. Pure arithmetic; inputs are our own.
#include "load/hist.h"

#include <math.h>
#include <pthread.h>
#include <string.h>

enum { SUB_BITS = 11, HALF = 1024 }; // 2048 sub-buckets, of which every power of two but the first uses the upper half

unsigned hist_index(uint64_t value_us)
{
    if (value_us > HIST_MAX_US)
        value_us = HIST_MAX_US;
    unsigned shift = (unsigned)(64 - __builtin_clzll(value_us | (2 * HALF - 1))) - SUB_BITS;
    return (shift + 1) * HALF + (unsigned)(value_us >> shift) - HALF;
}

static unsigned index_shift(unsigned i)
{
    return i < 2 * HALF ? 0 : i / HALF - 1;
}

uint64_t hist_bucket_low_us(unsigned i)
{
    unsigned shift = index_shift(i);
    return i < 2 * HALF ? i : (uint64_t)(i % HALF + HALF) << shift;
}

uint64_t hist_bucket_high_us(unsigned i)
{
    uint64_t high = hist_bucket_low_us(i) + ((uint64_t)1 << index_shift(i)) - 1;
    return high < HIST_MAX_US ? high : HIST_MAX_US;
}

static uint64_t add_saturating(uint64_t a, uint64_t b)
{
    uint64_t sum;
    return __builtin_add_overflow(a, b, &sum) ? UINT64_MAX : sum;
}

void hist_reset(struct load_hist *h)
{
    memset(h, 0, sizeof *h);
}

void hist_record_times(struct load_hist *h, uint64_t value_us, uint64_t times)
{
    if (times == 0)
        return;
    if (value_us > HIST_MAX_US) {
        h->clipped += times;
        value_us = HIST_MAX_US;
    }
    if (h->count == 0 || value_us < h->min_us)
        h->min_us = value_us;
    if (h->count == 0 || value_us > h->max_us)
        h->max_us = value_us;
    uint64_t sum;
    h->sum_us = __builtin_mul_overflow(value_us, times, &sum) ? UINT64_MAX : add_saturating(h->sum_us, sum);
    h->count += times;
    h->bucket[hist_index(value_us)] += times;
}

void hist_record(struct load_hist *h, uint64_t value_us)
{
    hist_record_times(h, value_us, 1);
}

void hist_merge(struct load_hist *into, const struct load_hist *from)
{
    if (from->count == 0)
        return;
    if (into->count == 0 || from->min_us < into->min_us)
        into->min_us = from->min_us;
    if (into->count == 0 || from->max_us > into->max_us)
        into->max_us = from->max_us;
    into->count += from->count;
    into->sum_us = add_saturating(into->sum_us, from->sum_us);
    into->clipped += from->clipped;
    for (unsigned i = hist_index(from->min_us), last = hist_index(from->max_us); i <= last; i++)
        into->bucket[i] += from->bucket[i];
}

static bool contains(const struct load_hist *whole, const struct load_hist *part)
{
    if (part->count > whole->count || part->clipped > whole->clipped || part->sum_us > whole->sum_us)
        return false;
    for (unsigned i = 0; i < HIST_BUCKETS; i++) {
        if (part->bucket[i] > whole->bucket[i])
            return false;
    }
    return true;
}

// Minimum and maximum of what is left are no longer known exactly: the edges of the outermost buckets, which are inside
// the old ones.
static void narrow_to_buckets(struct load_hist *h)
{
    if (h->count == 0) {
        hist_reset(h);
        return;
    }
    unsigned first = 0, last = HIST_BUCKETS - 1;
    while (first < last && h->bucket[first] == 0)
        first++;
    while (last > first && h->bucket[last] == 0)
        last--;
    if (hist_bucket_low_us(first) > h->min_us)
        h->min_us = hist_bucket_low_us(first);
    if (hist_bucket_high_us(last) < h->max_us)
        h->max_us = hist_bucket_high_us(last);
}

int hist_subtract(struct load_hist *whole, const struct load_hist *part, struct seep_err *err)
{
    if (!contains(whole, part))
        return seep_fail(err, SEEP_E_CORRUPT,
                         "A histogram of %llu values is not an earlier state of one of %llu values.",
                         (unsigned long long)part->count, (unsigned long long)whole->count);
    whole->count -= part->count;
    whole->clipped -= part->clipped;
    whole->sum_us -= part->sum_us;
    for (unsigned i = 0; i < HIST_BUCKETS; i++)
        whole->bucket[i] -= part->bucket[i];
    narrow_to_buckets(whole);
    return 0;
}

// q * n may come out a hair above the whole number it should be; ceil() would then name the next value.
static uint64_t rank_of(double q, uint64_t n)
{
    double rank = ceil(q * (double)n * (1 - 1e-14));
    if (!(rank >= 1))
        return 1;
    return rank >= (double)n ? n : (uint64_t)rank;
}

double hist_quantile(const struct load_hist *h, double q)
{
    if (h->count == 0)
        return NAN;
    uint64_t rank = rank_of(q, h->count), seen = 0;
    for (unsigned i = hist_index(h->min_us); i < HIST_BUCKETS; i++) {
        seen += h->bucket[i];
        if (seen >= rank) {
            uint64_t high = hist_bucket_high_us(i);
            return (double)(high < h->max_us ? high : h->max_us);
        }
    }
    return (double)h->max_us;
}

double hist_mean(const struct load_hist *h)
{
    return h->count ? (double)h->sum_us / (double)h->count : NAN;
}

double hist_stddev(const struct load_hist *h)
{
    if (h->count == 0)
        return NAN;
    double mean = hist_mean(h), squares = 0;
    for (unsigned i = hist_index(h->min_us), last = hist_index(h->max_us); i <= last; i++) {
        double middle = ((double)hist_bucket_low_us(i) + (double)hist_bucket_high_us(i)) / 2;
        squares += (double)h->bucket[i] * (middle - mean) * (middle - mean);
    }
    return sqrt(squares / (double)h->count);
}

void hist_figures(const struct load_hist *h, struct hist_figures *out)
{
    *out = (struct hist_figures){
        .count = h->count,
        .min_us = h->count ? (double)h->min_us : NAN,
        .max_us = h->count ? (double)h->max_us : NAN,
        .mean_us = hist_mean(h),
        .stddev_us = hist_stddev(h),
        .p50_us = hist_quantile(h, 0.5),
        .p90_us = hist_quantile(h, 0.9),
        .p95_us = hist_quantile(h, 0.95),
        .p99_us = hist_quantile(h, 0.99),
        .p999_us = hist_quantile(h, 0.999),
    };
}

void hist_rebin(const struct load_hist *h, const double *edge_us, size_t n, uint64_t *out)
{
    memset(out, 0, n * sizeof *out);
    if (h->count == 0 || n == 0)
        return;
    size_t b = 0;
    for (unsigned i = hist_index(h->min_us), last = hist_index(h->max_us); i <= last; i++) {
        double high = (double)hist_bucket_high_us(i);
        while (b + 1 < n && edge_us[b + 1] < high)
            b++;
        out[b] += h->bucket[i];
    }
}

static double coarse_edge_us[HIST_COARSE + 1];

static void coarse_make(void)
{
    for (int i = 1; i < HIST_COARSE; i++)
        coarse_edge_us[i] = pow(1.02, i - 1);
    coarse_edge_us[HIST_COARSE] = (double)HIST_MAX_US;
}

const double *hist_coarse_edges_us(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, coarse_make);
    return coarse_edge_us;
}
