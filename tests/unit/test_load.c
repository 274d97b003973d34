// The load end to end: supervisor, worker process, and servers of ours on loopback.
#include "load/breaker.h"
#include "load/summary.h"
#include "load_rig.h"

#include <arpa/inet.h>
#include <math.h>

static struct rig_server demo, vandal;

static int serve(void **s)
{
    (void)s;
    demo = rig_serve("demo_service", (const char *const[4]){"--port", "0"});
    vandal = rig_serve("vandal_http", (const char *const[4]){"0"});
    return 0;
}

static int end(void **s)
{
    (void)s;
    rig_end(vandal);
    return rig_end(demo) == 0 ? 0 : -1;
}

static void an_open_load_is_offered_started_and_counted(void **s)
{
    (void)s;
    struct load *l = rig_run(demo.port,
                             "version: 1\nname: t\nload:\n  rate: 400/s\n  scenarios:\n"
                             "  - {name: login, weight: 70, request: {method: POST, url: 'http://127.0.0.1:@/login', "
                             "body: user=bob}, expect: {status: [200]}}\n"
                             "  - {name: list, weight: 30, request: {url: 'http://127.0.0.1:@/items?id=3'}}\n",
                             800);
    const struct load_counts *all = load_counts(l, LOAD_ALL), *login = load_counts(l, 1), *list = load_counts(l, 2);
    const struct load_generator *g = load_generator(l);
    assert_int_equal(all->completed, all->ok);
    assert_int_equal(load_errors(all), 0);
    assert_int_equal(all->completed + all->cancelled, all->started);
    assert_int_equal(all->started + all->dropped, all->offered);
    assert_int_equal(all->status[2], all->ok);
    assert_int_equal(login->completed + list->completed, all->completed);
    // What was offered is the rate times the time (to the request: test_load_steps, where the load ends by itself and
    // not when a busy machine lets it).
    double due = 400.0 * (double)g->running_ns / 1e9;
    assert_true(fabs((double)all->offered - due) <= 0.25 * due);
    double wanted = 0.7 * (double)all->completed, sd = sqrt(wanted * 0.3);
    assert_true(fabs((double)login->completed - wanted) < 5 * sd);
    for (int kind = LOAD_LATENCY; kind <= LOAD_SERVICE; kind++) {
        assert_int_equal(load_hist(l, LOAD_ALL, kind)->count, all->completed);
        assert_int_equal(load_hist(l, 1, kind)->count, login->completed);
    }
    assert_int_equal(load_codes(l, LOAD_ALL)->n, 1);
    assert_int_equal(load_codes(l, LOAD_ALL)->code[0], 200);
    assert_int_equal(load_codes(l, LOAD_ALL)->count[0], all->completed);
    assert_int_equal(login->passes, login->completed);
    assert_true(hist_mean(load_hist(l, LOAD_ALL, LOAD_LATENCY)) >= hist_mean(load_hist(l, LOAD_ALL, LOAD_SERVICE)));
    assert_string_equal(load_series_of(l)->row[2].labels, "scenario=list");
    assert_true(g->connections >= 1 && g->cpu_us > 0 && g->rss_bytes > 0);
    load_free(l);
}

static void the_server_saw_what_was_counted(void **s)
{
    (void)s;
    struct rig_server own = rig_serve("vandal_http", (const char *const[4]){"0"});
    struct load *l = rig_run(own.port,
                             "version: 1\nname: t\nload:\n  users: 8\n  scenarios:\n"
                             "  - {name: a, weight: 1, request: {url: 'http://127.0.0.1:@/ok'}}\n",
                             500);
    uint64_t ok = load_counts(l, 0)->ok, connections = load_generator(l)->connections;
    assert_true(connections >= 1 && connections <= 8); // kept alive
    load_free(l);
    assert_int_equal(rig_asked(own.port, "/ok"), ok);
    rig_end(own);
}

static void users_think_and_stop_at_once(void **s)
{
    (void)s;
    struct load *l = rig_run(demo.port,
                             "version: 1\nname: t\nload:\n  users: 10\n  think: [20ms, 60ms]\n  scenarios:\n"
                             "  - {name: a, weight: 1, request: {url: 'http://127.0.0.1:@/health'}}\n",
                             100);
    const struct load_generator *g = load_generator(l);
    // Ten users who pause at least 20 ms start at most 500 a second.
    assert_true((double)load_counts(l, 0)->started <= 10 + 500 * (double)g->running_ns / 1e9);
    assert_true(isnan(g->target_rate_per_s));
    assert_int_equal(load_errors(load_counts(l, 0)), 0);
    load_free(l);
}

static void stages_are_followed(void **s)
{
    (void)s;
    struct load *l =
        rig_begin(rig_profile(demo.port, "version: 1\nname: t\nload:\n  rate: 200/s\n  duration: 1500ms\n"
                                         "  stages: [{for: 500ms, to: 600/s}, {for: 500ms, to: 0/s}]\n  scenarios:\n"
                                         "  - {name: a, weight: 1, request: {url: 'http://127.0.0.1:@/health'}}\n"));
    assert_true(rig_wait(l, rig_is, LOAD_STOPPED, 20)); // by load.duration
    assert_int_equal(load_counts(l, 0)->offered, 350);  // (200+600)/2/2 + 600/2/2, whatever the clock did
    assert_int_equal(load_counts(l, 0)->started + load_counts(l, 0)->dropped, 350);
    load_free(l);
}

static void it_may_begin_again_and_counts_go_on(void **s)
{
    (void)s;
    struct load *l = rig_run(demo.port,
                             "version: 1\nname: t\nload:\n  rate: 500/s\n  poisson: true\n  scenarios:\n"
                             "  - {name: a, weight: 1, request: {url: 'http://127.0.0.1:@/health'}}\n",
                             50);
    uint64_t before = load_counts(l, 0)->completed;
    struct seep_err err = {0};
    assert_int_equal(load_begin(l, 0, &err), 0);
    assert_int_equal(load_begin(l, 0, &err), -1);
    assert_true(rig_wait(l, rig_completed, before + 50, 20));
    rig_stop(l, 5);
    assert_int_equal(load_counts(l, 0)->completed, load_hist(l, 0, LOAD_SERVICE)->count);
    load_free(l);
}

static int by_curl(void **s)
{
    (void)s;
    rig_engine = "curl";
    return 0;
}

static int by_any(void **s)
{
    (void)s;
    rig_engine = "auto";
    return 0;
}

// The same 300 requests, by arrivals and choices of the same seed, over connections of our own and over libcurl.
static void both_engines_count_the_same(void **s)
{
    static const char text[] =
        "version: 1\nname: t\nload:\n  rate: 300/s\n  iterations: 300\n  scenarios:\n"
        "  - {name: ok, weight: 3, request: {url: 'http://127.0.0.1:@/ok'}}\n"
        "  - {name: post, weight: 1, request: {method: POST, url: 'http://127.0.0.1:@/ok', body: 'some words'}}\n"
        "  - {name: busy, weight: 1, request: {url: 'http://127.0.0.1:@/status?code=503'}}\n"
        "  - {name: moved, weight: 1, request: {url: 'http://127.0.0.1:@/to-file'}}\n"
        "  - {name: cut, weight: 1, request: {url: 'http://127.0.0.1:@/cut'}}\n"
        "  - {name: garbage, weight: 1, request: {url: 'http://127.0.0.1:@/garbage'}}\n"
        "  - {name: packed, weight: 1, request: {url: 'http://127.0.0.1:@/gzip-bomb'}}\n";
    static struct load_counts counts[2][7];
    static const char *const engine[] = {"own", "curl"};
    for (int i = 0; i < 2; i++) {
        rig_engine = engine[i];
        struct load *l = rig_begin(rig_profile(vandal.port, text));
        assert_true(rig_wait(l, rig_is, LOAD_STOPPED, 30));
        for (int scenario = 0; scenario < 7; scenario++)
            counts[i][scenario] = *load_counts(l, scenario + 1);
        assert_int_equal(load_counts(l, LOAD_ALL)->offered, 300);
        load_free(l);
    }
    by_any(s);
    for (int scenario = 0; scenario < 7; scenario++) {
        const struct load_counts *own = &counts[0][scenario], *curl = &counts[1][scenario];
        assert_int_equal(own->offered, curl->offered);
        assert_int_equal(own->started, curl->started);
        assert_int_equal(own->completed, curl->completed);
        assert_int_equal(own->ok, curl->ok);
        assert_memory_equal(own->error, curl->error, sizeof own->error);
        assert_memory_equal(own->status, curl->status, sizeof own->status);
        if (own->ok == own->completed)
            assert_int_equal(own->received_bytes, curl->received_bytes);
    }
}

// One scenario against one vice; the kind it must be counted as.
static void one_kind(const char *url, const char *more, enum load_error kind, uint64_t n)
{
    char text[512];
    snprintf(text, sizeof text,
             "version: 1\nname: t\nload:\n  users: 2\n  scenarios:\n  - {name: v, weight: 1, request: "
             "{url: '%s', timeout: 700ms}%s}\n",
             url, more);
    struct load *l = rig_run(vandal.port, text, n);
    const struct load_counts *c = load_counts(l, 0);
    if (c->error[kind] != c->completed)
        fail_msg("%s: %llu of %llu errors are of kind %s", url, (unsigned long long)c->error[kind],
                 (unsigned long long)c->completed, load_error_name(kind));
    assert_int_equal(c->ok, 0);
    struct load_event e;
    assert_true(load_next_event(l, &e));
    load_free(l);
}

static void every_vice_is_an_error_of_its_kind(void **s)
{
    (void)s;
    one_kind("http://127.0.0.1:@/reset", "", LOAD_ERR_RESET, 20);
    one_kind("http://127.0.0.1:@/cut", "", LOAD_ERR_CLOSED, 20);
    one_kind("http://127.0.0.1:@/empty", "", LOAD_ERR_CLOSED, 10);
    one_kind("http://127.0.0.1:@/silent", "", LOAD_ERR_TIMEOUT, 2);
    one_kind("http://127.0.0.1:@/slow", "", LOAD_ERR_TIMEOUT, 2);
    one_kind("http://127.0.0.1:@/loris", "", LOAD_ERR_TIMEOUT, 2);
    one_kind("http://127.0.0.1:@/headers", "", LOAD_ERR_HEAD, 4);
    one_kind("http://127.0.0.1:@/longline", "", LOAD_ERR_HEAD, 4);
    one_kind("http://127.0.0.1:@/garbage", "", LOAD_ERR_PROTOCOL, 10);
    one_kind("http://127.0.0.1:@/http09", "", LOAD_ERR_PROTOCOL, 10);
    one_kind("http://127.0.0.1:@/status?code=503", "", LOAD_ERR_STATUS, 20);
    one_kind("http://127.0.0.1:@/ok", ", expect: {status: 404}", LOAD_ERR_STATUS, 20);
    one_kind("http://127.0.0.1:@/ok", ", expect: {under: 1us}", LOAD_ERR_SLOW, 20);
    one_kind("https://127.0.0.1:@/ok", "", LOAD_ERR_TLS, 4);
    one_kind("http://does-not-exist.invalid:@/ok", "", LOAD_ERR_DNS, 1);
}

static void a_bodys_size_is_bounded(void **s)
{
    (void)s;
    struct load *l = rig_run(vandal.port,
                             "version: 1\nname: t\nload:\n  users: 1\n  scenarios:\n"
                             "  - {name: v, weight: 1, request: {url: 'http://127.0.0.1:@/endless', timeout: 20s}}\n",
                             2);
    const struct load_counts *c = load_counts(l, 0);
    assert_int_equal(c->error[LOAD_ERR_BODY], c->completed);
    assert_true(c->received_bytes < (c->completed + 1) * 66u * 1024 * 1024);
    assert_true(load_generator(l)->rss_bytes < 250u * 1024 * 1024);
    load_free(l);
}

static void a_refused_connection_is_that_and_is_backed_off_from(void **s)
{
    (void)s;
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    int bound = socket(AF_INET, SOCK_STREAM, 0); // bound, not listening: refused for certain
    assert_int_equal(bind(bound, (struct sockaddr *)&at, len), 0);
    assert_int_equal(getsockname(bound, (struct sockaddr *)&at, &len), 0);
    struct load *l = rig_run(ntohs(at.sin_port),
                             "version: 1\nname: t\nload:\n  users: 1\n  scenarios:\n"
                             "  - {name: v, weight: 1, request: {url: 'http://127.0.0.1:@/'}}\n",
                             8);
    const struct load_counts *c = load_counts(l, 0);
    assert_int_equal(c->error[LOAD_ERR_REFUSED], c->completed);
    assert_int_equal(load_hist(l, 0, LOAD_LATENCY)->count, 0);
    // Pauses of at least 5, 10, 20, 40 ... ms lie between eight attempts.
    assert_true(load_generator(l)->running_ns > 300 * 1000000LL);
    load_free(l);
    l = rig_run(ntohs(at.sin_port),
                "version: 1\nname: t\nload:\n  rate: 5000/s\n  scenarios:\n"
                "  - {name: v, weight: 1, request: {url: 'http://127.0.0.1:@/'}}\n",
                5000);
    c = load_counts(l, 0);
    assert_int_equal(c->error[LOAD_ERR_REFUSED] + c->error[LOAD_ERR_BACK_OFF], c->completed);
    // Those that were really sent: the free ones, and then at most one a millisecond.
    assert_in_range(c->error[LOAD_ERR_REFUSED], BREAKER_FREE,
                    BREAKER_FREE + (uint64_t)load_generator(l)->running_ns / BREAKER_PAUSE_NS + 64);
    assert_true(c->error[LOAD_ERR_BACK_OFF] > c->completed / 4);
    struct load_event e;
    int events = 0;
    while (load_next_event(l, &e))
        events++;
    assert_int_equal(events, 2); // five thousand errors, a word for each kind
    load_free(l);
    close(bound);
}

static void redirects_lead_nowhere(void **s)
{
    (void)s;
    struct rig_server other = rig_serve("vandal_http", (const char *const[4]){"0"});
    char text[512];
    snprintf(text, sizeof text,
             "version: 1\nname: t\nload:\n  users: 1\n  scenarios:\n"
             "  - {name: f, weight: 1, request: {url: 'http://127.0.0.1:@/to-file'}, expect: {status: 302}}\n"
             "  - {name: h, weight: 1, request: {url: 'http://127.0.0.1:@/to-host?port=%d'}, expect: {status: 302}}\n",
             other.port);
    struct load *l = rig_run(vandal.port, text, 20);
    assert_int_equal(load_counts(l, LOAD_ALL)->ok, load_counts(l, LOAD_ALL)->completed);
    load_free(l);
    assert_int_equal(rig_asked(other.port, "/visited"), 0);
    rig_end(other);
}

static void a_gzip_bomb_stays_packed(void **s)
{
    (void)s;
    struct load *l = rig_run(vandal.port,
                             "version: 1\nname: t\nload:\n  users: 2\n  scenarios:\n  - {name: v, weight: 1, request: "
                             "{url: 'http://127.0.0.1:@/gzip-bomb', headers: {Accept-Encoding: gzip}}}\n",
                             20);
    const struct load_counts *c = load_counts(l, 0);
    assert_int_equal(c->ok, c->completed);
    assert_true(c->received_bytes < c->completed * 400000);
    load_free(l);
}

static void a_connection_closed_after_the_reply_is_opened_anew(void **s)
{
    (void)s;
    struct load *l = rig_run(vandal.port,
                             "version: 1\nname: t\nload:\n  users: 4\n  scenarios:\n"
                             "  - {name: v, weight: 1, request: {url: 'http://127.0.0.1:@/close-race'}}\n",
                             300);
    const struct load_counts *c = load_counts(l, 0);
    // A close that crosses the next request on the wire is a reset no client can tell from a loss: the fewer, the less
    // busy the machine is. A client that does not open anew would lose all but the first of each user.
    uint64_t crossed = c->error[LOAD_ERR_RESET] + c->error[LOAD_ERR_CLOSED];
    assert_int_equal(c->ok + crossed, c->completed);
    assert_true(c->ok > 4 * 4);
    load_free(l);
}

// A stall of 500 ms in which most requests only wait for a connection: seen from the intended start it is there, seen
// from the real start it is nearly gone.
static void a_stall_is_charged_to_those_who_had_to_wait(void **s)
{
    (void)s;
    struct load *l = rig_run(vandal.port,
                             "version: 1\nname: t\nload:\n  rate: 400/s\n  connections: 4\n  scenarios:\n"
                             "  - {name: ok, weight: 299, request: {url: 'http://127.0.0.1:@/ok'}}\n"
                             "  - {name: stall, weight: 1, request: {url: 'http://127.0.0.1:@/stall?ms=500'}}\n",
                             1600);
    assert_true(load_counts(l, 2)->ok > 0);
    const struct load_hist *latency = load_hist(l, LOAD_ALL, LOAD_LATENCY);
    const struct load_hist *service = load_hist(l, LOAD_ALL, LOAD_SERVICE);
    assert_true(hist_quantile(latency, 0.9) > 100000);
    assert_true(hist_quantile(service, 0.9) < hist_quantile(latency, 0.9) / 2);
    assert_true(load_counts(l, 0)->late > load_counts(l, 0)->late_self + 50);
    load_free(l);
}

static void what_is_under_way_is_cancelled_after_the_grace(void **s)
{
    (void)s;
    struct load *l = rig_begin(rig_profile(
        vandal.port, "version: 1\nname: t\nload:\n  users: 3\n  scenarios:\n"
                     "  - {name: v, weight: 1, request: {url: 'http://127.0.0.1:@/silent', timeout: 60s}}\n"));
    while (load_counts(l, 0)->started < 3)
        assert_true(rig_wait(l, rig_is, LOAD_RUNNING, 5) && (poll(NULL, 0, 20), load_poll(l)) >= 0);
    rig_stop(l, 0.1);
    const struct load_counts *c = load_counts(l, 0);
    assert_int_equal(c->cancelled, 3);
    assert_int_equal(c->completed, 0);
    load_free(l);
}

static void a_killed_worker_is_told_of(void **s)
{
    (void)s;
    struct load *l =
        rig_begin(rig_profile(demo.port, "version: 1\nname: t\nload:\n  rate: 200/s\n  scenarios:\n"
                                         "  - {name: a, weight: 1, request: {url: 'http://127.0.0.1:@/health'}}\n"));
    assert_true(rig_wait(l, rig_completed, 20, 20));
    kill(load_worker_pid(l, 0), SIGKILL);
    assert_true(rig_wait(l, rig_is, LOAD_LOST, 20));
    struct load_event e;
    assert_true(load_next_event(l, &e));
    assert_int_equal(e.level, 1);
    assert_non_null(strstr(e.text, "killed by signal 9"));
    assert_int_equal(load_fd(l), -1);
    assert_int_equal(load_worker_pid(l, 0), 0);
    assert_true(load_counts(l, 0)->completed >= 20); // what it told stays
    assert_int_equal(load_poll(l), 0);
    struct seep_err err;
    assert_int_equal(load_stop(l, 1, &err), 0);
    assert_int_equal(load_begin(l, 0, &err), -1);
    load_free(l);
}

static void an_unset_secret_is_told_of_by_name(void **s)
{
    (void)s;
    unsetenv("SEEP_TEST_SECRET");
    static const char text[] =
        "version: 1\nname: t\nload:\n  rate: 100/s\n  scenarios:\n  - {name: a, weight: 1, "
        "request: {url: 'http://127.0.0.1:@/health', headers: {X-Key: '${env:SEEP_TEST_SECRET}'}}}\n";
    struct load *l = rig_start(rig_profile(demo.port, text));
    assert_true(rig_wait(l, rig_is, LOAD_LOST, 20));
    struct load_event e;
    assert_true(load_next_event(l, &e));
    assert_non_null(strstr(e.text, "SEEP_TEST_SECRET"));
    load_free(l);
    setenv("SEEP_TEST_SECRET", "s3cret", 1);
    l = rig_run(demo.port, text, 10);
    assert_int_equal(load_errors(load_counts(l, 0)), 0);
    load_free(l);
}

static void memory_is_flat(void **s)
{
    (void)s;
    struct load *l = rig_begin(
        rig_profile(demo.port, "version: 1\nname: t\nload:\n  users: 16\n  scenarios:\n"
                               "  - {name: a, weight: 1, request: {url: 'http://127.0.0.1:@/health'}}\n"
                               "  - {name: b, weight: 1, request: {url: 'http://127.0.0.1:@/items?id=1'}}\n"));
    assert_true(rig_wait(l, rig_completed, 3000, 30));
    uint64_t before = load_generator(l)->rss_bytes;
    assert_true(rig_wait(l, rig_completed, 30000, 240));
    assert_true(load_generator(l)->rss_bytes < before + rig_growth_bytes(1024 * 1024));
    rig_stop(l, 5);
    load_free(l);
}

static void the_summary_says_all_of_it(void **s)
{
    (void)s;
    struct load *l = rig_run(vandal.port,
                             "version: 1\nname: t\nload:\n  rate: 300/s\n  scenarios:\n"
                             "  - {name: good, weight: 1, request: {url: 'http://127.0.0.1:@/ok'}}\n"
                             "  - {name: bad, weight: 1, request: {url: 'http://127.0.0.1:@/status?code=500'}}\n",
                             200);
    struct load_summary sum;
    struct seep_err err = {0};
    assert_int_equal(load_summary(l, &sum, &err), 0);
    assert_int_equal(sum.n_rows, 2);
    assert_int_equal(sum.all.counts.completed, load_counts(l, LOAD_ALL)->completed);
    assert_int_equal(sum.all.latency.count, load_hist(l, LOAD_ALL, LOAD_LATENCY)->count);
    assert_true(sum.all.error_ratio > 0.3 && sum.all.error_ratio < 0.7);
    assert_true(sum.row[1].error_ratio == 1);
    struct seep_buf b;
    buf_init(&b, 65536);
    struct jsonw w;
    jsonw_init(&w, &b, false);
    load_summary_json(&sum, &w, NULL);
    assert_non_null(strstr(b.data, "\"errors_by_kind\":{\"status\":"));
    assert_non_null(strstr(b.data, "\"5xx\":"));
    assert_non_null(strstr(b.data, "\"scenarios\":[{\"name\":\"good\""));
    buf_clear(&b);
    load_summary_text(&sum, &b);
    assert_non_null(strstr(b.data, "good"));
    assert_non_null(strstr(b.data, "errors"));
    buf_free(&b);
    load_summary_free(&sum);
    load_free(l);
}

int main(int argc, char **argv)
{
    int worker = load_rig_worker(argc, argv);
    if (worker >= 0)
        return worker;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_open_load_is_offered_started_and_counted),
        cmocka_unit_test(the_server_saw_what_was_counted),
        cmocka_unit_test(users_think_and_stop_at_once),
        cmocka_unit_test(stages_are_followed),
        cmocka_unit_test(it_may_begin_again_and_counts_go_on),
        cmocka_unit_test(every_vice_is_an_error_of_its_kind),
        cmocka_unit_test(a_bodys_size_is_bounded),
        cmocka_unit_test(a_refused_connection_is_that_and_is_backed_off_from),
        cmocka_unit_test(redirects_lead_nowhere),
        cmocka_unit_test(a_gzip_bomb_stays_packed),
        cmocka_unit_test(a_connection_closed_after_the_reply_is_opened_anew),
        cmocka_unit_test(a_stall_is_charged_to_those_who_had_to_wait),
        cmocka_unit_test(what_is_under_way_is_cancelled_after_the_grace),
        cmocka_unit_test(a_killed_worker_is_told_of),
        cmocka_unit_test(an_unset_secret_is_told_of_by_name),
        cmocka_unit_test(memory_is_flat),
        cmocka_unit_test(the_summary_says_all_of_it),
        cmocka_unit_test(both_engines_count_the_same),
        // All of the above that libcurl need not carry went over connections of our own; once more over libcurl.
        cmocka_unit_test_setup_teardown(the_server_saw_what_was_counted, by_curl, by_any),
        cmocka_unit_test_setup_teardown(every_vice_is_an_error_of_its_kind, by_curl, by_any),
        cmocka_unit_test_setup_teardown(a_bodys_size_is_bounded, by_curl, by_any),
        cmocka_unit_test_setup_teardown(redirects_lead_nowhere, by_curl, by_any),
        cmocka_unit_test_setup_teardown(a_gzip_bomb_stays_packed, by_curl, by_any),
        cmocka_unit_test_setup_teardown(a_connection_closed_after_the_reply_is_opened_anew, by_curl, by_any),
        cmocka_unit_test_setup_teardown(what_is_under_way_is_cancelled_after_the_grace, by_curl, by_any),
    };
    return cmocka_run_group_tests(tests, serve, end);
}
