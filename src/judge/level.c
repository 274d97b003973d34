// Answers that need no model: levels before and after, two signals combined, a reload. See trend.h.
#include "judge/stat.h"
#include "judge/trend.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { N_LEVEL = 10 };
static const double retention_share = .10;

// Fails whoever fails; passes with the resident memory unless the allocated bytes might be growing beneath it: by half
// the budget or more, or in bursts that withdrew their PASS.
enum judge_verdict judge_combine(const struct judge_growth *rss, const struct judge_growth *allocated, char *label,
                                 size_t size)
{
    double half = .5 * allocated->budget_per_s; // comparisons with an unknown are false
    bool suspicious = allocated->verdict == JUDGE_INCONCLUSIVE &&
                      (allocated->lo_per_s > half || allocated->slope_per_s > half || allocated->withdrawn);
    label[0] = '\0';
    if (rss->verdict == JUDGE_FAIL && allocated->verdict == JUDGE_PASS)
        snprintf(label, size, "not heap: mmap, fragmentation, page cache, stacks");
    if (rss->verdict == JUDGE_FAIL || allocated->verdict == JUDGE_FAIL)
        return JUDGE_FAIL;
    return rss->verdict == JUDGE_PASS && !suspicious ? JUDGE_PASS : JUDGE_INCONCLUSIVE;
}

// Three standard errors of a median of q values whose neighbours differ by step: the margin of rule 3.9.
static double margin_of(const double *y, size_t n, double *scratch)
{
    for (size_t i = 1; i < n; i++)
        scratch[i - 1] = fabs(y[i] - y[i - 1]);
    return 3 * 1.05 * judge_median(scratch, n - 1) / sqrt((double)n);
}

static bool all_finite(const double *y, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!isfinite(y[i]))
            return false;
    return true;
}

static void compare_levels(const double *before, size_t n_before, const double *after, size_t n_after, double *scratch,
                           double limit, enum judge_unit unit, struct judge_level *out)
{
    char d[32], m[32], l[32];
    double s_before = margin_of(before, n_before, scratch), s_after = margin_of(after, n_after, scratch);
    memcpy(scratch, before, n_before * sizeof *before);
    double low = judge_median(scratch, n_before);
    memcpy(scratch, after, n_after * sizeof *after);
    out->difference = judge_median(scratch, n_after) - low;
    out->margin = hypot(s_before, s_after);
    out->verdict = out->difference - out->margin > limit    ? JUDGE_FAIL
                   : out->difference + out->margin <= limit ? JUDGE_PASS
                                                            : JUDGE_INCONCLUSIVE;
    snprintf(out->reason, sizeof out->reason, "%s the idle baseline by %s (+- %s), limit %s",
             out->difference < 0 ? "below" : "above", judge_format(d, sizeof d, fabs(out->difference), unit),
             judge_format(m, sizeof m, out->margin, unit), judge_format(l, sizeof l, limit, unit));
}

static int total_of(const struct judge_series *s, double baseline, struct judge_level *out)
{
    size_t n = s->n, q = n / 10 > 3 ? n / 10 : 3, first = n / 50 > 3 ? n / 50 : 3;
    double *scratch = malloc(n * sizeof *scratch), start = baseline;
    if (!scratch)
        return -1;
    memcpy(scratch, s->y, first * sizeof *scratch);
    if (!isfinite(start))
        start = judge_median(scratch, first);
    memcpy(scratch, s->y + n - q, q * sizeof *scratch);
    out->difference = judge_median(scratch, q) - start;
    for (size_t i = 1; i < n; i++)
        scratch[i - 1] = fabs(s->y[i] - s->y[i - 1]);
    out->margin = 3 * 1.05 * judge_median(scratch, n - 1) / sqrt((double)q);
    free(scratch);
    return 0;
}

int judge_total_growth(const struct judge_series *series, const struct judge_options *o, struct judge_level *out)
{
    char d[32], m[32], l[32];
    *out = (struct judge_level){.verdict = JUDGE_INCONCLUSIVE, .difference = NAN, .margin = NAN};
    if (series->n < N_LEVEL || !all_finite(series->y, series->n)) {
        snprintf(out->reason, sizeof out->reason, "%zu samples, at least %d finite ones are needed", series->n,
                 N_LEVEL);
        return 0;
    }
    if (total_of(series, o->baseline, out) != 0) {
        snprintf(out->reason, sizeof out->reason, "memory ran out while judging");
        return -1;
    }
    if (out->difference - out->margin > o->total_limit)
        out->verdict = JUDGE_FAIL;
    else if (out->difference + out->margin <= o->total_limit)
        out->verdict = JUDGE_PASS;
    snprintf(out->reason, sizeof out->reason, "grew by %s (+- %s) in total, limit %s",
             judge_format(d, sizeof d, out->difference, o->unit), judge_format(m, sizeof m, out->margin, o->unit),
             judge_format(l, sizeof l, o->total_limit, o->unit));
    return 0;
}

int judge_close(const double *before, size_t n_before, const double *after, size_t n_after, double limit,
                enum judge_unit unit, struct judge_level *out)
{
    *out = (struct judge_level){.verdict = JUDGE_INCONCLUSIVE, .difference = NAN, .margin = NAN};
    if (n_before < N_LEVEL || n_after < N_LEVEL) {
        snprintf(out->reason, sizeof out->reason,
                 "%zu samples before and %zu after the load; at least %d of each are needed", n_before, n_after,
                 N_LEVEL);
        return 0;
    }
    if (!all_finite(before, n_before) || !all_finite(after, n_after) || isnan(limit)) {
        snprintf(out->reason, sizeof out->reason, "a sample is not a finite number, or there is no limit");
        return 0;
    }
    double *scratch = malloc((n_before > n_after ? n_before : n_after) * sizeof *scratch);
    if (!scratch) {
        snprintf(out->reason, sizeof out->reason, "memory ran out while judging");
        return -1;
    }
    compare_levels(before, n_before, after, n_after, scratch, limit, unit, out);
    free(scratch);
    return 0;
}

enum judge_verdict judge_reload(double first_growth, double second_growth, double noise, double floor, char *reason,
                                size_t size)
{
    double allowed = fmax(fmax(retention_share * first_growth, floor), 0);
    if (!isfinite(first_growth) || !isfinite(second_growth) || !isfinite(noise) || noise < 0) {
        snprintf(reason, size, "the growth of one of the cycles is unknown");
        return JUDGE_INCONCLUSIVE;
    }
    if (second_growth + noise <= allowed || (first_growth <= noise && second_growth <= noise)) {
        snprintf(reason, size, "the second cycle grew by %.0f %% of the first: retention, not a leak",
                 first_growth > 0 ? fmax(0, 100 * second_growth / first_growth) : 0.);
        return JUDGE_PASS;
    }
    if (second_growth - noise > allowed) {
        snprintf(reason, size, "the second cycle of the same load grew again, by %.0f %% of the first",
                 first_growth > 0 ? 100 * second_growth / first_growth : 100.);
        return JUDGE_FAIL;
    }
    snprintf(reason, size, "the growth of the second cycle is within the noise of its limit");
    return JUDGE_INCONCLUSIVE;
}
