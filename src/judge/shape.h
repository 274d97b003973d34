// What a fitted round looks like, and the words for it. Private to src/judge.
#ifndef SEEP_JUDGE_SHAPE_H
#define SEEP_JUDGE_SHAPE_H

#include "judge/round.h"

// Sets shape, tau_s, event_t_s, event_size, cycle_s and model of out from a fitted round.
void judge_shape_find(const struct judge_round *round, struct judge_growth *out);

// Writes shape_text from those fields; first_t is the time of the first sample given.
void judge_shape_words(double first_t, struct judge_growth *out);

// Writes reason, a finished sentence, from the cause and the rates in out.
void judge_shape_reason(const struct judge_round *round, const struct judge_options *options, double first_t,
                        struct judge_growth *out);

#endif
