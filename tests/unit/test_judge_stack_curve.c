// Stacks whose curve is no line: what fills up is judged by its rate at the end, and a leak behind it does not pass.
#include "judge/stacks.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
// cmocka needs the four above first
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { M = 240, OTHERS = 3, S = OTHERS + 1 };
static const double run_s = 600, budget = 24e6; // bytes over the run

static double next_uniform(uint64_t *x)
{
    *x = (1103515245u * *x + 12345u) % 2147483648u;
    return (double)*x / 2147483648.0;
}

// m snapshots of one stack with the curve (in budgets), a little churn on it, beside some that stay.
static struct judge_stacks judged(double (*of)(double), size_t m, double sampling)
{
    static double t[M], live[S * M];
    struct judge_stacks out;
    uint64_t x = 5;
    for (size_t j = 0; j < m; j++) {
        double u = (double)j / (double)(m - 1);
        t[j] = run_s * u;
        live[j] = floor(budget * (of(u) + .01 * next_uniform(&x)));
        for (size_t s = 1; s < S; s++)
            live[s * m + j] = 1e5 * (double)s;
    }
    struct judge_stacks_input in = {.n_stacks = S,
                                    .m = m,
                                    .t_s = t,
                                    .live = live,
                                    .budget_per_s = budget / run_s,
                                    .sampling_interval_bytes = sampling};
    assert_int_equal(judge_stacks(&in, &out), 0);
    return out;
}

static double filled(double u)
{
    return 12 * (1 - exp(-u / .2)); // .4 budgets at the end
}

static double filling(double u)
{
    return 6 * (1 - exp(-u / .45)); // 1.4 budgets at the end, and falling
}

static double table_then_leak(double u)
{
    return 4 * fmin(1, u / .5) + 2 * u;
}

static double table_alone(double u)
{
    return 4 * fmin(1, u / .5) + .2 * u;
}

static void what_has_filled_passes(void **state)
{
    (void)state;
    struct judge_stacks out = judged(filled, M, 0);
    assert_int_equal(out.verdict, JUDGE_PASS);
    assert_true(out.stack[0].resolved);
    assert_true(out.stack[0].hi_per_s <= budget / run_s);
    judge_stacks_free(&out);
}

static void what_slows_does_not_fail(void **state)
{
    (void)state;
    struct judge_stacks out = judged(filling, M, 0);
    assert_int_equal(out.verdict, JUDGE_INCONCLUSIVE);
    assert_true(out.stack[0].rejected); // it grows
    assert_false(out.stack[0].over);
    assert_non_null(strstr(out.reason, "straddles"));
    judge_stacks_free(&out);
}

static void a_leak_behind_a_table_is_seen(void **state)
{
    (void)state;
    struct judge_stacks out = judged(table_then_leak, M, 0);
    assert_int_equal(out.verdict, JUDGE_FAIL);
    assert_true(out.stack[0].rejected && out.stack[0].over);
    assert_int_equal(out.by_rank[0], 0);
    assert_int_equal(out.n_rejected, 1);
    judge_stacks_free(&out);
    out = judged(table_alone, M, 0);
    assert_int_equal(out.verdict, JUDGE_PASS);
    judge_stacks_free(&out);
}

// Too few snapshots for a curve: what the second half shows is not passed over.
static void a_late_leak_in_few_snapshots_is_open(void **state)
{
    (void)state;
    struct judge_stacks out = judged(table_then_leak, 24, 0);
    assert_int_not_equal(out.verdict, JUDGE_PASS);
    if (out.n_rejected == 0) {
        assert_int_equal(out.n_late, 1);
        assert_non_null(strstr(out.reason, "in the second half"));
        assert_true(out.worst_per_s > budget / run_s);
    }
    judge_stacks_free(&out);
    out = judged(table_alone, 24, 0);
    assert_int_equal(out.n_late, 0);
    assert_int_not_equal(out.verdict, JUDGE_FAIL);
    judge_stacks_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_has_filled_passes),
        cmocka_unit_test(what_slows_does_not_fail),
        cmocka_unit_test(a_leak_behind_a_table_is_seen),
        cmocka_unit_test(a_late_leak_in_few_snapshots_is_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
