// Growth per operation: see perop.h and docs/METHOD.md.
//
// y = a + sum_j b_j c_j(t) by least squares over at most 300 bins after the warm-up. Columns are centred and divided by
// their own range; one that is a combination of the others (a fixed ratio of operations) is left unknown rather than
// guessed. The interval of each b allows for autocorrelation the same way as the trend does.
#include "judge/perop.h"
#include "judge/fit.h"
#include "judge/prep.h"
#include "judge/stat.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { N_MIN = 20 };

static const double warmup_share = .10;
static const double collinear = 1e-9; // of the variance of a column that the others leave

// The regression after binning: x[j] is the centred and scaled column of kind j.
struct regression {
    size_t n;
    size_t k;
    double y[JUDGE_POINTS_MAX];
    double x[JUDGE_PEROP_MAX][JUDGE_POINTS_MAX];
    double range[JUDGE_PEROP_MAX]; // operations within the window
    double inverse[JUDGE_PEROP_MAX][JUDGE_PEROP_MAX];
    double beta[JUDGE_PEROP_MAX];
    size_t kind[JUDGE_PEROP_MAX]; // which kind a column belongs to
};

static size_t first_judged(const struct judge_perop_input *in)
{
    double all = in->t_s[in->n - 1] - in->t_s[0];
    double cut = isfinite(in->warmup_s) ? in->warmup_s : warmup_share * all;
    size_t from = 0;
    while (from < in->n && in->t_s[from] < in->t_s[0] + cut)
        from++;
    return from;
}

static double center(double *x, size_t n)
{
    double mean = 0;
    for (size_t i = 0; i < n; i++)
        mean += x[i] / (double)n;
    for (size_t i = 0; i < n; i++)
        x[i] -= mean;
    return mean;
}

// Bin means of column j of the counts (or their sum, for j == k) relative to the first row of the window.
static void bin_counts(const struct judge_perop_input *in, size_t from, size_t j, double *out, size_t bins)
{
    size_t n = in->n - from;
    for (size_t b = 0; b < bins; b++) {
        size_t lo = b * n / bins, hi = (b + 1) * n / bins;
        out[b] = 0;
        for (size_t i = lo; i < hi; i++)
            for (size_t c = j < in->k ? j : 0; c < (j < in->k ? j + 1 : in->k); c++)
                out[b] += (in->counts[(from + i) * in->k + c] - in->counts[from * in->k + c]) / (double)(hi - lo);
    }
}

static void load(const struct judge_perop_input *in, size_t from, bool total, struct regression *r)
{
    double t[JUDGE_POINTS_MAX];
    r->n = judge_prep_bin(in->t_s + from, in->y + from, in->n - from, t, r->y);
    center(r->y, r->n);
    r->k = 0;
    for (size_t j = total ? in->k : 0; j < (total ? in->k + 1 : in->k); j++) {
        double *x = r->x[r->k];
        bin_counts(in, from, j, x, r->n);
        double range = x[r->n - 1] - x[0];
        if (!(range > 0))
            continue;
        center(x, r->n);
        for (size_t i = 0; i < r->n; i++)
            x[i] /= range;
        r->range[r->k] = range;
        r->kind[r->k++] = j;
    }
}

// Whether the other columns of the first k_others kinds explain column j: after Gram-Schmidt against them in turn, what
// is left must be visible.
static bool explained_by_others(const struct regression *r, size_t j, size_t k_others)
{
    double basis[JUDGE_PEROP_MAX][JUDGE_POINTS_MAX];
    size_t m = 0;
    for (size_t pass = 0; pass <= r->k; pass++) {
        size_t c = pass < r->k ? pass : j; // the column in question goes last
        if (pass < r->k && (c == j || r->kind[c] >= k_others))
            continue;
        memcpy(basis[m], r->x[c], r->n * sizeof(double));
        double before = 0, after = 0;
        for (size_t i = 0; i < r->n; i++)
            before += basis[m][i] * basis[m][i];
        for (int twice = 0; twice < 2; twice++) {
            for (size_t b = 0; b < m; b++) {
                double dot = 0;
                for (size_t i = 0; i < r->n; i++)
                    dot += basis[m][i] * basis[b][i];
                for (size_t i = 0; i < r->n; i++)
                    basis[m][i] -= dot * basis[b][i];
            }
        }
        for (size_t i = 0; i < r->n; i++)
            after += basis[m][i] * basis[m][i];
        if (pass == r->k)
            return after <= collinear * before;
        if (after <= collinear * before)
            continue;
        for (size_t i = 0; i < r->n; i++)
            basis[m][i] /= sqrt(after);
        m++;
    }
    return true;
}

// Gauss-Jordan on the normal equations with columns of unit range; they are well conditioned once collinear columns are
// known not to be there.
static bool invert(struct regression *r)
{
    double a[JUDGE_PEROP_MAX][2 * JUDGE_PEROP_MAX] = {{0}};
    size_t k = r->k;
    for (size_t i = 0; i < k; i++) {
        for (size_t j = 0; j < k; j++)
            for (size_t p = 0; p < r->n; p++)
                a[i][j] += r->x[i][p] * r->x[j][p];
        a[i][k + i] = 1;
    }
    for (size_t c = 0; c < k; c++) {
        size_t best = c;
        for (size_t i = c + 1; i < k; i++)
            best = fabs(a[i][c]) > fabs(a[best][c]) ? i : best;
        if (!(fabs(a[best][c]) > 0))
            return false;
        for (size_t j = 0; j < 2 * k; j++) {
            double swap = a[c][j];
            a[c][j] = a[best][j];
            a[best][j] = swap;
        }
        double pivot = a[c][c];
        for (size_t j = 0; j < 2 * k; j++)
            a[c][j] /= pivot;
        for (size_t i = 0; i < k; i++) {
            double factor = i == c ? 0 : a[i][c];
            for (size_t j = 0; j < 2 * k; j++)
                a[i][j] -= factor * a[c][j];
        }
    }
    for (size_t i = 0; i < k; i++)
        memcpy(r->inverse[i], a[i] + k, k * sizeof(double));
    return true;
}

static void solve(struct regression *r, double *e)
{
    double xy[JUDGE_PEROP_MAX] = {0};
    for (size_t j = 0; j < r->k; j++)
        for (size_t i = 0; i < r->n; i++)
            xy[j] += r->x[j][i] * r->y[i];
    memcpy(e, r->y, r->n * sizeof *e);
    for (size_t j = 0; j < r->k; j++) {
        r->beta[j] = 0;
        for (size_t c = 0; c < r->k; c++)
            r->beta[j] += r->inverse[j][c] * xy[c];
        for (size_t i = 0; i < r->n; i++)
            e[i] -= r->beta[j] * r->x[j][i];
    }
}

static struct judge_perop_one rate_of(const struct regression *r, const double *e, size_t j)
{
    double w[JUDGE_POINTS_MAX];
    for (size_t i = 0; i < r->n; i++) {
        w[i] = 0;
        for (size_t c = 0; c < r->k; c++)
            w[i] += r->inverse[j][c] * r->x[c][i];
    }
    double se = sqrt(judge_weighted_variance(e, w, r->n, r->k + 1));
    double nu = fmax(4, floor(.4 * pow((double)r->n, 2. / 3))), t = judge_t95(nu);
    return (struct judge_perop_one){.known = true,
                                    .bytes_per_op = r->beta[j] / r->range[j],
                                    .lo = (r->beta[j] - t * se) / r->range[j],
                                    .hi = (r->beta[j] + t * se) / r->range[j]};
}

static void regress_total(const struct judge_perop_input *in, size_t from, struct regression *r,
                          struct judge_perop *out)
{
    double e[JUDGE_POINTS_MAX];
    load(in, from, true, r);
    if (r->k == 0 || !invert(r))
        return;
    solve(r, e);
    out->total = rate_of(r, e, 0);
    out->operations = 0;
    for (size_t j = 0; j < in->k; j++)
        out->operations += in->counts[(in->n - 1) * in->k + j] - in->counts[from * in->k + j];
}

// Backward elimination: counts of kinds that run in nearly fixed shares take growth from each other, so a kind whose
// value is smaller than its interval is wide (some 3.3 standard errors) leaves the model (it is then unknown, its
// interval stays) and the others are fitted again. Returns the one that tells least, or SIZE_MAX when every kind tells
// something or only one is left.
static size_t least_telling(const struct regression *r, const struct judge_perop *out)
{
    size_t least = SIZE_MAX;
    double smallest = HUGE_VAL;
    for (size_t j = 0; r->k > 1 && j < r->k; j++) {
        const struct judge_perop_one *one = &out->kind[r->kind[j]];
        double width = one->hi - one->lo, telling = width > 0 ? fabs(one->bytes_per_op) / width : HUGE_VAL;
        if (telling < 1 && telling < smallest) {
            smallest = telling;
            least = j;
        }
    }
    return least;
}

static void drop(struct regression *r, size_t j)
{
    r->k--;
    for (; j < r->k; j++) {
        memcpy(r->x[j], r->x[j + 1], r->n * sizeof(double));
        r->kind[j] = r->kind[j + 1];
        r->range[j] = r->range[j + 1];
    }
}

// What the kinds that are sure explain would only make them unknown.
static void drop_explained(struct regression *r, size_t k_sure)
{
    for (size_t j = r->k; k_sure > 0 && j-- > 0;)
        if (r->kind[j] >= k_sure && explained_by_others(r, j, k_sure))
            drop(r, j);
}

static void regress_kinds(const struct judge_perop_input *in, size_t from, struct regression *r,
                          struct judge_perop *out)
{
    double e[JUDGE_POINTS_MAX];
    bool unclear[JUDGE_PEROP_MAX] = {false};
    size_t clear = 0;
    load(in, from, false, r);
    drop_explained(r, in->k_sure);
    for (size_t j = 0; j < r->k; j++) {
        unclear[j] = r->k > 1 && explained_by_others(r, j, in->k);
        clear += !unclear[j];
    }
    if (clear < r->k || r->k == 0 || r->n < r->k + 8) {
        snprintf(out->reason, sizeof out->reason, "%s",
                 r->k == 0 ? "no operation ran in the judged window"
                           : "the kinds of operations ran in a fixed ratio and cannot be told apart");
        return;
    }
    while (invert(r)) {
        solve(r, e);
        for (size_t j = 0; j < r->k; j++)
            out->kind[r->kind[j]] = rate_of(r, e, j);
        size_t idle = least_telling(r, out);
        if (idle == SIZE_MAX)
            break;
        out->kind[r->kind[idle]].known = false;
        drop(r, idle);
    }
}

static bool usable(const struct judge_perop_input *in, struct judge_perop *out)
{
    if (in->k < 1 || in->k > JUDGE_PEROP_MAX)
        snprintf(out->reason, sizeof out->reason, "%zu kinds of operations; 1 to %d can be told apart", in->k,
                 JUDGE_PEROP_MAX);
    else if (in->n < N_MIN || in->n - first_judged(in) < N_MIN)
        snprintf(out->reason, sizeof out->reason, "too few samples after the warm-up; at least %d are needed", N_MIN);
    else
        return true;
    return false;
}

int judge_perop(const struct judge_perop_input *in, struct judge_perop *out)
{
    const struct judge_perop_one unknown = {.bytes_per_op = NAN, .lo = NAN, .hi = NAN};
    *out = (struct judge_perop){.total = unknown, .k = in->k < JUDGE_PEROP_MAX ? in->k : JUDGE_PEROP_MAX};
    for (size_t j = 0; j < JUDGE_PEROP_MAX; j++)
        out->kind[j] = unknown;
    if (!usable(in, out))
        return 0;
    struct regression *r = calloc(1, sizeof *r);
    if (!r) {
        snprintf(out->reason, sizeof out->reason, "memory ran out while judging");
        return -1;
    }
    size_t from = first_judged(in);
    regress_total(in, from, r, out);
    regress_kinds(in, from, r, out);
    if (out->total.known && out->reason[0] == '\0') {
        char b[32];
        snprintf(out->reason, sizeof out->reason, "%s per operation over %.0f operations",
                 judge_format(b, sizeof b, out->total.bytes_per_op, JUDGE_U_BYTES_PER_OP), out->operations);
    }
    free(r);
    return 0;
}
