// Comparisons of variants in each format: intervals are shown, unknown is unknown, foreign names are escaped.
#include "report/variants.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
// cmocka wants the above first.
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct variants_figure figures[VARIANTS_FIGURES_MAX];
static struct variants_gate gates[2];

static void make(struct variants *v, int rounds)
{
    static const double rate[3][3] = {{100, 110, 90}, {290, 330, 262}, {400, 470, 350}};
    *v = (struct variants){.name = "g", .rounds = rounds, .planned = rounds, .n = 3, .figure = figures};
    static const char *const names[] = {"one", "three", "five"};
    for (int k = 0; k < 3; k++) {
        snprintf(v->one[k].name, sizeof v->one[k].name, "%s", names[k]);
        v->one[k].instances = 2 * k + 1;
        struct variants_figure *f = variants_figure(v, "http.rate", JUDGE_U_PER_S);
        struct variants_figure *g = variants_figure(v, "<script>alert(1)</script>", JUDGE_U_BYTES);
        struct variants_figure *h = variants_figure(v, "hidden", JUDGE_U_COUNT);
        f->listed = g->listed = true;
        for (int r = 0; r < rounds; r++) {
            f->value[k][r] = rate[k][r];
            g->value[k][r] = k == 2 ? NAN : 1e6 * (k + 1);
            h->value[k][r] = 42;
            snprintf(v->one[k].round[r].run, sizeof v->one[k].round[r].run, "g-%s-%d", names[k], r + 1);
            v->one[k].round[r].verdict = "pass";
        }
    }
    gates[0] = (struct variants_gate){.text = "p99(three) - p99(one) < 1ms",
                                      .status = JUDGE_S_INCONCLUSIVE,
                                      .less = true,
                                      .fixed = true,
                                      .left = 0.0005,
                                      .right = 0.001,
                                      .margin = {.n = 3, .mean = -0.0005, .lo = -0.0012, .hi = 0.0002},
                                      .unit = JUDGE_U_SECONDS,
                                      .reason = "the rounds differ"};
    v->gate = gates;
    v->n_gates = 1;
}

static char *text_of(const struct variants *v, void (*write)(const struct variants *, struct seep_buf *))
{
    struct seep_buf out;
    buf_init(&out, 4u << 20);
    write(v, &out);
    buf_char(&out, '\0');
    assert_false(out.failed);
    char *text = strdup(out.data);
    buf_free(&out);
    return text;
}

static void test_scaling_by_rounds(void **state)
{
    (void)state;
    struct variants v;
    struct judge_paired p;
    make(&v, 3);
    variants_scaling(&v, 1, &p);
    assert_int_equal(p.n, 3);
    // cbrt(2.9 * 3 * 2.9111) / 3
    assert_true(fabs(p.mean - cbrt(290. / 100 * 330 / 110 * 262 / 90) / 3) < 1e-12);
    assert_true(p.lo < p.mean && p.mean < p.hi && p.hi - p.lo < 0.1);
    v.one[0].instances = NAN;
    variants_scaling(&v, 1, &p);
    assert_int_equal(isnan(p.mean), 1);
}

static void test_text_has_intervals_and_units(void **state)
{
    (void)state;
    struct variants v;
    make(&v, 3);
    char *text = text_of(&v, variants_text);
    assert_non_null(strstr(text, "x2.94 ["));
    assert_non_null(strstr(text, "scaling  three: 3 instances, 0.979 ["));
    assert_non_null(strstr(text, "500.0 us [-200.0 us, 1.20 ms] against 1 ms, 3 rounds; the rounds differ"));
    assert_null(strstr(text, "hidden"));
    assert_non_null(strstr(text, "unknown"));
    free(text);
    make(&v, 1);
    text = text_of(&v, variants_text);
    assert_non_null(strstr(text, "one round has no interval"));
    assert_non_null(strstr(text, "x2.9 "));
    free(text);
}

static void test_page_escapes_and_draws(void **state)
{
    (void)state;
    struct variants v;
    struct seep_buf out;
    struct seep_err err = {0};
    make(&v, 3);
    buf_init(&out, 4u << 20);
    assert_int_equal(variants_html(&v, &out, &err), 0);
    buf_char(&out, '\0');
    assert_null(strstr(out.data, "<script>alert"));
    assert_non_null(strstr(out.data, "&lt;script&gt;alert"));
    assert_non_null(strstr(out.data, "<svg class=\"ratios\""));
    assert_non_null(strstr(out.data, "<svg class=\"scaling\""));
    assert_null(strstr(out.data, "nan"));
    buf_free(&out);
    char *md = text_of(&v, variants_markdown);
    assert_null(strstr(md, "<script>"));
    assert_non_null(strstr(md, "## Scaling"));
    free(md);
}

static void test_json_has_rounds_and_nulls(void **state)
{
    (void)state;
    struct variants v;
    make(&v, 3);
    v.ended_early = "Interrupted: 3 of 5 rounds are complete and compared.";
    char *text = text_of(&v, variants_json);
    assert_non_null(strstr(text, "\"schema\": \"seep.variants/1\""));
    assert_non_null(strstr(text, "\"ended_early\": \"Interrupted"));
    assert_non_null(strstr(text, "null"));
    assert_non_null(strstr(text, "\"hidden\""));
    free(text);
}

static void test_figures_are_bounded(void **state)
{
    (void)state;
    struct variants v = {.figure = figures};
    char name[32];
    for (int i = 0; i < VARIANTS_FIGURES_MAX; i++) {
        snprintf(name, sizeof name, "f%d", i);
        assert_non_null(variants_figure(&v, name, JUDGE_U_COUNT));
    }
    assert_null(variants_figure(&v, "one more", JUDGE_U_COUNT));
    assert_ptr_equal(variants_figure(&v, "f7", JUDGE_U_COUNT), &figures[7]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scaling_by_rounds),      cmocka_unit_test(test_text_has_intervals_and_units),
        cmocka_unit_test(test_page_escapes_and_draws), cmocka_unit_test(test_json_has_rounds_and_nulls),
        cmocka_unit_test(test_figures_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
