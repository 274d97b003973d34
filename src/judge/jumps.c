// Jumps of a scaled series: see jumps.h and docs/METHOD.md, "Second opinions".
#include "judge/jumps.h"
#include "judge/stat.h"

#include <math.h>
#include <string.h>

static const double least = .05;  // budgets over the window
static const double lasting = .6; // of a jump must still be there
static const double ratio = 1.4;  // of a doubling that noise has blurred
static const double z95 = 1.645;
enum { BESIDE = 8, POINTS_LEAST = 20 };

// Increments [first, last] of one sign that belong together.
struct burst {
    size_t first;
    size_t last;
    double sum;
};

static double median_of(const double *x, size_t n)
{
    double scratch[JUDGE_POINTS_MAX];
    memcpy(scratch, x, n * sizeof *x);
    return judge_median(scratch, n);
}

// The increments and the size from which one stands out; the middle one is what a steady slope adds every time.
static double increments(const struct judge_scaled *s, double unusual, double *d, double *middle)
{
    double off[JUDGE_POINTS_MAX];
    for (size_t i = 0; i + 1 < s->n; i++)
        d[i] = s->z[i + 1] - s->z[i];
    *middle = median_of(d, s->n - 1);
    for (size_t i = 0; i + 1 < s->n; i++)
        off[i] = fabs(d[i] - *middle);
    return fmax(unusual * 1.4826 * median_of(off, s->n - 1), least);
}

static size_t find_bursts(const struct judge_scaled *s, double unusual, struct burst *b)
{
    double d[JUDGE_POINTS_MAX], middle, threshold = increments(s, unusual, d, &middle);
    size_t n = 0;
    for (size_t i = 0; i + 1 < s->n; i++) {
        if (fabs(d[i] - middle) < threshold)
            continue;
        if (n > 0 && i - b[n - 1].last <= 1 && d[i] * b[n - 1].sum > 0) {
            b[n - 1].last = i;
            b[n - 1].sum += d[i];
        } else {
            b[n++] = (struct burst){i, i, d[i]};
        }
    }
    return n;
}

// The change of level across burst k: between the medians of up to eight points on either side, short of neighbours of
// its sign. A neighbour of the other sign is no border: a peak of a few points must not pass for a level.
static double lasting_change(const struct judge_scaled *s, const struct burst *b, size_t n, size_t k)
{
    size_t begin = k > 0 && b[k - 1].sum * b[k].sum > 0 ? b[k - 1].last + 1 : 0;
    size_t end = k + 1 < n && b[k + 1].sum * b[k].sum > 0 ? b[k + 1].first + 1 : s->n;
    size_t from = b[k].first > begin + BESIDE ? b[k].first - BESIDE : begin;
    size_t to = b[k].last + 1 + BESIDE < end ? b[k].last + 1 + BESIDE : end;
    if (b[k].first - from < 1 || to - b[k].last < 2)
        return 0;
    return median_of(s->z + b[k].last + 1, to - b[k].last - 1) - median_of(s->z + from, b[k].first + 1 - from);
}

void judge_jumps_find(const struct judge_scaled *s, double unusual, struct judge_jumps *out)
{
    struct burst b[JUDGE_POINTS_MAX];
    memset(out, 0, sizeof *out);
    if (s->n < POINTS_LEAST)
        return;
    size_t n = find_bursts(s, unusual, b);
    for (size_t k = 0; k < n; k++) {
        double change = lasting_change(s, b, n, k);
        if (change * b[k].sum <= 0 || fabs(change) < lasting * fabs(b[k].sum))
            out->n_spikes++;
        else if (change < 0)
            out->down -= change;
        else if (out->n < JUDGE_JUMPS_LISTED) {
            out->at[out->n] = (s->u[b[k].first] + s->u[b[k].last + 1]) / 2;
            out->size[out->n++] = change;
            out->up += change;
        }
    }
}

// Quantile of chi-square with nu degrees of freedom over nu (Wilson and Hilferty 1931), z normal quantiles from the
// middle.
static double chi_square_share(double nu, double z)
{
    double v = 2 / (9 * nu), root = fmax(0, 1 - v + z * sqrt(v));
    return root * root * root;
}

// How many equal jumps carry as much information: (sum x)^2 / sum x^2.
static double equal_jumps(const struct judge_jumps *j)
{
    double square = 0;
    for (size_t k = 0; k < j->n; k++)
        square += j->size[k] * j->size[k];
    return square > 0 ? j->up * j->up / square : 0;
}

double judge_jumps_least_rate(const struct judge_jumps *j, double z_scale)
{
    return j->n > 0 ? j->up * chi_square_share(2 * equal_jumps(j), -z95 * z_scale) : 0;
}

double judge_jumps_most_rate(const struct judge_jumps *j)
{
    double n = (double)j->n;
    return j->n > 0 ? j->up / n * (n + 1) * chi_square_share(2 * (n + 1), z95) : 0;
}

bool judge_jumps_go_on(const struct judge_jumps *j)
{
    double late = 0;
    for (size_t k = 0; k < j->n; k++)
        late += j->at[k] > .5 ? j->size[k] : 0;
    // a pause of 3.5 mean distances at the end has a probability of 3 % when the bursts go on
    return j->n >= 4 && equal_jumps(j) >= 4 && late > .3 * j->up && (1 - j->at[j->n - 1]) * (double)j->n < 3.5;
}

bool judge_jumps_double(const struct judge_jumps *j)
{
    for (size_t k = 1; k < j->n; k++)
        if (j->size[k] < ratio * j->size[k - 1])
            return false;
    for (size_t k = 2; k < j->n; k++)
        if (j->at[k] - j->at[k - 1] < ratio * (j->at[k - 1] - j->at[k - 2]))
            return false;
    return true;
}
