// Values that come in steps as large as the budget: no leak passes for a table or two, and no noise between two levels
// fails.
#include "judge/trend.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
// cmocka needs the four above first
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { N = 300 };
static const double interval_s = 12, piece = 4194304; // an hour, of whole pieces of 4 MiB

static double next_uniform(uint64_t *x)
{
    *x = (1103515245u * *x + 12345u) % 2147483648u;
    return (double)*x / 2147483648.0;
}

// Grows by so many pieces in the run, beneath noise of a share of one, and is seen in whole pieces (or in pages).
static struct judge_growth judged(double pieces, double noise, double offset, bool coarse, double budget_pieces,
                                  double quantum)
{
    double t[N], y[N], grain = coarse ? piece : 4096;
    uint64_t x = 7;
    struct judge_growth g;
    struct judge_options o = JUDGE_OPTIONS_DEFAULT;
    for (size_t i = 0; i < N; i++) {
        t[i] = (double)i * interval_s;
        double exact = 100 + offset + pieces * (double)i / (N - 1) + noise * (next_uniform(&x) + next_uniform(&x) - 1);
        y[i] = floor(exact * piece / grain) * grain;
    }
    o.budget_per_s = budget_pieces * piece / t[N - 1];
    o.quantum = quantum;
    assert_int_equal(judge_trend(&(struct judge_series){t, y, N}, &o, &g), 0);
    return g;
}

static void a_leak_of_two_pieces_is_no_pair_of_steps(void **state)
{
    (void)state;
    for (double offset = 0; offset < 1; offset += .1) {
        struct judge_growth g = judged(2.2, .02, offset, true, 1, 4096);
        assert_int_not_equal(g.verdict, JUDGE_PASS);
        g = judged(3, .02, offset, true, 1, 4096);
        assert_int_not_equal(g.verdict, JUDGE_PASS);
    }
    struct judge_growth g = judged(2.2, .02, .3, true, 1, 4096);
    assert_int_equal(g.verdict, JUDGE_INCONCLUSIVE);
    assert_non_null(strstr(g.reason, "steps of 4.19 MB: too coarse"));
    assert_int_equal(judged(2.2, .02, .3, false, 1, 4096).verdict, JUDGE_FAIL); // what pages show
}

static void noise_between_two_levels_is_no_leak(void **state)
{
    (void)state;
    for (double offset = 0; offset < 1; offset += .1) {
        struct judge_growth g = judged(.2, .2, offset, true, 1, 4096);
        assert_int_not_equal(g.verdict, JUDGE_FAIL);
    }
}

// Where the pieces are small beside the budget they change nothing.
static void pieces_that_are_small_decide(void **state)
{
    (void)state;
    assert_int_equal(judged(2, .1, .5, true, 20, 4096).verdict, JUDGE_PASS);
    assert_int_equal(judged(60, .1, .5, true, 20, 4096).verdict, JUDGE_FAIL);
}

// A grain that is known counts even where nothing changes: a table of whole pieces.
static void a_known_grain_counts_without_a_change(void **state)
{
    (void)state;
    assert_int_equal(judged(0, 0, .5, true, 1, piece).verdict, JUDGE_INCONCLUSIVE);
    assert_int_equal(judged(0, 0, .5, true, 3, piece).verdict, JUDGE_PASS);
    assert_int_equal(judged(0, 0, .5, true, 1, 4096).verdict, JUDGE_PASS); // constant, to the page
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_leak_of_two_pieces_is_no_pair_of_steps),
        cmocka_unit_test(noise_between_two_levels_is_no_leak),
        cmocka_unit_test(pieces_that_are_small_decide),
        cmocka_unit_test(a_known_grain_counts_without_a_change),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
