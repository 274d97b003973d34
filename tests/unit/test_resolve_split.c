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
    };
    return cmocka_run_group_tests(tests, help_make_dir, help_drop_dir);
}
