// Paired rounds: intervals by hand, what is left out, and that 90 % are 90 %.
#include "judge/paired.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
// cmocka wants the above first.
#include <cmocka.h>
#include <math.h>

static bool near(double a, double b, double by)
{
    return fabs(a - b) <= by;
}

static void test_interval_by_hand(void **state)
{
    (void)state;
    // mean 2, standard deviation 1, n 3: 2 +- 2.919986 / sqrt(3)
    const double d[] = {1, NAN, 2, 3};
    struct judge_paired p;
    judge_paired_mean(d, 4, &p);
    assert_int_equal(p.n, 3);
    assert_true(near(p.mean, 2, 1e-12));
    assert_true(near(p.lo, 2 - 2.919986 / sqrt(3), 1e-5));
    assert_true(near(p.hi, 2 + 2.919986 / sqrt(3), 1e-5));
}

static void test_small_differences_of_large_values(void **state)
{
    (void)state;
    const double d[] = {1e9 + 1, 1e9 + 2, 1e9 + 3};
    struct judge_paired p;
    judge_paired_mean(d, 3, &p);
    assert_true(near(p.hi - p.lo, 2 * 2.919986 / sqrt(3), 1e-4));
}

static void test_ratio(void **state)
{
    (void)state;
    const double base[] = {1, 10, 100, 0, 5, NAN}, twice[] = {2, 20, 200, 4, -1, 1};
    struct judge_paired p;
    judge_paired_ratio(base, twice, 6, &p);
    assert_int_equal(p.n, 3);
    assert_true(near(p.mean, 2, 1e-12));
    assert_true(near(p.lo, 2, 1e-9));
    assert_true(near(p.hi, 2, 1e-9));
}

static void test_unknown(void **state)
{
    (void)state;
    const double none[] = {NAN, INFINITY}, one[] = {-3};
    struct judge_paired p;
    judge_paired_mean(none, 2, &p);
    assert_true(p.n == 0 && isnan(p.mean) && isnan(p.lo));
    assert_int_equal(judge_paired_below(&p, true), JUDGE_INCONCLUSIVE);
    judge_paired_mean(one, 1, &p);
    assert_true(p.n == 1 && p.mean == -3 && isnan(p.hi));
    assert_int_equal(judge_paired_below(&p, false), JUDGE_PASS);
    judge_paired_ratio(none, none, 2, &p);
    assert_true(isnan(p.mean) && isnan(p.lo) && isnan(p.hi));
}

static void test_answers(void **state)
{
    (void)state;
    const double good[] = {-5, -6, -5}, bad[] = {5, 6, 5}, both[] = {-1, 1, 0.2}, same[] = {0, 0, 0};
    struct judge_paired p;
    judge_paired_mean(good, 3, &p);
    assert_int_equal(judge_paired_below(&p, false), JUDGE_PASS);
    judge_paired_mean(bad, 3, &p);
    assert_int_equal(judge_paired_below(&p, false), JUDGE_FAIL);
    judge_paired_mean(both, 3, &p);
    assert_int_equal(judge_paired_below(&p, false), JUDGE_INCONCLUSIVE);
    judge_paired_mean(same, 3, &p);
    assert_int_equal(judge_paired_below(&p, false), JUDGE_FAIL);
    assert_int_equal(judge_paired_below(&p, true), JUDGE_PASS);
}

// A generator of its own (splitmix64), so that the figures are the same everywhere.
static double uniform(uint64_t *s)
{
    uint64_t z = (*s += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return ((double)((z ^ (z >> 31)) >> 11) + 0.5) / 9007199254740992.0;
}

static double normal(uint64_t *s)
{
    double u = uniform(s);
    return sqrt(-2 * log(u)) * cos(2 * M_PI * uniform(s));
}

static void test_coverage(void **state)
{
    (void)state;
    enum { TRIES = 20000 };
    for (int n = 2; n <= 10; n += 4) {
        uint64_t seed = 7;
        int held = 0;
        for (int i = 0; i < TRIES; i++) {
            double base[10], other[10], drift;
            struct judge_paired p;
            for (int k = 0; k < n; k++) {
                drift = exp(normal(&seed)); // the machine's mood, many times larger than the difference
                base[k] = drift * exp(0.02 * normal(&seed));
                other[k] = drift * 1.05 * exp(0.02 * normal(&seed));
            }
            judge_paired_ratio(base, other, (size_t)n, &p);
            held += p.lo <= 1.05 && 1.05 <= p.hi;
        }
        assert_in_range(held, (int)(0.89 * TRIES), (int)(0.91 * TRIES));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_interval_by_hand),
        cmocka_unit_test(test_small_differences_of_large_values),
        cmocka_unit_test(test_ratio),
        cmocka_unit_test(test_unknown),
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_coverage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
