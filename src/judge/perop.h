// Growth per operation: live bytes regressed on how often each load scenario has run, e.g. "48 B per login".
#ifndef SEEP_JUDGE_PEROP_H
#define SEEP_JUDGE_PEROP_H

#include "judge/judge.h"

enum { JUDGE_PEROP_MAX = 16 };

// counts[i * k + j]: operations of kind j done until t_s[i], cumulative and never falling. All owned by the caller.
struct judge_perop_input {
    const double *t_s; // n, strictly increasing
    const double *y;   // n, bytes
    size_t n;
    const double *counts; // n x k
    size_t k;             // 1..JUDGE_PEROP_MAX kinds
    double warmup_s;      // seconds dropped at the start; NaN: 10 %
    size_t k_sure;        // kinds from here on are left out where the ones before explain them; 0: none is
};

struct judge_perop_one {
    bool known; // false: never ran, cannot be told from the other kinds, or cannot be told from 0 beside them
    double bytes_per_op;
    double lo; // two-sided 90 % interval
    double hi;
};

struct judge_perop {
    struct judge_perop_one total; // per operation of any kind
    struct judge_perop_one kind[JUDGE_PEROP_MAX];
    size_t k;
    double operations; // in the judged window
    char reason[200];  // why something is unknown, or a sentence on what was found
};

// Returns 0 or -1 when memory ran out. Fewer than 20 samples, or no operations, make everything unknown.
int judge_perop(const struct judge_perop_input *in, struct judge_perop *out);

#endif
