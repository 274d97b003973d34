// Checklists: what every kind of requirement reads as, and what is said, at which place, about wrong ones.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "profile/checklist.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define V "version: 1\n"
#define R V "target: ./server\nrequirements: [{name: a, "

static int load(const char *text, const char *const *overrides, int n, struct checklist **out, struct seep_err *err)
{
    char path[] = "/tmp/seep-checklist-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
    int rc = checklist_load(path, overrides, n, out, err);
    unlink(path);
    return rc;
}

static void every_kind_is_read(void **state)
{
    static const char text[] =
        V "name: rel\ntarget: [./server, ./plugin.so]\nvars: { db: app }\nrequirements:\n"
          "  - name: soak\n    id: S0-26\n    run: { profile: nightly-24h, within: 7d, at_least: 24h, max_gaps: 2, "
          "runs: 3,\n"
          "           shutdown: pass, no_regression: baseline, threshold: 5%, allow: valid, gates: http.p99, grade: "
          "good }\n"
          "  - { name: one, command: ./backup }\n"
          "  - { name: words, command: [pg_restore, -l, dump] }\n"
          "  - { name: map, command: { run: [a, b], exit: 3, within: 2m, at_least: 7, env: { A: b } } }\n"
          "  - { name: web, http: 'http://127.0.0.1/health' }\n"
          "  - { name: hdr, http: { url: 'http://127.0.0.1/', status: 204, header: [no-store], verify: false } }\n"
          "  - { name: port, tcp: '127.0.0.1:5432' }\n"
          "  - { name: log, file: { path: '/var/log/x*.gz', max_age: 1d, min_size: 1kB } }\n"
          "  - { name: sql, sql: { sqlite: '${db}.db', query: 'select 1', equals: '1', rows: 1 } }\n"
          "  - { name: word, manual: { by: Ann, date: 2026-11-20, expires: 2027-01-31 } }\n"
          "  - { name: open, manual: { by: null } }\n";
    struct checklist *c = NULL;
    struct seep_err err = {0};
    (void)state;
    if (load(text, (const char *const[]){"vars.db=other"}, 1, &c, &err))
        fail_msg("%s", err.text);
    assert_int_equal(c->n_requirements, 11);
    const struct checklist_requirement *q = c->requirements;
    assert_int_equal(q[0].kind, CHECKLIST_RUN);
    assert_string_equal(q[0].id, "S0-26");
    assert_true(q[0].run.within_s == 7 * 86400 && q[0].run.at_least_s == 86400 && q[0].run.max_gaps == 2);
    assert_true(q[0].run.runs == 3 && q[0].run.shutdown == 1 && q[0].run.allow_valid == 1);
    assert_true(q[0].run.threshold == 0.05 && q[0].run.grade == PROFILE_GOOD && q[0].run.n_gates == 1);
    assert_int_equal(q[0].where.line, 6);
    assert_int_equal(q[1].command.argc, 1);
    assert_int_equal(q[2].command.argc, 3);
    assert_string_equal(q[2].command.argv[0], "pg_restore");
    assert_true(q[3].command.exit == 3 && q[3].command.within_s == 120 && q[3].command.expect.at_least == 7);
    assert_true(q[3].command.expect.at_most == PROFILE_AUTO);
    assert_true(q[4].http.status == PROFILE_AUTO && q[4].http.verify);
    assert_true(q[5].http.status == 204 && q[5].http.n_headers == 1 && !q[5].http.verify);
    assert_string_equal(q[6].tcp.address, "127.0.0.1:5432");
    assert_true(q[7].file.max_age_s == 86400 && q[7].file.min_bytes == 1000 && q[7].file.max_bytes == PROFILE_AUTO);
    assert_string_equal(q[8].sql.sqlite, "other.db");
    assert_string_equal(q[9].manual.date, "2026-11-20");
    assert_null(q[10].manual.by);
    checklist_free(c);
}

static const struct bad {
    const char *text, *at, *sentence;
} bad[] = {
    {"", "1:1", "begins with 'version: 1'"},
    {"- a\n", "1:1", "begins with 'version: 1'"},
    {V, "1:1", "needs the key 'requirements'"},
    {V "requirements: []\n", "2:15", "nothing passes by asking nothing"},
    {V "requirements: {name: a, tcp: 'a:1'}\n", "2:15", "is a list"},
    {V "requirments: []\n", "2:1", "did you mean 'requirements'?"},
    {V "zzzz: 1\n", "2:1", "signoff --keys"},
    {V "requirements: [{name: a, zzzz: 1}]\n", "2:26", "signoff --keys"},
    {V "requirements: [{tcp: 'a:1'}]\n", "2:16", "needs the key 'name'"},
    {V "requirements: [{name: a}]\n", "2:16", "has none"},
    {V "requirements: [{name: a, tcp: 'a:1', command: x}]\n", "2:16", "more than one"},
    {V "requirements: [{name: a, tcp: 'a:1'}, {name: a, tcp: 'b:1'}]\n", "2:39", "already, on line 2"},
    {V "requirements: [{name: a, run: {profile: x}}]\n", "2:31", "say which with 'target'"},
    {R "run: {}}]\n", "3:31", "needs the key 'profile'"},
    {R "run: {profile: x, within: 7}}]\n", "3:52", "duration with its unit"},
    {R "run: {profile: x, runs: 0}}]\n", "3:50", "between 1 and 100"},
    {R "run: {profile: x, verdict: fail}}]\n", "3:53", "one of pass|any"},
    {R "run: {profile: x, gates: ['']}}]\n", "3:51", "names gates"},
    {R "command: []}]\n", "3:35", "at least the name of a program"},
    {R "command: {exit: 0}}]\n", "3:35", "needs the key 'run'"},
    {R "command: {run: a, exit: 256}}]\n", "3:50", "between 0 and 255"},
    {R "http: {}}]\n", "3:32", "needs the key 'url'"},
    {R "sql: {query: q}}]\n", "3:31", "needs a database"},
    {R "sql: {query: q, psql: a, sqlite: b}}]\n", "3:31", "not both"},
    {R "sql: {psql: a}}]\n", "3:31", "needs the key 'query'"},
    {R "file: {path: a, sha256: xyz}}]\n", "3:50", "64 hexadecimal digits"},
    {R "file: {path: a, absent: true, max_age: 1d}}]\n", "3:32", "must be absent"},
    {R "manual: {by: Ann, date: yesterday}}]\n", "3:50", "is a day such as"},
    {R "manual: {by: }}]\n", "3:39", "has no value"},
    {R "tcp: {address: '${nobody}:1'}}]\n", "", "nobody"},
    {V "requirements: &a [1]\n", "2:15", "Anchors"},
};

static void wrong_ones_are_refused_at_their_place(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct checklist *c = NULL;
        struct seep_err err = {0};
        char at[24];
        assert_int_equal(load(bad[i].text, NULL, 0, &c, &err), -1);
        assert_null(c);
        assert_int_equal(err.code, SEEP_E_USAGE);
        snprintf(at, sizeof at, ":%s:", bad[i].at);
        if (!strstr(err.text, bad[i].sentence) || (bad[i].at[0] && !strstr(err.text, at)))
            fail_msg("%zu:\n%s\ngives\n%s\nwanted %s %s", i, bad[i].text, err.text, bad[i].at, bad[i].sentence);
    }
}

static void unreadable_ones_are_told(void **state)
{
    struct checklist *c = NULL;
    struct seep_err err = {0};
    (void)state;
    assert_int_equal(checklist_load("/nonexistent/list.yaml", NULL, 0, &c, &err), -1);
    assert_non_null(strstr(err.text, "The checklist '/nonexistent/list.yaml' cannot be opened"));
    assert_int_equal(err.code, SEEP_E_USAGE);
    assert_int_equal(checklist_load("/tmp", NULL, 0, &c, &err), -1);
    assert_int_equal(err.code, SEEP_E_USAGE);
    assert_int_equal(checklist_load("/dev/zero", NULL, 0, &c, &err), -1);
    assert_non_null(strstr(err.text, "larger than"));
}

static void count_key(const char *path, const char *type, const char *def, const char *help, void *ctx)
{
    (void)def;
    assert_true(*path && *type && *help);
    *(int *)ctx += 1;
}

static void every_key_has_its_help(void **state)
{
    int n = 0;
    (void)state;
    checklist_each_key(count_key, &n);
    assert_true(n > 60);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_is_read),
        cmocka_unit_test(wrong_ones_are_refused_at_their_place),
        cmocka_unit_test(unreadable_ones_are_told),
        cmocka_unit_test(every_key_has_its_help),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
