// Growth that passes the probe by (run/heap_past.c): what is one, and what only looks like it.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>
#include <unistd.h>

#include "linux/proc.h"
#include "run/heap_past.h"

#define MIB 1048576.0

struct look {
    double outside, brk, live, calls; // in MiB, but for calls
};

static enum heap_past_kind after(const char *embedded, const struct look *l, size_t n)
{
    struct heap_past p = {.looked = true};
    char text[320];
    strcpy(p.name, embedded);
    strcpy(p.exe, "/opt/it");
    for (size_t i = 0; i < n; i++)
        heap_past_look(&p, -1, 1, l[i].outside * MIB, l[i].brk * MIB, l[i].live * MIB, l[i].calls);
    heap_past_text(&p, text, sizeof text);
    assert_int_equal(text[0] != 0, p.kind != HEAP_PAST_NO);
    assert_true(p.kind != HEAP_PAST_EMBEDDED || strstr(text, "jemalloc"));
    return p.kind;
}
#define AFTER(embedded, ...)                                                                                           \
    after(embedded, (struct look[]){__VA_ARGS__}, sizeof((struct look[]){__VA_ARGS__}) / sizeof(struct look))

static void memory_of_an_embedded_allocator(void **state)
{
    (void)state;
    assert_int_equal(AFTER("jemalloc", {10, 0, 1, 5}, {15, 0, 1, 5}), HEAP_PAST_EMBEDDED);
    assert_int_equal(AFTER("jemalloc", {10, 0, 1, 5}, {11, 0, 1, 5}, {13, 0, 1, 5}, {15, 0, 2, 9}), HEAP_PAST_EMBEDDED);
    assert_int_equal(AFTER("jemalloc", {10, 0, 1, 5}, {13, 0, 1, 5}), HEAP_PAST_NO);      // little
    assert_int_equal(AFTER("jemalloc", {10, 0, 1, 5}, {30, 0, 18, 5000}), HEAP_PAST_NO);  // most of it is known
    assert_int_equal(AFTER("", {10, 0, 1, 5}, {30, 0, 1, 5}), HEAP_PAST_NO);              // mappings of its own
    assert_int_equal(AFTER("jemalloc", {20, 0, 18, 50}, {22, 0, 1, 5000}), HEAP_PAST_NO); // freed, and kept by its heap
}

static void a_program_break_that_rises_by_itself(void **state)
{
    (void)state;
    assert_int_equal(AFTER("", {10, 2, 0, 3}, {15, 7, 0, 3}), HEAP_PAST_BRK);
    assert_int_equal(AFTER("", {10, 2, 0, 3}, {15, 7, 5, 4}), HEAP_PAST_NO); // somebody calls malloc
    assert_int_equal(AFTER("", {10, 2, 0, 3}, {12, 4, 0, 3}), HEAP_PAST_NO);
}

static void what_is_not_known_decides_nothing(void **state)
{
    (void)state;
    assert_int_equal(AFTER("jemalloc", {10, 0, 1, 5}, {NAN, 9, 1, 5}, {15, NAN, 1, 5}, {15, 9, NAN, 5}), HEAP_PAST_NO);
    assert_int_equal(AFTER("jemalloc", {NAN, 0, 1, 5}, {15, 0, 1, 5}), HEAP_PAST_NO); // the first one is the beginning
}

static void this_program_has_none(void **state)
{
    (void)state;
    struct heap_past p = {0};
    int proc = linux_proc_open(NULL);
    heap_past_look(&p, proc, getpid(), 10 * MIB, 0, 0, 1);
    heap_past_look(&p, proc, getpid(), 90 * MIB, 0, 0, 1);
    assert_int_equal(p.kind, HEAP_PAST_NO);
    assert_true(p.looked && !p.name[0] && strstr(p.exe, "test_run_heap_past"));
    close(proc);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_of_an_embedded_allocator),
        cmocka_unit_test(a_program_break_that_rises_by_itself),
        cmocka_unit_test(what_is_not_known_decides_nothing),
        cmocka_unit_test(this_program_has_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
