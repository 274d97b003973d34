// From raw samples to a series the models can be fitted to. Private to src/judge.
#ifndef SEEP_JUDGE_PREP_H
#define SEEP_JUDGE_PREP_H

#include "judge/fit.h"
#include "judge/trend.h"

// A view of samples: borrowed from the caller, or a copy of ours where something had to be cut or flattened.
struct judge_window {
    const double *t;
    const double *y;
    size_t n;
    double *own_t; // freed by judge_window_free; NULL when borrowed
    double *own_y;
};

// Why a series cannot be judged at all.
enum judge_unfit { JUDGE_FIT_OK, JUDGE_FIT_EMPTY, JUDGE_FIT_NOT_FINITE, JUDGE_FIT_TIME_BACK };

enum judge_unfit judge_prep_check(const struct judge_series *series);

// Cuts the excluded spans out and closes the time axis over them. Returns 0, or -1 when memory ran out.
int judge_prep_cut(const struct judge_series *series, const struct judge_options *options, struct judge_window *out);

// The time on the caller's axis for a time on the axis of a window that was cut.
double judge_prep_uncut(const struct judge_options *options, double first_t, double t);

// Replaces whole-number resources by their floor: the least value within about 2.5 % of the window on either side. What
// comes and goes with the load vanishes, what is never given back stays. Returns 0 or -1.
int judge_prep_floor(struct judge_window *w);

// Typical distance of samples, seconds: the nominal one, or the median of (at most 10 000 of) the distances found.
double judge_prep_interval(const struct judge_window *w, double nominal_s);

// Number of distances over three intervals, and the seconds missing in them.
size_t judge_prep_gaps(const struct judge_window *w, double interval_s, double *missing_s);

// The troughs of a sawtooth: writes the indices of the points at the drops into at (room for max) and returns how many,
// or 0 when the series is no sawtooth by the rule of the method; *failed when memory ran out.
size_t judge_prep_troughs(const double *t, const double *y, size_t n, size_t **at, bool *failed);

// The troughs of a sawtooth that keeps a clock, each at the moment of its drop.
struct judge_aligned {
    double *t;       // room for one value a drop, the caller's
    double *y;       // likewise
    double *scratch; // room for one value a sample
    double drift;    // what the uncertainty of the clock can add to the growth over all troughs, +-, units of y
};

// Between two samples the drop falls anywhere, and a period that is nearly a multiple of the interval makes that a slow
// beat that looks like growth: so troughs of a regular sawtooth are put on one phase. Returns false when the drops keep
// no clock (then their phases are random, and average out) or are more than a thousand.
bool judge_prep_align_troughs(const double *t, const double *y, size_t n, const size_t *at, size_t drops,
                              struct judge_aligned *out);

// Averages n points into at most JUDGE_POINTS_MAX bins of equal count; returns the number of points.
size_t judge_prep_bin(const double *t, const double *y, size_t n, double *bin_t, double *bin_y);

void judge_window_free(struct judge_window *w);

#endif
