// Profiles that are wrong, and what is said about each: the place and the sentence, never a crash and never a guess.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "profile/profile.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define V "version: 1\n"
#define L V "load: {rate: 1/s, scenarios: ["

static const struct bad {
    const char *text;
    const char *at;       // "line:column"
    const char *sentence; // part of what is said
} bad[] = {
    // YAML that is more than a profile needs
    {V "a: &x 1\n", "2:4", "Anchors"},
    {V "gates: &g [a]\n", "2:8", "Anchors"},
    {V "gates: *g\n", "2:8", "Aliases"},
    {V "name: !!str x\n", "2:7", "tags"},
    {V "run: !x {}\n", "2:6", "tags"},
    {V "run: {<<: {duration: 1m}}\n", "2:7", "Merge keys"},
    {V "name: a\nname: b\n", "3:1", "twice"},
    {V "run: {drain: 1s, drain: 2s}\n", "2:18", "twice; the first is in line 2"},
    {V "? [a]\n: b\n", "2:3", "key must be text"},
    {V "---\nname: b\n", "2:1", "second document"},
    {"%TAG ! tag:x:\n---\n" V, "1:1", "Tag directives"},
    {V "a: [[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]\n", "2:19", "deeper than 16"},
    {V "a: 'x\n", "3:1", "not YAML"},
    {V "a: {b\n", "3:1", "not YAML"},
    {V "\tname: x\n", "2:1", "not YAML"},
    {V "name: \"\\0\"\n", "2:7", "NUL"},
    {V "name: \xff\n", "", "not UTF-8"},
    // not a profile at all
    {"", "1:1", "begin it with 'version: 1'"},
    {"# nothing\n", "1:1", "begin it with 'version: 1'"},
    {"just text\n", "1:1", "map of keys, not a text"},
    {"- a\n", "1:1", "map of keys, not a list"},
    {"name: x\n", "1:1", "begin it with 'version: 1'"},
    {"version: 2\n", "1:10", "knows version 1 only"},
    {"version: [1]\n", "1:10", "not a list"},
    // unknown keys
    {V "rnu: {}\n", "2:1", "did you mean 'run'?"},
    {V "run: {duraton: 1m}\n", "2:7", "did you mean 'duration'?"},
    {V "run: {Duration: 1m}\n", "2:7", "did you mean 'duration'?"},
    {V "duration: 1m\n", "2:1", "did you mean 'run.duration'?"},
    {V "zzzzzz: 1m\n", "2:1", "profiles --keys"},
    {L "{request: 'http://a/', wieght: 3}]}\n", "2:54", "did you mean 'weight'?"},
    {V "gates:\n  - {gate: a < 1, wran: 2}\n", "3:19", "did you mean 'warn'?"},
    // units, numbers, ranges
    {V "run: {duration: 5}\n", "2:17", "duration with its unit"},
    {V "run: {duration: 5MB}\n", "2:17", "not '5MB'"},
    {V "run: {duration: 5 mins}\n", "2:19", "unit is unknown"},
    {V "run: {duration: abc}\n", "2:17", "does not begin with a number"},
    {V "run: {duration: -5s}\n", "2:17", "cannot be negative"},
    {V "run: {duration: 0s}\n", "2:17", "more than zero"},
    {V "run: {duration: 1e999s}\n", "2:17", "too large"},
    {V "run: {duration: .inf}\n", "2:17", "duration with its unit"},
    {V "run: {duration: .nan}\n", "2:17", "duration with its unit"},
    {V "run: {duration: 0x10s}\n", "2:18", "unit is unknown"},
    {V "run: {duration: 010s}\n", "2:17", "begins with a zero"},
    {V "run: {duration: 1:30}\n", "2:18", "unit is unknown"},
    {V "run: {duration: 9000d}\n", "2:17", "must lie between"},
    {V "run: {duration: auto}\n", "2:17", "does not begin with a number"},
    {V "run: {duration: [1m]}\n", "2:17", "not a list"},
    {V "run: {duration: {}}\n", "2:17", "not a map"},
    {V "run:\n  duration:\n", "3:12", "has no value"},
    {V "run: {interval: 1ms}\n", "2:17", "must lie between"},
    {V "run: {interval: 20m}\n", "2:17", "longer than run.duration"},
    {V "run: {warmup: 10m}\n", "2:15", "leaves nothing"},
    {V "run: {reload: true}\n", "2:15", "there is none"},
    {V "run: {early_stop: maybe}\n", "2:19", "true or false"},
    {V "run: {early_stop: 1}\n", "2:19", "true or false"},
    {V "run: fast\n", "2:6", "map of keys"},
    {V "attribution: {mode: exakt}\n", "2:21", "auto|exact|sampled|off"},
    {V "attribution: fast\n", "2:14", "auto|exact|sampled|off"},
    {V "attribution: {mean: 512}\n", "2:21", "size with its unit"},
    {V "attribution: {mean: 1B}\n", "2:21", "must lie between"},
    {V "name: ../x\n", "2:7", "letters, digits"},
    {V "name: ''\n", "2:7", "letters, digits"},
    {V "name: [x]\n", "2:7", "not a list"},
    // target
    {V "target: {command: './server --port 1'}\n", "2:19", "list of words"},
    {V "target: {command: {a: b}}\n", "2:19", "not a map"},
    {V "target: {command: [[a]]}\n", "2:20", "not a list"},
    {V "target: {command: ['']}\n", "2:19", "empty word"},
    {V "target: {env: [A]}\n", "2:15", "map of names"},
    {V "target: {env: {'A=B': x}}\n", "2:15", "name an environment"},
    {V "target: {env: {A: }}\n", "2:19", "has no value"},
    {V "target: {life: forever}\n", "2:16", "job|service|tree"},
    {V "target: {limits: {files: 1}}\n", "2:19", "no limit 'files'"},
    {V "target: {limits: {as: 1000}}\n", "2:23", "size with its unit"},
    {V "target: {limits: 3}\n", "2:18", "map such as"},
    {V "target: {ready: {http: 'localhost:80'}}\n", "2:17", "begins with http"},
    {V "target: {ready: {tcp: '80'}}\n", "2:23", "HOST:PORT"},
    {V "target: {ready: {tcp: 'a:99999'}}\n", "2:23", "HOST:PORT"},
    {V "target: {ready: {tcp: 'a:1', log: x}}\n", "2:35", "two conditions"},
    {V "target: {ready: {command: []}}\n", "2:27", "is empty"},
    {V "target: {ready: {log: ''}}\n", "2:23", "is empty"},
    {V "target: {ready: {within: 0s}}\n", "2:26", "more than zero"},
    // variables
    {V "name: ${x}\n", "2:7", "'x' is not set"},
    {V "vars: {base_url: a}\nname: ${bas_url}\n", "3:7", "did you mean 'base_url'?"},
    {V "name: a${x\n", "2:8", "has no '}'"},
    {V "name: ${}\n", "2:7", "name of a variable"},
    {V "vars: {a: '${b}', b: '${a}'}\n", "2:12", "defined by itself"},
    {V "vars: [a]\n", "2:7", "map of names"},
    {V "vars: {a: [b]}\n", "2:11", "not a list"},
    // load
    {V "load: {}\n", "2:7", "needs the key 'scenarios'"},
    {V "load: {rate: 1/s, scenarios: []}\n", "2:30", "nothing to request"},
    {V "load: {scenarios: [{request: 'http://a/'}]}\n", "2:7", "needs rate"},
    {V "load: {rate: 5, scenarios: [{request: 'http://a/'}]}\n", "2:14", "rate, such as 100/s"},
    {V "load: {rate: 0/s, scenarios: [{request: 'http://a/'}]}\n", "2:14", "more than zero"},
    {V "load: {users: 5/s, scenarios: [{request: 'http://a/'}]}\n", "2:15", "bare number"},
    {V "load: {users: 1.5, scenarios: [{request: 'http://a/'}]}\n", "2:15", "whole number"},
    {V "load: {rate: 1/s, users: 5, scenarios: [{request: 'http://a/'}]}\n", "2:26", "not both"},
    {V "load: {rate: 1/s, think: 1s, scenarios: [{request: 'http://a/'}]}\n", "2:26", "nobody waits"},
    {V "load: {users: 1, think: [3s, 1s], scenarios: [{request: 'http://a/'}]}\n", "2:25", "from the shorter"},
    {V "load: {users: 1, poisson: true, scenarios: [{request: 'http://a/'}]}\n", "2:27", "belongs to a rate"},
    {V "load: {rate: 1/s, connections: 0, scenarios: [{request: 'http://a/'}]}\n", "2:32", "must lie between 1"},
    {V "load: {rate: 1/s, connections: 1.5, scenarios: [{request: 'http://a/'}]}\n", "2:32", "whole number"},
    {V "load: {rate: 1/s, stages: [{for: 1m, to: 50}], scenarios: [{request: 'http://a/'}]}\n", "2:42", "go to a rate"},
    {V "load: {users: 1, stages: [{for: 1m, to: 50/s}], scenarios: [{request: 'http://a/'}]}\n", "2:41",
     "number of users"},
    {V "load: {rate: 1/s, stages: [{to: 50/s}], scenarios: [{request: 'http://a/'}]}\n", "2:28", "needs the key 'for'"},
    {L "{name: a}]}\n", "2:31", "needs the key 'request'"},
    {L "null]}\n", "2:31", "is empty"},
    {L "{request: {method: GET}}]}\n", "2:41", "needs the key 'url'"},
    {L "{request: 'ftp://a/'}]}\n", "2:41", "begins with http"},
    {L "{request: 'http://a b/'}]}\n", "2:41", "white space"},
    {L "{request: {url: 'http://a/', headers: {'a b': c}}}]}\n", "2:69", "name of a header"},
    {L "{request: {url: 'http://a/', headers: {a: \"b\\r\\nc: d\"}}}]}\n", "2:69", "line break"},
    {L "{request: 'http://a/', expect: {status: 42}}]}\n", "2:71", "between 100 and 599"},
    {L "{request: 'http://a/', weight: 0}]}\n", "2:62", "more than zero"},
    {L "{name: a, request: 'http://a/'}, {name: a, request: 'http://a/'}]}\n", "2:64", "Two scenarios"},
    {L "{name: 'a b', request: 'http://a/'}]}\n", "2:38", "letters, digits"},
    // gates, shutdown, allow
    {V "gates:\n", "2:7", "has no value"},
    {V "gates: ['']\n", "2:8", "is empty"},
    {V "gates: [{warn: 1}]\n", "2:9", "needs the key 'gate'"},
    {V "gates: [[a]]\n", "2:9", "not a list"},
    {V "shutdown: none\n", "2:11", "or off"},
    {V "shutdown: {signal: TREM}\n", "2:20", "no signal"},
    {V "shutdown: {signal: 99}\n", "2:20", "no signal"},
    {V "shutdown: {exit: 256}\n", "2:18", "between 0 and 255"},
    {V "shutdown: {exit: []}\n", "2:18", "list such as"},
    {V "shutdown: {back_to_baseline: 10}\n", "2:30", "size with its unit"},
    {V "allow: [{pattern: x}]\n", "2:9", "needs the key 'budget'"},
    {V "allow: [{pattern: x, budget: 1MB, reason: y}]\n", "2:30", "growth rate"},
    {V "allow: [{pattern: x, budget: 1MB/h, reason: y, expires: 2027-02-29}]\n", "2:57", "is a day"},
};

static void every_bad_text(void **state)
{
    (void)state;
    int wrong = 0;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct profile *p = NULL;
        struct seep_err err = {0};
        char lead[80];
        snprintf(lead, sizeof lead, "bad.yaml:%s", bad[i].at);
        int rc = profile_parse(bad[i].text, strlen(bad[i].text), "bad.yaml", &p, &err);
        const char *colon = strchr(err.text + (rc ? strlen("bad.yaml:") : 0), ' ');
        bool there = !*bad[i].at || (colon && (size_t)(colon - err.text) == strlen(lead) + 1);
        if (rc == 0 || strncmp(err.text, lead, strlen(lead)) != 0 || !there || !strstr(err.text, bad[i].sentence) ||
            err.code != SEEP_E_USAGE) {
            print_error("row %zu wanted %s '%s', got: %s\n%s\n", i, bad[i].at, bad[i].sentence, err.text, bad[i].text);
            wrong++;
        }
        profile_free(p);
    }
    assert_int_equal(wrong, 0);
}

static void fails(const char *text, size_t len, const char *sentence)
{
    struct profile *p = NULL;
    struct seep_err err = {0};
    assert_int_equal(profile_parse(text, len, "x", &p, &err), -1);
    assert_null(p);
    if (!strstr(err.text, sentence))
        fail_msg("wanted '%s', got: %s", sentence, err.text);
}

static void hostile_bytes(void **state)
{
    (void)state;
    fails("version: 1\n\0name: x\n", 20, "x:2:1: There is a NUL byte");
    size_t big = 2 << 20;
    char *text = malloc(big);
    memset(text, 'a', big);
    fails(text, big, "larger than");
    fails(text, 1 << 20, "not a text");
    memset(text, '[', big);
    fails(text, 1 << 20, "deeper than 16");
    memset(text, '{', big);
    fails(text, 1 << 20, "key must be text");
    memset(text, '-', big);
    for (size_t i = 1; i < big; i += 2)
        text[i] = ' ';
    fails(text, 1 << 18, "deeper than 16");
    int len = sprintf(text, "version: 1\ngates: [");
    for (int i = 0; i < 2000; i++)
        len += sprintf(text + len, "a,");
    fails(text, (size_t)len, "more than 1024");
    free(text);
}

// Each variable is eight times the one before: 8^7 * 16 bytes must not be built.
static void variables_do_not_explode(void **state)
{
    (void)state;
    char text[4096];
    int len = sprintf(text, "version: 1\nvars:\n  v0: xxxxxxxxxxxxxxxx\n");
    for (int i = 1; i < 8; i++) {
        len += sprintf(text + len, "  v%d: '", i);
        for (int k = 0; k < 8; k++)
            len += sprintf(text + len, "${v%d}", i - 1);
        len += sprintf(text + len, "'\n");
    }
    fails(text, (size_t)len, "grows past 64 KiB");
}

static void the_caret_stands_under_it(void **state)
{
    (void)state;
    const char *text = "version: 1\nrun:\n  duration: \"5 m\xc3\xa4nner\"\n";
    struct profile *p;
    struct seep_err err;
    assert_int_equal(profile_parse(text, strlen(text), "ours.yaml", &p, &err), -1);
    assert_non_null(strstr(err.text, "\n    duration: \"5 m\xc3\xa4nner\"\n                 ^"));
    // A long line is shown around the place, and nothing of it can move a terminal's cursor.
    char line[700];
    int len = sprintf(line, "version: 1\nvars: {a: '");
    memset(line + len, 'z', 400);
    len += 400;
    len += sprintf(line + len, "\xc2\x9b\xe2\x80\xae', zzz: [1]}\n");
    assert_int_equal(profile_parse(line, (size_t)len, "ours.yaml", &p, &err), -1);
    assert_true(strlen(err.text) < 420);
    assert_null(strstr(err.text, "\xc2\x9b"));
    assert_null(strstr(err.text, "\xe2\x80\xae"));
}

static void override_fails(const char *text, const char *sentence)
{
    struct profile_sources s = {.overrides = &text, .n_overrides = 1};
    struct profile *p = NULL;
    struct seep_err err = {0};
    assert_int_equal(profile_load(&s, &p, &err), -1);
    assert_int_equal(err.code, SEEP_E_USAGE);
    if (!strstr(err.text, sentence))
        fail_msg("wanted '%s', got: %s", sentence, err.text);
}

static void bad_overrides(void **state)
{
    (void)state;
    override_fails("run.duration", "KEY.PATH=VALUE");
    override_fails("=1", "KEY.PATH=VALUE");
    override_fails("run..duration=1m", "not a path of keys");
    override_fails("run.=1m", "not a path of keys");
    override_fails(".run=1m", "not a path of keys");
    override_fails("run.duraton=1m", "-o:1:5: There is no key 'duraton' in 'run'; did you mean 'duration'?");
    override_fails("run.duration=5", "-o:1:14: run.duration wants");
    override_fails("run.duration=5", "\n  run.duration=5\n               ^");
    override_fails("gates.3=x", "neither the number nor the name");
    override_fails("gates.99999999999999999999=x", "neither the number nor the name");
    override_fails("gates=[", "This is not YAML");
    override_fails("gates=*x", "Aliases");
    override_fails("a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p.q.r=1", "not a path of keys");
}

static void source_fails(const char *name, const char *dir, const char *sentence)
{
    struct profile_sources s = {.names = &name, .n_names = 1, .shipped_dir = dir};
    struct profile *p = NULL;
    struct seep_err err = {0};
    assert_int_equal(profile_load(&s, &p, &err), -1);
    assert_int_equal(err.code, SEEP_E_USAGE);
    if (!strstr(err.text, sentence))
        fail_msg("wanted '%s', got: %s", sentence, err.text);
}

static void sources_that_are_not_there(void **state)
{
    (void)state;
    const char *dir = SEEP_SOURCE_DIR "/profiles";
    source_fails("pr-10n", dir, "did you mean 'pr-10m'?");
    source_fails("zzz", dir, "`seep profiles` lists the");
    source_fails("zzz", NULL, "There is no shipped profile 'zzz'");
    source_fails("-rf", dir, "no shipped profile");
    source_fails("..", dir, "no shipped profile");
    source_fails("/nonexistent/x.yaml", dir, "cannot be opened: No such file");
    source_fails("/tmp/", dir, "Is a directory");
    source_fails("/dev/zero", dir, "larger than 256 KiB");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_bad_text),
        cmocka_unit_test(hostile_bytes),
        cmocka_unit_test(variables_do_not_explode),
        cmocka_unit_test(the_caret_stands_under_it),
        cmocka_unit_test(bad_overrides),
        cmocka_unit_test(sources_that_are_not_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
