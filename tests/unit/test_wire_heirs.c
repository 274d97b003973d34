// What a forked child knows of the blocks it inherited: to the block and byte, whatever the parent does meanwhile.
#include "probe_rig.h"

#include "seep_wire.h"

struct tally {
    int pid;
    unsigned long site;
    long own_blocks, own_bytes, all_blocks, all_bytes;
};

struct family {
    struct region_server s;
    int pid, fd;
    struct tally parent, child;
};

static void read_tally(const char *text, const char *who, struct tally *t)
{
    const char *at = strstr(text, who);
    assert_non_null(at);
    assert_int_equal(sscanf(at + strlen(who), " %d site %lx own %ld %ld all %ld %ld", &t->pid, &t->site, &t->own_blocks,
                            &t->own_bytes, &t->all_blocks, &t->all_bytes),
                     6);
}

static void start_family(struct family *f, char *const argv[], uint64_t mean_bytes)
{
    char out[1024] = "";
    memset(f, 0, sizeof *f);
    f->s.mean_bytes = mean_bytes;
    f->s.region_bytes = 48u << 20;
    region_server_start(&f->s, 0);
    f->pid = region_spawn(&f->s, argv, NULL, &f->fd);
    for (uint64_t until = now_ms() + 60000;
         !strstr(out, "parent") || !strstr(out, "child") || out[strlen(out) - 1] != '\n';) {
        size_t have = strlen(out);
        struct pollfd p = {.fd = f->fd, .events = POLLIN};
        assert_int_equal(poll(&p, 1, (int)(until - now_ms())), 1);
        ssize_t n = read(f->fd, out + have, sizeof out - have - 1);
        assert_true(n > 0);
        out[have + (size_t)n] = 0;
    }
    read_tally(out, "parent", &f->parent);
    read_tally(out, "child", &f->child);
}

static void end_family(struct family *f)
{
    int status;
    kill(f->child.pid, SIGKILL);
    kill(f->pid, SIGKILL);
    assert_int_equal(waitpid(f->pid, &status, 0), f->pid);
    close(f->fd);
    region_server_stop(&f->s);
}

static struct wire *region_of(struct family *f, int pid)
{
    for (unsigned i = 0; i < region_server_count(&f->s); i++)
        if (f->s.pid[i] == pid)
            return open_region(&f->s, i);
    return NULL;
}

// A family whose child has a region with the heritage asked for. A child has half a second for that and a parent that
// goes on meanwhile: on a machine in need of both it may take more than one.
static struct wire *found_family(struct family *f, char *const argv[], uint64_t mean_bytes, uint32_t heritage)
{
    for (int tries = 0; tries < 8; tries++) {
        struct wire_hello hello = {0};
        start_family(f, argv, mean_bytes);
        struct wire *child = region_of(f, f->child.pid);
        if (child)
            wire_hello(child, &hello);
        if (hello.attached && hello.heritage == heritage)
            return child;
        wire_close(child);
        end_family(f);
    }
    fail_msg("no child of eight knew its heritage as it should");
    return NULL;
}

struct sum {
    double live_bytes, live_blocks, inherited_bytes, inherited_blocks;
};

// Sums over the stacks that begin in site().
static void sum_site(struct wire *w, unsigned long site, struct sum *out, struct wire_totals *totals)
{
    struct wire_snapshot s = {0};
    assert_int_equal(wire_snapshot(w, 0, 1, &s, NULL), 0);
    memset(out, 0, sizeof *out);
    for (size_t i = 0; i < s.stacks; i++) {
        const struct wire_stack *k = &s.stack[i];
        if (!k->frames || s.frame[k->first_frame].pc <= site || s.frame[k->first_frame].pc - site > 64)
            continue;
        out->live_bytes += k->live_bytes;
        out->live_blocks += k->live_blocks;
        out->inherited_bytes += k->inherited_bytes;
        out->inherited_blocks += k->inherited_blocks;
    }
    *totals = s.totals;
    wire_snapshot_free(&s);
}

static void check_family(char *const argv[])
{
    struct family f;
    struct sum sum;
    struct wire_totals totals;
    struct wire *child = found_family(&f, argv, 0, SEEP_HERITAGE_KNOWN), *parent = region_of(&f, f.parent.pid);
    sum_site(parent, f.parent.site, &sum, &totals);
    assert_int_equal((long)sum.live_blocks, f.parent.all_blocks);
    assert_int_equal((long)sum.live_bytes, f.parent.all_bytes);
    assert_int_equal(totals.unknown_frees, 0);
    sum_site(child, f.child.site, &sum, &totals);
    assert_int_equal((long)sum.live_blocks, f.child.all_blocks);
    assert_int_equal((long)sum.live_bytes, f.child.all_bytes);
    assert_int_equal((long)(sum.live_blocks - sum.inherited_blocks), f.child.own_blocks);
    assert_int_equal((long)(sum.live_bytes - sum.inherited_bytes), f.child.own_bytes);
    assert_int_equal((long)(totals.live_bytes - totals.inherited_bytes), f.child.own_bytes);
    assert_int_equal(totals.unknown_frees, 0);
    assert_int_equal(totals.inherited_frees, 0);
    wire_close(parent);
    wire_close(child);
    end_family(&f);
}

static void inherits_to_the_block(void **state)
{
    (void)state;
    char *argv[] = {TARGET("harm_heirs"), "20000", "0", NULL};
    check_family(argv);
}

static void inherits_beside_busy_threads(void **state)
{
    (void)state;
    char *argv[] = {TARGET("harm_heirs"), "5000", "3", NULL};
    for (int i = 0; i < 5; i++)
        check_family(argv);
}

// The parent does more than its journal holds before the child looks, or the fork passed unseen: nothing is guessed.
static void unknown_heritage_is_counted_in_sum(void **state)
{
    (void)state;
    struct family f;
    struct wire_totals totals;
    struct sum sum;
    char *argv[] = {TARGET("harm_heirs"), "3000", "0", "clone", NULL};
    struct wire *child = found_family(&f, argv, 0, SEEP_HERITAGE_UNKNOWN);
    sum_site(child, f.child.site, &sum, &totals);
    assert_int_equal(totals.unknown_frees, 0);
    assert_int_equal(totals.inherited_frees, 1000 + 334);
    assert_int_equal((long)sum.live_blocks, 500 + 334); // its own, and those it resized
    assert_true(sum.inherited_blocks == 0);
    wire_close(child);
    end_family(&f);
}

static void sampled_growth_of_the_child(void **state)
{
    (void)state;
    struct family f;
    struct sum sum;
    struct wire_totals totals;
    char *argv[] = {TARGET("harm_heirs"), "20000", "0", NULL};
    struct wire *child = found_family(&f, argv, 4096, SEEP_HERITAGE_KNOWN);
    sum_site(child, f.child.site, &sum, &totals);
    double usable = (double)totals.usable_alloc_bytes - (double)totals.usable_free_bytes;
    double rounding = 16 * 20000; // the allocator's block is up to so much larger
    assert_true(usable > (double)f.child.own_bytes - rounding && usable < (double)f.child.own_bytes + rounding);
    assert_true(sum.live_bytes > 0.9 * (double)f.child.all_bytes && sum.live_bytes < 1.1 * (double)f.child.all_bytes);
    wire_close(child);
    end_family(&f);
}

// Both threads of the child must have a place of their own there to count in, whichever of them came first.
static unsigned slots_taken(const struct region_server *s, unsigned i)
{
    struct seep_layout l;
    struct seep_thread_slot slot[8];
    unsigned taken = 0;
    assert_int_equal(seep_layout_compute(s->region_bytes, &l), 0);
    assert_int_equal(pread(s->fd[i], slot, sizeof slot, (off_t)l.threads_offset), sizeof slot);
    for (unsigned k = 1; k < 8; k++)
        taken += slot[k].owner != 0;
    return taken;
}

static bool has_attached(struct region_server *s, unsigned i)
{
    uint32_t at = 0;
    return i < region_server_count(s) &&
           pread(s->fd[i], &at, sizeof at, offsetof(struct seep_header, state)) == sizeof at && at == SEEP_PROBE_ON;
}

// A child that waited too long for its region goes without: then once more.
static void child_that_begins_on_another_thread(void **state)
{
    (void)state;
    static char preload[] = "LD_PRELOAD=" SEEP_BUILD_DIR "/lib/libseep-probe.so", out[4096];
    char *argv[] = {TARGET("probe_heirs"), NULL}, *env[] = {preload, NULL};
    bool attached = false;
    for (unsigned i = 0; i < 60 && !attached; i++) {
        struct region_server s = {.region_bytes = 64u << 20};
        region_server_start(&s, 0);
        assert_int_equal(region_run(&s, argv, env, out, sizeof out, 60), 0);
        attached = has_attached(&s, 1);
        if (attached)
            assert_int_equal(slots_taken(&s, 1), 2);
        region_server_stop(&s);
    }
    assert_true(attached);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(inherits_to_the_block),
        cmocka_unit_test(inherits_beside_busy_threads),
        cmocka_unit_test(unknown_heritage_is_counted_in_sum),
        cmocka_unit_test(sampled_growth_of_the_child),
        cmocka_unit_test(child_that_begins_on_another_thread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
