// Past the ceilings of a region: more call stacks than there is room for, more live blocks than the live set holds.
// What does not fit counts as (other), to the block and the byte, and the reader's own ceiling loses nothing either.
#include "probe_rig.h"

struct told {
    unsigned long made, live, live_bytes;
};

static void run_under(struct region_server *s, const char *stacks, const char *each, struct told *t)
{
    char out[128], *argv[] = {TARGET("many_stacks"), (char *)stacks, (char *)each, NULL};
    region_server_start(s, 0);
    assert_int_equal(region_run(s, argv, NULL, out, sizeof out, 120), 0);
    assert_int_equal(sscanf(out, "%lu %lu %lu", &t->made, &t->live, &t->live_bytes), 3);
}

// Sums over the stacks as given, (other) among them, are the program's own.
static void sums_are(const struct wire_snapshot *s, const struct told *t)
{
    double made = 0, live = 0, live_bytes = 0;
    for (size_t i = 0; i < s->stacks; i++) {
        made += s->stack[i].klass == 0 ? s->stack[i].alloc_blocks : 0;
        live += s->stack[i].klass == 0 ? s->stack[i].live_blocks : 0;
        live_bytes += s->stack[i].klass == 0 ? s->stack[i].live_bytes : 0;
    }
    assert_int_equal(s->totals.alloc_blocks, t->made);
    assert_int_equal(s->totals.alloc_blocks - s->totals.free_blocks, t->live);
    assert_int_equal((uint64_t)made, t->made);
    assert_int_equal((uint64_t)live, t->live);
    assert_int_equal((uint64_t)live_bytes, t->live_bytes);
    assert_int_equal((uint64_t)s->totals.live_blocks, t->live);
    assert_int_equal((uint64_t)s->totals.live_bytes, t->live_bytes);
    assert_int_equal(s->corrupt, 0);
}

static void check(uint64_t region_bytes, const char *stacks, const char *each, int full)
{
    struct region_server s = {.region_bytes = region_bytes};
    struct wire_snapshot all = {0}, few = {0};
    struct told t;
    run_under(&s, stacks, each, &t);
    struct wire *w = open_region(&s, 0);
    assert_int_equal(wire_snapshot(w, 1u << 24, 0, &all, NULL), 0);
    sums_are(&all, &t);
    assert_true(!full == (all.totals.stack_overflow + all.totals.live_overflow == 0)); // and it is said
    assert_true(full || all.stacks >= strtoul(stacks, NULL, 10));
    assert_int_equal(wire_snapshot(w, all.stacks / 2, 0, &few, NULL), 0);
    assert_int_equal(few.stacks, all.stacks / 2);
    assert_int_equal(few.left_out, all.stacks - all.stacks / 2);
    assert_int_equal(few.stack[0].id, 1); // (other) has what was left out
    sums_are(&few, &t);
    wire_snapshot_free(&all);
    wire_snapshot_free(&few);
    wire_close(w);
    region_server_stop(&s);
}

static unsigned long scale(void)
{
    const char *v = getenv("SEEP_HARM_SCALE");
    return v && atoi(v) > 0 ? (unsigned long)atoi(v) : 1;
}

static void test_more_stacks_than_room(void **state)
{
    (void)state;
    char stacks[24];
    snprintf(stacks, sizeof stacks, "%lu", scale() > 1 ? 1000000ul : 100000ul); // a million at any scale but 1
    check(32ull << 20, stacks, "1", 1);
}

static void test_more_blocks_than_room(void **state)
{
    (void)state;
    check(8ull << 20, "2000", "1500", 1);
}

static void test_all_fits(void **state)
{
    (void)state;
    check(64ull << 20, "20000", "2", 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_more_stacks_than_room),
        cmocka_unit_test(test_more_blocks_than_room),
        cmocka_unit_test(test_all_fits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
