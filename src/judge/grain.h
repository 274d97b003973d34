// Values that come in steps of a size that matters beside the budget: what they can show of a rate. Private to
// src/judge.
#ifndef SEEP_JUDGE_GRAIN_H
#define SEEP_JUDGE_GRAIN_H

#include "judge/prep.h"

// What the values of a series are multiples of, apart from an offset, and how many of its levels a part of it visits.
struct judge_grain {
    double size;   // units of y; 0 when it is no coarser than a page, or unknown
    size_t levels; // different values, at least 1
};

// Finds the grain of all samples: the greatest common divisor of their differences, when they are whole numbers that
// change at least twice, and at least `quantum`, the grain that is known. The levels are those of the samples from
// index `from` on, at most 10 000 of them at equal distances. Returns 0, or -1 when memory ran out.
int judge_grain_find(const struct judge_window *w, size_t from, double quantum, struct judge_grain *out);

// Does a PASS or a FAIL survive that every level may be anywhere within its grain? True for what is no coarser than a
// page, and for any other verdict.
bool judge_grain_allows(const struct judge_grain *grain, const struct judge_growth *found);

#endif
