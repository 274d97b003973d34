// The mappings of a program watched from outside: what calls of mmap, munmap and mremap add up to, page by page.
#include "run/tap_live.h"
#include "run/tap_maps.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { PAGE = 4096, STACK = 0x7000, FAILED = -12 };
enum { F_MAP, F_UNMAP, F_REMAP, F_MALLOC };
static const struct tap_point points[] = {[F_MAP] = {TAP_MAP, F_MAP, false},
                                          [F_UNMAP] = {TAP_UNMAP, F_UNMAP, false},
                                          [F_REMAP] = {TAP_REMAP, F_REMAP, false},
                                          [F_MALLOC] = {TAP_MALLOC, F_MALLOC, false}};
#define OWN_CALLER     0x50
#define PROGRAM_CALLER 0x90

static bool own_map(pid_t pid, uint64_t caller, void *ctx)
{
    (void)pid, (void)ctx;
    return caller == OWN_CALLER;
}

static struct tap_live *fresh(void)
{
    struct tap_live *l = tap_live_new(100);
    tap_live_set_asks(l, NULL, NULL, own_map, NULL);
    return l;
}

static void enter(struct tap_live *l, int f, uint64_t sp, const uint64_t args[4], uint32_t slot, uint64_t caller)
{
    struct linux_uprobe_record r = {.type = LINUX_UPROBE_HIT, .pid = 1, .tid = 1};
    r.value[5] = args[0], r.value[4] = args[1], r.value[1] = args[2], r.value[2] = args[3], r.value[7] = sp;
    tap_live_take(l, &r, &points[f], slot, caller);
}

static void leave(struct tap_live *l, int f, uint64_t sp, uint64_t result)
{
    struct tap_point p = points[f];
    struct linux_uprobe_record r = {.type = LINUX_UPROBE_HIT, .pid = 1, .tid = 1};
    p.is_return = true;
    r.value[0] = result, r.value[7] = sp + 8;
    tap_live_take(l, &r, &p, TAP_SLOT_OTHER, 0);
}

#define ARGS(...) ((const uint64_t[4]){__VA_ARGS__})

static void map_by(struct tap_live *l, uint64_t at, uint64_t bytes, uint32_t slot, uint64_t caller)
{
    enter(l, F_MAP, STACK, ARGS(0, bytes), slot, caller);
    leave(l, F_MAP, STACK, at);
}

static void map(struct tap_live *l, uint64_t at, uint64_t bytes, uint32_t slot)
{
    map_by(l, at, bytes, slot, PROGRAM_CALLER);
}

static void unmap(struct tap_live *l, uint64_t at, uint64_t bytes)
{
    enter(l, F_UNMAP, STACK, ARGS(at, bytes), 0, PROGRAM_CALLER);
}

static void expect(const struct tap_live *l, uint32_t slot, uint64_t pages, uint64_t ranges)
{
    assert_int_equal(tap_live_map_sums(l)[slot].live_bytes, pages * PAGE);
    assert_int_equal(tap_live_map_sums(l)[slot].live_blocks, ranges);
}

static void ranges_are_cut_as_the_kernel_does(void **state)
{
    (void)state;
    struct tap_live *l = fresh();
    map(l, 0x100000, 10 * PAGE - 5, 3); // whole pages
    expect(l, 3, 10, 1);
    unmap(l, 0x100000 + 4 * PAGE, PAGE); // a hole
    expect(l, 3, 9, 2);
    unmap(l, 0x100000, 1); // the first page
    expect(l, 3, 8, 2);
    map(l, 0x200000, 2 * PAGE, 4);
    unmap(l, 0x100000 + 8 * PAGE, 0x201000 - 0x108000); // the end of one, and over the beginning of the next
    expect(l, 3, 6, 2);
    expect(l, 4, 1, 1);
    unmap(l, 0x100000, 0x200000); // all of it
    expect(l, 3, 0, 0);
    expect(l, 4, 0, 0);
    assert_int_equal(tap_live_map_doubt(l), 0);
    unmap(l, 0x700000, PAGE); // from before
    unmap(l, 0x700001, PAGE); // not a page: the kernel refuses it
    unmap(l, 0x700000, 0);
    assert_int_equal(tap_live_map_doubt(l), 1);
    assert_int_equal(tap_live_doubt(l), 0); // of the heap there is none
    assert_int_equal(tap_live_sums(l)[3].alloc_blocks, 0);
    assert_int_equal(tap_live_counts(l)->allocs, 0);
    tap_live_free(l);
}

static void what_is_mapped_over_is_gone(void **state)
{
    (void)state;
    struct tap_live *l = fresh();
    map(l, 0x100000, 8 * PAGE, 3);
    map(l, 0x100000 + 2 * PAGE, 2 * PAGE, 4); // MAP_FIXED
    expect(l, 3, 6, 2);
    expect(l, 4, 2, 1);
    map_by(l, 0x100000, 8 * PAGE, 5, OWN_CALLER); // the allocator has it now
    expect(l, 3, 0, 0);
    expect(l, 4, 0, 0);
    expect(l, 5, 0, 0);
    map(l, (uint64_t)FAILED, PAGE, 3);
    expect(l, 3, 0, 0);
    tap_live_free(l);
}

static void moved_and_grown(void **state)
{
    (void)state;
    struct tap_live *l = fresh();
    map(l, 0x100000, 4 * PAGE, 3);
    enter(l, F_REMAP, STACK, ARGS(0x100000, 4 * PAGE, 9 * PAGE, 1), 6, PROGRAM_CALLER);
    expect(l, 3, 0, 0); // out at once: another thread may get the range
    leave(l, F_REMAP, STACK, 0x400000);
    expect(l, 6, 9, 1);
    enter(l, F_REMAP, STACK, ARGS(0x400000, 9 * PAGE, 20 * PAGE, 0), 7, PROGRAM_CALLER);
    leave(l, F_REMAP, STACK, (uint64_t)FAILED); // as it was
    expect(l, 6, 9, 1);
    expect(l, 7, 0, 0);
    enter(l, F_REMAP, STACK, ARGS(0x400000, 9 * PAGE, 2 * PAGE, 0), 7, PROGRAM_CALLER);
    leave(l, F_REMAP, STACK, 0x400000); // made smaller
    expect(l, 7, 2, 1);
    enter(l, F_REMAP, STACK, ARGS(0x900000, PAGE, 3 * PAGE, 1), 7, PROGRAM_CALLER); // one from before
    leave(l, F_REMAP, STACK, 0xa00000);
    assert_int_equal(tap_live_map_doubt(l), 1);
    tap_live_free(l);
}

static void the_allocators_own_do_not_count(void **state)
{
    (void)state;
    struct tap_live *l = fresh();
    enter(l, F_MALLOC, STACK, ARGS(1 << 20), 2, PROGRAM_CALLER);
    enter(l, F_MAP, STACK - 0x100, ARGS(0, 1 << 20), 3, PROGRAM_CALLER); // one that is linked into the program
    leave(l, F_MAP, STACK - 0x100, 0x100000);
    leave(l, F_MALLOC, STACK, 0x100010);
    expect(l, 3, 0, 0);
    assert_int_equal(tap_live_sums(l)[2].live_bytes, 1 << 20);
    map_by(l, 0x900000, 8 << 20, 3, OWN_CALLER); // the stack of a thread
    expect(l, 3, 0, 0);
    enter(l, F_UNMAP, STACK, ARGS(0x900000, 8 << 20), 0, OWN_CALLER);
    assert_int_equal(tap_live_map_doubt(l), 0);
    tap_live_free(l);
}

static bool none_lives(pid_t pid, void *ctx)
{
    (void)pid, (void)ctx;
    return false;
}

static void processes_end_and_ages_are_told(void **state)
{
    (void)state;
    static double bytes[8 * TAP_EPOCHS], ranges[8 * TAP_EPOCHS];
    struct tap_live *l = fresh();
    tap_live_set_epoch(l, 2);
    map(l, 0x100000, PAGE, 3);
    tap_live_set_epoch(l, 5);
    map(l, 0x200000, 3 * PAGE, 3);
    tap_live_ages(l, 8, bytes, ranges);
    assert_true(bytes[3 * TAP_EPOCHS + 2] == PAGE && bytes[3 * TAP_EPOCHS + 5] == 3 * PAGE);
    assert_true(ranges[3 * TAP_EPOCHS + 2] == 1 && ranges[3 * TAP_EPOCHS + 5] == 1);
    tap_live_drop_dead(l, none_lives, NULL);
    expect(l, 3, 0, 0);
    tap_live_free(l);
}

// Against a map of pages: whatever is mapped, unmapped and replaced, both say the same.
static void random_calls_agree_with_a_map_of_pages(void **state)
{
    (void)state;
    enum { PAGES = 256, SLOTS = 5 };
    uint32_t owner[PAGES] = {0}, seed = 12345;
    struct tap_live *l = fresh();
    for (int i = 0; i < 20000; i++) {
        seed = seed * 1664525 + 1013904223;
        uint32_t from = seed >> 8 & (PAGES - 1), n = 1 + (seed >> 16 & 31), slot = 1 + seed % (SLOTS - 1);
        n = from + n > PAGES ? PAGES - from : n;
        bool maps = seed >> 30 & 1;
        for (uint32_t k = from; k < from + n; k++)
            owner[k] = maps ? slot : 0;
        if (maps)
            map(l, 0x100000 + (uint64_t)from * PAGE, (uint64_t)n * PAGE, slot);
        else
            unmap(l, 0x100000 + (uint64_t)from * PAGE, (uint64_t)n * PAGE);
        uint64_t want[SLOTS] = {0};
        for (uint32_t k = 0; k < PAGES; k++)
            want[owner[k]]++;
        for (uint32_t s = 1; s < SLOTS; s++)
            assert_int_equal(tap_live_map_sums(l)[s].live_bytes, want[s] * PAGE);
    }
    tap_live_free(l);
}

static void more_than_there_is_room_for(void **state)
{
    (void)state;
    struct tap_maps m;
    struct tap_range was;
    assert_int_equal(tap_maps_init(&m), 0);
    for (uint64_t i = 0; i < TAP_MAPS_MAX + 10; i++)
        tap_maps_add(&m, &(struct tap_range){2 * i * PAGE, (2 * i + 1) * PAGE, 1, 1, 0});
    assert_int_equal(m.overflowed, 10);
    assert_int_equal(m.sums[1].live_blocks, TAP_MAPS_MAX);
    tap_maps_cut(&m, 2, 0, UINT64_MAX - PAGE, &was); // somebody else's
    assert_int_equal(was.pid, 0);
    tap_maps_cut(&m, 1, 0, UINT64_MAX - PAGE, &was);
    assert_int_equal(m.n, 0);
    assert_int_equal(m.sums[1].live_bytes, 0);
    tap_maps_free(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ranges_are_cut_as_the_kernel_does),
        cmocka_unit_test(what_is_mapped_over_is_gone),
        cmocka_unit_test(moved_and_grown),
        cmocka_unit_test(the_allocators_own_do_not_count),
        cmocka_unit_test(processes_end_and_ages_are_told),
        cmocka_unit_test(random_calls_agree_with_a_map_of_pages),
        cmocka_unit_test(more_than_there_is_room_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
