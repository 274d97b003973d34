// Classes of stacks: see age.h. A class is a description for people; it never changes a verdict.
//
// Growing: lost blocks are a leak; reachable ones, or few blocks that get ever larger, a container; growth that has
// slowed to less than half, or whose old blocks all die, a cache; mappings, which no scan looks at, are nothing known
// otherwise: an allocator of the program's own makes them and says nothing of what is in them. Not growing: constant
// since the first quarter is start-up, grown and then level a cache, anything that comes and goes churn.
#include "judge/age.h"
#include "base/check.h"

#include <math.h>

// What is proved to be lost is lost. The others of a leak may be held by chance: by old values in memory that was given
// out again and not written to. Of a container nothing is lost.
static const double lost_least = .25;

const char *judge_class_name(enum judge_class klass)
{
    static const char *const name[JUDGE_CLASSES] = {"leak", "container", "cache", "startup", "churn", "unknown"};
    SEEP_CHECK((unsigned)klass < JUDGE_CLASSES);
    return name[klass];
}

double judge_age_born(const struct judge_stacks_input *in, size_t s, size_t from, size_t to)
{
    double sum = 0;
    for (size_t e = from; e < to && e < in->n_epochs; e++)
        sum += in->age_bytes[s * in->n_epochs + e];
    return sum;
}

double judge_age_survivors(const struct judge_stacks_input *in, size_t s)
{
    if (in->survivor_bytes)
        return in->survivor_bytes[s];
    if (in->age_bytes && in->n_epochs >= 2)
        return judge_age_born(in, s, 0, in->n_epochs / 2);
    return NAN;
}

static double mean_of(const double *y, size_t from, size_t to)
{
    double sum = 0;
    for (size_t i = from; i < to; i++)
        sum += y[i];
    return to > from ? sum / (double)(to - from) : 0;
}

static double range_of(const double *y, size_t from, size_t to)
{
    double low = y[from], high = y[from];
    for (size_t i = from; i < to; i++) {
        low = fmin(low, y[i]);
        high = fmax(high, y[i]);
    }
    return high - low;
}

// Few blocks that grow: the bytes rise and the number of blocks does not.
static bool blocks_swell(const struct judge_stacks_input *in, size_t s)
{
    size_t m = in->m, q = m / 10 > 0 ? m / 10 : 1;
    if (!in->live_blocks)
        return false;
    const double *blocks = in->live_blocks + s * m, *bytes = in->live + s * m;
    double b0 = mean_of(blocks, m / 4, m / 4 + q), b1 = mean_of(blocks, m - q, m);
    double y0 = mean_of(bytes, m / 4, m / 4 + q), y1 = mean_of(bytes, m - q, m);
    return b0 > 0 && y0 > 0 && y1 / y0 > 1.05 && b1 / b0 - 1 < .2 * (y1 / y0 - 1);
}

static bool old_ones_die(const struct judge_stacks_input *in, size_t s)
{
    if (!in->age_bytes || in->n_epochs < 4)
        return false;
    double old = judge_age_born(in, s, 1, in->n_epochs / 2), all = judge_age_born(in, s, 1, in->n_epochs);
    // Where growth set in late there were no old ones that could have died.
    size_t m = in->m, q = m / 10 > 0 ? m / 10 : 1;
    double then = mean_of(in->live + s * m, m / 2, m / 2 + q), now = mean_of(in->live + s * m, m - q, m);
    return all > 0 && old < .05 * all && then > .2 * now;
}

static enum judge_class class_of_growing(const struct judge_stacks_input *in, size_t s)
{
    const double *y = in->live + s * in->m;
    size_t m = in->m, q = m / 10 > 0 ? m / 10 : 1;
    double start = mean_of(y, m / 10, m / 10 + q), mid = mean_of(y, m / 2, m / 2 + q), end = mean_of(y, m - q, m);
    double lost = in->unreachable_share ? in->unreachable_share[s] : NAN;
    if (isfinite(lost) && lost >= lost_least)
        return JUDGE_CLASS_LEAK;
    bool slowed = mid > start && end - mid < .4 * (mid - start), swells = blocks_swell(in, s);
    if (slowed || (old_ones_die(in, s) && !swells)) // what realloc makes larger is young again each time
        return JUDGE_CLASS_CACHE;
    if (isfinite(lost) || swells)
        return JUDGE_CLASS_CONTAINER;
    return in->is_mapping && in->is_mapping[s] ? JUDGE_CLASS_UNKNOWN : JUDGE_CLASS_LEAK;
}

enum judge_class judge_age_class(const struct judge_stacks_input *in, size_t s, bool rejected)
{
    const double *y = in->live + s * in->m;
    size_t m = in->m;
    double level = mean_of(y, m / 2, m);
    if (rejected)
        return class_of_growing(in, s);
    if (!(level > 0))
        return JUDGE_CLASS_CHURN;
    if (range_of(y, m / 4, m) <= .02 * level)
        return JUDGE_CLASS_STARTUP;
    double tail_drift = mean_of(y, m - m / 4, m) - mean_of(y, m / 2, m - m / 4);
    double early_rise = mean_of(y, m / 2, m) - y[0];
    if (early_rise > .2 * level && fabs(tail_drift) <= .1 * level && range_of(y, m / 2, m) <= .2 * level)
        return JUDGE_CLASS_CACHE;
    return range_of(y, m / 2, m) > .02 * level ? JUDGE_CLASS_CHURN : JUDGE_CLASS_UNKNOWN;
}
