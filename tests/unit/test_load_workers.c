// Several load workers: their parts are the whole exactly, they begin and stop together, and a lost one is told of
// while the others go on. Also that a generator that was held up says so.
#include "load/minutes.h"
#include "load/schedule.h"
#include "load/summary.h"
#include "load_rig.h"

#include <math.h>

static struct rig_server demo;

static int serve(void **s)
{
    (void)s;
    demo = rig_serve("demo_service", (const char *const[4]){"--port", "0"});
    return 0;
}

static int end(void **s)
{
    (void)s;
    return rig_end(demo) == 0 ? 0 : -1;
}

static const char open_load[] = "version: 1\nname: t\nload:\n  rate: 400/s\n  scenarios:\n"
                                "  - {name: a, weight: 3, request: {url: 'http://127.0.0.1:@/health'}}\n"
                                "  - {name: b, weight: 1, request: {url: 'http://127.0.0.1:@/items'}}\n";

static struct load *run_workers(const char *text, int workers, uint64_t n)
{
    struct profile *p = rig_profile(demo.port, text);
    p->loads[0].workers = workers;
    struct load *l = rig_start(p);
    struct seep_err err = {0};
    assert_true(rig_wait(l, rig_is, LOAD_READY, 20));
    assert_int_equal(load_begin(l, 0, &err), 0);
    if (!rig_wait(l, rig_completed, n, 120))
        fail_msg("only %llu requests completed", (unsigned long long)load_counts(l, LOAD_ALL)->completed);
    return l;
}

// ---- shares are exact -----------------------------------------------------------------------------------------------

static void parts_of_whole_things_add_up(void **s)
{
    (void)s;
    for (int of = 1; of <= 9; of++)
        for (int whole = 0; whole < 40; whole++) {
            int sum = 0;
            bool seen[40] = {false};
            for (int i = 0; i < of; i++) {
                struct load_share share = {i, of};
                sum += share_part(share, whole);
                for (int k = 0; k < share_part(share, whole); k++) {
                    assert_in_range(share_number(share, k), 0, whole - 1);
                    assert_false(seen[share_number(share, k)]);
                    seen[share_number(share, k)] = true;
                }
            }
            assert_int_equal(sum, whole);
        }
    assert_int_equal(share_part((struct load_share){3, 2}, 10), 0); // a process without a part of this load
}

static void every_part_of_a_load_is_driven_by_one_process(void **s)
{
    (void)s;
    for (int processes = 1; processes <= 5; processes++)
        for (int split = 1; split <= processes; split++)
            for (int load = 0; load < 7; load++) {
                int driven[5] = {0};
                for (int p = 0; p < processes; p++) {
                    struct load_share share = share_of_load(load, split, p, processes);
                    if (share.index < share.of)
                        driven[share.index]++;
                }
                for (int i = 0; i < split; i++)
                    assert_int_equal(driven[i], 1);
            }
}

static void shares_of_a_schedule_are_its_starts(void **s)
{
    (void)s;
    static struct profile_stage ramp[] = {{.for_s = 2, .to = 300}, {.for_s = 1, .to = 0}};
    static const struct profile_load load = {.open_model = true, .rate_per_s = 20, .stages = ramp, .n_stages = 2};
    struct load_schedule sch;
    assert_int_equal(schedule_build(&load, &sch, NULL), 0);
    for (int poisson = 0; poisson < 2; poisson++) {
        struct load_arrivals whole, part[3];
        arrivals_start(&whole, &sch, poisson, (struct load_share){0, 1}, 0.25, 77);
        for (int i = 0; i < 3; i++)
            arrivals_start(&part[i], &sch, poisson, (struct load_share){i, 3}, 0.25, 77);
        int n = 0;
        for (; isfinite(whole.next_s); n++) {
            struct load_arrivals *next = &part[n % 3];
            assert_true(fabs(next->next_s - whole.next_s) < 1e-9);
            arrivals_take(next);
            arrivals_take(&whole);
        }
        assert_true(n > 200);
        for (int i = 0; i < 3; i++)
            assert_false(isfinite(part[i].next_s));
    }
    schedule_free(&sch);
}

// ---- end to end -----------------------------------------------------------------------------------------------------

static void an_open_load_of_two_workers_is_that_of_one(void **s)
{
    (void)s;
    struct load *l = run_workers(open_load, 2, 800);
    assert_int_equal(load_workers(l), 2);
    rig_stop(l, 5);
    const struct load_counts *all = load_counts(l, LOAD_ALL);
    const struct load_generator *g = load_generator(l);
    assert_int_equal(all->ok, all->completed);
    assert_int_equal(all->started + all->dropped, all->offered);
    assert_int_equal(load_counts(l, 1)->completed + load_counts(l, 2)->completed, all->completed);
    for (int kind = LOAD_LATENCY; kind <= LOAD_SERVICE; kind++) {
        assert_int_equal(load_hist(l, LOAD_ALL, kind)->count, all->completed);
        assert_int_equal(load_hist(l, 1, kind)->count + load_hist(l, 2, kind)->count, all->completed);
    }
    assert_int_equal(load_codes(l, LOAD_ALL)->count[0], all->completed);
    // What was due by the clock, but for what a busy machine kept from a worker before the message to stop.
    double due = 400.0 * (double)g->running_ns / 1e9;
    assert_true(fabs((double)all->offered - due) <= 0.25 * due);
    assert_int_equal(g->workers, 2);
    assert_int_equal(g->lost, 0);
    assert_true(g->cpu_us > g->busiest_us && g->busiest_us * 2 >= g->cpu_us);
    load_free(l);
}

static bool has_users(struct load *l, uint64_t n)
{
    return load_generator(l)->users == n;
}

static void users_are_dealt_out_whole(void **s)
{
    (void)s;
    struct load *l = run_workers("version: 1\nname: t\nload:\n  users: 5\n  think: 20ms\n  scenarios:\n"
                                 "  - {name: a, weight: 1, request: {url: 'http://127.0.0.1:@/health'}}\n",
                                 3, 50);
    assert_true(rig_wait(l, has_users, 5, 10));
    rig_stop(l, 5);
    assert_true(load_generator(l)->connections >= 5);
    load_free(l);
}

static uint64_t seen_at_loss;

static bool goes_on(struct load *l, uint64_t more)
{
    return load_counts(l, LOAD_ALL)->completed >= seen_at_loss + more;
}

static bool one_is_lost(struct load *l, uint64_t n)
{
    return load_generator(l)->lost == n;
}

static void a_lost_worker_is_told_of_and_the_others_go_on(void **s)
{
    (void)s;
    struct load *l = run_workers(open_load, 2, 100);
    kill(load_worker_pid(l, 1), SIGKILL);
    assert_true(rig_wait(l, one_is_lost, 1, 20));
    assert_int_equal(load_state(l), LOAD_RUNNING);
    assert_int_equal(load_worker_pid(l, 1), 0);
    assert_true(load_fd(l) >= 0);
    bool killed = false, fewer = false;
    for (struct load_event e; load_next_event(l, &e);) {
        killed |= e.level == 1 && strstr(e.text, "killed by signal 9");
        fewer |= e.level == 1 && strstr(e.text, "1 of 2 load workers are gone");
    }
    assert_true(killed && fewer);
    seen_at_loss = load_counts(l, LOAD_ALL)->completed;
    assert_true(rig_wait(l, goes_on, 100, 20));
    rig_stop(l, 5);
    struct load_summary sum;
    struct seep_err err;
    assert_int_equal(load_summary(l, &sum, &err), 0);
    assert_true(sum.saturated);
    assert_non_null(strstr(sum.why_saturated, "1 of 2 load workers"));
    load_summary_free(&sum);
    kill(load_worker_pid(l, 0), SIGKILL);
    assert_true(rig_wait(l, rig_is, LOAD_LOST, 20));
    assert_int_equal(load_fd(l), -1);
    load_free(l);
}

static bool reported(struct load *l, uint64_t n)
{
    return load_generator(l)->running_ns >= (int64_t)n;
}

static void a_worker_that_was_held_up_makes_the_figures_the_generators(void **s)
{
    (void)s;
    struct load *l = run_workers(open_load, 2, 100);
    pid_t held = load_worker_pid(l, 0);
    kill(held, SIGSTOP);
    poll(NULL, 0, 400);
    kill(held, SIGCONT);
    assert_true(rig_wait(l, reported, 2000000000u, 20));
    rig_stop(l, 5);
    struct load_summary sum;
    struct seep_err err;
    assert_int_equal(load_summary(l, &sum, &err), 0);
    assert_true(sum.all.counts.late_self > 0);
    assert_true(sum.saturated);
    assert_non_null(strstr(sum.why_saturated, "late though"));
    load_summary_free(&sum);
    load_free(l);
}

// The others drive on, and are not late: only the silence tells.
static void a_worker_that_stood_still_has_not_driven_its_share(void **s)
{
    (void)s;
    struct load *l = run_workers(open_load, 2, 100);
    pid_t held = load_worker_pid(l, 0);
    kill(held, SIGSTOP);
    assert_true(rig_wait(l, one_is_lost, 1, 20));
    kill(held, SIGCONT);
    rig_stop(l, 5);
    struct load_summary sum;
    struct seep_err err;
    assert_int_equal(load_summary(l, &sum, &err), 0);
    assert_true(sum.saturated);
    assert_non_null(strstr(sum.why_saturated, "stood still"));
    load_summary_free(&sum);
    load_free(l);
}

// ---- once for all of them -------------------------------------------------------------------------------------------

#define LOGIN                                                                                                          \
    "{name: in, request: {method: POST, url: 'http://127.0.0.1:@/login', "                                             \
    "body: 'user=u${user:id}'}, extract: {token: $.token}}"

// Whatever was told, and how often this.
static int told(struct load *l, const char *wanted)
{
    int n = 0;
    for (struct load_event e; load_next_event(l, &e);) {
        if (strstr(e.text, wanted))
            n++;
        if (!*wanted || !strstr(e.text, wanted))
            print_message("told: %s\n", e.text);
    }
    return n;
}

static struct load *begin_workers(int port, const char *text)
{
    struct load *l = rig_start(rig_profile(port, text));
    struct seep_err err = {0};
    assert_true(rig_wait(l, rig_is, LOAD_READY, 20));
    assert_int_equal(load_begin(l, 0, &err), 0);
    return l;
}

static void setup_and_teardown_are_run_by_one_for_all(void **s)
{
    (void)s;
    struct rig_server own = rig_serve("shop_http", (const char *const[4]){"0"});
    struct load *l =
        begin_workers(own.port, "version: 1\nname: t\nload: # two\n"
                                "- name: one\n  users: 2\n  iterations: 30\n  scenarios:\n"
                                "  - {name: o, request: {url: 'http://127.0.0.1:@/conn'}}\n"
                                "- name: split\n  users: 6\n  iterations: 120\n  workers: 3\n"
                                "  setup: [" LOGIN "]\n  teardown: [{name: bye, request: "
                                "'http://127.0.0.1:@/count', expect: {body: \"\\n/echo 120\\n\"}}]\n  scenarios:\n"
                                "  - {name: s, request: {url: 'http://127.0.0.1:@/echo?t=${user:token}'}, "
                                "expect: {json: {$.query: {matches: '^t=t-u0.[01]$'}}}}\n");
    assert_int_equal(load_workers(l), 3);
    for (int again = 1; again <= 2; again++) {
        assert_true(rig_wait(l, rig_is, LOAD_STOPPED, 20));
        assert_int_equal(load_counts(l, LOAD_ALL)->ok, 150 * again); // each of them had what the setup found out
        assert_int_equal(rig_asked(own.port, "/login"), again);
        if (again == 1) // the teardown came once, when all parts were over; the second time there is too much for it
            assert_int_equal(told(l, "teardown"), 0);
        struct seep_err err;
        if (again == 1)
            assert_int_equal(load_begin(l, 0, &err), 0);
    }
    assert_true(told(l, "first reply that is not as expected") == 1);
    load_free(l);
    rig_end(own);
}

static void a_setup_that_fails_lets_no_worker_begin(void **s)
{
    (void)s;
    struct load *l = begin_workers(demo.port, "version: 1\nname: t\nload:\n  users: 6\n  workers: 3\n"
                                              "  setup: [{name: no, request: 'http://127.0.0.1:@/none'}]\n"
                                              "  scenarios:\n  - {name: s, request: 'http://127.0.0.1:@/health'}\n");
    assert_true(rig_wait(l, rig_is, LOAD_STOPPED, 20));
    assert_int_equal(load_counts(l, LOAD_ALL)->offered, 0);
    assert_int_equal(told(l, "its setup failed; it does not begin"), 1);
    load_free(l);
}

// The one that runs the setup is killed in the middle of it: the others do not wait for ever.
static void a_setup_whose_worker_is_lost_has_failed(void **s)
{
    (void)s;
    int deaf = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in at = {.sin_family = AF_INET};
    socklen_t len = sizeof at;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_true(bind(deaf, (struct sockaddr *)&at, len) == 0 && listen(deaf, 8) == 0);
    assert_int_equal(getsockname(deaf, (struct sockaddr *)&at, &len), 0);
    struct load *l = begin_workers(ntohs(at.sin_port),
                                   "version: 1\nname: t\nload:\n  users: 6\n  workers: 3\n  setup: [{name: never, "
                                   "request: 'http://127.0.0.1:@/'}]\n  scenarios:\n"
                                   "  - {name: s, request: 'http://127.0.0.1:@/'}\n");
    struct pollfd asked = {.fd = deaf, .events = POLLIN};
    assert_int_equal(poll(&asked, 1, 20000), 1);
    assert_int_equal(load_state(l), LOAD_RUNNING);
    kill(load_worker_pid(l, 0), SIGKILL);
    bool over = rig_wait(l, rig_is, LOAD_STOPPED, 20);
    if (!over)
        fail_msg("the load is %s after %d events", load_state_name(load_state(l)), told(l, ""));
    assert_int_equal(load_counts(l, LOAD_ALL)->offered, 0);
    assert_int_equal(load_generator(l)->lost, 1);
    load_free(l);
    close(deaf);
}

// ---- the last hour --------------------------------------------------------------------------------------------------

static void an_hour_is_kept_in_minutes(void **s)
{
    (void)s;
    struct load_minutes *m = calloc(1, sizeof *m);
    struct load_hist *h = calloc(1, sizeof *h);
    struct load_counts c = {0};
    struct load_generator g = {.in_flight = 3};
    struct load_minute out[LOAD_MINUTES + 1];
    struct seep_time t = {.mono_ns = 5000000000, .real_ns = 1000000000000};
    minutes_look(m, t, &c, h, &g);
    assert_int_equal(minutes_read(m, t, &c, h, &g, out), 0);
    for (int i = 1; i <= 70 * 60; i++) { // a look each second; minute k has 60 requests of k ms, one of them bad
        int minute = (i - 1) / 60 + 1;
        t.mono_ns += 1000000000;
        t.real_ns += 1000000000;
        c.completed++;
        c.error[LOAD_ERR_STATUS] += i % 60 == 1;
        g.cpu_us += 100000;
        hist_record(h, (uint64_t)minute * 1000);
        minutes_look(m, t, &c, h, &g);
    }
    assert_int_equal(minutes_read(m, t, &c, h, &g, out), LOAD_MINUTES);
    for (int i = 0; i < LOAD_MINUTES; i++) {
        int minute = 10 + i + 1; // the first ten are forgotten
        assert_int_equal(out[i].requests, 60);
        assert_int_equal(out[i].errors, 1);
        assert_true(out[i].seconds == 60);
        assert_true(fabs(out[i].p99_us / 1000 - minute) <= 0.001 * minute);
        assert_true(fabs(out[i].cpu_ratio - 0.1) < 1e-9);
        assert_int_equal(out[i].end_ns, 1000000000000 + (int64_t)minute * 60000000000);
    }
    t.mono_ns += 7000000000;
    c.completed += 5;
    for (int i = 0; i < 5; i++)
        hist_record(h, 9);
    assert_int_equal(minutes_read(m, t, &c, h, &g, out), LOAD_MINUTES + 1); // what goes on stands last
    assert_int_equal(out[LOAD_MINUTES].requests, 5);
    assert_true(out[LOAD_MINUTES].seconds == 7);
    free(h);
    free(m);
}

int main(int argc, char **argv)
{
    int worker = load_rig_worker(argc, argv);
    if (worker >= 0)
        return worker;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts_of_whole_things_add_up),
        cmocka_unit_test(every_part_of_a_load_is_driven_by_one_process),
        cmocka_unit_test(shares_of_a_schedule_are_its_starts),
        cmocka_unit_test(an_open_load_of_two_workers_is_that_of_one),
        cmocka_unit_test(users_are_dealt_out_whole),
        cmocka_unit_test(a_lost_worker_is_told_of_and_the_others_go_on),
        cmocka_unit_test(a_worker_that_was_held_up_makes_the_figures_the_generators),
        cmocka_unit_test(a_worker_that_stood_still_has_not_driven_its_share),
        cmocka_unit_test(setup_and_teardown_are_run_by_one_for_all),
        cmocka_unit_test(a_setup_that_fails_lets_no_worker_begin),
        cmocka_unit_test(a_setup_whose_worker_is_lost_has_failed),
        cmocka_unit_test(an_hour_is_kept_in_minutes),
    };
    return cmocka_run_group_tests(tests, serve, end);
}
