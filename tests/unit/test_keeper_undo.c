// What the keeper does for faults: a target that is started again, one that was stopped or limited and whose supervisor
// is then killed, and a companion that goes when those it goes with are gone.
#include "keeper_rig.h"

static void second_life(void **state)
{
    (void)state;
    struct rig r;
    rig_prepare(&r, "/bin/sh", "-c");
    r.argv[2] = "echo life $$; exit 3";
    rig_run_out(&r);
    struct keeper_started first = r.started;
    assert_int_equal(r.exit.status, 3);
    for (int life = 2; life < 9; life++) {
        r.has_started = r.has_exited = r.has_empty = false;
        rig_ok(&r, keeper_begin(&r.link, &r.err));
        rig_until(&r, &r.has_empty);
        assert_true(r.has_started && r.has_exited);
        assert_int_not_equal(r.started.pid, first.pid);
        assert_int_equal(r.exit.pid, r.started.pid);
        assert_int_equal(r.exit.status, 3);
    }
    char *log = rig_read(&r, KEEPER_LOG_NAME, NULL);
    int lives = 0;
    for (const char *at = log; at && (at = strstr(at, "life ")); at++)
        lives++;
    assert_int_equal(lives, 8);
    free(log);
    rig_close(&r);
}

// A target that prints much in each of many lives does not fill the disk.
static void log_of_many_lives_is_bounded(void **state)
{
    (void)state;
    struct rig r;
    size_t len = 0;
    rig_prepare(&r, "/bin/sh", "-c");
    r.argv[2] = "head -c 100000 /dev/zero";
    r.cfg.log_head_bytes = 4096;
    r.cfg.log_tail_bytes = 8192;
    rig_run_out(&r);
    for (int life = 2; life < 12; life++) {
        r.has_empty = false;
        rig_ok(&r, keeper_begin(&r.link, &r.err));
        rig_until(&r, &r.has_empty);
        free(rig_read(&r, KEEPER_LOG_NAME, &len));
        assert_in_range(len, 4096, 4096 + 6 * (8192 + 200));
    }
    rig_close(&r);
}

static void not_while_somebody_lives(void **state)
{
    (void)state;
    struct rig r;
    int left = -1;
    rig_prepare(&r, "stopped", NULL);
    rig_run(&r);
    rig_until(&r, &r.has_started);
    assert_int_equal(keeper_begin(&r.link, &r.err), -1);
    rig_ok(&r, keeper_kill_all(&r.link, &left, &r.err));
    rig_until(&r, &r.has_empty);
    rig_close(&r);
}

static char state_of(pid_t pid)
{
    char path[40], text[512] = "";
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FILE *f = fopen(path, "r");
    if (!f)
        return '-';
    size_t got = fread(text, 1, sizeof text - 1, f);
    fclose(f);
    text[got] = '\0';
    const char *after = strrchr(text, ')');
    return after ? after[2] : '-';
}

static void until_state(pid_t pid, char wanted, bool is)
{
    for (int64_t deadline = rig_now_ms() + RIG_LIMIT_MS; (state_of(pid) == wanted) != is;) {
        if (rig_now_ms() > deadline)
            fail_msg("process %d is in state %c", (int)pid, state_of(pid));
        nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
    }
}

static void write_file(struct rig *r, const char *name, const char *text)
{
    int fd = openat(r->dir_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

static void until_file(struct rig *r, const char *name, const char *wanted)
{
    for (int64_t deadline = rig_now_ms() + RIG_LIMIT_MS;;) {
        char *text = rig_read(r, name, NULL);
        bool same = text && !strncmp(text, wanted, strlen(wanted));
        if (same || rig_now_ms() > deadline) {
            if (!same)
                fail_msg("%s holds '%s'", name, text ? text : "nothing");
            free(text);
            return;
        }
        free(text);
        nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
    }
}

// A supervisor in a child does what a fault does, and is killed before it can take it back. `setup` runs in it once the
// target has started.
static void killed_supervisor(struct rig *r, void (*setup)(struct rig *r))
{
    int told[2];
    assert_int_equal(pipe(told), 0);
    pid_t supervisor = fork();
    assert_true(supervisor >= 0);
    if (supervisor == 0) {
        rig_run(r);
        rig_until(r, &r->has_started);
        rig_until_log(r, "ready");
        setup(r);
        (void)!write(told[1], &r->started, sizeof r->started);
        for (;;)
            pause();
    }
    close(told[1]);
    assert_int_equal(read(told[0], &r->started, sizeof r->started), sizeof r->started);
    close(told[0]);
    r->link.keeper_pid = supervisor; // until it is attached to: whom to kill
}

static void kill_supervisor(struct rig *r)
{
    pid_t supervisor = r->link.keeper_pid;
    kill(supervisor, SIGKILL);
    waitpid(supervisor, NULL, 0);
}

// Keepers whose supervisor was killed are ours when we are a subreaper by now.
static void reap_adopted(void)
{
    while (waitpid(-1, NULL, 0) > 0)
        ;
}

static void end_foreign(struct rig *r)
{
    int left = -1;
    r->has_empty = false;
    rig_ok(r, keeper_attach(r->dir_fd, true, &r->link, &r->err));
    rig_ok(r, keeper_kill_all(&r->link, &left, &r->err));
    rig_until(r, &r->has_empty);
    rig_ok(r, keeper_shutdown(&r->link, &r->err));
    reap_adopted();
    rig_remove_dir(r);
}

static void nothing(struct rig *r)
{
    (void)r;
}

static void stop_all(struct rig *r)
{
    rig_ok(r, keeper_signal(&r->link, SIGSTOP, KEEPER_WHOM_ALL, 0, &r->err));
}

static void stopped_target_goes_on(void **state)
{
    (void)state;
    struct rig r;
    rig_prepare(&r, "term_ignore", NULL);
    killed_supervisor(&r, stop_all);
    until_state(r.started.pid, 'T', true);
    kill_supervisor(&r);
    until_state(r.started.pid, 'T', false);
    assert_int_not_equal(state_of(r.started.pid), '-');
    end_foreign(&r);
}

static void kill_for_a_while(struct rig *r)
{
    rig_ok(r, keeper_signal(&r->link, SIGKILL, KEEPER_WHOM_ALL, KEEPER_SIGNAL_AGAIN, &r->err));
}

static void kill_for_good(struct rig *r)
{
    rig_ok(r, keeper_signal(&r->link, SIGKILL, KEEPER_WHOM_ALL, 0, &r->err));
}

// A target that a fault had killed when the supervisor died is started again by the keeper, and who takes over learns of
// that life and of no end.
static void killed_target_is_started_again(void **state)
{
    (void)state;
    struct rig r;
    rig_prepare(&r, "term_ignore", NULL);
    killed_supervisor(&r, kill_for_a_while);
    pid_t first = r.started.pid;
    until_state(first, '-', true);
    kill_supervisor(&r);
    for (int64_t deadline = rig_now_ms() + RIG_LIMIT_MS; keeper_attach(r.dir_fd, true, &r.link, &r.err);)
        assert_true(rig_now_ms() < deadline);
    r.has_started = r.has_exited = r.has_empty = false;
    rig_until(&r, &r.has_started);
    assert_int_not_equal(r.started.pid, first);
    assert_false(r.has_exited);
    keeper_close(&r.link);
    until_state(r.started.pid, 'T', false);
    assert_int_not_equal(state_of(r.started.pid), '-');
    end_foreign(&r);
}

static void target_killed_for_good_stays_dead(void **state)
{
    (void)state;
    struct rig r;
    rig_prepare(&r, "term_ignore", NULL);
    killed_supervisor(&r, kill_for_good);
    until_state(r.started.pid, '-', true);
    kill_supervisor(&r);
    for (int64_t deadline = rig_now_ms() + RIG_LIMIT_MS; keeper_attach(r.dir_fd, true, &r.link, &r.err);)
        assert_true(rig_now_ms() < deadline);
    r.has_started = r.has_exited = r.has_empty = false;
    rig_until(&r, &r.has_empty);
    assert_true(r.has_exited);
    rig_ok(&r, keeper_shutdown(&r.link, &r.err));
    reap_adopted();
    rig_remove_dir(&r);
}

// One that stopped itself is nobody's to continue: its supervisor only went away.
static void own_stop_is_left_alone(void **state)
{
    (void)state;
    struct rig r;
    rig_prepare(&r, "stopped", NULL);
    killed_supervisor(&r, nothing);
    until_state(r.started.pid, 'T', true);
    kill_supervisor(&r);
    r.link.keeper_pid = 0;
    rig_ok(&r, keeper_attach(r.dir_fd, true, &r.link, &r.err)); // the keeper has seen the absence by now
    keeper_close(&r.link);
    assert_int_equal(state_of(r.started.pid), 'T');
    for (int64_t deadline = rig_now_ms() + RIG_LIMIT_MS; keeper_attach(r.dir_fd, true, &r.link, &r.err);)
        assert_true(rig_now_ms() < deadline);
    keeper_close(&r.link);
    end_foreign(&r);
}

static void two_knobs(struct rig *r)
{
    rig_ok(r, keeper_knob(&r->link, "memory.max", "1000", "max", &r->err));
    rig_ok(r, keeper_knob(&r->link, "memory.max", "500", "1000", &r->err));
    rig_ok(r, keeper_knob(&r->link, "cpu.max", "50000 100000", "max 100000", &r->err));
    assert_int_equal(keeper_knob(&r->link, "../memory.max", "1", "2", &r->err), -1);
    assert_int_equal(keeper_knob(&r->link, "nothing.max", "1", "2", &r->err), -1);
}

// The group here is a directory of plain files: what is written is what a control group would get.
static void limits_are_lifted(void **state)
{
    (void)state;
    struct rig r;
    rig_prepare(&r, "term_ignore", NULL);
    write_file(&r, "cgroup.procs", "");
    write_file(&r, "memory.max", "max");
    write_file(&r, "cpu.max", "max 100000");
    r.cfg.join[0] = r.dir;
    killed_supervisor(&r, two_knobs);
    until_file(&r, "memory.max", "500");
    until_file(&r, "cpu.max", "50000 100000");
    kill_supervisor(&r);
    until_file(&r, "memory.max", "max"); // what it was at first
    until_file(&r, "cpu.max", "max 100000");
    end_foreign(&r);
}

static void knob_taken_back_is_forgotten(void **state)
{
    (void)state;
    struct rig r;
    int left = -1;
    rig_prepare(&r, "term_ignore", NULL);
    write_file(&r, "cgroup.procs", "");
    write_file(&r, "memory.max", "max");
    r.cfg.join[0] = r.dir;
    rig_run(&r);
    rig_until(&r, &r.has_started);
    for (int i = 0; i < 50; i++) {
        rig_ok(&r, keeper_knob(&r.link, "memory.max", "1000", "max", &r.err));
        rig_ok(&r, keeper_knob(&r.link, "memory.max", "max", "", &r.err));
    }
    until_file(&r, "memory.max", "max");
    rig_ok(&r, keeper_kill_all(&r.link, &left, &r.err));
    rig_until(&r, &r.has_empty);
    rig_close(&r);
}

static uint64_t starttime(pid_t pid)
{
    char path[40], text[1024] = "";
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    size_t got = fread(text, 1, sizeof text - 1, f);
    fclose(f);
    text[got] = '\0';
    char *at = strrchr(text, ')');
    for (int field = 2; at && field < 22; field++)
        at = strchr(at + 1, ' ');
    return at ? strtoull(at, NULL, 10) : 0;
}

// Its supervisor dies: it stays, for the process it goes with lives. That dies too: it goes.
static void companion_goes_last(void **state)
{
    (void)state;
    struct rig r;
    pid_t other = fork();
    if (other == 0)
        for (;;)
            pause();
    rig_prepare(&r, "term_ignore", NULL);
    r.cfg.companion_pid = other;
    r.cfg.companion_starttime_ticks = starttime(other);
    killed_supervisor(&r, nothing);
    kill_supervisor(&r);
    nanosleep(&(struct timespec){.tv_nsec = 300000000}, NULL);
    assert_int_not_equal(state_of(r.started.pid), '-');
    kill(other, SIGKILL);
    waitpid(other, NULL, 0);
    until_state(r.started.pid, '-', true);
    for (int64_t deadline = rig_now_ms() + RIG_LIMIT_MS; faccessat(r.dir_fd, KEEPER_SOCKET_NAME, F_OK, 0) == 0;)
        assert_true(rig_now_ms() < deadline);
    reap_adopted();
    rig_remove_dir(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(second_life),
        cmocka_unit_test(log_of_many_lives_is_bounded),
        cmocka_unit_test(not_while_somebody_lives),
        cmocka_unit_test(stopped_target_goes_on),
        cmocka_unit_test(killed_target_is_started_again),
        cmocka_unit_test(target_killed_for_good_stays_dead),
        cmocka_unit_test(own_stop_is_left_alone),
        cmocka_unit_test(limits_are_lifted),
        cmocka_unit_test(knob_taken_back_is_forgotten),
        cmocka_unit_test(companion_goes_last),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
