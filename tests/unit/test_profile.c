// Profiles that are right: defaults, every key, merging, overrides, variables, dumping and reading back, what is
// shipped.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "profile/hosts.h"
#include "profile/profile.h"
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SHIPPED SEEP_SOURCE_DIR "/profiles"

static struct profile *parse(const char *text)
{
    struct profile *p = NULL;
    struct seep_err err = {0};
    if (profile_parse(text, strlen(text), "t.yaml", &p, &err))
        fail_msg("%s", err.text);
    return p;
}

// Loads up to three texts as files laid over each other, with overrides (NULL-terminated, may be NULL).
static int load_files(const char *const *texts, int n, const char *const *overrides, struct profile **p,
                      struct seep_err *err)
{
    char dir[] = "/tmp/seep-test-XXXXXX", path[3][64];
    const char *names[3];
    assert_non_null(mkdtemp(dir));
    for (int i = 0; i < n; i++) {
        snprintf(path[i], sizeof path[i], "%s/p%d.yaml", dir, i);
        names[i] = path[i];
        FILE *f = fopen(path[i], "w");
        assert_non_null(f);
        fputs(texts[i], f);
        assert_int_equal(fclose(f), 0);
    }
    int n_overrides = 0;
    while (overrides && overrides[n_overrides])
        n_overrides++;
    struct profile_sources s = {
        .names = names, .n_names = n, .overrides = overrides, .n_overrides = n_overrides, .shipped_dir = SHIPPED};
    int rc = profile_load(&s, p, err);
    for (int i = 0; i < n; i++)
        unlink(path[i]);
    rmdir(dir);
    return rc;
}

static struct profile *load(const char *const *texts, int n, const char *const *overrides)
{
    struct profile *p = NULL;
    struct seep_err err = {0};
    if (load_files(texts, n, overrides, &p, &err))
        fail_msg("%s", err.text);
    return p;
}

static void without_a_profile(void **state)
{
    (void)state;
    const char *argv[] = {"./server", "--port", "${not_a_var}"};
    struct profile_sources s = {.argv = argv, .argc = 3};
    struct profile *p;
    struct seep_err err;
    assert_int_equal(profile_load(&s, &p, &err), 0);
    assert_string_equal(p->name, "default");
    assert_int_equal(p->target.argc, 3);
    assert_string_equal(p->target.argv[2], "${not_a_var}");
    assert_null(p->target.argv[3]);
    assert_int_equal(p->target.life, LIFE_JOB);
    assert_true(p->run.duration_s == 600);
    assert_true(p->run.interval_s == PROFILE_AUTO);
    assert_int_equal(p->n_loads, 0);
    assert_int_equal(p->n_gates, 4);
    assert_string_equal(p->gates[0].expr, "heap.growth < 1MB/h");
    assert_string_equal(p->gates[1].expr, "stack.growth < 1MB/h");
    assert_string_equal(p->gates[2].expr, "fd.growth < 1/h");
    assert_null(p->gates[2].warn);
    assert_string_equal(p->gates[3].expr, "rss.growth < 1MB/h");
    assert_string_equal(p->gates[3].warn, "true");
    assert_string_equal(p->gates[0].where.file, "(default)");
    assert_int_equal(p->gates[0].where.line, 0);
    assert_int_equal(p->shutdown.signal, SIGTERM);
    assert_int_equal(p->shutdown.n_exit_codes, 1);
    assert_int_equal(p->shutdown.exit_codes[0], 0);
    assert_true(p->shutdown.exit_by_signal);
    assert_true(p->shutdown.back_to_baseline_bytes == 10e6);
    assert_false(p->shutdown.skip);
    assert_true(p->attribution.sampling_mean_bytes == 512 * 1024);
    profile_free(p);
}

static const char everything[] =
    "\xef\xbb\xbf# all keys\n"
    "version: 1\n"
    "name: all\n"
    "vars: {base: 'http://127.0.0.1:8080', path: '${base}/x', secret: '${env:TOKEN}'}\n"
    "target:\n"
    "  command: [./server, --url, '${base}', --token, '${secret}', '$${HOME}']\n"
    "  env: {A: '1', GONE: null, D: '${env:HOME}'}\n"
    "  cwd: /tmp\n"
    "  user: nobody\n"
    "  limits: {nofile: 1024, as: 2GiB, core: unlimited, cpu: 1h}\n"
    "  life: tree\n"
    "  restart: true\n"
    "  identity: app.py\n"
    "  ready: {command: [sh, -c, 'test -e x'], within: 5s}\n"
    "run: {duration: 1.5h, interval: 500ms, warmup: 1m, drain: 0s, period: 24h, early_stop: yes, reload: on, keep: "
    "7d,\n"
    "      on_finish: notify, on_finish_within: 3s}\n"
    "attribution: {mode: off, mean: 1MiB, memory: 128MiB, children: false}\n"
    "load:\n"
    "  users: 500\n"
    "  think: [2s, 5s]\n"
    "  duration: 30m\n"
    "  connections: 64\n"
    "  stages: [{for: 1m, to: 100}, {for: 2m, to: 0}]\n"
    "  scenarios:\n"
    "    - {name: login, weight: 70, request: {method: post, url: '${path}', headers: {X-Load-Test: 'true'}, body: "
    "\"a\\tb\\n\\u00e9\",\n"
    "       timeout: 1s}, expect: {status: [200, 401], under: 200ms}}\n"
    "    - request: ${base}/items\n"
    "gates:\n"
    "  - stack.growth < 250kB/h\n"
    "  - {gate: \"http.p99{scenario=login} < 500ms\", warn: 300ms, over: last 5m, for: 60s, vs: baseline, floor: 5ms}\n"
    "shutdown: {signal: SIGINT, within: 3s, exit: [0, 3], back_to_baseline: off, no_children: false, port_released: "
    "false}\n"
    "allow:\n"
    "  - {pattern: 'cache_*', budget: 1MB/h, reason: it warms up, expires: 2028-02-29}\n";

static void every_key(void **state)
{
    (void)state;
    struct profile *p = parse(everything);
    assert_string_equal(p->name, "all");
    assert_int_equal(p->n_vars, 3);
    assert_string_equal(p->vars[1].value, "http://127.0.0.1:8080/x");
    assert_string_equal(p->vars[2].value, "${env:TOKEN}");
    assert_int_equal(p->target.argc, 6);
    assert_string_equal(p->target.argv[2], "http://127.0.0.1:8080");
    assert_string_equal(p->target.argv[4], "${env:TOKEN}");
    assert_string_equal(p->target.argv[5], "${HOME}");
    assert_int_equal(p->target.n_env, 3);
    assert_null(p->target.env[1].value);
    assert_string_equal(p->target.user, "nobody");
    assert_int_equal(p->target.n_limits, 4);
    assert_true(p->target.limits[1].value == 2147483648.0);
    assert_true(isinf(p->target.limits[2].value));
    assert_true(p->target.limits[3].value == 3600);
    assert_int_equal(p->target.life, LIFE_TREE);
    assert_int_equal(p->target.n_identity, 1);
    assert_string_equal(p->target.identity[0], "app.py");
    assert_int_equal(p->target.ready.kind, READY_COMMAND);
    assert_string_equal(p->target.ready.what, "sh -c test -e x");
    assert_string_equal(p->target.ready.argv[2], "test -e x");
    assert_null(p->target.ready.argv[3]);
    assert_true(p->run.duration_s == 5400 && p->run.interval_s == .5 && p->run.warmup_s == 60 && p->run.drain_s == 0);
    assert_true(p->run.period_s == 86400 && p->run.early_stop && p->run.reload && p->run.keep_s == 604800);
    assert_int_equal(p->attribution.mode, ATTRIBUTION_OFF);
    assert_true(p->attribution.memory_bytes == 134217728.0 && !p->attribution.follow_children);
    assert_true(p->n_loads == 1 && !p->loads[0].open_model && p->loads[0].users == 500);
    assert_int_equal(p->loads[0].think.kind, THINK_UNIFORM);
    assert_true(p->loads[0].think.min_s == 2 && p->loads[0].think.max_s == 5 && p->loads[0].connections == 64);
    assert_true(p->loads[0].n_stages == 2 && p->loads[0].stages[0].to == 100 && !p->loads[0].stages[0].rate);
    assert_int_equal(p->loads[0].n_scenarios, 2);
    const struct profile_scenario *s = &p->loads[0].scenarios[0];
    assert_true(s->n_steps == 1 && s->steps == &s->single);
    const struct profile_request *r = &s->steps[0].request;
    assert_string_equal(r->method, "POST");
    assert_string_equal(r->body, "a\tb\n\xc3\xa9");
    assert_int_equal(r->n_headers, 1);
    assert_true(s->steps[0].expect.status[1].low == 401 && s->steps[0].expect.status[1].high == 401);
    assert_true(s->steps[0].expect.under_s == .2 && r->timeout_s == 1 && s->weight == 70);
    assert_int_equal(s->where.line, 25);
    assert_string_equal(p->loads[0].scenarios[1].name, "s2");
    assert_string_equal(p->loads[0].scenarios[1].steps[0].request.url, "http://127.0.0.1:8080/items");
    assert_string_equal(p->loads[0].scenarios[1].steps[0].request.method, "GET");
    assert_true(p->loads[0].scenarios[1].steps[0].request.timeout_s == 30 && p->loads[0].scenarios[1].weight == 1);
    assert_string_equal(p->gates[1].over, "last 5m");
    assert_string_equal(p->gates[1].hold_for, "60s");
    assert_int_equal(p->gates[0].where.line, 29);
    assert_int_equal(p->gates[0].where.column, 5);
    assert_int_equal(p->gates[1].where.column, 13); // inside the quotes
    assert_int_equal(p->shutdown.signal, SIGINT);
    assert_false(p->shutdown.exit_by_signal);
    assert_int_equal(p->shutdown.exit_codes[1], 3);
    assert_true(p->shutdown.back_to_baseline_bytes == PROFILE_AUTO);
    assert_string_equal(p->allow[0].expires, "2028-02-29");
    assert_true(fabs(p->allow[0].budget_bytes_per_s - 1e6 / 3600) < 1e-9);
    profile_free(p);
}

static void dump_reads_back_equal(struct profile *p)
{
    char *first = profile_dump(p, false);
    assert_non_null(first);
    struct profile *again = NULL;
    struct seep_err err;
    if (profile_parse(first, strlen(first), "dump.json", &again, &err))
        fail_msg("%s", err.text);
    char *second = profile_dump(again, false);
    assert_string_equal(first, second);
    assert_true(again->run.duration_s == p->run.duration_s && again->shutdown.within_s == p->shutdown.within_s);
    assert_int_equal(again->n_gates, p->n_gates);
    assert_int_equal(again->target.argc, p->target.argc);
    for (int i = 0; i < p->target.argc; i++)
        assert_string_equal(again->target.argv[i], p->target.argv[i]);
    assert_int_equal(again->n_loads, p->n_loads);
    for (int i = 0; i < p->n_loads; i++) {
        assert_int_equal(again->loads[i].open_model, p->loads[i].open_model);
        assert_true(again->loads[i].rate_per_s == p->loads[i].rate_per_s);
    }
    free(first);
    free(second);
    profile_free(again);
}

static void dump(void **state)
{
    (void)state;
    struct profile *p = parse(everything);
    dump_reads_back_equal(p);
    char *text = profile_dump(p, false);
    assert_non_null(strstr(text, "\"$${HOME}\""));
    assert_non_null(strstr(text, "\"${env:TOKEN}\""));
    free(text);
    profile_free(p);
    static const char *const more[] = {
        "version: 1\nshutdown: off\nattribution: sampled\ngates: []\n",
        "version: 1\nload: {rate: 7/m, poisson: true, scenarios: {request: 'http://a/'}}\n",
        "version: 1\nload: {stages: {for: 1m, to: 3/s}, scenarios: [{request: 'http://a/'}]}\n",
        "version: 1\ntarget: {command: [a, '$${env:X}', \"\\u0001\\u0085\\u2028\\ufeff\", 'x: # y'], ready: {tcp: "
        "'h:1'}}\n",
        "version: 1\nrun: {duration: 0.3333333333333333s, interval: 0.1s, keep: forever}\nallow: {pattern: x, budget: "
        "0.1MB/h, reason: 'no'}\n",
        "version: 1\nshutdown: {signal: 34, exit: signal, back_to_baseline: 0B}\ntarget: {ready: {log: 'Ready: "
        "\"x\"'}}\n",
    };
    for (size_t i = 0; i < sizeof more / sizeof *more; i++) {
        p = parse(more[i]);
        dump_reads_back_equal(p);
        profile_free(p);
    }
}

static void later_files_win(void **state)
{
    (void)state;
    const char *texts[] = {
        ("version: 1\nname: base\ntarget: {command: [a, b], env: {A: '1', B: '2'}}\nrun: {duration: 1h, drain: "
         "5s}\ngates: [fd.growth < 1/h]\n"),
        "version: 1\ntarget: {env: {B: '3', C: '4'}}\nrun: {drain: null}\ngates: [heap.growth < 2MB/h, cpu < 10%]\n",
        "version: 1\nrun: {duration: 2h}\n",
    };
    struct profile *p = load(texts, 3, NULL);
    assert_string_equal(p->name, "base");
    assert_int_equal(p->target.argc, 2);
    assert_int_equal(p->target.n_env, 3);
    assert_string_equal(p->target.env[1].value, "3");
    assert_true(p->run.duration_s == 7200);
    assert_true(p->run.drain_s == PROFILE_AUTO);
    assert_int_equal(p->n_gates, 2);
    profile_free(p);
}

static void overrides_come_last(void **state)
{
    (void)state;
    const char *texts[] = {"version: 1\nload: {rate: 1/s, scenarios: [{name: a, request: 'http://h/${x}'}]}\n"};
    const char *overrides[] = {"run.duration=20m",
                               "vars.x=y",
                               "load.scenarios.0.weight=3",
                               "load.scenarios.1={name: b, request: {url: 'http://h/b'}}",
                               "gates=[heap.growth < 5MB/h, {gate: cpu < 50%, warn: true}]",
                               "target.command=[./s, -x, '1']",
                               "target.env.URL=http://127.0.0.1:1/",
                               "attribution.mode=off",
                               "shutdown=off",
                               NULL};
    struct profile *p = load(texts, 1, overrides);
    assert_string_equal(p->name, "p0");
    assert_true(p->run.duration_s == 1200);
    assert_true(p->loads[0].scenarios[0].weight == 3);
    assert_string_equal(p->loads[0].scenarios[0].steps[0].request.url, "http://h/y");
    assert_string_equal(p->loads[0].scenarios[1].name, "b");
    assert_int_equal(p->n_gates, 2);
    assert_string_equal(p->gates[1].warn, "true");
    assert_string_equal(p->gates[0].where.file, "-o");
    assert_int_equal(p->gates[0].where.column, 8);
    assert_string_equal(p->target.argv[2], "1");
    assert_string_equal(p->target.env[0].value, "http://127.0.0.1:1/");
    assert_int_equal(p->attribution.mode, ATTRIBUTION_OFF);
    assert_true(p->shutdown.skip);
    profile_free(p);
}

static void an_override_without_value_is_the_default(void **state)
{
    (void)state;
    const char *texts[] = {"version: 1\nrun: {duration: 1h}\n"};
    const char *overrides[] = {"run.duration=", "gates=cpu < 1%", NULL};
    struct profile *p = load(texts, 1, overrides);
    assert_true(p->run.duration_s == 600);
    assert_int_equal(p->n_gates, 1);
    profile_free(p);
}

static void what_auto_means(void **state)
{
    (void)state;
    static const struct {
        const char *duration;
        double interval_s, drain_s;
        enum profile_attribution mode;
    } rows[] = {
        {"10s", .25, 25, ATTRIBUTION_EXACT},
        {"10m", 600.0 / 288, 25, ATTRIBUTION_EXACT},
        {"30m", 6.25, 60, ATTRIBUTION_EXACT},
        {"1h", 12.5, 60, ATTRIBUTION_EXACT},
        {"61m", 3660.0 / 288, 60, ATTRIBUTION_SAMPLED},
        {"24h", 300, 60, ATTRIBUTION_SAMPLED},
        {"48h", 300, 60, ATTRIBUTION_SAMPLED},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char text[80];
        snprintf(text, sizeof text, "version: 1\nrun: {duration: %s}\n", rows[i].duration);
        struct profile *p = parse(text);
        assert_true(profile_interval_s(p) == rows[i].interval_s);
        assert_true(profile_drain_s(p) == rows[i].drain_s);
        assert_int_equal(profile_attribution_mode(p), rows[i].mode);
        profile_free(p);
    }
}

static int count_shipped(const char *name, const char *path, const char *about, void *ctx)
{
    // The last two are what a profile of faults leaves to the user.
    const char *names[] = {name},
               *overrides[] = {"vars.base_url=http://127.0.0.1:1",
                               "dependencies={\"backend\": {\"command\": [\"sleep\", \"9\"]}}",
                               "proxies={\"backend\": {\"listen\": \"127.0.0.1:2\", \"to\": \"127.0.0.1:1\"}}"};
    struct profile_sources s = {.names = names,
                                .n_names = 1,
                                .overrides = overrides,
                                .n_overrides = strncmp(name, "fault-", 6) == 0 ? 3 : 1,
                                .shipped_dir = SHIPPED};
    struct profile *p = NULL;
    struct seep_err err;
    if (profile_load(&s, &p, &err))
        fail_msg("%s: %s", path, err.text);
    assert_string_equal(p->name, name);
    assert_true(strlen(about) > 20);
    assert_null(p->target.argv);
    assert_int_equal(p->target.life, LIFE_SERVICE);
    char **hosts;
    int n_hosts;
    assert_int_equal(profile_load_hosts(p, &hosts, &n_hosts, &err), 0);
    for (int i = 0; i < n_hosts; i++) // no host of its own, but a variable's
        assert_true(!strcmp(hosts[i], "127.0.0.1:1") || !strcmp(hosts[i], "127.0.0.1:6379"));
    profile_hosts_free(hosts, n_hosts);
    dump_reads_back_equal(p);
    profile_free(p);
    ++*(int *)ctx;
    return 0;
}

static void shipped(void **state)
{
    (void)state;
    int n = 0;
    struct seep_err err;
    assert_int_equal(profile_each_shipped(SHIPPED, count_shipped, &n, &err), 0);
    assert_true(n >= 30);
    const char *names[] = {"nightly-24h"};
    struct profile_sources s = {.names = names, .n_names = 1, .shipped_dir = SHIPPED};
    struct profile *p;
    assert_int_equal(profile_load(&s, &p, &err), 0);
    assert_true(p->run.duration_s == 86400 && profile_interval_s(p) == 300);
    profile_free(p);
    assert_int_equal(profile_each_shipped("/nonexistent", count_shipped, &n, &err), -1);
    assert_non_null(strstr(err.text, "/nonexistent"));
}

static void unknown_vars_are_kept_on_request(void **state)
{
    (void)state;
    const char *names[] = {"demo"};
    struct profile_sources s = {.names = names, .n_names = 1, .shipped_dir = SHIPPED};
    struct profile *p;
    struct seep_err err;
    assert_int_equal(profile_load(&s, &p, &err), -1);
    assert_non_null(strstr(err.text, "-o vars.base_url="));
    s.keep_unknown_vars = true;
    assert_int_equal(profile_load(&s, &p, &err), 0);
    assert_string_equal(p->target.ready.what, "${base_url}/health");
    profile_free(p);
}

static void environment(void **state)
{
    (void)state;
    struct seep_err err;
    setenv("SEEP_TEST_A", "va", 1);
    unsetenv("SEEP_TEST_B");
    char *text = profile_expand_env("x${env:SEEP_TEST_A}y${env:SEEP_TEST_A} $${env:SEEP_TEST_A} ${other}", &err);
    assert_string_equal(text, "xvayva ${env:SEEP_TEST_A} ${other}");
    free(text);
    text = profile_expand_env("", &err);
    assert_string_equal(text, "");
    free(text);
    assert_null(profile_expand_env("${env:SEEP_TEST_B}", &err));
    assert_non_null(strstr(err.text, "SEEP_TEST_B"));
    assert_int_equal(err.code, SEEP_E_USAGE);
    assert_null(profile_expand_env("${env:SEEP", &err));
}

static void errors_after_loading(void **state)
{
    (void)state;
    struct profile *p = parse("version: 1\ngates:\n  - 'heap.grwoth < 1MB/h'\n");
    struct seep_err err;
    assert_int_equal(profile_fail_at(p, &p->gates[0].where, 5, &err, "no metric %s", "x"), -1);
    assert_string_equal(err.text, "t.yaml:3:11: no metric x\n    - 'heap.grwoth < 1MB/h'\n            ^");
    profile_free(p);
}

static int rows;
static void each_key(const char *path, const char *type, const char *def, const char *help, void *ctx)
{
    (void)ctx, (void)def;
    assert_true(*path && *type && strlen(help) > 8 && help[strlen(help) - 1] != '.');
    rows++;
}

static void reference(void **state)
{
    (void)state;
    profile_each_key(each_key, NULL);
    assert_true(rows > 60);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_profile),
        cmocka_unit_test(every_key),
        cmocka_unit_test(dump),
        cmocka_unit_test(later_files_win),
        cmocka_unit_test(overrides_come_last),
        cmocka_unit_test(an_override_without_value_is_the_default),
        cmocka_unit_test(what_auto_means),
        cmocka_unit_test(shipped),
        cmocka_unit_test(unknown_vars_are_kept_on_request),
        cmocka_unit_test(environment),
        cmocka_unit_test(errors_after_loading),
        cmocka_unit_test(reference),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
