// Back-off from an address that fails: what is let through, and what ends it.
#include "load/breaker.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

// How many of `rate` starts a second are let through over `s` seconds, when each fails after `took_ns`.
static int sent_of(struct breaker *b, int rate, int s, int64_t took_ns)
{
    int sent = 0;
    for (int64_t i = 0; i < (int64_t)rate * s; i++) {
        if (!breaker_lets(b, i * (1000000000 / rate)))
            continue;
        sent++;
        breaker_take(b, false, took_ns);
    }
    return sent;
}

static void a_storm_is_thinned_out(void **state)
{
    (void)state;
    struct breaker b = {0};
    int sent = sent_of(&b, 100000, 10, 20000);
    // The free ones, one a millisecond until there were BREAKER_LONG, then one in four.
    assert_in_range(sent, BREAKER_LONG + 8 * 240, BREAKER_LONG + 10 * 250);
}

static void a_slow_load_never_notices(void **state)
{
    (void)state;
    struct breaker b = {0};
    assert_int_equal(sent_of(&b, 200, 60, 20000), 200 * 60);
}

static void what_takes_its_time_to_fail_is_not_held_up(void **state)
{
    (void)state;
    struct breaker b = {0};
    assert_int_equal(sent_of(&b, 100000, 1, BREAKER_FAST_NS), 100000);
}

static void one_that_gets_through_ends_it(void **state)
{
    (void)state;
    struct breaker b = {0};
    sent_of(&b, 100000, 1, 20000);
    assert_false(breaker_lets(&b, b.next_ns - 1));
    assert_true(breaker_lets(&b, b.next_ns));
    assert_false(breaker_lets(&b, b.next_ns - 1));
    breaker_take(&b, true, 20000);
    for (int i = 0; i < BREAKER_FREE; i++) {
        assert_true(breaker_lets(&b, 0));
        breaker_take(&b, false, 20000);
    }
    breaker_lets(&b, 2000000000);
    assert_false(breaker_lets(&b, 2000000001));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_storm_is_thinned_out),
        cmocka_unit_test(a_slow_load_never_notices),
        cmocka_unit_test(what_takes_its_time_to_fail_is_not_held_up),
        cmocka_unit_test(one_that_gets_through_ends_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
