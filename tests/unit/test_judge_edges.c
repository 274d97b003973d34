// Where an answer of the judge turns, to the digit: distributions against their closed forms, margins, bands of grades,
// growth per operation with its interval, gates at the edge of their windows.
#include "judge/gate.h"
#include "judge/perop.h"
#include "judge/score.h"
#include "judge/stat.h"
#include "judge/trend.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
// cmocka needs the four above first
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define NEAR(a, b, tolerance)                                                                                          \
    do {                                                                                                               \
        double a_ = (a), b_ = (b);                                                                                     \
        if (!(fabs(a_ - b_) <= (tolerance)))                                                                           \
            fail_msg("%s is %.12g, not %.12g", #a, a_, b_);                                                            \
    } while (0)

// ---- Student's t against the closed forms of small degrees of freedom (Abramowitz and Stegun 26.7.3, 26.7.4)

static double cdf_of_3(double t)
{
    double theta = atan(t / sqrt(3));
    return .5 + (theta + sin(theta) * cos(theta)) / M_PI;
}

static double cdf_of_4(double t)
{
    double theta = atan(t / 2);
    return .5 + sin(theta) * (1 + cos(theta) * cos(theta) / 2) / 2;
}

static void students_t_is_exact(void **state)
{
    (void)state;
    for (double t = -40; t <= 40; t += .37) {
        NEAR(judge_t_cdf(t, 1), .5 + atan(t) / M_PI, 1e-9);
        NEAR(judge_t_cdf(t, 2), .5 + t / (2 * sqrt(2 + t * t)), 1e-9);
        NEAR(judge_t_cdf(t, 3), cdf_of_3(t), 1e-9);
        NEAR(judge_t_cdf(t, 4), cdf_of_4(t), 1e-9);
        NEAR(judge_t_cdf(t, 1e7), .5 * erfc(-t / sqrt(2)), 1e-6); // the normal distribution
    }
    NEAR(judge_t_cdf(0, 17.5), .5, 1e-12);
    for (double nu = 1; nu < 60; nu += 3.5)
        for (double p = .51; p < .995; p += .06)
            NEAR(judge_t_cdf(judge_t_quantile(p, nu), nu), p, 1e-7);
    NEAR(judge_t80(5), .9195, 1e-4);
    NEAR(judge_t80(1e6), .8416, 1e-4);
}

// ---- levels

enum { IDLE = 10 };

static struct judge_level closed(double step, double rise, double limit)
{
    double before[IDLE], after[IDLE];
    struct judge_level out;
    for (size_t i = 0; i < IDLE; i++) {
        before[i] = 100 + (i % 2 ? step : 0);
        after[i] = 100 + rise + (i % 2 ? 3 * step : 0);
    }
    assert_int_equal(judge_close(before, IDLE, after, IDLE, limit, JUDGE_U_BYTES, &out), 0);
    return out;
}

static void levels_have_their_margins(void **state)
{
    (void)state;
    // Neighbours differ by 2 and by 6: three standard errors of a median of ten, 3 * 1.05 * d / sqrt(10), added as
    // squares.
    struct judge_level l = closed(2, 50, 60);
    NEAR(l.difference, 52, 1e-9); // medians 101 and 153
    NEAR(l.margin, 3 * 1.05 * sqrt(4. + 36) / sqrt(10), 1e-9);
    assert_int_equal(l.verdict, JUDGE_PASS);
    assert_int_equal(closed(2, 60, 60).verdict, JUDGE_INCONCLUSIVE);
    assert_int_equal(closed(2, 70, 60).verdict, JUDGE_FAIL);
    assert_int_equal(closed(0, 60, 60).verdict, JUDGE_PASS); // up to the limit, as it is said
    assert_int_equal(closed(0, 60.001, 60).verdict, JUDGE_FAIL);
    assert_non_null(strstr(closed(0, 60, 60).reason, "above the idle baseline by 60"));
    assert_non_null(strstr(closed(0, -7, 60).reason, "below the idle baseline by 7"));
    assert_non_null(strstr(closed(0, 0, 60).reason, "above the idle baseline by 0"));
}

// A ramp of 1 a sample that wiggles by 0: every difference is 1.
static struct judge_level total(size_t n, double baseline)
{
    double *t = malloc(n * sizeof *t);
    struct judge_level out;
    assert_non_null(t);
    for (size_t i = 0; i < n; i++)
        t[i] = (double)i;
    struct judge_series s = {t, t, n};
    struct judge_options o = JUDGE_OPTIONS_DEFAULT;
    o.baseline = baseline;
    o.total_limit = (double)n;
    assert_int_equal(judge_total_growth(&s, &o, &out), 0);
    free(t);
    return out;
}

static void totals_are_medians_of_both_ends(void **state)
{
    (void)state;
    NEAR(total(10, NAN).difference, 8 - 1, 1e-9); // three at either end are the fewest
    NEAR(total(10, NAN).margin, 3 * 1.05 / sqrt(3), 1e-9);
    NEAR(total(100, NAN).difference, 94.5 - 1, 1e-9); // a tenth at the end, three (of 2 %) at the start
    NEAR(total(100, NAN).margin, 3 * 1.05 / sqrt(10), 1e-9);
    NEAR(total(500, NAN).difference, 474.5 - 4.5, 1e-9);
    NEAR(total(500, 20).difference, 474.5 - 20, 1e-9); // a baseline that was measured goes before the start
    assert_int_equal(total(9, NAN).verdict, JUDGE_INCONCLUSIVE);
    assert_int_equal(total(10, NAN).verdict, JUDGE_PASS);
}

static void a_reload_in_percent(void **state)
{
    (void)state;
    char why[200];
    assert_int_equal(judge_reload(200, 20, 0, 0, why, sizeof why), JUDGE_PASS); // a tenth, and no more
    assert_non_null(strstr(why, "grew by 10 % of the first: retention"));
    assert_int_equal(judge_reload(200, 21, 0, 0, why, sizeof why), JUDGE_FAIL);
    assert_int_equal(judge_reload(200, 100, 0, 0, why, sizeof why), JUDGE_FAIL);
    assert_non_null(strstr(why, "by 50 % of the first"));
    assert_int_equal(judge_reload(200, 30, 15, 0, why, sizeof why), JUDGE_INCONCLUSIVE);
    assert_int_equal(judge_reload(200, 30, 0, 30, why, sizeof why), JUDGE_PASS); // what the budget allows
    assert_int_equal(judge_reload(5, 5, 5, 0, why, sizeof why), JUDGE_PASS);     // neither is more than noise
    assert_int_equal(judge_reload(200, 20, -1, 0, why, sizeof why), JUDGE_INCONCLUSIVE);
}

static void allocated_bytes_beneath_the_resident_ones(void **state)
{
    (void)state;
    char label[80];
    struct judge_growth rss = {.verdict = JUDGE_PASS}, heap = {.verdict = JUDGE_INCONCLUSIVE, .budget_per_s = 100};
    assert_int_equal(judge_combine(&rss, &heap, label, sizeof label), JUDGE_PASS);
    heap.slope_per_s = heap.lo_per_s = 50; // half of the budget is not yet suspicious
    assert_int_equal(judge_combine(&rss, &heap, label, sizeof label), JUDGE_PASS);
    heap.slope_per_s = 51;
    assert_int_equal(judge_combine(&rss, &heap, label, sizeof label), JUDGE_INCONCLUSIVE);
    heap.slope_per_s = 0, heap.withdrawn = true;
    assert_int_equal(judge_combine(&rss, &heap, label, sizeof label), JUDGE_INCONCLUSIVE);
    heap = (struct judge_growth){.verdict = JUDGE_PASS};
    rss.verdict = JUDGE_FAIL;
    assert_int_equal(judge_combine(&rss, &heap, label, sizeof label), JUDGE_FAIL);
    assert_non_null(strstr(label, "not heap"));
}

// ---- grades

static double points_of(enum judge_grade grade, const double *p, size_t n)
{
    static const enum judge_area area[8] = {0};
    struct judge_score s;
    judge_grade(area, p, n, &s);
    assert_int_equal(s.grade, grade);
    return s.points;
}

static void grades_stay_within_their_bands(void **state)
{
    (void)state;
    NEAR(points_of(JUDGE_POOR, (double[]){100, 100, 74, 74}, 4), 59, 0);
    NEAR(points_of(JUDGE_POOR, (double[]){0, 0, 0}, 3), 0, 0);
    NEAR(points_of(JUDGE_FAIR, (double[]){75, 75, 0}, 3), 60, 0);
    NEAR(points_of(JUDGE_FAIR, (double[]){100, 100, 74}, 3), 74, 0);
    NEAR(points_of(JUDGE_GOOD, (double[]){75, 75}, 2), 75, 0);
    NEAR(points_of(JUDGE_GOOD, (double[]){100, 89.9}, 2), 89, 0);
    NEAR(points_of(JUDGE_EXCELLENT, (double[]){90, 90}, 2), 90, 0);
    NEAR(points_of(JUDGE_EXCELLENT, (double[]){100, 100}, 2), 100, 0);
}

// ---- growth per operation

enum { TICKS = 120, KINDS = 3 };

static uint64_t seed;

static double uniform(void) // -1..1; splitmix64 (Steele, Lea, Flood 2014)
{
    uint64_t z = seed += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return (double)((z ^ z >> 31) >> 11) / (double)(1ull << 52) - 1;
}

struct ops {
    double t[TICKS], y[TICKS], counts[TICKS * KINDS];
};

// An idle kind of many operations first, then two that leak, in bursts of their own.
static void make_ops(struct ops *o, double first, double second, double noise)
{
    double done[KINDS] = {0};
    for (size_t i = 0; i < TICKS; i++) {
        done[0] += 500 + 400 * uniform();
        done[1] += 20 + 19 * uniform();
        done[2] += 70 + 60 * uniform();
        memcpy(o->counts + i * KINDS, done, sizeof done);
        o->t[i] = (double)i;
        o->y[i] = 1e6 + first * done[1] + second * done[2] + noise * uniform();
    }
}

static void every_kind_has_its_own_bytes(void **state)
{
    (void)state;
    struct ops o;
    struct judge_perop out;
    seed = 1;
    make_ops(&o, 48, 8, 0);
    struct judge_perop_input in = {o.t, o.y, TICKS, o.counts, KINDS, 0, 0};
    assert_int_equal(judge_perop(&in, &out), 0);
    assert_false(out.kind[0].known); // it tells nothing, and leaves the model to the others
    assert_true(out.kind[1].known && out.kind[2].known);
    NEAR(out.kind[1].bytes_per_op, 48, 1e-6);
    NEAR(out.kind[2].bytes_per_op, 8, 1e-6);
    double all = 0;
    for (size_t k = 0; k < KINDS; k++)
        all += o.counts[(TICKS - 1) * KINDS + k] - o.counts[k];
    NEAR(out.operations, all, 1e-6);
}

// The intervals hold the truth about as often as they say, and are no wider than that takes.
static void intervals_per_operation_hold(void **state)
{
    (void)state;
    enum { REPS = 200 };
    struct ops o;
    struct judge_perop out;
    size_t held = 0, told = 0;
    double width = 0;
    for (seed = 1000; seed < 1000 + (uint64_t)REPS * 1000; seed = seed / 1000 * 1000 + 1000) {
        uint64_t from = seed;
        make_ops(&o, 48, 8, 300);
        seed = from;
        struct judge_perop_input in = {o.t, o.y, TICKS, o.counts, KINDS, 0, 0};
        assert_int_equal(judge_perop(&in, &out), 0);
        if (!out.kind[1].known)
            continue;
        told++;
        held += out.kind[1].lo <= 48 && 48 <= out.kind[1].hi;
        width += out.kind[1].hi - out.kind[1].lo;
        NEAR(.5 * (out.kind[1].lo + out.kind[1].hi), out.kind[1].bytes_per_op, 1e-9);
    }
    assert_true(told > REPS * 9 / 10);
    assert_true(held > told * 80 / 100 && held < told * 995 / 1000);
    assert_true(width / (double)told < 10); // of 48
}

// ---- gates

enum { ROWS = 100, BUCKETS = 2 };
static const double ladder[BUCKETS + 1] = {0, .05, 1};

struct rig {
    double t[ROWS];
    uint64_t requests[ROWS], errors[ROWS], bucket[ROWS * BUCKETS];
    struct judge_load load;
    struct judge_data data;
};

static void make_rig(struct rig *r)
{
    memset(r, 0, sizeof *r);
    for (size_t i = 0; i < ROWS; i++) {
        r->t[i] = (double)(i + 1);
        r->requests[i] = 100;
        r->bucket[i * BUCKETS] = 100;
    }
    r->load = (struct judge_load){.labels = "",
                                  .t_s = r->t,
                                  .n = ROWS,
                                  .requests = r->requests,
                                  .errors = r->errors,
                                  .passes = r->requests,
                                  .edge_s = ladder,
                                  .n_buckets = BUCKETS,
                                  .bucket = r->bucket};
    r->data = (struct judge_data){.to_s = ROWS, .options = JUDGE_OPTIONS_DEFAULT, .load = &r->load, .n_loads = 1};
}

static struct judge_gate_result result_of(const struct rig *r, struct judge_gate_text text)
{
    struct judge_gate g;
    struct judge_gate_where where;
    struct judge_gate_result out;
    struct seep_err err;
    assert_int_equal(judge_gate_parse(&text, NULL, 0, &g, &where, &err), 0);
    assert_int_equal(judge_gate_eval(&g, &r->data, &out), 0);
    return out;
}

static void an_outage_is_a_tick_in_which_most_fails(void **state)
{
    (void)state;
    struct rig r;
    make_rig(&r);
    struct judge_gate_text text = {.gate = "http.availability > 99%"};
    NEAR(result_of(&r, text).value, 1, 1e-12);
    r.errors[50] = 50; // half is none yet
    NEAR(result_of(&r, text).value, 1, 1e-12);
    r.errors[50] = 51;
    NEAR(result_of(&r, text).value, .99, 1e-12);
    assert_int_equal(result_of(&r, text).status, JUDGE_S_FAIL);
    r.requests[60] = r.errors[60] = 0; // a tick without requests says nothing
    NEAR(result_of(&r, text).value, 98. / 99, 1e-12);
}

static void a_gate_that_must_last(void **state)
{
    (void)state;
    struct rig r;
    make_rig(&r);
    struct judge_gate_text text = {.gate = "http.p90 < 100ms", .for_time = "20s"};
    for (size_t i = 40; i < 60; i++) { // twenty seconds of slow answers, to the second
        r.bucket[i * BUCKETS] = 0;
        r.bucket[i * BUCKETS + 1] = 100;
    }
    struct judge_gate_result out = result_of(&r, text);
    assert_int_equal(out.status, JUDGE_S_FAIL);
    assert_non_null(strstr(out.reason, "violated for 20 s"));
    assert_true(out.value > .1); // the worst of the stretch, not of the whole run
    // A quarter of the demanded time is what is looked at; the first of them is good again.
    for (size_t i = 40; i < 45; i++) {
        r.bucket[i * BUCKETS] = 100;
        r.bucket[i * BUCKETS + 1] = 0;
    }
    out = result_of(&r, text);
    assert_int_equal(out.status, JUDGE_S_PASS);
    assert_null(strstr(out.reason, "violated"));
}

static void rows_belong_to_the_window_they_end_in(void **state)
{
    (void)state;
    struct rig r;
    make_rig(&r);
    r.data.from_s = 10; // the row at 10 s is of the time before
    r.data.to_s = 20;
    NEAR(result_of(&r, (struct judge_gate_text){.gate = "load.requests >= 1"}).value, 1000, 1e-9);
    NEAR(result_of(&r, (struct judge_gate_text){.gate = "http.rate >= 1/s"}).value, 100, 1e-9);
    r.errors[9] = 100, r.errors[20] = 100; // just outside at either end
    NEAR(result_of(&r, (struct judge_gate_text){.gate = "http.errors < 1%"}).value, 0, 1e-12);
    r.errors[10] = 100;
    NEAR(result_of(&r, (struct judge_gate_text){.gate = "http.errors < 1%"}).value, .1, 1e-12);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(students_t_is_exact),
        cmocka_unit_test(levels_have_their_margins),
        cmocka_unit_test(totals_are_medians_of_both_ends),
        cmocka_unit_test(a_reload_in_percent),
        cmocka_unit_test(allocated_bytes_beneath_the_resident_ones),
        cmocka_unit_test(grades_stay_within_their_bands),
        cmocka_unit_test(every_kind_has_its_own_bytes),
        cmocka_unit_test(intervals_per_operation_hold),
        cmocka_unit_test(an_outage_is_a_tick_in_which_most_fails),
        cmocka_unit_test(a_gate_that_must_last),
        cmocka_unit_test(rows_belong_to_the_window_they_end_in),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
