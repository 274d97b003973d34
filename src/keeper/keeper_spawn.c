// Turns a fork of the keeper into the target: its own session, cgroup, limits, descriptors, identity, directory, exec.
//
// The child tells the stage and errno of the first thing that went wrong through a CLOEXEC pipe; end of file without a
// word means that exec succeeded. Between fork and exec only async-signal-safe calls are made, and memory is only read.
#include "keeper/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/close_range.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define STATUS_FD 3 // in the child

static _Noreturn void tell(int fd, enum keeper_stage stage, uint64_t detail)
{
    struct keeper_failed failed = {.stage = stage, .sys_errno = errno, .detail = detail};
    (void)!write(fd, &failed, sizeof failed);
    _exit(127);
}

static int write_to(const char *dir, const char *name, const char *text)
{
    char path[4096];
    size_t a = strlen(dir), b = strlen(name);
    if (a + b + 2 > sizeof path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memcpy(path, dir, a);
    path[a] = '/';
    memcpy(path + a + 1, name, b + 1);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    ssize_t put = write(fd, text, strlen(text));
    close(fd);
    return put < 0 ? -1 : 0;
}

static void join_cgroups(const struct keeper *k, int fd)
{
    for (uint32_t i = 0; i < KEEPER_JOIN_MAX; i++) {
        const char *dir = keeper_string(k, k->cfg->join[i]);
        if (dir && write_to(dir, "cgroup.procs", "0") < 0)
            tell(fd, KEEPER_STAGE_CGROUP, i);
    }
}

// Past the C library, which keeps two signals to itself: its posix_spawn(), by which this keeper came, leaves them
// ignored, and a target started by a shell has them at their defaults.
static void reset_signals(void)
{
    static const uint64_t by_default[4]; // struct kernel_sigaction with SIG_DFL, which is 0
    for (int sig = 1; sig <= SIGRTMAX; sig++)
        syscall(SYS_rt_sigaction, sig, by_default, NULL, sizeof(uint64_t));
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

static void set_limits(const struct keeper *k, int fd)
{
    for (uint32_t i = 0; i < k->cfg->rlimit_count; i++) {
        const struct keeper_rlimit *want = &k->cfg->rlimits[i];
        struct rlimit lim = {.rlim_cur = want->soft, .rlim_max = want->hard};
        if (setrlimit((__rlimit_resource_t)want->resource, &lim) < 0)
            tell(fd, KEEPER_STAGE_RLIMIT, i);
    }
}

// Ends with descriptors 0, 1, 2 and STATUS_FD, nothing else. Sources are all above 5.
static void set_stdio(const struct keeper *k, int fd, const int child_fds[2])
{
    if (k->cfg->output != KEEPER_OUTPUT_INHERIT) {
        int null_fd = open("/dev/null", O_RDONLY);
        if (null_fd < 0 || dup2(null_fd, 0) < 0 || dup2(child_fds[0], 1) < 0 || dup2(child_fds[1], 2) < 0)
            tell(fd, KEEPER_STAGE_STDIO, 0);
    }
}

static void set_ids(const struct keeper *k, int fd)
{
    if (!k->cfg->set_ids || (k->cfg->uid == geteuid() && k->cfg->gid == getegid() && !k->cfg->group_count))
        return;
    gid_t groups[KEEPER_GROUPS_MAX];
    for (uint32_t i = 0; i < k->cfg->group_count; i++)
        groups[i] = k->cfg->groups[i];
    if (setgroups(k->cfg->group_count, groups) < 0)
        tell(fd, KEEPER_STAGE_IDS, 0);
    if (setresgid(k->cfg->gid, k->cfg->gid, k->cfg->gid) < 0)
        tell(fd, KEEPER_STAGE_IDS, 1);
    if (setresuid(k->cfg->uid, k->cfg->uid, k->cfg->uid) < 0)
        tell(fd, KEEPER_STAGE_IDS, 2);
}

// After the change of user, so that its rights decide.
static void set_cwd(const struct keeper *k, int fd)
{
    if (fchdir(k->cwd_fd) < 0)
        tell(fd, KEEPER_STAGE_CWD, 0);
    const char *cwd = keeper_string(k, k->cfg->cwd);
    if (cwd && chdir(cwd) < 0)
        tell(fd, KEEPER_STAGE_CWD, 1);
}

static _Noreturn void become_target(const struct keeper *k, int fd, const int child_fds[2])
{
    if (setsid() < 0)
        tell(fd, KEEPER_STAGE_SESSION, 0);
    if (k->oom_score_adj[0])
        (void)!write_to("/proc/self", "oom_score_adj", k->oom_score_adj);
    join_cgroups(k, fd);
    set_limits(k, fd);
    set_stdio(k, fd, child_fds);
    set_ids(k, fd);
    set_cwd(k, fd);
    umask((mode_t)k->cfg->umask_bits);
    reset_signals();
    if (fd != STATUS_FD && dup3(fd, STATUS_FD, O_CLOEXEC) < 0)
        tell(fd, KEEPER_STAGE_STDIO, 1);
    syscall(SYS_close_range, STATUS_FD + 1u, ~0u, CLOSE_RANGE_UNSHARE);
    execve(keeper_string(k, k->cfg->exec_path), k->argv, k->envp);
    tell(STATUS_FD, KEEPER_STAGE_EXEC, 0);
}

// A kernel without close_range(2) (before 5.9) still closes everything of ours by CLOEXEC; what the caller leaked to us
// was closed when link.c started us.
int keeper_spawn(struct keeper *k)
{
    int child_fds[2], status[2];
    int sys_errno = keeper_output_open(k, child_fds);
    if (sys_errno)
        return sys_errno;
    if (pipe2(status, O_CLOEXEC) < 0)
        return errno;
    keeper_oom_begin(k);
    k->start_mono_ns = keeper_now_ns();
    k->start_real_ns = keeper_real_ns();
    pid_t pid = fork();
    sys_errno = errno;
    if (pid == 0)
        become_target(k, status[1], child_fds);
    close(status[1]);
    for (int i = 0; i < 2; i++)
        if (child_fds[i] >= 0)
            close(child_fds[i]);
    if (pid < 0) {
        close(status[0]);
        return sys_errno;
    }
    k->status_fd = status[0];
    k->pid = k->stats.target_pid = pid;
    k->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    k->stats.target_starttime_ticks = keeper_starttime(pid);
    // With inherit the target alone holds the caller's descriptors, so that a reader sees end of file when it ends.
    int null_fd = k->cfg->output == KEEPER_OUTPUT_INHERIT ? open("/dev/null", O_RDWR | O_CLOEXEC) : -1;
    for (int fd = 0; null_fd >= 0 && fd < 3; fd++)
        dup2(null_fd, fd);
    if (null_fd > 2)
        close(null_fd);
    return 0;
}

void keeper_spawn_status(struct keeper *k)
{
    struct keeper_failed failed;
    ssize_t got = read(k->status_fd, &failed, sizeof failed);
    if (got < 0 && (errno == EINTR || errno == EAGAIN))
        return;
    close(k->status_fd);
    k->status_fd = -1;
    if (got == (ssize_t)sizeof failed) {
        k->failed = failed;
        keeper_happens(k, HAPPENS_EXEC_FAILED);
    } else {
        keeper_happens(k, HAPPENS_EXEC_OK);
    }
    keeper_reap(k); // its SIGCHLD may have come while exec was undecided
}
