// Watching an allocator from outside, the pure parts: where a breakpoint may stand, what calls add up to, and how
// stacks are recognised.
#include "run/tap_code.h"
#include "run/tap_live.h"
#include "run/tap_trie.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

// ---- tap_code

static void skip_of_known_beginnings(void **state)
{
    (void)state;
    static const uint8_t glibc_malloc[] = {0x41, 0x54, 0x55, 0x53, 0x48, 0x89, 0xfb};
    static const uint8_t glibc_free[] = {0x48, 0x85, 0xff, 0x0f, 0x84, 0xbf, 0, 0, 0};
    static const uint8_t jemalloc_malloc[] = {0x48, 0x81, 0xff, 0, 0x10, 0, 0, 0x0f, 0x87, 0x93, 0, 0, 0};
    static const uint8_t jemalloc_free[] = {
        0x48, 0x89, 0xf8, 0x48, 0x8b, 0x15, 0x0e, 0x53, 0x0a, 0,    0x48, 0x89, 0xf9, 0x48, 0xc1, 0xe8, 0x1a, 0x48,
        0x81, 0xe1, 0,    0,    0,    0xc0, 0x25, 0xf0, 0,    0,    0,    0x64, 0x48, 0x03, 0x04, 0x25, 0,    0,
        0,    0,    0x48, 0x01, 0xd0, 0x48, 0x3b, 0x88, 0xb0, 0x01, 0,    0,    0x0f, 0x85, 0x8a, 0,    0,    0};
    static const uint8_t memalign[] = {0x80, 0x3d, 0x71, 0x0e, 0x14, 0, 0, 0x74, 0x07};
    assert_int_equal(tap_code_skip(glibc_malloc, sizeof glibc_malloc, TAP_CODE_RDI), 0);
    assert_int_equal(tap_code_skip(glibc_free, sizeof glibc_free, TAP_CODE_RDI), 3);
    assert_int_equal(tap_code_skip(jemalloc_malloc, sizeof jemalloc_malloc, TAP_CODE_RDI), 7);
    assert_int_equal(tap_code_skip(jemalloc_free, sizeof jemalloc_free, TAP_CODE_RDI), 48);
    assert_int_equal(tap_code_skip(memalign, sizeof memalign, TAP_CODE_RDI | TAP_CODE_RSI), 7);
}

// What spoils an argument, the stack or is not known ends the search at the entry, never in the middle.
static void skip_is_careful(void **state)
{
    (void)state;
    static const uint8_t spoils_rdi[] = {0x31, 0xff, 0x74, 0x07};                  // xor edi, edi; je
    static const uint8_t spoils_rsi[] = {0x48, 0x8d, 0x77, 0xf0, 0x53};            // lea rsi, [rdi-16]; push
    static const uint8_t moves_rsp[] = {0x48, 0x83, 0xec, 0x18, 0xe8, 0, 0, 0, 0}; // sub rsp, 24; call
    static const uint8_t unknown[] = {0x0f, 0xae, 0xf0, 0x53};                     // mfence; push
    static const uint8_t cut[] = {0x48, 0x81, 0xff, 0x00};                         // cmp rdi, ...
    static const uint8_t to_memory[] = {0x48, 0x89, 0x07, 0x53};                   // mov [rdi], rax; push
    assert_int_equal(tap_code_skip(spoils_rdi, sizeof spoils_rdi, TAP_CODE_RDI), 0);
    assert_int_equal(tap_code_skip(spoils_rsi, sizeof spoils_rsi, TAP_CODE_RDI | TAP_CODE_RSI), 0);
    assert_int_equal(tap_code_skip(spoils_rsi, sizeof spoils_rsi, TAP_CODE_RDI), 4);
    assert_int_equal(tap_code_skip(moves_rsp, sizeof moves_rsp, TAP_CODE_RDI), 0);
    assert_int_equal(tap_code_skip(unknown, sizeof unknown, TAP_CODE_RDI), 0);
    assert_int_equal(tap_code_skip(cut, sizeof cut, TAP_CODE_RDI), 0);
    assert_int_equal(tap_code_skip(to_memory, sizeof to_memory, TAP_CODE_RDI), 0);
    assert_int_equal(tap_code_skip(cut, 0, TAP_CODE_RDI), 0);
}

// ---- tap_live

enum { F_MALLOC, F_REALLOC, F_FREE, F_POSIX, F_DELETE };
static const struct tap_point points[] = {[F_MALLOC] = {TAP_MALLOC, F_MALLOC, false},
                                          [F_REALLOC] = {TAP_REALLOC, F_REALLOC, false},
                                          [F_FREE] = {TAP_FREE, F_FREE, false},
                                          [F_POSIX] = {TAP_POSIX, F_POSIX, false},
                                          [F_DELETE] = {TAP_FREE, F_DELETE, false}};

static void enter_in(struct tap_live *l, pid_t pid, pid_t tid, int f, uint64_t sp, uint64_t rdi, uint64_t rsi,
                     uint32_t slot)
{
    struct linux_uprobe_record r = {.type = LINUX_UPROBE_HIT, .pid = pid, .tid = tid};
    r.value[5] = rdi, r.value[4] = rsi, r.value[1] = rsi, r.value[7] = sp;
    tap_live_take(l, &r, &points[f], slot, 0x1234);
}

static void enter(struct tap_live *l, pid_t tid, int f, uint64_t sp, uint64_t rdi, uint64_t rsi, uint32_t slot)
{
    enter_in(l, 1, tid, f, sp, rdi, rsi, slot);
}

static void leave(struct tap_live *l, pid_t tid, int f, uint64_t sp, uint64_t result)
{
    struct tap_point p = points[f];
    struct linux_uprobe_record r = {.type = LINUX_UPROBE_HIT, .pid = 1, .tid = tid};
    p.is_return = true;
    r.value[0] = result, r.value[7] = sp + 8;
    tap_live_take(l, &r, &p, TAP_SLOT_OTHER, 0);
}

static void make(struct tap_live *l, pid_t tid, uint64_t address, uint64_t size, uint32_t slot)
{
    enter(l, tid, F_MALLOC, 0x7000, size, 0, slot);
    leave(l, tid, F_MALLOC, 0x7000, address);
}

static void expect(struct tap_live *l, uint32_t slot, uint64_t bytes, uint64_t blocks)
{
    assert_int_equal(tap_live_sums(l)[slot].live_bytes, bytes);
    assert_int_equal(tap_live_sums(l)[slot].live_blocks, blocks);
}

static void blocks_live_and_end(void **state)
{
    (void)state;
    struct tap_live *l = tap_live_new(1000);
    make(l, 1, 0x1000, 100, 5);
    make(l, 2, 0x2000, 50, 5);
    make(l, 1, 0, 70, 5); // malloc failed
    expect(l, 5, 150, 2);
    enter(l, 2, F_FREE, 0x7000, 0x1000, 0, 0); // freed by another thread
    enter(l, 2, F_FREE, 0x7000, 0, 0, 0);      // free(NULL)
    expect(l, 5, 50, 1);
    assert_int_equal(tap_live_sums(l)[5].alloc_blocks, 2);
    assert_int_equal(tap_live_doubt(l), 0);
    enter(l, 1, F_FREE, 0x7000, 0x9999, 0, 0); // from before
    assert_int_equal(tap_live_counts(l)->old_frees, 1);
    assert_int_equal(tap_live_doubt(l), 1);
    tap_live_free(l);
}

static void realloc_moves_fails_and_frees(void **state)
{
    (void)state;
    struct tap_live *l = tap_live_new(1000);
    make(l, 1, 0x1000, 100, 5);
    enter(l, 1, F_REALLOC, 0x7000, 0x1000, 300, 6);
    make(l, 2, 0x1000, 10, 7); // another thread gets the old address before realloc() returns
    leave(l, 1, F_REALLOC, 0x7000, 0x3000);
    expect(l, 5, 0, 0);
    expect(l, 6, 300, 1);
    expect(l, 7, 10, 1);
    enter(l, 1, F_REALLOC, 0x7000, 0x3000, 1000, 8);
    leave(l, 1, F_REALLOC, 0x7000, 0); // failed: as before
    expect(l, 6, 300, 1);
    enter(l, 1, F_REALLOC, 0x7000, 0x3000, 0, 8);
    leave(l, 1, F_REALLOC, 0x7000, 0); // freed
    expect(l, 6, 0, 0);
    assert_int_equal(tap_live_doubt(l), 0);
    enter(l, 1, F_REALLOC, 0x7000, 0xbbbb, 20, 8); // a block from before: the new one is no growth
    leave(l, 1, F_REALLOC, 0x7000, 0xcccc);
    assert_int_equal(tap_live_doubt(l), 1);
    tap_live_free(l);
}

static void inner_calls_do_not_count(void **state)
{
    (void)state;
    struct tap_live *l = tap_live_new(1000);
    enter(l, 1, F_REALLOC, 0x7000, 0, 64, 6);
    enter(l, 1, F_MALLOC, 0x6f00, 64, 0, 9);
    leave(l, 1, F_MALLOC, 0x6f00, 0x1000);
    leave(l, 1, F_REALLOC, 0x7000, 0x1000);
    expect(l, 6, 64, 1);
    expect(l, 9, 0, 0);
    enter(l, 1, F_DELETE, 0x7000, 0x1000, 0, 0); // operator delete jumps to free()
    enter(l, 1, F_FREE, 0x7000, 0x1000, 0, 0);
    expect(l, 6, 0, 0);
    assert_int_equal(tap_live_doubt(l), 0);
    tap_live_free(l);
}

static void lost_records_are_never_silent(void **state)
{
    (void)state;
    struct tap_live *l = tap_live_new(1000);
    make(l, 1, 0x1000, 100, 5);
    make(l, 1, 0x1000, 30, 6); // its free was lost: the address was given out again
    expect(l, 5, 0, 0);
    expect(l, 6, 30, 1);
    assert_int_equal(tap_live_counts(l)->replaced, 1);
    enter(l, 1, F_MALLOC, 0x7000, 10, 0, 5); // its return was lost
    make(l, 1, 0x2000, 20, 5);
    assert_int_equal(tap_live_counts(l)->unpaired, 1);
    expect(l, 5, 20, 1);
    leave(l, 1, F_MALLOC, 0x6000, 0x3000); // its call was lost
    assert_int_equal(tap_live_counts(l)->unpaired, 2);
    struct linux_uprobe_record lost = {.type = LINUX_UPROBE_LOST, .lost = 7};
    tap_live_take(l, &lost, &points[0], 0, 0);
    assert_int_equal(tap_live_doubt(l), 9);
    leave(l, 3, F_MALLOC, 0x7000, 0x4000); // the first of a thread: it was in malloc() when the watching began
    assert_int_equal(tap_live_doubt(l), 9);
    tap_live_free(l);
}

struct told {
    unsigned blocks;
    uint64_t bytes, addresses;
};

static int tell_block(pid_t pid, uint64_t address, uint64_t bytes, uint32_t slot, uint32_t epoch, void *ctx)
{
    struct told *t = ctx;
    assert_true(pid == 1 || pid == 2);
    assert_int_equal(slot, pid == 1 ? 5 : 6);
    assert_int_equal(epoch, 3);
    t->bytes += bytes;
    t->addresses += address;
    return ++t->blocks == 3;
}

// What the memory scan works on; and how many of them may be free already.
static void blocks_are_told_one_by_one(void **state)
{
    (void)state;
    struct tap_live *l = tap_live_new(1000);
    struct told t = {0};
    tap_live_set_epoch(l, 3);
    assert_int_equal(tap_live_epoch(l), 3);
    make(l, 1, 0x1000, 100, 5);
    make(l, 1, 0x2000, 10, 5);
    enter(l, 1, F_FREE, 0x7000, 0x2000, 0, 0);
    enter_in(l, 2, 9, F_REALLOC, 0x7000, 0, 70, 6);
    struct tap_point p = points[F_REALLOC];
    struct linux_uprobe_record r = {.type = LINUX_UPROBE_HIT, .pid = 2, .tid = 9};
    p.is_return = true;
    r.value[0] = 0x1000, r.value[7] = 0x7008;
    tap_live_take(l, &r, &p, TAP_SLOT_OTHER, 0);
    assert_int_equal(tap_live_each(l, 0, tell_block, &t), 0);
    assert_int_equal(t.blocks, 2);
    assert_int_equal(t.bytes, 170);
    t = (struct told){0};
    assert_int_equal(tap_live_each(l, 1, tell_block, &t), 0);
    assert_int_equal(t.addresses, 0x1000);
    assert_int_equal(t.blocks, 1);
    t.blocks = 2; // the next one stops it
    assert_int_equal(tap_live_each(l, 0, tell_block, &t), 1);
    assert_int_equal(tap_live_missed(l), 0);
    make(l, 1, 0x1000, 30, 5); // given out again, but not seen freed
    assert_int_equal(tap_live_missed(l), 1);
    r = (struct linux_uprobe_record){.type = LINUX_UPROBE_LOST, .lost = 7};
    tap_live_take(l, &r, &points[F_FREE], TAP_SLOT_OTHER, 0);
    assert_int_equal(tap_live_missed(l), 8);
    tap_live_free(l);
}

static void ceiling_holds(void **state)
{
    (void)state;
    struct tap_live *l = tap_live_new(20000);
    for (uint64_t i = 0; i < 30000; i++)
        make(l, 1, 0x100000 + i * 32, 16, 5);
    expect(l, 5, 20000 * 16, 20000);
    assert_int_equal(tap_live_counts(l)->overflowed, 10000);
    for (uint64_t i = 0; i < 20000; i++)
        enter(l, 1, F_FREE, 0x7000, 0x100000 + i * 32, 0, 0);
    expect(l, 5, 0, 0);
    tap_live_free(l);
}

static void processes_end(void **state)
{
    (void)state;
    struct tap_live *l = tap_live_new(1000);
    for (uint64_t i = 0; i < 100; i++)
        make(l, 1, 0x1000 + i * 64, 10, 5);
    enter_in(l, 2, 20, F_FREE, 0x7000, 0x1000, 0, 0); // a child's copy of the block: the parent's lives
    expect(l, 5, 1000, 100);
    struct linux_uprobe_record exec = {.type = LINUX_UPROBE_EXEC, .pid = 1, .tid = 1};
    tap_live_take(l, &exec, &points[0], 0, 0);
    expect(l, 5, 0, 0);
    tap_live_free(l);
}

static bool says(pid_t pid, uint64_t address, uint64_t *value, void *ctx)
{
    (void)pid, (void)address;
    *value = *(uint64_t *)ctx;
    return true;
}

static bool own(pid_t pid, uint64_t caller, void *ctx)
{
    (void)pid, (void)ctx;
    return caller == 0x1234;
}

static void asks_are_used(void **state)
{
    (void)state;
    uint64_t address = 0x5000;
    struct tap_live *l = tap_live_new(1000);
    tap_live_set_asks(l, says, own, NULL, &address);
    enter(l, 1, F_POSIX, 0x7000, 0x6ff0, 128, 5);
    leave(l, 1, F_POSIX, 0x7000, 0);
    expect(l, 5, 128, 1);
    assert_int_equal(tap_live_counts(l)->guessed, 1);
    enter(l, 1, F_FREE, 0x7000, 0x9999, 0, 0); // the allocator frees what it made itself
    assert_int_equal(tap_live_counts(l)->old_frees, 0);
    tap_live_free(l);
}

// ---- tap_trie

struct stack {
    uint64_t words[64];
    struct linux_uprobe_record r;
    struct resolve_unwound u;
};

#define BASE 0x7fff0000ull

// Three frames: entry, a(32 bytes), b(rbp-based when bp), outermost.
static void lay(struct stack *s, size_t a, bool bp, uint64_t pc_b)
{
    memset(s, 0, sizeof *s);
    uint64_t sp1 = BASE + 8, sp2 = sp1 + a * 8 + 8, sp3 = sp2 + 40;
    s->words[0] = 0xa1;
    s->words[(sp2 - BASE) / 8 - 1] = pc_b;
    s->words[(sp3 - BASE) / 8 - 1] = 0xc1;
    s->r.value[7] = BASE;
    s->r.value[6] = bp ? sp2 - 16 : 0x55;
    s->r.stack = (const uint8_t *)s->words;
    s->r.stack_bytes = sizeof s->words;
    s->u.n = s->u.guessed_from = 4;
    uint64_t pcs[] = {0x11, 0xa1, pc_b, 0xc1}, sps[] = {BASE, sp1, sp2, sp3};
    for (size_t i = 0; i < 4; i++) {
        s->u.pc[i] = pcs[i];
        s->u.sp[i] = sps[i];
        s->u.bp[i] = s->r.value[6];
    }
}

static void stacks_are_recognised(void **state)
{
    (void)state;
    static struct stack s, other;
    struct tap_trie *t = tap_trie_new(1000);
    lay(&s, 4, false, 0xb1);
    assert_int_equal(tap_trie_find(t, 1, &s.r), 0);
    assert_true(tap_trie_add(t, 1, &s.r, &s.u, 4, 41));
    assert_int_equal(tap_trie_find(t, 1, &s.r), 42);
    s.words[2] = 0xdead; // data between the return addresses does not matter
    assert_int_equal(tap_trie_find(t, 1, &s.r), 42);
    assert_int_equal(tap_trie_find(t, 2, &s.r), 0); // another function or process
    lay(&other, 4, false, 0xb2);
    assert_int_equal(tap_trie_find(t, 1, &other.r), 0);
    assert_true(tap_trie_add(t, 1, &other.r, &other.u, 4, 43));
    assert_int_equal(tap_trie_find(t, 1, &other.r), 44);
    assert_int_equal(tap_trie_find(t, 1, &s.r), 42);
    s.r.stack_bytes = 16; // a short copy is not guessed about
    assert_int_equal(tap_trie_find(t, 1, &s.r), 0);
    tap_trie_clear(t);
    assert_int_equal(tap_trie_find(t, 1, &other.r), 0);
    tap_trie_free(t);
}

// A frame found by rbp is of another length each time; an old return address where a shorter one ended must not be
// taken.
static void frame_pointers_are_compared(void **state)
{
    (void)state;
    static struct stack s, longer;
    struct tap_trie *t = tap_trie_new(1000);
    lay(&s, 4, true, 0xb1);
    assert_true(tap_trie_add(t, 1, &s.r, &s.u, 4, 7));
    assert_int_equal(tap_trie_find(t, 1, &s.r), 8);
    lay(&longer, 8, true, 0xb2);
    longer.words[5] = 0xb1; // stale
    longer.words[10] = 0xc1;
    assert_int_equal(tap_trie_find(t, 1, &longer.r), 0);
    assert_true(tap_trie_add(t, 1, &longer.r, &longer.u, 4, 9));
    assert_int_equal(tap_trie_find(t, 1, &longer.r), 10);
    assert_int_equal(tap_trie_find(t, 1, &s.r), 8);
    tap_trie_free(t);
}

static void what_cannot_be_found_again_is_refused(void **state)
{
    (void)state;
    static struct stack s;
    struct tap_trie *t = tap_trie_new(4);
    lay(&s, 4, false, 0xb1);
    s.u.exact[2] = true; // under a signal handler the address is in no return slot
    assert_false(tap_trie_add(t, 1, &s.r, &s.u, 4, 1));
    s.u.exact[2] = false;
    s.words[5] = 0xbad;
    assert_false(tap_trie_add(t, 1, &s.r, &s.u, 4, 1));
    lay(&s, 4, false, 0xb1);
    assert_false(tap_trie_add(t, 1, &s.r, &s.u, 4, 1)); // four nodes are too few
    tap_trie_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(skip_of_known_beginnings),
        cmocka_unit_test(skip_is_careful),
        cmocka_unit_test(blocks_live_and_end),
        cmocka_unit_test(realloc_moves_fails_and_frees),
        cmocka_unit_test(inner_calls_do_not_count),
        cmocka_unit_test(lost_records_are_never_silent),
        cmocka_unit_test(ceiling_holds),
        cmocka_unit_test(processes_end),
        cmocka_unit_test(asks_are_used),
        cmocka_unit_test(blocks_are_told_one_by_one),
        cmocka_unit_test(stacks_are_recognised),
        cmocka_unit_test(frame_pointers_are_compared),
        cmocka_unit_test(what_cannot_be_found_again_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
