// Sign-offs over runs written through the store: a day long, with gaps, too old, edited, without a checksum; the seal
// over them; the ratchet of baselines; and programs run within bounds.
#include "report_rig.h"

#include "base/clock.h"
#include "linux/exe.h"
#include "proof/baseline.h"
#include "proof/exec.h"
#include "proof/proof.h"
#include "proof/seal.h"
#include "report/digest.h"

#include <time.h>

static struct rig top; // holds results/, the checklist and the program that is released

static int begin_all(void **state)
{
    char path[300];
    (void)state;
    if (rig_begin(&top, access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp"))
        return -1;
    snprintf(path, sizeof path, "%s/results", top.path);
    write_temp(&top, "server", "#!/bin/sh\n", 10, (char[300]){0});
    return mkdir(path, 0700);
}

static int end_all(void **state)
{
    (void)state;
    return shell("rm -rf '%s'", top.path);
}

static char *in_top(const char *name)
{
    static char path[4][400];
    static int k;
    snprintf(path[k = (k + 1) % 4], 400, "%s/%s", top.path, name);
    return path[k];
}

static void sum_of_server(char hex[65])
{
    uint8_t sum[32];
    OK(linux_sha256("#!/bin/sh\n", 10, sum, &fault));
    linux_hex(sum, sizeof sum, hex);
}

enum { NO_DIGEST = 1, OTHER_BINARY = 2 };

// A run as `seep run` leaves it: its verdict in the end record and the directory, and the checksum.
static void write_run(const char *name, const struct synth *s, int flags)
{
    char sum[65], digest[REPORT_DIGEST_SIZE], path[500];
    struct store *st;
    struct report *r = NULL;
    struct seep_buf out;
    snprintf(path, sizeof path, "%s/results/%s", top.path, name);
    assert_int_equal(mkdir(path, 0700), 0);
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    synth_write(fd, s);
    sum_of_server(sum);
    OK(store_open_write(fd, &st, &fault));
    OK(store_set_meta(st, M_RUN, name, &fault));
    if (!(flags & OTHER_BINARY))
        OK(store_set_meta(st, M_TARGET_SHA256, sum, &fault));
    OK(report_build(st, NULL, &r, &fault));
    buf_init(&out, 16 << 20);
    OK(report_json(r, NULL, &out, &fault));
    OK(store_write_end(st, synth_time(s->ticks * s->interval_s), "completed", 0, out.data, &fault));
    int vd = openat(fd, "verdict.json", O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_int_equal(write(vd, out.data, out.len), (ssize_t)out.len);
    close(vd);
    buf_free(&out);
    report_free(r);
    if (!(flags & NO_DIGEST)) {
        OK(report_digest(st, digest, &fault));
        OK(store_set_meta(st, M_DIGEST, digest, &fault));
    }
    store_close(st);
    close(fd);
}

static void drop_runs(void)
{
    assert_int_equal(shell("rm -rf '%s'/results/*", top.path), 0);
}

static struct checklist *list_of(const char *requirement)
{
    char text[2000], path[300];
    struct checklist *c;
    snprintf(text, sizeof text, "version: 1\nname: release\ntarget: %s/server\nrequirements:\n  - { name: it, %s }\n",
             top.path, requirement);
    write_temp(&top, "list.yaml", text, strlen(text), path);
    OK(checklist_load(path, NULL, 0, &c, &fault));
    return c;
}

static struct proof *proof_of(const struct checklist *c)
{
    struct proof *p;
    const struct proof_options how = {.results_dir = in_top("results"), .shipped_dir = SEEP_SOURCE_DIR "/profiles"};
    OK(proof_make(c, &how, &p, &fault));
    return p;
}

static void expect(const char *requirement, enum proof_status status, const char *sentence)
{
    struct checklist *c = list_of(requirement);
    struct proof *p = proof_of(c);
    if (p->items[0].status != status || !strstr(p->items[0].evidence, sentence))
        fail_msg("%s: %s, %s; wanted %s, %s", requirement, proof_status_name(p->items[0].status), p->items[0].evidence,
                 proof_status_name(status), sentence);
    static const int codes[] = {0, 1, 3};
    assert_int_equal(proof_exit_code(p), codes[status]);
    proof_free(p);
    checklist_free(c);
}

static const struct synth day = {.ticks = 289, .interval_s = 300, .stacks = 12, .idle_ticks = 12};

static void a_day_is_a_day(void **state)
{
    struct synth half = day, holes = day;
    (void)state;
    expect("run: { profile: synthetic }", PROOF_MISSING, "There is no run of profile synthetic");
    half.ticks = 145;
    write_run("half", &half, 0);
    expect("run: { profile: synthetic }", PROOF_PASS, "Run half: 12 h measured, 145 samples, 0 gaps");
    expect("run: { profile: synthetic, at_least: 24h }", PROOF_MISSING,
           "Run half measured 12 h, and 24 h are asked for");
    expect("run: { profile: synthetic, within: 7d }", PROOF_MISSING, "older than 7 d");
    expect("run: { profile: other }", PROOF_MISSING, "There is no run of profile other");
    drop_runs();
    write_run("day", &day, 0);
    expect("run: { profile: synthetic, at_least: 24h, max_gaps: 0, shutdown: pass }", PROOF_PASS, "Run day: 24 h");
    expect("run: { profile: synthetic, at_least: 24h, runs: 2 }", PROOF_MISSING, "1 of 2 runs");
    drop_runs();
    holes.lose_from = 100;
    holes.lose_to = 102;
    write_run("holes", &holes, 0);
    expect("run: { profile: synthetic, at_least: 24h, max_gaps: 1 }", PROOF_PASS, "1 gap;");
    expect("run: { profile: synthetic, at_least: 24h, max_gaps: 0 }", PROOF_MISSING, "has 1 gaps, and at most 0");
    expect("run: { profile: synthetic, at_least: 24h }", PROOF_MISSING, "23.8 h, and 24 h are asked");
    drop_runs();
    holes.lose_to = 130;
    write_run("hole", &holes, 0);
    expect("run: { profile: synthetic, at_least: 24h, max_gaps: 1 }", PROOF_MISSING, "The gaps of run hole");
    drop_runs();
}

static void what_failed_stands_before_what_passed(void **state)
{
    struct synth leak = day;
    (void)state;
    leak.leak_per_s = 900;
    leak.idle_ticks = 13; // its end lies after the day's
    leak.ticks = 290;
    write_run("good", &day, 0);
    write_run("leaks", &leak, 0);
    expect("run: { profile: synthetic }", PROOF_FAIL, "Run leaks: fail: ");
    expect("run: { profile: synthetic, verdict: any, shutdown: pass, runs: 2 }", PROOF_PASS, "2 of 2 runs");
    expect("run: { profile: synthetic, verdict: any, gates: fd.growth }", PROOF_PASS, "leaks");
    expect("run: { profile: synthetic, verdict: any, gates: [heap.growth < 1MB/h] }", PROOF_FAIL, "Gate heap.growth");
    expect("run: { profile: synthetic, verdict: any, gates: http.p99 }", PROOF_MISSING, "has no gate http.p99");
    expect("run: { profile: synthetic, verdict: any, no_regression: good }", PROOF_FAIL, "against good");
    expect("run: { profile: synthetic, verdict: any, no_regression: baseline }", PROOF_MISSING, "There is no baseline");
    expect("run: { profile: synthetic, verdict: any, grade: good }", PROOF_MISSING, "has no grade");
    drop_runs();
    leak.shutdown_after = "11.5";
    leak.leak_per_s = 0;
    write_run("slow", &leak, 0);
    expect("run: { profile: synthetic, verdict: any, shutdown: pass }", PROOF_FAIL, "The shutdown of run slow failed");
    drop_runs();
}

static void other_gates_judge_the_same_samples(void **state)
{
    static const char stricter[] = "version: 1\nname: tight\ngates:\n  - rss.total_growth < 1kB\n";
    static const char looser[] = "version: 1\nname: loose\ngates:\n  - rss.total_growth < 100MB\n";
    char path[300], requirement[500];
    (void)state;
    write_run("day", &day, 0);
    write_temp(&top, "tight.yaml", stricter, strlen(stricter), path);
    snprintf(requirement, sizeof requirement, "run: { profile: synthetic, judged_by: %s }", path);
    expect(requirement, PROOF_FAIL, "Run day, judged by tight,: fail");
    write_temp(&top, "tight.yaml", looser, strlen(looser), path);
    expect(requirement, PROOF_PASS, "Run day");
    expect("run: { profile: synthetic, judged_by: nosuch }", PROOF_MISSING, "There is no shipped profile 'nosuch'");
    drop_runs();
}

static void exactly_this_binary(void **state)
{
    struct synth s = day;
    (void)state;
    write_run("theirs", &s, OTHER_BINARY);
    expect("run: { profile: synthetic }", PROOF_MISSING, "1 runs of synthetic are there, all of other binaries");
    expect("run: { profile: synthetic, target: /nonexistent/server }", PROOF_MISSING,
           "What is to be released is not there");
    drop_runs();
}

static void allowances_are_held_to_today(void **state)
{
    struct synth s = day;
    (void)state;
    s.leak_per_s = 900;
    s.profile = "version: 1\nname: synthetic\ntarget: { command: [./server], life: service }\n"
                "run: { duration: 24h, interval: 5m }\ngates:\n  - stack.growth < 1MB/h\nallow:\n"
                "  - { pattern: session_new, budget: 5MB/h, reason: known, expires: 2025-01-31 }\n";
    write_run("allowed", &s, 0); // ended in 2023, when that was long to come
    expect("run: { profile: synthetic }", PROOF_PASS, "Run allowed");
    expect("run: { profile: synthetic, allow: valid }", PROOF_FAIL, "expired on 2025-01-31");
    drop_runs();
}

// One value of one tick, as an editor of databases would.
static void edit(const char *name, const char *sql)
{
    char path[500];
    sqlite3 *db;
    snprintf(path, sizeof path, "%s/results/%s/run.db", top.path, name);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

static void what_was_edited_is_no_evidence(void **state)
{
    static const char *const edits[] = {
        "UPDATE meta SET value = CAST('good-server' AS BLOB) WHERE key = 'host.name'",
        "UPDATE tick SET late_ns = 0 WHERE idx = 40",
        "DELETE FROM tick WHERE idx = 41",
        "DELETE FROM event",
        "UPDATE end_record SET verdict = replace(verdict, 'soak-3', 'soak-4')",
        "UPDATE symbol SET names = zeroblob(3)",
    };
    char path[500];
    (void)state;
    for (size_t i = 0; i < sizeof edits / sizeof edits[0]; i++) {
        struct synth s = day;
        s.lose_from = 20;
        s.lose_to = 21;
        write_run("day", &s, 0);
        expect("run: { profile: synthetic, max_gaps: 1 }", PROOF_PASS, "Run day");
        edit("day", edits[i]);
        expect("run: { profile: synthetic }", PROOF_FAIL, "The database of run day was edited after the run ended");
        drop_runs();
    }
    write_run("day", &day, 0);
    edit("day", "DELETE FROM meta WHERE key = 'digest'");
    expect("run: { profile: synthetic }", PROOF_MISSING, "without a checksum");
    drop_runs();
    write_run("day", &day, 0);
    snprintf(path, sizeof path, "%s/results/day/verdict.json", top.path);
    assert_int_equal(shell("sed -i 's/\"soak-3\"/\"soak-4\"/' %s", path), 0);
    expect("run: { profile: synthetic }", PROOF_FAIL, "verdict.json of run day was edited");
    drop_runs();
    write_run("old", &day, NO_DIGEST);
    expect("run: { profile: synthetic }", PROOF_MISSING, "without a checksum");
    drop_runs();
    write_run("day", &day, 0);
    snprintf(path, sizeof path, "%s/results/day/run.db", top.path);
    assert_int_equal(truncate(path, 100), 0);
    expect("run: { profile: synthetic }", PROOF_MISSING, "cannot be read");
    drop_runs();
}

static void marks_do_not_break_the_checksum(void **state)
{
    char before[REPORT_DIGEST_SIZE], now[REPORT_DIGEST_SIZE];
    struct store *st;
    (void)state;
    write_run("day", &day, 0);
    int results = open(in_top("results"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int fd = openat(results, "day", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    OK(store_open_read(fd, &st, &fault));
    OK(report_digest(st, before, &fault));
    store_close(st);
    OK(baseline_mark(results, "day", M_BASELINE, "x", &fault));
    OK(baseline_mark(results, "day", M_SEALED, "y", &fault));
    OK(store_open_read(fd, &st, &fault));
    assert_int_equal(report_check_digest(st, now), REPORT_INTACT);
    assert_string_equal(before, now);
    store_close(st);
    close(fd);
    close(results);
    drop_runs();
}

// ---- formats and seals ----------------------------------------------------------------------------------------------

static enum seal_answer verify(const char *path, const char *sentence)
{
    struct seep_buf out;
    enum seal_answer answer = SEAL_OPEN;
    const struct seal_options how = {0};
    buf_init(&out, 1 << 20);
    OK(seal_verify(path, &how, &answer, &out, &fault));
    if (!strstr(out.data, sentence))
        fail_msg("%s is not in\n%s", sentence, out.data);
    buf_free(&out);
    return answer;
}

static void a_seal_holds_document_and_evidence_together(void **state)
{
    struct seep_buf out;
    char path[300], seal[65];
    (void)state;
    write_run("day", &day, 0);
    struct checklist *c = list_of("id: \"<b>|x\", run: { profile: synthetic }");
    struct proof *p = proof_of(c);
    buf_init(&out, 1 << 20);
    OK(proof_json(p, seal, &out, &fault));
    write_temp(&top, "sealed.json", out.data, out.len, path);
    if (have_jsonschema())
        assert_int_equal(check_json_schema("docs/schema/seep.signoff.1.json", path), 0);
    assert_int_equal(verify(path, "right    run day: as it was"), SEAL_RIGHT);
    // As any other language computes it.
    assert_int_equal(
        shell("/usr/bin/python3 -c \"import json,sys,hashlib; d=json.load(open('%s')); s=d.pop('seal')['hash']; "
              "t=json.dumps(d,sort_keys=True,separators=(',',':'),ensure_ascii=False); "
              "sys.exit(hashlib.sha256(t.encode()).hexdigest()!=s)\"",
              path),
        0);
    assert_int_equal(
        shell("sed -i 's/\"fail\"/\"pass\"/; s/day measured/days measured/; s/\"verdict\": \"pass\"/\"verdict\": "
              "\"PASS\"/' %s",
              path),
        0);
    assert_int_equal(verify(path, "DIFFERS  seal: the document was changed"), SEAL_DIFFERS);
    write_temp(&top, "sealed.json", out.data, out.len, path);
    assert_int_equal(shell("echo '# more' >> '%s/list.yaml'", top.path), 0);
    assert_int_equal(verify(path, "DIFFERS  checklist: "), SEAL_DIFFERS);
    checklist_free(c);
    c = list_of("id: \"<b>|x\", run: { profile: synthetic }");
    edit("day", "UPDATE tick SET late_ns = 0 WHERE idx = 40");
    assert_int_equal(verify(path, "DIFFERS  run day: its database is not what it was"), SEAL_DIFFERS);
    drop_runs();
    assert_int_equal(verify(path, "open     run day"), SEAL_OPEN);
    proof_free(p);
    checklist_free(c);
    buf_free(&out);
}

static void nasty_names_stay_names(void **state)
{
    struct seep_buf out;
    (void)state;
    struct checklist *c =
        list_of("id: \"<script>|x\", about: \"</title>\", command: [printf, '<script>\\033]0;x\\007']");
    struct proof *p = proof_of(c);
    buf_init(&out, 1 << 20);
    OK(proof_html(p, &out, &fault));
    assert_null(strstr(out.data, "<script"));
    assert_null(strchr(out.data, '\033'));
    buf_clear(&out);
    OK(proof_markdown(p, &out, &fault));
    assert_null(strstr(out.data, "<script"));
    assert_non_null(strstr(out.data, "\\|x"));
    buf_clear(&out);
    OK(proof_text(p, &(struct report_style){.width = 100}, &out, &fault));
    assert_null(strchr(out.data, '\033'));
    assert_non_null(strstr(out.data, "PASS"));
    buf_free(&out);
    proof_free(p);
    checklist_free(c);
}

// ---- baselines ------------------------------------------------------------------------------------------------------

static void put_baseline(const char *run, const char *how, const char *reason)
{
    struct baselines *all;
    const struct baseline_entry e = {.run = (char *)run,
                                     .how = (char *)how,
                                     .reason = (char *)reason,
                                     .by = "me@here",
                                     .at_ns = clock_read().real_ns};
    OK(baseline_load(in_top("results"), true, &all, &fault));
    OK(baseline_add(all, "synthetic", "server", &e, &fault));
    baseline_free(all);
}

static void a_history_is_kept_and_held(void **state)
{
    struct baselines *all;
    struct seep_err err = {0};
    size_t n;
    (void)state;
    write_run("a", &day, 0);
    write_run("b", &day, 0);
    write_run("c", &day, 0);
    put_baseline("a", "set", NULL);
    put_baseline("b", "accept", "twice the cache");
    put_baseline("c", "set", NULL);
    OK(baseline_load(in_top("results"), false, &all, &fault));
    const struct baseline *b = baseline_find(all, "synthetic", "server");
    assert_string_equal(baseline_run(b), "c");
    assert_int_equal(b->n, 3);
    assert_string_equal(b->entries[1].reason, "twice the cache");
    const struct baseline_entry *held = baseline_held(b, &n); // from the accepted one on
    assert_int_equal(n, 2);
    assert_string_equal(held[0].run, "b");
    assert_null(baseline_find(all, "synthetic", "other"));
    assert_null(baseline_run(baseline_find(all, "other", "server")));
    baseline_free(all);
    expect("run: { profile: synthetic, no_regression: baseline }", PROOF_PASS, "Run ");
    static const char *const by_hand[] = {"s/twice the cache/half the cache/", "s/\"run\": \"b\"/\"run\": \"a\"/",
                                          "s/\"me@here\"/\"you@here\"/", "s/\"accept\"/\"set\"/"};
    for (size_t i = 0; i < sizeof by_hand / sizeof by_hand[0]; i++) {
        assert_int_equal(shell("cp '%s/results/baselines.json' '%s/kept'", top.path, top.path), 0);
        assert_int_equal(shell("sed -i '%s' '%s/results/baselines.json'", by_hand[i], top.path), 0);
        assert_int_equal(baseline_load(in_top("results"), false, &all, &err), -1);
        assert_int_equal(err.code, SEEP_E_CORRUPT);
        assert_non_null(strstr(err.text, "changed by hand"));
        expect("run: { profile: synthetic, no_regression: baseline }", PROOF_MISSING, "changed by hand");
        assert_int_equal(shell("mv '%s/kept' '%s/results/baselines.json'", top.path, top.path), 0);
    }
    assert_int_equal(shell("echo '{' > '%s/results/baselines.json'", top.path), 0);
    assert_int_equal(baseline_load(in_top("results"), false, &all, &err), -1);
    assert_non_null(strstr(err.text, "is no file of baselines"));
    drop_runs();
}

// ---- programs within bounds -----------------------------------------------------------------------------------------

static struct proof_exec_result exec_sh(const char *script, double within_s)
{
    struct proof_exec_result r;
    const char *argv[] = {"sh", "-c", script, NULL};
    const struct proof_exec what = {.argv = argv, .within_s = within_s, .keep_bytes = 1000, .flood_bytes = 1 << 20};
    proof_exec(&what, &r);
    return r;
}

static void programs_end_within_bounds(void **state)
{
    static const struct {
        const char *script;
        double within_s;
        enum proof_exec_how how;
        int status;
        const char *says;
    } rows[] = {
        {"echo out; echo err >&2; exit 7", 20, PROOF_EXITED, 7, "out\nerr\n"},
        {"kill -9 $$", 20, PROOF_SIGNALLED, 9, ""},
        {"sleep 1000", 0.2, PROOF_TOO_LONG, 0, ""},
        {"trap '' TERM INT HUP; while :; do :; done", 0.2, PROOF_TOO_LONG, 0, ""},
        {"while :; do echo yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy; done", 60, PROOF_FLOOD, 0, "yyy"},
        {"setsid sleep 1000 & (setsid sh -c 'sleep 1000 & sleep 1000' &) ; echo left", 20, PROOF_EXITED, 0, "left\n"},
        {"exec >&- 2>&-; sleep 0.1", 20, PROOF_EXITED, 0, ""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct proof_exec_result r = exec_sh(rows[i].script, rows[i].within_s);
        if (r.how != rows[i].how || r.status != rows[i].status ||
            strncmp(r.out.data ? r.out.data : "", rows[i].says, strlen(rows[i].says)) != 0)
            fail_msg("%s: how %d status %d: %s", rows[i].script, r.how, r.status, r.out.data ? r.out.data : "");
        assert_true(r.out.len <= 1000);
        buf_free(&r.out);
        assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); // nobody is left
    }
    struct proof_exec_result r;
    const char *argv[] = {"/nonexistent/program", NULL};
    proof_exec(&(struct proof_exec){.argv = argv, .within_s = 5, .keep_bytes = 10, .flood_bytes = 10}, &r);
    assert_int_equal(r.how, PROOF_NOT_STARTED);
    assert_non_null(strstr(r.why, "No such file"));
    buf_free(&r.out);
}

static void words_of_people(void **state)
{
    char today[16], tomorrow[16], text[300];
    time_t now = time(NULL), later = now + 3 * 86400;
    (void)state;
    strftime(today, sizeof today, "%Y-%m-%d", gmtime(&now));
    strftime(tomorrow, sizeof tomorrow, "%Y-%m-%d", gmtime(&later));
    snprintf(text, sizeof text, "manual: { by: Ann, date: %s, note: seen }", today);
    expect(text, PROOF_PASS, "Ann, ");
    snprintf(text, sizeof text, "manual: { by: Ann, date: %s }", tomorrow);
    expect(text, PROOF_FAIL, "a day to come");
    expect("manual: { by: Ann }", PROOF_MISSING, "the day is not filled in");
    expect("manual: { date: 2026-01-01 }", PROOF_MISSING, "the name is not filled in");
    expect("manual: { by: Ann, date: 2020-01-01, expires: 2020-02-01 }", PROOF_MISSING, "expired on 2020-02-01");
    expect("manual: { by: Ann, date: 2020-01-01, valid: 30d }", PROOF_MISSING, "too old");
    snprintf(text, sizeof text, "manual: { by: Ann, date: 2020-01-01, expires: %s }", today);
    expect(text, PROOF_PASS, "Ann, 2020-01-01");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_day_is_a_day),
        cmocka_unit_test(what_failed_stands_before_what_passed),
        cmocka_unit_test(other_gates_judge_the_same_samples),
        cmocka_unit_test(exactly_this_binary),
        cmocka_unit_test(allowances_are_held_to_today),
        cmocka_unit_test(what_was_edited_is_no_evidence),
        cmocka_unit_test(marks_do_not_break_the_checksum),
        cmocka_unit_test(a_seal_holds_document_and_evidence_together),
        cmocka_unit_test(nasty_names_stay_names),
        cmocka_unit_test(a_history_is_kept_and_held),
        cmocka_unit_test(programs_end_within_bounds),
        cmocka_unit_test(words_of_people),
    };
    return cmocka_run_group_tests(tests, begin_all, end_all);
}
