// Whole things: what comes and goes with the load against what is never given back. Private to src/judge.
#ifndef SEEP_JUDGE_THINGS_H
#define SEEP_JUDGE_THINGS_H

#include "judge/prep.h"

// Do counts only go up, but for little? The least values of eight parts of the series: all they fell is at most a tenth
// of all they rose. Chance lets so many rise one after the other once in some thousand times, and a walk once in a
// hundred. y has n >= 8 values.
bool judge_things_ratchet(const double *y, size_t n);

// The medians of some 60 blocks of samples, in which rare exceptions of either sign vanish: a log that is closed and
// opened again, a thread that has just ended. At least three
// samples make a block. Returns 0, or -1 when memory ran out; freed with judge_window_free.
int judge_things_medians(const struct judge_window *w, struct judge_window *out);

#endif
