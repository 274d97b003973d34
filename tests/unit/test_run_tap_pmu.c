// Watching from outside where BPF is not to be had: by the uprobe PMU alone, in this process, on a program that runs.
// Needs the right to make uprobes; elsewhere it is skipped.
#include "base/clock.h"
#include "linux/hold.h"
#include "linux/proc.h"
#include "run/suspects.h"
#include "run/tap.h"

#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define LIMIT_MS 30000

struct watched {
    pid_t pid;
    int proc_fd;
    struct linux_tree *tree;
    struct run_tap *tap;
    struct tap_totals totals;
};

static pid_t start(const char *kind)
{
    int out[2];
    char line[16] = "";
    assert_int_equal(pipe(out), 0);
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL); // also when a test fails
        dup2(out[1], 1);
        close(out[0]);
        execl(SEEP_BUILD_DIR "/targets/attach_kinds", "attach_kinds", kind, (char *)NULL);
        _exit(127);
    }
    close(out[1]);
    struct pollfd p = {.fd = out[0], .events = POLLIN};
    if (pid < 0 || poll(&p, 1, LIMIT_MS) != 1 || read(out[0], line, sizeof line - 1) <= 0 || !strstr(line, "ready"))
        fail_msg("attach_kinds %s did not begin", kind);
    close(out[0]);
    return pid;
}

static void watch(struct watched *w, const char *kind)
{
    struct tap_options opt = {.without_bpf = true};
    struct seep_err err = {0};
    w->pid = start(kind);
    w->proc_fd = linux_proc_open(&err);
    w->tree = calloc(1, sizeof *w->tree);
    assert_non_null(w->tree);
    assert_int_equal(linux_tree_walk_from(w->proc_fd, w->pid, w->tree, &err), 0);
    w->tap = tap_new(&opt, w->proc_fd, w->tree, &err);
}

static void leave(struct watched *w)
{
    tap_free(w->tap);
    assert_int_equal(kill(w->pid, 0), 0); // it goes on
    kill(w->pid, SIGKILL);
    waitpid(w->pid, NULL, 0);
    close(w->proc_fd);
    free(w->tree);
}

// Samples until the leak has grown to this many bytes, or the watching has ended.
static struct tap_evidence sample_until(struct watched *w, double bytes)
{
    struct tap_evidence ev = {0};
    for (int64_t until = clock_mono_ns() + LIMIT_MS * 1000000ll; clock_mono_ns() < until; poll(NULL, 0, 50)) {
        struct run_tick *tick = tick_new();
        assert_non_null(tick);
        tap_sample(w->tap, w->tree, true, tick, &w->totals);
        tick_free(tick);
        tap_evidence(w->tap, &ev);
        if (ev.ended[0] || w->totals.live_bytes >= bytes)
            break;
    }
    return ev;
}

static void a_leak_is_seen_without_bpf(void **state)
{
    (void)state;
    struct watched w = {0};
    watch(&w, "leak");
    if (!w.tap) {
        leave(&w);
        skip();
    }
    struct tap_evidence ev = sample_until(&w, 200000);
    assert_string_equal(ev.means, "the uprobe PMU");
    assert_string_equal(ev.ended, "");
    assert_true(w.totals.live_bytes >= 200000);
    assert_true(w.totals.live_bytes <= 4096 * (w.totals.live_blocks + 2)); // blocks of 4 kB, and nothing invented
    assert_true(ev.counts.hits > 0 && ev.unwound > 0);
    assert_true(ev.own_cpu_s > 0);
    leave(&w);
}

static void choose(struct watched *w, struct run_suspects *s)
{
    struct run_tick *tick = tick_new();
    assert_non_null(tick);
    tap_sample(w->tap, w->tree, true, tick, &w->totals);
    if (!s->has_then)
        suspects_remember(s, tick);
    else
        suspects_choose_tapped(s, w->tap, w->proc_fd, tick);
    tick_free(tick);
}

struct summed {
    unsigned n;
    struct scan_sum sum;
};

static void sum_one(uint32_t number, const struct suspects_case *c, const struct scan_sum *sum, void *ctx)
{
    struct summed *out = ctx;
    assert_true(number > 0);
    assert_int_equal(c->region, 0);
    out->n++;
    out->sum = *sum;
}

// What it loses has no path to it. When the watching has ended, nothing more is said.
static void lost_blocks_are_unreachable(void **state)
{
    (void)state;
    struct watched w = {0};
    struct run_suspects s = {0};
    struct summed got = {0};
    watch(&w, "leak");
    if (!w.tap) {
        leave(&w);
        skip();
    }
    sample_until(&w, 40000);
    choose(&w, &s);
    sample_until(&w, 1200000); // more blocks than the registers of a thread awake could hold
    tap_set_epoch(w.tap, 1);
    choose(&w, &s);
    assert_int_equal(s.n_cases, 1);
    for (int i = 0; i < 2; i++) {
        suspects_scan(&s, 30);
        assert_string_equal(scan_trouble_text(s.trouble), scan_trouble_text(SCAN_FINE));
    }
    suspects_each(&s, sum_one, &got);
    assert_int_equal(got.n, 1);
    assert_int_equal(got.sum.scans, 2);
    assert_true(got.sum.lost >= 60 && got.sum.lost == got.sum.checked);
    suspects_free(&s);
    leave(&w);
}

static void a_new_thread_ends_the_watching(void **state)
{
    (void)state;
    struct watched w = {0};
    watch(&w, "threads");
    if (!w.tap) {
        leave(&w);
        skip();
    }
    struct tap_evidence ev = sample_until(&w, 1e18);
    assert_non_null(strstr(ev.ended, "started a thread"));
    leave(&w);
}

// Being watched has a price, known before there is any harm. Where BPF cannot be had it is not measured.
static void a_hit_has_a_price(void **state)
{
    (void)state;
    double ns[LINUX_UPROBE_KINDS] = {0};
    struct seep_err err = {0};
    if (linux_uprobe_measure(8192, ns, &err)) {
        assert_int_equal(err.code, SEEP_E_UNSUPPORTED);
        skip();
    }
    for (int k = 0; k < LINUX_UPROBE_KINDS; k++)
        assert_true(ns[k] > 10 && ns[k] < 1e9);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_leak_is_seen_without_bpf),
        cmocka_unit_test(lost_blocks_are_unreachable),
        cmocka_unit_test(a_new_thread_ends_the_watching),
        cmocka_unit_test(a_hit_has_a_price),
    };
    if (argc > 1 && (strcmp(argv[1], "resolver") == 0 ||
                     strcmp(argv[1], "scan-worker") == 0)) // started by the code under test as "itself"
        execv(SEEP_BUILD_DIR "/bin/seep", argv);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
