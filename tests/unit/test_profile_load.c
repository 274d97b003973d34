// The language of loads: every key is read, is dumped, and reads back the same; what contradicts itself is refused
// where it stands.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "profile/hosts.h"
#include "profile/profile.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char everything[] =
    "version: 1\n"
    "vars: {base_url: \"http://127.0.0.1:8080\", who: \"${env:SEEP_WHO}\"}\n"
    "load:\n"
    "  - name: users\n"
    "    users: 20\n"
    "    hatch: 5/s\n"
    "    pace: 10/m\n"
    "    think: [2s, 5s]\n"
    "    workers: 2\n"
    "    connection: per-user\n"
    "    variables: {mail: \"loadtest-${user:id}@example.org\", token: none}\n"
    "    data: {people: /tmp/people.csv, towns: {file: /tmp/towns.csv, order: per-user}}\n"
    "    headers: {X-Load-Test: \"true\", X-Id: \"${gen:uuid}\"}\n"
    "    cookies: true\n"
    "    http: 2\n"
    "    tls: {ca: /etc/ca.pem, cert: /etc/c.pem, key: /etc/k.pem}\n"
    "    follow: same-host\n"
    "    timeout: 5s\n"
    "    connect_timeout: 2s\n"
    "    body_max: 10MB\n"
    "    body_kept: 64KiB\n"
    "    setup: \"${base_url}/reset\"\n"
    "    user_setup:\n"
    "      - name: login\n"
    "        request: {method: post, url: \"${base_url}/login\", body: "
    "'{\"user\":\"${user:mail}\",\"pw\":\"${who}\"}'}\n"
    "        extract: {token: $.token, sid: {cookie: SID, default: none}}\n"
    "    teardown: [{request: {method: DELETE, url: \"${base_url}/s/${user:sid}\"}}]\n"
    "    scenarios:\n"
    "      - name: browse\n"
    "        weight: 70\n"
    "        think: 5s\n"
    "        steps:\n"
    "          - \"${base_url}/\"\n"
    "          - name: search\n"
    "            request: {url: \"${base_url}/search?town=${data:towns.name}\", headers: {Authorization: \"Bearer "
    "${user:token}\"}}\n"
    "            expect:\n"
    "              status: [2xx, 304]\n"
    "              under: 500ms\n"
    "              headers: {Content-Type: application/json, Cache-Control: {has: [no-store, \"max-age>=300\"]}, "
    "X-Bug: "
    "{present: false}}\n"
    "              json: {$.ok: true, \"$.result['data'].items\": {length: \"> 0\"}, \"$.n\": {is: \"<= 1.5\", "
    "present: yes}}\n"
    "              body: {at_least: 10B, at_most: 1MB, contains: items, lacks: [error, panic], matches: \"it.*s\"}\n"
    "            extract: {first: \"$.items[0].id\", where: {header: Location, default: \"\"}, c: {regex: "
    "\"id=([0-9]+)\"}, d: "
    "{between: [\"<b>\", \"</b>\"]}}\n"
    "            repeat: 5\n"
    "            think: 100ms\n"
    "            transaction: find\n"
    "            on_failure: continue\n"
    "          - one_of:\n"
    "              - {name: recall, weight: 70, request: \"${base_url}/recall?q=${gen:pick(a, b,c)}\", transaction: "
    "find}\n"
    "              - {name: store, weight: 30, transaction: find, request: {method: PUT, url: \"${base_url}/store\", "
    "body_file: /tmp/body.bin, timeout: 1s}}\n"
    "      - {name: plain, weight: 30, request: \"${base_url}/${gen:int(1,100)}\", repeat: 2}\n"
    "    metrics:\n"
    "      search_latency: {trend: latency, of: browse.search}\n"
    "      items: {trend: {json: $.n}, of: browse}\n"
    "      search_errors: {rate: errors, of: find}\n"
    "      cache_hits: {rate: {under: 100us, headers: {X-Cache: HIT}}}\n"
    "      bytes: {counter: size}\n"
    "      tokens: {counter: {header: X-Tokens}}\n"
    "  - name: attack\n"
    "    start: 30s\n"
    "    rate: 500/s\n"
    "    poisson: true\n"
    "    bursts: {size: 100, every: 10s}\n"
    "    stages: [{for: 10s, to: 1000/s}]\n"
    "    duration: 2m\n"
    "    iterations: 60000\n"
    "    connections: 50\n"
    "    connection: fresh\n"
    "    sessions: kept\n"
    "    unix: /run/app.sock\n"
    "    scenarios: [{request: \"http://app/login\", expect: {status: 4xx}}]\n"
    "  - name: redis\n"
    "    users: 3\n"
    "    scenarios:\n"
    "      - {name: set, tcp: {address: \"[::1]:6379\", command: [SET, \"k${gen:iteration}\", \"${gen:text(16)}\"]}, "
    "expect: "
    "{body: OK}}\n"
    "      - {name: get, tcp: {address: \"LocalHost:11211\", send: \"get a\\r\\n\", framing: memcached}, expect: "
    "{error_replies: true}}\n"
    "      - name: raw\n"
    "        steps:\n"
    "          - tcp: {address: unix:/run/raw.sock, send: \"${hex:00ff}${gen:now_ms}\", framing: prefixed, prefix: 2, "
    "prefix_little: true, prefix_counts_all: true, timeout: 3s}\n"
    "          - tcp: {address: \"127.0.0.1:7\", send: x, framing: until, until: \"${hex:00}\"}\n"
    "          - tcp: {address: \"127.0.0.1:7\", send: x, framing: length, length: 64B}\n"
    "  - name: bench\n"
    "    duration: 1m\n"
    "    exec:\n"
    "      command: [redis-benchmark, -p, \"6379\"]\n"
    "      env: {A: b, C: null}\n"
    "      cwd: /tmp\n"
    "      interval: 5s\n"
    "      again: true\n"
    "      exit: [0, 3]\n"
    "      counters: {rps: \"rps=([0-9.]+)\", done: {json: $.done, total: true}}\n";

static struct profile *parse(const char *text)
{
    struct profile *p = NULL;
    struct seep_err err = {0};
    if (profile_parse(text, strlen(text), "t.yaml", &p, &err))
        fail_msg("%s", err.text);
    return p;
}

static void users_are_read(const struct profile_load *l)
{
    assert_string_equal(l->name, "users");
    assert_true(!l->open_model && l->users == 20 && l->hatch_per_s == 5 && l->pace_per_s == 10 / 60.0);
    assert_true(l->think.kind == THINK_UNIFORM && l->workers == 2 && l->connections == 20);
    assert_true(l->connection == CONNECTION_PER_USER && profile_load_keeps_sessions(l));
    assert_int_equal(l->n_variables, 2);
    assert_string_equal(l->variables[0].value, "loadtest-${user:id}@example.org");
    assert_int_equal(l->n_data, 2);
    assert_string_equal(l->data[0].name, "people");
    assert_true(l->data[0].order == DATA_NEXT && l->data[1].order == DATA_PER_USER);
    assert_true(l->cookies && l->http == PROFILE_HTTP_2 && l->follow == FOLLOW_SAME_HOST && l->timeout_s == 5);
    assert_true(l->connect_timeout_s == 2 && l->body_max_bytes == 1e7 && l->body_kept_bytes == 65536);
    assert_string_equal(l->tls.key, "/etc/k.pem");
    assert_true(l->n_setup == 1 && l->n_user_setup == 1 && l->n_teardown == 1);
    assert_string_equal(l->setup[0].request.url, "http://127.0.0.1:8080/reset");
    assert_string_equal(l->user_setup[0].request.method, "POST");
    assert_string_equal(l->user_setup[0].request.body, "{\"user\":\"${user:mail}\",\"pw\":\"${env:SEEP_WHO}\"}");
    assert_string_equal(l->user_setup[0].extract[0].json, "$.token");
    assert_string_equal(l->user_setup[0].extract[1].cookie, "SID");
    assert_string_equal(l->teardown[0].name, "s1");
}

static void steps_are_read(const struct profile_scenario *s)
{
    assert_true(s->n_steps == 4 && s->weight == 70 && s->think.min_s == 5);
    assert_string_equal(s->steps[0].name, "s1");
    const struct profile_step *search = &s->steps[1];
    assert_true(search->repeat == 5 && search->think.min_s == .1 && search->on_failure == ON_FAILURE_CONTINUE);
    assert_true(search->expect.n_status == 2 && search->expect.status[0].low == 200 &&
                search->expect.status[0].high == 299 && search->expect.under_s == .5);
    assert_int_equal(search->expect.n_headers, 3);
    assert_string_equal(search->expect.headers[0].equals, "application/json");
    assert_string_equal(search->expect.headers[1].has[1], "max-age>=300");
    assert_int_equal(search->expect.headers[2].presence, PRESENCE_ABSENT);
    assert_string_equal(search->expect.json[0].equals, "true");
    assert_string_equal(search->expect.json[1].path, "$.result['data'].items");
    assert_string_equal(search->expect.json[2].is, "<= 1.5");
    assert_true(search->expect.body.n_lacks == 2 && search->expect.body.at_most_bytes == 1e6);
    assert_int_equal(search->n_extract, 4);
    assert_string_equal(search->extract[1].fallback, "");
    assert_string_equal(search->extract[3].between[1], "</b>");
    assert_true(search->group_n == 0 && s->steps[2].group_first == 2 && s->steps[2].group_n == 2);
    assert_true(s->steps[3].group_first == 2 && s->steps[3].weight == 30);
    assert_string_equal(s->steps[3].transaction, "find");
    assert_string_equal(s->steps[3].request.body_file, "/tmp/body.bin");
    assert_true(s->steps[3].request.timeout_s == 1 && s->steps[2].request.timeout_s == 5);
}

static void metrics_are_read(const struct profile_load *l)
{
    assert_int_equal(l->n_metrics, 6);
    assert_true(l->metrics[0].kind == METRIC_TREND && l->metrics[0].source == METRIC_LATENCY);
    assert_string_equal(l->metrics[0].of, "browse.search");
    assert_true(l->metrics[1].source == METRIC_VALUE && !strcmp(l->metrics[1].value.json, "$.n"));
    assert_true(l->metrics[3].kind == METRIC_RATE && l->metrics[3].source == METRIC_CHECKS);
    assert_true(fabs(l->metrics[3].match.under_s - 100e-6) < 1e-12 && l->metrics[3].match.n_headers == 1);
    assert_true(l->metrics[4].kind == METRIC_COUNTER && l->metrics[4].source == METRIC_SIZE);
    assert_string_equal(l->metrics[5].value.header, "X-Tokens");
}

static void the_rest_is_read(const struct profile *p)
{
    const struct profile_load *a = &p->loads[1], *r = &p->loads[2], *x = &p->loads[3];
    assert_true(a->start_s == 30 && a->open_model && a->bursts.present && a->bursts.size == 100);
    assert_true(a->iterations == 60000 && a->connections == 50 && a->connection == CONNECTION_FRESH);
    assert_true(a->duration_s == 120 && profile_load_keeps_sessions(a));
    assert_string_equal(a->scenarios[0].steps[0].request.unix_path, "/run/app.sock");
    assert_true(a->scenarios[0].steps == &a->scenarios[0].single && a->scenarios[0].steps[0].repeat == 1);
    assert_int_equal(r->scenarios[0].steps[0].tcp.framing, FRAMING_RESP);
    assert_true(r->scenarios[0].steps[0].tcp.timeout_s == 30 && r->scenarios[1].steps[0].expect.error_replies);
    const struct profile_step *raw = r->scenarios[2].steps;
    assert_true(raw[0].tcp.framing == FRAMING_PREFIXED && raw[0].tcp.prefix_bytes == 2 && raw[0].tcp.prefix_little &&
                raw[0].tcp.prefix_counts_all && raw[0].tcp.timeout_s == 3);
    assert_true(raw[1].tcp.framing == FRAMING_UNTIL && raw[2].tcp.length_bytes == 64);
    assert_true(x->exec.present && x->n_scenarios == 0 && x->exec.argc == 3 && x->exec.again);
    assert_true(x->exec.n_exit_codes == 2 && x->exec.exit_codes[1] == 3 && x->exec.interval_s == 5);
    assert_true(x->exec.n_env == 2 && !x->exec.env[1].value);
    assert_string_equal(x->exec.counters[0].regex, "rps=([0-9.]+)");
    assert_true(x->exec.counters[1].total && x->exec.counters[1].json);
}

static void every_key_is_read(void **state)
{
    (void)state;
    struct profile *p = parse(everything);
    assert_int_equal(p->n_loads, 4);
    users_are_read(&p->loads[0]);
    steps_are_read(&p->loads[0].scenarios[0]);
    assert_true(p->loads[0].scenarios[1].steps[0].repeat == 2);
    metrics_are_read(&p->loads[0]);
    the_rest_is_read(p);
    assert_int_equal(profile_load_workers(p), 2);
    profile_free(p);
}

static void a_dump_reads_back(void **state)
{
    (void)state;
    struct profile *p = parse(everything), *again;
    char *first = profile_dump(p, false);
    assert_non_null(first);
    assert_non_null(strstr(first, "${env:SEEP_WHO}"));
    again = parse(first);
    char *second = profile_dump(again, false);
    assert_string_equal(first, second);
    users_are_read(&again->loads[0]);
    steps_are_read(&again->loads[0].scenarios[0]);
    metrics_are_read(&again->loads[0]);
    the_rest_is_read(again);
    free(first);
    free(second);
    profile_free(p);
    profile_free(again);
}

static void hosts_are_known(void **state)
{
    (void)state;
    struct profile *p = parse(everything);
    static const char *const want[] = {"127.0.0.1:7",     "127.0.0.1:8080",     "[::1]:6379",
                                       "localhost:11211", "unix:/run/app.sock", "unix:/run/raw.sock"};
    char **hosts;
    int n;
    struct seep_err err = {0};
    assert_int_equal(profile_load_hosts(p, &hosts, &n, &err), 0);
    assert_int_equal(n, 6);
    for (int i = 0; i < n; i++)
        assert_string_equal(hosts[i], want[i]);
    profile_hosts_free(hosts, n);
    profile_free(p);
    p = parse("version: 1\nload: {rate: 1/s, scenarios: [{request: '${env:SEEP_NO_URL}/a'}]}\n");
    assert_int_equal(profile_load_hosts(p, &hosts, &n, &err), -1);
    assert_non_null(strstr(err.text, "SEEP_NO_URL"));
    setenv("SEEP_NO_URL", "https://Example.ORG", 1);
    assert_int_equal(profile_load_hosts(p, &hosts, &n, &err), 0);
    assert_true(n == 1 && !strcmp(hosts[0], "example.org:443"));
    profile_hosts_free(hosts, n);
    profile_free(p);
}

// What contradicts itself, and the sentence that says so.
static const struct {
    const char *load, *says;
} bad[] = {
    {"{users: 1, name: a, exec: {command: [x]}}", "users says nothing here"},
    {"{exec: {command: []}}", "exec.command is empty"},
    {"{exec: {command: [x], counters: {a: 'x=[0-9]'}}}", "has no group"},
    {"{exec: {command: [x], counters: {a: {total: true}}}}", "a regex or from json"},
    {"{exec: {command: [x], exit: 256}}", "between 0 and 255"},
    {"{rate: 1/s, hatch: 1/s, scenarios: [{request: 'http://h/'}]}", "hatch says how"},
    {"{users: 2, hatch: 1/s, stages: [{for: 1s, to: 3}], scenarios: [{request: 'http://h/'}]}", "hatch says how"},
    {"{rate: 1/s, pace: 1/s, scenarios: [{request: 'http://h/'}]}", "pace belongs to users"},
    {"{users: 1, bursts: {size: 2, every: 1s}, scenarios: [{request: 'http://h/'}]}", "bursts belong to a rate"},
    {"{rate: 1/s, bursts: {size: 2}, scenarios: [{request: 'http://h/'}]}", "needs the key 'every'"},
    {"{rate: 1/s, connection: per-user, scenarios: [{request: 'http://h/'}]}", "users that are kept"},
    {"{users: 9, connection: per-user, connections: 8, scenarios: [{request: 'http://h/'}]}", "do not fit into 8"},
    {"{users: 2, workers: 3, scenarios: [{request: 'http://h/'}]}", "more processes than"},
    {"{rate: 1/s, workers: 65, scenarios: [{request: 'http://h/'}]}", "must lie between 1 and 64"},
    {"{users: 1, iterations: 1.5, scenarios: [{request: 'http://h/'}]}", "whole number"},
    {"{users: 1, tls: {cert: /a}, scenarios: [{request: 'http://h/'}]}", "belong together"},
    {"{users: 1, tls: {ca: /a, insecure: true}, scenarios: [{request: 'http://h/'}]}", "accepts any certificate"},
    {"{users: 0, scenarios: [{request: 'http://h/'}]}", "more than zero, or stages"},
    {"{users: -1, scenarios: [{request: 'http://h/'}]}", "negative"},
    {"{users: 0, stages: [{for: 1s, to: 5/s}], scenarios: [{request: 'http://h/'}]}", "This load is closed"},
    {"{users: 1, scenarios: [{request: 'http://h/', expect: {json: {$.a: {is: '= 7'}}}}]}", "two signs, '== 7'"},
    {"{users: 1, http: 3, scenarios: [{request: 'http://h/'}]}", "1.1|2"},
    {"{users: 1, headers: {'a b': c}, scenarios: [{request: 'http://h/'}]}", "name of a header"},
    {"{users: 1, variables: {id: 1}, scenarios: [{request: 'http://h/'}]}", "and not id"},
    {"{users: 1, variables: {a: '${user:b}'}, scenarios: [{request: 'http://h/'}]}", "Nothing gives ${user:b}"},
    {"{users: 1, data: {a.b: f.csv}, scenarios: [{request: 'http://h/'}]}", "name of a table"},
    {"{rate: 1/s, scenarios: [{think: 1s, request: 'http://h/'}]}", "belongs to users"},
    {"{users: 1, scenarios: [{steps: []}]}", "has no steps"},
    {"{users: 1, scenarios: [{steps: [{request: 'http://h/'}], request: 'http://h/'}]}", "no request of its own"},
    {"{users: 1, scenarios: [{steps: [{request: 'http://h/', weight: 2}]}]}", "chooses between the steps of a one_of"},
    {"{users: 1, scenarios: [{steps: [{one_of: [{request: 'http://h/'}]}]}]}", "at least two steps"},
    {"{users: 1, scenarios: [{steps: [{one_of: [{request: 'http://h/'}, {one_of: [a, b]}]}]}]}",
     "cannot stand inside another"},
    {"{users: 1, scenarios: [{steps: [{one_of: [{request: 'http://h/'}, {request: 'http://h/'}], name: x}]}]}",
     "one_of stands alone"},
    {"{users: 1, scenarios: [{steps: [{name: a, request: 'http://h/'}, {name: a, request: 'http://h/'}]}]}",
     "Two steps are called"},
    {"{users: 1, scenarios: [{steps: [{transaction: t, request: 'http://h/'}, {request: 'http://h/'}, {transaction: t, "
     "request: 'http://h/'}]}]}",
     "was over before"},
    {"{users: 1, scenarios: [{steps: [{name: a}]}]}", "needs the key 'request' or 'tcp'"},
    {"{users: 1, scenarios: [{request: 'http://h/', tcp: {address: 'h:1', send: x}}]}", "a request or tcp, not both"},
    {"{users: 1, scenarios: [{request: {url: 'http://h/', body: a, body_file: /b}}]}", "not both"},
    {"{users: 1, scenarios: [{request: 'http://h:99999/'}]}", "no host and port"},
    {"{users: 1, scenarios: [{request: 'http:///a'}]}", "no host and port"},
    {"{users: 1, variables: {h: a}, scenarios: [{request: 'http://${user:h}/'}]}", "cannot stand in the host"},
    {"{users: 1, scenarios: [{request: 'http://h/${user:x}'}]}", "Nothing gives ${user:x}"},
    {"{users: 1, scenarios: [{request: 'http://h/${data:x.y}'}]}", "no table 'x'"},
    {"{users: 1, scenarios: [{request: 'http://h/${gen:dice}'}]}", "nothing that can be generated"},
    {"{users: 1, scenarios: [{request: 'http://h/${gen:int(5,1)}'}]}", "the lower first"},
    {"{users: 1, variables: {a: b}, scenarios: [{request: 'http://h/${user:a|json}'}]}", "belongs to a body"},
    {"{users: 1, variables: {a: b}, scenarios: [{request: 'http://h/${user:a|up}'}]}", "other than |url"},
    {"{users: 1, scenarios: [{tcp: {address: h, send: x}}]}", "no address such as"},
    {"{users: 1, scenarios: [{tcp: {address: 'h:1'}}]}", "either send or command"},
    {"{users: 1, scenarios: [{tcp: {address: 'h:1', send: x, framing: until}}]}", "with framing: until"},
    {"{users: 1, scenarios: [{tcp: {address: 'h:1', send: x, length: 5B}}]}", "with framing: length"},
    {"{users: 1, scenarios: [{tcp: {address: 'h:1', send: x, framing: prefixed, prefix: 3}}]}", "1, 2, 4 or 8"},
    {"{users: 1, scenarios: [{tcp: {address: 'h:1', send: x, prefix: 2}}]}", "belongs to framing: prefixed"},
    {"{users: 1, scenarios: [{tcp: {address: 'h:1', command: [GET], framing: line}}]}", "framing resp"},
    {"{users: 1, scenarios: [{tcp: {address: 'h:1', send: x}, expect: {status: 200}}]}",
     "neither a status nor a header"},
    {"{users: 1, scenarios: [{tcp: {address: 'h:1', send: x}, extract: {a: {cookie: b}}}]}", "has no header"},
    {"{users: 1, scenarios: [{tcp: {address: 'h:1', send: x, framing: none}, expect: {body: a}}]}",
     "no reply to look at"},
    {"{users: 1, scenarios: [{request: 'http://h/', expect: {error_replies: true}}]}", "framing resp or memcached"},
    {"{users: 1, scenarios: [{request: 'http://h/', expect: {status: 2x}}]}", "a class such as 2xx"},
    {"{users: 1, scenarios: [{request: 'http://h/', expect: {status: ok}}]}", "a class such as 2xx"},
    {"{users: 1, scenarios: [{request: 'http://h/', expect: {headers: {'a b': c}}}]}", "name of a header"},
    {"{users: 1, scenarios: [{request: 'http://h/', expect: {headers: {A: {}}}}]}", "Nothing is said of the header"},
    {"{users: 1, scenarios: [{request: 'http://h/', expect: {headers: {A: {present: false, has: b}}}}]}",
     "absent and have a value"},
    {"{users: 1, scenarios: [{request: 'http://h/', expect: {headers: {A: {matches: '('}}}}]}",
     "no regular expression"},
    {"{users: 1, scenarios: [{request: 'http://h/', expect: {json: {a.b: 1}}}]}", "it begins with $"},
    {"{users: 1, scenarios: [{request: 'http://h/', expect: {json: {$.a: {is: five}}}}]}", "no comparison such as"},
    {"{users: 1, scenarios: [{request: 'http://h/', expect: {json: {$.a: {present: false, equals: 1}}}}]}",
     "absent and have a value"},
    {"{users: 1, scenarios: [{request: 'http://h/', expect: {body: {at_least: 5B, at_most: 4B}}}]}",
     "at least and at most"},
    {"{users: 1, scenarios: [{request: 'http://h/', expect: {body: {contains: ['']}}}]}", "which everything holds"},
    {"{users: 1, scenarios: [{request: 'http://h/', extract: {a: {json: $.a, header: b}}}]}", "comes from one of"},
    {"{users: 1, scenarios: [{request: 'http://h/', extract: {a: {between: [x]}}}]}", "two texts"},
    {"{users: 1, scenarios: [{request: 'http://h/', extract: {id: $.a}}]}", "and not id"},
    {"{users: 1, scenarios: [{request: 'http://h/'}], metrics: {a: {of: s1}}}", "needs the key 'trend'"},
    {"{users: 1, scenarios: [{request: 'http://h/'}], metrics: {a: {trend: latency, rate: errors}}}", "one of them"},
    {"{users: 1, scenarios: [{request: 'http://h/'}], metrics: {a: {trend: speed}}}", "latency, service, size"},
    {"{users: 1, scenarios: [{request: 'http://h/'}], metrics: {a: {trend: latency, of: nobody}}}",
     "no scenario, no SCENARIO.STEP"},
    {"{users: 1, scenarios: [{request: 'http://h/'}], metrics: {a: {trend: {}}}}", "comes from one of"},
    {"[{name: a, users: 1, scenarios: [{request: 'http://h/'}]}, {name: a, users: 1, scenarios: [{request: "
     "'http://h/'}]}]",
     "Two loads are called"},
    {"[{users: 1, scenarios: [{request: 'http://h/'}], metrics: {m: {counter: size}}}, {users: 1, scenarios: "
     "[{request: 'http://h/'}], metrics: {m: {counter: size}}}]",
     "Two loads have a metric"},
    {"{users: 1, timeout: '${user:x}', scenarios: [{request: 'http://h/'}]}", "belongs to what a load sends"},
};

static void contradictions_are_refused(void **state)
{
    (void)state;
    int wrong = 0;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char text[1024];
        struct profile *p = NULL;
        struct seep_err err = {0};
        int len = snprintf(text, sizeof text, "version: 1\nload: %s\n", bad[i].load);
        int rc = profile_parse(text, (size_t)len, "bad.yaml", &p, &err);
        // Place, line and caret: all of it is in the second line.
        if (rc == 0 || strncmp(err.text, "bad.yaml:2:", 11) != 0 || !strstr(err.text, bad[i].says) ||
            !strchr(err.text, '^') || err.code != SEEP_E_USAGE) {
            print_error("wanted '%s', got: %s\n%s\n", bad[i].says, rc ? err.text : "no error", text);
            wrong++;
        }
        profile_free(p);
    }
    assert_int_equal(wrong, 0);
}

static void loads_are_named_in_overrides(void **state)
{
    (void)state;
    static const char *const over[] = {"load.attack.rate=7/s", "load.0.users=3",
                                       "load.users.scenarios.browse.weight=5"};
    char path[] = "/tmp/seep-load-XXXXXX.yaml";
    int fd = mkstemps(path, 5);
    assert_true(fd >= 0);
    FILE *f = fdopen(fd, "w");
    fputs(everything, f);
    fclose(f);
    const char *names[] = {path};
    struct profile_sources s = {.names = names, .n_names = 1, .overrides = over, .n_overrides = 3};
    struct profile *p;
    struct seep_err err = {0};
    if (profile_load(&s, &p, &err))
        fail_msg("%s", err.text);
    unlink(path);
    assert_true(p->loads[1].rate_per_s == 7 && p->loads[0].users == 3 && p->loads[0].scenarios[0].weight == 5);
    profile_free(p);
}

static void files_are_found_beside_their_profile(void **state)
{
    (void)state;
    char dir[] = "/tmp/seep-load-XXXXXX", path[64], real[128];
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/p.yaml", dir);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs("version: 1\nload: {users: 1, data: {t: rows.csv, e: '${env:SEEP_TABLE}', a: /abs.csv}, "
          "unix: run/app.sock, scenarios: [{request: 'http://h/'}, {tcp: {address: 'unix:raw.sock', send: x}}]}\n",
          f);
    fclose(f);
    const char *names[] = {path};
    struct profile_sources s = {.names = names, .n_names = 1};
    struct profile *p;
    struct seep_err err = {0};
    if (profile_load(&s, &p, &err))
        fail_msg("%s", err.text);
    snprintf(real, sizeof real, "%s/rows.csv", dir);
    assert_string_equal(p->loads[0].data[0].file, real);
    assert_string_equal(p->loads[0].data[1].file, "${env:SEEP_TABLE}");
    assert_string_equal(p->loads[0].data[2].file, "/abs.csv");
    snprintf(real, sizeof real, "%s/run/app.sock", dir);
    assert_string_equal(p->loads[0].unix_path, real);
    snprintf(real, sizeof real, "unix:%s/raw.sock", dir);
    assert_string_equal(p->loads[0].scenarios[1].steps[0].tcp.address, real);
    profile_free(p);
    unlink(path);
    rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_key_is_read),
        cmocka_unit_test(a_dump_reads_back),
        cmocka_unit_test(hosts_are_known),
        cmocka_unit_test(contradictions_are_refused),
        cmocka_unit_test(loads_are_named_in_overrides),
        cmocka_unit_test(files_are_found_beside_their_profile),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
