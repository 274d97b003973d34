// The per-stack test: leaks found, healthy stacks left alone, every verdict, classes, and the empty cases.
#include "judge/allow.h"
#include "judge/stacks.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
// cmocka.h needs the four headers above it
#include <cmocka.h>

#define assert_near(a, b, tolerance) assert_true(fabs((a) - (b)) <= (tolerance)) // cmocka compares floats only

// A run of 60 s with a snapshot every 250 ms and 10 MB/h: 2 778 bytes a second, 167 kB in all.
enum { M = 240, S = 8, EPOCHS = 8 };
enum { LEAKING, STARTUP, CACHE, CHURN, STEPPED, EMPTY, SAWTOOTH, CONSTANT };
static const double budget_per_s = 10e6 / 3600;

struct heap {
    double t[M], live[S * M];
    struct judge_stacks_input in;
};

static double next_uniform(uint64_t *x)
{
    *x = (1103515245u * *x + 12345u) % 2147483648u;
    return (double)*x / 2147483648.0;
}

static void make_heap(struct heap *h, double leak)
{
    uint64_t x = 99;
    double leaked = 0;
    memset(h, 0, sizeof *h);
    for (size_t j = 0; j < M; j++) {
        double u = (double)j / (M - 1), *y = h->live + j;
        h->t[j] = (double)j * .25;
        leaked += leak * budget_per_s * .25;
        y[LEAKING * M] = 40 * floor(leaked / 40) + 64 * floor(4 * next_uniform(&x)); // whole blocks, some in flight
        y[STARTUP * M] = j < 10 ? 0 : 3e6;
        y[CACHE * M] = 2e6 * (1 - exp(-u / .08));
        y[CHURN * M] = 2000 * floor(10 * next_uniform(&x));
        y[STEPPED * M] = u > .7 ? 4e6 : 2e6;
        y[SAWTOOTH * M] = 1e3 * (double)((j * 7) % 23);
        y[CONSTANT * M] = 1e6;
    }
    h->in =
        (struct judge_stacks_input){.n_stacks = S, .m = M, .t_s = h->t, .live = h->live, .budget_per_s = budget_per_s};
}

static void leaks_from_2x_to_100x_are_found(void **state)
{
    (void)state;
    static const double times[] = {2, 3, 5, 10, 30, 100};
    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++) {
        struct heap h;
        struct judge_stacks out;
        make_heap(&h, times[i]);
        assert_int_equal(judge_stacks(&h.in, &out), 0);
        assert_int_equal(out.verdict, JUDGE_FAIL);
        assert_int_equal(out.by_rank[0], LEAKING);
        assert_int_equal(out.stack[LEAKING].rank, 1);
        assert_int_equal(out.n_rejected, 1);
        assert_int_equal(out.n_over, 1);
        assert_near(out.stack[LEAKING].slope_per_s, times[i] * budget_per_s, .05 * times[i] * budget_per_s);
        assert_near(out.stack[LEAKING].share, 1, 1e-9);
        assert_int_equal(out.stack[LEAKING].klass, JUDGE_CLASS_LEAK);
        assert_true(out.attributed_lo_per_s > budget_per_s);
        assert_non_null(strstr(out.reason, "above the budget"));
        judge_stacks_free(&out);
    }
}

static void a_healthy_heap_passes(void **state)
{
    (void)state;
    struct heap h;
    struct judge_stacks out;
    make_heap(&h, 0);
    assert_int_equal(judge_stacks(&h.in, &out), 0);
    assert_int_equal(out.verdict, JUDGE_PASS);
    assert_int_equal(out.n_rejected, 0);
    assert_near(out.worst_per_s, 0, 0);
    assert_int_equal(out.stack[CACHE].klass, JUDGE_CLASS_CACHE);
    assert_int_equal(out.stack[STARTUP].klass, JUDGE_CLASS_STARTUP);
    assert_int_equal(out.stack[CONSTANT].klass, JUDGE_CLASS_STARTUP);
    assert_int_equal(out.stack[CHURN].klass, JUDGE_CLASS_CHURN);
    assert_int_equal(out.stack[EMPTY].klass, JUDGE_CLASS_CHURN);
    assert_near(out.stack[EMPTY].p, 1, 0);
    judge_stacks_free(&out);
}

static void growth_under_and_at_the_budget(void **state)
{
    (void)state;
    struct heap h;
    struct judge_stacks out;
    make_heap(&h, .4);
    assert_int_equal(judge_stacks(&h.in, &out), 0);
    assert_int_equal(out.verdict, JUDGE_PASS); // it grows, and is allowed to
    assert_int_equal(out.n_rejected, 1);
    judge_stacks_free(&out);
    make_heap(&h, 1);
    assert_int_equal(judge_stacks(&h.in, &out), 0);
    assert_int_equal(out.verdict, JUDGE_INCONCLUSIVE);
    assert_non_null(strstr(out.reason, "straddles"));
    judge_stacks_free(&out);
}

// The stack leaks 20 budgets: excused by a larger allowance, not by a smaller one, and never held to less than the
// gate.
static void allowed_stacks_may_grow_within_their_own_budget(void **state)
{
    (void)state;
    static const struct {
        double allowed;
        enum judge_verdict verdict;
        const char *reason;
    } rows[] = {{40, JUDGE_PASS, "none of 8 stacks grows beyond what is allowed"},
                {5, JUDGE_FAIL, "above the budget it is allowed, 50 MB/h"},
                {20, JUDGE_INCONCLUSIVE, "straddles the budget it is allowed, 200 MB/h"},
                {0, JUDGE_FAIL, "above the budget it is allowed, 10 MB/h"},
                {NAN, JUDGE_FAIL, "above the budget of 10 MB/h"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct heap h;
        struct judge_stacks out;
        double allowed[S];
        make_heap(&h, 20);
        for (size_t s = 0; s < S; s++)
            allowed[s] = s == LEAKING ? rows[i].allowed * budget_per_s : NAN;
        h.in.allowed_per_s = allowed;
        assert_int_equal(judge_stacks(&h.in, &out), 0);
        assert_int_equal(out.verdict, rows[i].verdict);
        if (!strstr(out.reason, rows[i].reason))
            fail_msg("%s", out.reason);
        assert_true(out.stack[LEAKING].rejected);
        assert_int_equal(out.stack[LEAKING].allowed, !isnan(rows[i].allowed));
        assert_int_equal(out.n_over, rows[i].verdict == JUDGE_FAIL);
        assert_int_equal(out.n_allowed, rows[i].verdict == JUDGE_PASS);
        judge_stacks_free(&out);
    }
}

// What is allowed to one stack is not allowed to another.
static void an_allowance_covers_its_stack_alone(void **state)
{
    (void)state;
    struct heap h;
    struct judge_stacks out;
    double allowed[S] = {NAN, 1e12, NAN, NAN, NAN, NAN, NAN, NAN};
    make_heap(&h, 20);
    h.in.allowed_per_s = allowed;
    assert_int_equal(judge_stacks(&h.in, &out), 0);
    assert_int_equal(out.verdict, JUDGE_FAIL);
    judge_stacks_free(&out);
}

static void patterns_match_names_and_chains(void **state)
{
    (void)state;
    const struct judge_allow_frame frames[] = {{"cache_insert", "/src/cache.c", "/usr/bin/server"},
                                               {NULL, NULL, "/lib/plugin.so"},
                                               {"handle_get", "/src/http.c", "/usr/bin/server"},
                                               {"main", "/src/main.c", "/usr/bin/server"}};
    static const struct {
        const char *pattern;
        bool matches;
    } rows[] = {{"cache_insert", true},
                {"cache_*", true},
                {"*/cache.c", true},
                {"*/plugin.so", true},
                {"cache", false},
                {"cache_insert < main", true},
                {"cache_* < *plugin* < handle_get", true},
                {"main < cache_insert", false},
                {"main < main", false},
                {"* < * < * < *", true},
                {"* < * < * < * < *", false},
                {" < main", false},
                {"", false},
                {"[", false}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (judge_allow_matches(rows[i].pattern, frames, 4) != rows[i].matches)
            fail_msg("'%s'", rows[i].pattern);
    assert_false(judge_allow_matches("*", frames, 0));
}

static void the_last_day_counts(void **state)
{
    (void)state;
    assert_false(judge_allow_expired("2027-01-31", "2027-01-30"));
    assert_false(judge_allow_expired("2027-01-31", "2027-01-31"));
    assert_true(judge_allow_expired("2027-01-31", "2027-02-01"));
    assert_true(judge_allow_expired("2026-12-31", "2027-01-01"));
    assert_false(judge_allow_expired(NULL, "9999-12-31"));
}

static void noise_in_most_of_the_heap_is_inconclusive_unless_ages_settle_it(void **state)
{
    (void)state;
    struct heap h;
    struct judge_stacks out;
    double survivors[S] = {0};
    uint64_t x = 5;
    make_heap(&h, 0);
    for (size_t j = 0; j < M; j++)
        h.live[CHURN * M + j] = 1e8 * next_uniform(&x);
    assert_int_equal(judge_stacks(&h.in, &out), 0);
    assert_int_equal(out.verdict, JUDGE_INCONCLUSIVE);
    assert_true(out.n_unresolved >= 1 && out.unresolved_share > .5);
    judge_stacks_free(&out);
    h.in.survivor_bytes = survivors; // nothing born in the first half lives: that cannot be a leak
    assert_int_equal(judge_stacks(&h.in, &out), 0);
    assert_int_equal(out.verdict, JUDGE_PASS);
    judge_stacks_free(&out);
    h.in.sampling_interval_bytes = 524288; // a sample of the survivors proves nothing
    assert_int_equal(judge_stacks(&h.in, &out), 0);
    assert_int_equal(out.verdict, JUDGE_INCONCLUSIVE);
    judge_stacks_free(&out);
}

static void sampling_widens_the_interval(void **state)
{
    (void)state;
    struct heap h;
    struct judge_stacks exact, sampled;
    make_heap(&h, 10);
    assert_int_equal(judge_stacks(&h.in, &exact), 0);
    h.in.sampling_interval_bytes = 524288;
    assert_int_equal(judge_stacks(&h.in, &sampled), 0);
    assert_true(sampled.stack[LEAKING].hi_per_s - sampled.stack[LEAKING].lo_per_s >
                exact.stack[LEAKING].hi_per_s - exact.stack[LEAKING].lo_per_s);
    judge_stacks_free(&exact);
    judge_stacks_free(&sampled);
}

static void ages_blocks_and_reachability_name_the_class(void **state)
{
    (void)state;
    struct heap h;
    struct judge_stacks out;
    double age[S * EPOCHS] = {0}, blocks[S * M], lost[S];
    make_heap(&h, 20);
    for (size_t i = 0; i < S * M; i++)
        blocks[i] = 1;
    for (size_t s = 0; s < S; s++)
        lost[s] = NAN;
    h.in.live_blocks = blocks;
    assert_int_equal(judge_stacks(&h.in, &out), 0);
    assert_int_equal(out.stack[LEAKING].klass, JUDGE_CLASS_CONTAINER); // one block that swells
    judge_stacks_free(&out);
    h.in.unreachable_share = lost;
    lost[LEAKING] = 1;
    assert_int_equal(judge_stacks(&h.in, &out), 0);
    assert_int_equal(out.stack[LEAKING].klass, JUDGE_CLASS_LEAK);
    judge_stacks_free(&out);
    lost[LEAKING] = .3; // chance holds the others
    assert_int_equal(judge_stacks(&h.in, &out), 0);
    assert_int_equal(out.stack[LEAKING].klass, JUDGE_CLASS_LEAK);
    judge_stacks_free(&out);
    lost[LEAKING] = NAN;
    h.in.age_bytes = age;
    h.in.n_epochs = EPOCHS;
    age[LEAKING * EPOCHS + EPOCHS - 1] = 1e6; // only the young live
    assert_int_equal(judge_stacks(&h.in, &out), 0);
    assert_int_equal(out.stack[LEAKING].klass, JUDGE_CLASS_CONTAINER); // realloc bears its one block anew
    judge_stacks_free(&out);
    for (size_t j = 0; j < M; j++)
        blocks[LEAKING * M + j] = (double)(j + 1);
    assert_int_equal(judge_stacks(&h.in, &out), 0);
    assert_int_equal(out.stack[LEAKING].klass, JUDGE_CLASS_CACHE);
    assert_near(out.stack[LEAKING].survivor_bytes, 0, 0);
    judge_stacks_free(&out);
    for (size_t j = 0; j < M; j++) // a leak that sets in after half of the time has no old blocks either
        h.live[LEAKING * M + j] = j < M * 55 / 100 ? 0 : 4e4 * (double)(j - M * 55 / 100);
    assert_int_equal(judge_stacks(&h.in, &out), 0);
    assert_int_equal(out.stack[LEAKING].klass, JUDGE_CLASS_LEAK);
    judge_stacks_free(&out);
}

static void a_growing_mapping_that_nothing_looked_into_is_no_leak(void **state)
{
    (void)state;
    struct heap h;
    struct judge_stacks out;
    bool is_mapping[S] = {false};
    double lost[S];
    make_heap(&h, 20);
    for (size_t s = 0; s < S; s++)
        lost[s] = NAN;
    h.in.unreachable_share = lost;
    h.in.is_mapping = is_mapping;
    assert_int_equal(judge_stacks(&h.in, &out), 0);
    assert_int_equal(out.stack[LEAKING].klass,
                     JUDGE_CLASS_LEAK); // of the heap: what survives is a leak until seen held
    judge_stacks_free(&out);
    is_mapping[LEAKING] = true;
    assert_int_equal(judge_stacks(&h.in, &out), 0);
    assert_true(out.stack[LEAKING].rejected);
    assert_int_equal(out.stack[LEAKING].klass, JUDGE_CLASS_UNKNOWN);
    judge_stacks_free(&out);
    lost[LEAKING] = 1; // evidence counts for it like for any other
    assert_int_equal(judge_stacks(&h.in, &out), 0);
    assert_int_equal(out.stack[LEAKING].klass, JUDGE_CLASS_LEAK);
    judge_stacks_free(&out);
}

// A stack too noisy to say anything of, with most of the bytes: what its blocks' ages say decides.
static void ages_resolve_churn_but_no_leak_that_came_late(void **state)
{
    (void)state;
    static const struct {
        size_t epoch;
        enum judge_verdict verdict;
    } kept[] = {{EPOCHS - 1, JUDGE_PASS}, {EPOCHS * 5 / 8, JUDGE_INCONCLUSIVE}, {EPOCHS / 4, JUDGE_INCONCLUSIVE}};
    for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++) {
        struct heap h;
        struct judge_stacks out;
        double age[S * EPOCHS] = {0};
        uint64_t x = 5;
        make_heap(&h, 0);
        for (size_t j = 0; j < M; j++)
            h.live[CONSTANT * M + j] = 2e7 + 5e6 * next_uniform(&x);
        h.in.age_bytes = age;
        h.in.n_epochs = EPOCHS;
        age[CONSTANT * EPOCHS + kept[i].epoch] = 2e7;
        assert_int_equal(judge_stacks(&h.in, &out), 0);
        assert_true(out.stack[CONSTANT].mde_per_s > budget_per_s);
        assert_int_equal(out.verdict, kept[i].verdict);
        judge_stacks_free(&out);
    }
}

static void nothing_to_test_is_inconclusive(void **state)
{
    (void)state;
    struct heap h;
    struct judge_stacks out;
    make_heap(&h, 0);
    h.in.n_stacks = 0;
    assert_int_equal(judge_stacks(&h.in, &out), 0);
    assert_int_equal(out.verdict, JUDGE_INCONCLUSIVE);
    assert_true(isnan(out.worst_per_s));
    judge_stacks_free(&out);
    make_heap(&h, 0);
    h.in.m = 19;
    assert_int_equal(judge_stacks(&h.in, &out), 0);
    assert_int_equal(out.verdict, JUDGE_INCONCLUSIVE);
    h.in.m = M;
    h.in.budget_per_s = NAN;
    assert_int_equal(judge_stacks(&h.in, &out), 0);
    assert_int_equal(out.verdict, JUDGE_INCONCLUSIVE);
    judge_stacks_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(leaks_from_2x_to_100x_are_found),
        cmocka_unit_test(a_healthy_heap_passes),
        cmocka_unit_test(growth_under_and_at_the_budget),
        cmocka_unit_test(allowed_stacks_may_grow_within_their_own_budget),
        cmocka_unit_test(an_allowance_covers_its_stack_alone),
        cmocka_unit_test(patterns_match_names_and_chains),
        cmocka_unit_test(the_last_day_counts),
        cmocka_unit_test(noise_in_most_of_the_heap_is_inconclusive_unless_ages_settle_it),
        cmocka_unit_test(sampling_widens_the_interval),
        cmocka_unit_test(ages_blocks_and_reachability_name_the_class),
        cmocka_unit_test(a_growing_mapping_that_nothing_looked_into_is_no_leak),
        cmocka_unit_test(ages_resolve_churn_but_no_leak_that_came_late),
        cmocka_unit_test(nothing_to_test_is_inconclusive),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
