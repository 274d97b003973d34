// The keeper and its supervisors: attach after a SIGKILL, one master at a time, strangers and garbage on the socket,
// signals, the end of everybody, daemons and orphans, a killed keeper.
#include "keeper_rig.h"

#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>

// Runs the supervisor in a child that is killed with SIGKILL as soon as the target has started.
static void start_then_kill_supervisor(struct rig *r)
{
    int told[2];
    assert_int_equal(pipe(told), 0);
    pid_t supervisor = fork();
    assert_true(supervisor >= 0);
    if (supervisor == 0) {
        rig_run(r);
        rig_until(r, &r->has_started);
        (void)!write(told[1], &r->started, sizeof r->started);
        for (;;)
            pause();
    }
    assert_int_equal(read(told[0], &r->started, sizeof r->started), sizeof r->started);
    kill(supervisor, SIGKILL);
    waitpid(supervisor, NULL, 0);
    close(told[0]);
    close(told[1]);
}

// The keeper belongs to init now; wait for its end by the socket's.
static void shutdown_foreign(struct rig *r)
{
    rig_ok(r, keeper_shutdown(&r->link, &r->err));
    assert_int_equal(faccessat(r->dir_fd, KEEPER_SOCKET_NAME, F_OK, 0), -1);
    rig_remove_dir(r);
}

static void successor_learns_everything(void **state)
{
    (void)state;
    struct rig r;
    struct keeper_start_record rec;
    rig_prepare(&r, "term_ignore", NULL);
    start_then_kill_supervisor(&r);
    struct keeper_started first = r.started;
    assert_int_equal(kill(first.pid, 0), 0);
    assert_int_equal(keeper_read_start_record(r.dir_fd, &rec, &r.err), 1);
    assert_int_equal(rec.target_pid, first.pid);
    assert_int_equal(rec.target_starttime_ticks, first.starttime_ticks);

    rig_ok(&r, keeper_attach(r.dir_fd, true, &r.link, &r.err));
    assert_int_equal(r.link.keeper_pid, rec.keeper_pid);
    rig_until(&r, &r.has_started);
    assert_memory_equal(&r.started, &first, sizeof first);
    assert_true(r.link.target_pidfd >= 0 && r.link.output_fd[0] >= 0);
    int left = -1;
    rig_ok(&r, keeper_kill_all(&r.link, &left, &r.err));
    assert_int_equal(left, 0);
    rig_until(&r, &r.has_empty);
    assert_true(r.has_exited && r.exit.killed_by_us);
    shutdown_foreign(&r);
}

static void exit_is_known_to_a_late_successor(void **state)
{
    (void)state;
    struct rig r;
    rig_prepare(&r, "stopped", NULL);
    start_then_kill_supervisor(&r);
    kill(r.started.pid, SIGKILL);
    rig_ok(&r, keeper_attach(r.dir_fd, true, &r.link, &r.err));
    rig_until(&r, &r.has_empty);
    assert_true(r.has_started && r.has_exited);
    assert_int_equal(r.exit.status, SIGKILL);
    // and again, for one that comes after that one
    keeper_close(&r.link);
    r.has_exited = r.has_empty = false;
    for (int64_t deadline = rig_now_ms() + RIG_LIMIT_MS;;) { // the keeper may not have seen the close yet
        if (keeper_attach(r.dir_fd, true, &r.link, &r.err) == 0)
            break;
        assert_int_equal(r.err.code, SEEP_E_LIMIT);
        assert_true(rig_now_ms() < deadline);
    }
    rig_until(&r, &r.has_empty);
    assert_true(r.has_exited);
    shutdown_foreign(&r);
}

static void supervisor_dies_before_start(void **state)
{
    (void)state;
    struct rig r;
    rig_prepare(&r, "/bin/true", NULL);
    rig_start(&r);
    pid_t keeper = r.link.keeper_pid;
    close(r.link.fd);
    r.link.fd = -1;
    assert_int_equal(waitpid(keeper, NULL, 0), keeper); // ends by itself: there is nothing to keep
    r.link.keeper_pid = 0;
    keeper_close(&r.link);
    rig_remove_dir(&r);
}

static void one_master_many_watchers(void **state)
{
    (void)state;
    struct rig r;
    struct keeper_link second;
    struct keeper_stats stats;
    rig_prepare(&r, "stopped", NULL);
    rig_run(&r);
    rig_until(&r, &r.has_started);
    assert_int_equal(keeper_attach(r.dir_fd, true, &second, &r.err), -1);
    assert_int_equal(r.err.code, SEEP_E_LIMIT);
    rig_ok(&r, keeper_attach(r.dir_fd, false, &second, &r.err));
    rig_ok(&r, keeper_status(&second, &stats, &r.err));
    assert_int_equal(stats.state, KEEPER_RUNNING);
    assert_int_equal(stats.target_pid, r.started.pid);
    assert_int_equal(keeper_signal(&second, SIGKILL, KEEPER_WHOM_MAIN, 0, &r.err), -1);
    assert_int_equal(kill(r.started.pid, 0), 0);
    assert_int_equal(keeper_shutdown(&r.link, &r.err), -1); // somebody lives
    assert_int_equal(r.err.code, SEEP_E_LIMIT);
    keeper_close(&second);
    int left;
    rig_ok(&r, keeper_kill_all(&r.link, &left, &r.err));
    rig_close(&r);
}

static int raw_connect(const struct rig *r)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    snprintf(name.sun_path, sizeof name.sun_path, "%s/" KEEPER_SOCKET_NAME, r->dir);
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&name, sizeof name), 0);
    return fd;
}

// Random messages of random length, half of them with a true head: the keeper answers or drops, and goes on.
static void garbage_is_harmless(void **state)
{
    (void)state;
    struct rig r;
    struct keeper_stats stats;
    unsigned seed = 1;
    rig_prepare(&r, "stopped", NULL);
    rig_run(&r);
    rig_until(&r, &r.has_started);
    for (int round = 0; round < 300; round++) {
        int fd = raw_connect(&r);
        struct {
            struct keeper_msg m;
            char more[64];
        } junk;
        for (size_t i = 0; i < sizeof junk; i++)
            ((char *)&junk)[i] = (char)rand_r(&seed);
        if (round % 2) {
            junk.m.magic = KEEPER_MAGIC;
            junk.m.version = round % 3 ? KEEPER_VERSION : KEEPER_VERSION + 1;
            junk.m.type = (uint16_t)(rand_r(&seed) % 80);
        }
        for (int n = 0; n < 3; n++)
            (void)!send(fd, &junk, (size_t)rand_r(&seed) % sizeof junk, MSG_NOSIGNAL | MSG_DONTWAIT);
        (void)!send(fd, &junk, sizeof junk.m, MSG_NOSIGNAL | MSG_DONTWAIT);
        close(fd);
    }
    rig_ok(&r, keeper_status(&r.link, &stats, &r.err));
    assert_int_equal(stats.state, KEEPER_RUNNING);
    int left;
    rig_ok(&r, keeper_kill_all(&r.link, &left, &r.err));
    rig_close(&r);
}

static void stranger_is_refused(void **state)
{
    (void)state;
    if (geteuid() != 0) {
        print_message("skipped: only root can be somebody else\n");
        skip();
    }
    struct rig r;
    rig_prepare(&r, "stopped", NULL);
    rig_run(&r);
    rig_until(&r, &r.has_started);
    assert_int_equal(fchmod(r.dir_fd, 0777), 0);
    assert_int_equal(fchmodat(r.dir_fd, KEEPER_SOCKET_NAME, 0777, 0), 0);
    pid_t pid = fork();
    if (pid == 0) {
        if (setresuid(65534, 65534, 65534) < 0)
            _exit(3);
        int fd = raw_connect(&r);
        struct keeper_msg m = {.magic = KEEPER_MAGIC, .version = KEEPER_VERSION, .type = KEEPER_MSG_STATUS};
        (void)!send(fd, &m, sizeof m, MSG_NOSIGNAL);
        _exit(recv(fd, &m, sizeof m, 0) <= 0 ? 0 : 1); // no answer, only the end
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    int left;
    rig_ok(&r, keeper_kill_all(&r.link, &left, &r.err));
    rig_close(&r);
}

static void daemon_is_followed(void **state)
{
    (void)state;
    struct rig r;
    struct keeper_stats stats;
    rig_prepare(&r, "daemonise", "0");
    rig_run(&r);
    rig_until(&r, &r.has_exited);
    assert_int_equal(r.exit.how, KEEPER_HOW_EXITED);
    rig_until_log(&r, "daemon ");
    assert_false(r.has_empty);
    rig_ok(&r, keeper_status(&r.link, &stats, &r.err));
    assert_int_equal(stats.state, KEEPER_LINGERING);
    rig_ok(&r, keeper_signal(&r.link, SIGTERM, KEEPER_WHOM_ALL, KEEPER_SIGNAL_STOP, &r.err));
    rig_until(&r, &r.has_empty);
    rig_ok(&r, keeper_status(&r.link, &stats, &r.err));
    assert_int_equal(stats.reaped, 3);
    rig_close(&r);
}

static void orphans_leave_no_zombies(void **state)
{
    (void)state;
    struct rig r;
    struct keeper_stats stats;
    rig_prepare(&r, "mass_exit", "300");
    rig_run_out(&r);
    assert_int_equal(r.exit.status, 0);
    rig_ok(&r, keeper_status(&r.link, &stats, &r.err));
    assert_int_equal(stats.reaped, 301); // the main process and 300 orphans; it waited for the one between itself
    rig_close(&r);
}

static void kill_all_wins(const char *target, const char *arg, const char *ready)
{
    struct rig r;
    struct keeper_stats stats;
    int left = -1;
    rig_prepare(&r, target, arg);
    rig_run(&r);
    rig_until_log(&r, ready);
    rig_ok(&r, keeper_kill_all(&r.link, &left, &r.err));
    assert_int_equal(left, 0);
    rig_until(&r, &r.has_empty);
    rig_ok(&r, keeper_status(&r.link, &stats, &r.err));
    assert_int_equal(stats.warnings & KEEPER_WARN_KILL_INCOMPLETE, 0);
    rig_close(&r);
}

static void kill_all_against_all(void **state)
{
    (void)state;
    kill_all_wins("term_ignore", NULL, "ready");
    kill_all_wins("stopped", NULL, "ready");
    kill_all_wins("zombie_farm", "100", "ready");
    kill_all_wins("fork_bomb", "200", "ready");
}

static void kill_all_by_freezer(void **state)
{
    (void)state;
    char dir[128];
    snprintf(dir, sizeof dir, "/sys/fs/cgroup/freezer/seep-test-%d", (int)getpid());
    if (mkdir(dir, 0700) < 0) {
        print_message("skipped: no freezer cgroup of version 1 can be made here\n");
        skip();
    }
    struct rig r;
    int left = -1;
    rig_prepare(&r, "fork_bomb", "200");
    r.cfg.join[0] = r.cfg.freezer_dir = dir;
    r.cfg.remove_cgroup = true;
    rig_run(&r);
    rig_until_log(&r, "ready");
    rig_ok(&r, keeper_kill_all(&r.link, &left, &r.err));
    assert_int_equal(left, 0);
    rig_until(&r, &r.has_empty);
    rig_close(&r);
    assert_int_equal(access(dir, F_OK), -1);
}

static void target_cannot_signal_its_keeper_away(void **state)
{
    (void)state;
    struct rig r;
    rig_prepare(&r, "kill_parent", NULL);
    rig_run_out(&r);
    assert_int_equal(r.exit.status, 7);
    char *log = rig_read(&r, KEEPER_LOG_NAME, NULL);
    assert_non_null(strstr(log, "still here 19"));
    free(log);
    rig_close(&r);
    rig_prepare(&r, "kill_group", NULL);
    rig_run_out(&r);
    assert_int_equal(r.exit.status, 0);
    log = rig_read(&r, KEEPER_LOG_NAME, NULL);
    assert_string_equal(log, "group own\n");
    free(log);
    rig_close(&r);
}

// The keeper is killed: the target runs on, its prints do not kill it, and its status reaches the supervisor, who is a
// subreaper.
static void killed_keeper(void **state)
{
    (void)state;
    struct rig r;
    rig_prepare(&r, "kill_parent", "9");
    r.argv[2] = "wait";
    rig_run(&r);
    rig_until(&r, &r.has_started);
    rig_until_log(&r, "ready");
    kill(r.started.pid, SIGUSR1);
    rig_until(&r, &r.is_lost);
    uint64_t dropped = 0;
    int rc;
    for (int64_t deadline = rig_now_ms() + RIG_LIMIT_MS;;) {
        rc = keeper_orphan_wait(&r.link, &r.exit, &r.err);
        dropped += keeper_orphan_drain(&r.link);
        if (rc)
            break;
        assert_true(rig_now_ms() < deadline);
        struct pollfd p[2] = {{.fd = r.link.target_pidfd, .events = POLLIN},
                              {.fd = r.link.output_fd[0], .events = POLLIN}};
        poll(p, 2, 100);
    }
    assert_int_equal(rc, 1);
    assert_int_equal(r.exit.how, KEEPER_HOW_EXITED);
    assert_int_equal(r.exit.status, 7);
    assert_true(dropped > 0);
    keeper_close(&r.link);
    assert_int_equal(keeper_attach(r.dir_fd, true, &r.link, &r.err), -1);
    assert_int_equal(r.err.code, SEEP_E_TARGET);
    while (waitpid(-1, NULL, 0) > 0)
        ;
    rig_remove_dir(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(successor_learns_everything),
        cmocka_unit_test(exit_is_known_to_a_late_successor),
        cmocka_unit_test(supervisor_dies_before_start),
        cmocka_unit_test(one_master_many_watchers),
        cmocka_unit_test(garbage_is_harmless),
        cmocka_unit_test(stranger_is_refused),
        cmocka_unit_test(daemon_is_followed),
        cmocka_unit_test(orphans_leave_no_zombies),
        cmocka_unit_test(kill_all_against_all),
        cmocka_unit_test(kill_all_by_freezer),
        cmocka_unit_test(target_cannot_signal_its_keeper_away),
        cmocka_unit_test(killed_keeper),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
