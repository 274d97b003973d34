// Small statistics used throughout the judge: order statistics, straight lines, Student's t. Private to src/judge.
#ifndef SEEP_JUDGE_STAT_H
#define SEEP_JUDGE_STAT_H

#include <stdbool.h>
#include <stddef.h>

// p-quantile (0..1) of n > 0 values with linear interpolation between order statistics; reorders x.
double judge_quantile(double *x, size_t n, double p);

// Median (mean of the middle two for even n > 0); reorders x.
double judge_median(double *x, size_t n);

// Least-squares line y = a + b x over n >= 2 points; when all x are equal b is 0. sse and sxx may be NULL.
void judge_line(const double *x, const double *y, size_t n, double *a, double *b, double *sse, double *sxx);

// Upper one-sided quantiles of Student's t with nu degrees of freedom (nu >= 1): 95 % from the table of the method
// (linear in 1/nu from 4 on), 80 % exactly.
double judge_t95(double nu);
double judge_t80(double nu);

// P(T <= t) for Student's t with nu > 0 degrees of freedom; regularised incomplete beta by Lentz' continued fraction.
double judge_t_cdf(double t, double nu);

// Student quantile by bisection on judge_t_cdf; 0.5 <= p < 1.
double judge_t_quantile(double p, double nu);

#endif
