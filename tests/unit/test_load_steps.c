// Iterations: users who go through several steps with what is their own, against a server that is strict about it.
#include "load_rig.h"

#include <math.h>

static struct rig_server shop;

static int serve(void **s)
{
    (void)s;
    rig_engine = "auto";
    shop = rig_serve("shop_http", (const char *const[4]){"0"});
    return 0;
}

static int serve_curl(void **s)
{
    int failed = serve(s);
    rig_engine = "curl";
    return failed;
}

static int end(void **s)
{
    (void)s;
    rig_end(shop);
    return 0;
}

// The row with these labels; it must be there.
static const struct load_counts *counts(struct load *l, const char *labels)
{
    int row = load_series_of_labels(load_series_of(l), labels);
    if (row < 0)
        fail_msg("there is no series %s", labels);
    return load_counts(l, row);
}

static const struct load_hist *passes(struct load *l, const char *labels)
{
    return load_hist(l, load_series_of_labels(load_series_of(l), labels), LOAD_PASS);
}

static void books_balance(struct load *l)
{
    const struct load_series_table *t = load_series_of(l);
    for (int i = 0; i < t->n; i++) {
        const struct load_counts *c = load_counts(l, i);
        if (c->offered != c->started + c->dropped || c->started != c->completed + c->cancelled ||
            c->completed != c->ok + load_errors(c))
            fail_msg("'%s': offered %llu, started %llu, dropped %llu, completed %llu, cancelled %llu, ok %llu",
                     t->row[i].labels, (unsigned long long)c->offered, (unsigned long long)c->started,
                     (unsigned long long)c->dropped, (unsigned long long)c->completed, (unsigned long long)c->cancelled,
                     (unsigned long long)c->ok);
    }
}

static void first_event(struct load *l, const char *wanted)
{
    struct load_event e;
    bool any = load_next_event(l, &e);
    if (!any || !strstr(e.text, wanted))
        fail_msg("'%s' instead of '%s'", any ? e.text : "nothing", wanted);
}

static void none_told(struct load *l)
{
    struct load_event e;
    if (load_next_event(l, &e))
        fail_msg("%s", e.text);
}

#define LOGIN                                                                                                          \
    "{name: login, request: {method: POST, url: 'http://127.0.0.1:@/login', body: 'user=u${user:id}'}, "               \
    "extract: {token: {json: $.token}}}"

static void each_user_logs_in_once_and_keeps_what_is_its_own(void **s)
{
    (void)s;
    struct rig_server own = rig_serve("shop_http", (const char *const[4]){"0"});
    struct load *l = rig_run(
        own.port,
        "version: 1\nname: t\nload:\n  users: 12\n  cookies: true\n  user_setup: [" LOGIN "]\n  scenarios:\n"
        "  - name: s\n    steps:\n"
        "    - {name: me, request: {url: 'http://127.0.0.1:@/me', headers: {X-Token: '${user:token}'}}, expect: "
        "{status: 200, json: {$.you: 'u${user:id}'}}}\n"
        "    - {name: one, request: {url: 'http://127.0.0.1:@/step?k=1&of=2'}}\n"
        "    - {name: two, request: {url: 'http://127.0.0.1:@/step?k=2&of=2'}}\n",
        3000);
    const struct load_counts *all = load_counts(l, LOAD_ALL), *one = counts(l, "scenario=s,step=one");
    none_told(l);
    books_balance(l);
    assert_int_equal(load_errors(all), 0);
    assert_int_equal(rig_asked(own.port, "/login"), 12);
    assert_int_equal(rig_asked(own.port, "/me"), counts(l, "scenario=s,step=me")->completed);
    assert_int_equal(rig_asked(own.port, "/step"), one->completed + counts(l, "scenario=s,step=two")->completed);
    // Three requests make an iteration; at most one of each user was cut short.
    assert_true(counts(l, "scenario=s")->passes * 3 <= all->completed);
    assert_true(counts(l, "scenario=s")->passes * 3 + 12 * 2 >= all->completed);
    assert_int_equal(counts(l, "scenario=s")->passes_failed, 0);
    assert_int_equal(passes(l, "scenario=s")->count, counts(l, "scenario=s")->passes);
    assert_true(hist_mean(passes(l, "scenario=s")) > 3 * hist_mean(load_hist(l, LOAD_ALL, LOAD_SERVICE)) * 0.9);
    load_free(l);
    rig_end(own);
}

static void an_open_loads_sessions_are_fresh_and_a_kept_one_is_not(void **s)
{
    (void)s;
    for (int kept = 0; kept < 2; kept++) {
        struct rig_server own = rig_serve("shop_http", (const char *const[4]){"0"});
        char text[1024];
        snprintf(text, sizeof text,
                 "version: 1\nname: t\nload:\n  rate: 400/s\n  connections: 8\n  cookies: true\n  iterations: 200\n"
                 "  sessions: %s\n  user_setup: [" LOGIN "]\n  scenarios:\n  - name: s\n    steps:\n"
                 "    - {name: one, request: {url: 'http://127.0.0.1:@/step?k=1&of=2'}}\n"
                 "    - {name: two, request: {url: 'http://127.0.0.1:@/step?k=2&of=2'}}\n",
                 kept ? "kept" : "auto");
        struct load *l = rig_begin(rig_profile(own.port, text));
        assert_true(rig_wait(l, rig_is, LOAD_STOPPED, 20)); // by its iterations
        books_balance(l);
        none_told(l);
        assert_int_equal(counts(l, "scenario=s")->passes, 200);
        assert_int_equal(load_counts(l, LOAD_ALL)->ok, 400);
        unsigned long logins = rig_asked(own.port, "/login");
        assert_true(kept ? logins <= 8 : logins == 200);
        load_free(l);
        rig_end(own);
    }
}

static void a_step_that_fails_ends_its_iteration_unless_it_may_not(void **s)
{
    (void)s;
    struct load *l = rig_begin(
        rig_profile(shop.port, "version: 1\nname: t\nload:\n  users: 2\n  iterations: 40\n  scenarios:\n"
                               "  - name: stops\n    steps:\n"
                               "    - {name: bad, request: {url: 'http://127.0.0.1:@/nothing'}}\n"
                               "    - {name: after, request: {url: 'http://127.0.0.1:@/cache'}}\n"
                               "  - name: goes\n    steps:\n"
                               "    - {name: bad, request: {url: 'http://127.0.0.1:@/nothing'}, on_failure: continue}\n"
                               "    - {name: after, request: {url: 'http://127.0.0.1:@/cache'}}\n"));
    assert_true(rig_wait(l, rig_is, LOAD_STOPPED, 20));
    books_balance(l);
    first_event(l, "step bad: first reply with an unexpected status: 404");
    const struct load_counts *stops = counts(l, "scenario=stops"), *goes = counts(l, "scenario=goes");
    assert_int_equal(stops->passes + goes->passes, 40);
    assert_int_equal(stops->passes, stops->passes_failed);
    assert_int_equal(goes->passes, goes->passes_failed);
    assert_int_equal(counts(l, "scenario=stops,step=after")->started, 0);
    assert_int_equal(counts(l, "scenario=goes,step=after")->ok, goes->passes);
    assert_int_equal(counts(l, "scenario=goes,step=bad")->error[LOAD_ERR_STATUS], goes->passes);
    load_free(l);
}

static void one_of_follows_the_weights_and_repeats_are_counted(void **s)
{
    (void)s;
    struct load *l = rig_begin(rig_profile(
        shop.port, "version: 1\nname: t\nload:\n  users: 4\n  iterations: 2000\n  scenarios:\n  - name: s\n    steps:\n"
                   "    - one_of:\n"
                   "      - {name: rare, weight: 10, request: {url: 'http://127.0.0.1:@/cache'}}\n"
                   "      - {name: often, weight: 90, request: {url: 'http://127.0.0.1:@/cache'}}\n"
                   "    - {name: burst, repeat: 3, request: {url: 'http://127.0.0.1:@/echo'}}\n"));
    assert_true(rig_wait(l, rig_is, LOAD_STOPPED, 60));
    books_balance(l);
    uint64_t rare = counts(l, "scenario=s,step=rare")->ok, often = counts(l, "scenario=s,step=often")->ok;
    assert_int_equal(rare + often, 2000);
    assert_true(fabs((double)rare - 200) < 5 * sqrt(2000 * 0.1 * 0.9));
    assert_int_equal(counts(l, "scenario=s,step=burst")->ok, 6000);
    assert_int_equal(counts(l, "scenario=s")->passes, 2000);
    load_free(l);
}

static void pauses_and_transactions_are_timed(void **s)
{
    (void)s;
    struct load *l = rig_begin(rig_profile(
        shop.port, "version: 1\nname: t\nload:\n  rate: 200/s\n  connections: 4\n  iterations: 60\n  scenarios:\n"
                   "  - name: s\n    steps:\n"
                   "    - {name: a, request: {url: 'http://127.0.0.1:@/cache'}, think: 100ms, transaction: buy}\n"
                   "    - {name: b, request: {url: 'http://127.0.0.1:@/cache'}, transaction: buy}\n"
                   "    - {name: c, request: {url: 'http://127.0.0.1:@/cache'}}\n"));
    assert_true(rig_wait(l, rig_is, LOAD_STOPPED, 20));
    books_balance(l);
    // 200 a second that pause 100 ms are 20 at once, over four connections: nobody is dropped for that.
    assert_int_equal(load_counts(l, LOAD_ALL)->ok, 180);
    assert_int_equal(counts(l, "scenario=s")->passes, 60);
    assert_int_equal(counts(l, "scenario=s,transaction=buy")->passes, 60);
    assert_true(hist_quantile(passes(l, "scenario=s,transaction=buy"), 0) >= 100000);
    assert_true(passes(l, "scenario=s")->min_us >= passes(l, "scenario=s,transaction=buy")->min_us);
    assert_true(load_hist(l, LOAD_ALL, LOAD_LATENCY)->min_us < 100000); // a pause is no latency
    assert_true(load_generator(l)->connections <= 4);
    load_free(l);
}

static void loads_run_at_once_each_by_its_own_clock(void **s)
{
    (void)s;
    struct load *l = rig_begin(rig_profile(
        shop.port,
        "version: 1\nname: t\nload: \n"
        "  - {name: users, users: 3, duration: 900ms, scenarios: [{name: a, request: "
        "'http://127.0.0.1:@/cache'}]}\n"
        "  - {name: attackers, rate: 100/s, start: 300ms, duration: 500ms, scenarios: [{name: b, "
        "request: 'http://127.0.0.1:@/nothing'}]}\n"
        "  - {name: bursts, rate: 10/s, bursts: {size: 7, every: 200ms}, duration: 900ms, scenarios: [{name: "
        "c, request: 'http://127.0.0.1:@/echo'}]}\n"));
    assert_true(rig_wait(l, rig_is, LOAD_STOPPED, 20));
    books_balance(l);
    assert_int_equal(counts(l, "load=attackers,scenario=b")->offered, 50);
    assert_int_equal(counts(l, "load=bursts,scenario=c")->offered, 28 + 9);
    assert_true(counts(l, "load=users,scenario=a")->ok > 10);
    assert_int_equal(counts(l, "load=attackers")->error[LOAD_ERR_STATUS], counts(l, "load=attackers")->completed);
    assert_int_equal(load_counts(l, LOAD_ALL)->completed, counts(l, "load=users")->completed +
                                                              counts(l, "load=attackers")->completed +
                                                              counts(l, "load=bursts")->completed);
    assert_true(load_generator(l)->running_ns >= 850 * 1000000LL);
    load_free(l);
}

static void setup_and_teardown_run_once_and_give_to_all(void **s)
{
    (void)s;
    struct rig_server own = rig_serve("shop_http", (const char *const[4]){"0"});
    struct load *l = rig_begin(
        rig_profile(own.port, "version: 1\nname: t\nload:\n  users: 5\n  iterations: 100\n  setup: [" LOGIN "]\n"
                              "  teardown: [{name: bye, request: 'http://127.0.0.1:@/conn'}]\n  scenarios:\n"
                              "  - {name: s, request: {url: 'http://127.0.0.1:@/echo?t=${user:token}'}, "
                              "expect: {json: {$.query: 't=t-u0.0'}}}\n"));
    assert_true(rig_wait(l, rig_is, LOAD_STOPPED, 20));
    none_told(l);
    assert_int_equal(load_counts(l, LOAD_ALL)->ok, 100); // what is not the load's own is not counted
    assert_int_equal(rig_asked(own.port, "/login"), 1);
    assert_int_equal(rig_asked(own.port, "/conn"), 1);
    load_free(l);
    l = rig_begin(rig_profile(own.port, "version: 1\nname: t\nload:\n  users: 5\n  setup: [{name: no, request: "
                                        "'http://127.0.0.1:@/none'}]\n  scenarios:\n"
                                        "  - {name: s, request: {url: 'http://127.0.0.1:@/echo'}}\n"));
    assert_true(rig_wait(l, rig_is, LOAD_STOPPED, 20));
    first_event(l, "setup of load main, step no: first reply with an unexpected status: 404");
    first_event(l, "load main: its setup failed; it does not begin");
    assert_int_equal(load_counts(l, LOAD_ALL)->offered, 0);
    load_free(l);
    rig_end(own);
}

static void redirects_stay_on_their_host(void **s)
{
    (void)s;
    struct rig_server other = rig_serve("vandal_http", (const char *const[4]){"0"});
    char text[2048];
    snprintf(text, sizeof text,
             "version: 1\nname: t\nload:\n  users: 1\n  follow: same-host\n  cookies: true\n  iterations: 60\n"
             "  scenarios:\n"
             "  - {name: hops, request: 'http://127.0.0.1:@/hop?n=3', expect: {status: 200}}\n"
             "  - {name: moved, request: {method: POST, url: 'http://127.0.0.1:@/moved', body: x=1}, expect: "
             "{json: {$.method: GET, $.body: '', $.query: after=moved}}}\n"
             "  - {name: again, request: {method: POST, url: 'http://127.0.0.1:@/again', body: x=1}, expect: "
             "{json: {$.method: POST, $.body: x=1, $.query: after=again}}}\n"
             "  - {name: loop, request: 'http://127.0.0.1:@/loop'}\n"
             "  - {name: away, request: 'http://127.0.0.1:@/away?port=%d'}\n",
             other.port);
    struct load *l = rig_begin(rig_profile(shop.port, text));
    assert_true(rig_wait(l, rig_is, LOAD_STOPPED, 20));
    books_balance(l);
    const struct load_counts *hops = counts(l, "scenario=hops"), *loop = counts(l, "scenario=loop");
    assert_true(hops->completed > 0 && loop->completed > 0);
    assert_int_equal(hops->ok, hops->completed);
    assert_int_equal(hops->redirects, 3 * hops->completed);
    assert_int_equal(counts(l, "scenario=moved")->ok, counts(l, "scenario=moved")->completed);
    assert_int_equal(counts(l, "scenario=again")->ok, counts(l, "scenario=again")->completed);
    assert_int_equal(loop->error[LOAD_ERR_REDIRECTS], loop->completed);
    assert_int_equal(loop->redirects, 10 * loop->completed);
    assert_int_equal(counts(l, "scenario=away")->error[LOAD_ERR_HOST], counts(l, "scenario=away")->completed);
    load_free(l);
    assert_int_equal(rig_asked(other.port, "/visited"), 0);
    rig_end(other);
}

static void values_that_are_missing_are_failures_by_their_kind(void **s)
{
    (void)s;
    struct load *l = rig_begin(rig_profile(
        shop.port, "version: 1\nname: t\nload:\n  users: 1\n  iterations: 30\n  scenarios:\n"
                   "  - {name: none, request: 'http://127.0.0.1:@/cache', extract: {x: {json: $.missing}}}\n"
                   "  - name: unset\n    steps:\n    - {name: a, request: 'http://127.0.0.1:@/cache', extract: {y: "
                   "{json: $.missing}}, on_failure: continue}\n"
                   "    - {name: b, request: {url: 'http://127.0.0.1:@/echo', headers: {X: '${user:y}'}}}\n"
                   "  - {name: check, request: 'http://127.0.0.1:@/cache', expect: {json: {$.list: {length: '> 3'}}}}\n"
                   "  - {name: fine, request: 'http://127.0.0.1:@/cache', expect: {headers: {Cache-Control: {has: "
                   "[public, 'max-age>=300']}}, json: {$.list: {length: '> 2'}}}}\n"));
    assert_true(rig_wait(l, rig_is, LOAD_STOPPED, 20));
    books_balance(l);
    const struct load_counts *none = counts(l, "scenario=none"), *b = counts(l, "scenario=unset,step=b");
    assert_true(none->completed > 0 && b->completed > 0);
    assert_int_equal(none->error[LOAD_ERR_EXTRACT], none->completed);
    assert_int_equal(b->error[LOAD_ERR_REQUEST], b->completed);
    assert_int_equal(b->sent_bytes, 0);
    assert_int_equal(counts(l, "scenario=check")->error[LOAD_ERR_CHECK], counts(l, "scenario=check")->completed);
    assert_int_equal(counts(l, "scenario=fine")->ok, counts(l, "scenario=fine")->completed);
    load_free(l);
}

static void a_packed_reply_is_unpacked_for_its_checks_within_bounds(void **s)
{
    (void)s;
    struct load *l = rig_begin(rig_profile(
        shop.port, "version: 1\nname: t\nload:\n  users: 1\n  iterations: 12\n  headers: {Accept-Encoding: gzip}\n"
                   "  scenarios:\n"
                   "  - {name: small, request: 'http://127.0.0.1:@/gzip?kb=100', expect: {json: {$.end: 1}}}\n"
                   "  - {name: bomb, request: 'http://127.0.0.1:@/gzip?kb=30000', expect: {json: {$.end: 1}}}\n"
                   "  - {name: unseen, request: 'http://127.0.0.1:@/gzip?kb=30000'}\n"));
    assert_true(rig_wait(l, rig_is, LOAD_STOPPED, 60));
    const struct load_counts *small = counts(l, "scenario=small"), *bomb = counts(l, "scenario=bomb");
    assert_true(small->completed > 0 && bomb->completed > 0);
    assert_int_equal(small->ok, small->completed);
    assert_true(small->received_bytes < small->completed * 4096);
    assert_int_equal(bomb->error[LOAD_ERR_BODY], bomb->completed);
    assert_int_equal(counts(l, "scenario=unseen")->ok, counts(l, "scenario=unseen")->completed);
    load_free(l);
}

static void connections_are_shared_or_ones_own_or_fresh(void **s)
{
    (void)s;
    static const char *const kind[] = {"per-user", "fresh"}, *const engine[] = {"own", "curl"};
    for (int i = 0; i < 4; i++) {
        struct rig_server own = rig_serve("shop_http", (const char *const[4]){"0"});
        char text[1024];
        snprintf(text, sizeof text,
                 "version: 1\nname: t\nload:\n  users: 6\n  iterations: 300\n  cookies: true\n  connection: %s\n"
                 "  user_setup: [" LOGIN "]\n  scenarios:\n"
                 "  - {name: s, request: 'http://127.0.0.1:@/conn', expect: {status: [200, 409]}}\n",
                 kind[i % 2]);
        rig_engine = engine[i / 2];
        struct load *l = rig_begin(rig_profile(own.port, text));
        assert_true(rig_wait(l, rig_is, LOAD_STOPPED, 20));
        assert_int_equal(load_counts(l, LOAD_ALL)->ok, 300);
        if (i % 2 == 0) { // each user's own, and always the same
            assert_int_equal(load_counts(l, LOAD_ALL)->status[2], 300);
            assert_int_equal(load_generator(l)->connections, 6);
        } else { // one a request, those of the logins too
            assert_int_equal(load_generator(l)->connections, 306);
        }
        load_free(l);
        rig_end(own);
    }
}

static void a_unix_socket_is_as_good(void **s)
{
    (void)s;
    char path[64], where[80], text[512];
    snprintf(path, sizeof path, "/tmp/seep-shop-%d.sock", (int)getpid());
    snprintf(where, sizeof where, "unix:%s", path);
    unlink(path);
    struct rig_server own = rig_serve("shop_http", (const char *const[4]){where});
    static const char *const engine[] = {"own", "curl"};
    for (int i = 0; i < 2; i++) {
        snprintf(text, sizeof text,
                 "version: 1\nname: t\nload:\n  users: 2\n  iterations: 50\n  unix: %s\n  scenarios:\n"
                 "  - {name: s, request: 'http://shop.example/echo?q=1', expect: {json: {$.query: q=1}}}\n",
                 path);
        rig_engine = engine[i];
        struct load *l = rig_begin(rig_profile(0, text));
        assert_true(rig_wait(l, rig_is, LOAD_STOPPED, 20));
        assert_int_equal(load_counts(l, LOAD_ALL)->ok, 50);
        load_free(l);
    }
    rig_end(own);
    unlink(path);
}

static void users_are_hatched_and_keep_their_pace(void **s)
{
    (void)s;
    struct load *l = rig_begin(
        rig_profile(shop.port, "version: 1\nname: t\nload:\n  users: 50\n  hatch: 50/s\n  pace: 10/s\n  duration: 1s\n"
                               "  scenarios:\n  - {name: s, request: 'http://127.0.0.1:@/cache'}\n"));
    assert_true(rig_wait(l, rig_is, LOAD_STOPPED, 20));
    // The k-th user begins at k/50 s and then starts every 100 ms: the sum of 10 * (1 - k/50) is 250, plus a first one
    // each; never more, however late things are.
    uint64_t started = load_counts(l, LOAD_ALL)->started;
    if (started > 300 || started < 100)
        fail_msg("%llu iterations were begun", (unsigned long long)started);
    load_free(l);
}

static void the_users_own_metrics_are_fed(void **s)
{
    (void)s;
    struct load *l = rig_begin(rig_profile(
        shop.port, "version: 1\nname: t\nload:\n  users: 2\n  iterations: 100\n  scenarios:\n"
                   "  - {name: good, request: 'http://127.0.0.1:@/cache'}\n"
                   "  - name: bad\n    steps:\n    - {name: none, request: 'http://127.0.0.1:@/nothing', transaction: "
                   "buy}\n"
                   "  metrics:\n    slow: {trend: latency, of: good}\n    failed: {rate: errors}\n"
                   "    bought: {rate: success, of: buy}\n    bytes: {counter: size, of: good}\n"
                   "    second: {trend: {json: '$.list[1]'}}\n"
                   "    cached: {rate: {headers: {Cache-Control: {has: ['max-age>=300']}}}, of: good}\n"
                   "    misses: {counter: errors, of: bad.none}\n"));
    assert_true(rig_wait(l, rig_is, LOAD_STOPPED, 20));
    uint64_t good = counts(l, "scenario=good")->ok, bad = counts(l, "scenario=bad")->completed;
    assert_int_equal(good + bad, 100);
    const struct load_metric_table *t = load_metrics_of(l);
    assert_int_equal(t->n, 7);
    for (int i = 0; i < t->n; i++) {
        const struct load_metric_counts *c = load_metric_counts(l, i);
        const char *name = t->row[i].name;
        if (strcmp(name, "failed") == 0)
            assert_true(c->total == 100 && c->hits == bad);
        else if (strcmp(name, "bought") == 0)
            assert_true(c->total == bad && c->hits == 0);
        else if (strcmp(name, "bytes") == 0)
            assert_true(c->sum == (double)good * strlen("{\"list\": [1, 2, 3], \"name\": \"x\"}\n"));
        else if (strcmp(name, "second") == 0)
            assert_true(c->total == good && c->sum == 2 * (double)good);
        else if (strcmp(name, "cached") == 0)
            assert_true(c->total == good && c->hits == good);
        else if (strcmp(name, "misses") == 0)
            assert_true(c->sum == (double)bad);
        else
            assert_int_equal(load_metric_hist(l, i)->count, good);
    }
    load_free(l);
}

static bool said(struct load *l, const char *wanted)
{
    struct load_event e;
    bool found = false;
    while (load_next_event(l, &e))
        found = found || strstr(e.text, wanted);
    return found;
}

static void another_program_drives_and_its_numbers_count(void **s)
{
    (void)s;
    struct load *l = rig_begin(rig_profile(
        shop.port, "version: 1\nname: t\nload: \n"
                   "  - name: other\n    exec:\n      command: [sh, -c, 'echo \"tps = $WORD\"; echo junk; echo "
                   "{\\\"n\\\": 3}; sleep 0.3; echo {\\\"n\\\": 10}; sleep 0.3; exit 4']\n"
                   "      env: {WORD: '41.5'}\n      interval: 100ms\n      exit: [0, 4]\n"
                   "      counters: {tps: 'tps = ([0-9.]+)', n: {json: $.n, total: true}}\n"
                   "  - {name: ours, users: 1, iterations: 20, scenarios: [{name: s, request: "
                   "'http://127.0.0.1:@/cache'}]}\n"));
    assert_true(rig_wait(l, rig_is, LOAD_STOPPED, 20));
    assert_int_equal(load_counts(l, LOAD_ALL)->ok, 20);
    assert_int_equal(load_metrics_of(l)->n, 2);
    assert_true(load_metric_counts(l, 0)->total == 1 && load_metric_counts(l, 0)->sum == 41.5);
    assert_true(load_metric_counts(l, 1)->sum == 10);
    assert_true(said(l, "load other: sh has ended well"));
    load_free(l);
}

static bool is_gone(struct load *l, uint64_t pid)
{
    (void)l;
    return kill((pid_t)pid, 0) < 0;
}

static void another_program_is_ended_for_certain(void **s)
{
    (void)s;
    // It and what it starts ignore the first signal; the numbers it tells are their pids.
    struct load *l = rig_begin(rig_profile(
        shop.port, "version: 1\nname: t\nload: \n"
                   "  - name: other\n    exec:\n      command: [sh, -c, 'trap \"\" TERM; sleep 600 & echo pid $!; "
                   "while :; do sleep 1; done']\n"
                   "      interval: 100ms\n      counters: {pid: 'pid ([0-9]+)'}\n"));
    int64_t until_ns = clock_mono_ns() + 20000000000;
    while (load_metric_counts(l, 0)->total == 0) {
        assert_true(clock_mono_ns() < until_ns);
        poll(NULL, 0, 20);
        load_poll(l);
    }
    uint64_t pid = (uint64_t)load_metric_counts(l, 0)->sum;
    assert_true(kill((pid_t)pid, 0) == 0);
    rig_stop(l, 0.3);
    assert_true(rig_wait(l, is_gone, pid, 10));
    load_free(l);
    l = rig_begin(rig_profile(shop.port, "version: 1\nname: t\nload: \n  - name: other\n    exec: {command: "
                                         "[/nowhere/at/all]}\n  - name: fails\n    exec: {command: [sh, -c, 'echo "
                                         "broken; exit 3']}\n"));
    assert_true(rig_wait(l, rig_is, LOAD_STOPPED, 20));
    struct load_event e;
    bool absent = false, failed = false;
    while (load_next_event(l, &e)) {
        absent = absent || strstr(e.text, "/nowhere/at/all could not be started: No such file or directory");
        failed = failed || strstr(e.text, "sh ended with exit status 3: broken");
    }
    assert_true(absent && failed);
    load_free(l);
}

static void memory_is_flat_with_sessions(void **s)
{
    (void)s;
    struct load *l = rig_begin(rig_profile(
        shop.port,
        "version: 1\nname: t\nload:\n  users: 16\n  cookies: true\n  follow: same-host\n  user_setup: [" LOGIN
        "]\n  scenarios:\n  - name: s\n    steps:\n"
        "    - {name: me, request: {url: 'http://127.0.0.1:@/me', headers: {X-Token: '${user:token}'}}, "
        "extract: {you: {json: $.you}, again: {regex: '\"you\": \"([^\"]*)\"'}}}\n"
        "    - {name: hop, request: 'http://127.0.0.1:@/hop?n=1&who=${user:you}'}\n"));
    assert_true(rig_wait(l, rig_completed, 6000, 60));
    uint64_t before = load_generator(l)->rss_bytes;
    assert_true(rig_wait(l, rig_completed, 24000, 120));
    rig_stop(l, 5);
    assert_int_equal(load_errors(load_counts(l, LOAD_ALL)), 0);
    assert_true(load_generator(l)->rss_bytes < before + rig_growth_bytes(2 * 1024 * 1024));
    load_free(l);
}

int main(int argc, char **argv)
{
    int worker = load_rig_worker(argc, argv);
    if (worker >= 0)
        return worker;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_user_logs_in_once_and_keeps_what_is_its_own),
        cmocka_unit_test(an_open_loads_sessions_are_fresh_and_a_kept_one_is_not),
        cmocka_unit_test(a_step_that_fails_ends_its_iteration_unless_it_may_not),
        cmocka_unit_test(one_of_follows_the_weights_and_repeats_are_counted),
        cmocka_unit_test(pauses_and_transactions_are_timed),
        cmocka_unit_test(loads_run_at_once_each_by_its_own_clock),
        cmocka_unit_test(setup_and_teardown_run_once_and_give_to_all),
        cmocka_unit_test(redirects_stay_on_their_host),
        cmocka_unit_test(values_that_are_missing_are_failures_by_their_kind),
        cmocka_unit_test(a_packed_reply_is_unpacked_for_its_checks_within_bounds),
        cmocka_unit_test(connections_are_shared_or_ones_own_or_fresh),
        cmocka_unit_test(a_unix_socket_is_as_good),
        cmocka_unit_test(users_are_hatched_and_keep_their_pace),
        cmocka_unit_test(the_users_own_metrics_are_fed),
        cmocka_unit_test(another_program_drives_and_its_numbers_count),
        cmocka_unit_test(another_program_is_ended_for_certain),
        cmocka_unit_test(memory_is_flat_with_sessions),
    };
    // What is the engine's own must not depend on who carries the bytes.
    const struct CMUnitTest by_curl[] = {
        cmocka_unit_test(each_user_logs_in_once_and_keeps_what_is_its_own),
        cmocka_unit_test(redirects_stay_on_their_host),
        cmocka_unit_test(memory_is_flat_with_sessions),
    };
    return cmocka_run_group_tests(tests, serve, end) + cmocka_run_group_tests(by_curl, serve_curl, end);
}
