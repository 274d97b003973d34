// One pass of the judge over one window: troughs, scaling, cycle, competition, decision. Private to src/judge.
#ifndef SEEP_JUDGE_ROUND_H
#define SEEP_JUDGE_ROUND_H

#include "judge/fit.h"
#include "judge/trend.h"

enum { JUDGE_ROUND_N_MIN = 40, JUDGE_ROUND_RECUTS_MAX = 2 };

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
    // of second opinions
    JUDGE_BECAUSE_SLOWED,       // passes although net growth is over: a plateau nearly full
    JUDGE_BECAUSE_BURSTS,       // fails by its jumps
    JUDGE_BECAUSE_STEPPED,      // a FAIL that a few steps explain
    JUDGE_BECAUSE_WAVE,         // a FAIL that a slow wave explains
    JUDGE_BECAUSE_CONTRADICTED, // a FAIL that a closer description of the whole window does not see
    JUDGE_BECAUSE_NOT_CLEAR,    // a PASS too close to the budget for its noise
    // of the values themselves
    JUDGE_BECAUSE_COARSE, // they come in steps that the budget is small beside
};

// What of the series a round looks at.
enum judge_view { JUDGE_VIEW_ALL, JUDGE_VIEW_TROUGHS, JUDGE_VIEW_ALIGNED, JUDGE_VIEW_FLOOR, JUDGE_VIEW_CEILING };

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
    double stair_share; // the least of the last three quarters' rises, of net
    double fall;        // the largest fall from an earlier level, of the range of levels
    double end_rise;    // of the end over the levels of the first three fifths, of that range
    enum judge_view view;
    bool fitted;
    enum judge_cause cause;
};

// Median of n > 0 values; scratch has room for n.
double judge_round_median(const double *y, size_t n, double *scratch);

// How many points at either end stand for its level: q of the method.
size_t judge_round_edge(size_t n);

// Bins n > 0 points and scales them into budgets; sets scaled, t0, window_s and unit of round and nothing else.
void judge_round_points(const double *t, const double *y, size_t n, const struct judge_options *o,
                        struct judge_round *round);

// The competition on round->scaled; false when no model could be fitted or its rates are no numbers.
bool judge_round_fit(struct judge_round *round);

// Measures net, tail, the stairs and the falls of a fitted round.
void judge_round_ends(struct judge_round *round);

// The verdict of a fitted round, its cause in round. *cut > 0 asks for another round without that share of the window;
// never at or beyond JUDGE_ROUND_RECUTS_MAX recuts.
enum judge_verdict judge_round_decide(struct judge_round *round, int recuts, double *cut);

// Troughs, scale, cycle, competition and ends of one window. Returns 0 or -1 (memory); round->fitted tells whether any
// model could be fitted.
int judge_round_run(const double *t, const double *y, size_t n, const struct judge_options *o,
                    struct judge_round *round);

#endif
