// Tidying of stacks and keys of frames: pure functions.
#include "resolve_help.h"

static struct resolve_frame frame(const char *function, const char *module, enum resolve_class klass)
{
    return (struct resolve_frame){
        .function = function, .raw_name = function, .module_path = module, .module_name = module, .klass = klass};
}

#define PROBE(f) frame(f, "libseep-probe.so", RESOLVE_CLASS_LIBRARY)
#define LIBC(f)  frame(f, "libc.so.6", RESOLVE_CLASS_LIBRARY)
#define PROG(f)  frame(f, "server", RESOLVE_CLASS_PROGRAM)

static void test_hooks_and_entry_points_are_cut(void **state)
{
    (void)state;
    struct resolve_frame s[] = {PROBE("record"), PROBE("malloc"), LIBC("malloc"), PROG("session_new"), PROG("main")};
    assert_int_equal(resolve_tidy(s, 5), 3);
    for (int i = 0; i < 3; i++)
        assert_true(s[i].flags & RESOLVE_F_CUT);
    assert_false(s[3].flags & (RESOLVE_F_CUT | RESOLVE_F_LIBRARY));
}

static void test_what_allocators_call_themselves_is_cut(void **state)
{
    (void)state;
    static const char *const own[] = {"mi_malloc",
                                      "mi_heap_zalloc_aligned_at",
                                      "mi_new_n",
                                      "mi_free_size",
                                      "mi_heap_recalloc_aligned",
                                      "mi_reallocf",
                                      "tc_newarray_nothrow",
                                      "tc_deletearray_sized_aligned",
                                      "tc_posix_memalign",
                                      "je_mallocx",
                                      "je_aligned_alloc",
                                      "__libc_pvalloc",
                                      "mi_heap_alloc_new_n",
                                      "sbrk",
                                      "shmat"};
    static const char *const others[] = {"tc_new_session", "mi_freeze",    "tc_newton",    "mi_mallocate",
                                         "my_malloc",      "mi_heap_new_", "je_free_list", "libc_malloc"};
    for (size_t i = 0; i < sizeof own / sizeof *own; i++) {
        struct resolve_frame s[] = {PROG(own[i]), PROG("session_new"), PROG("main")};
        assert_int_equal(resolve_tidy(s, 3), 1);
    }
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        struct resolve_frame s[] = {PROG(others[i]), PROG("session_new"), PROG("main")};
        assert_int_equal(resolve_tidy(s, 3), 0);
    }
}

static void test_only_the_innermost_are_cut(void **state)
{
    (void)state;
    struct resolve_frame s[] = {LIBC("calloc"), PROG("wrap"), PROG("malloc"), PROG("main")};
    assert_int_equal(resolve_tidy(s, 4), 1);
    assert_false(s[2].flags & RESOLVE_F_CUT);
}

static void test_operator_new_is_kept_as_library(void **state)
{
    (void)state;
    struct resolve_frame s[] = {PROBE("malloc"), frame("operator new", "libstdc++.so.6", RESOLVE_CLASS_LIBRARY),
                                PROG("std::__new_allocator<int>::allocate"),
                                PROG("std::_Vector_base<int, std::allocator<int> >::_M_allocate"), PROG("grow")};
    assert_int_equal(resolve_tidy(s, 5), 1);
    for (int i = 1; i < 4; i++) {
        assert_true(s[i].flags & RESOLVE_F_LIBRARY);
        assert_false(s[i].flags & RESOLVE_F_CUT);
    }
    assert_false(s[4].flags & RESOLVE_F_LIBRARY);
}

// What Rust's own library compiles into a program is told by its names, and by the paths of its source tree.
static void test_the_library_of_rust_is_library(void **state)
{
    (void)state;
    struct resolve_frame s[] = {PROBE("malloc"), PROG("<alloc::alloc::Global>::alloc_impl"),
                                PROG("hashbrown::raw::alloc::inner::do_alloc"), PROG("<str>::repeat"),
                                PROG("shop::Cache::remember")};
    s[3].file = "library/alloc/src/str.rs";
    s[4].file = "library/cache.rs";
    assert_int_equal(resolve_tidy(s, 5), 1);
    for (int i = 1; i < 4; i++)
        assert_true(s[i].flags & RESOLVE_F_LIBRARY);
    assert_false(s[4].flags & RESOLVE_F_LIBRARY);
}

// With a jemalloc-linked program the probe hooks operator new itself: then its hook stands for it.
static void test_hooked_operator_new_is_kept(void **state)
{
    (void)state;
    struct resolve_frame s[] = {PROBE("record"), PROBE("operator new"), PROG("grow"), PROG("main")};
    assert_int_equal(resolve_tidy(s, 4), 1);
    assert_true(s[1].flags & RESOLVE_F_LIBRARY);
    assert_false(s[1].flags & RESOLVE_F_CUT);
}

static void test_a_stack_never_vanishes(void **state)
{
    (void)state;
    struct resolve_frame s[] = {PROBE("malloc"), LIBC("malloc")};
    assert_int_equal(resolve_tidy(s, 2), 1);
    assert_false(s[1].flags & RESOLVE_F_CUT);
    assert_int_equal(resolve_tidy(s, 0), 0);
    struct resolve_frame unnamed[] = {frame(NULL, "server", RESOLVE_CLASS_PROGRAM)};
    assert_int_equal(resolve_tidy(unnamed, 1), 0);
}

static void test_tidying_twice_is_the_same(void **state)
{
    (void)state;
    struct resolve_frame s[] = {PROBE("operator new"), PROG("a"), LIBC("qsort"), PROG("b")};
    size_t first = resolve_tidy(s, 4);
    struct resolve_frame again[4];
    memcpy(again, s, sizeof s);
    assert_int_equal(resolve_tidy(again, 4), first);
    for (int i = 0; i < 4; i++)
        assert_int_equal(again[i].flags, s[i].flags);
}

static void test_classes(void **state)
{
    (void)state;
    static const struct {
        enum resolve_module_kind kind;
        const char *path;
        bool program;
        enum resolve_class wanted;
    } cases[] = {
        {RESOLVE_ELF, "/usr/bin/redis-server", true, RESOLVE_CLASS_PROGRAM},
        {RESOLVE_ELF, "/usr/lib/x86_64-linux-gnu/libc.so.6", false, RESOLVE_CLASS_LIBRARY},
        {RESOLVE_ELF, "/lib/x86_64-linux-gnu/libc.so.6", false, RESOLVE_CLASS_LIBRARY},
        {RESOLVE_ELF, "/usr/lib/jvm/java", true, RESOLVE_CLASS_PROGRAM},
        {RESOLVE_ELF, "/opt/ours/lib/plugin.so", false, RESOLVE_CLASS_PROGRAM},
        {RESOLVE_ELF, "/opt/seep/lib/libseep-probe.so", false, RESOLVE_CLASS_LIBRARY},
        {RESOLVE_ELF, "[unknown]", false, RESOLVE_CLASS_UNKNOWN},
        {RESOLVE_ELF, NULL, false, RESOLVE_CLASS_UNKNOWN},
        {RESOLVE_VDSO, NULL, false, RESOLVE_CLASS_KERNEL},
        {RESOLVE_KERNEL, NULL, false, RESOLVE_CLASS_KERNEL},
        {RESOLVE_PERF_MAP, "/tmp/perf-1.map", false, RESOLVE_CLASS_PROGRAM},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_int_equal(resolve_class_of(cases[i].kind, cases[i].path, cases[i].program), cases[i].wanted);
}

static void expect_key(const char *raw, const char *wanted)
{
    struct resolve_frame f = PROG(raw);
    char key[256];
    assert_int_equal(resolve_frame_key(&f, key, sizeof key), strlen(wanted));
    assert_string_equal(key, wanted);
}

static void test_keys_of_names(void **state)
{
    (void)state;
    expect_key("session_new", "session_new");
    expect_key("session_new.constprop.0", "session_new");
    expect_key("session_new.part.0.isra.3", "session_new");
    expect_key("_ZN4shop4till3addEi.cold", "_ZN4shop4till3addEi");
    expect_key("malloc@@GLIBC_2.2.5", "malloc");
    expect_key("foo.llvm.123456", "foo");
    expect_key("@odd", "@odd");
    expect_key(".part.1", ".part.1");
}

static void test_keys_without_names(void **state)
{
    (void)state;
    struct resolve_frame f = frame(NULL, "server", RESOLVE_CLASS_PROGRAM);
    char key[256];
    f.offset = 0x1234;
    f.build_id_len = 3;
    memcpy(f.build_id, "\x01\xab\xff", 3);
    resolve_frame_key(&f, key, sizeof key);
    assert_string_equal(key, "server@01abff+0x1234");
    f.build_id_len = 0;
    resolve_frame_key(&f, key, sizeof key);
    assert_string_equal(key, "server@+0x1234");
}

static void test_long_keys_stay_different(void **state)
{
    (void)state;
    char a[2000], b[2000], ka[64], kb[64];
    memset(a, 'x', sizeof a - 1);
    a[sizeof a - 1] = '\0';
    memcpy(b, a, sizeof b);
    b[1500] = 'y';
    struct resolve_frame fa = PROG(a), fb = PROG(b);
    assert_int_equal(resolve_frame_key(&fa, ka, sizeof ka), 63);
    assert_int_equal(resolve_frame_key(&fb, kb, sizeof kb), 63);
    assert_string_not_equal(ka, kb);
    assert_memory_equal(ka, kb, 46);
    // Without a name and with a module name as long as a path may be.
    static char module[5000];
    memset(module, 'm', sizeof module - 1);
    struct resolve_frame fm = frame(NULL, module, RESOLVE_CLASS_PROGRAM);
    fm.build_id_len = RESOLVE_BUILD_ID_MAX;
    assert_int_equal(resolve_frame_key(&fm, ka, sizeof ka), 63);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hooks_and_entry_points_are_cut),
        cmocka_unit_test(test_what_allocators_call_themselves_is_cut),
        cmocka_unit_test(test_only_the_innermost_are_cut),
        cmocka_unit_test(test_operator_new_is_kept_as_library),
        cmocka_unit_test(test_the_library_of_rust_is_library),
        cmocka_unit_test(test_hooked_operator_new_is_kept),
        cmocka_unit_test(test_a_stack_never_vanishes),
        cmocka_unit_test(test_tidying_twice_is_the_same),
        cmocka_unit_test(test_classes),
        cmocka_unit_test(test_keys_of_names),
        cmocka_unit_test(test_keys_without_names),
        cmocka_unit_test(test_long_keys_stay_different),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
