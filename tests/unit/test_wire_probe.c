// The probe in real programs, read from outside: what it counted must be what they say they did.
#include "probe_rig.h"

#include "seep_wire.h"

// ---- the target's own tally against the reader's ----

#define SITES 8
struct site {
    unsigned long start, down;
    unsigned long long bytes, blocks, allocs;
};

static void parse_sites(const char *text, struct site *site)
{
    for (int i = 0; i < SITES; i++) {
        text = strstr(text, "site ");
        assert_non_null(text);
        assert_int_equal(sscanf(text, "site %lx %lx %llu %llu %llu", &site[i].start, &site[i].down, &site[i].bytes,
                                &site[i].blocks, &site[i].allocs),
                         5);
        text += 5;
    }
}

// The site functions are small and lie side by side: a pc belongs to the one that starts last before it.
static int site_of(const struct site *site, uint64_t pc)
{
    int best = -1;
    for (int i = 0; i < SITES; i++)
        if (site[i].start < pc && pc - site[i].start < 256 && (best < 0 || site[i].start > site[best].start))
            best = i;
    return best;
}

static void compare_sites(struct wire *w, const struct site *site)
{
    struct wire_snapshot s = {0};
    struct wire_age_profile age = {0};
    struct seep_err err;
    double bytes[SITES] = {0}, blocks[SITES] = {0}, allocs[SITES] = {0}, aged[SITES] = {0};
    assert_int_equal(wire_snapshot(w, 0, 1, &s, &err), 0);
    assert_int_equal(wire_age_profile(w, 0, &age, &err), 0);
    for (size_t i = 0; i < s.stacks; i++) {
        const struct wire_stack *k = &s.stack[i];
        int at = k->frames ? site_of(site, s.frame[k->first_frame].pc) : -1;
        if (at < 0)
            continue;
        assert_int_equal(k->flags, 0);
        assert_true(k->frames >= 17);
        for (int f = 1; f <= 16; f++) { // sixteen times the recursive function, wherever in it the call is
            uint64_t pc = s.frame[k->first_frame + f].pc;
            assert_true(pc > site[0].down && pc - site[0].down < 512);
        }
        bytes[at] += k->live_bytes;
        blocks[at] += k->live_blocks;
        allocs[at] += k->alloc_blocks;
        for (size_t a = 0; a < age.rows; a++)
            aged[at] += age.row[a].stack == k->id ? age.row[a].bytes : 0;
    }
    for (int i = 0; i < SITES; i++) {
        assert_int_equal((uint64_t)bytes[i], site[i].bytes);
        assert_int_equal((uint64_t)blocks[i], site[i].blocks);
        assert_int_equal((uint64_t)allocs[i], site[i].allocs);
        assert_int_equal((uint64_t)aged[i], site[i].bytes);
    }
    assert_int_equal(s.corrupt, 0);
    assert_int_equal(s.totals.truncated_walks, 0);
    assert_int_equal(s.totals.known_wrong, 0);
    assert_int_equal(s.totals.nested, 0);
    assert_int_equal(s.totals.live_overflow, 0);
    wire_snapshot_free(&s);
    wire_age_profile_free(&age);
}

// The copies for the outside unwinder: each must belong to the stack it names, and hold the very return addresses.
static void check_copies(struct wire *w)
{
    static struct wire_copy copy;
    struct wire_frame frame[128];
    unsigned seen = 0;
    for (; wire_ring_read(w, &copy) == 1; seen++) {
        assert_int_equal(wire_stack_frames(w, copy.stack, frame, 128), copy.frames);
        assert_memory_equal(frame, copy.frame, copy.frames * sizeof *frame);
        assert_true(copy.stack_bytes >= 512 && copy.rip && copy.tid);
        uint64_t *word = (uint64_t *)copy.bytes, found = 0;
        for (size_t f = 0, i = 0; f < copy.frames; f++) // in order, on the copied part of the stack
            for (; i < copy.stack_bytes / 8; i++)
                if (word[i] == copy.frame[f].pc) {
                    found++;
                    break;
                }
        assert_true(found == copy.frames || copy.stack_bytes == sizeof((struct seep_ring_record *)0)->bytes);
    }
    assert_true(seen >= 8);
}

static void tally(unsigned flags, char *threads, char *rounds)
{
    struct region_server s = {0};
    struct site site[SITES];
    char out[8192], *argv[] = {TARGET("probe_tally"), threads, rounds, NULL};
    int fd, status;
    region_server_start(&s, flags);
    int pid = region_spawn(&s, argv, NULL, &fd);
    read_until(fd, "ready\n", out, sizeof out, 60);
    parse_sites(out, site);
    assert_int_equal(region_server_count(&s), 1);
    assert_int_equal(s.pid[0], pid);
    struct wire *w = open_region(&s, 0);
    compare_sites(w, site);
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    compare_sites(w, site); // and it is all still there
    check_copies(w);
    wire_close(w);
    close(fd);
    region_server_stop(&s);
}

static void test_tally_one_thread(void **state)
{
    (void)state;
    tally(0, "1", "300000");
}

static void test_tally_eight_threads(void **state)
{
    (void)state;
    tally(0, "8", "100000");
}

static void test_tally_without_caches(void **state)
{
    (void)state;
    tally(2 | 4, "2", "20000");
}

static void test_tally_without_find_object(void **state)
{
    (void)state;
    tally(1, "2", "50000");
}

// ---- exact in odd places ----

// Starts a target that prints "live BLOCKS BYTES" and waits; returns the running total of stacks that pass `pick`.
struct waiting {
    struct region_server s;
    struct wire *w;
    int pid, fd;
    int in; // its standard input: closing it ends the target
    char out[256];
};

static void start_with(struct waiting *t, char *const argv[], uint64_t mean_bytes)
{
    memset(t, 0, sizeof *t);
    t->s.mean_bytes = mean_bytes;
    t->s.region_bytes = 128u << 20;
    region_server_start(&t->s, 0);
    int in[2];
    assert_int_equal(pipe2(in, O_CLOEXEC), 0);
    int saved = dup(0);
    dup2(in[0], 0);
    t->pid = region_spawn(&t->s, argv, NULL, &t->fd);
    dup2(saved, 0);
    close(saved);
    close(in[0]);
    t->in = in[1];
}

static void start_waiting(struct waiting *t, char *const argv[])
{
    start_with(t, argv, 0);
    read_until(t->fd, "live", t->out, sizeof t->out, 60);
    while (!strchr(t->out, '\n'))
        read_until(t->fd, "\n", t->out + strlen(t->out), sizeof t->out - strlen(t->out), 10);
    t->w = open_region(&t->s, 0);
}

static void end_waiting(struct waiting *t)
{
    int status;
    wire_close(t->w);
    close(t->in);
    assert_int_equal(waitpid(t->pid, &status, 0), t->pid);
    assert_int_equal(status, 0);
    close(t->fd);
    region_server_stop(&t->s);
}

static void test_allocations_in_handlers(void **state)
{
    (void)state;
    struct waiting t;
    char *argv[] = {TARGET("probe_signals"), "20000", NULL};
    unsigned long blocks, bytes;
    double have_blocks = 0, have_bytes = 0;
    start_waiting(&t, argv);
    assert_int_equal(sscanf(t.out, "live %lu %lu", &blocks, &bytes), 2);
    struct wire_snapshot s = {0};
    assert_int_equal(wire_snapshot(t.w, 0, 1, &s, NULL), 0);
    for (size_t i = 0; i < s.stacks; i++) {
        if (!(s.stack[i].flags & 8)) // through a signal frame
            continue;
        assert_int_equal(s.stack[i].flags, 8);
        have_blocks += s.stack[i].live_blocks;
        have_bytes += s.stack[i].live_bytes;
    }
    assert_int_equal((unsigned long)have_blocks, blocks);
    assert_int_equal((unsigned long)have_bytes, bytes);
    wire_snapshot_free(&s);
    end_waiting(&t);
}

static void test_vfork_children_record_as_the_parent(void **state)
{
    (void)state;
    struct waiting t;
    char *argv[] = {TARGET("probe_vfork"), "1000", NULL};
    start_waiting(&t, argv);
    struct wire_blocks b = {0};
    assert_int_equal(wire_live_blocks(t.w, NULL, 0, 100000, &b, NULL), 0);
    unsigned found = 0;
    for (size_t i = 0; i < b.blocks; i++)
        found += b.block[i].bytes == 333;
    assert_int_equal(found, 1000);
    wire_blocks_free(&b);
    end_waiting(&t);
}

static void test_mappings_are_cut(void **state)
{
    (void)state;
    struct waiting t;
    char *argv[] = {TARGET("probe_maps"), NULL};
    unsigned long bytes;
    double have = 0;
    start_waiting(&t, argv);
    assert_int_equal(sscanf(t.out, "live %lu", &bytes), 1);
    struct wire_snapshot s = {0};
    assert_int_equal(wire_snapshot(t.w, 0, 1, &s, NULL), 0);
    for (size_t i = 0; i < s.stacks; i++)
        have += s.stack[i].klass == 1 ? s.stack[i].live_bytes : 0;
    assert_int_equal((unsigned long)have, bytes);
    wire_snapshot_free(&s);
    end_waiting(&t);
}

// The same for what comes by brk, sbrk and shmat, to the byte, and the ways of mremap.
static void test_breaks_and_segments(void **state)
{
    (void)state;
    struct waiting t;
    char *argv[] = {TARGET("probe_breaks"), NULL};
    unsigned long anonymous, shared;
    int errors;
    double have[3] = {0}, blocks[3] = {0};
    start_waiting(&t, argv);
    assert_int_equal(sscanf(t.out, "live %lu %lu %d", &anonymous, &shared, &errors), 3);
    assert_int_equal(errors, 0);
    struct wire_snapshot s = {0};
    assert_int_equal(wire_snapshot(t.w, 0, 1, &s, NULL), 0);
    for (size_t i = 0; i < s.stacks; i++) {
        have[s.stack[i].klass % 3] += s.stack[i].live_bytes;
        blocks[s.stack[i].klass % 3] += s.stack[i].live_blocks;
    }
    assert_int_equal((unsigned long)have[SEEP_CLASS_MMAP], anonymous);
    assert_int_equal((unsigned long)have[SEEP_CLASS_MMAP_FILE], shared);
    assert_true(blocks[SEEP_CLASS_MMAP] < 20 && blocks[SEEP_CLASS_MMAP_FILE] == 2);
    wire_snapshot_free(&s);
    end_waiting(&t);
}

// ---- modes ----

struct answer {
    unsigned blocks;
    unsigned long long bytes;
};

static struct answer tell(struct waiting *t, char what)
{
    struct answer a;
    assert_int_equal(write(t->in, &what, 1), 1);
    read_until(t->fd, "\n", t->out, sizeof t->out, 60);
    assert_int_equal(sscanf(t->out, "live %u %llu", &a.blocks, &a.bytes), 2);
    if (!t->w)
        t->w = open_region(&t->s, 0);
    return a;
}

static struct wire_totals totals_of(struct waiting *t)
{
    struct wire_snapshot s = {0};
    struct seep_err err;
    assert_int_equal(wire_snapshot(t->w, 0, 0, &s, &err), 0);
    struct wire_totals totals = s.totals;
    wire_snapshot_free(&s);
    return totals;
}

// The estimate of all live bytes from the live set, and its standard error.
static double aged_bytes(struct waiting *t, double *sigma)
{
    struct wire_age_profile age = {0};
    struct seep_err err;
    double bytes = 0, var = 0;
    assert_int_equal(wire_age_profile(t->w, 0, &age, &err), 0);
    for (size_t i = 0; i < age.rows; i++) {
        bytes += age.row[i].bytes;
        var += age.row[i].var_bytes2;
    }
    wire_age_profile_free(&age);
    *sigma = __builtin_sqrt(var);
    return bytes;
}

static void test_sampled_estimates(void **state)
{
    (void)state;
    struct waiting t;
    char *argv[] = {TARGET("probe_phases"), NULL};
    start_with(&t, argv, 64 << 10);
    struct answer a = {0};
    double sigma, before = 0;
    for (int i = 0; i < 10; i++)
        a = tell(&t, 'a');
    for (int i = 0; i < 2; i++) {
        double bytes = aged_bytes(&t, &sigma);
        struct wire_totals n = totals_of(&t);
        assert_true(sigma > 0 && sigma < 0.05 * (double)a.bytes);
        assert_true(bytes > (double)a.bytes - 6 * sigma && bytes < (double)a.bytes + 6 * sigma);
        assert_true(n.live_bytes > bytes * 0.999 && n.live_bytes < bytes * 1.001); // the counters say the same
        assert_true((double)(n.usable_alloc_bytes - n.usable_free_bytes) >= (double)a.bytes);
        assert_true((double)(n.usable_alloc_bytes - n.usable_free_bytes) < 1.1 * (double)a.bytes + 2e6);
        assert_true(n.walks < n.alloc_blocks / 4);
        assert_true(bytes != before);
        before = bytes;
        a = tell(&t, 'r');
    }
    tell(&t, 'f');
    assert_true(totals_of(&t).live_bytes < 4 * (64 << 10)); // only what other code holds
    end_waiting(&t);
}

static void test_modes_change_without_a_trace(void **state)
{
    (void)state;
    struct waiting t;
    char *argv[] = {TARGET("probe_phases"), NULL};
    struct seep_err err;
    double sigma;
    start_with(&t, argv, 0);
    uint64_t base = (tell(&t, 't'), (uint64_t)totals_of(&t).live_bytes);
    struct answer exact = tell(&t, 'a');
    assert_int_equal((uint64_t)totals_of(&t).live_bytes, base + exact.bytes);
    assert_int_equal(wire_set_sampling(t.w, 32 << 10, &err), 0);
    tell(&t, 'a');
    assert_int_equal(wire_set_sampling(t.w, 256 << 10, &err), 0);
    struct answer mixed = tell(&t, 'a');
    double bytes = aged_bytes(&t, &sigma);
    assert_true(sigma > 0);
    assert_true(bytes > (double)mixed.bytes - 6 * sigma && bytes < (double)(mixed.bytes + base) + 6 * sigma);
    assert_int_equal(wire_set_sampling(t.w, 0, &err), 0);
    tell(&t, 'r'); // blocks of every epoch change hands
    assert_int_equal(wire_epoch(t.w), 3);
    tell(&t, 'f');
    assert_int_equal((uint64_t)totals_of(&t).live_bytes, base);
    assert_int_equal((uint64_t)aged_bytes(&t, &sigma), base);
    end_waiting(&t);
}

static void test_switched_off(void **state)
{
    (void)state;
    struct waiting t;
    struct wire_hello h;
    char *argv[] = {TARGET("probe_phases"), NULL};
    start_with(&t, argv, 0);
    tell(&t, 'a');
    wire_turn_off(t.w);
    tell(&t, 't');
    wire_hello(t.w, &h);
    assert_true(h.attached && h.off);
    uint64_t allocs = totals_of(&t).alloc_blocks;
    tell(&t, 'r');
    tell(&t, 'f');
    assert_int_equal(totals_of(&t).alloc_blocks, allocs);
    end_waiting(&t);
}

static void allocator_says(char *preload, uint32_t kind)
{
    struct waiting t;
    struct wire_allocator a;
    char *argv[] = {preload ? "env" : TARGET("probe_phases"), preload, TARGET("probe_phases"), NULL};
    start_with(&t, argv, 0);
    tell(&t, 'a');
    if (preload) { // env itself had the first region
        wire_close(t.w);
        t.w = open_region(&t.s, region_server_count(&t.s) - 1);
    }
    wire_request_allocator_stats(t.w);
    struct answer live = tell(&t, 't');
    assert_int_equal(wire_allocator_stats(t.w, &a), 0);
    assert_int_equal(a.kind, kind);
    assert_int_equal(a.state, 1);
    assert_true(a.answers_last_request);
    assert_true(a.cost_ns > 0 && a.time_ns > 0);
    assert_true(a.allocated_bytes >= live.bytes && a.allocated_bytes < 2 * live.bytes);
    wire_request_allocator_stats(t.w);
    assert_int_equal(wire_allocator_stats(t.w, &a), 0);
    assert_false(a.answers_last_request); // it has been idle since
    end_waiting(&t);
}

static void test_glibc_statistics(void **state)
{
    (void)state;
    allocator_says(NULL, 1);
}

static void test_jemalloc_statistics(void **state)
{
    (void)state;
    char preload[] = "LD_PRELOAD=" SEEP_BUILD_DIR "/lib/libseep-probe.so libjemalloc.so.2";
    allocator_says(preload, 2);
}

// ---- code that goes away ----

static void test_plugins_reloaded_at_one_address(void **state)
{
    (void)state;
    struct waiting t;
    char *argv[] = {TARGET("probe_reload"), SEEP_BUILD_DIR "/targets", "10", NULL};
    int rounds, same;
    double bytes[2] = {0};
    start_waiting(&t, argv);
    assert_int_equal(sscanf(t.out, "live %d %d", &rounds, &same), 2);
    assert_true(same > 0); // or this test shows nothing
    struct wire_snapshot s = {0};
    assert_int_equal(wire_snapshot(t.w, 0, 1, &s, NULL), 0);
    for (size_t i = 0; i < s.stacks; i++) {
        struct wire_module m;
        const struct wire_frame *f = &s.frame[s.stack[i].first_frame];
        if (!s.stack[i].frames || wire_module(t.w, f->module, &m) < 0 || !strstr(m.path, "/probe_plugin_"))
            continue;
        int b = strstr(m.path, "probe_plugin_b") != NULL;
        assert_int_equal(s.stack[i].flags, 0);
        assert_true(s.stack[i].frames >= 5);
        bytes[b] += s.stack[i].live_bytes;
    }
    assert_int_equal((int)bytes[0], 5 * 100 * 100);
    assert_int_equal((int)bytes[1], 5 * 100 * 200);
    wire_snapshot_free(&s);
    end_waiting(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tally_one_thread),
        cmocka_unit_test(test_tally_eight_threads),
        cmocka_unit_test(test_tally_without_caches),
        cmocka_unit_test(test_tally_without_find_object),
        cmocka_unit_test(test_allocations_in_handlers),
        cmocka_unit_test(test_vfork_children_record_as_the_parent),
        cmocka_unit_test(test_mappings_are_cut),
        cmocka_unit_test(test_breaks_and_segments),
        cmocka_unit_test(test_sampled_estimates),
        cmocka_unit_test(test_modes_change_without_a_trace),
        cmocka_unit_test(test_switched_off),
        cmocka_unit_test(test_glibc_statistics),
        cmocka_unit_test(test_jemalloc_statistics),
        cmocka_unit_test(test_plugins_reloaded_at_one_address),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
