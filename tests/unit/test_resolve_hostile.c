// Hostile files, hostile names, and a resolver that dies: the client goes on, says why, and leaves nothing behind.
#include "resolve_help.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <sys/socket.h>
#include <time.h>

#define EXE TARGET("resolve_inlined")
#define SRC TARGET_SRC("resolve_inlined.c")

static size_t open_fds(void)
{
    DIR *d = opendir("/proc/self/fd");
    assert_non_null(d);
    size_t n = 0;
    while (readdir(d))
        n++;
    closedir(d);
    return n;
}

static size_t read_whole(const char *path, uint8_t **out)
{
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    fseek(f, 0, SEEK_END);
    size_t len = (size_t)ftell(f);
    rewind(f);
    *out = malloc(len);
    assert_int_equal(fread(*out, 1, len, f), len);
    fclose(f);
    return len;
}

static void write_whole(const char *path, const uint8_t *bytes, size_t len)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, len, f), len);
    fclose(f);
}

// Asks a mangled file for names and for an unwind; whatever comes, it comes, and it is well formed.
static void poke(struct resolve *r, const char *path, const uint64_t *marks, size_t n)
{
    struct resolve_module m = help_module(path);
    struct resolve_pc pcs[8];
    for (size_t i = 0; i < n; i++)
        pcs[i] = (struct resolve_pc){.offset = marks[i], .flags = i % 2 ? RESOLVE_PC_FILE_OFFSET : RESOLVE_PC_RETURN};
    struct resolve_frames f;
    struct seep_err err = {0};
    if (resolve_symbolise(r, &m, 1, pcs, n, &f, &err) != 0)
        fail_msg("%s", err.text);
    for (size_t i = 0; i < n; i++) {
        assert_true(f.spans[i].n >= 1 && f.spans[i].n <= RESOLVE_INLINE_MAX);
        for (uint32_t k = 0; k < f.spans[i].n; k++) {
            const struct resolve_frame *x = &f.frames[f.spans[i].first + k];
            assert_true(x->function ? strlen(x->function) < RESOLVE_NAME_MAX : x->reason != NULL);
            assert_non_null(x->module_name);
        }
    }
    resolve_frames_free(&f);
    uint64_t stack[64];
    for (size_t i = 0; i < 64; i++)
        stack[i] = 0x400000 + marks[i % n];
    struct resolve_map map = {.start = 0x400000, .end = 0x500000, .bias = 0x400000, .bias_known = true};
    struct resolve_regs regs = {.known = 0x1ffff};
    for (int i = 0; i < RESOLVE_REGS; i++)
        regs.value[i] = 0x400000 + marks[0];
    regs.value[RESOLVE_REG_RSP] = 0x7fff0000;
    struct resolve_unwound u;
    if (resolve_unwind(r, &m, 1, &map, 1, &regs, 0x7fff0000, stack, sizeof stack, &u, &err) != 0)
        fail_msg("%s", err.text);
    assert_true(u.n >= 1 && u.n <= RESOLVE_DEPTH_MAX);
}

static void test_mutated_files(void **state)
{
    (void)state;
    static const char *const tags[] = {"innermost", "plain", "hidden"};
    uint64_t marks[6];
    for (size_t i = 0; i < 6; i++)
        marks[i] = help_mark(EXE, help_line(SRC, tags[i % 3])) + i;
    uint8_t *whole;
    size_t len = read_whole(EXE, &whole);
    uint8_t *bad = malloc(len);
    char path[128];
    struct resolve *r = help_start(NULL, 4000);
    size_t fds = 0;
    unsigned seed = 7;
    for (int round = 0; round < 500; round++) {
        memcpy(bad, whole, len);
        size_t keep_len = len;
        switch (round % 5) {
        case 0: // cut off
            keep_len = (size_t)rand_r(&seed) % len;
            break;
        case 1: // headers
            for (int k = 0; k < 4; k++)
                bad[(size_t)rand_r(&seed) % 1024] = (uint8_t)rand_r(&seed);
            break;
        case 2: // single bits anywhere
            for (int k = 0; k < 64; k++)
                bad[(size_t)rand_r(&seed) % len] ^= (uint8_t)(1 << rand_r(&seed) % 8);
            break;
        case 3: // the section header table
            for (int k = 0; k < 8; k++)
                bad[len - 1 - (size_t)rand_r(&seed) % 2500] = (uint8_t)rand_r(&seed);
            break;
        default: { // a block of one value
            size_t at = (size_t)rand_r(&seed) % len, run = (size_t)rand_r(&seed) % 200;
            memset(bad + at, rand_r(&seed) % 2 ? 0xff : 0, run < len - at ? run : len - at);
        }
        }
        snprintf(path, sizeof path, "%s/mutant-%d", help_dir, round);
        write_whole(path, bad, keep_len);
        poke(r, path, marks, 6);
        unlink(path);
        if (round == 0)
            fds = open_fds();
    }
    assert_true(open_fds() <= fds + 1);
    // And an honest file is still read.
    struct resolve_module m = help_module(EXE);
    struct resolve_frames f;
    help_ask(r, &m, marks[0], 0, &f);
    assert_string_equal(f.frames[0].function, "innermost");
    resolve_frames_free(&f);
    resolve_stop(r);
    free(whole);
    free(bad);
}

static void expect_refused(struct resolve *r, const struct resolve_module *m, const char *reason)
{
    struct resolve_frames f;
    help_ask(r, m, 0x1000, 0, &f);
    assert_null(f.frames[0].function);
    if (!strstr(f.frames[0].reason, reason))
        fail_msg("%s: \"%s\" does not say \"%s\"", m->path, f.frames[0].reason, reason);
    resolve_frames_free(&f);
}

static void test_what_is_not_a_program(void **state)
{
    (void)state;
    struct resolve *r = help_start(NULL, 4000);
    char path[160], link[160];
    snprintf(path, sizeof path, "%s/fifo", help_dir);
    assert_int_equal(mkfifo(path, 0600), 0);
    struct resolve_module m = help_module(path);
    expect_refused(r, &m, "regular file");
    m = help_module("/dev/zero");
    expect_refused(r, &m, "regular file");
    m = help_module("/proc/self/mem");
    expect_refused(r, &m, "kernel");
    m = help_module("/proc/kmsg");
    expect_refused(r, &m, "kernel");
    m = help_module("/proc/self/fd");
    expect_refused(r, &m, "regular file");
    m = help_module(help_dir);
    expect_refused(r, &m, "regular file");
    m = help_module("/nonexistent/library.so");
    expect_refused(r, &m, "cannot be opened");
    m = help_module("relative/path");
    expect_refused(r, &m, "absolute path");
    m = help_module("/etc/passwd");
    expect_refused(r, &m, "not an ELF file");
    snprintf(path, sizeof path, "%s/empty", help_dir);
    write_whole(path, (const uint8_t *)"", 0);
    m = help_module(path);
    expect_refused(r, &m, "empty");
    snprintf(link, sizeof link, "%s/link", help_dir);
    assert_int_equal(symlink(EXE, link), 0);
    m = help_module(link);
    expect_refused(r, &m, "regular file");
    m = (struct resolve_module){.path = "/a", .fd = open("/dev/zero", O_RDONLY | O_CLOEXEC)};
    expect_refused(r, &m, "regular file");
    close(m.fd);
    resolve_stop(r);
}

// The links of procfs lead to the mapped file whatever its name: a deleted program is still named.
static void test_deleted_file_through_procfs(void **state)
{
    (void)state;
    char path[160], name[64];
    snprintf(path, sizeof path, "%s/deleted", help_dir);
    help_run("cp %s %s", EXE, path);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    unlink(path);
    snprintf(name, sizeof name, "/proc/%d/fd/%d", (int)getpid(), fd);
    struct resolve *r = help_start(NULL, 0);
    struct resolve_module m = {.path = path, .open_path = name, .fd = -1};
    struct resolve_frames f;
    help_ask(r, &m, help_mark(EXE, help_line(SRC, "plain")), 0, &f);
    assert_string_equal(f.frames[0].function, "exported_plain");
    resolve_frames_free(&f);
    resolve_stop(r);
    close(fd);
}

// Every kind of ugly symbol name comes through as bytes, cut where it is too long.
static void test_hostile_names(void **state)
{
    (void)state;
    char script[160], path[160];
    snprintf(script, sizeof script, "%s/names.py", help_dir);
    snprintf(path, sizeof path, "%s/names", help_dir);
    static const char *const names[] = {
        "<script>alert(1)</script>", "a\\nb", "\\xff\\xfe", "\\u202egnp", "_ZN1", "_Z1fILi1E", "_RNvC6", "x]]>y"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        FILE *p = fopen(script, "w");
        assert_non_null(p);
        char wanted[64];
        // The same length as the symbol that it replaces, so that the file stays in order.
        fprintf(p, "exported_plain %s\n", names[i]);
        fclose(p);
        help_run("objcopy --strip-debug --redefine-syms=%s %s %s 2>/dev/null || objcopy --strip-debug "
                 "--redefine-sym 'exported_plain=%s' %s %s",
                 script, EXE, path, names[i], EXE, path);
        snprintf(wanted, sizeof wanted, "%s", names[i]);
        struct resolve *r = help_start(NULL, 0);
        struct resolve_module m = help_module(path);
        struct resolve_frames f;
        help_ask(r, &m, help_mark(EXE, help_line(SRC, "plain")), 0, &f);
        assert_non_null(f.frames[0].raw_name);
        assert_string_equal(f.frames[0].raw_name, wanted);
        resolve_frames_free(&f);
        resolve_stop(r);
    }
}

static void expect_long_name(struct resolve *r, const char *path, uint64_t mark)
{
    struct resolve_module m = help_module(path);
    struct resolve_frames f;
    help_ask(r, &m, mark, 0, &f);
    assert_true(f.frames[0].flags & RESOLVE_F_NAME_CUT);
    assert_true(strlen(f.frames[0].function) < RESOLVE_NAME_MAX);
    resolve_frames_free(&f);
}

static void test_very_long_names(void **state)
{
    (void)state;
    char syms[160], path[160];
    snprintf(syms, sizeof syms, "%s/long.syms", help_dir);
    snprintf(path, sizeof path, "%s/long", help_dir);
    uint64_t mark = help_mark(EXE, help_line(SRC, "plain"));
    struct resolve *r = help_start(NULL, 10000);
    for (int kind = 0; kind < 3; kind++) {
        FILE *p = fopen(syms, "w");
        fputs("exported_plain ", p);
        if (kind == 0) { // a megabyte
            for (int i = 0; i < 1 << 20; i++)
                fputc('n', p);
        } else if (kind == 1) { // doubles with each substitution: 2^30 parts when expanded
            fputs("_Z1fI1AIiiE", p);
            for (int i = 0; i < 30; i++)
                fprintf(p, "1AIS%c_S%c_E", i < 10 ? '0' + i : 'A' + i - 10, i < 10 ? '0' + i : 'A' + i - 10);
            fputs("Evv", p);
        } else { // nests
            fputs("_Z1f", p);
            for (int i = 0; i < 9000; i++)
                fputc('P', p);
            fputs("i", p);
        }
        fputc('\n', p);
        fclose(p);
        help_run("objcopy --strip-debug --redefine-syms=%s %s %s", syms, EXE, path);
        if (kind == 0) {
            expect_long_name(r, path, mark);
        } else { // either demangled within the limits, or left as it is, or the resolver was ended: but answered
            struct resolve_module m = help_module(path);
            struct resolve_frames f;
            help_ask(r, &m, mark, 0, &f);
            assert_true(f.frames[0].function || f.frames[0].reason);
            resolve_frames_free(&f);
        }
    }
    resolve_stop(r);
}

static void test_killed_resolver_is_started_again(void **state)
{
    (void)state;
    struct resolve *r = help_start(NULL, 0);
    struct resolve_module m = help_module(EXE);
    struct resolve_frames f;
    struct resolve_stats s;
    for (int i = 0; i < 3; i++) {
        help_ask(r, &m, help_mark(EXE, help_line(SRC, "plain")) + (uint64_t)i % 2, 0, &f);
        assert_string_equal(f.frames[0].function, "exported_plain");
        resolve_frames_free(&f);
        resolve_get_stats(r, &s);
        assert_true(s.pid > 0);
        kill(s.pid, SIGKILL);
        if (i == 0) { // new questions need a new process
            help_ask(r, &m, help_mark(EXE, help_line(SRC, "hidden")), 0, &f);
            assert_string_equal(f.frames[0].function, "hidden_plain");
            resolve_frames_free(&f);
        }
    }
    resolve_get_stats(r, &s);
    assert_true(s.starts >= 2 && s.crashes >= 1);
    resolve_stop(r);
}

// A resolver that stalls is ended at the deadline, and its file costs only its own names.
static void test_stalled_resolver_is_ended(void **state)
{
    (void)state;
    struct resolve *r = help_start(NULL, 300);
    struct resolve_module m = help_module(EXE);
    struct resolve_frames f;
    struct resolve_stats s;
    help_ask(r, &m, help_mark(EXE, help_line(SRC, "plain")), 0, &f);
    resolve_frames_free(&f);
    resolve_get_stats(r, &s);
    kill(s.pid, SIGSTOP);
    help_ask(r, &m, help_mark(EXE, help_line(SRC, "hidden")), 0, &f);
    assert_non_null(f.frames[0].reason);
    assert_true(f.frames[0].flags & RESOLVE_F_TRANSIENT);
    resolve_frames_free(&f);
    resolve_get_stats(r, &s);
    assert_int_equal(s.timeouts, 1);
    // Not remembered: the next time it is named.
    help_ask(r, &m, help_mark(EXE, help_line(SRC, "hidden")), 0, &f);
    assert_string_equal(f.frames[0].function, "hidden_plain");
    resolve_frames_free(&f);
    resolve_stop(r);
}

static void test_program_that_is_no_resolver(void **state)
{
    (void)state;
    static const char *const exes[] = {"/nonexistent", "/bin/true", "/bin/cat"};
    for (size_t i = 0; i < 3; i++) {
        struct resolve_options o = {.exe = exes[i], .deadline_ms = 300};
        struct seep_err err;
        struct resolve *r = resolve_start(&o, &err);
        struct resolve_module m = help_module(EXE);
        struct resolve_frames f;
        help_ask(r, &m, 0x1000, 0, &f);
        assert_null(f.frames[0].function);
        assert_non_null(f.frames[0].reason);
        assert_true(f.frames[0].flags & RESOLVE_F_TRANSIENT);
        resolve_frames_free(&f);
        resolve_stop(r);
    }
}

// The kernel's own words: a filter is in force, no privileges can be gained, and the ceilings stand.
static void test_the_process_is_locked_in(void **state)
{
    (void)state;
    struct resolve *r = help_start(NULL, 0);
    struct resolve_module m = help_module(EXE);
    struct resolve_frames f;
    struct resolve_stats s;
    help_ask(r, &m, 0x1000, 0, &f);
    resolve_frames_free(&f);
    resolve_get_stats(r, &s);
    help_run("grep -qE '^Seccomp:[[:space:]]+2$' /proc/%d/status", s.pid);
    help_run("grep -qE '^NoNewPrivs:[[:space:]]+1$' /proc/%d/status", s.pid);
    help_run("grep -qE '^Max open files +1024 +1024' /proc/%d/limits", s.pid);
    help_run("grep -qE '^Max core file size +0 +0' /proc/%d/limits", s.pid);
    resolve_stop(r);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); // reaped: no child is left
    assert_int_equal(errno, ECHILD);
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "resolver") == 0)
        return resolve_main(3);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mutated_files),
        cmocka_unit_test(test_what_is_not_a_program),
        cmocka_unit_test(test_deleted_file_through_procfs),
        cmocka_unit_test(test_hostile_names),
        cmocka_unit_test(test_very_long_names),
        cmocka_unit_test(test_killed_resolver_is_started_again),
        cmocka_unit_test(test_stalled_resolver_is_ended),
        cmocka_unit_test(test_program_that_is_no_resolver),
        cmocka_unit_test(test_the_process_is_locked_in),
    };
    return cmocka_run_group_tests(tests, help_make_dir, help_drop_dir);
}
