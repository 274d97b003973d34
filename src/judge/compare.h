// Two runs compared: which figures became worse by more than may be, and which call stacks are new or steeper.
//
// A difference counts as a regression when it is larger than what is allowed (a share of the base, and at least an
// absolute floor) by more than chance explains: Welch's t on the difference, and Holm's step-down over all figures, so
// that two runs of the same binary are told apart in at most 1 % of comparisons however many figures there are.
// Sources: Welch, Biometrika 34 (1947); Holm, Scand. J. Statist. 6 (1979); Benjamini and Hochberg, JRSS B 57 (1995).
#ifndef SEEP_JUDGE_COMPARE_H
#define SEEP_JUDGE_COMPARE_H

#include "judge/measure.h"
#include "judge/stacks.h"

enum judge_better { JUDGE_LESS_IS_BETTER, JUDGE_MORE_IS_BETTER };

enum judge_change {
    JUDGE_CHANGE_SAME,        // surely not worse by more than is allowed
    JUDGE_CHANGE_REGRESSION,  // surely worse by more than is allowed
    JUDGE_CHANGE_IMPROVEMENT, // surely better by more than as much
    JUDGE_CHANGE_UNCLEAR,     // these runs cannot tell
    JUDGE_CHANGE_UNKNOWN,     // one of the two has no such figure
    JUDGE_CHANGES
};

enum judge_severity { JUDGE_SEVERITY_NONE, JUDGE_LOW, JUDGE_MEDIUM, JUDGE_HIGH, JUDGE_CRITICAL, JUDGE_SEVERITIES };

// Lower-case words; "none" for no severity.
const char *judge_change_name(enum judge_change change);
const char *judge_severity_name(enum judge_severity severity);

// How bad it is to lose `worse` where `allowed` > 0 may be lost: under 1.5 times that low, under 2.5 medium, under 5
// high, else critical.
enum judge_severity judge_severity_of(double worse, double allowed);

// One figure of both runs.
struct judge_pair {
    struct judge_measure base, candidate;
    enum judge_better better;
    double share; // of the base that may be lost, e.g. 0.1
    double floor; // least absolute difference that counts, in the unit of the figure
    bool broke;   // a gate on it that the base passed fails in the candidate: its regression is critical
};

struct judge_difference {
    enum judge_change change;
    enum judge_severity severity;
    double value;    // candidate minus base
    double lo, hi;   // two-sided 90 % interval
    double relative; // value over the base; NaN for a base of 0
    double allowed;  // the larger of share and floor, > 0
    double p;        // one-sided, of "worse by no more than is allowed"; NaN when unknown
};

// Compares n pairs at once; out has n entries. Where a gate broke the severity is critical. Returns the number of
// regressions.
size_t judge_compare(const struct judge_pair *pairs, size_t n, struct judge_difference *out);

// The growth of one call stack (all stacks with the same frames) in both runs, bytes per second.
struct judge_stack_pair {
    bool in_base;
    struct judge_rate_interval {
        double slope, lo, hi;
    } base, candidate; // two-sided 90 % intervals
    bool grows;        // it is among those that grow in the candidate, by the test of stacks.h
    bool grew;         // likewise in the base
};

enum judge_stack_change {
    JUDGE_STACK_SAME,
    JUDGE_STACK_NEW,     // grows in the candidate and is not in the base, or did not grow there
    JUDGE_STACK_STEEPER, // grew in the base and grows faster now
    JUDGE_STACK_GONE,    // grew in the base and no longer does
    JUDGE_STACK_SLOWER,
    JUDGE_STACK_CHANGES
};

const char *judge_stack_change_name(enum judge_stack_change change);

struct judge_stack_difference {
    enum judge_stack_change change;
    enum judge_severity severity; // of new and steeper ones
    double value, lo, hi;         // candidate minus base, bytes per second
    double p;                     // of "no steeper than is allowed"
};

// Compares n stacks. What may be lost is share of the base's slope, at least 5 % of budget_per_s (the practical
// significance of stacks.h); the false discovery rate is 5 %. Returns the number of new and steeper ones, or SIZE_MAX
// when memory ran out.
size_t judge_compare_stacks(const struct judge_stack_pair *pairs, size_t n, double share, double budget_per_s,
                            struct judge_stack_difference *out);

// The word on a comparison: FAIL with a regression (of a figure or a stack); otherwise INCONCLUSIVE when a decisive
// figure is unclear or unknown, or when nothing at all could be compared; else PASS. decisive may be NULL (all are).
enum judge_verdict judge_compare_verdict(const struct judge_difference *differences, const bool *decisive, size_t n,
                                         size_t n_worse_stacks);

#endif
