// The allow list over whole runs: what is allowed passes and says so, what is over its budget fails, and entries that
// count no more or match nothing are told in every format.
#include "report_rig.h"

// The first stack, session_new < handle_0 < dispatch < main, grows by 3.24 MB/h.
static const struct synth run = {.ticks = 289, .interval_s = 300, .stacks = 40, .leak_per_s = 900, .idle_ticks = 12};

static struct report *report_with(struct rig *rig, const char *allow)
{
    struct synth s = run;
    char profile[1024];
    snprintf(profile, sizeof profile,
             "version: 1\nname: synthetic\ntarget: { command: [./server], life: service }\n"
             "run: { duration: 24h, interval: 5m }\ngates:\n  - stack.growth < 1MB/h\nallow:\n%s",
             allow);
    s.profile = profile;
    return synth_report(rig, &s, NULL);
}

static void check_formats(const struct rig *rig, const struct report *r, const char *sentence, const char *status)
{
    char path[300], *text = synth_format(r, "text", &(struct report_style){.width = 400}, NULL), expected[64];
    if (!strstr(text, sentence))
        fail_msg("not told: %s\n%s", sentence, text);
    free(text);
    text = synth_format(r, "json", NULL, NULL);
    snprintf(expected, sizeof expected, "\"status\": \"%s\"", status);
    assert_non_null(strstr(text, expected));
    write_temp(rig, "verdict.json", text, strlen(text), path);
    if (have_jsonschema())
        assert_int_equal(check_json_schema("docs/schema/seep.verdict.1.json", path), 0);
    free(text);
    text = synth_format(r, "html", NULL, NULL);
    snprintf(expected, sizeof expected, ">%s</span>", status);
    assert_non_null(strstr(text, expected));
    free(text);
}

struct row {
    const char *allow;
    enum judge_status status;
    enum report_allow_status entry;
    const char *word, *sentence;
};

static void check_row(struct rig *rig, const struct row *row)
{
    struct report *r = report_with(rig, row->allow);
    if (r->gates[0].result.status != row->status)
        fail_msg("%s: %s", row->allow, r->gates[0].result.reason);
    assert_int_equal(r->n_allows, 1);
    assert_int_equal(r->allows[0].status, row->entry);
    check_formats(rig, r, row->sentence, row->word);
    report_free(r);
}

static void each_kind_of_entry_has_its_verdict(void **state)
{
    static const struct row rows[] = {
        {"  - { pattern: session_new, budget: 5MB/h, reason: known cache, expires: 2099-01-31 }\n", JUDGE_S_PASS,
         REPORT_ALLOW_WITHIN, "within", "'session_new' (known cache): allowed until 2099-01-31; 1 growing, 3.24 MB/h"},
        {"  - { pattern: \"session_* < main\", budget: 5MB/h, reason: chain }\n", JUDGE_S_PASS, REPORT_ALLOW_WITHIN,
         "within", "'session_* < main' (chain): allowed; 1 growing"},
        {"  - { pattern: session_new, budget: 2MB/h, reason: known cache }\n", JUDGE_S_FAIL, REPORT_ALLOW_OVER, "over",
         "over its budget; 1 growing, 3.24 MB/h in all, 2 MB/h each may have"},
        // The run ended on 2023-11-15.
        {"  - { pattern: session_new, budget: 5MB/h, reason: old, expires: 2023-11-14 }\n", JUDGE_S_FAIL,
         REPORT_ALLOW_EXPIRED, "expired", "expired on 2023-11-14 and counts no more; 1 stacks match it"},
        {"  - { pattern: nothing_such, budget: 5MB/h, reason: typo }\n", JUDGE_S_FAIL, REPORT_ALLOW_UNMATCHED,
         "unmatched", "'nothing_such' (typo) matches no call stack of this run"},
        {"  - { pattern: config_load, budget: 5MB/h, reason: start }\n", JUDGE_S_FAIL, REPORT_ALLOW_QUIET, "quiet",
         "none of the 1 stacks it matches grows"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        check_row(*state, &rows[i]);
        rig_empty(*state);
    }
}

static void the_last_day_of_the_run_still_counts(void **state)
{
    struct report *r =
        report_with(*state, "  - { pattern: session_new, budget: 5MB/h, reason: r, expires: 2023-11-15 }\n");
    assert_int_equal(r->gates[0].result.status, JUDGE_S_PASS);
    assert_string_equal(r->stacks[0].allowed, "r, until 2023-11-15");
    assert_non_null(strstr(r->gates[0].result.reason, "1 grows within what the profile allows"));
    report_free(r);
}

static void the_larger_of_two_budgets_decides(void **state)
{
    struct report *r = report_with(*state, "  - { pattern: \"*.c\", budget: 1kB/h, reason: all }\n"
                                           "  - { pattern: session_new, budget: 5MB/h, reason: one }\n"
                                           "  - { pattern: main, budget: 2kB/h, reason: more }\n");
    assert_int_equal(r->gates[0].result.status, JUDGE_S_PASS);
    assert_string_equal(r->stacks[0].allowed, "one");
    assert_int_equal(r->allows[1].status, REPORT_ALLOW_WITHIN);
    assert_int_equal(r->allows[0].status, REPORT_ALLOW_QUIET);
    report_free(r);
}

#define T(f) cmocka_unit_test_setup_teardown(f, synth_setup, rig_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(each_kind_of_entry_has_its_verdict),
        T(the_last_day_of_the_run_still_counts),
        T(the_larger_of_two_budgets_decides),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
