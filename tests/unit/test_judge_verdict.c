// The final word, early stop, the reconciliation of parts, growth per operation, and the statistics beneath.
#include "judge/early.h"
#include "judge/explain.h"
#include "judge/perop.h"
#include "judge/stat.h"
#include "judge/verdict.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
// cmocka.h needs the four headers above it
#include <cmocka.h>

#define assert_near(a, b, tolerance) assert_true(fabs((a) - (b)) <= (tolerance)) // cmocka compares floats only

#define P JUDGE_S_PASS
#define F JUDGE_S_FAIL
#define I JUDGE_S_INCONCLUSIVE
#define S JUDGE_S_SKIPPED
#define W JUDGE_S_WARN

static void precedence(void **state)
{
    (void)state;
    static const struct {
        enum judge_status gate[3];
        struct judge_outcome run;
        enum judge_final verdict;
        int exit_code;
    } row[] = {
        {{P, P, P}, {.shutdown = P}, JUDGE_FINAL_PASS, 0},
        {{P, S, W}, {.shutdown = S}, JUDGE_FINAL_PASS, 0},
        {{P, I, P}, {.shutdown = P}, JUDGE_FINAL_INCONCLUSIVE, 3},
        {{P, P, P}, {.shutdown = I}, JUDGE_FINAL_INCONCLUSIVE, 3},
        {{P, I, F}, {.shutdown = P}, JUDGE_FINAL_FAIL, 1},
        {{P, I, P}, {.shutdown = F}, JUDGE_FINAL_FAIL, 5},
        {{P, F, P}, {.shutdown = F}, JUDGE_FINAL_FAIL, 1},
        {{P, F, P}, {.shutdown = S, .target_failed = true}, JUDGE_FINAL_TARGET_FAILED, 4},
        {{P, F, P}, {.shutdown = S, .target_failed = true, .error = true}, JUDGE_FINAL_ERROR, 6},
        {{S, S, S}, {.shutdown = S}, JUDGE_FINAL_INCONCLUSIVE, 3},
        {{S, S, S}, {.shutdown = P}, JUDGE_FINAL_PASS, 0},
        {{P, P, P}, {.shutdown = P, .evidence_missing = true}, JUDGE_FINAL_INCONCLUSIVE, 3},
        {{P, P, P}, {.shutdown = P, .interrupted_by = 2}, JUDGE_FINAL_PASS, 130},
        {{P, F, P}, {.shutdown = P, .interrupted_by = 15}, JUDGE_FINAL_FAIL, 143},
        {{P, P, P}, {.error = true, .interrupted_by = 15}, JUDGE_FINAL_ERROR, 6},
    };
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        struct judge_final_word w;
        judge_final(row[i].gate, 3, &row[i].run, &w);
        assert_int_equal(w.verdict, row[i].verdict);
        assert_int_equal(w.exit_code, row[i].exit_code);
        assert_int_equal(w.n_pass + w.n_fail + w.n_inconclusive + w.n_skipped + w.n_warn, 3);
        assert_true(w.reason[0] != '\0');
    }
    assert_string_equal(judge_final_name(JUDGE_FINAL_TARGET_FAILED), "target_failed");
}

static void early_stop_needs_two_fails_after_half(void **state)
{
    (void)state;
    struct judge_early e = {0};
    assert_false(judge_early_due(&e, 49, 100));
    assert_false(judge_early_look(&e, 49, 100, JUDGE_FAIL));
    assert_true(judge_early_due(&e, 50, 100));
    assert_false(judge_early_look(&e, 50, 100, JUDGE_FAIL));
    assert_false(judge_early_due(&e, 52, 100)); // one look a mark
    assert_false(judge_early_look(&e, 52, 100, JUDGE_FAIL));
    assert_false(judge_early_look(&e, 55, 100, JUDGE_PASS));
    assert_false(judge_early_look(&e, 60, 100, JUDGE_FAIL));
    assert_false(judge_early_look(&e, 65, 100, JUDGE_INCONCLUSIVE));
    assert_false(judge_early_look(&e, 70, 100, JUDGE_FAIL));
    assert_true(judge_early_look(&e, 75, 100, JUDGE_FAIL));
    assert_true(e.stop);
    assert_false(judge_early_due(&e, 80, 100));
    struct judge_early end = {0};
    assert_false(judge_early_due(&end, 100, 100));
    assert_false(judge_early_due(&end, 10, 0));
    assert_false(judge_early_due(&end, NAN, 100));
}

static void parts_reconcile(void **state)
{
    (void)state;
    struct judge_rate whole = {100, 90, 110}, part[JUDGE_PARTS];
    struct judge_explained out[JUDGE_PARTS];
    for (int i = 0; i < JUDGE_PARTS; i++)
        part[i] = (struct judge_rate){NAN, NAN, NAN};
    part[JUDGE_PART_HEAP] = (struct judge_rate){80, 76, 84};
    part[JUDGE_PART_MMAP] = (struct judge_rate){10, 7, 13};
    part[JUDGE_PART_PROBE] = (struct judge_rate){25, 24, 26}; // no part of the target's growth
    part[JUDGE_PART_UNEXPLAINED] = (struct judge_rate){10, 9, 11};
    judge_explain(&whole, part, out);
    assert_near(out[JUDGE_PART_HEAP].share, .8, 1e-12);
    assert_near(out[JUDGE_PART_UNEXPLAINED].share, .1, 1e-12);
    assert_near(out[JUDGE_PART_UNEXPLAINED].rate.lo_per_s, 9, 1e-12);
    assert_true(isnan(out[JUDGE_PART_PROBE].share));
    assert_near(out[JUDGE_PART_PROBE].rate.slope_per_s, 25, 1e-12);
    assert_true(isnan(out[JUDGE_PART_FILE].share) && isnan(out[JUDGE_PART_FILE].rate.slope_per_s));
    double sum = 0;
    for (int i = 0; i < JUDGE_PARTS; i++)
        sum += isnan(out[i].share) ? 0 : out[i].share;
    assert_near(sum, 1, 1e-12);
    whole = (struct judge_rate){.1, -5, 5}; // nothing grows: no shares
    judge_explain(&whole, part, out);
    assert_true(isnan(out[JUDGE_PART_HEAP].share));
}

enum { N = 240, K = 3 };

struct ops {
    double t[N], y[N], c[N * K];
};

// Two kinds of operations in changing proportion, a third that never runs.
static void make_ops(struct ops *o, double bytes0, double bytes1, bool fixed_ratio)
{
    double a = 0, b = 0;
    uint64_t x = 7;
    for (size_t i = 0; i < N; i++) {
        x = (1103515245u * x + 12345u) % 2147483648u;
        double u = (double)x / 2147483648.0;
        a += fixed_ratio ? 70 : 60 + 20 * u;
        b += fixed_ratio ? 30 : 45 - 25 * u + (i > 120 ? 15 : 0);
        o->t[i] = (double)i * .25;
        o->c[i * K] = floor(a);
        o->c[i * K + 1] = fixed_ratio ? floor(a) * 2 : floor(b);
        o->c[i * K + 2] = 0;
        o->y[i] = 1e7 + bytes0 * o->c[i * K] + bytes1 * o->c[i * K + 1] + 500 * u;
    }
}

static void bytes_per_operation_are_found(void **state)
{
    (void)state;
    struct ops o;
    struct judge_perop out;
    make_ops(&o, 48, 0, false);
    struct judge_perop_input in = {o.t, o.y, N, o.c, K, NAN, 0};
    assert_int_equal(judge_perop(&in, &out), 0);
    assert_true(out.kind[0].known && !out.kind[2].known);
    assert_false(out.kind[1].known); // it leaks nothing: beside the other it cannot be told from 0
    assert_near(out.kind[0].bytes_per_op, 48, 1);
    assert_true(out.kind[0].lo > 40 && out.kind[0].hi < 56 && out.kind[0].lo < out.kind[0].hi);
    assert_true(out.kind[1].lo < 0.5 && out.kind[1].hi > -0.5 && fabs(out.kind[1].bytes_per_op) < 3);
    assert_true(out.total.known && out.total.bytes_per_op > 20 && out.total.bytes_per_op < 48);
    assert_true(out.operations > 10000);
}

static void a_fixed_ratio_cannot_be_told_apart(void **state)
{
    (void)state;
    struct ops o;
    struct judge_perop out;
    make_ops(&o, 48, 0, true);
    struct judge_perop_input in = {o.t, o.y, N, o.c, K, NAN, 0};
    assert_int_equal(judge_perop(&in, &out), 0);
    assert_false(out.kind[0].known || out.kind[1].known);
    assert_non_null(strstr(out.reason, "fixed ratio"));
    assert_true(out.total.known);
    assert_near(out.total.bytes_per_op, 16, .2);
}

// Marks count exactly what the load's scenarios count, some requests later: the growth is told once, under either name,
// or under the mark alone where the counts agree to the last one.
static void marks_go_before_scenarios(void **state)
{
    (void)state;
    struct ops o;
    struct judge_perop out;
    double c[N * 4];
    make_ops(&o, 48, 0, false);
    for (size_t lag = 0; lag < 2; lag++) {
        for (size_t i = 0; i < N; i++) {
            c[i * 4] = o.c[i * K];
            c[i * 4 + 1] = o.c[i * K + 1];
            c[i * 4 + 2] = fmax(0, o.c[i * K] - (double)(lag * (i * 7 % 5)));
            c[i * 4 + 3] = fmax(0, o.c[i * K + 1] - (double)(lag * (i * 3 % 4)));
        }
        struct judge_perop_input in = {o.t, o.y, N, c, 4, NAN, 2};
        assert_int_equal(judge_perop(&in, &out), 0);
        assert_true(out.kind[0].known != out.kind[2].known);
        assert_true(lag || out.kind[0].known);
        assert_near(out.kind[out.kind[0].known ? 0 : 2].bytes_per_op, 48, 1);
        assert_false(out.kind[1].known || out.kind[3].known);
        in.k_sure = 0;
        assert_int_equal(judge_perop(&in, &out), 0);
        assert_true(lag || (!out.kind[0].known && !out.kind[2].known));
    }
}

static void perop_degenerate(void **state)
{
    (void)state;
    struct ops o;
    struct judge_perop out;
    make_ops(&o, 48, 0, false);
    struct judge_perop_input in = {o.t, o.y, 12, o.c, K, NAN, 0};
    assert_int_equal(judge_perop(&in, &out), 0);
    assert_false(out.total.known);
    in.n = 0;
    assert_int_equal(judge_perop(&in, &out), 0);
    assert_false(out.total.known);
    in.n = N;
    in.k = 17;
    assert_int_equal(judge_perop(&in, &out), 0);
    assert_false(out.total.known);
    in.k = K;
    memset(o.c, 0, sizeof o.c);
    assert_int_equal(judge_perop(&in, &out), 0);
    assert_false(out.total.known);
    assert_non_null(strstr(out.reason, "no operation"));
}

static void students_t(void **state)
{
    (void)state;
    assert_near(judge_t_cdf(0, 5), .5, 1e-12);
    assert_near(judge_t_cdf(2.0150, 5), .95, 1e-4);
    assert_near(judge_t_cdf(-2.0150, 5), .05, 1e-4);
    assert_near(judge_t_cdf(1.6973, 30), .95, 1e-4);
    assert_near(judge_t_cdf(1, 1), .75, 1e-10); // Cauchy
    assert_near(judge_t_cdf(INFINITY, 3), 1, 0);
    assert_near(judge_t_cdf(50, 20), 1, 1e-12);
    assert_near(judge_t_quantile(.8, 16), .8647, 1e-4);
    assert_near(judge_t95(4), 2.132, 1e-12);
    assert_near(judge_t95(16), 1.746, 1e-3);
    assert_near(judge_t95(1e9), 1.645, 1e-6);
    for (double nu = 4; nu < 200; nu++)
        assert_near(judge_t95(nu), judge_t_quantile(.95, nu), 2e-3);
}

static void order_statistics(void **state)
{
    (void)state;
    double a[] = {5, 1, 4, 2, 3}, b[] = {4, 1, 3, 2}, c[100];
    assert_near(judge_median(a, 5), 3, 0);
    assert_near(judge_median(b, 4), 2.5, 0);
    assert_near(judge_quantile(a, 5, .1), 1.4, 1e-12);
    assert_near(judge_quantile(a, 5, 1), 5, 0);
    for (size_t i = 0; i < 100; i++)
        c[i] = i < 90 ? 7 : (double)i;
    assert_near(judge_median(c, 100), 7, 0);
    assert_near(judge_quantile(c, 100, 1), 99, 0);
    assert_near(judge_quantile(c, 1, .98), c[0], 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(precedence),
        cmocka_unit_test(early_stop_needs_two_fails_after_half),
        cmocka_unit_test(parts_reconcile),
        cmocka_unit_test(bytes_per_operation_are_found),
        cmocka_unit_test(a_fixed_ratio_cannot_be_told_apart),
        cmocka_unit_test(marks_go_before_scenarios),
        cmocka_unit_test(perop_degenerate),
        cmocka_unit_test(students_t),
        cmocka_unit_test(order_statistics),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
