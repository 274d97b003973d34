// The search for a limit against targets whose limit is known, sharp and fickle; and the evenness of a rate.
#include "load/limit.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static struct limit_search search(double limit, double generator, double first, double most, bool whole)
{
    struct limit_search s;
    limit_start(&s, first, whole ? 1 : first / 1024, most, 0.05, whole);
    for (double level; !isnan(level = limit_next(&s));) {
        assert_true(level <= most && (!whole || level == floor(level)));
        limit_take(&s, level > generator ? LIMIT_GENERATOR : level > limit ? LIMIT_FAILED : LIMIT_HELD);
        assert_true(s.tries <= LIMIT_TRIES_MAX);
    }
    assert_true(s.over);
    return s;
}

static void a_sharp_limit_is_found_within_the_precision(void **state)
{
    (void)state;
    for (double limit = 3; limit < 1e6; limit *= 1.37) {
        struct limit_search s = search(limit, INFINITY, 100, INFINITY, false);
        assert_true(limit_found(&s));
        assert_true(s.low <= limit && s.high > limit);
        assert_true(s.high <= s.low * 1.05);
        assert_int_equal(s.confirmations, 2);
        assert_true(s.tries < 30);
    }
}

static void users_are_whole(void **state)
{
    (void)state;
    for (double limit = 1; limit < 60; limit++) {
        struct limit_search s = search(limit, INFINITY, 4, 4000, true);
        assert_true(limit_found(&s));
        assert_true(s.low <= limit && s.high > limit && (s.high - s.low <= 1 || s.high <= s.low * 1.05));
    }
}

static void the_generators_limit_is_not_the_targets(void **state)
{
    (void)state;
    struct limit_search s = search(1e9, 700, 100, INFINITY, false);
    assert_false(limit_found(&s));
    assert_true(s.high_is_generator && s.low <= 700 && s.low > 600);
    s = search(500, 700, 100, INFINITY, false); // the target's lies below it, and counts
    assert_true(limit_found(&s));
    assert_true(s.low <= 500 && s.high > 500);
}

// A machine that is busy now and then holds the generator up once at each level: the target's limit is found all the
// same.
static void a_generator_held_up_for_a_moment_is_tried_again(void **state)
{
    (void)state;
    struct limit_search s;
    double last = 0;
    limit_start(&s, 100, 1, INFINITY, 0.2, false);
    for (double level; !isnan(level = limit_next(&s)); last = level)
        limit_take(&s, level != last ? LIMIT_GENERATOR : level > 777 ? LIMIT_FAILED : LIMIT_HELD);
    assert_true(limit_found(&s));
    assert_true(s.low <= 777 && s.low * 1.25 >= 777);
}

static void nothing_holds_and_everything_holds(void **state)
{
    (void)state;
    struct limit_search s = search(0, INFINITY, 100, INFINITY, false);
    assert_true(s.low == 0 && !limit_found(&s) && s.tries <= 11);
    s = search(1e9, INFINITY, 100, 900, false);
    assert_true(s.low == 900 && isinf(s.high) && !limit_found(&s) && s.confirmations == 2);
}

static void a_confirmation_that_fails_sends_the_search_down(void **state)
{
    (void)state;
    struct limit_search s;
    int failures = 0;
    limit_start(&s, 100, 1, INFINITY, 0.05, false);
    for (double level; !isnan(level = limit_next(&s));) {
        bool confirming = level == s.low && s.confirmations == 1; // the second one fails, the first time
        bool fails = level > 777 || (confirming && failures == 0);
        failures += confirming && fails;
        limit_take(&s, fails ? LIMIT_FAILED : LIMIT_HELD);
    }
    assert_int_equal(failures, 1);
    assert_true(limit_found(&s));
    assert_true(s.low < 777 && s.high <= 777);
}

static void an_even_rate_scores_one(void **state)
{
    (void)state;
    double even[20], half[20];
    for (int i = 0; i < 20; i++) {
        even[i] = 1000 + (i % 2 ? 30 : -30);
        half[i] = i < 10 ? 1000 : 200;
    }
    assert_true(limit_stability(even, 20) == 1);
    assert_true(limit_stability(half, 20) == 0); // none is near the mean of both
    even[3] = 200;
    assert_true(fabs(limit_stability(even, 20) - 0.95) < 1e-9);
    assert_true(isnan(limit_stability(even, 0)));
    const double few[] = {3, 5, 4, 7, 2}; // chance alone does this to four a window
    assert_true(limit_stability(few, 5) == 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sharp_limit_is_found_within_the_precision),
        cmocka_unit_test(users_are_whole),
        cmocka_unit_test(the_generators_limit_is_not_the_targets),
        cmocka_unit_test(a_generator_held_up_for_a_moment_is_tried_again),
        cmocka_unit_test(nothing_holds_and_everything_holds),
        cmocka_unit_test(a_confirmation_that_fails_sends_the_search_down),
        cmocka_unit_test(an_even_rate_scores_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
