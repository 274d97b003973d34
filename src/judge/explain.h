// Where the growth of resident memory sits: the parts against the whole, and what they leave unexplained.
#ifndef SEEP_JUDGE_EXPLAIN_H
#define SEEP_JUDGE_EXPLAIN_H

#include "judge/judge.h"

enum judge_part {
    JUDGE_PART_HEAP,
    JUDGE_PART_FRAGMENTATION,
    JUDGE_PART_THREAD_STACKS,
    JUDGE_PART_MMAP,
    JUDGE_PART_FILE,
    JUDGE_PART_SHMEM,
    JUDGE_PART_PROBE,
    JUDGE_PART_UNEXPLAINED,
    JUDGE_PARTS
};

// The word of verdict.json.
const char *judge_part_name(enum judge_part part);

// A rate with its 90 % interval, per second. NaN slope: this part is unknown; NaN ends: no interval known.
struct judge_rate {
    double slope_per_s;
    double lo_per_s;
    double hi_per_s;
};

struct judge_explained {
    struct judge_rate rate;
    double share; // of the target's resident growth; NaN for the probe, which is no part of it, for an unknown part,
                  // and when the target does not grow measurably
};

// whole: the resident growth of the target without the probe. parts is indexed by enum judge_part; its entry
// JUDGE_PART_UNEXPLAINED is what the known parts other than the probe leave of the whole.
void judge_explain(const struct judge_rate *whole, const struct judge_rate parts[JUDGE_PARTS],
                   struct judge_explained out[JUDGE_PARTS]);

#endif
