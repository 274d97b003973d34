// What a fitted round looks like, and the words for it. Private to src/judge.
#ifndef SEEP_JUDGE_SHAPE_H
#define SEEP_JUDGE_SHAPE_H

#include "judge/fit.h"
#include "judge/trend.h"

// Why a round decided as it did.
enum judge_cause {
    JUDGE_BECAUSE_OTHER, // the reason is already a sentence
    JUDGE_BECAUSE_UNDER,
    JUDGE_BECAUSE_ABOVE,
    JUDGE_BECAUSE_STAIRS,
    JUDGE_BECAUSE_DECELERATING,
    JUDGE_BECAUSE_STRADDLES,
    JUDGE_BECAUSE_NET,
    JUDGE_BECAUSE_TAIL,
};

// One pass of troughs, scaling, cycle and competition over a window.
struct judge_round {
    struct judge_scaled scaled;
    struct judge_fit fit;
    double t0;       // of the first point
    double window_s; // W
    double unit;     // D: the budget over the window
    double net;      // growth between the medians of both ends, in D
    double tail;     // slope of the last third, in budgets
    bool stair;
    bool troughs;
    bool fitted;
    enum judge_cause cause;
};

// Sets shape, tau_s, event_t_s, event_size, cycle_s and model of out from a fitted round.
void judge_shape_find(const struct judge_round *round, struct judge_growth *out);

// Writes shape_text from those fields; first_t is the time of the first sample given.
void judge_shape_words(double first_t, struct judge_growth *out);

// Writes reason, a finished sentence, from the cause and the rates in out.
void judge_shape_reason(const struct judge_round *round, const struct judge_options *options, double first_t,
                        struct judge_growth *out);

#endif
