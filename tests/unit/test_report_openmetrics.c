// OpenMetrics as the reference parser takes it (tests/lib/read_report.py).
#include "report_rig.h"

static void read_run(struct rig *rig, const struct synth *s, const char *expression)
{
    char path[300];
    struct report *r = synth_report(rig, s, NULL);
    char *text = synth_format(r, "openmetrics", NULL, NULL);
    report_free(r);
    rig_empty(rig);
    write_temp(rig, "out", text, strlen(text), path);
    free(text);
    assert_read(rig, "openmetrics", "out", expression);
}

static void figures_are_those_of_the_run(void **state)
{
    struct synth s = hour_run();
    read_run(
        *state, &s,
        "v['seep_run']['type'] == 'info' and v['seep_verdict']['type'] == 'stateset' "
        "and [x['labels']['seep_verdict'] for x in v['seep_verdict']['samples'] if x['value']] == ['fail'] "
        "and v['seep_exit_code']['samples'][0]['value'] == 1 "
        "and 880 < [x['value'] for x in v['seep_growth_bytes_per_second']['samples'] "
        "if x['labels']['of'] == 'heap' and x['labels']['bound'] == 'estimate'][0] < 920 "
        "and v['seep_stack_growth_bytes_per_second']['samples'][0]['labels']['function'] == 'session_new' "
        "and v['seep_load_latency_seconds']['type'] == 'summary' and v['seep_samples']['samples'][0]['value'] == 61");
}

// A metric cannot say "unknown": what is not known is not there.
static void unknown_is_left_out(void **state)
{
    struct synth s = hour_run();
    s.no_stacks = "A static executable.";
    read_run(*state, &s,
             "not v['seep_stack_growth_bytes_per_second']['samples'] and not v['seep_stacks_growing']['samples'] "
             "and not [x for x in v['seep_gate_value']['samples'] if x['labels']['gate'].startswith('heap')] "
             "and b'NaN' not in raw and b'nan' not in raw");
}

static void hostile_names_are_read_back(void **state)
{
    assert_hostile_runs_read(*state, "openmetrics", "v['seep_run']['samples'][0]['value'] == 1", NULL);
}

#define T(f) cmocka_unit_test_setup_teardown(f, synth_setup, rig_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(figures_are_those_of_the_run),
        T(unknown_is_left_out),
        T(hostile_names_are_read_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
