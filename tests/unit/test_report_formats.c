// Every format on whole runs: what it must contain, what hostile names must not do, how large it may become.
#include "nasty_names.h"
#include "report_rig.h"

#include "base/esc.h"
#include "judge/trend.h"

// With SEEP_TEST_HTML=FILE the day's page is left there, with SEEP_TEST_HOSTILE_HTML=PREFIX the hostile ones as
// PREFIX.N.html: for the browser test and for eyes.
static const struct synth day = {.ticks = 289,
                                 .interval_s = 300,
                                 .stacks = 5000,
                                 .leak_per_s = 900,
                                 .idle_ticks = 12,
                                 .lose_from = 100,
                                 .lose_to = 104};

static struct synth small_run(void)
{
    struct synth s = day;
    s.stacks = 40;
    return s;
}

static const char *line_with(char *text, const char *what)
{
    static char line[1024];
    char *at = strstr(text, what);
    if (!at)
        return "";
    while (at > text && at[-1] != '\n')
        at--;
    snprintf(line, sizeof line, "%.*s", (int)strcspn(at, "\n"), at);
    return line;
}

static void keep_html(const char *path, const char *html)
{
    FILE *f = path ? fopen(path, "w") : NULL;
    if (!f)
        return;
    fputs(html, f);
    fclose(f);
}

// ---- text -----------------------------------------------------------------------------------------------------------

static void text_is_as_promised(void **state)
{
    struct synth s = small_run();
    struct report *r = synth_report(*state, &s, NULL);
    char *text = synth_format(r, "text", NULL, NULL);
    assert_int_equal(strncmp(text, "FAIL  heap grows 3.2", 20), 0);
    assert_non_null(strstr(text, " MB/h (90 % interval 3."));
    assert_non_null(strstr(text, "budget 1 MB/h"));
    assert_non_null(strstr(text, "run 20261121-0104-7f3a   exit 1\n"));
    const char *stack = line_with(text, "#1 ");
    assert_non_null(strstr(stack, "100 %  +3.2"));
    assert_non_null(strstr(stack, "18.0 B per `login`"));
    assert_non_null(strstr(stack, "session_new  src/session.c:89 < handle_0 < dispatch < main"));
    assert_non_null(strstr(text, "where the RSS growth of 3.4"));
    assert_non_null(strstr(line_with(text, "  gates "), "heap.growth FAIL 3.2"));
    assert_non_null(strstr(line_with(text, "  shutdown "), "PASS  TERM -> exit 0 in 41"));
    assert_non_null(strstr(text, " MB of baseline, 0 children, port released\n"));
    assert_non_null(strstr(line_with(text, "  evidence "), "285/289 samples, 1 gap, 0 lost events"));
    assert_null(strchr(text, '\033'));
    free(text);
    report_free(r);
}

static void text_fits_its_width_and_colours_on_request(void **state)
{
    struct synth s = small_run();
    struct report *r = synth_report(*state, &s, NULL);
    const struct report_style narrow = {.width = 80}, colour = {.colour = true};
    char *text = synth_format(r, "text", &narrow, NULL), *rest = text, *line;
    while ((line = strsep(&rest, "\n")))
        assert_true(strlen(line) <= 80);
    free(text);
    text = synth_format(r, "text", &colour, NULL);
    assert_int_equal(strncmp(text, "\033[1;31mFAIL\033[0m", 13), 0);
    free(text);
    report_free(r);
}

static void stacks_list_has_intervals_classes_and_ages(void **state)
{
    struct synth s = small_run();
    struct seep_buf out;
    struct report *r = synth_report(*state, &s, NULL);
    buf_init(&out, 1 << 20);
    OK(report_stacks_text(r, NULL, 3, &out, &fault));
    assert_non_null(strstr(out.data, "40 stacks, 1 grow, 1 over budget"));
    assert_non_null(strstr(out.data, "90 % interval 3."));
    assert_non_null(strstr(out.data, "leak, grows"));
    assert_non_null(strstr(out.data, "by age, new to old"));
    assert_non_null(strstr(out.data, "and 37 more"));
    buf_free(&out);
    report_free(r);
}

// ---- JSON -----------------------------------------------------------------------------------------------------------

static void check_schema(const struct rig *rig, const struct report *r)
{
    char path[300], *json = synth_format(r, "json", NULL, NULL);
    write_temp(rig, "verdict.json", json, strlen(json), path);
    assert_int_equal(check_json_schema("docs/schema/seep.verdict.1.json", path), 0);
    free(json);
}

static void json_follows_its_schema(void **state)
{
    struct synth runs[3] = {small_run(), small_run(), small_run()};
    if (!have_jsonschema()) {
        print_message("python3-jsonschema is not installed\n");
        skip();
    }
    runs[1].no_stacks = "A static executable.";
    runs[2].ticks = 5;
    runs[2].idle_ticks = 0;
    for (int i = 0; i < 3; i++) {
        struct report *r = synth_report(*state, &runs[i], NULL);
        check_schema(*state, r);
        report_free(r);
        rig_empty(*state);
    }
}

static void unknown_stays_null(void **state)
{
    struct synth s = small_run();
    s.no_stacks = "A static executable.";
    struct report *r = synth_report(*state, &s, NULL);
    char *json = synth_format(r, "json", NULL, NULL), *heap;
    assert_non_null(strstr(json, "\"stacks_summary\": null"));
    assert_non_null(strstr(json, "\"coverage\": null"));
    assert_null(strstr(json, "nan"));
    assert_null(strstr(json, "-9223372036854775808"));
    heap = strstr(json, "\"name\": \"heap.growth\"");
    assert_non_null(heap);
    assert_non_null(strstr(line_with(heap, "\"value\""), "null"));
    free(json);
    report_free(r);
}

// ---- CSV ------------------------------------------------------------------------------------------------------------

static size_t read_csv(char *csv, double *t, double *rss, double *heap)
{
    size_t n = 0;
    char *line = strsep(&csv, "\n");
    assert_int_equal(strncmp(line, "timestamp_s,rss_bytes,allocated_bytes,", 38), 0);
    while ((line = strsep(&csv, "\n")) && *line) {
        assert_int_equal(sscanf(line, "%lf,%lf,%lf", &t[n], &rss[n], &heap[n]), 3);
        n++;
    }
    return n;
}

static void csv_gives_the_same_verdict(void **state)
{
    struct synth s = small_run();
    double t[400], rss[400], heap[400];
    struct report *r = synth_report(*state, &s, NULL);
    char *csv = synth_format(r, "csv", NULL, NULL);
    size_t n = read_csv(csv, t, rss, heap);
    assert_int_equal(n, r->evidence.samples);
    struct judge_series series = {.t_s = t, .y = heap, .n = n};
    struct judge_options o = JUDGE_OPTIONS_DEFAULT;
    struct judge_growth g;
    o.budget_per_s = 1e6 / 3600;
    o.quantum = 0;
    o.interval_s = 300;
    assert_int_equal(judge_trend(&series, &o, &g), 0);
    const struct judge_growth *stored = &report_find_growth(r, "heap")->growth;
    assert_int_equal(g.verdict, stored->verdict);
    assert_true(g.slope_per_s == stored->slope_per_s && g.lo_per_s == stored->lo_per_s);
    free(csv);
    report_free(r);
}

// ---- folded ---------------------------------------------------------------------------------------------------------

static void folded_is_outermost_first(void **state)
{
    struct synth s = small_run();
    struct report *r = synth_report(*state, &s, NULL);
    char *text = synth_format(r, "folded", NULL, NULL);
    assert_int_equal(strncmp(text, "main;dispatch;handle_0;session_new 32", 37), 0);
    free(text);
    report_free(r);
}

// ---- hostile names --------------------------------------------------------------------------------------------------

static void check_text(const char *text, bool html)
{
    for (const char *p = text; *p; p++)
        assert_true((unsigned char)*p >= 0x20 || *p == '\n' || (html && *p == '\t'));
    assert_null(strstr(text, "\xe2\x80\xae"));
    for (size_t i = 0, len = strlen(text); i < len;) {
        int n = esc_utf8(text + i, len - i, NULL);
        assert_true(n > 0);
        i += (size_t)n;
    }
}

// Only markup of our own: what the names brought must not stand there as markup.
static void check_html(char *html)
{
    assert_null(strstr(html, "<script>alert"));
    assert_null(strstr(html, "<img"));
    assert_null(strstr(html, " onerror=alert(1)>"));
    assert_null(strstr(html, " style="));
    assert_null(strstr(html, "http://"));
    size_t scripts = 0;
    for (const char *p = html; (p = strstr(p, "<script")); p++)
        scripts++;
    assert_in_range(scripts, 4, 5); // data and data of the flame graph, uPlot where it is embedded, ours
    assert_null(strstr(strstr(html, "</title>") + 1, "</title>"));
}

static void check_formats(const struct report *r, size_t number)
{
    char path[400];
    char *text = synth_format(r, "text", NULL, NULL), *json = synth_format(r, "json", NULL, NULL);
    char *html = synth_format(r, "html", NULL, NULL), *csv = synth_format(r, "csv", NULL, NULL);
    char *folded = synth_format(r, "folded", NULL, NULL);
    check_text(text, false);
    check_text(folded, false);
    check_text(html, true);
    check_html(html);
    snprintf(path, sizeof path, "%s.%zu.html", getenv("SEEP_TEST_HOSTILE_HTML") ? getenv("SEEP_TEST_HOSTILE_HTML") : "",
             number);
    keep_html(getenv("SEEP_TEST_HOSTILE_HTML") ? path : NULL, html);
    check_text(json, false);
    assert_null(strstr(csv, ",=cmd"));
    free(text);
    free(json);
    free(html);
    free(csv);
    free(folded);
}

static void hostile_names_stay_text(void **state)
{
    for (size_t i = 0; i < NASTY_NAMES; i++) {
        struct synth s = small_run();
        s.name = nasty_names[i];
        struct report *r = synth_report(*state, &s, NULL);
        assert_string_equal(r->stacks[0].frames[0].function, nasty_names[i]); // kept as bytes
        check_formats(r, i);
        if (have_jsonschema())
            check_schema(*state, r);
        report_free(r);
        rig_empty(*state);
    }
}

// ---- size -----------------------------------------------------------------------------------------------------------

static void a_day_with_5000_stacks_stays_small(void **state)
{
    size_t len;
    struct report *r = synth_report(*state, &day, NULL);
    assert_int_equal(r->n_stacks_total, 5000);
    assert_int_equal(r->n_stacks, REPORT_STACKS_DEFAULT);
    char *html = synth_format(r, "html", NULL, &len);
    keep_html(getenv("SEEP_TEST_HTML"), html);
    assert_true(len < 5000000);
    assert_non_null(strstr(html, "Content-Security-Policy"));
    free(html);
    char *json = synth_format(r, "json", NULL, &len);
    assert_true(len < 2000000);
    free(json);
    report_free(r);
}

static void save_writes_both_files(void **state)
{
    struct rig *rig = *state;
    struct synth s = small_run();
    struct stat st;
    char *json = NULL;
    struct report *r = synth_report(rig, &s, NULL);
    OK(report_save(r, rig->fd, &json, &fault));
    assert_int_equal(fstatat(rig->fd, "verdict.json", &st, 0), 0);
    assert_int_equal(st.st_size, strlen(json));
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(fstatat(rig->fd, "report.html", &st, 0), 0);
    free(json);
    report_free(r);
}

#define T(f) cmocka_unit_test_setup_teardown(f, synth_setup, rig_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(text_is_as_promised),
        T(text_fits_its_width_and_colours_on_request),
        T(stacks_list_has_intervals_classes_and_ages),
        T(json_follows_its_schema),
        T(unknown_stays_null),
        T(csv_gives_the_same_verdict),
        T(folded_is_outermost_first),
        T(hostile_names_stay_text),
        T(a_day_with_5000_stacks_stays_small),
        T(save_writes_both_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
