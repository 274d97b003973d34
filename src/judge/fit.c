// The model competition: see fit.h and docs/METHOD.md, "Models", "Choice" and "Standard error".
//
// Each model is a least-squares fit with at most six columns, solved by Cholesky on the normal equations. The columns
// are of order one, so the conditioning is harmless; a column without support makes the matrix singular and the model
// is skipped. The interval of the end rate r = g'b follows the weights w = X(X'X)^-1 g, for which r_hat - r = sum w_i
// e_i, with the errors taken as AR(1) at three scales (single points, blocks of 4, blocks of 12): the widest counts.
#include "judge/fit.h"
#include "judge/stat.h"

#include <math.h>
#include <string.h>

static const double taus[] = {.01, .02, .04, .07, .1, .15, .2, .3, .45, .7, 1, 2};
static const double hinges[] = {.3, .4, .5, .6, .7, .8};
static const double tau_max_le = .2;
static const double fine_tau_min = .01, fine_tau_max = 4, fine_tau_max_le = .8, fine_tau_step = 1.1;
static const double delta_ic = 2;
static const double slowing = 6; // difference of the criterion: of a plateau over the line
static const double pessimism = .5;

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static void row_of(const struct judge_scaled *s, const struct judge_model *m, double u, double row[JUDGE_COLUMNS_MAX])
{
    size_t c = 0;
    row[c++] = 1;
    if (m->kind != JUDGE_E)
        row[c++] = u;
    if (m->kind == JUDGE_E || m->kind == JUDGE_LE)
        row[c++] = exp(-u / m->param);
    else if (m->kind == JUDGE_S)
        row[c++] = u > m->param;
    else if (m->kind == JUDGE_H)
        row[c++] = u > m->param ? u - m->param : 0;
    if (s->cycle > 0) {
        row[c++] = sin(2 * M_PI * s->cycle * u);
        row[c++] = cos(2 * M_PI * s->cycle * u);
    }
    for (size_t k = 0; k < s->n_jumps; k++)
        row[c++] = u > s->jump[k];
}

static void shape_model(const struct judge_scaled *s, struct judge_model *m)
{
    size_t extra = (s->cycle > 0 ? 2 : 0) + s->n_jumps;
    double end = -exp(-1 / m->param) / m->param; // derivative of e^(-u/tau) at the end, for E and LE
    memset(m->g, 0, sizeof m->g);
    switch (m->kind) {
    case JUDGE_L:
        m->columns = 2 + extra;
        m->parameters = 2;
        m->g[1] = 1;
        break;
    case JUDGE_E:
        m->columns = 2 + extra;
        m->parameters = 3;
        m->g[1] = end;
        break;
    case JUDGE_LE:
        m->columns = 3 + extra;
        m->parameters = 4;
        m->g[1] = 1;
        m->g[2] = end;
        break;
    case JUDGE_S:
    case JUDGE_H:
        m->columns = 3 + extra;
        m->parameters = 4;
        m->g[1] = 1;
        m->g[2] = m->kind == JUDGE_H;
        break;
    }
    m->parameters += (s->cycle > 0 ? 3 : 0) + 2 * s->n_jumps;
}

// In-place Cholesky of the lower triangle; false when a pivot vanishes against its diagonal.
static bool cholesky(double a[JUDGE_COLUMNS_MAX][JUDGE_COLUMNS_MAX], size_t p)
{
    for (size_t j = 0; j < p; j++) {
        double diagonal = a[j][j], d = diagonal;
        for (size_t k = 0; k < j; k++)
            d -= a[j][k] * a[j][k];
        if (!(d > 1e-11 * diagonal) || !(diagonal > 0))
            return false;
        a[j][j] = sqrt(d);
        for (size_t i = j + 1; i < p; i++) {
            double v = a[i][j];
            for (size_t k = 0; k < j; k++)
                v -= a[i][k] * a[j][k];
            a[i][j] = v / a[j][j];
        }
    }
    return true;
}

static void solve(const double a[JUDGE_COLUMNS_MAX][JUDGE_COLUMNS_MAX], size_t p, const double *rhs, double *x)
{
    double y[JUDGE_COLUMNS_MAX];
    for (size_t i = 0; i < p; i++) {
        y[i] = rhs[i];
        for (size_t k = 0; k < i; k++)
            y[i] -= a[i][k] * y[k];
        y[i] /= a[i][i];
    }
    for (size_t i = p; i-- > 0;) {
        x[i] = y[i];
        for (size_t k = i + 1; k < p; k++)
            x[i] -= a[k][i] * x[k];
        x[i] /= a[i][i];
    }
}

static double dot(const double *a, const double *b, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

void judge_fit_residuals(const struct judge_scaled *s, const struct judge_model *m, double *e)
{
    for (size_t i = 0; i < s->n; i++) {
        double row[JUDGE_COLUMNS_MAX];
        row_of(s, m, s->u[i], row);
        e[i] = s->z[i] - dot(row, m->beta, m->columns);
    }
}

void judge_fit_remove(const struct judge_scaled *s, const struct judge_model *m, double *out)
{
    size_t extra = (s->cycle > 0 ? 2 : 0) + s->n_jumps, first = m->columns - extra;
    for (size_t i = 0; i < s->n; i++) {
        double row[JUDGE_COLUMNS_MAX];
        row_of(s, m, s->u[i], row);
        out[i] = s->z[i] - dot(row + first, m->beta + first, extra);
    }
}

static bool fit_model(const struct judge_scaled *s, struct judge_model *m)
{
    double xx[JUDGE_COLUMNS_MAX][JUDGE_COLUMNS_MAX] = {{0}}, xz[JUDGE_COLUMNS_MAX] = {0};
    double x[JUDGE_POINTS_MAX][JUDGE_COLUMNS_MAX];
    shape_model(s, m);
    if (s->n <= m->columns + 1)
        return false;
    for (size_t i = 0; i < s->n; i++) {
        row_of(s, m, s->u[i], x[i]);
        for (size_t a = 0; a < m->columns; a++) {
            xz[a] += x[i][a] * s->z[i];
            for (size_t b = 0; b <= a; b++)
                xx[a][b] += x[i][a] * x[i][b];
        }
    }
    if (!cholesky(xx, m->columns))
        return false;
    solve(xx, m->columns, xz, m->beta);
    solve(xx, m->columns, m->g, m->inverse_g);
    m->sse = 0;
    for (size_t i = 0; i < s->n; i++) {
        double e = s->z[i] - dot(x[i], m->beta, m->columns);
        m->sse += e * e;
    }
    m->r = dot(m->g, m->beta, m->columns);
    return true;
}

double judge_fit_line_sse(const struct judge_scaled *s)
{
    struct judge_model line = {.kind = JUDGE_L, .param = 1};
    return fit_model(s, &line) ? line.sse : INFINITY;
}

double judge_ar1(const double *e, size_t n, double p, double a, double *raw)
{
    double cross = 0, square = e[0] * e[0];
    for (size_t i = 1; i < n; i++) {
        cross += e[i] * e[i - 1];
        square += e[i] * e[i];
    }
    double r1 = square > 0 ? cross / square : 0;
    if (raw)
        *raw = r1;
    double rho = r1 + p * (1 + 2 * fmax(r1, 0)) / (double)n + a * sqrt(fmax(0, 1 - r1 * r1) / (double)n);
    return fmin(fmax(rho, 0), .995);
}

// Variance of sum w_i e_i for AR(1) errors, both estimated from the n residuals of a fit with p columns.
static double ar1_variance(const double *e, const double *w, size_t n, size_t p)
{
    double r1, rho = judge_ar1(e, n, (double)p, pessimism, &r1), ss = 0, sum = 0, ahead = 0;
    for (size_t i = 1; i < n; i++)
        ss += (e[i] - r1 * e[i - 1]) * (e[i] - r1 * e[i - 1]);
    for (size_t i = n; i-- > 0;) { // ahead = sum over k >= 1 of rho^k w_(i+k)
        sum += w[i] * w[i] + 2 * w[i] * ahead;
        ahead = rho * (w[i] + ahead);
    }
    double freedom = n > p + 1 ? (double)(n - p - 1) : 1;
    return fmax(0, ss / freedom / (1 - rho * rho) * sum);
}

static double block_variance(const double *e, const double *w, size_t n, size_t p, size_t block)
{
    double be[JUDGE_POINTS_MAX], bw[JUDGE_POINTS_MAX];
    size_t blocks = n / block, skip = n % block;
    if (blocks < 12)
        return 0;
    for (size_t b = 0; b < blocks; b++) {
        be[b] = bw[b] = 0;
        for (size_t i = 0; i < block; i++) {
            be[b] += e[skip + b * block + i] / (double)block;
            bw[b] += w[skip + b * block + i];
        }
    }
    return ar1_variance(be, bw, blocks, p);
}

double judge_weighted_variance(const double *e, const double *w, size_t n, size_t p)
{
    double v = ar1_variance(e, w, n, p);
    v = fmax(v, block_variance(e, w, n, p, 4));
    return fmax(v, block_variance(e, w, n, p, 12));
}

static double standard_error(const struct judge_scaled *s, const struct judge_model *m, double *rho)
{
    double e[JUDGE_POINTS_MAX], w[JUDGE_POINTS_MAX];
    judge_fit_residuals(s, m, e);
    for (size_t i = 0; i < s->n; i++) {
        double row[JUDGE_COLUMNS_MAX];
        row_of(s, m, s->u[i], row);
        w[i] = dot(row, m->inverse_g, m->columns);
    }
    *rho = judge_ar1(e, s->n, (double)m->columns, pessimism, NULL);
    double v = judge_weighted_variance(e, w, s->n, m->columns);
    return sqrt(fmax(v, s->floor_sse / (double)s->n * dot(w, w, s->n)));
}

static double effective_n(size_t n, double rho)
{
    return fmax(8, (double)n * (1 - rho) / (1 + rho));
}

// How many independent points tell as much as the n residuals of a fit with p columns. Noise of two kinds, a slow
// one beneath a fast one, remembers longer than its neighbours show; then means of 12 (or 4) points scatter more than
// AR(1) allows, and their number counts. A factor of two is beyond the scatter of that number itself.
static double remembering_n(const double *e, size_t n, size_t p)
{
    static const size_t blocks[] = {12, 4};
    double w[JUDGE_POINTS_MAX], square = dot(e, e, n), ne = effective_n(n, judge_ar1(e, n, (double)p, 0, NULL));
    for (size_t i = 0; i < n; i++)
        w[i] = 1;
    for (size_t k = 0; k < COUNT(blocks) && square > 0; k++) {
        double sum = block_variance(e, w, n, p, blocks[k]); // of the sum of all errors
        double far = sum > 0 ? (double)n * square / sum : ne;
        if (far < ne / 2)
            return fmax(8, far);
    }
    return ne;
}

void judge_fit_cycle(struct judge_scaled *s)
{
    struct judge_model line = {.kind = JUDGE_L}, season = {.kind = JUDGE_L}, best = {.sse = INFINITY};
    double best_k = 0, e[JUDGE_POINTS_MAX];
    s->cycle = 0;
    if (s->n < 60 || s->linear_only || !fit_model(s, &line))
        return;
    for (double k = 3; k <= 16; k += .5) {
        s->cycle = k;
        if (fit_model(s, &season) && season.sse < best.sse) {
            best = season;
            best_k = k;
        }
    }
    s->cycle = best_k;
    if (best_k <= 0)
        return;
    judge_fit_residuals(s, &best, e);
    double ne = effective_n(s->n, judge_ar1(e, s->n, (double)best.parameters, 0, NULL));
    double gain = ne * log((line.sse + s->floor_sse) / (best.sse + s->floor_sse)) - 3 * log(ne);
    if (!(gain > 10))
        s->cycle = 0;
}

static void try_model(const struct judge_scaled *s, enum judge_model_kind kind, double param,
                      struct judge_model *models, size_t *n)
{
    struct judge_model m = {.kind = kind, .param = param};
    if (fit_model(s, &m))
        models[(*n)++] = m;
}

static void fit_fine(const struct judge_scaled *s, struct judge_model *models, size_t *n)
{
    for (double tau = fine_tau_min; tau < fine_tau_max; tau *= fine_tau_step) {
        try_model(s, JUDGE_E, tau, models, n);
        if (tau <= fine_tau_max_le)
            try_model(s, JUDGE_LE, tau, models, n);
    }
    for (int i = 1; i <= 49; i++)
        try_model(s, JUDGE_S, .02 * i, models, n);
    for (int i = 2; i <= 17; i++)
        try_model(s, JUDGE_H, .05 * i, models, n);
}

static size_t fit_all(const struct judge_scaled *s, struct judge_model models[JUDGE_MODELS_MAX])
{
    size_t n = 0;
    try_model(s, JUDGE_L, 1, models, &n);
    if (s->linear_only)
        return n;
    if (s->fine) {
        fit_fine(s, models, &n);
        return n;
    }
    for (size_t i = 0; i < COUNT(taus); i++)
        try_model(s, JUDGE_E, taus[i], models, &n);
    for (size_t i = 0; i < COUNT(taus) && taus[i] <= tau_max_le; i++)
        try_model(s, JUDGE_LE, taus[i], models, &n);
    for (int i = 1; i <= 24; i++)
        try_model(s, JUDGE_S, .04 * i, models, &n);
    for (size_t i = 0; i < COUNT(hinges); i++)
        try_model(s, JUDGE_H, hinges[i], models, &n);
    return n;
}

static void score_all(const struct judge_scaled *s, struct judge_model *models, size_t n, struct judge_fit *out)
{
    size_t closest = 0, best = 0;
    double e[JUDGE_POINTS_MAX];
    for (size_t i = 1; i < n; i++)
        closest = models[i].sse < models[closest].sse ? i : closest;
    judge_fit_residuals(s, &models[closest], e);
    double ne = remembering_n(e, s->n, models[closest].parameters);
    out->ic_linear = out->ic_plateau = INFINITY;
    for (size_t i = 0; i < n; i++) {
        struct judge_model *m = &models[i];
        m->ic = ne * log((m->sse + s->floor_sse) / (double)s->n) + (double)m->parameters * log(ne);
        best = m->ic < models[best].ic ? i : best;
        if (m->kind == JUDGE_L)
            out->ic_linear = m->ic;
        if (m->kind == JUDGE_E)
            out->ic_plateau = fmin(out->ic_plateau, m->ic);
    }
    out->best = models[best];
    out->effective_n = ne;
}

bool judge_fit_beats_line(const struct judge_fit *f)
{
    return f->ic_linear - f->ic_plateau > slowing;
}

bool judge_fit_decelerates(const struct judge_fit *f)
{
    bool line_beneath = f->best.kind == JUDGE_LE && f->best.beta[2] < 0 && f->best.beta[1] <= 1;
    return judge_fit_beats_line(f) && (line_beneath || f->ic_plateau < f->best.ic + delta_ic);
}

bool judge_fit(const struct judge_scaled *s, struct judge_fit *out)
{
    struct judge_model models[JUDGE_MODELS_MAX];
    size_t n = fit_all(s, models);
    memset(out, 0, sizeof *out);
    if (n == 0)
        return false;
    score_all(s, models, n, out);
    double nu = fmax(4, floor(.4 * pow((double)s->n, 2. / 3))), t = judge_t95(nu) * s->t_scale;
    double least_le = INFINITY;
    out->le_hi = NAN;
    out->lo = INFINITY;
    out->hi = -INFINITY;
    for (size_t i = 0; i < n; i++) {
        double rho, se;
        if (models[i].kind == JUDGE_LE && s->fine && models[i].ic < least_le) {
            least_le = models[i].ic;
            out->le_hi = models[i].r + t * standard_error(s, &models[i], &rho);
        }
        if (models[i].ic > out->best.ic + delta_ic)
            continue;
        se = standard_error(s, &models[i], &rho);
        out->lo = fmin(out->lo, models[i].r - t * se);
        out->hi = fmax(out->hi, models[i].r + t * se);
        out->rho = models[i].ic <= out->best.ic ? rho : out->rho;
        out->n_models++;
    }
    out->mde = (out->hi - out->lo) / 2 * (1 + judge_t80(nu) / judge_t95(nu));
    return true;
}
