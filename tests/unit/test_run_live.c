// The line a person sees while a run goes on.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "run/live.h"

static struct run_live line_of(double slope, double lo, double hi)
{
    struct run_live l = {
        .fd = -1, .total_s = 60, .budget_per_s = 10e6 / 3600, .load_rate_per_s = NAN, .has_growth = true};
    l.growth.slope_per_s = slope / 3600;
    l.growth.lo_per_s = lo / 3600;
    l.growth.hi_per_s = hi / 3600;
    struct run_tick *t = tick_new();
    live_show(&l, "measure", 30, t);
    tick_free(t);
    return l;
}

static void shows(double slope, double lo, double hi, const char *want)
{
    struct run_live l = line_of(slope, lo, hi);
    if (!strstr(l.line, want))
        fail_msg("\"%s\" is not in \"%s\"", want, l.line);
}

static void the_slope_and_its_interval_share_a_unit(void **state)
{
    (void)state;
    shows(3.21e6, 3.05e6, 3.38e6, "  +3.21 MB/h [3.05, 3.38]  budget 10 MB/h");
    shows(-787.3e3, -1145e3, -238e3, "  -0.79 MB/h [-1.15, -0.24]");
    shows(14.7, -423402.9, 547945.9, "  +0 kB/h [-423, 548]");
    shows(1.004e6, 1.001e6, 999.9e6, "  +1 MB/h [1, 1000]");
    shows(0, 0, 0, "  +0.00 B/h [0.00, 0.00]");
    shows(3.21e6, -INFINITY, INFINITY, "  +3.21 MB/h  budget");
    shows(12.0, 11.0, 13.0, "  +12.0 B/h [11.0, 13.0]");
}

static void nothing_is_shown_of_what_is_not_known(void **state)
{
    (void)state;
    struct run_live l = {.fd = -1, .total_s = 60, .budget_per_s = NAN, .load_rate_per_s = NAN};
    snprintf(l.title, sizeof l.title, "nightly  server  pid 4711");
    live_show(&l, "readying", NAN, NULL);
    assert_string_equal(l.line, "seep: nightly  server  pid 4711    readying");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_slope_and_its_interval_share_a_unit),
        cmocka_unit_test(nothing_is_shown_of_what_is_not_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
