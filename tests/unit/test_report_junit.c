// JUnit XML as a third-party reader takes it (tests/lib/read_report.py).
#include "report_rig.h"

static void read_run(struct rig *rig, const struct synth *s, const char *expression)
{
    char path[300];
    struct report *r = synth_report(rig, s, NULL);
    char *text = synth_format(r, "junit", NULL, NULL);
    report_free(r);
    rig_empty(rig);
    write_temp(rig, "out", text, strlen(text), path);
    free(text);
    assert_read(rig, "junit", "out", expression);
}

static void each_gate_is_a_case(void **state)
{
    struct synth s = hour_run();
    read_run(*state, &s,
             "[c['name'] for c in v['cases']] == ['run', 'heap.growth', 'stack.growth', 'rss.total_growth', "
             "'fd.growth', 'shutdown'] and [c['result'] for c in v['cases'][:3]] == ['passed', 'failure', 'failure'] "
             "and 'session_new' in v['cases'][2]['text'] and 'src/session.c:89' in v['cases'][2]['text'] "
             "and v['cases'][1]['message'] and v['failures'] == 2 and v['cases'][5]['result'] == 'passed'");
}

// No gate may stay green that was not decided.
static void what_cannot_be_decided_is_an_error(void **state)
{
    struct synth s = hour_run();
    s.no_stacks = "A static executable.";
    read_run(*state, &s, "[c['result'] for c in v['cases'][1:3]] == ['error', 'error'] and v['errors'] == 2");
}

static void a_failed_target_is_a_failure_with_every_gate_passed(void **state)
{
    struct synth s = hour_run();
    s.leak_per_s = 0;
    s.outcome = "target_failed";
    read_run(*state, &s,
             "v['cases'][0]['name'] == 'run' and v['cases'][0]['result'] == 'failure' and v['errors'] == 0");
}

static void an_interrupted_run_is_not_green(void **state)
{
    struct synth s = hour_run();
    s.leak_per_s = 0;
    s.outcome = "interrupted";
    read_run(*state, &s, "v['cases'][0]['result'] == 'error'");
}

static void a_warning_passes_and_is_told(void **state)
{
    struct synth s = hour_run();
    s.profile = "version: 1\nname: w\ntarget: { command: [x] }\n"
                "gates: [{ gate: 'heap.growth < 1MB/h', warn: true }, 'fd.growth < 1/h']\n";
    read_run(*state, &s, "v['cases'][1]['result'] == 'passed' and v['cases'][1]['out'].startswith('warning: ')");
}

static void hostile_names_are_read_back(void **state)
{
    assert_hostile_runs_read(*state, "junit", "len(v['cases']) == 6 and v['failures'] == 2", NULL);
}

// Characters that XML knows no way to write.
static void noncharacters_and_controls_are_replaced(void **state)
{
    struct synth s = hour_run();
    s.name = "a\xef\xbf\xbf\xef\xbf\xbe\x01\x0b\x7f";
    read_run(*state, &s, "len(v['cases']) == 6");
}

static void details_are_bounded(void **state)
{
    struct synth s = hour_run();
    struct seep_buf gates;
    buf_init(&gates, 1 << 20);
    buf_str(&gates, "version: 1\nname: many\ntarget: { command: [x] }\ngates:\n");
    for (int i = 0; i < 900; i++)
        buf_printf(&gates, "  - http.p99{scenario=none-%d} < %dms\n", i, i + 1);
    s.profile = gates.data;
    read_run(*state, &s,
             "len(v['cases']) == 902 and raw.count(b'more bytes are left out here') == 1 "
             "and len(raw[raw.rindex(b'<system-out>'):]) < 40000");
    buf_free(&gates);
}

#define T(f) cmocka_unit_test_setup_teardown(f, synth_setup, rig_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(each_gate_is_a_case),
        T(what_cannot_be_decided_is_an_error),
        T(a_failed_target_is_a_failure_with_every_gate_passed),
        T(an_interrupted_run_is_not_green),
        T(a_warning_passes_and_is_told),
        T(hostile_names_are_read_back),
        T(noncharacters_and_controls_are_replaced),
        T(details_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
