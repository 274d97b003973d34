// Schedules, arrivals, choices and users: pure data, checked against brute force.
#include "load/schedule.h"
#include "load/users.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

static const struct load_share whole = {0, 1};

static struct profile_stage ramp[] = {{.for_s = 10, .to = 100}, {.for_s = 5, .to = 100}, {.for_s = 0, .to = 20},
                                      {.for_s = 4, .to = 0},    {.for_s = 3, .to = 0},   {.for_s = 2, .to = 50}};
static const struct profile_load ramped = {.open_model = true, .rate_per_s = 40, .stages = ramp, .n_stages = 6};

static void ramps_are_straight_and_the_last_value_holds(void **s)
{
    (void)s;
    struct load_schedule sch;
    assert_int_equal(schedule_build(&ramped, &sch, NULL), 0);
    static const struct {
        double t, value;
    } at[] = {{0, 40}, {5, 70}, {10, 100}, {14.999, 100}, {15, 20},  {17, 10},
              {19, 0}, {21, 0}, {23, 25},  {24, 50},      {9999, 50}};
    for (size_t i = 0; i < sizeof at / sizeof at[0]; i++)
        assert_true(fabs(schedule_value(&sch, at[i].t) - at[i].value) < 1e-6);
    assert_true(schedule_max(&sch) == 100);
    schedule_free(&sch);
}

static void count_is_the_integral_and_when_its_inverse(void **s)
{
    (void)s;
    struct load_schedule sch;
    assert_int_equal(schedule_build(&ramped, &sch, NULL), 0);
    double sum = 0, step = 1e-3;
    for (int i = 0; i < 30000; i++) {
        assert_true(fabs(schedule_count(&sch, i * step) - sum) < 0.2);
        sum += step * (schedule_value(&sch, i * step) + schedule_value(&sch, (i + 1) * step - 1e-9)) / 2;
    }
    for (double c = 0.5; c < 1600; c += 1) {
        double t = schedule_when(&sch, c);
        assert_true(fabs(schedule_count(&sch, t) - c) < 1e-6);
        assert_true(schedule_count(&sch, t - 1e-6) < c);
    }
    schedule_free(&sch);
}

static void a_rate_that_ends_has_no_next_start(void **s)
{
    (void)s;
    struct profile_stage off[] = {{.for_s = 2, .to = 0}};
    struct profile_load load = {.open_model = true, .rate_per_s = 10, .stages = off, .n_stages = 1};
    struct load_schedule sch;
    struct load_arrivals a;
    assert_int_equal(schedule_build(&load, &sch, NULL), 0);
    arrivals_start(&a, &sch, false, whole, 0, 1);
    int n = 0;
    for (; isfinite(a.next_s); n++) {
        assert_true(a.next_s <= 2);
        arrivals_take(&a);
    }
    assert_int_equal(n, 10);
    schedule_free(&sch);
    load = (struct profile_load){.open_model = true, .rate_per_s = 0};
    assert_int_equal(schedule_build(&load, &sch, NULL), 0);
    arrivals_start(&a, &sch, false, whole, 0, 1);
    assert_true(isinf(a.next_s));
    schedule_free(&sch);
}

static void constant_arrivals_are_evenly_spaced_and_resume_where_told(void **s)
{
    (void)s;
    struct profile_load load = {.open_model = true, .rate_per_s = 2000};
    struct load_schedule sch;
    struct load_arrivals a;
    assert_int_equal(schedule_build(&load, &sch, NULL), 0);
    arrivals_start(&a, &sch, false, whole, 86400, 1); // a day in: no drift
    for (int k = 0; k < 10000; k++) {
        assert_true(fabs(a.next_s - (86400 + (k + 0.5) / 2000)) < 1e-8);
        arrivals_take(&a);
    }
    schedule_free(&sch);
}

static void poisson_arrivals_have_their_rate_and_spread(void **s)
{
    (void)s;
    struct profile_load load = {.open_model = true, .rate_per_s = 50, .poisson = true};
    struct load_schedule sch;
    struct load_arrivals a, again;
    assert_int_equal(schedule_build(&load, &sch, NULL), 0);
    arrivals_start(&a, &sch, true, whole, 0, 7);
    arrivals_start(&again, &sch, true, whole, 0, 7);
    int n = 200000;
    double last = 0, sum = 0, squares = 0;
    for (int i = 0; i < n; i++) {
        double gap = (a.next_s - last) * 50;
        assert_true(gap > 0 && a.next_s == again.next_s);
        sum += gap;
        squares += gap * gap;
        last = a.next_s;
        arrivals_take(&a);
        arrivals_take(&again);
    }
    // Exponential gaps: mean 1 and variance 1, each within five standard errors.
    assert_true(fabs(sum / n - 1) < 5 / sqrt(n));
    assert_true(fabs(squares / n - sum / n * sum / n - 1) < 5 * sqrt(8.0 / n));
    schedule_free(&sch);
}

static void bursts_come_on_top(void **s)
{
    (void)s;
    struct profile_load load = {.open_model = true, .rate_per_s = 10};
    struct profile_bursts bursts = {.present = true, .every_s = 0.5, .size = 3};
    struct load_schedule sch;
    struct load_arrivals a;
    assert_int_equal(schedule_build(&load, &sch, NULL), 0);
    arrivals_start(&a, &sch, false, whole, 1.2, 1);
    arrivals_add_bursts(&a, &bursts, 1.2);
    int regular = 0, burst = 0;
    for (double last = 0; a.next_s < 3.2; arrivals_take(&a)) {
        assert_true(a.next_s >= last);
        last = a.next_s;
        bool in_burst = fabs(last / 0.5 - round(last / 0.5)) < 1e-9;
        burst += in_burst;
        regular += !in_burst;
    }
    assert_int_equal(burst, 4 * 3); // at 1.5, 2, 2.5 and 3 s
    assert_int_equal(regular, 20);
    schedule_free(&sch);
    load.rate_per_s = 0; // nothing but bursts
    assert_int_equal(schedule_build(&load, &sch, NULL), 0);
    arrivals_start(&a, &sch, true, whole, 0, 1);
    arrivals_add_bursts(&a, &bursts, 0);
    for (int i = 0; i < 9; i++, arrivals_take(&a))
        assert_true(a.next_s == 0.5 * (1 + i / 3));
    int shared = 0;
    for (int k = 0; k < 2; k++) { // dealt out over two workers
        arrivals_start(&a, &sch, false, (struct load_share){k, 2}, 0, 1);
        arrivals_add_bursts(&a, &bursts, 0);
        for (; a.next_s < 0.75; arrivals_take(&a))
            shared++;
    }
    assert_int_equal(shared, 3);
    schedule_free(&sch);
}

static void choices_follow_the_weights(void **s)
{
    (void)s;
    struct profile_scenario scenario[] = {{.weight = 70}, {.weight = 29}, {.weight = 0.5}, {.weight = 0.5}};
    struct profile_load load = {.scenarios = scenario, .n_scenarios = 4};
    struct load_pick pick;
    struct load_rng rng = {99};
    assert_int_equal(pick_build(&load, &pick, NULL), 0);
    double seen[4] = {0}, chi = 0;
    int n = 200000;
    for (int i = 0; i < n; i++)
        seen[pick_next(&pick, &rng)]++;
    for (int i = 0; i < 4; i++) {
        double wanted = n * scenario[i].weight / 100;
        chi += (seen[i] - wanted) * (seen[i] - wanted) / wanted;
    }
    assert_true(chi < 16.27); // chi-square with 3 degrees of freedom, 99.9 %
    pick_free(&pick);
}

static void users_come_and_go_and_wake_in_order(void **s)
{
    (void)s;
    struct load_users u;
    struct load_rng rng = {5};
    assert_int_equal(users_open(&u, 100, NULL), 0);
    users_set(&u, 60, 20, 1000, 400);
    assert_int_equal(u.active, 20); // hatched in steps, each in its turn
    assert_int_equal(users_first_ns(&u), 1000);
    for (int i = 0; i < 20; i++)
        assert_int_equal(u.user[i].wake_ns, 1000 + 20 * i);
    users_set(&u, 200, 1000, 1000, 0);
    assert_int_equal(u.active, 100); // and never more than there are
    int busy[100], n_busy = 0;
    for (int64_t now = 1000, round = 0; round < 20000; round++) {
        if (u.n_heap && rng_next(&rng) % 2) {
            int64_t first = users_first_ns(&u);
            for (int i = 0; i < u.max; i++)
                assert_true(u.user[i].heap_at < 0 || u.user[i].wake_ns >= first);
            busy[n_busy++] = users_take(&u);
        } else if (n_busy) {
            int at = (int)(rng_next(&rng) % (unsigned)n_busy), i = busy[at];
            busy[at] = busy[--n_busy];
            users_wait(&u, i, now + (int64_t)(rng_next(&rng) % 5000));
        }
        if (round % 50 == 0)
            users_set(&u, (int)(rng_next(&rng) % 101), 1000, now += 10, 0);
        int waiting = 0, active = 0;
        for (int i = 0; i < u.max; i++) {
            waiting += u.user[i].heap_at >= 0;
            active += u.user[i].active;
            assert_false(u.user[i].busy && u.user[i].heap_at >= 0);
        }
        assert_int_equal(waiting, u.n_heap);
        assert_int_equal(active, u.active);
    }
    users_stop(&u);
    assert_int_equal(u.n_heap, 0);
    assert_int_equal(u.active, 0);
    assert_true(users_first_ns(&u) == INT64_MAX && users_first(&u) == -1);
    users_close(&u);
}

static void a_pool_is_claimed_and_pauses(void **s)
{
    (void)s;
    struct load_users u;
    assert_int_equal(users_open(&u, 3, NULL), 0);
    int a = users_claim(&u), b = users_claim(&u), c = users_claim(&u);
    assert_true(a != b && b != c && a != c && a >= 0 && b >= 0 && c >= 0);
    assert_int_equal(users_claim(&u), -1);
    assert_int_equal(u.n_claimed, 3);
    users_pause(&u, b, 50);
    users_pause(&u, a, 40);
    users_pause(&u, c, 60);
    users_unpause(&u, b);
    assert_int_equal(users_first_ns(&u), 40);
    assert_int_equal(users_take(&u), a);
    assert_true(u.user[a].busy);
    users_release(&u, a);
    assert_int_equal(users_claim(&u), a);
    users_close(&u);

    assert_int_equal(users_open(&u, 2, NULL), 0); // closed: one who pauses within an iteration finishes it
    users_set(&u, 2, 2, 10, 0);
    int first = users_take(&u);
    users_pause(&u, first, 20);
    users_set(&u, 0, 0, 10, 0);
    assert_int_equal(u.n_heap, 1);
    assert_int_equal(users_take(&u), first);
    users_wait(&u, first, 30);
    assert_int_equal(u.n_heap, 0);
    users_close(&u);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ramps_are_straight_and_the_last_value_holds),
        cmocka_unit_test(count_is_the_integral_and_when_its_inverse),
        cmocka_unit_test(a_rate_that_ends_has_no_next_start),
        cmocka_unit_test(constant_arrivals_are_evenly_spaced_and_resume_where_told),
        cmocka_unit_test(poisson_arrivals_have_their_rate_and_spread),
        cmocka_unit_test(bursts_come_on_top),
        cmocka_unit_test(choices_follow_the_weights),
        cmocka_unit_test(a_pool_is_claimed_and_pauses),
        cmocka_unit_test(users_come_and_go_and_wake_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
