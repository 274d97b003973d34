// Split DWARF: functions, lines and inlined calls out of .dwo files, wherever they stand by now, and never out of one
// that belongs to another build.
#include "resolve_help.h"

#define SRC TARGET_SRC("resolve_inlined.c")

static bool compiler(const char *name)
{
    char command[64];
    snprintf(command, sizeof command, "command -v %s >/dev/null", name);
    return system(command) == 0;
}

// Builds help_dir/DIR/program with its .dwo in DIR/obj.
static void build(const char *cc, const char *dir, const char *flags)
{
    help_run("mkdir -p %s/%s/obj && cd %s/%s && %s -O2 -g -gsplit-dwarf %s -I %s -c -o obj/it.o %s && "
             "%s %s -Wl,--build-id -o program obj/it.o && rm obj/it.o && test -f obj/it.dwo",
             help_dir, dir, help_dir, dir, cc, flags, TARGET_SRC(""), SRC, cc, flags);
}

static void in_dir(char path[256], const char *file)
{
    snprintf(path, 256, "%s/%s", help_dir, file);
}

static void ask(const char *root, const char *program, struct resolve_frames *f)
{
    struct resolve *r = help_start(root, 0);
    struct resolve_module m = help_module(program);
    help_ask(r, &m, help_mark(program, help_line(SRC, "innermost")), 0, f);
    struct resolve_stats stats;
    resolve_get_stats(r, &stats);
    assert_int_equal(stats.crashes + stats.timeouts, 0);
    resolve_stop(r);
}

static void expect_all(const char *root, const char *program)
{
    struct resolve_frames f;
    ask(root, program, &f);
    assert_int_equal(f.spans[0].n, 3);
    help_frame(&f.frames[0], "innermost", "resolve_inlined.c", help_line(SRC, "innermost"));
    help_frame(&f.frames[1], "middle", "resolve_inlined.c", help_line(SRC, "middle calls"));
    help_frame(&f.frames[2], "outer", "resolve_inlined.c", help_line(SRC, "outer calls"));
    assert_true(f.frames[0].flags & f.frames[1].flags & RESOLVE_F_INLINED);
    resolve_frames_free(&f);
}

// The line stands in the program; the name is that of the symbol.
static void expect_symbol(const char *root, const char *program)
{
    struct resolve_frames f;
    ask(root, program, &f);
    assert_int_equal(f.spans[0].n, 1);
    help_frame(&f.frames[0], "outer", "resolve_inlined.c", help_line(SRC, "innermost"));
    assert_true(f.frames[0].flags & RESOLVE_F_SYMTAB);
    resolve_frames_free(&f);
}

static void by_compiler_and_version(void **state)
{
    (void)state;
    static const struct {
        const char *cc, *flags;
    } how[] = {
        {"cc", "-gdwarf-5"},
        {"cc", "-gdwarf-4"},
        {"cc", "-gdwarf-5 -gz"},
        {"cc", "-gdwarf-5 -O3 -no-pie -fno-pie"},
        {"clang", "-gdwarf-5"},
        {"clang", "-gdwarf-4"},
        {"clang", "-gdwarf-5 -fsplit-dwarf-inlining"},
        {"cc", "-gdwarf-5 -ffile-prefix-map=$PWD=."},
    };
    for (size_t i = 0; i < sizeof how / sizeof *how; i++) {
        char dir[16], file[32], program[256];
        if (!compiler(how[i].cc))
            continue;
        snprintf(dir, sizeof dir, "how%zu", i);
        snprintf(file, sizeof file, "how%zu/program", i);
        build(how[i].cc, dir, how[i].flags);
        in_dir(program, file);
        print_message("%s %s\n", how[i].cc, how[i].flags);
        expect_all(NULL, program);
    }
}

static void moved_with_its_files(void **state)
{
    (void)state;
    char program[256], root[256];
    build("cc", "old", "-gdwarf-5");
    help_run("mv %s/old %s/new", help_dir, help_dir);
    in_dir(program, "new/program");
    expect_all(NULL, program);
    help_run("mv %s/new/obj/it.dwo %s/new/it.dwo", help_dir, help_dir); // flat, beside it
    expect_all(NULL, program);
    help_run("mkdir -p %s/root%s/old/obj && mv %s/new/it.dwo %s/root%s/old/obj", help_dir, help_dir, help_dir, help_dir,
             help_dir);
    expect_symbol(NULL, program);
    in_dir(root, "root");
    expect_all(root, program);
}

// The wrong one lies first on the way: another build of the same source.
static void another_builds_file_names_nothing(void **state)
{
    (void)state;
    char program[256];
    build("cc", "mine", "-gdwarf-5");
    build("cc", "other", "-gdwarf-5 -DANOTHER -O3 -fno-inline");
    in_dir(program, "mine/program");
    help_run("cp %s/mine/obj/it.dwo %s/keep.dwo && cp %s/other/obj/it.dwo %s/mine/obj/it.dwo", help_dir, help_dir,
             help_dir, help_dir);
    expect_symbol(NULL, program);
    help_run("cp %s/keep.dwo %s/mine/it.dwo", help_dir, help_dir);
    expect_all(NULL, program);
}

static void files_that_are_none(void **state)
{
    (void)state;
    static const char *const damage[] = {"rm -f",          "truncate -s 0",        "truncate -s 700",
                                         "cp /etc/passwd", "rm -f it.dwo; mkfifo", "rm -f it.dwo; ln -s /dev/zero",
                                         "cp ../program"};
    char program[256];
    build("cc", "bad", "-gdwarf-5");
    in_dir(program, "bad/program");
    for (size_t i = 0; i < sizeof damage / sizeof *damage; i++) {
        help_run("cd %s/bad/obj && %s it.dwo", help_dir, damage[i]);
        expect_symbol(NULL, program);
    }
}

// The debug information of the program stands in a file of its own as well; and the program in three units.
static void behind_a_debug_link(void **state)
{
    (void)state;
    char program[256];
    build("cc", "link", "-gdwarf-5");
    help_run("cd %s/link && cp program marked && objcopy --only-keep-debug program program.debug && strip program && "
             "objcopy --add-gnu-debuglink=program.debug program",
             help_dir);
    in_dir(program, "link/program");
    expect_all(NULL, program);
}

static bool packed(const char *dir, const char *how)
{
    char command[600];
    snprintf(command, sizeof command, "cd %s/%s && (%s) && rm obj/it.dwo", help_dir, dir, how);
    return system(command) == 0;
}

static void other_unit(void)
{
    help_run("%s -O2 -g -gsplit-dwarf -gdwarf-5 -I %s -c -o %s/other.o %s", compiler("clang") ? "clang" : "cc",
             TARGET_SRC(""), help_dir, TARGET_SRC("resolve_deep.c"));
}

// Packages of such files, as the two tools make them, and among other units.
static void in_a_package(void **state)
{
    (void)state;
    static const struct {
        const char *name, *cc, *flags, *how;
    } by[] = {
        {"pack5", "clang", "-gdwarf-5", "timeout 20 llvm-dwp obj/it.dwo -o program.dwp 2>/dev/null"},
        {"pack4", "cc", "-gdwarf-4", "timeout 20 dwp obj/it.dwo -o program.dwp 2>/dev/null"},
        {"pack4c", "clang", "-gdwarf-4", "timeout 20 llvm-dwp obj/it.dwo -o program.dwp 2>/dev/null"},
        {"pack5c", "clang", "-gdwarf-5", "timeout 20 llvm-dwp obj/it.dwo ../other.dwo -o program.dwp 2>/dev/null"},
        {"pack5r", "clang", "-gdwarf-5",
         "timeout 20 llvm-dwp obj/it.dwo -o it.dwp 2>/dev/null && mkdir -p ../root$PWD && mv it.dwp "
         "../root$PWD/program.dwp"},
    };
    other_unit();
    size_t done = 0;
    for (size_t i = 0; i < sizeof by / sizeof *by; i++) {
        char file[32], program[256], root[256];
        if (!compiler(by[i].cc))
            continue;
        build(by[i].cc, by[i].name, by[i].flags);
        if (!packed(by[i].name, by[i].how)) {
            print_message("%s: the tool is not here, or cannot\n", by[i].name);
            continue;
        }
        snprintf(file, sizeof file, "%s/program", by[i].name);
        in_dir(program, file);
        in_dir(root, "root");
        print_message("%s\n", by[i].name);
        expect_all(root, program);
        done++;
    }
    if (!done)
        skip();
}

static void packages_that_are_none(void **state)
{
    (void)state;
    static const char *const damage[] = {"truncate -s 700", "cp /etc/passwd", "rm -f program.dwp; mkfifo",
                                         "rm -f program.dwp; ln -s /dev/zero", "cp program"};
    char program[256];
    if (!compiler("clang"))
        skip();
    build("clang", "nopack", "-gdwarf-5");
    if (!packed("nopack", "timeout 20 llvm-dwp obj/it.dwo -o program.dwp 2>/dev/null"))
        skip();
    in_dir(program, "nopack/program");
    for (size_t i = 0; i < sizeof damage / sizeof *damage; i++) {
        help_run("cd %s/nopack && %s program.dwp", help_dir, damage[i]);
        expect_symbol(NULL, program);
    }
    other_unit(); // another program's: its units are not ours
    help_run("cd %s/nopack && rm -f program.dwp && timeout 20 llvm-dwp ../other.dwo -o program.dwp", help_dir);
    expect_symbol(NULL, program);
}

// libelf reads them from 0.189 on; before, the symbol table still names the function, and no line is made up.
static void compressed_with_zstd(void **state)
{
    (void)state;
    char program[256];
    struct resolve_frames f;
    build("cc", "zstd", "-gdwarf-5");
    help_run("cd %s/zstd && (objcopy --compress-debug-sections=zstd program packed 2>/dev/null || cp program packed)",
             help_dir);
    in_dir(program, "zstd/packed");
    ask(NULL, program, &f);
    if (f.spans[0].n == 3) {
        help_frame(&f.frames[0], "innermost", "resolve_inlined.c", help_line(SRC, "innermost"));
    } else {
        assert_int_equal(f.spans[0].n, 1);
        assert_string_equal(f.frames[0].function, "outer");
        assert_true(f.frames[0].flags & RESOLVE_F_SYMTAB);
        assert_null(f.frames[0].file);
    }
    resolve_frames_free(&f);
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "resolver") == 0)
        return resolve_main(3);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(by_compiler_and_version),
        cmocka_unit_test(moved_with_its_files),
        cmocka_unit_test(another_builds_file_names_nothing),
        cmocka_unit_test(files_that_are_none),
        cmocka_unit_test(behind_a_debug_link),
        cmocka_unit_test(in_a_package),
        cmocka_unit_test(packages_that_are_none),
        cmocka_unit_test(compressed_with_zstd),
    };
    return cmocka_run_group_tests(tests, help_make_dir, help_drop_dir);
}
