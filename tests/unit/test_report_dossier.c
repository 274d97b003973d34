// The performance report: eleven sections, every figure from a run, and nothing made up where there is none.
#include "report_rig.h"

#include "report/dossier.h"

static struct report *read_synth(struct rig *rig, double leak_per_s)
{
    struct synth s = hour_run();
    s.leak_per_s = leak_per_s;
    struct report *r = synth_report(rig, &s, NULL);
    rig_empty(rig);
    return r;
}

static char *write_as(const struct dossier *d, bool html)
{
    struct seep_buf out;
    buf_init(&out, 1 << 24);
    OK(dossier_write(d, html, &out, &fault));
    return out.data;
}

static const char *const titles[] = {"1. Executive summary",
                                     "2. Methodology",
                                     "3. Policy engine (OPA)",
                                     "4. Cache",
                                     "5. End to end",
                                     "6. Load",
                                     "7. Stress",
                                     "8. Memory",
                                     "9. Charts",
                                     "10. Bottlenecks",
                                     "11. Recommendations"};

static void eleven_sections_in_their_order(void **state)
{
    struct report *r = read_synth(*state, 900);
    struct dossier_run run = {.report = r};
    struct dossier d = {.title = "Performance report", .now_ns = 1795255670000000000};
    d.section[DOSSIER_LOAD].runs = &run;
    d.section[DOSSIER_LOAD].n = 1;
    char *text = write_as(&d, false), path[300];
    const char *at = text;
    for (size_t i = 0; i < sizeof titles / sizeof titles[0]; i++) {
        char heading[80];
        snprintf(heading, sizeof heading, "\n## %s\n", titles[i]);
        at = strstr(at, heading);
        if (at == NULL)
            fail_msg("there is no section '%s'", titles[i]);
    }
    assert_non_null(strstr(text, "Made 2026-11-21T")); // when
    write_temp(*state, "dossier.md", text, strlen(text), path);
    assert_read(*state, "md", "dossier.md",
                "v['html'].count('<table>') == 8 and '<td>heap.growth &lt; 1MB/h</td>' in v['html']");
    free(text);
    report_free(r);
}

// A section without a run names the run that would fill it, and no figure.
static void an_empty_section_says_what_fills_it(void **state)
{
    (void)state;
    const struct dossier none = {.title = "x"};
    char *text = write_as(&none, false);
    for (int s = 0; s < DOSSIER_SCALING; s++) {
        char words[80];
        snprintf(words, sizeof words, "seep dossier %s=%s", dossier_sections[s].key, dossier_sections[s].key);
        assert_non_null(strstr(text, words));
    }
    assert_non_null(strstr(text, "seep dossier scaling=ONE"));
    assert_non_null(strstr(text, "Of 0 runs 0 passed"));
    assert_null(strstr(text, "may begin"));
    free(text);
}

static void improvements_come_from_the_comparison(void **state)
{
    struct report *base = read_synth(*state, 900), *head = read_synth(*state, 0);
    struct compare *c;
    OK(compare_build(base, head, NULL, &c, &fault));
    struct dossier_run run = {.report = head, .since = c};
    struct dossier d = {.title = "x"};
    d.section[DOSSIER_MEMORY].runs = &run;
    d.section[DOSSIER_MEMORY].n = 1;
    char *text = write_as(&d, false);
    const char *row = strstr(text, "| heap.growth | 3.2");
    assert_non_null(row);
    assert_non_null(memmem(row, strcspn(row, "\n"), "| improvement |", 15));
    assert_non_null(strstr(text, "Every run passed, so the rollout may begin."));
    assert_non_null(strstr(text, "| 1, canary | 5 % | 2 weeks |"));
    free(text);
    compare_free(c);
    report_free(base);
    report_free(head);
}

static void a_failed_run_stops_the_rollout(void **state)
{
    struct report *r = read_synth(*state, 900);
    struct dossier_run run = {.report = r}, again = run;
    struct dossier d = {.title = "x"};
    d.section[DOSSIER_LOAD].runs = &run;
    d.section[DOSSIER_MEMORY].runs = &again;
    d.section[DOSSIER_LOAD].n = d.section[DOSSIER_MEMORY].n = 1;
    char *text = write_as(&d, false);
    assert_non_null(strstr(text, "Of 1 run 0 passed")); // the same run in two sections is one run
    assert_non_null(strstr(text, "No rollout before every run passes"));
    assert_non_null(strstr(text, "memory of session\\_new grows by 3.2"));
    free(text);
    report_free(r);
}

static void hostile_names_make_no_markup(void **state)
{
    for (size_t i = 0; i < NASTY_NAMES; i += 3) {
        struct synth s = hour_run();
        s.name = nasty_names[i];
        struct report *r = synth_report(*state, &s, NULL);
        rig_empty(*state);
        struct dossier_run run = {.report = r};
        struct dossier d = {.title = nasty_names[i]};
        d.section[DOSSIER_MEMORY].runs = &run;
        d.section[DOSSIER_MEMORY].n = 1;
        char *html = write_as(&d, true);
        assert_null(strstr(html, "<script>alert"));
        assert_null(strstr(html, "<img"));
        assert_null(strstr(html, "<svg"));
        assert_null(strchr(html, '\033'));
        free(html);
        report_free(r);
    }
}

#define T(f) cmocka_unit_test_setup_teardown(f, synth_setup, rig_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(eleven_sections_in_their_order),        T(an_empty_section_says_what_fills_it),
        T(improvements_come_from_the_comparison), T(a_failed_run_stops_the_rollout),
        T(hostile_names_make_no_markup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
