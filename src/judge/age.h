// What the age of live blocks says about a stack. Private to src/judge.
#ifndef SEEP_JUDGE_AGE_H
#define SEEP_JUDGE_AGE_H

#include "judge/stacks.h"

// Bytes of stack s live at the end that were born in epochs [from, to).
double judge_age_born(const struct judge_stacks_input *in, size_t s, size_t from, size_t to);

// Bytes born in the first half and live at the end; NaN when neither survivors nor ages were given.
double judge_age_survivors(const struct judge_stacks_input *in, size_t s);

// The class of a stack from its curve, its block counts, its ages and its reachability, as far as they are known.
enum judge_class judge_age_class(const struct judge_stacks_input *in, size_t s, bool rejected);

#endif
