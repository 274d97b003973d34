// What settles after something far larger than its budget, and whole things that come and go: neither is growth, and
// neither hides it.
#include "judge/trend.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
// cmocka.h needs the three headers above it
#include <cmocka.h>

enum { N = 289, SEEDS = 40 };

static const double day_s = 86400, budget = 24e6; // over the day
static double t[N], y[N];
static unsigned long long seed;

static double uniform(void)
{
    seed = (1103515245u * seed + 12345u) % 2147483648u;
    return (double)seed / 2147483648.0;
}

// signal is in budgets of the whole day; the noise is a fiftieth of one.
static struct judge_growth judged(double (*signal)(double u), double leak, double t_scale)
{
    struct judge_options o = JUDGE_OPTIONS_DEFAULT;
    struct judge_growth g;
    double a = 0;
    seed = 77;
    for (size_t i = 0; i < N; i++) {
        double u = (double)i / (N - 1);
        a = .7 * a + (uniform() - .5) * .05;
        t[i] = u * day_s;
        y[i] = floor((2e10 + (a + signal(u) + leak * u) * budget) / 4096) * 4096;
    }
    o.budget_per_s = budget / day_s;
    o.quantum = 4096;
    o.t_scale = t_scale;
    assert_int_equal(judge_trend(&(struct judge_series){t, y, N}, &o, &g), 0);
    return g;
}

static double filled_to_a_bound(double u)
{
    return 240 * fmin(u / .3, 1);
}

static double random_keys_to_a_bound(double u)
{
    return 100 * fmin((1 - exp(-u / .15)) / .9, 1);
}

static double loaded_twice(double u)
{
    return 60 * fmin(u / .2, 1) + (u > .5 ? 90 : 0);
}

static double start_given_back(double u)
{
    return u > .4 ? 0 : 300;
}

static double batch_once(double u)
{
    return u > .3 && u < .45 ? 50 : 0;
}

// The last of it comes page by page.
static double exponential(double u)
{
    return 1600 * (1 - exp(-u / .07));
}

static double (*const settles[])(double) = {
    filled_to_a_bound, random_keys_to_a_bound, loaded_twice, start_given_back, batch_once, exponential};

static void a_great_transient_is_no_growth(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof settles / sizeof settles[0]; i++) {
        struct judge_growth g = judged(settles[i], 0, 1);
        if (g.verdict != JUDGE_PASS)
            fail_msg("%zu: %s", i, g.reason);
        assert_true(g.warmup_end_s > .09 * day_s && g.warmup_end_s < .8 * day_s);
        assert_true(fabs(g.slope_per_s) < .2 * budget / day_s);
        // a look during the run does not know what is still to come
        assert_int_not_equal(judged(settles[i], 0, 2).verdict, JUDGE_FAIL);
    }
}

static void a_leak_beneath_it_is_found(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof settles / sizeof settles[0]; i++) {
        struct judge_growth g = judged(settles[i], 3, 1);
        if (g.verdict != JUDGE_FAIL)
            fail_msg("%zu: %s", i, g.reason);
        assert_true(fabs(g.slope_per_s * day_s / budget - 3) < .3);
    }
}

static double flank(double u)
{
    return 40 * sin(6.2832 * (.9 * u + .4));
}

static double on_and_off(double u)
{
    double x = 4 * u, n = floor(x);
    return 30 * (n + fmin((x - n) / .5, 1));
}

static double late(double u)
{
    return 80 * fmax(u - .6, 0);
}

// A leak by bursts of many sizes, which happens to rest at the end; a twentieth of the run holds several of them.
static double bursts(double u)
{
    static const double at[] = {.05, .15, .25, .3, .37, .49, .53, .555, .575, .6, .63, .73};
    static const double size[] = {.4, 1.1, .3, .2, .3, .26, .16, .7, .2, .24, .24, .1};
    double sum = 0;
    for (size_t i = 0; i < sizeof at / sizeof at[0]; i++)
        sum += u > at[i] ? size[i] : 0;
    return sum;
}

static void what_may_go_on_is_not_left_out(void **state)
{
    (void)state;
    assert_int_equal(judged(flank, 0, 1).verdict, JUDGE_INCONCLUSIVE);
    assert_int_not_equal(judged(flank, 3, 1).verdict, JUDGE_PASS);
    assert_int_equal(judged(on_and_off, 0, 1).verdict, JUDGE_FAIL);
    assert_int_equal(judged(late, 0, 1).verdict, JUDGE_FAIL);
    assert_int_not_equal(judged(bursts, 0, 1).verdict, JUDGE_PASS);
}

// ---- whole things

static double leaked(double u, double n)
{
    return floor(n * u + .5);
}

static double rare_dips(double u)
{
    (void)u;
    return uniform() < .03 ? -1 : 0;
}

static double connections(double u)
{
    double n = 0;
    (void)u;
    for (int i = 0; i < 60; i++)
        n += uniform() < .1;
    return n;
}

static double opened_late(double u)
{
    return (u > .2) + (u > .55);
}

// Verdicts of SEEDS runs of ten minutes at 1 an hour.
static void count(double (*load)(double u), double leak, int verdicts[3])
{
    verdicts[JUDGE_PASS] = verdicts[JUDGE_FAIL] = verdicts[JUDGE_INCONCLUSIVE] = 0;
    for (unsigned k = 0; k < SEEDS; k++) {
        struct judge_options o = JUDGE_OPTIONS_DEFAULT;
        struct judge_growth g;
        seed = 1000 + 7919 * k;
        for (size_t i = 0; i < N; i++) {
            double u = (double)i / (N - 1);
            t[i] = u * 600;
            y[i] = 20 + load(u) + leaked(u, leak);
        }
        o.budget_per_s = 1. / 3600;
        o.counts = true;
        o.unit = JUDGE_U_COUNT;
        assert_int_equal(judge_trend(&(struct judge_series){t, y, N}, &o, &g), 0);
        verdicts[g.verdict]++;
    }
    print_message("pass %d, inconclusive %d, fail %d\n", verdicts[JUDGE_PASS], verdicts[JUDGE_INCONCLUSIVE],
                  verdicts[JUDGE_FAIL]);
}

static void things_that_come_and_go(void **state)
{
    (void)state;
    int v[3];
    count(rare_dips, 0, v);
    assert_true(v[JUDGE_PASS] >= SEEDS - 2 && v[JUDGE_FAIL] == 0);
    count(opened_late, 0, v);
    assert_int_equal(v[JUDGE_PASS], SEEDS);
    count(connections, 0, v);
    assert_int_equal(v[JUDGE_FAIL], 0);
}

static void things_that_stay(void **state)
{
    (void)state;
    int v[3];
    count(rare_dips, 10, v);
    assert_int_equal(v[JUDGE_FAIL], SEEDS);
    count(connections, 40, v);
    assert_true(v[JUDGE_FAIL] >= SEEDS - 4 && v[JUDGE_PASS] == 0);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_great_transient_is_no_growth),
        cmocka_unit_test(a_leak_beneath_it_is_found),
        cmocka_unit_test(what_may_go_on_is_not_left_out),
        cmocka_unit_test(things_that_come_and_go),
        cmocka_unit_test(things_that_stay),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
