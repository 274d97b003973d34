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

void judge_explain(const struct judge_rate *whole, const struct judge_rate parts[JUDGE_PARTS],
                   struct judge_explained out[JUDGE_PARTS])
{
    for (int i = 0; i < JUDGE_PARTS; i++)
        out[i] = (struct judge_explained){parts[i], i == JUDGE_PART_PROBE ? NAN : share_of(&parts[i], whole)};
}
