// Markdown: what GitHub's own renderer makes of it, and its limits.
#include "report/compare.h"
#include "report_rig.h"

static void read_run(struct rig *rig, const struct synth *s, const char *expression)
{
    char path[300];
    struct report *r = synth_report(rig, s, NULL);
    char *text = synth_format(r, "md", NULL, NULL);
    report_free(r);
    rig_empty(rig);
    write_temp(rig, "out", text, strlen(text), path);
    free(text);
    assert_read(rig, "md", "out", expression);
}

static void the_verdict_stands_first(void **state)
{
    struct synth s = hour_run();
    read_run(*state, &s,
             "v['html'].startswith('<h2>FAIL: heap grows 3.2') and '<td>heap.growth</td>' in v['html'] "
             "and 'session_new /srv/app/src/session.c:89 &lt; handle_0' in v['html'] "
             "and v['html'].count('<table>') == 4");
}

// Names are words: whatever they hold, the page has the elements of a page without them.
static void hostile_names_make_no_markup(void **state)
{
    assert_hostile_runs_read(
        *state, "md",
        "all(v['html'].count(x) == 0 for x in ('<img', '<script', '<a ', '<em>', '<code>', "
        "'<strong>x', '<!--')) and v['html'].count('<table>') == 4 and v['html'].count('<h2>') == 1",
        NULL);
}

static char *limited(const struct report *r, size_t limit)
{
    const struct report_style style = {.limit_bytes = limit};
    size_t len;
    char *text = synth_format(r, "md", &style, &len);
    assert_true(len <= limit);
    return text;
}

static void a_cut_takes_whole_rows_and_says_so(void **state)
{
    struct synth s = hour_run();
    struct seep_buf gates;
    buf_init(&gates, 1 << 22);
    buf_str(&gates, "version: 1\nname: many\ntarget: { command: [x] }\ngates:\n");
    for (int i = 0; i < 1000; i++)
        buf_printf(&gates, "  - http.p99{scenario=none-%d} < %dms\n", i, i + 1);
    s.profile = gates.data;
    struct report *r = synth_report(*state, &s, NULL);
    const size_t limits[] = {4096, 65536, 1 << 20};
    for (size_t i = 0; i < 3; i++) {
        char *text = limited(r, limits[i]), *rest = text, *line;
        bool cut = strstr(text, "left out, to stay within") != NULL;
        assert_int_equal(cut, limits[i] < 500000);
        while ((line = strsep(&rest, "\n")) != NULL)
            assert_true(line[0] != '|' || line[strlen(line) - 1] == '|');
        free(text);
    }
    report_free(r);
    buf_free(&gates);
}

static void a_comparison_tells_only_what_changed(void **state)
{
    struct synth fixed = hour_run(), leaks = hour_run();
    const struct report_style style = {.limit_bytes = 65536};
    struct compare *c;
    struct seep_buf out;
    fixed.leak_per_s = 0;
    struct report *base = synth_report(*state, &fixed, NULL);
    rig_empty(*state);
    struct report *head = synth_report(*state, &leaks, NULL);
    OK(compare_build(base, head, NULL, &c, &fault));
    buf_init(&out, 1 << 20);
    OK(compare_markdown(c, &style, &out, &fault));
    assert_int_equal(strncmp(out.data, "## Regression: ", 15), 0);
    assert_non_null(strstr(out.data, "| heap.growth |"));
    assert_non_null(strstr(out.data, "- **new** +3.2"));
    assert_null(strstr(out.data, "| same |"));
    assert_non_null(strstr(out.data, " figures show no change that counts."));
    buf_free(&out);
    compare_free(c);
    report_free(base);
    report_free(head);
}

#define T(f) cmocka_unit_test_setup_teardown(f, synth_setup, rig_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(the_verdict_stands_first),
        T(hostile_names_make_no_markup),
        T(a_cut_takes_whole_rows_and_says_so),
        T(a_comparison_tells_only_what_changed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
