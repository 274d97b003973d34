// The ratio of two totals: exact where one follows the other, as wide as it must be where it does not.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "judge/measure.h"
#include "judge/stat.h"
#include <math.h>

enum { N = 100 };

static uint64_t state = 88172645463325252u;

static double uniform(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (double)(state >> 11) / 9007199254740992.0;
}

static double normal(void)
{
    return sqrt(-2 * log(1 - uniform())) * cos(6.283185307179586 * uniform());
}

// Requests in stages from none to many: what each of them takes is the same all the while.
static void a_use_that_follows_the_load_is_certain(void **unused)
{
    (void)unused;
    double use[N], per[N];
    struct judge_measure m;
    for (int i = 0; i < N; i++) {
        per[i] = (i / 10) * 100;
        use[i] = 350 * per[i];
    }
    judge_measure_ratio(use, per, N, &m);
    assert_float_equal(m.value, 350, 1e-9);
    assert_true(m.se_lo < 1e-9 && m.se_hi < 1e-9);
    assert_float_equal(m.plain, 350, 1e-9); // the median of the batches, without those in which nothing was done
    assert_null(m.why);
}

static void what_is_not_known_does_not_count(void **unused)
{
    (void)unused;
    double use[N], per[N];
    struct judge_measure m;
    for (int i = 0; i < N; i++) {
        per[i] = 10;
        use[i] = i % 3 ? 20 : NAN;
    }
    judge_measure_ratio(use, per, N, &m);
    assert_float_equal(m.value, 2, 1e-9);
    for (int i = 7; i < N; i++)
        use[i] = NAN;
    judge_measure_ratio(use, per, N, &m);
    assert_true(isnan(m.value));
    assert_non_null(m.why);
    for (int i = 0; i < N; i++)
        use[i] = per[i] = 0;
    judge_measure_ratio(use, per, N, &m);
    assert_true(isnan(m.value));
    assert_non_null(m.why);
}

// Of many runs with noise, about nine in ten intervals hold the truth.
static void intervals_hold_the_truth(void **unused)
{
    (void)unused;
    enum { RUNS = 2000 };
    int held = 0;
    for (int r = 0; r < RUNS; r++) {
        double use[N], per[N];
        struct judge_measure m;
        for (int i = 0; i < N; i++) {
            per[i] = 50 + 50 * uniform();
            use[i] = 2 * per[i] + 10 * normal();
        }
        judge_measure_ratio(use, per, N, &m);
        double t = judge_t_quantile(.95, m.nu);
        held += fabs(m.value - 2) <= t * m.se_lo;
    }
    assert_in_range(held, RUNS * 87 / 100, RUNS * 93 / 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_use_that_follows_the_load_is_certain),
        cmocka_unit_test(what_is_not_known_does_not_count),
        cmocka_unit_test(intervals_hold_the_truth),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
