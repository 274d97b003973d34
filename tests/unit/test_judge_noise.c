// Noise that the models do not describe, and curves that look like other curves: what must not be read into them.
// Sixty-four series of each kind from a generator of its own, so that shares can be asserted and never change.
#include "judge/trend.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
// cmocka.h needs the four headers above it
#include <cmocka.h>

enum { N = 300, SERIES = 64 };

// A run of one day against 24 MB; amounts are in budgets over the run.
static const double budget = 24e6, run_s = 86400;

struct tally {
    size_t verdict[3];
    size_t shape[JUDGE_SHAPES];
    size_t covered; // intervals that hold the rate
};

// Noise of the amounts fast (each sample anew) and slow (a correlation of .95 between neighbours).
struct noise {
    double fast;
    double slow;
};

static uint64_t state_of_random;

static double normal(void)
{
    double sum = 0;
    for (int i = 0; i < 12; i++) {
        state_of_random = state_of_random * 6364136223846793005u + 1442695040888963407u;
        sum += (double)(state_of_random >> 11) / 9007199254740992.0;
    }
    return sum - 6;
}

static struct tally judged(struct noise noise, double (*signal)(double u, size_t which), double rate)
{
    struct judge_options o = JUDGE_OPTIONS_DEFAULT;
    struct tally tally = {0};
    double t[N], y[N];
    o.budget_per_s = budget / run_s;
    state_of_random = 2026;
    for (size_t k = 0; k < SERIES; k++) {
        struct judge_growth g;
        double slow = normal();
        for (size_t i = 0; i < N; i++) {
            double u = (double)i / (N - 1);
            slow = .95 * slow + sqrt(1 - .95 * .95) * normal();
            t[i] = u * run_s;
            y[i] = floor((4e8 + (noise.fast * normal() + noise.slow * slow + signal(u, k)) * budget) / 4096) * 4096;
        }
        assert_int_equal(judge_trend(&(struct judge_series){t, y, N}, &o, &g), 0);
        tally.verdict[g.verdict]++;
        tally.shape[g.shape]++;
        tally.covered += g.lo_per_s <= rate * o.budget_per_s && rate * o.budget_per_s <= g.hi_per_s;
    }
    return tally;
}

static double still(double u, size_t which)
{
    (void)u;
    (void)which;
    return 0;
}

static double twice(double u, size_t which)
{
    (void)which;
    return 2 * u;
}

static double stairs(double u, size_t which)
{
    return .3 * floor(10 * u + (double)which / SERIES);
}

static double bounded(double u, size_t which)
{
    return 4 * fmin(u / (.2 + .35 * (double)which / SERIES), 1);
}

// Four periods, and rest for more than half of each: the level falls and comes back. Medians a quarter apart meet it
// ever at about the same phase, and where that is the edge of the rest they see stairs.
static double rests(double u, size_t which)
{
    double phase = fmod(4 * u + .39 + .03 * (double)which / SERIES, 1), high = 2.5 + .5 * (double)(which % 8) / 8;
    return high * (phase < .4 ? 1 : exp(-(phase - .4) / .2));
}

// A slow noise beneath a fast one: neighbours resemble each other little, means of twelve very much.
static void the_interval_holds_for_two_noises(void **state)
{
    (void)state;
    struct tally flat = judged((struct noise){.07, .07}, still, 0), leak = judged((struct noise){.07, .07}, twice, 2);
    assert_in_range(flat.covered, SERIES * 82 / 100, SERIES);
    assert_in_range(leak.covered, SERIES * 82 / 100, SERIES);
    assert_int_equal(flat.verdict[JUDGE_FAIL], 0);
    assert_int_equal(leak.verdict[JUDGE_PASS], 0);
    assert_in_range(flat.shape[JUDGE_SHAPE_FLAT], SERIES * 65 / 100, SERIES);
}

static void noise_on_a_line_is_no_staircase(void **state)
{
    (void)state;
    struct tally line = judged((struct noise){.1, 0}, twice, 2), steps = judged((struct noise){.01, .01}, stairs, 3);
    assert_int_equal(line.verdict[JUDGE_FAIL], SERIES);
    assert_in_range(line.shape[JUDGE_SHAPE_LINEAR], SERIES * 90 / 100, SERIES);
    assert_in_range(line.covered, SERIES * 82 / 100, SERIES);
    assert_int_equal(steps.verdict[JUDGE_FAIL], SERIES);
    assert_in_range(steps.shape[JUDGE_SHAPE_STAIRCASE], SERIES * 90 / 100, SERIES);
}

static void a_load_that_rests_is_no_staircase(void **state)
{
    (void)state;
    struct tally t = judged((struct noise){.05, .02}, rests, 0);
    assert_int_equal(t.verdict[JUDGE_FAIL], 0);
    assert_int_equal(t.shape[JUDGE_SHAPE_STAIRCASE], 0);
}

static void a_cache_that_is_full_passes(void **state)
{
    (void)state;
    struct tally t = judged((struct noise){.05, .02}, bounded, 0);
    assert_int_equal(t.verdict[JUDGE_FAIL], 0);
    assert_in_range(t.verdict[JUDGE_PASS], SERIES * 80 / 100, SERIES);
    assert_in_range(t.shape[JUDGE_SHAPE_PLATEAU], SERIES * 80 / 100, SERIES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_interval_holds_for_two_noises),
        cmocka_unit_test(noise_on_a_line_is_no_staircase),
        cmocka_unit_test(a_load_that_rests_is_no_staircase),
        cmocka_unit_test(a_cache_that_is_full_passes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
