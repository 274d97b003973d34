// Where a window settles after something far larger than its budget. Private to src/judge.
#ifndef SEEP_JUDGE_REST_H
#define SEEP_JUDGE_REST_H

#include "judge/round.h"

// How the samples got to where they settle.
struct judge_rest {
    size_t from;         // index of the first sample of the rest; 0: nothing to leave out
    double before_per_s; // mean growth before it
    bool dwarfed;        // by what came before, so far that no wave looks like it
    bool after_bursts;   // by jumps from point to point it rose more than a few times before
};

// Looks in n samples for a rest, .38 of the window at least, that is alike from beginning to end and calm beside what
// came before: docs/METHOD.md, "The rest". One great transient (a cache that fills to its bound, a table loaded, memory
// of the start given back) leaves no model of the whole window that fits to less than a budget, and needs none.
struct judge_rest judge_rest_find(const double *t, const double *y, size_t n, const struct judge_options *o);

// May what the rest says, from its round, stand for the whole window, which fell by `fall` of its range?
bool judge_rest_decides(const struct judge_rest *rest, const struct judge_growth *of_rest,
                        const struct judge_round *round, double fall);

#endif
