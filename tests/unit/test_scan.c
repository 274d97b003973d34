// The memory scan against a program that holds blocks in every way there is (tests/targets/scan_zoo.c): what somebody
// holds is never called lost, and what nobody holds is.
#include "probe_rig.h"

#include "linux/hold.h"
#include "scan/scan.h"

#include <math.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#define SCANS 4

struct zoo {
    struct region_server server;
    struct wire *wire;
    pid_t pid;
    int out_fd;
};

static void start(struct zoo *z, const char *megabytes, uint64_t mean_bytes, char *const *env)
{
    char line[256];
    char *argv[] = {(char[]){TARGET("scan_zoo")}, (char *)(uintptr_t)megabytes, NULL};
    *z = (struct zoo){.server.mean_bytes = mean_bytes, .server.region_bytes = 512ull << 20};
    region_server_start(&z->server, 0);
    z->pid = region_spawn(&z->server, argv, env, &z->out_fd);
    read_until(z->out_fd, "ready", line, sizeof line, 60);
    z->wire = open_region(&z->server, 0);
    struct seep_err err;
    assert_int_equal(wire_set_epoch(z->wire, 1, mean_bytes, &err), 0); // what there is, is old from now on
}

static void stop(struct zoo *z)
{
    kill(z->pid, SIGKILL);
    waitpid(z->pid, NULL, 0);
    wire_close(z->wire);
    close(z->out_fd);
    region_server_stop(&z->server);
}

// The stack whose live blocks all have this size.
static uint32_t stack_of(struct zoo *z, unsigned size)
{
    struct wire_snapshot s = {0};
    struct seep_err err;
    uint32_t found = 0;
    assert_int_equal(wire_snapshot(z->wire, 0, 0, &s, &err), 0);
    for (size_t i = 0; i < s.stacks; i++)
        if (s.stack[i].live_blocks >= 1 && fabs(s.stack[i].live_bytes / s.stack[i].live_blocks - size) < .5 &&
            (!found || s.stack[i].live_blocks == 64))
            found = s.stack[i].id;
    wire_snapshot_free(&s);
    if (!found)
        fail_msg("no stack has blocks of %u bytes", size);
    return found;
}

static const unsigned held_sizes[] = {216, 224, 232, 248, 264, 272, 280, 288, 296, 304, 312, 320, 360};
static const unsigned unsure_sizes[] = {240, 256, 328, 336, 344, 352}; // never lost; reachable or undecided
static const unsigned lost_sizes[] = {200, 208};

struct answer {
    unsigned size;
    struct scan_sum sum;
};

static int memory_of(struct zoo *z)
{
    struct seep_err err;
    int proc = linux_proc_open(&err), memory = linux_memory_open(proc, z->pid, &err);
    close(proc);
    if (memory < 0)
        skip();
    return memory;
}

static struct scan_case *open_case(struct zoo *z, const uint32_t *stack, size_t n)
{
    struct seep_err err;
    struct scan_case *c = scan_case_new(dup(z->server.fd[0]), memory_of(z), z->pid, stack, n, &err);
    assert_non_null(c);
    return c;
}

// ---- the same without a region: a list, made of what the region has, less what a test leaves out

struct lister {
    struct zoo *z;
    uint32_t only; // of the stack with this id; 0: of all
    uint32_t thin; // of this stack, from the second list of a scan on, every other block is gone
    int fail_at;   // the n-th list is not to be had; 0: all are
    uint64_t missed;
    int calls, filled; // filled: in the present list
    struct scan_list *list;
};

static int list_block(void *arg, const struct wire_block *b)
{
    struct lister *l = arg;
    if ((l->only && b->stack != l->only) || (b->stack == l->thin && l->calls % 2 == 0 && b->address / 16 % 2 == 0))
        return 0;
    l->filled++;
    return scan_list_add(l->list, b);
}

static int make_list(struct scan_list *list, void *ctx)
{
    struct lister *l = ctx;
    struct scan_list_head head = {.epoch = wire_epoch(l->z->wire), .glibc = true, .missed = l->missed};
    l->list = list;
    l->filled = 0;
    if (++l->calls == l->fail_at || scan_list_begin(list, &head))
        return -1;
    return wire_scan_live(l->z->wire, list_block, l);
}

static struct scan_case *open_listed(struct lister *l, const uint32_t *stack, size_t n)
{
    struct seep_err err;
    struct scan_case *c = scan_case_new_listed(make_list, l, memory_of(l->z), l->z->pid, stack, n, &err);
    assert_non_null(c);
    return c;
}

static size_t ask(struct zoo *z, struct lister *lister, struct answer *out)
{
    uint32_t stack[32];
    size_t n = 0;
    const unsigned *const lists[] = {lost_sizes, held_sizes, unsure_sizes};
    const size_t lengths[] = {sizeof lost_sizes / 4, sizeof held_sizes / 4, sizeof unsure_sizes / 4};
    for (size_t l = 0; l < 3; l++)
        for (size_t i = 0; i < lengths[l]; i++, n++) {
            out[n].size = lists[l][i];
            stack[n] = stack_of(z, out[n].size);
        }
    struct scan_case *c = lister ? open_listed(lister, stack, n) : open_case(z, stack, n);
    for (int i = 0; i < SCANS; i++) {
        enum scan_trouble trouble = SCAN_FINE;
        if (scan_case_run_here(c, 60, &trouble))
            fail_msg("scan %d: %s", i, scan_trouble_text(trouble));
    }
    for (size_t i = 0; i < n; i++) {
        uint32_t id;
        scan_case_sum(c, i, &id, &out[i].sum);
        assert_int_equal(id, stack[i]);
        print_message("%4u: lost %3u of %3u, undecided %3u, agreed %u of %u; held by %s %s\n", out[i].size,
                      out[i].sum.lost, out[i].sum.checked, out[i].sum.undecided, out[i].sum.agreed, out[i].sum.scans,
                      scan_holder_word(out[i].sum.holder.kind), out[i].sum.holder.path);
    }
    scan_case_free(c);
    return n;
}

static const struct scan_sum *sum_of(const struct answer *a, size_t n, unsigned size)
{
    for (size_t i = 0; i < n; i++)
        if (a[i].size == size)
            return &a[i].sum;
    fail_msg("nothing known about %u", size);
    return NULL;
}

static void check_answers(const struct answer *a, size_t n, bool exact)
{
    for (size_t i = 0; i < sizeof held_sizes / 4; i++)
        assert_int_equal(sum_of(a, n, held_sizes[i])->lost, 0);
    for (size_t i = 0; i < sizeof unsure_sizes / 4; i++)
        assert_int_equal(sum_of(a, n, unsure_sizes[i])->lost, 0);
    if (!exact)
        return;
    for (size_t i = 0; i < sizeof held_sizes / 4; i++)
        assert_int_equal(sum_of(a, n, held_sizes[i])->checked, 64);
    // What unseen registers could hold is not proved; pairs weigh double. A few may have neighbours that free chunks
    // name.
    for (size_t i = 0; i < sizeof lost_sizes / 4; i++) {
        const struct scan_sum *sum = sum_of(a, n, lost_sizes[i]);
        assert_int_equal(sum->checked, sum->lost);
        assert_true(sum->lost >= 300); // of 1024, were all seven threads awake
        assert_int_equal(sum->agreed, SCANS);
    }
    // A list held in one register alone is one component: never lost, however many nodes.
    assert_int_equal(sum_of(a, n, 328)->checked, 0);
    assert_int_equal(sum_of(a, n, 336)->checked, 0);
    assert_int_equal(sum_of(a, n, 216)->holder.kind, SCAN_BY_OWN);
    assert_int_equal(sum_of(a, n, 216)->entry.kind, SCAN_BY_DATA);
    assert_int_equal(sum_of(a, n, 224)->holder.kind, SCAN_BY_DATA);
    assert_int_equal(sum_of(a, n, 264)->holder.kind, SCAN_BY_KERNEL);
    assert_int_equal(sum_of(a, n, 272)->holder.kind, SCAN_BY_KERNEL);
    assert_int_equal(sum_of(a, n, 280)->holder.kind, SCAN_BY_SHARED);
    assert_int_equal(sum_of(a, n, 288)->holder.kind, SCAN_BY_MAPPING);
    assert_int_equal(sum_of(a, n, 304)->holder.kind, SCAN_BY_STACK);
    assert_int_equal(sum_of(a, n, 312)->holder.kind, SCAN_BY_THREAD);
    assert_int_equal(sum_of(a, n, 320)->holder.kind, SCAN_BY_THREAD);
}

static void test_zoo(void **state)
{
    (void)state;
    struct zoo z;
    struct answer a[32];
    start(&z, "1", 0, NULL);
    size_t n = ask(&z, NULL, a);
    check_answers(a, n, true);
    stop(&z);
}

static void test_jemalloc(void **state)
{
    (void)state;
    struct zoo z;
    struct answer a[32];
    char *env[] = {(char[]){"LD_PRELOAD=" SEEP_BUILD_DIR "/lib/libseep-probe.so:libjemalloc.so.2"}, NULL};
    start(&z, "1", 0, env);
    size_t n = ask(&z, NULL, a);
    check_answers(a, n, false);
    assert_true(sum_of(a, n, 200)->lost >= 300);
    stop(&z);
}

// A list of all blocks says what the region says, by name and place of the variables too.
static void test_listed(void **state)
{
    (void)state;
    struct zoo z;
    struct answer a[32], by_region[32];
    struct lister l = {.z = &z};
    start(&z, "1", 0, NULL);
    size_t n = ask(&z, &l, a);
    check_answers(a, n, true);
    assert_int_equal(l.calls, 2 * SCANS);
    ask(&z, NULL, by_region);
    const struct scan_holder *x = &sum_of(a, n, 224)->holder, *y = &sum_of(by_region, n, 224)->holder;
    assert_string_equal(x->path, y->path);
    assert_int_equal(x->offset, y->offset);
    assert_true(x->offset > 0);
    assert_int_equal(sum_of(a, n, 216)->entry.offset, sum_of(by_region, n, 216)->entry.offset);
    stop(&z);
}

static struct scan_sum one_of(struct lister *l, unsigned size, int scans, enum scan_trouble *trouble, int *failed)
{
    uint32_t stack[1] = {stack_of(l->z, size)}, id;
    struct scan_sum sum;
    struct scan_case *c = open_listed(l, stack, 1);
    *failed = 0;
    for (int i = 0; i < scans; i++)
        *failed += scan_case_run_here(c, 60, trouble) != 0;
    scan_case_sum(c, 0, &id, &sum);
    scan_case_free(c);
    return sum;
}

// What is in no list is memory of unknown content: what it points at is neither lost nor surely held, and it is named.
static void test_unknown_blocks_hold(void **state)
{
    (void)state;
    struct zoo z;
    struct lister l = {.z = &z};
    enum scan_trouble trouble;
    int failed;
    start(&z, "1", 0, NULL);
    l.only = stack_of(&z, 304); // held by blocks of another stack
    struct scan_sum sum = one_of(&l, 304, SCANS, &trouble, &failed);
    assert_int_equal(failed, 0);
    assert_int_equal(l.filled, 64);
    assert_int_equal(sum.lost + sum.checked, 0);
    assert_int_equal(sum.undecided, 64);
    assert_int_equal(sum.holder.kind, SCAN_BY_UNKNOWN);
    l.only = stack_of(&z, 200); // held by nothing, also then
    sum = one_of(&l, 200, SCANS, &trouble, &failed);
    assert_int_equal(sum.lost, sum.checked);
    assert_true(sum.lost >= 300);
    stop(&z);
}

// Freed while a scan read, as the second list says: of these nothing is claimed. Nor of as many as may have been freed
// unseen.
static void test_freed_meanwhile(void **state)
{
    (void)state;
    struct zoo z;
    struct lister l = {.z = &z};
    enum scan_trouble trouble;
    int failed;
    start(&z, "1", 0, NULL);
    struct scan_sum all = one_of(&l, 200, 1, &trouble, &failed);
    l.thin = stack_of(&z, 200);
    struct scan_sum some = one_of(&l, 200, 1, &trouble, &failed);
    print_message("of %u unreachable blocks %u are left\n", all.lost, some.lost);
    assert_true(some.lost > 0 && some.lost + some.undecided < all.lost + all.undecided);
    l.thin = 0;
    l.missed = 500; // more than the registers of threads that happen to be awake could hold
    some = one_of(&l, 200, 1, &trouble, &failed);
    assert_true(some.lost > 0 && some.undecided >= l.missed);
    assert_true(all.undecided < l.missed);
    l.missed = 1u << 20;
    assert_int_equal(one_of(&l, 200, 1, &trouble, &failed).lost, 0);
    l.missed = 0;
    l.fail_at = l.calls + 2; // the second list of a scan: it counts for nothing
    assert_int_equal(one_of(&l, 200, 1, &trouble, &failed).scans, 0);
    assert_int_equal(failed, 1);
    assert_int_equal(trouble, SCAN_BEHIND);
    l.fail_at = l.calls + 1;
    assert_int_equal(one_of(&l, 200, 1, &trouble, &failed).scans, 0);
    assert_int_equal(trouble, SCAN_BEHIND);
    stop(&z);
}

// The same by a worker process, which has to ask for its second list.
static void test_listed_worker(void **state)
{
    (void)state;
    struct zoo z;
    struct lister l = {.z = &z};
    enum scan_trouble trouble;
    struct seep_err err;
    double cpu_s;
    start(&z, "1", 0, NULL);
    uint32_t stack[1] = {stack_of(&z, 200)}, id;
    struct scan_case *c = open_listed(&l, stack, 1);
    struct scan_sum sum;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(scan_case_run(c, SEEP_BUILD_DIR "/bin/seep", 60, &trouble, &cpu_s, &err), 0);
        assert_int_equal(trouble, SCAN_FINE);
        assert_int_equal(l.calls, 2 * i + 2);
    }
    scan_case_sum(c, 0, &id, &sum);
    assert_true(sum.scans == 2 && sum.lost >= 300);
    l.fail_at = l.calls + 2;
    assert_int_equal(scan_case_run(c, SEEP_BUILD_DIR "/bin/seep", 60, &trouble, &cpu_s, &err), 0);
    assert_int_equal(trouble, SCAN_BEHIND);
    scan_case_sum(c, 0, &id, &sum);
    assert_int_equal(sum.scans, 2);
    scan_case_free(c);
    stop(&z);
}

// Only some blocks are known; the rest of the heap is of unknown content. Nothing held may be called lost.
static void test_sampled(void **state)
{
    (void)state;
    struct zoo z;
    start(&z, "1", 512, NULL);
    uint32_t stack[1] = {stack_of(&z, 200)}, id;
    struct scan_case *c = open_case(&z, stack, 1);
    struct scan_sum sum;
    enum scan_trouble trouble;
    for (int i = 0; i < SCANS; i++)
        assert_int_equal(scan_case_run_here(c, 60, &trouble), 0);
    scan_case_sum(c, 0, &id, &sum);
    print_message("sampled: lost %u of %u, undecided %u\n", sum.lost, sum.checked, sum.undecided);
    assert_int_equal(sum.lost, sum.checked);
    scan_case_free(c);
    stop(&z);
}

// A heap of a gigabyte: bounded time, and the same answers.
static void test_large(void **state)
{
    (void)state;
    struct zoo z;
    struct answer a[32];
    start(&z, getenv("SEEP_TEST_LARGE") ? getenv("SEEP_TEST_LARGE") : "200", 0, NULL);
    int64_t began = (int64_t)now_ms();
    size_t n = ask(&z, NULL, a);
    print_message("four scans in %lld ms\n", (long long)((int64_t)now_ms() - began));
    check_answers(a, n, true);
    stop(&z);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_zoo),
                                       cmocka_unit_test(test_jemalloc),
                                       cmocka_unit_test(test_sampled),
                                       cmocka_unit_test(test_large),
                                       cmocka_unit_test(test_listed),
                                       cmocka_unit_test(test_unknown_blocks_hold),
                                       cmocka_unit_test(test_freed_meanwhile),
                                       cmocka_unit_test(test_listed_worker)};
    cmocka_set_test_filter(getenv("SEEP_TEST_ONLY"));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
