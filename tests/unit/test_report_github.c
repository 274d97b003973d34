// Annotations, read back by the rules of GitHub's runner.
#include "report_rig.h"

static struct {
    size_t n[3]; // error, warning, notice
    char last[3][4096];
} seen;

// What the runner makes of it: a command is "::KIND key=value,...::message" at the start of a line, with %XX decoded.
static void take_line(const char *line)
{
    static const char *const kinds[] = {"error", "warning", "notice"};
    if (strncmp(line, "::", 2) != 0) {
        assert_int_equal(strncmp(line, "seep: ", 6), 0); // the last line
        return;
    }
    size_t k = 0;
    while (k < 3 && (strncmp(line + 2, kinds[k], strlen(kinds[k])) != 0))
        k++;
    assert_true(k < 3);
    const char *properties = line + 2 + strlen(kinds[k]);
    assert_int_equal(*properties, ' ');
    const char *message = strstr(properties, "::");
    assert_non_null(message);
    for (const char *p = properties + 1; p < message;) { // key=value pairs of known keys
        size_t len = strcspn(p, "=");
        assert_true((len == 4 && (strncmp(p, "file", 4) == 0 || strncmp(p, "line", 4) == 0)) ||
                    (len == 5 && strncmp(p, "title", 5) == 0));
        p += len + 1;
        len = strcspn(p, ",:");
        p += len + 1;
    }
    for (const char *p = line; (p = strchr(p, '%')) != NULL; p++)
        assert_true(strncmp(p, "%25", 3) == 0 || strncmp(p, "%3A", 3) == 0 || strncmp(p, "%2C", 3) == 0);
    snprintf(seen.last[k], sizeof seen.last[k], "%s", message + 2);
    seen.n[k]++;
}

static void read_lines(const char *text)
{
    char *copy = strdup(text), *rest = copy, *line;
    memset(&seen, 0, sizeof seen);
    assert_int_equal(text[strlen(text) - 1], '\n');
    copy[strlen(copy) - 1] = '\0';
    while ((line = strsep(&rest, "\n")) != NULL) {
        for (const char *p = line; *p != '\0'; p++)
            assert_true((unsigned char)*p >= 0x20 && *p != 0x7f);
        take_line(line);
    }
    free(copy);
}

static void gates_and_stacks_are_annotated(void **state)
{
    struct synth s = hour_run();
    const struct report_style style = {.root = "/srv/app"};
    struct report *r = synth_report(*state, &s, NULL);
    char *text = synth_format(r, "github", &style, NULL);
    read_lines(text);
    assert_int_equal(seen.n[0], 3); // two gates and the stack
    assert_non_null(strstr(text, "::error file=src/session.c,line=89,title=growing call stack::Memory allocated here"));
    assert_non_null(strstr(text, "::error title=heap.growth::fail: heap.growth < 1MB/h. "));
    free(text);
    report_free(r);
}

static void more_than_ten_of_a_kind_are_counted(void **state)
{
    struct synth s = hour_run();
    struct seep_buf gates;
    buf_init(&gates, 1 << 20);
    buf_str(&gates, "version: 1\nname: many\ntarget: { command: [x] }\ngates:\n");
    for (int i = 0; i < 30; i++)
        buf_printf(&gates, "  - heap.growth < %dkB/h\n", i + 1);
    s.profile = gates.data;
    struct report *r = synth_report(*state, &s, NULL);
    char *text = synth_format(r, "github", NULL, NULL);
    read_lines(text);
    assert_int_equal(seen.n[0], 10);
    assert_string_equal(seen.last[0], "and 22 more: see the report of the run"); // 30 gates and 1 stack, 9 shown
    free(text);
    report_free(r);
    buf_free(&gates);
}

// A program without sources: what called its main() has some, and is no place to look at. Of 2500 stacks that grow a
// report keeps the first 200, and all are counted.
static void nobody_is_sent_to_the_c_library_and_all_are_counted(void **state)
{
    static const struct {
        const char *format, *more;
    } said[] = {
        {"github", "::and 2499 more: "}, {"md", "and 2499 more that grow less."}, {"text", "and 2499 more growing"}};
    struct synth s = hour_run();
    struct report *r = synth_report(*state, &s, NULL);
    for (size_t i = 0; i < r->n_stacks; i++)
        for (size_t k = 0; k < r->stacks[i].n_frames; k++) {
            bool last = k + 1 == r->stacks[i].n_frames;
            struct report_frame *f = &r->stacks[i].frames[k];
            f->library = last;
            f->file = last ? "../sysdeps/nptl/libc_start_call_main.h" : NULL;
            f->line = last ? 58 : 0;
        }
    assert_int_equal(r->judge_stacks.n_rejected, 1);
    r->judge_stacks.n_rejected = 2500;
    for (size_t i = 0; i < sizeof said / sizeof said[0]; i++) {
        char *text = synth_format(r, said[i].format, NULL, NULL);
        if (!strstr(text, said[i].more) || strstr(text, "sysdeps"))
            fail_msg("%s: %s", said[i].format, text);
        free(text);
    }
    report_free(r);
}

static void hostile_names_begin_no_command(void **state)
{
    static const char *const names[] = {"x\n::error::owned", "a::set-output name=x::y", "%0A::error::owned",
                                        "a,line=1::b", "\r\n::stop-commands::x"};
    assert_hostile_runs_read(*state, "github", NULL, read_lines);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct synth s = hour_run();
        s.name = names[i];
        struct report *r = synth_report(*state, &s, NULL);
        char *text = synth_format(r, "github", NULL, NULL);
        read_lines(text);
        assert_int_equal(seen.n[0], 3);
        assert_null(strstr(text, "\n::error::owned"));
        free(text);
        report_free(r);
        rig_empty(*state);
    }
}

#define T(f) cmocka_unit_test_setup_teardown(f, synth_setup, rig_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(gates_and_stacks_are_annotated),
        T(nobody_is_sent_to_the_c_library_and_all_are_counted),
        T(more_than_ten_of_a_kind_are_counted),
        T(hostile_names_begin_no_command),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
