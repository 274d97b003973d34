// The table of series: rows, parents, labels, what it refuses; and the worker's books that hang on it.
#include "load/tally.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct profile *parse(const char *text)
{
    struct profile *p;
    struct seep_err err;
    if (profile_parse(text, strlen(text), "test", &p, &err) < 0)
        fail_msg("%s", err.text);
    return p;
}

static const char two[] = "version: 1\nname: t\nload:\n  rate: 400/s\n  scenarios:\n"
                          "  - {name: login, weight: 70, request: {url: 'http://127.0.0.1:1/login'}}\n"
                          "  - {name: a-list, weight: 30, request: {url: 'http://127.0.0.1:1/items'}}\n";

static void scenarios_of_one_load_are_leaves_below_the_whole(void **s)
{
    (void)s;
    struct profile *p = parse(two);
    struct load_series_table t;
    struct seep_err err;
    assert_int_equal(load_series_build(p, &t, &err), 0);
    assert_int_equal(t.n, 3);
    assert_int_equal(t.row[0].kind, LOAD_SERIES_ALL);
    assert_int_equal(t.row[0].parent, -1);
    assert_false(t.row[0].leaf);
    assert_string_equal(t.row[0].labels, "");
    assert_string_equal(t.row[0].name, "");
    assert_string_equal(t.row[1].labels, "scenario=login");
    assert_string_equal(t.row[2].labels, "scenario=a-list");
    assert_string_equal(t.row[2].name, "a-list");
    assert_true(t.row[2].leaf && t.row[2].passes && t.row[2].parent == 0);
    assert_int_equal(load_series_of_step(&t, 0, 1, 0), 2);
    assert_int_equal(load_series_of_scenario(&t, 0, 0), 1);
    assert_int_equal(load_series_of_scenario(&t, 1, 0), -1);
    assert_int_equal(load_series_of_transaction(&t, 0, 0, "login"), -1);
    assert_int_equal(load_series_of_labels(&t, "scenario=a-list"), 2);
    assert_int_equal(load_series_of_labels(&t, "scenario=a-"), -1);
    load_series_free(&t);
    profile_free(p);
}

static const char many[] = "version: 1\nname: t\nload:\n"
                           "  - name: users\n    users: 3\n    scenarios:\n"
                           "      - name: shop\n        steps:\n"
                           "          - {name: home, request: {url: 'http://127.0.0.1:1/'}}\n"
                           "          - {name: cart, transaction: buy, request: {url: 'http://127.0.0.1:1/cart'}}\n"
                           "          - {name: pay, transaction: buy, request: {url: 'http://127.0.0.1:1/pay'}}\n"
                           "      - {name: ping, request: {url: 'http://127.0.0.1:1/ping'}}\n"
                           "  - name: attackers\n    rate: 5/s\n    scenarios:\n"
                           "      - {name: ping, request: {url: 'http://127.0.0.1:1/ping'}}\n";

static void several_loads_have_rows_of_their_own_and_steps_below(void **s)
{
    (void)s;
    static const struct {
        const char *labels;
        int parent;
        bool leaf, passes;
    } rows[] = {
        {"", -1, false, false},
        {"load=users", 0, false, false},
        {"load=users,scenario=shop", 1, false, true},
        {"load=users,scenario=shop,step=home", 2, true, false},
        {"load=users,scenario=shop,step=cart", 2, true, false},
        {"load=users,scenario=shop,step=pay", 2, true, false},
        {"load=users,scenario=shop,transaction=buy", 2, false, true},
        {"load=users,scenario=ping", 1, true, true},
        {"load=attackers", 0, false, false},
        {"load=attackers,scenario=ping", 8, true, true},
    };
    struct profile *p = parse(many);
    struct load_series_table t;
    struct seep_err err;
    assert_int_equal(load_series_build(p, &t, &err), 0);
    assert_int_equal(t.n, sizeof rows / sizeof *rows);
    for (int i = 0; i < t.n; i++) {
        assert_string_equal(t.row[i].labels, rows[i].labels);
        assert_int_equal(t.row[i].parent, rows[i].parent);
        assert_true(t.row[i].leaf == rows[i].leaf && t.row[i].passes == rows[i].passes);
        struct load_labels l;
        assert_true(load_labels_parse(t.row[i].labels, &l));
        assert_int_equal(l.kind, t.row[i].kind);
    }
    assert_int_equal(load_series_of_step(&t, 0, 0, 2), 5);
    assert_int_equal(load_series_of_step(&t, 0, 1, 0), 7);
    assert_int_equal(load_series_of_step(&t, 1, 0, 0), 9);
    assert_int_equal(load_series_of_transaction(&t, 0, 0, "buy"), 6);
    assert_int_equal(load_series_of_transaction(&t, 0, 0, "sell"), -1);
    assert_string_equal(t.row[6].name, "buy");
    load_series_free(&t);
    profile_free(p);
}

static void more_series_than_can_be_told_apart_are_refused(void **s)
{
    (void)s;
    struct seep_buf b;
    buf_init(&b, 1u << 20);
    buf_str(&b, "version: 1\nname: t\nload:\n  rate: 1/s\n  scenarios:\n");
    for (int i = 0; i < LOAD_SERIES_MAX; i++)
        buf_printf(&b, "  - {name: s%d, request: {url: 'http://127.0.0.1:1/'}}\n", i);
    struct profile *p = parse(b.data);
    struct load_series_table t;
    struct seep_err err;
    assert_int_equal(load_series_build(p, &t, &err), -1);
    assert_int_equal(err.code, SEEP_E_LIMIT);
    p->loads[0].n_scenarios--;
    assert_int_equal(load_series_build(p, &t, &err), 0);
    assert_int_equal(t.n, LOAD_SERIES_MAX);
    load_series_free(&t);
    p->loads[0].n_scenarios++;
    profile_free(p);
    buf_free(&b);
}

static void labels_are_read_back_or_not_ours(void **s)
{
    (void)s;
    struct load_labels l;
    assert_true(load_labels_parse("", &l) && l.kind == LOAD_SERIES_ALL);
    assert_true(load_labels_parse("load=a", &l) && l.kind == LOAD_SERIES_LOAD);
    assert_true(load_labels_parse("scenario=b=c", &l) && l.kind == LOAD_SERIES_SCENARIO);
    assert_string_equal(l.scenario, "b=c");
    assert_true(load_labels_parse("load=a,scenario=b,step=c d", &l) && l.kind == LOAD_SERIES_STEP);
    assert_string_equal(l.load, "a");
    assert_string_equal(l.scenario, "b");
    assert_string_equal(l.step, "c d");
    assert_string_equal(l.transaction, "");
    assert_true(load_labels_parse("scenario=b,transaction=t", &l) && l.kind == LOAD_SERIES_TRANSACTION);
    static const char *const foreign[] = {
        "scenario=",        "scenario=a,", "step=a",        "scenario=a,tick=1",        "tick=3",
        "scenario=a,step=", ",scenario=a", "load=a,load=b", "scenario=a,step=b,step=c", "scenario=a,,step=b",
        "scenario",         "scenarios=a"};
    for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++)
        if (load_labels_parse(foreign[i], &l))
            fail_msg("'%s' was taken for labels of the load", foreign[i]);
}

static void status_codes_beyond_the_table_are_others(void **s)
{
    (void)s;
    struct load_codes a = {0}, b = {0};
    for (int i = 0; i < LOAD_CODES; i++)
        load_codes_add(&a, 200 + i, 2);
    load_codes_add(&a, 999, 5);
    load_codes_add(&a, 200, 1);
    assert_int_equal(a.n, LOAD_CODES);
    assert_int_equal(a.count[0], 3);
    assert_int_equal(a.other, 5);
    load_codes_add(&b, 204, 7);
    load_codes_add(&b, -1, 1);
    load_codes_merge(&b, &a);
    uint64_t sum = b.other;
    for (uint32_t i = 0; i < b.n; i++)
        sum += b.count[i];
    assert_int_equal(sum, 7 + 1 + 2 * LOAD_CODES + 1 + 5);
    assert_int_equal(b.code[0], 204);
    assert_int_equal(b.count[0], 9);
    assert_int_equal(b.n, LOAD_CODES);
}

static const struct load_metric_table no_metrics;

static void books_keep_what_is_recorded_and_nothing_else(void **s)
{
    (void)s;
    struct profile *p = parse(two);
    struct load_series_table t;
    struct load_tally tally;
    struct seep_err err;
    assert_int_equal(load_series_build(p, &t, &err), 0);
    assert_int_equal(tally_open(&t, &no_metrics, &tally, &err), 0);
    tally_record(&tally, 1, LOAD_LATENCY, 1500);
    tally_record(&tally, LOAD_ALL, LOAD_LATENCY, 1500); // no leaf: nowhere to go
    assert_int_equal(tally.hist[1 * LOAD_HIST_KINDS + LOAD_LATENCY]->count, 1);
    assert_null(tally.hist[LOAD_ALL * LOAD_HIST_KINDS + LOAD_LATENCY]);
    tally_status(&tally, 1, 404);
    tally_status(&tally, 1, 7);
    assert_int_equal(tally.counts[1].status[4], 1);
    assert_int_equal(tally.counts[1].status[0], 1);
    assert_int_equal(tally.codes[1].n, 2);
    tally_pass(&tally, 1, 10, true);
    tally_pass(&tally, 1, 10, false);
    assert_int_equal(tally.counts[1].passes, 2);
    assert_int_equal(tally.counts[1].passes_failed, 1);
    tally_close(&tally);
    load_series_free(&t);
    profile_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scenarios_of_one_load_are_leaves_below_the_whole),
        cmocka_unit_test(several_loads_have_rows_of_their_own_and_steps_below),
        cmocka_unit_test(more_series_than_can_be_told_apart_are_refused),
        cmocka_unit_test(labels_are_read_back_or_not_ours),
        cmocka_unit_test(status_codes_beyond_the_table_are_others),
        cmocka_unit_test(books_keep_what_is_recorded_and_nothing_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
