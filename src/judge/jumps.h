// Jumps of a scaled series: levels that change at once and stay changed, and what they say about growth in bursts.
// Private to src/judge.
#ifndef SEEP_JUDGE_JUMPS_H
#define SEEP_JUDGE_JUMPS_H

#include "judge/fit.h"

enum { JUDGE_JUMPS_LISTED = 64 };

struct judge_jumps {
    size_t n;                        // lasting jumps upwards, in order of time
    double at[JUDGE_JUMPS_LISTED];   // between two points, in windows
    double size[JUDGE_JUMPS_LISTED]; // in budgets over the window
    double up;                       // sum of the sizes
    double down;                     // sum of the lasting jumps downwards, as a positive number
    size_t n_spikes;                 // big increments whose level did not last
};

// Finds the increments that are unusual (in robust standard deviations of all increments), joins neighbours of one
// sign, and keeps those whose level lasts.
void judge_jumps_find(const struct judge_scaled *s, double unusual, struct judge_jumps *out);

// Growth per window of a process that goes on jumping like this, a one-sided 95 % bound from below and from above: the
// number of jumps is Poisson, and jumps of unequal size count as fewer. z_scale multiplies the normal quantile.
double judge_jumps_least_rate(const struct judge_jumps *j, double z_scale);
double judge_jumps_most_rate(const struct judge_jumps *j);

// At least four jumps' worth, spread over the window and still going on: bursts, rather than a few steps.
bool judge_jumps_go_on(const struct judge_jumps *j);

// Each jump at least 1.4 times as large and as late as the one before, as a table that doubles when it is full.
bool judge_jumps_double(const struct judge_jumps *j);

#endif
