// Metrics as text and expressions over them, with scrapes and times that the test makes.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scrape/expr.h"

#define S 1000000000ll

static char seen[8192];

static void write_sample(const struct scrape_sample *s, void *ctx)
{
    (void)ctx;
    size_t n = strlen(seen);
    snprintf(seen + n, sizeof seen - n, "%s{%s} %g%s\n", s->name, s->labels, s->value, s->counter ? " c" : "");
}

static void text_is_read(void **state)
{
    (void)state;
    static const char text[] =
        "# HELP http_requests_total The total.\n# TYPE http_requests_total counter\n"
        "http_requests_total{method=\"post\",code=\"200\"} 1027 1395066363000\n"
        "http_requests_total{code=\"400\",method=\"post\",} 3\r\n"
        "  spaced   {  a = \"x y\" , b=\"}\" }   1.5e3  \n"
        "quoted{path=\"C:\\\\DIR\\\\\",error=\"said \\\"no\\\"\\n\"} +Inf\n"
        "# TYPE rpc_seconds histogram\nrpc_seconds_bucket{le=\"0.1\"} 5\nrpc_seconds_bucket{le=\"+Inf\"} 7 # "
        "{id=\"x\"} 0.3\n"
        "rpc_seconds_sum 2.5\nrpc_seconds_count 7\n# TYPE up gauge\nup 1\nnothing NaN\n\n"
        "bad line\n{x=\"1\"} 2\nopen{a=\"b 1\ntwice{a=\"1\",a=\"2\"} 1\n1digit 3\nhex 0x10\nempty\n"
        "# EOF\nafter 1\n";
    struct scrape_counts counts;
    seen[0] = '\0';
    scrape_parse(text, sizeof text - 1, write_sample, NULL, &counts);
    assert_string_equal(seen, "http_requests_total{code=\"200\",method=\"post\"} 1027 c\n"
                              "http_requests_total{code=\"400\",method=\"post\"} 3 c\n"
                              "spaced{a=\"x y\",b=\"}\"} 1500\n"
                              "quoted{error=\"said \\\"no\\\"\\n\",path=\"C:\\\\DIR\\\\\"} inf\n"
                              "rpc_seconds_bucket{le=\"0.1\"} 5 c\nrpc_seconds_bucket{le=\"+Inf\"} 7 c\n"
                              "rpc_seconds_sum{} 2.5 c\nrpc_seconds_count{} 7 c\nup{} 1\nnothing{} nan\n");
    assert_int_equal(counts.bad_lines, 7);
    assert_int_equal(counts.samples, 10);
}

static bool all(const char *name, void *ctx)
{
    (void)ctx;
    return strcmp(name, "unwanted") != 0;
}

static void take_value(const char *labels, double value, void *ctx)
{
    (void)ctx;
    size_t n = strlen(seen);
    snprintf(seen + n, sizeof seen - n, "{%s}%.6g ", labels, value);
}

static const char *value_of(struct scrape_table *t, const char *text)
{
    struct scrape_expr *e;
    struct seep_err err;
    size_t column = 0;
    if (scrape_expr_parse(text, &e, &column, &err))
        fail_msg("%s: column %zu: %s", text, column, err.text);
    seen[0] = '\0';
    assert_int_equal(scrape_expr_eval(e, t, take_value, NULL), 0);
    scrape_expr_free(e);
    return seen;
}

static void scrape(struct scrape_table *t, double at_s, const char *text)
{
    struct scrape_counts counts;
    scrape_table_take(t, text, strlen(text), (int64_t)(at_s * S), &counts);
    assert_int_equal(counts.bad_lines, 0);
}

#define COUNTERS(a, b, c)                                                                                              \
    "# TYPE hits counter\nhits{zone=\"a\"} " a "\nhits{zone=\"b\"} " b "\n# TYPE attempts counter\nattempts " c "\n"

static void rates_and_ratios(void **state)
{
    (void)state;
    struct scrape_table t;
    assert_int_equal(scrape_table_init(&t, 0, all, NULL), 0);
    scrape(&t, 10, COUNTERS("100", "50", "1000") "auth{auth=\"true\"} 5\nauth{auth=\"false\"} 3.5\nunwanted 1\n");
    assert_string_equal(value_of(&t, "rate(hits)"), ""); // nothing to compare with yet
    assert_string_equal(value_of(&t, "auth{auth=\"true\"} - auth{auth=\"false\"}"), "{}1.5 ");
    scrape(&t, 12, COUNTERS("140", "60", "1200") "auth{auth=\"true\"} 5\n");
    assert_string_equal(value_of(&t, "rate(hits)"), "{zone=\"a\"}20 {zone=\"b\"}5 ");
    assert_string_equal(value_of(&t, "sum(rate(hits)) / rate(attempts) * 100"), "{}25 ");
    assert_string_equal(value_of(&t, "sum by (zone) (increase(hits))"), "{zone=\"a\"}40 {zone=\"b\"}10 ");
    assert_string_equal(value_of(&t, "sum(increase(hits)) by (nothing)"), "{}50 ");
    assert_string_equal(value_of(&t, "rate(hits{zone=~\"a|c\"})"), "{zone=\"a\"}20 ");
    assert_string_equal(value_of(&t, "rate(hits{zone!=\"a\"}) + 1"), "{zone=\"b\"}6 ");
    assert_string_equal(value_of(&t, "-(2 + 3) * -hits{zone=\"a\"} / 7"), "{zone=\"a\"}100 ");
    assert_string_equal(value_of(&t, "hits / hits"), "{zone=\"a\"}1 {zone=\"b\"}1 ");
    assert_string_equal(value_of(&t, "max(hits) - min(hits) + avg(hits)"), "{}180 ");
    assert_string_equal(value_of(&t, "auth{auth=\"true\"} - auth{auth=\"false\"}"), ""); // gone: a gap, not a number
    assert_string_equal(value_of(&t, "rate(attempts) / 0"), "");
    assert_string_equal(value_of(&t, "10 - 4 - 3"), "{}3 ");
    // The program was started again: counters begin at zero, and their rates do not fall below it.
    scrape(&t, 14, COUNTERS("30", "60", "20"));
    assert_string_equal(value_of(&t, "increase(hits)"), "{zone=\"a\"}30 {zone=\"b\"}0 ");
    scrape(&t, 15, COUNTERS("35", "60", "30"));
    assert_string_equal(value_of(&t, "increase(hits{zone=\"a\"})"), "{zone=\"a\"}5 ");
    assert_string_equal(value_of(&t, "hits{zone=\"a\"}"), "{zone=\"a\"}35 ");
    scrape_table_free(&t);
}

static void ranges(void **state)
{
    (void)state;
    struct scrape_table t;
    assert_int_equal(scrape_table_init(&t, 60, all, NULL), 0);
    for (int i = 0; i <= 600; i++) { // one scrape a second, 10/s and then 40/s
        char text[100];
        snprintf(text, sizeof text, "# TYPE n counter\nn %d\n", i < 500 ? 10 * i : 5000 + 40 * (i - 500));
        scrape(&t, 1000 + i, text);
    }
    double rate = atof(value_of(&t, "rate(n[60s])") + 2);
    assert_true(fabs(rate - 40) < 1e-6);
    assert_string_equal(value_of(&t, "rate(n)"), "{}40 ");
    scrape_table_free(&t);
}

static void quantiles(void **state)
{
    (void)state;
    struct scrape_table t;
    assert_int_equal(scrape_table_init(&t, 0, all, NULL), 0);
#define HIST(p, a, b, c)                                                                                               \
    "h_bucket{path=\"" p "\",le=\"0.1\"} " a "\nh_bucket{path=\"" p "\",le=\"0.5\"} " b "\nh_bucket{path=\"" p         \
    "\",le=\"+Inf\"} " c "\n"
    scrape(&t, 1, "# TYPE h histogram\n" HIST("/x", "0", "0", "0") HIST("/y", "10", "10", "10"));
    scrape(&t, 2, "# TYPE h histogram\n" HIST("/x", "50", "90", "100") HIST("/y", "10", "10", "20"));
    assert_string_equal(value_of(&t, "histogram_quantile(0.5, h)"), "{path=\"/x\"}0.1 {path=\"/y\"}0.5 ");
    assert_string_equal(value_of(&t, "histogram_quantile(0.7, h{path=\"/x\"})"), "{path=\"/x\"}0.3 ");
    assert_string_equal(value_of(&t, "histogram_quantile(0.99, rate(h_bucket{path=\"/x\"}))"), "{path=\"/x\"}0.5 ");
    assert_string_equal(value_of(&t, "histogram_quantile(0.5, sum by (le) (rate(h_bucket)))"), "{}0.15 ");
    scrape_table_free(&t);
}

static void wrong_expressions(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t column;
    } rows[] = {{"", 1},
                {"rate(", 6},
                {"rate(1)", 6},
                {"a +", 4},
                {"a b", 3},
                {"foo(a)", 1},
                {"a{b}", 4},
                {"a{b=c}", 5},
                {"a{b=\"c\"", 8},
                {"a[5m]", 1},
                {"rate(a[x])", 8},
                {"rate(a[5m)", 8},
                {"sum by a (b)", 8},
                {"(a", 3},
                {"histogram_quantile(2, a)", 20},
                {"a{b=~\"(\"}", 6},
                {"1e", 1},
                {"a{b==\"c\"}", 4}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct scrape_expr *e;
        struct seep_err err = {0};
        size_t column = 0;
        assert_int_equal(scrape_expr_parse(rows[i].text, &e, &column, &err), -1);
        assert_null(e);
        if (column != rows[i].column)
            fail_msg("'%s': column %zu, not %zu: %s", rows[i].text, column, rows[i].column, err.text);
    }
    char deep[200];
    memset(deep, '(', sizeof deep);
    deep[sizeof deep - 1] = '\0';
    struct scrape_expr *e;
    struct seep_err err;
    assert_int_equal(scrape_expr_parse(deep, &e, NULL, &err), -1);
}

static void bounded(void **state)
{
    (void)state;
    struct scrape_table t;
    struct scrape_counts counts;
    assert_int_equal(scrape_table_init(&t, 0, all, NULL), 0);
    size_t size = 400000, n = 0;
    char *text = malloc(size);
    for (int i = 0; i < SCRAPE_ROWS_MAX + 100; i++)
        n += (size_t)snprintf(text + n, size - n, "series{n=\"%d\"} 1\n", i);
    scrape_table_take(&t, text, n, S, &counts);
    assert_int_equal(t.n, SCRAPE_ROWS_MAX);
    assert_int_equal(t.left_out, 100);
    scrape_table_take(&t, text, n, 2 * S, &counts);
    assert_int_equal(t.left_out, 100);
    assert_string_equal(value_of(&t, "sum(series{n=~\"1.\"})"), "{}10 ");
    free(text);
    scrape_table_free(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_is_read), cmocka_unit_test(rates_and_ratios),  cmocka_unit_test(ranges),
        cmocka_unit_test(quantiles),    cmocka_unit_test(wrong_expressions), cmocka_unit_test(bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
