// The competition of growth models on a scaled series, and the standard error of the end rate. Private to src/judge.
//
// Time u runs from 0 to 1 over the window, z is in budgets over the window, so that the budget is slope 1.
#ifndef SEEP_JUDGE_FIT_H
#define SEEP_JUDGE_FIT_H

#include <stdbool.h>
#include <stddef.h>

enum { JUDGE_POINTS_MAX = 300, JUDGE_JUMPS_MAX = 4, JUDGE_COLUMNS_MAX = 5 + JUDGE_JUMPS_MAX, JUDGE_MODELS_MAX = 224 };

enum judge_model_kind { JUDGE_L, JUDGE_E, JUDGE_LE, JUDGE_S, JUDGE_H };

struct judge_model {
    enum judge_model_kind kind;
    double param;                        // tau, step or hinge place, in windows
    size_t columns;                      // p
    size_t parameters;                   // k
    double beta[JUDGE_COLUMNS_MAX];      // coefficients, in the order of the table of the method
    double g[JUDGE_COLUMNS_MAX];         // r = g'beta
    double inverse_g[JUDGE_COLUMNS_MAX]; // (X'X)^-1 g
    double sse;
    double ic;
    double r;
};

// A series ready to be fitted: n <= JUDGE_POINTS_MAX points.
struct judge_scaled {
    double u[JUDGE_POINTS_MAX];
    double z[JUDGE_POINTS_MAX];
    size_t n;
    double floor_sse;             // f: what the grain of the values alone contributes
    double cycle;                 // k of the seasonal columns, 0 none
    double jump[JUDGE_JUMPS_MAX]; // places of known jumps, each a column of every model
    size_t n_jumps;
    bool fine;        // grids fine enough for a time constant to be told to a twentieth
    double t_scale;   // widens the interval for early looks
    bool linear_only; // too few points for the competition
};

struct judge_fit {
    struct judge_model best;
    double lo, hi; // union of the intervals of the plausible models
    double mde;
    double rho;                   // of the best model
    double effective_n;           // of the residuals of the closest model
    double ic_linear, ic_plateau; // IC of L and of the best E; infinite when not fitted
    double le_hi;                 // upper end of the best LE, fine grids only; NaN otherwise
    size_t n_models;              // in the plausible set
};

// Looks for a seasonal cycle and sets s->cycle.
void judge_fit_cycle(struct judge_scaled *s);

// Fits all models and chooses. n >= 4. Returns false when not even the line could be fitted (all u equal).
bool judge_fit(const struct judge_scaled *s, struct judge_fit *out);

// Does a plateau describe the window much better than a line?
bool judge_fit_beats_line(const struct judge_fit *f);

// And about as well as anything, or with a line beneath it that is no steeper than the budget: what is above the budget
// now is slowing, and will be under it.
bool judge_fit_decelerates(const struct judge_fit *f);

// Sum of squares about the line (with the cycle and the jumps of s); infinite when it cannot be fitted.
double judge_fit_line_sse(const struct judge_scaled *s);

// z minus the fitted values, s->n of them.
void judge_fit_residuals(const struct judge_scaled *s, const struct judge_model *m, double *e);

// Writes z without the cycle and the jumps of a fitted model; out may be s->z.
void judge_fit_remove(const struct judge_scaled *s, const struct judge_model *m, double *out);

// Lag-1 autocorrelation of n residuals with a correction for p fitted columns and a standard errors of pessimism; raw
// gets the uncorrected estimate and may be NULL.
double judge_ar1(const double *e, size_t n, double p, double a, double *raw);

// Variance of sum w_i e_i over n <= JUDGE_POINTS_MAX residuals of a fit with p columns, for AR(1) errors at three
// scales (points, blocks of 4 and of 12): the largest.
double judge_weighted_variance(const double *e, const double *w, size_t n, size_t p);

#endif
