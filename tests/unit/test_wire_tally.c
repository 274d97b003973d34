// Complete: what a program counts of its own allocations, through every entry point there is, against what the probe
// has in its books; for each allocator, linked and preloaded, exact and sampled. And the figures that the probe reads
// of the allocators against what the programs hold.
#include "probe_rig.h"

#include "seep_wire.h"

#define PROBE SEEP_BUILD_DIR "/lib/libseep-probe.so"
#define MORE  SEEP_BUILD_DIR "/lib/libseep-probe-jemalloc.so"
#define TC    SEEP_BUILD_DIR "/lib/libseep-probe-tcmalloc.so"
#define MI    SEEP_BUILD_DIR "/lib/libseep-probe-mimalloc.so"
#define JE    SEEP_BUILD_DIR "/lib/libseep-probe-je.so"

struct tally {
    unsigned long long blocks, requested, usable, calls;
    char x;
};

struct session {
    struct region_server s;
    struct wire *w;
    int pid, in, out;
};

static void start(struct session *t, char *program, char *preload, uint64_t mean_bytes)
{
    char env[512];
    char *argv[] = {program, "7", NULL}, *extra[] = {env, NULL};
    int in[2];
    memset(t, 0, sizeof *t);
    t->s.mean_bytes = mean_bytes;
    t->s.region_bytes = 256u << 20;
    region_server_start(&t->s, 0);
    snprintf(env, sizeof env, "LD_PRELOAD=%s", preload);
    assert_int_equal(pipe2(in, O_CLOEXEC), 0);
    int saved = dup(0);
    dup2(in[0], 0);
    t->pid = region_spawn(&t->s, argv, extra, &t->out);
    dup2(saved, 0);
    close(saved);
    close(in[0]);
    t->in = in[1];
}

static struct tally tell(struct session *t, char what)
{
    struct tally a;
    char line[256];
    assert_int_equal(write(t->in, &what, 1), 1);
    read_until(t->out, "\n", line, sizeof line, 60);
    assert_int_equal(sscanf(line, "live %llu %llu %llu %llu %c", &a.blocks, &a.requested, &a.usable, &a.calls, &a.x),
                     5);
    if (!t->w)
        t->w = open_region(&t->s, 0);
    return a;
}

static struct wire_totals totals_of(struct session *t)
{
    struct wire_snapshot s = {0};
    assert_int_equal(wire_snapshot(t->w, 0, 0, &s, NULL), 0);
    struct wire_totals totals = s.totals;
    wire_snapshot_free(&s);
    return totals;
}

static void end(struct session *t)
{
    int status;
    wire_close(t->w);
    close(t->in);
    assert_int_equal(waitpid(t->pid, &status, 0), t->pid);
    assert_int_equal(status, 0);
    close(t->out);
    region_server_stop(&t->s);
}

static int64_t live(uint64_t allocs, uint64_t frees)
{
    return (int64_t)(allocs - frees);
}

// From one answer to the next the books must have moved by exactly what the program says, in blocks, calls and bytes.
static void compare(const struct tally *a, const struct wire_totals *n, const struct tally *was,
                    const struct wire_totals *base, int exact)
{
    assert_int_equal(live(n->alloc_blocks, n->free_blocks) - live(base->alloc_blocks, base->free_blocks),
                     (int64_t)(a->blocks - was->blocks));
    assert_int_equal(live(n->usable_alloc_bytes, n->usable_free_bytes) -
                         live(base->usable_alloc_bytes, base->usable_free_bytes),
                     (int64_t)(a->usable - was->usable));
    if (exact) {
        assert_int_equal((int64_t)(n->live_blocks - base->live_blocks), (int64_t)(a->blocks - was->blocks));
        assert_int_equal((int64_t)(n->live_bytes - base->live_bytes), (int64_t)(a->requested - was->requested));
        assert_int_equal(n->unknown_frees, base->unknown_frees);
    }
    assert_int_equal(n->live_overflow + n->samples_lost, 0);
}

static void one(char *program, char *preload, uint64_t mean, char x)
{
    struct session t;
    if (access(program, X_OK) != 0) {
        print_message("%s was not built: its allocator is not installed\n", program);
        skip();
    }
    start(&t, program, preload, mean);
    struct tally zero = tell(&t, 't'), was = zero;
    struct wire_totals base = totals_of(&t), first = base;
    assert_int_equal(zero.x, x);
    for (int i = 0; i < 4; i++) {
        struct tally a = tell(&t, i == 3 ? 'f' : 'g');
        struct wire_totals n = totals_of(&t);
        compare(&a, &n, &was, &base, !mean);
        was = a;
        base = n;
    }
    assert_int_equal(was.blocks, 0);
    // One more for each failed realloc put back, none for anything else.
    assert_true(base.alloc_blocks - first.alloc_blocks >= was.calls);
    assert_true(was.calls > 8000);
    end(&t);
}

#define LINKED(name) SEEP_BUILD_DIR "/targets/tally_" name
static char all[] = LINKED("all");

static void test_glibc(void **state)
{
    (void)state;
    one(all, PROBE, 0, '-');
    one(all, PROBE, 64 << 10, '-');
}

static void test_jemalloc_linked(void **state)
{
    (void)state;
    one((char[]){LINKED("jemalloc")}, PROBE ":" MORE, 0, 'x');
    one((char[]){LINKED("jemalloc")}, PROBE ":" MORE, 64 << 10, 'x');
}

static void test_jemalloc_preloaded(void **state)
{
    (void)state;
    one(all, PROBE ":" MORE ":libjemalloc.so.2", 0, 'x');
    one(all, PROBE ":" MORE ":libjemalloc.so.2", 64 << 10, 'x');
}

static void test_tcmalloc_linked(void **state)
{
    (void)state;
    one((char[]){LINKED("tcmalloc")}, PROBE ":" TC, 0, 't');
    one((char[]){LINKED("tcmalloc")}, PROBE ":" TC, 64 << 10, 't');
}

static void test_tcmalloc_preloaded(void **state)
{
    (void)state;
    one(all, PROBE ":" TC ":libtcmalloc_minimal.so.4", 0, 't');
    one(all, PROBE ":" TC ":libtcmalloc_minimal.so.4", 64 << 10, 't');
}

static void test_mimalloc_linked(void **state)
{
    (void)state;
    one((char[]){LINKED("mimalloc")}, PROBE ":" MI, 0, 'm');
    one((char[]){LINKED("mimalloc")}, PROBE ":" MI, 64 << 10, 'm');
}

static void test_mimalloc_preloaded(void **state)
{
    (void)state;
    one(all, PROBE ":" MI ":libmimalloc.so.2", 0, 'm');
    one(all, PROBE ":" MI ":libmimalloc.so.2", 64 << 10, 'm');
}

static void test_malloc_wrapped(void **state)
{
    (void)state;
    one((char[]){LINKED("wrapped")}, PROBE, 0, '-');
    one((char[]){LINKED("wrapped")}, PROBE, 64 << 10, '-');
}

// A jemalloc of its own beside glibc's malloc: two heaps, each asked for the sizes of its own blocks.
static void test_jemalloc_beside_malloc(void **state)
{
    (void)state;
    one((char[]){LINKED("je")}, PROBE ":" JE, 0, 'j');
    one((char[]){LINKED("je")}, PROBE ":" JE, 64 << 10, 'j');
}

// ---- the allocators' own figures ----

static struct wire_allocator figures(char *program, char *preload, struct tally *a)
{
    struct session t;
    struct wire_allocator f;
    start(&t, program, preload, 0);
    for (int i = 0; i < 3; i++)
        *a = tell(&t, 'g');
    wire_request_allocator_stats(t.w);
    *a = tell(&t, 'g');
    assert_int_equal(wire_allocator_stats(t.w, &f), 0);
    assert_int_equal(f.state, 1);
    assert_true(f.answers_last_request && f.cost_ns > 0);
    end(&t);
    return f;
}

// The reading was made at the first call of the last round, so between the two tallies: bounds, not equality.
static void check_figures(char *preload, uint32_t kind)
{
    struct tally a;
    struct wire_allocator f = figures(all, preload, &a);
    assert_int_equal(f.kind, kind);
    if (kind != SEEP_ALLOC_MIMALLOC) { // which has no such figure
        assert_true(f.allocated_bytes >= a.usable / 2 && f.allocated_bytes <= a.usable + (4 << 20));
        assert_true(f.active_bytes >= f.allocated_bytes);
    } else {
        assert_true(f.allocated_bytes == WIRE_UNKNOWN && f.active_bytes == WIRE_UNKNOWN);
    }
    assert_true(f.mapped_bytes != WIRE_UNKNOWN && f.mapped_bytes >= a.requested / 2);
    if (f.resident_bytes != WIRE_UNKNOWN)
        assert_true(f.resident_bytes >= f.allocated_bytes && f.resident_bytes < 16 * a.usable);
}

static void test_figures(void **state)
{
    (void)state;
    check_figures(PROBE, SEEP_ALLOC_GLIBC);
    check_figures(PROBE ":libjemalloc.so.2", SEEP_ALLOC_JEMALLOC);
    check_figures(PROBE ":" TC ":libtcmalloc_minimal.so.4", SEEP_ALLOC_TCMALLOC);
    check_figures(PROBE ":" MI ":libmimalloc.so.2", SEEP_ALLOC_MIMALLOC);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_glibc),
        cmocka_unit_test(test_jemalloc_linked),
        cmocka_unit_test(test_jemalloc_preloaded),
        cmocka_unit_test(test_tcmalloc_linked),
        cmocka_unit_test(test_tcmalloc_preloaded),
        cmocka_unit_test(test_mimalloc_linked),
        cmocka_unit_test(test_mimalloc_preloaded),
        cmocka_unit_test(test_malloc_wrapped),
        cmocka_unit_test(test_jemalloc_beside_malloc),
        cmocka_unit_test(test_figures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
