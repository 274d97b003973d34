// Which call stacks grow: thousands of stacks tested at once without false alarms.
//
// Each stack is tested against "growth over the run is at most 5 % of the budget" in two windows, the worse p counts,
// and Benjamini-Hochberg picks the rejections. Caches do grow, so testing against zero would accuse hundreds of them.
#ifndef SEEP_JUDGE_STACKS_H
#define SEEP_JUDGE_STACKS_H

#include "judge/judge.h"

enum judge_class {
    JUDGE_CLASS_LEAK,
    JUDGE_CLASS_CONTAINER,
    JUDGE_CLASS_CACHE,
    JUDGE_CLASS_STARTUP,
    JUDGE_CLASS_CHURN,
    JUDGE_CLASS_UNKNOWN,
    JUDGE_CLASSES
};

// The lower-case word of verdict.json.
const char *judge_class_name(enum judge_class klass);

// S stacks x m snapshots. live[s * m + j] is the live bytes of stack s at snapshot j (0 before it was first seen). All
// arrays are owned by the caller; optional ones may be NULL.
struct judge_stacks_input {
    size_t n_stacks;
    size_t m;
    const double *t_s;  // m, strictly increasing; snapshots roughly equally spaced
    const double *live; // n_stacks x m
    double budget_per_s;
    double t_scale; // multiplies the t quantile of the intervals; 0 or 1 at the end of a run, 2 for early looks
    double sampling_interval_bytes; // mean of a sampling heap profiler; 0 in exact mode
    const double *survivor_bytes;   // optional, per stack: born in the first half and still live at the end
    size_t n_epochs;                // 0: no age profile
    const double *age_bytes;        // optional, n_stacks x n_epochs: live at the end, by birth epoch; the epochs divide
                                    // [t_s[0], t_s[m-1]] equally, what was born earlier counts in epoch 0
    const double *live_blocks;      // optional, n_stacks x m: live blocks
    const double *unreachable_share; // optional, per stack: share of the checked blocks without a path from any root;
                                     // NaN where not checked
    const bool *is_mapping;          // optional, per stack: made by mmap() and the like, not by an allocator
    const double *allowed_per_s; // optional, per stack: what the profile's allow list lets it grow by, NaN: not on it.
                                 // The larger of this and the budget holds for that stack
};

struct judge_stack {
    double slope_per_s; // over the second half of the run
    double lo_per_s;
    double hi_per_s;
    double mde_per_s;
    double p;              // of the composite null, the worse of both windows
    double growth_lo;      // lower bound of its growth over the whole run, bytes
    double share;          // of the growth of all rejected stacks; 0 when not rejected
    double live_bytes;     // at the last snapshot
    double mean_bytes;     // over the second half of the run
    double survivor_bytes; // born in the first half and live at the end; NaN unknown
    bool rejected;         // grows, by the test
    bool over;             // rejected, and its lower bound is over its budget
    bool late;             // over its budget in the second half, though the run as a whole does not show it to grow
    bool resolved;         // the run could have seen this stack exceed the budget
    bool allowed;          // on the allow list
    double budget_per_s;   // its own: of the gate, or what it is allowed
    size_t rank;           // 1 = worst; all stacks have one
    enum judge_class klass;
};

struct judge_stacks {
    enum judge_verdict verdict; // of the gate stack.growth < budget
    size_t n_stacks;
    struct judge_stack *stack; // n_stacks, same order as the input; owned, freed by judge_stacks_free
    size_t *by_rank;           // n_stacks indices into stack, worst first; owned likewise
    size_t n_rejected;
    size_t n_over;
    size_t n_allowed; // of n_rejected: on the allow list and within what it lets them
    size_t n_late;    // late ones that are not rejected
    size_t n_unresolved;
    double unresolved_share;    // of the live bytes at the end
    double attributed_lo_per_s; // sum of the lower bounds of the rejected stacks
    double worst_per_s;         // slope of the worst stack; 0 when none grows, NaN when nothing was measured
    double worst_lo_per_s;
    double worst_hi_per_s;
    double delta_bytes; // practical-significance threshold that was used
    size_t m_used;      // snapshots after thinning
    char reason[256];
};

// Tests all stacks. m < 20 snapshots, no stacks with bytes, or an invalid budget give JUDGE_INCONCLUSIVE with the
// reason. More than 48 snapshots are averaged down, since the test's error rates were established there. Returns 0 or
// -1 when memory ran out (out is then empty and safe to free).
int judge_stacks(const struct judge_stacks_input *in, struct judge_stacks *out);

void judge_stacks_free(struct judge_stacks *stacks);

#endif
