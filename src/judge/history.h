// One figure over many runs: where did it change for good, and which way does it drift?
//
// Change points by Mann and Whitney's rank test at the best place, or by the step of the medians against the median
// absolute deviation where runs are few, whichever is surer; over intervals of all scales and again on both sides of
// each one found (Mann and Whitney, Ann. Math. Statist. 18 (1947); intervals: Kovacs, Buehlmann, Li, Munk, Biometrika
// 110 (2023)). The drift within the last stretch by Mann and Kendall's test with Sen's slope (Sen, JASA 63 (1968)).
// Ranks and medians, because one bad night must not look like a change.
#ifndef SEEP_JUDGE_HISTORY_H
#define SEEP_JUDGE_HISTORY_H

#include "judge/compare.h"

enum { JUDGE_HISTORY_MAX = 1000, JUDGE_CHANGE_POINTS_MAX = 16, JUDGE_HISTORY_MIN = 8 };

struct judge_history_in {
    const double *value; // n, oldest first; NaN where a run has no such figure
    size_t n;            // up to JUDGE_HISTORY_MAX; later ones are not looked at
    enum judge_better better;
    double share, floor; // as in judge_pair
    double alpha;        // error rate of this figure's tests, e.g. .01 over the number of figures
};

struct judge_history {
    enum judge_change change; // of the last stretch against the one before: SAME without a change point, UNKNOWN with
                              // fewer than JUDGE_HISTORY_MIN values, UNCLEAR where it changed by less than counts
    enum judge_severity severity; // of a regression
    size_t n_points;
    size_t point[JUDGE_CHANGE_POINTS_MAX]; // index into value of the first run of each new stretch, ascending
    double before, now;                    // medians of the last two stretches; before is NaN without a change point
    double last;                           // the newest value
    double drift_per_run; // Sen's slope within the last stretch; NaN with fewer than JUDGE_HISTORY_MIN values in it
    double drift_p;       // two-sided p of Mann and Kendall; NaN likewise
    size_t n_known;
};

// Never fails; NaN values are passed over.
void judge_history(const struct judge_history_in *in, struct judge_history *out);

#endif
