// Second opinions: a verdict of the first competition is checked against descriptions it did not try. Private to
// src/judge.
#ifndef SEEP_JUDGE_SECOND_H
#define SEEP_JUDGE_SECOND_H

#include "judge/round.h"

enum judge_second {
    JUDGE_SECOND_AGREES,   // the first verdict stands, and its numbers
    JUDGE_SECOND_DOUBTS,   // inconclusive, with the numbers of the first and a cause of its own
    JUDGE_SECOND_OVERRULES // round holds another description of the whole window, with its verdict and cause
};

// t, y, n: all samples after the warm-up; full: the first round over them; round: the round that the first verdict
// rests on, which is full or what was left of it after longer warm-ups. verdict is the first one and becomes the one
// that stands. Returns -1 when memory ran out, else one of enum judge_second.
int judge_second(const struct judge_series *samples, const struct judge_options *o, const struct judge_round *full,
                 struct judge_round *round, enum judge_verdict *verdict);

#endif
