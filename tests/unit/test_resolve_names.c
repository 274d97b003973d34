// Names, lines and inlined calls, from every place where they can stand.
#include "resolve_help.h"

#define SRC TARGET_SRC("resolve_inlined.c")
#define EXE TARGET("resolve_inlined")

static void expect_chain(const struct resolve_frames *f)
{
    assert_int_equal(f->spans[0].n, 3);
    help_frame(&f->frames[0], "innermost", "resolve_inlined.c", help_line(SRC, "innermost"));
    help_frame(&f->frames[1], "middle", "resolve_inlined.c", help_line(SRC, "middle calls"));
    help_frame(&f->frames[2], "outer", "resolve_inlined.c", help_line(SRC, "outer calls"));
    assert_true(f->frames[0].flags & RESOLVE_F_INLINED);
    assert_true(f->frames[1].flags & RESOLVE_F_INLINED);
    assert_false(f->frames[2].flags & RESOLVE_F_INLINED);
}

static uint64_t mark(const char *tag)
{
    return help_mark(EXE, help_line(SRC, tag));
}

static void ask_chain(const char *debug_root, const char *path)
{
    struct resolve *r = help_start(debug_root, 0);
    struct resolve_module m = help_module(path);
    struct resolve_frames f;
    help_ask(r, &m, mark("innermost"), 0, &f);
    expect_chain(&f);
    resolve_frames_free(&f);
    resolve_stop(r);
}

static void test_inlined_chain(void **state)
{
    (void)state;
    ask_chain(NULL, EXE);
}

static void test_forked_resolver(void **state)
{
    (void)state;
    struct seep_err err;
    struct resolve *r = resolve_start(NULL, &err);
    struct resolve_module m = help_module(EXE);
    struct resolve_frames f;
    help_ask(r, &m, mark("innermost"), 0, &f);
    expect_chain(&f);
    assert_string_equal(f.frames[0].module_name, "resolve_inlined");
    assert_string_equal(f.frames[0].module_path, EXE);
    assert_int_equal(f.frames[0].offset, mark("innermost"));
    assert_true(f.frames[0].build_id_len > 0);
    resolve_frames_free(&f);
    resolve_stop(r);
}

// A return address names the line of the call, which ends one byte earlier: the nop of the mark is one byte long.
static void test_return_address_is_looked_up_before(void **state)
{
    (void)state;
    struct resolve *r = help_start(NULL, 0);
    struct resolve_module m = help_module(EXE);
    struct resolve_frames f;
    help_ask(r, &m, mark("innermost") + 1, RESOLVE_PC_RETURN, &f);
    expect_chain(&f);
    assert_int_equal(f.frames[0].offset, mark("innermost") + 1);
    resolve_frames_free(&f);
    resolve_stop(r);
}

static void test_stripped_with_debug_link(void **state)
{
    (void)state;
    char path[128];
    snprintf(path, sizeof path, "%s/linked", help_dir);
    help_run("cd %s && objcopy --only-keep-debug %s linked.dbg && strip -o linked %s && objcopy "
             "--add-gnu-debuglink=linked.dbg linked",
             help_dir, EXE, EXE);
    ask_chain(NULL, path);
    // In .debug/ beside it.
    help_run("cd %s && mkdir .debug && mv linked.dbg .debug/", help_dir);
    ask_chain(NULL, path);
    // Below a debug root, in the program's own directory.
    char root[128];
    snprintf(root, sizeof root, "%s/root", help_dir);
    help_run("mkdir -p %s%s && mv %s/.debug/linked.dbg %s%s/", root, help_dir, help_dir, root, help_dir);
    ask_chain(root, path);
}

static void test_debug_link_without_build_id_needs_the_crc(void **state)
{
    (void)state;
    char path[128];
    snprintf(path, sizeof path, "%s/crc", help_dir);
    help_run("cd %s && objcopy --remove-section=.note.gnu.build-id %s crc.full && objcopy --only-keep-debug crc.full "
             "crc.dbg && "
             "strip -o crc crc.full && objcopy --add-gnu-debuglink=crc.dbg crc",
             help_dir, EXE);
    ask_chain(NULL, path);
    help_run("printf x >> %s/crc.dbg", help_dir);
    struct resolve *r = help_start(NULL, 0);
    struct resolve_module m = help_module(path);
    struct resolve_frames f;
    help_ask(r, &m, mark("innermost"), 0, &f);
    assert_int_equal(f.spans[0].n, 1);
    assert_null(f.frames[0].file);
    resolve_frames_free(&f);
    resolve_stop(r);
}

static void install_by_build_id(const char *root, const char *from)
{
    help_run("id=$(readelf -n %s | sed -n 's/.*Build ID: //p') && test -n \"$id\" && d=%s/.build-id/$(echo $id | cut "
             "-c1-2) && "
             "mkdir -p $d && objcopy --only-keep-debug %s $d/$(echo $id | cut -c3-).debug",
             EXE, root, from);
}

static void test_stripped_with_debug_file_by_build_id(void **state)
{
    (void)state;
    char path[128], root[128];
    snprintf(path, sizeof path, "%s/by-id", help_dir);
    snprintf(root, sizeof root, "%s/id-root", help_dir);
    help_run("strip -o %s %s", path, EXE);
    install_by_build_id(root, EXE);
    ask_chain(root, path);
}

static void test_wrong_debug_file_is_refused(void **state)
{
    (void)state;
    char path[128], root[128];
    snprintf(path, sizeof path, "%s/wrong", help_dir);
    snprintf(root, sizeof root, "%s/wrong-root", help_dir);
    help_run("strip -o %s %s", path, EXE);
    install_by_build_id(root, TARGET("resolve_cxx")); // another program's file under this program's build-id
    struct resolve *r = help_start(root, 0);
    struct resolve_module m = help_module(path);
    struct resolve_frames f;
    help_ask(r, &m, mark("hidden"), 0, &f);
    assert_null(f.frames[0].file);
    assert_null(f.frames[0].function);
    resolve_frames_free(&f);
    resolve_stop(r);
}

static void test_symbol_tables_only(void **state)
{
    (void)state;
    char symtab[128], dynsym[128];
    snprintf(symtab, sizeof symtab, "%s/symtab", help_dir);
    snprintf(dynsym, sizeof dynsym, "%s/dynsym", help_dir);
    help_run("strip --strip-debug -o %s %s", symtab, EXE);
    help_run("objcopy --strip-all %s %s", TARGET("resolve_exporting"), dynsym);
    struct resolve *r = help_start(NULL, 0);
    struct resolve_module m = help_module(symtab);
    struct resolve_frames f;
    help_ask(r, &m, mark("innermost"), 0, &f);
    assert_int_equal(f.spans[0].n, 1);
    help_frame(&f.frames[0], "outer", NULL, 0);
    assert_true(f.frames[0].flags & RESOLVE_F_SYMTAB);
    resolve_frames_free(&f);
    m = help_module(dynsym);
    const char *src = TARGET_SRC("resolve_exporting.c");
    help_ask(r, &m, help_mark(TARGET("resolve_exporting"), help_line(src, "exported")), 0, &f);
    help_frame(&f.frames[0], "exported", NULL, 0);
    resolve_frames_free(&f);
    // A local function of the same file lies behind an exported one: its name is gone, and no neighbour's is put there.
    help_ask(r, &m, help_mark(TARGET("resolve_exporting"), help_line(src, "local")), 0, &f);
    assert_null(f.frames[0].function);
    assert_true(f.frames[0].flags & RESOLVE_F_NO_NAME);
    assert_non_null(f.frames[0].reason);
    assert_string_equal(f.frames[0].module_name, "dynsym");
    resolve_frames_free(&f);
    resolve_stop(r);
}

static void test_mini_debug_info(void **state)
{
    (void)state;
    if (system("command -v xz >/dev/null") != 0)
        skip();
    char path[128];
    snprintf(path, sizeof path, "%s/mini", help_dir);
    help_run("cd %s && objcopy --strip-debug --remove-section=.comment %s mini.syms && xz -k mini.syms && strip -o "
             "mini %s && "
             "objcopy --add-section .gnu_debugdata=mini.syms.xz mini",
             help_dir, EXE, EXE);
    struct resolve *r = help_start(NULL, 0);
    struct resolve_module m = help_module(path);
    struct resolve_frames f;
    help_ask(r, &m, mark("hidden"), 0, &f);
    help_frame(&f.frames[0], "hidden_plain", NULL, 0);
    resolve_frames_free(&f);
    resolve_stop(r);
}

static void test_file_changed_gives_no_names(void **state)
{
    (void)state;
    struct resolve *r = help_start(NULL, 0);
    struct resolve_module m = help_module(EXE);
    m.build_id_len = 20;
    memset(m.build_id, 0xab, sizeof m.build_id);
    struct resolve_frames f;
    help_ask(r, &m, mark("innermost"), 0, &f);
    assert_int_equal(f.spans[0].n, 1);
    assert_null(f.frames[0].function);
    assert_null(f.frames[0].raw_name);
    assert_true(f.frames[0].flags & RESOLVE_F_CHANGED);
    assert_non_null(strstr(f.frames[0].reason, "changed"));
    resolve_frames_free(&f);
    resolve_stop(r);
}

static void test_file_offsets(void **state)
{
    (void)state;
    struct resolve *r = help_start(NULL, 0);
    struct resolve_module m = help_module(EXE);
    struct resolve_frames f;
    char cmd[512], answer[64];
    // Offset and address of .text as readelf prints them.
    snprintf(cmd, sizeof cmd, "readelf -SW %s | sed -n 's/.* \\.text *PROGBITS *//p'", EXE);
    FILE *p = popen(cmd, "r");
    assert_non_null(p);
    assert_non_null(fgets(answer, sizeof answer, p));
    pclose(p);
    uint64_t addr, off;
    assert_int_equal(sscanf(answer, "%lx %lx", &addr, &off), 2);
    help_ask(r, &m, mark("plain") - addr + off, RESOLVE_PC_FILE_OFFSET, &f);
    help_frame(&f.frames[0], "exported_plain", "resolve_inlined.c", help_line(SRC, "plain"));
    resolve_frames_free(&f);
    resolve_stop(r);
}

static void test_cxx_names(void **state)
{
    (void)state;
    static const char *const wanted[][2] = {
        {"template",
         "shop::basket<std::vector<std::__cxx11::basic_string<char, std::char_traits<char>, std::allocator<char> >, "
         "std::allocator<std::__cxx11::basic_string<char, std::char_traits<char>, std::allocator<char> > > > >::put"},
        {"operator", "shop::till::operator+="},
        {"nameless", "(anonymous namespace)::nameless"},
    };
    struct resolve *r = help_start(NULL, 0);
    struct resolve_module m = help_module(TARGET("resolve_cxx"));
    const char *src = TARGET_SRC("resolve_cxx.cc");
    struct resolve_frames f;
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
        uint32_t line = help_line(src, wanted[i][0]);
        help_ask(r, &m, help_mark(TARGET("resolve_cxx"), line), 0, &f);
        help_frame(&f.frames[0], wanted[i][1], "resolve_cxx.cc", line);
        assert_int_equal(strncmp(f.frames[0].raw_name, "_Z", 2), 0);
        resolve_frames_free(&f);
    }
    uint32_t line = help_line(src, "lambda");
    help_ask(r, &m, help_mark(TARGET("resolve_cxx"), line), 0, &f);
    assert_non_null(f.frames[0].function);
    assert_non_null(strstr(f.frames[0].function, "lambda"));
    assert_non_null(strstr(f.frames[0].function, "main"));
    assert_int_equal(f.frames[0].line, line);
    resolve_frames_free(&f);
    resolve_stop(r);
}

// A file without .debug_aranges, as clang writes by default, is read the same.
static void test_without_aranges(void **state)
{
    (void)state;
    char path[128];
    snprintf(path, sizeof path, "%s/no-aranges", help_dir);
    help_run("objcopy --remove-section=.debug_aranges %s %s", EXE, path);
    ask_chain(NULL, path);
}

static void test_perf_map(void **state)
{
    (void)state;
    char path[128];
    snprintf(path, sizeof path, "%s/perf-1.map", help_dir);
    FILE *p = fopen(path, "w");
    fputs("7f0000001000 100 LazyCompile:~old a.js:1\nnonsense\n7f0000002000 20 second\n7f0000001000 80 "
          "LazyCompile:*hot a.js:1\n",
          p);
    fclose(p);
    struct resolve *r = help_start(NULL, 0);
    struct resolve_module m = {.kind = RESOLVE_PERF_MAP, .path = path, .fd = -1};
    static const struct {
        uint64_t pc;
        const char *name;
    } cases[] = {{0x7f0000001010, "LazyCompile:*hot a.js:1"},
                 {0x7f0000001090, "LazyCompile:~old a.js:1"},
                 {0x7f000000201f, "second"},
                 {0x7f0000002020, NULL},
                 {0, NULL}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct resolve_frames f;
        help_ask(r, &m, cases[i].pc, 0, &f);
        if (cases[i].name)
            assert_string_equal(f.frames[0].function, cases[i].name);
        else
            assert_null(f.frames[0].function);
        assert_string_equal(f.frames[0].module_name, "[jit]");
        resolve_frames_free(&f);
    }
    resolve_stop(r);
}

static void test_vdso(void **state)
{
    (void)state;
    struct resolve *r = help_start(NULL, 0);
    struct resolve_module m = {.kind = RESOLVE_VDSO, .fd = -1};
    struct resolve_frames f;
    bool found = false;
    for (uint64_t at = 0; at < 0x3000 && !found; at += 64) {
        help_ask(r, &m, at, 0, &f);
        found = f.frames[0].function && strstr(f.frames[0].function, "clock_gettime");
        assert_string_equal(f.frames[0].module_name, "[vdso]");
        assert_int_equal(f.frames[0].klass, RESOLVE_CLASS_KERNEL);
        resolve_frames_free(&f);
    }
    assert_true(found);
    resolve_stop(r);
}

// Many pcs of several files in mixed order; the second time everything comes from memory, also after the process has
// gone.
static void test_order_and_cache(void **state)
{
    (void)state;
    enum { N = 3000 };
    struct resolve *r = help_start(NULL, 0);
    struct resolve_module m[2] = {help_module(EXE), help_module(TARGET("resolve_cxx"))};
    static struct resolve_pc pcs[N];
    for (size_t i = 0; i < N; i++) {
        pcs[i] = (struct resolve_pc){.module = (uint32_t)(i % 3), .offset = 0x1000 + i};
        if (i % 3 == 2)
            pcs[i].module = UINT32_MAX;
    }
    pcs[300] = (struct resolve_pc){.module = 0, .offset = mark("innermost")};
    struct resolve_frames a, b;
    struct seep_err err;
    assert_int_equal(resolve_symbolise(r, m, 2, pcs, N, &a, &err), 0);
    struct resolve_stats before, after;
    resolve_get_stats(r, &before);
    assert_int_equal(resolve_symbolise(r, m, 2, pcs, N, &b, &err), 0);
    resolve_get_stats(r, &after);
    assert_int_equal(after.pcs_cached - before.pcs_cached, N - N / 3);
    assert_int_equal(a.n_frames, b.n_frames);
    for (size_t i = 0; i < N; i++) {
        const struct resolve_frame *x = &a.frames[a.spans[i].first], *y = &b.frames[b.spans[i].first];
        assert_int_equal(a.spans[i].n, b.spans[i].n);
        assert_int_equal(x->offset, pcs[i].offset);
        assert_int_equal(x->line, y->line);
        if (x->function)
            assert_string_equal(x->function, y->function);
        else
            assert_null(y->function);
        assert_string_equal(x->module_name, i % 3 == 0 ? "resolve_inlined" : i % 3 == 1 ? "resolve_cxx" : "[unknown]");
    }
    assert_int_equal(a.spans[300].n, 3);
    resolve_frames_free(&a);
    resolve_frames_free(&b);
    resolve_stop(r);
}

static void test_cache_has_a_ceiling(void **state)
{
    (void)state;
    struct resolve_options o = {.exe = "/proc/self/exe", .cache_limit = 8192};
    struct seep_err err;
    struct resolve *r = resolve_start(&o, &err);
    struct resolve_module m = help_module(EXE);
    for (uint64_t i = 0; i < 300; i++) {
        struct resolve_frames f;
        help_ask(r, &m, mark("innermost") + i % 150, 0, &f);
        resolve_frames_free(&f);
    }
    struct resolve_stats s;
    resolve_get_stats(r, &s);
    assert_true(s.cache_bytes <= 8192);
    assert_true(s.cache_flushes > 0);
    resolve_stop(r);
}

static void test_debuginfod_only_when_asked(void **state)
{
    (void)state;
    char path[128], url[160], root[128];
    snprintf(path, sizeof path, "%s/fetched", help_dir);
    snprintf(root, sizeof root, "%s/served", help_dir);
    snprintf(url, sizeof url, "file://%s", root);
    help_run("strip -o %s %s", path, EXE);
    help_run(
        "id=$(readelf -n %s | sed -n 's/.*Build ID: //p') && mkdir -p %s/buildid/$id && objcopy --only-keep-debug %s "
        "%s/buildid/$id/debuginfo",
        EXE, root, EXE, root);
    setenv("DEBUGINFOD_URLS", url, 1);
    setenv("DEBUGINFOD_CACHE_PATH", help_dir, 1);
    for (int on = 0; on < 2; on++) {
        struct resolve_options o = {
            .exe = "/proc/self/exe", .debug_roots = (const char *const[]){NULL}, .n_debug_roots = 0, .debuginfod = on};
        struct seep_err err;
        struct resolve *r = resolve_start(&o, &err);
        struct resolve_module m = help_module(path);
        struct resolve_frames f;
        help_ask(r, &m, mark("innermost"), 0, &f);
        if (on)
            expect_chain(&f);
        else
            assert_null(f.frames[0].function);
        resolve_frames_free(&f);
        resolve_stop(r);
    }
    unsetenv("DEBUGINFOD_URLS");
    unsetenv("DEBUGINFOD_CACHE_PATH");
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "resolver") == 0)
        return resolve_main(3);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_inlined_chain),
        cmocka_unit_test(test_forked_resolver),
        cmocka_unit_test(test_return_address_is_looked_up_before),
        cmocka_unit_test(test_stripped_with_debug_link),
        cmocka_unit_test(test_debug_link_without_build_id_needs_the_crc),
        cmocka_unit_test(test_stripped_with_debug_file_by_build_id),
        cmocka_unit_test(test_wrong_debug_file_is_refused),
        cmocka_unit_test(test_symbol_tables_only),
        cmocka_unit_test(test_mini_debug_info),
        cmocka_unit_test(test_file_changed_gives_no_names),
        cmocka_unit_test(test_file_offsets),
        cmocka_unit_test(test_cxx_names),
        cmocka_unit_test(test_without_aranges),
        cmocka_unit_test(test_perf_map),
        cmocka_unit_test(test_vdso),
        cmocka_unit_test(test_order_and_cache),
        cmocka_unit_test(test_cache_has_a_ceiling),
        cmocka_unit_test(test_debuginfod_only_when_asked),
    };
    return cmocka_run_group_tests(tests, help_make_dir, help_drop_dir);
}
