// Which places in a suspect's blocks values point at by chance, and which are a program's own.
#include "scan/internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
// cmocka.h needs the headers above it
#include <cmocka.h>

enum { BLOCKS = 250 };

struct counts {
    uint64_t hits[SCAN_PLACES], slots[SCAN_PLACES];
    struct scan_suspect out;
};

// BLOCKS blocks of `places` places, each hit `each` times, give or take.
static void spread(struct counts *c, size_t places, uint64_t each)
{
    memset(c, 0, sizeof *c);
    for (size_t p = 0; p < places; p++) {
        c->slots[p] = BLOCKS;
        c->hits[p] = each ? each - each / 5 + p * 7 % (2 * each / 5 + 1) : 0;
    }
}

static uint64_t chance_of(struct counts *c)
{
    scan_chance_places(c->hits, c->slots, &c->out);
    return c->out.by_chance;
}

static void what_places_get_alike_is_chance(void **state)
{
    (void)state;
    struct counts c;
    spread(&c, 12, 50);
    assert_int_equal(chance_of(&c) & 0xfff, 0xfff);
    assert_true(c.out.chance_hits > 50 && c.out.chance_hits < 150);
}

static void the_beginning_or_a_member_stands_out(void **state)
{
    (void)state;
    struct counts c;
    spread(&c, 12, 50);
    c.hits[0] += BLOCKS;
    assert_int_equal(chance_of(&c) & 0xfff, 0xffe);
    c.hits[0] -= BLOCKS;
    c.hits[3] += BLOCKS; // an embedded list
    assert_int_equal(chance_of(&c) & 0xfff, 0xff7);
    c.hits[7] += BLOCKS; // two of them, linked both ways
    assert_int_equal(chance_of(&c) & 0xfff, 0xf77);
}

static void nothing_is_doubted_where_chance_is_not_seen(void **state)
{
    (void)state;
    struct counts c;
    spread(&c, 12, 0);
    c.hits[0] = BLOCKS;
    assert_int_equal(chance_of(&c), 0);
    c.hits[0] = 3; // the table that holds them is read at another moment
    c.hits[2] = BLOCKS;
    assert_int_equal(chance_of(&c), 0);
    assert_true(c.out.chance_hits == 0);
    spread(&c, 2, 50); // too few places to compare
    assert_int_equal(chance_of(&c), 0);
}

static void large_blocks_are_hit_far_behind_their_beginning(void **state)
{
    (void)state;
    struct counts c;
    spread(&c, SCAN_PLACES, 0); // of 64 KiB, 20 of them
    for (size_t p = 0; p < SCAN_PLACES; p++)
        c.slots[p] = 20;
    c.slots[SCAN_PLACES - 1] = 20 * (4096 - SCAN_PLACES + 1);
    c.hits[SCAN_PLACES - 1] = 300;
    c.hits[0] = 1;
    assert_true(chance_of(&c) & 1);
    assert_true(c.out.by_chance >> (SCAN_PLACES - 1) & 1);
    c.hits[0] = 20;
    assert_int_equal(chance_of(&c) & 1, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(what_places_get_alike_is_chance),
                                       cmocka_unit_test(the_beginning_or_a_member_stands_out),
                                       cmocka_unit_test(nothing_is_doubted_where_chance_is_not_seen),
                                       cmocka_unit_test(large_blocks_are_hit_far_behind_their_beginning)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
