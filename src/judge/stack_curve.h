// A closer look at the curves of the few stacks that would decide the gate. Private to src/judge.
#ifndef SEEP_JUDGE_STACK_CURVE_H
#define SEEP_JUDGE_STACK_CURVE_H

#include "judge/stacks.h"

// What the stack may grow by, per second: the budget, or more where the profile allows it.
double judge_stack_budget(const struct judge_stacks_input *in, size_t s);

// Judges stacks as whole series are judged (judge_trend), at most 200 of them: those that grow and may be over their
// budget, and those too noisy for a line that hold at least a hundredth of the live bytes. The figures of one whose
// curve passes, or is above its budget but slowing, become those of its curve. One whose last half is over its budget
// without the whole run bearing it out is `late`, and rejected when its curve fails. Only with exact counts (what a
// sampling profiler sees wanders as samples come and stay); curves need 50 snapshots. Returns 0, or -1 when memory ran
// out.
int judge_stack_curves(const struct judge_stacks_input *in, struct judge_stacks *out);

#endif
