// Early stop: may a run end before its time because it has certainly failed? Never because it seems to pass.
#ifndef SEEP_JUDGE_EARLY_H
#define SEEP_JUDGE_EARLY_H

#include "judge/judge.h"

// The state of the looks of one gate or of one run; zero it at the start.
struct judge_early {
    unsigned last_look;    // number of the last 5 % mark that was looked at
    unsigned fails_in_row; // consecutive looks that said FAIL
    bool stop;
};

// Should there be a look now? elapsed and planned in seconds. True once per 5 % mark from 50 % on, and false after the
// stop and at the very end (where the ordinary verdict is given).
bool judge_early_due(const struct judge_early *early, double elapsed_s, double planned_s);

// Takes the verdict of a due look, which must come from judge_trend with t_scale 2 (or judge_stacks with an over stack,
// which is a FAIL). Returns true when the run may stop: two consecutive FAIL looks.
bool judge_early_look(struct judge_early *early, double elapsed_s, double planned_s, enum judge_verdict verdict);

#endif
