// Second opinions on a trend: what the first competition leaves open or gets wrong, and what must stay open.
#include "judge/jumps.h"
#include "judge/prep.h"
#include "judge/trend.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
// cmocka.h needs the four headers above it
#include <cmocka.h>

#define assert_near(a, b, tolerance) assert_true(fabs((a) - (b)) <= (tolerance)) // cmocka compares floats only

enum { N = 288 };

// A run of one day against 24 MB: amounts below are in budgets over the run.
static const double budget = 24e6, run_s = 86400;

struct made {
    double t[N];
    double y[N];
};

// Correlated noise of amount (about a fiftieth of the budget for 1) on a signal of u, 0 to 1.
static void fill(struct made *m, double amount, double (*signal)(double u))
{
    uint64_t x = 77;
    double a = 0;
    for (size_t i = 0; i < N; i++) {
        double u = (double)i / N;
        x = (1103515245u * x + 12345u) % 2147483648u;
        a = .7 * a + ((double)x / 2147483648.0 - .5) * .05 * amount;
        m->t[i] = u * run_s;
        m->y[i] = floor((4e8 + (a + signal(u)) * budget) / 4096) * 4096;
    }
}

static struct judge_growth judged(const struct made *m, bool first_only)
{
    struct judge_options o = JUDGE_OPTIONS_DEFAULT;
    struct judge_growth g;
    o.budget_per_s = budget / run_s;
    o.first_only = first_only;
    assert_int_equal(judge_trend(&(struct judge_series){m->t, m->y, N}, &o, &g), 0);
    assert_true(g.reason[0] != '\0' && g.shape_text[0] != '\0');
    return g;
}

static double slow_plateau(double u)
{
    return 2.5 * (1 - exp(-u / .35));
}

static double plateau_and_leak(double u)
{
    return 2.5 * (1 - exp(-u / .35)) + 1.5 * u;
}

static double faster_since_the_middle(double u)
{
    return 20 * u + (u > .5 ? 2 * (u - .5) : 0);
}

static double begun_in_the_middle(double u)
{
    return 1 * u + (u > .5 ? 10 * (u - .5) : 0);
}

static double big_step(double u)
{
    return u > .62 ? 2 : 0;
}

static double last_moment_step(double u)
{
    return u > .93 ? 2 : 0;
}

static double two_steps(double u)
{
    return (u > .3 ? .6 : 0) + (u > .62 ? .5 : 0);
}

static double doubling_table(double u)
{
    double v = 0;
    for (double at = .68, size = 1; at > .02; at /= 2, size /= 2)
        v += u > at ? size : 0;
    return v;
}

static double bursts(double u)
{
    static const double at[] = {.12, .17, .2, .31, .36, .41, .55, .58, .69, .74, .88, .93};
    double v = 0;
    for (size_t i = 0; i < sizeof at / sizeof at[0]; i++)
        v += u > at[i] ? .25 : 0;
    return v;
}

static double four_cycles(double u)
{
    return .8 * sin(2 * M_PI * 4 * u + 1);
}

static double four_cycles_and_leak(double u)
{
    return four_cycles(u) + 2 * u;
}

static double phase; // of the next wave

static double one_cycle(double u)
{
    return .8 * sin(2 * M_PI * u + phase);
}

static double quadratic(double u)
{
    return 4 * u * u;
}

static double spikes(double u)
{
    double since = fmod(u * 13.7, 1);
    return 1.5 * exp(-since / .12);
}

static double spikes_and_leak(double u)
{
    return spikes(u) + 2 * u;
}

static double at_budget(double u)
{
    return u;
}

static void expect(double (*signal)(double u), enum judge_verdict first, enum judge_verdict second, const char *words)
{
    struct made m;
    fill(&m, 1, signal);
    assert_int_equal(judged(&m, true).verdict, first);
    struct judge_growth g = judged(&m, false);
    assert_int_equal(g.verdict, second);
    assert_non_null(strstr(g.reason, words));
}

static void slow_plateaus_pass_and_leaks_beneath_them_do_not(void **state)
{
    (void)state;
    expect(slow_plateau, JUDGE_INCONCLUSIVE, JUDGE_PASS, "ever more slowly");
    struct made m;
    fill(&m, 1, slow_plateau);
    struct judge_growth g = judged(&m, false);
    assert_int_equal(g.shape, JUDGE_SHAPE_PLATEAU);
    assert_near(g.tau_s, .35 * run_s, .05 * run_s);
    assert_near(g.slope_per_s * run_s / budget, 2.5 / .35 * exp(-1 / .35), .1);
    fill(&m, 1, plateau_and_leak);
    assert_int_not_equal(judged(&m, false).verdict, JUDGE_PASS);
}

static void late_is_what_mostly_set_in_later(void **state)
{
    (void)state;
    struct made m;
    fill(&m, 1, faster_since_the_middle);
    struct judge_growth g = judged(&m, false);
    assert_int_equal(g.verdict, JUDGE_FAIL);
    assert_int_equal(g.shape, JUDGE_SHAPE_LINEAR);
    fill(&m, 1, begun_in_the_middle);
    g = judged(&m, false);
    assert_int_equal(g.verdict, JUDGE_FAIL);
    assert_int_equal(g.shape, JUDGE_SHAPE_LATE);
    assert_near(g.event_t_s, .5 * run_s, .05 * run_s);
}

static void a_few_steps_pass_unless_the_last_is_recent(void **state)
{
    (void)state;
    expect(big_step, JUDGE_INCONCLUSIVE, JUDGE_PASS, "under the budget");
    expect(two_steps, JUDGE_INCONCLUSIVE, JUDGE_PASS, "under the budget");
    expect(doubling_table, JUDGE_INCONCLUSIVE, JUDGE_PASS, "under the budget");
    expect(last_moment_step, JUDGE_INCONCLUSIVE, JUDGE_INCONCLUSIVE, "");
    struct made m;
    fill(&m, 1, two_steps);
    struct judge_growth g = judged(&m, false);
    assert_int_equal(g.shape, JUDGE_SHAPE_STEP);
    assert_int_equal(g.n_steps, 2);
    assert_near(g.event_size, 1.1 * budget, .1 * budget);
    assert_near(g.event_t_s, .62 * run_s, .01 * run_s);
    assert_non_null(strstr(g.shape_text, "2 steps of"));
}

static void bursts_that_go_on_fail(void **state)
{
    (void)state;
    struct made m;
    fill(&m, 1, bursts);
    struct judge_growth g = judged(&m, false);
    assert_int_equal(g.verdict, JUDGE_FAIL);
}

static void cycles_are_measured_closely(void **state)
{
    (void)state;
    struct made m;
    fill(&m, 1, four_cycles);
    struct judge_growth g = judged(&m, false);
    assert_int_equal(g.verdict, JUDGE_PASS);
    fill(&m, 1, four_cycles_and_leak);
    assert_int_equal(judged(&m, false).verdict, JUDGE_FAIL);
}

static void the_rise_of_a_wave_is_no_leak_and_acceleration_is_no_wave(void **state)
{
    (void)state;
    struct made m;
    size_t first_fails = 0;
    for (phase = 0; phase < 2 * M_PI; phase += .2) {
        fill(&m, 1, one_cycle);
        first_fails += judged(&m, true).verdict == JUDGE_FAIL;
        assert_int_not_equal(judged(&m, false).verdict, JUDGE_FAIL);
    }
    assert_true(first_fails > 0);
    fill(&m, 1, quadratic);
    assert_int_equal(judged(&m, false).verdict, JUDGE_FAIL);
}

static void spikes_are_judged_by_their_envelope(void **state)
{
    (void)state;
    struct made m;
    fill(&m, 1, spikes);
    assert_int_equal(judged(&m, false).verdict, JUDGE_PASS);
    fill(&m, 1, spikes_and_leak);
    assert_int_not_equal(judged(&m, false).verdict, JUDGE_PASS);
}

static void a_rate_of_the_budget_does_not_pass(void **state)
{
    (void)state;
    struct made m;
    fill(&m, 1, at_budget);
    assert_int_equal(judged(&m, false).verdict, JUDGE_INCONCLUSIVE);
}

// 301 samples of a sawtooth whose period is close to nine samples: the level after the drop beats slowly.
static void a_beat_of_the_sampling_is_no_growth(void **state)
{
    (void)state;
    enum { M = 301 };
    double t[M], y[M];
    struct judge_options o = JUDGE_OPTIONS_DEFAULT;
    o.budget_per_s = budget / M;
    for (int leak = 0; leak <= 2; leak += 2) {
        for (double cycles = 33; cycles < 38; cycles += .23) {
            struct judge_growth g;
            for (size_t i = 0; i < M; i++) {
                double u = (double)i / (M - 1);
                t[i] = (double)i;
                y[i] = floor((4e8 + (10 * fmod(u * cycles, 1) + leak * u) * budget) / 4096) * 4096;
            }
            assert_int_equal(judge_trend(&(struct judge_series){t, y, M}, &o, &g), 0);
            assert_int_not_equal(g.verdict, leak ? JUDGE_PASS : JUDGE_FAIL);
        }
    }
}

static void troughs_are_put_on_one_phase(void **state)
{
    (void)state;
    enum { M = 200, AT = 64 };
    double t[M], y[M], out_t[AT], out_y[AT], scratch[M];
    size_t at[AT], n = 0;
    for (size_t i = 0; i < M; i++) {
        t[i] = (double)i;
        y[i] = fmod((double)i * .113, 1) * 1000;
        if (i > 0 && y[i] < y[i - 1])
            at[n++] = i;
    }
    struct judge_aligned aligned = {out_t, out_y, scratch, 0};
    assert_true(judge_prep_align_troughs(t, y, M, at, n, &aligned));
    for (size_t k = 0; k < n; k++) {
        assert_near(aligned.t[k], (double)(k + 1) / .113, .2);
        assert_near(aligned.y[k], 0, 25);
    }
    assert_true(aligned.drift >= 0 && aligned.drift < 100);
    at[3] += 2; // no clock any more
    assert_false(judge_prep_align_troughs(t, y, M, at, n, &aligned));
}

static void jumps_are_found_and_spikes_are_not(void **state)
{
    (void)state;
    static struct judge_scaled s;
    struct judge_jumps j;
    s.n = 100;
    for (size_t i = 0; i < s.n; i++) {
        s.u[i] = (double)i / 99;
        s.z[i] = .001 * (double)(i * 7 % 5) + (i >= 30) * .5 + (i >= 60) * 1. - (i >= 80) * .2 + (i == 45) * 3;
    }
    judge_jumps_find(&s, 6, &j);
    assert_int_equal(j.n, 2);
    assert_near(j.at[0], 29.5 / 99, 1e-9);
    assert_near(j.size[1], 1, .05);
    assert_near(j.up, 1.5, .05);
    assert_near(j.down, .2, .05);
    assert_int_equal(j.n_spikes, 2); // up and down again
    assert_true(judge_jumps_double(&j));
    assert_false(judge_jumps_go_on(&j));
}

// The bounds of a Poisson rate from its tables: 8 counted, 3.98 and 14.43.
static void burst_rates_follow_poisson(void **state)
{
    (void)state;
    struct judge_jumps j = {.n = 8, .up = 8};
    for (size_t k = 0; k < 8; k++) {
        j.size[k] = 1;
        j.at[k] = ((double)k + .5) / 8;
    }
    assert_near(judge_jumps_least_rate(&j, 1), 3.98, .05);
    assert_near(judge_jumps_most_rate(&j), 14.43, .1);
    assert_true(judge_jumps_go_on(&j));
    assert_true(judge_jumps_least_rate(&j, 2) < judge_jumps_least_rate(&j, 1));
    for (size_t k = 0; k < 8; k++)
        j.at[k] /= 2;
    assert_false(judge_jumps_go_on(&j));
    j = (struct judge_jumps){0};
    assert_near(judge_jumps_least_rate(&j, 1), 0, 0);
    assert_near(judge_jumps_most_rate(&j), 0, 0);
}

static double knee_of_a_walk(double u)
{
    return u < .64 ? -.25 * u : -.16 + 1.9 * (u - .64);
}

static double steps_and_small_ones(double u)
{
    return (u > .3 ? .3 : 0) + (u > .62 ? .35 : 0) + .65 * u;
}

static double small_steps_and_drift(double u)
{
    return (u > .3 ? .2 : 0) + (u > .62 ? .2 : 0) + .3 * u;
}

// Less than the budget grew in the window, or more than it in steps and beside them: no knee fails, no pair of steps
// passes.
static void what_the_window_does_not_bear_out_stays_open(void **state)
{
    (void)state;
    struct made m;
    fill(&m, 1, knee_of_a_walk);
    assert_int_equal(judged(&m, true).verdict, JUDGE_FAIL);
    struct judge_growth g = judged(&m, false);
    assert_int_equal(g.verdict, JUDGE_INCONCLUSIVE);
    assert_non_null(strstr(g.reason, "not borne out"));
    fill(&m, 1, begun_in_the_middle);
    assert_int_equal(judged(&m, false).verdict, JUDGE_FAIL);
    fill(&m, 1, steps_and_small_ones);
    assert_int_not_equal(judged(&m, false).verdict, JUDGE_PASS);
    fill(&m, 1, small_steps_and_drift);
    assert_int_equal(judged(&m, false).verdict, JUDGE_PASS);
}

static double given_back(double u)
{
    return 60 * exp(-u / .07);
}

static double given_back_and_leak(double u)
{
    return given_back(u) + 2 * u;
}

// A model without a line beneath it has no rate but its own, and would let the leak pass.
static void a_great_fall_hides_no_leak(void **state)
{
    (void)state;
    struct made m;
    for (double amount = .05; amount < 5; amount *= 2) {
        fill(&m, amount, given_back_and_leak);
        assert_int_not_equal(judged(&m, false).verdict, JUDGE_PASS);
        fill(&m, amount, given_back);
        assert_int_not_equal(judged(&m, false).verdict, JUDGE_FAIL);
    }
    fill(&m, .05, given_back);
    assert_int_equal(judged(&m, false).verdict, JUDGE_PASS);
}

static double filling_and_slowing(double u)
{
    return 6 * (1 - exp(-u / .47)); // 1.5 budgets at the end
}

// A time constant between those of the grids is no leak beneath a plateau; one beneath it is.
static void what_slows_stays_open(void **state)
{
    (void)state;
    struct made m;
    for (double amount = .05; amount < 1; amount *= 2) {
        fill(&m, amount, filling_and_slowing);
        assert_int_equal(judged(&m, false).verdict, JUDGE_INCONCLUSIVE);
        fill(&m, amount, plateau_and_leak);
        assert_int_equal(judged(&m, false).verdict, JUDGE_FAIL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slow_plateaus_pass_and_leaks_beneath_them_do_not),
        cmocka_unit_test(late_is_what_mostly_set_in_later),
        cmocka_unit_test(a_few_steps_pass_unless_the_last_is_recent),
        cmocka_unit_test(bursts_that_go_on_fail),
        cmocka_unit_test(cycles_are_measured_closely),
        cmocka_unit_test(the_rise_of_a_wave_is_no_leak_and_acceleration_is_no_wave),
        cmocka_unit_test(spikes_are_judged_by_their_envelope),
        cmocka_unit_test(a_rate_of_the_budget_does_not_pass),
        cmocka_unit_test(a_beat_of_the_sampling_is_no_growth),
        cmocka_unit_test(troughs_are_put_on_one_phase),
        cmocka_unit_test(jumps_are_found_and_spikes_are_not),
        cmocka_unit_test(burst_rates_follow_poisson),
        cmocka_unit_test(what_the_window_does_not_bear_out_stays_open),
        cmocka_unit_test(what_slows_stays_open),
        cmocka_unit_test(a_great_fall_hides_no_leak),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
