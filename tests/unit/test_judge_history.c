// Figures over many runs: real changes are found where they are, single bad nights and noise are not changes.
#include "judge/history.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
// cmocka needs the four above first
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>

static uint64_t rng_state = 1;

static double uniform(void)
{
    rng_state = rng_state * 6364136223846793005u + 1442695040888963407u;
    return ((double)(rng_state >> 11) + .5) / 9007199254740992.;
}

static struct judge_history judge(const double *y, size_t n, double alpha)
{
    struct judge_history out;
    struct judge_history_in in = {
        .value = y, .n = n, .better = JUDGE_LESS_IS_BETTER, .share = .1, .floor = .5, .alpha = alpha};
    judge_history(&in, &out);
    return out;
}

static void a_change_is_found_where_it_is(void **state)
{
    (void)state;
    double y[30];
    for (int i = 0; i < 30; i++)
        y[i] = (i < 18 ? 100 : 130) + 5 * (uniform() - .5);
    struct judge_history h = judge(y, 30, .001);
    assert_int_equal(h.change, JUDGE_CHANGE_REGRESSION);
    assert_int_equal(h.n_points, 1);
    assert_int_equal(h.point[0], 18);
    assert_true(fabs(h.before - 100) < 3 && fabs(h.now - 130) < 3);
    assert_int_equal(h.severity, JUDGE_HIGH);
    y[5] = NAN; // a run without the figure moves nothing
    h = judge(y, 30, .001);
    assert_int_equal(h.point[0], 18);
    assert_int_equal(h.n_known, 29);
    for (int i = 0; i < 30; i++)
        y[i] = 200 - y[i];
    assert_int_equal(judge(y, 30, .001).change, JUDGE_CHANGE_IMPROVEMENT);
}

static void two_changes_and_only_the_last_counts(void **state)
{
    (void)state;
    double y[45];
    for (int i = 0; i < 45; i++)
        y[i] = (i < 15 ? 100 : i < 30 ? 150 : 100) + uniform();
    struct judge_history h = judge(y, 45, .001);
    assert_int_equal(h.n_points, 2);
    assert_int_equal(h.point[0], 15);
    assert_int_equal(h.point[1], 30);
    assert_int_equal(h.change, JUDGE_CHANGE_IMPROVEMENT);
}

static void one_bad_night_is_no_change(void **state)
{
    (void)state;
    double y[30];
    for (int i = 0; i < 30; i++)
        y[i] = 100 + uniform();
    y[29] = 500;
    y[12] = 900;
    struct judge_history h = judge(y, 30, .001);
    assert_int_equal(h.change, JUDGE_CHANGE_SAME);
    assert_int_equal(h.n_points, 0);
}

static double normal(void)
{
    return sqrt(-2 * log(uniform())) * cos(2 * M_PI * uniform());
}

// Even, normal, heavy-tailed (Student's t with 3 degrees of freedom) and log-normal noise.
static double noise(int kind)
{
    double z = normal(), a = normal(), b = normal(), c = normal();
    return kind == 0 ? uniform() : kind == 1 ? z : kind == 2 ? z / sqrt((a * a + b * b + c * c) / 3) : exp(z);
}

static void noise_has_no_change_points(void **state)
{
    (void)state;
    for (int kind = 0; kind < 4; kind++) {
        size_t found = 0;
        for (int k = 0; k < 1000; k++) {
            double y[60];
            size_t n = 8 + (size_t)(uniform() * 53);
            for (size_t i = 0; i < n; i++)
                y[i] = noise(kind);
            found += judge(y, n, .01).n_points > 0;
        }
        print_message("noise %d: %zu of 1000 series had a change point at alpha 1 %%\n", kind, found);
        assert_true(found <= 20);
    }
}

static void few_runs_are_enough_for_a_large_step(void **state)
{
    (void)state;
    double y[12];
    for (int i = 0; i < 12; i++)
        y[i] = (i < 7 ? 20 : 60) + .1 * noise(1);
    struct judge_history h = judge(y, 12, .003);
    assert_int_equal(h.n_points, 1);
    assert_int_equal(h.point[0], 7);
    assert_int_equal(h.change, JUDGE_CHANGE_REGRESSION);
}

// The last low value is the highest of them: by ranks alone six and six are parted as cleanly as seven and five.
static void the_place_goes_by_values_not_only_by_ranks(void **state)
{
    (void)state;
    const double y[12] = {20.1, 20.0, 20.2, 20.1, 20.0, 20.2, 20.3, 60.1, 60.0, 60.2, 60.1, 60.0};
    struct judge_history h = judge(y, 12, .01);
    assert_int_equal(h.n_points, 1);
    assert_int_equal(h.point[0], 7);
}

static void drift_without_a_step(void **state)
{
    (void)state;
    double y[12];
    for (int i = 0; i < 12; i++)
        y[i] = 100 + 2 * i + uniform();
    struct judge_history h = judge(y, 12, 1e-9); // so strict that no change point is taken
    assert_int_equal(h.n_points, 0);
    assert_true(fabs(h.drift_per_run - 2) < .3 && h.drift_p < .001);
}

static void too_few_is_unknown(void **state)
{
    (void)state;
    double y[] = {1, 1, 1, 9, 9, 9, 9};
    assert_int_equal(judge(y, 7, .5).change, JUDGE_CHANGE_UNKNOWN);
    assert_int_equal(judge(NULL, 0, .5).change, JUDGE_CHANGE_UNKNOWN);
    double same[40];
    for (int i = 0; i < 40; i++)
        same[i] = 7;
    assert_int_equal(judge(same, 40, .01).change, JUDGE_CHANGE_SAME);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_change_is_found_where_it_is),
        cmocka_unit_test(two_changes_and_only_the_last_counts),
        cmocka_unit_test(one_bad_night_is_no_change),
        cmocka_unit_test(noise_has_no_change_points),
        cmocka_unit_test(few_runs_are_enough_for_a_large_step),
        cmocka_unit_test(the_place_goes_by_values_not_only_by_ranks),
        cmocka_unit_test(drift_without_a_step),
        cmocka_unit_test(too_few_is_unknown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
