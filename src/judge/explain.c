// Parts against the whole: see explain.h.
#include "judge/explain.h"
#include "base/check.h"

#include <math.h>

const char *judge_part_name(enum judge_part part)
{
    static const char *const name[JUDGE_PARTS] = {"heap", "fragmentation", "thread_stacks", "mmap",
                                                  "file", "shmem",         "probe",         "unexplained"};
    SEEP_CHECK((unsigned)part < JUDGE_PARTS);
    return name[part];
}

static double share_of(const struct judge_rate *part, const struct judge_rate *whole)
{
    bool grows = whole->slope_per_s > 0 && !(whole->lo_per_s <= 0); // an interval that holds zero gives no base
    return grows && isfinite(part->slope_per_s) ? part->slope_per_s / whole->slope_per_s : NAN;
}

static double half_width(const struct judge_rate *rate)
{
    return (rate->hi_per_s - rate->lo_per_s) / 2;
}

// The parts come from different counters read at different instants, so their errors are taken as independent.
static struct judge_rate rest_of(const struct judge_rate *whole, const struct judge_rate *parts)
{
    double slope = whole->slope_per_s, square = half_width(whole) * half_width(whole);
    for (int i = 0; i < JUDGE_PART_UNEXPLAINED; i++) {
        if (!isfinite(parts[i].slope_per_s))
            continue;
        slope -= parts[i].slope_per_s;
        square += half_width(&parts[i]) * half_width(&parts[i]);
    }
    return (struct judge_rate){slope, slope - sqrt(square), slope + sqrt(square)};
}

void judge_explain(const struct judge_rate *whole, const struct judge_rate parts[JUDGE_PARTS],
                   struct judge_explained out[JUDGE_PARTS])
{
    for (int i = 0; i < JUDGE_PARTS; i++) {
        out[i].rate = i == JUDGE_PART_UNEXPLAINED ? rest_of(whole, parts) : parts[i];
        out[i].share = share_of(&out[i].rate, whole);
    }
}
