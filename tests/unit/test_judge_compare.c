// Two runs compared: equal runs are told apart in at most 1 % of comparisons, unequal ones are told, and what cannot be
// told is said to be so.
#include "judge/compare.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
// cmocka needs the four above first
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef __SANITIZE_ADDRESS__
enum { PAIRS = 10 }; // ten times slower, and about memory, not about error rates
#else
enum { PAIRS = 200 };
#endif
enum { TICKS = 600, BUCKETS = 200, LEVELS = 6, FIGURES = 2 * LEVELS + 4 };

static uint64_t rng_state;

static double uniform(void)
{
    rng_state = rng_state * 6364136223846793005u + 1442695040888963407u;
    return ((double)(rng_state >> 11) + .5) / 9007199254740992.;
}

static double normal(void)
{
    return sqrt(-2 * log(uniform())) * cos(2 * M_PI * uniform());
}

// What both runs of a pair have in common: everything but the noise.
struct program {
    double level, sigma, rho, fill, tau, leak;
};

static struct program any_program(void)
{
    static const double rhos[] = {0, .5, .8, .95, .99};
    return (struct program){.level = 2e8,
                            .sigma = pow(10, 4 + 2.5 * uniform()),
                            .rho = rhos[(int)(uniform() * 5)],
                            .fill = uniform() < .3 ? 5e7 * uniform() : 0,
                            .tau = 20 + 100 * uniform(),
                            .leak = uniform() < .2 ? 1e6 / 3600 * 20 * uniform() : 0};
}

static void simulate(const struct program *p, double *t, double *y)
{
    double a = normal() * p->sigma;
    for (int i = 0; i < TICKS; i++) {
        a = p->rho * a + sqrt(1 - p->rho * p->rho) * p->sigma * normal();
        t[i] = i;
        y[i] = floor((p->level + a + p->fill * (1 - exp(-i / p->tau)) + p->leak * i) / 4096) * 4096;
    }
}

static void figures_of(const struct program *p, struct judge_measure *level, struct judge_measure *growth)
{
    static double t[TICKS], y[TICKS];
    struct judge_options o = JUDGE_OPTIONS_DEFAULT;
    struct judge_growth g;
    simulate(p, t, y);
    o.budget_per_s = 1e6 / 3600;
    struct judge_series s = {t, y, TICKS}, rest = {t + TICKS / 10, y + TICKS / 10, TICKS - TICKS / 10};
    assert_int_equal(judge_trend(&s, &o, &g), 0);
    judge_measure_growth(&g, &s, growth);
    judge_measure_level(&rest, level);
}

// A load of `rate` a second with log-normal latencies around a median that wanders.
struct load_rig {
    double t[TICKS], edge[BUCKETS + 1];
    uint64_t requests[TICKS], errors[TICKS], bucket[TICKS * BUCKETS];
    struct judge_load load;
};

static void simulate_load(struct load_rig *r, double median_s, double wander, double error_share)
{
    double a = normal() * wander;
    memset(r, 0, sizeof *r);
    for (int b = 1; b <= BUCKETS; b++)
        r->edge[b] = 1e-5 * pow(1.08, b);
    for (int i = 0; i < TICKS; i++) {
        a = .9 * a + sqrt(1 - .81) * wander * normal();
        r->t[i] = i + 1;
        for (int k = 0; k < 50; k++) {
            double v = median_s * exp(a + .5 * normal());
            int b = (int)floor(log(v / 1e-5) / log(1.08));
            r->bucket[i * BUCKETS + (b < 0 ? 0 : b >= BUCKETS ? BUCKETS - 1 : b)]++;
            r->requests[i]++;
            r->errors[i] += uniform() < error_share;
        }
    }
    r->load = (struct judge_load){.labels = "",
                                  .t_s = r->t,
                                  .n = TICKS,
                                  .requests = r->requests,
                                  .errors = r->errors,
                                  .edge_s = r->edge,
                                  .n_buckets = BUCKETS,
                                  .bucket = r->bucket};
}

static void load_figures(struct load_rig *r, struct judge_measure out[4])
{
    judge_measure_load(JUDGE_M_QUANTILE, .5, &r->load, NULL, 0, &out[0]);
    judge_measure_load(JUDGE_M_QUANTILE, .99, &r->load, NULL, 0, &out[1]);
    judge_measure_load(JUDGE_M_ERRORS, 0, &r->load, NULL, 0, &out[2]);
    judge_measure_load(JUDGE_M_RATE, 0, &r->load, NULL, 0, &out[3]);
}

static const double load_floors[4] = {1e-4, 1e-4, 1e-3, 1};

static struct judge_pair level_pair(struct judge_measure a, struct judge_measure b, double floor)
{
    return (struct judge_pair){.base = a, .candidate = b, .share = .1, .floor = floor};
}

static size_t compare_equals(struct load_rig *rig)
{
    struct judge_pair pairs[FIGURES];
    struct judge_difference out[FIGURES];
    size_t n = 0;
    for (int i = 0; i < LEVELS; i++) {
        struct program p = any_program();
        struct judge_measure level[2], growth[2];
        for (int k = 0; k < 2; k++)
            figures_of(&p, &level[k], &growth[k]);
        pairs[n++] = level_pair(level[0], level[1], 1e5);
        pairs[n++] = level_pair(growth[0], growth[1], 1e5 / 3600);
    }
    double median = 1e-3 * (1 + uniform()), wander = .3 * uniform();
    struct judge_measure figure[2][4];
    for (int k = 0; k < 2; k++) {
        simulate_load(rig, median, wander, .01);
        load_figures(rig, figure[k]);
    }
    for (int i = 0; i < 4; i++) {
        pairs[n] = level_pair(figure[0][i], figure[1][i], load_floors[i]);
        pairs[n++].better = i == 3 ? JUDGE_MORE_IS_BETTER : JUDGE_LESS_IS_BETTER;
    }
    return judge_compare(pairs, n, out);
}

// 200 pairs of equal runs with 16 figures each: at most 2 pairs with a false regression.
static void equal_runs_are_not_told_apart(void **state)
{
    (void)state;
    struct load_rig *rig = malloc(sizeof *rig);
    const char *seed = getenv("SEED");
    size_t wrong = 0;
    assert_non_null(rig);
    rng_state = seed ? strtoull(seed, NULL, 10) : 1;
    for (int i = 0; i < PAIRS; i++)
        wrong += compare_equals(rig) > 0;
    print_message("%zu of %d pairs of equal runs had a regression\n", wrong, PAIRS);
    free(rig);
    assert_true(100 * wrong <= PAIRS);
}

static void a_slower_build_is_told(void **state)
{
    (void)state;
    struct load_rig *rig = malloc(sizeof *rig);
    struct judge_measure base[4], candidate[4];
    struct judge_pair pairs[4];
    struct judge_difference out[4];
    assert_non_null(rig);
    rng_state = 3;
    simulate_load(rig, 1e-3, .05, .001);
    load_figures(rig, base);
    simulate_load(rig, 1.4e-3, .05, .03);
    load_figures(rig, candidate);
    free(rig);
    for (int i = 0; i < 4; i++)
        pairs[i] = level_pair(base[i], candidate[i], load_floors[i]);
    pairs[3].better = JUDGE_MORE_IS_BETTER;
    assert_int_equal(judge_compare(pairs, 4, out), 3);
    for (int i = 0; i < 3; i++)
        assert_int_equal(out[i].change, JUDGE_CHANGE_REGRESSION);
    assert_int_equal(out[3].change, JUDGE_CHANGE_SAME);
    assert_true(out[0].lo > .3e-3 && out[0].hi < .5e-3 && out[0].severity == JUDGE_HIGH);
    assert_int_equal(judge_compare_verdict(out, NULL, 4, 0), JUDGE_FAIL);
}

// 600 s, 1 MB/h allowed to be lost a tenth of: a leak of 20 MB/h on a noise of 30 kB is told whatever its colour.
static void a_new_leak_is_told(void **state)
{
    (void)state;
    rng_state = 5;
    for (int i = 0; i < 20; i++) {
        struct program p = {.level = 1e8, .sigma = 3e4, .rho = i % 2 ? .5 : .95, .tau = 1};
        struct judge_measure level, growth[2];
        struct judge_difference out;
        figures_of(&p, &level, &growth[0]);
        p.leak = 20e6 / 3600;
        figures_of(&p, &level, &growth[1]);
        struct judge_pair pair = level_pair(growth[0], growth[1], 1e5 / 3600);
        assert_int_equal(judge_compare(&pair, 1, &out), 1);
        assert_int_equal(out.severity, JUDGE_CRITICAL);
        pair = level_pair(growth[1], growth[0], 1e5 / 3600);
        assert_int_equal(judge_compare(&pair, 1, &out), 0);
        assert_int_equal(out.change, JUDGE_CHANGE_IMPROVEMENT);
    }
}

static struct judge_measure sure(double value, double se)
{
    return (struct judge_measure){.value = value, .se_lo = se, .se_hi = se, .nu = 30, .plain = NAN};
}

static void words_and_directions(void **state)
{
    (void)state;
    struct judge_pair pairs[] = {
        {sure(100, 1), sure(109, 1), JUDGE_LESS_IS_BETTER, .1, 0, false}, // 9 % more: within 10 % but not surely
        {sure(100, .1), sure(105, .1), JUDGE_LESS_IS_BETTER, .1, 0, false},
        {sure(100, .1), sure(80, .1), JUDGE_LESS_IS_BETTER, .1, 0, false},
        {sure(100, .1), sure(80, .1), JUDGE_MORE_IS_BETTER, .1, 0, false},
        {sure(1, .001), sure(2, .001), JUDGE_LESS_IS_BETTER, .1, 5, false}, // twice as much, but under the floor
        {{.value = NAN, .plain = NAN}, sure(2, .001), JUDGE_LESS_IS_BETTER, .1, 5, false},
        {sure(0, 0), sure(1, 0), JUDGE_LESS_IS_BETTER, .1, .9, true},
        {sure(0, 0), sure(0, 0), JUDGE_LESS_IS_BETTER, .1, .9, true},
    };
    enum { N = sizeof pairs / sizeof pairs[0] };
    static const enum judge_change expected[N] = {
        JUDGE_CHANGE_UNCLEAR, JUDGE_CHANGE_SAME,    JUDGE_CHANGE_IMPROVEMENT, JUDGE_CHANGE_REGRESSION,
        JUDGE_CHANGE_SAME,    JUDGE_CHANGE_UNKNOWN, JUDGE_CHANGE_REGRESSION,  JUDGE_CHANGE_SAME,
    };
    struct judge_difference out[N];
    assert_int_equal(judge_compare(pairs, N, out), 2);
    for (int i = 0; i < N; i++)
        assert_int_equal(out[i].change, expected[i]);
    assert_int_equal(out[3].severity, JUDGE_MEDIUM); // lost twice what is allowed
    assert_int_equal(out[6].severity, JUDGE_CRITICAL);
    assert_true(isnan(out[6].relative) && isnan(out[5].value));
    assert_int_equal(judge_compare_verdict(out, NULL, 2, 0), JUDGE_INCONCLUSIVE);
    bool decisive[2] = {false, true};
    assert_int_equal(judge_compare_verdict(out, decisive, 2, 0), JUDGE_PASS);
    assert_int_equal(judge_compare_verdict(out, decisive, 2, 1), JUDGE_FAIL);
    assert_int_equal(judge_compare_verdict(out + 5, decisive, 1, 0), JUDGE_INCONCLUSIVE);
    assert_int_equal(judge_compare_verdict(NULL, NULL, 0, 0), JUDGE_INCONCLUSIVE);
}

static void stacks_new_steeper_gone(void **state)
{
    (void)state;
    const double b = 1e6 / 3600;
    struct judge_stack_pair pairs[] = {
        {false, {0, 0, 0}, {2 * b, 1.9 * b, 2.1 * b}, true, false},            // new
        {true, {b, .95 * b, 1.05 * b}, {2 * b, 1.9 * b, 2.1 * b}, true, true}, // steeper
        {true, {b, .95 * b, 1.05 * b}, {b, .95 * b, 1.05 * b}, true, true},    // the same leak
        {true, {b, .95 * b, 1.05 * b}, {0, -.01 * b, .01 * b}, false, true},   // mended
        {true, {4 * b, 3.9 * b, 4.1 * b}, {b, .95 * b, 1.05 * b}, true, true}, // better
        {false, {0, 0, 0}, {.03 * b, .02 * b, .04 * b}, true, false},          // new, and too small to matter
        {true, {0, -.1 * b, .1 * b}, {2 * b, -3 * b, 7 * b}, false, false},    // noise
    };
    enum { N = sizeof pairs / sizeof pairs[0] };
    static const enum judge_stack_change expected[N] = {JUDGE_STACK_NEW,  JUDGE_STACK_STEEPER, JUDGE_STACK_SAME,
                                                        JUDGE_STACK_GONE, JUDGE_STACK_SLOWER,  JUDGE_STACK_SAME,
                                                        JUDGE_STACK_SAME};
    struct judge_stack_difference out[N];
    assert_int_equal(judge_compare_stacks(pairs, N, .1, b, out), 2);
    for (int i = 0; i < N; i++)
        assert_int_equal(out[i].change, expected[i]);
    assert_int_equal(out[0].severity, JUDGE_CRITICAL);
    assert_int_equal(out[2].severity, JUDGE_SEVERITY_NONE);
    assert_int_equal(judge_compare_stacks(pairs, 0, .1, b, out), 0);
}

static void too_little_is_unknown(void **state)
{
    (void)state;
    double t[9] = {0, 1, 2, 3, 4, 5, 6, 7, 8}, y[9] = {0};
    struct judge_measure m;
    struct judge_series s = {t, y, 9};
    judge_measure_level(&s, &m);
    assert_true(isnan(m.value) && m.why != NULL);
    struct load_rig *rig = malloc(sizeof *rig);
    assert_non_null(rig);
    rng_state = 4;
    simulate_load(rig, 1e-3, .1, 0);
    rig->load.n = 3; // 150 requests hold no p99 eight times over
    judge_measure_load(JUDGE_M_QUANTILE, .99, &rig->load, NULL, 0, &m);
    assert_true(isnan(m.value) && m.why != NULL);
    rig->load.n = 600;
    judge_measure_load(JUDGE_M_ERRORS, 0, &rig->load, NULL, 0, &m);
    assert_true(m.value == 0 && m.se_hi > 0); // none seen is not certainly none
    free(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_runs_are_not_told_apart),
        cmocka_unit_test(a_slower_build_is_told),
        cmocka_unit_test(a_new_leak_is_told),
        cmocka_unit_test(words_and_directions),
        cmocka_unit_test(stacks_new_steeper_gone),
        cmocka_unit_test(too_little_is_unknown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
