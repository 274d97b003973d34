// Gates: good and bad expressions with the column of the error, and every way a gate can end.
#include "judge/gate.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
// cmocka.h needs the four headers above it
#include <cmocka.h>

#define assert_near(a, b, tolerance) assert_true(fabs((a) - (b)) <= (tolerance)) // cmocka compares floats only

static const char *const scraped[] = {"queue_depth", "pool_bytes{kind=\"a\"}", "queue"};

static struct judge_gate parsed(struct judge_gate_text text)
{
    struct judge_gate g;
    struct judge_gate_where where;
    struct seep_err err = {.text = ""};
    if (judge_gate_parse(&text, scraped, 3, &g, &where, &err) != 0)
        fail_msg("'%s': %s (%s column %zu)", text.gate, err.text, where.field, where.column);
    return g;
}

static void good_expressions(void **state)
{
    (void)state;
    static const struct {
        const char *gate, *name;
        enum judge_metric_kind kind;
        enum judge_op op;
        double limit;
    } row[] = {
        {"heap.growth < 1MB/h", "heap.growth", JUDGE_M_GROWTH, JUDGE_OP_LT, 1e6 / 3600},
        {"  stack.growth<250kB/h", "stack.growth", JUDGE_M_STACK_GROWTH, JUDGE_OP_LT, 250e3 / 3600},
        {"rss.total_growth <= 100MB", "rss.total_growth", JUDGE_M_TOTAL_GROWTH, JUDGE_OP_LE, 100e6},
        {"heap.growth_per_request < 500B", "heap.growth_per_request", JUDGE_M_PER_REQUEST, JUDGE_OP_LT, 500},
        {"fd.growth < 1/h", "fd.growth", JUDGE_M_GROWTH, JUDGE_OP_LT, 1. / 3600},
        {"zombies.growth < 0", "zombies.growth", JUDGE_M_GROWTH, JUDGE_OP_LT, 0},
        {"cpu < 80%", "cpu", JUDGE_M_GAUGE, JUDGE_OP_LT, .8},
        {"http.p99{scenario=login} < 500ms", "http.p99{scenario=login}", JUDGE_M_QUANTILE, JUDGE_OP_LT, .5},
        {"http.p50{ scenario = \"a, b\" , step=one }<1s", "http.p50{scenario=a, b,step=one}", JUDGE_M_QUANTILE,
         JUDGE_OP_LT, 1},
        {"http.errors < 1%", "http.errors", JUDGE_M_ERRORS, JUDGE_OP_LT, .01},
        {"http.rate >= 1000/s", "http.rate", JUDGE_M_RATE, JUDGE_OP_GE, 1000},
        {"load.requests > 100000", "load.requests", JUDGE_M_REQUESTS, JUDGE_OP_GT, 100000},
        {"queue_depth < 100", "queue_depth", JUDGE_M_GAUGE, JUDGE_OP_LT, 100},
        {"queue.growth < 10/h", "queue.growth", JUDGE_M_GROWTH, JUDGE_OP_LT, 10. / 3600},
        {"pool_bytes{kind=\"a\"}.growth < 2MiB/h", "pool_bytes{kind=\"a\"}.growth", JUDGE_M_GROWTH, JUDGE_OP_LT,
         2. * 1048576 / 3600},
    };
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        struct judge_gate g = parsed((struct judge_gate_text){.gate = row[i].gate});
        assert_string_equal(g.name, row[i].name);
        assert_int_equal(g.kind, row[i].kind);
        assert_int_equal(g.op, row[i].op);
        assert_near(g.limit, row[i].limit, 1e-9 * (1 + row[i].limit));
    }
}

static void every_metric_of_the_table_parses(void **state)
{
    (void)state;
    static const char *const limit[JUDGE_UNITS] = {"5", "5/h", "5MB", "5MB/h", "5B", "5s", "5%"};
    size_t n = 0;
    for (const struct judge_metric *m = judge_metrics; m->name; m++, n++) {
        char text[200];
        const char *labels = m->labels && strcmp(m->labels, "name") == 0 ? "{name=x}" : "";
        snprintf(text, sizeof text, "%s%s < %s", m->name, labels, limit[m->unit]);
        struct judge_gate g = parsed((struct judge_gate_text){.gate = text});
        assert_string_equal(g.metric, m->name);
        assert_non_null(m->help);
        snprintf(text, sizeof text, "%s%s < 5 parsecs", m->name, labels);
        struct judge_gate_text bad = {.gate = text};
        assert_int_equal(judge_gate_parse(&bad, NULL, 0, &g, NULL, NULL), -1);
    }
    assert_true(n >= 29);
}

static void a_metric_of_the_user_has_the_unit_of_its_limit(void **state)
{
    (void)state;
    assert_int_equal(parsed((struct judge_gate_text){.gate = "metric.p95{name=a} < 5ms"}).unit, JUDGE_U_SECONDS);
    assert_int_equal(parsed((struct judge_gate_text){.gate = "metric.p95{name=a} < 5kB"}).unit, JUDGE_U_BYTES);
    assert_int_equal(parsed((struct judge_gate_text){.gate = "metric.p95{name=a} < 5"}).unit, JUDGE_U_COUNT);
    assert_int_equal(parsed((struct judge_gate_text){.gate = "metric.rate{name=a} < 5%"}).unit, JUDGE_U_RATIO);
}

// Which of the load's series a gate is about: the one with all of its labels and the fewest others.
static void a_gate_finds_its_part_of_the_load(void **state)
{
    (void)state;
    static const struct judge_load loads[] = {
        {.labels = ""},
        {.labels = "load=a"},
        {.labels = "load=a,scenario=s"},
        {.labels = "load=a,scenario=s,step=one"},
        {.labels = "load=a,scenario=s,step=two"},
        {.labels = "load=b"},
        {.labels = "load=b,scenario=s"},
        {.labels = "load=b,scenario=t"},
        {.labels = "load=b,scenario=t,transaction=pay"},
        {.labels = "name=s"},
    };
    static const struct {
        const char *gate;
        int found; // -1: none, -2: several
    } row[] = {
        {"http.p99 < 1s", 0},
        {"http.p99{load=a} < 1s", 1},
        {"http.p99{scenario=t} < 1s", 7},
        {"http.p99{scenario=s} < 1s", -2},
        {"http.p99{scenario=s,load=b} < 1s", 6},
        {"http.p99{step=two} < 1s", 4},
        {"http.p99{step=tw} < 1s", -1},
        {"http.p99{transaction=pay} < 1s", 8},
        {"http.p99{scenario=u} < 1s", -1},
        {"metric.p99{name=s} < 1s", 9},
    };
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        struct judge_gate g = parsed((struct judge_gate_text){.gate = row[i].gate});
        bool ambiguous;
        const struct judge_load *l = judge_load_find(&g, loads, sizeof loads / sizeof loads[0], &ambiguous);
        int found = l ? (int)(l - loads) : ambiguous ? -2 : -1;
        if (found != row[i].found)
            fail_msg("%s: %d, not %d", row[i].gate, found, row[i].found);
    }
}

static void all_fields(void **state)
{
    (void)state;
    struct judge_gate g = parsed((struct judge_gate_text){
        .gate = "http.p99{scenario=login} < 500ms", .warn = "300ms", .over = "last 5m", .for_time = "60s"});
    assert_int_equal(g.over, JUDGE_OVER_LAST);
    assert_near(g.over_s, 300, 0);
    assert_near(g.for_s, 60, 0);
    assert_near(g.warn, .3, 1e-12);
    g = parsed((struct judge_gate_text){.gate = "http.p99 < 10%", .vs = "baseline", .floor = "5ms"});
    assert_true(g.vs_baseline);
    assert_near(g.limit, .1, 1e-12);
    assert_near(g.floor, .005, 1e-12);
    assert_true(parsed((struct judge_gate_text){.gate = "rss.growth < 1MB/h", .warn = "true"}).warn_only);
    assert_int_equal(parsed((struct judge_gate_text){.gate = "cpu < 5%", .over = "each 10s"}).over, JUDGE_OVER_EACH);
    assert_int_equal(parsed((struct judge_gate_text){.gate = "cpu < 5%", .over = "whole"}).over, JUDGE_OVER_WHOLE);
}

static void bad_expressions(void **state)
{
    (void)state;
    static const struct {
        struct judge_gate_text text;
        const char *field;
        size_t column;
        const char *says;
    } row[] = {
        {{.gate = NULL}, "gate", 1, "needs an expression"},
        {{.gate = ""}, "gate", 1, "begins with the name"},
        {{.gate = "< 5"}, "gate", 1, "begins with the name"},
        {{.gate = "heap.grwth < 1MB/h"}, "gate", 1, "did you mean 'heap.growth'"},
        {{.gate = "xyzzy < 1"}, "gate", 1, "no metric 'xyzzy'"},
        {{.gate = "heap.growth"}, "gate", 12, "comes '<'"},
        {{.gate = "heap.growth = 1MB/h"}, "gate", 13, "comes '<'"},
        {{.gate = "heap.growth <"}, "gate", 14, "limit is missing"},
        {{.gate = "heap.growth < 1"}, "gate", 15, ""},
        {{.gate = "heap.growth < 1MB"}, "gate", 15, ""},
        {{.gate = "heap.growth > 1MB/h"}, "gate", 13, "limited from above"},
        {{.gate = "heap.growth < -1MB/h"}, "gate", 15, "negative"},
        {{.gate = "heap.growth < 1MB/h extra"}, "gate", 0, ""},
        {{.gate = "heap.growth{scenario=a} < 1MB/h"}, "gate", 12, "no labels"},
        {{.gate = "http.p99{colour=a} < 1s"}, "gate", 10, "The labels of"},
        {{.gate = "http.p99{scenario=a,scenario=b} < 1s"}, "gate", 21, "twice"},
        {{.gate = "http.p99{scenario} < 1s"}, "gate", 18, "comes '='"},
        {{.gate = "http.p99{scenario=} < 1s"}, "gate", 19, "missing"},
        {{.gate = "http.p99{scenario=\"a} < 1s"}, "gate", 20, "not closed"},
        {{.gate = "http.p99{scenario=a < 1s"}, "gate", 21, "not closed"},
        {{.gate = "http.p99{} < 1s"}, "gate", 10, "The labels of"},
        {{.gate = "metric.p95 < 5ms"}, "gate", 11, "say which"},
        {{.gate = "metric.rate{scenario=a} < 5%"}, "gate", 13, "name"},
        {{.gate = "metric.p95{name=a,name=b} < 5ms"}, "gate", 19, "twice"},
        {{.gate = "load.iterations{step=a} > 5"}, "gate", 17, "load scenario"},
        {{.gate = "http.p99 < 10%"}, "gate", 12, ""},
        {{.gate = "queue.growth < 10MB"}, "gate", 16, "limited by a rate"},
        {{.gate = "cpu < 5%", .over = "sometimes"}, "over", 1, "'over' is"},
        {{.gate = "cpu < 5%", .over = "last week"}, "over", 6, ""},
        {{.gate = "cpu < 5%", .over = "last 0s"}, "over", 6, "longer than nothing"},
        {{.gate = "stack.growth < 1MB/h", .over = "last 5m"}, "over", 1, "whole run"},
        {{.gate = "heap.growth < 1MB/h", .for_time = "60s"}, "for", 1, "every moment"},
        {{.gate = "cpu < 5%", .for_time = "60"}, "for", 1, ""},
        {{.gate = "cpu < 5%", .warn = "5%"}, "warn", 1, "with the limit"},
        {{.gate = "cpu < 5%", .warn = "9%"}, "warn", 1, "after the limit"},
        {{.gate = "cpu < 5%", .warn = "maybe"}, "warn", 1, ""},
        {{.gate = "cpu < 5%", .vs = "yesterday"}, "vs", 1, "'baseline'"},
        {{.gate = "cpu > 5%", .vs = "baseline"}, "vs", 1, "may be lost"},
        {{.gate = "cpu < -5%", .vs = "baseline"}, "vs", 1, "may be gained"},
        {{.gate = "heap.growth < 5%", .vs = "baseline"}, "vs", 1, "seep compare"},
        {{.gate = "cpu < 5%", .floor = "5%"}, "floor", 1, "belongs to"},
    };
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        struct judge_gate g;
        struct judge_gate_where where = {NULL, 0};
        struct seep_err err = {.text = ""};
        if (judge_gate_parse(&row[i].text, scraped, 3, &g, &where, &err) != -1)
            fail_msg("'%s' was taken", row[i].text.gate);
        assert_string_equal(where.field, row[i].field);
        if (row[i].column > 0 && where.column != row[i].column)
            fail_msg("'%s': column %zu, not %zu: %s", row[i].text.gate, where.column, row[i].column, err.text);
        if (!strstr(err.text, row[i].says))
            fail_msg("'%s': %s", row[i].text.gate, err.text);
        assert_int_equal(err.code, SEEP_E_USAGE);
        assert_true(strlen(err.text) > 10);
    }
}

// A run of 600 s with a sample and a tick of load every second.
enum { TICKS = 600, BUCKETS = 6 };
static const double edge[BUCKETS + 1] = {0, .01, .05, .1, .2, .5, 1};

struct run {
    double t[TICKS], heap[TICKS], fd[TICKS], cpu[TICKS];
    uint64_t requests[TICKS], errors[TICKS], bucket[TICKS * BUCKETS];
    struct judge_gauge gauge[4];
    struct judge_load load[2];
    struct judge_baseline_value base[2];
    struct judge_data data;
};

static void make_run(struct run *r)
{
    memset(r, 0, sizeof *r);
    for (size_t i = 0; i < TICKS; i++) {
        r->t[i] = (double)(i + 1);
        r->heap[i] = 1e8 + 48. * 100 * (double)(i + 1) + (double)(i * 37 % 11) * 100;
        r->fd[i] = 20;
        r->cpu[i] = .5;
        r->requests[i] = 100;
        r->errors[i] = i % 10 == 0;
        r->bucket[i * BUCKETS + 1] = 98; // 10..50 ms
        r->bucket[i * BUCKETS + 3] = 2;  // 100..200 ms
    }
    r->gauge[0] = (struct judge_gauge){"heap", {r->t, r->heap, TICKS}, 0, NAN, NULL, NULL, NULL};
    r->gauge[1] = (struct judge_gauge){"fd", {r->t, r->fd, TICKS}, 0, NAN, NULL, NULL, NULL};
    r->gauge[2] = (struct judge_gauge){"cpu", {r->t, r->cpu, TICKS}, 0, NAN, NULL, NULL, NULL};
    r->gauge[3] = (struct judge_gauge){"rss", {NULL, NULL, 0}, 4096, NAN, "the target is gone", NULL, NULL};
    r->load[0] = (struct judge_load){"", r->t, TICKS, r->requests, r->errors, r->requests, edge, BUCKETS, r->bucket};
    r->load[1] = r->load[0];
    r->load[1].labels = "scenario=login";
    r->base[0] = (struct judge_baseline_value){.name = "http.p50", .value = .025};
    r->base[1] = (struct judge_baseline_value){.name = "http.rate", .value = 110};
    r->data = (struct judge_data){.from_s = 0,
                                  .to_s = TICKS,
                                  .options = JUDGE_OPTIONS_DEFAULT,
                                  .gauge = r->gauge,
                                  .n_gauges = 4,
                                  .load = r->load,
                                  .n_loads = 2,
                                  .stacks_missing = "no probe",
                                  .baseline = r->base,
                                  .n_baseline = 2};
}

static struct judge_gate_result evaluated(const struct run *r, struct judge_gate_text text)
{
    struct judge_gate g = parsed(text);
    struct judge_gate_result out;
    assert_int_equal(judge_gate_eval(&g, &r->data, &out), 0);
    assert_true(out.reason[0] != '\0');
    return out;
}

static void expect(const struct run *r, struct judge_gate_text text, enum judge_status want)
{
    struct judge_gate_result out = evaluated(r, text);
    if (out.status != want)
        fail_msg("'%s': %s: %s", text.gate, judge_status_name(out.status), out.reason);
}

#define EXPECT(run, want, ...) expect(run, (struct judge_gate_text){__VA_ARGS__}, want)

static void growth_gates(void **state)
{
    (void)state;
    struct run *r = malloc(sizeof *r);
    assert_non_null(r);
    make_run(r); // 17.28 MB/h
    EXPECT(r, JUDGE_S_FAIL, .gate = "heap.growth < 10MB/h");
    EXPECT(r, JUDGE_S_PASS, .gate = "heap.growth < 30MB/h");
    EXPECT(r, JUDGE_S_WARN, .gate = "heap.growth < 30MB/h", .warn = "10MB/h");
    EXPECT(r, JUDGE_S_WARN, .gate = "heap.growth < 10MB/h", .warn = "true");
    EXPECT(r, JUDGE_S_PASS, .gate = "heap.growth < 30MB/h", .warn = "true");
    EXPECT(r, JUDGE_S_FAIL, .gate = "heap.growth < 10MB/h", .over = "last 2m");
    EXPECT(r, JUDGE_S_PASS, .gate = "heap.growth < 30MB/h", .over = "each 2m");
    EXPECT(r, JUDGE_S_INCONCLUSIVE, .gate = "heap.growth < 30MB/h", .over = "last 30s"); // 31 samples
    EXPECT(r, JUDGE_S_INCONCLUSIVE, .gate = "heap.growth < 30MB/h", .over = "last 20m");
    EXPECT(r, JUDGE_S_PASS, .gate = "fd.growth < 1/h");
    EXPECT(r, JUDGE_S_INCONCLUSIVE, .gate = "rss.growth < 1MB/h");
    EXPECT(r, JUDGE_S_INCONCLUSIVE, .gate = "pss.growth < 1MB/h");
    EXPECT(r, JUDGE_S_INCONCLUSIVE, .gate = "stack.growth < 1MB/h");
    EXPECT(r, JUDGE_S_WARN, .gate = "rss.growth < 1MB/h", .warn = "true");
    struct judge_gate_result g = evaluated(r, (struct judge_gate_text){.gate = "heap.growth < 30MB/h"});
    assert_near(g.value * 3600, 48. * 100 * 3600, 1e5);
    assert_near(g.distance, g.limit - g.value, 1e-9);
    assert_true(g.has_growth && g.distance > 0);
    assert_string_equal(evaluated(r, (struct judge_gate_text){.gate = "rss.growth < 1MB/h"}).reason,
                        "the target is gone");
    assert_string_equal(evaluated(r, (struct judge_gate_text){.gate = "stack.growth < 1MB/h"}).reason, "no probe");
    free(r);
}

static void totals_and_per_request(void **state)
{
    (void)state;
    struct run *r = malloc(sizeof *r);
    assert_non_null(r);
    make_run(r);
    EXPECT(r, JUDGE_S_PASS, .gate = "heap.total_growth < 10MB");
    EXPECT(r, JUDGE_S_FAIL, .gate = "heap.total_growth < 1MB");
    EXPECT(r, JUDGE_S_WARN, .gate = "heap.total_growth < 10MB", .warn = "1MB");
    EXPECT(r, JUDGE_S_PASS, .gate = "heap.total_growth < 1MB", .over = "last 2m");
    EXPECT(r, JUDGE_S_PASS, .gate = "heap.growth_per_request < 500B");
    EXPECT(r, JUDGE_S_FAIL, .gate = "heap.growth_per_request < 40B");
    EXPECT(r, JUDGE_S_INCONCLUSIVE, .gate = "heap.growth_per_request < 48B");
    struct judge_gate_result g = evaluated(r, (struct judge_gate_text){.gate = "heap.growth_per_request < 500B"});
    assert_near(g.value, 48, .2);
    assert_true(g.lo < 48.1 && g.hi > 47.9);
    r->data.n_loads = 0;
    EXPECT(r, JUDGE_S_INCONCLUSIVE, .gate = "heap.growth_per_request < 500B");
    r->data.marks = &r->data.load[0]; // what the program marked stands in for a load
    EXPECT(r, JUDGE_S_PASS, .gate = "heap.growth_per_request < 500B");
    EXPECT(r, JUDGE_S_FAIL, .gate = "heap.growth_per_request < 40B");
    g = evaluated(r, (struct judge_gate_text){.gate = "heap.growth_per_request < 40B"});
    assert_non_null(strstr(g.reason, "per marked operation"));
    free(r);
}

static void load_gates(void **state)
{
    (void)state;
    struct run *r = malloc(sizeof *r);
    assert_non_null(r);
    make_run(r);
    EXPECT(r, JUDGE_S_PASS, .gate = "http.p50 < 50ms");
    EXPECT(r, JUDGE_S_FAIL, .gate = "http.p99 < 100ms");
    EXPECT(r, JUDGE_S_PASS, .gate = "http.p99{scenario=login} < 200ms");
    EXPECT(r, JUDGE_S_INCONCLUSIVE, .gate = "http.p99{scenario=logout} < 200ms");
    EXPECT(r, JUDGE_S_WARN, .gate = "http.p99 < 200ms", .warn = "120ms");
    EXPECT(r, JUDGE_S_PASS, .gate = "http.errors < 1%");
    EXPECT(r, JUDGE_S_FAIL, .gate = "http.errors < 0.05%");
    EXPECT(r, JUDGE_S_PASS, .gate = "http.rate > 99/s");
    EXPECT(r, JUDGE_S_FAIL, .gate = "http.rate > 101/s");
    EXPECT(r, JUDGE_S_PASS, .gate = "load.requests >= 60000");
    EXPECT(r, JUDGE_S_FAIL, .gate = "load.requests > 60000");
    EXPECT(r, JUDGE_S_PASS, .gate = "cpu < 51%");
    EXPECT(r, JUDGE_S_FAIL, .gate = "cpu < 50%");
    EXPECT(r, JUDGE_S_PASS, .gate = "cpu <= 50%");
    struct judge_gate_result g = evaluated(r, (struct judge_gate_text){.gate = "http.p99 < 1s"});
    assert_true(g.value > .1 && g.value <= .2);
    assert_near(g.distance, 1 - g.value, 1e-9);
    for (size_t i = 0; i < TICKS; i++)
        r->requests[i] = r->errors[i] = r->bucket[i * BUCKETS + 1] = r->bucket[i * BUCKETS + 3] = 0;
    EXPECT(r, JUDGE_S_INCONCLUSIVE, .gate = "http.errors < 1%");
    EXPECT(r, JUDGE_S_INCONCLUSIVE, .gate = "http.p99 < 1s");
    EXPECT(r, JUDGE_S_FAIL, .gate = "http.rate > 1/s");
    free(r);
}

static void few_requests_have_no_p999(void **state)
{
    (void)state;
    struct run *r = malloc(sizeof *r);
    assert_non_null(r);
    make_run(r);
    EXPECT(r, JUDGE_S_INCONCLUSIVE, .gate = "http.p999 < 1s", .over = "last 5s");
    EXPECT(r, JUDGE_S_PASS, .gate = "http.p999 < 1s", .over = "last 10s");
    EXPECT(r, JUDGE_S_FAIL, .gate = "http.p999 < 5ms", .over = "last 5s"); // even the median is above
    free(r);
}

static void windows_and_sustained(void **state)
{
    (void)state;
    struct run *r = malloc(sizeof *r);
    assert_non_null(r);
    make_run(r);
    for (size_t i = 300; i < 345; i++) { // 45 s of slow answers
        r->bucket[i * BUCKETS + 1] = 0;
        r->bucket[i * BUCKETS + 4] = 98;
    }
    EXPECT(r, JUDGE_S_PASS, .gate = "http.p90 < 100ms");
    EXPECT(r, JUDGE_S_FAIL, .gate = "http.p90 < 100ms", .over = "each 1m");
    EXPECT(r, JUDGE_S_PASS, .gate = "http.p90 < 100ms", .over = "last 4m");
    EXPECT(r, JUDGE_S_FAIL, .gate = "http.p90 < 100ms", .for_time = "40s");
    EXPECT(r, JUDGE_S_PASS, .gate = "http.p90 < 100ms", .for_time = "80s");
    EXPECT(r, JUDGE_S_PASS, .gate = "http.p90 < 100ms", .for_time = "40s", .over = "last 4m");
    EXPECT(r, JUDGE_S_INCONCLUSIVE, .gate = "http.p90 < 1s", .over = "last 20m");
    EXPECT(r, JUDGE_S_FAIL, .gate = "http.p50 < 1ms", .over = "last 20m"); // a violation needs no full window
    for (size_t i = 100; i < 220; i++)
        r->bucket[i * BUCKETS + 1] = r->bucket[i * BUCKETS + 3] = 0;
    EXPECT(r, JUDGE_S_INCONCLUSIVE, .gate = "http.p50 < 1s", .over = "each 1m");
    free(r);
}

static void against_a_baseline(void **state)
{
    (void)state;
    struct run *r = malloc(sizeof *r);
    assert_non_null(r);
    make_run(r); // p50 is about 30 ms, the baseline 25 ms
    EXPECT(r, JUDGE_S_FAIL, .gate = "http.p50 < 10%", .vs = "baseline");
    EXPECT(r, JUDGE_S_PASS, .gate = "http.p50 < 50%", .vs = "baseline");
    EXPECT(r, JUDGE_S_PASS, .gate = "http.p50 < 10%", .vs = "baseline", .floor = "10ms");
    EXPECT(r, JUDGE_S_WARN, .gate = "http.p50 < 50%", .vs = "baseline", .warn = "10%");
    EXPECT(r, JUDGE_S_INCONCLUSIVE, .gate = "http.p90 < 10%", .vs = "baseline");
    EXPECT(r, JUDGE_S_PASS, .gate = "http.rate > -20%", .vs = "baseline"); // 100/s, the baseline 110/s
    EXPECT(r, JUDGE_S_FAIL, .gate = "http.rate > -5%", .vs = "baseline");
    EXPECT(r, JUDGE_S_PASS, .gate = "http.rate > -5%", .vs = "baseline", .floor = "20/s");
    EXPECT(r, JUDGE_S_INCONCLUSIVE, .gate = "http.p50 < 50%", .vs = "baseline", .over = "last 2m");
    struct judge_gate_result g = evaluated(r, (struct judge_gate_text){.gate = "http.p50 < 50%", .vs = "baseline"});
    assert_near(g.limit, .0375, 1e-9);
    free(r);
}

// A pattern of scraped names that lets everything through leaves the built-in metrics what they are.
static void patterns_do_not_take_built_in_metrics(void **state)
{
    (void)state;
    const char *const all[] = {"*"};
    struct judge_gate g;
    struct seep_err err;
    assert_int_equal(
        judge_gate_parse(&(struct judge_gate_text){.gate = "rss.total_growth < 1GB"}, all, 1, &g, NULL, &err), 0);
    assert_false(g.scraped);
    assert_int_equal(g.kind, JUDGE_M_TOTAL_GROWTH);
    assert_int_equal(judge_gate_parse(&(struct judge_gate_text){.gate = "cpu < 80%"}, all, 1, &g, NULL, &err), 0);
    assert_false(g.scraped);
    assert_int_equal(
        judge_gate_parse(&(struct judge_gate_text){.gate = "queue_depth{q=a} < 7"}, all, 1, &g, NULL, &err), 0);
    assert_true(g.scraped);
    assert_int_equal(judge_gate_parse(&(struct judge_gate_text){.gate = "jobs.growth < 1/h"}, all, 1, &g, NULL, &err),
                     0);
    assert_true(g.scraped && g.kind == JUDGE_M_GROWTH);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(patterns_do_not_take_built_in_metrics),
        cmocka_unit_test(good_expressions),
        cmocka_unit_test(every_metric_of_the_table_parses),
        cmocka_unit_test(a_metric_of_the_user_has_the_unit_of_its_limit),
        cmocka_unit_test(a_gate_finds_its_part_of_the_load),
        cmocka_unit_test(all_fields),
        cmocka_unit_test(bad_expressions),
        cmocka_unit_test(growth_gates),
        cmocka_unit_test(totals_and_per_request),
        cmocka_unit_test(load_gates),
        cmocka_unit_test(few_requests_have_no_p999),
        cmocka_unit_test(windows_and_sustained),
        cmocka_unit_test(against_a_baseline),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
