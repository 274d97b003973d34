// The probe does no harm: programs run under it as they run without, whatever they do to themselves.
#include "probe_rig.h"

// ---- no harm ----

// Runs a target bare and under the probe: the same output, the same end.
static void same_as_bare(char *const argv[], char *const *env, unsigned limit_s)
{
    struct region_server s = {0};
    static char bare[1 << 16], probed[1 << 16];
    region_server_start(&s, 0);
    int want = region_run(NULL, argv, env, bare, sizeof bare, limit_s);
    int got = region_run(&s, argv, env, probed, sizeof probed, limit_s);
    assert_string_equal(probed, bare);
    assert_int_equal(got, want);
    assert_true(region_server_count(&s) >= 1);
    region_server_stop(&s);
}

static void test_edges_are_the_same(void **state)
{
    (void)state;
    char *argv[] = {TARGET("probe_edges"), NULL};
    same_as_bare(argv, NULL, 20);
}

static void test_edges_are_the_same_with_jemalloc(void **state)
{
    (void)state;
    struct region_server s = {0};
    static char bare[1 << 16], probed[1 << 16];
    char *argv[] = {TARGET("probe_edges"), NULL};
    char plain[] = "LD_PRELOAD=libjemalloc.so.2",
         both[] = "LD_PRELOAD=" SEEP_BUILD_DIR "/lib/libseep-probe.so libjemalloc.so.2";
    char *env_plain[] = {plain, NULL}, *env_both[] = {both, NULL};
    region_server_start(&s, 0);
    int want = region_run(NULL, argv, env_plain, bare, sizeof bare, 20);
    int got = region_run(&s, argv, env_both, probed, sizeof probed, 20);
    assert_string_equal(probed, bare);
    assert_int_equal(got, want);
    assert_int_equal(want, 0);
    assert_int_equal(region_server_count(&s), 1);
    region_server_stop(&s);
}

static void test_closing_all_descriptors(void **state)
{
    (void)state;
    char dir[] = "/tmp/seep-closeall-XXXXXX", path[64], out[64];
    assert_non_null(mkdtemp(dir));
    struct region_server s = {0};
    char *argv[] = {TARGET("closeall_reopen"), dir, NULL};
    region_server_start(&s, 0);
    assert_int_equal(region_run(&s, argv, NULL, out, sizeof out, 30), 0);
    assert_string_equal(out, "unharmed\n");
    assert_int_equal(region_server_count(&s), 1);
    region_server_stop(&s);
    for (int i = 0; i < 32; i++) {
        snprintf(path, sizeof path, "%s/f%d", dir, i);
        assert_int_equal(unlink(path), 0);
    }
    assert_int_equal(rmdir(dir), 0);
}

static void test_fork_storm(void **state)
{
    (void)state;
    struct region_server s = {.most = 8};
    char out[64], *argv[] = {TARGET("fork_storm"), "4000", NULL};
    region_server_start(&s, 0);
    assert_int_equal(region_run(&s, argv, NULL, out, sizeof out, 60), 0);
    assert_string_equal(out, "4000 of 4000\n");
    assert_int_equal(region_server_count(&s), 8);
    assert_int_equal(s.refused, 4001 - 8);
    struct wire *w = open_region(&s, 1);
    struct wire_hello h;
    wire_hello(w, &h);
    assert_true(h.attached && h.forked);
    wire_close(w);
    region_server_stop(&s);
}

static void test_fork_storm_with_a_mute_keeper(void **state)
{
    (void)state;
    struct region_server s = {0};
    char out[64], *argv[] = {TARGET("fork_storm"), "300", NULL};
    s.mute = 1;
    region_server_start(&s, 0);
    assert_int_equal(region_run(&s, argv, NULL, out, sizeof out, 60), 0);
    assert_string_equal(out, "300 of 300\n");
    region_server_stop(&s);
}

static void test_threads_that_come_and_go(void **state)
{
    (void)state;
    struct region_server s = {0};
    char out[64], *argv[] = {TARGET("threads_churn"), "4000", NULL};
    region_server_start(&s, 0);
    assert_int_equal(region_run(&s, argv, NULL, out, sizeof out, 60), 0);
    assert_string_equal(out, "done\n");
    struct wire *w = open_region(&s, 0);
    struct wire_snapshot snap = {0};
    assert_int_equal(wire_snapshot(w, 0, 1, &snap, NULL), 0);
    assert_true(snap.totals.alloc_blocks > 4000 * 3);
    assert_int_equal(snap.totals.live_overflow, 0);
    assert_int_equal(snap.totals.unknown_frees, 0);
    wire_snapshot_free(&snap);
    wire_close(w);
    region_server_stop(&s);
}

static void test_strict_seccomp(void **state)
{
    (void)state;
    char *argv[] = {TARGET("probe_strict"), NULL};
    same_as_bare(argv, NULL, 20);
}

static void test_address_space_limit(void **state)
{
    (void)state;
    struct region_server s = {0};
    char out[64], *argv[] = {"prlimit", "--as=200000000", "sh", "-c", "echo alive", NULL};
    region_server_start(&s, 0);
    assert_int_equal(region_run(&s, argv, NULL, out, sizeof out, 20), 0);
    assert_string_equal(out, "alive\n");
    struct wire *w = open_region(&s, region_server_count(&s) - 1);
    struct wire_hello h;
    wire_hello(w, &h);
    assert_true(h.attached);
    assert_true(h.map_bytes <= 200000000 / 8);
    wire_close(w);
    region_server_stop(&s);
}

static void test_no_room_at_all(void **state)
{
    (void)state;
    struct region_server s = {0};
    char out[64], *argv[] = {"prlimit", "--as=60000000", "sh", "-c", "echo alive", NULL};
    region_server_start(&s, 0);
    assert_int_equal(region_run(&s, argv, NULL, out, sizeof out, 20), 0);
    assert_string_equal(out, "alive\n");
    region_server_stop(&s);
}

static void test_without_a_keeper(void **state)
{
    (void)state;
    struct region_server s = {0};
    char out[64], *argv[] = {"env", "-i", "/bin/echo", "alive", NULL};
    snprintf(s.setting, sizeof s.setting, "0123456789abcdef:0");
    assert_int_equal(region_run(&s, argv, NULL, out, sizeof out, 20), 0);
    assert_string_equal(out, "alive\n");
    snprintf(s.setting, sizeof s.setting, "not hex");
    assert_int_equal(region_run(&s, argv, NULL, out, sizeof out, 20), 0);
    assert_string_equal(out, "alive\n");
}

// Code bound to the allocator itself frees blocks that we know: when their address comes again, they are found to be
// gone, once each, and nothing grows for it.
static void test_frees_past_the_probe(void **state)
{
    (void)state;
    enum { ROUNDS = 3000 };
    struct region_server s = {0};
    struct wire_snapshot snap = {0};
    struct seep_err err;
    char out[256], rounds[16];
    char *argv[] = {TARGET("harm_namespaces"), TARGET(""), rounds, NULL};
    snprintf(rounds, sizeof rounds, "%d", ROUNDS);
    region_server_start(&s, 0);
    assert_int_equal(region_run(&s, argv, NULL, out, sizeof out, 60), 0);
    struct wire *w = open_region(&s, 0);
    assert_int_equal(wire_snapshot(w, 0, 0, &snap, &err), 0);
    // The rest went when the plug-in's own blocks, at the same addresses, were freed here.
    assert_true(snap.totals.unseen_frees > ROUNDS / 10 && snap.totals.unseen_frees <= ROUNDS);
    assert_true(snap.totals.live_blocks < ROUNDS / 10);
    wire_snapshot_free(&snap);
    wire_close(w);
    region_server_stop(&s);
}

// Garbage where frames should be, stacks that end at an unmapped page, fibers resumed from handlers: a million samples,
// no fault, and what cannot be followed is marked.
static void test_a_million_samples_on_broken_stacks(void **state)
{
    (void)state;
    struct region_server s = {0};
    struct wire_snapshot snap = {0};
    struct seep_err err;
    char bare[128], probed[128], *argv[] = {TARGET("harm_stacks"), "8500", NULL};
    size_t marked = 0;
    region_server_start(&s, 0);
    assert_int_equal(region_run(NULL, argv, NULL, bare, sizeof bare, 60), 0);
    assert_int_equal(region_run(&s, argv, NULL, probed, sizeof probed, 120), 0);
    assert_string_equal(probed, bare);
    struct wire *w = open_region(&s, 0);
    assert_int_equal(wire_snapshot(w, 0, 1, &snap, &err), 0);
    for (size_t i = 0; i < snap.stacks; i++)
        marked += (snap.stack[i].flags & SEEP_STACK_TRUNCATED) != 0;
    assert_true(snap.totals.walks >= 1000000);
    assert_true(snap.totals.truncated_walks > 0 && marked > 0);
    wire_snapshot_free(&snap);
    wire_close(w);
    region_server_stop(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_edges_are_the_same),
        cmocka_unit_test(test_edges_are_the_same_with_jemalloc),
        cmocka_unit_test(test_closing_all_descriptors),
        cmocka_unit_test(test_fork_storm),
        cmocka_unit_test(test_fork_storm_with_a_mute_keeper),
        cmocka_unit_test(test_threads_that_come_and_go),
        cmocka_unit_test(test_strict_seccomp),
        cmocka_unit_test(test_address_space_limit),
        cmocka_unit_test(test_no_room_at_all),
        cmocka_unit_test(test_without_a_keeper),
        cmocka_unit_test(test_frees_past_the_probe),
        cmocka_unit_test(test_a_million_samples_on_broken_stacks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
