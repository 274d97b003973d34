// A report says what the stored samples say: verdicts, exit codes, ranks, explained growth, unknowns.
#include "synthetic_run.h"

static const struct synth leaking = {.ticks = 289,
                                     .interval_s = 300,
                                     .stacks = 40,
                                     .leak_per_s = 900,
                                     .idle_ticks = 12,
                                     .lose_from = 100,
                                     .lose_to = 102};

static void leak_fails_and_names_the_stack(void **state)
{
    struct report *r = synth_report(*state, &leaking, NULL);
    assert_int_equal(r->final.verdict, JUDGE_FINAL_FAIL);
    assert_int_equal(r->final.exit_code, 1);
    assert_true(r->stacks_known);
    assert_string_equal(r->stacks[0].frames[0].function, "session_new");
    assert_string_equal(r->stacks[0].frames[0].file, "/srv/app/src/session.c");
    assert_int_equal(r->stacks[0].frames[0].line, 89);
    assert_true(r->stacks[0].judge.over);
    assert_int_equal(r->judge_stacks.n_rejected, 1);
    assert_true(fabs(r->stacks[0].judge.slope_per_s - 900) < 20);
    const struct report_growth *heap = report_find_growth(r, "heap");
    assert_non_null(heap);
    assert_true(heap->growth.lo_per_s < 900 && heap->growth.hi_per_s > 850);
    report_free(r);
}

static void growth_per_operation(void **state)
{
    struct report *r = synth_report(*state, &leaking, NULL);
    assert_int_equal(r->stacks[0].n_per_op, 1); // 900 bytes a second, 50 requests a second
    assert_string_equal(r->stacks[0].per_op[0].operation, "login");
    assert_true(fabs(r->stacks[0].per_op[0].value.bytes_per_op - 18) < 0.5);
    report_free(r);
}

static void parts_add_up_to_the_whole(void **state)
{
    struct report *r = synth_report(*state, &leaking, NULL);
    double sum = 0;
    assert_true(r->explained_known);
    for (int p = 0; p < JUDGE_PARTS; p++)
        if (isfinite(r->explained[p].rate.slope_per_s) && p != JUDGE_PART_PROBE)
            sum += r->explained[p].rate.slope_per_s;
    assert_true(fabs(sum - r->explained_whole.slope_per_s) < 1e-6 * fabs(sum));
    assert_true(r->explained[JUDGE_PART_HEAP].share > 0.9);
    assert_true(fabs(r->explained[JUDGE_PART_PROBE].rate.slope_per_s) < 1);
    report_free(r);
}

static void fragmentation_is_unknown_where_mappings_are_not_told_apart(void **state)
{
    struct synth s = leaking;
    struct report *r = synth_report(*state, &s, NULL);
    assert_true(isfinite(r->explained[JUDGE_PART_FRAGMENTATION].rate.slope_per_s));
    report_free(r);
    rig_teardown(state);
    synth_setup(state);
    s.maps_untold = true;
    r = synth_report(*state, &s, NULL);
    assert_true(isnan(r->explained[JUDGE_PART_FRAGMENTATION].rate.slope_per_s));
    assert_true(isnan(r->explained[JUDGE_PART_MMAP].rate.slope_per_s));
    assert_true(isfinite(r->explained[JUDGE_PART_UNEXPLAINED].rate.slope_per_s)); // that is where it is
    report_free(r);
}

static void the_probe_is_taken_away(void **state)
{
    struct report *r = synth_report(*state, &leaking, NULL);
    const struct report_growth *rss = report_find_growth(r, "rss"), *heap = report_find_growth(r, "heap");
    assert_true(rss->last - heap->last < 25e6); // 8 MB of probe would make it more
    for (size_t i = 0; i < r->n_series; i++)
        if (strcmp(r->series[i].name, S_RSS_SHMEM) == 0)
            assert_true(r->series[i].values[50] == 0);
    report_free(r);
}

static void stable_passes(void **state)
{
    struct synth s = leaking;
    s.leak_per_s = 0;
    struct report *r = synth_report(*state, &s, NULL);
    assert_int_equal(r->final.verdict, JUDGE_FINAL_PASS);
    assert_int_equal(r->final.exit_code, 0);
    assert_int_equal(r->shutdown.status, JUDGE_S_PASS);
    assert_true(r->shutdown.heap_compared);
    assert_int_equal(r->judge_stacks.n_rejected, 0);
    report_free(r);
}

static const struct report_gate *gate_on_stacks(const struct report *r)
{
    for (size_t i = 0; i < r->n_gates; i++)
        if (r->gates[i].gate.kind == JUDGE_M_STACK_GROWTH)
            return &r->gates[i];
    fail_msg("no gate on stacks");
    return NULL;
}

static struct report *with_other(void **state, double leak_per_s, double in_other_per_s)
{
    struct synth s = leaking;
    s.leak_per_s = leak_per_s;
    s.leak_in_other = in_other_per_s;
    return synth_report(*state, &s, NULL);
}

// (other) is any number of stacks: that it grows neither accuses one of them nor lets the gate pass.
static void growth_under_no_stack_decides_nothing(void **state)
{
    struct report *r = with_other(state, 0, 900);
    assert_int_equal(gate_on_stacks(r)->result.status, JUDGE_S_INCONCLUSIVE);
    assert_non_null(strstr(gate_on_stacks(r)->result.reason, "(other)"));
    report_free(r);
}

static void growth_under_no_stack_hides_none(void **state)
{
    struct report *r = with_other(state, 900, 900);
    assert_int_equal(gate_on_stacks(r)->result.status, JUDGE_S_FAIL);
    report_free(r);
}

static void little_growth_under_no_stack_passes(void **state)
{
    struct report *r = with_other(state, 0, 10);
    assert_int_equal(gate_on_stacks(r)->result.status, JUDGE_S_PASS);
    report_free(r);
}

static void too_short_is_inconclusive(void **state)
{
    struct synth s = leaking;
    s.ticks = 12;
    s.lose_from = s.lose_to = 0;
    struct report *r = synth_report(*state, &s, NULL);
    assert_int_equal(r->final.verdict, JUDGE_FINAL_INCONCLUSIVE);
    assert_int_equal(r->final.exit_code, 3);
    report_free(r);
}

static void not_attributable_is_inconclusive_and_says_why(void **state)
{
    struct synth s = leaking;
    s.leak_per_s = 0;
    s.no_stacks = "The target is a static executable: its allocator cannot be seen.";
    struct report *r = synth_report(*state, &s, NULL);
    assert_int_equal(r->final.exit_code, 3);
    assert_false(r->stacks_known);
    for (size_t i = 0; i < r->n_gates; i++)
        if (r->gates[i].gate.kind == JUDGE_M_STACK_GROWTH)
            assert_int_equal(r->gates[i].result.status, JUDGE_S_INCONCLUSIVE);
    assert_null(report_find_growth(r, "heap"));
    assert_non_null(report_find_growth(r, "rss"));
    report_free(r);
}

static void late_exit_fails_only_the_shutdown(void **state)
{
    struct synth s = leaking;
    s.leak_per_s = 0;
    s.shutdown_after = "12.5";
    struct report *r = synth_report(*state, &s, NULL);
    assert_int_equal(r->shutdown.status, JUDGE_S_FAIL);
    assert_int_equal(r->final.verdict, JUDGE_FINAL_FAIL);
    assert_int_equal(r->final.exit_code, 5);
    report_free(r);
}

static void a_failed_target_outranks_its_gates(void **state)
{
    struct synth s = leaking;
    s.outcome = "target_failed";
    struct report *r = synth_report(*state, &s, NULL);
    assert_int_equal(r->final.verdict, JUDGE_FINAL_TARGET_FAILED);
    assert_int_equal(r->final.exit_code, 4);
    assert_int_equal(r->gates[0].result.status, JUDGE_S_FAIL); // still judged
    report_free(r);
}

static void evidence_counts_what_is_missing(void **state)
{
    struct report *r = synth_report(*state, &leaking, NULL);
    assert_int_equal(r->evidence.samples, 287);
    assert_int_equal(r->evidence.expected, 289);
    assert_int_equal(r->evidence.n_gaps, 1);
    assert_true(isfinite(r->evidence.smallest_leak_per_s));
    assert_true(fabs(r->evidence.probe_cpu - 0.002) < 1e-4);
    report_free(r);
}

static void the_load_is_summed_up(void **state)
{
    struct report *r = synth_report(*state, &leaking, NULL);
    assert_true(r->has_load);
    assert_int_equal(r->load.n_rows, 1);
    assert_string_equal(r->load.row[0].name, "login");
    assert_int_equal(r->load.row[0].counts.completed, 288 * 300 * 50);
    assert_true(r->load.row[0].latency.p50_us > 1000 && r->load.row[0].latency.p99_us < 6000);
    report_free(r);
}

static void ages_are_kept_newest_first(void **state)
{
    struct report *r = synth_report(*state, &leaking, NULL);
    assert_int_equal(r->stacks[0].n_ages, 12);
    for (size_t i = 1; i < r->stacks[0].n_ages; i++)
        assert_true(fabs(r->stacks[0].age_bytes[i] - r->stacks[0].age_bytes[0]) < 1);
    for (size_t i = 0; i < r->n_stacks; i++)
        if (strcmp(r->stacks[i].frames[0].function, "config_load") == 0) {
            assert_true(r->stacks[i].age_bytes[r->stacks[i].n_ages - 1] > 1e6);
            assert_true(r->stacks[i].age_bytes[0] == 0);
        }
    report_free(r);
}

static void looks_skip_what_they_are_told_to(void **state)
{
    struct report_options options = {.skip = REPORT_SKIP_STACKS | REPORT_SKIP_CHARTS, .live = true};
    struct report *r = synth_report(*state, &leaking, &options);
    assert_true(r->live);
    assert_false(r->stacks_known);
    assert_int_equal(r->n_series, 0);
    assert_int_equal(r->shutdown.status, JUDGE_S_SKIPPED);
    report_free(r);
}

static void a_run_without_samples_is_a_report_too(void **state)
{
    struct rig *rig = *state;
    struct store *st;
    struct report *r;
    OK(store_create(rig->fd, &st, &fault));
    OK(store_set_meta(st, M_PROFILE, synth_profile, &fault));
    OK(store_set_meta(st, M_OUTCOME, "target_failed", &fault));
    OK(store_set_meta(st, M_OUTCOME_SENTENCE, "The target could not be started.", &fault));
    OK(report_build(st, NULL, &r, &fault));
    assert_int_equal(r->final.exit_code, 4);
    assert_string_equal(r->headline, "The target could not be started.");
    for (const struct report_format *f = report_formats; f->name; f++)
        free(synth_format(r, f->name, NULL, NULL));
    report_free(r);
    store_close(st);
}

static void a_store_without_a_profile_is_refused(void **state)
{
    struct rig *rig = *state;
    struct store *st;
    struct report *r;
    struct seep_err err = {0};
    OK(store_create(rig->fd, &st, &fault));
    assert_int_equal(report_build(st, NULL, &r, &err), -1);
    assert_null(r);
    assert_int_equal(err.code, SEEP_E_CORRUPT);
    store_close(st);
}

#define T(f) cmocka_unit_test_setup_teardown(f, synth_setup, rig_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(leak_fails_and_names_the_stack),
        T(growth_per_operation),
        T(parts_add_up_to_the_whole),
        T(fragmentation_is_unknown_where_mappings_are_not_told_apart),
        T(the_probe_is_taken_away),
        T(stable_passes),
        T(growth_under_no_stack_decides_nothing),
        T(growth_under_no_stack_hides_none),
        T(little_growth_under_no_stack_passes),
        T(too_short_is_inconclusive),
        T(not_attributable_is_inconclusive_and_says_why),
        T(late_exit_fails_only_the_shutdown),
        T(a_failed_target_outranks_its_gates),
        T(evidence_counts_what_is_missing),
        T(the_load_is_summed_up),
        T(ages_are_kept_newest_first),
        T(looks_skip_what_they_are_told_to),
        T(a_run_without_samples_is_a_report_too),
        T(a_store_without_a_profile_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
