// Grades: points of one requirement, areas that weigh alike, bands that the counts decide.
#include "judge/score.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
// cmocka needs the four above first
#include <cmocka.h>
#include <math.h>
#include <string.h>

static double points(enum judge_op op, double value, double limit, enum judge_status status)
{
    struct judge_gate gate = {.op = op};
    struct judge_gate_result result = {.status = status, .value = value, .limit = limit};
    return judge_points(&gate, &result);
}

static void points_of_one(void **state)
{
    (void)state;
    assert_true(points(JUDGE_OP_LT, .1, .1, JUDGE_S_PASS) == 75);
    assert_true(points(JUDGE_OP_LT, .05, .1, JUDGE_S_PASS) == 100);
    assert_true(points(JUDGE_OP_LT, -3, .1, JUDGE_S_PASS) == 100);
    assert_true(fabs(points(JUDGE_OP_LT, .07, .1, JUDGE_S_PASS) - 90) < 1e-9);
    assert_true(fabs(points(JUDGE_OP_GE, 100, 70, JUDGE_S_PASS) - 90) < 1e-9);
    assert_true(fabs(points(JUDGE_OP_LT, .15, .1, JUDGE_S_FAIL) - 37.5) < 1e-9);
    assert_true(points(JUDGE_OP_LT, .9, .1, JUDGE_S_FAIL) == 0);
    assert_true(points(JUDGE_OP_LT, .09, .1, JUDGE_S_FAIL) == 74); // an interval that fails though the value is inside
    assert_true(points(JUDGE_OP_LT, .11, .1, JUDGE_S_PASS) == 75);
    assert_true(points(JUDGE_OP_GT, 0, 10, JUDGE_S_FAIL) == 0);
    assert_true(points(JUDGE_OP_LT, NAN, .1, JUDGE_S_FAIL) == 0);
    assert_true(isnan(points(JUDGE_OP_LT, .05, .1, JUDGE_S_INCONCLUSIVE)));
}

static struct judge_score graded(const double *p, size_t n)
{
    static const enum judge_area area[] = {JUDGE_AREA_LATENCY, JUDGE_AREA_LATENCY, JUDGE_AREA_LATENCY, JUDGE_AREA_CPU,
                                           JUDGE_AREA_ERRORS};
    struct judge_score s;
    judge_grade(area, p, n, &s);
    return s;
}

static void counts_decide_the_band(void **state)
{
    (void)state;
    struct judge_score s = graded((double[]){100, 95, 92, 90, 100}, 5);
    assert_int_equal(s.grade, JUDGE_EXCELLENT);
    assert_true(s.points > 90 && s.points <= 100);
    s = graded((double[]){100, 100, 100, 100, 76}, 5); // all met, one of them barely
    assert_int_equal(s.grade, JUDGE_GOOD);
    assert_true(s.points == 89);
    s = graded((double[]){100, 100, 100, 100, 10}, 5); // one not met: at most fair, however good the rest
    assert_int_equal(s.grade, JUDGE_FAIR);
    assert_true(s.points >= 60 && s.points <= 74 && s.unmet == 1);
    s = graded((double[]){100, 20, 10, 100, 10}, 5);
    assert_int_equal(s.grade, JUDGE_POOR);
    assert_true(s.points < 60);
}

static void areas_weigh_alike(void **state)
{
    (void)state;
    struct judge_score s = graded((double[]){80, 80, 80, 88, 84}, 5);
    assert_true(s.area[JUDGE_AREA_LATENCY] == 80 && fabs(s.points - 84) < 1e-9);
    assert_true(isnan(s.area[JUDGE_AREA_MEMORY]));
}

static void what_is_unknown_is_no_grade(void **state)
{
    (void)state;
    struct judge_score s = graded((double[]){NAN, NAN, 100, NAN, 100}, 5);
    assert_int_equal(s.grade, JUDGE_GRADE_NONE);
    assert_true(isnan(s.points) && s.unknown == 3);
    s = graded((double[]){NAN, 100, 100, 100, 100}, 5);
    assert_int_equal(s.grade, JUDGE_EXCELLENT);
    assert_non_null(strstr(s.reason, "could not be told"));
    assert_int_equal(graded(NULL, 0).grade, JUDGE_GRADE_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(points_of_one),
        cmocka_unit_test(counts_decide_the_band),
        cmocka_unit_test(areas_weigh_alike),
        cmocka_unit_test(what_is_unknown_is_no_grade),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
