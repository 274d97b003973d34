// The trend procedure: the golden cases to four digits, every branch of the verdict, degenerate series, invariances.
// The noise generator is the one of docs/METHOD.md, so that anybody can recompute these numbers.
#include "judge/fit.h"
#include "judge/trend.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
// cmocka.h needs the four headers above it
#include <cmocka.h>

#define MIB                          1048576.0
#define assert_near(a, b, tolerance) assert_true(fabs((a) - (b)) <= (tolerance)) // cmocka compares floats only

enum { N = 288 };

struct made {
    double t[N];
    double y[N];
};

static double golden_signal(int g, size_t i, double h)
{
    switch (g) {
    case 1:
        return .25 * MIB * h;
    case 2:
        return 2.5 * MIB * h;
    case 3:
        return 3e7 * (1 - exp(-h / 2));
    case 4:
        return h >= 12 ? 12e6 : 0;
    case 5:
        return 6 * MIB * fmax(h - 15, 0);
    case 6:
        return 9e7 * (double)(i % 17) / 17 + 2 * MIB * h;
    case 7:
        return 1.2e8 * (1 - exp(-h / 24));
    case 8:
        return 1e7 * floor(h / 2);
    default:
        return 0;
    }
}

// The correlated noise of the golden cases, 288 values five minutes apart.
static void noise(double a[N])
{
    uint64_t x = 1;
    double last = 0;
    for (size_t i = 0; i < N; i++) {
        x = (1103515245u * x + 12345u) % 2147483648u;
        last = .7 * last + ((double)x / 2147483648.0 - .5) * 1e6;
        a[i] = last;
    }
}

static void make_golden(int g, struct made *m)
{
    double a[N];
    noise(a);
    for (size_t i = 0; i < N; i++) {
        m->t[i] = (double)i * 300;
        m->y[i] = floor((2e8 + a[i] + golden_signal(g, i, m->t[i] / 3600)) / 4096) * 4096;
    }
}

static struct judge_options budget_of(double per_h)
{
    struct judge_options o = JUDGE_OPTIONS_DEFAULT;
    o.budget_per_s = per_h / 3600;
    return o;
}

static struct judge_growth judged(const double *t, const double *y, size_t n, const struct judge_options *o)
{
    struct judge_growth g;
    assert_int_equal(judge_trend(&(struct judge_series){t, y, n}, o, &g), 0);
    assert_true(g.reason[0] != '\0');
    return g;
}

static void golden_cases(void **state)
{
    (void)state;
    static const struct {
        enum judge_verdict verdict;
        const char *model;
        double r, lo, hi, mde;
        size_t set;
        enum judge_shape shape;
    } want[] = {
        {JUDGE_PASS, "L", .2341, .2153, .2529, .0282, 1, JUDGE_SHAPE_LINEAR},
        {JUDGE_FAIL, "L", 2.4841, 2.4653, 2.5029, .0282, 1, JUDGE_SHAPE_LINEAR},
        {JUDGE_PASS, "E0.1", .0002, -.0431, .0100, .0397, 2, JUDGE_SHAPE_PLATEAU},
        {JUDGE_PASS, "S0.44", .0109, -.0298, .0516, .0609, 1, JUDGE_SHAPE_STEP},
        {JUDGE_FAIL, "H0.6", 6.1657, 5.8991, 6.4324, .3987, 1, JUDGE_SHAPE_LATE},
        {JUDGE_FAIL, "troughs L", 1.9746, 1.9199, 2.0293, .0789, 1, JUDGE_SHAPE_SAWTOOTH},
        {JUDGE_INCONCLUSIVE, "E1", 1.6507, 1.6354, 1.6659, .0228, 1, JUDGE_SHAPE_PLATEAU},
        {JUDGE_FAIL, "cycle10.5 L", 4.7344, 4.6618, 4.8070, .1086, 1, JUDGE_SHAPE_STAIRCASE},
    };
    struct judge_options o = budget_of(MIB);
    for (int i = 0; i < 8; i++) {
        struct made m;
        make_golden(i + 1, &m);
        struct judge_growth g = judged(m.t, m.y, N, &o);
        double b = o.budget_per_s;
        assert_int_equal(g.verdict, want[i].verdict);
        assert_string_equal(g.model, want[i].model);
        assert_near(g.slope_per_s / b, want[i].r, 1e-3);
        assert_near(g.lo_per_s / b, want[i].lo, 1e-3);
        assert_near(g.hi_per_s / b, want[i].hi, 1e-3);
        assert_near(g.mde_per_s / b, want[i].mde, 1e-3);
        assert_int_equal(g.n_models, want[i].set);
        assert_int_equal(g.shape, want[i].shape);
    }
}

static void golden_words(void **state)
{
    (void)state;
    struct judge_options o = budget_of(MIB);
    struct made m;
    make_golden(4, &m);
    struct judge_growth g = judged(m.t, m.y, N, &o);
    assert_string_equal(g.shape_text, "step of 11.6 MB at 12:00:00, flat since");
    assert_near(g.event_t_s, 12 * 3600, 1);
    assert_near(g.event_size, 12e6, 1e6);
    make_golden(6, &m);
    g = judged(m.t, m.y, N, &o);
    assert_string_equal(g.shape_text, "sawtooth, floor rising");
    make_golden(7, &m);
    g = judged(m.t, m.y, N, &o);
    assert_non_null(strstr(g.reason, "slowing"));
    assert_near(g.tau_s, .9 * 24 * 3600, .01 * 24 * 3600);
    assert_true(g.half_ratio > .5 && g.half_ratio < .8);
}

static void fill(struct made *m, double dt, double amp, double (*signal)(double u))
{
    double a[N];
    noise(a);
    for (size_t i = 0; i < N; i++) {
        m->t[i] = (double)i * dt;
        m->y[i] = 1e8 + amp * a[i] + signal((double)i / (N - 1));
    }
}

static double still(double u)
{
    (void)u;
    return 0;
}
// The budget of these runs is 24 MiB over the run.
static double fast_plateau(double u)
{
    return 200 * MIB * (1 - exp(-u / .12));
}
static double big_early_step(double u)
{
    return u > .3 ? 60 * MIB : 0;
}
static double big_late_step(double u)
{
    return u > .9 ? 60 * MIB : 0;
}
static double flat_then_tail(double u)
{
    return u > .85 ? 100 * MIB * (u - .85) : 0;
}
static double at_budget(double u)
{
    return 24 * MIB * u;
}
static double stairs(double u)
{
    return 14 * MIB * floor(u * 7);
}

static void flat_noise_passes(void **state)
{
    (void)state;
    struct judge_options o = budget_of(MIB);
    struct made m;
    fill(&m, 300, 1, still);
    struct judge_growth g = judged(m.t, m.y, N, &o);
    assert_int_equal(g.verdict, JUDGE_PASS);
    assert_true(g.lo_per_s < 0 && g.hi_per_s > 0 && g.resolves);
    assert_true(isnan(g.settle_duration_s));
}

static void warmup_is_found(void **state)
{
    (void)state;
    struct judge_options o = budget_of(MIB);
    struct made m;
    fill(&m, 300, 1, fast_plateau);
    struct judge_growth g = judged(m.t, m.y, N, &o);
    assert_int_equal(g.verdict, JUDGE_PASS);
    assert_int_equal(g.shape, JUDGE_SHAPE_PLATEAU);
    assert_true(g.n_recuts >= 1);
    assert_true(g.warmup_end_s > .2 * 86400);
    assert_non_null(strstr(g.reason, "warm-up ended at"));
    fill(&m, 300, 1, big_early_step);
    g = judged(m.t, m.y, N, &o);
    assert_int_equal(g.verdict, JUDGE_PASS);
    assert_int_equal(g.shape, JUDGE_SHAPE_STEP);
}

static void unclear_growth_is_inconclusive(void **state)
{
    (void)state;
    struct judge_options o = budget_of(MIB);
    struct made m;
    fill(&m, 300, 1, big_late_step);
    struct judge_growth g = judged(m.t, m.y, N, &o);
    assert_int_equal(g.verdict, JUDGE_INCONCLUSIVE);
    assert_non_null(strstr(g.reason, "grew within the window"));
    fill(&m, 300, 1, flat_then_tail);
    g = judged(m.t, m.y, N, &o);
    assert_int_not_equal(g.verdict, JUDGE_PASS);
    fill(&m, 300, 4, at_budget);
    g = judged(m.t, m.y, N, &o);
    assert_int_equal(g.verdict, JUDGE_INCONCLUSIVE);
    assert_non_null(strstr(g.reason, "inside the interval"));
}

static void too_noisy_says_so(void **state)
{
    (void)state;
    struct judge_options o = budget_of(MIB);
    struct made m;
    fill(&m, 300, 400, still);
    struct judge_growth g = judged(m.t, m.y, N, &o);
    assert_int_equal(g.verdict, JUDGE_INCONCLUSIVE);
    assert_false(g.resolves);
    assert_true(g.mde_per_s > o.budget_per_s);
    assert_non_null(strstr(g.reason, "cannot resolve"));
    assert_true(g.settle_duration_s > g.window_s);
}

static void stairs_fail(void **state)
{
    (void)state;
    struct judge_options o = budget_of(1.5 * MIB);
    struct made m;
    fill(&m, 300, .2, stairs);
    struct judge_growth g = judged(m.t, m.y, N, &o);
    assert_int_equal(g.verdict, JUDGE_FAIL);
    assert_int_equal(g.shape, JUDGE_SHAPE_STAIRCASE);
}

static void short_runs_work(void **state)
{
    (void)state;
    struct judge_options o = budget_of(10e6);
    double t[240], y[240];
    for (int leak = 0; leak < 2; leak++) {
        for (size_t i = 0; i < 240; i++) {
            t[i] = 1000 + (double)i * .25;
            y[i] = floor((5e7 + (leak ? 4 * o.budget_per_s * t[i] : 0)) / 4096) * 4096;
        }
        struct judge_growth g = judged(t, y, 240, &o);
        assert_int_equal(g.verdict, leak ? JUDGE_FAIL : JUDGE_PASS);
        assert_true(g.warmup_end_s >= 1005.9 && g.warmup_end_s < 1006.3);
    }
}

static void constant_passes_within_its_grain(void **state)
{
    (void)state;
    struct judge_options o = budget_of(MIB);
    double t[300], y[300];
    for (size_t i = 0; i < 300; i++) {
        t[i] = (double)i;
        y[i] = 123 * 4096.0;
    }
    struct judge_growth g = judged(t, y, 300, &o);
    assert_int_equal(g.verdict, JUDGE_PASS);
    assert_int_equal(g.shape, JUDGE_SHAPE_FLAT);
    assert_near(g.slope_per_s, 0, 1e-9);
    double width = g.hi_per_s - g.lo_per_s; // of a uniform error of one page
    double expect = 2 * 1.746 * 4096 / sqrt(12) * sqrt(12. / 270) / 270;
    assert_near(width, expect, .05 * expect);
    o.quantum = 0;
    g = judged(t, y, 300, &o);
    assert_int_equal(g.verdict, JUDGE_PASS);
    assert_near(g.hi_per_s, 0, 1e-6 * o.budget_per_s);
}

static void degenerate_input_is_inconclusive(void **state)
{
    (void)state;
    struct judge_options o = budget_of(MIB);
    double t[64], y[64];
    for (size_t i = 0; i < 64; i++) {
        t[i] = (double)i;
        y[i] = 1e6;
    }
    for (size_t n = 0; n <= 44; n++) { // 45 samples leave 40 after the warm-up
        struct judge_growth g = judged(t, y, n, &o);
        assert_int_equal(g.verdict, JUDGE_INCONCLUSIVE);
        assert_true(isnan(g.slope_per_s) && isnan(g.mde_per_s));
        assert_int_equal(g.n_given, n);
    }
    assert_int_equal(judged(t, y, 50, &o).verdict, JUDGE_PASS);
    y[10] = NAN;
    assert_int_equal(judged(t, y, 50, &o).verdict, JUDGE_INCONCLUSIVE);
    y[10] = INFINITY;
    assert_non_null(strstr(judged(t, y, 50, &o).reason, "finite"));
    y[10] = 1e6;
    t[10] = t[9];
    assert_non_null(strstr(judged(t, y, 50, &o).reason, "times"));
    t[10] = 10;
    o.budget_per_s = NAN;
    assert_int_equal(judged(t, y, 50, &o).verdict, JUDGE_INCONCLUSIVE);
    o.budget_per_s = -1;
    assert_non_null(strstr(judged(t, y, 50, &o).reason, "budget"));
    o.budget_per_s = 1;
    o.warmup_s = 1e9;
    assert_int_equal(judged(t, y, 50, &o).verdict, JUDGE_INCONCLUSIVE);
}

static void zero_budget_allows_one_quantum(void **state)
{
    (void)state;
    struct judge_options o = budget_of(0);
    double t[400], y[400];
    for (int leak = 0; leak < 2; leak++) {
        for (size_t i = 0; i < 400; i++) {
            t[i] = (double)i;
            y[i] = 1e8 + (leak ? 4096. * floor((double)i / 20) : 0);
        }
        struct judge_growth g = judged(t, y, 400, &o);
        assert_int_equal(g.verdict, leak ? JUDGE_FAIL : JUDGE_PASS);
        assert_near(g.budget_per_s * g.window_s, 4096, 1e-6);
    }
}

static void shift_and_scale_change_nothing(void **state)
{
    (void)state;
    struct judge_options o = budget_of(MIB), scaled = budget_of(8 * MIB);
    scaled.quantum = 8 * 4096;
    for (int c = 1; c <= 8; c++) {
        struct made m, s;
        make_golden(c, &m);
        for (size_t i = 0; i < N; i++) {
            s.t[i] = m.t[i] + 1e6;
            s.y[i] = 8 * m.y[i] + 4e9;
        }
        struct judge_growth a = judged(m.t, m.y, N, &o), b = judged(s.t, s.y, N, &scaled);
        assert_int_equal(a.verdict, b.verdict);
        assert_string_equal(a.model, b.model);
        assert_near(8 * a.slope_per_s, b.slope_per_s, 1e-6 * o.budget_per_s);
        assert_near(8 * a.lo_per_s, b.lo_per_s, 1e-6 * o.budget_per_s);
        assert_near(8 * a.hi_per_s, b.hi_per_s, 1e-6 * o.budget_per_s);
        // Time twice as slow with half the budget is the same question.
        struct judge_options slow = budget_of(MIB / 2);
        for (size_t i = 0; i < N; i++)
            s.t[i] = 2 * m.t[i];
        b = judged(s.t, m.y, N, &slow);
        assert_int_equal(a.verdict, b.verdict);
        assert_near(a.slope_per_s, 2 * b.slope_per_s, 1e-6 * o.budget_per_s);
    }
}

static void excluded_time_is_cut_out(void **state)
{
    (void)state;
    struct judge_options o = budget_of(MIB);
    struct judge_span pause[] = {{20000, 40000}, {60000, 60000 + 36000}};
    double t[2 * N], y[2 * N];
    struct made m;
    make_golden(5, &m);
    size_t n = 0;
    double shift = 0;
    for (size_t i = 0; i < N; i++) { // the same series with two stretches of rubbish put between
        for (int p = 0; p < 2; p++) {
            if (shift < p * 20000 + 1 && m.t[i] + shift >= pause[p].from_s && (p == 0 ? shift == 0 : shift > 0)) {
                for (int k = 1; k <= 20; k++) {
                    t[n] = pause[p].from_s + k;
                    y[n++] = 9e9;
                }
                shift += pause[p].to_s - pause[p].from_s;
            }
        }
        t[n] = m.t[i] + shift + 50;
        y[n++] = m.y[i];
    }
    o.excluded = pause;
    o.n_excluded = 2;
    struct judge_growth a = judged(t, y, n, &o);
    o.n_excluded = 0;
    struct judge_growth b = judged(m.t, m.y, N, &o);
    assert_int_equal(a.verdict, b.verdict);
    assert_near(a.slope_per_s, b.slope_per_s, .02 * b.slope_per_s);
    assert_near(a.event_t_s, b.event_t_s + 56000, 1000);
}

static void gaps_are_counted_and_cap(void **state)
{
    (void)state;
    struct judge_options o = budget_of(MIB);
    double t[240], y[240];
    for (size_t i = 0; i < 240; i++) {
        t[i] = (double)i * 300 + (i >= 100 ? 3000 : 0);
        y[i] = 1e8;
    }
    struct judge_growth g = judged(t, y, 240, &o);
    assert_int_equal(g.n_gaps, 1);
    assert_int_equal(g.verdict, JUDGE_PASS);
    for (size_t i = 100; i < 240; i++)
        t[i] += 40000;
    g = judged(t, y, 240, &o);
    assert_int_equal(g.verdict, JUDGE_INCONCLUSIVE);
    assert_non_null(strstr(g.reason, "missing"));
}

static void a_long_period_caps_the_verdict(void **state)
{
    (void)state;
    struct judge_options o = budget_of(MIB);
    struct made m;
    fill(&m, 300, 1, still);
    o.period_s = 86400;
    assert_int_equal(judged(m.t, m.y, N, &o).verdict, JUDGE_INCONCLUSIVE);
    o.period_s = 6 * 3600;
    assert_int_equal(judged(m.t, m.y, N, &o).verdict, JUDGE_PASS);
}

static void counts_are_judged_by_their_floor(void **state)
{
    (void)state;
    struct judge_options o = budget_of(1);
    o.counts = true;
    o.unit = JUDGE_U_COUNT;
    double t[240], y[240];
    for (int leak = 0; leak < 2; leak++) {
        for (size_t i = 0; i < 240; i++) { // connections come and go, the floor does not
            t[i] = (double)i * .25;
            y[i] = 12 + (double)(i * 7 % 5) + (leak ? floor((double)i / 10) : 0);
        }
        struct judge_growth g = judged(t, y, 240, &o);
        assert_int_equal(g.verdict, leak ? JUDGE_FAIL : JUDGE_PASS);
    }
}

static void total_growth_has_its_own_answer(void **state)
{
    (void)state;
    struct judge_options o = budget_of(100 * MIB);
    struct made m;
    make_golden(2, &m); // grows about 60 MiB
    o.total_limit = 10e6;
    assert_int_equal(judged(m.t, m.y, N, &o).total_verdict, JUDGE_FAIL);
    o.total_limit = 100e6;
    struct judge_growth g = judged(m.t, m.y, N, &o);
    assert_int_equal(g.total_verdict, JUDGE_PASS);
    assert_near(g.total_growth, 2.5 * 24 * .94 * MIB, 3e6);
    o.total_limit = g.total_growth;
    assert_int_equal(judged(m.t, m.y, N, &o).total_verdict, JUDGE_INCONCLUSIVE);
    o.baseline = m.y[0] + 50e6;
    o.total_limit = 20e6;
    assert_int_equal(judged(m.t, m.y, N, &o).total_verdict, JUDGE_PASS);
}

static void ten_times_binned_is_the_same(void **state)
{
    (void)state;
    size_t n = 288000;
    double *t = malloc(n * sizeof *t), *y = malloc(n * sizeof *y);
    struct judge_options o = budget_of(MIB);
    struct made m;
    make_golden(2, &m);
    assert_true(t && y);
    for (size_t i = 0; i < n; i++) {
        t[i] = (double)i * .3;
        y[i] = m.y[i / 1000];
    }
    struct judge_growth g = judged(t, y, n, &o);
    assert_int_equal(g.n_used, JUDGE_POINTS_MAX);
    assert_int_equal(g.verdict, JUDGE_FAIL);
    assert_near(g.slope_per_s, 2.484 * o.budget_per_s, .02 * o.budget_per_s);
    free(t);
    free(y);
}

static void wide_quantiles_widen_the_interval(void **state)
{
    (void)state;
    struct judge_options o = budget_of(MIB), early = o;
    early.t_scale = 2;
    struct made m;
    make_golden(2, &m);
    struct judge_growth a = judged(m.t, m.y, N, &o), b = judged(m.t, m.y, N, &early);
    assert_near(b.hi_per_s - b.lo_per_s, 2 * (a.hi_per_s - a.lo_per_s), 1e-9);
}

static struct judge_growth with(enum judge_verdict v, double lo)
{
    return (struct judge_growth){.verdict = v, .lo_per_s = lo, .budget_per_s = 1};
}

static void resident_and_allocated_combine(void **state)
{
    (void)state;
    static const struct {
        enum judge_verdict rss, heap;
        double heap_lo;
        enum judge_verdict want;
        bool label;
    } row[] = {
        {JUDGE_PASS, JUDGE_PASS, 0, JUDGE_PASS, false},
        {JUDGE_PASS, JUDGE_FAIL, 2, JUDGE_FAIL, false},
        {JUDGE_FAIL, JUDGE_PASS, 0, JUDGE_FAIL, true},
        {JUDGE_FAIL, JUDGE_FAIL, 2, JUDGE_FAIL, false},
        {JUDGE_PASS, JUDGE_INCONCLUSIVE, .2, JUDGE_PASS, false},
        {JUDGE_PASS, JUDGE_INCONCLUSIVE, .7, JUDGE_INCONCLUSIVE, false},
        {JUDGE_PASS, JUDGE_INCONCLUSIVE, NAN, JUDGE_PASS, false},
        {JUDGE_INCONCLUSIVE, JUDGE_PASS, 0, JUDGE_INCONCLUSIVE, false},
    };
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        char label[80];
        struct judge_growth r = with(row[i].rss, 0), h = with(row[i].heap, row[i].heap_lo);
        assert_int_equal(judge_combine(&r, &h, label, sizeof label), row[i].want);
        assert_int_equal(label[0] != '\0', row[i].label);
    }
}

static void close_compares_levels(void **state)
{
    (void)state;
    double before[12], after[12];
    struct judge_level level;
    for (size_t i = 0; i < 12; i++) {
        before[i] = 5e7 + (i % 2 ? 1e5 : -1e5);
        after[i] = before[i] + 1e6;
    }
    assert_int_equal(judge_close(before, 12, after, 12, 10e6, JUDGE_U_BYTES, &level), 0);
    assert_int_equal(level.verdict, JUDGE_PASS);
    assert_near(level.difference, 1e6, 1);
    assert_true(level.margin > 0 && level.margin < 5e5);
    assert_int_equal(judge_close(before, 12, after, 12, 1e5, JUDGE_U_BYTES, &level), 0);
    assert_int_equal(level.verdict, JUDGE_FAIL);
    assert_int_equal(judge_close(before, 12, after, 12, 1e6, JUDGE_U_BYTES, &level), 0);
    assert_int_equal(level.verdict, JUDGE_INCONCLUSIVE);
    assert_int_equal(judge_close(before, 9, after, 12, 10e6, JUDGE_U_BYTES, &level), 0);
    assert_int_equal(level.verdict, JUDGE_INCONCLUSIVE);
    after[3] = NAN;
    assert_int_equal(judge_close(before, 12, after, 12, 10e6, JUDGE_U_BYTES, &level), 0);
    assert_int_equal(level.verdict, JUDGE_INCONCLUSIVE);
}

static void reload_tells_retention_from_leak(void **state)
{
    (void)state;
    char why[160];
    assert_int_equal(judge_reload(50e6, 1e6, 1e5, 0, why, sizeof why), JUDGE_PASS);
    assert_int_equal(judge_reload(50e6, 45e6, 1e5, 0, why, sizeof why), JUDGE_FAIL);
    assert_int_equal(judge_reload(50e6, 5e6, 1e6, 0, why, sizeof why), JUDGE_INCONCLUSIVE);
    assert_int_equal(judge_reload(1e4, 2e4, 1e5, 0, why, sizeof why), JUDGE_PASS);
    assert_int_equal(judge_reload(NAN, 2e4, 1e5, 0, why, sizeof why), JUDGE_INCONCLUSIVE);
    assert_int_equal(judge_reload(50e6, 45e6, 1e5, 60e6, why, sizeof why), JUDGE_PASS); // within its budget
    assert_int_equal(judge_reload(-3e6, 9e6, 1e5, 0, why, sizeof why), JUDGE_FAIL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(golden_cases),
        cmocka_unit_test(golden_words),
        cmocka_unit_test(flat_noise_passes),
        cmocka_unit_test(warmup_is_found),
        cmocka_unit_test(unclear_growth_is_inconclusive),
        cmocka_unit_test(too_noisy_says_so),
        cmocka_unit_test(stairs_fail),
        cmocka_unit_test(short_runs_work),
        cmocka_unit_test(constant_passes_within_its_grain),
        cmocka_unit_test(degenerate_input_is_inconclusive),
        cmocka_unit_test(zero_budget_allows_one_quantum),
        cmocka_unit_test(shift_and_scale_change_nothing),
        cmocka_unit_test(excluded_time_is_cut_out),
        cmocka_unit_test(gaps_are_counted_and_cap),
        cmocka_unit_test(a_long_period_caps_the_verdict),
        cmocka_unit_test(counts_are_judged_by_their_floor),
        cmocka_unit_test(total_growth_has_its_own_answer),
        cmocka_unit_test(ten_times_binned_is_the_same),
        cmocka_unit_test(wide_quantiles_widen_the_interval),
        cmocka_unit_test(resident_and_allocated_combine),
        cmocka_unit_test(close_compares_levels),
        cmocka_unit_test(reload_tells_retention_from_leak),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
