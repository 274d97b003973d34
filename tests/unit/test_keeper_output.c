// What the target sees of its start (descriptors, signals, user, directory, limits) and what becomes of what it prints.
#include "keeper_rig.h"

#include <sys/resource.h>
#include <sys/socket.h>

static char *run_for_log(struct rig *r, size_t *len)
{
    rig_run_out(r);
    char *log = rig_read(r, KEEPER_LOG_NAME, len);
    assert_non_null(log);
    assert_int_equal(faccessat(r->dir_fd, KEEPER_TAIL_NAME, F_OK, 0), -1);
    return log;
}

static void exactly_three_descriptors(void **state)
{
    (void)state;
    struct rig r;
    int leaked = dup(2); // without CLOEXEC, as a careless library leaves one
    signal(SIGUSR1, SIG_IGN);
    rig_prepare(&r, "list_fds", NULL);
    char *log = run_for_log(&r, NULL);
    assert_string_equal(log, "0 1 2 blocked 0 ignored 0\n");
    free(log);
    rig_close(&r);
    signal(SIGUSR1, SIG_DFL);
    close(leaked);
}

static void dev_stdout_opens(void **state)
{
    (void)state;
    struct rig r;
    rig_prepare(&r, "dev_stdout", NULL);
    char *log = run_for_log(&r, NULL);
    assert_int_equal(r.exit.status, 0);
    assert_non_null(strstr(log, "/dev/stdout works"));
    assert_non_null(strstr(log, "/dev/stderr works"));
    free(log);
    rig_close(&r);
}

static void starts_as_configured(void **state)
{
    (void)state;
    struct rig r;
    static const char *const env[] = {"ONE=1", "PATH=/bin", NULL};
    struct keeper_rlimit limits[] = {{.resource = RLIMIT_NOFILE, .soft = 77, .hard = 88},
                                     {.resource = RLIMIT_CORE, .soft = 0, .hard = 0}};
    mode_t old = umask(027);
    rig_prepare(&r, "show_self", "ONE");
    r.argv[2] = "HOME";
    r.cfg.envp = env;
    r.cfg.rlimits = limits;
    r.cfg.rlimit_count = 2;
    r.cfg.cwd = "/usr";
    char *log = run_for_log(&r, NULL);
    assert_non_null(strstr(log, "cwd /usr\n"));
    assert_non_null(strstr(log, "files 77 core 0 umask 027\n"));
    assert_non_null(strstr(log, "ONE=1\nHOME=(none)\n"));
    free(log);
    rig_close(&r);
    umask(old);
}

// The build may lie where only we can look (below /root, say); another user's program must lie elsewhere.
static void put_where_all_can_read(struct rig *r)
{
    char path[sizeof r->exec_path];
    char chunk[65536];
    snprintf(path, sizeof path, "%.200s/prog", r->dir);
    int in = open(r->exec_path, O_RDONLY | O_CLOEXEC), out = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0755);
    assert_true(in >= 0 && out >= 0);
    ssize_t n;
    while ((n = read(in, chunk, sizeof chunk)) > 0)
        assert_int_equal(write(out, chunk, (size_t)n), n);
    assert_int_equal(n, 0);
    close(in);
    assert_int_equal(fchmod(out, 0755), 0);
    close(out);
    assert_int_equal(chmod(r->dir, 0711), 0);
    snprintf(r->exec_path, sizeof r->exec_path, "%s", path);
}

static void changes_user(void **state)
{
    (void)state;
    if (geteuid() != 0) {
        print_message("skipped: only root can change the user\n");
        skip();
    }
    struct rig r;
    rig_prepare(&r, "show_self", NULL);
    r.cfg.set_ids = true;
    r.cfg.uid = 65534;
    r.cfg.gid = 65533;
    put_where_all_can_read(&r);
    char *log = run_for_log(&r, NULL);
    assert_non_null(strstr(log, "uid 65534 gid 65533 groups 0\n"));
    free(log);
    rig_close(&r);
}

static void deleted_directory(void **state)
{
    (void)state;
    struct rig r;
    char dir[] = "/tmp/seep-test-gone-XXXXXX";
    int back = open(".", O_RDONLY | O_DIRECTORY);
    rig_prepare(&r, "show_self", NULL);
    r.cfg.cwd = NULL;
    assert_non_null(mkdtemp(dir));
    assert_int_equal(chdir(dir), 0);
    assert_int_equal(rmdir(dir), 0);
    char *log = run_for_log(&r, NULL);
    assert_non_null(strstr(log, "cwd (gone)\n"));
    assert_int_equal(fchdir(back), 0);
    close(back);
    free(log);
    rig_close(&r);
}

// The whole environment of the target with a probe: our libraries before its own LD_PRELOAD, one variable more.
static void probe_comes_before_its_own_preload(void **state)
{
    (void)state;
    struct rig r;
    static const char *const env[] = {"LD_PRELOAD=/nonexistent/own.so", "SEEP_PROBE=stale", NULL};
    rig_prepare(&r, "show_self", "LD_PRELOAD");
    r.argv[2] = "SEEP_PROBE";
    r.cfg.envp = env;
    r.cfg.probe_path = "/nonexistent/libseep-probe.so";
    r.cfg.probe_more = "/nonexistent/more.so";
    char *log = run_for_log(&r, NULL);
    assert_non_null(strstr(log, "LD_PRELOAD=/nonexistent/libseep-probe.so:/nonexistent/more.so:/nonexistent/own.so\n"));
    assert_non_null(strstr(log, "\nSEEP_PROBE="));
    assert_null(strstr(log, "SEEP_PROBE=stale"));
    free(log);
    rig_close(&r);
}

static void raw_bytes_are_kept(void **state)
{
    (void)state;
    static const char want[] = "a\0b\033]0;title\007\xff\xc2\x9b"
                               "31m\xe2\x80\xae"
                               "end";
    struct rig r;
    size_t len;
    rig_prepare(&r, "out_bytes", NULL);
    char *log = run_for_log(&r, &len);
    assert_int_equal(len, sizeof want - 1);
    assert_memory_equal(log, want, len);
    free(log);
    rig_close(&r);
}

static void flood_is_bounded(void **state)
{
    (void)state;
    struct rig r;
    struct keeper_stats stats;
    size_t len;
    rig_prepare(&r, "out_flood", "268435456");
    r.cfg.log_head_bytes = 100000;
    r.cfg.log_tail_bytes = 50000;
    char *log = run_for_log(&r, &len);
    assert_int_equal(r.exit.status, 0);
    rig_ok(&r, keeper_status(&r.link, &stats, &r.err));
    assert_int_equal(stats.out_bytes, 268435456 + 7);
    assert_int_equal(stats.out_dropped_bytes, 268435456 + 7 - 150000);
    assert_int_equal(stats.log_lost_bytes, 0);
    assert_true(len > 150000 && len < 150100);
    assert_memory_equal(log, "line of thirty-one characters..\n", 32);
    assert_string_equal(log + len - 7, "the end");
    assert_non_null(strstr(log, "[seep: 268285463 bytes not kept between head and tail]"));
    free(log);
    rig_close(&r);
}

static void nothing_is_dropped_when_it_fits(void **state)
{
    (void)state;
    struct rig r;
    size_t len;
    rig_prepare(&r, "out_flood", "120000");
    r.cfg.log_head_bytes = 100000;
    r.cfg.log_tail_bytes = 50000;
    char *log = run_for_log(&r, &len);
    assert_int_equal(len, 120007);
    assert_null(strstr(log, "[seep:"));
    free(log);
    rig_close(&r);
}

// --- tee and inherit: the caller's descriptors
// ---------------------------------------------------------------------------

struct caller {
    int saved[3];
};

static void lend(struct caller *c, int fd, int replacement)
{
    c->saved[fd] = dup(fd);
    dup2(replacement, fd);
}

static void give_back(struct caller *c, int fd)
{
    dup2(c->saved[fd], fd);
    close(c->saved[fd]);
}

static void tee_to_a_pipe_keeps_bytes(void **state)
{
    (void)state;
    struct rig r;
    struct caller c;
    int ends[2];
    char got[64] = "";
    assert_int_equal(pipe(ends), 0);
    rig_prepare(&r, "crash_segv", NULL);
    r.cfg.output = KEEPER_OUTPUT_TEE;
    fflush(stdout);
    lend(&c, 1, ends[1]);
    rig_start(&r);
    give_back(&c, 1);
    close(ends[1]);
    rig_ok(&r, keeper_begin(&r.link, &r.err));
    rig_until(&r, &r.has_empty);
    char *log = rig_read(&r, KEEPER_LOG_NAME, NULL);
    assert_string_equal(log, "last words\n");
    free(log);
    assert_int_equal(read(ends[0], got, sizeof got), 11);
    assert_string_equal(got, "last words\n");
    close(ends[0]);
    rig_close(&r);
}

// Nobody reads the caller's pipe: the target must not notice, the log is complete, the loss is counted.
static void tee_never_blocks(void **state)
{
    (void)state;
    struct rig r;
    struct caller c;
    struct keeper_stats stats;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    rig_prepare(&r, "out_flood", "1000000");
    r.cfg.output = KEEPER_OUTPUT_TEE;
    fflush(stdout);
    lend(&c, 1, ends[1]);
    rig_start(&r);
    give_back(&c, 1);
    rig_ok(&r, keeper_begin(&r.link, &r.err));
    rig_until(&r, &r.has_empty);
    rig_ok(&r, keeper_status(&r.link, &stats, &r.err));
    assert_true(stats.tee_dropped_bytes > 500000);
    assert_true(stats.warnings & KEEPER_WARN_TEE_DROPPED);
    size_t len;
    free(rig_read(&r, KEEPER_LOG_NAME, &len));
    assert_int_equal(len, 1000007);
    close(ends[0]);
    close(ends[1]);
    rig_close(&r);
}

static void terminal_gets_no_escapes(void **state)
{
    (void)state;
    struct rig r;
    struct caller c;
    char got[256] = "";
    int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    assert_true(master >= 0);
    assert_int_equal(grantpt(master) | unlockpt(master), 0);
    int tty = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
    assert_true(tty >= 0);
    rig_prepare(&r, "out_bytes", NULL);
    r.cfg.output = KEEPER_OUTPUT_TEE;
    fflush(stdout);
    lend(&c, 1, tty);
    rig_start(&r);
    give_back(&c, 1);
    rig_ok(&r, keeper_begin(&r.link, &r.err));
    rig_until(&r, &r.has_empty);
    ssize_t len = read(master, got, sizeof got - 1);
    assert_true(len > 0);
    // a lone ff is no control of any terminal; c2 9b and e2 80 ae are
    assert_string_equal(got, "a\\x00b\\x1b]0;title\\x07\xff\\xc2\\x9b31m\\xe2\\x80\\xaeend");
    close(tty);
    close(master);
    rig_close(&r);
}

static void inherit_leaves_the_callers(void **state)
{
    (void)state;
    struct rig r;
    struct caller c;
    int in[2], out[2];
    char got[64] = "";
    assert_int_equal(pipe(in) | pipe(out), 0);
    assert_int_equal(write(in[1], "from the caller\n", 16), 16);
    close(in[1]);
    rig_prepare(&r, "/bin/cat", NULL);
    r.cfg.output = KEEPER_OUTPUT_INHERIT;
    fflush(stdout);
    lend(&c, 0, in[0]);
    lend(&c, 1, out[1]);
    rig_start(&r);
    give_back(&c, 0);
    give_back(&c, 1);
    close(in[0]);
    close(out[1]);
    rig_ok(&r, keeper_begin(&r.link, &r.err));
    rig_until(&r, &r.has_empty);
    assert_int_equal(read(out[0], got, sizeof got), 16);
    assert_string_equal(got, "from the caller\n");
    assert_int_equal(read(out[0], got, sizeof got), 0); // the keeper holds no end of it
    assert_int_equal(faccessat(r.dir_fd, KEEPER_LOG_NAME, F_OK, 0), -1);
    close(out[0]);
    rig_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exactly_three_descriptors),
        cmocka_unit_test(dev_stdout_opens),
        cmocka_unit_test(starts_as_configured),
        cmocka_unit_test(changes_user),
        cmocka_unit_test(deleted_directory),
        cmocka_unit_test(probe_comes_before_its_own_preload),
        cmocka_unit_test(raw_bytes_are_kept),
        cmocka_unit_test(flood_is_bounded),
        cmocka_unit_test(nothing_is_dropped_when_it_fits),
        cmocka_unit_test(tee_to_a_pipe_keeps_bytes),
        cmocka_unit_test(tee_never_blocks),
        cmocka_unit_test(terminal_gets_no_escapes),
        cmocka_unit_test(inherit_leaves_the_callers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
