// TAP 14 as a third-party parser takes it, strictly (tests/lib/read_report.py).
#include "report_rig.h"

static void read_run_as(struct rig *rig, const struct synth *s, const struct report_options *options,
                        const char *expression)
{
    char path[300];
    struct report *r = synth_report(rig, s, options);
    char *text = synth_format(r, "tap", NULL, NULL);
    report_free(r);
    rig_empty(rig);
    write_temp(rig, "out", text, strlen(text), path);
    free(text);
    assert_read(rig, "tap", "out", expression);
}

static void read_run(struct rig *rig, const struct synth *s, const char *expression)
{
    read_run_as(rig, s, NULL, expression);
}

static void each_gate_is_a_point(void **state)
{
    struct synth s = hour_run();
    read_run(*state, &s,
             "v['version'] == 14 and v['plan']['end'] == 6 and [p['ok'] for p in v['points']] == "
             "[True, False, False, True, True, True] and v['points'][1]['name'] == 'heap.growth' "
             "and v['points'][1]['diag']['status'] == 'fail' and v['points'][1]['diag']['limit'] == '1 MB/h' "
             "and any('session_new' in x for x in v['points'][2]['diag']['stacks'])");
}

static void skipped_points_say_why(void **state)
{
    struct synth s = hour_run();
    s.profile = "version: 1\nname: j\ntarget: { command: [x] }\ngates: [fd.growth < 60/h]\n"
                "requirements: { name: ours, latency: [http.p99 < 1s] }\n";
    read_run(*state, &s,
             "v['points'][-1]['name'] == 'grade' and v['points'][-1]['ok'] and v['points'][-1]['skip'] "
             "and v['points'][-1]['diag']['status'] == 'skipped'");
}

// What has not ended is no green job, even when every gate holds so far.
static void a_run_that_has_not_ended_is_not_ok(void **state)
{
    struct report_options options = {.live = true};
    struct synth s = hour_run();
    s.profile = "version: 1\nname: j\ntarget: { command: [x] }\ngates: [fd.growth < 60000/h]\n";
    read_run_as(
        *state, &s, &options,
        "[p['ok'] for p in v['points']] == [False, True] and 'has not ended' in v['points'][0]['diag']['message']");
    options.cut = true;
    read_run_as(*state, &s, &options,
                "not v['points'][0]['ok'] and 'seep finish' in v['points'][0]['diag']['message']");
}

static void hostile_names_are_read_back(void **state)
{
    assert_hostile_runs_read(*state, "tap", "len(v['points']) == 6 and not v['strange']", NULL);
}

#define T(f) cmocka_unit_test_setup_teardown(f, synth_setup, rig_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(each_gate_is_a_point),
        T(skipped_points_say_why),
        T(a_run_that_has_not_ended_is_not_ok),
        T(hostile_names_are_read_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
