// How targets end, and how they fail to start: the exit record and its sentences.
#include "keeper_rig.h"

#include <sys/resource.h>

static void run_and_expect(const char *target, const char *arg, int how, int status)
{
    struct rig r;
    rig_prepare(&r, target, arg);
    rig_run_out(&r);
    assert_true(r.has_started && r.has_exited);
    assert_int_equal(r.exit.pid, r.started.pid);
    assert_int_equal(r.exit.status, status);
    if (how == KEEPER_HOW_SIGNALLED) // whether a core was dumped is the machine's affair
        assert_true(r.exit.how == KEEPER_HOW_SIGNALLED || r.exit.how == KEEPER_HOW_CORE);
    else
        assert_int_equal(r.exit.how, how);
    assert_int_equal(r.exit.oom, KEEPER_OOM_NO);
    assert_false(r.exit.after_stop);
    struct keeper_exit_record on_disk;
    assert_int_equal(keeper_read_exit_record(r.dir_fd, &on_disk, &r.err), 1);
    assert_memory_equal(&on_disk, &r.exit, sizeof on_disk);
    rig_close(&r);
}

static void ends_exited(void **state)
{
    (void)state;
    run_and_expect("/bin/true", NULL, KEEPER_HOW_EXITED, 0);
    run_and_expect("/bin/false", NULL, KEEPER_HOW_EXITED, 1);
    static const char *const hows[] = {"exit", "_exit", "quick_exit", "constructor", "thread"};
    for (size_t i = 0; i < 5; i++)
        run_and_expect("exit_how", hows[i], KEEPER_HOW_EXITED, 5);
}

static void ends_crashed(void **state)
{
    (void)state;
    run_and_expect("crash_segv", NULL, KEEPER_HOW_SIGNALLED, SIGSEGV);
    run_and_expect("crash_abrt", NULL, KEEPER_HOW_SIGNALLED, SIGABRT);
    run_and_expect("crash_bus", NULL, KEEPER_HOW_SIGNALLED, SIGBUS);
    run_and_expect("crash_ill", NULL, KEEPER_HOW_SIGNALLED, SIGILL);
    run_and_expect("crash_fpe", NULL, KEEPER_HOW_SIGNALLED, SIGFPE);
    run_and_expect("crash_overflow", NULL, KEEPER_HOW_SIGNALLED, SIGSEGV);
    run_and_expect("crash_fortify", NULL, KEEPER_HOW_SIGNALLED, SIGABRT);
    run_and_expect("crash_throw", NULL, KEEPER_HOW_SIGNALLED, SIGABRT);
}

static void crash_keeps_last_words(void **state)
{
    (void)state;
    struct rig r;
    rig_prepare(&r, "crash_abrt", NULL);
    rig_run(&r);
    rig_until(&r, &r.has_exited);
    char *log = rig_read(&r, KEEPER_LOG_NAME, NULL);
    assert_string_equal(log, "last words without a newline");
    free(log);
    rig_until(&r, &r.has_empty);
    rig_close(&r);
}

static void kill_by_hand_is_not_oom(void **state)
{
    (void)state;
    struct rig r;
    char text[200];
    rig_prepare(&r, "stopped", NULL);
    rig_run(&r);
    rig_until(&r, &r.has_started);
    kill(r.started.pid, SIGKILL);
    rig_until(&r, &r.has_exited);
    assert_int_equal(r.exit.oom, KEEPER_OOM_UNKNOWN);
    assert_false(r.exit.killed_by_us);
    keeper_exit_text(&r.exit, text, sizeof text);
    assert_non_null(strstr(text, "sender unknown"));
    rig_until(&r, &r.has_empty);
    rig_close(&r);
}

static void stop_is_told_from_leaving_early(void **state)
{
    (void)state;
    struct rig r;
    rig_prepare(&r, "/bin/sleep", "1000");
    rig_run(&r);
    rig_until(&r, &r.has_started);
    rig_ok(&r, keeper_signal(&r.link, SIGTERM, KEEPER_WHOM_MAIN, KEEPER_SIGNAL_STOP, &r.err));
    rig_until(&r, &r.has_empty);
    assert_int_equal(r.exit.how, KEEPER_HOW_SIGNALLED);
    assert_int_equal(r.exit.status, SIGTERM);
    assert_true(r.exit.after_stop);
    assert_int_equal(r.exit.stop_signal, SIGTERM);
    assert_true(r.exit.stop_mono_ns >= r.exit.start_mono_ns && r.exit.stop_mono_ns <= r.exit.end_mono_ns);
    assert_int_equal(keeper_signal(&r.link, SIGTERM, KEEPER_WHOM_MAIN, KEEPER_SIGNAL_STOP, &r.err), -1);
    assert_int_equal(r.err.code, SEEP_E_TARGET);
    rig_close(&r);
}

static void oom_kill_is_named(void **state)
{
    (void)state;
    static const char base[] = "/sys/fs/cgroup/memory", limit[] = "memory.limit_in_bytes";
    char dir[128], path[200], oom[200], text[200];
    snprintf(dir, sizeof dir, "%s/seep-test-oom-%d", base, (int)getpid());
    snprintf(path, sizeof path, "%s/%s", dir, limit);
    snprintf(oom, sizeof oom, "%s/memory.oom_control", dir);
    if (mkdir(dir, 0700) < 0) {
        print_message("skipped: no memory cgroup of version 1 can be made here\n");
        skip();
    }
    int fd = open(path, O_WRONLY);
    assert_true(fd >= 0 && write(fd, "33554432", 8) == 8);
    close(fd);
    struct rig r;
    rig_prepare(&r, "eat_memory", "128");
    r.cfg.join[0] = dir;
    r.cfg.oom_file = oom;
    rig_run_out(&r);
    assert_int_equal(r.exit.status, SIGKILL);
    assert_int_equal(r.exit.oom, KEEPER_OOM_YES);
    keeper_exit_text(&r.exit, text, sizeof text);
    assert_non_null(strstr(text, "out of memory"));
    rig_close(&r);
    assert_int_equal(rmdir(dir), 0);
}

static void quick_ends_are_exact(void **state)
{
    (void)state;
    for (int i = 0; i < 60; i++)
        run_and_expect(i % 2 ? "/bin/true" : "/bin/false", NULL, KEEPER_HOW_EXITED, i % 2 ? 0 : 1);
}

// --- targets that do not start
// -----------------------------------------------------------------------------------------

static void fail_and_expect(struct rig *r, int stage, int sys_errno, const char *needle)
{
    rig_run(r);
    rig_until(r, &r->has_failed);
    assert_int_equal(r->failed.stage, stage);
    assert_int_equal(r->failed.sys_errno, sys_errno);
    assert_int_equal(keeper_start_failure(&r->cfg, &r->failed, &r->err), -1);
    assert_int_equal(r->err.code, SEEP_E_TARGET);
    if (!strstr(r->err.text, needle))
        fail_msg("\"%s\" does not say \"%s\"", r->err.text, needle);
    assert_false(r->has_started);
    struct keeper_exit_record rec;
    assert_int_equal(keeper_read_exit_record(r->dir_fd, &rec, &r->err), 0);
    rig_close(r);
}

static void write_program(struct rig *r, const char *name, const void *data, size_t len, mode_t mode)
{
    int fd = openat(r->dir_fd, name, O_WRONLY | O_CREAT | O_TRUNC, 0700);
    assert_true(fd >= 0 && write(fd, data, len) == (ssize_t)len && fchmod(fd, mode) == 0);
    close(fd);
    snprintf(r->exec_path, sizeof r->exec_path, "%s/%s", r->dir, name);
}

static void start_failures_say_why(void **state)
{
    (void)state;
    struct rig r;
    rig_prepare(&r, "/nowhere/at-all", NULL);
    fail_and_expect(&r, KEEPER_STAGE_EXEC, ENOENT, "no such file");

    rig_prepare(&r, "x", NULL);
    write_program(&r, "plain", "echo hello\n", 11, 0700);
    fail_and_expect(&r, KEEPER_STAGE_EXEC, ENOEXEC, "#!");

    rig_prepare(&r, "x", NULL);
    write_program(&r, "noexec", "#!/bin/sh\n", 10, 0600);
    fail_and_expect(&r, KEEPER_STAGE_EXEC, EACCES, "chmod +x");

    rig_prepare(&r, "x", NULL);
    write_program(&r, "lost", "#!/no/such/interpreter -x\n", 26, 0700);
    fail_and_expect(&r, KEEPER_STAGE_EXEC, ENOENT, "/no/such/interpreter");

    unsigned char foreign[64] = {0x7f, 'E', 'L', 'F', 2, 1, 1};
    foreign[16] = 2;
    foreign[18] = 0xf3; // RISC-V
    rig_prepare(&r, "x", NULL);
    write_program(&r, "foreign", foreign, sizeof foreign, 0700);
    fail_and_expect(&r, KEEPER_STAGE_EXEC, ENOEXEC, "another processor");

    rig_prepare(&r, "/bin/true", NULL);
    r.cfg.cwd = "/no/such/directory";
    fail_and_expect(&r, KEEPER_STAGE_CWD, ENOENT, "/no/such/directory");
}

static void argument_too_long(void **state)
{
    (void)state;
    struct rig r;
    char *big = malloc(140001);
    assert_non_null(big);
    memset(big, 'a', 140000);
    big[140000] = '\0';
    rig_prepare(&r, "/bin/true", big);
    fail_and_expect(&r, KEEPER_STAGE_EXEC, E2BIG, "131072");
    free(big);
}

static void limit_beyond_the_hard_one(void **state)
{
    (void)state;
    struct rig r;
    struct keeper_rlimit silly = {.resource = RLIMIT_NOFILE, .soft = 100, .hard = 10};
    rig_prepare(&r, "/bin/true", NULL);
    r.cfg.rlimits = &silly;
    r.cfg.rlimit_count = 1;
    fail_and_expect(&r, KEEPER_STAGE_RLIMIT, EINVAL, "limit number 1");
}

static void bad_configs_are_refused(void **state)
{
    (void)state;
    struct rig r;
    rig_prepare(&r, "/bin/true", NULL);
    r.cfg.probe_path = "/tmp/a dir/libseep-probe.so";
    assert_int_equal(keeper_start(&r.cfg, &r.link, &r.err), -1);
    assert_int_equal(r.err.code, SEEP_E_UNSUPPORTED);
    r.cfg.probe_path = NULL;
    r.argv[0] = NULL;
    assert_int_equal(keeper_start(&r.cfg, &r.link, &r.err), -1);
    assert_int_equal(r.err.code, SEEP_E_USAGE);
    r.argv[0] = "true";
    r.cfg.keeper_path = "/no/seep-keeper";
    assert_int_equal(keeper_start(&r.cfg, &r.link, &r.err), -1);
    assert_non_null(strstr(r.err.text, "/no/seep-keeper"));
    rig_remove_dir(&r);
}

static void damaged_records_are_not_believed(void **state)
{
    (void)state;
    struct rig r;
    struct keeper_exit_record rec;
    rig_prepare(&r, "/bin/true", NULL);
    rig_run_out(&r);
    for (size_t at = 0; at < offsetof(struct keeper_exit_record, pad2); at += 7) {
        int fd = openat(r.dir_fd, KEEPER_EXIT_NAME, O_RDWR);
        unsigned char byte, flipped;
        assert_int_equal(pread(fd, &byte, 1, (off_t)at), 1);
        flipped = byte ^ 0x10;
        assert_int_equal(pwrite(fd, &flipped, 1, (off_t)at), 1);
        assert_int_equal(keeper_read_exit_record(r.dir_fd, &rec, &r.err), -1);
        assert_int_equal(pwrite(fd, &byte, 1, (off_t)at), 1);
        close(fd);
    }
    assert_int_equal(keeper_read_exit_record(r.dir_fd, &rec, &r.err), 1);
    int fd = openat(r.dir_fd, KEEPER_EXIT_NAME, O_RDWR);
    assert_int_equal(ftruncate(fd, 100), 0);
    close(fd);
    assert_int_equal(keeper_read_exit_record(r.dir_fd, &rec, &r.err), -1);
    assert_int_equal(r.err.code, SEEP_E_CORRUPT);
    rig_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ends_exited),
        cmocka_unit_test(ends_crashed),
        cmocka_unit_test(crash_keeps_last_words),
        cmocka_unit_test(kill_by_hand_is_not_oom),
        cmocka_unit_test(stop_is_told_from_leaving_early),
        cmocka_unit_test(oom_kill_is_named),
        cmocka_unit_test(quick_ends_are_exact),
        cmocka_unit_test(start_failures_say_why),
        cmocka_unit_test(argument_too_long),
        cmocka_unit_test(limit_beyond_the_hard_one),
        cmocka_unit_test(bad_configs_are_refused),
        cmocka_unit_test(damaged_records_are_not_believed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
