// SARIF against the schema of OASIS, and what readers of it rely on.
#include "report/compare.h"
#include "report_rig.h"

static void read_run(struct rig *rig, const struct synth *s, const char *expression)
{
    char path[300];
    struct report *r = synth_report(rig, s, NULL);
    char *text = synth_format(r, "sarif", NULL, NULL);
    report_free(r);
    rig_empty(rig);
    write_temp(rig, "out", text, strlen(text), path);
    free(text);
    assert_read(rig, "sarif", "out", expression);
}

static void growing_stacks_stand_at_their_lines(void **state)
{
    struct synth s = hour_run();
    read_run(
        *state, &s,
        "len(v['runs'][0]['results']) == 1 and (lambda r: r['level'] == 'error' and 'baselineState' not in r "
        "and r['locations'][0]['physicalLocation']['region']['startLine'] == 89 "
        "and r['locations'][0]['physicalLocation']['artifactLocation']['uri'] == 'file:///srv/app/src/session.c' "
        "and r['stacks'][0]['frames'][0]['location']['logicalLocations'][0]['fullyQualifiedName'] == 'session_new' "
        "and [x['location']['message']['text'] for x in r['codeFlows'][0]['threadFlows'][0]['locations']] == "
        "['main', 'dispatch', 'handle_0', 'session_new'] and len(r['partialFingerprints']['seepStack/v1']) == 32)"
        "(v['runs'][0]['results'][0]) and v['runs'][0]['invocations'][0]['exitCode'] == 1 "
        "and len(v['runs'][0]['invocations'][0]['toolExecutionNotifications']) == 2");
}

static void sources_below_the_root_are_relative(void **state)
{
    need_reader(*state, "sarif");
    struct synth s = hour_run();
    const struct report_style style = {.root = "/srv/app/"};
    char path[300];
    struct report *r = synth_report(*state, &s, NULL);
    char *text = synth_format(r, "sarif", &style, NULL);
    write_temp(*state, "out", text, strlen(text), path);
    assert_read(*state, "sarif", "out",
                "v['runs'][0]['results'][0]['locations'][0]['physicalLocation']['artifactLocation'] == "
                "{'uri': 'src/session.c', 'uriBaseId': '%SRCROOT%'}");
    free(text);
    report_free(r);
}

// Debug information names files as they lay when they were built.
static void a_build_elsewhere_is_found_by_its_tail(void **state)
{
    struct rig *rig = *state;
    struct synth s = hour_run();
    char root[300], path[400];
    snprintf(root, sizeof root, "%s/repo", rig->path);
    assert_int_equal(shell("mkdir -p '%s/src' && touch '%s/src/session.c'", root, root), 0);
    const struct report_style style = {.root = root};
    struct report *r = synth_report(rig, &s, NULL);
    char *text = synth_format(r, "sarif", &style, NULL);
    assert_non_null(strstr(text, "\"uri\": \"src/session.c\""));
    free(text);
    report_free(r);
    snprintf(path, sizeof path, "rm -r '%s'", root);
    assert_int_equal(shell("%s", path), 0);
}

static struct report *read_synth(struct rig *rig, const struct synth *s)
{
    struct report *r = synth_report(rig, s, NULL);
    rig_empty(rig);
    return r;
}

static void compare_as(struct rig *rig, const struct report *base, const struct report *head,
                       int (*write)(const struct compare *, const struct report_style *, struct seep_buf *,
                                    struct seep_err *),
                       const char *expression)
{
    struct compare *c;
    struct seep_buf out;
    char path[300];
    OK(compare_build(base, head, NULL, &c, &fault));
    buf_init(&out, 1 << 24);
    OK(write(c, NULL, &out, &fault));
    write_temp(rig, "out", out.data, out.len, path);
    buf_free(&out);
    compare_free(c);
    assert_read(rig, "sarif", "out", expression);
}

static void states_against_a_base(void **state)
{
    need_reader(*state, "sarif");
    struct synth fixed = hour_run(), leaks = hour_run(), steep = hour_run();
    fixed.leak_per_s = 0;
    steep.leak_per_s = 9000;
    struct report *none = read_synth(*state, &fixed), *some = read_synth(*state, &leaks),
                  *more = read_synth(*state, &steep);
    static const char of_one[] = "[(r['baselineState'], r['level']) for r in v['runs'][0]['results']] == [%s]";
    const struct {
        const struct report *base, *head;
        const char *full, *only_changed;
    } rows[] = {{none, some, "('new', 'error')", "('new', 'error')"},
                {some, some, "('unchanged', 'error')", ""},
                {some, more, "('updated', 'error')", "('updated', 'error')"},
                {some, none, "('absent', 'note')", "('absent', 'note')"}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char expression[300];
        snprintf(expression, sizeof expression, of_one, rows[i].full);
        compare_as(*state, rows[i].base, rows[i].head, report_sarif_since, expression);
        snprintf(expression, sizeof expression, of_one, rows[i].only_changed);
        compare_as(*state, rows[i].base, rows[i].head, compare_sarif, expression);
    }
    report_free(none);
    report_free(some);
    report_free(more);
}

static void allowed_stacks_are_suppressed_with_their_reason(void **state)
{
    struct synth s = hour_run();
    s.profile = "version: 1\nname: a\ntarget: { command: [x] }\ngates: [stack.growth < 1MB/h]\n"
                "allow: [{ pattern: session_new, budget: 100MB/h, reason: 'known, T-1' }]\n";
    read_run(*state, &s,
             "v['runs'][0]['results'][0]['suppressions'] == [{'kind': 'external', 'justification': 'known, T-1'}] "
             "and v['runs'][0]['results'][0]['level'] == 'note'");
}

static void hostile_names_are_read_back(void **state)
{
    assert_hostile_runs_read(*state, "sarif",
                             "len(v['runs'][0]['results']) == 1 and all(c.isalnum() or c in '-._~/%:' "
                             "for c in v['runs'][0]['results'][0]['locations'][0]['physicalLocation']"
                             "['artifactLocation']['uri'])",
                             NULL);
}

#define T(f) cmocka_unit_test_setup_teardown(f, synth_setup, rig_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(growing_stacks_stand_at_their_lines),
        T(sources_below_the_root_are_relative),
        T(a_build_elsewhere_is_found_by_its_tail),
        T(states_against_a_base),
        T(allowed_stacks_are_suppressed_with_their_reason),
        T(hostile_names_are_read_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
