// Two programs measured in rounds, one beside the other: the difference and the ratio of a figure with an interval.
//
// What changes from round to round (the machine, its caches, its other guests) touches both values of a round alike and
// falls out of their difference; so the differences of the rounds are the sample, and nothing within a round matters.
// Sources: Student, Biometrika 6 (1908), the paired t; Box, Hunter and Hunter, Statistics for Experimenters, 3.2; for
// ratios of positive figures the same on logarithms (Fleming and Wallace, CACM 29 (1986), on why the mean is
// geometric).
#ifndef SEEP_JUDGE_PAIRED_H
#define SEEP_JUDGE_PAIRED_H

#include "judge/judge.h"

struct judge_paired {
    size_t n;      // rounds in which the value is known
    double mean;   // NaN without any
    double lo, hi; // two-sided 90 % interval of the mean; NaN with fewer than two rounds
};

// Of n differences, one a round; what is not finite is left out.
void judge_paired_mean(const double *difference, size_t n, struct judge_paired *out);

// Geometric mean of other[i] / base[i]; rounds in which one of the two is not known or not positive are left out.
void judge_paired_ratio(const double *base, const double *other, size_t n, struct judge_paired *out);

// Whether the mean is below zero (`or_equal`: not above it): PASS surely, FAIL surely not, INCONCLUSIVE when the
// interval holds both or there is no value. With a single round there is no interval, and the value itself decides.
enum judge_verdict judge_paired_below(const struct judge_paired *p, bool or_equal);

#endif
